/* objects: TLS_OBJS base/endpoint.o coap/uri.o coap/message.o base/bytes.o proxy/http/material.o base/log.o base/clock.o tests/unit/certificates.o */
/* Handshakes in memory: a listener's context, and a client of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/edge/tls.h"
#include "tests/unit/certificates.h"
#include "tests/unit/covers.h"
#include "tests/unit/tls_ends.h"

static struct made_certificate authority, foreign, gateway, renewed, device, device_dns, device_cn, stranger, nobody;

/* What the files have in them, by the paths that every listener here names; a test changes what it wants otherwise. */
static char certificate_path[] = "gw.pem", key_path[] = "gw.key", ca_path[] = "clients.pem", psk_path[] = "psk";
static char none[] = "", name[] = "web";
static const char psk_text[] = "# two of them\n\nmeter-1:000102030405060708090a0b0c0d0e0f\r\n"
	"a:b:202122232425262728292A2B2C2D2E2F202122232425262728292a2b2c2d2e2f\n";
static const uint8_t meter_key[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static int begin_all(void **state)
{
	(void)state;
	certificate_make(&authority, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&foreign, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&gateway, "gw.example", "DNS:gw.example, IP:192.0.2.1, IP:2001:db8::1", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&renewed, "gw.example", "DNS:gw.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&device, "ignored", "DNS:also.ignored, URI:urn:dev:mac:1", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&device_dns, "ignored", "email:a@b.example, DNS:meter.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&device_cn, "Meter 7", NULL, false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&stranger, "Meter 7", NULL, false, &foreign, CERTIFICATE_GOOD_DAYS);
	certificate_make(&nobody, "M\xc3\xa4rz", NULL, false, &authority, CERTIFICATE_GOOD_DAYS);
	log_open(-1, LOG_LEVEL_ERROR);
	return 0;
}

static int end_all(void **state)
{
	struct made_certificate *all[] = { &authority, &foreign, &gateway, &renewed, &device, &device_dns, &device_cn, &stranger, &nobody };

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		certificate_free(all[i]);
	tls_close();
	return 0;
}

static void add_text(struct material *m, const char *path, const char *text)
{
	assert_int_equal(material_add(m, path, (const uint8_t *)text, strlen(text)), 0);
}

static void fill(struct material *m, const struct made_certificate *own)
{
	m->count = 0;
	add_text(m, certificate_path, own->certificate_pem);
	add_text(m, key_path, own->key_pem);
	add_text(m, ca_path, authority.certificate_pem);
	add_text(m, psk_path, psk_text);
}

/* ---- a configuration with one listener ---- */

enum { WITH_CERTIFICATE = 1, WITH_CA = 2, REQUIRED = 4, WITH_PSK = 8 };

static struct listener listener_with(unsigned what)
{
	return (struct listener){ .name = name, .scheme = URI_HTTPS, .certificate = what & WITH_CERTIFICATE ? certificate_path : none,
		.key = what & WITH_CERTIFICATE ? key_path : none, .client_ca = what & WITH_CA ? ca_path : none,
		.client_certificate = what & REQUIRED, .psk_file = what & WITH_PSK ? psk_path : none, .slot = 0 };
}

static struct snapshot conf;
static struct listener listener;

const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot)
{
	return s->listener_count > slot ? &s->listeners[slot] : NULL;
}

static int renew(unsigned what, const struct material *m)
{
	listener = listener_with(what);
	conf = (struct snapshot){ .listeners = &listener, .listener_count = 1, .settings = { .http_ca = none } };
	return tls_renew(&conf, m);
}

static void serve(unsigned what)
{
	static struct material m;

	fill(&m, &gateway);
	assert_int_equal(renew(what, &m), 0);
}

/* ---- versions and protocols ---- */

static void test_both_versions_are_spoken_and_no_older_one(void **state)
{
	static const struct {
		int version;
		bool good;
	} cases[] = { { TLS1_3_VERSION, true }, { TLS1_2_VERSION, true }, { TLS1_1_VERSION, false }, { TLS1_VERSION, false } };

	(void)state;
	serve(WITH_CERTIFICATE);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		SSL_CTX *c = client_context(cases[i].version);
		struct ends e;

		SSL_CTX_set_security_level(c, 0); /* the client would go that low */
		plug(&e, tls_accept(0), SSL_new(c));
		assert_int_equal(shake(&e), cases[i].good);
		if (cases[i].good) {
			assert_int_equal(SSL_version(e.server), cases[i].version);
			assert_peer(e.server, TLS_ANONYMOUS, "");
		}
		unplug(&e);
		SSL_CTX_free(c);
	}
	assert_null(tls_accept(1));
	assert_null(tls_accept(CONF_SLOTS_MAX));
}

static void test_weak_ciphers_are_refused(void **state)
{
	static const char *const lists[] = { "AES128-GCM-SHA256:AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "aNULL", "ECDHE-ECDSA-AES128-SHA256" };

	(void)state;
	serve(WITH_CERTIFICATE | WITH_PSK);
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		SSL_CTX *c = client_context(TLS1_2_VERSION);
		struct ends e;

		SSL_CTX_set_security_level(c, 0);
		assert_int_equal(SSL_CTX_set_cipher_list(c, lists[i]), 1);
		plug(&e, tls_accept(0), SSL_new(c));
		assert_false(shake(&e));
		assert_true(reason_is(e.server_error, "no shared cipher"));
		unplug(&e);
		SSL_CTX_free(c);
	}
}

static void test_the_protocol_inside_is_agreed_upon(void **state)
{
	static const struct {
		const char *offered;
		bool good;
		const char *chosen;
	} cases[] = {
		{ "\x08http/1.1", true, "http/1.1" }, { "\x02h2\x08http/1.1", true, "http/1.1" }, { "\x02h2", false, "" }, { "", true, "" },
		{ "\x08http/1.0", false, "" },
	};

	(void)state;
	serve(WITH_CERTIFICATE);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		SSL_CTX *c = client_context(TLS1_3_VERSION);
		const unsigned char *chosen = NULL;
		unsigned int len = 0;
		struct ends e;

		if (cases[i].offered[0] != '\0')
			SSL_CTX_set_alpn_protos(c, (const unsigned char *)cases[i].offered, (unsigned int)strlen(cases[i].offered));
		plug(&e, tls_accept(0), SSL_new(c));
		assert_int_equal(shake(&e), cases[i].good);
		SSL_get0_alpn_selected(e.client, &chosen, &len);
		assert_int_equal(len, strlen(cases[i].chosen));
		assert_memory_equal(chosen != NULL ? (const char *)chosen : "", cases[i].chosen, len);
		unplug(&e);
		SSL_CTX_free(c);
	}
}

/* Neither by ticket nor by number; and what is agreed upon is not agreed upon anew. */
static void test_no_connection_takes_up_another(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	serve(WITH_CERTIFICATE);
	for (size_t i = 0; i < 2; i++) {
		SSL_CTX *c = client_context(versions[i]);
		SSL_SESSION *earlier;
		struct ends e;

		SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT);
		plug(&e, tls_accept(0), SSL_new(c));
		assert_true(shake(&e));
		if (versions[i] == TLS1_2_VERSION) {
			SSL_renegotiate(e.client);
			SSL_do_handshake(e.client);
			assert_int_equal(SSL_read(e.server, &(char){ 0 }, 1), -1);
			assert_int_equal(SSL_do_handshake(e.client), -1);
			assert_true(reason_is(ERR_get_error(), "renegotiation"));
		}
		earlier = SSL_get1_session(e.client);
		assert_false(SSL_SESSION_has_ticket(earlier));
		unplug(&e);
		plug(&e, tls_accept(0), SSL_new(c));
		SSL_set_session(e.client, earlier);
		assert_true(shake(&e));
		assert_false(SSL_session_reused(e.server));
		SSL_SESSION_free(earlier);
		unplug(&e);
		SSL_CTX_free(c);
	}
}

/* ---- certificates of clients ---- */

static void test_clients_are_known_by_their_certificates(void **state)
{
	const struct {
		unsigned what;
		const struct made_certificate *shown;
		bool good;
		const char *name;
	} cases[] = {
		{ WITH_CA | REQUIRED, &device, true, "urn:dev:mac:1" },
		{ WITH_CA | REQUIRED, &device_dns, true, "meter.example" },
		{ WITH_CA | REQUIRED, &device_cn, true, "Meter 7" },
		{ WITH_CA | REQUIRED, &nobody, true, NULL },   /* it has no name that could be written down */
		{ WITH_CA | REQUIRED, &stranger, false, NULL },
		{ WITH_CA | REQUIRED, NULL, false, NULL },
		{ WITH_CA, &device_cn, true, "Meter 7" },
		{ WITH_CA, &stranger, false, NULL },
		{ WITH_CA, NULL, true, NULL },
		{ 0, &device_cn, true, NULL },                 /* nobody asked */
	};

	(void)state;
	covers("C8075-10-1");
	for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
		SSL_CTX *c = client_context(i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
		struct ends e;

		serve(WITH_CERTIFICATE | cases[i / 2].what);
		if (cases[i / 2].shown != NULL) {
			assert_int_equal(SSL_CTX_use_certificate(c, cases[i / 2].shown->certificate), 1);
			assert_int_equal(SSL_CTX_use_PrivateKey(c, cases[i / 2].shown->key), 1);
		}
		plug(&e, tls_accept(0), SSL_new(c));
		assert_peer(e.server, TLS_ANONYMOUS, ""); /* not before it is over */
		assert_int_equal(shake(&e), cases[i / 2].good);
		if (!cases[i / 2].good)
			assert_int_not_equal(e.server_error, 0);
		if (cases[i / 2].name != NULL)
			assert_peer(e.server, TLS_BY_CERTIFICATE, cases[i / 2].name);
		else
			assert_peer(e.server, TLS_ANONYMOUS, "");
		unplug(&e);
		SSL_CTX_free(c);
	}
}

/* ---- pre-shared keys ---- */

static const char *offered_identity;
static uint8_t offered_key[32];
static size_t offered_len;

static void offer(const char *identity, const uint8_t *key, size_t len)
{
	offered_identity = identity;
	memcpy(offered_key, key, len);
	offered_len = len;
}

static unsigned int on_client_key(SSL *ssl, const char *hint, char *identity, unsigned int identity_room, unsigned char *key,
	unsigned int key_room)
{
	(void)ssl, (void)hint, (void)key_room;
	snprintf(identity, identity_room, "%s", offered_identity);
	memcpy(key, offered_key, offered_len);
	return (unsigned int)offered_len;
}

static void test_clients_are_known_by_their_pre_shared_keys(void **state)
{
	static const uint8_t wrong[16] = { 1 };
	uint8_t longer[32];
	const struct {
		const char *identity;
		const uint8_t *key;
		size_t len;
		bool good;
	} cases[] = {
		{ "meter-1", meter_key, 16, true }, { "a:b", longer, 32, true },
		{ "meter-1", wrong, 16, false }, { "meter-2", meter_key, 16, false }, { "meter-", meter_key, 16, false },
		{ "meter-11", meter_key, 16, false }, { "# two of them", meter_key, 16, false },
	};

	(void)state;
	covers("C8075-10-1");
	for (unsigned i = 0; i < 16; i++)
		longer[i] = longer[i + 16] = (uint8_t)(0x20 + i);
	for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
		int version = i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION;
		SSL_CTX *c = client_context(version);
		struct ends e;

		serve(WITH_PSK);
		offer(cases[i / 2].identity, cases[i / 2].key, cases[i / 2].len);
		SSL_CTX_set_psk_client_callback(c, on_client_key);
		plug(&e, tls_accept(0), SSL_new(c));
		assert_int_equal(shake(&e), cases[i / 2].good);
		if (cases[i / 2].good) {
			assert_int_equal(SSL_version(e.server), version);
			assert_peer(e.server, TLS_BY_PSK, cases[i / 2].identity);
		} else {
			assert_int_not_equal(e.server_error, 0);
			assert_peer(e.server, TLS_ANONYMOUS, "");
		}
		unplug(&e);
		SSL_CTX_free(c);
	}
}

/* A listener that has both: who offers a key is taken by it, also if he would be content with a certificate; who offers one that is not
 * known, or none, gets the certificate and stays anonymous. */
static void test_a_key_goes_before_a_certificate(void **state)
{
	static const struct {
		int version;
		const char *identity;
		enum tls_identity kind;
	} cases[] = {
		{ TLS1_3_VERSION, "meter-1", TLS_BY_PSK }, { TLS1_2_VERSION, "meter-1", TLS_BY_PSK },
		{ TLS1_3_VERSION, "unknown", TLS_ANONYMOUS }, { TLS1_3_VERSION, NULL, TLS_ANONYMOUS }, { TLS1_2_VERSION, NULL, TLS_ANONYMOUS },
	};

	(void)state;
	for (size_t i = 0; i < 3 * sizeof cases / sizeof cases[0]; i++) {
		/* also if clients are asked for certificates, or must show one unless they have a key */
		unsigned clients = i % 3 == 0 ? 0 : i % 3 == 1 ? WITH_CA : WITH_CA | REQUIRED;
		bool good = clients != (WITH_CA | REQUIRED) || cases[i / 3].kind == TLS_BY_PSK;
		SSL_CTX *c = client_context(cases[i / 3].version);
		struct ends e;

		serve(WITH_CERTIFICATE | WITH_PSK | clients);
		if (cases[i / 3].identity != NULL) {
			offer(cases[i / 3].identity, meter_key, sizeof meter_key);
			SSL_CTX_set_psk_client_callback(c, on_client_key);
		}
		plug(&e, tls_accept(0), SSL_new(c));
		assert_int_equal(shake(&e), good);
		assert_peer(e.server, cases[i / 3].kind, cases[i / 3].kind == TLS_BY_PSK ? "meter-1" : "");
		unplug(&e);
		SSL_CTX_free(c);
	}
}

/* ---- reload ---- */

static const X509 *shown_to(const struct ends *e)
{
	return SSL_get0_peer_certificate(e->client);
}

static void test_a_reload_counts_for_new_connections(void **state)
{
	static const char other_keys[] = "meter-9:000102030405060708090a0b0c0d0e0f\n";
	SSL_CTX *c = client_context(TLS1_3_VERSION);
	struct material m = { .count = 0 };
	struct ends old, new, last;
	char byte = 'y';

	(void)state;
	serve(WITH_CERTIFICATE | WITH_PSK);
	plug(&old, tls_accept(0), SSL_new(c));
	assert_true(shake(&old));
	fill(&m, &renewed);
	m.files[3].bytes = (const uint8_t *)other_keys;
	m.files[3].len = strlen(other_keys);
	plug(&last, tls_accept(0), SSL_new(c)); /* begun, and not yet shaken */
	assert_int_equal(renew(WITH_CERTIFICATE | WITH_PSK, &m), 0);
	plug(&new, tls_accept(0), SSL_new(c));
	assert_true(shake(&new) && shake(&last));
	assert_int_equal(X509_cmp(shown_to(&old), gateway.certificate), 0);
	assert_int_equal(X509_cmp(shown_to(&last), gateway.certificate), 0);
	assert_int_equal(X509_cmp(shown_to(&new), renewed.certificate), 0);
	assert_true(SSL_write(old.client, &byte, 1) == 1 && SSL_read(old.server, &byte, 1) == 1);
	unplug(&new);
	m.files[0].len /= 2; /* what cannot be read leaves what was there */
	assert_int_equal(renew(WITH_CERTIFICATE, &m), -1);
	plug(&new, tls_accept(0), SSL_new(c));
	assert_true(shake(&new));
	assert_int_equal(X509_cmp(shown_to(&new), renewed.certificate), 0);
	unplug(&new);
	offer("meter-1", meter_key, sizeof meter_key); /* and the key of before is gone */
	SSL_CTX_set_psk_client_callback(c, on_client_key);
	plug(&new, tls_accept(0), SSL_new(c));
	assert_true(shake(&new));
	assert_peer(new.server, TLS_ANONYMOUS, "");
	unplug(&new);
	offer("meter-9", meter_key, sizeof meter_key);
	plug(&new, tls_accept(0), SSL_new(c));
	assert_true(shake(&new));
	assert_peer(new.server, TLS_BY_PSK, "meter-9");
	conf.listener_count = 0; /* a listener that went takes its context along, connections go on */
	assert_int_equal(tls_renew(&conf, &m), 0);
	assert_null(tls_accept(0));
	assert_peer(new.server, TLS_BY_PSK, "meter-9");
	assert_true(SSL_write(new.client, &byte, 1) == 1 && SSL_read(new.server, &byte, 1) == 1);
	unplug(&new);
	unplug(&last);
	unplug(&old);
	SSL_CTX_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_versions_are_spoken_and_no_older_one),
		cmocka_unit_test(test_weak_ciphers_are_refused),
		cmocka_unit_test(test_the_protocol_inside_is_agreed_upon),
		cmocka_unit_test(test_no_connection_takes_up_another),
		cmocka_unit_test(test_clients_are_known_by_their_certificates),
		cmocka_unit_test(test_clients_are_known_by_their_pre_shared_keys),
		cmocka_unit_test(test_a_key_goes_before_a_certificate),
		cmocka_unit_test(test_a_reload_counts_for_new_connections),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
