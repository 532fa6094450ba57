/* objects: proxy/decide/target.o proxy/decide/policy.o translate/outer.o coap/message.o coap/option.o coap/uri.o base/endpoint.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/decide/target.h"
#include "tests/unit/covers.h"
#include "tests/unit/made.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct endpoint address(const char *text, uint16_t port)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse_literal(&e, text, strlen(text), false), 0);
	e.port = port;
	return e;
}

static enum error read_target(struct made *made, struct target *t, const char *asked)
{
	struct endpoint ours = address(asked, 5683), client = address("192.0.2.1", 40000);
	struct outer_request r;
	uint16_t offender;

	assert_int_equal(outer_read_request(&made->m, &r, &offender), ERR_NONE);
	return target_read(&made->m, &r, &(struct target_asked){ .address = ours }, &client, 3, t);
}

struct row {
	const char *options;
	enum error want;
	/* the rest where ERR_NONE */
	bool forward, literal;
	enum uri_scheme scheme;
	const char *host;
	uint16_t port;
	const char *path; /* each segment behind a slash */
};

static void check_rows(const struct row *rows, size_t count, const char *asked)
{
	for (size_t i = 0; i < count; i++) {
		static struct target t;
		const struct route_question *q = &t.question;
		struct made made;
		char path[MADE_TEXT] = "";
		enum error e;

		made_message(&made, CODE_GET, rows[i].options, NULL);
		e = read_target(&made, &t, asked);
		if (e != rows[i].want)
			fail_msg("%s: error %d", rows[i].options, e);
		if (e != ERR_NONE)
			continue;
		for (size_t k = 0; k < q->path_count; k++)
			sprintf(path + strlen(path), "/%.*s", (int)q->path[k].len, q->path[k].at);
		if (q->forward != rows[i].forward || q->host_is_literal != rows[i].literal || q->scheme != rows[i].scheme ||
			q->port != rows[i].port || q->host_len != strlen(rows[i].host) || strncmp(q->host, rows[i].host, q->host_len) != 0 ||
			strcmp(path, rows[i].path) != 0)
			fail_msg("%s: %s %s %d %.*s %u '%s'", rows[i].options, q->forward ? "forward" : "reverse",
				q->host_is_literal ? "literal" : "name", q->scheme, (int)q->host_len, q->host, q->port, path);
		if (q->host_is_literal)
			assert_int_equal(q->literal.port, q->port);
		assert_int_equal(q->listener, 3);
		assert_int_equal(q->method, CODE_GET);
		assert_int_equal(q->client.port, 40000);
	}
}

static void by_proxy_uri(void **state)
{
	static const struct row rows[] = {
		{"35='coap://h/a/b?q'", ERR_NONE, true, false, URI_COAP, "h", 5683, "/a/b"},
		{"35='COAP://H.Example:77'", ERR_NONE, true, false, URI_COAP, "h.example", 77, ""},
		{"35='coap://h:/'", ERR_NONE, true, false, URI_COAP, "h", 5683, ""},
		{"35='coap://h/a/'", ERR_NONE, true, false, URI_COAP, "h", 5683, "/a/"},
		{"35='coap://h/a%2Fb/%2525'", ERR_NONE, true, false, URI_COAP, "h", 5683, "/a/b/%25"},
		{"35='coap://h/a/%2e%2E/b'", ERR_NONE, true, false, URI_COAP, "h", 5683, "/b"},
		{"35='coaps://h'", ERR_NONE, true, false, URI_COAPS, "h", 5684, ""},
		{"35='coap+tcp://h'", ERR_NONE, true, false, URI_COAP_TCP, "h", 5683, ""},
		{"35='http://h/a'", ERR_NONE, true, false, URI_HTTP, "h", 80, "/a"},
		{"35='coap://192.0.2.9:5/x'", ERR_NONE, true, true, URI_COAP, "192.0.2.9", 5, "/x"},
		{"35='coap://[2001:DB8::9]'", ERR_NONE, true, true, URI_COAP, "2001:db8::9", 5683, ""},
		/* Uri-* beside it are ignored */
		{"3='i' 7=05 11='z' 15='y' 35='coap://h/a'", ERR_NONE, true, false, URI_COAP, "h", 5683, "/a"},
		{"3='i' 11='z' 35='coap://h'", ERR_NONE, true, false, URI_COAP, "h", 5683, ""},
		{"35='coap://h' 39='http'", ERR_NONE, true, false, URI_COAP, "h", 5683, ""},
		/* refused */
		{"35='ftp://h'", ERR_NO_ROUTE_FORWARD, false, false, 0, "", 0, ""},
		{"35='mailto:a'", ERR_NO_ROUTE_FORWARD, false, false, 0, "", 0, ""},
		{"35='/a'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='h'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap:///a'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap://:5683/'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap://h#f'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap://u@h'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap://h:0'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap://h:65536'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap://h:1x'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap://h/%zz'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap://h%20i'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap://a%40b'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap://[::1'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"35='coap://[fe80::1%25lo]'", ERR_BAD_URI, false, false, 0, "", 0, ""},
	};

	(void)state;
	covers("C7252-5.10.2-1 C7252-5.10.2-3 C7252-6.4-1 C7252-6-1 C7252-6.1-1 C7252-6.4-4 C7252-11.1-1 S-39");
	check_rows(rows, COUNT(rows), "192.0.2.250");
}

static void by_proxy_scheme(void **state)
{
	static const struct row rows[] = {
		{"3='h' 11='a' 11= 39='coap'", ERR_NONE, true, false, URI_COAP, "h", 5683, "/a/"},
		{"3='H.Example' 7=05 39='CoAP'", ERR_NONE, true, false, URI_COAP, "h.example", 5, ""},
		{"3='h' 7=00000005 39='coap'", ERR_NONE, true, false, URI_COAP, "h", 5, ""},
		{"3='h' 39='coaps'", ERR_NONE, true, false, URI_COAPS, "h", 5684, ""},
		{"3='h' 39='http'", ERR_NONE, true, false, URI_HTTP, "h", 80, ""},
		{"3='192.0.2.9' 39='coap'", ERR_NONE, true, true, URI_COAP, "192.0.2.9", 5683, ""},
		{"3='2001:db8::9' 39='coap'", ERR_NONE, true, true, URI_COAP, "2001:db8::9", 5683, ""},
		{"3='[2001:DB8::9]' 39='coap'", ERR_NONE, true, true, URI_COAP, "2001:db8::9", 5683, ""},
		{"39='coap'", ERR_BAD_URI, false, false, 0, "", 0, ""},
		{"3='h' 39='ftp'", ERR_NO_ROUTE_FORWARD, false, false, 0, "", 0, ""},
		{"3='h' 39='coap:'", ERR_NO_ROUTE_FORWARD, false, false, 0, "", 0, ""},
		{"3='h' 7= 39='coap'", ERR_BAD_OPTION, false, false, 0, "", 0, ""},
		{"3='h' 7=0000 39='coap'", ERR_BAD_OPTION, false, false, 0, "", 0, ""},
	};

	(void)state;
	covers("C7252-5.10.2-2 S-39");
	check_rows(rows, COUNT(rows), "192.0.2.250");
}

static void without_either(void **state)
{
	static const struct row rows[] = {
		{"", ERR_NONE, false, true, URI_COAP, "192.0.2.250", 5683, ""},
		{"7=05 11='a'", ERR_NONE, false, true, URI_COAP, "192.0.2.250", 5, "/a"},
		{"3='H' 11='A' 15='q'", ERR_NONE, false, false, URI_COAP, "h", 5683, "/A"},
		{"3='192.0.2.9' 7=05", ERR_NONE, false, true, URI_COAP, "192.0.2.9", 5, ""},
		{"3='[::9]'", ERR_NONE, false, true, URI_COAP, "::9", 5683, ""},
		{"7=", ERR_BAD_OPTION, false, false, 0, "", 0, ""},
		{"3='h' 7=00", ERR_BAD_OPTION, false, false, 0, "", 0, ""},
	};
	static const struct row by_ipv6[] = {
		{"11='a'", ERR_NONE, false, true, URI_COAP, "2001:db8::250", 5683, "/a"},
	};

	(void)state;
	covers("C7252-5.10.1-2 C7252-5.7.3-1");
	check_rows(rows, COUNT(rows), "192.0.2.250");
	check_rows(by_ipv6, COUNT(by_ipv6), "2001:db8::250");
}

/* A request for the address it was sent to is a local one, not a forward one. */
static void for_ourselves(void **state)
{
	static const struct row rows[] = {
		{"35='coap://192.0.2.250/a'", ERR_NONE, false, true, URI_COAP, "192.0.2.250", 5683, "/a"},
		{"35='coap://[::ffff:192.0.2.250]:5683'", ERR_NONE, false, true, URI_COAP, "::ffff:192.0.2.250", 5683, ""},
		{"3='192.0.2.250' 39='coap'", ERR_NONE, false, true, URI_COAP, "192.0.2.250", 5683, ""},
		{"35='coap://192.0.2.250:5684'", ERR_NONE, true, true, URI_COAP, "192.0.2.250", 5684, ""},
		{"35='coaps://192.0.2.250:5683'", ERR_NONE, true, true, URI_COAPS, "192.0.2.250", 5683, ""},
		{"35='coap://192.0.2.251'", ERR_NONE, true, true, URI_COAP, "192.0.2.251", 5683, ""},
		{"35='coap://h'", ERR_NONE, true, false, URI_COAP, "h", 5683, ""},
	};

	(void)state;
	check_rows(rows, COUNT(rows), "192.0.2.250");
}

static void oscore_is_told(void **state)
{
	static struct target t;
	struct made made;

	(void)state;
	made_message(&made, CODE_POST, "9=09 35='coap://h'", "x");
	assert_int_equal(read_target(&made, &t, "192.0.2.250"), ERR_NONE);
	assert_true(t.question.oscore && t.question.forward && t.from_uri);
	assert_int_equal(t.option_count, 0);
	made_message(&made, CODE_POST, "3='h'", "x");
	assert_int_equal(read_target(&made, &t, "192.0.2.250"), ERR_NONE);
	assert_false(t.question.oscore || t.question.forward || t.from_uri);
}

/* A Proxy-Uri of `segments` times "/a" and `arguments` of "b". */
static enum error long_uri(unsigned segments, unsigned arguments, struct target *t)
{
	char options[4096] = "35='coap://h";
	struct made made;

	for (unsigned i = 0; i < segments; i++)
		strcat(options, "/a");
	for (unsigned i = 0; i < arguments; i++)
		strcat(options, i == 0 ? "?b" : "&b");
	strcat(options, "'");
	made_message(&made, CODE_GET, options, NULL);
	return read_target(&made, t, "192.0.2.250");
}

static enum error many_segments(unsigned count, struct target *t)
{
	char options[4096] = "";
	struct made made;

	for (unsigned i = 0; i < count; i++)
		strcat(options, "11='a' ");
	made_message(&made, CODE_GET, options, NULL);
	return read_target(&made, t, "192.0.2.250");
}

static void more_than_there_is_room_for(void **state)
{
	static struct target t;
	char options[600] = "35='coap://h/", *at = options + strlen(options);
	struct made made;

	(void)state;
	assert_int_equal(long_uri(ROUTE_SEGMENTS_MAX, 0, &t), ERR_NONE);
	assert_int_equal(t.question.path_count, ROUTE_SEGMENTS_MAX);
	assert_int_equal(long_uri(ROUTE_SEGMENTS_MAX + 1, 0, &t), ERR_BAD_URI);
	assert_int_equal(long_uri(ROUTE_SEGMENTS_MAX - 1, 1, &t), ERR_NONE);
	assert_int_equal(t.option_count, ROUTE_SEGMENTS_MAX);
	assert_int_equal(long_uri(ROUTE_SEGMENTS_MAX - 1, 2, &t), ERR_BAD_URI);
	assert_int_equal(many_segments(ROUTE_SEGMENTS_MAX, &t), ERR_NONE);
	assert_int_equal(t.question.path_count, ROUTE_SEGMENTS_MAX);
	assert_int_equal(many_segments(ROUTE_SEGMENTS_MAX + 1, &t), ERR_BAD_URI);

	/* a segment or argument of 255 bytes, of 256 */
	memset(at, 'a', 256);
	strcpy(at + 255, "'");
	made_message(&made, CODE_GET, options, NULL);
	assert_int_equal(read_target(&made, &t, "192.0.2.250"), ERR_NONE);
	strcpy(at + 255, "a'");
	made_message(&made, CODE_GET, options, NULL);
	assert_int_equal(read_target(&made, &t, "192.0.2.250"), ERR_BAD_URI);
}

/* The name that the client's connection gave stands where Uri-Host would; by another transport a port is another's. */
static void connections(void **state)
{
	static struct target t;
	struct target_asked asked = { .address = address("192.0.2.250", 5684), .host = "Lab.Example" };
	struct endpoint client = address("192.0.2.1", 40000);
	struct outer_request r;
	struct made made;
	uint16_t offender;

	(void)state;
	covers("C8323-8.5-1 S-31 C8323-8-1");
	asked.address.transport = URI_COAPS_TCP;
	made_message(&made, CODE_GET, "11='a'", NULL);
	assert_int_equal(outer_read_request(&made.m, &r, &offender), ERR_NONE);
	assert_int_equal(target_read(&made.m, &r, &asked, &client, 3, &t), ERR_NONE);
	assert_false(t.question.forward || t.question.host_is_literal);
	assert_int_equal(t.question.scheme, URI_COAPS_TCP);
	assert_int_equal(t.question.host_len, 11);
	assert_memory_equal(t.question.host, "lab.example", 11);
	made_message(&made, CODE_GET, "3='other' 11='a'", NULL);
	assert_int_equal(outer_read_request(&made.m, &r, &offender), ERR_NONE);
	assert_int_equal(target_read(&made.m, &r, &asked, &client, 3, &t), ERR_NONE);
	assert_memory_equal(t.question.host, "other", 5);
	made_message(&made, CODE_GET, "35='coaps+tcp://192.0.2.250/a'", NULL);
	assert_int_equal(outer_read_request(&made.m, &r, &offender), ERR_NONE);
	assert_int_equal(target_read(&made.m, &r, &asked, &client, 3, &t), ERR_NONE);
	assert_false(t.question.forward);
	made_message(&made, CODE_GET, "35='coaps://192.0.2.250/a'", NULL);
	assert_int_equal(outer_read_request(&made.m, &r, &offender), ERR_NONE);
	assert_int_equal(target_read(&made.m, &r, &asked, &client, 3, &t), ERR_NONE);
	assert_true(t.question.forward);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_proxy_uri),
		cmocka_unit_test(connections), cmocka_unit_test(by_proxy_scheme), cmocka_unit_test(without_either),
		cmocka_unit_test(for_ourselves), cmocka_unit_test(oscore_is_told), cmocka_unit_test(more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
