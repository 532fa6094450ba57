/*
 * crossing - an exchange whose client and whose origin belong to different workers: each side has half of it.
 *
 * The client's half (duplicates, Empty ACK, answer, notifications) lives where the request came in, the origin's half (window,
 * Message ID, retransmission, token) in the origin's home. They speak by records in the rings of the house: a request goes home as
 * the datagram that will leave, what the origin says comes back as it came, and the end of either half ends the other. A half belongs
 * to one incarnation of the other's worker; with that worker's death it completes what is owed.
 *
 * Both halves are a struct exchange with `crossing` set. The origin's half has a client that stands in for the real one.
 */
#ifndef PROXY_EXCHANGE_CROSSING_H
#define PROXY_EXCHANGE_CROSSING_H

#include "proxy/exchange/proxy.h"

struct crossings;

/* Attaches to the rings of p->house; NULL for a single worker. Returns 0, or -1 without memory. */
int crossings_create(struct proxy *p);
void crossings_destroy(struct proxy *p);

/* ---- once a turn ---- */

/* Takes what other workers have sent, and notices those that died. Returns true if there was anything. */
bool crossing_receive(struct proxy *p);
/* Makes visible what this turn put in, and wakes whom it is for. */
void crossing_publish(struct proxy *p);
/* Before the loop sleeps: false if something has come meanwhile. From then on others wake this worker through house->wake. */
bool crossing_may_sleep(struct proxy *p);
void crossing_awake(struct proxy *p);
/* True if records are not published yet, or wait for room. */
bool crossing_is_behind(const struct proxy *p);
/* True if records wait to be received, or a session has begun that somebody may wait for (the steered loop asks). */
bool crossing_is_readable(struct proxy *p);

/* ---- the client's half ---- */

/* Sends the datagram (its token is written by the home) for x to its home. x is then EXCHANGE_CROSSED. Returns ERR_NONE, or
 * ERR_OVERLOAD if the ring is full. */
enum error crossing_request(struct proxy *p, struct exchange *x, unsigned home, const struct endpoint *origin,
	const struct edge_credentials *c, const uint8_t *bytes, size_t len) __attribute__((warn_unused_result));
/* A refresh or cancel of an observation, in the same exchange. */
enum error crossing_request_again(struct proxy *p, struct exchange *x, const uint8_t *bytes, size_t len)
	__attribute__((warn_unused_result));
/* A confirmable notification was passed on: the home may acknowledge it. */
void crossing_acknowledge(struct proxy *p, struct exchange *x, uint16_t mid);

/* Whether its home has sent the request of x on, as far as is known here. */
bool crossing_was_sent(const struct exchange *x);

/* ---- the origin's half ---- */

/* The origin's answer or notification (`last`: this half has ended with it), or an error of ours. responder: where the origin is a group, who
 * of it, else NULL. */
void crossing_tell_answer(struct proxy *p, struct exchange *x, const struct msg_view *m, const struct endpoint *responder, bool last);
void crossing_tell_notification(struct proxy *p, struct exchange *x, const struct msg_view *m, bool last);
void crossing_tell_error(struct proxy *p, struct exchange *x, enum error e, uint16_t offender);
/* Its request has left for the origin: if this worker dies now, the client gets 5.04. */
void crossing_note_sent(struct proxy *p, struct exchange *x);

/* ---- news of clients ---- */

enum crossing_news {
	CROSSING_SUPERSEDED = 0x80, /* the client is the other worker's; a newer session has the name of his (sessions.c) */
	CROSSING_GONE,              /* the client is the teller's; his session has ended */
};
/* Tells another worker about a client. */
void crossing_tell_of_client(struct proxy *p, unsigned worker, enum crossing_news news, const struct endpoint *client);

/* ---- either ---- */

/* x is being freed: the other half ends too, unless it has. */
void crossing_end(struct proxy *p, struct exchange *x);

/* True for the origin's half. */
static inline bool crossing_is_stand_in(const struct exchange *x)
{
	return x->crossing != NULL && !x->crossing->homeward;
}

#endif
