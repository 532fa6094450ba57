#include "tools/keys_input.h"

#include <stdio.h>
#include <string.h>

#include "oscore/names.h"

enum { MASTER_SECRET_LEAST = 16 }; /* bytes that nobody guesses (RFC 8613 12.3) */

struct input {
	struct keys_lines lines;
	struct keys_input *block;
	void (*derive)(void *arg, struct keys_input *block, struct keys_lines *l);
	void *arg;
};

static bool number_of(struct input *in, enum oscore_names kind, const struct keys_word *w, int *number)
{
	if (oscore_names_number(kind, w->at, w->len, number))
		return true;
	keys_lines_error(&in->lines, in->lines.line, "unknown name; known are %s", oscore_names_all(kind));
	return false;
}

static void take_master(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	struct oscore_master_key *m = &in->block->master;

	if (keys_word_bytes(&in->lines, values, "the Master Secret", m->bytes, sizeof m->bytes, &m->len) == 0 && m->len < MASTER_SECRET_LEAST)
		keys_lines_error(&in->lines, in->lines.line, "a Master Secret of less than %d bytes can be guessed", MASTER_SECRET_LEAST);
}

static void take_salt(void *arg, const struct keys_word *values)
{
	struct input *in = arg;

	if (keys_word_bytes(&in->lines, values, "the Master Salt", in->block->salt, sizeof in->block->salt, &in->block->salt_len) < 0)
		in->block->salt_len = 0;
}

static void take_hkdf(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	int hkdf;

	if (number_of(in, OSCORE_NAMES_HKDF, values, &hkdf))
		in->block->hkdf = (enum oscore_hkdf)hkdf;
}

static void take_aead(void *arg, const struct keys_word *values)
{
	struct input *in = arg;

	(void)number_of(in, OSCORE_NAMES_AEAD, values, &in->block->aead);
}

static void take_id_context(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	struct keys_input *b = in->block;

	b->has_id_context = keys_word_bytes(&in->lines, values, "the ID Context", b->id_context, sizeof b->id_context, &b->id_context_len) == 0;
}

static void id_take(struct input *in, const struct keys_word *w, struct oscore_id *id)
{
	size_t len;

	if (keys_word_bytes(&in->lines, w, "the ID", id->bytes, sizeof id->bytes, &len) == 0)
		id->len = (uint8_t)len;
}

static void take_sender(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	struct keys_input *b = in->block;

	if (b->sender_count == 2)
		keys_lines_error(&in->lines, in->lines.line, "a third sender: a context has two");
	else
		id_take(in, values, &b->senders[b->sender_count++]);
}

static void take_gid(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	struct oscore_group *g = &in->block->group;
	size_t len;

	if (keys_word_bytes(&in->lines, values, "the Gid", g->gid, sizeof g->gid, &len) == 0)
		g->gid_len = (uint8_t)len;
}

static void take_pairwise(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	int alg;

	if (!keys_word_is(values, "none") && number_of(in, OSCORE_NAMES_AEAD, values, &alg))
		in->block->group.aead = oscore_aead_row(alg);
}

static void take_group_algorithm(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	int alg;

	if (number_of(in, OSCORE_NAMES_GROUP, values, &alg))
		in->block->group.algorithm = oscore_group_algorithm(alg);
}

static void take_signature(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	int alg;

	if (number_of(in, OSCORE_NAMES_SIGNATURE, values, &alg))
		in->block->group.signature = (enum oscore_signature)alg;
}

static void take_agreement(void *arg, const struct keys_word *values)
{
	struct input *in = arg;

	if (!keys_word_is(values, "none"))
		(void)number_of(in, OSCORE_NAMES_AGREEMENT, values, &in->block->group.key_agreement);
}

static void take_manager(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	struct oscore_group *g = &in->block->group;
	size_t len;

	if (keys_word_bytes(&in->lines, values, "the credential", g->manager_credential, sizeof g->manager_credential, &len) == 0)
		g->manager_credential_len = (uint16_t)len;
}

static void take_countersignature(void *arg, const struct keys_word *values)
{
	struct input *in = arg;

	if (keys_word_is(values, "four"))
		in->block->group.four_elements = true;
	else if (!keys_word_is(values, "five"))
		keys_lines_error(&in->lines, in->lines.line, "countersignature has \"five\" elements or \"four\"");
}

/* member ID client|server credential HEX public-key HEX */
static void take_member(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	struct oscore_group *g = &in->block->group;
	struct oscore_group_member *m = &g->members[g->member_count];
	bool server = keys_word_is(&values[1], "server"), client = keys_word_is(&values[1], "client");
	size_t len;

	if (!(server || client) || !keys_word_is(&values[2], "credential") || !keys_word_is(&values[4], "public-key")) {
		keys_lines_error(&in->lines, in->lines.line, "a member is: member ID client|server credential HEX public-key HEX");
		return;
	}
	if (g->member_count == OSCORE_GROUP_MEMBERS_MAX) {
		keys_lines_error(&in->lines, in->lines.line, "more than %d members", OSCORE_GROUP_MEMBERS_MAX);
		return;
	}
	in->block->is_server[g->member_count++] = server;
	id_take(in, &values[0], &m->id);
	if (keys_word_bytes(&in->lines, &values[3], "the credential", m->credential, sizeof m->credential, &len) == 0)
		m->credential_len = (uint16_t)len;
	if (keys_word_bytes(&in->lines, &values[5], "the public key", m->public_key, sizeof m->public_key, &len) == 0)
		m->public_key_len = (uint8_t)len;
}

static const struct keys_setting context_settings[] = {
	{ "master-secret", 1, true, false, take_master },
	{ "master-salt", 1, false, false, take_salt },
	{ "id-context", 1, false, false, take_id_context },
	{ "algorithm", 1, false, false, take_aead },
	{ "hkdf", 1, false, false, take_hkdf },
	{ "sender", 1, true, true, take_sender },
	{ NULL, 0, false, false, NULL },
};
static const struct keys_setting group_settings[] = {
	{ "master-secret", 1, true, false, take_master },
	{ "master-salt", 1, false, false, take_salt },
	{ "gid", 1, true, false, take_gid },
	{ "algorithm", 1, true, false, take_pairwise },
	{ "group-algorithm", 1, true, false, take_group_algorithm },
	{ "signature", 1, true, false, take_signature },
	{ "key-agreement", 1, true, false, take_agreement },
	{ "hkdf", 1, false, false, take_hkdf },
	{ "manager-credential", 1, true, false, take_manager },
	{ "countersignature", 1, false, false, take_countersignature },
	{ "member", 6, true, true, take_member },
	{ NULL, 0, false, false, NULL },
};

static void block_begin(struct input *in, const char *name, unsigned line, bool is_group)
{
	struct keys_input *b = in->block;

	explicit_bzero(b, sizeof *b);
	snprintf(b->name, sizeof b->name, "%s", name);
	b->line = line;
	b->is_group = is_group;
	b->aead = OSCORE_AES_CCM_16_64_128;
	b->group.members = b->members;
}

static void context_begin(void *arg, const char *name, unsigned line)
{
	block_begin(arg, name, line, false);
}

static void group_begin(void *arg, const char *name, unsigned line)
{
	block_begin(arg, name, line, true);
}

static void context_end(void *arg, bool sound)
{
	struct input *in = arg;
	struct keys_input *b = in->block;

	if (sound && b->sender_count != 2)
		keys_lines_error(&in->lines, b->line, "a context has two senders");
	else if (sound && oscore_id_equal(&b->senders[0], b->senders[1].bytes, b->senders[1].len))
		keys_lines_error(&in->lines, b->line, "both senders have the same ID");
	else if (sound)
		in->derive(in->arg, b, &in->lines);
}

static void group_end(void *arg, bool sound)
{
	struct input *in = arg;

	in->block->group.hkdf = in->block->hkdf;
	if (sound)
		in->derive(in->arg, in->block, &in->lines);
}

static const struct keys_block blocks[] = {
	{ "context", context_settings, context_begin, context_end },
	{ "group", group_settings, group_begin, group_end },
	{ NULL, NULL, NULL, NULL },
};

unsigned keys_input_read(const char *text, size_t len, const struct keys_errors *errors, struct keys_input *block,
	void (*derive)(void *arg, struct keys_input *block, struct keys_lines *l), void *arg)
{
	struct input in = { .block = block, .derive = derive, .arg = arg };

	keys_lines_init(&in.lines, text, len, errors);
	keys_blocks_read(&in.lines, blocks, false, &in);
	explicit_bzero(block, sizeof *block);
	return in.lines.error_count;
}
