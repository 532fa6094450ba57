/* objects: READER_PART_OBJS base/clock.o oscore/derive.o tools/seal.o tools/keys_print.o tests/unit/reader_world.o */
/* libs: -lcrypto */
/*
 * Look-up among many sets that all have the same context: each is a world of its own, whatever chains its senders share with others'.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "oscore/reader/table.h"
#include "oscore/reader/vault.h"
#include "tests/unit/reader_world.h"

enum { SETS = 64 };

static struct reader_world world;
static char text[1024];

static void complain(void *arg, const char *error)
{
	(void)arg;
	fail_msg("%s", error);
}

/* The same file for each set. */
static struct table *table_make(void)
{
	const struct keys_errors errors = { "keys", complain, NULL };
	struct table *t = table_new();

	assert_non_null(t);
	for (uint64_t id = 1; id <= SETS; id++) {
		const struct table_set set = { id, 0 };
		void *memory = vault_new(keys_file_size(text, strlen(text)));
		struct keys_file *file;

		assert_non_null(memory);
		file = keys_file_parse(memory, text, strlen(text), &errors);
		assert_non_null(file);
		assert_int_equal(table_add(t, &set, file), 0);
	}
	assert_int_equal(table_index(t), 0);
	return t;
}

/* The one sender of this kid; with_context: an option that names the kid context, too. */
static struct table_sender *only_one(const struct table *t, uint64_t set, const char *kid, bool with_context)
{
	const struct oscore_option o = { .kid = (const uint8_t *)kid, .kid_len = (uint8_t)strlen(kid),
		.kid_context = with_context ? (const uint8_t *)"id" : NULL, .kid_context_len = with_context ? 2 : 0 };
	struct table_sender *found[TABLE_CANDIDATES_MAX];
	bool more;

	assert_int_equal(table_find(t, set, &o, found, &more), 1);
	assert_false(more);
	assert_int_equal(found[0]->context->set, set);
	return found[0];
}

static void each_set_has_its_own(void **state)
{
	struct table *before = table_make(), *after = table_make();
	struct table_sender *s;

	(void)state;
	for (uint64_t set = 1; set <= SETS; set++) {
		s = only_one(before, set, "c", false);
		assert_ptr_equal(s, only_one(before, set, "c", true));
		assert_ptr_equal(table_other(before, s), only_one(before, set, "s", true));
		s->window.highest = set;
		table_other(before, s)->window.highest = SETS + set;
	}
	table_take_over(after, before);
	for (uint64_t set = 1; set <= SETS; set++) {
		assert_int_equal(only_one(after, set, "c", true)->window.highest, set);
		assert_int_equal(only_one(after, set, "s", false)->window.highest, SETS + set);
	}
	assert_false(table_has_set(after, 0) || table_has_set(after, SETS + 1));
	table_free(before);
	table_free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_set_has_its_own),
	};
	struct oscore_context context;
	int failed;

	world_start(&world);
	world_context(&context, 1, "c", "s", "id", false);
	world_print_context(text, sizeof text, "pair", &context, true, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_end(&world);
	return failed;
}
