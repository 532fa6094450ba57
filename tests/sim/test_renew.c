/* objects: tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * A new configuration while observations run: what is still allowed goes on under it, what is not ends with a last word.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/exchange/renew.h"
#include "tests/sim/workers.h"

enum { NEAR, FAR };

static int set_up(void **state)
{
	(void)state;
	workers_begin(2, NULL, "");
	return 0;
}

/* Takes the reference to `next`. What went before is gone then, but for what it is needed for. */
static void renew(struct snapshot *next)
{
	struct snapshot *before = the.conf;

	the.conf = next;
	for (unsigned w = 0; w < the.count; w++) {
		the.current = w;
		proxy_renew(the.proxy[w], next);
	}
	settle();
	snapshot_release(before);
}

static const struct sent *observe_as(unsigned client, uint16_t mid, uint8_t code, unsigned origin, const char *options)
{
	const struct sent *s;

	ask(0, client, MSG_CON, code, mid, origin, options, NULL);
	settle();
	s = next_to_origin();
	answer(s, MSG_ACK, 0, CODE_CONTENT, "6=64", "first");
	settle();
	assert_true(has_option(next_to_client(), OPT_OBSERVE));
	return s;
}

static const struct sent *observe(unsigned client, uint16_t mid, unsigned origin)
{
	return observe_as(client, mid, CODE_GET, origin, "6= 11='a'");
}

static void expect_end(unsigned client, uint16_t token, uint8_t code, const char *text)
{
	const struct sent *n = next_to_client();

	is_for(n, 0, client, token);
	is_message(n, MSG_CON, code, NULL, text);
	assert_false(has_option(n, OPT_OBSERVE));
	client_empty(0, client, MSG_ACK, n->m.mid);
	settle();
}

/* The origin is told by Observe 1. */
static void expect_cancel(const struct sent *registration)
{
	const struct sent *c = next_to_origin();

	assert_int_equal(option_value(c, OPT_OBSERVE), 1);
	assert_memory_equal(c->m.token, registration->m.token, 8);
	answer(c, MSG_ACK, 0, CODE_CONTENT, "", "");
	settle();
}

/* ---- goes on ---- */

static void what_is_still_allowed_goes_on(void **state)
{
	(void)state;
	for (unsigned home = 0; home < 2; home++) {
		unsigned origin = origin_at(home, 2);
		const struct sent *s = observe(1, (uint16_t)(1 + home), origin);

		/* other routes before and behind it, another name and place */
		renew(workers_conf(2, "new: { hosts = [\"new\"]; to = [\"coap://10.8.0.1\"]; };", ""));
		nothing_more();
		assert_false(proxy_is_renewing(the.proxy[0]) || proxy_is_renewing(the.proxy[1]));
		answer(s, MSG_NON, (uint16_t)(70 + home), CODE_CONTENT, "6=65", "after");
		settle();
		is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "after");
		/* a refresh goes the same way */
		ask_as((uint16_t)(1 + home), 0, 1, MSG_CON, CODE_GET, (uint16_t)(10 + home), origin, "6= 11='a'", NULL);
		settle();
		answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "6=66", "refreshed");
		settle();
		is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "refreshed");
		nothing_more();
	}
	assert_int_equal(house_observations(&the.house), 2);
}

/* No copy of an old configuration is held for them, neither here nor at home. */
static void the_old_configuration_is_freed(void **state)
{
	struct snapshot *old = snapshot_keep(the.conf);

	(void)state;
	observe(1, 1, origin_at(NEAR, 1));
	observe(1, 2, origin_at(FAR, 1));
	renew(workers_conf(1, NULL, ""));
	pass_time(CLOCK_SECOND);
	assert_int_equal(old->references, 1);
	snapshot_release(old);
	assert_int_equal(house_observations(&the.house), 2);
	assert_int_equal(house_route_exchanges(&the.house, origin_at(FAR, 1) - 1), 1);
}

static void what_is_under_way_goes_on_as_it_began(void **state)
{
	struct snapshot *old = snapshot_keep(the.conf);
	unsigned near = origin_at(NEAR, 1), far = origin_at(FAR, 1);

	(void)state;
	ask(0, 1, MSG_CON, CODE_GET, 1, near, "11='a'", NULL);
	ask(0, 1, MSG_CON, CODE_GET, 2, far, "11='a'", NULL);
	settle();
	renew(workers_conf(ORIGINS, NULL, "limits: { exchanges = 1; client-exchanges = 1; };"));
	for (unsigned i = 0; i < 2; i++) {
		answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "", "x");
		settle();
		is_message(next_to_client(), MSG_ACK, CODE_CONTENT, "", "x");
	}
	ask(0, 1, MSG_CON, CODE_GET, 3, near, "11='a'", NULL);
	is_message(next_to_client(), MSG_ACK, CODE_NOT_FOUND, NULL, NULL);
	nothing_more();
	assert_int_equal(old->references, 1);
	snapshot_release(old);
	nothing_remains();
}

/* ---- ends ---- */

static void no_route_takes_it_any_more(void **state)
{
	const struct sent *s, *t, *o;

	(void)state;
	s = observe(1, 1, origin_at(NEAR, 1));
	t = observe(1, 2, origin_at(FAR, 1));
	o = observe_as(1, 3, CODE_FETCH, origin_at(FAR, 1), "6= 9=01");
	renew(workers_conf(ORIGINS, NULL, ""));
	expect_end(1, 1, CODE_NOT_FOUND, "No such resource here");
	expect_end(1, 2, CODE_NOT_FOUND, "No such resource here");
	expect_end(1, 3, CODE_UNAVAILABLE, "No longer allowed here");
	expect_cancel(s);
	expect_cancel(t);
	nothing_more();
	/* OSCORE: no request can be made up, so the next notification is reset */
	answer(o, MSG_CON, 90, CODE_CONTENT, "6=65 9=", "x");
	is_message(next_to_origin(), MSG_RST, CODE_EMPTY, "", "");
	nothing_remains();
}

static void run_change(const char *before, const char *after, const char *options)
{
	const struct sent *s;

	workers_end();
	workers_begin(2, before, "");
	s = observe_as(1, 1, CODE_GET, 0, options);
	renew(workers_conf(1, after, ""));
	expect_end(1, 1, CODE_UNAVAILABLE, "No longer allowed here");
	expect_cancel(s);
	nothing_more();
	nothing_remains();
}

static void what_changed_too_much_ends(void **state)
{
	(void)state;
	/* another origin, a forward route that is gone, a method or client that is not taken, a route that refuses */
	run_change("x: { hosts = [\"x\"]; to = [\"coap://10.8.0.1\"]; };", "x: { hosts = [\"x\"]; to = [\"coap://10.8.0.2\"]; };",
		"3='x' 6= 11='a'");
	run_change("f: { forward-to = [\"coap://10.8.0.0/16\"]; };", NULL, "6= 35='coap://10.8.0.3/a'");
	run_change("x: { hosts = [\"x\"]; to = [\"coap://10.8.0.1\"]; };",
		"x: { hosts = [\"x\"]; deny = true; };", "3='x' 6= 11='a'");
	run_change("x: { hosts = [\"x\"]; to = [\"coap://10.8.0.1\"]; };",
		"x: { hosts = [\"x\"]; to = [\"coap://10.8.0.1\"]; methods = [\"PUT\"]; };", "3='x' 6= 11='a'");
	run_change("x: { hosts = [\"x\"]; to = [\"coap://10.8.0.1\"]; };",
		"x: { hosts = [\"x\"]; to = [\"coap://10.8.0.1\"]; require = [\"oscore\"]; };", "3='x' 6= 11='a'");
}

static void its_listener_is_gone(void **state)
{
	const uint8_t slots[2] = { 5, 1 };
	static uint32_t routes[ORIGINS];
	struct snapshot *next = workers_conf(1, NULL, "");
	const struct sent *s, *t;

	(void)state;
	s = observe(1, 1, origin_at(NEAR, 1));
	t = observe(1, 2, origin_at(FAR, 1));
	for (uint32_t i = 0; i < ORIGINS; i++)
		routes[i] = i;
	snapshot_place(next, slots, routes);
	renew(next);
	expect_end(1, 1, CODE_UNAVAILABLE, "No longer allowed here");
	expect_end(1, 2, CODE_UNAVAILABLE, "No longer allowed here");
	expect_cancel(s);
	expect_cancel(t);
	/* requests that still come there are told so; when none has come for long it is unused */
	ask(0, 1, MSG_CON, CODE_GET, 9, 1, "11='a'", NULL);
	is_message(next_to_client(), MSG_ACK, CODE_UNAVAILABLE, NULL, "No longer allowed here");
	nothing_more();
	nothing_remains();
	assert_false(proxy_listener_is_unused(the.proxy[0], 0));
	pass_time(248 * CLOCK_SECOND);
	assert_true(proxy_listener_is_unused(the.proxy[0], 0));
}

/* ---- in the middle of something ---- */

/* A registration, or refresh, that is under way is answered; then the observation is decided. */
static void registrations_under_way(void **state)
{
	(void)state;
	for (unsigned home = 0; home < 2; home++) {
		unsigned origin = origin_at(home, 1);
		const struct sent *s;

		ask(0, 1, MSG_CON, CODE_GET, 1, origin, "6= 11='a'", NULL);
		settle();
		s = next_to_origin();
		renew(workers_conf(ORIGINS, NULL, ""));
		nothing_more();
		answer(s, MSG_ACK, 0, CODE_CONTENT, "6=01", "its answer");
		settle();
		is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "its answer");
		expect_end(1, 1, CODE_NOT_FOUND, NULL);
		expect_cancel(s);
		nothing_more();
		nothing_remains();
		workers_end();
		workers_begin(2, NULL, "");
	}
}

static void a_refresh_under_way(void **state)
{
	unsigned origin = origin_at(FAR, 1);
	const struct sent *s = observe(1, 1, origin);

	(void)state;
	ask_as(1, 0, 1, MSG_CON, CODE_GET, 2, origin, "6= 11='a'", NULL);
	settle();
	renew(workers_conf(1, NULL, ""));
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "6=65", "refreshed");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "refreshed");
	ask_as(1, 0, 1, MSG_CON, CODE_GET, 3, origin, "6= 11='a'", NULL);
	settle();
	renew(workers_conf(ORIGINS, NULL, ""));
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "6=66", "refreshed again");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "refreshed again");
	expect_end(1, 1, CODE_NOT_FOUND, NULL);
	expect_cancel(s);
	nothing_more();
	nothing_remains();
}

static void one_configuration_after_another(void **state)
{
	const struct sent *s = observe(1, 1, origin_at(FAR, 4)), *t = observe(1, 2, origin_at(NEAR, 4));

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		renew(workers_conf(1 + i % 4, i % 2 ? "n: { hosts = [\"n\"]; to = [\"coap://10.8.0.1\"]; };" : NULL,
			i % 3 ? "limits: { exchanges = 5; observations = 1; queue-memory = \"1MB\"; };" : ""));
	nothing_more();
	answer(s, MSG_NON, 1, CODE_CONTENT, "6=65", "x");
	answer(t, MSG_NON, 2, CODE_CONTENT, "6=65", "x");
	settle();
	next_to_client();
	next_to_client();
	nothing_more();
}

/* ---- limits ---- */

static void limits_move(void **state)
{
	unsigned origin = origin_at(FAR, 1), taken = 0;

	(void)state;
	renew(workers_conf(1, NULL, "limits: { exchanges = 2; };"));
	for (uint16_t i = 0; i < 5; i++)
		ask(0, 1, MSG_CON, CODE_POST, i, origin, "9=01", "x");
	assert_int_equal(house_exchanges(&the.house), 2);
	the.to_client.seen = the.to_client.count;
	renew(workers_conf(1, NULL, "limits: { exchanges = 6; };"));
	for (uint16_t i = 10; i < 16; i++)
		ask(0, 1, MSG_CON, CODE_POST, i, origin, "9=01", "x");
	assert_int_equal(house_exchanges(&the.house), 6);
	the.to_client.seen = the.to_client.count;
	renew(workers_conf(1, NULL, "limits: { exchanges = 1; };")); /* ends nothing */
	for (settle(); the.to_origin.seen < the.to_origin.count; settle(), taken++)
		answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "", "");
	assert_int_equal(taken, 6);
	assert_int_equal(the.to_client.count - the.to_client.seen, 6);
	nothing_remains();
}

/* ---- how much at once ---- */

enum { MANY_OBSERVATIONS = 400 };

static unsigned decided(void)
{
	const struct proxy *p = the.proxy[0];
	unsigned count = 0;

	for (uint32_t i = 0; i < slab_end(p->observations); i++) {
		const struct observation *o = slab_get(p->observations, i);

		count += o != NULL && o->exchange->conf == p->conf;
	}
	return count;
}

static struct snapshot *conf_of(unsigned routes)
{
	size_t room = routes * 70u + 400, at;
	char *text = malloc(room);
	struct snapshot *conf;

	assert_non_null(text);
	at = (size_t)snprintf(text, room, "listeners: { l: { url = \"coap://10.0.0.9:5683\"; }; }; routes: {");
	for (unsigned i = 1; i < routes; i++)
		at += (size_t)snprintf(text + at, room - at, "r%u: { hosts = [\"r%u\"]; to = [\"coap://10.8.0.1\"]; };\n", i, i);
	snprintf(text + at, room - at, "o1: { hosts = [\"o1\"]; to = [\"coap://10.9.0.1\"]; }; };"
		"limits: { client-observations = 1000; client-exchanges = 1000; origin-exchanges = 1000; };");
	conf = conf_load_text(text, "routes", stderr);
	free(text);
	assert_non_null(conf);
	return conf;
}

/* However many routes there are, one tick looks at about as many conditions; in the end all were looked at. */
static void one_tick_does_little(void **state)
{
	static const unsigned routes[] = { 3, 100, 1500, 2500, 4000, 5000, 10000 };

	(void)state;
	for (unsigned r = 0; r < sizeof routes / sizeof routes[0]; r++) {
		struct snapshot *next;
		unsigned most = 0, before;

		workers_end();
		workers_begin(1, NULL, "limits: { client-observations = 1000; client-exchanges = 1000; origin-exchanges = 1000; };");
		for (uint16_t i = 0; i < MANY_OBSERVATIONS; i++)
			observe(1, i, 1);
		next = conf_of(routes[r]);
		snapshot_release(the.conf);
		the.conf = next;
		proxy_renew(the.proxy[0], next);
		most = before = decided();
		while (proxy_is_renewing(the.proxy[0])) {
			pass_time(WHEEL_TICK);
			if (decided() - before > most)
				most = decided() - before;
			before = decided();
		}
		assert_int_equal(before, MANY_OBSERVATIONS);
		assert_true(most <= 1 || most * routes[r] <= 2 * 4096);
		nothing_more();
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, workers_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_still_allowed_goes_on), TEST(the_old_configuration_is_freed), TEST(what_is_under_way_goes_on_as_it_began),
		TEST(no_route_takes_it_any_more), TEST(what_changed_too_much_ends), TEST(its_listener_is_gone),
		TEST(registrations_under_way), TEST(a_refresh_under_way), TEST(one_configuration_after_another), TEST(limits_move),
		TEST(one_tick_does_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
