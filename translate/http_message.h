/*
 * http_message - the head of an HTTP/1.1 message as views of received bytes, and the writer of an outgoing one (RFC 9110, RFC 9112).
 *
 * Pure: no I/O, no clock, no allocation. A head says what was read; proxy/http/parse.c fills it and has then refused whatever RFC 9112
 * wants refused, so a name is a token, and a value holds no CR, LF, NUL or byte above 0x7e and no white space at its ends.
 */
#ifndef TRANSLATE_HTTP_MESSAGE_H
#define TRANSLATE_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

enum { HTTP_FIELDS_MAX = 128 };

/* Not terminated. */
struct http_text {
	const char *at;
	size_t len;
};

struct http_field {
	struct http_text name, value;
};

struct http_head {
	/* of a request */
	struct http_text method, target; /* the target raw, as it stood in the line */
	/* of a response */
	unsigned status;                 /* 100..599; 0 in a request */
	unsigned minor;                  /* HTTP/1.minor: 0 or 1 */
	bool chunked;                    /* the body comes in chunks */
	bool has_length;                 /* Content-Length was there: `length` */
	bool keep_alive;                 /* the connection may go on behind this message */
	bool expects_continue;           /* Expect: 100-continue */
	uint64_t length;
	size_t field_count;
	struct http_field fields[HTTP_FIELDS_MAX];
};

/* For the functions below. They are inline because the names asked for are constants: their lengths are known when this is compiled, and the
 * length alone tells most texts apart. */
bool http_bytes_match(const char *text, const char *word, size_t len); /* without regard to case */
const struct http_field *http_field_named(const struct http_head *head, const char *name, size_t len);
size_t http_field_count_named(const struct http_head *head, const char *name, size_t len);

/* ASCII without regard to case. */
static inline bool http_text_is(struct http_text text, const char *word)
{
	return text.len == strlen(word) && http_bytes_match(text.at, word, text.len);
}

/* Exactly. */
static inline bool http_text_equal(struct http_text text, const char *word)
{
	return text.len == strlen(word) && (text.len == 0 || memcmp(text.at, word, text.len) == 0);
}

/* The first field with this name, or NULL; how many have it. */
static inline const struct http_field *http_field_find(const struct http_head *head, const char *name)
{
	return http_field_named(head, name, strlen(name));
}

static inline size_t http_field_count(const struct http_head *head, const char *name)
{
	return http_field_count_named(head, name, strlen(name));
}

/* How many bytes at its beginning are a token (RFC 9110 5.6.2). */
size_t http_token_length(struct http_text text);

/* Takes the next element off a comma-separated list (RFC 9110 5.6.1): empty elements are passed over, commas in quoted strings are not
 * separators, white space around an element is not part of it. Returns false at the end. */
bool http_list_next(struct http_text *list, struct http_text *element);

/* Takes the next parameter (";name=value", RFC 9110 5.6.6) off the rest of an element. A quoted value is given without its quotes, escapes
 * still in it. Returns 1, 0 at the end, or -1 if what is left is no parameter. */
int http_parameter_next(struct http_text *rest, struct http_text *name, struct http_text *value) __attribute__((warn_unused_result));

/* The value of q of an element with parameters, in thousandths (RFC 9110 12.4.2): 1000 without one, -1 if malformed. */
int http_quality(struct http_text parameters);

/* Writers of a head. A value's bytes that a field must not hold (CR, LF, NUL, other controls, above 0x7e) are written as '?': no field of
 * ours can be split by what a device sent. The writer fails for a target with a byte that is no part of a URI, and for a status that has
 * not three digits. */
void http_write_request_line(struct writer *w, const char *method, struct http_text target);
void http_write_status_line(struct writer *w, unsigned status, const char *reason); /* reason NULL: the standard one */
void http_write_field(struct writer *w, const char *name, struct http_text value);
void http_write_field_text(struct writer *w, const char *name, const char *value);
void http_write_field_uint(struct writer *w, const char *name, uint64_t value);
void http_write_end(struct writer *w); /* the empty line */

/* The standard reason phrase, "" for an unknown status. */
const char *http_reason(unsigned status);

#endif
