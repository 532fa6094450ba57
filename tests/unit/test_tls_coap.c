/* objects: TLS_OBJS base/endpoint.o coap/uri.o coap/message.o base/bytes.o proxy/http/material.o base/log.o base/clock.o tests/unit/certificates.o */
/* TLS for CoAP: handshakes in memory with the contexts of coaps+tcp listeners and those towards CoAP origins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/edge/tls.h"
#include "proxy/edge/tls_psk.h"
#include "tests/unit/certificates.h"
#include "tests/unit/covers.h"
#include "tests/unit/tls_ends.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DEFAULT_CIPHERS "ECDHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256:PSK-AES128-CCM8:" \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-CCM8"

enum { OWN_PORT = 5684, OTHER_PORT = 7684 };

static struct made_certificate authority, foreign, gateway, second, third, device, origin, expired;
static EVP_PKEY *rsa;

/* What the files have in them, by path. */
static char certificate_path[] = "gw.pem", key_path[] = "gw.key", ca_path[] = "ca.pem", psk_path[] = "psk", own_path[] = "device.pem",
	own_key_path[] = "device.key", none[] = "", name[] = "tls", ciphers[] = DEFAULT_CIPHERS;
static char second_pair[] = "second.pem second.key", third_pair[] = "third.pem third.key", *more[] = { second_pair, third_pair };
static const char psk_text[] = "meter-1:000102030405060708090a0b0c0d0e0f\nother:202122232425262728292a2b2c2d2e2f\n";
static const uint8_t meter_key[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static int begin_all(void **state)
{
	(void)state;
	certificate_make(&authority, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&foreign, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&gateway, "gw.example", "DNS:gw.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&second, "b.example", "DNS:b.example, DNS:*.b.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&third, "c.example", "DNS:c.example, DNS:b.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&device, "ignored", "URI:urn:dev:mac:1", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&origin, "origin", "DNS:origin.example, IP:192.0.2.1", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&expired, "origin", "DNS:origin.example", false, &authority, -1);
	rsa = EVP_RSA_gen(1024);
	log_open(-1, LOG_LEVEL_ERROR);
	return 0;
}

static int end_all(void **state)
{
	struct made_certificate *all[] = { &authority, &foreign, &gateway, &second, &third, &device, &origin, &expired };

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		certificate_free(all[i]);
	EVP_PKEY_free(rsa);
	tls_close();
	return 0;
}

static void add_text(struct material *m, const char *path, const char *text)
{
	assert_int_equal(material_add(m, path, (const uint8_t *)text, strlen(text)), 0);
}

static struct material *files(void)
{
	static struct material m;

	m.count = 0;
	add_text(&m, certificate_path, gateway.certificate_pem);
	add_text(&m, key_path, gateway.key_pem);
	add_text(&m, ca_path, authority.certificate_pem);
	add_text(&m, psk_path, psk_text);
	add_text(&m, own_path, device.certificate_pem);
	add_text(&m, own_key_path, device.key_pem);
	add_text(&m, "second.pem", second.certificate_pem);
	add_text(&m, "second.key", second.key_pem);
	add_text(&m, "third.pem", third.certificate_pem);
	add_text(&m, "third.key", third.key_pem);
	return &m;
}

/* ---- a configuration with one listener, and origins ---- */

enum { WITH_CERTIFICATE = 1, WITH_CA = 2, REQUIRED = 4, WITH_PSK = 8, WITH_MORE = 16 };

static struct snapshot conf;
static struct listener listener;

const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot)
{
	return s->listener_count > slot ? &s->listeners[slot] : NULL;
}

static struct settings settings_with(char *suites, unsigned level)
{
	return (struct settings){ .http_ca = none, .transports_ciphers = suites, .transports_security_level = level, .upstream_ca = none,
		.upstream_psk_file = none, .upstream_certificate = none, .upstream_key = none };
}

static void serve_with(unsigned what, uint16_t port, char *suites, unsigned level)
{
	listener = (struct listener){ .name = name, .scheme = URI_COAPS_TCP, .address = { .port = port },
		.certificate = what & WITH_CERTIFICATE ? certificate_path : none, .key = what & WITH_CERTIFICATE ? key_path : none,
		.certificates = more, .certificate_count = what & WITH_MORE ? COUNT(more) : 0, .client_ca = what & WITH_CA ? ca_path : none,
		.client_certificate = what & REQUIRED, .psk_file = what & WITH_PSK ? psk_path : none };
	conf = (struct snapshot){ .listeners = &listener, .listener_count = 1, .settings = settings_with(suites, level) };
	assert_int_equal(tls_renew(&conf, files()), 0);
}

static void serve(unsigned what, uint16_t port)
{
	serve_with(what, port, ciphers, 0);
}

/* Towards origins: `what` is ours. */
static void ask(unsigned what)
{
	conf = (struct snapshot){ .listeners = &listener, .listener_count = 0, .settings = settings_with(ciphers, 0), .asks_secured = true };
	if (what & WITH_CA)
		conf.settings.upstream_ca = ca_path;
	if (what & WITH_PSK)
		conf.settings.upstream_psk_file = psk_path;
	if (what & WITH_CERTIFICATE) {
		conf.settings.upstream_certificate = own_path;
		conf.settings.upstream_key = own_key_path;
	}
	assert_int_equal(tls_renew(&conf, files()), 0);
}

/* ---- peers of the test's own ---- */

static unsigned int show_meter(SSL *ssl, const char *hint, char *identity, unsigned int identity_room, unsigned char *key, unsigned int room)
{
	(void)ssl, (void)hint;
	snprintf(identity, identity_room, "meter-1");
	assert_true(room >= sizeof meter_key);
	memcpy(key, meter_key, sizeof meter_key);
	return sizeof meter_key;
}

static unsigned int know_meter(SSL *ssl, const char *identity, unsigned char *key, unsigned int room)
{
	(void)ssl, (void)room;
	if (strcmp(identity, "meter-1") != 0)
		return 0;
	memcpy(key, meter_key, sizeof meter_key);
	return sizeof meter_key;
}

static void trust(SSL_CTX *c)
{
	assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(c), authority.certificate), 1);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
}

/* A client that offers `protocols` in the form of ALPN; NULL: none. */
static SSL *client_of(SSL_CTX *c, const char *protocols)
{
	SSL *ssl = SSL_new(c);

	assert_non_null(ssl);
	if (protocols != NULL)
		assert_int_equal(SSL_set_alpn_protos(ssl, (const unsigned char *)protocols, (unsigned)strlen(protocols)), 0);
	return ssl;
}

static SSL_CTX *server_context(const struct made_certificate *own)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());

	assert_non_null(c);
	SSL_CTX_set_security_level(c, 0);
	if (own != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(c, own->certificate), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(c, own->key), 1);
	}
	return c;
}

static const struct made_certificate *who(const SSL *client)
{
	const struct made_certificate *all[] = { &gateway, &second, &third };
	X509 *x = SSL_get0_peer_certificate(client);

	for (size_t i = 0; i < COUNT(all) && x != NULL; i++)
		if (X509_cmp(x, all[i]->certificate) == 0)
			return all[i];
	return NULL;
}

/* ---- protocols ---- */

static void test_alpn_is_demanded_but_at_the_port_of_the_scheme(void **state)
{
	static const struct {
		uint16_t port;
		const char *protocols;
		bool good;
	} cases[] = {
		{ OTHER_PORT, "\x04" "coap", true }, { OTHER_PORT, "\x08http/1.1\x04" "coap", true }, { OTHER_PORT, NULL, false },
		{ OTHER_PORT, "\x08http/1.1", false }, { OTHER_PORT, "\x05" "coaps", false }, { OTHER_PORT, "\x04" "CoAP", false },
		{ OWN_PORT, "\x04" "coap", true }, { OWN_PORT, NULL, true }, { OWN_PORT, "\x08http/1.1", false },
	};

	(void)state;
	covers("C8323-8.2-1");
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		SSL_CTX *c = client_context(i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
		const unsigned char *chosen;
		struct ends e;
		unsigned len;

		serve(WITH_CERTIFICATE, cases[i / 2].port);
		plug(&e, tls_accept(0), client_of(c, cases[i / 2].protocols));
		if (shake(&e) != cases[i / 2].good)
			fail_msg("case %zu", i / 2);
		SSL_get0_alpn_selected(e.client, &chosen, &len);
		if (cases[i / 2].good && cases[i / 2].protocols != NULL)
			assert_true(len == 4 && memcmp(chosen, "coap", 4) == 0);
		else if (!cases[i / 2].good)
			assert_true(reason_is(e.client_error, "no application protocol"));
		unplug(&e);
		SSL_CTX_free(c);
	}
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned int len, void *arg)
{
	const char *wanted = arg;

	(void)ssl;
	for (unsigned i = 0; i < len; i += 1 + in[i]) {
		if (in[i] != strlen(wanted) || memcmp(&in[i + 1], wanted, in[i]) != 0)
			continue;
		*out = &in[i + 1];
		*out_len = in[i];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* An origin that agrees to nothing speaks CoAP at the port of the scheme alone; for WebSockets it is HTTP that is asked for. */
static void test_alpn_of_origins(void **state)
{
	static char coap[] = "coap", http[] = "http/1.1";
	static const struct {
		char *agrees; /* NULL: the origin knows no ALPN */
		bool websocket, shakes, speaks_at_own_port, speaks_elsewhere;
	} cases[] = {
		{ coap, false, true, true, true }, { NULL, false, true, true, false }, { http, false, false, false, false },
		{ http, true, true, false, false }, { coap, true, false, false, false },
	};

	(void)state;
	covers("C8323-8.2-1");
	ask(WITH_CA);
	for (size_t i = 0; i < COUNT(cases); i++) {
		SSL_CTX *c = server_context(&origin);
		struct ends e;

		if (cases[i].agrees != NULL)
			SSL_CTX_set_alpn_select_cb(c, choose, cases[i].agrees);
		plug(&e, SSL_new(c), tls_connect_coap("origin.example", "", cases[i].websocket));
		assert_int_equal(shake(&e), cases[i].shakes);
		if (cases[i].shakes) {
			assert_int_equal(tls_speaks_coap(e.client, OWN_PORT), cases[i].speaks_at_own_port);
			assert_int_equal(tls_speaks_coap(e.client, OTHER_PORT), cases[i].speaks_elsewhere);
		}
		unplug(&e);
		SSL_CTX_free(c);
	}
}

/* ---- suites ---- */

static void test_suites_are_those_of_the_configuration(void **state)
{
	static char gcm[] = "ECDHE-ECDSA-AES128-GCM-SHA256";
	static const struct {
		const char *suite;
		bool by_default, by_gcm;
	} cases[] = {
		{ "ECDHE-ECDSA-AES128-GCM-SHA256", true, true }, { "ECDHE-ECDSA-AES128-CCM8", true, false }, { "PSK-AES128-CCM8", true, false },
		{ "ECDHE-PSK-AES128-CBC-SHA256", true, false }, { "ECDHE-PSK-CHACHA20-POLY1305", true, false },
		{ "ECDHE-ECDSA-AES128-SHA", false, false }, { "AES128-SHA", false, false }, { "PSK-AES128-CBC-SHA", false, false },
	};

	(void)state;
	covers("C8323-9-1");
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		SSL_CTX *c = client_context(TLS1_2_VERSION);
		struct ends e;

		SSL_CTX_set_security_level(c, 0);
		SSL_CTX_set_psk_client_callback(c, show_meter);
		assert_int_equal(SSL_CTX_set_cipher_list(c, cases[i / 2].suite), 1);
		serve_with(WITH_CERTIFICATE | WITH_PSK, OWN_PORT, i & 1 ? gcm : ciphers, 0);
		plug(&e, tls_accept(0), SSL_new(c));
		if (shake(&e) != (i & 1 ? cases[i / 2].by_gcm : cases[i / 2].by_default))
			fail_msg("%s", cases[i / 2].suite);
		if (SSL_is_init_finished(e.server))
			assert_string_equal(SSL_get_cipher_name(e.server), cases[i / 2].suite);
		unplug(&e);
		SSL_CTX_free(c);
	}
}

/* The suites of few bits that devices have want a low level; what peers' certificates are worth does not sink with it. */
static void test_a_low_level_is_none_for_certificates(void **state)
{
	SSL_CTX *c = client_context(TLS1_2_VERSION);
	X509 *weak = X509_dup(device.certificate);
	struct ends e;

	(void)state;
	SSL_CTX_set_security_level(c, 0);
	assert_int_equal(X509_set_pubkey(weak, rsa), 1);
	assert_true(X509_sign(weak, authority.key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(c, weak), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(c, rsa), 1);
	serve(WITH_CERTIFICATE | WITH_CA, OWN_PORT);
	plug(&e, tls_accept(0), SSL_new(c));
	assert_false(shake(&e));
	assert_true(reason_is(e.server_error, "certificate verify failed"));
	unplug(&e);
	X509_free(weak);
	SSL_CTX_free(c);
}

static void test_old_signatures_are_none(void **state)
{
	SSL_CTX *c = client_context(TLS1_2_VERSION);
	struct ends e;

	(void)state;
	SSL_CTX_set_security_level(c, 0);
	assert_int_equal(SSL_CTX_set1_sigalgs_list(c, "ECDSA+SHA1"), 1);
	serve(WITH_CERTIFICATE, OWN_PORT);
	plug(&e, tls_accept(0), SSL_new(c));
	assert_false(shake(&e));
	unplug(&e);
	SSL_CTX_free(c);
}

/* ---- which certificate ---- */

static void test_certificates_are_chosen_by_name(void **state)
{
	static const struct {
		const char *asked; /* NULL: no name */
		const struct made_certificate *shown;
	} cases[] = {
		{ NULL, &gateway }, { "gw.example", &gateway }, { "b.example", &second }, { "B.Example", &second }, { "x.b.example", &second },
		{ "x.y.b.example", &gateway }, { "c.example", &third }, { "nobody.example", &gateway }, { "xb.example", &gateway },
	};

	(void)state;
	covers("C7252-9.1-2");
	serve(WITH_CERTIFICATE | WITH_MORE | WITH_PSK, OWN_PORT);
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		SSL_CTX *c = client_context(i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
		const char *asked = cases[i / 2].asked;
		struct ends e;

		trust(c);
		plug(&e, tls_accept(0), SSL_new(c));
		if (asked != NULL)
			assert_int_equal(SSL_set_tlsext_host_name(e.client, asked), 1);
		assert_true(shake(&e));
		if (who(e.client) != cases[i / 2].shown)
			fail_msg("%s", asked != NULL ? asked : "no name");
		if (asked != NULL)
			assert_string_equal(tls_asked_host(e.server), asked);
		else
			assert_null(tls_asked_host(e.server));
		unplug(&e);
		SSL_CTX_free(c);
	}
}

/* One kind of key in the first certificate and another in the second: the first is not shown because its kind is liked better. */
static void test_a_name_counts_more_than_a_kind_of_key(void **state)
{
	static char rsa_first[] = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256";
	EVP_PKEY *good = EVP_RSA_gen(2048);
	X509 *x = X509_dup(gateway.certificate);
	struct material *m = files();
	SSL_CTX *c = client_context(TLS1_2_VERSION);
	char *texts[2] = { NULL, NULL };
	size_t sizes[2];
	FILE *out[2] = { open_memstream(&texts[0], &sizes[0]), open_memstream(&texts[1], &sizes[1]) };
	struct ends e;

	(void)state;
	assert_int_equal(X509_set_pubkey(x, good), 1);
	assert_true(X509_sign(x, authority.key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(out[0], x), 1);
	assert_int_equal(PEM_write_PrivateKey(out[1], good, NULL, NULL, 0, NULL, NULL), 1);
	fclose(out[0]);
	fclose(out[1]);
	serve_with(WITH_CERTIFICATE | WITH_MORE, OWN_PORT, rsa_first, 0);
	files();
	m->files[0].bytes = (const uint8_t *)texts[0], m->files[0].len = strlen(texts[0]);
	m->files[1].bytes = (const uint8_t *)texts[1], m->files[1].len = strlen(texts[1]);
	assert_int_equal(tls_renew(&conf, m), 0);
	plug(&e, tls_accept(0), SSL_new(c));
	assert_int_equal(SSL_set_tlsext_host_name(e.client, "b.example"), 1);
	assert_true(shake(&e));
	assert_ptr_equal(who(e.client), &second);
	unplug(&e);
	SSL_CTX_free(c);
	X509_free(x);
	EVP_PKEY_free(good);
	free(texts[0]), free(texts[1]);
}

/* The name of a client that has another certificate of ours is proved all the same. */
static void test_clients_are_known_by_any_name(void **state)
{
	(void)state;
	serve(WITH_CERTIFICATE | WITH_MORE | WITH_PSK | WITH_CA, OWN_PORT);
	for (size_t i = 0; i < 4; i++) {
		SSL_CTX *c = client_context(i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
		struct ends e;

		/* who has a key may have a certificate too, and offer the suites of both */
		if (i & 2) {
			SSL_CTX_set_psk_client_callback(c, show_meter);
			assert_int_equal(SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-AES128-GCM-SHA256:PSK-AES128-CCM8:@SECLEVEL=0"), 1);
		}
		if (!(i & 2) || i & 1) {
			assert_int_equal(SSL_CTX_use_certificate(c, device.certificate), 1);
			assert_int_equal(SSL_CTX_use_PrivateKey(c, device.key), 1);
		}
		plug(&e, tls_accept(0), SSL_new(c));
		assert_int_equal(SSL_set_tlsext_host_name(e.client, "c.example"), 1);
		assert_true(shake(&e));
		assert_peer(e.server, i & 2 ? TLS_BY_PSK : TLS_BY_CERTIFICATE, i & 2 ? "meter-1" : "urn:dev:mac:1");
		unplug(&e);
		SSL_CTX_free(c);
	}
}

/* A name that could not stand in a URI is none (RFC 8323 8.5). */
static void test_a_name_that_is_none_is_not_taken(void **state)
{
	static const char *const names[] = { "a b", "a/b", "a:1", "x@y" };
	SSL_CTX *c = client_context(TLS1_2_VERSION);
	struct ends e;

	(void)state;
	serve(WITH_CERTIFICATE, OWN_PORT);
	for (size_t i = 0; i < COUNT(names); i++) {
		plug(&e, tls_accept(0), SSL_new(c));
		assert_int_equal(SSL_set_tlsext_host_name(e.client, names[i]), 1);
		assert_true(shake(&e));
		assert_null(tls_asked_host(e.server));
		unplug(&e);
	}
	SSL_CTX_free(c);
}

/* ---- origins ---- */

static void test_origins_are_verified(void **state)
{
	const struct {
		const struct made_certificate *own;
		const char *host;
		bool good;
	} cases[] = {
		{ &origin, "origin.example", true }, { &origin, "ORIGIN.example.", true }, { &origin, "192.0.2.1", true },
		{ &origin, "192.0.2.2", false }, { &origin, "example", false }, { &gateway, "origin.example", false }, { &expired, "origin.example", false },
		{ &device, "ignored", false }, { &foreign, "Authority", false },
	};

	(void)state;
	covers("C7252-9.1-2");
	ask(WITH_CA);
	for (size_t i = 0; i < COUNT(cases); i++) {
		SSL_CTX *c = server_context(cases[i].own);
		struct ends e;

		plug(&e, SSL_new(c), tls_connect_coap(cases[i].host, "", false));
		if (shake(&e) != cases[i].good)
			fail_msg("case %zu", i);
		/* a name is sent along, a literal is not (RFC 6066 3) */
		assert_int_equal(tls_asked_host(e.server) != NULL, cases[i].host[0] < '0' || cases[i].host[0] > '9');
		unplug(&e);
		SSL_CTX_free(c);
	}
}

static void test_what_is_shown_to_origins(void **state)
{
	static const struct {
		unsigned what;
		const char *identity;
		enum { CERTIFICATE = 1, KEY, BOTH } has; /* the origin */
		bool good, good_by_1_2, certificate, key;  /* what is shown to it */
	} cases[] = {
		{ WITH_CA, "", CERTIFICATE, true, true, false, false }, { WITH_CA | WITH_CERTIFICATE, "", CERTIFICATE, true, true, true, false },
		{ WITH_PSK, "meter-1", KEY, true, true, false, true }, { WITH_PSK, "other", KEY, false, false, false, false },
		{ WITH_PSK | WITH_CA | WITH_CERTIFICATE, "meter-1", KEY, true, true, false, true },
		{ WITH_PSK | WITH_CA | WITH_CERTIFICATE, "meter-1", BOTH, true, true, false, true },
		{ WITH_PSK | WITH_CA | WITH_CERTIFICATE, "", BOTH, true, true, true, false }, /* no key is shown unless it is named */
		{ WITH_PSK | WITH_CA, "", KEY, false, false, false, false },
		{ WITH_PSK, "meter-1", CERTIFICATE, false, false, false, false }, /* a certificate that nobody vouches for */
		{ WITH_PSK | WITH_CA, "meter-1", CERTIFICATE, true, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		SSL_CTX *c = server_context(cases[i / 2].has & CERTIFICATE ? &origin : NULL);
		bool good = i & 1 ? cases[i / 2].good_by_1_2 : cases[i / 2].good;
		int version = i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION;
		struct ends e;

		SSL_CTX_set_max_proto_version(c, version);
		if (cases[i / 2].has & KEY)
			SSL_CTX_set_psk_server_callback(c, know_meter);
		if (cases[i / 2].has & CERTIFICATE)
			SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
		assert_int_equal(SSL_CTX_set_session_id_context(c, (const unsigned char *)"x", 1), 1);
		assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(c), authority.certificate), 1);
		ask(cases[i / 2].what);
		plug(&e, SSL_new(c), tls_connect_coap("origin.example", cases[i / 2].identity, false));
		if (shake(&e) != good)
			fail_msg("case %zu, version %x", i / 2, (unsigned)version);
		if (good) {
			assert_int_equal(SSL_version(e.client), version);
			assert_int_equal(SSL_get0_peer_certificate(e.server) != NULL, cases[i / 2].certificate);
			assert_int_equal(tls_psk_identity(e.client) != NULL, cases[i / 2].key);
		}
		unplug(&e);
		SSL_CTX_free(c);
	}
}

static void test_no_connection_without_what_it_takes(void **state)
{
	(void)state;
	ask(WITH_PSK);
	assert_null(tls_connect_coap("origin.example", "nobody", false));
	assert_null(tls_connect_coap("", "meter-1", false));
	assert_null(tls_connect("origin.example")); /* nobody is asked by https */
	ask(WITH_CA);
	assert_null(tls_connect_coap("origin.example", "meter-1", false));
	conf.asks_secured = false;
	assert_int_equal(tls_renew(&conf, files()), 0);
	assert_null(tls_connect_coap("origin.example", "", false));
}

/* What cannot be used leaves what was in force. */
static void test_a_reload_that_fails_changes_nothing(void **state)
{
	static char wrong[] = "NONE-SUCH";
	SSL_CTX *c = server_context(&origin);
	struct ends e;

	(void)state;
	ask(WITH_CA);
	conf.settings.transports_ciphers = wrong;
	assert_int_equal(tls_renew(&conf, files()), -1);
	plug(&e, SSL_new(c), tls_connect_coap("origin.example", "", false));
	assert_true(shake(&e));
	unplug(&e);
	SSL_CTX_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alpn_is_demanded_but_at_the_port_of_the_scheme), cmocka_unit_test(test_alpn_of_origins),
		cmocka_unit_test(test_suites_are_those_of_the_configuration), cmocka_unit_test(test_a_low_level_is_none_for_certificates),
		cmocka_unit_test(test_old_signatures_are_none), cmocka_unit_test(test_certificates_are_chosen_by_name),
		cmocka_unit_test(test_a_name_counts_more_than_a_kind_of_key), cmocka_unit_test(test_clients_are_known_by_any_name),
		cmocka_unit_test(test_a_name_that_is_none_is_not_taken), cmocka_unit_test(test_origins_are_verified),
		cmocka_unit_test(test_what_is_shown_to_origins), cmocka_unit_test(test_no_connection_without_what_it_takes),
		cmocka_unit_test(test_a_reload_that_fails_changes_nothing),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
