/* objects: tests/sim/workers.o tests/sim/fake_reader.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * A gate: a request waits until it is read, then goes on as it would have, or is refused; whatever happens meanwhile.
 */
#include "proxy/exchange/reading.h"
#include "tests/sim/fake_reader.h"
#include "tests/unit/covers.h"

#define OSCORE "9=090a0b0c"
#define DENY "fields = [\"code\", \"uri-path\"]; deny = [\"PUT /firmware/**\"];"
#define MS CLOCK_MS

static int set_up(void **state)
{
	(void)state;
	reading_begins(1, DENY, "fields = [\"code\"];", "");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	reading_ends();
	return 0;
}

static const struct asked *ask_gate(enum msg_type type, uint16_t mid)
{
	ask(0, 1, type, CODE_POST, mid, GATE, OSCORE, "sealed bytes");
	settle();
	return next_question();
}

static void nothing_is_left(void)
{
	nothing_more();
	no_more_questions();
	nothing_remains();
	assert_int_equal(reader_link_open(the.proxy[0]), 0);
	assert_int_equal(readings_count(the.proxy[0]), 0);
}

static void finish(uint16_t mid)
{
	const struct sent *s = next_to_origin();

	is_message(s, MSG_CON, CODE_POST, NULL, "sealed bytes");
	answer(s, MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
	settle();
	is_for(next_to_client(), 0, 1, mid);
	opened(next_question(), CODE_CHANGED, "");
	settle();
}

static void refused(const struct sent *s, uint16_t mid, uint8_t code)
{
	is_for(s, 0, 1, mid);
	assert_int_equal(s->m.code, code);
}

static void it_waits_and_goes_on(void **state)
{
	const struct asked *a = ask_gate(MSG_CON, 1);

	(void)state;
	assert_int_equal(a->q.payload_len, 12);
	assert_memory_equal(a->q.payload, "sealed bytes", 12);
	assert_memory_equal(a->q.option, "\x09\x0a\x0b\x0c", 4);
	assert_int_equal(a->q.set, opening_set_id("plant"));
	assert_false(a->q.response);
	pass_time(40 * MS);
	nothing_more();
	opened(a, CODE_GET, "temp");
	settle();
	finish(1);
	nothing_is_left();
	assert_int_equal(counted(COUNT_READ_OPENED), 2);
}

static void what_is_denied_reaches_nobody(void **state)
{
	(void)state;
	opened(ask_gate(MSG_CON, 1), CODE_PUT, "firmware/a");
	settle();
	refused(next_to_client(), 1, CODE_UNAUTHORIZED);
	nothing_is_left();
	assert_int_equal(errors_of(ERR_READ_DENIED), 1);
}

static void what_cannot_be_opened_is_refused(void **state)
{
	static const struct { enum opening_verdict verdict; uint8_t code; enum error e; } rows[] = {
		{ OPENING_UNKNOWN, CODE_UNAUTHORIZED, ERR_READ_UNKNOWN }, { OPENING_NO_KEY, CODE_UNAUTHORIZED, ERR_READ_UNKNOWN },
		{ OPENING_MALFORMED, CODE_BAD_OPTION, ERR_READ_MALFORMED }, { OPENING_BAD, CODE_BAD_REQUEST, ERR_READ_BAD },
		{ OPENING_INNER, CODE_BAD_REQUEST, ERR_READ_BAD }, { OPENING_CLOSED, CODE_UNAUTHORIZED, ERR_READ_CLOSED },
		{ OPENING_FAILED, CODE_UNAVAILABLE, ERR_READER_FAILED }, { OPENING_VERIFIED, CODE_UNAUTHORIZED, ERR_READ_DENIED },
	};

	(void)state;
	for (uint16_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint64_t before = errors_of(rows[i].e);

		judged(ask_gate(MSG_CON, i), rows[i].verdict);
		settle();
		refused(next_to_client(), i, rows[i].code);
		assert_int_equal(errors_of(rows[i].e), before + 1);
	}
	nothing_is_left();
}

static void the_deadline_refuses_and_late_answers_mean_nothing(void **state)
{
	const struct asked *a = ask_gate(MSG_CON, 1);
	const struct sent *s;

	(void)state;
	pass_time(60 * MS);
	s = next_to_client();
	refused(s, 1, CODE_UNAVAILABLE);
	assert_in_range(s->at - a->at, 50 * MS, 55 * MS);
	opened(a, CODE_GET, "temp");
	settle();
	nothing_is_left();
	assert_int_equal(errors_of(ERR_READER_LATE), 1);
	assert_int_equal(counted(COUNT_READ_LATE), 1);
}

/* The place of a question is another's by now. */
static void a_late_answer_is_not_taken_for_anothers(void **state)
{
	const struct asked *late = ask_gate(MSG_CON, 1), *a;

	(void)state;
	pass_time(60 * MS);
	refused(next_to_client(), 1, CODE_UNAVAILABLE);
	a = ask_gate(MSG_CON, 2);
	assert_int_equal((uint32_t)a->q.id, (uint32_t)late->q.id);
	opened(late, CODE_GET, "temp");
	settle();
	nothing_more();
	opened(a, CODE_PUT, "firmware");
	settle();
	refused(next_to_client(), 2, CODE_UNAUTHORIZED);
	nothing_is_left();
}

static void a_full_queue_refuses(void **state)
{
	(void)state;
	reading_ends();
	reading_begins(1, DENY, "", "reader: { queue = 2; };");
	for (uint16_t mid = 1; mid <= 3; mid++)
		ask(0, 1, MSG_CON, CODE_POST, mid, GATE, OSCORE, "sealed bytes");
	settle();
	refused(next_to_client(), 3, CODE_UNAVAILABLE);
	assert_int_equal(errors_of(ERR_READER_FULL), 1);
	opened(next_question(), CODE_PUT, "firmware");
	opened(next_question(), CODE_PUT, "firmware");
	settle();
	refused(next_to_client(), 1, CODE_UNAUTHORIZED);
	refused(next_to_client(), 2, CODE_UNAUTHORIZED);
	nothing_is_left();
}

/* Nothing waits in vain where the reader takes no packets, and what nobody waits for any more is not asked afterwards. */
static void a_reader_that_stands_still_is_not_waited_for(void **state)
{
	(void)state;
	reader.blocks = true;
	ask(0, 1, MSG_CON, CODE_POST, 1, GATE, OSCORE, "sealed bytes");
	pass_time(60 * MS);
	refused(next_to_client(), 1, CODE_UNAVAILABLE);
	ask(0, 1, MSG_CON, CODE_POST, 2, GATE, OSCORE, "sealed bytes");
	settle();
	reader.blocks = false;
	reader_link_writable(the.proxy[0]);
	settle();
	assert_int_equal(reader.count, 2); /* they shared a packet; the first has its answer */
	next_question();
	opened(next_question(), CODE_GET, "temp");
	settle();
	finish(2);
	nothing_is_left();
}

static void without_a_reader_a_gate_refuses_at_once(void **state)
{
	(void)state;
	reader.gone = true;
	ask(0, 1, MSG_CON, CODE_POST, 1, GATE, OSCORE, "sealed bytes");
	settle(); /* found out by sending */
	refused(next_to_client(), 1, CODE_UNAVAILABLE);
	ask(0, 1, MSG_CON, CODE_POST, 2, GATE, OSCORE, "sealed bytes");
	refused(next_to_client(), 2, CODE_UNAVAILABLE);
	assert_int_equal(errors_of(ERR_READER_ABSENT), 2);
	ask(0, 1, MSG_CON, CODE_GET, 3, GATE, "11='a'", NULL); /* what is not protected is none of its business */
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CONTENT, "", "x");
	is_for(next_to_client(), 0, 1, 3);
	reader.gone = false;
	reader_begins(0);
	opened(ask_gate(MSG_CON, 4), CODE_GET, "temp");
	settle();
	finish(4);
	nothing_is_left();
}

static void duplicates_of_what_waits_are_acknowledged(void **state)
{
	const struct asked *a = ask_gate(MSG_CON, 1);

	(void)state;
	ask(0, 1, MSG_CON, CODE_POST, 1, GATE, OSCORE, "sealed bytes");
	settle();
	no_more_questions();
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, NULL, NULL);
	opened(a, CODE_PUT, "firmware");
	settle();
	is_message(next_to_client(), MSG_CON, CODE_UNAUTHORIZED, NULL, NULL);
	client_empty(0, 1, MSG_ACK, the.to_client.all[1].m.mid);
	ask(0, 1, MSG_CON, CODE_POST, 1, GATE, OSCORE, "sealed bytes");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, NULL, NULL);
	nothing_is_left();
}

static void without_duplicates_the_first_answer_is_repeated(void **state)
{
	(void)state;
	opened(ask_gate(MSG_CON, 1), CODE_PUT, "firmware");
	settle();
	refused(next_to_client(), 1, CODE_UNAUTHORIZED);
	ask(0, 1, MSG_CON, CODE_POST, 1, GATE, OSCORE, "sealed bytes");
	settle();
	refused(next_to_client(), 1, CODE_UNAUTHORIZED);
	nothing_is_left();
}

static void no_response_silences_a_refusal(void **state)
{
	(void)state;
	ask(0, 1, MSG_NON, CODE_POST, 1, GATE, OSCORE " 258=1a", "sealed bytes");
	settle();
	opened(next_question(), CODE_PUT, "firmware");
	settle();
	nothing_is_left();
}

static void an_unknown_kid_passes_where_that_is_written(void **state)
{
	(void)state;
	reading_ends();
	reading_begins(1, DENY " unknown-kid = \"pass\";", "", "");
	judged(ask_gate(MSG_CON, 1), OPENING_UNKNOWN);
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
	settle();
	is_for(next_to_client(), 0, 1, 1);
	judged(next_question(), OPENING_UNKNOWN);
	judged(ask_gate(MSG_CON, 2), OPENING_NO_KEY);
	settle();
	refused(next_to_client(), 2, CODE_UNAUTHORIZED);
	nothing_is_left();
}

/* One a second, three at once; another sender is not concerned, and a message that is not genuine takes nothing of it. */
static void senders_have_a_rate(void **state)
{
	uint16_t mid = 1;

	(void)state;
	reading_ends();
	reading_begins(1, "rate = 1; burst = 3;", "", "");
	for (; mid <= 3; mid++)
		judged(ask_gate(MSG_CON, mid), OPENING_BAD);
	for (; mid <= 6; mid++)
		opened(ask_gate(MSG_CON, mid), CODE_GET, "");
	opened(ask_gate(MSG_CON, mid), CODE_GET, "");
	settle();
	assert_int_equal(errors_of(ERR_READ_RATE), 1);
	ask(0, 1, MSG_CON, CODE_POST, 8, GATE, "9=090a0b0d", "sealed bytes");
	settle();
	opened(next_question(), CODE_GET, "");
	pass_time(1100 * MS);
	opened(ask_gate(MSG_CON, 9), CODE_GET, "");
	opened(ask_gate(MSG_CON, 10), CODE_GET, "");
	settle();
	assert_int_equal(errors_of(ERR_READ_RATE), 2);
	assert_int_equal(errors_of(ERR_READ_BAD), 3);
}

static void rates_are_of_a_sender_and_a_read(void **state)
{
	(void)state;
	reading_ends();
	reading_begins(1, "rate = 1; burst = 1;", "rate = 1; burst = 1;", "");
	/* what is genuine counts, also where it is not read */
	judged(ask_gate(MSG_CON, 1), OPENING_VERIFIED);
	judged(ask_gate(MSG_CON, 2), OPENING_VERIFIED);
	settle();
	assert_int_equal(errors_of(ERR_READ_RATE), 1);
	/* elsewhere the same sender has another account */
	ask(0, 1, MSG_CON, CODE_POST, 3, TAP, OSCORE, "sealed bytes");
	settle();
	judged(next_question(), OPENING_VERIFIED);
	settle();
	assert_int_equal(errors_of(ERR_READ_RATE), 1);
}

static void rules_are_not_content_with_a_signature(void **state)
{
	const struct asked *a;

	(void)state;
	reading_ends();
	reading_begins(1, DENY " verify = true;", "", "");
	a = ask_gate(MSG_CON, 1);
	assert_false(a->q.verify);
	assert_int_equal(a->q.fields, FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_URI_PATH));
	opened(a, CODE_PUT, "firmware");
	settle();
	refused(next_to_client(), 1, CODE_UNAUTHORIZED);
	nothing_is_left();
}

static void the_end_answers_what_waits(void **state)
{
	(void)state;
	ask_gate(MSG_CON, 1);
	proxy_drain(the.proxy[0]);
	ask(0, 1, MSG_CON, CODE_POST, 2, GATE, OSCORE, "sealed bytes");
	settle();
	refused(next_to_client(), 2, CODE_UNAVAILABLE);
	assert_false(proxy_is_drained(the.proxy[0]));
	proxy_give_up(the.proxy[0]);
	refused(next_to_client(), 1, CODE_UNAVAILABLE);
	nothing_more();
	assert_int_equal(errors_of(ERR_DRAINING), 2);
	opened(&reader.all[0], CODE_GET, "temp");
	settle();
	nothing_is_left();
}

/* A repeat is the devices' own business, and whether a message is fresh cannot be told by who has just started. */
static void what_was_seen_or_may_be_old_is_marked_and_passes(void **state)
{
	struct opening_answer a = { .verdict = OPENING_OPENED, .seen = true, .unverified = true,
		.inner = { .fields = FIELD_BIT(FIELD_CODE), .code = CODE_GET } };

	(void)state;
	covers("RBW-8");
	answered_with(ask_gate(MSG_CON, 1), &a);
	settle();
	finish(1);
	assert_int_equal(counted(COUNT_READ_SEEN), 1);
	assert_int_equal(counted(COUNT_READ_UNVERIFIED), 1);
	nothing_is_left();
}

/* The signature alone is asked for where nothing else is wanted: no field is named, and no rule needs any. */
static void what_is_not_authentic_is_dropped_without_being_read(void **state)
{
	const struct asked *a;

	(void)state;
	covers("RBW-14");
	reading_ends();
	reading_begins(1, "verify = true;", "", "");
	a = ask_gate(MSG_CON, 1);
	assert_true(a->q.verify);
	assert_int_equal(a->q.fields, 0);
	judged(a, OPENING_BAD);
	settle();
	refused(next_to_client(), 1, CODE_BAD_REQUEST);
	judged(ask_gate(MSG_CON, 2), OPENING_VERIFIED);
	settle();
	answer(next_to_origin(), MSG_ACK, 0, CODE_CHANGED, "9=", "sealed answer");
	settle();
	is_for(next_to_client(), 0, 1, 2);
	judged(next_question(), OPENING_VERIFIED);
	nothing_is_left();
}

static void what_is_not_fit_to_ask_is_refused(void **state)
{
	(void)state;
	judged(ask_gate(MSG_CON, 1), OPENING_OPENED); /* without a code no rule can be sure */
	settle();
	refused(next_to_client(), 1, CODE_UNAUTHORIZED);
	reader_link_packet(the.proxy[0], (const uint8_t *)"nonsense", 8);
	assert_int_equal(counted(COUNT_READER_BROKEN), 1);
	nothing_is_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_waits_and_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_denied_reaches_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_opened_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_deadline_refuses_and_late_answers_mean_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_late_answer_is_not_taken_for_anothers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_queue_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reader_that_stands_still_is_not_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_a_reader_a_gate_refuses_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(duplicates_of_what_waits_are_acknowledged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_duplicates_the_first_answer_is_repeated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_response_silences_a_refusal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_unknown_kid_passes_where_that_is_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(senders_have_a_rate, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rates_are_of_a_sender_and_a_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rules_are_not_content_with_a_signature, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_answers_what_waits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_seen_or_may_be_old_is_marked_and_passes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_authentic_is_dropped_without_being_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_fit_to_ask_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
