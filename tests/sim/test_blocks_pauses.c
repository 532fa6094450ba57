/* objects: tests/sim/blocks_bench.o proxy/exchange/blocks.o proxy/exchange/blocks_request.o proxy/exchange/blocks_answer.o proxy/exchange/blocks_learned.o translate/outer.o coap/message.o coap/option.o coap/uri.o base/buffers.o base/bytes.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o base/slab.o base/wheel.o */
/*
 * Blocks that the gateway itself cannot ask for now.
 */
#include "base/clock.h"
#include "proxy/exchange/blocks_state.h"
#include "tests/sim/blocks_bench.h"

static void is_refused(uint8_t code, enum error e)
{
	assert_int_equal(the.owner.head_count, 1);
	assert_int_equal(the.owner.heads[0].code, code);
	assert_int_equal(the.owner.heads[0].e, e);
	assert_int_equal(the.owner.end_error, ERR_NONE);
	is_over();
}

static const enum error passing[] = { ERR_MESSAGE_IDS, ERR_ORIGIN_LIMIT, ERR_CLIENT_LIMIT, ERR_OVERLOAD, ERR_LOST_UNSENT };

/* The same block a little later, in both directions, whatever else it waits for. */
static void a_transfer_pauses_where_the_gateway_refuses(void **state)
{
	const uint8_t *body = pattern(3000, 1), *answer = pattern(2058, 2);

	(void)state;
	for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
		bench_again();
		put(body, 3000);
		answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
		fails(passing[i]);
		asks_nothing();
		assert_true(transfer_is_asking(&the.owner.t));
		transfer_continue(&the.owner.t);
		asks_nothing();
		pass_time(CLOCK_SECOND);
		asks_tagged(CODE_PUT, put_block(1, true, 6, ""), body + 1024, 1024);
		answers(CODE_CONTINUE, block1(1, true, 6), NULL, 0);
		answers(CODE_CHANGED, "23=0e 27=26", answer, 1024);
		/* each refusal has the whole patience before it, if something was answered in between */
		for (unsigned k = 0; k < 200; k++) {
			assert_non_null(the.asking);
			fails(passing[i]);
			pass_time(CLOCK_SECOND);
		}
		answers(CODE_CHANGED, block2(1, true, 6), answer + 1024, 1024);
		for (unsigned k = 0; k < 200; k++) {
			assert_non_null(the.asking);
			fails(passing[i]);
			pass_time(CLOCK_SECOND);
		}
		answers(CODE_CHANGED, block2(2, false, 6), answer + 2048, 10);
		got(1, CODE_CHANGED, ERR_NONE, answer, 2058);
		is_over();
	}
}

/* But not for ever, not at the beginning, and not where something may have left. */
static void pauses_end(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	(void)state;
	put(body, 3000);
	fails(ERR_MESSAGE_IDS);
	is_refused(CODE_UNAVAILABLE, ERR_MESSAGE_IDS);
	bench_again();
	put(body, 3000);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	fails(ERR_LOST_SENT);
	is_refused(CODE_GATEWAY_TIMEOUT, ERR_LOST_SENT);
	bench_again();
	put(body, 3000);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	for (unsigned k = 0; k < 247; k++) {
		fails(ERR_MESSAGE_IDS);
		pass_time(CLOCK_SECOND);
	}
	got_nothing();
	for (unsigned k = 0; k < 30 && the.asking != NULL; k++) {
		fails(ERR_MESSAGE_IDS);
		pass_time(CLOCK_SECOND);
	}
	is_refused(CODE_UNAVAILABLE, ERR_MESSAGE_IDS);
	/* who leaves in a pause leaves nothing behind */
	bench_again();
	put(body, 3000);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	fails(ERR_MESSAGE_IDS);
	the.owner.left = true;
	transfer_leave(&the.owner.t);
	pass_time(CLOCK_SECOND);
	asks_nothing();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_transfer_pauses_where_the_gateway_refuses),
		TEST(pauses_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
