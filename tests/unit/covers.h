/*
 * covers - a unit test names the conformance lines it would fail for: covers("C7252-3-1 C7252-3-2");
 *
 * At most 8 of them, separated by a space, and only lines whose breach makes the test fail. The names go to standard
 * output as one line "covers: ID ID"; they count only if the whole test program passes.
 */
#ifndef TESTS_UNIT_COVERS_H
#define TESTS_UNIT_COVERS_H

#include <stdio.h>
#include <stdlib.h>

enum { COVERS_MAX = 8 };

static inline void covers(const char *ids)
{
	unsigned count = ids[0] != '\0';

	for (const char *at = ids; *at != '\0'; at++)
		count += *at == ' ';
	if (count == 0 || count > COVERS_MAX) {
		fprintf(stderr, "covers: 1 to %d names, not %u: \"%s\"\n", COVERS_MAX, count, ids);
		abort();
	}
	printf("covers: %s\n", ids);
	fflush(stdout);
}

#endif
