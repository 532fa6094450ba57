#include "proxy/exchange/client.h"

#include "proxy/exchange/exchange.h"
#include "proxy/exchange/reachability.h"
#include "proxy/exchange/table.h"

struct client_key {
	struct endpoint peer;
	uint64_t listener;
};

static uint64_t hash_of(const struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	struct client_key key = { .peer = *peer, .listener = listener };

	return hash_bytes(&p->hash_key, &key, sizeof key);
}

static struct client *find(const struct proxy *p, uint64_t hash, unsigned listener, const struct endpoint *peer)
{
	uint32_t at = table_head(&p->client_table, hash);

	while (at != SLAB_NONE) {
		struct client *c = slab_get(p->clients, at);

		if (c->listener == listener && endpoint_equal(&c->peer, peer))
			return c;
		at = c->chain;
	}
	return NULL;
}

struct client *client_find(const struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	return find(p, hash_of(p, listener, peer), listener, peer);
}

static void unlink_age(struct proxy *p, struct client *c)
{
	struct client *older = slab_get(p->clients, c->older), *newer = slab_get(p->clients, c->newer);

	if (older != NULL)
		older->newer = c->newer;
	else
		p->oldest_client = c->newer;
	if (newer != NULL)
		newer->older = c->older;
	else
		p->newest_client = c->older;
}

static void link_newest(struct proxy *p, struct client *c)
{
	struct client *newest = slab_get(p->clients, p->newest_client);

	c->older = p->newest_client;
	c->newer = SLAB_NONE;
	if (newest != NULL)
		newest->newer = c->index;
	else
		p->oldest_client = c->index;
	p->newest_client = c->index;
}

static bool is_idle(const struct client *c)
{
	return c->exchanges == 0 && c->observations == NULL && c->first == NULL;
}

static void unlink_chain(struct proxy *p, struct client *c)
{
	uint64_t hash = hash_of(p, c->listener, &c->peer);
	uint32_t at = table_head(&p->client_table, hash);

	if (at == c->index) {
		p->client_table.heads[hash & p->client_table.mask] = c->chain + 1;
		return;
	}
	while (at != SLAB_NONE) {
		struct client *before = slab_get(p->clients, at);

		if (before->chain == c->index) {
			before->chain = c->chain;
			return;
		}
		at = before->chain;
	}
	log_fatal("client is not in its chain");
}

enum { EVICTION_LOOKS = 64 }; /* busy clients passed over before giving up */

static bool evict_one(struct proxy *p)
{
	uint32_t at = p->oldest_client;

	for (int looks = 0; at != SLAB_NONE && looks < EVICTION_LOOKS; looks++) {
		struct client *c = slab_get(p->clients, at);

		if (is_idle(c)) {
			unlink_age(p, c);
			unlink_chain(p, c);
			slab_free(p->clients, at);
			return true;
		}
		at = c->newer;
		/* Long busy ones must not gather at this end and hide the idle. */
		unlink_age(p, c);
		link_newest(p, c);
	}
	return false;
}

struct client *client_get(struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	uint64_t hash = hash_of(p, listener, peer);
	struct client *c = find(p, hash, listener, peer);
	uint32_t index;

	if (c != NULL) {
		if (c->newer != SLAB_NONE) {
			unlink_age(p, c);
			link_newest(p, c);
		}
		return c;
	}
	c = slab_new(p->clients, &index);
	if (c == NULL) {
		if (!evict_one(p) || (c = slab_new(p->clients, &index)) == NULL)
			return NULL;
	}
	c->peer = *peer;
	c->listener = (uint16_t)listener;
	c->index = index;
	c->hash = (uint32_t)(hash >> 32);
	c->trusted = reachability_is_trusted(p, peer);
	table_insert(&p->client_table, hash, index, &c->chain);
	link_newest(p, c);
	return c;
}

bool client_may_take(const struct client *c, size_t used, size_t limit)
{
	return used < (reachability_is_verified(c) ? limit : limit - limit / 4);
}

int32_t client_take_mid(struct proxy *p, const struct client *c)
{
	return message_ids_take(&p->down_ids[c->hash % DOWN_ID_SPACES], clock_now(), NULL);
}

struct observation *client_observation(const struct client *c, const uint8_t *token, size_t len)
{
	for (struct observation *o = c->observations; o != NULL; o = o->next)
		if (o->exchange->token_len == len && memcmp(exchange_token(o->exchange), token, len) == 0)
			return o;
	return NULL;
}
