/*
 * dtls_state - what the files of dtls.h have in common: contexts in force, and how a session is spoken for. For them alone.
 */
#ifndef PROXY_EDGE_DTLS_STATE_H
#define PROXY_EDGE_DTLS_STATE_H

#include <openssl/types.h>

#include "proxy/edge/dtls.h"
#include "proxy/edge/dtls_sessions.h"

/* What a listener has. */
struct dtls_listener {
	bool served;
	SSL_CTX *context;    /* NULL: nobody is let in any more */
	SSL *spare;          /* that which looks at ClientHellos; becomes a session with the first whose cookie is good. NULL: made in need */
	uint64_t ticket_time; /* of the keys of tickets in `context` */
	uint64_t authorities; /* hash of whom clients' certificates are verified by */
};

struct dtls_state {
	struct dtls_listener listeners[CONF_SLOTS_MAX];
	SSL_CTX *client;     /* towards origins; NULL: there are none */
};
extern struct dtls_state dtls_state;

/* ---- dtls_step.c: what both sides do with a session ---- */

/* What they do in different ways: dtls_server.c for clients, dtls_client.c towards origins. */
struct dtls_side {
	/* The handshake is over. It sets the timer, and ends the session at most by dtls_end_soon(). */
	void (*opened)(struct dtls_session *s);
	/* The timer of an open session has run. */
	void (*quiet)(struct dtls_session *s);
	/* A message has come. It ends the session at most by dtls_end_soon(). */
	void (*message)(struct dtls_session *s, const uint8_t *bytes, size_t len, bool truncated);
	/* It is over: it failed; or, `politely`, it was to end or the peer has ended it. */
	void (*over)(struct dtls_session *s, bool politely);
};
extern const struct dtls_side dtls_server_side, dtls_client_side;

/* Goes on with a handshake by a datagram (NULL: from its beginning), or with an open session. The session may be gone afterwards. */
void dtls_shake(struct dtls_session *s, const uint8_t *bytes, size_t len);
void dtls_take(struct dtls_session *s, const uint8_t *bytes, size_t len);
/* The first step of a handshake, by which nothing is called back. Returns 0, or -1 if that has failed. */
int dtls_begin(struct dtls_session *s) __attribute__((warn_unused_result));
/* A session's timer has run. */
void dtls_on_timer(struct wheel_timer *t);

/* Sends a message. Returns 0, or -1 if it cannot be. */
int dtls_write(struct dtls_session *s, const uint8_t *bytes, size_t len);

/* Says that nothing follows (close_notify), if it is open and this is to be done `politely`, and frees it. */
void dtls_leave(struct dtls_session *s, bool politely);

/* The session ends at the next turn of the timers. */
void dtls_end_soon(struct dtls_session *s);

/* Notes in the log why a handshake or session failed, from OpenSSL's queue, which is emptied. */
void dtls_log_failure(const struct dtls_session *s, const char *what);

/* ---- dtls_server.c ---- */

/* The credentials by which he was let in are those of the configuration in force. */
bool dtls_is_still_let_in(const struct dtls_session *s);
/* Ends a client's session or handshake: with close_notify if `politely`, and tells the layer above if it knows of it. */
void dtls_client_gone(struct dtls_session *s, bool politely);

/* ---- dtls_client.c ---- */

/* Ends a session towards an origin, and tells of it by `e` (ERR_NONE: nobody). */
void dtls_origin_gone(struct dtls_session *s, enum error e, bool politely);

#endif
