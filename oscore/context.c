#include "oscore/context.h"

#include <string.h>

#include "base/bytes.h"
#include "oscore/cbor.h"

static const struct oscore_aead aeads[] = {
	{ OSCORE_AES_CCM_16_64_128, "AES-128-CCM", 16, 13, 8 },
	{ OSCORE_AES_CCM_16_64_256, "AES-256-CCM", 32, 13, 8 },
	{ OSCORE_AES_CCM_16_128_128, "AES-128-CCM", 16, 13, 16 },
	{ OSCORE_AES_CCM_16_128_256, "AES-256-CCM", 32, 13, 16 },
	{ OSCORE_A128GCM, "AES-128-GCM", 16, 12, 16 },
	{ OSCORE_A256GCM, "AES-256-GCM", 32, 12, 16 },
	{ OSCORE_CHACHA20_POLY1305, "ChaCha20-Poly1305", 32, 12, 16 },
};

const struct oscore_aead *oscore_aead_row(int alg)
{
	for (size_t i = 0; i < sizeof aeads / sizeof aeads[0]; i++)
		if (aeads[i].alg == alg)
			return &aeads[i];
	return NULL;
}

void oscore_context_wipe(struct oscore_context *c)
{
	explicit_bzero(c, sizeof *c);
}

bool oscore_id_equal(const struct oscore_id *id, const uint8_t *bytes, size_t len)
{
	return id->len == len && (len == 0 || memcmp(id->bytes, bytes, len) == 0);
}

bool oscore_context_is_named(const struct oscore_context *c, const struct oscore_side *side, const struct oscore_option *o)
{
	if (o->kid == NULL || !oscore_id_equal(&side->id, o->kid, o->kid_len))
		return false;
	if (o->kid_context == NULL)
		return true;
	return c->has_id_context && c->id_context_len == o->kid_context_len &&
		memcmp(c->id_context, o->kid_context, o->kid_context_len) == 0;
}

size_t oscore_piv_write(uint8_t piv[OSCORE_PIV_MAX], uint64_t sequence)
{
	size_t len = 1;

	if (sequence >> (8 * OSCORE_PIV_MAX) != 0)
		return 0;
	while (sequence >> (8 * len) != 0)
		len++;
	for (size_t i = 0; i < len; i++)
		piv[i] = (uint8_t)(sequence >> (8 * (len - 1 - i)));
	return len;
}

void oscore_nonce_mix(uint8_t nonce[OSCORE_NONCE_MAX], size_t nonce_len, const uint8_t *common_iv, const struct oscore_id *id,
	const uint8_t *piv, size_t piv_len)
{
	/* Length of the ID; the ID right-aligned before the last 5 bytes; the Partial IV right-aligned in those. */
	memset(nonce, 0, OSCORE_NONCE_MAX);
	nonce[0] = id->len;
	if (id->len > 0)
		memcpy(nonce + nonce_len - OSCORE_PIV_MAX - id->len, id->bytes, id->len);
	if (piv_len > 0)
		memcpy(nonce + nonce_len - piv_len, piv, piv_len);
	for (size_t i = 0; i < nonce_len; i++)
		nonce[i] ^= common_iv[i];
}

void oscore_nonce_write(uint8_t nonce[OSCORE_NONCE_MAX], const struct oscore_context *c, const struct oscore_id *id,
	const uint8_t *piv, size_t piv_len)
{
	oscore_nonce_mix(nonce, c->aead->nonce_len, c->common_iv, id, piv, piv_len);
}

size_t oscore_aad_write(uint8_t aad[OSCORE_AAD_MAX], const struct oscore_aead *aead, const struct oscore_request *r)
{
	uint8_t external[OSCORE_AAD_MAX];
	struct writer w, outer;

	writer_init(&w, external, sizeof external);
	cbor_write_head(&w, CBOR_ARRAY, 5);
	cbor_write_int(&w, 1); /* oscore_version */
	cbor_write_head(&w, CBOR_ARRAY, 1);
	cbor_write_int(&w, aead->alg);
	cbor_write_bytes(&w, r->kid.bytes, r->kid.len);
	cbor_write_bytes(&w, r->piv, r->piv_len);
	cbor_write_bytes(&w, "", 0); /* RFC 8613 defines no Class I option */

	writer_init(&outer, aad, OSCORE_AAD_MAX);
	cbor_write_head(&outer, CBOR_ARRAY, 3);
	cbor_write_text(&outer, "Encrypt0");
	cbor_write_bytes(&outer, "", 0);
	cbor_write_bytes(&outer, external, writer_length(&w));
	return writer_length(&outer);
}
