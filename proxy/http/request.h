/*
 * request - one request of an HTTP client on its way to a CoAP device: what request.c, reply.c, events.c and poll.c share.
 *
 * The connection hands over a head (connection.h); the route is found, the head becomes a CoAP request, and the block layer carries both
 * bodies (exchange/blocks.h). What the client gets is decided by the kind of the request: an answer (request.c), a stream of events
 * (events.c) or the next change (poll.c).
 */
#ifndef PROXY_HTTP_REQUEST_H
#define PROXY_HTTP_REQUEST_H

#include "base/wheel.h"
#include "proxy/exchange/blocks.h"
#include "proxy/http/connection.h"
#include "proxy/http/identity.h"
#include "translate/map_etag.h"
#include "translate/map_request.h"

enum { REQUEST_ORIGIN_MAX = 256 /* bytes of an Origin field that is answered by name */ };

struct events; /* events.c */
struct http_question;

struct http_request {
	struct transfer transfer;       /* at the beginning: calls get it by a cast */
	struct http_connection *connection;
	struct proxy *proxy;
	struct snapshot *conf;          /* kept: the one that `route` is of */
	const struct route *route;      /* NULL: none took it */
	struct endpoint client;         /* who asked, behind proxies that are trusted */
	struct credential_proof proof;  /* of the name */
	struct http_text method, target; /* in `text` */
	struct http_text host;
	uint8_t *head;                  /* the CoAP request: in `text` behind the others, or allocated */
	size_t head_len, text_len;      /* text_len: without it */
	size_t accept;                  /* which of mapping.accepts is asked for */
	uint64_t arrived_at, body_taken, answer_bytes;
	uint64_t body_limit, body_size;
	unsigned status;                /* what was answered; 0: nothing yet */
	uint8_t code;                   /* the CoAP code behind it; 0: none */
	bool transferring;              /* `transfer` is under way */
	bool retry;                     /* the answer is not for the client: the next Accept is tried */
	bool mute;                      /* the answer's body has left with its head, or is not for the client */
	bool truncated;                 /* it was cut off behind its head */
	bool waiting;                   /* poll.c: the client has what there is */
	bool applied;                   /* the answer is one that was waited for */
	bool pooled;                    /* request.c: its memory is of the common size */
	bool *finished;                 /* set when the request ends within http_request_begin() */
	struct http_request *next_ready, **ready_link; /* request.c; ready_link NULL: it is not among them */
	struct events *events;          /* events.c */
	struct wheel_timer timer;       /* events.c, poll.c */
	struct etag tag;                /* poll.c: of what the client has */
	char last_event[32];            /* events.c: Last-Event-ID */
	/* What comes last is large, and is not cleared for every request. */
	struct request_mapping mapping;
	char name[IDENTITY_MAX];        /* "": nobody */
	char cors[REQUEST_ORIGIN_MAX];  /* the value of Access-Control-Allow-Origin; "": none */
	char text[];
};

static inline struct http_request *request_of(struct transfer *t)
{
	return (struct http_request *)(void *)t;
}

/* ---- request.c ---- */

/* Begins (again) to ask the device, by the calls of its kind. observe: as an observer. */
void request_transfer(struct http_request *r, const struct transfer_calls *calls, bool observe);

/* The parts of a transfer that are the same for all kinds. */
size_t request_body(struct transfer *t, uint64_t offset, uint8_t *bytes, size_t room, bool *last);
void request_body_taken(struct transfer *t, uint64_t offset);
size_t request_room(struct transfer *t);
const struct route *request_decide(struct transfer *t, struct snapshot *conf);

/* What a decision about it looks at, under any configuration that has its listener. */
void request_fill_question(const struct http_request *r, const struct snapshot *conf, struct http_question *q);

/* The URI that it asks for, out of the CoAP request; false for the null mapping, or before it is known. */
bool request_target(const struct http_request *r, char text[URI_MAX + 1], struct uri *target);

/* Asks for a plain answer: head, data, end. */
void request_plain(struct http_request *r);
void request_answer_head(struct transfer *t, const struct msg_view *m, enum error e, uint64_t size, bool notification);
void request_answer_data(struct transfer *t, const uint8_t *bytes, size_t len);
void request_answer_end(struct transfer *t, enum error e, bool more);

/* The answer is complete (cut: as far as it came), or there is none to be given any more: *r is gone. */
void request_finish(struct http_request *r, bool cut);

/* ---- reply.c ---- */

/* Sends the head of an answer: of the device (e ERR_NONE) or of the gateway. size: of its body, or HTTP_LENGTH_UNKNOWN. extra: further fields, or
 * NULL. */
void reply_head(struct http_request *r, const struct msg_view *m, enum error e, uint64_t size, const char *extra);

/* A whole answer of the gateway's own: status, a text for a person, further fields ("Name: value\r\n"...) or NULL. The request is not finished
 * by it. */
void reply_status(struct http_request *r, unsigned status, const char *text, const char *extra);
/* The same, counted and logged as e. */
void reply_refused(struct http_request *r, unsigned status, const char *text, const char *extra, enum error e);
/* The head of an answer that goes on until it is finished. */
void reply_stream(struct http_request *r, const char *type, const char *extra);
/* A whole answer for a row of the table of errors, which it is counted and logged by. */
void reply_error(struct http_request *r, enum error e);
/* A whole answer with content. */
void reply_content(struct http_request *r, unsigned status, const char *type, const void *body, size_t len, const char *extra);

/* ---- events.c: Accept: text/event-stream ---- */

void events_begin(struct http_request *r, const struct http_head *head);
void events_writable(struct http_request *r);
void events_forget(struct http_request *r); /* frees what is its */

/* ---- poll.c: Prefer: wait= ---- */

void poll_begin(struct http_request *r);
/* Nothing is waited for any more: the client gets what there is, or is told that it has that. */
void poll_end(struct http_request *r);

#endif
