/*
 * hex - test data written as hex, and compared as bytes.
 */
#ifndef TESTS_UNIT_HEX_H
#define TESTS_UNIT_HEX_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hex {
	size_t len;
	uint8_t bytes[512];
};

/* The bytes of a hex text; NULL gives none. */
static inline struct hex hex_parse(const char *text)
{
	struct hex h = { 0 };

	for (; text != NULL && *text != '\0'; text += 2, h.len++) {
		unsigned byte;

		if (h.len == sizeof h.bytes || sscanf(text, "%2x", &byte) != 1)
			abort();
		h.bytes[h.len] = (uint8_t)byte;
	}
	return h;
}

/* True if bytes are what the hex text says; complains on standard error if not. */
static inline int hex_equal(const char *what, const char *text, const uint8_t *bytes, size_t len)
{
	struct hex h = hex_parse(text);

	if (h.len == len && (len == 0 || memcmp(h.bytes, bytes, len) == 0))
		return 1;
	fprintf(stderr, "%s: expected %s, got ", what, text == NULL ? "(none)" : text);
	for (size_t i = 0; i < len; i++)
		fprintf(stderr, "%02x", bytes[i]);
	fprintf(stderr, "\n");
	return 0;
}

/* The same for a part that may be absent: NULL in both is equal. */
static inline int hex_equal_part(const char *what, const char *text, const uint8_t *bytes, size_t len)
{
	if ((text == NULL) != (bytes == NULL)) {
		fprintf(stderr, "%s: %s\n", what, text == NULL ? "should be absent" : "is absent");
		return 0;
	}
	return hex_equal(what, text, bytes, len);
}

#endif
