/*
 * cbor - the head of a CBOR item (RFC 8949 3), all that OSCORE's three fixed structures need of CBOR.
 */
#ifndef OSCORE_CBOR_H
#define OSCORE_CBOR_H

#include "base/bytes.h"

enum cbor_major { CBOR_UINT = 0, CBOR_NEGATIVE = 1, CBOR_BYTES = 2, CBOR_TEXT = 3, CBOR_ARRAY = 4 };

enum { CBOR_NULL = 0xf6 };

/* Writes the head of an item in its shortest form; n is the value, length or count, less than 2^32. */
static inline void cbor_write_head(struct writer *w, enum cbor_major major, size_t n)
{
	unsigned high = (unsigned)major << 5;

	if (n < 24) {
		writer_u8(w, high | (unsigned)n);
	} else if (n < 256) {
		writer_u8(w, high | 24);
		writer_u8(w, (unsigned)n);
	} else if (n < 65536) {
		writer_u8(w, high | 25);
		writer_u16(w, (unsigned)n);
	} else if (n <= UINT32_MAX) {
		writer_u8(w, high | 26);
		writer_u16(w, (unsigned)(n >> 16));
		writer_u16(w, (unsigned)(n & 0xffff));
	} else {
		w->failed = true;
	}
}

static inline void cbor_write_bytes(struct writer *w, const void *bytes, size_t len)
{
	cbor_write_head(w, CBOR_BYTES, len);
	writer_bytes(w, bytes, len);
}

static inline void cbor_write_text(struct writer *w, const char *text)
{
	cbor_write_head(w, CBOR_TEXT, strlen(text));
	writer_bytes(w, text, strlen(text));
}

static inline void cbor_write_int(struct writer *w, int v)
{
	if (v >= 0)
		cbor_write_head(w, CBOR_UINT, (size_t)v);
	else
		cbor_write_head(w, CBOR_NEGATIVE, (size_t)(-1 - v));
}

#endif
