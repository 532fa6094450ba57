/* objects: base/ring.o base/random_seeded.o base/log.o base/clock.o */
/* libs: -lpthread */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "base/ring.h"

enum { CAPACITY = RING_CAPACITY_MIN, LONGEST = CAPACITY / 2 - 8, PAGE = 4096 };

static struct {
	uint8_t *map, *memory; /* memory ends where a page begins that must not be touched */
	size_t mapped;
	struct ring in, out;
	uint8_t record[CAPACITY];
} the;

static void attach(void)
{
	ring_attach_producer(&the.out, the.memory, CAPACITY);
	ring_attach_consumer(&the.in, the.memory, CAPACITY);
}

/* The memory lies between two pages that nobody may touch; what it lacks to whole pages is before it. */
static int set_up(void **state)
{
	size_t bytes = ring_memory_bytes(CAPACITY), pages = (bytes + PAGE - 1) / PAGE * PAGE;

	(void)state;
	random_seed_for_test(1);
	the.mapped = pages + 2 * PAGE;
	the.map = mmap(NULL, the.mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (the.map == MAP_FAILED || mprotect(the.map, PAGE, PROT_NONE) < 0 || mprotect(the.map + PAGE + pages, PAGE, PROT_NONE) < 0)
		return -1;
	the.memory = the.map + PAGE + pages - bytes;
	attach();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return munmap(the.map, the.mapped);
}

/* ---- records whose bytes tell their number ---- */

static void write_record(uint8_t *at, size_t len, uint32_t number)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(number * 31 + i);
}

static bool put(struct ring *r, size_t len, uint32_t number)
{
	uint8_t *at = ring_reserve(r, len);

	if (at == NULL)
		return false;
	assert_int_equal((uintptr_t)at % 8, 0);
	write_record(at, len, number);
	ring_put(r, len);
	return true;
}

static bool is_record(const uint8_t *bytes, size_t len, uint32_t number)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != (uint8_t)(number * 31 + i))
			return false;
	return true;
}

static void expect(size_t len, uint32_t number)
{
	assert_int_equal(ring_take(&the.in, the.record, sizeof the.record), len);
	assert_true(is_record(the.record, len, number));
}

static void expect_nothing(void)
{
	assert_int_equal(ring_take(&the.in, the.record, sizeof the.record), 0);
}

/* ---- what it is for ---- */

static void capacities(void **state)
{
	(void)state;
	assert_int_equal(ring_capacity(0), 0);
	assert_int_equal(ring_capacity(ring_memory_bytes(RING_CAPACITY_MIN) - 1), 0);
	assert_int_equal(ring_capacity(ring_memory_bytes(RING_CAPACITY_MIN)), RING_CAPACITY_MIN);
	assert_int_equal(ring_capacity(ring_memory_bytes(65536) - 1), 32768);
	assert_int_equal(ring_capacity(ring_memory_bytes(65536)), 65536);
	assert_int_equal(ring_capacity(1 << 20), 1 << 19);
}

static void what_is_put_in_is_seen_when_published(void **state)
{
	(void)state;
	assert_true(ring_is_empty(&the.in));
	assert_false(ring_publish(&the.out));
	assert_true(put(&the.out, 5, 1));
	assert_true(put(&the.out, 300, 2));
	expect_nothing();
	assert_true(ring_is_empty(&the.in));
	assert_true(ring_publish(&the.out));
	assert_false(ring_publish(&the.out));
	assert_false(ring_is_empty(&the.in));
	/* what is put in later is not seen with it */
	assert_true(put(&the.out, 7, 3));
	expect(5, 1);
	expect(300, 2);
	expect_nothing();
	assert_true(ring_is_empty(&the.in));
	assert_true(ring_publish(&the.out));
	expect(7, 3);
}

static void a_reservation_that_is_not_used_is_forgotten(void **state)
{
	(void)state;
	assert_non_null(ring_reserve(&the.out, 100));
	assert_non_null(ring_reserve(&the.out, 40));
	assert_false(ring_publish(&the.out));
	assert_true(put(&the.out, 40, 9));
	ring_publish(&the.out);
	expect(40, 9);
	expect_nothing();
}

/* Also where the reservation had stepped over the end. */
static void a_forgotten_reservation_at_the_end(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		assert_true(put(&the.out, 1500, 1));
	ring_publish(&the.out);
	expect(1500, 1);
	expect(1500, 1);
	ring_release(&the.in);
	assert_non_null(ring_reserve(&the.out, 1500));
	ring_publish(&the.out);
	expect_nothing();
	ring_release(&the.in);
	assert_true(put(&the.out, 1500, 2));
	assert_true(put(&the.out, 1500, 3));
	ring_publish(&the.out);
	expect(1500, 2);
	expect(1500, 3);
	expect_nothing();
}

/* Wherever it stands, the longest record finds room in an empty ring. */
static void the_longest_record_fits_everywhere(void **state)
{
	(void)state;
	assert_null(ring_reserve(&the.out, LONGEST + 1));
	assert_null(ring_reserve(&the.out, 0));
	assert_null(ring_reserve(&the.out, SIZE_MAX));
	for (uint32_t i = 0; i < CAPACITY / 8 + 3; i++) {
		assert_true(put(&the.out, LONGEST, i));
		ring_publish(&the.out);
		expect(LONGEST, i);
		ring_release(&the.in);
		assert_true(put(&the.out, 8, i)); /* moves on by 16 in all */
		ring_publish(&the.out);
		expect(8, i);
		ring_release(&the.in);
	}
}

static void a_full_ring_takes_nothing_until_it_is_released(void **state)
{
	unsigned count = 0;

	(void)state;
	while (put(&the.out, 56, count))
		count++;
	assert_int_equal(count, CAPACITY / 64);
	assert_null(ring_reserve(&the.out, 1));
	ring_publish(&the.out);
	assert_null(ring_reserve(&the.out, 1));
	expect(56, 0);
	assert_null(ring_reserve(&the.out, 1)); /* taken, but not released */
	ring_release(&the.in);
	assert_null(ring_reserve(&the.out, 57));
	assert_true(put(&the.out, 56, count));
	assert_null(ring_reserve(&the.out, 1));
	ring_publish(&the.out);
	for (unsigned i = 1; i <= count; i++)
		expect(56, i);
	expect_nothing();
}

static void too_little_room_drops_everything(void **state)
{
	(void)state;
	assert_true(put(&the.out, 100, 1));
	assert_true(put(&the.out, 8, 2));
	ring_publish(&the.out);
	assert_int_equal(ring_take(&the.in, the.record, 99), -1);
	expect_nothing();
	ring_release(&the.in);
	assert_true(put(&the.out, 8, 3));
	ring_publish(&the.out);
	expect(8, 3);
}

/* ---- against a model: a queue of lengths ---- */

enum { STEPS = 300000, QUEUE = 1024 };

static void a_long_random_life(void **state)
{
	static size_t lens[QUEUE];
	uint32_t put_in = 0, published = 0, taken = 0, laps = 0;

	(void)state;
	/* begins shortly before the positions wrap to zero */
	memset(the.memory, 0xff, 4);
	memset(the.memory + 64, 0xff, 4);
	attach();
	for (unsigned step = 0; step < STEPS; step++) {
		size_t len = random_below(4) == 0 ? 1 + random_below(LONGEST) : 1 + random_below(40);

		switch (random_below(8)) {
		case 0: case 1: case 2:
			if (put(&the.out, len, put_in))
				lens[put_in++ % QUEUE] = len;
			else
				assert_true(put_in > taken || len > 40 || laps > 0);
			break;
		case 3:
			assert_int_equal(ring_publish(&the.out), published != put_in);
			published = put_in;
			break;
		case 4: case 5: case 6:
			if (taken == published) {
				expect_nothing();
			} else {
				expect(lens[taken % QUEUE], taken);
				taken++;
			}
			break;
		default:
			ring_release(&the.in);
			laps++;
		}
	}
	assert_true(taken > STEPS / 10);
}

/* ---- successors ---- */

/* A producer that dies with records reserved, and put in but not published: its successor goes on behind the last published. */
static void another_producer_goes_on(void **state)
{
	struct ring successor;

	(void)state;
	assert_true(put(&the.out, 1500, 1));
	assert_true(put(&the.out, 1500, 2));
	ring_publish(&the.out);
	expect(1500, 1);
	ring_release(&the.in);
	assert_true(put(&the.out, 1400, 3)); /* over the end */
	assert_non_null(ring_reserve(&the.out, 20));
	ring_attach_producer(&successor, the.memory, CAPACITY);
	assert_true(put(&successor, 1300, 4));
	assert_true(ring_publish(&successor));
	expect(1500, 2);
	expect(1300, 4);
	expect_nothing();
}

/* A consumer that dies with records taken but not released: its successor sees them again, in order. */
static void another_consumer_goes_on(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		assert_true(put(&the.out, 40, i));
	ring_publish(&the.out);
	expect(40, 0);
	ring_release(&the.in);
	expect(40, 1);
	expect(40, 2);
	ring_attach_consumer(&the.in, the.memory, CAPACITY);
	for (uint32_t i = 1; i < 4; i++)
		expect(40, i);
	expect_nothing();
	ring_release(&the.in);
	for (uint32_t i = 0; i < CAPACITY / 48; i++)
		assert_true(put(&the.out, 40, i));
}

static void both_ends_change_again_and_again(void **state)
{
	uint32_t next_in = 0, next_out = 0;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		unsigned published = random_below(5);

		for (unsigned i = 0; i < published && put(&the.out, 1 + next_in % 900, next_in); i++)
			next_in++;
		ring_publish(&the.out);
		for (unsigned i = random_below(3); i > 0; i--)
			put(&the.out, 1 + random_below(900), 77); /* lost with the producer */
		ring_attach_producer(&the.out, the.memory, CAPACITY);
		while (next_out != next_in) {
			expect(1 + next_out % 900, next_out);
			next_out++;
		}
		expect_nothing();
		ring_release(&the.in);
		ring_attach_consumer(&the.in, the.memory, CAPACITY);
	}
	assert_true(next_out > 20000);
}

/* ---- a hostile other side ---- */

static void random_position(uint8_t *at)
{
	static const uint32_t some[] = { 0, 1, 7, CAPACITY - 8, CAPACITY - 1, CAPACITY, UINT32_MAX, UINT32_MAX - 7, 1u << 31 };
	uint32_t value = random_below(2) ? random_u32() : some[random_below(9)] + random_below(3) * 8;

	memcpy(at, &value, sizeof value);
}

static void random_lengths(void)
{
	static const uint32_t some[] = { 0, 1, 8, CAPACITY - 8, CAPACITY, LONGEST, INT32_MAX, 1u << 31, UINT32_MAX, UINT32_MAX - 7 };

	for (size_t i = 0; i < CAPACITY; i += 8) {
		uint32_t value = random_below(3) == 0 ? some[random_below(10)] : random_below(200);

		memcpy(the.memory + 128 + i, &value, sizeof value);
	}
}

/* Whatever stands in the memory: no byte outside is touched (the pages around it would tell), and after as many steps as there
 * are places for records it has come to an end. */
static void hostile_memory(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		unsigned steps = 0;
		size_t room = random_below(2) ? sizeof the.record : random_below(64);
		int32_t len;

		if (round % 16 == 0)
			random_lengths();
		random_position(the.memory);
		random_position(the.memory + 64);
		if (random_below(4) == 0)
			attach();
		while ((len = ring_take(&the.in, the.record, room)) != 0) {
			assert_true(len == -1 || (len > 0 && (size_t)len <= room));
			assert_true(++steps <= CAPACITY / 8 + 2);
			if (random_below(8) == 0)
				ring_release(&the.in);
		}
		/* it does not keep anybody awake who has taken all */
		assert_true(ring_is_empty(&the.in));
		for (unsigned i = 0; i < 4; i++)
			put(&the.out, 1 + random_below(LONGEST), i);
		if (random_below(2))
			ring_publish(&the.out);
	}
}

/* Bytes that change while they are read: a length is looked at once. */
static void *rewrite(void *arg)
{
	volatile uint8_t *memory = the.memory;
	volatile bool *stop = arg;

	for (uint32_t i = 0; !*stop; i++)
		((volatile uint32_t *)(void *)(uintptr_t)memory)[32 + i % (CAPACITY / 4)] = i % 3 == 0 ? UINT32_MAX : i;
	return NULL;
}

static void memory_that_changes(void **state)
{
	volatile bool stop = false;
	pthread_t other;

	(void)state;
	assert_int_equal(pthread_create(&other, NULL, rewrite, (void *)(uintptr_t)&stop), 0);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned steps = 0;

		random_position(the.memory);
		while (ring_take(&the.in, the.record, sizeof the.record) != 0)
			assert_true(++steps <= CAPACITY / 8 + 2);
	}
	stop = true;
	pthread_join(other, NULL);
}

/* ---- two processes ---- */

enum { MANY = 400000 };

static size_t length_of(uint32_t number)
{
	return 4 + number * 2654435761u % (number % 50 == 0 ? LONGEST - 4 : 60);
}

static void produce(void)
{
	for (uint32_t i = 0; i < MANY;) {
		if (put(&the.out, length_of(i), i)) {
			if (++i % 7 == 0)
				ring_publish(&the.out);
		} else {
			ring_publish(&the.out);
			usleep(1);
		}
	}
	ring_publish(&the.out);
}

static void two_processes(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		alarm(60);
		produce();
		_exit(0);
	}
	for (uint32_t i = 0; i < MANY;) {
		int32_t len = ring_take(&the.in, the.record, sizeof the.record);

		if (len == 0) {
			ring_release(&the.in);
			usleep(1);
			continue;
		}
		if (len != (int32_t)length_of(i) || !is_record(the.record, (size_t)len, i))
			fail_msg("record %u is damaged", i);
		if (++i % 13 == 0)
			ring_release(&the.in);
	}
	expect_nothing();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(capacities), TEST(what_is_put_in_is_seen_when_published), TEST(a_reservation_that_is_not_used_is_forgotten),
		TEST(a_forgotten_reservation_at_the_end), TEST(the_longest_record_fits_everywhere),
		TEST(a_full_ring_takes_nothing_until_it_is_released), TEST(too_little_room_drops_everything), TEST(a_long_random_life),
		TEST(another_producer_goes_on), TEST(another_consumer_goes_on), TEST(both_ends_change_again_and_again),
		TEST(hostile_memory), TEST(memory_that_changes), TEST(two_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
