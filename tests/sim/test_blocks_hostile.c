/* objects: tests/sim/blocks_bench.o proxy/exchange/blocks.o proxy/exchange/blocks_request.o proxy/exchange/blocks_answer.o proxy/exchange/blocks_learned.o translate/outer.o coap/message.o coap/option.o coap/uri.o base/buffers.o base/bytes.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o base/slab.o base/wheel.o */
/*
 * What a device may not do with blocks, and where they end.
 */
#include "proxy/exchange/blocks_state.h"
#include "tests/sim/blocks_bench.h"

/* ---- what a device may not do ---- */

struct bad_row {
	const char *options;
	size_t len;
	enum error e;
};

/* Nothing was told yet: the owner hears of an error, and nothing of the block. */
static void a_wrong_first_block_is_refused(void **state)
{
	static const struct bad_row rows[] = {
		{ "23=0e", 1023, ERR_BAD_RESPONSE },     /* more to come, but not a whole block */
		{ "23=0e", 1025, ERR_BAD_RESPONSE },
		{ "23=08", 15, ERR_BAD_RESPONSE },
		{ "23=08", 0, ERR_BAD_RESPONSE },
		{ "23=06", 1025, ERR_BAD_RESPONSE },     /* the last, and longer than a block */
		{ "23=1e", 1024, ERR_BAD_RESPONSE },     /* not the first */
		{ "23=16", 10, ERR_BAD_RESPONSE },
		{ "23=fffffe", 1024, ERR_BAD_RESPONSE },
		{ "23=0f", 1024, ERR_BAD_RESPONSE },     /* SZX 7 */
		{ "23=07", 10, ERR_BAD_RESPONSE },
		{ "23=0000000e0e", 16, ERR_BAD_RESPONSE }, /* no block option's length */
		{ "23=0100000e", 1024, ERR_BAD_RESPONSE },
	};

	(void)state;
	covers("C7959-2.3-1 C7959-2.2-1");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bench_again();
		begin();
		answers(CODE_CONTENT, rows[i].options, pattern(rows[i].len, 1), rows[i].len);
		got(1, CODE_BAD_GATEWAY, rows[i].e, (const uint8_t *)error_row(rows[i].e)->text, strlen(error_row(rows[i].e)->text));
		is_over();
	}
}

/* In the third block: what was passed on is cut. In the second: nothing was passed on. */
static void a_wrong_later_block_ends_it(void **state)
{
	static const struct {
		int skip;               /* added to the number that it has to be */
		bool more;
		unsigned szx;
		size_t len;
	} wrong[] = {
		{ 1, true, 6, 1024 }, { -1, true, 6, 1024 }, { 1000, true, 6, 1024 }, { 1, false, 6, 10 },
		{ 0, true, 6, 1023 }, { 0, true, 6, 0 }, { 0, true, 5, 1024 }, { 0, false, 6, 1025 }, { 0, true, 7, 1024 }, { 0, false, 7, 10 },
	};

	(void)state;
	covers("C7959-2.3-1 C7959-2.4-1 C7959-2.2-1");
	for (unsigned second = 0; second < 2; second++)
		for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
			const uint8_t *body;
			uint32_t num = 1 + !second;

			bench_again();
			body = pattern(4096, 1);
			begin();
			answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
			if (!second)
				answers(CODE_CONTENT, block2(1, true, 6), body + 1024, 1024);
			answers(CODE_CONTENT, block2((uint32_t)((int)num + wrong[i].skip), wrong[i].more, wrong[i].szx), body, wrong[i].len);
			if (second)
				got(1, CODE_BAD_GATEWAY, ERR_BAD_RESPONSE, (const uint8_t *)"Origin's answer not understood", 30);
			else
				got_cut(1, ERR_BAD_RESPONSE, 2048);
			is_over();
		}
}

/* A larger size than before, and no block at all. */
static void a_later_block_keeps_the_size(void **state)
{
	const uint8_t *body = pattern(4096, 1);

	(void)state;
	covers("C7959-2.4-1");
	begin();
	answers(CODE_CONTENT, block2(0, true, 4), body, 256);
	asks(CODE_GET, get_block(1, 4), NULL, 0);
	answers(CODE_CONTENT, block2(1, true, 4), body + 256, 256);
	asks(CODE_GET, get_block(2, 4), NULL, 0);
	answers(CODE_CONTENT, block2(1, true, 5), body + 512, 512);
	got_cut(1, ERR_BAD_RESPONSE, 512);
	is_over();
	bench_again();
	body = pattern(4096, 1);
	begin();
	answers(CODE_CONTENT, block2(0, true, 4), body, 256);
	answers(CODE_CONTENT, "", body, 100);
	got(1, CODE_BAD_GATEWAY, ERR_BAD_RESPONSE, (const uint8_t *)"Origin's answer not understood", 30);
	is_over();
}

/* ---- bounds ---- */

static void a_body_over_the_limit_is_cut(void **state)
{
	static const struct {
		uint64_t limit;
		bool passes;
		size_t cut;          /* what was passed on; 0: an error instead */
	} rows[] = { { 3000, true, 0 }, { 2999, false, 2048 }, { 2048, false, 2048 }, { 2047, false, 0 }, { 1024, false, 0 }, { 1023, false, 0 }, { 0, false, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const uint8_t *body;

		bench_again();
		body = pattern(3000, 1);
		the.plan.answer_limit = rows[i].limit;
		begin();
		for (uint32_t num = 0; the.asking != NULL; num++)
			answers(CODE_CONTENT, block2(num, num < 2, 6), body + 1024 * num, num < 2 ? 1024 : 952);
		if (rows[i].passes)
			got(1, CODE_CONTENT, ERR_NONE, body, 3000);
		else if (rows[i].cut > 0)
			got_cut(1, ERR_RESPONSE_SIZE, rows[i].cut);
		else
			got(1, CODE_BAD_GATEWAY, ERR_RESPONSE_SIZE, (const uint8_t *)"Origin's answer too large", 25);
		is_over();
	}
}

static void a_message_over_the_limit_is_refused(void **state)
{
	(void)state;
	the.plan.answer_limit = 10;
	begin();
	answers_text(CODE_CONTENT, "", "0123456789");
	got(1, CODE_CONTENT, ERR_NONE, (const uint8_t *)"0123456789", 10);
	bench_again();
	the.plan.answer_limit = 10;
	begin();
	answers_text(CODE_CONTENT, "", "0123456789a");
	got(1, CODE_BAD_GATEWAY, ERR_RESPONSE_SIZE, (const uint8_t *)"Origin's answer too large", 25);
	is_over();
	/* what the gateway says itself has no such limit */
	bench_again();
	the.plan.answer_limit = 10;
	begin();
	fails(ERR_ORIGIN_TIMEOUT);
	got(1, CODE_GATEWAY_TIMEOUT, ERR_ORIGIN_TIMEOUT, (const uint8_t *)"No answer from the origin", 25);
}

static uint64_t served;

static void endless_device(const struct msg_view *request, struct reply *reply)
{
	static uint8_t zeros[16];
	struct opt_block b = { 0 };

	if (msg_option(request, OPT_BLOCK2) != NULL)
		assert_int_equal(opt_block_parse(&b, msg_option(request, OPT_BLOCK2)), 0);
	reply->code = CODE_CONTENT;
	reply->options = block2(b.num, true, 0);
	reply->payload = zeros;
	reply->len = sizeof zeros;
	served++;
}

/* A device that never ends, by the smallest blocks: numbers end at 2^20 - 1. All of it without a deeper stack. */
static void block_numbers_do_not_overflow(void **state)
{
	covers("C7959-7-2");
	(void)state;
	served = 0;
	the.device = endless_device;
	the.at_once = true;
	begin();
	assert_int_equal(served, BLOCK_NUMBER_MAX + 1);
	got_cut(1, ERR_RESPONSE_SIZE, 16 * ((size_t)BLOCK_NUMBER_MAX + 1));
	assert_true(the.stack_most - the.stack_least < 8192);
	is_over();
}

/* Sizes that a device announces are advice: nothing follows from them. */
static void announced_sizes_are_not_believed(void **state)
{
	static const char *const sizes[] = { "28=", "28=01", "28=ffffffff", "28=0400" };

	(void)state;
	covers("C7959-4-1 C7959-7-2");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const uint8_t *body;

		bench_again();
		body = pattern(1500, 1);
		the.plan.answer_limit = 2000;
		begin();
		answers(CODE_CONTENT, block_options("", OPT_BLOCK2, 0, true, 6, sizes[i]), body, 1024);
		answers(CODE_CONTENT, block2(1, false, 6), body + 1024, 476);
		got(1, CODE_CONTENT, ERR_NONE, body, 1500);
		is_over();
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_wrong_first_block_is_refused),
		TEST(a_wrong_later_block_ends_it),
		TEST(a_later_block_keeps_the_size),
		TEST(a_body_over_the_limit_is_cut),
		TEST(a_message_over_the_limit_is_refused),
		TEST(block_numbers_do_not_overflow),
		TEST(announced_sizes_are_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
