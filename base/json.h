/*
 * json - text as it stands within the quotes of a JSON string (RFC 8259 7), in ASCII alone: any byte that is not a visible character there or a
 * space is told as the character of its number, "\u00e9". So whatever bytes a text holds, it is valid JSON and one line.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { JSON_ESCAPED = 6 }; /* bytes of one that is told by its number */

static inline bool json_is_plain(uint8_t c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

/* Not terminated. */
static inline void json_escape(char out[JSON_ESCAPED], uint8_t c)
{
	static const char hex[] = "0123456789abcdef";

	memcpy(out, "\\u00", 4);
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
}

/* Without the quotes. */
static inline void json_write_text(struct writer *w, const char *text)
{
	char escaped[JSON_ESCAPED];

	for (; *text != '\0'; text++) {
		uint8_t c = (uint8_t)*text;

		if (json_is_plain(c)) {
			writer_u8(w, c);
		} else {
			json_escape(escaped, c);
			writer_bytes(w, escaped, sizeof escaped);
		}
	}
}

#endif
