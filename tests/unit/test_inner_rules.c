/* objects: proxy/decide/inner.o base/bytes.o CONF_OBJS COAP_OBJS oscore/opening.o base/errors.o base/endpoint.o base/log.o base/clock.o base/hash.o base/random.o translate/map_template.o */
/* What a gate decides by what was read: rules, and every attempt to get past one by another spelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "coap/message.h"
#include "proxy/decide/inner.h"

enum { TEXTS = 512 };

static struct snapshot *conf;

static struct read_conf *gate(const char *rules)
{
	char text[2048];

	snapshot_release(conf);
	snprintf(text, sizeof text, "listeners: { l: { url = \"coap://127.0.0.1\"; }; }; contexts: { c: { keys = \"/k\"; }; };\n"
		"reads: { r: { context = \"c\"; fields = [\"code\", \"uri-path\"]; %s }; };\n"
		"routes: { x: { to = \"coap://10.0.0.1\"; read = \"r\"; require = [\"oscore\"]; }; };", rules);
	conf = conf_load_text(text, "test", stderr);
	assert_non_null(conf);
	return conf->routes[0].read;
}

static int tear_down(void **state)
{
	(void)state;
	snapshot_release(conf);
	conf = NULL;
	return 0;
}

/* A request for segments that are written with '|' between them, "0" escaped as \0 by '^'. NULL: no path at all. */
static struct opening_answer request(uint8_t code, const char *path)
{
	static char bytes[TEXTS];
	struct opening_answer a = { .verdict = OPENING_OPENED };
	struct opening_inner *in = &a.inner;

	in->fields = FIELD_BIT(FIELD_CODE);
	in->code = code;
	if (path == NULL)
		return a;
	assert_true(strlen(path) < sizeof bytes);
	in->fields |= FIELD_BIT(FIELD_URI_PATH);
	snprintf(bytes, sizeof bytes, "%s", path);
	for (char *at = bytes;; at++) {
		size_t len = strcspn(at, "|");

		in->path[in->path_count++] = (struct opening_text){ (const uint8_t *)at, (uint16_t)len };
		for (size_t i = 0; i < len; i++)
			if (at[i] == '^')
				at[i] = '\0';
		at += len;
		if (*at == '\0')
			break;
	}
	return a;
}

static enum error judge(const struct read_conf *r, uint8_t code, const char *path)
{
	struct opening_answer a = request(code, path);

	return inner_judge(r, &a);
}

/* ---- denials ---- */

static void a_denial_is_passed_by_no_spelling(void **state)
{
	static const char *const attempts[] = {
		"firmware", "firmware|a", "firmware|a|b", "firmware|", "firmware||", "firmware|||", "firmware||a", "|firmware", "||firmware", "|firmware|a",
		".|firmware", "firmware|.", "firmware|..|firmware", "a|..|firmware", "..|firmware", "firmware|..", "a|.|b", "..", ".", "a|..",
		"FIRMWARE", "Firmware|a", "firmWare|", "%66irmware", "%66irmware|a", "firmware%2fa", "firmware%2Fa", "%2e|firmware", "%2e%2e|firmware",
		"a%2f..%2ffirmware", "%46IRMWARE", "firmware%00", "firmware%20", "%25", "firmware/a", "/firmware", "firmware/", "a/../firmware", "/", "//",
		"firmware^", "firmware^a", "^", "firmware|^", ("\xc0\xaf" "firmware"), "firmware\xc0\xafz", "\xe0\x80\xaf", "\xc1\xa6irmware", "\xf0\x80\x80\xaf",
		"\xff", "\x80", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "a||b", "|a", "||",
	};
	const struct read_conf *r = gate("deny = [\"PUT /firmware/**\"];");

	(void)state;
	for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++)
		if (judge(r, CODE_PUT, attempts[i]) != ERR_READ_DENIED)
			fail_msg("\"%s\" passes", attempts[i]);
}

static void what_is_not_denied_passes(void **state)
{
	static const char *const paths[] = {
		NULL, "", "temp", "temp|", "a|firmware", "firmwares", "firm|ware", "a.b", "...", "..a", "a..", ".well-known|core", "100%", "%", "%zz", "%4", "a%4g",
		"caf\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "a b", "a\\b", "~", "firmware\xcc\x81",
	};
	const struct read_conf *r = gate("deny = [\"PUT /firmware/**\"];");

	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		if (judge(r, CODE_PUT, paths[i]) != ERR_NONE)
			fail_msg("\"%s\" is denied", paths[i]);
	assert_int_equal(judge(r, CODE_GET, "firmware"), ERR_NONE);
	assert_int_equal(judge(r, CODE_FETCH, "firmware"), ERR_NONE);
}

static void methods_are_those_that_rules_name(void **state)
{
	static const uint8_t unknown[] = { 0, 8, 9, 31, MSG_CODE(1, 1), MSG_CODE(2, 5), MSG_CODE(7, 1), 255 };
	const struct read_conf *r = gate("deny = [\"FETCH,iPATCH /a\", \"* /b\"];");

	(void)state;
	assert_int_equal(judge(r, CODE_FETCH, "a"), ERR_READ_DENIED);
	assert_int_equal(judge(r, CODE_IPATCH, "a"), ERR_READ_DENIED);
	assert_int_equal(judge(r, CODE_PATCH, "a"), ERR_NONE);
	for (uint8_t code = CODE_GET; code <= CODE_IPATCH; code++)
		assert_int_equal(judge(r, code, "b"), ERR_READ_DENIED);
	for (size_t i = 0; i < sizeof unknown; i++)
		assert_int_equal(judge(r, unknown[i], "c"), ERR_READ_DENIED);
}

/* A pattern with a "*" is for one segment, an empty one at the end may be none. */
static void an_empty_segment_at_the_end_counts_both_ways(void **state)
{
	const struct read_conf *r = gate("deny = [\"* /a/*\", \"* /b\"];");

	(void)state;
	assert_int_equal(judge(r, CODE_GET, "a|x"), ERR_READ_DENIED);
	assert_int_equal(judge(r, CODE_GET, "a|x|"), ERR_READ_DENIED);
	assert_int_equal(judge(r, CODE_GET, "a|"), ERR_READ_DENIED);
	assert_int_equal(judge(r, CODE_GET, "A|"), ERR_READ_DENIED);
	assert_int_equal(judge(r, CODE_GET, "a"), ERR_NONE);
	assert_int_equal(judge(r, CODE_GET, "a|x|y"), ERR_NONE);
	assert_int_equal(judge(r, CODE_GET, "b|"), ERR_READ_DENIED);
	assert_int_equal(judge(r, CODE_GET, "b|c"), ERR_NONE);
}

/* ---- permissions ---- */

static void only_what_is_allowed_passes(void **state)
{
	const struct read_conf *r = gate("allow = [\"GET /temp\", \"GET /a/*\", \"GET,PUT /all/**\", \"POST /\"]; deny = [\"PUT /all/but\"];");
	static const struct { uint8_t code; const char *path; bool passes; } rows[] = {
		{ CODE_GET, "temp", true }, { CODE_PUT, "temp", false }, { CODE_GET, "temp|", false }, { CODE_GET, "Temp", false }, { CODE_GET, "temp|a", false },
		{ CODE_GET, "a|x", true }, { CODE_GET, "a|", false }, { CODE_GET, "a|x|", false }, { CODE_GET, "all", true }, { CODE_GET, "all|", true },
		{ CODE_GET, "all|b|c", true }, { CODE_GET, "all|..|x", false }, { CODE_GET, "all||x", false }, { CODE_GET, "all|%2e%2e", false },
		{ CODE_PUT, "all|but", false }, { CODE_PUT, "all|BUT", false }, { CODE_PUT, "all|but|", false }, { CODE_PUT, "all|but|x", true },
		{ CODE_POST, NULL, true }, { CODE_GET, NULL, false }, { CODE_GET, "", false }, { 8, "all", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if ((judge(r, rows[i].code, rows[i].path) == ERR_NONE) != rows[i].passes)
			fail_msg("row %zu", i);
}

/* ---- what was not read ---- */

static void a_path_that_is_hidden_is_nobodys(void **state)
{
	struct opening_answer a = request(CODE_GET, "temp");

	(void)state;
	a.inner.path_abbreviated = true;
	assert_int_equal(inner_judge(gate("deny = [\"PUT /firmware\"];"), &a), ERR_READ_DENIED);
	assert_int_equal(inner_judge(gate("allow = [\"* /**\"];"), &a), ERR_READ_DENIED);
	assert_int_equal(inner_judge(gate("verify = true;"), &a), ERR_NONE);
	a = request(CODE_GET, "temp");
	a.inner.fields = 0;
	assert_int_equal(inner_judge(gate("deny = [\"PUT /firmware\"];"), &a), ERR_READ_DENIED);
}

static void as_many_segments_as_there_can_be(void **state)
{
	const struct read_conf *r = gate("deny = [\"* /a/**\"];");
	struct opening_answer a = request(CODE_GET, "b");

	(void)state;
	for (size_t i = 1; i < OPENING_TEXTS_MAX; i++)
		a.inner.path[i] = a.inner.path[0];
	a.inner.path_count = OPENING_TEXTS_MAX;
	assert_int_equal(inner_judge(r, &a), ERR_NONE);
	a.inner.path[0] = (struct opening_text){ (const uint8_t *)"a", 1 };
	assert_int_equal(inner_judge(r, &a), ERR_READ_DENIED);
}

static void verdicts(void **state)
{
	static const struct { uint8_t verdict; enum error rules, verify, unknown; } rows[] = {
		{ OPENING_VERIFIED, ERR_READ_DENIED, ERR_NONE, ERR_READ_DENIED },
		{ OPENING_UNKNOWN, ERR_READ_UNKNOWN, ERR_READ_UNKNOWN, ERR_NONE },
		{ OPENING_NO_KEY, ERR_READ_UNKNOWN, ERR_READ_UNKNOWN, ERR_READ_UNKNOWN },
		{ OPENING_MALFORMED, ERR_READ_MALFORMED, ERR_READ_MALFORMED, ERR_READ_MALFORMED },
		{ OPENING_BAD, ERR_READ_BAD, ERR_READ_BAD, ERR_READ_BAD },
		{ OPENING_INNER, ERR_READ_BAD, ERR_READ_BAD, ERR_READ_BAD },
		{ OPENING_CLOSED, ERR_READ_CLOSED, ERR_READ_CLOSED, ERR_READ_CLOSED },
		{ OPENING_FAILED, ERR_READER_FAILED, ERR_READER_FAILED, ERR_READER_FAILED },
		{ 200, ERR_READER_FAILED, ERR_READER_FAILED, ERR_READER_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct opening_answer a = { .verdict = rows[i].verdict };

		assert_int_equal(inner_judge(gate("deny = [\"PUT /a\"];"), &a), rows[i].rules);
		assert_int_equal(inner_judge(gate("verify = true;"), &a), rows[i].verify);
		assert_int_equal(inner_judge(gate("deny = [\"PUT /a\"]; unknown-kid = \"pass\";"), &a), rows[i].unknown);
	}
}

static void gates_and_taps(void **state)
{
	(void)state;
	assert_false(conf_read_is_gate(gate("")));
	assert_true(conf_read_is_gate(gate("verify = true;")));
	assert_true(conf_read_is_gate(gate("rate = 1;")));
	assert_int_equal(inner_needed(gate("rate = 1;")), 0);
	assert_true(conf_read_is_gate(gate("allow = [\"GET /\"];")));
	assert_int_equal(inner_needed(gate("deny = [\"GET /\"];")), FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_URI_PATH));
}

static void paths_are_counted_by_the_first_that_fits(void **state)
{
	const struct read_conf *r = gate("count-paths = [\"/temp\", \"/firmware/**\", \"/firmware/x\"];");
	static const struct { const char *path; size_t at; } rows[] = {
		{ "temp", 0 }, { "Temp", 3 }, { "temp|", 3 }, { "firmware", 1 }, { "firmware|x", 1 }, { NULL, 3 }, { "..|temp", 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct opening_answer a = request(CODE_GET, rows[i].path);

		assert_int_equal(inner_counted_path(r, &a.inner), rows[i].at);
		a.inner.path_abbreviated = true;
		assert_int_equal(inner_counted_path(r, &a.inner), 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_denial_is_passed_by_no_spelling, tear_down),
		cmocka_unit_test_teardown(what_is_not_denied_passes, tear_down),
		cmocka_unit_test_teardown(methods_are_those_that_rules_name, tear_down),
		cmocka_unit_test_teardown(an_empty_segment_at_the_end_counts_both_ways, tear_down),
		cmocka_unit_test_teardown(only_what_is_allowed_passes, tear_down),
		cmocka_unit_test_teardown(a_path_that_is_hidden_is_nobodys, tear_down),
		cmocka_unit_test_teardown(as_many_segments_as_there_can_be, tear_down),
		cmocka_unit_test_teardown(verdicts, tear_down),
		cmocka_unit_test_teardown(gates_and_taps, tear_down),
		cmocka_unit_test_teardown(paths_are_counted_by_the_first_that_fits, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
