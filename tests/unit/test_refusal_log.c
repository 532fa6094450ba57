/* objects: proxy/exchange/refusal_log.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o base/wheel.o coap/message.o coap/uri.o CONF_OBJS base/bytes.o translate/map_template.o coap/option.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/refusal_log.h"

enum { TEXT_MAX = 1 << 20, FLOOD_NETWORKS = 100000, FLOOD_SECONDS = 20 };

static struct proxy *p;
static char *text;
static int fd;

/* The exchanges of this test have no origin. */
const struct endpoint *exchange_origin_peer(const struct exchange *x)
{
	(void)x;
	return NULL;
}

static int begin(void **state)
{
	(void)state;
	fd = memfd_create("log", 0);
	text = malloc(TEXT_MAX);
	p = calloc(1, sizeof *p);
	assert_true(fd >= 0 && text != NULL && p != NULL);
	log_open(fd, LOG_LEVEL_INFO);
	p->conf = conf_load_text("listeners: { coap: { url = \"coap://[::]\"; }; };", "test", stderr);
	p->wheel = wheel_create(clock_now());
	hash_key_init(&p->hash_key);
	p->house.state = calloc(1, sizeof *p->house.state);
	assert_non_null(p->house.state);
	assert_int_equal(refusal_log_create(p), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	refusal_log_destroy(p);
	free(p->house.state);
	wheel_destroy(p->wheel);
	snapshot_release(p->conf);
	free(p);
	free(text);
	close(fd);
	log_open(STDERR_FILENO, LOG_LEVEL_INFO);
	return 0;
}

/* What was written since the last call, without the times; the number of its lines. */
static unsigned written(void)
{
	ssize_t n = pread(fd, text, TEXT_MAX - 1, 0);
	char *out = text, *line, *next;
	unsigned lines = 0;

	assert_true(n >= 0 && n < TEXT_MAX - 1);
	text[n] = '\0';
	assert_int_equal(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
	for (line = text; (next = strchr(line, '\n')) != NULL; line = next + 1) {
		const char *from = strstr(line, "info: ");

		if (from == NULL || from > next)
			from = strstr(line, "warning: ") + 3;
		assert_true(from > line && from < next);
		memmove(out, from + 6, (size_t)(next + 1 - (from + 6)));
		out += next + 1 - (from + 6);
		lines++;
	}
	*out = '\0';
	return lines;
}

static void refuse(const char *address, enum error e)
{
	struct client c = { .listener = 0 };
	struct exchange x = { .conf = p->conf, .client = &c, .code = 1 };

	assert_int_equal(endpoint_parse_literal(&c.peer, address, strlen(address), false), 0);
	c.peer.port = 7;
	refusal_log(p, &x, e, 0);
}

static void advance(unsigned seconds)
{
	while (seconds-- > 0) {
		clock_steer(clock_now() + CLOCK_SECOND);
		wheel_run(p->wheel, clock_now() + WHEEL_TICK);
	}
}

static void networks_and_reasons_are_told_apart(void **state)
{
	(void)state;
	refuse("10.1.2.3", ERR_NO_ROUTE);
	assert_int_equal(written(), 1);
	assert_string_equal(text, "refused_no_route: GET from 10.1.2.3:7 at coap, route -, origin -: No such resource here\n");
	refuse("10.1.2.3", ERR_NO_ROUTE);
	refuse("10.1.2.250", ERR_NO_ROUTE);
	assert_int_equal(written(), 0);
	refuse("10.1.3.3", ERR_NO_ROUTE);
	refuse("10.1.2.3", ERR_NO_ROUTE_FORWARD);
	assert_int_equal(written(), 2);
	refuse("2001:db8:1:2::3", ERR_NO_ROUTE);
	assert_int_equal(written(), 1);
	refuse("2001:db8:1:ffff::4", ERR_NO_ROUTE);
	assert_int_equal(written(), 0);
	refuse("2001:db8:2:2::3", ERR_NO_ROUTE);
	assert_int_equal(written(), 1);
}

static void alarm_from(const char *address, enum alarm kind, const struct route *route, bool answer)
{
	struct endpoint client;

	assert_int_equal(endpoint_parse_literal(&client, address, strlen(address), false), 0);
	client.port = 7;
	refusal_log_alarm(p, &(struct alarm_of){ .alarm = kind, .route = route, .client = &client, .answer = answer });
}

/* One line for each kind, route and network in ten seconds. */
static void alarms_are_told_in_the_same_way(void **state)
{
	const struct route a = { .name = (char *)"a", .metrics_slot = 0 }, b = { .name = (char *)"b", .metrics_slot = 1 };

	(void)state;
	alarm_from("10.1.2.3", ALARM_BAD, &a, false);
	assert_int_equal(written(), 1);
	assert_string_equal(text, "alarm_bad: a request from 10.1.2.3:7, route a: it was altered, or is of another context\n");
	alarm_from("10.1.2.4", ALARM_BAD, &a, true);
	assert_int_equal(written(), 0);
	alarm_from("10.1.2.4", ALARM_BAD, &b, true);
	assert_int_equal(written(), 1);
	assert_string_equal(text, "alarm_bad: an answer for 10.1.2.4:7, route b: it was altered, or is of another context\n");
	alarm_from("10.1.2.4", ALARM_UNKNOWN, &a, false);
	alarm_from("10.1.2.4", ALARM_SEEN, &a, false);
	alarm_from("10.1.3.4", ALARM_BAD, &a, false);
	refuse("10.1.2.3", ERR_READ_BAD);
	assert_int_equal(written(), 4);
	advance(10);
	assert_int_equal(written(), 1);
	assert_string_equal(text, "alarm_bad: 1 more from 10.1.2.0/24\n");
	alarm_from("10.1.2.3", ALARM_SEEN, &a, false);
	assert_int_equal(written(), 1);
	assert_string_equal(text, "alarm_seen_before: a request from 10.1.2.3:7, route a: repeated, or replayed\n");
}

/* Nothing more comes, and it is told all the same: once. */
static void what_is_left_out_is_told_in_time(void **state)
{
	(void)state;
	refuse("10.1.2.3", ERR_NO_ROUTE);
	refuse("10.1.2.4", ERR_NO_ROUTE);
	refuse("10.1.2.5", ERR_NO_ROUTE);
	refuse("2001:db8:1::1", ERR_FORBIDDEN);
	refuse("2001:db8:1::2", ERR_FORBIDDEN);
	refuse("10.9.9.9", ERR_FORBIDDEN);
	assert_int_equal(written(), 3);
	advance(9);
	assert_int_equal(written(), 0);
	advance(1);
	assert_int_equal(written(), 2);
	assert_non_null(strstr(text, "refused_no_route: 2 more from 10.1.2.0/24\n"));
	assert_non_null(strstr(text, ": 1 more from 2001:db8:1::/48\n"));
	advance(60);
	assert_int_equal(written(), 0);
	assert_true(wheel_next(p->wheel) == UINT64_MAX);
}

static void one_line_in_ten_seconds_whatever_comes(void **state)
{
	(void)state;
	/* every second: the first at 0, then by the next refusal or by the timer */
	for (int i = 0; i < 60; i++) {
		refuse("10.1.2.3", ERR_NO_ROUTE);
		advance(1);
	}
	assert_in_range(written(), 6, 7);
	assert_non_null(strstr(text, "No such resource here (and 9 more from 10.1.2.0/24)\n"));
	advance(40);
	written();
	/* told by the timer, it counts from then on */
	refuse("10.1.2.3", ERR_NO_ROUTE);
	refuse("10.1.2.3", ERR_NO_ROUTE);
	advance(10);
	assert_int_equal(written(), 2);
	refuse("10.1.2.3", ERR_NO_ROUTE);
	assert_int_equal(written(), 0);
	advance(10);
	assert_int_equal(written(), 1);
	assert_string_equal(text, "refused_no_route: 1 more from 10.1.2.0/24\n");
}

static void a_later_refusal_tells_how_many_were_left_out(void **state)
{
	(void)state;
	refuse("10.1.2.3", ERR_NO_ROUTE);
	advance(5);
	refuse("10.1.2.3", ERR_NO_ROUTE);
	advance(7); /* the timer runs in 3 s */
	refuse("10.1.2.3", ERR_NO_ROUTE);
	assert_int_equal(written(), 2);
	assert_non_null(strstr(text, "(and 1 more from 10.1.2.0/24)\n"));
	advance(60);
	assert_int_equal(written(), 0);
}

/* Sums up what the lines say: each line for a refusal counts one, and what it says was left out. */
static unsigned long told(void)
{
	unsigned long sum = 0, n;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%*[a-z_]: %lu more", &n) == 1) {
			sum += n;
			continue;
		}
		sum++;
		if (strstr(line, "(and ") != NULL)
			sum += strtoul(strstr(line, "(and ") + 5, NULL, 10);
	}
	return sum;
}

/* From a hundred thousand networks, some again and again: a bounded number of lines, and no refusal is forgotten. */
static void a_flood_is_bounded_and_counted(void **state)
{
	unsigned long sum = 0, sent = 0;
	unsigned lines = 0;

	(void)state;
	for (unsigned s = 0; s < FLOOD_SECONDS; s++) {
		for (unsigned i = s; i < FLOOD_NETWORKS; i += FLOOD_SECONDS) {
			char address[32];

			snprintf(address, sizeof address, "%u.%u.%u.1", 11 + (i >> 16), i >> 8 & 255, i & 255);
			refuse(address, ERR_NO_ROUTE);
			refuse("10.1.2.3", ERR_NO_ROUTE);
			sent += 2;
		}
		lines += written();
		assert_in_range(lines, 1, REFUSAL_LINES_A_SECOND + 1); /* and the one that sums up */
		sum += told();
		/* what the timer tells belongs to the next second */
		advance(1);
		lines = written();
		sum += told();
	}
	for (unsigned s = 0; s < 60; s++) {
		advance(1);
		assert_in_range(written(), 0, REFUSAL_LINES_A_SECOND + 1);
		sum += told();
	}
	assert_int_equal(sum, sent);
	assert_true(wheel_next(p->wheel) == UINT64_MAX);
	/* and there is room for others again */
	refuse("10.77.2.3", ERR_NO_ROUTE);
	assert_int_equal(written(), 1);
}

static void the_end_tells_what_is_left(void **state)
{
	(void)state;
	refuse("10.1.2.3", ERR_NO_ROUTE);
	refuse("10.1.2.3", ERR_NO_ROUTE);
	assert_int_equal(written(), 1);
	refusal_log_destroy(p);
	assert_int_equal(written(), 1);
	assert_string_equal(text, "refused_no_route: 1 more from 10.1.2.0/24\n");
	assert_int_equal(refusal_log_create(p), 0);
}

static void nothing_is_counted_where_nothing_is_told(void **state)
{
	(void)state;
	log_open(fd, LOG_LEVEL_WARNING);
	refuse("10.1.2.3", ERR_NO_ROUTE);
	refuse("10.1.2.3", ERR_NO_ROUTE);
	assert_true(wheel_next(p->wheel) == UINT64_MAX);
	log_open(fd, LOG_LEVEL_INFO);
	refuse("10.1.2.3", ERR_NO_ROUTE);
	assert_int_equal(written(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(networks_and_reasons_are_told_apart), TEST(alarms_are_told_in_the_same_way), TEST(what_is_left_out_is_told_in_time),
		TEST(one_line_in_ten_seconds_whatever_comes), TEST(a_later_refusal_tells_how_many_were_left_out),
		TEST(a_flood_is_bounded_and_counted), TEST(the_end_tells_what_is_left), TEST(nothing_is_counted_where_nothing_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
