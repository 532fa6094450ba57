/* objects: oscore/option.o base/hash.o base/random.o base/log.o base/clock.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "oscore/option.h"
#include "tests/data/oscore-option-cases.h"
#include "tests/data/rfc8613-vectors.h"
#include "tests/unit/covers.h"
#include "tests/unit/hex.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void check_parts(const char *name, const struct oscore_option *o, const char *piv, const char *kid_context, const char *kid)
{
	assert_true(hex_equal_part(name, piv, o->piv, o->piv_len));
	assert_true(hex_equal_part(name, kid_context, o->kid_context, o->kid_context_len));
	assert_true(hex_equal_part(name, kid, o->kid, o->kid_len));
}

static void cases_are_read_as_listed(void **state)
{
	(void)state;
	covers("C8613-6.1-1 C8613-6.1-3 C8613-6.1-4 C8613-6.1-5");
	for (size_t i = 0; i < COUNT(option_cases); i++) {
		const struct option_case *c = &option_cases[i];
		struct hex value = hex_parse(c->value);
		struct oscore_option o;
		int result = oscore_option_parse(&o, value.bytes, value.len, OSCORE_FLAG_GROUP);

		/* Whoever knows no group flag refuses it; nothing else depends on that. */
		if (c->group) {
			assert_int_equal(result, 0);
			check_parts(c->name, &o, c->piv, c->kid_context, c->kid);
		}
		result = oscore_option_parse(&o, value.bytes, value.len, 0);
		if (result != (c->decodes && !c->group ? 0 : -1))
			fail_msg("%s: %d", c->name, result);
		if (result < 0)
			continue;
		check_parts(c->name, &o, c->piv, c->kid_context, c->kid);
		assert_int_equal(oscore_option_fits_request(&o), c->fits_request);
	}
}

static void examples_of_the_rfc_are_read(void **state)
{
	(void)state;
	covers("C8613-6.1-1");
	for (size_t i = 0; i < COUNT(vector_options); i++) {
		const struct vector_option *v = &vector_options[i];
		struct hex value = hex_parse(v->option);
		struct oscore_option o;

		assert_int_equal(oscore_option_parse(&o, value.bytes, value.len, 0), 0);
		check_parts(v->id, &o, v->piv, v->kid_context, v->kid);
	}
}

static void every_cut_of_a_value_is_refused_or_shorter(void **state)
{
	struct hex value = hex_parse("1d01020304050437cbf321a2");
	struct oscore_option o;

	(void)state;
	/* Flag byte, 5 bytes of Partial IV, length 4 and its bytes have to be there; the kid may be of any length. */
	for (size_t len = 1; len <= value.len; len++) {
		assert_int_equal(oscore_option_parse(&o, value.bytes, len, 0), len < 11 ? -1 : 0);
		if (len >= 11)
			assert_int_equal(o.kid_len, len - 11);
	}
}

static void partial_iv_is_a_number(void **state)
{
	static const struct {
		const char *value;
		uint64_t sequence;
	} rows[] = { { "", 0 }, { "0900", 0 }, { "09ff", 255 }, { "0a0100", 256 }, { "0dffffffffff", 0xffffffffff } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct hex value = hex_parse(rows[i].value);
		struct oscore_option o;

		assert_int_equal(oscore_option_parse(&o, value.bytes, value.len, 0), 0);
		assert_true(oscore_option_sequence(&o) == rows[i].sequence);
	}
}

static void kid_hash_tells_pairs_apart(void **state)
{
	static const char *const values[] = { "0900", "090001", "19000001", "1900010102", "190002010102", "19000101", "0102" };
	static const struct hash_key key = { 1, 2 }, other = { 3, 4 };
	uint64_t hashes[COUNT(values)];
	struct oscore_option o;

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct hex value = hex_parse(values[i]);

		assert_int_equal(oscore_option_parse(&o, value.bytes, value.len, 0), 0);
		hashes[i] = oscore_option_kid_hash(&o, &key);
		assert_true(hashes[i] != oscore_option_kid_hash(&o, &other));
		for (size_t k = 0; k < i; k++)
			assert_true(hashes[i] != hashes[k]);
	}
	/* The Partial IV has no part in it: one party keeps its hash. */
	struct hex later = hex_parse("0a123401");

	assert_int_equal(oscore_option_parse(&o, later.bytes, later.len, 0), 0);
	assert_true(oscore_option_kid_hash(&o, &key) == hashes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_are_read_as_listed),
		cmocka_unit_test(examples_of_the_rfc_are_read),
		cmocka_unit_test(every_cut_of_a_value_is_refused_or_shorter),
		cmocka_unit_test(partial_iv_is_a_number),
		cmocka_unit_test(kid_hash_tells_pairs_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
