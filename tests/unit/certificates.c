#include "tests/unit/certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { DAY = 24 * 3600 };

static char *text_of(BIO *b)
{
	char *at, *text;
	long len = BIO_get_mem_data(b, &at);

	text = malloc((size_t)len + 1);
	assert_non_null(text);
	memcpy(text, at, (size_t)len);
	text[len] = '\0';
	BIO_free(b);
	return text;
}

static void extend(X509 *x, X509 *issuer, int number, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *e;

	X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &context, number, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

void certificate_make(struct made_certificate *out, const char *common_name, const char *alternatives, bool authority,
	const struct made_certificate *issuer, int days)
{
	static long serial = 1;
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	BIO *b = BIO_new(BIO_s_mem());

	out->key = EVP_EC_gen("P-256");
	assert_non_null(out->key);
	out->certificate = x;
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), -2 * DAY);
	X509_gmtime_adj(X509_getm_notAfter(x), days * DAY);
	X509_set_pubkey(x, out->key);
	X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)"Tests", -1, -1, 0);
	if (common_name != NULL)
		assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0), 1);
	X509_set_issuer_name(x, issuer != NULL ? X509_get_subject_name(issuer->certificate) : name);
	extend(x, issuer != NULL ? issuer->certificate : x, NID_basic_constraints, authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (alternatives != NULL)
		extend(x, x, NID_subject_alt_name, alternatives);
	assert_true(X509_sign(x, issuer != NULL ? issuer->key : out->key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(b, x), 1);
	out->certificate_pem = text_of(b);
	b = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(b, out->key, NULL, NULL, 0, NULL, NULL), 1);
	out->key_pem = text_of(b);
}

void certificate_free(struct made_certificate *c)
{
	X509_free(c->certificate);
	EVP_PKEY_free(c->key);
	free(c->certificate_pem);
	free(c->key_pem);
	*c = (struct made_certificate){ .key = NULL };
}

char *joined(const char *one, const char *two)
{
	size_t len = strlen(one), room = len + strlen(two) + 1;
	char *text = malloc(room);

	assert_non_null(text);
	memcpy(text, one, len);
	memcpy(text + len, two, room - len);
	return text;
}
