/* objects: base/slab.o base/log.o base/clock.o base/random_seeded.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "proxy/exchange/table.h"

enum { OBJECTS = 300, CHAINS = 7 };

struct thing {
	struct table_links links;
	unsigned value;
};

/* What the table should hold: values in the order of their last use. */
static struct {
	struct thing *things[OBJECTS];
	unsigned count;
} model;

static struct thing *find(const struct table *t, unsigned value)
{
	struct thing *thing = table_first(t, value % CHAINS);

	while (thing != NULL && thing->value != value)
		thing = table_next(t, thing);
	return thing;
}

static unsigned model_find(unsigned value)
{
	unsigned at = 0;

	while (at < model.count && model.things[at]->value != value)
		at++;
	return at;
}

static struct thing *model_take(unsigned at)
{
	struct thing *thing = model.things[at];

	model.count--;
	memmove(&model.things[at], &model.things[at + 1], (model.count - at) * sizeof(model.things[0]));
	return thing;
}

static void check(const struct table *t)
{
	const struct thing *thing = table_oldest(t);

	for (unsigned i = 0; i < model.count; i++, thing = slab_get(t->slab, thing->links.newer)) {
		assert_ptr_equal(thing, model.things[i]);
		assert_ptr_equal(find(t, thing->value), thing);
		assert_ptr_equal(slab_get(t->slab, thing->links.older), i > 0 ? model.things[i - 1] : NULL);
	}
	assert_null(thing);
	assert_int_equal(slab_count(t->slab), model.count);
}

/* Puts in, touches and takes out by chance; few chains, so that they are long. */
static void against_a_list(void **state)
{
	struct table t;

	(void)state;
	random_seed_for_test(1);
	assert_int_equal(table_create(&t, sizeof(struct thing), OBJECTS, 1), 0);
	check(&t);
	for (int round = 0; round < 20000; round++) {
		unsigned value = random_below(OBJECTS), at = model_find(value);
		struct thing *thing = find(&t, value);
		uint32_t index;

		assert_int_equal(thing != NULL, at < model.count);
		if (thing == NULL) {
			thing = slab_new(t.slab, &index);
			thing->value = value;
			table_insert(&t, value % CHAINS, thing, index);
			model.things[model.count++] = thing;
		} else if (random_below(2) == 0) {
			table_touch(&t, thing);
			model_take(at);
			model.things[model.count++] = thing;
		} else {
			table_remove(&t, value % CHAINS, thing);
			slab_free(t.slab, thing->links.index);
			model_take(at);
		}
		if (round % 50 == 0)
			check(&t);
	}
	while (model.count > 0) {
		struct thing *oldest = table_oldest(&t);

		assert_ptr_equal(oldest, model_take(0));
		table_remove(&t, oldest->value % CHAINS, oldest);
		slab_free(t.slab, oldest->links.index);
	}
	check(&t);
	table_destroy(&t);
}

static void room(void **state)
{
	static const uint32_t rows[][2] = { { 0, 1023 }, { 1024, 1023 }, { 1025, 2047 }, { 65536, 65535 } };
	struct table t;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(table_init(&t, NULL, rows[i][0]), 0);
		assert_int_equal(t.mask, rows[i][1]);
		free(t.heads);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(against_a_list), cmocka_unit_test(room) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
