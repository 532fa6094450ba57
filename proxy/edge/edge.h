/*
 * edge - what the exchange layer may ask of the network, and what it is told by it. The layer above knows endpoints,
 * listeners and source-port slots; sockets live below.
 *
 * Sends are queued and leave in one call per socket at the end of the turn; nothing waits for a batch to fill.
 */
#ifndef PROXY_EDGE_EDGE_H
#define PROXY_EDGE_EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"

struct proxy;

/* The local address a datagram came to, from which its answer must leave (zero: let the kernel choose). */
struct local_address {
	uint8_t addr[16];
	uint32_t ifindex; /* of link-local addresses, else 0 */
};

/* Queues a datagram to a client from a listener's socket. Borrows bytes (they are copied into the batch). */
void edge_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes,
	size_t len);

/* Makes source-port slot `slot` ready for origins of the address family. Returns 0, or -1 without a socket. */
int edge_open_slot(unsigned slot, bool ipv4);

/* Queues a datagram to an origin from an open slot. Borrows bytes. */
void edge_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len);

/* True if this machine has a route to addresses of this family now (asked of the kernel, remembered for some seconds). */
bool edge_has_route(const struct endpoint *peer);

/* ---- called by the edge ---- */

/* A datagram at a listener. `truncated`: it was longer than MSG_DATAGRAM_MAX; `multicast`: it was sent to a group. */
void receive_datagram(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *to,
	const uint8_t *bytes, size_t len, bool truncated, bool multicast);

/* Tells that a datagram of a batch will be received soon: what its look-up needs is fetched into the cache meanwhile. */
void receive_soon(const struct proxy *p, unsigned listener, const struct endpoint *peer, const uint8_t *bytes, size_t len);

/* A datagram at a source-port slot. */
void upstream_datagram(struct proxy *p, unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len, bool truncated);

/* The network said that a datagram of ours did not reach `peer`; quoted are the first bytes of what we sent (RFC 7252 4.2). */
void upstream_unreachable(struct proxy *p, unsigned slot, const struct endpoint *peer, const uint8_t *quoted, size_t len);

#endif
