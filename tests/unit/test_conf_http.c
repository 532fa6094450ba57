/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o base/bytes.o translate/map_template.o coap/option.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "conf/snapshot.h"
#include "tests/unit/covers.h"
#include "translate/map_template.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define COAP "coap: { url = \"coap://127.0.0.1\"; };"
#define WEB "web: { url = \"http://127.0.0.1:8080\"; };"
#define BOTH "listeners: { " COAP WEB " };\n"

static struct snapshot *must_load(const char *text)
{
	struct snapshot *s = conf_load_text(text, "test", stderr);

	assert_non_null(s);
	return s;
}

/* What is said of a text that does not load, from malloc. */
static char *must_refuse(const char *text)
{
	char *errors;
	size_t size;
	FILE *f = open_memstream(&errors, &size);
	struct snapshot *s = conf_load_text(text, "test", f);

	fclose(f);
	if (s)
		fail_msg("loads: %s", text);
	return errors;
}

static void test_defaults(void **state)
{
	struct snapshot *s = must_load(BOTH "routes: { r: { to = [\"coap://h\"]; }; };");
	const struct settings *t = &s->settings;
	const struct route *r = &s->routes[0];
	const struct listener *l = &s->listeners[1];

	(void)state;
	covers("C8075-5.3-2 C8075-10-2 C8075-10.1-1");
	assert_true(t->http_line == 8000 && t->http_fields == 16000 && t->http_field_count == 100);
	assert_true(t->http_head_timeout == 10000000 && t->http_body_timeout == 30000000 && t->http_idle_timeout == 75000000);
	assert_true(t->http_connections == 20000 && t->http_client_connections == 1000 && t->http_body_limit == 16000000);
	assert_true(t->http_stall == 60000000 && t->http_block_threshold == 1024 && t->http_block_size == 1024 && t->http_accepts == 3);
	assert_true(t->http_event_interval == 15000000 && t->http_origin_connections == 64 && t->http_origin_idle == 30000000);
	assert_true(t->http_connect_timeout == 5000000);
	assert_string_equal(t->http_credentials, "");
	assert_string_equal(t->http_ca, "/etc/ssl/certs/ca-certificates.crt");
	assert_true(l->scheme == URI_HTTP && l->address.port == 8080 && !l->any && !l->client_certificate && !l->proxy_protocol);
	assert_true(*l->certificate == '\0' && *l->key == '\0' && *l->client_ca == '\0' && *l->psk_file == '\0' && *l->public_url == '\0');
	assert_true(l->trusted_proxy_count == 0);
	assert_true(*r->http_path == '\0' && !r->http_template && r->default_scheme == -1 && !r->anonymous && r->identity_count == 0);
	assert_true(!r->loose_media && !r->coap_payload && !r->legacy_header && !r->query_is_fetch && !r->multicast);
	assert_true(r->cors_count == 0 && r->body_limit == 0 && r->wait_limit == 60000000);
	snapshot_release(s);
}

static void test_fields(void **state)
{
	struct snapshot *s = must_load("listeners: { tls: { url = \"https://[::]\"; certificate = \"/c\"; key = \"/k\"; client-ca = \"/a\";"
		" client-certificate = \"required\"; psk-file = \"/p\"; public-url = \"https://gw.example\"; proxy-protocol = true;"
		" trusted-proxies = [\"10.0.0.0/8\"]; }; " COAP " };\n"
		"http: { body-limit = \"64GB\"; block-size = 64; field-count = 128; credentials = \"/u\"; ca = \"/o\"; };\n"
		"routes: { r: { http-path = \"/hc/{+tu}\"; default-scheme = \"coap\"; "
		" forward-to = [\"coap://*\", \"https://*.example:*\", \"http://[fd00::/8]\"];"
		" identities = [\"alice\", \"plant-*\"]; cors = [\"https://app.example:8443\"]; media = \"loose\"; body-limit = 7; };"
		" o: { to = [\"http://origin.example/a/b\", \"https://192.0.2.1\"]; };"
		" n: { from = [\"tls\"]; to = \"coap://h/x\"; http-path = \"/lamp?on\"; authenticate = \"none\"; }; };");
	const struct listener *l = &s->listeners[0];
	const struct route *r = &s->routes[0], *o = &s->routes[1], *n = &s->routes[2];

	(void)state;
	assert_true(l->scheme == URI_HTTPS && l->any && l->address.port == 443 && l->client_certificate && l->proxy_protocol);
	assert_string_equal(l->certificate, "/c");
	assert_string_equal(l->key, "/k");
	assert_string_equal(l->client_ca, "/a");
	assert_string_equal(l->psk_file, "/p");
	assert_string_equal(l->public_url, "https://gw.example");
	assert_true(l->trusted_proxy_count == 1 && l->trusted_proxies[0].bits == 104);
	assert_true(s->settings.http_body_limit == 64000000000 && s->settings.http_block_size == 64 && s->settings.http_field_count == 128);
	assert_string_equal(r->http_path, "/hc/{+tu}");
	assert_true(r->default_scheme == URI_COAP && r->forward_count == 3 && r->loose_media && r->body_limit == 7 && !r->anonymous);
	assert_true(r->forward_to[1].scheme == URI_HTTPS && r->forward_to[1].port == PORT_ANY && r->forward_to[2].scheme == URI_HTTP);
	assert_true(r->http_template && template_has_target(r->http_template));
	assert_true(r->identity_count == 2 && r->cors_count == 1);
	assert_string_equal(r->identities[1], "plant-*");
	assert_string_equal(r->cors[0], "https://app.example:8443");
	assert_true(n->anonymous && n->http_template && !template_has_target(n->http_template));
	assert_true(!o->http_template && o->to_count == 2 && o->to[0].scheme == URI_HTTP && o->to[0].port == 80 && o->to[0].path_count == 2);
	assert_true(o->to[1].scheme == URI_HTTPS && o->to[1].literal && o->to[1].address.port == 443);
	snapshot_release(s);
}

/* A port of datagrams and one of a stream are two, however equal their numbers. */
static void test_same_address(void **state)
{
	static const struct {
		const char *listeners;
		bool together;
	} cases[] = {
		{"a: { url = \"coap://127.0.0.1:7\"; }; b: { url = \"http://127.0.0.1:7\"; };", true},
		{"a: { url = \"coap://[::]:7\"; }; b: { url = \"http://0.0.0.0:7\"; };", true},
		{"a: { url = \"http://127.0.0.1:7\"; }; b: { url = \"http://127.0.0.1:7\"; };", false},
		{"a: { url = \"http://[::]:7\"; }; b: { url = \"https://0.0.0.0:7\"; certificate = \"/c\"; key = \"/k\"; };", false},
		{"a: { url = \"http://127.0.0.1:7\"; }; b: { url = \"http://127.0.0.2:7\"; };", true},
	};
	struct snapshot *s;
	char text[300], *errors;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), "listeners: { %s };", cases[i].listeners);
		if (cases[i].together) {
			s = must_load(text);
			assert_int_equal(s->listener_count, 2);
			snapshot_release(s);
		} else {
			errors = must_refuse(text);
			assert_string_equal(errors, "test:1: listeners.b: takes the same address as a\n");
			free(errors);
		}
	}
}

/* What crosses plain HTTP in the open is warned of; what something protects is not. */
static void test_warnings(void **state)
{
	static const char open[] = "whoever reaches a listener of plain http may ask", secret[] = "passwords and tokens come over plain http",
		group[] = "speaks to all devices of a group at once";
	static const struct {
		const char *listener, *route, *warning; /* NULL: none */
	} cases[] = {
		{"url = \"http://[::]:80\";", "to = \"coap://h\"; authenticate = \"none\";", open},
		{"url = \"http://192.0.2.1\";", "to = \"coap://h\"; authenticate = \"none\";", open},
		{"url = \"http://127.0.0.1\";", "to = \"coap://h\"; authenticate = \"none\";", NULL},
		{"url = \"http://[::]\"; trusted-proxies = \"10.0.0.1\";", "to = \"coap://h\"; authenticate = \"none\";", NULL},
		{"url = \"https://[::]\"; psk-file = \"/p\";", "to = \"coap://h\"; authenticate = \"none\";", NULL},
		{"url = \"http://[::]\";", "to = \"coap://h\"; authenticate = \"none\"; require = \"oscore\";", NULL},
		{"url = \"http://[::]\";", "deny = true; authenticate = \"none\";", NULL},
		{"url = \"http://[::]\";", "to = \"coap://h\";", secret},
		{"url = \"http://[::1]\";", "to = \"coap://h\";", NULL},
		{"url = \"https://[::]\"; psk-file = \"/p\";", "to = \"coap://h\";", NULL},
		{"url = \"https://[::]\"; psk-file = \"/p\";", "to = \"coap://224.0.1.187\"; multicast = true;", NULL},
		{"url = \"https://[::]\"; psk-file = \"/p\";", "to = \"coap://224.0.1.187\"; multicast = true; authenticate = \"none\";", group},
		{"url = \"http://127.0.0.1\";", "to = \"coap://h\"; multicast = true; authenticate = \"none\";", group},
		{"url = \"http://127.0.0.1\";", "deny = true; multicast = true; authenticate = \"none\";", NULL},
	};
	char text[400], *errors;
	struct snapshot *s;
	size_t size, i;
	FILE *f;

	(void)state;
	covers("C8075-10.1-1");
	for (i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), "listeners: { w: { %s }; };\nhttp: { credentials = \"/u\"; };\nroutes: { r: { http-path = \"/x\"; %s }; };",
			cases[i].listener, cases[i].route);
		f = open_memstream(&errors, &size);
		s = conf_load_text(text, "test", f);
		fclose(f);
		if (!s || (cases[i].warning ? !strstr(errors, cases[i].warning) || strncmp(errors, "test:3: warning: routes.r.", 26) != 0 : size > 0))
			fail_msg("%s\n%s", text, errors);
		snapshot_release(s);
		free(errors);
	}
}

static void test_fixed(void **state)
{
	struct snapshot *now = must_load("listeners: { w: { url = \"https://[::]\"; certificate = \"/c\"; key = \"/k\"; }; };");
	struct snapshot *next = must_load("listeners: { w: { url = \"https://[::]\"; certificate = \"/c2\"; key = \"/k2\"; psk-file = \"/p\"; };"
		" };"
		"http: { connections = 5; credentials = \"/u\"; block-size = 16; };");

	(void)state;
	assert_null(conf_fixed_difference(now, next));
	snapshot_release(now);
	snapshot_release(next);
}

/* A line of the example that is configuration behind its '#', not prose. */
static bool is_commented_out(const char *line)
{
	const char *at = line + strspn(line, "\t"), *name = at + 2;

	if (*at != '#')
		return false;
	name += strspn(name, "abcdefghijklmnopqrstuvwxyz-");
	return at[1] == '\t' || strcmp(at, "# };\n") == 0 || strcmp(name, ": {\n") == 0;
}

/* The example as it is once somebody has taken the '#' off, from malloc. */
static char *read_example(size_t *uncommented)
{
	FILE *in = fopen("proxy.conf.example", "r"), *out;
	char line[300], *text, *mark;
	size_t size;

	assert_non_null(in);
	out = open_memstream(&text, &size);
	for (*uncommented = 0; fgets(line, sizeof(line), in);) {
		mark = is_commented_out(line) ? strchr(line, '#') : NULL;
		if (mark)
			*mark = ' ';
		*uncommented += mark != NULL;
		fputs(line, out);
	}
	fclose(in);
	fclose(out);
	return text;
}

static void test_example(void **state)
{
	size_t uncommented, size;
	char *text = read_example(&uncommented), *errors;
	FILE *f = open_memstream(&errors, &size);
	struct snapshot *s = conf_load_text(text, "example", f);

	(void)state;
	fclose(f);
	assert_string_equal(errors, "");
	assert_non_null(s);
	assert_true(uncommented > 55 && s->listener_count == 5 && s->listeners[2].scheme == URI_HTTPS && s->listeners[4].scheme == URI_COAPS_TCP);
	assert_string_equal(s->routes[0].name, "management");
	assert_true(s->routes[0].return_path && s->routes[1].to[0].session && s->routes[2].to[0].scheme == URI_HTTP);
	assert_int_equal(s->route_count, 10);
	assert_string_equal(s->routes[3].read->contexts->name, "plant");
	assert_true(s->asks_secured);
	assert_string_equal(s->settings.http_credentials, "/etc/oscore-proxy/credentials");
	snapshot_release(s);
	free(text);
	free(errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_fields), cmocka_unit_test(test_same_address), cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_warnings), cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
