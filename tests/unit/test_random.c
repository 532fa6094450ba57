/* objects: base/random.o base/log.o base/clock.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/random.h"

static void draws_differ_across_blocks(void **state)
{
	static uint8_t big[10000];
	uint64_t seen[2000];
	unsigned ones = 0;

	(void)state;
	random_start();
	for (int i = 0; i < 2000; i++) {
		seen[i] = random_u64();
		for (int j = 0; j < i; j++)
			assert_true(seen[j] != seen[i]);
	}
	random_bytes(big, sizeof(big));
	for (size_t i = 0; i < sizeof(big); i++)
		ones += (unsigned)__builtin_popcount(big[i]);
	assert_in_range(ones, 39000, 41000); /* 80,000 coins: 7 standard deviations */
	assert_true(random_u32() != random_u32() || random_u32() != random_u32());
}

static void below_is_even(void **state)
{
	unsigned hits[6] = {0};

	(void)state;
	for (int i = 0; i < 60000; i++) {
		uint32_t v = random_below(6);

		assert_true(v < 6);
		hits[v]++;
	}
	for (int i = 0; i < 6; i++)
		assert_in_range(hits[i], 9300, 10700);
	assert_int_equal(random_below(1), 0);
	for (int i = 0; i < 1000; i++)
		assert_true(random_below(0xc0000000u) < 0xc0000000u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(draws_differ_across_blocks),
		cmocka_unit_test(below_is_even),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
