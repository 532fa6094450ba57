/* objects: tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Clients' sessions as origins of routes: found by name in whichever worker they are, waited for, replaced, lost. Three workers: who asks is
 * at the first, whose session it is at the second.
 */
#include <stdio.h>

#include "proxy/exchange/sessions.h"
#include "tests/sim/workers.h"
#include "tests/unit/made.h"

#define OSCORE "9=090a0b0c"

#define ROUTES "meter: { hosts = [\"meter\"]; to = [\"session:meter-17\"]; };\n" \
	"late: { hosts = [\"late\"]; to = [\"session:late-one\"]; wait-for-session = \"30s\"; };\n" \
	"any: { hosts = [\"*.named\"]; to = [\"session:*\"]; };\n" \
	"two: { hosts = [\"two\"]; to = [\"session:one\", \"session:two\"]; wait-for-session = \"10s\"; };\n" \
	"or: { hosts = [\"or\"]; to = [\"session:one\", \"coap://10.9.0.1\"]; };\n"

enum { ASKER = 1, ANOTHER = 2, OVER_CONNECTION = RELIABLE_CLIENTS, SECURED = SECURED_CLIENTS };

static int set_up(void **state)
{
	(void)state;
	workers_begin(3, ROUTES, "");
	return 0;
}

/* The request that a client is asked. */
static const struct sent *asked(unsigned worker, unsigned client)
{
	struct endpoint peer = client_endpoint(client);
	const struct sent *s = next_to_client();

	assert_int_equal(s->worker, worker);
	assert_int_equal(s->slot, 0);
	assert_true(endpoint_equal(&s->peer, &peer));
	return s;
}

/* ---- requests and answers ---- */

static void a_session_is_asked_and_answers(void **state)
{
	const struct sent *s;

	(void)state;
	session_begins(1, SECURED, "meter-17");
	ask(0, ASKER, MSG_CON, CODE_GET, 1, 0, "3='meter' 11='reading' 15='q'", NULL);
	settle();
	s = asked(1, SECURED);
	is_message(s, MSG_CON, CODE_GET, "11=72656164696e67 15=71 16=10", "");
	client_answers(s, MSG_ACK, 0, CODE_CONTENT, "12=32", "42 kWh");
	settle();
	s = next_to_client();
	is_for(s, 0, ASKER, 1);
	is_message(s, MSG_ACK, CODE_CONTENT, "12=32", "42 kWh");
	nothing_more();
	nothing_remains();
}

static void and_over_a_connection(void **state)
{
	const struct sent *s;

	(void)state;
	session_begins(1, OVER_CONNECTION, "meter-17");
	for (unsigned i = 1; i < 20; i++) {
		ask(0, ASKER, i % 2 ? MSG_CON : MSG_NON, CODE_POST, (uint16_t)i, 0, "3='meter' " OSCORE, "sealed");
		settle();
		s = asked(1, OVER_CONNECTION);
		is_message(s, s->m.type, CODE_POST, "9=090a0b0c 16=10", "sealed");
		client_answers(s, MSG_NON, 0, CODE_CHANGED, "9=", "too");
		settle();
		is_message(next_to_client(), i % 2 ? MSG_ACK : MSG_NON, CODE_CHANGED, "9=", "too");
		nothing_more();
	}
	assert_int_equal(edge_says.connects, 0);
	nothing_remains();
}

/* In the same worker nothing crosses. */
static void of_the_same_worker(void **state)
{
	const struct sent *s;

	(void)state;
	session_begins(0, SECURED, "meter-17");
	ask(0, ASKER, MSG_CON, CODE_GET, 1, 0, "3='meter'", NULL);
	s = asked(0, SECURED);
	client_answers(s, MSG_ACK, 0, CODE_CONTENT, "", "x");
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, "", "x");
	assert_int_equal(counted(COUNT_CROSSED), 0);
	nothing_more();
	nothing_remains();
}

/* His Empty ACKs and Resets are for what they name: an answer to him, or a request. */
static void both_ways_at_once(void **state)
{
	const struct sent *up, *asking, *answer_to_him;

	(void)state;
	session_begins(1, SECURED, "meter-17");
	ask(1, SECURED, MSG_CON, CODE_GET, 500, origin_at(1, 1), "11='a'", NULL);
	up = next_to_origin();
	ask(0, ASKER, MSG_CON, CODE_GET, 1, 0, "3='meter'", NULL);
	settle();
	asking = asked(1, SECURED);
	client_answers(asking, MSG_ACK, 0, CODE_EMPTY, "", NULL);
	pass_time(2 * CLOCK_SECOND); /* both requests are acknowledged by us */
	next_to_client();
	next_to_client();
	answer(up, MSG_ACK, 0, CODE_CONTENT, "", "for him");
	settle();
	answer_to_him = next_to_client();
	is_for(answer_to_him, 1, SECURED, 500);
	assert_int_not_equal(answer_to_him->m.mid, asking->m.mid);
	client_empty(1, SECURED, MSG_ACK, answer_to_him->m.mid);
	client_answers(asking, MSG_CON, 77, CODE_CONTENT, "", "of him");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	is_message(next_to_client(), MSG_CON, CODE_CONTENT, "", "of him");
	client_empty(0, ASKER, MSG_ACK, the.to_client.all[the.to_client.seen - 1].m.mid);
	/* a repeat of his answer is acknowledged again, and goes no further */
	client_answers(asking, MSG_CON, 77, CODE_CONTENT, "", "of him");
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	settle();
	nothing_more();
	nothing_remains();
}

static void he_rejects_or_says_nothing(void **state)
{
	const struct sent *s;

	(void)state;
	session_begins(1, SECURED, "meter-17");
	ask(0, ASKER, MSG_NON, CODE_GET, 1, 0, "3='meter'", NULL);
	settle();
	s = asked(1, SECURED);
	client_empty(1, SECURED, MSG_RST, s->m.mid);
	settle();
	is_message(next_to_client(), MSG_NON, CODE_BAD_GATEWAY, NULL, NULL);
	ask(0, ASKER, MSG_CON, CODE_GET, 2, 0, "3='meter'", NULL);
	settle();
	s = asked(1, SECURED);
	pass_time(3500 * CLOCK_MS);
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	assert_int_equal(asked(1, SECURED)->m.mid, s->m.mid); /* repeated */
	pass_time(120 * CLOCK_SECOND);
	while (the.to_client.seen < the.to_client.count - 1)
		if (next_to_client()->worker == 1)
			assert_int_equal(the.to_client.all[the.to_client.seen - 1].m.mid, s->m.mid);
	pass_time(120 * CLOCK_SECOND);
	nothing_remains();
	/* what nobody asked for is an error of his */
	client_answers(s, MSG_CON, 99, CODE_CONTENT, "", "x");
	assert_true(counted(COUNT_UNEXPECTED_RESPONSES) > 0);
}

/* ---- who is found ---- */

static void nobody_of_the_name_is_there(void **state)
{
	const struct sent *s;

	(void)state;
	session_begins(1, SECURED, "meter-18");
	session_begins(2, OVER_CONNECTION, NULL);
	ask(0, ASKER, MSG_CON, CODE_GET, 1, 0, "3='meter'", NULL);
	s = next_to_client();
	is_message(s, MSG_ACK, CODE_UNAVAILABLE, NULL, "Not connected now");
	assert_true(option_value(s, OPT_MAX_AGE) > 0);
	ask(0, ASKER, MSG_CON, CODE_POST, 2, 0, "3='meter' " OSCORE, "sealed");
	is_message(next_to_client(), MSG_ACK, CODE_UNAVAILABLE, NULL, NULL);
	assert_int_equal(errors_of(ERR_SESSION_ABSENT), 2);
	nothing_more();
	nothing_remains();
}

static void the_host_may_be_the_name(void **state)
{
	(void)state;
	session_begins(1, SECURED, "m1.named");
	session_begins(2, SECURED + 1, "m2.named");
	session_begins(2, SECURED + 2, "m3");
	ask(0, ASKER, MSG_CON, CODE_GET, 1, 0, "3='m2.named'", NULL);
	settle();
	client_answers(asked(2, SECURED + 1), MSG_ACK, 0, CODE_CONTENT, "", "2");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, "", "2");
	ask(0, ASKER, MSG_CON, CODE_GET, 2, 0, "3='M1.NAMED'", NULL); /* a host is written as one likes (RFC 3986 3.2.2) */
	settle();
	client_answers(asked(1, SECURED), MSG_ACK, 0, CODE_CONTENT, "", "1");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, "", "1");
	/* the route's condition holds */
	ask(0, ASKER, MSG_CON, CODE_GET, 3, 0, "3='m3'", NULL);
	is_message(next_to_client(), MSG_ACK, CODE_NOT_FOUND, NULL, NULL);
	ask(0, ASKER, MSG_CON, CODE_GET, 4, 0, "3='m4.named'", NULL);
	is_message(next_to_client(), MSG_ACK, CODE_UNAVAILABLE, NULL, NULL);
	nothing_more();
	nothing_remains();
}

static void another_origin_takes_its_place(void **state)
{
	(void)state;
	ask(0, ASKER, MSG_CON, CODE_GET, 1, 0, "3='or'", NULL);
	settle();
	assert_true(endpoint_equal(&next_to_origin()->peer, &(struct endpoint){ .addr = { [10] = 0xff, [11] = 0xff, 10, 9, 0, 1 }, .port = 5683 }));
	session_begins(2, SECURED, "one");
	ask(0, ASKER, MSG_CON, CODE_GET, 2, 0, "3='or'", NULL);
	settle();
	client_answers(asked(2, SECURED), MSG_ACK, 0, CODE_CONTENT, "", NULL);
	settle();
	next_to_client();
}

/* ---- the newest wins ---- */

static void the_newest_session_of_a_name_wins(void **state)
{
	struct endpoint old;

	(void)state;
	session_begins(1, SECURED, "meter-17");
	old = client_endpoint(SECURED);
	session_begins(2, OVER_CONNECTION, "meter-17");
	assert_int_equal(edge_says.ended, 0);
	settle();
	assert_int_equal(edge_says.ended, 1);
	assert_true(endpoint_equal(&edge_says.ended_last, &old));
	ask(0, ASKER, MSG_CON, CODE_GET, 1, 0, "3='meter'", NULL);
	settle();
	client_answers(asked(2, OVER_CONNECTION), MSG_NON, 0, CODE_CONTENT, "", "new");
	settle();
	next_to_client();
	/* the end of the old one takes nothing from the new one */
	client_gone(1, SECURED);
	ask(0, ASKER, MSG_CON, CODE_GET, 2, 0, "3='meter'", NULL);
	settle();
	client_answers(asked(2, OVER_CONNECTION), MSG_NON, 0, CODE_CONTENT, "", "new");
	settle();
	next_to_client();
	/* in the same worker */
	old = client_endpoint(OVER_CONNECTION);
	session_begins(2, OVER_CONNECTION + 1, "meter-17");
	assert_int_equal(edge_says.ended, 2);
	assert_true(endpoint_equal(&edge_says.ended_last, &old));
	client_gone(2, OVER_CONNECTION);
	client_gone(2, OVER_CONNECTION + 1);
	ask(0, ASKER, MSG_CON, CODE_GET, 3, 0, "3='meter'", NULL);
	is_message(next_to_client(), MSG_ACK, CODE_UNAVAILABLE, NULL, NULL);
	assert_int_equal(counted(COUNT_SESSIONS_REPLACED), 2);
	nothing_more();
	nothing_remains();
}

/* ---- waiting ---- */

static void a_request_waits_for_the_session(void **state)
{
	const struct sent *s;

	(void)state;
	ask(0, ASKER, MSG_CON, CODE_GET, 1, 0, "3='late' 11='a'", NULL);
	settle();
	nothing_more();
	pass_time(20 * CLOCK_SECOND);
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	session_begins(1, SECURED + 1, "another");
	settle();
	nothing_more();
	session_begins(1, SECURED, "late-one");
	settle();
	s = asked(1, SECURED);
	is_message(s, MSG_CON, CODE_GET, "11=61 16=10", "");
	client_answers(s, MSG_ACK, 0, CODE_CONTENT, "", "at last");
	settle();
	s = next_to_client();
	is_for(s, 0, ASKER, 1);
	is_message(s, MSG_CON, CODE_CONTENT, "", "at last");
	client_empty(0, ASKER, MSG_ACK, s->m.mid);
	nothing_more();
	nothing_remains();
	for (unsigned w = 0; w < 3; w++)
		assert_int_equal(the.house.cells[w].session_waiters, 0);
}

static void but_not_longer_than_the_route_says(void **state)
{
	(void)state;
	ask(0, ASKER, MSG_NON, CODE_GET, 1, 0, "3='late'", NULL);
	ask(2, ANOTHER, MSG_NON, CODE_POST, 2, 0, "3='late' " OSCORE, "sealed");
	assert_int_equal(the.house.cells[0].session_waiters, 1);
	pass_time(29 * CLOCK_SECOND);
	nothing_more();
	pass_time(2 * CLOCK_SECOND);
	is_message(next_to_client(), MSG_NON, CODE_UNAVAILABLE, NULL, "Not connected now");
	is_message(next_to_client(), MSG_NON, CODE_UNAVAILABLE, NULL, NULL);
	session_begins(1, SECURED, "late-one");
	settle();
	nothing_more();
	nothing_remains();
}

/* In any worker, many at once, and each in the place that it has. */
static void all_that_wait_are_woken(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 90; i++)
		ask(i % 3, 10 + i, MSG_NON, CODE_GET, (uint16_t)(100 + i), 0, i % 2 ? "3='late'" : "3='two'", NULL);
	settle();
	nothing_more();
	session_begins(1, SECURED, "late-one");
	session_begins(2, SECURED + 1, "two");
	for (unsigned i = 0; i < 90;) {
		settle();
		while (the.to_client.seen < the.to_client.count) {
			const struct sent *s = next_to_client();

			if (s->peer.session != 0)
				client_answers(s, MSG_NON, (uint16_t)(1000 + the.to_client.seen), CODE_CONTENT, "", "x");
			else
				i++;
		}
	}
	nothing_more();
	nothing_remains();
}

/* Between the look for the session and the sleep it begins elsewhere: whoever sleeps is woken, or does not sleep. */
static void nobody_sleeps_over_it(void **state)
{
	(void)state;
	ask(0, ASKER, MSG_NON, CODE_GET, 1, 0, "3='late'", NULL);
	assert_true(crossing_may_sleep(the.proxy[0]));
	crossing_awake(the.proxy[0]);
	session_begins(1, SECURED, "late-one");
	assert_false(crossing_may_sleep(the.proxy[0]));
	crossing_awake(the.proxy[0]);
	settle();
	client_answers(asked(1, SECURED), MSG_NON, 1, CODE_CONTENT, "", "x");
	settle();
	next_to_client();
	assert_true(crossing_may_sleep(the.proxy[0]));
	crossing_awake(the.proxy[0]);
	nothing_remains();
}

static void who_waits_leaves(void **state)
{
	(void)state;
	session_begins(0, SECURED, NULL);
	ask(0, SECURED, MSG_NON, CODE_GET, 1, 0, "3='late'", NULL);
	ask(0, ASKER, MSG_NON, CODE_GET, 2, 0, "3='two'", NULL);
	client_gone(0, SECURED);
	proxy_drain(the.proxy[0]);
	proxy_give_up(the.proxy[0]);
	is_message(next_to_client(), MSG_NON, CODE_UNAVAILABLE, NULL, NULL);
	nothing_more();
	nothing_remains();
	assert_int_equal(the.house.cells[0].session_waiters, 0);
}

/* ---- ends ---- */

static void a_session_ends_under_a_request(void **state)
{
	(void)state;
	session_begins(1, SECURED, "meter-17");
	ask(0, ASKER, MSG_NON, CODE_GET, 1, 0, "3='meter'", NULL);
	ask(0, ANOTHER, MSG_NON, CODE_GET, 2, 0, "3='meter'", NULL); /* waits for the first, as a new origin has a window of one */
	settle();
	asked(1, SECURED);
	client_gone(1, SECURED);
	settle();
	is_message(next_to_client(), MSG_NON, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	is_message(next_to_client(), MSG_NON, CODE_UNAVAILABLE, NULL, "Not connected now");
	nothing_more();
	nothing_remains();
}

/* The request is on its way to the worker whose session has just ended. */
static void or_before_it_arrives(void **state)
{
	(void)state;
	session_begins(1, SECURED, "meter-17");
	ask(0, ASKER, MSG_NON, CODE_GET, 1, 0, "3='meter'", NULL);
	turn(0);
	client_gone(1, SECURED);
	settle();
	is_message(next_to_client(), MSG_NON, CODE_UNAVAILABLE, NULL, "Not connected now");
	nothing_more();
	nothing_remains();
}

static void its_worker_dies(void **state)
{
	const struct sent *s;

	(void)state;
	session_begins(1, SECURED, "meter-17");
	ask(0, ASKER, MSG_NON, CODE_GET, 1, 0, "3='meter'", NULL);
	settle();
	asked(1, SECURED);
	die(1);
	bury(1);
	settle();
	is_message(next_to_client(), MSG_NON, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	/* its sessions are gone */
	ask(0, ASKER, MSG_NON, CODE_GET, 2, 0, "3='meter'", NULL);
	is_message(next_to_client(), MSG_NON, CODE_UNAVAILABLE, NULL, NULL);
	raise_worker(1);
	session_begins(1, SECURED, "meter-17");
	ask(0, ASKER, MSG_NON, CODE_GET, 3, 0, "3='meter'", NULL);
	settle();
	s = asked(1, SECURED);
	client_answers(s, MSG_NON, 9, CODE_CONTENT, "", "x");
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, "", "x");
	nothing_more();
	nothing_remains();
}

/* ---- observations and uploads ---- */

static void a_session_is_observed_until_it_ends(void **state)
{
	const struct sent *s, *registration;
	struct endpoint peer;
	bool observed = false;

	(void)state;
	session_begins(1, OVER_CONNECTION, "meter-17");
	ask(0, ASKER, MSG_CON, CODE_GET, 1, 0, "3='meter' 6=", NULL);
	settle();
	registration = asked(1, OVER_CONNECTION);
	assert_true(has_option(registration, OPT_OBSERVE));
	client_answers(registration, MSG_NON, 0, CODE_CONTENT, "6=", "0");
	settle();
	s = next_to_client();
	assert_true(has_option(s, OPT_OBSERVE));
	peer = client_endpoint(OVER_CONNECTION);
	receive_under_way(the.proxy[1], 0, &peer, &observed);
	assert_true(observed); /* it is not idle, however long nothing comes */
	for (unsigned i = 0; i < 5; i++) {
		client_answers(registration, MSG_NON, 0, CODE_CONTENT, "6=", "1");
		settle();
		s = next_to_client();
		is_for(s, 0, ASKER, 1);
		is_message(s, MSG_NON, CODE_CONTENT, NULL, "1");
	}
	client_gone(1, OVER_CONNECTION);
	settle();
	s = next_to_client();
	is_message(s, MSG_CON, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	assert_false(has_option(s, OPT_OBSERVE));
	client_empty(0, ASKER, MSG_ACK, s->m.mid);
	nothing_more();
	nothing_remains();
}

/* There is one endpoint for all that is asked of him, by which he would take blocks of two for one body (RFC 7959 2.5). */
static void two_uploads_keep_apart(void **state)
{
	const struct sent *s;

	(void)state;
	session_begins(1, SECURED, "meter-17");
	ask(0, ASKER, MSG_NON, CODE_PUT, 1, 0, "3='meter' 11='fw' 27=08", "0123456789abcdef");
	settle();
	s = asked(1, SECURED);
	client_answers(s, MSG_NON, 1, CODE_CONTINUE, "27=08", NULL);
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CONTINUE, NULL, NULL);
	ask(2, ANOTHER, MSG_NON, CODE_PUT, 2, 0, "3='meter' 11='fw' 27=08", "0123456789abcdef");
	settle();
	is_message(next_to_client(), MSG_NON, CODE_UNAVAILABLE, NULL, NULL);
	ask(0, ASKER, MSG_NON, CODE_PUT, 3, 0, "3='meter' 11='fw' 27=10", "01234567");
	settle();
	s = asked(1, SECURED);
	client_answers(s, MSG_NON, 2, CODE_CHANGED, "27=10", NULL);
	settle();
	next_to_client();
	ask(2, ANOTHER, MSG_NON, CODE_PUT, 4, 0, "3='meter' 11='fw' 27=08", "0123456789abcdef");
	settle();
	client_answers(asked(1, SECURED), MSG_NON, 3, CODE_CONTINUE, "27=08", NULL);
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CONTINUE, NULL, NULL);
	pass_time(300 * CLOCK_SECOND);
	nothing_remains();
}

/* ---- signs of life ---- */

static void quiet_sessions_are_asked_for_a_sign_of_life(void **state)
{
	const struct sent *s;

	(void)state;
	the.conf->listeners[0].keepalive = 60 * CLOCK_SECOND;
	session_begins(1, SECURED, NULL);
	session_begins(2, OVER_CONNECTION, "his own transport does it");
	pass_time(59 * CLOCK_SECOND);
	nothing_more();
	pass_time(2 * CLOCK_SECOND);
	s = asked(1, SECURED);
	is_message(s, MSG_CON, CODE_EMPTY, "", "");
	assert_int_equal(s->m.token_len, 0);
	client_empty(1, SECURED, MSG_RST, s->m.mid);
	for (unsigned i = 0; i < 610; i++) {
		pass_time(CLOCK_SECOND);
		if (the.to_client.seen < the.to_client.count)
			client_empty(1, SECURED, MSG_RST, asked(1, SECURED)->m.mid);
	}
	nothing_more();
	assert_in_range(counted(COUNT_KEEPALIVE_PINGS), 5, 11);
	assert_int_equal(edge_says.ended, 0);
	nothing_remains();
}

static void and_ended_if_none_comes(void **state)
{
	(void)state;
	the.conf->listeners[0].keepalive = 10 * CLOCK_SECOND;
	session_begins(1, SECURED, "meter-17");
	pass_time(9 * CLOCK_SECOND);
	client_empty(1, SECURED, MSG_CON, 1); /* something of his puts it off */
	is_message(next_to_client(), MSG_RST, CODE_EMPTY, "", "");
	pass_time(9 * CLOCK_SECOND);
	nothing_more();
	pass_time(90 * CLOCK_SECOND);
	assert_int_equal(edge_says.ended, 0);
	assert_int_equal(the.to_client.count, 1 + 5); /* a Ping and its repeats (RFC 7252 4.2) */
	the.to_client.seen = the.to_client.count;
	pass_time(10 * CLOCK_SECOND);
	assert_int_equal(edge_says.ended, 1);
	assert_int_equal(counted(COUNT_SESSIONS_SILENT), 1);
	client_gone(1, SECURED);
	nothing_more();
	nothing_remains();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_session_is_asked_and_answers, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(and_over_a_connection, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(of_the_same_worker, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(both_ways_at_once, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(he_rejects_or_says_nothing, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(nobody_of_the_name_is_there, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(the_host_may_be_the_name, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(another_origin_takes_its_place, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(the_newest_session_of_a_name_wins, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(a_request_waits_for_the_session, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(but_not_longer_than_the_route_says, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(all_that_wait_are_woken, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(nobody_sleeps_over_it, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(who_waits_leaves, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(a_session_ends_under_a_request, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(or_before_it_arrives, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(its_worker_dies, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(a_session_is_observed_until_it_ends, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(two_uploads_keep_apart, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(quiet_sessions_are_asked_for_a_sign_of_life, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(and_ended_if_none_comes, set_up, workers_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
