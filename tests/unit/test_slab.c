/* objects: base/slab.o base/log.o base/clock.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/slab.h"

struct thing {
	uint32_t self;
	char rest[396];
};

static void objects_are_zeroed_and_found_by_index(void **state)
{
	struct slab *s = slab_create(sizeof(struct thing), 100000);
	uint32_t index, again;
	struct thing *t;

	(void)state;
	t = slab_new(s, &index);
	assert_non_null(t);
	assert_int_equal((uintptr_t)t % 16, 0);
	assert_ptr_equal(slab_get(s, index), t);
	assert_int_equal(slab_count(s), 1);
	memset(t, 0xee, sizeof(*t));
	slab_free(s, index);
	assert_null(slab_get(s, index));
	assert_int_equal(slab_count(s), 0);
	t = slab_new(s, &again);
	assert_int_equal(again, index);
	for (size_t i = 0; i < sizeof(*t); i++)
		assert_int_equal(((char *)t)[i], 0);
	slab_destroy(s);
	slab_destroy(NULL);
}

static void any_index_may_be_asked_for(void **state)
{
	struct slab *s = slab_create(16, 5);
	uint32_t index;

	(void)state;
	assert_null(slab_get(s, 0));
	assert_non_null(slab_new(s, &index));
	assert_null(slab_get(s, index + 1));
	assert_null(slab_get(s, SLAB_NONE));
	assert_null(slab_get(s, 1u << 24));
	slab_destroy(s);
}

static void limit_is_kept_and_can_move(void **state)
{
	struct slab *s = slab_create(100, 3);
	uint32_t index[5000], extra;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_non_null(slab_new(s, &index[i]));
	assert_null(slab_new(s, &extra));
	slab_set_limit(s, 5000);
	for (int i = 3; i < 5000; i++)
		assert_non_null(slab_new(s, &index[i]));
	assert_null(slab_new(s, &extra));
	slab_set_limit(s, 10);
	assert_int_equal(slab_count(s), 5000);
	for (int i = 0; i < 4990; i++)
		slab_free(s, index[i]);
	assert_null(slab_new(s, &extra));
	slab_free(s, index[4990]);
	assert_non_null(slab_new(s, &extra));
	slab_set_limit(s, UINT32_MAX);
	assert_non_null(slab_new(s, &extra));
	assert_true(extra < 1u << 24);
	slab_destroy(s);
}

static void size_is_rounded_up(void **state)
{
	struct slab *s = slab_create(0, 10), *big = slab_create(100000, 40);
	uint32_t a, b;
	char *x, *y;

	(void)state;
	x = slab_new(s, &a);
	y = slab_new(s, &b);
	assert_int_equal(y - x, 16);
	slab_destroy(s);
	for (int i = 0; i < 40; i++) {
		x = slab_new(big, &a);
		assert_non_null(x);
		memset(x, 1, 100000);
	}
	slab_destroy(big);
}

enum { MANY = 20000 };

static void memory_goes_back_after_a_peak(void **state)
{
	struct slab *s = slab_create(400, MANY);
	static uint32_t index[MANY];
	struct thing *kept;
	size_t empty = slab_memory(s), one = 0, peak;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		kept = slab_new(s, &index[i]);
		assert_non_null(kept);
		kept->self = index[i];
		if (i == 0)
			one = slab_memory(s);
	}
	peak = slab_memory(s);
	assert_true(peak > MANY * 400u && peak < MANY * 400u * 11 / 10);
	for (int i = 0; i < MANY - 1; i++)
		slab_free(s, index[i]);
	assert_ptr_equal(slab_get(s, index[MANY - 1]), kept);
	assert_int_equal(kept->self, index[MANY - 1]);
	/* what stays: the chunk of the survivor and a small reserve */
	assert_true(slab_memory(s) - empty <= 4 * (one - empty));

	/* on the edge of a chunk nothing is mapped to and fro */
	size_t before = slab_memory(s);

	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 500; i++)
			assert_non_null(slab_new(s, &index[i]));
		for (int i = 0; i < 500; i++)
			slab_free(s, index[i]);
		assert_int_equal(slab_memory(s), before);
	}
	slab_destroy(s);
}

static void low_chunks_are_preferred(void **state)
{
	struct slab *s = slab_create(400, MANY);
	static uint32_t index[MANY];
	uint32_t again;

	(void)state;
	for (int i = 0; i < MANY; i++)
		assert_non_null(slab_new(s, &index[i]));
	slab_free(s, index[MANY - 1]);
	slab_free(s, index[MANY / 2]);
	slab_free(s, index[3]);
	assert_non_null(slab_new(s, &again));
	assert_int_equal(again, index[3]);
	assert_non_null(slab_new(s, &again));
	assert_int_equal(again, index[MANY / 2]);
	slab_destroy(s);
}

/* A long random life against a simple model: no object is given twice, none moves, none changes. */
static void random_life(void **state)
{
	struct slab *s = slab_create(sizeof(struct thing), MANY);
	static struct thing *held[MANY];
	static uint32_t index[MANY];
	unsigned count = 0, seed = 7;

	(void)state;
	for (int step = 0; step < 400000; step++) {
		bool grow = step / 50000 % 2 == 0;

		seed = seed * 1103515245 + 12345;
		if (count < MANY && (count == 0 || (seed >> 16) % 100 < (grow ? 70u : 30u))) {
			held[count] = slab_new(s, &index[count]);
			assert_non_null(held[count]);
			assert_int_equal(held[count]->self, 0);
			held[count]->self = index[count] + 1;
			count++;
		} else {
			unsigned victim = (seed >> 8) % count;

			assert_ptr_equal(slab_get(s, index[victim]), held[victim]);
			assert_int_equal(held[victim]->self, index[victim] + 1);
			slab_free(s, index[victim]);
			count--;
			held[victim] = held[count];
			index[victim] = index[count];
		}
	}
	assert_int_equal(slab_count(s), count);
	slab_destroy(s);
}

struct walk {
	struct slab *slab;
	uint32_t next, seen;
	bool freeing;
};

static void visit(void *object, uint32_t index, void *arg)
{
	struct walk *walk = arg;

	assert_ptr_equal(object, slab_get(walk->slab, index));
	assert_true(index >= walk->next);
	walk->next = index + 1;
	walk->seen++;
	if (walk->freeing)
		slab_free(walk->slab, index);
}

static void each_visits_in_order_and_may_free(void **state)
{
	struct slab *s = slab_create(400, 5000);
	static uint32_t index[5000];
	struct walk walk = {.slab = s};

	(void)state;
	for (int i = 0; i < 5000; i++)
		assert_non_null(slab_new(s, &index[i]));
	for (int i = 0; i < 5000; i += 3)
		slab_free(s, index[i]);
	slab_each(s, visit, &walk);
	assert_int_equal(walk.seen, slab_count(s));
	walk = (struct walk){.slab = s, .freeing = true};
	slab_each(s, visit, &walk);
	assert_int_equal(slab_count(s), 0);
	slab_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_zeroed_and_found_by_index),
		cmocka_unit_test(any_index_may_be_asked_for),
		cmocka_unit_test(limit_is_kept_and_can_move),
		cmocka_unit_test(size_is_rounded_up),
		cmocka_unit_test(memory_goes_back_after_a_peak),
		cmocka_unit_test(low_chunks_are_preferred),
		cmocka_unit_test(random_life),
		cmocka_unit_test(each_visits_in_order_and_may_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
