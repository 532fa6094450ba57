/* objects: proxy/exchange/house.o base/ring.o base/hash.o base/random_seeded.o base/log.o base/clock.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/random.h"
#include "proxy/exchange/house.h"

enum { MEMORY = 65536, ORIGINS = 10000 };

static void map(struct house *h, unsigned count)
{
	random_seed_for_test(1);
	assert_int_equal(house_map(h, -1, count, MEMORY, 0), 0);
	house_begin(h);
}

static uint64_t hash_of(const struct house *h, unsigned origin)
{
	return hash_bytes(&h->state->hash_key, &origin, sizeof origin);
}

/* ---- layout ---- */

static void parts_lie_apart(void **state)
{
	struct house h;
	uint8_t *end, *rings_end;

	(void)state;
	map(&h, 3);
	assert_int_equal(h.count, 3);
	assert_int_equal(h.self, 0);
	assert_int_equal(h.duplicates_fd, -1);
	for (unsigned i = 0; i < HOUSE_WORKERS_MAX; i++)
		assert_int_equal(h.wake[i], -1);
	assert_true((uint8_t *)h.cells >= (uint8_t *)(h.state + 1));
	assert_true(h.rings >= (uint8_t *)(h.cells + 3));
	assert_int_equal((uintptr_t)h.cells % 64, 0);
	end = (uint8_t *)h.state + house_bytes(3, MEMORY);
	rings_end = h.rings;
	for (unsigned from = 0; from < 3; from++)
		for (unsigned to = 0; to < 3; to++) {
			uint8_t *ring = house_ring(&h, from, to);

			assert_int_equal((uintptr_t)ring % 64, 0);
			assert_true(ring >= rings_end);
			rings_end = ring + ring_memory_bytes(h.ring_capacity);
		}
	assert_true(rings_end <= end);
	/* all of it is there */
	memset(house_ring(&h, 2, 2), 1, ring_memory_bytes(h.ring_capacity));
	atomic_store(&h.cells[2].sent[HOUSE_SENT - 1], 1);
	house_unmap(&h);
	house_unmap(&h);
}

static void rings_take_the_memory_they_may(void **state)
{
	struct house h;

	(void)state;
	assert_int_equal(house_map(&h, -1, 2, 1 << 20, 0), 0);
	assert_in_range(ring_memory_bytes(h.ring_capacity), 1 << 19, 1 << 20);
	house_unmap(&h);
	assert_int_equal(house_map(&h, -1, 1, 0, 0), 0);
	assert_int_equal(h.ring_capacity, RING_CAPACITY_MIN);
	house_unmap(&h);
}

/* What one process writes the next reads, in the same places. */
static void a_mapping_is_shared(void **state)
{
	struct house a, b;
	int fd = memfd_create("house", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0 && ftruncate(fd, (off_t)house_bytes(2, MEMORY)) == 0);
	assert_int_equal(house_map(&a, fd, 2, MEMORY, 0), 0);
	house_begin(&a);
	assert_int_equal(house_map(&b, fd, 2, MEMORY, 1), 0);
	assert_ptr_not_equal(a.state, b.state);
	assert_memory_equal(&a.state->hash_key, &b.state->hash_key, sizeof a.state->hash_key);
	assert_memory_not_equal(&a.state->hash_key, &a.state->echo_key, sizeof a.state->hash_key);
	house_add(&house_own(&a)->exchanges, 3);
	house_add(&house_own(&b)->exchanges, 4);
	assert_int_equal(house_exchanges(&b), 7);
	strcpy(house_ring(&a, 0, 1), "from 0 to 1");
	assert_string_equal(house_ring(&b, 0, 1), "from 0 to 1");
	assert_string_equal(house_ring(&b, 1, 0), "");
	house_unmap(&a);
	house_unmap(&b);
	assert_int_equal(house_map(&a, 1000, 2, MEMORY, 0), -1);
	close(fd);
}

/* ---- homes ---- */

static void workers_agree_and_share_evenly(void **state)
{
	static const unsigned counts[] = { 1, 2, 3, 4, 7, 16, 64 };

	(void)state;
	for (unsigned c = 0; c < sizeof counts / sizeof counts[0]; c++) {
		unsigned count = counts[c], of[HOUSE_WORKERS_MAX] = { 0 };
		struct house h, other;

		if (house_bytes(count, MEMORY) > SIZE_MAX / 2)
			continue; /* addresses of 32 bits do not reach as far as 64 workers */
		map(&h, count);
		for (unsigned i = 0; i < ORIGINS; i++) {
			uint64_t hash = hash_of(&h, i);
			unsigned home = house_home(&h, hash);

			other = h;
			other.self = i % count;
			assert_true(home < count);
			assert_int_equal(house_home(&other, hash), home);
			of[home]++;
		}
		/* four standard deviations: 4% with 2 workers, 15% with 16 */
		for (unsigned w = 0; w < count; w++) {
			double even = (double)ORIGINS / count, off = of[w] - even;

			assert_true(off * off <= 16 * even);
		}
		house_unmap(&h);
	}
}

/* Origins that move when a worker is added move to it, and are about its share. */
static void one_worker_more_moves_its_share(void **state)
{
	(void)state;
	for (unsigned count = 1; count < 9; count++) {
		struct house h, more;
		unsigned moved = 0;
		double share = (double)ORIGINS / (count + 1);

		map(&h, count);
		more = h;
		more.count = count + 1; /* no cell of it is touched */
		for (unsigned i = 0; i < ORIGINS; i++) {
			unsigned before = house_home(&h, hash_of(&h, i)), after = house_home(&more, hash_of(&h, i));

			if (before != after) {
				assert_int_equal(after, count);
				moved++;
			}
		}
		assert_true((moved - share) * (moved - share) <= 16 * share);
		house_unmap(&h);
	}
}

/* Endpoints that differ in little, as those of a plant do, are spread as well. */
static void hashes_in_a_row_are_spread(void **state)
{
	struct house h;
	unsigned of[4] = { 0 };

	(void)state;
	map(&h, 4);
	for (uint64_t i = 0; i < ORIGINS; i++)
		of[house_home(&h, i)]++;
	for (unsigned w = 0; w < 4; w++)
		assert_in_range(of[w], ORIGINS / 4 - 200, ORIGINS / 4 + 200);
	house_unmap(&h);
}

/* ---- lives and sums ---- */

static void the_next_incarnation_has_nothing_under_way(void **state)
{
	struct house h;

	(void)state;
	map(&h, 2);
	assert_int_equal(house_incarnation(&h, 1), 0);
	house_add(&h.cells[1].exchanges, 5);
	house_add(&h.cells[1].observations, 2);
	house_add(&h.cells[1].route_exchanges[0], 3);
	house_add(&h.cells[1].route_exchanges[CONF_ROUTES_MAX - 1], 4);
	house_add(&h.cells[0].exchanges, 1);
	house_add(&h.cells[0].route_exchanges[0], 1);
	atomic_store(&h.cells[1].asleep, 1);
	h.cells[1].metrics.count[COUNT_REQUESTS] = 9;
	house_next_incarnation(&h, 1);
	assert_int_equal(house_incarnation(&h, 1), 1);
	assert_int_equal(house_incarnation(&h, 0), 0);
	assert_int_equal(house_exchanges(&h), 1);
	assert_int_equal(house_observations(&h), 0);
	assert_int_equal(house_route_exchanges(&h, 0), 1);
	assert_int_equal(house_route_exchanges(&h, CONF_ROUTES_MAX - 1), 0);
	assert_int_equal(atomic_load(&h.cells[1].asleep), 0);
	assert_int_equal(h.cells[1].metrics.count[COUNT_REQUESTS], 9); /* what was counted stays */
	house_unmap(&h);
}

static void counters_are_summed(void **state)
{
	struct house h;
	struct metrics m;
	struct route_metrics r;

	(void)state;
	map(&h, 3);
	for (unsigned w = 0; w < 3; w++) {
		h.cells[w].metrics.count[METRIC_COUNT - 1] = 1u << w;
		h.cells[w].metrics.errors[ERR_INTERNAL] = 10u << w;
		h.cells[w].routes[7] = (struct route_metrics){ .requests = 1u << w, .responses = 2u << w, .notifications = 4u << w };
		h.cells[w].routes[7].errors[ERR_OVERLOAD] = 8u << w;
		house_add(&h.cells[w].observations, 1u << w);
		house_add(&h.cells[w].route_exchanges[7], 1u << w);
	}
	house_add(&h.cells[1].observations, (uint32_t)-1);
	house_metrics(&h, &m);
	assert_int_equal(m.count[METRIC_COUNT - 1], 7);
	assert_int_equal(m.errors[ERR_INTERNAL], 70);
	assert_int_equal(m.count[0], 0);
	house_route_metrics(&h, 7, &r);
	assert_int_equal(r.requests, 7);
	assert_int_equal(r.responses, 14);
	assert_int_equal(r.notifications, 28);
	assert_int_equal(r.errors[ERR_OVERLOAD], 56);
	house_route_metrics(&h, 8, &r);
	assert_int_equal(r.requests, 0);
	assert_int_equal(house_observations(&h), 6);
	assert_int_equal(house_route_exchanges(&h, 7), 7);
	house_unmap(&h);
}

/* ---- waking ---- */

static uint64_t wakes(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof count) == sizeof count ? count : 0;
}

static void who_sleeps_is_woken(void **state)
{
	struct house h;
	uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	(void)state;
	map(&h, 2);
	house_wake(&h, 1); /* nobody can be woken */
	h.wake[1] = fd;
	house_wake(&h, 1);
	assert_int_equal(wakes(fd), 0);
	atomic_store(&h.cells[0].asleep, 1);
	house_wake(&h, 1);
	assert_int_equal(wakes(fd), 0);
	atomic_store(&h.cells[1].asleep, 1);
	house_wake(&h, 1);
	assert_int_equal(wakes(fd), 1);
	house_wake(&h, 1);
	house_wake(&h, 1);
	assert_int_equal(wakes(fd), 2);
	/* a counter that can count no further does not hold anybody up */
	assert_int_equal(write(fd, &full, sizeof full), sizeof full);
	house_wake(&h, 1);
	assert_true(wakes(fd) > 0);
	close(fd);
	house_unmap(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_lie_apart), cmocka_unit_test(rings_take_the_memory_they_may), cmocka_unit_test(a_mapping_is_shared),
		cmocka_unit_test(workers_agree_and_share_evenly), cmocka_unit_test(one_worker_more_moves_its_share),
		cmocka_unit_test(hashes_in_a_row_are_spread), cmocka_unit_test(the_next_incarnation_has_nothing_under_way),
		cmocka_unit_test(counters_are_summed), cmocka_unit_test(who_sleeps_is_woken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
