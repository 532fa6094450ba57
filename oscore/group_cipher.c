#include "oscore/group_cipher.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "oscore/unseal.h"

enum { COUNTER_BLOCK = 16 }; /* the nonce, and a counter that begins at 0 */

struct group_ciphers {
	struct cipher {
		struct oscore_unsealer *unsealer; /* of an AEAD */
		EVP_CIPHER_CTX *counter;          /* of AES-CTR */
	} each[OSCORE_ALGORITHMS]; /* in the order of oscore_algorithms[] */
};

static EVP_CIPHER_CTX *counter_new(const struct oscore_aead *row)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, row->cipher, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (cipher == NULL || ctx == NULL || EVP_DecryptInit_ex2(ctx, cipher, NULL, NULL, NULL) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	EVP_CIPHER_free(cipher);
	return ctx;
}

struct group_ciphers *group_ciphers_new(void)
{
	struct group_ciphers *c = calloc(1, sizeof *c);

	for (size_t i = 0; c != NULL && i < OSCORE_ALGORITHMS; i++) {
		const struct oscore_aead *row = &oscore_algorithms[i];
		struct cipher *each = &c->each[i];

		if (row->tag_len > 0)
			each->unsealer = oscore_unsealer_new(row);
		else
			each->counter = counter_new(row);
		if (each->unsealer == NULL && each->counter == NULL) {
			group_ciphers_free(c);
			c = NULL;
		}
	}
	return c;
}

void group_ciphers_free(struct group_ciphers *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < OSCORE_ALGORITHMS; i++) {
		oscore_unsealer_free(c->each[i].unsealer);
		EVP_CIPHER_CTX_free(c->each[i].counter);
	}
	free(c);
}

/* Encrypting and decrypting are the same here, and need no AAD: what the AAD holds is signed. */
static enum oscore_group_result counter_decrypt(EVP_CIPHER_CTX *ctx, const struct oscore_key *key, const uint8_t *nonce, size_t nonce_len,
	const uint8_t *sealed, size_t len, uint8_t *plain)
{
	uint8_t block[COUNTER_BLOCK] = { 0 };
	int n;

	memcpy(block, nonce, nonce_len);
	if (EVP_DecryptInit_ex2(ctx, NULL, key->bytes, block, NULL) != 1 || EVP_DecryptUpdate(ctx, plain, &n, sealed, (int)len) != 1)
		return OSCORE_GROUP_BROKEN;
	return OSCORE_GROUP_OPENED;
}

enum oscore_group_result group_decrypt(struct group_ciphers *c, const struct oscore_aead *algorithm, const struct oscore_key *key,
	const uint8_t nonce[OSCORE_NONCE_MAX], const uint8_t *aad, size_t aad_len, const uint8_t *sealed, size_t len, uint8_t *plain)
{
	const struct cipher *cipher = &c->each[algorithm - oscore_algorithms];

	if (algorithm->tag_len == 0)
		return counter_decrypt(cipher->counter, key, nonce, algorithm->nonce_len, sealed, len, plain);
	switch (oscore_unsealer_open(cipher->unsealer, key, nonce, aad, aad_len, sealed, len, plain)) {
	case OSCORE_UNSEAL_OK:
		return OSCORE_GROUP_OPENED;
	case OSCORE_UNSEAL_TAG:
		return OSCORE_GROUP_TAG;
	case OSCORE_UNSEAL_FORMAT:
		return OSCORE_GROUP_FORMAT;
	default:
		return OSCORE_GROUP_BROKEN;
	}
}

void group_ciphers_forget(struct group_ciphers *c)
{
	static const struct oscore_key none;
	static const uint8_t nonce[OSCORE_NONCE_MAX], sealed[1 + OSCORE_TAG_MAX];
	uint8_t plain[1];

	/* A key schedule lies where the one before lay. */
	for (size_t i = 0; i < OSCORE_ALGORITHMS; i++)
		if (group_decrypt(c, &oscore_algorithms[i], &none, nonce, nonce, sizeof nonce, sealed, sizeof plain, plain) == OSCORE_GROUP_OPENED)
			explicit_bzero(plain, sizeof plain);
}
