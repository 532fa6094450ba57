/*
 * outgoing - what a request is turned into for its next hop: the options it leaves with. Pure; the running proxy and -E
 * call the same function.
 */
#ifndef PROXY_DECIDE_OUTGOING_H
#define PROXY_DECIDE_OUTGOING_H

#include "proxy/decide/target.h"
#include "translate/outer.h"

/*
 * Plans the outer options of a request that `route` took (RFC 7252 5.7.2, 6.4; RFC 8768 3; RFC 8613 10). `to` is the
 * configured origin chosen, or NULL if the target itself is the next hop. drop_echo: its Echo is the gateway's own (RFC
 * 9175 2.3). A request for a parent proxy keeps all that names its target. *hop_limit is what it leaves with, 0: none.
 * Returns 0, or -1 if there are too many options.
 */
int outgoing_plan(struct outer_plan *plan, const struct route *route, const struct origin_conf *to, const struct msg_view *m,
	const struct outer_request *r, const struct target *t, bool drop_echo, uint8_t *hop_limit)
	__attribute__((warn_unused_result));

/* The same of a request that an origin sends by a return path: path and query stay as they are, and Uri-Host and Uri-Port, which name us, are
 * dropped. */
int outgoing_plan_return(struct outer_plan *plan, const struct route *route, const struct msg_view *m, const struct outer_request *r,
	uint8_t *hop_limit) __attribute__((warn_unused_result));

#endif
