/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/option.o coap/uri.o base/bytes.o translate/map_template.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/snapshot.h"
#include "oscore/opening.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LISTENER "listeners: { coap: { url = \"coap://127.0.0.1\"; }; };\n"
#define LAB "contexts: { lab: { keys = \"/lab.keys\"; }; };\n"

/* Each text of the files in tests/data/conf (reading*.conf), with its errors, is a case of test_conf. */

/* Loads a text; *errors is from malloc. */
static struct snapshot *load(const char *text, char **errors)
{
	size_t size;
	FILE *f = open_memstream(errors, &size);
	struct snapshot *s = conf_load_text(text, "test", f);

	fclose(f);
	return s;
}

/* Without a word said. */
static struct snapshot *must_load(const char *text)
{
	char *errors;
	struct snapshot *s = load(text, &errors);

	assert_string_equal(errors, "");
	free(errors);
	assert_non_null(s);
	return s;
}

static void test_defaults(void **state)
{
	struct snapshot *s = must_load(LISTENER LAB "feeds: { f: { file = \"/f\"; }; }; reads: { tap: { context = \"lab\"; }; };"
		"routes: { r: { to = [\"coap://h\"]; read = \"tap\"; }; n: { to = [\"coap://h\"]; }; };");
	const struct read_conf *r = &s->reads[0];

	(void)state;
	assert_string_equal(s->settings.reader_user, "oscore-reader");
	assert_int_equal(s->settings.reader_queue, 1024);
	assert_int_equal(s->contexts[0].max_failures, 64);
	assert_true(s->feeds[0].memory == 256000 && *s->feeds[0].socket == '\0');
	assert_true(r->fields == 0 && r->allow_count == 0 && r->deny_count == 0 && !r->verify && r->rate == 0 && r->burst == 10);
	assert_true(!r->pass_unknown && r->deadline == 50000 && r->body_limit == 64000 && r->feed == NULL && r->count_path_count == 0);
	assert_ptr_equal(s->routes[0].read, r);
	assert_null(s->routes[1].read);
	snapshot_release(s);
}

static void test_what_names_what(void **state)
{
	struct snapshot *s = must_load(LISTENER "contexts: { a: { keys = \"/a\"; }; b: { keys = \"/b\"; }; };"
		"feeds: { x: { file = \"/x\"; }; y: { socket = \"/y\"; }; };"
		"reads: { one: { context = \"b\"; feed = \"y\"; fields = [\"size\", \"code\"]; }; two: { context = \"a\"; feed = \"x\"; }; };"
		"routes: { r: { to = [\"coap://h\"]; read = \"two\"; }; q: { to = [\"coap://h\"]; read = \"one\"; }; p: { to = [\"coap://h\"]; read = \"two\"; }; };");

	(void)state;
	assert_ptr_equal(s->reads[0].contexts, &s->contexts[1]);
	assert_ptr_equal(s->reads[1].contexts, &s->contexts[0]);
	assert_ptr_equal(s->reads[0].feed, &s->feeds[1]);
	assert_ptr_equal(s->reads[1].feed, &s->feeds[0]);
	assert_int_equal(s->reads[0].fields, FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_SIZE));
	assert_ptr_equal(s->routes[0].read, &s->reads[1]);
	assert_ptr_equal(s->routes[1].read, &s->reads[0]);
	assert_ptr_equal(s->routes[2].read, &s->reads[1]);
	assert_true(s->contexts[0].id == opening_set_id("a") && s->contexts[1].id == opening_set_id("b"));
	assert_true(s->reads[0].slot != s->reads[1].slot && s->reads[0].id == opening_set_id(s->reads[0].name));
	snapshot_release(s);
}

static void test_rules(void **state)
{
	static const struct {
		const char *text;
		uint32_t methods;
		size_t segments;
		bool open;
	} cases[] = {
		{"GET /a", 1u << 1, 1, false}, {"* /a/b", 0, 2, false}, {"* /**", 0, 0, true}, {"* /", 0, 0, false}, {"PUT,POST /firmware/**", 1u << 2 | 1u << 3, 1, true},
		{"GET,POST,PUT,DELETE,FETCH,PATCH,iPATCH /*", 0xfe, 1, false}, {"GET,GET /a b/", 1u << 1, 2, false}, {"iPATCH /%2F/%2e", 1u << 7, 2, false},
	};
	char text[400];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct inner_rule *rule;
		struct snapshot *s;

		snprintf(text, sizeof(text), LISTENER LAB "reads: { r: { context = \"lab\"; deny = [\"%s\"]; }; };"
			"routes: { r: { to = [\"coap://h\"]; require = [\"oscore\"]; read = \"r\"; }; };", cases[i].text);
		s = must_load(text);
		rule = &s->reads[0].deny[0];
		assert_string_equal(rule->text, cases[i].text);
		assert_int_equal(rule->methods, cases[i].methods);
		assert_int_equal(rule->path.count, cases[i].segments);
		assert_int_equal(rule->path.open, cases[i].open);
		snapshot_release(s);
	}
}

/* More than there may be of a kind, and more rules than a list takes. */
static void test_limits(void **state)
{
	static const struct {
		const char *group, *member, *error;
		unsigned max;
	} groups[] = {
		{"contexts", "keys = \"/k\";", "test:2: contexts: are more than 64\n", CONF_CONTEXTS_MAX},
		{"feeds", "file = \"/k\";", "test:2: feeds: are more than 16\n", CONF_FEEDS_MAX},
		{"reads", "context = \"lab\";", "test:2: reads: are more than 256\n", CONF_READS_MAX},
	};
	char *errors, *text;
	size_t size;

	(void)state;
	for (size_t i = 0; i < COUNT(groups); i++) {
		for (unsigned more = 0; more <= 1; more++) {
			FILE *f = open_memstream(&text, &size);
			struct snapshot *s;

			fprintf(f, LISTENER "%s: { ", groups[i].group);
			for (unsigned k = 0; k < groups[i].max + more; k++)
				fprintf(f, "m%u: { %s }; ", k, groups[i].member);
			fprintf(f, "};\n%s", strcmp(groups[i].group, "reads") == 0 ? LAB : "");
			fclose(f);
			s = load(text, &errors);
			assert_int_equal(s != NULL, more == 0);
			assert_int_equal(strcmp(errors, groups[i].error) == 0, more == 1);
			snapshot_release(s);
			free(errors);
			free(text);
		}
	}
}

/* What a later group names is known wherever in the file it stands; twice the same name is not. */
static void test_order(void **state)
{
	char *errors;

	(void)state;
	snapshot_release(must_load("routes: { r: { to = [\"coap://h\"]; read = \"tap\"; }; }; reads: { tap: { feed = \"f\"; context = \"lab\"; }; };"
		"feeds: { f: { file = \"/f\"; }; };\n" LAB LISTENER));
	assert_null(load(LISTENER "contexts: { a: { keys = \"/a\"; };\n a: { keys = \"/b\"; }; };", &errors));
	assert_string_equal(errors, "test:3: contexts.a: has the name of the one in line 2\n");
	free(errors);
	assert_null(load(LISTENER "reads: 3; feeds: ( ); contexts: [ ];", &errors));
	assert_string_equal(errors, "test:2: reads: must be a group of settings in { }\ntest:2: feeds: must be a group of settings in { }\n"
		"test:2: contexts: must be a group of settings in { }\n");
	free(errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_what_names_what), cmocka_unit_test(test_rules), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
