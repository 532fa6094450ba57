/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/uri.o base/bytes.o coap/message.o coap/link_format.o translate/link_hc.o translate/map_template.o translate/http_message.o proxy/decide/links.o coap/option.o */
/* What /.well-known/core says of a configuration, asked at each of its listeners. */
#include "proxy/decide/links.h"
#include "tests/unit/covers.h"
#include "tests/unit/question.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SELF "</.well-known/core>;ct=40"

/* `named` has a name for links, `plain` has none, `coap` is none of HTTP. */
#define THREE "listeners: { coap: { url = \"coap://127.0.0.1:5683\"; }; " \
	"named: { url = \"http://127.0.0.1:8080\"; public-url = \"https://gw.example\"; };" \
	"plain: { url = \"http://127.0.0.1:8081\"; }; };\n"

enum { COAP, NAMED, PLAIN };

static bool all(const struct link *link, const void *arg)
{
	(void)link;
	(void)arg;
	return true;
}

static bool by_query(const struct link *link, const void *arg)
{
	return link_matches_query(link, arg, strlen(arg));
}

static const char *asked(const char *routes, unsigned listener, const char *query, size_t room)
{
	static uint8_t bytes[LINKS_MAX + 1];
	char *text;
	struct snapshot *s;
	struct writer w;

	assert_true(asprintf(&text, THREE "routes: { %s };", routes) > 0);
	s = configured(text);
	writer_init(&w, bytes, room);
	links_write(&w, s, listener, query != NULL ? by_query : all, query);
	assert_false(w.failed);
	bytes[writer_length(&w)] = '\0';
	snapshot_release(s);
	free(text);
	return (const char *)bytes;
}

static void check(const char *routes, unsigned listener, const char *query, const char *expected)
{
	assert_string_equal(asked(routes, listener, query, LINKS_MAX), expected);
}

#define OPEN "authenticate = \"none\"; forward-to = [\"coap://*\"];"

static void each_listener(void **state)
{
	static const char everywhere[] = "r: { http-path = \"/hc/{+tu}\"; " OPEN " };";
	static const char at_plain[] = "r: { from = [\"plain\"]; http-path = \"/hc/{+tu}\"; " OPEN " };";
	static const char at_named[] = "r: { from = [\"named\"]; http-path = \"/hc/{+tu}\"; " OPEN " };";
	static const char here[] = SELF ",</hc/>;rt=\"core.hc\"", there[] = SELF ",</hc/>;anchor=\"https://gw.example\";rt=\"core.hc\"";

	(void)state;
	covers("C8075-5.5-1 C8075-5.5-3");
	check(everywhere, COAP, NULL, there);
	check(everywhere, NAMED, NULL, here);
	check(everywhere, PLAIN, NULL, SELF ",</hc/>;anchor=\"https://gw.example\";rt=\"core.hc\",</hc/>;rt=\"core.hc\"");
	check(at_plain, COAP, NULL, SELF);
	check(at_plain, NAMED, NULL, SELF);
	check(at_plain, PLAIN, NULL, here);
	check(at_named, COAP, NULL, there);
	check(at_named, NAMED, NULL, here);
	check(at_named, PLAIN, NULL, there);
}

static void each_template(void **state)
{
	static const struct { const char *path, *link; } rows[] = {
		{ "/{+tu}", ",</>;rt=\"core.hc\"" },
		{ "/hc/{+tu}", ",</hc/>;rt=\"core.hc\"" },
		{ "/hc?target_uri={+tu}", ",</hc>;rt=\"core.hc\";hct=\"?target_uri={+tu}\"" },
		{ "/hc/?uri={tu}&v=1", ",</hc/>;rt=\"core.hc\";hct=\"?uri={tu}&v=1\"" },
		{ "/hc/{+s}/{+hp}{+p}{+qq}", ",</hc/>;rt=\"core.hc\";hct=\"{+s}/{+hp}{+p}{+qq}\"" },
	};
	char routes[300], expected[300];

	(void)state;
	covers("C8075-5.5-2");
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(routes, sizeof routes, "r: { from = [\"plain\"]; http-path = \"%s\"; " OPEN " };", rows[i].path);
		snprintf(expected, sizeof expected, SELF "%s", rows[i].link);
		check(routes, PLAIN, NULL, expected);
	}
}

/* What sends nobody on, what names no target, and what was there already. */
static void what_is_not_told(void **state)
{
	(void)state;
	covers("C8075-5.5-1");
	check("d: { http-path = \"/hc/{+tu}\"; deny = true; forward-to = [\"coap://*\"]; };", NAMED, NULL, SELF);
	check("l: { from = [\"named\"]; http-path = \"/lamp\"; authenticate = \"none\"; to = [\"coap://192.0.2.7\"]; };", NAMED, NULL, SELF);
	check("f: { from = [\"named\"]; " OPEN " };", NAMED, NULL, SELF);
	check("c: { from = [\"coap\"]; to = [\"coap://192.0.2.7\"]; };", NAMED, NULL, SELF);
	check("", NAMED, NULL, SELF);
	/* the same path twice, also behind one that denies it in part or belongs to another listener */
	check("a: { from = [\"named\"]; http-path = \"/hc/{+tu}\"; " OPEN " }; b: { http-path = \"/hc/{+tu}\"; " OPEN " };", NAMED, NULL,
		SELF ",</hc/>;rt=\"core.hc\"");
	check("a: { from = [\"plain\"]; http-path = \"/hc/{+tu}\"; " OPEN " }; "
		"b: { from = [\"named\"]; http-path = \"/hc/{+tu}\"; " OPEN " };", NAMED, NULL,
		SELF ",</hc/>;rt=\"core.hc\"");
	check("d: { from = [\"named\"]; http-path = \"/hc/{+tu}\"; deny = true; forward-to = [\"coap://*\"]; };"
		"b: { from = [\"named\"]; http-path = \"/hc/{+tu}\"; " OPEN " };", NAMED, NULL, SELF ",</hc/>;rt=\"core.hc\"");
}

static void queries(void **state)
{
	static const char routes[] = "a: { from = [\"named\"]; http-path = \"/hc/{+tu}\"; " OPEN " };"
		"b: { from = [\"named\"]; http-path = \"/q?u={+tu}\"; " OPEN " };";
	static const struct { const char *query, *text; } rows[] = {
		{ "rt=core.hc", "</hc/>;rt=\"core.hc\",</q>;rt=\"core.hc\";hct=\"?u={+tu}\"" },
		{ "rt=core.*", "</hc/>;rt=\"core.hc\",</q>;rt=\"core.hc\";hct=\"?u={+tu}\"" },
		{ "href=/q", "</q>;rt=\"core.hc\";hct=\"?u={+tu}\"" }, { "rt=core.hc&href=/hc/", "</hc/>;rt=\"core.hc\"" }, { "ct=40", SELF },
		{ "rt=none", "" },
		{ "anchor=*", "" }, { "%72t=core.hc&hct=*", "</q>;rt=\"core.hc\";hct=\"?u={+tu}\"" }, { "rt=%zz", "" },
	};

	(void)state;
	covers("C8075-5.5-1");
	for (size_t i = 0; i < COUNT(rows); i++)
		check(routes, NAMED, rows[i].query, rows[i].text);
}

/* Room for some links only: what is there is whole links, never a part of one, whatever the room. */
static void little_room(void **state)
{
	static const char first[] = SELF, second[] = ",</hc/>;rt=\"core.hc\"", third[] = ",</q>;rt=\"core.hc\"";
	static const char routes[] = "a: { from = [\"plain\"]; http-path = \"/hc/{+tu}\"; " OPEN " }; "
		"b: { from = [\"plain\"]; http-path = \"/q{+tu}\"; " OPEN " };";

	(void)state;
	for (size_t room = 1; room < sizeof first + sizeof second + sizeof third; room++) {
		const char *text = asked(routes, PLAIN, NULL, room);
		size_t len = strlen(text);

		assert_true(len <= room && (len == 0 || text[len - 1] != ','));
		assert_true(len == 0 || text[len - 1] == '"' || text[len - 1] == '0');
		for (const char *at = text; (at = strchr(at, '<')) != NULL; at++)
			assert_true(at == text || at[-1] == ',');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_listener), cmocka_unit_test(each_template), cmocka_unit_test(what_is_not_told), cmocka_unit_test(queries),
		cmocka_unit_test(little_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
