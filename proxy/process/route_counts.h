/*
 * route_counts - the counters of a route as they are printed: what was counted in its slot less what routes that had the slot before have
 * left there. Slots are used again once all were in use (route_slots.h), and a worker never sets its counters back.
 */
#ifndef PROXY_PROCESS_ROUTE_COUNTS_H
#define PROXY_PROCESS_ROUTE_COUNTS_H

#include "conf/snapshot.h"
#include "proxy/exchange/house.h"

/* All zero at first. */
struct route_counts {
	struct route_metrics *left; /* by slot; NULL: nothing was left in any */
};

/* To be called when `now` takes the place of `before`: routes of now that before did not have begin to count from zero. Returns 0, or -1
 * if memory is out; then they may begin with what others left. */
int route_counts_renew(struct route_counts *c, const struct house *h, const struct snapshot *before, const struct snapshot *now);

/* The counters of the route that has a slot, over all workers. */
void route_counts_get(const struct route_counts *c, const struct house *h, unsigned slot, struct route_metrics *out);

void route_counts_free(struct route_counts *c);

#endif
