/*
 * buffers - copies of messages that must be kept: size classes of powers of two, each a slab, under one bound in bytes.
 *
 * On the steady path a buffer is taken and given back without malloc; memory goes back after a peak as slabs do.
 */
#ifndef BASE_BUFFERS_H
#define BASE_BUFFERS_H

#include <stddef.h>
#include <stdint.h>

enum { BUFFER_SMALLEST = 64, BUFFER_CLASSES = 10, BUFFER_LARGEST = BUFFER_SMALLEST << (BUFFER_CLASSES - 1) };

struct buffers;

/* A kept message; all zero is "none". The holder owns it. */
struct buffer {
	uint8_t *bytes;
	uint32_t index;
	uint16_t len;
	uint8_t class;
};

struct buffers *buffers_create(uint64_t limit);
void buffers_destroy(struct buffers *b);

/* Keeps a copy of len bytes (at most BUFFER_LARGEST) in *out, which must hold none. Returns 0, or -1 at the limit or without memory. */
int buffers_keep(struct buffers *b, struct buffer *out, const uint8_t *bytes, size_t len) __attribute__((warn_unused_result));

/* Gives *held back and makes it none; does nothing if it is none. */
void buffers_drop(struct buffers *b, struct buffer *held);

void buffers_set_limit(struct buffers *b, uint64_t limit); /* for a reload; what is held beyond it stays */

size_t buffers_in_use(const struct buffers *b); /* bytes held, by class size */

#endif
