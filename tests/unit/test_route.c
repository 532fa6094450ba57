/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o proxy/decide/route.o base/bytes.o translate/map_template.o coap/option.o */
#include <stdlib.h>

#include "tests/unit/covers.h"
#include "tests/unit/question.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* One route and one request: how the first condition that fails is found. */
struct row {
	const char *route;
	bool forward, oscore;
	const char *host;
	uint16_t port;
	const char *path;
	enum route_mismatch want;
};

static void check_rows(const struct row *rows, size_t count)
{
	struct uri_part parts[ROUTE_SEGMENTS_MAX];
	struct route_question q;
	char text[1024];
	size_t i;

	for (i = 0; i < count; i++) {
		struct snapshot *s;
		enum route_mismatch m;

		snprintf(text, sizeof(text), LISTENERS "routes: { other: { to = [\"coap://h\"]; from = [\"two\"]; }; r: { %s }; };", rows[i].route);
		s = configured(text);
		question_set(&q, rows[i].forward, rows[i].oscore, rows[i].host, rows[i].port, rows[i].path, parts);
		m = route_check(&s->routes[1], &q);
		if (m != rows[i].want)
			fail_msg("%s | %s %u %s: %s", rows[i].route, rows[i].host, rows[i].port, rows[i].path, route_mismatch_text(m));
		assert_ptr_equal(route_find(s, &q), m == ROUTE_MATCH ? &s->routes[1] : NULL);
		snapshot_release(s);
	}
}

#define TO "to = [\"coap://192.0.2.9\"]; "
#define DENY "deny = true; "
#define ANYWHERE "forward-to = [\"coap://*:*\"]; "

static void test_forms(void **state)
{
	static const struct row rows[] = {
		{TO, false, false, "h", 5683, "", ROUTE_MATCH},
		{TO, true, false, "h", 5683, "", ROUTE_OTHER_FORM},
		{ANYWHERE, true, false, "h", 5683, "", ROUTE_MATCH},
		{ANYWHERE, false, false, "h", 5683, "", ROUTE_OTHER_FORM},
		{DENY, true, false, "h", 5683, "", ROUTE_MATCH},
		{DENY, false, true, "h", 5683, "", ROUTE_MATCH},
		{DENY ANYWHERE, false, false, "h", 5683, "", ROUTE_OTHER_FORM},
	};

	(void)state;
	covers("C7252-5.7.3-1");
	check_rows(rows, COUNT(rows));
}

static void test_listeners_and_clients(void **state)
{
	static const struct row rows[] = {
		{TO "from = [\"one\"];", false, false, "h", 5683, "", ROUTE_MATCH},
		{TO "from = [\"two\"];", false, false, "h", 5683, "", ROUTE_OTHER_LISTENER},
		{TO "from = [\"two\", \"one\"];", false, false, "h", 5683, "", ROUTE_MATCH},
		{TO "clients = [\"192.0.2.0/24\"];", false, false, "h", 5683, "", ROUTE_MATCH},
		{TO "clients = [\"192.0.2.2\", \"fd00::/8\"];", false, false, "h", 5683, "", ROUTE_OTHER_CLIENT},
		{TO "clients = [\"::/0\"];", false, false, "h", 5683, "", ROUTE_OTHER_CLIENT},
		{TO "clients = [\"0.0.0.0/0\"];", false, false, "h", 5683, "", ROUTE_MATCH},
		{TO "from = [\"two\"]; clients = [\"192.0.2.2\"];", false, false, "h", 5683, "", ROUTE_OTHER_LISTENER},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void test_hosts_and_ports(void **state)
{
	static const struct row rows[] = {
		{TO "hosts = [\"a.example\"];", false, false, "a.example", 5683, "", ROUTE_MATCH},
		{TO "hosts = [\"A.Example\"];", false, false, "a.eXample", 5683, "", ROUTE_MATCH},
		{TO "hosts = [\"a.example.\"];", false, false, "a.example", 5683, "", ROUTE_MATCH},
		{DENY "hosts = [\"a.example\"];", false, false, "a.example.", 5683, "", ROUTE_MATCH},
		{DENY "hosts = [\"*.example\"];", false, false, "a.example.", 5683, "", ROUTE_MATCH},
		{TO "hosts = [\"a.example\"];", false, false, "a.example2", 5683, "", ROUTE_OTHER_HOST},
		{TO "hosts = [\"a.example\"];", false, false, "", 5683, "", ROUTE_OTHER_HOST},
		{TO "hosts = [\"*.example\"];", false, false, "example", 5683, "", ROUTE_OTHER_HOST},
		{TO "hosts = [\"*.example\"];", false, false, ".example", 5683, "", ROUTE_OTHER_HOST},
		{TO "hosts = [\"*.example\"];", false, false, "a.b.example", 5683, "", ROUTE_MATCH},
		{TO "hosts = [\"*.example\"];", false, false, "badexample", 5683, "", ROUTE_OTHER_HOST},
		{TO "hosts = [\"10.0.0.0/8\"];", false, false, "10.1.2.3", 5683, "", ROUTE_MATCH},
		{TO "hosts = [\"10.0.0.0/8\"];", false, false, "11.1.2.3", 5683, "", ROUTE_OTHER_HOST},
		{TO "hosts = [\"10.0.0.0/8\"];", false, false, "10.example", 5683, "", ROUTE_OTHER_HOST},
		{TO "hosts = [\"fd00::1\"];", false, false, "fd00:0::1", 5683, "", ROUTE_MATCH},
		{TO "hosts = [\"*\"];", false, false, "fd00::1", 5683, "", ROUTE_MATCH},
		{TO "hosts = [\"x\", \"y\"];", false, true, "y", 5683, "", ROUTE_MATCH},
		{TO "ports = 5683;", false, false, "h", 5683, "", ROUTE_MATCH},
		{TO "ports = 5683;", false, false, "h", 5684, "", ROUTE_OTHER_PORT},
		{TO "ports = \"5684-5690\";", false, false, "h", 5683, "", ROUTE_OTHER_PORT},
		{TO "ports = \"5684-5690\";", false, false, "h", 5690, "", ROUTE_MATCH},
		{TO "ports = \"5684-5690\";", false, false, "h", 5691, "", ROUTE_OTHER_PORT},
		{DENY "hosts = [\"a\"];", true, false, "b", 5683, "", ROUTE_OTHER_HOST},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void test_targets(void **state)
{
	static const struct row rows[] = {
		{"forward-to = [\"coap://*\"];", true, false, "h", 5683, "", ROUTE_MATCH},
		{"forward-to = [\"coap://*\"];", true, false, "h", 53, "", ROUTE_OTHER_TARGET},
		{"forward-to = [\"coap://*:*\"];", true, false, "h", 53, "", ROUTE_MATCH},
		{"forward-to = [\"coap://h:53\"];", true, false, "h", 53, "", ROUTE_MATCH},
		{"forward-to = [\"coap://h:53\"];", true, false, "h", 5683, "", ROUTE_OTHER_TARGET},
		{"forward-to = [\"coap://*.plant.example\"];", true, true, "s1.plant.example", 5683, "", ROUTE_MATCH},
		{"forward-to = [\"coap://*.plant.example\"];", true, true, "plant.example", 5683, "", ROUTE_OTHER_TARGET},
		{"forward-to = [\"coap://10.0.0.0/8:*\"];", true, false, "10.9.9.9", 1, "", ROUTE_MATCH},
		{"forward-to = [\"coap://10.0.0.0/8:*\"];", true, false, "::ffff:10.9.9.9", 1, "", ROUTE_MATCH},
		{"forward-to = [\"coap://10.0.0.0/8:*\"];", true, false, "127.0.0.1", 1, "", ROUTE_OTHER_TARGET},
		{"forward-to = [\"coap://[fd00::/8]\"];", true, false, "fd00::7", 5683, "", ROUTE_MATCH},
		{"forward-to = [\"coap://[fd00::/8]\"];", true, false, "fe80::7", 5683, "", ROUTE_OTHER_TARGET},
		{"forward-to = [\"coap://a\", \"coap://b\"];", true, false, "b", 5683, "", ROUTE_MATCH},
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

/* A target of another scheme is another target, whatever its host. */
static void test_schemes(void **state)
{
	struct snapshot *s = configured(LISTENERS "routes: { r: { " ANYWHERE "}; };");
	struct uri_part parts[ROUTE_SEGMENTS_MAX];
	struct route_question q;

	(void)state;
	question_set(&q, true, false, "h", 5683, "", parts);
	q.scheme = URI_COAPS;
	assert_int_equal(route_check(&s->routes[0], &q), ROUTE_OTHER_TARGET);
	snapshot_release(s);
}

static void test_paths(void **state)
{
	static const struct row rows[] = {
		{TO "paths = [\"/\"];", false, false, "h", 5683, "", ROUTE_MATCH},
		{TO "paths = [\"/\"];", false, false, "h", 5683, "/", ROUTE_OTHER_PATH},
		{TO "paths = [\"/a/\"];", false, false, "h", 5683, "/a/", ROUTE_MATCH},
		{TO "paths = [\"/a/\"];", false, false, "h", 5683, "/a", ROUTE_OTHER_PATH},
		{TO "paths = [\"/a/b\"];", false, false, "h", 5683, "/a/b", ROUTE_MATCH},
		{TO "paths = [\"/a/b\"];", false, false, "h", 5683, "/a/B", ROUTE_OTHER_PATH},
		{TO "paths = [\"/a/b\"];", false, false, "h", 5683, "/a/b/c", ROUTE_OTHER_PATH},
		{TO "paths = [\"/a/*\"];", false, false, "h", 5683, "/a/b", ROUTE_MATCH},
		{TO "paths = [\"/a/*\"];", false, false, "h", 5683, "/a", ROUTE_OTHER_PATH},
		{TO "paths = [\"/a/*\"];", false, false, "h", 5683, "/a/b/c", ROUTE_OTHER_PATH},
		{TO "paths = [\"/a/**\"];", false, false, "h", 5683, "/a", ROUTE_MATCH},
		{TO "paths = [\"/a/**\"];", false, false, "h", 5683, "/a/b/c", ROUTE_MATCH},
		{TO "paths = [\"/a/**\"];", false, false, "h", 5683, "/b", ROUTE_OTHER_PATH},
		{TO "paths = [\"/**\"];", false, false, "h", 5683, "", ROUTE_MATCH},
		{TO "paths = [\"/%2A\"];", false, false, "h", 5683, "/*", ROUTE_MATCH},
		{TO "paths = [\"/%2A\"];", false, false, "h", 5683, "/b", ROUTE_OTHER_PATH},
		{TO "paths = [\"/a%20b\"];", false, false, "h", 5683, "/a b", ROUTE_MATCH},
		{TO "paths = [\"/x\", \"/y\"];", false, false, "h", 5683, "/y", ROUTE_MATCH},
		{ANYWHERE "paths = [\"/x\"];", true, false, "h", 5683, "/y", ROUTE_OTHER_PATH},
		{DENY "paths = [\"/x\"];", true, false, "h", 5683, "/x", ROUTE_MATCH},
	};

	(void)state;
	covers("C7252-11.1-1");
	check_rows(rows, COUNT(rows));
}

/* Segments are compared decoded: one that holds a slash is not two. */
static void test_slash_in_a_segment(void **state)
{
	struct snapshot *s = configured(LISTENERS "routes: { r: { " DENY "paths = [\"/a/b\"]; }; t: { " DENY "paths = [\"/a%2Fb\"]; }; };");
	struct uri_part parts[ROUTE_SEGMENTS_MAX];
	struct route_question q;

	(void)state;
	covers("C7252-11.1-1");
	question_set(&q, false, false, "h", 5683, "", parts);
	parts[0] = (struct uri_part){"a/b", 3};
	q.path_count = 1;
	assert_int_equal(route_check(&s->routes[0], &q), ROUTE_OTHER_PATH);
	assert_int_equal(route_check(&s->routes[1], &q), ROUTE_MATCH);
	snapshot_release(s);
}

static void test_oscore_hides_the_path(void **state)
{
	static const struct row rows[] = {
		{TO "paths = [\"/a\"];", false, true, "h", 5683, "/a", ROUTE_PATH_HIDDEN},
		{TO "paths = [\"/**\"];", false, true, "h", 5683, "", ROUTE_PATH_HIDDEN},
		{DENY "paths = [\"/a\"];", true, true, "h", 5683, "/a", ROUTE_PATH_HIDDEN},
		{TO "paths = [\"/a\"]; hosts = [\"i\"];", false, true, "h", 5683, "/a", ROUTE_OTHER_HOST},
		{TO "hosts = [\"h\"];", false, true, "h", 5683, "/a", ROUTE_MATCH},
	};

	(void)state;
	covers("S-23");
	check_rows(rows, COUNT(rows));
	assert_non_null(strstr(route_mismatch_text(ROUTE_PATH_HIDDEN), "OSCORE"));
}

static void test_first_route_wins(void **state)
{
	struct snapshot *s = configured(LISTENERS "routes: { a: { " TO "hosts = [\"x\"]; }; b: { " TO "}; c: { " TO "hosts = [\"y\"]; }; };");
	struct uri_part parts[ROUTE_SEGMENTS_MAX];
	struct route_question q;

	(void)state;
	question_set(&q, false, false, "x", 5683, "", parts);
	assert_string_equal(route_find(s, &q)->name, "a");
	question_set(&q, false, false, "y", 5683, "", parts);
	assert_string_equal(route_find(s, &q)->name, "b");
	question_set(&q, true, false, "y", 5683, "", parts);
	assert_null(route_find(s, &q));
	snapshot_release(s);
}

/* Who a client's session says he is decides at the first proxy: nothing of it goes on to the origin, who could not tell. */
static void test_identities(void **state)
{
	static const struct {
		const char *identities, *who; /* who: NULL is nobody */
		enum route_mismatch want;
	} cases[] = {
		{"[]", NULL, ROUTE_MATCH}, {"[]", "meter-17", ROUTE_MATCH},
		{"[\"meter-17\"]", NULL, ROUTE_NOBODY}, {"[\"meter-17\"]", "meter-17", ROUTE_MATCH},
		{"[\"meter-17\"]", "meter-1", ROUTE_OTHER_IDENTITY}, {"[\"meter-17\"]", "meter-170", ROUTE_OTHER_IDENTITY},
		{"[\"meter-17\"]", "METER-17", ROUTE_OTHER_IDENTITY}, {"[\"meter-17\"]", "", ROUTE_OTHER_IDENTITY},
		{"[\"meter-*\"]", "meter-17", ROUTE_MATCH}, {"[\"meter-*\"]", "meter-", ROUTE_MATCH},
		{"[\"meter-*\"]", "meter", ROUTE_OTHER_IDENTITY}, {"[\"meter-*\"]", NULL, ROUTE_NOBODY},
		{"[\"a\", \"b*\"]", "bob", ROUTE_MATCH}, {"[\"*\"]", "x", ROUTE_MATCH}, {"[\"*\"]", NULL, ROUTE_NOBODY},
	};
	struct uri_part parts[ROUTE_SEGMENTS_MAX];
	struct route_question q;
	char text[512];

	(void)state;
	covers("C7252-9-3");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct snapshot *s;

		snprintf(text, sizeof(text), "listeners: { s: { url = \"coaps://[::]\"; psk-file = \"/p\"; }; };\n"
			"routes: { r: { to = [\"coap://h\"]; identities = %s; }; };", cases[i].identities);
		s = configured(text);
		question_set(&q, false, i % 2, "h", 5684, "", parts);
		q.identity = cases[i].who;
		if (route_check(&s->routes[0], &q) != cases[i].want)
			fail_msg("%s asks where it is for %s", cases[i].who ? cases[i].who : "nobody", cases[i].identities);
		q.any_identity = true;
		assert_int_equal(route_check(&s->routes[0], &q), ROUTE_MATCH);
		snapshot_release(s);
	}
}

static void test_texts(void **state)
{
	enum route_mismatch m;

	(void)state;
	for (m = ROUTE_MATCH; m <= ROUTE_OTHER_IDENTITY; m++)
		assert_true(strlen(route_mismatch_text(m)) > 5);
	assert_string_equal(route_mismatch_text((enum route_mismatch)99), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms), cmocka_unit_test(test_listeners_and_clients), cmocka_unit_test(test_hosts_and_ports),
		cmocka_unit_test(test_targets), cmocka_unit_test(test_schemes), cmocka_unit_test(test_paths),
		cmocka_unit_test(test_slash_in_a_segment), cmocka_unit_test(test_oscore_hides_the_path),
		cmocka_unit_test(test_first_route_wins), cmocka_unit_test(test_identities), cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
