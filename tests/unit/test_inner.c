/* objects: oscore/inner.o coap/option.o coap/message.o */
/*
 * Which fields of an opened message are told, and what is no field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "oscore/inner.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define ALL ((1u << FIELD_COUNT) - 1)

static uint8_t bytes[OPENING_PAYLOAD_MAX + 4096];
static struct msg_writer writer;
static struct msg_view view;
static struct opening_inner inner;

static void begin(uint8_t code)
{
	msg_begin(&writer, bytes, sizeof bytes, MSG_NON, code, 0, NULL, 0);
}

static void read_fields(uint32_t fields)
{
	assert_int_equal(msg_parse_datagram(&view, bytes, msg_end(&writer)), MSG_OK);
	memset(&inner, 0xa5, sizeof inner);
	oscore_inner_read(&inner, &view, fields);
}

static void text_is(const struct opening_text *t, const char *text)
{
	assert_int_equal(t->len, strlen(text));
	assert_memory_equal(t->at, text, t->len);
}

static void full_request(void)
{
	begin(CODE_PUT);
	msg_add_option(&writer, OPT_ETAG, "12345678", 8);
	msg_add_option(&writer, OPT_ETAG, "x", 1);
	msg_add_option(&writer, OPT_URI_PATH, "firmware", 8);
	msg_add_option(&writer, OPT_URI_PATH, "", 0);
	msg_add_option(&writer, OPT_URI_PATH, "..", 2);
	msg_add_uint(&writer, OPT_CONTENT_FORMAT, 60);
	msg_add_option(&writer, OPT_URI_QUERY, "a=b", 3);
	msg_add_option(&writer, OPT_URI_QUERY, "", 0);
	msg_add_uint(&writer, OPT_BLOCK2, 3 << 4 | 6);
	msg_add_uint(&writer, OPT_BLOCK1, 2 << 4 | 8 | 5);
	msg_add_uint(&writer, OPT_SIZE2, 0);
	msg_add_uint(&writer, OPT_SIZE1, 123456);
	msg_add_payload(&writer, "Hello", 5);
}

static void all_of_a_request(void **state)
{
	(void)state;
	full_request();
	read_fields(ALL);
	assert_int_equal(inner.fields, ALL & ~(FIELD_BIT(FIELD_OBSERVE) | FIELD_BIT(FIELD_MAX_AGE)));
	assert_int_equal(inner.code, CODE_PUT);
	assert_false(inner.path_abbreviated);
	assert_int_equal(inner.path_count, 3);
	text_is(&inner.path[0], "firmware");
	text_is(&inner.path[1], "");
	text_is(&inner.path[2], "..");
	assert_int_equal(inner.query_count, 2);
	text_is(&inner.query[0], "a=b");
	assert_int_equal(inner.content_format, 60);
	assert_int_equal(inner.etag_len, 8);
	assert_memory_equal(inner.etag, "12345678", 8);
	assert_true(inner.has_block1 && inner.block1.num == 2 && inner.block1.more && inner.block1.szx == 5);
	assert_true(inner.has_block2 && inner.block2.num == 3 && !inner.block2.more && inner.block2.szx == 6);
	assert_true(inner.has_size1 && inner.size1 == 123456 && inner.has_size2 && inner.size2 == 0);
	assert_int_equal(inner.payload_len, 5);
	assert_memory_equal(inner.payload, "Hello", 5);
	assert_false(inner.payload_cut);
	assert_true(inner.observe == 0 && inner.max_age == 0);
}

/* A field that was not asked for is not told, also not by accident of another. */
static void only_what_was_asked(void **state)
{
	(void)state;
	full_request();
	for (unsigned field = 0; field < FIELD_COUNT; field++) {
		read_fields(FIELD_BIT(field));
		assert_true((inner.fields & ~FIELD_BIT(field)) == 0);
		if (field != FIELD_CODE)
			assert_int_equal(inner.code, 0);
		if (field != FIELD_URI_PATH)
			assert_true(inner.path_count == 0 && !inner.path_abbreviated);
		if (field != FIELD_URI_QUERY)
			assert_int_equal(inner.query_count, 0);
		if (field != FIELD_ETAG)
			assert_int_equal(inner.etag_len, 0);
		if (field != FIELD_BLOCK)
			assert_true(!inner.has_block1 && !inner.has_block2 && inner.block1.num == 0);
		if (field != FIELD_SIZE)
			assert_true(!inner.has_size1 && inner.size1 == 0);
		if (field != FIELD_PAYLOAD)
			assert_true(inner.payload == NULL && inner.payload_len == 0);
	}
	read_fields(0);
	assert_int_equal(inner.fields, 0);
}

static void all_of_a_response(void **state)
{
	(void)state;
	begin(CODE_CONTENT);
	msg_add_option(&writer, OPT_ETAG, "e", 1);
	msg_add_option(&writer, OPT_OBSERVE, "", 0);
	msg_add_option(&writer, OPT_URI_PATH, "no", 2); /* means nothing here */
	msg_add_uint(&writer, OPT_CONTENT_FORMAT, 0);
	msg_add_uint(&writer, OPT_MAX_AGE, 0xffffffff);
	read_fields(ALL);
	assert_int_equal(inner.fields, FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_ETAG) | FIELD_BIT(FIELD_OBSERVE) | FIELD_BIT(FIELD_CONTENT_FORMAT) |
		FIELD_BIT(FIELD_MAX_AGE));
	assert_true(inner.code == CODE_CONTENT && inner.observe == 0 && inner.content_format == 0 && inner.max_age == 0xffffffff);
	assert_int_equal(inner.path_count, 0);
}

static void a_request_without_segments_has_the_empty_path(void **state)
{
	(void)state;
	begin(CODE_GET);
	read_fields(ALL);
	assert_int_equal(inner.fields, FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_URI_PATH));
	assert_true(inner.path_count == 0 && !inner.path_abbreviated);
}

static void hidden_paths_are_abbreviated(void **state)
{
	static const uint16_t hiding[] = { OPT_URI_PATH_ABBREV, OPT_PROXY_URI, OPT_PROXY_CRI, OPT_OSCORE };
	static char long_segment[256];

	(void)state;
	for (size_t i = 0; i < COUNT(hiding); i++) {
		begin(CODE_GET);
		if (hiding[i] < OPT_URI_PATH)
			msg_add_option(&writer, hiding[i], "\x01", 1);
		msg_add_option(&writer, OPT_URI_PATH, "public", 6);
		if (hiding[i] > OPT_URI_PATH)
			msg_add_option(&writer, hiding[i], "\x01", 1);
		read_fields(ALL);
		assert_true(inner.fields & FIELD_BIT(FIELD_URI_PATH));
		assert_true(inner.path_abbreviated);
		assert_int_equal(inner.path_count, 0);
	}
	memset(long_segment, 'x', sizeof long_segment);
	begin(CODE_GET);
	msg_add_option(&writer, OPT_URI_PATH, long_segment, 255);
	read_fields(ALL);
	assert_true(!inner.path_abbreviated && inner.path_count == 1);
	begin(CODE_GET);
	msg_add_option(&writer, OPT_URI_PATH, "public", 6);
	msg_add_option(&writer, OPT_URI_PATH, long_segment, 256);
	read_fields(ALL);
	assert_true(inner.path_abbreviated && inner.path_count == 0);
}

static void there_is_an_end_to_segments(void **state)
{
	(void)state;
	for (int extra = 0; extra < 2; extra++) {
		begin(CODE_GET);
		for (int i = 0; i < OPENING_TEXTS_MAX + extra; i++)
			msg_add_option(&writer, OPT_URI_PATH, "a", 1);
		read_fields(ALL);
		assert_true(inner.fields & FIELD_BIT(FIELD_URI_PATH));
		assert_int_equal(inner.path_abbreviated, extra);
		assert_int_equal(inner.path_count, extra ? 0 : OPENING_TEXTS_MAX);

		begin(CODE_GET);
		for (int i = 0; i < OPENING_TEXTS_MAX + extra; i++)
			msg_add_option(&writer, OPT_URI_QUERY, "a", 1);
		read_fields(ALL);
		assert_int_equal((inner.fields & FIELD_BIT(FIELD_URI_QUERY)) != 0, !extra);
		assert_int_equal(inner.query_count, extra ? 0 : OPENING_TEXTS_MAX);
	}
}

/* Each an option that is no field, since nobody recognises it. */
static void malformed_options_are_absent(void **state)
{
	static const struct {
		uint8_t code;
		uint16_t number;
		const char *value;
		uint8_t len;
		enum opening_field field;
	} rows[] = {
		{ CODE_PUT, OPT_CONTENT_FORMAT, "\x01\x02\x03", 3, FIELD_CONTENT_FORMAT },
		{ CODE_PUT, OPT_ETAG, "", 0, FIELD_ETAG },
		{ CODE_PUT, OPT_ETAG, "123456789", 9, FIELD_ETAG },
		{ CODE_GET, OPT_OBSERVE, "\x01\x02\x03\x04", 4, FIELD_OBSERVE },
		{ CODE_PUT, OPT_OBSERVE, "", 0, FIELD_OBSERVE },
		{ CODE_PUT, OPT_MAX_AGE, "\x01", 1, FIELD_MAX_AGE },
		{ CODE_CONTENT, OPT_MAX_AGE, "\x01\x02\x03\x04\x05", 5, FIELD_MAX_AGE },
		{ CODE_PUT, OPT_BLOCK1, "\x01\x02\x03\x04", 4, FIELD_BLOCK },
		{ CODE_PUT, OPT_BLOCK2, "\x01\x02\x03\x04", 4, FIELD_BLOCK },
		{ CODE_PUT, OPT_SIZE1, "\x01\x02\x03\x04\x05", 5, FIELD_SIZE },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin(rows[i].code);
		msg_add_option(&writer, rows[i].number, rows[i].value, rows[i].len);
		read_fields(ALL);
		if (inner.fields & FIELD_BIT(rows[i].field))
			fail_msg("row %zu", i);
	}
	/* leading zeros are legal */
	begin(CODE_PUT);
	msg_add_option(&writer, OPT_CONTENT_FORMAT, "\0\0\x32", 3);
	read_fields(ALL);
	assert_true((inner.fields & FIELD_BIT(FIELD_CONTENT_FORMAT)) && inner.content_format == 50);
	/* of two that may not be two the first counts */
	begin(CODE_CONTENT);
	msg_add_uint(&writer, OPT_MAX_AGE, 7);
	msg_add_uint(&writer, OPT_MAX_AGE, 8);
	read_fields(ALL);
	assert_int_equal(inner.max_age, 7);
}

static void long_payloads_are_cut(void **state)
{
	static uint8_t payload[OPENING_PAYLOAD_MAX + 1];

	(void)state;
	for (int extra = 0; extra < 2; extra++) {
		begin(CODE_CONTENT);
		msg_add_payload(&writer, payload, OPENING_PAYLOAD_MAX + (size_t)extra);
		read_fields(FIELD_BIT(FIELD_PAYLOAD));
		assert_int_equal(inner.payload_len, OPENING_PAYLOAD_MAX);
		assert_int_equal(inner.payload_cut, extra);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_a_request),
		cmocka_unit_test(only_what_was_asked),
		cmocka_unit_test(all_of_a_response),
		cmocka_unit_test(a_request_without_segments_has_the_empty_path),
		cmocka_unit_test(hidden_paths_are_abbreviated),
		cmocka_unit_test(there_is_an_end_to_segments),
		cmocka_unit_test(malformed_options_are_absent),
		cmocka_unit_test(long_payloads_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
