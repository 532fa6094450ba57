/* objects: coap/message.o coap/stream.o */
/* measures: coap/stream.c */
/*
 * The first byte says which form, the next two the largest frame, the rest is the stream. It is read frame by frame, also as it looks
 * with fewer bytes of it there; each frame becomes a datagram, and its header is written again from that.
 */
#include <stdlib.h>
#include <string.h>

#include "coap/stream.h"
#include "tests/fuzz/fuzz.h"

/* What was found is what would have been found piece by piece. */
static void as_it_arrives(const uint8_t *bytes, size_t len, size_t max, enum stream_result at_last)
{
	struct stream_frame f;
	size_t have = 0;
	enum stream_result r;

	while ((r = stream_frame_read(&f, STREAM_FRAMED, bytes, have, max)) == STREAM_MORE) {
		CHECK(f.size > have && f.size <= max && f.header == 0);
		if (f.size > len) {
			CHECK(at_last != STREAM_FRAME);
			return;
		}
		have = f.size;
	}
	CHECK(r == at_last || (max < 2 && at_last == STREAM_MALFORMED));
}

/* Each length has one form, so the header is the same again. */
static void written_again(const uint8_t *frame, const struct stream_frame *f, enum stream_form form, const uint8_t *datagram, size_t len)
{
	uint8_t header[STREAM_HEADER_MAX];
	size_t header_len = stream_frame_write_header(header, form, datagram, len);
	struct stream_frame again;
	uint8_t *copy;

	CHECK(header_len == f->header && memcmp(header, frame, header_len) == 0);
	CHECK(memcmp(datagram + MSG_HEADER, frame + f->header, f->size - f->header) == 0);
	copy = malloc(f->size);
	CHECK(copy != NULL);
	memcpy(copy, header, header_len);
	memcpy(copy + header_len, datagram + MSG_HEADER, len - MSG_HEADER);
	CHECK(stream_frame_read(&again, form, copy, f->size, f->size) == STREAM_FRAME);
	CHECK(again.size == f->size && again.header == f->header && again.code == f->code && again.token_len == f->token_len);
	free(copy);
}

static void as_datagram(const uint8_t *frame, const struct stream_frame *f, enum stream_form form)
{
	static struct msg_view m;
	uint8_t *room = malloc(STREAM_HEADROOM + f->size), *datagram;
	enum msg_result result;
	size_t len;

	CHECK(room != NULL);
	memcpy(room + STREAM_HEADROOM, frame, f->size);
	datagram = stream_frame_to_datagram(room + STREAM_HEADROOM, f, &len);
	CHECK(datagram >= room && datagram + len == room + STREAM_HEADROOM + f->size);
	written_again(frame, f, form, datagram, len);
	result = msg_parse_datagram(&m, datagram, len);
	CHECK(result != MSG_IGNORE && m.type == MSG_NON && m.mid == 0 && m.code == f->code);
	CHECK(m.token == NULL || m.token_len == f->token_len);
	CHECK(m.token != NULL || f->code == CODE_EMPTY);
	free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum stream_form form;
	struct stream_frame f;
	uint8_t header[STREAM_HEADER_MAX];
	enum stream_result r;
	size_t max;

	if (size < 3)
		return 0;
	form = data[0] & 1 ? STREAM_WHOLE : STREAM_FRAMED;
	max = (size_t)data[1] << 8 | data[2];
	data += 3;
	size -= 3;
	(void)!stream_frame_write_header(header, form, data, size); /* as if it were a datagram */
	do {
		r = stream_frame_read(&f, form, data, size, max);
		if (form == STREAM_FRAMED)
			as_it_arrives(data, size, max, r);
		if (r != STREAM_FRAME)
			break;
		CHECK(f.size <= size && f.size <= max && f.header >= 2 && f.header + f.token_len <= f.size);
		as_datagram(data, &f, form);
		data += f.size;
		size -= f.size;
	} while (size > 0);
	return 0;
}
