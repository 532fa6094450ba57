#include "oscore/group.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

enum { ED25519_KEY = 32, P256_POINT = 65, P256_COMPRESSED = 33 };

size_t oscore_group_id_max(const struct oscore_group *g)
{
	size_t nonce = g->algorithm->nonce_len;

	if (g->aead != NULL && g->aead->nonce_len < nonce)
		nonce = g->aead->nonce_len;
	return nonce - 6u;
}

size_t oscore_group_iv_length(const struct oscore_group *g)
{
	size_t nonce = g->algorithm->nonce_len;

	return g->aead != NULL && g->aead->nonce_len > nonce ? g->aead->nonce_len : nonce;
}

static EVP_PKEY *p256_key(const uint8_t *point, size_t len)
{
	/* OpenSSL's parameters are not const although it only reads these. */
	char curve[] = "P-256";
	uint8_t bytes[P256_POINT];
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM params[3];

	memcpy(bytes, point, len);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, bytes, len);
	params[2] = OSSL_PARAM_construct_end();
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* The public key of a member, or NULL if it is none of this algorithm. */
static EVP_PKEY *verifier_new(enum oscore_signature signature, const struct oscore_group_member *m)
{
	if (signature == OSCORE_EDDSA && m->public_key_len == ED25519_KEY)
		return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, m->public_key, m->public_key_len);
	if (signature == OSCORE_ES256 && (m->public_key_len == P256_POINT || m->public_key_len == P256_COMPRESSED))
		return p256_key(m->public_key, m->public_key_len);
	return NULL;
}

static enum oscore_group_fault member_prepare(struct oscore_group *g, size_t number)
{
	struct oscore_group_member *m = &g->members[number];

	if (m->id.len > oscore_group_id_max(g))
		return OSCORE_GROUP_ID_TOO_LONG;
	for (size_t i = 0; i < number; i++)
		if (oscore_id_equal(&g->members[i].id, m->id.bytes, m->id.len))
			return OSCORE_GROUP_ID_TWICE;
	if (m->has_key && !g->has_common_iv)
		return OSCORE_GROUP_KEY_WITHOUT_IV;
	m->verifier = verifier_new(g->signature, m);
	return m->verifier == NULL ? OSCORE_GROUP_NO_PUBLIC_KEY : OSCORE_GROUP_SOUND;
}

static void verifiers_free(struct oscore_group *g)
{
	for (size_t i = 0; i < g->member_count; i++) {
		EVP_PKEY_free(g->members[i].verifier);
		g->members[i].verifier = NULL;
	}
}

enum oscore_group_fault oscore_group_prepare(struct oscore_group *g, size_t *member)
{
	enum oscore_group_fault fault = g->member_count == 0 ? OSCORE_GROUP_NO_MEMBER : OSCORE_GROUP_SOUND;

	*member = 0;
	for (size_t i = 0; i < g->member_count && fault == OSCORE_GROUP_SOUND; i++) {
		*member = i;
		fault = member_prepare(g, i);
	}
	if (fault != OSCORE_GROUP_SOUND)
		verifiers_free(g);
	return fault;
}

void oscore_group_wipe(struct oscore_group *g)
{
	verifiers_free(g);
	if (g->member_count > 0)
		explicit_bzero(g->members, g->member_count * sizeof *g->members);
	explicit_bzero(g, sizeof *g);
}

const struct oscore_group_member *oscore_group_member(const struct oscore_group *g, const uint8_t *id, size_t len)
{
	for (size_t i = 0; i < g->member_count; i++)
		if (oscore_id_equal(&g->members[i].id, id, len))
			return &g->members[i];
	return NULL;
}
