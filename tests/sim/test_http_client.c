/* objects: proxy/http/client.o proxy/http/client_link.o proxy/http/material.o proxy/edge/tls.o proxy/edge/tls_context.o proxy/edge/tls_psk.o HTTP_OBJS BASE_OBJS COAP_OBJS CONF_OBJS TRANSLATE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Requests to HTTP origins: connections that are kept and shared out, times, answers of every kind, bodies at the pace of the slower end.
 */
#include "tests/sim/http_origin.h"

#include <signal.h>

#include "proxy/exchange/blocks.h"
#include "proxy/http/client.h"
#include "tests/unit/covers.h"

enum { TIMEOUT = 10 * 1000000, IDLE = 30 * 1000000, CONNECTIONS = 2, LARGE = 1 << 20 };

static struct snapshot conf;
static struct proxy proxy;

/* One who asks, and what he was told. */
struct owner {
	struct http_ask *ask;
	unsigned status, heads, ends, writables;
	enum error e;
	size_t got, room;       /* room: what he takes now */
	size_t data_most;       /* at once */
	char body[256];
	void (*on_head)(struct owner *o), (*on_data)(struct owner *o), (*on_end)(struct owner *o);
};

static void on_head(void *owner, const struct http_head *head)
{
	struct owner *o = owner;

	assert_int_equal(o->ends, 0);
	o->status = head->status;
	o->heads++;
	if (o->on_head)
		o->on_head(o);
}

static void on_data(void *owner, const uint8_t *bytes, size_t len)
{
	struct owner *o = owner;

	assert_int_equal(o->ends, 0);
	assert_int_equal(o->heads, 1);
	assert_true(len > 0 && len <= o->room);
	if (o->got + len < sizeof o->body)
		memcpy(o->body + o->got, bytes, len);
	o->got += len;
	if (o->room != SIZE_MAX)
		o->room -= len;
	if (len > o->data_most)
		o->data_most = len;
	if (o->on_data)
		o->on_data(o);
}

static size_t room(void *owner)
{
	return ((struct owner *)owner)->room;
}

static void on_writable(void *owner)
{
	((struct owner *)owner)->writables++;
}

static void on_end(void *owner, enum error e)
{
	struct owner *o = owner;

	assert_int_equal(o->ends++, 0);
	o->e = e;
	o->ask = NULL;
	if (o->on_end)
		o->on_end(o);
}

static const struct http_ask_calls calls = { on_head, on_data, room, on_writable, on_end };

static void ask(struct owner *o, const char *method, uint64_t body_size)
{
	char head[128];
	struct http_request_plan plan = { .body_size = body_size, .timeout = TIMEOUT, .head = (uint8_t *)head };

	memset(o, 0, sizeof *o);
	o->room = SIZE_MAX;
	assert_int_equal(endpoint_parse_literal(&plan.to.address, "127.0.0.1", 9, false), 0);
	plan.to.address.port = origin_port;
	plan.head_len = (size_t)snprintf(head, sizeof head, "%s /x HTTP/1.1\r\nHost: h\r\n", method);
	plan.safe = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
	plan.is_head = strcmp(method, "HEAD") == 0;
	o->ask = http_ask_begin(&plan, &calls, o);
	assert_non_null(o->ask);
	assert_int_equal(o->heads + o->ends, 0);
}

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	clock_steer(clock_now() + 1000000);
	base = event_base_new();
	wheel = wheel_create(clock_now());
	conf = (struct snapshot){ .settings = { .http_line = 1024, .http_fields = 4096, .http_field_count = 32, .http_origin_idle = IDLE,
		.http_origin_connections = CONNECTIONS, .http_connect_timeout = 5000000 } };
	proxy.conf = &conf;
	proxy.wheel = wheel;
	origin_listen(16);
	return http_client_open(base, &proxy);
}

static int tear_down(void **state)
{
	(void)state;
	http_client_close();
	event_base_loop(base, EVLOOP_NONBLOCK);
	close(listening);
	event_base_free(base);
	wheel_destroy(wheel);
	return 0;
}

#define GET_BYTES "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
#define OK(length, body) "HTTP/1.1 200 OK\r\nContent-Length: " length "\r\n\r\n" body

static void is_answered(const struct owner *o, unsigned status, const char *body)
{
	assert_int_equal(o->ends, 1);
	assert_int_equal(o->e, ERR_NONE);
	assert_int_equal(o->status, status);
	assert_int_equal(o->got, strlen(body));
	assert_memory_equal(o->body, body, strlen(body));
}

static void fails(const struct owner *o, enum error e)
{
	assert_int_equal(o->ends, 1);
	assert_int_equal(o->e, e);
}

/* ---- answers ---- */

static void every_form_of_answer_is_read(void **state)
{
	static const struct {
		const char *method, *answer, *body;
		unsigned status;
		bool close, kept;
	} cases[] = {
		{ "GET", OK("2", "hi"), "hi", 200, false, true },
		{ "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\nT: t\r\n\r\n", "hi", 200, false, true },
		{ "GET", "HTTP/1.1 200 OK\r\n\r\nhi", "hi", 200, true, false },
		{ "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi", 200, false, false },
		{ "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", "hi", 200, false, false },
		{ "GET", "HTTP/1.1 204 No Content\r\n\r\n", "", 204, false, true },
		{ "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "", 304, false, true },
		{ "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "", 200, false, true },
		{ "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK("2", "hi"), "hi", 200, false, true },
		/* what comes behind it belongs to nobody */
		{ "GET", OK("2", "hi") OK("2", "ho"), "hi", 200, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct owner o;
		int fd;

		ask(&o, cases[i].method, 0);
		fd = origin_accept();
		assert_true(fd >= 0);
		origin_hear(fd);
		origin_say(fd, cases[i].answer);
		if (cases[i].close)
			shutdown(fd, SHUT_WR);
		settle();
		is_answered(&o, cases[i].status, cases[i].body);
		assert_string_equal(origin_hear(fd), cases[i].kept ? "" : "(closed)");
		close(fd);
		settle();
	}
}

static void an_answer_may_come_byte_by_byte(void **state)
{
	const char *answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
	struct owner o;
	int fd;

	(void)state;
	ask(&o, "GET", 0);
	fd = origin_accept();
	for (const char *at = answer; *at != '\0'; at++) {
		assert_int_equal(o.ends, 0);
		assert_int_equal(send(fd, at, 1, MSG_NOSIGNAL), 1);
		for (int i = 0; i < 3; i++)
			event_base_loop(base, EVLOOP_NONBLOCK);
	}
	settle();
	is_answered(&o, 200, "hi");
	close(fd);
}

static void broken_answers_are_not_understood(void **state)
{
	static const struct {
		const char *answer;
		bool close;
	} cases[] = {
		{ "", true },
		{ "HTTP/1.1 2", true },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", true },
		{ "SSH-2.0-OpenSSH\r\n", false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", false },
		{ "HTTP/1.1 200 OK\nContent-Length: 3\n\n", false },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n", false },
		{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", false },
		{ "HTTP/2.0 200 OK\r\n\r\n", false },
	};

	(void)state;
	covers("C7252-10.1-1");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct owner o;
		int fd;

		ask(&o, "GET", 0);
		fd = origin_accept();
		origin_hear(fd);
		origin_say(fd, cases[i].answer);
		if (cases[i].close)
			shutdown(fd, SHUT_WR);
		settle();
		fails(&o, ERR_BAD_RESPONSE);
		assert_string_equal(origin_hear(fd), "(closed)");
		close(fd);
	}
	assert_int_equal(origin_accept(), -1);
}

/* RFC 9112 9.8: whoever can end a connection could otherwise end a body. */
static void a_body_until_close_ends_by_a_clean_close_alone(void **state)
{
	const struct linger hard = { .l_onoff = 1 };
	struct owner o;
	int fd;

	(void)state;
	ask(&o, "GET", 0);
	fd = origin_accept();
	origin_hear(fd);
	origin_say(fd, "HTTP/1.1 200 OK\r\n\r\nhi");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(fd);
	settle();
	fails(&o, ERR_BAD_RESPONSE);
	assert_int_equal(o.got, 2);
}

static void limits_of_a_head_hold(void **state)
{
	char large[8192];
	struct owner o;
	int fd;

	(void)state;
	ask(&o, "GET", 0);
	fd = origin_accept();
	strcpy(large, "HTTP/1.1 200 OK\r\nX: ");
	memset(large + 20, 'x', 5000);
	strcpy(large + 5020, "\r\nContent-Length: 0\r\n\r\n");
	origin_say(fd, large);
	fails(&o, ERR_BAD_RESPONSE);
	close(fd);
}

/* ---- connections ---- */

static void a_connection_is_kept_and_used_again(void **state)
{
	struct owner o;
	int fd;

	(void)state;
	ask(&o, "GET", 0);
	fd = origin_accept();
	for (int i = 0; i < 3; i++) {
		assert_string_equal(origin_hear(fd), GET_BYTES);
		origin_say(fd, OK("2", "hi"));
		is_answered(&o, 200, "hi");
		ask(&o, "GET", 0);
		assert_int_equal(origin_accept(), -1);
	}
	origin_say(fd, OK("0", ""));
	is_answered(&o, 200, "");
	wait_for(IDLE / 2);
	assert_string_equal(origin_hear(fd), GET_BYTES);
	assert_string_equal(origin_hear(fd), "");
	wait_for(IDLE / 2 + CLOCK_SECOND);
	assert_string_equal(origin_hear(fd), "(closed)");
	close(fd);
}

static void connections_are_limited_and_others_wait(void **state)
{
	struct owner o[4];
	int a, b;

	(void)state;
	for (int i = 0; i < 4; i++)
		ask(&o[i], "GET", 0);
	a = origin_accept();
	b = origin_accept();
	assert_true(a >= 0 && b >= 0);
	assert_int_equal(origin_accept(), -1);
	assert_string_equal(origin_hear(a), GET_BYTES);
	origin_say(a, OK("1", "a"));
	assert_string_equal(origin_hear(a), GET_BYTES);
	assert_int_equal(o[0].ends + o[1].ends, 1);
	/* a connection that ends makes room for a new one */
	origin_say(a, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nc");
	is_answered(&o[2], 200, "c");
	close(a);
	a = origin_accept();
	assert_true(a >= 0);
	assert_string_equal(origin_hear(a), GET_BYTES);
	origin_say(a, OK("1", "d"));
	is_answered(&o[3], 200, "d");
	origin_hear(b);
	origin_say(b, OK("1", "b"));
	assert_int_equal(o[0].ends + o[1].ends, 2);
	close(a);
	close(b);
}

static void the_queue_is_bounded(void **state)
{
	static struct owner o[CONNECTIONS + 257];
	unsigned refused = 0;

	(void)state;
	for (size_t i = 0; i < sizeof o / sizeof o[0]; i++)
		ask(&o[i], "GET", 0);
	settle();
	for (size_t i = 0; i < sizeof o / sizeof o[0]; i++)
		refused += o[i].ends == 1 && o[i].e == ERR_OVERLOAD;
	assert_int_equal(refused, 1);
	/* who waits too long gives up; those whose turn came meanwhile later */
	for (int i = 0; i < 5; i++)
		wait_for(TIMEOUT + CLOCK_SECOND);
	for (size_t i = 0; i < sizeof o / sizeof o[0]; i++)
		assert_int_equal(o[i].ends, 1);
	fails(&o[CONNECTIONS + 10], ERR_ORIGIN_TIMEOUT);
}

static void an_origin_that_is_not_there_is_unreachable(void **state)
{
	struct owner o;

	(void)state;
	close(listening);
	ask(&o, "GET", 0);
	settle();
	fails(&o, ERR_UNREACHABLE);
	origin_listen(16);
}

/* A backlog that is full: the kernel takes no more connections. */
static void an_origin_that_does_not_accept_is_given_up(void **state)
{
	struct owner o[CONNECTIONS];
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fds[4];

	(void)state;
	close(listening);
	origin_listen(0);
	to.sin_port = htons(origin_port);
	for (int i = 0; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)&to, sizeof to);
	}
	ask(&o[0], "GET", 0);
	wait_for(4900000);
	assert_int_equal(o[0].ends, 0);
	wait_for(200000);
	fails(&o[0], ERR_ORIGIN_TIMEOUT);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

static void a_silent_origin_is_given_up(void **state)
{
	struct owner o;
	int fd;

	(void)state;
	covers("C7252-10.1-1");
	ask(&o, "GET", 0);
	fd = origin_accept();
	origin_hear(fd);
	wait_for(TIMEOUT - CLOCK_SECOND);
	assert_int_equal(o.ends, 0);
	wait_for(CLOCK_SECOND + 100000);
	fails(&o, ERR_ORIGIN_TIMEOUT);
	assert_string_equal(origin_hear(fd), "(closed)");
	close(fd);
	/* the time counts anew with each piece */
	ask(&o, "GET", 0);
	fd = origin_accept();
	origin_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
	for (int i = 0; i < 2; i++) {
		wait_for(TIMEOUT - CLOCK_SECOND);
		origin_say(fd, "x");
	}
	wait_for(TIMEOUT + CLOCK_SECOND);
	fails(&o, ERR_ORIGIN_TIMEOUT);
	assert_int_equal(o.got, 2);
	close(fd);
}

/* ---- what is sent twice ---- */

static void use_once(struct owner *o, int *fd)
{
	ask(o, "GET", 0);
	*fd = origin_accept();
	origin_hear(*fd);
	origin_say(*fd, OK("0", ""));
	is_answered(o, 200, "");
}

static void only_a_safe_request_on_a_reused_connection_is_sent_again(void **state)
{
	static const struct {
		const char *method, *first; /* first: bytes of the answer that came before the end */
		bool reused, again;
	} cases[] = {
		{ "GET", "", true, true },
		{ "HEAD", "", true, true },
		{ "POST", "", true, false },
		{ "PUT", "", true, false },
		{ "DELETE", "", true, false },
		{ "GET", "H", true, false },
		{ "GET", "HTTP/1.1 100 Continue\r\n\r\n", true, false },
		{ "GET", "", false, false },
	};

	(void)state;
	covers("S-13");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct owner o;
		int fd = -1, second;

		if (cases[i].reused)
			use_once(&o, &fd);
		ask(&o, cases[i].method, 0);
		if (!cases[i].reused)
			fd = origin_accept();
		assert_true(strlen(origin_hear(fd)) > 0);
		if (*cases[i].first)
			origin_say(fd, cases[i].first);
		close(fd);
		second = origin_accept();
		assert_int_equal(second >= 0, cases[i].again);
		if (!cases[i].again) {
			fails(&o, ERR_BAD_RESPONSE);
			continue;
		}
		assert_memory_equal(origin_hear(second), cases[i].method, strlen(cases[i].method));
		/* once, not more */
		close(second);
		settle();
		fails(&o, ERR_BAD_RESPONSE);
		assert_int_equal(origin_accept(), -1);
	}
}

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

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(every_form_of_answer_is_read), T(an_answer_may_come_byte_by_byte), T(broken_answers_are_not_understood),
		T(a_body_until_close_ends_by_a_clean_close_alone), T(limits_of_a_head_hold), T(a_connection_is_kept_and_used_again),
		T(connections_are_limited_and_others_wait), T(the_queue_is_bounded), T(an_origin_that_is_not_there_is_unreachable),
		T(an_origin_that_does_not_accept_is_given_up), T(a_silent_origin_is_given_up),
		T(only_a_safe_request_on_a_reused_connection_is_sent_again), T(a_body_is_framed_as_it_was_announced),
		T(a_slow_origin_holds_a_body_back), T(an_answer_before_the_end_of_the_body_counts), T(a_slow_owner_holds_the_origin_back),
		T(an_owner_may_leave_at_any_time), T(an_owner_may_ask_anew_from_within_its_end),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
