/*
 * duplicates - which requests were seen before, and what was answered (RFC 7252 4.5).
 *
 * A record of DUPLICATES_RECORD bytes for each (client endpoint, local listener, Message ID), for 247 s (CON) or 145 s
 * (NON); the bytes of a piggybacked answer for 93 s, afterwards only the record. One mapping of fixed size (it may be a
 * memfd), holding nothing but indices and offsets, so that a successor process can take it over: an index by keyed 64-bit
 * hash, and logs in segments, oldest first. `memory` is a hard bound on all of it.
 *
 * When memory is full: records of unprotected safe requests go first, oldest first, then duplicates_add() refuses.
 * Unverified endpoints own at most a quarter of the segments.
 */
#ifndef PROXY_EXCHANGE_DUPLICATES_H
#define PROXY_EXCHANGE_DUPLICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"

enum { DUPLICATES_RECORD = 24 }; /* bytes; at most 32 by design */
#define DUPLICATES_NONE UINT32_MAX

struct duplicates;

enum duplicate_state {
	DUPLICATE_PENDING,      /* its exchange is under way: `exchange` names it */
	DUPLICATE_ACKNOWLEDGED, /* an Empty ACK was sent; a duplicate gets another */
	DUPLICATE_ANSWERED,     /* `answer` holds the bytes sent, or NULL once they are forgotten or where there were none */
	DUPLICATE_REJECTED,     /* a RST was sent; a duplicate gets another */
};

struct duplicate {
	enum duplicate_state state;
	bool confirmable;
	bool unsafe;            /* OSCORE or a method that is not safe */
	uint32_t exchange;      /* slab index as given, only while pending or acknowledged */
	const uint8_t *answer;  /* borrowed, valid until the next call */
	size_t answer_len;
};

/* fd: -1 for an anonymous mapping, or a memfd of at least `memory` bytes (kept open by the caller). Returns NULL without
 * memory, or if `memory` is too small to be of use (under about 170 kB). Touches no page before it is needed.
 *
 * A memfd that a predecessor filled under the same `memory` is taken over: its records stand, those pending or acknowledged
 * have the exchange DUPLICATES_NONE, as its exchanges ended with it. Any other content is overwritten. */
struct duplicates *duplicates_create(uint64_t memory, int fd);
void duplicates_destroy(struct duplicates *d);

/* Looks for (peer, listener, mid). Returns its record (a handle valid until it expires or is evicted, checked at each use)
 * and fills *out, or DUPLICATES_NONE. */
uint64_t duplicates_hash(const struct duplicates *d, const struct endpoint *peer, unsigned listener, uint16_t mid);
/* Begins to load what duplicates_find() will look at: for all of a batch before the first is looked up. */
void duplicates_prefetch(const struct duplicates *d, uint64_t hash);
uint32_t duplicates_find(struct duplicates *d, uint64_t hash, uint64_t now, struct duplicate *out);

/* Adds a record that duplicates_find() did not find. Returns it, or DUPLICATES_NONE if memory is full of what must stay. */
uint32_t duplicates_add(struct duplicates *d, uint64_t hash, uint64_t now, uint32_t exchange, bool confirmable, bool unsafe,
	bool verified);

/* Marks the record (if `hash` is still its own). */
void duplicates_acknowledged(struct duplicates *d, uint32_t record, uint64_t hash);
void duplicates_rejected(struct duplicates *d, uint32_t record, uint64_t hash);
/* Keeps a copy of the answer if there is room (else only the state). len 0: answered with nothing to repeat. */
void duplicates_answered(struct duplicates *d, uint32_t record, uint64_t hash, uint64_t now, const uint8_t *answer, size_t len);
/* Forgets the record: the next copy is a new request. */
void duplicates_forget(struct duplicates *d, uint32_t record, uint64_t hash);

/* Drops what has expired, at most `segments` segments: call once a turn of the loop. */
void duplicates_expire(struct duplicates *d, uint64_t now, unsigned segments);

struct duplicates_figures {
	uint64_t records, evicted, refused;
	size_t bytes; /* in use: index and segments */
};
void duplicates_figures(const struct duplicates *d, struct duplicates_figures *out);

#endif
