/*
 * control - what the parent and the reader say to each other: one struct a message, at most one descriptor with it, over a socket pair that
 * keeps messages apart (SOCK_SEQPACKET).
 *
 * Each word goes one way, and has a descriptor or has none; whoever receives anything else must not go on with the other side. The parent makes
 * the pair by reader_control_open(); the reader finds its end at READER_CONTROL_FD. Sets of contexts change in two steps: READER_SET for each
 * set of a generation and READER_PREPARE, answered by READER_PREPARED or by one READER_FAILED an error; READER_COMMIT puts what was prepared in
 * force, in place of all that was, READER_ABORT forgets it. A set that begins another generation forgets what was prepared of the former one.
 */
#ifndef OSCORE_READER_CONTROL_H
#define OSCORE_READER_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

enum {
	READER_CONTROL_FD = 3,
	READER_TEXT_MAX = 512,
};

enum reader_word {
	/* from the parent */
	READER_SET,      /* generation, set (opening_set_id() of its name), max_failures; text: the file's path, for errors; descriptor: the file */
	READER_PREPARE,  /* generation: all its sets were sent */
	READER_COMMIT,   /* generation: put in force what was prepared */
	READER_ABORT,    /* generation: forget what was prepared */
	READER_WORKER,   /* number: of the worker; descriptor: the reader's end of a pair for questions, in place of the one it had of this worker */
	READER_LOG,      /* descriptor: write the log there from now on */
	/* from the reader */
	READER_READY,    /* it is confined and waits; text: what of that could not be put on, "" if nothing */
	READER_PREPARED, /* generation */
	READER_FAILED,   /* generation; text: one error; more: others follow */
	READER_WORDS
};

struct reader_message {
	uint32_t word, generation;
	uint64_t number, set;
	uint32_t max_failures; /* bad tags or signatures after which a context of the set is opened no more; 0: never */
	bool more;
	char text[READER_TEXT_MAX]; /* always terminated */
};

/* A pair of ends, both close-on-exec, neither blocks. Returns 0, or -1 with errno. */
int reader_control_open(int ends[2]);

/* Sends a message with a descriptor (borrowed), or with none: -1. Returns 0, or -1 with errno: EAGAIN if the other side does not read. */
int reader_control_send(int end, const struct reader_message *m, int fd);

/* Receives a message; from_parent tells which words may come. *fd is the caller's to close, -1 if the word has none. Returns 1, 0 if none is
 * there, or -1 if the other side is gone (errno 0) or what came may not come (errno EPROTO). */
int reader_control_receive(int end, bool from_parent, struct reader_message *m, int *fd);

#endif
