/* objects: coap/message.o coap/stream.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coap/stream.h"
#include "tests/unit/covers.h"
#include "tests/unit/hex.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { FRAME_MAX = 200000 };

/* ---- a naive reference: frames and datagrams written by the words of the RFCs, with no code of ours ---- */

struct message {
	uint8_t code;
	size_t token_len, body_len; /* body: options, marker, payload */
};

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + i / 251 + 1);
}

static size_t fill(uint8_t *out, size_t len, size_t salt)
{
	for (size_t i = 0; i < len; i++)
		out[i] = pattern(i + salt);
	return len;
}

/* Token length, token and body: what both forms share. Returns its length; *tkl is the nibble. */
static size_t reference_rest(const struct message *m, uint8_t *out, unsigned *tkl)
{
	size_t at = 0;

	if (m->token_len <= 12) {
		*tkl = (unsigned)m->token_len;
	} else if (m->token_len <= 268) {
		*tkl = 13;
		out[at++] = (uint8_t)(m->token_len - 13);
	} else {
		*tkl = 14;
		out[at++] = (uint8_t)((m->token_len - 269) / 256);
		out[at++] = (uint8_t)((m->token_len - 269) % 256);
	}
	at += fill(out + at, m->token_len, 3);
	return at + fill(out + at, m->body_len, 100);
}

static size_t reference_frame(const struct message *m, enum stream_form form, uint8_t *out)
{
	size_t at = 1;
	unsigned tkl, length;
	uint8_t *rest = malloc(FRAME_MAX);
	size_t rest_len = reference_rest(m, rest, &tkl);

	if (form == STREAM_WHOLE) {
		length = 0;
	} else if (m->body_len <= 12) {
		length = (unsigned)m->body_len;
	} else if (m->body_len <= 268) {
		length = 13;
		out[at++] = (uint8_t)(m->body_len - 13);
	} else if (m->body_len <= 65804) {
		length = 14;
		out[at++] = (uint8_t)((m->body_len - 269) / 256);
		out[at++] = (uint8_t)((m->body_len - 269) % 256);
	} else {
		length = 15;
		out[at++] = 0;
		out[at++] = (uint8_t)((m->body_len - 65805) / 65536);
		out[at++] = (uint8_t)((m->body_len - 65805) / 256 % 256);
		out[at++] = (uint8_t)((m->body_len - 65805) % 256);
	}
	out[0] = (uint8_t)(length * 16 + tkl);
	out[at++] = m->code;
	memcpy(out + at, rest, rest_len);
	free(rest);
	return at + rest_len;
}

static size_t reference_datagram(const struct message *m, uint8_t *out)
{
	unsigned tkl;
	size_t rest_len = reference_rest(m, out + 4, &tkl);

	out[0] = (uint8_t)(0x50 + tkl);
	out[1] = m->code;
	out[2] = out[3] = 0;
	return 4 + rest_len;
}

/* ---- both directions against it ---- */

/* Reads of memory that ends where the bytes do, so that the sanitizers see every byte read too far. */
static enum stream_result read_copy(struct stream_frame *f, enum stream_form form, const uint8_t *bytes, size_t len, size_t max)
{
	uint8_t *copy = malloc(len + (len == 0));
	enum stream_result r;

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, bytes, len);
	r = stream_frame_read(f, form, copy, len, max);
	free(copy);
	return r;
}

static void check_read(const struct message *m, const struct stream_frame *f, size_t size, size_t header)
{
	assert_int_equal(f->size, size);
	assert_int_equal(f->header, header);
	assert_int_equal(f->code, m->code);
	assert_int_equal(f->token_len, m->token_len);
}

static void check_both_ways(const struct message *m, enum stream_form form)
{
	static uint8_t room[8 + FRAME_MAX], datagram[FRAME_MAX];
	uint8_t *frame = room + 8, *made, header[STREAM_HEADER_MAX];
	size_t size, datagram_len, made_len, header_len, expected = form == STREAM_WHOLE || m->body_len <= 12 ? 2 : m->body_len <= 268 ? 3 :
		m->body_len <= 65804 ? 4 : 6;
	struct stream_frame f;

	memset(room, 0xee, 8);
	size = reference_frame(m, form, frame);
	datagram_len = reference_datagram(m, datagram);

	header_len = stream_frame_write_header(header, form, datagram, datagram_len);
	assert_int_equal(header_len, expected);
	assert_memory_equal(header, frame, header_len);
	assert_int_equal(header_len + datagram_len - MSG_HEADER, size);
	assert_memory_equal(datagram + MSG_HEADER, frame + header_len, size - header_len);

	assert_int_equal(read_copy(&f, form, frame, size, size - 1), STREAM_TOO_LARGE);
	if (form == STREAM_FRAMED) {
		frame[size] = 0xff; /* what follows is not looked at */
		assert_int_equal(read_copy(&f, form, frame, size + 1, size), STREAM_FRAME);
		assert_int_equal(f.size, size);
	}
	assert_int_equal(read_copy(&f, form, frame, size, size), STREAM_FRAME);
	check_read(m, &f, size, expected);
	made = stream_frame_to_datagram(frame, &f, &made_len);
	assert_int_equal(made_len, datagram_len);
	assert_memory_equal(made, datagram, datagram_len);
	for (unsigned i = 0; i < 8 - STREAM_HEADROOM; i++)
		assert_int_equal(room[i], 0xee);
}

static void lengths_at_every_boundary(void **state)
{
	static const size_t bodies[] = { 0, 1, 12, 13, 14, 268, 269, 270, 524, 525, 65804, 65805, 65806, 66060, 66061, 131340, 131341 };
	static const size_t tokens[] = { 0, 1, 8, 12, 13, 14, 268, 269, 270, 524, 525, 4096 };
	uint8_t codes[] = { 0, CODE_GET, CODE_CONTENT, 0xe1, 0xff };

	(void)state;
	covers("C8323-3.2-1 C8974-2.1-1");
	for (size_t b = 0; b < COUNT(bodies); b++)
		for (size_t t = 0; t < COUNT(tokens); t++) {
			struct message m = { codes[(b + t) % COUNT(codes)], tokens[t], bodies[b] };

			check_both_ways(&m, STREAM_FRAMED);
			check_both_ways(&m, STREAM_WHOLE);
		}
	check_both_ways(&(struct message){ CODE_GET, MSG_TOKEN_MAX, 13 }, STREAM_FRAMED);
	check_both_ways(&(struct message){ CODE_GET, MSG_TOKEN_MAX, 13 }, STREAM_WHOLE);
}

static void any_lengths(void **state)
{
	uint32_t seed = 12345;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		size_t lens[2];

		for (unsigned k = 0; k < 2; k++) {
			seed = seed * 1664525 + 1013904223;
			/* short ones as often as long ones */
			lens[k] = (seed >> 8) % ((size_t)2 << (seed >> 3) % (k == 0 ? 12 : 17));
		}
		struct message m = { (uint8_t)(seed >> 24), lens[0], lens[1] };

		check_both_ways(&m, i % 3 == 0 ? STREAM_WHOLE : STREAM_FRAMED);
	}
}

/* With each count of bytes less than all: more is asked for, never more than the frame has, never fewer than would do. */
static void frames_cut_at_every_byte(void **state)
{
	static const struct message messages[] = {
		{ CODE_EMPTY, 0, 0 }, { CODE_GET, 0, 0 }, { CODE_GET, 8, 12 }, { CODE_GET, 13, 13 }, { CODE_GET, 12, 268 }, { CODE_CONTENT, 269, 269 },
		{ CODE_CONTENT, 0, 65805 }, { CODE_CONTENT, 300, 65805 }, { CODE_CONTENT, 268, 400 },
	};
	static uint8_t frame[FRAME_MAX];
	struct stream_frame f;

	(void)state;
	covers("C8323-3.2-1");
	for (size_t i = 0; i < COUNT(messages); i++) {
		size_t size = reference_frame(&messages[i], STREAM_FRAMED, frame), last = 0;

		for (size_t len = 0; len < size; len += len < 2000 || size - len < 10 ? 1 : 997) {
			assert_int_equal(stream_frame_read(&f, STREAM_FRAMED, frame, len, size), STREAM_MORE);
			if (f.size <= len || f.size > size || f.size < last)
				fail_msg("message %zu: %zu bytes wanted after %zu of %zu", i, f.size, len, size);
			assert_int_equal(f.header, 0);
			assert_int_equal(f.token_len, 0);
			last = f.size;
		}
		/* and who reads what was asked for gets there in a few steps */
		size_t len = 0;
		unsigned steps = 0;

		while (read_copy(&f, STREAM_FRAMED, frame, len, size) == STREAM_MORE) {
			len = f.size;
			steps++;
		}
		assert_int_equal(len, size);
		assert_in_range(steps, 1, 4);
	}
}

/* Several frames in one stream, in pieces of every size. */
static void a_stream_in_pieces(void **state)
{
	static const struct message messages[] = {
		{ CODE_GET, 2, 5 }, { CODE_EMPTY, 0, 0 }, { CODE_CONTENT, 14, 300 }, { CODE_EMPTY, 0, 0 }, { CODE_POST, 0, 13 }, { CODE_GET, 0, 0 },
	};
	static uint8_t stream[1000], buffer[STREAM_HEADROOM + 1000], datagram[1000];
	size_t total = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(messages); i++)
		total += reference_frame(&messages[i], STREAM_FRAMED, stream + total);
	for (size_t piece = 1; piece <= total; piece++) {
		size_t have = 0, done = 0, next = 0;

		while (have < total) {
			size_t more = total - have < piece ? total - have : piece;
			struct stream_frame f;

			memcpy(buffer + STREAM_HEADROOM + have, stream + have, more);
			have += more;
			while (stream_frame_read(&f, STREAM_FRAMED, buffer + STREAM_HEADROOM + done, have - done, 1000) == STREAM_FRAME) {
				size_t len, expected = reference_datagram(&messages[next++], datagram);
				const uint8_t *made = stream_frame_to_datagram(buffer + STREAM_HEADROOM + done, &f, &len);

				assert_int_equal(len, expected);
				assert_memory_equal(made, datagram, len);
				done += f.size;
			}
		}
		assert_int_equal(next, COUNT(messages));
		assert_int_equal(done, total);
	}
}

static void type_and_message_id_stay_behind(void **state)
{
	struct hex h = hex_parse("42451234aabbb474657374ff01");
	uint8_t header[STREAM_HEADER_MAX];

	(void)state;
	covers("C8323-3.2-2");
	for (unsigned type = 0; type < 4; type++)
		for (unsigned mid = 0; mid < 3; mid++) {
			msg_set_type(h.bytes, (enum msg_type)type);
			msg_set_mid(h.bytes, (uint16_t)(mid * 0x7fff));
			assert_int_equal(stream_frame_write_header(header, STREAM_FRAMED, h.bytes, h.len), 2);
			assert_true(hex_equal("header", "7245", header, 2));
			assert_int_equal(stream_frame_write_header(header, STREAM_WHOLE, h.bytes, h.len), 2);
			assert_true(hex_equal("header", "0245", header, 2));
		}
	/* on the way in there is the same one for all */
	struct hex in = hex_parse("00007245aabbb474657374ff01");
	struct stream_frame f;
	struct msg_view m;
	size_t len;
	const uint8_t *made;

	assert_int_equal(stream_frame_read(&f, STREAM_FRAMED, in.bytes + 2, in.len - 2, 100), STREAM_FRAME);
	made = stream_frame_to_datagram(in.bytes + 2, &f, &len);
	assert_int_equal(msg_parse_datagram(&m, made, len), MSG_OK);
	assert_int_equal(m.type, MSG_NON);
	assert_int_equal(m.mid, 0);
	assert_int_equal(m.option_count, 1);
	assert_int_equal(m.payload_len, 1);
}

struct read_case {
	const char *text;
	size_t max;
	enum stream_result result;
	size_t size;
};

static void check_reads(enum stream_form form, const struct read_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct hex h = hex_parse(cases[i].text);
		struct stream_frame f;
		enum stream_result r = read_copy(&f, form, h.bytes, h.len, cases[i].max);

		if (r != cases[i].result || f.size != cases[i].size)
			fail_msg("%s: %d and size %zu", cases[i].text, r, f.size);
	}
}

static void what_is_no_frame(void **state)
{
	static const struct read_case cases[] = {
		/* seen at the first byte, though the frame would need more */
		{ "0f", 100, STREAM_MALFORMED, 0 }, { "ff", 100, STREAM_MALFORMED, 0 }, { "1f01", 100, STREAM_MALFORMED, 0 },
		{ "ef", 1, STREAM_MALFORMED, 0 },
		{ "0000", 100, STREAM_FRAME, 2 }, { "0e", 100, STREAM_MORE, 4 }, { "d0", 100, STREAM_MORE, 3 }, { "fe", 100, STREAM_MORE, 8 },
		/* an empty message with something in it is a frame; who reads it ignores it (RFC 8323 3.4) */
		{ "1100aabb", 100, STREAM_FRAME, 4 },
	};

	(void)state;
	covers("C8974-2.1-1");
	check_reads(STREAM_FRAMED, cases, COUNT(cases));
}

/* The maximum holds as soon as the length is known, long before anything of that size is there. */
static void lengths_above_the_maximum(void **state)
{
	static const struct read_case cases[] = {
		{ "", 2, STREAM_MORE, 2 }, { "", 1, STREAM_TOO_LARGE, 0 },
		{ "c0", 100, STREAM_MORE, 2 }, { "c001", 14, STREAM_MORE, 14 }, { "c001", 13, STREAM_TOO_LARGE, 0 },
		{ "d00001", 16, STREAM_MORE, 16 }, { "d00001", 15, STREAM_TOO_LARGE, 0 },
		{ "dd00", 100, STREAM_MORE, 4 }, { "dd0001", 17, STREAM_MORE, 17 }, { "dd0001", 16, STREAM_TOO_LARGE, 0 },
		{ "dd000100", 30, STREAM_MORE, 30 }, { "dd000100", 29, STREAM_TOO_LARGE, 0 },
		{ "de00010000", 287, STREAM_MORE, 287 }, { "de00010000", 286, STREAM_TOO_LARGE, 0 },
		{ "de0001ffff", 65821, STREAM_TOO_LARGE, 0 }, { "de0001ffff", 65822, STREAM_MORE, 65822 },
		{ "e0000001", 273, STREAM_MORE, 273 }, { "e0000001", 272, STREAM_TOO_LARGE, 0 },
		{ "e0ffff01", 65808, STREAM_MORE, 65808 }, { "e0ffff01", 65807, STREAM_TOO_LARGE, 0 },
		{ "f00000000001", 65811, STREAM_MORE, 65811 }, { "f00000000001", 65810, STREAM_TOO_LARGE, 0 },
		{ "f0ffffffff01", 1 << 20, STREAM_TOO_LARGE, 0 }, { "f0fffefef301", 1 << 20, STREAM_TOO_LARGE, 0 },
		{ "feffffffff01ffff", 1 << 20, STREAM_TOO_LARGE, 0 },
	};
	struct hex h = hex_parse("feffffffff01ffff");
	struct stream_frame f;

	(void)state;
	check_reads(STREAM_FRAMED, cases, COUNT(cases));
	/* the largest length there is does not run over where sizes have 32 bits */
	assert_int_equal(stream_frame_read(&f, STREAM_FRAMED, h.bytes, h.len, SIZE_MAX), SIZE_MAX > UINT32_MAX ? STREAM_MORE : STREAM_TOO_LARGE);
}

static void whole_messages(void **state)
{
	static const struct read_case cases[] = {
		{ "", 100, STREAM_MALFORMED, 0 }, { "00", 100, STREAM_MALFORMED, 0 }, { "0000", 100, STREAM_FRAME, 2 },
		{ "0001b474657374", 7, STREAM_FRAME, 7 }, { "0001b474657374", 6, STREAM_TOO_LARGE, 0 },
		/* a length field that says something, even if it is true */
		{ "5001b474657374", 100, STREAM_MALFORMED, 0 }, { "1001", 100, STREAM_MALFORMED, 0 }, { "d000011111", 100, STREAM_MALFORMED, 0 },
		{ "f001", 100, STREAM_MALFORMED, 0 },
		/* tokens that are not all there */
		{ "0101", 100, STREAM_MALFORMED, 0 }, { "0101aa", 100, STREAM_FRAME, 3 }, { "0801aabbccddeeff00", 100, STREAM_MALFORMED, 0 },
		{ "0d01", 100, STREAM_MALFORMED, 0 }, { "0d0100", 100, STREAM_MALFORMED, 0 },
		{ "0d0100000102030405060708090a0b", 100, STREAM_MALFORMED, 0 }, { "0d0100000102030405060708090a0b0c", 100, STREAM_FRAME, 16 },
		{ "0e01", 100, STREAM_MALFORMED, 0 }, { "0e0100", 100, STREAM_MALFORMED, 0 }, { "0e010000", 100, STREAM_MALFORMED, 0 },
		{ "0e01ffff00", 100, STREAM_MALFORMED, 0 }, { "0f01", 100, STREAM_MALFORMED, 0 }, { "0f0100000000", 100, STREAM_MALFORMED, 0 },
	};

	(void)state;
	check_reads(STREAM_WHOLE, cases, COUNT(cases));
}

static void headers_of_what_is_no_message(void **state)
{
	static const char *const bad[] = {
		"", "40", "400100", "41010000", "48010000aabbccddeeff00", "4d010000", "4d01000000", "4d0100000000000102030405060708090a",
		"4e010000", "4e01000000", "4e0100000000", "4e010000ffff00", "4f010000", "4f0100000000000000000000000000000000",
	};
	uint8_t header[STREAM_HEADER_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct hex h = hex_parse(bad[i]);
		uint8_t *copy = malloc(h.len + (h.len == 0));

		assert_non_null(copy);
		memcpy(copy, h.bytes, h.len);
		if (stream_frame_write_header(header, STREAM_FRAMED, copy, h.len) != 0)
			fail_msg("%s has a header", bad[i]);
		assert_int_equal(stream_frame_write_header(header, STREAM_WHOLE, copy, h.len), 0);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_at_every_boundary),
		cmocka_unit_test(any_lengths),
		cmocka_unit_test(frames_cut_at_every_byte),
		cmocka_unit_test(a_stream_in_pieces),
		cmocka_unit_test(type_and_message_id_stay_behind),
		cmocka_unit_test(what_is_no_frame),
		cmocka_unit_test(lengths_above_the_maximum),
		cmocka_unit_test(whole_messages),
		cmocka_unit_test(headers_of_what_is_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
