/*
 * groups - the listeners' sockets, kept by the parent: for each listener as many as there are workers, bound to one address, of
 * which each worker serves one. The kernel chooses among them by the client's endpoint.
 *
 * They stay open for as long as the listener exists, in one order, whatever becomes of workers: so the kernel's choice never changes,
 * and what arrives while a worker is replaced waits for its successor.
 *
 * A group has a slot, the listener's number over reloads, and is known by what it is and where: datagrams and connections on one port are
 * two. The datagram group of a listener that a new configuration has no more lingers until every worker has closed its socket. A stream
 * group is closed at once: a connection has its own socket, on which it is answered and can be no duplicate of another, so what was begun
 * there needs the listening socket no more.
 */
#ifndef PROXY_PROCESS_GROUPS_H
#define PROXY_PROCESS_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/snapshot.h"
#include "proxy/exchange/house.h"

enum group_state {
	GROUP_FREE,
	GROUP_FRESH,     /* opened for a configuration that is not in force yet */
	GROUP_SERVING,
	GROUP_LINGERING, /* its listener was removed */
};

struct group {
	enum group_state state;
	bool stream;
	bool http;
	struct endpoint address;
	int fds[HOUSE_WORKERS_MAX];  /* by worker */
	uint64_t retired;            /* lingering: a bit for each worker that has closed its own */
	bool wanted;                 /* lingering: the configuration that comes next has it again */
};

struct activation;

struct groups {
	unsigned workers;
	struct activation *activation; /* sockets to be taken before any is opened (borrowed), or NULL */
	struct group slots[CONF_SLOTS_MAX];
};

/* Finds, or opens, a group for every listener; slots[i] gets its slot. On failure the log has the reason, nothing stays open that was
 * opened here, and -1 is returned. */
int groups_place(struct groups *g, const struct snapshot *conf, uint8_t slots[CONF_LISTENERS_MAX]);
/* The configuration that was placed last is in force: groups without a listener in it linger or are closed, its own serve. */
void groups_commit(struct groups *g, const struct snapshot *conf);
/* It is not to be: what was opened for it is closed. */
void groups_abort(struct groups *g);

/* A worker has closed its socket of a lingering group. Returns true if it was the last, and the slot is free again. */
bool groups_retire(struct groups *g, unsigned slot, unsigned worker);

/* The gateway drains: who would connect now is refused by the kernel, unless a service manager keeps the sockets for a successor. */
void groups_close_streams(struct groups *g);
void groups_close(struct groups *g);

#endif
