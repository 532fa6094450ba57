/*
 * arena - the memory of one snapshot: taken piece by piece while it is loaded, given back at once with it.
 *
 * Running out of memory ends the process (log_fatal): a configuration that does not fit cannot be served anyway.
 */
#ifndef CONF_ARENA_H
#define CONF_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* NULL: empty */
};

/* Zeroed memory, aligned for any object; size 0 gives a pointer that must not be read. */
void *arena_take(struct arena *a, size_t size);

/* A terminated copy of len bytes. */
char *arena_copy(struct arena *a, const char *text, size_t len);

void arena_fini(struct arena *a);

#endif
