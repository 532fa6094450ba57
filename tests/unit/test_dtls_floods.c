/* objects: DTLS_OBJS TLS_OBJS BASE_OBJS base/clock_steered.o base/random_seeded.o COAP_OBJS proxy/edge/traits.o proxy/http/material.o proxy/exchange/house.o tests/unit/certificates.o tests/unit/dtls_world.o */
/* Those who do not exist, and those who are many: forged sources, cookies, and limits of sessions and handshakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <string.h>

#include "tests/unit/dtls_meters.h"

enum { FLOOD = 100000, RECORD = 13, MESSAGE = 12 };

/* ---- forged sources ---- */

static void test_a_flood_of_forged_hellos_leaves_no_trace(void **state)
{
	struct world_datagram hello;
	struct bare real, late;
	size_t before;

	(void)state;
	connect_meter(&real, 1000);
	meter(&late, 1001, METER_KEY);
	bare_start(&late);
	hello = *world_take(0);
	world_arrive(&hello);
	world_forget_datagrams();
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (uint32_t i = 0; i < FLOOD; i++) {
		memcpy(hello.from.addr + 12, &i, sizeof i);
		hello.from.port = (uint16_t)(1024 + i % 60000);
		memcpy(hello.bytes + RECORD + MESSAGE + 2, &i, sizeof i); /* random */
		world_arrive(&hello);
		assert_int_equal(world_queued, 1);
		assert_true(world_queue[0].len < hello.len); /* nobody is flooded by us */
		world_forget_datagrams();
		if (i % 10000 == 0)
			assert_talks(&real);
	}
	assert_int_equal(dtls_session_count(), 1);
	assert_int_equal(dtls_handshake_count(), 0);
	assert_true(mallinfo2().uordblks + mallinfo2().hblkhd < before + 65536);
	bare_start(&late);
	world_run();
	assert_true(bare_is_open(&late));
	assert_talks(&real);
	bare_free(&real);
	bare_free(&late);
}

static void test_a_cookie_is_good_for_one_place_and_time(void **state)
{
	struct world_datagram good, changed;
	struct bare b;
	size_t at;

	(void)state;
	meter(&b, 1000, METER_KEY);
	good = hello_with_cookie(&b);
	changed = good;
	changed.from.port++;
	world_arrive(&changed);
	assert_int_equal(dtls_handshake_count(), 0);
	changed = good;
	changed.from.addr[15] ^= 1;
	world_arrive(&changed);
	assert_int_equal(dtls_handshake_count(), 0);
	changed = good;
	changed.local.addr[15] ^= 1;
	world_arrive(&changed);
	assert_int_equal(dtls_handshake_count(), 0);
	/* record, message, version, random, no session id, the cookie's length */
	at = RECORD + MESSAGE + 2 + 32 + 1;
	assert_int_equal(good.bytes[at - 1], 0);
	assert_int_equal(good.bytes[at], 8);
	for (size_t bit = 0; bit < 64; bit++) {
		changed = good;
		changed.bytes[at + 1 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		world_arrive(&changed);
		assert_int_equal(dtls_handshake_count(), 0);
	}
	world_forget_datagrams();
	world_arrive(&good);
	assert_int_equal(dtls_handshake_count(), 1);
	bare_free(&b);
}

static void test_a_cookie_grows_old(void **state)
{
	struct world_datagram good;
	struct bare b;

	(void)state;
	meter(&b, 1000, METER_KEY);
	good = hello_with_cookie(&b);
	world_wait(129 * CLOCK_SECOND);
	world_arrive(&good);
	assert_int_equal(dtls_handshake_count(), 0);
	assert_int_equal(world_queued, 1); /* he gets another */
	world_forget_datagrams();
	good = hello_with_cookie(&b);
	world_wait(60 * CLOCK_SECOND);
	world_arrive(&good);
	assert_int_equal(dtls_handshake_count(), 1);
	bare_free(&b);
}

/* ---- floods by those who exist ---- */

static void test_handshakes_that_never_end_keep_nobody_out(void **state)
{
	struct bare open, late;

	(void)state;
	world.conf.settings.transports_sessions = 64;
	connect_meter(&open, 1000);
	for (unsigned i = 0; i < 200; i++) {
		struct world_datagram good;
		struct bare b;

		meter(&b, (uint16_t)(2000 + i), METER_KEY);
		good = hello_with_cookie(&b);
		world_arrive(&good);
		world_forget_datagrams();
		assert_true(dtls_handshake_count() <= 16);
		bare_free(&b);
	}
	assert_int_equal(dtls_handshake_count(), 16);
	assert_talks(&open);
	connect_meter(&late, 1001);
	assert_talks(&late);
	world_wait(31 * CLOCK_SECOND);
	assert_int_equal(dtls_handshake_count(), 0);
	assert_int_equal(dtls_session_count(), 2);
	world_forget_datagrams();
	bare_free(&open);
	bare_free(&late);
}

static void one_host_ends_nobody_elses_handshake(const char *const addresses[4])
{
	enum { LAST_MAX = 4 };
	struct world_datagram good, last[LAST_MAX];
	unsigned count = 0;
	struct bare slow;

	world.conf.settings.transports_sessions = 64;
	bare_client(&slow, "198.51.100.8", 1000, "PSK-AES128-CCM8");
	bare_key(&slow, "meter-1", METER_KEY);
	good = hello_with_cookie(&slow);
	world_arrive(&good);
	while (world_queued > 0 && !world_queue[0].at_gateway) /* until its last word is due */
		world_arrive(world_take(0));
	while (world_queued > 0 && count < LAST_MAX)
		last[count++] = *world_take(0);
	for (unsigned i = 0; i < 100; i++) {
		struct bare b;

		bare_client(&b, addresses[i % 4], (uint16_t)(2000 + i), "PSK-AES128-CCM8");
		bare_key(&b, "meter-1", METER_KEY);
		good = hello_with_cookie(&b);
		world_arrive(&good);
		world_forget_datagrams();
		bare_free(&b);
	}
	assert_int_equal(dtls_handshake_count(), 16);
	for (unsigned i = 0; i < count; i++)
		world_arrive(&last[i]);
	world_run();
	assert_true(bare_is_open(&slow));
	assert_talks(&slow);
	bare_free(&slow);
}

static void test_one_address_ends_nobody_elses_handshake(void **state)
{
	static const char *const one[] = { "198.51.100.7", "198.51.100.7", "198.51.100.7", "198.51.100.7" };

	(void)state;
	one_host_ends_nobody_elses_handshake(one);
}

/* Of these a host has as many as it likes. */
static void test_nor_do_the_addresses_of_one_network(void **state)
{
	static const char *const of_it[] = { "2001:db8:0:1::7", "2001:db8:0:1:8000::7", "2001:db8:0:1::8", "2001:db8:0:1:1::7" };

	(void)state;
	one_host_ends_nobody_elses_handshake(of_it);
}

static void test_with_all_in_use_the_one_idle_longest_makes_room(void **state)
{
	struct bare b[9];

	(void)state;
	world.conf.settings.transports_sessions = 8;
	for (uint16_t i = 0; i < 8; i++) {
		connect_meter(&b[i], (uint16_t)(1000 + i));
		world_wait(2 * CLOCK_SECOND);
	}
	assert_talks(&b[0]);
	connect_meter(&b[8], 1008);
	assert_int_equal(dtls_session_count(), 8);
	assert_int_equal(world_count(TOLD_GONE), 1);
	assert_true(SSL_get_shutdown(b[1].ssl) & SSL_RECEIVED_SHUTDOWN);
	assert_talks(&b[0]);
	assert_talks(&b[8]);
	assert_int_equal(world.metrics.count[COUNT_SESSIONS_DISPLACED], 1);
	for (unsigned i = 0; i < 9; i++)
		bare_free(&b[i]);
}

static void test_one_address_has_a_limit_of_its_own(void **state)
{
	struct bare b[4], again, elsewhere;

	(void)state;
	world.conf.settings.transports_client_connections = 3;
	for (uint16_t i = 0; i < 4; i++) {
		meter(&b[i], (uint16_t)(1000 + i), METER_KEY);
		bare_start(&b[i]);
		bare_wait(&b[i], 5 * CLOCK_SECOND);
		assert_int_equal(bare_is_open(&b[i]), i < 3);
	}
	assert_int_equal(dtls_handshake_count(), 0);
	/* who begins anew takes no more room than he had */
	meter(&again, 1000, METER_KEY);
	bare_start(&again);
	world_run();
	assert_true(bare_is_open(&again));
	bare_client(&elsewhere, "198.51.100.8", 1000, "PSK-AES128-CCM8");
	bare_key(&elsewhere, "meter-1", METER_KEY);
	bare_start(&elsewhere);
	world_run();
	assert_true(bare_is_open(&elsewhere));
	SSL_shutdown(b[1].ssl);
	bare_start(&b[3]);
	world_run();
	assert_true(bare_is_open(&b[3]));
	for (unsigned i = 0; i < 4; i++)
		bare_free(&b[i]);
	bare_free(&again);
	bare_free(&elsewhere);
}

/* OpenSSL keeps what comes too early, 16 kB for each record; so there must be an end to it. */
static void test_records_before_their_time_fill_no_memory(void **state)
{
	struct world_datagram good, junk;
	struct bare b;
	size_t before;

	(void)state;
	meter(&b, 1000, METER_KEY);
	good = hello_with_cookie(&b);
	world_arrive(&good);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (unsigned type = 20; type < 24; type++)
		for (unsigned i = 0; i < 50; i++) {
			uint8_t record[RECORD + 32] = { (uint8_t)type, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, (uint8_t)type, (uint8_t)i, 0, 32 };

			junk = good;
			junk.len = 0;
			for (unsigned copies = 0; copies < 4; copies++, junk.len += sizeof record)
				memcpy(junk.bytes + junk.len, record, sizeof record);
			world_arrive(&junk);
		}
	assert_true(mallinfo2().uordblks + mallinfo2().hblkhd < before + 10 * 18000);
	bare_free(&b);
	world_forget_datagrams();
	connect_meter(&b, 1000);
	bare_free(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_with_meters, end_with_meters)
	const struct CMUnitTest tests[] = {
		TEST(test_a_flood_of_forged_hellos_leaves_no_trace),
		TEST(test_a_cookie_is_good_for_one_place_and_time),
		TEST(test_a_cookie_grows_old),
		TEST(test_handshakes_that_never_end_keep_nobody_out),
		TEST(test_one_address_ends_nobody_elses_handshake),
		TEST(test_nor_do_the_addresses_of_one_network),
		TEST(test_with_all_in_use_the_one_idle_longest_makes_room),
		TEST(test_one_address_has_a_limit_of_its_own),
		TEST(test_records_before_their_time_fill_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
