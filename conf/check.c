/* check - what no single setting shows: see load.h */
#include <string.h>

#include "conf/load.h"

void conf_complain_route(struct conf_loader *l, const struct route *r, const char *key, const char *text)
{
	conf_complain(l, conf_line_of(l->named[GROUP_ROUTES][r->index], key), "routes.%s.%s: %s", r->name, key, text);
}

static void check_form(struct conf_loader *l, const struct route *r)
{
	if (r->forward_count > 0 && r->to_count > 0)
		conf_complain_route(l, r, "to", "a route has forward-to or to, not both");
	else if (r->deny && r->to_count > 0)
		conf_complain_route(l, r, "to", "a route that denies sends nothing on");
	else if (r->forward_count == 0 && r->to_count == 0 && !r->deny)
		conf_complain(l, l->named[GROUP_ROUTES][r->index]->line, "routes.%s: has neither forward-to nor to nor deny", r->name);
	if (r->via && r->forward_count == 0)
		conf_complain_route(l, r, "via", "a parent proxy needs forward-to: the targets it is asked for");
	if (r->via && r->deny)
		conf_complain_route(l, r, "via", "a route that denies sends nothing on");
	if (r->forward_count == 0)
		return;
	if (r->host_count > 0)
		conf_complain_route(l, r, "hosts", "the hosts of a forward route stand in forward-to");
	if (r->ports_lo > 0)
		conf_complain_route(l, r, "ports", "the ports of a forward route stand in forward-to");
	if (r->keep_host)
		conf_complain_route(l, r, "keep-host", "a forward route names the target's own host");
}

static void check_paths(struct conf_loader *l, const struct route *r)
{
	size_t i;

	if (r->path_count > 0 && r->require_oscore)
		conf_complain_route(l, r, "paths", "OSCORE requests hide their path, so a route with paths that requires OSCORE takes nothing");
	if (r->strip_path == 0)
		return;
	for (i = 0; i < r->path_count; i++)
		if (r->paths[i].count < r->strip_path)
			conf_complain_route(l, r, "strip-path", "takes off more than one of the paths has");
}

/* A group is asked where the route says so, and never as one of several copies, or as a parent. */
static void check_groups(struct conf_loader *l, const struct route *r)
{
	size_t i;

	for (i = 0; i < r->to_count; i++)
		if (r->to[i].literal && endpoint_is_multicast(&r->to[i].address) &&
			(!r->multicast || r->to_count > 1 || r->to[i].scheme != URI_COAP))
			conf_complain_route(l, r, "to", "has a group, which is asked alone, by coap, where multicast is true");
	if (r->via && r->via->literal && endpoint_is_multicast(&r->via->address))
		conf_complain_route(l, r, "via", "is a group, and a parent proxy is one host");
}

static bool is_listener(const struct snapshot *s, const struct origin_conf *o)
{
	size_t i;

	for (i = 0; i < s->listener_count; i++)
		if (o->literal && endpoint_equal(&o->address, &s->listeners[i].address) &&
			uri_schemes[o->scheme].stream == uri_schemes[s->listeners[i].scheme].stream)
			return true;
	return false;
}

static void check_circles(struct conf_loader *l, const struct route *r)
{
	size_t i;

	for (i = 0; i < r->to_count; i++)
		if (is_listener(l->snapshot, &r->to[i]))
			conf_complain_route(l, r, "to", "is a listener of this gateway");
	if (r->via && is_listener(l->snapshot, r->via))
		conf_complain_route(l, r, "via", "is a listener of this gateway");
}

/* A gateway for OSCORE that sends every OSCORE request away is hardly meant. */
static void check_hidden_paths(struct conf_loader *l)
{
	const struct snapshot *s = l->snapshot;
	const struct route *r, *first = NULL;

	for (r = s->routes; r < s->routes + s->route_count; r++) {
		if (r->deny)
			continue;
		if (r->path_count == 0)
			return;
		if (!first)
			first = r;
	}
	if (first)
		conf_warn(l, conf_line_of(l->named[GROUP_ROUTES][first->index], "paths"),
			"routes.%s.paths: OSCORE requests hide their path; no route of this file takes them", first->name);
}

void conf_check(struct conf_loader *l)
{
	const struct snapshot *s = l->snapshot;
	const struct route *r;

	conf_check_listeners(l);
	for (r = s->routes; r < s->routes + s->route_count; r++) {
		check_form(l, r);
		check_paths(l, r);
		check_circles(l, r);
		check_groups(l, r);
		if (r->timeout > r->timeout_acknowledged)
			conf_complain_route(l, r, "timeout", "is longer than timeout-acknowledged");
	}
	conf_check_http(l);
	conf_check_sessions(l);
	conf_check_reading(l);
	check_hidden_paths(l);
}
