/* Bodies that go on in outer blocks, none of which is a message: copies are put together, to be read as one when the last has passed
 * (reading.h). A fixed number of them, each no longer than what can be read; who has waited longest makes room. */
#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/reading_state.h"

struct gather *gather_find(struct readings *all, uint64_t key)
{
	for (unsigned i = 0; i < READING_GATHERS; i++)
		if (all->gathers[i].key == key && all->gathers[i].bytes != NULL)
			return &all->gathers[i];
	return NULL;
}

static struct gather *oldest(struct readings *all)
{
	struct gather *found = &all->gathers[0];

	for (unsigned i = 0; i < READING_GATHERS; i++)
		if (all->gathers[i].bytes == NULL || all->gathers[i].at < found->at)
			found = &all->gathers[i];
	return found;
}

void gather_drop(struct gather *g)
{
	free(g->bytes);
	*g = (struct gather){ .key = 0 };
}

static int append(struct gather *g, const uint8_t *bytes, size_t len)
{
	enum { SMALLEST = 4096 };
	size_t capacity = g->capacity > 0 ? g->capacity : SMALLEST;
	uint8_t *grown;

	if (g->len + len > OPENING_PAYLOAD_MAX)
		return -1;
	while (capacity < g->len + len)
		capacity *= 2;
	if (capacity > g->capacity) {
		grown = realloc(g->bytes, capacity);
		if (grown == NULL)
			return -1;
		g->bytes = grown;
		g->capacity = capacity;
	}
	if (len > 0)
		memcpy(g->bytes + g->len, bytes, len);
	g->len += len;
	g->at = clock_now();
	return 0;
}

enum gathered gather_block(struct readings *all, uint64_t key, const struct opt_block *b, const struct msg_view *m, struct gather **out)
{
	struct gather *g = gather_find(all, key);
	uint64_t offset = opt_block_offset(b);

	*out = g;
	if (b->num == 0) {
		if (g == NULL)
			g = *out = oldest(all);
		gather_drop(g);
		g->key = key;
	} else if (g == NULL) {
		return GATHER_NONE;
	} else if (offset + m->payload_len == g->len && b->more) {
		return GATHER_MORE; /* this one again */
	}
	if (offset == g->len && append(g, m->payload, m->payload_len) == 0)
		return b->more ? GATHER_MORE : GATHER_WHOLE;
	gather_drop(g);
	return GATHER_BROKEN;
}
