/*
 * sockets - datagram sockets as the edge wants them: options set, bound, not yet part of any loop. The parent opens those of
 * listeners, a worker those of its source ports.
 */
#ifndef PROXY_EDGE_SOCKETS_H
#define PROXY_EDGE_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/endpoint.h"

/* Sets on a descriptor what a listener's socket needs, also on one that was bound by somebody else. buffer: bytes wanted for
 * receiving and sending; the log tells once if the kernel gives less. */
void socket_prepare_listener(int fd, bool ipv4, uint32_t buffer);

/* A listener's socket, bound to `at`; shared: others may be bound to the same address, which takes part of the clients each
 * (SO_REUSEPORT). Returns the descriptor, or -1 with errno. */
int socket_open_listener(const struct endpoint *at, bool shared, uint32_t buffer);

/* A socket on a port of the kernel's choice, for messages to origins; tells ICMP errors. Returns the descriptor, or -1 with
 * errno. */
int socket_open_source(bool ipv4, uint32_t buffer);

/* Datagrams go without fragmentation, which spares the kernel an IP identification for each, unless this allows it. */
void socket_allow_fragments(int fd, bool ipv4, bool allowed);

/* How many datagrams the kernel has thrown away because the socket's buffer was full, since it was made. */
uint32_t socket_drops(int fd);

#endif
