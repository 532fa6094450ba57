#include "proxy/edge/tls_names.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/edge/tls_pem.h"

/* What hangs on a context. */
struct names {
	size_t count;
	struct tls_pair all[];
};

static int names_index = -1;

static void names_free(struct names *n)
{
	for (size_t i = 0; n != NULL && i < n->count; i++)
		tls_pair_free(&n->all[i]);
	free(n);
}

static void on_context_freed(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	(void)parent, (void)data, (void)index, (void)argl, (void)argp;
	names_free(ptr);
}

/* ---- which ---- */

static bool is_for(X509 *certificate, const char *name)
{
	return certificate != NULL &&
		X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

static const struct tls_pair *find(const struct names *n, const char *name)
{
	for (size_t i = 0; n != NULL && i < n->count; i++)
		if (is_for(n->all[i].certificate, name))
			return &n->all[i];
	return NULL;
}

/* A name that none of them is for is no error (RFC 6066 3): with a pre-shared key none is looked at, and else the client sees what he gets. */
static int on_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct tls_pair *pair;

	(void)arg;
	if (name == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	if (is_for(SSL_get_certificate(ssl), name))
		return SSL_TLSEXT_ERR_OK;
	pair = find(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), names_index), name);
	if (pair == NULL)
		return SSL_TLSEXT_ERR_OK;
	SSL_certs_clear(ssl); /* there is a place for each kind of key, and the first one's would stay */
	if (SSL_use_cert_and_key(ssl, pair->certificate, pair->key, pair->chain, 1) == 1)
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- what there is ---- */

/* "/path/of/certificate /path/of/key", which the configuration has checked. */
static int pair_add(struct names *n, const char *text, const struct tls_source *from)
{
	size_t len = strcspn(text, " ");
	char *certificate = strndup(text, len);
	int status = -1;

	if (certificate == NULL)
		snprintf(from->error, from->room, "not enough memory");
	else
		status = tls_pair_read(&n->all[n->count], certificate, text + len + (text[len] != '\0'), from);
	if (status == 0 && n->all[n->count].certificate == NULL) {
		tls_pair_free(&n->all[n->count]);
		status = tls_file_complain(from, certificate, "holds a raw public key, which is for no name");
	}
	n->count += status == 0;
	free(certificate);
	return status;
}

int tls_names_use(SSL_CTX *c, const struct listener *l, const struct tls_source *from)
{
	struct names *n = calloc(1, sizeof *n + l->certificate_count * sizeof n->all[0]);

	if (names_index < 0)
		names_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_freed);
	if (n == NULL || names_index < 0 || SSL_CTX_set_ex_data(c, names_index, n) != 1) {
		names_free(n);
		snprintf(from->error, from->room, "not enough memory");
		return -1;
	}
	SSL_CTX_set_tlsext_servername_callback(c, on_name);
	for (size_t i = 0; i < l->certificate_count; i++)
		if (pair_add(n, l->certificates[i], from) < 0)
			return -1;
	return 0;
}
