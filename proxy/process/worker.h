/*
 * worker - one event loop: sockets, timers, the exchange layer.
 */
#ifndef PROXY_PROCESS_WORKER_H
#define PROXY_PROCESS_WORKER_H

#include <stdbool.h>

#include "conf/snapshot.h"

struct event_base;
struct proxy;

struct worker {
	struct event_base *base;
	struct event *tick, *signals[3];
	struct proxy *proxy;
	struct resolver *resolver;
	unsigned long long armed; /* when the tick will come; 0: it is not set */
	bool stop;
};

/* Runs in the foreground until SIGTERM or SIGINT. steer_path: where the test build takes commands, else NULL. Returns the
 * exit status. */
int worker_run(struct snapshot *conf, const char *steer_path);

/* One turn: what is readable (waiting for it or not), timers, then everything queued leaves. */
void worker_turn(struct worker *w, bool wait);

#endif
