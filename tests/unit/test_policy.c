/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o base/errors.o proxy/decide/policy.o base/bytes.o translate/map_template.o coap/option.o */
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

/* Over HTTP that nothing protects, secured targets are asked only where the route says so. */
static void test_secured_targets_from_bare_http(void **state)
{
	static const struct {
		const char *route;
		bool forward;
		enum uri_scheme target; /* of a forward request */
		bool secured;
	} cases[] = {
		{"to = [\"coap://h\"]; http-path = \"/x\";", false, URI_COAP, false},
		{"to = [\"coaps://h\"]; http-path = \"/x\";", false, URI_COAP, true},
		{"to = [\"coaps+tcp://h\"]; http-path = \"/x\";", false, URI_COAP, true},
		{"to = [\"coaps+ws://h\"]; http-path = \"/x\";", false, URI_COAP, true},
		{"to = [\"coap+tcp://h\", \"coap+ws://h\"]; http-path = \"/x\";", false, URI_COAP, false},
		{"to = [\"coap://h\", \"coaps://h\"]; http-path = \"/x\";", false, URI_COAP, true},
		{"to = [\"session:h\"]; http-path = \"/x\";", false, URI_COAP, false},
		{"forward-to = [\"coap://*\", \"coaps://*\"]; http-path = \"/{+tu}\";", true, URI_COAP, false},
		{"forward-to = [\"coap://*\", \"coaps://*\"]; http-path = \"/{+tu}\";", true, URI_COAPS, true},
		{"forward-to = [\"coap+tcp://*\", \"coaps+ws://*\"]; http-path = \"/{+tu}\";", true, URI_COAPS_WS, true},
		{"forward-to = [\"coap+tcp://*\", \"coaps+ws://*\"]; http-path = \"/{+tu}\";", true, URI_COAP_TCP, false},
	};
	struct uri_part parts[ROUTE_SEGMENTS_MAX];
	struct route_question q;
	struct snapshot *s;
	char text[512];
	size_t i;

	(void)state;
	covers("C8075-10.3-2");
	for (i = 0; i < 4 * COUNT(cases); i++) {
		const char *route = cases[i / 4].route;
		bool bare = i & 1, allowed = (i & 2) && cases[i / 4].secured;
		enum error want = bare && cases[i / 4].secured && !allowed ? ERR_BARE_HTTP : ERR_NONE;

		snprintf(text, sizeof(text), "listeners: { w: { url = \"http://[::1]\"; }; }; http: { credentials = \"/u\"; }; routes: { r: { %s %s }; };",
			route, allowed ? "coaps-from-http = true;" : "");
		s = configured(text);
		question_set(&q, cases[i / 4].forward, i % 3 == 0, "h", 5684, "", parts);
		q.scheme = cases[i / 4].target;
		q.any_identity = true;
		q.bare_http = bare;
		if (policy_check_request(&s->routes[0], &q) != want)
			fail_msg("%s (%zu)", route, i);
		snapshot_release(s);
	}
	assert_int_equal(error_row(ERR_BARE_HTTP)->http_status, 403);
}

/* CoAP that comes through HTTP is asked for a name as HTTP is, unless the route says that nobody is. */
static void test_names_are_demanded_through_http(void **state)
{
	static const struct {
		enum uri_scheme transport;
		const char *authenticate, *name;
		enum error want;
	} cases[] = {
		{URI_COAP, "", NULL, ERR_NONE}, {URI_COAPS, "", NULL, ERR_NONE}, {URI_COAP_TCP, "", NULL, ERR_NONE},
		{URI_COAPS_TCP, "", NULL, ERR_NONE}, {URI_COAP_WS, "", NULL, ERR_CREDENTIALS}, {URI_COAPS_WS, "", NULL, ERR_CREDENTIALS},
		{URI_COAP_WS, "", "alice", ERR_NONE}, {URI_COAPS_WS, "", "alice", ERR_NONE},
		{URI_COAP_WS, "authenticate = \"none\";", NULL, ERR_NONE}, {URI_COAPS_WS, "authenticate = \"none\";", NULL, ERR_NONE},
	};
	struct uri_part parts[ROUTE_SEGMENTS_MAX];
	struct route_question q;
	struct snapshot *s;
	char text[300];
	size_t i;

	(void)state;
	covers("C8075-10-2 C8323-9-1");
	for (i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), "listeners: { w: { url = \"http://[::1]\"; }; }; http: { credentials = \"/u\"; };"
			" routes: { r: { to = [\"coap://h\"]; %s }; };", cases[i].authenticate);
		s = configured(text);
		question_set(&q, false, i & 1, "h", 80, "", parts);
		q.client.transport = (uint16_t)cases[i].transport;
		q.identity = cases[i].name;
		if (policy_check_request(&s->routes[0], &q) != cases[i].want)
			fail_msg("%s, %s", uri_schemes[cases[i].transport].name, cases[i].name ? cases[i].name : "nobody");
		snapshot_release(s);
	}
}

enum { CLIENTS, CONFIGURED, STREAM, OSCORE = 4, SECURED = 8 };

struct address_row {
	const char *allow;  /* allow-networks of the route */
	const char *address;
	uint16_t port;
	unsigned how;       /* of these: a configured target, over a connection, an OSCORE message, in a session */
	bool wanted;        /* may be sent to */
};

/* Listeners: coap://127.0.0.1:5683, coap://[::]:5684 and, for connections, http://127.0.0.1:8080; 192.0.2.50 and fd00::50 are this host. */
static void check_addresses_with(const char *settings, const struct address_row *rows, size_t count)
{
	struct endpoint own[2] = {address("192.0.2.50", 0), address("fd00::50", 0)}, target;
	const struct policy_own list = {own, COUNT(own)};
	char text[512];
	size_t i;

	for (i = 0; i < count; i++) {
		struct snapshot *s;
		enum error e;

		snprintf(text, sizeof(text), "listeners: { one: { url = \"coap://127.0.0.1\"; }; two: { url = \"coap://[::]:5684\"; };"
			"web: { url = \"http://127.0.0.1:8080\"; }; };\n"
			"routes: { r: { from = [\"one\", \"two\"]; forward-to = [\"coap://*:*\"]; allow-networks = [%s]; %s}; };", rows[i].allow, settings);
		s = configured(text);
		target = address(rows[i].address, rows[i].port);
		e = policy_check_address(s, &s->routes[0], &(struct policy_target){.address = &target, .configured = rows[i].how & CONFIGURED,
			.stream = rows[i].how & STREAM, .oscore = rows[i].how & OSCORE, .secured = rows[i].how & SECURED}, &list);
		if (e != (rows[i].wanted ? ERR_NONE : ERR_ADDRESS))
			fail_msg("allowed [%s], %s port %u, how %u: %d", rows[i].allow, rows[i].address, rows[i].port, rows[i].how, e);
		snapshot_release(s);
	}
}

static void check_addresses(const struct address_row *rows, size_t count)
{
	check_addresses_with("", rows, count);
}

static void test_addresses_of_clients(void **state)
{
	static const struct address_row rows[] = {
		{"", "192.0.2.1", 5683, CLIENTS, true},
		{"", "fd00::1", 5683, CLIENTS, true},
		{"", "10.0.0.1", 53, CLIENTS, true},
		{"", "127.0.0.1", 53, CLIENTS, false},
		{"", "127.255.255.254", 5700, CLIENTS, false},
		{"", "::1", 5700, CLIENTS, false},
		{"", "::ffff:127.0.0.1", 5700, CLIENTS, false},
		{"", "169.254.1.1", 5683, CLIENTS, false},
		{"", "fe80::1", 5683, CLIENTS, false},
		{"", "0.0.0.0", 5683, CLIENTS, false},
		{"", "0.1.2.3", 5683, CLIENTS, false},
		{"", "::", 5683, CLIENTS, false},
		{"\"127.0.0.0/8\"", "127.0.0.1", 5700, CLIENTS, true},
		{"\"127.0.0.0/8\"", "::1", 5700, CLIENTS, false},
		{"\"10.0.0.0/8\", \"::1\"", "::1", 5700, CLIENTS, true},
		{"\"fe80::/10\"", "fe80::1%lo", 5683, CLIENTS, true},
		{"\"fe80::/10\"", "fe80::1", 5683, CLIENTS, false},
		{"\"::/0\"", "127.0.0.1", 5700, CLIENTS, false},
	};

	(void)state;
	covers("C7252-11.5-1");
	check_addresses(rows, COUNT(rows));
}

static void test_groups_are_refused(void **state)
{
	static const struct address_row rows[] = {
		{"", "224.0.1.187", 5683, CLIENTS, false},
		{"\"224.0.0.0/4\", \"ff00::/8\"", "224.0.1.187", 5683, CLIENTS, false},
		{"\"224.0.1.187\"", "224.0.1.187", 5683, CONFIGURED, false},
		{"\"255.255.255.255\"", "255.255.255.255", 5683, CLIENTS, false},
		{"\"ff00::/8\"", "ff02::fd", 5683, CLIENTS, false},
	};

	(void)state;
	covers("S-37 C7252-8.2.2-1 C8075-10.1-1 C8075-10.4-1");
	check_addresses(rows, COUNT(rows));
}

/* A route that opens them does so for groups alone, for plain messages in datagrams alone. */
static void test_groups_where_a_route_opens_them(void **state)
{
	static const struct address_row rows[] = {
		{"", "224.0.1.187", 5683, CLIENTS, true},
		{"", "239.255.255.255", 1, CLIENTS, true},
		{"", "::ffff:224.0.1.187", 5683, CLIENTS, true},
		{"", "ff02::fd", 5683, CLIENTS, true},
		{"", "ff0e::1", 5683, CLIENTS, true},
		{"", "ff02::fd%lo", 5683, CONFIGURED, true},
		{"", "255.255.255.255", 5683, CLIENTS, false},
		{"\"255.255.255.255\"", "255.255.255.255", 5683, CLIENTS, false},
		{"\"ff00::/8\"", "ff02::fd", 5683, OSCORE, false},
		{"", "224.0.1.187", 5683, OSCORE, false},
		{"", "224.0.1.187", 5683, CONFIGURED | STREAM, false},
		{"", "224.0.1.187", 5684, SECURED, false},
		{"", "ff02::fd", 5684, CONFIGURED | SECURED, false},
		{"", "ff02::fd", 5684, STREAM | SECURED, false},
		{"", "127.0.0.1", 5700, CLIENTS, false},
		{"", "fe80::1", 5683, CLIENTS, false},
		{"", "192.0.2.1", 5683, CLIENTS, true},
	};

	(void)state;
	covers("S-37 C7252-8.1-1 C8075-10.1-1 C8323-8-1");
	check_addresses_with("multicast = true; ", rows, COUNT(rows));
}

static void test_configured_addresses(void **state)
{
	static const struct address_row rows[] = {
		{"", "127.0.0.1", 5700, CONFIGURED, true},
		{"", "::1", 5700, CONFIGURED, true},
		{"", "fe80::1%lo", 5683, CONFIGURED, true},
		{"", "0.0.0.0", 5700, CONFIGURED, false},
		{"", "::", 5700, CONFIGURED, false},
		{"", "127.0.0.1", 5683, CONFIGURED, false},
	};

	(void)state;
	check_addresses(rows, COUNT(rows));
}

/* A wide network is no leave to send the gateway to itself; the exact address is. */
static void test_own_listeners(void **state)
{
	static const struct address_row rows[] = {
		{"", "127.0.0.1", 5683, CLIENTS, false},
		{"\"127.0.0.0/8\"", "127.0.0.1", 5683, CLIENTS, false},
		{"\"127.0.0.0/8\"", "127.0.0.2", 5683, CLIENTS, true},
		{"\"127.0.0.0/8\"", "127.0.0.2", 5684, CLIENTS, false},
		{"\"127.0.0.1\"", "127.0.0.1", 5683, CLIENTS, true},
		{"\"0.0.0.0/0\"", "0.0.0.0", 5683, CLIENTS, false},
		{"\"0.0.0.0/0\"", "0.0.0.0", 5684, CLIENTS, false},
		{"\"0.0.0.0/0\"", "0.0.0.0", 5685, CLIENTS, true},
		{"", "192.0.2.50", 5684, CLIENTS, false},
		{"", "192.0.2.50", 5684, CONFIGURED, false},
		{"", "192.0.2.50", 5683, CLIENTS, true},
		{"", "fd00::50", 5684, CLIENTS, false},
		{"", "fd00::51", 5684, CLIENTS, true},
		/* a device's port of UDP beside our own of TCP, and the other way round */
		{"\"127.0.0.0/8\"", "127.0.0.1", 8080, CLIENTS, true},
		{"\"127.0.0.0/8\"", "127.0.0.1", 8080, STREAM, false},
		{"\"127.0.0.1\"", "127.0.0.1", 8080, STREAM, true},
		{"\"127.0.0.0/8\"", "127.0.0.1", 5683, STREAM, true},
		{"", "192.0.2.50", 5684, STREAM, true},
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
	assert_int_equal(policy_check_address(s, &s->routes[0], &(struct policy_target){.address = &four}, NULL), ERR_ADDRESS);
	assert_int_equal(policy_check_address(s, &s->routes[0], &(struct policy_target){.address = &six}, NULL), ERR_NONE);
	snapshot_release(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests), cmocka_unit_test(test_secured_targets_from_bare_http),
		cmocka_unit_test(test_names_are_demanded_through_http), cmocka_unit_test(test_addresses_of_clients), cmocka_unit_test(test_groups_are_refused),
		cmocka_unit_test(test_groups_where_a_route_opens_them), cmocka_unit_test(test_configured_addresses), cmocka_unit_test(test_own_listeners), cmocka_unit_test(test_without_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
