/*
 * upstream - datagrams from origins: matched to their exchange, acknowledged, handed on (RFC 7252 4.2, 5.3.2).
 */
#ifndef PROXY_EXCHANGE_UPSTREAM_H
#define PROXY_EXCHANGE_UPSTREAM_H

#include "proxy/exchange/proxy.h"

/* Sends the Empty ACK of a CON message of the origin of x, given its bytes; nothing for other types. Remembered, so that a
 * repeat of the message is acknowledged again. */
void upstream_acknowledge(struct exchange *x, const uint8_t *bytes, size_t len);

/* The same by the message's ID. x has its origin here. */
void upstream_acknowledge_id(struct exchange *x, uint16_t mid);

/* A CON message of the origin of x will be acknowledged later: its repeats are dropped until then. */
void upstream_await(struct exchange *x, uint16_t mid);

/* Relays the origin's answer to x's client; false if x has ended with it. */
bool upstream_pass_answer(struct proxy *p, struct exchange *x, const struct msg_view *m);

#endif
