/* objects: tests/sim/return_world.o tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Return paths: clients with a source port of their own towards an origin, which asks them there; what it may ask, and who else may not.
 */
#include <stdio.h>

#include "tests/sim/return_world.h"
#include "tests/unit/covers.h"

/* ---- both ways ---- */

static void each_client_has_a_port_of_his_own(void **state)
{
	const struct sent *a, *b, *again;

	(void)state;
	a = registers(0, PLAIN, 1);
	b = registers(0, PLAIN_TOO, 2);
	assert_int_not_equal(a->slot, b->slot);
	again = registers(0, PLAIN, 3);
	assert_int_equal(again->slot, a->slot);
	assert_int_equal(paths(), 2);
	/* a route without one does as ever */
	ask(0, PLAIN, MSG_CON, CODE_GET, 4, server, "", NULL);
	settle();
	again = next_to_origin();
	assert_false(return_path_is_slot(again->slot));
	answer(again, MSG_ACK, 0, CODE_CONTENT, "", NULL);
	settle();
	next_to_client();
	nothing_more();
	nothing_remains();
}

static void the_server_asks_each(void **state)
{
	static const struct { unsigned worker, client; } clients[] = { { 0, PLAIN }, { 0, PLAIN_TOO }, { 1, SECURED }, { 0, OVER_CONNECTION } };
	const struct sent *up[4], *s;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		if (clients[i].client >= RELIABLE_CLIENTS)
			session_begins(clients[i].worker, clients[i].client, NULL);
		up[i] = registers(clients[i].worker, clients[i].client, (uint16_t)(1 + i));
	}
	for (unsigned i = 0; i < 4; i++) {
		bool reliable = clients[i].client == OVER_CONNECTION;

		server_asks(up[i], MSG_CON, CODE_GET, (uint16_t)(100 + i), "3='gw' 7=1633 11='3' 11='0' 15='a' 17=2d16", NULL);
		s = asked(clients[i].worker, clients[i].client);
		/* path and query as they are; what names us goes */
		is_message(s, s->m.type, CODE_GET, "11=33 11=30 15=61 16=10 17=2d16", "");
		client_answers(s, reliable ? MSG_NON : MSG_ACK, 0, CODE_CONTENT, "12=2d16", "tlv");
		settle();
		s = told(up[i], (uint16_t)(100 + i));
		is_message(s, MSG_ACK, CODE_CONTENT, "12=2d16", "tlv");
		assert_int_equal(s->m.mid, 100 + i);
		/* a repeat has the same answer, and nobody is asked again */
		server_asks(up[i], MSG_CON, CODE_GET, (uint16_t)(100 + i), "3='gw' 7=1633 11='3' 11='0' 15='a' 17=2d16", NULL);
		is_message(told(up[i], (uint16_t)(100 + i)), MSG_ACK, CODE_CONTENT, "12=2d16", "tlv");
		nothing_more();
	}
	assert_int_equal(counted(COUNT_RETURN_REQUESTS), 8);
	nothing_remains();
}

static void oscore_is_left_as_it_is(void **state)
{
	const struct sent *up, *s;

	(void)state;
	session_begins(1, OVER_CONNECTION, NULL);
	up = registers(1, OVER_CONNECTION, 1);
	server_asks(up, MSG_NON, CODE_POST, 7, "9=090a0b0c", "sealed \x01\x02");
	s = asked(1, OVER_CONNECTION);
	is_message(s, MSG_NON, CODE_POST, "9=090a0b0c 16=10", "sealed \x01\x02");
	client_answers(s, MSG_NON, 0, CODE_CHANGED, "9=", "back");
	settle();
	is_message(told(up, 7), MSG_NON, CODE_CHANGED, "9=", "back");
	nothing_more();
	nothing_remains();
}

static void answers_may_be_separate(void **state)
{
	const struct sent *up = registers(0, PLAIN, 1), *s, *answer_up;

	(void)state;
	server_asks(up, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	s = asked(0, PLAIN);
	client_answers(s, MSG_ACK, 0, CODE_EMPTY, "", NULL);
	pass_time(1100 * CLOCK_MS);
	answer_up = next_to_origin();
	is_message(answer_up, MSG_ACK, CODE_EMPTY, "", "");
	assert_int_equal(answer_up->slot, up->slot);
	client_answers(s, MSG_CON, 50, CODE_CONTENT, "", "late");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	answer_up = told(up, 7);
	is_message(answer_up, MSG_CON, CODE_CONTENT, "", "late");
	pass_time(4 * CLOCK_SECOND); /* it is repeated until the server has it */
	is_message(told(up, 7), MSG_CON, CODE_CONTENT, "", "late");
	origin_empty(up, MSG_ACK, answer_up->m.mid);
	pass_time(100 * CLOCK_SECOND);
	nothing_more();
	nothing_remains();
}

/* From one port go requests and answers: they share the Message IDs (RFC 7252 4.4). */
static void one_space_of_message_ids(void **state)
{
	const struct sent *up = registers(0, PLAIN, 1), *s;
	uint16_t last = up->m.mid;

	(void)state;
	covers("C7252-4.4-1");
	for (uint16_t i = 0; i < 50; i++) {
		server_asks(up, MSG_NON, CODE_GET, (uint16_t)(100 + i), "11='3'", NULL);
		client_answers(asked(0, PLAIN), MSG_NON, (uint16_t)(100 + i), CODE_CONTENT, "", "x");
		settle();
		s = told(up, (uint16_t)(100 + i));
		assert_int_equal(s->m.mid, (uint16_t)(last + 1));
		s = registers(0, PLAIN, (uint16_t)(1000 + i));
		assert_int_equal(s->m.mid, (uint16_t)(last + 2));
		last = s->m.mid;
	}
	nothing_more();
	nothing_remains();
}

static void the_server_observes(void **state)
{
	const struct sent *up, *registration, *s;

	(void)state;
	session_begins(1, SECURED, NULL);
	up = registers(1, SECURED, 1);
	server_asks(up, MSG_CON, CODE_GET, 7, "6= 11='3' 11='0'", NULL);
	registration = asked(1, SECURED);
	assert_true(has_option(registration, OPT_OBSERVE));
	client_answers(registration, MSG_ACK, 0, CODE_CONTENT, "6=01", "0");
	settle();
	is_message(told(up, 7), MSG_ACK, CODE_CONTENT, NULL, "0");
	for (unsigned i = 1; i < 4; i++) {
		char options[16];

		snprintf(options, sizeof options, "6=%02x", i + 1);
		client_answers(registration, MSG_CON, (uint16_t)(600 + i), CODE_CONTENT, options, "n");
		settle();
		is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
		s = told(up, 7);
		is_message(s, MSG_CON, CODE_CONTENT, NULL, "n");
		assert_true(has_option(s, OPT_OBSERVE));
		origin_empty(up, MSG_ACK, s->m.mid);
		settle();
	}
	/* the server cancels by a request, then another one by a Reset */
	server_asks(up, MSG_CON, CODE_GET, 8, "6= 11='4'", NULL);
	registration = asked(1, SECURED);
	client_answers(registration, MSG_ACK, 0, CODE_CONTENT, "6=01", "0");
	settle();
	told(up, 8);
	client_answers(registration, MSG_CON, 700, CODE_CONTENT, "6=02", "n");
	settle();
	next_to_client();
	origin_empty(up, MSG_RST, told(up, 8)->m.mid);
	settle();
	s = asked(1, SECURED);
	assert_int_equal(option_value(s, OPT_OBSERVE), 1);
	client_answers(s, MSG_ACK, 0, CODE_CONTENT, "", "0");
	settle();
	assert_int_equal(house_observations(&the.house), 1);
	/* the session ends: the server is told */
	client_gone(1, SECURED);
	settle();
	s = told(up, 7);
	is_message(s, MSG_CON, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	origin_empty(up, MSG_ACK, s->m.mid);
	settle();
	nothing_more();
	nothing_remains();
	pass_time(6 * CLOCK_SECOND);
	assert_int_equal(paths(), 0);
	assert_int_equal(edge_says.closed, 1);
	assert_int_equal(edge_says.closed_last, up->slot);
}

static void blocks_pass(void **state)
{
	const struct sent *up = registers(0, PLAIN, 1), *s;

	(void)state;
	for (uint8_t i = 0; i < 3; i++) {
		char block[8];

		snprintf(block, sizeof block, "27=%x%d", i, i < 2 ? 8 : 0);
		server_asks(up, MSG_CON, CODE_PUT, (uint16_t)(10 + i), block, "0123456789abcdef");
		s = asked(0, PLAIN);
		assert_int_equal(option_value(s, OPT_BLOCK1), (unsigned)i << 4 | (i < 2 ? 8u : 0u));
		client_answers(s, MSG_ACK, 0, i < 2 ? CODE_CONTINUE : CODE_CHANGED, block, NULL);
		settle();
		is_message(told(up, (uint16_t)(10 + i)), MSG_ACK, i < 2 ? CODE_CONTINUE : CODE_CHANGED, NULL, NULL);
	}
	server_asks(up, MSG_CON, CODE_GET, 20, "23=14", NULL);
	s = asked(0, PLAIN);
	assert_int_equal(option_value(s, OPT_BLOCK2), 0x14);
	client_answers(s, MSG_ACK, 0, CODE_CONTENT, "23=14", "the rest");
	settle();
	is_message(told(up, 20), MSG_ACK, CODE_CONTENT, "23=14", "the rest");
	nothing_more();
	nothing_remains();
}

/* ---- who may ---- */

static void nobody_else_is_accepted_there(void **state)
{
	const struct sent *up = registers(0, PLAIN, 1);
	struct sent other = *up;
	uint8_t bytes[MSG_HEADER];

	(void)state;
	other.peer.port++;
	server_asks(&other, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	other.peer = origin_endpoint(server == 1 ? 2 : 1);
	server_asks(&other, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	msg_write_empty(bytes, MSG_CON, 1);
	upstream_datagram(the.proxy[HOME], up->slot, &other.peer, bytes, sizeof bytes, false);
	/* at ports that have no path, or are nobody's, it is as ever */
	other = *up;
	other.slot = up->slot + 1;
	server_asks(&other, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	assert_int_equal(counted(COUNT_RETURN_FOREIGN), 4);
	assert_int_equal(counted(COUNT_RETURN_REQUESTS), 0);
	nothing_more();
	other.slot = 0;
	server_asks(&other, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	is_message(next_to_origin(), MSG_RST, CODE_EMPTY, "", "");
	nothing_more();
	nothing_remains();
}

static void it_is_no_way_to_others(void **state)
{
	const struct sent *up = registers(0, PLAIN, 1), *s;

	(void)state;
	server_asks(up, MSG_CON, CODE_GET, 7, "35='coap://10.9.0.1/x'", NULL);
	is_message(told(up, 7), MSG_ACK, CODE_NO_PROXY, NULL, NULL);
	server_asks(up, MSG_CON, CODE_GET, 8, "3='o1' 39='coap'", NULL);
	is_message(told(up, 8), MSG_ACK, CODE_NO_PROXY, NULL, NULL);
	server_asks(up, MSG_CON, CODE_GET, 9, "16=00", NULL);
	is_message(told(up, 9), MSG_ACK, CODE_BAD_REQUEST, NULL, NULL);
	server_asks(up, MSG_CON, CODE_GET, 10, "16=01", NULL);
	is_message(told(up, 10), MSG_ACK, CODE_HOP_LIMIT, NULL, NULL);
	server_asks(up, MSG_CON, 0x1f, 11, "", NULL);
	is_message(told(up, 11), MSG_ACK, CODE_NOT_IMPLEMENTED, NULL, NULL);
	/* another route's host is no more than a name of ours */
	server_asks(up, MSG_CON, CODE_GET, 12, "3='o1'", NULL);
	s = asked(0, PLAIN);
	assert_false(has_option(s, OPT_URI_HOST));
	client_answers(s, MSG_ACK, 0, CODE_CONTENT, "", NULL);
	settle();
	told(up, 12);
	nothing_more();
	nothing_remains();
}

static void what_the_route_requires_holds(void **state)
{
	const struct sent *up;

	(void)state;
	return_world_begin("", "require = [\"oscore\"]; methods = [\"POST\"];");
	ask(0, PLAIN, MSG_CON, CODE_POST, 1, 0, (char[64]){ 0 }, NULL); /* no host: nobody's */
	next_to_client();
	{
		char options[64];

		snprintf(options, sizeof options, "%s " OSCORE, server_host);
		ask(0, PLAIN, MSG_CON, CODE_POST, 2, 0, options, "sealed");
	}
	settle();
	up = next_to_origin();
	answer(up, MSG_ACK, 0, CODE_CHANGED, OSCORE, "x");
	settle();
	next_to_client();
	server_asks(up, MSG_CON, CODE_GET, 7, "11='3'", NULL);
	is_message(told(up, 7), MSG_ACK, CODE_UNAUTHORIZED, NULL, NULL);
	server_asks(up, MSG_CON, CODE_FETCH, 8, OSCORE, "sealed");
	client_answers(asked(0, PLAIN), MSG_ACK, 0, CODE_CONTENT, "9=", "x");
	settle();
	is_message(told(up, 8), MSG_ACK, CODE_CONTENT, "9=", "x");
	nothing_more();
	nothing_remains();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_client_has_a_port_of_his_own, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(the_server_asks_each, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(oscore_is_left_as_it_is, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(answers_may_be_separate, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(one_space_of_message_ids, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(the_server_observes, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(blocks_pass, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(nobody_else_is_accepted_there, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(it_is_no_way_to_others, return_world_set_up, return_world_tear_down),
		cmocka_unit_test_setup_teardown(what_the_route_requires_holds, NULL, return_world_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
