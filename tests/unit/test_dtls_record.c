/* objects: proxy/edge/dtls_record.o */
/* What is seen of datagrams of DTLS without a key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proxy/edge/dtls_record.h"

enum { RECORD = DTLS_RECORD_HEADER, MESSAGE = DTLS_MESSAGE_HEADER };

/* A record of so many bytes; returns its length with its header. */
static size_t record(uint8_t *out, uint8_t type, uint16_t epoch, size_t len)
{
	memset(out, 0, RECORD + len);
	out[0] = type;
	out[1] = 0xfe;
	out[2] = 0xfd;
	out[3] = (uint8_t)(epoch >> 8);
	out[4] = (uint8_t)epoch;
	out[11] = (uint8_t)(len >> 8);
	out[12] = (uint8_t)len;
	return RECORD + len;
}

static void test_records_are_read_one_behind_the_other(void **state)
{
	uint8_t bytes[200] = { 0 };
	const uint8_t *at = bytes;
	struct dtls_record r;
	size_t len = record(bytes, DTLS_HANDSHAKE, 0, 20);

	(void)state;
	len += record(bytes + len, DTLS_CHANGE_CIPHER, 0, 1);
	len += record(bytes + len, DTLS_HANDSHAKE, 0x102, 0);
	assert_true(dtls_record_next(&at, bytes + len, &r));
	assert_int_equal(r.type, DTLS_HANDSHAKE);
	assert_int_equal(r.len, 20);
	assert_ptr_equal(r.body, bytes + RECORD);
	assert_true(dtls_record_next(&at, bytes + len, &r));
	assert_int_equal(r.len, 1);
	assert_true(dtls_record_next(&at, bytes + len, &r));
	assert_int_equal(r.epoch, 0x102);
	assert_int_equal(r.len, 0);
	assert_ptr_equal(at, bytes + len);
	assert_false(dtls_record_next(&at, bytes + len, &r));
}

static void test_what_is_incomplete_or_of_another_version_is_none(void **state)
{
	uint8_t bytes[64] = { 0 };
	size_t len = record(bytes, DTLS_APPLICATION, 1, 20);
	struct dtls_record r;

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		const uint8_t *at = bytes;

		assert_false(dtls_record_next(&at, bytes + cut, &r));
		assert_ptr_equal(at, bytes);
	}
	for (unsigned major = 0; major < 256; major++) {
		const uint8_t *at = bytes;

		bytes[1] = (uint8_t)major;
		assert_int_equal(dtls_record_next(&at, bytes + len, &r), major == 0xfe);
	}
}

static void test_the_sound_part_ends_before_what_no_key_can_have_made(void **state)
{
	uint8_t bytes[300] = { 0 };
	size_t plain = record(bytes, DTLS_HANDSHAKE, 0, 3), whole, len;

	(void)state;
	whole = plain + record(bytes + plain, DTLS_APPLICATION, 1, 24);
	assert_int_equal(dtls_sound_part(bytes, whole, 24), whole);
	assert_int_equal(dtls_sound_part(bytes, whole, 25), plain);
	assert_int_equal(dtls_sound_part(bytes, whole - 1, 24), plain);
	assert_int_equal(dtls_sound_part(bytes, plain - 1, 24), 0);
	assert_int_equal(dtls_sound_part(bytes, 0, 24), 0);
	len = whole + record(bytes + whole, DTLS_APPLICATION, 1, 23);
	len += record(bytes + len, DTLS_APPLICATION, 1, 40);
	assert_int_equal(dtls_sound_part(bytes, len, 24), whole);
}

/* A ClientHello's beginning, or that of another message. */
static size_t hello(uint8_t *out, uint8_t message, size_t fragment_at, size_t fragment_len)
{
	size_t len = record(out, DTLS_HANDSHAKE, 0, MESSAGE + fragment_len);
	uint8_t *m = out + RECORD;

	m[0] = message;
	m[3] = 100;
	m[7] = (uint8_t)(fragment_at >> 8);
	m[8] = (uint8_t)fragment_at;
	m[10] = (uint8_t)(fragment_len >> 8);
	m[11] = (uint8_t)fragment_len;
	return len;
}

static void test_a_hello_shows_its_random(void **state)
{
	uint8_t bytes[400] = { 0 };
	size_t len = hello(bytes, 1, 0, 100);

	(void)state;
	assert_ptr_equal(dtls_client_hello(bytes, len), bytes + RECORD + MESSAGE + 2);
	len = hello(bytes, 1, 0, 34); /* a fragment that just holds it */
	assert_non_null(dtls_client_hello(bytes, len));
	assert_null(dtls_client_hello(bytes, len - 1));
	bytes[RECORD + 11]++; /* longer than its record */
	assert_null(dtls_client_hello(bytes, len));
	assert_null(dtls_client_hello(bytes, hello(bytes, 1, 0, 33)));
	assert_null(dtls_client_hello(bytes, hello(bytes, 1, 1, 60)));
	assert_null(dtls_client_hello(bytes, hello(bytes, 2, 0, 60)));
	len = hello(bytes, 1, 0, 60);
	bytes[4] = 1; /* the next epoch */
	assert_null(dtls_client_hello(bytes, len));
	len = hello(bytes, 1, 0, 60);
	bytes[0] = DTLS_APPLICATION;
	assert_null(dtls_client_hello(bytes, len));
	assert_null(dtls_client_hello(bytes, record(bytes, DTLS_HANDSHAKE, 0, MESSAGE - 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_are_read_one_behind_the_other),
		cmocka_unit_test(test_what_is_incomplete_or_of_another_version_is_none),
		cmocka_unit_test(test_the_sound_part_ends_before_what_no_key_can_have_made),
		cmocka_unit_test(test_a_hello_shows_its_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
