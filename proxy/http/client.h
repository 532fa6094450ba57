/*
 * client - HTTP/1.1 towards origins: a pool of connections for each worker, kept alive, http and https (RFC 9110, RFC 9112).
 *
 * No request is sent twice, except a GET or HEAD on a reused connection that was closed before the first byte of the answer.
 */
#ifndef PROXY_HTTP_CLIENT_H
#define PROXY_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "base/errors.h"
#include "translate/http_message.h"

struct event_base;
struct proxy;
struct http_ask;

int http_client_open(struct event_base *base, struct proxy *p);
void http_client_close(void);
/* A new configuration is in force: the certificates that origins are verified by. */
void http_client_configure(void);

/* Where a request goes. */
struct http_origin {
	struct endpoint address;  /* already resolved and allowed */
	bool secure;
	char host[256];           /* for SNI, verification; without brackets */
};

/* What the owner is told. Each ask ends in exactly one `end`, after which it is gone. */
struct http_ask_calls {
	/* The final head (1xx are passed over). Valid until return. */
	void (*head)(void *owner, const struct http_head *head);
	/* A piece of body. Reading stops while room() is 0; http_ask_continue() resumes. */
	void (*data)(void *owner, const uint8_t *bytes, size_t len);
	size_t (*room)(void *owner);
	/* There is room for more of the request's body (http_ask_body()). */
	void (*writable)(void *owner);
	/* ERR_NONE: the answer is whole; ERR_ORIGIN_TIMEOUT, ERR_BAD_RESPONSE (not understood, or cut), ERR_UNREACHABLE (no connection),
	 * ERR_OVERLOAD. */
	void (*end)(void *owner, enum error e);
};

/* Sends a request: `head` is request line and fields, complete but for the framing fields and the empty line. body_size: 0 none,
 * HTTP_BODY_UNKNOWN chunked. timeout: microseconds until the answer's head, and between two pieces of its body. safe: GET or HEAD. Returns NULL
 * (and calls nothing) without memory. */
#define HTTP_BODY_UNKNOWN UINT64_MAX
struct http_ask *http_ask_begin(const struct http_origin *to, const uint8_t *head, size_t len, uint64_t body_size, bool safe,
	bool is_head, uint64_t timeout, const struct http_ask_calls *calls, void *owner);
void http_ask_body(struct http_ask *a, const uint8_t *bytes, size_t len, bool last);
size_t http_ask_room(const struct http_ask *a); /* bytes of request body that are taken now */
void http_ask_continue(struct http_ask *a);
/* The owner wants nothing more and is called no more; the connection is closed if the exchange is not over. */
void http_ask_leave(struct http_ask *a);

#endif
