/*
 * dtls_meters - clients of a dtls_world that have a key, all at one address. To be included behind cmocka.h.
 */
#ifndef TESTS_UNIT_DTLS_METERS_H
#define TESTS_UNIT_DTLS_METERS_H

#include "tests/unit/dtls_world.h"

#define METER_KEY "000102030405060708090a0b0c0d0e0f"
#define OTHER_METER_KEY "101112131415161718191a1b1c1d1e1f"
#define METER_KEYS "meter-1:" METER_KEY "\nmeter-2:" OTHER_METER_KEY "\n"

/* A world where they are known. */
static inline int begin_with_meters(void **state)
{
	(void)state;
	log_open(-1, LOG_LEVEL_ERROR);
	world_begin();
	return world_use(&(struct world_files){ .psk = METER_KEYS });
}

static inline int end_with_meters(void **state)
{
	(void)state;
	world_end();
	return 0;
}

static inline void meter(struct bare *b, uint16_t port, const char *its_key)
{
	bare_client(b, "198.51.100.7", port, "PSK-AES128-CCM8");
	bare_key(b, "meter-1", its_key);
}

static inline void connect_meter(struct bare *b, uint16_t port)
{
	meter(b, port, METER_KEY);
	bare_start(b);
	world_run();
	assert_true(bare_is_open(b));
}

/* A message goes each way. */
static inline void assert_talks(struct bare *b)
{
	unsigned messages = world_count(TOLD_MESSAGE), read = b->messages;

	bare_send(b, "request", 7);
	world_run();
	assert_int_equal(world_count(TOLD_MESSAGE), messages + 1);
	assert_int_equal(world_last(TOLD_MESSAGE)->len, 7);
	assert_memory_equal(world_last(TOLD_MESSAGE)->bytes, "request", 7);
	dtls_send_client(&world_last(TOLD_MESSAGE)->peer, (const uint8_t *)"answer", 6);
	world_run();
	assert_int_equal(b->messages, read + 1);
	assert_int_equal(b->message_len, 6);
	assert_memory_equal(b->message, "answer", 6);
}

/* The ClientHello with its cookie, that would be next to arrive. */
static inline struct world_datagram hello_with_cookie(struct bare *b)
{
	bare_start(b);
	world_arrive(world_take(0));
	assert_int_equal(world_queued, 1);
	world_arrive(world_take(0));
	assert_int_equal(world_queued, 1);
	return *world_take(0);
}

#endif
