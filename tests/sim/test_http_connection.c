/* objects: tests/sim/http_world.o HTTP_SERVER_OBJS proxy/edge/accepting.o proxy/edge/stream_socket.o proxy/edge/tls_socket.o proxy/edge/shared_bio.o BASE_OBJS translate/http_message.o coap/message.o coap/uri.o base/clock_steered.o base/random_seeded.o */
/*
 * The HTTP server as its clients see it: order, framing, bodies, refusals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/http_world.h"
#include "tests/unit/covers.h"

/* What stands behind the first empty line. */
static const char *body_of(struct caller *c)
{
	const char *at = strstr(caller_read(c), "\r\n\r\n");

	return at != NULL ? at + 4 : "";
}

/* ---- order ---- */

static void test_requests_follow_one_another(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		caller_send(c, "GET /now HTTP/1.1\r\n" HOST "\r\n");
		assert_int_equal(caller_has(c, "HTTP/1.1 200 OK\r\n"), i + 1);
		assert_int_equal(caller_has(c, "Content-Length: 4\r\n"), i + 1);
		assert_int_equal(caller_has(c, "\r\nDate: "), i + 1);
		assert_int_equal(caller_has(c, "Connection:"), 0);
	}
	assert_false(c->ended);
	caller_free(c);
}

/* Each is looked at when the one before was answered. */
static void test_pipelined_requests_are_answered_in_order(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);
	const char *text;

	(void)state;
	caller_send(c, "GET /one HTTP/1.1\r\n" HOST "\r\nPOST /two HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabcGET /now HTTP/1.1\r\n" HOST
		"\r\nGET /four HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(world.begun, 1);
	world_pass(5 * CLOCK_SECOND);
	assert_string_equal(caller_read(c), "");
	answer(0, 200, "first");
	world_run();
	assert_int_equal(world.begun, 2);
	assert_string_equal(world.requests[1].target, "/two");
	assert_string_equal(world.requests[1].body, "abc");
	assert_true(world.requests[1].whole);
	assert_string_equal(body_of(c), "first");
	answer(1, 200, "second");
	world_run();
	assert_int_equal(world.begun, 4);
	text = caller_read(c);
	assert_true(strstr(text, "first") < strstr(text, "second"));
	assert_true(strstr(text, "second") < strstr(text, "/now"));
	answer(3, 404, "fourth");
	assert_int_equal(caller_has(c, "HTTP/1.1 404 Not Found\r\n"), 1);
	assert_false(c->ended);
	caller_free(c);
}

static void test_a_head_may_come_byte_by_byte(void **state)
{
	static const char text[] = "POST /x HTTP/1.1\r\n" HOST "Test: value\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n"
		"GET /now HTTP/1.1\r\n" HOST "\r\n";
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	for (const char *at = text; *at != '\0'; at++)
		caller_send_bytes(c, at, 1);
	assert_int_equal(world.begun, 1);
	assert_string_equal(world.requests[0].field, "value");
	assert_string_equal(world.requests[0].body, "abcde");
	assert_true(world.requests[0].whole);
	answer(0, 200, "");
	assert_int_equal(caller_has(c, "HTTP/1.1 200"), 2);
	caller_free(c);
}

/* ---- framing of answers ---- */

static void test_answers_are_framed_by_what_was_asked(void **state)
{
	static const struct {
		const char *request;
		unsigned status;
		uint64_t length; /* HTTP_LENGTH_UNKNOWN */
		const char *has, *has_not, *body; /* the bytes behind the head */
		bool closes;
	} cases[] = {
		{ "GET /x HTTP/1.1\r\n" HOST "\r\n", 200, 3, "Content-Length: 3\r\n", "Connection", "abc", false },
		{ "GET /x HTTP/1.1\r\n" HOST "\r\n", 200, HTTP_LENGTH_UNKNOWN, "Transfer-Encoding: chunked\r\n", "Content-Length",
			"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", false },
		{ "HEAD /x HTTP/1.1\r\n" HOST "\r\n", 200, 3, "Content-Length: 3\r\n", "Transfer-Encoding", "", false },
		{ "HEAD /x HTTP/1.1\r\n" HOST "\r\n", 200, HTTP_LENGTH_UNKNOWN, "Date: ", "Content-Length", "", false },
		{ "GET /x HTTP/1.1\r\n" HOST "\r\n", 204, 0, "Date: ", "Content-Length", "", false },
		{ "GET /x HTTP/1.1\r\n" HOST "\r\n", 304, 0, "Date: ", "Content-Length", "", false },
		{ "GET /x HTTP/1.1\r\n" HOST "\r\n", 304, HTTP_LENGTH_UNKNOWN, "Date: ", "Transfer-Encoding", "", false },
		{ "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 200, 3, "Content-Length: 3\r\n", "Connection", "abc", false },
		{ "GET /x HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200, 3, "Connection: close\r\n", "keep-alive", "abc", true },
		{ "GET /x HTTP/1.0\r\n\r\n", 200, 3, "Connection: close\r\n", "keep-alive", "abc", true },
		{ "GET /x HTTP/1.0\r\n\r\n", 200, HTTP_LENGTH_UNKNOWN, "Connection: close\r\n", "Transfer-Encoding", "abc", true },
		{ "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, 3, "Connection: keep-alive\r\n", "close", "abc", false },
		{ "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, HTTP_LENGTH_UNKNOWN, "Connection: close\r\n", "Transfer-Encoding", "abc",
			true },
	};

	(void)state;
	covers("C7252-10.2.3-1");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct caller *c = caller_new(WORLD_PLAIN);
		size_t r = world.begun;

		caller_send(c, cases[i].request);
		assert_int_equal(world.begun, r + 1);
		answer_head(r, cases[i].status, cases[i].length);
		answer_data(r, "a");
		answer_data(r, "bc");
		answer_end(r);
		assert_string_equal(body_of(c), cases[i].body);
		assert_int_equal(caller_has(c, cases[i].has), 1);
		assert_int_equal(caller_has(c, cases[i].has_not), 0);
		assert_int_equal(c->ended, cases[i].closes);
		caller_send(c, "GET /now HTTP/1.1\r\n" HOST "\r\n");
		assert_int_equal(caller_has(c, "\r\n\r\n/now"), !cases[i].closes);
		caller_free(c);
	}
}

/* An answer that cannot be brought to its end never looks whole. */
static void test_cut_answers_do_not_look_whole(void **state)
{
	static const struct {
		const char *request, *body;
		uint64_t length;
		bool reset;
	} cases[] = {
		{ "GET /x HTTP/1.1\r\n" HOST "\r\n", "3\r\nabc\r\n", HTTP_LENGTH_UNKNOWN, false },
		{ "GET /x HTTP/1.1\r\n" HOST "\r\n", "abc", 4, false },
		{ "GET /x HTTP/1.0\r\n\r\n", "", HTTP_LENGTH_UNKNOWN, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct caller *c = caller_new(WORLD_PLAIN);

		caller_send(c, cases[i].request);
		answer_head(i, 200, cases[i].length);
		answer_data(i, "abc");
		if (i == 1)
			answer_end(i); /* short of its length */
		else
			answer_cut(i);
		caller_read(c);
		assert_int_equal(c->reset, cases[i].reset);
		assert_int_equal(c->ended, !cases[i].reset);
		if (!cases[i].reset)
			assert_string_equal(body_of(c), cases[i].body);
		caller_free(c);
	}
}

static void test_no_more_than_the_length_is_sent(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	answer_head(0, 200, 3);
	answer_data(0, "abcdef");
	assert_int_equal(http_connection_answer_bytes(world.requests[0].connection), strlen(caller_read(c)));
	answer_end(0);
	assert_string_equal(body_of(c), "abc");
	caller_free(c);
}

/* ---- bodies of requests ---- */

static void test_continue_is_sent_when_the_body_is_wanted(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "PUT /x HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
	assert_int_equal(world.begun, 1);
	world_pass(1000 * CLOCK_SECOND); /* who waits to be asked is not late */
	assert_string_equal(caller_read(c), "");
	http_connection_continue(world.requests[0].connection);
	http_connection_continue(world.requests[0].connection);
	assert_string_equal(caller_read(c), "HTTP/1.1 100 Continue\r\n\r\n");
	caller_send(c, "abc");
	assert_string_equal(world.requests[0].body, "abc");
	caller_forget(c);
	answer(0, 201, "done");
	assert_string_equal(body_of(c), "done");
	assert_int_equal(caller_has(c, "Connection"), 0);
	caller_send(c, "GET /now HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(caller_has(c, "/now"), 1);
	caller_free(c);
}

/* Whether the body follows nobody can know then (RFC 9110 10.1.1), so nothing is read behind it. */
static void test_a_final_answer_instead_of_continue_ends_the_connection(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "PUT /x HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 300\r\n\r\n");
	answer(0, 403, "no");
	assert_int_equal(caller_has(c, "100 Continue"), 0);
	assert_int_equal(caller_has(c, "Connection: close\r\n"), 1);
	assert_true(c->ended);
	caller_send(c, "GET /now HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(world.begun, 1);
	caller_free(c);
}

static void test_continue_is_not_sent_for_nothing(void **state)
{
	static const char *const requests[] = {
		"PUT /x HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
		"PUT /x HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
		"PUT /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n",
		"GET /x HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(requests); i++) {
		struct caller *c = caller_new(WORLD_PLAIN);

		caller_send(c, requests[i]);
		assert_int_equal(world.begun, i + 1);
		http_connection_continue(world.requests[i].connection);
		assert_string_equal(caller_read(c), "");
		answer(i, 200, "");
		caller_free(c);
	}
}

/* The rest of a body is thrown away up to a bound, and the connection goes on. */
static void test_an_early_answer_leaves_the_rest_unread(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);
	static char piece[50000];

	(void)state;
	memset(piece, 'b', sizeof piece);
	caller_send(c, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
	answer(0, 403, "no");
	assert_int_equal(caller_has(c, "Connection"), 0);
	caller_send_bytes(c, piece, sizeof piece);
	caller_send_bytes(c, piece, sizeof piece);
	assert_int_equal(world.requests[0].told, 0);
	caller_send(c, "GET /now HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(caller_has(c, "\r\n\r\n/now"), 1);
	caller_free(c);
}

static void test_too_much_rest_ends_the_connection(void **state)
{
	static char piece[1 << 18];
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 100000000\r\n\r\n");
	answer(0, 413, "much");
	assert_int_equal(caller_has(c, "Connection: close\r\n"), 1);
	caller_free(c);
	c = caller_new(WORLD_PLAIN);
	caller_send(c, "POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1000000\r\n");
	answer(1, 413, "much");
	assert_int_equal(caller_has(c, "Connection"), 0);
	for (unsigned i = 0; i < 12 && !c->reset; i++)
		caller_push(c, piece, sizeof piece), caller_read(c);
	assert_true(c->ended || c->reset);
	caller_free(c);
}

/* ---- refusals ---- */

static void test_what_cannot_be_read_is_refused(void **state)
{
	static char line[9000], fields[17000], many[4000];
	static const struct {
		const char *request;
		unsigned status;
	} cases[] = {
		{ "GET /x\r\n\r\n", 400 },
		{ "GET /x HTTP/1.1\r\n\r\n", 400 },
		{ "GET /x HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
		{ "GET /x HTTP/1.1\r\nHost : gw\r\n\r\n", 400 },
		{ "GET /x HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", 400 },
		{ "GET /x HTTP/1.1\r\n" HOST "A: \xc3\xa9\r\n\r\n", 400 },
		{ "GET /x HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n", 400 },
		{ "POST /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400 },
		{ "POST /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ "POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501 },
		{ "GET /x HTTP/2.0\r\n" HOST "\r\n", 505 },
		{ "PUT /x HTTP/1.1\r\n" HOST "Expect: 200-ok\r\nContent-Length: 3\r\n\r\n", 417 },
		{ "PUT /x HTTP/1.1\r\n" HOST "Expect: 100-continue, more\r\nContent-Length: 3\r\n\r\n", 417 },
		{ line, 414 },
		{ fields, 431 },
		{ many, 431 },
	};
	size_t len;

	(void)state;
	covers("C8075-10-3");
	len = (size_t)sprintf(line, "GET /");
	memset(line + len, 'a', 8500);
	strcpy(line + len + 8500, " HTTP/1.1\r\n" HOST "\r\n");
	len = (size_t)sprintf(fields, "GET / HTTP/1.1\r\n" HOST "A: ");
	memset(fields + len, 'a', 16500);
	strcpy(fields + len + 16500, "\r\n\r\n");
	len = (size_t)sprintf(many, "GET / HTTP/1.1\r\n" HOST);
	for (unsigned i = 0; i < 100; i++)
		len += (size_t)sprintf(many + len, "A%u: b\r\n", i);
	strcpy(many + len, "\r\n");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct caller *c = caller_new(WORLD_PLAIN);
		char status[32];

		caller_send(c, "GET /now HTTP/1.1\r\n" HOST "\r\n"); /* what was well is answered before */
		caller_send(c, cases[i].request);
		snprintf(status, sizeof status, "HTTP/1.1 %u ", cases[i].status);
		assert_int_equal(caller_has(c, status), 1);
		assert_int_equal(caller_has(c, "HTTP/1.1 200"), 1);
		assert_int_equal(caller_has(c, "Connection: close\r\n"), 1);
		assert_int_equal(caller_has(c, "Content-Type: text/plain"), 2);
		assert_true(c->ended);
		assert_int_equal(world_count(COUNT_HTTP_BAD_REQUESTS), i + 1);
		assert_int_equal(world.begun, i + 1);
		caller_free(c);
	}
}

/* The client has its answer before the connection goes, also if it sends on: it is not reset. */
static void test_a_refused_client_reads_why(void **state)
{
	static char piece[200000];
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	memset(piece, 'a', sizeof piece);
	caller_send(c, "GET /x HTTP/9.9\r\n\r\n");
	for (unsigned i = 0; i < 4; i++)
		caller_send_bytes(c, piece, sizeof piece);
	assert_int_equal(caller_has(c, "HTTP/1.1 505"), 1);
	assert_true(c->ended);
	assert_false(c->reset);
	world_pass(3 * CLOCK_SECOND); /* but not for ever */
	assert_int_equal(caller_push(c, "a", 1), 1);
	WORLD_UNTIL(caller_push(c, "a", 1) == 0);
	caller_free(c);
}

static void test_a_broken_body_fails_its_request(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "POST /x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n+3\r\nabc\r\n0\r\n\r\n");
	assert_int_equal(world.requests[0].failed, 400);
	assert_string_equal(world.requests[0].body, "abc");
	assert_int_equal(caller_has(c, "HTTP/1.1 400"), 1);
	assert_int_equal(caller_has(c, "Connection: close"), 1);
	assert_true(c->ended);
	caller_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests_follow_one_another, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_pipelined_requests_are_answered_in_order, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_head_may_come_byte_by_byte, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_answers_are_framed_by_what_was_asked, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_cut_answers_do_not_look_whole, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_no_more_than_the_length_is_sent, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_continue_is_sent_when_the_body_is_wanted, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_final_answer_instead_of_continue_ends_the_connection, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_continue_is_not_sent_for_nothing, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_an_early_answer_leaves_the_rest_unread, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_too_much_rest_ends_the_connection, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_read_is_refused, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_refused_client_reads_why, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_broken_body_fails_its_request, world_open, world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
