#include "oscore/group_aad.h"

#include <string.h>

#include "base/bytes.h"
#include "oscore/cbor.h"

enum { ENTRY_FALSE = 0xf4, ENTRY_TRUE = 0xf5 }; /* of CBOR */

static void write_algorithm(struct writer *w, bool is_set, int alg)
{
	if (is_set)
		cbor_write_int(w, alg);
	else
		writer_u8(w, CBOR_NULL);
}

size_t oscore_group_external_aad_write(uint8_t out[OSCORE_EXTERNAL_AAD_MAX], const struct oscore_group *g, const struct oscore_group_member *from,
	const struct oscore_group_request *r, const struct oscore_group_message *m)
{
	struct writer w;

	if (m->class_i_len > OSCORE_CLASS_I_MAX)
		return 0;
	writer_init(&w, out, OSCORE_EXTERNAL_AAD_MAX);
	cbor_write_head(&w, CBOR_ARRAY, 9);
	cbor_write_int(&w, 1); /* oscore_version */
	cbor_write_head(&w, CBOR_ARRAY, 4);
	write_algorithm(&w, g->aead != NULL, g->aead != NULL ? g->aead->alg : 0);
	write_algorithm(&w, true, g->algorithm->alg);
	write_algorithm(&w, true, g->signature);
	write_algorithm(&w, g->key_agreement != 0, g->key_agreement);
	cbor_write_bytes(&w, r->kid.bytes, r->kid.len);
	cbor_write_bytes(&w, r->piv, r->piv_len);
	cbor_write_bytes(&w, m->class_i, m->class_i_len);
	cbor_write_bytes(&w, r->gid, r->gid_len);
	cbor_write_bytes(&w, m->value, m->value_len);
	cbor_write_bytes(&w, from->credential, from->credential_len);
	cbor_write_bytes(&w, g->manager_credential, g->manager_credential_len);
	return w.failed ? 0 : writer_length(&w);
}

size_t oscore_group_aad_write(uint8_t out[OSCORE_GROUP_AAD_MAX], const uint8_t *external, size_t external_len)
{
	struct writer w;

	writer_init(&w, out, OSCORE_GROUP_AAD_MAX);
	cbor_write_head(&w, CBOR_ARRAY, 3);
	cbor_write_text(&w, "Encrypt0");
	cbor_write_bytes(&w, "", 0); /* the protected bucket is empty */
	cbor_write_bytes(&w, external, external_len);
	return writer_length(&w);
}

size_t oscore_group_signed_write(uint8_t *out, size_t capacity, const struct oscore_group *g, const uint8_t *external, size_t external_len,
	const uint8_t *ciphertext, size_t len)
{
	struct writer w;

	writer_init(&w, out, capacity);
	cbor_write_head(&w, CBOR_ARRAY, g->four_elements ? 4 : 5);
	cbor_write_text(&w, "CounterSignature0");
	cbor_write_bytes(&w, "", 0);
	if (!g->four_elements)
		cbor_write_bytes(&w, "", 0);
	cbor_write_bytes(&w, external, external_len);
	cbor_write_bytes(&w, ciphertext, len);
	return w.failed ? 0 : writer_length(&w);
}

size_t oscore_group_keystream_info(uint8_t out[OSCORE_KEYSTREAM_INFO_MAX], const struct oscore_group *g, const struct oscore_id *id, bool request)
{
	struct writer w;

	writer_init(&w, out, OSCORE_KEYSTREAM_INFO_MAX);
	cbor_write_head(&w, CBOR_ARRAY, 4);
	cbor_write_bytes(&w, id->bytes, id->len);
	cbor_write_bytes(&w, g->gid, g->gid_len);
	writer_u8(&w, request ? ENTRY_TRUE : ENTRY_FALSE);
	cbor_write_head(&w, CBOR_UINT, OSCORE_SIGNATURE_LENGTH);
	return writer_length(&w);
}
