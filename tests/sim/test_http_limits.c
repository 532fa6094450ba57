/* objects: tests/sim/http_world.o HTTP_SERVER_OBJS proxy/edge/accepting.o proxy/edge/stream_socket.o proxy/edge/tls_socket.o proxy/edge/shared_bio.o BASE_OBJS translate/http_message.o coap/message.o coap/uri.o base/clock_steered.o base/random_seeded.o */
/*
 * What the HTTP server lets its clients have: time, connections, an end in order; and who they are behind a balancer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/http/server.h"
#include "tests/sim/http_world.h"

static bool is_over(struct caller *c)
{
	caller_read(c);
	return c->ended || c->reset;
}

/* ---- time ---- */

/* From the first byte of a head to its last, however it trickles in. */
static void test_a_head_has_its_time(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	world_pass(60 * CLOCK_SECOND); /* no byte has come: that is idleness */
	caller_send(c, "GET /x HTTP/1.1\r\n" HOST);
	for (unsigned i = 0; i < 9; i++) {
		world_pass(CLOCK_SECOND);
		caller_send(c, "A: b\r\n");
		assert_string_equal(caller_read(c), "");
	}
	world_pass(2 * CLOCK_SECOND);
	assert_int_equal(caller_has(c, "HTTP/1.1 408 "), 1);
	assert_int_equal(caller_has(c, "Connection: close\r\n"), 1);
	assert_true(c->ended);
	assert_int_equal(world_count(COUNT_HTTP_TIMEOUTS), 1);
	assert_int_equal(world.begun, 0);
	caller_free(c);
}

/* A pipelined head waits for us, not we for it. */
static void test_a_waiting_head_is_not_late(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "GET /x HTTP/1.1\r\n" HOST "\r\nGET /now HTTP/1.1\r\nHo");
	world_pass(100 * CLOCK_SECOND);
	answer(0, 200, "first");
	world_pass(5 * CLOCK_SECOND);
	caller_send(c, "st: gw\r\n\r\n");
	assert_int_equal(caller_has(c, "HTTP/1.1 200 "), 2);
	assert_int_equal(world_count(COUNT_HTTP_TIMEOUTS), 0);
	caller_free(c);
}

/* Between two pieces of a body. */
static void test_a_body_has_its_time(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n");
	for (unsigned i = 0; i < 4; i++) {
		world_pass(29 * CLOCK_SECOND);
		caller_send(c, "a");
		assert_int_equal(world.requests[0].failed, 0);
	}
	world_pass(31 * CLOCK_SECOND);
	assert_int_equal(world.requests[0].failed, 408);
	assert_int_equal(caller_has(c, "HTTP/1.1 408 "), 1);
	assert_int_equal(caller_has(c, "Connection: close\r\n"), 1);
	assert_true(c->ended);
	assert_int_equal(world_count(COUNT_HTTP_TIMEOUTS), 1);
	caller_free(c);
}

/* The rest of a body that nobody wants, too. */
static void test_a_rest_has_its_time(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n");
	answer(0, 403, "no");
	world_pass(29 * CLOCK_SECOND);
	assert_false(is_over(c));
	world_pass(2 * CLOCK_SECOND);
	assert_true(is_over(c));
	assert_int_equal(caller_has(c, "HTTP/1.1 "), 1);
	caller_free(c);
}

static void test_idle_connections_are_closed(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN), *d = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, GET);
	world_pass(50 * CLOCK_SECOND);
	caller_send(c, GET);
	assert_false(is_over(d));
	world_pass(26 * CLOCK_SECOND);
	assert_true(is_over(d)); /* it has never asked anything */
	world_pass(48 * CLOCK_SECOND);
	assert_false(is_over(c));
	world_pass(2 * CLOCK_SECOND);
	assert_true(c->ended || is_over(c));
	assert_int_equal(caller_has(c, "HTTP/1.1 "), 2); /* without a word */
	assert_int_equal(world_count(COUNT_HTTP_TIMEOUTS), 0);
	caller_free(c);
	caller_free(d);
}

/* Whatever the answer waits for is somebody else's time. */
static void test_a_request_under_way_is_not_idle(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	world_pass(500 * CLOCK_SECOND);
	assert_false(is_over(c));
	answer(0, 200, "late");
	assert_int_equal(caller_has(c, "late"), 1);
	caller_free(c);
}

/* A reader who takes nothing is cut off, and sees that it was; one who takes something now and then is not. */
static void test_a_stalled_reader_is_cut_off(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN), *slow = caller_new(WORLD_PLAIN);
	const uint64_t total = 64 << 20;

	(void)state;
	caller_send(c, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	caller_send(slow, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	answer_much(0, total, HTTP_LENGTH_UNKNOWN);
	answer_much(1, total, HTTP_LENGTH_UNKNOWN);
	world_run();
	for (unsigned i = 0; i < 3; i++) {
		world_pass(19 * CLOCK_SECOND);
		caller_read_some(slow, 2000000);
		assert_false(world.requests[0].gone);
	}
	world_pass(4 * CLOCK_SECOND);
	assert_true(world.requests[0].gone);
	assert_true(world.requests[0].stalled);
	assert_false(world.requests[1].gone);
	assert_int_equal(world_count(COUNT_HTTP_TIMEOUTS), 1);
	caller_read(c);
	assert_true(c->reset);
	assert_int_equal(caller_has(c, "\r\n0\r\n\r\n"), 0);
	caller_free(c);
	caller_free(slow);
	assert_true(world.requests[1].gone);
	assert_false(world.requests[1].stalled);
}

/* What it sends meanwhile does not help. */
static void test_a_stalled_reader_may_not_talk_itself_out(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	answer_much(0, 64 << 20, HTTP_LENGTH_UNKNOWN);
	for (unsigned i = 0; i < 4; i++) {
		assert_false(world.requests[0].gone);
		world_pass(16 * CLOCK_SECOND);
		caller_send(c, "GET ");
	}
	assert_true(world.requests[0].stalled);
	caller_free(c);
}

/* ---- numbers ---- */

static void test_a_client_has_so_many_connections(void **state)
{
	struct caller *c[4], *another;

	(void)state;
	world.conf->settings.http_client_connections = 3;
	for (unsigned i = 0; i < 4; i++)
		c[i] = caller_new(WORLD_PLAIN);
	another = caller_new_from(WORLD_PLAIN, "127.0.0.2");
	assert_int_equal(caller_has(c[3], "HTTP/1.1 503 "), 1);
	assert_true(c[3]->ended);
	for (unsigned i = 0; i < 3; i++) {
		caller_send(c[i], GET);
		assert_int_equal(caller_has(c[i], "HTTP/1.1 200 "), 1);
	}
	caller_send(another, GET);
	assert_int_equal(caller_has(another, "HTTP/1.1 200 "), 1);
	assert_int_equal(world_count(COUNT_HTTP_CONNECTIONS), 5);
	assert_int_equal(world_count(COUNT_HTTP_CONNECTIONS_REFUSED), 1);
	/* one that leaves makes room for one */
	caller_free(c[0]);
	c[0] = caller_new(WORLD_PLAIN);
	caller_send(c[0], GET);
	assert_int_equal(caller_has(c[0], "HTTP/1.1 200 "), 1);
	for (unsigned i = 0; i < 4; i++)
		caller_free(c[i]);
	caller_free(another);
}

static void test_there_are_so_many_connections_in_all(void **state)
{
	struct caller *c[4];
	char address[32];

	(void)state;
	world.conf->settings.http_connections = 5;
	world.proxy->house.count = 2; /* this worker's part: 3 */
	for (unsigned i = 0; i < 4; i++) {
		snprintf(address, sizeof address, "127.0.0.%u", i + 1);
		c[i] = caller_new_from(WORLD_PLAIN, address);
		assert_int_equal(caller_has(c[i], "HTTP/1.1 503 "), i == 3);
	}
	assert_int_equal(world_count(COUNT_HTTP_CONNECTIONS_REFUSED), 1);
	for (unsigned i = 0; i < 4; i++)
		caller_free(c[i]);
}

/* Without a descriptor nobody is accepted; nor lost, for when there is one again. */
static void test_descriptors_run_out(void **state)
{
	struct rlimit old, few;
	struct caller *c;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	c = caller_new(WORLD_PLAIN);
	caller_free(c);
	few.rlim_cur = (rlim_t)dup(0) + 1; /* one more, which the client takes */
	close((int)few.rlim_cur - 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	c = caller_new(WORLD_PLAIN);
	caller_push(c, GET, strlen(GET));
	world_pass(CLOCK_SECOND);
	assert_string_equal(caller_read(c), "");
	assert_int_equal(world_count(COUNT_HTTP_CONNECTIONS), 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	world_pass(CLOCK_SECOND);
	assert_int_equal(caller_has(c, "HTTP/1.1 200 "), 1);
	caller_free(c);
}

/* What a balancer's clients have is not counted as its own. */
static void test_balancers_are_not_counted(void **state)
{
	struct network trusted;
	struct caller *c[3];

	(void)state;
	assert_int_equal(network_parse(&trusted, "127.0.0.9"), 0);
	world.listeners[WORLD_PLAIN].trusted_proxies = &trusted;
	world.listeners[WORLD_PLAIN].trusted_proxy_count = 1;
	world.conf->settings.http_client_connections = 1;
	for (unsigned i = 0; i < 3; i++) {
		c[i] = caller_new_from(WORLD_PLAIN, "127.0.0.9");
		assert_string_equal(caller_read(c[i]), "");
	}
	world.conf->settings.http_connections = 3;
	caller_free(c[0]);
	c[0] = caller_new_from(WORLD_PLAIN, "127.0.0.9");
	assert_int_equal(caller_has(c[0], "HTTP/1.1 503 "), 0);
	for (unsigned i = 0; i < 3; i++)
		caller_free(c[i]);
}

static void test_many_connections_come_and_go(void **state)
{
	enum { MANY = 400 };
	static struct caller *c[MANY];

	(void)state;
	world.conf->settings.http_client_connections = MANY;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < MANY; i++) {
			c[i] = caller_new(WORLD_PLAIN);
			caller_push(c[i], i % 3 == 0 ? GET : "GET /now HTTP/1.1\r\n", i % 3 == 0 ? strlen(GET) : 10);
		}
		world_run();
		for (unsigned i = 0; i < MANY; i += 3)
			assert_int_equal(caller_has(c[i], "HTTP/1.1 200 "), 1);
		for (unsigned i = 0; i < MANY; i++)
			caller_free(c[(i * 7) % MANY]);
	}
	assert_int_equal(world_count(COUNT_HTTP_CONNECTIONS), 2 * MANY);
	assert_int_equal(world_count(COUNT_HTTP_CONNECTIONS_REFUSED), 0);
	http_server_drain();
	assert_true(http_server_is_drained());
}

/* ---- the end ---- */

static void test_draining_ends_connections_behind_their_answers(void **state)
{
	struct caller *idle = caller_new(WORLD_PLAIN), *reading = caller_new(WORLD_PLAIN), *busy = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(idle, GET);
	caller_send(busy, "GET /x HTTP/1.1\r\n" HOST "\r\n" GET);
	caller_send(reading, "GET /now HTTP/1.1\r\n");
	http_server_drain();
	assert_false(http_server_is_drained());
	assert_true(is_over(idle));
	assert_false(is_over(busy));
	assert_false(is_over(reading));
	assert_true(world.requests[1].drained);
	caller_send(reading, HOST "\r\n");
	assert_int_equal(caller_has(reading, "HTTP/1.1 200 "), 1);
	assert_int_equal(caller_has(reading, "Connection: close\r\n"), 1);
	assert_true(reading->ended);
	answer(1, 200, "done");
	assert_int_equal(caller_has(busy, "done"), 1);
	assert_int_equal(caller_has(busy, "Connection: close\r\n"), 1);
	assert_int_equal(caller_has(busy, "HTTP/1.1 "), 1); /* what is pipelined behind it is not answered */
	assert_true(busy->ended);
	caller_free(idle);
	caller_free(reading);
	caller_free(busy);
	assert_true(http_server_is_drained());
}

/* The one listener's connections alone, and no new ones. */
static void test_a_removed_listener_ends_its_connections(void **state)
{
	struct caller *idle = caller_new(WORLD_PLAIN), *busy = caller_new(WORLD_PLAIN), *other;

	(void)state;
	world.listeners[WORLD_SECURE].scheme = URI_HTTP;
	other = caller_new(WORLD_SECURE);
	caller_send(busy, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	http_server_remove_listener(WORLD_PLAIN);
	assert_false(http_server_has_listener(WORLD_PLAIN));
	assert_true(http_server_has_listener(WORLD_SECURE));
	assert_true(is_over(idle));
	assert_false(is_over(busy));
	assert_false(world.requests[0].drained); /* the gateway goes on */
	caller_send(other, GET);
	assert_int_equal(caller_has(other, "HTTP/1.1 200 "), 1);
	answer(0, 200, "done");
	assert_int_equal(caller_has(busy, "Connection: close\r\n"), 1);
	assert_true(busy->ended);
	caller_free(idle);
	caller_free(busy);
	caller_free(other);
}

/* The limits of a new configuration count for the next head, also on a connection that is there. */
static void test_new_limits_count_from_now_on(void **state)
{
	struct caller *c = caller_new(WORLD_PLAIN);

	(void)state;
	caller_send(c, "GET /now/with/a/long/target HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(caller_has(c, "HTTP/1.1 200 "), 1);
	caller_send(c, "GET /now/with/a/long/target HT");
	world.conf->settings.http_line = 30;
	http_server_configure();
	caller_send(c, "TP/1.1\r\n" HOST "\r\n"); /* it has begun before */
	assert_int_equal(caller_has(c, "HTTP/1.1 200 "), 2);
	caller_send(c, "GET /now/with/a/long/target HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(caller_has(c, "HTTP/1.1 414 "), 1);
	caller_free(c);
}

/* ---- behind a balancer ---- */

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define TOLD SIGNATURE "\x21\x11\0\x0c" "\xc0\x00\x02\x07" "\x0a\x00\x00\x01" "\x12\x34" "\x01\xbb"
#define TOLD_MORE SIGNATURE "\x21\x11\0\x13" "\xc0\x00\x02\x07" "\x0a\x00\x00\x01" "\x12\x34" "\x01\xbb" "\x04\0\x04" "abcd"
#define ITSELF SIGNATURE "\x20\0\0\0"

static struct network balancer;

static void stand_behind_a_balancer(void)
{
	assert_int_equal(network_parse(&balancer, "127.0.0.9"), 0);
	world.listeners[WORLD_PLAIN].trusted_proxies = &balancer;
	world.listeners[WORLD_PLAIN].trusted_proxy_count = 1;
	world.listeners[WORLD_PLAIN].proxy_protocol = true;
}

static void test_a_balancer_says_who_asks(void **state)
{
	static const struct {
		const char *header;
		size_t len;
		const char *from, *peer, *asked; /* peer NULL: the connection is closed; asked NULL: by the socket */
	} cases[] = {
		{ TOLD, sizeof TOLD - 1, "127.0.0.9", "192.0.2.7:4660", "10.0.0.1" },
		{ TOLD_MORE, sizeof TOLD_MORE - 1, "127.0.0.9", "192.0.2.7:4660", "10.0.0.1" },
		{ ITSELF, sizeof ITSELF - 1, "127.0.0.9", "127.0.0.9", "127.0.0.1" },
		{ TOLD, sizeof TOLD - 1, "127.0.0.8", NULL, NULL }, /* nobody else is believed */
		{ "PROXY TCP4 192.0.2.7 10.0.0.1 4660 443\r\n", 40, "127.0.0.9", NULL, NULL },
		{ "", 0, "127.0.0.9", NULL, NULL },
		{ SIGNATURE "\x21\x11\xff\xff", 16, "127.0.0.9", NULL, NULL },
		{ SIGNATURE "\x31\x11\0\0", 16, "127.0.0.9", NULL, NULL },
	};

	(void)state;
	stand_behind_a_balancer();
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct caller *c = caller_new_from(WORLD_PLAIN, cases[i].from);
		size_t before = world.begun;
		char text[ENDPOINT_TEXT_MAX];
		struct endpoint asked = { .port = 0 };

		for (size_t at = 0; at < cases[i].len; at++) /* byte by byte */
			caller_send_bytes(c, cases[i].header + at, 1);
		caller_send(c, "GET /x HTTP/1.1\r\n" HOST "\r\n");
		assert_int_equal(world.begun, before + (cases[i].peer != NULL));
		assert_int_equal(is_over(c), cases[i].peer == NULL);
		if (cases[i].peer != NULL) {
			const struct http_connection *connection = world.requests[before].connection;

			endpoint_format(http_connection_peer(connection), text);
			assert_int_equal(strncmp(text, cases[i].peer, strlen(cases[i].peer)), 0);
			memcpy(asked.addr, http_connection_local(connection)->addr, sizeof asked.addr);
			assert_string_equal(endpoint_format_address(&asked, text), cases[i].asked);
			answer(before, 200, "y");
			assert_int_equal(caller_has(c, "HTTP/1.1 200 "), 1);
		}
		caller_free(c);
	}
}

/* The header and the first requests in one piece. */
static void test_no_byte_behind_the_header_is_lost(void **state)
{
	struct caller *c;

	(void)state;
	stand_behind_a_balancer();
	c = caller_new_from(WORLD_PLAIN, "127.0.0.9");
	caller_send_bytes(c, TOLD GET GET, sizeof TOLD GET GET - 1);
	assert_int_equal(caller_has(c, "HTTP/1.1 200 "), 2);
	caller_free(c);
}

static void test_the_header_has_its_time(void **state)
{
	struct caller *c;

	(void)state;
	stand_behind_a_balancer();
	c = caller_new_from(WORLD_PLAIN, "127.0.0.9");
	caller_send_bytes(c, TOLD, 20);
	world_pass(9 * CLOCK_SECOND);
	assert_false(is_over(c));
	world_pass(2 * CLOCK_SECOND);
	assert_true(is_over(c));
	assert_int_equal(world_count(COUNT_HTTP_TIMEOUTS), 1);
	caller_free(c);
}

/* Limits are for whom the balancer speaks. */
static void test_clients_of_a_balancer_have_their_limits(void **state)
{
	struct caller *c[3];

	(void)state;
	stand_behind_a_balancer();
	world.conf->settings.http_client_connections = 2;
	for (unsigned i = 0; i < 3; i++) {
		c[i] = caller_new_from(WORLD_PLAIN, "127.0.0.9");
		caller_send_bytes(c[i], TOLD GET, sizeof TOLD GET - 1);
		assert_int_equal(caller_has(c[i], "HTTP/1.1 200 "), i < 2);
	}
	assert_int_equal(world_count(COUNT_HTTP_CONNECTIONS_REFUSED), 1);
	for (unsigned i = 0; i < 3; i++)
		caller_free(c[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_head_has_its_time, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_waiting_head_is_not_late, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_body_has_its_time, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_rest_has_its_time, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_idle_connections_are_closed, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_request_under_way_is_not_idle, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_stalled_reader_is_cut_off, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_stalled_reader_may_not_talk_itself_out, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_client_has_so_many_connections, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_there_are_so_many_connections_in_all, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_descriptors_run_out, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_balancers_are_not_counted, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_many_connections_come_and_go, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_draining_ends_connections_behind_their_answers, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_removed_listener_ends_its_connections, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_new_limits_count_from_now_on, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_a_balancer_says_who_asks, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_no_byte_behind_the_header_is_lost, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_the_header_has_its_time, world_open, world_close),
		cmocka_unit_test_setup_teardown(test_clients_of_a_balancer_have_their_limits, world_open, world_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
