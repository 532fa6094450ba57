/*
 * dtls_bio - how OpenSSL gets and gives datagrams: through one BIO for all sessions (shared_bio.h), which is told before each call
 * whose turn it is. It holds the datagram in hand, once; what is written joins udp.c's batch.
 */
#ifndef PROXY_EDGE_DTLS_BIO_H
#define PROXY_EDGE_DTLS_BIO_H

#include <openssl/types.h>

#include "proxy/edge/edge.h"

/* Which way a session's datagrams go. */
struct dtls_path {
	struct endpoint peer;
	struct local_address local; /* of clients */
	uint16_t slot;              /* listener, or source port */
	bool upstream;
};

/* From now on ssl reads and writes by it. Returns 0, or -1 without memory. */
int dtls_bio_use(SSL *ssl);

/* The next calls of OpenSSL's are for a session on this path (borrowed until the next turn; NULL: for none), which may read these bytes (NULL:
 * nothing). */
void dtls_bio_turn(const struct dtls_path *path, const uint8_t *bytes, size_t len);
/* Whose turn it is, or NULL. */
const struct dtls_path *dtls_bio_path(void);
/* Whether the bytes were not read yet. */
bool dtls_bio_is_unread(void);

#endif
