/* objects: tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Workers that die while exchanges are away: what was owed is completed, and no successor is confused.
 */

#include "tests/sim/workers.h"

#define OSCORE "9=090a0b0c"

/* The worker of the client is 0, the home 1. */
static int set_up(void **state)
{
	(void)state;
	workers_begin(2, NULL, "upstream: { origin-window = 1; };");
	return 0;
}

static unsigned far_origin(void)
{
	return origin_at(1, 1);
}

static void replace(unsigned worker)
{
	die(worker);
	bury(worker);
	raise_worker(worker);
	settle();
}

/* ---- the home dies ---- */

static void what_was_sent_and_what_was_not(void **state)
{
	(void)state;
	ask(0, 1, MSG_CON, CODE_POST, 1, far_origin(), OSCORE, "sent");
	ask(0, 1, MSG_CON, CODE_POST, 2, far_origin(), OSCORE, "waits for the window");
	settle();
	ask(0, 1, MSG_CON, CODE_POST, 3, far_origin(), OSCORE, "in the ring");
	turn(0);
	ask(0, 1, MSG_CON, CODE_POST, 4, far_origin(), OSCORE, "not published");
	next_to_origin();
	replace(1);
	is_message(next_to_client(), MSG_ACK, CODE_GATEWAY_TIMEOUT, "", "Gateway lost track of the request");
	for (uint16_t i = 2; i <= 4; i++) {
		const struct sent *s = next_to_client();

		is_for(s, 0, 1, i);
		is_message(s, MSG_ACK, CODE_UNAVAILABLE, "14=05", "Gateway lost the request");
	}
	assert_int_equal(errors_of(ERR_LOST_SENT), 1);
	assert_int_equal(errors_of(ERR_LOST_UNSENT), 3);
	/* none of them is carried out by the successor; what is asked now is */
	pass_time(10 * CLOCK_SECOND);
	nothing_more();
	nothing_remains();
	ask(0, 1, MSG_CON, CODE_POST, 5, far_origin(), OSCORE, "new");
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "", "");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CHANGED, "", "");
	/* their repeats get what was said */
	ask(0, 1, MSG_CON, CODE_POST, 1, far_origin(), OSCORE, "sent");
	is_message(next_to_client(), MSG_ACK, CODE_GATEWAY_TIMEOUT, "", NULL);
	settle();
	nothing_more();
}

/* An answer that the home published before it died is heard. */
static void last_words_are_heard(void **state)
{
	const struct sent *s;

	(void)state;
	ask(0, 1, MSG_CON, CODE_POST, 1, far_origin(), OSCORE, "x");
	ask(0, 1, MSG_CON, CODE_POST, 2, far_origin(), OSCORE, "y");
	settle();
	s = next_to_origin();
	answer(s, MSG_ACK, 0, CODE_CHANGED, "", "done");
	the.current = 1;
	crossing_publish(the.proxy[1]);
	assert_int_equal(the.to_client.count, 0);
	die(1);
	bury(1);
	turn(0);
	is_message(next_to_client(), MSG_ACK, CODE_CHANGED, "", "done");
	is_message(next_to_client(), MSG_ACK, CODE_GATEWAY_TIMEOUT, "", NULL); /* the window had let it go */
	raise_worker(1);
	settle();
	next_to_origin();
	nothing_more();
	nothing_remains();
}

/* While the home is dead and nobody has noticed, and when it was replaced before anybody did. */
static void requests_to_a_home_that_is_dead(void **state)
{
	(void)state;
	die(1);
	ask(0, 1, MSG_CON, CODE_POST, 1, far_origin(), OSCORE, "to the dead");
	turn(0);
	nothing_more();
	bury(1);
	ask(0, 1, MSG_CON, CODE_POST, 2, far_origin(), OSCORE, "to the successor");
	raise_worker(1);
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_UNAVAILABLE, "14=05", "Gateway lost the request");
	is_message(next_to_origin(), MSG_CON, CODE_POST, NULL, "to the successor");
	answer(&the.to_origin.all[0], MSG_ACK, 0, CODE_CHANGED, "", "");
	settle();
	is_for(next_to_client(), 0, 1, 2);
	nothing_more();
	nothing_remains();
}

/* Nobody replaces it: its clients are answered in the end all the same. */
static void a_home_that_never_comes_back(void **state)
{
	(void)state;
	ask(0, 1, MSG_CON, CODE_POST, 1, far_origin(), OSCORE, "x");
	turn(0);
	die(1);
	pass_time(500 * CLOCK_SECOND);
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	is_message(next_to_client(), MSG_CON, CODE_GATEWAY_TIMEOUT, "", NULL);
	raise_worker(1);
}

static void observations_end_with_their_home(void **state)
{
	const struct sent *s;

	(void)state;
	ask(0, 1, MSG_CON, CODE_GET, 1, far_origin(), "6= 11='a'", NULL);
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "6=01", "1");
	settle();
	next_to_client();
	replace(1);
	s = next_to_client();
	is_message(s, MSG_CON, CODE_UNAVAILABLE, "14=05", "Gateway lost the request");
	is_for(s, 0, 1, 1);
	client_empty(0, 1, MSG_ACK, s->m.mid);
	settle();
	nothing_more();
	nothing_remains();
}

/* A refresh under way has its answer in the error. */
static void a_refresh_under_way_when_its_home_dies(void **state)
{
	(void)state;
	ask(0, 1, MSG_CON, CODE_GET, 1, far_origin(), "6= 11='a'", NULL);
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "6=01", "1");
	settle();
	next_to_client();
	ask_as(1, 0, 1, MSG_CON, CODE_GET, 2, far_origin(), "6= 11='a'", NULL);
	settle();
	next_to_origin();
	replace(1);
	is_message(next_to_client(), MSG_ACK, CODE_GATEWAY_TIMEOUT, "", NULL);
	nothing_more();
	nothing_remains();
}

/* ---- the client's worker dies ---- */

static void the_window_is_free_again(void **state)
{
	const struct sent *s, *t;

	(void)state;
	ask(0, 1, MSG_CON, CODE_POST, 1, far_origin(), OSCORE, "in the window");
	ask(0, 1, MSG_CON, CODE_POST, 2, far_origin(), OSCORE, "waits");
	settle();
	s = next_to_origin();
	ask(1, 2, MSG_CON, CODE_POST, 3, far_origin(), OSCORE, "of the home itself");
	settle();
	nothing_more();
	replace(0);
	t = next_to_origin();
	is_message(t, MSG_CON, CODE_POST, NULL, "of the home itself");
	answer(t, MSG_ACK, 0, CODE_CHANGED, "", "");
	is_for(next_to_client(), 1, 2, 3);
	/* what the origin still says to the dead is no answer to anybody */
	answer(s, MSG_ACK, 0, CODE_CHANGED, "", "");
	answer(s, MSG_CON, 77, CODE_CHANGED, "", "");
	is_message(next_to_origin(), MSG_RST, CODE_EMPTY, "", "");
	settle();
	nothing_more();
	nothing_remains();
}

/* The successor's exchanges have the places of the dead one's: each answer finds the request it answers. */
static void a_successor_has_the_same_places(void **state)
{
	const struct sent *old, *s;

	(void)state;
	ask(0, 1, MSG_NON, CODE_POST, 1, far_origin(), OSCORE, "old");
	turn(0);
	turn(1);
	old = next_to_origin();
	die(0);
	bury(0);
	raise_worker(0);
	/* both before the home has noticed that a worker died */
	ask(0, 2, MSG_CON, CODE_POST, 9, far_origin(), OSCORE, "new");
	turn(0);
	answer(old, MSG_NON, 5, CODE_CHANGED, "", "for the dead");
	settle();
	s = next_to_origin();
	is_message(s, MSG_CON, CODE_POST, NULL, "new");
	nothing_more();
	answer(old, MSG_NON, 6, CODE_CHANGED, "", "for the dead, again");
	is_message(next_to_origin(), MSG_RST, CODE_EMPTY, "", "");
	answer(s, MSG_ACK, 0, CODE_CHANGED, "", "for the living");
	settle();
	s = next_to_client();
	is_message(s, MSG_ACK, CODE_CHANGED, "", "for the living");
	is_for(s, 0, 2, 9);
	nothing_more();
	nothing_remains();
}

/* What a dead worker asked, and the home finds only afterwards, is not carried out: nobody waits for it. */
static void requests_of_the_dead(void **state)
{
	(void)state;
	ask(0, 1, MSG_CON, CODE_POST, 1, far_origin(), OSCORE, "x");
	crossing_publish(the.proxy[0]);
	replace(0);
	nothing_more();
	nothing_remains();
}

static void a_plain_observation_is_cancelled_upstream(void **state)
{
	const struct sent *s, *c;

	(void)state;
	ask(0, 1, MSG_CON, CODE_GET, 1, far_origin(), "6= 11='a'", NULL);
	settle();
	s = next_to_origin();
	answer(s, MSG_ACK, 0, CODE_CONTENT, "6=01", "1");
	settle();
	next_to_client();
	replace(0);
	c = next_to_origin();
	is_message(c, MSG_CON, CODE_GET, NULL, NULL);
	assert_int_equal(option_value(c, OPT_OBSERVE), 1);
	assert_memory_equal(c->m.token, s->m.token, 8);
	/* the successor's exchange in its place meanwhile */
	ask(0, 2, MSG_CON, CODE_GET, 7, far_origin(), "11='b'", NULL);
	settle();
	answer(c, MSG_ACK, 0, CODE_CONTENT, "", "1");
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "", "2");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, "", "2");
	nothing_more();
	nothing_remains();
}

static void an_oscore_observation_is_reset_later(void **state)
{
	const struct sent *s;

	(void)state;
	ask(0, 1, MSG_CON, CODE_FETCH, 1, far_origin(), "6= 9=01", "x");
	settle();
	s = next_to_origin();
	answer(s, MSG_ACK, 0, CODE_CONTENT, "6=01 9=", "1");
	settle();
	next_to_client();
	replace(0);
	nothing_more();
	nothing_remains();
	answer(s, MSG_CON, 50, CODE_CONTENT, "6=02 9=", "2");
	is_message(next_to_origin(), MSG_RST, CODE_EMPTY, "", "");
	nothing_more();
}

/* ---- both, again and again ---- */

static void many_deaths(void **state)
{
	uint16_t mid = 0;

	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		unsigned before = the.to_client.count;

		for (unsigned i = 0; i < 6; i++, mid++)
			ask(i % 2, 1 + i, MSG_CON, CODE_POST, mid, 1 + (mid * 7 + i) % 8u, OSCORE, "x");
		turn(round % 2);
		if (round % 3 == 0)
			settle();
		while (round % 4 == 0 && the.to_origin.seen < the.to_origin.count) {
			const struct sent *s = next_to_origin();

			if (s->m.code == CODE_POST)
				answer(s, MSG_ACK, 0, CODE_CHANGED, "", "");
		}
		replace(round / 2 % 2);
		/* those of the worker that lives are all answered in the end, or go on */
		pass_time(400 * CLOCK_SECOND);
		the.to_origin.seen = the.to_origin.count;
		assert_true(the.to_client.count - before >= 3);
		for (unsigned i = before; i < the.to_client.count; i++)
			if (the.to_client.all[i].m.type == MSG_CON)
				client_empty(the.to_client.all[i].worker, the.to_client.all[i].peer.addr[15], MSG_ACK, the.to_client.all[i].m.mid);
		settle();
		nothing_remains();
	}
	assert_int_equal(counted(COUNT_CROSSING_BROKEN), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, workers_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_sent_and_what_was_not), TEST(last_words_are_heard), TEST(requests_to_a_home_that_is_dead),
		TEST(a_home_that_never_comes_back), TEST(observations_end_with_their_home), TEST(a_refresh_under_way_when_its_home_dies),
		TEST(the_window_is_free_again), TEST(a_successor_has_the_same_places), TEST(requests_of_the_dead),
		TEST(a_plain_observation_is_cancelled_upstream), TEST(an_oscore_observation_is_reset_later), TEST(many_deaths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
