/* objects: TLS_OBJS proxy/http/client.o proxy/http/client_link.o proxy/http/material.o base/endpoint.o coap/uri.o coap/message.o base/bytes.o proxy/http/lines.o proxy/http/framing.o proxy/http/parse.o BASE_OBJS COAP_OBJS CONF_OBJS TRANSLATE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Requests to HTTP origins: answers of every kind, connections that are kept and shared out, times, what is sent twice.
 */
#include "tests/sim/http_asker.h"

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

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(every_form_of_answer_is_read), T(an_answer_may_come_byte_by_byte), T(broken_answers_are_not_understood),
		T(a_body_until_close_ends_by_a_clean_close_alone), T(limits_of_a_head_hold), T(a_connection_is_kept_and_used_again),
		T(connections_are_limited_and_others_wait), T(the_queue_is_bounded), T(an_origin_that_is_not_there_is_unreachable),
		T(an_origin_that_does_not_accept_is_given_up), T(a_silent_origin_is_given_up),
		T(only_a_safe_request_on_a_reused_connection_is_sent_again),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
