#include "oscore/reader/table.h"

#include <string.h>

#include "base/hash.h"
#include "oscore/reader/vault.h"

#define NONE UINT32_MAX

/* A file, and the set it is of. */
struct part {
	struct part *next;
	struct table_set set;
	struct keys_file *file;
};

struct table {
	struct part *parts, **last;   /* in the order in which they were added */
	size_t context_count;
	uint32_t sender_count, unsealer_count;
	struct table_context *contexts; /* of all files, in their order; NULL until indexed */
	struct table_sender *senders; /* of all contexts, in their order */
	uint32_t mask;                /* heads of the chains, less one: a power of two */
	uint32_t *by_kid;             /* chains of senders of a set and kid */
	uint32_t *by_both;            /* of a set, kid and kid context: whose context has one */
	uint32_t *by_name;            /* for the table that follows */
};

/* kids and kid contexts come from the network */
static struct hash_key hash_key;

void table_start(void)
{
	hash_key_init(&hash_key);
}

struct table *table_new(void)
{
	struct table *t = vault_new(sizeof *t);

	if (t != NULL)
		t->last = &t->parts;
	return t;
}

void table_free(struct table *t)
{
	struct part *next;

	if (t == NULL)
		return;
	for (uint32_t i = 0; t->senders != NULL && i < t->sender_count; i++)
		oscore_unsealer_free(t->senders[i].unsealer);
	for (struct part *p = t->parts; p != NULL; p = next) {
		next = p->next;
		keys_file_wipe(p->file);
		vault_free(p->file);
		vault_free(p);
	}
	vault_free(t->contexts);
	vault_free(t->senders);
	vault_free(t->by_kid);
	vault_free(t->by_both);
	vault_free(t->by_name);
	vault_free(t);
}

int table_add(struct table *t, const struct table_set *set, struct keys_file *file)
{
	struct part *p = vault_new(sizeof *p);

	if (p == NULL)
		return -1;
	p->set = *set;
	p->file = file;
	*t->last = p;
	t->last = &p->next;
	t->context_count += file->context_count + file->group_count;
	t->sender_count += 2 * (uint32_t)file->context_count;
	for (size_t i = 0; i < file->group_count; i++)
		t->sender_count += (uint32_t)file->groups[i].group.member_count;
	return 0;
}

/* ---- look-up ---- */

static const struct oscore_id *id_of(const struct table_sender *s)
{
	return s->member != NULL ? &s->member->id : &s->side->id;
}

/* The kid context that names it, or NULL if it has none. */
static const uint8_t *kid_context_of(const struct table_context *c, size_t *len)
{
	if (c->group != NULL) {
		*len = c->group->group.gid_len;
		return c->group->group.gid;
	}
	*len = c->plain->context.id_context_len;
	return c->plain->context.has_id_context ? c->plain->context.id_context : NULL;
}

static uint64_t hash_of(uint64_t set, const uint8_t *kid, size_t len)
{
	return hash_mix(&hash_key, set, kid, len);
}

static void sender_link(struct table *t, uint32_t number)
{
	struct table_sender *s = &t->senders[number];
	const struct oscore_id *id = id_of(s);
	uint64_t hash = hash_of(s->context->set, id->bytes, id->len);
	const uint8_t *kid_context;
	uint32_t *head = &t->by_kid[hash & t->mask];
	size_t len;

	s->next_by_kid = *head;
	*head = number;
	kid_context = kid_context_of(s->context, &len);
	if (kid_context != NULL) {
		hash = hash_mix(&hash_key, hash, kid_context, len);
		head = &t->by_both[hash & t->mask];
		s->next_by_both = *head;
		*head = number;
	}
	/* others may have the same kid and kid context, under another Master Secret */
	if (s->context->group == NULL)
		hash = hash_mix(&hash_key, hash, s->context->plain->context.common_iv, OSCORE_NONCE_MAX);
	s->name = hash;
	head = &t->by_name[hash & t->mask];
	s->next_by_name = *head;
	*head = number;
}

static void senders_fill(struct table_sender *at, struct table_context *c)
{
	for (uint32_t i = 0; i < c->sender_count; i++) {
		struct table_sender *s = &at[i];

		s->context = c;
		if (c->group != NULL) {
			s->member = &c->group->group.members[i];
			s->has_key = s->member->has_key;
		} else {
			s->side = i == 0 ? &c->plain->context.sender : &c->plain->context.recipient;
			s->has_key = i == 0 ? c->plain->sender_has_key : c->plain->recipient_has_key;
		}
		s->next_by_kid = s->next_by_both = s->next_by_name = NONE;
	}
}

/* The contexts of a file, and their senders from number `sender` on. Returns the number behind them. */
static uint32_t part_fill(struct table *t, const struct part *p, struct table_context *at, uint32_t sender)
{
	for (size_t i = 0; i < p->file->context_count + p->file->group_count; i++, at++) {
		at->set = p->set.id;
		at->max_failures = p->set.max_failures;
		at->first_sender = sender;
		if (i < p->file->context_count)
			at->plain = &p->file->contexts[i];
		else
			at->group = &p->file->groups[i - p->file->context_count];
		at->sender_count = at->group != NULL ? (uint32_t)at->group->group.member_count : 2;
		senders_fill(t->senders + sender, at);
		sender += at->sender_count;
	}
	return sender;
}

int table_index(struct table *t)
{
	struct table_context *context;
	size_t heads = 1;
	uint32_t sender = 0;

	while (heads < t->sender_count)
		heads *= 2;
	t->mask = (uint32_t)(heads - 1);
	t->contexts = vault_new_array(t->context_count, sizeof *t->contexts);
	t->senders = vault_new_array(t->sender_count, sizeof *t->senders);
	t->by_kid = vault_new_array(heads, sizeof *t->by_kid);
	t->by_both = vault_new_array(heads, sizeof *t->by_both);
	t->by_name = vault_new_array(heads, sizeof *t->by_name);
	if (t->contexts == NULL || t->senders == NULL || t->by_kid == NULL || t->by_both == NULL || t->by_name == NULL)
		return -1;
	for (size_t i = 0; i < heads; i++)
		t->by_kid[i] = t->by_both[i] = t->by_name[i] = NONE;
	context = t->contexts;
	for (const struct part *p = t->parts; p != NULL; p = p->next) {
		sender = part_fill(t, p, context, sender);
		context += p->file->context_count + p->file->group_count;
	}
	/* backwards, so that of several the first one is tried first */
	while (sender-- > 0)
		sender_link(t, sender);
	return 0;
}

bool table_has_set(const struct table *t, uint64_t set)
{
	for (const struct part *p = t->parts; p != NULL; p = p->next)
		if (p->set.id == set)
			return true;
	return false;
}

size_t table_find(const struct table *t, uint64_t set, const struct oscore_option *o, struct table_sender *found[TABLE_CANDIDATES_MAX],
	bool *more)
{
	uint64_t hash = hash_of(set, o->kid, o->kid_len);
	bool both = o->kid_context != NULL;
	size_t count = 0;
	uint32_t at;

	if (both)
		hash = hash_mix(&hash_key, hash, o->kid_context, o->kid_context_len);
	at = (both ? t->by_both : t->by_kid)[hash & t->mask];
	*more = false;
	while (at != NONE && !*more) {
		struct table_sender *s = &t->senders[at];

		at = both ? s->next_by_both : s->next_by_kid;
		if (s->context->set != set || !oscore_id_equal(id_of(s), o->kid, o->kid_len) || !table_has_kid_context(s->context, o))
			continue;
		*more = count == TABLE_CANDIDATES_MAX;
		if (!*more)
			found[count++] = s;
	}
	return count;
}

bool table_has_kid_context(const struct table_context *c, const struct oscore_option *o)
{
	const uint8_t *own;
	size_t len;

	if (o->kid_context == NULL)
		return true;
	own = kid_context_of(c, &len);
	return own != NULL && len == o->kid_context_len && memcmp(own, o->kid_context, len) == 0;
}

struct table_sender *table_other(const struct table *t, const struct table_sender *s)
{
	uint32_t first = s->context->first_sender;

	return &t->senders[s == &t->senders[first] ? first + 1 : first];
}

struct table_sender *table_member(const struct table *t, const struct table_context *c, const struct oscore_group_member *member)
{
	return &t->senders[c->first_sender + (size_t)(member - c->group->group.members)];
}

const char *table_context_name(const struct table_context *c)
{
	return c->group != NULL ? c->group->name : c->plain->name;
}

struct oscore_unsealer *table_unsealer(struct table *t, struct table_sender *s)
{
	if (s->unsealer == NULL && t->unsealer_count < TABLE_UNSEALERS_MAX) {
		s->unsealer = oscore_unsealer_new_keyed(s->context->plain->context.aead, &s->side->key);
		t->unsealer_count += s->unsealer != NULL;
	}
	return s->unsealer;
}

size_t table_context_count(const struct table *t)
{
	return t->context_count;
}

/* ---- from one to the next ---- */

static bool same_id_context(const struct oscore_context *a, const struct oscore_context *b)
{
	return a->has_id_context == b->has_id_context && a->id_context_len == b->id_context_len &&
		memcmp(a->id_context, b->id_context, a->id_context_len) == 0;
}

/* Plain: what it sends is protected as before, and between the same two. */
static bool same_side(const struct table_sender *s, const struct table_sender *former)
{
	const struct oscore_context *a = &s->context->plain->context, *b = &former->context->plain->context;
	const struct oscore_id *other = &b->sender.id == &former->side->id ? &b->recipient.id : &b->sender.id;

	return a->aead == b->aead && same_id_context(a, b) && memcmp(a->common_iv, b->common_iv, sizeof a->common_iv) == 0 &&
		s->has_key == former->has_key && memcmp(&s->side->key, &former->side->key, sizeof s->side->key) == 0 &&
		oscore_id_equal(&a->sender.id == &s->side->id ? &a->recipient.id : &a->sender.id, other->bytes, other->len);
}

/* A member of the same group, under the same keys: with another Gid it has new ones (draft-ietf-core-oscore-groupcomm 12.2). Whether it can be
 * read may change from one file to the next. */
static bool same_member(const struct table_sender *s, const struct table_sender *former)
{
	const struct oscore_group *a = &s->context->group->group, *b = &former->context->group->group;

	return a->gid_len == b->gid_len && memcmp(a->gid, b->gid, a->gid_len) == 0 && a->algorithm == b->algorithm &&
		memcmp(&a->signature_encryption_key, &b->signature_encryption_key, sizeof a->signature_encryption_key) == 0 &&
		s->member->public_key_len == former->member->public_key_len &&
		memcmp(s->member->public_key, former->member->public_key, s->member->public_key_len) == 0;
}

static bool same_sender(const struct table_sender *s, const struct table_sender *former)
{
	const struct oscore_id *id = id_of(former);

	if (s->context->set != former->context->set || (s->member == NULL) != (former->member == NULL) ||
	    !oscore_id_equal(id_of(s), id->bytes, id->len))
		return false;
	return s->member != NULL ? same_member(s, former) : same_side(s, former);
}

static struct table_sender *former_find(const struct table *before, const struct table_sender *s)
{
	uint32_t at = before->by_name[s->name & before->mask];

	/* not by kid: thousands of contexts may have a server of one ID */
	while (at != NONE && (before->senders[at].name != s->name || !same_sender(s, &before->senders[at])))
		at = before->senders[at].next_by_name;
	return at != NONE ? &before->senders[at] : NULL;
}

void table_take_over(struct table *t, struct table *before)
{
	for (uint32_t i = 0; i < t->sender_count; i++) {
		struct table_sender *s = &t->senders[i], *former = former_find(before, s);

		if (former == NULL)
			continue;
		s->window = former->window;
		if (former->unsealer == NULL || s->unsealer != NULL)
			continue;
		s->unsealer = former->unsealer;
		former->unsealer = NULL;
		t->unsealer_count++;
	}
}
