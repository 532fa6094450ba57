#include "oscore/option.h"

#include <string.h>

#include "base/bytes.h"

int oscore_option_parse(struct oscore_option *o, const uint8_t *value, size_t len, unsigned extensions)
{
	static const unsigned known = OSCORE_FLAG_PIV_LENGTH | OSCORE_FLAG_KID | OSCORE_FLAG_KID_CONTEXT;
	struct reader r;

	memset(o, 0, sizeof *o);
	if (len == 0)
		return 0;
	if (len > OSCORE_OPTION_MAX)
		return -1;
	reader_init(&r, value, len);
	o->flags = (uint8_t)reader_u8(&r);
	if (o->flags == 0 || (o->flags & ~(known | extensions)) != 0)
		return -1;
	o->piv_len = o->flags & OSCORE_FLAG_PIV_LENGTH;
	if (o->piv_len > OSCORE_PIV_MAX)
		return -1;
	if (o->piv_len > 0)
		o->piv = reader_bytes(&r, o->piv_len);
	if (o->flags & OSCORE_FLAG_KID_CONTEXT) {
		o->kid_context_len = (uint8_t)reader_u8(&r);
		o->kid_context = reader_bytes(&r, o->kid_context_len);
	}
	if (o->flags & OSCORE_FLAG_KID) {
		o->kid_len = (uint8_t)reader_left(&r);
		o->kid = reader_bytes(&r, o->kid_len);
	}
	if (r.failed || reader_left(&r) > 0)
		return -1;
	if (o->piv_len > 1 && o->piv[0] == 0)
		return -1;
	return 0;
}

bool oscore_option_fits_request(const struct oscore_option *o)
{
	return o->piv != NULL && o->kid != NULL;
}

uint64_t oscore_option_sequence(const struct oscore_option *o)
{
	uint64_t n = 0;

	for (size_t i = 0; i < o->piv_len; i++)
		n = n << 8 | o->piv[i];
	return n;
}

uint64_t oscore_option_kid_hash(const struct oscore_option *o, const struct hash_key *key)
{
	uint8_t bytes[2 + 2 * OSCORE_OPTION_MAX];
	struct writer w;

	/* The length keeps "ab" and "c" apart from "a" and "bc", the first byte an empty part from none. */
	writer_init(&w, bytes, sizeof bytes);
	writer_u8(&w, (o->kid_context != NULL ? 1u : 0u) | (o->kid != NULL ? 2u : 0u));
	writer_u8(&w, o->kid_context_len);
	writer_bytes(&w, o->kid_context, o->kid_context_len);
	writer_bytes(&w, o->kid, o->kid_len);
	return hash_bytes(key, bytes, writer_length(&w));
}
