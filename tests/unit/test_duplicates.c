/* objects: proxy/exchange/duplicates.o proxy/exchange/duplicates_map.o base/hash.o base/random_seeded.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "tests/unit/covers.h"
#include "tests/unit/duplicates.h"

/* ---- one record ---- */

static void test_a_request_is_found_again_in_each_state(void **state)
{
	struct duplicates *d = duplicates_create(MB, -1);
	const uint8_t answer[] = "the bytes that were sent";
	uint64_t h[5];
	uint32_t r[5];
	struct duplicate out;

	(void)state;
	covers("C7252-4.5-1");
	for (unsigned i = 0; i < 5; i++) {
		h[i] = hash_of(d, 1, i);
		assert_int_equal(find(d, h[i], START, &out), DUPLICATES_NONE);
		r[i] = duplicates_add(d, h[i], START, 70 + i, i % 2 == 0, i < 3, true);
		assert_int_not_equal(r[i], DUPLICATES_NONE);
	}
	duplicates_acknowledged(d, r[1], h[1]);
	duplicates_answered(d, r[2], h[2], START, answer, sizeof(answer));
	duplicates_rejected(d, r[3], h[3]);
	duplicates_answered(d, r[4], h[4], START, NULL, 0);

	static const enum duplicate_state states[] = { DUPLICATE_PENDING, DUPLICATE_ACKNOWLEDGED, DUPLICATE_ANSWERED, DUPLICATE_REJECTED,
		DUPLICATE_ANSWERED };

	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(find(d, h[i], START, &out), r[i]);
		assert_int_equal(out.state, states[i]);
		assert_int_equal(out.confirmable, i % 2 == 0);
		assert_int_equal(out.unsafe, i < 3);
		assert_int_equal(out.exchange, i < 2 ? 70 + i : DUPLICATES_NONE);
		if (i == 2) {
			assert_int_equal(out.answer_len, sizeof(answer));
			assert_memory_equal(out.answer, answer, sizeof(answer));
		} else {
			assert_null(out.answer);
			assert_int_equal(out.answer_len, 0);
		}
	}
	duplicates_destroy(d);
}

/* Every part of the key counts: address, zone, port, listener, Message ID. */
static void test_what_makes_a_duplicate(void **state)
{
	struct duplicates *d = duplicates_create(MB, -1);
	const struct endpoint peer = { .addr = { 0xfe, 0x80, [15] = 1 }, .scope = 2, .port = 5683 };
	struct endpoint other[3] = { peer, peer, peer };
	uint64_t h = duplicates_hash(d, &peer, 1, 0x1234);

	(void)state;
	other[0].addr[15] = 2;
	other[1].scope = 3;
	other[2].port = 5684;
	duplicates_add(d, h, START, 0, true, true, true);
	for (unsigned i = 0; i < 3; i++)
		assert_false(known(d, duplicates_hash(d, &other[i], 1, 0x1234), START));
	assert_false(known(d, duplicates_hash(d, &peer, 2, 0x1234), START));
	assert_false(known(d, duplicates_hash(d, &peer, 1, 0x1235), START));
	assert_false(known(d, duplicates_hash(d, &peer, 1, 0x3412), START));
	assert_true(known(d, duplicates_hash(d, &peer, 1, 0x1234), START));
	duplicates_destroy(d);
}

static void test_lifetimes(void **state)
{
	static const struct {
		bool confirmable;
		uint64_t after;
		bool found, answer;
	} rows[] = {
		{ true, 0, true, true },
		{ true, 93 * SECOND - 1, true, true },
		{ true, 93 * SECOND + SLACK, true, false },
		{ true, 247 * SECOND - 1, true, false },
		{ true, 247 * SECOND + SLACK, false, false },
		{ false, 93 * SECOND - 1, true, true },
		{ false, 93 * SECOND + SLACK, true, false },
		{ false, 145 * SECOND - 1, true, false },
		{ false, 145 * SECOND + SLACK, false, false },
	};

	(void)state;
	covers("C7252-4.5-1 C7252-4.5-4");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int expire = 0; expire < 2; expire++) {
			struct duplicates *d = duplicates_create(MB, -1);
			uint64_t h = hash_of(d, 1, 1), then = START + 31249, now = then + rows[i].after;
			uint32_t r = duplicates_add(d, h, then, 0, rows[i].confirmable, true, true);
			struct duplicate out;

			duplicates_answered(d, r, h, then, (const uint8_t *)"answer", 6);
			if (expire)
				duplicates_expire(d, now, 100);
			assert_int_equal(find(d, h, now, &out) != DUPLICATES_NONE, rows[i].found);
			if (rows[i].found) {
				assert_int_equal(out.state, DUPLICATE_ANSWERED);
				assert_int_equal(out.answer != NULL, rows[i].answer);
				assert_int_equal(out.answer_len, rows[i].answer ? 6 : 0);
			}
			duplicates_destroy(d);
		}
	}
}

/* A Message ID that comes again after its lifetime is a new request, even while the old record still lies there. */
static void test_again_after_the_lifetime(void **state)
{
	struct duplicates *d = duplicates_create(MB, -1);
	uint64_t h = hash_of(d, 1, 1), later = START + 146 * SECOND;
	struct duplicate out;
	uint32_t r;

	(void)state;
	duplicates_add(d, h, START, 1, false, true, true);
	duplicates_add(d, hash_of(d, 1, 2), START, 1, true, true, true);
	assert_false(known(d, h, later));
	r = duplicates_add(d, h, later, 2, false, true, true);
	assert_int_equal(find(d, h, later, &out), r);
	assert_int_equal(out.exchange, 2);
	assert_int_equal(find(d, h, later + 100 * SECOND, &out), r);
	duplicates_expire(d, START + 248 * SECOND, 10);
	duplicates_destroy(d);
}

static void test_forget(void **state)
{
	struct duplicates *d = duplicates_create(MB, -1);
	uint64_t h = hash_of(d, 1, 1);
	uint32_t r = duplicates_add(d, h, START, 1, true, true, true), again;

	(void)state;
	duplicates_forget(d, r, h);
	assert_false(known(d, h, START));
	assert_int_equal(records_of(d), 0);
	again = duplicates_add(d, h, START, 2, true, true, true);
	assert_int_not_equal(again, r);
	duplicates_forget(d, r, h); /* the old handle is nobody's */
	assert_true(known(d, h, START));
	duplicates_destroy(d);
}

static void test_answered_again(void **state)
{
	struct duplicates *d = duplicates_create(MB, -1);
	uint64_t h = hash_of(d, 1, 1);
	uint32_t r = duplicates_add(d, h, START, 1, true, true, true);
	struct duplicate out;

	(void)state;
	duplicates_answered(d, r, h, START, (const uint8_t *)"first", 5);
	duplicates_answered(d, r, h, START, (const uint8_t *)"second", 6);
	find(d, h, START, &out);
	assert_int_equal(out.answer_len, 6);
	assert_memory_equal(out.answer, "second", 6);
	duplicates_answered(d, r, h, START, NULL, 0);
	find(d, h, START, &out);
	assert_null(out.answer);
	duplicates_destroy(d);
}

static void test_stale_handles_do_nothing(void **state)
{
	struct duplicates *d = duplicates_create(MB, -1);
	uint64_t h = hash_of(d, 1, 1), other = hash_of(d, 2, 1);
	uint32_t r = duplicates_add(d, h, START, 1, true, true, true);
	const uint32_t handles[] = { r, r + 1, 0, 1, 681, 682, 683, 1u << 24, UINT32_MAX - 1, DUPLICATES_NONE };
	struct duplicate out;

	(void)state;
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		duplicates_acknowledged(d, handles[i], other);
		duplicates_rejected(d, handles[i], other);
		duplicates_answered(d, handles[i], other, START, (const uint8_t *)"x", 1);
		duplicates_forget(d, handles[i], other);
	}
	assert_int_equal(find(d, h, START, &out), r);
	assert_int_equal(out.state, DUPLICATE_PENDING);
	/* expired, and its place taken by another */
	duplicates_expire(d, START + 300 * SECOND, 10);
	duplicates_forget(d, r, h);
	assert_int_equal(duplicates_add(d, other, START + 300 * SECOND, 5, true, true, true), r);
	duplicates_rejected(d, r, h);
	duplicates_forget(d, r, h);
	assert_int_equal(find(d, other, START + 300 * SECOND, &out), r);
	assert_int_equal(out.state, DUPLICATE_PENDING);
	duplicates_destroy(d);
}

static void test_answers_of_all_lengths(void **state)
{
	static const size_t lengths[] = { 1, 3, 4, 5, 63, 1152, 4096, 16383, 16384, 16385, 65535 };
	static uint8_t bytes[65535];
	struct duplicates *d = duplicates_create(4 * MB, -1);
	struct duplicate out;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			uint64_t h = hash_of(d, round, i);
			uint32_t r = duplicates_add(d, h, START, 0, true, true, true);

			memset(bytes, (int)(16 * round + i + 1), lengths[i]);
			duplicates_answered(d, r, h, START, bytes, lengths[i]);
		}
	}
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			assert_int_not_equal(find(d, hash_of(d, round, i), START, &out), DUPLICATES_NONE);
			assert_int_equal(out.state, DUPLICATE_ANSWERED);
			assert_int_equal(out.answer_len, lengths[i] <= 16384 ? lengths[i] : 0);
			for (size_t n = 0; n < out.answer_len; n++)
				assert_int_equal(out.answer[n], 16 * round + i + 1);
		}
	}
	duplicates_destroy(d);
}

/* ---- many records ---- */

/* Random adds, finds, answers, forgets, expiry, against a plain model. */
enum { MODEL = 4096 };

struct model {
	uint64_t born, hash;
	uint32_t handle;
	uint8_t answer; /* 0: none */
	bool present, confirmable;
};

static void model_step(struct duplicates *d, struct model *m, unsigned key, uint64_t now)
{
	struct duplicate out;
	uint64_t age = now - m->born, life = (m->confirmable ? 247 : 145) * SECOND;
	uint32_t r = find(d, hash_of(d, key, key), now, &out);

	if (m->present && age > life && age < life + SLACK)
		return; /* within the rounding */
	assert_int_equal(r != DUPLICATES_NONE, m->present && age <= life);
	if (r == DUPLICATES_NONE) {
		m->present = true;
		m->born = now;
		m->hash = hash_of(d, key, key);
		m->confirmable = random_below(2);
		m->answer = 0;
		m->handle = duplicates_add(d, m->hash, now, key, m->confirmable, random_below(2), random_below(4));
		assert_int_not_equal(m->handle, DUPLICATES_NONE);
		return;
	}
	assert_int_equal(r, m->handle);
	if (m->answer != 0 && age <= 93 * SECOND) {
		assert_int_equal(out.answer_len, m->answer);
		for (unsigned i = 0; i < m->answer; i++)
			assert_int_equal(out.answer[i], m->answer);
	} else if (m->answer == 0 && out.state == DUPLICATE_PENDING && random_below(4) != 0) {
		uint8_t bytes[255];

		m->answer = (uint8_t)(1 + random_below(200));
		memset(bytes, m->answer, m->answer);
		duplicates_answered(d, r, m->hash, now, bytes, m->answer);
	} else if (random_below(16) == 0) {
		duplicates_forget(d, r, m->hash);
		m->present = false;
	}
}

static void test_against_a_model(void **state)
{
	static struct model model[MODEL];
	struct duplicates *d = duplicates_create(8 * MB, -1);
	uint64_t now = START;

	(void)state;
	random_seed_for_test(5);
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < 400000; i++) {
		unsigned key = random_below(MODEL);

		model_step(d, &model[key], key, now);
		now += random_below(5000);
		if (i % 16 == 0)
			duplicates_expire(d, now, 1);
	}
	struct duplicates_figures f;

	duplicates_figures(d, &f);
	assert_int_equal(f.evicted, 0);
	assert_int_equal(f.refused, 0);
	duplicates_expire(d, now + 1000 * SECOND, UINT32_MAX);
	assert_int_equal(records_of(d), 0);
	duplicates_destroy(d);
}

static void test_expire_is_bounded(void **state)
{
	struct duplicates *d = duplicates_create(4 * MB, -1);
	uint64_t later = START + 248 * SECOND;

	(void)state;
	for (unsigned i = 0; i < 682 * 10; i++)
		duplicates_add(d, hash_of(d, i, 1), START, 0, true, true, true);
	for (unsigned left = 10; left > 0; left--) {
		assert_int_equal(records_of(d), 682 * left);
		duplicates_expire(d, later, 1);
	}
	assert_int_equal(records_of(d), 0);
	duplicates_destroy(d);
}

/* ---- memory is full ---- */

static void test_the_bound_is_hard(void **state)
{
	static const size_t memories[] = { MB / 4, MB, 5 * MB + 12345 };

	(void)state;
	for (size_t m = 0; m < sizeof(memories) / sizeof(memories[0]); m++) {
		struct duplicates *d = duplicates_create(memories[m], -1);
		struct duplicates_figures f;
		unsigned taken = fill(d, 0, UINT32_MAX, START, true, true);

		duplicates_figures(d, &f);
		assert_true(f.bytes <= memories[m]);
		assert_int_equal(f.records, taken);
		assert_int_equal(f.refused, 1);
		assert_int_equal(f.evicted, 0);
		/* what is spent on each record stays under 32 bytes, index and all, but for the last page and segment */
		assert_true(taken * (size_t)32 > memories[m] - 2 * 16384 - 8192);
		assert_int_equal(count_known(d, 0, taken, START), taken);
		duplicates_destroy(d);
	}
}

/* Taking records out leaves nothing behind in the index: after many floods looking for a stranger ends as soon as before. */
static void test_floods_leave_no_trace(void **state)
{
	struct duplicates *d = duplicates_create(MB / 4, -1);
	uint64_t now = START;

	(void)state;
	alarm(30); /* an index full of traces would be searched for ever */
	for (unsigned round = 0; round < 200; round++, now += 300 * SECOND) {
		unsigned taken = fill(d, 100000 * round, UINT32_MAX, now, true, true);

		assert_int_equal(count_known(d, 100000 * round, taken, now), taken);
		duplicates_expire(d, now + 248 * SECOND, UINT32_MAX);
		assert_int_equal(records_of(d), 0);
		assert_false(known(d, hash_of(d, round, 2), now));
	}
	alarm(0);
	duplicates_destroy(d);
}

static void test_unsafe_records_stay_and_new_ones_are_refused(void **state)
{
	struct duplicates *d = duplicates_create(MB, -1);
	unsigned taken = fill(d, 0, UINT32_MAX, START, true, true);
	struct duplicates_figures f;

	(void)state;
	assert_int_equal(fill(d, 1000000, 1, START, true, true), 0);
	assert_int_equal(fill(d, 1000000, 1, START, false, true), 0);
	assert_int_equal(fill(d, 1000000, 1, START, true, false), 0);
	assert_int_equal(count_known(d, 0, taken, START), taken);
	duplicates_figures(d, &f);
	assert_int_equal(f.refused, 4);
	/* and taken again once they expired, without a call of duplicates_expire() */
	assert_int_equal(fill(d, 1000000, taken, START + 248 * SECOND, true, true), taken);
	duplicates_destroy(d);
}

static void test_safe_records_go_first_oldest_first(void **state)
{
	struct duplicates *d = duplicates_create(MB, -1);
	enum { UNSAFE_COUNT = 682 * 8, SAFE_COUNT = 200000 };
	struct duplicates_figures f;
	unsigned left;

	(void)state;
	assert_int_equal(fill(d, 0, UNSAFE_COUNT, START, true, true), UNSAFE_COUNT);
	/* more safe ones than there is room: all are taken, the last ones are there, the first are not */
	for (unsigned i = 0; i < SAFE_COUNT; i++)
		assert_int_equal(fill(d, 1000000 + i, 1, START + i * 10, false, true), 1);
	duplicates_figures(d, &f);
	assert_int_equal(f.refused, 0);
	left = (unsigned)f.records - UNSAFE_COUNT;
	assert_int_equal(f.evicted, SAFE_COUNT - left);
	assert_int_equal(count_known(d, 1000000, SAFE_COUNT - left, START + SECOND), 0);
	assert_int_equal(count_known(d, 1000000 + SAFE_COUNT - left, left, START + SECOND), left);
	/* unsafe ones push them out to the last, then are refused */
	left = fill(d, 2000000, UINT32_MAX, START + 3 * SECOND, true, true);
	assert_int_equal(count_known(d, 0, UNSAFE_COUNT, START + 3 * SECOND), UNSAFE_COUNT);
	assert_int_equal(count_known(d, 2000000, left, START + 3 * SECOND), left);
	assert_int_equal(count_known(d, 1000000, SAFE_COUNT, START + 3 * SECOND), 0);
	assert_int_equal(records_of(d), UNSAFE_COUNT + left);
	duplicates_destroy(d);
}

/* The answers of evicted records go with them; those of records that stay stay. */
static void test_answers_go_with_their_records(void **state)
{
	struct duplicates *d = duplicates_create(4 * MB, -1);
	uint8_t answer[1000];
	struct duplicate out;
	unsigned with = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t h = hash_of(d, i, 1), now = START + i * 1000;
		uint32_t r = duplicates_add(d, h, now, 0, true, false, true);

		assert_int_not_equal(r, DUPLICATES_NONE);
		memset(answer, (int)(i % 251), sizeof(answer));
		duplicates_answered(d, r, h, now, answer, sizeof(answer));
	}
	for (unsigned i = 0; i < 20000; i++) {
		if (find(d, hash_of(d, i, 1), START + 20 * SECOND, &out) == DUPLICATES_NONE)
			continue;
		if (out.answer == NULL)
			continue;
		assert_int_equal(out.answer_len, sizeof(answer));
		for (unsigned n = 0; n < sizeof(answer); n++)
			assert_int_equal(out.answer[n], i % 251);
		with++;
	}
	assert_true(with > 1500);
	assert_true(known(d, hash_of(d, 19999, 1), START + 20 * SECOND));
	duplicates_destroy(d);
}

/* Where there is no room for an answer the state alone is kept. */
static void test_no_room_for_an_answer(void **state)
{
	struct duplicates *d = duplicates_create(MB, -1);
	unsigned taken = fill(d, 0, UINT32_MAX, START, true, true);
	uint64_t h = hash_of(d, 0, 1);
	struct duplicate out;
	uint32_t r = find(d, h, START, &out);

	(void)state;
	assert_true(taken > 0);
	duplicates_answered(d, r, h, START, (const uint8_t *)"answer", 6);
	assert_int_equal(find(d, h, START, &out), r);
	assert_int_equal(out.state, DUPLICATE_ANSWERED);
	assert_null(out.answer);
	duplicates_destroy(d);
}

static void test_unverified_endpoints_own_at_most_a_quarter(void **state)
{
	(void)state;
	for (int unsafe = 0; unsafe < 2; unsafe++) {
		struct duplicates *d = duplicates_create(4 * MB, -1);
		unsigned all = fill(d, 0, UINT32_MAX, START, true, true), flood, good;

		duplicates_destroy(d);
		d = duplicates_create(4 * MB, -1);
		flood = fill(d, 0, 300000, START, unsafe, false);
		if (unsafe)
			assert_in_range(flood, all / 5, all / 4);
		else
			assert_int_equal(flood, 300000);
		assert_in_range(records_of(d), all / 5, all / 4);
		/* the other three quarters are for verified endpoints, whose records the flood does not touch */
		good = all / 4 * 3;
		assert_int_equal(fill(d, 1000000, good, START, false, true), good);
		fill(d, 5000000, 300000, START + SECOND, unsafe, false);
		assert_int_equal(count_known(d, 1000000, good, START + SECOND), good);
		duplicates_destroy(d);
	}
}

/* Answers count into the quarter too. */
static void test_unverified_answers_count(void **state)
{
	struct duplicates *d = duplicates_create(4 * MB, -1);
	struct duplicates_figures empty, f;
	uint8_t answer[1000] = { 0 };

	(void)state;
	duplicates_figures(d, &empty);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t h = hash_of(d, i, 1);
		uint32_t r = duplicates_add(d, h, START, 0, true, i % 2, false);

		duplicates_answered(d, r, h, START, answer, sizeof(answer));
	}
	duplicates_figures(d, &f);
	assert_true(f.bytes - empty.bytes <= (4 * MB - empty.bytes) / 4 + 16384);
	duplicates_destroy(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_is_found_again_in_each_state),
		cmocka_unit_test(test_what_makes_a_duplicate),
		cmocka_unit_test(test_lifetimes),
		cmocka_unit_test(test_again_after_the_lifetime),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_answered_again),
		cmocka_unit_test(test_stale_handles_do_nothing),
		cmocka_unit_test(test_answers_of_all_lengths),
		cmocka_unit_test(test_against_a_model),
		cmocka_unit_test(test_expire_is_bounded),
		cmocka_unit_test(test_the_bound_is_hard),
		cmocka_unit_test(test_floods_leave_no_trace),
		cmocka_unit_test(test_unsafe_records_stay_and_new_ones_are_refused),
		cmocka_unit_test(test_safe_records_go_first_oldest_first),
		cmocka_unit_test(test_answers_go_with_their_records),
		cmocka_unit_test(test_no_room_for_an_answer),
		cmocka_unit_test(test_unverified_endpoints_own_at_most_a_quarter),
		cmocka_unit_test(test_unverified_answers_count),
	};

	random_seed_for_test(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
