#include "oscore/reader/bodies.h"

#include <string.h>

#include "base/hash.h"
#include "oscore/reader/vault.h"

enum { WAYS = 4, ASKED_SETS = BODIES_ASKED_MAX / WAYS };

struct waiting {
	uint64_t key, etag; /* key 0: free */
	uint64_t used;      /* when it got its last block, counted in blocks */
	uint64_t next;      /* offset of the block that is expected */
	size_t kept;
	uint8_t bytes[BODY_MAX];
};

struct bodies {
	struct hash_key hash_key;
	uint64_t blocks;
	struct asked {
		uint64_t request, operation;
	} asked[ASKED_SETS][WAYS]; /* the newest first */
	struct waiting waiting[BODIES_MAX];
};

struct bodies *bodies_new(void)
{
	struct bodies *b = vault_new(sizeof *b);

	if (b != NULL)
		hash_key_init(&b->hash_key);
	return b;
}

void bodies_free(struct bodies *b)
{
	vault_free(b);
}

void bodies_forget(struct bodies *b)
{
	explicit_bzero(b->waiting, sizeof b->waiting);
}

/* A hash that is never 0. */
static uint64_t mix(const struct bodies *b, uint64_t hash, const void *bytes, size_t len)
{
	hash = hash_mix(&b->hash_key, hash, bytes, len);
	return hash != 0 ? hash : 1;
}

static bool is_of_operation(uint16_t number, bool tagged)
{
	switch (number) {
	case OPT_URI_HOST: case OPT_URI_PORT: case OPT_URI_PATH: case OPT_URI_PATH_ABBREV: case OPT_URI_QUERY: case OPT_ACCEPT:
		return true;
	case OPT_REQUEST_TAG:
		return tagged;
	default:
		return false;
	}
}

uint64_t bodies_operation(const struct bodies *b, uint64_t sender, const struct msg_view *request, bool tagged)
{
	uint64_t hash = mix(b, sender, &request->code, sizeof request->code);

	for (size_t i = 0; i < request->option_count; i++) {
		const struct msg_option *o = &request->options[i];

		if (!is_of_operation(o->number, tagged))
			continue;
		hash = mix(b, hash, &o->number, sizeof o->number);
		hash = mix(b, hash, o->value, o->len);
	}
	return hash;
}

uint64_t bodies_answer(const struct bodies *b, uint64_t responder, uint64_t operation)
{
	return mix(b, responder, &operation, sizeof operation);
}

/* ---- what was asked for ---- */

static uint64_t request_hash(const struct bodies *b, uint64_t sender, uint64_t sequence)
{
	return mix(b, sender, &sequence, sizeof sequence);
}

void bodies_asked(struct bodies *b, uint64_t sender, uint64_t sequence, uint64_t operation)
{
	uint64_t request = request_hash(b, sender, sequence);
	struct asked *set = b->asked[request % ASKED_SETS];
	size_t at = 0;

	while (at < WAYS - 1 && set[at].request != request)
		at++;
	memmove(set + 1, set, at * sizeof *set);
	set[0] = (struct asked){ request, operation };
}

uint64_t bodies_find_asked(const struct bodies *b, uint64_t sender, uint64_t sequence)
{
	uint64_t request = request_hash(b, sender, sequence);
	const struct asked *set = b->asked[request % ASKED_SETS];

	for (size_t i = 0; i < WAYS; i++)
		if (set[i].request == request)
			return set[i].operation;
	return 0;
}

/* ---- blocks ---- */

static void waiting_end(struct waiting *w)
{
	explicit_bzero(w->bytes, w->kept);
	w->key = 0;
	w->kept = 0;
	w->used = 0; /* the first to be taken */
}

static struct waiting *waiting_find(struct bodies *b, uint64_t key)
{
	for (size_t i = 0; i < BODIES_MAX; i++)
		if (b->waiting[i].key == key)
			return &b->waiting[i];
	return NULL;
}

static struct waiting *waiting_begin(struct bodies *b, uint64_t key, uint64_t etag)
{
	struct waiting *w = waiting_find(b, key);

	for (size_t i = 0; w == NULL || (w->key != key && i < BODIES_MAX); i++)
		if (w == NULL || b->waiting[i].used < w->used)
			w = &b->waiting[i];
	waiting_end(w);
	w->key = key;
	w->etag = etag;
	w->next = 0;
	return w;
}

static void keep(struct waiting *w, const uint8_t *payload, size_t len)
{
	size_t fits = len < BODY_MAX - w->kept ? len : BODY_MAX - w->kept;

	if (fits > 0)
		memcpy(w->bytes + w->kept, payload, fits);
	w->kept += fits;
	w->next += len;
}

bool bodies_add(struct bodies *b, uint64_t key, const struct msg_option *etag, const struct opt_block *block, const uint8_t *payload, size_t len,
	struct body *whole)
{
	uint64_t offset = opt_block_offset(block), tag = etag != NULL ? mix(b, 0, etag->value, etag->len) : 0;
	struct waiting *w = offset == 0 ? waiting_begin(b, key, tag) : waiting_find(b, key);

	if (w == NULL)
		return false;
	w->used = ++b->blocks;
	if (offset + len == w->next && block->more && offset > 0)
		return false; /* the same once more: an answer was lost */
	if (offset != w->next || tag != w->etag || !opt_block_holds(block, len)) {
		waiting_end(w);
		return false;
	}
	keep(w, payload, len);
	if (block->more)
		return false;
	*whole = (struct body){ w->bytes, w->kept, w->next > w->kept };
	/* its bytes stay until another needs the place, or all are forgotten */
	w->key = 0;
	w->used = 0;
	return true;
}
