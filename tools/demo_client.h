/*
 * demo_client - asks for one resource, directly or through a proxy, plain or under OSCORE's demo context.
 */
#ifndef TOOLS_DEMO_CLIENT_H
#define TOOLS_DEMO_CLIENT_H

#include <stdbool.h>

#include "base/endpoint.h"

struct demo_request {
	const char *uri;       /* coap://...; through a proxy any scheme it knows */
	bool has_proxy;
	struct endpoint proxy;
	bool proxy_uri;        /* Proxy-Uri instead of Proxy-Scheme and Uri-Host */
	bool oscore;
	bool trace;
};

/* Sends a confirmable GET, retransmits it (RFC 7252 4.2), prints the answer. Returns the exit status: 0 for a 2.xx that is
 * protected if the request was, 1 for another answer or none, 2 if the URI is not usable. */
int demo_client_run(const struct demo_request *r);

#endif
