/*
 * delivery - confirmable messages to clients: separate responses and confirmable notifications (RFC 7252 4.2, 5.2.2).
 *
 * One is in flight per client (NSTART), the others wait; retransmitted with the default parameters, given up after the
 * last timeout or at the client's Reset.
 */
#ifndef PROXY_EXCHANGE_DELIVERY_H
#define PROXY_EXCHANGE_DELIVERY_H

#include "proxy/exchange/proxy.h"

/* Sends, or queues behind others, a message written with type CON and any Message ID (it is replaced). Borrows bytes.
 * `allowance`: no more bytes than that leave, repeats included, while the client is not verified (RFC 9175 2.4).
 * Returns the delivery, or NULL if it cannot be kept. */
struct delivery *delivery_send(struct proxy *p, struct client *c, const struct local_address *local, struct observation *o,
	const uint8_t *bytes, size_t len, size_t allowance);

/* Puts a newer message (type CON) in the place of one that was sent: a new Message ID, the same timeout and count (RFC 7641
 * 4.5.2). Borrows bytes. */
void delivery_replace(struct proxy *p, struct delivery *d, const uint8_t *bytes, size_t len);

/* An ACK or RST of this client. Returns true if it was for a delivery of ours. */
bool delivery_on_answer(struct proxy *p, struct client *c, uint16_t mid, bool reset);

/* Its client is gone: what waits for it goes, and observations that something waited of end. */
void delivery_drop_all(struct proxy *p, struct client *c);

/* The observation ends: its delivery, if not yet sent, goes too; if in flight it is finished without it. */
void delivery_detach(struct proxy *p, struct delivery *d);

#endif
