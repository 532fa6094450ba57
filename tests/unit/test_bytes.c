/* objects: base/bytes.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"

static void writer_stops_at_its_end(void **state)
{
	uint8_t out[6] = {0, 0, 0, 0, 0, 0xee};
	struct writer w;

	(void)state;
	writer_init(&w, out, 5);
	writer_u8(&w, 0x101);
	writer_u16(&w, 0x0203);
	assert_int_equal(writer_length(&w), 3);
	assert_int_equal(writer_room(&w), 2);
	writer_bytes(&w, "", 0);
	writer_bytes(&w, "\x04\x05", 2);
	assert_false(w.failed);
	assert_memory_equal(out, "\x01\x02\x03\x04\x05\xee", 6);
	writer_u8(&w, 6);
	assert_true(w.failed);
	assert_int_equal(out[5], 0xee);
}

static void writer_writes_nothing_of_what_does_not_fit(void **state)
{
	uint8_t out[4] = {0};
	struct writer w;

	(void)state;
	writer_init(&w, out, 3);
	writer_bytes(&w, "abcd", 4);
	assert_true(w.failed);
	assert_int_equal(writer_room(&w), 0);
	writer_u8(&w, 1);
	writer_u16(&w, 1);
	assert_memory_equal(out, "\0\0\0\0", 4);
}

static void reader_stops_at_its_end(void **state)
{
	static const uint8_t in[] = {1, 2, 3, 4, 5};
	struct reader r;

	(void)state;
	reader_init(&r, in, sizeof(in));
	assert_int_equal(reader_u8(&r), 1);
	assert_int_equal(reader_u16(&r), 0x0203);
	assert_ptr_equal(reader_bytes(&r, 0), in + 3);
	assert_ptr_equal(reader_bytes(&r, 2), in + 3);
	assert_int_equal(reader_left(&r), 0);
	assert_false(r.failed);
	assert_int_equal(reader_u8(&r), 0);
	assert_true(r.failed);
}

static void reader_gives_no_part_of_what_is_too_long(void **state)
{
	static const uint8_t in[] = {1, 2, 3};
	struct reader r;

	(void)state;
	reader_init(&r, in, sizeof(in));
	assert_null(reader_bytes(&r, 4));
	assert_true(r.failed);
	assert_int_equal(reader_left(&r), 0);
	reader_init(&r, in, 1);
	assert_int_equal(reader_u16(&r), 0x100);
	assert_true(r.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writer_stops_at_its_end),
		cmocka_unit_test(writer_writes_nothing_of_what_does_not_fit),
		cmocka_unit_test(reader_stops_at_its_end),
		cmocka_unit_test(reader_gives_no_part_of_what_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
