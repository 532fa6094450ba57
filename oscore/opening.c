#include "oscore/opening.h"

/*
 * Numbers are big-endian. A question:
 *   mark (1)  flags (1)  option length (1)  request's option length (1)  fields (4)  payload length (4)  id (8)  set (8)
 *   option  request's option  payload
 * An answer:
 *   mark (1)  verdict (1)  flags (1)  fields (4)  id (8)
 *   and for each field of an opened message, in their order, what write_field() says.
 */
enum {
	QUESTION_MARK = 'Q', QUESTION_HEAD = 28,
	ANSWER_MARK = 'A', ANSWER_HEAD = 15,
	QUESTION_RESPONSE = 1, QUESTION_VERIFY = 2, QUESTION_FLAGS = QUESTION_RESPONSE | QUESTION_VERIFY,
	ANSWER_SEEN = 1, ANSWER_UNVERIFIED = 2, ANSWER_FLAGS = ANSWER_SEEN | ANSWER_UNVERIFIED,
	PAIR_FIRST = 1, PAIR_SECOND = 2, PAIR_BOTH = PAIR_FIRST | PAIR_SECOND, /* of two options, which are there */
	FIELDS_ALL = (1 << FIELD_COUNT) - 1,
	OBSERVE_BYTES = 3, BLOCK_BYTES = 3,
};

const char opening_field_names[] = "code uri-path uri-query content-format observe etag max-age block size payload";

uint64_t opening_set_id(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3;
	return hash != 0 ? hash : 1;
}

static void put(uint8_t *at, uint64_t v, size_t bytes)
{
	while (bytes-- > 0) {
		at[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

static uint64_t get(const uint8_t *at, size_t bytes)
{
	uint64_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | at[i];
	return v;
}

static void write_number(struct writer *w, uint64_t v, size_t bytes)
{
	uint8_t number[8];

	put(number, v, bytes);
	writer_bytes(w, number, bytes);
}

/* 0 where there is none: then the reader has failed. */
static uint64_t read_number(struct reader *r, size_t bytes)
{
	const uint8_t *at = reader_bytes(r, bytes);

	return at != NULL ? get(at, bytes) : 0;
}

/* What was begun at `start` is whole, or is taken back. */
static int written(struct writer *w, uint8_t *start)
{
	if (!w->failed)
		return 0;
	w->at = start;
	w->failed = false;
	return -1;
}

int opening_question_write(struct writer *w, const struct opening_question *q)
{
	uint8_t head[QUESTION_HEAD], *start = w->at;
	size_t request_len = q->response ? q->request_option_len : 0;

	if (w->failed || q->payload_len > OPENING_PAYLOAD_MAX)
		return -1;
	head[0] = QUESTION_MARK;
	head[1] = (uint8_t)((q->response ? QUESTION_RESPONSE : 0) | (q->verify ? QUESTION_VERIFY : 0));
	head[2] = q->option_len;
	head[3] = (uint8_t)request_len;
	put(head + 4, q->fields, 4);
	put(head + 8, q->payload_len, 4);
	put(head + 12, q->id, 8);
	put(head + 20, q->set, 8);
	writer_bytes(w, head, sizeof head);
	writer_bytes(w, q->option, q->option_len);
	writer_bytes(w, q->request_option, request_len);
	writer_bytes(w, q->payload, q->payload_len);
	return written(w, start);
}

int opening_question_read(struct reader *r, struct opening_question *q)
{
	const uint8_t *head;

	memset(q, 0, sizeof *q);
	if (!r->failed && reader_left(r) == 0)
		return 0;
	head = reader_bytes(r, QUESTION_HEAD);
	if (head == NULL || head[0] != QUESTION_MARK || (head[1] & ~QUESTION_FLAGS) != 0)
		goto failed;
	q->response = (head[1] & QUESTION_RESPONSE) != 0;
	q->verify = (head[1] & QUESTION_VERIFY) != 0;
	q->option_len = head[2];
	q->request_option_len = head[3];
	q->fields = (uint32_t)get(head + 4, 4);
	q->payload_len = (uint32_t)get(head + 8, 4);
	q->id = get(head + 12, 8);
	q->set = get(head + 20, 8);
	if ((q->fields & ~(uint32_t)FIELDS_ALL) != 0 || q->payload_len > OPENING_PAYLOAD_MAX || (!q->response && q->request_option_len > 0))
		goto failed;
	q->option = reader_bytes(r, q->option_len);
	if (q->response)
		q->request_option = reader_bytes(r, q->request_option_len);
	q->payload = reader_bytes(r, q->payload_len);
	if (!r->failed)
		return 1;
failed:
	memset(q, 0, sizeof *q);
	r->failed = true;
	return -1;
}

static void write_texts(struct writer *w, const struct opening_text *texts, size_t count)
{
	writer_u8(w, (unsigned)count);
	for (size_t i = 0; i < count; i++) {
		writer_u16(w, texts[i].len);
		writer_bytes(w, texts[i].at, texts[i].len);
	}
}

/* Which of two are there, and each of them. */
static void write_pair(struct writer *w, bool has_first, uint32_t first, bool has_second, uint32_t second, size_t bytes)
{
	writer_u8(w, (has_first ? PAIR_FIRST : 0) | (has_second ? PAIR_SECOND : 0));
	if (has_first)
		write_number(w, first, bytes);
	if (has_second)
		write_number(w, second, bytes);
}

static void write_field(struct writer *w, const struct opening_inner *i, enum opening_field field)
{
	switch (field) {
	case FIELD_CODE:
		writer_u8(w, i->code);
		break;
	case FIELD_URI_PATH:
		writer_u8(w, i->path_abbreviated);
		write_texts(w, i->path, i->path_count);
		break;
	case FIELD_URI_QUERY:
		write_texts(w, i->query, i->query_count);
		break;
	case FIELD_CONTENT_FORMAT:
		writer_u16(w, i->content_format);
		break;
	case FIELD_OBSERVE:
		write_number(w, i->observe, OBSERVE_BYTES);
		break;
	case FIELD_ETAG:
		writer_u8(w, i->etag_len);
		writer_bytes(w, i->etag, i->etag_len);
		break;
	case FIELD_MAX_AGE:
		write_number(w, i->max_age, sizeof i->max_age);
		break;
	case FIELD_BLOCK:
		write_pair(w, i->has_block1, opt_block_value(&i->block1), i->has_block2, opt_block_value(&i->block2), BLOCK_BYTES);
		break;
	case FIELD_SIZE:
		write_pair(w, i->has_size1, i->size1, i->has_size2, i->size2, sizeof i->size1);
		break;
	case FIELD_PAYLOAD:
		writer_u8(w, i->payload_cut);
		write_number(w, i->payload_len, sizeof i->payload_len);
		writer_bytes(w, i->payload, i->payload_len);
		break;
	case FIELD_COUNT:
		break;
	}
}

/* Whether it is as the one who reads it wants it. */
static bool inner_is_sound(const struct opening_inner *i)
{
	return (i->fields & ~(uint32_t)FIELDS_ALL) == 0 && i->path_count <= OPENING_TEXTS_MAX && i->query_count <= OPENING_TEXTS_MAX &&
		i->etag_len <= OPENING_ETAG_MAX && i->payload_len <= OPENING_PAYLOAD_MAX;
}

int opening_answer_write(struct writer *w, const struct opening_answer *a)
{
	uint8_t head[ANSWER_HEAD], *start = w->at;
	bool opened = a->verdict == OPENING_OPENED;

	if (w->failed || a->verdict >= OPENING_VERDICTS || (opened && !inner_is_sound(&a->inner)))
		return -1;
	head[0] = ANSWER_MARK;
	head[1] = a->verdict;
	head[2] = (uint8_t)((a->seen ? ANSWER_SEEN : 0) | (a->unverified ? ANSWER_UNVERIFIED : 0));
	put(head + 3, opened ? a->inner.fields : 0, 4);
	put(head + 7, a->id, 8);
	writer_bytes(w, head, sizeof head);
	for (int field = 0; opened && field < FIELD_COUNT; field++)
		if (a->inner.fields & FIELD_BIT(field))
			write_field(w, &a->inner, (enum opening_field)field);
	return written(w, start);
}

static uint8_t read_texts(struct reader *r, struct opening_text *texts)
{
	unsigned count = reader_u8(r);

	if (count > OPENING_TEXTS_MAX) {
		r->failed = true;
		return 0;
	}
	for (unsigned i = 0; i < count; i++) {
		texts[i].len = (uint16_t)reader_u16(r);
		texts[i].at = reader_bytes(r, texts[i].len);
	}
	return (uint8_t)count;
}

/* A truth is written as 0 or 1. */
static bool read_truth(struct reader *r)
{
	unsigned v = reader_u8(r);

	if (v > 1)
		r->failed = true;
	return v == 1;
}

static void read_pair(struct reader *r, bool *has_first, uint32_t *first, bool *has_second, uint32_t *second, size_t bytes)
{
	unsigned there = reader_u8(r);

	if ((there & ~(unsigned)PAIR_BOTH) != 0)
		r->failed = true;
	*has_first = there & PAIR_FIRST;
	*has_second = (there & PAIR_SECOND) != 0;
	*first = *has_first ? (uint32_t)read_number(r, bytes) : 0;
	*second = *has_second ? (uint32_t)read_number(r, bytes) : 0;
}

static void block_of(struct opt_block *b, uint32_t value)
{
	*b = (struct opt_block){ .num = value >> 4, .more = value >> 3 & 1, .szx = value & 7 };
}

static void read_etag(struct reader *r, struct opening_inner *i)
{
	const uint8_t *etag;

	i->etag_len = (uint8_t)reader_u8(r);
	if (i->etag_len > OPENING_ETAG_MAX) {
		i->etag_len = 0;
		r->failed = true;
	}
	etag = reader_bytes(r, i->etag_len);
	if (etag != NULL)
		memcpy(i->etag, etag, i->etag_len);
}

static void read_payload(struct reader *r, struct opening_inner *i)
{
	i->payload_cut = read_truth(r);
	i->payload_len = (uint32_t)read_number(r, sizeof i->payload_len);
	if (i->payload_len > OPENING_PAYLOAD_MAX)
		r->failed = true;
	else
		i->payload = reader_bytes(r, i->payload_len);
}

static void read_field(struct reader *r, struct opening_inner *i, enum opening_field field)
{
	uint32_t first, second;

	switch (field) {
	case FIELD_CODE:
		i->code = (uint8_t)reader_u8(r);
		break;
	case FIELD_URI_PATH:
		i->path_abbreviated = read_truth(r);
		i->path_count = read_texts(r, i->path);
		break;
	case FIELD_URI_QUERY:
		i->query_count = read_texts(r, i->query);
		break;
	case FIELD_CONTENT_FORMAT:
		i->content_format = (uint16_t)reader_u16(r);
		break;
	case FIELD_OBSERVE:
		i->observe = (uint32_t)read_number(r, OBSERVE_BYTES);
		break;
	case FIELD_ETAG:
		read_etag(r, i);
		break;
	case FIELD_MAX_AGE:
		i->max_age = (uint32_t)read_number(r, sizeof i->max_age);
		break;
	case FIELD_BLOCK:
		read_pair(r, &i->has_block1, &first, &i->has_block2, &second, BLOCK_BYTES);
		block_of(&i->block1, first);
		block_of(&i->block2, second);
		break;
	case FIELD_SIZE:
		read_pair(r, &i->has_size1, &i->size1, &i->has_size2, &i->size2, sizeof i->size1);
		break;
	case FIELD_PAYLOAD:
		read_payload(r, i);
		break;
	case FIELD_COUNT:
		break;
	}
}

int opening_answer_read(struct reader *r, struct opening_answer *a)
{
	const uint8_t *head;

	memset(a, 0, sizeof *a);
	if (!r->failed && reader_left(r) == 0)
		return 0;
	head = reader_bytes(r, ANSWER_HEAD);
	if (head == NULL || head[0] != ANSWER_MARK || head[1] >= OPENING_VERDICTS || (head[2] & ~ANSWER_FLAGS) != 0)
		goto failed;
	a->verdict = head[1];
	a->seen = (head[2] & ANSWER_SEEN) != 0;
	a->unverified = (head[2] & ANSWER_UNVERIFIED) != 0;
	a->inner.fields = (uint32_t)get(head + 3, 4);
	a->id = get(head + 7, 8);
	if ((a->inner.fields & ~(uint32_t)FIELDS_ALL) != 0 || (a->inner.fields != 0 && a->verdict != OPENING_OPENED))
		goto failed;
	for (int field = 0; field < FIELD_COUNT; field++)
		if (a->inner.fields & FIELD_BIT(field))
			read_field(r, &a->inner, (enum opening_field)field);
	if (!r->failed)
		return 1;
failed:
	memset(a, 0, sizeof *a);
	r->failed = true;
	return -1;
}
