/*
 * crossing_rings - the rings of crossing.c: attached, filled, made visible, slept on.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "proxy/exchange/crossing.h"
#include "proxy/exchange/crossing_wire.h"
#include "proxy/exchange/return_path.h"
#include "proxy/exchange/sessions.h"
#include "proxy/exchange/upstream.h"

struct crossing_late {
	struct crossing_late *next;
	struct crossing *owner; /* whose `newest` this is, or NULL */
	size_t len;
	uint8_t bytes[];
};

/* ---- putting in ---- */

static bool put_parts(struct ring *ring, const void *head, size_t head_len, const uint8_t *bytes, size_t len)
{
	uint8_t *at = ring_reserve(ring, head_len + len);

	if (at == NULL)
		return false;
	memcpy(at, head, head_len);
	if (len > 0)
		memcpy(at + head_len, bytes, len);
	ring_put(ring, head_len + len);
	return true;
}

int crossing_put_request(struct proxy *p, unsigned to, const struct crossing_request *q, const char *texts, const uint8_t *bytes, size_t len)
{
	struct crossing_peer *peer = &p->crossings->peers[to];
	uint8_t *at = peer->first == NULL ? ring_reserve(&peer->out, sizeof *q + q->texts_len + len) : NULL;

	if (at == NULL)
		return -1;
	memcpy(at, q, sizeof *q);
	if (q->texts_len > 0)
		memcpy(at + sizeof *q, texts, q->texts_len);
	memcpy(at + sizeof *q + q->texts_len, bytes, len);
	ring_put(&peer->out, sizeof *q + q->texts_len + len);
	return 0;
}

static void fill_late(struct crossing_late *l, const struct crossing_record *r, const uint8_t *bytes, size_t len)
{
	l->len = sizeof *r + len;
	memcpy(l->bytes, r, sizeof *r);
	if (len > 0)
		memcpy(l->bytes + sizeof *r, bytes, len);
}

/* An honest worker that stands still is owed two words at most for each exchange that it may have. */
static size_t late_max(const struct proxy *p)
{
	return 4 * (size_t)p->conf->settings.exchanges;
}

/* Returns it, with room for `room` bytes behind the record, or NULL without memory: its exchange then ends by its deadline. */
static struct crossing_late *wait_for_room(struct proxy *p, struct crossing_peer *peer, const struct crossing_record *r, const uint8_t *bytes,
	size_t len, size_t room)
{
	struct crossing_late *l = peer->late < late_max(p) ? malloc(sizeof *l + sizeof *r + room) : NULL;

	if (l == NULL) {
		proxy_count(p, COUNT_CROSSING_BROKEN);
		return NULL;
	}
	l->next = NULL;
	l->owner = NULL;
	fill_late(l, r, bytes, len);
	if (peer->last != NULL)
		peer->last->next = l;
	else
		peer->first = l;
	peer->last = l;
	peer->late++;
	wheel_set(p->wheel, &p->crossings->retry, clock_now() + WHEEL_TICK);
	return l;
}

void crossing_put(struct proxy *p, unsigned to, const struct crossing_record *r, const uint8_t *bytes, size_t len)
{
	struct crossing_peer *peer = &p->crossings->peers[to];

	if (peer->first != NULL || !put_parts(&peer->out, r, sizeof *r, bytes, len))
		(void)wait_for_room(p, peer, r, bytes, len, len);
}

void crossing_put_notification(struct proxy *p, struct exchange *x, const struct crossing_record *r, const uint8_t *bytes, size_t len)
{
	struct crossing_peer *peer = &p->crossings->peers[x->crossing->worker];
	struct crossing_late *l = x->crossing->newest;

	if (l != NULL) {
		upstream_acknowledge(x, l->bytes + sizeof *r, l->len - sizeof *r);
		proxy_count(p, COUNT_NOTIFICATIONS_SKIPPED);
		fill_late(l, r, bytes, len);
		return;
	}
	if (peer->first == NULL && put_parts(&peer->out, r, sizeof *r, bytes, len))
		return;
	l = wait_for_room(p, peer, r, bytes, len, MSG_MAX);
	if (l != NULL)
		l->owner = x->crossing;
	x->crossing->newest = l;
}

void crossing_forget_newest(struct crossing *c)
{
	if (c->newest != NULL)
		c->newest->owner = NULL;
	c->newest = NULL;
}

/* Whoever makes room does not tell: it is looked for once a tick. crossing_publish() follows in the same turn. */
static void on_retry(struct wheel_timer *t)
{
	struct crossings *c = wheel_owner(t, struct crossings, retry);

	for (unsigned w = 0; w < c->proxy->house.count; w++)
		if (c->peers[w].first != NULL)
			wheel_set(c->proxy->wheel, t, clock_now() + WHEEL_TICK);
}

static void put_late(struct crossing_peer *peer)
{
	while (peer->first != NULL) {
		struct crossing_late *l = peer->first;

		if (!put_parts(&peer->out, l->bytes, l->len, NULL, 0))
			return;
		peer->first = l->next;
		peer->late--;
		if (peer->first == NULL)
			peer->last = NULL;
		if (l->owner != NULL)
			crossing_forget_newest(l->owner);
		free(l);
	}
}

/* ---- news of clients ---- */

void crossing_tell_of_client(struct proxy *p, unsigned worker, enum crossing_news news, const struct endpoint *client)
{
	struct crossing_record r = { .kind = (uint8_t)news, .from = p->crossings->incarnation, .to = house_incarnation(&p->house, worker) };

	crossing_put(p, worker, &r, (const uint8_t *)client, sizeof *client);
}

bool crossing_take_news(struct proxy *p, unsigned kind, const uint8_t *bytes, size_t len)
{
	struct endpoint client;

	if (len != sizeof client)
		return false;
	memcpy(&client, bytes, sizeof client);
	if (client.transport >= URI_SCHEME_COUNT)
		return false;
	if (kind == CROSSING_SUPERSEDED)
		sessions_superseded(p, &client);
	else
		return_paths_end(p, &client);
	return true;
}

/* ---- once a turn ---- */

void crossing_publish(struct proxy *p)
{
	for (unsigned w = 0; p->crossings != NULL && w < p->house.count; w++) {
		struct crossing_peer *peer = &p->crossings->peers[w];

		if (w == p->house.self)
			continue;
		put_late(peer);
		if (ring_publish(&peer->out))
			house_wake(&p->house, w);
	}
}

bool crossing_is_behind(const struct proxy *p)
{
	for (unsigned w = 0; p->crossings != NULL && w < p->house.count; w++) {
		const struct crossing_peer *peer = &p->crossings->peers[w];

		if (peer->first != NULL || peer->out.position != peer->out.published)
			return true;
	}
	return false;
}

bool crossing_is_readable(struct proxy *p)
{
	for (unsigned w = 0; p->crossings != NULL && w < p->house.count; w++) {
		struct crossing_peer *peer = &p->crossings->peers[w];

		if (w != p->house.self && (!ring_is_empty(&peer->in) || house_incarnation(&p->house, w) != peer->incarnation))
			return true;
	}
	return sessions_are_due(p);
}

bool crossing_may_sleep(struct proxy *p)
{
	if (p->crossings == NULL)
		return !sessions_are_due(p);
	atomic_store_explicit(&p->cell->asleep, 1, memory_order_relaxed);
	/* The other side is house_wake(): either it sees that we sleep, or we see what it has published. */
	atomic_thread_fence(memory_order_seq_cst);
	return !crossing_is_readable(p);
}

void crossing_awake(struct proxy *p)
{
	if (p->crossings != NULL)
		atomic_store_explicit(&p->cell->asleep, 0, memory_order_relaxed);
}

/* ---- beginning and end ---- */

static int attach(struct proxy *p, unsigned w)
{
	const struct house *h = &p->house;
	struct crossing_peer *peer = &p->crossings->peers[w];
	size_t bytes = HOUSE_SENT * sizeof *peer->halves;

	/* Pages that are never touched cost nothing. */
	peer->halves = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (peer->halves == MAP_FAILED) {
		peer->halves = NULL;
		return -1;
	}
	peer->incarnation = house_incarnation(h, w);
	ring_attach_consumer(&peer->in, house_ring(h, w, h->self), h->ring_capacity);
	ring_attach_producer(&peer->out, house_ring(h, h->self, w), h->ring_capacity);
	return 0;
}

int crossings_create(struct proxy *p)
{
	if (p->house.count < 2)
		return 0;
	p->crossings = calloc(1, sizeof *p->crossings);
	if (p->crossings == NULL)
		return -1;
	p->crossings->proxy = p;
	p->crossings->retry.run = on_retry;
	p->crossings->incarnation = house_incarnation(&p->house, p->house.self);
	p->crossings->slab = slab_create(sizeof(struct crossing), (1 << 24) - 1);
	if (p->crossings->slab == NULL)
		return -1;
	for (unsigned w = 0; w < p->house.count; w++)
		if (w != p->house.self && attach(p, w) < 0)
			return -1;
	return 0;
}

void crossings_destroy(struct proxy *p)
{
	struct crossings *c = p->crossings;

	if (c == NULL)
		return;
	for (unsigned w = 0; w < p->house.count; w++) {
		while (c->peers[w].first != NULL) {
			struct crossing_late *l = c->peers[w].first;

			c->peers[w].first = l->next;
			free(l);
		}
		if (c->peers[w].halves != NULL)
			munmap(c->peers[w].halves, HOUSE_SENT * sizeof *c->peers[w].halves);
	}
	slab_destroy(c->slab);
	free(c);
	p->crossings = NULL;
}

/* ---- names of origins ---- */

int crossing_write_texts(const struct endpoint *origin, const struct edge_credentials *c, char texts[CROSSING_TEXTS_MAX])
{
	size_t host = strlen(c->host) + 1, identity = strlen(c->identity) + 1;

	if (!edge_of(origin)->named)
		return 0;
	if (host + identity > CROSSING_TEXTS_MAX)
		return -1;
	memcpy(texts, c->host, host);
	memcpy(texts + host, c->identity, identity);
	return (int)(host + identity);
}

bool crossing_read_texts(const uint8_t *texts, size_t len, struct edge_credentials *c)
{
	const uint8_t *end = len > 0 ? memchr(texts, '\0', len) : NULL;

	*c = (struct edge_credentials){ "", "" };
	if (len == 0)
		return true;
	if (end == NULL || end + 1 == texts + len || memchr(end + 1, '\0', (size_t)(texts + len - end - 1)) != texts + len - 1)
		return false;
	c->host = (const char *)texts;
	c->identity = (const char *)end + 1;
	return true;
}
