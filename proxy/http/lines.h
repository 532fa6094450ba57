/*
 * lines - the lines of an HTTP/1.1 message, within bounds: first lines (RFC 9112 3, 4), the form of a section of field lines (RFC
 * 9112 5) and of the line before a chunk (RFC 9112 7.1). Pure: no allocation.
 *
 * Where RFC 9112 lets a recipient be lenient this one is not, since two recipients that are lenient in different ways see
 * different messages in the same bytes (RFC 9112 11.2): a line ends with CRLF and neither byte stands alone, parts of a first
 * line are set apart by one space, no field line is folded, no white space stands before a colon, and nothing holds controls or
 * bytes above 0x7e.
 */
#ifndef PROXY_HTTP_LINES_H
#define PROXY_HTTP_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translate/http_message.h"

/* What is wrong with a message, by the status that a server answers it with. */
enum http_error {
	HTTP_OK,
	HTTP_BAD,              /* 400 */
	HTTP_LINE_TOO_LONG,    /* 414: the request target; for a response, its status line */
	HTTP_FIELDS_TOO_LARGE, /* 431: the fields, or how many they are */
	HTTP_VERSION,          /* 505 */
	HTTP_NOT_IMPLEMENTED,  /* 501: a transfer coding other than chunked; a method longer than any */
	HTTP_CUT,              /* the peer closed in the middle of the message */
	HTTP_NO_MEMORY,        /* 503 */
};

/* All in bytes, except the count. */
struct http_limits {
	uint32_t line;         /* the first line without its end */
	uint32_t fields_bytes; /* a section of field lines with all its ends; and all chunk extensions of a message together */
	uint32_t fields_count; /* at most HTTP_FIELDS_MAX, whatever stands here */
	uint32_t chunk_line;   /* size and extensions of one chunk, without the line's end */
};

enum { HTTP_METHOD_MAX = 32 };

/* A line that comes in pieces. Begin with all zero. */
struct http_line {
	uint32_t len; /* without its end */
	bool after_cr, ended;
	enum http_error error; /* HTTP_BAD, or HTTP_LINE_TOO_LONG above the limit */
	const char *why;
};

/* Reads on; returns how many bytes belong to the line. It is over if `ended`, or if there is an error. */
size_t http_line_read(struct http_line *l, uint32_t limit, const uint8_t *bytes, size_t len);

/* A section of field lines with the empty line behind it, which comes in pieces. Begin with all zero. */
struct http_section {
	uint32_t bytes, count;
	unsigned place; /* where in a line, see lines.c */
	bool ended;
	enum http_error error;
	const char *why;
};

size_t http_section_read(struct http_section *s, const struct http_limits *limits, const uint8_t *bytes, size_t len);

/* Takes a request line apart, given without its end: method, target and minor of the head, which then view it. HTTP_OK, or what is
 * wrong and `why` in a few words. The target is kept as it is: it is one of the four forms of RFC 9112 3.2 by its first byte, and
 * has no fragment. */
enum http_error http_request_line_parse(struct http_head *head, struct http_text line, const char **why)
	__attribute__((warn_unused_result));

/* The same for a status line: status (100..599) and minor. The reason phrase is not kept. */
enum http_error http_status_line_parse(struct http_head *head, struct http_text line, const char **why)
	__attribute__((warn_unused_result));

/* Absolute-form: begins with a scheme and a colon (RFC 9112 3.2.2). */
bool http_target_is_absolute(struct http_text target);

#endif
