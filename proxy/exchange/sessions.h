/*
 * sessions - clients' connections and security sessions that have a name, as targets: found by it, waited for, spoken to as origins.
 *
 * A name is what a session proves (edge_client_name()). The newest session of a name counts, the older one is ended, in whichever worker it is.
 * Where a transport does not do it itself, sessions are also asked for a sign of life here (`keepalive` of their listener).
 *
 * A client who is asked as an origin has an endpoint with EDGE_SESSION_OF_CLIENT: that of his session; or, if he comes by plain datagrams, one
 * that names his worker and listener in its place (sessions_plain()). His worker is its home. It is spoken to from the listener's side, by
 * slot EDGE_LISTENER_SLOT | listener, and by Message IDs of the same space as his answers.
 */
#ifndef PROXY_EXCHANGE_SESSIONS_H
#define PROXY_EXCHANGE_SESSIONS_H

#include "proxy/exchange/house_sessions.h"
#include "proxy/exchange/proxy.h"

struct sessions;

/* ---- of the edge: receive.c passes it on ---- */

void sessions_begin(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *local);
void sessions_end(struct proxy *p, const struct endpoint *peer);
/* Something has come over one. */
void sessions_heard(struct proxy *p, const struct endpoint *peer);
void sessions_destroy(struct proxy *p);

/* ---- found by name ---- */

/* The endpoint of the newest session of a name. *changed: for sessions_wait(), if there is none. */
bool sessions_find(const struct proxy *p, const struct session_name *name, struct endpoint *peer, uint32_t *changed);

/* The look-up l is tried again by forward_session_came() when the session l->wanted has begun (hash[0] 0: any). Returns 0, or -1 without memory. */
int sessions_wait(struct proxy *p, struct lookup *l, uint32_t changed) __attribute__((warn_unused_result));
void sessions_stop_waiting(struct proxy *p, struct lookup *l); /* accepts one that does not wait */

/* Once a turn: those that wait, if sessions have begun. */
void sessions_turn(struct proxy *p);
/* True if that would find something to do. */
bool sessions_are_due(const struct proxy *p);

/* ---- as origins ---- */

/* Of a client of plain datagrams at a listener of a worker. */
struct endpoint sessions_plain(const struct endpoint *peer, unsigned worker, unsigned listener);
static inline bool sessions_is_plain(const struct endpoint *peer)
{
	return edge_is_clients_session(peer) && (peer->session & (1ull << 54)) != 0;
}

/* His endpoint as a client, and his listener. Returns false if the session has ended. Of this worker's clients alone. */
bool sessions_client(const struct endpoint *origin, struct endpoint *peer, unsigned *listener, struct local_address *local);

/* The slot of x, whose origin is such a client, and a Message ID for it: x->slot, x->mid. Returns 0, or -1 if there is none. */
int sessions_assign(struct proxy *p, struct exchange *x) __attribute__((warn_unused_result));

/* A client who was asked has answered with the token, which he alone was told: he is where he says. Any other origin is left alone. */
void sessions_proved_plain(struct proxy *p, const struct endpoint *origin);
static inline void sessions_proved(struct proxy *p, const struct endpoint *origin)
{
	if (sessions_is_plain(origin))
		sessions_proved_plain(p, origin);
}

/* Whether this client is an origin that somebody here has asked: what he says as such is upstream.c's business. */
bool sessions_is_asked(const struct proxy *p, unsigned listener, const struct endpoint *peer, struct endpoint *origin);

/* ---- from another worker ---- */

/* A newer session has the name of this one. */
void sessions_superseded(struct proxy *p, const struct endpoint *peer);

#endif
