/*
 * What the tests of the duplicates share: requests by numbers of a client and a Message ID, and how many of them are known.
 */
#ifndef TESTS_UNIT_DUPLICATES_H
#define TESTS_UNIT_DUPLICATES_H

#include <string.h>

#include "proxy/exchange/duplicates.h"

#define SECOND UINT64_C(1000000)
#define START (100 * SECOND)
#define MB ((size_t)1 << 20)

enum { SLACK = 125000 }; /* two ticks: how late a time may pass */

static inline uint64_t hash_of(const struct duplicates *d, unsigned client, unsigned mid)
{
	struct endpoint peer = { .addr = { [10] = 0xff, 0xff, 10 }, .port = (uint16_t)client };

	memcpy(peer.addr + 12, &client, sizeof(client));
	return duplicates_hash(d, &peer, 0, (uint16_t)mid);
}

static inline uint32_t find(struct duplicates *d, uint64_t hash, uint64_t now, struct duplicate *out)
{
	memset(out, 0xee, sizeof(*out));
	return duplicates_find(d, hash, now, out);
}

static inline bool known(struct duplicates *d, uint64_t hash, uint64_t now)
{
	struct duplicate out;

	return find(d, hash, now, &out) != DUPLICATES_NONE;
}

static inline uint64_t records_of(const struct duplicates *d)
{
	struct duplicates_figures f;

	duplicates_figures(d, &f);
	return f.records;
}

/* Adds until a record is refused or `limit` are there; returns how many were taken. */
static inline unsigned fill(struct duplicates *d, unsigned from, unsigned limit, uint64_t now, bool unsafe, bool verified)
{
	unsigned i = 0;

	while (i < limit && duplicates_add(d, hash_of(d, from + i, 1), now, 0, true, unsafe, verified) != DUPLICATES_NONE)
		i++;
	return i;
}

static inline unsigned count_known(struct duplicates *d, unsigned from, unsigned count, uint64_t now)
{
	unsigned known_count = 0;

	for (unsigned i = 0; i < count; i++)
		known_count += known(d, hash_of(d, from + i, 1), now);
	return known_count;
}

#endif
