/* objects: proxy/edge/websocket.o proxy/edge/websocket_handshake.o base/random.o base/log.o base/clock.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "coap/message.h"
#include "coap/stream.h"
#include "proxy/edge/websocket.h"
#include "proxy/edge/websocket_handshake.h"
#include "tests/unit/covers.h"
#include "tests/unit/hex.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { OUT_MAX = 200000, MESSAGE_MAX = 1000 };

/* One side, with what it wrote and what it was told. */
struct side {
	struct websocket *w;
	uint8_t out[OUT_MAX];
	size_t out_len;
	uint8_t got[OUT_MAX]; /* the last message */
	size_t got_len;
	unsigned messages, opened;
	bool wants_no_more;
};

static struct side server, client;

static void on_write(void *owner, const uint8_t *bytes, size_t len)
{
	struct side *s = owner;

	assert_in_range(len, 0, OUT_MAX - s->out_len);
	memcpy(s->out + s->out_len, bytes, len);
	s->out_len += len;
}

static void on_opened(void *owner)
{
	((struct side *)owner)->opened++;
}

static bool on_message(void *owner, uint8_t *bytes, size_t len)
{
	struct side *s = owner;

	memcpy(s->got, bytes, len);
	s->got_len = len;
	s->messages++;
	/* it is ours to write over, with what stands in front */
	memset(bytes - STREAM_HEADROOM, 0xdd, STREAM_HEADROOM + len);
	return !s->wants_no_more;
}

static const struct websocket_calls calls = { on_write, on_opened, on_message };

static void begin(struct side *s, struct websocket *w)
{
	memset(s, 0, sizeof *s);
	s->w = w;
	assert_non_null(w);
	websocket_begin(w, &calls, s);
}

static void begin_server(size_t message_max)
{
	begin(&server, websocket_new_server(message_max));
}

/* Feeds a copy that ends where its memory ends. */
static enum websocket_result feed(struct side *s, const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len + (len == 0));
	enum websocket_result r;

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, bytes, len);
	r = websocket_feed(s->w, copy, len);
	free(copy);
	return r;
}

static enum websocket_result feed_hex(struct side *s, const char *text)
{
	struct hex h = hex_parse(text);

	return feed(s, h.bytes, h.len);
}

/* The answer of a server to the request that the client wrote. */
static size_t agreement_to(const struct side *c, char out[WEBSOCKET_AGREEMENT_MAX])
{
	const char *key = memmem(c->out, c->out_len, "Sec-WebSocket-Key: ", 19);

	assert_non_null(key);
	assert_true(websocket_key_is_sound(key + 19, WEBSOCKET_KEY_LEN));
	return websocket_agreement_write(out, key + 19);
}

static void begin_client(size_t message_max)
{
	char answer[WEBSOCKET_AGREEMENT_MAX];

	begin(&client, websocket_new_client(message_max, "example.com:8080"));
	assert_int_equal(feed(&client, answer, agreement_to(&client, answer)), WEBSOCKET_GOES_ON);
	assert_int_equal(client.opened, 1);
	client.out_len = 0;
}

/* ---- the handshake ---- */

static void the_answer_to_a_key(void **state)
{
	char accept[WEBSOCKET_ACCEPT_LEN + 1], out[WEBSOCKET_AGREEMENT_MAX];
	size_t len;

	(void)state;
	/* RFC 6455 1.3 */
	assert_int_equal(websocket_accept(accept, "dGhlIHNhbXBsZSBub25jZQ=="), 0);
	assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	len = websocket_agreement_write(out, "dGhlIHNhbXBsZSBub25jZQ==");
	assert_int_equal(len, strlen(out));
	assert_string_equal(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: coap\r\n\r\n");
}

static void keys_that_are_16_bytes(void **state)
{
	static const char *const bad[] = {
		"", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25jZ===", "dGhlIHNhbXBsZSBub25jZQA=",
		"dGhlIHNhbXBsZSBub25jZQAA", "dGhl IHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25j-_==", "=GhlIHNhbXBsZSBub25jZQ==",
		"dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==",
	};

	(void)state;
	assert_true(websocket_key_is_sound("dGhlIHNhbXBsZSBub25jZQ==", 24));
	assert_true(websocket_key_is_sound("+/+/+/+/+/+/+/+/+/+/+A==", 24));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (websocket_key_is_sound(bad[i], strlen(bad[i])))
			fail_msg("%s is taken", bad[i]);
	assert_false(websocket_key_is_sound("dGhlIHNhbXBsZSBub25jZ\0==", 24));
}

static void what_a_client_asks(void **state)
{
	char out[WEBSOCKET_REQUEST_MAX], key[2][WEBSOCKET_KEY_LEN + 1], expected[600], host[600];

	(void)state;
	covers("C8323-4.1-1");
	for (unsigned i = 0; i < 2; i++) {
		size_t len = websocket_request_write(out, key[i], "[2001:db8::1]:8080");

		snprintf(expected, sizeof expected, "GET /.well-known/coap HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\nUpgrade: websocket\r\n"
			"Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: coap\r\nSec-WebSocket-Version: 13\r\n\r\n", key[i]);
		assert_string_equal(out, expected);
		assert_int_equal(len, strlen(out));
		assert_true(websocket_key_is_sound(key[i], strlen(key[i])));
	}
	assert_string_not_equal(key[0], key[1]);
	memset(host, 'a', sizeof host);
	host[sizeof host - 1] = '\0';
	assert_int_equal(websocket_request_write(out, key[0], host), 0);
	assert_null(websocket_new_client(MESSAGE_MAX, host));
	host[WEBSOCKET_HOST_MAX + 1] = '\0';
	assert_null(websocket_new_client(MESSAGE_MAX, host));
	host[WEBSOCKET_HOST_MAX] = '\0';
	begin(&client, websocket_new_client(MESSAGE_MAX, host));
	assert_non_null(memmem(client.out, client.out_len, "13\r\n\r\n", 6));
	websocket_free(client.w);
}

#define HEAD "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: coap\r\n"

static void answers_that_agree(void **state)
{
	static const char *const good[] = {
		HEAD UPGRADE ACCEPT PROTOCOL "\r\n", HEAD PROTOCOL ACCEPT UPGRADE "\r\n",
		"HTTP/1.1 101\r\n" UPGRADE ACCEPT PROTOCOL "\r\n", "HTTP/1.1 101 \r\n" UPGRADE ACCEPT PROTOCOL "\r\n",
		HEAD "upgrade:WebSocket\r\nCONNECTION: keep-alive,\tuPGRADE , x\r\n" ACCEPT PROTOCOL "Server: \xc3\xa9\r\nX:\r\n\r\n",
		HEAD "Connection: keep-alive\r\n" UPGRADE "sec-websocket-accept:\t s3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t\r\n" PROTOCOL "\r\n",
	};
	static const char *const bad[] = {
		"\r\n\r\n", HEAD "\r\n", "HTTP/1.1 200 OK\r\n" UPGRADE ACCEPT PROTOCOL "\r\n", "HTTP/1.1 1010 X\r\n" UPGRADE ACCEPT PROTOCOL "\r\n",
		"HTTP/1.0 101 X\r\n" UPGRADE ACCEPT PROTOCOL "\r\n", "HTTP/2 101 X\r\n" UPGRADE ACCEPT PROTOCOL "\r\n",
		"HTTP/1.1 101 \x01\r\n" UPGRADE ACCEPT PROTOCOL "\r\n", "HTTP/1.1 401 No\r\n" UPGRADE ACCEPT PROTOCOL "\r\n",
		" HTTP/1.1 101 X\r\n" UPGRADE ACCEPT PROTOCOL "\r\n", "HTTP/1.1  101 X\r\n" UPGRADE ACCEPT PROTOCOL "\r\n",
		/* one that lacks */
		HEAD ACCEPT PROTOCOL "\r\n", HEAD UPGRADE PROTOCOL "\r\n", HEAD UPGRADE ACCEPT "\r\n",
		HEAD "Upgrade: websocket\r\n" ACCEPT PROTOCOL "\r\n", HEAD "Connection: Upgrade\r\n" ACCEPT PROTOCOL "\r\n",
		HEAD "Upgrade: websocket\r\nConnection: keep-alive\r\n" ACCEPT PROTOCOL "\r\n",
		HEAD "Upgrade: websocket\r\nConnection: upgrades\r\n" ACCEPT PROTOCOL "\r\n",
		HEAD "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT PROTOCOL "\r\n",
		HEAD "Upgrade: websocket2\r\nConnection: Upgrade\r\n" ACCEPT PROTOCOL "\r\n",
		/* one that says something else, or twice */
		HEAD UPGRADE ACCEPT ACCEPT PROTOCOL "\r\n", HEAD UPGRADE ACCEPT PROTOCOL PROTOCOL "\r\n",
		HEAD UPGRADE "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" PROTOCOL "\r\n",
		HEAD UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo\r\n" PROTOCOL "\r\n",
		HEAD UPGRADE "Sec-WebSocket-Accept:\r\n" PROTOCOL "\r\n",
		HEAD UPGRADE ACCEPT "Sec-WebSocket-Protocol: coap, mqtt\r\n\r\n", HEAD UPGRADE ACCEPT "Sec-WebSocket-Protocol: COAP\r\n\r\n",
		HEAD UPGRADE ACCEPT "Sec-WebSocket-Protocol: mqtt\r\n\r\n",
		HEAD UPGRADE ACCEPT PROTOCOL "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		/* what is no field */
		HEAD UPGRADE ACCEPT PROTOCOL "nonsense\r\n\r\n", HEAD UPGRADE ACCEPT PROTOCOL ": x\r\n\r\n",
		HEAD UPGRADE ACCEPT PROTOCOL "X : y\r\n\r\n", HEAD UPGRADE ACCEPT PROTOCOL "X: y\r\n folded\r\n\r\n",
		HEAD UPGRADE ACCEPT PROTOCOL "X: a\nb\r\n\r\n", HEAD UPGRADE ACCEPT PROTOCOL "X: a\rb\r\n\r\n",
		HEAD UPGRADE ACCEPT PROTOCOL "X: \x7f\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\n" UPGRADE ACCEPT PROTOCOL "\r\n",
	};
	static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";

	(void)state;
	covers("C8323-4.1-1");
	for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
		const char *text = i < COUNT(good) ? good[i] : bad[i - COUNT(good)];
		size_t len = strlen(text);
		uint8_t *copy = malloc(len);

		assert_non_null(copy);
		memcpy(copy, text, len);
		assert_int_equal(websocket_answer_length(copy, len - 1), 0);
		assert_int_equal(websocket_answer_length(copy, len), len);
		if ((websocket_answer_check(copy, len, key) == NULL) != (i < COUNT(good)))
			fail_msg("%s", text);
		free(copy);
	}
}

static void an_answer_in_pieces(void **state)
{
	char answer[WEBSOCKET_AGREEMENT_MAX + 20];

	(void)state;
	for (size_t first = 1; first < 100; first += 7)
		for (size_t piece = 1; piece < 300; piece += 13) {
			size_t len;

			begin(&client, websocket_new_client(MESSAGE_MAX, "example.com"));
			len = agreement_to(&client, answer);
			client.out_len = 0;
			memcpy(answer + len, "\x82\x02\x00\x01\x82\x02\x00\x45", 8); /* messages right behind it */
			len += 8;
			assert_int_equal(feed(&client, answer, first), WEBSOCKET_GOES_ON);
			for (size_t at = first; at < len; at += piece)
				assert_int_equal(feed(&client, answer + at, len - at < piece ? len - at : piece), WEBSOCKET_GOES_ON);
			assert_int_equal(client.opened, 1);
			assert_int_equal(client.messages, 2);
			assert_true(hex_equal("message", "0045", client.got, client.got_len));
			assert_int_equal(client.out_len, 0);
			websocket_free(client.w);
		}
}

static void answers_that_refuse(void **state)
{
	static char line[WEBSOCKET_ANSWER_MAX + 100];
	uint8_t message[] = { 0, 1 };

	(void)state;
	begin(&client, websocket_new_client(MESSAGE_MAX, "example.com"));
	assert_true(client.out_len > 0);
	assert_string_equal(websocket_why(client.w), "");
	assert_false(websocket_send(client.w, message, 2, NULL, 0)); /* not before it is open */
	websocket_close(client.w, WEBSOCKET_NORMAL);
	client.out_len = 0;
	assert_int_equal(feed(&client, "HTTP/1.1 404 Not Found\r\nX: y\r\n\r\nHTTP/1.1 101 ", 44), WEBSOCKET_REFUSED);
	assert_string_not_equal(websocket_why(client.w), "");
	assert_int_equal(feed(&client, HEAD, sizeof HEAD - 1), WEBSOCKET_REFUSED);
	assert_int_equal(client.opened + client.messages, 0);
	assert_false(websocket_send(client.w, message, 2, NULL, 0));
	assert_int_equal(client.out_len, 0);
	websocket_free(client.w);
	/* one without an end */
	memset(line, 'a', sizeof line);
	for (size_t piece = 1000; piece <= sizeof line; piece += sizeof line - 1000) {
		enum websocket_result r = WEBSOCKET_GOES_ON;
		size_t at = 0;

		begin(&client, websocket_new_client(MESSAGE_MAX, "example.com"));
		for (; at < sizeof line && r == WEBSOCKET_GOES_ON; at += piece)
			r = feed(&client, line + at, sizeof line - at < piece ? sizeof line - at : piece);
		assert_int_equal(r, WEBSOCKET_REFUSED);
		assert_true(at >= WEBSOCKET_ANSWER_MAX);
		websocket_free(client.w);
	}
}

/* ---- messages ---- */

static void messages_both_ways(void **state)
{
	static const size_t lengths[] = { 0, 1, 2, 124, 125, 126, 127, 128, 511, 512, 513, 4000, 4095, 4096, 4097, 16384, MSG_MAX - 2 };
	static uint8_t rest[MSG_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof rest; i++)
		rest[i] = (uint8_t)(i * 31 + i / 256);
	begin_server(MSG_MAX);
	begin_client(MSG_MAX);
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct side *from = i % 2 ? &server : &client, *to = i % 2 ? &client : &server;
		uint8_t header[2] = { 0x0d, (uint8_t)i };
		bool is_last = i + 2 >= COUNT(lengths);

		for (unsigned k = 0; k < 2; k++) {
			from->out_len = to->out_len = 0;
			assert_true(websocket_send(from->w, header, sizeof header, rest, lengths[i]));
			/* clients mask, servers do not (RFC 6455 5.1) */
			assert_int_equal(from->out[0], 0x82);
			assert_int_equal(from->out[1] >> 7, from == &client);
			if (from == &client && lengths[i] > 100)
				assert_null(memmem(from->out, from->out_len, rest + 60, 20));
			assert_int_equal(feed(to, from->out, from->out_len), WEBSOCKET_GOES_ON);
			assert_int_equal(to->got_len, lengths[i] + 2);
			assert_memory_equal(to->got, header, 2);
			assert_memory_equal(to->got + 2, rest, lengths[i]);
			assert_int_equal(to->out_len, 0);
			from = from == &server ? &client : &server;
			to = to == &server ? &client : &server;
		}
		if (is_last)
			assert_false(websocket_send(from->w, header, sizeof header, rest, MSG_MAX - 1));
	}
	websocket_free(server.w);
	websocket_free(client.w);
}

static void what_it_is_told_at_any_cut(void **state)
{
	/* a message, a ping, one in three fragments with a ping between, an empty one, all masked with 0 */
	static const char stream[] = "8282000000000001" "898100000000aa" "02830000000001b474" "008000000000" "898200000000bbcc" "808200000000ff01"
		"828000000000";
	struct hex h = hex_parse(stream);

	(void)state;
	for (size_t piece = 1; piece <= h.len; piece++) {
		begin_server(MESSAGE_MAX);
		for (size_t at = 0; at < h.len; at += piece) {
			assert_int_equal(feed(&server, h.bytes + at, h.len - at < piece ? h.len - at : piece), WEBSOCKET_GOES_ON);
			if (server.messages == 2)
				assert_true(hex_equal("message", "01b474ff01", server.got, server.got_len));
		}
		assert_int_equal(server.messages, 3);
		assert_int_equal(server.got_len, 0);
		assert_true(hex_equal("pongs", "8a01aa8a02bbcc", server.out, server.out_len));
		websocket_free(server.w);
	}
}

static void only_binary_messages(void **state)
{
	(void)state;
	covers("C8323-4.2-1");
	begin_server(MESSAGE_MAX);
	assert_int_equal(feed_hex(&server, "82820000000000018181000000007882820000000000018282"), WEBSOCKET_FAILED);
	assert_int_equal(server.messages, 1); /* and nothing behind the text */
	assert_true(hex_equal("close", "880203eb", server.out, server.out_len));
	assert_string_not_equal(websocket_why(server.w), "");
	assert_int_equal(feed_hex(&server, "8282000000000001"), WEBSOCKET_FAILED);
	assert_int_equal(server.messages, 1);
	websocket_free(server.w);
	/* a text of which nothing has come yet, fragmented and empty */
	static const char *const texts[] = { "818100000000", "018000000000", "8180" };

	for (size_t i = 0; i < COUNT(texts); i++) {
		begin_server(MESSAGE_MAX);
		if (feed_hex(&server, texts[i]) == WEBSOCKET_GOES_ON)
			assert_int_equal(feed_hex(&server, "0000000078"), WEBSOCKET_FAILED);
		assert_true(hex_equal("close", "880203eb", server.out, server.out_len));
		websocket_free(server.w);
	}
	/* what goes out is binary, whole, and of one frame for a message, whose length is the message's */
	begin_server(MESSAGE_MAX);
	assert_true(websocket_send(server.w, (const uint8_t *)"\0\x45", 2, (const uint8_t *)"\xff\x31", 2));
	assert_true(hex_equal("frame", "82040045ff31", server.out, server.out_len));
	websocket_free(server.w);
}

/* Frames towards the server that break a rule of RFC 6455 5: each is answered by Close, also in the middle of a message. */
static void frames_against_the_rules(void **state)
{
	static const char *const bad[] = {
		"82020001", "8900", "8800",                                          /* not masked */
		"c282000000000001", "a282000000000001", "9282000000000001", "c98000000000", /* reserved bits */
		"838000000000", "878000000000", "8b8000000000", "8f8000000000",      /* reserved opcodes */
		"808000000000", "008000000000",                                      /* a continuation of nothing */
		"0282000000000001" "828000000000", "0282000000000001" "028000000000", /* a new message within one */
		"888200000000" "0000", "888200000000" "03ed", "888200000000" "03ee", "888300000000" "0bb600", /* statuses that are never sent */
	};
	static const char *const unreadable[] = {
		"098000000000", "088000000000",                                      /* control frames in fragments */
		"89fe007e00000000", "88fe007e00000000", "89ff000000000000007e00000000", /* or too long */
		"82fe007d00000000", "82ff000000000000ffff00000000",                  /* lengths that are not in the shortest form */
		"82ff800000000000000000000000",                                      /* one of more than 63 bits */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad) + COUNT(unreadable); i++) {
		const char *text = i < COUNT(bad) ? bad[i] : unreadable[i - COUNT(bad)];

		begin_server(MESSAGE_MAX);
		if (feed_hex(&server, text) != WEBSOCKET_FAILED)
			fail_msg("%s is taken", text);
		if (!hex_equal("close", i < COUNT(bad) ? "880203ea" : "8800", server.out, server.out_len))
			fail_msg("%s", text);
		assert_int_equal(server.messages, 0);
		assert_string_not_equal(websocket_why(server.w), "");
		websocket_free(server.w);
	}
	/* and towards a client: masked */
	begin_client(MESSAGE_MAX);
	assert_int_equal(feed_hex(&client, "8282000000000001"), WEBSOCKET_FAILED);
	assert_int_equal(client.messages, 0);
	assert_int_equal(client.out_len, 8);
	assert_int_equal(client.out[0], 0x88);
	assert_int_equal(client.out[1], 0x82);
	assert_int_equal((client.out[6] ^ client.out[2]) << 8 | (client.out[7] ^ client.out[3]), 1002);
	websocket_free(client.w);
}

static void messages_above_the_maximum(void **state)
{
	static const char *const too_large[] = {
		"82fe03e90000000000",         /* 1001 at once, seen when the first byte comes */
		"82fe27100000000000", "82ff00000000000100000000000000", "82ff7fffffffffffffff0000000000",
		"029600000000" "00000000000000000000000000000000000000000000" "80fe03d30000000000", /* 22 and 979 */
		"029600000000" "00000000000000000000000000000000000000000000" "00ff7fffffffffffffff0000000000",
	};
	static uint8_t frame[8 + MESSAGE_MAX] = { 0x82, 0xfe, 1000 >> 8, 1000 & 0xff };

	(void)state;
	for (size_t i = 0; i < COUNT(too_large); i++) {
		begin_server(MESSAGE_MAX);
		if (feed_hex(&server, too_large[i]) != WEBSOCKET_FAILED)
			fail_msg("%s is taken", too_large[i]);
		assert_int_equal(server.messages, 0);
		if (!hex_equal("close", "880203f1", server.out, server.out_len))
			fail_msg("%s", too_large[i]);
		websocket_free(server.w);
	}
	begin_server(MESSAGE_MAX);
	assert_int_equal(feed(&server, frame, sizeof frame), WEBSOCKET_GOES_ON);
	assert_int_equal(server.got_len, 1000);
	/* 22 and 978 */
	assert_int_equal(feed_hex(&server, "029600000000" "00000000000000000000000000000000000000000000" "80fe03d200000000"), WEBSOCKET_GOES_ON);
	assert_int_equal(feed(&server, frame + 8, 978), WEBSOCKET_GOES_ON);
	assert_int_equal(server.messages, 2);
	assert_int_equal(server.got_len, 1000);
	websocket_free(server.w);
	/* control frames are not messages, and count not */
	begin_server(2);
	assert_int_equal(feed_hex(&server, "8983000000000102030282000000000001898300000000010203808000000000"), WEBSOCKET_GOES_ON);
	assert_int_equal(server.messages, 1);
	websocket_free(server.w);
}

/* ---- the end ---- */

static void the_peer_closes(void **state)
{
	static const char *const closes[][2] = {
		{ "888200000000" "03e8", "880203e8" }, { "888000000000", "8800" }, { "888400000000" "03e9" "6279", "880403e9" "6279" },
		{ "888200000000" "0fa0", "88020fa0" },
	};
	uint8_t message[] = { 0, 1 };

	(void)state;
	for (size_t i = 0; i < COUNT(closes); i++) {
		begin_server(MESSAGE_MAX);
		assert_int_equal(feed_hex(&server, closes[i][0]), WEBSOCKET_CLOSED);
		assert_true(hex_equal("close", closes[i][1], server.out, server.out_len));
		assert_string_equal(websocket_why(server.w), "");
		/* nothing goes and nothing comes behind it */
		assert_int_equal(feed_hex(&server, "8282000000000001"), WEBSOCKET_CLOSED);
		assert_false(websocket_send(server.w, message, 2, NULL, 0));
		websocket_close(server.w, WEBSOCKET_NORMAL);
		assert_int_equal(server.messages, 0);
		assert_true(hex_equal("close", closes[i][1], server.out, server.out_len));
		websocket_free(server.w);
	}
	/* what came before it counts; what stands behind it does not */
	begin_server(MESSAGE_MAX);
	assert_int_equal(feed_hex(&server, "8282000000000001" "888000000000" "8282000000000002" "898000000000"), WEBSOCKET_CLOSED);
	assert_int_equal(server.messages, 1);
	assert_true(hex_equal("close", "8800", server.out, server.out_len));
	websocket_free(server.w);
}

static void we_close(void **state)
{
	uint8_t message[] = { 0, 1 };

	(void)state;
	begin_server(MESSAGE_MAX);
	begin_client(MESSAGE_MAX);
	websocket_close(server.w, WEBSOCKET_GOING_AWAY);
	websocket_close(server.w, WEBSOCKET_NORMAL);
	assert_true(hex_equal("close", "880203e9", server.out, server.out_len));
	assert_false(websocket_send(server.w, message, 2, NULL, 0));
	/* what was on its way still comes */
	assert_true(websocket_send(client.w, message, 2, NULL, 0));
	assert_int_equal(feed(&server, client.out, client.out_len), WEBSOCKET_GOES_ON);
	assert_int_equal(server.messages, 1);
	client.out_len = 0;
	assert_int_equal(feed(&client, server.out, server.out_len), WEBSOCKET_CLOSED);
	server.out_len = 0;
	assert_int_equal(client.out_len, 8); /* the answer */
	assert_int_equal(feed(&server, client.out, client.out_len), WEBSOCKET_CLOSED);
	assert_int_equal(server.out_len, 0);
	websocket_free(server.w);
	websocket_free(client.w);
}

static void an_owner_that_wants_no_more(void **state)
{
	(void)state;
	begin_server(MESSAGE_MAX);
	server.wants_no_more = true;
	assert_int_equal(feed_hex(&server, "82820000000000018282000000000002" "898000000000"), WEBSOCKET_CLOSED);
	assert_int_equal(server.messages, 1);
	assert_int_equal(server.out_len, 0);
	/* it can still say why */
	assert_true(websocket_send(server.w, (const uint8_t *)"\0\xe5", 2, NULL, 0));
	websocket_close(server.w, WEBSOCKET_PROTOCOL_ERROR);
	assert_true(hex_equal("close", "820200e5880203ea", server.out, server.out_len));
	websocket_free(server.w);
}

/* Many fragments of one byte, and of none. */
static void a_message_in_crumbs(void **state)
{
	(void)state;
	begin_server(MESSAGE_MAX);
	assert_int_equal(feed_hex(&server, "028000000000"), WEBSOCKET_GOES_ON);
	for (unsigned i = 0; i < MESSAGE_MAX; i++)
		assert_int_equal(feed_hex(&server, "0080000000000081000000005a"), WEBSOCKET_GOES_ON);
	assert_int_equal(server.messages, 0);
	assert_int_equal(feed_hex(&server, "808000000000"), WEBSOCKET_GOES_ON);
	assert_int_equal(server.messages, 1);
	assert_int_equal(server.got_len, MESSAGE_MAX);
	assert_int_equal(server.got[MESSAGE_MAX - 1], 0x5a);
	websocket_free(server.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_answer_to_a_key),
		cmocka_unit_test(keys_that_are_16_bytes),
		cmocka_unit_test(what_a_client_asks),
		cmocka_unit_test(answers_that_agree),
		cmocka_unit_test(an_answer_in_pieces),
		cmocka_unit_test(answers_that_refuse),
		cmocka_unit_test(messages_both_ways),
		cmocka_unit_test(what_it_is_told_at_any_cut),
		cmocka_unit_test(only_binary_messages),
		cmocka_unit_test(frames_against_the_rules),
		cmocka_unit_test(messages_above_the_maximum),
		cmocka_unit_test(the_peer_closes),
		cmocka_unit_test(we_close),
		cmocka_unit_test(an_owner_that_wants_no_more),
		cmocka_unit_test(a_message_in_crumbs),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
