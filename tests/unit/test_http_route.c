/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o base/bytes.o base/errors.o coap/option.o translate/outer.o proxy/decide/route.o proxy/decide/policy.o proxy/decide/target.o proxy/decide/http_route.o translate/map_template.o translate/http_message.o */
/* Which route takes a request over HTTP, and that nobody gets by one that denies. */
#include "proxy/decide/http_route.h"
#include "tests/unit/covers.h"
#include "tests/unit/question.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WEB "http: { credentials = \"/none\"; }; listeners: { web: { url = \"http://127.0.0.1:8080\"; }; other: { url = \"http://127.0.0.1:8081\"; };" \
	"coap: { url = \"coap://127.0.0.1:5683\"; }; };\n"

struct row {
	const char *target, *host, *name;
	const char *route; /* that takes it; NULL: none */
	enum error refused;
};

static void ask(const struct snapshot *s, const struct row *row, struct http_decision *d)
{
	const struct http_question q = { .client = address("192.0.2.1", 40000), .asked = address("127.0.0.1", 8080),
		.target = { row->target, strlen(row->target) }, .host = { row->host ? row->host : "gw", strlen(row->host ? row->host : "gw") },
		.code = 1, .name = row->name };

	http_route_find(s, &q, d);
}

static void check_rows(const char *routes, const struct row *rows, size_t count)
{
	char text[4096];
	struct snapshot *s;

	snprintf(text, sizeof(text), WEB "routes: { %s };", routes);
	s = configured(text);
	for (size_t i = 0; i < count; i++) {
		struct http_decision d;

		ask(s, &rows[i], &d);
		if (d.refused != rows[i].refused || (d.route == NULL) != (rows[i].route == NULL) ||
			(d.route != NULL && strcmp(d.route->name, rows[i].route) != 0))
			fail_msg("%s as %s: route %s, error %d", rows[i].target, rows[i].name ? rows[i].name : "nobody",
				d.route ? d.route->name : "none", d.refused);
	}
	snapshot_release(s);
}

/* However the target is written, and by whichever path it is named: what a route denies before the others is denied. */
static void test_nobody_gets_by_a_denial(void **state)
{
	static const char routes[] =
		"no: { forward-to = [\"coap://secret.example\", \"coap://10.0.0.0/8:*\"]; deny = true; };"
		"admin: { paths = [\"/admin/**\"]; deny = true; };"
		"lamp: { hosts = [\"lamp.example\"]; deny = true; };"
		"guests: { forward-to = [\"coap://staff.example\"]; identities = [\"guest*\"]; deny = true; };"
		"hc: { from = [\"web\"]; http-path = \"/hc/{+tu}\"; forward-to = [\"coap://*:*\"]; authenticate = \"none\"; };"
		"parts: { from = [\"web\"]; http-path = \"/e/{+hp}{+p}{+qq}\"; default-scheme = \"coap\"; forward-to = [\"coap://*:*\"]; authenticate = \"none\"; };"
		"fixed: { from = [\"web\"]; http-path = \"/lamp\"; to = [\"coap://192.0.2.7\"]; authenticate = \"none\"; };"
		"proxy: { from = [\"web\"]; forward-to = [\"coap://*:*\"]; authenticate = \"none\"; };"
		"late: { deny = true; };";
	static const struct row rows[] = {
		{ "/hc/coap://open.example/p", NULL, NULL, "hc", ERR_NONE },
		{ "/hc/coap://secret.example/p", NULL, NULL, "no", ERR_NONE },
		{ "/hc/coap://SECRET.example/p", NULL, NULL, "no", ERR_NONE },
		{ "/hc/coap://secret.example./p", NULL, NULL, "no", ERR_NONE },
		{ "/hc/coap://%73ecret.example/p", NULL, NULL, "no", ERR_NONE },
		{ "/hc/COAP://secret.example:5683/", NULL, NULL, "no", ERR_NONE },
		{ "/hc/coap://10.1.2.3:77/p", NULL, NULL, "no", ERR_NONE },
		{ "/hc/coap://[::ffff:10.1.2.3]/p", NULL, NULL, "no", ERR_NONE },
		{ "/hc/coap://%5B::ffff:10.1.2.3%5D/p", NULL, NULL, "no", ERR_NONE },
		{ "/e/secret.example/p", NULL, NULL, "no", ERR_NONE },
		{ "coap://secret.example/p", NULL, NULL, "no", ERR_NONE },
		{ "/hc/coap://open.example/admin", NULL, NULL, "admin", ERR_NONE },
		{ "/hc/coap://open.example/%61dmin/x", NULL, NULL, "admin", ERR_NONE },
		{ "/hc/coap://open.example/x/../admin", NULL, NULL, "admin", ERR_NONE },
		{ "/hc/coap://open.example/x/%2E%2e/admin/y?z", NULL, NULL, "admin", ERR_NONE },
		{ "/e/open.example/./admin/", NULL, NULL, "admin", ERR_NONE },
		{ "coap://open.example/admin", NULL, NULL, "admin", ERR_NONE },
		{ "/hc/coap://open.example/admin%2Fx", NULL, NULL, "hc", ERR_NONE }, /* another resource, and it stays that */
		{ "/lamp", NULL, NULL, "fixed", ERR_NONE },
		{ "/lamp", "LAMP.example:8080", NULL, "lamp", ERR_NONE },
		{ "/hc/coap://staff.example/p", NULL, NULL, "hc", ERR_NONE },
		{ "/hc/coap://staff.example/p", NULL, "alice", "hc", ERR_NONE },
		{ "/hc/coap://staff.example/p", NULL, "guest7", "guests", ERR_NONE },
		{ "/elsewhere", NULL, NULL, NULL, ERR_NO_ROUTE },
	};

	(void)state;
	covers("C7252-11.1-1 C8075-10.4-1");
	check_rows(routes, rows, COUNT(rows));
}

/* A denial behind the route that takes a request, or of another listener, is none. */
static void test_order_and_listeners_count(void **state)
{
	static const char routes[] =
		"other: { from = [\"other\"]; deny = true; };"
		"coap: { from = [\"coap\"]; deny = true; };"
		"path: { from = [\"web\"]; http-path = \"/no/{+tu}\"; forward-to = [\"coap://*:*\"]; deny = true; };"
		"hc: { from = [\"web\"]; http-path = \"/hc/{+tu}\"; forward-to = [\"coap://*:*\"]; authenticate = \"none\"; };"
		"late: { deny = true; };"
		"very-late: { from = [\"web\"]; http-path = \"/late/{+tu}\"; forward-to = [\"coap://*:*\"]; authenticate = \"none\"; };";
	static const struct row rows[] = {
		{ "/hc/coap://h/p", NULL, NULL, "hc", ERR_NONE },
		{ "/no/coap://h/p", NULL, NULL, "path", ERR_NONE },
		{ "/late/coap://h/p", NULL, NULL, "late", ERR_NONE },
		{ "coap://h/p", NULL, NULL, "late", ERR_NONE },
	};

	(void)state;
	covers("C7252-11.1-1");
	check_rows(routes, rows, COUNT(rows));
}

/* A target whose scheme is not spoken is none that is missing (RFC 7252 10.2); nothing of it is refused more softly than it was. */
static void test_schemes(void **state)
{
	static const char routes[] =
		"no: { forward-to = [\"coap://secret.example\"]; deny = true; };"
		"hc: { from = [\"web\"]; http-path = \"/hc/{+tu}\"; forward-to = [\"coap://*:*\"]; authenticate = \"none\"; };"
		"far: { from = [\"web\"]; http-path = \"/far/{+tu}\"; clients = [\"10.0.0.0/8\"]; forward-to = [\"coap://*:*\"]; authenticate = \"none\"; };"
		"named: { from = [\"web\"]; http-path = \"/named/{+tu}\"; forward-to = [\"coap://*:*\"]; };";
	static const struct row rows[] = {
		{ "/hc/coap://h/p", NULL, NULL, "hc", ERR_NONE },
		{ "/hc/coaps://h/p", NULL, NULL, NULL, ERR_SCHEME },
		{ "/hc/CoAPs://h/p", NULL, NULL, NULL, ERR_SCHEME },
		{ "/hc/coap+tcp://h/p", NULL, NULL, NULL, ERR_SCHEME },
		{ "/hc/coaps+tcp://h/p", NULL, NULL, NULL, ERR_SCHEME },
		{ "/hc/coap+ws://h/p", NULL, NULL, NULL, ERR_SCHEME },
		{ "/hc/coaps+ws://h/p", NULL, NULL, NULL, ERR_SCHEME },
		{ "/hc/coaps://h", NULL, "alice", NULL, ERR_SCHEME },
		{ "/named/coap://h/p", NULL, NULL, NULL, ERR_CREDENTIALS },
		{ "/far/coaps://h/p", NULL, NULL, NULL, ERR_NO_ROUTE },
		{ "/hc/gopher://h/p", NULL, NULL, NULL, ERR_BAD_URI },
		{ "/hc/http://h/p", NULL, NULL, NULL, ERR_BAD_URI },
		{ "coaps://h/p", NULL, NULL, NULL, ERR_SCHEME },
	};

	(void)state;
	covers("C7252-10.2-1 C8075-10.3-3");
	check_rows(routes, rows, COUNT(rows));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_gets_by_a_denial), cmocka_unit_test(test_order_and_listeners_count), cmocka_unit_test(test_schemes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
