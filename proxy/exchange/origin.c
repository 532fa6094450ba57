#include "proxy/exchange/origin.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/ports.h"
#include "proxy/exchange/sessions.h"
#include "proxy/exchange/table.h"
#include "proxy/exchange/transmit.h"

uint64_t origin_key(const struct proxy *p, const struct endpoint *peer)
{
	return hash_bytes(&p->hash_key, peer, sizeof *peer);
}

uint32_t origin_hash(const struct proxy *p, const struct endpoint *peer)
{
	return (uint32_t)(origin_key(p, peer) >> 32);
}

void origin_soon(const struct proxy *p, uint64_t key, const struct client *c)
{
	table_soon(&p->origin_table, key);
	ports_soon(p, c, (uint32_t)(key >> 32));
}

static struct origin *find(const struct proxy *p, uint64_t hash, const struct endpoint *peer)
{
	struct origin *o = table_first(&p->origin_table, hash);

	while (o != NULL && !endpoint_equal(&o->peer, peer))
		o = table_next(&p->origin_table, o);
	return o;
}

struct origin *origin_find(const struct proxy *p, const struct endpoint *peer)
{
	return find(p, origin_key(p, peer), peer);
}

enum { EVICTION_LOOKS = 64 };
#define REST_TICK (CLOCK_SECOND / 16)

/* Frees what lies outside of the slab. */
static void release(struct origin *o)
{
	ports_free(o);
	free(o->host);
	free(o->identity);
}

/* Forgets the least recently used origin that has nothing under way; its Message IDs live elsewhere (ports.c). */
static bool evict_one(struct proxy *p)
{
	struct origin *o = table_oldest(&p->origin_table);

	for (int looks = 0; o != NULL && looks < EVICTION_LOOKS; looks++) {
		if (o->exchanges == 0) {
			table_remove(&p->origin_table, origin_key(p, &o->peer), o);
			wheel_cancel(&o->timer);
			release(o);
			slab_free(p->origins, o->links.index);
			return true;
		}
		/* Long busy ones must not gather at this end and hide the idle. */
		table_touch(&p->origin_table, o);
		o = table_oldest(&p->origin_table);
	}
	return false;
}

static void on_quiet_over(struct wheel_timer *t)
{
	struct origin *o = wheel_owner(t, struct origin, timer);

	transmit_pump(o->proxy, o);
}

struct origin *origin_get(struct proxy *p, const struct endpoint *peer, uint64_t key)
{
	const struct settings *s = &p->conf->settings;
	struct origin *o = find(p, key, peer);
	uint32_t index;

	if (o != NULL) {
		table_touch(&p->origin_table, o);
		return o;
	}
	o = slab_new(p->origins, &index);
	if (o == NULL && evict_one(p))
		o = slab_new(p->origins, &index);
	if (o == NULL)
		return NULL;
	o->proxy = p;
	o->timer.run = on_quiet_over;
	o->peer = *peer;
	o->hash = (uint32_t)(key >> 32);
	congestion_init(&o->congestion, (uint16_t)s->origin_window, (uint32_t)s->ack_timeout);
	/* A reliable transport has a congestion control of its own. */
	if (edge_of(peer)->reliable)
		o->congestion.window = (uint16_t)s->origin_window;
	table_insert(&p->origin_table, key, o, index);
	return o;
}

int origin_introduce(struct origin *o, const struct edge_credentials *c)
{
	if (!edge_of(&o->peer)->named || o->host != NULL || edge_is_clients_session(&o->peer))
		return 0;
	o->host = strdup(c->host);
	o->identity = strdup(c->identity);
	if (o->host != NULL && o->identity != NULL)
		return 0;
	free(o->host);
	free(o->identity);
	o->host = o->identity = NULL;
	return -1;
}

void origin_name(const struct proxy *p, struct endpoint *peer, enum uri_scheme transport, const struct edge_credentials *c)
{
	peer->transport = (uint16_t)transport;
	/* Two names, or identities of ours, whose hashes meet would share a connection: the hash is keyed, so nobody can look for them. */
	if (edge_traits[transport].named)
		peer->session = (hash_mix(&p->hash_key, hash_bytes(&p->hash_key, c->host, strlen(c->host) + 1), c->identity,
			strlen(c->identity)) & ~EDGE_SESSION_OF_CLIENT) | 1;
}

void origin_send_client(const struct proxy *p, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	const struct origin *o;
	struct local_address local;
	struct endpoint client;
	unsigned listener;

	if (!sessions_client(peer, &client, &listener, &local))
		return; /* it has ended meanwhile */
	o = sessions_is_plain(peer) ? origin_find(p, peer) : NULL;
	edge_send_client(listener, &client, o != NULL ? &o->local : &local, bytes, len);
}

/* ---- waiting, fair between clients ---- */

/* Only the upper half of the product depends on the client. */
static uint64_t flow_hash(const struct client *c, const struct origin *o)
{
	return (((uint64_t)c->links.index << 32 | o->links.index) * 0x9e3779b97f4a7c15ull) >> 32;
}

static struct flow *flow_find(const struct proxy *p, const struct client *c, const struct origin *o)
{
	struct flow *f = table_first(&p->flow_table, flow_hash(c, o));

	while (f != NULL && !(f->client == c && f->origin == o))
		f = table_next(&p->flow_table, f);
	return f;
}

static struct flow *flow_new(struct proxy *p, const struct client *c, struct origin *o)
{
	uint32_t index;
	struct flow *f = slab_new(p->flows, &index);

	if (f == NULL)
		return NULL;
	f->client = c;
	f->origin = o;
	table_insert(&p->flow_table, flow_hash(c, o), f, index);
	if (o->flow_last != NULL)
		o->flow_last->next = f;
	else
		o->flow_first = f;
	o->flow_last = f;
	return f;
}

static void flow_free(struct proxy *p, struct flow *f)
{
	table_remove(&p->flow_table, flow_hash(f->client, f->origin), f);
	slab_free(p->flows, f->links.index);
}

int origin_wait(struct proxy *p, struct exchange *x)
{
	struct origin *o = x->origin;
	struct flow *f = flow_find(p, x->client, o);

	if (f == NULL && (f = flow_new(p, x->client, o)) == NULL)
		return -1;
	x->next = NULL;
	if (f->last != NULL)
		f->last->next = x;
	else
		f->first = x;
	f->last = x;
	o->waiting++;
	return 0;
}

struct exchange *origin_next_waiting(struct proxy *p, struct origin *o)
{
	struct flow *f = o->flow_first;
	struct exchange *x;

	if (f == NULL)
		return NULL;
	x = f->first;
	f->first = x->next;
	x->next = NULL;
	o->waiting--;
	o->flow_first = f->next;
	f->next = NULL;
	if (o->flow_first == NULL)
		o->flow_last = NULL;
	if (f->first == NULL) {
		flow_free(p, f);
		return x;
	}
	if (o->flow_last != NULL)
		o->flow_last->next = f;
	else
		o->flow_first = f;
	o->flow_last = f;
	return x;
}

static void unlink_flow(struct origin *o, struct flow *f)
{
	struct flow *before = NULL;

	if (o->flow_first == f) {
		o->flow_first = f->next;
	} else {
		before = o->flow_first;
		while (before->next != f)
			before = before->next;
		before->next = f->next;
	}
	if (o->flow_last == f)
		o->flow_last = before;
}

void origin_stop_waiting(struct proxy *p, struct exchange *x)
{
	struct flow *f = flow_find(p, x->client, x->origin);
	struct exchange *before = NULL;

	if (f == NULL)
		log_fatal("waiting exchange has no flow");
	if (f->first == x) {
		f->first = x->next;
	} else {
		before = f->first;
		while (before->next != x)
			before = before->next;
		before->next = x->next;
	}
	if (f->last == x)
		f->last = before;
	x->next = NULL;
	x->origin->waiting--;
	if (f->first == NULL) {
		unlink_flow(x->origin, f);
		flow_free(p, f);
	}
}

/* ---- the window ---- */

void origin_enter_window(struct exchange *x)
{
	struct origin *o = x->origin;

	x->in_window = true;
	x->previous = NULL;
	x->next = o->in_flight;
	if (o->in_flight != NULL)
		o->in_flight->previous = x;
	o->in_flight = x;
	o->in_flight_count++;
	x->limited = o->in_flight_count >= o->congestion.window;
}

void origin_leave_window(struct exchange *x)
{
	if (!x->in_window)
		return;
	if (x->previous != NULL)
		x->previous->next = x->next;
	else
		x->origin->in_flight = x->next;
	if (x->next != NULL)
		x->next->previous = x->previous;
	x->next = x->previous = NULL;
	x->in_window = false;
	x->origin->in_flight_count--;
}

bool origin_has_room(const struct origin *o)
{
	return o->in_flight_count < o->congestion.window && o->quiet_until <= clock_now();
}

struct exchange *origin_in_flight(const struct origin *o, unsigned slot, uint16_t mid)
{
	struct exchange *x = o->in_flight;

	while (x != NULL && (x->mid != mid || x->slot != slot))
		x = x->next;
	return x;
}

/* ---- rest ---- */

void origin_stay_quiet(const struct exchange *x)
{
	struct origin *o = x->origin;

	if (x->in_window && o->failures > 1 && x->retransmit_at > o->quiet_until)
		o->quiet_until = x->retransmit_at;
	if (o->quiet_until > clock_now())
		wheel_set(x->proxy->wheel, &o->timer, o->quiet_until);
}

/* Told to all workers, who choose among the origins of a route without being their home. */
static void rest(struct proxy *p, const struct endpoint *peer, uint64_t until)
{
	uint64_t key = origin_key(p, peer);

	atomic_store_explicit(&p->house.state->rests[key % HOUSE_RESTS], (key >> 32) << 32 | (uint32_t)(until / REST_TICK),
		memory_order_relaxed);
}

void origin_failed(struct origin *o, uint64_t rest_for)
{
	if (o->failures < UINT16_MAX)
		o->failures++;
	if (rest_for > 0)
		rest(o->proxy, &o->peer, clock_now() + rest_for);
}

void origin_answered(struct origin *o)
{
	o->failures = 0;
	o->quiet_until = 0;
}

bool origin_rests(const struct proxy *p, uint64_t key)
{
	uint64_t entry = atomic_load_explicit(&p->house.state->rests[key % HOUSE_RESTS], memory_order_relaxed);

	return entry != 0 && entry >> 32 == key >> 32 && (int32_t)((uint32_t)entry - (uint32_t)(clock_now() / REST_TICK)) > 0;
}

unsigned origin_home(const struct proxy *p, const struct endpoint *peer)
{
	if (edge_is_clients_session(peer) && edge_session_worker(peer) < p->house.count)
		return edge_session_worker(peer);
	return p->house.count > 1 ? house_home(&p->house, origin_key(p, peer)) : p->house.self;
}

static void free_one(void *object, uint32_t index, void *arg)
{
	(void)index, (void)arg;
	release(object);
}

void origins_free(struct proxy *p)
{
	slab_each(p->origins, free_one, NULL);
}

unsigned upstream_under_way(const struct proxy *p, unsigned slot, const struct endpoint *peer, bool *observed)
{
	const struct origin *o = origin_find(p, peer);
	unsigned count = 0;

	for (const struct exchange *x = o != NULL ? o->connected : NULL; x != NULL; x = x->beside) {
		if (x->slot != slot)
			continue;
		if (x->state == EXCHANGE_SENT || x->state == EXCHANGE_ACKNOWLEDGED)
			count++;
		else if (x->state == EXCHANGE_OBSERVING || x->state == EXCHANGE_CANCELLING)
			*observed = true;
	}
	return count;
}
