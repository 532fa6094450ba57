/* objects: tests/sim/bodies.o tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Answers and notifications that are too large for their client's hop: he takes them a block at a time.
 */
#include "tests/sim/bodies.h"

#include <stdio.h>

/* A request without payload for a resource of a reliable origin. */
static uint16_t get(unsigned client, uint8_t code, const char *options)
{
	return asks(client, code, stream(options), NULL, 0);
}

/* The client takes the rest of a body from block `num` on, whose first part it has; `options` of each request but Block2. `tag`: that each has
 * this ETag, or NULL. */
static void takes_rest(unsigned client, uint8_t code, const char *options, unsigned num, unsigned szx, const uint8_t *body, size_t len,
	const struct msg_option *tag)
{
	const struct sent *s;
	size_t size = 16u << szx;
	bool more = true;

	for (size_t at = num * size; more; at += size) {
		more = at + size < len;
		get(client, code, block2_text(options, (int)(at / size), false, szx));
		s = next_to_client();
		is_for(s, 0, client, last_token);
		is_code(s, CODE_CONTENT);
		is_block(s, OPT_BLOCK2, (uint32_t)(at / size), more, szx);
		has_bytes(s, body + at, more ? size : len - at);
		assert_false(has_option(s, OPT_OBSERVE));
		if (tag != NULL)
			assert_true(msg_option(&s->m, OPT_ETAG) != NULL && msg_option(&s->m, OPT_ETAG)->len == tag->len &&
				memcmp(msg_option(&s->m, OPT_ETAG)->value, tag->value, tag->len) == 0);
	}
}

static void a_large_answer_is_taken_in_blocks(void **state)
{
	static const struct {
		const char *options;  /* of the origin's answer */
		size_t len;
		unsigned szx;         /* that the client asks for: 7: none */
	} rows[] = {
		{ "4=aabb 12=2a 14=14", 16384, 7 }, { "12=2a", 3000, 7 }, { "", 1025, 7 }, { "4=01", 5000, 2 }, { "12=", 100, 2 }, { "12=", 16000, 6 },
	};
	const struct sent *s;

	(void)state;
	covers("C7959-2.4-1 C7959-2.4-2 C8323-6-2 C7959-4-1");
	begin("");
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		unsigned szx = rows[i].szx == 7 ? 6 : rows[i].szx;

		get(PLAIN, CODE_GET, rows[i].szx == 7 ? "11='a' 17=2a" : block2_text("11='a' 17=2a", 0, false, szx));
		s = next_to_origin();
		replies(s, CODE_CONTENT, rows[i].options, body_of(i % 7), rows[i].len);
		s = next_to_client();
		assert_int_equal(s->m.type, MSG_ACK);
		is_for(s, 0, PLAIN, last_token);
		is_code(s, CODE_CONTENT);
		is_block(s, OPT_BLOCK2, 0, true, szx);
		has_bytes(s, body_of(i % 7), 16u << szx);
		assert_int_equal(option_value(s, OPT_SIZE2), rows[i].len);
		/* Blocks of two answers must not be taken for those of one. */
		assert_non_null(msg_option(&s->m, OPT_ETAG));
		takes_rest(PLAIN, CODE_GET, "11='a' 17=2a", 1, szx, body_of(i % 7), rows[i].len, msg_option(&s->m, OPT_ETAG));
		nothing_more();
	}
	finish();
}

/* An origin that answers in blocks of several kilobytes, without an ETag: the parts of one have none either. */
static void parts_of_a_block_have_no_tag_of_their_own(void **state)
{
	const struct sent *s;

	(void)state;
	covers("C8323-6-2 C7959-2.4-2");
	begin("");
	get(PLAIN, CODE_GET, "11='a'");
	replies(next_to_origin(), CODE_CONTENT, block2_text("12=2a", 0, true, OPT_SZX_BERT), body_of(1), 4096);
	for (unsigned num = 0; num < 4; num++) {
		if (num > 0)
			get(PLAIN, CODE_GET, block2_text("11='a'", (int)num, false, 6));
		s = next_to_client();
		is_code(s, CODE_CONTENT);
		is_block(s, OPT_BLOCK2, num, true, 6);
		has_bytes(s, body_of(1) + 1024 * num, 1024);
		assert_false(has_option(s, OPT_ETAG));
	}
	nothing_more();
	finish();
}

/* Of which it is not known whether it knows blocks: it is not asked for one, and the client gets what he asked for all the same. */
static void an_origin_of_which_nothing_is_known(void **state)
{
	const struct sent *s;

	(void)state;
	covers("C7959-2.4-1");
	begin("");
	edge_says.no_blocks = true;
	get(PLAIN, CODE_GET, block2_text("11='a'", 0, false, 2));
	s = next_to_origin();
	assert_false(has_option(s, OPT_BLOCK2));
	replies(s, CODE_CONTENT, "4=01", body_of(1), 100);
	s = next_to_client();
	is_block(s, OPT_BLOCK2, 0, true, 2);
	has_bytes(s, body_of(1), 64);
	get(PLAIN, CODE_GET, block2_text("11='a'", 1, false, 2));
	s = next_to_client();
	is_block(s, OPT_BLOCK2, 1, false, 2);
	has_bytes(s, body_of(1) + 64, 36);
	nothing_more();
	finish();
}

/* RFC 8613 4.1.3.4.2: what follows has the OSCORE option and no payload. */
static void an_oscore_answer_too(void **state)
{
	const struct sent *s;

	(void)state;
	covers("S-6 C7959-2.7-1");
	begin("");
	ask(0, PLAIN, MSG_CON, CODE_POST, ++last_token, 0, stream("9=0901aa"), "sealed");
	settle();
	s = next_to_origin();
	is_message(s, s->m.type, CODE_POST, NULL, "sealed");
	replies(s, CODE_CHANGED, "9=", body_of(1), 3000);
	s = next_to_client();
	is_code(s, CODE_CHANGED);
	is_block(s, OPT_BLOCK2, 0, true, 6);
	has_bytes(s, body_of(1), 1024);
	/* What OSCORE protects its ends can tell. */
	assert_false(has_option(s, OPT_ETAG));
	/* Another one is not meant. */
	get(PLAIN + 1, CODE_POST, block2_text("9=0901aa", 1, false, 6));
	replies(next_to_origin(), CODE_BAD_REQUEST, "", NULL, 0);
	is_code(next_to_client(), CODE_BAD_REQUEST);
	get(PLAIN, CODE_POST, block2_text("9=0902aa", 1, false, 6));
	replies(next_to_origin(), CODE_BAD_REQUEST, "", NULL, 0);
	is_code(next_to_client(), CODE_BAD_REQUEST);
	for (unsigned num = 1; num < 3; num++) {
		get(PLAIN, CODE_POST, block2_text("9=0901aa", (int)num, false, 6));
		s = next_to_client();
		is_code(s, CODE_CHANGED);
		is_block(s, OPT_BLOCK2, num, num < 2, 6);
		has_bytes(s, body_of(1) + 1024 * num, num < 2 ? 1024 : 952);
		assert_int_equal(msg_option(&s->m, OPT_OSCORE)->len, 0);
	}
	nothing_more();
	finish();
}

/* An unsafe request is not carried out again for the rest of its answer, nor is there one for another client. */
static void what_is_held_is_its_clients_alone(void **state)
{
	const struct sent *s;

	(void)state;
	covers("C7959-7.1-1 C7959-7-2");
	begin("");
	get(PLAIN, CODE_POST, "11='a'");
	replies(next_to_origin(), CODE_CHANGED, "12=2a", body_of(1), 2500);
	is_block(next_to_client(), OPT_BLOCK2, 0, true, 6);
	get(PLAIN + 1, CODE_POST, block2_text("11='a'", 1, false, 6));
	replies(next_to_origin(), CODE_REQUEST_INCOMPLETE, "", NULL, 0);
	is_code(next_to_client(), CODE_REQUEST_INCOMPLETE);
	get(PLAIN, CODE_POST, block2_text("11='a'", 2, false, 6));
	s = next_to_client();
	is_code(s, CODE_CHANGED);
	is_block(s, OPT_BLOCK2, 2, false, 6);
	has_bytes(s, body_of(1) + 2048, 452);
	/* in any order and size, as often as he likes */
	get(PLAIN, CODE_POST, block2_text("11='a'", 5, false, 4));
	has_bytes(next_to_client(), body_of(1) + 5 * 256, 256);
	/* there is no such block */
	get(PLAIN, CODE_POST, block2_text("11='a'", 3, false, 6));
	is_code(next_to_client(), CODE_BAD_REQUEST);
	get(PLAIN, CODE_POST, block2_text("11='a'", (1 << 20) - 1, false, 6));
	is_code(next_to_client(), CODE_BAD_REQUEST);
	nothing_more();
	/* after EXCHANGE_LIFETIME it is gone */
	pass_time(EXCHANGE_LIFETIME + CLOCK_SECOND);
	get(PLAIN, CODE_POST, block2_text("11='a'", 1, false, 6));
	replies(next_to_origin(), CODE_REQUEST_INCOMPLETE, "", NULL, 0);
	is_code(next_to_client(), CODE_REQUEST_INCOMPLETE);
	finish();
}

/* ---- blocks of several kilobytes ---- */

static void the_rest_of_a_large_block_is_the_origins(void **state)
{
	enum { PIECE = 4096, LENGTH = 3 * PIECE - 100 };
	const struct sent *s;

	(void)state;
	covers("C8323-6-1 C8323-6-2 C7959-2.4-2");
	begin("");
	edge_says.bert = true;
	get(PLAIN, CODE_GET, "11='a'");
	for (unsigned num = 0; num * 1024 < LENGTH; num++) {
		bool last = (num + 1) * 1024 >= LENGTH;

		if (num > 0)
			get(PLAIN, CODE_GET, block2_text("11='a'", (int)num, false, 6));
		if (num % 4 == 0) {
			size_t from = num * 1024u, len = LENGTH - from < PIECE ? LENGTH - from : PIECE;

			s = next_to_origin();
			if (num > 0)
				is_block(s, OPT_BLOCK2, num, false, BERT);
			replies(s, CODE_CONTENT, block2_text("4=abcd", (int)num, from + len < LENGTH, BERT), body_of(2) + from, len);
		}
		s = next_to_client();
		is_code(s, CODE_CONTENT);
		is_block(s, OPT_BLOCK2, num, !last, 6);
		has_bytes(s, body_of(2) + num * 1024, last ? LENGTH - num * 1024 : 1024);
		assert_true(is_option(s, OPT_ETAG, "\xab\xcd"));
	}
	nothing_more();
	finish();
}

/* The resource changes between two pieces: the ETag tells. Nothing is put together here. */
static void another_representation_has_another_etag(void **state)
{
	(void)state;
	covers("C7959-2.4-2");
	begin("");
	edge_says.bert = true;
	get(PLAIN, CODE_GET, "11='a'");
	replies(next_to_origin(), CODE_CONTENT, block2_text("4=01", 0, true, BERT), body_of(1), 2048);
	assert_true(is_option(next_to_client(), OPT_ETAG, "\x01"));
	get(PLAIN, CODE_GET, block2_text("11='a'", 1, false, 6));
	assert_true(is_option(next_to_client(), OPT_ETAG, "\x01"));
	get(PLAIN, CODE_GET, block2_text("11='a'", 2, false, 6));
	replies(next_to_origin(), CODE_CONTENT, block2_text("4=02", 2, true, BERT), body_of(2) + 2048, 2048);
	assert_true(is_option(next_to_client(), OPT_ETAG, "\x02"));
	/* what is not held any more is asked for anew */
	get(PLAIN, CODE_GET, block2_text("11='a'", 1, false, 6));
	is_block(next_to_origin(), OPT_BLOCK2, 1, false, BERT);
	replies(&the.to_origin.all[the.to_origin.seen - 1], CODE_CONTENT, block2_text("4=02", 1, true, BERT), body_of(2) + 1024, 1024);
	has_bytes(next_to_client(), body_of(2) + 1024, 1024);
	nothing_more();
	finish();
}

/* ---- notifications ---- */

static void a_large_notification_is_its_first_block(void **state)
{
	const struct sent *registration, *s;

	(void)state;
	covers("S-38 C7959-2.6-1 C7959-2.6-2");
	begin("");
	for (unsigned szx = 2; szx <= 6; szx += 4) {
		uint16_t token;

		token = get(PLAIN, CODE_GET, szx == 2 ? block2_text("6= 11='o'", 0, false, 2) : "6= 11='o'");
		registration = next_to_origin();
		for (unsigned i = 1; i <= 3; i++) {
			char observe[16];

			snprintf(observe, sizeof observe, "6=%02x", i);
			replies(registration, CODE_CONTENT, observe, body_of(i), 2000);
			s = next_to_client();
			is_for(s, 0, PLAIN, token);
			is_code(s, CODE_CONTENT);
			assert_true(has_option(s, OPT_OBSERVE));
			is_block(s, OPT_BLOCK2, 0, true, szx);
			has_bytes(s, body_of(i), 16u << szx);
			takes_rest(PLAIN, CODE_GET, "11='o'", 1, szx, body_of(i), 2000, msg_option(&s->m, OPT_ETAG));
		}
		/* a short one needs no blocks */
		replies(registration, CODE_CONTENT, "6=09", body_of(5), 60);
		s = next_to_client();
		has_bytes(s, body_of(5), 60);
		/* the last one too, if it is large */
		replies(registration, CODE_CONTENT, "12=2a", body_of(4), 3000);
		s = next_to_client();
		is_for(s, 0, PLAIN, token);
		assert_false(has_option(s, OPT_OBSERVE));
		is_block(s, OPT_BLOCK2, 0, true, szx);
		client_empty(0, PLAIN, MSG_ACK, s->m.mid);
		takes_rest(PLAIN, CODE_GET, "11='o'", 1, szx, body_of(4), 3000, msg_option(&s->m, OPT_ETAG));
		nothing_more();
	}
	finish();
}

/* Under OSCORE what follows has the OSCORE option of the registration, and no Observe. */
static void an_oscore_notification_too(void **state)
{
	const struct sent *registration, *s;

	(void)state;
	covers("S-38 S-6");
	begin("");
	ask(0, PLAIN, MSG_CON, CODE_FETCH, ++last_token, 0, stream("6= 9=0901aa"), "sealed");
	settle();
	registration = next_to_origin();
	replies(registration, CODE_CONTENT, "6=01 9=", body_of(0), 100);
	has_bytes(next_to_client(), body_of(0), 100);
	for (unsigned i = 1; i < 3; i++) {
		replies(registration, CODE_CONTENT, "6=05 9=", body_of(i), 2100);
		s = next_to_client();
		is_block(s, OPT_BLOCK2, 0, true, 6);
		has_bytes(s, body_of(i), 1024);
		get(PLAIN, CODE_FETCH, block2_text("9=0901aa", 1, false, 6));
		has_bytes(next_to_client(), body_of(i) + 1024, 1024);
		get(PLAIN, CODE_FETCH, block2_text("9=0901aa", 2, false, 6));
		s = next_to_client();
		has_bytes(s, body_of(i) + 2048, 52);
		is_block(s, OPT_BLOCK2, 2, false, 6);
	}
	nothing_more();
	replies(registration, CODE_NOT_FOUND, "", NULL, 0);
	client_empty(0, PLAIN, MSG_ACK, next_to_client()->m.mid);
	finish();
}

/* ---- connections that take less ---- */

static void a_client_of_a_small_connection(void **state)
{
	const struct sent *s;
	size_t at;

	(void)state;
	covers("S-20 C8323-6-1");
	begin("");
	/* the origin has said that it gives more than that (the test's edge has one word for all) */
	get(STREAM, CODE_GET, "11='a'");
	edge_says.message_limit = 1152;
	replies(next_to_origin(), CODE_CONTENT, "4=01", body_of(1), 5000);
	s = next_to_client();
	assert_true(s->m.len <= 1152);
	is_block(s, OPT_BLOCK2, 0, true, 6);
	takes_rest(STREAM, CODE_GET, "11='a'", 1, 6, body_of(1), 5000, msg_option(&s->m, OPT_ETAG));
	/* one that takes large blocks gets large ones of the rest */
	get(STREAM, CODE_GET, "11='a'");
	edge_says.message_limit = 9000;
	edge_says.bert = true;
	replies(next_to_origin(), CODE_CONTENT, "4=01", body_of(2), 16000);
	s = next_to_client();
	is_block(s, OPT_BLOCK2, 0, true, 6);
	for (at = 1024; at < 16000; at += s->m.payload_len) {
		get(STREAM, CODE_GET, block2_text("11='a'", (int)(at / 1024), false, BERT));
		s = next_to_client();
		assert_true(s->m.len <= 9000);
		is_block(s, OPT_BLOCK2, (uint32_t)(at / 1024), at + s->m.payload_len < 16000, BERT);
		has_bytes(s, body_of(2) + at, s->m.payload_len);
	}
	/* one that takes none gets what fits, and is told where nothing does */
	edge_says.no_blocks = true;
	edge_says.bert = false;
	get(STREAM, CODE_GET, "11='a'");
	replies(next_to_origin(), CODE_CONTENT, "4=01", body_of(3), 8000);
	has_bytes(next_to_client(), body_of(3), 8000);
	get(STREAM, CODE_GET, "11='a'");
	replies(next_to_origin(), CODE_CONTENT, "4=01", body_of(3), 10000);
	is_code(next_to_client(), CODE_BAD_GATEWAY);
	nothing_more();
	finish();
}

static void who_has_gone_leaves_nothing(void **state)
{
	(void)state;
	begin("");
	get(STREAM, CODE_POST, "11='a'");
	edge_says.message_limit = 1152;
	replies(next_to_origin(), CODE_CHANGED, "4=01", body_of(1), 5000);
	is_block(next_to_client(), OPT_BLOCK2, 0, true, 6);
	client_gone(0, STREAM);
	settle();
	nothing_remains();
	nothing_more();
}

/* ---- limits ---- */

/* Somebody who may not be there gets no more than another answer would bring him (RFC 9175 2.4). */
static void a_client_who_was_never_seen(void **state)
{
	const struct sent *s;
	unsigned szx;

	(void)state;
	begin("");
	get(UNKNOWN_CLIENTS, CODE_GET, "11='a'");
	replies(next_to_origin(), CODE_CONTENT, "4=01", body_of(1), 5000);
	s = next_to_client();
	assert_true(s->m.len <= 136);
	szx = block_of(s, OPT_BLOCK2).szx;
	is_block(s, OPT_BLOCK2, 0, true, szx);
	has_bytes(s, body_of(1), 16u << szx);
	get(UNKNOWN_CLIENTS, CODE_GET, block2_text("11='a'", 1, false, szx));
	s = next_to_client();
	assert_true(s->m.len <= 136);
	has_bytes(s, body_of(1) + (16u << szx), 16u << szx);
	nothing_more();
	finish();
}

static void a_text_for_a_person_is_cut(void **state)
{
	const struct sent *s;

	(void)state;
	begin("");
	get(PLAIN, CODE_GET, "11='a'");
	replies(next_to_origin(), CODE_NOT_FOUND, "", body_of(1), 3000);
	s = next_to_client();
	is_code(s, CODE_NOT_FOUND);
	assert_false(has_option(s, OPT_BLOCK2));
	has_bytes(s, body_of(1), 1024);
	/* a document of an error is a body like others */
	get(PLAIN, CODE_GET, "11='a'");
	replies(next_to_origin(), CODE_BAD_REQUEST, "12=2a", body_of(1), 3000);
	is_block(next_to_client(), OPT_BLOCK2, 0, true, 6);
	nothing_more();
	finish();
}

static void memory_is_bounded(void **state)
{
	unsigned refused = 0, whole = 0;

	(void)state;
	covers("C7959-2.5-3 C7959-7.1-1");
	begin("limits: { queue-memory = \"4MB\"; };");
	for (unsigned client = 1; client < UNKNOWN_CLIENTS; client++)
		for (unsigned n = 0; n < 8; n++) {
			char options[32];

			snprintf(options, sizeof options, "11='%c'", 'a' + (int)n);
			get(client, CODE_POST, options);
			replies(next_to_origin(), CODE_CHANGED, "", body_of(1), 16000);
			refused += next_to_client()->m.code != CODE_CHANGED;
		}
	/* who came first has been forgotten for who came later */
	assert_int_equal(refused, 0);
	for (unsigned client = 1; client < UNKNOWN_CLIENTS; client++) {
		get(client, CODE_POST, block2_text("11='a'", 1, false, 6));
		if (the.to_client.seen < the.to_client.count) {
			whole++;
			next_to_client();
			continue;
		}
		replies(next_to_origin(), CODE_REQUEST_INCOMPLETE, "", NULL, 0);
		is_code(next_to_client(), CODE_REQUEST_INCOMPLETE);
	}
	assert_in_range(whole, 1, 40);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_large_answer_is_taken_in_blocks), BOTH(parts_of_a_block_have_no_tag_of_their_own),
		BOTH(an_origin_of_which_nothing_is_known), BOTH(an_oscore_answer_too),
		BOTH(what_is_held_is_its_clients_alone), BOTH(the_rest_of_a_large_block_is_the_origins),
		BOTH(another_representation_has_another_etag), BOTH(a_large_notification_is_its_first_block),
		BOTH(an_oscore_notification_too), BOTH(a_client_of_a_small_connection), BOTH(who_has_gone_leaves_nothing),
		BOTH(a_client_who_was_never_seen), BOTH(a_text_for_a_person_is_cut), BOTH(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
