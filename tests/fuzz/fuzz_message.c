/* objects: coap/message.o coap/option.o */
/* measures: coap/message.c coap/option.c */
/*
 * Datagrams. What parses is written again from its view; the copy must parse to the same message, and be the same bytes
 * where the original is written in the shortest form.
 */
#include <stdlib.h>
#include <string.h>

#include "coap/message.h"
#include "coap/option.h"
#include "tests/fuzz/fuzz.h"

static void same_bytes(const void *a, const void *b, size_t len)
{
	CHECK(len == 0 || memcmp(a, b, len) == 0);
}

static void view_lies_within(const struct msg_view *m)
{
	const uint8_t *end = m->bytes + m->len;
	uint16_t last = 0;

	CHECK(m->token >= m->bytes + MSG_HEADER && m->token + m->token_len <= end);
	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];

		CHECK(o->number >= last);
		CHECK(o->value >= m->token + m->token_len && o->value + o->len <= end);
		last = o->number;
	}
	if (m->payload)
		CHECK(m->payload_len > 0 && m->payload + m->payload_len == end);
}

static void options_asked(const struct msg_view *m)
{
	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];
		const struct msg_option *first = msg_option(m, o->number);
		struct opt_block b;
		uint32_t value;

		CHECK(first && first <= o && first->number == o->number);
		CHECK(o < first + msg_option_count(m, o->number));
		if (msg_uint(o, &value) == 0 && opt_block_parse(&b, o) == 0)
			CHECK(opt_block_value(&b) == value);
		if (opt_is_recognised(o, m->code, (unsigned)(o - first)))
			CHECK(opt_row(o->number) && o->number == opt_row(o->number)->number);
		if (opt_is_no_cache_key(o->number))
			CHECK(!opt_is_unsafe(o->number));
	}
	CHECK(!msg_option(m, 10) || msg_option_count(m, 10) > 0);
}

static void written_again(const struct msg_view *m, bool exact)
{
	size_t room = m->len + 1;
	uint8_t *copy = malloc(room), *less;
	static struct msg_view again;
	struct msg_writer w;
	size_t len;

	CHECK(copy != NULL);
	msg_begin(&w, copy, room, (enum msg_type)m->type, m->code, m->mid, m->token, m->token_len);
	for (unsigned i = 0; i < m->option_count; i++)
		msg_add_option(&w, m->options[i].number, m->options[i].value, m->options[i].len);
	msg_add_payload(&w, m->payload, m->payload_len);
	len = msg_end(&w);
	CHECK(len > 0 && len <= m->len);
	if (exact) {
		CHECK(len == m->len);
		same_bytes(copy, m->bytes, len);
	}

	CHECK(msg_parse_datagram(&again, copy, len) == MSG_OK);
	CHECK(again.type == m->type && again.code == m->code && again.mid == m->mid && again.option_count == m->option_count);
	CHECK(again.token_len == m->token_len && again.payload_len == m->payload_len);
	same_bytes(again.token, m->token, m->token_len);
	same_bytes(again.payload, m->payload, m->payload_len);
	for (unsigned i = 0; i < m->option_count; i++) {
		CHECK(again.options[i].number == m->options[i].number && again.options[i].len == m->options[i].len);
		same_bytes(again.options[i].value, m->options[i].value, m->options[i].len);
	}
	/* with a byte less, the whole does not fit */
	less = malloc(len);
	CHECK(less != NULL);
	msg_begin(&w, less, len - 1, (enum msg_type)m->type, m->code, m->mid, m->token, m->token_len);
	for (unsigned i = 0; i < m->option_count; i++)
		msg_add_option(&w, m->options[i].number, m->options[i].value, m->options[i].len);
	msg_add_payload(&w, m->payload, m->payload_len);
	CHECK(msg_end(&w) == 0);
	free(less);
	free(copy);
}

static void header_changed(const struct msg_view *m)
{
	static struct msg_view again;
	uint8_t empty[MSG_HEADER];
	char text[MSG_CODE_TEXT_MAX];
	uint16_t other = m->mid ^ 0xffff;

	msg_write_empty(empty, MSG_ACK, m->mid);
	msg_set_type(empty, MSG_RST);
	msg_set_mid(empty, other);
	CHECK(msg_parse_datagram(&again, empty, sizeof(empty)) == MSG_OK);
	CHECK(again.type == MSG_RST && again.code == CODE_EMPTY && again.mid == other);
	CHECK(strlen(msg_code_text(m->code, text)) < MSG_CODE_TEXT_MAX);
}

/* A uint written from the Message ID is read back. */
static void uint_written(const struct msg_view *m)
{
	static struct msg_view again;
	uint8_t bytes[32];
	struct msg_writer w;
	uint32_t value;

	msg_begin(&w, bytes, sizeof(bytes), MSG_NON, CODE_GET, 0, NULL, 0);
	msg_add_uint(&w, OPT_MAX_AGE, (uint32_t)m->mid * m->mid);
	CHECK(msg_parse_datagram(&again, bytes, msg_end(&w)) == MSG_OK);
	CHECK(msg_uint(&again.options[0], &value) == 0 && value == (uint32_t)m->mid * m->mid);
}

/* True if no option is written longer than it must be: then there is one way only to write the message. */
static bool is_shortest(const struct msg_view *m)
{
	const uint8_t *at = m->token + m->token_len;
	unsigned last = 0;

	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];
		unsigned delta = o->number - last;
		unsigned head = 1 + (delta >= 269 ? 2u : delta >= 13 ? 1u : 0u) + (o->len >= 269 ? 2u : o->len >= 13 ? 1u : 0u);

		if (at + head != o->value)
			return false;
		at = o->value + o->len;
		last = o->number;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct msg_view m;
	enum msg_result r = msg_parse_datagram(&m, data, size);

	if (r == MSG_OK) {
		view_lies_within(&m);
		options_asked(&m);
		written_again(&m, is_shortest(&m));
		header_changed(&m);
		uint_written(&m);
	} else if (r == MSG_IGNORE) {
		CHECK(size < MSG_HEADER || data[0] >> 6 != 1);
	} else if (m.token) {
		CHECK(m.token + m.token_len <= data + size);
	} else {
		CHECK(r == MSG_FORMAT_ERROR);
	}
	return 0;
}
