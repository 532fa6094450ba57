/* objects: tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * How a worker ends: it drains, it gives up, and its successor has its table of duplicates.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "base/random.h"
#include "tests/sim/workers.h"

#define OSCORE "9=090a0b0c"

enum { NEAR, FAR };

static int set_up(void **state)
{
	(void)state;
	workers_begin(2, NULL, "");
	return 0;
}

static void drain_all(void)
{
	for (unsigned w = 0; w < the.count; w++) {
		the.current = w;
		proxy_drain(the.proxy[w]);
	}
	settle();
}

static void give_up_all(void)
{
	for (unsigned w = 0; w < the.count; w++) {
		the.current = w;
		proxy_give_up(the.proxy[w]);
	}
	settle();
}

static bool are_drained(void)
{
	return proxy_is_drained(the.proxy[0]) && proxy_is_drained(the.proxy[1]);
}

/* ---- draining ---- */

static void what_is_under_way_is_answered(void **state)
{
	(void)state;
	for (unsigned home = 0; home < 2; home++)
		ask(0, 1, MSG_CON, CODE_POST, (uint16_t)home, origin_at(home, 1), OSCORE, "x");
	settle();
	assert_false(are_drained());
	drain_all();
	drain_all();
	assert_false(are_drained());
	ask(0, 1, MSG_CON, CODE_GET, 10, origin_at(NEAR, 1), "11='a'", NULL);
	is_message(next_to_client(), MSG_ACK, CODE_UNAVAILABLE, "14=05", "Gateway is closing down");
	for (unsigned home = 0; home < 2; home++) {
		answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "", "done");
		settle();
		is_message(next_to_client(), MSG_ACK, CODE_CHANGED, "", "done");
	}
	assert_true(are_drained());
	/* repeats are answered to the end */
	ask(0, 1, MSG_CON, CODE_POST, 1, origin_at(FAR, 1), OSCORE, "x");
	is_message(next_to_client(), MSG_ACK, CODE_CHANGED, "", "done");
	nothing_more();
	nothing_remains();
}

/* A home has not drained before its last words are where its client's worker hears them. */
static void what_was_said_must_be_heard(void **state)
{
	static char payload[1801];

	(void)state;
	memset(payload, 'p', sizeof payload - 1);
	for (uint16_t i = 0; i < 60; i++)
		ask(0, 1, MSG_NON, CODE_POST, i, origin_at(FAR, 1), OSCORE, "x");
	settle();
	drain_all();
	do {
		while (the.to_origin.seen < the.to_origin.count)
			answer(next_to_origin(), MSG_NON, (uint16_t)the.to_origin.seen, CODE_CHANGED, OSCORE, payload);
		if (slab_count(the.proxy[FAR]->exchanges) == 0)
			break;
		turn(FAR);
	} while (true);
	assert_false(proxy_is_drained(the.proxy[FAR]));
	turn(FAR);
	assert_false(proxy_is_drained(the.proxy[FAR])); /* some wait for room */
	pass_time(CLOCK_SECOND);
	assert_true(are_drained());
	assert_int_equal(the.to_client.count, 60);
}

static void observations_end(void **state)
{
	const struct sent *s[2];

	(void)state;
	for (unsigned home = 0; home < 2; home++) {
		ask(0, 1, MSG_CON, CODE_GET, (uint16_t)home, origin_at(home, 1), "6= 11='a'", NULL);
		settle();
		s[home] = next_to_origin();
		answer(s[home], MSG_ACK, 0, CODE_CONTENT, "6=01", "x");
		settle();
		next_to_client();
	}
	drain_all();
	for (unsigned i = 0; i < 2; i++) {
		const struct sent *n = next_to_client();

		is_message(n, MSG_CON, CODE_UNAVAILABLE, "14=05", "Gateway is closing down");
		assert_false(are_drained());
		client_empty(0, 1, MSG_ACK, n->m.mid);
	}
	for (unsigned i = 0; i < 2; i++) {
		const struct sent *c = next_to_origin();

		assert_int_equal(option_value(c, OPT_OBSERVE), 1);
		answer(c, MSG_ACK, 0, CODE_CONTENT, "", "");
	}
	settle();
	assert_true(are_drained());
	nothing_more();
	nothing_remains();
}

/* A registration or refresh under way gets the origin's answer, which does not promise that more will come. */
static void registrations_under_way(void **state)
{
	(void)state;
	for (unsigned home = 0; home < 2; home++) {
		for (unsigned refresh = 0; refresh < 2; refresh++) {
			unsigned origin = origin_at(home, 1);

			if (refresh) {
				ask(0, 1, MSG_CON, CODE_GET, 1, origin, "6= 11='a'", NULL);
				settle();
				answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "6=01", "x");
				settle();
				next_to_client();
			}
			ask_as(1, 0, 1, MSG_CON, CODE_GET, 2, origin, "6= 11='a'", NULL);
			settle();
			drain_all();
			assert_int_equal(the.to_client.seen, the.to_client.count);
			answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "6=02", "its answer");
			settle();
			is_message(next_to_client(), MSG_ACK, CODE_CONTENT, "", "its answer");
			pass_time(400 * CLOCK_SECOND);
			assert_true(are_drained());
			nothing_remains();
			workers_end();
			workers_begin(2, NULL, "");
		}
	}
}

/* ---- giving up ---- */

static void the_time_to_drain_is_over(void **state)
{
	unsigned counts[2] = { 0, 0 };

	(void)state;
	workers_end();
	workers_begin(2, NULL, "upstream: { origin-window = 1; };");
	for (unsigned home = 0; home < 2; home++)
		for (uint16_t i = 0; i < 3; i++)
			ask(0, 1, MSG_CON, CODE_POST, (uint16_t)(10 * home + i), origin_at(home, 1), OSCORE, "x");
	settle();
	drain_all();
	give_up_all();
	for (unsigned i = 0; i < 6; i++) {
		const struct sent *s = next_to_client();

		assert_int_equal(s->m.type, MSG_ACK);
		assert_true(s->m.code == CODE_GATEWAY_TIMEOUT || s->m.code == CODE_UNAVAILABLE);
		counts[s->m.code == CODE_GATEWAY_TIMEOUT]++;
	}
	/* sent to each origin: the one in its window */
	assert_int_equal(counts[1], 2);
	assert_int_equal(counts[0], 4);
	assert_int_equal(the.to_client.count, 6);
	assert_int_equal(the.to_origin.count, 2);
	nothing_remains();
}

/* The home is the first to give up: its word is an error, not that nothing was wanted. */
static void the_home_gives_up_first(void **state)
{
	(void)state;
	workers_end();
	workers_begin(2, NULL, "upstream: { origin-window = 1; };");
	ask(0, 1, MSG_CON, CODE_POST, 1, origin_at(FAR, 1), OSCORE, "sent");
	ask(0, 1, MSG_CON, CODE_POST, 2, origin_at(FAR, 1), OSCORE, "waits");
	settle();
	the.current = FAR;
	proxy_drain(the.proxy[FAR]);
	proxy_give_up(the.proxy[FAR]);
	settle();
	for (unsigned i = 0; i < 2; i++) {
		const struct sent *s = next_to_client();

		is_message(s, MSG_ACK, s->m.token[1] == 1 ? CODE_GATEWAY_TIMEOUT : CODE_UNAVAILABLE, NULL, NULL);
	}
	nothing_remains();
}

static void observations_when_the_home_gives_up(void **state)
{
	const struct sent *n;

	(void)state;
	ask(0, 1, MSG_CON, CODE_GET, 1, origin_at(FAR, 1), "6= 11='a'", NULL);
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "6=01", "x");
	settle();
	next_to_client();
	the.current = FAR;
	proxy_give_up(the.proxy[FAR]);
	settle();
	n = next_to_client();
	is_message(n, MSG_CON, CODE_UNAVAILABLE, NULL, NULL);
	client_empty(0, 1, MSG_ACK, n->m.mid);
	settle();
	nothing_remains();
}

/* ---- a successor and the duplicates of the dead ---- */

static void with_duplicates(void)
{
	workers_end();
	workers_begin(2, NULL, "");
	for (unsigned w = 0; w < 2; w++) {
		die(w);
		the.duplicates[w] = memfd_create("duplicates", MFD_CLOEXEC);
		assert_true(the.duplicates[w] >= 0);
		assert_int_equal(ftruncate(the.duplicates[w], (off_t)(the.conf->settings.dedup_memory / 2)), 0);
		bury(w);
		raise_worker(w);
	}
	settle();
}

static void succeed(void)
{
	die(0);
	bury(0);
	raise_worker(0);
	settle();
	the.to_origin.seen = the.to_origin.count;
	the.to_client.seen = the.to_client.count;
}

/* OSCORE, or a method that is not safe: 5.04 once, and then the same from the record. */
static void what_must_not_be_done_twice(void **state)
{
	static const struct {
		uint8_t code;
		const char *options;
	} rows[] = { { CODE_POST, OSCORE }, { CODE_FETCH, "9=01" }, { CODE_PUT, "11='a'" }, { CODE_DELETE, "11='a'" } };

	(void)state;
	for (unsigned home = 0; home < 2; home++)
		for (uint16_t i = 0; i < 4; i++) {
			const struct sent *s, *again;

			with_duplicates();
			ask(0, 1, MSG_CON, rows[i].code, i, origin_at(home, 1), rows[i].options, "x");
			settle();
			next_to_origin();
			succeed();
			ask(0, 1, MSG_CON, rows[i].code, i, origin_at(home, 1), rows[i].options, "x");
			s = next_to_client();
			is_message(s, MSG_ACK, CODE_GATEWAY_TIMEOUT, "", "Gateway lost track of the request");
			is_for(s, 0, 1, i);
			ask(0, 1, MSG_CON, rows[i].code, i, origin_at(home, 1), rows[i].options, "x");
			again = next_to_client();
			assert_int_equal(again->m.len, s->m.len);
			assert_memory_equal(again->m.bytes, s->m.bytes, s->m.len);
			settle();
			nothing_more();
			assert_int_equal(errors_of(ERR_LOST_SENT), 1);
			nothing_remains();
		}
}

static void safe_requests_are_made_anew(void **state)
{
	(void)state;
	with_duplicates();
	ask(0, 1, MSG_CON, CODE_GET, 1, origin_at(FAR, 1), "11='a'", NULL);
	settle();
	next_to_origin();
	succeed();
	ask(0, 1, MSG_CON, CODE_GET, 1, origin_at(FAR, 1), "11='a'", NULL);
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "", "x");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, "", "x");
	ask(0, 1, MSG_CON, CODE_GET, 1, origin_at(FAR, 1), "11='a'", NULL);
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, "", "x");
	settle();
	nothing_more();
}

static void answers_of_the_dead_are_repeated(void **state)
{
	(void)state;
	with_duplicates();
	ask(0, 1, MSG_CON, CODE_POST, 1, origin_at(FAR, 1), OSCORE, "x");
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "9=", "its answer");
	settle();
	succeed();
	ask(0, 1, MSG_CON, CODE_POST, 1, origin_at(FAR, 1), OSCORE, "x");
	is_message(next_to_client(), MSG_ACK, CODE_CHANGED, "9=", "its answer");
	settle();
	nothing_more();
}

static void non_and_no_response(void **state)
{
	(void)state;
	with_duplicates();
	ask(0, 1, MSG_NON, CODE_POST, 1, origin_at(FAR, 1), OSCORE, "x");
	ask(0, 1, MSG_NON, CODE_PUT, 2, origin_at(FAR, 1), "11='a' 258=1a", "x");
	ask(0, 1, MSG_CON, CODE_PUT, 3, origin_at(FAR, 1), "11='a' 258=10", "x");
	settle();
	succeed();
	ask(0, 1, MSG_NON, CODE_POST, 1, origin_at(FAR, 1), OSCORE, "x");
	is_message(next_to_client(), MSG_NON, CODE_GATEWAY_TIMEOUT, "", NULL);
	ask(0, 1, MSG_NON, CODE_POST, 1, origin_at(FAR, 1), OSCORE, "x");
	ask(0, 1, MSG_NON, CODE_PUT, 2, origin_at(FAR, 1), "11='a' 258=1a", "x");
	settle();
	nothing_more();
	/* errors are not wanted: acknowledged, each time */
	for (unsigned i = 0; i < 2; i++) {
		ask(0, 1, MSG_CON, CODE_PUT, 3, origin_at(FAR, 1), "11='a' 258=10", "x");
		is_message(next_to_client(), MSG_ACK, CODE_EMPTY, "", "");
	}
	settle();
	nothing_more();
}

/* What the origin sent for an exchange of the dead is reset, also if it was waiting for its acknowledgement. */
static void notifications_for_the_dead(void **state)
{
	const struct sent *s;

	(void)state;
	with_duplicates();
	ask(1, 1, MSG_CON, CODE_FETCH, 1, origin_at(0, 1), "6= 9=01", "x");
	settle();
	s = next_to_origin();
	answer(s, MSG_ACK, 0, CODE_CONTENT, "6=01 9=", "x");
	settle();
	answer(s, MSG_CON, 70, CODE_CONTENT, "6=02 9=", "y");
	succeed();
	answer(s, MSG_CON, 70, CODE_CONTENT, "6=02 9=", "y");
	is_message(next_to_origin(), MSG_RST, CODE_EMPTY, "", "");
}

enum { ROUNDS = 60, EACH = 8 };

/* What an origin got first under a Message ID: its payload, the number of the request, comes under no other. */
static void judge_ledger(void)
{
	static const struct sent *first[ROUNDS * EACH];

	memset(first, 0, sizeof first);
	for (unsigned i = 0; i < the.to_origin.count; i++) {
		const struct sent *s = &the.to_origin.all[i];
		unsigned number;

		if (s->m.code != CODE_POST)
			continue;
		assert_int_equal(s->m.payload_len, 2);
		number = (unsigned)s->m.payload[0] * 100 + s->m.payload[1];
		assert_true(number < ROUNDS * EACH);
		if (first[number] == NULL)
			first[number] = s;
		assert_int_equal(s->m.len, first[number]->m.len);
		assert_memory_equal(s->m.bytes, first[number]->m.bytes, s->m.len);
		assert_int_equal(s->slot, first[number]->slot);
	}
}

static void ask_numbered(unsigned number)
{
	char payload[3] = { (char)(number / 100), (char)(number % 100), '\0' };

	/* no zero in it */
	if (payload[0] == 0 || payload[1] == 0)
		return;
	ask(number % 2, 1, MSG_CON, CODE_POST, (uint16_t)number, 1 + number % 5, OSCORE, payload);
}

/* Workers die at any moment, clients repeat what was not answered: no OSCORE message reaches an origin a second time. */
static void the_ledger_of_an_origin(void **state)
{
	unsigned answered = 0;

	(void)state;
	with_duplicates();
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned dead = random_below(2);

		for (unsigned i = 0; i < EACH; i++)
			ask_numbered(round * EACH + i);
		for (unsigned i = random_below(6); i > 0; i--)
			turn(random_below(2));
		for (; the.to_origin.seen < the.to_origin.count;) {
			const struct sent *s = next_to_origin();

			if (random_below(2) && s->m.code == CODE_POST)
				answer(s, MSG_ACK, 0, CODE_CHANGED, "", "");
		}
		if (random_below(2))
			turn(random_below(2));
		die(dead);
		bury(dead);
		raise_worker(dead);
		for (unsigned k = 0; k < 2; k++) {
			for (unsigned i = 0; i < EACH; i++)
				ask_numbered(round * EACH + i);
			pass_time(random_below(3000) * CLOCK_MS);
		}
	}
	pass_time(100 * CLOCK_SECOND);
	judge_ledger();
	for (unsigned i = 0; i < the.to_client.count; i++)
		answered += the.to_client.all[i].m.code == CODE_CHANGED;
	assert_true(answered > ROUNDS);
	assert_true(errors_of(ERR_LOST_SENT) > ROUNDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, workers_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_under_way_is_answered), TEST(what_was_said_must_be_heard), TEST(observations_end),
		TEST(registrations_under_way), TEST(the_time_to_drain_is_over), TEST(the_home_gives_up_first),
		TEST(observations_when_the_home_gives_up), TEST(what_must_not_be_done_twice), TEST(safe_requests_are_made_anew),
		TEST(answers_of_the_dead_are_repeated), TEST(non_and_no_response), TEST(notifications_for_the_dead),
		TEST(the_ledger_of_an_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
