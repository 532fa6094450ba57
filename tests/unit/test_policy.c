/* objects: conf/arena.o conf/check.o conf/check_http.o conf/grammar.o conf/manual.o conf/members.o conf/pattern.o conf/print.o conf/read.o conf/snapshot.o conf/value.o conf/words.o base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o base/errors.o proxy/decide/policy.o base/bytes.o translate/map_template.o */
#include <stdlib.h>

#include "proxy/decide/policy.h"
#include "tests/unit/covers.h"
#include "tests/unit/question.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct request_row {
	const char *route;
	uint8_t method;
	bool oscore;
	enum error want;
};

static void test_requests(void **state)
{
	static const struct request_row rows[] = {
		{"to = [\"coap://h\"];", 1, false, ERR_NONE},
		{"to = [\"coap://h\"];", 7, false, ERR_NONE},
		{"to = [\"coap://h\"];", 8, false, ERR_METHOD_UNKNOWN},
		{"to = [\"coap://h\"];", 31, true, ERR_METHOD_UNKNOWN},
		{"deny = true;", 1, false, ERR_FORBIDDEN},
		{"deny = true;", 2, true, ERR_FORBIDDEN},
		{"to = [\"coap://h\"]; require = [\"oscore\"];", 1, false, ERR_OSCORE_REQUIRED},
		{"to = [\"coap://h\"]; require = [\"oscore\"];", 2, true, ERR_NONE},
		{"to = [\"coap://h\"]; methods = [\"GET\", \"iPATCH\"];", 1, false, ERR_NONE},
		{"to = [\"coap://h\"]; methods = [\"GET\", \"iPATCH\"];", 7, false, ERR_NONE},
		{"to = [\"coap://h\"]; methods = [\"GET\", \"iPATCH\"];", 3, false, ERR_METHOD},
		{"to = [\"coap://h\"]; methods = [\"GET\"];", 2, true, ERR_NONE},
	};
	struct uri_part parts[ROUTE_SEGMENTS_MAX];
	struct route_question q;
	char text[512];
	size_t i;

	(void)state;
	covers("C7252-5.8-1");
	for (i = 0; i < COUNT(rows); i++) {
		struct snapshot *s;

		snprintf(text, sizeof(text), LISTENERS "routes: { r: { %s }; };", rows[i].route);
		s = configured(text);
		question_set(&q, false, rows[i].oscore, "h", 5683, "", parts);
		q.method = rows[i].method;
		if (policy_check_request(&s->routes[0], &q) != rows[i].want)
			fail_msg("%s with method %u", rows[i].route, rows[i].method);
		snapshot_release(s);
	}
}

struct address_row {
	const char *allow;  /* allow-networks of the route */
	const char *address;
	uint16_t port;
	bool configured;
	bool wanted;        /* may be sent to */
};

/* Listeners: 127.0.0.1:5683 and [::]:5684; 192.0.2.50 and fd00::50 are this host. */
static void check_addresses(const struct address_row *rows, size_t count)
{
	struct endpoint own[2] = {address("192.0.2.50", 0), address("fd00::50", 0)}, target;
	const struct policy_own list = {own, COUNT(own)};
	char text[512];
	size_t i;

	for (i = 0; i < count; i++) {
		struct snapshot *s;
		enum error e;

		snprintf(text, sizeof(text), LISTENERS "routes: { r: { forward-to = [\"coap://*:*\"]; allow-networks = [%s]; }; };", rows[i].allow);
		s = configured(text);
		target = address(rows[i].address, rows[i].port);
		e = policy_check_address(s, &s->routes[0], &target, rows[i].configured, &list);
		if (e != (rows[i].wanted ? ERR_NONE : ERR_ADDRESS))
			fail_msg("allowed [%s], %s port %u, configured %d: %d", rows[i].allow, rows[i].address, rows[i].port, rows[i].configured, e);
		snapshot_release(s);
	}
}

static void test_addresses_of_clients(void **state)
{
	static const struct address_row rows[] = {
		{"", "192.0.2.1", 5683, false, true},
		{"", "fd00::1", 5683, false, true},
		{"", "10.0.0.1", 53, false, true},
		{"", "127.0.0.1", 53, false, false},
		{"", "127.255.255.254", 5700, false, false},
		{"", "::1", 5700, false, false},
		{"", "::ffff:127.0.0.1", 5700, false, false},
		{"", "169.254.1.1", 5683, false, false},
		{"", "fe80::1", 5683, false, false},
		{"", "0.0.0.0", 5683, false, false},
		{"", "0.1.2.3", 5683, false, false},
		{"", "::", 5683, false, false},
		{"\"127.0.0.0/8\"", "127.0.0.1", 5700, false, true},
		{"\"127.0.0.0/8\"", "::1", 5700, false, false},
		{"\"10.0.0.0/8\", \"::1\"", "::1", 5700, false, true},
		{"\"fe80::/10\"", "fe80::1%lo", 5683, false, true},
		{"\"fe80::/10\"", "fe80::1", 5683, false, false},
		{"\"::/0\"", "127.0.0.1", 5700, false, false},
	};

	(void)state;
	covers("C7252-11.5-1");
	check_addresses(rows, COUNT(rows));
}

static void test_groups_are_never_reached(void **state)
{
	static const struct address_row rows[] = {
		{"", "224.0.1.187", 5683, false, false},
		{"\"224.0.0.0/4\", \"ff00::/8\"", "224.0.1.187", 5683, false, false},
		{"\"224.0.1.187\"", "224.0.1.187", 5683, true, false},
		{"\"255.255.255.255\"", "255.255.255.255", 5683, false, false},
		{"\"ff00::/8\"", "ff02::fd", 5683, false, false},
	};

	(void)state;
	covers("S-37 C7252-8.2.2-1");
	check_addresses(rows, COUNT(rows));
}

static void test_configured_addresses(void **state)
{
	static const struct address_row rows[] = {
		{"", "127.0.0.1", 5700, true, true},
		{"", "::1", 5700, true, true},
		{"", "fe80::1%lo", 5683, true, true},
		{"", "0.0.0.0", 5700, true, false},
		{"", "::", 5700, true, false},
		{"", "127.0.0.1", 5683, true, false},
	};

	(void)state;
	check_addresses(rows, COUNT(rows));
}

/* A wide network is no leave to send the gateway to itself; the exact address is. */
static void test_own_listeners(void **state)
{
	static const struct address_row rows[] = {
		{"", "127.0.0.1", 5683, false, false},
		{"\"127.0.0.0/8\"", "127.0.0.1", 5683, false, false},
		{"\"127.0.0.0/8\"", "127.0.0.2", 5683, false, true},
		{"\"127.0.0.0/8\"", "127.0.0.2", 5684, false, false},
		{"\"127.0.0.1\"", "127.0.0.1", 5683, false, true},
		{"\"0.0.0.0/0\"", "0.0.0.0", 5683, false, false},
		{"\"0.0.0.0/0\"", "0.0.0.0", 5684, false, false},
		{"\"0.0.0.0/0\"", "0.0.0.0", 5685, false, true},
		{"", "192.0.2.50", 5684, false, false},
		{"", "192.0.2.50", 5684, true, false},
		{"", "192.0.2.50", 5683, false, true},
		{"", "fd00::50", 5684, false, false},
		{"", "fd00::51", 5684, false, true},
	};

	(void)state;
	check_addresses(rows, COUNT(rows));
}

/* Without the list of interfaces, and with an IPv4 listener that takes no IPv6. */
static void test_without_interfaces(void **state)
{
	struct snapshot *s = configured("listeners: { a: { url = \"coap://0.0.0.0\"; }; };\n"
		"routes: { r: { forward-to = [\"coap://*:*\"]; allow-networks = [\"127.0.0.0/8\", \"::/0\"]; }; };");
	struct endpoint four = address("127.0.0.9", 5683), six = address("fd00::50", 5683);

	(void)state;
	assert_int_equal(policy_check_address(s, &s->routes[0], &four, false, NULL), ERR_ADDRESS);
	assert_int_equal(policy_check_address(s, &s->routes[0], &six, false, NULL), ERR_NONE);
	snapshot_release(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests), cmocka_unit_test(test_addresses_of_clients), cmocka_unit_test(test_groups_are_never_reached),
		cmocka_unit_test(test_configured_addresses), cmocka_unit_test(test_own_listeners), cmocka_unit_test(test_without_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
