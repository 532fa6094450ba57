/* objects: tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Clients and origins whose transport is reliable (RFC 8323): no types, Message IDs, repeats or duplicates, and connections that end.
 * Every test runs with one worker, and with two where the client's is not the origin's home.
 */
#include <stdio.h>

#include "proxy/exchange/origin.h"
#include "tests/sim/workers.h"
#include "tests/unit/covers.h"
#include "tests/unit/made.h"

#define OSCORE "9=090a0b0c"

/* Reliable origins; the name of one whose home is not worker 0 is `far`. */
#define STREAMS "s1: { hosts = [\"s1\"]; to = [\"coap+tcp://10.9.1.1\"]; }; s2: { hosts = [\"s2\"]; to = [\"coap+tcp://10.9.1.2\"]; };\n" \
	"s3: { hosts = [\"s3\"]; to = [\"coap+tcp://10.9.1.3\"]; }; s4: { hosts = [\"s4\"]; to = [\"coap+tcp://10.9.1.4\"]; };\n" \
	"s5: { hosts = [\"s5\"]; to = [\"coap+tcp://10.9.1.5\"]; }; s6: { hosts = [\"s6\"]; to = [\"coap+tcp://10.9.1.6\"]; };\n"

enum { PLAIN = 1, OVER_CONNECTION = RELIABLE_CLIENTS };

static unsigned workers;

static int one(void **state)
{
	(void)state;
	workers = 1;
	return 0;
}

static int two(void **state)
{
	(void)state;
	workers = 2;
	return 0;
}

static void begin(const char *settings)
{
	workers_begin(workers, STREAMS, settings);
}

/* Uri-Host of a reliable origin that lives elsewhere, if there is an elsewhere. */
static const char *stream_host(void)
{
	static char option[16];

	for (unsigned n = 1; n <= 6; n++) {
		struct endpoint peer = origin_endpoint(n);

		peer.addr[14] = 1;
		peer.transport = URI_COAP_TCP;
		if (workers > 1 && n < 6 && origin_home(the.proxy[0], &peer) != 1)
			continue;
		snprintf(option, sizeof option, "3='s%u'", n);
		break;
	}
	return option;
}

static const char *with_host(const char *options)
{
	static char text[256];

	snprintf(text, sizeof text, "%s %s", stream_host(), options);
	return text;
}

static void ask_stream(unsigned client, enum msg_type type, uint8_t code, uint16_t token, const char *options, const char *payload)
{
	ask(0, client, type, code, token, 0, with_host(options), payload);
	settle();
}

/* A request of a client over a connection to a device of datagrams. */
static void ask_device(unsigned client, uint8_t code, uint16_t token, const char *options, const char *payload)
{
	ask(0, client, MSG_NON, code, token, origin_at(workers - 1, 1), options, payload);
	settle();
}

/* ---- requests and answers ---- */

static void from_a_connection_to_datagrams(void **state)
{
	const struct sent *s;

	(void)state;
	begin("");
	covers("C8323-3.2-2");
	ask_device(OVER_CONNECTION, CODE_PUT, 1, "11='a' 12=32", "body");
	s = next_to_origin();
	/* What came reliably goes on so: it is confirmable whatever it was. */
	is_message(s, MSG_CON, CODE_PUT, NULL, "body");
	answer(s, MSG_ACK, 0, CODE_CHANGED, "14=05", "done");
	settle();
	s = next_to_client();
	is_for(s, 0, OVER_CONNECTION, 1);
	is_message(s, MSG_NON, CODE_CHANGED, "14=05", "done");
	nothing_more();
	nothing_remains();
}

static void from_datagrams_to_a_connection(void **state)
{
	const struct sent *s;

	(void)state;
	begin("");
	ask_stream(PLAIN, MSG_CON, CODE_POST, 2, OSCORE, "sealed");
	s = next_to_origin();
	is_message(s, s->m.type, CODE_POST, NULL, "sealed"); /* the type is nobody's business there */
	assert_int_equal(s->peer.transport, URI_COAP_TCP);
	assert_int_equal(s->m.mid, 0);
	assert_int_equal(edge_says.connects, 1);
	answer(s, MSG_NON, 0, CODE_CHANGED, OSCORE, "sealed too");
	settle();
	s = next_to_client();
	is_for(s, 0, PLAIN, 2);
	is_message(s, MSG_ACK, CODE_CHANGED, "9=090a0b0c", "sealed too");
	nothing_more();
	nothing_remains();
}

/* The origin may take as long as one behind an Empty ACK; the client is told that his request has come. */
static void nothing_is_repeated_and_the_answer_waited_for(void **state)
{
	const struct sent *s;

	(void)state;
	begin("");
	ask_stream(PLAIN, MSG_CON, CODE_GET, 3, "11='a'", NULL);
	s = next_to_origin();
	pass_time(2 * CLOCK_SECOND);
	is_message(next_to_client(), MSG_ACK, CODE_EMPTY, NULL, NULL);
	pass_time(200 * CLOCK_SECOND);
	nothing_more();
	answer(s, MSG_NON, 0, CODE_CONTENT, "", "late");
	settle();
	is_message(next_to_client(), MSG_CON, CODE_CONTENT, NULL, "late");
	client_empty(0, PLAIN, MSG_ACK, the.to_client.all[the.to_client.count - 1].m.mid);
	nothing_more();
	nothing_remains();
}

static void silence_is_answered(void **state)
{
	(void)state;
	begin("");
	ask_stream(OVER_CONNECTION, MSG_NON, CODE_GET, 4, "11='a'", NULL);
	next_to_origin();
	pass_time(300 * CLOCK_SECOND);
	is_message(next_to_client(), MSG_NON, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	nothing_more();
	nothing_remains();
}

/* The same token again is another request; on a connection there are no duplicates. */
static void equal_requests_are_different_ones(void **state)
{
	const struct sent *first, *second;

	(void)state;
	begin("");
	covers("C8323-3.2-2 C8323-3.3-3 S-18");
	ask_device(OVER_CONNECTION, CODE_POST, 5, "11='a'", "x");
	first = next_to_origin();
	answer(first, MSG_ACK, 0, CODE_CHANGED, "", "one");
	settle();
	ask_device(OVER_CONNECTION, CODE_POST, 5, "11='a'", "x");
	second = next_to_origin();
	answer(second, MSG_ACK, 0, CODE_CHANGED, "", "two");
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CHANGED, NULL, "one");
	is_message(next_to_client(), MSG_NON, CODE_CHANGED, NULL, "two");
	/* Of two connections with one token each gets its own. */
	ask_device(OVER_CONNECTION, CODE_GET, 6, "11='a'", NULL);
	ask_device(OVER_CONNECTION + 1, CODE_GET, 6, "11='b'", NULL);
	first = next_to_origin();
	second = next_to_origin();
	answer(second, MSG_ACK, 0, CODE_CONTENT, "", "second");
	answer(first, MSG_ACK, 0, CODE_CONTENT, "", "first");
	settle();
	for (int i = 0; i < 2; i++) {
		const struct sent *s = next_to_client();
		bool is_first = s->m.payload_len == 5;

		is_for(s, 0, is_first ? OVER_CONNECTION : OVER_CONNECTION + 1, 6);
	}
	nothing_more();
	nothing_remains();
}

/* What does not belong to anything under way is thrown away: nobody can be reset. */
static void unknown_answers_are_ignored(void **state)
{
	const struct sent *s;
	struct sent foreign;
	struct endpoint other;

	(void)state;
	begin("");
	covers("C8323-7.2-1");
	ask_stream(PLAIN, MSG_CON, CODE_GET, 7, "11='a'", NULL);
	s = next_to_origin();
	answer(s, MSG_NON, 0, CODE_CONTENT, "", "answer");
	settle();
	next_to_client();
	answer(s, MSG_NON, 0, CODE_CONTENT, "", "again");
	foreign = *s;
	other = foreign.peer;
	other.addr[15]++;
	foreign.peer = other;
	ask_stream(PLAIN, MSG_CON, CODE_GET, 8, "11='a'", NULL);
	s = next_to_origin();
	foreign.m = s->m;
	answer(&foreign, MSG_NON, 0, CODE_CONTENT, "", "forged");
	settle();
	assert_int_equal(counted(COUNT_UNEXPECTED_RESPONSES), 2);
	assert_int_equal(counted(COUNT_FOREIGN_RESPONSES), 1);
	answer(s, MSG_NON, 0, CODE_CONTENT, "", "right");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "right");
	nothing_more();
	nothing_remains();
}

static void an_origin_that_asks_is_told_no(void **state)
{
	const struct sent *s, *no;

	(void)state;
	begin("");
	covers("C8323-3.3-4");
	ask_stream(PLAIN, MSG_CON, CODE_GET, 60, "11='a'", NULL);
	s = next_to_origin();
	origin_asks(s, CODE_GET, 0x1234, "11='x'");
	settle();
	no = next_to_origin();
	assert_int_equal(no->m.code, CODE_NOT_IMPLEMENTED);
	assert_int_equal(no->m.token_len, 2);
	assert_int_equal(no->m.token[0] << 8 | no->m.token[1], 0x1234);
	answer(s, MSG_NON, 0, CODE_CONTENT, "", "x");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "x");
	nothing_more();
	nothing_remains();
}

/* ---- connections that end ---- */

static void what_was_sent_gets_a_gateway_timeout(void **state)
{
	const struct sent *s;

	(void)state;
	begin("");
	covers("C8323-3.4-2 S-13");
	ask_stream(PLAIN, MSG_CON, CODE_GET, 9, "11='a'", NULL);
	ask_stream(PLAIN, MSG_CON, CODE_POST, 10, OSCORE, "sealed");
	s = next_to_origin();
	next_to_origin();
	origin_lost(s, ERR_UNREACHABLE, true);
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	is_message(next_to_client(), MSG_ACK, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	assert_int_equal(errors_of(ERR_ORIGIN_LOST), 2);
	nothing_more(); /* neither is sent again */
	nothing_remains();
}

static void what_was_not_gets_what_was_in_the_way(void **state)
{
	const struct sent *s;

	(void)state;
	begin("");
	ask_stream(OVER_CONNECTION, MSG_NON, CODE_GET, 11, "11='a'", NULL);
	s = next_to_origin();
	origin_lost(s, ERR_UNREACHABLE, false);
	settle();
	is_message(next_to_client(), MSG_NON, CODE_BAD_GATEWAY, NULL, NULL);
	edge_says.connects_fail = true;
	ask_stream(OVER_CONNECTION, MSG_NON, CODE_GET, 12, "11='a'", NULL);
	is_message(next_to_client(), MSG_NON, CODE_UNAVAILABLE, NULL, NULL);
	nothing_more();
	nothing_remains();
}

/* Behind the bound of what is asked at once requests wait; the loss of the connection is none of theirs. */
static void those_that_wait_go_on_by_another(void **state)
{
	const struct sent *s;

	(void)state;
	begin("upstream: { origin-window = 2; };");
	for (uint16_t token = 20; token < 25; token++)
		ask_stream(PLAIN, MSG_CON, CODE_GET, token, "11='a'", NULL);
	s = next_to_origin();
	next_to_origin();
	nothing_more();
	origin_lost(s, ERR_UNREACHABLE, true);
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	is_message(next_to_client(), MSG_ACK, CODE_GATEWAY_TIMEOUT, NULL, NULL);
	answer(next_to_origin(), MSG_NON, 0, CODE_CONTENT, "", "x");
	answer(next_to_origin(), MSG_NON, 0, CODE_CONTENT, "", "y");
	settle();
	answer(next_to_origin(), MSG_NON, 0, CODE_CONTENT, "", "z");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "x");
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "y");
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "z");
	nothing_more();
	nothing_remains();
}

static void a_client_that_leaves_gets_no_answer(void **state)
{
	const struct sent *s;

	(void)state;
	begin("");
	ask_device(OVER_CONNECTION, CODE_GET, 30, "11='a'", NULL);
	s = next_to_origin();
	client_gone(0, OVER_CONNECTION);
	settle();
	answer(s, MSG_ACK, 0, CODE_CONTENT, "", "late");
	settle();
	nothing_more();
	nothing_remains();
}

/* ---- observations ---- */

static const struct sent *observed(unsigned client, uint16_t token, const char *options, const char *back)
{
	const struct sent *s;

	ask_device(client, CODE_GET, token, options, NULL);
	s = next_to_origin();
	answer(s, MSG_ACK, 0, CODE_CONTENT, back, "first");
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "first");
	return s;
}

static void notifications_of_datagrams_go_over_the_connection(void **state)
{
	const struct sent *s, *n;

	(void)state;
	begin("");
	covers("C8323-7.1-2");
	s = observed(OVER_CONNECTION, 31, "6= 11='a'", "6=05");
	answer(s, MSG_CON, 100, CODE_CONTENT, "6=08", "newer");
	settle();
	is_message(next_to_origin(), MSG_ACK, CODE_EMPTY, NULL, NULL);
	answer(s, MSG_NON, 101, CODE_CONTENT, "6=07", "stale");
	answer(s, MSG_NON, 102, CODE_CONTENT, "6=09", "newest");
	settle();
	n = next_to_client();
	is_message(n, MSG_NON, CODE_CONTENT, NULL, "newer");
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "newest");
	assert_int_equal(counted(COUNT_STALE_NOTIFICATIONS), 1);
	/* It takes what it can; of the rest the newest is kept. */
	edge_says.slow = true;
	answer(s, MSG_CON, 103, CODE_CONTENT, "6=0a", "kept");
	answer(s, MSG_CON, 104, CODE_CONTENT, "6=0b", "kept instead");
	settle();
	is_message(next_to_origin(), MSG_ACK, CODE_EMPTY, NULL, NULL);
	nothing_more();
	edge_says.slow = false;
	client_writable(0, OVER_CONNECTION);
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, NULL, "kept instead");
	is_message(next_to_origin(), MSG_ACK, CODE_EMPTY, NULL, NULL);
	nothing_more();
	client_gone(0, OVER_CONNECTION);
	settle();
	is_message(next_to_origin(), MSG_CON, CODE_GET, NULL, NULL);
	origin_empty(&the.to_origin.all[the.to_origin.count - 1], MSG_ACK, the.to_origin.all[the.to_origin.count - 1].m.mid);
	pass_time(100 * CLOCK_SECOND);
	pass_time(200 * CLOCK_SECOND);
}

/* A client who leaves takes his observations with him: a plain one is cancelled by a request, what OSCORE protects by Reset when it speaks. */
static void the_end_of_a_connection_ends_its_observations(void **state)
{
	const struct sent *s, *c;

	(void)state;
	begin("");
	covers("C8323-7.4-2 C8323-3.4-2");
	observed(OVER_CONNECTION, 32, "6= 11='a'", "6=05");
	client_gone(0, OVER_CONNECTION);
	settle();
	c = next_to_origin();
	is_message(c, MSG_CON, CODE_GET, NULL, NULL);
	assert_int_equal(option_value(c, OPT_OBSERVE), 1);
	answer(c, MSG_ACK, 0, CODE_CONTENT, "", "bye");
	settle();
	s = observed(OVER_CONNECTION + 1, 33, "6= 9=090a", "6=05 9=");
	client_gone(0, OVER_CONNECTION + 1);
	settle();
	nothing_more();
	answer(s, MSG_CON, 105, CODE_CONTENT, "6=06 9=", "late");
	settle();
	is_message(next_to_origin(), MSG_RST, CODE_EMPTY, NULL, NULL);
	nothing_more();
	nothing_remains();
}

/* Towards datagrams the numbers are ours, whatever the origin wrote: it may write nothing. */
static void a_reliable_origin_need_not_count(void **state)
{
	const struct sent *s, *n;
	uint32_t before = 0;

	(void)state;
	begin("");
	covers("C8323-7.1-1 C8323-7.1-3 S-19");
	ask_stream(PLAIN, MSG_CON, CODE_GET, 34, "6= 11='a'", NULL);
	s = next_to_origin();
	answer(s, MSG_NON, 0, CODE_CONTENT, "6=", "first");
	settle();
	next_to_client();
	for (unsigned i = 0; i < 5; i++) {
		answer(s, MSG_NON, 0, CODE_CONTENT, "6=", "more");
		settle();
		n = next_to_client();
		is_message(n, MSG_NON, CODE_CONTENT, NULL, "more");
		assert_true(option_value(n, OPT_OBSERVE) > before);
		before = option_value(n, OPT_OBSERVE);
	}
	nothing_more();
	/* A Reset of the client becomes a request (RFC 8323 7.4). */
	client_empty(0, PLAIN, MSG_RST, n->m.mid);
	settle();
	s = next_to_origin();
	assert_int_equal(s->m.code, CODE_GET);
	assert_int_equal(option_value(s, OPT_OBSERVE), 1);
	answer(s, MSG_NON, 0, CODE_CONTENT, "", "bye");
	settle();
	nothing_more();
	nothing_remains();
}

/* What OSCORE protects cannot be cancelled by us: what comes is thrown away, and a connection that nobody else needs is closed. */
static void an_oscore_observation_is_dropped_in_silence(void **state)
{
	const struct sent *s, *n;

	(void)state;
	begin("");
	covers("S-5 C8323-7.4-1");
	ask_stream(PLAIN, MSG_CON, CODE_FETCH, 35, "6= 9=090a", "sealed");
	s = next_to_origin();
	answer(s, MSG_NON, 0, CODE_CONTENT, "6= 9=", "first");
	settle();
	next_to_client();
	answer(s, MSG_NON, 0, CODE_CONTENT, "6= 9=", "second");
	settle();
	n = next_to_client();
	client_empty(0, PLAIN, MSG_RST, n->m.mid);
	settle();
	assert_int_equal(edge_says.let_go, 1);
	answer(s, MSG_NON, 0, CODE_CONTENT, "6= 9=", "third");
	settle();
	nothing_more();
	/* Others need it: it stays. */
	ask_stream(PLAIN, MSG_CON, CODE_FETCH, 36, "6= 9=090a", "sealed");
	s = next_to_origin();
	answer(s, MSG_NON, 0, CODE_CONTENT, "6= 9=", "first");
	ask_stream(PLAIN, MSG_CON, CODE_GET, 37, "11='a'", NULL);
	next_to_client();
	answer(s, MSG_NON, 0, CODE_CONTENT, "6= 9=", "second");
	settle();
	client_empty(0, PLAIN, MSG_RST, next_to_client()->m.mid);
	settle();
	assert_int_equal(edge_says.let_go, 1);
	answer(next_to_origin(), MSG_NON, 0, CODE_CONTENT, "", "x");
	settle();
	is_message(next_to_client(), MSG_ACK, CODE_CONTENT, NULL, "x");
	nothing_more();
	nothing_remains();
}

static void observations_end_with_the_origins_connection(void **state)
{
	const struct sent *s, *n;

	(void)state;
	begin("");
	ask_stream(PLAIN, MSG_CON, CODE_GET, 38, "6= 11='a'", NULL);
	ask_stream(OVER_CONNECTION, MSG_NON, CODE_GET, 39, "6= 11='a'", NULL);
	s = next_to_origin();
	answer(s, MSG_NON, 0, CODE_CONTENT, "6=", "first");
	answer(next_to_origin(), MSG_NON, 0, CODE_CONTENT, "6=", "first");
	settle();
	next_to_client();
	next_to_client();
	origin_lost(s, ERR_UNREACHABLE, true);
	settle();
	for (int i = 0; i < 2; i++) {
		n = next_to_client();
		assert_int_equal(n->m.code, CODE_GATEWAY_TIMEOUT);
		assert_false(has_option(n, OPT_OBSERVE));
		if (n->m.type == MSG_CON)
			client_empty(0, PLAIN, MSG_ACK, n->m.mid);
	}
	nothing_more();
	nothing_remains();
}

/* The same token with Observe 1, over the same connection. */
static void a_client_cancels_by_a_request(void **state)
{
	const struct sent *s;

	(void)state;
	begin("");
	covers("C8323-7.4-1");
	observed(OVER_CONNECTION, 40, "6= 11='a'", "6=05");
	ask_device(OVER_CONNECTION, CODE_GET, 40, "6=01 11='a'", NULL);
	s = next_to_origin();
	assert_int_equal(option_value(s, OPT_OBSERVE), 1);
	answer(s, MSG_ACK, 0, CODE_CONTENT, "", "bye");
	settle();
	is_message(next_to_client(), MSG_NON, CODE_CONTENT, "", "bye");
	nothing_more();
	nothing_remains();
}

/* ---- names ---- */

/* Two names at one address are two origins, and the name goes along to its home. */
static void origins_are_known_by_their_names(void **state)
{
	const struct sent *first, *second;

	(void)state;
	workers_begin(workers, "a: { hosts = [\"a\"]; to = [\"coap+ws://10.9.1.1\"]; }; b: { hosts = [\"b\"]; to = [\"coap+ws://10.9.1.1\"]; };\n"
		"c: { hosts = [\"c\"]; to = [\"coap+ws://10.9.1.1:81\"]; };\n", "");
	ask(0, PLAIN, MSG_CON, CODE_GET, 50, 0, "3='a' 11='a'", NULL);
	ask(0, PLAIN, MSG_CON, CODE_GET, 51, 0, "3='b' 11='a'", NULL);
	settle();
	first = next_to_origin();
	second = next_to_origin();
	assert_true(edge_says.named);
	assert_true(endpoint_equal(&first->peer, &second->peer)); /* by one name */
	assert_true(first->peer.session != 0 && !edge_is_clients_session(&first->peer));
	answer(first, MSG_NON, 0, CODE_CONTENT, "", "x");
	answer(second, MSG_NON, 0, CODE_CONTENT, "", "y");
	settle();
	next_to_client();
	next_to_client();
	nothing_more();
	nothing_remains();
}

#define BOTH(f) cmocka_unit_test_setup_teardown(f, one, workers_tear_down), cmocka_unit_test_setup_teardown(f, two, workers_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(from_a_connection_to_datagrams), BOTH(from_datagrams_to_a_connection), BOTH(nothing_is_repeated_and_the_answer_waited_for),
		BOTH(silence_is_answered), BOTH(equal_requests_are_different_ones), BOTH(unknown_answers_are_ignored),
		BOTH(an_origin_that_asks_is_told_no), BOTH(what_was_sent_gets_a_gateway_timeout), BOTH(what_was_not_gets_what_was_in_the_way), BOTH(those_that_wait_go_on_by_another),
		BOTH(a_client_that_leaves_gets_no_answer), BOTH(notifications_of_datagrams_go_over_the_connection),
		BOTH(the_end_of_a_connection_ends_its_observations), BOTH(a_reliable_origin_need_not_count),
		BOTH(an_oscore_observation_is_dropped_in_silence), BOTH(observations_end_with_the_origins_connection),
		BOTH(a_client_cancels_by_a_request), BOTH(origins_are_known_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
