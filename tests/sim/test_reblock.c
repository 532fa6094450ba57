/* objects: tests/sim/bodies.o tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Requests that their next hop does not take as they came: bodies in one message and blocks of several kB towards datagrams, blocks and bodies
 * towards connections that know none, or less.
 */
#include "tests/sim/bodies.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"

/* ---- from connections to datagrams ---- */

static void one_message_of_several_kilobytes(void **state)
{
	static const size_t lengths[] = { 1025, 3000, 4096, 16384 };
	const struct sent *s;
	uint16_t token;

	(void)state;
	covers("S-20 C8323-6-2 C7959-2.2-1");
	begin("");
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		token = asks(STREAM, CODE_PUT, device(), body_of(1), lengths[i]);
		s = takes_body(body_of(1), lengths[i]);
		assert_int_equal(s->m.type, MSG_CON);
		replies(s, CODE_CHANGED, block1_text("14=05", (int)((lengths[i] - 1) / 1024), false, 6), NULL, 0);
		s = next_to_client();
		is_for(s, 0, STREAM, token);
		is_code(s, CODE_CHANGED);
		/* The blocks were between us and the origin. */
		assert_false(has_option(s, OPT_BLOCK1));
		assert_int_equal(option_value(s, OPT_MAX_AGE), 5);
		nothing_more();
	}
	finish();
}

/* An origin of datagrams that takes whatever comes. */
struct taker {
	uint8_t *bytes;
	size_t len;
	char tag[9];
	unsigned bodies;           /* that it has seen the end of */
};

static void takes(struct taker *t, const struct sent *s)
{
	struct opt_block b = block_of(s, OPT_BLOCK1);
	const struct msg_option *tag = msg_option(&s->m, OPT_REQUEST_TAG);

	assert_true(b.szx <= 6);
	assert_int_equal(tag->len, 8);
	if (b.num == 0) {
		memcpy(t->tag, tag->value, 8);
		t->len = 0;
	}
	assert_memory_equal(t->tag, tag->value, 8);
	assert_int_equal(t->len, opt_block_offset(&b));
	memcpy(t->bytes + t->len, s->m.payload, s->m.payload_len);
	t->len += s->m.payload_len;
	t->bodies += !b.more;
	replies(s, b.more ? CODE_CONTINUE : CODE_CHANGED, block1_text("", (int)b.num, b.more, b.szx), NULL, 0);
}

/* Nobody is sent more than it can hold: the proxy keeps no more than so much of one body. */
enum { HELD_MOST = 3 * 65536 };

static void a_megabyte_in_large_blocks_streams(void **state)
{
	static const size_t sizes[] = { 16384, 5120, 1024, 17408 };
	const uint8_t *body = body_of(2);
	struct taker t = { .bytes = malloc(BODY_MAX) };
	const struct sent *s;
	size_t at = 0, most = 0, len = 1 << 20;
	unsigned i = 0;

	(void)state;
	covers("C8323-6-1 C8323-6-2 S-20 C7959-2.2-1 C7959-2.5-1 C7959-2.3-3");
	begin("");
	while (at < len) {
		size_t size = sizes[i++ % 4];
		bool more = at + size < len;
		int num = (int)(at / 1024);

		size = more ? size : len - at;
		asks(STREAM, CODE_PUT, block1_text(device(), num, more, BERT), body + at, size);
		at += size;
		while (the.to_client.seen == the.to_client.count) {
			assert_true(is_under_way());
			takes(&t, next_to_origin());
			most = at - t.len > most ? at - t.len : most;
		}
		s = next_to_client();
		is_code(s, more ? CODE_CONTINUE : CODE_CHANGED);
		is_block(s, OPT_BLOCK1, (uint32_t)num, more, BERT);
		assert_false(has_option(s, OPT_BLOCK2));
	}
	assert_int_equal(t.bodies, 1);
	assert_int_equal(t.len, len);
	assert_memory_equal(t.bytes, body, len);
	assert_true(most <= HELD_MOST);
	nothing_more();
	free(t.bytes);
	finish();
}

/* ---- at once ---- */

enum { UPLOADS = 8, LARGE_BLOCKS = 9, LARGE = 4096 };

static const struct {
	unsigned client;
	const char *before, *behind; /* options before and behind Block1 */
} uploads[UPLOADS] = {
	{ STREAM, "11='a'", "292=01" }, { STREAM, "11='a'", "292=02" }, { STREAM + 1, "11='a'", "" }, { STREAM + 1, "11='a' 17=", "" },
	{ STREAM + 2, "9=0901aa", "292=05" }, { STREAM + 2, "9=0902aa", "" }, { STREAM + 2, "9=0902aa", "292=06" }, { STREAM + 2, "9=0903aa", "" },
};

/* The one that a first block is of: its bytes tell. */
static unsigned upload_of(const struct sent *s, const struct taker *all)
{
	unsigned i = 0;

	if (block_of(s, OPT_BLOCK1).num == 0) {
		while (i < UPLOADS && memcmp(body_of(i), s->m.payload, s->m.payload_len) != 0)
			i++;
	} else {
		while (i < UPLOADS && memcmp(all[i].tag, msg_option(&s->m, OPT_REQUEST_TAG)->value, 8) != 0)
			i++;
	}
	assert_true(i < UPLOADS);
	return i;
}

static void send_large_block(unsigned i, unsigned number, const char *host)
{
	char before[64];
	bool more = number + 1 < LARGE_BLOCKS;

	snprintf(before, sizeof before, "%s %s", host, uploads[i].before);
	asks(uploads[i].client, strncmp(uploads[i].before, "9=", 2) == 0 ? CODE_POST : CODE_PUT,
		with_blocks(before, (struct blocks_text){ NO_BLOCK, (int)number * LARGE / 1024, false, more, 0, BERT }, uploads[i].behind),
		body_of(i) + number * LARGE, LARGE);
}

/* Two clients, and one with two Request-Tags or OSCORE options: every body arrives as it was. */
static void uploads_at_once_never_mix(void **state)
{
	struct taker all[UPLOADS] = { 0 };
	unsigned sent[UPLOADS] = { 0 }, asked[UPLOADS * LARGE_BLOCKS + 1], ended = 0;
	bool waits[UPLOADS] = { 0 };
	char host[16];

	(void)state;
	covers("S-7 C7959-2.4-3 C7959-2.5-1");
	begin("");
	snprintf(host, sizeof host, "3='o%u'", origin_at(bodies_workers - 1, 1));
	for (unsigned i = 0; i < UPLOADS; i++) {
		all[i].bytes = malloc(BODY_MAX);
		memset(all[i].tag, 0xff, sizeof all[i].tag);
	}
	while (ended < UPLOADS) {
		unsigned i = random_below(UPLOADS);

		if (!waits[i] && sent[i] < LARGE_BLOCKS && random_below(3) > 0) {
			waits[i] = true;
			asked[last_token + 1] = i;
			send_large_block(i, sent[i]++, host);
		} else if (is_under_way()) {
			const struct sent *s = next_to_origin();

			takes(&all[upload_of(s, all)], s);
		}
		while (the.to_client.seen < the.to_client.count) {
			const struct sent *s = next_to_client();

			i = asked[s->m.token[0] << 8 | s->m.token[1]];
			is_code(s, sent[i] < LARGE_BLOCKS ? CODE_CONTINUE : CODE_CHANGED);
			waits[i] = false;
			ended += sent[i] == LARGE_BLOCKS;
		}
	}
	for (unsigned i = 0; i < UPLOADS; i++) {
		assert_int_equal(all[i].bodies, 1);
		assert_int_equal(all[i].len, LARGE_BLOCKS * LARGE);
		assert_memory_equal(all[i].bytes, body_of(i), all[i].len);
		free(all[i].bytes);
	}
	nothing_more();
	finish();
}

/* ---- to connections ---- */

/* What the origin takes is known from its first answer on. */
static void is_learned(size_t limit, bool blocks, bool bert)
{
	edge_says.message_limit = limit;
	edge_says.no_blocks = !blocks;
	edge_says.bert = bert;
	asks(PLAIN + 7, CODE_GET, stream("11='x'"), NULL, 0);
	replies(next_to_origin(), CODE_CONTENT, "", NULL, 0);
	is_code(next_to_client(), CODE_CONTENT);
}

/* A client of datagrams uploads; what follows from each block comes by itself. */
static void sends_blocks(unsigned client, const uint8_t *body, size_t len)
{
	for (size_t at = 0; at < len; at += 1024) {
		bool more = at + 1024 < len;

		asks(client, CODE_PUT, block1_text(stream("11='a'"), (int)(at / 1024), more, 6), body + at, more ? 1024 : len - at);
		if (!more)
			return;
		is_code(next_to_client(), CODE_CONTINUE);
		is_block(&the.to_client.all[the.to_client.seen - 1], OPT_BLOCK1, (uint32_t)(at / 1024), true, 6);
	}
}

static void an_origin_without_blocks_gets_all_in_one_message(void **state)
{
	const struct sent *s;

	(void)state;
	covers("S-20 C7959-2.5-1");
	begin("");
	is_learned(6000, false, false);
	sends_blocks(PLAIN, body_of(1), 4500);
	s = next_to_origin();
	assert_false(has_option(s, OPT_BLOCK1));
	has_bytes(s, body_of(1), 4500);
	replies(s, CODE_CHANGED, "", NULL, 0);
	s = next_to_client();
	is_code(s, CODE_CHANGED);
	is_block(s, OPT_BLOCK1, 4, false, 6);
	/* what is longer than its messages cannot be told */
	sends_blocks(PLAIN, body_of(1), 7000);
	s = next_to_client();
	is_code(s, CODE_TOO_LARGE);
	assert_in_range(option_value(s, OPT_SIZE1), 4500, 6000);
	nothing_more();
	/* one block is a body too */
	sends_blocks(PLAIN, body_of(2), 100);
	has_bytes(next_to_origin(), body_of(2), 100);
	replies(&the.to_origin.all[the.to_origin.seen - 1], CODE_CHANGED, "", NULL, 0);
	is_code(next_to_client(), CODE_CHANGED);
	finish();
}

/* That an origin takes none is found out where it says so. */
static void an_origin_of_which_nothing_is_known(void **state)
{
	const struct sent *s;

	(void)state;
	covers("S-20 C8075-8.3-1");
	begin("");
	edge_says.no_blocks = true;
	sends_blocks(PLAIN, body_of(3), 3000);
	s = next_to_origin();
	is_block(s, OPT_BLOCK1, 0, true, 6);
	replies(s, CODE_BAD_OPTION, "", NULL, 0);
	s = next_to_origin();
	assert_false(has_option(s, OPT_BLOCK1));
	has_bytes(s, body_of(3), 3000);
	replies(s, CODE_CHANGED, "", NULL, 0);
	is_code(next_to_client(), CODE_CHANGED);
	nothing_more();
	/* the next one is asked right */
	sends_blocks(PLAIN, body_of(3), 3000);
	s = next_to_origin();
	has_bytes(s, body_of(3), 3000);
	replies(s, CODE_CHANGED, "", NULL, 0);
	is_code(next_to_client(), CODE_CHANGED);
	finish();
}

static void blocks_that_an_origin_takes_pass_one_by_one(void **state)
{
	const struct sent *s;

	(void)state;
	begin("");
	is_learned(MSG_MAX, true, true);
	asks(PLAIN, CODE_PUT, block1_text(stream("11='a'"), 0, true, 6), body_of(1), 1024);
	s = next_to_origin();
	is_block(s, OPT_BLOCK1, 0, true, 6);
	replies(s, CODE_CONTINUE, block1_text("", 0, true, 6), NULL, 0);
	is_code(next_to_client(), CODE_CONTINUE);
	/* and so do large ones, and large messages */
	asks(STREAM, CODE_PUT, block1_text(stream("11='a'"), 0, true, BERT), body_of(1), 4096);
	s = next_to_origin();
	is_block(s, OPT_BLOCK1, 0, true, BERT);
	has_bytes(s, body_of(1), 4096);
	replies(s, CODE_CONTINUE, block1_text("", 0, true, BERT), NULL, 0);
	is_block(next_to_client(), OPT_BLOCK1, 0, true, BERT);
	asks(STREAM, CODE_PUT, stream("11='b'"), body_of(2), 16384);
	s = next_to_origin();
	has_bytes(s, body_of(2), 16384);
	replies(s, CODE_CHANGED, "", NULL, 0);
	is_code(next_to_client(), CODE_CHANGED);
	nothing_more();
	finish();
}

/* Of an origin that takes less than its client gives: blocks of 1024 or less, as they fit. */
static void from_a_large_connection_to_a_small_one(void **state)
{
	const struct sent *s;
	size_t at = 0;
	int num = 0;

	(void)state;
	covers("S-20 C8323-6-1");
	begin("");
	is_learned(1152, true, false);
	asks(STREAM, CODE_PUT, stream("11='b'"), body_of(2), 3000);
	while (at < 3000) {
		s = next_to_origin();
		assert_true(s->m.len <= 1152);
		is_block(s, OPT_BLOCK1, (uint32_t)num, at + s->m.payload_len < 3000, 5);
		has_bytes(s, body_of(2) + at, s->m.payload_len);
		at += s->m.payload_len;
		replies(s, at < 3000 ? CODE_CONTINUE : CODE_CHANGED, block1_text("", num++, at < 3000, 5), NULL, 0);
	}
	is_code(next_to_client(), CODE_CHANGED);
	nothing_more();
	finish();
}

/* ---- Block2 of requests ---- */

/* The block that the origin is asked for where the client asks for that one. */
static void asks_for(unsigned client, const char *target, int num, unsigned szx, uint32_t asked_num, unsigned asked_szx)
{
	const struct sent *s;

	asks(client, CODE_GET, block2_text(target, num, false, szx), NULL, 0);
	s = next_to_origin();
	is_block(s, OPT_BLOCK2, asked_num, false, asked_szx);
	replies(s, CODE_NOT_FOUND, "", NULL, 0);
	is_code(next_to_client(), CODE_NOT_FOUND);
}

static void large_blocks_are_asked_for_where_they_are_given(void **state)
{
	char target[32];

	(void)state;
	covers("C7959-2.2-1 C8323-6-2");
	begin("");
	/* never of datagrams */
	asks_for(STREAM, device(), 5, BERT, 5, 6);
	/* nor of who has not said that he knows them */
	snprintf(target, sizeof target, "%s", stream("11='a'"));
	edge_says.bert = true;
	asks_for(STREAM, target, 5, BERT, 5, 6);
	asks_for(STREAM, target, 5, BERT, 5, BERT);
	/* where a client of datagrams takes the rest of something, a large block saves the origin many requests */
	asks_for(PLAIN, target, 5, 6, 5, BERT);
	asks_for(PLAIN, target, 128, 4, 32, BERT);
	asks_for(PLAIN, target, 129, 4, 129, 4);
	asks_for(PLAIN, target, 0, 4, 0, 4);
	nothing_more();
	finish();
}

/* A client of datagrams is told so at once. */
static void a_datagram_has_no_large_blocks(void **state)
{
	(void)state;
	covers("C7959-2.2-1");
	begin("");
	asks(PLAIN, CODE_PUT, block1_text(device(), 0, true, BERT), body_of(1), 1024);
	is_code(next_to_client(), CODE_BAD_REQUEST);
	asks(PLAIN, CODE_GET, block2_text(device(), 0, false, BERT), NULL, 0);
	is_code(next_to_client(), CODE_BAD_REQUEST);
	/* what is none is refused on connections too */
	asks(STREAM, CODE_PUT, block1_text(device(), 0, true, BERT), body_of(1), 1000);
	is_code(next_to_client(), CODE_BAD_REQUEST);
	asks(STREAM, CODE_PUT, block1_text(device(), 0, true, BERT), NULL, 0);
	is_code(next_to_client(), CODE_BAD_REQUEST);
	nothing_more();
	finish();
}

static void an_origin_without_blocks_is_asked_for_none(void **state)
{
	const struct sent *s;

	(void)state;
	begin("");
	is_learned(6000, false, false);
	asks(PLAIN, CODE_GET, block2_text(stream("11='a'"), 2, false, 6), NULL, 0);
	s = next_to_origin();
	assert_false(has_option(s, OPT_BLOCK2));
	replies(s, CODE_CONTENT, "4=aa", body_of(4), 5000);
	s = next_to_client();
	is_block(s, OPT_BLOCK2, 2, true, 6);
	has_bytes(s, body_of(4) + 2048, 1024);
	/* what it would do again must not be asked for again */
	asks(PLAIN, CODE_POST, block2_text(stream("11='a'"), 2, false, 6), NULL, 0);
	is_code(next_to_client(), CODE_REQUEST_INCOMPLETE);
	asks(PLAIN, CODE_POST, block2_text(stream("9=0901aa"), 2, false, 6), NULL, 0);
	is_code(next_to_client(), CODE_REQUEST_INCOMPLETE);
	nothing_more();
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(one_message_of_several_kilobytes), BOTH(a_megabyte_in_large_blocks_streams), BOTH(uploads_at_once_never_mix),
		BOTH(an_origin_without_blocks_gets_all_in_one_message), BOTH(an_origin_of_which_nothing_is_known),
		BOTH(blocks_that_an_origin_takes_pass_one_by_one), BOTH(from_a_large_connection_to_a_small_one),
		BOTH(large_blocks_are_asked_for_where_they_are_given), BOTH(a_datagram_has_no_large_blocks),
		BOTH(an_origin_without_blocks_is_asked_for_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
