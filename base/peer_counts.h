/*
 * peer_counts - how many connections each client has: one by its IPv4 address, or by the first 64 bits of its IPv6 address, which is what a
 * single host may choose its addresses from (RFC 4291 2.5.4).
 */
#ifndef BASE_PEER_COUNTS_H
#define BASE_PEER_COUNTS_H

#include <stdint.h>

#include "base/endpoint.h"

struct peer_counts;
struct peer_count; /* of one client; gone when its count is 0 */

/* Returns NULL without memory. */
struct peer_counts *peer_counts_create(void);
void peer_counts_destroy(struct peer_counts *p); /* accepts NULL; nothing is counted any more */

/* One more of this client. Returns its count, to be given back by peer_counts_leave(), or NULL if it has `limit` already, or without memory. */
struct peer_count *peer_counts_enter(struct peer_counts *p, const struct endpoint *peer, uint32_t limit);
void peer_counts_leave(struct peer_count *c); /* accepts NULL */

#endif
