/*
 * origin - origin endpoints: their window, their queue that is fair between clients, their rest after failures.
 */
#ifndef PROXY_EXCHANGE_ORIGIN_H
#define PROXY_EXCHANGE_ORIGIN_H

#include "proxy/exchange/proxy.h"

/* What an origin is looked up by, known or not. */
uint64_t origin_key(const struct proxy *p, const struct endpoint *peer);

/* The origin at this endpoint, of this key, made if it is not known (the least recently used idle one goes at the limit). NULL if all
 * known ones are busy or memory is short. */
struct origin *origin_get(struct proxy *p, const struct endpoint *peer, uint64_t key);
struct origin *origin_find(const struct proxy *p, const struct endpoint *peer);

/* Tells that the origin of this key gets a message of this client soon: what that is looked up for is fetched into the cache meanwhile, all
 * at once. */
void origin_soon(const struct proxy *p, uint64_t key, const struct client *c);

/* What names its Message-ID spaces. */
uint32_t origin_hash(const struct proxy *p, const struct endpoint *peer);

/* Keeps how it is to be recognised; does nothing if it is known, or is not named. Returns 0, or -1 without memory. */
int origin_introduce(struct origin *o, const struct edge_credentials *c) __attribute__((warn_unused_result));

/* Makes of an address, *peer, the endpoint of an origin there, over this transport, known by this name to whom we show this identity. */
void origin_name(const struct proxy *p, struct endpoint *peer, enum uri_scheme transport, const struct edge_credentials *c);

/* Sends a message to a client who is asked as an origin, by the side of his listener. */
void origin_send_client(const struct proxy *p, const struct endpoint *peer, const uint8_t *bytes, size_t len);
/* Sends a message to an origin: from a slot, unless it is such a client. */
static inline void origin_send(const struct proxy *p, unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	if (edge_is_clients_session(peer))
		origin_send_client(p, peer, bytes, len);
	else
		edge_send_origin(slot, peer, bytes, len);
}

/* Puts an exchange behind its client's others; clients are served in turn. Returns 0, or -1 without memory. */
int origin_wait(struct proxy *p, struct exchange *x) __attribute__((warn_unused_result));
/* Takes the next waiting exchange out, or NULL. */
struct exchange *origin_next_waiting(struct proxy *p, struct origin *o);
/* Takes this waiting exchange out. */
void origin_stop_waiting(struct proxy *p, struct exchange *x);

/* An exchange begins and ceases to occupy a place in the window (RFC 7252 4.7). */
void origin_enter_window(struct exchange *x);
void origin_leave_window(struct exchange *x);
bool origin_has_room(const struct origin *o);

/* The exchange in flight with this Message ID from this source port, or NULL. */
struct exchange *origin_in_flight(const struct origin *o, unsigned slot, uint16_t mid);

/* x was given up unanswered. What it has sent is paid for to the end: after a second failure in a row nothing more leaves for
 * the origin until the place in the window would have been free (NSTART and PROBING_RATE, RFC 7252 4.7), or it answers. */
void origin_stay_quiet(const struct exchange *x);

/* `rest_for` microseconds it is passed over where there are others (0: not at all). */
void origin_failed(struct origin *o, uint64_t rest_for);
void origin_answered(struct origin *o);
/* Whether the origin of this key rests, wherever its home is. */
bool origin_rests(const struct proxy *p, uint64_t key);

/* The worker an origin belongs to. */
unsigned origin_home(const struct proxy *p, const struct endpoint *peer);

void origins_free(struct proxy *p); /* the memory outside the slab; at shutdown */

#endif
