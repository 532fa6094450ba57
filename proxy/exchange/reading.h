/*
 * reading - what becomes of OSCORE messages on routes that read them (route.read): gates and taps.
 *
 * A gate's request waits in its exchange (EXCHANGE_READING), or in its errand where it came in blocks, until it is read; then it goes on
 * as if nothing had been, or is refused. Everything else is a tap: the message goes on first, and a copy of its option and payload is read
 * afterwards. Nothing that is read changes a message: what is forwarded are the bytes that came.
 *
 * What is known of the messages of one exchange lies in a struct reading, which may outlive it until everything asked is settled: then its
 * line of the access log is written. Exchanges of other routes cost one compare.
 */
#ifndef PROXY_EXCHANGE_READING_H
#define PROXY_EXCHANGE_READING_H

#include "proxy/exchange/proxy.h"
#include "translate/outer.h"

#define READING_LINE_PATIENCE (10 * CLOCK_SECOND) /* whose exchange is over and has no line then gets it without this */
#define READING_TAP_PATIENCE (1 * CLOCK_SECOND) /* a copy that is not read by then is missed */

struct errand;
struct reading;

/* Whether the messages of x are read. Of an errand its client's own exchange is. */
static inline bool reading_wants(const struct exchange *x)
{
	return x->oscore && x->route != NULL && x->route->read != NULL && !x->of_errand;
}

/* Whether the request r of x is part of one that must be whole before it is judged. */
bool reading_gathers(const struct exchange *x, const struct outer_request *r);

/* ---- gates ---- */

/* The request m of x is asked about, and kept; x is EXCHANGE_READING until forward_judged() is called. ERR_NONE, or why it cannot be
 * asked about: the caller refuses it. */
enum error reading_gate(struct proxy *p, struct exchange *x, const struct msg_view *m) __attribute__((warn_unused_result));

/* A refresh of the observation x was refused: what its origin says answers the request before it. */
void reading_refused_again(struct exchange *x);

/* The body of an errand is whole, and nobody has judged it: it is asked about; errand_judged() follows, perhaps before this returns,
 * unless x, which waits for its answer, ends before. `head`: the request; the body goes with it. */
void reading_gate_errand(struct proxy *p, struct errand *e, struct exchange *x, const struct msg_view *head, const uint8_t *body,
	size_t len);

/* Whether a gate still has to judge what d is about. */
bool reading_waits(const struct reading *d);

/* A request without payload asks for another block of an answer that belongs to a request which has passed (RFC 7959 2.7). */
bool reading_has_passed(const struct exchange *x, const struct msg_view *m);

/* ---- taps ---- */

/* Before the request m of x goes on: what will be read of it, held until reading_tap(); NULL without memory: it is missed. */
struct reading *reading_tap_begin(struct proxy *p, struct exchange *x, const struct msg_view *m);
/* It has gone on, and x may be gone: now its copy is read. `whole`: m is the whole request, else the last block of it. */
void reading_tap(struct reading *d, const struct msg_view *m, bool whole);

/* A block of a request's body, which is not the last; where all are seen, they are read together with that. */
void reading_tap_block(struct proxy *p, const struct exchange *x, const struct msg_view *m);

/* A request for a later block of an answer: that is read, when it is whole. Held until reading_followed(); NULL without memory. */
struct reading *reading_follow(struct proxy *p, struct exchange *x, const struct msg_view *m);
void reading_followed(struct reading *d);

/* The same of an errand's body, which is whole and on its way; x brought the end of it. Nothing where it was read otherwise. */
void reading_tap_body(struct exchange *x, const struct msg_view *head, const uint8_t *body, size_t len);

/* The work behind the inline functions below. */
void reading_expect_rest(struct exchange *x, const struct msg_view *m);
void reading_read_answer(struct exchange *x, const struct msg_view *m, bool notification);

/* The origin's answer m is about to be passed on to the client of x, who may ask for more of it before that returns. */
static inline void reading_before_answer(struct exchange *x, const struct msg_view *m)
{
	if (x->reading != NULL)
		reading_expect_rest(x, m);
}

/* The origin's answer m, or a notification, was passed on to the client of x. */
static inline void reading_answer(struct exchange *x, const struct msg_view *m, bool notification)
{
	if (x->reading != NULL)
		reading_read_answer(x, m, notification);
}

/* ---- life ---- */

/* The observation x goes on under another route, or another configuration. m: its request, or NULL: only what is read already goes on. */
void reading_renew(struct proxy *p, struct exchange *x, const struct msg_view *m);

/* x ends. */
void reading_end(struct exchange *x);

/* Takes the beginning of x's line of the access log (a copy), to write it when what follows is known. Returns false if it cannot. */
bool reading_keep_line(struct exchange *x, const char *text, size_t len);

/* The same for a requester's line, once his request is over: `reading` is what he has in its field. */
bool reading_keep_requesters_line(struct proxy *p, uint64_t reading, const char *text, size_t len);

/* Limits are those of p->conf from now on. */
void readings_renew(struct proxy *p);
uint32_t readings_count(const struct proxy *p);
void readings_destroy(struct proxy *p); /* lines that still wait are written */

#endif
