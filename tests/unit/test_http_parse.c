/* objects: proxy/http/parse.o proxy/http/framing.o proxy/http/lines.o translate/http_message.o coap/uri.o coap/message.o base/endpoint.o */
/* libs: -Wl,--wrap=realloc */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/covers.h"
#include "tests/unit/http_transcript.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct http_limits usual = {.line = 1000, .fields_bytes = 2000, .fields_count = 20, .chunk_line = 40};

/* Reads the text whole, by single bytes and cut at every position: what comes out is the same, and is to be freed. */
static struct http_transcript read_cut(enum http_side side, const struct http_limits *limits, const char *text, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)text;
	struct http_cuts cuts = {.piece = http_cut_every, .number = SIZE_MAX};
	struct http_transcript whole = http_transcript(side, limits, bytes, len, &cuts);

	for (size_t at = 1; at <= len; at++) {
		struct http_transcript t;

		cuts.number = at;
		cuts.piece = at == len ? http_cut_every : http_cut_once;
		if (at == len)
			cuts.number = 1;
		t = http_transcript(side, limits, bytes, len, &cuts);
		assert_string_equal(t.details, whole.details);
		assert_string_equal(t.summary, whole.summary);
		http_transcript_free(&t);
	}
	return whole;
}

static void details_are(enum http_side side, const char *text, const char *details)
{
	struct http_transcript t = read_cut(side, &usual, text, strlen(text));

	assert_string_equal(t.details, details);
	http_transcript_free(&t);
}

static void summary_is(enum http_side side, const struct http_limits *limits, const char *text, const char *summary)
{
	struct http_transcript t = read_cut(side, limits, text, strlen(text));

	assert_string_equal(t.summary, summary);
	http_transcript_free(&t);
}

/* ---- what is read ------------------------------------------------------------------------------------------------------ */

static void requests_one_behind_another(void **state)
{
	(void)state;
	details_are(HTTP_SIDE_SERVER,
		"GET /hc//coap://h/a?b HTTP/1.1\r\nHost: gw.example:8080\r\nAccept: \t a,  b\t \r\nX:\r\n\r\n"
		"FETCH coap+tcp://h/p HTTP/1.1\r\nhost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
		"\r\n"
		"iPATCH /x HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n"
		"3;a=b\r\nabc\r\n00A;c;d=\"e;f\"\r\n0123456789\r\n0;g\r\nY: z\r\n\r\n"
		"OPTIONS * HTTP/1.0\r\n\r\n",
		"head GET /hc//coap://h/a?b 0 HTTP/1.1 keep-alive\n  Host: gw.example:8080|\n  Accept: a,  b|\n  X: |\nend\n"
		"head FETCH coap+tcp://h/p 0 HTTP/1.1 keep-alive continue length 5\n  host: h|\n  Content-Length: 5|\n  Expect: 100-continue|\n"
		"body hello\nend\n"
		"head iPATCH /x 0 HTTP/1.1 chunked keep-alive\n  Host: a|\n  transfer-encoding: chunked|\nbody abc0123456789\nend\n"
		"head OPTIONS * 0 HTTP/1.0\nend\n"
		"fine \n");
}

static void responses_one_behind_another(void **state)
{
	(void)state;
	details_are(HTTP_SIDE_CLIENT,
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"x\"\r\n\r\nhi"
		"HTTP/1.1 204 \r\n\r\n"
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
		"HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nuntil\r\nthe end",
		"head   200 HTTP/1.1 keep-alive length 2\n  Content-Length: 2|\n  ETag: \"x\"|\nbody hi\nend\n"
		"head   204 HTTP/1.1 keep-alive\nend\n"
		"head   304 HTTP/1.1 keep-alive length 9\n  Content-Length: 9|\nend\n"
		"head   200 HTTP/1.1 chunked keep-alive\n  Transfer-Encoding: chunked|\nbody hi\nend\n"
		"head   404 HTTP/1.0\n  Server: x|\nbody until\r\nthe end\nend\n"
		"fine \n");
	details_are(HTTP_SIDE_HEAD,
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n"
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		"head   200 HTTP/1.1 keep-alive length 20\n  Content-Length: 20|\nend\n"
		"head   200 HTTP/1.1 chunked keep-alive\n  Transfer-Encoding: chunked|\nend\n"
		"head   200 HTTP/1.1 keep-alive\nend\n"
		"fine \n");
}

/* What llhttp lets another protocol begin with is nothing of the kind here. */
static void upgrades_change_nothing(void **state)
{
	(void)state;
	summary_is(HTTP_SIDE_SERVER, &usual,
		"GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
		"POST /b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi"
		"CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\nContent-Length: 2\r\n\r\nhi"
		"POST /c HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
		"GET /d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /e HTTP/1.1\r\nHost: a\r\n\r\n",
		"fine GET:/a:0 POST:/b:2 CONNECT:b:1:2 POST:/c:2 GET:/d:0 GET:/e:0");
	summary_is(HTTP_SIDE_CLIENT, &usual,
		"HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 204 X\r\n\r\n",
		"fine 200:2 204:0");
	summary_is(HTTP_SIDE_CLIENT, &usual, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "bad");
}

/* Trailers are checked, and are no fields of the message: a length or a coding among them changes nothing. */
static void trailers_are_dropped(void **state)
{
	(void)state;
	details_are(HTTP_SIDE_SERVER,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
		"OSCORE: CQ\r\nContent-Length: 7\r\nTransfer-Encoding: gzip\r\nHost: b\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"head POST / 0 HTTP/1.1 chunked keep-alive\n  Host: a|\n  Transfer-Encoding: chunked|\nbody hi\nend\n"
		"head GET / 0 HTTP/1.1 keep-alive\n  Host: a|\nend\nfine \n");
}

static void one_empty_line_before_a_request(void **state)
{
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	(void)state;
	summary_is(HTTP_SIDE_SERVER, &usual, "\r\n" GET "\r\n" GET "\r\n", "fine GET:/:0 GET:/:0");
	summary_is(HTTP_SIDE_SERVER, &usual, "\r\n\r\n" GET, "bad");
	summary_is(HTTP_SIDE_SERVER, &usual, GET "\r\n\r\n" GET, "bad GET:/:0");
	summary_is(HTTP_SIDE_SERVER, &usual, "\n" GET, "bad");
	summary_is(HTTP_SIDE_SERVER, &usual, "\r" GET, "bad");
	summary_is(HTTP_SIDE_CLIENT, &usual, "\r\nHTTP/1.1 204 X\r\n\r\n", "bad");
#undef GET
}

/* ---- bounds ------------------------------------------------------------------------------------------------------------ */

enum { MADE_MAX = 8192 };

/* `before`, then `count` times `filler`, then `behind`. */
static const char *made(const char *before, char filler, size_t count, const char *behind)
{
	static char text[MADE_MAX];
	size_t len = strlen(before);

	assert_true(len + count + strlen(behind) < MADE_MAX);
	memcpy(text, before, len);
	memset(text + len, filler, count);
	memcpy(text + len + count, behind, strlen(behind) + 1);
	return text;
}

static void first_lines_have_a_limit(void **state)
{
	static const struct http_limits limits = {.line = 20, .fields_bytes = 100, .fields_count = 5, .chunk_line = 10};

	(void)state;
	/* "GET / HTTP/1.1" has 14 bytes */
	summary_is(HTTP_SIDE_SERVER, &limits, "GET /aaaaaa HTTP/1.1\r\nHost: a\r\n\r\n", "fine GET:/aaaaaa:0");
	summary_is(HTTP_SIDE_SERVER, &limits, "GET /aaaaaaa HTTP/1.1\r\nHost: a\r\n\r\n", "line-too-long");
	summary_is(HTTP_SIDE_SERVER, &limits, made("GET /", 'a', 500, ""), "line-too-long");
	summary_is(HTTP_SIDE_SERVER, &limits, made("", 'A', 500, " / HTTP/1.1\r\n"), "not-implemented");
	summary_is(HTTP_SIDE_SERVER, &usual, made("", 'A', 1001, ""), "not-implemented");
	summary_is(HTTP_SIDE_SERVER, &usual, made("", 'A', 32, " / HTTP/1.1\r\nHost: a\r\n\r\n"), "fine AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:/:0");
	summary_is(HTTP_SIDE_SERVER, &usual, made("", 'A', 33, " / HTTP/1.1\r\nHost: a\r\n\r\n"), "not-implemented");
	summary_is(HTTP_SIDE_CLIENT, &limits, "HTTP/1.1 200 aaaaaaa\r\nContent-Length: 0\r\n\r\n", "fine 200:0");
	summary_is(HTTP_SIDE_CLIENT, &limits, "HTTP/1.1 200 aaaaaaaa\r\nContent-Length: 0\r\n\r\n", "line-too-long");
}

static void fields_have_limits(void **state)
{
#define REPLY "HTTP/1.1 200 X\r\nTransfer-Encoding:chunked\r\n\r\n"
	static const struct http_limits limits = {.line = 100, .fields_bytes = 30, .fields_count = 3, .chunk_line = 10};

	(void)state;
	/* 9 for the Host, 2 for the empty line */
	summary_is(HTTP_SIDE_SERVER, &limits, made("GET / HTTP/1.1\r\nHost: a\r\nX: ", 'y', 14, "\r\n\r\n"), "fine GET:/:0");
	summary_is(HTTP_SIDE_SERVER, &limits, made("GET / HTTP/1.1\r\nHost: a\r\nX: ", 'y', 15, "\r\n\r\n"), "fields-too-large");
	summary_is(HTTP_SIDE_SERVER, &limits, made("GET / HTTP/1.1\r\nHost: a\r\nX: ", 'y', 500, ""), "fields-too-large");
	summary_is(HTTP_SIDE_SERVER, &limits, made("GET / HTTP/1.1\r\n", 'x', 500, ""), "fields-too-large");
	summary_is(HTTP_SIDE_SERVER, &limits, "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nX:\r\n\r\n", "fine GET:/:0");
	summary_is(HTTP_SIDE_SERVER, &limits, "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nX:\r\nX:\r\n\r\n", "fields-too-large");
	summary_is(HTTP_SIDE_CLIENT, &limits, "HTTP/1.1 204 X\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n", "fields-too-large");
	/* the same for trailers, counted anew */
	summary_is(HTTP_SIDE_CLIENT, &limits, REPLY "0\r\nA:\r\nB:\r\nC:\r\n\r\n", "fine 200:0");
	summary_is(HTTP_SIDE_CLIENT, &limits, REPLY "0\r\nA:\r\nB:\r\nC:\r\nD:\r\n\r\n", "fields-too-large 200:0+");
	summary_is(HTTP_SIDE_CLIENT, &limits, made(REPLY "0\r\nA: ", 'x', 40, ""), "fields-too-large 200:0+");
	/* 1xx each have their own */
	summary_is(HTTP_SIDE_CLIENT, &limits, "HTTP/1.1 100 X\r\nA:\r\nB:\r\nC:\r\n\r\nHTTP/1.1 204 X\r\nA:\r\nB:\r\nC:\r\n\r\n", "fine 204:0");
#undef REPLY
}

/* A head that the buffer has to grow for several times is whole all the same. */
static void large_heads_are_whole(void **state)
{
	static const struct http_limits limits = {.line = 8000, .fields_bytes = 20000, .fields_count = HTTP_FIELDS_MAX, .chunk_line = 10};
	struct http_parser *p = http_parser_new(false, &limits);
	static char text[32768];
	char value[16];
	int len = 0;

	(void)state;
	assert_non_null(p);
	for (int round = 0; round < 2; round++) {
		const struct http_head *head;
		struct http_text body;
		size_t used;

		len = snprintf(text, sizeof(text), "GET /%04000d HTTP/1.1\r\nHost: a\r\n", 7);
		for (int i = 1; i < HTTP_FIELDS_MAX; i++)
			len += snprintf(text + len, sizeof(text) - (size_t)len, "Name-%03d: %0100d\r\n", i, i);
		len += snprintf(text + len, sizeof(text) - (size_t)len, "\r\n");
		for (int at = 0; at < len - 1; at++)
			assert_int_equal(http_parser_read(p, (uint8_t *)text + at, 1, &used, &body), HTTP_MORE);
		assert_int_equal(http_parser_read(p, (uint8_t *)text + len - 1, 1, &used, &body), HTTP_HEAD);
		memset(text, 0, sizeof(text));
		head = http_parser_head(p);
		assert_int_equal(head->field_count, HTTP_FIELDS_MAX);
		assert_int_equal(head->target.len, 4001);
		assert_memory_equal(head->target.at + 3999, "07", 2);
		for (int i = 1; i < HTTP_FIELDS_MAX; i++) {
			snprintf(value, sizeof(value), "%04d", i);
			assert_int_equal(head->fields[i].value.len, 100);
			assert_memory_equal(head->fields[i].value.at + 96, value, 4);
		}
		assert_int_equal(http_parser_read(p, NULL, 0, &used, &body), HTTP_END);
		http_parser_next(p);
	}
	http_parser_free(p);
}

#define CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

static void chunk_lines_have_limits(void **state)
{
	static const struct http_limits limits = {.line = 100, .fields_bytes = 50, .fields_count = 3, .chunk_line = 20};

	(void)state;
	summary_is(HTTP_SIDE_SERVER, &limits, made(CHUNKED "2;", 'a', 18, "\r\nhi\r\n0\r\n\r\n"), "fine POST:/:2");
	summary_is(HTTP_SIDE_SERVER, &limits, made(CHUNKED "2;", 'a', 19, "\r\nhi\r\n0\r\n\r\n"), "bad POST:/:0+");
	summary_is(HTTP_SIDE_SERVER, &limits, made(CHUNKED, '0', 19, "2\r\nhi\r\n0\r\n\r\n"), "fine POST:/:2");
	summary_is(HTTP_SIDE_SERVER, &limits, made(CHUNKED, '0', 20, "2\r\nhi\r\n0\r\n\r\n"), "bad POST:/:0+");
	summary_is(HTTP_SIDE_SERVER, &limits, made(CHUNKED, '0', 500, ""), "bad POST:/:0+");
	summary_is(HTTP_SIDE_SERVER, &limits, made(CHUNKED "2;", ';', 500, ""), "bad POST:/:0+");
}

/* All extensions of a message together have the limit of a section of fields: 50 with the semicolons, counted anew for each
 * message. */
static void chunk_extensions_have_a_limit_in_all(void **state)
{
	static const struct http_limits limits = {.line = 100, .fields_bytes = 50, .fields_count = 3, .chunk_line = 20};
	static const char chunk[] = "1;aaaaaaaaa\r\nx\r\n"; /* 10 of extension, and the line's end with it */
	char text[1024] = CHUNKED;

	(void)state;
	for (int i = 0; i < 4; i++)
		strcat(text, chunk);
	strcat(text, "0\r\n\r\n" CHUNKED);
	for (int i = 0; i < 4; i++)
		strcat(text, chunk);
	strcat(text, "0\r\n\r\n");
	summary_is(HTTP_SIDE_SERVER, &limits, text, "fine POST:/:4 POST:/:4");
	strcpy(text, CHUNKED);
	for (int i = 0; i < 5; i++)
		strcat(text, chunk);
	summary_is(HTTP_SIDE_SERVER, &limits, text, "bad POST:/:4+");
}

static void chunk_sizes(void **state)
{
	static const struct {
		const char *size;
		bool taken;
	} cases[] = {
		{"1", true}, {"01", true}, {"a", true}, {"A", true}, {"7fffffffffffffff", true}, {"00007FFFFFFFFFFFFFFF", true},
		{"8000000000000000", false}, {"ffffffffffffffff", false}, {"10000000000000000", false}, {"10000000000000001", false},
		{"fffffffffffffffff", false}, {"", false}, {" ", false}, {" 1", false}, {"1 ", false}, {"1\t", false}, {"+1", false}, {"-1", false},
		{"-0", false}, {"0x1", false}, {"1h", false}, {"g", false}, {"1,1", false}, {"1_1", false}, {"1.0", false}, {"1 1", false}, {"'1'", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[256];

		snprintf(text, sizeof(text), CHUNKED "%s\r\nx", cases[i].size);
		summary_is(HTTP_SIDE_SERVER, &usual, text, cases[i].taken ? "cut POST:/:1+" : "bad POST:/:0+");
		snprintf(text, sizeof(text), CHUNKED "%s;a\r\nx", cases[i].size);
		summary_is(HTTP_SIDE_SERVER, &usual, text, cases[i].taken ? "cut POST:/:1+" : "bad POST:/:0+");
		snprintf(text, sizeof(text), CHUNKED "1\r\ny\r\n%s\r\nx", cases[i].size);
		summary_is(HTTP_SIDE_SERVER, &usual, text, cases[i].taken ? "cut POST:/:2+" : "bad POST:/:1+");
	}
}

static void responses_1xx_are_passed_over_up_to_a_bound(void **state)
{
	static const char interim[] = "HTTP/1.1 102 Processing\r\n\r\n";
	char text[1024] = "";

	(void)state;
	for (int i = 0; i < 16; i++)
		strcat(text, interim);
	strcat(text, "HTTP/1.1 204 X\r\n\r\n");
	summary_is(HTTP_SIDE_CLIENT, &usual, text, "fine 204:0");
	text[0] = '\0';
	for (int i = 0; i < 17; i++)
		strcat(text, interim);
	summary_is(HTTP_SIDE_CLIENT, &usual, text, "bad");
}

/* ---- the calls --------------------------------------------------------------------------------------------------------- */

static bool memory_is_short;

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
	return memory_is_short ? NULL : __real_realloc(old, size);
}

static enum http_event give(struct http_parser *p, const char *text, size_t *used)
{
	struct http_text body;

	return http_parser_read(p, (const uint8_t *)text, strlen(text), used, &body);
}

static void events_come_one_by_one(void **state)
{
	struct http_parser *p = http_parser_new(false, &usual);
	struct http_text body;
	size_t used;

	(void)state;
	assert_non_null(p);
	assert_false(http_parser_has_begun(p));
	assert_int_equal(http_parser_read(p, NULL, 0, &used, &body), HTTP_MORE);
	assert_int_equal(give(p, "\r\n", &used), HTTP_MORE);
	assert_false(http_parser_has_begun(p));
	assert_int_equal(give(p, "G", &used), HTTP_MORE);
	assert_true(http_parser_has_begun(p));
	assert_int_equal(give(p, "ET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET", &used), HTTP_HEAD);
	assert_int_equal(used, strlen("ET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"));
	assert_int_equal(http_parser_read(p, NULL, 0, &used, &body), HTTP_MORE);
	assert_int_equal(http_parser_read(p, (const uint8_t *)"hiGET", 5, &used, &body), HTTP_BODY);
	assert_int_equal(used, 2);
	assert_int_equal(body.len, 2);
	assert_int_equal(give(p, "GET", &used), HTTP_END);
	assert_int_equal(used, 0);
	assert_int_equal(give(p, "GET", &used), HTTP_END);
	assert_int_equal(http_parser_close(p), HTTP_END);
	http_parser_next(p);
	assert_false(http_parser_has_begun(p));
	assert_int_equal(give(p, "GET", &used), HTTP_MORE);
	assert_int_equal(http_parser_close(p), HTTP_ERROR);
	assert_int_equal(http_parser_error(p), HTTP_CUT);
	http_parser_free(p);
	http_parser_free(NULL);
}

static void an_error_stays(void **state)
{
	struct http_parser *p = http_parser_new(false, &usual);
	size_t used;

	(void)state;
	assert_non_null(p);
	assert_int_equal(http_parser_error(p), HTTP_OK);
	assert_string_equal(http_parser_why(p), "");
	assert_int_equal(give(p, "GET / HTTP/3.0\r\n", &used), HTTP_ERROR);
	assert_int_equal(http_parser_error(p), HTTP_VERSION);
	assert_string_equal(http_parser_why(p), "a version other than HTTP/1.0 and HTTP/1.1");
	http_parser_next(p);
	assert_int_equal(give(p, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", &used), HTTP_ERROR);
	assert_int_equal(used, 0);
	assert_int_equal(http_parser_close(p), HTTP_ERROR);
	assert_int_equal(http_parser_error(p), HTTP_VERSION);
	http_parser_free(p);
}

/* At the first byte, and where a head outgrows what it had. */
static void a_head_without_memory_is_our_fault(void **state)
{
	(void)state;
	for (int begun = 0; begun <= 1; begun++) {
		struct http_parser *p = http_parser_new(false, &usual);
		size_t used;

		assert_non_null(p);
		if (begun)
			assert_int_equal(give(p, "GET / HTTP/1.1\r\nHost: a\r\nX: ", &used), HTTP_MORE);
		memory_is_short = true;
		assert_int_equal(give(p, begun ? made("", 'x', 1500, "") : "GET", &used), HTTP_ERROR);
		memory_is_short = false;
		assert_int_equal(http_parser_error(p), HTTP_NO_MEMORY);
		http_parser_free(p);
	}
}

/* http_parser_expect() is about one response. */
static void only_the_response_to_head_has_no_body(void **state)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
	struct http_parser *p = http_parser_new(true, &usual);
	size_t used;

	(void)state;
	assert_non_null(p);
	http_parser_expect(p, true);
	assert_int_equal(give(p, reply, &used), HTTP_HEAD);
	assert_int_equal(give(p, "", &used), HTTP_END);
	http_parser_next(p);
	assert_int_equal(give(p, reply, &used), HTTP_HEAD);
	assert_int_equal(give(p, "", &used), HTTP_MORE);
	assert_int_equal(give(p, "hi", &used), HTTP_BODY);
	assert_int_equal(give(p, "", &used), HTTP_END);
	http_parser_free(p);
}

/* Every place that a connection can be closed at. */
static void closed_at_every_position(void **state)
{
	static const struct {
		enum http_side side;
		const char *text;
		size_t whole_from; /* from this length on the message is whole */
	} cases[] = {
		{HTTP_SIDE_SERVER, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27},
		{HTTP_SIDE_SERVER, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 48},
		{HTTP_SIDE_SERVER, CHUNKED "2;a\r\nhi\r\n0\r\nX: y\r\n\r\n", sizeof(CHUNKED) - 1 + 20},
		{HTTP_SIDE_CLIENT, "HTTP/1.1 200 OK\r\nX: y\r\n\r\nhi", 25},
		{HTTP_SIDE_CLIENT, "HTTP/1.1 100 OK\r\n\r\nHTTP/1.1 204 OK\r\n\r\n", 38},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct http_cuts uncut = {.piece = http_cut_every, .number = SIZE_MAX};

		for (size_t len = 0; len <= strlen(cases[i].text); len++) {
			struct http_transcript t = http_transcript(cases[i].side, &usual, (const uint8_t *)cases[i].text, len, &uncut);

			if (strncmp(t.summary, len >= cases[i].whole_from ? "fine " : "cut", 3) != 0)
				fail_msg("%s closed at %zu: %s", cases[i].text, len, t.summary);
			http_transcript_free(&t);
		}
	}
}

/* A longer body passes through in pieces of what was given, and nothing of it is copied. */
static void bodies_pass_through(void **state)
{
	enum { BODY = 100000, PIECE = 1000 };
	struct http_parser *p = http_parser_new(true, &usual);
	static uint8_t bytes[PIECE];
	uint64_t total = 0;
	struct http_text body;
	size_t used;

	(void)state;
	assert_non_null(p);
	assert_int_equal(give(p, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", &used), HTTP_HEAD);
	while (total < BODY) {
		assert_int_equal(http_parser_read(p, bytes, PIECE, &used, &body), HTTP_BODY);
		assert_int_equal(used, PIECE);
		assert_ptr_equal(body.at, bytes);
		total += body.len;
	}
	assert_int_equal(http_parser_read(p, bytes, PIECE, &used, &body), HTTP_END);
	assert_int_equal(used, 0);
	http_parser_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_one_behind_another),
		cmocka_unit_test(responses_one_behind_another),
		cmocka_unit_test(upgrades_change_nothing),
		cmocka_unit_test(trailers_are_dropped),
		cmocka_unit_test(one_empty_line_before_a_request),
		cmocka_unit_test(first_lines_have_a_limit),
		cmocka_unit_test(fields_have_limits),
		cmocka_unit_test(large_heads_are_whole),
		cmocka_unit_test(chunk_lines_have_limits),
		cmocka_unit_test(chunk_extensions_have_a_limit_in_all),
		cmocka_unit_test(chunk_sizes),
		cmocka_unit_test(responses_1xx_are_passed_over_up_to_a_bound),
		cmocka_unit_test(events_come_one_by_one),
		cmocka_unit_test(an_error_stays),
		cmocka_unit_test(a_head_without_memory_is_our_fault),
		cmocka_unit_test(only_the_response_to_head_has_no_body),
		cmocka_unit_test(closed_at_every_position),
		cmocka_unit_test(bodies_pass_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
