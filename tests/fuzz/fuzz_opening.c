/* objects: oscore/opening.o coap/option.o coap/message.o */
/* measures: oscore/opening.c */
/*
 * The first byte says whether a packet of questions or of answers follows. What is understood, written again, must give the same bytes: nothing
 * was skipped, and there is one way to say a thing.
 */
#include <stdlib.h>
#include <string.h>

#include "oscore/opening.h"
#include "tests/fuzz/fuzz.h"

static void texts_lie_within(const struct opening_text *texts, size_t count, const uint8_t *start, const uint8_t *end)
{
	CHECK(count <= OPENING_TEXTS_MAX);
	for (size_t i = 0; i < count; i++)
		CHECK(texts[i].at >= start && texts[i].at + texts[i].len <= end);
}

static void question_again(const uint8_t *bytes, size_t len, const struct opening_question *q)
{
	uint8_t *again = malloc(len);
	struct writer w;

	CHECK(again != NULL && q->option >= bytes && q->payload + q->payload_len == bytes + len);
	CHECK(q->response == (q->request_option != NULL));
	writer_init(&w, again, len);
	CHECK(opening_question_write(&w, q) == 0 && writer_length(&w) == len && memcmp(again, bytes, len) == 0);
	/* with a byte less, nothing of it */
	writer_init(&w, again, len - 1);
	CHECK(opening_question_write(&w, q) == -1 && writer_length(&w) == 0 && !w.failed);
	free(again);
}

static void answer_again(const uint8_t *bytes, size_t len, const struct opening_answer *a)
{
	const struct opening_inner *i = &a->inner;
	uint8_t *again = malloc(len);
	struct writer w;

	CHECK(again != NULL && (i->fields == 0 || a->verdict == OPENING_OPENED));
	texts_lie_within(i->path, i->path_count, bytes, bytes + len);
	texts_lie_within(i->query, i->query_count, bytes, bytes + len);
	CHECK(i->payload_len == 0 || (i->payload >= bytes && i->payload + i->payload_len <= bytes + len));
	CHECK(i->observe >> 24 == 0 && i->etag_len <= OPENING_ETAG_MAX && i->block1.num < OPT_BLOCK_NUMBERS && i->block2.szx <= OPT_SZX_BERT);
	writer_init(&w, again, len);
	CHECK(opening_answer_write(&w, a) == 0 && writer_length(&w) == len && memcmp(again, bytes, len) == 0);
	writer_init(&w, again, len - 1);
	CHECK(opening_answer_write(&w, a) == -1 && writer_length(&w) == 0 && !w.failed);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct opening_question q;
	static struct opening_answer a;
	struct reader r;
	const uint8_t *at;
	int result = 0;

	if (size == 0)
		return 0;
	reader_init(&r, data + 1, size - 1);
	do {
		at = r.at;
		if (data[0] & 1) {
			result = opening_answer_read(&r, &a);
			if (result == 1)
				answer_again(at, (size_t)(r.at - at), &a);
		} else {
			result = opening_question_read(&r, &q);
			if (result == 1)
				question_again(at, (size_t)(r.at - at), &q);
		}
	} while (result == 1);
	CHECK(result == 0 ? reader_left(&r) == 0 : r.failed);
	return 0;
}
