/* objects: coap/uri.o coap/message.o base/endpoint.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <coap3/coap.h>
#include <stdlib.h>
#include <string.h>

#include "coap/option.h"
#include "coap/uri.h"
#include "tests/unit/covers.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Options as one text: "path a path  query b". */
struct text {
	char bytes[4096];
	size_t len;
};

static void option_append(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	struct text *t = arg;
	const char *name = number == OPT_URI_PATH ? "/" : number == OPT_URI_QUERY ? "?" : "unexpected";
	size_t name_len = strlen(name);

	assert_true(t->len + name_len + len + 3 < sizeof(t->bytes));
	memcpy(t->bytes + t->len, name, name_len);
	t->len += name_len;
	t->bytes[t->len++] = '<';
	memcpy(t->bytes + t->len, value, len);
	t->len += len;
	t->bytes[t->len++] = '>';
	t->bytes[t->len] = '\0';
}

/* The text must end where its memory ends, so that the sanitizers see every byte read too far. */
static enum uri_result parse_copy(struct uri *u, const char *text, char **copy)
{
	size_t len = strlen(text);

	*copy = malloc(len + (len == 0));
	assert_non_null(*copy);
	memcpy(*copy, text, len);
	return uri_parse(u, *copy, len);
}

static void part_is(const struct uri_part *part, const char *text)
{
	assert_int_equal(part->len, strlen(text));
	assert_memory_equal(part->at, text, part->len);
}

static void parts_of_a_uri(void **state)
{
	static const struct {
		const char *text;
		enum uri_scheme scheme;
		const char *host;
		uint16_t port;
		bool ipv6;
		const char *path, *query; /* query NULL: none */
	} cases[] = {
		{"coap://h", URI_COAP, "h", 5683, false, "", NULL},
		{"coap://h/", URI_COAP, "h", 5683, false, "/", NULL},
		{"coaps://h/a", URI_COAPS, "h", 5684, false, "/a", NULL},
		{"coap+tcp://h:61616/a/b?c&d=e", URI_COAP_TCP, "h", 61616, false, "/a/b", "c&d=e"},
		{"coaps+tcp://h", URI_COAPS_TCP, "h", 5684, false, "", NULL},
		{"coap+ws://h", URI_COAP_WS, "h", 80, false, "", NULL},
		{"coaps+ws://h", URI_COAPS_WS, "h", 443, false, "", NULL},
		{"http://h", URI_HTTP, "h", 80, false, "", NULL},
		{"https://h", URI_HTTPS, "h", 443, false, "", NULL},
		{"CoAP+TcP://Host.Example", URI_COAP_TCP, "Host.Example", 5683, false, "", NULL},
		{"coap://h?x", URI_COAP, "h", 5683, false, "", "x"},
		{"coap://h?", URI_COAP, "h", 5683, false, "", ""},
		{"coap://h/?", URI_COAP, "h", 5683, false, "/", ""},
		{"coap://h?a?b/c", URI_COAP, "h", 5683, false, "", "a?b/c"},
		{"coap://h:/x", URI_COAP, "h", 5683, false, "/x", NULL},
		{"coap://h:1", URI_COAP, "h", 1, false, "", NULL},
		{"coap://h:65535", URI_COAP, "h", 65535, false, "", NULL},
		{"coap://h:00005683", URI_COAP, "h", 5683, false, "", NULL},
		{"coap://10.0.0.1:5683/x", URI_COAP, "10.0.0.1", 5683, false, "/x", NULL},
		{"coap://[2001:db8::1]", URI_COAP, "2001:db8::1", 5683, true, "", NULL},
		{"coap://[::1]:7/x?y", URI_COAP, "::1", 7, true, "/x", "y"},
		{"coap://[::ffff:1.2.3.4]:/x", URI_COAP, "::ffff:1.2.3.4", 5683, true, "/x", NULL},
		{"coap://a-b.c_d~e!$&'()*+,;=/", URI_COAP, "a-b.c_d~e!$&'()*+,;=", 5683, false, "/", NULL},
		{"coap://%68%C3%A9/:@-._~!$&'()*+,;=%20", URI_COAP, "%68%C3%A9", 5683, false, "/:@-._~!$&'()*+,;=%20", NULL},
	};

	(void)state;
	covers("C7252-6.1-1 C8323-8.6-1");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct uri u;
		char *copy;

		if (parse_copy(&u, cases[i].text, &copy) != URI_OK)
			fail_msg("%s is refused", cases[i].text);
		assert_int_equal(u.scheme, cases[i].scheme);
		part_is(&u.host, cases[i].host);
		assert_int_equal(u.port, cases[i].port);
		assert_int_equal(u.host_is_ipv6, cases[i].ipv6);
		part_is(&u.path, cases[i].path);
		assert_int_equal(u.has_query, cases[i].query != NULL);
		if (cases[i].query)
			part_is(&u.query, cases[i].query);
		free(copy);
	}
}

static const struct {
	const char *text;
	enum uri_result result;
} refused[] = {
	{"", URI_RELATIVE}, {"/a/b", URI_RELATIVE}, {"//h/a", URI_RELATIVE}, {"h", URI_RELATIVE}, {"?q", URI_RELATIVE},
	{"://h", URI_RELATIVE}, {"1coap://h", URI_RELATIVE}, {"co_ap://h", URI_RELATIVE}, {"a/b:c", URI_RELATIVE},
	{"ftp://h/", URI_FOREIGN_SCHEME}, {"coapx://h", URI_FOREIGN_SCHEME}, {"coa://h", URI_FOREIGN_SCHEME},
	{"coap+udp://h", URI_FOREIGN_SCHEME}, {"mailto:a@b", URI_FOREIGN_SCHEME},
	{"coap:", URI_NO_HOST}, {"coap:/", URI_NO_HOST}, {"coap:/x", URI_NO_HOST}, {"coap:x", URI_NO_HOST}, {"coap://", URI_NO_HOST},
	{"coap:///x", URI_NO_HOST}, {"coap://?q", URI_NO_HOST}, {"coap://:5683/", URI_NO_HOST}, {"coap://[]", URI_NO_HOST},
	{"coap://[::1", URI_BAD_HOST}, {"coap://[::1]x", URI_BAD_HOST}, {"coap://[::1]5683", URI_BAD_HOST}, {"coap://[h]", URI_BAD_HOST},
	{"coap://[10.0.0.1]", URI_BAD_HOST}, {"coap://[v1.x]", URI_BAD_HOST}, {"coap://[fe80::1%25lo]", URI_BAD_HOST},
	{"coap://[fe80::1%lo]", URI_BAD_HOST}, {"coap://a%2Fb", URI_BAD_HOST}, {"coap://a%20b", URI_BAD_HOST}, {"coap://a%00", URI_BAD_HOST},
	{"coap://a%40b", URI_BAD_HOST}, {"coap://a%2541", URI_BAD_HOST}, {"coap://%5B::1%5D", URI_BAD_HOST}, {"coap://%3A%3A1", URI_BAD_HOST},
	{"coap://%5B%3A%3A1%5D", URI_BAD_HOST},
	{"coap://::1", URI_NO_HOST}, {"coap://fd00::1/", URI_BAD_PORT},
	{"coap://h:0", URI_BAD_PORT}, {"coap://h:65536", URI_BAD_PORT}, {"coap://h:99999999999999999999", URI_BAD_PORT},
	{"coap://h:+1", URI_BAD_PORT}, {"coap://h:1a", URI_BAD_PORT}, {"coap://h:-1", URI_BAD_PORT}, {"coap://[::1]:0", URI_BAD_PORT},
	{"coap://u@h", URI_USERINFO}, {"coap://u:p@h/", URI_USERINFO}, {"coap://@h", URI_USERINFO}, {"coap://h@", URI_USERINFO},
	{"coap://h/#", URI_FRAGMENT}, {"coap://h#f", URI_FRAGMENT}, {"coap://h/a?b#f", URI_FRAGMENT},
	{"coap://h/%", URI_BAD_ESCAPE}, {"coap://h/%2", URI_BAD_ESCAPE}, {"coap://h/%zz", URI_BAD_ESCAPE}, {"coap://h/%2g", URI_BAD_ESCAPE},
	{"coap://h?%", URI_BAD_ESCAPE}, {"coap://h?a%4", URI_BAD_ESCAPE}, {"coap://h%zz/", URI_BAD_ESCAPE}, {"coap://h%4/1", URI_BAD_ESCAPE},
	{"coap://h/a b", URI_BAD_CHARACTER}, {"coap://h/\t", URI_BAD_CHARACTER}, {"coap://h/\x01", URI_BAD_CHARACTER},
	{"coap://h/\x7f", URI_BAD_CHARACTER}, {"coap://h/\xc3\xa9", URI_BAD_CHARACTER}, {" coap://h", URI_BAD_CHARACTER},
	{"coap://h/\"", URI_BAD_CHARACTER}, {"coap://h/<a>", URI_BAD_CHARACTER}, {"coap://h/{a}", URI_BAD_CHARACTER},
	{"coap://h/a[1]", URI_BAD_CHARACTER}, {"coap://h?a|b", URI_BAD_CHARACTER}, {"coap://h\\x/", URI_BAD_CHARACTER},
	{"coap://h?a^b", URI_BAD_CHARACTER}, {"coap://h/`", URI_BAD_CHARACTER},
};

static void what_is_refused_and_why(void **state)
{
	struct uri u;
	char *copy;

	(void)state;
	covers("C7252-6.4-1 C7252-6.1-1");
	for (size_t i = 0; i < COUNT(refused); i++) {
		enum uri_result r = parse_copy(&u, refused[i].text, &copy);

		if (r != refused[i].result)
			fail_msg("%s: %s, not %s", refused[i].text, uri_result_text(r), uri_result_text(refused[i].result));
		free(copy);
	}
	for (int r = URI_OK; r < URI_TOO_LONG; r++)
		assert_string_not_equal(uri_result_text((enum uri_result)r), uri_result_text((enum uri_result)(r + 1)));
	assert_string_equal(uri_result_text((enum uri_result)1000), "not a URI");
}

static void lengths_have_ends(void **state)
{
	char text[2000];
	struct uri u;
	struct text got = {.len = 0};

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "coap://h/", 9);
	assert_int_equal(uri_parse(&u, text, URI_MAX), URI_OK);
	assert_int_equal(uri_each_option(&u, option_append, &got), URI_TOO_LONG);
	assert_int_equal(uri_parse(&u, text, URI_MAX + 1), URI_TOO_LONG);
	assert_int_equal(uri_parse(&u, text, 9 + 255), URI_OK);
	assert_int_equal(uri_each_option(&u, option_append, &got), URI_OK);
	assert_int_equal(uri_parse(&u, text, 9 + 256), URI_OK);
	assert_int_equal(uri_each_option(&u, option_append, &got), URI_TOO_LONG);
	text[8] = '?';
	assert_int_equal(uri_parse(&u, text, 9 + 255), URI_OK);
	assert_int_equal(uri_each_option(&u, option_append, &got), URI_OK);
	assert_int_equal(uri_parse(&u, text, 9 + 256), URI_OK);
	assert_int_equal(uri_each_option(&u, option_append, &got), URI_TOO_LONG);
	text[8] = 'x';
	assert_int_equal(uri_parse(&u, text, 7 + 255), URI_OK);
	assert_int_equal(uri_parse(&u, text, 7 + 256), URI_TOO_LONG);
	assert_int_equal(uri_parse_authority(&u, text + 7, 255), URI_OK);
	assert_int_equal(uri_parse_authority(&u, text + 7, 300), URI_TOO_LONG);
	u.path.len = URI_MAX + 1;
	assert_int_equal(uri_each_option(&u, option_append, &got), URI_TOO_LONG);
}

static void authorities(void **state)
{
	static const struct {
		const char *text;
		enum uri_result result;
		const char *host;
		uint16_t port;
	} cases[] = {
		{"h", URI_OK, "h", 5683}, {"h:7", URI_OK, "h", 7}, {"h:", URI_OK, "h", 5683}, {"[::1]:7", URI_OK, "::1", 7},
		{"[fd00::1]", URI_OK, "fd00::1", 5683}, {"", URI_NO_HOST, NULL, 0}, {":7", URI_NO_HOST, NULL, 0},
		{"h/", URI_BAD_CHARACTER, NULL, 0}, {"u@h", URI_USERINFO, NULL, 0}, {"h:x", URI_BAD_PORT, NULL, 0},
		{"h?", URI_BAD_CHARACTER, NULL, 0}, {"a b", URI_BAD_CHARACTER, NULL, 0}, {"h#f", URI_BAD_CHARACTER, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct uri u;

		assert_int_equal(uri_parse_authority(&u, cases[i].text, strlen(cases[i].text)), cases[i].result);
		if (cases[i].result != URI_OK)
			continue;
		part_is(&u.host, cases[i].host);
		assert_int_equal(u.port, cases[i].port);
		assert_int_equal(u.path.len, 0);
	}
}

static void options_of_a_uri(void **state)
{
	static const struct {
		const char *text, *options;
	} cases[] = {
		{"coap://h", ""}, {"coap://h/", ""}, {"coap://h/foo", "/<foo>"}, {"coap://h/foo/", "/<foo>/<>"}, {"coap://h//", "/<>/<>"},
		{"coap://h//a", "/<>/<a>"}, {"coap://h/a//b", "/<a>/<>/<b>"},
		{"coap://h?", "?<>"}, {"coap://h/?", "?<>"}, {"coap://h?a", "?<a>"}, {"coap://h/?a&b=c", "?<a>?<b=c>"}, {"coap://h?&", "?<>?<>"},
		{"coap://h?a&&b&", "?<a>?<>?<b>?<>"}, {"coap://h/x?y", "/<x>?<y>"}, {"coap://h?a/b?c", "?<a/b?c>"},
		/* decoded once */
		{"coap://h/%2525", "/<%25>"}, {"coap://h/a%2Fb", "/<a/b>"}, {"coap://h?a%26b", "?<a&b>"}, {"coap://h/%61+%3d?%2B", "/<a+=>?<+>"},
		{"coap://h/%C3%A9", "/<\xc3\xa9>"}, {"coap://h/%c3%a9", "/<\xc3\xa9>"},
		/* dot segments */
		{"coap://h/.", ""}, {"coap://h/..", ""}, {"coap://h/a/.", "/<a>/<>"}, {"coap://h/a/..", ""}, {"coap://h/a/./b", "/<a>/<b>"},
		{"coap://h/a/../b", "/<b>"}, {"coap://h/../../a", "/<a>"}, {"coap://h/a/b/c/./../../g", "/<a>/<g>"}, {"coap://h/a//../b", "/<a>/<b>"},
		{"coap://h/a/b/..", "/<a>/<>"}, {"coap://h/%2e%2E/a", "/<a>"}, {"coap://h/a/.%2e/b", "/<b>"}, {"coap://h/%2e", ""},
		{"coap://h/...", "/<...>"}, {"coap://h/.a", "/<.a>"}, {"coap://h/..a/a..", "/<..a>/<a..>"}, {"coap://h/.well-known/core", "/<.well-known>/<core>"},
		{"coap://h?../a", "?<../a>"},
	};

	(void)state;
	covers("C7252-6-1 C7252-6.4-4 C7252-6.4-5 D-CC-3");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct text got = {.len = 0};
		struct uri u;
		char *copy;

		assert_int_equal(parse_copy(&u, cases[i].text, &copy), URI_OK);
		assert_int_equal(uri_each_option(&u, option_append, &got), URI_OK);
		if (strcmp(got.bytes, cases[i].options) != 0)
			fail_msg("%s: %s, not %s", cases[i].text, got.bytes, cases[i].options);
		free(copy);
	}
}

static void hosts_decoded(void **state)
{
	static const struct {
		const char *text, *host; /* NULL: none */
	} cases[] = {
		{"Host.EXAMPLE", "host.example"}, {"%48%6fst", "host"}, {"%C3%89t%C3%A9", "\xc3\x89t\xc3\xa9"}, {"10.0.0.1", "10.0.0.1"},
		{"2001:DB8::1", "2001:db8::1"}, {"::1", "::1"}, {"", NULL}, {"a b", NULL}, {"a%2Fb", NULL}, {"%3A%3A1", NULL}, {"%5b%3a%3a1%5d", NULL},
		{"a%", NULL}, {"h:1", NULL}, {"fe80::1%1", NULL}, {"a%25b", NULL}, {"a%0Ab", NULL}, {"a/b", NULL},
	};
	char out[URI_HOST_MAX + 1], name[3 * URI_HOST_MAX + 4];
	struct uri_part part = {.at = name};

	(void)state;
	covers("C7252-6.4-2 C7252-6-1");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct uri_part host = {cases[i].text, strlen(cases[i].text)};

		assert_int_equal(uri_host_decode(&host, out), cases[i].host ? (int)strlen(cases[i].host) : -1);
		if (cases[i].host)
			assert_string_equal(out, cases[i].host);
	}
	for (int i = 0; i <= URI_HOST_MAX; i++)
		memcpy(name + 3 * i, "%61", 3);
	part.len = 3 * URI_HOST_MAX;
	assert_int_equal(uri_host_decode(&part, out), URI_HOST_MAX);
	part.len += 3;
	assert_int_equal(uri_host_decode(&part, out), -1);
	memset(name, ':', sizeof(name));
	assert_int_equal(uri_host_decode(&part, out), -1);
}

static void hosts_as_an_option(void **state)
{
	static const char *const good[] = {"h", "a.b-c", "10.0.0.1", "::1", "[::1]", "2001:db8::7", "\xc3\xa9", "a_b!$&'()*+,;=~"};
	static const char *const bad[] = {"", "a b", "a/b", "a@b", "a:1", "[::1", "::1]", "[]", "[", "[h]", "[10.0.0.1]", "fe80::1%lo",
		"[fe80::1%1]", "a%41", "a\n", "a\x7f", "a?b", "a#b", "\"", "h:5683", "[::1]:1"};
	uint8_t name[URI_HOST_MAX + 1];

	(void)state;
	covers("C7252-6.5-2");
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(uri_host_is_valid((const uint8_t *)good[i], strlen(good[i])));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (uri_host_is_valid((const uint8_t *)bad[i], strlen(bad[i])))
			fail_msg("%s", bad[i]);
	assert_false(uri_host_is_valid((const uint8_t *)"a\0b", 3));
	memset(name, 'a', sizeof(name));
	assert_true(uri_host_is_valid(name, URI_HOST_MAX));
	assert_false(uri_host_is_valid(name, URI_HOST_MAX + 1));
}

static void texts_decoded(void **state)
{
	static const struct {
		const char *text, *decoded; /* NULL: none */
	} cases[] = {
		{"", ""}, {"abc", "abc"}, {"%41%62c", "Abc"}, {"%25%2541", "%%41"}, {"a+b", "a+b"}, {"%C3%a9", "\xc3\xa9"}, {"%2F?&", "/?&"},
		{"%", NULL}, {"a%4", NULL}, {"%4g", NULL}, {"%g4", NULL}, {"%%41", NULL}, {"%+1", NULL}, {"%-1", NULL}, {"% 1", NULL},
	};
	char out[8];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].text), decoded = cases[i].decoded ? strlen(cases[i].decoded) : 0;
		char *copy = malloc(len + (len == 0));

		assert_non_null(copy);
		memcpy(copy, cases[i].text, len);
		assert_int_equal(uri_text_decode(copy, len, out, sizeof(out)), cases[i].decoded ? (int)decoded : -1);
		if (cases[i].decoded)
			assert_memory_equal(out, cases[i].decoded, decoded);
		if (decoded > 0) {
			assert_int_equal(uri_text_decode(copy, len, out, decoded), (int)decoded);
			assert_int_equal(uri_text_decode(copy, len, out, decoded - 1), -1);
		}
		free(copy);
	}
	assert_int_equal(uri_text_decode("%00a", 4, out, sizeof(out)), 2);
	assert_memory_equal(out, "\0a", 2);
}

struct message {
	struct msg_view view;
	uint8_t bytes[2048];
};

/* A request whose options are the rows up to the one without a number. */
static void message_make(struct message *m, const struct msg_option *options)
{
	struct msg_writer w;

	msg_begin(&w, m->bytes, sizeof(m->bytes), MSG_CON, CODE_GET, 1, NULL, 0);
	for (; options->number; options++)
		msg_add_option(&w, options->number, options->value, options->len);
	assert_int_equal(msg_parse_datagram(&m->view, m->bytes, msg_end(&w)), MSG_OK);
}

#define O(number, value) {OPT_##number, sizeof(value) - 1, (const uint8_t *)(value)}

static void composed_uris(void **state)
{
	static const struct {
		struct msg_option options[6];
		enum uri_scheme scheme;
		const char *host;
		uint16_t port;
		const char *uri; /* NULL: none */
	} cases[] = {
		{{{0}}, URI_COAP, "10.0.0.1", 5683, "coap://10.0.0.1/"},
		{{{0}}, URI_COAPS, "fd00::1", 5683, "coaps://[fd00::1]:5683/"},
		{{{0}}, URI_COAP, "[fd00::1]", 5683, "coap://[fd00::1]/"},
		{{{0}}, URI_COAP, "fe80::1%eth0", 5683, "coap://[fe80::1]/"},
		{{{0}}, URI_COAP, "", 5683, NULL},
		{{{0}}, URI_COAP, "h", 0, NULL},
		{{O(URI_HOST, "Host")}, URI_COAP_TCP, "x", 5683, "coap+tcp://host/"},
		{{O(URI_HOST, "::1"), O(URI_PORT, "\x16\x33")}, URI_COAP, "x", 7, "coap://[::1]/"},
		{{O(URI_HOST, "[::1]"), O(URI_PORT, "\x01")}, URI_COAP, "x", 7, "coap://[::1]:1/"},
		{{O(URI_HOST, "\xc3\xa9")}, URI_COAP, "x", 5683, "coap://%C3%A9/"},
		{{O(URI_HOST, "a b")}, URI_COAP, "x", 5683, NULL},
		{{O(URI_HOST, "a%41")}, URI_COAP, "x", 5683, NULL},
		{{O(URI_HOST, "fe80::1%1")}, URI_COAP, "x", 5683, NULL},
		{{O(URI_HOST, "")}, URI_COAP, "x", 5683, NULL},
		{{O(URI_PORT, "")}, URI_COAP, "h", 5683, NULL},
		{{O(URI_PORT, "\x01\x00\x00")}, URI_COAP, "h", 5683, NULL},
		{{O(URI_PORT, "\x01\x00\x00\x00\x00")}, URI_COAP, "h", 5683, NULL},
		{{O(URI_PATH, "a"), O(URI_PATH, "b")}, URI_COAP, "h", 5683, "coap://h/a/b"},
		{{O(URI_PATH, "a"), O(URI_PATH, "")}, URI_COAP, "h", 5683, "coap://h/a/"},
		{{O(URI_PATH, ""), O(URI_PATH, "")}, URI_COAP, "h", 5683, "coap://h//"},
		{{O(URI_PATH, "a/b"), O(URI_PATH, "a?b#%")}, URI_COAP, "h", 5683, "coap://h/a%2Fb/a%3Fb%23%25"},
		{{O(URI_PATH, ":@-._~!$&'()*+,;=")}, URI_COAP, "h", 5683, "coap://h/:@-._~!$&'()*+,;="},
		{{O(URI_PATH, "\xc3\xa9 \x01")}, URI_COAP, "h", 5683, "coap://h/%C3%A9%20%01"},
		{{O(URI_PATH, "..")}, URI_COAP, "h", 5683, NULL},
		{{O(URI_PATH, "a"), O(URI_PATH, ".")}, URI_COAP, "h", 5683, NULL},
		{{O(URI_PATH, "..."), O(URI_PATH, ".a")}, URI_COAP, "h", 5683, "coap://h/.../.a"},
		{{O(URI_QUERY, "")}, URI_COAP, "h", 5683, "coap://h/?"},
		{{O(URI_QUERY, "a"), O(URI_QUERY, ""), O(URI_QUERY, "b=c")}, URI_COAP, "h", 5683, "coap://h/?a&&b=c"},
		{{O(URI_PATH, "p"), O(URI_QUERY, "a&b"), O(URI_QUERY, "/?:@+")}, URI_COAP, "h", 5683, "coap://h/p?a%26b&/?:@+"},
		{{O(URI_PATH, "p"), O(ACCEPT, ""), O(PROXY_SCHEME, "coap")}, URI_COAP_WS, "h", 80, "coap+ws://h/p"},
	};
	static struct message m;
	char out[200];

	(void)state;
	covers("C7252-6.5-1 C7252-6.5-2 C7252-6-1");
	for (size_t i = 0; i < COUNT(cases); i++) {
		int len;

		message_make(&m, cases[i].options);
		len = uri_compose(&m.view, cases[i].scheme, cases[i].host, cases[i].port, out, sizeof(out));
		if (strcmp(out, cases[i].uri ? cases[i].uri : "") != 0)
			fail_msg("case %zu: \"%s\"", i, out);
		assert_int_equal(len, cases[i].uri ? (int)strlen(cases[i].uri) : -1);
		if (!cases[i].uri)
			continue;
		/* one byte too little room is too little */
		assert_int_equal(uri_compose(&m.view, cases[i].scheme, cases[i].host, cases[i].port, out, (size_t)len), -1);
		assert_string_equal(out, "");
		assert_int_equal(uri_compose(&m.view, cases[i].scheme, cases[i].host, cases[i].port, out, (size_t)len + 1), len);
	}
	assert_int_equal(uri_compose(&m.view, URI_COAP, "h", 5683, out, 0), -1);
}

static struct msg_writer there_and_back;

static void option_write(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	(void)arg;
	msg_add_option(&there_and_back, number, value, len);
}

/* The spellings of one resource give one URI (RFC 7252 6.3), and a normal form stays as it is. */
static void normal_forms(void **state)
{
	static const struct {
		const char *text, *normal;
	} cases[] = {
		{"coap://example.com:5683/~sensors/temp.xml", "coap://example.com/~sensors/temp.xml"},
		{"coap://EXAMPLE.com/%7Esensors/temp.xml", "coap://example.com/~sensors/temp.xml"},
		{"coap://EXAMPLE.com:/%7esensors/temp.xml", "coap://example.com/~sensors/temp.xml"},
		{"coap://h", "coap://h/"}, {"coap://h?", "coap://h/?"}, {"coap://h/a/./b/../c?x%2fy", "coap://h/a/c?x/y"},
		{"coap://h/%2525?%26", "coap://h/%2525?%26"}, {"COAPS://h:5683", "coaps://h:5683/"}, {"coap://h/a/?b&c", "coap://h/a/?b&c"},
	};
	char host[URI_HOST_MAX + 1], out[200];

	(void)state;
	covers("C7252-6.3-1");
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t bytes[400];
		struct msg_view m;
		struct uri u;

		assert_int_equal(uri_parse(&u, cases[i].text, strlen(cases[i].text)), URI_OK);
		assert_true(uri_host_decode(&u.host, host) > 0);
		msg_begin(&there_and_back, bytes, sizeof(bytes), MSG_CON, CODE_GET, 1, NULL, 0);
		assert_int_equal(uri_each_option(&u, option_write, NULL), URI_OK);
		assert_int_equal(msg_parse_datagram(&m, bytes, msg_end(&there_and_back)), MSG_OK);
		assert_true(uri_compose(&m, u.scheme, host, u.port, out, sizeof(out)) > 0);
		assert_string_equal(out, cases[i].normal);
	}
}

static void schemes(void **state)
{
	(void)state;
	for (int i = 0; i < URI_SCHEME_COUNT; i++)
		assert_int_equal(uri_scheme_parse(uri_schemes[i].name, strlen(uri_schemes[i].name)), i);
	assert_int_equal(uri_scheme_parse("COAPS", 5), URI_COAPS);
	assert_true(!uri_schemes[URI_COAP].stream && !uri_schemes[URI_COAPS].stream);
	for (int i = URI_COAP_TCP; i < URI_SCHEME_COUNT; i++)
		assert_true(uri_schemes[i].stream);
	assert_int_equal(uri_scheme_parse("coaps", 4), URI_COAP);
	assert_int_equal(uri_scheme_parse("", 0), -1);
	assert_int_equal(uri_scheme_parse("coap:", 5), -1);
}

/* libcoap's options of a path or a query, as ours are written down. */
static void libcoap_append(struct text *t, uint16_t number, int count, const unsigned char *options)
{
	for (int i = 0; i < count; i++) {
		const coap_opt_t *option = options;

		option_append(t, number, coap_opt_value(option), coap_opt_length(option));
		options += coap_opt_size(option);
	}
}

/* Where libcoap's parser follows RFC 7252 6.4, both must come to the same parts and options. */
static void agrees_with_libcoap(void **state)
{
	static const char *const cases[] = {
		"coap://h", "coap://h/", "coap://h/a", "coap://h/a/b/c", "coap://h:61616/a?b", "coap://h/a?b&c=d", "coaps://h/x", "coaps://h:1/x",
		"coap://10.0.0.1/x", "coap://[2001:db8::1]:7/x?y", "coap://[::1]", "coap://h/%41%2F?%26", "coap+tcp://h/a", "coaps+tcp://h:9/a",
		"coap://a.b-c.example/.well-known/core?rt=x", "coap://h/a/b?c=1&d=2&e=3",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct text ours = {.len = 0}, theirs = {.len = 0};
		unsigned char options[512];
		size_t room = sizeof(options);
		coap_uri_t cu;
		struct uri u;

		assert_int_equal(uri_parse(&u, cases[i], strlen(cases[i])), URI_OK);
		if (uri_schemes[u.scheme].secure && !coap_dtls_is_supported())
			continue; /* from 4.3.2 on a libcoap without DTLS knows no secure scheme */
		assert_int_equal(coap_split_uri((const uint8_t *)cases[i], strlen(cases[i]), &cu), 0);
		assert_int_equal(u.host.len, cu.host.length);
		assert_memory_equal(u.host.at, cu.host.s, u.host.len);
		assert_int_equal(u.port, cu.port);
		assert_int_equal(uri_schemes[u.scheme].secure, coap_uri_scheme_is_secure(&cu));
		assert_int_equal(uri_each_option(&u, option_append, &ours), URI_OK);
		if (cu.path.length > 0)
			libcoap_append(&theirs, OPT_URI_PATH, coap_split_path(cu.path.s, cu.path.length, options, &room), options);
		room = sizeof(options);
		if (cu.query.length > 0)
			libcoap_append(&theirs, OPT_URI_QUERY, coap_split_query(cu.query.s, cu.query.length, options, &room), options);
		assert_string_equal(ours.bytes, theirs.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_a_uri),
		cmocka_unit_test(what_is_refused_and_why),
		cmocka_unit_test(lengths_have_ends),
		cmocka_unit_test(authorities),
		cmocka_unit_test(options_of_a_uri),
		cmocka_unit_test(hosts_decoded),
		cmocka_unit_test(hosts_as_an_option),
		cmocka_unit_test(texts_decoded),
		cmocka_unit_test(composed_uris),
		cmocka_unit_test(normal_forms),
		cmocka_unit_test(schemes),
		cmocka_unit_test(agrees_with_libcoap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
