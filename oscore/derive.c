#include "oscore/derive.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "base/bytes.h"
#include "oscore/cbor.h"

size_t oscore_derive_info(uint8_t info[OSCORE_INFO_MAX], const struct oscore_parameters *p, const uint8_t *id, size_t id_len,
	const char *type, size_t out_len)
{
	struct writer w;

	writer_init(&w, info, OSCORE_INFO_MAX);
	cbor_write_head(&w, CBOR_ARRAY, 5);
	cbor_write_bytes(&w, id, id_len);
	if (p->id_context != NULL)
		cbor_write_bytes(&w, p->id_context, p->id_context_len);
	else
		writer_u8(&w, CBOR_NULL);
	cbor_write_int(&w, p->aead);
	cbor_write_text(&w, type);
	cbor_write_head(&w, CBOR_UINT, out_len);
	return w.failed ? 0 : writer_length(&w);
}

/* HKDF, extract and expand (RFC 5869). Returns 0 or -1. */
static int hkdf(EVP_KDF_CTX *ctx, const struct oscore_parameters *p, uint8_t *info, size_t info_len, uint8_t *out,
	size_t out_len)
{
	/* OpenSSL's parameters are not const although it only reads these. */
	char *digest = p->hkdf == OSCORE_HKDF_SHA512 ? (char[]){ "SHA512" } : (char[]){ "SHA256" };
	struct oscore_master_key master = *p->master;
	uint8_t salt[OSCORE_SALT_MAX];
	OSSL_PARAM params[5], *at = params;
	int done;

	*at++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	*at++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, master.bytes, master.len);
	*at++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, info_len);
	if (p->salt_len > 0) {
		memcpy(salt, p->salt, p->salt_len);
		*at++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, p->salt_len);
	}
	*at = OSSL_PARAM_construct_end();
	EVP_KDF_CTX_reset(ctx);
	done = EVP_KDF_derive(ctx, out, out_len, params);
	explicit_bzero(&master, sizeof master);
	return done == 1 ? 0 : -1;
}

static int derive(EVP_KDF_CTX *ctx, const struct oscore_parameters *p, const uint8_t *id, size_t id_len, const char *type,
	uint8_t *out, size_t out_len)
{
	uint8_t info[OSCORE_INFO_MAX];
	size_t info_len = oscore_derive_info(info, p, id, id_len, type, out_len);

	if (info_len == 0)
		return -1;
	return hkdf(ctx, p, info, info_len, out, out_len);
}

int oscore_derive_bytes(const struct oscore_parameters *p, const uint8_t *id, size_t id_len, const char *type, uint8_t *out, size_t out_len)
{
	EVP_KDF *kdf;
	EVP_KDF_CTX *ctx;
	int result = -1;

	if (p->master->len == 0 || p->master->len > OSCORE_MASTER_MAX || p->salt_len > OSCORE_SALT_MAX)
		return -1;
	kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	if (ctx != NULL)
		result = derive(ctx, p, id, id_len, type, out, out_len);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return result;
}

static bool parameters_are_sound(const struct oscore_parameters *p, const struct oscore_aead *aead)
{
	size_t id_max = aead->nonce_len - 6u;

	if (p->master->len == 0 || p->master->len > OSCORE_MASTER_MAX || p->salt_len > OSCORE_SALT_MAX)
		return false;
	if (p->sender_id_len > id_max || p->recipient_id_len > id_max)
		return false;
	if (p->id_context != NULL && p->id_context_len > OSCORE_ID_CONTEXT_MAX)
		return false;
	if (p->sender_id_len != p->recipient_id_len)
		return true;
	return p->sender_id_len > 0 && memcmp(p->sender_id, p->recipient_id, p->sender_id_len) != 0;
}

static void id_set(struct oscore_id *id, const uint8_t *bytes, size_t len)
{
	id->len = (uint8_t)len;
	if (len > 0)
		memcpy(id->bytes, bytes, len);
}

int oscore_derive_context(struct oscore_context *c, const struct oscore_parameters *p)
{
	EVP_KDF *kdf = NULL;
	EVP_KDF_CTX *ctx = NULL;
	int result = -1;

	memset(c, 0, sizeof *c);
	c->aead = oscore_aead_row(p->aead);
	if (c->aead == NULL || !parameters_are_sound(p, c->aead))
		goto out;
	id_set(&c->sender.id, p->sender_id, p->sender_id_len);
	id_set(&c->recipient.id, p->recipient_id, p->recipient_id_len);
	if (p->id_context != NULL) {
		c->has_id_context = true;
		c->id_context_len = (uint8_t)p->id_context_len;
		memcpy(c->id_context, p->id_context, p->id_context_len);
	}
	kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	if (kdf == NULL || (ctx = EVP_KDF_CTX_new(kdf)) == NULL)
		goto out;
	if (derive(ctx, p, p->sender_id, p->sender_id_len, "Key", c->sender.key.bytes, c->aead->key_len) < 0 ||
	    derive(ctx, p, p->recipient_id, p->recipient_id_len, "Key", c->recipient.key.bytes, c->aead->key_len) < 0 ||
	    derive(ctx, p, NULL, 0, "IV", c->common_iv, c->aead->nonce_len) < 0)
		goto out;
	result = 0;
out:
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	if (result < 0)
		oscore_context_wipe(c);
	return result;
}
