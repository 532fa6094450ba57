/* objects: proxy/exchange/message_ids.o base/random_seeded.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "proxy/exchange/message_ids.h"
#include "tests/unit/covers.h"

#define SECOND UINT64_C(1000000)
#define LIFETIME (247 * SECOND)

/* Takes IDs at `step` microseconds for `duration`; fails if one comes again inside the lifetime. Returns how many came. */
static unsigned take_for(struct message_ids *ids, uint64_t *now, uint64_t duration, uint64_t step, uint64_t *last_use)
{
	uint64_t end = *now + duration;
	unsigned taken = 0;

	for (; *now < end; *now += step) {
		int32_t id = message_ids_take(ids, *now, NULL);

		if (id < 0)
			continue;
		assert_in_range(id, 0, 65535);
		if (last_use[id] != 0)
			assert_true(*now - last_use[id] >= LIFETIME);
		last_use[id] = *now;
		taken++;
	}
	return taken;
}

static void test_no_id_comes_again_inside_the_lifetime(void **state)
{
	static const struct {
		uint64_t start, step;
	} rows[] = {
		{ 1, 1000 },                /* faster than the IDs come back */
		{ SECOND, 3000 },
		{ 12345678, 3800 },         /* about as fast */
		{ 99999, 20000 },           /* slower */
		{ UINT64_C(86400) * 365 * 13 * SECOND, 1000 }, /* near the end of the 32-bit tenths */
	};

	(void)state;
	covers("C7252-4.4-1");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t *last_use = calloc(65536, sizeof(*last_use)), now = rows[i].start;
		struct message_ids ids = { .started = false };

		random_seed_for_test(i);
		take_for(&ids, &now, 4 * LIFETIME, rows[i].step, last_use);
		free(last_use);
	}
}

/* The tenths of a second pass 2^32 after 13.6 years up; the rule holds across it. */
static void test_wrap_of_the_tenths(void **state)
{
	uint64_t *last_use = calloc(65536, sizeof(*last_use));
	uint64_t now = ((UINT64_C(1) << 32) - 1200) * 100000;
	struct message_ids ids = { .started = false };

	(void)state;
	take_for(&ids, &now, 4 * LIFETIME, 1000, last_use);
	free(last_use);
}

static void test_nearly_all_ids_are_usable(void **state)
{
	uint64_t *last_use = calloc(65536, sizeof(*last_use)), now = SECOND;
	struct message_ids ids = { .started = false };

	(void)state;
	random_seed_for_test(7);
	take_for(&ids, &now, 2 * LIFETIME, 1000, last_use);
	/* any window of one lifetime, asked more often than IDs exist */
	for (int i = 0; i < 5; i++)
		assert_true(take_for(&ids, &now, LIFETIME + SECOND, 1000, last_use) >= 65536 / 16 * 15);
	free(last_use);
}

static void test_dry_then_free_again(void **state)
{
	struct message_ids ids = { .started = false };
	unsigned taken = 0;
	int32_t first, id;

	(void)state;
	random_seed_for_test(3);
	first = message_ids_take(&ids, SECOND, NULL);
	while ((id = message_ids_take(&ids, SECOND, NULL)) >= 0)
		taken++;
	assert_in_range(taken, 65536 - MESSAGE_ID_CHUNK, 65535);
	assert_int_equal(message_ids_take(&ids, SECOND + LIFETIME - 1, NULL), -1);
	id = message_ids_take(&ids, SECOND + LIFETIME + SECOND / 5, NULL);
	assert_int_equal(id, first / MESSAGE_ID_CHUNK * MESSAGE_ID_CHUNK);
}

/* Times are kept in tenths of a second; the rounding never shortens the lifetime. */
static void test_rounding(void **state)
{
	struct message_ids ids = { .next = 0, .started = true };

	(void)state;
	while (message_ids_take(&ids, 10 * SECOND + 99999, NULL) >= 0)
		;
	assert_int_equal(message_ids_take(&ids, 257 * SECOND + 50000, NULL), -1);
	assert_int_equal(message_ids_take(&ids, 257 * SECOND + 99998, NULL), -1);
	assert_int_equal(message_ids_take(&ids, 257 * SECOND + 200000, NULL), 0);
}

static void test_random_start(void **state)
{
	uint16_t starts[16];
	unsigned different = 0;

	(void)state;
	covers("C7252-4.4-2");
	for (unsigned i = 0; i < 16; i++) {
		struct message_ids ids = { .started = false };

		random_seed_for_test(i);
		starts[i] = (uint16_t)message_ids_take(&ids, SECOND, NULL);
		different += i > 0 && starts[i] != starts[i - 1];
	}
	assert_true(different >= 14);
}

static void test_in_order_and_rate(void **state)
{
	struct message_ids ids = { .started = false };
	uint64_t now = SECOND;
	uint32_t took;
	int32_t before, id;
	unsigned reports = 0;

	(void)state;
	random_seed_for_test(11);
	before = message_ids_take(&ids, now, &took);
	for (unsigned i = 0; i < 5 * MESSAGE_ID_CHUNK; i++) {
		now += SECOND / 100;
		id = message_ids_take(&ids, now, &took);
		assert_int_equal(id, (before + 1) % 65536);
		before = id;
		if (id % MESSAGE_ID_CHUNK != MESSAGE_ID_CHUNK - 1) {
			assert_int_equal(took, 0);
		} else if (reports++ == 0) {
			assert_int_equal(took, 0); /* entered in its middle */
		} else {
			assert_in_range(took, MESSAGE_ID_CHUNK / 10 - 1, MESSAGE_ID_CHUNK / 10 + 1);
		}
	}
	assert_true(reports >= 4);
}

/* A chunk that took less than a tenth of a second lasted 1, so that a rate can be divided by it. */
static void test_took_is_never_zero(void **state)
{
	struct message_ids ids = { .next = MESSAGE_ID_CHUNK, .started = true };
	uint32_t took = 0;

	(void)state;
	for (unsigned i = 0; i < MESSAGE_ID_CHUNK; i++)
		assert_true(message_ids_take(&ids, SECOND, &took) >= 0);
	assert_int_equal(took, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_id_comes_again_inside_the_lifetime),
		cmocka_unit_test(test_wrap_of_the_tenths),
		cmocka_unit_test(test_nearly_all_ids_are_usable),
		cmocka_unit_test(test_dry_then_free_again),
		cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_random_start),
		cmocka_unit_test(test_in_order_and_rate),
		cmocka_unit_test(test_took_is_never_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
