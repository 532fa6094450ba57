/*
 * certificates - made by a test for a test: EC keys, certificates with the names and the issuer that are asked for, as PEM.
 */
#ifndef TESTS_UNIT_CERTIFICATES_H
#define TESTS_UNIT_CERTIFICATES_H

#include <openssl/types.h>
#include <stdbool.h>

struct made_certificate {
	X509 *certificate;
	EVP_PKEY *key;
	char *certificate_pem, *key_pem;
};

enum { CERTIFICATE_GOOD_DAYS = 1, CERTIFICATE_EXPIRED = -1 };

/* common_name may be NULL, likewise alternatives ("DNS:gw.example, URI:...", as OpenSSL's configuration has it); issuer NULL: by itself. An
 * issuer has to have been made with `authority`. Fails the test on any error. */
void certificate_make(struct made_certificate *out, const char *common_name, const char *alternatives, bool authority,
	const struct made_certificate *issuer, int days);
void certificate_free(struct made_certificate *c);

/* Two texts one behind the other, from malloc. */
char *joined(const char *one, const char *two);

#endif
