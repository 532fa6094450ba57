/*
 * client - HTTP/1.1 towards origins: a pool of connections for each worker, kept alive, http and https (RFC 9110, RFC 9112).
 *
 * No request is sent twice, except a GET or HEAD on a reused connection that was closed before the first byte of the answer; then
 * once more, on a fresh one.
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

/* Limits and times are those of the configuration in force (p->conf), timers run on p->wheel. Returns 0. */
int http_client_open(struct event_base *base, struct proxy *p);
/* Closes everything; asks under way are gone without an end. */
void http_client_close(void);
/* A new configuration is in force: its limits, and the certificates that origins are verified by. Connections that were verified by the
 * old ones end behind the answer under way. */
void http_client_configure(void);

enum { HTTP_HOST_MAX = 256 };

/* Where a request goes. */
struct http_origin {
	struct endpoint address;  /* already resolved and allowed */
	bool secure;
	char host[HTTP_HOST_MAX]; /* for SNI, verification; without brackets */
};

/* What the owner is told, never before the function that he called returns, except that http_ask_continue() may call head, data, room and
 * end. Each ask ends in exactly one `end`, after which it is gone. */
struct http_ask_calls {
	/* The final head (1xx are passed over). Valid until return. */
	void (*head)(void *owner, const struct http_head *head);
	/* A piece of body, never more than room() said. Reading stops while room() is 0; http_ask_continue() resumes. */
	void (*data)(void *owner, const uint8_t *bytes, size_t len);
	size_t (*room)(void *owner);
	/* There is room for more of the request's body (http_ask_body()). */
	void (*writable)(void *owner);
	/* ERR_NONE: the answer is whole; ERR_ORIGIN_TIMEOUT, ERR_BAD_RESPONSE (not understood, cut, or none: what became of the request is not
	 * known), ERR_UNREACHABLE (no connection), ERR_OVERLOAD. */
	void (*end)(void *owner, enum error e);
};

#define HTTP_BODY_UNKNOWN UINT64_MAX

struct http_request_plan {
	struct http_origin to;
	const uint8_t *head;   /* request line and fields, complete but for the framing fields and the empty line; copied */
	size_t head_len;
	uint64_t body_size;    /* 0: none; HTTP_BODY_UNKNOWN: it goes in chunks */
	uint64_t timeout;      /* microseconds until the answer's head, from when the request was written; between two pieces of its body */
	bool safe;             /* GET or HEAD, without a body: may be sent again */
	bool is_head;
};

/* Sends a request, at once or when a connection is free. Returns NULL without memory. */
struct http_ask *http_ask_begin(const struct http_request_plan *plan, const struct http_ask_calls *calls, void *owner);
/* More of the body; `last`: all of it, as much as was announced. What the answer no longer needs (it came early, and refuses) is dropped. */
void http_ask_body(struct http_ask *a, const uint8_t *bytes, size_t len, bool last);
size_t http_ask_room(const struct http_ask *a); /* bytes of request body that are taken now */
void http_ask_continue(struct http_ask *a);
/* The owner wants nothing more and is called no more; the connection is closed, so that nobody takes a body for whole. */
void http_ask_leave(struct http_ask *a);

#endif
