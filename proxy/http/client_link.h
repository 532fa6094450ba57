/*
 * client_link - the connections to HTTP origins: what client.c (asks and their queues) and client_link.c (bytes) share.
 *
 * A link belongs to the pool of its origin and carries one ask at a time. An ask is owned by client.c; it has a link, or it waits in its
 * pool's queue.
 */
#ifndef PROXY_HTTP_CLIENT_LINK_H
#define PROXY_HTTP_CLIENT_LINK_H

#include <event2/bufferevent.h>
#include <event2/buffer.h>

#include "base/wheel.h"
#include "proxy/exchange/blocks.h"
#include "proxy/exchange/proxy.h"
#include "proxy/http/client.h"
#include "proxy/http/parse.h"

struct http_pool {
	struct http_pool *next;
	struct http_origin to;
	struct http_link *links;
	unsigned count;                 /* of links */
	unsigned asks;                  /* all that name this pool */
	struct http_ask *first, *last;  /* waiting for a link */
	unsigned waiting;
};

struct http_link {
	struct http_pool *pool;
	struct http_link *next, *previous; /* of the pool; the last used comes first */
	struct bufferevent *bev;
	struct http_parser *parser;    /* while there is an ask */
	struct http_ask *ask;          /* NULL: idle */
	struct wheel_timer timer;      /* connecting, or idle */
	bool connected;
	bool reused;                   /* it has carried an answer before */
	bool reading;                  /* link_read() is at work */
	bool doomed;                   /* it is closed as soon as that returns */
	bool stale;                    /* it was verified by certificates that are no longer in force */
	bool ended, clean;             /* nothing more will come; it was said so by the other end */
};

struct http_ask {
	struct http_pool *pool;
	struct http_link *link;        /* NULL: it waits */
	struct http_ask *next;         /* in the queue */
	const struct http_ask_calls *calls;
	void *owner;
	struct wheel_timer timer;
	struct evbuffer *waiting_body; /* what was given of it before there was a link, or NULL */
	uint64_t timeout, body_size, body_given;
	bool safe, is_head;
	bool body_done;                /* all of it was given */
	bool body_unwanted;            /* the answer is there, and refuses */
	bool resent, head_told;
	bool until_close;              /* the answer's body ends with the connection */
	bool keep_alive;               /* as the answer says */
	enum error failure;            /* not ERR_NONE: it ends so at the next turn */
	size_t head_len;
	uint8_t head[];                /* with its framing field and the empty line */
};

/* ---- client.c ---- */

struct proxy *client_proxy(void);
struct event_base *client_base(void);

/* Sets or stops the timer of an ask by what it waits for. */
void ask_watch(struct http_ask *a);
/* Detaches it from its link and tells its owner; *a is gone. */
void ask_end(struct http_ask *a, enum error e);
/* Its link was closed before the first byte of the answer: it is sent once more. */
void ask_again(struct http_ask *a);
/* A link of the pool is free, or there may be one less. */
void pool_serve(struct http_pool *pool);

/* ---- client_link.c ---- */

/* A new one that connects, or NULL. */
struct http_link *link_open(struct http_pool *pool);
/* Closes it; it has no ask. */
void link_close(struct http_link *l);
bool link_is_idle(const struct http_link *l);
/* Sends an ask over it. Returns -1 without memory; it is closed then. */
int link_carry(struct http_link *l, struct http_ask *a);
/* Goes on reading: there may be room again. */
void link_read(struct http_link *l);
/* Bytes of the request that have not left. */
size_t link_unsent(const struct http_link *l);
/* A piece of the request's body as it goes over the wire. */
void ask_write_body(struct http_ask *a, struct evbuffer *out, const uint8_t *bytes, size_t len, bool last);

#endif
