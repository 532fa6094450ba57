#include "proxy/http/cors.h"

#include <stdio.h>
#include <string.h>

#include "proxy/decide/http_route.h"
#include "translate/map_method.h"

static bool allows(const struct route *route, struct http_text origin, char answer[REQUEST_ORIGIN_MAX])
{
	for (size_t i = 0; i < route->cors_count; i++) {
		if (strcmp(route->cors[i], "*") == 0) {
			memcpy(answer, "*", 2);
			return true;
		}
		if (http_text_is(origin, route->cors[i]) && origin.len < REQUEST_ORIGIN_MAX) {
			memcpy(answer, origin.at, origin.len);
			answer[origin.len] = '\0';
			return true;
		}
	}
	return false;
}

/* Under https a page that came by plain http is not ours, whatever its name: who is on the way writes what he likes there. Under http it is
 * not known by what a proxy in front was asked. */
static bool may_be_ours(const struct listener *l, struct http_text scheme)
{
	return l == NULL || l->scheme != URI_HTTPS || http_text_is(scheme, "https:");
}

bool cors_is_own(const struct http_request *r, struct http_text origin)
{
	const struct listener *l = snapshot_listener(r->conf, http_connection_slot(r->connection));
	const char *slash = origin.len > 0 ? memchr(origin.at, '/', origin.len) : NULL;
	struct http_text authority;

	if (l != NULL && l->public_url[0] != '\0' && http_text_is(origin, l->public_url))
		return true;
	if (slash == NULL || origin.len - (size_t)(slash - origin.at) < 2 || slash[1] != '/')
		return false;
	if (!may_be_ours(l, (struct http_text){ origin.at, (size_t)(slash - origin.at) }))
		return false;
	authority = (struct http_text){ slash + 2, origin.len - (size_t)(slash + 2 - origin.at) };
	return authority.len > 0 && authority.len == r->host.len && strncasecmp(authority.at, r->host.at, authority.len) == 0;
}

/* Who asks is known by what a browser adds by itself, whichever page makes it ask. */
static bool is_known_by_browser(const struct http_request *r)
{
	return r->name[0] != '\0' && (!r->proof.used || r->proof.basic);
}

bool cors_admits(struct http_request *r, const struct http_head *head)
{
	const struct http_field *origin = http_field_find(head, "Origin");
	bool allowed;

	if (origin == NULL)
		return true;
	allowed = allows(r->route, origin->value, r->cors);
	if (r->mapping.code != CODE_POST || cors_is_own(r, origin->value))
		return true;
	return allowed && !(strcmp(r->cors, "*") == 0 && is_known_by_browser(r));
}

/* The route for the method asked about, for any name. */
static const struct route *find_route(struct http_request *r, struct http_text method)
{
	int code = method_of_http(method);
	struct http_decision d;
	struct http_question q;

	if (code == METHOD_NONE)
		return NULL;
	request_fill_question(r, r->conf, &q);
	q.code = code == METHOD_QUERY ? CODE_FETCH : (uint8_t)code;
	q.any_name = true;
	http_route_find(r->conf, &q, &d);
	return d.route;
}

bool cors_preflight(struct http_request *r, const struct http_head *head)
{
	const struct http_field *origin = http_field_find(head, "Origin");
	const struct http_field *method = http_field_find(head, "Access-Control-Request-Method");
	char extra[512];

	if (!http_text_equal(head->method, "OPTIONS") || origin == NULL || method == NULL)
		return false;
	r->route = find_route(r, method->value);
	if (r->route == NULL || !allows(r->route, origin->value, r->cors)) {
		reply_refused(r, 403, "This origin is not allowed here", NULL, ERR_FORBIDDEN);
	} else {
		snprintf(extra, sizeof extra, "Access-Control-Allow-Methods: %.*s\r\n"
			"Access-Control-Allow-Headers: Accept, Authorization, Content-Encoding, Content-Type, If-Match, If-None-Match, "
			"Last-Event-ID, OSCORE, Prefer\r\nAccess-Control-Max-Age: 600\r\n", (int)method->value.len, method->value.at);
		reply_content(r, 204, "", NULL, 0, extra);
	}
	request_finish(r, false);
	return true;
}
