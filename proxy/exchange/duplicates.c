#include "proxy/exchange/duplicates.h"

#include <string.h>

#include "proxy/exchange/duplicates_map.h"

static uint32_t ticks_of(uint64_t now)
{
	return (uint32_t)(now / (1000000 / TICKS));
}

/* Both times are rounded down, so strictly more ticks than the lifetime are at least the lifetime. */
static bool older_than(uint32_t then, uint32_t now, uint32_t lifetime)
{
	return (int32_t)(now - then) > (int32_t)lifetime;
}

static uint32_t lifetime_of(const struct record *r)
{
	return r->flags & FLAG_CONFIRMABLE ? RECORD_TICKS : RECORD_NON_TICKS;
}

/* The record a handle names, or NULL if it has gone or another took its place. */
static struct record *record_get(const struct duplicates *d, uint32_t place, uint64_t hash)
{
	const struct segment *s;
	struct record *r;

	if (place / SEGMENT_RECORDS >= d->header->untouched)
		return NULL;
	s = &d->segments[place / SEGMENT_RECORDS];
	if (s->log >= LOGS || s->log % 2 != 0 || place % SEGMENT_RECORDS >= s->used)
		return NULL;
	r = record_at(d, place);
	return r->flags & FLAG_USED && r->hash == hash ? r : NULL;
}

/* ---- index ---- */

static void index_remove(struct duplicates *d, uint64_t hash, uint32_t place)
{
	uint32_t entry = entry_of(d, hash, place);

	for (uint32_t at = bucket_of(d, hash);; at = bucket_after(d, at)) {
		struct bucket *b = &d->index[at];

		for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
			if (b->entries[i] == entry) {
				b->entries[i] = 0;
				return;
			}
		}
		if (b->passed == 0)
			return;
		b->passed--;
	}
}

/* The entries of b that may be of this hash, as bits; all are compared, without a branch for each. */
static unsigned bucket_match(const struct bucket *b, uint32_t tag, uint32_t place_mask)
{
	unsigned matches = 0;

	for (unsigned i = 0; i < BUCKET_ENTRIES; i++)
		matches |= (unsigned)(((b->entries[i] ^ tag) & ~place_mask) == 0) << i;
	return matches;
}

/* ---- segments ---- */

static void segment_give_back(struct duplicates *d, uint32_t index)
{
	struct segment *s = &d->segments[index];

	d->header->in_use--;
	if (!log_verified(s->log))
		d->header->unverified--;
	s->log = LOG_FREE;
	s->used = 0;
	s->next = d->header->free;
	d->header->free = index;
}

static void records_drop(struct duplicates *d, uint32_t index, uint32_t now)
{
	const struct segment *s = &d->segments[index];
	uint32_t place = index * SEGMENT_RECORDS;
	struct record *r = record_at(d, place);

	for (uint32_t i = 0; i < s->used; i++) {
		if (i + PREFETCH < s->used)
			__builtin_prefetch(&d->index[bucket_of(d, r[i + PREFETCH].hash)], 1);
		if (!(r[i].flags & FLAG_USED))
			continue;
		if (!older_than(r[i].born, now, lifetime_of(&r[i])))
			d->header->evicted++;
		index_remove(d, r[i].hash, place + i);
		r[i].flags = 0;
		d->header->records--;
	}
}

static void log_drop_oldest(struct duplicates *d, uint32_t log, uint32_t now)
{
	struct log *l = &d->header->logs[log];
	uint32_t index = l->oldest;

	if (log % 2 == 0)
		records_drop(d, index, now);
	l->oldest = d->segments[index].next;
	if (l->oldest == NO_SEGMENT)
		l->newest = NO_SEGMENT;
	segment_give_back(d, index);
}

/* Drops the oldest segment of the first log that has an expired one, among `unverified` logs only or all. */
static bool drop_expired(struct duplicates *d, uint32_t now, bool unverified_only)
{
	for (uint32_t log = 0; log < LOGS; log++) {
		uint32_t oldest = d->header->logs[log].oldest;

		if (oldest == NO_SEGMENT || (unverified_only && log_verified(log)))
			continue;
		if (older_than(d->segments[oldest].expires, now, 0)) {
			log_drop_oldest(d, log, now);
			return true;
		}
	}
	return false;
}

/* Evicts the oldest segment of records of safe requests, and the answers that no record can refer to any more: those
 * that came before the oldest record left. */
static bool evict(struct duplicates *d, uint32_t now, bool unverified_only)
{
	uint32_t victim = LOGS, oldest, answers;

	for (uint32_t class = 0; class < CLASSES; class++) {
		uint32_t at = d->header->logs[2 * class].oldest;

		if (class & UNSAFE || at == NO_SEGMENT || (unverified_only && class & VERIFIED))
			continue;
		if (victim == LOGS || (int32_t)(d->segments[at].first - d->segments[d->header->logs[victim].oldest].first) < 0)
			victim = 2 * class;
	}
	if (victim == LOGS)
		return false;
	log_drop_oldest(d, victim, now);
	oldest = d->header->logs[victim].oldest;
	while ((answers = d->header->logs[victim + 1].oldest) != NO_SEGMENT) {
		if (oldest != NO_SEGMENT && (int32_t)(d->segments[answers].last - d->segments[oldest].first) >= 0)
			break;
		log_drop_oldest(d, victim + 1, now);
	}
	return true;
}

/* A free segment at the newest end of the log, or NO_SEGMENT. May drop any expired segment and any of safe records. */
static uint32_t segment_take(struct duplicates *d, uint32_t log, uint32_t now)
{
	struct header *h = d->header;
	uint32_t index;

	if (!log_verified(log) && h->unverified >= h->segments / UNVERIFIED_SHARE &&
	    !drop_expired(d, now, true) && !evict(d, now, true))
		return NO_SEGMENT;
	if (h->free == NO_SEGMENT && h->untouched == h->segments && !drop_expired(d, now, false) && !evict(d, now, false))
		return NO_SEGMENT;
	index = h->free;
	if (index != NO_SEGMENT)
		h->free = d->segments[index].next;
	else
		index = h->untouched++;
	d->segments[index] = (struct segment){ .generation = ++h->generation, .first = now, .last = now, .expires = now, .log = log };
	log_append(d, log, index);
	return index;
}

/* Room for `size` more (of `capacity` in a segment) at the end of the log: its segment, or NO_SEGMENT. */
static uint32_t log_reserve(struct duplicates *d, uint32_t log, uint32_t size, uint32_t capacity, uint32_t now, uint32_t lifetime)
{
	uint32_t index = d->header->logs[log].newest;
	struct segment *s;

	if (index == NO_SEGMENT || d->segments[index].used + size > capacity)
		index = segment_take(d, log, now);
	if (index == NO_SEGMENT)
		return NO_SEGMENT;
	s = &d->segments[index];
	s->last = now;
	if ((int32_t)(now + lifetime - s->expires) > 0)
		s->expires = now + lifetime;
	return index;
}

/* ---- records ---- */

uint64_t duplicates_hash(const struct duplicates *d, const struct endpoint *peer, unsigned listener, uint16_t mid)
{
	/* with its session: in another it is another message */
	const struct {
		struct endpoint peer;
		uint64_t message;
	} key = { *peer, (uint64_t)listener << 16 | mid };

	return hash_bytes(&d->header->key, &key, sizeof(key));
}

void duplicates_prefetch(const struct duplicates *d, uint64_t hash)
{
	__builtin_prefetch(&d->index[bucket_of(d, hash)], 1);
}

/* The bytes of an answer, unless its segment was dropped since. */
static const uint8_t *answer_get(const struct duplicates *d, const struct record *r)
{
	size_t offset = (size_t)r->place * ANSWER_UNIT;
	const struct segment *s;

	if (r->answer_len == 0 || offset / SEGMENT >= d->header->untouched)
		return NULL;
	s = &d->segments[offset / SEGMENT];
	if (s->log >= LOGS || s->log % 2 == 0 || s->generation != r->generation || offset % SEGMENT + r->answer_len > s->used)
		return NULL;
	return d->base + offset;
}

static void describe(const struct duplicates *d, const struct record *r, uint32_t now, struct duplicate *out)
{
	*out = (struct duplicate){
		.state = (enum duplicate_state)(r->flags >> STATE_SHIFT),
		.confirmable = r->flags & FLAG_CONFIRMABLE,
		.unsafe = r->flags & FLAG_UNSAFE,
		.exchange = DUPLICATES_NONE,
	};
	if (out->state == DUPLICATE_PENDING || out->state == DUPLICATE_ACKNOWLEDGED)
		out->exchange = r->place;
	else if (out->state == DUPLICATE_ANSWERED && !older_than(r->born, now, ANSWER_TICKS))
		out->answer = answer_get(d, r);
	if (out->answer != NULL)
		out->answer_len = r->answer_len;
}

uint32_t duplicates_find(struct duplicates *d, uint64_t hash, uint64_t now, struct duplicate *out)
{
	uint32_t ticks = ticks_of(now), at = bucket_of(d, hash);

	for (;; at = bucket_after(d, at)) {
		const struct bucket *b = &d->index[at];

		for (unsigned m = bucket_match(b, (uint32_t)hash, d->place_mask); m != 0; m &= m - 1) {
			uint32_t place = (b->entries[__builtin_ctz(m)] & d->place_mask) - 1;
			const struct record *r = record_get(d, place, hash);

			if (r != NULL && !older_than(r->born, ticks, lifetime_of(r))) {
				describe(d, r, ticks, out);
				return place;
			}
		}
		if (b->passed == 0)
			return DUPLICATES_NONE;
	}
}

uint32_t duplicates_add(struct duplicates *d, uint64_t hash, uint64_t now, uint32_t exchange, bool confirmable, bool unsafe,
	bool verified)
{
	uint32_t ticks = ticks_of(now), log = 2 * ((unsafe ? UNSAFE : 0u) | (verified ? VERIFIED : 0u));
	uint32_t lifetime = confirmable ? RECORD_TICKS : RECORD_NON_TICKS;
	uint32_t index = log_reserve(d, log, 1, SEGMENT_RECORDS, ticks, lifetime), place;
	struct segment *s;

	if (index == NO_SEGMENT) {
		d->header->refused++;
		return DUPLICATES_NONE;
	}
	s = &d->segments[index];
	place = index * SEGMENT_RECORDS + s->used;
	*record_at(d, place) = (struct record){
		.hash = hash,
		.born = ticks,
		.place = exchange,
		.flags = (uint16_t)(FLAG_USED | (confirmable ? FLAG_CONFIRMABLE : 0) | (unsafe ? FLAG_UNSAFE : 0) |
			DUPLICATE_PENDING << STATE_SHIFT),
	};
	s->used++;
	index_insert(d, hash, place);
	d->header->records++;
	return place;
}

static void set_state(struct record *r, enum duplicate_state state)
{
	r->flags = (uint16_t)((r->flags & ((1u << STATE_SHIFT) - 1)) | (unsigned)state << STATE_SHIFT);
}

void duplicates_acknowledged(struct duplicates *d, uint32_t record, uint64_t hash)
{
	struct record *r = record_get(d, record, hash);

	if (r != NULL)
		set_state(r, DUPLICATE_ACKNOWLEDGED);
}

void duplicates_rejected(struct duplicates *d, uint32_t record, uint64_t hash)
{
	struct record *r = record_get(d, record, hash);

	if (r != NULL)
		set_state(r, DUPLICATE_REJECTED);
}

void duplicates_answered(struct duplicates *d, uint32_t record, uint64_t hash, uint64_t now, const uint8_t *answer, size_t len)
{
	struct record *r = record_get(d, record, hash);
	uint32_t size = (uint32_t)((len + ANSWER_UNIT - 1) / ANSWER_UNIT * ANSWER_UNIT), log, index;
	struct segment *s;
	size_t offset;

	if (r == NULL)
		return;
	set_state(r, DUPLICATE_ANSWERED);
	r->answer_len = 0;
	if (len == 0 || len > SEGMENT)
		return;
	log = d->segments[record / SEGMENT_RECORDS].log + 1;
	index = log_reserve(d, log, size, SEGMENT, ticks_of(now), ANSWER_TICKS);
	/* making room may have evicted the record itself */
	if (index == NO_SEGMENT || (r = record_get(d, record, hash)) == NULL)
		return;
	s = &d->segments[index];
	offset = (size_t)index * SEGMENT + s->used;
	memcpy(d->base + offset, answer, len);
	s->used += size;
	r->place = (uint32_t)(offset / ANSWER_UNIT);
	r->generation = s->generation;
	r->answer_len = (uint16_t)len;
}

void duplicates_forget(struct duplicates *d, uint32_t record, uint64_t hash)
{
	struct record *r = record_get(d, record, hash);

	if (r == NULL)
		return;
	index_remove(d, hash, record);
	r->flags = 0;
	d->header->records--;
}

void duplicates_expire(struct duplicates *d, uint64_t now, unsigned segments)
{
	uint32_t ticks = ticks_of(now);

	while (segments > 0 && drop_expired(d, ticks, false))
		segments--;
}

void duplicates_figures(const struct duplicates *d, struct duplicates_figures *out)
{
	*out = (struct duplicates_figures){
		.records = d->header->records,
		.evicted = d->header->evicted,
		.refused = d->header->refused,
		.bytes = (size_t)(d->base - d->map) + (size_t)d->header->in_use * SEGMENT,
	};
}
