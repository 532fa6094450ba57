/* The errands of a worker: where they lie, how they are found, and what goes when there is no room. */
#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/errand_state.h"
#include "proxy/exchange/table.h"

enum {
	EVICTION_LOOKS = 64, /* errands looked at for one that nobody waits for */
	EVICTIONS_MAX = 8,   /* for one new errand */
};

/* Of one worker. */
struct errands {
	struct table table;
	uint64_t held;            /* bytes of all windows */
};

/* ---- windows ---- */

int window_add(struct errand *e, struct window *w, const uint8_t *bytes, size_t len)
{
	size_t capacity = w->capacity > 0 ? w->capacity : ERRAND_BLOCK;
	uint8_t *grown;

	while (capacity < w->len + len)
		capacity *= 2;
	if (capacity > w->capacity) {
		grown = realloc(w->bytes, capacity);
		if (grown == NULL)
			return -1;
		e->proxy->errands->held += capacity - w->capacity;
		w->bytes = grown;
		w->capacity = capacity;
	}
	if (len > 0)
		memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
	return 0;
}

void window_forget(struct errand *e, struct window *w, uint64_t offset)
{
	size_t n = offset <= w->offset ? 0 : offset - w->offset < w->len ? (size_t)(offset - w->offset) : w->len;

	if (n > 0)
		memmove(w->bytes, w->bytes + n, w->len - n);
	w->len -= n;
	w->offset += n;
	if (w->len > 0 || w->bytes == NULL)
		return;
	e->proxy->errands->held -= w->capacity;
	free(w->bytes);
	w->bytes = NULL;
	w->capacity = 0;
}

bool errands_are_short(const struct proxy *p)
{
	return p->errands->held >= p->conf->settings.queue_memory / p->house.count;
}

/* ---- life ---- */

const struct errand_carrier *errand_carrier_of(const struct errand *e)
{
	return e->own_carrier != NULL ? e->own_carrier : e->proxy->carrier;
}

void errand_leave_carrier(struct errand *e)
{
	const struct errand_carrier *c = errand_carrier_of(e);

	if (e->carried != NULL && c != NULL)
		c->leave(e);
	e->carried = NULL;
}

void errand_unlist(struct errand *e)
{
	if (e->listed)
		table_remove(&e->proxy->errands->table, e->key, e);
	e->listed = false;
}

void errand_list(struct errand *e)
{
	table_insert(&e->proxy->errands->table, e->key, e, e->links.index);
	e->listed = true;
}

void errand_touch(struct errand *e)
{
	table_touch(&e->proxy->errands->table, e);
}

void errand_release(struct errand *e)
{
	struct proxy *p = e->proxy;

	e->dead = true;
	errand_unlist(e);
	errand_leave_carrier(e);
	wheel_cancel(&e->timer);
	if (e->running)
		return;
	buffers_drop(p->buffers, &e->head);
	buffers_drop(p->buffers, &e->answer);
	window_forget(e, &e->body, UINT64_MAX);
	window_forget(e, &e->window, UINT64_MAX);
	snapshot_release(e->conf);
	e->client->errands--;
	slab_free(p->errands->table.slab, e->links.index);
}

/* ---- finding ---- */

uint64_t errand_key(const struct proxy *p, const struct client *c, const struct msg_view *m, uint64_t resource)
{
	static const uint16_t numbers[] = { OPT_OSCORE, OPT_ACCEPT, OPT_REQUEST_TAG };
	const struct hash_key *k = &p->hash_key;
	const uint32_t head[] = { c->hash, m->code };
	uint64_t hash = hash_mix(k, resource, head, sizeof head);

	for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
		for (unsigned i = 0; i < m->option_count; i++) {
			const struct msg_option *o = &m->options[i];

			if (o->number != numbers[n])
				continue;
			hash = hash_mix(k, hash, &o->number, sizeof o->number);
			hash = hash_mix(k, hash, o->value, o->len);
		}
	return hash;
}

struct errand *errand_find(const struct proxy *p, const struct client *c, uint64_t key)
{
	struct errand *e = p->errands != NULL ? table_first(&p->errands->table, key) : NULL;

	while (e != NULL && (e->key != key || e->client != c || e->dead))
		e = table_next(&p->errands->table, e);
	return e;
}

/* ---- making room ---- */

static int create(struct proxy *p)
{
	struct errands *all = p->errands != NULL ? p->errands : calloc(1, sizeof *all);

	if (all == NULL)
		return -1;
	p->errands = all;
	if (all->table.heads != NULL)
		return 0;
	return table_create(&all->table, sizeof(struct errand), p->conf->settings.exchanges, p->conf->settings.exchanges);
}

/* Frees one that nobody waits for, of those used longest ago; of this client, or of any (NULL). Returns false if there is none. */
static bool evict(struct proxy *p, const struct client *c)
{
	struct errand *e = table_oldest(&p->errands->table);

	for (int looks = 0; e != NULL && looks < EVICTION_LOOKS; looks++) {
		struct errand *newer = slab_get(p->errands->table.slab, e->links.newer);

		if (e->first == NULL && !e->running && (c == NULL || e->client == c)) {
			errand_release(e);
			return true;
		}
		table_touch(&p->errands->table, e);
		e = newer;
	}
	return false;
}

struct errand *errand_new(struct proxy *p, const struct client *c, enum error *error)
{
	struct errand *e;
	uint32_t index;

	*error = ERR_OVERLOAD;
	if (create(p) < 0)
		return NULL;
	if (c->errands >= p->conf->settings.client_exchanges)
		evict(p, c);
	if (c->errands >= p->conf->settings.client_exchanges) {
		*error = ERR_CLIENT_LIMIT;
		return NULL;
	}
	for (int i = 0; i < EVICTIONS_MAX && errands_are_short(p) && evict(p, NULL); i++)
		;
	if (errands_are_short(p))
		return NULL;
	e = slab_new(p->errands->table.slab, &index);
	if (e == NULL && evict(p, NULL))
		e = slab_new(p->errands->table.slab, &index);
	if (e == NULL)
		return NULL;
	e->links.index = index;
	return e;
}

static void leave_one(void *object, uint32_t index, void *arg)
{
	struct errand *e = object;

	(void)index;
	if (e->client == arg && e->first == NULL)
		errand_release(e);
}

void errands_leave(struct proxy *p, const struct client *c)
{
	if (c->errands > 0)
		slab_each(p->errands->table.slab, leave_one, (void *)(uintptr_t)c);
}

static void release_one(void *object, uint32_t index, void *arg)
{
	(void)index, (void)arg;
	errand_release(object);
}

void errands_destroy(struct proxy *p)
{
	if (p->errands == NULL)
		return;
	if (p->errands->table.slab != NULL)
		slab_each(p->errands->table.slab, release_one, NULL);
	table_destroy(&p->errands->table);
	free(p->errands);
	p->errands = NULL;
}
