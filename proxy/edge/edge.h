/*
 * edge - what the exchange layer may ask of the network, and what it is told by it. The layer above knows endpoints,
 * listeners and source-port slots; sockets, connections and security sessions live below.
 *
 * Every message goes up and down in the form of a datagram (coap/message.h). Where a transport is reliable its type and Message ID mean
 * nothing: NON and 0 come up, whatever goes down. What a transport is capable of stands in edge_traits; its name is of no interest above.
 *
 * Sends are queued and leave in one call per socket at the end of the turn; nothing waits for a batch to fill.
 */
#ifndef PROXY_EDGE_EDGE_H
#define PROXY_EDGE_EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "base/errors.h"
#include "coap/message.h"
#include "coap/uri.h"

struct proxy;

/* ---- capabilities ---- */

struct edge_traits {
	bool reliable;      /* in order and complete, or not at all: no types, Message IDs, repeats and duplicates (RFC 8323 3.2) */
	bool secured;       /* the peer has proved who he is, or at least nobody else can speak for him */
	bool proven;        /* the address of a peer is his: reliable or secured */
	bool connects;      /* towards origins something is opened first: edge_connect_origin() */
	bool named;         /* an origin there is told, or proves, its name: by another name it is another */
	size_t message_max; /* bytes of the longest message that comes or goes, in the form of a datagram */
};
/* By endpoint.transport, an enum uri_scheme. */
extern const struct edge_traits edge_traits[URI_SCHEME_COUNT];

static inline const struct edge_traits *edge_of(const struct endpoint *peer)
{
	return &edge_traits[peer->transport];
}

/* ---- sessions ---- */

/* Session numbers of clients say which worker has them; those towards origins are keyed hashes of whom they must be with. */
#define EDGE_SESSION_OF_CLIENT (1ull << 55)

/* A number that no other session of a client has had or has: worker, and a counter that goes on over the lives of the worker. */
uint64_t edge_session_number(const struct proxy *p);

static inline bool edge_is_clients_session(const struct endpoint *peer)
{
	return (peer->session & EDGE_SESSION_OF_CLIENT) != 0;
}

static inline unsigned edge_session_worker(const struct endpoint *peer)
{
	return (unsigned)(peer->session >> 56);
}

/* ---- towards clients ---- */

/* The local address a message came to, from which its answer must leave (zero: let the kernel choose). */
struct local_address {
	uint8_t addr[16];
	uint32_t ifindex; /* of link-local addresses, else 0 */
};

/* Queues a message to a client: from a listener's socket, or in his session. Borrows bytes. Nothing is sent if the session has ended. */
void edge_send_client(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes,
	size_t len);

/* So much waits to be sent to him that what can wait should: receive_writable() says when that is over. Never of plain datagrams. */
bool edge_client_is_slow(const struct endpoint *peer);

/* The name that his session proves (pre-shared key, certificate, token), or NULL. Lives as long as the session. */
const char *edge_client_name(const struct endpoint *peer);
/* The host that he thinks he speaks to where Uri-Host does not say (RFC 8323 8.5: SNI, Host field), or NULL: the address. */
const char *edge_client_host(const struct endpoint *peer);
/* The listener by which his session came, and the address it was opened to. Returns false if the session has ended. */
bool edge_client_session(const struct endpoint *peer, unsigned *listener, struct local_address *local);
/* Ends his session with what his transport has for that (Release, close_notify). receive_gone() follows, later. */
void edge_end_client(const struct endpoint *peer);

/* ---- towards origins ---- */

/* Slots from here on stand for a listener from which a client's session is spoken to as an origin (slot - EDGE_LISTENER_SLOT). */
enum { EDGE_LISTENER_SLOT = 1 << 15 };

/* Makes source-port slot `slot` ready for origins of the address family. Returns 0, or -1 without a socket. */
int edge_open_slot(unsigned slot, bool ipv4);
/* Closes what it has opened, if it has. Not while a message that came there is being handled. */
void edge_close_slot(unsigned slot);

/* How an origin is to be recognised where its transport secures, and who is to be shown to it. */
struct edge_credentials {
	const char *host;     /* its name or literal without brackets: SNI, Host field, and whom its certificate must be for */
	const char *identity; /* the pre-shared key's, or "": by certificates */
};

/* Begins to open slot's connection to the origin, unless it is open or being opened. Borrows all. Where a transport does not connect it does
 * nothing. Returns 0, or -1 at a limit or without memory. Its failure, and its end, are told by upstream_lost(). */
int edge_connect_origin(unsigned slot, const struct endpoint *peer, const struct edge_credentials *c) __attribute__((warn_unused_result));

/* Queues a message to an origin from an open slot, behind its opening if that is under way. Borrows bytes. */
void edge_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len);

/* Nothing is under way any more over slot's connection to this origin, of which something could not be cancelled (RFC 8613 4.1.3.5): it may be
 * closed. Others' are not touched. */
void edge_let_origin_go(unsigned slot, const struct endpoint *peer);

/* An origin has sent what cannot be read over slot's connection, which ends with what its transport has for that (RFC 8323 5.6). upstream_lost()
 * follows, later. */
void edge_abort_origin(unsigned slot, const struct endpoint *peer);

/* ---- of both: what the peer has said that it takes (RFC 8323 5.3); before it has, what every peer takes ---- */

size_t edge_message_limit(unsigned slot, const struct endpoint *peer); /* bytes in the form of a datagram; slot: of origins. Before he has said:
                                                                         * what his transport carries */
bool edge_takes_blocks(unsigned slot, const struct endpoint *peer);    /* block-wise transfer */
bool edge_takes_bert(unsigned slot, const struct endpoint *peer);      /* blocks of several kB in one message (RFC 8323 6) */

/* True if this machine has a route to addresses of this family now (asked of the kernel, remembered for some seconds). */
bool edge_has_route(const struct endpoint *peer);

/* ---- called by the edge ---- */

/* A message of a client whose transport may lose and repeat it. `truncated`: it was longer than MSG_DATAGRAM_MAX; `multicast`: it was sent
 * to a group; `soon`: what receive_soon() said of it, 0: it was not asked. */
void receive_datagram(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *to,
	const uint8_t *bytes, size_t len, bool truncated, bool multicast, uint64_t soon);

/* Tells that a datagram of a batch will be received soon: what its look-up needs is fetched into the cache meanwhile. */
uint64_t receive_soon(const struct proxy *p, unsigned listener, const struct endpoint *peer, const uint8_t *bytes, size_t len);

/* A request or response of a client whose transport is reliable: complete and well-formed as to its framing. Returns false if its options or
 * payload are not (RFC 8323 5.6: the edge ends the connection with Abort). */
bool receive_message(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *to,
	const uint8_t *bytes, size_t len);

/* A client's session has begun: he can be asked from now on, under the name that edge_client_name() gives. */
void receive_session(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *to);
/* It has ended: observations end, what is under way has nobody to answer to. */
void receive_gone(struct proxy *p, unsigned listener, const struct endpoint *peer);
/* There is room for a slow client again. */
void receive_writable(struct proxy *p, unsigned listener, const struct endpoint *peer);

/* How many requests of a client are under way, unanswered; *observed is set if something of his stays beyond that, as observations do. */
unsigned receive_under_way(const struct proxy *p, unsigned listener, const struct endpoint *peer, bool *observed);

/* A message at a source-port slot, or over one of its connections. */
void upstream_datagram(struct proxy *p, unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len, bool truncated);

/* The network said that a datagram of ours did not reach `peer`; quoted are the first bytes of what we sent (RFC 7252 4.2). */
void upstream_unreachable(struct proxy *p, unsigned slot, const struct endpoint *peer, const uint8_t *quoted, size_t len);

/* slot's connection to an origin could not be opened (`sent` is false: nothing that was queued has left), or has ended. `e`: what those get
 * whose requests had not left. It is no more the edge's when this is called: what is sent there from now on opens another. */
void upstream_lost(struct proxy *p, unsigned slot, const struct endpoint *peer, enum error e, bool sent);

/* How many requests wait for an origin's answer over slot's connection; *observed is set if something stays beyond that. */
unsigned upstream_under_way(const struct proxy *p, unsigned slot, const struct endpoint *peer, bool *observed);

/* A message that was queued is longer than the origin, of which that was not known yet, takes. It was not sent. */
void upstream_refused(struct proxy *p, unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len);

#endif
