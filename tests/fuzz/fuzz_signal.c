/* objects: coap/message.o coap/option.o coap/signal.o */
/* measures: coap/signal.c */
/*
 * Signals as datagrams, one behind the other, each after a byte with its length: what they say is said again by our writers and must
 * be the same when it is read.
 */
#include <stdlib.h>
#include <string.h>

#include "coap/option.h"
#include "coap/signal.h"
#include "tests/fuzz/fuzz.h"

static void text_lies_within(const struct msg_view *m, const struct signal_text *t)
{
	const uint8_t *at = (const uint8_t *)t->text;

	CHECK(at != NULL && t->len > 0 && at > m->bytes && at + t->len <= m->bytes + m->len);
}

static void read_again(struct signal *s, struct signal_settings *peer, const uint8_t *bytes, size_t len)
{
	static struct msg_view m;

	CHECK(len > 0 && msg_parse_datagram(&m, bytes, len) == MSG_OK);
	CHECK(signal_parse(s, peer, &m) == SIGNAL_OK);
}

static void said_again(const struct signal *s, const struct signal_settings *peer, const struct msg_view *m)
{
	uint8_t out[512];
	char text[256];
	struct signal_settings other;
	struct signal again;
	size_t len;

	signal_settings_init(&other);
	if (s->code == SIGNAL_CSM) {
		read_again(&again, &other, out, signal_write_csm(out, sizeof out, peer));
		CHECK(other.message_size == peer->message_size && other.token_length == peer->token_length && other.blockwise == peer->blockwise);
	} else if (s->code == SIGNAL_PING || s->code == SIGNAL_PONG) {
		len = signal_write_ping(out, sizeof out, (enum signal_code)s->code, m->token, m->token_len, s->custody);
		read_again(&again, &other, out, len);
		CHECK(again.code == s->code && again.custody == s->custody);
	} else if (s->code == SIGNAL_RELEASE) {
		len = s->alternative_count > 0 ? s->alternatives[0].len : 0;
		if (len > 0)
			memcpy(text, s->alternatives[0].text, len);
		text[len] = '\0';
		len = strlen(text);
		read_again(&again, &other, out, signal_write_release(out, sizeof out, len > 0 ? text : NULL, s->hold_off));
		CHECK(again.hold_off == s->hold_off && again.alternative_count == (len > 0));
		CHECK(len == 0 || (again.alternatives[0].len == len && memcmp(again.alternatives[0].text, text, len) == 0));
	} else {
		read_again(&again, &other, out, signal_write_abort(out, sizeof out, s->bad_option, "words"));
		CHECK(again.bad_option == s->bad_option && again.diagnostic.len == 5);
	}
}

static void one_signal(struct signal_settings *peer, const struct msg_view *m)
{
	struct signal_settings before = *peer;
	struct signal s;
	enum signal_result r = signal_parse(&s, peer, m);

	CHECK(s.code == m->code && s.alternative_count <= SIGNAL_ALTERNATIVES_MAX);
	CHECK(peer->token_length >= MSG_TOKEN_BASE && peer->token_length <= MSG_TOKEN_MAX);
	CHECK(!before.blockwise || peer->blockwise);
	if (r == SIGNAL_BAD_OPTION)
		CHECK(opt_is_critical(s.bad_option) && msg_option(m, s.bad_option) != NULL);
	if (r != SIGNAL_OK || m->code != SIGNAL_CSM)
		CHECK(memcmp(&before, peer, sizeof before) == 0);
	if (s.diagnostic.text != NULL)
		text_lies_within(m, &s.diagnostic);
	for (unsigned i = 0; i < s.alternative_count; i++)
		text_lies_within(m, &s.alternatives[i]);
	if (r == SIGNAL_OK)
		said_again(&s, peer, m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct msg_view m;
	struct signal_settings peer;

	memset(&peer, 0, sizeof peer);
	signal_settings_init(&peer);
	while (size > 1) {
		size_t len = data[0] < size - 1 ? data[0] : size - 1;

		if (msg_parse_datagram(&m, data + 1, len) == MSG_OK && signal_is(m.code))
			one_signal(&peer, &m);
		data += 1 + len;
		size -= 1 + len;
	}
	return 0;
}
