/*
 * dtls_keys - what is made from the secret that all workers share: the cookies by which a client shows that he is where he says (RFC 6347
 * 4.2.1), and the keys of session tickets (RFC 5077). Both are of a stretch of time, so they change by themselves and are the same in every
 * worker.
 */
#ifndef PROXY_EDGE_DTLS_KEYS_H
#define PROXY_EDGE_DTLS_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/edge/dtls_bio.h"

enum {
	DTLS_COOKIE = 8,          /* bytes */
	DTLS_DIGEST = 32,
	DTLS_TICKET_HOURS = 24,   /* how long keys of tickets are in use */
};

/* A digest of what came before and these bytes. Returns 0, or -1. */
int dtls_digest_add(uint8_t digest[DTLS_DIGEST], const void *bytes, size_t len) __attribute__((warn_unused_result));

/* The secret (HOUSE_SECRET bytes, borrowed until the next call or the end). */
void dtls_keys_use(const uint8_t *secret);

/* The cookie of a client, his listener and the address he came to, and whether one is of now or of the minute before. */
void dtls_cookie_make(const struct dtls_path *path, uint8_t out[DTLS_COOKIE]);
bool dtls_cookie_check(const struct dtls_path *path, const uint8_t *cookie, size_t len);

/* As OpenSSL wants it. */
struct dtls_ticket_key {
	uint8_t name[16], mac[32], cipher[32];
};

/* The stretch of time that the keys of tickets made now are of. */
uint64_t dtls_ticket_time(void);
/* Those keys, at a listener whose files have this digest: who was let in by files that are no longer in force cannot come back by a ticket.
 * Returns 0, or -1. The caller wipes them. */
int dtls_ticket_key_make(const uint8_t digest[DTLS_DIGEST], uint64_t time, struct dtls_ticket_key *out) __attribute__((warn_unused_result));

#endif
