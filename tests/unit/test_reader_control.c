/* objects: oscore/reader/control.o base/packets.o */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "oscore/reader/control.h"

enum { PARENT, READER };

static struct reader_message in;

static int open_ends(void **state)
{
	static int ends[2];

	*state = ends;
	return reader_control_open(ends);
}

static int close_ends(void **state)
{
	int *ends = *state;

	close(ends[PARENT]);
	close(ends[READER]);
	return 0;
}

/* The next descriptor that will be given out: the same before and after if nothing stayed open. */
static int next_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

/* Sends bytes with so many descriptors. */
static void send_raw(int end, const void *bytes, size_t len, unsigned descriptors)
{
	enum { MOST = 8 };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(MOST * sizeof(int))] = { 0 };
	char copy[sizeof(struct reader_message) + 1];
	struct iovec v = { copy, len };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };

	assert_true(len <= sizeof copy && descriptors <= MOST);
	memcpy(copy, bytes, len);
	if (descriptors > 0) {
		struct cmsghdr *c;

		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
		for (unsigned i = 0; i < descriptors; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &(int){ STDERR_FILENO }, sizeof(int));
	}
	assert_int_equal(sendmsg(end, &h, 0), len);
}

static void test_a_message_comes_as_it_was_sent(void **state)
{
	const struct reader_message out = { .word = READER_SET, .generation = 7, .set = UINT64_C(0xfedcba9876543210), .max_failures = 64,
		.number = 3, .more = true, .text = "plant.keys" };
	int *ends = *state, fd;
	struct stat sent, came;

	assert_int_equal(reader_control_send(ends[PARENT], &out, STDERR_FILENO), 0);
	assert_int_equal(reader_control_receive(ends[READER], true, &in, &fd), 1);
	assert_int_equal(in.word, READER_SET);
	assert_int_equal(in.generation, 7);
	assert_true(in.set == UINT64_C(0xfedcba9876543210));
	assert_int_equal(in.max_failures, 64);
	assert_int_equal(in.number, 3);
	assert_true(in.more);
	assert_string_equal(in.text, "plant.keys");
	assert_int_equal(fstat(STDERR_FILENO, &sent), 0);
	assert_int_equal(fstat(fd, &came), 0);
	assert_true(came.st_ino == sent.st_ino);
	close(fd);
	assert_int_equal(reader_control_receive(ends[READER], true, &in, &fd), 0);
	assert_int_equal(fd, -1);
}

static const struct {
	bool by_parent;
	unsigned descriptors;
} words[READER_WORDS] = {
	[READER_SET] = { true, 1 }, [READER_PREPARE] = { true, 0 }, [READER_COMMIT] = { true, 0 }, [READER_ABORT] = { true, 0 },
	[READER_WORKER] = { true, 1 }, [READER_LOG] = { true, 1 }, [READER_READY] = { false, 0 }, [READER_PREPARED] = { false, 0 },
	[READER_FAILED] = { false, 0 },
};

/* Every word, and one that is none, from either side, with 0 to 4 descriptors: nothing else passes, and what it brought is closed. */
static void test_each_word_goes_one_way_with_its_descriptor(void **state)
{
	int *ends = *state;

	for (uint32_t word = 0; word <= READER_WORDS; word++) {
		for (unsigned count = 0; count < 5; count++) {
			for (int by_parent = 0; by_parent < 2; by_parent++) {
				bool good = word < READER_WORDS && words[word].by_parent == (by_parent == 1) && count == words[word].descriptors;
				const struct reader_message m = { .word = word };
				int before = next_descriptor(), fd;

				send_raw(ends[by_parent ? PARENT : READER], &m, sizeof m, count);
				errno = 0;
				assert_int_equal(reader_control_receive(ends[by_parent ? READER : PARENT], by_parent == 1, &in, &fd), good ? 1 : -1);
				assert_int_equal(errno, good ? 0 : EPROTO);
				assert_int_equal(fd >= 0, good && count == 1);
				if (fd >= 0)
					close(fd);
				assert_int_equal(next_descriptor(), before);
			}
		}
	}
}

static void test_what_is_no_message_is_refused(void **state)
{
	static union {
		struct reader_message m;
		unsigned char bytes[sizeof(struct reader_message) + 1];
	} raw;
	static const size_t lengths[] = { 1, sizeof raw.m - 1, sizeof raw.m + 1 };
	int *ends = *state, fd;

	raw.m.word = READER_PREPARED;
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		send_raw(ends[READER], raw.bytes, lengths[i], 0);
		assert_int_equal(reader_control_receive(ends[PARENT], false, &in, &fd), -1);
		assert_int_equal(errno, EPROTO);
	}
	raw.bytes[offsetof(struct reader_message, more)] = 2;
	send_raw(ends[READER], raw.bytes, sizeof raw.m, 0);
	assert_int_equal(reader_control_receive(ends[PARENT], false, &in, &fd), -1);
	raw.bytes[offsetof(struct reader_message, more)] = 1;
	memset(raw.m.text, 'x', sizeof raw.m.text);
	send_raw(ends[READER], raw.bytes, sizeof raw.m, 0);
	assert_int_equal(reader_control_receive(ends[PARENT], false, &in, &fd), -1);
	raw.m.text[READER_TEXT_MAX - 1] = '\0';
	send_raw(ends[READER], raw.bytes, sizeof raw.m, 0);
	assert_int_equal(reader_control_receive(ends[PARENT], false, &in, &fd), 1);
}

/* It looks like the end of the other side, and what it brought must not stay open. */
static void test_an_empty_message_leaves_no_descriptor(void **state)
{
	int *ends = *state, before = next_descriptor(), fd;

	send_raw(ends[PARENT], "", 0, 1);
	assert_int_equal(reader_control_receive(ends[READER], true, &in, &fd), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(fd, -1);
	assert_int_equal(next_descriptor(), before);
}

static void test_the_end_of_the_other_side_is_told(void **state)
{
	int *ends = *state, fd;

	assert_int_equal(reader_control_send(ends[PARENT], &(struct reader_message){ .word = READER_ABORT }, -1), 0);
	close(ends[PARENT]);
	assert_int_equal(reader_control_receive(ends[READER], true, &in, &fd), 1);
	assert_int_equal(reader_control_receive(ends[READER], true, &in, &fd), -1);
	assert_int_equal(errno, 0);
	assert_int_equal(reader_control_send(ends[READER], &(struct reader_message){ .word = READER_READY }, -1), -1);
	assert_int_equal(errno, EPIPE);
	ends[PARENT] = dup(STDERR_FILENO);
}

static void test_a_side_that_does_not_read_is_not_waited_for(void **state)
{
	int *ends = *state, n = 0;

	while (n < 100000 && reader_control_send(ends[PARENT], &(struct reader_message){ .word = READER_ABORT }, -1) == 0)
		n++;
	assert_int_equal(errno, EAGAIN);
	assert_in_range(n, 64, 99999);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_ends, close_ends)
	const struct CMUnitTest tests[] = {
		TEST(test_a_message_comes_as_it_was_sent),
		TEST(test_each_word_goes_one_way_with_its_descriptor),
		TEST(test_what_is_no_message_is_refused),
		TEST(test_an_empty_message_leaves_no_descriptor),
		TEST(test_the_end_of_the_other_side_is_told),
		TEST(test_a_side_that_does_not_read_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
