#include "proxy/edge/stream_table.h"

#include <stdlib.h>

enum { BUCKETS_LEAST = 256 };

int stream_table_open(struct stream_table *t)
{
	*t = (struct stream_table){ .mask = BUCKETS_LEAST - 1 };
	t->buckets = calloc(BUCKETS_LEAST, sizeof *t->buckets);
	return t->buckets != NULL ? 0 : -1;
}

void stream_table_close(struct stream_table *t)
{
	free(t->buckets);
	*t = (struct stream_table){ .buckets = NULL };
}

static void put(struct stream_link **buckets, uint32_t mask, struct stream_link *l)
{
	struct stream_link **bucket = &buckets[l->table_number & mask];

	l->chain = *bucket;
	*bucket = l;
}

/* Without memory it stays as it is, and is slower. */
static void grow(struct stream_table *t)
{
	uint32_t mask = 2 * t->mask + 1;
	struct stream_link **buckets = calloc((size_t)mask + 1, sizeof *buckets);

	if (buckets == NULL)
		return;
	for (uint32_t i = 0; i <= t->mask; i++) {
		while (t->buckets[i] != NULL) {
			struct stream_link *l = t->buckets[i];

			t->buckets[i] = l->chain;
			put(buckets, mask, l);
		}
	}
	free(t->buckets);
	t->buckets = buckets;
	t->mask = mask;
}

void stream_table_add(struct stream_table *t, struct stream_link *l, uint64_t number)
{
	if (t->count > t->mask)
		grow(t);
	l->table_number = number;
	l->in_table = true;
	put(t->buckets, t->mask, l);
	t->count++;
}

void stream_table_remove(struct stream_table *t, struct stream_link *l)
{
	struct stream_link **at;

	if (!l->in_table)
		return;
	at = &t->buckets[l->table_number & t->mask];
	while (*at != l)
		at = &(*at)->chain;
	*at = l->chain;
	l->in_table = false;
	t->count--;
}
