#include "proxy/edge/dtls_context.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/edge/dtls_bio.h"
#include "proxy/edge/dtls_keys.h"

enum {
	CERTIFICATES_MAX = 16384, /* bytes of a peer's certificates; less than a message of anything else may have anyway */
	SECONDS = 3600,           /* in an hour */
};

/* Where the digest of its files hangs on a context. */
static int digest_index = -1;

static void on_context_freed(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	(void)parent, (void)data, (void)index, (void)argl, (void)argp;
	free(ptr);
}

/* ---- cookies ---- */

static int on_make_cookie(SSL *ssl, unsigned char *cookie, unsigned int *len)
{
	(void)ssl;
	dtls_cookie_make(dtls_bio_path(), cookie);
	*len = DTLS_COOKIE;
	return 1;
}

static int on_check_cookie(SSL *ssl, const unsigned char *cookie, unsigned int len)
{
	(void)ssl;
	return dtls_cookie_check(dtls_bio_path(), cookie, len);
}

/* ---- tickets ---- */

static int set_mac(EVP_MAC_CTX *mac, struct dtls_ticket_key *k)
{
	static char hash[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof k->mac),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0), OSSL_PARAM_construct_end() };

	return EVP_MAC_CTX_set_params(mac, params);
}

static int begin_ticket(const uint8_t *digest, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	struct dtls_ticket_key k;
	int status = -1;

	if (dtls_ticket_key_make(digest, 0, &k) == 0 && RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 &&
		EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv) == 1 && set_mac(mac, &k) == 1) {
		memcpy(name, k.name, DTLS_TICKET_NAME);
		status = 1;
	}
	OPENSSL_cleanse(&k, sizeof k);
	return status;
}

/* Returns 2 where the client is to have a newer one, 0 where a whole handshake is needed. */
static int open_ticket(const uint8_t *digest, const unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	struct dtls_ticket_key k;
	int status = 0;

	for (unsigned age = 0; age < DTLS_TICKET_AGE && status == 0; age++) {
		if (dtls_ticket_key_make(digest, age, &k) < 0 || CRYPTO_memcmp(name, k.name, DTLS_TICKET_NAME) != 0)
			continue;
		status = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv) == 1 && set_mac(mac, &k) == 1 ? (age == 0 ? 1 : 2) : -1;
	}
	OPENSSL_cleanse(&k, sizeof k);
	return status;
}

static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int making)
{
	const uint8_t *digest = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), digest_index);

	if (digest == NULL)
		return 0;
	return making ? begin_ticket(digest, name, iv, cipher, mac) : open_ticket(digest, name, iv, cipher, mac);
}

/* A certificate may have expired since; of an authority or key that was withdrawn nothing is left, see dtls_ticket_key_make(). */
static SSL_TICKET_RETURN on_ticket(SSL *ssl, SSL_SESSION *s, const unsigned char *name, size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
	const X509 *x = s != NULL ? SSL_SESSION_get0_peer(s) : NULL;

	(void)ssl, (void)name, (void)name_len, (void)arg;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (x != NULL && X509_cmp_current_time(X509_get0_notAfter(x)) <= 0)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* Of all files of a listener, with their paths. */
static int digest_files(const struct snapshot *conf, const struct listener *l, const struct material *m, uint8_t out[DTLS_DIGEST])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool good = c != NULL && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; i < conf->file_count && good; i++) {
		const struct conf_file *file = &conf->files[i];
		const struct material_file *f = file->listener == l ? material_find(m, file->path) : NULL;

		if (f != NULL)
			good = EVP_DigestUpdate(c, f->path, strlen(f->path) + 1) == 1 && EVP_DigestUpdate(c, &f->len, sizeof f->len) == 1 &&
				EVP_DigestUpdate(c, f->bytes, f->len) == 1;
	}
	good = good && EVP_DigestUpdate(c, &l->slot, sizeof l->slot) == 1 && EVP_DigestFinal_ex(c, out, NULL) == 1;
	EVP_MD_CTX_free(c);
	return good ? 0 : -1;
}

/* Who was here before may take up where he was, in any worker (RFC 7925 4.4 wants it for small devices). */
static int tickets_use(SSL_CTX *c, const struct snapshot *conf, const struct listener *l, const struct material *m)
{
	uint8_t *digest = malloc(DTLS_DIGEST);

	if (digest_index < 0)
		digest_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_freed);
	if (digest == NULL || digest_index < 0 || digest_files(conf, l, m, digest) < 0 || SSL_CTX_set_ex_data(c, digest_index, digest) != 1) {
		free(digest);
		return -1;
	}
	SSL_CTX_clear_options(c, SSL_OP_NO_TICKET);
	SSL_CTX_set_timeout(c, DTLS_TICKET_AGE * DTLS_TICKET_HOURS * SECONDS);
	if (SSL_CTX_set_tlsext_ticket_key_evp_cb(c, on_ticket_key) != 1 || SSL_CTX_set_session_ticket_cb(c, NULL, on_ticket, NULL) != 1)
		return -1;
	return SSL_CTX_set_session_id_context(c, digest, DTLS_DIGEST) == 1 ? 0 : -1;
}

/* ---- contexts ---- */

static SSL_CTX *context_new(const SSL_METHOD *method, const struct snapshot *conf, const struct tls_source *from)
{
	SSL_CTX *c = SSL_CTX_new(method);

	snprintf(from->error, from->room, "not enough memory");
	if (c == NULL)
		return NULL;
	tls_common_use(c);
	SSL_CTX_set_options(c, SSL_OP_NO_QUERY_MTU);
	SSL_CTX_set_max_cert_list(c, CERTIFICATES_MAX);
	if (SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) == 1 && SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) == 1 &&
		tls_coap_use(c, &conf->settings, from) == 0)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

SSL_CTX *dtls_server_new(const struct snapshot *conf, const struct listener *l, const struct tls_source *from)
{
	SSL_CTX *c = context_new(DTLS_server_method(), conf, from);

	if (c == NULL)
		return NULL;
	SSL_CTX_set_cookie_generate_cb(c, on_make_cookie);
	SSL_CTX_set_cookie_verify_cb(c, on_check_cookie);
	if (tls_listener_use(c, l, from) == 0) {
		snprintf(from->error, from->room, "not enough memory");
		if (tickets_use(c, conf, l, from->material) == 0)
			return c;
	}
	SSL_CTX_free(c);
	return NULL;
}

SSL_CTX *dtls_client_new(const struct snapshot *conf, const struct tls_source *from)
{
	SSL_CTX *c = context_new(DTLS_client_method(), conf, from);

	if (c == NULL || tls_upstream_use(c, &conf->settings, from) == 0)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

SSL *dtls_ssl_new(SSL_CTX *c, uint32_t mtu)
{
	SSL *ssl = SSL_new(c);

	if (ssl == NULL)
		return NULL;
	if (dtls_bio_use(ssl) == 0 && DTLS_set_link_mtu(ssl, (long)mtu) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}
