/* objects: proxy/exchange/duplicates.o proxy/exchange/duplicates_map.o base/hash.o base/random_seeded.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "proxy/exchange/duplicates_map.h"
#include "tests/unit/duplicates.h"

/* The memory that outlives its process. */

static int memory_file(size_t size)
{
	int fd = memfd_create("duplicates", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void test_too_little_memory(void **state)
{
	int fd = memory_file(MB);

	(void)state;
	assert_null(duplicates_create(0, -1));
	assert_null(duplicates_create(100000, -1));
	assert_null(duplicates_create(MB + 4096, fd)); /* the file is shorter */
	close(fd);
}

/* More than 32 bits count, also where addresses have no more: as much as can be used is. */
static void test_more_memory_than_addresses(void **state)
{
	static const uint64_t memory[] = { UINT64_C(4) << 30, UINT64_C(64) << 30 };

	(void)state;
	for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) {
		struct duplicates *d = duplicates_create(memory[i], -1);

		assert_non_null(d);
		assert_true(d->mapped <= memory[i] && d->mapped > (size_t)1 << 29);
		assert_true(d->base + (size_t)d->header->segments * SEGMENT <= d->map + d->mapped);
		assert_int_equal(fill(d, 0, 100, START, true, true), 100);
		assert_int_equal(count_known(d, 0, 100, START), 100);
		duplicates_destroy(d);
	}
}

static void test_no_page_is_touched_before_it_is_needed(void **state)
{
	size_t memory = 64 * MB, pages = 0;
	int fd = memory_file(memory);
	struct duplicates *d = duplicates_create(memory, fd);
	unsigned char *resident = malloc(memory / 4096);
	void *map = mmap(NULL, memory, PROT_READ, MAP_SHARED, fd, 0);

	(void)state;
	assert_int_equal(mincore(map, memory, resident), 0);
	for (size_t i = 0; i < memory / 4096; i++)
		pages += resident[i] & 1;
	assert_true(pages <= 512); /* one huge page at most */
	munmap(map, memory);
	free(resident);
	duplicates_destroy(d);
	close(fd);
}

static void test_a_successor_takes_over(void **state)
{
	int fd = memory_file(4 * MB);
	struct duplicates *d = duplicates_create(4 * MB, fd);
	enum { COUNT = 5000 };
	uint32_t r[COUNT];
	struct duplicate out;
	uint8_t answer[32];

	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		uint64_t h = hash_of(d, i, 1);

		r[i] = duplicates_add(d, h, START + i * 1000, i, true, i % 2, i % 3);
		memset(answer, (int)(i % 251), sizeof(answer));
		if (i % 4 == 1)
			duplicates_answered(d, r[i], h, START + i * 1000, answer, sizeof(answer));
		if (i % 4 == 2)
			duplicates_acknowledged(d, r[i], h);
		if (i % 4 == 3)
			duplicates_forget(d, r[i], h);
	}
	duplicates_destroy(d); /* the mapping goes, the file stays */
	d = duplicates_create(4 * MB, fd);
	assert_non_null(d);
	assert_int_equal(records_of(d), COUNT / 4 * 3);
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(find(d, hash_of(d, i, 1), START + 10 * SECOND, &out), i % 4 == 3 ? DUPLICATES_NONE : r[i]);
		if (i % 4 == 3)
			continue;
		assert_int_equal(out.unsafe, i % 2);
		assert_int_equal(out.exchange, DUPLICATES_NONE);
		if (i % 4 == 1)
			assert_int_equal(out.answer[31], i % 251);
	}
	/* and goes on as before: expiry, oldest first, and new records */
	duplicates_expire(d, START + 250 * SECOND, 1);
	assert_true(fill(d, 100000, 50000, START + 250 * SECOND, true, true) == 50000);
	duplicates_expire(d, START + 1000 * SECOND, UINT32_MAX);
	assert_int_equal(records_of(d), 0);
	duplicates_destroy(d);
	close(fd);
}

static void test_a_successor_keeps_the_order(void **state)
{
	int fd = memory_file(MB);
	struct duplicates *d = duplicates_create(MB, fd);
	unsigned before;

	(void)state;
	for (unsigned i = 0; i < 60000; i++) /* round the memory twice, so that segments do not lie in the order of time */
		assert_int_equal(fill(d, i, 1, START + i * 1000, false, true), 1);
	before = (unsigned)records_of(d);
	duplicates_destroy(d);
	d = duplicates_create(MB, fd);
	assert_int_equal(fill(d, 100000, 682 * 4, START + 61 * SECOND, false, true), 682 * 4);
	/* at most five segments of the oldest went, and none of the others */
	assert_int_equal(count_known(d, 60000 - before + 682 * 5, before - 682 * 5, START + 61 * SECOND), before - 682 * 5);
	assert_int_equal(count_known(d, 60000 - before, 682 * 3, START + 61 * SECOND), 0);
	duplicates_destroy(d);
	close(fd);
}

/* What a dying predecessor left may be broken anywhere: taking it over and using it must stay inside the mapping. */
static void test_a_broken_mapping_is_survived(void **state)
{
	uint8_t answer[700] = { 1 };
	volatile unsigned sum = 0;

	(void)state;
	random_seed_for_test(9);
	for (unsigned round = 0; round < 60; round++) {
		int fd = memory_file(MB / 2);
		struct duplicates *d = duplicates_create(MB / 2, fd);
		uint8_t *map = mmap(NULL, MB / 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		size_t reach = round % 2 ? MB / 2 : 2048;

		for (unsigned i = 0; i < 3000; i++) {
			uint64_t h = hash_of(d, i, 1);

			duplicates_answered(d, duplicates_add(d, h, START, i, true, i % 2, i % 3), h, START, answer, i % 700);
		}
		duplicates_destroy(d);
		for (unsigned i = 0; i < 200; i++)
			map[64 + random_below((uint32_t)reach - 64)] = (uint8_t)random_u32();
		d = duplicates_create(MB / 2, fd);
		assert_non_null(d);
		for (unsigned i = 0; i < 6000; i++) {
			uint64_t h = hash_of(d, i, 1);
			struct duplicate out;
			uint32_t r = find(d, h, START + i * 50000, &out);

			if (r == DUPLICATES_NONE)
				r = duplicates_add(d, h, START + i * 50000, i, true, i % 2, i % 3);
			else if (out.answer != NULL)
				sum += out.answer[0] + out.answer[out.answer_len - 1]; /* reads both ends */
			duplicates_answered(d, r, h, START + i * 50000, answer, i % 700);
			duplicates_expire(d, START + i * 50000, 1);
		}
		duplicates_destroy(d);
		munmap(map, MB / 2);
		close(fd);
	}
	assert_true(sum > 0);
}

static void test_other_content_is_overwritten(void **state)
{
	int fd = memory_file(4 * MB);
	uint8_t *map = mmap(NULL, 4 * MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct duplicates *d;

	(void)state;
	memset(map, 0xa5, 4 * MB);
	d = duplicates_create(4 * MB, fd);
	assert_non_null(d);
	assert_int_equal(records_of(d), 0);
	assert_int_equal(fill(d, 0, 10000, START, true, true), 10000);
	assert_int_equal(count_known(d, 0, 10000, START), 10000);
	duplicates_destroy(d);
	/* of another size: not taken over either */
	d = duplicates_create(3 * MB, fd);
	assert_int_equal(records_of(d), 0);
	duplicates_destroy(d);
	munmap(map, 4 * MB);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_too_little_memory),
		cmocka_unit_test(test_more_memory_than_addresses),
		cmocka_unit_test(test_no_page_is_touched_before_it_is_needed),
		cmocka_unit_test(test_a_successor_takes_over),
		cmocka_unit_test(test_a_successor_keeps_the_order),
		cmocka_unit_test(test_a_broken_mapping_is_survived),
		cmocka_unit_test(test_other_content_is_overwritten),
	};

	random_seed_for_test(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
