/*
 * tls_pem - certificates and keys from the bytes of their files, in PEM. A key that is encrypted is refused: nobody is there who could be asked.
 */
#ifndef PROXY_EDGE_TLS_PEM_H
#define PROXY_EDGE_TLS_PEM_H

#include <openssl/types.h>
#include <openssl/x509.h>

#include "proxy/edge/tls_parts.h"

/* What one proves who one is with. Without a certificate it is a raw public key (RFC 7250). */
struct tls_pair {
	X509 *certificate;
	STACK_OF(X509) *chain; /* those that lead to its authority; may be empty or NULL */
	EVP_PKEY *key;
};

/* One to `max` certificates, the caller's to free with sk_X509_pop_free(). NULL if there is another number of them, or one cannot be read:
 * OpenSSL has noted why. */
STACK_OF(X509) *tls_certificates_read(const struct material_file *f, int max) __attribute__((warn_unused_result));

/* Reads both files, and whether they belong together. Returns 0, or -1 with the reason; then there is nothing to free. */
int tls_pair_read(struct tls_pair *out, const char *certificate, const char *key, const struct tls_source *from)
	__attribute__((warn_unused_result));
void tls_pair_free(struct tls_pair *p);

/* Whether a file holds a raw public key in the place of a certificate. */
bool tls_is_raw_key(const struct tls_source *from, const char *path);
/* A server's context shows the raw public key of a pair without certificate, if OpenSSL has that. Returns 0, or -1 with the reason, which
 * begins with `path`. */
int tls_raw_key_use(SSL_CTX *c, const struct tls_pair *p, const char *path, const struct tls_source *from) __attribute__((warn_unused_result));

#endif
