/*
 * sockets - sockets as the edge wants them: options set, bound, not yet part of any loop. The parent opens those of listeners, a worker
 * those of its source ports.
 */
#ifndef PROXY_EDGE_SOCKETS_H
#define PROXY_EDGE_SOCKETS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/endpoint.h"

enum { SOCKET_BACKLOG = 1024 }; /* connections that wait to be accepted, for each socket */

/* Sets on a descriptor what a listener's datagram socket needs, also on one that was bound by somebody else. buffer: bytes wanted for
 * receiving and sending; the log tells once if the kernel gives less. */
void socket_prepare_listener(int fd, bool ipv4, uint32_t buffer);

/* A listener's datagram socket, bound to `at`; shared: others may be bound to the same address, which takes part of the clients each
 * (SO_REUSEPORT). Returns the descriptor, or -1 with errno. */
int socket_open_listener(const struct endpoint *at, bool shared, uint32_t buffer);

/* The same for connections: it listens, with SOCKET_BACKLOG, and its connections have TCP_NODELAY. */
int socket_open_stream_listener(const struct endpoint *at, bool shared);

/* Makes a bound stream socket such a one, also one that listens already. Returns 0, or -1 with errno. */
int socket_prepare_stream_listener(int fd);

/* Whether a descriptor is a stream socket. */
bool socket_is_stream(int fd);

/* A socket on a port of the kernel's choice, for messages to origins; tells ICMP errors. Returns the descriptor, or -1 with
 * errno. */
int socket_open_source(bool ipv4, uint32_t buffer);

/* Datagrams go without fragmentation, which spares the kernel an IP identification for each, unless this allows it. */
void socket_allow_fragments(int fd, bool ipv4, bool allowed);

/* Of a call that was to give a socket: there is no descriptor or memory for another one now. */
static inline bool socket_is_short(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* How many datagrams the kernel has thrown away because the socket's buffer was full, since it was made. */
uint32_t socket_drops(int fd);

#endif
