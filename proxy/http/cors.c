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

void cors_note(struct http_request *r, const struct http_head *head)
{
	const struct http_field *origin = http_field_find(head, "Origin");

	if (origin != NULL && r->route->cors_count > 0)
		allows(r->route, origin->value, r->cors);
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
