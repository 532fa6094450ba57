/*
 * bodies - payloads that come in Inner blocks, put together (RFC 7959; RFC 8613 4.1.3.4.1: each block is protected by itself, so each is genuine
 * before it comes here), and what requests asked for, by which the blocks of an answer are known to be of one.
 *
 * A bounded number of bodies, of bounded length: the one that waits longest for its next block gives way, so nothing here has to be waited for.
 */
#ifndef OSCORE_READER_BODIES_H
#define OSCORE_READER_BODIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coap/message.h"
#include "coap/option.h"

enum {
	BODY_MAX = 64 * 1024,   /* bytes that are kept of one */
	BODIES_MAX = 16,
	BODIES_ASKED_MAX = 8192, /* requests whose answers can still be put together: a power of two */
};

struct bodies;

struct body {
	const uint8_t *bytes; /* a view, valid until the next call */
	size_t len;
	bool cut;             /* it was longer */
};

/* Returns NULL without memory. */
struct bodies *bodies_new(void) __attribute__((warn_unused_result));
void bodies_free(struct bodies *b); /* wipes them; accepts NULL */

/* Wipes what waits for blocks. */
void bodies_forget(struct bodies *b);

/* What the request of a sender is about: its code, where it goes, and its Request-Tag if `tagged` (of a body that is sent; RFC 9175 3.3).
 * `sender` is a number that stands for it, and so on for all here: equal if and, but for a coincidence of 64 bits, only if the same. */
uint64_t bodies_operation(const struct bodies *b, uint64_t sender, const struct msg_view *request, bool tagged);

/* What a body of an answer is known by, from the operation of the request. */
uint64_t bodies_answer(const struct bodies *b, uint64_t responder, uint64_t operation);

/* Keeps what a request with this Partial IV asked for. */
void bodies_asked(struct bodies *b, uint64_t sender, uint64_t sequence, uint64_t operation);

/* Returns what was kept, or 0 if nothing is. */
uint64_t bodies_find_asked(const struct bodies *b, uint64_t sender, uint64_t sequence);

/* Takes a block of the body known by `key`. `etag` (NULL: none) is that of the response: blocks with different ones are of different bodies
 * (RFC 7959 2.4). Returns true if it is the last one and all before it had come: then *whole is the body. */
bool bodies_add(struct bodies *b, uint64_t key, const struct msg_option *etag, const struct opt_block *block, const uint8_t *payload, size_t len,
	struct body *whole) __attribute__((warn_unused_result));

#endif
