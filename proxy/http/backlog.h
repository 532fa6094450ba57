/*
 * backlog - bytes that wait to be sent, in one piece: what is written comes behind, what was sent goes from the front.
 *
 * An answer is written in three or four parts and leaves by one call, after which nothing waits. So the memory of a short one, BACKLOG_SMALL bytes,
 * is not given back to malloc() but kept for the next, of whichever connection; a few of them are. What is longer grows in steps, has at most
 * two steps more than ever waited in it, and goes when nothing does.
 */
#ifndef PROXY_HTTP_BACKLOG_H
#define PROXY_HTTP_BACKLOG_H

#include <stddef.h>
#include <stdint.h>

enum { BACKLOG_SMALL = 2048, BACKLOG_STEP = 16384 };

/* All zero: nothing waits, and no memory is held. */
struct backlog {
	uint8_t *bytes;
	size_t begin, end, room; /* those that wait are from `begin` to `end`; room: of `bytes` */
};

/* Puts a copy of them behind. Returns 0, or -1 without memory: nothing has changed then. */
int backlog_add(struct backlog *b, const void *bytes, size_t len) __attribute__((warn_unused_result));

/* The first `len`, which is not more than wait, were sent. The memory goes with the last. */
void backlog_drain(struct backlog *b, size_t len);

static inline size_t backlog_length(const struct backlog *b)
{
	return b->end - b->begin;
}

/* Those that wait; NULL: none. Until anything is added or drained. */
static inline const uint8_t *backlog_bytes(const struct backlog *b)
{
	return b->bytes != NULL ? b->bytes + b->begin : NULL;
}

#endif
