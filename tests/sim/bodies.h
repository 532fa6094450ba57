/*
 * bodies - what the tests of re-blocking share: clients and origins of both kinds in the world of workers.h, bodies of known bytes, and block
 * options as text.
 *
 * Clients ask at worker 0. DATAGRAM origins are those of workers.h ("o1", ...), reliable ones "s1" and "s2" at 10.9.1.N.
 */
#ifndef TESTS_SIM_BODIES_H
#define TESTS_SIM_BODIES_H

#include "tests/sim/workers.h"

#include <stdio.h>

#include "proxy/exchange/origin.h"

enum { BODY_MAX = 2 << 20, PLAIN = 1, STREAM = RELIABLE_CLIENTS, BERT = 7, NO_BLOCK = -1, STREAM_COUNT = 6 };

/* Reliable origins. */
#define STREAM_ORIGIN(n) "s" n ": { hosts = [\"s" n "\"]; to = [\"coap+tcp://10.9.1." n "\"]; };\n"
#define STREAM_ORIGINS STREAM_ORIGIN("1") STREAM_ORIGIN("2") STREAM_ORIGIN("3") STREAM_ORIGIN("4") STREAM_ORIGIN("5") STREAM_ORIGIN("6")

/* Bytes that tell their place, and which body they are of. Good until the next call with another seed. */
static inline const uint8_t *body_of(unsigned seed)
{
	static uint8_t bytes[8][BODY_MAX + 1];
	static bool made[8];
	uint32_t value = seed * 2654435761u + 1;

	for (size_t i = 0; !made[seed % 8] && i <= BODY_MAX; i++) {
		value = value * 1664525u + 1013904223u;
		bytes[seed % 8][i] = (uint8_t)(value >> 24);
	}
	made[seed % 8] = true;
	return bytes[seed % 8];
}

/* Options of a request or answer: `before`, then Block2 and Block1 where their NUM is not NO_BLOCK, then `behind`. */
struct blocks_text {
	int block2, block1;
	bool more2, more1;
	unsigned szx2, szx1;
};

static inline const char *with_blocks(const char *before, struct blocks_text b, const char *behind)
{
	static char texts[4][512];
	static unsigned next;
	char *text = texts[next++ % 4];
	int at = snprintf(text, sizeof texts[0], "%s", before);

	if (b.block2 != NO_BLOCK)
		at += snprintf(text + at, sizeof texts[0] - (size_t)at, " 23=%06x", (unsigned)b.block2 << 4 | (b.more2 ? 8u : 0) | b.szx2);
	if (b.block1 != NO_BLOCK)
		at += snprintf(text + at, sizeof texts[0] - (size_t)at, " 27=%06x", (unsigned)b.block1 << 4 | (b.more1 ? 8u : 0) | b.szx1);
	snprintf(text + at, sizeof texts[0] - (size_t)at, " %s", behind);
	return text;
}

static inline const char *block1_text(const char *before, int num, bool more, unsigned szx)
{
	return with_blocks(before, (struct blocks_text){ NO_BLOCK, num, false, more, 0, szx }, "");
}

static inline const char *block2_text(const char *before, int num, bool more, unsigned szx)
{
	return with_blocks(before, (struct blocks_text){ num, NO_BLOCK, more, false, szx, 0 }, "");
}

/* The block option of a message that must have one. */
static inline struct opt_block block_of(const struct sent *s, uint16_t number)
{
	struct opt_block b = { 0 };

	assert_non_null(msg_option(&s->m, number));
	assert_int_equal(opt_block_parse(&b, msg_option(&s->m, number)), 0);
	return b;
}

static inline void is_block(const struct sent *s, uint16_t number, uint32_t num, bool more, unsigned szx)
{
	struct opt_block b = block_of(s, number);

	assert_int_equal(b.num, num);
	assert_int_equal(b.more, more);
	assert_int_equal(b.szx, szx);
}

static inline void is_code(const struct sent *s, uint8_t code)
{
	assert_int_equal(s->m.code >> 5 << 8 | (s->m.code & 31), code >> 5 << 8 | (code & 31));
}

static inline void has_bytes(const struct sent *s, const uint8_t *bytes, size_t len)
{
	assert_int_equal(s->m.payload_len, len);
	if (len > 0)
		assert_memory_equal(s->m.payload, bytes, len);
}

/* An origin's answer, as its transport has it. */
static inline void replies(const struct sent *request, uint8_t code, const char *options, const uint8_t *payload, size_t len)
{
	bool reliable = edge_of(&request->peer)->reliable;

	answer_bytes(request, reliable || request->m.type == MSG_NON ? MSG_NON : MSG_ACK, 0, code, options, payload, len);
	settle();
}

/* "3='sN'" of a reliable origin whose home is the last worker. */
static inline const char *stream_host(unsigned workers)
{
	static char option[16];

	for (unsigned n = 1; n <= STREAM_COUNT; n++) {
		struct endpoint peer = origin_endpoint(n);

		peer.addr[14] = 1;
		peer.transport = URI_COAP_TCP;
		snprintf(option, sizeof option, "3='s%u'", n);
		if (workers < 2 || origin_home(the.proxy[0], &peer) == workers - 1)
			return option;
	}
	fail_msg("no origin lives elsewhere");
	return option;
}

static inline bool is_option(const struct sent *s, uint16_t number, const char *value)
{
	const struct msg_option *o = msg_option(&s->m, number);

	return o != NULL && o->len == strlen(value) && memcmp(o->value, value, o->len) == 0;
}

#endif
