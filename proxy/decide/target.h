/*
 * target - where a request wants to go, from its options alone (RFC 7252 5.10.1, 5.10.2, 6.4). Pure.
 */
#ifndef PROXY_DECIDE_TARGET_H
#define PROXY_DECIDE_TARGET_H

#include "proxy/decide/route.h"
#include "translate/outer.h"

enum { TARGET_BYTES_MAX = 2 * URI_MAX };

/* A request's target; `question` is ready for route_find(). Views point into the message, or into `bytes` here. */
struct target {
	struct route_question question;
	char host[URI_HOST_MAX + 1];
	struct uri_part path[ROUTE_SEGMENTS_MAX];
	bool from_uri;                /* Proxy-Uri: the Uri-* options of the request are to be ignored */
	struct msg_option options[ROUTE_SEGMENTS_MAX]; /* from_uri: the Uri-Path and Uri-Query options of the URI */
	size_t option_count;
	uint8_t bytes[TARGET_BYTES_MAX];
	size_t bytes_used;
	bool overflow;
};

/* A forward request for one of our own listeners, by whichever of its addresses, becomes a local one (RFC 7252 5.7.2). */
struct policy_own;
void target_recognise_own(struct target *t, const struct snapshot *s, const struct policy_own *own);

/* Where a request was sent to. */
struct target_asked {
	struct endpoint address; /* local, with port and transport */
	const char *host;        /* that the client thinks he speaks to where Uri-Host does not say (RFC 8323 8.5); NULL: the address */
	bool http;               /* over HTTP: who asks was looked at before */
	bool bare;               /* and nothing protects that */
	const char *identity;    /* who asks, proved by his session, or NULL */
};

/* Reads the target of a request that outer_read_request() took; what is asked is the default host of a reverse request. A forward request for
 * the address asked itself is a local one: question.forward is then false (RFC 7252 5.7.2). ERR_NONE, ERR_BAD_URI, or ERR_NO_ROUTE_FORWARD for
 * a scheme this gateway does not speak. */
enum error target_read(const struct msg_view *m, const struct outer_request *r, const struct target_asked *asked,
	const struct endpoint *client, unsigned listener, struct target *t);

/* The same for a request that names its target by a URI alone (an HTTP request, http_route.h), which uri_parse() took: always a forward one. The
 * views of *t are of *t. */
enum error target_read_uri(const struct uri *u, uint8_t method, bool oscore, const struct endpoint *client, unsigned listener,
	struct target *t);

#endif
