/* objects: tests/sim/workers.o tests/sim/fake_reader.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Gates and observations, crossings and reloads.
 */
#include "proxy/exchange/reading.h"
#include "proxy/exchange/renew.h"
#include "tests/sim/fake_reader.h"

#define OSCORE "9=090a0b0c"
#define FIELDS "fields = [\"code\", \"uri-path\"];"
#define DENY FIELDS " deny = [\"PUT /firmware/**\"];"

enum { NEAR, FAR };

static void begin(unsigned workers)
{
	reading_begins(workers, DENY, FIELDS, "");
}

static int one(void **state)
{
	(void)state;
	begin(1);
	return 0;
}

static int two(void **state)
{
	(void)state;
	begin(2);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	reading_ends();
	return 0;
}

static void nothing_is_left(void)
{
	nothing_more();
	no_more_questions();
	nothing_remains();
	for (unsigned w = 0; w < the.count; w++) {
		assert_int_equal(reader_link_open(the.proxy[w]), 0);
		assert_int_equal(readings_count(the.proxy[w]), 0);
	}
}

static void open_next(uint8_t code, const char *path)
{
	settle();
	opened(next_question(), code, path);
	settle();
}

/* ---- observations ---- */

static const struct sent *observe_as(unsigned origin, uint16_t mid)
{
	const struct sent *s;

	ask_as(1, 0, 1, MSG_CON, CODE_FETCH, mid, origin, "6= " OSCORE, "register");
	open_next(CODE_GET, "temp");
	s = next_to_origin();
	answer(s, MSG_ACK, 0, CODE_CONTENT, "6=01 9=", "first");
	open_next(CODE_CONTENT, "");
	assert_true(has_option(next_to_client(), OPT_OBSERVE));
	return s;
}

static const struct sent *observe(unsigned origin)
{
	return observe_as(origin, 1);
}

static void refresh(uint16_t mid, const char *payload)
{
	ask_as(1, 0, 1, MSG_CON, CODE_FETCH, mid, GATE, "6= 9=090d0b0c", payload);
	settle();
}

static void cancel_by_reset(const struct sent *s, uint16_t mid)
{
	answer(s, MSG_CON, mid, CODE_CONTENT, "6=20 9=", "news");
	settle();
	client_empty(0, 1, MSG_RST, the.to_client.all[the.to_client.count - 1].m.mid);
	settle();
}

static void a_refresh_waits_at_the_gate_too(void **state)
{
	const struct sent *s = observe(GATE), *again;
	const struct asked *a;

	(void)state;
	refresh(2, "refresh");
	a = next_question();
	nothing_more();
	/* a notification comes meanwhile */
	answer(s, MSG_NON, 50, CODE_CONTENT, "6=05 9=", "news");
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "news");
	open_next(CODE_CONTENT, "");
	opened(a, CODE_GET, "temp");
	settle();
	again = next_to_origin();
	assert_memory_equal(again->m.token, s->m.token, UPSTREAM_TOKEN);
	is_message(again, MSG_CON, CODE_FETCH, NULL, "refresh");
	answer(again, MSG_ACK, 0, CODE_CONTENT, "6=09 9=", "again");
	open_next(CODE_CONTENT, "");
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "again");
	cancel_by_reset(s, 51);
}

static void a_refresh_that_is_denied_leaves_the_observation_as_it_is(void **state)
{
	const struct sent *s = observe(GATE);

	(void)state;
	refresh(2, "refresh");
	open_next(CODE_PUT, "firmware");
	is_message(next_to_client(), MSG_ACK, CODE_UNAUTHORIZED, NULL, NULL);
	reader.gone = true;
	refresh(3, "refresh");
	is_message(next_to_client(), MSG_ACK, CODE_UNAVAILABLE, NULL, NULL);
	nothing_more();
	answer(s, MSG_NON, 50, CODE_CONTENT, "6=05 9=", "news");
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "news");
	assert_int_equal(slab_count(the.proxy[0]->observations), 1);
}

static void what_may_become_of_an_observation_while_its_refresh_waits(void **state)
{
	const struct sent *s = observe(GATE);
	const struct asked *a;

	(void)state;
	/* the last notification */
	refresh(2, "refresh");
	a = next_question();
	answer(s, MSG_NON, 50, CODE_NOT_FOUND, "9=", "gone");
	settle();
	open_next(CODE_NOT_FOUND, "");
	opened(a, CODE_GET, "temp");
	settle();
	assert_int_equal(slab_count(the.proxy[0]->exchanges), 0);
	the.to_client.seen = the.to_client.count;
	/* a newer registration */
	s = observe_as(GATE, 7);
	refresh(3, "refresh");
	a = next_question();
	refresh(4, "newer");
	opened(a, CODE_GET, "temp");
	settle();
	assert_int_equal(next_to_client()->m.code, CODE_UNAVAILABLE);
	open_next(CODE_GET, "temp");
	is_message(next_to_origin(), MSG_CON, CODE_FETCH, NULL, "newer");
	/* the end */
	proxy_drain(the.proxy[0]);
	proxy_give_up(the.proxy[0]);
	assert_int_equal(slab_count(the.proxy[0]->exchanges), 0);
}

/* ---- crossing ---- */

static void the_clients_worker_reads(void **state)
{
	unsigned gate = origin_at(FAR, GATE), tap = origin_at(FAR, TAP);
	const struct sent *s;

	(void)state;
	assert_in_range(gate, GATE, GATE_LAST);
	assert_in_range(tap, TAP, TAP_LAST);
	ask(0, 1, MSG_CON, CODE_POST, 1, gate, OSCORE, "sealed bytes");
	settle();
	nothing_more();
	assert_int_equal(reader.all[0].worker, 0);
	open_next(CODE_GET, "temp");
	s = next_to_origin();
	assert_int_equal(s->worker, FAR);
	answer(s, MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
	settle();
	is_for(next_to_client(), 0, 1, 1);
	assert_int_equal(reader.all[1].worker, 0);
	open_next(CODE_CHANGED, "");
	ask(0, 1, MSG_CON, CODE_POST, 2, gate, OSCORE, "sealed bytes");
	open_next(CODE_PUT, "firmware");
	assert_int_equal(next_to_client()->m.code, CODE_UNAUTHORIZED);
	ask(0, 1, MSG_CON, CODE_POST, 3, tap, OSCORE, "sealed bytes");
	open_next(CODE_PUT, "firmware");
	answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
	open_next(CODE_CHANGED, "");
	is_for(next_to_client(), 0, 1, 3);
	nothing_is_left();
	assert_int_equal(counted(COUNT_CROSSED), 2);
}

static void a_refresh_crosses_when_it_was_read(void **state)
{
	unsigned gate = origin_at(FAR, GATE);
	const struct sent *s = observe(gate);

	(void)state;
	ask_as(1, 0, 1, MSG_CON, CODE_FETCH, 2, gate, "6= 9=090d0b0c", "refresh");
	settle();
	answer(s, MSG_NON, 50, CODE_CONTENT, "6=05 9=", "news");
	settle();
	open_next(CODE_GET, "temp");
	is_message(next_to_origin(), MSG_CON, CODE_FETCH, NULL, "refresh");
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "news");
	/* its home dies while the next one waits */
	answer(&the.to_origin.all[the.to_origin.count - 1], MSG_ACK, 0, CODE_CONTENT, "6=09 9=", "again");
	settle();
	next_to_client();
	reader.seen = reader.count;
	ask_as(1, 0, 1, MSG_CON, CODE_FETCH, 3, gate, "6= 9=090e0b0c", "refresh");
	settle();
	die(FAR);
	bury(FAR);
	raise_worker(FAR);
	settle();
	assert_int_equal(next_to_client()->m.code, CODE_UNAVAILABLE);
	opened(next_question(), CODE_GET, "temp");
	settle();
	nothing_more();
	assert_int_equal(slab_count(the.proxy[0]->exchanges), 0);
}

/* ---- a new configuration ---- */

static void renew(const char *gate, const char *tap, const char *more)
{
	struct snapshot *before = the.conf;

	the.conf = reading_conf(gate, tap, more);
	for (unsigned w = 0; w < the.count; w++) {
		the.current = w;
		proxy_renew(the.proxy[w], the.conf);
	}
	settle();
	snapshot_release(before);
}

static void what_waits_keeps_its_rules_and_the_next_has_the_new_ones(void **state)
{
	const struct asked *a;

	(void)state;
	ask(0, 1, MSG_CON, CODE_POST, 1, GATE, OSCORE, "sealed bytes");
	settle();
	a = next_question();
	renew(FIELDS " deny = [\"* /**\"];", FIELDS, "");
	opened(a, CODE_GET, "temp");
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
	open_next(CODE_CHANGED, "");
	next_to_client();
	ask(0, 1, MSG_CON, CODE_POST, 2, GATE, OSCORE, "sealed bytes");
	open_next(CODE_GET, "temp");
	assert_int_equal(next_to_client()->m.code, CODE_UNAUTHORIZED);
	nothing_is_left();
}

static void observations_are_read_by_the_configuration_in_force(void **state)
{
	const struct sent *s = observe(TAP);
	const struct asked *a;

	(void)state;
	renew(DENY, "fields = [\"code\", \"observe\"];", "");
	answer(s, MSG_NON, 50, CODE_CONTENT, "6=05 9=", "news");
	settle();
	a = next_question();
	assert_int_equal(a->q.fields, FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_OBSERVE));
	assert_memory_equal(a->q.request_option, "\x09\x0a\x0b\x0c", 4);
	opened(a, CODE_CONTENT, "");
	/* not read any more, and read again */
	for (size_t i = 0; i < 2; i++) {
		struct snapshot *before = the.conf;

		the.conf = i == 0 ? workers_conf(1, NULL, "") : reading_conf(DENY, FIELDS, "");
		proxy_renew(the.proxy[0], the.conf);
		settle();
		snapshot_release(before);
		answer(s, MSG_NON, (uint16_t)(60 + i), CODE_CONTENT, "6=15 9=", "news");
		settle();
		if (i == 0)
			no_more_questions();
		else
			assert_memory_equal(next_question()->q.request_option, "\x09\x0a\x0b\x0c", 4);
	}
	assert_int_equal(the.to_client.count, 4);
}

/* A registration is judged by the gate of the new configuration, unless nobody can read it now. */
/* Not by that of the registration, which was asked about again when the configuration changed. */
static void a_refresh_is_judged_by_its_own_answer(void **state)
{
	const struct asked *registration, *own;

	(void)state;
	observe(GATE);
	renew(DENY, FIELDS, "");
	registration = next_question();
	refresh(2, "refresh");
	own = next_question();
	opened(registration, CODE_GET, "temp");
	settle();
	nothing_more();
	opened(own, CODE_PUT, "firmware");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_UNAUTHORIZED, NULL, NULL);
	nothing_more();
	no_more_questions();
}

/* What is let in once costs its sender nothing more. */
static void a_reload_takes_nothing_off_a_rate(void **state)
{
	(void)state;
	reading_ends();
	reading_begins(1, FIELDS " rate = 1; burst = 1;", FIELDS, "");
	observe(GATE);
	renew(FIELDS " rate = 1; burst = 1;", FIELDS, "");
	open_next(CODE_GET, "temp");
	assert_int_equal(slab_count(the.proxy[0]->observations), 1);
	assert_int_equal(errors_of(ERR_READ_RATE), 0);
	nothing_more();
}

static void a_refresh_that_is_denied_after_a_reload(void **state)
{
	const struct asked *a;
	const struct sent *n;

	(void)state;
	observe(GATE);
	refresh(2, "refresh");
	a = next_question();
	renew(FIELDS " deny = [\"GET /temp\"];", FIELDS, "");
	no_more_questions();
	opened(a, CODE_PUT, "firmware");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_UNAUTHORIZED, NULL, NULL);
	/* what the observation is now has yet to pass */
	open_next(CODE_GET, "temp");
	n = next_to_client();
	assert_int_equal(n->m.code, CODE_UNAUTHORIZED);
	assert_false(has_option(n, OPT_OBSERVE));
}

static void a_reload_changes_the_queue(void **state)
{
	(void)state;
	renew(DENY, FIELDS, "reader: { queue = 1; };");
	ask(0, 1, MSG_CON, CODE_POST, 1, GATE, OSCORE, "sealed bytes");
	ask(0, 1, MSG_CON, CODE_POST, 2, GATE, OSCORE, "sealed bytes");
	settle();
	assert_int_equal(next_to_client()->m.code, CODE_UNAVAILABLE);
	assert_int_equal(errors_of(ERR_READER_FULL), 1);
	open_next(CODE_PUT, "firmware");
	assert_int_equal(next_to_client()->m.code, CODE_UNAUTHORIZED);
	nothing_is_left();
}

static void observations_pass_the_gate_of_the_configuration_in_force(void **state)
{
	const struct sent *s = observe(GATE), *n;

	(void)state;
	renew(FIELDS " deny = [\"PUT /a\"];", FIELDS, "");
	open_next(CODE_GET, "temp");
	reader.gone = true;
	renew(FIELDS " deny = [\"GET /temp\"];", FIELDS, "");
	nothing_more();
	assert_int_equal(slab_count(the.proxy[0]->observations), 1);
	reader.gone = false;
	reader_begins(0);
	renew(FIELDS " deny = [\"GET /temp\"];", FIELDS, "");
	answer(s, MSG_NON, 50, CODE_CONTENT, "6=05 9=", "news");
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "news");
	open_next(CODE_GET, "temp");
	n = next_to_client();
	assert_int_equal(n->m.code, CODE_UNAUTHORIZED);
	assert_false(has_option(n, OPT_OBSERVE));
	client_empty(0, 1, MSG_ACK, n->m.mid);
	settle();
	assert_int_equal(slab_count(the.proxy[0]->exchanges), 0);
	open_next(CODE_CONTENT, "");
	nothing_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_refresh_waits_at_the_gate_too, one, tear_down),
		cmocka_unit_test_setup_teardown(a_refresh_that_is_denied_leaves_the_observation_as_it_is, one, tear_down),
		cmocka_unit_test_setup_teardown(what_may_become_of_an_observation_while_its_refresh_waits, one, tear_down),
		cmocka_unit_test_setup_teardown(the_clients_worker_reads, two, tear_down),
		cmocka_unit_test_setup_teardown(a_refresh_crosses_when_it_was_read, two, tear_down),
		cmocka_unit_test_setup_teardown(what_waits_keeps_its_rules_and_the_next_has_the_new_ones, one, tear_down),
		cmocka_unit_test_setup_teardown(observations_are_read_by_the_configuration_in_force, one, tear_down),
		cmocka_unit_test_setup_teardown(a_refresh_is_judged_by_its_own_answer, one, tear_down),
		cmocka_unit_test_setup_teardown(a_reload_takes_nothing_off_a_rate, one, tear_down),
		cmocka_unit_test_setup_teardown(a_refresh_that_is_denied_after_a_reload, one, tear_down),
		cmocka_unit_test_setup_teardown(a_reload_changes_the_queue, one, tear_down),
		cmocka_unit_test_setup_teardown(observations_pass_the_gate_of_the_configuration_in_force, one, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
