/* objects: proxy/exchange/resolve_texts.o base/hash.o base/random_seeded.o base/endpoint.o base/log.o base/clock_steered.o base/bytes.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "proxy/exchange/resolve_texts.h"

/* A copy without a byte to spare behind it, so that reading on is seen. */
static char *exact(const char *text, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	return copy;
}

/* ---- resolv.conf ---- */

/* "SERVER... | DOMAIN... | NDOTS | REFUSED" */
static const char *conf_text(const struct resolve_conf *c)
{
	static char text[8192];
	char one[ENDPOINT_TEXT_MAX];
	int at = 0;

	for (unsigned i = 0; i < c->server_count; i++) {
		struct endpoint plain = c->servers[i];

		plain.scope = 0;
		at += snprintf(text + at, sizeof(text) - (size_t)at, "%s", endpoint_format(&plain, one));
		if (c->servers[i].scope != 0)
			at += snprintf(text + at, sizeof(text) - (size_t)at, "%%%u", c->servers[i].scope);
		at += snprintf(text + at, sizeof(text) - (size_t)at, " ");
	}
	at += snprintf(text + at, sizeof(text) - (size_t)at, "|");
	for (unsigned i = 0; i < c->search_count; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, " %s", c->search[i]);
	snprintf(text + at, sizeof(text) - (size_t)at, " | %u | %u", c->ndots, c->refused);
	return text;
}

static const char *parsed(const char *text, size_t len)
{
	struct resolve_conf conf;
	char *copy = exact(text, len);

	memset(&conf, 0xff, sizeof(conf));
	resolve_conf_parse(&conf, copy, len);
	free(copy);
	return conf_text(&conf);
}

static void test_resolv_conf(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "", "| | 1 | 0" },
		{ "nameserver 10.0.0.1", "10.0.0.1:53 | | 1 | 0" },
		{ "nameserver 10.0.0.1\nnameserver fd00::1\r\n", "10.0.0.1:53 [fd00::1]:53 | | 1 | 0" },
		{ "\t nameserver \t 10.0.0.1 10.0.0.2 # x\n", "10.0.0.1:53 | | 1 | 0" },
		{ "nameserver 10.0.0.1:5353\nnameserver [fd00::1]:5353\nnameserver [fd00::2]\nnameserver [10.0.0.3]:1\n",
		  "10.0.0.1:5353 [fd00::1]:5353 [fd00::2]:53 10.0.0.3:1 | | 1 | 0" },
		{ "nameserver fe80::1%2\nnameserver [fe80::1%3]:99\nnameserver fe80::1%2\n", "[fe80::1]:53%2 [fe80::1]:99%3 | | 1 | 0" },
		{ "nameserver ::ffff:10.0.0.1\nnameserver 10.0.0.1\n", "10.0.0.1:53 | | 1 | 0" }, /* each once */
		{ "nameserver\nnameserver x\nnameserver 10.0.0.1:\nnameserver 10.0.0.1:0\nnameserver 10.0.0.1:65536\nnameserver 10.0.0.1:1x\n"
		  "nameserver [fd00::1\nnameserver [fd00::1]x\nnameserver [fd00::1]:\nnameserver []\nnameserver 10.0.0.256\n", "| | 1 | 11" },
		{ "nameserver fe80::1%lo\nnameserver fe80::1%\nnameserver fe80::1%0\nnameserver fd00::1%1\nnameserver 10.0.0.1%1\n"
		  "nameserver fe80::1%4294967297\nnameserver %1\n", "| | 1 | 7" },
		{ "# nameserver 10.0.0.1\n;nameserver 10.0.0.1\nnameservers 10.0.0.1\nnameserve 10.0.0.1\nNAMESERVER 10.0.0.1\n", "| | 1 | 0" },
		{ "search a.example B.Example. .c.example # d.example\n", "| a.example b.example c.example | 1 | 0" },
		{ "search a.example\nsearch b.example\n", "| b.example | 1 | 0" },
		{ "search a.example b.example\ndomain c.example d.example\n", "| c.example | 1 | 0" },
		{ "domain c.example\nsearch a.example\n", "| a.example | 1 | 0" },
		{ "domain c.example\nsearch .\n", "| | 1 | 0" },
		{ "search a..b a/b \xc3\xa4 ok -\n", "| ok - | 1 | 0" },
		{ "options ndots:2\nsearch a\n", "| a | 2 | 0" },
		{ "options timeout:1 attempts:9 ndots:0 rotate\n", "| | 0 | 0" },
		{ "options ndots:99\n", "| | 15 | 0" },
		{ "options ndots: ndots:-1 ndots:x ndots ndots:99999999999999999999\n", "| | 1 | 0" },
		{ "options bind-to:10.0.0.1 randomize-case:0\nsortlist 10.0.0.0\nlookup file bind\n", "| | 1 | 0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(parsed(rows[i].text, strlen(rows[i].text)), rows[i].expected);
	assert_string_equal(parsed("nameserver 10.0.0.1\0\nnameserver 10.0.0.2\n", 41), "10.0.0.2:53 | | 1 | 1");
}

static void test_bounds_of_resolv_conf(void **state)
{
	static char text[8192], domain[300];
	struct resolve_conf conf;
	int at = 0;

	(void)state;
	for (int i = 0; i < 20; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, "nameserver 10.0.0.%d\n", i + 1);
	at += snprintf(text + at, sizeof(text) - (size_t)at, "search");
	for (int i = 0; i < 30; i++)
		at += snprintf(text + at, sizeof(text) - (size_t)at, " d%d", i);
	resolve_conf_parse(&conf, text, (size_t)at);
	assert_int_equal(conf.server_count, 8);
	assert_int_equal(conf.refused, 12);
	assert_int_equal(conf.search_count, 16);
	assert_string_equal(conf.search[15], "d15");
	for (int i = 0; i < 299; i++)
		domain[i] = i % 2 ? '.' : 'a';
	for (int len = 187; len <= 299; len += 2) {
		at = snprintf(text, sizeof(text), "search %.*s ok", len, domain);
		resolve_conf_parse(&conf, text, (size_t)at);
		assert_int_equal(conf.search_count, len <= 189 ? 2 : 1);
		assert_string_equal(conf.search[conf.search_count - 1], "ok");
	}
	resolve_conf_parse(&conf, NULL, 0);
	assert_int_equal(conf.server_count, 0);
}

/* ---- hosts ---- */

static const char *found(const struct resolve_hosts *hosts, const char *name)
{
	static char text[512];
	char one[ENDPOINT_TEXT_MAX];
	size_t count, at = 0;
	const struct endpoint *e = resolve_hosts_find(hosts, name, strlen(name), &count);

	if (e == NULL)
		assert_int_equal(count, 0);
	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		struct endpoint plain = e[i];

		assert_int_equal(plain.port, 0);
		plain.scope = 0;
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i > 0 ? " " : "", endpoint_format_address(&plain, one));
		if (e[i].scope != 0)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%%%u", e[i].scope);
	}
	return text;
}

static void test_hosts(void **state)
{
	static const struct {
		const char *text, *name, *expected;
	} rows[] = {
		{ "10.0.0.1 a", "a", "10.0.0.1" },
		{ "10.0.0.1 a\n", "b", "" },
		{ "10.0.0.1 a", "ab", "" },
		{ "10.0.0.1 A B.Example.\r\n", "b.example", "10.0.0.1" },
		{ "10.0.0.1 a\nfd00::1 a\n10.0.0.2 a\nfd00::2 a\n", "a", "fd00::1 fd00::2 10.0.0.1 10.0.0.2" },
		{ "10.0.0.1 b#a\n", "a", "" },
		{ "10.0.0.1 b#a\n", "b", "10.0.0.1" },
		{ "#10.0.0.1 a\n", "a", "" },
		{ "a 10.0.0.1\n10.0.0.1\n\n \n10.0.0.2\ta\n", "a", "10.0.0.2" },
		{ "10.0.0.1 a/b \xc3\xa4 a..b a\n", "a/b", "" },
		{ "10.0.0.1 a/b \xc3\xa4 a..b a\n", "a", "10.0.0.1" },
		{ "fe80::1%2 a\nfe80::1%lo a\n", "a", "fe80::1%2" },
		{ "10.0.0.1:53 a\n[fd00::1] a\n", "a", "" },
		{ "1.0.0.1 a\n1.0.0.2 a\n1.0.0.3 a\n1.0.0.4 a\n1.0.0.5 a\n1.0.0.6 a\n1.0.0.7 a\n1.0.0.8 a\n1.0.0.9 a\n", "a",
		  "1.0.0.1 1.0.0.2 1.0.0.3 1.0.0.4 1.0.0.5 1.0.0.6 1.0.0.7 1.0.0.8" },
		{ "", "localhost", "::1 127.0.0.1" },
		{ "127.0.0.1 localhost\n", "localhost", "127.0.0.1" },
		{ "10.0.0.1 LOCALHOST localhost. a\n", "localhost", "::1 127.0.0.1" },
		{ "10.0.0.1 localhost\n127.0.0.2 localhost\n", "localhost", "127.0.0.2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].text);
		char *copy = exact(rows[i].text, len);
		struct resolve_hosts *hosts = resolve_hosts_new(copy, len);

		free(copy);
		assert_non_null(hosts);
		assert_string_equal(found(hosts, rows[i].name), rows[i].expected);
		resolve_hosts_free(hosts);
	}
}

static void test_bounds_of_hosts(void **state)
{
	size_t size = 8000 * 24, at = 0;
	char *text = malloc(size), name[16];
	struct resolve_hosts *hosts;
	unsigned known = 0;

	(void)state;
	log_open(-1, LOG_LEVEL_ERROR);
	assert_non_null(text);
	for (int i = 0; i < 8000; i++)
		at += (size_t)snprintf(text + at, size - at, "10.0.0.1 n%d\n", i);
	at += (size_t)snprintf(text + at, size - at, "10.0.0.2 n0\n"); /* one that is known has room */
	hosts = resolve_hosts_new(text, at);
	assert_non_null(hosts);
	for (int i = 0; i < 8000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		known += found(hosts, name)[0] != '\0';
	}
	assert_int_equal(known, RESOLVE_HOSTS_MAX);
	assert_string_equal(found(hosts, "n0"), "10.0.0.1 10.0.0.2");
	assert_string_equal(found(hosts, "localhost"), "::1 127.0.0.1");
	resolve_hosts_free(hosts);
	resolve_hosts_free(NULL);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolv_conf),
		cmocka_unit_test(test_bounds_of_resolv_conf),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_bounds_of_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
