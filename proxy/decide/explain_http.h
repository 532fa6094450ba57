/*
 * explain_http - what explain.h says of requests over HTTP: the request that a URI stands for, and each route's word on it.
 */
#ifndef PROXY_DECIDE_EXPLAIN_HTTP_H
#define PROXY_DECIDE_EXPLAIN_HTTP_H

#include <stdio.h>

#include "proxy/decide/http_route.h"

/*
 * The request line and Host field by which a client asks for a URI: path and query of http and https, raw as they are; any other URI as a
 * whole, as to a forward proxy, and no Host. Views of the URI, or of a constant. Returns 0, or -1 if no client could ask so.
 */
int explain_http_split(const char *uri, struct http_text *target, struct http_text *host);

/* Writes a line for each route, and sets *d to the decision. */
void explain_http_routes(FILE *out, const struct snapshot *s, const struct http_question *q, struct http_decision *d);

/* The resource that the gateway serves itself where no route takes the request. */
bool explain_http_is_served_here(const struct http_question *q);

#endif
