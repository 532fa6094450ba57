/*
 * requester - somebody in this process who asks through the exchange layer: he hands over a CoAP request and gets its one answer.
 *
 * The edges that are no datagrams ask so (HTTP), by way of the block layer (blocks.h). His requests take the way of a client's from
 * the route on: policy, home worker, window, observation; duplicates, Message IDs and reachability are none of his business.
 */
#ifndef PROXY_EXCHANGE_REQUESTER_H
#define PROXY_EXCHANGE_REQUESTER_H

#include "proxy/exchange/hop.h"

/* Beginning of whatever asks. Zeroed before its first use; in the same place until it was answered or has left. */
struct requester {
	/* The one answer to requester_ask(); perhaps before that returns. `m`: a CoAP response, borrowed. `e`: ERR_NONE if it is the origin's,
	 * else why the gateway made it. If it accepted an observation, r->exchange stays set. */
	void (*answered)(struct requester *r, const struct msg_view *m, enum error e);
	/* A notification; `age`: microseconds since it came. The last one has no Observe option or is an error; r->exchange is NULL then. */
	void (*notified)(struct requester *r, const struct msg_view *m, enum error e, uint64_t age);
	/* An observation goes on under a new configuration, or a request is asked under another than that of its route: the route that takes it now,
	 * or NULL. */
	const struct route *(*decide)(struct requester *r, struct snapshot *conf);
	struct proxy *proxy;
	struct exchange *exchange; /* under way or observing, else NULL */
	bool asking;               /* the answer has not come */
	bool from_group;           /* the answer is one of a group's (group.h): */
	struct endpoint responder; /* this member's. To ask the same again would be to ask all of them */
	const struct endpoint *device; /* that of its request_origin */
	uint64_t reading;          /* what is read of his messages, for his line of the access log (reading.h); 0: nothing */
	struct hop hop;            /* what the origin takes that answered, or would have; as far as it is known */
};

/* Where a request comes from, and what was decided of it. All is borrowed but `conf`, of which a reference is kept. */
struct request_origin {
	unsigned listener;           /* slot */
	struct endpoint peer;        /* names the client: its limits, its source port towards origins */
	struct local_address local;  /* the address it asked */
	struct snapshot *conf;
	const struct route *route;   /* of `conf`: it was found already (decide/http_route.h); policy still judges */
	const struct endpoint *device; /* asked instead of who the target names: a member of that group, which has answered; or NULL */
	bool begun;                  /* the request belongs to others before it: it is asked though the gateway drains */
	bool errand;                 /* it is part of one (reblock.h), whose own exchange counts against its client's limit, and proved his address or
	                              * not */
};

/* The one way out of the exchange layer: hands an answer or notification of x to its requester, as a datagram. x->requester is NULL afterwards
 * unless an observation goes on. Does nothing where nobody listens. */
void requester_tell(struct exchange *x, const uint8_t *bytes, size_t len, enum error e, uint64_t age);

/* x is freed: who still waits for an answer is told so. */
void requester_forget(struct exchange *x);

/* Asks. `bytes`: a request as a datagram (its type says how it is to leave, CON or NON; its Message ID and token are not looked at).
 * r->exchange is NULL before. */
void requester_ask(struct proxy *p, struct requester *r, const struct request_origin *from, const uint8_t *bytes, size_t len);

/* A request that is refused before it is asked: counted and logged as if it had been. */
void requester_note_refusal(struct proxy *p, const struct request_origin *from, uint8_t code, bool oscore, enum error e);

/* He wants nothing more: neither answer nor notification follows. An observation is cancelled at its origin (RFC 7641 3.6); a request that was
 * sent goes on without anybody to answer (RFC 8075 8.1), one that still waits is dropped. Does nothing if nothing is under way. */
void requester_leave(struct requester *r);

/* Who asked for x has left, nobody is told anything. */
static inline bool requester_is_gone(const struct exchange *x)
{
	return x->inner && x->requester == NULL;
}

#endif
