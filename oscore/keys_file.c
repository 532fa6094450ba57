#include "oscore/keys_file.h"

#include <stdlib.h>
#include <string.h>

#include "oscore/keys_settings.h"

enum { CONTEXT_SENDERS = 2 };

enum measured { MEASURED_IV, MEASURED_SIGNATURE_KEY, MEASURED_COUNT };

/* A sender as the check for duplicates sorts them. */
struct named {
	const struct keys_context *of;
	const struct oscore_id *id;
};

struct parser {
	struct keys_reading reading; /* first: see there */
	struct keys_file *file;
	struct oscore_group_member *members;
	struct named *named;
	size_t member_count;
	/* the block in hand */
	unsigned measured_lines[MEASURED_COUNT]; /* what the algorithm decides the lengths of */
	size_t measured[MEASURED_COUNT];
	size_t key_lengths[CONTEXT_SENDERS];
	unsigned sender_lines[CONTEXT_SENDERS];
	size_t sender_count;
	struct keys_context context;
	struct keys_group group;
	unsigned member_lines[OSCORE_GROUP_MEMBERS_MAX];
	size_t member_key_lengths[OSCORE_GROUP_MEMBERS_MAX];
};

static unsigned here(const struct parser *p)
{
	return p->reading.lines.line;
}

/* A byte string whose length is judged when the algorithm is known. */
static void measured_take(struct parser *p, const struct keys_word *w, const char *what, enum measured which, uint8_t *out, size_t max)
{
	if (keys_word_bytes(&p->reading.lines, w, what, out, max, &p->measured[which]) == 0)
		p->measured_lines[which] = here(p);
}

static void context_algorithm(void *arg, const struct keys_word *values)
{
	struct parser *p = arg;
	int alg;

	if (keys_setting_number(&p->reading.lines, OSCORE_NAMES_AEAD, values, &alg))
		p->context.context.aead = oscore_aead_row(alg);
}

static void context_id_context(void *arg, const struct keys_word *values)
{
	struct parser *p = arg;
	struct oscore_context *c = &p->context.context;
	size_t len;

	if (keys_word_bytes(&p->reading.lines, values, "the ID Context", c->id_context, sizeof c->id_context, &len) < 0)
		return;
	c->has_id_context = true;
	c->id_context_len = (uint8_t)len;
}

static void context_common_iv(void *arg, const struct keys_word *values)
{
	struct parser *p = arg;

	measured_take(p, values, "the Common IV", MEASURED_IV, p->context.context.common_iv, sizeof p->context.context.common_iv);
}

/* ID and key, or "none". */
static void party_take(struct parser *p, const struct keys_word *id_word, const struct keys_word *key_word, struct oscore_id *id,
	struct oscore_key *key, bool *has_key, size_t *key_len)
{
	*has_key = false;
	*key_len = 0;
	keys_setting_id(&p->reading.lines, id_word, id);
	if (!keys_word_is(key_word, "none") && keys_word_bytes(&p->reading.lines, key_word, "the key", key->bytes, sizeof key->bytes, key_len) == 0)
		*has_key = true;
}

static void context_sender(void *arg, const struct keys_word *values)
{
	struct parser *p = arg;
	struct keys_context *c = &p->context;
	size_t n = p->sender_count;
	struct oscore_side *side = n == 0 ? &c->context.sender : &c->context.recipient;

	if (n == CONTEXT_SENDERS) {
		keys_lines_error(&p->reading.lines, here(p), "a third sender: a context has two");
		return;
	}
	p->sender_lines[n] = here(p);
	p->sender_count++;
	party_take(p, &values[0], &values[1], &side->id, &side->key, n == 0 ? &c->sender_has_key : &c->recipient_has_key, &p->key_lengths[n]);
}

static void group_common_iv(void *arg, const struct keys_word *values)
{
	struct parser *p = arg;
	struct oscore_group *g = &p->group.group;

	g->has_common_iv = true;
	measured_take(p, values, "the Common IV", MEASURED_IV, g->common_iv, sizeof g->common_iv);
}

static void group_signature_key(void *arg, const struct keys_word *values)
{
	struct parser *p = arg;
	struct oscore_key *key = &p->group.group.signature_encryption_key;

	measured_take(p, values, "the Signature Encryption Key", MEASURED_SIGNATURE_KEY, key->bytes, sizeof key->bytes);
}

/* member ID credential HEX public-key HEX key HEX|none */
static void group_member(void *arg, const struct keys_word *values)
{
	struct parser *p = arg;
	struct oscore_group *g = &p->group.group;
	size_t n = g->member_count;
	struct oscore_group_member *m;

	if (!keys_word_is(&values[1], "credential") || !keys_word_is(&values[3], "public-key") || !keys_word_is(&values[5], "key")) {
		keys_lines_error(&p->reading.lines, here(p), "a member is: member ID credential HEX public-key HEX key HEX|none");
		return;
	}
	if (n == OSCORE_GROUP_MEMBERS_MAX || p->member_count == KEYS_MEMBERS_MAX) {
		if (n == OSCORE_GROUP_MEMBERS_MAX)
			keys_lines_error(&p->reading.lines, here(p), "more than %d members", OSCORE_GROUP_MEMBERS_MAX);
		else
			keys_lines_error(&p->reading.lines, here(p), "more than %d members in this file", KEYS_MEMBERS_MAX);
		return;
	}
	m = &g->members[n];
	p->member_lines[n] = here(p);
	g->member_count++;
	p->member_count++;
	keys_setting_credential(&p->reading.lines, &values[2], &values[4], m);
	party_take(p, &values[0], &values[6], &m->id, &m->key, &m->has_key, &p->member_key_lengths[n]);
}

static const struct keys_setting context_settings[] = {
	{ "algorithm", 1, true, false, context_algorithm },
	{ "id-context", 1, false, false, context_id_context },
	{ "common-iv", 1, true, false, context_common_iv },
	{ "sender", 2, false, true, context_sender },
	{ NULL, 0, false, false, NULL },
};
static const struct keys_setting group_settings[] = {
	KEYS_GROUP_SETTINGS,
	{ "common-iv", 1, false, false, group_common_iv },
	{ "signature-encryption-key", 1, true, false, group_signature_key },
	{ "member", 7, true, true, group_member },
	{ NULL, 0, false, false, NULL },
};

/* Nothing of the last block is left for the next. */
static void block_clear(struct parser *p)
{
	explicit_bzero(&p->context, sizeof p->context);
	explicit_bzero(&p->group, sizeof p->group);
	memset(p->measured_lines, 0, sizeof p->measured_lines);
	p->sender_count = 0;
}

static void length_check(struct parser *p, unsigned line, const char *what, size_t is, size_t wanted)
{
	if (is != wanted)
		keys_lines_error(&p->reading.lines, line, "%s has %zu bytes, and the algorithm wants %zu", what, is, wanted);
}

static bool same_id(const struct oscore_id *a, const struct oscore_id *b)
{
	return oscore_id_equal(a, b->bytes, b->len);
}

/* What can be said only of a whole context. */
static void context_check(struct parser *p)
{
	const struct keys_context *c = &p->context;
	const struct oscore_aead *aead = c->context.aead;
	const struct oscore_side *sides[CONTEXT_SENDERS] = { &c->context.sender, &c->context.recipient };
	const bool has_key[CONTEXT_SENDERS] = { c->sender_has_key, c->recipient_has_key };

	length_check(p, p->measured_lines[MEASURED_IV], "the Common IV", p->measured[MEASURED_IV], aead->nonce_len);
	for (size_t i = 0; i < CONTEXT_SENDERS; i++) {
		if (sides[i]->id.len > aead->nonce_len - 6u)
			keys_lines_error(&p->reading.lines, p->sender_lines[i], "an ID of %u bytes: the nonce of the algorithm has room for %u", sides[i]->id.len,
				aead->nonce_len - 6u);
		if (has_key[i])
			length_check(p, p->sender_lines[i], "the key", p->key_lengths[i], aead->key_len);
	}
	if (same_id(&sides[0]->id, &sides[1]->id))
		keys_lines_error(&p->reading.lines, p->sender_lines[1], "both senders have this ID");
}

static void context_begin(void *arg, const char *name, unsigned line)
{
	struct parser *p = arg;

	block_clear(p);
	memcpy(p->context.name, name, strlen(name));
	p->context.line = line;
	if (p->file->context_count == KEYS_CONTEXTS_MAX)
		keys_lines_error(&p->reading.lines, line, "more than %d contexts in a file", KEYS_CONTEXTS_MAX);
}

static void context_end(void *arg, bool sound)
{
	struct parser *p = arg;
	struct keys_file *f = p->file;
	unsigned errors = p->reading.lines.error_count;

	if (p->sender_count < CONTEXT_SENDERS)
		keys_lines_error(&p->reading.lines, p->context.line, "a context has two senders, one may be known by its ID alone: sender ID none");
	else if (sound)
		context_check(p);
	if (sound && p->reading.lines.error_count == errors)
		f->contexts[f->context_count++] = p->context;
}

static void group_check(struct parser *p)
{
	static const char *const faults[] = {
		[OSCORE_GROUP_ID_TOO_LONG] = "this ID is longer than the nonce of the algorithms has room for",
		[OSCORE_GROUP_ID_TWICE] = "an earlier member has this ID",
		[OSCORE_GROUP_NO_PUBLIC_KEY] = "the public key is none of the signature algorithm",
		[OSCORE_GROUP_KEY_WITHOUT_IV] = "a member's key is of no use without the Common IV",
		[OSCORE_GROUP_NO_MEMBER] = "a group has members",
	};
	struct oscore_group *g = &p->group.group;
	enum oscore_group_fault fault;
	unsigned errors = p->reading.lines.error_count;
	size_t member = 0;

	length_check(p, p->measured_lines[MEASURED_SIGNATURE_KEY], "the Signature Encryption Key", p->measured[MEASURED_SIGNATURE_KEY],
		g->algorithm->key_len);
	if (g->has_common_iv)
		length_check(p, p->measured_lines[MEASURED_IV], "the Common IV", p->measured[MEASURED_IV], oscore_group_iv_length(g));
	for (size_t i = 0; i < g->member_count; i++)
		if (g->members[i].has_key)
			length_check(p, p->member_lines[i], "the key", p->member_key_lengths[i], g->algorithm->key_len);
	if (p->reading.lines.error_count != errors)
		return;
	fault = oscore_group_prepare(g, &member);
	if (fault != OSCORE_GROUP_SOUND)
		keys_lines_error(&p->reading.lines, fault == OSCORE_GROUP_NO_MEMBER ? p->group.line : p->member_lines[member], "%s", faults[fault]);
}

static void group_begin(void *arg, const char *name, unsigned line)
{
	struct parser *p = arg;

	block_clear(p);
	memcpy(p->group.name, name, strlen(name));
	p->group.line = line;
	p->group.group.members = p->members + p->member_count;
	if (p->file->group_count == KEYS_GROUPS_MAX)
		keys_lines_error(&p->reading.lines, line, "more than %d groups in a file", KEYS_GROUPS_MAX);
}

static void group_end(void *arg, bool sound)
{
	struct parser *p = arg;
	struct keys_file *f = p->file;
	unsigned errors = p->reading.lines.error_count;

	if (sound)
		group_check(p);
	if (sound && p->reading.lines.error_count == errors)
		f->groups[f->group_count++] = p->group;
}

static const struct keys_block blocks[] = {
	{ "context", context_settings, context_begin, context_end },
	{ "group", group_settings, group_begin, group_end },
	{ NULL, NULL, NULL, NULL },
};

static int bytes_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	return a_len == 0 ? 0 : memcmp(a, b, a_len);
}

static int named_compare(const void *left, const void *right)
{
	const struct named *a = left, *b = right;
	const struct oscore_context *ac = &a->of->context, *bc = &b->of->context;
	int order = bytes_compare(a->id->bytes, a->id->len, b->id->bytes, b->id->len);

	if (order == 0)
		order = (int)ac->has_id_context - (int)bc->has_id_context;
	if (order == 0)
		order = bytes_compare(ac->id_context, ac->id_context_len, bc->id_context, bc->id_context_len);
	return order != 0 ? order : memcmp(ac->common_iv, bc->common_iv, sizeof ac->common_iv);
}

/* Of one Master Secret, which has one Common IV for each ID Context, an ID is one sender's. Under others somebody else may have it, and is told
 * from him by trying: two servers of which each has a client of that ID, say. */
static void senders_check(struct parser *p)
{
	const struct keys_file *f = p->file;
	size_t count = 0;

	for (size_t i = 0; i < f->context_count; i++) {
		p->named[count++] = (struct named){ &f->contexts[i], &f->contexts[i].context.sender.id };
		p->named[count++] = (struct named){ &f->contexts[i], &f->contexts[i].context.recipient.id };
	}
	qsort(p->named, count, sizeof p->named[0], named_compare);
	for (size_t i = 1; i < count; i++) {
		const struct keys_context *a = p->named[i - 1].of, *b = p->named[i].of;

		if (named_compare(&p->named[i - 1], &p->named[i]) == 0)
			keys_lines_error(&p->reading.lines, a->line > b->line ? a->line : b->line, "\"%s\" and \"%s\" have a sender of the same ID, under the same Common IV, and %s",
				a->name, b->name, a->context.has_id_context ? "the same ID Context" : "no ID Context");
	}
}

static void gids_check(struct parser *p)
{
	const struct keys_file *f = p->file;

	for (size_t i = 1; i < f->group_count; i++) {
		const struct oscore_group *g = &f->groups[i].group;

		for (size_t j = 0; j < i; j++)
			if (bytes_compare(g->gid, g->gid_len, f->groups[j].group.gid, f->groups[j].group.gid_len) == 0)
				keys_lines_error(&p->reading.lines, f->groups[i].line, "\"%s\" has the same Gid", f->groups[j].name);
	}
}

/* Where in the memory each array lies. */
struct layout {
	size_t contexts, groups, members, named, size;
};

static void ignore(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static size_t rounded(size_t n)
{
	const size_t unit = _Alignof(max_align_t);

	return (n + unit - 1) / unit * unit;
}

static struct layout layout_of(const char *text, size_t len)
{
	static const struct keys_errors silent = { "", ignore, NULL };
	size_t contexts = 0, groups = 0, members = 0;
	struct keys_lines lines;
	struct layout y;

	keys_lines_init(&lines, text, len, &silent);
	while (keys_lines_next(&lines)) {
		contexts += contexts < KEYS_CONTEXTS_MAX && keys_word_is(&lines.words[0], "context");
		groups += groups < KEYS_GROUPS_MAX && keys_word_is(&lines.words[0], "group");
		members += members < KEYS_MEMBERS_MAX && keys_word_is(&lines.words[0], "member");
	}
	y.contexts = rounded(sizeof(struct keys_file));
	y.groups = y.contexts + rounded(contexts * sizeof(struct keys_context));
	y.members = y.groups + rounded(groups * sizeof(struct keys_group));
	y.named = y.members + rounded(members * sizeof(struct oscore_group_member));
	y.size = y.named + rounded(contexts * CONTEXT_SENDERS * sizeof(struct named));
	return y;
}

size_t keys_file_size(const char *text, size_t len)
{
	return layout_of(text, len).size;
}

struct keys_file *keys_file_parse(void *memory, const char *text, size_t len, const struct keys_errors *errors)
{
	struct layout y = layout_of(text, len);
	uint8_t *bytes = memory;
	struct parser p = { .file = memory, .reading.group = &p.group.group };
	bool failed;

	memset(memory, 0, y.size);
	p.file->size = y.size;
	p.file->contexts = (struct keys_context *)(void *)(bytes + y.contexts);
	p.file->groups = (struct keys_group *)(void *)(bytes + y.groups);
	p.members = (struct oscore_group_member *)(void *)(bytes + y.members);
	p.named = (struct named *)(void *)(bytes + y.named);
	keys_lines_init(&p.reading.lines, text, len, errors);
	keys_blocks_read(&p.reading.lines, blocks, true, &p);
	if (p.reading.lines.error_count == 0) {
		senders_check(&p);
		gids_check(&p);
		if (p.file->context_count + p.file->group_count == 0)
			keys_lines_error(&p.reading.lines, 1, "holds no context and no group");
	}
	failed = p.reading.lines.error_count > 0;
	explicit_bzero(&p, sizeof p);
	if (!failed)
		return memory;
	keys_file_wipe(memory);
	return NULL;
}

void keys_file_wipe(struct keys_file *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < f->group_count; i++)
		oscore_group_wipe(&f->groups[i].group);
	explicit_bzero(f, f->size);
}
