/*
 * accepting - the listening sockets of one kind, each under the slot of its listener, and the connections that come by them.
 *
 * Where the process has no descriptor or memory for another connection, nothing is accepted for a tenth of a second: clients wait in the
 * kernel meanwhile.
 */
#ifndef PROXY_EDGE_ACCEPTING_H
#define PROXY_EDGE_ACCEPTING_H

#include "base/wheel.h"
#include "conf/snapshot.h"
#include "proxy/edge/edge.h"

struct accepting_socket;
struct event_base;

/* A connection has come by a listener (takes fd, which does not block). */
typedef void accepting_take(const struct listener *l, int fd, const struct endpoint *peer);

/* All zero: nothing is open. It stays in its place while it is. */
struct accepting {
	struct event_base *base;
	struct proxy *proxy;
	accepting_take *take;
	struct accepting_socket *sockets[CONF_SLOTS_MAX];
	struct wheel_timer pause;
	uint64_t warned_at; /* that nothing can be accepted; 0: never */
	bool paused;
};

/* Sets it up without any socket; `take` is called from the loop. */
void accepting_open(struct accepting *a, struct event_base *base, struct proxy *p, accepting_take *take);
/* Closes all sockets. */
void accepting_close(struct accepting *a);

/* Listens by a socket under a slot (takes fd, also where it fails). Returns 0, or -1 without memory or if the slot has one. */
int accepting_add(struct accepting *a, unsigned slot, int fd) __attribute__((warn_unused_result));
bool accepting_has(const struct accepting *a, unsigned slot);
/* Closes that of a slot, if it has one. */
void accepting_remove(struct accepting *a, unsigned slot);

/* Says something to a client for whom there is no room, and nothing more. Whoever does not read it at once does not get it. */
void accepting_refuse(int fd, const void *bytes, size_t len);

/* The address at which a connected socket is spoken to, and its port; all zero if it is not known. */
void accepting_local(int fd, struct local_address *local, uint16_t *port);

#endif
