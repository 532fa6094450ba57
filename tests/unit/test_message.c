/* objects: coap/message.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coap/message.h"
#include "tests/data/oscore-option-cases.h"
#include "tests/unit/covers.h"
#include "tests/unit/hex.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Parses a copy that ends where its memory ends, so that the sanitizers see every byte read too far. The view is only
 * looked at by those who keep the copy. */
static enum msg_result parse_copy(struct msg_view *m, const void *bytes, size_t len, uint8_t **copy)
{
	*copy = malloc(len + (len == 0));
	assert_non_null(*copy);
	if (len > 0)
		memcpy(*copy, bytes, len);
	return msg_parse_datagram(m, *copy, len);
}

static enum msg_result parse_hex(struct msg_view *m, const char *text)
{
	struct hex h = hex_parse(text);
	uint8_t *copy;
	enum msg_result r = parse_copy(m, h.bytes, h.len, &copy);

	free(copy);
	return r;
}

struct result_case {
	const char *text;
	enum msg_result result;
};

static void check_results(const struct result_case *cases, size_t count)
{
	struct msg_view m;

	for (size_t i = 0; i < count; i++) {
		enum msg_result r = parse_hex(&m, cases[i].text);

		if (r != cases[i].result)
			fail_msg("%s: %d, not %d", cases[i].text, r, cases[i].result);
	}
}

static void what_is_no_message_is_ignored(void **state)
{
	static const struct result_case cases[] = {
		{"", MSG_IGNORE}, {"40", MSG_IGNORE}, {"400100", MSG_IGNORE},
		{"00010001", MSG_IGNORE}, {"80010001", MSG_IGNORE}, {"c0010001", MSG_IGNORE}, {"ffffffff", MSG_IGNORE},
		{"40010001", MSG_OK}, {"70000001", MSG_OK},
	};

	(void)state;
	covers("C7252-3-1");
	check_results(cases, COUNT(cases));
}

static void empty_messages_hold_nothing(void **state)
{
	static const struct result_case cases[] = {
		{"40001234", MSG_OK}, {"60001234", MSG_OK}, {"70001234", MSG_OK},
		{"41001234aa", MSG_FORMAT_ERROR}, {"41001234", MSG_FORMAT_ERROR}, {"40001234ff", MSG_FORMAT_ERROR},
		{"40001234ff01", MSG_FORMAT_ERROR}, {"4000123400", MSG_FORMAT_ERROR}, {"4f001234", MSG_FORMAT_ERROR},
	};
	struct msg_view m;

	(void)state;
	covers("C7252-4.1-1");
	check_results(cases, COUNT(cases));
	/* a rejection needs type and Message ID */
	assert_int_equal(parse_hex(&m, "51001234aa"), MSG_FORMAT_ERROR);
	assert_int_equal(m.type, MSG_NON);
	assert_int_equal(m.mid, 0x1234);
	assert_null(m.token);
}

static void options_that_are_broken(void **state)
{
	static const struct result_case cases[] = {
		{"40010001f1", MSG_FORMAT_ERROR}, {"40010001f10000", MSG_FORMAT_ERROR}, {"400100011f", MSG_FORMAT_ERROR},
		{"400100011f00", MSG_FORMAT_ERROR}, {"40010001f0", MSG_FORMAT_ERROR}, {"40010001fe", MSG_FORMAT_ERROR},
		{"400100010f", MSG_FORMAT_ERROR},
		/* cut off in the extended delta, the extended length, the value */
		{"40010001d0", MSG_FORMAT_ERROR}, {"40010001e0", MSG_FORMAT_ERROR}, {"40010001e000", MSG_FORMAT_ERROR},
		{"400100011d", MSG_FORMAT_ERROR}, {"400100011e", MSG_FORMAT_ERROR}, {"400100011e00", MSG_FORMAT_ERROR},
		{"40010001dd00", MSG_FORMAT_ERROR}, {"40010001ee0000", MSG_FORMAT_ERROR}, {"40010001ee000000", MSG_FORMAT_ERROR},
		{"4001000111", MSG_FORMAT_ERROR}, {"4001000113aabb", MSG_FORMAT_ERROR}, {"400100011d00aabbcc", MSG_FORMAT_ERROR},
		{"4001000110", MSG_OK}, {"4001000111aa", MSG_OK}, {"40010001d000", MSG_OK}, {"40010001e00000", MSG_OK},
	};

	(void)state;
	covers("C7252-3.1-1 C7252-3.1-3");
	check_results(cases, COUNT(cases));
}

static void option_numbers_end_at_65535(void **state)
{
	static const struct result_case cases[] = {
		{"40010001e0fef2", MSG_OK},                /* 65535 in one step */
		{"40010001e0fef3", MSG_FORMAT_ERROR},      /* 65536 */
		{"40010001e0feff", MSG_FORMAT_ERROR},      /* 65548: 12 in 16 bits */
		{"40010001e0ff00", MSG_FORMAT_ERROR},
		{"40010001e0ffff", MSG_FORMAT_ERROR},
		{"40010001e0fef200", MSG_OK},              /* 65535 twice */
		{"40010001e0fef210", MSG_FORMAT_ERROR},    /* one more in a second step */
		{"40010001e0fee5d000", MSG_OK},
		{"40010001e0fee5d001", MSG_FORMAT_ERROR},
		{"40010001e07000e07000e07000", MSG_FORMAT_ERROR},
	};
	struct msg_view m;
	struct hex h = hex_parse("40010001e0fef2");

	(void)state;
	covers("C7252-3.1-3");
	check_results(cases, COUNT(cases));
	assert_int_equal(msg_parse_datagram(&m, h.bytes, h.len), MSG_OK);
	assert_int_equal(m.options[0].number, 65535);
}

static void payload_markers(void **state)
{
	static const struct result_case cases[] = {
		{"40010001ff", MSG_FORMAT_ERROR}, {"41010001aaff", MSG_FORMAT_ERROR}, {"4001000110ff", MSG_FORMAT_ERROR},
		{"40010001ff00", MSG_OK}, {"40010001ffff", MSG_OK},
	};
	struct hex h = hex_parse("4101000aff43ffffff" "51ff" "ff" "ff01");
	struct msg_view m;

	(void)state;
	covers("C7252-3-3 C7252-3-4");
	check_results(cases, COUNT(cases));

	/* 0xff is a marker only where an option could start */
	assert_int_equal(msg_parse_datagram(&m, h.bytes, h.len), MSG_OK);
	assert_int_equal(m.token_len, 1);
	assert_int_equal(m.token[0], 0xff);
	assert_int_equal(m.option_count, 2);
	assert_int_equal(m.options[0].number, 4);
	assert_memory_equal(m.options[0].value, "\xff\xff\xff", 3);
	assert_int_equal(m.options[1].number, 9);
	assert_int_equal(m.payload_len, 2);
	assert_memory_equal(m.payload, "\xff\x01", 2);
}

static size_t token_head_write(uint8_t *out, size_t token_len)
{
	struct msg_writer w;
	static uint8_t token[MSG_TOKEN_MAX];

	for (size_t i = 0; i < token_len; i++)
		token[i] = (uint8_t)(i * 5 + 1);
	msg_begin(&w, out, MSG_TOKEN_MAX + 100, MSG_CON, CODE_GET, 7, token, token_len);
	return msg_end(&w);
}

static void tokens_of_every_form(void **state)
{
	static const struct {
		size_t len, head; /* bytes before the token */
		uint8_t tkl;
	} cases[] = {
		{0, 4, 0}, {1, 4, 1}, {8, 4, 8}, {9, 4, 9}, {12, 4, 12}, {13, 5, 13}, {20, 5, 13}, {268, 5, 13}, {269, 6, 14}, {300, 6, 14},
		{2000, 6, 14}, {MSG_TOKEN_MAX, 6, 14},
	};
	static uint8_t out[MSG_TOKEN_MAX + 100];
	struct msg_view m;

	(void)state;
	covers("C7252-3-2 C8974-2.1-1");
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = token_head_write(out, cases[i].len);
		uint8_t *copy;

		assert_int_equal(len, cases[i].head + cases[i].len);
		assert_int_equal(out[0], 0x40 | cases[i].tkl);
		assert_int_equal(parse_copy(&m, out, len, &copy), MSG_OK);
		assert_non_null(m.token);
		assert_int_equal(m.token_len, cases[i].len);
		assert_memory_equal(m.token, out + cases[i].head, cases[i].len);
		free(copy);
		if (cases[i].len == 0)
			continue;
		assert_int_equal(parse_copy(&m, out, len - 1, &copy), MSG_FORMAT_ERROR);
		assert_null(m.token);
		free(copy);
	}
	assert_int_equal(parse_hex(&m, "4f010001000000000000000000000000000000000000000000"), MSG_FORMAT_ERROR);
	assert_null(m.token);
	assert_int_equal(parse_hex(&m, "4d010001"), MSG_FORMAT_ERROR);
	assert_int_equal(parse_hex(&m, "4e01000100"), MSG_FORMAT_ERROR);
}

static void a_broken_request_keeps_its_token(void **state)
{
	struct hex h = hex_parse("42010001abcd1f");
	struct msg_view m;

	(void)state;
	assert_int_equal(msg_parse_datagram(&m, h.bytes, h.len), MSG_FORMAT_ERROR);
	assert_int_equal(m.token_len, 2);
	assert_memory_equal(m.token, "\xab\xcd", 2);
	assert_int_equal(m.code, CODE_GET);
}

static void options_are_counted(void **state)
{
	uint8_t bytes[MSG_HEADER + MSG_OPTIONS_MAX + 1] = {0x40, CODE_GET, 0, 1};
	struct msg_view m;

	(void)state;
	assert_int_equal(msg_parse_datagram(&m, bytes, sizeof(bytes) - 1), MSG_OK);
	assert_int_equal(m.option_count, MSG_OPTIONS_MAX);
	assert_int_equal(msg_parse_datagram(&m, bytes, sizeof(bytes)), MSG_TOO_MANY_OPTIONS);
	assert_non_null(m.token);
}

static void an_option_as_long_as_a_datagram(void **state)
{
	static uint8_t bytes[70000] = {0x40, CODE_GET, 0, 1, 0x1e, 0xfe, 0xf2};
	struct msg_view m;

	(void)state;
	assert_int_equal(msg_parse_datagram(&m, bytes, 7 + 65535), MSG_OK);
	assert_int_equal(m.options[0].len, 65535);
	assert_int_equal(msg_parse_datagram(&m, bytes, 6 + 65535), MSG_FORMAT_ERROR);
	bytes[6] = 0xf3;
	assert_int_equal(msg_parse_datagram(&m, bytes, sizeof(bytes)), MSG_FORMAT_ERROR);
}

static void uints_by_value(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t value;
		int result;
	} cases[] = {
		{"", 0, 0}, {"00", 0, 0}, {"3c", 60, 0}, {"1633", 5683, 0}, {"001633", 5683, 0}, {"0000000000001633", 5683, 0},
		{"ffffffff", UINT32_MAX, 0}, {"00ffffffff", UINT32_MAX, 0}, {"0100000000", 0, -1}, {"ffffffffff", 0, -1},
	};

	(void)state;
	covers("C7252-3.2-2");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct hex h = hex_parse(cases[i].bytes);
		struct msg_option o = {.len = (uint16_t)h.len, .value = h.bytes};
		uint32_t value = 0;

		assert_int_equal(msg_uint(&o, &value), cases[i].result);
		if (cases[i].result == 0)
			assert_int_equal(value, cases[i].value);
	}
}

static void uints_in_their_shortest_form(void **state)
{
	static const struct {
		uint32_t value;
		const char *option;
	} cases[] = {
		{0, "d001"}, {60, "d1013c"}, {255, "d101ff"}, {256, "d2010100"}, {65536, "d301010000"}, {UINT32_MAX, "d401ffffffff"},
	};

	(void)state;
	covers("C7252-3.2-1");
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t out[64];
		struct msg_writer w;

		msg_begin(&w, out, sizeof(out), MSG_ACK, CODE_CONTENT, 1, NULL, 0);
		msg_add_uint(&w, 14, cases[i].value);
		assert_true(hex_equal("Max-Age", cases[i].option, out + 4, msg_end(&w) - 4));
	}
}

static void options_are_sorted_and_deltas_follow(void **state)
{
	uint8_t out[64];
	struct msg_writer w;
	struct msg_view m;

	(void)state;
	covers("C7252-3.1-2");
	msg_begin(&w, out, sizeof(out), MSG_CON, CODE_GET, 0x0102, (const uint8_t *)"t", 1);
	msg_add_option(&w, 15, "q", 1);
	msg_add_option(&w, 15, "", 0);
	msg_add_uint(&w, 16, 9);
	msg_add_uint(&w, 17, 0);
	msg_add_option(&w, 300, "tag", 3);
	msg_add_option(&w, 65535, NULL, 0);
	msg_add_payload(&w, "pay", 3);
	assert_true(hex_equal("message", "4101010274d1027100110910e3000e746167e0fdc6ff706179", out, msg_end(&w)));
	assert_int_equal(msg_parse_datagram(&m, out, msg_end(&w)), MSG_OK);
	assert_int_equal(m.option_count, 6);
	assert_int_equal(msg_option(&m, 16)->value[0], 9);
	assert_int_equal(msg_option_count(&m, 15), 2);
	assert_int_equal(msg_option_count(&m, 65535), 1);
	assert_int_equal(msg_option_count(&m, 14), 0);
	assert_null(msg_option(&m, 14));
	assert_null(msg_option(&m, 301));

	/* out of order is a fault of ours that must not leave */
	msg_begin(&w, out, sizeof(out), MSG_CON, CODE_GET, 1, NULL, 0);
	msg_add_uint(&w, 17, 0);
	msg_add_uint(&w, 16, 1);
	assert_int_equal(msg_end(&w), 0);
}

static void a_writer_of_every_room(void **state)
{
	static const char long_value[300] = "v";
	uint8_t whole[400];
	size_t full = 0;

	(void)state;
	/* the largest room first, to know what is enough */
	for (size_t room = 400; room-- > 0;) {
		uint8_t *out = malloc(room + 1);
		struct msg_writer w;
		size_t len;

		msg_begin(&w, out, room, MSG_NON, CODE_POST, 1, (const uint8_t *)"token", 5);
		msg_add_option(&w, 3, "host", 4);
		msg_add_option(&w, 60, long_value, sizeof(long_value));
		msg_add_option(&w, 1000, "x", 1);
		msg_add_payload(&w, "payload", 7);
		len = msg_end(&w);
		if (room == 399) {
			full = len;
			memcpy(whole, out, len);
		}
		assert_int_equal(len, room >= full ? full : 0);
		assert_memory_equal(out, whole, len);
		free(out);
	}
	assert_int_equal(full, 4 + 5 + 5 + 4 + 300 + 4 + 8);
}

static void what_no_writer_can_write(void **state)
{
	static uint8_t token[MSG_TOKEN_MAX + 1], out[2 * MSG_TOKEN_MAX];
	struct msg_writer w;

	(void)state;
	msg_begin(&w, out, sizeof(out), MSG_CON, CODE_GET, 1, token, sizeof(token));
	assert_int_equal(msg_end(&w), 0);
	msg_begin(&w, out, sizeof(out), MSG_CON, CODE_GET, 1, NULL, 0);
	msg_add_option(&w, 1, token, 65536);
	assert_int_equal(msg_end(&w), 0);
	msg_begin(&w, out, sizeof(out), MSG_CON, CODE_GET, 1, NULL, 0);
	msg_add_payload(&w, NULL, 0);
	assert_int_equal(msg_end(&w), 4);
}

static void headers_in_place(void **state)
{
	uint8_t bytes[MSG_HEADER];

	(void)state;
	msg_write_empty(bytes, MSG_ACK, 0xabcd);
	assert_memory_equal(bytes, "\x60\x00\xab\xcd", 4);
	msg_write_empty(bytes, MSG_RST, 1);
	assert_memory_equal(bytes, "\x70\x00\x00\x01", 4);
	bytes[0] = 0x4d;
	msg_set_type(bytes, MSG_RST);
	assert_int_equal(bytes[0], 0x7d);
	msg_set_type(bytes, MSG_CON);
	assert_int_equal(bytes[0], 0x4d);
	msg_set_mid(bytes, 0xfffe);
	assert_memory_equal(bytes + 2, "\xff\xfe", 2);
}

static void codes_and_their_texts(void **state)
{
	static const struct {
		uint8_t code;
		const char *text;
		bool request, response;
	} cases[] = {
		{0, "0.00", false, false}, {1, "GET", true, false}, {4, "DELETE", true, false}, {7, "iPATCH", true, false},
		{8, "0.08", true, false}, {31, "0.31", true, false}, {32, "1.00", false, false}, {69, "2.05", false, true},
		{95, "2.31", false, true}, {96, "3.00", false, true}, {164, "5.04", false, true}, {192, "6.00", false, false},
		{225, "7.01", false, false}, {255, "7.31", false, false},
	};
	char text[MSG_CODE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_string_equal(msg_code_text(cases[i].code, text), cases[i].text);
		assert_int_equal(msg_code_is_request(cases[i].code), cases[i].request);
		assert_int_equal(msg_code_is_response(cases[i].code), cases[i].response);
	}
}

/* Whoever holds no key relays the option as it came: whatever it holds, the same bytes leave. */
static void oscore_values_pass_as_they_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(option_cases); i++) {
		struct hex h = hex_parse(option_cases[i].value);
		uint8_t in[600], out[600];
		struct msg_writer w;
		struct msg_view m;

		msg_begin(&w, in, sizeof(in), MSG_CON, CODE_POST, 1, (const uint8_t *)"ab", 2);
		msg_add_option(&w, 9, h.bytes, h.len);
		msg_add_payload(&w, "ciphertext", 10);
		assert_int_equal(msg_parse_datagram(&m, in, msg_end(&w)), MSG_OK);
		msg_begin(&w, out, sizeof(out), MSG_CON, m.code, 1, m.token, m.token_len);
		msg_add_option(&w, 9, m.options[0].value, m.options[0].len);
		msg_add_payload(&w, m.payload, m.payload_len);
		assert_int_equal(m.len, msg_end(&w));
		assert_memory_equal(in, out, m.len);
		assert_true(hex_equal(option_cases[i].name, option_cases[i].value, m.options[0].value, m.options[0].len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_message_is_ignored),
		cmocka_unit_test(empty_messages_hold_nothing),
		cmocka_unit_test(options_that_are_broken),
		cmocka_unit_test(option_numbers_end_at_65535),
		cmocka_unit_test(payload_markers),
		cmocka_unit_test(tokens_of_every_form),
		cmocka_unit_test(a_broken_request_keeps_its_token),
		cmocka_unit_test(options_are_counted),
		cmocka_unit_test(an_option_as_long_as_a_datagram),
		cmocka_unit_test(uints_by_value),
		cmocka_unit_test(uints_in_their_shortest_form),
		cmocka_unit_test(options_are_sorted_and_deltas_follow),
		cmocka_unit_test(a_writer_of_every_room),
		cmocka_unit_test(what_no_writer_can_write),
		cmocka_unit_test(headers_in_place),
		cmocka_unit_test(codes_and_their_texts),
		cmocka_unit_test(oscore_values_pass_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
