/*
 * reblock - requests that their next hop does not take as they came, in blocks that it does (RFC 7959 2.3, 2.5; RFC 8323 6): blocks of several
 * kB or whole bodies for datagrams, a body in blocks for a peer that knows none.
 *
 * Such a request is an errand (errand.h) that is carried by a transfer (blocks.h): the one gathers what the client sends, the other sends what
 * the origin takes, as an operation of its own (RFC 9175 3.5.2), under the client's own name, route and configuration. An observation does not
 * go that way: the answer comes without one, as from any server that keeps none (RFC 7641 1.2).
 */
#ifndef PROXY_EXCHANGE_REBLOCK_H
#define PROXY_EXCHANGE_REBLOCK_H

#include "proxy/exchange/errand.h"
#include "proxy/exchange/hop.h"

/* Whether the next hop does not take the request m of x as it is: *needed. `len`: of it as it would leave. ERR_NONE, or why it must not go at
 * all. */
enum error reblock_check(const struct exchange *x, const struct msg_view *m, const struct outer_request *r, const struct hop *hop, size_t len,
	bool *needed) __attribute__((warn_unused_result));

/* What changes in the outer options of a request that goes as it is: Block2 asks for what this hop can give. */
void reblock_plan(struct outer_plan *plan, const struct exchange *x, const struct outer_request *r, const struct hop *hop);

/* The request of `ask` begins an errand; `peer`: its origin. ERR_NONE, or why not: the caller ends the exchange. */
enum error reblock_begin(struct proxy *p, struct exchange *x, const struct errand_ask *ask, const struct endpoint *peer)
	__attribute__((warn_unused_result));

#endif
