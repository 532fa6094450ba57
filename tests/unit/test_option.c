/* objects: coap/option.o coap/message.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "coap/option.h"
#include "tests/unit/covers.h"
#include "tests/unit/hex.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The table of RFC 7252 5.10 and of the RFCs that added to it: C, U and N as they are printed there. */
static const struct {
	uint16_t number;
	const char *name, *properties, *in_request, *in_response; /* "y", "y*" repeatable, "" not defined */
	unsigned least, most;
} registry[] = {
	{1, "If-Match", "C", "y*", "", 0, 8},
	{3, "Uri-Host", "CU", "y", "", 1, 255},
	{4, "ETag", "", "y*", "y", 1, 8},
	{5, "If-None-Match", "C", "y", "", 0, 0},
	{6, "Observe", "U", "y", "y", 0, 3},
	{7, "Uri-Port", "CU", "y", "", 0, 2},
	{8, "Location-Path", "", "", "y*", 0, 255},
	{9, "OSCORE", "C", "y", "y", 0, 255},
	{11, "Uri-Path", "CU", "y*", "", 0, 255},
	{12, "Content-Format", "", "y", "y", 0, 2},
	{14, "Max-Age", "U", "", "y", 0, 4},
	{15, "Uri-Query", "CU", "y*", "", 0, 255},
	{16, "Hop-Limit", "", "y", "", 1, 1},
	{17, "Accept", "C", "y", "", 0, 2},
	{20, "Location-Query", "", "", "y*", 0, 255},
	{23, "Block2", "CU", "y", "y", 0, 3},
	{27, "Block1", "CU", "y", "y", 0, 3},
	{28, "Size2", "N", "y", "y", 0, 4},
	{35, "Proxy-Uri", "CU", "y", "", 1, 1034},
	{39, "Proxy-Scheme", "CU", "y", "", 1, 255},
	{60, "Size1", "N", "y", "y", 0, 4},
	{252, "Echo", "N", "y", "y", 1, 40},
	{258, "No-Response", "U", "y", "", 0, 1},
	{292, "Request-Tag", "", "y*", "", 0, 8},
};

static bool has(const char *text, char c)
{
	return strchr(text, c) != NULL;
}

static void every_number_by_its_bits(void **state)
{
	size_t known = 0;

	(void)state;
	covers("C7252-5.4.2-1 C7252-5.4.6-1");
	for (unsigned n = 0; n <= UINT16_MAX; n++) {
		uint16_t number = (uint16_t)n;

		assert_int_equal(opt_is_critical(number), n % 2);
		assert_int_equal(opt_is_unsafe(number), n / 2 % 2);
		/* safe, and the three bits above say so: 11100 in the low five, whatever C is */
		assert_int_equal(opt_is_no_cache_key(number), n / 2 % 16 == 14);
		if (opt_is_no_cache_key(number))
			assert_false(opt_is_unsafe(number));
		known += opt_row(number) != NULL;
	}
	assert_int_equal(known, COUNT(registry));
	for (size_t i = 0; i < COUNT(registry); i++) {
		const struct opt_row *row = opt_row(registry[i].number);

		assert_non_null(row);
		assert_int_equal(row->number, registry[i].number);
		assert_string_equal(row->name, registry[i].name);
		assert_int_equal(opt_is_critical(row->number), has(registry[i].properties, 'C'));
		assert_int_equal(opt_is_unsafe(row->number), has(registry[i].properties, 'U'));
		if (!opt_is_unsafe(row->number))
			assert_int_equal(opt_is_no_cache_key(row->number), has(registry[i].properties, 'N'));
	}
	assert_false(opt_is_no_cache_key(2056));
	assert_true(opt_is_no_cache_key(2076));
}

/* A value of len bytes that has no leading zero. */
static bool recognised(uint16_t number, size_t len, uint8_t code, unsigned earlier)
{
	static uint8_t ones[2000];
	struct msg_option o = {.number = number, .len = (uint16_t)len, .value = ones};

	memset(ones, 1, sizeof(ones));
	return opt_is_recognised(&o, code, earlier);
}

static void lengths_of_every_option(void **state)
{
	(void)state;
	covers("C7252-5.4.3-1");
	for (size_t i = 0; i < COUNT(registry); i++) {
		uint8_t code = has(registry[i].in_request, 'y') ? CODE_GET : CODE_CONTENT;

		assert_true(recognised(registry[i].number, registry[i].least, code, 0));
		assert_true(recognised(registry[i].number, registry[i].most, code, 0));
		assert_false(recognised(registry[i].number, registry[i].most + 1, code, 0));
		if (registry[i].least > 0)
			assert_false(recognised(registry[i].number, registry[i].least - 1, code, 0));
	}
}

static void leading_zeros_do_not_count(void **state)
{
	static const struct {
		uint16_t number;
		const char *value;
		bool recognised;
	} cases[] = {
		{OPT_URI_PORT, "001633", true}, {OPT_URI_PORT, "011633", false}, {OPT_ACCEPT, "00000032", true},
		{OPT_BLOCK2, "00000006", true}, {OPT_HOP_LIMIT, "10", true}, {OPT_HOP_LIMIT, "0010", false}, {OPT_HOP_LIMIT, "", false},
		{OPT_REQUEST_TAG, "000000000000000000", false},
	};

	(void)state;
	covers("C7252-3.2-2");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct hex h = hex_parse(cases[i].value);
		struct msg_option o = {.number = cases[i].number, .len = (uint16_t)h.len, .value = h.bytes};

		assert_int_equal(opt_is_recognised(&o, CODE_GET, 0), cases[i].recognised);
	}
}

static void where_options_may_stand(void **state)
{
	(void)state;
	covers("C7252-5.4-1");
	for (size_t i = 0; i < COUNT(registry); i++) {
		uint16_t number = registry[i].number;
		size_t len = registry[i].least;

		assert_int_equal(recognised(number, len, CODE_FETCH, 0), has(registry[i].in_request, 'y'));
		assert_int_equal(recognised(number, len, CODE_VALID, 0), has(registry[i].in_response, 'y'));
		assert_int_equal(recognised(number, len, CODE_BAD_GATEWAY, 0), has(registry[i].in_response, 'y'));
		assert_false(recognised(number, len, CODE_EMPTY, 0));
		assert_false(recognised(number, len, MSG_CODE(1, 1), 0));
		assert_false(recognised(number, len, MSG_CODE(7, 1), 0));
	}
	/* observing is defined for GET and FETCH alone */
	for (uint8_t code = CODE_GET; code <= CODE_IPATCH; code++)
		assert_int_equal(recognised(OPT_OBSERVE, 0, code, 0), code == CODE_GET || code == CODE_FETCH);
	assert_false(recognised(9999, 0, CODE_GET, 0));
	assert_false(recognised(OPT_Q_BLOCK1, 1, CODE_GET, 0));
	assert_false(recognised(OPT_PROXY_CRI, 1, CODE_GET, 0));
}

static void supernumerary_copies(void **state)
{
	(void)state;
	covers("C7252-5.4.5-1");
	for (size_t i = 0; i < COUNT(registry); i++) {
		uint16_t number = registry[i].number;
		size_t len = registry[i].most;

		assert_int_equal(recognised(number, len, CODE_GET, 1), has(registry[i].in_request, '*'));
		assert_int_equal(recognised(number, len, CODE_CREATED, 5), has(registry[i].in_response, '*'));
	}
}

static void block_values(void **state)
{
	static const struct {
		const char *value;
		int result;
		struct opt_block block;
	} cases[] = {
		{"", 0, {0, false, 0}}, {"06", 0, {0, false, 6}}, {"0e", 0, {0, true, 6}}, {"1a", 0, {1, true, 2}}, {"07", 0, {0, false, 7}},
		{"0100", 0, {16, false, 0}}, {"fffff7", 0, {0xfffff, false, 7}}, {"ffffff", 0, {0xfffff, true, 7}},
		{"00ffffff", 0, {0xfffff, true, 7}}, {"01000000", -1, {0, false, 0}}, {"0100000000", -1, {0, false, 0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct hex h = hex_parse(cases[i].value);
		struct msg_option o = {.number = OPT_BLOCK2, .len = (uint16_t)h.len, .value = h.bytes};
		struct opt_block b;
		uint32_t value;

		assert_int_equal(opt_block_parse(&b, &o), cases[i].result);
		if (cases[i].result)
			continue;
		assert_int_equal(b.num, cases[i].block.num);
		assert_int_equal(b.more, cases[i].block.more);
		assert_int_equal(b.szx, cases[i].block.szx);
		assert_int_equal(msg_uint(&o, &value), 0);
		assert_int_equal(opt_block_value(&b), value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_by_its_bits),
		cmocka_unit_test(lengths_of_every_option),
		cmocka_unit_test(leading_zeros_do_not_count),
		cmocka_unit_test(where_options_may_stand),
		cmocka_unit_test(supernumerary_copies),
		cmocka_unit_test(block_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
