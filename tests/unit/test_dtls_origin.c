/* objects: DTLS_OBJS TLS_OBJS BASE_OBJS base/clock_steered.o base/random_seeded.o COAP_OBJS proxy/edge/traits.o proxy/http/material.o proxy/exchange/house.o tests/unit/certificates.o tests/unit/dtls_world.o */
/* Sessions towards origins: those of OpenSSL alone, and the gateway's own listener. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/certificates.h"
#include "tests/unit/covers.h"
#include "tests/unit/dtls_world.h"

enum { SLOT = 5, OTHER_SLOT = 6 };

static struct made_certificate authority, foreign, origin, other, expired, unknown;
static const char hex[] = "000102030405060708090a0b0c0d0e0f", other_hex[] = "101112131415161718191a1b1c1d1e1f";
static const char ours[] = "gw:000102030405060708090a0b0c0d0e0f\ngw-2:101112131415161718191a1b1c1d1e1f\n";
static const char ciphers[] = "PSK-AES128-CCM8:ECDHE-ECDSA-AES128-GCM-SHA256";

static int begin_all(void **state)
{
	(void)state;
	log_open(-1, LOG_LEVEL_ERROR);
	certificate_make(&authority, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&foreign, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&origin, "ignored", "DNS:origin.example, IP:192.0.2.50", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&other, "ignored", "DNS:other.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&expired, "ignored", "DNS:origin.example", false, &authority, CERTIFICATE_EXPIRED);
	certificate_make(&unknown, "ignored", "DNS:origin.example", false, &foreign, CERTIFICATE_GOOD_DAYS);
	return 0;
}

static int end_all(void **state)
{
	struct made_certificate *all[] = { &authority, &foreign, &origin, &other, &expired, &unknown };

	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		certificate_free(all[i]);
	return 0;
}

static int begin(void **state)
{
	struct world_files f = { .psk = ours, .up_psk = ours, .up_ca = authority.certificate_pem };

	(void)state;
	world_begin();
	return world_use(&f);
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* The origin's endpoint, as the layer above names it. */
static struct endpoint named(const char *address, uint64_t session)
{
	struct endpoint e = world_peer(address, WORLD_PORT);

	e.transport = URI_COAPS;
	e.session = session;
	return e;
}

static void serve(struct bare *b, const struct made_certificate *own)
{
	bare_server(b, "192.0.2.50", WORLD_PORT, ciphers);
	bare_key(b, "gw", hex);
	if (own != NULL) {
		SSL_CTX_use_certificate(b->context, own->certificate);
		SSL_CTX_use_PrivateKey(b->context, own->key);
	}
	bare_start(b);
}

static int open_to(const struct endpoint *to, const char *host, const char *identity)
{
	return dtls_connect_origin(SLOT, to, &(struct edge_credentials){ host, identity });
}

static void send_text(const struct endpoint *to, const char *text)
{
	dtls_send_origin(SLOT, to, (const uint8_t *)text, strlen(text));
}

static void assert_lost(const struct endpoint *to, enum error e, bool sent)
{
	assert_int_equal(world_count(TOLD_LOST), 1);
	assert_true(endpoint_equal(&world_last(TOLD_LOST)->peer, to));
	assert_int_equal(world_last(TOLD_LOST)->slot, SLOT);
	assert_int_equal(world_last(TOLD_LOST)->error, e);
	assert_int_equal(world_last(TOLD_LOST)->sent, sent);
}

/* A session with an origin that has our key. */
static struct endpoint session_with(struct bare *b)
{
	struct endpoint to = named("192.0.2.50", 77);

	serve(b, NULL);
	assert_int_equal(open_to(&to, "origin.example", "gw"), 0);
	world_run();
	return to;
}

/* ---- messages ---- */

static void test_the_gateway_speaks_with_itself(void **state)
{
	struct endpoint to = named("192.0.2.1", 77);

	(void)state;
	assert_int_equal(open_to(&to, "gw.example", "gw"), 0);
	send_text(&to, "request");
	world_run();
	assert_int_equal(world_count(TOLD_SESSION), 1);
	assert_string_equal(world_last(TOLD_SESSION)->name, "gw");
	assert_string_equal(dtls_client_host(&world_last(TOLD_SESSION)->peer), "gw.example");
	assert_int_equal(world_count(TOLD_MESSAGE), 1);
	assert_memory_equal(world_last(TOLD_MESSAGE)->bytes, "request", 7);
	dtls_send_client(&world_last(TOLD_SESSION)->peer, (const uint8_t *)"answer", 6);
	world_run();
	assert_int_equal(world_count(TOLD_ANSWER), 1);
	assert_memory_equal(world_last(TOLD_ANSWER)->bytes, "answer", 6);
	assert_true(endpoint_equal(&world_last(TOLD_ANSWER)->peer, &to));
	assert_int_equal(world_last(TOLD_ANSWER)->slot, SLOT);
}

static void test_messages_wait_for_the_handshake_each_once_and_in_order(void **state)
{
	struct endpoint to = named("192.0.2.1", 77);

	(void)state;
	assert_int_equal(open_to(&to, "192.0.2.1", "gw"), 0);
	assert_int_equal(open_to(&to, "192.0.2.1", "gw"), 0); /* it is being opened already */
	send_text(&to, "one");
	send_text(&to, "two");
	send_text(&to, "one"); /* a repeat */
	send_text(&to, "three");
	world_run();
	assert_int_equal(world_count(TOLD_MESSAGE), 3);
	assert_memory_equal(world_notes[world_told - 3].bytes, "one", 3);
	assert_memory_equal(world_notes[world_told - 2].bytes, "two", 3);
	assert_memory_equal(world_notes[world_told - 1].bytes, "three", 5);
	send_text(&to, "one");
	world_run();
	assert_int_equal(world_count(TOLD_MESSAGE), 4);
	assert_int_equal(world_count(TOLD_SESSION), 1);
}

static void test_what_waits_has_a_bound(void **state)
{
	struct endpoint to = named("192.0.2.1", 77);
	static uint8_t message[2000];

	(void)state;
	assert_int_equal(open_to(&to, "192.0.2.1", "gw"), 0);
	for (unsigned i = 0; i < 200; i++) {
		message[0] = (uint8_t)i;
		dtls_send_origin(SLOT, &to, message, i % 2 == 0 ? sizeof message : 10);
	}
	world_run();
	assert_true(world_count(TOLD_MESSAGE) <= 64);
	assert_true(world_count(TOLD_MESSAGE) >= 32);
	assert_true(world.metrics.count[COUNT_SEND_FAILED] > 0);
}

/* ---- who is there ---- */

static void test_an_origin_must_be_who_is_asked(void **state)
{
	const struct {
		const struct made_certificate *own;
		const char *host;
		bool good;
	} cases[] = { { &origin, "origin.example", true }, { &origin, "origin.example.", true }, { &origin, "192.0.2.50", true },
		{ &origin, "192.0.2.51", false }, { &origin, "example", false }, { &origin, "ignored", false }, { &other, "origin.example", false },
		{ &expired, "origin.example", false }, { &unknown, "origin.example", false } };

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct endpoint to = named("192.0.2.50", 77 + i);
		struct bare b;

		world_told = 0;
		serve(&b, cases[i].own);
		assert_int_equal(open_to(&to, cases[i].host, ""), 0);
		send_text(&to, "request");
		world_run();
		if (cases[i].good) {
			assert_int_equal(b.messages, 1);
			assert_int_equal(world_count(TOLD_LOST), 0);
		} else {
			assert_int_equal(b.messages, 0);
			assert_lost(&to, ERR_UNREACHABLE, false);
		}
		dtls_let_origin_go(SLOT, &to);
		world_wait(CLOCK_SECOND);
		world_forget_datagrams();
		bare_free(&b);
	}
}

static void test_a_key_is_shown_by_its_identity(void **state)
{
	struct endpoint to = named("192.0.2.50", 77);
	struct bare b;

	(void)state;
	serve(&b, &origin);
	assert_int_equal(open_to(&to, "origin.example", "no-such"), -1);
	assert_int_equal(open_to(&to, "", "gw"), -1);
	assert_int_equal(open_to(&to, "origin.example", "gw"), 0);
	send_text(&to, "request");
	world_run();
	assert_int_equal(b.messages, 1);
	assert_string_equal(SSL_get_cipher(b.ssl), "PSK-AES128-CCM8");
	bare_free(&b);
}

static void test_a_wrong_key_opens_nothing(void **state)
{
	struct endpoint to = named("192.0.2.50", 77);
	struct bare b;

	(void)state;
	serve(&b, NULL);
	bare_key(&b, "gw", other_hex);
	assert_int_equal(open_to(&to, "origin.example", "gw"), 0);
	send_text(&to, "request");
	world_run();
	world_wait(10 * CLOCK_SECOND);
	assert_int_equal(b.messages, 0);
	assert_lost(&to, ERR_UNREACHABLE, false);
	bare_free(&b);
}

/* Two names at one address are two sessions, each by the name it asks for (RFC 7252 9.1.3), from ports of their own. */
static void test_two_names_at_one_address_are_two_sessions(void **state)
{
	struct endpoint one = named("192.0.2.50", 77), two = named("192.0.2.50", 78);
	unsigned first;
	struct bare b;

	(void)state;
	covers("C7252-9.1-2");
	serve(&b, &origin);
	assert_int_equal(open_to(&one, "origin.example", ""), 0);
	first = world_queue[0].slot;
	world_run();
	assert_string_equal(b.host, "origin.example");
	assert_int_equal(first, SLOT);
	assert_int_equal(open_to(&two, "other.example", ""), 0);
	assert_int_not_equal(world_queue[0].slot, first);
	SSL_CTX_use_certificate(b.context, other.certificate);
	SSL_CTX_use_PrivateKey(b.context, other.key);
	bare_start(&b);
	send_text(&two, "request");
	world_run();
	assert_string_equal(b.host, "other.example");
	assert_int_equal(b.messages, 1);
	bare_send(&b, "answer", 6);
	world_run();
	assert_true(endpoint_equal(&world_last(TOLD_ANSWER)->peer, &two));
	assert_int_equal(world_last(TOLD_ANSWER)->slot, SLOT);
	bare_free(&b);
}

/* ---- the end ---- */

static void test_the_origin_says_goodbye(void **state)
{
	struct bare b;
	struct endpoint to = session_with(&b);

	(void)state;
	send_text(&to, "request");
	world_run();
	SSL_shutdown(b.ssl);
	world_run();
	assert_lost(&to, ERR_UNREACHABLE, true);
	assert_int_equal(SSL_get_shutdown(b.ssl), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	/* a new one can be opened */
	bare_start(&b);
	assert_int_equal(open_to(&to, "origin.example", "gw"), 0);
	send_text(&to, "again");
	world_run();
	assert_int_equal(b.messages, 2);
	bare_free(&b);
}

static void test_an_origin_that_is_let_go_is_told_and_nobody_else(void **state)
{
	struct bare b;
	struct endpoint to = session_with(&b);

	(void)state;
	dtls_let_origin_go(SLOT, &to);
	send_text(&to, "late");
	world_wait(CLOCK_SECOND);
	world_run();
	assert_true(SSL_get_shutdown(b.ssl) & SSL_RECEIVED_SHUTDOWN);
	assert_int_equal(world_count(TOLD_LOST), 0);
	assert_int_equal(b.messages, 0);
	bare_free(&b);
}

static void test_an_origin_that_is_let_go_and_wanted_at_once_is_opened_anew(void **state)
{
	struct bare b;
	struct endpoint to = session_with(&b);

	(void)state;
	dtls_let_origin_go(SLOT, &to);
	assert_int_equal(open_to(&to, "origin.example", "gw"), 0);
	send_text(&to, "again");
	world_arrive(world_take(0)); /* close_notify */
	bare_start(&b);
	world_run();
	assert_int_equal(b.messages, 1);
	assert_int_equal(world_count(TOLD_LOST), 0);
	bare_free(&b);
}

static void test_a_silent_origin_is_asked_again_and_then_given_up(void **state)
{
	struct endpoint to = named("192.0.2.50", 77);

	(void)state;
	assert_int_equal(open_to(&to, "origin.example", "gw"), 0);
	send_text(&to, "request");
	assert_int_equal(world_queued, 1);
	world_wait(900 * CLOCK_MS);
	assert_int_equal(world_queued, 1);
	world_wait(200 * CLOCK_MS);
	assert_int_equal(world_queued, 2);
	world_wait(2 * CLOCK_SECOND);
	assert_int_equal(world_queued, 3);
	assert_int_equal(world_count(TOLD_LOST), 0);
	world_wait(2 * CLOCK_SECOND);
	assert_lost(&to, ERR_UNREACHABLE, false);
	world_forget_datagrams();
}

static void test_the_network_says_that_nobody_is_there(void **state)
{
	struct endpoint to = named("192.0.2.50", 77), plain = world_peer("192.0.2.50", WORLD_PORT);
	struct bare b;

	(void)state;
	assert_int_equal(open_to(&to, "origin.example", "gw"), 0);
	dtls_origin_unreachable(OTHER_SLOT, &plain);
	dtls_origin_unreachable(SLOT, &plain);
	assert_int_equal(world_count(TOLD_LOST), 0); /* later */
	world_wait(CLOCK_MS * 10);
	assert_lost(&to, ERR_UNREACHABLE, false);
	world_forget_datagrams();
	/* of an open session anybody could say so */
	to = session_with(&b);
	dtls_origin_unreachable(SLOT, &plain);
	world_wait(CLOCK_SECOND);
	assert_int_equal(world_count(TOLD_LOST), 1);
	send_text(&to, "request");
	world_run();
	assert_int_equal(b.messages, 1);
	bare_free(&b);
}

static void test_an_unused_session_ends_in_peace(void **state)
{
	struct bare b;
	struct endpoint to = session_with(&b);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		world_wait(250 * CLOCK_SECOND);
		send_text(&to, "request");
		world_run();
		bare_send(&b, "answer", 6);
		world_run();
	}
	assert_int_equal(world_count(TOLD_ANSWER), 4);
	assert_int_equal(world_count(TOLD_LOST), 0);
	world_wait(305 * CLOCK_SECOND);
	world_run();
	assert_lost(&to, ERR_ORIGIN_TIMEOUT, true);
	assert_true(SSL_get_shutdown(b.ssl) & SSL_RECEIVED_SHUTDOWN);
	bare_free(&b);
}

/* It has forgotten the session and drops whatever comes: a new one has to be opened, though it is asked again and again. */
static void test_an_origin_that_has_lost_the_session_is_found_out(void **state)
{
	struct bare b;
	struct endpoint to = session_with(&b);

	(void)state;
	bare_start(&b);
	for (unsigned i = 0; i < 9; i++) {
		send_text(&to, "request");
		world_wait(10 * CLOCK_SECOND);
		world_forget_datagrams();
	}
	assert_int_equal(world_count(TOLD_LOST), 0);
	send_text(&to, "request");
	world_wait(4 * CLOCK_SECOND);
	assert_lost(&to, ERR_ORIGIN_TIMEOUT, true);
	world_forget_datagrams();
	bare_free(&b);
}

/* ---- what is not the session's ---- */

static void test_nothing_counts_that_is_not_of_the_session(void **state)
{
	static const uint8_t answer[] = { 0x60, 0x45, 0x12, 0x34 }, ping[] = { 0x40, 0, 0, 1 };
	struct endpoint from = world_peer("192.0.2.50", WORLD_PORT);
	struct world_datagram good;
	struct bare b;

	(void)state;
	covers("C7252-9.1-1");
	assert_false(dtls_is_datagram(answer, sizeof answer)); /* a plain one belongs to no session */
	assert_false(dtls_is_datagram(ping, sizeof ping));
	assert_false(dtls_is_datagram(answer, 0));
	(void)session_with(&b);
	bare_send(&b, "answer", 6);
	good = *world_take(0);
	assert_true(dtls_is_datagram(good.bytes, good.len));
	dtls_origin_datagram(OTHER_SLOT, &from, good.bytes, good.len, true);
	dtls_origin_datagram(SLOT, &from, good.bytes, good.len, false);
	from.port++;
	dtls_origin_datagram(SLOT, &from, good.bytes, good.len, true);
	from.port--;
	for (size_t bit = 0; bit < 8 * good.len; bit++) {
		good.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		dtls_origin_datagram(SLOT, &from, good.bytes, good.len, true);
		good.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(world_count(TOLD_ANSWER) + world_count(TOLD_LOST), 0);
	dtls_origin_datagram(SLOT, &from, good.bytes, good.len, true);
	assert_int_equal(world_count(TOLD_ANSWER), 1);
	dtls_origin_datagram(SLOT, &from, good.bytes, good.len, true);
	assert_int_equal(world_count(TOLD_ANSWER), 1);
	bare_free(&b);
}

/* An origin that begins to negotiate anew is refused: there is one epoch of messages in a session. */
static void test_an_origin_cannot_begin_another_epoch(void **state)
{
	struct bare b;

	(void)state;
	covers("C7252-9.1-1");
	(void)session_with(&b);
	assert_int_equal(SSL_renegotiate(b.ssl), 1);
	SSL_do_handshake(b.ssl);
	world_run();
	world_wait(3 * CLOCK_SECOND);
	for (size_t i = 0; i < world_queued; i++)
		assert_true(world_queue[i].bytes[4] <= 1); /* the epoch */
	assert_int_equal(world_count(TOLD_ANSWER), 0);
	world_forget_datagrams();
	bare_free(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_the_gateway_speaks_with_itself),
		TEST(test_messages_wait_for_the_handshake_each_once_and_in_order),
		TEST(test_what_waits_has_a_bound),
		TEST(test_an_origin_must_be_who_is_asked),
		TEST(test_a_key_is_shown_by_its_identity),
		TEST(test_a_wrong_key_opens_nothing),
		TEST(test_two_names_at_one_address_are_two_sessions),
		TEST(test_the_origin_says_goodbye),
		TEST(test_an_origin_that_is_let_go_is_told_and_nobody_else),
		TEST(test_an_origin_that_is_let_go_and_wanted_at_once_is_opened_anew),
		TEST(test_a_silent_origin_is_asked_again_and_then_given_up),
		TEST(test_the_network_says_that_nobody_is_there),
		TEST(test_an_unused_session_ends_in_peace),
		TEST(test_an_origin_that_has_lost_the_session_is_found_out),
		TEST(test_nothing_counts_that_is_not_of_the_session),
		TEST(test_an_origin_cannot_begin_another_epoch),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
