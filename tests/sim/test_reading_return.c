/* objects: tests/sim/return_world.o tests/sim/fake_reader.o tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * What origins ask back by a return path is read by its route, too: both ways pass the same gate.
 */
#include "proxy/exchange/reading.h"
#include "tests/sim/fake_reader.h"
#include "tests/sim/return_world.h"

static const struct sent *up;

static int set_up(void **state)
{
	(void)state;
	return_world_begin("contexts: { plant: { keys = \"/etc/plant.keys\"; }; };\n"
		"reads: { gate: { context = \"plant\"; fields = [\"code\", \"uri-path\"]; deny = [\"PUT /firmware/**\"]; }; };", "read = \"gate\";");
	for (unsigned w = 0; w < the.count; w++)
		reader_begins(w);
	up = registers(0, PLAIN, 1);
	return 0;
}

static int tear_down(void **state)
{
	int status = return_world_tear_down(state);

	forget_questions();
	return status;
}

static void what_the_server_asks_waits_at_the_gate(void **state)
{
	const struct sent *s;

	(void)state;
	server_asks(up, MSG_CON, CODE_POST, 100, OSCORE, "sealed bytes");
	settle();
	nothing_more();
	assert_int_equal(reader.all[0].worker, HOME); /* to which the server's messages come */
	opened(next_question(), CODE_GET, "temp");
	settle();
	s = asked(0, PLAIN);
	is_message(s, s->m.type, CODE_POST, NULL, "sealed bytes");
	client_answers(s, MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
	settle();
	is_message(told(up, 100), MSG_ACK, CODE_CHANGED, "9=", "sealed answer");
	opened(next_question(), CODE_CHANGED, "");
	server_asks(up, MSG_CON, CODE_POST, 101, OSCORE, "sealed bytes");
	settle();
	opened(next_question(), CODE_PUT, "firmware/a");
	settle();
	assert_int_equal(told(up, 101)->m.code, CODE_UNAUTHORIZED);
	nothing_more();
	no_more_questions();
	nothing_remains();
	assert_int_equal(readings_count(the.proxy[HOME]), 0);
}

/* The path may end while something waits. */
static void a_path_that_ends_meanwhile(void **state)
{
	(void)state;
	server_asks(up, MSG_CON, CODE_POST, 100, OSCORE, "sealed bytes");
	settle();
	die(0);
	bury(0);
	raise_worker(0);
	reader_begins(0);
	settle();
	opened(next_question(), CODE_GET, "temp");
	pass_time(300 * CLOCK_SECOND);
	assert_int_equal(slab_count(the.proxy[HOME]->exchanges), 0);
	assert_int_equal(readings_count(the.proxy[HOME]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_the_server_asks_waits_at_the_gate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_path_that_ends_meanwhile, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
