#include "coap/stream.h"

enum {
	LENGTH_BYTE = 13, LENGTH_SHORT = 14, LENGTH_LONG = 15, /* RFC 8323 3.2: a length of 1, 2 or 4 bytes follows */
	LENGTH_BYTE_BASE = 13, LENGTH_SHORT_BASE = 269, LENGTH_LONG_BASE = 65805,
	TOKEN_BYTE = 13, TOKEN_SHORT = 14, /* RFC 8974 2.1: a length of 1 or 2 bytes follows the code */
	TOKEN_BYTE_BASE = 13, TOKEN_SHORT_BASE = 269,
};

/* Bytes of the extended field that a nibble announces, of a length or a token length. */
static size_t extension_size(unsigned nibble)
{
	return nibble < LENGTH_BYTE ? 0 : nibble == LENGTH_BYTE ? 1 : nibble == LENGTH_SHORT ? 2 : 4;
}

static uint64_t big_endian(const uint8_t *bytes, size_t len)
{
	uint64_t value = 0;

	while (len-- > 0)
		value = value << 8 | *bytes++;
	return value;
}

/* What a nibble and its extended field say. */
static uint64_t length_of(unsigned nibble, const uint8_t *extension)
{
	uint64_t more = big_endian(extension, extension_size(nibble));

	switch (nibble) {
	case LENGTH_BYTE:
		return LENGTH_BYTE_BASE + more;
	case LENGTH_SHORT:
		return LENGTH_SHORT_BASE + more;
	case LENGTH_LONG:
		return LENGTH_LONG_BASE + more;
	default:
		return nibble;
	}
}

static enum stream_result need(struct stream_frame *f, uint64_t size, size_t max)
{
	if (size > max)
		return STREAM_TOO_LARGE;
	f->size = (size_t)size;
	return STREAM_MORE;
}

static enum stream_result read_framed(struct stream_frame *f, const uint8_t *bytes, size_t len, size_t max)
{
	unsigned length = len > 0 ? bytes[0] >> 4 : 0, tkl = len > 0 ? bytes[0] & 15 : 0;
	size_t header = 2 + extension_size(length), token_field = extension_size(tkl);
	uint64_t size, token_len;

	if (tkl > TOKEN_SHORT)
		return STREAM_MALFORMED;
	if (len < header)
		return need(f, header + token_field, max);
	size = header + token_field + length_of(length, bytes + 1);
	if (len < header + token_field)
		return need(f, size, max);
	token_len = length_of(tkl, bytes + header);
	size += token_len;
	if (len < size || size > max)
		return need(f, size, max);
	*f = (struct stream_frame){ .size = (size_t)size, .header = header, .token_len = (uint32_t)token_len, .code = bytes[header - 1] };
	return STREAM_FRAME;
}

/* The frame is as long as the message, so bytes that are missing never come. */
static enum stream_result read_whole(struct stream_frame *f, const uint8_t *bytes, size_t len, size_t max)
{
	const size_t header = 2;
	uint64_t token_len;
	size_t token_field;

	if (len > max)
		return STREAM_TOO_LARGE;
	if (len < header || bytes[0] >> 4 != 0 || bytes[0] > TOKEN_SHORT)
		return STREAM_MALFORMED;
	token_field = extension_size(bytes[0]);
	if (len < header + token_field)
		return STREAM_MALFORMED;
	token_len = length_of(bytes[0], bytes + header);
	if (len - header - token_field < token_len)
		return STREAM_MALFORMED;
	*f = (struct stream_frame){ .size = len, .header = header, .token_len = (uint32_t)token_len, .code = bytes[1] };
	return STREAM_FRAME;
}

enum stream_result stream_frame_read(struct stream_frame *f, enum stream_form form, const uint8_t *bytes, size_t len, size_t max)
{
	*f = (struct stream_frame){ 0 };
	return form == STREAM_WHOLE ? read_whole(f, bytes, len, max) : read_framed(f, bytes, len, max);
}

uint8_t *stream_frame_to_datagram(uint8_t *bytes, const struct stream_frame *f, size_t *len)
{
	unsigned tkl = bytes[0] & 15; /* before anything is written over it */
	uint8_t *datagram = bytes + f->header - MSG_HEADER;

	msg_write_empty(datagram, MSG_NON, 0);
	datagram[0] = (uint8_t)(datagram[0] | tkl);
	datagram[1] = f->code;
	*len = f->size - f->header + MSG_HEADER;
	return datagram;
}

/* Bytes of options and payload behind the token, or -1 if there is no sound token. */
static int64_t body_size(const uint8_t *datagram, size_t len)
{
	unsigned tkl;
	size_t token_field;
	uint64_t token_len;

	if (len < MSG_HEADER)
		return -1;
	tkl = datagram[0] & 15;
	token_field = extension_size(tkl);
	if (tkl > TOKEN_SHORT || len - MSG_HEADER < token_field)
		return -1;
	token_len = length_of(tkl, datagram + MSG_HEADER);
	if (len - MSG_HEADER - token_field < token_len)
		return -1;
	return (int64_t)(len - MSG_HEADER - token_field - token_len);
}

size_t stream_frame_write_header(uint8_t header[STREAM_HEADER_MAX], enum stream_form form, const uint8_t *datagram, size_t len)
{
	int64_t body = body_size(datagram, len);
	unsigned tkl, nibble;
	uint64_t more;
	struct writer w;

	if (body < 0 || body > (int64_t)LENGTH_LONG_BASE + UINT32_MAX)
		return 0;
	tkl = datagram[0] & 15;
	nibble = form == STREAM_WHOLE ? 0 : body < LENGTH_BYTE_BASE ? (unsigned)body : body < LENGTH_SHORT_BASE ? LENGTH_BYTE :
		body < LENGTH_LONG_BASE ? LENGTH_SHORT : LENGTH_LONG;
	writer_init(&w, header, STREAM_HEADER_MAX);
	writer_u8(&w, nibble << 4 | tkl);
	if (nibble == LENGTH_BYTE)
		writer_u8(&w, (unsigned)(body - LENGTH_BYTE_BASE));
	else if (nibble == LENGTH_SHORT)
		writer_u16(&w, (unsigned)(body - LENGTH_SHORT_BASE));
	else if (nibble == LENGTH_LONG) {
		more = (uint64_t)(body - LENGTH_LONG_BASE);
		writer_u16(&w, (unsigned)(more >> 16));
		writer_u16(&w, (unsigned)(more & 0xffff));
	}
	writer_u8(&w, datagram[1]);
	return writer_length(&w);
}
