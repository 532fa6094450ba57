/* objects: tests/sim/blocks_bench.o proxy/exchange/blocks.o proxy/exchange/blocks_request.o proxy/exchange/blocks_answer.o proxy/exchange/blocks_learned.o translate/outer.o coap/message.o coap/option.o coap/uri.o base/buffers.o base/bytes.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o base/slab.o base/wheel.o */
/*
 * What is asked again in another way: smaller, from the start, without blocks, with proof of freshness; and how often at most.
 */
#include "base/clock.h"
#include "base/random.h"
#include "proxy/exchange/blocks_learned.h"
#include "proxy/exchange/blocks_state.h"
#include "tests/sim/blocks_bench.h"
#include "tests/unit/runs.h"

static uint8_t tag[BLOCKS_TAG];

static void has_new_tag(void)
{
	assert_memory_not_equal(asked_tag(), tag, sizeof tag);
	memcpy(tag, asked_tag(), sizeof tag);
}

static void is_refused(uint8_t code, enum error e)
{
	assert_int_equal(the.owner.head_count, 1);
	assert_int_equal(the.owner.heads[0].code, code);
	assert_int_equal(the.owner.heads[0].e, e);
	assert_int_equal(the.owner.end_error, ERR_NONE);
	is_over();
}

/* ---- 4.13: too large ---- */

/* What went whole goes in blocks, smaller than it was and as small as the device says. */
static void too_large_whole_is_tried_in_blocks(void **state)
{
	static const struct {
		size_t len;
		uint16_t block_size;
		const char *options;
		unsigned szx;
	} rows[] = {
		{ 1024, 1024, "", 5 }, { 1000, 1024, "", 5 }, { 1000, 256, "", 4 }, { 17, 1024, "", 0 }, { 33, 1024, "", 1 },
		{ 1000, 1024, "27=02", 2 }, { 1000, 1024, "27=06", 5 }, { 1000, 1024, "27=07", 5 },
		{ 1000, 1024, "60=80", 3 }, { 1000, 1024, "60=ff", 3 }, { 1000, 1024, "60=0f", 0 }, { 1000, 1024, "60=ffffffff", 5 },
		{ 1000, 1024, "27=03 60=20", 1 },
	};
	const uint8_t *body = pattern(1024, 1);

	covers("C8075-8.3-2 C7959-2.5-2");
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct opt_block b;
		size_t size = 16u << rows[i].szx;

		bench_again();
		the.plan.block_size = rows[i].block_size;
		put(body, rows[i].len);
		assert_null(msg_option(&the.asked, OPT_BLOCK1));
		answers_text(CODE_TOO_LARGE, rows[i].options, "big");
		got_nothing();
		assert_non_null(the.asking);
		asked_tag();
		assert_int_equal(opt_block_parse(&b, msg_option(&the.asked, OPT_BLOCK1)), 0);
		assert_int_equal(b.num, 0);
		assert_true(b.more);
		assert_int_equal(b.szx, rows[i].szx);
		assert_int_equal(the.asked.payload_len, size);
		assert_memory_equal(the.asked.payload, body, size);
		for (uint32_t num = 0; (num + 1) * size < rows[i].len; num++)
			answers(CODE_CONTINUE, block1(num, true, rows[i].szx), NULL, 0);
		answers(CODE_CHANGED, block1((uint32_t)((rows[i].len - 1) / size), false, rows[i].szx), NULL, 0);
		got(1, CODE_CHANGED, ERR_NONE, NULL, 0);
		is_over();
	}
}

static void too_large_is_final_when_nothing_is_smaller(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	covers("C8075-7-n11 C7959-2.5-2");
	(void)state;
	/* no body, or one of a smallest block */
	begin();
	answers_text(CODE_TOO_LARGE, "60=10", "big");
	is_refused(CODE_TOO_LARGE, ERR_NONE);
	bench_again();
	put(body, 16);
	answers_text(CODE_TOO_LARGE, "", "big");
	is_refused(CODE_TOO_LARGE, ERR_NONE);
	/* again in blocks */
	bench_again();
	put(body, 1000);
	answers_text(CODE_TOO_LARGE, "", "big");
	answers_text(CODE_TOO_LARGE, "", "big");
	assert_int_equal(the.asked_count, 2);
	is_refused(CODE_TOO_LARGE, ERR_NONE);
	/* in blocks, with a size that is not smaller */
	bench_again();
	put(body, 3000);
	answers_text(CODE_TOO_LARGE, block1(0, true, 6), "big");
	is_refused(CODE_TOO_LARGE, ERR_NONE);
	/* behind the first block */
	bench_again();
	put(body, 3000);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	answers_text(CODE_TOO_LARGE, block1(1, true, 2), "big");
	is_refused(CODE_TOO_LARGE, ERR_NONE);
}

/* The first block was too large: from there on smaller, seven times at most. */
static void too_large_blocks_shrink(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	covers("C7959-2.5-2");
	(void)state;
	put(body, 3000);
	for (unsigned szx = 6; szx-- > 0;) {
		answers_text(CODE_TOO_LARGE, block1(0, true, szx), "big");
		asks_tagged(CODE_PUT, put_block(0, true, szx, "0bb8"), body, 16u << szx);
	}
	answers_text(CODE_TOO_LARGE, block1(0, true, 0), "big");
	is_refused(CODE_TOO_LARGE, ERR_NONE);
	assert_int_equal(the.asked_count, 7);
}

/* ---- 4.08: a block is missing there ---- */

static void incomplete_starts_over(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	covers("S-27 C9175-3.5.2-1");
	(void)state;
	put(body, 3000);
	memcpy(tag, asked_tag(), sizeof tag);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	for (unsigned i = 0; i < BLOCKS_RESTARTS; i++) {
		answers_text(CODE_REQUEST_INCOMPLETE, "", "lost");
		got_nothing();
		asks_tagged(CODE_PUT, put_block(0, true, 6, "0bb8"), body, 1024);
		has_new_tag();
		answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
		asks_tagged(CODE_PUT, put_block(1, true, 6, ""), body + 1024, 1024);
		answers(CODE_CONTINUE, block1(1, true, 6), NULL, 0);
	}
	/* enough */
	answers_text(CODE_REQUEST_INCOMPLETE, "", "lost");
	is_refused(CODE_REQUEST_INCOMPLETE, ERR_NONE);
	assert_int_equal(the.owner.taken, 0);
}

/* The beginning is gone: the owner hears of it. */
static void incomplete_is_final_without_the_start(void **state)
{
	const uint8_t *body = pattern(100000, 1);

	covers("S-27");
	(void)state;
	put(body, 100000);
	for (uint32_t num = 0; num < 32; num++) {
		assert_int_equal(the.owner.taken, 0);
		answers(CODE_CONTINUE, block1(num, true, 6), NULL, 0);
	}
	assert_int_equal(the.owner.taken, 32768);
	answers_text(CODE_REQUEST_INCOMPLETE, "", "lost");
	is_refused(CODE_REQUEST_INCOMPLETE, ERR_NONE);
	/* and so does one whose body went whole */
	bench_again();
	put(body, 100);
	answers_text(CODE_REQUEST_INCOMPLETE, "", "lost");
	is_refused(CODE_REQUEST_INCOMPLETE, ERR_NONE);
}

/* ---- 4.02: no blocks ---- */

static void devices_without_blocks_are_asked_without(void **state)
{
	const uint8_t *body = pattern(1024, 1);

	covers("C8075-8.3-4");
	(void)state;
	/* a size for the answer was named */
	the.plan.block_size = 256;
	begin();
	asks(CODE_GET, H_P " 23=04", NULL, 0);
	answers_text(CODE_BAD_OPTION, "", "what?");
	got_nothing();
	asks(CODE_GET, H_P, NULL, 0);
	answers_text(CODE_CONTENT, "", "ok");
	got(1, CODE_CONTENT, ERR_NONE, (const uint8_t *)"ok", 2);
	is_over();
	/* the body was cut, though it would go whole */
	bench_again();
	the.plan.threshold = 256;
	put(body, 1024);
	asks_tagged(CODE_PUT, put_block(0, false, 6, "0400"), body, 1024);
	answers_text(CODE_BAD_OPTION, "", "what?");
	asks(CODE_PUT, H_P, body, 1024);
	answers(CODE_CHANGED, "", NULL, 0);
	got(1, CODE_CHANGED, ERR_NONE, NULL, 0);
	is_over();
}

static void the_same_without_blocks_may_be_refused_too(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	covers("C8075-8.3-4");
	(void)state;
	/* the option meant is another one */
	the.plan.block_size = 256;
	begin();
	answers_text(CODE_BAD_OPTION, "", "what?");
	answers_text(CODE_BAD_OPTION, "", "what?");
	is_refused(CODE_BAD_OPTION, ERR_NONE);
	/* nothing was in it that could be left out */
	bench_again();
	begin();
	answers_text(CODE_BAD_OPTION, "", "what?");
	is_refused(CODE_BAD_OPTION, ERR_NONE);
	assert_int_equal(the.asked_count, 1);
	/* it does not fit */
	bench_again();
	put(body, 1025);
	answers_text(CODE_BAD_OPTION, "", "what?");
	assert_int_equal(the.asked_count, 1);
	is_refused(CODE_TOO_LARGE, ERR_TOO_LARGE);
	/* nor does what comes more, once it is known */
	bench_again();
	the.plan.threshold = 256;
	the.plan.block_size = 256;
	head_is(CODE_PUT, H_P);
	body_comes(body, 3000, 600);
	begin();
	answers_text(CODE_BAD_OPTION, "", "what?");
	asks_nothing();
	more_comes(1025, false);
	is_refused(CODE_TOO_LARGE, ERR_TOO_LARGE);
	/* behind the first block it means something else */
	bench_again();
	put(body, 3000);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	answers_text(CODE_BAD_OPTION, "", "what?");
	is_refused(CODE_BAD_OPTION, ERR_NONE);
}

static void learn(const char *options)
{
	head_is(CODE_GET, options);
	the.plan.block_size = 256;
	begin();
	assert_non_null(msg_option(&the.asked, OPT_BLOCK2));
	answers_text(CODE_BAD_OPTION, "", "what?");
	assert_null(msg_option(&the.asked, OPT_BLOCK2));
	answers_text(CODE_CONTENT, "", "ok");
	assert_true(the.owner.over);
}

/* The next transfer, in the same gateway. */
static void next_transfer(void)
{
	bench_next();
	the.plan.block_size = 256;
}

static bool is_asked_without(uint8_t code, const char *options)
{
	next_transfer();
	head_is(code, options);
	begin();
	return msg_option(&the.asked, OPT_BLOCK2) == NULL;
}

/* ... by what the request says of scheme, host and port, and by the route; for an hour. */
static void a_device_without_blocks_is_remembered(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	covers("C8075-8.3-4");
	(void)state;
	learn("3='h' 7=1633 11='p'");
	assert_true(is_asked_without(CODE_GET, "3='h' 7=1633 11='q' 15='x'"));
	assert_true(is_asked_without(CODE_DELETE, "3='h' 7=1633"));
	assert_false(is_asked_without(CODE_GET, "3='g' 7=1633 11='p'"));
	assert_false(is_asked_without(CODE_GET, "3='h' 7=1634 11='p'"));
	assert_false(is_asked_without(CODE_GET, "3='h' 11='p'"));
	assert_false(is_asked_without(CODE_GET, "3='h' 7=1633 39='coap'"));
	next_transfer();
	the.route.metrics_slot++;
	head_is(CODE_GET, "3='h' 7=1633 11='p'");
	begin();
	assert_non_null(msg_option(&the.asked, OPT_BLOCK2));
	/* a body goes whole as far as it goes; a longer one is tried all the same, it may have learned them */
	next_transfer();
	head_is(CODE_PUT, "3='h' 7=1633");
	the.plan.threshold = 256;
	body_is(body, 1024);
	begin();
	asks(CODE_PUT, "3='h' 7=1633", body, 1024);
	answers_text(CODE_TOO_LARGE, "", "big");
	is_refused(CODE_TOO_LARGE, ERR_NONE);
	next_transfer();
	head_is(CODE_PUT, "3='h' 7=1633");
	body_is(body, 1025);
	begin();
	asks_tagged(CODE_PUT, "3='h' 7=1633 27=0c 60=0401", body, 256);
	answers_text(CODE_BAD_OPTION, "", "what?");
	is_refused(CODE_TOO_LARGE, ERR_TOO_LARGE);
	clock_steer(clock_now() + BLOCKS_LEARNED_FOR - 1);
	assert_true(is_asked_without(CODE_GET, "3='h' 7=1633 11='p'"));
	clock_steer(clock_now() + 1);
	assert_false(is_asked_without(CODE_GET, "3='h' 7=1633 11='p'"));
}

/* What is refused without blocks too was not about blocks. */
static void what_is_refused_anyway_teaches_nothing(void **state)
{
	covers("C8075-8.3-4");
	(void)state;
	the.plan.block_size = 256;
	begin();
	answers_text(CODE_BAD_OPTION, "", "what?");
	answers_text(CODE_BAD_OPTION, "", "what?");
	assert_true(the.owner.over);
	assert_false(is_asked_without(CODE_GET, H_P));
}

/* One device's place may be another's too: it is then forgotten, never taken for it. */
static void the_memory_is_bounded(void **state)
{
	static struct blocks_learned learned;
	uint64_t now = clock_now();

	(void)state;
	assert_false(blocks_knows(&learned, 0, now));
	blocks_learn(&learned, 5, now);
	assert_true(blocks_knows(&learned, 5, now));
	assert_false(blocks_knows(&learned, 5 + BLOCKS_LEARNED, now));
	blocks_learn(&learned, 5 + BLOCKS_LEARNED, now);
	assert_false(blocks_knows(&learned, 5, now));
	assert_true(blocks_knows(&learned, 5 + BLOCKS_LEARNED, now));
	blocks_learn(&learned, UINT64_MAX, now);
	assert_true(blocks_knows(&learned, UINT64_MAX, now));
}

/* A Proxy-Uri names a device as far as its path. Whatever it holds is read within its bounds. */
static void a_device_is_named_by_its_authority(void **state)
{
	(void)state;
	learn("35='coap://h:77/a/b'");
	assert_true(is_asked_without(CODE_GET, "35='coap://h:77/c'"));
	assert_true(is_asked_without(CODE_GET, "35='coap://h:77'"));
	assert_true(is_asked_without(CODE_GET, "35='coap://h:77?q'"));
	assert_false(is_asked_without(CODE_GET, "35='coap://h:78/a/b'"));
	assert_false(is_asked_without(CODE_GET, "35='coaps://h:77/a/b'"));
	assert_false(is_asked_without(CODE_GET, "35='/'"));
	assert_false(is_asked_without(CODE_GET, "35='//////'"));
}

/* ---- 4.01 with Echo: is this fresh? ---- */

static void a_challenge_is_answered(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	covers("S-17");
	(void)state;
	head_is(CODE_PUT, "3='h' 5= 11='p'");
	body_is(body, 20);
	begin();
	answers_text(CODE_UNAUTHORIZED, "252=0102030405", "who?");
	got_nothing();
	asks(CODE_PUT, "3='h' 5= 11='p' 252=0102030405", body, 20);
	answers(CODE_CHANGED, "", NULL, 0);
	got(1, CODE_CHANGED, ERR_NONE, NULL, 0);
	is_over();
	/* in an upload: the same block, and from then on with the value; a newer one takes its place */
	bench_again();
	put(body, 3000);
	memcpy(tag, asked_tag(), sizeof tag);
	answers(CODE_CONTINUE, block1(0, true, 6), NULL, 0);
	answers_text(CODE_UNAUTHORIZED, "252=aa", "who?");
	asks_tagged(CODE_PUT, H_P " 27=1e 252=aa", body + 1024, 1024);
	assert_memory_equal(asked_tag(), tag, sizeof tag);
	answers(CODE_CONTINUE, block1(1, true, 6), NULL, 0);
	asks_tagged(CODE_PUT, H_P " 27=26 252=aa", body + 2048, 952);
	answers_text(CODE_UNAUTHORIZED, "252=bbbb", "who?");
	asks_tagged(CODE_PUT, H_P " 27=26 252=bbbb", body + 2048, 952);
	answers(CODE_CHANGED, "27=26", NULL, 0);
	got(1, CODE_CHANGED, ERR_NONE, NULL, 0);
	is_over();
}

/* What may be old is repeated only if that does no harm; else the owner hears of the challenge. */
static void what_may_be_old_is_not_repeated(void **state)
{
	static const struct {
		uint8_t code;
		bool repeated;
	} rows[] = { { CODE_GET, true }, { CODE_FETCH, true }, { CODE_POST, false }, { CODE_PUT, false }, { CODE_DELETE, false },
		{ CODE_PATCH, false }, { CODE_IPATCH, false } };

	covers("C9175-2.3-4");
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (unsigned old = 0; old < 2; old++) {
			bench_again();
			head_is(rows[i].code, H_P);
			the.plan.may_be_old = old;
			begin();
			answers_text(CODE_UNAUTHORIZED, "252=aa", "who?");
			if (rows[i].repeated || !old) {
				asks(rows[i].code, H_P " 252=aa", NULL, 0);
				continue;
			}
			is_refused(CODE_UNAUTHORIZED, ERR_NONE);
			assert_string_equal(the.owner.heads[0].options, "252=aa");
		}
}

static void a_challenge_in_the_answer_is_answered(void **state)
{
	const uint8_t *body = pattern(3000, 1);

	covers("S-17");
	(void)state;
	begin();
	answers(CODE_CONTENT, block2(0, true, 6), body, 1024);
	answers_text(CODE_UNAUTHORIZED, "252=aa", "who?");
	got_nothing();
	asks(CODE_GET, H_P " 23=16 252=aa", NULL, 0);
	answers(CODE_CONTENT, block2(1, true, 6), body + 1024, 1024);
	asks(CODE_GET, H_P " 23=26 252=aa", NULL, 0);
	answers(CODE_CONTENT, block2(2, false, 6), body + 2048, 952);
	got(1, CODE_CONTENT, ERR_NONE, body, 3000);
	is_over();
}

/* A device that is never content, one without a value, and one whose client alone can answer. */
static void challenges_end(void **state)
{
	static const char *const none[] = { "", "252=", "252=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627ff" };

	covers("S-17");
	(void)state;
	begin();
	for (unsigned i = 0; i < BLOCKS_RESTARTS; i++)
		answers_text(CODE_UNAUTHORIZED, "252=aa", "who?");
	got_nothing();
	answers_text(CODE_UNAUTHORIZED, "252=aa", "who?");
	is_refused(CODE_UNAUTHORIZED, ERR_NONE);
	assert_int_equal(the.asked_count, 1 + BLOCKS_RESTARTS);
	for (unsigned i = 0; i < sizeof none / sizeof *none; i++) {
		bench_again();
		begin();
		answers_text(CODE_UNAUTHORIZED, none[i], "who?");
		is_refused(CODE_UNAUTHORIZED, ERR_NONE);
	}
	bench_again();
	head_is(CODE_POST, "3='h' 9=0901");
	body_is(pattern(20, 1), 20);
	begin();
	answers_text(CODE_UNAUTHORIZED, "252=aa", "who?");
	is_refused(CODE_UNAUTHORIZED, ERR_NONE);
	assert_string_equal(the.owner.heads[0].options, "252=aa");
}

/* ---- all of it ---- */

/* A device that has every complaint there is, all the time, is done with in a bounded number of requests. */
static uint32_t round_number;

static void quarrelling_device(const struct msg_view *request, struct reply *reply)
{
	static const char *const options[] = { "", "27=00", "27=02", "27=06", "252=aa", "60=10", "27=0e", "23=0e", "23=08" };
	static const uint8_t codes[] = { CODE_UNAUTHORIZED, CODE_BAD_OPTION, CODE_REQUEST_INCOMPLETE, CODE_TOO_LARGE, CODE_CONTINUE, CODE_CONTENT };
	static uint8_t zeros[1024];

	(void)request;
	reply->code = codes[random_below(sizeof codes)];
	reply->options = options[random_below(sizeof options / sizeof *options)];
	reply->payload = zeros;
	reply->len = random_below(2) != 0 ? 0 : random_below(2) != 0 ? 1024 : 16;
	assert_true(round_number++ < 200);
}

static void quarrels_end(void **state)
{
	const uint8_t *body = pattern(4000, 1);

	(void)state;
	for (unsigned seed = 0; seed < runs_of(20000); seed++) {
		bench_again();
		random_seed_for_test(seed);
		round_number = 0;
		the.device = quarrelling_device;
		the.at_once = seed & 1;
		the.plan.block_size = (uint16_t)(16u << random_below(7));
		head_is(random_below(2) != 0 ? CODE_POST : CODE_FETCH, random_below(4) != 0 ? H_P : "3='h' 9=0901");
		body_is(body, random_below(2) != 0 ? random_below(64) : random_below(4001));
		begin();
		serve();
		assert_true(the.owner.over);
		assert_int_equal(the.owner.head_count, 1);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(too_large_whole_is_tried_in_blocks),
		TEST(too_large_is_final_when_nothing_is_smaller),
		TEST(too_large_blocks_shrink),
		TEST(incomplete_starts_over),
		TEST(incomplete_is_final_without_the_start),
		TEST(devices_without_blocks_are_asked_without),
		TEST(the_same_without_blocks_may_be_refused_too),
		TEST(a_device_without_blocks_is_remembered),
		TEST(what_is_refused_anyway_teaches_nothing),
		TEST(the_memory_is_bounded),
		TEST(a_device_is_named_by_its_authority),
		TEST(a_challenge_is_answered),
		TEST(what_may_be_old_is_not_repeated),
		TEST(a_challenge_in_the_answer_is_answered),
		TEST(challenges_end),
		TEST(quarrels_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
