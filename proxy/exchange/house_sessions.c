#include "proxy/exchange/house_sessions.h"

#include <string.h>

/* An entry is copied in so many words; if it changes under the reader so often, its writer stands still. */
enum { WORDS = sizeof(struct house_session) / sizeof(uint64_t), READS_MAX = 1000 };

_Static_assert(sizeof(struct house_session) == HOUSE_SESSION_WORDS * sizeof(uint64_t), "an entry is whole words, all of them");

struct session_name house_session_name(const struct house *h, const char *name, size_t len)
{
	static const char second[] = "second";
	const struct hash_key *k = &h->state->hash_key;
	struct session_name n = { { hash_bytes(k, name, len), 0 } };

	n.hash[1] = hash_mix(k, hash_bytes(k, second, sizeof second), name, len);
	n.hash[0] |= 1; /* 0 is a free place */
	return n;
}

static uint32_t set_of(const struct session_name *name)
{
	return (uint32_t)(name->hash[1] % HOUSE_SESSION_SETS) * HOUSE_SESSION_WAYS;
}

/* ---- one entry ---- */

static bool read_whole(const struct house_session_place *at, struct house_session *out)
{
	uint64_t words[WORDS];

	for (int i = 0; i < READS_MAX; i++) {
		uint32_t version = atomic_load_explicit(&at->version, memory_order_acquire);

		for (unsigned w = 0; w < WORDS; w++)
			words[w] = atomic_load_explicit(&at->words[w], memory_order_relaxed);
		atomic_thread_fence(memory_order_acquire);
		if (version % 2 != 0 || atomic_load_explicit(&at->version, memory_order_relaxed) != version)
			continue;
		memcpy(out, words, sizeof words);
		return true;
	}
	return false;
}

static void write_whole(struct house_session_place *at, const struct house_session *in)
{
	uint32_t version = atomic_load_explicit(&at->version, memory_order_relaxed) | 1; /* it was odd if who wrote last died over it */
	uint64_t words[WORDS];

	memcpy(words, in, sizeof words);
	atomic_store_explicit(&at->version, version, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (unsigned w = 0; w < WORDS; w++)
		atomic_store_explicit(&at->words[w], words[w], memory_order_relaxed);
	atomic_store_explicit(&at->version, version + 1, memory_order_release);
}

static bool is_named(const struct house_session *s, const struct session_name *name)
{
	return s->name.hash[0] == name->hash[0] && s->name.hash[1] == name->hash[1];
}

/* What stands at a place of this worker, of its own incarnation. */
static bool own_at(const struct house *h, uint32_t place, struct house_session *s)
{
	const struct house_cell *c = &h->cells[h->self];

	return atomic_load_explicit(&c->session_names[place], memory_order_relaxed) != 0 && read_whole(&c->sessions[place], s) &&
		s->incarnation == house_incarnation(h, h->self);
}

/* ---- the own part ---- */

/* The place that this name has, else a free one of its set. */
static uint32_t place_for(const struct house *h, const struct session_name *name, struct house_session *older)
{
	uint32_t set = set_of(name), place = HOUSE_NO_SESSION;

	for (uint32_t i = set; i < set + HOUSE_SESSION_WAYS; i++) {
		struct house_session s;

		if (!own_at(h, i, &s)) {
			place = place == HOUSE_NO_SESSION ? i : place;
		} else if (is_named(&s, name)) {
			*older = s;
			return i;
		}
	}
	return place;
}

uint32_t house_session_enter(struct house *h, const struct session_name *name, unsigned listener, const struct endpoint *peer,
	struct house_session *older)
{
	struct house_cell *c = house_own(h);
	struct house_session s = { .name = *name, .peer = *peer, .incarnation = house_incarnation(h, h->self), .listener = listener };
	uint32_t place;

	older->peer.session = 0;
	place = place_for(h, name, older);
	if (place == HOUSE_NO_SESSION)
		return place;
	s.order = atomic_fetch_add_explicit(&h->state->session_order, 1, memory_order_relaxed) + 1;
	write_whole(&c->sessions[place], &s);
	atomic_store_explicit(&c->session_names[place], name->hash[0], memory_order_release);
	/* Of two workers that enter the same name at once, each looks at the other's part next: one at least finds what the other wrote. */
	atomic_thread_fence(memory_order_seq_cst);
	return place;
}

void house_session_leave(struct house *h, uint32_t place, const struct endpoint *peer)
{
	struct house_session s;

	if (place < HOUSE_SESSIONS && own_at(h, place, &s) && s.peer.session == peer->session)
		atomic_store_explicit(&house_own(h)->session_names[place], 0, memory_order_relaxed);
}

/* ---- all parts ---- */

bool house_session_of(const struct house *h, unsigned worker, const struct session_name *name, struct house_session *found)
{
	const struct house_cell *c = &h->cells[worker];
	uint32_t set = set_of(name);

	for (uint32_t i = set; i < set + HOUSE_SESSION_WAYS; i++)
		if (atomic_load_explicit(&c->session_names[i], memory_order_acquire) == name->hash[0] && read_whole(&c->sessions[i], found) &&
			is_named(found, name) && found->incarnation == house_incarnation(h, worker))
			return true;
	return false;
}

bool house_session_find(const struct house *h, const struct session_name *name, struct house_session *found)
{
	bool any = false;

	for (unsigned w = 0; w < h->count; w++) {
		struct house_session s;

		if (!house_session_of(h, w, name, &s) || (any && s.order < found->order))
			continue;
		*found = s;
		any = true;
	}
	return any;
}

/* The other side is crossing_may_sleep(): either it sees that something has changed, or we see that it waits and sleeps. */
void house_sessions_tell(struct house *h)
{
	atomic_fetch_add_explicit(&h->state->sessions_changed, 1, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	for (unsigned w = 0; w < h->count; w++)
		if (w != h->self && atomic_load_explicit(&h->cells[w].session_waiters, memory_order_relaxed) > 0)
			house_wake(h, w);
}
