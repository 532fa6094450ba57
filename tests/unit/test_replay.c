/* objects: oscore/replay.o */
/*
 * The window of sequence numbers, beside a plain record of all that was taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "oscore/replay.h"
#include "tests/unit/covers.h"

static bool seen, unverified;

static bool take(struct oscore_window *w, uint64_t n)
{
	oscore_window_take(w, n, &seen, &unverified);
	return seen;
}

static void a_number_counts_once(void **state)
{
	struct oscore_window w = { 0 };

	(void)state;
	covers("C8613-3.2.2-1");
	oscore_window_accepted(&w, 100);
	assert_true(take(&w, 100));
	assert_false(unverified);
	assert_false(take(&w, 101));
	assert_false(unverified);
	assert_true(take(&w, 101));
	/* out of order, within the window */
	assert_false(take(&w, 120));
	assert_false(take(&w, 110));
	assert_true(take(&w, 110));
	assert_false(take(&w, 102));
	assert_true(take(&w, 102));
	/* 32 behind the highest is the first that is too old */
	assert_false(take(&w, 200));
	assert_false(take(&w, 200 - 31));
	assert_true(take(&w, 200 - 31));
	assert_true(take(&w, 200 - 32));
	assert_true(take(&w, 103));
	assert_true(take(&w, 120));
}

static void looking_takes_nothing(void **state)
{
	struct oscore_window w = { 0 };

	(void)state;
	oscore_window_accepted(&w, 5);
	for (int i = 0; i < 2; i++) {
		oscore_window_look(&w, 0xffffffffff, &seen, &unverified);
		assert_false(seen);
		oscore_window_look(&w, 6, &seen, &unverified);
		assert_false(seen || unverified);
	}
	assert_false(take(&w, 6));
}

static void limits_of_the_numbers(void **state)
{
	struct oscore_window w = { 0 };

	(void)state;
	assert_false(take(&w, 0));
	assert_true(take(&w, 0));
	assert_false(take(&w, 0xffffffffff));
	assert_true(take(&w, 0xffffffffff));
	assert_true(take(&w, 1));
	assert_false(take(&w, 0xfffffffffe));
}

/* Nothing is fresh until the other side was seen to accept a request, and what is older than that never is. */
static void freshness_begins_with_what_was_accepted(void **state)
{
	struct oscore_window w = { 0 };

	(void)state;
	covers("RBW-8");
	assert_false(oscore_window_is_at_work(&w));
	assert_false(take(&w, 50));
	assert_true(unverified);
	assert_false(take(&w, 51));
	assert_true(unverified);
	assert_true(take(&w, 51)); /* this much is sure */
	assert_false(unverified);
	oscore_window_accepted(&w, 51);
	assert_true(oscore_window_is_at_work(&w));
	assert_false(take(&w, 49));
	assert_true(unverified);
	assert_true(take(&w, 50));
	assert_false(take(&w, 52));
	assert_false(unverified);
	/* a later response moves the beginning no more */
	oscore_window_accepted(&w, 60);
	assert_false(take(&w, 55));
	assert_false(unverified);
	/* the answer to a request that was not read takes its number */
	oscore_window_accepted(&w, 61);
	assert_true(take(&w, 61));
}

static void random_numbers_as_a_record_has_them(void **state)
{
	static bool record[4096];
	struct oscore_window w = { 0 };
	uint64_t highest = 0;

	(void)state;
	srand(1);
	oscore_window_accepted(&w, 0);
	record[0] = true;
	for (int i = 0; i < 20000; i++) {
		uint64_t n = highest + (uint64_t)(rand() % 70);
		bool expected;

		n = n > 60 ? n - 60 : 0;
		if (n >= sizeof record)
			break;
		expected = n + OSCORE_WINDOW <= highest || record[n];
		assert_int_equal(take(&w, n), expected);
		assert_false(unverified);
		record[n] = true;
		highest = n > highest ? n : highest;
	}
	assert_true(highest > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_counts_once),
		cmocka_unit_test(looking_takes_nothing),
		cmocka_unit_test(limits_of_the_numbers),
		cmocka_unit_test(freshness_begins_with_what_was_accepted),
		cmocka_unit_test(random_numbers_as_a_record_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
