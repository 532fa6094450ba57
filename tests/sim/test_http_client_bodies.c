/* objects: TLS_OBJS proxy/http/client.o proxy/http/client_link.o proxy/http/material.o base/endpoint.o coap/uri.o coap/message.o base/bytes.o proxy/http/lines.o proxy/http/framing.o proxy/http/parse.o BASE_OBJS COAP_OBJS CONF_OBJS TRANSLATE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Bodies towards HTTP origins and from them, at the pace of the slower end; owners that leave.
 */
#include "tests/sim/http_asker.h"

#include "base/random.h"

/* ---- bodies of requests ---- */

static void a_body_is_framed_as_it_was_announced(void **state)
{
	struct owner o;
	int fd;

	(void)state;
	ask(&o, "POST", 4);
	http_ask_body(o.ask, (const uint8_t *)"ab", 2, false);
	fd = origin_accept();
	http_ask_body(o.ask, (const uint8_t *)"cd", 2, true);
	assert_string_equal(origin_hear(fd), "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd");
	origin_say(fd, OK("0", ""));
	is_answered(&o, 200, "");
	ask(&o, "POST", HTTP_BODY_UNKNOWN);
	http_ask_body(o.ask, (const uint8_t *)"0123456789abcdefg", 17, false);
	http_ask_body(o.ask, NULL, 0, true);
	assert_string_equal(origin_hear(fd),
		"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n0123456789abcdefg\r\n0\r\n\r\n");
	origin_say(fd, OK("0", ""));
	is_answered(&o, 200, "");
	ask(&o, "POST", 0);
	assert_string_equal(origin_hear(fd), "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
	close(fd);
	settle();
}

static void a_slow_origin_holds_a_body_back(void **state)
{
	static const uint8_t block[1024];
	struct owner o;
	size_t given = 0, most = 0;
	unsigned before;
	int fd, small = 4096;

	(void)state;
	setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	ask(&o, "POST", HTTP_BODY_UNKNOWN);
	fd = origin_accept();
	/* the kernel takes some, then only what we hold grows */
	while (given < 64 << 20 && http_ask_room(o.ask) >= sizeof block) {
		http_ask_body(o.ask, block, sizeof block, false);
		event_base_loop(base, EVLOOP_NONBLOCK);
		given += sizeof block;
		if (BLOCKS_HELD - http_ask_room(o.ask) > most)
			most = BLOCKS_HELD - http_ask_room(o.ask);
	}
	assert_true(given < 64 << 20);
	assert_true(most <= BLOCKS_HELD);
	before = o.writables;
	origin_count(fd, SIZE_MAX);
	assert_true(o.writables > before);
	assert_true(http_ask_room(o.ask) >= BLOCKS_HELD / 2);
	/* while the owner has nothing, no time runs against the origin */
	settle();
	wait_for(3 * TIMEOUT);
	assert_int_equal(o.ends, 0);
	http_ask_body(o.ask, NULL, 0, true);
	settle();
	wait_for(TIMEOUT + CLOCK_SECOND);
	fails(&o, ERR_ORIGIN_TIMEOUT);
	close(fd);
}

static void an_answer_before_the_end_of_the_body_counts(void **state)
{
	struct owner o;
	int fd;

	(void)state;
	ask(&o, "POST", HTTP_BODY_UNKNOWN);
	fd = origin_accept();
	http_ask_body(o.ask, (const uint8_t *)"ab", 2, false);
	origin_say(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n");
	assert_int_equal(o.status, 413);
	http_ask_body(o.ask, (const uint8_t *)"cd", 2, true); /* goes nowhere */
	assert_null(strstr(origin_hear(fd), "cd"));
	origin_say(fd, "no");
	is_answered(&o, 413, "no");
	assert_string_equal(origin_hear(fd), "(closed)");
	close(fd);
}

/* ---- bodies of answers ---- */

static void a_slow_owner_holds_the_origin_back(void **state)
{
	static char piece[65536];
	struct owner o;
	size_t sent = 0, got;
	int fd;

	(void)state;
	ask(&o, "GET", 0);
	fd = origin_accept();
	memset(piece, 'x', sizeof piece);
	o.room = 1000;
	origin_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
	for (int stuck = 0; stuck < 3;) {
		ssize_t n = send(fd, piece, sizeof piece, MSG_NOSIGNAL | MSG_DONTWAIT);

		stuck = n > 0 ? 0 : stuck + 1;
		sent += n > 0 ? (size_t)n : 0;
		settle();
	}
	assert_int_equal(o.got, 1000);
	assert_true(sent < 16 << 20);
	/* nor is it the origin's fault */
	wait_for(3 * TIMEOUT);
	assert_int_equal(o.ends, 0);
	o.room = 5000;
	http_ask_continue(o.ask);
	settle();
	assert_int_equal(o.got, 6000);
	o.room = SIZE_MAX;
	http_ask_continue(o.ask);
	settle();
	got = o.got;
	assert_true(got > 6000 && got <= sent);
	wait_for(TIMEOUT + CLOCK_SECOND);
	fails(&o, ERR_ORIGIN_TIMEOUT);
	close(fd);
}

/* ---- leaving ---- */

static void leave(struct owner *o)
{
	http_ask_leave(o->ask);
	o->ask = NULL;
}

static void an_owner_may_leave_at_any_time(void **state)
{
	struct owner o, waiting[CONNECTIONS + 1];
	int fd;

	(void)state;
	ask(&o, "GET", 0); /* before the connection is there */
	leave(&o);
	settle();
	while ((fd = origin_accept()) >= 0)
		close(fd);
	for (int in_data = 0; in_data < 2; in_data++) {
		ask(&o, "GET", 0);
		*(in_data ? &o.on_data : &o.on_head) = leave;
		fd = origin_accept();
		origin_say(fd, OK("4", "abcd"));
		assert_int_equal(o.got, in_data ? 4 : 0);
		assert_int_equal(o.ends, 0);
		assert_memory_equal(origin_hear(fd) + strlen(GET_BYTES), "(closed)", 8);
		close(fd);
	}
	for (int i = 0; i <= CONNECTIONS; i++) /* while it waits */
		ask(&waiting[i], "GET", 0);
	leave(&waiting[CONNECTIONS]);
	settle();
	for (int i = 0; i < CONNECTIONS; i++) {
		fd = origin_accept();
		leave(&waiting[i]);
		close(fd);
	}
	assert_int_equal(origin_accept(), -1);
}

static void ask_again_at_end(struct owner *o)
{
	ask(o, "GET", 0);
}

static void an_owner_may_ask_anew_from_within_its_end(void **state)
{
	struct owner o;
	int fd;

	(void)state;
	ask(&o, "GET", 0);
	fd = origin_accept();
	origin_hear(fd);
	o.on_end = ask_again_at_end;
	origin_say(fd, OK("0", ""));
	assert_int_equal(o.ends, 0);
	assert_string_equal(origin_hear(fd), GET_BYTES);
	origin_say(fd, OK("1", "x"));
	is_answered(&o, 200, "x");
	close(fd);
}

/* ---- whatever they like ---- */

enum { OWNERS = 24, FDS = 16, STEPS = 30000 };

static struct owner owners[OWNERS];
static int fds[FDS];

static void leave_perhaps(struct owner *o)
{
	if (random_below(16) == 0)
		leave(o);
}

static void owner_step(struct owner *o)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT" };
	static const uint8_t bytes[4096];
	const char *method = methods[random_below(4)];
	size_t n;

	if (o->ask == NULL) {
		ask(o, method, method[0] == 'P' && random_below(2) == 0 ? HTTP_BODY_UNKNOWN : 0);
		o->on_head = o->on_data = leave_perhaps;
		o->room = random_below(2) == 0 ? SIZE_MAX : random_below(3000);
		return;
	}
	switch (random_below(4)) {
	case 0:
		n = random_below(sizeof bytes);
		if (http_ask_room(o->ask) >= n)
			http_ask_body(o->ask, bytes, n, random_below(4) == 0);
		break;
	case 1:
		o->room = random_below(4) == 0 ? SIZE_MAX : random_below(20000);
		http_ask_continue(o->ask);
		break;
	case 2:
		if (random_below(8) == 0)
			leave(o);
		break;
	default:
		break;
	}
}

static void origin_step(int *fd)
{
	static const char *const said[] = { OK("2", "hi"), OK("0", ""), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nuntil close", "rubbish\r\n\r\n", "H", OK("5000", "") };
	static char piece[2000];
	const struct linger hard = { .l_onoff = 1 };
	const char *text = said[random_below(sizeof said / sizeof said[0])];
	struct pollfd p = { .fd = listening, .events = POLLIN };

	if (*fd < 0) {
		*fd = poll(&p, 1, 0) > 0 ? accept(listening, NULL, NULL) : -1;
		return;
	}
	switch (random_below(5)) {
	case 0:
		send(*fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	case 1:
		send(*fd, piece, 1 + random_below(sizeof piece - 1), MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	case 2:
		while (recv(*fd, piece, sizeof piece, MSG_DONTWAIT) > 0)
			;
		break;
	case 3:
		if (random_below(6) > 0)
			break;
		if (random_below(2) == 0)
			setsockopt(*fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
		close(*fd);
		*fd = -1;
		break;
	default:
		break;
	}
}

static void owners_and_origins_may_do_whatever_they_like(void **state)
{
	unsigned ends = 0;

	(void)state;
	random_seed_for_test(1);
	memset(owners, 0, sizeof owners);
	for (int i = 0; i < FDS; i++)
		fds[i] = -1;
	conf.settings.http_origin_connections = FDS / 2;
	for (int i = 0; i < STEPS; i++) {
		struct owner *o = &owners[random_below(OWNERS)];

		if (random_below(2) == 0) {
			ends += o->ask == NULL && o->ends == 1;
			owner_step(o);
		} else {
			origin_step(&fds[random_below(FDS)]);
		}
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (random_below(64) == 0)
			clock_steer(clock_now() + random_below(4000000));
		wheel_run(wheel, clock_now());
	}
	for (int i = 0; i < FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	/* once nobody holds anything back all come to their end */
	for (int i = 0; i < OWNERS; i++) {
		owners[i].room = SIZE_MAX;
		if (owners[i].ask != NULL)
			http_ask_body(owners[i].ask, NULL, 0, true);
		if (owners[i].ask != NULL)
			http_ask_continue(owners[i].ask);
	}
	for (int i = 0; i < 8; i++)
		wait_for(2 * TIMEOUT);
	for (int i = 0; i < OWNERS; i++)
		assert_null(owners[i].ask);
	assert_true(ends > STEPS / 100);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_body_is_framed_as_it_was_announced), T(a_slow_origin_holds_a_body_back), T(an_answer_before_the_end_of_the_body_counts),
		T(a_slow_owner_holds_the_origin_back), T(an_owner_may_leave_at_any_time), T(an_owner_may_ask_anew_from_within_its_end),
		T(owners_and_origins_may_do_whatever_they_like),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
