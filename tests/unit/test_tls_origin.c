/* objects: TLS_OBJS base/endpoint.o coap/uri.o coap/message.o base/bytes.o proxy/http/material.o base/log.o base/clock.o tests/unit/certificates.o */
/* Handshakes in memory: the context towards origins, and a server of the test's own; how connections end; errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "tests/unit/certificates.h"
#include "tests/unit/tls_ends.h"

static struct made_certificate authority, foreign, gateway;
static struct snapshot conf;
static char none[] = "";

const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot)
{
	(void)s, (void)slot;
	return NULL;
}

static int begin_all(void **state)
{
	(void)state;
	certificate_make(&authority, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&foreign, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&gateway, "gw.example", "DNS:gw.example, IP:192.0.2.1, IP:2001:db8::1", false, &authority, CERTIFICATE_GOOD_DAYS);
	log_open(-1, LOG_LEVEL_ERROR);
	return 0;
}

static int end_all(void **state)
{
	(void)state;
	certificate_free(&authority);
	certificate_free(&foreign);
	certificate_free(&gateway);
	tls_close();
	return 0;
}

/* ---- origins ---- */

static SSL_CTX *origin_context(const struct made_certificate *own)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());

	assert_non_null(c);
	assert_int_equal(SSL_CTX_use_certificate(c, own->certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(c, own->key), 1);
	return c;
}

static void add_text(struct material *m, const char *path, const char *text)
{
	assert_int_equal(material_add(m, path, (const uint8_t *)text, strlen(text)), 0);
}

static void trust(const char *authorities)
{
	static struct material m;
	static char path[] = "ca.pem";

	m.count = 0;
	add_text(&m, path, authorities);
	conf = (struct snapshot){ .settings = { .http_ca = path } };
	assert_int_equal(tls_renew(&conf, &m), 0);
}

static void test_an_origin_must_be_who_it_is_said_to_be(void **state)
{
	struct made_certificate wild, by_cn, expired;
	const struct {
		const char *host;
		const struct made_certificate *shown, *trusted;
		const char *reason; /* NULL: it is */
	} cases[] = {
		{ "gw.example", &gateway, &authority, NULL }, { "GW.example.", &gateway, &authority, NULL },
		{ "192.0.2.1", &gateway, &authority, NULL }, { "2001:db8::1", &gateway, &authority, NULL },
		{ "a.wild.example", &wild, &authority, NULL },
		{ "other.example", &gateway, &authority, "certificate verify failed" },
		{ "192.0.2.2", &gateway, &authority, "certificate verify failed" },
		{ "2001:db8::2", &gateway, &authority, "certificate verify failed" },
		{ "a.b.wild.example", &wild, &authority, "certificate verify failed" },
		{ "wild.example", &wild, &authority, "certificate verify failed" },
		{ "cn.example", &by_cn, &authority, "certificate verify failed" },
		{ "gw.example", &gateway, &foreign, "certificate verify failed" },
		{ "old.example", &expired, &authority, "certificate verify failed" },
	};

	(void)state;
	certificate_make(&wild, NULL, "DNS:*.wild.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&by_cn, "cn.example", NULL, false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&expired, NULL, "DNS:old.example", false, &authority, CERTIFICATE_EXPIRED);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		SSL_CTX *c = origin_context(cases[i].shown);
		struct ends e;

		trust(cases[i].trusted->certificate_pem);
		plug(&e, SSL_new(c), tls_connect(cases[i].host));
		assert_int_equal(shake(&e), cases[i].reason == NULL);
		assert_true(cases[i].reason == NULL || reason_is(e.client_error, cases[i].reason));
		unplug(&e);
		SSL_CTX_free(c);
	}
	certificate_free(&wild);
	certificate_free(&by_cn);
	certificate_free(&expired);
}

static char told_name[64];

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
	const char *told = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert, (void)arg;
	snprintf(told_name, sizeof told_name, "%s", told != NULL ? told : "");
	return SSL_TLSEXT_ERR_OK;
}

static void test_an_origin_is_told_its_name(void **state)
{
	static const char *const cases[][2] = { { "gw.example", "gw.example" }, { "gw.example.", "gw.example" }, { "192.0.2.1", "" },
		{ "2001:db8::1", "" } };
	char longest[TLS_NAME_MAX + 1];

	(void)state;
	trust(authority.certificate_pem);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		SSL_CTX *c = origin_context(&gateway);
		struct ends e;

		SSL_CTX_set_tlsext_servername_callback(c, on_server_name);
		plug(&e, SSL_new(c), tls_connect(cases[i][0]));
		assert_true(shake(&e));
		assert_string_equal(told_name, cases[i][1]);
		unplug(&e);
		SSL_CTX_free(c);
	}
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_null(tls_connect(longest));
	assert_null(tls_connect(""));
	conf.settings.http_ca = none;
	assert_int_equal(tls_renew(&conf, &(struct material){ .count = 0 }), 0);
	assert_null(tls_connect("gw.example")); /* nobody vouches */
}

static void test_an_old_origin_is_refused(void **state)
{
	SSL_CTX *c = origin_context(&gateway);
	struct ends e;

	(void)state;
	trust(authority.certificate_pem);
	SSL_CTX_set_security_level(c, 0);
	SSL_CTX_set_min_proto_version(c, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(c, TLS1_1_VERSION);
	plug(&e, SSL_new(c), tls_connect("gw.example"));
	assert_false(shake(&e));
	unplug(&e);
	SSL_CTX_free(c);
}

/* ---- ends ---- */

/* A listener's. */
static SSL_CTX *own_context(void)
{
	static char path[] = "gw.pem";
	struct listener l = { .certificate = path, .key = path };
	char *both = joined(gateway.certificate_pem, gateway.key_pem), error[128];
	struct material m = { .count = 0 };
	SSL_CTX *c;

	add_text(&m, path, both);
	c = tls_server_new(NULL, &l, &m, error, sizeof error);
	assert_non_null(c);
	free(both);
	return c;
}

static void test_an_end_that_was_not_said_is_told_apart(void **state)
{
	SSL_CTX *c = client_context(TLS1_3_VERSION), *s = own_context();
	char byte;
	struct ends e;

	(void)state;
	plug(&e, SSL_new(s), SSL_new(c));
	assert_true(shake(&e));
	assert_false(tls_is_closed(e.server));
	SSL_shutdown(e.client);
	assert_int_equal(SSL_read(e.server, &byte, 1), 0);
	assert_true(tls_is_closed(e.server));
	unplug(&e);
	plug(&e, SSL_new(s), SSL_new(c));
	assert_true(shake(&e));
	BIO_shutdown_wr(SSL_get_wbio(e.client));
	ERR_clear_error();
	assert_true(SSL_read(e.server, &byte, 1) <= 0);
	assert_false(tls_is_closed(e.server));
	assert_true(tls_is_cut(ERR_peek_error()));
	ERR_clear_error();
	assert_false(tls_is_cut(0));
	assert_false(tls_is_cut(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_NO_SHARED_CIPHER)));
	unplug(&e);
	SSL_CTX_free(s);
	SSL_CTX_free(c);
}

static void test_errors_are_told_in_bounds(void **state)
{
	char text[TLS_REASON_MAX];

	(void)state;
	assert_string_equal(tls_describe(0, text), "");
	assert_string_equal(tls_describe(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_NO_SHARED_CIPHER), text), "no shared cipher");
	assert_string_equal(tls_describe(ERR_PACK(ERR_LIB_USER, 0, 77), text), "error 4000004d");
	ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
	ERR_raise_data(ERR_LIB_SSL, SSL_R_NO_SHARED_CIPHER, "what the peer sent %s", "\n");
	assert_string_equal(tls_take_error(text), "no shared cipher");
	assert_string_equal(tls_take_error(text), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_origin_must_be_who_it_is_said_to_be),
		cmocka_unit_test(test_an_origin_is_told_its_name),
		cmocka_unit_test(test_an_old_origin_is_refused),
		cmocka_unit_test(test_an_end_that_was_not_said_is_told_apart),
		cmocka_unit_test(test_errors_are_told_in_bounds),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
