/* objects: DTLS_OBJS TLS_OBJS BASE_OBJS base/clock_steered.o base/random_seeded.o COAP_OBJS proxy/edge/traits.o proxy/http/material.o proxy/exchange/house.o tests/unit/certificates.o tests/unit/dtls_world.o */
/* What a network and its strangers do to clients' sessions: datagrams that are lost, doubled, late, cut and changed, and junk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/random.h"
#include "tests/unit/certificates.h"
#include "tests/unit/dtls_meters.h"
#include "tests/unit/runs.h"

enum { RECORD = 13, MESSAGE = 12, SMALL_MTU = 576, IPV4_UDP = 28 };

static struct made_certificate authority, gateway, device;

static int begin_all(void **state)
{
	(void)state;
	log_open(-1, LOG_LEVEL_ERROR);
	certificate_make(&authority, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&gateway, "gw.example", "DNS:gw.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	certificate_make(&device, "ignored", "URI:urn:dev:mac:1", false, &authority, CERTIFICATE_GOOD_DAYS);
	return 0;
}

static int end_all(void **state)
{
	(void)state;
	certificate_free(&authority);
	certificate_free(&gateway);
	certificate_free(&device);
	return 0;
}

/* ---- the network ---- */

static unsigned number, chosen;

static unsigned lose_chosen(const struct world_datagram *d)
{
	(void)d;
	return number++ == chosen ? 0 : 1;
}

static unsigned lose_many(const struct world_datagram *d)
{
	(void)d;
	return random_below(100) < 40 ? 0 : 1;
}

static unsigned double_all(const struct world_datagram *d)
{
	(void)d;
	return 2;
}

static void test_a_handshake_survives_the_loss_of_any_datagram(void **state)
{
	(void)state;
	for (chosen = 0; chosen < 8; chosen++) {
		struct bare b;

		meter(&b, (uint16_t)(1000 + chosen), METER_KEY);
		number = 0;
		world_fate = lose_chosen;
		bare_start(&b);
		bare_wait(&b, 20 * CLOCK_SECOND);
		assert_true(bare_is_open(&b));
		world_fate = NULL;
		assert_talks(&b);
		bare_free(&b);
	}
	assert_int_equal(dtls_handshake_count(), 0);
}

static void test_a_handshake_survives_much_loss_and_everything_twice(void **state)
{
	unsigned opened = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct bare b;

		meter(&b, (uint16_t)(1000 + i), METER_KEY);
		world_fate = i < 10 ? lose_many : double_all;
		bare_start(&b);
		bare_wait(&b, (i < 10 ? 29 : 5) * CLOCK_SECOND);
		world_fate = NULL;
		opened += bare_is_open(&b);
		if (i >= 10)
			assert_talks(&b);
		bare_free(&b);
	}
	assert_true(opened >= 14);
}

/* The flights of a handshake by certificates, in small datagrams that arrive the last first. */
static void test_a_handshake_survives_every_order_at_a_small_mtu(void **state)
{
	struct world_files f = { .certificate = gateway.certificate_pem, .key = gateway.key_pem, .client_ca = authority.certificate_pem,
		.client_certificate = true };
	struct bare b;
	size_t most = 0;

	(void)state;
	world.conf.settings.transports_mtu = SMALL_MTU;
	assert_int_equal(world_use(&f), 0);
	bare_client(&b, "198.51.100.7", 1000, "ECDHE-ECDSA-AES128-GCM-SHA256");
	SSL_CTX_use_certificate(b.context, device.certificate);
	SSL_CTX_use_PrivateKey(b.context, device.key);
	b.mtu = SMALL_MTU;
	bare_start(&b);
	for (unsigned rounds = 0; rounds < 300 && !(bare_is_open(&b) && dtls_session_count() == 1); rounds++) {
		most = world_queued > most ? world_queued : most;
		while (world_queued > 0) {
			const struct world_datagram *d = world_take(world_queued - 1);

			assert_true(d->len <= SMALL_MTU - IPV4_UDP);
			world_arrive(d);
		}
		world_wait(CLOCK_SECOND / 10);
		DTLSv1_handle_timeout(b.ssl);
	}
	assert_true(most >= 3);
	assert_true(bare_is_open(&b));
	assert_string_equal(world_last(TOLD_SESSION)->name, "urn:dev:mac:1");
	world_run();
	assert_talks(&b);
	bare_free(&b);
}

/* A ClientHello in two records, each in a datagram. */
static void split(const struct world_datagram *whole, size_t first_len, struct world_datagram *one, struct world_datagram *two)
{
	size_t body = whole->len - RECORD - MESSAGE, rest = body - first_len;

	*one = *two = *whole;
	one->len = RECORD + MESSAGE + first_len;
	one->bytes[11] = (uint8_t)((MESSAGE + first_len) >> 8);
	one->bytes[12] = (uint8_t)(MESSAGE + first_len);
	one->bytes[RECORD + 10] = (uint8_t)(first_len >> 8);
	one->bytes[RECORD + 11] = (uint8_t)first_len;
	two->len = RECORD + MESSAGE + rest;
	two->bytes[10] = (uint8_t)(two->bytes[10] + 20); /* record number: none that the client will use, near enough for windows of 32 */
	two->bytes[11] = (uint8_t)((MESSAGE + rest) >> 8);
	two->bytes[12] = (uint8_t)(MESSAGE + rest);
	two->bytes[RECORD + 7] = (uint8_t)(first_len >> 8);
	two->bytes[RECORD + 8] = (uint8_t)first_len;
	two->bytes[RECORD + 10] = (uint8_t)(rest >> 8);
	two->bytes[RECORD + 11] = (uint8_t)rest;
	memcpy(two->bytes + RECORD + MESSAGE, whole->bytes + RECORD + MESSAGE + first_len, rest);
}

static void test_a_hello_in_fragments_is_understood_if_its_cookie_is_in_the_first(void **state)
{
	struct world_datagram whole, one, two;
	struct bare b;

	(void)state;
	meter(&b, 1000, METER_KEY);
	whole = hello_with_cookie(&b);
	for (size_t len = 1; len < 2 + 32 + 1 + 1 + 8; len++) {
		split(&whole, len, &one, &two);
		world_arrive(&one);
		world_arrive(&two);
		assert_int_equal(dtls_handshake_count(), 0);
	}
	split(&whole, 60, &one, &two);
	world_arrive(&two);
	assert_int_equal(dtls_handshake_count(), 0);
	world_forget_datagrams();
	world_arrive(&one);
	assert_int_equal(dtls_handshake_count(), 1);
	world_arrive(&two);
	world_run();
	assert_true(bare_is_open(&b));
	assert_talks(&b);
	bare_free(&b);
}

/* ---- records ---- */

static void test_what_was_changed_cut_or_repeated_is_dropped_without_a_word(void **state)
{
	struct world_datagram good, bad;
	struct bare b;

	(void)state;
	connect_meter(&b, 1000);
	bare_send(&b, "request", 7);
	good = *world_take(0);
	for (size_t bit = 0; bit < 8 * good.len; bit++) {
		bad = good;
		bad.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		world_arrive(&bad);
	}
	for (size_t len = 0; len < good.len; len++) {
		bad = good;
		bad.len = len;
		world_arrive(&bad);
	}
	assert_int_equal(world_count(TOLD_MESSAGE), 0);
	assert_int_equal(world_queued, 0);
	assert_true(world.metrics.count[COUNT_RECORDS_DROPPED] >= 8 * 20);
	world_arrive(&good);
	assert_int_equal(world_count(TOLD_MESSAGE), 1);
	world_arrive(&good);
	assert_int_equal(world_count(TOLD_MESSAGE), 1);
	assert_talks(&b);
	bare_free(&b);
}

static void test_several_records_of_a_datagram_are_read(void **state)
{
	struct world_datagram both;
	struct bare b;

	(void)state;
	connect_meter(&b, 1000);
	bare_send(&b, "one", 3);
	bare_send(&b, "three", 5);
	both = *world_take(0);
	memcpy(both.bytes + both.len, world_queue[0].bytes, world_queue[0].len);
	both.len += world_queue[0].len;
	world_forget_datagrams();
	world_arrive(&both);
	assert_int_equal(world_count(TOLD_MESSAGE), 2);
	assert_int_equal(world_last(TOLD_MESSAGE)->len, 5);
	assert_talks(&b);
	bare_free(&b);
}

/* An alert in the clear may come from anybody. */
static void test_a_forged_alert_ends_no_session(void **state)
{
	static const uint8_t alert[] = { 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40 };
	struct bare b;

	(void)state;
	connect_meter(&b, 1000);
	world_inject(&b.at, alert, sizeof alert);
	world_run();
	assert_int_equal(world_count(TOLD_GONE), 0);
	assert_talks(&b);
	bare_free(&b);
}

static void test_junk_of_every_kind_is_dropped(void **state)
{
	struct endpoint stranger = world_peer("198.51.100.9", 4000);
	uint8_t junk[1500];
	struct bare b;

	(void)state;
	connect_meter(&b, 1000);
	world_sent = 0;
	for (unsigned i = 0; i < runs_of(20000); i++) {
		size_t len = random_below(i % 10 == 0 ? sizeof junk : 80);

		random_bytes(junk, len);
		if (i % 2 == 0 && len >= 14) { /* like a record */
			junk[0] = (uint8_t)(20 + random_below(4));
			junk[1] = 0xfe;
			junk[2] = 0xfd;
			junk[3] = 0;
			junk[4] = (uint8_t)random_below(2);
			junk[11] = (uint8_t)((len - 13) >> 8);
			junk[12] = (uint8_t)(len - 13);
			junk[13] = (uint8_t)random_below(3);
		}
		world_inject(i % 3 == 0 ? &b.at : &stranger, junk, len);
		world_run();
	}
	assert_int_equal(world_count(TOLD_MESSAGE) + world_count(TOLD_GONE), 0);
	assert_int_equal(dtls_handshake_count(), 0);
	assert_int_equal(world_sent, 0);
	assert_talks(&b);
	bare_free(&b);
}

static void test_what_was_truncated_or_sent_to_a_group_is_dropped(void **state)
{
	struct local_address group = { .addr = { 0xff, 0x02, [15] = 0xfd } };
	struct world_datagram good;
	struct bare b;

	(void)state;
	connect_meter(&b, 1000);
	bare_send(&b, "request", 7);
	good = *world_take(0);
	dtls_datagram(WORLD_SLOT, &good.from, &good.local, good.bytes, good.len, false);
	dtls_datagram(WORLD_SLOT, &good.from, &group, good.bytes, good.len, true);
	assert_int_equal(world_count(TOLD_MESSAGE), 0);
	assert_int_equal(world.metrics.count[COUNT_RECORDS_DROPPED], 2);
	world_arrive(&good);
	assert_int_equal(world_count(TOLD_MESSAGE), 1);
	bare_free(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_with_meters, end_with_meters)
	const struct CMUnitTest tests[] = {
		TEST(test_a_handshake_survives_the_loss_of_any_datagram),
		TEST(test_a_handshake_survives_much_loss_and_everything_twice),
		TEST(test_a_handshake_survives_every_order_at_a_small_mtu),
		TEST(test_a_hello_in_fragments_is_understood_if_its_cookie_is_in_the_first),
		TEST(test_what_was_changed_cut_or_repeated_is_dropped_without_a_word),
		TEST(test_several_records_of_a_datagram_are_read),
		TEST(test_a_forged_alert_ends_no_session),
		TEST(test_junk_of_every_kind_is_dropped),
		TEST(test_what_was_truncated_or_sent_to_a_group_is_dropped),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
