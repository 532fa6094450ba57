/* objects: proxy/http/identity.o proxy/http/credentials.o proxy/http/material.o translate/http_message.o base/bytes.o base/endpoint.o base/log.o base/clock.o */
/* Who asks and from where: what proxies in front say, taken from the end, and nothing of what a client wrote itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/edge/tls.h"
#include "proxy/http/connection.h"
#include "proxy/http/identity.h"
#include "proxy/http/material.h"
#include "tests/unit/covers.h"
#include "tests/unit/heads.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- doubles: a connection, and whom TLS has found behind it ---- */

static const char *tls_name; /* NULL: a connection without TLS; "": an anonymous one */

const SSL *http_connection_tls(const struct http_connection *c)
{
	(void)c;
	return tls_name != NULL ? (const SSL *)(const void *)&tls_name : NULL;
}

enum tls_identity tls_peer_name(const SSL *ssl, char *out, size_t room)
{
	(void)ssl;
	snprintf(out, room, "%s", tls_name);
	return tls_name[0] != '\0' ? TLS_BY_CERTIFICATE : TLS_ANONYMOUS;
}

/* ---- addresses ---- */

static struct endpoint literal(const char *text)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse_literal(&e, text, strlen(text), false), 0);
	return e;
}

/* A listener that trusts 10.0.0.0/8 and fd00:5::/32. */
static struct listener front(struct network trusted[2])
{
	struct listener l = { .trusted_proxies = trusted, .trusted_proxy_count = 2 };

	trusted[0] = (struct network){ .bits = 96 + 8 };
	memcpy(trusted[0].addr, literal("10.0.0.0").addr, 16);
	trusted[1] = (struct network){ .bits = 32 };
	memcpy(trusted[1].addr, literal("fd00:5::").addr, 16);
	return l;
}

struct row {
	const char *fields; /* lines "Name: value\n" */
	const char *client; /* NULL: it cannot be told */
};

static void check(const char *peer, const struct row *row)
{
	struct network trusted[2];
	struct listener l = front(trusted);
	struct endpoint from = literal(peer), client, expected;
	struct http_head head;
	char *text;
	bool told;

	from.port = 4711;
	assert_true(asprintf(&text, "GET /\n%s", row->fields) > 0);
	head_of(&head, text);
	told = identity_address(&l, &from, &head, &client);
	if (told != (row->client != NULL))
		fail_msg("from %s with %s: %s", peer, row->fields, told ? "told" : "not told");
	if (told) {
		char shown[ENDPOINT_TEXT_MAX];

		expected = literal(row->client);
		if (memcmp(client.addr, expected.addr, sizeof client.addr) != 0)
			fail_msg("from %s with %s: %s", peer, row->fields, endpoint_format(&client, shown));
		/* the port of who is named by a proxy is nobody's */
		assert_int_equal(client.port, strcmp(row->client, peer) == 0 ? 4711 : 0);
	}
	free(text);
}

#define CHECK_ALL(peer, rows) \
	do { \
		for (size_t i = 0; i < COUNT(rows); i++) \
			check(peer, &(rows)[i]); \
	} while (0)

static void forwarded(void **state)
{
	static const struct row rows[] = {
		{ "", "10.0.0.1" },
		{ "Forwarded: for=192.0.2.7\n", "192.0.2.7" },
		{ "FORWARDED: FOR=192.0.2.7\n", "192.0.2.7" },
		{ "Forwarded: by=203.0.113.1;for=192.0.2.7;proto=https\n", "192.0.2.7" },
		{ "Forwarded: proto=https; \tfor=\"192.0.2.7:443\"\n", "192.0.2.7" },
		{ "Forwarded: for=\"[2001:db8::7]\"\n", "2001:db8::7" },
		{ "Forwarded: for=\"[2001:DB8::7]:4711\"\n", "2001:db8::7" },
		{ "Forwarded: for=\"[2001:db8::7]:_hidden\"\n", "2001:db8::7" },
		{ "Forwarded: for=203.0.113.9, for=192.0.2.7\n", "192.0.2.7" },
		{ "Forwarded: for=203.0.113.9\nForwarded: for=192.0.2.7\n", "192.0.2.7" },
		{ "Forwarded: for=192.0.2.7, for=10.0.0.2\n", "192.0.2.7" },
		{ "Forwarded: for=192.0.2.7, for=\"[fd00:5::1]\", for=10.0.0.2\n", "192.0.2.7" },
		{ "Forwarded: for=203.0.113.9, for=192.0.2.7, for=10.0.0.2\n", "192.0.2.7" },
		{ "Forwarded: for=10.0.0.9, for=10.0.0.2\n", "10.0.0.9" },
		/* a link that says nothing ends the chain: as far as that it is known */
		{ "Forwarded: for=192.0.2.7, for=unknown, for=10.0.0.2\n", "10.0.0.2" },
		{ "Forwarded: for=192.0.2.7, for=_secret\n", "10.0.0.1" },
		{ "Forwarded: for=192.0.2.7, proto=http\n", "10.0.0.1" },
		{ "Forwarded: for=192.0.2.7, by=192.0.2.8\n", "10.0.0.1" },
		{ "Forwarded: for=192.0.2.7,,\n", "192.0.2.7" },
	};

	(void)state;
	covers("C8075-10-2");
	CHECK_ALL("10.0.0.1", rows);
}

static void hostile_forwarded(void **state)
{
	static const struct row rows[] = {
		{ "Forwarded: \n", "10.0.0.1" }, { "Forwarded: ;\n", "10.0.0.1" }, { "Forwarded: for\n", "10.0.0.1" },
		{ "Forwarded: for=\n", "10.0.0.1" },
		{ "Forwarded: =192.0.2.7\n", "10.0.0.1" }, { "Forwarded: for =192.0.2.7\n", "10.0.0.1" }, { "Forwarded: for=\"\"\n", "10.0.0.1" },
		{ "Forwarded: for=[\n", "10.0.0.1" }, { "Forwarded: for=\"[\"\n", "10.0.0.1" }, { "Forwarded: for=\"[]\"\n", "10.0.0.1" },
		{ "Forwarded: for=\"[192.0.2.7]\"\n", "10.0.0.1" }, { "Forwarded: for=\"[2001:db8::7\"\n", "10.0.0.1" },
		{ "Forwarded: for=\"[2001:db8::7]x\"\n", "10.0.0.1" }, { "Forwarded: for=\"[fe80::1%eth0]\"\n", "10.0.0.1" },
		{ "Forwarded: for=192.0.2.7:\n", "10.0.0.1" }, { "Forwarded: for=192.0.2.7:4x\n", "10.0.0.1" },
		{ "Forwarded: for=192.0.2\n", "10.0.0.1" },
		{ "Forwarded: for=192.0.2.7.1\n", "10.0.0.1" }, { "Forwarded: for=0300.0.2.7\n", "10.0.0.1" },
		{ "Forwarded: for=192.0.2.7/24\n", "10.0.0.1" },
		{ "Forwarded: for=host.example\n", "10.0.0.1" }, { "Forwarded: xfor=192.0.2.7\n", "10.0.0.1" }, { "Forwarded: for=\"192.0.2.7\n", NULL },
		{ "Forwarded: for=\"a, for=192.0.2.7\n", NULL }, { "Forwarded: by=\"\\\", for=192.0.2.7\n", NULL },
		{ "Forwarded: for=203.0.113.9;by=\"\\\\\", for=192.0.2.7\n", "192.0.2.7" },
		{ "Forwarded: by=\"x, for=203.0.113.9\", for=192.0.2.7\n", "192.0.2.7" },
	};

	(void)state;
	CHECK_ALL("10.0.0.1", rows);
}

static void x_forwarded_for(void **state)
{
	static const struct row rows[] = {
		{ "X-Forwarded-For: 192.0.2.7\n", "192.0.2.7" }, { "x-forwarded-for: 203.0.113.9,192.0.2.7\n", "192.0.2.7" },
		{ "X-Forwarded-For: 192.0.2.7 , 10.0.0.2\n", "192.0.2.7" }, { "X-Forwarded-For: 2001:db8::7\n", "2001:db8::7" },
		{ "X-Forwarded-For: 2001:db8::7, fd00:5::9\n", "2001:db8::7" }, { "X-Forwarded-For: 192.0.2.7:4711\n", "192.0.2.7" },
		{ "X-Forwarded-For: 192.0.2.7\nX-Forwarded-For: 203.0.113.9\n", "203.0.113.9" }, { "X-Forwarded-For: 192.0.2.7, unknown\n", "10.0.0.1" },
		{ "X-Forwarded-For: \n", "10.0.0.1" }, { "X-Forwarded-For: ,\n", "10.0.0.1" }, { "X-Forwarded-For: 192.0.2.7,\n", "192.0.2.7" },
		{ "X-Forwarded-For: for=192.0.2.7\n", "10.0.0.1" }, { "X-Forwarded-For: \", 192.0.2.7\n", "192.0.2.7" },
		{ "X-Forwarded-For: 192.0.2.7 203.0.113.9\n", "10.0.0.1" },
		/* both, and they agree or not */
		{ "Forwarded: for=192.0.2.7\nX-Forwarded-For: 192.0.2.7\n", "192.0.2.7" },
		{ "Forwarded: for=192.0.2.7\nX-Forwarded-For: 203.0.113.9\n", NULL },
		{ "X-Forwarded-For: 203.0.113.9\nForwarded: for=192.0.2.7\n", NULL },
	};

	(void)state;
	covers("C8075-10-2");
	CHECK_ALL("10.0.0.1", rows);
}

/* Whoever is not trusted is who the connection says, whatever he writes. */
static void strangers(void **state)
{
	static const struct row rows[] = {
		{ "", "192.0.2.1" }, { "Forwarded: for=203.0.113.9\n", "192.0.2.1" }, { "X-Forwarded-For: 10.0.0.1\n", "192.0.2.1" },
		{ "Forwarded: for=10.0.0.1\nX-Forwarded-For: 203.0.113.9\n", "192.0.2.1" }, { "Forwarded: for=\"\n", "192.0.2.1" },
	};

	(void)state;
	covers("C8075-10-2");
	CHECK_ALL("192.0.2.1", rows);
}

/* Of many elements those nearest to us count: a client cannot push them out. */
static void long_chains(void **state)
{
	static const unsigned lengths[] = { 1, 62, 63, 64, 65, 127, 128, 129, 500 };
	char fields[30000], last[32];

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		size_t len = (size_t)sprintf(fields, "X-Forwarded-For: ");

		for (unsigned n = 0; n < lengths[i]; n++)
			len += (size_t)sprintf(fields + len, "203.0.113.%u, ", n % 250);
		sprintf(fields + len, "192.0.2.7\n");
		check("10.0.0.1", &(struct row){ fields, "192.0.2.7" });
		/* all of them trusted: as far as is looked */
		len = (size_t)sprintf(fields, "Forwarded: for=192.0.2.7");
		for (unsigned n = 0; n < lengths[i]; n++)
			len += (size_t)sprintf(fields + len, ", for=10.0.1.%u", n % 250);
		sprintf(fields + len, "\n");
		snprintf(last, sizeof last, "10.0.1.%u", lengths[i] >= 64 ? (lengths[i] - 64) % 250 : 0);
		check("10.0.0.1", &(struct row){ fields, lengths[i] < 64 ? "192.0.2.7" : last });
	}
}

/* ---- names ---- */

/* SHA-256 of "abc" */
#define HASH "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void use(const char *text)
{
	static char path[] = "/credentials";
	static struct snapshot conf;
	struct material m = { 0 };

	conf.settings.http_credentials = path;
	assert_int_equal(material_add(&m, path, (const uint8_t *)text, strlen(text)), 0);
	assert_int_equal(identity_renew(&conf, &m), 0);
}

static const char *who(const char *fields, struct credential_proof *proof)
{
	static char name[IDENTITY_MAX];
	static char text[600];
	struct http_head head;

	snprintf(text, sizeof text, "GET /\n%s", fields);
	head_of(&head, text);
	return identity_of(NULL, &head, name, proof) ? name : NULL;
}

static void names(void **state)
{
	struct credential_proof proof;

	(void)state;
	covers("C8075-10-2");
	tls_name = NULL;
	assert_null(who("", &proof));
	assert_null(who("Authorization: Bearer abc\n", &proof));
	use("bearer alice " HASH "\n");
	assert_null(who("", &proof));
	assert_string_equal(who("Authorization: Bearer abc\n", &proof), "alice");
	assert_true(proof.used && identity_holds("alice", &proof) && !identity_holds("bob", &proof));
	assert_null(who("Authorization: Bearer abc\nauthorization: Bearer abc\n", &proof));
	tls_name = "";
	assert_null(who("", &proof));
	tls_name = "meter 7";
	assert_string_equal(who("", &proof), "meter 7");
	assert_true(!proof.used && identity_holds("meter 7", &proof));
	assert_string_equal(who("Authorization: Bearer abc\n", &proof), "alice");
	/* who shows what does not hold is nobody: he meant to be somebody else */
	assert_null(who("Authorization: Bearer abcd\n", &proof));
	assert_null(who("Authorization: \n", &proof));
	identity_close();
	assert_null(who("Authorization: Bearer abc\n", &proof));
	assert_string_equal(who("", &proof), "meter 7");
}

static void renewal(void **state)
{
	static char path[] = "/credentials", none[] = "";
	struct credential_proof proof;
	struct snapshot conf = { .settings.http_credentials = path };
	struct material m = { 0 };

	(void)state;
	tls_name = NULL;
	use("bearer alice " HASH "\n");
	assert_string_equal(who("Authorization: Bearer abc\n", &proof), "alice");
	/* what cannot be understood changes nothing */
	assert_int_equal(material_add(&m, path, (const uint8_t *)"bearer\n", 7), 0);
	assert_int_equal(identity_renew(&conf, &m), -1);
	assert_true(identity_holds("alice", &proof));
	use("bearer bob " HASH "\n");
	assert_false(identity_holds("alice", &proof));
	assert_true(identity_holds("bob", &proof));
	/* no file any more: nobody */
	conf.settings.http_credentials = none;
	assert_int_equal(identity_renew(&conf, &m), 0);
	assert_false(identity_holds("bob", &proof));
	assert_null(who("Authorization: Bearer abc\n", &proof));
	identity_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwarded), cmocka_unit_test(hostile_forwarded), cmocka_unit_test(x_forwarded_for), cmocka_unit_test(strangers),
		cmocka_unit_test(long_chains), cmocka_unit_test(names), cmocka_unit_test(renewal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
