/*
 * receive - what comes from clients. What the edge calls stands in proxy/edge/edge.h; this is for origins that ask by a return path.
 */
#ifndef PROXY_EXCHANGE_RECEIVE_H
#define PROXY_EXCHANGE_RECEIVE_H

#include "proxy/exchange/proxy.h"

/* A request of an origin at a source-port slot, or an Empty message that may be for our answers to it. `local`: the address that the client
 * behind the path asked; `route`: what decides about requests. */
void receive_return(struct proxy *p, unsigned slot, const struct endpoint *peer, const struct local_address *local, const struct route *route,
	const struct msg_view *m);

/* Its connection has ended. */
void receive_return_gone(struct proxy *p, unsigned slot, const struct endpoint *peer);

#endif
