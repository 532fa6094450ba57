/* objects: translate/map_template.o coap/uri.o coap/message.o base/endpoint.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/covers.h"
#include "translate/map_template.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { NO_DEFAULT = -1 };

static struct template *compiled(const char *text)
{
	char error[TEMPLATE_ERROR_MAX];
	struct template *t = template_compile(text, error);

	if (!t)
		fail_msg("%s %s", text, error);
	return t;
}

/* The target must end where its memory ends, so that the sanitizers see every byte read too far; out's last byte is guarded too. */
static enum template_result match_bytes(const struct template *t, const char *bytes, size_t len, int scheme, char out[URI_MAX + 1])
{
	char *copy = malloc(len + (len == 0)), *room = malloc(URI_MAX + 1);
	struct http_text target = {copy, len};
	enum template_result r;
	struct uri parts;
	size_t out_len = 4711;

	assert_non_null(copy);
	assert_non_null(room);
	memset(room, 'a', URI_MAX + 1);
	memcpy(copy, bytes, len);
	r = template_match(t, target, scheme, room, &out_len, &parts);
	assert_int_equal(out_len, strlen(room));
	if (r != TEMPLATE_OK)
		assert_int_equal(out_len, 0);
	if (out_len > 0)
		assert_ptr_equal(parts.path.at + parts.path.len + parts.has_query + parts.query.len, room + out_len);
	memcpy(out, room, out_len + 1);
	free(room);
	free(copy);
	return r;
}

static enum template_result match(const char *text, const char *target, int scheme, char out[URI_MAX + 1])
{
	struct template *t = compiled(text);
	enum template_result r = match_bytes(t, target, strlen(target), scheme, out);

	template_free(t);
	return r;
}

static void target_is(const char *text, const char *target, const char *uri)
{
	char out[URI_MAX + 1];
	enum template_result r = match(text, target, NO_DEFAULT, out);

	if (r != TEMPLATE_OK || strcmp(out, uri) != 0)
		fail_msg("%s of %s: result %d, \"%s\"", target, text, r, out);
}

static void result_is(const char *text, const char *target, int scheme, enum template_result wanted)
{
	char out[URI_MAX + 1];
	enum template_result r = match(text, target, scheme, out);

	if (r != wanted)
		fail_msg("%s of %s: result %d, \"%s\"", target, text, r, out);
}

/* Both ways. */
static void pair_is(const char *text, const char *uri, const char *target)
{
	struct template *t = compiled(text);
	char out[3 * URI_MAX];
	int len = template_expand(t, uri, strlen(uri), NO_DEFAULT, out, sizeof(out));

	template_free(t);
	if (strcmp(out, target) != 0)
		fail_msg("%s by %s: \"%s\"", uri, text, out);
	assert_int_equal(len, strlen(target));
	target_is(text, target, uri);
}

/* RFC 8075 5.3, 5.3.2, 5.4.1.1 and 5.4.2.1, as far as no scheme is left out. */
static void examples_of_the_rfc(void **state)
{
	static const struct {
		const char *text, *uri, *target;
	} cases[] = {
		{"/hc/{+tu}", "coap://s.example.com/light", "/hc/coap://s.example.com/light"},
		{"/hc/{+tu}", "coap://[2001:db8::1]/light?on", "/hc/coap://%5B2001:db8::1%5D/light?on"},
		{"/hc/?target_uri={+tu}", "coap://s.example.com/light", "/hc/?target_uri=coap://s.example.com/light"},
		{"/hc/?target_uri={+tu}", "coaps://s.example.com/light", "/hc/?target_uri=coaps://s.example.com/light"},
		{"/hc/forward/{+tu}", "coap://s.example.com/light", "/hc/forward/coap://s.example.com/light"},
		{"/hc/forward/{+tu}", "coaps://s.example.com/light", "/hc/forward/coaps://s.example.com/light"},
		{"/hc/{+s}/{+hp}{+p}{+qq}", "coap://s.example.com/light", "/hc/coap/s.example.com/light"},
		{"/hc/{+s}/{+hp}{+p}{+qq}", "coap://s.example.com/light?on", "/hc/coap/s.example.com/light?on"},
		{"/hc/?s={+s}&hp={+hp}&p={+p}&q={+q}", "coap://s.example.com/light", "/hc/?s=coap&hp=s.example.com&p=/light&q="},
		{"/hc/?s={+s}&hp={+hp}&p={+p}&q={+q}", "coaps://s.example.com/light?on", "/hc/?s=coaps&hp=s.example.com&p=/light&q=on"},
	};

	(void)state;
	covers("C8075-5.3-1 C8075-5.3.2-1 C8075-5.4-1 C8075-5.4.1-1 C8075-5.4.2-1");
	for (size_t i = 0; i < COUNT(cases); i++)
		pair_is(cases[i].text, cases[i].uri, cases[i].target);
}

/* What is written differently in the three syntaxes: hosting URI, CoAP URI, options. Nothing of it may change on the way. */
static void the_default_mapping_changes_nothing(void **state)
{
	static const char *const tails[] = {
		"h", "h/", "h/a/b", "h/a/", "h//", "h//a", "h/a//b", "h/a%2Fb", "h/a%2fb", "h/%61%7e", "h/%25", "h/%2525", "h/%3Fx", "h/%23", "h/%20",
		"h/a;b=c,d", "h/:@!$&'()*+,;=-._~", "h/./a/../b", "h/..", "h/%2e%2E/a", "h/...", "h?", "h/?", "h/a?", "h?a", "h/l?a&b", "h/l?a%26b&c",
		"h/l?a=b=c", "h/l?&", "h/l?a&&b", "h/l?a?b/c", "h/l?a+b%2Bc", "h/l?u=coap://x/y?z", "h/coap://x/y", "h:5683/a", "h:/a", "h:61616",
		"%68ost/a", "H.Example", "10.0.0.1:7/x", "a&b=c;d/e",
	};
	static const char *const schemes[] = {"coap", "coaps", "coap+tcp", "coaps+tcp", "coap+ws", "coaps+ws", "COAP"};
	static const char *const templates[] = {"/hc/{+tu}", "/{+tu}", "/a?x={+tu}", "/a/b?c=d&x={+tu}"};
	char uri[100], target[200];

	(void)state;
	covers("C8075-5.3-1 C8075-5.3-3 C8075-5.3-4 C8075-5.4.1-1 S-30");
	for (size_t t = 0; t < COUNT(templates); t++) {
		for (size_t i = 0; i < COUNT(tails) * COUNT(schemes); i++) {
			snprintf(uri, sizeof(uri), "%s://%s", schemes[i % COUNT(schemes)], tails[i / COUNT(schemes)]);
			snprintf(target, sizeof(target), "%.*s%s", (int)strcspn(templates[t], "{"), templates[t], uri);
			pair_is(templates[t], uri, target);
		}
	}
}

static void brackets_of_ipv6_literals(void **state)
{
	static const struct {
		const char *text, *target, *uri;
	} cases[] = {
		{"/hc/{+tu}", "/hc/coap://%5B2001:db8::1%5D/light?on", "coap://[2001:db8::1]/light?on"},
		{"/hc/{+tu}", "/hc/coap://%5b::1%5d:7", "coap://[::1]:7"},
		{"/hc/{+tu}", "/hc/coap://[::1]/a", "coap://[::1]/a"},
		{"/hc/{+tu}", "/hc/coap://%5B::1%5D?x", "coap://[::1]?x"},
		{"/hc/{+tu}", "/hc/coap://%5B::1%5D/a%5Bb%5D?%5Bc%5D", "coap://[::1]/a%5Bb%5D?%5Bc%5D"},
		{"/hc/{+tu}", "/hc/coap://h/%5B::1%5D", "coap://h/%5B::1%5D"},
		{"/hc/{+tu}", "/hc/coap://h?%5B::1%5D", "coap://h?%5B::1%5D"},
		{"/x?t={+tu}", "/x?t=coaps://%5B::1%5D:1/a", "coaps://[::1]:1/a"},
		{"/{+s}/{+hp}{+p}{+qq}", "/coap/%5B::1%5D/a?%5B", "coap://[::1]/a?%5B"},
		{"/x?hp={+hp}&s={+s}", "/x?hp=%5B::1%5D:1&s=coap", "coap://[::1]:1"},
		{"/x?t={tu}", "/x?t=coap%3A%2F%2F%5B%3A%3A1%5D%2Fa%255Bb", "coap://[::1]/a%5Bb"},
		{"/x?t={tu}", "/x?t=coap%3A%2F%2F%255B%3A%3A1%255D", "coap://[::1]"},
	};
	static const char *const bad[] = {
		"/hc/coap://%5B::1/a", "/hc/coap://::1%5D/a", "/hc/coap://%5B%5D/a", "/hc/coap://%5B::1%5Dx/a", "/hc/coap://%5Bh%5D/a",
		"/hc/coap://%5B::1]/a", "/hc/coap://[::1%5D/a", "/hc/coap://%5Bfe80::1%25eth0%5D/a", "/hc/coap://%5B10.0.0.1%5D", "/hc/coap://%5",
		"/hc/coap://x%5B::1%5D/a", "/hc/coap://%5B::1%5D%5D/a", "/hc/coap://%5B%5B::1%5D%5D/a", "/hc/coap://u@%5B::1%5D/a", "/hc/coap://%5B",
		"/hc/coap://h/[", "/hc/coap://h?]",
	};

	(void)state;
	covers("C8075-5.3.2-1 S-30");
	for (size_t i = 0; i < COUNT(cases); i++)
		target_is(cases[i].text, cases[i].target, cases[i].uri);
	for (size_t i = 0; i < COUNT(bad); i++)
		result_is("/hc/{+tu}", bad[i], NO_DEFAULT, TEMPLATE_BAD_URI);
}

static void no_uri_of_a_resource(void **state)
{
	static const char *const bad[] = {
		"/hc/", "/hc/coap:/h/a", "/hc/coap:", "/hc/coap://", "/hc/coap:///a", "/hc/coap://?x", "/hc//h/a", "/hc/?x", "/hc/coap:?x",
		"/hc/ftp://h/a", "/hc/ftp:/h/a", "/hc/http://h/a", "/hc/https://h/a", "/hc/coapx://h", "/hc/1coap://h", "/hc/coap://u@h/a",
		"/hc/coap://u:p@h/a", "/hc/coap://h/a#f", "/hc/coap://h?#", "/hc/coap://h:0/a", "/hc/coap://h:65536", "/hc/coap://h:x/a",
		"/hc/coap://h/%", "/hc/coap://h/%4", "/hc/coap://h/%zz", "/hc/coap://h%2Fx/a", "/hc/coap://h%40x/a", "/hc/coap://h/a b",
		"/hc/coap://h/\x7f", "/hc/coap://h/\xc3\xa9", "/hc/coap://h/\"", "/hc/coap://h/<>", "/hc/coap://h/{x}", "/hc/coap://h/a\\b",
		"/hc/coap://h/a\rb", "/hc/coap://h/a\nb", "/hc/coap://h?a|b", "/hc/coap://a b/", "/hc/+://h",
	};
	struct template *t = compiled("/hc/{+tu}");
	char out[URI_MAX + 1];

	(void)state;
	covers("C8075-5.3-3 S-30");
	for (size_t i = 0; i < COUNT(bad); i++) {
		result_is("/hc/{+tu}", bad[i], NO_DEFAULT, TEMPLATE_BAD_URI);
		result_is("/hc/{+tu}", bad[i], URI_COAPS, TEMPLATE_BAD_URI);
	}
	assert_int_equal(match_bytes(t, "/hc/coap://h/a\0b", 16, NO_DEFAULT, out), TEMPLATE_BAD_URI);
	assert_int_equal(match_bytes(t, "/hc/coap://h\0", 13, NO_DEFAULT, out), TEMPLATE_BAD_URI);
	template_free(t);
}

static void scheme_left_out(void **state)
{
	static const struct {
		const char *text, *target, *with_coaps; /* NULL: bad either way */
	} cases[] = {
		{"/hc/{+tu}", "/hc/s.example.com/light", "coaps://s.example.com/light"},
		{"/hc/?coap_uri={+tu}", "/hc/?coap_uri=s.example.com/light", "coaps://s.example.com/light"},
		{"/hc/{+tu}", "/hc/h:5683/a?b", "coaps://h:5683/a?b"},
		{"/hc/{+tu}", "/hc/h?u=coap://x", "coaps://h?u=coap://x"},
		{"/hc/{+tu}", "/hc/h/coap://x", "coaps://h/coap://x"},
		{"/hc/{+tu}", "/hc/%5B::1%5D:7/a", "coaps://[::1]:7/a"},
		{"/hc/{+tu}", "/hc/coap", "coaps://coap"},
		{"/hc/{+tu}", "/hc/coap:5683/a", "coaps://coap:5683/a"},
		{"/hc/{tu}", "/hc/h%2Fa", "coaps://h/a"},
		{"/hc/{+tu}", "/hc/coap%3A//h/a", NULL},
		{"/hc/{+hp}{+p}{+qq}", "/hc/h/a?b", "coaps://h/a?b"},
		{"/hc/?s={+s}&hp={+hp}&p={+p}", "/hc/?s=&hp=h&p=/a", "coaps://h/a"},
	};
	char out[URI_MAX + 1];

	(void)state;
	covers("C8075-5.3.1-1");
	for (size_t i = 0; i < COUNT(cases); i++) {
		result_is(cases[i].text, cases[i].target, NO_DEFAULT, TEMPLATE_NO_SCHEME);
		assert_int_equal(match(cases[i].text, cases[i].target, URI_COAPS, out), cases[i].with_coaps ? TEMPLATE_OK : TEMPLATE_BAD_URI);
		assert_string_equal(out, cases[i].with_coaps ? cases[i].with_coaps : "");
	}
	/* a scheme that is there is kept */
	assert_int_equal(match("/hc/{+tu}", "/hc/coap://h", URI_COAPS, out), TEMPLATE_OK);
	assert_string_equal(out, "coap://h");
	assert_int_equal(match("/hc/{+tu}", "/hc/h", URI_HTTP, out), TEMPLATE_BAD_URI);
}

/* The enhanced form: values are split at the template's text, and no value reaches into its neighbour's place. */
static void enhanced_forms(void **state)
{
	static const char path[] = "/fwd/{+s}/{+hp}{+p}{+qq}", query[] = "/?s={+s}&hp={+hp}&p={+p}&q={+q}", mixed[] = "/{+hp}/{+s}?p={+p};{+q}";
	static const char coded[] = "/?s={s}&hp={hp}&p={p}&q={q}";
	static const struct {
		const char *text, *uri, *target;
	} cases[] = {
		{path, "coap://h", "/fwd/coap/h"}, {path, "coaps+tcp://h:1/", "/fwd/coaps+tcp/h:1/"}, {path, "coap://h?x", "/fwd/coap/h?x"},
		{path, "coap://h?", "/fwd/coap/h?"}, {path, "coap://h//a//", "/fwd/coap/h//a//"}, {path, "coap://h/a/../b", "/fwd/coap/h/a/../b"},
		{path, "coap://h/a%2Fb?c%26d&e", "/fwd/coap/h/a%2Fb?c%26d&e"}, {path, "coap://h/p?/?a", "/fwd/coap/h/p?/?a"},
		{path, "coap://[::1]:7/p", "/fwd/coap/%5B::1%5D:7/p"},
		{query, "coap://h", "/?s=coap&hp=h&p=&q="}, {query, "coap+ws://h/a?b&c&q=d", "/?s=coap+ws&hp=h&p=/a&q=b&c&q=d"},
		{query, "coap://h/a&b&p=c?d", "/?s=coap&hp=h&p=/a&b&p=c&q=d"}, {query, "coap://a&b/", "/?s=coap&hp=a&b&p=/&q="},
		{mixed, "coap://h/a/b?c?d", "/h/coap?p=/a/b;c?d"},
		{coded, "coap://[::1]:7/a&q=%2F;x?b&s=c%26", "/?s=coap&hp=%5B%3A%3A1%5D%3A7&p=%2Fa%26q%3D%252F%3Bx&q=b%26s%3Dc%2526"},
		{"/{q}/{p}/{hp}/{s}", "coap+tcp://h/a/b?c/d?e", "/c%2Fd%3Fe/%2Fa%2Fb/h/coap%2Btcp"},
		{"/{qq}/{p}/{hp}/{s}/", "coap://h/?", "/%3F/%2F/h/coap/"},
		{"/{s}/{hp}{+p}{+qq}", "coap://a&b:1/c?d", "/coap/a%26b%3A1/c?d"},
		{"/{+s}@{+hp}/x{p}{+qq}", "coap://h/a?d", "/coap@h/x%2Fa?d"},
		{"/{tu}/end?x", "coap://h/a%20b?c", "/coap%3A%2F%2Fh%2Fa%2520b%3Fc/end?x"},
	};
	static const struct {
		const char *text, *target;
		enum template_result result;
	} others[] = {
		{path, "/fwd/coap/", TEMPLATE_BAD_URI}, {path, "/fwd/coap//a", TEMPLATE_BAD_URI}, {path, "/fwd/ftp/h/a", TEMPLATE_BAD_URI},
		{path, "/fwd/http/h/a", TEMPLATE_BAD_URI}, {path, "/fwd/coap", TEMPLATE_OTHER}, {path, "/fwd/coap://h/a", TEMPLATE_OTHER},
		{path, "/fwd//h/a", TEMPLATE_NO_SCHEME}, {path, "/fwd/coap/u@h/a", TEMPLATE_BAD_URI}, {path, "/fwd/coap/h#x", TEMPLATE_BAD_URI},
		{query, "/?s=coap&hp=h&p=a&q=", TEMPLATE_BAD_URI}, {query, "/?s=coap&hp=h&p=.evil/&q=", TEMPLATE_BAD_URI},
		{query, "/?s=coap&hp=h&p=:1/&q=", TEMPLATE_BAD_URI}, {query, "/?s=coap&hp=h&p=@x/&q=", TEMPLATE_BAD_URI},
		{query, "/?s=coap&hp=&p=/h/a&q=", TEMPLATE_BAD_URI}, {query, "/?s=coap&hp=&p=h/a&q=", TEMPLATE_BAD_URI},
		{query, "/?s=coap&hp=h/x&p=&q=", TEMPLATE_OTHER}, {query, "/?s=coap&hp=h?x&p=&q=", TEMPLATE_OTHER},
		{query, "/?s=coap&hp=h&p=/a?b&q=", TEMPLATE_OTHER}, {query, "/?s=coap&hp=h&p=/a", TEMPLATE_OTHER},
		{query, "/?hp=h&s=coap&p=/a&q=", TEMPLATE_OTHER}, {query, "/x?s=coap&hp=h&p=/a&q=", TEMPLATE_OTHER},
		{query, "/?s=coap&hp=h&p=/a&q=b#c", TEMPLATE_BAD_URI}, {query, "/?s=://x/&hp=h&p=/a&q=b", TEMPLATE_OTHER},
		{coded, "/?s=coap&hp=h%2Fx&p=&q=", TEMPLATE_BAD_URI}, {coded, "/?s=coap&hp=h%2Fx&p=%2Fy&q=", TEMPLATE_BAD_URI},
		{coded, "/?s=coap&hp=h%3Fx&p=&q=", TEMPLATE_BAD_URI}, {coded, "/?s=coap&hp=h%3Fx&p=&q=y", TEMPLATE_BAD_URI},
		{coded, "/?s=coap&hp=h&p=%2Fa%3Fb&q=c", TEMPLATE_BAD_URI}, {coded, "/?s=coap&hp=h&p=%2Fa%3Fb&q=", TEMPLATE_BAD_URI},
		{coded, "/?s=coap&hp=h&p=%2Fa%23&q=", TEMPLATE_BAD_URI}, {coded, "/?s=coap%3A%2F%2Fx&hp=h&p=%2Fa&q=", TEMPLATE_BAD_URI},
		{coded, "/?s=coap&hp=h%00&p=%2Fa&q=", TEMPLATE_BAD_URI}, {coded, "/?s=coap&hp=h%0D%0Ax&p=&q=", TEMPLATE_BAD_URI},
		{coded, "/?s=coap&hp=h&p=%2Fa%20&q=", TEMPLATE_BAD_URI}, {coded, "/?s=coap&hp=h&p=%2Fa%zz&q=", TEMPLATE_BAD_URI},
		{coded, "/?s=coap&hp=h&p=%2Fa%2&q=", TEMPLATE_BAD_URI}, {coded, "/?s=coap&hp=h&p=/a&q=", TEMPLATE_OTHER},
		{coded, "/?s=coap&hp=h:1&p=&q=", TEMPLATE_OTHER}, {coded, "/?s=coap&hp=h&p=&q=a+b", TEMPLATE_OTHER},
		{coded, "/?s=coap&hp=h&p=&q=%", TEMPLATE_BAD_URI}, {coded, "/?s=coap&hp=h&p=&q=%4", TEMPLATE_BAD_URI},
		{"/{s}/{hp}/{qq}", "/coap/h/x", TEMPLATE_BAD_URI}, {"/{s}/{hp}/{qq}", "/coap/h/%2Fx", TEMPLATE_BAD_URI},
	};
	char out[URI_MAX + 1];

	(void)state;
	covers("C8075-5.4.2-1 S-30");
	for (size_t i = 0; i < COUNT(cases); i++)
		pair_is(cases[i].text, cases[i].uri, cases[i].target);
	for (size_t i = 0; i < COUNT(others); i++)
		result_is(others[i].text, others[i].target, NO_DEFAULT, others[i].result);
	/* what JavaScript's encodeURIComponent() leaves as it is */
	assert_int_equal(match(coded, "/?s=coap&hp=h&p=%2Fa!'()*&q=", NO_DEFAULT, out), TEMPLATE_OK);
	assert_string_equal(out, "coap://h/a!'()*");
}

static void not_of_the_template(void **state)
{
	static const struct {
		const char *text, *target;
	} cases[] = {
		{"/hc/{+tu}", ""}, {"/hc/{+tu}", "/"}, {"/hc/{+tu}", "/hc"}, {"/hc/{+tu}", "/hc?coap://h"}, {"/hc/{+tu}", "/HC/coap://h"},
		{"/hc/{+tu}", "//hc/coap://h"}, {"/hc/{+tu}", "/%68c/coap://h"}, {"/hc/{+tu}", "/./hc/coap://h"}, {"/hc/{+tu}", "hc/coap://h"},
		{"/hc/{+tu}", "coap://h"}, {"/hc/{+tu}", "*"}, {"/x?t={+tu}", "/x"}, {"/x?t={+tu}", "/x?"}, {"/x?t={+tu}", "/x/?t=coap://h"},
		{"/x?t={+tu}", "/x?a=b&t=coap://h"}, {"/x?t={+tu}", "/x?T=coap://h"}, {"/x?t={+tu}", "/x%3Ft=coap://h"}, {"/{tu}/x", "/coap%3A%2F%2Fh"},
		{"/{tu}", "/coap://h"}, {"/{tu}", "/coap%3A%2F%2Fh?x"}, {"/{+s}/{+hp}{+p}", "/coap/h/a?b"}, {"/{+s}/{+hp}", "/coap/h/a"},
		{"/%41/{+tu}", "/A/coap://h"},
	};

	(void)state;
	covers("C8075-5.3-3 C8075-5.4-1");
	for (size_t i = 0; i < COUNT(cases); i++)
		result_is(cases[i].text, cases[i].target, URI_COAP, TEMPLATE_OTHER);
}

static void null_mapping(void **state)
{
	static const char *const others[] = {"", "/", "/lam", "/lamp/", "/lamps", "/lamp?", "/lamp?on", "//lamp", "/Lamp", "/l%61mp"};
	struct template *t = compiled("/lamp");
	struct http_text base, hct;
	char out[200];

	(void)state;
	covers("C8075-5.2-1");
	assert_false(template_has_target(t));
	assert_false(template_needs_scheme(t));
	result_is("/lamp", "/lamp", NO_DEFAULT, TEMPLATE_OK);
	result_is("/", "/", NO_DEFAULT, TEMPLATE_OK);
	result_is("/lamp?on=%20", "/lamp?on=%20", NO_DEFAULT, TEMPLATE_OK);
	for (size_t i = 0; i < COUNT(others); i++)
		result_is("/lamp", others[i], NO_DEFAULT, TEMPLATE_OTHER);
	assert_int_equal(template_expand(t, "coap://h/a", 10, NO_DEFAULT, out, sizeof(out)), -1);
	template_publish(t, &base, &hct);
	assert_int_equal(base.len, 5);
	assert_memory_equal(base.at, "/lamp", 5);
	assert_null(hct.at);
	template_free(t);
	t = compiled("/lamp?on");
	template_publish(t, &base, &hct);
	assert_int_equal(base.len, 8);
	assert_null(hct.at);
	template_free(t);
}

static void templates_refused(void **state)
{
	static const struct {
		const char *text, *error; /* a part of it */
	} cases[] = {
		{"", "begins with"}, {"hc/{+tu}", "begins with"}, {"?s={+s}&hp={+hp}", "begins with"}, {"{+tu}", "begins with"},
		{"/{+x}", "unknown variable"}, {"/{+}", "unknown variable"}, {"/{}", "unknown variable"}, {"/{TU}", "unknown variable"},
		{"/{+tux}", "unknown variable"}, {"/{+t}", "unknown variable"}, {"/{{+tu}}", "unknown variable"}, {"/{+tu }", "unknown variable"},
		{"/{+tu", "without its \"}\""}, {"/{", "without its \"}\""}, {"/tu}", "without its \"{\""}, {"/{+tu}}", "without its \"{\""},
		{"/{#tu}", "level 2"}, {"/{/p}", "level 2"}, {"/{?q}", "level 2"}, {"/{&q}", "level 2"}, {"/{.s}", "level 2"}, {"/{;p}", "level 2"},
		{"/{++tu}", "level 2"}, {"/{+s,hp}", "level 2"}, {"/{+tu:9}", "level 2"}, {"/{+tu*}", "level 2"}, {"/{=tu}", "level 2"},
		{"/{!tu}", "level 2"}, {"/{@tu}", "level 2"}, {"/{|tu}", "level 2"},
		{"/{+tu}?{+tu}", "twice"}, {"/{+hp}/{hp}", "twice"}, {"/{+s}/{+hp}?{+s}", "twice"},
		{"/{+tu}/{+s}/{+hp}/{+p}/{+q}/{+qq}/{+tu}", "twice"}, {"/{s}/{hp}/{p}/{q}/{qq}/{tu}/{tu}", "twice"},
		{"/{+s}/{+hp}{+p}{+qq}?{+q}", "both {q} and {qq}"}, {"/{+s}/{+hp}?{q}&{qq}", "both {q} and {qq}"},
		{"/{+s}/{+tu}", "beside"}, {"/{tu}/{hp}", "beside"}, {"/{+s}{+p}{+qq}", "host"}, {"/dev{+p}", "host"}, {"/dev?{+q}", "host"},
		{"/{+p}{+hp}", "{+p} ends"}, {"/{+s}{+hp}", "{+s} ends"}, {"/{+hp}{+s}", "{+hp} ends"}, {"/{+tu}x", "{+tu} ends"},
		{"/{+tu}/x", "{+tu} ends"}, {"/{+hp}?{+q}&s={+s}", "{+q} ends"}, {"/{+hp}{+p}{+qq}&s={+s}", "{+qq} ends"}, {"/{+hp}x", "{+hp} ends"},
		{"/{+hp}:{+p}", "{+hp} ends"}, {"/{+hp}%2F{+p}", "{+hp} ends"}, {"/{+p}/{+hp}", "{+p} ends"}, {"/{+p}.{+hp}", "{+p} ends"},
		{"/{+p}@{+hp}", "{+p} ends"}, {"/{+s}+{+hp}", "{+s} ends"}, {"/{+s}-{+hp}", "{+s} ends"}, {"/{+hp}{p}", "{+hp} ends"},
		{"/{hp}{p}", "{hp} ends"}, {"/{p}{hp}", "{p} ends"}, {"/{tu}x", "{tu} ends"}, {"/{tu}*", "{tu} ends"}, {"/{tu}%20", "{tu} ends"},
		{"/{+hp}{+q}", "{+hp} ends"}, {"/{+p}{+q}?{+hp}", "{+p} ends"}, {"/{+qq}{+hp}", "{+qq} ends"}, {"/{p}{+qq}{+hp}", "{+qq} ends"},
		{"/a b", "character"}, {"/#", "character"}, {"/\"", "character"}, {"/\xc3\xa9", "character"}, {"/[", "character"}, {"/a\n", "character"},
		{"/<", "character"}, {"/a\\b", "character"}, {"/%", "\"%\""}, {"/%4", "\"%\""}, {"/%4{+tu}", "\"%\""}, {"/%zz", "\"%\""},
	};
	char error[TEMPLATE_ERROR_MAX], text[TEMPLATE_MAX + 2];
	struct template *t;

	(void)state;
	covers("C8075-5.4-1 C8075-5.4.1-1 C8075-5.4.2-1 C8075-5.4.2-2");
	for (size_t i = 0; i < COUNT(cases); i++) {
		memset(error, 'x', sizeof(error));
		t = template_compile(cases[i].text, error);
		if (t)
			fail_msg("%s is taken", cases[i].text);
		assert_non_null(memchr(error, '\0', sizeof(error)));
		if (!strstr(error, cases[i].error))
			fail_msg("%s %s", cases[i].text, error);
	}
	memset(text, '/', sizeof(text));
	text[TEMPLATE_MAX + 1] = '\0';
	assert_null(template_compile(text, error));
	text[TEMPLATE_MAX] = '\0';
	template_free(compiled(text));
	template_free(NULL);
}

/* A URI has no request target if the template would give another URI of it, or none. */
static void no_form(void **state)
{
	static const struct {
		const char *text, *uri;
		int scheme;
	} cases[] = {
		{"/hc/{+tu}", "http://h/a", NO_DEFAULT}, {"/hc/{+tu}", "coap://h/a#b", NO_DEFAULT}, {"/hc/{+tu}", "h/a", URI_COAP},
		{"/hc/{+tu}", "", NO_DEFAULT}, {"/hc/{+tu}", "coap:/h", URI_COAP}, {"/{+s}/{+hp}{+p}", "coap://h/a?b", NO_DEFAULT},
		{"/{+s}/{+hp}", "coap://h/a", NO_DEFAULT}, {"/{+s}/{+hp}?{+q}", "coap://h?", NO_DEFAULT}, {"/{+hp}{+p}", "coap://h/a", NO_DEFAULT},
		{"/{+hp}{+p}", "coap://h/a", URI_COAPS}, {"/{+s}?{+hp}&{+p}&{+q}", "coap://h/a&b", NO_DEFAULT},
		{"/{+s}?{+hp}&p={+p}&q={+q}", "coap://h/a&q=b", NO_DEFAULT},
	};
	char out[100];
	struct template *t;

	(void)state;
	covers("C8075-5.4.2-2");
	for (size_t i = 0; i < COUNT(cases); i++) {
		t = compiled(cases[i].text);
		memset(out, 'x', sizeof(out));
		if (template_expand(t, cases[i].uri, strlen(cases[i].uri), cases[i].scheme, out, sizeof(out)) != -1)
			fail_msg("%s by %s: %s", cases[i].uri, cases[i].text, out);
		assert_string_equal(out, "");
		template_free(t);
	}
	t = compiled("/{+hp}{+p}");
	assert_int_equal(template_expand(t, "coap://h/a", 10, URI_COAP, out, sizeof(out)), 4);
	assert_string_equal(out, "/h/a");
	template_free(t);
}

/* A URI of the longest length passes, in room that is just enough. */
static void lengths(void **state)
{
	static const char *const texts[] = {"/hc/{+tu}", "/x?{tu}", "/{+s}/{+hp}{+p}{+qq}", "/?{hp}&{s}&{p}&{q}"};
	char uri[URI_MAX + 2], out[URI_MAX + 1], big[3 * URI_MAX + 100];

	(void)state;
	covers("C8075-5.3-1 C8075-5.4.2-1");
	memset(uri, 'a', sizeof(uri));
	memcpy(uri, "coap://[2001:db8::1]/", 21);
	memset(uri + 500, '/', 100);
	uri[600] = '?';
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct template *t = compiled(texts[i]);
		int len = template_expand(t, uri, URI_MAX, NO_DEFAULT, big, sizeof(big));

		assert_in_range(len, URI_MAX - 2, 3 * URI_MAX + 10);
		assert_int_equal(match_bytes(t, big, (size_t)len, NO_DEFAULT, out), TEMPLATE_OK);
		assert_int_equal(strlen(out), URI_MAX);
		assert_memory_equal(out, uri, URI_MAX);
		for (size_t room = 0; room <= (size_t)len; room++) {
			char *exact = malloc(room + 1);

			assert_non_null(exact);
			assert_int_equal(template_expand(t, uri, URI_MAX, NO_DEFAULT, exact, room), -1);
			assert_true(room == 0 || exact[0] == '\0');
			free(exact);
		}
		assert_int_equal(template_expand(t, uri, URI_MAX, NO_DEFAULT, big, (size_t)len + 1), len);
		assert_int_equal(template_expand(t, uri, URI_MAX + 1, NO_DEFAULT, out, sizeof(out)), -1);
		/* one character more than a URI may have */
		big[len] = 'a';
		assert_int_equal(match_bytes(t, big, (size_t)len + 1, NO_DEFAULT, out), TEMPLATE_BAD_URI);
		template_free(t);
	}
	/* decoded once, the brackets still take three characters each */
	static const char bracketed[] = "/x?coap%3A%2F%2F%255B%3A%3A1%255D%2F";
	size_t bracketed_len = sizeof(bracketed) - 1 + URI_MAX - strlen("coap://[::1]/");
	struct template *coded = compiled("/x?{tu}");

	memset(big, 'a', sizeof(big));
	memcpy(big, bracketed, sizeof(bracketed) - 1);
	assert_int_equal(match_bytes(coded, big, bracketed_len, NO_DEFAULT, out), TEMPLATE_OK);
	assert_int_equal(strlen(out), URI_MAX);
	assert_int_equal(match_bytes(coded, big, bracketed_len + 1, NO_DEFAULT, out), TEMPLATE_BAD_URI);
	template_free(coded);
	/* much more, and the default scheme comes on top */
	static char huge[100000];

	memset(huge, 'a', sizeof(huge));
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct template *t = compiled(texts[i]);
		size_t prefix = (size_t)(strchr(texts[i], '{') - texts[i]);

		memcpy(huge, texts[i], prefix);
		assert_int_not_equal(match_bytes(t, huge, sizeof(huge), URI_COAP, out), TEMPLATE_OK);
		if (i < 2)
			assert_int_equal(match_bytes(t, huge, prefix + URI_MAX - 3, URI_COAP, out), TEMPLATE_BAD_URI);
		memset(huge, 'a', prefix);
		template_free(t);
	}
}

static void published(void **state)
{
	static const struct {
		const char *text, *base, *hct; /* NULL: the default one */
		bool needs_scheme;
	} cases[] = {
		{"/hc/{+tu}", "/hc/", NULL, false}, {"/{+tu}", "/", NULL, false}, {"/hc{+tu}", "/hc", NULL, false},
		{"/hc/{tu}", "/hc/", "{tu}", false}, {"/hc/?uri={+tu}", "/hc/", "?uri={+tu}", false}, {"/hc?uri={+tu}", "/hc", "?uri={+tu}", false},
		{"/hc/{+s}/{+hp}{+p}{+qq}", "/hc/", "{+s}/{+hp}{+p}{+qq}", false}, {"/a/b{+hp}{+p}", "/a/b", "{+hp}{+p}", true},
		{"/?s={+s}&hp={+hp}&p={+p}&q={+q}", "/", "?s={+s}&hp={+hp}&p={+p}&q={+q}", false}, {"/x?{+hp}", "/x", "?{+hp}", true},
	};

	(void)state;
	covers("C8075-5.5-2");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct template *t = compiled(cases[i].text);
		struct http_text base, hct;

		assert_true(template_has_target(t));
		assert_int_equal(template_needs_scheme(t), cases[i].needs_scheme);
		template_publish(t, &base, &hct);
		assert_int_equal(base.len, strlen(cases[i].base));
		assert_memory_equal(base.at, cases[i].base, base.len);
		assert_int_equal(hct.at != NULL, cases[i].hct != NULL);
		assert_int_equal(hct.len, cases[i].hct ? strlen(cases[i].hct) : 0);
		if (cases[i].hct)
			assert_memory_equal(hct.at, cases[i].hct, hct.len);
		template_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_rfc),
		cmocka_unit_test(the_default_mapping_changes_nothing),
		cmocka_unit_test(brackets_of_ipv6_literals),
		cmocka_unit_test(no_uri_of_a_resource),
		cmocka_unit_test(scheme_left_out),
		cmocka_unit_test(enhanced_forms),
		cmocka_unit_test(not_of_the_template),
		cmocka_unit_test(null_mapping),
		cmocka_unit_test(templates_refused),
		cmocka_unit_test(no_form),
		cmocka_unit_test(lengths),
		cmocka_unit_test(published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
