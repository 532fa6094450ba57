/*
 * blocks_learned - which devices do not know the block options (RFC 8075 8.3): they refuse a request that has one and take the same without;
 * and what those take in one message whose transport is reliable.
 *
 * A bounded memory of hashes; an entry is forgotten after BLOCKS_LEARNED_FOR, or when another takes its place.
 */
#ifndef PROXY_EXCHANGE_BLOCKS_LEARNED_H
#define PROXY_EXCHANGE_BLOCKS_LEARNED_H

#include "proxy/exchange/hop.h"

enum { BLOCKS_LEARNED = 256 };

#define BLOCKS_LEARNED_FOR (3600 * CLOCK_SECOND)

struct blocks_learned {
	struct {
		uint64_t device, until;
		bool plain;
		struct hop hop;
	} entries[BLOCKS_LEARNED];
};

/* Names the device that a request is for: by the route, and by scheme, host and port as far as the request says them. */
uint64_t blocks_device(const struct proxy *p, const struct route *route, const struct msg_view *m);

void blocks_learn(struct blocks_learned *l, uint64_t device, uint64_t now);
bool blocks_knows(const struct blocks_learned *l, uint64_t device, uint64_t now);
/* The hop to it; all zero: not known. */
void blocks_learn_hop(struct blocks_learned *l, uint64_t device, const struct hop *hop, uint64_t now);
struct hop blocks_hop(const struct blocks_learned *l, uint64_t device, uint64_t now);

#endif
