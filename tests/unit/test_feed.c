/* objects: proxy/exchange/feed.o proxy/exchange/feed_line.o proxy/exchange/feed_lines.o oscore/option.o translate/event_stream.o translate/map_media.o translate/map_template.o translate/content_formats.o translate/http_message.o base/bytes.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o coap/message.o coap/option.o coap/uri.o CONF_OBJS */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/exchange/feed.h"

enum { FEEDS = 4, MEMORY = 64 * 1024, GOT_MAX = 4 << 20 };

static char names[FEEDS][8] = { "a", "b", "c", "d" }, path[] = "/somewhere", nothing[] = "", route_name[] = "lab", read_name[] = "meters";
static struct feed feeds[2][FEEDS]; /* of two configurations */
static struct snapshot *confs[2];
static struct route route = { .name = route_name };
static struct read_conf reads = { .name = read_name, .fields = FIELD_BIT(FIELD_PAYLOAD) };
static struct metrics counted;
static struct proxy *p;
static uint64_t told;
static char *got;
static size_t got_len;

static int begin(void **state)
{
	(void)state;
	p = calloc(1, sizeof *p);
	got = malloc(GOT_MAX);
	assert_true(p != NULL && got != NULL);
	p->metrics = &counted;
	memset(&counted, 0, sizeof counted);
	p->house.self = 3;
	for (unsigned c = 0; c < 2; c++) {
		confs[c] = conf_load_text("listeners: { front: { url = \"coap://[::]\"; }; }; routes: { lab: { to = \"coap://h\"; }; };", "test", stderr);
		assert_non_null(confs[c]);
		for (unsigned i = 0; i < FEEDS; i++)
			feeds[c][i] = (struct feed){ .name = names[i], .file = path, .socket = nothing, .memory = MEMORY };
		confs[c]->feeds = feeds[c];
	}
	p->conf = confs[0];
	confs[0]->feed_count = 1;
	assert_int_equal(feeds_renew(p), 0);
	told = got_len = 0;
	return 0;
}

static int end(void **state)
{
	(void)state;
	feeds_destroy(p);
	for (unsigned c = 0; c < 2; c++)
		snapshot_release(confs[c]);
	free(p);
	free(got);
	return 0;
}

/* ---- telling and reading ---- */

/* A line with the next number, whose payload has so many bytes. */
static void tell(const struct feed *f, uint32_t payload_len)
{
	static const uint8_t payload[OPENING_PAYLOAD_MAX];
	struct opening_inner in = { .fields = FIELD_BIT(FIELD_PAYLOAD), .payload = payload, .payload_len = payload_len };
	struct feed_record r = { .exchange = ++told, .route = &route, .read = &reads, .verdict = OPENING_OPENED, .inner = &in };

	feed_tell(p, f, &r);
}

static uint64_t lost(void)
{
	return counted.count[COUNT_FEED_LOST];
}

static uint64_t left(void)
{
	return counted.count[COUNT_FEED_LINES];
}

/* Takes what is there to read. */
static void take(int fd)
{
	ssize_t n;

	while ((n = read(fd, got + got_len, GOT_MAX - got_len)) > 0)
		got_len += (size_t)n;
}

/* How many lines were read: each whole, the numbers in their order. */
static uint64_t whole_lines(uint64_t *first)
{
	uint64_t lines = 0, last = 0;

	assert_true(got_len == 0 || got[got_len - 1] == '\n');
	for (char *at = got, *next; at < got + got_len; at = next) {
		const char *number;
		uint64_t exchange;

		next = memchr(at, '\n', (size_t)(got + got_len - at));
		assert_non_null(next);
		*next++ = '\0';
		assert_int_equal(at[0], '{');
		assert_string_equal(next - 3, "}}");
		assert_null(strstr(at, "}}{"));
		number = strstr(at, "\"exchange\":\"");
		assert_non_null(number);
		exchange = strtoull(number + 12, NULL, 16);
		assert_true(exchange > last);
		if (first != NULL && lines == 0)
			*first = exchange;
		last = exchange;
		lines++;
	}
	got_len = 0;
	return lines;
}

/* Ends of a connection whose buffer is as small as the kernel has it. */
static void connection(int ends[2])
{
	int small = 1;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
}

/* ---- tests ---- */

static void lines_leave_at_the_end_of_a_turn(void **state)
{
	int ends[2];

	(void)state;
	connection(ends);
	feeds_take(p, 0, ends[0], 7);
	tell(&feeds[0][0], 0);
	tell(&feeds[0][0], 5);
	take(ends[1]);
	assert_int_equal(got_len, 0);
	feeds_flush(p);
	take(ends[1]);
	assert_int_equal(whole_lines(NULL), 2);
	assert_true(left() == 2 && lost() == 0);
	/* what was told before there was anybody waits for him */
	close(ends[1]);
	tell(&feeds[0][0], 5);
	feeds_flush(p);
	connection(ends);
	feeds_take(p, 0, ends[0], 8);
	take(ends[1]);
	assert_int_equal(whole_lines(NULL), 1);
	close(ends[1]);
}

static void a_reader_that_stopped(void **state)
{
	uint64_t first, before;
	int ends[2];

	(void)state;
	connection(ends);
	feeds_take(p, 0, ends[0], 7);
	for (unsigned turn = 0; turn < 3000; turn++) {
		tell(&feeds[0][0], turn % 100);
		tell(&feeds[0][0], turn % 50);
		feeds_flush(p);
	}
	assert_true(told == 6000 && left() > 0 && lost() > 5000);
	before = lost();
	/* what waited and what was on the way, and nothing else: whole, and in order */
	for (unsigned i = 0; i < 1000 && left() + lost() < told; i++) {
		take(ends[1]);
		feeds_flush(p);
	}
	take(ends[1]);
	assert_int_equal(lost(), before);
	assert_int_equal(left() + lost(), told);
	assert_int_equal(whole_lines(&first), left());
	assert_int_equal(first, 1);
	/* and then on as before */
	tell(&feeds[0][0], 1);
	feeds_flush(p);
	take(ends[1]);
	assert_int_equal(whole_lines(&first), 1);
	assert_int_equal(first, told);
	close(ends[1]);
}

/* Nobody reads, or nobody ever came: no more than feed.memory is kept. */
static void memory_is_bounded(void **state)
{
	uint64_t first;
	int ends[2];

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		tell(&feeds[0][0], 100);
		feeds_flush(p);
	}
	assert_int_equal(left(), 0);
	connection(ends);
	feeds_take(p, 0, ends[0], 7);
	for (unsigned i = 0; i < 1000 && left() + lost() < told; i++) {
		take(ends[1]);
		feeds_flush(p);
	}
	take(ends[1]);
	assert_true(got_len <= MEMORY && got_len > MEMORY - 1000);
	assert_int_equal(whole_lines(&first), told - lost());
	assert_int_equal(first, 1);
	close(ends[1]);
}

/* Under load a full socket is tried a few times a second; a turn without anything to tell tries it at once. */
static void traffic_does_not_pay(void **state)
{
	int ends[2];

	(void)state;
	connection(ends);
	feeds_take(p, 0, ends[0], 7);
	for (unsigned i = 0; i < 100; i++) {
		tell(&feeds[0][0], 100);
		feeds_flush(p);
	}
	assert_true(left() + lost() < told);
	take(ends[1]);
	got_len = 0;
	tell(&feeds[0][0], 1);
	feeds_flush(p);
	take(ends[1]);
	assert_int_equal(got_len, 0);
	feeds_flush(p);
	take(ends[1]);
	assert_true(got_len > 0);
	got_len = 0;
	tell(&feeds[0][0], 1);
	feeds_flush(p);
	clock_steer(clock_now() + 10 * CLOCK_MS);
	tell(&feeds[0][0], 1);
	feeds_flush(p);
	take(ends[1]);
	assert_true(got_len > 0);
	close(ends[1]);
}

/* He has read half of a line. The next one begins with a whole line, and that one line is lost. */
static void a_reader_who_leaves_in_the_middle(void **state)
{
	uint64_t first, number;
	size_t index = 99;
	int ends[2];

	(void)state;
	connection(ends);
	feeds_take(p, 0, ends[0], 7);
	for (unsigned i = 0; i < 3; i++)
		tell(&feeds[0][0], 10000);
	feeds_flush(p);
	assert_int_equal(left(), 0);
	assert_int_equal(feeds_gone(p, &index), 0);
	close(ends[1]);
	feeds_flush(p);
	assert_int_equal(lost(), 1);
	number = feeds_gone(p, &index);
	assert_true(number == 7 && index == 0);
	assert_int_equal(feeds_gone(p, &index), 0); /* told once */
	feeds_flush(p);
	connection(ends);
	feeds_take(p, 0, ends[0], 8);
	for (unsigned i = 0; i < 100; i++) {
		take(ends[1]);
		feeds_flush(p);
	}
	take(ends[1]);
	assert_int_equal(whole_lines(&first), 2);
	assert_int_equal(first, 2);
	assert_true(left() == 2 && lost() == 1);
	/* one who is replaced in the middle of a line */
	tell(&feeds[0][0], 10000);
	tell(&feeds[0][0], 5);
	feeds_flush(p);
	close(ends[1]);
	connection(ends);
	feeds_take(p, 0, ends[0], 9);
	take(ends[1]);
	assert_int_equal(whole_lines(&first), 1);
	assert_int_equal(first, told);
	assert_true(left() == 3 && lost() == 2);
	assert_int_equal(feeds_gone(p, &index), 0);
	close(ends[1]);
}

static void lines_that_are_too_long(void **state)
{
	static char long_name[8000];
	struct feed_record r = { .exchange = 1, .route = &route, .read = &reads, .verdict = FEED_MISSED, .name = long_name };
	int ends[2];

	(void)state;
	memset(long_name, '"', sizeof long_name - 1);
	connection(ends);
	feeds_take(p, 0, ends[0], 7);
	feed_tell(p, &feeds[0][0], &r);
	assert_int_equal(lost(), 1);
	tell(&feeds[0][0], 5); /* the others are not lost with it */
	feeds_flush(p);
	take(ends[1]);
	assert_int_equal(whole_lines(NULL), 1);
	close(ends[1]);
}

static void a_file(void **state)
{
	char name[] = "/var/tmp/test-feed-XXXXXX";
	int fd = mkstemp(name), writing = open(name, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0 && writing >= 0);
	unlink(name);
	feeds_take(p, 0, writing, 7);
	for (unsigned i = 0; i < 20; i++)
		tell(&feeds[0][0], i);
	feeds_flush(p);
	take(fd);
	assert_int_equal(whole_lines(NULL), 20);
	assert_true(left() == 20 && lost() == 0);
	close(fd);
}

/* The disk is full: what comes waits while there is room, and is then lost. */
static void a_full_disk(void **state)
{
	size_t index;
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC), memory;

	(void)state;
	assert_true(fd >= 0);
	feeds_take(p, 0, fd, 7);
	for (unsigned i = 0; i < 1000; i++) {
		tell(&feeds[0][0], 100);
		feeds_flush(p);
	}
	assert_true(left() == 0 && lost() > 0 && lost() < told);
	assert_int_equal(feeds_gone(p, &index), 0);
	memory = memfd_create("feed", 0);
	feeds_take(p, 0, dup(memory), 8);
	assert_int_equal(left() + lost(), told);
	lseek(memory, 0, SEEK_SET);
	take(memory);
	assert_int_equal(whole_lines(NULL), left());
	close(memory);
}

/* Several workers write to one pipe, where only what is short enough goes in at once. */
static void a_pipe(void **state)
{
	uint64_t before;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	feeds_take(p, 0, ends[1], 7);
	tell(&feeds[0][0], 10);
	tell(&feeds[0][0], PIPE_BUF); /* can only be torn */
	tell(&feeds[0][0], 10);
	feeds_flush(p);
	take(ends[0]);
	assert_int_equal(whole_lines(NULL), 2);
	assert_true(left() == 2 && lost() == 1);
	for (unsigned i = 0; i < 2000; i++) {
		tell(&feeds[0][0], i % 200);
		if (i % 10 == 0)
			feeds_flush(p);
	}
	/* whatever is in the pipe is whole lines at any time */
	take(ends[0]);
	assert_int_equal(whole_lines(NULL) + 2, left());
	before = lost();
	for (unsigned i = 0; i < 100; i++) {
		feeds_flush(p);
		take(ends[0]);
	}
	assert_true(whole_lines(NULL) > 0 && lost() == before && left() + lost() == told);
	close(ends[0]);
}

static void without_feeds(void **state)
{
	size_t index;
	int ends[2];

	(void)state;
	tell(&feeds[0][3], 1); /* of a configuration that is not in force any more */
	assert_int_equal(lost(), 1);
	confs[1]->feed_count = 0;
	p->conf = confs[1];
	tell(&feeds[0][0], 1);
	assert_int_equal(feeds_renew(p), 0);
	assert_int_equal(lost(), 2); /* nobody took it */
	tell(&feeds[0][0], 1);
	assert_int_equal(lost(), 3);
	feeds_flush(p);
	connection(ends);
	feeds_take(p, 0, ends[0], 7);
	assert_int_equal(fcntl(ends[0], F_GETFD), -1);
	assert_int_equal(feeds_gone(p, &index), 0);
	close(ends[1]);
}

/* One stays, in another place and with its lines; one goes; one comes, under the name of one with another file. */
static void a_new_configuration(void **state)
{
	static char elsewhere[] = "/elsewhere";
	int a[2], b[2];

	(void)state;
	feeds_destroy(p);
	confs[0]->feed_count = 3;
	assert_int_equal(feeds_renew(p), 0);
	connection(a);
	connection(b);
	feeds_take(p, 0, a[0], 7);
	feeds_take(p, 1, b[0], 8);
	tell(&feeds[0][0], 1);
	tell(&feeds[0][1], 2);
	tell(&feeds[0][2], 3);
	/* b is first now; a, which has lines for nobody, is another; c went */
	feeds[1][0] = feeds[0][1];
	feeds[1][1] = feeds[0][0];
	feeds[1][1].file = elsewhere;
	confs[1]->feed_count = 2;
	p->conf = confs[1];
	assert_int_equal(feeds_renew(p), 0);
	assert_true(left() == 1 && lost() == 1); /* a's line left in time, c's had nowhere to go */
	take(a[1]);
	assert_int_equal(whole_lines(NULL), 1);
	assert_int_equal(read(a[1], got, 1), 0); /* and a was closed */
	feeds_flush(p);
	tell(&feeds[0][1], 4); /* by the former configuration */
	tell(&feeds[1][0], 5);
	tell(&feeds[1][1], 6);
	tell(&feeds[0][0], 7); /* not to the one that has its name now */
	feeds_flush(p);
	take(b[1]);
	assert_int_equal(whole_lines(NULL), 3);
	assert_true(left() == 4 && lost() == 2);
	close(a[1]);
	close(b[1]);
}

static void another_memory(void **state)
{
	uint64_t first;
	size_t index;
	int ends[2];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		tell(&feeds[0][0], 100);
	feeds[1][0].memory = MEMORY / 4;
	confs[1]->feed_count = 1;
	p->conf = confs[1];
	assert_int_equal(feeds_renew(p), 0);
	assert_true(lost() > 0 && lost() < 100);
	/* twice as much again */
	confs[0]->feed_count = 1;
	feeds[0][0].memory = 2 * MEMORY;
	p->conf = confs[0];
	assert_int_equal(feeds_renew(p), 0);
	connection(ends);
	for (unsigned i = 0; i < 100; i++)
		tell(&feeds[0][0], 100);
	feeds_take(p, 0, ends[0], 7);
	for (unsigned i = 0; i < 100; i++) {
		take(ends[1]);
		feeds_flush(p);
	}
	take(ends[1]);
	assert_int_equal(whole_lines(&first), 200 - lost());
	assert_int_equal(first, 1);
	/* also in the middle of a line */
	tell(&feeds[0][0], 12000);
	tell(&feeds[0][0], 12000);
	feeds_flush(p);
	p->conf = confs[1];
	feeds[1][0].memory = FEED_LINE_MAX;
	assert_int_equal(feeds_renew(p), 0);
	for (unsigned i = 0; i < 100; i++) {
		take(ends[1]);
		feeds_flush(p);
	}
	take(ends[1]);
	assert_int_equal(whole_lines(NULL), 2);
	assert_int_equal(left() + lost(), told);
	/* what is left of it has no room: nothing may follow there */
	tell(&feeds[1][0], 12000);
	feeds_flush(p);
	p->conf = confs[0];
	feeds[0][0].memory = 1000;
	assert_int_equal(feeds_renew(p), 0);
	tell(&feeds[0][0], 10);
	feeds_flush(p);
	take(ends[1]);
	assert_true(got_len > 0 && memchr(got, '\n', got_len) == NULL);
	assert_int_equal(read(ends[1], got, 1), 0);
	got_len = 0;
	assert_true(feeds_gone(p, &index) == 7 && index == 0);
	assert_int_equal(left() + lost(), told - 1);
	close(ends[1]);
}

static void what_makes_a_feed_another(void **state)
{
	const struct feed feed = { .name = "a", .file = "", .socket = "/a" }, same = { .name = "a", .file = "", .socket = "/a", .memory = 1 };
	const struct feed others[] = { { .name = "b", .file = "", .socket = "/a" }, { .name = "a", .file = "/a", .socket = "" },
		{ .name = "a", .file = "", .socket = "/b" } };

	(void)state;
	assert_true(feed_is_same(&feed, &same));
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_false(feed_is_same(&feed, &others[i]));
}

/* Workers have numbers of their own, and so has one that takes the place of another. */
static void numbers_of_exchanges(void **state)
{
	struct proxy *other = calloc(1, sizeof *other);
	uint64_t a = feed_exchange_number(p), b = feed_exchange_number(p), c;

	(void)state;
	assert_non_null(other);
	other->house.self = 4;
	c = feed_exchange_number(other);
	assert_true(a != 0 && a != b && c != a && c != b && a % HOUSE_WORKERS_MAX == 3 && c % HOUSE_WORKERS_MAX == 4);
	other->feed_exchanges = 0;
	other->house.self = 3;
	usleep(10);
	c = feed_exchange_number(other);
	assert_true(c > b);
	free(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_leave_at_the_end_of_a_turn), TEST(a_reader_that_stopped), TEST(memory_is_bounded), TEST(traffic_does_not_pay),
		TEST(a_reader_who_leaves_in_the_middle), TEST(lines_that_are_too_long), TEST(a_file), TEST(a_full_disk), TEST(a_pipe),
		TEST(without_feeds), TEST(a_new_configuration), TEST(another_memory), TEST(what_makes_a_feed_another), TEST(numbers_of_exchanges),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
