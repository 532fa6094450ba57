/* objects: tests/sim/http_world.o HTTP_SERVER_OBJS proxy/edge/accepting.o proxy/edge/stream_socket.o proxy/edge/tls_socket.o proxy/edge/shared_bio.o BASE_OBJS translate/http_message.o coap/message.o coap/uri.o base/clock_steered.o base/random_seeded.o */
/*
 * The HTTP server under TLS: the same requests, back-pressure and limits, and ends that are not said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "proxy/http/connection_parts.h"
#include "proxy/http/server.h"
#include "tests/sim/http_world.h"

#define TOLD "\r\n\r\n\0\r\nQUIT\n" "\x21\x11\0\x0c" "\xc0\x00\x02\x07" "\x0a\x00\x00\x01" "\x12\x34" "\x01\xbb"

static SSL_CTX *client_context;

/* A certificate by itself, of a fresh key. */
static SSL_CTX *server_context(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)"gw", -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return context;
}

static int set_up(void **state)
{
	(void)state;
	world_open(state);
	world.tls = server_context();
	client_context = SSL_CTX_new(TLS_client_method());
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close(state);
	SSL_CTX_free(world.tls);
	SSL_CTX_free(client_context);
	return 0;
}

struct secure {
	struct caller *below;
	SSL *ssl;
	char *text; /* terminated */
	size_t len;
	bool ended; /* by close_notify */
	bool failed;
};

enum { ROOM = 1 << 20 };

static void shake_hands(struct secure *s)
{
	for (unsigned i = 0; i < 100 && SSL_do_handshake(s->ssl) != 1; i++)
		world_run();
	world_run();
}

static struct secure *secure_over(struct caller *below)
{
	struct secure *s = calloc(1, sizeof *s);

	s->below = below;
	s->ssl = SSL_new(client_context);
	s->text = calloc(1, ROOM);
	SSL_set_fd(s->ssl, below->fd);
	SSL_set_connect_state(s->ssl);
	return s;
}

static struct secure *secure_new(void)
{
	struct secure *s = secure_over(caller_new(WORLD_SECURE));

	shake_hands(s);
	assert_true(SSL_is_init_finished(s->ssl));
	return s;
}

/* The socket alone: nothing is said by TLS. */
static void secure_free(struct secure *s)
{
	caller_free(s->below);
	SSL_free(s->ssl);
	free(s->text);
	free(s);
	world_run();
}

static size_t secure_push(struct secure *s, const void *bytes, size_t len)
{
	size_t sent = 0;

	return SSL_write_ex(s->ssl, bytes, len, &sent) == 1 ? sent : 0;
}

static void secure_send(struct secure *s, const char *text)
{
	assert_int_equal(secure_push(s, text, strlen(text)), strlen(text));
	world_run();
}

static size_t secure_read_some(struct secure *s, size_t most)
{
	size_t done = 0, got = 0;

	while (done < most && s->len + 1 < ROOM) {
		size_t room = ROOM - s->len - 1;
		int result = SSL_read_ex(s->ssl, s->text + s->len, room < most - done ? room : most - done, &got);

		if (result != 1) {
			int error = SSL_get_error(s->ssl, result);

			s->ended = s->ended || error == SSL_ERROR_ZERO_RETURN;
			s->failed = s->failed || error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL;
			break;
		}
		done += got;
		s->len += got;
		s->text[s->len] = '\0';
		world_turn();
	}
	return done;
}

static unsigned secure_has(struct secure *s, const char *text)
{
	unsigned count = 0;

	world_run();
	secure_read_some(s, ROOM);
	for (const char *at = strstr(s->text, text); at != NULL; at = strstr(at + 1, text))
		count++;
	return count;
}

/* ---- requests ---- */

static void test_requests_are_answered(void **state)
{
	struct secure *s = secure_new();

	(void)state;
	secure_send(s, GET "GET /x HTTP/1.1\r\n" HOST "\r\n" GET);
	assert_int_equal(secure_has(s, "HTTP/1.1 200 OK\r\n"), 1);
	assert_non_null(http_connection_tls(world.requests[1].connection));
	answer(1, 200, "second");
	assert_int_equal(secure_has(s, "HTTP/1.1 200 OK\r\n"), 3);
	secure_send(s, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
	assert_string_equal(world.requests[3].body, "abc");
	answer(3, 200, "third");
	assert_int_equal(secure_has(s, "third"), 1);
	assert_false(s->ended);
	secure_free(s);
}

/* Whoever closes without a word after a whole message has done nothing wrong. */
static void test_an_end_that_is_not_said_is_no_error(void **state)
{
	struct secure *s = secure_new();

	(void)state;
	secure_send(s, GET);
	assert_int_equal(secure_has(s, "HTTP/1.1 200 OK\r\n"), 1);
	secure_free(s);
	for (int m = 0; m < METRIC_COUNT; m++)
		assert_int_equal(world_count((enum metric)m), m == COUNT_HTTP_CONNECTIONS);
	http_server_drain();
	assert_true(http_server_is_drained());
}

static void test_an_end_in_the_middle_is_told(void **state)
{
	struct secure *s = secure_new();

	(void)state;
	secure_send(s, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc");
	secure_free(s);
	assert_true(world.requests[0].gone);
}

/* Who says that nothing more comes is answered all the same (RFC 8446 6.1). */
static void test_a_client_that_closes_its_side_is_answered(void **state)
{
	struct secure *s = secure_new();

	(void)state;
	secure_send(s, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	SSL_shutdown(s->ssl);
	world_run();
	answer(0, 200, "y");
	assert_int_equal(secure_has(s, "HTTP/1.1 200"), 1);
	assert_true(s->ended);
	secure_free(s);
	s = secure_new();
	secure_send(s, "GET /events HTTP/1.1\r\n" HOST "\r\n");
	http_connection_end_with_client(world.requests[1].connection);
	SSL_shutdown(s->ssl);
	world_run();
	assert_true(world.requests[1].gone);
	secure_free(s);
	s = secure_new(); /* without a word, which ends it in both directions */
	secure_send(s, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	shutdown(s->below->fd, SHUT_WR);
	world_run();
	assert_true(world.requests[2].gone);
	secure_free(s);
}

/* The server's end is said, unless the answer was cut where nothing else shows it. */
static void test_the_end_is_said(void **state)
{
	struct secure *s = secure_new();

	(void)state;
	secure_send(s, "GET /now HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	assert_int_equal(secure_has(s, "\r\n\r\n/now"), 1);
	assert_true(s->ended);
	secure_free(s);
	s = secure_new();
	secure_send(s, "GET /x HTTP/1.0\r\n\r\n");
	answer_head(1, 200, HTTP_LENGTH_UNKNOWN);
	answer_data(1, "abc");
	world_run();
	answer_cut(1);
	secure_has(s, "abc");
	assert_false(s->ended);
	assert_true(s->failed);
	secure_free(s);
}

/* ---- back-pressure ---- */

static void test_an_answer_goes_as_fast_as_it_is_read(void **state)
{
	struct secure *s = secure_new();
	const uint64_t total = 32 << 20;
	uint64_t got = 0;
	const struct http_connection *connection;

	(void)state;
	secure_send(s, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	connection = world.requests[0].connection;
	answer_much(0, total, total);
	world_run();
	assert_true(world.requests[0].to_send > total / 2);
	for (unsigned round = 0; round < 100000 && got < total; round++) {
		assert_true(connection->socket.held <= BLOCKS_HELD);
		got += secure_read_some(s, 300000);
		s->len = 0;
		world_turn();
	}
	assert_true(got > total);
	assert_int_equal(world.requests[0].to_send, 0);
	secure_free(s);
}

static void test_a_stalled_reader_is_cut_off(void **state)
{
	struct secure *s = secure_new();

	(void)state;
	secure_send(s, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	answer_much(0, 32 << 20, 32 << 20);
	world_pass(40 * CLOCK_SECOND);
	assert_true(secure_read_some(s, 700000) > 0);
	world_pass(59 * CLOCK_SECOND);
	assert_false(world.requests[0].gone);
	world_pass(2 * CLOCK_SECOND);
	assert_true(world.requests[0].gone);
	assert_true(world.requests[0].stalled);
	secure_free(s);
}

static void test_a_body_that_is_not_taken_is_not_read(void **state)
{
	static char piece[16384];
	struct secure *s = secure_new();
	struct http_request *r = &world.requests[0];
	size_t pushed = 0, total = 32 << 20;

	(void)state;
	world.leaves_bodies = true;
	secure_send(s, "POST /x HTTP/1.1\r\n" HOST "Content-Length: 33554432\r\n\r\n");
	for (unsigned round = 0; round < 3000; round++) {
		pushed += secure_push(s, piece, sizeof piece);
		world_turn();
	}
	assert_true(pushed < total);
	assert_true(r->most <= BLOCKS_HELD - STREAM_SOCKET_RECORD);
	r->takes = true;
	r->taken = evbuffer_get_length(http_connection_body(r->connection));
	evbuffer_drain(http_connection_body(r->connection), r->taken);
	http_connection_body_taken(r->connection);
	for (unsigned round = 0; round < 100000 && !r->whole; round++) {
		if (pushed < total)
			pushed += secure_push(s, piece, sizeof piece);
		world_turn();
	}
	assert_true(r->whole);
	assert_int_equal(r->taken, total);
	answer(0, 200, "");
	assert_int_equal(secure_has(s, "HTTP/1.1 200"), 1);
	secure_free(s);
}

/* ---- handshakes ---- */

static void test_a_handshake_has_its_time(void **state)
{
	struct caller *c = caller_new(WORLD_SECURE);

	(void)state;
	world_pass(9 * CLOCK_SECOND);
	caller_send_bytes(c, "\x16\x03\x01", 3);
	caller_read(c);
	assert_false(c->ended || c->reset);
	world_pass(2 * CLOCK_SECOND);
	caller_read(c);
	assert_true(c->ended || c->reset);
	assert_int_equal(world_count(COUNT_HTTP_TIMEOUTS), 1);
	caller_free(c);
}

static void test_what_is_no_handshake_is_counted(void **state)
{
	struct caller *c = caller_new(WORLD_SECURE);

	(void)state;
	caller_send(c, GET);
	caller_read(c);
	assert_true(c->ended || c->reset);
	assert_int_equal(world_count(COUNT_HTTP_HANDSHAKES_FAILED), 1);
	assert_int_equal(world.begun, 0);
	caller_free(c);
	SSL_CTX_free(world.tls);
	world.tls = NULL; /* a listener without a context */
	c = caller_new(WORLD_SECURE);
	caller_read(c);
	assert_true(c->ended || c->reset);
	caller_free(c);
}

/* The header of the PROXY protocol stands before the first byte of TLS. */
static void test_a_balancer_passes_tls_on(void **state)
{
	struct network balancer;
	char text[ENDPOINT_TEXT_MAX];
	struct secure *s;

	(void)state;
	assert_int_equal(network_parse(&balancer, "127.0.0.9"), 0);
	world.listeners[WORLD_SECURE].trusted_proxies = &balancer;
	world.listeners[WORLD_SECURE].trusted_proxy_count = 1;
	world.listeners[WORLD_SECURE].proxy_protocol = true;
	s = secure_over(caller_new_from(WORLD_SECURE, "127.0.0.9"));
	assert_int_equal(caller_push(s->below, TOLD, sizeof TOLD - 1), sizeof TOLD - 1);
	shake_hands(s); /* its first bytes come with the header */
	assert_true(SSL_is_init_finished(s->ssl));
	secure_send(s, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	assert_string_equal(endpoint_format(http_connection_peer(world.requests[0].connection), text), "192.0.2.7:4660");
	answer(0, 200, "y");
	assert_int_equal(secure_has(s, "HTTP/1.1 200"), 1);
	secure_free(s);
}

static void test_draining(void **state)
{
	struct secure *idle = secure_new(), *busy = secure_new();
	struct caller *shaking = caller_new(WORLD_SECURE);

	(void)state;
	secure_send(busy, "GET /x HTTP/1.1\r\n" HOST "\r\n");
	http_server_drain();
	assert_int_equal(secure_has(idle, "HTTP"), 0);
	assert_true(idle->ended);
	caller_read(shaking);
	assert_true(shaking->ended || shaking->reset);
	answer(0, 200, "done");
	assert_int_equal(secure_has(busy, "done"), 1);
	assert_true(busy->ended);
	secure_free(idle);
	secure_free(busy);
	caller_free(shaking);
	assert_true(http_server_is_drained());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests_are_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_end_that_is_not_said_is_no_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_end_in_the_middle_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_client_that_closes_its_side_is_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_end_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_answer_goes_as_fast_as_it_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stalled_reader_is_cut_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_body_that_is_not_taken_is_not_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_handshake_has_its_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_no_handshake_is_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_balancer_passes_tls_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_draining, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
