/* objects: oscore/inner.o oscore/opening.o coap/option.o coap/message.o */
/* measures: oscore/inner.c */
/*
 * Two bytes of fields, then a plaintext as OSCORE protects it: code, options, payload. What is told of it must be in it and must have been asked for,
 * a field must not depend on which others were asked for, and the answer must come back from its bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "oscore/inner.h"
#include "tests/fuzz/fuzz.h"

enum { ALL = (1 << FIELD_COUNT) - 1 };

static void texts_are(const struct msg_view *m, uint16_t number, const struct opening_text *texts, size_t count)
{
	CHECK(count <= OPENING_TEXTS_MAX && (count == 0 || count == msg_option_count(m, number)));
	for (size_t i = 0; i < count; i++)
		CHECK(texts[i].at == msg_option(m, number)[i].value && texts[i].len == msg_option(m, number)[i].len);
}

static void fields_are_of(const struct msg_view *m, const struct opening_inner *i, uint32_t asked)
{
	CHECK((i->fields & ~asked) == 0);
	CHECK(i->code == (i->fields & FIELD_BIT(FIELD_CODE) ? m->code : 0));
	CHECK(((i->fields & FIELD_BIT(FIELD_URI_PATH)) != 0) == ((asked & FIELD_BIT(FIELD_URI_PATH)) != 0 && msg_code_is_request(m->code)));
	texts_are(m, OPT_URI_PATH, i->path, i->path_count);
	texts_are(m, OPT_URI_QUERY, i->query, i->query_count);
	CHECK(!i->path_abbreviated || i->path_count == 0);
	CHECK(i->etag_len <= OPENING_ETAG_MAX && i->observe >> 24 == 0);
	CHECK(i->payload == NULL || (i->payload == m->payload && i->payload_len == m->payload_len && !i->payload_cut));
	CHECK((i->payload != NULL) == ((i->fields & FIELD_BIT(FIELD_PAYLOAD)) != 0));
}

static bool same_numbers(const struct opening_inner *a, const struct opening_inner *b)
{
	return a->fields == b->fields && a->code == b->code && a->content_format == b->content_format && a->observe == b->observe &&
		a->max_age == b->max_age && a->etag_len == b->etag_len && memcmp(a->etag, b->etag, sizeof a->etag) == 0 &&
		opt_block_value(&a->block1) == opt_block_value(&b->block1) && opt_block_value(&a->block2) == opt_block_value(&b->block2) &&
		a->size1 == b->size1 && a->size2 == b->size2 && a->path_count == b->path_count && a->query_count == b->query_count &&
		a->path_abbreviated == b->path_abbreviated && a->payload_len == b->payload_len;
}

static void answer_comes_back(const struct opening_inner *i)
{
	static uint8_t packet[OPENING_PACKET_MAX];
	static struct opening_answer a, again;
	struct writer w;
	struct reader r;

	a = (struct opening_answer){ .id = 1, .verdict = OPENING_OPENED, .inner = *i };
	writer_init(&w, packet, sizeof packet);
	CHECK(opening_answer_write(&w, &a) == 0);
	reader_init(&r, packet, writer_length(&w));
	CHECK(opening_answer_read(&r, &again) == 1 && reader_left(&r) == 0);
	CHECK(same_numbers(&again.inner, i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct msg_view m;
	static struct opening_inner some, all;
	uint32_t asked;
	uint8_t *bytes;

	if (size < 3)
		return 0;
	asked = (uint32_t)(data[0] << 8 | data[1]) & ALL;
	/* as oscore/unseal.c makes it */
	bytes = malloc(size + 1);
	CHECK(bytes != NULL);
	memcpy(bytes + 1, data, size);
	bytes[0] = 1 << 6 | MSG_NON << 4;
	bytes[1] = data[2];
	bytes[2] = bytes[3] = 0;
	memmove(bytes + 4, data + 3, size - 3);
	if (msg_parse_datagram(&m, bytes, size + 1) == MSG_OK && (msg_code_is_request(m.code) || msg_code_is_response(m.code))) {
		oscore_inner_read(&all, &m, ALL);
		fields_are_of(&m, &all, ALL);
		answer_comes_back(&all);
		oscore_inner_read(&some, &m, asked);
		fields_are_of(&m, &some, asked);
		answer_comes_back(&some);
		CHECK(some.fields == (all.fields & asked));
		CHECK(!(asked & FIELD_BIT(FIELD_URI_PATH)) || (some.path_count == all.path_count && some.path_abbreviated == all.path_abbreviated));
		CHECK(!(asked & FIELD_BIT(FIELD_MAX_AGE)) || some.max_age == all.max_age);
	}
	free(bytes);
	return 0;
}
