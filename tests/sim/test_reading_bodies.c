/* objects: tests/sim/workers.o tests/sim/fake_reader.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Gates and taps, and bodies in outer blocks: read as a whole, whichever way they come and leave.
 */
#include "proxy/exchange/reading.h"
#include "tests/sim/fake_reader.h"
#include "tests/unit/covers.h"

#define OSCORE "9=090a0b0c"
#define FIELDS "fields = [\"code\", \"uri-path\"];"
#define DENY FIELDS " deny = [\"PUT /firmware/**\"];"
#define MS CLOCK_MS

enum { TCP_CLIENT = RELIABLE_CLIENTS };

static int set_up(void **state)
{
	(void)state;
	reading_begins(1, DENY, FIELDS, "");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	reading_ends();
	return 0;
}

static void nothing_is_left(void)
{
	nothing_more();
	no_more_questions();
	nothing_remains();
	assert_int_equal(reader_link_open(the.proxy[0]), 0);
	assert_int_equal(readings_count(the.proxy[0]), 0);
}

static void open_next(uint8_t code, const char *path)
{
	settle();
	opened(next_question(), code, path);
	settle();
}

static uint8_t body[4000];

static void fill_body(void)
{
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (uint8_t)(i * 7 + i / 251);
}

/* The block of 1024 bytes of this number. Returns its end. */
static size_t ask_block(uint16_t mid, unsigned num)
{
	bool more = (num + 1) * 1024u < sizeof body;
	size_t len = more ? 1024 : sizeof body - num * 1024u;
	char options[64];

	snprintf(options, sizeof options, "3='o%u' " OSCORE " 27=%02x", GATE, num << 4 | (unsigned)more << 3 | 6);
	ask_bytes(0, 1, MSG_CON, CODE_POST, mid, options, body + num * 1024u, len);
	settle();
	return num * 1024u + len;
}

static void upload(uint16_t mid)
{
	fill_body();
	for (unsigned num = 0; num < 3; num++) {
		ask_block((uint16_t)(mid + num), num);
		is_message(next_to_client(), MSG_ACK, CODE_CONTINUE, NULL, NULL);
		no_more_questions();
		nothing_more();
	}
	ask_block((uint16_t)(mid + 3), 3);
	nothing_more();
}

/* It gets the body in blocks, and answers. */
static void origin_takes_the_body(void)
{
	size_t at = 0;

	while (at < sizeof body) {
		const struct sent *s = next_to_origin();
		char options[32];

		assert_memory_equal(s->m.payload, body + at, s->m.payload_len);
		at += s->m.payload_len;
		snprintf(options, sizeof options, "%s27=%02x", at < sizeof body ? "" : "9= ", option_value(s, OPT_BLOCK1));
		answer(s, MSG_ACK, 0, at < sizeof body ? CODE_CONTINUE : CODE_CHANGED, options, at < sizeof body ? NULL : "sealed answer");
		settle();
	}
}

static void a_body_is_whole_before_it_is_judged(void **state)
{
	const struct asked *a;

	(void)state;
	covers("RBW-13");
	upload(10);
	a = next_question();
	assert_int_equal(a->q.payload_len, sizeof body);
	assert_memory_equal(a->q.payload, body, sizeof body);
	assert_memory_equal(a->q.option, "\x09\x0a\x0b\x0c", 4);
	opened(a, CODE_PUT, "temp");
	settle();
	origin_takes_the_body();
	is_message(next_to_client(), MSG_ACK, CODE_CHANGED, NULL, "sealed answer");
	a = next_question();
	assert_true(a->q.response);
	assert_memory_equal(a->q.payload, "sealed answer", 13);
	opened(a, CODE_CHANGED, "");
	nothing_more();
	no_more_questions();
}

static void of_a_body_that_is_denied_nothing_leaves(void **state)
{
	(void)state;
	upload(10);
	open_next(CODE_PUT, "firmware/image");
	assert_int_equal(next_to_client()->m.code, CODE_UNAUTHORIZED);
	nothing_is_left();
	/* the same with the reader silent, and with a block that has no beginning */
	upload(30);
	pass_time(60 * MS);
	assert_int_equal(next_to_client()->m.code, CODE_UNAVAILABLE);
	next_question();
	ask_block(20, 2);
	assert_int_equal(next_to_client()->m.code, CODE_REQUEST_INCOMPLETE);
	nothing_is_left();
}

static void a_body_has_a_limit(void **state)
{
	(void)state;
	reading_ends();
	reading_begins(1, DENY " body-limit = \"3kB\";", "", "");
	fill_body();
	for (unsigned num = 0; num < 2; num++) {
		ask_block((uint16_t)(10 + num), num);
		is_message(next_to_client(), MSG_ACK, CODE_CONTINUE, NULL, NULL);
	}
	ask_block(12, 2);
	assert_int_equal(next_to_client()->m.code, CODE_TOO_LARGE);
	nothing_is_left();
}

static void the_last_block_again_asks_once(void **state)
{
	const struct asked *a;

	(void)state;
	upload(10);
	a = next_question();
	ask_block(14, 3); /* under another Message ID: its client has lost patience */
	no_more_questions();
	opened(a, CODE_PUT, "firmware");
	settle();
	assert_int_equal(next_to_client()->m.code, CODE_UNAUTHORIZED);
	assert_int_equal(next_to_client()->m.code, CODE_UNAUTHORIZED);
	nothing_is_left();
}

/* Blocks that are whole messages, and blocks of answers. */
static void blocks_that_are_none(void **state)
{
	const struct sent *s;

	(void)state;
	ask(0, 1, MSG_CON, CODE_POST, 1, GATE, OSCORE " 27=06", "sealed bytes");
	open_next(CODE_PUT, "temp");
	s = next_to_origin();
	answer(s, MSG_ACK, 0, CODE_CHANGED, "9= 23=08 27=06", "0123456789abcdef");
	is_message(next_to_client(), MSG_ACK, CODE_CHANGED, NULL, NULL);
	settle();
	no_more_questions();
	/* more of it is asked for without the request */
	ask(0, 1, MSG_CON, CODE_POST, 2, GATE, OSCORE " 23=10", NULL);
	settle();
	no_more_questions();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "9= 23=10", "the end");
	open_next(CODE_CHANGED, "");
	assert_memory_equal(reader.all[reader.count - 1].q.payload, "0123456789abcdefthe end", 23);
	is_message(next_to_client(), MSG_ACK, CODE_CHANGED, NULL, NULL);
	/* by another option, or by another client, that has to be read */
	ask(0, 1, MSG_CON, CODE_POST, 3, GATE, "9=090a0b0d 23=10", NULL);
	settle();
	judged(next_question(), OPENING_MALFORMED);
	assert_int_equal(next_to_client()->m.code, CODE_BAD_OPTION);
	ask(0, 2, MSG_CON, CODE_POST, 3, GATE, OSCORE " 23=10", NULL);
	settle();
	judged(next_question(), OPENING_MALFORMED);
	assert_int_equal(next_to_client()->m.code, CODE_BAD_OPTION);
	/* or when it is long over */
	pass_time(EXCHANGE_LIFETIME);
	ask(0, 1, MSG_CON, CODE_POST, 5, GATE, OSCORE " 23=10", NULL);
	settle();
	judged(next_question(), OPENING_MALFORMED);
	assert_int_equal(next_to_client()->m.code, CODE_BAD_OPTION);
	/* and so does a request with a payload that says it is for a later block */
	ask(0, 1, MSG_CON, CODE_POST, 4, GATE, OSCORE " 23=10", "sealed bytes");
	open_next(CODE_PUT, "firmware");
	assert_int_equal(next_to_client()->m.code, CODE_UNAUTHORIZED);
	settle();
	nothing_more();
	no_more_questions();
}

/* A body that came in one message over a connection leaves in blocks: it is read once, and so is its answer. */
static void what_leaves_in_blocks_is_read_whole(void **state)
{
	const struct asked *a;
	char options[64];

	(void)state;
	fill_body();
	snprintf(options, sizeof options, "3='o%u' " OSCORE, TAP);
	for (unsigned origin = GATE; origin <= TAP; origin += TAP - GATE) {
		snprintf(options, sizeof options, "3='o%u' " OSCORE, origin);
		ask_bytes(0, TCP_CLIENT, MSG_CON, CODE_POST, (uint16_t)origin, options, body, sizeof body);
		settle();
		a = next_question();
		assert_int_equal(a->q.payload_len, sizeof body);
		assert_memory_equal(a->q.payload, body, sizeof body);
		opened(a, CODE_PUT, "temp");
		settle();
		origin_takes_the_body();
		next_to_client();
		a = next_question();
		assert_true(a->q.response);
		assert_int_equal(a->q.payload_len, 13);
		opened(a, CODE_CHANGED, "");
		no_more_questions();
		nothing_more();
	}
}

static void a_client_that_leaves_takes_nothing_with_him(void **state)
{
	char options[64];

	(void)state;
	fill_body();
	snprintf(options, sizeof options, "3='o%u' " OSCORE, GATE);
	ask_bytes(0, TCP_CLIENT, MSG_CON, CODE_POST, 1, options, body, 100);
	settle();
	client_gone(0, TCP_CLIENT);
	open_next(CODE_PUT, "firmware");
	nothing_more();
	assert_int_equal(slab_count(the.proxy[0]->exchanges), 0);
	assert_int_equal(readings_count(the.proxy[0]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_body_is_whole_before_it_is_judged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_a_body_that_is_denied_nothing_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_has_a_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_last_block_again_asks_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(blocks_that_are_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_leaves_in_blocks_is_read_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_that_leaves_takes_nothing_with_him, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
