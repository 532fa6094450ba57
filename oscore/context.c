#include "oscore/context.h"

#include <string.h>

#include "base/bytes.h"
#include "oscore/cbor.h"

/* The longest external_aad has less than 24 bytes, so that its length is one byte. */
_Static_assert(2 + 1 + 2 + 1 + OSCORE_ID_MAX + 1 + OSCORE_PIV_MAX + 1 < 24, "external_aad");

const struct oscore_aead oscore_algorithms[OSCORE_ALGORITHMS] = {
	{ OSCORE_AES_CCM_16_64_128, "AES-128-CCM", 16, 13, 8 },
	{ OSCORE_AES_CCM_16_64_256, "AES-256-CCM", 32, 13, 8 },
	{ OSCORE_AES_CCM_16_128_128, "AES-128-CCM", 16, 13, 16 },
	{ OSCORE_AES_CCM_16_128_256, "AES-256-CCM", 32, 13, 16 },
	{ OSCORE_A128GCM, "AES-128-GCM", 16, 12, 16 },
	{ OSCORE_A256GCM, "AES-256-GCM", 32, 12, 16 },
	{ OSCORE_CHACHA20_POLY1305, "ChaCha20-Poly1305", 32, 12, 16 },
	{ OSCORE_A128CTR, "AES-128-CTR", 16, 12, 0 },
	{ OSCORE_A192CTR, "AES-192-CTR", 24, 12, 0 },
	{ OSCORE_A256CTR, "AES-256-CTR", 32, 12, 0 },
};

/* Of the first `count`. */
static const struct oscore_aead *row(int alg, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (oscore_algorithms[i].alg == alg)
			return &oscore_algorithms[i];
	return NULL;
}

const struct oscore_aead *oscore_aead_row(int alg)
{
	return row(alg, OSCORE_AEADS);
}

const struct oscore_aead *oscore_group_algorithm(int alg)
{
	return row(alg, OSCORE_ALGORITHMS);
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
	uint8_t *at = nonce + nonce_len - OSCORE_PIV_MAX - id->len;

	/* Length of the ID; the ID right-aligned before the last 5 bytes; the Partial IV right-aligned in those; all onto the Common IV. */
	memcpy(nonce, common_iv, OSCORE_NONCE_MAX);
	if (nonce_len < OSCORE_NONCE_MAX)
		memset(nonce + nonce_len, 0, OSCORE_NONCE_MAX - nonce_len);
	nonce[0] ^= id->len;
	for (size_t i = 0; i < id->len; i++)
		at[i] ^= id->bytes[i];
	for (size_t i = 0; i < piv_len; i++)
		nonce[nonce_len - piv_len + i] ^= piv[i];
}

void oscore_nonce_write(uint8_t nonce[OSCORE_NONCE_MAX], const struct oscore_context *c, const struct oscore_id *id,
	const uint8_t *piv, size_t piv_len)
{
	oscore_nonce_mix(nonce, c->aead->nonce_len, c->common_iv, id, piv, piv_len);
}

size_t oscore_aad_write(uint8_t aad[OSCORE_AAD_MAX], const struct oscore_aead *aead, const struct oscore_request *r)
{
	/* ["Encrypt0", h'', external_aad]; the length of external_aad is known at the end, and fits its first byte as kid and Partial IV do */
	static const uint8_t structure[] = { 0x83, 0x68, 'E', 'n', 'c', 'r', 'y', 'p', 't', '0', 0x40, 0x40 };
	uint8_t *external = aad + sizeof structure;
	struct writer w;

	memcpy(aad, structure, sizeof structure);
	writer_init(&w, external, OSCORE_AAD_MAX - sizeof structure);
	cbor_write_head(&w, CBOR_ARRAY, 5);
	cbor_write_int(&w, 1); /* oscore_version */
	cbor_write_head(&w, CBOR_ARRAY, 1);
	cbor_write_int(&w, aead->alg);
	cbor_write_bytes(&w, r->kid.bytes, r->kid.len);
	cbor_write_bytes(&w, r->piv, r->piv_len);
	cbor_write_bytes(&w, "", 0); /* RFC 8613 defines no Class I option */
	external[-1] = (uint8_t)(CBOR_BYTES << 5 | writer_length(&w));
	return sizeof structure + writer_length(&w);
}
