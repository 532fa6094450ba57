/*
 * framing - what the fields of a head say about the message itself: where its body ends and whether the connection goes on behind
 * it (RFC 9112 3.2, 6, 9.3; RFC 9110 8.6, 10.1.1). Pure.
 *
 * A head whose framing could be read in two ways is refused, not repaired (RFC 9112 6.3, 11.2).
 */
#ifndef PROXY_HTTP_FRAMING_H
#define PROXY_HTTP_FRAMING_H

#include "proxy/http/lines.h"

enum http_body_kind {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,      /* head->length bytes, at least one */
	HTTP_BODY_CHUNKED,
	HTTP_BODY_UNTIL_CLOSE, /* of a response */
};

/* Fills chunked, has_length, length, keep_alive and expects_continue of a head whose first line and fields are there (status 0: a
 * request). answers_head: the response is one to HEAD, so has no body whatever it says. Returns HTTP_OK and the kind of body, or
 *
 *   HTTP_BAD              Host of a request: not there (HTTP/1.1), twice, not a host and port;
 *                         Content-Length: twice, no number, above 2^63-1, beside Transfer-Encoding;
 *                         Transfer-Encoding: in HTTP/1.0, without chunked at its end, with chunked twice;
 *                         a body by either of them in 1xx and 204; 101; Connection names the OSCORE field
 *   HTTP_NOT_IMPLEMENTED  another transfer coding before chunked
 *
 * with `why` in a few words. */
enum http_error http_framing_read(struct http_head *head, bool answers_head, enum http_body_kind *body, const char **why)
	__attribute__((warn_unused_result));

#endif
