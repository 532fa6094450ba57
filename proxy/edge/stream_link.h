/*
 * stream_link - one connection of CoAP over a reliable transport (RFC 8323), of a client or towards an origin: plain or TLS, frames in a
 * stream of bytes or the messages of a WebSocket.
 *
 * Messages go in and out in the form of datagrams (coap/stream.h). The link says its capabilities (CSM) as soon as it can send; what is to
 * be sent before the peer has said his waits here. Ping, Release and Abort are its own business. Each waiting has a limit in time, each
 * buffer one in bytes, and buffers exist only while something is in them.
 *
 * What its owner asks for is noted and done in stream_links_flush(); none of these functions calls back before it returns, and none of them
 * frees the link, except where it says so. The calls of `struct stream_link_calls` come from the loop, a timer, or stream_links_flush().
 */
#ifndef PROXY_EDGE_STREAM_LINK_H
#define PROXY_EDGE_STREAM_LINK_H

#include "base/errors.h"
#include "base/wheel.h"
#include "coap/signal.h"
#include "coap/stream.h"
#include "proxy/edge/edge.h"
#include "proxy/edge/stream_socket.h"

struct stream_link;
struct peer_count;
struct websocket;

enum stream_link_state {
	LINK_CONNECTING, /* the socket is being connected */
	LINK_SECURING,   /* the handshake of TLS is under way */
	LINK_UPGRADING,  /* the answer to our request for a WebSocket has not come */
	LINK_STARTING,   /* the peer's first message, which must be a CSM, has not come */
	LINK_OPEN,
	LINK_RELEASED,   /* Release was sent or has come: what is under way is finished, nothing is begun */
	LINK_LAST,       /* what is held goes out, nothing more is read; the owner was told that it has ended */
	LINK_LINGER,     /* all went out; read and thrown away, so that the peer is not reset before he has read it */
	LINK_STATES,
};

enum {
	STREAM_LINK_SLOW = 64 << 10,    /* bytes held above which a peer is slow, and nothing more is read of him */
	STREAM_LINK_HELD_MAX = 8 << 20, /* bytes held that end it */
	STREAM_LINK_WAITING_MAX = 256 << 10, /* bytes of messages that wait for the peer's CSM */
	STREAM_LINK_ASKED_MAX = 256,    /* requests of one peer under way, above which nothing more is read of him */
};

struct stream_link_calls {
	/* Connected and secured: who the peer is, is known. Returns false if he is not wanted. */
	bool (*secured)(struct stream_link *l);
	/* The peer has said what he is capable of: messages pass both ways. */
	void (*opened)(struct stream_link *l);
	/* A message, in datagram form, no signal. Returns false if it is malformed: the peer gets Abort. */
	bool (*message)(struct stream_link *l, const uint8_t *bytes, size_t len);
	/* A message that waited is larger than the peer takes, and was not sent. */
	void (*refused)(struct stream_link *l, const uint8_t *bytes, size_t len);
	/* He is not slow any more. */
	void (*writable)(struct stream_link *l);
	/* He said Release, and asks to be left alone for some seconds. */
	void (*released)(struct stream_link *l, uint32_t hold_off);
	/* It has ended, or could not be opened, for this reason. It sends nothing more, and is of no use; it frees itself later. */
	void (*ended)(struct stream_link *l, enum error e);
	/* It is being freed. */
	void (*freed)(struct stream_link *l);
	/* How many requests are under way that count against the peer (or, towards an origin, that wait for him); *observed: there is
	 * also something that stays, as observations do. */
	unsigned (*under_way)(const struct stream_link *l, bool *observed);
};

struct stream_link {
	struct stream_socket socket;
	const struct stream_link_calls *calls;
	struct wheel_timer timer;
	struct stream_link *next_due, **due_link; /* of those whose turn comes; due_link NULL: not among them */
	struct stream_link *next, **link;         /* the owner's: of all of its kind; link NULL: not among them */
	struct stream_link *chain;                /* of its table (stream_table.h) */
	uint64_t table_number;
	struct websocket *websocket;              /* NULL: frames follow one another in the stream */
	SSL *tls;                                 /* of an origin that is being connected: its handshake comes then */
	uint8_t *in;                              /* of a message that has not come whole, behind STREAM_HEADROOM bytes; NULL: none */
	uint8_t *waiting;                         /* messages until the peer's CSM: length (4 bytes, of this machine) and datagram; NULL: none */
	char *host, *name;                        /* the owner's, freed with it; NULL: none */
	void *proof;                              /* likewise: what has proved the name besides TLS */
	bool (*proof_holds)(const char *name, const void *proof);
	struct peer_count *count;                 /* the owner's */
	uint64_t began_at;                        /* the present state */
	uint64_t heard_at, pinged_at;             /* when bytes last came; when we asked for a sign of life, 0: we did not */
	uint64_t messaged_at;                     /* when the last message that is no signal came or went */
	uint64_t write_due;                       /* when the peer must have taken something; 0: nothing waits */
	uint64_t custody_due;                     /* when a Ping with Custody is answered in any case; 0: there is none */
	struct signal_settings theirs;
	struct endpoint peer;
	struct local_address local;
	uint32_t in_len, in_room, waiting_len, waiting_room;
	uint32_t taken;                           /* socket.taken as last looked at */
	uint16_t number;                          /* the owner's: listener, or source-port slot */
	uint16_t asked;                           /* requests handed up since the owner was last asked how many are under way */
	uint8_t state;                            /* enum stream_link_state */
	uint8_t failure;                          /* enum error: it ends so in its turn; 0: it does not */
	bool to_origin;
	bool in_table;
	bool was_open;
	bool told_slow;                           /* the owner was told so; `writable` is due */
	bool throttled;                           /* nothing is read until requests are answered or answers are taken */
	bool releasing;                           /* it was we who said Release */
	bool aborting;                            /* an Abort is among what is held: nothing is sent behind it */
	bool reset;                               /* it is to be cut off without waiting for what is held */
	uint8_t custody_len;
	uint8_t custody[MSG_TOKEN_BASE];          /* token of a Ping that is answered when requests are */
};

/* What all links need. */
void stream_links_open(struct event_base *base, struct proxy *p);
/* Frees the links that linger, and buffers. The owners' are freed already. */
void stream_links_close(void);
/* The end of a turn: each link that has something to send, to tell or to end. Returns whether there was any. */
bool stream_links_flush(void);
/* Bytes that all of them hold. */
size_t stream_links_held(void);

struct stream_link_begin {
	const struct stream_link_calls *calls;
	int fd;                       /* taken, also where it fails */
	bool connecting, to_origin;
	SSL *tls;                     /* NULL: plain; taken, also where it fails. Towards origins its handshake begins when it is connected */
	bool is_secured;              /* the handshake is over */
	struct websocket *websocket;  /* NULL: none; taken, also where it fails. Towards origins it is negotiated when it is secured */
	struct endpoint peer;
	struct local_address local;
	uint16_t number;
	const uint8_t *first;         /* goes out in front of everything; borrowed */
	size_t first_len;
	const uint8_t *ahead;         /* was read already; borrowed */
	size_t ahead_len;
};
/* A new link. Returns NULL without memory. */
struct stream_link *stream_link_new(const struct stream_link_begin *b);
/* At once; the owner is not told that it has ended. */
void stream_link_free(struct stream_link *l);

/* Queues a message in datagram form (copies it). */
void stream_link_send(struct stream_link *l, const uint8_t *bytes, size_t len);
/* True if so much is held that the owner should wait for `writable`. */
bool stream_link_is_slow(struct stream_link *l);
/* What the peer takes, as far as it is known. */
size_t stream_link_limit(const struct stream_link *l);

/* Sends Release. A client's ends when nothing is under way and the client had time to close it (RFC 8323 5.5); an origin's, and one that is
 * not open, ends at once. */
void stream_link_release(struct stream_link *l);
/* Sends Abort with this text and ends it (RFC 8323 5.6). */
void stream_link_abort(struct stream_link *l, uint16_t bad_option, const char *why);
/* Ends it with what is held already. */
void stream_link_end(struct stream_link *l, enum error e);

#endif
