/* snapshot - loads a configuration and owns it: see snapshot.h */
#include "conf/snapshot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/load.h"
#include "translate/map_template.h"

enum { FILE_MAX = 64 << 20, COMPLAINT_MAX = 400, PATH_TEXT_MAX = 2 * CONF_NAME_MAX };

/* What a snapshot pointer points into. */
struct owner {
	struct snapshot snapshot;
	struct arena arena;
};

struct complaint {
	unsigned line;
	size_t place; /* in the order of finding, for a stable sort */
	char text[COMPLAINT_MAX];
};

__attribute__((format(printf, 4, 0)))
static void note(struct conf_loader *l, unsigned line, const char *prefix, const char *format, va_list arguments)
{
	struct complaint *c;
	size_t used;

	if (l->complaint_count == l->complaint_room) {
		l->complaint_room = l->complaint_room ? 2 * l->complaint_room : 16;
		l->complaints = realloc(l->complaints, l->complaint_room * sizeof(*c));
		if (!l->complaints)
			log_fatal("out of memory while a configuration is loaded");
	}
	c = &l->complaints[l->complaint_count];
	c->line = line > 0 ? line : 1;
	c->place = l->complaint_count++;
	used = (size_t)snprintf(c->text, sizeof(c->text), "%s", prefix);
	vsnprintf(c->text + used, sizeof(c->text) - used, format, arguments);
}

void conf_complain(struct conf_loader *l, unsigned line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	note(l, line, "", format, arguments);
	va_end(arguments);
	l->failed = true;
}

void conf_warn(struct conf_loader *l, unsigned line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	note(l, line, "warning: ", format, arguments);
	va_end(arguments);
}

static int by_line(const void *a, const void *b)
{
	const struct complaint *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

static void write_complaints(struct conf_loader *l, FILE *errors)
{
	size_t i;

	if (l->complaint_count > 0)
		qsort(l->complaints, l->complaint_count, sizeof(l->complaints[0]), by_line);
	for (i = 0; i < l->complaint_count; i++)
		fprintf(errors, "%s:%u: %s\n", l->name, l->complaints[i].line, l->complaints[i].text);
	free(l->complaints);
	l->complaints = NULL;
}

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

/* Takes every member of a group of settings into `object`. */
static void read_members(struct conf_loader *l, enum conf_group group, const config_setting_t *g, const char *path, void *object)
{
	const config_setting_t *member;
	const struct conf_row *row;
	const char *near;
	unsigned i;

	for (i = 0; (member = config_setting_get_elem(g, i)); i++) {
		row = conf_row_find(group, member->name);
		if (row) {
			conf_read_setting(l, row, member, path, object);
			continue;
		}
		near = conf_row_nearest(group, member->name);
		conf_complain(l, member->line, near ? "%s%s: is not known; did you mean \"%s\"?" : "%s%s: is not known", path, member->name,
			near);
	}
}

/* The name and the settings of one listener or route. */
static void read_named(struct conf_loader *l, enum conf_group group, const config_setting_t *g, size_t i, char **name, void *object)
{
	const struct members *taken = &l->members[group];
	char path[PATH_TEXT_MAX];

	*name = taken->all ? taken->all[i].name : arena_copy(l->arena, g->name, strlen(g->name));
	if (strlen(*name) > CONF_NAME_MAX)
		conf_complain(l, g->line, "%s.%.20s...: has a name of more than %d characters", conf_groups[group].name, *name, CONF_NAME_MAX);
	else if (!config_setting_is_group(g))
		conf_complain(l, g->line, "%s.%s: must be a group of settings in { }", conf_groups[group].name, *name);
	else {
		snprintf(path, sizeof(path), "%s.%s.", conf_groups[group].name, *name);
		read_members(l, group, g, path, object);
	}
}

static void read_listeners(struct conf_loader *l, const config_setting_t *g)
{
	size_t i, count = (size_t)config_setting_length(g), used = 0, room = count * (CONF_NAME_MAX + 2) + 1;
	struct snapshot *s = l->snapshot;

	if (count > CONF_LISTENERS_MAX) {
		conf_complain(l, g->line, "listeners: are more than %d", CONF_LISTENERS_MAX);
		count = CONF_LISTENERS_MAX;
	}
	s->listeners = arena_take(l->arena, count * sizeof(s->listeners[0]));
	l->listeners = arena_take(l->arena, count * sizeof(l->listeners[0]));
	l->listener_names = arena_take(l->arena, room);
	for (i = 0; i < count; i++) {
		l->listeners[i] = config_setting_get_elem(g, (unsigned)i);
		conf_read_defaults(l, GROUP_LISTENERS, &s->listeners[i]);
		read_named(l, GROUP_LISTENERS, l->listeners[i], i, &s->listeners[i].name, &s->listeners[i]);
		used += (size_t)snprintf(l->listener_names + used, room - used, "%s%.*s", i > 0 ? " " : "", CONF_NAME_MAX, s->listeners[i].name);
	}
	s->listener_count = count;
}

static void read_routes(struct conf_loader *l, const config_setting_t *g)
{
	size_t i, count = (size_t)config_setting_length(g);
	struct snapshot *s = l->snapshot;
	struct route defaults = {0};

	if (count > CONF_ROUTES_MAX) {
		conf_complain(l, g->line, "routes: are more than %d", CONF_ROUTES_MAX);
		count = CONF_ROUTES_MAX;
	}
	conf_read_defaults(l, GROUP_ROUTES, &defaults);
	s->routes = arena_take(l->arena, count * sizeof(s->routes[0]));
	l->routes = arena_take(l->arena, count * sizeof(l->routes[0]));
	for (i = 0; i < count; i++) {
		l->routes[i] = config_setting_get_elem(g, (unsigned)i);
		s->routes[i] = defaults;
		s->routes[i].index = (unsigned)i;
		read_named(l, GROUP_ROUTES, l->routes[i], i, &s->routes[i].name, &s->routes[i]);
	}
	s->route_count = count;
}

/* Finds the groups of the file; complains of everything else that stands there. */
static void find_groups(struct conf_loader *l, const config_setting_t *root, const config_setting_t *found[GROUP_COUNT])
{
	const config_setting_t *member;
	const char *near;
	unsigned i, g;

	for (i = 0; (member = config_setting_get_elem(root, i)); i++) {
		for (g = 0; g < GROUP_COUNT && strcmp(conf_groups[g].name, member->name) != 0; g++)
			;
		if (g == GROUP_COUNT) {
			near = conf_group_nearest(member->name);
			conf_complain(l, member->line, near ? "%.60s: is not known; did you mean \"%s\"?" : "%.60s: is not known", member->name, near);
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

/* Where nothing came before, a listener's number is its place. */
static void place_by_index(struct snapshot *s)
{
	size_t i;

	memset(s->listener_of_slot, CONF_NO_LISTENER, sizeof(s->listener_of_slot));
	for (i = 0; i < s->listener_count; i++) {
		s->listeners[i].slot = (unsigned)i;
		s->listener_of_slot[i] = (uint8_t)i;
	}
	for (i = 0; i < s->route_count; i++)
		s->routes[i].metrics_slot = (uint32_t)i;
}

/* ---- the whole ---- */

static void read_tree(struct conf_loader *l)
{
	const config_setting_t *found[GROUP_COUNT] = {NULL};
	char path[PATH_TEXT_MAX];
	enum conf_group g;

	/* a file without them has empty arrays, not none */
	l->listener_names = arena_copy(l->arena, "", 0);
	l->snapshot->listeners = arena_take(l->arena, 0);
	l->snapshot->routes = arena_take(l->arena, 0);
	find_groups(l, l->root, found);
	for (g = 0; g < GROUP_COUNT; g++) {
		if (conf_groups[g].named)
			find_duplicates(l, g);
		if (!conf_groups[g].named) {
			conf_read_defaults(l, g, &l->snapshot->settings);
			snprintf(path, sizeof(path), "%s.", conf_groups[g].name);
			if (found[g])
				read_members(l, g, found[g], path, &l->snapshot->settings);
		} else if (found[g] && g == GROUP_LISTENERS)
			read_listeners(l, found[g]);
		else if (found[g])
			read_routes(l, found[g]);
	}
	place_by_index(l->snapshot);
	/* What the checks would say about half a configuration misleads. */
	if (!l->failed)
		conf_check(l);
	if (!l->failed)
		conf_list_files(l);
}

/* The line of an @include, or 0. One file is the whole configuration: a reload sends its text to processes that open none. */
static unsigned find_include(const char *text)
{
	unsigned line = 1;

	for (; *text; line++) {
		text += strspn(text, " \t\r\f");
		if (strncmp(text, "@include", 8) == 0)
			return line;
		text = strchrnul(text, '\n');
		text += *text == '\n';
	}
	return 0;
}

/* Takes the names out of a copy of the text, and lets libconfig parse it. */
static bool parse(struct conf_loader *l, config_t *config, const char *text)
{
	char *copy = arena_copy(l->arena, text, strlen(text));
	enum conf_group g;

	for (g = 0; g < GROUP_COUNT; g++)
		if (conf_groups[g].named)
			members_take(l->arena, copy, conf_groups[g].name, &l->members[g]);
	if (config_read_string(config, copy) == CONFIG_TRUE)
		return true;
	conf_complain(l, (unsigned)config_error_line(config), "%s", config_error_text(config));
	return false;
}

struct snapshot *conf_load_text(const char *text, const char *name, FILE *errors)
{
	struct owner *o = calloc(1, sizeof(*o));
	struct conf_loader l = {.name = name};
	config_t config;

	if (!o)
		log_fatal("out of memory while a configuration is loaded");
	o->snapshot.references = 1;
	l.snapshot = &o->snapshot;
	l.arena = &o->arena;
	config_init(&config);
	if (find_include(text))
		conf_complain(&l, find_include(text), "@include: a configuration is one file");
	else if (parse(&l, &config, text)) {
		l.root = config_root_setting(&config);
		read_tree(&l);
	}
	write_complaints(&l, errors);
	config_destroy(&config);
	if (!l.failed)
		return &o->snapshot;
	snapshot_release(&o->snapshot);
	return NULL;
}

/* The whole file as a text from malloc, or NULL and what is wrong. */
static char *read_file(const char *path, const char **wrong)
{
	FILE *f = fopen(path, "r");
	size_t used = 0, room = 0, n = 1;
	char *text = NULL, *more;

	*wrong = NULL;
	if (!f) {
		*wrong = strerror(errno);
		return NULL;
	}
	while (n > 0 && !*wrong) {
		if (room - used < 2) {
			room = room ? 2 * room : 64 * 1024;
			more = room <= FILE_MAX ? realloc(text, room) : NULL;
			if (!more) {
				*wrong = "the file is too large";
				break;
			}
			text = more;
		}
		errno = 0;
		n = fread(text + used, 1, room - used - 1, f);
		used += n;
		if (ferror(f))
			*wrong = strerror(errno);
	}
	fclose(f);
	if (!*wrong && memchr(text, '\0', used))
		*wrong = "the file holds a zero byte";
	if (*wrong) {
		free(text);
		return NULL;
	}
	text[used] = '\0';
	return text;
}

struct snapshot *conf_load_file(const char *path, FILE *errors)
{
	const char *wrong;
	char *text = read_file(path, &wrong);
	struct snapshot *s;

	if (!text) {
		fprintf(errors, "%s:1: %s\n", path, wrong);
		return NULL;
	}
	s = conf_load_text(text, path, errors);
	free(text);
	return s;
}

void snapshot_place(struct snapshot *s, const uint8_t *listener_slots, const uint32_t *route_slots)
{
	size_t i;

	memset(s->listener_of_slot, CONF_NO_LISTENER, sizeof(s->listener_of_slot));
	for (i = 0; i < s->listener_count; i++) {
		s->listeners[i].slot = listener_slots[i];
		s->listener_of_slot[listener_slots[i]] = (uint8_t)i;
	}
	for (i = 0; i < s->route_count; i++)
		s->routes[i].metrics_slot = route_slots[i];
}

const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot)
{
	unsigned index = slot < CONF_SLOTS_MAX ? s->listener_of_slot[slot] : CONF_NO_LISTENER;

	return index == CONF_NO_LISTENER ? NULL : &s->listeners[index];
}

int listener_coap_scheme(const struct listener *l)
{
	if (conf_is_coap(l->scheme))
		return (int)l->scheme;
	if (!l->websocket)
		return -1;
	return l->scheme == URI_HTTPS ? URI_COAPS_WS : URI_COAP_WS;
}

struct snapshot *snapshot_keep(struct snapshot *s)
{
	s->references++;
	return s;
}

void snapshot_release(struct snapshot *s)
{
	struct owner *o = (struct owner *)s;

	size_t i;

	if (!s || --s->references > 0)
		return;
	for (i = 0; i < s->route_count; i++)
		template_free(s->routes[i].http_template);
	arena_fini(&o->arena);
	free(o);
}
