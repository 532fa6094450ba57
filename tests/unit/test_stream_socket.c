/* objects: TLS_OBJS proxy/edge/stream_socket.o base/endpoint.o coap/uri.o coap/message.o base/bytes.o proxy/http/material.o base/log.o base/clock.o tests/unit/certificates.o */
/* libs: -levent_core */
/* The bytes of connections, plain and by TLS: what comes, what goes, how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/edge/stream_socket.h"
#include "proxy/edge/tls.h"
#include "tests/unit/certificates.h"

enum { TURNS = 200, MUCH = 300000, MANY = 100 /* more than the chunks that are kept in any case */ };

static struct made_certificate gateway;
static struct event_base *base;
static SSL_CTX *server_context, *client_context;
static uint8_t much[MUCH], came[MUCH];

const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot)
{
	(void)s, (void)slot;
	return NULL;
}

/* One of them, and what is at the other end. */
struct world {
	struct stream_socket socket;
	int fd;
	SSL *client; /* NULL: plain */
	unsigned readable, writable, secured;
};

static struct world *world_of(struct stream_socket *s)
{
	return (struct world *)(void *)s; /* its first member */
}

static void on_readable(struct stream_socket *s)
{
	world_of(s)->readable++;
}

static void on_writable(struct stream_socket *s)
{
	world_of(s)->writable++;
}

static void on_secured(struct stream_socket *s)
{
	world_of(s)->secured++;
}

static struct stream_sockets all = { .readable = on_readable, .writable = on_writable, .ready = on_secured };

static int begin_all(void **state)
{
	static char path[] = "gw.pem";
	struct listener l = { .certificate = path, .key = path };
	struct material m = { .count = 0 };
	char error[128], *both;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	certificate_make(&gateway, "gw.example", NULL, false, NULL, CERTIFICATE_GOOD_DAYS);
	both = joined(gateway.certificate_pem, gateway.key_pem);
	assert_int_equal(material_add(&m, path, (const uint8_t *)both, strlen(both)), 0);
	server_context = tls_server_new(NULL, &l, &m, error, sizeof error);
	client_context = SSL_CTX_new(TLS_client_method());
	base = all.base = event_base_new();
	free(both);
	for (size_t i = 0; i < MUCH; i++)
		much[i] = (uint8_t)(i * 7 + i / 251);
	return server_context != NULL && client_context != NULL && base != NULL ? 0 : -1;
}

static int end_all(void **state)
{
	(void)state;
	stream_sockets_trim(true);
	certificate_free(&gateway);
	SSL_CTX_free(server_context);
	SSL_CTX_free(client_context);
	event_base_free(base);
	return all.held == 0 ? 0 : -1;
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* An open one; `secure`: of TLS, with its handshake done. */
static void open_world(struct world *w, bool secure)
{
	int pair[2], size = 8192;

	memset(w, 0, sizeof *w);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	w->fd = pair[1];
	assert_int_equal(stream_socket_open(&w->socket, &all, pair[0], false), 0);
	if (!secure)
		return;
	w->client = SSL_new(client_context);
	SSL_set_fd(w->client, w->fd);
	assert_int_equal(stream_socket_secure(&w->socket, SSL_new(server_context)), 0);
	for (int i = 0; i < TURNS && (w->secured == 0 || SSL_do_handshake(w->client) != 1); i++) {
		SSL_connect(w->client);
		stream_socket_flush(&w->socket); /* in between it does no harm */
		turn();
	}
	ERR_clear_error();
	assert_int_equal(w->secured, 1);
	assert_non_null(w->socket.ssl);
}

static void close_world(struct world *w)
{
	stream_socket_close(&w->socket, false);
	SSL_free(w->client);
	close(w->fd);
}

/* The client's side, as far as it gets: how many bytes, 0 at the end, -1 if not now, -2 if it is broken. */
static int client_read(struct world *w, uint8_t *bytes, int room)
{
	ssize_t n;

	if (w->client == NULL) {
		n = read(w->fd, bytes, (size_t)room);
		return n >= 0 ? (int)n : errno == EAGAIN ? -1 : -2;
	}
	ERR_clear_error();
	n = SSL_read(w->client, bytes, room);
	if (n > 0)
		return (int)n;
	switch (SSL_get_error(w->client, (int)n)) {
	case SSL_ERROR_WANT_READ:
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		return -2;
	}
}

static void client_write(struct world *w, const void *bytes, int len)
{
	assert_int_equal(w->client != NULL ? SSL_write(w->client, bytes, len) : (int)write(w->fd, bytes, (size_t)len), len);
}

/* ---- */

static void check_bytes_go_both_ways(bool secure)
{
	struct world w;
	uint8_t bytes[16];

	open_world(&w, secure);
	assert_int_equal(stream_socket_read(&w.socket, bytes, sizeof bytes), STREAM_SOCKET_LATER);
	client_write(&w, "hello", 5);
	turn();
	assert_int_equal(w.readable, 1);
	assert_int_equal(stream_socket_read(&w.socket, bytes, sizeof bytes), 5);
	assert_memory_equal(bytes, "hello", 5);
	assert_int_equal(stream_socket_read(&w.socket, bytes, sizeof bytes), STREAM_SOCKET_LATER);
	stream_socket_write(&w.socket, "an", 2);
	stream_socket_write(&w.socket, "swer", 4);
	assert_int_equal(w.socket.held, 6);
	stream_socket_flush(&w.socket);
	assert_int_equal(w.socket.held, 0);
	assert_int_equal(client_read(&w, bytes, sizeof bytes), 6); /* and in one piece */
	assert_memory_equal(bytes, "answer", 6);
	stream_socket_want(&w.socket, false);
	client_write(&w, "x", 1);
	turn();
	assert_int_equal(w.readable, 1);
	stream_socket_want(&w.socket, true);
	turn();
	assert_int_equal(w.readable, 2);
	close_world(&w);
}

/* A client that takes its time gets all of it, in order; what it has not taken is held. */
static void check_much_goes_out(bool secure)
{
	static const size_t sizes[] = { 1, 300, 4080, 1000, 4081, 0, 16384, 9000, 4079, 70000 };
	size_t got = 0, held = MUCH;
	struct world w;

	open_world(&w, secure);
	for (size_t at = 0, i = 0, len; at < MUCH; at += len, i++) {
		len = sizes[i % (sizeof sizes / sizeof sizes[0])];
		len = len < MUCH - at ? len : MUCH - at;
		stream_socket_write(&w.socket, much + at, len);
		if (i % 7 == 0)
			stream_socket_flush(&w.socket);
	}
	stream_socket_flush(&w.socket);
	assert_true(w.socket.held > MUCH / 2);
	for (int i = 0; i < 10000 && got < MUCH; i++) {
		int n = client_read(&w, came + got, (int)(MUCH - got < 5000 ? MUCH - got : 5000));

		assert_true(n > 0 || n == -1);
		got += n > 0 ? (size_t)n : 0;
		turn();
		assert_true(w.socket.held <= held);
		held = w.socket.held;
		assert_int_equal(all.held, held);
	}
	assert_int_equal(got, MUCH);
	assert_memory_equal(came, much, MUCH);
	assert_int_equal(held, 0);
	assert_true(w.writable > 0);
	close_world(&w);
}

/* Taken in pieces that are shorter than what came: nobody tells of the rest again, but it is known that it is there. */
static void test_a_record_is_taken_in_pieces(void **state)
{
	size_t got = 0;
	struct world w;

	(void)state;
	open_world(&w, true);
	assert_false(stream_socket_has_bytes(&w.socket));
	client_write(&w, much, 4000);
	turn();
	while (got < 4000) {
		ssize_t n = stream_socket_read(&w.socket, came + got, 1500);

		assert_true(n > 0);
		got += (size_t)n;
		assert_int_equal(stream_socket_has_bytes(&w.socket), got < 4000);
	}
	assert_memory_equal(came, much, 4000);
	close_world(&w);
}

/* What the client has sent before is read first; and then it gets its answer, unless it has gone without a word. */
static void check_the_other_end(bool secure, bool says_so)
{
	struct world w;
	uint8_t bytes[16];
	ssize_t end = says_so ? STREAM_SOCKET_ENDED : STREAM_SOCKET_FAILED;

	open_world(&w, secure);
	client_write(&w, "last", 4);
	if (w.client != NULL && says_so)
		SSL_shutdown(w.client);
	shutdown(w.fd, SHUT_WR);
	turn();
	assert_int_equal(stream_socket_read(&w.socket, bytes, sizeof bytes), 4);
	assert_int_equal(stream_socket_read(&w.socket, bytes, sizeof bytes), end);
	assert_int_equal(stream_socket_read(&w.socket, bytes, sizeof bytes), end);
	assert_int_equal(w.socket.failed, !says_so);
	assert_true(says_so || tls_is_cut(w.socket.error));
	assert_false(stream_socket_has_bytes(&w.socket));
	w.readable = 0;
	turn();
	assert_true(!says_so || w.readable == 0); /* not told again and again */
	stream_socket_write(&w.socket, "answer", 6);
	stream_socket_flush(&w.socket);
	assert_true(!says_so || client_read(&w, bytes, sizeof bytes) == 6);
	close_world(&w);
}

static void check_our_end(bool secure)
{
	struct world w;
	uint8_t bytes[16];

	open_world(&w, secure);
	stream_socket_finish(&w.socket);
	assert_int_equal(client_read(&w, bytes, sizeof bytes), 0);
	client_write(&w, "more", 4); /* which goes on */
	turn();
	assert_int_equal(stream_socket_read(&w.socket, bytes, sizeof bytes), 4);
	close_world(&w);
	open_world(&w, secure);
	stream_socket_close(&w.socket, false);
	assert_int_equal(client_read(&w, bytes, sizeof bytes), 0);
	close_world(&w); /* closed already, which does no harm */
}

/* What many hold at once is told apart, counted, and given back. */
static void test_many_hold_something(void **state)
{
	static struct world worlds[MANY];
	uint8_t bytes[16];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		open_world(&worlds[i], false);
		stream_socket_write(&worlds[i].socket, much + i, 10);
	}
	assert_int_equal(all.held, MANY * 10);
	for (unsigned i = 0; i < MANY; i++) {
		stream_socket_flush(&worlds[i].socket);
		stream_sockets_trim(false);
		assert_int_equal(client_read(&worlds[i], bytes, sizeof bytes), 10);
		assert_memory_equal(bytes, much + i, 10);
		stream_socket_write(&worlds[i].socket, much, 10); /* and is lost */
		close_world(&worlds[i]);
	}
	assert_int_equal(all.held, 0);
}

/* Who takes it over goes on where it stood; what is left of it says nothing to the other end. */
static void check_another_takes_it_over(bool secure)
{
	struct world w;
	uint8_t bytes[16];
	SSL *tls;
	int fd;

	open_world(&w, secure);
	stream_socket_write(&w.socket, "first", 5);
	stream_socket_flush(&w.socket);
	fd = stream_socket_release(&w.socket, &tls);
	assert_true((tls != NULL) == secure);
	stream_socket_close(&w.socket, false);
	assert_int_equal(client_read(&w, bytes, sizeof bytes), 5);
	assert_int_equal(client_read(&w, bytes, sizeof bytes), -1);
	assert_int_equal(stream_socket_open(&w.socket, &all, fd, false), 0);
	if (secure)
		stream_socket_adopt(&w.socket, tls);
	stream_socket_write(&w.socket, "second", 6);
	stream_socket_flush(&w.socket);
	assert_int_equal(client_read(&w, bytes, sizeof bytes), 6);
	client_write(&w, "third", 5);
	turn();
	assert_int_equal(stream_socket_read(&w.socket, bytes, sizeof bytes), 5);
	close_world(&w);
}

static void test_plain(void **state)
{
	(void)state;
	check_bytes_go_both_ways(false);
	check_much_goes_out(false);
	check_the_other_end(false, true);
	check_our_end(false);
	check_another_takes_it_over(false);
}

static void test_secure(void **state)
{
	(void)state;
	check_bytes_go_both_ways(true);
	check_much_goes_out(true);
	check_the_other_end(true, true);
	check_the_other_end(true, false);
	check_our_end(true);
	check_another_takes_it_over(true);
}

static void test_an_answer_that_is_cut_does_not_look_whole(void **state)
{
	uint8_t bytes[16];
	struct world w;

	(void)state;
	open_world(&w, true);
	stream_socket_write(&w.socket, "half", 4);
	stream_socket_flush(&w.socket);
	stream_socket_close(&w.socket, true);
	assert_int_equal(client_read(&w, bytes, sizeof bytes), 4);
	assert_int_equal(client_read(&w, bytes, sizeof bytes), -2);
	close_world(&w);
}

/* Two connections, whose calls alternate: each has its own bytes, and the end of one is not the other's. */
static void test_connections_are_kept_apart(void **state)
{
	struct world one, two;
	uint8_t bytes[16];

	(void)state;
	open_world(&one, true);
	open_world(&two, true);
	client_write(&one, "1", 1);
	client_write(&two, "22", 2);
	turn();
	assert_int_equal(stream_socket_read(&two.socket, bytes, sizeof bytes), 2);
	assert_int_equal(stream_socket_read(&one.socket, bytes, sizeof bytes), 1);
	stream_socket_write(&two.socket, "for two", 7);
	stream_socket_write(&one.socket, "for one", 7);
	stream_socket_flush(&one.socket);
	stream_socket_flush(&two.socket);
	shutdown(one.fd, SHUT_WR);
	turn();
	assert_int_equal(stream_socket_read(&one.socket, bytes, sizeof bytes), STREAM_SOCKET_FAILED);
	assert_int_equal(stream_socket_read(&two.socket, bytes, sizeof bytes), STREAM_SOCKET_LATER);
	assert_int_equal(client_read(&one, bytes, sizeof bytes), 7);
	assert_memory_equal(bytes, "for one", 7);
	assert_int_equal(client_read(&two, bytes, sizeof bytes), 7);
	assert_memory_equal(bytes, "for two", 7);
	close_world(&one);
	close_world(&two);
}

static void test_what_is_no_tls_ends_the_connection(void **state)
{
	static const char *const first[] = { "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x7f\xff\x01", "\x80\x80\x01\x03\x01" };
	char text[TLS_REASON_MAX];
	uint8_t bytes[16];
	struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
		open_world(&w, false);
		assert_int_equal(stream_socket_secure(&w.socket, SSL_new(server_context)), 0);
		client_write(&w, first[i], (int)strlen(first[i]));
		shutdown(w.fd, SHUT_WR);
		for (int t = 0; t < 3 && !w.socket.failed; t++)
			turn();
		assert_true(w.socket.failed && w.readable == 1 && w.secured == 0);
		assert_string_not_equal(tls_describe(w.socket.error, text), "");
		assert_int_equal(stream_socket_read(&w.socket, bytes, sizeof bytes), STREAM_SOCKET_FAILED);
		close_world(&w);
	}
	open_world(&w, true); /* and later */
	assert_int_equal(write(w.fd, "\x17\x03\x03\x00\x20 not what was agreed upon at all..", 37), 37);
	turn();
	assert_int_equal(stream_socket_read(&w.socket, bytes, sizeof bytes), STREAM_SOCKET_FAILED);
	assert_true(w.socket.failed);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_secure),
		cmocka_unit_test(test_many_hold_something),
		cmocka_unit_test(test_a_record_is_taken_in_pieces),
		cmocka_unit_test(test_an_answer_that_is_cut_does_not_look_whole),
		cmocka_unit_test(test_connections_are_kept_apart),
		cmocka_unit_test(test_what_is_no_tls_ends_the_connection),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
