/* objects: tests/sim/blocks_bench.o proxy/exchange/blocks.o proxy/exchange/blocks_request.o proxy/exchange/blocks_answer.o proxy/exchange/blocks_learned.o translate/outer.o coap/message.o coap/option.o coap/uri.o base/buffers.o base/bytes.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o base/slab.o base/wheel.o */
/*
 * Transfers to devices whose transport is reliable: whole bodies as long as a message of theirs, blocks of several kB, and devices that know no
 * blocks at all (RFC 8323 5.3, 6).
 */
#include "base/random.h"
#include "proxy/exchange/blocks_state.h"
#include "tests/sim/blocks_bench.h"

enum { BERT = 7, LIMIT = 17536, RUNS = 600, TURNS_MAX = 1000000 };

static void hop_is(size_t limit, bool blocks, bool bert)
{
	the.hop = (struct hop){ .reliable = true, .known = true, .blocks = blocks, .bert = bert, .limit = limit };
}

/* A first transfer, from which what the device takes is known. */
static void is_learned(void)
{
	put(pattern(10, 1), 10);
	asks(CODE_PUT, H_P, pattern(10, 1), 10);
	answers(CODE_CHANGED, NULL, NULL, 0);
	is_over();
	bench_next();
}

static void hop_is_learned(size_t limit, bool blocks, bool bert)
{
	hop_is(limit, blocks, bert);
	is_learned();
	hop_is(limit, blocks, bert);
}

/* ---- bodies of requests ---- */

static void a_body_goes_whole_if_a_message_holds_it(void **state)
{
	const uint8_t *body = pattern(16384, 2);

	(void)state;
	covers("S-20 C8323-6-2");
	hop_is_learned(LIMIT, true, true);
	put(body, 16384);
	asks(CODE_PUT, H_P, body, 16384);
	answers(CODE_CHANGED, NULL, NULL, 0);
	is_over();
	/* also where it takes no blocks; a longer one is told how long it may be */
	bench_again();
	hop_is_learned(5000, false, false);
	put(body, 4000);
	asks(CODE_PUT, H_P, body, 4000);
	answers(CODE_CHANGED, NULL, NULL, 0);
	is_over();
	bench_next();
	hop_is(5000, false, false);
	put(body, 5000);
	asks_nothing();
	got(1, CODE_TOO_LARGE, ERR_TOO_LARGE, (const uint8_t *)"Message too large", 17);
	is_over();
}

/* What a device takes is not known at first: it is asked as any other. */
static void the_first_body_goes_in_small_blocks(void **state)
{
	const uint8_t *body = pattern(3000, 3);

	(void)state;
	hop_is(LIMIT, true, true);
	put(body, 3000);
	asks_tagged(CODE_PUT, put_block(0, true, 6, "0bb8"), body, 1024);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	/* a size that was agreed on is kept */
	asks_tagged(CODE_PUT, put_block(1, true, 6, ""), body + 1024, 1024);
	answers(CODE_CONTINUE, block1(1, true, 6), NULL, 0);
	asks_tagged(CODE_PUT, put_block(2, false, 6, ""), body + 2048, 952);
	answers(CODE_CHANGED, block1(2, false, 6), NULL, 0);
	is_over();
}

static void a_long_body_goes_in_blocks_of_several_kilobytes(void **state)
{
	const uint8_t *body = pattern(40000, 4);

	(void)state;
	covers("C8323-6-1");
	hop_is_learned(LIMIT, true, true);
	put(body, 40000);
	asks_tagged(CODE_PUT, put_block(0, true, BERT, "9c40"), body, 16384);
	answers(CODE_CONTINUE, block1(0, true, BERT), NULL, 0);
	asks_tagged(CODE_PUT, put_block(16, true, BERT, ""), body + 16384, 16384);
	answers(CODE_CONTINUE, block1(16, true, BERT), NULL, 0);
	asks_tagged(CODE_PUT, put_block(32, false, BERT, ""), body + 32768, 40000 - 32768);
	answers(CODE_CHANGED, block1(32, false, BERT), NULL, 0);
	is_over();
}

/* The device may want smaller ones (RFC 7959 2.3). */
static void a_device_that_wants_smaller_blocks_gets_them(void **state)
{
	const uint8_t *body = pattern(20000, 5);

	(void)state;
	covers("C7959-2.4-1");
	hop_is_learned(LIMIT, true, true);
	put(body, 20000);
	asks_tagged(CODE_PUT, put_block(0, true, BERT, "4e20"), body, 16384);
	answers(CODE_CONTINUE, block1(0, true, 5), NULL, 0);
	asks_tagged(CODE_PUT, put_block(32, true, 5, ""), body + 16384, 512);
	answers(CODE_CONTINUE, block1(32, true, 5), NULL, 0);
	asks_tagged(CODE_PUT, put_block(33, true, 5, ""), body + 16896, 512);
	transfer_leave(&the.owner.t);
	the.owner.left = true;
}

/* Amid a body its messages become too small for a block of several kilobytes: it is not asked for ever with nothing. */
static void a_device_that_takes_less_and_less(void **state)
{
	const uint8_t *body = pattern(20000, 12);

	(void)state;
	hop_is_learned(LIMIT, true, true);
	put(body, 20000);
	asks_tagged(CODE_PUT, put_block(0, true, BERT, "4e20"), body, 16384);
	hop_is(1152, true, true);
	answers(CODE_CONTINUE, block1(0, true, BERT), NULL, 0);
	asks_tagged(CODE_PUT, put_block(32, true, 5, ""), body + 16384, 512);
	hop_is(256, true, true);
	answers(CODE_CONTINUE, block1(32, true, 5), NULL, 0);
	asks_tagged(CODE_PUT, put_block(528, true, 1, ""), body + 16896, 32);
	transfer_leave(&the.owner.t);
	the.owner.left = true;
}

/* What was learned is not so any more: the edge refuses, and that says how it is now. */
static void a_message_that_the_gateway_itself_finds_too_long(void **state)
{
	const uint8_t *body = pattern(16000, 6);

	(void)state;
	covers("S-20");
	hop_is_learned(LIMIT, true, true);
	put(body, 16000);
	asks(CODE_PUT, H_P, body, 16000);
	hop_is(4096, true, true);
	fails(ERR_TOO_LARGE);
	asks_tagged(CODE_PUT, put_block(0, true, BERT, "3e80"), body, 3072);
	hop_is(1152, true, false);
	/* not for ever */
	fails(ERR_TOO_LARGE);
	got(1, CODE_TOO_LARGE, ERR_TOO_LARGE, (const uint8_t *)"Message too large", 17);
	is_over();
	bench_next();
	hop_is(1152, true, false);
	put(body, 16000);
	asks_tagged(CODE_PUT, put_block(0, true, 5, "3e80"), body, 512);
	transfer_leave(&the.owner.t);
	the.owner.left = true;
}

/* Of two origins of one route one is spoken to by datagrams. */
static void another_origin_of_the_route_takes_less(void **state)
{
	const uint8_t *body = pattern(5000, 11);

	(void)state;
	covers("S-20");
	hop_is_learned(LIMIT, true, true);
	put(body, 5000);
	asks(CODE_PUT, H_P, body, 5000);
	the.hop = (struct hop){ 0 };
	fails(ERR_TOO_LARGE);
	asks_tagged(CODE_PUT, put_block(0, true, 6, "1388"), body, 1024);
	the.hop = (struct hop){ .known = true, .blocks = true, .limit = MSG_DATAGRAM_MAX };
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	asks_tagged(CODE_PUT, put_block(1, true, 6, ""), body + 1024, 1024);
	transfer_leave(&the.owner.t);
	the.owner.left = true;
}

/* A device whose CSM was not here yet said that it knows no blocks: the same goes whole. */
static void a_device_that_knows_no_blocks_is_found_out(void **state)
{
	const uint8_t *body = pattern(9000, 7);

	(void)state;
	hop_is(LIMIT, false, false);
	put(body, 9000);
	asks_tagged(CODE_PUT, put_block(0, true, 6, "2328"), body, 1024);
	answers(CODE_BAD_OPTION, NULL, NULL, 0);
	asks(CODE_PUT, H_P, body, 9000);
	answers(CODE_CHANGED, NULL, NULL, 0);
	is_over();
}

/* ---- bodies of answers ---- */

static void a_long_answer_is_fetched_in_blocks_of_several_kilobytes(void **state)
{
	const uint8_t *body = pattern(40000, 8);

	(void)state;
	covers("C8323-6-1");
	hop_is(LIMIT, true, true);
	begin();
	answers(CODE_CONTENT, block2(0, true, BERT), body, 16384);
	asks(CODE_GET, get_block(16, BERT), NULL, 0);
	/* it gives what it likes, as long as it is whole kilobytes */
	answers(CODE_CONTENT, block2(16, true, BERT), body + 16384, 2048);
	asks(CODE_GET, get_block(18, BERT), NULL, 0);
	answers(CODE_CONTENT, block2(18, true, 6), body + 18432, 1024);
	/* smaller ones from then on, if that is what it wants */
	asks(CODE_GET, get_block(19, 6), NULL, 0);
	transfer_leave(&the.owner.t);
	the.owner.left = true;
}

static void large_blocks_that_cannot_be_are_refused(void **state)
{
	static const struct {
		const char *first, *second;
		size_t len;
	} rows[] = { { "0", "", 16000 }, { "16", "18", 1024 }, { "16", "16", 1000 }, { "16", "16", 0 }, { "16", "15", 1024 } };
	const uint8_t *body = pattern(40000, 9);

	(void)state;
	covers("C8323-6-1 C7959-2.3-1");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		hop_is(LIMIT, true, true);
		begin();
		if (rows[i].second[0] != '\0') {
			answers(CODE_CONTENT, block2(0, true, BERT), body, 16384);
			asks(CODE_GET, get_block(16, BERT), NULL, 0);
			answers(CODE_CONTENT, block2((uint32_t)atoi(rows[i].second), true, BERT), body, rows[i].len);
		} else {
			answers(CODE_CONTENT, block2(0, true, BERT), body, rows[i].len);
		}
		got(1, CODE_BAD_GATEWAY, ERR_BAD_RESPONSE, (const uint8_t *)"Origin's answer not understood", 30);
		assert_int_equal(the.noted, ERR_BAD_RESPONSE);
		bench_again();
	}
	/* nor from where datagrams come */
	begin();
	answers(CODE_CONTENT, block2(0, true, BERT), body, 1024);
	assert_int_equal(the.noted, ERR_BAD_RESPONSE);
}

/* An owner without room for a large block is not given one. */
static void large_blocks_want_room(void **state)
{
	const uint8_t *body = pattern(40000, 10);

	(void)state;
	hop_is(LIMIT, true, true);
	the.owner.room = 18000;
	begin();
	answers(CODE_CONTENT, block2(0, true, BERT), body, 16384);
	asks(CODE_GET, get_block(16, 6), NULL, 0);
	answers(CODE_CONTENT, block2(16, true, 6), body + 16384, 1024);
	asks_nothing();
	the.owner.room = 40000;
	transfer_continue(&the.owner.t);
	asks(CODE_GET, get_block(17, BERT), NULL, 0);
	answers(CODE_CONTENT, block2(17, false, BERT), body + 17408, 16000);
	is_over();
}

/* ---- all of it by chance ---- */

static struct {
	uint8_t *body;
	size_t body_len, answer_len, whole;
	const uint8_t *answer;
	uint8_t tag[BLOCKS_TAG];
	unsigned applied;
} device;

static char options[64];

static void answer(struct reply *r, const struct opt_block *asked, uint8_t code)
{
	struct opt_block b = *asked;
	size_t from = (size_t)opt_block_offset(asked), left = device.answer_len - from, size;

	if (b.szx == BERT && random_below(8) == 0)
		b.szx = 6;
	if (b.szx == BERT && !the.hop.bert)
		fail_msg("a device that does not take them was asked for a large block");
	size = b.szx == BERT ? 1024 * (1 + random_below(16)) : opt_block_unit(b.szx);
	b.more = left > size;
	b.num = (uint32_t)(from / opt_block_unit(b.szx));
	r->code = code;
	r->payload = device.answer + from;
	r->len = b.more ? size : left;
	snprintf(options + strlen(options), sizeof options - strlen(options), " %s", block_options("", OPT_BLOCK2, b.num, b.more, b.szx, ""));
}

static void first_answer(struct reply *r, uint8_t code)
{
	struct opt_block b = { .szx = (uint8_t)(the.hop.bert && random_below(2) != 0 ? BERT : 4 + random_below(3)) };

	if (the.hop.blocks && (device.answer_len > device.whole || random_below(2) != 0)) {
		answer(r, &b, code);
		return;
	}
	r->code = code;
	r->payload = device.answer;
	r->len = device.answer_len;
}

static void serve_reliable(const struct msg_view *m, struct reply *r)
{
	struct opt_block b1 = { 0 }, b2 = { 0 };
	bool has1 = msg_option(m, OPT_BLOCK1) != NULL, has2 = msg_option(m, OPT_BLOCK2) != NULL;
	uint8_t code = m->code == CODE_GET ? CODE_CONTENT : CODE_CHANGED;

	options[0] = '\0';
	r->options = options;
	assert_true(!has1 || opt_block_parse(&b1, msg_option(m, OPT_BLOCK1)) == 0);
	assert_true(!has2 || opt_block_parse(&b2, msg_option(m, OPT_BLOCK2)) == 0);
	if (!the.hop.blocks && (has1 || has2)) {
		r->code = CODE_BAD_OPTION;
		return;
	}
	if (has2 && b2.num > 0) {
		answer(r, &b2, code);
		return;
	}
	if (!has1 || b1.num == 0)
		device.body_len = 0;
	if (has1 && b1.num == 0)
		memcpy(device.tag, msg_option(m, OPT_REQUEST_TAG)->value, BLOCKS_TAG);
	if (has1) {
		assert_memory_equal(device.tag, msg_option(m, OPT_REQUEST_TAG)->value, BLOCKS_TAG);
		assert_true(b1.szx != BERT || the.hop.bert);
		assert_int_equal(opt_block_offset(&b1), device.body_len);
		assert_true(opt_block_holds(&b1, m->payload_len));
	}
	if (m->payload_len > 0)
		memcpy(device.body + device.body_len, m->payload, m->payload_len);
	device.body_len += m->payload_len;
	if (has1 && b1.szx > 4 && random_below(16) == 0)
		b1.szx--;
	if (has1)
		snprintf(options, sizeof options, "%s", block_options("", OPT_BLOCK1, b1.num, b1.more, b1.szx, ""));
	if (has1 && b1.more) {
		r->code = CODE_CONTINUE;
		return;
	}
	device.applied++;
	assert_int_equal(device.body_len, the.owner.body_len);
	if (device.body_len > 0)
		assert_memory_equal(device.body, the.owner.body, device.body_len);
	if (has1)
		snprintf(options, sizeof options, "%s", "");
	first_answer(r, code);
}

static void turn(size_t room)
{
	struct owner *o = &the.owner;
	size_t most = (size_t)o->taken + BLOCKS_HELD, come;

	if (random_below(2) == 0 && the.asking != NULL) {
		struct reply reply = { 0 };

		serve_reliable(&the.asked, &reply);
		answers(reply.code, reply.options, reply.payload, reply.len);
	} else if (!o->ended && random_below(2) == 0) {
		come = o->come + random_below(30000);
		come = come > most ? most : come;
		come = come > o->body_len ? o->body_len : come;
		more_comes(come, come == o->body_len);
	} else if (o->room < room) {
		o->room = o->room + random_below(9000) < room ? o->room + random_below(9000) : room;
		transfer_continue(&o->t);
	}
}

static void one_run(unsigned run, struct hop hop)
{
	size_t body_len = random_below(3) == 0 ? 0 : random_below(random_below(4) == 0 ? 300000 : 40000);
	size_t room = random_below(2) == 0 ? SIZE_MAX : 2048 + random_below(60000), turns = 0;
	const uint8_t *body;

	device.answer_len = random_below(random_below(4) == 0 ? 300000 : 40000);
	device.whole = hop.limit - 1024;
	if (!hop.blocks && body_len > hop.limit - 300)
		body_len = hop.limit - 300;
	if (!hop.blocks && device.answer_len > device.whole)
		device.answer_len = device.whole;
	device.applied = 0;
	device.answer = pattern(device.answer_len, run);
	body = pattern(body_len, run + 1);
	the.hop = hop;
	head_is(body_len > 0 ? CODE_PUT : CODE_GET, H_P);
	if (body_len > 0)
		body_comes(body, body_len, 0);
	if (body_len > 0 && random_below(2) == 0)
		the.plan.body_size = body_len;
	the.owner.room = room;
	begin();
	while (!the.owner.over) {
		turn(room);
		assert_true(turns++ < TURNS_MAX);
	}
	got(1, body_len > 0 ? CODE_CHANGED : CODE_CONTENT, ERR_NONE, device.answer, device.answer_len);
	assert_int_equal(device.applied, 1);
	assert_true(the.owner.held_most <= BLOCKS_HELD);
}

static void bodies_arrive_whatever_the_hop(void **state)
{
	static const size_t limits[] = { 1152, 2000, 4096, 9000, LIMIT };

	(void)state;
	covers("C8323-6-1 C7959-2.5-1");
	device.body = malloc(400000);
	assert_non_null(device.body);
	for (unsigned run = 0; run < RUNS; run++) {
		struct hop hop = { .reliable = true, .known = true };

		random_seed_for_test(run);
		hop.limit = limits[random_below(sizeof limits / sizeof limits[0])];
		hop.blocks = random_below(5) != 0;
		hop.bert = hop.blocks && hop.limit > 1152 && random_below(4) != 0;
		bench_again();
		/* the first time nothing is known of it */
		one_run(3 * run, hop);
		bench_next();
		one_run(3 * run + 1, hop);
		bench_forget_patterns();
	}
	free(device.body);
}

int main(void)
{
#define BENCH(f) cmocka_unit_test_setup_teardown(f, bench_set_up, bench_tear_down)
	const struct CMUnitTest tests[] = {
		BENCH(a_body_goes_whole_if_a_message_holds_it), BENCH(the_first_body_goes_in_small_blocks),
		BENCH(a_long_body_goes_in_blocks_of_several_kilobytes), BENCH(a_device_that_wants_smaller_blocks_gets_them),
		BENCH(a_device_that_takes_less_and_less),
		BENCH(a_message_that_the_gateway_itself_finds_too_long), BENCH(another_origin_of_the_route_takes_less),
		BENCH(a_device_that_knows_no_blocks_is_found_out),
		BENCH(a_long_answer_is_fetched_in_blocks_of_several_kilobytes), BENCH(large_blocks_that_cannot_be_are_refused),
		BENCH(large_blocks_want_room), BENCH(bodies_arrive_whatever_the_hop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
