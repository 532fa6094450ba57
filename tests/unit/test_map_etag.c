/* objects: translate/map_etag.o translate/http_message.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/covers.h"
#include "tests/unit/heads.h"
#include "tests/unit/hex.h"
#include "translate/map_etag.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void parts_of_a_tag(void **state)
{
	static const struct {
		const char *text, *opaque; /* NULL: it is none */
		bool weak;
	} rows[] = {
		{"\"\"", "", false},
		{"\"xyz,zy\"", "xyz,zy", false},
		{"W/\"x\"", "x", true},
		{"\"a\\b\"", "a\\b", false},
		{"\"!#~\"", "!#~", false},
		{"w/\"x\"", NULL, false},
		{"W/ \"x\"", NULL, false},
		{"W/", NULL, false},
		{"W", NULL, false},
		{"\"", NULL, false},
		{"", NULL, false},
		{"x", NULL, false},
		{"\"x", NULL, false},
		{"x\"", NULL, false},
		{"\"a b\"", NULL, false},
		{"\"a\"b\"", NULL, false},
		{"\"a\x7f\"", NULL, false},
		{"\"a\x80\"", NULL, false},
		{"\"a\"x", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_text opaque;
		bool weak;
		int result = etag_parse(text_of(rows[i].text), &weak, &opaque);

		assert_int_equal(result, rows[i].opaque != NULL ? 0 : -1);
		if (result < 0)
			continue;
		assert_int_equal(weak, rows[i].weak);
		assert_true(http_text_equal(opaque, rows[i].opaque));
	}
}

typedef int read_tag(struct http_text opaque, struct etag *tag);
typedef size_t write_tag(const uint8_t *bytes, size_t len, char out[ETAG_TEXT_MAX]);

struct pair {
	const char *text, *bytes; /* bytes NULL: there is no ETag of this text */
};

static void read_and_write(const struct pair *rows, size_t count, read_tag *read, write_tag *write)
{
	for (size_t i = 0; i < count; i++) {
		struct etag tag = {0};
		char text[ETAG_TEXT_MAX];
		size_t len, expected = strlen(rows[i].text);

		assert_int_equal(read(text_of(rows[i].text), &tag), rows[i].bytes != NULL ? 0 : -1);
		if (rows[i].bytes == NULL)
			continue;
		assert_true(hex_equal(rows[i].text, rows[i].bytes, tag.bytes, tag.len));
		len = write(tag.bytes, tag.len, text);
		assert_int_equal(len, expected + 2);
		assert_memory_equal(text + 1, rows[i].text, expected);
		assert_true(text[0] == '"' && text[len - 1] == '"');
	}
}

static void tags_of_devices(void **state)
{
	static const struct pair rows[] = {
		{"00", "00"}, {"0a1b", "0a1b"}, {"3031", "3031"}, {"0123456789abcdef", "0123456789abcdef"},
		{"", NULL}, {"0", NULL}, {"0A", NULL}, {"0g", NULL}, {"g0", NULL}, {"0a1", NULL}, {"0123456789abcdef00", NULL}, {" 0", NULL},
	};

	(void)state;
	covers("C7252-10.2.2-3");
	read_and_write(rows, COUNT(rows), etag_of_device_text, etag_device_text);
}

static void tags_of_origins(void **state)
{
	static const struct pair rows[] = {
		{"x", "78"}, {"00", "3030"}, {"0a1b", "30613162"}, {"v1.2,\\!#", "76312e322c5c2123"}, {"12345678", "3132333435363738"},
		{"0a1b2c3d4e", "0a1b2c3d4e"}, {"616263646500", "616263646500"}, {"0123456789abcdef", "0123456789abcdef"},
		{"20414243444546ff", "20414243444546ff"}, {"4142434422", "4142434422"},
		/* these bytes are the text "ABCDE" */
		{"4142434445", NULL}, {"6161616161616161", NULL},
		{"", NULL}, {"123456789", NULL}, {"0a1b2c3d4E", NULL}, {"0123456789abcdef0", NULL}, {"0123456789abcdef00", NULL},
		{"a quick brown fox", NULL},
	};

	(void)state;
	covers("C7252-10.1.1-3");
	read_and_write(rows, COUNT(rows), etag_of_origin_text, etag_origin_text);
}

/* Every ETag has a text, no two have the same, and reading it gives the ETag back where the text is longer than bytes can say. */
static void bytes_there_and_back(void **state)
{
	uint8_t bytes[ETAG_MAX];
	uint32_t chance = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t len = round % ETAG_MAX + 1, text_len;
		char text[ETAG_TEXT_MAX];
		struct etag tag;

		for (size_t i = 0; i < len; i++) {
			chance = chance * 1664525 + 1013904223;
			bytes[i] = (uint8_t)(round % 3 == 0 ? 0x23 + (chance >> 24) % 0x5c : chance >> 24);
		}
		text_len = etag_device_text(bytes, len, text);
		assert_int_equal(etag_of_device_text((struct http_text){text + 1, text_len - 2}, &tag), 0);
		assert_int_equal(tag.len, len);
		assert_memory_equal(tag.bytes, bytes, len);

		text_len = etag_origin_text(bytes, len, text);
		if (etag_of_origin_text((struct http_text){text + 1, text_len - 2}, &tag) < 0 || text_len - 2 > ETAG_MAX || tag.len != len)
			continue; /* never one that an origin's tag was made into */
		assert_memory_equal(tag.bytes, bytes, len);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_a_tag),
		cmocka_unit_test(tags_of_devices),
		cmocka_unit_test(tags_of_origins),
		cmocka_unit_test(bytes_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
