#include "proxy/decide/links.h"

#include <string.h>

#include "translate/link_hc.h"

struct linking {
	struct writer *w;
	bool (*wanted)(const struct link *link, const void *arg);
	const void *arg;
};

/* A link that does not fit leaves no trace. */
static void write_link(const struct linking *l, const struct link *link)
{
	struct writer before = *l->w;

	if (!l->wanted(link, l->arg))
		return;
	link_write(l->w, link);
	if (l->w->failed)
		*l->w = before;
}

static bool is_http(const struct listener *l)
{
	return l->scheme == URI_HTTP || l->scheme == URI_HTTPS;
}

/* The same path and template may belong to several routes. */
static bool was_written(const struct snapshot *s, size_t route, size_t listener)
{
	for (size_t i = 0; i < route; i++) {
		const struct route *r = &s->routes[i];

		if (r->http_template != NULL && !r->deny && strcmp(r->http_path, s->routes[route].http_path) == 0 &&
			(r->listeners == 0 || r->listeners >> listener & 1))
			return true;
	}
	return false;
}

static void write_route(const struct linking *l, const struct snapshot *s, size_t route, size_t at, unsigned asked)
{
	const struct listener *listener = &s->listeners[at];
	const struct route *r = &s->routes[route];
	struct link link;

	if (r->http_template == NULL || r->deny || (r->listeners != 0 && !(r->listeners >> at & 1)) || was_written(s, route, at))
		return;
	if (link_hc_make(&link, r->http_template, at != asked ? listener->public_url : NULL))
		write_link(l, &link);
}

void links_write(struct writer *w, const struct snapshot *s, unsigned listener,
	bool (*wanted)(const struct link *link, const void *arg), const void *arg)
{
	static const char own[] = "/.well-known/core";
	const struct linking l = { w, wanted, arg };
	struct link link;

	link_init(&link, own, sizeof own - 1);
	link_add_bare(&link, "ct", "40");
	write_link(&l, &link);
	for (size_t at = 0; at < s->listener_count; at++) {
		if (!is_http(&s->listeners[at]) || (at != listener && s->listeners[at].public_url[0] == '\0'))
			continue;
		for (size_t route = 0; route < s->route_count && writer_room(w) > 0; route++)
			write_route(&l, s, route, at, listener);
	}
}
