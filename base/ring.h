/*
 * ring - records from one process to another through shared memory: one producer, one consumer, no lock.
 *
 * What the producer puts in becomes visible with ring_publish(), so a whole turn's records cost one store. The consumer copies
 * each record out before it looks at it: the other side may be hostile, or have died half-way.
 *
 * The memory outlives its processes: a successor of either side goes on where its predecessor's last visible step was.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring_memory;

enum { RING_CAPACITY_MIN = 4096, RING_CAPACITY_MAX = 1 << 30 };

/* One process's end. */
struct ring {
	struct ring_memory *memory;
	uint32_t capacity;  /* of records, in bytes: a power of two */
	uint32_t position;  /* producer: behind what was put in; consumer: behind what was taken */
	uint32_t published; /* producer: as the consumer may know it; consumer: what the producer has published as last seen */
};

/* The largest capacity that `bytes` of memory hold, or 0 if they are too few; and the memory a capacity takes. */
uint32_t ring_capacity(uint64_t bytes);
size_t ring_memory_bytes(uint32_t capacity);

/* Attaches an end to memory that was zero before the first end was attached (a multiple of 64, kept by the caller). */
void ring_attach_producer(struct ring *r, void *memory, uint32_t capacity);
void ring_attach_consumer(struct ring *r, void *memory, uint32_t capacity);

/* Room for a record of len bytes (8-aligned), or NULL if the ring is full. The record is in once ring_put() is called; a second
 * ring_reserve() before that forgets the first. */
void *ring_reserve(struct ring *r, size_t len);
void ring_put(struct ring *r, size_t len);

/* Makes visible what was put in. Returns true if there was anything new. */
bool ring_publish(struct ring *r);

/* Copies the next record to out. Returns its length, 0 if there is none, or -1 if what stands in the ring is no record or has more
 * than `room` bytes: then everything in it was dropped. */
int32_t ring_take(struct ring *r, void *out, size_t room);

/* Gives the room of what was taken back to the producer: once for all of a turn. */
void ring_release(struct ring *r);

bool ring_is_empty(struct ring *r); /* for the consumer */

#endif
