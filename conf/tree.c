/* tree - walks through the groups of a file and takes what they hold into the snapshot: see load.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/load.h"
#include "oscore/opening.h"

enum { PATH_TEXT_MAX = 2 * CONF_NAME_MAX };

unsigned conf_line_of(const config_setting_t *group, const char *name)
{
	const config_setting_t *member = config_setting_get_member(group, name);

	return member ? member->line : group->line;
}

unsigned conf_line_in(const struct conf_loader *l, const char *group, const char *name)
{
	const config_setting_t *g = config_setting_get_member(l->root, group);

	return g ? conf_line_of(g, name) : 1;
}

/* A setting by which somebody would bring a Master Secret here. */
static bool means_master_secret(const char *name)
{
	char plain[CONF_NAME_MAX + 1];
	size_t len = 0;

	for (; *name && len < CONF_NAME_MAX; name++)
		if (*name != '-' && *name != '_')
			plain[len++] = (char)(*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name);
	plain[len] = '\0';
	return strcmp(plain, "secret") == 0 || strstr(plain, "mastersecret") || strstr(plain, "mastersalt") || strstr(plain, "masterkey");
}

static void complain_unknown(struct conf_loader *l, unsigned line, const char *path, const char *name, const char *near)
{
	if (means_master_secret(name))
		conf_complain(l, line, "%s%.60s: no Master Secret may lie on the gateway, since who has it can write: derive a file for contexts.NAME.keys "
			"from it on another machine, by oscore-keys", path, name);
	else
		conf_complain(l, line, near ? "%s%.60s: is not known; did you mean \"%s\"?" : "%s%.60s: is not known", path, name, near);
}

/* Takes every member of a group of settings into `object`. */
static void read_members(struct conf_loader *l, enum conf_group group, const config_setting_t *g, const char *path, void *object)
{
	const config_setting_t *member;
	const struct conf_row *row;
	unsigned i;

	for (i = 0; (member = config_setting_get_elem(g, i)); i++) {
		row = conf_row_find(group, member->name);
		if (row) {
			conf_read_setting(l, row, member, path, object);
			continue;
		}
		complain_unknown(l, member->line, path, member->name, conf_row_nearest(group, member->name));
	}
}

/* ---- groups of named ones ---- */

/* The name and the settings of one listener, route or other; the name stands first in its struct. */
static void read_named(struct conf_loader *l, enum conf_group group, size_t i, void *object)
{
	const config_setting_t *g = l->named[group][i];
	const struct members *taken = &l->members[group];
	char *name = taken->all ? taken->all[i].name : arena_copy(l->arena, g->name, strlen(g->name));
	char path[PATH_TEXT_MAX];

	memcpy(object, &name, sizeof(name));
	if (strlen(name) > CONF_NAME_MAX)
		conf_complain(l, g->line, "%s.%.20s...: has a name of more than %d characters", conf_groups[group].name, name, CONF_NAME_MAX);
	else if (!config_setting_is_group(g))
		conf_complain(l, g->line, "%s.%s: must be a group of settings in { }", conf_groups[group].name, name);
	else {
		snprintf(path, sizeof(path), "%s.%s.", conf_groups[group].name, name);
		read_members(l, group, g, path, object);
	}
}

/* Members can be found as soon as all of them are there. */
static void store_members(struct conf_loader *l, enum conf_group group, void *array, size_t count)
{
	const struct conf_group_row *row = &conf_groups[group];
	char *s = (char *)l->snapshot;

	memcpy(s + row->array, &array, sizeof(array));
	memcpy(s + row->count_offset, &count, sizeof(count));
}

/* A file without the group has an empty array, not none. */
static void read_all_named(struct conf_loader *l, enum conf_group group, const config_setting_t *g)
{
	const struct conf_group_row *row = &conf_groups[group];
	size_t i, count = g ? (size_t)config_setting_length(g) : 0;
	char *array, *defaults = arena_take(l->arena, row->element);

	if (count > row->max) {
		conf_complain(l, g->line, "%s: are more than %zu", row->name, row->max);
		count = row->max;
	}
	conf_read_defaults(l, group, defaults);
	array = arena_take(l->arena, count * row->element);
	l->named[group] = arena_take(l->arena, count * sizeof(l->named[group][0]));
	for (i = 0; i < count; i++) {
		l->named[group][i] = config_setting_get_elem(g, (unsigned)i);
		memcpy(array + i * row->element, defaults, row->element);
		read_named(l, group, i, array + i * row->element);
	}
	store_members(l, group, array, count);
}

/* The arrays of a group's members, as the snapshot has them. */
static char *members_of(const struct conf_loader *l, enum conf_group group, size_t *count)
{
	const char *s = (const char *)l->snapshot;
	char *array;

	memcpy(&array, s + conf_groups[group].array, sizeof(array));
	memcpy(count, s + conf_groups[group].count_offset, sizeof(*count));
	return array;
}

static const char *name_of(const void *object)
{
	const char *name;

	memcpy(&name, object, sizeof(name));
	return name;
}

void *conf_member_find(const struct conf_loader *l, enum conf_group group, const char *name, size_t *index)
{
	size_t i, count;
	char *array = members_of(l, group, &count);

	for (i = 0; i < count; i++) {
		if (strcmp(name_of(array + i * conf_groups[group].element), name) != 0)
			continue;
		*index = i;
		return array + i * conf_groups[group].element;
	}
	return NULL;
}

const char *conf_member_nearest(const struct conf_loader *l, enum conf_group group, const char *name, char out[CONF_WORD_MAX])
{
	size_t i, count, used = 0, room;
	char *array = members_of(l, group, &count), *words;

	room = count * (CONF_NAME_MAX + 2) + 1;
	words = arena_take(l->arena, room);
	for (i = 0; i < count; i++)
		used += (size_t)snprintf(words + used, room - used, "%s%.*s", i > 0 ? " " : "", CONF_NAME_MAX, name_of(array + i * conf_groups[group].element));
	return conf_word_nearest(words, name, out);
}

/* Finds the groups of the file; complains of everything else that stands there. */
static void find_groups(struct conf_loader *l, const config_setting_t *root, const config_setting_t *found[GROUP_COUNT])
{
	const config_setting_t *member;
	unsigned i, g;

	for (i = 0; (member = config_setting_get_elem(root, i)); i++) {
		for (g = 0; g < GROUP_COUNT && strcmp(conf_groups[g].name, member->name) != 0; g++)
			;
		if (g == GROUP_COUNT) {
			complain_unknown(l, member->line, "", member->name, conf_group_nearest(member->name));
		} else if (!config_setting_is_group(member) && !l->members[g].all)
			conf_complain(l, member->line, "%s: must be a group of settings in { }", member->name);
		else
			found[g] = member;
	}
}

static int by_name(const void *a, const void *b)
{
	const struct member *x = *(const struct member *const *)a, *y = *(const struct member *const *)b;
	int order = strcmp(x->name, y->name);

	return order != 0 ? order : x < y ? -1 : 1;
}

static void find_duplicates(struct conf_loader *l, enum conf_group g)
{
	const struct members *taken = &l->members[g];
	const struct member **sorted = arena_take(l->arena, taken->count * sizeof(*sorted));
	size_t i;

	for (i = 0; i < taken->count; i++)
		sorted[i] = &taken->all[i];
	qsort(sorted, taken->count, sizeof(*sorted), by_name);
	for (i = 1; i < taken->count; i++)
		if (strcmp(sorted[i]->name, sorted[i - 1]->name) == 0)
			conf_complain(l, sorted[i]->line, "%s.%.63s: has the name of the one in line %u", conf_groups[g].name, sorted[i]->name,
				sorted[i - 1]->line);
}

/* As near as may be to where its name would have it. */
static void place_reads(struct snapshot *s)
{
	bool taken[CONF_READS_MAX] = {false};
	size_t i;

	for (i = 0; i < s->read_count; i++) {
		struct read_conf *r = &s->reads[i];

		r->id = opening_set_id(r->name);
		r->slot = (unsigned)(r->id % CONF_READS_MAX);
		while (taken[r->slot])
			r->slot = (r->slot + 1) % CONF_READS_MAX;
		taken[r->slot] = true;
	}
}

/* Where nothing came before, the number of each is its place. */
static void number_members(struct conf_loader *l)
{
	struct snapshot *s = l->snapshot;
	size_t i;

	memset(s->listener_of_slot, CONF_NO_LISTENER, sizeof(s->listener_of_slot));
	for (i = 0; i < s->listener_count; i++) {
		s->listeners[i].slot = (unsigned)i;
		s->listener_of_slot[i] = (uint8_t)i;
	}
	for (i = 0; i < s->context_count; i++) {
		s->contexts[i].id = opening_set_id(s->contexts[i].name);
		s->contexts[i].line = conf_line_of(l->named[GROUP_CONTEXTS][i], "keys");
	}
	place_reads(s);
	for (i = 0; i < s->route_count; i++) {
		s->routes[i].index = (unsigned)i;
		s->routes[i].metrics_slot = (uint32_t)i;
	}
}

/* ---- the whole ---- */

void conf_read_tree(struct conf_loader *l)
{
	const config_setting_t *found[GROUP_COUNT] = {NULL};
	char path[PATH_TEXT_MAX];
	enum conf_group g;

	find_groups(l, l->root, found);
	for (g = 0; g < GROUP_COUNT; g++) {
		if (conf_groups[g].member) {
			find_duplicates(l, g);
			read_all_named(l, g, found[g]);
			continue;
		}
		conf_read_defaults(l, g, &l->snapshot->settings);
		snprintf(path, sizeof(path), "%s.", conf_groups[g].name);
		if (found[g])
			read_members(l, g, found[g], path, &l->snapshot->settings);
	}
	number_members(l);
	/* What the checks would say about half a configuration misleads. */
	if (!l->failed)
		conf_check(l);
	if (!l->failed)
		conf_list_files(l);
}
