/*
 * transmit - datagrams towards an origin in their time: the window, the queue, retransmission, the cancel of an observation.
 */
#ifndef PROXY_EXCHANGE_TRANSMIT_H
#define PROXY_EXCHANGE_TRANSMIT_H

#include "proxy/exchange/proxy.h"

/* Sends the datagram of x (its origin is set, its Message ID is not), or keeps a copy and queues it if the window is full.
 * keep_slot: it must leave from x->slot. Borrows bytes (the Message ID is written into them). Returns ERR_NONE, ERR_OVERLOAD
 * or ERR_MESSAGE_IDS. */
enum error transmit_or_wait(struct proxy *p, struct exchange *x, uint8_t *bytes, size_t len, bool keep_slot)
	__attribute__((warn_unused_result));

/* Sends what waits for the origin as far as its window has room. */
void transmit_pump(struct proxy *p, struct origin *o);

/* retransmit_at has come: sends again (same bytes, same Message ID), or gives the window place of a NON back. */
void transmit_on_timeout(struct proxy *p, struct exchange *x);

/* Tells the origin by Observe=1 that nobody listens (RFC 7641 3.6): the exchange has no client any more. */
void transmit_cancel(struct proxy *p, struct exchange *x);

#endif
