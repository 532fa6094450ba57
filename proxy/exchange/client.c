#include "proxy/exchange/client.h"

#include "proxy/exchange/exchange.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/ports.h"
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

uint32_t client_hash(const struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	return (uint32_t)(hash_of(p, listener, peer) >> 32);
}

static struct client *find(const struct proxy *p, uint64_t hash, unsigned listener, const struct endpoint *peer)
{
	struct client *c = table_first(&p->client_table, hash);

	while (c != NULL && !(c->listener == listener && endpoint_equal(&c->peer, peer)))
		c = table_next(&p->client_table, c);
	return c;
}

struct client *client_find(const struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	return find(p, hash_of(p, listener, peer), listener, peer);
}

bool client_is_idle(const struct client *c)
{
	return c->exchanges == 0 && c->observations == NULL && c->first == NULL && c->errands == 0;
}

enum { EVICTION_LOOKS = 64 }; /* busy clients passed over before giving up */

static bool evict_one(struct proxy *p)
{
	struct client *c = table_oldest(&p->client_table);

	for (int looks = 0; c != NULL && looks < EVICTION_LOOKS; looks++) {
		if (client_is_idle(c)) {
			table_remove(&p->client_table, hash_of(p, c->listener, &c->peer), c);
			slab_free(p->clients, c->links.index);
			return true;
		}
		/* Long busy ones must not gather at this end and hide the idle. */
		table_touch(&p->client_table, c);
		c = table_oldest(&p->client_table);
	}
	return false;
}

struct client *client_get(struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	uint64_t hash = hash_of(p, listener, peer);
	struct client *c = find(p, hash, listener, peer);
	uint32_t index;

	if (c != NULL) {
		table_touch(&p->client_table, c);
		return c;
	}
	c = slab_new(p->clients, &index);
	if (c == NULL) {
		if (!evict_one(p) || (c = slab_new(p->clients, &index)) == NULL)
			return NULL;
	}
	c->peer = *peer;
	c->listener = listener;
	c->hash = (uint32_t)(hash >> 32);
	c->trusted = reachability_is_trusted(p, peer);
	table_insert(&p->client_table, hash, c, index);
	return c;
}

bool client_may_take(const struct client *c, uint64_t used, uint64_t limit)
{
	return used < (reachability_is_verified(c) ? limit : limit - limit / 4);
}

void client_send(unsigned listener, const struct endpoint *peer, const struct local_address *from, const uint8_t *bytes, size_t len)
{
	if (listener & CLIENT_AT_SLOT)
		edge_send_origin(listener & (CLIENT_AT_SLOT - 1), peer, bytes, len);
	else
		edge_send_client(listener, peer, from, bytes, len);
}

int32_t client_take_mid(struct proxy *p, const struct client *c)
{
	/* An origin that asks is sent requests from the same port. */
	if (client_is_at_slot(c))
		return ports_take_mid(p, origin_hash(p, &c->peer), client_slot(c));
	return message_ids_take(&p->cell->down_ids[c->hash % DOWN_ID_SPACES], clock_now(), NULL);
}

struct observation *client_observation(const struct client *c, const uint8_t *token, size_t len)
{
	for (struct observation *o = c->observations; o != NULL; o = o->next)
		if (o->exchange->token_len == len && memcmp(exchange_token(o->exchange), token, len) == 0)
			return o;
	return NULL;
}

unsigned receive_under_way(const struct proxy *p, unsigned listener, const struct endpoint *peer, bool *observed)
{
	const struct client *c = client_find(p, listener, peer);
	const struct origin *asked = edge_is_clients_session(peer) ? origin_find(p, peer) : NULL; /* he may be asked, too */
	unsigned count = c != NULL ? c->exchanges : 0;

	for (const struct observation *o = c != NULL ? c->observations : NULL; o != NULL; o = o->next)
		if (o->exchange->state == EXCHANGE_OBSERVING)
			count--;
	if ((c != NULL && (c->observations != NULL || c->errands > 0)) || (asked != NULL && asked->exchanges > 0))
		*observed = true;
	return count;
}
