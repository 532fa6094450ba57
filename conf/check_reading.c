/* check_reading - what no single setting shows of reading: contexts, feeds, gates and taps, and the routes that name them. See load.h */
#include <string.h>

#include "conf/load.h"
#include "oscore/opening.h"

enum { SOCKET_PATH_MAX = 107 }; /* of the kernel */

static void complain(struct conf_loader *l, enum conf_group group, size_t i, const char *name, const char *key, const char *text)
{
	conf_complain(l, conf_line_of(l->named[group][i], key), "%s.%s.%s: %s", conf_groups[group].name, name, key, text);
}

/* ---- contexts and feeds ---- */

/* Workers name a set of contexts to the reader by this number alone. */
static void check_id(struct conf_loader *l, size_t i)
{
	const struct context_set *all = l->snapshot->contexts;

	for (size_t j = 0; j < i; j++)
		if (all[j].id == all[i].id)
			conf_complain(l, l->named[GROUP_CONTEXTS][i]->line, "contexts.%s: has by its name the number of contexts.%s: another name is needed",
				all[i].name, all[j].name);
}

static void check_contexts(struct conf_loader *l)
{
	const struct snapshot *s = l->snapshot;

	for (size_t i = 0; i < s->context_count; i++) {
		if (!s->contexts[i].keys)
			conf_complain(l, l->named[GROUP_CONTEXTS][i]->line, "contexts.%s: has no keys", s->contexts[i].name);
		check_id(l, i);
	}
}

static void check_feeds(struct conf_loader *l)
{
	const struct snapshot *s = l->snapshot;

	for (size_t i = 0; i < s->feed_count; i++) {
		struct feed *f = &s->feeds[i];

		f->line = conf_line_of(l->named[GROUP_FEEDS][i], "file");
		if (*f->file != '\0' && *f->socket != '\0')
			complain(l, GROUP_FEEDS, i, f->name, "socket", "a feed has file or socket, not both");
		else if (*f->file == '\0' && *f->socket == '\0')
			conf_complain(l, l->named[GROUP_FEEDS][i]->line, "feeds.%s: has neither file nor socket", f->name);
		else if (strlen(f->socket) > SOCKET_PATH_MAX)
			complain(l, GROUP_FEEDS, i, f->name, "socket", "is longer than the path of a socket may be");
	}
}

/* ---- reads ---- */

/* What a tap has no use for: it refuses nothing, and nothing waits for it. What is at its default cannot be told from what is not written. */
static void check_tap(struct conf_loader *l, size_t i, const struct read_conf *plain)
{
	static const char text[] = "is for a gate, and without allow, deny, verify or rate this is a tap: it lets everything pass";
	const struct read_conf *r = &l->snapshot->reads[i];

	if (r->pass_unknown != plain->pass_unknown)
		complain(l, GROUP_READS, i, r->name, "unknown-kid", text);
	if (r->deadline != plain->deadline)
		complain(l, GROUP_READS, i, r->name, "deadline", text);
	if (r->body_limit != plain->body_limit)
		complain(l, GROUP_READS, i, r->name, "body-limit", text);
}

static void check_read(struct conf_loader *l, size_t i, const struct read_conf *plain)
{
	const struct read_conf *r = &l->snapshot->reads[i];

	if (!r->contexts)
		conf_complain(l, l->named[GROUP_READS][i]->line, "reads.%s: has no context", r->name);
	if (!conf_read_is_gate(r))
		check_tap(l, i, plain);
	if (r->burst != plain->burst && r->rate == 0)
		complain(l, GROUP_READS, i, r->name, "burst", "is for a gate with a rate");
}

/* ---- routes ---- */

static void check_route(struct conf_loader *l, const struct route *r)
{
	if (r->deny)
		conf_complain_route(l, r, "read", "a route that denies sends nothing on");
	else if (r->path_count > 0)
		conf_complain_route(l, r, "read", "OSCORE requests hide their path, so a route with paths takes none that could be read: see allow and deny of reads");
}

/* ---- warnings ---- */

static bool is_used(const struct snapshot *s, const struct read_conf *read)
{
	for (size_t i = 0; i < s->route_count; i++)
		if (s->routes[i].read == read)
			return true;
	return false;
}

static void warn_of_reads(struct conf_loader *l)
{
	const struct snapshot *s = l->snapshot;

	for (size_t i = 0; i < s->read_count; i++) {
		const struct read_conf *r = &s->reads[i];

		if (r->pass_unknown)
			conf_warn(l, conf_line_of(l->named[GROUP_READS][i], "unknown-kid"),
				"reads.%s.unknown-kid: whoever names a kid that is not known here passes this gate unread", r->name);
		if (!is_used(s, r))
			conf_warn(l, l->named[GROUP_READS][i]->line, "reads.%s: no route reads by it", r->name);
	}
}

static void warn_of_routes(struct conf_loader *l)
{
	const struct snapshot *s = l->snapshot;

	for (const struct route *r = s->routes; r < s->routes + s->route_count; r++)
		if (r->read && conf_read_is_gate(r->read) && !r->require_oscore)
			conf_warn(l, conf_line_of(l->named[GROUP_ROUTES][r->index], "read"),
				"routes.%s.read: what comes without OSCORE passes the gate unread, unless require = [\"oscore\"]", r->name);
}

static void warn_of_users(struct conf_loader *l)
{
	const struct settings *t = &l->snapshot->settings;

	if (strcmp(t->reader_user, t->user) == 0)
		conf_warn(l, conf_line_in(l, "reader", "user"), "reader.user: is the workers' user (process.user): who takes over a worker gets at the reader's keys");
}

/* ---- the whole ---- */

void conf_check_reading(struct conf_loader *l)
{
	const struct snapshot *s = l->snapshot;
	struct read_conf plain = {0};
	bool reads = false;

	conf_read_defaults(l, GROUP_READS, &plain);
	check_contexts(l);
	check_feeds(l);
	for (size_t i = 0; i < s->read_count; i++)
		check_read(l, i, &plain);
	for (const struct route *r = s->routes; r < s->routes + s->route_count; r++) {
		if (!r->read)
			continue;
		check_route(l, r);
		reads = true;
	}
	if (l->failed)
		return;
	warn_of_reads(l);
	warn_of_routes(l);
	if (reads)
		warn_of_users(l);
}
