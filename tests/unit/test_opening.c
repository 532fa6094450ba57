/* objects: oscore/opening.o coap/option.o coap/message.o */
/*
 * Questions to the reader and its answers as bytes: there and back, and everything that is not one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "oscore/opening.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static uint8_t packet[OPENING_PACKET_MAX];

static const struct opening_question request = {
	.id = 0x0102030405060708, .set = 0xfffefdfcfbfaf9f8, .fields = FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_PAYLOAD),
	.option = (const uint8_t *)"\x09\x14", .option_len = 2, .payload = (const uint8_t *)"sealed", .payload_len = 6,
};
static const struct opening_question response = {
	.id = 7, .set = 1, .response = true, .verify = true, .option = (const uint8_t *)"", .option_len = 0,
	.request_option = (const uint8_t *)"\x09\x14\x01", .request_option_len = 3, .payload = (const uint8_t *)"x", .payload_len = 1,
};

static const struct opening_answer opened = {
	.id = 0x8877665544332211, .verdict = OPENING_OPENED, .seen = true,
	.inner = {
		.fields = (1u << FIELD_COUNT) - 1, .code = CODE_CONTENT, .etag_len = 8, .etag = "etag8888", .content_format = 0xfffe,
		.observe = 0xfffffe, .max_age = 0xfffffffe, .has_block1 = true, .has_block2 = true, .has_size1 = true, .has_size2 = true,
		.block1 = { .num = 0xfffff, .more = true, .szx = 7 }, .block2 = { .num = 3, .szx = 2 }, .size1 = 0xfffffffd, .size2 = 5,
		.path_abbreviated = true, .path = { { (const uint8_t *)"firmware", 8 }, { (const uint8_t *)"", 0 } }, .path_count = 2,
		.query = { { (const uint8_t *)"a=b", 3 } }, .query_count = 1,
		.payload = (const uint8_t *)"Hello", .payload_len = 5, .payload_cut = true,
	},
};

static void same_question(const struct opening_question *a, const struct opening_question *b)
{
	assert_true(a->id == b->id && a->set == b->set && a->fields == b->fields && a->response == b->response && a->verify == b->verify);
	assert_int_equal(a->option_len, b->option_len);
	assert_memory_equal(a->option, b->option, b->option_len);
	assert_int_equal(a->payload_len, b->payload_len);
	assert_memory_equal(a->payload, b->payload, b->payload_len);
	if (b->response) {
		assert_int_equal(a->request_option_len, b->request_option_len);
		assert_memory_equal(a->request_option, b->request_option, b->request_option_len);
	} else {
		assert_null(a->request_option);
	}
}

static void same_texts(const struct opening_text *a, const struct opening_text *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(a[i].len, b[i].len);
		assert_memory_equal(a[i].at, b[i].at, b[i].len);
	}
}

static void same_inner(const struct opening_inner *a, const struct opening_inner *b)
{
	assert_true(a->fields == b->fields && a->code == b->code && a->content_format == b->content_format);
	assert_true(a->observe == b->observe && a->max_age == b->max_age && a->size1 == b->size1 && a->size2 == b->size2);
	assert_true(a->has_size1 == b->has_size1 && a->has_size2 == b->has_size2);
	assert_true(a->has_block1 == b->has_block1 && opt_block_value(&a->block1) == opt_block_value(&b->block1));
	assert_true(a->has_block2 == b->has_block2 && opt_block_value(&a->block2) == opt_block_value(&b->block2));
	assert_int_equal(a->etag_len, b->etag_len);
	assert_memory_equal(a->etag, b->etag, b->etag_len);
	assert_true(a->path_abbreviated == b->path_abbreviated && a->path_count == b->path_count && a->query_count == b->query_count);
	same_texts(a->path, b->path, b->path_count);
	same_texts(a->query, b->query, b->query_count);
	assert_true(a->payload_cut == b->payload_cut && a->payload_len == b->payload_len);
	if (b->payload_len > 0)
		assert_memory_equal(a->payload, b->payload, b->payload_len);
}

static void questions_come_back(void **state)
{
	const struct opening_question *all[] = { &request, &response, &request };
	struct opening_question q;
	struct writer w;
	struct reader r;

	(void)state;
	writer_init(&w, packet, sizeof packet);
	for (size_t i = 0; i < COUNT(all); i++)
		assert_int_equal(opening_question_write(&w, all[i]), 0);
	reader_init(&r, packet, writer_length(&w));
	for (size_t i = 0; i < COUNT(all); i++) {
		assert_int_equal(opening_question_read(&r, &q), 1);
		same_question(&q, all[i]);
	}
	assert_int_equal(opening_question_read(&r, &q), 0);
	assert_int_equal(opening_question_read(&r, &q), 0);
}

static void answers_come_back(void **state)
{
	struct opening_answer a, plain = opened;
	struct writer w;
	struct reader r;

	(void)state;
	writer_init(&w, packet, sizeof packet);
	assert_int_equal(opening_answer_write(&w, &opened), 0);
	for (unsigned field = 0; field < FIELD_COUNT; field++) {
		plain.inner.fields = FIELD_BIT(field);
		assert_int_equal(opening_answer_write(&w, &plain), 0);
	}
	reader_init(&r, packet, writer_length(&w));
	assert_int_equal(opening_answer_read(&r, &a), 1);
	assert_true(a.id == opened.id && a.verdict == OPENING_OPENED && a.seen && !a.unverified);
	same_inner(&a.inner, &opened.inner);
	for (unsigned field = 0; field < FIELD_COUNT; field++) {
		assert_int_equal(opening_answer_read(&r, &a), 1);
		assert_int_equal(a.inner.fields, FIELD_BIT(field));
		/* nothing but this one */
		assert_int_equal(a.inner.code, field == FIELD_CODE ? CODE_CONTENT : 0);
		assert_int_equal(a.inner.path_count, field == FIELD_URI_PATH ? 2 : 0);
		assert_int_equal(a.inner.query_count, field == FIELD_URI_QUERY ? 1 : 0);
		assert_int_equal(a.inner.max_age, field == FIELD_MAX_AGE ? 0xfffffffe : 0);
		assert_int_equal(a.inner.payload_len, field == FIELD_PAYLOAD ? 5 : 0);
	}
	assert_int_equal(opening_answer_read(&r, &a), 0);
}

/* Of a message that is not open there is nothing to be told, whatever the struct holds. */
static void other_verdicts_carry_no_field(void **state)
{
	struct opening_answer a, said = opened;
	struct writer w;
	struct reader r;

	(void)state;
	said.seen = false;
	said.unverified = true;
	for (unsigned verdict = OPENING_OPENED + 1; verdict < OPENING_VERDICTS; verdict++) {
		size_t len;

		said.verdict = (uint8_t)verdict;
		writer_init(&w, packet, sizeof packet);
		assert_int_equal(opening_answer_write(&w, &said), 0);
		len = writer_length(&w);
		assert_null(memmem(packet, len, "Hello", 5));
		reader_init(&r, packet, len);
		assert_int_equal(opening_answer_read(&r, &a), 1);
		assert_true(a.id == opened.id && a.verdict == verdict && !a.seen && a.unverified && a.inner.fields == 0);
		/* nor is it believed if it is there */
		packet[6] = 1;
		packet[len] = CODE_CONTENT;
		reader_init(&r, packet, len + 1);
		assert_int_equal(opening_answer_read(&r, &a), -1);
	}
}

/* A copy of its own size, so that a step behind it is noticed. */
static uint8_t *cut(size_t len)
{
	uint8_t *copy = malloc(len + 1);

	assert_non_null(copy);
	memcpy(copy, packet, len);
	return realloc(copy, len > 0 ? len : 1);
}

static void whatever_is_cut_is_none(void **state)
{
	struct opening_question q;
	struct opening_answer a;
	struct writer w;
	struct reader r;
	size_t len;

	(void)state;
	for (int which = 0; which < 3; which++) {
		writer_init(&w, packet, sizeof packet);
		if (which < 2)
			assert_int_equal(opening_question_write(&w, which == 0 ? &request : &response), 0);
		else
			assert_int_equal(opening_answer_write(&w, &opened), 0);
		len = writer_length(&w);
		for (size_t n = 1; n < len; n++) {
			uint8_t *copy = cut(n);

			reader_init(&r, copy, n);
			if (which < 2) {
				assert_int_equal(opening_question_read(&r, &q), -1);
				assert_true(q.payload == NULL && q.payload_len == 0);
				assert_int_equal(opening_question_read(&r, &q), -1);
			} else {
				assert_int_equal(opening_answer_read(&r, &a), -1);
				assert_true(a.inner.fields == 0 && a.inner.payload == NULL);
				assert_int_equal(opening_answer_read(&r, &a), -1);
			}
			free(copy);
		}
	}
}

static void what_does_not_fit_is_not_begun(void **state)
{
	struct opening_question big = request;
	struct writer w;
	size_t len;

	(void)state;
	for (int which = 0; which < 2; which++) {
		writer_init(&w, packet, sizeof packet);
		len = 1 + (which == 0 ? opening_question_write(&w, &request) == 0 : opening_answer_write(&w, &opened) == 0);
		assert_int_equal(len, 2);
		len = writer_length(&w);
		for (size_t n = 0; n < len; n++) {
			writer_init(&w, packet, n + 1);
			writer_u8(&w, 0xee);
			assert_int_equal(which == 0 ? opening_question_write(&w, &request) : opening_answer_write(&w, &opened), -1);
			assert_false(w.failed);
			assert_int_equal(writer_length(&w), 1);
		}
	}
	writer_init(&w, packet, sizeof packet);
	big.payload_len = OPENING_PAYLOAD_MAX + 1;
	assert_int_equal(opening_question_write(&w, &big), -1);
	assert_int_equal(writer_length(&w), 0);
}

/* Each a byte of a question or an answer, and what makes it none. */
static void nonsense_is_none(void **state)
{
	static const struct { size_t at; uint8_t value; } questions[] = {
		{ 0, 'A' }, { 1, 4 }, { 1, 0x80 }, { 3, 1 }, { 4, 1 }, { 6, 4 }, { 8, 1 }, { 9, 2 },
	}, answers[] = {
		{ 0, 'Q' }, { 1, OPENING_VERDICTS }, { 1, 255 }, { 2, 4 }, { 3, 1 }, { 5, 4 },
		{ 16, 2 },   /* path_abbreviated */
		{ 17, OPENING_TEXTS_MAX + 1 },
		{ 18, 255 }, /* a length */
	};
	struct opening_question q;
	struct opening_answer a;
	struct writer w;
	struct reader r;

	(void)state;
	for (size_t i = 0; i < COUNT(questions); i++) {
		writer_init(&w, packet, sizeof packet);
		assert_int_equal(opening_question_write(&w, &request), 0);
		packet[questions[i].at] = questions[i].value;
		reader_init(&r, packet, sizeof packet);
		assert_int_equal(opening_question_read(&r, &q), -1);
		assert_true(r.failed);
	}
	for (size_t i = 0; i < COUNT(answers); i++) {
		writer_init(&w, packet, sizeof packet);
		assert_int_equal(opening_answer_write(&w, &opened), 0);
		packet[answers[i].at] = answers[i].value;
		reader_init(&r, packet, writer_length(&w));
		assert_int_equal(opening_answer_read(&r, &a), -1);
		assert_true(r.failed);
	}
}

static void nonsense_is_not_written(void **state)
{
	struct opening_answer bad = opened;
	struct writer w;

	(void)state;
	writer_init(&w, packet, sizeof packet);
	bad.verdict = OPENING_VERDICTS;
	assert_int_equal(opening_answer_write(&w, &bad), -1);
	bad = opened;
	bad.inner.etag_len = OPENING_ETAG_MAX + 1;
	assert_int_equal(opening_answer_write(&w, &bad), -1);
	bad = opened;
	bad.inner.path_count = OPENING_TEXTS_MAX + 1;
	assert_int_equal(opening_answer_write(&w, &bad), -1);
	bad = opened;
	bad.inner.fields = 1u << FIELD_COUNT;
	assert_int_equal(opening_answer_write(&w, &bad), -1);
	bad = opened;
	bad.inner.payload_len = OPENING_PAYLOAD_MAX + 1;
	assert_int_equal(opening_answer_write(&w, &bad), -1);
	assert_int_equal(writer_length(&w), 0);
}

static void fields_are_named_in_their_order(void **state)
{
	static const char expected[] =
#define X(name, text) text " "
		OPENING_FIELDS(X);
#undef X

	(void)state;
	assert_int_equal(strlen(opening_field_names), sizeof expected - 2);
	assert_memory_equal(opening_field_names, expected, sizeof expected - 2);
}

static void sets_have_numbers(void **state)
{
	(void)state;
	assert_true(opening_set_id("plant") == opening_set_id("plant"));
	assert_true(opening_set_id("plant") != opening_set_id("plans"));
	assert_true(opening_set_id("") != 0);
	assert_true(opening_set_id("a") == 0xaf63dc4c8601ec8c); /* FNV-1a's own example */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_come_back),
		cmocka_unit_test(answers_come_back),
		cmocka_unit_test(other_verdicts_carry_no_field),
		cmocka_unit_test(whatever_is_cut_is_none),
		cmocka_unit_test(what_does_not_fit_is_not_begun),
		cmocka_unit_test(nonsense_is_none),
		cmocka_unit_test(nonsense_is_not_written),
		cmocka_unit_test(fields_are_named_in_their_order),
		cmocka_unit_test(sets_have_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
