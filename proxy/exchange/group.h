/*
 * group - what is other about a request to a group of devices (RFC 7252 8): it leaves once, as NON, from a port of its own; there is no window,
 * no repetition and no round trip to learn from, but a pace; whoever answers first is the origin, and what the others say is dropped.
 *
 * A gateway that knows nothing of a protocol for it can give its client one answer, so one is given (S-37). That the target may be a group is
 * the route's decision (decide/policy.h).
 */
#ifndef PROXY_EXCHANGE_GROUP_H
#define PROXY_EXCHANGE_GROUP_H

#include "proxy/exchange/proxy.h"

struct outer_plan;

#define GROUP_PACE (CLOCK_SECOND) /* at least, between two requests to one group */

/* Makes x, of which it was just found out that its target is a group, a request that can go there. Returns ERR_NONE, or why it cannot: its body
 * comes in blocks, or it asks for a later block (RFC 7959 2.8). */
enum error group_prepare(struct proxy *p, struct exchange *x) __attribute__((warn_unused_result));

/* Takes off what may not be asked of a group: an observation, and a comparison with the ETag of whom (RFC 7252 8.2.1). */
void group_plan(struct outer_plan *plan);

/* x was sent: the next to its group waits. */
void group_note_sent(struct proxy *p, struct exchange *x);

/* A response with this token is one more to a request that has its answer (or was given up). */
bool group_is_late(const struct proxy *p, const uint8_t *token, size_t len);

#endif
