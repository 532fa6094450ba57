#include "proxy/exchange/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "proxy/exchange/access_log.h"
#include "proxy/exchange/client.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/errand.h"
#include "proxy/exchange/observe.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/requester.h"
#include "proxy/exchange/respond.h"
#include "proxy/exchange/return_path.h"
#include "proxy/exchange/sessions.h"
#include "proxy/exchange/transmit.h"

#define BIT(state) (1u << (state))

static const uint16_t legal_next[] = {
	[EXCHANGE_RESOLVING] = BIT(EXCHANGE_WAITING) | BIT(EXCHANGE_SENT) | BIT(EXCHANGE_CROSSED) |
		BIT(EXCHANGE_SERVED) | BIT(EXCHANGE_READING),
	[EXCHANGE_WAITING] = BIT(EXCHANGE_SENT),
	[EXCHANGE_SENT] = BIT(EXCHANGE_ACKNOWLEDGED) | BIT(EXCHANGE_OBSERVING) | BIT(EXCHANGE_CANCELLING),
	[EXCHANGE_ACKNOWLEDGED] = BIT(EXCHANGE_OBSERVING) | BIT(EXCHANGE_CANCELLING),
	[EXCHANGE_OBSERVING] = BIT(EXCHANGE_SENT) | BIT(EXCHANGE_WAITING) | BIT(EXCHANGE_CANCELLING) | BIT(EXCHANGE_CROSSED) |
		BIT(EXCHANGE_READING),
	[EXCHANGE_CANCELLING] = 0,
	[EXCHANGE_CROSSED] = BIT(EXCHANGE_OBSERVING),
	[EXCHANGE_SERVED] = 0,
	[EXCHANGE_READING] = BIT(EXCHANGE_RESOLVING) | BIT(EXCHANGE_OBSERVING),
};

void exchange_set_state(struct exchange *x, enum exchange_state state)
{
	if (!(legal_next[x->state] & BIT(state)))
		log_fatal("exchange: illegal step from state %u to %u", x->state, state);
	x->state = (uint8_t)state;
}

/* ---- time ---- */

static void on_deadline(struct proxy *p, struct exchange *x)
{
	x->deadline = 0;
	if (x->state == EXCHANGE_CANCELLING) {
		exchange_free(p, x);
		return;
	}
	if (x->state == EXCHANGE_SENT && x->origin != NULL && x->no_response == 0 && !x->group) {
		origin_failed(x->origin, x->rest * CLOCK_MS);
		origin_stay_quiet(x);
	}
	respond_error(p, x, x->state != EXCHANGE_RESOLVING ? ERR_ORIGIN_TIMEOUT : x->lookup != NULL && x->lookup->link != NULL ?
		ERR_SESSION_ABSENT : ERR_NAME, 0);
	exchange_free(p, x);
}

static void on_timer(struct wheel_timer *t)
{
	struct exchange *x = wheel_owner(t, struct exchange, timer);
	struct proxy *p = x->proxy;
	uint64_t now = clock_now();

	if (x->acknowledge_at != 0 && now >= x->acknowledge_at)
		respond_acknowledge(p, x);
	if (x->deadline != 0 && now >= x->deadline) {
		on_deadline(p, x);
		return;
	}
	if (x->retransmit_at != 0 && now >= x->retransmit_at)
		transmit_on_timeout(p, x);
	exchange_schedule(p, x);
}

void exchange_schedule(struct proxy *p, struct exchange *x)
{
	uint64_t due = UINT64_MAX;

	if (x->acknowledge_at != 0)
		due = x->acknowledge_at;
	if (x->retransmit_at != 0 && x->retransmit_at < due)
		due = x->retransmit_at;
	if (x->deadline != 0 && x->deadline < due)
		due = x->deadline;
	if (due == UINT64_MAX)
		wheel_cancel(&x->timer);
	else if (!wheel_timer_is_set(&x->timer) || x->timer.due != due)
		wheel_set(p->wheel, &x->timer, due);
}

/* ---- its origin ---- */

void exchange_set_origin(struct exchange *x, struct origin *o)
{
	x->origin = o;
	x->group = endpoint_is_multicast(&o->peer);
	o->exchanges++;
	if (!edge_of(&o->peer)->connects)
		return;
	x->beside_previous = NULL;
	x->beside = o->connected;
	if (x->beside != NULL)
		x->beside->beside_previous = x;
	o->connected = x;
}

static void leave_origin(struct exchange *x)
{
	struct origin *o = x->origin;

	o->exchanges--;
	if (!edge_of(&o->peer)->connects)
		return;
	if (o->cursor == x)
		o->cursor = x->beside;
	if (x->beside_previous != NULL)
		x->beside_previous->beside = x->beside;
	else
		o->connected = x->beside;
	if (x->beside != NULL)
		x->beside->beside_previous = x->beside_previous;
}

/* ---- life ---- */

/* A permutation of 40 bits (a Feistel network of four rounds) of a counter: nobody can guess it. */
void exchange_take_counted_token(struct proxy *p, struct exchange *x)
{
	uint8_t *salt = x->salt;
	uint32_t left = (uint32_t)(p->tokens >> 20) & 0xfffff, right = (uint32_t)p->tokens & 0xfffff;

	p->tokens++;
	for (uint32_t round = 0; round < 4; round++) {
		const uint32_t in[] = { round, right };
		uint32_t next = left ^ ((uint32_t)hash_bytes(&p->token_key, in, sizeof in) & 0xfffff);

		left = right;
		right = next;
	}
	salt[0] = (uint8_t)(left >> 12);
	salt[1] = (uint8_t)(left >> 4);
	salt[2] = (uint8_t)((left << 4 | right >> 16) & 0xff);
	salt[3] = (uint8_t)(right >> 8);
	salt[4] = (uint8_t)right;
}

struct exchange *exchange_new(struct proxy *p, struct client *c)
{
	uint32_t index;
	struct exchange *x = slab_new(p->exchanges, &index);

	if (x == NULL)
		return NULL;
	x->index = index;
	x->proxy = p;
	x->timer.run = on_timer;
	x->client = c;
	x->stand_in = client_is_stand_in(c);
	c->exchanges++;
	if (!x->stand_in)
		house_add(&p->cell->exchanges, 1);
	x->record = DUPLICATES_NONE;
	x->conf = snapshot_keep(p->conf);
	x->arrived_at = clock_now();
	random_bytes(x->salt, sizeof x->salt);
	return x;
}

void exchange_end_lookup(struct proxy *p, struct exchange *x)
{
	if (x->lookup == NULL)
		return;
	resolve_cancel(&x->lookup->waiter);
	sessions_stop_waiting(p, x->lookup);
	buffers_drop(p->buffers, &x->lookup->message);
	slab_free(p->lookups, x->lookup->index);
	x->lookup = NULL;
}

void exchange_free(struct proxy *p, struct exchange *x)
{
	struct origin *o = x->origin;

	if (x->requester != NULL)
		requester_forget(x);
	wheel_cancel(&x->timer);
	access_log_end(x);
	exchange_end_lookup(p, x);
	if (x->reading != NULL)
		reading_end(x);
	if (x->crossing != NULL)
		crossing_end(p, x);
	if (x->path != NULL)
		return_path_leave(x);
	if (x->errand != NULL)
		errand_forget(x);
	if (x->observation != NULL)
		observe_end(p, x->observation);
	if (o != NULL) {
		if (x->state == EXCHANGE_WAITING)
			origin_stop_waiting(p, x);
		origin_leave_window(x);
		leave_origin(x);
	}
	buffers_drop(p->buffers, &x->request);
	free(x->long_token);
	if (x->client != NULL)
		x->client->exchanges--;
	if (!x->stand_in)
		house_add(&p->cell->exchanges, (uint32_t)-1);
	if (x->route != NULL)
		house_add(&p->cell->route_exchanges[x->route->metrics_slot], (uint32_t)-1);
	snapshot_release(x->conf);
	slab_free(p->exchanges, x->index);
	if (o != NULL)
		transmit_pump(p, o);
}

enum error exchange_check_room(const struct proxy *p, const struct client *c)
{
	const struct settings *s = &p->conf->settings;

	if (c->exchanges >= s->client_exchanges)
		return ERR_CLIENT_LIMIT;
	if (!client_may_take(c, house_exchanges(&p->house), s->exchanges) ||
		!client_may_take(c, buffers_in_use(p->buffers), s->queue_memory / p->house.count))
		return ERR_OVERLOAD;
	return ERR_NONE;
}

void exchange_set_route(struct proxy *p, struct exchange *x, const struct route *route)
{
	uint64_t rest = route->to_count > 1 ? route->rest : 0;
	uint64_t in_all = x->inner && !x->of_errand ? route->timeout_http : 0;

	if (x->route != NULL)
		house_add(&p->cell->route_exchanges[x->route->metrics_slot], (uint32_t)-1);
	x->route = route;
	x->patience = (uint32_t)((in_all > 0 && in_all < route->timeout ? in_all : route->timeout) / CLOCK_MS);
	x->patience_in_all = (uint32_t)(in_all / CLOCK_MS);
	x->patience_acknowledged = (uint32_t)(route->timeout_acknowledged / CLOCK_MS);
	x->rest = (uint32_t)(rest / CLOCK_MS);
	house_add(&p->cell->route_exchanges[route->metrics_slot], 1);
}

const struct endpoint *exchange_origin_peer(const struct exchange *x)
{
	if (x->origin != NULL)
		return &x->origin->peer;
	if (x->errand != NULL)
		return errand_peer(x->errand);
	return x->crossing != NULL ? &x->crossing->origin : NULL;
}

uint64_t exchange_sent_at(const struct exchange *x)
{
	if (x->crossing != NULL)
		return x->crossing->sent_at;
	/* a refresh that was not sent has the time of the request before it */
	return x->sent_at >= x->arrived_at ? x->sent_at : 0;
}

unsigned exchange_retransmissions(const struct exchange *x)
{
	return x->crossing != NULL ? x->crossing->retransmissions : x->retransmissions;
}

/* ---- tokens ---- */

int exchange_set_token(struct exchange *x, const uint8_t *token, size_t len)
{
	if (len <= MSG_TOKEN_BASE) {
		if (len > 0)
			memcpy(x->token, token, len);
	} else {
		x->long_token = malloc(len);
		if (x->long_token == NULL)
			return -1;
		memcpy(x->long_token, token, len);
	}
	x->token_len = (uint16_t)len;
	return 0;
}

const uint8_t *exchange_token(const struct exchange *x)
{
	return x->long_token != NULL ? x->long_token : x->token;
}

void exchange_upstream_token(const struct exchange *x, uint8_t token[UPSTREAM_TOKEN])
{
	token[0] = (uint8_t)(x->index >> 16);
	token[1] = (uint8_t)(x->index >> 8);
	token[2] = (uint8_t)x->index;
	memcpy(token + 3, x->salt, sizeof x->salt);
}

struct exchange *exchange_by_token(const struct proxy *p, const uint8_t *token, size_t len)
{
	struct exchange *x;

	if (len != UPSTREAM_TOKEN)
		return NULL;
	x = slab_get(p->exchanges, (uint32_t)token[0] << 16 | (uint32_t)token[1] << 8 | token[2]);
	if (x == NULL || memcmp(x->salt, token + 3, sizeof x->salt) != 0)
		return NULL;
	return x;
}
