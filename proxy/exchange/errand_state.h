/*
 * errand_state - what errand.c (its life), errand_upload.c (Block1) and errand_answer.c (Block2) share.
 */
#ifndef PROXY_EXCHANGE_ERRAND_STATE_H
#define PROXY_EXCHANGE_ERRAND_STATE_H

#include "proxy/exchange/errand.h"

enum {
	ERRAND_BLOCK = OPT_BLOCK_LARGEST, /* the largest of a datagram */
	ERRAND_BERT = MSG_MAX - ERRAND_BLOCK, /* the largest of a reliable transport */
	ERRAND_GATHERED = 49152,  /* bytes of a request's body that are held to know its length */
	ERRAND_WINDOW = 49152,    /* bytes of an answer's body that are held; with what a carrier has read ahead, at most 64 kB */
	ERRAND_TAG = 4,           /* bytes of an ETag of our own */
};

/* Bytes of a body from `offset` on. */
struct window {
	uint8_t *bytes;
	size_t len, capacity;
	uint64_t offset;
};

struct errand {
	struct table_links links;
	uint64_t key;
	struct proxy *proxy;
	struct client *client;
	struct local_address local;    /* that he asked */
	struct snapshot *conf;         /* kept: `route` is of it */
	const struct route *route;
	struct wheel_timer timer;
	struct exchange *first, *last; /* those of its client that wait for something of it */
	uint8_t method;
	bool listed;                   /* it can be found: no newer request has its key */
	bool running, dead;            /* run() of errand.c is at work; it is freed when that returns */
	bool oscore;
	void *carried;                 /* the carrier's; NULL: not begun, or over */
	const struct errand_carrier *own_carrier; /* NULL: the proxy's */
	/* the request */
	struct buffer head;            /* until it is begun */
	enum uri_scheme scheme;
	struct endpoint peer;
	char host[URI_HOST_MAX + 1];
	struct window body;            /* what the carrier has not got */
	uint64_t received, announced;  /* announced: to the origin */
	uint64_t size1;                /* 0: unknown */
	uint32_t content_format;       /* UINT32_MAX: none */
	bool unread;                   /* a gate has not judged it: it begins when it is whole, and that is done */
	bool begun, uploaded, fed;     /* uploaded: its last block is here; fed: the carrier has it */
	/* the answer */
	struct buffer answer;          /* its head */
	bool answered, ended;          /* its head is here; nothing more comes of it */
	bool rest;                     /* nor will it end here: the origin is to be asked for what follows */
	enum error error;              /* why not, where it is not whole */
	struct window window;
	uint64_t size;
	uint64_t answered_at;
	uint64_t asked;                /* where the block begins that was asked for last */
	bool hungry;                   /* another one is wanted: there may be room for more */
	uint8_t tag[ERRAND_TAG];       /* an ETag where the origin has none */
	bool untagged;                 /* none: the beginning has been told, as it came */
};

/* ---- errand_table.c ---- */

/* A new one of this client, or NULL with the reason. One that nobody waits for may go for it. */
struct errand *errand_new(struct proxy *p, const struct client *c, enum error *error);
/* Frees it, or sees to it that run() of errand.c does. Nobody waits for it. */
void errand_release(struct errand *e);
/* The one of this client with this key, or NULL. */
struct errand *errand_find(const struct proxy *p, const struct client *c, uint64_t key);
void errand_list(struct errand *e);   /* from now on it is found */
void errand_unlist(struct errand *e); /* no more; who waits is still served */
void errand_touch(struct errand *e);  /* it is used now */
void errand_leave_carrier(struct errand *e);
/* NULL: it has gone. */
const struct errand_carrier *errand_carrier_of(const struct errand *e);
bool errands_are_short(const struct proxy *p); /* of memory */

/* Appends; the caller has looked at the room. Returns 0, or -1 without memory. */
int window_add(struct errand *e, struct window *w, const uint8_t *bytes, size_t len);
/* Gives up what lies before `offset`. */
void window_forget(struct errand *e, struct window *w, uint64_t offset);

/* ---- errand.c ---- */

/* Takes x off the errand and refuses it. */
void errand_refuse(struct errand *e, struct exchange *x, enum error error);
/* Takes x off those that wait: it is being answered. The logs still find its origin by it. */
void errand_detach(struct errand *e, struct exchange *x);
/* x, which was taken off, has its answer, and ends. */
void errand_answered(struct exchange *x);
/* It will not come to an end: who waits is told so, nobody finds it any more. */
void errand_fail(struct errand *e, enum error error);
uint64_t errand_body_limit(const struct errand *e);

/* ---- errand_upload.c ---- */

/* x brings a block, or all, of the request's body. ERR_NONE, or why it does not count. */
enum error errand_upload(struct errand *e, struct exchange *x, const struct errand_ask *ask);
/* Hands on what there is of the body, and tells x (which waits for the next block to be wanted) to go on. Returns whether x was answered. */
bool errand_upload_step(struct errand *e, struct exchange *x);
/* Begins at the origin as soon as enough is known, and gives it what it takes. */
void errand_feed(struct errand *e);

/* ---- errand_answer.c ---- */

/* Where in the body the block that x asks for begins. */
uint64_t errand_wanted(const struct exchange *x);
/* Answers x if what it asks for is there. Returns whether it was answered. */
bool errand_answer_step(struct errand *e, struct exchange *x);

#endif
