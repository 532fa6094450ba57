/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/option.o coap/uri.o translate/outer.o proxy/decide/target.o proxy/decide/policy.o proxy/decide/outgoing.o base/bytes.o translate/map_template.o */
#include "proxy/decide/outgoing.h"
#include "tests/unit/covers.h"
#include "tests/unit/made.h"
#include "tests/unit/question.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define REVERSE "to = [\"coap://192.0.2.9\"]; "
#define NAMED "to = [\"coap://origin.example\"]; "
#define FORWARD "forward-to = [\"coap://*:*\"]; "
#define NO_HOPS "hop-limit = 0; "

/* One request on one route, and the options it leaves with. */
struct row {
	const char *route;
	uint8_t code;
	const char *options, *want;
};

struct planned {
	struct outer_plan plan;
	struct target target;
	struct made made;
	uint8_t hop_limit;
	int result;
};

static const char *implied_host; /* by the client's connection */

static void plan_row(struct planned *p, const struct route *route, const struct row *row, bool drop_echo)
{
	struct endpoint asked = address("192.0.2.250", 5683), client = address("192.0.2.1", 40000);
	const struct origin_conf *to = route->to_count > 0 ? &route->to[0] : route->via;
	struct outer_request r;
	uint16_t offender;

	made_message(&p->made, row->code, row->options, "payload");
	assert_int_equal(outer_read_request(&p->made.m, &r, &offender), ERR_NONE);
	assert_int_equal(target_read(&p->made.m, &r, &(struct target_asked){ .address = asked, .host = implied_host }, &client, 0, &p->target), ERR_NONE);
	p->result = outgoing_plan(&p->plan, route, to, &p->made.m, &r, &p->target, drop_echo, &p->hop_limit);
}

static struct snapshot *with_route(const char *route)
{
	char text[1024];

	snprintf(text, sizeof(text), LISTENERS "routes: { r: { %s }; };", route);
	return configured(text);
}

static void check_rows(const struct row *rows, size_t count, bool drop_echo)
{
	for (size_t i = 0; i < count; i++) {
		struct snapshot *s = with_route(rows[i].route);
		static struct made out, expected;
		static struct planned p;
		char got[MADE_TEXT], wanted[MADE_TEXT];
		struct msg_writer w;

		plan_row(&p, &s->routes[0], &rows[i], drop_echo);
		assert_int_equal(p.result, 0);
		msg_begin(&w, out.bytes, sizeof(out.bytes), MSG_CON, rows[i].code, 2, NULL, 0);
		outer_write(&w, &p.made.m, &p.plan);
		assert_int_equal(msg_parse_datagram(&out.m, out.bytes, msg_end(&w)), MSG_OK);
		made_message(&expected, rows[i].code, rows[i].want, NULL);
		if (strcmp(made_text(&out.m, got), made_text(&expected.m, wanted)) != 0)
			fail_msg("%s| %s: %s", rows[i].route, rows[i].options, got);
		snapshot_release(s);
	}
}

static void forward(void **state)
{
	static const struct row rows[] = {
		{FORWARD, CODE_GET, "35='coap://h/a/b?q&r'", "3='h' 11='a' 11='b' 15='q' 15='r' 16=10"},
		{FORWARD, CODE_GET, "35='coap://H.Example:7/'", "3='h.example' 16=10"},
		{FORWARD, CODE_GET, "35='coap://h/%2525?%26'", "3='h' 11='%25' 15='&' 16=10"},
		{FORWARD, CODE_GET, "35='coap://192.0.2.9:7/a'", "11='a' 16=10"},
		{FORWARD, CODE_GET, "35='coap://[2001:db8::9]/a'", "11='a' 16=10"},
		{FORWARD, CODE_GET, "3='i' 7=05 11='z' 15='y' 35='coap://h/a'", "3='h' 11='a' 16=10"},
		{FORWARD, CODE_GET, "3='i' 11='z' 17=32 35='coap://h' 2049=01", "3='h' 16=10 17=32 2049=01"},
		{FORWARD, CODE_GET, "3='H' 7=05 11='a' 11= 15='q' 39='coap'", "3='h' 11='a' 11= 15='q' 16=10"},
		{FORWARD, CODE_GET, "3='[2001:db8::9]' 11='a' 39='coap'", "11='a' 16=10"},
		{FORWARD, CODE_POST, "9=0905 35='coap://h'", "3='h' 9=0905 16=10"},
		{FORWARD, CODE_POST, "3='h' 9=0905 39='coap'", "3='h' 9=0905 16=10"},
	};

	(void)state;
	covers("C7252-5.7.2-3 C7252-5.10.2-1 C7252-6.4-2 C7252-6.4-3 C7252-6.4-4 C7252-6-1 C8613-10-1 C8613-4.1.3.3-2");
	check_rows(rows, COUNT(rows), false);
}

/* A parent proxy gets what names the target. */
static void via(void **state)
{
	static const struct row rows[] = {
		{FORWARD "via = \"coap://parent.example\";", CODE_GET, "11='z' 35='coap://h/a'", "11='z' 16=10 35='coap://h/a'"},
		{FORWARD "via = \"coap://parent.example\";", CODE_GET, "3='H' 7=05 11='a' 39='coap'", "3='H' 7=05 11='a' 16=10 39='coap'"},
		{FORWARD "via = \"coap://parent.example\";", CODE_POST, "9=09 35='coap://h'", "9=09 16=10 35='coap://h'"},
	};

	(void)state;
	covers("C7252-5.7.2-4");
	check_rows(rows, COUNT(rows), false);
}

static void reverse(void **state)
{
	static const struct row rows[] = {
		{REVERSE, CODE_GET, "3='lab' 7=05 11='a' 15='q'", "11='a' 15='q' 16=10"},
		{NAMED, CODE_GET, "3='lab' 11='a'", "3='origin.example' 11='a' 16=10"},
		{NAMED, CODE_GET, "11='a'", "3='origin.example' 11='a' 16=10"},
		{REVERSE "keep-host = true;", CODE_GET, "3='Lab' 7=05", "3='Lab' 16=10"},
		{"to = [\"session:meter-17\"];", CODE_GET, "3='lab' 11='a'", "11='a' 16=10"},
		{"to = [\"session:meter-17\"]; keep-host = true;", CODE_GET, "3='lab' 11='a'", "3='lab' 11='a' 16=10"},
		{NAMED "keep-host = true;", CODE_GET, "3='Lab'", "3='Lab' 16=10"},
		{NAMED "keep-host = true;", CODE_GET, "11='a'", "11='a' 16=10"},
		{REVERSE "strip-path = 1; paths = [\"/a/**\"];", CODE_GET, "11='a' 11='b' 11='c'", "11='b' 11='c' 16=10"},
		{REVERSE "strip-path = 1; paths = [\"/a/**\"];", CODE_GET, "11='a'", "16=10"},
		{REVERSE "strip-path = 2; paths = [\"/a/b/**\"];", CODE_GET, "11='a' 11='b'", "16=10"},
		{"to = [\"coap://192.0.2.9/x/y%2Fz\"];", CODE_GET, "11='a'", "11='x' 11='y/z' 11='a' 16=10"},
		{"to = [\"coap://192.0.2.9/x\"];", CODE_GET, "", "11='x' 16=10"},
		{"to = [\"coap://192.0.2.9/x\"]; strip-path = 1; paths = [\"/a/**\"];", CODE_GET, "11='a' 11='b'", "11='x' 11='b' 16=10"},
		/* nothing is put into or taken from the Outer path of OSCORE */
		{"to = [\"coap://192.0.2.9/x\"];", CODE_POST, "9=09", "9=09 16=10"},
		{"to = [\"coap://192.0.2.9/x\"]; strip-path = 1;", CODE_POST, "9=09 11='a' 11='b'", "9=09 11='a' 11='b' 16=10"},
		/* but an HTTP origin has its OSCORE endpoint there */
		{"to = [\"http://192.0.2.9/x\"]; strip-path = 1;", CODE_POST, "9=09", "9=09 11='x' 16=10"},
		{"to = [\"https://192.0.2.9/x\"];", CODE_POST, "9=09 11='a'", "9=09 11='x' 11='a' 16=10"},
		/* a Proxy-Uri for ourselves is a local request */
		{REVERSE, CODE_GET, "11='z' 35='coap://192.0.2.250/a?q'", "11='a' 15='q' 16=10"},
	};

	(void)state;
	covers("C7252-5.7.3-1 C7252-5.10.1-2 C8613-10-1");
	check_rows(rows, COUNT(rows), false);
}

/* What a hop must know of passes or is answered elsewhere; all the rest is relayed as it came. */
static void what_goes_through(void **state)
{
	static const struct row rows[] = {
		{REVERSE NO_HOPS, CODE_PUT, "1=01 1=02 4=01 4=02 5=", "1=01 1=02 4=01 4=02 5="},
		{REVERSE NO_HOPS, CODE_GET, "6= 12=32 13=0102 15='b' 15='a' 17=32 23=26", "6= 12=32 13=0102 15='b' 15='a' 17=32 23=26"},
		{REVERSE NO_HOPS, CODE_PUT, "27=16 28= 60=0400 258=1a 292=01 292=", "27=16 28= 60=0400 258=1a 292=01 292="},
		{REVERSE NO_HOPS, CODE_PUT, "21= 2048=02 2048=01 2049=01 2076=01 65001=ff", "21= 2048=02 2048=01 2049=01 2076=01 65001=ff"},
		{REVERSE NO_HOPS, CODE_GET, "6=05 17=32", "17=32"},
		{REVERSE NO_HOPS, CODE_GET, "6=01 17=32", "6=01 17=32"},
		{REVERSE NO_HOPS, CODE_GET, "252=aabb", "252=aabb"},
	};
	static const struct row echoes[] = {
		{REVERSE NO_HOPS, CODE_GET, "17=32 252=aabb 258=02", "17=32 258=02"},
		{REVERSE NO_HOPS, CODE_POST, "9=09 252=aabb", "9=09"},
	};

	(void)state;
	covers("C7252-5.7.1-4 C7252-5.7.1-5 C9175-2.2-1 C9175-2.3-2 C7641-2-3 C9668-3.1-1 D-UPA-1");
	check_rows(rows, COUNT(rows), false);
	check_rows(echoes, COUNT(echoes), true);
}

static void hop_limits(void **state)
{
	static const struct {
		const char *setting, *options;
		uint8_t want;
		const char *left;
	} rows[] = {
		{"", "", 16, "16=10"}, {"hop-limit = 1;", "", 1, "16=01"}, {"hop-limit = 255;", "", 255, "16=ff"}, {NO_HOPS, "", 0, ""},
		{"", "16=ff", 254, "16=fe"}, {"", "16=02", 1, "16=01"}, {NO_HOPS, "16=05", 4, "16=04"}, {"hop-limit = 9;", "16=20", 31, "16=1f"},
		{"", "16=05 16=09", 4, "16=04"}, {"", "9=09 16=05", 4, "9=09 16=04"}, {"", "15='q' 17=32", 16, "15='q' 16=10 17=32"},
		/* the last hop: it is the caller who answers 5.08 */
		{"", "16=01", 0, "16=01"},
	};

	(void)state;
	covers("C8768-3-2 C8768-3-3 C8768-1.1-1 C7252-3.1-2");
	for (size_t i = 0; i < COUNT(rows); i++) {
		static struct planned p;
		char route[256];
		struct snapshot *s;
		struct row row = { route, CODE_POST, rows[i].options, rows[i].left };

		snprintf(route, sizeof(route), REVERSE "%s", rows[i].setting);
		s = with_route(route);
		plan_row(&p, &s->routes[0], &row, false);
		if (p.hop_limit != rows[i].want)
			fail_msg("%s %s: %u", rows[i].setting, rows[i].options, p.hop_limit);
		snapshot_release(s);
		check_rows(&row, 1, false);
	}
}

static void payloads(void **state)
{
	struct snapshot *s = with_route(REVERSE);

	(void)state;
	covers("C7252-5.5-1");
	for (uint8_t code = CODE_GET; code <= CODE_IPATCH; code++) {
		static struct planned p;

		plan_row(&p, &s->routes[0], &(struct row){ "", code, "", "" }, false);
		assert_int_equal(p.plan.drop_payload, code == CODE_GET || code == CODE_DELETE);
		plan_row(&p, &s->routes[0], &(struct row){ "", code, "9=09", "" }, false);
		assert_false(p.plan.drop_payload);
	}
	snapshot_release(s);
}

static void too_many_options(void **state)
{
	struct snapshot *s = with_route("to = [\"coap://192.0.2.9/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16\"];");
	static struct planned p;
	char options[2048] = "";

	(void)state;
	for (int i = 0; i < ROUTE_SEGMENTS_MAX; i++)
		strcat(options, "11='a' ");
	plan_row(&p, &s->routes[0], &(struct row){ "", CODE_GET, options, "" }, false);
	assert_int_equal(p.result, -1);
	plan_row(&p, &s->routes[0], &(struct row){ "", CODE_GET, options + 7, "" }, false);
	assert_int_equal(p.result, 0);
	snapshot_release(s);
}

/* A host that the client's connection implied is written out where the next hop would imply another (RFC 8323 8.5). */
static void the_host_of_a_connection(void **state)
{
	static const struct row rows[] = {
		{REVERSE "keep-host = true;", CODE_GET, "11='a'", "3='gw.example' 11='a' 16=10"},
		{REVERSE "keep-host = true;", CODE_POST, "9=090a", "3='gw.example' 9=090a 16=10"},
		{REVERSE "keep-host = true;", CODE_GET, "3='Lab'", "3='Lab' 16=10"},
		{NAMED "keep-host = true;", CODE_GET, "11='a'", "3='gw.example' 11='a' 16=10"},
		{REVERSE, CODE_GET, "11='a'", "11='a' 16=10"},
	};

	(void)state;
	covers("S-31 C8323-8.5-1");
	implied_host = "GW.example";
	check_rows(rows, sizeof(rows) / sizeof(rows[0]), false);
	implied_host = "no host/at all";
	check_rows(&rows[2], 1, false);
	implied_host = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward),
		cmocka_unit_test(the_host_of_a_connection), cmocka_unit_test(via), cmocka_unit_test(reverse), cmocka_unit_test(what_goes_through),
		cmocka_unit_test(hop_limits), cmocka_unit_test(payloads), cmocka_unit_test(too_many_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
