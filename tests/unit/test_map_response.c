/* objects: translate/map_response.o translate/map_response_http.o translate/map_oscore.o translate/map_etag.o translate/map_freshness.o */
/* objects: translate/map_media.o translate/map_status.o translate/content_formats.o translate/http_message.o */
/* objects: coap/uri.o coap/option.o coap/message.o base/endpoint.o base/errors.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/covers.h"
#include "tests/unit/made.h"
#include "translate/map_response.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CODE(class, detail) MSG_CODE(class, detail)

enum { CONDITIONAL = 1, OSCORE = 2, LEGACY = 4, IDENTIFIED = 8, ALLOW = 16, DATE = 32, SLOW = 64, BLAME = 128, PARENT = 256, AGED = 512 };

struct answering {
	uint8_t code;
	const char *options, *payload;
	unsigned flags;
	unsigned status;    /* 0: nothing can be told */
	const char *fields; /* behind the status line */
};

/* coap://host/x is hosted as /hc/host/x; what begins with /no is not. */
static int locate(void *arg, const char *uri, size_t len, char *out, size_t room)
{
	(void)arg;
	if (strstr(uri, "/no") != NULL)
		return -1;
	assert_int_equal(strlen(uri), len);
	return snprintf(out, room, "/hc/%s", uri + strlen("coap://"));
}

static const char *answer(const struct answering *a, unsigned *status)
{
	static struct made response;
	static uint8_t bytes[4096];
	struct uri target;
	struct response_question q = {
		.about = {.conditional = a->flags & CONDITIONAL, .slow_sender = a->flags & SLOW, .blame_request = a->flags & BLAME,
			.behind_parent = a->flags & PARENT},
		.oscore = a->flags & OSCORE, .legacy = a->flags & LEGACY, .identified = a->flags & IDENTIFIED, .age = a->flags & AGED ? 20 : 0,
		.allow = a->flags & ALLOW ? "GET, PUT" : NULL, .date = a->flags & DATE ? "Sun, 06 Nov 1994 08:49:37 GMT" : NULL,
		.target = &target, .locate = locate,
	};
	struct writer w;

	assert_int_equal(uri_parse(&target, "coap://dev:61616/old?x", 22), URI_OK);
	made_message(&response, a->code, a->options, a->payload);
	writer_init(&w, bytes, sizeof bytes - 1);
	*status = map_response_write_http(&w, &response.m, &q);
	assert_false(w.failed);
	*w.at = '\0';
	return (const char *)bytes;
}

static void all_answer(const struct answering *rows, size_t count)
{
	char expected[1024];

	for (size_t i = 0; i < count; i++) {
		unsigned status;
		const char *head = answer(&rows[i], &status);

		if (status != rows[i].status)
			fail_msg("%u.%02u %s: %u", rows[i].code >> 5, rows[i].code & 31u, rows[i].options, status);
		if (status == 0)
			continue;
		snprintf(expected, sizeof expected, "HTTP/1.1 %u %s\r\n%s", status,
			rows[i].code == CODE_METHOD_NOT_ALLOWED && status == 400 ? "CoAP server returned 4.05" : http_reason(status), rows[i].fields);
		assert_string_equal(head, expected);
	}
}

#define VARY "Vary: Accept, Accept-Encoding\r\n"
#define KEPT(seconds) "Cache-Control: max-age=" seconds "\r\n" VARY
#define FRESH KEPT("60")
#define LOST "Cache-Control: no-store\r\n"
#define TEXT "Content-Type: text/plain;charset=utf-8\r\n"

static void statuses(void **state)
{
	static const struct answering rows[] = {
		{CODE(2, 1), "", NULL, 0, 201, LOST},
		{CODE(2, 1), "12=32", "{}", 0, 201, "Content-Type: application/json\r\n" LOST},
		{CODE(2, 2), "", NULL, 0, 204, LOST},
		{CODE(2, 2), "12=", "gone", 0, 200, TEXT LOST},
		{CODE(2, 3), "4=0a", NULL, CONDITIONAL, 304, "ETag: \"0a\"\r\n" FRESH},
		{CODE(2, 4), "", NULL, 0, 204, LOST},
		{CODE(2, 4), "12=", "done", 0, 200, TEXT LOST},
		{CODE(2, 5), "", NULL, 0, 200, FRESH},
		{CODE(2, 5), "12=", "text", 0, 200, TEXT FRESH},
		{CODE(2, 9), "", NULL, 0, 204, LOST},
		{CODE(2, 9), "", "text", 0, 200, LOST},
		{CODE(2, 31), "", NULL, 0, 0, NULL},
		{CODE(4, 0), "", NULL, 0, 400, FRESH},
		{CODE(4, 1), "", NULL, 0, 403, FRESH},
		{CODE(4, 2), "", NULL, 0, 500, LOST},
		{CODE(4, 2), "", NULL, BLAME, 400, LOST},
		{CODE(4, 3), "", NULL, 0, 403, FRESH},
		{CODE(4, 4), "", "no such", 0, 404, TEXT FRESH},
		{CODE(4, 5), "", NULL, 0, 400, FRESH},
		{CODE(4, 5), "", NULL, ALLOW, 405, FRESH "Allow: GET, PUT\r\n"},
		{CODE(4, 6), "", NULL, ALLOW, 406, FRESH},
		{CODE(4, 8), "", NULL, 0, 0, NULL},
		{CODE(4, 8), "", NULL, SLOW, 408, LOST},
		{CODE(4, 9), "", NULL, 0, 409, FRESH},
		{CODE(4, 12), "", NULL, 0, 412, LOST},
		{CODE(4, 13), "", NULL, 0, 413, FRESH},
		{CODE(4, 15), "", NULL, 0, 415, FRESH},
		{CODE(4, 22), "", NULL, 0, 422, FRESH},
		{CODE(4, 30), "", NULL, 0, 400, FRESH},
		{CODE(5, 0), "", NULL, 0, 500, FRESH},
		{CODE(5, 1), "", NULL, 0, 501, FRESH},
		{CODE(5, 2), "", NULL, 0, 502, FRESH},
		{CODE(5, 3), "", NULL, 0, 503, FRESH},
		{CODE(5, 4), "", NULL, 0, 504, FRESH},
		{CODE(5, 5), "", NULL, PARENT, 502, FRESH},
		{CODE(5, 8), "", "gw", 0, 508, TEXT LOST},
		{CODE(5, 31), "", NULL, 0, 500, FRESH},
		{CODE(6, 0), "", NULL, 0, 0, NULL},
		{CODE(3, 0), "", NULL, 0, 0, NULL},
	};

	(void)state;
	covers("C8075-7-1 C8075-7-n1 C8075-7-n2 C8075-7-n5 C8075-7-n6 C8075-7-n7 C8075-7-n10 S-27");
	all_answer(rows, COUNT(rows));
}

static void formats(void **state)
{
	static const struct answering rows[] = {
		{CODE_CONTENT, "12=2b2a", "x", 0, 200, "Content-Type: application/json\r\nContent-Encoding: deflate\r\n" FRESH},
		{CODE_CONTENT, "12=fde6", "x", 0, 200, "Content-Type: application/coap-payload;cf=64998\r\n" FRESH},
		/* no type was given, and it is nobody's to invent one */
		{CODE_CONTENT, "", "x", 0, 200, FRESH},
		{CODE_CREATED, "", "x", 0, 201, LOST},
		{CODE_NOT_FOUND, "12=0101", "x", 0, 404, "Content-Type: application/concise-problem-details+cbor\r\n" FRESH},
		{CODE_NOT_FOUND, "12=fde6", "x", 0, 404, "Content-Type: application/coap-payload;cf=64998\r\n" FRESH},
		/* never in CoAP */
		{CODE_CONTENT, "12=2711", "x", 0, 0, NULL},
		{CODE_NOT_FOUND, "12=2711", "x", 0, 0, NULL},
		/* no content, no type */
		{CODE_CHANGED, "12=32", NULL, 0, 204, LOST},
		{CODE_VALID, "4=0a 12=32", NULL, CONDITIONAL, 304, "ETag: \"0a\"\r\n" FRESH},
	};

	(void)state;
	covers("C7252-10.2.2-1 C8075-6.1-1 C8075-6.2-1 C8075-6.6-1");
	all_answer(rows, COUNT(rows));
}

static void diagnostics_stay_out_of_the_head(void **state)
{
	static const struct answering split = {CODE_NOT_FOUND, "", "no\r\nSet-Cookie: a=b\r\n\r\n", 0, 404, ""};
	static const struct answering no_method = {CODE_METHOD_NOT_ALLOWED, "", "no\r\nX: y", 0, 400, ""};
	unsigned status;
	const char *head;

	(void)state;
	covers("C8075-6.6-2");
	head = answer(&split, &status);
	assert_int_equal(status, 404);
	assert_string_equal(head, "HTTP/1.1 404 Not Found\r\n" TEXT FRESH);
	head = answer(&no_method, &status);
	assert_string_equal(head, "HTTP/1.1 400 CoAP server returned 4.05\r\n" TEXT FRESH);
}

static void validation(void **state)
{
	static const struct answering rows[] = {
		{CODE_CONTENT, "4=0a1b", "x", 0, 200, "ETag: \"0a1b\"\r\n" FRESH},
		{CODE_CONTENT, "4=616263 4=ff", "x", 0, 200, "ETag: \"616263\"\r\n" FRESH},
		{CODE_CHANGED, "4=0001020304050607", NULL, 0, 204, "ETag: \"0001020304050607\"\r\n" LOST},
		{CODE_NOT_FOUND, "4=0a", NULL, 0, 404, FRESH},
		{CODE_CONTENT, "4=000102030405060708", "x", 0, 200, FRESH},
		{CODE_VALID, "4=0a 14=07", NULL, CONDITIONAL | DATE, 304, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"0a\"\r\n" KEPT("7")},
		{CODE_VALID, "", NULL, CONDITIONAL, 0, NULL},
		{CODE_VALID, "4=0a", NULL, 0, 0, NULL},
	};

	(void)state;
	covers("C7252-10.2.2-3 C8075-7-n3");
	all_answer(rows, COUNT(rows));
}

static void freshness(void **state)
{
	static const struct answering rows[] = {
		{CODE_CONTENT, "", NULL, 0, 200, KEPT("60")},
		{CODE_CONTENT, "", NULL, AGED, 200, KEPT("40")},
		{CODE_CONTENT, "14=", NULL, 0, 200, KEPT("0")},
		{CODE_CONTENT, "14=10", NULL, AGED, 200, KEPT("0")},
		{CODE_CONTENT, "14=ffffffff", NULL, 0, 200, KEPT("4294967295")},
		{CODE_CONTENT, "14=0a", NULL, IDENTIFIED, 200, "Cache-Control: private, max-age=10\r\n" VARY},
		{CODE_NOT_FOUND, "14=0a", NULL, 0, 404, KEPT("10")},
		{CODE_CHANGED, "14=0a", NULL, 0, 204, LOST},
		/* whatever answers an OSCORE request */
		{CODE_UNAUTHORIZED, "14=", "Replay", OSCORE, 403, TEXT LOST},
		{CODE_UNAUTHORIZED, "14=3c", NULL, OSCORE, 403, LOST},
		{CODE_CONTENT, "14=3c", "x", OSCORE, 200, LOST},
		/* when to come again */
		{CODE_UNAVAILABLE, "14=07", NULL, 0, 503, KEPT("7") "Retry-After: 7\r\n"},
		{CODE_UNAVAILABLE, "14=28", NULL, AGED, 503, KEPT("20") "Retry-After: 20\r\n"},
		{CODE_UNAVAILABLE, "14=07", NULL, OSCORE, 503, LOST "Retry-After: 7\r\n"},
		{CODE_UNAVAILABLE, "", NULL, 0, 503, FRESH},
		{CODE_TOO_MANY, "14=07", NULL, 0, 429, LOST "Retry-After: 7\r\n"},
		{CODE_TOO_MANY, "", NULL, 0, 429, LOST "Retry-After: 60\r\n"},
		{CODE_UNAUTHORIZED, "252=01", NULL, 0, 503, LOST "Retry-After: 0\r\n"},
	};

	(void)state;
	covers("C7252-10.2.2-2 C8075-7-n8 S-11 S-29 S-32");
	all_answer(rows, COUNT(rows));
}

static void locations(void **state)
{
	static const struct answering rows[] = {
		{CODE_CREATED, "8='a' 8='b/c' 20='x=1' 20='y&z'", NULL, 0, 201, LOST "Location: /hc/dev:61616/a/b%2Fc?x=1&y%26z\r\n"},
		{CODE_CREATED, "20='x'", NULL, 0, 201, LOST "Location: /hc/dev:61616/?x\r\n"},
		{CODE_CREATED, "8=0d0a 8=", NULL, 0, 201, LOST "Location: /hc/dev:61616/%0D%0A/\r\n"},
		{CODE_CREATED, "8='no'", NULL, 0, 201, LOST},
		{CODE_CREATED, "8='a' 8='..'", NULL, 0, 201, LOST},
		{CODE_CREATED, "8='a' 128='b'", NULL, 0, 201, LOST},
		{CODE_CHANGED, "8='a'", NULL, 0, 204, LOST},
	};

	(void)state;
	covers("C7252-10.2.4-1 C7252-10.2.5-1 C7252-10.2.6-1");
	all_answer(rows, COUNT(rows));
}

#define PROTECTED "Content-Type: application/oscore\r\n" LOST

static void protected_answers(void **state)
{
	static const struct answering rows[] = {
		{CODE_CHANGED, "9=", "cipher", OSCORE, 200, "OSCORE: AA\r\n" PROTECTED},
		{CODE_CONTENT, "6=01 9=0107", "cipher", OSCORE, 200, "OSCORE: AQc\r\n" PROTECTED},
		{CODE_CHANGED, "9=0100", "cipher", OSCORE | LEGACY, 200, "Object-Security: AQA\r\n" PROTECTED},
		{CODE_CHANGED, "4=0a 8='a' 9= 12=32 14=07", "cipher", OSCORE | DATE, 200,
			"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nOSCORE: AA\r\n" PROTECTED},
		{CODE_CHANGED, "9=", NULL, OSCORE, 0, NULL},
		{CODE_CHANGED, "9=", "cipher", 0, 0, NULL},
		{CODE_CHANGED, "9=00", "cipher", OSCORE, 0, NULL},
		{CODE_CHANGED, "9= 9=", "cipher", OSCORE, 0, NULL},
		{CODE_CREATED, "9=", "cipher", OSCORE, 0, NULL},
		{CODE_NOT_FOUND, "9=", "cipher", OSCORE, 0, NULL},
		/* the errors that are not protected */
		{CODE_UNAUTHORIZED, "", "Security context not found", OSCORE, 403, TEXT LOST},
		{CODE_BAD_OPTION, "14=", "Failed to decode COSE", OSCORE, 500, TEXT LOST},
		{CODE_BAD_REQUEST, "14=", "Decryption failed", OSCORE, 400, TEXT LOST},
		/* critical, and not understood */
		{CODE_CHANGED, "9= 2049=01", "cipher", OSCORE, 0, NULL},
		{CODE_CONTENT, "65001=01", "x", 0, 0, NULL},
		{CODE_CONTENT, "65000=01", "x", 0, 200, FRESH},
	};

	(void)state;
	covers("C8613-11.3-2 C8613-11.5-1 C8613-11-7 C8613-11.1-1 S-9 S-10");
	all_answer(rows, COUNT(rows));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(formats),
		cmocka_unit_test(diagnostics_stay_out_of_the_head),
		cmocka_unit_test(validation),
		cmocka_unit_test(freshness),
		cmocka_unit_test(locations),
		cmocka_unit_test(protected_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
