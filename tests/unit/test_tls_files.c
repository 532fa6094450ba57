/* objects: TLS_OBJS base/endpoint.o coap/uri.o coap/message.o base/bytes.o proxy/http/material.o base/log.o base/clock.o tests/unit/certificates.o */
/* What a context is made from: files that are wrong are refused with a reason that names them and says nothing of their secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/edge/tls.h"
#include "proxy/edge/tls_psk.h"
#include "tests/unit/certificates.h"

static struct made_certificate authority, gateway, other;

const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot)
{
	(void)s, (void)slot;
	return NULL;
}

static int begin_all(void **state)
{
	(void)state;
	certificate_make(&authority, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&gateway, "gw.example", "DNS:gw.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&other, "other.example", NULL, false, &authority, CERTIFICATE_GOOD_DAYS);
	return 0;
}

static int end_all(void **state)
{
	(void)state;
	certificate_free(&authority);
	certificate_free(&gateway);
	certificate_free(&other);
	return 0;
}

/* ---- PEM ---- */

static char *key_text(EVP_PKEY *key, const char *pass_phrase)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *at, *text;
	long len;

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(b, key, pass_phrase != NULL ? EVP_aes_128_cbc() : NULL, pass_phrase,
		pass_phrase != NULL ? (int)strlen(pass_phrase) : 0, NULL, NULL), 1);
	len = BIO_get_mem_data(b, &at);
	text = malloc((size_t)len + 1);
	assert_non_null(text);
	memcpy(text, at, (size_t)len);
	text[len] = '\0';
	BIO_free(b);
	return text;
}

static char *repeated(const char *text, int count)
{
	char *all = strdup("");

	for (int i = 0; i < count; i++) {
		char *longer = joined(all, text);

		free(all);
		all = longer;
	}
	return all;
}

/* Returns whether a context came of it; the reason otherwise. */
static bool is_taken(const char *certificate, const char *key, const char *client_ca, const char *psk, char *error, size_t room)
{
	static char certificate_path[] = "gw.pem", key_path[] = "gw.key", ca_path[] = "ca.pem", psk_path[] = "psk", none[] = "";
	const char *const texts[] = { certificate, key, client_ca, psk };
	char *const paths[] = { certificate_path, key_path, ca_path, psk_path };
	struct listener l = { .certificate = certificate != NULL ? certificate_path : none, .key = certificate != NULL ? key_path : none,
		.client_ca = client_ca != NULL ? ca_path : none, .psk_file = psk != NULL ? psk_path : none };
	struct material m = { .count = 0 };
	SSL_CTX *c;

	for (size_t i = 0; i < 4; i++)
		if (texts[i] != NULL)
			assert_int_equal(material_add(&m, paths[i], (const uint8_t *)texts[i], strlen(texts[i])), 0);
	error[0] = '\0';
	c = tls_server_new(NULL, &l, &m, error, room);
	SSL_CTX_free(c);
	return c != NULL;
}

static void test_files_that_are_wrong_are_named(void **state)
{
	const char *good = gateway.certificate_pem, *key = gateway.key_pem, *ca = authority.certificate_pem;
	static const char psk[] = "a:000102030405060708090a0b0c0d0e0f\n";
	static const char garbage[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	EVP_PKEY *rsa = EVP_RSA_gen(2048);
	char *encrypted = key_text(gateway.key, "secret"), *rsa_key = key_text(rsa, NULL), *cut = strndup(good, strlen(good) / 2);
	char *chain = joined(good, ca), *broken_chain = joined(good, garbage), *broken_ca = joined(ca, garbage);
	char *rest = repeated(ca, TLS_CHAIN_MAX), *longest = joined(good, rest), *too_long = joined(longest, ca);
	char *many = repeated(ca, TLS_AUTHORITIES_MAX), *too_many = joined(many, ca);
	const struct {
		const char *certificate, *key, *ca, *psk;
		const char *reason; /* its beginning, or NULL: it is taken */
	} cases[] = {
		{ good, key, ca, psk, NULL }, { chain, key, NULL, NULL, NULL }, { longest, key, NULL, NULL, NULL }, { NULL, NULL, NULL, psk, NULL },
		{ good, key, many, NULL, NULL },
		{ NULL, NULL, NULL, NULL, "there is neither a certificate nor a file of pre-shared keys" },
		{ good, NULL, NULL, NULL, "gw.key: was not read" },
		{ "", key, NULL, NULL, "gw.pem: is not one to 17 certificates" }, { "text\n", key, NULL, NULL, "gw.pem: is not one to 17 certificates" },
		{ cut, key, NULL, NULL, "gw.pem: is not one to 17 certificates" }, { key, key, NULL, NULL, "gw.pem: is not one to 17 certificates" },
		{ garbage, key, NULL, NULL, "gw.pem: is not one to 17 certificates" },
		{ broken_chain, key, NULL, NULL, "gw.pem: is not one to 17 certificates" },
		{ too_long, key, NULL, NULL, "gw.pem: is not one to 17 certificates" },
		{ good, other.key_pem, NULL, NULL, "gw.key: is not the certificate's private key, unencrypted in PEM (key values mismatch)" },
		{ good, rsa_key, NULL, NULL, "gw.key: is not the certificate's private key" },
		{ good, encrypted, NULL, NULL, "gw.key: is not the certificate's private key" },
		{ good, "", NULL, NULL, "gw.key: is not the certificate's private key" }, { good, good, NULL, NULL, "gw.key: is not the certificate's" },
		{ good, key, "", NULL, "ca.pem: is not one to 1024 certificates" }, { good, key, broken_ca, NULL, "ca.pem: is not one to 1024" },
		{ good, key, key, NULL, "ca.pem: is not one to 1024 certificates" }, { good, key, too_many, NULL, "ca.pem: is not one to 1024" },
		{ good, key, NULL, "", "psk:1: there is no key in it" }, { good, key, NULL, "\n\nx\n", "psk:3: is not identity:key" },
	};
	char error[512];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		bool taken = is_taken(cases[i].certificate, cases[i].key, cases[i].ca, cases[i].psk, error, sizeof error);

		if (taken != (cases[i].reason == NULL) || (!taken && strncmp(error, cases[i].reason, strlen(cases[i].reason)) != 0))
			fail_msg("case %zu: %s", i, error);
	}
	EVP_PKEY_free(rsa);
	free(encrypted), free(rsa_key), free(cut), free(chain), free(broken_chain), free(broken_ca), free(rest), free(longest), free(too_long);
	free(many), free(too_many);
}

/* The room for a reason is kept to. */
static void test_a_long_path_is_cut(void **state)
{
	struct { char text[16], guard; } out = { "", 'g' };

	(void)state;
	assert_false(is_taken("", "", NULL, NULL, out.text, sizeof out.text));
	assert_int_equal(strlen(out.text), 15);
	assert_int_equal(out.guard, 'g');
}

static void test_authorities_that_are_wrong_are_named(void **state)
{
	const struct {
		const char *text, *reason;
	} cases[] = { { authority.certificate_pem, NULL }, { "", "ca.pem: is not one to 1024" },
		{ gateway.key_pem, "ca.pem: is not one to 1024" } };
	char error[512];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct material m = { .count = 0 };
		SSL_CTX *c;

		assert_int_equal(material_add(&m, "ca.pem", (const uint8_t *)cases[i].text, strlen(cases[i].text)), 0);
		c = tls_client_new("ca.pem", &m, error, sizeof error);
		assert_int_equal(c != NULL, cases[i].reason == NULL);
		assert_true(c != NULL || strncmp(error, cases[i].reason, strlen(cases[i].reason)) == 0);
		SSL_CTX_free(c);
	}
	assert_null(tls_client_new("ca.pem", &(struct material){ .count = 0 }, error, sizeof error));
	assert_string_equal(error, "ca.pem: was not read");
}

/* ---- pre-shared keys ---- */

#define KEY16 "000102030405060708090a0b0c0d0e0f"
#define KEY64 KEY16 KEY16 KEY16 KEY16
#define ID64 "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii"

static void test_lines_of_keys(void **state)
{
	static const struct {
		const char *text, *reason; /* NULL: it is taken */
	} cases[] = {
		{ "a:" KEY16, NULL }, { "a:" KEY16 "\n", NULL }, { "a:" KEY16 "\r\n", NULL }, { "#\n\n\r\na:" KEY16 "\n#", NULL },
		{ "a:" KEY64 "\n", NULL }, { ID64 ID64 ":" KEY16, NULL }, { "a:b:" KEY16, NULL }, { "::" KEY16, NULL }, { "a:" KEY16 "\nA:" KEY16, NULL },
		{ "", "1: there is no key in it" }, { "\n#\n", "1: there is no key in it" },
		{ "a", "1: is not identity:key" }, { " ", "1: is not identity:key" }, { KEY16, "1: is not identity:key" },
		{ ":" KEY16, "1: the identity" }, { "a b:" KEY16, "1: the identity" }, { " a:" KEY16, "1: the identity" },
		{ "\ta:" KEY16, "1: the identity" },
		{ "\xc3\xa4:" KEY16, "1: the identity" }, { "\x7f:" KEY16, "1: the identity" }, { ID64 ID64 "i:" KEY16, "1: the identity" },
		{ "a:", "1: the key" }, { "a:" KEY16 "0", "1: the key" }, { "a:0001", "1: the key" }, { "a:" KEY64 "00", "1: the key" },
		{ "a: " KEY16, "1: the key" }, { "a:" KEY16 " ", "1: the key" }, { "a:g" KEY16 "0", "1: the key" }, { "a:" KEY16 "0G", "1: the key" },
		{ "a:0x000102030405060708090a0b0c0d0e0f", "1: the key" }, { "a:" KEY16 "\r\r\n", "1: the key" },
		{ "a:" KEY16 "\nb:" KEY16 "\nx\n", "3: is not identity:key" },
		{ "a:" KEY16 "\nb:" KEY16 "\n#\na:" KEY64 "\n", "4: the identity was there before" },
	};
	char error[TLS_REASON_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct tls_psks *p = tls_psks_parse((const uint8_t *)cases[i].text, strlen(cases[i].text), error, sizeof error);

		if ((p != NULL) != (cases[i].reason == NULL) || (p == NULL && strncmp(error, cases[i].reason, strlen(cases[i].reason)) != 0))
			fail_msg("case %zu: %s", i, error);
		assert_true(p != NULL || strstr(error, "0102") == NULL);
		tls_psks_free(p);
	}
	assert_null(tls_psks_parse((const uint8_t *)"a\0b:" KEY16, 4 + 32, error, sizeof error));
	assert_string_equal(error, "1: the identity is not 1 to 128 printable characters without spaces");
	tls_psks_free(NULL);
}

/* Whatever is cut off or changed of a good file: it is read in its bounds, and taken or refused. */
static void test_damaged_lines_of_keys(void **state)
{
	static const char good[] = "# keys\nmeter-1:" KEY16 "\nmeter-2:" KEY64 "\r\n\nx:" KEY16;
	char error[TLS_REASON_MAX];
	unsigned refused = 0;

	(void)state;
	for (size_t i = 0; i < sizeof good - 1; i++) {
		for (unsigned change = 0; change < 256; change++) {
			uint8_t *copy = malloc(sizeof good - 1); /* without a NUL: what reads beyond is found out */
			struct tls_psks *p;

			memcpy(copy, good, sizeof good - 1);
			copy[i] = (uint8_t)change;
			p = tls_psks_parse(copy, change == 0 ? i : sizeof good - 1, error, sizeof error);
			refused += p == NULL;
			tls_psks_free(p);
			free(copy);
		}
	}
	assert_true(refused > 10000);
}

static void test_as_many_keys_as_there_may_be(void **state)
{
	size_t room = (TLS_PSK_LINES_MAX + 1) * (size_t)48, len = 0;
	char *text = malloc(room), error[TLS_REASON_MAX];
	struct tls_psks *p;

	(void)state;
	for (unsigned i = 0; i < TLS_PSK_LINES_MAX; i++)
		len += (size_t)snprintf(text + len, room - len, "%u:%s\n", i * 7919 % TLS_PSK_LINES_MAX, KEY16);
	p = tls_psks_parse((const uint8_t *)text, len, error, sizeof error);
	assert_non_null(p);
	tls_psks_free(p);
	len += (size_t)snprintf(text + len, room - len, "more:%s\n", KEY16);
	assert_null(tls_psks_parse((const uint8_t *)text, len, error, sizeof error));
	assert_string_equal(error, "100001: there are more than 100000 keys");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files_that_are_wrong_are_named),
		cmocka_unit_test(test_a_long_path_is_cut),
		cmocka_unit_test(test_authorities_that_are_wrong_are_named),
		cmocka_unit_test(test_lines_of_keys),
		cmocka_unit_test(test_damaged_lines_of_keys),
		cmocka_unit_test(test_as_many_keys_as_there_may_be),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
