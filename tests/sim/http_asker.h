/*
 * http_asker - who asks HTTP origins in the tests of the client: what he was told, and that no rule of client.h was broken.
 */
#ifndef TESTS_SIM_HTTP_ASKER_H
#define TESTS_SIM_HTTP_ASKER_H

#include <signal.h>

#include "proxy/exchange/blocks.h"
#include "proxy/http/client.h"
#include "tests/sim/http_origin.h"
#include "tests/unit/covers.h"

enum { TIMEOUT = 10 * 1000000, IDLE = 30 * 1000000, CONNECTIONS = 2 };

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

static inline void ask(struct owner *o, const char *method, uint64_t body_size)
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

static inline void is_answered(const struct owner *o, unsigned status, const char *body)
{
	assert_int_equal(o->ends, 1);
	assert_int_equal(o->e, ERR_NONE);
	assert_int_equal(o->status, status);
	assert_int_equal(o->got, strlen(body));
	assert_memory_equal(o->body, body, strlen(body));
}

static inline void fails(const struct owner *o, enum error e)
{
	assert_int_equal(o->ends, 1);
	assert_int_equal(o->e, e);
}

#endif
