/* snapshot - loads a configuration and owns it: see snapshot.h */
#include "conf/snapshot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "conf/load.h"
#include "translate/map_template.h"

enum { FILE_MAX = 64 << 20, COMPLAINT_MAX = 400 };

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
		if (conf_groups[g].member)
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
		conf_read_tree(&l);
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
