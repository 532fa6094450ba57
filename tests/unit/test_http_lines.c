/* objects: proxy/http/framing.o proxy/http/lines.o translate/http_message.o coap/uri.o coap/message.o base/endpoint.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proxy/http/framing.h"
#include "tests/unit/covers.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Tables of texts: a NUL within one is written "\0" and counted. */
#define TEXT(s) {s, sizeof(s) - 1}

static struct http_text text_of(const char *s)
{
	return (struct http_text){s, strlen(s)};
}

static void text_is(struct http_text text, const char *wanted)
{
	assert_int_equal(text.len, strlen(wanted));
	assert_memory_equal(text.at, wanted, text.len);
}

/* ---- request lines ----------------------------------------------------------------------------------------------------- */

#define METHOD_32 "abcdefghijklmnopqrstuvwxyzABCDEF"

static void request_lines_that_are_taken(void **state)
{
	static const struct {
		const char *line, *method, *target;
		unsigned minor;
	} cases[] = {
		{"GET / HTTP/1.1", "GET", "/", 1},
		{"GET / HTTP/1.0", "GET", "/", 0},
		{"get / HTTP/1.1", "get", "/", 1},
		{"FETCH /a?b HTTP/1.1", "FETCH", "/a?b", 1},
		{"iPATCH /a HTTP/1.1", "iPATCH", "/a", 1},
		{METHOD_32 " / HTTP/1.1", METHOD_32, "/", 1},
		{"!#$%&'*+-.^_`|~09 / HTTP/1.1", "!#$%&'*+-.^_`|~09", "/", 1},
		{"GET coap://h/p HTTP/1.1", "GET", "coap://h/p", 1},
		{"GET coap+tcp://h:1/p?q HTTP/1.1", "GET", "coap+tcp://h:1/p?q", 1},
		{"GET coaps+ws://[::1]/ HTTP/1.1", "GET", "coaps+ws://[::1]/", 1},
		{"GET http://h HTTP/1.1", "GET", "http://h", 1},
		{"OPTIONS * HTTP/1.1", "OPTIONS", "*", 1},
		{"CONNECT h:443 HTTP/1.1", "CONNECT", "h:443", 1},
		{"CONNECT 192.0.2.1:443 HTTP/1.1", "CONNECT", "192.0.2.1:443", 1},
		/* nothing is collapsed, resolved or decoded (RFC 8075 5.3) */
		{"GET /hc/coap://h/a HTTP/1.1", "GET", "/hc/coap://h/a", 1},
		{"GET //a///b/../c/./%2e%2E%2f%zz?x//y/.. HTTP/1.1", "GET", "//a///b/../c/./%2e%2E%2f%zz?x//y/..", 1},
		{"GET /a\\b|c^d\"e<f>{g}` HTTP/1.1", "GET", "/a\\b|c^d\"e<f>{g}`", 1},
		{"GET /~!$&'()*+,;=:@[] HTTP/1.1", "GET", "/~!$&'()*+,;=:@[]", 1},
	};

	(void)state;
	covers("C8075-5.3-3");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_head head = {0};
		const char *why = "";

		assert_int_equal(http_request_line_parse(&head, text_of(cases[i].line), &why), HTTP_OK);
		assert_string_equal(why, "");
		text_is(head.method, cases[i].method);
		text_is(head.target, cases[i].target);
		assert_int_equal(head.minor, cases[i].minor);
	}
}

static void request_lines_that_are_refused(void **state)
{
	static const struct {
		struct http_text line;
		enum http_error error;
	} cases[] = {
		{TEXT(""), HTTP_BAD},
		{TEXT(" "), HTTP_BAD},
		{TEXT("GET"), HTTP_BAD},
		{TEXT("GET "), HTTP_BAD},
		{TEXT("GET /"), HTTP_BAD},
		{TEXT("GET / "), HTTP_BAD},
		{TEXT("GET /  HTTP/1.1"), HTTP_BAD},
		{TEXT("GET  / HTTP/1.1"), HTTP_BAD},
		{TEXT(" GET / HTTP/1.1"), HTTP_BAD},
		{TEXT("GET / HTTP/1.1 "), HTTP_BAD},
		{TEXT("GET / a HTTP/1.1"), HTTP_BAD},
		{TEXT("GET\t/\tHTTP/1.1"), HTTP_BAD},
		{TEXT("GET /\tHTTP/1.1"), HTTP_BAD},
		{TEXT("GET /\ta HTTP/1.1"), HTTP_BAD},
		{TEXT("G\tT / HTTP/1.1"), HTTP_BAD},
		{TEXT("G(T / HTTP/1.1"), HTTP_BAD},
		{TEXT("GET: / HTTP/1.1"), HTTP_BAD},
		{TEXT("G\"T\" / HTTP/1.1"), HTTP_BAD},
		{TEXT("G\0T / HTTP/1.1"), HTTP_BAD},
		{TEXT("G\xc4T / HTTP/1.1"), HTTP_BAD},
		{TEXT(METHOD_32 "G / HTTP/1.1"), HTTP_NOT_IMPLEMENTED},
		{TEXT("GET a HTTP/1.1"), HTTP_BAD},
		{TEXT("GET a/b HTTP/1.1"), HTTP_BAD},
		{TEXT("GET ?a HTTP/1.1"), HTTP_BAD},
		{TEXT("GET * HTTP/1.1"), HTTP_BAD},
		{TEXT("OPTIONS ** HTTP/1.1"), HTTP_BAD},
		{TEXT("options * HTTP/1.1"), HTTP_BAD},
		{TEXT("GET h HTTP/1.1"), HTTP_BAD},
		{TEXT("GET 1:2 HTTP/1.1"), HTTP_BAD},
		{TEXT("GET :// HTTP/1.1"), HTTP_BAD},
		{TEXT("GET /# HTTP/1.1"), HTTP_BAD},
		{TEXT("GET coap://h/#a HTTP/1.1"), HTTP_BAD},
		{TEXT("CONNECT h#a HTTP/1.1"), HTTP_BAD},
		{TEXT("CONNECT  HTTP/1.1"), HTTP_BAD},
		{TEXT("GET / HTTP"), HTTP_BAD},
		{TEXT("GET / HTTP/"), HTTP_BAD},
		{TEXT("GET / HTTP/1"), HTTP_BAD},
		{TEXT("GET / HTTP/1."), HTTP_BAD},
		{TEXT("GET / HTTP/11"), HTTP_BAD},
		{TEXT("GET / HTTP/1.11"), HTTP_BAD},
		{TEXT("GET / HTTP/01.1"), HTTP_BAD},
		{TEXT("GET / HTTP/1,1"), HTTP_BAD},
		{TEXT("GET / HTTP/a.b"), HTTP_BAD},
		{TEXT("GET / http/1.1"), HTTP_BAD},
		{TEXT("GET / HTTPS/1.1"), HTTP_BAD},
		{TEXT("GET / HTTP/1.2"), HTTP_VERSION},
		{TEXT("GET / HTTP/0.9"), HTTP_VERSION},
		{TEXT("GET / HTTP/2.0"), HTTP_VERSION},
		{TEXT("GET / HTTP/9.1"), HTTP_VERSION},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_head head = {0};
		const char *why = "";
		enum http_error error = http_request_line_parse(&head, cases[i].line, &why);

		if (error != cases[i].error)
			fail_msg("%s: %d (%s), not %d", cases[i].line.at, error, why, cases[i].error);
		assert_string_not_equal(why, "");
	}
}

static void status_lines(void **state)
{
	static const struct {
		const char *line;
		enum http_error error;
		unsigned status, minor;
	} cases[] = {
		{"HTTP/1.1 200 OK", HTTP_OK, 200, 1},
		{"HTTP/1.0 404 Not Found", HTTP_OK, 404, 0},
		{"HTTP/1.1 100 ", HTTP_OK, 100, 1},
		{"HTTP/1.1 599 a\tb  c", HTTP_OK, 599, 1},
		{"HTTP/1.1 099 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 000 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 600 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 999 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 20 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 2000 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 0200 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 4294967496 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 2a0 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 :00 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 20/ X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 +20 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 -20 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 200", HTTP_BAD, 0, 0},
		{"HTTP/1.1  200 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1\t200 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1 200\tX", HTTP_BAD, 0, 0},
		{" HTTP/1.1 200 X", HTTP_BAD, 0, 0},
		{"HTTP/1.1", HTTP_BAD, 0, 0},
		{"HTTP/1.1 ", HTTP_BAD, 0, 0},
		{"", HTTP_BAD, 0, 0},
		{"http/1.1 200 OK", HTTP_BAD, 0, 0},
		{"ICY 200 OK", HTTP_BAD, 0, 0},
		{"HTTP/2.0 200 OK", HTTP_VERSION, 0, 0},
		{"HTTP/1.2 200 OK", HTTP_VERSION, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_head head = {0};
		const char *why = "";
		enum http_error error = http_status_line_parse(&head, text_of(cases[i].line), &why);

		if (error != cases[i].error)
			fail_msg("%s: %d (%s), not %d", cases[i].line, error, why, cases[i].error);
		if (error != HTTP_OK)
			continue;
		assert_int_equal(head.status, cases[i].status);
		assert_int_equal(head.minor, cases[i].minor);
	}
}

/* ---- bytes -------------------------------------------------------------------------------------------------------------- */

static bool is_token(unsigned c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != 0 && c < 0x80 && strchr("!#$%&'*+-.^_`|~", (int)c));
}

static enum http_error section_error(const char *before, uint8_t c, const char *behind)
{
	static const struct http_limits limits = {.fields_bytes = 100, .fields_count = 10};
	struct http_section s = {0};
	uint8_t bytes[64];
	size_t len = strlen(before);

	memcpy(bytes, before, len);
	bytes[len] = c;
	memcpy(bytes + len + 1, behind, strlen(behind));
	len += 1 + strlen(behind);
	if (http_section_read(&s, &limits, bytes, len) != len || s.error != HTTP_OK)
		return s.error != HTTP_OK ? s.error : HTTP_CUT;
	assert_true(s.ended);
	return HTTP_OK;
}

/* Each of the 256 bytes, in each place of a field line and in a line. */
static void bytes_in_their_places(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool is_value = c == '\t' || (c >= 0x20 && c <= 0x7e);
		struct http_line l = {0};
		uint8_t byte = (uint8_t)c;

		assert_int_equal(section_error("X", byte, "Y: z\r\n\r\n"), is_token(c) || c == ':' ? HTTP_OK : HTTP_BAD);
		assert_int_equal(section_error("", byte, "Y: z\r\n\r\n"), is_token(c) ? HTTP_OK : HTTP_BAD);
		assert_int_equal(section_error("X: y", byte, "z\r\n\r\n"), is_value ? HTTP_OK : HTTP_BAD);
		assert_int_equal(section_error("X: y\r\n", byte, "Z: z\r\n\r\n"), is_token(c) ? HTTP_OK : HTTP_BAD);
		assert_int_equal(section_error("X: y\r", byte, "\r\n"), c == '\n' ? HTTP_OK : HTTP_BAD);
		assert_int_equal(section_error("X: y\r\n\r", byte, ""), c == '\n' ? HTTP_OK : HTTP_BAD);
		assert_int_equal(http_line_read(&l, 1, &byte, 1), 1);
		assert_int_equal(l.error, is_value || c == '\r' ? HTTP_OK : HTTP_BAD);
		assert_int_equal(l.after_cr, c == '\r');
	}
}

static void lines_stop_at_their_end_and_limit(void **state)
{
	struct http_line l = {0};

	(void)state;
	assert_int_equal(http_line_read(&l, 3, (const uint8_t *)"abc\r\nd", 6), 5);
	assert_true(l.ended);
	assert_int_equal(l.len, 3);
	l = (struct http_line){0};
	assert_int_equal(http_line_read(&l, 2, (const uint8_t *)"abc\r\nd", 6), 3);
	assert_int_equal(l.error, HTTP_LINE_TOO_LONG);
	l = (struct http_line){0};
	assert_int_equal(http_line_read(&l, 0, (const uint8_t *)"\r\n", 2), 2);
	assert_true(l.ended);
	l = (struct http_line){0};
	assert_int_equal(http_line_read(&l, 9, (const uint8_t *)"a\r\r\n", 4), 3);
	assert_int_equal(l.error, HTTP_BAD);
}

static void sections_stop_at_their_end_and_limits(void **state)
{
	static const struct http_limits limits = {.fields_bytes = 14, .fields_count = 2};
	static const struct {
		const char *bytes;
		size_t used;
		enum http_error error;
	} cases[] = {
		{"\r\nX", 2, HTTP_OK},
		{"A: b\r\n\r\nGET", 8, HTTP_OK},
		{"A: b\r\nC: d\r\n\r\n", 14, HTTP_OK},
		{"A: b\r\nC: de\r\n\r\n", 14, HTTP_FIELDS_TOO_LARGE},
		{"A:\r\nB:\r\nC:\r\n\r\n", 9, HTTP_FIELDS_TOO_LARGE},
		{"AAAAAAAAAAAAAAA", 14, HTTP_FIELDS_TOO_LARGE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct http_section s = {0};

		assert_int_equal(http_section_read(&s, &limits, (const uint8_t *)cases[i].bytes, strlen(cases[i].bytes)), cases[i].used);
		assert_int_equal(s.error, cases[i].error);
		assert_int_equal(s.ended, cases[i].error == HTTP_OK);
	}
}

/* A head has room for HTTP_FIELDS_MAX, whatever the configuration says. */
static void no_limit_is_above_what_a_head_holds(void **state)
{
	static const struct http_limits limits = {.fields_bytes = 10000, .fields_count = 100000};
	struct http_section s = {0};

	(void)state;
	for (unsigned i = 0; i < HTTP_FIELDS_MAX; i++)
		assert_int_equal(http_section_read(&s, &limits, (const uint8_t *)"A:\r\n", 4), 4);
	assert_int_equal(s.error, HTTP_OK);
	assert_int_equal(http_section_read(&s, &limits, (const uint8_t *)"A:\r\n", 4), 1);
	assert_int_equal(s.error, HTTP_FIELDS_TOO_LARGE);
}

/* ---- framing ------------------------------------------------------------------------------------------------------------ */

enum { FRAMING_FIELDS = 4 };

struct framing_case {
	unsigned status, minor; /* status 0: a POST */
	const char *target;
	const char *fields[FRAMING_FIELDS][2];
	enum http_error error;
	enum http_body_kind body;
	uint64_t length;
	bool keep_alive, expects_continue;
};

static void framing_is(const struct framing_case *c, bool answers_head)
{
	static struct http_head head;
	enum http_body_kind body = HTTP_BODY_NONE;
	const char *why = "";
	enum http_error error;

	memset(&head, 0, sizeof(head));
	head.status = c->status;
	head.minor = c->minor;
	if (c->status == 0) {
		head.method = text_of("POST");
		head.target = text_of(c->target ? c->target : "/");
	}
	for (; head.field_count < FRAMING_FIELDS && c->fields[head.field_count][0]; head.field_count++) {
		head.fields[head.field_count].name = text_of(c->fields[head.field_count][0]);
		head.fields[head.field_count].value = text_of(c->fields[head.field_count][1]);
	}
	error = http_framing_read(&head, answers_head, &body, &why);
	if (error != c->error || (error == HTTP_OK && (body != c->body || head.keep_alive != c->keep_alive)))
		fail_msg("%u, %s %s, %s %s: error %d (%s), body %d, keep-alive %d", c->status, c->fields[0][0], c->fields[0][1], c->fields[1][0],
			c->fields[1][1], error, why, body, head.keep_alive);
	assert_int_equal(why[0] != '\0', error != HTTP_OK);
	if (error != HTTP_OK)
		return;
	assert_int_equal(head.length, c->length);
	assert_int_equal(head.chunked, c->body == HTTP_BODY_CHUNKED);
	assert_int_equal(head.expects_continue, c->expects_continue);
}

#define H {"Host", "a"}
#define LENGTH "Content-Length"
#define CODING "Transfer-Encoding"

static void framing_of_requests(void **state)
{
	static const struct framing_case cases[] = {
		{.minor = 1, .fields = {H}, .keep_alive = true},
		{.minor = 1, .fields = {{"hOSt", "a.example:8080"}}, .keep_alive = true},
		{.minor = 1, .fields = {{"Host", "[::1]"}}, .keep_alive = true},
		{.minor = 1, .fields = {{"Host", "a:"}}, .keep_alive = true},
		{.minor = 1, .error = HTTP_BAD},
		{.minor = 1, .fields = {{"Host", ""}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, H}, .error = HTTP_BAD},
		{.minor = 1, .fields = {{"Host", "a b"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {{"Host", "a,b"}, {LENGTH, "x"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {{"Host", "u@a"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {{"Host", "a/b"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {{"Host", "a:65536"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {{"Host", "[::1"}}, .error = HTTP_BAD},
		{.minor = 0},
		{.minor = 0, .fields = {H}},
		{.minor = 0, .fields = {H, H}, .error = HTTP_BAD},
		{.minor = 0, .fields = {{"Host", "a b"}}, .error = HTTP_BAD},

		{.minor = 1, .fields = {H, {LENGTH, "0"}}, .keep_alive = true},
		{.minor = 1, .fields = {H, {LENGTH, "5"}}, .body = HTTP_BODY_LENGTH, .length = 5, .keep_alive = true},
		{.minor = 1, .fields = {H, {LENGTH, "9223372036854775807"}}, .body = HTTP_BODY_LENGTH, .length = INT64_MAX, .keep_alive = true},
		{.minor = 1, .fields = {H, {LENGTH, "9223372036854775808"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, "92233720368547758070"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, "18446744073709551616"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, ""}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, "+5"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, "-5"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, "5 5"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, "5, 5"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, "5,"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, "0x5"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, "5"}, {LENGTH, "5"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, "5"}, {"content-length", "6"}}, .error = HTTP_BAD},

		{.minor = 1, .fields = {H, {CODING, "chunked"}}, .body = HTTP_BODY_CHUNKED, .keep_alive = true},
		{.minor = 1, .fields = {H, {CODING, "Chunked"}}, .body = HTTP_BODY_CHUNKED, .keep_alive = true},
		{.minor = 0, .fields = {H, {CODING, "chunked"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "chunked"}, {LENGTH, "5"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {LENGTH, "0"}, {CODING, "chunked"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "chunked"}, {CODING, "chunked"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "gzip"}, {CODING, "chunked"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "gzip, chunked"}, {CODING, "gzip"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "chunked, chunked"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "chunked, gzip"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "gzip"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "identity"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "x-chunked"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, ""}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, ","}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, ",chunked"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "chunked,"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "gzip, chunked,"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, ", gzip, chunked"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "\"chunked\""}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "chunked;a=b"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {CODING, "gzip, chunked"}}, .error = HTTP_NOT_IMPLEMENTED},
		{.minor = 1, .fields = {H, {CODING, "gzip ,\tCHUNKED"}}, .error = HTTP_NOT_IMPLEMENTED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		framing_is(&cases[i], false);
}

/* RFC 9112 9.3 and RFC 9110 10.1.1 */
static void what_a_request_says_about_the_connection(void **state)
{
	static const struct framing_case cases[] = {
		{.minor = 1, .fields = {H, {"Connection", "close"}}},
		{.minor = 1, .fields = {H, {"connection", "a, CLOSE"}}},
		{.minor = 1, .fields = {H, {"Connection", "keep-alive"}, {"Connection", "close"}}},
		{.minor = 1, .fields = {H, {"Connection", "closed"}}, .keep_alive = true},
		{.minor = 1, .fields = {H, {"Connection", "\"close\""}}, .keep_alive = true},
		{.minor = 0, .fields = {H, {"Connection", "keep-alive"}}, .keep_alive = true},
		{.minor = 0, .fields = {H, {"Connection", "Keep-Alive, a"}}, .keep_alive = true},
		{.minor = 0, .fields = {H, {"Connection", "keep-alive, close"}}},
		{.minor = 0, .target = "coap://h/", .fields = {H, {"Connection", "keep-alive"}}},
		{.minor = 1, .target = "coap://h/", .fields = {H}, .keep_alive = true},
		{.minor = 0, .fields = {H, {"Keep-Alive", "timeout=5"}}},
		{.minor = 1, .fields = {H, {"Connection", "OSCORE"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {"Connection", "close, oscore"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {"Connection", "Object-Security"}}, .error = HTTP_BAD},
		{.minor = 0, .fields = {{"Connection", "OSCORE"}}, .error = HTTP_BAD},
		{.minor = 1, .fields = {H, {"Expect", "100-continue"}}, .keep_alive = true, .expects_continue = true},
		{.minor = 1, .fields = {H, {"Expect", "a, 100-Continue"}}, .keep_alive = true, .expects_continue = true},
		{.minor = 1, .fields = {H, {"Expect", "200-ok"}}, .keep_alive = true},
		{.minor = 0, .fields = {H, {"Expect", "100-continue"}}},
	};

	(void)state;
	covers("C8613-11.1-3");
	for (size_t i = 0; i < COUNT(cases); i++)
		framing_is(&cases[i], false);
}

static void framing_of_responses(void **state)
{
	static const struct framing_case cases[] = {
		{.status = 200, .minor = 1, .body = HTTP_BODY_UNTIL_CLOSE},
		{.status = 200, .minor = 0, .fields = {{"Connection", "keep-alive"}}, .body = HTTP_BODY_UNTIL_CLOSE},
		{.status = 200, .minor = 1, .fields = {{LENGTH, "0"}}, .keep_alive = true},
		{.status = 200, .minor = 1, .fields = {{LENGTH, "5"}}, .body = HTTP_BODY_LENGTH, .length = 5, .keep_alive = true},
		{.status = 200, .minor = 1, .fields = {{LENGTH, "5"}, {"Connection", "close"}}, .body = HTTP_BODY_LENGTH, .length = 5},
		{.status = 200, .minor = 0, .fields = {{LENGTH, "5"}}, .body = HTTP_BODY_LENGTH, .length = 5},
		{.status = 200, .minor = 0, .fields = {{LENGTH, "5"}, {"Connection", "keep-alive"}}, .body = HTTP_BODY_LENGTH, .length = 5,
			.keep_alive = true},
		{.status = 200, .minor = 1, .fields = {{CODING, "chunked"}}, .body = HTTP_BODY_CHUNKED, .keep_alive = true},
		{.status = 200, .minor = 0, .fields = {{CODING, "chunked"}}, .error = HTTP_BAD},
		{.status = 200, .minor = 1, .fields = {{CODING, "gzip"}}, .error = HTTP_BAD},
		{.status = 200, .minor = 1, .fields = {{CODING, "gzip, chunked"}}, .error = HTTP_NOT_IMPLEMENTED},
		{.status = 200, .minor = 1, .fields = {{CODING, "chunked"}, {LENGTH, "5"}}, .error = HTTP_BAD},
		{.status = 200, .minor = 1, .fields = {{LENGTH, "5"}, {LENGTH, "5"}}, .error = HTTP_BAD},
		{.status = 200, .minor = 1, .fields = {{LENGTH, "0"}, {"Expect", "100-continue"}}, .keep_alive = true},
		{.status = 200, .minor = 1, .fields = {{LENGTH, "0"}, {"Connection", "OSCORE"}}, .error = HTTP_BAD},
		{.status = 204, .minor = 1, .keep_alive = true},
		{.status = 204, .minor = 1, .fields = {{LENGTH, "0"}}, .keep_alive = true},
		{.status = 204, .minor = 1, .fields = {{LENGTH, "1"}}, .error = HTTP_BAD},
		{.status = 204, .minor = 1, .fields = {{CODING, "chunked"}}, .error = HTTP_BAD},
		{.status = 304, .minor = 1, .keep_alive = true},
		{.status = 304, .minor = 1, .fields = {{LENGTH, "5"}}, .length = 5, .keep_alive = true},
		{.status = 100, .minor = 1, .keep_alive = true},
		{.status = 103, .minor = 1, .fields = {{LENGTH, "5"}}, .error = HTTP_BAD},
		{.status = 199, .minor = 1, .fields = {{CODING, "chunked"}}, .error = HTTP_BAD},
		{.status = 101, .minor = 1, .error = HTTP_BAD},
		{.status = 205, .minor = 1, .body = HTTP_BODY_UNTIL_CLOSE},
		{.status = 599, .minor = 1, .fields = {{LENGTH, "5"}}, .body = HTTP_BODY_LENGTH, .length = 5, .keep_alive = true},
	};
	static const struct framing_case to_head[] = {
		{.status = 200, .minor = 1, .keep_alive = true},
		{.status = 200, .minor = 1, .fields = {{LENGTH, "5"}}, .length = 5, .keep_alive = true},
		{.status = 200, .minor = 0, .fields = {{LENGTH, "5"}}, .length = 5},
		{.status = 200, .minor = 1, .fields = {{CODING, "chunked"}, {LENGTH, "5"}}, .error = HTTP_BAD},
		{.status = 204, .minor = 1, .fields = {{LENGTH, "1"}}, .error = HTTP_BAD},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		framing_is(&cases[i], false);
	for (size_t i = 0; i < COUNT(to_head); i++)
		framing_is(&to_head[i], true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_lines_that_are_taken),
		cmocka_unit_test(request_lines_that_are_refused),
		cmocka_unit_test(status_lines),
		cmocka_unit_test(bytes_in_their_places),
		cmocka_unit_test(lines_stop_at_their_end_and_limit),
		cmocka_unit_test(sections_stop_at_their_end_and_limits),
		cmocka_unit_test(no_limit_is_above_what_a_head_holds),
		cmocka_unit_test(framing_of_requests),
		cmocka_unit_test(what_a_request_says_about_the_connection),
		cmocka_unit_test(framing_of_responses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
