/*
 * explain_hop - the part of -E (explain.h) about where a request goes from here, and what comes back that way. Pure.
 */
#ifndef PROXY_DECIDE_EXPLAIN_HOP_H
#define PROXY_DECIDE_EXPLAIN_HOP_H

#include <stdio.h>

#include "proxy/decide/policy.h"

/* Writes where a request that route `r` takes would go, or not. Sets *to to the configured origin or parent that is tried first, or NULL: the
 * target itself. Returns ERR_NONE, or why policy refuses its address. `own` as for policy_check_address(). */
enum error explain_next_hop(FILE *out, const struct snapshot *s, const struct route *r, const struct route_question *q,
	const struct policy_own *own, const struct origin_conf **to);

#endif
