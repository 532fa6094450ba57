#include "proxy/exchange/hop.h"

/* An entry: the upper half of the origin's hash, flags, limit. */
enum { LIMIT_MASK = 0xffffff };

#define KNOWN (1u << 24)
#define BLOCKS (1u << 25)
#define BERT (1u << 26)

static _Atomic uint64_t *entry_of(const struct proxy *p, const struct endpoint *origin, uint64_t *tag)
{
	uint64_t hash = hash_bytes(&p->hash_key, origin, sizeof *origin);

	*tag = hash >> 32 << 32;
	return &p->house.state->hops[hash % HOUSE_HOPS];
}

struct hop hop_of(const struct proxy *p, const struct endpoint *origin)
{
	const struct edge_traits *traits = edge_of(origin);
	struct hop hop = { .reliable = traits->reliable, .known = !traits->reliable, .blocks = true, .limit = traits->message_max };
	uint64_t tag, entry;

	if (!hop.reliable)
		return hop;
	entry = atomic_load_explicit(entry_of(p, origin, &tag), memory_order_relaxed);
	if (entry >> 32 << 32 != tag || !(entry & KNOWN))
		return hop;
	hop.known = true;
	hop.blocks = (entry & BLOCKS) != 0;
	hop.bert = (entry & BERT) != 0;
	hop.limit = (size_t)(entry & LIMIT_MASK);
	return hop;
}

void hop_learn_reliable(struct proxy *p, unsigned slot, const struct endpoint *origin)
{
	uint64_t tag, flags = KNOWN, limit;
	_Atomic uint64_t *entry;

	entry = entry_of(p, origin, &tag);
	limit = edge_message_limit(slot, origin);
	flags |= edge_takes_blocks(slot, origin) ? BLOCKS : 0;
	flags |= edge_takes_bert(slot, origin) ? BERT : 0;
	atomic_store_explicit(entry, tag | flags | (limit < LIMIT_MASK ? limit : LIMIT_MASK), memory_order_relaxed);
}
