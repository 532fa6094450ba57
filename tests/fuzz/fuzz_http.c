/* objects: proxy/http/parse.o proxy/http/framing.o proxy/http/lines.o translate/http_message.o coap/uri.o coap/message.o base/endpoint.o */
/* measures: proxy/http/parse.c proxy/http/framing.c proxy/http/lines.c */
/*
 * HTTP messages. The first byte says whose they are: S a client's requests, C an origin's responses, H responses to HEAD; the
 * second how many of the bytes behind it are lengths of pieces. However the rest is cut, whole, by single bytes or so, the parser
 * says the same of it, and every head keeps what translate/http_message.h promises.
 */
#include <stdint.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/http_transcript.h"

static const struct http_limits limits = {.line = 300, .fields_bytes = 600, .fields_count = 12, .chunk_line = 40};

/* The lengths take turns; each but the first piece begins where the last one ended, so the turn is found by what is read. */
static size_t piece_of_numbers(const struct http_cuts *cuts, size_t at)
{
	size_t i = 0, sum = 0;

	for (;; i = (i + 1) % cuts->number) {
		size_t next = (size_t)(cuts->numbers[i] & 0x3f) + 1;

		if (sum >= at)
			return next;
		sum += next;
	}
}

static enum http_side side_of(uint8_t byte)
{
	return byte == 'C' ? HTTP_SIDE_CLIENT : byte == 'H' ? HTTP_SIDE_HEAD : HTTP_SIDE_SERVER;
}

static void same(const struct http_transcript *whole, enum http_side side, const uint8_t *bytes, size_t len, const struct http_cuts *cuts)
{
	struct http_transcript t = http_transcript(side, &limits, bytes, len, cuts);

	TRANSCRIPT_CHECK(strcmp(t.summary, whole->summary) == 0);
	TRANSCRIPT_CHECK(t.details_len == whole->details_len && memcmp(t.details, whole->details, t.details_len) == 0);
	http_transcript_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct http_cuts uncut = {.piece = http_cut_every, .number = SIZE_MAX}, single = {.piece = http_cut_every, .number = 1};
	enum { INTRO = 2, NUMBERS_MAX = 16 };
	struct http_transcript whole;
	size_t numbers;

	if (size < INTRO)
		return 0;
	numbers = data[1] % NUMBERS_MAX;
	numbers = numbers < size - INTRO ? numbers : size - INTRO;
	whole = http_transcript(side_of(data[0]), &limits, data + INTRO + numbers, size - INTRO - numbers, &uncut);
	same(&whole, side_of(data[0]), data + INTRO + numbers, size - INTRO - numbers, &single);
	if (numbers > 0)
		same(&whole, side_of(data[0]), data + INTRO + numbers, size - INTRO - numbers,
			&(struct http_cuts){.piece = piece_of_numbers, .number = numbers, .numbers = data + INTRO});
	http_transcript_free(&whole);
	return 0;
}
