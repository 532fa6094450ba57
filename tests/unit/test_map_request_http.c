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

enum { BODY = 1, QUERY = 2, LEGACY = 4, NO_VIA = 8 };

struct sending {
	uint8_t code;
	const char *options;
	unsigned flags;
	const char *head; /* NULL: refused with `error` */
	enum error error;
};

static void sends(const struct sending *s, const char *target)
{
	static struct made request;
	static uint8_t bytes[4096];
	struct uri uri;
	struct http_target t = {
		.uri = &uri, .has_body = s->flags & BODY, .query_is_fetch = s->flags & QUERY, .legacy_header = s->flags & LEGACY,
		.pseudonym = s->flags & NO_VIA ? NULL : "gw",
	};
	struct writer w;
	enum error e;

	assert_int_equal(uri_parse(&uri, target, strlen(target)), URI_OK);
	made_message(&request, s->code, s->options, NULL);
	writer_init(&w, bytes, sizeof bytes - 1);
	e = map_request_write_http(&w, &request.m, &t);
	if (e != (s->head == NULL ? s->error : ERR_NONE))
		fail_msg("%u %s: %s", s->code, s->options, error_row(e)->name);
	if (s->head == NULL)
		return;
	assert_false(w.failed);
	*w.at = '\0';
	assert_string_equal((const char *)bytes, s->head);
	writer_init(&w, bytes, strlen(s->head) - 1);
	assert_int_equal(map_request_write_http(&w, &request.m, &t), ERR_NONE);
	assert_true(w.failed);
}

static void all_send(const struct sending *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sends(&rows[i], "http://origin.example/a%2Fb?c");
}

#define HOST " /a%2Fb?c HTTP/1.1\r\nHost: origin.example\r\n"
#define PLAIN "Accept-Encoding: identity\r\n"

static void methods_to_http(void **state)
{
	static const struct sending rows[] = {
		{CODE_GET, "", 0, "GET" HOST PLAIN, 0},
		{CODE_POST, "", 0, "POST" HOST PLAIN, 0},
		{CODE_PUT, "12=32", BODY, "PUT" HOST "Content-Type: application/json\r\n" PLAIN, 0},
		{CODE_DELETE, "", 0, "DELETE" HOST PLAIN, 0},
		{CODE_PATCH, "12=33", BODY, "PATCH" HOST "Content-Type: application/json-patch+json\r\n" PLAIN, 0},
		{CODE_IPATCH, "12=33", BODY, "PATCH" HOST "Content-Type: application/json-patch+json\r\n" PLAIN, 0},
		{CODE_FETCH, "12=32", BODY | QUERY, "QUERY" HOST "Content-Type: application/json\r\n" PLAIN, 0},
		{CODE_FETCH, "12=32", BODY, NULL, ERR_METHOD},
		{31, "", 0, NULL, ERR_METHOD},
		/* without a body, or with one that means nothing, there is no type either */
		{CODE_POST, "12=32", 0, "POST" HOST PLAIN, 0},
		{CODE_GET, "12=32", BODY, "GET" HOST PLAIN, 0},
	};

	(void)state;
	all_send(rows, COUNT(rows));
}

static void targets_in_http(void **state)
{
	static const struct {
		const char *uri, *target, *host;
	} rows[] = {
		{"http://h", "/", "h"},
		{"http://h?x", "/?x", "h"},
		{"http://h:80/", "/", "h"},
		{"http://h:8080/a//b/?", "/a//b/?", "h:8080"},
		{"https://h:443/x?y=1&z", "/x?y=1&z", "h"},
		{"https://h:80/", "/", "h:80"},
		{"http://[2001:db8::1]:8080/x", "/x", "[2001:db8::1]:8080"},
		{"http://192.0.2.1/", "/", "192.0.2.1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char head[256];
		struct sending s = {CODE_GET, "", 0, head, 0};

		snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: %s\r\n" PLAIN, rows[i].target, rows[i].host);
		sends(&s, rows[i].uri);
	}
}

static void options_to_fields(void **state)
{
	static const struct sending rows[] = {
		{CODE_GET, "4=0a 4=7879 17=32", 0, "GET" HOST "Accept: application/json\r\n" PLAIN "If-None-Match: \"0a\", \"xy\"\r\n", 0},
		{CODE_GET, "17=2b2a", 0, "GET" HOST "Accept: application/json\r\nAccept-Encoding: deflate\r\n", 0},
		{CODE_PUT, "1= 12=2b2a", BODY,
			"PUT" HOST "Content-Type: application/json\r\nContent-Encoding: deflate\r\n" PLAIN "If-Match: *\r\n", 0},
		{CODE_PUT, "1=01 1=616263 12=fde8", BODY,
			"PUT" HOST "Content-Type: application/coap-payload;cf=65000\r\n" PLAIN "If-Match: \"01\", \"abc\"\r\n", 0},
		{CODE_PUT, "1=01 1= 5=", BODY, "PUT" HOST PLAIN "If-Match: *\r\nIf-None-Match: *\r\n", 0},
		/* ends here */
		{CODE_GET, "6= 23=02 28= 252=01 258=1a 292=01", 0, "GET" HOST PLAIN, 0},
		/* elective and unknown */
		{CODE_GET, "65000=01", 0, "GET" HOST PLAIN, 0},
		{CODE_GET, "16=05", 0, "GET" HOST PLAIN "Via: CoAP/1 gw\r\n", 0},
		{CODE_GET, "16=05", NO_VIA, "GET" HOST PLAIN, 0},
		/* critical, and there is nobody to relay it to */
		{CODE_GET, "21=", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "2049=01", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "13=01", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "17=32 17=33", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "17=010000", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "5=", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "17=2711", 0, NULL, ERR_BAD_OPTION},
		{CODE_POST, "12=2711", BODY, NULL, ERR_BAD_OPTION},
		/* "a/../b", "../b", "a/..", "..\\b", "..;x", "..;x/b", "a/..;/b": up and out at some servers; protected or not */
		{CODE_GET, "11=612f2e2e2f62", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "11=2e2e2f62", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "11=61 11=612f2e2e", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "11=2e2e5c62", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "11=2e2e3b78", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "11=2e2e3b782f62", 0, NULL, ERR_BAD_OPTION},
		{CODE_GET, "11=612f2e2e3b2f62", 0, NULL, ERR_BAD_OPTION},
		{CODE_POST, "9=0925 11=612f2e2e2f62", BODY, NULL, ERR_BAD_OPTION},
		/* "..a", "a..", "a/...", "a;..", "/": nothing of the kind */
		{CODE_GET, "11=2e2e61 11=612e2e 11=612f2e2e2e 11=613b2e2e 11=2f 11=", 0, "GET" HOST PLAIN, 0},
	};

	(void)state;
	covers("C8768-5-2");
	all_send(rows, COUNT(rows));
}

#define SAFE "Content-Type: application/oscore\r\nCache-Control: no-store\r\n" PLAIN

static void protected_to_http(void **state)
{
	static const struct sending rows[] = {
		{CODE_POST, "9=0925", BODY, "POST" HOST "OSCORE: CSU\r\n" SAFE, 0},
		{CODE_POST, "9=", BODY, "POST" HOST "OSCORE: AA\r\n" SAFE, 0},
		{CODE_POST, "9=0925", BODY | LEGACY, "POST" HOST "Object-Security: CSU\r\n" SAFE, 0},
		{CODE_POST, "9=0925 16=05", BODY, "POST" HOST "OSCORE: CSU\r\n" SAFE "Via: CoAP/1 gw\r\n", 0},
		{CODE_FETCH, "6= 9=0925", BODY, "POST" HOST "OSCORE: CSU\r\n" SAFE, 0},
		/* whatever else stands outside */
		{CODE_POST, "1=01 4=02 5= 9=0925 12=32 17=2711 252=01", BODY, "POST" HOST "OSCORE: CSU\r\n" SAFE, 0},
		{CODE_POST, "9=00", BODY, NULL, ERR_BAD_OPTION},
		{CODE_POST, "9=0925 9=0925", BODY, NULL, ERR_BAD_OPTION},
		{CODE_POST, "9=0925 21=", BODY, NULL, ERR_BAD_OPTION},
		{CODE_POST, "9=0925", 0, NULL, ERR_BAD_REQUEST},
		{CODE_GET, "9=0925", BODY, NULL, ERR_BAD_REQUEST},
		{CODE_PUT, "9=0925", BODY, NULL, ERR_BAD_REQUEST},
	};

	(void)state;
	covers("C8613-11.2-1 C8613-11.2-2 C8613-11.1-1 C8613-11.6-1 S-9 S-25");
	all_send(rows, COUNT(rows));
}

/* What one direction wrote the other one reads back. */
static void there_and_back(void **state)
{
	static const struct {
		uint8_t code;
		const char *options;
		unsigned flags;
	} rows[] = {
		{CODE_POST, "9=19140837cbf3210017a2d3", BODY},
		{CODE_POST, "12=32 17=3c", BODY},
		{CODE_PUT, "5= 12=2b2a", BODY},
		{CODE_PUT, "1= 12=fde8", BODY},
		{CODE_FETCH, "12=32", BODY | QUERY},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		static struct made request;
		static uint8_t bytes[1024];
		static char head[1024];
		struct uri uri;
		struct http_target t = {.uri = &uri, .has_body = true, .query_is_fetch = true};
		struct request_policy policy = {.media = {.coap_payload = true}, .query_is_fetch = true};
		static struct http_head parsed;
		static uint8_t written[1024];
		struct request_mapping m;
		enum error e;
		size_t len;
		struct writer w;
		char *at = head;

		assert_int_equal(uri_parse(&uri, "http://h/", 9), URI_OK);
		made_message(&request, rows[i].code, rows[i].options, NULL);
		writer_init(&w, bytes, sizeof bytes);
		assert_int_equal(map_request_write_http(&w, &request.m, &t), ERR_NONE);
		assert_false(w.failed);
		for (const uint8_t *from = bytes; from < w.at; from++)
			if (*from != '\r')
				*at++ = (char)*from;
		*at = '\0';
		at = strstr(head, " HTTP/1.1");
		memcpy(at, " chunked ", 9);
		head_of(&parsed, head);
		map_request_read(&parsed, &policy, &m);
		assert_int_equal(m.refused, 0);
		len = map_request_write(&m, NULL, 0, written, sizeof written, &e);
		/* what stands before the options is the same too, but for the Message ID */
		msg_set_mid(request.bytes, 0);
		assert_int_equal(len, request.m.len);
		assert_memory_equal(written, request.bytes, len);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods_to_http),
		cmocka_unit_test(targets_in_http),
		cmocka_unit_test(options_to_fields),
		cmocka_unit_test(protected_to_http),
		cmocka_unit_test(there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
