/* objects: READER_PART_OBJS base/clock.o oscore/derive.o tools/seal.o tools/keys_print.o tests/unit/reader_world.o */
/* libs: -lcrypto */
/*
 * Payloads that come in Inner blocks: put together, bounded, and none of another body, request or sender among them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "oscore/reader/bodies.h"
#include "tests/unit/covers.h"
#include "tests/unit/reader_world.h"

enum { SZX = 2, BLOCK = 64 };

static struct reader_world world;
static struct oscore_context client, server, other, namesake;
static uint64_t sequence;

static char text[2048];

static int provision(void **state)
{
	static uint8_t secret;

	(void)state;
	secret++;
	text[0] = '\0';
	world_context(&client, secret, "c", "s", NULL, false);
	world_context(&server, secret, "c", "s", NULL, true);
	world_context(&other, secret, "d", "s", "x", false);
	world_context(&namesake, (uint8_t)(secret + 100), "c", "s", NULL, false);
	world_print_context(text, sizeof text, "pair", &client, true, true);
	world_print_context(text, sizeof text, "namesake", &namesake, true, true);
	world_print_context(text, sizeof text, "other", &other, true, true);
	world_provision(&world, text, 0);
	return 0;
}

/* ---- through the opener ---- */

static uint8_t body[70000];

static const uint8_t *block_value(uint8_t value[3], uint32_t number, bool more, size_t *len)
{
	const uint32_t v = opt_block_value(&(struct opt_block){ number, more, SZX });

	value[0] = (uint8_t)(v >> 16);
	value[1] = (uint8_t)(v >> 8);
	value[2] = (uint8_t)v;
	*len = 3;
	return value;
}

/* A block of an upload by this client to a path. Returns whether its payload was told, whole. */
static bool upload(const struct oscore_context *from, const char *path, const char *tag, uint32_t number, bool more, size_t len, struct sealed *s,
	struct oscore_request *r)
{
	uint8_t value[3], inner[WORLD_INNER_MAX];
	size_t value_len;
	const uint8_t *block = block_value(value, number, more, &value_len);
	const struct world_option options[] = { { OPT_URI_PATH, path, strlen(path) }, { OPT_BLOCK1, block, value_len },
		{ OPT_REQUEST_TAG, tag, strlen(tag) }, { 0, NULL, 0 } };
	struct sealed sealed;
	struct oscore_request request;

	s = s != NULL ? s : &sealed;
	r = r != NULL ? r : &request;
	assert_int_equal(seal_request(s, r, from, sequence++, inner, world_inner(inner, CODE_PUT, options, body + (size_t)number * BLOCK, len)), 0);
	assert_int_equal(world_ask(&world, s, NULL, WORLD_FIELDS_ALL), OPENING_OPENED);
	assert_true(world.answer.inner.fields & FIELD_BIT(FIELD_BLOCK));
	return world.answer.inner.fields & FIELD_BIT(FIELD_PAYLOAD);
}

static void expect_body(size_t len, bool cut)
{
	assert_int_equal(world.answer.inner.payload_len, len);
	assert_memory_equal(world.answer.inner.payload, body, len);
	assert_int_equal(world.answer.inner.payload_cut, cut);
}

static void an_upload_is_told_with_its_last_block(void **state)
{
	(void)state;
	covers("C8613-4.1.3.4-1");
	for (uint32_t i = 0; i < 5; i++)
		assert_false(upload(&client, "up", "", i, true, BLOCK, NULL, NULL));
	assert_true(upload(&client, "up", "", 5, false, 10, NULL, NULL));
	expect_body(5 * BLOCK + 10, false);
	/* a single block is whole by itself */
	assert_true(upload(&client, "up", "", 0, false, 10, NULL, NULL));
	expect_body(10, false);
}

static void uploads_do_not_mix(void **state)
{
	(void)state;
	assert_false(upload(&client, "one", "", 0, true, BLOCK, NULL, NULL));
	assert_false(upload(&client, "two", "", 0, true, BLOCK, NULL, NULL));
	assert_false(upload(&client, "one", "t", 0, true, BLOCK, NULL, NULL));
	assert_false(upload(&other, "one", "", 0, true, BLOCK, NULL, NULL));
	assert_false(upload(&namesake, "one", "", 0, true, BLOCK, NULL, NULL));
	assert_false(upload(&namesake, "one", "", 1, true, BLOCK, NULL, NULL));
	assert_false(upload(&client, "three", "", 1, false, 1, NULL, NULL)); /* its beginning was never seen */
	assert_true(upload(&client, "two", "", 1, false, 1, NULL, NULL));
	expect_body(BLOCK + 1, false);
	assert_true(upload(&client, "one", "", 1, false, 2, NULL, NULL));
	expect_body(BLOCK + 2, false);
	assert_true(upload(&client, "one", "t", 1, false, 3, NULL, NULL));
	expect_body(BLOCK + 3, false);
	assert_true(upload(&other, "one", "", 1, false, 4, NULL, NULL));
	expect_body(BLOCK + 4, false);
}

static void what_is_missing_ends_it(void **state)
{
	(void)state;
	assert_false(upload(&client, "up", "", 0, true, BLOCK, NULL, NULL));
	assert_false(upload(&client, "up", "", 2, true, BLOCK, NULL, NULL));
	assert_false(upload(&client, "up", "", 3, false, 1, NULL, NULL));
	/* the same once more does not */
	assert_false(upload(&client, "up", "", 0, true, BLOCK, NULL, NULL));
	assert_false(upload(&client, "up", "", 1, true, BLOCK, NULL, NULL));
	assert_false(upload(&client, "up", "", 1, true, BLOCK, NULL, NULL));
	assert_true(upload(&client, "up", "", 2, false, 7, NULL, NULL));
	expect_body(2 * BLOCK + 7, false);
	assert_false(upload(&client, "up", "", 2, false, 7, NULL, NULL));
	/* a block that is not as long as it says */
	assert_false(upload(&client, "up", "", 0, true, BLOCK - 1, NULL, NULL));
	assert_false(upload(&client, "up", "", 1, false, 1, NULL, NULL));
	/* a new beginning */
	assert_false(upload(&client, "up", "", 0, true, BLOCK, NULL, NULL));
	assert_false(upload(&client, "up", "", 1, true, BLOCK, NULL, NULL));
	assert_false(upload(&client, "up", "", 0, true, BLOCK, NULL, NULL));
	assert_true(upload(&client, "up", "", 1, false, 1, NULL, NULL));
	expect_body(BLOCK + 1, false);
	/* and none of it outlives the contexts in force */
	assert_false(upload(&client, "up", "", 0, true, BLOCK, NULL, NULL));
	world_provision(&world, text, 0);
	assert_false(upload(&client, "up", "", 1, false, 1, NULL, NULL));
}

static void a_replay_begins_nothing_anew(void **state)
{
	struct oscore_request r;
	struct sealed first;

	(void)state;
	assert_false(upload(&client, "up", "", 0, true, BLOCK, &first, &r));
	assert_false(upload(&client, "up", "", 1, true, BLOCK, NULL, NULL));
	assert_int_equal(world_ask(&world, &first, NULL, WORLD_FIELDS_ALL), OPENING_OPENED);
	assert_true(world.answer.seen);
	assert_int_equal(world.answer.inner.fields & FIELD_BIT(FIELD_PAYLOAD), 0);
	assert_true(upload(&client, "up", "", 2, false, 1, NULL, NULL));
	expect_body(2 * BLOCK + 1, false);
}

static void a_long_one_is_cut(void **state)
{
	const uint32_t blocks = (BODY_MAX + 200) / BLOCK;

	(void)state;
	for (uint32_t i = 0; i < blocks; i++)
		assert_false(upload(&client, "long", "", i, true, BLOCK, NULL, NULL));
	assert_true(upload(&client, "long", "", blocks, false, 1, NULL, NULL));
	expect_body(BODY_MAX, true);
}

/* A block of the answer to a request of the client's for a path. */
static bool download(const char *path, uint32_t number, bool more, size_t len, const char *etag, bool request_is_read)
{
	uint8_t value[3], inner[WORLD_INNER_MAX];
	size_t value_len;
	const uint8_t *block = block_value(value, number, more, &value_len);
	const struct world_option asks[] = { { OPT_URI_PATH, path, strlen(path) }, { OPT_BLOCK2, block, value_len }, { 0, NULL, 0 } };
	const struct world_option tells[] = { { OPT_ETAG, etag, strlen(etag) }, { OPT_BLOCK2, block, value_len }, { 0, NULL, 0 } };
	struct sealed request, s;
	struct oscore_request r;

	assert_int_equal(seal_request(&request, &r, &client, sequence++, inner, world_inner(inner, CODE_GET, asks, NULL, 0)), 0);
	if (request_is_read)
		assert_int_equal(world_ask(&world, &request, NULL, WORLD_FIELDS_ALL), OPENING_OPENED);
	assert_int_equal(seal_response(&s, &r, &server, NULL, inner, world_inner(inner, CODE_CONTENT, tells, body + (size_t)number * BLOCK, len)), 0);
	assert_int_equal(world_ask(&world, &s, &request, WORLD_FIELDS_ALL), OPENING_OPENED);
	return world.answer.inner.fields & FIELD_BIT(FIELD_PAYLOAD);
}

static void a_download_is_told_with_its_last_block(void **state)
{
	(void)state;
	assert_false(download("down", 0, true, BLOCK, "e", true));
	assert_false(download("side", 0, true, BLOCK, "e", true));
	assert_false(download("down", 1, true, BLOCK, "e", true));
	assert_true(download("down", 2, false, 5, "e", true));
	expect_body(2 * BLOCK + 5, false);
	assert_true(download("side", 1, false, 6, "e", true));
	expect_body(BLOCK + 6, false);
	/* it became another one in between */
	assert_false(download("down", 0, true, BLOCK, "e", true));
	assert_false(download("down", 1, false, 5, "f", true));
	/* of a request that was not read nobody knows what it asked for */
	assert_false(download("down", 0, true, BLOCK, "e", false));
	assert_false(download("down", 1, false, 5, "e", false));
	assert_true(download("down", 0, false, 5, "e", false));
	expect_body(5, false);
}

/* ---- by themselves ---- */

static bool add(struct bodies *b, uint64_t key, uint32_t number, bool more, size_t len, struct body *whole)
{
	return bodies_add(b, key, NULL, &(struct opt_block){ number, more, SZX }, body, len, whole);
}

/* What a body is of: an answer goes with whatever asked for it, by another Request-Tag too, but not by another Accept. */
static void operations_are_told_apart(void **state)
{
	static struct msg_view one, two;
	struct bodies *b = bodies_new();

	(void)state;
	one.code = two.code = CODE_FETCH;
	one.option_count = two.option_count = 1;
	one.options[0] = (struct msg_option){ .number = OPT_REQUEST_TAG, .value = (const uint8_t *)"a", .len = 1 };
	two.options[0] = (struct msg_option){ .number = OPT_REQUEST_TAG, .value = (const uint8_t *)"b", .len = 1 };
	assert_int_equal(bodies_operation(b, 1, &one, false), bodies_operation(b, 1, &two, false));
	assert_int_not_equal(bodies_operation(b, 1, &one, true), bodies_operation(b, 1, &two, true));
	one.options[0].number = two.options[0].number = OPT_ACCEPT;
	assert_int_not_equal(bodies_operation(b, 1, &one, false), bodies_operation(b, 1, &two, false));
	bodies_free(b);
}

static void the_last_block_is_no_longer_than_a_block(void **state)
{
	struct bodies *b = bodies_new();
	struct body whole;

	(void)state;
	assert_false(add(b, 1, 0, true, BLOCK, &whole));
	assert_false(add(b, 1, 1, false, BLOCK + 1, &whole));
	bodies_free(b);
}

static void the_oldest_gives_way(void **state)
{
	struct bodies *b = bodies_new();
	struct body whole;

	(void)state;
	for (uint64_t key = 1; key <= BODIES_MAX; key++)
		assert_false(add(b, key, 0, true, BLOCK, &whole));
	assert_false(add(b, 1, 1, true, BLOCK, &whole)); /* has moved */
	assert_false(add(b, 100, 0, true, BLOCK, &whole));
	assert_true(add(b, 1, 2, false, 0, &whole));
	assert_int_equal(whole.len, 2 * BLOCK);
	assert_false(add(b, 2, 1, false, 1, &whole)); /* it was that one */
	for (uint64_t key = 3; key <= BODIES_MAX; key++)
		assert_true(add(b, key, 1, false, 1, &whole));
	assert_true(add(b, 100, 1, false, 1, &whole));
	bodies_free(b);
}

/* What many ask for is forgotten in time, and nothing is mistaken for something else. */
static void what_was_asked_is_kept_for_a_while(void **state)
{
	struct bodies *b = bodies_new();
	unsigned known = 0;

	(void)state;
	for (uint64_t i = 0; i < 3 * BODIES_ASKED_MAX; i++)
		bodies_asked(b, i % 7, i, i + 1);
	for (uint64_t i = 0; i < 3 * BODIES_ASKED_MAX; i++) {
		uint64_t operation = bodies_find_asked(b, i % 7, i);

		assert_true(operation == 0 || operation == i + 1);
		known += operation != 0;
		assert_int_equal(bodies_find_asked(b, i % 7 + 7, i), 0);
	}
	assert_in_range(known, BODIES_ASKED_MAX / 2, BODIES_ASKED_MAX);
	assert_int_equal(bodies_find_asked(b, (3 * BODIES_ASKED_MAX - 1) % 7, 3 * BODIES_ASKED_MAX - 1), 3 * BODIES_ASKED_MAX);
	bodies_asked(b, 1, 1, 5);
	bodies_asked(b, 1, 1, 6);
	assert_int_equal(bodies_find_asked(b, 1, 1), 6);
	bodies_free(b);
}

/* Blocks of any numbers and lengths, in any order: never more than is kept, and only what came. */
static void random_blocks_are_no_trouble(void **state)
{
	struct bodies *b = bodies_new();

	(void)state;
	srand(6);
	for (int i = 0; i < 200000; i++) {
		const struct opt_block block = { (uint32_t)(rand() % (rand() % 50 ? 4 : OPT_BLOCK_NUMBERS)), rand() % 3 != 0, (uint8_t)(rand() % 8) };
		size_t len = rand() % 3 ? opt_block_unit(block.szx) : (size_t)rand() % 3000;
		struct body whole = { NULL, 0, false };

		if (bodies_add(b, 1 + (uint64_t)rand() % 20, NULL, &block, body, len, &whole))
			assert_true(whole.bytes != NULL && whole.len <= BODY_MAX);
		if (rand() % 1000 == 0)
			bodies_forget(b);
	}
	bodies_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_upload_is_told_with_its_last_block, provision),
		cmocka_unit_test_setup(uploads_do_not_mix, provision),
		cmocka_unit_test_setup(what_is_missing_ends_it, provision),
		cmocka_unit_test_setup(a_replay_begins_nothing_anew, provision),
		cmocka_unit_test_setup(a_long_one_is_cut, provision),
		cmocka_unit_test_setup(a_download_is_told_with_its_last_block, provision),
		cmocka_unit_test(operations_are_told_apart),
		cmocka_unit_test(the_last_block_is_no_longer_than_a_block),
		cmocka_unit_test(the_oldest_gives_way),
		cmocka_unit_test(what_was_asked_is_kept_for_a_while),
		cmocka_unit_test(random_blocks_are_no_trouble),
	};
	int failed;

	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (uint8_t)(i * 7 + i / 256);
	world_start(&world);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_end(&world);
	return failed;
}
