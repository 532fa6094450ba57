/*
 * return_path - source ports by which origins reach clients (LwM2M and its like): on a route with `return-path` each client's messages leave
 * for an origin from a port that is his alone, and what that origin asks there is asked of him.
 *
 * A path belongs to one client and one origin, and lives in the origin's home. Its port is a slot from RETURN_SLOTS on; it names sockets, or
 * the connection to the origin. A request that comes there from exactly that origin becomes an exchange whose client is the origin
 * (client_is_at_slot()) and whose origin is the client, by sessions.h. The path is all that it is decided by: no route is looked for. What anybody
 * else sends there is dropped.
 *
 * Paths are bounded by `return-ports` for all workers together, of which clients who may not exist leave a quarter; those whose client was never
 * seen end after EXCHANGE_LIFETIME, the others after `return-lifetime`, without traffic; with the client's session; and when no route gives
 * them any more. Each ends when nothing is under way by it.
 */
#ifndef PROXY_EXCHANGE_RETURN_PATH_H
#define PROXY_EXCHANGE_RETURN_PATH_H

#include "proxy/exchange/proxy.h"

enum { RETURN_SLOTS = ORIGIN_SLOTS_MAX, RETURN_SLOTS_END = EDGE_LISTENER_SLOT };

static inline bool return_path_is_slot(unsigned slot)
{
	return slot >= RETURN_SLOTS && slot < RETURN_SLOTS_END;
}

/* How long a connection or session to an origin by this slot is kept without a message: that of a path, as long as the path may last. */
static inline uint64_t return_path_origin_idle(const struct proxy *p, unsigned slot)
{
	const struct settings *s = &p->conf->settings;

	return return_path_is_slot(slot) && s->return_lifetime > s->transports_origin_idle ? s->return_lifetime : s->transports_origin_idle;
}

/* ---- requests of clients ---- */

/* The path of x, whose client and origin are set, and x->return_route; made if there is none: x->path. ERR_NONE, or ERR_RETURN_PORTS. */
enum error return_path_take(struct proxy *p, struct exchange *x) __attribute__((warn_unused_result));
/* x is freed. */
void return_path_leave(struct exchange *x);
unsigned return_path_slot(const struct return_path *path);
/* Which of the paths that have had it the slot's present one is, modulo 256: of each the Message IDs are its own. 0 for other slots. */
unsigned return_path_turn(const struct proxy *p, unsigned slot);

/* ---- messages of origins ---- */

/* Something has come to a slot of a return path. Returns false if it is from somebody else: it is counted, and to be dropped. */
bool return_path_admits(struct proxy *p, unsigned slot, const struct endpoint *peer);
/* A request, or an Empty message that is for none of ours; admitted. Returns false if the path has ended. */
bool return_path_receive(struct proxy *p, unsigned slot, const struct endpoint *peer, const struct msg_view *m);

/* The client behind the path by which `c`, an origin, asks: as an origin (sessions.h); or NULL if it has ended. */
const struct endpoint *return_path_client(const struct proxy *p, const struct client *c);
/* The route that gives it in the configuration now in force, or NULL. */
const struct route *return_path_route(struct proxy *p, const struct client *c);
/* The client has answered such a request: he exists. */
void return_path_proved(struct proxy *p, const struct client *c);

/* ---- ends ---- */

/* The session of a client of this worker has ended: all workers are told. */
void return_paths_client_gone(struct proxy *p, const struct endpoint *client);
/* The same of any worker's, in this one. */
void return_paths_end(struct proxy *p, const struct endpoint *client);
/* A worker has died, and its clients' sessions with it. */
void return_paths_worker_died(struct proxy *p, unsigned worker);
/* A new configuration is in force. */
void return_paths_renew(struct proxy *p);
void return_paths_destroy(struct proxy *p);

#endif
