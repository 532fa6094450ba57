#include "oscore/group_cipher.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "oscore/unseal.h"

static const int algorithms[] = {
	OSCORE_AES_CCM_16_64_128, OSCORE_AES_CCM_16_64_256, OSCORE_AES_CCM_16_128_128, OSCORE_AES_CCM_16_128_256,
	OSCORE_A128GCM, OSCORE_A256GCM, OSCORE_CHACHA20_POLY1305, OSCORE_A128CTR, OSCORE_A192CTR, OSCORE_A256CTR,
};

enum {
	ALGORITHMS = sizeof algorithms / sizeof algorithms[0],
	COUNTER_BLOCK = 16, /* the nonce, and a counter that begins at 0 */
};

struct cipher {
	const struct oscore_aead *row;
	struct oscore_unsealer *unsealer; /* of an AEAD */
	EVP_CIPHER_CTX *counter;         /* of AES-CTR */
};

struct group_ciphers {
	struct cipher each[ALGORITHMS];
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

	for (size_t i = 0; c != NULL && i < ALGORITHMS; i++) {
		struct cipher *each = &c->each[i];

		each->row = oscore_group_algorithm(algorithms[i]);
		if (each->row->tag_len > 0)
			each->unsealer = oscore_unsealer_new(each->row);
		else
			each->counter = counter_new(each->row);
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
	for (size_t i = 0; i < ALGORITHMS; i++) {
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
	size_t i = 0;

	while (i < ALGORITHMS && c->each[i].row != algorithm)
		i++;
	if (i == ALGORITHMS)
		return OSCORE_GROUP_BROKEN;
	if (algorithm->tag_len == 0)
		return counter_decrypt(c->each[i].counter, key, nonce, algorithm->nonce_len, sealed, len, plain);
	switch (oscore_unsealer_open(c->each[i].unsealer, key, nonce, aad, aad_len, sealed, len, plain)) {
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
	for (size_t i = 0; i < ALGORITHMS; i++)
		if (group_decrypt(c, c->each[i].row, &none, nonce, nonce, sizeof nonce, sealed, sizeof plain, plain) == OSCORE_GROUP_OPENED)
			explicit_bzero(plain, sizeof plain);
}
