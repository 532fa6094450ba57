#include "proxy/edge/dtls_context.h"

#include <openssl/err.h>
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
	memset(out, 0, DTLS_DIGEST);
	for (size_t i = 0; i < conf->file_count; i++) {
		const struct conf_file *file = &conf->files[i];
		const struct material_file *f = file->listener == l ? material_find(m, file->path) : NULL;

		if (f != NULL && (dtls_digest_add(out, f->path, strlen(f->path)) < 0 || dtls_digest_add(out, f->bytes, f->len) < 0))
			return -1;
	}
	return dtls_digest_add(out, &l->slot, sizeof l->slot);
}

/* Who was here before may take up where he was, in any worker (RFC 7925 4.4 wants it for small devices). */
static int tickets_use(SSL_CTX *c, const struct snapshot *conf, const struct listener *l, const struct material *m)
{
	uint8_t *digest = malloc(DTLS_DIGEST);

	if (digest == NULL || digest_files(conf, l, m, digest) < 0) {
		free(digest);
		return -1;
	}
	if (tls_hang(c, &digest_index, digest) < 0)
		return -1;
	SSL_CTX_clear_options(c, SSL_OP_NO_TICKET);
	SSL_CTX_set_timeout(c, DTLS_TICKET_HOURS * SECONDS);
	if (SSL_CTX_set_session_ticket_cb(c, NULL, on_ticket, NULL) != 1 || SSL_CTX_set_session_id_context(c, digest, DTLS_DIGEST) != 1)
		return -1;
	return dtls_tickets_renew(c);
}

int dtls_tickets_renew(SSL_CTX *c)
{
	struct dtls_ticket_key k;
	int status = -1;

	if (dtls_ticket_key_make(SSL_CTX_get_ex_data(c, digest_index), dtls_ticket_time(), &k) == 0 &&
		SSL_CTX_set_tlsext_ticket_keys(c, &k, sizeof k) == 1)
		status = 0;
	OPENSSL_cleanse(&k, sizeof k);
	return status;
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

	if (c == NULL || !conf->asks_secured || tls_upstream_use(c, &conf->settings, from) == 0)
		return c;
	SSL_CTX_free(c);
	return NULL;
}

SSL *dtls_ssl_new(SSL_CTX *c, uint32_t mtu)
{
	SSL *ssl;

	dtls_bio_turn(NULL, NULL, 0); /* whose turn was last may be gone */
	ssl = SSL_new(c);
	if (ssl == NULL)
		return NULL;
	if (dtls_bio_use(ssl) == 0 && DTLS_set_link_mtu(ssl, (long)mtu) == 1)
		return ssl;
	SSL_free(ssl);
	return NULL;
}
