#include "proxy/edge/dtls_sessions.h"

#include <openssl/ssl.h>
#include <string.h>

#include "proxy/exchange/table.h"

enum {
	FINISHED_LEAST = 40,    /* of a Finished, the only message under keys that belongs to a handshake: header, 12 bytes, nonce and tag of CCM_8 */
	SESSIONS_MAX = 1 << 23, /* of the slab; what bounds them is the configuration */
	EXPECTED = 16384,
};
#define TOUCH_EVERY CLOCK_SECOND /* the order of last use is no finer than that, which spares the neighbours in it */

static struct {
	struct proxy *proxy;
	struct slab *slab;
	struct peer_counts *addresses;
	struct table tables[DTLS_PLACES];
	uint32_t counts[DTLS_PLACES];
} all;

int dtls_sessions_open(struct proxy *p)
{
	all.proxy = p;
	all.slab = slab_create(sizeof(struct dtls_session), SESSIONS_MAX);
	all.addresses = peer_counts_create();
	if (all.slab == NULL || all.addresses == NULL)
		return -1;
	for (unsigned i = 0; i < DTLS_PLACES; i++)
		if (table_init(&all.tables[i], all.slab, EXPECTED) < 0)
			return -1;
	return 0;
}

void dtls_sessions_close(void)
{
	for (unsigned i = 0; i < DTLS_PLACES; i++) {
		free(all.tables[i].heads);
		all.tables[i].heads = NULL;
	}
	slab_destroy(all.slab);
	all.slab = NULL;
	peer_counts_destroy(all.addresses);
	all.addresses = NULL;
}

struct proxy *dtls_proxy(void)
{
	return all.proxy;
}

/* By address and port alone: datagrams do not know the number, messages do not know the own address. */
static uint64_t hash_of(const struct endpoint *peer)
{
	struct {
		uint8_t addr[16];
		uint32_t scope, port;
	} key = { .scope = peer->scope, .port = peer->port };

	memcpy(key.addr, peer->addr, sizeof key.addr);
	return hash_bytes(&all.proxy->hash_key, &key, sizeof key);
}

static void put(struct dtls_session *s, enum dtls_place place, uint32_t index)
{
	s->place = (uint8_t)place;
	table_insert(&all.tables[place], hash_of(&s->path.peer), s, index);
	all.counts[place]++;
}

static void take_out(struct dtls_session *s)
{
	table_remove(&all.tables[s->place], hash_of(&s->path.peer), s);
	all.counts[s->place]--;
}

struct dtls_session *dtls_session_new(enum dtls_place place, const struct dtls_path *path, SSL *ssl)
{
	uint32_t index;
	struct dtls_session *s = slab_new(all.slab, &index);

	if (s == NULL) {
		SSL_free(ssl);
		return NULL;
	}
	s->path = *path;
	s->ssl = ssl;
	s->last = &s->first;
	s->record_least = FINISHED_LEAST;
	s->used_at = clock_now();
	put(s, place, index);
	return s;
}

bool dtls_session_count_in(struct dtls_session *s, uint32_t limit)
{
	s->counted = peer_counts_enter(all.addresses, &s->path.peer, limit);
	return s->counted != NULL;
}

void dtls_session_free(struct dtls_session *s)
{
	dtls_bio_turn(NULL, NULL, 0);
	wheel_cancel(&s->timer);
	take_out(s);
	while (s->first != NULL) {
		struct dtls_waiting *w = s->first;

		s->first = w->next;
		free(w);
	}
	peer_counts_leave(s->counted);
	SSL_free(s->ssl);
	free(s->name);
	slab_free(all.slab, s->links.index);
}

void dtls_session_admit(struct dtls_session *s, uint64_t number)
{
	take_out(s);
	s->path.peer.session = number;
	s->open = true;
	put(s, DTLS_CLIENTS, s->links.index);
}

void dtls_session_touch(struct dtls_session *s)
{
	if (clock_now() - s->used_at < TOUCH_EVERY)
		return;
	s->used_at = clock_now();
	table_touch(&all.tables[s->place], s);
}

uint32_t dtls_count(enum dtls_place place)
{
	return all.counts[place];
}

struct dtls_session *dtls_oldest(enum dtls_place place)
{
	return table_oldest(&all.tables[place]);
}

struct dtls_session *dtls_newer(const struct dtls_session *s)
{
	return slab_get(all.slab, s->links.newer);
}

/* ---- finding ---- */

static bool is_same_address(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && a->scope == b->scope && memcmp(a->addr, b->addr, sizeof a->addr) == 0;
}

struct dtls_session *dtls_find_path(enum dtls_place place, const struct dtls_path *path)
{
	const struct table *t = &all.tables[place];
	struct dtls_session *s;

	for (s = table_first(t, hash_of(&path->peer)); s != NULL; s = table_next(t, s))
		if (s->path.slot == path->slot && is_same_address(&s->path.peer, &path->peer) &&
			(place == DTLS_ORIGINS || memcmp(s->path.local.addr, path->local.addr, sizeof path->local.addr) == 0))
			return s;
	return NULL;
}

struct dtls_session *dtls_find_client(const struct endpoint *peer)
{
	const struct table *t = &all.tables[DTLS_CLIENTS];
	struct dtls_session *s;

	for (s = table_first(t, hash_of(peer)); s != NULL; s = table_next(t, s))
		if (endpoint_equal(&s->path.peer, peer))
			return s;
	return NULL;
}

struct dtls_session *dtls_find_origin(unsigned slot, const struct endpoint *peer)
{
	const struct table *t = &all.tables[DTLS_ORIGINS];
	struct dtls_session *s;

	for (s = table_first(t, hash_of(peer)); s != NULL; s = table_next(t, s))
		if (s->named_slot == slot && endpoint_equal(&s->path.peer, peer))
			return s;
	return NULL;
}

void dtls_prefetch(const struct endpoint *peer)
{
	const struct table *t = &all.tables[DTLS_CLIENTS];

	__builtin_prefetch(&t->heads[hash_of(peer) & t->mask]);
}

/* ---- all of them ---- */

struct visitor {
	void (*visit)(struct dtls_session *s, void *arg);
	void *arg;
};

static void on_each(void *object, uint32_t index, void *arg)
{
	const struct visitor *v = arg;

	(void)index;
	v->visit(object, v->arg);
}

void dtls_sessions_each(void (*visit)(struct dtls_session *s, void *arg), void *arg)
{
	struct visitor v = { visit, arg };

	if (all.slab != NULL)
		slab_each(all.slab, on_each, &v);
}
