/*
 * worker - one of the processes that serve: an event loop with sockets, timers and the exchange layer, told by the parent what to do.
 */
#ifndef PROXY_PROCESS_WORKER_H
#define PROXY_PROCESS_WORKER_H

#include <stdbool.h>

#include "conf/snapshot.h"
#include "proxy/exchange/house.h"
#include "proxy/process/channel.h"
#include "proxy/process/package.h"
#include "proxy/process/preparing.h"

struct event_base;
struct proxy;

struct worker {
	unsigned number;
	struct event_base *base;
	struct event *tick, *beat, *wake, *asked, *parsed, *look;
	struct proxy *proxy;
	struct resolver *resolver;
	struct house house;
	struct package package;      /* of the configuration in force */
	struct preparing *preparing;
	uint32_t wanted;             /* generation that the parent waits for; 0: none */
	struct prepared prepared;    /* conf NULL: nothing is */
	int fresh[CONF_SLOTS_MAX];   /* sockets of listeners that come with it; -1: none */
	int log_fd, access_log_fd, duplicates_fd;
	int reader_fd;               /* -1: there is no reader */
	struct event *reader_in, *reader_out;
	bool reader_is_silent;       /* a test has waited for it in vain (steer_worker.c) */
	unsigned long long armed;    /* when the tick will come; 0: it is not set */
	unsigned long long retired_at; /* when unused listeners were last looked for */
	unsigned long long received; /* what came over the rings, and turns with news of connections: see worker_activity() */
	bool connections_are_open;
	bool is_asked, is_parsed;    /* the channel, and the thread, have something */
	bool draining, drained;
	bool ended;                  /* by the parent's word */
	bool lost;                   /* there is no parent, or it cannot be understood */
};

/* Runs the worker that the parent has started (fork and exec, the channel on CHANNEL_WORKER_FD) until the parent ends it or is gone.
 * Returns the exit status. */
int worker_run(void);

/* One turn: what is readable (waiting for it or not), timers, then everything queued leaves. */
void worker_turn(struct worker *w, bool wait);

/* Counts up with everything that comes in from outside or from other workers. */
unsigned long long worker_activity(const struct worker *w);

/* Tells the parent; what cannot be told ends the worker. */
void worker_tell(struct worker *w, const struct channel_message *m);

/* ---- worker_start.c ---- */

/* Takes what the parent sends first and builds everything from it. Returns 0, or -1 with the reason in the log. */
int worker_start(struct worker *w);
void worker_close(struct worker *w);
/* Writes to these from now on (takes both, which may be one and the same). */
void worker_use_logs(struct worker *w, int log_fd, int access_log_fd);

/* ---- worker_reader.c ---- */

/* This worker's end of a pair to the reader, which neither blocks (takes it), in place of the one that it may have: that reader is gone, and
 * with it what it was asked. There may be no route that reads yet, or none any more. */
void worker_take_reader(struct worker *w, int fd);
void worker_leave_reader(struct worker *w);

/* ---- worker_reload.c ---- */

/* A socket for a listener: served at once if the configuration in force has it, or (lingering) had it; kept for the next otherwise. */
void worker_take_listener(struct worker *w, const struct channel_message *m, int fd);
void worker_take_parsed(struct worker *w);
/* The addresses of our interfaces, as the package has them (a copy). Returns 0, or -1 without memory. */
int worker_take_own_addresses(struct worker *w, const struct package *p);
/* Puts certificates, keys and what else came in files of w->package in force, as this configuration names them. Returns 0, or -1 with the reason
 * in the log. */
int worker_use_files(struct worker *w, const struct snapshot *conf);
void worker_commit(struct worker *w, uint32_t generation);
void worker_abort(struct worker *w, uint32_t generation);
/* Closes listeners that were removed and that nobody uses any more. */
void worker_retire_listeners(struct worker *w);

#endif
