#include "oscore/group_verify.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "oscore/group_aad.h"

enum {
	HALF = OSCORE_SIGNATURE_LENGTH / 2,         /* r, or s, of an ECDSA signature */
	DER_MAX = 2 + 2 * (3 + HALF),               /* SEQUENCE of two INTEGERs, each with a zero byte before it at most */
	DER_INTEGER = 0x02, DER_SEQUENCE = 0x30,
	SIGNED_MAX = OSCORE_SIGNED_EXTRA + OSCORE_GROUP_PAYLOAD_MAX,
};

struct group_verifier {
	EVP_KDF_CTX *hkdf;
	EVP_MD_CTX *digest;
	uint8_t bytes[SIGNED_MAX];                  /* that is signed */
};

struct group_verifier *group_verifier_new(void)
{
	struct group_verifier *v = calloc(1, sizeof *v);
	EVP_KDF *kdf = NULL;

	if (v == NULL)
		return NULL;
	kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	v->hkdf = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	v->digest = EVP_MD_CTX_new();
	EVP_KDF_free(kdf);
	if (v->hkdf == NULL || v->digest == NULL) {
		group_verifier_free(v);
		v = NULL;
	}
	return v;
}

void group_verifier_free(struct group_verifier *v)
{
	if (v == NULL)
		return;
	EVP_KDF_CTX_free(v->hkdf);
	EVP_MD_CTX_free(v->digest);
	free(v);
}

int group_keystream(struct group_verifier *v, const struct oscore_group *g, const uint8_t *piv, size_t piv_len, const uint8_t *info, size_t info_len,
	uint8_t keystream[OSCORE_SIGNATURE_LENGTH])
{
	/* OpenSSL's parameters are not const although it only reads these. */
	char *digest = g->hkdf == OSCORE_HKDF_SHA512 ? (char[]){ "SHA512" } : (char[]){ "SHA256" };
	struct oscore_key key = g->signature_encryption_key;
	uint8_t salt[OSCORE_PIV_MAX], label[OSCORE_KEYSTREAM_INFO_MAX];
	OSSL_PARAM params[5];
	int done;

	memcpy(salt, piv, piv_len);
	memcpy(label, info, info_len);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key.bytes, g->algorithm->key_len);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, piv_len);
	params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, label, info_len);
	params[4] = OSSL_PARAM_construct_end();
	done = EVP_KDF_derive(v->hkdf, keystream, OSCORE_SIGNATURE_LENGTH, params);
	EVP_KDF_CTX_reset(v->hkdf); /* which wipes its copy of the key */
	explicit_bzero(&key, sizeof key);
	return done == 1 ? 0 : -1;
}

/* One half of an ECDSA signature as a DER INTEGER: without leading zeros, and never looking negative. */
static void integer_write(struct writer *w, const uint8_t half[HALF])
{
	size_t zeros = 0;
	bool negative;

	while (zeros < HALF - 1 && half[zeros] == 0)
		zeros++;
	negative = (half[zeros] & 0x80) != 0;
	writer_u8(w, DER_INTEGER);
	writer_u8(w, (unsigned)(HALF - zeros) + (negative ? 1 : 0));
	if (negative)
		writer_u8(w, 0);
	writer_bytes(w, half + zeros, HALF - zeros);
}

/* COSE writes an ECDSA signature as r and s (RFC 9053 2.1), OpenSSL reads DER. Returns its length. */
static size_t der_write(uint8_t der[DER_MAX], const uint8_t signature[OSCORE_SIGNATURE_LENGTH])
{
	struct writer w;

	writer_init(&w, der, DER_MAX);
	writer_u8(&w, DER_SEQUENCE);
	writer_u8(&w, 0);
	integer_write(&w, signature);
	integer_write(&w, signature + HALF);
	der[1] = (uint8_t)(writer_length(&w) - 2);
	return writer_length(&w);
}

enum oscore_group_result group_signature_verify(struct group_verifier *v, const struct oscore_group *g, const struct oscore_group_member *from,
	const uint8_t *external, size_t external_len, const uint8_t *ciphertext, size_t len, const uint8_t signature[OSCORE_SIGNATURE_LENGTH])
{
	const char *digest = g->signature == OSCORE_ES256 ? "SHA256" : NULL; /* Ed25519 has its own inside */
	size_t signed_len = oscore_group_signed_write(v->bytes, sizeof v->bytes, g, external, external_len, ciphertext, len);
	uint8_t der[DER_MAX];
	size_t signature_len = OSCORE_SIGNATURE_LENGTH;
	const uint8_t *shown = signature;
	int right;

	if (signed_len == 0 || from->verifier == NULL)
		return OSCORE_GROUP_BROKEN;
	if (g->signature == OSCORE_ES256) {
		signature_len = der_write(der, signature);
		shown = der;
	}
	EVP_MD_CTX_reset(v->digest);
	if (EVP_DigestVerifyInit_ex(v->digest, NULL, digest, NULL, NULL, from->verifier, NULL) != 1)
		return OSCORE_GROUP_BROKEN;
	right = EVP_DigestVerify(v->digest, shown, signature_len, v->bytes, signed_len);
	/* OpenSSL tells a signature that is wrong from one that is none (r of 0, say), which here is the same, and puts errors on a list. */
	ERR_clear_error();
	return right == 1 ? OSCORE_GROUP_VERIFIED : OSCORE_GROUP_SIGNATURE;
}
