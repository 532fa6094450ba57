/* objects: tests/sim/blocks_bench.o proxy/exchange/blocks.o proxy/exchange/blocks_request.o proxy/exchange/blocks_answer.o proxy/exchange/blocks_learned.o translate/outer.o coap/message.o coap/option.o coap/uri.o base/buffers.o base/bytes.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o base/slab.o base/wheel.o */
/*
 * How the body of a request reaches a device: whole, or by Block1.
 */
#include "base/random.h"
#include "proxy/exchange/blocks_state.h"
#include "tests/sim/blocks_bench.h"

enum { WHOLE = BLOCKS_WHOLE_MAX };

static uint8_t tag[BLOCKS_TAG];

static void keeps_tag(void)
{
	assert_memory_equal(asked_tag(), tag, sizeof tag);
}

static void notes_tag(void)
{
	memcpy(tag, asked_tag(), sizeof tag);
}

static void is_done(uint8_t code)
{
	got(1, code, ERR_NONE, NULL, 0);
	is_over();
}

/* ---- whole ---- */

static void a_short_body_goes_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 1023, 1024 };

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const uint8_t *body = pattern(sizes[i], 1);

		bench_again();
		put(body, sizes[i]);
		asks(CODE_PUT, H_P, body, sizes[i]);
		answers(CODE_CHANGED, "", NULL, 0);
		assert_int_equal(the.owner.taken, sizes[i]);
		is_done(CODE_CHANGED);
	}
}

/* The threshold is configured; a block size above it makes one block of what is between them. */
static void the_threshold_decides(void **state)
{
	const uint8_t *body = pattern(300, 1);

	covers("C8075-8.3-3");
	(void)state;
	the.plan.threshold = 256;
	put(body, 256);
	asks(CODE_PUT, H_P, body, 256);
	bench_again();
	the.plan.threshold = 256;
	put(body, 257);
	asks_tagged(CODE_PUT, put_block(0, false, 6, "0101"), body, 257);
	bench_again();
	the.plan.threshold = 256;
	the.plan.block_size = 256;
	put(body, 257);
	asks_tagged(CODE_PUT, put_block(0, true, 4, "0101"), body, 256);
	bench_again();
	the.plan.threshold = 0;
	put(body, 1);
	asks_tagged(CODE_PUT, put_block(0, false, 6, "01"), body, 1);
	/* whatever is configured, it has to fit one message */
	bench_again();
	body = pattern(WHOLE + 1, 1);
	the.plan.threshold = 100000;
	put(body, WHOLE);
	asks(CODE_PUT, H_P, body, WHOLE);
	bench_again();
	the.plan.threshold = 100000;
	put(body, WHOLE + 1);
	asks_tagged(CODE_PUT, put_block(0, true, 6, "0401"), body, 1024);
}

/* A long head leaves less room: blocks are as small as it takes. */
static void a_long_head_makes_small_blocks(void **state)
{
	const uint8_t *body = pattern(1024, 1);
	char options[4 * 1024];
	size_t at = (size_t)sprintf(options, "3='h'");

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		at += (size_t)sprintf(options + at, " 11='%0250u'", 0);
	head_is(CODE_PUT, options);
	assert_true(the.plan.head_len > 1250);
	body_is(body, 1024);
	begin();
	assert_non_null(msg_option(&the.asked, OPT_BLOCK1));
	assert_int_equal(the.asked.payload_len, 512);
	assert_true(the.asked.len + 64 <= MSG_DATAGRAM_MAX);
}

/* ---- in blocks ---- */

/* Every block has the options of the head, the same tag, and is asked when the one before was taken. */
static void a_long_body_goes_in_blocks(void **state)
{
	const uint8_t *body = pattern(2049, 1);

	covers("C8075-8.3-1 C7959-2.5-1 C9175-3.5.2-1");
	(void)state;
	put(body, 2049);
	asks_tagged(CODE_PUT, put_block(0, true, 6, "0801"), body, 1024);
	notes_tag();
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	asks_tagged(CODE_PUT, put_block(1, true, 6, ""), body + 1024, 1024);
	keeps_tag();
	answers(CODE_CONTINUE, block1(1, true, 6), NULL, 0);
	asks_tagged(CODE_PUT, put_block(2, false, 6, ""), body + 2048, 1);
	keeps_tag();
	answers(CODE_CREATED, block1(2, false, 6), NULL, 0);
	is_done(CODE_CREATED);
	/* the next operation has another tag */
	bench_again();
	random_seed_for_test(2);
	put(body, 2049);
	assert_memory_not_equal(asked_tag(), tag, sizeof tag);
}

/* Devices that store each block as it comes say 2.04 or 2.01 instead of 2.31. */
static void blocks_may_be_stored_one_by_one(void **state)
{
	static const uint8_t codes[] = { CODE_CHANGED, CODE_CREATED, CODE_CONTINUE };
	const uint8_t *body = pattern(2048, 1);

	(void)state;
	for (unsigned i = 0; i < sizeof codes; i++) {
		bench_again();
		put(body, 2048);
		answers(codes[i], block1(0, i == 2, 6), NULL, 0);
		asks_tagged(CODE_PUT, put_block(1, false, 6, ""), body + 1024, 1024);
		answers(CODE_CHANGED, block1(1, false, 6), NULL, 0);
		is_done(CODE_CHANGED);
	}
}

/* Nobody knows how long it is: a block leaves when it is known whether it is the last. */
static void a_body_of_unknown_length(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	(void)state;
	head_is(CODE_PUT, H_P);
	body_comes(body, 2048, 0);
	begin();
	asks_nothing();
	more_comes(1024, false);
	asks_nothing();
	more_comes(1025, false);
	asks_tagged(CODE_PUT, put_block(0, true, 6, ""), body, 1024);
	more_comes(2047, false);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	asks_nothing();
	more_comes(2048, false);
	asks_nothing();
	more_comes(2048, true);
	asks_tagged(CODE_PUT, put_block(1, false, 6, ""), body + 1024, 1024);
	answers(CODE_CHANGED, block1(1, false, 6), NULL, 0);
	is_done(CODE_CHANGED);
	/* one that turns out to be short goes whole, also an empty one */
	for (size_t len = 0; len <= WHOLE; len += WHOLE / 2) {
		bench_again();
		head_is(CODE_PUT, H_P);
		body_comes(body, len, len);
		begin();
		asks_nothing();
		more_comes(len, true);
		asks(CODE_PUT, H_P, body, len);
	}
}

/* The device wants smaller blocks from now on; what it took, it took. */
static void a_device_may_want_smaller_blocks(void **state)
{
	const uint8_t *body = pattern(1024 + 1024 + 512 + 16 + 3, 1);

	covers("C7959-2.5-1");
	(void)state;
	put(body, 2579);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	answers(CODE_CONTINUE, block1(1, true, 5), NULL, 0);
	asks_tagged(CODE_PUT, put_block(4, true, 5, ""), body + 2048, 512);
	answers(CODE_CONTINUE, block1(4, true, 0), NULL, 0);
	asks_tagged(CODE_PUT, put_block(160, true, 0, ""), body + 2560, 16);
	/* one that wants larger ones has to wait for the next body */
	answers(CODE_CONTINUE, block1(160, true, 6), NULL, 0);
	asks_tagged(CODE_PUT, put_block(161, false, 0, ""), body + 2576, 3);
	answers(CODE_CHANGED, block1(161, false, 0), NULL, 0);
	is_done(CODE_CHANGED);
}

/* Whether the resource exists is a question before the first block. */
static void if_none_match_is_for_the_first_block(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	covers("C7959-2.10-3");
	(void)state;
	head_is(CODE_PUT, "1=0a 3='h' 5= 11='p'");
	body_is(body, 2048);
	begin();
	asks_tagged(CODE_PUT, "1=0a 3='h' 5= 11='p' 27=0e 60=0800", body, 1024);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	asks_tagged(CODE_PUT, "1=0a 3='h' 11='p' 27=16", body + 1024, 1024);
	answers(CODE_CREATED, block1(1, false, 6), NULL, 0);
	is_done(CODE_CREATED);
}

/* The answer to the last block has blocks of its own: they are asked for without Block1, in their order. */
static void a_long_answer_to_a_long_body(void **state)
{
	const uint8_t *body = pattern(1500, 1), *answer = pattern(2500, 2);

	covers("C7959-2.7-1");
	(void)state;
	head_is(CODE_POST, H_P);
	body_is(body, 1500);
	begin();
	notes_tag();
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	answers(CODE_CHANGED, "23=0e 27=16", answer, 1024);
	asks_tagged(CODE_POST, H_P " 23=16", NULL, 0);
	keeps_tag();
	answers(CODE_CHANGED, block2(1, true, 6), answer + 1024, 1024);
	asks_tagged(CODE_POST, H_P " 23=26", NULL, 0);
	answers(CODE_CHANGED, block2(2, false, 6), answer + 2048, 452);
	got(1, CODE_CHANGED, ERR_NONE, answer, 2500);
	is_over();
}

/* The size wanted for the answer is named where the answer comes from: in the last block. */
static void the_last_block_names_the_size_of_the_answer(void **state)
{
	const uint8_t *body = pattern(300, 1);

	(void)state;
	the.plan.block_size = 256;
	the.plan.threshold = 256;
	put(body, 300);
	asks_tagged(CODE_PUT, put_block(0, true, 4, "012c"), body, 256);
	answers(CODE_CONTINUE, block1(0, true, 4), NULL, 0);
	asks_tagged(CODE_PUT, H_P " 23=04 27=14", body + 256, 44);
}

/* ---- OSCORE ---- */

/* A sealed message that is too long is cut on the outside; each piece says whose it is. */
static void a_sealed_body_goes_in_outer_blocks(void **state)
{
	const uint8_t *body = pattern(4000, 1);

	covers("C8613-4.1.3.4-2 C8613-4.1.3.4-4 S-7");
	(void)state;
	head_is(CODE_POST, "3='h' 9=09aabb");
	body_is(body, 2048);
	begin();
	asks_tagged(CODE_POST, "3='h' 9=09aabb 27=0e 60=0800", body, 1024);
	notes_tag();
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	asks_tagged(CODE_POST, "3='h' 9=09aabb 27=16", body + 1024, 1024);
	keeps_tag();
	answers(CODE_CHANGED, "9= 27=16", body, 20);
	got(1, CODE_CHANGED, ERR_NONE, body, 20);
	is_over();
	/* a client's own block, which sealing made a little longer, is not cut */
	bench_again();
	head_is(CODE_POST, "3='h' 9=09aabb");
	body_is(body, WHOLE + BLOCKS_SEALING);
	begin();
	asks(CODE_POST, "3='h' 9=09aabb", body, WHOLE + BLOCKS_SEALING);
	bench_again();
	head_is(CODE_POST, "3='h' 9=09aabb");
	body_is(body, WHOLE + BLOCKS_SEALING + 1);
	begin();
	asks_tagged(CODE_POST, "3='h' 9=09aabb 27=0e 60=0441", body, 1024);
}

/* ---- ends ---- */

/* A device that has seen enough says so before the last block. */
static void an_early_answer_is_the_answer(void **state)
{
	static const uint8_t codes[] = { CODE_NOT_FOUND, CODE_FORBIDDEN, CODE_INTERNAL, CODE_UNAVAILABLE, CODE_TOO_LARGE, CODE_UNAUTHORIZED };
	const uint8_t *body = pattern(3000, 1);

	(void)state;
	for (unsigned i = 0; i < sizeof codes; i++)
		for (uint32_t num = 0; num < 2; num++) {
			bench_again();
			put(body, 3000);
			if (num > 0)
				answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
			answers_text(codes[i], num > 0 ? block1(num, false, 6) : "", "no");
			got(1, codes[i], ERR_NONE, (const uint8_t *)"no", 2);
			is_over();
		}
	bench_again();
	put(body, 3000);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	fails(ERR_ORIGIN_TIMEOUT);
	got(1, CODE_GATEWAY_TIMEOUT, ERR_ORIGIN_TIMEOUT, (const uint8_t *)"No answer from the origin", 25);
	is_over();
}

/* What says that a block was taken must say which. `last`: it was the last block, or a whole body. */
static void nonsense_ends_it(void **state)
{
	static const struct {
		size_t size;
		uint8_t code;
		const char *options;
	} rows[] = {
		{ 2048, CODE_CONTINUE, "" },          /* of what? */
		{ 2048, CODE_CHANGED, "" },           /* taken for the whole of it */
		{ 2048, CODE_CONTENT, "" },
		{ 2048, CODE_CONTINUE, "27=1e" },     /* another block */
		{ 2048, CODE_CONTINUE, "27=fffffe" },
		{ 2048, CODE_CONTINUE, "27=0f" },     /* SZX 7 */
		{ 2048, CODE_CONTINUE, "27=0000000e0e" },
		{ 1000, CODE_CONTINUE, "" },          /* nothing is to continue */
		{ 1000, CODE_CONTINUE, "27=0e" },
	};
	const uint8_t *body = pattern(2048, 1);

	covers("C7959-2.2-1");
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bench_again();
		put(body, rows[i].size);
		answers(rows[i].code, rows[i].options, NULL, 0);
		got(1, CODE_BAD_GATEWAY, ERR_BAD_RESPONSE, (const uint8_t *)"Origin's answer not understood", 30);
		is_over();
	}
	/* and 2.31 to the last block */
	bench_again();
	put(body, 2048);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	answers(CODE_CONTINUE, block1(1, true, 6), NULL, 0);
	got(1, CODE_BAD_GATEWAY, ERR_BAD_RESPONSE, (const uint8_t *)"Origin's answer not understood", 30);
	is_over();
	/* and to a request without a body */
	bench_again();
	begin();
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	got(1, CODE_BAD_GATEWAY, ERR_BAD_RESPONSE, (const uint8_t *)"Origin's answer not understood", 30);
}

/* The owner gives up its body, while a block is under way or while one is waited for. */
static void a_body_may_be_given_up(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	(void)state;
	for (unsigned waits = 0; waits < 2; waits++) {
		bench_again();
		head_is(CODE_PUT, H_P);
		body_comes(body, 3000, 1500);
		begin();
		if (waits)
			answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
		assert_int_equal(transfer_is_asking(&the.owner.t), !waits);
		transfer_abort_body(&the.owner.t, ERR_LOST_SENT);
		got(1, CODE_GATEWAY_TIMEOUT, ERR_LOST_SENT, (const uint8_t *)"Gateway lost track of the request", 33);
		is_over();
		assert_int_equal(the.left_count, !waits);
	}
	/* the answer is there already, but nobody has heard of it */
	bench_again();
	put(body, 20);
	answers(CODE_CHANGED, block_options("", OPT_BLOCK2, 0, true, 6, ""), body, 1024);
	transfer_abort_body(&the.owner.t, ERR_TOO_LARGE);
	got(1, CODE_TOO_LARGE, ERR_TOO_LARGE, (const uint8_t *)"Message too large", 17);
	is_over();
}

/* ---- what the owner holds ---- */

static void taking_device(const struct msg_view *request, struct reply *reply)
{
	struct opt_block b = { 0 };

	if (msg_option(request, OPT_BLOCK1) != NULL)
		assert_int_equal(opt_block_parse(&b, msg_option(request, OPT_BLOCK1)), 0);
	reply->code = b.more ? CODE_CONTINUE : CODE_CHANGED;
	reply->options = block1(b.num, b.more, b.szx);
}

/* A body that is held whole stays until it was answered; of a longer one no more than half of what an owner holds stays behind. */
static void the_start_of_a_body_is_kept(void **state)
{
	static const struct {
		size_t len;
		bool known;
		uint64_t taken;      /* before the last block was answered, at least */
	} rows[] = {
		{ BLOCKS_KEPT, true, 0 }, { 32768, false, 0 }, { BLOCKS_KEPT + 1, true, 32768 }, { 65536, true, 32768 },
		{ 1 << 20, true, (1 << 20) - 33000 }, { 1 << 20, false, (1 << 20) - 33000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const uint8_t *body = pattern(rows[i].len, 1);

		bench_again();
		the.device = taking_device;
		head_is(CODE_PUT, H_P);
		if (rows[i].known)
			body_is(body, rows[i].len);
		else
			body_comes(body, rows[i].len, rows[i].len);
		the.owner.ended = true;
		begin();
		while (the.asked.payload_len == 1024 && the.owner.taken == 0 && rows[i].taken == 0) {
			struct reply reply = { 0 };

			taking_device(&the.asked, &reply);
			if (reply.code != CODE_CONTINUE)
				break;
			answers(reply.code, reply.options, NULL, 0);
		}
		if (rows[i].taken == 0)
			assert_int_equal(the.owner.taken, 0);
		serve();
		assert_int_equal(the.owner.taken, rows[i].len);
		assert_true(the.owner.held_most <= BLOCKS_HELD);
		is_done(CODE_CHANGED);
	}
}

/* One that comes as its beginning is taken: nothing waits for ever on the other, be it that the owner holds no more than is kept. */
static void a_body_comes_as_it_is_taken(void **state)
{
	static const size_t lengths[] = { BLOCKS_KEPT, BLOCKS_KEPT + 1, 50000, BLOCKS_HELD, 300000 };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof lengths / sizeof *lengths; i++) {
		size_t len = lengths[i / 2], come = BLOCKS_KEPT;

		bench_again();
		the.device = taking_device;
		head_is(CODE_PUT, H_P);
		body_comes(pattern(len, 1), len, come);
		the.owner.ended = come == len;
		if (i % 2 == 1)
			the.plan.body_size = len;
		begin();
		serve();
		while (!the.owner.over) {
			size_t before = the.asked_count;

			come = the.owner.taken + BLOCKS_KEPT < len ? (size_t)the.owner.taken + BLOCKS_KEPT : len;
			more_comes(come, come == len);
			serve();
			assert_true(the.asked_count > before);
		}
		is_done(CODE_CHANGED);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_short_body_goes_whole),
		TEST(the_threshold_decides),
		TEST(a_long_head_makes_small_blocks),
		TEST(a_long_body_goes_in_blocks),
		TEST(blocks_may_be_stored_one_by_one),
		TEST(a_body_of_unknown_length),
		TEST(a_device_may_want_smaller_blocks),
		TEST(if_none_match_is_for_the_first_block),
		TEST(a_long_answer_to_a_long_body),
		TEST(the_last_block_names_the_size_of_the_answer),
		TEST(a_sealed_body_goes_in_outer_blocks),
		TEST(an_early_answer_is_the_answer),
		TEST(nonsense_ends_it),
		TEST(a_body_may_be_given_up),
		TEST(the_start_of_a_body_is_kept),
		TEST(a_body_comes_as_it_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
