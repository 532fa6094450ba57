/* objects: tests/sim/link_world.o STREAM_OBJS COAP_OBJS TLS_OBJS BASE_OBJS proxy/edge/websocket.o proxy/edge/websocket_handshake.o proxy/http/material.o base/clock_steered.o base/random_seeded.o */
/* One connection of CoAP: what it makes of bytes however they come, what it says of itself, and what waits for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/random.h"
#include "tests/sim/link_world.h"
#include "tests/unit/covers.h"

static uint8_t bytes[1 << 20];

/* ---- bytes ---- */

/* A CSM and messages of many sizes, with Empty ones between. */
static size_t sample(uint8_t *out)
{
	static const size_t sizes[] = { 0, 1, 11, 12, 13, 14, 200, 267, 268, 269, 300, 1200 };
	size_t len = peer_signal(out, SIGNAL_CSM, NULL, 0);

	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		len += peer_message(out + len, i % 2 ? CODE_POST : CODE_CONTENT, i % 3 ? "token" : "", NULL, 0, sizes[i]);
		if (i % 4 == 0)
			len += peer_signal(out + len, CODE_EMPTY, NULL, 0);
	}
	return len;
}

static void test_every_cut(void **state)
{
	static uint8_t expected[NOTED_MAX];
	size_t len = sample(bytes), expected_len;

	(void)state;
	covers("C8323-3.2-1 C8323-3.2-2 C8323-3.4-1");
	link_begin(false);
	peer_send(bytes, len);
	assert_int_equal(world.messages, 12);
	expected_len = world.noted_len;
	memcpy(expected, world.noted, expected_len);
	/* inside is the form of datagrams: version 1, NON, Message ID 0 */
	assert_memory_equal(expected + 4, "\x50\x45\0\0", 4);
	for (size_t cut = 1; cut < len; cut++) {
		link_begin(false);
		peer_send(bytes, cut);
		peer_send(bytes + cut, len - cut);
		assert_int_equal(world.noted_len, expected_len);
		assert_memory_equal(world.noted, expected, expected_len);
		assert_null(world.link->in);
	}
	link_begin(true);
	for (size_t i = 0; i < len; i++)
		peer_send(bytes + i, 1);
	assert_int_equal(world.noted_len, expected_len);
	assert_memory_equal(world.noted, expected, expected_len);
}

/* A buffer is not made for what is only announced. */
static void test_memory_follows_what_came(void **state)
{
	size_t len;

	(void)state;
	link_begin(false);
	peer_send_csm(0);
	len = peer_message(bytes, CODE_POST, "t", NULL, 0, 16384);
	for (size_t i = 0; i < len - 1; i++) {
		peer_send(bytes + i, 1);
		assert_true(world.link->in_room <= 256 || world.link->in_room <= 2 * (i + 1));
	}
	assert_int_equal(world.messages, 0);
	peer_send(bytes + len - 1, 1);
	assert_int_equal(world.messages, 1);
	assert_null(world.link->in);
}

static void test_messages_as_large_as_we_said(void **state)
{
	size_t len;

	(void)state;
	covers("C8323-5.6-1");
	link_begin(false);
	peer_send_csm(0);
	len = peer_message(bytes, CODE_POST, "t", NULL, 0, 17536 - 6);
	assert_int_equal(len, 17536);
	peer_send(bytes, len);
	assert_int_equal(world.messages, 1);
	len = peer_message(bytes, CODE_POST, "t", NULL, 0, 17536 - 5);
	peer_send(bytes, 4); /* is enough to see it */
	assert_int_equal(world.ended, 1);
	assert_int_equal(peer_count(SIGNAL_ABORT, NULL), 1);
}

/* Whatever comes in whatever pieces: the same is made of it as in one piece, and nothing breaks. */
static void test_random_bytes(void **state)
{
	static uint8_t whole[NOTED_MAX];

	(void)state;
	for (unsigned round = 0; round < 1500; round++) {
		size_t len = sample(bytes), whole_len;
		unsigned ended;

		for (unsigned n = random_u32() % 4; n > 0; n--)
			bytes[random_u32() % len] = (uint8_t)random_u32();
		len -= random_u32() % 64;
		link_begin(round % 2);
		peer_send(bytes, len);
		whole_len = world.noted_len;
		ended = world.ended;
		memcpy(whole, world.noted, whole_len);
		link_begin(round % 2);
		for (size_t at = 0, part; at < len; at += part) {
			part = 1 + random_u32() % 300;
			part = part < len - at ? part : len - at;
			(void)peer_push(bytes + at, part);
			link_run();
		}
		assert_int_equal(world.ended, ended);
		/* A Release with nothing under way is the end when its turn is over: of what follows only the same piece is taken. */
		assert_true(world.noted_len == whole_len || (world.released > 0 && world.noted_len < whole_len));
		assert_memory_equal(world.noted, whole, world.noted_len);
	}
}

/* ---- capabilities ---- */

static void test_ours_come_first(void **state)
{
	struct msg_view m;

	(void)state;
	covers("C8323-3.3-1 C8323-3.3-2 C8974-2.2.1-1");
	for (int to_origin = 0; to_origin < 2; to_origin++) {
		uint32_t value;

		link_begin(to_origin);
		assert_true(peer_frame(0, &m));
		assert_int_equal(m.code, SIGNAL_CSM);
		assert_int_equal(msg_uint(msg_option(&m, 2), &value), 0);
		assert_int_equal(value, 17536);
		assert_non_null(msg_option(&m, 4));
		assert_int_equal(msg_uint(msg_option(&m, 6), &value), 0);
		assert_int_equal(value, 32);
		assert_int_equal(world.opened, 0);
		peer_send_csm(0);
		assert_int_equal(world.opened, 1);
		assert_int_equal(peer_frames(), 1);
	}
}

static void send_message(size_t payload)
{
	static uint8_t datagram[STREAM_HEADROOM + NOTED_MAX];
	size_t len = peer_message(datagram + STREAM_HEADROOM, CODE_PUT, "ours", NULL, 0, payload);
	struct stream_frame f;
	uint8_t *at;

	assert_int_equal(stream_frame_read(&f, STREAM_FRAMED, datagram + STREAM_HEADROOM, len, NOTED_MAX), STREAM_FRAME);
	at = stream_frame_to_datagram(datagram + STREAM_HEADROOM, &f, &len);
	stream_link_send(world.link, at, len);
}

static void test_what_waits_for_theirs(void **state)
{
	struct msg_view m;

	(void)state;
	covers("C8323-5.3.1-1");
	link_begin(true);
	send_message(10);
	send_message(1000);
	send_message(20);
	assert_int_equal(stream_link_limit(world.link), 1152);
	assert_int_equal(peer_frames(), 1);
	peer_send_csm(200);
	assert_int_equal(stream_link_limit(world.link), 200);
	assert_int_equal(world.refused, 1);
	assert_int_equal(peer_frames(), 3);
	assert_true(peer_frame(2, &m));
	assert_int_equal(m.payload_len, 20);
	assert_null(world.link->waiting);
	/* longer than he takes: whoever sent it should have asked */
	send_message(300);
	assert_int_equal(peer_frames(), 3);
	peer_send_csm(2000); /* the latest word counts */
	send_message(300);
	assert_int_equal(peer_frames(), 4);
	assert_int_equal(world.opened, 1);
}

/* By block-wise transfer and messages above the base size together; the latest word counts. */
static void test_large_blocks(void **state)
{
	static const uint8_t blockwise[] = { 0x40 };

	(void)state;
	covers("C8323-5.3-1 C8323-5.3.2-1");
	link_begin(false);
	peer_send_csm(5000);
	assert_false(signal_settings_take_bert(&world.link->theirs));
	assert_false(world.link->theirs.blockwise);
	peer_send(bytes, peer_signal(bytes, SIGNAL_CSM, blockwise, sizeof blockwise));
	assert_true(signal_settings_take_bert(&world.link->theirs));
	assert_int_equal(stream_link_limit(world.link), 5000);
	peer_send_csm(1152);
	assert_false(signal_settings_take_bert(&world.link->theirs));
	assert_true(world.link->theirs.blockwise);
	peer_send_csm(1153);
	assert_true(signal_settings_take_bert(&world.link->theirs));
}

static void test_what_waits_is_bounded(void **state)
{
	(void)state;
	link_begin(true);
	for (unsigned i = 0; i < STREAM_LINK_WAITING_MAX / 1000 + 2; i++)
		send_message(1000);
	assert_int_equal(world.ended, 0); /* nothing is told from within a call */
	link_run();
	assert_int_equal(world.ended, 1);
	assert_int_equal(world.error, ERR_OVERLOAD);
}

static void expect_abort(const char *why)
{
	struct msg_view m;

	assert_int_equal(peer_count(SIGNAL_ABORT, &m), 1);
	assert_true(m.payload_len > 0);
	assert_non_null(memmem(m.payload, m.payload_len, why, strlen(why)));
	assert_int_equal(world.ended, 1);
	assert_true(world.got_end);
	/* what else comes is thrown away, and does not reset him before he has read that */
	(void)peer_push(bytes, 1000);
	link_run();
	assert_int_equal(world.freed, 0);
	peer_close(false);
	assert_int_equal(world.freed, 1);
	assert_int_equal(world.ended, 1);
}

static void test_the_first_message(void **state)
{
	static const uint8_t codes[] = { CODE_GET, CODE_CONTENT, SIGNAL_PING, SIGNAL_PONG, SIGNAL_RELEASE, MSG_CODE(7, 9), MSG_CODE(1, 0) };

	(void)state;
	covers("C8323-3.3-1");
	for (unsigned i = 0; i < 2 * sizeof codes; i++) {
		link_begin(i % 2);
		peer_send(bytes, peer_message(bytes, codes[i / 2], "t", NULL, 0, 3));
		expect_abort("CSM");
		assert_int_equal(world.messages, 0);
		assert_int_equal(world.opened, 0);
	}
	/* a CSM that cannot be read */
	link_begin(false);
	peer_send("\x10\xe1\xff", 3);
	expect_abort("malformed");
	/* Abort, too, may come first */
	link_begin(false);
	peer_send("\x00\xe5", 2);
	assert_int_equal(world.ended, 1);
	assert_int_equal(peer_count(SIGNAL_ABORT, NULL), 0);
}

static void test_no_csm_in_time(void **state)
{
	(void)state;
	link_begin(true);
	send_message(5);
	link_pass(9 * CLOCK_SECOND);
	assert_int_equal(world.ended, 0);
	link_pass(2 * CLOCK_SECOND);
	assert_int_equal(world.error, ERR_ORIGIN_TIMEOUT);
	expect_abort("in time");
	assert_int_equal(peer_frames(), 2); /* nothing but signals ever left */
}

static void test_long_tokens(void **state)
{
	(void)state;
	covers("C8974-2.2.1-1");
	link_begin(false);
	peer_send_csm(0);
	peer_send(bytes, peer_message(bytes, CODE_GET, "0123456789abcdef0123456789abcdef", NULL, 0, 0));
	assert_int_equal(world.messages, 1);
	peer_send(bytes, peer_message(bytes, CODE_GET, "0123456789abcdef0123456789abcdefX", NULL, 0, 0));
	assert_int_equal(world.messages, 1);
	expect_abort("token");
}

static void test_malformed_messages(void **state)
{
	(void)state;
	covers("C8323-5.6-1");
	link_begin(false);
	peer_send_csm(0);
	world.malformed = true;
	peer_send(bytes, peer_message(bytes, CODE_GET, "t", NULL, 0, 0));
	expect_abort("malformed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_cut, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_memory_follows_what_came, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_messages_as_large_as_we_said, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_random_bytes, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_ours_come_first, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_what_waits_for_theirs, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_large_blocks, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_what_waits_is_bounded, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_the_first_message, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_no_csm_in_time, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_long_tokens, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_malformed_messages, link_world_open, link_world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
