/*
 * map_oscore - the OSCORE header field, and whether a head of HTTP belongs to an OSCORE message (RFC 8613 11).
 *
 * Pure. The option is never looked into: whatever bytes it holds pass, since only its endpoints judge them. Two values cannot pass: the
 * single byte 00, whose text "AA" already stands for the empty option (RFC 8613 11.2, 11.3), and what is longer than an option may be.
 */
#ifndef TRANSLATE_MAP_OSCORE_H
#define TRANSLATE_MAP_OSCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translate/http_message.h"

enum {
	OSCORE_VALUE_MAX = 255,  /* RFC 8613 2 */
	OSCORE_HEADER_MAX = 340, /* the same in base64url without padding */
	OSCORE_FORMAT = 10001,   /* application/oscore as a Content-Format, which CoAP never carries (RFC 8613 13.6) */
};

#define OSCORE_MEDIA_TYPE "application/oscore"
#define OSCORE_FIELD "OSCORE"
#define OSCORE_FIELD_LEGACY "Object-Security" /* its name in the drafts */

/* The text of a field to an option's value: base64url (RFC 4648 5) of at least two characters; padding, other characters, a length that
 * no bytes have and bits behind the last byte are refused. "AA" gives the empty value. Returns 0, or -1. */
int oscore_header_decode(struct http_text value, uint8_t option[OSCORE_VALUE_MAX], size_t *len) __attribute__((warn_unused_result));

/* The opposite. Returns the length of the text (it is not terminated), or -1 for the single byte 00, for more than OSCORE_VALUE_MAX bytes,
 * or if it does not fit. */
int oscore_header_encode(const uint8_t *option, size_t len, char *out, size_t room) __attribute__((warn_unused_result));

/* "OSCORE: text", or under its name of the drafts; an option that has no text sets w->failed. */
void oscore_header_write(struct writer *w, const uint8_t *option, size_t len, bool legacy);

enum oscore_kind {
	OSCORE_PLAIN,     /* nothing in it speaks of OSCORE */
	OSCORE_PROTECTED, /* an OSCORE message: `option` */
	OSCORE_HALF,      /* neither: to be refused with `status` and `why` */
};

struct oscore_head {
	enum oscore_kind kind;
	bool legacy;      /* the field had its name of the drafts; the answer takes the same */
	uint16_t status;  /* HALF: 400 or 415 for a request, 502 for a response */
	const char *why;  /* HALF: a constant text for the answer */
	size_t option_len;
	uint8_t option[OSCORE_VALUE_MAX];
};

/* Says what a head is. `legacy` takes Object-Security for the field's name as well. An OSCORE message is a POST request or a 200 response
 * with exactly one such field, with application/oscore as its only Content-Type (parameters are of no matter), without a content coding,
 * and with content; the field must not be named in Connection, it is end to end (RFC 8613 11.1). What has one of the signs but not all
 * of it is half of one. Whether a chunked body is empty is seen by whoever reads it. */
void oscore_read_request(const struct http_head *head, bool legacy, struct oscore_head *o);
void oscore_read_response(const struct http_head *head, bool legacy, struct oscore_head *o);

#endif
