/*
 * channel - what the parent and a worker say to each other: one struct a message, with descriptors, over a socket pair that
 * keeps messages apart (SOCK_SEQPACKET).
 *
 * Each kind goes one way and carries so many descriptors; whoever receives anything else must not go on with the other side.
 * Large things travel as a memfd (package.h).
 */
#ifndef PROXY_PROCESS_CHANNEL_H
#define PROXY_PROCESS_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/packets.h"

enum {
	CHANNEL_WORKER_FD = 3,      /* the worker's end, from its first moment */
	CHANNEL_NUMBERS = 8,
	CHANNEL_TEXT_MAX = 256,
};

enum channel_kind {
	/* from the parent */
	CHANNEL_START,          /* START_* numbers; START_FD_* descriptors */
	CHANNEL_LISTENER,       /* a socket for the slot number[0] */
	CHANNEL_PREPARE,        /* a package: read it, put nothing in force (generation) */
	CHANNEL_COMMIT,         /* put in force what was prepared (generation) */
	CHANNEL_ABORT,          /* forget what was prepared (generation) */
	CHANNEL_DRAIN,          /* begin nothing new */
	CHANNEL_STOP,           /* answer what is under way, end */
	CHANNEL_LOGS,           /* the service log, and the access log: write there from now on */
	CHANNEL_READER,         /* the worker's end of a pair to a reader, in place of the one it may have (oscore/opening.h) */
	CHANNEL_FEED,           /* where lines of the feed number[0] of the configuration in force go; the descriptor has number[1] */
	CHANNEL_STEER,          /* test build alone */
	/* from a worker */
	CHANNEL_READY,          /* it serves */
	CHANNEL_PREPARED,       /* (generation) */
	CHANNEL_FAILED,         /* why, in the text (generation) */
	CHANNEL_COMMITTED,      /* (generation) */
	CHANNEL_RETIRED,        /* it has closed the listener of the slot number[0] */
	CHANNEL_FEED_GONE,      /* nobody reads the feed number[0] at the descriptor number[1] any more */
	CHANNEL_DRAINED,        /* nothing is under way any more */
	CHANNEL_STEERED,
	CHANNEL_KINDS
};

enum { START_WORKER, START_COUNT, START_CLOCK, START_LISTENERS, START_CROSSING_MEMORY };
enum { START_FD_HOUSE, START_FD_DUPLICATES, START_FD_PACKAGE, START_FD_LOG, START_FD_ACCESS_LOG, START_FD_WAKE /* and on, by worker */ };

struct channel_message {
	uint32_t kind;
	uint32_t generation;
	uint64_t number[CHANNEL_NUMBERS];
	char text[CHANNEL_TEXT_MAX]; /* always terminated */
};

/* A pair of ends, both close-on-exec, neither blocks. Returns 0, or -1 with errno. */
int channel_open(int ends[2]);

/* Sends a message with count descriptors (borrowed). Returns 0, or -1 with errno: EAGAIN if the other side does not read. */
int channel_send(int end, const struct channel_message *m, const int *fds, unsigned count);

/* Receives a message; from_parent tells which kinds may come. Descriptors are the caller's to close. Returns 1, 0 if none is
 * there, or -1 if the other side is gone (errno 0) or what came may not come (errno EPROTO). */
int channel_receive(int end, bool from_parent, struct channel_message *m, struct packet_descriptors *got);

/* Waits for the next message (worker, while it starts). Returns as channel_receive(), never 0. */
int channel_wait(int end, bool from_parent, struct channel_message *m, struct packet_descriptors *got);

#endif
