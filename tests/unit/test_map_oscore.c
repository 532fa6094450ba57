/* objects: translate/map_oscore.o translate/http_message.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/data/oscore-option-cases.h"
#include "tests/unit/covers.h"
#include "tests/unit/heads.h"
#include "tests/unit/hex.h"
#include "translate/map_oscore.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* RFC 8613 11.2, 11.3 and C.4 to C.8. */
static const struct {
	const char *option, *text;
} pairs[] = {
	{"", "AA"},
	{"0925", "CSU"},
	{"0914", "CRQ"},
	{"091400", "CRQA"},
	{"0100", "AQA"},
	{"19140837cbf3210017a2d3", "GRQIN8vzIQAXotM"},
	{"0900", "CQA"},
	{"0dffffffffff00", "Df______AA"},
	{"09fbff", "Cfv_"},
	{"0000", "AAA"},
	{"fb", "-w"},
	{"ff", "_w"},
};

static void texts_of_options(void **state)
{
	(void)state;
	covers("C8613-11.2-1 C8613-11.3-1");
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct hex option = hex_parse(pairs[i].option);
		uint8_t decoded[OSCORE_VALUE_MAX];
		char text[OSCORE_HEADER_MAX];
		size_t len = 99;
		int text_len = oscore_header_encode(option.bytes, option.len, text, sizeof text);

		assert_int_equal(text_len, strlen(pairs[i].text));
		assert_memory_equal(text, pairs[i].text, strlen(pairs[i].text));
		assert_int_equal(oscore_header_encode(option.bytes, option.len, text, (size_t)text_len - 1), -1);
		assert_int_equal(oscore_header_decode(text_of(pairs[i].text), decoded, &len), 0);
		assert_true(hex_equal(pairs[i].text, pairs[i].option, decoded, len));
	}
}

static void every_option_there_and_back(void **state)
{
	(void)state;
	covers("S-9");
	for (size_t i = 0; i < COUNT(option_cases); i++) {
		struct hex option = hex_parse(option_cases[i].value);
		uint8_t decoded[OSCORE_VALUE_MAX];
		char text[OSCORE_HEADER_MAX];
		size_t len;
		int text_len = oscore_header_encode(option.bytes, option.len, text, sizeof text);

		/* what an endpoint would refuse passes; only these two have no text */
		if (option.len > OSCORE_VALUE_MAX || strcmp(option_cases[i].value, "00") == 0) {
			assert_int_equal(text_len, -1);
			continue;
		}
		assert_true(text_len >= 2);
		assert_int_equal(oscore_header_decode((struct http_text){text, (size_t)text_len}, decoded, &len), 0);
		assert_true(hex_equal(option_cases[i].name, option_cases[i].value, decoded, len));
	}
	assert_int_equal(oscore_header_encode((const uint8_t *)"", 1, (char[4]){0}, 4), -1);
}

static void texts_that_are_none(void **state)
{
	static const char *const texts[] = {
		"", "A", "AA==", "CSU=", "C+U", "C/U", " C SU", "CSU ", "CSU\t", "CSUAA", "CSV", "CSX", "AB", "AP", "AQ=", "CSU, CSU", "\"CSU\"",
		"CSU;q=1", "C%53U", "CS\xdc", "CS\x80", "CSU\r\n", "CS.", "CS@", "CS[", "CS`", "CS{", "CS:", "CS^",
	};
	char longest[OSCORE_HEADER_MAX + 2];
	uint8_t option[OSCORE_VALUE_MAX];
	size_t len;

	(void)state;
	covers("C8613-11.1-2 S-9");
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_int_equal(oscore_header_decode(text_of(texts[i]), option, &len), -1);
	assert_int_equal(oscore_header_decode((struct http_text){"AA\0A", 4}, option, &len), -1);
	memset(longest, 'a', sizeof longest);
	assert_int_equal(oscore_header_decode((struct http_text){longest, OSCORE_HEADER_MAX}, option, &len), 0);
	assert_int_equal(len, OSCORE_VALUE_MAX);
	for (size_t more = 1; more <= 2; more++)
		assert_int_equal(oscore_header_decode((struct http_text){longest, OSCORE_HEADER_MAX + more}, option, &len), -1);
}

#define TYPE "Content-Type: application/oscore\n"

/* Heads of requests; `status` 0 is protected, 1 plain. */
static const struct {
	const char *head;
	unsigned status;
	bool legacy;
} requests[] = {
	{"POST / 5\nOSCORE: CSU\n" TYPE, 0, false},
	{"POST / 5\noscore: CSU\nContent-Type: Application/OSCORE ; x=y\n", 0, false},
	{"POST / chunked\nOSCORE: CSU\n" TYPE, 0, false},
	{"POST / 5\nOSCORE: AA\n" TYPE "Range: bytes=0-3\nAccept-Encoding: gzip\nExpect: 100-continue\n", 0, false},
	{"POST / 5\nContent-Type: application/json\n", 1, false},
	{"GET /\nAccept: application/oscore\n", 1, false},
	{"GET /\nConnection: keep-alive, close\n", 1, false},
	{"POST / 5\nOSCORE: CSU\nOSCORE: CSU\n" TYPE, 400, false},
	{"POST / 5\nOSCORE: CSU, CSU\n" TYPE, 400, false},
	{"POST / 5\nOSCORE: CSU=\n" TYPE, 400, false},
	{"POST / 5\nOSCORE: \n" TYPE, 400, false},
	{"POST / 5\nOSCORE: CSU\n" TYPE "Connection: OSCORE\n", 400, false},
	{"POST / 5\nOSCORE: CSU\n" TYPE "Connection: close , oscore\n", 400, false},
	{"POST / 5\nConnection: OSCORE\nContent-Type: application/json\n", 400, false},
	{"GET /\nOSCORE: CSU\n" TYPE, 400, false},
	{"GET / 5\nOSCORE: CSU\n" TYPE, 400, false},
	{"PUT / 5\nOSCORE: CSU\n" TYPE, 400, false},
	{"HEAD /\nOSCORE: CSU\n", 400, false},
	{"post / 5\nOSCORE: CSU\n" TYPE, 400, false},
	{"PUT / 5\n" TYPE, 400, false},
	{"POST / 5\nOSCORE: CSU\n", 415, false},
	{"POST / 5\nOSCORE: CSU\nContent-Type: application/cbor\n", 415, false},
	{"POST / 5\nOSCORE: CSU\nContent-Type: application/oscore-x\n", 415, false},
	{"POST / 5\nOSCORE: CSU\n" TYPE TYPE, 415, false},
	{"POST / 5\nOSCORE: CSU\n" TYPE "Content-Type: text/plain\n", 415, false},
	{"POST / 5\n" TYPE, 400, false},
	{"POST / 5\nOSCORE: CSU\n" TYPE "Content-Encoding: gzip\n", 415, false},
	{"POST / 5\nOSCORE: CSU\n" TYPE "Content-Encoding: identity\n", 415, false},
	{"POST / 0\nOSCORE: CSU\n" TYPE, 400, false},
	{"POST /\nOSCORE: CSU\n" TYPE, 400, false},
	/* the name of the drafts */
	{"POST / 5\nObject-Security: CSU\n" TYPE, 0, true},
	{"POST / 5\nOSCORE: CSU\n" TYPE, 0, true},
	{"POST / 5\nOSCORE: CSU\nObject-Security: CSU\n" TYPE, 400, true},
	{"POST / 5\nObject-Security: CSU\n" TYPE "Connection: Object-Security\n", 400, true},
	{"POST / 5\nObject-Security: CSU\n" TYPE, 400, false},
	{"POST / 5\nObject-Security: CSU\nContent-Type: text/plain\n", 1, false},
};

static void check_reading(const char *what, const struct oscore_head *o, unsigned status)
{
	enum oscore_kind kind = status == 0 ? OSCORE_PROTECTED : status == 1 ? OSCORE_PLAIN : OSCORE_HALF;

	if (o->kind != kind || (kind == OSCORE_HALF && o->status != status))
		fail_msg("%s: kind %d, status %u (%s)", what, o->kind, o->status, o->why != NULL ? o->why : "");
	assert_int_equal(o->why != NULL, kind == OSCORE_HALF);
	if (kind != OSCORE_PROTECTED)
		assert_int_equal(o->option_len, 0);
}

static void what_a_request_is(void **state)
{
	(void)state;
	covers("C8613-11.1-1 C8613-11.1-2 C8613-11.1-3 C8613-11.3-3 S-8 S-40");
	for (size_t i = 0; i < COUNT(requests); i++) {
		struct http_head head;
		struct oscore_head o;

		head_of(&head, requests[i].head);
		oscore_read_request(&head, requests[i].legacy, &o);
		check_reading(requests[i].head, &o, requests[i].status);
		if (o.kind == OSCORE_PROTECTED)
			assert_int_equal(o.legacy, strstr(requests[i].head, "Object-Security") != NULL);
	}
}

static const struct {
	const char *head;
	unsigned status;
} responses[] = {
	{"200 5\nOSCORE: AA\n" TYPE, 0},
	{"200 chunked\nOSCORE: AA\n" TYPE, 0},
	{"200\nOSCORE: AA\n" TYPE, 0}, /* up to the end of the connection */
	{"200 5\nContent-Type: text/plain\n", 1},
	{"404 5\nContent-Type: text/plain\n", 1},
	{"204\n", 1},
	{"200 0\nOSCORE: AA\n" TYPE, 502},
	{"200 5\nOSCORE: AA\n", 502},
	{"200 5\nOSCORE: AA\nContent-Type: text/plain\n", 502},
	{"200 5\n" TYPE, 502},
	{"200 5\nOSCORE: AA\n" TYPE "Content-Encoding: gzip\n", 502},
	{"200 5\nOSCORE: AA\n" TYPE "Connection: OSCORE\n", 502},
	{"200 5\nOSCORE: A\n" TYPE, 502},
	{"201 5\nOSCORE: AA\n" TYPE, 502},
	{"202 5\nOSCORE: AA\n" TYPE, 502},
	{"204\nOSCORE: AA\n", 502},
	{"206 5\nOSCORE: AA\n" TYPE, 502},
	{"100\nOSCORE: AA\n", 502},
	{"400 5\nOSCORE: AA\n" TYPE, 502},
	{"500 5\n" TYPE, 502},
};

static void what_a_response_is(void **state)
{
	(void)state;
	covers("C8613-11.1-1 C8613-11.1-3 S-10 S-40");
	for (size_t i = 0; i < COUNT(responses); i++) {
		struct http_head head;
		struct oscore_head o;

		head_of(&head, responses[i].head);
		oscore_read_response(&head, false, &o);
		check_reading(responses[i].head, &o, responses[i].status);
	}
}

static void the_field_as_it_is_written(void **state)
{
	uint8_t bytes[64];
	struct writer w;

	(void)state;
	writer_init(&w, bytes, sizeof bytes);
	oscore_header_write(&w, (const uint8_t *)"\x09\x25", 2, false);
	oscore_header_write(&w, NULL, 0, true);
	assert_false(w.failed);
	assert_int_equal(writer_length(&w), strlen("OSCORE: CSU\r\nObject-Security: AA\r\n"));
	assert_memory_equal(bytes, "OSCORE: CSU\r\nObject-Security: AA\r\n", writer_length(&w));
	oscore_header_write(&w, (const uint8_t *)"", 1, false);
	assert_true(w.failed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_of_options),
		cmocka_unit_test(every_option_there_and_back),
		cmocka_unit_test(texts_that_are_none),
		cmocka_unit_test(what_a_request_is),
		cmocka_unit_test(what_a_response_is),
		cmocka_unit_test(the_field_as_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
