/* objects: proxy/edge/websocket.o proxy/edge/websocket_handshake.o base/random_seeded.o base/log.o base/clock.o */
/* measures: proxy/edge/websocket.c proxy/edge/websocket_handshake.c */
/*
 * The first byte has the side (1: a client), whether a client's server agrees in front of what follows (2), and whether the owner closes
 * (4) or sends (8) at the first message; the second is the largest message taken, times 16. The rest comes over the connection. It is fed
 * whole, and byte by byte: what is told must be the same. A client's input is also read as an answer.
 */
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "coap/stream.h"
#include "proxy/edge/websocket.h"
#include "proxy/edge/websocket_handshake.h"
#include "tests/fuzz/fuzz.h"

enum { CLIENT = 1, AGREED = 2, CLOSES = 4, SENDS = 8, HEARD_MAX = 1 << 16 };

struct heard {
	struct websocket *w;
	unsigned how;
	size_t max;
	char key[WEBSOCKET_KEY_LEN];
	uint64_t sum; /* of all messages and their lengths */
	unsigned messages, opened;
	size_t written;
	uint8_t out[HEARD_MAX];
	enum websocket_result result;
};

static void on_write(void *owner, const uint8_t *bytes, size_t len)
{
	struct heard *h = owner;
	const char *key = memmem(bytes, len, "Sec-WebSocket-Key: ", 19);

	if (key != NULL && h->written == 0)
		memcpy(h->key, key + 19, WEBSOCKET_KEY_LEN);
	if (h->written + len <= sizeof h->out)
		memcpy(h->out + h->written, bytes, len);
	h->written += len;
}

static void on_opened(void *owner)
{
	((struct heard *)owner)->opened++;
}

static bool on_message(void *owner, uint8_t *bytes, size_t len)
{
	struct heard *h = owner;

	CHECK(h->result == WEBSOCKET_GOES_ON && len <= h->max);
	CHECK((h->how & CLIENT) == 0 || h->opened == 1);
	for (size_t i = 0; i < len; i++)
		h->sum = h->sum * 31 + bytes[i];
	h->sum = h->sum * 31 + len;
	memset(bytes - STREAM_HEADROOM, 0xdd, len + STREAM_HEADROOM);
	if (h->messages++ == 0 && (h->how & SENDS) != 0)
		CHECK(websocket_send(h->w, (const uint8_t *)"\0\x45", 2, (const uint8_t *)"\xff\x31", 2));
	if (h->messages == 1 && (h->how & CLOSES) != 0)
		websocket_close(h->w, WEBSOCKET_GOING_AWAY);
	return h->messages < 100;
}

static const struct websocket_calls calls = { on_write, on_opened, on_message };

static void listen_to(struct heard *h, const uint8_t *data, size_t size, size_t piece)
{
	char answer[WEBSOCKET_AGREEMENT_MAX];

	h->w = (h->how & CLIENT) != 0 ? websocket_new_client(h->max, "example.com") : websocket_new_server(h->max);
	CHECK(h->w != NULL);
	websocket_begin(h->w, &calls, h);
	if ((h->how & CLIENT) != 0 && (h->how & AGREED) != 0)
		CHECK(websocket_feed(h->w, (const uint8_t *)answer, websocket_agreement_write(answer, h->key)) == WEBSOCKET_GOES_ON && h->opened == 1);
	for (size_t at = 0; at < size; at += piece) {
		enum websocket_result r = websocket_feed(h->w, data + at, size - at < piece ? size - at : piece);

		CHECK(h->result == WEBSOCKET_GOES_ON || h->result == r);
		h->result = r;
	}
	CHECK((h->result == WEBSOCKET_REFUSED || h->result == WEBSOCKET_FAILED) == (websocket_why(h->w)[0] != '\0'));
	websocket_close(h->w, WEBSOCKET_NORMAL);
	CHECK(!websocket_send(h->w, (const uint8_t *)"\0\x45", 2, NULL, 0));
	websocket_free(h->w);
}

static void read_as_answer(const uint8_t *data, size_t size)
{
	size_t len = websocket_answer_length(data, size);

	CHECK(len <= size);
	(void)websocket_key_is_sound((const char *)data, size);
	if (len > 0)
		(void)!websocket_answer_check(data, len, "dGhlIHNhbXBsZSBub25jZQ==");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct heard whole, pieces;

	if (size < 2)
		return 0;
	random_seed_for_test(1);
	memset(&whole, 0, sizeof whole);
	memset(&pieces, 0, sizeof pieces);
	whole.how = pieces.how = data[0];
	whole.max = pieces.max = 16 * (size_t)data[1] + 1;
	data += 2;
	size -= 2;
	read_as_answer(data, size);
	listen_to(&whole, data, size, size);
	listen_to(&pieces, data, size, 1);
	CHECK(whole.messages == pieces.messages && whole.sum == pieces.sum && whole.opened == pieces.opened);
	if (whole.result != pieces.result) {
		/* libwslay sees that the reason of a Close is no UTF-8 only where it comes in one piece with its status */
		CHECK(whole.result == WEBSOCKET_FAILED && pieces.result != WEBSOCKET_REFUSED);
		return 0;
	}
	CHECK(whole.written == pieces.written);
	CHECK(whole.result == WEBSOCKET_FAILED || (whole.how & CLIENT) != 0 || memcmp(whole.out, pieces.out, sizeof whole.out) == 0);
	return 0;
}
