#include "proxy/exchange/proxy.h"

#include <stdlib.h>

#include "proxy/exchange/exchange.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/ports.h"
#include "proxy/exchange/table.h"

enum { EXPIRE_SEGMENTS_A_TURN = 4, DELIVERIES_MAX = 1 << 20, ROUTES_MIN = 1 };

static int create_slabs(struct proxy *p)
{
	const struct settings *s = &p->conf->settings;

	p->exchanges = slab_create(sizeof(struct exchange), s->exchanges);
	p->clients = slab_create(sizeof(struct client), s->clients);
	p->origins = slab_create(sizeof(struct origin), s->origins);
	p->flows = slab_create(sizeof(struct flow), s->exchanges);
	p->lookups = slab_create(sizeof(struct lookup), s->exchanges);
	p->observations = slab_create(sizeof(struct observation), s->observations);
	p->deliveries = slab_create(sizeof(struct delivery), DELIVERIES_MAX);
	return p->exchanges != NULL && p->clients != NULL && p->origins != NULL && p->flows != NULL && p->lookups != NULL &&
		p->observations != NULL && p->deliveries != NULL ? 0 : -1;
}

struct proxy *proxy_create(struct snapshot *conf, struct resolver *resolver)
{
	struct proxy *p = calloc(1, sizeof *p);
	const struct settings *s = &conf->settings;

	if (p == NULL)
		return NULL;
	p->conf = snapshot_keep(conf);
	p->resolver = resolver;
	hash_key_init(&p->hash_key);
	hash_key_init(&p->echo_key);
	p->wheel = wheel_create(clock_now());
	p->duplicates = duplicates_create(s->dedup_memory, -1);
	p->buffers = buffers_create(s->queue_memory);
	p->down_ids = calloc(DOWN_ID_SPACES, sizeof *p->down_ids);
	p->bindings = calloc((size_t)BINDING_SETS * BINDING_WAYS, sizeof *p->bindings);
	p->ports = calloc(PORT_SPACES, sizeof *p->ports);
	p->rates = calloc(RATE_BUCKETS, sizeof *p->rates);
	p->route_exchanges = calloc(conf->route_count + ROUTES_MIN, sizeof *p->route_exchanges);
	if (create_slabs(p) < 0 || table_init(&p->client_table, p->clients, s->clients) < 0 ||
		table_init(&p->origin_table, p->origins, s->origins) < 0 || table_init(&p->flow_table, p->flows, s->origins) < 0 || p->wheel == NULL || p->duplicates == NULL || p->buffers == NULL ||
		p->down_ids == NULL || p->bindings == NULL || p->ports == NULL || p->rates == NULL || p->route_exchanges == NULL) {
		proxy_destroy(p);
		return NULL;
	}
	return p;
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
	p->pumping = true; /* nothing more is sent */
	if (p->exchanges != NULL)
		slab_each(p->exchanges, free_exchange, p);
	if (p->deliveries != NULL)
		slab_each(p->deliveries, drop_delivery, p);
	if (p->origins != NULL)
		origins_free(p);
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
	free(p->down_ids);
	free(p->bindings);
	free(p->ports);
	free(p->rates);
	free(p->route_exchanges);
	free(p->own_addresses);
	snapshot_release(p->conf);
	free(p);
}

void proxy_turn(struct proxy *p)
{
	wheel_run(p->wheel, clock_now());
	duplicates_expire(p->duplicates, clock_now(), EXPIRE_SEGMENTS_A_TURN);
}
