/* objects: coap/message.o coap/option.o coap/signal.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coap/signal.h"
#include "tests/unit/covers.h"
#include "tests/unit/hex.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct msg_view view;
static struct hex bytes;

static enum signal_result parse(struct signal *s, struct signal_settings *peer, const char *text)
{
	bytes = hex_parse(text);
	assert_int_equal(msg_parse_datagram(&view, bytes.bytes, bytes.len), MSG_OK);
	assert_true(signal_is(view.code));
	return signal_parse(s, peer, &view);
}

static void which_codes_are_signals(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 256; code++)
		assert_int_equal(signal_is((uint8_t)code), code >= 0xe0);
	assert_int_equal(SIGNAL_CSM, 0xe1);
	assert_int_equal(SIGNAL_PING, 0xe2);
	assert_int_equal(SIGNAL_PONG, 0xe3);
	assert_int_equal(SIGNAL_RELEASE, 0xe4);
	assert_int_equal(SIGNAL_ABORT, 0xe5);
}

static void what_holds_before_a_csm(void **state)
{
	struct signal_settings s;

	(void)state;
	signal_settings_init(&s);
	assert_int_equal(s.message_size, 1152);
	assert_int_equal(s.token_length, 8);
	assert_false(s.blockwise);
	assert_false(signal_settings_take_bert(&s));
}

struct csm_case {
	const char *text;
	uint32_t message_size, token_length;
	bool blockwise;
};

/* Each by itself, from the base values on. */
static void settings_of_one_csm(void **state)
{
	static const struct csm_case cases[] = {
		{ "50e10000", 1152, 8, false },
		{ "50e1000020", 0, 8, false }, { "50e1000021c8", 200, 8, false }, { "50e10000220481", 1153, 8, false },
		{ "50e1000023010000", 65536, 8, false }, { "50e1000024ffffffff", UINT32_MAX, 8, false }, { "50e1000024000000c8", 200, 8, false },
		{ "50e1000040", 1152, 8, true },
		{ "50e1000060", 1152, 8, false }, { "50e100006107", 1152, 8, false }, { "50e100006108", 1152, 8, false },
		{ "50e100006109", 1152, 9, false }, { "50e1000063000100", 1152, 256, false }, { "50e100006301010b", 1152, 65803, false },
		{ "50e100006301010c", 1152, 65804, false }, { "50e100006301010d", 1152, 65804, false }, { "50e1000063ffffff", 1152, 65804, false },
		{ "50e100002204812021ff", 1153, 255, true },
		/* the first of two */
		{ "50e1000021c800", 200, 8, false }, { "50e10000610901ff", 1152, 9, false },
		/* with a token and a payload, which mean nothing */
		{ "54e100000102030422048120ff78", 1153, 8, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct signal_settings peer;
		struct signal s;

		signal_settings_init(&peer);
		assert_int_equal(parse(&s, &peer, cases[i].text), SIGNAL_OK);
		if (peer.message_size != cases[i].message_size || peer.token_length != cases[i].token_length ||
			peer.blockwise != cases[i].blockwise)
			fail_msg("%s: %u %u %d", cases[i].text, peer.message_size, peer.token_length, peer.blockwise);
		assert_int_equal(s.code, SIGNAL_CSM);
	}
}

static void settings_accumulate(void **state)
{
	struct signal_settings peer;
	struct signal s;

	(void)state;
	covers("C8323-5.3-1 C8974-2.2.1-1");
	signal_settings_init(&peer);
	assert_int_equal(parse(&s, &peer, "50e10000220800"), SIGNAL_OK);
	assert_int_equal(parse(&s, &peer, "50e1000040"), SIGNAL_OK);
	assert_int_equal(peer.message_size, 2048);
	assert_true(signal_settings_take_bert(&peer));
	assert_int_equal(parse(&s, &peer, "50e1000061ff"), SIGNAL_OK);
	assert_true(peer.blockwise);
	assert_int_equal(peer.token_length, 255);
	/* an empty one takes nothing back, a later value does; a token length that is too small is no value */
	assert_int_equal(parse(&s, &peer, "50e10000"), SIGNAL_OK);
	assert_int_equal(peer.message_size, 2048);
	assert_int_equal(parse(&s, &peer, "50e100006104"), SIGNAL_OK);
	assert_int_equal(peer.token_length, 255);
	assert_int_equal(parse(&s, &peer, "50e10000220480"), SIGNAL_OK);
	assert_int_equal(peer.message_size, 1152);
	assert_true(peer.blockwise);
	assert_false(signal_settings_take_bert(&peer));
	assert_int_equal(parse(&s, &peer, "50e100002204814110"), SIGNAL_OK); /* Block-Wise-Transfer with a value is not that */
	assert_true(signal_settings_take_bert(&peer));
}

static void bert_needs_both(void **state)
{
	struct signal_settings s;

	(void)state;
	signal_settings_init(&s);
	s.message_size = 1153;
	assert_false(signal_settings_take_bert(&s));
	s.blockwise = true;
	assert_true(signal_settings_take_bert(&s));
	s.message_size = 1152;
	assert_false(signal_settings_take_bert(&s));
}

/* Elective ones that are unknown, of another code's numbers, too long, or there once too often, change nothing. */
static void what_is_ignored(void **state)
{
	static const char *const ignored[] = {
		"50e1000080", "50e10000d0f3", "50e10000e0fef1", "50e1000025000000000a", "50e1000041aa", "50e100006400000100",
		"50e2000040", "50e2000021aa", "50e30000c0", "50e3000022aabb", "50e40000c1aa", "50e4000020", "50e400004400000001", "50e4000060",
		"50e5000023000001", "50e5000040", "50e50000c0",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(ignored); i++) {
		struct signal_settings peer;
		struct signal s;

		signal_settings_init(&peer);
		assert_int_equal(parse(&s, &peer, ignored[i]), SIGNAL_OK);
		if (peer.message_size != 1152 || peer.token_length != 8 || peer.blockwise || s.custody || s.bad_option != 0 || s.hold_off != 0 ||
			s.alternative_count != 0)
			fail_msg("%s is not ignored", ignored[i]);
	}
}

static void critical_options_are_named(void **state)
{
	static const struct {
		const char *text;
		uint16_t number;
	} cases[] = {
		{ "50e1000010", 1 }, { "50e1000090", 9 }, { "50e1000022080010", 3 }, { "50e100002208004010", 7 },
		{ "50e20000d0fc", 265 }, { "50e3000030", 3 }, { "50e400002161d100aa", 15 }, { "50e50000210290", 11 }, { "50e10000e0fef2", 65535 },
		{ "50e0000090", 9 }, { "50ff000090", 9 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct signal_settings peer;
		struct signal s;

		signal_settings_init(&peer);
		assert_int_equal(parse(&s, &peer, cases[i].text), SIGNAL_BAD_OPTION);
		if (s.bad_option != cases[i].number)
			fail_msg("%s: %u", cases[i].text, s.bad_option);
		/* what came with it does not hold */
		assert_int_equal(peer.message_size, 1152);
		assert_false(peer.blockwise);
	}
}

static void codes_without_a_meaning(void **state)
{
	static const char *const unknown[] = { "50e00000", "50e60000", "50ff0000", "50e6000020", "50e6000021aa4161ff78" };

	(void)state;
	for (size_t i = 0; i < COUNT(unknown); i++) {
		struct signal_settings peer;
		struct signal s;

		signal_settings_init(&peer);
		assert_int_equal(parse(&s, &peer, unknown[i]), SIGNAL_UNKNOWN);
		assert_int_equal(peer.message_size, 1152);
		assert_false(s.custody);
		assert_int_equal(s.bad_option, 0);
	}
}

static bool text_is(const struct signal_text *t, const char *expected)
{
	return t->len == strlen(expected) && memcmp(t->text, expected, t->len) == 0;
}

static void what_release_and_abort_say(void **state)
{
	struct signal_settings peer;
	struct signal s;

	(void)state;
	signal_settings_init(&peer);
	assert_int_equal(parse(&s, &peer, "50e40000"), SIGNAL_OK);
	assert_int_equal(s.hold_off, 0);
	assert_int_equal(s.alternative_count, 0);
	assert_null(s.diagnostic.text);
	/* "a:1", "b", 3600 s, later for a diagnostic */
	assert_int_equal(parse(&s, &peer, "50e4000023613a310162220e10ff6c61746572"), SIGNAL_OK);
	assert_int_equal(s.alternative_count, 2);
	assert_true(text_is(&s.alternatives[0], "a:1"));
	assert_true(text_is(&s.alternatives[1], "b"));
	assert_int_equal(s.hold_off, 3600);
	assert_true(text_is(&s.diagnostic, "later"));
	/* more than are kept */
	assert_int_equal(parse(&s, &peer, "50e400002161016201630164016501660167016801690161410a"), SIGNAL_OK);
	assert_int_equal(s.alternative_count, SIGNAL_ALTERNATIVES_MAX);
	assert_true(text_is(&s.alternatives[7], "h"));

	assert_int_equal(parse(&s, &peer, "50e50000210bff6e6f"), SIGNAL_OK);
	assert_int_equal(s.bad_option, 11);
	assert_true(text_is(&s.diagnostic, "no"));
	assert_int_equal(parse(&s, &peer, "50e50000"), SIGNAL_OK);
	assert_int_equal(s.bad_option, 0);
	assert_int_equal(s.diagnostic.len, 0);
	assert_int_equal(parse(&s, &peer, "51e20000aa20"), SIGNAL_OK);
	assert_true(s.custody);
	assert_int_equal(parse(&s, &peer, "51e30000aa20"), SIGNAL_OK);
	assert_true(s.custody);
	/* nothing of these is a setting */
	assert_int_equal(peer.message_size, 1152);
}

static void signals_as_they_are_written(void **state)
{
	struct signal_settings ours = { .message_size = 17536, .token_length = 32, .blockwise = true };
	uint8_t out[64], token[14] = { 1, 2, 3 };

	(void)state;
	assert_true(hex_equal("csm", "50e10000224480202120", out, signal_write_csm(out, sizeof out, &ours)));
	signal_settings_init(&ours);
	assert_true(hex_equal("csm", "50e10000220480", out, signal_write_csm(out, sizeof out, &ours)));
	assert_true(hex_equal("ping", "50e20000", out, signal_write_ping(out, sizeof out, SIGNAL_PING, NULL, 0, false)));
	assert_true(hex_equal("ping", "53e2000001020320", out, signal_write_ping(out, sizeof out, SIGNAL_PING, token, 3, true)));
	assert_true(hex_equal("pong", "5de30000010102030000000000000000000000", out,
		signal_write_ping(out, sizeof out, SIGNAL_PONG, token, 14, false)));
	assert_true(hex_equal("release", "50e40000", out, signal_write_release(out, sizeof out, NULL, 0)));
	assert_true(hex_equal("release", "50e4000023613a312105", out, signal_write_release(out, sizeof out, "a:1", 5)));
	assert_true(hex_equal("release", "50e4000043ffffff", out, signal_write_release(out, sizeof out, NULL, UINT32_MAX)));
	assert_true(hex_equal("abort", "50e50000", out, signal_write_abort(out, sizeof out, 0, "")));
	assert_true(hex_equal("abort", "50e500002109ff6e6f", out, signal_write_abort(out, sizeof out, 9, "no")));
	assert_true(hex_equal("abort", "50e50000ff6e6f", out, signal_write_abort(out, sizeof out, 0, "no")));
	/* the words have what room there is, the rest must fit */
	for (size_t capacity = 6; capacity < 9; capacity++)
		assert_int_equal(signal_write_abort(out, capacity, 9, "no"), capacity < 8 ? 6 : 8);
	for (size_t capacity = 0; capacity < 6; capacity++)
		assert_int_equal(signal_write_abort(out, capacity, 9, "no"), 0);
	for (size_t capacity = 0; capacity < 7; capacity++)
		assert_int_equal(signal_write_csm(out, capacity, &ours), 0);
	for (size_t capacity = 0; capacity < 8; capacity++) {
		assert_int_equal(signal_write_ping(out, capacity, SIGNAL_PING, token, 3, true), 0);
		assert_int_equal(signal_write_release(out, capacity, "a:1", 0), 0);
	}
}

static void what_is_written_is_read(void **state)
{
	uint8_t out[600];
	uint32_t seed = 99;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		struct signal_settings ours, peer;
		struct signal s;
		size_t len;

		seed = seed * 1664525 + 1013904223;
		ours = (struct signal_settings){
			.message_size = seed >> (seed & 31), .token_length = 8 + (seed >> 7) % (MSG_TOKEN_MAX - 7), .blockwise = seed >> 31,
		};
		len = signal_write_csm(out, sizeof out, &ours);
		signal_settings_init(&peer);
		assert_int_equal(msg_parse_datagram(&view, out, len), MSG_OK);
		assert_int_equal(signal_parse(&s, &peer, &view), SIGNAL_OK);
		assert_int_equal(peer.message_size, ours.message_size);
		assert_int_equal(peer.token_length, ours.token_length);
		assert_int_equal(peer.blockwise, ours.blockwise);

		len = signal_write_release(out, sizeof out, i & 1 ? "host.example:5683" : NULL, seed >> (8 + (seed & 15)));
		assert_int_equal(msg_parse_datagram(&view, out, len), MSG_OK);
		assert_int_equal(signal_parse(&s, &peer, &view), SIGNAL_OK);
		assert_int_equal(s.hold_off, seed >> (8 + (seed & 15)));
		assert_int_equal(s.alternative_count, i & 1);

		len = signal_write_abort(out, sizeof out, (uint16_t)seed, "words");
		assert_int_equal(msg_parse_datagram(&view, out, len), MSG_OK);
		assert_int_equal(signal_parse(&s, &peer, &view), SIGNAL_OK);
		assert_int_equal(s.bad_option, (uint16_t)seed);
		assert_true(text_is(&s.diagnostic, "words"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_codes_are_signals),
		cmocka_unit_test(what_holds_before_a_csm),
		cmocka_unit_test(settings_of_one_csm),
		cmocka_unit_test(settings_accumulate),
		cmocka_unit_test(bert_needs_both),
		cmocka_unit_test(what_is_ignored),
		cmocka_unit_test(critical_options_are_named),
		cmocka_unit_test(codes_without_a_meaning),
		cmocka_unit_test(what_release_and_abort_say),
		cmocka_unit_test(signals_as_they_are_written),
		cmocka_unit_test(what_is_written_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
