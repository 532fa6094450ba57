/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o base/bytes.o base/errors.o coap/option.o translate/outer.o proxy/decide/route.o proxy/decide/policy.o proxy/decide/target.o proxy/decide/explain.o proxy/decide/explain_hop.o proxy/decide/explain_http.o proxy/decide/explain_read.o proxy/decide/inner.o proxy/decide/http_route.o translate/map_template.o translate/map_method.o translate/http_message.o */
#include <stdlib.h>

#include "proxy/decide/explain.h"
#include "tests/unit/question.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char file[] = LISTENERS
	"contexts: { plant: { keys = \"/plant.keys\"; }; };\n"
	"feeds: { billing: { socket = \"/billing\"; }; };\n"
	"reads: {\n"
	"	gate: { context = \"plant\"; fields = [\"code\", \"uri-path\"]; allow = [\"* /**\"]; deny = [\"PUT,POST /firmware/**\"]; rate = 3; burst = 4;"
	" deadline = \"1s\"; feed = \"billing\"; };\n"
	"	open: { context = \"plant\"; verify = true; unknown-kid = \"pass\"; };\n"
	"	tap: { context = \"plant\"; fields = [\"payload\"]; feed = \"billing\"; };\n"
	"};\n"
	"routes: {\n"
	"	gate: { hosts = [\"gate.example\"]; to = [\"coap://192.0.2.1\"]; read = \"gate\"; };\n"
	"	open: { hosts = [\"open.example\"]; to = [\"coap://192.0.2.1\"]; require = [\"oscore\"]; read = \"open\"; };\n"
	"	tap: { forward-to = [\"coap://tap.example\"]; read = \"tap\"; };\n"
	"	none: { hosts = [\"none.example\"]; to = [\"coap://192.0.2.1\"]; };\n"
	"};\n";

static const struct {
	const char *text;
	int want;
	const char *says[9]; /* each must be in the answer */
	const char *not;     /* this must not */
} rows[] = {
	{"GET coap://gate.example/temp direct oscore", ERR_NONE,
		{"reads by gate: a gate, at which a request waits until it is read, 1s at most\n", "  allow: * /**\n", "  deny: PUT,POST /firmware/**\n",
			"  rate: 3 requests a second of one sender, 4 at once\n", "  of no context that is known: refused\n", "  contexts: plant\n",
			"  fields: code uri-path\n", "  told to the feed billing\n", "  with that inside: passes, if it is genuine\n"}, "refused:"},
	{"PUT coap://gate.example/firmware/1 direct oscore", ERR_READ_DENIED, {"  with that inside: refused, once it is opened\nrefused: 4.01 "}, "passes"},
	{"GET coap://gate.example/firmware/1 direct oscore", ERR_NONE, {"passes, if it is genuine"}, "refused:"},
	{"PUT coap://gate.example/Firmware direct oscore", ERR_READ_DENIED, {"refused: 4.01 "}, NULL},
	{"PUT coap://gate.example/x/../firmware direct oscore", ERR_READ_DENIED, {"refused: 4.01 "}, NULL},
	{"PUT coap://gate.example/x//y direct oscore", ERR_READ_DENIED, {"refused: 4.01 "}, NULL},
	{"PUT coap://gate.example/firmware direct", ERR_NONE, {"reads by gate: OSCORE messages alone, so nothing of this one\n"}, "with that inside"},
	{"PUT coap://open.example/firmware direct oscore", ERR_NONE,
		{"reads by open: a gate", "50ms at most", "  of no context that is known: passes unread\n", "  fields: none\n", "passes, if it is genuine"}, "feed"},
	{"PUT coap://tap.example/firmware oscore", ERR_NONE,
		{"reads by tap: a tap, which reads a request after it has left\n", "  contexts: plant\n", "  fields: payload\n", "  told to the feed billing\n"},
		"with that inside"},
	{"PUT coap://none.example/firmware direct oscore", ERR_NONE, {"next hop"}, "reads by"},
};

static void test_answers(void **state)
{
	struct snapshot *s = configured(file);

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *out;
		size_t size;
		FILE *f = open_memstream(&out, &size);
		int result = explain_request(s, rows[i].text, f, NULL, NULL);

		fclose(f);
		for (size_t k = 0; k < COUNT(rows[i].says) && rows[i].says[k]; k++)
			if (!strstr(out, rows[i].says[k]))
				fail_msg("%s: does not say \"%s\":\n%s", rows[i].text, rows[i].says[k], out);
		if (rows[i].not && strstr(out, rows[i].not))
			fail_msg("%s: says \"%s\":\n%s", rows[i].text, rows[i].not, out);
		assert_int_equal(result, rows[i].want);
		free(out);
	}
	snapshot_release(s);
}

/* More segments than the reader tells of: no rule can be sure. */
static void test_a_long_path(void **state)
{
	struct snapshot *s = configured(file);
	char text[300] = "GET coap://gate.example", *out;
	size_t size, len = strlen(text);

	(void)state;
	for (int segments = 64; segments <= 65; segments++) {
		FILE *f = open_memstream(&out, &size);

		memset(text + len, '\0', sizeof text - len);
		for (int i = 0; i < segments; i++)
			memcpy(text + len + 2 * (size_t)i, "/a", 2);
		memcpy(text + len + 2 * (size_t)segments, " direct oscore", 14);
		assert_int_equal(explain_request(s, text, f, NULL, NULL), segments == 64 ? ERR_NONE : ERR_READ_DENIED);
		fclose(f);
		free(out);
	}
	snapshot_release(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_a_long_path)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
