/*
 * bytes - the bounded writer and reader through which every outgoing and incoming length passes; and ASCII.
 *
 * A writer never writes past its end: an overflow sets `failed`, later writes do nothing, the caller looks once at
 * the end. A reader never reads past its end in the same way.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct writer {
	uint8_t *at, *end, *start;
	bool failed;
};

struct reader {
	const uint8_t *at, *end;
	bool failed;
};

static inline void writer_init(struct writer *w, uint8_t *bytes, size_t capacity)
{
	w->start = w->at = bytes;
	w->end = bytes + capacity;
	w->failed = false;
}

static inline size_t writer_length(const struct writer *w)
{
	return (size_t)(w->at - w->start);
}

static inline size_t writer_room(const struct writer *w)
{
	return (size_t)(w->end - w->at);
}

static inline void writer_u8(struct writer *w, unsigned v)
{
	if (w->at == w->end)
		w->failed = true;
	else
		*w->at++ = (uint8_t)v;
}

static inline void writer_u16(struct writer *w, unsigned v)
{
	writer_u8(w, v >> 8);
	writer_u8(w, v & 0xff);
}

static inline void writer_bytes(struct writer *w, const void *bytes, size_t len)
{
	if (writer_room(w) < len) {
		w->failed = true;
		w->at = w->end;
	} else if (len > 0) {
		memcpy(w->at, bytes, len);
		w->at += len;
	}
}

static inline void writer_text(struct writer *w, const char *text)
{
	writer_bytes(w, text, strlen(text));
}

static inline void writer_decimal(struct writer *w, uint64_t v)
{
	char digits[20]; /* of the largest */
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	writer_bytes(w, digits + at, sizeof digits - at);
}

/* ASCII in lower case; other bytes as they are. */
static inline char byte_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether one of eight bytes lies below `low` (at most 0x80) or above '~'. Of a sum or difference the top bit of a byte is set if the byte is
 * wrong; a carry or borrow into the next one comes only from a byte that is wrong itself. */
static inline bool bytes_hidden(const uint8_t eight[8], uint8_t low)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	uint64_t word;

	memcpy(&word, eight, sizeof word);
	return (((word - low * each) | (word + each) | word) & 0x80 * each) != 0;
}

/* How many bytes at the beginning are all from `low` to '~', as far as eight at a time tell: a quick look at what is nearly always so, behind
 * which the bytes are to be looked at one by one. */
static inline size_t bytes_visible(const void *bytes, size_t len, uint8_t low)
{
	const uint8_t *b = bytes;
	size_t at = 0;

	for (; len - at >= 8; at += 8)
		if (bytes_hidden(b + at, low))
			return at;
	/* the last eight, of which some were seen already */
	return len >= 8 && !bytes_hidden(b + len - 8, low) ? len : at;
}

/* The value of a hexadecimal digit, or -1. */
static inline int byte_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = byte_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline void reader_init(struct reader *r, const void *bytes, size_t len)
{
	r->at = bytes;
	r->end = r->at + len;
	r->failed = false;
}

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

static inline unsigned reader_u8(struct reader *r)
{
	if (r->at == r->end) {
		r->failed = true;
		return 0;
	}
	return *r->at++;
}

static inline unsigned reader_u16(struct reader *r)
{
	unsigned high = reader_u8(r);

	return high << 8 | reader_u8(r);
}

/* Returns a view of the next len bytes and steps over them, or NULL (and failed) if there are fewer. */
static inline const uint8_t *reader_bytes(struct reader *r, size_t len)
{
	const uint8_t *at = r->at;

	if (reader_left(r) < len) {
		r->failed = true;
		r->at = r->end;
		return NULL;
	}
	r->at += len;
	return at;
}

#endif
