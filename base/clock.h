/*
 * clock - the only source of time.
 *
 * The event loop calls clock_update() once a turn; everything else reads the cached value, so that one turn has one
 * time and the steady path makes no system call for it. The test build links clock_steered.c in place of clock.c:
 * there time stands still until a test moves it.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_MS 1000ull      /* microseconds in a millisecond */
#define CLOCK_SECOND 1000000ull

/* Microseconds of the monotonic clock as of the last clock_update(); never 0, never runs backwards. */
uint64_t clock_now(void);

/* Reads the monotonic clock anew. */
void clock_update(void);

/* True where time moves only when a test says so (the loop then arms no timer of its own). */
bool clock_is_steered(void);

/* Steered build only: moves time forward to `at` microseconds; does nothing in the product. */
void clock_steer(uint64_t at);

/* Seconds since the epoch of the wall clock, for log lines only; never for a decision. */
int64_t clock_wall(uint32_t *microseconds);

#endif
