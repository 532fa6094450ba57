/* objects: proxy/http/backlog.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/http/backlog.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Byte number `at` of an endless text. */
static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 31 + at / 251);
}

static void add(struct backlog *b, size_t at, size_t len)
{
	uint8_t *bytes = malloc(len + (len == 0));

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_at(at + i);
	assert_int_equal(backlog_add(b, bytes, len), 0);
	free(bytes);
}

static void holds(const struct backlog *b, size_t from, size_t to)
{
	assert_int_equal(backlog_length(b), to - from);
	for (size_t i = from; i < to; i++)
		assert_int_equal(backlog_bytes(b)[i - from], byte_at(i));
	if (from == to)
		assert_null(backlog_bytes(b));
}

static void what_was_sent_leaves_from_the_front(void **state)
{
	struct backlog b = { .bytes = NULL };

	(void)state;
	holds(&b, 0, 0);
	backlog_drain(&b, 0);
	add(&b, 0, 0);
	holds(&b, 0, 0);
	add(&b, 0, 100);
	add(&b, 100, 1);
	holds(&b, 0, 101);
	backlog_drain(&b, 40);
	holds(&b, 40, 101);
	add(&b, 101, BACKLOG_SMALL - 61);
	holds(&b, 40, BACKLOG_SMALL + 40);
	assert_int_equal(b.room, BACKLOG_SMALL);
	backlog_drain(&b, BACKLOG_SMALL);
	holds(&b, 0, 0);
	assert_int_equal(b.room, 0);
}

/* Additions and sendings of all sizes in turn, so that it grows, moves and shrinks. */
static void sizes_of_all_kinds(void **state)
{
	static const size_t sizes[] = { 1, 300, 1024, BACKLOG_SMALL, BACKLOG_SMALL + 1, 5000, BACKLOG_STEP, 3 * BACKLOG_STEP + 7 };
	uint32_t chance = 1;

	(void)state;
	for (size_t round = 0; round < 20; round++) {
		struct backlog b = { .bytes = NULL };
		size_t from = 0, to = 0, most = 0;

		for (size_t i = 0; i < 200; i++) {
			size_t size;

			chance = chance * 1664525 + 1013904223;
			size = sizes[chance >> 8 & 7];
			if (chance >> 16 & 1 && to - from + size <= 5 * BACKLOG_STEP) {
				add(&b, to, size);
				to += size;
			} else {
				size = size < to - from ? size : to - from;
				backlog_drain(&b, size);
				from += size;
			}
			holds(&b, from, to);
			most = most < to - from ? to - from : most;
			assert_true(b.room <= most + 2 * BACKLOG_STEP);
		}
		backlog_drain(&b, to - from);
		holds(&b, to, to);
	}
}

/* More than lie ready for the next. */
static void many_short_ones(void **state)
{
	struct backlog many[100] = { { .bytes = NULL } };

	(void)state;
	for (size_t i = 0; i < COUNT(many); i++)
		add(&many[i], i, 10);
	for (size_t i = 0; i < COUNT(many); i++)
		holds(&many[i], i, i + 10);
	for (size_t i = 0; i < COUNT(many); i++) {
		backlog_drain(&many[i], 10);
		holds(&many[i], 0, 0);
	}
	add(&many[1], 0, 10);
	holds(&many[1], 0, 10);
	backlog_drain(&many[1], 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sent_leaves_from_the_front),
		cmocka_unit_test(sizes_of_all_kinds),
		cmocka_unit_test(many_short_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
