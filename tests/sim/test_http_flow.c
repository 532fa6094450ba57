/* objects: tests/sim/http_world.o HTTP_SERVER_OBJS proxy/edge/accepting.o proxy/edge/stream_socket.o proxy/edge/tls_socket.o proxy/edge/shared_bio.o BASE_OBJS translate/http_message.o coap/message.o coap/uri.o base/clock_steered.o base/random_seeded.o */
/*
 * Clients of the HTTP server that are slower or faster than the other side, or leave.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "proxy/http/connection_parts.h"
#include "tests/sim/http_world.h"

/* ---- back-pressure ---- */

/* What a request does not take stays with the client. */
static void test_a_body_that_is_not_taken_is_not_read(void **state)
{
	static char piece[1 << 16];
	struct caller *c = caller_new(WORLD_PLAIN);
	size_t pushed = 0, total = 64 << 20;
	struct http_request *r = &world.requests[0];

	(void)state;
	world.leaves_bodies = true;
	caller_send(c, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 67108864\r\n\r\n");
	for (unsigned round = 0; round < 2000; round++) {
		pushed += caller_push(c, piece, sizeof piece);
		world_turn();
	}
	assert_true(pushed < total); /* the kernel's buffers are full */
	assert_true(r->most > BLOCKS_HELD / 2 && r->most <= BLOCKS_HELD);
	world_pass(1000 * CLOCK_SECOND); /* nor is the client late then */
	assert_int_equal(r->failed, 0);
	r->takes = true;
	r->taken = evbuffer_get_length(http_connection_body(r->connection));
	evbuffer_drain(http_connection_body(r->connection), r->taken);
	http_connection_body_taken(r->connection);
	for (unsigned round = 0; round < 100000 && !r->whole; round++) {
		if (pushed < total)
			pushed += caller_push(c, piece, total - pushed < sizeof piece ? total - pushed : sizeof piece);
		world_turn();
	}
	assert_true(r->whole);
	assert_int_equal(r->taken, total);
	assert_true(r->most <= BLOCKS_HELD);
	answer(0, 200, "");
	assert_int_equal(caller_has(c, "HTTP/1.1 200"), 1);
	caller_free(c);
}

/* The client's time begins anew when it may send again. */
static void test_a_client_may_be_late_again(void **state)
{
	static char piece[1 << 16];
	struct caller *c = caller_new(WORLD_PLAIN);
	struct http_request *r = &world.requests[0];

	(void)state;
	world.leaves_bodies = true;
	caller_send(c, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 67108864\r\n\r\n");
	caller_push(c, piece, sizeof piece);
	world_pass(100 * CLOCK_SECOND);
	assert_int_equal(r->failed, 0);
	r->takes = true;
	evbuffer_drain(http_connection_body(r->connection), evbuffer_get_length(http_connection_body(r->connection)));
	http_connection_body_taken(r->connection);
	world_pass(29 * CLOCK_SECOND);
	assert_int_equal(r->failed, 0);
	world_pass(2 * CLOCK_SECOND);
	assert_int_equal(r->failed, 408);
	caller_free(c);
}

static void test_pipelined_bytes_are_held_within_bounds(void **state)
{
	static const char request[] = "GET /x HTTP/1.1\r\n" HOST "\r\n";
	struct caller *c = caller_new(WORLD_PLAIN);
	static char many[sizeof request * 100000];
	size_t len = 0, pushed = 0;
	const struct http_connection *connection;

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		len += (size_t)sprintf(many + len, "%s", request);
	for (unsigned round = 0; round < 2000; round++) {
		pushed += caller_push(c, many + pushed, len - pushed < 65536 ? len - pushed : 65536);
		world_turn();
	}
	assert_int_equal(world.begun, 1);
	connection = world.requests[0].connection;
	assert_non_null(connection);
	assert_true(evbuffer_get_length(connection->in) <= BLOCKS_HELD);
	for (size_t i = 0; i < 4000; i++) {
		WORLD_UNTIL(world.begun == i + 1);
		answer(i, 200, "y");
		world_turn();
		caller_read_some(c, SIZE_MAX);
	}
	assert_int_equal(caller_has(c, "HTTP/1.1 200"), 4000);
	caller_free(c);
}

/* 100 MB to somebody who reads now and then: what is held stays within bounds. */
static void test_an_answer_goes_as_fast_as_it_is_read(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);
	const uint64_t total = 100 << 20;
	uint64_t got = 0;
	const struct http_connection *connection;

	(void)state;
	caller_send(c, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	connection = world.requests[0].connection;
	answer_much(0, total, total);
	world_run();
	assert_true(world.requests[0].to_send > total / 2);
	assert_true(connection->socket.held <= BLOCKS_HELD);
	for (unsigned round = 0; round < 100000 && got < total; round++) {
		got += caller_read_some(c, 300000);
		caller_forget(c);
		assert_true(connection->socket.held <= BLOCKS_HELD);
	}
	assert_true(got > total);
	assert_int_equal(world.requests[0].to_send, 0);
	assert_true(world.requests[0].writable > 100);
	world_pass(70 * CLOCK_SECOND); /* longer than a reader may take nothing: there is nothing to take */
	caller_send(c, "GET /now HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(caller_has(c, "\r\n\r\n/now"), 1);
	caller_free(c);
}

/* Somebody who asks and reads nothing is not answered beyond what is held for him. */
static void test_who_takes_no_answers_asks_nothing(void **state)
{
	static char many[64000];
	struct caller *c = caller_new(WORLD_PLAIN);
	size_t len = 0, before;

	(void)state;
	while (len + 64 < sizeof many)
		len += (size_t)sprintf(many + len, "GET /now HTTP/1.1\r\n" HOST "\r\n");
	for (unsigned round = 0; round < 400; round++) {
		caller_push(c, many, len);
		if (world.begun > WORLD_REQUESTS / 2)
			world.begun = 0;
		world_turn();
	}
	before = world.begun;
	caller_push(c, many, len);
	world_run();
	assert_int_equal(world.begun, before);
	caller_free(c);
}

/* ---- clients that leave ---- */

static void test_a_client_that_closes_its_side_is_answered(void **state)
{
	static const char requests[] = "GET /x HTTP/1.1\r\n" HOST "\r\nGET /now HTTP/1.1\r\n" HOST "\r\n";
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_push(c, requests, strlen(requests));
	shutdown(c->fd, SHUT_WR);
	world_run();
	assert_int_equal(world.begun, 1);
	assert_false(world.requests[0].gone);
	answer(0, 200, "first");
	assert_int_equal(caller_has(c, "first"), 1);
	assert_int_equal(caller_has(c, "/now"), 1);
	assert_true(c->ended);
	caller_free(c);
}

static void test_a_request_without_end_ends_with_its_client(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "GET /events HTTP/1.1\r\n" HOST "\r\n");
	http_connection_end_with_client(world.requests[0].connection);
	answer_head(0, 200, HTTP_LENGTH_UNKNOWN);
	answer_data(0, "event");
	world_run();
	assert_false(world.requests[0].gone);
	shutdown(c->fd, SHUT_WR);
	world_run();
	assert_true(world.requests[0].gone);
	assert_false(world.requests[0].stalled);
	caller_free(c);
}

static void test_a_client_that_leaves_in_the_middle_is_gone(void **state)
{
	static const char *const requests[] = {
		"POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabc",
		"POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++) {
		struct caller *c = caller_new(WORLD_PLAIN);

		caller_send(c, requests[i]);
		assert_false(world.requests[i].gone);
		caller_free(c);
		assert_true(world.requests[i].gone);
		assert_false(world.requests[i].whole);
	}
}

/* ---- many at a time ---- */

/* More than are read before the first is looked at; among them some that send other things than a request in one piece. */
static void test_many_ask_at_once(void **state)
{
	enum { MANY = 100 };
	struct caller *callers[MANY];
	char request[8192], filling[5000];

	(void)state;
	memset(filling, 'x', sizeof filling);
	for (size_t i = 0; i < MANY; i++) {
		callers[i] = caller_new(WORLD_PLAIN);
		if (i % 10 == 3)
			snprintf(request, sizeof request, "GET /%zu HT", i);
		else
			snprintf(request, sizeof request, "GET /%zu HTTP/1.1\r\n" HOST "Long: %.*s\r\n\r\n", i, i % 10 == 4 ? (int)sizeof filling : 1, filling);
		if (i % 10 != 5)
			caller_push(callers[i], request, strlen(request));
		if (i % 10 == 6) {
			caller_free(callers[i]);
			callers[i] = NULL;
		}
	}
	WORLD_UNTIL(world.begun == MANY * 8 / 10);
	for (size_t i = 3; i < MANY; i += 10)
		caller_send(callers[i], "TP/1.1\r\n" HOST "\r\n");
	for (size_t i = 5; i < MANY; i += 10)
		caller_send(callers[i], "nonsense\r\n");
	assert_int_equal(world.begun, MANY * 9 / 10);
	for (size_t i = 0; i < world.begun; i++)
		if (!world.requests[i].gone)
			answer(i, 200, world.requests[i].target);
	world_run();
	for (size_t i = 0; i < MANY; i++) {
		if (callers[i] == NULL)
			continue;
		snprintf(request, sizeof request, "\r\n\r\n/%zu", i);
		assert_int_equal(caller_has(callers[i], i % 10 == 5 ? "HTTP/1.1 400" : request), 1);
		caller_free(callers[i]);
	}
}

/* Bytes that are there when the time is over count, in whatever order the loop comes to see both. */
static void test_a_head_may_come_just_in_time(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "GET /x HTTP/1.1\r\n");
	caller_push(c, HOST "\r\n", strlen(HOST "\r\n"));
	clock_steer(clock_now() + 11 * CLOCK_SECOND);
	world_run();
	assert_int_equal(world.begun, 1);
	answer(0, 200, "");
	assert_int_equal(caller_has(c, "HTTP/1.1 200"), 1);
	caller_free(c);
}

static void test_a_reset_is_noticed(void **state)
{
	const struct linger at_once = { 1, 0 };
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	caller_free(c);
	assert_true(world.requests[0].gone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_body_that_is_not_taken_is_not_read, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_client_may_be_late_again, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_pipelined_bytes_are_held_within_bounds, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_an_answer_goes_as_fast_as_it_is_read, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_who_takes_no_answers_asks_nothing, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_client_that_closes_its_side_is_answered, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_request_without_end_ends_with_its_client, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_client_that_leaves_in_the_middle_is_gone, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_reset_is_noticed, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_many_ask_at_once, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_head_may_come_just_in_time, world_open, world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
