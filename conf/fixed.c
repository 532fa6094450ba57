/* fixed - what a reload may not change: see conf_fixed_difference() in snapshot.h */
#include <stdio.h>
#include <string.h>

#include "conf/grammar.h"
#include "conf/snapshot.h"

enum { FULL_NAME_MAX = 2 * CONF_WORD_MAX };

static bool is_same(const struct conf_row *row, const struct settings *now, const struct settings *next)
{
	const char *a = (const char *)now + row->offset, *b = (const char *)next + row->offset;
	char *text_a, *text_b;

	if (row->type != TYPE_STRING)
		return memcmp(a, b, row->width) == 0;
	memcpy(&text_a, a, sizeof(text_a));
	memcpy(&text_b, b, sizeof(text_b));
	return strcmp(text_a, text_b) == 0;
}

const char *conf_fixed_difference(const struct snapshot *now, const struct snapshot *next)
{
	static char full_name[FULL_NAME_MAX];
	const struct conf_row *row;

	/* Listeners and routes come and go: of their settings none is fixed. */
	for (row = conf_rows; row < conf_rows + conf_row_count; row++) {
		if (!row->fixed || is_same(row, &now->settings, &next->settings))
			continue;
		snprintf(full_name, sizeof(full_name), "%s.%s", conf_groups[row->group].name, row->name);
		return full_name;
	}
	return NULL;
}
