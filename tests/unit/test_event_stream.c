/* objects: translate/event_stream.o translate/map_media.o translate/content_formats.o translate/http_message.o coap/message.o coap/option.o base/bytes.o */
/* Representations as events: the JSON is read back byte by byte, so that nothing of a device's can end a line or a string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coap/option.h"
#include "translate/event_stream.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct question {
	uint8_t code;
	int format;      /* -1: none */
	const char *etag; /* NULL: none */
	int max_age;
};

static void make(struct msg_view *m, const struct question *q)
{
	static uint8_t bytes[200];
	struct msg_writer w;

	msg_begin(&w, bytes, sizeof bytes, MSG_NON, q->code, 0, NULL, 0);
	if (q->etag != NULL)
		msg_add_option(&w, OPT_ETAG, q->etag, strlen(q->etag));
	if (q->format >= 0)
		msg_add_uint(&w, OPT_CONTENT_FORMAT, (uint32_t)q->format);
	if (q->max_age >= 0)
		msg_add_uint(&w, OPT_MAX_AGE, (uint32_t)q->max_age);
	assert_int_equal(msg_parse_datagram(m, bytes, msg_end(&w)), MSG_OK);
}

static void is_written(const struct writer *w, const char *text)
{
	if (w->failed || writer_length(w) != strlen(text) || memcmp(w->start, text, strlen(text)) != 0)
		fail_msg("%.*s instead of %s", (int)writer_length(w), (const char *)w->start, text);
}

static void whole_events(void **state)
{
	static const struct {
		struct question q;
		const char *name, *id;
		bool as_text;
		const char *content, *event;
	} rows[] = {
		{ { CODE_CONTENT, 50, "\xa1\xb2", 60 }, NULL, "a1b2", true, "{\"t\":21}", "id: a1b2\ndata: {\"code\":\"2.05\",\"content-format\":50,"
			"\"media-type\":\"application/json\",\"etag\":\"a1b2\",\"max-age\":60,\"text\":\"{\\\"t\\\":21}\"}\n\n" },
		{ { CODE_CONTENT, 60, NULL, -1 }, NULL, "", false, "\xa0", "data: {\"code\":\"2.05\",\"content-format\":60,"
			"\"media-type\":\"application/cbor\",\"max-age\":60,\"base64\":\"oA==\"}\n\n" },
		{ { CODE_CONTENT, -1, NULL, 0 }, NULL, "x", false, "", "id: x\ndata: {\"code\":\"2.05\",\"max-age\":0,\"base64\":\"\"}\n\n" },
		{ { CODE_NOT_FOUND, -1, NULL, -1 }, "error", "", true, "gone\r\n\r\nevent: x", "event: error\ndata: {\"code\":\"4.04\","
			"\"text\":\"gone\\u000d\\u000a\\u000d\\u000aevent: x\"}\n\n" },
		{ { CODE_CONTENT, 65000, NULL, -1 }, NULL, "", false, "abc", "data: {\"code\":\"2.05\",\"content-format\":65000,"
			"\"media-type\":\"application/coap-payload;cf=65000\",\"max-age\":60,\"base64\":\"YWJj\"}\n\n" },
		/* quotes of a media type are no end of the string */
		{ { CODE_CONTENT, 18, NULL, -1 }, NULL, "", false, "", "data: {\"code\":\"2.05\",\"content-format\":18,"
			"\"media-type\":\"application/cose;cose-type=\\\"cose-sign1\\\"\",\"max-age\":60,\"base64\":\"\"}\n\n" },
	};
	uint8_t bytes[1000];
	struct msg_view m;
	struct writer w;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const uint8_t *content = (const uint8_t *)rows[i].content;
		size_t len = strlen(rows[i].content);

		make(&m, &rows[i].q);
		writer_init(&w, bytes, sizeof bytes);
		event_write_begin(&w, rows[i].name, rows[i].id, &m, rows[i].as_text);
		assert_true(writer_length(&w) <= EVENT_PROLOGUE_MAX);
		if (rows[i].as_text)
			event_write_text(&w, content, len);
		else
			event_write_base64(&w, content, len);
		event_write_end(&w);
		is_written(&w, rows[i].event);
	}
}

/* Every byte: what is written holds neither an end of a line nor an unescaped quote, and fits into what was said of it. */
static void any_text(void **state)
{
	uint8_t bytes[256 * EVENT_EXPANSION], all[256];
	struct writer w;

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	writer_init(&w, bytes, sizeof bytes);
	event_write_text(&w, all, sizeof all);
	assert_false(w.failed);
	assert_int_equal(event_text_length(all, sizeof all), writer_length(&w));
	for (size_t i = 0; i < writer_length(&w); i++)
		assert_true(bytes[i] >= 0x20 && bytes[i] != 0x7f && (bytes[i] != '"' || bytes[i - 1] == '\\'));
	for (unsigned i = 0; i < 256; i++) {
		uint8_t one = (uint8_t)i;

		writer_init(&w, bytes, EVENT_EXPANSION);
		event_write_text(&w, &one, 1);
		assert_false(w.failed);
	}
	writer_init(&w, bytes, sizeof bytes);
	event_write_text(&w, (const uint8_t *)"a\\\"\x7f\x1f", 5);
	is_written(&w, "a\\\\\\\"\\u007f\\u001f");
}

static void base64(void **state)
{
	static const struct { const char *bytes, *text; } rows[] = { /* RFC 4648 10 */
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbf", "+/+/" },
	};
	uint8_t bytes[64];
	struct writer w;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		writer_init(&w, bytes, sizeof bytes);
		event_write_base64(&w, (const uint8_t *)rows[i].bytes, strlen(rows[i].bytes));
		is_written(&w, rows[i].text);
	}
	/* in pieces of three it is the same */
	writer_init(&w, bytes, sizeof bytes);
	event_write_base64(&w, (const uint8_t *)"foo", 3);
	event_write_base64(&w, (const uint8_t *)"ba", 2);
	is_written(&w, "Zm9vYmE=");
}

static void utf8(void **state)
{
	static const char *const sound[] = { "", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "J\xc3\xb6rg \xe2\x82\xac \xf0\x9f\x98\x80" };
	static const char *const unsound[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2 ", "\xc2\xc2", "\xe0\x9f\xbf", "\xe0\xa0",
		"\xe2\x82",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xfe",
		"abc\xff", "\xf0\x9f\x98", "a\xe2\x28\xa1" };

	(void)state;
	for (size_t i = 0; i < COUNT(sound); i++)
		if (!event_is_utf8((const uint8_t *)sound[i], strlen(sound[i])))
			fail_msg("sound %zu", i);
	for (size_t i = 0; i < COUNT(unsound); i++)
		if (event_is_utf8((const uint8_t *)unsound[i], strlen(unsound[i])))
			fail_msg("unsound %zu", i);
	assert_true(event_is_utf8((const uint8_t *)"a\0b", 3));
	/* cut anywhere within a character it is none */
	for (size_t len = 1; len < 4; len++)
		assert_false(event_is_utf8((const uint8_t *)"\xf0\x9f\x98\x80", len));
}

static void what_is_text(void **state)
{
	static const struct { struct question q; bool text; } rows[] = {
		{ { CODE_CONTENT, 0, NULL, -1 }, true }, { { CODE_CONTENT, 40, NULL, -1 }, true }, { { CODE_CONTENT, 41, NULL, -1 }, true },
		{ { CODE_CONTENT, 50, NULL, -1 }, true }, { { CODE_CONTENT, 110, NULL, -1 }, true }, { { CODE_CONTENT, 42, NULL, -1 }, false },
		{ { CODE_CONTENT, 60, NULL, -1 }, false }, { { CODE_CONTENT, 11050, NULL, -1 }, false } /* JSON, but deflated */,
		{ { CODE_CONTENT, 65000, NULL, -1 }, false }, { { CODE_CONTENT, -1, NULL, -1 }, false }, { { CODE_NOT_FOUND, -1, NULL, -1 }, true },
		{ { CODE_INTERNAL, 60, NULL, -1 }, false }, { { CODE_CONTENT, 0x10000, NULL, -1 }, false },
	};
	struct msg_view m;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		make(&m, &rows[i].q);
		if (event_is_text(&m) != rows[i].text)
			fail_msg("row %zu", i);
	}
}

static void ids(void **state)
{
	char id[EVENT_ID_MAX], other[EVENT_ID_MAX];
	struct msg_view m;

	(void)state;
	make(&m, &(struct question){ CODE_CONTENT, -1, "\x01\xff", -1 });
	event_id(&m, NULL, 0, id);
	assert_string_equal(id, "01ff");
	make(&m, &(struct question){ CODE_CONTENT, -1, "12345678", -1 });
	event_id(&m, NULL, 0, id);
	assert_string_equal(id, "3132333435363738");
	/* none, an empty one and one that is too long: what there is says which it is */
	for (size_t i = 0; i < 3; i++) {
		make(&m, &(struct question){ CODE_CONTENT, -1, i == 0 ? NULL : i == 1 ? "" : "123456789", -1 });
		event_id(&m, (const uint8_t *)"21", 2, id);
		assert_int_equal(id[0], 'h');
		assert_int_equal(strlen(id), 17);
		event_id(&m, (const uint8_t *)"21", 2, other);
		assert_string_equal(id, other);
		event_id(&m, (const uint8_t *)"22", 2, other);
		assert_string_not_equal(id, other);
		event_id(&m, NULL, 0, other);
		assert_string_not_equal(id, other);
	}
}

/* An ETag of a length that is none is not told, and too little room is an error, not half an event that looks whole. */
static void bounds(void **state)
{
	uint8_t bytes[EVENT_PROLOGUE_MAX];
	struct msg_view m;
	struct writer w;

	(void)state;
	make(&m, &(struct question){ CODE_CONTENT, 18, "123456789", -1 });
	writer_init(&w, bytes, sizeof bytes);
	event_write_begin(&w, "error", "h0123456789abcdef", &m, true);
	assert_false(w.failed);
	assert_null(memmem(bytes, writer_length(&w), "etag", 4));
	for (size_t room = 0; room < writer_length(&w); room++) {
		struct writer small;
		uint8_t *exact = malloc(room + 1);

		writer_init(&small, exact, room);
		event_write_begin(&small, "error", "h0123456789abcdef", &m, true);
		assert_true(small.failed);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_events), cmocka_unit_test(any_text), cmocka_unit_test(base64), cmocka_unit_test(utf8),
		cmocka_unit_test(what_is_text), cmocka_unit_test(ids), cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
