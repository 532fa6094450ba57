/* objects: DTLS_OBJS TLS_OBJS BASE_OBJS base/clock_steered.o base/random_seeded.o COAP_OBJS proxy/edge/traits.o proxy/http/material.o proxy/exchange/house.o tests/unit/certificates.o tests/unit/dtls_world.o */
/* Sessions of clients: an engine with a listener, and clients that are OpenSSL alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/unit/certificates.h"
#include "tests/unit/covers.h"
#include "tests/unit/dtls_world.h"

static const char keys[] = "meter-1:000102030405060708090a0b0c0d0e0f\nmeter-2:101112131415161718191a1b1c1d1e1f\n";
static const char key_1[] = "000102030405060708090a0b0c0d0e0f";
static const struct world_files by_keys = { .psk = keys };

static int begin(void **state)
{
	(void)state;
	log_open(-1, LOG_LEVEL_ERROR);
	world_begin();
	return world_use(&by_keys);
}

static int end(void **state)
{
	(void)state;
	world_end();
	return 0;
}

/* A client with a key, its handshake done. */
static void connect_as(struct bare *b, uint16_t port, const char *identity, const char *key)
{
	bare_client(b, "198.51.100.7", port, "PSK-AES128-CCM8");
	bare_key(b, identity, key);
	bare_start(b);
	world_run();
}

static void test_a_client_with_a_key_has_a_session_and_its_name(void **state)
{
	struct bare b;

	(void)state;
	connect_as(&b, 1000, "meter-1", key_1);
	assert_true(bare_is_open(&b));
	assert_int_equal(world_count(TOLD_SESSION), 1);
	assert_string_equal(world_last(TOLD_SESSION)->name, "meter-1");
	assert_int_equal(world_last(TOLD_SESSION)->peer.transport, URI_COAPS);
	assert_true(edge_is_clients_session(&world_last(TOLD_SESSION)->peer));
	bare_send(&b, "request", 7);
	world_run();
	assert_int_equal(world_count(TOLD_MESSAGE), 1);
	assert_memory_equal(world_last(TOLD_MESSAGE)->bytes, "request", 7);
	assert_true(endpoint_equal(&world_last(TOLD_MESSAGE)->peer, &world_last(TOLD_SESSION)->peer));
	dtls_send_client(&world_last(TOLD_MESSAGE)->peer, (const uint8_t *)"answer", 6);
	world_run();
	assert_int_equal(b.message_len, 6);
	assert_memory_equal(b.message, "answer", 6);
	bare_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_client_with_a_key_has_a_session_and_its_name, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
