/*
 * fake_reader - the reader as a worker of tests/sim/workers.h sees it: questions come in packets, and are answered when and as a test says.
 *
 * Origins o1 to o7 are reached by routes that read by "gate", o8 to o15 by "tap", the others by routes that do not read. o1 takes
 * plain requests, too.
 */
#ifndef TESTS_SIM_FAKE_READER_H
#define TESTS_SIM_FAKE_READER_H

#include "oscore/opening.h"
#include "proxy/exchange/reader_link.h"
#include "tests/sim/workers.h"

enum { GATE = 1, GATE_LAST = 7, TAP = 8, TAP_LAST = 15, UNREAD = 16, QUESTIONS_MAX = 4096 };

struct asked {
	unsigned worker;
	struct opening_question q;                /* of bytes of its own */
	unsigned sent_to_origin, sent_to_client;  /* datagrams before it was asked */
	uint64_t at;
};

struct fake_reader {
	struct asked all[QUESTIONS_MAX];
	unsigned count, seen, packets;
	bool blocks, gone;                        /* it takes no packet; nobody is there */
};

extern struct fake_reader reader;

/* A house in which every worker has a reader. gate, tap: settings of the two besides context and fields; `more`: further groups of the
 * configuration. */
void reading_begins(unsigned workers, const char *gate, const char *tap, const char *more);
void reading_ends(void);
void forget_questions(void); /* part of that, for other worlds */
/* Such a configuration, for a reload. */
struct snapshot *reading_conf(const char *gate, const char *tap, const char *more);
/* Attaches a reader to a worker: again, or to a successor. */
void reader_begins(unsigned worker);

const struct asked *next_question(void);
void no_more_questions(void);

/* It is answered: opened, with this Inner code and path ("a/b"; "": none), or with a verdict that tells nothing. */
void opened(const struct asked *a, uint8_t code, const char *path);
void judged(const struct asked *a, enum opening_verdict verdict);
/* Any answer; its id is set here. */
void answered_with(const struct asked *a, struct opening_answer *answer);

#endif
