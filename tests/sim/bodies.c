#include "tests/sim/bodies.h"

#include <stdio.h>

#include "proxy/exchange/origin.h"

enum { BODIES = 8, TEXT_MAX = 512 };

unsigned bodies_workers;
uint16_t last_token;

int bodies_one(void **state)
{
	(void)state;
	bodies_workers = 1;
	return 0;
}

int bodies_two(void **state)
{
	(void)state;
	bodies_workers = 2;
	return 0;
}

int bodies_end(void **state)
{
	(void)state;
	workers_end();
	return 0;
}

void begin(const char *settings)
{
	last_token = 0;
	workers_begin(bodies_workers, STREAM_ORIGINS, settings);
}

void finish(void)
{
	pass_time(2 * EXCHANGE_LIFETIME);
	nothing_remains();
}

const char *device(void)
{
	static char text[32];

	snprintf(text, sizeof text, "3='o%u' 11='a'", origin_at(bodies_workers - 1, 1));
	return text;
}

static unsigned stream_number(void)
{
	for (unsigned n = 1; n <= STREAM_COUNT; n++) {
		struct endpoint peer = origin_endpoint(n);

		peer.addr[14] = 1;
		peer.transport = URI_COAP_TCP;
		if (bodies_workers < 2 || origin_home(the.proxy[0], &peer) == bodies_workers - 1)
			return n;
	}
	fail_msg("no origin lives elsewhere");
	return 0;
}

const char *stream(const char *options)
{
	static char texts[2][TEXT_MAX];
	static unsigned next;
	char *text = texts[next++ % 2];

	snprintf(text, TEXT_MAX, "3='s%u' %s", stream_number(), options);
	return text;
}

uint16_t asks(unsigned client, uint8_t code, const char *options, const uint8_t *payload, size_t len)
{
	ask_bytes(0, client, client >= RELIABLE_CLIENTS ? MSG_NON : MSG_CON, code, ++last_token, options, payload, len);
	settle();
	return last_token;
}

const uint8_t *body_of(unsigned number)
{
	static uint8_t bytes[BODIES][BODY_MAX + 1];
	static bool made[BODIES];
	uint32_t value = number * 2654435761u + 1;

	for (size_t i = 0; !made[number % BODIES] && i <= BODY_MAX; i++) {
		value = value * 1664525u + 1013904223u;
		bytes[number % BODIES][i] = (uint8_t)(value >> 24);
	}
	made[number % BODIES] = true;
	return bytes[number % BODIES];
}

/* ---- block options ---- */

const char *with_blocks(const char *before, struct blocks_text b, const char *behind)
{
	static char texts[4][TEXT_MAX];
	static unsigned next;
	char *text = texts[next++ % 4];
	int at = snprintf(text, TEXT_MAX, "%s", before);

	if (b.block2 != NO_BLOCK)
		at += snprintf(text + at, TEXT_MAX - (size_t)at, " 23=%06x", (unsigned)b.block2 << 4 | (b.more2 ? 8u : 0) | b.szx2);
	if (b.block1 != NO_BLOCK)
		at += snprintf(text + at, TEXT_MAX - (size_t)at, " 27=%06x", (unsigned)b.block1 << 4 | (b.more1 ? 8u : 0) | b.szx1);
	snprintf(text + at, TEXT_MAX - (size_t)at, " %s", behind);
	return text;
}

const char *block1_text(const char *before, int num, bool more, unsigned szx)
{
	return with_blocks(before, (struct blocks_text){ NO_BLOCK, num, false, more, 0, szx }, "");
}

const char *block2_text(const char *before, int num, bool more, unsigned szx)
{
	return with_blocks(before, (struct blocks_text){ num, NO_BLOCK, more, false, szx, 0 }, "");
}

struct opt_block block_of(const struct sent *s, uint16_t number)
{
	struct opt_block b = { 0 };

	assert_non_null(msg_option(&s->m, number));
	assert_int_equal(opt_block_parse(&b, msg_option(&s->m, number)), 0);
	return b;
}

/* ---- what was sent, and is answered ---- */

void is_block(const struct sent *s, uint16_t number, uint32_t num, bool more, unsigned szx)
{
	struct opt_block b = block_of(s, number);

	assert_int_equal(b.num, num);
	assert_int_equal(b.more, more);
	assert_int_equal(b.szx, szx);
}

void is_code(const struct sent *s, uint8_t code)
{
	assert_int_equal(s->m.code >> 5 << 8 | (s->m.code & 31), code >> 5 << 8 | (code & 31));
}

void has_bytes(const struct sent *s, const uint8_t *bytes, size_t len)
{
	assert_int_equal(s->m.payload_len, len);
	if (len > 0)
		assert_memory_equal(s->m.payload, bytes, len);
}

bool is_option(const struct sent *s, uint16_t number, const char *value)
{
	const struct msg_option *o = msg_option(&s->m, number);

	return o != NULL && o->len == strlen(value) && memcmp(o->value, value, o->len) == 0;
}

void replies(const struct sent *request, uint8_t code, const char *options, const uint8_t *payload, size_t len)
{
	bool reliable = edge_of(&request->peer)->reliable;

	answer_bytes(request, reliable || request->m.type == MSG_NON ? MSG_NON : MSG_ACK, 0, code, options, payload, len);
	settle();
}

bool is_under_way(void)
{
	return the.to_origin.seen < the.to_origin.count;
}

const struct sent *takes_body(const uint8_t *body, size_t len)
{
	const struct sent *s;
	uint8_t tag[8];
	size_t at = 0;

	for (unsigned num = 0;; num++) {
		size_t size = len - at < 1024 ? len - at : 1024;
		bool more = at + size < len;

		s = next_to_origin();
		is_block(s, OPT_BLOCK1, num, more, 6);
		has_bytes(s, body + at, size);
		assert_true(s->m.len <= 1280);
		assert_int_equal(msg_option(&s->m, OPT_REQUEST_TAG)->len, 8);
		if (num > 0)
			assert_memory_equal(msg_option(&s->m, OPT_REQUEST_TAG)->value, tag, 8);
		memcpy(tag, msg_option(&s->m, OPT_REQUEST_TAG)->value, 8);
		at += size;
		if (!more)
			return s;
		replies(s, CODE_CONTINUE, block1_text("", (int)num, true, 6), NULL, 0);
	}
}
