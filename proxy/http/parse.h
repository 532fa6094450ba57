/*
 * parse - HTTP/1.1 messages of one direction of a connection, read as they come (RFC 9112). No I/O, no clock.
 *
 * The first line, and the form of every other line, is read by lines.c; llhttp, which is given a neutral first line, splits the
 * fields and reads the body; framing.c decides what they mean. What the three do not agree on is refused.
 *
 * Memory: a parser holds one head, in a buffer that grows with it up to the limits, and no body. It is freed when its connection
 * is idle.
 */
#ifndef PROXY_HTTP_PARSE_H
#define PROXY_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/http/lines.h"
#include "translate/http_message.h"

enum http_event {
	HTTP_MORE,  /* all bytes were taken and more are wanted */
	HTTP_HEAD,  /* the head is complete: http_parser_head() */
	HTTP_BODY,  /* a piece of the body: *body, a view of the bytes given */
	HTTP_END,   /* the message is complete */
	HTTP_ERROR, /* http_parser_error(), and nothing more can be read */
};

struct http_parser;

/* For requests, or for responses. Copies the limits. NULL without memory. */
struct http_parser *http_parser_new(bool response, const struct http_limits *limits);
void http_parser_free(struct http_parser *p); /* NULL does nothing */

/* The next response answers this kind of request: one to HEAD has no body. Before its first byte. */
void http_parser_expect(struct http_parser *p, bool head_request);

/* Reads on. *used bytes were taken, up to the first event; call again with the rest, also if there is none, until HTTP_MORE or
 * what ends the message. Which events come, and the bytes of all pieces together, do not depend on how the input is cut. A message
 * without body has HTTP_HEAD and HTTP_END. Responses 1xx are passed over, a bounded number of them (101 is an error). Chunk
 * extensions and trailers are checked, bounded and dropped. One empty line is passed over before a request. HTTP_END and
 * HTTP_ERROR come again for each further call. */
enum http_event http_parser_read(struct http_parser *p, const uint8_t *bytes, size_t len, size_t *used, struct http_text *body);

/* Has a byte of the message come? An empty line before a request is none of it. */
bool http_parser_has_begun(const struct http_parser *p);

/* The peer closed. HTTP_END if the message is complete or ends with the connection, else HTTP_ERROR (HTTP_CUT, or the error there
 * was). */
enum http_event http_parser_close(struct http_parser *p);

/* Behind HTTP_HEAD: the head, valid until http_parser_next() or http_parser_free(). It views the parser's memory. */
const struct http_head *http_parser_head(const struct http_parser *p);

enum http_error http_parser_error(const struct http_parser *p);
const char *http_parser_why(const struct http_parser *p); /* what was found, in a few words; "" without an error */

/* Behind HTTP_END: the next message of the connection. */
void http_parser_next(struct http_parser *p);

#endif
