/*
 * udp - the datagram edge: listeners' sockets, source-port slots, batches in and out, ICMP errors, kernel drops.
 */
#ifndef PROXY_EDGE_UDP_H
#define PROXY_EDGE_UDP_H

#include <stdbool.h>

#include "conf/snapshot.h"
#include "proxy/edge/edge.h"

struct event_base;

/* Binds every listener of the configuration. Returns 0, or -1 with the reason in the log. */
int udp_open(struct event_base *base, struct proxy *p, const struct snapshot *conf);
void udp_close(void);

/* Sends what this turn queued, one call per socket and batch. */
void udp_flush(void);

/* True if a socket has something to read (the steered loop asks). */
bool udp_is_readable(void);

#endif
