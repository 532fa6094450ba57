/*
 * route_slots - where a route is counted, over reloads: a route that stays, by its name, keeps its slot.
 */
#ifndef PROXY_PROCESS_ROUTE_SLOTS_H
#define PROXY_PROCESS_ROUTE_SLOTS_H

#include <stdint.h>

#include "conf/snapshot.h"

/* Gives each route of `next` the slot that the route of its name has in `now`, or a new one. *used: how many slots were ever given;
 * those of routes that are gone are given again only when all were. Returns 0, or -1 without memory. */
int route_slots_place(const struct snapshot *now, const struct snapshot *next, uint32_t *used, uint32_t *slots);

#endif
