/* objects: coap/link_format.o translate/link_hc.o translate/map_template.o coap/uri.o coap/message.o base/endpoint.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coap/link_format.h"
#include "tests/unit/covers.h"
#include "translate/link_hc.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void add(struct link *link, const char *name, const char *value)
{
	link_add(link, name, value, strlen(value));
}

static void text_is(const struct writer *w, const char *text)
{
	assert_false(w->failed);
	assert_int_equal(writer_length(w), strlen(text));
	assert_memory_equal(w->start, text, strlen(text));
}

static void documents(void **state)
{
	uint8_t bytes[200];
	struct writer w;
	struct link link;

	(void)state;
	writer_init(&w, bytes, sizeof(bytes));
	link_init(&link, "/.well-known/core", 17);
	link_add_bare(&link, "ct", "40");
	link_write(&w, &link);
	text_is(&w, "</.well-known/core>;ct=40");
	link_init(&link, "/hc/", 4);
	add(&link, "rt", "core.hc");
	add(&link, "title", "a \"b\" \\ c, d; \xc3\xa9");
	add(&link, "empty", "");
	link_write(&w, &link);
	text_is(&w, "</.well-known/core>;ct=40,</hc/>;rt=\"core.hc\";title=\"a \\\"b\\\" \\\\ c, d; \xc3\xa9\";empty=\"\"");
	/* the empty reference */
	writer_init(&w, bytes, sizeof(bytes));
	link_init(&link, "", 0);
	link_write(&w, &link);
	text_is(&w, "<>");
}

static void what_cannot_be_written(void **state)
{
	static const char *const targets[] = {"a>b", "<a", "a b", "a\"", "a\r\nb", "\xc3\xa9", "\x7f"};
	static const char *const values[] = {"a\nb", "a\rb", "\x01", "\x7f", "a\tb"};
	static const char *const bare[] = {"4 0", "4,0", "4;0", "\"", "<", "\xff", "a\n", "\\"};
	uint8_t bytes[100];
	struct writer w;
	struct link link;

	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++) {
		writer_init(&w, bytes, sizeof(bytes));
		link_init(&link, targets[i], strlen(targets[i]));
		link_write(&w, &link);
		assert_true(w.failed);
	}
	for (size_t i = 0; i < COUNT(values) + COUNT(bare); i++) {
		writer_init(&w, bytes, sizeof(bytes));
		link_init(&link, "/", 1);
		if (i < COUNT(values))
			add(&link, "x", values[i]);
		else
			link_add_bare(&link, "x", bare[i - COUNT(values)]);
		link_write(&w, &link);
		assert_true(w.failed);
	}
	writer_init(&w, bytes, sizeof(bytes));
	link_init(&link, "/\0", 2);
	link_write(&w, &link);
	assert_true(w.failed);
}

static void links_asked_for(void **state)
{
	static const struct {
		const char *query;
		bool matches;
	} cases[] = {
		{"", true}, {"rt=core.hc", true}, {"rt=core", false}, {"rt=core*", true}, {"rt=*", true}, {"rt=core.hc*", true},
		{"rt=core.hcx*", false}, {"rt=second", true}, {"rt=sec*", true}, {"rt=core.hc second", false},
		{"rt=core.hc%20second", false}, {"rt=", false}, {"rt=Core.hc", false}, {"RT=core.hc", false}, {"r=core.hc", false},
		{"rtx=core.hc", false}, {"rt=%63ore.hc", true}, {"rt=core%2Ehc", true}, {"%72t=core.hc", true}, {"href=/hc/", true},
		{"href=/hc", false}, {"href=/hc*", true}, {"href=/*", true}, {"href=*", true}, {"href=%2Fhc%2F", true}, {"href=hc", false}, {"hrefx=/hc/", false},
		{"href=/hc/x*", false}, {"hct=?uri={+tu}", true}, {"hct=%3Furi%3D%7B+tu%7D", true}, {"hct=?uri*", true},
		{"hct=?uri", false}, {"title=a b", true}, {"title=a", false}, {"title=a*", true}, {"ct=40", true}, {"ct=4*", true},
		{"ct=4", false}, {"ct=60", true}, {"if=x", false}, {"if=*", false}, {"anchor=*", false}, {"rt=core.hc&href=/hc/", true},
		{"rt=core.hc&href=/x", false}, {"if=x&rt=core.hc", false}, {"rt=core.hc&rt=second", true}, {"rt=core.hc&rt=third", false},
		{"rt", true}, {"=x", true}, {"&", true}, {"&&rt=core.hc&", true}, {"&if=x", false}, {"rt=core.hc&", true}, {"rt=%", false},
		{"rt=%zz", false}, {"x%=1", false}, {"rt=core.hc%00", false}, {"rt=core.hc%2A", true},
	};
	struct link link;

	(void)state;
	link_init(&link, "/hc/", 4);
	add(&link, "rt", "core.hc second");
	add(&link, "hct", "?uri={+tu}");
	add(&link, "title", "a b");
	add(&link, "ct", "40 60");
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].query);
		char *copy = malloc(len + (len == 0));

		assert_non_null(copy);
		memcpy(copy, cases[i].query, len);
		if (link_matches_query(&link, copy, len) != cases[i].matches)
			fail_msg("%s", cases[i].query);
		free(copy);
	}
	assert_true(link_matches_query(&link, NULL, 0));
}

static void arguments_of_options(void **state)
{
	static const struct uri_part arguments[] = {{"rt=core.hc", 10}, {"href=/h*", 8}, {"", 0}, {"rt=%63ore.hc", 12}};
	struct link link;

	(void)state;
	link_init(&link, "/hc/", 4);
	add(&link, "rt", "core.hc");
	assert_true(link_matches(&link, NULL, 0));
	assert_true(link_matches(&link, arguments, 3));
	assert_false(link_matches(&link, arguments, 4)); /* decoded already */
}

static void long_arguments(void **state)
{
	char query[400] = "title=";
	char value[256];
	struct link link;

	(void)state;
	memset(value, 'a', sizeof(value));
	memset(query + 6, 'a', sizeof(query) - 6);
	link_init(&link, "/", 1);
	link_add(&link, "title", value, 249);
	assert_true(link_matches_query(&link, query, 6 + 249));
	link_init(&link, "/", 1);
	link_add(&link, "title", value, 250);
	assert_false(link_matches_query(&link, query, 6 + 250));
	assert_false(link_matches_query(&link, query, sizeof(query)));
}

/* RFC 8075 5.5.1: on the CoAP side with the HTTP origin, on the HTTP side without; the template unless it is the default one. */
static void links_of_mappings(void **state)
{
	static const struct {
		const char *text, *anchor, *link;
	} cases[] = {
		{"/hc/{+tu}", "https://p.example.com", "</hc/>;anchor=\"https://p.example.com\";rt=\"core.hc\""},
		{"/hc/?uri={+tu}", "https://p.example.com", "</hc/>;anchor=\"https://p.example.com\";rt=\"core.hc\";hct=\"?uri={+tu}\""},
		{"/hc/{+tu}", NULL, "</hc/>;rt=\"core.hc\""},
		{"/hc/?uri={+tu}", NULL, "</hc/>;rt=\"core.hc\";hct=\"?uri={+tu}\""},
		{"/hc?uri={+tu}", NULL, "</hc>;rt=\"core.hc\";hct=\"?uri={+tu}\""},
		{"/hc/{+s}/{+hp}{+p}{+qq}", NULL, "</hc/>;rt=\"core.hc\";hct=\"{+s}/{+hp}{+p}{+qq}\""},
		{"/?s={+s}&hp={+hp}&p={+p}&q={+q}", NULL, "</>;rt=\"core.hc\";hct=\"?s={+s}&hp={+hp}&p={+p}&q={+q}\""},
		{"/a;b=(c)'/%22,{tu}", NULL, "</a;b=(c)'/%22,>;rt=\"core.hc\";hct=\"{tu}\""},
		{"/lamp", NULL, NULL},
		{"/hc/{+tu}", "https://p\r\nx", NULL},
	};
	char error[TEMPLATE_ERROR_MAX], out[200];

	(void)state;
	covers("C8075-5.5-2");
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct template *t = template_compile(cases[i].text, error);
		size_t len = cases[i].link ? strlen(cases[i].link) : 0;

		assert_non_null(t);
		memset(out, 'x', sizeof(out));
		assert_int_equal(link_format_hc(out, sizeof(out), t, cases[i].anchor), cases[i].link ? (int)len : -1);
		assert_string_equal(out, cases[i].link ? cases[i].link : "");
		if (cases[i].link) {
			assert_int_equal(link_format_hc(out, len, t, cases[i].anchor), -1);
			assert_string_equal(out, "");
			assert_int_equal(link_format_hc(out, len + 1, t, cases[i].anchor), (int)len);
		}
		assert_int_equal(link_format_hc(out, 0, t, cases[i].anchor), -1);
		template_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(what_cannot_be_written),
		cmocka_unit_test(links_asked_for),
		cmocka_unit_test(arguments_of_options),
		cmocka_unit_test(long_arguments),
		cmocka_unit_test(links_of_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
