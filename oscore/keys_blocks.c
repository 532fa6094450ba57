#include "oscore/keys_blocks.h"

#include <string.h>

#include "base/bytes.h"

enum { WORD_SHOWN_MAX = 24 };

struct blocks {
	struct keys_lines *lines;
	bool no_masters;
	void *arg;
	const struct keys_block *block; /* in hand, or NULL */
	unsigned begun_at;              /* its line */
	unsigned errors_before;
	uint32_t seen;                  /* bit i: its setting i */
};

static bool is_master(const struct keys_word *w)
{
	static const char *const words[] = { "master-secret", "master_secret", "secret", "secret_hex", "master-salt", "master_salt", "salt", "salt_hex",
		"private-key", "psk" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (keys_word_is(w, words[i]))
			return true;
	return false;
}

/* Only what looks like a word is shown of one that is not known: it may be a key in the wrong place. */
static void unknown_word(struct blocks *b, const struct keys_word *w)
{
	bool word = w->len <= WORD_SHOWN_MAX, hexadecimal = true;

	for (size_t i = 0; i < w->len; i++) {
		word = word && ((w->at[i] >= 'a' && w->at[i] <= 'z') || w->at[i] == '-' || w->at[i] == '_');
		hexadecimal = hexadecimal && byte_hex(w->at[i]) >= 0;
	}
	if (word && !hexadecimal)
		keys_lines_error(b->lines, b->lines->line, "unknown word \"%.*s\"", (int)w->len, w->at);
	else
		keys_lines_error(b->lines, b->lines->line, "begins with no word that is known");
}

static void block_end(struct blocks *b)
{
	const struct keys_setting *s;
	uint32_t bit = 1;

	if (b->block == NULL)
		return;
	for (s = b->block->settings; s->word != NULL; s++, bit <<= 1)
		if (s->required && !(b->seen & bit))
			keys_lines_error(b->lines, b->begun_at, "\"%s\" is missing", s->word);
	b->block->end(b->arg, b->lines->error_count == b->errors_before);
	b->block = NULL;
}

static void block_begin(struct blocks *b, const struct keys_block *block)
{
	const struct keys_word *words = b->lines->words;
	char name[KEYS_NAME_MAX + 1] = "";

	block_end(b);
	b->block = block;
	b->begun_at = b->lines->line;
	b->errors_before = b->lines->error_count;
	b->seen = 0;
	if (b->lines->word_count == 2 && words[1].len <= KEYS_NAME_MAX)
		memcpy(name, words[1].at, words[1].len);
	else
		keys_lines_error(b->lines, b->lines->line, "\"%s\" wants one name of at most %d bytes", block->word, KEYS_NAME_MAX);
	block->begin(b->arg, name, b->lines->line);
}

static void setting_take(struct blocks *b, const struct keys_setting *s, uint32_t bit)
{
	struct keys_lines *l = b->lines;

	if (l->word_count != s->values + 1)
		keys_lines_error(l, l->line, "\"%s\" wants %zu value%s", s->word, s->values, s->values == 1 ? "" : "s");
	else if (!s->repeats && (b->seen & bit))
		keys_lines_error(l, l->line, "\"%s\" for the second time", s->word);
	else
		s->take(b->arg, l->words + 1);
	b->seen |= bit;
}

static void line_take(struct blocks *b, const struct keys_block *blocks)
{
	const struct keys_word *word = &b->lines->words[0];
	const struct keys_setting *s;
	uint32_t bit = 1;

	if (b->no_masters && is_master(word)) {
		keys_lines_error(b->lines, b->lines->line, "no Master Secret, salt or private key may lie on a gateway: derive the keys on another machine, "
			"see oscore-keys(1)");
		return;
	}
	for (; blocks->word != NULL; blocks++) {
		if (keys_word_is(word, blocks->word)) {
			block_begin(b, blocks);
			return;
		}
	}
	if (b->block == NULL) {
		keys_lines_error(b->lines, b->lines->line, "stands before any block");
		return;
	}
	for (s = b->block->settings; s->word != NULL && !keys_word_is(word, s->word); s++)
		bit <<= 1;
	if (s->word != NULL)
		setting_take(b, s, bit);
	else
		unknown_word(b, word);
}

void keys_blocks_read(struct keys_lines *l, const struct keys_block *blocks, bool no_masters, void *arg)
{
	struct blocks b = { .lines = l, .no_masters = no_masters, .arg = arg };

	while (keys_lines_next(l))
		line_take(&b, blocks);
	block_end(&b);
}
