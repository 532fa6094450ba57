#include "tests/sim/http_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/wheel.h"
#include "proxy/edge/tls.h"
#include "proxy/http/server.h"

struct world world;

const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot)
{
	return slot < s->listener_count ? &s->listeners[slot] : NULL;
}

SSL *tls_accept(unsigned slot)
{
	return slot == WORLD_SECURE && world.tls != NULL ? SSL_new(world.tls) : NULL;
}

const char *tls_describe(unsigned long code, char out[TLS_REASON_MAX])
{
	snprintf(out, TLS_REASON_MAX, "%lx", code);
	return out;
}

/* ---- requests ---- */

static void copy(char *out, size_t room, struct http_text text)
{
	snprintf(out, room, "%.*s", (int)text.len, text.at);
}

static void take_over(void *with, int fd, SSL *tls, const uint8_t *ahead, size_t len)
{
	assert_ptr_equal(with, &world);
	assert_true(len < sizeof world.handed.ahead);
	world.handed.times++;
	world.handed.fd = fd;
	world.handed.tls = tls;
	if (len > 0)
		memcpy(world.handed.ahead, ahead, len);
	world.handed.ahead[len] = '\0';
}

/* "/now..." is answered at once, the connection of "/handed" is handed over; everything else is answered by the test. */
struct http_request *http_request_begin(struct http_connection *c, const struct http_head *head)
{
	struct http_request *r = &world.requests[world.begun];
	const struct http_field *test = http_field_find(head, "test");

	assert_true(world.begun < WORLD_REQUESTS);
	memset(r, 0, sizeof *r);
	r->connection = c;
	r->takes = !world.leaves_bodies;
	copy(r->method, sizeof r->method, head->method);
	copy(r->target, sizeof r->target, head->target);
	if (test != NULL)
		copy(r->field, sizeof r->field, test->value);
	r->whole = http_connection_body_ended(c);
	world.begun++;
	if (strcmp(r->target, "/handed") == 0) {
		http_connection_hand_over(c, take_over, &world);
		r->connection = NULL;
		return NULL;
	}
	if (strncmp(r->target, "/now", 4) == 0) {
		answer(world.begun - 1, 200, r->target);
		return NULL;
	}
	return r;
}

void http_request_body(struct http_request *r)
{
	struct evbuffer *body = http_connection_body(r->connection);
	size_t held = evbuffer_get_length(body), room = r->taken < sizeof r->body ? sizeof r->body - r->taken : 0;

	assert_non_null(r->connection);
	assert_false(r->whole);
	r->told++;
	r->whole = http_connection_body_ended(r->connection);
	r->most = held > r->most ? held : r->most;
	if (!r->takes)
		return;
	if (room > 0)
		evbuffer_copyout(body, r->body + r->taken, held < room ? held : room);
	r->taken += held;
	evbuffer_drain(body, held);
	http_connection_body_taken(r->connection);
}

static void send_more(struct http_request *r)
{
	static uint8_t bytes[1000];
	size_t room;

	memset(bytes, 'x', sizeof bytes);
	while (r->to_send > 0 && (room = http_connection_room(r->connection)) >= sizeof bytes) {
		size_t n = r->to_send < sizeof bytes ? (size_t)r->to_send : sizeof bytes;

		http_connection_answer_data(r->connection, bytes, n);
		r->to_send -= n;
	}
	if (r->to_send == 0) {
		http_connection_answer_end(r->connection);
		r->connection = NULL;
	}
}

void http_request_writable(struct http_request *r)
{
	assert_non_null(r->connection);
	r->writable++;
	if (r->to_send > 0)
		send_more(r);
}

void http_request_failed(struct http_request *r, unsigned status)
{
	static const char texts[] = "failed";

	assert_non_null(r->connection);
	r->failed = status;
	answer((size_t)(r - world.requests), status, texts);
}

void http_request_gone(struct http_request *r, bool stalled)
{
	assert_non_null(r->connection);
	assert_false(r->gone);
	r->gone = true;
	r->stalled = stalled;
	r->connection = NULL;
}

bool http_requests_ask(void)
{
	return false;
}

void http_request_drain(struct http_request *r)
{
	assert_non_null(r->connection);
	r->drained = true;
}

/* ---- answers ---- */

void answer_head(size_t i, unsigned status, uint64_t length)
{
	uint8_t head[256];
	struct writer w;

	assert_true(i < world.begun);
	assert_non_null(world.requests[i].connection);
	writer_init(&w, head, sizeof head);
	http_write_status_line(&w, status, NULL);
	http_write_field_text(&w, "Content-Type", "text/plain");
	http_connection_answer(world.requests[i].connection, status, head, writer_length(&w), length);
}

void answer_data(size_t i, const char *text)
{
	http_connection_answer_data(world.requests[i].connection, (const uint8_t *)text, strlen(text));
}

void answer_end(size_t i)
{
	http_connection_answer_end(world.requests[i].connection);
	world.requests[i].connection = NULL;
}

void answer_cut(size_t i)
{
	http_connection_answer_cut(world.requests[i].connection);
	world.requests[i].connection = NULL;
}

void answer(size_t i, unsigned status, const char *body)
{
	answer_head(i, status, strlen(body));
	answer_data(i, body);
	answer_end(i);
}

void answer_much(size_t i, uint64_t length, uint64_t told)
{
	answer_head(i, 200, told);
	world.requests[i].to_send = length;
	send_more(&world.requests[i]);
}

/* ---- the server ---- */

static int listen_at(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof *at;

	assert_true(fd >= 0);
	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY) };
	assert_int_equal(bind(fd, (struct sockaddr *)at, len), 0);
	assert_int_equal(listen(fd, 16384), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

static void set_defaults(struct settings *s)
{
	s->http_line = 8192;
	s->http_fields = 16384;
	s->http_field_count = 64;
	s->http_head_timeout = 10 * CLOCK_SECOND;
	s->http_body_timeout = 30 * CLOCK_SECOND;
	s->http_idle_timeout = 75 * CLOCK_SECOND;
	s->http_stall = 60 * CLOCK_SECOND;
	s->http_connections = 1000;
	s->http_client_connections = 100;
}

int world_open(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	signal(SIGPIPE, SIG_IGN); /* as in the gateway: OpenSSL writes to sockets without a flag against it */
	random_seed_for_test(9112);
	world.base = event_base_new();
	world.proxy = calloc(1, sizeof *world.proxy);
	world.conf = calloc(1, sizeof *world.conf);
	assert_non_null(world.proxy);
	assert_non_null(world.conf);
	world.proxy->conf = world.conf;
	world.proxy->wheel = wheel_create(clock_now());
	world.proxy->metrics = calloc(1, sizeof *world.proxy->metrics);
	world.proxy->house.count = 1;
	set_defaults(&world.conf->settings);
	world.conf->listeners = world.listeners;
	world.conf->listener_count = WORLD_LISTENERS;
	assert_int_equal(http_server_open(world.base, world.proxy), 0);
	for (unsigned i = 0; i < WORLD_LISTENERS; i++) {
		struct sockaddr_in at;
		int fd = listen_at(&at);

		world.listeners[i].slot = i;
		world.listeners[i].scheme = i == WORLD_SECURE ? URI_HTTPS : URI_HTTP;
		world.ports[i] = ntohs(at.sin_port);
		assert_int_equal(http_server_add_listener(i, fd), 0);
	}
	return 0;
}

int world_close(void **state)
{
	(void)state;
	http_server_close();
	event_base_loop(world.base, EVLOOP_NONBLOCK); /* what libevent put off until now */
	event_base_free(world.base);
	wheel_destroy(world.proxy->wheel);
	free(world.proxy->metrics);
	free(world.proxy);
	free(world.conf);
	return 0;
}

bool world_turn(void)
{
	event_base_loop(world.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	wheel_run(world.proxy->wheel, clock_now());
	return http_server_flush();
}

/* The kernel hands bytes of the loopback over at once, or nearly so: a few idle turns say that there are no more. */
void world_run(void)
{
	for (unsigned idle = 0; idle < 4; idle++) {
		if (idle > 0)
			usleep(50);
		if (world_turn())
			idle = 0;
	}
}

void world_pass(uint64_t microseconds)
{
	world_run();
	clock_steer(clock_now() + microseconds);
	world_run();
}

uint64_t world_count(enum metric m)
{
	return world.proxy->metrics->count[m];
}

/* ---- clients ---- */

struct caller *caller_new_from(unsigned listener, const char *address)
{
	const int on = 1;
	struct caller *c = calloc(1, sizeof *c);
	struct sockaddr_in from = { .sin_family = AF_INET }, to = { .sin_family = AF_INET, .sin_port = htons(world.ports[listener]) };

	assert_non_null(c);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(c->fd >= 0);
	inet_pton(AF_INET, address, &from.sin_addr);
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	assert_int_equal(bind(c->fd, (struct sockaddr *)&from, sizeof from), 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof to), 0);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	c->capacity = 4096;
	c->text = malloc(c->capacity);
	assert_non_null(c->text);
	c->text[0] = '\0';
	world_run();
	return c;
}

struct caller *caller_new(unsigned listener)
{
	return caller_new_from(listener, "127.0.0.1");
}

void caller_free(struct caller *c)
{
	close(c->fd);
	free(c->text);
	free(c);
	world_run();
}

size_t caller_push(struct caller *c, const void *bytes, size_t len)
{
	ssize_t sent = send(c->fd, bytes, len, MSG_NOSIGNAL);

	return sent > 0 ? (size_t)sent : 0;
}

void caller_send_bytes(struct caller *c, const void *bytes, size_t len)
{
	size_t done = 0;

	for (unsigned round = 0; done < len && round < 1000; round++) {
		done += caller_push(c, (const char *)bytes + done, len - done);
		world_turn();
	}
	world_run();
}

void caller_send(struct caller *c, const char *text)
{
	caller_send_bytes(c, text, strlen(text));
}

size_t caller_read_some(struct caller *c, size_t most)
{
	size_t done = 0;

	while (done < most) {
		size_t n = most - done < 65536 ? most - done : 65536;
		ssize_t got;

		while (c->capacity - c->len <= n) {
			c->capacity *= 2;
			c->text = realloc(c->text, c->capacity);
			assert_non_null(c->text);
		}
		got = recv(c->fd, c->text + c->len, n, 0);
		c->ended = c->ended || got == 0;
		c->reset = c->reset || (got < 0 && errno != EAGAIN);
		if (got <= 0)
			break;
		done += (size_t)got;
		c->len += (size_t)got;
		c->text[c->len] = '\0';
		world_turn();
	}
	return done;
}

const char *caller_read(struct caller *c)
{
	world_run();
	caller_read_some(c, SIZE_MAX);
	return c->text;
}

void caller_forget(struct caller *c)
{
	c->len = 0;
	c->text[0] = '\0';
}

unsigned caller_has(struct caller *c, const char *text)
{
	unsigned count = 0;

	caller_read(c);
	for (const char *at = strstr(c->text, text); at != NULL; at = strstr(at + 1, text))
		count++;
	return count;
}
