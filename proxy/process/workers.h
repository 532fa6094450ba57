/*
 * workers - the workers as the parent sees them: started, told, watched, replaced.
 *
 * What outlives a worker is made here once: the house, a duplicate table and an eventfd for each place.
 */
#ifndef PROXY_PROCESS_WORKERS_H
#define PROXY_PROCESS_WORKERS_H

#include "proxy/process/parent.h"

/* Makes what outlives a worker, for p->count places. Returns 0, or -1 with the reason in the log. */
int workers_create(struct parent *p);
/* Kills who is left, and gives everything back. */
void workers_destroy(struct parent *p);

/* Starts a worker in every place. What fails is tried again after a while. */
void workers_start(struct parent *p);

/* Tells one worker, with descriptors (borrowed), or all that are there. A worker that does not take it is killed. */
void workers_tell(struct parent *p, struct place *place, const struct channel_message *m, const int *fds, unsigned count);
void workers_tell_all(struct parent *p, const struct channel_message *m, const int *fds, unsigned count);

/* Takes the statuses of those that have ended, and starts successors while the gateway serves. */
void workers_reap(struct parent *p);

/* Kills those whose loop has not turned for a number of looks: to be called WATCH_LOOKS times in the time that is allowed. */
enum { WATCH_LOOKS = 4 };
void workers_watch(struct parent *p);

void workers_kill(struct parent *p);
bool workers_are_ready(const struct parent *p);
bool workers_are_drained(const struct parent *p); /* or gone */
bool workers_are_gone(const struct parent *p);

#endif
