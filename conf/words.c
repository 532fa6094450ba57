/* words - lists of words with spaces, and the nearest known word to one that is not known: see grammar.h */
#include <string.h>

#include "conf/grammar.h"

enum { NAME_MAX_COMPARED = 63 };

static size_t least(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Insertions, removals and replacements between the two; long names count as far away. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_COMPARED + 1], a_len = strlen(a), b_len = strlen(b), i, j, diagonal, above;

	if (a_len > NAME_MAX_COMPARED || b_len > NAME_MAX_COMPARED)
		return NAME_MAX_COMPARED;
	for (j = 0; j <= b_len; j++)
		row[j] = j;
	for (i = 1; i <= a_len; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= b_len; j++) {
			above = row[j];
			row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[b_len];
}

struct nearest {
	const char *name;
	size_t distance;
};

/* A name is near if at most a third of it differs, and at least two letters may. */
static void consider(struct nearest *n, const char *known, const char *name)
{
	size_t d = edit_distance(known, name), allowed = strlen(known) / 3;

	if (d <= (allowed > 2 ? allowed : 2) && d < strlen(known) && d < n->distance) {
		n->name = known;
		n->distance = d;
	}
}

const char *conf_row_nearest(enum conf_group group, const char *name)
{
	struct nearest n = {NULL, SIZE_MAX};
	size_t i;

	for (i = 0; i < conf_row_count; i++)
		if (conf_rows[i].group == group)
			consider(&n, conf_rows[i].name, name);
	return n.name;
}

const char *conf_group_nearest(const char *name)
{
	struct nearest n = {NULL, SIZE_MAX};
	size_t i;

	for (i = 0; i < GROUP_COUNT; i++)
		consider(&n, conf_groups[i].name, name);
	return n.name;
}

const char *conf_word_at(const char *words, unsigned index, char out[CONF_WORD_MAX])
{
	size_t len;

	for (; index > 0 && words; index--) {
		words = strchr(words, ' ');
		words = words ? words + 1 : NULL;
	}
	len = words ? strcspn(words, " ") : 0;
	if (len >= CONF_WORD_MAX)
		len = CONF_WORD_MAX - 1;
	if (words)
		memcpy(out, words, len);
	out[len] = '\0';
	return out;
}

int conf_word_index(const char *words, const char *text)
{
	char word[CONF_WORD_MAX];
	unsigned i;

	for (i = 0; *conf_word_at(words, i, word); i++)
		if (strcmp(word, text) == 0)
			return (int)i;
	return -1;
}

const char *conf_word_nearest(const char *words, const char *name, char out[CONF_WORD_MAX])
{
	struct nearest n = {NULL, SIZE_MAX};
	char word[CONF_WORD_MAX];
	size_t found;
	unsigned i;

	for (i = 0; *conf_word_at(words, i, word); i++) {
		found = n.distance;
		consider(&n, word, name);
		if (n.distance < found)
			memcpy(out, word, CONF_WORD_MAX);
	}
	return n.name ? out : NULL;
}
