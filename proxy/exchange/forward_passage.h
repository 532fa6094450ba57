/*
 * forward_passage - one request between its decision and its origin. Private to forward*.c.
 */
#ifndef PROXY_EXCHANGE_FORWARD_PASSAGE_H
#define PROXY_EXCHANGE_FORWARD_PASSAGE_H

#include "proxy/exchange/forward.h"
#include "proxy/exchange/hop.h"

/* What a request is turned into on its way; lives on the stack of one decision. */
struct passage {
	struct proxy *p;
	struct exchange *x;
	const struct msg_view *m;
	const struct outer_request *r;
	struct hop hop;              /* what its origin takes, once that is known */
	struct target target;
	bool asks_client;             /* the origin is a client of ours (sessions.h): this one */
	struct endpoint client;
};

void passage_begin(struct passage *g, struct proxy *p, struct exchange *x, const struct msg_view *m, const struct outer_request *r);
/* Reads the target; `address`: the one asked. Returns false with the reason why it cannot be. */
bool passage_read(struct passage *g, const struct endpoint *address, enum error *e);

/* Answers with an error and ends the exchange. */
void passage_refuse(struct proxy *p, struct exchange *x, enum error e, uint16_t offender);

/* What policy says of an address; `to`: the origin of the route whose it is, or NULL; `configured`: it stands there as it is. */
enum error passage_check_address(const struct passage *g, const struct origin_conf *to, const struct endpoint *address, bool configured);
/* Whether the origin at it failed lately. */
bool passage_rests(const struct passage *g, const struct endpoint *address, const struct origin_conf *to);
/* Sends the request there. The exchange may be gone afterwards: it was refused. */
void passage_pass(struct passage *g, const struct endpoint *address, const struct origin_conf *to, bool configured);

/* The origins that the route of x has for it; none: the request names its own. */
const struct origin_conf *passage_origins(const struct exchange *x, bool forward, size_t *count);
/* Finds an address and passes the request there, now or when a name server has answered; or refuses it. */
void passage_find_origin(struct passage *g);


/* What follows once the request was decided about: it belongs to an errand, or begins to find its origin. */
void passage_go_on(struct passage *g);
/* Whether it belongs to an errand, and has found its place there: it may be gone. */
bool passage_continue(struct passage *g);
/* The same of a request that refreshes or cancels an observation. */
void passage_go_again(struct passage *g);

/* The request of x again, from the bytes that were kept of it, decided as it was. Returns false if it
 * cannot be read. */
bool passage_again(struct passage *g, struct proxy *p, struct exchange *x, const struct buffer *message, struct msg_view *m,
	struct outer_request *r);

/* ---- forward_read.c ---- */

/* Its route reads it: a gate's request waits or is refused, a tap's goes on and is read. */
void passage_be_read(struct passage *g);
void passage_be_read_again(struct passage *g);

#endif
