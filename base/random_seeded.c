/* Takes the place of random.c in test binaries: unpredictable until random_seed_for_test() is called, then a function of
 * the seed. */
#include "base/random.h"

#include <string.h>
#include <sys/random.h>

static uint64_t state;
static int ready;

void random_seed_for_test(uint64_t seed)
{
	state = seed;
	ready = 1;
}

void random_start(void)
{
	if (!ready && getrandom(&state, sizeof(state), 0) == sizeof(state))
		ready = 1;
}

/* A Weyl sequence through a 64-bit mixer: every seed, 0 too, gives a full-period sequence. */
uint64_t random_u64(void)
{
	random_start();
	state += 0x9e3779b97f4a7c15u;
	uint64_t v = state;

	v = (v ^ v >> 32) * 0xd6e8feb86659fd93u;
	v = (v ^ v >> 32) * 0xd6e8feb86659fd93u;
	return v ^ v >> 32;
}

uint32_t random_u32(void)
{
	return (uint32_t)(random_u64() >> 32);
}

void random_bytes(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		uint64_t v = random_u64();
		size_t n = len < sizeof(v) ? len : sizeof(v);

		memcpy(at, &v, n);
		at += n;
		len -= n;
	}
}

uint32_t random_below(uint32_t bound)
{
	return (uint32_t)((uint64_t)random_u32() * bound >> 32);
}
