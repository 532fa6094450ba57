/*
 * udp - the datagram edge: listeners' sockets, source-port slots, batches in and out, ICMP errors, kernel drops.
 */
#ifndef PROXY_EDGE_UDP_H
#define PROXY_EDGE_UDP_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/snapshot.h"
#include "proxy/edge/edge.h"

struct event_base;

/* Sets the edge up without any listener. receive_buffer: bytes, of the sockets it opens itself. */
void udp_open(struct event_base *base, struct proxy *p, uint32_t receive_buffer);
/* Sends what is queued and closes everything. */
void udp_close(void);

/* Serves a listener's socket under its slot (takes fd, also where it fails). Returns 0, or -1 without memory or if the slot has one. What the
 * kernel dropped there before is not counted again. */
int udp_add_listener(unsigned slot, int fd);
bool udp_has_listener(unsigned slot);
/* Sends what is queued and closes it; does nothing if the slot has none. */
void udp_remove_listener(unsigned slot);

/* Queues a datagram from a listener's socket, or from a source-port slot. Borrows bytes (they are copied into the batch). */
void udp_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes, size_t len);
void udp_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len);
/* See edge_open_slot(). */
int udp_open_slot(unsigned slot, bool ipv4);
void udp_close_slot(unsigned slot);

/* Sends what this turn queued, one call per socket and batch. */
void udp_flush(void);

/* True if a socket has something to read (the steered loop asks). */
bool udp_is_readable(void);
/* Datagrams received so far. */
uint64_t udp_activity(void);

#endif
