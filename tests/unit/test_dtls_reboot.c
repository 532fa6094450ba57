/* objects: DTLS_OBJS TLS_OBJS BASE_OBJS base/clock_steered.o base/random_seeded.o COAP_OBJS proxy/edge/traits.o proxy/http/material.o proxy/exchange/house.o tests/unit/certificates.o tests/unit/dtls_world.o */
/* A device that has forgotten its session and begins anew, and others who look like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/covers.h"
#include "tests/unit/dtls_meters.h"

static void test_a_rebooted_device_replaces_its_session_when_it_has_proved_itself(void **state)
{
	struct endpoint before, after;
	struct bare old, fresh;

	(void)state;
	covers("C7252-9.1-1");
	connect_meter(&old, 1000);
	before = world_last(TOLD_SESSION)->peer;
	meter(&fresh, 1000, METER_KEY);
	bare_start(&fresh);
	for (unsigned i = 0; i < 4; i++) { /* both hellos, and what answers them */
		assert_true(bare_is_open(&old));
		world_arrive(world_take(0));
		assert_non_null(dtls_client_name(&before));
		assert_int_equal(world_count(TOLD_GONE), 0);
	}
	world_run();
	assert_true(bare_is_open(&fresh));
	after = world_last(TOLD_SESSION)->peer;
	assert_int_equal(world_count(TOLD_GONE), 1);
	assert_true(endpoint_equal(&world_last(TOLD_GONE)->peer, &before));
	assert_true(before.session != after.session);
	assert_int_equal(dtls_session_count(), 1);
	/* what is for the old session goes to nobody, and of the old session nothing is taken */
	dtls_send_client(&before, (const uint8_t *)"late", 4);
	assert_int_equal(world_queued, 0);
	bare_send(&old, "late", 4);
	world_run();
	assert_int_equal(world_count(TOLD_MESSAGE), 0);
	assert_talks(&fresh);
	bare_free(&old);
	bare_free(&fresh);
}

static void test_who_only_says_to_have_rebooted_ends_nothing(void **state)
{
	struct bare old, fresh;

	(void)state;
	connect_meter(&old, 1000);
	meter(&fresh, 1000, OTHER_METER_KEY);
	bare_start(&fresh);
	bare_wait(&fresh, 5 * CLOCK_SECOND);
	assert_false(bare_is_open(&fresh));
	bare_free(&fresh);
	assert_int_equal(world_count(TOLD_GONE), 0);
	assert_talks(&old);
	world_wait(31 * CLOCK_SECOND);
	assert_int_equal(dtls_handshake_count(), 0);
	assert_talks(&old);
	bare_free(&old);
}

/* While one begins anew the old session's messages still count. */
static void test_the_old_session_is_served_while_a_new_one_begins(void **state)
{
	struct bare old, fresh;
	struct world_datagram kept;

	(void)state;
	connect_meter(&old, 1000);
	meter(&fresh, 1000, METER_KEY);
	kept = hello_with_cookie(&fresh);
	world_arrive(&kept);
	assert_int_equal(dtls_handshake_count(), 1);
	world_forget_datagrams();
	bare_send(&old, "request", 7);
	world_arrive(world_take(0));
	assert_int_equal(world_count(TOLD_MESSAGE), 1);
	bare_wait(&fresh, 3 * CLOCK_SECOND);
	assert_true(bare_is_open(&fresh));
	assert_talks(&fresh);
	bare_free(&old);
	bare_free(&fresh);
}

/* Hellos that are late or come twice are no reboot. */
static void test_a_late_hello_of_the_session_itself_begins_nothing(void **state)
{
	struct world_datagram hello;
	struct bare b;

	(void)state;
	meter(&b, 1000, METER_KEY);
	hello = hello_with_cookie(&b);
	world_arrive(&hello);
	world_arrive(&hello);
	assert_int_equal(dtls_handshake_count(), 1);
	world_run();
	assert_true(bare_is_open(&b));
	world_sent = 0;
	world_arrive(&hello);
	assert_int_equal(dtls_handshake_count(), 0);
	assert_int_equal(world_sent, 0);
	assert_talks(&b);
	bare_free(&b);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_with_meters, end_with_meters)
	const struct CMUnitTest tests[] = {
		TEST(test_a_rebooted_device_replaces_its_session_when_it_has_proved_itself),
		TEST(test_who_only_says_to_have_rebooted_ends_nothing),
		TEST(test_the_old_session_is_served_while_a_new_one_begins),
		TEST(test_a_late_hello_of_the_session_itself_begins_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
