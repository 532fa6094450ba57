/* objects: base/hash.o base/random.o base/log.o base/clock.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/hash.h"

/* An independent reading of the algorithm's definition: state as an array, bytes taken one at a time. */
static uint64_t turn(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

static void mix(uint64_t v[4])
{
	v[0] += v[1], v[1] = turn(v[1], 13), v[1] ^= v[0], v[0] = turn(v[0], 32);
	v[2] += v[3], v[3] = turn(v[3], 16), v[3] ^= v[2];
	v[0] += v[3], v[3] = turn(v[3], 21), v[3] ^= v[0];
	v[2] += v[1], v[1] = turn(v[1], 17), v[1] ^= v[2], v[2] = turn(v[2], 32);
}

static uint64_t slow_hash(const struct hash_key *key, const uint8_t *bytes, size_t len, int each, int last)
{
	static const char constant[] = "somepseudorandomlygeneratedbytes";
	uint64_t v[4], word = 0;

	for (int i = 0; i < 4; i++) {
		v[i] = 0;
		for (int j = 0; j < 8; j++)
			v[i] = v[i] << 8 | (uint8_t)constant[8 * i + j];
		v[i] ^= i % 2 ? key->k1 : key->k0;
	}
	for (size_t i = 0; i <= (len / 8 + 1) * 8 - 1; i++) {
		uint64_t byte = i < len ? bytes[i] : i % 8 == 7 ? len & 0xff : 0;

		word |= byte << 8 * (i % 8);
		if (i % 8 < 7)
			continue;
		v[3] ^= word;
		for (int round = 0; round < each; round++)
			mix(v);
		v[0] ^= word;
		word = 0;
	}
	v[2] ^= 0xff;
	for (int round = 0; round < last; round++)
		mix(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static const struct hash_key counting = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

static void reference_is_right(void **state)
{
	uint8_t bytes[15];

	(void)state;
	for (uint8_t i = 0; i < 15; i++)
		bytes[i] = i;
	/* SipHash-2-4, the example of the paper (appendix A) */
	assert_int_equal(slow_hash(&counting, bytes, 15, 2, 4), 0xa129ca6149be45e5u);
}

static void every_length(void **state)
{
	uint8_t bytes[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= 290; len++) {
		assert_int_equal(hash_bytes(&counting, bytes, len), slow_hash(&counting, bytes, len, 1, 3));
		assert_int_equal(hash_bytes(&counting, bytes + 3, len), slow_hash(&counting, bytes + 3, len, 1, 3));
	}
}

static void keys_differ(void **state)
{
	struct hash_key a, b;

	(void)state;
	hash_key_init(&a);
	hash_key_init(&b);
	assert_memory_not_equal(&a, &b, sizeof(a));
	assert_true(hash_bytes(&a, "x", 1) != hash_bytes(&b, "x", 1));
}

static uint64_t mixed(const char *first, const char *second)
{
	return hash_mix(&counting, hash_mix(&counting, 0, first, strlen(first)), second, strlen(second));
}

static void pieces_keep_their_boundaries(void **state)
{
	(void)state;
	assert_true(mixed("ab", "c") == mixed("ab", "c"));
	assert_true(mixed("ab", "c") != mixed("a", "bc"));
	assert_true(mixed("ab", "") != mixed("", "ab"));
	assert_true(mixed("a", "b") != mixed("b", "a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reference_is_right),
		cmocka_unit_test(every_length),
		cmocka_unit_test(keys_differ),
		cmocka_unit_test(pieces_keep_their_boundaries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
