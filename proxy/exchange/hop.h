/*
 * hop - what origins take in one message, as their home has learned it: told to all workers by the house.
 *
 * A bounded memory of hashes without promises: another origin may take the place of one, and what was learned of a connection may not be so of the
 * next. Who relies on it is told by ERR_TOO_LARGE, or by the origin, where it was not right.
 */
#ifndef PROXY_EXCHANGE_HOP_H
#define PROXY_EXCHANGE_HOP_H

#include "proxy/exchange/proxy.h"

/* Of datagrams everything is known: they take blocks of up to 1024 bytes. */
struct hop {
	bool reliable, known; /* known: the rest was learned; else it is what its transport carries */
	bool blocks, bert;    /* takes block-wise transfer, blocks of several kB (RFC 8323 5.3.2) */
	size_t limit;         /* bytes of a message in the form of a datagram */
};

struct hop hop_of(const struct proxy *p, const struct endpoint *origin);

/* A message has come from it by this slot, or one was too long for it: what it has said of itself is known there. For its home. Of datagrams
 * there is nothing to learn. */
void hop_learn_reliable(struct proxy *p, unsigned slot, const struct endpoint *origin);
static inline void hop_learn(struct proxy *p, unsigned slot, const struct endpoint *origin)
{
	if (edge_of(origin)->reliable)
		hop_learn_reliable(p, slot, origin);
}

#endif
