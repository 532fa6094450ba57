/* objects: tests/sim/blocks_bench.o proxy/exchange/blocks.o proxy/exchange/blocks_request.o proxy/exchange/blocks_answer.o proxy/exchange/blocks_learned.o translate/outer.o coap/message.o coap/option.o coap/uri.o base/buffers.o base/bytes.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o base/slab.o base/wheel.o */
/*
 * What a transfer answers with: in one message and block by block, at its owner's pace.
 */
#include "proxy/exchange/blocks_state.h"
#include "tests/sim/blocks_bench.h"

#define GET_P "3='h' 11='p'"

/* ---- in one message ---- */

static void one_message_is_passed_on(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 1023, 1024 };

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const uint8_t *body = pattern(sizes[i], 1);

		bench_again();
		begin();
		asks(CODE_GET, GET_P, NULL, 0);
		got_nothing();
		answers(CODE_CONTENT, "4=01 12=2a 14=3c", body, sizes[i]);
		got(1, CODE_CONTENT, ERR_NONE, body, sizes[i]);
		assert_int_equal(the.owner.heads[0].size, sizes[i]);
		assert_string_equal(the.owner.heads[0].options, "4=01 12=2a 14=3c");
		is_over();
	}
}

/* The only block of a body is the whole of it. */
static void a_single_block_is_passed_on(void **state)
{
	const uint8_t *body = pattern(64, 1);

	(void)state;
	begin();
	answers(CODE_CONTENT, block2(0, false, 2), body, 64);
	got(1, CODE_CONTENT, ERR_NONE, body, 64);
	assert_int_equal(the.owner.heads[0].size, 64);
	is_over();
}

static void an_error_is_passed_on(void **state)
{
	(void)state;
	begin();
	answers_text(CODE_NOT_FOUND, "", "no");
	got(1, CODE_NOT_FOUND, ERR_NONE, (const uint8_t *)"no", 2);
	is_over();
	bench_again();
	begin();
	fails(ERR_ORIGIN_TIMEOUT);
	got(1, CODE_GATEWAY_TIMEOUT, ERR_ORIGIN_TIMEOUT, (const uint8_t *)"No answer from the origin", 25);
	is_over();
}

/* ---- block by block ---- */

static void blocks_are_put_together(void **state)
{
	static const size_t sizes[] = { 1025, 2048, 2049, 3072, 65536 };

	(void)state;
	covers("C8075-8.3-1 C7959-2.4-1");
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const uint8_t *body = pattern(sizes[i], 2);
		size_t at = 0;

		bench_again();
		begin();
		asks(CODE_GET, GET_P, NULL, 0);
		for (uint32_t num = 0; at < sizes[i]; num++) {
			size_t len = sizes[i] - at < 1024 ? sizes[i] - at : 1024;

			if (num > 0)
				asks(CODE_GET, get_block(num, 6), NULL, 0);
			answers(CODE_CONTENT, block_options("4=0102 12=", OPT_BLOCK2, num, at + len < sizes[i], 6, ""), body + at, len);
			at += len;
		}
		got(1, CODE_CONTENT, ERR_NONE, body, sizes[i]);
		/* where the second block is the last the size is known in time */
		assert_true(the.owner.heads[0].size == (sizes[i] <= 2048 ? sizes[i] : BLOCKS_SIZE_UNKNOWN));
		is_over();
	}
}

/* The request for more has the options of the first one, but not its body, Observe, Block1. */
static void the_rest_is_asked_for_by_the_same_request(void **state)
{
	const uint8_t *body = pattern(2000, 3), *payload = pattern(20, 4);

	(void)state;
	head_is(CODE_POST, "3='h' 4=07 5= 11='p' 12=2a 15='q' 17=3c 65000=01");
	body_is(payload, 20);
	begin();
	asks(CODE_POST, "3='h' 4=07 5= 11='p' 12=2a 15='q' 17=3c 65000=01", payload, 20);
	answers(CODE_CHANGED, block2(0, true, 6), body, 1024);
	asks(CODE_POST, "3='h' 4=07 11='p' 12=2a 15='q' 17=3c 23=16 65000=01", NULL, 0);
	answers(CODE_CHANGED, block2(1, false, 6), body + 1024, 976);
	got(1, CODE_CHANGED, ERR_NONE, body, 2000);
	is_over();
}

/* What a FETCH asks for is in its body. */
static void a_fetch_repeats_its_body(void **state)
{
	const uint8_t *body = pattern(3000, 3), *payload = pattern(20, 4);

	(void)state;
	head_is(CODE_FETCH, GET_P);
	body_is(payload, 20);
	begin();
	answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
	asks(CODE_FETCH, get_block(1, 6), payload, 20);
	answers(CODE_CONTENT, block2(1, true, 6), body + 1024, 1024);
	asks(CODE_FETCH, get_block(2, 6), payload, 20);
	answers(CODE_CONTENT, block2(2, false, 6), body + 2048, 952);
	got(1, CODE_CONTENT, ERR_NONE, body, 3000);
}

/* The rest of a protected answer: the OSCORE option once more, nothing sealed with it. */
static void the_rest_of_a_protected_answer(void **state)
{
	static const uint8_t codes[] = { CODE_POST, CODE_FETCH };
	const uint8_t *sealed = pattern(40, 4);

	(void)state;
	covers("S-6 C8613-4.1.3.4-2");
	for (unsigned i = 0; i < sizeof codes; i++) {
		const uint8_t *body = pattern(3000, 3);

		bench_again();
		head_is(codes[i], "3='h' 9=090a0b");
		body_is(sealed, 40);
		begin();
		asks(codes[i], "3='h' 9=090a0b", sealed, 40);
		answers(CODE_CHANGED, block_options("9=", OPT_BLOCK2, 0, true, 6, ""), body, 1024);
		asks(codes[i], "3='h' 9=090a0b 23=16", NULL, 0);
		answers(CODE_CHANGED, block_options("9=", OPT_BLOCK2, 1, true, 6, ""), body + 1024, 1024);
		asks(codes[i], "3='h' 9=090a0b 23=26", NULL, 0);
		answers(CODE_CHANGED, block_options("9=", OPT_BLOCK2, 2, false, 6, ""), body + 2048, 952);
		got(1, CODE_CHANGED, ERR_NONE, body, 3000);
		assert_string_equal(the.owner.heads[0].options, "9= 23=0e");
		is_over();
	}
}

/* ---- sizes of blocks ---- */

/* The device names a smaller size at any point: it is kept to, by the offset in the body. */
static void a_device_may_take_smaller_blocks(void **state)
{
	const uint8_t *body = pattern(1024 + 512 + 64 + 10, 5);

	(void)state;
	covers("C7959-2.4-1");
	begin();
	answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
	asks(CODE_GET, get_block(1, 6), NULL, 0);
	answers(CODE_CONTENT, block2(2, true, 5), body + 1024, 512);
	asks(CODE_GET, get_block(3, 5), NULL, 0);
	answers(CODE_CONTENT, block2(24, true, 2), body + 1536, 64);
	asks(CODE_GET, get_block(25, 2), NULL, 0);
	answers(CODE_CONTENT, block2(100, false, 0), body + 1600, 10);
	got(1, CODE_CONTENT, ERR_NONE, body, 1610);
}

/* A size that is smaller than the largest is asked for in the first request; the largest is not, since a device without blocks refuses it. */
static void a_small_size_is_asked_for_first(void **state)
{
	const uint8_t *body = pattern(300, 6);

	(void)state;
	the.plan.block_size = 256;
	begin();
	asks(CODE_GET, get_block(0, 4), NULL, 0);
	answers(CODE_CONTENT, block2(0, true, 4), body, 256);
	asks(CODE_GET, get_block(1, 4), NULL, 0);
	answers(CODE_CONTENT, block2(1, false, 4), body + 256, 44);
	got(1, CODE_CONTENT, ERR_NONE, body, 300);
	/* one that answers with more than was asked for is asked for less from then on */
	bench_again();
	body = pattern(1100, 6);
	the.plan.block_size = 256;
	begin();
	answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
	asks(CODE_GET, get_block(4, 4), NULL, 0);
	answers(CODE_CONTENT, block2(4, false, 4), body + 1024, 76);
	got(1, CODE_CONTENT, ERR_NONE, body, 1100);
}

/* A head alone is wanted: one small block is enough to see it. */
static void a_head_alone_is_asked_for_by_a_small_block(void **state)
{
	const uint8_t *body = pattern(64, 6);

	(void)state;
	the.plan.head_only = true;
	begin();
	asks(CODE_GET, get_block(0, 2), NULL, 0);
	answers(CODE_CONTENT, block_options("12=2a", OPT_BLOCK2, 0, true, 2, "28=0400"), body, 64);
	got(1, CODE_CONTENT, ERR_NONE, NULL, 0);
	assert_true(the.owner.heads[0].size == BLOCKS_SIZE_UNKNOWN);
	is_over();
	bench_again();
	body = pattern(64, 6);
	the.plan.head_only = true;
	begin();
	answers(CODE_CONTENT, block2(0, false, 2), body, 64);
	assert_int_equal(the.owner.got_len, 0);
	assert_int_equal(the.owner.heads[0].size, 64);
	is_over();
	bench_again();
	the.plan.head_only = true;
	begin();
	fails(ERR_ORIGIN_TIMEOUT);
	assert_int_equal(the.owner.got_len, 0);
	assert_int_equal(the.owner.heads[0].e, ERR_ORIGIN_TIMEOUT);
	is_over();
	bench_again();
	the.plan.head_only = true;
	begin();
	answers(CODE_CONTENT, block2(1, true, 2), body, 64);
	assert_int_equal(the.owner.got_len, 0);
	assert_int_equal(the.owner.heads[0].e, ERR_BAD_RESPONSE);
	assert_int_equal(the.noted, ERR_BAD_RESPONSE);
	is_over();
}

/* ---- representations ---- */

struct change_row {
	const char *first, *second;
	uint8_t code;
};

static const struct change_row changes[] = {
	{ "4=01", "4=02", CODE_CONTENT }, { "4=01", "4=0101", CODE_CONTENT }, { "4=01", "", CODE_CONTENT }, { "", "4=01", CODE_CONTENT },
	{ "4=01 12=", "4=01 12=2a", CODE_CONTENT }, { "4=01 12=2a", "4=01", CODE_CONTENT },
	{ "4=01", "4=01", CODE_CHANGED }, { "4=01", "4=01", CODE_NOT_FOUND }, { "4=01", "4=01", CODE_VALID },
};

/* The resource changed between two blocks and nothing was passed on yet: all of it once more. */
static void another_representation_is_asked_for_anew(void **state)
{
	covers("C7959-2.4-2");
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		const uint8_t *old, *new;

	(void)state;
		bench_again();
		old = pattern(2048, 1);
		new = pattern(1500, 2);
		begin();
		answers(CODE_CONTENT, block_options(changes[i].first, OPT_BLOCK2, 0, true, 6, ""), old, 1024);
		answers(changes[i].code, block_options(changes[i].second, OPT_BLOCK2, 1, false, 6, ""), new + 1024, 476);
		got_nothing();
		asks(CODE_GET, GET_P, NULL, 0);
		answers(CODE_CONTENT, block_options("4=02", OPT_BLOCK2, 0, true, 6, ""), new, 1024);
		answers(CODE_CONTENT, block_options("4=02", OPT_BLOCK2, 1, false, 6, ""), new + 1024, 476);
		got(1, CODE_CONTENT, ERR_NONE, new, 1500);
		is_over();
	}
}

/* ... and once something was passed on, it ends short: two representations are never put together. */
static void another_representation_cuts(void **state)
{
	covers("C7959-2.4-2");
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		const uint8_t *body;

	(void)state;
		bench_again();
		body = pattern(4096, 1);
		begin();
		for (uint32_t num = 0; num < 2; num++)
			answers(CODE_CONTENT, block_options(changes[i].first, OPT_BLOCK2, num, true, 6, ""), body + 1024 * num, 1024);
		answers(changes[i].code, block_options(changes[i].second, OPT_BLOCK2, 2, true, 6, ""), body + 2048, 1024);
		got_cut(1, ERR_BAD_RESPONSE, 2048);
		is_over();
	}
}

/* It changes each time: an end is made of that. What is not safe to ask twice is asked once. */
static void a_restless_resource_is_given_up(void **state)
{
	static const struct {
		uint8_t code;
		const char *options;
		unsigned asked;
	} rows[] = {
		{ CODE_GET, GET_P, 2 * (BLOCKS_RESTARTS + 1) }, { CODE_FETCH, GET_P, 2 * (BLOCKS_RESTARTS + 1) },
		{ CODE_POST, GET_P, 2 }, { CODE_DELETE, GET_P, 2 }, { CODE_POST, "3='h' 9=0901", 2 }, { CODE_GET, "3='h' 9=0901", 2 }, { CODE_FETCH, "3='h' 9=0901", 2 },
	};

	(void)state;
	covers("C7959-2.4-2");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const uint8_t *body;
		char etag[8];

		bench_again();
		body = pattern(2048, 1);
		head_is(rows[i].code, rows[i].options);
		if (rows[i].code != CODE_GET && rows[i].code != CODE_DELETE)
			body_is(body, 9);
		begin();
		for (unsigned k = 0; the.asking != NULL; k++) {
			snprintf(etag, sizeof etag, "4=%02x", k);
			answers(CODE_CONTENT, block_options(etag, OPT_BLOCK2, k & 1, true, 6, ""), body, 1024);
		}
		assert_int_equal(the.asked_count, rows[i].asked);
		got(1, CODE_BAD_GATEWAY, ERR_BAD_RESPONSE, (const uint8_t *)"Origin's answer not understood", 30);
		is_over();
	}
}

/* ---- the owner's pace ---- */

/* A block is asked for when the owner has room for it, and for what is held. */
static void no_block_without_room(void **state)
{
	const uint8_t *body = pattern(4096, 1);

	(void)state;
	the.owner.room = 2047;
	begin();
	answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
	/* not enough for two: the first goes on alone */
	assert_int_equal(the.owner.got_len, 1024);
	assert_int_equal(the.owner.room, 1023);
	asks_nothing();
	transfer_continue(&the.owner.t);
	asks_nothing();
	the.owner.room = 1024;
	transfer_continue(&the.owner.t);
	asks(CODE_GET, get_block(1, 6), NULL, 0);
	transfer_continue(&the.owner.t);
	answers(CODE_CONTENT, block2(1, true, 6), body + 1024, 1024);
	asks_nothing();
	the.owner.room = 5000;
	transfer_continue(&the.owner.t);
	answers(CODE_CONTENT, block2(2, true, 6), body + 2048, 1024);
	answers(CODE_CONTENT, block2(3, false, 6), body + 3072, 1024);
	got(1, CODE_CONTENT, ERR_NONE, body, 4096);
	is_over();
}

static void leave(struct owner *o)
{
	o->left = true;
	transfer_leave(&o->t);
}

static void abort_body(struct owner *o)
{
	transfer_abort_body(&o->t, ERR_LOST_SENT);
}

static void go_on(struct owner *o)
{
	o->room = SIZE_MAX;
	transfer_continue(&o->t);
}

/* The owner leaves, at any point, within a call or without. */
static void the_owner_may_leave(void **state)
{
	(void)state;
	for (unsigned when = 0; when < 6; when++) {
		const uint8_t *body;

		bench_again();
		body = pattern(4096, 1);
		the.owner.on_head = when == 3 ? leave : NULL;
		the.owner.on_data = when == 4 ? leave : NULL;
		begin();
		if (when > 0)
			answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
		if (when > 1)
			answers(CODE_CONTENT, block2(1, when != 5, 6), body + 1024, 1024);
		if (when < 3)
			leave(&the.owner);
		asks_nothing();
		if (when < 5)
			assert_int_equal(the.owner.ends, 0);
		assert_null(the.owner.t.state);
		transfer_leave(&the.owner.t);
		transfer_continue(&the.owner.t);
		transfer_abort_body(&the.owner.t, ERR_LOST_SENT);
		assert_false(transfer_is_asking(&the.owner.t));
	}
}

/* Calls from within calls change nothing but what they say. */
static void calls_within_calls(void **state)
{
	const uint8_t *body = pattern(4096, 1);

	(void)state;
	the.owner.room = 0;
	the.owner.on_head = the.owner.on_data = go_on;
	begin();
	answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
	for (uint32_t num = 1; num < 4; num++)
		answers(CODE_CONTENT, block2(num, num < 3, 6), body + 1024 * num, 1024);
	got(1, CODE_CONTENT, ERR_NONE, body, 4096);
	is_over();
	bench_again();
	body = pattern(4096, 1);
	the.owner.on_data = abort_body;
	begin();
	answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
	answers(CODE_CONTENT, block2(1, true, 6), body + 1024, 1024);
	got_cut(1, ERR_LOST_SENT, 1024);
	is_over();
}

/* The exchange layer fails behind the first block, and behind the second. */
static void errors_on_the_way(void **state)
{
	const uint8_t *body = pattern(4096, 1);

	(void)state;
	begin();
	answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
	fails(ERR_ORIGIN_TIMEOUT);
	got(1, CODE_GATEWAY_TIMEOUT, ERR_ORIGIN_TIMEOUT, (const uint8_t *)"No answer from the origin", 25);
	is_over();
	bench_again();
	body = pattern(4096, 1);
	begin();
	answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
	answers(CODE_CONTENT, block2(1, true, 6), body + 1024, 1024);
	fails(ERR_ORIGIN_TIMEOUT);
	got_cut(1, ERR_ORIGIN_TIMEOUT, 2048);
	is_over();
}

/* ---- a new configuration ---- */

/* What goes on goes on under the new one, decided once; or ends, if that does not take it. */
static void a_new_configuration_takes_over(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	(void)state;
	for (unsigned taken = 0; taken < 2; taken++) {
		bench_again();
		begin();
		answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
		the.proxy.conf = &the.next_conf;
		the.next_route.metrics_slot = taken;
		answers(CODE_CONTENT, block2(1, true, 6), body + 1024, 1024);
		assert_int_equal(the.decided_count, 1);
		if (taken) {
			assert_int_equal(the.conf.references, 1);
			answers(CODE_CONTENT, block2(2, false, 6), body + 2048, 952);
			got(1, CODE_CONTENT, ERR_NONE, body, 3000);
			assert_int_equal(the.decided_count, 1);
		} else {
			got_cut(1, ERR_WITHDRAWN, 2048);
		}
		is_over();
	}
}

/* ---- without memory ---- */

static void without_memory_the_answer_is_an_error(void **state)
{
	const uint8_t *body = pattern(2000, 1);

	(void)state;
	buffers_set_limit(the.proxy.buffers, 0);
	begin();
	assert_int_equal(the.asked_count, 0);
	got(1, CODE_UNAVAILABLE, ERR_OVERLOAD, (const uint8_t *)"Gateway is busy", 15);
	is_over();
	/* the first block cannot be held: it goes on at once */
	bench_again();
	body = pattern(2000, 1);
	buffers_set_limit(the.proxy.buffers, 128);
	begin();
	answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
	assert_int_equal(the.owner.got_len, 1024);
	answers(CODE_CONTENT, block2(1, false, 6), body + 1024, 976);
	got(1, CODE_CONTENT, ERR_NONE, body, 2000);
	is_over();
}

static void heads_that_cannot_be_asked_with(void **state)
{
	static uint8_t long_head[BLOCKS_HEAD_MAX + 1];

	(void)state;
	the.plan.head = long_head;
	the.plan.head_len = sizeof long_head;
	begin();
	got(1, CODE_TOO_LARGE, ERR_TOO_LARGE, (const uint8_t *)"Message too large", 17);
	is_over();
	bench_again();
	the.plan.head_len = 3;
	begin();
	got(1, CODE_INTERNAL, ERR_INTERNAL, (const uint8_t *)"Internal error", 14);
	is_over();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(one_message_is_passed_on),
		TEST(a_single_block_is_passed_on),
		TEST(an_error_is_passed_on),
		TEST(blocks_are_put_together),
		TEST(the_rest_is_asked_for_by_the_same_request),
		TEST(a_fetch_repeats_its_body),
		TEST(the_rest_of_a_protected_answer),
		TEST(a_device_may_take_smaller_blocks),
		TEST(a_small_size_is_asked_for_first),
		TEST(a_head_alone_is_asked_for_by_a_small_block),
		TEST(another_representation_is_asked_for_anew),
		TEST(another_representation_cuts),
		TEST(a_restless_resource_is_given_up),
		TEST(no_block_without_room),
		TEST(the_owner_may_leave),
		TEST(calls_within_calls),
		TEST(errors_on_the_way),
		TEST(a_new_configuration_takes_over),
		TEST(without_memory_the_answer_is_an_error),
		TEST(heads_that_cannot_be_asked_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
