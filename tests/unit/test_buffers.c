/* objects: base/buffers.o base/slab.o base/log.o base/clock.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffers.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint8_t message[BUFFER_LARGEST + 1];

static void sizes(void **state)
{
	static const struct {
		size_t len, counted;
	} rows[] = {
		{1, 64}, {63, 64}, {64, 64}, {65, 128}, {128, 128}, {129, 256}, {512, 512}, {513, 1024}, {1025, 2048}, {2048, 2048},
	};
	struct buffers *b = buffers_create(BUFFER_LARGEST);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buffer held = { 0 };

		memset(message, (int)i + 1, sizeof(message));
		assert_int_equal(buffers_keep(b, &held, message, rows[i].len), 0);
		assert_int_equal(held.len, rows[i].len);
		assert_memory_equal(held.bytes, message, rows[i].len);
		assert_ptr_not_equal(held.bytes, message);
		assert_int_equal(buffers_in_use(b), rows[i].counted);
		buffers_drop(b, &held);
		assert_null(held.bytes);
		assert_int_equal(buffers_in_use(b), 0);
	}
	buffers_destroy(b);
}

static void more_than_a_datagram(void **state)
{
	struct buffers *b = buffers_create(1 << 20);
	struct buffer held = { 0 };

	(void)state;
	assert_int_equal(buffers_keep(b, &held, message, BUFFER_LARGEST + 1), -1);
	assert_null(held.bytes);
	assert_int_equal(buffers_in_use(b), 0);
	buffers_destroy(b);
}

/* 4 GB are not nothing where sizes have 32 bits. */
static void a_bound_beyond_addresses(void **state)
{
	struct buffers *b = buffers_create(UINT64_C(4) << 30);
	struct buffer held = { 0 };

	(void)state;
	assert_int_equal(buffers_keep(b, &held, message, 100), 0);
	buffers_drop(b, &held);
	buffers_set_limit(b, UINT64_C(8) << 30);
	assert_int_equal(buffers_keep(b, &held, message, 100), 0);
	buffers_drop(b, &held);
	buffers_destroy(b);
}

/* The bound counts what the classes take, not the bytes of the messages. */
static void the_bound(void **state)
{
	struct buffers *b = buffers_create(1000);
	struct buffer held[16] = { { 0 } }, more = { 0 };
	size_t count = 0;

	(void)state;
	while (count < COUNT(held) && buffers_keep(b, &held[count], message, 65) == 0)
		count++;
	assert_int_equal(count, 1000 / 128);
	assert_int_equal(buffers_in_use(b), count * 128);
	assert_null(held[count].bytes);
	assert_int_equal(buffers_keep(b, &more, message, 64), 0); /* a smaller one still fits */
	buffers_drop(b, &held[0]);
	assert_int_equal(buffers_keep(b, &held[0], message, 128), 0);
	for (size_t i = 0; i < count; i++)
		buffers_drop(b, &held[i]);
	buffers_drop(b, &more);
	assert_int_equal(buffers_in_use(b), 0);
	buffers_destroy(b);
}

static void none_is_dropped_freely(void **state)
{
	struct buffers *b = buffers_create(1000);
	struct buffer none = { 0 };

	(void)state;
	buffers_drop(b, &none);
	assert_int_equal(buffers_in_use(b), 0);
	assert_int_equal(buffers_keep(b, &none, message, 1), 0);
	buffers_drop(b, &none);
	buffers_drop(b, &none);
	assert_int_equal(buffers_in_use(b), 0);
	buffers_destroy(b);
	buffers_destroy(NULL);
}

/* Messages that are kept stay as they are while others come and go. */
static void neighbours(void **state)
{
	struct buffers *b = buffers_create(8 << 20);
	struct buffer held[200] = { { 0 } };

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		unsigned at = round * 7919 % COUNT(held);
		size_t len = 1 + round * 104729 % BUFFER_LARGEST;

		if (held[at].bytes != NULL)
			for (size_t k = 0; k < held[at].len; k++)
				assert_int_equal(held[at].bytes[k], at);
		buffers_drop(b, &held[at]);
		memset(message, (int)at, len);
		assert_int_equal(buffers_keep(b, &held[at], message, len), 0);
	}
	for (size_t i = 0; i < COUNT(held); i++)
		buffers_drop(b, &held[i]);
	assert_int_equal(buffers_in_use(b), 0);
	buffers_destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes), cmocka_unit_test(more_than_a_datagram), cmocka_unit_test(the_bound),
		cmocka_unit_test(a_bound_beyond_addresses), cmocka_unit_test(none_is_dropped_freely), cmocka_unit_test(neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
