#include "proxy/exchange/proxy.h"

#include <stdlib.h>

#include "proxy/exchange/crossing.h"
#include "proxy/exchange/errand.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/feed.h"
#include "proxy/exchange/observe.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/ports.h"
#include "proxy/exchange/reader_link.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/refusal_log.h"
#include "proxy/exchange/renew.h"
#include "proxy/exchange/respond.h"
#include "proxy/exchange/return_path.h"
#include "proxy/exchange/sessions.h"
#include "proxy/exchange/table.h"

enum { EXPIRE_SEGMENTS_A_TURN = 4, DELIVERIES_MAX = 1 << 20 };

/* With other workers there are as many stand-ins at most as they have exchanges. */
static uint32_t with_stand_ins(const struct proxy *p, uint32_t limit)
{
	return p->house.count > 1 && limit < UINT32_MAX / 2 ? 2 * limit : limit;
}

static int create_slabs(struct proxy *p)
{
	const struct settings *s = &p->conf->settings;

	p->exchanges = slab_create(sizeof(struct exchange), with_stand_ins(p, s->exchanges));
	p->clients = slab_create(sizeof(struct client), s->clients);
	p->origins = slab_create(sizeof(struct origin), s->origins);
	p->flows = slab_create(sizeof(struct flow), with_stand_ins(p, s->exchanges));
	p->lookups = slab_create(sizeof(struct lookup), s->exchanges);
	p->observations = slab_create(sizeof(struct observation), with_stand_ins(p, s->observations));
	p->deliveries = slab_create(sizeof(struct delivery), DELIVERIES_MAX);
	return p->exchanges != NULL && p->clients != NULL && p->origins != NULL && p->flows != NULL && p->lookups != NULL &&
		p->observations != NULL && p->deliveries != NULL ? 0 : -1;
}

/* The house is another's, or one for this proxy alone. */
static int enter_house(struct proxy *p, const struct house *house)
{
	if (house != NULL) {
		p->house = *house;
	} else {
		if (house_map(&p->house, -1, 1, 0, 0) < 0)
			return -1;
		p->owns_house = true;
		house_begin(&p->house);
	}
	p->cell = house_own(&p->house);
	p->metrics = &p->cell->metrics;
	p->hash_key = p->house.state->hash_key;
	p->echo_key = p->house.state->echo_key;
	hash_key_init(&p->token_key);
	return 0;
}

static int create_tables(struct proxy *p)
{
	const struct settings *s = &p->conf->settings;

	return create_slabs(p) == 0 && table_init(&p->client_table, p->clients, s->clients) == 0 &&
		table_init(&p->origin_table, p->origins, s->origins) == 0 &&
		table_init(&p->flow_table, p->flows, s->origins) == 0 ? 0 : -1;
}

struct proxy *proxy_create(struct snapshot *conf, struct resolver *resolver, const struct house *house)
{
	struct proxy *p = calloc(1, sizeof *p);
	const struct settings *s = &conf->settings;

	if (p == NULL)
		return NULL;
	p->conf = snapshot_keep(conf);
	p->resolver = resolver;
	if (enter_house(p, house) < 0)
		goto fail;
	p->wheel = wheel_create(clock_now());
	p->duplicates = duplicates_create(s->dedup_memory / p->house.count, p->house.duplicates_fd);
	p->buffers = buffers_create(s->queue_memory / p->house.count);
	p->bindings = calloc((size_t)BINDING_SETS * BINDING_WAYS, sizeof *p->bindings);
	p->rates = calloc(RATE_BUCKETS, sizeof *p->rates);
	if (create_tables(p) < 0 || p->wheel == NULL || p->duplicates == NULL || p->buffers == NULL || p->bindings == NULL ||
		p->rates == NULL || crossings_create(p) < 0 || refusal_log_create(p) < 0 || feeds_renew(p) < 0)
		goto fail;
	return p;
fail:
	proxy_destroy(p);
	return NULL;
}

static void free_exchange(void *object, uint32_t index, void *arg)
{
	(void)index;
	exchange_free(arg, object);
}

static void drop_delivery(void *object, uint32_t index, void *arg)
{
	struct delivery *d = object;
	struct proxy *p = arg;

	(void)index;
	buffers_drop(p->buffers, &d->bytes);
}

void proxy_destroy(struct proxy *p)
{
	if (p == NULL)
		return;
	p->pumping = p->closing = true; /* nothing more is sent */
	renewal_forget(p);
	if (p->exchanges != NULL)
		slab_each(p->exchanges, free_exchange, p);
	if (p->deliveries != NULL)
		slab_each(p->deliveries, drop_delivery, p);
	if (p->origins != NULL)
		origins_free(p);
	errands_destroy(p);
	readings_destroy(p);
	reader_link_destroy(p);
	sessions_destroy(p);
	return_paths_destroy(p);
	refusal_log_destroy(p);
	feeds_destroy(p);
	slab_destroy(p->transfers);
	free(p->learned);
	slab_destroy(p->exchanges);
	slab_destroy(p->clients);
	slab_destroy(p->origins);
	slab_destroy(p->flows);
	slab_destroy(p->lookups);
	slab_destroy(p->observations);
	slab_destroy(p->deliveries);
	free(p->client_table.heads);
	free(p->origin_table.heads);
	free(p->flow_table.heads);
	if (p->duplicates != NULL)
		duplicates_destroy(p->duplicates);
	buffers_destroy(p->buffers);
	if (p->wheel != NULL)
		wheel_destroy(p->wheel);
	crossings_destroy(p);
	if (p->owns_house)
		house_unmap(&p->house);
	free(p->bindings);
	free(p->rates);
	free(p->own_addresses);
	snapshot_release(p->conf);
	free(p);
}

void proxy_turn(struct proxy *p)
{
	wheel_run(p->wheel, clock_now());
	sessions_turn(p);
	duplicates_expire(p->duplicates, clock_now(), EXPIRE_SEGMENTS_A_TURN);
}

/* ---- the end ---- */

static void withdraw_for_the_end(void *object, uint32_t index, void *arg)
{
	struct observation *o = object;

	(void)index;
	if (o->exchange->stand_in)
		return;
	/* A registration or refresh under way gets its answer, which says by having no Observe that nothing follows. */
	if (o->exchange->state == EXCHANGE_OBSERVING)
		observe_withdraw(arg, o, ERR_DRAINING);
	else
		observe_end(arg, o);
}

void proxy_drain(struct proxy *p)
{
	if (p->draining)
		return;
	p->draining = true;
	slab_each(p->observations, withdraw_for_the_end, p);
}

bool proxy_is_drained(const struct proxy *p)
{
	/* What was asked of the reader is still to be told, to feeds and the access log. */
	return slab_count(p->exchanges) == 0 && slab_count(p->deliveries) == 0 && !crossing_is_behind(p) && reader_link_open(p) == 0;
}

static bool was_sent(const struct proxy *p, const struct exchange *x)
{
	if (x->state == EXCHANGE_CROSSED)
		return atomic_load_explicit(&p->cell->sent[x->index], memory_order_acquire) != 0;
	return x->state == EXCHANGE_SENT || x->state == EXCHANGE_ACKNOWLEDGED || x->state == EXCHANGE_SERVED;
}

static void give_up_one(void *object, uint32_t index, void *arg)
{
	struct exchange *x = object;
	struct proxy *p = arg;

	(void)index;
	/* A stand-in tells its client's worker, where the observation may not have ended yet. */
	if (x->client != NULL && (x->stand_in || x->state != EXCHANGE_OBSERVING))
		respond_error(p, x, was_sent(p, x) ? ERR_LOST_SENT : ERR_DRAINING, 0);
	exchange_free(p, x);
}

void proxy_give_up(struct proxy *p)
{
	p->pumping = true; /* what waits is answered, not sent */
	slab_each(p->exchanges, give_up_one, p);
}

/* ---- a listener that is going ---- */

struct use {
	unsigned slot;
	bool found;
};

static void look_for_use(void *object, uint32_t index, void *arg)
{
	const struct client *c = object;
	struct use *u = arg;

	(void)index;
	u->found = u->found || (c->listener == u->slot && (c->exchanges > 0 || c->first != NULL));
}

bool proxy_listener_is_unused(const struct proxy *p, unsigned slot)
{
	struct use u = { slot, false };

	if (p->listener_used[slot] != 0 && clock_now() - p->listener_used[slot] <= EXCHANGE_LIFETIME)
		return false;
	slab_each(p->clients, look_for_use, &u);
	return !u.found;
}
