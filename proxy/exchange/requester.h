/*
 * requester - somebody in this process who asks through the exchange layer: he hands over a CoAP request and gets its one answer.
 *
 * The edges that are no datagrams ask so (HTTP), by way of the block layer (blocks.h). His requests take the way of a client's from
 * the route on: policy, home worker, window, observation; duplicates, Message IDs and reachability are none of his business.
 */
#ifndef PROXY_EXCHANGE_REQUESTER_H
#define PROXY_EXCHANGE_REQUESTER_H

#include "proxy/exchange/proxy.h"

/* Beginning of whatever asks. Zeroed before its first use; in the same place until it was answered or has left. */
struct requester {
	/* The one answer to requester_ask(); perhaps before that returns. `m`: a CoAP response, borrowed. `e`: ERR_NONE if it is the origin's,
	 * else why the gateway made it. If it accepted an observation, r->exchange stays set. */
	void (*answered)(struct requester *r, const struct msg_view *m, enum error e);
	/* A notification; `age`: microseconds since it came. The last one has no Observe option or is an error; r->exchange is NULL then. */
	void (*notified)(struct requester *r, const struct msg_view *m, enum error e, uint64_t age);
	struct proxy *proxy;
	struct exchange *exchange; /* under way or observing, else NULL */
};

/* Where a request comes from, and what was decided of it. All is borrowed but `conf`, of which a reference is kept. */
struct request_origin {
	unsigned listener;           /* slot */
	struct endpoint peer;        /* names the client: its limits, its source port towards origins */
	struct local_address local;  /* the address it asked */
	struct snapshot *conf;
	const struct route *route;   /* of `conf`: it was found already (decide/http_route.h); policy still judges */
};

/* Asks. `bytes`: a request as a datagram (its type says how it is to leave, CON or NON; its Message ID and token are not looked at).
 * r->exchange is NULL before. */
void requester_ask(struct proxy *p, struct requester *r, const struct request_origin *from, const uint8_t *bytes, size_t len);

/* He wants nothing more: neither answer nor notification follows. An observation is cancelled at its origin (RFC 7641 3.6); a request under
 * way goes on without anybody to answer. Does nothing if nothing is under way. */
void requester_leave(struct requester *r);

#endif
