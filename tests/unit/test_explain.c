/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o base/bytes.o base/errors.o coap/option.o translate/outer.o proxy/decide/route.o proxy/decide/policy.o proxy/decide/target.o proxy/decide/explain.o proxy/decide/explain_hop.o proxy/decide/explain_http.o proxy/decide/explain_read.o proxy/decide/inner.o proxy/decide/http_route.o translate/map_template.o translate/map_method.o translate/http_message.o */
#include <stdlib.h>

#include "proxy/decide/explain.h"
#include "tests/unit/covers.h"
#include "tests/unit/question.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char file[] = LISTENERS
	"routes: {\n"
	"	plant: { clients = [\"10.0.0.0/8\"]; forward-to = [\"coap://*.plant.example\"]; require = [\"oscore\"]; };\n"
	"	parent: { forward-to = [\"coap://far.example\"]; via = \"coap://192.0.2.7\"; };\n"
	"	lab: { forward-to = [\"coap://127.0.0.0/8:*\", \"coap://[::1]:*\"]; allow-networks = [\"127.0.0.0/8\"]; };\n"
	"	groups: { forward-to = [\"coap://224.0.0.0/4\", \"coap://[ff00::/8]\"]; multicast = true; };\n"
	"	paths: { paths = [\"/open/**\"]; to = [\"coap://192.0.2.9\", \"coap://spare.example\"]; methods = [\"GET\"]; };\n"
	"	host: { hosts = [\"device.example\"]; ports = 5683; to = [\"coap://192.0.2.8:5700/p\"]; };\n"
	"	shut: { from = [\"two\"]; deny = true; };\n"
	"};\n";

struct row {
	const char *text;
	int want;
	const char *says[3]; /* each must be in the answer */
};

static const struct row rows[] = {
	{"GET coap://s.plant.example/p from 10.0.0.7:5683 via one oscore", ERR_NONE,
		{"route plant: takes the request", "next hop: s.plant.example:5683", "inside the OSCORE message"}},
	{"GET coap://s.plant.example/p from 10.0.0.7:5683 via one", ERR_OSCORE_REQUIRED, {"refused: 4.01 OSCORE", "refused_unprotected", NULL}},
	{"GET coap://s.plant.example/p from 11.0.0.7", ERR_NO_ROUTE_FORWARD, {"route plant: is for clients", "refused: 5.05", NULL}},
	{"GET coap://far.example/x?y", ERR_NONE, {"next hop, the parent proxy: coap://192.0.2.7", "route lab: does not forward", NULL}},
	{"POST coap://127.0.0.1:5700/x", ERR_NONE, {"next hop: 127.0.0.1:5700", NULL}},
	{"POST coap://127.0.0.1:5684/x", ERR_NO_ROUTE, {"refused: 4.04", NULL}}, /* another of our own listeners: a local request */
	{"POST coap://127.0.0.1:5684/x oscore", ERR_NO_ROUTE, {"refused: 4.04", NULL}},
	{"GET coap://[::1]:5700/x via two", ERR_ADDRESS, {"not to: [::1]:5700", NULL}},
	{"GET coap://127.0.0.1/open/a", ERR_NONE, {"route paths: takes", NULL}}, /* names the gateway itself */
	{"GET coap://h/open/a direct", ERR_NONE, {"coap://192.0.2.9, coap://spare.example", "in this order", NULL}},
	{"PUT coap://h/open/a direct", ERR_METHOD, {"refused: 4.05", NULL}},
	{"0.11 coap://h/open/a direct", ERR_METHOD_UNKNOWN, {"refused: 5.01", NULL}},
	{"GET coap://h/open/a direct oscore", ERR_NO_ROUTE, {"route paths: is for certain paths, and an OSCORE", "refused: 4.04", NULL}},
	{"FETCH coap://Device.Example direct oscore", ERR_NONE, {"next hop: coap://192.0.2.8:5700/p", "route host: takes", NULL}},
	{"GET coap://device.example:5684 direct", ERR_NO_ROUTE, {"route host: is for other ports", NULL}},
	{"GET coap://device.example:5683/open direct via two", ERR_NONE, {"route shut: would take it as well", NULL}},
	{"GET coap://x/ direct via two from [fd00::1]:99", ERR_FORBIDDEN, {"from [fd00::1]:99 via two", "refused: 4.03", NULL}},
	{"GET coap://h/.well-known/core direct from fd00::1", ERR_NONE, {"answered by the gateway itself", NULL}},
	{"GET coap://far.example proxy", ERR_NONE, {"parent proxy", NULL}},
	{"GET ftp://far.example/x", ERR_NO_ROUTE_FORWARD, {"refused: 5.05", NULL}},
	{"GET coap://me@far.example/x", ERR_BAD_URI, {"the URI: user", "refused: 4.02", NULL}},
	{"GET coap://far.example/x#f", ERR_BAD_URI, {"refused: 4.02", NULL}},
	{"GET coap://224.0.1.187/x", ERR_NONE, {"next hop: 224.0.1.187:5683 (a group: the first answer counts)\n", NULL}},
	{"GET coap://[ff02::fd]/x", ERR_NONE, {"next hop: [ff02::fd]:5683 (a group", NULL}},
	{"POST coap://224.0.1.187/ oscore", ERR_ADDRESS, {"not to: 224.0.1.187:5683\n", "refused: 4.01", NULL}},
	{"GET coaps://far.example/x", ERR_NO_ROUTE_FORWARD, {"route parent: does not forward to that target", NULL}},
	{"", -1, {"not understood", NULL}},
	{"GET", -1, {"not understood", NULL}},
	{"BREW coap://h/", -1, {"no method: BREW", NULL}},
	{"GET /p", -1, {"not understood", NULL}},
	{"GET coap://", -1, {"not understood", NULL}},
	{"GET coap://h from nowhere", -1, {"no address: nowhere", NULL}},
	{"GET coap://h from", -1, {"no address", NULL}},
	{"GET coap://h via three", -1, {"no listener of this configuration: three", NULL}},
	{"GET coap://h gift", -1, {"no word of a question: gift", NULL}},
	{"GET coap://me@h/x direct", -1, {"not understood", NULL}},
	{"GET coap://h oscore oscore oscore oscore oscore oscore oscore oscore oscore", -1, {"more words", NULL}},
};

static const char web_file[] =
	"listeners: { coap: { url = \"coap://127.0.0.1:5683\"; }; plain: { url = \"http://127.0.0.1:8080\"; websocket = false; };"
	" web: { url = \"https://[::]:8443\"; certificate = \"/c\"; key = \"/k\"; }; };\n"
	"http: { credentials = \"/u\"; };\n"
	"routes: {\n"
	"	devices: { from = [\"web\"]; http-path = \"/hc/{+tu}\"; forward-to = [\"coap://*.plant.example\"]; identities = [\"a*\"];"
	" methods = [\"GET\"]; };\n"
	"	shut: { from = [\"web\"]; http-path = \"/hc/{+tu}\"; clients = [\"10.0.0.0/8\"]; deny = true; };\n"
	"	lamp: { from = [\"web\"]; http-path = \"/lamp?on\"; hosts = [\"gw.example\"]; ports = 8443; to = [\"coap://192.0.2.1/light\"];"
	" authenticate = \"none\"; };\n"
	"	oscore: { http-path = \"/o/{+hp}{+p}{+qq}\"; default-scheme = \"coap\"; query-is-fetch = true; forward-to = [\"coap://*\"]; authenticate = \"none\";"
	" require = [\"oscore\"]; };\n"
	"	proxy: { from = [\"coap\", \"plain\"]; forward-to = [\"coap://*\", \"http://*\"]; };\n"
	"	weather: { from = [\"coap\"]; to = [\"http://192.0.2.7/api\"]; };\n"
	"};\n";

static const struct row web_rows[] = {
	{"GET https://gw.example/hc/coap://p.plant.example/p?x from 10.0.0.7:40000 via web as alice", ERR_NONE,
		{"from 10.0.0.7:40000 via web as alice\n", "target: coap://p.plant.example/p?x\nnext hop: p.plant.example:5683",
			"route shut: would take it as well"}},
	{"HEAD https://gw/hc/coap://p.plant.example/p via web as a", ERR_NONE, {"HEAD https", "route devices: takes the request", NULL}},
	{"GET https://gw/hc/coap://p.plant.example/p via web", ERR_CREDENTIALS, {"route devices: wants to know", "refused: 401 ", NULL}},
	{"GET https://gw/hc/coap://p.plant.example/p via web as bob", ERR_IDENTITY, {"devices: is for other names", "refused: 403 ", NULL}},
	{"PUT https://gw/hc/coap://p.plant.example/p via web as alice", ERR_METHOD, {"refused: 405 ", NULL}},
	{"GET https://gw/hc/p.plant.example/p via web as alice", ERR_SCHEME_MISSING, {"a target without a scheme", "refused: 400 ", NULL}},
	{"GET https://gw/hc/coaps://p.plant.example/p via web as alice", ERR_SCHEME, {"does not forward to that target", "refused: 501 ", NULL}},
	{"GET https://gw/hc/coap://p/%zz via web as alice", ERR_BAD_URI, {"no target URI stands in it", "refused: 400 ", NULL}},
	{"GET https://gw/hc/coap://q.example via web from 10.1.1.1", ERR_FORBIDDEN, {"route shut: takes", "refused: 403 ", NULL}},
	{"GET https://gw/hc/coap://q.example via web from 11.1.1.1", ERR_NO_ROUTE, {"does not forward", "other networks", "refused: 404 "}},
	{"PUT https://GW.example:8443/lamp?on via web", ERR_NONE, {"route lamp: takes", "next hop: coap://192.0.2.1/light\n", NULL}},
	{"PUT https://gw.example:444/lamp?on via web", ERR_NONE, {"route lamp: takes", NULL}}, /* the port asked, not that of the field */
	{"PUT https://gw.example/lamp via web", ERR_NO_ROUTE, {"route lamp: has another http-path", "no route takes", NULL}},
	{"PUT https://other.example/lamp?on via web", ERR_NO_ROUTE, {"route lamp: is for other hosts", NULL}},
	{"POST http://gw/o/h/x via plain oscore", ERR_NONE, {"target: coap://h/x\nnext hop: h:5683", NULL}},
	{"POST http://gw/o/h/x via plain", ERR_OSCORE_REQUIRED, {"route oscore: takes", "refused: 403 OSCORE", NULL}},
	{"GET coap://h/x via plain as x", ERR_NONE, {"route proxy: takes", "next hop: h:5683", NULL}},
	{"GET coap://127.0.0.1:5683/x via plain as x", ERR_ADDRESS, {"route proxy: takes", "refused: 403 ", NULL}},
	{"GET ftp://h/x via plain as x", ERR_NO_ROUTE, {"route proxy: has no http-path", "refused: 404", NULL}},
	{"GET http://gw/.well-known/core?rt=core.hc via plain", ERR_NONE, {"answered by the gateway itself", NULL}},
	{"GET http://gw/.well-known/core/x via plain", ERR_NO_ROUTE, {"refused: 404", NULL}},
	{"GET http://h/x", ERR_NONE, {"next hop: h:80", NULL}}, /* to the listener that is first, by CoAP */
	{"GET coap://h/x direct", ERR_NONE, {"next hop: http://192.0.2.7/api\n", NULL}},
	{"HEAD coap://h/x", -1, {"no method: HEAD", NULL}},
	{"TRACE https://gw/hc/coap://p.plant.example/p via web as alice", ERR_HTTP_METHOD, {"refused: 501 ", NULL}},
	{"get https://gw/hc/coap://p.plant.example/p via web as alice", ERR_HTTP_METHOD, {"refused: 501 ", NULL}},
	{"QUERY https://gw/hc/coap://p.plant.example/p via web as alice", ERR_HTTP_METHOD, {"refused: 501 ", NULL}},
	{"QUERY http://gw/o/h/x via plain", ERR_OSCORE_REQUIRED, {"refused: 403 ", NULL}}, /* it has query-is-fetch */
	{"GET coap://h/x as alice", -1, {"nobody proves a name", NULL}},
	{"GET http://gw/x via plain as", -1, {"no name", NULL}},
	{"GET http://gw/x via plain direct", -1, {"over HTTP the URI says", NULL}},
	{"GET http://gw/x#y via plain", -1, {"no URI that a client of HTTP asks for", NULL}},
	{"GET http://gw?x via plain", -1, {"not understood", NULL}},
	{"GET http:///x via plain", -1, {"not understood", NULL}},
	{"GET http://me@gw/x via plain", -1, {"not understood", NULL}},
	{"GET http://gw/\x80 via plain", -1, {"not understood", NULL}},
	{"GET /x via plain", -1, {"not understood", NULL}},
};

static int explain(const struct snapshot *s, const char *text, void (*show)(FILE *, const struct explained *), char **out)
{
	size_t size;
	FILE *f = open_memstream(out, &size);
	int result;

	assert_non_null(f);
	result = explain_request(s, text, f, NULL, show);
	fclose(f);
	return result;
}

static void check_rows(const char *configuration, const struct row *row, size_t count)
{
	struct snapshot *s = configured(configuration);
	char *out;
	size_t j;
	int got;

	for (; count > 0; count--, row++) {
		got = explain(s, row->text, NULL, &out);
		if (got != row->want)
			fail_msg("%s: %d\n%s", row->text, got, out);
		for (j = 0; j < COUNT(row->says) && row->says[j]; j++)
			if (!strstr(out, row->says[j]))
				fail_msg("%s: says not \"%s\"\n%s", row->text, row->says[j], out);
		free(out);
	}
	snapshot_release(s);
}

static void test_answers(void **state)
{
	(void)state;
	covers("C7252-5.7.2-1 C7252-5.8-1 S-23");
	check_rows(file, rows, COUNT(rows));
}

static void test_answers_over_http(void **state)
{
	(void)state;
	covers("C8075-4-1 C8075-5.2-1 C8075-5.3-1 C8075-5.3.1-1 C8075-10-2 C8075-10.4-1 S-36");
	check_rows(web_file, web_rows, COUNT(web_rows));
}

static void test_every_route_is_named(void **state)
{
	struct snapshot *s = configured(file);
	char *out, line[80];
	size_t i;

	(void)state;
	assert_int_equal(explain(s, "GET coap://s.plant.example from 10.1.1.1 oscore", NULL, &out), 0);
	for (i = 0; i < s->route_count; i++) {
		snprintf(line, sizeof(line), "route %s: ", s->routes[i].name);
		assert_non_null(strstr(out, line));
	}
	free(out);
	snapshot_release(s);
}

static void show(FILE *out, const struct explained *what)
{
	assert_string_equal(what->route->name, "host");
	assert_string_equal(what->to->host, "192.0.2.8");
	assert_int_equal(what->target->question.path_count, 2);
	assert_ptr_equal(what->request->uri_host, msg_option(what->message, OPT_URI_HOST));
	fprintf(out, "options: %u\n", what->message->option_count);
}

/* Of a request over HTTP whose http-path names no target: the Host field's host, and nothing else of what was asked. */
static void show_lamp(FILE *out, const struct explained *what)
{
	assert_string_equal(what->route->name, "lamp");
	assert_int_equal(what->message->option_count, 1);
	assert_non_null(msg_option(what->message, OPT_URI_HOST));
	fputs("shown\n", out);
}

static void test_null_mapping(void **state)
{
	struct snapshot *s = configured(web_file);
	char *out;

	(void)state;
	assert_int_equal(explain(s, "PUT https://gw.example:444/lamp?on via web", show_lamp, &out), 0);
	assert_non_null(strstr(out, "shown\n"));
	free(out);
	snapshot_release(s);
}

/* The message holds what a client would have sent (RFC 7252 6.4). */
static void test_options_are_shown(void **state)
{
	struct snapshot *s = configured(file);
	char *out;

	(void)state;
	assert_int_equal(explain(s, "GET coap://device.example/a/b?c direct", show, &out), 0);
	assert_non_null(strstr(out, "options: 4\n"));
	free(out);
	assert_int_equal(explain(s, "GET coap://nobody.example/a/b?c direct", show, &out), ERR_NO_ROUTE);
	free(out);
	snapshot_release(s);
}

/* A URI over the length of the option is no message. */
static void test_long_uri(void **state)
{
	struct snapshot *s = configured(file);
	char text[2200], *out;

	(void)state;
	snprintf(text, sizeof(text), "GET coap://far.example/%0*d", URI_MAX, 7);
	assert_true(explain(s, text, NULL, &out) != 0);
	free(out);
	snprintf(text, sizeof(text), "GET coap://h/%0*d direct", 300, 7);
	assert_int_equal(explain(s, text, NULL, &out), -1);
	free(out);
	snapshot_release(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers), cmocka_unit_test(test_answers_over_http), cmocka_unit_test(test_every_route_is_named),
		cmocka_unit_test(test_options_are_shown), cmocka_unit_test(test_null_mapping), cmocka_unit_test(test_long_uri),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
