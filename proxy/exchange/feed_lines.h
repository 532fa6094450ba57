/*
 * feed_lines - whole lines that wait to be written, as a ring of bytes of fixed size. The first of them may have left in part.
 */
#ifndef PROXY_EXCHANGE_FEED_LINES_H
#define PROXY_EXCHANGE_FEED_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct feed_lines {
	uint8_t *bytes; /* NULL: there is no memory, and nothing waits */
	size_t capacity, start, len;
};

/* Returns 0, or -1 without memory. */
int feed_lines_init(struct feed_lines *l, size_t capacity);
void feed_lines_fini(struct feed_lines *l);

/* Appends a line, its newline with it. Returns false if it has no room. */
bool feed_lines_add(struct feed_lines *l, const uint8_t *line, size_t len);

/* The first n bytes as pieces, of which there are one or two. */
int feed_lines_pieces(const struct feed_lines *l, size_t n, struct iovec pieces[2]);

/* How many lines end in the first n bytes, and whether the n-th ends one. */
uint64_t feed_lines_count(const struct feed_lines *l, size_t n);
bool feed_lines_ends(const struct feed_lines *l, size_t n);

/* The length of the first line (what is left of it), of which there must be one; and of the longest row of whole lines of at most so many bytes
 * (0: the first is longer). */
size_t feed_lines_first(const struct feed_lines *l);
size_t feed_lines_whole(const struct feed_lines *l, size_t most);

/* Takes the first n bytes away. */
void feed_lines_drop(struct feed_lines *l, size_t n);

/* Moves to *to, which is empty, what fits of *l: whole lines, the oldest first. Returns how many bytes. */
size_t feed_lines_move(struct feed_lines *to, struct feed_lines *l);

#endif
