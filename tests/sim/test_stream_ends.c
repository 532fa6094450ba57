/* objects: tests/sim/link_world.o STREAM_OBJS COAP_OBJS TLS_OBJS BASE_OBJS proxy/edge/websocket.o proxy/edge/websocket_handshake.o proxy/http/material.o base/clock_steered.o base/random_seeded.o */
/* One connection of CoAP: its signals, its time, who is slow, and how it ends in each of its states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/sim/link_world.h"
#include "tests/unit/covers.h"

static uint8_t bytes[1 << 20];

static const uint8_t custody[] = { 0x20 };

static void open_link(bool to_origin)
{
	link_begin(to_origin);
	peer_send_csm(1 << 20);
	assert_int_equal(world.opened, 1);
}

static void send_message(const char *token, size_t payload)
{
	static uint8_t datagram[32 + 65536];
	struct msg_writer w;

	msg_begin(&w, datagram, sizeof datagram, MSG_NON, CODE_CONTENT, 0, (const uint8_t *)token, strlen(token));
	msg_add_payload(&w, bytes, payload);
	stream_link_send(world.link, datagram, msg_end(&w));
}

static void ping(const char *token, bool wants_custody)
{
	peer_send(bytes, peer_message(bytes, SIGNAL_PING, token, custody, wants_custody, 0));
}

/* ---- Ping ---- */

static void test_pings(void **state)
{
	struct msg_view m;

	(void)state;
	covers("C8323-5.4-1");
	for (int to_origin = 0; to_origin < 2; to_origin++) {
		open_link(to_origin);
		world.under_way = 3;
		ping("one", false);
		assert_int_equal(peer_count(SIGNAL_PONG, &m), 1);
		assert_memory_equal(m.token, "one", 3);
		assert_int_equal(m.option_count, 0);
	}
	/* what an origin said is done with */
	ping("two", true);
	assert_int_equal(peer_count(SIGNAL_PONG, &m), 2);
	assert_int_equal(m.option_count, 1);
}

static void test_custody(void **state)
{
	struct msg_view m;

	(void)state;
	covers("C8323-5.4-1");
	open_link(false);
	world.under_way = 2;
	ping("slow", true);
	/* what comes behind it is not begun meanwhile */
	peer_send(bytes, peer_message(bytes, CODE_GET, "next", NULL, 0, 0));
	assert_int_equal(peer_count(SIGNAL_PONG, NULL), 0);
	assert_int_equal(world.messages, 0);
	world.under_way = 1;
	send_message("a", 10);
	assert_int_equal(peer_count(SIGNAL_PONG, NULL), 0);
	world.under_way = 0;
	send_message("b", 10);
	assert_int_equal(peer_count(SIGNAL_PONG, &m), 1);
	assert_memory_equal(m.token, "slow", 4);
	assert_int_equal(m.option_count, 1);
	assert_int_equal(m.options[0].number, 2);
	assert_int_equal(world.messages, 1);
	/* behind the answers */
	assert_true(peer_frame(3, &m));
	assert_int_equal(m.code, SIGNAL_PONG);
}

static void test_custody_in_time(void **state)
{
	struct msg_view m;

	(void)state;
	open_link(false);
	world.under_way = 1;
	ping("slow", true);
	peer_send(bytes, peer_message(bytes, CODE_GET, "next", NULL, 0, 0));
	link_pass(4 * CLOCK_SECOND);
	assert_int_equal(peer_count(SIGNAL_PONG, NULL), 0);
	link_pass(2 * CLOCK_SECOND);
	assert_int_equal(peer_count(SIGNAL_PONG, &m), 1);
	assert_int_equal(m.option_count, 0);
	assert_int_equal(world.messages, 1);
	/* one whose requests end without an answer */
	ping("again", true);
	world.under_way = 0;
	link_pass(2 * CLOCK_SECOND);
	assert_int_equal(peer_count(SIGNAL_PONG, &m), 2);
	assert_int_equal(m.option_count, 1);
}

static void test_keepalive(void **state)
{
	(void)state;
	world.listener.keepalive = 10 * CLOCK_SECOND;
	open_link(false);
	for (unsigned i = 1; i < 4; i++) {
		link_pass(10 * CLOCK_SECOND + WHEEL_TICK);
		assert_int_equal(peer_count(SIGNAL_PING, NULL), i);
		peer_send("\x00\xe3", 2);
	}
	link_pass(10 * CLOCK_SECOND + WHEEL_TICK);
	assert_int_equal(world.ended, 0);
	link_pass(10 * CLOCK_SECOND + WHEEL_TICK);
	assert_int_equal(world.ended, 1);
	assert_int_equal(world.freed, 1);
	peer_read();
	assert_true(world.got_end);
}

/* ---- Release ---- */

static void test_release_by_a_client(void **state)
{
	static const uint8_t options[] = { 0x21, 'x', 0x21, 60 };

	(void)state;
	covers("C8323-5.5-1");
	open_link(false);
	world.under_way = 1;
	peer_send(bytes, peer_signal(bytes, SIGNAL_RELEASE, options, sizeof options));
	assert_int_equal(world.released, 1);
	assert_int_equal(world.hold_off, 60);
	assert_int_equal(world.ended, 0);
	world.under_way = 0;
	send_message("last", 100);
	assert_int_equal(peer_count(CODE_CONTENT, NULL), 1);
	assert_int_equal(world.ended, 1);
	assert_true(world.got_end);
	/* without one under way it ends at once */
	open_link(false);
	peer_send(bytes, peer_signal(bytes, SIGNAL_RELEASE, NULL, 0));
	assert_int_equal(world.ended, 1);
}

static void test_release_by_us(void **state)
{
	(void)state;
	covers("C8323-5.5-1");
	open_link(false);
	world.under_way = 1;
	stream_link_release(world.link);
	link_pass(5 * CLOCK_SECOND);
	assert_int_equal(peer_count(SIGNAL_RELEASE, NULL), 1);
	assert_int_equal(world.ended, 0);
	world.under_way = 0;
	send_message("last", 100);
	link_run();
	assert_int_equal(peer_count(CODE_CONTENT, NULL), 1);
	assert_int_equal(world.ended, 1);
	/* he has time to close it, or to say what he was saying */
	open_link(false);
	stream_link_release(world.link);
	link_run();
	assert_int_equal(world.ended, 0);
	peer_send(bytes, peer_message(bytes, CODE_GET, "late", NULL, 0, 0));
	assert_int_equal(world.messages, 1);
	peer_close(false);
	assert_int_equal(world.freed, 1);
	open_link(false);
	stream_link_release(world.link);
	link_pass(3 * CLOCK_SECOND);
	assert_int_equal(world.ended, 1);
	/* who is never finished is not waited for for ever */
	open_link(false);
	world.under_way = 1;
	stream_link_release(world.link);
	link_pass(31 * CLOCK_SECOND);
	assert_int_equal(world.ended, 1);
	/* an origin's, with nothing under way, ends at once */
	open_link(true);
	stream_link_release(world.link);
	assert_int_equal(world.ended, 0);
	link_run();
	assert_int_equal(world.ended, 1);
	assert_int_equal(peer_count(SIGNAL_RELEASE, NULL), 1);
}

static void test_idle(void **state)
{
	(void)state;
	for (int to_origin = 0; to_origin < 2; to_origin++) {
		uint64_t idle = to_origin ? 300 * CLOCK_SECOND : 3600 * CLOCK_SECOND;

		open_link(to_origin);
		link_pass(idle - CLOCK_SECOND);
		peer_send(bytes, peer_message(bytes, CODE_GET, "t", NULL, 0, 0));
		link_pass(idle - CLOCK_SECOND);
		peer_send("\x00\xe2", 2); /* no message of his business */
		world.observed = true;
		link_pass(2 * CLOCK_SECOND);
		assert_int_equal(peer_count(SIGNAL_RELEASE, NULL), 0);
		world.observed = false;
		world.under_way = 1;
		link_pass(idle + CLOCK_SECOND);
		assert_int_equal(peer_count(SIGNAL_RELEASE, NULL), 0);
		world.under_way = 0;
		link_pass(idle + CLOCK_SECOND);
		assert_int_equal(peer_count(SIGNAL_RELEASE, NULL), 1);
		link_pass(4 * CLOCK_SECOND);
		assert_int_equal(world.ended, 1);
	}
}

/* ---- who is slow ---- */

static void test_requests_under_way(void **state)
{
	size_t one = peer_message(bytes, CODE_GET, "t", NULL, 0, 0), sent = 0, fill = 0;

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		fill += peer_message(bytes + fill, CODE_GET, "t", NULL, 0, 0);
	open_link(false);
	world.under_way = STREAM_LINK_ASKED_MAX;
	for (unsigned i = 0; i < 1000; i++) {
		size_t pushed = peer_push(bytes + sent % fill, fill - sent % fill);

		link_run();
		sent += pushed;
		if (pushed == 0)
			break;
	}
	assert_true(sent > 0);
	assert_true(world.messages <= 16);
	assert_true(world.link->in_room <= 16384 + 16);
	/* one that ends without a word of ours is noticed, too */
	world.under_way = 0;
	link_pass(2 * CLOCK_SECOND);
	assert_int_equal(world.messages, sent / one);
	/* an origin is read in any case */
	open_link(true);
	world.under_way = 100000;
	peer_send(bytes, 100 * one);
	assert_int_equal(world.messages, 100);
}

static void test_slow_readers(void **state)
{
	unsigned sent = 0;

	(void)state;
	open_link(false);
	while (!stream_link_is_slow(world.link)) {
		send_message("big", 16000);
		link_run();
		sent++;
	}
	/* nothing more is read of him, nor sent by us */
	peer_send(bytes, peer_message(bytes, CODE_GET, "t", NULL, 0, 0));
	link_run();
	peer_send(bytes, peer_message(bytes, CODE_GET, "t", NULL, 0, 0));
	assert_true(world.messages <= 1);
	link_pass(40 * CLOCK_SECOND);
	assert_int_equal(world.writable, 0);
	while (world.writable == 0) {
		world.got_len = 0;
		peer_read();
	}
	assert_int_equal(world.writable, 1);
	assert_false(stream_link_is_slow(world.link));
	link_pass(2 * CLOCK_SECOND);
	assert_int_equal(world.messages, 2);
	assert_true(sent > 4);
}

static void test_who_takes_nothing(void **state)
{
	(void)state;
	open_link(false);
	while (!stream_link_is_slow(world.link)) {
		send_message("big", 16000);
		link_run();
	}
	link_pass(59 * CLOCK_SECOND);
	assert_int_equal(world.ended, 0);
	link_pass(2 * CLOCK_SECOND);
	assert_int_equal(world.ended, 1);
	assert_int_equal(world.freed, 1);
	/* and who is sent too much */
	open_link(false);
	for (unsigned i = 0; i < STREAM_LINK_HELD_MAX / 16000 + 600 && world.ended == 0; i++) {
		send_message("big", 16000);
		link_run();
	}
	assert_int_equal(world.ended, 1);
	assert_int_equal(world.error, ERR_OVERLOAD);
	assert_int_equal(stream_links_held(), 0);
}

static void test_all_together_hold_too_much(void **state)
{
	(void)state;
	open_link(false);
	for (unsigned i = 0; i < 400 && world.link->socket.held == 0; i++) {
		send_message("big", 16000);
		link_run();
	}
	assert_true(world.link->socket.held > 0);
	assert_false(stream_link_is_slow(world.link));
	world.conf.settings.queue_memory = 1000;
	assert_true(stream_link_is_slow(world.link));
}

/* A flood of Pings is answered as fast as it is read, and not read faster. */
static void test_a_flood_of_pings(void **state)
{
	size_t sent = 0, pushed;

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i += 2)
		memcpy(bytes + i, "\x00\xe2", 2);
	open_link(false);
	for (unsigned i = 0; i < 100000 && (pushed = peer_push(bytes, sizeof bytes)) > 0; i++) {
		sent += pushed;
		link_run();
		assert_true(world.link->socket.held <= STREAM_LINK_SLOW + 2 * 16384);
	}
	assert_true(sent > 0);
	assert_int_equal(world.ended, 0);
}

/* ---- ends ---- */

static void test_ends_in_every_state(void **state)
{
	(void)state;
	covers("C8323-3.4-2");
	for (unsigned how = 0; how < 2; how++) {
		for (int to_origin = 0; to_origin < 2; to_origin++) {
			/* before his first message, and in the midst of it */
			for (unsigned cut = 0; cut < 2; cut++) {
				link_begin(to_origin);
				if (cut > 0)
					peer_send("\x00", 1);
				peer_close(how > 0);
				assert_int_equal(world.ended, 1);
				assert_int_equal(world.freed, 1);
				assert_int_equal(world.error, ERR_UNREACHABLE);
			}
			/* between messages, and in the midst of one */
			for (unsigned cut = 0; cut < 2; cut++) {
				open_link(to_origin);
				if (cut > 0)
					peer_send("\xd3\x09\x01" "ab", 5);
				peer_close(how > 0);
				assert_int_equal(world.ended, 1);
				assert_int_equal(world.freed, 1);
			}
			/* when it was released, and lingers */
			open_link(to_origin);
			stream_link_release(world.link);
			link_run();
			peer_close(how > 0);
			assert_int_equal(world.ended, 1);
			assert_int_equal(world.freed, 1);
			open_link(to_origin);
			stream_link_abort(world.link, 0, "why");
			link_run();
			peer_close(how > 0);
			assert_int_equal(world.ended, 1);
			assert_int_equal(world.freed, 1);
		}
	}
}

static void test_half_closed(void **state)
{
	(void)state;
	covers("C8323-5.5-1");
	open_link(false);
	world.under_way = 1;
	peer_send(bytes, peer_signal(bytes, SIGNAL_RELEASE, NULL, 0));
	shutdown(world.peer, SHUT_WR);
	link_run();
	assert_int_equal(world.ended, 0);
	world.under_way = 0;
	send_message("last", 10);
	assert_int_equal(peer_count(CODE_CONTENT, NULL), 1);
	assert_int_equal(world.freed, 1);
	/* an origin that has closed his answers nothing */
	open_link(true);
	world.under_way = 1;
	peer_send(bytes, peer_signal(bytes, SIGNAL_RELEASE, NULL, 0));
	assert_int_equal(world.ended, 0);
	shutdown(world.peer, SHUT_WR);
	link_run();
	assert_int_equal(world.ended, 1);
	/* without a word before, it is over */
	open_link(false);
	world.under_way = 1;
	shutdown(world.peer, SHUT_WR);
	link_run();
	assert_int_equal(world.freed, 1);
}

static void test_nobody_is_there(void **state)
{
	(void)state;
	link_begin_to_port(1);
	for (unsigned i = 0; i < 5000 && world.ended == 0; i++) {
		usleep(1000); /* the kernel may take its time */
		link_run();
	}
	assert_int_equal(world.ended, 1);
	assert_int_equal(world.freed, 1);
	assert_int_equal(world.error, ERR_UNREACHABLE);
	assert_int_equal(world.opened, 0);
}

static void test_nothing_behind_an_abort(void **state)
{
	struct msg_view m;

	(void)state;
	covers("C8323-5.2-1 C8323-5.6-1");
	open_link(false);
	/* two that cannot be understood, and one that could, in one piece */
	peer_send("\x10\xe1\x90" "\x10\xe1\x90" "\x00\xe2", 8);
	send_message("t", 10);
	ping("t", false);
	assert_int_equal(peer_count(SIGNAL_ABORT, &m), 1);
	assert_int_equal(m.option_count, 1);
	assert_int_equal(m.options[0].value[0], 9);
	assert_int_equal(peer_frames(), 2);
	assert_int_equal(world.ended, 1);
	assert_int_equal(world.freed, 0);
	link_pass(5 * CLOCK_SECOND);
	assert_int_equal(world.freed, 1);
}

/* Who says Abort gets nothing more. */
static void test_aborted(void **state)
{
	(void)state;
	open_link(false);
	peer_send("\x40\xe5\xff" "why" "\x00\xe2", 8);
	assert_int_equal(world.ended, 1);
	peer_read();
	assert_int_equal(peer_frames(), 1);
	assert_true(world.got_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pings, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_custody, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_custody_in_time, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_keepalive, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_release_by_a_client, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_release_by_us, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_idle, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_requests_under_way, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_slow_readers, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_who_takes_nothing, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_all_together_hold_too_much, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_a_flood_of_pings, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_ends_in_every_state, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_half_closed, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_nobody_is_there, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_nothing_behind_an_abort, link_world_open, link_world_close),
		cmocka_unit_test_setup_teardown(test_aborted, link_world_open, link_world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
