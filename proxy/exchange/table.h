/*
 * table - hash tables of slab objects: chains and the order of last use run through the objects themselves, by index.
 *
 * An object begins with a struct table_links. Its owner computes the hash, the same for each call, and frees the object
 * after table_remove().
 */
#ifndef PROXY_EXCHANGE_TABLE_H
#define PROXY_EXCHANGE_TABLE_H

#include <stdlib.h>

#include "proxy/exchange/proxy.h"

/* A table of objects of `slab` (borrowed), with room for about `expected`. Returns 0, or -1 without memory. Untouched
 * buckets cost no memory. */
static inline int table_init(struct table *t, struct slab *slab, uint32_t expected)
{
	uint32_t buckets = 1024;

	while (buckets < expected)
		buckets *= 2;
	/* Heads hold index + 1, so that fresh zeroed memory is an empty table. */
	t->heads = calloc(buckets, sizeof *t->heads);
	t->mask = buckets - 1;
	t->slab = slab;
	t->oldest = t->newest = SLAB_NONE;
	return t->heads == NULL ? -1 : 0;
}

/* The same with a slab of its own, t->slab, of up to `limit` objects of so many bytes (`size`); NULL if that fails. */
static inline int table_create(struct table *t, size_t size, uint32_t limit, uint32_t expected)
{
	struct slab *slab = slab_create(size, limit);

	if (slab != NULL && table_init(t, slab, expected) == 0)
		return 0;
	slab_destroy(slab);
	t->slab = NULL;
	return -1;
}

static inline void table_destroy(struct table *t)
{
	slab_destroy(t->slab);
	free(t->heads);
}

/* Tells that this hash is looked up soon: what that begins with is fetched into the cache meanwhile. */
static inline void table_soon(const struct table *t, uint64_t hash)
{
	__builtin_prefetch(&t->heads[hash & t->mask]);
}

/* The objects that may have this hash, one after another; NULL behind the last. */
static inline void *table_first(const struct table *t, uint64_t hash)
{
	return slab_get(t->slab, t->heads[hash & t->mask] - 1);
}

static inline void *table_next(const struct table *t, const void *object)
{
	return slab_get(t->slab, ((const struct table_links *)object)->chain);
}

/* The object used longest ago, or NULL. */
static inline void *table_oldest(const struct table *t)
{
	return slab_get(t->slab, t->oldest);
}

static inline void table_unlink_age(struct table *t, const struct table_links *l)
{
	struct table_links *older = slab_get(t->slab, l->older), *newer = slab_get(t->slab, l->newer);

	*(older != NULL ? &older->newer : &t->oldest) = l->newer;
	*(newer != NULL ? &newer->older : &t->newest) = l->older;
}

static inline void table_link_newest(struct table *t, struct table_links *l)
{
	struct table_links *newest = slab_get(t->slab, t->newest);

	l->older = t->newest;
	l->newer = SLAB_NONE;
	*(newest != NULL ? &newest->newer : &t->oldest) = l->index;
	t->newest = l->index;
}

/* The object is used now. */
static inline void table_touch(struct table *t, void *object)
{
	struct table_links *l = object;

	if (l->index == t->newest)
		return;
	table_unlink_age(t, l);
	table_link_newest(t, l);
}

/* Puts in a new object of the slab; it is used now. */
static inline void table_insert(struct table *t, uint64_t hash, void *object, uint32_t index)
{
	struct table_links *l = object;
	uint32_t *head = &t->heads[hash & t->mask];

	l->index = index;
	l->chain = *head - 1;
	*head = index + 1;
	table_link_newest(t, l);
}

static inline void table_remove(struct table *t, uint64_t hash, void *object)
{
	const struct table_links *l = object;
	struct table_links *before = table_first(t, hash);

	table_unlink_age(t, l);
	if (before == l) {
		t->heads[hash & t->mask] = l->chain + 1;
		return;
	}
	while (before != NULL && before->chain != l->index)
		before = table_next(t, before);
	if (before == NULL)
		log_fatal("an object is not in its chain");
	before->chain = l->chain;
}

#endif
