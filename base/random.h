/*
 * random - unpredictable bytes from getrandom(2), drawn in blocks so that the steady path makes no system call.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Draws the first block; ends the program if the kernel has no entropy (RFC 7252 11.6). Call once at start. */
void random_start(void);

void random_bytes(void *out, size_t len);
uint32_t random_u32(void);
uint64_t random_u64(void);

/* Uniform in [0, bound); bound > 0. */
uint32_t random_below(uint32_t bound);

/* Makes every later draw a function of seed: tests and fuzz targets only, absent from the product binary. */
void random_seed_for_test(uint64_t seed);

#endif
