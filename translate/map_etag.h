/*
 * map_etag - entity-tags of HTTP and ETags of CoAP (RFC 7252 10.1.1, 10.2.2, RFC 9110 8.8.3).
 *
 * Pure. A CoAP ETag is 1 to 8 bytes of any value, an entity-tag is quoted visible characters of any number. There is one form for each
 * side that made the tag, and each can be undone:
 *
 *   made by a CoAP server:  "hex", two lower-case digits for each byte, all of them;
 *   made by an HTTP server: up to 8 characters are the bytes of the ETag as they stand; 10, 12, 14 or 16 lower-case hexadecimal digits
 *   are the 5 to 8 bytes they say, unless all of those are characters of an entity-tag themselves, which would be taken for the first
 *   kind on the way back. Other entity-tags, and weak ones, have no ETag.
 */
#ifndef TRANSLATE_MAP_ETAG_H
#define TRANSLATE_MAP_ETAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coap/message.h"
#include "translate/http_message.h"

enum { ETAG_MAX = 8, ETAG_TEXT_MAX = 2 * ETAG_MAX + 2 };

struct etag {
	uint8_t len; /* 1..8 */
	uint8_t bytes[ETAG_MAX];
};

/* Splits an entity-tag into what stands between the quotes and whether W/ stands before them. Returns 0, or -1 if it is none. */
int etag_parse(struct http_text text, bool *weak, struct http_text *opaque) __attribute__((warn_unused_result));

/* What stands between the quotes to the ETag of a CoAP server. Returns 0, or -1 if no ETag has that text. */
int etag_of_device_text(struct http_text opaque, struct etag *tag) __attribute__((warn_unused_result));
/* The opposite: with the quotes, not terminated. Returns the length; len must be 1 to 8. */
size_t etag_device_text(const uint8_t *bytes, size_t len, char out[ETAG_TEXT_MAX]);

/* The same for the entity-tags of an HTTP server. */
int etag_of_origin_text(struct http_text opaque, struct etag *tag) __attribute__((warn_unused_result));
size_t etag_origin_text(const uint8_t *bytes, size_t len, char out[ETAG_TEXT_MAX]);

#endif
