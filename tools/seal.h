/*
 * seal - protects messages with OSCORE (RFC 8613 8.1, 8.3). For the demo programs and for tests; the gateway never links
 * it (it carries what others protected, and reads at most).
 *
 * A message to protect is given as a datagram with an empty token that has what is to go inside: code, Inner options,
 * payload.
 */
#ifndef TOOLS_SEAL_H
#define TOOLS_SEAL_H

#include "coap/message.h"
#include "oscore/context.h"

struct sealed {
	size_t option_len, payload_len;
	uint8_t option[OSCORE_OPTION_MAX];  /* value of the OSCORE option */
	uint8_t payload[MSG_DATAGRAM_MAX];  /* ciphertext and tag */
};

/* Protects a request under sequence number `sequence`, which must never be used twice with this context, and fills
 * *request for its responses. The sender of *c is who protects; an ID Context is sent along. Returns 0, or -1 (sequence
 * too large, message too long, OpenSSL failed). */
int seal_request(struct sealed *s, struct oscore_request *request, const struct oscore_context *c, uint64_t sequence,
	const uint8_t *inner, size_t inner_len) __attribute__((warn_unused_result));

/* Protects a response to *request. With `sequence` NULL it takes the request's nonce, which only one response to a request
 * may do, else it carries that number as its Partial IV (RFC 8613 8.3). Returns 0 or -1. */
int seal_response(struct sealed *s, const struct oscore_request *request, const struct oscore_context *c,
	const uint64_t *sequence, const uint8_t *inner, size_t inner_len) __attribute__((warn_unused_result));

#endif
