/* objects: tests/sim/return_world.o tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Return paths end: bounded in number and time, with sessions, workers and configurations.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/client.h"
#include "proxy/exchange/renew.h"
#include "tests/sim/return_world.h"

/* ---- bounds ---- */

static void paths_are_bounded(void **state)
{
	const struct sent *s;

	(void)state;
	return_world_begin("upstream: { return-ports = 4; };", "");
	/* those who may not exist leave a quarter */
	for (unsigned i = 0; i < 4; i++) {
		char options[64];

		snprintf(options, sizeof options, "%s", server_host);
		ask(i % 2, FORGED + i, MSG_NON, CODE_POST, (uint16_t)(1 + i), 0, options, "x");
		settle();
		if (i < 3)
			answer(next_to_origin(), MSG_NON, (uint16_t)(1 + i), CODE_CHANGED, "", NULL);
		settle();
		s = next_to_client();
		is_message(s, MSG_NON, i < 3 ? CODE_CHANGED : CODE_UNAVAILABLE, NULL, i < 3 ? NULL : "No return path left");
	}
	registers(0, PLAIN, 10);
	{
		char options[64];

		snprintf(options, sizeof options, "%s", server_host);
		ask(0, PLAIN_TOO, MSG_CON, CODE_POST, 11, 0, options, "x");
	}
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_UNAVAILABLE, NULL, NULL);
	assert_int_equal(errors_of(ERR_RETURN_PORTS), 2);
	assert_int_equal(paths(), 4);
	/* and lose theirs soon */
	pass_time(EXCHANGE_LIFETIME + 20 * CLOCK_SECOND);
	assert_int_equal(paths(), 1);
	registers(0, PLAIN_TOO, 12);
	nothing_more();
	nothing_remains();
}

/* A client who answers is one who exists. */
static void who_answers_keeps_his_path(void **state)
{
	const struct sent *up = registers(0, FORGED, 1);

	(void)state;
	server_asks(up, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	client_answers(asked(0, FORGED), MSG_ACK, 0, CODE_CONTENT, "", "x");
	settle();
	told(up, 7);
	pass_time(23 * 3600 * CLOCK_SECOND);
	assert_int_equal(paths(), 1);
	/* traffic renews it, either way */
	server_asks(up, MSG_CON, CODE_GET, 8, "11='3'", NULL);
	client_answers(asked(0, FORGED), MSG_ACK, 0, CODE_CONTENT, "", "x");
	settle();
	told(up, 8);
	pass_time(23 * 3600 * CLOCK_SECOND);
	assert_int_equal(paths(), 1);
	assert_int_equal(registers(0, FORGED, 2)->slot, up->slot);
	pass_time(23 * 3600 * CLOCK_SECOND);
	assert_int_equal(paths(), 1);
	assert_int_equal(edge_says.closed, 0);
	pass_time(2 * 3600 * CLOCK_SECOND);
	assert_int_equal(paths(), 0);
	assert_int_equal(edge_says.closed_last, up->slot);
	server_asks(up, MSG_CON, CODE_GET, 9, "11='3'", NULL);
	assert_int_equal(counted(COUNT_RETURN_FOREIGN), 1);
	/* the next one is at another port: what is remembered of the old one is not its */
	assert_int_not_equal(registers(0, FORGED, 3)->slot, up->slot);
	nothing_more();
	nothing_remains();
}

/* Nor is the gateway turned against somebody who never asked for anything: all that he is asked goes by the rate of answers. */
static void who_may_not_exist_is_not_flooded(void **state)
{
	enum { NAMES = 50, BYTES = 400, RATE = 10000 };
	const struct sent *up[NAMES];
	size_t sent = 0;
	char payload[BYTES + 1];

	(void)state;
	memset(payload, 'x', BYTES);
	payload[BYTES] = '\0';
	for (unsigned i = 0; i < NAMES; i++)
		up[i] = registers(0, FORGED + i, (uint16_t)i);
	for (unsigned i = 0; i < NAMES; i++)
		server_asks(up[i], MSG_CON, CODE_PUT, 7, "11='5'", payload);
	for (; the.to_client.seen < the.to_client.count; the.to_client.seen++)
		sent += the.to_client.all[the.to_client.seen].m.len;
	assert_in_range(sent, RATE / 2, RATE);
	assert_in_range(counted(COUNT_UNVERIFIED_DROPPED), NAMES - RATE / BYTES, NAMES);
	/* who answers exists */
	pass_time(EXCHANGE_LIFETIME);
	the.to_client.seen = the.to_client.count;
	the.to_origin.seen = the.to_origin.count;
	for (uint16_t mid = 100; mid < 200; mid++) {
		server_asks(up[0], MSG_CON, CODE_PUT, mid, "11='5'", payload);
		client_answers(asked(0, FORGED), MSG_ACK, 0, CODE_CHANGED, "", NULL);
		settle();
		is_message(told(up[0], mid), MSG_ACK, CODE_CHANGED, "", NULL);
	}
}

static void forget(struct sent_log *log)
{
	for (unsigned i = 0; i < log->count; i++)
		free((void *)(uintptr_t)log->all[i].m.bytes);
	log->count = log->seen = 0;
}

/* Sessions have numbers of their own; those of the simulation are few, and used again. */
static const struct sent *comes(unsigned client, uint16_t mid)
{
	struct endpoint peer = client_endpoint(client);
	struct client *before = client_find(the.proxy[0], 0, &peer);

	if (before != NULL)
		before->gone = false;
	session_begins(0, client, NULL);
	return registers(0, client, mid);
}

static void is_asked(const struct sent *up, unsigned client, const char *says)
{
	server_asks(up, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	client_answers(asked(0, client), MSG_NON, 0, CODE_CONTENT, "", says);
	settle();
	is_message(told(up, 7), MSG_ACK, CODE_CONTENT, "", says);
}

/* Each has a port of his own, and leaves it at once to who comes then: what was asked of the one is not what is asked of the other. */
static void who_comes_and_goes_uses_up_no_ports(void **state)
{
	enum { AT_ONCE = 40, PORTS = RETURN_SLOTS_END - RETURN_SLOTS };
	const struct sent *up = comes(OVER_CONNECTION, 0);
	unsigned slot = up->slot, n = 0;

	(void)state;
	is_asked(up, OVER_CONNECTION, "first");
	while (n++ == 0 || (up->slot != slot && n < 2 * PORTS)) {
		client_gone(0, OVER_CONNECTION + (n - 1) % AT_ONCE);
		if (n % AT_ONCE == 0) {
			forget(&the.to_client);
			forget(&the.to_origin);
			edge_says.gone_count = 0;
			pass_time(2 * WHEEL_TICK);
		}
		up = comes(OVER_CONNECTION + n % AT_ONCE, (uint16_t)n);
	}
	assert_int_equal(up->slot, slot);
	is_asked(up, OVER_CONNECTION + (n - 1) % AT_ONCE, "second");
	assert_int_equal(errors_of(ERR_RETURN_PORTS), 0);
	nothing_more();
}

/* ---- ends ---- */

static void it_ends_with_the_session(void **state)
{
	const struct sent *up;

	(void)state;
	session_begins(0, OVER_CONNECTION, NULL);
	up = registers(0, OVER_CONNECTION, 1);
	client_gone(0, OVER_CONNECTION);
	settle();
	server_asks(up, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	is_message(next_to_origin(), MSG_RST, CODE_EMPTY, "", "");
	pass_time(10 * CLOCK_SECOND);
	assert_int_equal(paths(), 0);
	nothing_more();
	nothing_remains();
}

/* The session's end and the server's request pass each other. */
static void or_is_just_ending(void **state)
{
	const struct sent *up;
	struct endpoint peer;

	(void)state;
	session_begins(0, SECURED, NULL);
	up = registers(0, SECURED, 1);
	peer = client_endpoint(SECURED);
	edge_says.gone[edge_says.gone_count++] = peer; /* the edge knows already */
	server_asks(up, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	is_message(told(up, 7), MSG_ACK, CODE_UNAVAILABLE, NULL, "Not connected now");
	client_gone(0, SECURED);
	settle();
	nothing_more();
	nothing_remains();
}

static void the_clients_worker_dies(void **state)
{
	const struct sent *plain, *secured, *s;

	(void)state;
	session_begins(0, SECURED, NULL);
	plain = registers(0, PLAIN, 1);
	secured = registers(0, SECURED, 2);
	server_asks(plain, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	asked(0, PLAIN);
	die(0);
	bury(0);
	settle();
	is_message(told(plain, 7), MSG_ACK, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	raise_worker(0);
	pass_time(10 * CLOCK_SECOND);
	assert_int_equal(paths(), 1); /* the session's is gone */
	server_asks(secured, MSG_CON, CODE_GET, 8, "11='3'", NULL);
	assert_true(counted(COUNT_RETURN_FOREIGN) == 1);
	/* a client of plain datagrams is where he was, and so is our listener */
	server_asks(plain, MSG_CON, CODE_GET, 9, "11='3'", NULL);
	s = asked(0, PLAIN);
	client_answers(s, MSG_ACK, 0, CODE_CONTENT, "", "x");
	settle();
	is_message(told(plain, 9), MSG_ACK, CODE_CONTENT, "", "x");
	nothing_more();
	nothing_remains();
}

static void the_homes_worker_dies(void **state)
{
	const struct sent *up = registers(0, PLAIN, 1), *again;

	(void)state;
	server_asks(up, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	asked(0, PLAIN);
	die(HOME);
	bury(HOME);
	settle();
	raise_worker(HOME);
	assert_int_equal(paths(), 0);
	again = registers(0, PLAIN, 2);
	assert_int_equal(paths(), 1);
	/* its port may have the number of the old one; its messages are others, whatever their IDs (RFC 7252 4.5) */
	server_asks(again, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	client_answers(asked(0, PLAIN), MSG_ACK, 0, CODE_CONTENT, "", "x");
	settle();
	is_message(told(again, 7), MSG_ACK, CODE_CONTENT, "", "x");
	nothing_more();
	nothing_remains();
}

/* ---- a new configuration ---- */

static void renew(const char *routes)
{
	struct snapshot *next = workers_conf(1, routes, "");

	for (unsigned w = 0; w < the.count; w++)
		proxy_renew(the.proxy[w], next);
	snapshot_release(the.conf);
	the.conf = next;
	settle();
}

static void a_new_configuration_takes_it_away(void **state)
{
	const struct sent *up = registers(0, PLAIN, 1), *s;

	(void)state;
	server_asks(up, MSG_CON, CODE_GET, 7, "6= 11='3'", NULL);
	client_answers(asked(0, PLAIN), MSG_ACK, 0, CODE_CONTENT, "6=01", "0");
	settle();
	told(up, 7);
	/* the same route again, with another condition */
	renew(return_routes('q', "return-path = true;"));
	server_asks(up, MSG_CON, CODE_GET, 8, "11='3'", NULL);
	client_answers(asked(0, PLAIN), MSG_ACK, 0, CODE_CONTENT, "", "x");
	settle();
	told(up, 8);
	nothing_more();
	/* and without it */
	renew(return_routes('q', ""));
	s = told(up, 7);
	is_message(s, MSG_CON, CODE_UNAVAILABLE, NULL, NULL);
	origin_empty(up, MSG_ACK, s->m.mid);
	server_asks(up, MSG_CON, CODE_GET, 9, "11='3'", NULL);
	is_message(asked(0, PLAIN), MSG_CON, CODE_GET, NULL, NULL); /* the observation is cancelled */
	is_message(next_to_origin(), MSG_RST, CODE_EMPTY, "", "");
	pass_time(200 * CLOCK_SECOND);
	assert_int_equal(paths(), 0);
	the.to_client.seen = the.to_client.count;
	nothing_remains();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(paths_are_bounded, NULL, return_world_tear_down),
		cmocka_unit_test_setup_teardown(who_answers_keeps_his_path, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(who_may_not_exist_is_not_flooded, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(who_comes_and_goes_uses_up_no_ports, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(it_ends_with_the_session, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(or_is_just_ending, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(the_clients_worker_dies, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(the_homes_worker_dies, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(a_new_configuration_takes_it_away, return_world_set_up, return_world_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
