#include "proxy/edge/tls_pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

static const char raw_key_begins[] = "-----BEGIN PUBLIC KEY-----";

/* ---- files ---- */

const struct material_file *tls_file_find(const struct tls_source *from, const char *path)
{
	const struct material_file *f = material_find(from->material, path);

	if (f == NULL)
		snprintf(from->error, from->room, "%s: was not read", path);
	return f;
}

int tls_file_complain(const struct tls_source *from, const char *path, const char *what)
{
	char reason[TLS_REASON_MAX];

	tls_take_error(reason);
	snprintf(from->error, from->room, "%s: %s%s%s%s", path, what, reason[0] != '\0' ? " (" : "", reason, reason[0] != '\0' ? ")" : "");
	return -1;
}

static int on_pass_phrase(char *out, int room, int writing, void *arg)
{
	(void)out, (void)room, (void)writing, (void)arg;
	return -1;
}

static BIO *bio_of(const struct material_file *f)
{
	return BIO_new_mem_buf(f->bytes, (int)f->len);
}

/* ---- certificates ---- */

/* The next certificate, with *ended set where there is none; NULL and not *ended: it cannot be read. */
static X509 *next_certificate(BIO *from, bool *ended)
{
	X509 *x = PEM_read_bio_X509(from, NULL, on_pass_phrase, NULL);
	unsigned long code = ERR_peek_last_error();

	*ended = x == NULL && ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
	if (*ended)
		ERR_clear_error();
	return x;
}

STACK_OF(X509) *tls_certificates_read(const struct material_file *f, int max)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	BIO *from = bio_of(f);
	bool ended = false;
	X509 *x;

	ERR_clear_error();
	while (from != NULL && all != NULL && sk_X509_num(all) <= max && (x = next_certificate(from, &ended)) != NULL) {
		if (sk_X509_push(all, x) > 0)
			continue;
		X509_free(x);
		break;
	}
	BIO_free(from);
	if (ended && sk_X509_num(all) > 0 && sk_X509_num(all) <= max)
		return all;
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

/* ---- pairs ---- */

static EVP_PKEY *key_read(const struct material_file *f)
{
	BIO *from = bio_of(f);
	EVP_PKEY *key = from != NULL ? PEM_read_bio_PrivateKey(from, NULL, on_pass_phrase, NULL) : NULL;

	BIO_free(from);
	return key;
}

static bool is_raw_key(const struct material_file *f)
{
	return f != NULL && f->len >= sizeof raw_key_begins - 1 && memcmp(f->bytes, raw_key_begins, sizeof raw_key_begins - 1) == 0;
}

static bool is_public_half(const struct material_file *f, const EVP_PKEY *key)
{
	BIO *from = bio_of(f);
	EVP_PKEY *public_key = from != NULL ? PEM_read_bio_PUBKEY(from, NULL, on_pass_phrase, NULL) : NULL;
	bool same = public_key != NULL && EVP_PKEY_eq(public_key, key) == 1;

	EVP_PKEY_free(public_key);
	BIO_free(from);
	return same;
}

/* The first certificate is one's own, the others lead to its authority. */
static int chain_read(struct tls_pair *p, const struct material_file *f)
{
	p->chain = tls_certificates_read(f, TLS_CHAIN_MAX + 1);
	p->certificate = sk_X509_shift(p->chain);
	return p->certificate != NULL ? 0 : -1;
}

int tls_pair_read(struct tls_pair *p, const char *certificate, const char *key, const struct tls_source *from)
{
	const struct material_file *first = tls_file_find(from, certificate), *second = tls_file_find(from, key);
	bool raw;

	*p = (struct tls_pair){ NULL, NULL, NULL };
	if (first == NULL || second == NULL)
		return -1;
	raw = is_raw_key(first);
	ERR_clear_error();
	if (!raw && chain_read(p, first) < 0)
		return tls_file_complain(from, certificate, "is not one to 17 certificates in PEM that can be used");
	p->key = key_read(second);
	if (p->key != NULL && (raw ? is_public_half(first, p->key) : X509_check_private_key(p->certificate, p->key) == 1))
		return 0;
	tls_file_complain(from, key, raw ? "is not the public key's private key, unencrypted in PEM" :
		"is not the certificate's private key, unencrypted in PEM");
	tls_pair_free(p);
	return -1;
}

void tls_pair_free(struct tls_pair *p)
{
	X509_free(p->certificate);
	sk_X509_pop_free(p->chain, X509_free);
	EVP_PKEY_free(p->key);
	*p = (struct tls_pair){ NULL, NULL, NULL };
}

bool tls_is_raw_key(const struct tls_source *from, const char *path)
{
	return is_raw_key(material_find(from->material, path));
}

int tls_raw_key_use(SSL_CTX *c, const struct tls_pair *p, const char *path, const struct tls_source *from)
{
#ifdef TLSEXT_cert_type_rpk
	static const unsigned char kinds[] = { TLSEXT_cert_type_rpk };

	if (SSL_CTX_use_PrivateKey(c, p->key) == 1 && SSL_CTX_set1_server_cert_type(c, kinds, sizeof kinds) == 1)
		return 0;
	return tls_file_complain(from, path, "holds a raw public key that cannot be used");
#else
	(void)c, (void)p;
	snprintf(from->error, from->room, "%s: holds a raw public key, for which OpenSSL 3.2 is needed; this is %s", path,
		OpenSSL_version(OPENSSL_VERSION_STRING));
	return -1;
#endif
}
