/* objects: READER_PART_OBJS base/clock.o oscore/derive.o tools/seal.o tools/keys_print.o tests/unit/reader_world.o */
/* libs: -lcrypto */
/*
 * What the reader tells of messages under plain contexts: which context, which direction, fresh or seen, genuine or not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/data/rfc8613-vectors.h"
#include "tests/unit/covers.h"
#include "tests/unit/hex.h"
#include "tests/unit/reader_world.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define PATH(text) { OPT_URI_PATH, text, sizeof(text) - 1 }
#define END { 0, NULL, 0 }

static struct reader_world world;
static char text[32768];

static const struct world_option path_tv1[] = { PATH("tv1"), END };

static int begin(void **state)
{
	(void)state;
	text[0] = '\0';
	return 0;
}

/* ---- messages ---- */

static void request_make(struct sealed *s, struct oscore_request *r, const struct oscore_context *client, uint64_t sequence)
{
	uint8_t inner[WORLD_INNER_MAX];

	assert_int_equal(seal_request(s, r, client, sequence, inner, world_inner(inner, CODE_GET, path_tv1, NULL, 0)), 0);
}

static void response_of_code(struct sealed *s, uint8_t code, const struct oscore_request *r, const struct oscore_context *server,
	const uint64_t *sequence)
{
	uint8_t inner[WORLD_INNER_MAX];

	assert_int_equal(seal_response(s, r, server, sequence, inner, world_inner(inner, code, NULL, "21", 2)), 0);
}

static void response_make(struct sealed *s, const struct oscore_request *r, const struct oscore_context *server, const uint64_t *sequence)
{
	response_of_code(s, CODE_CONTENT, r, server, sequence);
}

static void option_set(struct sealed *s, const char *hex)
{
	struct hex h = hex_parse(hex);

	s->option_len = h.len;
	memcpy(s->option, h.bytes, h.len);
}

/* One client and its server, both directions readable, of whom nothing is known yet. */
static struct oscore_context client, server;

static void provision_pair(uint32_t max_failures)
{
	static uint8_t secret = 100;

	secret++;
	world_context(&client, secret, "c", "s", NULL, false);
	world_context(&server, secret, "c", "s", NULL, true);
	text[0] = '\0';
	world_print_context(text, sizeof text, "pair", &client, true, true);
	world_provision(&world, text, max_failures);
}

/* ---- RFC 8613, Appendix C ---- */

static void vector_context_print(const struct vector_context *v)
{
	char piece[512];

	snprintf(piece, sizeof piece, "context %s\nalgorithm AES-CCM-16-64-128\ncommon-iv %s\n%s%s\nsender %s %s\nsender %s %s\n", v->id, v->common_iv,
		v->id_context != NULL ? "id-context " : "", v->id_context != NULL ? v->id_context : "", *v->sender_id ? v->sender_id : "-", v->sender_key,
		*v->recipient_id ? v->recipient_id : "-", v->recipient_key);
	strcat(text, piece);
}

static void vector_seal(struct sealed *s, const struct vector_message *v)
{
	struct hex payload = hex_parse(v->ciphertext);

	option_set(s, v->option);
	s->payload_len = payload.len;
	memcpy(s->payload, payload.bytes, payload.len);
}

/* All messages of the vectors, from one set that holds all their contexts, of which several have the same kids. */
static void the_vectors_are_opened(void **state)
{
	struct sealed s, request;

	(void)state;
	covers("C8613-5-1 C8613-5-2 C8613-5.2-2 C8613-5.4-1");
	vector_context_print(&vector_contexts[0]);
	vector_context_print(&vector_contexts[2]);
	vector_context_print(&vector_contexts[4]);
	world_provision(&world, text, 64);
	for (size_t i = 0; i < COUNT(vector_messages); i++) {
		const struct vector_message *v = &vector_messages[i];

		vector_seal(&s, v);
		vector_seal(&request, &vector_messages[0]);
		assert_int_equal(world_ask(&world, &s, v->in_reply_to != NULL ? &request : NULL, WORLD_FIELDS_ALL), OPENING_OPENED);
		if (v->in_reply_to == NULL) {
			assert_int_equal(world.answer.inner.code, CODE_GET);
			assert_int_equal(world.answer.inner.path_count, 1);
			assert_memory_equal(world.answer.inner.path[0].at, "tv1", 3);
			assert_int_equal(world.answer.inner.fields, FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_URI_PATH));
		} else {
			assert_int_equal(world.answer.inner.code, CODE_CONTENT);
			assert_int_equal(world.answer.inner.payload_len, 12);
			assert_memory_equal(world.answer.inner.payload, "Hello World!", 12);
			assert_int_equal(world.answer.inner.fields, FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_PAYLOAD));
		}
	}
}

/* ---- which context ---- */

static void a_kid_context_names_one(void **state)
{
	struct oscore_context here, there;
	struct oscore_request r;
	struct sealed s, answer;

	(void)state;
	world_context(&here, 1, "c", "s", "here", false);
	world_context(&there, 1, "c", "s", "there", false);
	world_print_context(text, sizeof text, "here", &here, true, true);
	world_provision(&world, text, 0);
	request_make(&s, &r, &here, 1);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	/* another one of the same kid, and none that has such an ID Context: a changed one is unknown */
	request_make(&s, &r, &there, 1);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_UNKNOWN);
	/* a response may say which it is of */
	request_make(&s, &r, &here, 2);
	world_context(&server, 1, "c", "s", "here", true);
	response_make(&answer, &r, &server, NULL);
	assert_int_equal(world_ask(&world, &answer, &s, 0), OPENING_OPENED);
	option_set(&answer, "10046865726f"); /* "hero" */
	assert_int_equal(world_ask(&world, &answer, &s, 0), OPENING_UNKNOWN);
	option_set(&answer, "100468657265");
	assert_int_equal(world_ask(&world, &answer, &s, 0), OPENING_OPENED);
	option_set(&answer, "0878"); /* somebody else's kid */
	assert_int_equal(world_ask(&world, &answer, &s, 0), OPENING_UNKNOWN);
	option_set(&answer, "0873");
	assert_int_equal(world_ask(&world, &answer, &s, 0), OPENING_OPENED);
	/* no other set has it */
	const struct opening_question q = { .set = WORLD_SET + 1, .option = s.option, .option_len = (uint8_t)s.option_len, .payload = s.payload,
		.payload_len = (uint32_t)s.payload_len };

	assert_int_equal(world_ask_bytes(&world, &q), OPENING_FAILED);
}

/* Several of one kid and no kid context: each is tried, but no more than four. */
static void contexts_of_one_kid_are_tried(void **state)
{
	struct oscore_context all[6];
	struct oscore_request r;
	struct sealed s, answer;
	char name[8];
	unsigned opened = 0;

	(void)state;
	covers("C8613-3.3-3");
	for (uint8_t i = 0; i < COUNT(all); i++) {
		world_context(&all[i], i, "c", "s", NULL, false);
		snprintf(name, sizeof name, "n%u", i);
		world_print_context(text, sizeof text, name, &all[i], true, true);
	}
	world_provision(&world, text, 1);
	for (uint8_t i = 0; i < 4; i++) {
		request_make(&s, &r, &all[i], 3);
		assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
		world_context(&server, i, "c", "s", NULL, true);
		response_make(&answer, &r, &server, NULL);
		assert_int_equal(world_ask(&world, &answer, &s, 0), OPENING_OPENED);
	}
	for (uint8_t i = 4; i < COUNT(all); i++) {
		request_make(&s, &r, &all[i], 3);
		opened += world_ask(&world, &s, NULL, 0) == OPENING_OPENED;
	}
	assert_int_equal(opened, 0);
	/* that others did not open it has closed none of them, nor have the messages of those that are not tried */
	request_make(&s, &r, &all[0], 4);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
}

static void a_direction_without_key_is_not_read(void **state)
{
	struct oscore_request r;
	struct sealed s, answer;

	(void)state;
	world_context(&client, 1, "c", "s", NULL, false);
	world_context(&server, 1, "c", "s", NULL, true);
	world_print_context(text, sizeof text, "responses", &client, false, true);
	world_provision(&world, text, 0);
	request_make(&s, &r, &client, 1);
	response_make(&answer, &r, &server, NULL);
	assert_int_equal(world_ask(&world, &s, NULL, WORLD_FIELDS_ALL), OPENING_NO_KEY);
	assert_int_equal(world_ask(&world, &answer, &s, WORLD_FIELDS_ALL), OPENING_OPENED);
	text[0] = '\0';
	world_print_context(text, sizeof text, "requests", &client, true, false);
	world_provision(&world, text, 0);
	assert_int_equal(world_ask(&world, &s, NULL, WORLD_FIELDS_ALL), OPENING_OPENED);
	assert_int_equal(world_ask(&world, &answer, &s, WORLD_FIELDS_ALL), OPENING_NO_KEY);
}

/* ---- what is no message, or not genuine ---- */

static void what_is_malformed_is_told(void **state)
{
	static const char *const options[] = { "", "00", "0901", "0163", "06010203040506", "0901" "63" "ff" };
	struct oscore_request r;
	struct sealed s, good;

	(void)state;
	covers("C8613-6.2-1");
	provision_pair(0);
	request_make(&good, &r, &client, 1);
	for (size_t i = 0; i < COUNT(options); i++) {
		enum opening_verdict v;

		s = good;
		option_set(&s, options[i]);
		v = world_ask(&world, &s, NULL, WORLD_FIELDS_ALL);
		assert_true(v == OPENING_MALFORMED || (v == OPENING_UNKNOWN && i >= 2));
		v = world_ask(&world, &good, &s, WORLD_FIELDS_ALL);
		assert_true(v == OPENING_MALFORMED || (v == OPENING_UNKNOWN && i >= 2));
	}
	for (size_t len = 0; len < good.payload_len; len++) {
		s = good;
		s.payload_len = len;
		assert_int_equal(world_ask(&world, &s, NULL, WORLD_FIELDS_ALL), len < 9 ? OPENING_MALFORMED : OPENING_BAD);
	}
	assert_int_equal(world_ask(&world, &good, NULL, WORLD_FIELDS_ALL), OPENING_OPENED);
}

/* Every byte of it: nothing of an altered message is told, and no window moves (RFC 8613 7.4). */
static void what_was_altered_is_bad(void **state)
{
	struct oscore_request r;
	struct sealed s, good;

	(void)state;
	covers("C8613-7.4-2");
	provision_pair(0);
	request_make(&good, &r, &client, 100);
	for (size_t i = 0; i < good.payload_len; i++) {
		s = good;
		s.payload[i] ^= 0x10;
		assert_int_equal(world_ask(&world, &s, NULL, WORLD_FIELDS_ALL), OPENING_BAD);
		assert_int_equal(world.answer.inner.fields, 0);
		assert_false(world.answer.seen);
	}
	/* numbers far ahead, forged */
	s = good;
	s.option[1] = 0xff;
	assert_int_equal(world_ask(&world, &s, NULL, WORLD_FIELDS_ALL), OPENING_BAD);
	assert_int_equal(world_ask(&world, &good, NULL, WORLD_FIELDS_ALL), OPENING_OPENED);
	assert_false(world.answer.seen);
	request_make(&s, &r, &client, 99);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	assert_false(world.answer.seen);
}

/* A request under the code of a response, and the other way round. */
static void what_is_no_message_inside_is_told(void **state)
{
	uint8_t inner[WORLD_INNER_MAX];
	struct oscore_request r;
	struct sealed s, request;

	(void)state;
	provision_pair(2);
	for (uint64_t i = 0; i < 4; i++) {
		assert_int_equal(seal_request(&s, &r, &client, i, inner, world_inner(inner, CODE_CONTENT, NULL, NULL, 0)), 0);
		assert_int_equal(world_ask(&world, &s, NULL, WORLD_FIELDS_ALL), OPENING_INNER);
	}
	request_make(&request, &r, &client, 10);
	assert_int_equal(seal_response(&s, &r, &server, NULL, inner, world_inner(inner, CODE_GET, NULL, NULL, 0)), 0);
	assert_int_equal(world_ask(&world, &s, &request, WORLD_FIELDS_ALL), OPENING_INNER);
	assert_int_equal(world.answer.inner.fields, 0);
}

/* ---- replays, and freshness ---- */

static void a_replay_is_marked_and_opened(void **state)
{
	struct oscore_request r;
	struct sealed s;

	(void)state;
	provision_pair(0);
	request_make(&s, &r, &client, 5);
	assert_int_equal(world_ask(&world, &s, NULL, WORLD_FIELDS_ALL), OPENING_OPENED);
	assert_false(world.answer.seen);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(world_ask(&world, &s, NULL, WORLD_FIELDS_ALL), OPENING_OPENED);
		assert_true(world.answer.seen);
		assert_int_equal(world.answer.inner.path_count, 1);
	}
	request_make(&s, &r, &client, 4);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	assert_false(world.answer.seen);
	request_make(&s, &r, &client, 1000);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	request_make(&s, &r, &client, 6);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	assert_true(world.answer.seen); /* so far behind that no device takes it */
}

/* What has no room for the tag of one context may still be a forgery in the name of another. */
static void of_several_verdicts_the_strongest_is_told(void **state)
{
	struct oscore_context first, second;
	struct oscore_request r;
	struct sealed s;

	(void)state;
	world_context(&first, 1, "c", "s", NULL, false);
	world_context(&second, 2, "c", "s", NULL, false);
	request_make(&s, &r, &first, 1);
	s.payload_len = 12;
	for (int turn = 0; turn < 2; turn++) {
		struct oscore_context *long_tag = turn == 0 ? &first : &second, *short_tag = turn == 0 ? &second : &first;

		long_tag->aead = oscore_aead_row(OSCORE_AES_CCM_16_128_128);
		short_tag->aead = oscore_aead_row(OSCORE_AES_CCM_16_64_128);
		text[0] = '\0';
		world_print_context(text, sizeof text, "first", &first, true, true);
		world_print_context(text, sizeof text, "second", &second, true, true);
		world_provision(&world, text, 0);
		assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_BAD);
	}
}

static void notifications_have_numbers_of_their_own(void **state)
{
	struct oscore_request r;
	struct sealed request, first, second;
	const uint64_t one = 1, two = 2;

	(void)state;
	covers("C8613-7.4.1-1");
	provision_pair(0);
	request_make(&request, &r, &client, 1);
	assert_int_equal(world_ask(&world, &request, NULL, 0), OPENING_OPENED);
	response_make(&first, &r, &server, &one);
	response_make(&second, &r, &server, &two);
	assert_int_equal(world_ask(&world, &second, &request, WORLD_FIELDS_ALL), OPENING_OPENED);
	assert_false(world.answer.seen);
	assert_int_equal(world_ask(&world, &second, &request, 0), OPENING_OPENED);
	assert_true(world.answer.seen);
	assert_int_equal(world_ask(&world, &first, &request, 0), OPENING_OPENED);
	assert_false(world.answer.seen);
	assert_int_equal(world_ask(&world, &first, &request, 0), OPENING_OPENED);
	assert_true(world.answer.seen);
	/* a response to another request is none to this one */
	request_make(&request, &r, &client, 2);
	assert_int_equal(world_ask(&world, &first, &request, 0), OPENING_BAD);
}

static void freshness_is_told_once_it_can_be(void **state)
{
	struct oscore_request r, earlier;
	struct sealed s, answer, old;
	const uint64_t number = 30;

	(void)state;
	covers("C8613-7.3-1");
	provision_pair(0);
	request_make(&old, &earlier, &client, 3);
	request_make(&s, &r, &client, 10);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	assert_true(world.answer.unverified);
	/* an error does not show that the request was taken for fresh: it may be the one that says it was not */
	response_of_code(&answer, CODE_UNAUTHORIZED, &r, &server, NULL);
	assert_int_equal(world_ask(&world, &answer, &s, 0), OPENING_OPENED);
	assert_true(world.answer.unverified);
	response_make(&answer, &r, &server, NULL);
	assert_int_equal(world_ask(&world, &answer, &s, 0), OPENING_OPENED);
	assert_false(world.answer.unverified);
	response_make(&answer, &r, &server, &number);
	assert_int_equal(world_ask(&world, &answer, &s, 0), OPENING_OPENED);
	assert_false(world.answer.unverified);
	request_make(&s, &r, &client, 11);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	assert_false(world.answer.unverified);
	/* what was sent before never can be judged */
	assert_int_equal(world_ask(&world, &old, NULL, 0), OPENING_OPENED);
	assert_true(world.answer.unverified && !world.answer.seen);
	response_make(&answer, &earlier, &server, NULL);
	assert_int_equal(world_ask(&world, &answer, &old, 0), OPENING_OPENED);
	assert_true(world.answer.unverified);
}

/* ---- closing, and another generation ---- */

static void too_many_bad_ones_close_a_context(void **state)
{
	struct oscore_context other;
	struct oscore_request r;
	struct sealed bad, good;

	(void)state;
	world_context(&client, 1, "c", "s", NULL, false);
	world_context(&other, 2, "d", "s", NULL, false);
	world_print_context(text, sizeof text, "pair", &client, true, true);
	world_print_context(text, sizeof text, "other", &other, true, true);
	world_provision(&world, text, 3);
	request_make(&good, &r, &client, 1);
	bad = good;
	bad.payload[0] ^= 1;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(world_ask(&world, &good, NULL, 0), OPENING_OPENED);
		assert_int_equal(world_ask(&world, &bad, NULL, 0), OPENING_BAD);
	}
	assert_int_equal(world_ask(&world, &good, NULL, 0), OPENING_CLOSED);
	assert_int_equal(world_ask(&world, &bad, NULL, 0), OPENING_CLOSED);
	request_make(&good, &r, &other, 1);
	assert_int_equal(world_ask(&world, &good, NULL, 0), OPENING_OPENED);
	/* a reload lifts it, and keeps what was learned */
	world_provision(&world, text, 3);
	request_make(&good, &r, &client, 1);
	assert_int_equal(world_ask(&world, &good, NULL, 0), OPENING_OPENED);
	assert_true(world.answer.seen);
	/* with 0 there is no end */
	world_provision(&world, text, 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(world_ask(&world, &bad, NULL, 0), OPENING_BAD);
	assert_int_equal(world_ask(&world, &good, NULL, 0), OPENING_OPENED);
}

/* Under a new key nothing is known of a sender, whatever its name is. */
static void windows_go_with_their_keys(void **state)
{
	struct oscore_context next;
	struct oscore_request r;
	struct sealed s;

	(void)state;
	provision_pair(0);
	request_make(&s, &r, &client, 7);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	world_context(&next, 99, "c", "s", NULL, false);
	text[0] = '\0';
	world_print_context(text, sizeof text, "pair", &next, true, true);
	world_print_context(text, sizeof text, "more", &client, true, false);
	world_provision(&world, text, 0);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	assert_true(world.answer.seen);
	request_make(&s, &r, &next, 7);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	assert_false(world.answer.seen);
	/* another Common IV is of another Master Secret */
	next.common_iv[0] ^= 1;
	text[0] = '\0';
	world_print_context(text, sizeof text, "pair", &next, true, true);
	world_provision(&world, text, 0);
	request_make(&s, &r, &next, 7);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	assert_false(world.answer.seen);
	/* gone is gone, and forgotten */
	provision_pair(0);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_BAD);
	text[0] = '\0';
	world_print_context(text, sizeof text, "pair", &next, true, true);
	world_provision(&world, text, 0);
	assert_int_equal(world_ask(&world, &s, NULL, 0), OPENING_OPENED);
	assert_false(world.answer.seen);
}

/* Only what was asked for. */
static void fields_are_those_of_the_question(void **state)
{
	static const struct world_option options[] = { PATH("a"), { OPT_CONTENT_FORMAT, "\x32", 1 }, { OPT_URI_QUERY, "q=1", 3 }, END };
	static const struct {
		uint32_t asked, told;
	} rows[] = {
		{ 0, 0 },
		{ FIELD_BIT(FIELD_CODE), FIELD_BIT(FIELD_CODE) },
		{ FIELD_BIT(FIELD_PAYLOAD), FIELD_BIT(FIELD_PAYLOAD) },
		{ FIELD_BIT(FIELD_ETAG), 0 },
		{ WORLD_FIELDS_ALL, FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_URI_PATH) | FIELD_BIT(FIELD_URI_QUERY) | FIELD_BIT(FIELD_CONTENT_FORMAT) |
			FIELD_BIT(FIELD_PAYLOAD) },
	};
	uint8_t inner[WORLD_INNER_MAX];
	struct oscore_request r;
	struct sealed s;

	(void)state;
	provision_pair(0);
	assert_int_equal(seal_request(&s, &r, &client, 1, inner, world_inner(inner, CODE_POST, options, "payload", 7)), 0);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(world_ask(&world, &s, NULL, rows[i].asked), OPENING_OPENED);
		assert_int_equal(world.answer.inner.fields, rows[i].told);
	}
	/* whether it is genuine, and no more */
	const struct opening_question q = { .set = WORLD_SET, .fields = WORLD_FIELDS_ALL, .verify = true, .option = s.option,
		.option_len = (uint8_t)s.option_len, .payload = s.payload, .payload_len = (uint32_t)s.payload_len };

	assert_int_equal(world_ask_bytes(&world, &q), OPENING_OPENED);
	assert_int_equal(world.answer.inner.fields, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_vectors_are_opened, begin),
		cmocka_unit_test_setup(a_kid_context_names_one, begin),
		cmocka_unit_test_setup(contexts_of_one_kid_are_tried, begin),
		cmocka_unit_test_setup(a_direction_without_key_is_not_read, begin),
		cmocka_unit_test_setup(what_is_malformed_is_told, begin),
		cmocka_unit_test_setup(what_was_altered_is_bad, begin),
		cmocka_unit_test_setup(what_is_no_message_inside_is_told, begin),
		cmocka_unit_test_setup(a_replay_is_marked_and_opened, begin),
		cmocka_unit_test_setup(of_several_verdicts_the_strongest_is_told, begin),
		cmocka_unit_test_setup(notifications_have_numbers_of_their_own, begin),
		cmocka_unit_test_setup(freshness_is_told_once_it_can_be, begin),
		cmocka_unit_test_setup(too_many_bad_ones_close_a_context, begin),
		cmocka_unit_test_setup(windows_go_with_their_keys, begin),
		cmocka_unit_test_setup(fields_are_those_of_the_question, begin),
	};
	int failed;

	world_start(&world);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_end(&world);
	return failed;
}
