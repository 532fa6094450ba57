/*
 * upstream - datagrams from origins: matched to their exchange, acknowledged, handed on (RFC 7252 4.2, 5.3.2).
 */
#ifndef PROXY_EXCHANGE_UPSTREAM_H
#define PROXY_EXCHANGE_UPSTREAM_H

#include "proxy/exchange/proxy.h"

/* Sends the Empty ACK of a CON message of the origin of x, given its bytes; nothing for other types. Remembered, so that a
 * repeat of the message is acknowledged again. */
void upstream_acknowledge(struct exchange *x, const uint8_t *bytes, size_t len);

#endif
