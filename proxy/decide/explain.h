/*
 * explain - `oscore-proxy -E`: what would become of a request, and why.
 *
 * The sentence is made into the message that it describes, and that is read, routed and judged by the functions of the
 * running proxy. A sentence:
 *
 *     METHOD URI [from ADDRESS[:PORT]] [via LISTENER] [oscore] [proxy | direct] [as NAME]
 *
 * By `proxy` (as if nothing is said) the URI is in a Proxy-Uri option; by `direct` the request goes to the listener and the
 * URI's host, port, path and query are in Uri-* options. At a listener of http or https without either word it is a request over HTTP, and the
 * URI says which: "http://..." is asked of the gateway as its origin, "coap://..." as of a forward proxy; with one of them it is CoAP that
 * comes inside HTTP. `as` gives the name that the client has proved.
 */
#ifndef PROXY_DECIDE_EXPLAIN_H
#define PROXY_DECIDE_EXPLAIN_H

#include <stdio.h>

#include "proxy/decide/policy.h"
#include "proxy/decide/target.h"

/* A request that would leave. */
struct explained {
	const struct snapshot *conf;
	const struct route *route;
	const struct msg_view *message;
	const struct outer_request *request;
	const struct target *target;
	const struct origin_conf *to; /* the origin or parent that is tried first; NULL: the target itself */
};

/*
 * Writes to `out`: each route with the first condition that failed, the route that takes the request, then the refusal with
 * its code or status, or the next hop. show_options (may be NULL) is called for a request that would leave by CoAP, to write its options.
 * `own` as for policy_check_address(). Returns ERR_NONE, the enum error of the refusal, or -1 for a sentence that was not
 * understood.
 */
int explain_request(const struct snapshot *s, const char *text, FILE *out, const struct policy_own *own,
	void (*show_options)(FILE *out, const struct explained *what));

#endif
