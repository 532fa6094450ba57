/* objects: tests/sim/http_world.o HTTP_SERVER_OBJS proxy/edge/accepting.o proxy/edge/stream_socket.o proxy/edge/tls_socket.o proxy/edge/shared_bio.o BASE_OBJS translate/http_message.o coap/message.o coap/uri.o base/clock_steered.o base/random_seeded.o */
/*
 * Connections that become another protocol's: when, with what, and what is left of them here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/http/connection_parts.h"
#include "proxy/http/server.h"
#include "tests/sim/http_world.h"

#define HANDED "GET /handed HTTP/1.1\r\n" HOST "\r\n"

/* The socket is the taker's: what he writes and reads goes to the client, and nothing of the server's does. */
static void check_taken(struct caller *c)
{
	char bytes[8];

	assert_int_equal(world.handed.times, 1);
	assert_true(world.handed.fd >= 0);
	assert_null(world.handed.tls);
	assert_int_equal(send(world.handed.fd, "hello", 5, 0), 5);
	WORLD_UNTIL(caller_has(c, "hello") == 1);
	assert_int_equal(send(c->fd, "yes", 3, 0), 3);
	for (unsigned i = 0; i < 10; i++)
		world_run();
	assert_int_equal(recv(world.handed.fd, bytes, sizeof bytes, MSG_DONTWAIT), 3);
	world_pass(1000 * CLOCK_SECOND);
	assert_false(c->ended);
	close(world.handed.fd);
	caller_read(c);
	assert_true(c->ended);
	assert_false(c->reset);
}

static void test_it_is_handed_over_with_what_came_behind(void **state)
{
	static const char *const ahead[] = { "", "\x82\x01", "GET /now HTTP/1.1\r\n" HOST "\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof ahead / sizeof ahead[0]; i++) {
		struct caller *c = caller_new(WORLD_PLAIN);
		char text[256];

		memset(&world.handed, 0, sizeof world.handed);
		strcpy(text, HANDED);
		strcat(text, ahead[i]);
		caller_send(c, text);
		assert_string_equal(world.handed.ahead, ahead[i]);
		assert_string_equal(caller_read(c), "");
		check_taken(c);
		caller_free(c);
	}
}

static void test_behind_others(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "GET /now HTTP/1.1\r\n" HOST "\r\nGET /slow HTTP/1.1\r\n" HOST "\r\n" HANDED "more");
	assert_int_equal(world.handed.times, 0);
	answer(1, 200, "slow");
	world_run();
	assert_int_equal(caller_has(c, "HTTP/1.1 200"), 2);
	assert_string_equal(world.handed.ahead, "more");
	check_taken(c);
	caller_free(c);
}

/* A client who reads nothing asks for as much as the kernel and the connection just hold, and for the handing over behind it. */
static struct caller *caller_with_answers_held(uint64_t *length)
{
	const uint64_t endless = 64 << 20;
	struct caller *c = caller_new(WORLD_PLAIN);
	size_t first = world.begun;

	caller_send(c, "GET /much HTTP/1.1\r\n" HOST "\r\n");
	answer_much(first, endless, endless);
	for (unsigned i = 0; i < 200; i++)
		world_run();
	*length = endless - world.requests[first].to_send - BLOCKS_HELD / 2;
	caller_free(c);
	WORLD_UNTIL(world.requests[first].gone);

	c = caller_new(WORLD_PLAIN);
	caller_send(c, "GET /much HTTP/1.1\r\n" HOST "\r\n" HANDED);
	answer_much(first + 1, *length, *length);
	for (unsigned i = 0; i < 200; i++)
		world_run();
	assert_int_equal(world.begun, first + 3);
	assert_int_equal(world.handed.times, 0);
	return c;
}

/* What was answered before goes first, by the server. */
static void test_not_before_the_answers_have_left(void **state)
{
	uint64_t length;
	struct caller *c = caller_with_answers_held(&length);

	(void)state;
	WORLD_UNTIL(caller_read(c) != NULL && c->len > length && world.handed.times > 0);
	caller_forget(c);
	check_taken(c);
	caller_free(c);
}

/* A client that takes nothing of them has its time, and who was to get the connection is told. */
static void test_clients_that_are_gone_before(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		uint64_t length;
		struct caller *c;

		memset(&world.handed, 0, sizeof world.handed);
		c = caller_with_answers_held(&length);
		if (way == 0)
			caller_free(c);
		else if (way == 1)
			world_pass(1000 * CLOCK_SECOND);
		else
			http_server_close();
		WORLD_UNTIL(world.handed.times > 0);
		assert_int_equal(world.handed.times, 1);
		assert_int_equal(world.handed.fd, -1);
		if (way > 0)
			caller_free(c);
	}
	assert_int_equal(http_server_open(world.base, world.proxy), 0); /* for the closing of the world */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_is_handed_over_with_what_came_behind, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_behind_others, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_not_before_the_answers_have_left, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_clients_that_are_gone_before, world_open, world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
