/*
 * local - what the gateway itself answers: /.well-known/core (RFC 6690).
 */
#ifndef PROXY_EXCHANGE_LOCAL_H
#define PROXY_EXCHANGE_LOCAL_H

#include "proxy/decide/target.h"
#include "proxy/exchange/proxy.h"

/* Answers a request that no route took, if it is for a resource of ours. Returns false if it is not. Here the
 * critical/elective bit decides on unknown options (RFC 7252 5.4.1), unlike on the way through. */
bool local_serve(struct proxy *p, struct exchange *x, const struct msg_view *m, const struct target *t);

#endif
