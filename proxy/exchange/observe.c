#include "proxy/exchange/observe.h"

#include "proxy/exchange/client.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/delivery.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/reachability.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/requester.h"
#include "proxy/exchange/respond.h"
#include "proxy/exchange/transmit.h"
#include "proxy/exchange/upstream.h"

#define REORDER_WINDOW (128 * CLOCK_SECOND)             /* RFC 7641 3.4 */
#define CONFIRM_TRUSTED (24 * 3600 * CLOCK_SECOND)      /* RFC 7641 4.5: at least one CON in 24 h */
#define CONFIRM_UNTRUSTED (300 * CLOCK_SECOND)          /* RFC 7641 7: unauthenticated clients at short intervals */

enum { SEQUENCE_MASK = 0xffffff, SEQUENCE_TICK_BITS = 14 /* 16.4 ms */ };

enum error observe_begin(struct proxy *p, struct exchange *x, const struct msg_view *request)
{
	const struct settings *s = &p->conf->settings;
	struct client *c = x->client;
	struct observation *o;
	uint32_t index;

	if (c->observation_count >= s->client_observations)
		return ERR_CLIENT_LIMIT;
	if (!x->stand_in && house_observations(&p->house) >= s->observations)
		return ERR_OVERLOAD;
	o = slab_new(p->observations, &index);
	if (o == NULL)
		return ERR_OVERLOAD;
	if (request != NULL && buffers_keep(p->buffers, &o->message, request->bytes, request->len) < 0) {
		slab_free(p->observations, index);
		return ERR_OVERLOAD;
	}
	if (!x->stand_in)
		house_add(&p->cell->observations, 1);
	o->index = index;
	o->exchange = x;
	o->confirmed_at = clock_now();
	o->next = c->observations;
	if (o->next != NULL)
		o->next->previous = o;
	c->observations = o;
	c->observation_count++;
	x->observation = o;
	return ERR_NONE;
}

void observe_keep_request(struct proxy *p, struct observation *o, const struct msg_view *request)
{
	struct buffer before = o->message;

	o->message = (struct buffer){ 0 };
	if (buffers_keep(p->buffers, &o->message, request->bytes, request->len) == 0)
		buffers_drop(p->buffers, &before);
	else
		o->message = before;
}

void observe_end(struct proxy *p, struct observation *o)
{
	struct client *c = o->exchange->client;

	if (o->previous != NULL)
		o->previous->next = o->next;
	else
		c->observations = o->next;
	if (o->next != NULL)
		o->next->previous = o->previous;
	c->observation_count--;
	if (o->delivery != NULL)
		delivery_detach(p, o->delivery);
	buffers_drop(p->buffers, &o->pending);
	buffers_drop(p->buffers, &o->message);
	if (!o->exchange->stand_in)
		house_add(&p->cell->observations, (uint32_t)-1);
	o->exchange->observation = NULL;
	slab_free(p->observations, o->index);
}

uint32_t observe_next_sequence(struct observation *o)
{
	uint32_t by_clock = (uint32_t)(clock_now() >> SEQUENCE_TICK_BITS) & SEQUENCE_MASK;
	uint32_t next = (o->sequence + 1) & SEQUENCE_MASK;

	/* By the clock unless that would not be newer than the last one (modulo 2^24). */
	if (o->sequence == 0 || ((by_clock - next) & SEQUENCE_MASK) < 1u << 23)
		next = by_clock;
	o->sequence = next;
	return next;
}

/* Plain notifications that arrive out of order are dropped here, since their numbers are not passed on. OSCORE clients
 * order by Partial IV and the Outer value may be constant, so there everything goes on (RFC 8613 4.1.3.5.2). */
static bool is_newer(const struct exchange *x, struct observation *o, uint32_t value)
{
	uint64_t now = clock_now();
	uint32_t ahead = (value - o->upstream_value) & SEQUENCE_MASK;
	bool ordered = edge_of(&x->origin->peer)->reliable; /* the value means nothing there (RFC 8323 7.1) */

	if (!x->oscore && !ordered && o->upstream_at != 0 && now - o->upstream_at <= REORDER_WINDOW && (ahead == 0 || ahead >= 1u << 23))
		return false;
	o->upstream_value = value & SEQUENCE_MASK;
	o->upstream_at = now;
	return true;
}

static bool observe_value(const struct msg_view *m, uint32_t *value)
{
	const struct msg_option *option = msg_option(m, OPT_OBSERVE);

	return option != NULL && option->len <= 3 && msg_uint(option, value) == 0;
}

void observe_before_answer(struct exchange *x, const struct msg_view *m)
{
	struct observation *o = x->observation;
	uint32_t value;

	if (o == NULL || x->observe == OBSERVE_CANCEL)
		return;
	o->established = MSG_CLASS(m->code) == 2 && observe_value(m, &value);
	if (o->established) {
		o->upstream_value = value & SEQUENCE_MASK;
		o->upstream_at = clock_now();
	}
}

bool observe_after_answer(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	struct observation *o = x->observation;
	uint32_t value;

	if (o == NULL)
		return false;
	/* A cancel ends the observation once the origin answered it without Observe (S-4). */
	if (x->observe == OBSERVE_CANCEL && MSG_CLASS(m->code) == 2 && !observe_value(m, &value))
		return false;
	if (x->observe == OBSERVE_CANCEL)
		return o->established;
	if (!o->established) {
		observe_end(p, o);
		return false;
	}
	o->confirmed_at = clock_now();
	return true;
}

/* ---- notifications ---- */

static bool wants_confirmation(const struct exchange *x, const struct observation *o, const struct msg_view *m)
{
	uint64_t limit = x->client->trusted ? CONFIRM_TRUSTED : CONFIRM_UNTRUSTED;

	if (client_is_reliable(x->client))
		return false;
	/* Whoever was never seen gets nothing that he does not acknowledge: a spoofed registration dies at its first
	 * notification. */
	if (x->route->echo && !reachability_is_verified(x->client))
		return true;
	return m->type == MSG_CON || clock_now() - o->confirmed_at >= limit;
}

static bool is_last(const struct msg_view *m)
{
	uint32_t value;

	return MSG_CLASS(m->code) != 2 || !observe_value(m, &value);
}

/* Sends a notification on; the exchange may be gone afterwards. */
static void pass(struct proxy *p, struct exchange *x, const struct msg_view *m, uint64_t age)
{
	struct observation *o = x->observation;

	reading_before_answer(x, m);
	if (!is_last(m)) {
		o->delivery = respond_notify(p, x, m, wants_confirmation(x, o, m), age);
		reading_answer(x, m, true);
		if (requester_is_gone(x))
			observe_client_gone(p, o);
		return;
	}
	o->established = false; /* the last one carries no Observe (RFC 7641 3.2) */
	/* A refresh under way has its answer in it; its own will find nobody. */
	if (x->state != EXCHANGE_OBSERVING)
		respond_acknowledge(p, x);
	respond_notify(p, x, m, true, age);
	reading_answer(x, m, true);
	exchange_free(p, x);
}

/* Keeps only the newest notification that cannot leave yet. A CON is acknowledged to the origin when it leaves, or when
 * a newer one takes its place. */
static void keep_pending(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	struct observation *o = x->observation;

	if (o->pending.bytes != NULL) {
		struct buffer old = o->pending;

		upstream_acknowledge(x, old.bytes, old.len);
		buffers_drop(p->buffers, &o->pending);
		proxy_count(p, COUNT_NOTIFICATIONS_SKIPPED);
	}
	o->pending_at = clock_now();
	if (buffers_keep(p->buffers, &o->pending, m->bytes, m->len) == 0)
		return;
	proxy_count(p, COUNT_NOTIFICATIONS_SKIPPED);
	if (x->crossing != NULL)
		upstream_acknowledge(x, m->bytes, m->len); /* its home awaits that, and takes no repeat */
}

/* The client is another worker's. What is not the last one is acknowledged when that worker has passed it on. */
static void hand_over(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	bool last = is_last(m);

	if (last)
		upstream_acknowledge(x, m->bytes, m->len);
	else if (m->type == MSG_CON)
		upstream_await(x, m->mid);
	crossing_tell_notification(p, x, m, last);
	if (last)
		exchange_free(p, x);
}

void observe_on_notification(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	uint32_t value;

	if (!is_last(m) && observe_value(m, &value) && !is_newer(x, x->observation, value)) {
		proxy_count(p, COUNT_STALE_NOTIFICATIONS);
		upstream_acknowledge(x, m->bytes, m->len);
		return;
	}
	if (x->stand_in)
		hand_over(p, x, m);
	else
		observe_deliver(p, x, m);
}

void observe_deliver(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	struct observation *o = x->observation;

	if ((o->delivery != NULL || (!x->inner && edge_client_is_slow(&x->client->peer))) && !is_last(m)) {
		keep_pending(p, x, m);
		return;
	}
	upstream_acknowledge(x, m->bytes, m->len);
	buffers_drop(p->buffers, &o->pending);
	pass(p, x, m, 0);
}

void observe_delivered(struct proxy *p, struct observation *o)
{
	struct exchange *x = o->exchange;
	struct buffer pending = o->pending;
	struct msg_view m;

	o->confirmed_at = clock_now();
	if (pending.bytes == NULL)
		return;
	o->pending = (struct buffer){ 0 };
	upstream_acknowledge(x, pending.bytes, pending.len);
	if (msg_parse_datagram(&m, pending.bytes, pending.len) == MSG_OK)
		pass(p, x, &m, clock_now() - o->pending_at);
	buffers_drop(p->buffers, &pending);
}

void observe_supersede(struct proxy *p, struct observation *o)
{
	struct exchange *x = o->exchange;
	struct msg_view m;

	if (o->pending.bytes == NULL || o->delivery == NULL)
		return;
	upstream_acknowledge(x, o->pending.bytes, o->pending.len);
	if (msg_parse_datagram(&m, o->pending.bytes, o->pending.len) == MSG_OK) {
		respond_supersede(p, x, &m, clock_now() - o->pending_at);
		reading_answer(x, &m, true);
	}
	buffers_drop(p->buffers, &o->pending);
}

/* OSCORE: an unknown token is reset from now on, which cancels at the origin. Where it cannot be reset, what the origin goes on to send is thrown
 * away, and ends with the connection (RFC 8323 7.4), unless others need that. Plain: told by Observe=1 (RFC 7641 3.6). */
void observe_client_gone(struct proxy *p, struct observation *o)
{
	struct exchange *x = o->exchange;
	const struct origin *origin = x->origin;
	struct endpoint peer;
	unsigned slot = x->slot;
	bool alone;

	/* A request of the observation is under way: it still gets its answer, and a next notification will tell. */
	if (x->state != EXCHANGE_OBSERVING) {
		buffers_drop(p->buffers, &o->pending);
		return;
	}
	if (x->oscore || x->request.bytes == NULL) {
		if (x->crossing != NULL)
			x->crossing->tell_origin = true;
		alone = origin != NULL && edge_of(&origin->peer)->reliable && origin->exchanges == 1;
		if (alone)
			peer = origin->peer;
		exchange_free(p, x);
		if (alone)
			edge_let_origin_go(slot, &peer);
		return;
	}
	observe_end(p, o);
	transmit_cancel(p, x);
}

void observe_withdraw(struct proxy *p, struct observation *o, enum error e)
{
	struct exchange *x = o->exchange;

	/* A request of the observation under way has its answer in the error. */
	if (x->state != EXCHANGE_OBSERVING) {
		respond_error(p, x, e, 0);
		exchange_free(p, x);
		return;
	}
	x->client_type = MSG_CON;
	x->client_acknowledged = true;
	respond_error(p, x, e, 0);
	observe_client_gone(p, o);
}

void observe_remember_mid(struct observation *o, uint16_t mid)
{
	o->recent[o->recent_next] = mid;
	o->recent_next = (uint8_t)((o->recent_next + 1) % RECENT_NOTIFICATIONS);
	if (o->recent_count < RECENT_NOTIFICATIONS)
		o->recent_count++;
}

struct observation *observe_by_mid(const struct client *c, uint16_t mid)
{
	for (struct observation *o = c->observations; o != NULL; o = o->next)
		for (unsigned i = 0; i < o->recent_count; i++)
			if (o->recent[i] == mid)
				return o;
	return NULL;
}
