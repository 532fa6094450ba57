/*
 * route - which route takes a request: a pure function of the configuration and what is known of the request.
 *
 * The running proxy and `oscore-proxy -E` call the same function. Order in the file is precedence; a request that no
 * route takes is refused.
 */
#ifndef PROXY_DECIDE_ROUTE_H
#define PROXY_DECIDE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "base/errors.h"
#include "conf/snapshot.h"

enum { ROUTE_SEGMENTS_MAX = 64 };

/* What a decision looks at. Views are borrowed. */
struct route_question {
	unsigned listener;        /* index into the snapshot's listeners */
	struct endpoint client;
	bool forward;             /* Proxy-Uri or Proxy-Scheme was present */
	bool oscore;              /* option 9 was present */
	uint8_t method;           /* request code */
	enum uri_scheme scheme;   /* of the target (forward) or of the listener (reverse) */
	const char *host;         /* forward: the target's host, decoded, lower case, no brackets; reverse: Uri-Host, or the
	                             literal of the address asked */
	size_t host_len;
	bool host_is_literal;
	struct endpoint literal;  /* where host_is_literal */
	uint16_t port;            /* of the target, or Uri-Port, or the port asked */
	const struct uri_part *path; /* decoded Uri-Path segments of a plain request */
	size_t path_count;
	const char *identity;     /* who asks, proved by his session; NULL: nobody has said */
	bool any_identity;        /* who asks is not looked at here (http_route.h) */
	bool bare_http;           /* over HTTP that nothing protects */
};

/* Why a route did not take the request: the first condition that failed. */
enum route_mismatch {
	ROUTE_MATCH, ROUTE_OTHER_FORM, ROUTE_OTHER_LISTENER, ROUTE_OTHER_CLIENT, ROUTE_OTHER_HOST, ROUTE_OTHER_PORT,
	ROUTE_OTHER_TARGET, ROUTE_OTHER_PATH, ROUTE_PATH_HIDDEN, ROUTE_NOBODY, ROUTE_OTHER_IDENTITY
};
const char *route_mismatch_text(enum route_mismatch m);

enum route_mismatch route_check(const struct route *r, const struct route_question *q);

/* True if a name is one of a route's identities: "name", or "prefix*"; or if it has none. */
bool route_allows(const struct route *r, const char *name);

/* The first route that matches, or NULL. */
const struct route *route_find(const struct snapshot *s, const struct route_question *q);

#endif
