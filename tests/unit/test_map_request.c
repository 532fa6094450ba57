/* objects: translate/map_request.o translate/map_request_http.o translate/map_oscore.o translate/map_etag.o translate/map_freshness.o */
/* objects: translate/map_media.o translate/map_method.o translate/content_formats.o translate/http_message.o */
/* objects: coap/uri.o coap/option.o coap/message.o base/endpoint.o base/errors.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/covers.h"
#include "tests/unit/heads.h"
#include "tests/unit/made.h"
#include "translate/map_request.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TYPE "Content-Type: application/oscore\n"

static const struct request_policy plain = {.hop_limit = 16};
static const struct request_policy open = {
	.media = {.loose = true, .coap_payload = true}, .legacy_header = true, .query_is_fetch = true, .hop_limit = 16, .hop_limit_always = true,
	.pseudonym = "gw",
};

static void mapped(const char *head_text, const struct request_policy *policy, struct request_mapping *m)
{
	static struct http_head head;

	head_of(&head, head_text);
	map_request_read(&head, policy, m);
}

/* NULL: no target. What is no URI makes no request. */
static size_t write_request(const struct request_mapping *m, const char *target, uint8_t *bytes, size_t room, enum error *e)
{
	struct uri u;

	*e = ERR_BAD_URI;
	if (target != NULL && uri_parse(&u, target, strlen(target)) != URI_OK)
		return 0;
	return map_request_write(m, target != NULL ? &u : NULL, 0, bytes, room, e);
}

/* The request that a head becomes must have this code and these options. */
static void becomes(const char *head, const struct request_policy *policy, const char *target, uint8_t code, const char *options)
{
	static struct made expected;
	static char text[MADE_TEXT], expected_text[MADE_TEXT];
	static uint8_t bytes[4096];
	static struct msg_view view;
	struct request_mapping m;
	enum error e = ERR_INTERNAL;
	size_t len;

	mapped(head, policy, &m);
	if (m.refused != 0)
		fail_msg("%s: refused with %u, %s", head, m.refused, m.why);
	len = write_request(&m, target, bytes, sizeof bytes, &e);
	assert_int_equal(e, ERR_NONE);
	assert_int_equal(msg_parse_datagram(&view, bytes, len), MSG_OK);
	made_message(&expected, code, options, NULL);
	if (strcmp(made_text(&view, text), made_text(&expected.m, expected_text)) != 0)
		fail_msg("%s: has %s instead of %s", head, text, expected_text);
	assert_int_equal(view.code, code);
	assert_int_equal(view.type, MSG_CON);
	assert_int_equal(view.mid, 0);
	assert_int_equal(view.token_len, 0);
	assert_null(view.payload);
	for (size_t room = 0; room < len; room += len / 7 + 1) {
		assert_int_equal(write_request(&m, target, bytes, room, &e), 0);
		assert_int_equal(e, ERR_TOO_LARGE);
	}
}

struct becoming {
	const char *head;
	uint8_t code;
	const char *options;
};

static void all_become(const struct becoming *rows, size_t count, const struct request_policy *policy, const char *target)
{
	for (size_t i = 0; i < count; i++)
		becomes(rows[i].head, policy, target, rows[i].code, rows[i].options);
}

static void methods(void **state)
{
	static const struct becoming rows[] = {
		{"GET /", CODE_GET, ""},
		{"HEAD /", CODE_GET, ""},
		{"POST /", CODE_POST, ""},
		{"PUT / 3", CODE_PUT, ""},
		{"DELETE /", CODE_DELETE, ""},
		{"PATCH / 3\nContent-Type: application/json-patch+json", CODE_PATCH, "12=33"},
		{"QUERY / 3\nContent-Type: application/json", CODE_FETCH, "12=32"},
		{"GET / 0", CODE_GET, ""},
	};
	static const char *const unknown[] = {"OPTIONS *\n", "TRACE /\n", "CONNECT h:1\n", "get /\n", "BREW /\n", "QUERY / 3\n"};
	struct request_mapping m;
	char head[128];

	(void)state;
	covers("C7252-10.2.1-1");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct request_policy policy = plain;

		policy.query_is_fetch = true;
		snprintf(head, sizeof head, "%s\n", rows[i].head);
		becomes(head, &policy, NULL, rows[i].code, rows[i].options);
		mapped(head, &policy, &m);
		assert_int_equal(m.head_only, strncmp(head, "HEAD", 4) == 0);
	}
	for (size_t i = 0; i < COUNT(unknown); i++) {
		mapped(unknown[i], &plain, &m);
		assert_int_equal(m.refused, 501);
	}
}

static void targets(void **state)
{
	static const struct {
		const char *uri, *options;
	} rows[] = {
		{"coap://s.example.com/light", "3='s.example.com' 11='light' 39='coap'"},
		{"coap://S.Example.com:5683", "3='s.example.com' 39='coap'"},
		{"coap://h:61616/a//b/?x=1&y=%262", "3='h' 7=f0b0 11='a' 11= 11='b' 11= 15='x=1' 15='y=&2' 39='coap'"},
		{"coap://[2001:DB8::1]/light?on", "3='[2001:db8::1]' 11='light' 15='on' 39='coap'"},
		{"coap://192.0.2.1?", "3='192.0.2.1' 15= 39='coap'"},
		{"coaps://h:5683/%2F", "3='h' 7=1633 11='/' 39='coaps'"},
		{"coaps+tcp://h/x/../y", "3='h' 11='y' 39='coaps+tcp'"},
		{"coap+ws://h/.well-known/core", "3='h' 11='.well-known' 11='core' 39='coap+ws'"},
	};
	static const char *const wrong[] = {
		"", "h/path", "http://h/", "https://h/", "coap:///x", "coap://h:0/", "coap://u@h/", "coap://h/#x", "coap://h/%zz", "coap://h/ x",
	};
	struct request_mapping m;
	uint8_t bytes[4096];
	enum error e;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		becomes("GET /\n", &plain, rows[i].uri, CODE_GET, rows[i].options);
	becomes("GET /\n", &plain, NULL, CODE_GET, "");
	becomes("PUT / 1\nContent-Type: application/json\n", &plain, "coap://h/a?b&c", CODE_PUT, "3='h' 11='a' 12=32 15='b' 15='c' 39='coap'");
	mapped("GET /\n", &plain, &m);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_int_equal(write_request(&m, wrong[i], bytes, sizeof bytes, &e), 0);
		assert_int_equal(e, ERR_BAD_URI);
	}
}

/* A URI may have more segments than a message may have options. */
static void too_many_options(void **state)
{
	char uri[URI_MAX + 1] = "coap://h";
	struct request_mapping m;
	uint8_t bytes[4096];
	enum error e;

	(void)state;
	mapped("GET /\n", &plain, &m);
	for (unsigned segments = 1; segments < 200; segments++) {
		struct msg_view view;
		size_t len;

		memcpy(uri + strlen(uri), "/s", 3);
		len = write_request(&m, uri, bytes, sizeof bytes, &e);
		/* Uri-Host and Proxy-Scheme are options as well */
		assert_int_equal(len > 0, segments + 2 <= REQUEST_OPTIONS_MAX);
		if (len > 0)
			assert_int_equal(msg_parse_datagram(&view, bytes, len), MSG_OK);
		else
			assert_int_equal(e, ERR_TOO_LARGE);
	}
}

static void content_formats(void **state)
{
	static const struct becoming rows[] = {
		{"POST / 5\nContent-Type: application/json\n", CODE_POST, "12=32"},
		{"POST / chunked\nContent-Type: application/json\nContent-Encoding: deflate\n", CODE_POST, "12=2b2a"},
		{"PUT / 5\nContent-Type: application/json\nContent-Encoding: identity\n", CODE_PUT, "12=32"},
		{"PUT / 5\nContent-Type: Text/Plain; Charset=\"UTF-8\"\n", CODE_PUT, "12="},
		{"POST / 5\n", CODE_POST, ""},
		{"POST /\nContent-Type: video/mp4\n", CODE_POST, ""},
		{"GET /\nContent-Type: application/json\n", CODE_GET, ""},
	};
	static const struct {
		const char *head;
		unsigned strict, open;
	} refused[] = {
		{"POST / 5\nContent-Type: video/mp4\n", 415, 0},
		{"PUT / 5\nContent-Type: application/json\nContent-Encoding: gzip\n", 415, 415},
		{"PUT / 5\nContent-Type: application/json\nContent-Encoding: deflate, deflate\n", 415, 415},
		{"PUT / 5\nContent-Encoding: deflate\n", 415, 415},
		{"PUT / 5\nContent-Type: application/json\nContent-Type: application/json\n", 415, 415},
		{"PUT / 5\nContent-Type: application/json\nContent-Encoding: deflate\nContent-Encoding: deflate\n", 415, 415},
		{"POST / 5\nContent-Type: application/\n", 415, 415},
		{"POST / 5\nContent-Type: \n", 415, 415},
		{"PATCH / 5\n", 415, 415},
		{"QUERY /\n", 501, 415},
		{"POST / 5\nContent-Type: application/coap-payload;cf=50\n", 415, 0},
		{"POST / 5\nContent-Type: application/coap-payload;cf=70000\n", 415, 400},
		{"POST / 5\nContent-Type: application/coap-payload\n", 415, 400},
		{"POST / 5\nContent-Type: application/coap-payload;cf=10001\n", 415, 415},
		{"GET /\nAccept: application/coap-payload;cf=50\n", 406, 0},
		{"GET / 5\n", 400, 400},
		{"HEAD / chunked\n", 400, 400},
		{"DELETE / 1\n", 400, 400},
	};
	struct request_mapping m;

	(void)state;
	covers("C8075-6.1-1 C8075-6.1-2 C8075-6.2-2 C8075-6.2-3 C8075-6.2-4 S-8");
	all_become(rows, COUNT(rows), &plain, NULL);
	for (size_t i = 0; i < COUNT(refused); i++) {
		mapped(refused[i].head, &plain, &m);
		if (m.refused != refused[i].strict)
			fail_msg("%s: %u", refused[i].head, m.refused);
		mapped(refused[i].head, &open, &m);
		if (m.refused != refused[i].open)
			fail_msg("%s, open: %u", refused[i].head, m.refused);
		assert_int_equal(m.refused != 0, m.why != NULL);
	}
	mapped("POST / 5\nContent-Type: application/coap-payload;cf=50\n", &open, &m);
	assert_int_equal(m.content_format, 50);
}

static void accepts(void **state)
{
	static const struct becoming rows[] = {
		{"GET /\nAccept: */*\n", CODE_GET, ""},
		{"GET /\nAccept: text/html\n", CODE_GET, ""},
		{"GET /\nAccept: text/html;q=0.9, application/cbor;q=0.5\n", CODE_GET, "17=3c"},
		{"GET /\nAccept: application/cbor;q=0.5\nAccept: application/json\n", CODE_GET, "17=32"},
		{"POST / 5\nContent-Type: application/cbor\nAccept: application/json\n", CODE_POST, "12=3c 17=32"},
	};
	struct request_mapping m;
	uint8_t bytes[64];
	struct msg_view view;
	enum error e;
	size_t len;

	(void)state;
	covers("C7252-10.2.2-4 C8075-6.1-3 C8075-6.1-4 C8075-6.1-5");
	all_become(rows, COUNT(rows), &plain, NULL);
	mapped("GET /\nAccept: application/json;q=0.5, application/cbor\n", &plain, &m);
	assert_int_equal(m.accept_count, 2);
	for (size_t i = 0; i < 3; i++) {
		const struct msg_option *o;

		len = map_request_write(&m, NULL, i, bytes, sizeof bytes, &e);
		assert_int_equal(msg_parse_datagram(&view, bytes, len), MSG_OK);
		o = msg_option(&view, 17);
		assert_int_equal(o != NULL, i < 2); /* behind the last one comes none */
		if (o != NULL)
			assert_int_equal(o->value[0], i == 0 ? 60 : 50);
	}
}

static void conditions(void **state)
{
	static const struct becoming rows[] = {
		{"GET /\nIf-None-Match: \"0a1b\"\n", CODE_GET, "4=0a1b"},
		{"GET /\nIf-None-Match: \"01\", W/\"0203\"\nIf-None-Match: \"0405060708090a0b\"\n", CODE_GET, "4=01 4=0203 4=0405060708090a0b"},
		{"GET /\nIf-None-Match: \"\", \"0\", \"0A\", \"xyz\", \"0102030405060708 09\", 01, \"010203040506070809\"\n", CODE_GET, ""},
		{"GET /\nIf-None-Match: *\n", CODE_GET, ""},
		{"PUT / 1\nIf-None-Match: *\n", CODE_PUT, "5="},
		{"PUT / 1\nIf-Match: *\n", CODE_PUT, "1="},
		{"PUT / 1\nIf-Match: \"01\", \"ff\"\n", CODE_PUT, "1=01 1=ff"},
		{"PUT / 1\nIf-Match: \"foreign\", \"ff\", W/\"aa\"\n", CODE_PUT, "1=ff"},
		{"GET /\nIf-Match: \"01\"\nIf-None-Match: \"02\"\n", CODE_GET, "1=01 4=02"},
		{"DELETE /\nIf-Match: \"01\"\n", CODE_DELETE, "1=01"},
		{"GET /\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\nIf-Unmodified-Since: x\nRange: bytes=0-1\n", CODE_GET, ""},
	};
	static const struct {
		const char *head;
		unsigned status;
	} refused[] = {
		{"PUT / 1\nIf-Match: \"foreign\"\n", 412},
		{"PUT / 1\nIf-Match: W/\"01\"\n", 412},
		{"PUT / 1\nIf-Match: \n", 412},
		{"PUT / 1\nIf-Match: 01\n", 400},
		{"PUT / 1\nIf-Match: \"01\", \"02\n", 400},
		{"PUT / 1\nIf-None-Match: \"01\"\n", 501},
		{"DELETE /\nIf-None-Match: \"01\"\n", 501},
	};
	struct request_mapping m;
	char many[1024] = "GET /\nIf-None-Match: \"01\"";

	(void)state;
	covers("C7252-10.2.2-3");
	all_become(rows, COUNT(rows), &plain, NULL);
	for (size_t i = 0; i < COUNT(refused); i++) {
		mapped(refused[i].head, &plain, &m);
		if (m.refused != refused[i].status)
			fail_msg("%s: %u", refused[i].head, m.refused);
	}
	mapped("GET /\nIf-None-Match: \"01\"\n", &plain, &m);
	assert_true(m.conditional);
	mapped("GET /\nIf-None-Match: \"foreign\"\n", &plain, &m);
	assert_false(m.conditional);
	mapped("GET /\nIf-Match: \"01\"\n", &plain, &m);
	assert_false(m.conditional);

	for (unsigned i = 1; i < 2 * REQUEST_TAGS_MAX; i++)
		strcat(many, ", \"01\"");
	strcat(many, "\n");
	mapped(many, &plain, &m);
	assert_int_equal(m.refused, 0);
	assert_int_equal(m.etag_count, REQUEST_TAGS_MAX);
}

static void too_many_tags_to_match(void **state)
{
	struct request_mapping m;
	char many[1024] = "PUT / 1\nIf-Match: \"01\"";

	(void)state;
	for (unsigned i = 2; i <= REQUEST_TAGS_MAX + 1; i++) {
		strcat(many, ", \"01\"");
		many[strlen(many) + 1] = '\0';
		many[strlen(many)] = '\n';
		mapped(many, &plain, &m);
		assert_int_equal(m.refused, i <= REQUEST_TAGS_MAX ? 0 : 400);
		many[strlen(many) - 1] = '\0';
	}
}

static void observing_and_waiting(void **state)
{
	static const struct {
		const char *head;
		bool observe;
		uint32_t wait;
	} rows[] = {
		{"GET /\nAccept: text/event-stream\n", true, 0},
		{"GET /\nAccept: application/json, Text/Event-Stream ;q=0.2\n", true, 0},
		{"GET /\nAccept: text/event-stream;q=0\n", false, 0},
		{"GET /\nAccept: text/*\n", false, 0},
		{"HEAD /\nAccept: text/event-stream\n", false, 0},
		{"POST / 1\nAccept: text/event-stream\n", false, 0},
		{"GET /\nPrefer: wait=10\n", false, 10},
		{"GET /\nPrefer: respond-async, Wait=10;x=1, wait=20\n", false, 10},
		{"GET /\nPrefer: respond-async;wait=5\nPrefer: wait=20\n", false, 20},
		{"GET /\nPrefer: wait=99999999999999999999\n", false, UINT32_MAX},
		{"GET /\nPrefer: wait=-1\n", false, 0},
		{"GET /\nPrefer: wait\n", false, 0},
		{"GET /\nPrefer: wait=\n", false, 0},
	};
	struct request_mapping m;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		mapped(rows[i].head, &plain, &m);
		assert_int_equal(m.refused, 0);
		if (m.observe != rows[i].observe || m.wait != rows[i].wait)
			fail_msg("%s: observe %d, wait %u", rows[i].head, m.observe, m.wait);
	}
	becomes("GET /\nAccept: text/event-stream\n", &plain, NULL, CODE_GET, "6=");
	becomes("GET /\nAccept: text/event-stream, application/json\n", &plain, "coap://h/a?b", CODE_GET,
		"3='h' 6= 11='a' 15='b' 17=32 39='coap'");
}

static void hops(void **state)
{
	static const struct becoming rows[] = {
		{"GET /\nVia: 1.1 other\n", CODE_GET, "16=10"},
		{"GET /\nCDN-Loop: other\n", CODE_GET, "16=10"},
		{"POST / 5\nVia: 1.1 other\nOSCORE: CSU\n" TYPE, CODE_POST, "9=0925 16=10"},
		{"GET /\n", CODE_GET, ""},
	};
	struct request_policy none = plain;
	struct request_mapping m;

	(void)state;
	covers("C8768-5-1");
	all_become(rows, COUNT(rows), &plain, NULL);
	becomes("GET /\n", &open, NULL, CODE_GET, "16=10");
	none.hop_limit = 0;
	becomes("GET /\nVia: 1.1 other\n", &none, NULL, CODE_GET, "");
	mapped("GET /\nVia: 1.1 other, HTTP/1.1 GW (x)\n", &open, &m);
	assert_int_equal(m.refused, 508);
	mapped("GET /\nVia: 1.1 other\nVia: 1.0\t  gw\n", &open, &m);
	assert_int_equal(m.refused, 508);
	mapped("GET /\nVia: 1.1 gww, 1.1 other (gw), gw\n", &open, &m);
	assert_int_equal(m.refused, 0);
	none = open;
	none.pseudonym = "";
	mapped("GET /\nVia: 1.1, 1.1 other, , x\n", &none, &m);
	assert_int_equal(m.refused, 0);
}

static void protected_requests(void **state)
{
	static const struct becoming rows[] = {
		{"POST / 5\nOSCORE: CSU\n" TYPE, CODE_POST, "3='server.url' 9=0925 39='coap'"},
		{"POST / chunked\nOSCORE: AA\n" TYPE, CODE_POST, "3='server.url' 9= 39='coap'"},
		/* what is not protected is lost */
		{"POST / 5\nOSCORE: CSU\n" TYPE "Accept: application/json, text/event-stream\nIf-Match: \"01\"\nIf-None-Match: *\n"
			"Prefer: wait=5\nCookie: a=b\nRange: bytes=0-1\n", CODE_POST, "3='server.url' 9=0925 39='coap'"},
		{"POST / 5\nOSCORE: CSU\n" TYPE "If-Match: \"foreign\"\n", CODE_POST, "3='server.url' 9=0925 39='coap'"},
	};
	struct request_mapping m;

	(void)state;
	covers("C8613-11.3-1 C8613-11.3-2 C8613-11.4-1 C8613-11.5-1 S-8 S-33");
	all_become(rows, COUNT(rows), &plain, "coap://server.url/");
	mapped(rows[2].head, &plain, &m);
	assert_true(m.oscore && m.has_body && !m.observe && !m.conditional);
	assert_int_equal(m.wait, 0);
	becomes("POST / 5\nObject-Security: CSU\n" TYPE, &open, NULL, CODE_POST, "9=0925 16=10");
	mapped("POST / 5\nObject-Security: CSU\n" TYPE, &open, &m);
	assert_true(m.legacy);
	mapped("POST / 5\nObject-Security: CSU\n" TYPE, &plain, &m);
	assert_int_equal(m.refused, 400);
	mapped("GET /\nOSCORE: CSU\n", &plain, &m);
	assert_int_equal(m.refused, 400);
	mapped("POST / 5\nOSCORE: CSU\nContent-Type: text/plain;charset=utf-8\n", &plain, &m);
	assert_int_equal(m.refused, 415);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods),
		cmocka_unit_test(targets),
		cmocka_unit_test(too_many_options),
		cmocka_unit_test(content_formats),
		cmocka_unit_test(accepts),
		cmocka_unit_test(conditions),
		cmocka_unit_test(too_many_tags_to_match),
		cmocka_unit_test(observing_and_waiting),
		cmocka_unit_test(hops),
		cmocka_unit_test(protected_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
