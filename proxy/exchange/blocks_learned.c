#include "proxy/exchange/blocks_learned.h"

/* A Proxy-Uri up to its path: "coap://host:port". */
static size_t authority_len(const struct msg_option *uri)
{
	unsigned slashes = 0;

	for (size_t i = 0; i < uri->len; i++) {
		slashes += uri->value[i] == '/';
		if (slashes == 3 || uri->value[i] == '?')
			return i;
	}
	return uri->len;
}

uint64_t blocks_device(const struct proxy *p, const struct route *route, const struct msg_view *m)
{
	uint64_t hash = hash_bytes(&p->hash_key, &route->metrics_slot, sizeof route->metrics_slot);

	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];
		size_t len = o->len;

		if (o->number == OPT_PROXY_URI)
			len = authority_len(o);
		else if (o->number != OPT_URI_HOST && o->number != OPT_URI_PORT && o->number != OPT_PROXY_SCHEME)
			continue;
		hash = hash_mix(&p->hash_key, hash, &o->number, sizeof o->number);
		hash = hash_mix(&p->hash_key, hash, o->value, len);
	}
	return hash;
}

static bool is_entry(const struct blocks_learned *l, uint64_t device, uint64_t now)
{
	return l->entries[device % BLOCKS_LEARNED].device == device && l->entries[device % BLOCKS_LEARNED].until > now;
}

static void take(struct blocks_learned *l, uint64_t device, uint64_t now)
{
	if (!is_entry(l, device, now)) {
		l->entries[device % BLOCKS_LEARNED].plain = false;
		l->entries[device % BLOCKS_LEARNED].hop = (struct hop){ 0 };
	}
	l->entries[device % BLOCKS_LEARNED].device = device;
	l->entries[device % BLOCKS_LEARNED].until = now + BLOCKS_LEARNED_FOR;
}

void blocks_learn(struct blocks_learned *l, uint64_t device, uint64_t now)
{
	take(l, device, now);
	l->entries[device % BLOCKS_LEARNED].plain = true;
}

bool blocks_knows(const struct blocks_learned *l, uint64_t device, uint64_t now)
{
	return is_entry(l, device, now) && l->entries[device % BLOCKS_LEARNED].plain;
}

void blocks_learn_hop(struct blocks_learned *l, uint64_t device, const struct hop *hop, uint64_t now)
{
	take(l, device, now);
	l->entries[device % BLOCKS_LEARNED].hop = *hop;
}

struct hop blocks_hop(const struct blocks_learned *l, uint64_t device, uint64_t now)
{
	return is_entry(l, device, now) ? l->entries[device % BLOCKS_LEARNED].hop : (struct hop){ 0 };
}
