/*
 * blocks_bench - the block layer between an owner and a device that are both scripted: requester_ask() and requester_leave() are doubles, no
 * exchange layer is below them.
 *
 * A test begins a transfer, looks at what was asked and answers it. Or it sets a device that answers by itself: `at_once` before
 * requester_ask() returns. The bench fails the test if a rule of blocks.h or requester.h is broken: a second request under way, a call
 * after the end, a body asked for behind what was taken, data without room.
 */
#ifndef TESTS_SIM_BLOCKS_BENCH_H
#define TESTS_SIM_BLOCKS_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy/exchange/blocks.h"
#include "tests/unit/covers.h"
#include "tests/unit/made.h"

enum { BENCH_HEADS = 16, BENCH_MESSAGE = MSG_MAX };

/* Who asks. */
struct owner {
	struct transfer t;
	/* the request's body */
	const uint8_t *body;
	size_t body_len, come;     /* come: bytes that have arrived */
	bool ended;                /* its end is known */
	uint64_t taken;
	size_t held_most;          /* how much of it lay between `taken` and what was asked for */
	/* the answer's */
	size_t room;               /* what it takes now; SIZE_MAX: anything */
	uint8_t *got;
	size_t got_len, got_room;
	struct {
		uint8_t code;
		enum error e, end_error;
		uint64_t size;
		bool notification, ended;
		size_t from, len;      /* in `got` */
		char options[256];
	} heads[BENCH_HEADS];      /* the first ones */
	unsigned head_count;
	unsigned ends;
	enum error end_error;      /* of the last end */
	bool over;                 /* an end said that nothing follows */
	bool left;
	void (*on_head)(struct owner *o), (*on_data)(struct owner *o), (*on_end)(struct owner *o);
};

/* What a device says. */
struct reply {
	uint8_t code;
	const char *options;       /* as made_message() takes them */
	const uint8_t *payload;
	size_t len;
	enum error e;
	bool observes;             /* the relation is there afterwards */
	bool silent;               /* no answer: the test gives it */
};

extern struct bench {
	struct proxy proxy;
	struct snapshot conf, next_conf; /* the test may put the next one in force */
	struct route route, next_route;
	unsigned decided_count;    /* how often the owner was asked for the route under the next one */
	struct owner owner;
	struct transfer_plan plan;
	struct made head;
	struct hop hop;              /* to the device, as the requester tells with each answer; all zero: of datagrams */
	/* the request under way */
	struct requester *asking;
	struct msg_view asked;
	uint8_t bytes[BENCH_MESSAGE];
	unsigned asked_count, left_count;
	enum error noted;            /* the last refusal of the block layer's own that was counted */
	bool at_once;
	void (*device)(const struct msg_view *request, struct reply *reply); /* NULL: the test answers */
	uintptr_t stack_least, stack_most; /* between which addresses requester_ask() was called */
} the;

/* Sets all up: a GET of "3='h' 11='p'" with blocks of 1024, a threshold of 1024, and room for everything. */
int bench_set_up(void **state);
/* Fails if anything is still held. */
int bench_tear_down(void **state);
/* Both within a test, for its next case; patterns stay. */
void bench_again(void);
/* The same in a gateway that remembers what it learned. */
void bench_next(void);

/* What is asked. */
void head_is(uint8_t code, const char *options);
void body_is(const uint8_t *body, size_t len); /* announced, and all there */
void body_comes(const uint8_t *body, size_t len, size_t come); /* not announced */
/* Patterned bytes, the same for the same seed; owned by the bench. */
const uint8_t *pattern(size_t len, unsigned seed);
void bench_forget_patterns(void); /* nobody uses them any more */

/* Options with a block option among them, written as made_message() takes them; good until the next call but three. */
const char *block_options(const char *before, unsigned number, uint32_t num, bool more, unsigned szx, const char *behind);
const char *block2(uint32_t num, bool more, unsigned szx);  /* alone */
const char *get_block(uint32_t num, unsigned szx);          /* behind those of the GET of bench_set_up() */

/* A block of an upload to H_P, with Size1 if it is the first one (size in hex, "" for none). */
#define H_P "3='h' 11='p'"
const char *put_block(uint32_t num, bool more, unsigned szx, const char *size1);
const char *block1(uint32_t num, bool more, unsigned szx);  /* alone */
/* Begins that upload. */
void put(const uint8_t *body, size_t len);

void begin(void);
/* More of the body has come; `end`: all. */
void more_comes(size_t come, bool end);

/* The request under way has this code, these options (hex as made_text() writes them) and that payload. */
void asks(uint8_t code, const char *options, const uint8_t *payload, size_t len);
/* The same with the value of its Request-Tag left out ("292=*"). */
void asks_tagged(uint8_t code, const char *options, const uint8_t *payload, size_t len);
void asks_nothing(void);
const uint8_t *asked_tag(void); /* of BLOCKS_TAG bytes */

/* Answers it. */
void answers(uint8_t code, const char *options, const uint8_t *payload, size_t len);
void answers_text(uint8_t code, const char *options, const char *text);
void fails(enum error e);       /* the exchange layer does */
void accepts_observation(uint8_t code, const char *options, const uint8_t *payload, size_t len);
void notifies(uint8_t code, const char *options, const uint8_t *payload, size_t len);
void notifies_last(uint8_t code, const char *options, const char *text, enum error e);
void pass_time(uint64_t time);  /* microseconds; timers run */
/* Runs the device until nothing is under way. */
void serve(void);

/* The owner has had, in all, `heads` heads; the last one was this, with this body, and is complete. */
void got(unsigned heads, uint8_t code, enum error e, const uint8_t *body, size_t len);
/* ... and was cut with that error behind `len` bytes. */
void got_cut(unsigned heads, enum error e, size_t len);
/* Nothing was heard yet. */
void got_nothing(void);
void is_over(void);

#endif
