/*
 * held - answers and notifications that are too large for their client's hop: he is given the first block, or the one he asked for, and the rest
 * is held for the requests that will follow (RFC 7959 2.4, 2.6, 2.7; RFC 8323 6).
 *
 * What is held is an errand that has its answer (errand_keep()): found by client, target, method, Accept, Request-Tag and OSCORE option,
 * bounded as errands are, and gone EXCHANGE_LIFETIME after its last use. Of an answer that is itself a block of SZX 7 the origin has the
 * rest: what lies behind is asked of it.
 */
#ifndef PROXY_EXCHANGE_HELD_H
#define PROXY_EXCHANGE_HELD_H

#include "proxy/exchange/proxy.h"

enum { HELD_MESSAGE = MSG_DATAGRAM_MAX };

/* What the client is given instead. */
struct held_cut {
	struct msg_view m;           /* views `bytes`, and the payload of what was cut */
	uint8_t bytes[HELD_MESSAGE]; /* head and options */
};

/* Whether the response m to x, of which something could be held, has to be cut for its client. */
bool held_cuts(const struct exchange *x, const struct msg_view *m);
static inline bool held_is_needed(const struct exchange *x, const struct msg_view *m)
{
	return x->body_key != 0 && held_cuts(x, m);
}

/* Cuts it (borrows m as long as *cut is used), and holds what it must. `notification`: its first block is meant, whatever was asked for. ERR_NONE,
 * or what the client is to be told instead. */
enum error held_cut(struct proxy *p, struct exchange *x, const struct msg_view *m, bool notification, struct held_cut *cut)
	__attribute__((warn_unused_result));

#endif
