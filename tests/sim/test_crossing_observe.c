/* objects: tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Observations whose client and origin belong to different workers (RFC 7641 5): one relation upstream for each, its end on either side.
 */
#include <stdio.h>

#include "tests/sim/workers.h"

enum { FAR = 1 }; /* the home; clients come to worker 0 */

static unsigned origin;

static int set_up(void **state)
{
	(void)state;
	workers_begin(3, NULL, "");
	origin = origin_at(FAR, 1);
	return 0;
}

/* Registers; the options stand behind Observe. Returns what the origin got. */
static const struct sent *observe(unsigned worker, unsigned client, uint16_t mid, const char *options)
{
	const struct sent *s, *c;
	char text[200];

	snprintf(text, sizeof text, "6= %s", options);
	ask(worker, client, MSG_CON, CODE_GET, mid, origin, text, NULL);
	settle();
	s = next_to_origin();
	assert_int_equal(s->worker, FAR);
	answer(s, MSG_ACK, 0, CODE_CONTENT, "6=64", "first");
	settle();
	c = next_to_client();
	is_for(c, worker, client, mid);
	is_message(c, MSG_ACK, CODE_CONTENT, NULL, "first");
	assert_true(has_option(c, OPT_OBSERVE));
	return s;
}

static void acknowledge(const struct sent *s, unsigned client)
{
	client_empty(s->worker, client, MSG_ACK, s->m.mid);
	settle();
}

static void notifications_of_both_types(void **state)
{
	const struct sent *s = observe(0, 1, 1, "11='a'"), *n;

	(void)state;
	answer(s, MSG_NON, 10, CODE_CONTENT, "6=65 14=05", "by NON");
	settle();
	n = next_to_client();
	is_for(n, 0, 1, 1);
	is_message(n, MSG_NON, CODE_CONTENT, NULL, "by NON");
	assert_int_equal(option_value(n, OPT_MAX_AGE), 5);
	answer(s, MSG_CON, 11, CODE_CONTENT, "6=66", "by CON");
	nothing_more(); /* acknowledged when it is passed on, not before */
	settle();
	n = next_to_client();
	is_message(n, MSG_CON, CODE_CONTENT, NULL, "by CON");
	is_message(next_to_origin(), MSG_ACK, CODE_EMPTY, "", "");
	assert_int_equal(the.to_origin.all[the.to_origin.count - 1].m.mid, 11);
	acknowledge(n, 1);
	/* its repeat is acknowledged again and goes nowhere */
	answer(s, MSG_CON, 11, CODE_CONTENT, "6=66", "by CON");
	is_message(next_to_origin(), MSG_ACK, CODE_EMPTY, "", "");
	settle();
	nothing_more();
	assert_int_equal(house_observations(&the.house), 1);
}

static void the_newest_replaces_what_waits(void **state)
{
	const struct sent *s = observe(0, 1, 1, "11='a'"), *n;
	unsigned acknowledged = 0;

	(void)state;
	answer(s, MSG_CON, 10, CODE_CONTENT, "6=65", "1");
	settle();
	n = next_to_client();
	is_message(next_to_origin(), MSG_ACK, CODE_EMPTY, "", "");
	for (uint16_t i = 0; i < 3; i++) {
		char options[16];

		snprintf(options, sizeof options, "6=%02x", 0x66 + i);
		answer(s, MSG_CON, (uint16_t)(11 + i), CODE_CONTENT, options, i == 2 ? "newest" : "between");
		settle();
	}
	for (; the.to_origin.seen < the.to_origin.count; acknowledged++)
		assert_int_equal(next_to_origin()->m.mid, 11 + acknowledged);
	assert_int_equal(acknowledged, 2); /* the newest waits still */
	acknowledge(n, 1);
	n = next_to_client();
	is_message(n, MSG_CON, CODE_CONTENT, NULL, "newest");
	assert_int_equal(next_to_origin()->m.mid, 13);
	acknowledge(n, 1);
	nothing_more();
	assert_int_equal(counted(COUNT_NOTIFICATIONS_SKIPPED), 2);
}

static void what_is_out_of_order_is_dropped(void **state)
{
	const struct sent *s = observe(0, 1, 1, "11='a'");

	(void)state;
	answer(s, MSG_NON, 10, CODE_CONTENT, "6=70", "newer");
	answer(s, MSG_NON, 11, CODE_CONTENT, "6=6f", "older");
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "newer");
	nothing_more();
	assert_int_equal(counted(COUNT_STALE_NOTIFICATIONS), 1);
}

/* The network doubles it before anything has come back: it is passed on once, also where OSCORE hides the order. */
static void a_doubled_notification(void **state)
{
	static const char *const options[] = { "11='a'", "9=01" };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const struct sent *s = observe(0, 1 + i, 1, options[i]), *n;

		for (unsigned k = 0; k < 2; k++)
			answer(s, MSG_NON, (uint16_t)(20 + i), CODE_CONTENT, "6=65", "by NON");
		settle();
		is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "by NON");
		nothing_more();
		for (unsigned k = 0; k < 2; k++)
			answer(s, MSG_CON, (uint16_t)(30 + i), CODE_CONTENT, "6=66", "by CON");
		settle();
		n = next_to_client();
		is_message(n, MSG_CON, CODE_CONTENT, NULL, "by CON");
		acknowledge(n, 1 + i);
		assert_int_equal(the.to_client.seen, the.to_client.count);
		assert_true(the.to_origin.seen < the.to_origin.count);
		for (; the.to_origin.seen < the.to_origin.count;)
			is_message(next_to_origin(), MSG_ACK, CODE_EMPTY, "", "");
	}
}

static void a_refresh_keeps_token_and_port(void **state)
{
	const struct sent *s = observe(0, 1, 1, "11='a'"), *again;

	(void)state;
	ask_as(1, 0, 1, MSG_CON, CODE_GET, 2, origin, "6= 11='a'", NULL);
	settle();
	again = next_to_origin();
	assert_int_equal(again->slot, s->slot);
	assert_memory_equal(again->m.token, s->m.token, s->m.token_len);
	/* a notification crosses it */
	answer(s, MSG_NON, 9, CODE_CONTENT, "6=65", "between");
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "between");
	answer(again, MSG_ACK, 0, CODE_CONTENT, "6=66", "refreshed");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "refreshed");
	answer(again, MSG_NON, 10, CODE_CONTENT, "6=67", "after");
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "after");
	nothing_more();
	assert_int_equal(house_observations(&the.house), 1);
}

static void a_client_cancels(void **state)
{
	const struct sent *s = observe(0, 1, 1, "11='a'"), *c;

	(void)state;
	ask_as(1, 0, 1, MSG_CON, CODE_GET, 2, origin, "6=01 11='a'", NULL);
	settle();
	c = next_to_origin();
	assert_int_equal(option_value(c, OPT_OBSERVE), 1);
	assert_memory_equal(c->m.token, s->m.token, s->m.token_len);
	answer(c, MSG_ACK, 0, CODE_CONTENT, "", "last");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, "", "last");
	nothing_more();
	nothing_remains();
}

static void a_client_resets(void **state)
{
	const struct sent *s = observe(0, 1, 1, "11='a'"), *n;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		answer(s, i == 0 ? MSG_NON : MSG_CON, (uint16_t)(10 + i), CODE_CONTENT, i == 0 ? "6=65" : "6=66", "x");
		settle();
		n = next_to_client();
		if (i == 1)
			next_to_origin();
		client_empty(0, 1, MSG_RST, n->m.mid);
		settle();
		n = next_to_origin();
		is_message(n, MSG_CON, CODE_GET, NULL, "");
		assert_int_equal(option_value(n, OPT_OBSERVE), 1);
		answer(n, MSG_ACK, 0, CODE_CONTENT, "", "");
		settle();
		nothing_more();
		nothing_remains();
		if (i == 0)
			s = observe(0, 1, 2, "11='a'");
	}
}

static void an_oscore_client_resets(void **state)
{
	const struct sent *s = observe(0, 1, 1, "9=01");

	(void)state;
	answer(s, MSG_NON, 10, CODE_CONTENT, "6=65 9=", "x");
	settle();
	client_empty(0, 1, MSG_RST, next_to_client()->m.mid);
	settle();
	nothing_more();
	nothing_remains();
	answer(s, MSG_NON, 11, CODE_CONTENT, "6=66 9=", "y");
	is_message(next_to_origin(), MSG_RST, CODE_EMPTY, "", "");
}

/* A client that does not acknowledge is given up. */
static void a_client_is_silent(void **state)
{
	const struct sent *s = observe(0, 1, 1, "11='a'");

	(void)state;
	answer(s, MSG_CON, 10, CODE_CONTENT, "6=65", "x");
	settle();
	next_to_origin();
	pass_time(100 * CLOCK_SECOND);
	s = next_to_origin();
	assert_int_equal(option_value(s, OPT_OBSERVE), 1);
	answer(s, MSG_ACK, 0, CODE_CONTENT, "", "");
	settle();
	assert_int_equal(counted(COUNT_DELIVERIES_FAILED), 1);
	nothing_remains();
}

static void the_last_notification(void **state)
{
	const struct sent *s = observe(0, 1, 1, "11='a'"), *n;

	(void)state;
	answer(s, MSG_CON, 10, CODE_NOT_FOUND, "", "gone");
	settle();
	n = next_to_client();
	is_message(n, MSG_CON, CODE_NOT_FOUND, "", "gone");
	is_message(next_to_origin(), MSG_ACK, CODE_EMPTY, "", "");
	acknowledge(n, 1);
	nothing_more();
	nothing_remains();
	/* also while a refresh is under way: that is acknowledged, and has its answer in it */
	s = observe(0, 1, 2, "11='a'");
	ask_as(2, 0, 1, MSG_CON, CODE_GET, 3, origin, "6= 11='a'", NULL);
	settle();
	next_to_origin();
	answer(s, MSG_NON, 11, CODE_NOT_FOUND, "", "gone");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	n = next_to_client();
	is_message(n, MSG_CON, CODE_NOT_FOUND, "", "gone");
	acknowledge(n, 1);
	nothing_more();
	nothing_remains();
}

/* The same where a newer registration under the token came behind the refresh: both are answered. */
static void the_last_notification_and_a_newer_registration(void **state)
{
	const struct sent *s = observe(0, 1, 1, "11='a'"), *t;

	(void)state;
	ask_as(1, 0, 1, MSG_CON, CODE_GET, 2, origin, "6= 11='a'", NULL);
	settle();
	next_to_origin();
	ask_as(1, 0, 1, MSG_CON, CODE_GET, 3, origin, "6= 11='a'", NULL);
	settle();
	t = next_to_origin();
	answer(s, MSG_NON, 11, CODE_NOT_FOUND, "", "gone");
	settle();
	s = next_to_client();
	is_message(s, MSG_ACK, CODE_NOT_FOUND, "", "gone");
	assert_int_equal(s->m.mid, 2);
	answer(t, MSG_ACK, 0, CODE_CONTENT, "6=01", "there again");
	settle();
	s = next_to_client();
	is_message(s, MSG_ACK, CODE_CONTENT, NULL, "there again");
	assert_int_equal(s->m.mid, 3);
	nothing_more();
	assert_int_equal(house_observations(&the.house), 1);
}

static void registrations_that_are_not_taken(void **state)
{
	(void)state;
	ask(0, 1, MSG_CON, CODE_GET, 1, origin, "6= 11='a'", NULL);
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "", "no Observe");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, "", "no Observe");
	nothing_more();
	nothing_remains();
	ask(0, 1, MSG_CON, CODE_GET, 2, origin, "6= 11='a'", NULL);
	pass_time(94 * CLOCK_SECOND);
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	is_message(next_to_client(), MSG_CON, CODE_GATEWAY_TIMEOUT, "", NULL);
	assert_int_equal(house_observations(&the.house), 0);
	pass_time(400 * CLOCK_SECOND);
	nothing_remains();
}

/* Two clients of different workers on one resource are two relations, both from the origin's home. */
static void two_clients_are_two_relations(void **state)
{
	const struct sent *s = observe(0, 1, 1, "11='a'"), *t = observe(2, 2, 1, "11='a'"), *u = observe(FAR, 3, 1, "11='a'");

	(void)state;
	assert_memory_not_equal(s->m.token, t->m.token, 8);
	assert_memory_not_equal(s->m.token, u->m.token, 8);
	answer(t, MSG_NON, 10, CODE_CONTENT, "6=65", "for the second");
	settle();
	is_for(next_to_client(), 2, 2, 1);
	answer(s, MSG_NON, 11, CODE_NOT_FOUND, "", "for the first");
	settle();
	is_for(next_to_client(), 0, 1, 1);
	answer(u, MSG_NON, 12, CODE_CONTENT, "6=65", "for the third");
	settle();
	is_for(next_to_client(), FAR, 3, 1);
	nothing_more();
	assert_int_equal(house_observations(&the.house), 2);
}

static void the_limit_counts_over_all(void **state)
{
	unsigned observing = 0;

	(void)state;
	workers_end();
	workers_begin(3, NULL, "limits: { observations = 4; };");
	for (uint16_t i = 0; i < 9; i++) {
		ask(i % 3, 1, MSG_CON, CODE_GET, i, 1 + i % 4u, "6= 11='a'", NULL);
		settle();
		answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, has_option(&the.to_origin.all[i], OPT_OBSERVE) ? "6=01" : "", "x");
		settle();
		observing += has_option(next_to_client(), OPT_OBSERVE);
	}
	assert_int_equal(observing, 4);
	assert_int_equal(house_observations(&the.house), 4);
}

/* The client's worker does not come to read. What is kept for it stays within a bound, and in the end it gets the newest. */
static void notifications_do_not_pile_up(void **state)
{
	static char payload[1001];
	const struct sent *s = observe(0, 1, 1, "11='a'"), *n;
	unsigned before = the.to_client.count;
	char options[16];

	(void)state;
	memset(payload, 'p', sizeof payload - 1);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(options, sizeof options, "6=%04x", 0x1000 + i);
		payload[0] = (char)('0' + i % 10);
		answer(s, MSG_NON, (uint16_t)i, CODE_CONTENT, options, payload);
		turn(FAR);
	}
	turn(0);
	assert_in_range(the.to_client.count - before, 20, 64);
	settle();
	pass_time(CLOCK_SECOND);
	assert_in_range(the.to_client.count - before, 20, 66);
	n = &the.to_client.all[the.to_client.count - 1];
	is_message(n, MSG_NON, CODE_CONTENT, NULL, payload);
	assert_true(counted(COUNT_NOTIFICATIONS_SKIPPED) > 2900);
	the.to_client.seen = the.to_client.count;
	/* the last one comes behind them */
	for (unsigned i = 0; i < 100; i++) {
		snprintf(options, sizeof options, "6=%04x", 0x2000 + i);
		answer(s, MSG_NON, (uint16_t)(3000 + i), CODE_CONTENT, options, payload);
		turn(FAR);
	}
	answer(s, MSG_NON, 4000, CODE_NOT_FOUND, "", "the end");
	turn(FAR);
	pass_time(CLOCK_SECOND);
	n = &the.to_client.all[the.to_client.count - 1];
	is_message(n, MSG_CON, CODE_NOT_FOUND, "", "the end");
	acknowledge(n, 1);
	the.to_client.seen = the.to_client.count;
	nothing_more();
	nothing_remains();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, workers_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(notifications_of_both_types), TEST(the_newest_replaces_what_waits), TEST(what_is_out_of_order_is_dropped),
		TEST(a_doubled_notification), TEST(a_refresh_keeps_token_and_port), TEST(a_client_cancels), TEST(a_client_resets),
		TEST(an_oscore_client_resets), TEST(a_client_is_silent), TEST(the_last_notification),
		TEST(the_last_notification_and_a_newer_registration), TEST(registrations_that_are_not_taken),
		TEST(two_clients_are_two_relations), TEST(the_limit_counts_over_all), TEST(notifications_do_not_pile_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
