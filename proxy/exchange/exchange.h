/*
 * exchange - the life of one request: its states, its timer, its end.
 */
#ifndef PROXY_EXCHANGE_EXCHANGE_H
#define PROXY_EXCHANGE_EXCHANGE_H

#include "proxy/exchange/proxy.h"

enum { UPSTREAM_TOKEN = 8 };

/* A new exchange of this client, state EXCHANGE_RESOLVING, or NULL at the limit. Holds a reference to the configuration. */
struct exchange *exchange_new(struct proxy *p, struct client *c);

/* ERR_NONE, or the limit that a new exchange of this client would pass. */
enum error exchange_check_room(const struct proxy *p, const struct client *c) __attribute__((warn_unused_result));

/* Ends it wherever it stands: leaves every list, gives back what it holds, lets a waiting exchange of the origin go on. */
void exchange_free(struct proxy *p, struct exchange *x);

/* The only way to change the state; an illegal step is a broken invariant. */
void exchange_set_state(struct exchange *x, enum exchange_state state);

/* Sets the timer to the earliest of its times. */
void exchange_schedule(struct proxy *p, struct exchange *x);

/* Keeps the client's token. Returns 0, or -1 without memory. */
int exchange_set_token(struct exchange *x, const uint8_t *token, size_t len);
const uint8_t *exchange_token(const struct exchange *x);

/* Its token towards the origin, which is random, becomes one that never came before. */
void exchange_take_counted_token(struct proxy *p, struct exchange *x);
/* When its origin is known, before that token is written: over (D)TLS none may come twice under one key (RFC 9175 4.2). */
static inline void exchange_take_token(struct proxy *p, struct exchange *x, const struct endpoint *origin)
{
	if (edge_of(origin)->secured)
		exchange_take_counted_token(p, x);
}
/* The token towards the origin: 24 bits of slab index, 40 that nobody can guess. */
void exchange_upstream_token(const struct exchange *x, uint8_t token[UPSTREAM_TOKEN]);
/* The exchange a token names, or NULL. */
struct exchange *exchange_by_token(const struct proxy *p, const uint8_t *token, size_t len);

/* Attaches the route found, or another instead of it (counts it on the route). */
void exchange_set_route(struct proxy *p, struct exchange *x, const struct route *route);

/* Names the origin (counts it there); before it is waited for or sent. */
void exchange_set_origin(struct exchange *x, struct origin *o);

/* The endpoint of its origin, also where that belongs to another worker; NULL while it is not known. */
const struct endpoint *exchange_origin_peer(const struct exchange *x);

/* When its request first left for the origin (0: it did not, or that is not known), and how often it was repeated; also where the
 * origin belongs to another worker. */
uint64_t exchange_sent_at(const struct exchange *x);
unsigned exchange_retransmissions(const struct exchange *x);

/* Drops the lookup, if any. */
void exchange_end_lookup(struct proxy *p, struct exchange *x);

#endif
