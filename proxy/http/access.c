#include "proxy/http/access.h"

#include <stdio.h>
#include <string.h>

#include "proxy/exchange/access_log.h"

enum { METHOD_SHOWN = 16 };

/* Of the target as much as tells which device and resource: queries may hold what is nobody's business. */
static const char *target_shown(const struct http_request *r, char text[URI_MAX + 1])
{
	struct uri target;
	size_t len;

	if (!request_target(r, text, &target)) {
		len = r->target.len < URI_MAX ? r->target.len : URI_MAX;
		memcpy(text, r->target.at, len);
		text[len] = '\0';
	}
	text[strcspn(text, "?")] = '\0';
	return text;
}

void http_access_log(const struct http_request *r)
{
	const struct listener *l = snapshot_listener(r->conf, http_connection_slot(r->connection));
	char target[URI_MAX + 1], method[METHOD_SHOWN + 1];

	if (r->route == NULL || r->route->access_log == ACCESS_NONE)
		return;
	snprintf(method, sizeof method, "%.*s", (int)(r->method.len < METHOD_SHOWN ? r->method.len : METHOD_SHOWN), r->method.at);
	access_log_write_http(r->proxy, &(struct access_http){
		.route = r->route, .listener = l != NULL ? l->name : NULL, .name = r->name[0] != '\0' ? r->name : NULL,
		.target = target_shown(r, target), .client = &r->client, .method = method, .status = r->status, .code = r->code,
		.oscore = r->mapping.oscore, .truncated = r->truncated, .request_bytes = r->body_taken,
		.response_bytes = r->answer_bytes, .arrived_at = r->arrived_at,
		.reading = r->transfer.requester.reading,
	});
}
