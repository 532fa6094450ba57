#include "base/peer_counts.h"

#include <stdlib.h>
#include <string.h>

#include "base/chain.h"
#include "base/hash.h"

enum { BUCKETS = 4096 };

struct peer_count {
	struct peer_count *next, **link;
	struct endpoint client; /* port, transport and session 0, and the second half of an IPv6 address 0 */
	uint32_t count;
};

struct peer_counts {
	struct hash_key key;
	struct peer_count *buckets[BUCKETS];
};

struct peer_counts *peer_counts_create(void)
{
	struct peer_counts *p = calloc(1, sizeof *p);

	if (p != NULL)
		hash_key_init(&p->key);
	return p;
}

void peer_counts_destroy(struct peer_counts *p)
{
	for (unsigned i = 0; p != NULL && i < BUCKETS; i++)
		while (p->buckets[i] != NULL) {
			struct peer_count *c = p->buckets[i];

			p->buckets[i] = c->next;
			free(c);
		}
	free(p);
}

static struct endpoint client_of(const struct endpoint *peer)
{
	struct endpoint client = *peer;

	client.port = client.transport = 0;
	client.session = 0;
	if (!endpoint_is_ipv4(peer))
		memset(client.addr + 8, 0, sizeof client.addr - 8);
	return client;
}

static struct peer_count *add(struct peer_count **bucket, const struct endpoint *client)
{
	struct peer_count *c = malloc(sizeof *c);

	if (c == NULL)
		return NULL;
	*c = (struct peer_count){ .client = *client };
	CHAIN_ENTER(*bucket, c, next, link);
	return c;
}

struct peer_count *peer_counts_enter(struct peer_counts *p, const struct endpoint *peer, uint32_t limit)
{
	struct endpoint client = client_of(peer);
	struct peer_count **bucket = &p->buckets[hash_bytes(&p->key, &client, sizeof client) % BUCKETS], *c = *bucket;

	while (c != NULL && !endpoint_equal(&c->client, &client))
		c = c->next;
	if (limit == 0 || (c != NULL && c->count >= limit))
		return NULL;
	if (c == NULL)
		c = add(bucket, &client);
	if (c != NULL)
		c->count++;
	return c;
}

void peer_counts_leave(struct peer_count *c)
{
	if (c == NULL || --c->count > 0)
		return;
	CHAIN_LEAVE(c, next, link);
	free(c);
}
