/* objects: proxy/exchange/congestion.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/exchange/congestion.h"
#include "tests/unit/covers.h"

#define MS 1000u
#define SECOND 1000000u

static struct congestion fresh(void)
{
	struct congestion c;

	congestion_init(&c, 256, 2 * SECOND);
	return c;
}

static void test_begins_with_one_message_and_the_initial_rto(void **state)
{
	struct congestion c = fresh();

	(void)state;
	covers("C7252-4.7-1");
	assert_int_equal(c.window, 1);
	assert_int_equal(c.rto, 2 * SECOND);
	/* silence never opens the window, nor does it close below one */
	for (uint64_t now = SECOND; now < 100 * (uint64_t)SECOND; now += 3 * SECOND) {
		congestion_on_timeout(&c, now, now);
		assert_int_equal(c.window, 1);
	}
}

static void test_one_for_each_answer_up_to_the_first_loss(void **state)
{
	struct congestion c = fresh();

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		congestion_on_answer(&c, SECOND, 200, 0, true);
	assert_int_equal(c.window, 41);
	congestion_on_timeout(&c, 2 * SECOND, 2 * SECOND);
	assert_int_equal(c.window, 21); /* the larger half */
	/* then one for each window's worth */
	for (unsigned i = 0; i < 20; i++)
		congestion_on_answer(&c, 3 * SECOND, 200, 0, true);
	assert_int_equal(c.window, 21);
	congestion_on_answer(&c, 3 * SECOND, 200, 0, true);
	assert_int_equal(c.window, 22);
	for (unsigned i = 0; i < 22; i++)
		congestion_on_answer(&c, 3 * SECOND, 200, 0, true);
	assert_int_equal(c.window, 23);
}

static void test_an_unused_window_does_not_grow(void **state)
{
	struct congestion c = fresh();

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		congestion_on_answer(&c, SECOND, 200, 0, false);
	assert_int_equal(c.window, 1);
}

static void test_never_above_the_maximum(void **state)
{
	static const uint16_t maxima[] = { 0, 1, 2, 7, 256 };

	(void)state;
	for (size_t i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
		unsigned bound = maxima[i] == 0 ? 1 : maxima[i];
		struct congestion c;

		congestion_init(&c, maxima[i], 2 * SECOND);
		for (unsigned n = 0; n < 2000; n++) {
			congestion_on_answer(&c, n, 200, 0, true);
			assert_true(c.window <= bound);
		}
		assert_int_equal(c.window, bound);
		congestion_on_timeout(&c, 5 * SECOND, 5 * SECOND);
		for (unsigned n = 0; n < 200000; n++)
			congestion_on_answer(&c, n, 200, 0, true);
		assert_int_equal(c.window, bound);
	}
}

static void test_halved_at_most_once_in_a_round_trip(void **state)
{
	struct congestion c = fresh();
	uint64_t now = SECOND;

	(void)state;
	for (unsigned i = 0; i < 63; i++)
		congestion_on_answer(&c, now, 100 * MS, 0, true);
	assert_int_equal(c.window, 64);
	congestion_on_timeout(&c, now, now);
	assert_int_equal(c.window, 32);
	congestion_on_timeout(&c, now + 99 * MS, now + 99 * MS);
	assert_int_equal(c.window, 32);
	congestion_on_timeout(&c, now + 101 * MS, now + 101 * MS);
	assert_int_equal(c.window, 16);
	congestion_on_timeout(&c, now + 102 * MS, now + 102 * MS);
	assert_int_equal(c.window, 16);
}

/* Without a sample the RTO stands in for the round trip. */
static void test_halved_without_a_sample(void **state)
{
	struct congestion c = fresh();

	(void)state;
	for (unsigned i = 0; i < 63; i++)
		congestion_on_answer(&c, SECOND, 100 * MS, 4, true);
	congestion_on_timeout(&c, SECOND, SECOND);
	congestion_on_timeout(&c, SECOND + 2 * SECOND - 1, SECOND + 2 * SECOND - 1);
	assert_int_equal(c.window, 32);
	congestion_on_timeout(&c, SECOND + 2 * SECOND, SECOND + 2 * SECOND);
	assert_int_equal(c.window, 16);
}

static void test_first_samples(void **state)
{
	static const struct {
		uint64_t rtt;
		unsigned repeats;
		uint32_t rto;
	} rows[] = {
		{ 400 * MS, 0, 1600 * MS },              /* (2 s + 400 ms + 4 * 200 ms) / 2 */
		{ 400 * MS, 1, 1650 * MS },              /* (3 * 2 s + 400 ms + 200 ms) / 4 */
		{ 400 * MS, 2, 1650 * MS },
		{ 400 * MS, 3, 2000 * MS },              /* no sample */
		{ 400 * MS, 4, 2000 * MS },
		{ 4000 * MS, 0, 7000 * MS },
		{ 0, 0, 1000 * MS },
		{ 3600 * (uint64_t)SECOND, 0, 60 * SECOND },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct congestion c = fresh();

		congestion_on_answer(&c, SECOND, rows[i].rtt, rows[i].repeats, false);
		assert_in_range(c.rto, rows[i].rto, rows[i].rto + 3);
	}
}

/* Second and later samples: smoothing of 1/8 and 1/4, the two estimators apart. */
static void test_smoothing(void **state)
{
	struct congestion c = fresh();

	(void)state;
	congestion_on_answer(&c, SECOND, 800 * MS, 0, false);
	assert_int_equal(c.strong_rtt, 800 * MS);
	assert_int_equal(c.strong_var, 400 * MS);
	congestion_on_answer(&c, SECOND, 1600 * MS, 0, false);
	assert_int_equal(c.strong_rtt, 900 * MS);
	assert_int_equal(c.strong_var, 500 * MS);
	assert_int_equal(c.weak_rtt, 0);
	congestion_on_answer(&c, SECOND, 3200 * MS, 1, false);
	assert_int_equal(c.weak_rtt, 3200 * MS);
	assert_int_equal(c.weak_var, 1600 * MS);
	assert_int_equal(c.strong_rtt, 900 * MS);
}

static void test_rto_stays_in_its_bounds(void **state)
{
	struct congestion c = fresh();

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		congestion_on_answer(&c, SECOND, 1, 0, false);
	assert_int_equal(c.rto, CONGESTION_RTO_MIN);
	for (unsigned i = 0; i < 200; i++)
		congestion_on_answer(&c, SECOND, UINT64_MAX, i % 3, false);
	assert_int_equal(c.rto, CONGESTION_RTO_MAX);
	congestion_init(&c, 1, 1);
	assert_int_equal(c.rto, CONGESTION_RTO_MIN);
	congestion_init(&c, 1, UINT32_MAX);
	assert_int_equal(c.rto, CONGESTION_RTO_MAX);
}

static void test_ageing(void **state)
{
	static const struct {
		uint32_t rto;
		uint64_t silence;
		uint64_t aged;
	} rows[] = {
		{ 200 * MS, 16 * 200 * MS - 1, 200 * MS },
		{ 200 * MS, 16 * 200 * MS, 400 * MS },
		{ 200 * MS, 16 * (200 + 400) * MS - 1, 400 * MS },
		{ 200 * MS, 16 * (200 + 400) * MS, 800 * MS },
		{ 200 * MS, 3600 * (uint64_t)SECOND, 1600 * MS }, /* ends above 1 s */
		{ 2 * SECOND, 3600 * (uint64_t)SECOND, 2 * SECOND },
		{ 3 * SECOND, 3600 * (uint64_t)SECOND, 3 * SECOND },
		{ 8 * SECOND, 32 * (uint64_t)SECOND - 1, 8 * SECOND },
		{ 8 * SECOND, 32 * (uint64_t)SECOND, 5 * SECOND },
		{ 8 * SECOND, 52 * (uint64_t)SECOND, 3500 * MS },
		{ 60 * SECOND, 86400 * (uint64_t)SECOND, 2906250 }, /* ends below 3 s */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct congestion c = fresh();
		uint64_t now = SECOND;

		congestion_on_answer(&c, now, 200, 0, false);
		c.rto = rows[i].rto;
		assert_int_equal(congestion_first_timeout(&c, now + rows[i].silence, 100, 0), rows[i].aged);
		/* asked again at the same time it is the same */
		assert_int_equal(congestion_first_timeout(&c, now + rows[i].silence, 100, 0), rows[i].aged);
	}
}

/* Ageing is for what was measured: the configured initial RTO stays. */
static void test_initial_rto_does_not_age(void **state)
{
	struct congestion c;

	(void)state;
	congestion_init(&c, 1, 5 * SECOND);
	assert_int_equal(congestion_first_timeout(&c, 86400 * (uint64_t)SECOND, 100, 0), 5 * SECOND);
}

static void test_random_factor(void **state)
{
	static const struct {
		uint32_t percent, random;
		uint64_t low, high;
	} rows[] = {
		{ 150, 0, 2 * SECOND, 2 * SECOND },
		{ 150, UINT32_MAX, 3 * SECOND - 1, 3 * SECOND },
		{ 150, UINT32_MAX / 2, 2500 * MS - 1, 2500 * MS },
		{ 100, UINT32_MAX, 2 * SECOND, 2 * SECOND },
		{ 0, UINT32_MAX, 2 * SECOND, 2 * SECOND },
		{ 300, UINT32_MAX, 6 * SECOND - 1, 6 * SECOND },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct congestion c = fresh();

		assert_in_range(congestion_first_timeout(&c, SECOND, rows[i].percent, rows[i].random), rows[i].low, rows[i].high);
	}
}

static void test_back_off(void **state)
{
	static const struct {
		uint64_t first, current, next;
	} rows[] = {
		{ 100 * MS, 100 * MS, 300 * MS },
		{ 999 * MS, 999 * MS, 2997 * MS },
		{ 999 * MS, 2997 * MS, 8991 * MS },     /* by the first timeout, not by the current one */
		{ 1 * SECOND, 1 * SECOND, 2 * SECOND },
		{ 2 * SECOND, 2 * SECOND, 4 * SECOND }, /* RFC 7252: doubled */
		{ 2 * SECOND, 8 * SECOND, 16 * SECOND },
		{ 3 * SECOND, 24 * SECOND, 48 * SECOND },
		{ 3 * SECOND + 1, 4 * SECOND, 6 * SECOND },
		{ 40 * SECOND, 40 * SECOND, 60 * SECOND },
		{ 50 * SECOND, 50 * SECOND, 60 * SECOND },
		{ 2 * SECOND, 32 * SECOND, 60 * SECOND },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(congestion_next_timeout(rows[i].first, rows[i].current), rows[i].next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_begins_with_one_message_and_the_initial_rto),
		cmocka_unit_test(test_one_for_each_answer_up_to_the_first_loss),
		cmocka_unit_test(test_an_unused_window_does_not_grow),
		cmocka_unit_test(test_never_above_the_maximum),
		cmocka_unit_test(test_halved_at_most_once_in_a_round_trip),
		cmocka_unit_test(test_halved_without_a_sample),
		cmocka_unit_test(test_first_samples),
		cmocka_unit_test(test_smoothing),
		cmocka_unit_test(test_rto_stays_in_its_bounds),
		cmocka_unit_test(test_ageing),
		cmocka_unit_test(test_initial_rto_does_not_age),
		cmocka_unit_test(test_random_factor),
		cmocka_unit_test(test_back_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
