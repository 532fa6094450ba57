/* Takes the place of clock.c in test binaries: time stands still until clock_steer() moves it. */
#include "base/clock.h"

#include <sys/time.h>
#include <time.h>

enum { FIRST = 1000000 }; /* microseconds: far enough from 0 that "a while ago" can be expressed */

static uint64_t steered = FIRST;

void clock_update(void)
{
}

uint64_t clock_now(void)
{
	return steered;
}

bool clock_is_steered(void)
{
	return true;
}

void clock_steer(uint64_t at)
{
	if (at > steered)
		steered = at;
}

int64_t clock_wall(uint32_t *microseconds)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	*microseconds = (uint32_t)(t.tv_nsec / 1000);
	return t.tv_sec;
}

/* Takes the place of the C library's for libraries that look at the time themselves: OpenSSL, for the timers of DTLS. */
int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	(void)zone;
	t->tv_sec = (time_t)(steered / CLOCK_SECOND);
	t->tv_usec = (suseconds_t)(steered % CLOCK_SECOND);
	return 0;
}
