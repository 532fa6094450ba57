/* objects: tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * What holds for all workers together: one window for each origin, its rest, and the limits.
 */
#include <stdio.h>

#include "tests/sim/workers.h"
#include "tests/unit/covers.h"

#define OSCORE "9=090a0b0c"

/* The worker of the client is 0, the home 1. */
static void two(const char *settings)
{
	workers_begin(2, NULL, settings);
}

static unsigned far_origin(void)
{
	return origin_at(1, 1);
}

/* ---- windows, limits ---- */

static void one_window_for_all_workers(void **state)
{
	unsigned origin, in_flight = 0, answered = 0;

	(void)state;
	covers("C7252-4.7-1");
	workers_begin(4, NULL, "upstream: { origin-window = 1; };");
	origin = origin_at(2, 1);
	for (uint16_t i = 0; i < 40; i++)
		ask(i % 4, 1 + i % 4u, MSG_CON, CODE_POST, i, origin, OSCORE, "x");
	for (unsigned round = 0; round < 40; round++) {
		const struct sent *s;

		settle();
		pass_time(5 * CLOCK_MS);
		in_flight = the.to_origin.count - the.to_origin.seen;
		assert_int_equal(in_flight, 1);
		s = next_to_origin();
		assert_int_equal(s->worker, 2);
		answer(s, MSG_ACK, 0, CODE_CHANGED, "", "y");
	}
	settle();
	for (; the.to_client.seen < the.to_client.count; answered++)
		is_message(next_to_client(), MSG_ACK, CODE_CHANGED, "", "y");
	assert_int_equal(answered, 40);
	nothing_more();
	nothing_remains();
}

/* 4.29 holds back the same request of clients of all workers (RFC 8516). */
static void too_many_requests(void **state)
{
	const struct sent *s;
	unsigned origin;

	(void)state;
	workers_begin(3, NULL, "");
	origin = origin_at(1, 1);
	ask(0, 1, MSG_CON, CODE_GET, 1, origin, "11='a'", NULL);
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_TOO_MANY, "14=1e", "");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_TOO_MANY, "14=1e", "");
	for (unsigned w = 0; w < 3; w++) {
		ask(w, 2, MSG_CON, CODE_GET, (uint16_t)(2 + w), origin, "11='a'", NULL);
		settle();
		is_message(next_to_client(), MSG_ACK, CODE_UNAVAILABLE, "14=1e", "Origin is resting");
	}
	nothing_more();
	ask(2, 2, MSG_CON, CODE_GET, 9, origin, "11='b'", NULL);
	settle();
	s = next_to_origin();
	answer(s, MSG_ACK, 0, CODE_CONTENT, "", "");
	pass_time(31 * CLOCK_SECOND);
	next_to_client();
	ask(0, 2, MSG_CON, CODE_GET, 10, origin, "11='a'", NULL);
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "", "");
	settle();
	next_to_client();
	nothing_more();
	nothing_remains();
}

/* An origin that failed rests for all workers, also those that are not its home. */
static void a_resting_origin_is_known_to_all(void **state)
{
	struct endpoint first = { .port = 5683, .addr = { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = 8, [15] = 1 } };
	struct endpoint second = first;
	const struct sent *s;

	(void)state;
	workers_begin(3, "pair: { hosts = [\"pair\"]; to = [\"coap://10.8.0.1\", \"coap://10.8.0.2\"]; rest = \"60s\"; };", "");
	second.addr[15] = 2;
	ask(0, 1, MSG_CON, CODE_GET, 1, 0, "3='pair' 11='a'", NULL);
	settle();
	s = next_to_origin();
	assert_true(endpoint_equal(&s->peer, &first));
	the.current = s->worker;
	upstream_unreachable(the.proxy[s->worker], s->slot, &s->peer, s->m.bytes, s->m.len);
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_BAD_GATEWAY, NULL, NULL);
	for (unsigned w = 0; w < 3; w++) {
		ask(w, 1, MSG_CON, CODE_GET, (uint16_t)(2 + w), 0, "3='pair' 11='a'", NULL);
		settle();
		s = next_to_origin();
		assert_true(endpoint_equal(&s->peer, &second));
		answer(s, MSG_ACK, 0, CODE_CONTENT, "", "");
	}
	settle();
	pass_time(61 * CLOCK_SECOND);
	ask(1, 1, MSG_CON, CODE_GET, 9, 0, "3='pair' 11='a'", NULL);
	settle();
	s = next_to_origin();
	assert_true(endpoint_equal(&s->peer, &first));
	answer(s, MSG_ACK, 0, CODE_CONTENT, "", "");
	settle();
	nothing_remains();
}

static unsigned count_refused(uint8_t code)
{
	unsigned refused = 0;

	for (; the.to_client.seen < the.to_client.count; refused++)
		is_message(next_to_client(), MSG_ACK, code, NULL, NULL);
	return refused;
}

/* Answers all that is at the origins, until nothing comes any more. */
static unsigned answer_all(void)
{
	unsigned answered = 0;

	for (settle(); the.to_origin.seen < the.to_origin.count; settle()) {
		answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "", "");
		answered++;
	}
	return answered;
}

/* 12 at once in all: exactly 12 of 20 are taken, wherever they come in and go to. */
static void the_limit_of_exchanges_counts_over_all(void **state)
{
	(void)state;
	workers_begin(4, NULL, "limits: { exchanges = 12; };");
	for (uint16_t i = 0; i < 20; i++) {
		ask(i % 4, 1 + i % 3u, MSG_CON, CODE_POST, i, 1 + i % 5u, OSCORE, "x");
		if (i % 3 == 0)
			settle();
	}
	settle();
	assert_int_equal(house_exchanges(&the.house), 12);
	assert_int_equal(count_refused(CODE_UNAVAILABLE), 8);
	assert_int_equal(answer_all(), 12);
	assert_int_equal(the.to_client.count - the.to_client.seen, 12);
	nothing_remains();
}

static void the_limit_of_a_route_counts_over_all(void **state)
{
	(void)state;
	workers_begin(3, "few: { hosts = [\"few\"]; to = [\"coap://10.8.0.1\"]; exchanges = 4; };", "");
	for (uint16_t i = 0; i < 9; i++)
		ask(i % 3, 1, MSG_CON, CODE_POST, i, 0, "3='few' 9=01", "x");
	settle();
	assert_int_equal(count_refused(CODE_UNAVAILABLE), 5);
	assert_int_equal(answer_all(), 4);
	assert_int_equal(the.to_client.count - the.to_client.seen, 4);
	nothing_remains();
}

static void the_limit_of_an_origin_counts_at_home(void **state)
{
	unsigned origin;

	(void)state;
	workers_begin(3, NULL, "limits: { origin-exchanges = 5; };");
	origin = origin_at(1, 1);
	for (uint16_t i = 0; i < 9; i++)
		ask(i % 3, 1, MSG_CON, CODE_POST, i, origin, OSCORE, "x");
	settle();
	assert_int_equal(count_refused(CODE_UNAVAILABLE), 4);
	assert_int_equal(errors_of(ERR_ORIGIN_LIMIT), 4);
	assert_int_equal(answer_all(), 5);
	settle();
	nothing_remains();
}

/* A client that was never seen gets three quarters of it, also through a crossing. */
static void unknown_clients_get_their_share_of_an_origin(void **state)
{
	(void)state;
	two("limits: { origin-exchanges = 8; };");
	for (uint16_t i = 0; i < 10; i++)
		ask(0, UNKNOWN_CLIENTS, MSG_CON, CODE_POST, i, far_origin(), OSCORE, "x");
	settle();
	assert_int_equal(count_refused(CODE_UNAVAILABLE), 4);
	for (uint16_t i = 0; i < 3; i++)
		ask(0, 1, MSG_CON, CODE_POST, i, far_origin(), OSCORE, "x");
	settle();
	assert_int_equal(count_refused(CODE_UNAVAILABLE), 1);
	assert_int_equal(answer_all(), 8);
	settle();
	nothing_remains();
}

static void the_limit_of_a_client(void **state)
{
	(void)state;
	two("limits: { client-exchanges = 3; };");
	for (uint16_t i = 0; i < 5; i++)
		ask(0, 1, MSG_CON, CODE_GET, i, far_origin(), "11='a'", NULL);
	settle();
	assert_int_equal(count_refused(CODE_TOO_MANY), 2);
	assert_int_equal(answer_all(), 3);
	settle();
	the.to_client.seen = the.to_client.count;
	/* its stand-in at home takes nothing from a client there */
	for (uint16_t i = 10; i < 13; i++) {
		ask(0, 1, MSG_CON, CODE_GET, i, far_origin(), "11='a'", NULL);
		ask(1, 1, MSG_CON, CODE_GET, i, far_origin(), "11='a'", NULL);
	}
	assert_int_equal(answer_all(), 6);
	nothing_remains();
}

/* What one worker may keep is its part of queue-memory, and of that clients that were never seen have three quarters. */
static void unknown_clients_get_their_share_of_the_memory(void **state)
{
	static char payload[901];
	unsigned origin;

	(void)state;
	two("limits: { queue-memory = \"1MB\"; client-exchanges = 4000; origin-exchanges = 4000; };");
	origin = origin_at(0, 1);
	memset(payload, 'p', sizeof payload - 1);
	for (uint16_t i = 0; i < 1000; i++)
		ask(0, UNKNOWN_CLIENTS, MSG_CON, CODE_POST, i, origin, OSCORE, payload);
	assert_true(count_refused(CODE_UNAVAILABLE) > 500);
	ask(0, 1, MSG_CON, CODE_POST, 1, origin, OSCORE, payload);
	assert_int_equal(count_refused(CODE_UNAVAILABLE), 0);
}

static void an_unknown_client_is_challenged(void **state)
{
	static char payload[1001];
	const struct sent *s;
	char echo[200] = "9=01 252=";
	const struct msg_option *o;

	(void)state;
	two("");
	memset(payload, 'p', sizeof payload - 1);
	ask(0, UNKNOWN_CLIENTS, MSG_CON, CODE_POST, 1, far_origin(), "9=01", "x");
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "9=", payload);
	settle();
	s = next_to_client();
	is_message(s, MSG_ACK, COAP_CODE(4, 1), NULL, "");
	o = msg_option(&s->m, OPT_ECHO);
	assert_non_null(o);
	for (unsigned i = 0; i < o->len; i++)
		sprintf(echo + strlen(echo), "%02x", o->value[i]);
	ask(0, UNKNOWN_CLIENTS, MSG_CON, CODE_POST, 2, far_origin(), echo, "x");
	settle();
	s = next_to_origin();
	assert_false(has_option(s, OPT_ECHO));
	answer(s, MSG_ACK, 0, CODE_CHANGED, "9=", payload);
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CHANGED, "9=", payload);
	nothing_more();
	nothing_remains();
}

#define TEST(name) cmocka_unit_test_teardown(name, workers_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_window_for_all_workers),
		TEST(too_many_requests),
		TEST(a_resting_origin_is_known_to_all),
		TEST(the_limit_of_exchanges_counts_over_all),
		TEST(the_limit_of_a_route_counts_over_all),
		TEST(the_limit_of_an_origin_counts_at_home),
		TEST(unknown_clients_get_their_share_of_an_origin),
		TEST(the_limit_of_a_client),
		TEST(unknown_clients_get_their_share_of_the_memory),
		TEST(an_unknown_client_is_challenged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
