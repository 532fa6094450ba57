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

enum dtls_result {
	DTLS_GOES_ON,
	DTLS_ENDED,  /* by the peer's close_notify */
	DTLS_FAILED, /* fatal alert, or what cannot be gone on with; the reason stands in OpenSSL's queue */
};

/* Goes on with a handshake by a datagram (NULL: from its beginning, or because its timer has run). s->open is set when it is over. */
enum dtls_result dtls_step(struct dtls_session *s, const uint8_t *bytes, size_t len);

/* Reads what messages are in a datagram, or in what dtls_step() has left of one (NULL), and gives each to `take`, which may send, but ends no
 * session. *taken: how many there were. */
enum dtls_result dtls_read(struct dtls_session *s, const uint8_t *bytes, size_t len,
	void (*take)(struct dtls_session *s, const uint8_t *message, size_t message_len), unsigned *taken);

/* Sends a message. Returns 0, or -1 if it cannot be. */
int dtls_write(struct dtls_session *s, const uint8_t *bytes, size_t len);

/* Says that nothing follows (close_notify). */
void dtls_say_goodbye(struct dtls_session *s);

/* The handshake's timer is set to what OpenSSL wants, and its deadline. Returns false if the deadline is over. */
bool dtls_arm_handshake(struct dtls_session *s);
/* That timer has run: sends again what is due. */
enum dtls_result dtls_repeat(struct dtls_session *s);

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
