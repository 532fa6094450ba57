/*
 * ports - source ports towards an origin: which one a client's messages leave from, and their Message IDs.
 *
 * An origin keys Block1 state, observations, Echo and Inner block transfers by endpoint, so a client keeps its port for
 * an origin for 247 s after its last message there. The pool of an origin grows when its busiest port passes half of its
 * rate (65,536 IDs in 247 s); a client is moved only when its own port passes three quarters of it and no transfer that
 * can be seen is under way; or when it has no ID left, and what it asks needs no state of the origin's.
 */
#ifndef PROXY_EXCHANGE_PORTS_H
#define PROXY_EXCHANGE_PORTS_H

#include "proxy/exchange/proxy.h"

/* Chooses and opens the port of x (its client, origin, block and observe fields are set) and takes a Message ID: sets
 * x->slot and x->mid. `keep_slot`: x->slot is already right (a refresh, a repeat under way). Returns 0, or -1 when dry. */
int ports_assign(struct proxy *p, struct exchange *x, bool keep_slot) __attribute__((warn_unused_result));

/* A Message ID from a slot to the origin of this hash (origin_hash()), or -1. */
int32_t ports_take_mid(struct proxy *p, uint32_t origin, unsigned slot);

/* Tells that a message of this client to the origin of this hash gets its port soon: what is looked up for that is fetched into the cache
 * meanwhile. */
void ports_soon(const struct proxy *p, const struct client *c, uint32_t origin);

/* The upload by Block1 that x ended is over: its port is free for others. */
void ports_upload_ended(const struct exchange *x);

void ports_free(struct origin *o);

enum { UPLOADS_MAX = 1024 }; /* under way at one origin */
enum { BINDING_SETS = 65536, BINDING_WAYS = 8 };

#endif
