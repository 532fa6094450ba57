#include "base/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"

enum { BLOCK = 4096 };

/* Bytes are erased as they are handed out, so that a later look into this memory tells nothing about them. */
static uint8_t block[BLOCK];
static size_t used = BLOCK;

static void block_fill(void)
{
	size_t got = 0;

	while (got < BLOCK) {
		ssize_t n = getrandom(block + got, BLOCK - got, 0);

		if (n > 0)
			got += (size_t)n;
		else if (errno != EINTR)
			log_fatal("getrandom: %s", strerror(errno));
	}
	used = 0;
}

void random_start(void)
{
	block_fill();
}

void random_bytes(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		if (used == BLOCK)
			block_fill();
		size_t n = len < BLOCK - used ? len : BLOCK - used;

		memcpy(at, block + used, n);
		memset(block + used, 0, n);
		used += n;
		at += n;
		len -= n;
	}
}

uint32_t random_u32(void)
{
	uint32_t v;

	random_bytes(&v, sizeof(v));
	return v;
}

uint64_t random_u64(void)
{
	uint64_t v;

	random_bytes(&v, sizeof(v));
	return v;
}

uint32_t random_below(uint32_t bound)
{
	uint32_t skip = -bound % bound; /* 2^32 mod bound: what would favour the small values */

	for (;;) {
		uint64_t product = (uint64_t)random_u32() * bound;

		if ((uint32_t)product >= skip)
			return (uint32_t)(product >> 32);
	}
}
