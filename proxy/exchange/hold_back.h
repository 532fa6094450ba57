/*
 * hold_back - an origin that answers 4.29 is not asked the same (method and URI) before Max-Age has passed (RFC 8516 4).
 */
#ifndef PROXY_EXCHANGE_HOLD_BACK_H
#define PROXY_EXCHANGE_HOLD_BACK_H

#include "proxy/exchange/proxy.h"

/* Remembers the 4.29 that answers x; only where the bytes of the request are still held (CON). */
void hold_back_note(struct proxy *p, const struct exchange *x, const struct msg_view *response);

/* True if this outgoing request must not leave yet; x->retry_after is then set. */
bool hold_back_active(const struct proxy *p, struct exchange *x, const struct origin *o, const uint8_t *request, size_t len);

#endif
