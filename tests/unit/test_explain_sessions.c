/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o base/bytes.o base/errors.o coap/option.o translate/outer.o proxy/decide/route.o proxy/decide/policy.o proxy/decide/target.o proxy/decide/explain.o proxy/decide/explain_hop.o proxy/decide/explain_http.o proxy/decide/explain_read.o proxy/decide/inner.o proxy/decide/http_route.o translate/map_template.o translate/map_method.o translate/http_message.o */
/* What -E says of clients and origins that are known by more than their address. */
#include <stdlib.h>

#include "proxy/decide/explain.h"
#include "tests/unit/covers.h"
#include "tests/unit/question.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char file[] =
	"listeners: { udp: { url = \"coap://127.0.0.1:5683\"; }; dtls: { url = \"coaps://[::]\"; psk-file = \"/p\"; };"
	" tcp: { url = \"coap+tcp://127.0.0.1\"; }; tls: { url = \"coaps+tcp://127.0.0.1\"; psk-file = \"/p\"; };"
	" http: { url = \"http://127.0.0.1:8080\"; }; https: { url = \"https://127.0.0.1\"; psk-file = \"/p\"; };"
	" bare: { url = \"http://127.0.0.1:8081\"; websocket = false; }; };\n"
	"upstream: { psk-file = \"/o\"; certificate = \"/c\"; key = \"/k\"; };\n"
	"routes: {\n"
	"	meters: { identities = [\"meter-*\"]; paths = [\"/rd\"]; to = [\"coap+tcp://192.0.2.7\", \"coaps://lwm2m.example\"]; return-path = true; };\n"
	"	named: { hosts = [\"cloud.example\"]; to = [\"coaps+tcp://192.0.2.8\"]; origin-identity = \"gw-7\"; http-path = \"/cloud\"; };\n"
	"	asked: { hosts = [\"m.example\"]; http-path = \"/meter\"; to = [\"session:meter-17\"]; wait-for-session = \"5s\"; authenticate = \"none\"; };\n"
	"	spare: { hosts = [\"s.example\"]; to = [\"session:a b\", \"coap://192.0.2.9\"]; authenticate = \"none\"; };\n"
	"	parent: { forward-to = [\"coaps://parent.example\"]; via = \"coaps+ws://192.0.2.10\"; };\n"
	"	open: { from = [\"http\", \"bare\"]; http-path = \"/open/{+tu}\"; forward-to = [\"coaps://*\"]; authenticate = \"none\"; coaps-from-http = true; };\n"
	"	all: { http-path = \"/hc/{+tu}\"; forward-to = [\"coap://*\", \"coaps://*\", \"coap+tcp://*\", \"coaps+tcp://*\", \"coap+ws://*\", \"coaps+ws://*\"];"
	" authenticate = \"none\"; multicast = true; };\n"
	"};\n";

static const struct row {
	const char *text;
	int want;
	const char *says[3]; /* each must be in the answer */
} rows[] = {
	/* who asks */
	{"POST coaps://gw.example/rd via dtls direct as meter-17", ERR_NONE, {"via dtls direct as meter-17\n", "route meters: takes the request",
		"next hop: coap+tcp://192.0.2.7, coaps://lwm2m.example (its address is looked up, and judged then) (we show upstream.certificate there) (in"}},
	{"POST coaps+tcp://gw.example/rd via tls direct as meter-", ERR_NONE, {"route meters: takes",
		"return path: it leaves from a port of the client's own", NULL}},
	{"POST coaps://gw.example/rd via dtls direct", ERR_NO_ROUTE, {"route meters: wants to know who asks", "refused: 4.04", NULL}},
	{"POST coaps://gw.example/rd via dtls direct as lamp", ERR_NO_ROUTE, {"route meters: is for other names", NULL}},
	{"POST coap://gw.example/rd via udp direct", ERR_NO_ROUTE, {"route meters: wants to know", NULL}},
	{"POST coap://gw.example/rd via udp direct as meter-1", -1, {"nobody proves a name: meter-1", NULL}},
	{"POST coap+tcp://gw.example/rd via tcp direct as meter-1", -1, {"nobody proves a name: meter-1", NULL}},
	/* CoAP inside HTTP */
	{"POST coaps+ws://gw.example/rd via https direct as meter-17", ERR_NONE, {"route meters: takes", NULL}},
	{"GET coap+ws://cloud.example/x via http direct", ERR_CREDENTIALS, {"route named: takes", "refused: 4.01 ", NULL}},
	{"GET coap+ws://cloud.example/x via http direct as me", ERR_NONE, {"next hop: coaps+tcp://192.0.2.8 (we are gw-7 there)\n", NULL}},
	{"GET coap+ws://s.example/x via http direct", ERR_NONE, {"route spare: takes", NULL}},
	{"GET coaps+ws://h/x via bare direct", -1, {"no CoAP comes inside it to: bare", NULL}},
	{"GET coaps+ws://h/x via bare proxy", -1, {"no CoAP comes inside it", NULL}},
	/* where to */
	{"GET coap://m.example/x via udp direct", ERR_NONE,
		{"next hop: session:meter-17 (if somebody of that name is connected, or is within 5s)\n", NULL}},
	{"GET coap://s.example/x via udp direct oscore", ERR_NONE,
		{"next hop: session:a b (if somebody of that name is connected), coap://192.0.2.9 (in this order", NULL}},
	{"GET coaps://parent.example/x", ERR_NONE, {"next hop, the parent proxy: coaps+ws://192.0.2.10 (we show upstream.certificate there)\n", NULL}},
	{"GET coaps://d.example/x", ERR_NONE,
		{"next hop: d.example:5684 by coaps (its address is looked up, and judged then) (we show upstream.certificate there)\n", NULL}},
	{"GET coap+tcp://192.0.2.1/x", ERR_NONE, {"next hop: 192.0.2.1:5683 by coap+tcp\n", NULL}},
	{"GET coap+ws://192.0.2.1/x", ERR_NONE, {"next hop: 192.0.2.1:80 by coap+ws\n", NULL}},
	{"GET coaps+ws://[2001:db8::1]/x", ERR_NONE, {"next hop: [2001:db8::1]:443 by coaps+ws (we show", NULL}},
	{"GET coap+tcp://127.0.0.1/x", ERR_NO_ROUTE, {"refused: 4.04", NULL}}, /* our own listener */
	{"GET coap://224.0.1.187/x", ERR_NONE, {"(a group: the first answer counts)", NULL}},
	{"GET coaps://224.0.1.187/x", ERR_ADDRESS, {"not to: 224.0.1.187:5684 by coaps", "refused: 4.03", NULL}},
	{"GET coap+tcp://224.0.1.187/x", ERR_ADDRESS, {"not to: 224.0.1.187:5683 by coap+tcp", NULL}},
	{"GET coap+ws://[ff02::fd]/x", ERR_ADDRESS, {"not to: ", NULL}},
	/* over HTTP */
	{"GET http://gw/meter via bare", ERR_NO_ROUTE, {"route asked: is for other hosts", NULL}},
	{"GET http://m.example/meter via bare", ERR_NONE, {"next hop: session:meter-17 (if", NULL}},
	{"GET http://gw/hc/coap://h/x via http", ERR_NONE, {"next hop: h:5683", NULL}},
	{"GET http://gw/hc/coaps://h/x via http", ERR_BARE_HTTP, {"route all: takes", "refused: 403 Over https alone", NULL}},
	{"GET http://gw/hc/coaps+ws://h/x via bare", ERR_BARE_HTTP, {"refused: 403 ", NULL}},
	{"GET https://gw/hc/coaps://h/x via https", ERR_NONE, {"next hop: h:5684 by coaps", NULL}},
	{"GET http://gw/open/coaps://h/x via http", ERR_NONE, {"route open: takes", "next hop: h:5684 by coaps", NULL}},
	{"GET http://cloud.example/cloud via http as me", ERR_BARE_HTTP, {"route named: takes", "refused: 403 ", NULL}},
	{"GET https://cloud.example/cloud via https as me", ERR_NONE, {"we are gw-7 there", NULL}},
	{"GET coaps+ws://h/x via http direct", ERR_NO_ROUTE, {"refused: 4.04 ", NULL}}, /* CoAP, and not HTTP's rule */
	{"GET coaps://h/x via http proxy", ERR_NONE, {"next hop: h:5684 by coaps", NULL}},
};

static void test_answers(void **state)
{
	struct snapshot *s = configured(file);
	size_t size, i, j;
	char *out;
	FILE *f;
	int got;

	(void)state;
	covers("C8075-10.3-1 C8075-10.3-2 C8323-8-1 C8323-8.6-1 C7252-9-3");
	for (i = 0; i < COUNT(rows); i++) {
		f = open_memstream(&out, &size);
		assert_non_null(f);
		got = explain_request(s, rows[i].text, f, NULL, NULL);
		fclose(f);
		if (got != rows[i].want)
			fail_msg("%s: %d\n%s", rows[i].text, got, out);
		for (j = 0; j < COUNT(rows[i].says) && rows[i].says[j]; j++)
			if (!strstr(out, rows[i].says[j]))
				fail_msg("%s: says not \"%s\"\n%s", rows[i].text, rows[i].says[j], out);
		free(out);
	}
	snapshot_release(s);
}

/* Without certificate nothing is shown; a return path is a client's of CoAP alone. */
static void test_what_is_not_there_is_not_told(void **state)
{
	struct snapshot *s = configured("listeners: { a: { url = \"coap://127.0.0.1\"; }; h: { url = \"https://[::1]\"; psk-file = \"/p\"; }; };\n"
		"routes: { r: { http-path = \"/x\"; to = [\"coaps://192.0.2.1\"]; return-path = true; authenticate = \"none\"; }; };\n");
	size_t size;
	char *out;
	FILE *f = open_memstream(&out, &size);

	(void)state;
	assert_int_equal(explain_request(s, "GET https://gw/x via h", f, NULL, NULL), ERR_NONE);
	fclose(f);
	assert_non_null(strstr(out, "next hop: coaps://192.0.2.1 (we show nothing there)\n"));
	assert_null(strstr(out, "return path"));
	free(out);
	snapshot_release(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_what_is_not_there_is_not_told)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
