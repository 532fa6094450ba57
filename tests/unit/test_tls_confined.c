/* objects: TLS_OBJS proxy/process/sandbox.o base/endpoint.o coap/uri.o coap/message.o base/bytes.o proxy/http/material.o base/log.o base/clock.o tests/unit/certificates.o base/landlock.o */
/* libs: -levent_core */
/* What a confined worker does with TLS: contexts made anew, handshakes over a connection by the event loop, errors put into words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "proxy/edge/tls.h"
#include "tests/unit/certificates.h"
#include "tests/unit/confined.h"

static struct made_certificate authority, gateway;
static struct listener listener;
static char certificate_path[] = "gw.pem", key_path[] = "gw.key", ca_path[] = "ca.pem", none[] = "", name[] = "web";

const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot)
{
	return s->listener_count > slot ? &s->listeners[slot] : NULL;
}

/* In force with a listener of https, or without. */
static int renew(bool web)
{
	static struct snapshot conf;
	static struct material m;

	listener = (struct listener){ .name = name, .scheme = URI_HTTPS, .certificate = certificate_path, .key = key_path,
		.client_ca = none, .psk_file = none };
	conf = (struct snapshot){ .listeners = &listener, .listener_count = web, .settings = { .http_ca = ca_path } };
	m.count = 0;
	if (!web)
		return tls_renew(&conf, &m);
	material_add(&m, certificate_path, (const uint8_t *)gateway.certificate_pem, strlen(gateway.certificate_pem));
	material_add(&m, key_path, (const uint8_t *)gateway.key_pem, strlen(gateway.key_pem));
	material_add(&m, ca_path, (const uint8_t *)authority.certificate_pem, strlen(authority.certificate_pem));
	return tls_renew(&conf, &m);
}

static unsigned connected, failed;

static void on_connection_event(struct bufferevent *b, short what, void *arg)
{
	(void)b, (void)arg;
	connected += (what & BEV_EVENT_CONNECTED) != 0;
	failed += (what & (BEV_EVENT_ERROR | BEV_EVENT_EOF)) != 0;
}

static struct bufferevent *end_new(struct event_base *base, int fd, SSL *ssl, enum bufferevent_ssl_state state)
{
	struct bufferevent *b = ssl != NULL ? bufferevent_openssl_socket_new(base, fd, ssl, state, BEV_OPT_CLOSE_ON_FREE) : NULL;

	if (b != NULL) {
		bufferevent_setcb(b, NULL, NULL, on_connection_event, NULL);
		bufferevent_enable(b, EV_READ | EV_WRITE);
	}
	return b;
}

static char reason[TLS_REASON_MAX];

/* Returns 0 if a handshake towards `host` came to an end and something went through; -1 with the client's reason. */
static int talk(struct event_base *base, const int pair[2], const char *host)
{
	struct bufferevent *server, *client;
	char bytes[16] = "";

	connected = failed = 0;
	server = end_new(base, pair[0], tls_accept(0), BUFFEREVENT_SSL_ACCEPTING);
	client = end_new(base, pair[1], tls_connect(host), BUFFEREVENT_SSL_CONNECTING);
	if (server == NULL || client == NULL)
		return -1;
	bufferevent_write(client, "hello", 5);
	for (int i = 0; i < 100 && failed == 0 && evbuffer_get_length(bufferevent_get_input(server)) < 5; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	bufferevent_read(server, bytes, sizeof bytes);
	tls_describe(bufferevent_get_openssl_error(client), reason);
	bufferevent_free(server);
	bufferevent_free(client);
	event_base_loop(base, EVLOOP_NONBLOCK);
	return failed == 0 && connected == 2 && strcmp(bytes, "hello") == 0 ? 0 : -1;
}

static int confined_child(void)
{
	struct event_base *base = event_base_new();
	int pairs[3][2];

	for (int i = 0; i < 3; i++)
		CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pairs[i]) == 0);
	CHECK(base != NULL && renew(false) == 0 && confine() == 0);
	CHECK(tls_accept(0) == NULL && tls_connect("gw.example") == NULL);
	CHECK(renew(true) == 0); /* a reload brings the first listener of https */
	CHECK(talk(base, pairs[0], "gw.example") == 0);
	CHECK(talk(base, pairs[1], "other.example") < 0 && strstr(reason, "certificate verify failed") != NULL);
	CHECK(renew(true) == 0 && talk(base, pairs[2], "gw.example") == 0);
	tls_close();
	event_base_free(base);
	return CHILD_GOOD;
}

static void test_tls_works_in_a_confined_worker(void **state)
{
	(void)state;
	certificate_make(&authority, "Authority", NULL, true, NULL, CERTIFICATE_GOOD_DAYS);
	certificate_make(&gateway, "gw.example", "DNS:gw.example", false, &authority, CERTIFICATE_GOOD_DAYS);
	expect_good(confined_child);
	certificate_free(&authority);
	certificate_free(&gateway);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_works_in_a_confined_worker),
	};

	kernel_ask();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
