#include "tools/keys_input.h"

#include <stdio.h>
#include <string.h>

#include "oscore/keys_settings.h"

enum { MASTER_SECRET_LEAST = 16 }; /* bytes that nobody guesses (RFC 8613 12.3) */

struct input {
	struct keys_reading reading; /* first: see there */
	struct keys_input *block;
	void (*derive)(void *arg, struct keys_input *block, struct keys_lines *l);
	void *arg;
};

static void take_master(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	struct oscore_master_key *m = &in->block->master;

	if (keys_word_bytes(&in->reading.lines, values, "the Master Secret", m->bytes, sizeof m->bytes, &m->len) == 0 && m->len < MASTER_SECRET_LEAST)
		keys_lines_error(&in->reading.lines, in->reading.lines.line, "a Master Secret of less than %d bytes can be guessed", MASTER_SECRET_LEAST);
}

static void take_salt(void *arg, const struct keys_word *values)
{
	struct input *in = arg;

	if (keys_word_bytes(&in->reading.lines, values, "the Master Salt", in->block->salt, sizeof in->block->salt, &in->block->salt_len) < 0)
		in->block->salt_len = 0;
}

static void take_aead(void *arg, const struct keys_word *values)
{
	struct input *in = arg;

	(void)keys_setting_number(&in->reading.lines, OSCORE_NAMES_AEAD, values, &in->block->aead);
}

static void take_id_context(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	struct keys_input *b = in->block;

	b->has_id_context = keys_word_bytes(&in->reading.lines, values, "the ID Context", b->id_context, sizeof b->id_context, &b->id_context_len) == 0;
}

static void take_sender(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	struct keys_input *b = in->block;

	if (b->sender_count == 2)
		keys_lines_error(&in->reading.lines, in->reading.lines.line, "a third sender: a context has two");
	else
		keys_setting_id(&in->reading.lines, values, &b->senders[b->sender_count++]);
}

/* member ID client|server credential HEX public-key HEX */
static void take_member(void *arg, const struct keys_word *values)
{
	struct input *in = arg;
	struct oscore_group *g = &in->block->group;
	struct oscore_group_member *m = &g->members[g->member_count];
	bool server = keys_word_is(&values[1], "server"), client = keys_word_is(&values[1], "client");

	if (!(server || client) || !keys_word_is(&values[2], "credential") || !keys_word_is(&values[4], "public-key")) {
		keys_lines_error(&in->reading.lines, in->reading.lines.line, "a member is: member ID client|server credential HEX public-key HEX");
		return;
	}
	if (g->member_count == OSCORE_GROUP_MEMBERS_MAX) {
		keys_lines_error(&in->reading.lines, in->reading.lines.line, "more than %d members", OSCORE_GROUP_MEMBERS_MAX);
		return;
	}
	in->block->is_server[g->member_count++] = server;
	keys_setting_id(&in->reading.lines, &values[0], &m->id);
	keys_setting_credential(&in->reading.lines, &values[3], &values[5], m);
}

static const struct keys_setting context_settings[] = {
	{ "master-secret", 1, true, false, take_master },
	{ "master-salt", 1, false, false, take_salt },
	{ "id-context", 1, false, false, take_id_context },
	{ "algorithm", 1, false, false, take_aead },
	{ "hkdf", 1, false, false, keys_setting_hkdf },
	{ "sender", 1, true, true, take_sender },
	{ NULL, 0, false, false, NULL },
};
static const struct keys_setting group_settings[] = {
	{ "master-secret", 1, true, false, take_master },
	{ "master-salt", 1, false, false, take_salt },
	KEYS_GROUP_SETTINGS,
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
		keys_lines_error(&in->reading.lines, b->line, "a context has two senders");
	else if (sound && oscore_id_equal(&b->senders[0], b->senders[1].bytes, b->senders[1].len))
		keys_lines_error(&in->reading.lines, b->line, "both senders have the same ID");
	else if (sound)
		in->derive(in->arg, b, &in->reading.lines);
}

static void group_end(void *arg, bool sound)
{
	struct input *in = arg;

	if (sound)
		in->derive(in->arg, in->block, &in->reading.lines);
}

static const struct keys_block blocks[] = {
	{ "context", context_settings, context_begin, context_end },
	{ "group", group_settings, group_begin, group_end },
	{ NULL, NULL, NULL, NULL },
};

unsigned keys_input_read(const char *text, size_t len, const struct keys_errors *errors, struct keys_input *block,
	void (*derive)(void *arg, struct keys_input *block, struct keys_lines *l), void *arg)
{
	struct input in = { .reading.group = &block->group, .block = block, .derive = derive, .arg = arg };

	keys_lines_init(&in.reading.lines, text, len, errors);
	keys_blocks_read(&in.reading.lines, blocks, false, &in);
	explicit_bzero(block, sizeof *block);
	return in.reading.lines.error_count;
}
