/* objects: base/wheel.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/wheel.h"

#define SECOND 1000000ull

enum { MANY = 3000 };

static struct wheel *wheel;
static uint64_t now;

struct node {
	struct wheel_timer timer;
	uint64_t ran_at;
	unsigned runs;
};

static void ran(struct wheel_timer *t)
{
	struct node *n = wheel_owner(t, struct node, timer);

	assert_false(wheel_timer_is_set(t));
	n->ran_at = now;
	n->runs++;
}

static int begin(void **state)
{
	(void)state;
	now = 1000123;
	wheel = wheel_create(now);
	return wheel ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	wheel_destroy(wheel);
	return 0;
}

static void advance(uint64_t by)
{
	now += by;
	wheel_run(wheel, now);
}

static void never_early_at_most_a_tick_late(void **state)
{
	static const uint64_t delays[] = {
		1, 4095, 4096, 4097, 20000, 262143, 262144, 262145, SECOND, 2 * SECOND, 16777216, 16777217, 93 * SECOND, 247 * SECOND,
		3600 * SECOND, 86400 * SECOND, 400ull * 86400 * SECOND,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		struct node n = {.timer.run = ran};
		uint64_t due = now + delays[i];

		wheel_set(wheel, &n.timer, due);
		assert_true(wheel_timer_is_set(&n.timer));
		assert_true(wheel_next(wheel) < due + WHEEL_TICK);
		now = due - 1;
		wheel_run(wheel, now);
		assert_int_equal(n.runs, 0);
		now = due + WHEEL_TICK - 1;
		wheel_run(wheel, now);
		assert_int_equal(n.runs, 1);
		assert_int_equal(wheel_next(wheel), UINT64_MAX);
	}
}

static void wheel_next_leads_to_each_timer(void **state)
{
	struct node n = {.timer.run = ran};
	int wakes = 0;

	(void)state;
	wheel_set(wheel, &n.timer, now + 247 * SECOND + 77);
	while (n.runs == 0) {
		uint64_t next = wheel_next(wheel);

		assert_true(next > now && next != UINT64_MAX);
		now = next;
		wheel_run(wheel, now);
		assert_true(++wakes < 9);
	}
	assert_true(n.ran_at >= n.timer.due && n.ran_at < n.timer.due + WHEEL_TICK);
}

static void cancelled_and_moved_timers(void **state)
{
	struct node a = {.timer.run = ran}, b = a, c = a;

	(void)state;
	wheel_cancel(&a.timer);
	wheel_set(wheel, &a.timer, now + SECOND);
	wheel_set(wheel, &b.timer, now + SECOND);
	wheel_set(wheel, &c.timer, now + SECOND);
	wheel_cancel(&b.timer);
	assert_false(wheel_timer_is_set(&b.timer));
	wheel_set(wheel, &a.timer, now + 5 * SECOND);
	advance(2 * SECOND);
	assert_int_equal(a.runs, 0);
	assert_int_equal(b.runs, 0);
	assert_int_equal(c.runs, 1);
	advance(4 * SECOND);
	assert_int_equal(a.runs, 1);
	wheel_set(wheel, &a.timer, now + SECOND);
	wheel_cancel(&a.timer);
	assert_int_equal(wheel_next(wheel), UINT64_MAX);
}

static void past_due_runs_next_time(void **state)
{
	struct node n = {.timer.run = ran};

	(void)state;
	wheel_set(wheel, &n.timer, 0);
	assert_true(wheel_next(wheel) > 0 && wheel_next(wheel) <= now);
	assert_int_equal(n.runs, 0);
	wheel_run(wheel, now);
	assert_int_equal(n.runs, 1);
	/* time that stands still, or seems to run backwards, harms nothing */
	wheel_set(wheel, &n.timer, now + SECOND);
	wheel_run(wheel, now - 500000);
	assert_int_equal(n.runs, 1);
}

static void farthest_times_are_kept(void **state)
{
	struct node n = {.timer.run = ran};

	(void)state;
	wheel_set(wheel, &n.timer, UINT64_MAX);
	assert_true(wheel_next(wheel) < UINT64_MAX);
	advance(1000ull * 365 * 86400 * SECOND);
	assert_int_equal(n.runs, 0);
	assert_true(wheel_timer_is_set(&n.timer));
	wheel_cancel(&n.timer);
}

static struct node other;
static int chain;

static void chain_on(struct wheel_timer *t)
{
	if (++chain < 4)
		wheel_set(wheel, t, t->due + SECOND);
	if (chain == 1)
		wheel_cancel(&other.timer);
}

static void callbacks_may_set_and_cancel(void **state)
{
	struct node n = {.timer.run = chain_on};

	(void)state;
	other = (struct node){.timer.run = ran};
	chain = 0;
	/* the same slot: the one that runs first cancels the other while both are due */
	wheel_set(wheel, &other.timer, now + SECOND);
	wheel_set(wheel, &n.timer, now + SECOND);
	advance(SECOND + WHEEL_TICK);
	assert_int_equal(chain, 1);
	assert_int_equal(other.runs, 0);
	/* set for times that have passed already: all in one call */
	advance(3600 * SECOND);
	assert_int_equal(chain, 4);
	assert_int_equal(wheel_next(wheel), UINT64_MAX);
}

static uint64_t last_tick;

static void in_order(struct wheel_timer *t)
{
	uint64_t tick = (t->due + WHEEL_TICK - 1) / WHEEL_TICK;

	assert_true(tick >= last_tick);
	last_tick = tick;
	ran(t);
}

static void many_timers_against_a_plain_list(void **state)
{
	static struct node nodes[MANY];
	uint32_t seed = 3;

	(void)state;
	memset(nodes, 0, sizeof(nodes));
	last_tick = 0;
	for (int i = 0; i < MANY; i++) {
		seed = seed * 1103515245 + 12345;
		nodes[i].timer.run = in_order;
		wheel_set(wheel, &nodes[i].timer, now + (uint64_t)(seed >> 4) % (1ull << (8 + i % 24)));
	}
	for (int i = 0; i < MANY; i += 5)
		wheel_cancel(&nodes[i].timer);
	for (int step = 0; step < 5000; step++) {
		uint64_t earliest = UINT64_MAX;

		seed = seed * 1103515245 + 12345;
		advance(step % 100 == 99 ? SECOND : (seed >> 8) % 30000);
		for (int i = 0; i < MANY; i++) {
			if (!wheel_timer_is_set(&nodes[i].timer))
				continue;
			assert_true(nodes[i].timer.due + WHEEL_TICK > now);
			if (nodes[i].timer.due < earliest)
				earliest = nodes[i].timer.due;
		}
		if (earliest == UINT64_MAX)
			assert_int_equal(wheel_next(wheel), UINT64_MAX);
		else
			assert_true(wheel_next(wheel) < earliest + WHEEL_TICK);
	}
	advance(3600 * SECOND);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(nodes[i].runs, i % 5 != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(never_early_at_most_a_tick_late, begin, end),
		cmocka_unit_test_setup_teardown(wheel_next_leads_to_each_timer, begin, end),
		cmocka_unit_test_setup_teardown(cancelled_and_moved_timers, begin, end),
		cmocka_unit_test_setup_teardown(past_due_runs_next_time, begin, end),
		cmocka_unit_test_setup_teardown(farthest_times_are_kept, begin, end),
		cmocka_unit_test_setup_teardown(callbacks_may_set_and_cancel, begin, end),
		cmocka_unit_test_setup_teardown(many_timers_against_a_plain_list, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
