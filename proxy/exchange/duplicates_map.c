#include "proxy/exchange/duplicates_map.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static size_t align_up(size_t value, size_t to)
{
	return (value + to - 1) / to * to;
}

static uint32_t buckets_for(size_t segments)
{
	return (uint32_t)(segments * SEGMENT_RECORDS / BUCKET_FILL + 1);
}

/* Offsets of index and segments when there are so many segments; returns the bytes of all. */
static size_t layout(size_t segments, size_t *index, size_t *base)
{
	*index = align_up(sizeof(struct header) + segments * sizeof(struct segment), sizeof(struct bucket));
	*base = align_up(*index + (size_t)buckets_for(segments) * sizeof(struct bucket), 4096);
	return *base + segments * SEGMENT;
}

/* How many segments fit: a guess from above, by the cost of a segment and its share of table and index, then down. */
static size_t segments_within(size_t memory)
{
	size_t each = SEGMENT + sizeof(struct segment) + SEGMENT_RECORDS * sizeof(struct bucket) / BUCKET_FILL;
	size_t segments = memory / each + 1, index, base;

	while (segments > 0 && layout(segments, &index, &base) > memory)
		segments--;
	return segments;
}

static void logs_clear(struct header *h)
{
	for (unsigned i = 0; i < LOGS; i++)
		h->logs[i] = (struct log){ NO_SEGMENT, NO_SEGMENT };
	h->free = NO_SEGMENT;
	h->in_use = h->unverified = 0;
	h->records = 0;
}

/* A mapping of its own is zero; a file may hold anything, and the index must be zero. */
static void make_new(struct duplicates *d, size_t segments, int fd)
{
	struct header *h = d->header;

	if (fd >= 0 && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)d->mapped) != 0)
		memset(d->index, 0, (size_t)buckets_for(segments) * sizeof(struct bucket));
	*h = (struct header){ .memory = d->mapped, .segments = (uint32_t)segments, .buckets = buckets_for(segments) };
	hash_key_init(&h->key);
	logs_clear(h);
	h->magic = MAGIC;
}

struct found_segment {
	uint32_t age, index;
};

static int older_first(const void *a, const void *b)
{
	const struct found_segment *x = a, *y = b;

	return x->age < y->age ? 1 : x->age > y->age ? -1 : 0;
}

/* Puts what a predecessor left in a record segment back into the index. What it had under way ended with it. */
static void records_take_over(struct duplicates *d, uint32_t index)
{
	struct segment *s = &d->segments[index];

	if (s->used > SEGMENT_RECORDS)
		s->used = SEGMENT_RECORDS;
	for (uint32_t i = 0; i < s->used; i++) {
		struct record *r = record_at(d, index * SEGMENT_RECORDS + i);

		if (r->flags >> STATE_SHIFT > DUPLICATE_REJECTED)
			r->flags = 0;
		if (!(r->flags & FLAG_USED))
			continue;
		if (r->flags >> STATE_SHIFT != DUPLICATE_ANSWERED)
			r->place = DUPLICATES_NONE;
		index_insert(d, r->hash, index * SEGMENT_RECORDS + i);
		d->header->records++;
	}
}

static void segment_take_over(struct duplicates *d, uint32_t index)
{
	struct segment *s = &d->segments[index];

	log_append(d, s->log, index);
	if (s->log % 2 == 0)
		records_take_over(d, index);
	else if (s->used > SEGMENT)
		s->used = SEGMENT;
	else
		s->used -= s->used % ANSWER_UNIT;
}

/* The predecessor may have died between any two writes, or by a stray one, so only the segments and their records are
 * believed (each as far as it can be checked); lists, counts and index are made anew. */
static int take_over(struct duplicates *d)
{
	struct header *h = d->header;
	struct found_segment *found = malloc(sizeof(*found) * h->segments);
	uint32_t count = 0;

	if (found == NULL)
		return -1;
	memset(d->index, 0, (size_t)h->buckets * sizeof(struct bucket));
	logs_clear(h);
	if (h->untouched > h->segments)
		h->untouched = h->segments;
	for (uint32_t i = 0; i < h->untouched; i++) {
		if (d->segments[i].log < LOGS) {
			found[count++] = (struct found_segment){ h->generation - d->segments[i].generation, i };
		} else {
			d->segments[i] = (struct segment){ .log = LOG_FREE, .next = h->free };
			h->free = i;
		}
	}
	qsort(found, count, sizeof(*found), older_first);
	for (uint32_t i = 0; i < count; i++)
		segment_take_over(d, found[i].index);
	free(found);
	return 0;
}

/* Whether the mapping is what a predecessor of the same layout left. */
static bool is_left_behind(const struct duplicates *d, size_t segments)
{
	const struct header *h = d->header;

	return h->magic == MAGIC && h->memory == d->mapped && h->segments == segments && h->buckets == buckets_for(segments);
}

static int map(struct duplicates *d, size_t segments, int fd)
{
	size_t index, base;

	d->mapped = layout(segments, &index, &base);
	d->map = mmap(NULL, d->mapped, PROT_READ | PROT_WRITE,
		MAP_NORESERVE | (fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), fd, 0);
	if (d->map == MAP_FAILED)
		return -1;
	madvise(d->map, d->mapped, MADV_HUGEPAGE); /* fewer TLB misses; without them it works too */
	d->header = (struct header *)(void *)d->map;
	d->segments = (struct segment *)(void *)(d->map + sizeof(struct header));
	d->index = (struct bucket *)(void *)(d->map + index);
	d->base = d->map + base;
	d->place_mask = 1;
	while (d->place_mask < segments * SEGMENT_RECORDS + 1)
		d->place_mask = d->place_mask << 1 | 1;
	return 0;
}

struct duplicates *duplicates_create(uint64_t memory, int fd)
{
	struct duplicates *d;
	struct stat st;
	size_t segments;

	if (memory > MEMORY_MAX)
		memory = MEMORY_MAX;
	segments = segments_within((size_t)memory);
	if (segments < SEGMENTS_MIN || (fd >= 0 && (fstat(fd, &st) != 0 || (uint64_t)st.st_size < memory)))
		return NULL;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	if (map(d, segments, fd) != 0) {
		free(d);
		return NULL;
	}
	if (!is_left_behind(d, segments)) {
		make_new(d, segments, fd);
	} else if (take_over(d) != 0) {
		duplicates_destroy(d);
		return NULL;
	}
	return d;
}

void duplicates_destroy(struct duplicates *d)
{
	if (d == NULL)
		return;
	munmap(d->map, d->mapped);
	free(d);
}
