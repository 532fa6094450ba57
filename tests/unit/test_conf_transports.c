/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o base/bytes.o translate/map_template.o coap/option.o */
/* What the configuration says of sessions and of what carries CoAP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "conf/snapshot.h"
#include "tests/unit/covers.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define COAP "coap: { url = \"coap://127.0.0.1\"; };"

enum { MINUTE = 60000000 };

static struct snapshot *must_load(const char *text)
{
	struct snapshot *s = conf_load_text(text, "test", stderr);

	assert_non_null(s);
	return s;
}

static void test_defaults(void **state)
{
	struct snapshot *s = must_load("listeners: { " COAP " }; routes: { r: { to = [\"coap://h\"]; }; };");
	const struct settings *t = &s->settings;
	const struct listener *l = &s->listeners[0];
	const struct route *r = &s->routes[0];

	(void)state;
	assert_true(t->transports_message_size == 16384 + 1152 && t->transports_connections == 20000 && t->transports_client_connections == 1000);
	assert_true(t->transports_idle_timeout == 60ull * MINUTE && t->transports_csm_timeout == 10000000 && t->transports_connect_timeout == 5000000);
	assert_true(t->transports_sessions == 20000 && t->transports_handshake_timeout == 30000000);
	assert_true(t->transports_session_lifetime == 1440ull * MINUTE && t->transports_mtu == 1280 && t->transports_origin_idle == 5ull * MINUTE);
	assert_true(t->transports_security_level == 0 && strstr(t->transports_ciphers, "PSK-AES128-CCM8"));
	assert_true(*t->upstream_psk_file == '\0' && *t->upstream_certificate == '\0' && *t->upstream_key == '\0' && *t->upstream_ca == '\0');
	assert_true(t->return_ports == 10000 && t->return_lifetime == 1440ull * MINUTE);
	assert_true(l->websocket && l->keepalive == 0 && l->certificate_count == 0);
	assert_true(r->wait_for_session == 0 && !r->return_path && !r->coaps_from_http && *r->origin_identity == '\0');
	assert_true(!s->asks_secured && s->file_count == 0);
	snapshot_release(s);
}

/* Each scheme has its port and its place; what comes in by HTTP says so. */
static void test_listeners(void **state)
{
	static const struct {
		const char *listener;
		enum uri_scheme scheme;
		uint16_t port;
		int coap;
	} cases[] = {
		{"url = \"coap://127.0.0.1\";", URI_COAP, 5683, URI_COAP},
		{"url = \"coaps://127.0.0.1\"; psk-file = \"/p\";", URI_COAPS, 5684, URI_COAPS},
		{"url = \"coap+tcp://127.0.0.1\";", URI_COAP_TCP, 5683, URI_COAP_TCP},
		{"url = \"CoAPs+TCP://127.0.0.1\"; psk-file = \"/p\";", URI_COAPS_TCP, 5684, URI_COAPS_TCP},
		{"url = \"http://127.0.0.1\";", URI_HTTP, 80, URI_COAP_WS},
		{"url = \"https://127.0.0.1\"; psk-file = \"/p\";", URI_HTTPS, 443, URI_COAPS_WS},
		{"url = \"http://127.0.0.1\"; websocket = false;", URI_HTTP, 80, -1},
		{"url = \"https://127.0.0.1\"; psk-file = \"/p\"; websocket = false;", URI_HTTPS, 443, -1},
	};
	struct snapshot *s;
	char text[200];

	(void)state;
	covers("C8323-8-1");
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), "listeners: { l: { %s }; };", cases[i].listener);
		s = must_load(text);
		assert_int_equal(s->listeners[0].scheme, cases[i].scheme);
		assert_int_equal(s->listeners[0].address.port, cases[i].port);
		assert_int_equal(listener_coap_scheme(&s->listeners[0]), cases[i].coap);
		snapshot_release(s);
	}
}

/* One listener of datagrams and one of connections go together, whatever their schemes; two of a kind do not. */
static void test_same_address(void **state)
{
	static const char *const datagrams[] = {"coap", "coaps"}, *const connections[] = {"coap+tcp", "coaps+tcp", "http", "https"};
	char text[300], *errors;
	struct snapshot *s;
	size_t size;
	FILE *f;

	(void)state;
	for (size_t i = 0; i < 36; i++) {
		const char *a = i / 6 < 2 ? datagrams[i / 6] : connections[i / 6 - 2], *b = i % 6 < 2 ? datagrams[i % 6] : connections[i % 6 - 2];
		bool together = (i / 6 < 2) != (i % 6 < 2);

		snprintf(text, sizeof(text), "listeners: { a: { url = \"%s://127.0.0.1:7\"; %s }; b: { url = \"%s://127.0.0.1:7\"; %s }; };", a,
			strstr(a, "s+") || strstr(a, "ps") ? "psk-file = \"/p\";" : "", b, strstr(b, "s+") || strstr(b, "ps") ? "psk-file = \"/p\";" : "");
		f = open_memstream(&errors, &size);
		s = conf_load_text(text, "test", f);
		fclose(f);
		if ((s != NULL) != together || (!s && strcmp(errors, "test:1: listeners.b: takes the same address as a\n") != 0))
			fail_msg("%s\n%s", text, errors);
		snapshot_release(s);
		free(errors);
	}
}

static void test_origins(void **state)
{
	struct snapshot *s = must_load("listeners: { " COAP " };\n"
		"routes: { r: { to = [\"coaps://h\", \"coap+tcp://192.0.2.1\", \"coaps+tcp://[2001:db8::1]:9/p\", \"coap+ws://h/a/b\", \"coaps+ws://h\","
		" \"session:urn:dev:os:32473-1 x/y?z\"]; };\n"
		" f: { forward-to = [\"coaps://*:*\", \"coaps+ws://*.example\"]; via = \"coaps+tcp://parent.example\"; }; };\n"
		"upstream: { ca = \"/ca\"; };");
	static const struct {
		enum uri_scheme scheme;
		uint16_t port;
		size_t path_count;
	} wanted[] = {{URI_COAPS, 5684, 0}, {URI_COAP_TCP, 5683, 0}, {URI_COAPS_TCP, 9, 1}, {URI_COAP_WS, 80, 2}, {URI_COAPS_WS, 443, 0}};
	const struct route *r = &s->routes[0], *f = &s->routes[1];

	(void)state;
	covers("C8323-8-1 C8323-8.6-1");
	assert_int_equal(r->to_count, 6);
	for (size_t i = 0; i < COUNT(wanted); i++) {
		assert_int_equal(r->to[i].scheme, wanted[i].scheme);
		assert_int_equal(r->to[i].port, wanted[i].port);
		assert_int_equal(r->to[i].path_count, wanted[i].path_count);
		assert_false(r->to[i].session);
	}
	assert_true(r->to[1].literal && r->to[1].address.port == 5683 && r->to[2].literal && r->to[2].address.port == 9);
	assert_true(r->to[5].session && !r->to[5].literal && r->to[5].path_count == 0);
	assert_string_equal(r->to[5].host, "urn:dev:os:32473-1 x/y?z");
	assert_true(f->forward_to[0].scheme == URI_COAPS && f->forward_to[0].port == PORT_ANY && f->forward_to[1].scheme == URI_COAPS_WS);
	assert_true(f->via->scheme == URI_COAPS_TCP && f->via->port == 5684);
	assert_true(s->asks_secured && s->file_count == 1);
	assert_string_equal(s->files[0].path, "/ca");
	snapshot_release(s);
}

/* A name of a session may be of 255 characters, and no longer. */
static void test_long_names(void **state)
{
	char name[257], text[512], *errors;
	struct snapshot *s;
	size_t size;
	FILE *f;

	(void)state;
	for (size_t len = 254; len <= 256; len++) {
		memset(name, 'n', len);
		name[len] = '\0';
		snprintf(text, sizeof(text), "listeners: { " COAP " }; routes: { r: { to = \"session:%s\"; }; };", name);
		f = open_memstream(&errors, &size);
		s = conf_load_text(text, "test", f);
		fclose(f);
		assert_int_equal(s != NULL, len <= 255);
		assert_int_equal(strstr(errors, "does not name a session by 1 to 255 characters") != NULL, len > 255);
		if (s)
			assert_int_equal(strlen(s->routes[0].to[0].host), len);
		snapshot_release(s);
		free(errors);
	}
}

/* Which files are read: those of secured listeners in their order, each with the line that names it, then those for origins. */
static void test_files(void **state)
{
	static const struct {
		enum conf_file_kind kind;
		const char *path, *setting;
		unsigned line;
		bool of_listener;
	} wanted[] = {
		{CONF_FILE_PSK, "/psk", "listeners.a.psk-file", 2, true},
		{CONF_FILE_CERTIFICATE, "/c", "listeners.b.certificate", 3, true}, {CONF_FILE_KEY, "/k", "listeners.b.key", 3, true},
		{CONF_FILE_CLIENT_CA, "/ca", "listeners.b.client-ca", 4, true},
		{CONF_FILE_CERTIFICATE, "/c2", "listeners.b.certificates", 5, true}, {CONF_FILE_KEY, "/k2", "listeners.b.certificates", 5, true},
		{CONF_FILE_CERTIFICATE, "/c3", "listeners.b.certificates", 5, true}, {CONF_FILE_KEY, "/k3", "listeners.b.certificates", 5, true},
		{CONF_FILE_PSK, "/ours", "upstream.psk-file", 9, false}, {CONF_FILE_CERTIFICATE, "/oc", "upstream.certificate", 10, false},
		{CONF_FILE_KEY, "/ok", "upstream.key", 10, false}, {CONF_FILE_AUTHORITIES, "/etc/ssl/certs/ca-certificates.crt", "http.ca", 1, false},
	};
	struct snapshot *s = must_load("listeners: {\n"
		"a: { url = \"coaps://127.0.0.1\"; psk-file = \"/psk\"; };\n"
		"b: { url = \"coaps+tcp://127.0.0.1\"; certificate = \"/c\"; key = \"/k\";\n"
		"client-ca = \"/ca\";\n"
		"certificates = [\"/c2 /k2\", \"/c3 /k3\"]; }; };\n"
		"routes: { r: { to = \"coaps://192.0.2.1\"; origin-identity = \"x\"; };\n"
		" w: { forward-to = \"coaps+ws://*\"; }; };\n"
		"upstream: {\n"
		"psk-file = \"/ours\";\n"
		"certificate = \"/oc\"; key = \"/ok\"; };\n");

	(void)state;
	assert_int_equal(s->file_count, COUNT(wanted));
	for (size_t i = 0; i < COUNT(wanted); i++) {
		assert_int_equal(s->files[i].kind, wanted[i].kind);
		assert_string_equal(s->files[i].path, wanted[i].path);
		assert_string_equal(s->files[i].setting, wanted[i].setting);
		assert_int_equal(s->files[i].line, wanted[i].line);
		assert_int_equal(s->files[i].listener != NULL, wanted[i].of_listener);
	}
	snapshot_release(s);
}

/* So many files as there is room for, and not one more: three listeners of 130, one of 122, and another. */
static void test_too_many_files(void **state)
{
	for (unsigned more = 0; more <= 1; more++) {
		char *text, *errors;
		size_t size;
		FILE *f = open_memstream(&text, &size);
		struct snapshot *s;

		fprintf(f, "listeners: { %s", more ? "p: { url = \"coaps://127.0.0.1:99\"; psk-file = \"/p\"; };" : "");
		for (unsigned i = 0; i < 4; i++) {
			fprintf(f, " l%u: { url = \"coaps://127.0.0.1:%u\"; certificate = \"/c\"; key = \"/k\"; certificates = [", i, i + 1);
			for (unsigned k = 0; k < (i == 3 ? 60 : CONF_TARGETS_MAX); k++)
				fprintf(f, "%s\"/c%u /k%u\"", k > 0 ? ", " : "", k, k);
			fputs("]; };", f);
		}
		fputs("\n};", f);
		fclose(f);
		f = open_memstream(&errors, &size);
		s = conf_load_text(text, "test", f);
		fclose(f);
		(void)state;
		assert_int_equal(s != NULL, more == 0);
		assert_string_equal(errors, more ? "test:1: listeners.l3.certificates: is one more file than the 512 that a configuration may name\n" : "");
		if (s)
			assert_int_equal(s->file_count, CONF_FILES_MAX);
		snapshot_release(s);
		free(text);
		free(errors);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_listeners), cmocka_unit_test(test_same_address), cmocka_unit_test(test_origins),
		cmocka_unit_test(test_long_names), cmocka_unit_test(test_files), cmocka_unit_test(test_too_many_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
