/*
 * dtls_record - what a datagram of DTLS shows without any key: the headers of its records, and the beginning of a ClientHello (RFC 6347 4.1,
 * 4.2.2). Nothing of it is proved; it only decides who is to look at the datagram.
 */
#ifndef PROXY_EDGE_DTLS_RECORD_H
#define PROXY_EDGE_DTLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtls_record_type { DTLS_CHANGE_CIPHER = 20, DTLS_ALERT = 21, DTLS_HANDSHAKE = 22, DTLS_APPLICATION = 23 };

enum { DTLS_RECORD_HEADER = 13, DTLS_MESSAGE_HEADER = 12, DTLS_RANDOM = 32 };

struct dtls_record {
	uint8_t type; /* enum dtls_record_type, or anything */
	uint16_t epoch;
	const uint8_t *body;
	size_t len;
};

/* Reads the record at *at and steps behind it. Returns false where no complete record of DTLS 1.0 or 1.2 stands. */
bool dtls_record_next(const uint8_t **at, const uint8_t *end, struct dtls_record *out);

/* How much of a datagram is complete records, of which those of an epoch behind the first have `least` bytes: what is shorter than its cipher's
 * nonce and tag is nobody's, but OpenSSL takes it for the end of the session. */
size_t dtls_sound_part(const uint8_t *bytes, size_t len, size_t least);

/* The random of the ClientHello (DTLS_RANDOM bytes) if the datagram begins with one, or with its first fragment, in the clear; else NULL. */
const uint8_t *dtls_client_hello(const uint8_t *bytes, size_t len);

#endif
