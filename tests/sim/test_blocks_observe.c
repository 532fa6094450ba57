/* objects: tests/sim/blocks_bench.o proxy/exchange/blocks.o proxy/exchange/blocks_request.o proxy/exchange/blocks_answer.o proxy/exchange/blocks_learned.o translate/outer.o coap/message.o coap/option.o coap/uri.o base/buffers.o base/bytes.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o base/slab.o base/wheel.o */
/*
 * Notifications: passed on as they come, the rest of long ones fetched apart, only the newest kept for an owner without room.
 */
#include "proxy/exchange/blocks_state.h"
#include "tests/sim/blocks_bench.h"

#define H_P "3='h' 11='p'"

static const uint8_t *const no_body = (const uint8_t *)"";

static void observe(uint8_t code)
{
	head_is(code, "3='h' 6= 11='p'");
	begin();
	asks(code, "3='h' 6= 11='p'", NULL, 0);
}

static void observe_now(void)
{
	observe(CODE_GET);
	accepts_observation(CODE_CONTENT, "6=05 12=", (const uint8_t *)"first", 5);
	got(1, CODE_CONTENT, ERR_NONE, (const uint8_t *)"first", 5);
	assert_false(the.owner.over);
	asks_nothing();
}

static const char *observed_block(uint32_t value, const char *etag, uint32_t num, bool more)
{
	char before[64];

	snprintf(before, sizeof before, "%s 6=%02x", etag, value);
	return block_options(before, OPT_BLOCK2, num, more, 6, "");
}

static const char *etag_block(const char *etag, uint32_t num, bool more)
{
	return block_options(etag, OPT_BLOCK2, num, more, 6, "");
}

/* ---- short ones ---- */

static void notifications_are_passed_on(void **state)
{
	(void)state;
	observe_now();
	notifies(CODE_CONTENT, "6=06 12=2a", (const uint8_t *)"second", 6);
	got(2, CODE_CONTENT, ERR_NONE, (const uint8_t *)"second", 6);
	assert_string_equal(the.owner.heads[1].options, "6=06 12=2a");
	assert_int_equal(the.owner.heads[1].size, 6);
	notifies(CODE_CONTENT, "6=07", NULL, 0);
	got(3, CODE_CONTENT, ERR_NONE, no_body, 0);
	assert_false(the.owner.over);
	assert_int_equal(the.asked_count, 1);
	transfer_leave(&the.owner.t);
	assert_int_equal(the.left_count, 1);
	the.owner.left = true;
}

/* A device that does not want to be observed gives an answer, and that is all. */
static void a_refused_observation_is_a_request(void **state)
{
	(void)state;
	observe(CODE_GET);
	answers(CODE_CONTENT, "", (const uint8_t *)"once", 4);
	got(1, CODE_CONTENT, ERR_NONE, (const uint8_t *)"once", 4);
	is_over();
}

static void the_last_notification_ends_it(void **state)
{
	static const struct {
		uint8_t code;
		const char *options;
		enum error e;
	} rows[] = { { CODE_NOT_FOUND, "", ERR_NONE }, { CODE_CONTENT, "", ERR_NONE }, { CODE_UNAVAILABLE, "", ERR_WITHDRAWN } };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (unsigned stalled = 0; stalled < 2; stalled++) {
			bench_again();
			observe_now();
			the.owner.room = stalled ? 3 : SIZE_MAX;
			notifies_last(rows[i].code, rows[i].options, "over", rows[i].e);
			if (stalled) {
				assert_int_equal(the.owner.head_count, 1);
				the.owner.room = 4;
				transfer_continue(&the.owner.t);
			}
			got(2, rows[i].code, rows[i].e, (const uint8_t *)"over", 4);
			is_over();
		}
}

/* ---- long ones ---- */

/* The rest comes by another exchange, without Observe, while the observation goes on. */
static void the_rest_of_a_notification_is_fetched(void **state)
{
	static const uint8_t codes[] = { CODE_GET, CODE_FETCH };
	const uint8_t *body = pattern(2500, 1), *next = pattern(1500, 2);

	covers("C7959-2.6-1 S-38");
	(void)state;
	for (unsigned i = 0; i < sizeof codes; i++) {
		bench_again();
		observe(codes[i]);
		accepts_observation(CODE_CONTENT, observed_block(1, "4=01", 0, true), body, 1024);
		got_nothing();
		assert_ptr_not_equal(the.asking, &the.owner.t.requester);
		asks(codes[i], get_block(1, 6), NULL, 0);
		answers(CODE_CONTENT, etag_block("4=01", 1, true), body + 1024, 1024);
		asks(codes[i], get_block(2, 6), NULL, 0);
		answers(CODE_CONTENT, etag_block("4=01", 2, false), body + 2048, 452);
		got(1, CODE_CONTENT, ERR_NONE, body, 2500);
		assert_false(the.owner.over);
		notifies(CODE_CONTENT, observed_block(2, "4=02", 0, true), next, 1024);
		assert_ptr_not_equal(the.asking, &the.owner.t.requester);
		asks(codes[i], get_block(1, 6), NULL, 0);
		answers(CODE_CONTENT, etag_block("4=02", 1, false), next + 1024, 476);
		got(2, CODE_CONTENT, ERR_NONE, next, 1500);
		assert_int_equal(the.owner.heads[1].size, 1500);
		assert_false(the.owner.over);
		asks_nothing();
	}
}

/* What a FETCH observes is in its body, which goes with each request for a block; under OSCORE none does. */
static void the_rest_for_a_fetch_with_a_body(void **state)
{
	static const char *const heads[] = { H_P, "3='h' 9=0901" };
	const uint8_t *body = pattern(1500, 1), *question = pattern(30, 2);

	covers("S-38 S-6");
	(void)state;
	for (unsigned sealed = 0; sealed < 2; sealed++)
		for (unsigned i = 0; i < 3; i++) {
			if (i == 0) {
				bench_again();
				head_is(CODE_FETCH, sealed ? "3='h' 6= 9=0901" : "3='h' 6= 11='p'");
				body_is(question, 30);
				begin();
				accepts_observation(CODE_CONTENT, observed_block(i, "4=01", 0, true), body, 1024);
			} else {
				notifies(CODE_CONTENT, observed_block(i, "4=01", 0, true), body, 1024);
			}
			asks(CODE_FETCH, block_options(heads[sealed], OPT_BLOCK2, 1, false, 6, ""), question, sealed ? 0 : 30);
			assert_int_equal(the.owner.taken, sealed ? 30 : 0);
			answers(CODE_CONTENT, etag_block("4=01", 1, false), body + 1024, 476);
			got(i + 1, CODE_CONTENT, ERR_NONE, body, 1500);
		}
}

/* The size in the registration is the device's measure for all that follows. */
static void the_registration_names_a_size(void **state)
{
	const uint8_t *body = pattern(100, 1);

	covers("C7959-2.6-2");
	(void)state;
	the.plan.block_size = 64;
	head_is(CODE_GET, "3='h' 6= 11='p'");
	begin();
	asks(CODE_GET, "3='h' 6= 11='p' 23=02", NULL, 0);
	accepts_observation(CODE_CONTENT, "6=01 23=0a", body, 64);
	asks(CODE_GET, H_P " 23=12", NULL, 0);
	answers(CODE_CONTENT, "23=12", body + 64, 36);
	got(1, CODE_CONTENT, ERR_NONE, body, 100);
}

/* It changed while it was fetched, and nobody has seen any of it: it is fetched once more, whole. */
static void a_change_while_fetching(void **state)
{
	const uint8_t *old = pattern(2048, 1), *new = pattern(1500, 2);

	covers("C7959-2.4-2 S-38");
	(void)state;
	observe_now();
	notifies(CODE_CONTENT, observed_block(2, "4=01", 0, true), old, 1024);
	answers(CODE_CONTENT, etag_block("4=02", 1, false), new + 1024, 476);
	asks(CODE_GET, H_P, NULL, 0);
	answers(CODE_CONTENT, etag_block("4=02", 0, true), new, 1024);
	answers(CODE_CONTENT, etag_block("4=02", 1, false), new + 1024, 476);
	got(2, CODE_CONTENT, ERR_NONE, new, 1500);
	assert_false(the.owner.over);
	/* behind what was seen it is cut, and the observation goes on */
	notifies(CODE_CONTENT, observed_block(3, "4=03", 0, true), old, 1024);
	answers(CODE_CONTENT, etag_block("4=03", 1, true), old + 1024, 1024);
	answers(CODE_CONTENT, etag_block("4=04", 2, false), new, 10);
	got_cut(3, ERR_BAD_RESPONSE, 2048);
	assert_false(the.owner.over);
	notifies(CODE_CONTENT, "6=04", (const uint8_t *)"next", 4);
	got(4, CODE_CONTENT, ERR_NONE, (const uint8_t *)"next", 4);
}

/* Each notification may be fetched anew as often as another. */
static void changes_are_counted_for_each(void **state)
{
	const uint8_t *body = pattern(2048, 1);

	(void)state;
	observe_now();
	for (unsigned i = 0; i < 4; i++) {
		notifies(CODE_CONTENT, observed_block(2 + i, "4=01", 0, true), body, 1024);
		for (unsigned k = 0; k < BLOCKS_RESTARTS; k++) {
			answers(CODE_CONTENT, etag_block("4=02", 1, false), body, 10);
			asks(CODE_GET, H_P, NULL, 0);
			answers(CODE_CONTENT, etag_block("4=01", 0, true), body, 1024);
		}
		answers(CODE_CONTENT, etag_block("4=01", 1, false), body + 1024, 100);
		got(2 + i, CODE_CONTENT, ERR_NONE, body, 1124);
	}
	/* one that changes more often is left out */
	notifies(CODE_CONTENT, observed_block(9, "4=01", 0, true), body, 1024);
	for (unsigned k = 0; k <= BLOCKS_RESTARTS; k++) {
		if (k > 0)
			answers(CODE_CONTENT, etag_block("4=01", 0, true), body, 1024);
		answers(CODE_CONTENT, etag_block("4=02", 1, false), body, 10);
	}
	asks_nothing();
	assert_int_equal(the.owner.head_count, 5);
	assert_false(the.owner.over);
}

/* A newer one ends the fetching of an older: unseen it is left out, else cut. */
static void a_newer_one_supersedes(void **state)
{
	const uint8_t *body = pattern(4096, 1);

	covers("S-38");
	(void)state;
	observe_now();
	notifies(CODE_CONTENT, observed_block(2, "4=01", 0, true), body, 1024);
	assert_non_null(the.asking);
	notifies(CODE_CONTENT, "6=03", (const uint8_t *)"newer", 5);
	asks_nothing();
	assert_int_equal(the.left_count, 1);
	got(2, CODE_CONTENT, ERR_NONE, (const uint8_t *)"newer", 5);
	notifies(CODE_CONTENT, observed_block(4, "4=01", 0, true), body, 1024);
	answers(CODE_CONTENT, etag_block("4=01", 1, true), body + 1024, 1024);
	assert_int_equal(the.owner.head_count, 3);
	notifies(CODE_CONTENT, observed_block(5, "4=02", 0, true), body + 2000, 1024);
	assert_int_equal(the.owner.ends, 3);
	assert_int_equal(the.owner.heads[2].end_error, ERR_BAD_RESPONSE);
	assert_int_equal(the.owner.heads[2].len, 2048);
	asks(CODE_GET, get_block(1, 6), NULL, 0);
	answers(CODE_CONTENT, etag_block("4=02", 1, false), body + 3024, 100);
	got(4, CODE_CONTENT, ERR_NONE, body + 2000, 1124);
	assert_false(the.owner.over);
}

/* ... also where it only waits to be asked for. */
static void a_newer_one_ends_a_pause(void **state)
{
	const uint8_t *body = pattern(4096, 1);

	(void)state;
	observe_now();
	notifies(CODE_CONTENT, observed_block(2, "4=01", 0, true), body, 1024);
	fails(ERR_MESSAGE_IDS);
	notifies(CODE_CONTENT, "6=03", (const uint8_t *)"newer", 5);
	got(2, CODE_CONTENT, ERR_NONE, (const uint8_t *)"newer", 5);
	assert_false(transfer_is_asking(&the.owner.t));
	pass_time(CLOCK_SECOND);
	asks_nothing();
}

/* The first answer too: what comes instead is then the first that is heard. */
static void a_newer_one_supersedes_the_first(void **state)
{
	const uint8_t *body = pattern(4096, 1);

	(void)state;
	observe(CODE_GET);
	accepts_observation(CODE_CONTENT, observed_block(1, "4=01", 0, true), body, 1024);
	notifies(CODE_CONTENT, "6=02", (const uint8_t *)"newer", 5);
	got(1, CODE_CONTENT, ERR_NONE, (const uint8_t *)"newer", 5);
	assert_false(the.owner.heads[0].notification);
	assert_false(the.owner.over);
	bench_again();
	observe(CODE_GET);
	accepts_observation(CODE_CONTENT, observed_block(1, "4=01", 0, true), body, 1024);
	notifies_last(CODE_NOT_FOUND, "", "gone", ERR_NONE);
	got(1, CODE_NOT_FOUND, ERR_NONE, (const uint8_t *)"gone", 4);
	is_over();
}

/* The last one is long: its rest is fetched, then it is over. */
static void a_long_last_notification(void **state)
{
	const uint8_t *body = pattern(1500, 1);
	char text[1025];

	(void)state;
	observe_now();
	memset(text, 'x', 1024);
	text[1024] = '\0';
	notifies_last(CODE_CONTENT, etag_block("4=01", 0, true), text, ERR_NONE);
	asks(CODE_GET, get_block(1, 6), NULL, 0);
	answers(CODE_CONTENT, etag_block("4=01", 1, true), body, 1024);
	answers(CODE_CONTENT, etag_block("4=01", 2, false), body, 10);
	assert_int_equal(the.owner.heads[1].len, 2058);
	assert_int_equal(the.owner.end_error, ERR_NONE);
	is_over();
}

/* What cannot be fetched is left out; the next one counts. Of the first nothing was heard: that is an error, and the end. */
static void what_cannot_be_fetched(void **state)
{
	const uint8_t *body = pattern(4096, 1);

	(void)state;
	observe_now();
	notifies(CODE_CONTENT, observed_block(2, "4=01", 0, true), body, 1024);
	fails(ERR_ORIGIN_TIMEOUT);
	assert_int_equal(the.owner.head_count, 1);
	notifies(CODE_CONTENT, observed_block(3, "", 1, true), body, 1024);
	assert_int_equal(the.owner.head_count, 1);
	asks_nothing();
	notifies(CODE_CONTENT, "6=04", (const uint8_t *)"next", 4);
	got(2, CODE_CONTENT, ERR_NONE, (const uint8_t *)"next", 4);
	notifies_last(CODE_CONTENT, "23=1e", "", ERR_NONE);
	assert_int_equal(the.owner.heads[2].e, ERR_BAD_RESPONSE);
	is_over();
	bench_again();
	observe(CODE_GET);
	accepts_observation(CODE_CONTENT, observed_block(1, "4=01", 0, true), body, 1024);
	fails(ERR_ORIGIN_TIMEOUT);
	got(1, CODE_GATEWAY_TIMEOUT, ERR_ORIGIN_TIMEOUT, (const uint8_t *)"No answer from the origin", 25);
	is_over();
	assert_int_equal(the.left_count, 1); /* the observation */
}

/* ---- an owner without room ---- */

static void only_the_newest_is_kept(void **state)
{
	const uint8_t *body = pattern(4096, 1);

	(void)state;
	observe_now();
	the.owner.room = 3;
	for (unsigned i = 0; i < 100; i++)
		notifies(CODE_CONTENT, "6=06", body + i, 4 + i % 3);
	assert_int_equal(the.owner.head_count, 1);
	assert_true(buffers_in_use(the.proxy.buffers) <= 128);
	transfer_continue(&the.owner.t);
	assert_int_equal(the.owner.head_count, 1);
	the.owner.room = 4;
	transfer_continue(&the.owner.t);
	got(2, CODE_CONTENT, ERR_NONE, body + 99, 4);
	/* while an older one waits for room in its middle, that is cut */
	the.owner.room = 2048;
	notifies(CODE_CONTENT, observed_block(7, "4=01", 0, true), body, 1024);
	answers(CODE_CONTENT, etag_block("4=01", 1, true), body + 1024, 1024);
	asks_nothing();
	assert_int_equal(the.owner.room, 0);
	notifies(CODE_CONTENT, "6=08", (const uint8_t *)"newer", 5);
	got_cut(3, ERR_BAD_RESPONSE, 2048);
	the.owner.room = 5;
	transfer_continue(&the.owner.t);
	got(4, CODE_CONTENT, ERR_NONE, (const uint8_t *)"newer", 5);
}

static void leave(struct owner *o)
{
	o->left = true;
	transfer_leave(&o->t);
}

static void room_and_leave(struct owner *o)
{
	if (o->head_count > 1)
		leave(o);
}

/* The owner leaves at any moment. */
static void the_owner_leaves(void **state)
{
	const uint8_t *body = pattern(4096, 1);

	(void)state;
	for (unsigned when = 0; when < 6; when++) {
		bench_again();
		observe_now();
		the.owner.on_head = when == 1 ? room_and_leave : NULL;
		the.owner.on_data = when == 2 ? room_and_leave : NULL;
		the.owner.on_end = when == 3 ? room_and_leave : NULL;
		the.owner.room = when == 4 ? 0 : SIZE_MAX;
		if (when == 0)
			leave(&the.owner);
		else if (when == 5)
			notifies(CODE_CONTENT, observed_block(7, "4=01", 0, true), body, 1024);
		else
			notifies(CODE_CONTENT, "6=06", body, 10);
		if (when > 3)
			leave(&the.owner);
		assert_true(the.owner.left);
		assert_null(the.owner.t.requester.exchange);
		assert_int_equal(the.left_count, when == 5 ? 2 : 1);
		asks_nothing();
	}
}

/* Without memory for the newest the ones before are gone too; without it for the last one the owner still hears that it was. */
static void without_memory(void **state)
{
	(void)state;
	observe_now();
	the.owner.room = 0;
	buffers_set_limit(the.proxy.buffers, 0);
	notifies(CODE_CONTENT, "6=06", (const uint8_t *)"lost", 4);
	the.owner.room = SIZE_MAX;
	transfer_continue(&the.owner.t);
	assert_int_equal(the.owner.head_count, 1);
	notifies(CODE_CONTENT, "6=07", (const uint8_t *)"next", 4);
	got(2, CODE_CONTENT, ERR_NONE, (const uint8_t *)"next", 4);
	the.owner.room = 0;
	notifies_last(CODE_NOT_FOUND, "", "gone", ERR_NONE);
	got(3, CODE_UNAVAILABLE, ERR_OVERLOAD, (const uint8_t *)"Gateway is busy", 15);
	is_over();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(notifications_are_passed_on),
		TEST(a_refused_observation_is_a_request),
		TEST(the_last_notification_ends_it),
		TEST(the_rest_of_a_notification_is_fetched),
		TEST(the_rest_for_a_fetch_with_a_body),
		TEST(the_registration_names_a_size),
		TEST(a_change_while_fetching),
		TEST(changes_are_counted_for_each),
		TEST(a_newer_one_supersedes),
		TEST(a_newer_one_ends_a_pause),
		TEST(a_newer_one_supersedes_the_first),
		TEST(a_long_last_notification),
		TEST(what_cannot_be_fetched),
		TEST(only_the_newest_is_kept),
		TEST(the_owner_leaves),
		TEST(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
