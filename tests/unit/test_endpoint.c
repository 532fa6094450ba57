/* objects: base/endpoint.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/endpoint.h"

enum { LOOPBACK = 1, MULTICAST = 2, LINK_LOCAL = 4, UNSPECIFIED = 8, V4 = 16 };

static void parse(struct endpoint *e, const char *text)
{
	assert_int_equal(endpoint_parse_literal(e, text, strlen(text), true), 0);
}

static void literals_and_what_they_are(void **state)
{
	static const struct {
		const char *text, *printed;
		unsigned kind;
	} cases[] = {
		{"10.0.0.1", "10.0.0.1", V4},
		{"127.0.0.1", "127.0.0.1", V4 | LOOPBACK},
		{"127.255.255.254", "127.255.255.254", V4 | LOOPBACK},
		{"::ffff:127.0.0.1", "127.0.0.1", V4 | LOOPBACK},
		{"::1", "::1", LOOPBACK},
		{"::", "::", UNSPECIFIED},
		{"0.0.0.0", "0.0.0.0", V4 | UNSPECIFIED},
		{"0.1.2.3", "0.1.2.3", V4 | UNSPECIFIED},
		{"224.0.1.187", "224.0.1.187", V4 | MULTICAST},
		{"239.255.255.255", "239.255.255.255", V4 | MULTICAST},
		{"240.0.0.1", "240.0.0.1", V4},
		{"255.255.255.255", "255.255.255.255", V4 | MULTICAST},
		{"ff02::fd", "ff02::fd", MULTICAST},
		{"169.254.3.4", "169.254.3.4", V4 | LINK_LOCAL},
		{"fe80::1", "fe80::1", LINK_LOCAL},
		{"febf::1", "febf::1", LINK_LOCAL},
		{"fec0::1", "fec0::1", 0},
		{"2001:DB8:0:0::7", "2001:db8::7", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint e;
		char text[ENDPOINT_TEXT_MAX];
		unsigned kind;

		parse(&e, cases[i].text);
		assert_string_equal(endpoint_format_address(&e, text), cases[i].printed);
		kind = (endpoint_is_loopback(&e) ? LOOPBACK : 0u) | (endpoint_is_multicast(&e) ? MULTICAST : 0u) |
			(endpoint_is_link_local(&e) ? LINK_LOCAL : 0u) | (endpoint_is_unspecified(&e) ? UNSPECIFIED : 0u) |
			(endpoint_is_ipv4(&e) ? V4 : 0u);
		assert_int_equal(kind, cases[i].kind);
		assert_int_equal(e.port, 0);
	}
}

static void what_is_no_literal(void **state)
{
	static const char *const cases[] = {
		"", "h", "1.2.3", "1.2.3.4.5", "256.1.1.1", "0x7f.0.0.1", "2130706433", "1.2.3.4:5", "[::1]", "::1%", "fe80::1%nosuchif0",
		"fe80::1%0", "fe80::1%99999999999", "10.0.0.1%lo", "fd00::1%lo", ":::", "1::2::3",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff:0000",
	};
	struct endpoint e;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(endpoint_parse_literal(&e, cases[i], strlen(cases[i]), true), -1);
	assert_int_equal(endpoint_parse_literal(&e, "10.0.0.1\0", 9, true), -1);
	assert_int_equal(endpoint_parse_literal(&e, "10.0.0.15", 8, true), 0);
	assert_int_equal(e.addr[15], 1);
}

static void zones(void **state)
{
	struct endpoint by_name, by_number;
	char text[ENDPOINT_TEXT_MAX], name[IF_NAMESIZE], literal[ENDPOINT_TEXT_MAX];
	struct if_nameindex *all = if_nameindex();

	(void)state;
	assert_non_null(all);
	strcpy(name, all[0].if_name);
	snprintf(literal, sizeof(literal), "fe80::1%%%s", name);
	parse(&by_name, literal);
	assert_int_equal(by_name.scope, all[0].if_index);
	assert_string_equal(endpoint_format_address(&by_name, text), literal);
	by_name.port = 5683;
	snprintf(literal, sizeof(literal), "[fe80::1%%%s]:5683", name);
	assert_string_equal(endpoint_format(&by_name, text), literal);
	snprintf(literal, sizeof(literal), "fe80::1%%%u", all[0].if_index);
	parse(&by_number, literal);
	by_number.port = 5683;
	assert_true(endpoint_equal(&by_name, &by_number));
	assert_int_equal(endpoint_parse_literal(&by_number, literal, strlen(literal), false), -1);
	/* groups of the link have one, wider ones have none */
	snprintf(literal, sizeof(literal), "ff02::fd%%%s", name);
	parse(&by_name, literal);
	assert_int_equal(by_name.scope, all[0].if_index);
	snprintf(literal, sizeof(literal), "ff05::fd%%%s", name);
	assert_int_equal(endpoint_parse_literal(&by_name, literal, strlen(literal), true), -1);
	by_number.scope = 4000000;
	by_number.port = 5683;
	assert_string_equal(endpoint_format(&by_number, text), "[fe80::1%4000000]:5683");
	if_freenameindex(all);
}

static void socket_addresses_there_and_back(void **state)
{
	struct sockaddr_storage ss;
	struct endpoint e, back;
	char text[ENDPOINT_TEXT_MAX];

	(void)state;
	parse(&e, "10.1.2.3");
	e.port = 5683;
	assert_string_equal(endpoint_format(&e, text), "10.1.2.3:5683");
	assert_int_equal(endpoint_to_sockaddr(&e, AF_INET, &ss), sizeof(struct sockaddr_in));
	assert_int_equal(((struct sockaddr_in *)&ss)->sin_port, htons(5683));
	endpoint_from_sockaddr(&back, (struct sockaddr *)&ss);
	assert_true(endpoint_equal(&e, &back));
	assert_int_equal(endpoint_to_sockaddr(&e, AF_INET6, &ss), sizeof(struct sockaddr_in6));
	endpoint_from_sockaddr(&back, (struct sockaddr *)&ss);
	assert_true(endpoint_equal(&e, &back));

	/* a socket names the interface of every IPv6 peer; only link-local ones are told apart by it */
	parse(&e, "fd00::1");
	e.scope = 3;
	endpoint_to_sockaddr(&e, AF_INET6, &ss);
	endpoint_from_sockaddr(&back, (struct sockaddr *)&ss);
	assert_int_equal(back.scope, 0);
	parse(&e, "fe80::1");
	e.scope = 3;
	endpoint_to_sockaddr(&e, AF_INET6, &ss);
	endpoint_from_sockaddr(&back, (struct sockaddr *)&ss);
	assert_int_equal(back.scope, 3);
	ss.ss_family = AF_UNIX;
	endpoint_from_sockaddr(&back, (struct sockaddr *)&ss);
	assert_true(endpoint_is_unspecified(&back));
}

static void networks(void **state)
{
	static const struct {
		const char *network, *printed, *in, *out;
	} cases[] = {
		{"10.0.0.0/8", "10.0.0.0/8", "10.255.0.1", "11.0.0.1"},
		{"10.1.2.3/8", "10.0.0.0/8", "10.0.0.1", "9.255.255.255"},
		{"192.168.4.0/22", "192.168.4.0/22", "192.168.7.255", "192.168.8.0"},
		{"10.0.0.7", "10.0.0.7/32", "10.0.0.7", "10.0.0.6"},
		{"0.0.0.0/0", "0.0.0.0/0", "1.2.3.4", "::1"},
		{"::/0", "::/0", "fd00::1", "1.2.3.4"},
		{"fd00::/8", "fd00::/8", "fdff::1", "fc00::1"},
		{"fe80::/10", "fe80::/10", "febf::1", "fec0::1"},
		{"2001:db8::1", "2001:db8::1/128", "2001:db8::1", "2001:db8::2"},
		{"::ffff:10.0.0.0/104", "10.0.0.0/8", "10.9.9.9", "11.0.0.0"},
	};
	static const char *const bad[] = {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "::/129", "::/-1", "::/1a", "h/8", "fe80::1%lo/64"};
	struct network n;
	struct endpoint e;
	char text[ENDPOINT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(network_parse(&n, cases[i].network), 0);
		assert_string_equal(network_format(&n, text), cases[i].printed);
		parse(&e, cases[i].in);
		assert_true(network_contains(&n, &e));
		parse(&e, cases[i].out);
		assert_false(network_contains(&n, &e));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(network_parse(&n, bad[i]), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_and_what_they_are),
		cmocka_unit_test(what_is_no_literal),
		cmocka_unit_test(zones),
		cmocka_unit_test(socket_addresses_there_and_back),
		cmocka_unit_test(networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
