/* objects: proxy/process/channel.o base/packets.o */
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

#include "conf/snapshot.h"
#include "proxy/process/channel.h"

enum { PARENT, WORKER };

static struct packet_descriptors got;
static struct channel_message in;

static int open_ends(void **state)
{
	static int ends[2];

	*state = ends;
	return channel_open(ends);
}

static int close_ends(void **state)
{
	int *ends = *state;

	close(ends[PARENT]);
	close(ends[WORKER]);
	return 0;
}

static void send_kind(int end, enum channel_kind kind, unsigned descriptors)
{
	const struct channel_message m = { .kind = kind, .generation = 7, .number = { 1, 2 }, .text = "text" };
	int fds[PACKET_DESCRIPTORS_MAX] = { 0 };

	for (unsigned i = 0; i < descriptors; i++)
		fds[i] = STDERR_FILENO;
	assert_int_equal(channel_send(end, &m, fds, descriptors), 0);
}

static void test_a_message_comes_as_it_was_sent(void **state)
{
	int *ends = *state;

	send_kind(ends[WORKER], CHANNEL_FAILED, 0);
	assert_int_equal(channel_receive(ends[PARENT], false, &in, &got), 1);
	assert_int_equal(in.kind, CHANNEL_FAILED);
	assert_int_equal(in.generation, 7);
	assert_int_equal(in.number[1], 2);
	assert_string_equal(in.text, "text");
	assert_int_equal(channel_receive(ends[PARENT], false, &in, &got), 0);
}

static void test_descriptors_come_with_it_and_can_be_closed(void **state)
{
	int *ends = *state;
	struct stat sent, came;

	send_kind(ends[PARENT], CHANNEL_START, PACKET_DESCRIPTORS_MAX);
	assert_int_equal(channel_wait(ends[WORKER], true, &in, &got), 1);
	assert_int_equal(got.count, PACKET_DESCRIPTORS_MAX);
	assert_int_equal(fstat(STDERR_FILENO, &sent), 0);
	for (unsigned i = 0; i < got.count; i++) {
		assert_int_equal(fstat(got.fds[i], &came), 0);
		assert_true(came.st_ino == sent.st_ino);
	}
	packets_close_all(&got);
	assert_int_equal(got.count, 0);
	assert_int_equal(fstat(got.fds[0], &came), -1);
}

static const struct {
	bool by_parent;
	unsigned least, most;
} kinds[CHANNEL_KINDS] = {
	[CHANNEL_START] = { true, 6, 253 }, [CHANNEL_LISTENER] = { true, 1, 1 }, [CHANNEL_PREPARE] = { true, 1, 1 },
	[CHANNEL_COMMIT] = { true, 0, 0 }, [CHANNEL_ABORT] = { true, 0, 0 }, [CHANNEL_DRAIN] = { true, 0, 0 },
	[CHANNEL_STOP] = { true, 0, 0 }, [CHANNEL_LOGS] = { true, 2, 2 }, [CHANNEL_READER] = { true, 1, 1 }, [CHANNEL_FEED] = { true, 1, 1 },
	[CHANNEL_STEER] = { true, 0, 0 }, [CHANNEL_FEED_GONE] = { false, 0, 0 },
	[CHANNEL_READY] = { false, 0, 0 }, [CHANNEL_PREPARED] = { false, 0, 0 }, [CHANNEL_FAILED] = { false, 0, 0 },
	[CHANNEL_COMMITTED] = { false, 0, 0 }, [CHANNEL_RETIRED] = { false, 0, 0 }, [CHANNEL_DRAINED] = { false, 0, 0 },
	[CHANNEL_STEERED] = { false, 0, 0 },
};

/* Every kind, from either side, with 0 to 7 descriptors: nothing else passes, and what it brought is closed. */
static void test_each_kind_goes_one_way_with_its_descriptors(void **state)
{
	int *ends = *state;

	for (int kind = 0; kind < CHANNEL_KINDS; kind++) {
		for (unsigned count = 0; count < 8; count++) {
			for (int by_parent = 0; by_parent < 2; by_parent++) {
				bool good = kinds[kind].by_parent == (by_parent == 1) && count >= kinds[kind].least && count <= kinds[kind].most;
				int before = dup(STDERR_FILENO), after;

				close(before);
				send_kind(ends[by_parent ? PARENT : WORKER], (enum channel_kind)kind, count);
				errno = 0;
				assert_int_equal(channel_receive(ends[by_parent ? WORKER : PARENT], by_parent == 1, &in, &got), good ? 1 : -1);
				assert_int_equal(errno, good ? 0 : EPROTO);
				assert_int_equal(got.count, good ? count : 0);
				packets_close_all(&got);
				after = dup(STDERR_FILENO);
				assert_int_equal(after, before);
				close(after);
			}
		}
	}
}

static void test_what_is_no_message_is_refused(void **state)
{
	int *ends = *state;
	static union {
		struct channel_message m;
		char bytes[sizeof(struct channel_message) + 1];
	} raw;
	static const size_t lengths[] = { 1, sizeof raw.m - 1, sizeof raw.m + 1 };

	raw.m.kind = CHANNEL_READY;
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		assert_int_equal(send(ends[WORKER], raw.bytes, lengths[i], 0), lengths[i]);
		assert_int_equal(channel_receive(ends[PARENT], false, &in, &got), -1);
		assert_int_equal(errno, EPROTO);
	}
	raw.m.kind = CHANNEL_KINDS;
	assert_int_equal(send(ends[WORKER], raw.bytes, sizeof raw.m, 0), sizeof raw.m);
	assert_int_equal(channel_receive(ends[PARENT], false, &in, &got), -1);
	raw.m.kind = CHANNEL_FAILED;
	memset(raw.m.text, 'x', sizeof raw.m.text);
	assert_int_equal(send(ends[WORKER], raw.bytes, sizeof raw.m, 0), sizeof raw.m);
	assert_int_equal(channel_receive(ends[PARENT], false, &in, &got), -1);
}

/* It looks like the end of the other side, and what it brought must not stay open. */
static void test_an_empty_message_leaves_no_descriptor(void **state)
{
	int *ends = *state, before = dup(STDERR_FILENO), after;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec nothing = { control, 0 };
	struct msghdr h = { .msg_iov = &nothing, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	close(before);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &(int){ STDERR_FILENO }, sizeof(int));
	assert_int_equal(sendmsg(ends[WORKER], &h, 0), 0);
	assert_int_equal(channel_receive(ends[PARENT], false, &in, &got), -1);
	assert_int_equal(errno, EPROTO);
	assert_int_equal(got.count, 0);
	after = dup(STDERR_FILENO);
	assert_int_equal(after, before);
	close(after);
}

static void test_the_end_of_the_other_side_is_told(void **state)
{
	int *ends = *state;

	send_kind(ends[PARENT], CHANNEL_STOP, 0);
	close(ends[PARENT]);
	assert_int_equal(channel_wait(ends[WORKER], true, &in, &got), 1);
	assert_int_equal(channel_wait(ends[WORKER], true, &in, &got), -1);
	assert_int_equal(errno, 0);
	assert_int_equal(channel_send(ends[WORKER], &(struct channel_message){ .kind = CHANNEL_READY }, NULL, 0), -1);
	ends[PARENT] = dup(STDERR_FILENO);
}

static void test_a_side_that_does_not_read_is_not_waited_for(void **state)
{
	int *ends = *state, n = 0;

	while (n < 100000 && channel_send(ends[PARENT], &(struct channel_message){ .kind = CHANNEL_STOP }, NULL, 0) == 0)
		n++;
	assert_int_equal(errno, EAGAIN);
	assert_in_range(n, CONF_SLOTS_MAX + 8, 99999); /* a listener each, and more */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_ends, close_ends)
	const struct CMUnitTest tests[] = {
		TEST(test_a_message_comes_as_it_was_sent),
		TEST(test_descriptors_come_with_it_and_can_be_closed),
		TEST(test_each_kind_goes_one_way_with_its_descriptors),
		TEST(test_what_is_no_message_is_refused),
		TEST(test_an_empty_message_leaves_no_descriptor),
		TEST(test_the_end_of_the_other_side_is_told),
		TEST(test_a_side_that_does_not_read_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
