#include "base/slab.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"

/* Under AddressSanitizer a free object is as forbidden as a freed malloc() block. */
#if defined(__SANITIZE_ADDRESS__)
#define SLAB_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_POISONS 1
#endif
#endif
#ifdef SLAB_POISONS
#include <sanitizer/asan_interface.h>
#define POISON(at, len) ASAN_POISON_MEMORY_REGION(at, len)
#define UNPOISON(at, len) ASAN_UNPOISON_MEMORY_REGION(at, len)
#else
#define POISON(at, len) ((void)0)
#define UNPOISON(at, len) ((void)0)
#endif

enum {
	CHUNK_TARGET = 256 * 1024, /* bytes of objects in a chunk, at most */
	CHUNK_OBJECTS_MIN = 16,
	PAGE = 4096,
	LINE = 64,
	LIMIT_MAX = (1 << 24) - 1,
	END = 0xffff, /* of a free list: no chunk has so many objects */
};

/* A chunk starts with this and one bit for each of its objects, in a page of its own that the objects follow. */
struct chunk {
	uint16_t used;  /* objects in use */
	uint16_t fresh; /* objects from here on were never used: still zero, their pages not yet touched */
	uint16_t free;  /* first of the used-before free objects; each holds the number of the next in its first bytes */
	uint64_t in_use[];
};

struct slab {
	struct chunk **chunks; /* NULL where none is mapped */
	uint64_t *room;        /* a bit for each mapped chunk with a free object */
	uint64_t *room_words;  /* a bit for each word of `room` that is not 0 */
	size_t size;           /* of an object */
	size_t header;         /* of a chunk, up to its first object */
	size_t chunk_bytes;
	uint32_t shift, mask; /* index = chunk << shift | number in the chunk */
	uint32_t table;       /* entries of `chunks` */
	uint32_t first;       /* no chunk below this one has room */
	uint32_t mapped;      /* chunks mapped now */
	uint32_t hole;        /* no unmapped chunk lies below this one */
	uint32_t count, limit;
};

static uint32_t words_for(uint32_t bits)
{
	return (bits + 63) / 64;
}

static void *object_at(const struct slab *s, struct chunk *c, uint32_t number)
{
	return (char *)c + s->header + number * s->size;
}

static void room_set(struct slab *s, uint32_t chunk)
{
	uint32_t word = chunk / 64;

	s->room[word] |= 1ull << chunk % 64;
	s->room_words[word / 64] |= 1ull << word % 64;
	if (chunk < s->first)
		s->first = chunk;
}

static void room_clear(struct slab *s, uint32_t chunk)
{
	uint32_t word = chunk / 64;

	s->room[word] &= ~(1ull << chunk % 64);
	if (s->room[word] == 0)
		s->room_words[word / 64] &= ~(1ull << word % 64);
}

/* The lowest mapped chunk with room; `table` if there is none. */
static uint32_t room_first(const struct slab *s)
{
	uint32_t tops = words_for(words_for(s->table));

	for (uint32_t top = s->first / 4096; top < tops; top++) {
		if (s->room_words[top] == 0)
			continue;
		uint32_t word = top * 64 + (uint32_t)__builtin_ctzll(s->room_words[top]);

		return word * 64 + (uint32_t)__builtin_ctzll(s->room[word]);
	}
	return s->table;
}

/* Grows one of the tables, zeroed behind what it held. */
static bool table_grow(void *pointer, size_t item, uint32_t old, uint32_t wanted)
{
	char *grown;
	void *now;

	memcpy(&now, pointer, sizeof(now));
	grown = realloc(now, item * wanted);
	if (!grown)
		return false;
	memset(grown + item * old, 0, item * (wanted - old));
	memcpy(pointer, &grown, sizeof(grown));
	return true;
}

/* Makes the tables long enough for `limit` objects. They never shrink. */
static bool tables_fit(struct slab *s, uint32_t limit)
{
	uint32_t old = s->table;
	uint32_t wanted = (limit + s->mask) >> s->shift;

	if (wanted <= old)
		return true;
	if (!table_grow(&s->chunks, sizeof(*s->chunks), old, wanted) ||
		!table_grow(&s->room, sizeof(*s->room), words_for(old), words_for(wanted)) ||
		!table_grow(&s->room_words, sizeof(*s->room_words), words_for(words_for(old)), words_for(words_for(wanted))))
		return false;
	if (s->first == old)
		s->first = wanted;
	s->table = wanted;
	return true;
}

struct slab *slab_create(size_t size, uint32_t limit)
{
	struct slab *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->size = (size + 15) / 16 * 16;
	if (s->size == 0)
		s->size = 16;
	while (s->size << (s->shift + 1) <= CHUNK_TARGET || 1u << s->shift < CHUNK_OBJECTS_MIN)
		s->shift++;
	s->mask = (1u << s->shift) - 1;
	s->header = sizeof(struct chunk) + sizeof(uint64_t) * words_for(s->mask + 1);
	s->header = (s->header + LINE - 1) / LINE * LINE;
	s->chunk_bytes = (s->header + (s->size << s->shift) + PAGE - 1) / PAGE * PAGE;
	s->limit = limit < LIMIT_MAX ? limit : LIMIT_MAX;
	if (!tables_fit(s, s->limit > 0 ? s->limit : 1)) {
		slab_destroy(s);
		return NULL;
	}
	return s;
}

static void chunk_unmap(struct slab *s, uint32_t chunk)
{
	UNPOISON(s->chunks[chunk], s->chunk_bytes);
	munmap(s->chunks[chunk], s->chunk_bytes);
	s->chunks[chunk] = NULL;
	s->mapped--;
	if (chunk < s->hole)
		s->hole = chunk;
}

void slab_destroy(struct slab *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->table; i++)
		if (s->chunks[i])
			chunk_unmap(s, i);
	free(s->chunks);
	free(s->room);
	free(s->room_words);
	free(s);
}

/* Maps the lowest chunk that is not mapped. Returns its number, or `table` without memory. */
static uint32_t chunk_map(struct slab *s)
{
	uint32_t i = s->hole;

	while (i < s->table && s->chunks[i])
		i++;
	s->hole = i;
	if (i == s->table)
		return i;

	struct chunk *c = mmap(NULL, s->chunk_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (c == MAP_FAILED)
		return s->table;
	c->free = END;
	POISON((char *)c + s->header, s->chunk_bytes - s->header);
	s->chunks[i] = c;
	s->mapped++;
	room_set(s, i);
	return i;
}

/* Finds the chunk for the next object where the last one used is full. */
static uint32_t chunk_with_room(struct slab *s)
{
	uint32_t chunk = room_first(s);

	if (chunk == s->table)
		chunk = chunk_map(s);
	s->first = chunk;
	return chunk;
}

void *slab_new(struct slab *s, uint32_t *index)
{
	uint32_t chunk = s->first, number;
	struct chunk *c;
	void *object;

	if (s->count >= s->limit)
		return NULL;
	if (chunk == s->table || !s->chunks[chunk] || s->chunks[chunk]->used > s->mask) {
		chunk = chunk_with_room(s);
		if (chunk == s->table)
			return NULL;
	}
	c = s->chunks[chunk];
	if (c->free != END) {
		number = c->free;
		object = object_at(s, c, number);
		UNPOISON(object, s->size);
		memcpy(&c->free, object, sizeof(c->free));
		memset(object, 0, s->size);
	} else {
		number = c->fresh++;
		object = object_at(s, c, number);
		UNPOISON(object, s->size);
	}
	c->in_use[number / 64] |= 1ull << number % 64;
	if (++c->used > s->mask)
		room_clear(s, chunk);
	s->count++;
	*index = chunk << s->shift | number;
	return object;
}

void slab_free(struct slab *s, uint32_t index)
{
	uint32_t chunk = index >> s->shift, number = index & s->mask;
	void *object = slab_get(s, index);

	if (!object)
		log_fatal("slab: object %u freed that is not in use", index);

	struct chunk *c = s->chunks[chunk];

	memcpy(object, &c->free, sizeof(c->free));
	POISON(object, s->size);
	c->free = (uint16_t)number;
	c->in_use[number / 64] &= ~(1ull << number % 64);
	s->count--;
	if (c->used-- > s->mask)
		room_set(s, chunk);
	else if (chunk < s->first)
		s->first = chunk;
	/* an empty chunk stays while it is the next reserve */
	if (c->used == 0 && ((s->mapped - 1) << s->shift) - s->count > s->mask + 1) {
		room_clear(s, chunk);
		chunk_unmap(s, chunk);
	}
}

void *slab_get(const struct slab *s, uint32_t index)
{
	uint32_t chunk = index >> s->shift, number = index & s->mask;

	if (chunk >= s->table)
		return NULL;

	struct chunk *c = s->chunks[chunk];

	if (!c || !(c->in_use[number / 64] >> number % 64 & 1))
		return NULL;
	return object_at(s, c, number);
}

uint32_t slab_count(const struct slab *s)
{
	return s->count;
}

uint32_t slab_end(const struct slab *s)
{
	uint32_t chunk = s->table;

	while (chunk > 0 && !s->chunks[chunk - 1])
		chunk--;
	return chunk << s->shift;
}

size_t slab_memory(const struct slab *s)
{
	uint32_t words = words_for(s->table);

	return sizeof(*s) + s->mapped * s->chunk_bytes + s->table * sizeof(*s->chunks) + (words + words_for(words)) * sizeof(*s->room);
}

void slab_set_limit(struct slab *s, uint32_t limit)
{
	if (limit > LIMIT_MAX)
		limit = LIMIT_MAX;
	if (tables_fit(s, limit))
		s->limit = limit;
	else
		log_warning("slab: no memory for a limit of %u objects, stays %u", limit, s->limit);
}

void slab_each(struct slab *s, void (*visit)(void *object, uint32_t index, void *arg), void *arg)
{
	for (uint32_t chunk = 0; chunk < s->table; chunk++) {
		/* the visit may free the last object of a chunk and with it the chunk: look anew each time */
		for (uint32_t number = 0; s->chunks[chunk] && number <= s->mask; number++) {
			uint64_t left = s->chunks[chunk]->in_use[number / 64] >> number % 64;

			if (left == 0) {
				number |= 63;
				continue;
			}
			number += (uint32_t)__builtin_ctzll(left);
			visit(object_at(s, s->chunks[chunk], number), chunk << s->shift | number, arg);
		}
	}
}
