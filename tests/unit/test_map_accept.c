/* objects: translate/map_media.o translate/content_formats.o translate/http_message.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "tests/unit/covers.h"
#include "translate/map_media.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct media_policy strict, loose = {.loose = true}, passing = {.coap_payload = true};

/* A head whose lines are "Name: value", each value in memory of its own size. */
static void head_make(struct http_head *head, const char *lines)
{
	memset(head, 0, sizeof *head);
	while (*lines != '\0') {
		size_t name = strcspn(lines, ":"), len = strcspn(lines, "\n");
		struct http_field *f = &head->fields[head->field_count++];
		size_t value = len - name - 2;
		char *copy = malloc(value + (value == 0));

		assert_non_null(copy);
		memcpy(copy, lines + name + 2, value);
		f->name = (struct http_text){lines, name};
		f->value = (struct http_text){copy, value};
		lines += len + (lines[len] == '\n');
	}
}

static void head_free(struct http_head *head)
{
	for (size_t i = 0; i < head->field_count; i++)
		free((char *)head->fields[i].value.at);
}

/* The formats as one text: "50 60", or "refused". */
static void ask(const char *lines, const struct media_policy *policy, char *text, size_t size)
{
	uint16_t formats[MEDIA_ACCEPT_MAX];
	struct http_head head;
	bool refused;
	size_t count, at = 0;

	head_make(&head, lines);
	count = media_accept(&head, policy, formats, &refused);
	head_free(&head);
	assert_true(count <= MEDIA_ACCEPT_MAX && !(refused && count > 0));
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%u", i > 0 ? " " : "", formats[i]);
	if (refused)
		snprintf(text, size, "refused");
}

struct row {
	const char *lines, *formats;
};

static void check_rows(const struct row *rows, size_t count, const struct media_policy *policy)
{
	for (size_t i = 0; i < count; i++) {
		char text[128];

		ask(rows[i].lines, policy, text, sizeof text);
		if (strcmp(text, rows[i].formats) != 0)
			fail_msg("%s gives \"%s\", not \"%s\"", rows[i].lines, text, rows[i].formats);
	}
}

static void the_most_preferred_comes_first(void **state)
{
	static const struct row rows[] = {
		{"Accept: application/json", "50"},
		{"accept: Application/JSON", "50"},
		{"Accept: application/cbor, application/json", "60 50"},
		{"Accept: application/cbor;q=0.5, application/json", "50 60"},
		{"Accept: application/cbor;q=0.501, application/json;q=0.5, application/xml;q=0.502", "41 60 50"},
		{"Accept: application/cbor;q=0.001, application/json;q=1.000", "50 60"},
		{"Accept: application/cbor ; q=0.5 , , application/json ;Q=0.6", "50 60"},
		{"Accept: application/cbor\nAccept: application/json", "60 50"},
		{"Accept: application/cbor;q=0.1\nHost: h\nAccept: application/json;q=0.2", "50 60"},
		{"Accept: application/json, application/json", "50"},
		/* a range without parameters stands for all forms of its type */
		{"Accept: text/plain", "0"},
		{"Accept: application/cose", "96 16 97 17 98 18"},
		{"Accept: application/yang-data+cbor", "340 341 140"},
		{"Accept: application/cose;cose-type=cose-sign", "98"},
		{"Accept: application/cose;cose-type=\"cose-sign\";q=0.5, application/json;q=0.6", "50 98"},
		{"Accept: text/plain;charset=\"UTF-8\"", "0"},
		/* more specific before less specific, of the same weight */
		{"Accept: application/json, text/plain;charset=utf-8", "0 50"},
		{"Accept: application/json;q=0.9, text/plain;charset=utf-8;q=0.8", "50 0"},
		{"Accept: application/cose, application/cose;cose-type=cose-mac", "97 96 16 17 98 18"},
		{"Accept: application/cose;q=0.5, application/cose;cose-type=cose-mac;q=0.1", "96 16 17 98 18 97"},
	};

	(void)state;
	covers("C7252-10.2.2-4");
	check_rows(rows, COUNT(rows), &strict);
	check_rows(rows, COUNT(rows), &loose);
	check_rows(rows, COUNT(rows), &passing);
}

static void anything_asks_for_nothing(void **state)
{
	static const struct row rows[] = {
		{"Host: h", ""},
		{"Accept: */*", ""},
		{"Accept: */*;q=0.1", ""},
		{"Accept: */*, application/json;q=0.9", ""},
		{"Accept: application/json;q=0.4, */*;q=0.5, application/cbor;q=0.6", "60"},
		{"Accept: application/json, */*", "50"},
		{"Accept: */*, application/json", "50"},
		{"Accept: application/json, text/plain, */*", "50 0"},
		{"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", "41"},
		{"Accept: application/json;q=0, */*", ""},
		{"Accept: application/json;q=0.5, */*;q=0", "50"},
		{"Accept: application/*", ""},
		{"Accept: application/*, application/json;q=0.5", "50"},
		{"Accept: application/cose;cose-type=cose-mac, */*", "97"},
		{"Accept: text/plain;charset=latin1, text/*", ""},
		{"Accept: application/yang-data+cbor;id=sid;q=0.2, application/*;q=0.9, application/Yang-Data+cbor;id=name", "341 140"},
	};

	(void)state;
	covers("C8075-6.1-4");
	check_rows(rows, COUNT(rows), &strict);
	check_rows(rows, COUNT(rows), &loose);
}

static void what_cannot_be_mapped_is_ignored(void **state)
{
	static const struct row rows[] = {
		{"Accept: ", ""},
		{"Accept: , ,", ""},
		{"Accept: text/html", ""},
		{"Accept: text/html, application/json;q=0.1", "50"},
		{"Accept: text/event-stream", ""},
		{"Accept: image/bmp", ""},
		{"Accept: application/soap+xml", ""},
		{"Accept: application/oscore", ""},
		{"Accept: application/oscore, application/json", "50"},
		{"Accept: application/json;charset=utf-8", ""},
		{"Accept: text/plain;charset=utf-8;charset=utf-8", ""},
		{"Accept: text/plain;charset=iso-8859-1", ""},
		{"Accept: application/json;q=0", ""},
		{"Accept: application/json;q=0.000, application/cbor", "60"},
		{"Accept: application/json;q=2, application/cbor;q=0.5", "60"},
		{"Accept: application/json;q=-1", ""},
		{"Accept: application/json;q=", ""},
		{"Accept: application/json;q", ""},
		{"Accept: application/json;charset, application/cbor", "60"},
		{"Accept: application/json;q=0.5;ext", "50"},
		{"Accept: application/json;q=0.5;a=b", "50"},
		{"Accept: application, application/, /json, */json, *, application/ json, application /json, application//json", ""},
		{"Accept: application/json application/cbor", ""},
		{"Accept: application/j*", ""},
		{"Accept: application/json, \"application/cbor, text/css", "50"},
		{"Accept: \x01, application/cbor", "60"},
		{"Accept: application/cose;q=0.5, application/cose;cose-type=cose-mac;q=0, text/*;q=0", "96 16 17 98 18"},
		{"Accepted: application/json", ""},
	};

	(void)state;
	covers("C8075-6.1-3");
	check_rows(rows, COUNT(rows), &strict);
	check_rows(rows, COUNT(rows), &loose);
}

/* A coded body is asked for only by who said that it can be decoded. */
static void codings_are_part_of_a_format(void **state)
{
	static const struct row rows[] = {
		{"Accept: application/json\nAccept-Encoding: deflate", "50 11050"},
		{"Accept: application/json\nAccept-Encoding: gzip, deflate, br, zstd", "50 11050 12050"},
		{"Accept: application/json\nAccept-Encoding: gzip\nAccept-Encoding: zstd", "50 12050"},
		{"Accept: application/json\nAccept-Encoding: *", "50 11050 12050"},
		{"Accept: application/json\nAccept-Encoding: *, deflate;q=0", "50 12050"},
		{"Accept: application/json\nAccept-Encoding: gzip", "50"},
		{"Accept: application/json\nAccept-Encoding: ", "50"},
		{"Accept: application/json\nAccept-Encoding: deflate, identity;q=0.5", "11050 50"},
		{"Accept: application/json\nAccept-Encoding: deflate;q=0.5, zstd", "50 12050 11050"},
		{"Accept: application/json\nAccept-Encoding: Deflate;Q=0.5, identity;q=0", "11050"},
		{"Accept: application/json\nAccept-Encoding: zstd, *;q=0", "12050"},
		{"Accept: application/json\nAccept-Encoding: identity;q=0", ""},
		{"Accept: application/json\nAccept-Encoding: identity;q=0, deflate;q=5", ""},
		{"Accept: application/json\nAccept-Encoding: deflate;q", "50"},
		{"Accept: application/json\nAccept-Encoding: , deflatex, deflate x, (deflate)", "50"},
		{"Accept: application/json, application/cbor\nAccept-Encoding: deflate", "50 60 11050 11060"},
		{"Accept: application/json;q=0.5, application/cbor\nAccept-Encoding: deflate", "60 11060 50 11050"},
		{"Accept: text/plain;charset=utf-8\nAccept-Encoding: zstd", "0 12000"},
		{"Accept-Encoding: deflate", ""},
		{"Accept: */*\nAccept-Encoding: deflate", ""},
	};

	(void)state;
	covers("C8075-6.1-1");
	check_rows(rows, COUNT(rows), &strict);
	check_rows(rows, COUNT(rows), &loose);
}

static void coap_payload_is_asked_for_where_it_passes(void **state)
{
	static const struct row rows[] = {
		{"Accept: application/coap-payload;cf=64998", "64998"},
		{"Accept: application/coap-payload;cf=64998;q=0.5, application/json;q=0.6", "50 64998"},
		{"Accept: application/coap-payload;cf=60", "60"},
		{"Accept: Application/CoAP-Payload;CF=\"60\", application/coap-payload;cf=64998", "60 64998"},
		{"Accept: application/coap-payload;cf=60, application/coap-payload;cf=60, application/cbor", "60"},
		{"Accept: application/coap-payload", ""},
		{"Accept: application/coap-payload;q=0, application/json", "50"},
		{"Accept: application/coap-payload;cf=x;q=0, application/json", "50"},
		{"Accept: application/coap-payload;cf=64998;q=0, */*", ""},
		{"Accept: application/coap-payload;cf=60;q=2", ""},
		{"Accept: application/coap-payload;cf=70000, application/json", "refused"},
		{"Accept: application/coap-payload;cf=", ""}, /* no media range */
		{"Accept: application/json, application/coap-payload;cf=x", "refused"},
		{"Accept: application/json\nAccept: application/coap-payload;cf=10001;q=0.1", "refused"},
		{"Accept: application/coap-payload;cf=60;x=y", "refused"},
	};
	static const struct row refused[] = {
		{"Accept: application/coap-payload", "refused"},
		{"Accept: application/coap-payload;cf=60", "refused"},
		{"Accept: application/json, application/COAP-payload;cf=60;q=0.001", "refused"},
		{"Accept: application/json\nAccept: application/coap-payload", "refused"},
		{"Accept: application/coap-payload;q=0, application/json", "50"},
		{"Accept: application/coap-payload;q=2, application/json", "50"},
		{"Accept: application/*", ""},
	};

	(void)state;
	covers("C8075-6.2-2 C8075-6.2-3 C8075-6.2-4");
	check_rows(rows, COUNT(rows), &passing);
	check_rows(refused, COUNT(refused), &strict);
	check_rows(refused, COUNT(refused), &loose);
}

static void answers_are_held_against_the_ranges(void **state)
{
	static const struct {
		const char *lines;
		uint32_t format;
		bool acceptable;
	} rows[] = {
		{"Host: h", 50, true},
		{"Accept: ", 50, true},
		{"Accept: ,", 50, true},
		{"Accept: nonsense", 50, true},
		{"Accept: application/json", 50, true},
		{"Accept: application/json", 60, false},
		{"Accept: application/json;q=0.001", 50, true},
		{"Accept: application/json;q=0", 50, false},
		{"Accept: */*", 60, true},
		{"Accept: */*;q=0", 60, false},
		{"Accept: */*, application/json;q=0", 50, false},
		{"Accept: */*, application/json;q=0", 60, true},
		{"Accept: application/*", 60, true},
		{"Accept: APPLICATION/*", 60, true},
		{"Accept: application/*", 0, false},
		{"Accept: appl/*", 60, false},
		{"Accept: text/*, text/css;q=0", 20000, false},
		{"Accept: text/*;q=0, text/css", 20000, true},
		{"Accept: text/*;q=0, */*", 0, false},
		{"Accept: text/plain", 0, true},
		{"Accept: text/plain;charset=UTF-8", 0, true},
		{"Accept: text/plain;charset=latin1", 0, false},
		{"Accept: text/plain, text/plain;charset=utf-8;q=0", 0, false},
		{"Accept: text/html\nAccept: application/cbor", 60, true},
		{"Accept: application/json, application/json;q=0", 50, true},
		{"Accept: application/json;q=2, */*", 50, true},
		{"Accept: application/json;q=x", 60, true},
		{"Accept: */json", 60, true},
		{"Accept: */json;q=0, application/json", 50, true},
		/* numbers without a type */
		{"Accept: */*", 64998, true},
		{"Accept: application/*", 64998, true},
		{"Accept: application/json", 64998, false},
		{"Accept: application/coap-payload", 64998, true},
		{"Accept: application/coap-payload;cf=64998", 64998, true},
		{"Accept: application/coap-payload;cf=\"064998\"", 64998, false},
		{"Accept: application/coap-payload;cf=64999", 64998, false},
		{"Accept: application/coap-payload;cf=60", 60, true},
		{"Accept: application/coap-payload", 60, false},
		{"Accept: application/*;q=0, application/coap-payload;cf=64998", 64998, true},
		{"Accept: application/oscore", 10001, false},
		{"Accept: application/oscore", 50, false},
		{"Accept: application/json", UINT32_MAX, false},
		{"Accept: */*", UINT32_MAX, true},
		/* codings */
		{"Host: h", 11050, true},
		{"Accept: application/json", 11050, true},
		{"Accept-Encoding: deflate", 11050, true},
		{"Accept-Encoding: deflate;q=0", 11050, false},
		{"Accept-Encoding: gzip", 11050, false},
		{"Accept-Encoding: ", 11050, false},
		{"Accept-Encoding: *", 11050, true},
		{"Accept-Encoding: *;q=0", 11050, false},
		{"Accept-Encoding: *;q=0, deflate", 11050, true},
		{"Accept-Encoding: gzip", 50, true},
		{"Accept-Encoding: identity;q=0", 50, false},
		{"Accept-Encoding: *;q=0", 50, false},
		{"Accept-Encoding: *;q=0, identity", 50, true},
		{"Accept: application/json\nAccept-Encoding: zstd", 12050, true},
		{"Accept: application/xml\nAccept-Encoding: zstd", 12050, false},
	};

	(void)state;
	covers("C7252-10.2.2-4");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_head head;

		head_make(&head, rows[i].lines);
		if (media_is_acceptable(&head, rows[i].format) != rows[i].acceptable)
			fail_msg("%s and %u", rows[i].lines, rows[i].format);
		head_free(&head);
	}
}

static void repeat(struct writer *w, const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		writer_bytes(w, text, strlen(text));
}

/* Bounded in what is looked at and in what comes out. */
static void long_lists_are_cut(void **state)
{
	static char lines[8192];
	char text[256];
	struct http_head head;
	struct writer w;

	(void)state;
	writer_init(&w, (uint8_t *)lines, sizeof lines);
	repeat(&w, "Accept: application/senml+json, application/senml+cbor, application/senml+xml, application/cose, "
		"application/yang-data+cbor, application/eat+cwt, application/aif+cbor, application/json;q=0.9, application/cbor;q=0.8, image/png;q=0.95", 1);
	writer_u8(&w, '\0');
	ask(lines, &strict, text, sizeof text);
	assert_string_equal(text, "110 112 310 96 16 97 17 98 18 340 341 140 263 10004 10003 10005");

	/* A better one pushes the worst out, also from the last place. */
	writer_init(&w, (uint8_t *)lines, sizeof lines);
	repeat(&w, "Accept: application/cose;q=0.3, application/yang-data+cbor;q=0.2, application/eat+cwt;q=0.2,"
		"application/aif+cbor;q=0.1, application/json, application/cbor;q=0.15, text/css;q=0.11, text/plain;q=0.5", 1);
	writer_u8(&w, '\0');
	ask(lines, &strict, text, sizeof text);
	assert_string_equal(text, "50 0 96 16 97 17 98 18 340 341 140 263 10004 10003 10005 60");

	/* The 33rd element is not looked at: what may stand there is not held against an answer. */
	for (size_t before = 31; before <= 33; before++) {
		writer_init(&w, (uint8_t *)lines, sizeof lines);
		repeat(&w, "Accept: ", 1);
		repeat(&w, "nonsense,", 100);
		repeat(&w, "a/b,", before);
		repeat(&w, "application/json;q=0.5", 1);
		writer_u8(&w, '\0');
		assert_false(w.failed);
		ask(lines, &strict, text, sizeof text);
		assert_string_equal(text, before < 32 ? "50" : "");
		head_make(&head, lines);
		assert_true(media_is_acceptable(&head, 50));
		assert_int_equal(media_is_acceptable(&head, 60), before >= 32);
		head_free(&head);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_preferred_comes_first),
		cmocka_unit_test(anything_asks_for_nothing),
		cmocka_unit_test(what_cannot_be_mapped_is_ignored),
		cmocka_unit_test(codings_are_part_of_a_format),
		cmocka_unit_test(coap_payload_is_asked_for_where_it_passes),
		cmocka_unit_test(answers_are_held_against_the_ranges),
		cmocka_unit_test(long_lists_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
