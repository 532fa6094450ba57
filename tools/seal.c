#include "tools/seal.h"

#include <openssl/evp.h>
#include <string.h>

/* Encrypts len bytes in place and puts the tag behind them. Returns 0 or -1. */
static int aead_seal(const struct oscore_context *c, const uint8_t *nonce, const uint8_t *aad, size_t aad_len, uint8_t *bytes,
	size_t len)
{
	const struct oscore_aead *aead = c->aead;
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, aead->cipher, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n, result = -1;
	bool ccm;

	if (cipher == NULL || ctx == NULL)
		goto out;
	/* CCM wants the lengths of nonce, tag, AAD and plaintext before the first byte. */
	ccm = EVP_CIPHER_get_mode(cipher) == EVP_CIPH_CCM_MODE;
	if (EVP_EncryptInit_ex2(ctx, cipher, NULL, NULL, NULL) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, aead->nonce_len, NULL) == 1 &&
	    (!ccm || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, aead->tag_len, NULL) == 1) &&
	    EVP_EncryptInit_ex2(ctx, NULL, c->sender.key.bytes, nonce, NULL) == 1 &&
	    (!ccm || EVP_EncryptUpdate(ctx, NULL, &n, NULL, (int)len) == 1) &&
	    EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1 &&
	    EVP_EncryptUpdate(ctx, bytes, &n, bytes, (int)len) == 1 &&
	    EVP_EncryptFinal_ex(ctx, bytes + len, &n) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, aead->tag_len, bytes + len) == 1)
		result = 0;
out:
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
	return result;
}

/* Fills the payload: the plaintext is the code and all that follows the header. */
static int payload_seal(struct sealed *s, const struct oscore_context *c, const struct oscore_request *request,
	const uint8_t *nonce, const uint8_t *inner, size_t inner_len)
{
	uint8_t aad[OSCORE_AAD_MAX];
	size_t aad_len = oscore_aad_write(aad, c->aead, request);
	size_t len;

	if (inner_len < MSG_HEADER || (inner[0] & 0x0f) != 0)
		return -1;
	len = 1 + inner_len - MSG_HEADER;
	if (len + c->aead->tag_len > sizeof s->payload)
		return -1;
	s->payload[0] = inner[1];
	memcpy(s->payload + 1, inner + MSG_HEADER, inner_len - MSG_HEADER);
	s->payload_len = len + c->aead->tag_len;
	return aead_seal(c, nonce, aad, aad_len, s->payload, len);
}

int seal_request(struct sealed *s, struct oscore_request *request, const struct oscore_context *c, uint64_t sequence,
	const uint8_t *inner, size_t inner_len)
{
	uint8_t nonce[OSCORE_NONCE_MAX];
	struct writer w;

	memset(request, 0, sizeof *request);
	request->kid = c->sender.id;
	request->piv_len = (uint8_t)oscore_piv_write(request->piv, sequence);
	if (request->piv_len == 0)
		return -1;
	writer_init(&w, s->option, sizeof s->option);
	writer_u8(&w, OSCORE_FLAG_KID | (c->has_id_context ? (unsigned)OSCORE_FLAG_KID_CONTEXT : 0) | request->piv_len);
	writer_bytes(&w, request->piv, request->piv_len);
	if (c->has_id_context) {
		writer_u8(&w, c->id_context_len);
		writer_bytes(&w, c->id_context, c->id_context_len);
	}
	writer_bytes(&w, c->sender.id.bytes, c->sender.id.len);
	s->option_len = writer_length(&w);
	oscore_nonce_write(nonce, c, &c->sender.id, request->piv, request->piv_len);
	return payload_seal(s, c, request, nonce, inner, inner_len);
}

int seal_response(struct sealed *s, const struct oscore_request *request, const struct oscore_context *c,
	const uint64_t *sequence, const uint8_t *inner, size_t inner_len)
{
	uint8_t nonce[OSCORE_NONCE_MAX], piv[OSCORE_PIV_MAX];
	size_t piv_len;

	s->option_len = 0;
	if (sequence == NULL) {
		oscore_nonce_write(nonce, c, &request->kid, request->piv, request->piv_len);
		return payload_seal(s, c, request, nonce, inner, inner_len);
	}
	piv_len = oscore_piv_write(piv, *sequence);
	if (piv_len == 0)
		return -1;
	s->option[0] = (uint8_t)piv_len;
	memcpy(s->option + 1, piv, piv_len);
	s->option_len = 1 + piv_len;
	oscore_nonce_write(nonce, c, &c->sender.id, piv, piv_len);
	return payload_seal(s, c, request, nonce, inner, inner_len);
}
