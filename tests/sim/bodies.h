/*
 * bodies - what the tests of re-blocking share: clients and origins of both kinds in the world of workers.h, bodies of known bytes, and block
 * options as text.
 *
 * Every test runs with one worker, and with two where the client's is not the origin's home: BOTH(f). Clients ask at worker 0, PLAIN ones by datagrams,
 * those from STREAM on over connections. Origins of datagrams are those of workers.h ("o1", ...), reliable ones "s1" to "s6" at 10.9.1.N.
 */
#ifndef TESTS_SIM_BODIES_H
#define TESTS_SIM_BODIES_H

#include "tests/sim/workers.h"
#include "tests/unit/covers.h"

enum { BODY_MAX = 2 << 20, PLAIN = 1, STREAM = RELIABLE_CLIENTS, BERT = 7, NO_BLOCK = -1, STREAM_COUNT = 6 };

/* Reliable origins. */
#define STREAM_ORIGIN(n) "s" n ": { hosts = [\"s" n "\"]; to = [\"coap+tcp://10.9.1." n "\"]; };\n"
#define STREAM_ORIGINS STREAM_ORIGIN("1") STREAM_ORIGIN("2") STREAM_ORIGIN("3") STREAM_ORIGIN("4") STREAM_ORIGIN("5") STREAM_ORIGIN("6")

#define BOTH(f) cmocka_unit_test_setup_teardown(f, bodies_one, bodies_end), cmocka_unit_test_setup_teardown(f, bodies_two, bodies_end)
int bodies_one(void **state);
int bodies_two(void **state);
int bodies_end(void **state);
extern unsigned bodies_workers;   /* how many there are */

/* The world, with these settings; and that nothing is left of what happened in it. */
void begin(const char *settings);
void finish(void);

/* Options that name a resource of an origin that lives elsewhere, if there is an elsewhere: of datagrams ("11='a'"), or of a reliable one. */
const char *device(void);
const char *stream(const char *options);

/* A request of a client, and all that follows from it at once. Returns its token, which is 1 for the first. */
uint16_t asks(unsigned client, uint8_t code, const char *options, const uint8_t *payload, size_t len);
extern uint16_t last_token;

/* Bytes that tell their place, and which of eight bodies they are of. */
const uint8_t *body_of(unsigned number);

/* Options with block options among them: `before`, then Block2 and Block1 where their NUM is not NO_BLOCK, then `behind`. Good until the next call
 * but three. */
struct blocks_text {
	int block2, block1;
	bool more2, more1;
	unsigned szx2, szx1;
};
const char *with_blocks(const char *before, struct blocks_text b, const char *behind);
const char *block1_text(const char *before, int num, bool more, unsigned szx);
const char *block2_text(const char *before, int num, bool more, unsigned szx);

/* The block option of a message that must have one; and what it must be. */
struct opt_block block_of(const struct sent *s, uint16_t number);
void is_block(const struct sent *s, uint16_t number, uint32_t num, bool more, unsigned szx);

void is_code(const struct sent *s, uint8_t code);
void has_bytes(const struct sent *s, const uint8_t *bytes, size_t len);
bool is_option(const struct sent *s, uint16_t number, const char *value);

/* An origin's answer, as its transport has it, and all that follows from it at once. */
void replies(const struct sent *request, uint8_t code, const char *options, const uint8_t *payload, size_t len);
bool is_under_way(void); /* an origin was sent something that was not looked at */

/* An origin of datagrams takes a body by Block1, block by block; returns the last request, which is not answered. */
const struct sent *takes_body(const uint8_t *body, size_t len);

#endif
