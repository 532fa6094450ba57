/*
 * client - downstream endpoints: how many exchanges each has under way, what it observes, whether it was verified.
 */
#ifndef PROXY_EXCHANGE_CLIENT_H
#define PROXY_EXCHANGE_CLIENT_H

#include "proxy/exchange/proxy.h"

/* The client at (listener, peer), made if it is not known (the least recently used idle one goes at the limit). NULL if
 * all known ones are busy. */
struct client *client_get(struct proxy *p, unsigned listener, const struct endpoint *peer);

/* The client, or NULL if it is not known. */
struct client *client_find(const struct proxy *p, unsigned listener, const struct endpoint *peer);

/* What names its Message-ID space and its upstream port, known or not. */
uint32_t client_hash(const struct proxy *p, unsigned listener, const struct endpoint *peer);

/* True if a client may take one more of something of which `used` of `limit` are taken. Endpoints that may be forged leave a
 * quarter to those that are not, so that a flood of them shuts nobody out. */
bool client_may_take(const struct client *c, uint64_t used, uint64_t limit);

/* Stand-ins: the clients of another worker, where that has exchanges with origins of this one (crossing.c). Their listener number is
 * none that a listener has. */
enum { STAND_IN = 1 << 30 };
static inline unsigned client_stand_in_listener(unsigned worker, unsigned listener)
{
	return STAND_IN | worker << 16 | listener;
}
static inline bool client_is_stand_in(const struct client *c)
{
	return c->listener & STAND_IN;
}

/* Origins that ask by a return path (return_path.h): their listener number names the source-port slot to which they send. */
enum { CLIENT_AT_SLOT = 1 << 15 };
static inline bool client_is_at_slot(const struct client *c)
{
	return c->listener & CLIENT_AT_SLOT;
}
static inline unsigned client_slot(const struct client *c)
{
	return c->listener & (CLIENT_AT_SLOT - 1);
}

/* The worker to which it belongs, and its listener there. */
static inline unsigned client_worker(const struct client *c, const struct house *h)
{
	return client_is_stand_in(c) ? c->listener >> 16 & (HOUSE_WORKERS_MAX - 1) : h->self;
}
static inline unsigned client_listener(const struct client *c)
{
	return c->listener & 0xffff;
}

/* Sends a message to a client of this worker: from his listener, or from the slot. */
void client_send(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes, size_t len);

/* Nothing of it is under way, observed or waits. */
bool client_is_idle(const struct client *c);

/* What is sent to it arrives: no types, Message IDs and repeats. */
static inline bool client_is_reliable(const struct client *c)
{
	return edge_of(&c->peer)->reliable;
}

/* A Message ID for a message of ours to it, or -1 if none is free (RFC 7252 4.4). */
int32_t client_take_mid(struct proxy *p, const struct client *c);

/* The observation registered under this token, or NULL. */
struct observation *client_observation(const struct client *c, const uint8_t *token, size_t len);

#endif
