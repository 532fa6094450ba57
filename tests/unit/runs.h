/* How many runs a random test makes: all, or a tenth on an emulated machine (TEST_EMULATED in the environment), where each takes twenty times
 * as long and what is looked for is what differs by architecture. */
#ifndef TESTS_UNIT_RUNS_H
#define TESTS_UNIT_RUNS_H

#include <stdlib.h>

static inline unsigned runs_of(unsigned count)
{
	return getenv("TEST_EMULATED") != NULL ? (count + 9) / 10 : count;
}

#endif
