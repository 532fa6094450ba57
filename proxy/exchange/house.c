#include "proxy/exchange/house.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/random.h"

static size_t align_up(size_t value)
{
	return (value + 4095) / 4096 * 4096;
}

static size_t ring_stride(uint32_t capacity)
{
	return align_up(ring_memory_bytes(capacity));
}

static uint32_t capacity_for(uint64_t crossing_memory)
{
	uint32_t capacity = ring_capacity(crossing_memory);

	return capacity > 0 ? capacity : RING_CAPACITY_MIN;
}

static size_t cells_at(void)
{
	return align_up(sizeof(struct house_state));
}

static size_t rings_at(unsigned count)
{
	return cells_at() + count * align_up(sizeof(struct house_cell));
}

size_t house_bytes(unsigned count, uint64_t crossing_memory)
{
	uint64_t bytes = rings_at(count) + (uint64_t)count * count * ring_stride(capacity_for(crossing_memory));

	return bytes < SIZE_MAX ? (size_t)bytes : SIZE_MAX;
}

_Static_assert(sizeof(struct house_cell) % 64 == 0, "cells do not share a cache line");

int house_map(struct house *h, int fd, unsigned count, uint64_t crossing_memory, unsigned self)
{
	uint8_t *at;

	*h = (struct house){ .self = self, .count = count, .duplicates_fd = -1, .ring_capacity = capacity_for(crossing_memory),
		.mapped = house_bytes(count, crossing_memory) };
	for (unsigned i = 0; i < HOUSE_WORKERS_MAX; i++)
		h->wake[i] = -1;
	at = mmap(NULL, h->mapped, PROT_READ | PROT_WRITE,
		MAP_NORESERVE | (fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), fd, 0);
	if (at == MAP_FAILED)
		return -1;
	h->state = (struct house_state *)(void *)at;
	h->cells = (struct house_cell *)(void *)(at + cells_at());
	h->rings = at + rings_at(count);
	return 0;
}

void house_unmap(struct house *h)
{
	if (h->state != NULL)
		munmap(h->state, h->mapped);
	h->state = NULL;
}

void house_begin(struct house *h)
{
	hash_key_init(&h->state->hash_key);
	hash_key_init(&h->state->echo_key);
	random_bytes(h->state->session_secret, sizeof h->state->session_secret);
}

void house_next_incarnation(struct house *h, unsigned worker)
{
	struct house_cell *c = &h->cells[worker];

	atomic_store_explicit(&c->exchanges, 0, memory_order_relaxed);
	atomic_store_explicit(&c->observations, 0, memory_order_relaxed);
	atomic_store_explicit(&c->return_paths, 0, memory_order_relaxed);
	atomic_store_explicit(&c->session_waiters, 0, memory_order_relaxed);
	for (unsigned i = 0; i < CONF_ROUTES_MAX; i++)
		if (atomic_load_explicit(&c->route_exchanges[i], memory_order_relaxed) != 0)
			atomic_store_explicit(&c->route_exchanges[i], 0, memory_order_relaxed);
	atomic_store_explicit(&c->asleep, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->incarnation, 1, memory_order_release);
}

void *house_ring(const struct house *h, unsigned from, unsigned to)
{
	return h->rings + ((size_t)from * h->count + to) * ring_stride(h->ring_capacity);
}

/* The finishing steps of a 64-bit mixer: every bit of the input moves every bit of the result. */
static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 32) * 0xd6e8feb86659fd93u;
	v = (v ^ v >> 32) * 0xd6e8feb86659fd93u;
	return v ^ v >> 32;
}

unsigned house_home(const struct house *h, uint64_t hash)
{
	uint64_t best = 0;
	unsigned home = 0;

	for (unsigned i = 0; i < h->count && h->count > 1; i++) {
		uint64_t weight = mix(hash + (i + 1) * 0x9e3779b97f4a7c15u);

		if (weight >= best) {
			best = weight;
			home = i;
		}
	}
	return home;
}

/* ---- sums ---- */

uint32_t house_exchanges(const struct house *h)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < h->count; i++)
		sum += atomic_load_explicit(&h->cells[i].exchanges, memory_order_relaxed);
	return sum;
}

uint32_t house_observations(const struct house *h)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < h->count; i++)
		sum += atomic_load_explicit(&h->cells[i].observations, memory_order_relaxed);
	return sum;
}

uint32_t house_return_paths(const struct house *h)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < h->count; i++)
		sum += atomic_load_explicit(&h->cells[i].return_paths, memory_order_relaxed);
	return sum;
}

uint32_t house_route_exchanges(const struct house *h, unsigned slot)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < h->count; i++)
		sum += atomic_load_explicit(&h->cells[i].route_exchanges[slot], memory_order_relaxed);
	return sum;
}

void house_metrics(const struct house *h, struct metrics *sum)
{
	*sum = (struct metrics){ .count = { 0 } };
	for (unsigned w = 0; w < h->count; w++) {
		for (unsigned i = 0; i < METRIC_COUNT; i++)
			sum->count[i] += h->cells[w].metrics.count[i];
		for (unsigned i = 0; i < ERR_COUNT; i++)
			sum->errors[i] += h->cells[w].metrics.errors[i];
	}
}

void house_route_metrics(const struct house *h, unsigned slot, struct route_metrics *sum)
{
	*sum = (struct route_metrics){ .requests = 0 };
	for (unsigned w = 0; w < h->count; w++) {
		const struct route_metrics *r = &h->cells[w].routes[slot];

		sum->requests += r->requests;
		sum->responses += r->responses;
		sum->notifications += r->notifications;
		for (unsigned i = 0; i < ERR_COUNT; i++)
			sum->errors[i] += r->errors[i];
	}
}

/* ---- waking ---- */

/* What was published before must be seen by whoever goes to sleep now, so the two sides need a full barrier between their store and
 * their load (the sleeper's is in crossing_may_sleep()). */
void house_wake(const struct house *h, unsigned worker)
{
	uint64_t one = 1;

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&h->cells[worker].asleep, memory_order_relaxed) == 0 || h->wake[worker] < 0)
		return;
	if (write(h->wake[worker], &one, sizeof one) < 0)
		return; /* a counter that is full wakes as well */
}
