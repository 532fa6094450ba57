/* route - see route.h */
#include "proxy/decide/route.h"

#include <string.h>

#include "base/bytes.h"

const char *route_mismatch_text(enum route_mismatch m)
{
	static const char *const texts[] = {
		[ROUTE_MATCH] = "takes the request",
		[ROUTE_OTHER_FORM] = "is for the other form: with, or without, a proxy option",
		[ROUTE_OTHER_LISTENER] = "is for other listeners",
		[ROUTE_OTHER_CLIENT] = "is for clients of other networks",
		[ROUTE_OTHER_HOST] = "is for other hosts",
		[ROUTE_OTHER_PORT] = "is for other ports",
		[ROUTE_OTHER_TARGET] = "does not forward to that target",
		[ROUTE_OTHER_PATH] = "is for other paths",
		[ROUTE_PATH_HIDDEN] = "is for certain paths, and an OSCORE request hides its path",
		[ROUTE_NOBODY] = "wants to know who asks",
		[ROUTE_OTHER_IDENTITY] = "is for other names",
	};

	return (size_t)m < sizeof(texts) / sizeof(texts[0]) ? texts[m] : "?";
}

/* Compares with a pattern's text, which is in lower case. */
static bool same_name(const char *pattern, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (byte_lower(name[i]) != pattern[i])
			return false;
	return true;
}

/* "name." is the same host as "name", so that a deny route cannot be passed by writing the dot. */
static bool name_matches(const struct host_pattern *p, const char *name, size_t len)
{
	size_t want = strlen(p->text);

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (p->kind == HOST_NAME)
		return len == want && same_name(p->text, name, len);
	return len > want && same_name(p->text, name + len - want, want);
}

static bool host_matches(const struct host_pattern *p, const struct route_question *q)
{
	switch (p->kind) {
	case HOST_ANY:
		return true;
	case HOST_NETWORK:
		return q->host_is_literal && network_contains(&p->network, &q->literal);
	default:
		return !q->host_is_literal && name_matches(p, q->host, q->host_len);
	}
}

static bool target_matches(const struct target_pattern *t, const struct route_question *q)
{
	uint32_t port = t->port == 0 ? uri_schemes[t->scheme].default_port : t->port;

	return t->scheme == q->scheme && (port == PORT_ANY || port == q->port) && host_matches(&t->host, q);
}

static bool path_matches(const struct path_pattern *p, const struct route_question *q)
{
	const char *want;
	size_t i;

	if (p->open ? q->path_count < p->count : q->path_count != p->count)
		return false;
	for (i = 0; i < p->count; i++) {
		want = p->segments[i];
		if (!want)
			continue;
		if (strlen(want) != q->path[i].len || memcmp(want, q->path[i].at, q->path[i].len) != 0)
			return false;
	}
	return true;
}

static bool in_any_network(const struct network *networks, size_t count, const struct endpoint *e)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (network_contains(&networks[i], e))
			return true;
	return false;
}

static bool any_host_matches(const struct route *r, const struct route_question *q)
{
	size_t i;

	for (i = 0; i < r->host_count; i++)
		if (host_matches(&r->hosts[i], q))
			return true;
	return r->host_count == 0;
}

static bool any_target_matches(const struct route *r, const struct route_question *q)
{
	size_t i;

	for (i = 0; i < r->forward_count; i++)
		if (target_matches(&r->forward_to[i], q))
			return true;
	return r->forward_count == 0;
}

static enum route_mismatch check_path(const struct route *r, const struct route_question *q)
{
	size_t i;

	if (r->path_count == 0)
		return ROUTE_MATCH;
	if (q->oscore)
		return ROUTE_PATH_HIDDEN;
	for (i = 0; i < r->path_count; i++)
		if (path_matches(&r->paths[i], q))
			return ROUTE_MATCH;
	return ROUTE_OTHER_PATH;
}

bool route_allows(const struct route *r, const char *name)
{
	size_t i, len;

	for (i = 0; i < r->identity_count; i++) {
		len = strlen(r->identities[i]);
		if (len > 0 && r->identities[i][len - 1] == '*' ? strncmp(name, r->identities[i], len - 1) == 0 :
			strcmp(name, r->identities[i]) == 0)
			return true;
	}
	return r->identity_count == 0;
}

static enum route_mismatch check_identity(const struct route *r, const struct route_question *q)
{
	if (r->identity_count == 0 || q->any_identity)
		return ROUTE_MATCH;
	if (!q->identity)
		return ROUTE_NOBODY;
	return route_allows(r, q->identity) ? ROUTE_MATCH : ROUTE_OTHER_IDENTITY;
}

enum route_mismatch route_check(const struct route *r, const struct route_question *q)
{
	enum route_mismatch m;

	/* a route with neither is a deny route for both forms */
	if (q->forward ? r->to_count > 0 : r->forward_count > 0)
		return ROUTE_OTHER_FORM;
	if (r->listeners != 0 && !(r->listeners >> q->listener & 1))
		return ROUTE_OTHER_LISTENER;
	if (r->client_count > 0 && !in_any_network(r->clients, r->client_count, &q->client))
		return ROUTE_OTHER_CLIENT;
	if (!any_host_matches(r, q))
		return ROUTE_OTHER_HOST;
	if (r->ports_lo > 0 && (q->port < r->ports_lo || q->port > r->ports_hi))
		return ROUTE_OTHER_PORT;
	if (q->forward && !any_target_matches(r, q))
		return ROUTE_OTHER_TARGET;
	m = check_path(r, q);
	return m == ROUTE_MATCH ? check_identity(r, q) : m;
}

const struct route *route_find(const struct snapshot *s, const struct route_question *q)
{
	const struct route *r;

	for (r = s->routes; r < s->routes + s->route_count; r++)
		if (route_check(r, q) == ROUTE_MATCH)
			return r;
	return NULL;
}
