/* objects: tests/sim/sim.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * What the window of an origin comes to, in whole: rate on a fast path, use of a slow and lossy one, patience with a silent
 * origin, fairness between clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/exchange/origin.h"
#include "tests/sim/sim.h"
#include "tests/unit/covers.h"

enum { SEED = 20 };

static uint64_t count_of(const struct sim *s, enum metric m)
{
	return s->proxy->metrics->count[m];
}

/* Everything asked was answered, nothing remains. */
static void assert_all_ended(struct sim *s, uint64_t until)
{
	sim_stop_clients(s);
	sim_run(s, until);
	for (unsigned i = 0; i < s->client_count; i++) {
		assert_int_equal(s->clients[i].waiting_count, 0);
		assert_int_equal(s->clients[i].strays, 0);
	}
	assert_int_equal(slab_count(s->proxy->exchanges), 0);
	assert_int_equal(slab_count(s->proxy->flows), 0);
	assert_int_equal(slab_count(s->proxy->deliveries), 0);
	assert_int_equal(buffers_in_use(s->proxy->buffers), 0);
}

/* ---- a fast path ---- */

/* 0.2 ms round trip, an origin that serves 25,000 a second: within 2 s 20,000 of them are used. */
static void run_fast(unsigned clients, unsigned each)
{
	struct sim *s = sim_new(SEED, "");
	uint64_t before;

	s->origins[0].there.service = 40;
	s->origins[0].there.buffer = 1000;
	for (unsigned i = 0; i < clients; i++)
		sim_add_client(s, 0, each);
	sim_run(s, 1900 * CLOCK_MS);
	before = sim_answered(s);
	sim_run(s, 2000 * CLOCK_MS);
	assert_true((sim_answered(s) - before) * 10 >= 20000);
	assert_int_equal(count_of(s, COUNT_RETRANSMISSIONS_UP), 0);
	assert_all_ended(s, 100 * CLOCK_SECOND);
	sim_free(s);
}

static void test_fast_path_is_used_within_two_seconds(void **state)
{
	(void)state;
	run_fast(1, 64);
	run_fast(64, 1);
}

/* ---- a slow and lossy path ---- */

enum { LOSSY_SECONDS = 1200 };

/* Capacity in messages a second; of 1000 messages there and back that many are lost. The round trip is 1 s, the bottleneck
 * holds 8 messages. */
static void run_lossy(unsigned capacity, unsigned loss_there, unsigned loss_back, uint64_t seed)
{
	struct sim *s = sim_new(seed, "");
	struct sim_origin *o = &s->origins[0];
	uint64_t repeats, all;

	o->there = (struct sim_link){ .delay = CLOCK_SECOND / 2, .service = CLOCK_SECOND / capacity, .buffer = 8, .loss = loss_there };
	o->back = (struct sim_link){ .delay = CLOCK_SECOND / 2, .loss = loss_back };
	for (unsigned i = 0; i < 4; i++)
		sim_add_client(s, 0, 16);
	sim_run(s, LOSSY_SECONDS * CLOCK_SECOND);
	repeats = count_of(s, COUNT_RETRANSMISSIONS_UP);
	all = repeats + count_of(s, COUNT_FORWARDED);
	print_message("capacity %u/s, lost %u and %u of 1000: %u %% of the capacity used, %u %% repeats\n", capacity, loss_there,
		loss_back, (unsigned)(100 * sim_answered(s) / (LOSSY_SECONDS * capacity)), (unsigned)(100 * repeats / all));
	assert_true(100 * sim_answered(s) >= 70 * LOSSY_SECONDS * (uint64_t)capacity);
	assert_true(100 * repeats < 15 * all);
	/* a buffer that overflows is met with a smaller window */
	assert_true(100 * o->there.dropped < 5 * all);
	assert_all_ended(s, (LOSSY_SECONDS + 300) * CLOCK_SECOND);
	sim_free(s);
}

static void test_slow_lossy_path_is_used_without_flooding_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		run_lossy(8, 20, 0, seed);
		run_lossy(8, 10, 10, seed);
		run_lossy(4, 20, 20, seed);
		run_lossy(8, 20, 20, seed);
	}
}

/* ---- a silent origin ---- */

/* Whatever the clients ask, at most one message is on its way that may still be answered: a next one leaves only after the
 * one before was given up, and no more often than its timeouts say. */
static void assert_one_in_flight(const struct sim_origin *o)
{
	uint64_t first_at = 0;

	assert_true(o->received > 0 && o->received <= SIM_TRACE);
	for (size_t i = 0; i < o->received; i++) {
		assert_int_equal(o->trace[i].in_window, 1);
		if (i > 0 && o->trace[i].mid == o->trace[i - 1].mid)
			continue;
		if (i > 0)
			assert_true(o->trace[i].at - first_at >= 2 * CLOCK_SECOND);
		first_at = o->trace[i].at;
	}
}

static void test_silent_origin_has_one_datagram_in_flight(void **state)
{
	struct sim *s = sim_new(SEED, "");
	struct sim_origin *o = &s->origins[0];
	uint64_t refused = 0;

	(void)state;
	covers("C7252-4.7-1");
	o->silent = true;
	for (unsigned i = 0; i < 10; i++)
		sim_add_client(s, 0, 4)->starts_at = i * 200 * CLOCK_MS;
	sim_run(s, 92 * CLOCK_SECOND);
	/* one exchange: its first transmission and four repeats */
	assert_int_equal(o->received, 5);
	assert_one_in_flight(o);
	for (unsigned i = 0; i < 10; i++)
		s->clients[i].outstanding = 0;
	sim_run(s, 200 * CLOCK_SECOND);
	assert_one_in_flight(o);
	/* none of the 40 is left without its answer */
	for (unsigned i = 0; i < 10; i++)
		refused += s->clients[i].codes[CODE_GATEWAY_TIMEOUT];
	assert_int_equal(refused, 40);
	assert_all_ended(s, 400 * CLOCK_SECOND);
	sim_free(s);
}

/* Requests that keep coming for ten minutes. */
static void test_silent_origin_under_steady_load(void **state)
{
	struct sim *s = sim_new(SEED, "");
	struct sim_origin *o = &s->origins[0];

	(void)state;
	covers("C7252-4.7-1");
	o->silent = true;
	for (unsigned i = 0; i < 10; i++) {
		struct sim_client *c = sim_add_client(s, 0, 0);

		c->interval = CLOCK_SECOND;
		c->starts_at = i * 100 * CLOCK_MS;
	}
	sim_run(s, 600 * CLOCK_SECOND);
	print_message("%u datagrams to a silent origin in 600 s\n", (unsigned)o->received);
	assert_one_in_flight(o);
	assert_all_ended(s, 900 * CLOCK_SECOND);
	sim_free(s);
}

/* NON requests without an answer: one byte a second on average (RFC 7252 4.7). */
static void test_non_flood_to_a_silent_origin(void **state)
{
	static const uint8_t paddings[] = { 0, 50, 200 };

	(void)state;
	covers("C7252-4.7-2");
	for (size_t n = 0; n < sizeof paddings; n++) {
		struct sim *s = sim_new(SEED, "");
		struct sim_origin *o = &s->origins[0];
		uint64_t bytes = 0;

		o->silent = true;
		for (unsigned i = 0; i < 4; i++) {
			struct sim_client *c = sim_add_client(s, 0, 0);

			c->type = MSG_NON;
			c->padding = paddings[n];
			c->interval = CLOCK_SECOND;
		}
		sim_run(s, 3000 * CLOCK_SECOND);
		assert_true(o->received > 1 && o->received < SIM_TRACE);
		/* on average: a first unanswered message is not held against it, and the last one is still being paid for */
		for (size_t i = 1; i + 1 < o->received; i++)
			bytes += o->trace[i].len;
		print_message("%u datagrams, %u bytes in 3000 s\n", (unsigned)o->received, (unsigned)bytes);
		assert_true(bytes <= 3000);
		assert_all_ended(s, 4000 * CLOCK_SECOND);
		sim_free(s);
	}
}

/* An origin that comes back is used again soon. */
static void test_origin_comes_back(void **state)
{
	struct sim *s = sim_new(SEED, "");
	struct sim_origin *o = &s->origins[0];
	uint64_t before;

	(void)state;
	o->silent = true;
	for (unsigned i = 0; i < 10; i++) {
		struct sim_client *c = sim_add_client(s, 0, 0);

		c->interval = CLOCK_SECOND;
		c->starts_at = i * 100 * CLOCK_MS;
	}
	sim_run(s, 300 * CLOCK_SECOND);
	o->silent = false;
	sim_run(s, 330 * CLOCK_SECOND);
	before = sim_answered(s);
	sim_run(s, 340 * CLOCK_SECOND);
	assert_true(sim_answered(s) - before >= 95);
	assert_all_ended(s, 700 * CLOCK_SECOND);
	sim_free(s);
}

/* ---- acknowledged and slow ---- */

/* An origin that acknowledges at once and answers 20 s later holds nobody up: the place in the window is free again. */
static void test_acknowledged_requests_do_not_count(void **state)
{
	struct sim *s = sim_new(SEED, "upstream: { origin-window = 1; };");

	(void)state;
	covers("C7252-4.7-3");
	s->origins[0].separate_after = 20 * CLOCK_SECOND;
	for (unsigned i = 0; i < 10; i++)
		sim_add_client(s, 0, 4);
	sim_run(s, 21 * CLOCK_SECOND);
	assert_int_equal(sim_answered(s), 40);
	for (size_t i = 0; i < 40; i++) {
		assert_int_equal(s->origins[0].trace[i].in_window, 1);
		assert_true(s->origins[0].trace[i].at < CLOCK_SECOND);
	}
	assert_all_ended(s, 100 * CLOCK_SECOND);
	sim_free(s);
}

/* ---- fairness ---- */

/* Two clients that could each use all of an origin of 100 a second; one has 400 requests under way, or sends 1000 a second
 * come what may. */
static void run_flood(unsigned outstanding, uint64_t interval, uint8_t type)
{
	struct sim *s = sim_new(SEED, "limits: { origin-exchanges = 600; client-exchanges = 500; };");
	struct sim_client *modest = sim_add_client(s, 0, 16), *flood = sim_add_client(s, 0, outstanding);
	struct sim_origin *o = &s->origins[0];

	flood->interval = interval;
	flood->type = type;
	o->there = (struct sim_link){ .delay = 10 * CLOCK_MS, .service = 10 * CLOCK_MS, .buffer = 16 };
	o->back = (struct sim_link){ .delay = 10 * CLOCK_MS };
	sim_run(s, 60 * CLOCK_SECOND);
	print_message("flood: modest %u, flood %u answered, %u refused\n", (unsigned)modest->answered, (unsigned)flood->answered,
		(unsigned)flood->refused);
	assert_true(10 * modest->answered >= 4 * (modest->answered + flood->answered));
	assert_true(modest->answered + flood->answered >= 70 * 60);
	assert_int_equal(modest->refused, 0);
	assert_all_ended(s, 500 * CLOCK_SECOND);
	sim_free(s);
}

static void test_a_flooding_client_leaves_the_other_its_share(void **state)
{
	(void)state;
	covers("S-34");
	run_flood(400, 0, MSG_CON);
	run_flood(400, 0, MSG_NON);
	run_flood(0, 1 * CLOCK_MS, MSG_CON);
	run_flood(0, 1 * CLOCK_MS, MSG_NON);
}

/* A silent origin does not hold up another one. */
static void test_origins_are_apart(void **state)
{
	struct sim *s = sim_new(SEED, "");

	(void)state;
	s->origins[0].silent = true;
	sim_add_client(s, 0, 100);
	sim_add_client(s, 1, 1);
	sim_run(s, 10 * CLOCK_SECOND);
	assert_true(s->clients[1].answered > 10000);
	assert_int_equal(s->clients[0].answered, 0);
	assert_all_ended(s, 300 * CLOCK_SECOND);
	sim_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fast_path_is_used_within_two_seconds),
		cmocka_unit_test(test_slow_lossy_path_is_used_without_flooding_it),
		cmocka_unit_test(test_silent_origin_has_one_datagram_in_flight),
		cmocka_unit_test(test_silent_origin_under_steady_load),
		cmocka_unit_test(test_non_flood_to_a_silent_origin),
		cmocka_unit_test(test_origin_comes_back),
		cmocka_unit_test(test_acknowledged_requests_do_not_count),
		cmocka_unit_test(test_a_flooding_client_leaves_the_other_its_share),
		cmocka_unit_test(test_origins_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
