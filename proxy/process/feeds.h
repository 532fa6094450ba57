/*
 * feeds - the parent's side of feeds (proxy/exchange/feed.h): it opens their files and connects to their sockets, and hands the descriptors to
 * the workers, which can do neither.
 *
 * All workers write to one file, each to a connection of its own. A socket on which nobody listens is tried again every second, for each worker
 * that waits for it; a worker whose other side has gone says so (CHANNEL_FEED_GONE). A feed that stays over a reload keeps what it has.
 */
#ifndef PROXY_PROCESS_FEEDS_H
#define PROXY_PROCESS_FEEDS_H

#include "proxy/process/parent.h"

/* Opens the files of feeds of *next that p->conf does not have, or all of them where p->conf is *next (the start). Returns 0, or -1 with each
 * reason in the log ("file:line: text"): then nothing is left open. */
int feeds_prepare(struct parent *p, const struct snapshot *next);
void feeds_abort(struct parent *p);

/* The feeds are those of p->conf from now on, in place of those of *old (NULL: the start): what they have goes to the workers, which must have
 * been told of the configuration before. */
void feeds_commit(struct parent *p, const struct snapshot *old);

/* A worker that starts gets what feeds have. */
void feeds_worker_starts(struct parent *p, struct place *place);
/* CHANNEL_FEED_GONE. */
void feeds_worker_said(struct parent *p, struct place *place, const struct channel_message *m);

/* Opens files anew: they were rotated. One that cannot be opened stays as it was, with the reason in the log. */
void feeds_reopen(struct parent *p);

void feeds_close(struct parent *p);

#endif
