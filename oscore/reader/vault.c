#include "oscore/reader/vault.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum {
	LOCK_STEP = 1 << 20, /* how much more is locked at a time */
	ROOM_LEAST = 64,     /* bytes of the smallest piece, its head included */
	STEPS = 4,           /* sizes of pieces between one power of two and the next */
	CLASSES = 1 + STEPS * 24,
};

/* What stands before each piece. A free one lies in the list of its class. */
struct piece {
	struct piece *next;
	uint32_t class;
	uint32_t size; /* as it was asked for */
	_Alignas(max_align_t) unsigned char bytes[];
};

static unsigned char *start;
static size_t extent, locked;
static int lock_error;
static struct piece *free_pieces[CLASSES];

/* The class of pieces that hold `room` bytes (at most half of the vault), which is rounded up to what they are. */
static uint32_t class_of(size_t *room)
{
	uint32_t class = 1, step;
	size_t base = ROOM_LEAST;

	if (*room <= base) {
		*room = base;
		return 0;
	}
	while (*room > 2 * base) {
		base *= 2;
		class += STEPS;
	}
	step = (uint32_t)((*room - base - 1) / (base / STEPS));
	*room = base + (step + 1) * (base / STEPS);
	return class + step;
}

/* Locks what begins to be used. What cannot be locked is used all the same: it is said, and the administrator's to mend. */
static void lock_more(void)
{
	while (locked < extent && lock_error == 0) {
		if (mlock(start + locked, LOCK_STEP) < 0)
			lock_error = errno;
		else
			locked += LOCK_STEP;
	}
}

static struct piece *piece_new(size_t size)
{
	size_t room = sizeof(struct piece) + size;
	struct piece *p;
	uint32_t class;

	if (start == NULL || size > VAULT_SIZE / 2)
		return NULL;
	class = class_of(&room);
	p = free_pieces[class];
	if (p != NULL) {
		free_pieces[class] = p->next;
	} else {
		if (room > VAULT_SIZE - extent)
			return NULL;
		p = (struct piece *)(void *)(start + extent);
		extent += room;
		lock_more();
	}
	p->next = NULL;
	p->class = class;
	p->size = (uint32_t)size;
	return p;
}

static struct piece *piece_of(void *bytes)
{
	return (struct piece *)(void *)((unsigned char *)bytes - offsetof(struct piece, bytes));
}

void *vault_new(size_t size)
{
	struct piece *p = piece_new(size);

	/* what is free was wiped, and what is new is zero */
	return p == NULL ? NULL : p->bytes;
}

void *vault_new_array(size_t count, size_t size)
{
	return size > 0 && count > VAULT_SIZE / size ? NULL : vault_new(count * size);
}

void vault_free(void *bytes)
{
	struct piece *p;

	if (bytes == NULL)
		return;
	p = piece_of(bytes);
	explicit_bzero(p->bytes, p->size);
	p->next = free_pieces[p->class];
	free_pieces[p->class] = p;
}

/* ---- for OpenSSL ---- */

static void *ssl_new(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return vault_new(size);
}

static void ssl_free(void *bytes, const char *file, int line)
{
	(void)file, (void)line;
	vault_free(bytes);
}

static void *ssl_resize(void *bytes, size_t size, const char *file, int line)
{
	void *other;

	(void)file, (void)line;
	if (bytes == NULL)
		return vault_new(size);
	if (size == 0) {
		vault_free(bytes);
		return NULL;
	}
	other = vault_new(size);
	if (other == NULL)
		return NULL;
	memcpy(other, bytes, piece_of(bytes)->size < size ? piece_of(bytes)->size : size);
	vault_free(bytes);
	return other;
}

int vault_open(void)
{
	void *mapping;

	if (start != NULL)
		return 0;
	mapping = mmap(NULL, VAULT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapping == MAP_FAILED)
		return -1;
	if (madvise(mapping, VAULT_SIZE, MADV_DONTDUMP) < 0)
		return -1;
	start = mapping;
	if (CRYPTO_set_mem_functions(ssl_new, ssl_resize, ssl_free) == 1)
		return 0;
	errno = EBUSY; /* it has allocated already */
	return -1;
}

size_t vault_extent(void)
{
	return extent;
}

int vault_unlocked(void)
{
	return lock_error;
}

bool vault_holds(const void *p)
{
	const unsigned char *at = p;

	return start != NULL && at >= start && at < start + VAULT_SIZE;
}
