/*
 * forward - from a request to a datagram on its way to an origin: target, route, policy, name.
 */
#ifndef PROXY_EXCHANGE_FORWARD_H
#define PROXY_EXCHANGE_FORWARD_H

#include "proxy/decide/target.h"
#include "proxy/exchange/proxy.h"
#include "translate/outer.h"

/* Decides and sends (or queues, or begins to resolve). `asked` is the local address and port of the request. `found`: the route of x->conf
 * that takes it, where that is known already (requester.h), else NULL. On a refusal the client was answered and the exchange is gone. */
void forward_begin(struct proxy *p, struct exchange *x, const struct msg_view *m, const struct outer_request *r,
	const struct endpoint *asked, const struct route *found);

/* What a request of a client asked, who came by an edge or (`inner`) by a requester, under a configuration. */
struct target_asked forward_asked(const struct snapshot *conf, const struct client *c, const struct endpoint *address, bool inner);

/* The last step for an origin of this worker, of this origin_key(): limits, then sends or queues the datagram (its token is set, its Message ID
 * is not). Returns ERR_NONE, or why not: the caller then ends the exchange. */
enum error forward_to_origin(struct proxy *p, struct exchange *x, const struct endpoint *peer, uint64_t key,
	const struct edge_credentials *c, uint8_t *bytes, size_t len) __attribute__((warn_unused_result));

/* A request that waited was read: it goes on, or (e) is refused. `message`: it, borrowed. `again`: it refreshes or cancels the observation of x. x may be
 * gone afterwards. */
void forward_judged(struct proxy *p, struct exchange *x, const struct buffer *message, bool again, enum error e);

/* A session has begun that the look-up waits for, or perhaps does. Its exchange may be gone afterwards. */
void forward_session_came(struct lookup *l);

/* Decides about the observation of x anew, by the configuration now in force, which x is under from then on. Returns ERR_NONE, or why it
 * would be refused now; also where the new configuration would go to another origin. */
enum error forward_decide_again(struct proxy *p, struct exchange *x) __attribute__((warn_unused_result));

/* True if a request with the token of the observation x asks for what x registered for: the same target, and unless OSCORE
 * hides it (RFC 8613 4.1.3.5), the same method, path and query. So it needs no new decision. */
bool forward_is_same(struct proxy *p, const struct exchange *x, const struct msg_view *m, const struct outer_request *r,
	const struct endpoint *asked);

/* Such a request leaves with the token and port of the first, for the same origin. */
void forward_again(struct proxy *p, struct exchange *x, const struct msg_view *m, const struct outer_request *r,
	const struct endpoint *asked);

#endif
