/* check_sessions - what no single setting shows of sessions: who is asked by which, and by what key. See load.h */
#include <string.h>

#include "conf/load.h"

/* What a route's requests may be asked of, by kind. */
struct targets {
	size_t all, sessions, web, secured; /* `secured`: of CoAP */
};

static struct targets count_targets(const struct route *r)
{
	struct targets t = {.all = r->to_count + r->forward_count};
	size_t i;

	for (i = 0; i < r->to_count; i++) {
		t.sessions += r->to[i].session;
		t.web += !conf_is_coap(r->to[i].scheme);
		t.secured += conf_is_secured_coap(r->to[i].scheme);
	}
	for (i = 0; i < r->forward_count; i++) {
		t.web += !conf_is_coap(r->forward_to[i].scheme);
		t.secured += conf_is_secured_coap(r->forward_to[i].scheme);
	}
	return t;
}

/* By which listeners a route is reached. */
struct reach {
	bool plain_http;      /* one of http */
	bool only_plain_http; /* nothing but http, without WebSockets, by which CoAP would come */
	bool coap;            /* CoAP, in whatever carries it */
};

static struct reach find_reach(const struct snapshot *s, const struct route *r)
{
	struct reach reach = {.only_plain_http = true};
	const struct listener *at;
	size_t i;

	for (i = 0; i < s->listener_count; i++) {
		at = &s->listeners[i];
		if (!at->url || (r->listeners != 0 && !(r->listeners >> i & 1)))
			continue;
		reach.plain_http |= at->scheme == URI_HTTP;
		reach.only_plain_http &= at->scheme == URI_HTTP && !at->websocket;
		reach.coap |= conf_is_coap(at->scheme) || at->websocket;
	}
	return reach;
}

static void check_return_path(struct conf_loader *l, const struct route *r, const struct targets *t, const struct reach *reach)
{
	if (!r->return_path)
		return;
	if (r->deny)
		conf_complain_route(l, r, "return-path", "a route that denies sends nothing on");
	if (t->sessions + t->web > 0)
		conf_complain_route(l, r, "return-path", "leads back from CoAP origins, not from those of http or https, nor from sessions");
	if (r->multicast)
		conf_complain_route(l, r, "return-path", "leads back from one origin, and multicast opens groups");
	if (!reach->coap)
		conf_complain_route(l, r, "return-path", "leads back to clients of CoAP, and no listener of this route has any");
	if (l->snapshot->settings.return_ports == 0)
		conf_complain_route(l, r, "return-path", "has no ports: upstream.return-ports is 0");
}

/* A client of plain http takes the rest of the way for as open as his own part; who asks a secured one should know (RFC 8075 10.3). */
static void check_secured_from_http(struct conf_loader *l, const struct route *r, const struct targets *t, const struct reach *reach)
{
	if (r->coaps_from_http && !reach->plain_http)
		conf_complain_route(l, r, "coaps-from-http", "no listener of this route is of http");
	else if (r->coaps_from_http && t->secured == 0)
		conf_complain_route(l, r, "coaps-from-http", "no origin or target of this route is of coaps, coaps+tcp or coaps+ws");
	if (!r->coaps_from_http && !r->deny && t->secured > 0 && t->secured == t->all && reach->only_plain_http)
		conf_complain_route(l, r, r->to_count > 0 ? "to" : "forward-to",
			"by plain http nothing of coaps, coaps+tcp or coaps+ws is asked unless coaps-from-http is true");
}

static void check_route(struct conf_loader *l, const struct route *r)
{
	struct targets t = count_targets(r);
	struct reach reach = find_reach(l->snapshot, r);
	bool by_secured = r->via ? conf_is_secured_coap(r->via->scheme) : t.secured > 0;

	if (r->wait_for_session > 0 && t.sessions == 0)
		conf_complain_route(l, r, "wait-for-session", "is for to = [\"session:NAME\"]");
	if (*r->origin_identity && !*l->snapshot->settings.upstream_psk_file)
		conf_complain_route(l, r, "origin-identity", "needs upstream.psk-file: where its key is");
	if (*r->origin_identity && !by_secured)
		conf_complain_route(l, r, "origin-identity", "no origin or target of this route is of coaps, coaps+tcp or coaps+ws");
	check_return_path(l, r, &t, &reach);
	check_secured_from_http(l, r, &t, &reach);
}

static void check_upstream(struct conf_loader *l)
{
	const struct settings *t = &l->snapshot->settings;

	if (*t->upstream_certificate && !*t->upstream_key)
		conf_complain(l, conf_line_in(l, "upstream", "certificate"), "upstream.certificate: needs a key");
	if (*t->upstream_key && !*t->upstream_certificate)
		conf_complain(l, conf_line_in(l, "upstream", "key"), "upstream.key: needs a certificate");
}

void conf_check_sessions(struct conf_loader *l)
{
	const struct snapshot *s = l->snapshot;
	const struct route *r;

	check_upstream(l);
	for (r = s->routes; r < s->routes + s->route_count; r++)
		check_route(l, r);
}
