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

#endif
