#include "coap/message.h"

#include <coap3/coap.h>
#include <stdio.h>
#include <string.h>

enum {
	VERSION = 1,
	TKL_BYTE = 13, TKL_SHORT = 14,               /* RFC 8974 2.1: a length of one or two bytes follows the Message ID */
	TKL_BYTE_BASE = 13, TKL_SHORT_BASE = 269,
	MARKER = 0xff,
	DELTA_SHORT = 14, DELTA_SHORT_BASE = 269,    /* RFC 7252 3.1 */
	OPTION_HEAD_MAX = 5,
};

/* Steps over the token. Returns false, with no token, if its length is reserved or runs past the end. */
static bool token_read(struct msg_view *m, struct reader *r, unsigned tkl)
{
	uint32_t len = tkl;

	if (tkl == TKL_BYTE)
		len = TKL_BYTE_BASE + reader_u8(r);
	else if (tkl == TKL_SHORT)
		len = TKL_SHORT_BASE + reader_u16(r);
	else if (tkl > TKL_SHORT)
		return false;

	const uint8_t *token = reader_bytes(r, len);

	if (r->failed)
		return false;
	m->token = token;
	m->token_len = len;
	return true;
}

static enum msg_result options_read(struct msg_view *m, struct reader *r)
{
	uint32_t number = 0;

	while (r->at < r->end && *r->at != MARKER) {
		coap_option_t option;
		bool wide = *r->at >> 4 == DELTA_SHORT;
		size_t taken = coap_opt_parse(r->at, reader_left(r), &option);

		/* the codec's delta has 16 bits: what it shows of a larger one is smaller than its form allows */
		if (taken == 0 || (wide && option.delta < DELTA_SHORT_BASE))
			return MSG_FORMAT_ERROR;
		number += option.delta;
		if (number > UINT16_MAX || option.length > UINT16_MAX)
			return MSG_FORMAT_ERROR;
		if (m->option_count == MSG_OPTIONS_MAX)
			return MSG_TOO_MANY_OPTIONS;

		struct msg_option *o = &m->options[m->option_count++];

		o->number = (uint16_t)number;
		o->len = (uint16_t)option.length;
		o->value = option.value;
		r->at += taken;
	}
	return MSG_OK;
}

enum msg_result msg_parse_datagram(struct msg_view *m, const uint8_t *bytes, size_t len)
{
	struct reader r;
	enum msg_result result;

	m->bytes = bytes;
	m->len = len;
	m->token = m->payload = NULL;
	m->payload_len = 0;
	m->token_len = 0;
	m->mid = 0;
	m->type = m->code = 0;
	m->option_count = 0;
	if (len < MSG_HEADER || bytes[0] >> 6 != VERSION)
		return MSG_IGNORE;
	m->type = bytes[0] >> 4 & 3;
	m->code = bytes[1];
	m->mid = (uint16_t)(bytes[2] << 8 | bytes[3]);
	if (m->code == CODE_EMPTY && (len > MSG_HEADER || bytes[0] & 15))
		return MSG_FORMAT_ERROR;

	reader_init(&r, bytes + MSG_HEADER, len - MSG_HEADER);
	if (!token_read(m, &r, bytes[0] & 15))
		return MSG_FORMAT_ERROR;
	result = options_read(m, &r);
	if (result != MSG_OK || r.at == r.end)
		return result;
	r.at++; /* the marker */
	if (r.at == r.end)
		return MSG_FORMAT_ERROR;
	m->payload = r.at;
	m->payload_len = reader_left(&r);
	return MSG_OK;
}

const struct msg_option *msg_option(const struct msg_view *m, uint16_t number)
{
	for (unsigned i = 0; i < m->option_count && m->options[i].number <= number; i++)
		if (m->options[i].number == number)
			return &m->options[i];
	return NULL;
}

unsigned msg_option_count(const struct msg_view *m, uint16_t number)
{
	const struct msg_option *o = msg_option(m, number);
	unsigned count = 0;

	for (; o && o < m->options + m->option_count && o->number == number; o++)
		count++;
	return count;
}

int msg_uint(const struct msg_option *o, uint32_t *value)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < o->len; i++) {
		if (v >> 24 != 0)
			return -1;
		v = v << 8 | o->value[i];
	}
	*value = v;
	return 0;
}

void msg_begin(struct msg_writer *m, uint8_t *bytes, size_t capacity, enum msg_type type, uint8_t code, uint16_t mid,
	const uint8_t *token, size_t token_len)
{
	unsigned tkl = token_len < TKL_BYTE_BASE ? (unsigned)token_len : token_len < TKL_SHORT_BASE ? TKL_BYTE : TKL_SHORT;

	writer_init(&m->w, bytes, capacity);
	m->last_option = 0;
	if (token_len > MSG_TOKEN_MAX) {
		m->w.failed = true;
		return;
	}
	writer_u8(&m->w, VERSION << 6 | (unsigned)type << 4 | tkl);
	writer_u8(&m->w, code);
	writer_u16(&m->w, mid);
	if (tkl == TKL_BYTE)
		writer_u8(&m->w, (unsigned)token_len - TKL_BYTE_BASE);
	else if (tkl == TKL_SHORT)
		writer_u16(&m->w, (unsigned)token_len - TKL_SHORT_BASE);
	writer_bytes(&m->w, token, token_len);
}

void msg_add_option(struct msg_writer *m, uint16_t number, const void *value, size_t len)
{
	struct writer *w = &m->w;
	uint16_t delta = (uint16_t)(number - m->last_option);

	/* the codec asserts and logs where there is no room, so it is not asked then */
	if (w->failed || number < m->last_option || len > UINT16_MAX ||
		(writer_room(w) < OPTION_HEAD_MAX + len && writer_room(w) < coap_opt_encode_size(delta, len))) {
		w->failed = true;
		return;
	}
	w->at += coap_opt_encode(w->at, writer_room(w), delta, value, len);
	m->last_option = number;
}

void msg_add_uint(struct msg_writer *m, uint16_t number, uint32_t value)
{
	uint8_t bytes[4];

	msg_add_option(m, number, bytes, coap_encode_var_safe(bytes, sizeof(bytes), value));
}

void msg_add_payload(struct msg_writer *m, const void *payload, size_t len)
{
	if (len == 0)
		return;
	writer_u8(&m->w, MARKER);
	writer_bytes(&m->w, payload, len);
}

size_t msg_end(const struct msg_writer *m)
{
	return m->w.failed ? 0 : writer_length(&m->w);
}

void msg_write_empty(uint8_t bytes[MSG_HEADER], enum msg_type type, uint16_t mid)
{
	bytes[0] = (uint8_t)(VERSION << 6 | (unsigned)type << 4);
	bytes[1] = CODE_EMPTY;
	msg_set_mid(bytes, mid);
}

void msg_set_type(uint8_t *bytes, enum msg_type type)
{
	bytes[0] = (uint8_t)((bytes[0] & 0xcf) | (unsigned)type << 4);
}

void msg_set_mid(uint8_t *bytes, uint16_t mid)
{
	bytes[2] = (uint8_t)(mid >> 8);
	bytes[3] = (uint8_t)mid;
}

const char *msg_code_text(uint8_t code, char out[MSG_CODE_TEXT_MAX])
{
	static const char *const methods[] = {
		[CODE_GET] = "GET", [CODE_POST] = "POST", [CODE_PUT] = "PUT", [CODE_DELETE] = "DELETE",
		[CODE_FETCH] = "FETCH", [CODE_PATCH] = "PATCH", [CODE_IPATCH] = "iPATCH",
	};

	if (code < sizeof(methods) / sizeof(methods[0]) && methods[code])
		snprintf(out, MSG_CODE_TEXT_MAX, "%s", methods[code]);
	else
		snprintf(out, MSG_CODE_TEXT_MAX, "%u.%02u", MSG_CLASS(code) & 7u, code & 31u);
	return out;
}
