#include "base/ring.h"

#include <stdatomic.h>
#include <string.h>

enum { LINE = 64, HEAD = 8 /* of a record: its length, and nothing */ };
#define TO_THE_START UINT32_MAX /* in the place of a length: the rest up to the end of the memory is not used */

/* The two positions count bytes for ever (modulo 2^32); each has a cache line of its own. */
struct ring_memory {
	_Alignas(LINE) _Atomic uint32_t produced;
	_Alignas(LINE) _Atomic uint32_t consumed;
	_Alignas(LINE) uint8_t bytes[];
};

uint32_t ring_capacity(uint64_t bytes)
{
	uint32_t capacity = RING_CAPACITY_MAX;

	while (capacity >= RING_CAPACITY_MIN && ring_memory_bytes(capacity) > bytes)
		capacity /= 2;
	return capacity >= RING_CAPACITY_MIN ? capacity : 0;
}

size_t ring_memory_bytes(uint32_t capacity)
{
	return sizeof(struct ring_memory) + capacity;
}

static uint32_t record_size(size_t len)
{
	return (uint32_t)(HEAD + (len + 7) / 8 * 8);
}

/* Positions are multiples of 8. The memory is the other side's too, so that is seen to whenever one is read from it. */
static uint32_t position_in(const _Atomic uint32_t *from, memory_order order)
{
	return atomic_load_explicit(from, order) & ~7u;
}

void ring_attach_producer(struct ring *r, void *memory, uint32_t capacity)
{
	*r = (struct ring){ .memory = memory, .capacity = capacity };
	r->position = r->published = position_in(&r->memory->produced, memory_order_relaxed);
}

void ring_attach_consumer(struct ring *r, void *memory, uint32_t capacity)
{
	*r = (struct ring){ .memory = memory, .capacity = capacity };
	r->position = r->published = position_in(&r->memory->consumed, memory_order_relaxed);
}

static uint8_t *at(const struct ring *r, uint32_t position)
{
	return r->memory->bytes + (position & (r->capacity - 1));
}

static uint32_t to_the_end(const struct ring *r, uint32_t position)
{
	return r->capacity - (position & (r->capacity - 1));
}

/* ---- producer ---- */

void *ring_reserve(struct ring *r, size_t len)
{
	uint32_t consumed = position_in(&r->memory->consumed, memory_order_acquire);
	uint32_t end = to_the_end(r, r->position), size, skip;

	if (len == 0 || len > r->capacity / 2 - HEAD) /* what is longer might not fit even into an empty ring */
		return NULL;
	size = record_size(len);
	skip = size > end ? end : 0;
	/* A consumer that claims to be ahead makes the difference huge: the ring is then full for good. */
	if (r->position - consumed > r->capacity || size + skip > r->capacity - (r->position - consumed))
		return NULL;
	if (skip > 0) {
		memcpy(at(r, r->position), &(uint32_t){ TO_THE_START }, sizeof(uint32_t));
		r->position += skip;
	}
	return at(r, r->position) + HEAD;
}

void ring_put(struct ring *r, size_t len)
{
	uint32_t length = (uint32_t)len;

	memcpy(at(r, r->position), &length, sizeof length);
	r->position += record_size(len);
}

bool ring_publish(struct ring *r)
{
	if (r->position == r->published)
		return false;
	atomic_store_explicit(&r->memory->produced, r->position, memory_order_release);
	r->published = r->position;
	return true;
}

/* ---- consumer ---- */

/* Read once: the other side may change it at any time. */
static uint32_t length_at(const struct ring *r, uint32_t position)
{
	return *(const volatile uint32_t *)(const void *)at(r, position);
}

static int32_t drop_all(struct ring *r)
{
	r->position = r->published;
	return -1;
}

int32_t ring_take(struct ring *r, void *out, size_t room)
{
	uint32_t length, left;

	if (r->position == r->published)
		r->published = position_in(&r->memory->produced, memory_order_acquire);
	left = r->published - r->position;
	if (left == 0)
		return 0;
	if (left > r->capacity)
		return drop_all(r);
	length = length_at(r, r->position);
	if (length == TO_THE_START) {
		uint32_t skip = to_the_end(r, r->position);

		if (skip >= left || skip == r->capacity)
			return skip == left ? (r->position += skip, 0) : drop_all(r);
		r->position += skip;
		left -= skip;
		length = length_at(r, r->position);
	}
	if (length == 0 || length > room || length > INT32_MAX || record_size(length) > left ||
		record_size(length) > to_the_end(r, r->position))
		return drop_all(r);
	memcpy(out, at(r, r->position) + HEAD, length);
	r->position += record_size(length);
	return (int32_t)length;
}

void ring_release(struct ring *r)
{
	atomic_store_explicit(&r->memory->consumed, r->position, memory_order_release);
}

bool ring_is_empty(struct ring *r)
{
	return r->position == position_in(&r->memory->produced, memory_order_acquire);
}
