/*
 * slab - objects of one size in chunks that never move, named by a handle of index and generation.
 *
 * Chunks are mapped as they are needed and given back when all their objects are free and more than one chunk's worth
 * of free objects stands elsewhere (hysteresis), so a peak does not stay in memory for ever. slab_new() prefers the
 * lowest chunk that has room, so that high chunks drain.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_NONE UINT32_MAX /* no object has this index */

struct slab;

/* objects of `size` bytes (rounded up to 16), at most `limit` of them (at most 2^24 - 1). Returns NULL without memory. */
struct slab *slab_create(size_t size, uint32_t limit);
void slab_destroy(struct slab *s); /* accepts NULL */

/* A zeroed object and its index, or NULL at the limit or without memory. The object's address stays until slab_free(). */
void *slab_new(struct slab *s, uint32_t *index);
void slab_free(struct slab *s, uint32_t index);

/* The object of an index in use, or NULL for any other value whatever (it may come from outside). */
void *slab_get(const struct slab *s, uint32_t index);

uint32_t slab_count(const struct slab *s); /* objects in use */
uint32_t slab_end(const struct slab *s);   /* no index in use is as high as this */
size_t slab_memory(const struct slab *s);  /* bytes mapped now */
void slab_set_limit(struct slab *s, uint32_t limit); /* for a reload; objects over the new limit stay */

/* Calls visit for each object in use, in the order of indices; visit may free the object it is given. */
void slab_each(struct slab *s, void (*visit)(void *object, uint32_t index, void *arg), void *arg);

#endif
