/* objects: tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * A request that crosses from the worker of its client to the home of its origin, and its answer: as if it had not.
 */
#include <stdio.h>

#include "tests/sim/workers.h"
#include "tests/unit/made.h"

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

/* ---- bytes ---- */

static const struct row {
	enum msg_type type;
	uint8_t code;
	const char *options, *payload;
} rows[] = {
	{ MSG_CON, CODE_GET, "11='a' 11='b' 15='q' 17=32", NULL },
	{ MSG_NON, CODE_GET, "11='a' 292=ffee", NULL },
	{ MSG_CON, CODE_PUT, "11='a' 12=32 27=06", "0123456789abcdef" },
	{ MSG_CON, CODE_POST, OSCORE, "sealed bytes" },
	{ MSG_NON, CODE_POST, "9=", "sealed bytes" },
	{ MSG_CON, CODE_FETCH, OSCORE " 16=10", "sealed bytes" },
	{ MSG_CON, CODE_GET, "4=0102 11='a' 23=04 60=", NULL },
	{ MSG_CON, CODE_DELETE, "11='a' 2053=aa", NULL },
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* What reached the origin and the client, in a house of so many workers. */
static void run_rows(unsigned workers, char at_origin[ROWS][512], char at_client[ROWS][512])
{
	unsigned home = workers - 1;

	for (unsigned i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];
		const struct sent *s;
		char text[MADE_TEXT];

		workers_begin(workers, NULL, "");
		ask(0, 1, r->type, r->code, (uint16_t)(100 + i), origin_at(home, 1), r->options, r->payload);
		settle();
		s = next_to_origin();
		assert_int_equal(s->worker, home);
		snprintf(at_origin[i], sizeof at_origin[i], "%u %u %.400s %.*s", s->m.type, s->m.code, strchr(made_text(&s->m, text), ' '),
			(int)s->m.payload_len, (const char *)s->m.payload);
		answer(s, r->type == MSG_CON ? MSG_ACK : MSG_NON, 7, CODE_CONTENT, "4=0a0b 12=32 14=05 2052=77", "the answer");
		settle();
		s = next_to_client();
		is_for(s, 0, 1, (uint16_t)(100 + i));
		snprintf(at_client[i], sizeof at_client[i], "%u %u %.400s %.*s", s->m.type, s->m.code, made_text(&s->m, text), (int)s->m.payload_len,
			(const char *)s->m.payload);
		assert_int_equal(counted(COUNT_CROSSED), workers - 1);
		nothing_more();
		nothing_remains();
		workers_end();
	}
}

/* The first option is left out: Uri-Host names the origin, which is another in each house. */
static void nothing_is_changed_by_crossing(void **state)
{
	static char origin[2][ROWS][512], client[2][ROWS][512];

	(void)state;
	run_rows(1, origin[0], client[0]);
	run_rows(2, origin[1], client[1]);
	for (unsigned i = 0; i < ROWS; i++) {
		assert_string_equal(origin[0][i], origin[1][i]);
		assert_string_equal(client[0][i], client[1][i]);
	}
}

static void the_largest_messages_cross(void **state)
{
	static char payload[1801], back[1901];
	const struct sent *s;

	(void)state;
	two("");
	memset(payload, 'p', sizeof payload - 1);
	memset(back, 'b', sizeof back - 1);
	ask(0, 1, MSG_CON, CODE_POST, 1, far_origin(), OSCORE, payload);
	settle();
	s = next_to_origin();
	is_message(s, MSG_CON, CODE_POST, NULL, payload);
	answer(s, MSG_ACK, 0, CODE_CHANGED, OSCORE, back);
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CHANGED, "9=090a0b0c", back);
	nothing_more();
	nothing_remains();
}

/* ---- types ---- */

static void an_answer_comes_late_and_separately(void **state)
{
	const struct sent *s;

	(void)state;
	two("");
	ask(0, 1, MSG_CON, CODE_GET, 5, far_origin(), "11='a'", NULL);
	settle();
	s = next_to_origin();
	pass_time(990 * CLOCK_MS);
	nothing_more();
	origin_empty(s, MSG_ACK, s->m.mid);
	pass_time(20 * CLOCK_MS);
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	pass_time(100 * CLOCK_SECOND);
	answer(s, MSG_CON, 900, CODE_CONTENT, "", "late");
	assert_int_equal(next_to_origin()->m.mid, 900); /* at once */
	settle();
	s = next_to_client();
	is_message(s, MSG_CON, CODE_CONTENT, "", "late");
	is_for(s, 0, 1, 5);
	client_empty(0, 1, MSG_ACK, s->m.mid);
	settle();
	nothing_more();
	nothing_remains();
}

static void repeats_while_it_is_away(void **state)
{
	const struct sent *s, *again;

	(void)state;
	two("");
	ask(0, 1, MSG_CON, CODE_POST, 5, far_origin(), OSCORE, "x");
	ask(0, 1, MSG_CON, CODE_POST, 5, far_origin(), OSCORE, "x");
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	settle();
	s = next_to_origin();
	ask(0, 1, MSG_CON, CODE_POST, 5, far_origin(), OSCORE, "x");
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	answer(s, MSG_ACK, 0, CODE_CHANGED, "", "y");
	settle();
	again = next_to_client();
	is_message(again, MSG_CON, CODE_CHANGED, "", "y");
	client_empty(0, 1, MSG_ACK, again->m.mid);
	ask(0, 1, MSG_CON, CODE_POST, 5, far_origin(), OSCORE, "x");
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	settle();
	nothing_more();
	nothing_remains();
}

static void the_home_retransmits(void **state)
{
	const struct sent *first, *s;

	(void)state;
	two("");
	ask(0, 1, MSG_CON, CODE_GET, 5, far_origin(), "11='a'", NULL);
	settle();
	first = next_to_origin();
	pass_time(10 * CLOCK_SECOND);
	s = next_to_origin();
	assert_int_equal(s->m.len, first->m.len);
	assert_memory_equal(s->m.bytes, first->m.bytes, s->m.len);
	assert_int_equal(s->worker, 1);
}

/* RFC 7967: nothing is wanted; the request is acknowledged, and all ends. */
static void no_response(void **state)
{
	const struct sent *s;

	(void)state;
	two("");
	ask(0, 1, MSG_CON, CODE_PUT, 5, far_origin(), "11='a' 258=1a", "x");
	settle();
	s = next_to_origin();
	origin_empty(s, MSG_ACK, s->m.mid);
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	nothing_more();
	nothing_remains();
	/* with an answer all the same */
	ask(0, 1, MSG_CON, CODE_PUT, 6, far_origin(), "11='a' 258=1a", "x");
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "", "");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	/* NON, and silence */
	ask(0, 1, MSG_NON, CODE_PUT, 7, far_origin(), "11='a' 258=1a", "x");
	settle();
	next_to_origin();
	pass_time(400 * CLOCK_SECOND);
	nothing_more();
	nothing_remains();
}

/* Only success is not wanted: an error comes. */
static void no_response_to_success(void **state)
{
	(void)state;
	two("");
	ask(0, 1, MSG_CON, CODE_PUT, 5, far_origin(), "11='a' 258=02", "x");
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_NOT_FOUND, "", "");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_NOT_FOUND, "", "");
	nothing_remains();
}

/* ---- failures of the origin ---- */

static void the_origin_is_silent(void **state)
{
	(void)state;
	two("");
	ask(0, 1, MSG_CON, CODE_GET, 5, far_origin(), "11='a'", NULL);
	pass_time(92 * CLOCK_SECOND);
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	assert_int_equal(the.to_client.count, 1);
	pass_time(2 * CLOCK_SECOND);
	is_message(next_to_client(), MSG_CON, CODE_GATEWAY_TIMEOUT, "", "No answer from the origin");
	assert_int_equal(errors_of(ERR_ORIGIN_TIMEOUT), 1);
	pass_time(400 * CLOCK_SECOND);
	nothing_remains();
}

static void the_origin_resets(void **state)
{
	const struct sent *s;

	(void)state;
	two("");
	ask(0, 1, MSG_CON, CODE_GET, 5, far_origin(), "11='a'", NULL);
	settle();
	s = next_to_origin();
	origin_empty(s, MSG_RST, s->m.mid);
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_BAD_GATEWAY, "", "Origin rejected the message");
	nothing_remains();
}

static void the_network_refuses(void **state)
{
	const struct sent *s;

	(void)state;
	two("");
	ask(0, 1, MSG_CON, CODE_GET, 5, far_origin(), "11='a'", NULL);
	settle();
	s = next_to_origin();
	the.current = 1;
	upstream_unreachable(the.proxy[1], s->slot, &s->peer, s->m.bytes, s->m.len);
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_BAD_GATEWAY, "", "Origin unreachable");
	nothing_remains();
}

/* ---- a full ring ---- */

static void a_full_ring_is_overload(void **state)
{
	static char payload[1001];
	unsigned sent = 0, refused = 0, answered = 0;

	(void)state;
	two("upstream: { origin-window = 64; }; limits: { client-exchanges = 500; };");
	memset(payload, 'p', sizeof payload - 1);
	for (uint16_t i = 0; i < 90; i++)
		ask(0, 1, MSG_CON, CODE_POST, i, far_origin(), OSCORE, payload);
	while (the.to_client.seen < the.to_client.count) {
		const struct sent *s = next_to_client();

		is_message(s, MSG_ACK, CODE_UNAVAILABLE, "14=05", "Gateway is busy");
		refused++;
	}
	assert_in_range(refused, 20, 60);
	do {
		settle();
		while (the.to_origin.seen < the.to_origin.count) {
			answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, OSCORE, payload);
			sent++;
		}
		settle();
	} while (the.to_origin.seen < the.to_origin.count);
	while (the.to_client.seen < the.to_client.count) {
		is_message(next_to_client(), MSG_ACK, CODE_CHANGED, "9=090a0b0c", payload);
		answered++;
	}
	assert_int_equal(sent + refused, 90);
	assert_int_equal(answered, sent);
	assert_int_equal(errors_of(ERR_OVERLOAD), refused);
	/* it is over */
	ask(0, 1, MSG_CON, CODE_POST, 100, far_origin(), OSCORE, payload);
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, OSCORE, payload);
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CHANGED, NULL, NULL);
	nothing_remains();
}

/* Answers that find no room wait, in their order; none is lost. */
static void answers_that_find_no_room_come_later(void **state)
{
	static char payload[1501];
	enum { MANY = 90 };
	uint16_t expected = 0;

	(void)state;
	two("upstream: { origin-window = 64; }; limits: { client-exchanges = 500; };");
	memset(payload, 'p', sizeof payload - 1);
	for (uint16_t i = 0; i < MANY; i++)
		ask(0, 1, MSG_NON, CODE_POST, i, far_origin(), OSCORE, "x");
	crossing_publish(the.proxy[0]);
	/* only the home takes turns; the client's worker does not come to read */
	do {
		turn(1);
		while (the.to_origin.seen < the.to_origin.count)
			answer(next_to_origin(), MSG_NON, (uint16_t)(the.to_origin.seen), CODE_CHANGED, OSCORE, payload);
		turn(1);
	} while (the.to_origin.seen < the.to_origin.count);
	assert_int_equal(the.to_origin.seen, MANY);
	assert_int_equal(the.to_client.count, 0);
	assert_int_equal(slab_count(the.proxy[1]->exchanges), 0);
	pass_time(CLOCK_SECOND);
	while (the.to_client.seen < the.to_client.count)
		is_for(next_to_client(), 0, 1, expected++);
	assert_int_equal(expected, MANY);
	nothing_remains();
}

#define TEST(name) cmocka_unit_test_teardown(name, workers_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_changed_by_crossing), TEST(the_largest_messages_cross),
		TEST(an_answer_comes_late_and_separately), TEST(repeats_while_it_is_away), TEST(the_home_retransmits), TEST(no_response),
		TEST(no_response_to_success), TEST(the_origin_is_silent), TEST(the_origin_resets), TEST(the_network_refuses),
		TEST(a_full_ring_is_overload), TEST(answers_that_find_no_room_come_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
