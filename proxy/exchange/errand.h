/*
 * errand - a request to an origin that does not take it as it comes, or an answer that its client does not: carried out by as many exchanges
 * of the client as it takes. The block layer towards clients (RFC 7959 2, 5; RFC 8323 6; RFC 8613 4.1.3.4.2).
 *
 * The blocks of the request's body are gathered up to ERRAND_GATHERED bytes, then go on as a stream; the 2.31 to a block is held back until
 * the next one has room. The answer's body comes as a stream into a window, from which the client takes a block with each request; it moves
 * on with him. How an errand is carried to its origin is not known here (struct errand_carrier). An answer that came in one message too large
 * for the client is an errand that has its answer already (errand_keep()).
 *
 * An errand is found again by its client, its target, Accept, Request-Tag and, under OSCORE, the OSCORE option: blocks that follow repeat it,
 * also where they have no payload any more.
 */
#ifndef PROXY_EXCHANGE_ERRAND_H
#define PROXY_EXCHANGE_ERRAND_H

#include "proxy/exchange/proxy.h"
#include "translate/outer.h"

#define ERRAND_SIZE_UNKNOWN UINT64_MAX

struct errand;

/* What an errand asks. All is borrowed until errand_carrier.begin() returns. */
struct errand_request {
	const struct msg_view *m;       /* head as it would leave: Uri-* of the target; blocks and payload are not for the carrier */
	enum uri_scheme scheme;
	struct endpoint address;        /* resolved and allowed */
	struct uri_part host;           /* of the origin, without brackets: where Uri-Host says nothing, and who it must prove to be */
	uint64_t size;                  /* of the body; ERRAND_SIZE_UNKNOWN: it ends when it ends */
	struct snapshot *conf;
	const struct route *route;
	const struct errand_carrier *carrier; /* NULL: the proxy's, for its schemes */
};

/* How errands get to their origins. Nobody is called back before room() and leave() return; within the others what is told below may be
 * told. After each of these calls the errand may be gone. */
struct errand_carrier {
	uint32_t schemes;               /* bit: an enum uri_scheme it carries */
	bool announces;                 /* the origin is told how long the body is, so it must not turn out to be another length */
	/* Begins. ERR_NONE, and errand_set_carried() was called before anything was told; or why not, and that is all. */
	enum error (*begin)(struct errand *e, const struct errand_request *r);
	/* How many bytes of the request's body it takes now; takes them (borrowed). */
	size_t (*room)(const struct errand *e);
	void (*body)(struct errand *e, const uint8_t *bytes, size_t len, bool last);
	/* There is room for more of the answer. */
	void (*more)(struct errand *e);
	/* The errand wants nothing more and is called no more. */
	void (*leave)(struct errand *e);
};

/* ---- what a carrier tells ---- */

void errand_set_carried(struct errand *e, void *carried);
void *errand_carried(const struct errand *e);
/* The answer's head: a CoAP response as a datagram without payload (borrowed). size: of its body, or ERRAND_SIZE_UNKNOWN. `last`: there is none,
 * and nothing more is told: the carrier's state is no longer the errand's. */
void errand_head(struct errand *e, const uint8_t *bytes, size_t len, uint64_t size, bool last);
/* A piece of its body, no longer than errand_room(). */
void errand_data(struct errand *e, const uint8_t *bytes, size_t len);
size_t errand_room(struct errand *e);
/* There is room for more of the request's body. */
void errand_writable(struct errand *e);
/* The origin is at work on it: who waits waits on for as long as his route lets him. */
void errand_progress(struct errand *e);
/* It is over: ERR_NONE if the answer is whole, else why not. The carrier's state is gone; the errand may be. */
void errand_end(struct errand *e, enum error error);

/* ---- what forward.c asks ---- */

/* What is known of a request that belongs to an errand, or begins one. */
struct errand_ask {
	const struct msg_view *m;       /* the client's message */
	const struct outer_request *r;
	uint64_t key;                   /* hash of what it is found by */
};

bool errand_is_carried(const struct proxy *p, enum uri_scheme scheme);

/* Of what a request has in common with those that go on with its blocks; `resource`: hash of its target. */
uint64_t errand_key(const struct proxy *p, const struct client *c, const struct msg_view *m, uint64_t resource);

/* Whether the client has an errand of this key. */
bool errand_is_known(const struct proxy *p, const struct client *c, uint64_t key);

/* Takes x into an errand that is under way, if it belongs to one. False: it begins another. On true x is answered and gone, or it waits. */
bool errand_continue(struct proxy *p, struct exchange *x, const struct errand_ask *ask);

/* x begins an errand; its state is EXCHANGE_SERVED then, its deadline set. `what`: all but size, conf and route. ERR_NONE, or why not: the caller ends
 * the exchange. */
enum error errand_begin(struct proxy *p, struct exchange *x, const struct errand_ask *ask, const struct errand_request *what)
	__attribute__((warn_unused_result));

/* An answer that is here: its body is given to whoever asks for more of it. All is borrowed. */
struct errand_answer {
	const struct msg_view *head; /* as each block is to have it: without payload and block options */
	uint64_t from;               /* where in the body `bytes` begin */
	const uint8_t *bytes;
	size_t len;
	uint64_t size;               /* of the body, or ERRAND_SIZE_UNKNOWN */
	bool rest;                   /* the origin has more of it, of which it is to be asked */
};

/* Keeps an answer to x, of which its client has been, or will be, given a part: x itself is not the errand's. What was kept under that key before
 * goes. Returns 0, or -1 without room. */
int errand_keep(struct proxy *p, const struct exchange *x, uint64_t key, const struct errand_answer *a) __attribute__((warn_unused_result));

/* x ends without an answer out of its errand. */
void errand_forget(struct exchange *x);

/* The endpoint of its origin. */
const struct endpoint *errand_peer(const struct errand *e);

/* The client has gone for good: what is kept for him goes, what is under way is given up. None of his exchanges waits for it any more, or what
 * he is told does not reach him. */
void errands_leave(struct proxy *p, const struct client *c);

/* A gate has judged the body that was gathered (reading.h): it goes on, or nobody gets anything but that error. The errand may be gone. */
void errand_judged(struct errand *e, enum error error);

void errands_destroy(struct proxy *p); /* accepts that there are none */

#endif
