#include "proxy/edge/tls_clients.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/edge/tls_parts.h"
#include "proxy/edge/tls_psk.h"

enum { DIGEST = 32 };

/* Where the digest of the authorities hangs on a context. */
static int digest_index = -1;

int tls_clients_note_authorities(SSL_CTX *c, const void *bytes, size_t len)
{
	uint8_t *digest = malloc(DIGEST);
	unsigned written = 0;

	if (digest != NULL && EVP_Digest(bytes, len, digest, &written, EVP_sha256(), NULL) == 1 && written == DIGEST)
		return tls_hang(c, &digest_index, digest);
	free(digest);
	return -1;
}

static bool have_same_authorities(const SSL_CTX *a, const SSL_CTX *b)
{
	const uint8_t *of_a = digest_index >= 0 ? SSL_CTX_get_ex_data(a, digest_index) : NULL;
	const uint8_t *of_b = digest_index >= 0 ? SSL_CTX_get_ex_data(b, digest_index) : NULL;

	return of_a != NULL && of_b != NULL && memcmp(of_a, of_b, DIGEST) == 0;
}

static bool have_same_key(const SSL_CTX *a, const SSL_CTX *b, const char *identity)
{
	size_t len_a = 0, len_b = 0;
	const uint8_t *of_a = tls_psk_find(a, identity, &len_a), *of_b = tls_psk_find(b, identity, &len_b);

	return of_a != NULL && of_b != NULL && len_a == len_b && memcmp(of_a, of_b, len_a) == 0;
}

bool tls_clients_still_let_in(const SSL *ssl, const SSL_CTX *now)
{
	const SSL_CTX *then = SSL_get_SSL_CTX(ssl);
	const char *identity = tls_psk_identity(ssl);

	if (identity != NULL)
		return have_same_key(then, now, identity);
	if (SSL_get0_peer_certificate(ssl) != NULL)
		return have_same_authorities(then, now);
	return (SSL_CTX_get_verify_mode(now) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) == 0;
}
