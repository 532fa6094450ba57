/* explain_http - see explain_http.h */
#include "proxy/decide/explain_http.h"

#include <string.h>

static const char root[] = "/", own_resource[] = "/.well-known/core";

/* What a request line may hold (RFC 9112 3.2): a fragment never leaves the client. */
static bool is_line_text(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~' || *text == '#')
			return false;
	return true;
}

int explain_http_split(const char *uri, struct http_text *target, struct http_text *host)
{
	const char *authority = strstr(uri, "://"), *path;
	int scheme = authority ? uri_scheme_parse(uri, (size_t)(authority - uri)) : -1;
	char decoded[URI_HOST_MAX + 1];

	*host = (struct http_text){uri, 0};
	*target = (struct http_text){uri, strlen(uri)};
	if (!authority || !is_line_text(uri))
		return -1;
	if (scheme != URI_HTTP && scheme != URI_HTTPS)
		return 0;
	authority += 3;
	path = authority + strcspn(authority, "/?");
	*host = (struct http_text){authority, (size_t)(path - authority)};
	*target = *path == '/' ? (struct http_text){path, strlen(path)} : (struct http_text){root, 1};
	/* "?query" without a slash before it would be sent with one: such a URI cannot be a view */
	return *path != '?' && http_host_read(*host, decoded) ? 0 : -1;
}

static const char *route_word(const struct route *r, enum error e, enum route_mismatch mismatch)
{
	if (mismatch != ROUTE_MATCH)
		return route_mismatch_text(mismatch);
	switch (e) {
	case ERR_NONE:
		return "would take it as well, but stands later";
	case ERR_SCHEME_MISSING:
		return "has this http-path, and a target without a scheme stands in it";
	case ERR_CREDENTIALS:
		return "wants to know who asks";
	case ERR_IDENTITY:
		return "is for other names";
	case ERR_NO_ROUTE:
		return r->http_template ? "has another http-path" : "has no http-path, and the request is none to a forward proxy for CoAP";
	default:
		return r->http_template ? "has this http-path, and no target URI stands in it" : "takes no target that is no URI";
	}
}

void explain_http_routes(FILE *out, const struct snapshot *s, const struct http_question *q, struct http_decision *d)
{
	struct http_decision each;
	enum route_mismatch mismatch;
	const struct route *r;
	enum error e;

	http_route_find(s, q, d);
	for (r = s->routes; r < s->routes + s->route_count; r++) {
		e = http_route_check(r, q, &each, &mismatch);
		fprintf(out, "route %s: %s\n", r->name, r == d->route ? "takes the request" : route_word(r, e, mismatch));
	}
	if (!d->route)
		fputs("no route takes the request\n", out);
	else if (d->has_target)
		fprintf(out, "target: %s\n", d->uri);
}

bool explain_http_is_served_here(const struct http_question *q)
{
	size_t len = sizeof(own_resource) - 1;

	return !q->oscore && q->target.len >= len && memcmp(q->target.at, own_resource, len) == 0 &&
		(q->target.len == len || q->target.at[len] == '?');
}
