/* check_http - what no single setting shows, of HTTP on either side: see load.h */
#include <string.h>

#include "conf/load.h"
#include "translate/map_template.h"

/* What a check of a route looks at besides the route. */
struct surroundings {
	struct conf_loader *loader;
	uint64_t all, web;  /* listeners, one bit each: every one, and those of http and https */
	uint64_t only_http; /* those of `web` that take no WebSockets, by which CoAP comes */
	uint64_t named;     /* those that tell who a client is: by its certificate or key */
};

static size_t count_web_targets(const struct route *r)
{
	size_t i, count = 0;

	for (i = 0; i < r->to_count; i++)
		count += !conf_is_coap(r->to[i].scheme);
	for (i = 0; i < r->forward_count; i++)
		count += !conf_is_coap(r->forward_to[i].scheme);
	return count;
}

/* Settings without which a route would work just as well: HTTP does not pass there. */
static void check_idle_settings(struct conf_loader *l, const struct route *r, bool web_listener, bool web_target)
{
	const struct {
		const char *key;
		bool is_set, either_side;
	} settings[] = {
		{"http-path", *r->http_path, false}, {"default-scheme", r->default_scheme >= 0, false}, {"authenticate", r->anonymous, false},
		{"cors", r->cors_count > 0, false}, {"coap-payload", r->coap_payload, false},
		{"query-is-fetch", r->query_is_fetch, false},
		{"media", r->loose_media, true}, {"legacy-header", r->legacy_header, true}, {"body-limit", r->body_limit > 0, true},
	};
	size_t k;

	for (k = 0; k < sizeof(settings) / sizeof(settings[0]); k++) {
		if (!settings[k].is_set || web_listener || (settings[k].either_side && web_target))
			continue;
		conf_complain_route(l, r, settings[k].key, settings[k].either_side ? "no listener and no target of this route is of http or https" :
			"no listener of this route is of http or https");
	}
}

static void check_template(struct conf_loader *l, const struct route *r)
{
	bool has_target = r->http_template && template_has_target(r->http_template), sessions = r->to_count > 0;

	for (size_t i = 0; i < r->to_count; i++)
		sessions = sessions && r->to[i].session;
	if (has_target && r->to_count > 0 && !sessions)
		conf_complain_route(l, r, "http-path", "names a target, and only a route with forward-to, or to sessions, sends requests to where they name");
	if (r->http_template && !has_target && r->forward_count > 0)
		conf_complain_route(l, r, "http-path", "names no target, as a route with forward-to wants: {+tu}, or its parts");
	if (r->http_template && !has_target && r->path_count > 0)
		conf_complain_route(l, r, "paths", "hold for no request over HTTP where http-path names no target");
	if (r->default_scheme >= 0 && !has_target)
		conf_complain_route(l, r, "default-scheme", "is for an http-path with a target");
	if (has_target && r->default_scheme < 0 && template_needs_scheme(r->http_template))
		conf_complain_route(l, r, "http-path", "leaves out the scheme, so default-scheme must say it");
}

/* HTTP comes in and HTTP would leave: that is a web proxy. */
static void check_sides(struct conf_loader *l, const struct route *r, bool only_http, size_t web_targets)
{
	if (web_targets == 0)
		return;
	if (only_http && web_targets == r->to_count + r->forward_count)
		conf_complain_route(l, r, r->to_count > 0 ? "to" : "forward-to", "HTTP on both sides is no gateway's work");
	else if (*r->http_path && r->to_count > 0)
		conf_complain_route(l, r, "http-path", "HTTP on both sides is no gateway's work, and an origin is of http or https");
}

static void check_identity(const struct surroundings *s, const struct route *r, uint64_t reached)
{
	uint64_t web = reached & s->web;
	bool by_secret = web != 0 && *s->loader->snapshot->settings.http_credentials;

	if (r->anonymous && r->identity_count > 0)
		conf_complain_route(s->loader, r, "identities", "nobody is asked for a name where authenticate is none");
	if (r->anonymous || by_secret || (reached & s->named) != 0)
		return;
	if (!r->deny && web != 0 && (web == reached || *r->http_path))
		conf_complain_route(s->loader, r, "authenticate", "to authenticate before forwarding is the default, and nobody could: "
			"it takes http.credentials, client-ca or psk-file of a listener, or authenticate = \"none\"");
	else if (r->identity_count > 0)
		conf_complain_route(s->loader, r, "identities", "no listener of this route tells who asks: it takes client-ca or psk-file of one, "
			"or http.credentials");
}

static void check_route(const struct surroundings *s, const struct route *r)
{
	uint64_t reached = r->listeners != 0 ? r->listeners : s->all, web = reached & s->web;
	bool only_http = (reached & ~s->only_http) == 0;
	size_t web_targets = count_web_targets(r);

	check_idle_settings(s->loader, r, web != 0, web_targets > 0);
	check_identity(s, r, reached);
	if (web == 0)
		return;
	check_template(s->loader, r);
	check_sides(s->loader, r, only_http, web_targets);
	if (only_http && r->to_count > 0 && !*r->http_path)
		conf_complain_route(s->loader, r, "to", "over HTTP such a route is asked by its http-path, and it has none");
}

/* ---- warnings ---- */

/* Nothing protects what comes here: not the gateway, not a proxy in front, not the host's own boundary. */
static bool is_bare(const struct listener *l)
{
	return l->scheme == URI_HTTP && l->trusted_proxy_count == 0 && !endpoint_is_loopback(&l->address);
}

static uint64_t bare_listeners(const struct snapshot *s)
{
	uint64_t bare = 0;
	size_t i;

	for (i = 0; i < s->listener_count; i++)
		if (is_bare(&s->listeners[i]))
			bare |= 1ull << i;
	return bare;
}

static void warn_of_bare_listeners(const struct surroundings *s)
{
	const struct snapshot *conf = s->loader->snapshot;
	uint64_t bare = bare_listeners(conf);
	const struct route *r, *open = NULL, *secret = NULL;

	for (r = conf->routes; bare != 0 && r < conf->routes + conf->route_count; r++) {
		if (r->deny || !((r->listeners != 0 ? r->listeners : s->all) & bare))
			continue;
		if (r->anonymous && !r->require_oscore && !open)
			open = r;
		if (!r->anonymous && *conf->settings.http_credentials && *r->http_path && !secret)
			secret = r;
	}
	if (open)
		conf_warn(s->loader, conf_line_of(s->loader->named[GROUP_ROUTES][open->index], "authenticate"),
			"routes.%s.authenticate: whoever reaches a listener of plain http may ask, and anybody on the way may read and change it", open->name);
	if (secret)
		conf_warn(s->loader, conf_line_of(s->loader->named[GROUP_ROUTES][secret->index], "http-path"),
			"routes.%s.http-path: passwords and tokens come over plain http, where anybody on the way may read them", secret->name);
}

/* Nobody's name is asked before all of a group is spoken to (RFC 8075 10.1). */
static void warn_of_open_groups(const struct surroundings *s)
{
	const struct snapshot *conf = s->loader->snapshot;
	const struct route *r;

	for (r = conf->routes; r < conf->routes + conf->route_count; r++) {
		if (!r->multicast || !r->anonymous || r->deny)
			continue;
		conf_warn(s->loader, conf_line_of(s->loader->named[GROUP_ROUTES][r->index], "multicast"),
			"routes.%s.multicast: whoever asks over HTTP, by whatever name or none, speaks to all devices of a group at once", r->name);
		return;
	}
}

void conf_check_http(struct conf_loader *l)
{
	const struct snapshot *conf = l->snapshot;
	struct surroundings s = {.loader = l};
	size_t i;

	for (i = 0; i < conf->listener_count; i++) {
		const struct listener *at = &conf->listeners[i];

		if (!at->url)
			continue;
		s.all |= 1ull << i;
		s.web |= !conf_is_coap(at->scheme) ? 1ull << i : 0;
		s.only_http |= !conf_is_coap(at->scheme) && !at->websocket ? 1ull << i : 0;
		s.named |= *at->client_ca || *at->psk_file ? 1ull << i : 0;
	}
	for (i = 0; i < conf->route_count; i++)
		check_route(&s, &conf->routes[i]);
	if (l->failed)
		return;
	warn_of_bare_listeners(&s);
	warn_of_open_groups(&s);
}
