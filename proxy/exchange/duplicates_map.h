/*
 * duplicates_map - the layout of the duplicate table's mapping, shared by duplicates.c (what is done with it) and
 * duplicates_map.c (how it is made, and taken over from a predecessor). Nobody else includes this.
 *
 * The mapping: header, table of segments, index, segments. Nothing in it is a pointer.
 *
 * A record lies in a segment of one of four record logs, the bytes of its answer in the answer log beside it.
 * A log is a list of segments, oldest first; it grows at the newest and loses whole segments at the oldest.
 *
 * The index is made of buckets of one cache line. An entry is a record's place + 1 below and bits of its hash above. A
 * record whose bucket is full goes to the next one that has room; every bucket on the way counts those that passed it,
 * so a search ends at the first bucket nobody passed, and taking a record out leaves no tombstone.
 */
#ifndef PROXY_EXCHANGE_DUPLICATES_MAP_H
#define PROXY_EXCHANGE_DUPLICATES_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "proxy/exchange/duplicates.h"

enum {
	SEGMENT = 16384,
	SEGMENT_RECORDS = SEGMENT / DUPLICATES_RECORD,
	SEGMENTS_MIN = 8,
	BUCKET_ENTRIES = 15,
	BUCKET_FILL = 12,       /* records for each bucket when every segment holds records */
	ANSWER_UNIT = 4,        /* answers begin at multiples of this: a 32-bit place reaches 16 GB */
	UNVERIFIED_SHARE = 4,   /* unverified endpoints own at most one segment in so many */
	PREFETCH = 8,           /* records looked ahead while a segment is dropped */
	TICKS = 16,             /* in a second */
	RECORD_TICKS = 247 * TICKS,      /* EXCHANGE_LIFETIME, RFC 7252 4.8.2 */
	RECORD_NON_TICKS = 145 * TICKS,  /* NON_LIFETIME */
	ANSWER_TICKS = 93 * TICKS,       /* MAX_TRANSMIT_WAIT: nobody repeats the request after it */
};
#define MAGIC UINT64_C(0x6475706c69633031) /* another layout has another */
/* What a place reaches; with 32-bit addresses, what may be free in one piece. */
#define MEMORY_MAX (UINT64_C(1) << (sizeof(void *) > 4 ? 34 : 30))
#define NO_SEGMENT UINT32_MAX

/* Logs: class * 2 + (0 records, 1 answers); class: bit 0 unsafe, bit 1 verified. */
enum { CLASSES = 4, LOGS = 2 * CLASSES, UNSAFE = 1, VERIFIED = 2, LOG_FREE = 255 };

enum { FLAG_USED = 1, FLAG_CONFIRMABLE = 2, FLAG_UNSAFE = 4, STATE_SHIFT = 4 };

struct record {
	uint64_t hash;
	uint32_t born;       /* ticks */
	uint32_t place;      /* pending, acknowledged: the exchange; answered: of the answer, in ANSWER_UNITs */
	uint32_t generation; /* of the answer's segment when the answer was put there: a reused segment has another */
	uint16_t answer_len;
	uint16_t flags;
};

struct segment {
	uint32_t next, generation;
	uint32_t used;    /* records or bytes */
	uint32_t first;   /* when the first of them came, in ticks */
	uint32_t last;    /* when the last came */
	uint32_t expires; /* when none is needed any more */
	uint32_t log;
	uint32_t zero;
};

struct bucket {
	uint32_t entries[BUCKET_ENTRIES];
	uint32_t passed;
};

struct log {
	uint32_t oldest, newest;
};

struct header {
	uint64_t magic;
	uint64_t memory;
	struct hash_key key;
	uint32_t segments, buckets;
	uint32_t generation;
	uint32_t free;       /* list of segments given back */
	uint32_t untouched;  /* segments from here on were never used */
	uint32_t in_use, unverified;
	uint32_t zero;
	struct log logs[LOGS];
	uint64_t records, evicted, refused;
};

struct duplicates {
	uint8_t *map;
	size_t mapped;
	struct header *header;
	struct segment *segments;
	struct bucket *index;
	uint8_t *base;       /* of segment 0 */
	uint32_t place_mask; /* the bits of an entry that are a place + 1 */
};

_Static_assert(sizeof(struct record) == DUPLICATES_RECORD, "record size");
_Static_assert(sizeof(struct bucket) == 64, "a bucket is a cache line");

static inline bool log_verified(uint32_t log)
{
	return log / 2 & VERIFIED;
}

static inline struct record *record_at(const struct duplicates *d, uint32_t place)
{
	uint8_t *at = d->base + (size_t)(place / SEGMENT_RECORDS) * SEGMENT + place % SEGMENT_RECORDS * DUPLICATES_RECORD;

	return (struct record *)(void *)at;
}

static inline uint32_t bucket_of(const struct duplicates *d, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * d->header->buckets >> 32);
}

static inline uint32_t bucket_after(const struct duplicates *d, uint32_t bucket)
{
	return bucket + 1 == d->header->buckets ? 0 : bucket + 1;
}

static inline uint32_t entry_of(const struct duplicates *d, uint64_t hash, uint32_t place)
{
	return ((uint32_t)hash & ~d->place_mask) | (place + 1);
}

/* There is always room: the buckets have more entries than the segments have records. */
static inline void index_insert(struct duplicates *d, uint64_t hash, uint32_t place)
{
	for (uint32_t at = bucket_of(d, hash);; at = bucket_after(d, at)) {
		struct bucket *b = &d->index[at];

		for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
			if (b->entries[i] == 0) {
				b->entries[i] = entry_of(d, hash, place);
				return;
			}
		}
		b->passed++;
	}
}

/* Puts a segment whose `log` is set at the newest end of it. */
static inline void log_append(struct duplicates *d, uint32_t log, uint32_t index)
{
	struct header *h = d->header;

	d->segments[index].next = NO_SEGMENT;
	if (h->logs[log].newest == NO_SEGMENT)
		h->logs[log].oldest = index;
	else
		d->segments[h->logs[log].newest].next = index;
	h->logs[log].newest = index;
	h->in_use++;
	if (!log_verified(log))
		h->unverified++;
}

#endif
