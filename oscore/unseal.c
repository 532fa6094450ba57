#include "oscore/unseal.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { CCM_NONCE = 13, CCM_PLAIN_MAX = 0xffff }; /* a nonce of 13 bytes leaves two for the length (RFC 3610 2.1) */

struct oscore_unsealer {
	const struct oscore_aead *aead;
	bool keyed;
	bool counts_first; /* CCM: wants all lengths before the first byte, and checks the tag before it hands out any */
	uint8_t tag[OSCORE_TAG_MAX]; /* of the message in hand */
	OSSL_PARAM tag_first[2];     /* says where it is */
	EVP_CIPHER_CTX *ctx;
};

static struct oscore_unsealer *unsealer_new(const struct oscore_aead *aead, const struct oscore_key *key)
{
	struct oscore_unsealer *u = calloc(1, sizeof *u);
	EVP_CIPHER *cipher = NULL;

	if (u == NULL)
		return NULL;
	u->aead = aead;
	u->keyed = key != NULL;
	u->tag_first[0] = OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, u->tag, aead->tag_len);
	u->tag_first[1] = OSSL_PARAM_construct_end();
	u->ctx = EVP_CIPHER_CTX_new();
	cipher = EVP_CIPHER_fetch(NULL, aead->cipher, NULL);
	if (u->ctx == NULL || cipher == NULL)
		goto failed;
	u->counts_first = EVP_CIPHER_get_mode(cipher) == EVP_CIPH_CCM_MODE;
	/* CCM takes the key only once it knows how long nonce and tag are */
	if (EVP_DecryptInit_ex2(u->ctx, cipher, NULL, NULL, NULL) != 1 ||
	    EVP_CIPHER_CTX_ctrl(u->ctx, EVP_CTRL_AEAD_SET_IVLEN, aead->nonce_len, NULL) != 1 ||
	    EVP_CIPHER_CTX_ctrl(u->ctx, EVP_CTRL_AEAD_SET_TAG, aead->tag_len, u->tag) != 1 ||
	    (key != NULL && EVP_DecryptInit_ex2(u->ctx, NULL, key->bytes, NULL, NULL) != 1))
		goto failed;
	EVP_CIPHER_free(cipher);
	return u;
failed:
	EVP_CIPHER_free(cipher);
	oscore_unsealer_free(u);
	return NULL;
}

struct oscore_unsealer *oscore_unsealer_new(const struct oscore_aead *aead)
{
	return unsealer_new(aead, NULL);
}

struct oscore_unsealer *oscore_unsealer_new_keyed(const struct oscore_aead *aead, const struct oscore_key *key)
{
	return unsealer_new(aead, key);
}

void oscore_unsealer_free(struct oscore_unsealer *u)
{
	if (u == NULL)
		return;
	EVP_CIPHER_CTX_free(u->ctx);
	free(u);
}

enum oscore_unseal_result oscore_unsealer_open(struct oscore_unsealer *u, const struct oscore_key *key, const uint8_t *nonce,
	const uint8_t *aad, size_t aad_len, const uint8_t *sealed, size_t len, uint8_t *plain)
{
	int n;

	if (u->aead->nonce_len == CCM_NONCE && len > CCM_PLAIN_MAX)
		return OSCORE_UNSEAL_FORMAT;
	memcpy(u->tag, sealed + len, u->aead->tag_len);
	if (EVP_DecryptInit_ex2(u->ctx, NULL, u->keyed ? NULL : key->bytes, nonce, u->tag_first) != 1 ||
	    (u->counts_first && EVP_DecryptUpdate(u->ctx, NULL, &n, NULL, (int)len) != 1) ||
	    EVP_DecryptUpdate(u->ctx, NULL, &n, aad, (int)aad_len) != 1)
		return OSCORE_UNSEAL_FAILED;
	if (EVP_DecryptUpdate(u->ctx, plain, &n, sealed, (int)len) == 1 &&
	    (u->counts_first || EVP_DecryptFinal_ex(u->ctx, plain + len, &n) == 1))
		return OSCORE_UNSEAL_OK;
	/* All modes but CCM have written what was not yet proven. */
	explicit_bzero(plain, len);
	return OSCORE_UNSEAL_TAG;
}

/* Its options, which are many, count for nothing then. */
static void view_empty(struct msg_view *m)
{
	memset(m, 0, offsetof(struct msg_view, options));
}

enum oscore_unseal_result oscore_view_inner(uint8_t *bytes, size_t len, bool response, struct msg_view *inner)
{
	bool fits;

	/* "code, options, payload" becomes a datagram by spreading its first byte to a header without token, so that one parser reads Inner and
	 * Outer messages */
	bytes[0] = 1 << 6 | MSG_NON << 4;
	bytes[1] = bytes[OSCORE_UNSEAL_EXTRA];
	bytes[2] = bytes[3] = 0;
	fits = response ? msg_code_is_response(bytes[1]) : msg_code_is_request(bytes[1]);
	if (fits && msg_parse_datagram(inner, bytes, len + OSCORE_UNSEAL_EXTRA) == MSG_OK)
		return OSCORE_UNSEAL_OK;
	explicit_bzero(bytes, len + OSCORE_UNSEAL_EXTRA);
	view_empty(inner);
	return OSCORE_UNSEAL_INNER;
}

/* Opens into bytes and views it as a message; *inner is empty before. */
static enum oscore_unseal_result open_inner(struct oscore_unsealer *u, const struct oscore_context *c,
	const struct oscore_side *from, const struct oscore_request *request, bool response, const uint8_t *nonce,
	const uint8_t *payload, size_t payload_len, uint8_t *bytes, size_t capacity, struct msg_view *inner)
{
	uint8_t aad[OSCORE_AAD_MAX];
	size_t aad_len = oscore_aad_write(aad, c->aead, request);
	enum oscore_unseal_result result;
	size_t len;

	if (payload_len < c->aead->tag_len + 1u || payload_len > OSCORE_UNSEAL_PAYLOAD_MAX)
		return OSCORE_UNSEAL_FORMAT;
	len = payload_len - c->aead->tag_len;
	if (capacity < len + OSCORE_UNSEAL_EXTRA)
		return OSCORE_UNSEAL_SIZE;
	result = oscore_unsealer_open(u, &from->key, nonce, aad, aad_len, payload, len, bytes + OSCORE_UNSEAL_EXTRA);
	if (result == OSCORE_UNSEAL_OK)
		return oscore_view_inner(bytes, len, response, inner);
	explicit_bzero(bytes, len + OSCORE_UNSEAL_EXTRA);
	return result;
}

enum oscore_unseal_result oscore_unseal_request(struct oscore_unsealer *u, const struct oscore_context *c,
	const struct oscore_side *from, const struct oscore_option *option, const uint8_t *payload, size_t payload_len,
	uint8_t *bytes, size_t capacity, struct msg_view *inner, struct oscore_request *request)
{
	uint8_t nonce[OSCORE_NONCE_MAX];

	view_empty(inner);
	memset(request, 0, sizeof *request);
	if (!oscore_option_fits_request(option) || !oscore_context_is_named(c, from, option))
		return OSCORE_UNSEAL_FORMAT;
	request->kid = from->id;
	request->piv_len = option->piv_len;
	memcpy(request->piv, option->piv, option->piv_len);
	oscore_nonce_write(nonce, c, &from->id, option->piv, option->piv_len);
	return open_inner(u, c, from, request, false, nonce, payload, payload_len, bytes, capacity, inner);
}

enum oscore_unseal_result oscore_unseal_response(struct oscore_unsealer *u, const struct oscore_context *c,
	const struct oscore_side *from, const struct oscore_request *request, const struct oscore_option *option,
	const uint8_t *payload, size_t payload_len, uint8_t *bytes, size_t capacity, struct msg_view *inner)
{
	uint8_t nonce[OSCORE_NONCE_MAX];

	view_empty(inner);
	if (option->kid != NULL && !oscore_context_is_named(c, from, option))
		return OSCORE_UNSEAL_FORMAT;
	if (option->piv != NULL)
		oscore_nonce_write(nonce, c, &from->id, option->piv, option->piv_len);
	else
		oscore_nonce_write(nonce, c, &request->kid, request->piv, request->piv_len);
	return open_inner(u, c, from, request, true, nonce, payload, payload_len, bytes, capacity, inner);
}
