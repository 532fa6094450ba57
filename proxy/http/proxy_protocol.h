/*
 * proxy_protocol - the binary header (version 2) that a balancer puts before the bytes of a connection: whose connection it is. Version 1,
 * the text form, is not taken. Pure.
 *
 * Whether who sent it is to be believed is the caller's question.
 */
#ifndef PROXY_HTTP_PROXY_PROTOCOL_H
#define PROXY_HTTP_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"

enum {
	PROXY_PROTOCOL_FIRST = 16, /* bytes up to and with the length of the rest */
	PROXY_PROTOCOL_MAX = 4096, /* bytes of a header in all, with whatever follows its addresses */
};

struct proxy_protocol {
	bool told;              /* the addresses below; else the connection is the balancer's own, or of a kind that has none here */
	struct endpoint source; /* the client */
	struct endpoint target; /* what he connected to */
};

/* How many bytes a header has, as far as the first `len` of them tell: never more than there really are, so that nobody reads beyond it.
 * Returns PROXY_PROTOCOL_FIRST until that many are there, or 0 if this is no header, or one above PROXY_PROTOCOL_MAX. */
size_t proxy_protocol_length(const uint8_t *bytes, size_t len);

/* Reads a header of proxy_protocol_length() bytes; what follows its addresses is passed over. Returns 0, or -1 if it is malformed. */
int proxy_protocol_parse(struct proxy_protocol *h, const uint8_t *bytes, size_t len) __attribute__((warn_unused_result));

#endif
