/* objects: proxy/http/proxy_protocol.o base/bytes.o base/endpoint.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/http/proxy_protocol.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define IPV4 "\xc0\x00\x02\x07" "\x0a\x00\x00\x01" "\x12\x34" "\x01\xbb"
#define IPV6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07" "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01" "\x12\x34" "\x01\xbb"
#define HEADER(text) { (const uint8_t *)(text), sizeof(text) - 1 }

/* Each in a buffer of its own length, so that a byte read beyond it is found. */
static void test_headers(void **state)
{
	static const struct {
		struct {
			const uint8_t *bytes;
			size_t len;
		} header;
		int result;
		const char *source, *target; /* NULL: not told */
	} cases[] = {
		{ HEADER(SIGNATURE "\x21\x11\0\x0c" IPV4), 0, "192.0.2.7:4660", "10.0.0.1:443" },
		{ HEADER(SIGNATURE "\x21\x21\0\x24" IPV6), 0, "[2001:db8::7]:4660", "[fd00::1]:443" },
		{ HEADER(SIGNATURE "\x21\x11\0\x13" IPV4 "\x04\0\x04" "abcd"), 0, "192.0.2.7:4660", "10.0.0.1:443" },
		{ HEADER(SIGNATURE "\x21\x11\0\x0e" IPV4 "\x04\xff"), 0, "192.0.2.7:4660", "10.0.0.1:443" },
		/* the balancer's own, with and without addresses */
		{ HEADER(SIGNATURE "\x20\0\0\0"), 0, NULL, NULL },
		{ HEADER(SIGNATURE "\x20\x11\0\x0c" IPV4), 0, NULL, NULL },
		/* kinds that have no address of ours: unspecified, datagrams, Unix */
		{ HEADER(SIGNATURE "\x21\0\0\0"), 0, NULL, NULL },
		{ HEADER(SIGNATURE "\x21\x12\0\x0c" IPV4), 0, NULL, NULL },
		{ HEADER(SIGNATURE "\x21\x31\0\x04" "abcd"), 0, NULL, NULL },
		{ HEADER(SIGNATURE "\x21\x7f\0\x04" "abcd"), 0, NULL, NULL },
		/* too short for the addresses it has */
		{ HEADER(SIGNATURE "\x21\x11\0\x0b" "\xc0\x00\x02\x07\x0a\x00\x00\x01\x12\x34\x01"), -1, NULL, NULL },
		{ HEADER(SIGNATURE "\x21\x21\0\x0c" IPV4), -1, NULL, NULL },
		{ HEADER(SIGNATURE "\x21\x11\0\0"), -1, NULL, NULL },
		/* another version, another command */
		{ HEADER(SIGNATURE "\x11\x11\0\x0c" IPV4), -1, NULL, NULL },
		{ HEADER(SIGNATURE "\x31\x11\0\x0c" IPV4), -1, NULL, NULL },
		{ HEADER(SIGNATURE "\x22\x11\0\x0c" IPV4), -1, NULL, NULL },
		{ HEADER(SIGNATURE "\x2f\x11\0\x0c" IPV4), -1, NULL, NULL },
		/* more or less than it says */
		{ HEADER(SIGNATURE "\x21\x11\0\x0d" IPV4), -1, NULL, NULL },
		{ HEADER(SIGNATURE "\x21\x11\0\x0b" IPV4), -1, NULL, NULL },
		{ HEADER(SIGNATURE "\x21\x11\0"), -1, NULL, NULL },
		{ HEADER(""), -1, NULL, NULL },
		{ HEADER("PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\r\n"), -1, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = cases[i].header.len;
		uint8_t *bytes = malloc(len + (len == 0));
		char text[ENDPOINT_TEXT_MAX];
		struct proxy_protocol h;

		memcpy(bytes, cases[i].header.bytes, len);
		assert_int_equal(proxy_protocol_parse(&h, bytes, len), cases[i].result);
		assert_int_equal(h.told, cases[i].source != NULL);
		if (cases[i].source != NULL) {
			assert_string_equal(endpoint_format(&h.source, text), cases[i].source);
			assert_string_equal(endpoint_format(&h.target, text), cases[i].target);
		}
		free(bytes);
	}
}

/* The length is told by the first bytes alone, and never a byte more is asked for than the header has. */
static void test_length_as_it_comes(void **state)
{
	static const char header[] = SIGNATURE "\x21\x11\0\x0c" IPV4;
	static const char *const others[] = { "GET / HTTP/1.1\r\n", "PROXY TCP4 ", "\r\n\r\nGET / HTTP", "\x16\x03\x01" };
	uint8_t bytes[PROXY_PROTOCOL_FIRST];

	(void)state;
	for (size_t len = 0; len < sizeof header; len++)
		assert_int_equal(proxy_protocol_length((const uint8_t *)header, len), len < PROXY_PROTOCOL_FIRST ? PROXY_PROTOCOL_FIRST : 28);
	for (size_t i = 0; i < COUNT(others); i++)
		assert_int_equal(proxy_protocol_length((const uint8_t *)others[i], strlen(others[i])), 0);
	memcpy(bytes, header, sizeof bytes);
	for (unsigned len = 0; len <= UINT16_MAX; len++) {
		size_t whole = PROXY_PROTOCOL_FIRST + len;

		bytes[14] = (uint8_t)(len >> 8);
		bytes[15] = (uint8_t)len;
		assert_int_equal(proxy_protocol_length(bytes, sizeof bytes), whole <= PROXY_PROTOCOL_MAX ? whole : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_length_as_it_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
