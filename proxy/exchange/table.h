/*
 * table - chained hash tables whose chains run through the objects themselves, by slab index.
 */
#ifndef PROXY_EXCHANGE_TABLE_H
#define PROXY_EXCHANGE_TABLE_H

#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/proxy.h"

/* Room for about `expected` objects. Returns 0, or -1 without memory. Untouched buckets cost no memory. */
static inline int table_init(struct chain_table *t, uint32_t expected)
{
	uint32_t buckets = 1024;

	while (buckets < expected)
		buckets *= 2;
	/* Heads hold index + 1, so that fresh zeroed memory is an empty table. */
	t->heads = calloc(buckets, sizeof *t->heads);
	t->mask = buckets - 1;
	return t->heads == NULL ? -1 : 0;
}

static inline uint32_t table_head(const struct chain_table *t, uint64_t hash)
{
	return t->heads[hash & t->mask] - 1;
}

/* Puts an object first in its chain; *chain becomes its link. */
static inline void table_insert(struct chain_table *t, uint64_t hash, uint32_t index, uint32_t *chain)
{
	*chain = t->heads[hash & t->mask] - 1;
	t->heads[hash & t->mask] = index + 1;
}

#endif
