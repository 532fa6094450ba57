#include "tools/group_seal.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "oscore/group_aad.h"
#include "oscore/group_verify.h"

enum { COUNTER_BLOCK = 16, HALF = OSCORE_SIGNATURE_LENGTH / 2, POINT_MAX = 65, DER_MAX = 80 };

/* What one message is made of. */
struct making {
	const struct group_signer *signer;
	const struct oscore_group_request *request;
	const struct oscore_id *generator;
	const uint8_t *piv;
	size_t piv_len;
	bool is_request;
	size_t external_len;
	uint8_t external[OSCORE_EXTERNAL_AAD_MAX];
};

static EVP_PKEY *p256_private(const uint8_t bytes[GROUP_PRIVATE_KEY], const uint8_t *public_key, size_t public_key_len)
{
	char curve[] = "P-256";
	uint8_t number[GROUP_PRIVATE_KEY], point[POINT_MAX];
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM params[4];

	/* OpenSSL takes a number in the machine's byte order. */
	for (size_t i = 0; i < sizeof number; i++)
		number[i] = bytes[__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? sizeof number - 1 - i : i];
	memcpy(point, public_key, public_key_len);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve, 0);
	params[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, number, sizeof number);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, public_key_len);
	params[3] = OSSL_PARAM_construct_end();
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	explicit_bzero(number, sizeof number);
	return key;
}

EVP_PKEY *group_private_key(enum oscore_signature signature, const uint8_t bytes[GROUP_PRIVATE_KEY], const uint8_t *public_key,
	size_t public_key_len)
{
	if (signature == OSCORE_EDDSA)
		return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes, GROUP_PRIVATE_KEY);
	return public_key_len > POINT_MAX ? NULL : p256_private(bytes, public_key, public_key_len);
}

/* Encrypts len bytes in place and puts the tag behind them, if there is one. Returns 0 or -1. */
static int encrypt(const struct making *m, uint8_t *bytes, size_t len)
{
	const struct oscore_group *g = m->signer->group;
	const struct oscore_aead *row = g->algorithm;
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, row->cipher, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ccm = cipher != NULL && EVP_CIPHER_get_mode(cipher) == EVP_CIPH_CCM_MODE;
	uint8_t nonce[COUNTER_BLOCK] = { 0 }, aad[OSCORE_GROUP_AAD_MAX];
	size_t aad_len = oscore_group_aad_write(aad, m->external, m->external_len);
	int n, done;

	oscore_nonce_mix(nonce, row->nonce_len, g->common_iv, m->generator, m->piv, m->piv_len);
	done = cipher != NULL && ctx != NULL && EVP_EncryptInit_ex2(ctx, cipher, NULL, NULL, NULL) == 1;
	if (done && row->tag_len > 0)
		done = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, row->nonce_len, NULL) == 1 &&
			(!ccm || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, row->tag_len, NULL) == 1);
	done = done && EVP_EncryptInit_ex2(ctx, NULL, m->signer->self->key.bytes, nonce, NULL) == 1;
	if (done && row->tag_len > 0)
		done = (!ccm || EVP_EncryptUpdate(ctx, NULL, &n, NULL, (int)len) == 1) && EVP_EncryptUpdate(ctx, NULL, &n, aad, (int)aad_len) == 1;
	done = done && EVP_EncryptUpdate(ctx, bytes, &n, bytes, (int)len) == 1 && EVP_EncryptFinal_ex(ctx, bytes + len, &n) == 1;
	if (done && row->tag_len > 0)
		done = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, row->tag_len, bytes + len) == 1;
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
	return done ? 0 : -1;
}

/* Takes r and s out of a DER signature of P-256. Returns 0 or -1. */
static int der_read(const uint8_t *der, size_t len, uint8_t signature[OSCORE_SIGNATURE_LENGTH])
{
	ECDSA_SIG *numbers = d2i_ECDSA_SIG(NULL, &der, (long)len);
	int done = numbers != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(numbers), signature, HALF) == HALF &&
		BN_bn2binpad(ECDSA_SIG_get0_s(numbers), signature + HALF, HALF) == HALF;

	ECDSA_SIG_free(numbers);
	return done ? 0 : -1;
}

static int sign(const struct making *m, const uint8_t *ciphertext, size_t len, uint8_t signature[OSCORE_SIGNATURE_LENGTH])
{
	const struct oscore_group *g = m->signer->group;
	bool is_der = g->signature == OSCORE_ES256;
	size_t capacity = OSCORE_SIGNED_EXTRA + len, made_len = DER_MAX;
	uint8_t *bytes = malloc(capacity), made[DER_MAX];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t signed_len = bytes == NULL ? 0 : oscore_group_signed_write(bytes, capacity, g, m->external, m->external_len, ciphertext, len);
	int result = -1;

	if (signed_len > 0 && ctx != NULL && EVP_DigestSignInit_ex(ctx, NULL, is_der ? "SHA256" : NULL, NULL, NULL, m->signer->private_key, NULL) == 1 &&
	    EVP_DigestSign(ctx, made, &made_len, bytes, signed_len) == 1) {
		if (is_der)
			result = der_read(made, made_len, signature);
		else if (made_len == OSCORE_SIGNATURE_LENGTH)
			result = 0;
		if (result == 0 && !is_der)
			memcpy(signature, made, OSCORE_SIGNATURE_LENGTH);
	}
	EVP_MD_CTX_free(ctx);
	free(bytes);
	return result;
}

/* Signs what is encrypted and puts the hidden signature behind it. */
static int countersign(const struct making *m, struct group_sealed *s)
{
	uint8_t info[OSCORE_KEYSTREAM_INFO_MAX], keystream[OSCORE_SIGNATURE_LENGTH], *signature = s->payload + s->payload_len;
	size_t info_len = oscore_group_keystream_info(info, m->signer->group, m->generator, m->is_request);
	struct group_verifier *v = group_verifier_new();
	int result = -1;

	if (v != NULL && sign(m, s->payload, s->payload_len, signature) == 0 &&
	    group_keystream(v, m->signer->group, m->piv, m->piv_len, info, info_len, keystream) == 0) {
		for (size_t i = 0; i < sizeof keystream; i++)
			signature[i] ^= keystream[i];
		s->payload_len += OSCORE_SIGNATURE_LENGTH;
		result = 0;
	}
	group_verifier_free(v);
	return result;
}

/* Fills the payload; the option is written. */
static int make(struct making *m, struct group_sealed *s, const uint8_t *inner, size_t inner_len)
{
	const struct oscore_group_message message = { .value = s->option, .value_len = s->option_len };
	size_t tag_len = m->signer->group->algorithm->tag_len, len = 1 + inner_len - MSG_HEADER;

	if (inner_len < MSG_HEADER || (inner[0] & 0x0f) != 0 || len + tag_len + OSCORE_SIGNATURE_LENGTH > sizeof s->payload)
		return -1;
	m->external_len = oscore_group_external_aad_write(m->external, m->signer->group, m->signer->self, m->request, &message);
	if (m->external_len == 0)
		return -1;
	s->payload[0] = inner[1];
	memcpy(s->payload + 1, inner + MSG_HEADER, inner_len - MSG_HEADER);
	if (encrypt(m, s->payload, len) < 0)
		return -1;
	s->payload_len = len + tag_len;
	return countersign(m, s);
}

static void option_write(struct group_sealed *s, const struct group_signer *signer, const uint8_t *piv, size_t piv_len, bool tells_gid)
{
	const struct oscore_group *g = signer->group;
	struct writer w;

	writer_init(&w, s->option, sizeof s->option);
	writer_u8(&w, OSCORE_FLAG_GROUP | OSCORE_FLAG_KID | (tells_gid ? (unsigned)OSCORE_FLAG_KID_CONTEXT : 0) | (unsigned)piv_len);
	writer_bytes(&w, piv, piv_len);
	if (tells_gid) {
		writer_u8(&w, g->gid_len);
		writer_bytes(&w, g->gid, g->gid_len);
	}
	writer_bytes(&w, signer->self->id.bytes, signer->self->id.len);
	s->option_len = writer_length(&w);
}

int group_seal_request(struct group_sealed *s, struct oscore_group_request *request, const struct group_signer *signer, uint64_t sequence,
	const uint8_t *inner, size_t inner_len)
{
	struct making m = { .signer = signer, .request = request, .generator = &signer->self->id, .is_request = true };

	memset(request, 0, sizeof *request);
	request->kid = signer->self->id;
	request->gid_len = signer->group->gid_len;
	memcpy(request->gid, signer->group->gid, signer->group->gid_len);
	request->piv_len = (uint8_t)oscore_piv_write(request->piv, sequence);
	if (request->piv_len == 0)
		return -1;
	m.piv = request->piv;
	m.piv_len = request->piv_len;
	option_write(s, signer, m.piv, m.piv_len, true);
	return make(&m, s, inner, inner_len);
}

int group_seal_response(struct group_sealed *s, const struct oscore_group_request *request, const struct group_signer *signer,
	const uint64_t *sequence, bool tells_gid, const uint8_t *inner, size_t inner_len)
{
	struct making m = { .signer = signer, .request = request, .generator = &request->kid, .piv = request->piv, .piv_len = request->piv_len };
	uint8_t piv[OSCORE_PIV_MAX];
	size_t piv_len = 0;

	if (sequence != NULL) {
		piv_len = oscore_piv_write(piv, *sequence);
		if (piv_len == 0)
			return -1;
		m.generator = &signer->self->id;
		m.piv = piv;
		m.piv_len = piv_len;
	}
	option_write(s, signer, piv, piv_len, tells_gid);
	return make(&m, s, inner, inner_len);
}
