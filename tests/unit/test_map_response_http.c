/* objects: translate/map_response.o translate/map_response_http.o translate/map_oscore.o translate/map_etag.o translate/map_freshness.o */
/* objects: translate/map_media.o translate/map_status.o translate/content_formats.o translate/http_message.o */
/* objects: coap/uri.o coap/option.o coap/message.o base/endpoint.o base/errors.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/covers.h"
#include "tests/unit/heads.h"
#include "tests/unit/made.h"
#include "translate/map_response.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CODE(class, detail) MSG_CODE(class, detail)
#define TYPE "Content-Type: application/oscore\n"

struct returning {
	uint8_t code; /* of the request */
	const char *options, *head;
	uint8_t answer; /* 0: `error` */
	const char *answer_options;
	bool drop_body;
	enum error error;
};

enum { STRICT, LOOSE, LEGACY_NAME };

static enum error take(const struct returning *r, unsigned how, uint32_t resident, struct msg_view *view, bool *drop_body)
{
	static struct made request;
	static struct http_head head;
	static uint8_t bytes[4096];
	struct uri target;
	struct origin_question q = {
		.request = &request.m, .media = {.loose = how == LOOSE}, .legacy_header = how == LEGACY_NAME, .target = &target, .resident = resident,
	};
	struct origin_answer a;
	enum error e;

	assert_int_equal(uri_parse(&target, "http://origin.example/dir/old?x", 31), URI_OK);
	made_message(&request, r->code, r->options, NULL);
	head_of(&head, r->head);
	e = map_response_of_http(&head, &q, bytes, sizeof bytes, &a);
	if (e != ERR_NONE)
		return e;
	assert_int_equal(msg_parse_datagram(view, bytes, a.len), MSG_OK);
	assert_null(view->payload);
	assert_int_equal(view->mid, 0);
	*drop_body = a.drop_body;
	for (size_t room = 0; room < a.len; room++) {
		static uint8_t small[4096];

		assert_int_equal(map_response_of_http(&head, &q, small, room, &a), ERR_RESPONSE_SIZE);
	}
	return ERR_NONE;
}

static void all_return(const struct returning *rows, size_t count, unsigned how, uint32_t resident)
{
	static char text[MADE_TEXT], expected_text[MADE_TEXT];

	for (size_t i = 0; i < count; i++) {
		static struct made expected;
		static struct msg_view view;
		const struct returning *r = &rows[i];
		bool drop_body = false;
		enum error e = take(r, how, resident, &view, &drop_body);

		if (e != (r->answer == 0 ? r->error : ERR_NONE))
			fail_msg("%s: %s", r->head, error_row(e)->name);
		if (e != ERR_NONE)
			continue;
		made_message(&expected, r->answer, r->answer_options, NULL);
		if (view.code != r->answer || strcmp(made_text(&view, text), made_text(&expected.m, expected_text)) != 0)
			fail_msg("%s: %u.%02u %s instead of %s", r->head, view.code >> 5, view.code & 31u, made_text(&view, text), expected_text);
		if (drop_body != r->drop_body)
			fail_msg("%s: body %s", r->head, drop_body ? "dropped" : "kept");
	}
}

#define JSON "Content-Type: application/json\n"
#define LIVE "Cache-Control: max-age=10\n"

static void codes_of_statuses(void **state)
{
	static const struct returning rows[] = {
		{CODE_GET, "", "200 5\n" JSON LIVE, CODE_CONTENT, "12=32 14=0a", false, 0},
		{CODE_GET, "", "200\n" JSON, CODE_CONTENT, "12=32 14=", false, 0},
		{CODE_GET, "", "204\n", CODE_CONTENT, "14=", true, 0},
		{CODE_FETCH, "", "200 5\n" JSON, CODE_CONTENT, "12=32 14=", false, 0},
		{CODE_PUT, "", "201 0\n", CODE_CREATED, "", true, 0},
		{CODE_PUT, "", "200 5\n" JSON, CODE_CHANGED, "12=32", false, 0},
		{CODE_PUT, "", "204\n", CODE_CHANGED, "", true, 0},
		{CODE_POST, "", "200 0\n", CODE_CHANGED, "", true, 0},
		{CODE_POST, "", "201 5\n" JSON, CODE_CREATED, "12=32", false, 0},
		{CODE_POST, "", "202 0\n", CODE_CHANGED, "", true, 0},
		{CODE_DELETE, "", "200 5\n" JSON, CODE_DELETED, "12=32", false, 0},
		{CODE_DELETE, "", "204\n", CODE_DELETED, "", true, 0},
		{CODE_DELETE, "", "404 5\nETag: \"x\"\nContent-Type: text/html\n", CODE_DELETED, "", true, 0},
		{CODE_GET, "", "404 0\n", CODE_NOT_FOUND, "14=", true, 0},
		{CODE_GET, "", "301 0\nLocation: /x\n", CODE_BAD_GATEWAY, "14=", true, 0},
		{CODE_POST, "", "302 0\n", CODE_BAD_GATEWAY, "14=", true, 0},
		{CODE_POST, "", "307 0\nLocation: /x\n", CODE_BAD_GATEWAY, "14=", true, 0},
		{CODE_GET, "", "401 0\n", CODE_UNAUTHORIZED, "14=", true, 0},
		{CODE_GET, "", "409 0\n", CODE(4, 9), "14=", true, 0},
		{CODE_GET, "", "412 0\n", CODE(4, 12), "14=", true, 0},
		{CODE_PUT, "", "413 0\n", CODE(4, 13), "14=", true, 0},
		{CODE_GET, "", "418 0\n", CODE_BAD_REQUEST, "14=", true, 0},
		{CODE_GET, "", "425 0\n", CODE_UNAVAILABLE, "14=", true, 0},
		{CODE_GET, "", "501 0\n", CODE_NOT_IMPLEMENTED, "14=", true, 0},
		{CODE_GET, "", "508 0\n", CODE_HOP_LIMIT, "14=", true, 0},
		{CODE_GET, "", "599 0\n", CODE_INTERNAL, "14=", true, 0},
		{CODE_GET, "", "206 5\n" JSON, 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_GET, "", "101\n", 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_GET, "", "304\n", 0, NULL, false, ERR_BAD_RESPONSE},
	};

	(void)state;
	covers("C7252-10.1.1-1 C7252-10.1.2-1 C7252-10.1.3-1 C7252-10.1.4-1 C8768-5-2 S-26");
	all_return(rows, COUNT(rows), STRICT, 0);
}

static void content(void **state)
{
	static const struct returning strict[] = {
		{CODE_GET, "", "200 5\nContent-Type: text/plain; charset=UTF-8\n", CODE_CONTENT, "12= 14=", false, 0},
		{CODE_GET, "", "200 5\n" JSON "Content-Encoding: deflate\n", CODE_CONTENT, "12=2b2a 14=", false, 0},
		{CODE_GET, "", "200 5\n", CODE_CONTENT, "14=", false, 0},
		{CODE_GET, "", "200 5\nContent-Type: text/html\n", 0, NULL, false, ERR_RESPONSE_FORMAT},
		{CODE_GET, "", "200 5\n" JSON "Content-Encoding: gzip\n", 0, NULL, false, ERR_RESPONSE_FORMAT},
		{CODE_GET, "", "200 5\nContent-Encoding: deflate\n", 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_GET, "", "200 5\n" JSON JSON, 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_GET, "", "200 5\n" JSON "Content-Encoding: deflate\nContent-Encoding: deflate\n", 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_GET, "", "200 0\nContent-Type: text/html\n", CODE_CONTENT, "14=", true, 0},
		/* errors: a text is a diagnostic message, what has a format keeps it, the rest goes */
		{CODE_GET, "", "404 5\nContent-Type: text/plain\n", CODE_NOT_FOUND, "14=", false, 0},
		{CODE_GET, "", "404 5\nContent-Type: Text/Plain ; charset=utf-8\n", CODE_NOT_FOUND, "14=", false, 0},
		{CODE_GET, "", "404 5\n" JSON, CODE_NOT_FOUND, "12=32 14=", false, 0},
		{CODE_GET, "", "404 5\nContent-Type: text/html\n", CODE_NOT_FOUND, "14=", true, 0},
		{CODE_GET, "", "404 5\nContent-Type: text/plain\nContent-Encoding: gzip\n", CODE_NOT_FOUND, "14=", true, 0},
		{CODE_GET, "", "404 5\n", CODE_NOT_FOUND, "14=", true, 0},
		/* what was demanded */
		{CODE_GET, "17=32", "200 5\nETag: \"x\"\n" JSON, CODE_CONTENT, "4='x' 12=32 14=", false, 0},
		{CODE_GET, "17=3c", "200 5\nETag: \"x\"\n" JSON, CODE_NOT_ACCEPTABLE, "14=", true, 0},
		{CODE_POST, "17=3c", "200 5\n" JSON, CODE_CHANGED, "12=32", false, 0},
		{CODE_GET, "17=3c", "404 5\n" JSON, CODE_NOT_FOUND, "12=32 14=", false, 0},
	};
	static const struct returning loose[] = {
		{CODE_GET, "", "200 5\nContent-Type: text/html\n", CODE_CONTENT, "12= 14=", false, 0},
		{CODE_GET, "", "200 5\nContent-Type: image/bmp\n", CODE_CONTENT, "12=2a 14=", false, 0},
		{CODE_GET, "", "404 5\nContent-Type: text/html\n", CODE_NOT_FOUND, "14=", true, 0},
	};

	(void)state;
	covers("C7252-10.1.1-1 C8075-6.1-6");
	all_return(strict, COUNT(strict), STRICT, 0);
	all_return(loose, COUNT(loose), LOOSE, 0);
}

static void tags(void **state)
{
	static const struct returning rows[] = {
		{CODE_GET, "", "200 0\nETag: \"12345678\"\n", CODE_CONTENT, "4='12345678' 14=", true, 0},
		{CODE_GET, "", "200 0\nETag: \"00010203ff\"\n", CODE_CONTENT, "4=00010203ff 14=", true, 0},
		{CODE_GET, "", "200 0\nETag: W/\"x\"\n", CODE_CONTENT, "14=", true, 0},
		{CODE_GET, "", "200 0\nETag: \"123456789\"\n", CODE_CONTENT, "14=", true, 0},
		{CODE_GET, "", "200 0\nETag: \"\"\n", CODE_CONTENT, "14=", true, 0},
		{CODE_GET, "", "200 0\nETag: x\n", CODE_CONTENT, "14=", true, 0},
		{CODE_GET, "", "200 0\nETag: \"x\"\nETag: \"y\"\n", CODE_CONTENT, "14=", true, 0},
		{CODE_PUT, "", "204\nETag: \"x\"\n", CODE_CHANGED, "4='x'", true, 0},
		{CODE_GET, "", "404 0\nETag: \"x\"\n", CODE_NOT_FOUND, "14=", true, 0},
		/* validation */
		{CODE_GET, "4='x'", "304\nETag: \"x\"\n" LIVE, CODE_VALID, "4='x' 14=0a", true, 0},
		{CODE_GET, "4='x' 4='y'", "304\nETag: W/\"y\"\n", CODE_VALID, "4='y' 14=", true, 0},
		{CODE_GET, "4='x'", "304\n", CODE_VALID, "4='x' 14=", true, 0},
		{CODE_FETCH, "4='x'", "304\n", CODE_VALID, "4='x' 14=", true, 0},
		{CODE_GET, "4='x' 4='y'", "304\n", 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_GET, "4='x'", "304\nETag: \"z\"\n", 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_GET, "4='x'", "304\nETag: \"123456789\"\n", 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_PUT, "4='x'", "304\nETag: \"x\"\n", 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_GET, "4='x'", "200 0\nETag: \"x\"\n", CODE_CONTENT, "4='x' 14=", true, 0},
	};

	(void)state;
	covers("C7252-10.1.1-3 S-26");
	all_return(rows, COUNT(rows), STRICT, 0);
}

static void ages(void **state)
{
	static const struct returning rows[] = {
		{CODE_GET, "", "200 0\nCache-Control: max-age=10\nAge: 4\n", CODE_CONTENT, "14=06", true, 0},
		{CODE_GET, "", "200 0\nCache-Control: max-age=3\nAge: 4\n", CODE_CONTENT, "14=", true, 0},
		{CODE_GET, "", "404 0\nCache-Control: max-age=3\n", CODE_NOT_FOUND, "14=03", true, 0},
		{CODE_PUT, "", "200 0\nCache-Control: max-age=10\n", CODE_CHANGED, "", true, 0},
		{CODE_GET, "", "503 0\nRetry-After: 7\n", CODE_UNAVAILABLE, "14=07", true, 0},
		{CODE_GET, "", "503 0\nRetry-After: soon\n", CODE_UNAVAILABLE, "", true, 0},
		{CODE_GET, "", "503 0\nCache-Control: max-age=9\n", CODE_UNAVAILABLE, "", true, 0},
		{CODE_GET, "", "429 0\nRetry-After: 0\n", CODE_TOO_MANY, "14=", true, 0},
		{CODE_GET, "", "429 0\n", CODE_TOO_MANY, "", true, 0},
		{CODE_GET, "", "429 0\nDate: Sun, 06 Nov 1994 08:49:37 GMT\nRetry-After: Sun, 06 Nov 1994 08:50:00 GMT\n",
			CODE_TOO_MANY, "14=17", true, 0},
	};
	static const struct returning resident[] = {
		{CODE_GET, "", "200 0\nCache-Control: max-age=10\nAge: 4\n", CODE_CONTENT, "14=01", true, 0},
	};

	(void)state;
	covers("C7252-10.1.1-2 S-32");
	all_return(rows, COUNT(rows), STRICT, 0);
	all_return(resident, COUNT(resident), STRICT, 5);
}

static void places(void **state)
{
	static const struct {
		const char *location, *options;
	} rows[] = {
		{"/a/b%2Fc?x=1&y%26z", "8='a' 8='b/c' 20='x=1' 20='y&z'"},
		{"http://origin.example/a", "8='a'"},
		{"HTTP://Origin.Example:80/a#part", "8='a'"},
		{"//origin.example/a", "8='a'"},
		{"new", "8='dir' 8='new'"},
		{"../new/", "8='new' 8="},
		{"?y", "8='dir' 8='old' 20='y'"},
		{"/", ""},
		{"", "8='dir' 8='old' 20='x'"},
		{"#x", "8='dir' 8='old' 20='x'"},
		{"https://origin.example/a", ""},
		{"https://origin.example:80/a", ""},
		{"http://origin.example:8080/a", ""},
		{"http://other.example/a", ""},
		{"//other.example/a", ""},
		{"/a b", ""},
		{"/%zz", ""},
		{"mailto:x@y", ""},
		{"http:a", ""},
		{"./a:b", "8='dir' 8='a:b'"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char head[256], options[256];
		struct returning r = {CODE_POST, "", head, CODE_CREATED, options, false, 0};

		snprintf(head, sizeof head, "201 5\nLocation: %s\n" JSON, rows[i].location);
		/* Content-Format stands between the two */
		const char *query = strstr(rows[i].options, "20=");
		int path = (int)(query != NULL ? (size_t)(query - rows[i].options) : strlen(rows[i].options));

		snprintf(options, sizeof options, "%.*s%s12=32 %s", path, rows[i].options, path > 0 && query == NULL ? " " : "",
			query != NULL ? query : "");
		all_return(&r, 1, STRICT, 0);
	}
}

static void protected_returns(void **state)
{
	static const struct returning rows[] = {
		{CODE_POST, "9=0925", "200 5\nOSCORE: AA\n" TYPE, CODE_CHANGED, "9=", false, 0},
		{CODE_POST, "9=0925", "200 chunked\nOSCORE: AQc\nETag: \"x\"\nCache-Control: max-age=5\nLocation: /x\n" TYPE,
			CODE_CHANGED, "9=0107", false, 0},
		{CODE_FETCH, "6= 9=0925", "200 5\nOSCORE: AA\n" TYPE, CODE_CONTENT, "9= 14=", false, 0},
		{CODE_FETCH, "9=0925", "200 5\nOSCORE: AA\n" TYPE, CODE_CHANGED, "9=", false, 0},
		/* not what was sent */
		{CODE_POST, "", "200 5\nOSCORE: AA\n" TYPE, 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_POST, "9=0925", "204\n", 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_POST, "9=0925", "201 0\n", 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_POST, "9=0925", "202 0\n", 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_POST, "9=0925", "201 5\nOSCORE: AA\n" TYPE, 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_POST, "9=0925", "200 5\nOSCORE: AA\n" JSON, 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_POST, "9=0925", "200 5\n" TYPE, 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_POST, "9=0925", "200 0\nOSCORE: AA\n" TYPE, 0, NULL, false, ERR_BAD_RESPONSE},
		{CODE_POST, "9=0925", "200 5\nOSCORE: AA\nContent-Encoding: gzip\n" TYPE, 0, NULL, false, ERR_BAD_RESPONSE},
		/* without protection: the client will not believe it */
		{CODE_POST, "9=0925", "200 5\nETag: \"x\"\n" JSON, CODE_CHANGED, "12=32", false, 0},
		{CODE_POST, "9=0925", "403 5\nCache-Control: max-age=9\nContent-Type: text/plain\n", CODE_FORBIDDEN, "14=", false, 0},
		{CODE_POST, "9=0925", "301 0\nLocation: /x\n", CODE_BAD_GATEWAY, "14=", true, 0},
		{CODE_POST, "9=0925", "308 0\nLocation: /x\n", CODE_BAD_GATEWAY, "14=", true, 0},
	};
	static const struct returning legacy[] = {
		{CODE_POST, "9=0925", "200 5\nObject-Security: AA\n" TYPE, CODE_CHANGED, "9=", false, 0},
	};

	(void)state;
	covers("C8613-11.6-1 C8613-11.1-1 C8613-11.3-3 S-8 S-10 S-11");
	all_return(rows, COUNT(rows), STRICT, 0);
	all_return(legacy, COUNT(legacy), LEGACY_NAME, 0);
}

static void redirections(void **state)
{
	static const struct {
		const char *options, *head;
		bool follows;
	} rows[] = {
		{"9=0925", "307 0\nLocation: http://other/x\n", true},
		{"9=0925", "308 0\nLocation: http://other/x\n", true},
		{"9=0925", "301 0\nLocation: http://other/x\n", false},
		{"9=0925", "302 0\nLocation: http://other/x\n", false},
		{"9=0925", "303 0\nLocation: http://other/x\n", false},
		{"9=0925", "307 0\n", false},
		{"9=0925", "307 0\nLocation: \n", false},
		{"9=0925", "307 0\nLocation: /x\nLocation: /y\n", false},
		{"", "307 0\nLocation: http://other/x\n", false},
	};

	(void)state;
	covers("C8613-11.1-4");
	for (size_t i = 0; i < COUNT(rows); i++) {
		static struct made request;
		static struct http_head head;
		struct http_text location;

		made_message(&request, CODE_POST, rows[i].options, NULL);
		head_of(&head, rows[i].head);
		assert_int_equal(map_response_redirects(&head, &request.m, &location), rows[i].follows);
		if (rows[i].follows)
			assert_true(http_text_equal(location, "http://other/x"));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_of_statuses),
		cmocka_unit_test(content),
		cmocka_unit_test(tags),
		cmocka_unit_test(ages),
		cmocka_unit_test(places),
		cmocka_unit_test(protected_returns),
		cmocka_unit_test(redirections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
