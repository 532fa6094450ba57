/*
 * dtls_sessions - the sessions of DTLS there are, and how they are found. For the files of this folder alone.
 *
 * A session is in one of three tables: of handshakes of clients, of clients' sessions, and of those towards origins (from the first datagram
 * of their handshake on). Each knows the order of last use.
 */
#ifndef PROXY_EDGE_DTLS_SESSIONS_H
#define PROXY_EDGE_DTLS_SESSIONS_H

#include <openssl/types.h>

#include "base/peer_counts.h"
#include "proxy/edge/dtls_bio.h"
#include "proxy/exchange/proxy.h"

enum dtls_place { DTLS_OPENING, DTLS_CLIENTS, DTLS_ORIGINS, DTLS_PLACES };

struct dtls_waiting {
	struct dtls_waiting *next;
	size_t len;
	uint8_t bytes[];
};

struct dtls_session {
	struct table_links links;
	struct wheel_timer timer;    /* of the handshake; then of its idle end */
	struct dtls_path path;       /* peer.session: the number under which others know it; 0 while a client's handshake is under way */
	uint8_t place;               /* enum dtls_place */
	bool open;                   /* the handshake is over */
	bool ending;                 /* it ends when its timer runs, which is at once */
	uint8_t record_least;        /* bytes of a record under its keys: what is shorter is nobody's */
	uint8_t early;               /* records of the next epoch that came while the handshake was under way */
	uint16_t named_slot;         /* of an origin's: the slot that others know it by (path.slot: from which it is spoken to) */
	uint16_t error;              /* enum error: of an origin's that is ending, what is told; ERR_NONE: nothing is */
	SSL *ssl;
	struct peer_count *counted;  /* of a client: his address has it */
	char *name;                  /* of a client, or NULL; owned */
	uint64_t fingerprint;        /* of a client: hash of what he was let in by */
	uint64_t hello;              /* hash of the random of the ClientHello that it began with */
	uint64_t used_at;            /* when a message last went or came */
	uint64_t deadline;           /* of the handshake */
	uint64_t unanswered_at;      /* towards origins: when the first message left behind which nothing has come; 0: there is none */
	struct dtls_waiting *first, **last; /* messages for when the handshake is over; owned */
	uint32_t waiting_count, waiting_bytes;
};

/* Returns 0, or -1 without memory. */
int dtls_sessions_open(struct proxy *p);
/* None may be left. */
void dtls_sessions_close(void);
struct proxy *dtls_proxy(void);

/* A new session, not open, for which ssl speaks (takes it, also where it fails). NULL without memory. */
struct dtls_session *dtls_session_new(enum dtls_place place, const struct dtls_path *path, SSL *ssl);
/* Counts a client's session among those of his address. Returns false if they are `limit` already, or without memory. */
bool dtls_session_count_in(struct dtls_session *s, uint32_t limit);
/* Frees it and all it has, without a word to anybody. */
void dtls_session_free(struct dtls_session *s);
/* A client's handshake is over: he is found among the clients, under this number. */
void dtls_session_admit(struct dtls_session *s, uint64_t number);
/* A message went or came. */
void dtls_session_touch(struct dtls_session *s);

uint32_t dtls_count(enum dtls_place place);
/* The one used longest ago, or NULL. */
struct dtls_session *dtls_oldest(enum dtls_place place);
/* The one used next after it, or NULL. */
struct dtls_session *dtls_newer(const struct dtls_session *s);

/* The session that datagrams on this path belong to (its peer's number is not looked at), the one of a client by his endpoint, and the one that
 * slot's messages to an origin take; or NULL. */
struct dtls_session *dtls_find_path(enum dtls_place place, const struct dtls_path *path);
struct dtls_session *dtls_find_client(const struct endpoint *peer);
struct dtls_session *dtls_find_origin(unsigned slot, const struct endpoint *peer);
/* Where a look-up of this peer begins comes into the cache. */
void dtls_prefetch(const struct endpoint *peer);

/* Calls visit for each, which may free it. */
void dtls_sessions_each(void (*visit)(struct dtls_session *s, void *arg), void *arg);

#endif
