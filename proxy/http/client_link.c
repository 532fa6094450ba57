#include "proxy/http/client_link.h"

#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/edge/tls.h"

enum {
	READ_AHEAD = 16384,        /* bytes of an answer that lie here while its owner takes none */
	CHUNK_LINE_MAX = 256,
	LOG_EVERY = CLOCK_SECOND,  /* microseconds between two lines about origins that cannot be reached */
};

/* ---- an end ---- */

void link_close(struct http_link *l)
{
	struct http_pool *pool = l->pool;
	SSL *ssl = pool->to.secure ? bufferevent_openssl_get_ssl(l->bev) : NULL;

	if (l->reading) {
		l->doomed = true;
		return;
	}
	wheel_cancel(&l->timer);
	if (l->previous != NULL)
		l->previous->next = l->next;
	else
		pool->links = l->next;
	if (l->next != NULL)
		l->next->previous = l->previous;
	pool->count--;
	http_parser_free(l->parser);
	if (ssl != NULL && l->connected && !l->ended)
		SSL_shutdown(ssl);
	bufferevent_free(l->bev);
	ERR_clear_error(); /* of the shutdown, and of whatever the library left behind */
	free(l);
}

/* It is of no more use; its ask, if it has one, ends so. */
static void fail(struct http_link *l, enum error e)
{
	struct http_ask *a = l->ask;
	struct http_pool *pool = l->pool;

	l->doomed = true;
	if (a != NULL)
		ask_end(a, e);
	else if (!l->reading) {
		link_close(l);
		pool_serve(pool);
	}
}

/* What keeps a whole origin from being asked is told, but not for each request. */
static void note_unreachable(const struct http_link *l)
{
	static uint64_t noted_at;
	char text[ENDPOINT_TEXT_MAX], reason[TLS_REASON_MAX] = "no connection";
	unsigned long code = l->pool->to.secure ? bufferevent_get_openssl_error(l->bev) : 0;

	if (code != 0)
		tls_describe(code, reason);
	if (noted_at != 0 && clock_now() - noted_at < LOG_EVERY)
		return;
	noted_at = clock_now();
	log_info("origin %s of HTTP cannot be reached: %s", endpoint_format(&l->pool->to.address, text), reason);
}

/* ---- the answer ---- */

/* The answer of l->ask is complete. */
static void on_whole(struct http_link *l)
{
	struct http_ask *a = l->ask;

	l->reused = true;
	/* Bytes behind an answer that nobody asked for, and a request that is not all sent, leave nothing to go on with. */
	if (!a->keep_alive || !a->body_done || l->ended || l->stale || evbuffer_get_length(bufferevent_get_input(l->bev)) > 0)
		l->doomed = true;
	http_parser_free(l->parser);
	l->parser = NULL;
	ask_end(a, ERR_NONE);
}

static void on_head(struct http_link *l)
{
	const struct http_head *head = http_parser_head(l->parser);
	struct http_ask *a = l->ask;
	bool has_body = !a->is_head && head->status != 204 && head->status != 304;

	a->head_told = true;
	a->keep_alive = head->keep_alive;
	a->until_close = has_body && !head->chunked && !head->has_length;
	a->body_unwanted = !a->body_done && head->status >= 300;
	a->calls->head(a->owner, head);
}

/* The other end closed. Returns false if there is nothing to be read any more. */
static bool on_closed(struct http_link *l)
{
	struct http_ask *a = l->ask;

	if (a->safe && l->reused && !a->resent && !http_parser_has_begun(l->parser)) {
		ask_again(a);
		return false;
	}
	/* What ends with the connection may be cut off by whoever can end that (RFC 9112 9.8). */
	if (http_parser_close(l->parser) != HTTP_END || (a->until_close && !l->clean))
		fail(l, ERR_BAD_RESPONSE);
	else
		on_whole(l);
	return false;
}

/* Reads on to the next event. Returns false if more must come first, or nothing will. */
static bool step(struct http_link *l)
{
	struct evbuffer *in = bufferevent_get_input(l->bev);
	struct http_ask *a = l->ask;
	struct evbuffer_iovec v = { NULL, 0 };
	size_t used = 0, room = a->head_told ? a->calls->room(a->owner) : SIZE_MAX;
	struct http_text body;
	enum http_event event;

	if (evbuffer_get_length(in) > 0)
		evbuffer_peek(in, -1, NULL, &v, 1);
	event = http_parser_read(l->parser, v.iov_base, v.iov_len < room ? v.iov_len : room, &used, &body);
	switch (event) {
	case HTTP_HEAD:
		on_head(l);
		break;
	case HTTP_BODY:
		if (body.len > 0)
			a->calls->data(a->owner, (const uint8_t *)body.at, body.len);
		break;
	case HTTP_END:
		evbuffer_drain(in, used);
		on_whole(l);
		return false;
	case HTTP_ERROR:
		fail(l, ERR_BAD_RESPONSE);
		return false;
	case HTTP_MORE:
		break;
	}
	evbuffer_drain(in, used);
	if (l->ask != a)
		return false; /* its owner left */
	ask_watch(a);
	if (event == HTTP_MORE && used == 0)
		return l->ended && evbuffer_get_length(in) == 0 ? on_closed(l) : false;
	return true;
}

/* While its owner takes nothing the connection is not read: libevent would call again and again for a buffer that is full. */
static void follow_owner(struct http_link *l)
{
	struct http_ask *a = l->ask;

	if (a != NULL && a->head_told && a->calls->room(a->owner) == 0)
		bufferevent_disable(l->bev, EV_READ);
	else if (!l->ended)
		bufferevent_enable(l->bev, EV_READ);
}

void link_read(struct http_link *l)
{
	struct http_pool *pool = l->pool;

	if (l->reading || !l->connected)
		return;
	l->reading = true;
	while (l->ask != NULL && !l->doomed && step(l))
		;
	l->reading = false;
	/* An origin that speaks without being asked is not understood. */
	if (l->ask == NULL && (l->ended || evbuffer_get_length(bufferevent_get_input(l->bev)) > 0))
		l->doomed = true;
	if (l->doomed && l->ask == NULL) {
		link_close(l);
		pool_serve(pool);
	} else {
		follow_owner(l);
	}
}

/* ---- events ---- */

static void on_readable(struct bufferevent *bev, void *arg)
{
	(void)bev;
	link_read(arg);
}

static void on_writable(struct bufferevent *bev, void *arg)
{
	struct http_link *l = arg;
	struct http_ask *a = l->ask;

	(void)bev;
	if (a == NULL || !l->connected)
		return;
	ask_watch(a);
	if (!a->body_done && !a->body_unwanted)
		a->calls->writable(a->owner);
}

static void on_connected(struct http_link *l)
{
	l->connected = true;
	wheel_cancel(&l->timer);
	if (l->ask != NULL)
		ask_watch(l->ask);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct http_link *l = arg;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		on_connected(l);
		return;
	}
	if (!l->connected) {
		note_unreachable(l);
		fail(l, ERR_UNREACHABLE);
		return;
	}
	/* It takes nothing more, but may have said why. */
	if ((what & BEV_EVENT_WRITING) && !l->pool->to.secure) {
		if (l->ask != NULL)
			l->ask->body_unwanted = true;
		return;
	}
	l->ended = true;
	l->clean = what & BEV_EVENT_EOF;
	link_read(l);
}

/* It did not connect in time, or nobody needs it any more. */
static void on_timer(struct wheel_timer *t)
{
	struct http_link *l = wheel_owner(t, struct http_link, timer);

	if (!l->connected)
		note_unreachable(l);
	fail(l, ERR_ORIGIN_TIMEOUT);
}

/* ---- a beginning ---- */

static struct bufferevent *new_bufferevent(const struct http_origin *to)
{
	struct bufferevent *bev;
	SSL *ssl;

	if (!to->secure)
		return bufferevent_socket_new(client_base(), -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	ssl = tls_connect(to->host);
	if (ssl == NULL)
		return NULL;
	bev = bufferevent_openssl_socket_new(client_base(), -1, ssl, BUFFEREVENT_SSL_CONNECTING,
		BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (bev == NULL)
		SSL_free(ssl);
	return bev;
}

struct http_link *link_open(struct http_pool *pool)
{
	const struct endpoint *to = &pool->to.address;
	struct sockaddr_storage address;
	socklen_t len = endpoint_to_sockaddr(to, endpoint_is_ipv4(to) ? AF_INET : AF_INET6, &address);
	struct http_link *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->pool = pool;
	l->timer.run = on_timer;
	l->bev = new_bufferevent(&pool->to);
	if (l->bev == NULL) {
		free(l);
		return NULL;
	}
	l->next = pool->links;
	if (l->next != NULL)
		l->next->previous = l;
	pool->links = l;
	pool->count++;
	bufferevent_setcb(l->bev, on_readable, on_writable, on_event, l);
	bufferevent_setwatermark(l->bev, EV_READ, 0, READ_AHEAD);
	bufferevent_setwatermark(l->bev, EV_WRITE, BLOCKS_HELD / 2, 0);
	bufferevent_enable(l->bev, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(l->bev, (const struct sockaddr *)&address, (int)len) < 0) {
		link_close(l);
		return NULL;
	}
	wheel_set(client_proxy()->wheel, &l->timer, clock_now() + client_proxy()->conf->settings.http_connect_timeout);
	return l;
}

bool link_is_idle(const struct http_link *l)
{
	return l->connected && l->ask == NULL && !l->doomed && !l->ended && !l->stale;
}

size_t link_unsent(const struct http_link *l)
{
	return evbuffer_get_length(bufferevent_get_output(l->bev));
}

static struct http_parser *new_parser(const struct http_ask *a)
{
	const struct settings *s = &client_proxy()->conf->settings;
	const struct http_limits limits = { .line = s->http_line, .fields_bytes = s->http_fields, .fields_count = s->http_field_count,
		.chunk_line = CHUNK_LINE_MAX };
	struct http_parser *parser = http_parser_new(true, &limits);

	if (parser != NULL)
		http_parser_expect(parser, a->is_head);
	return parser;
}

int link_carry(struct http_link *l, struct http_ask *a)
{
	l->parser = new_parser(a);
	if (l->parser == NULL || bufferevent_write(l->bev, a->head, a->head_len) < 0) {
		link_close(l);
		return -1;
	}
	if (l->connected)
		wheel_cancel(&l->timer);
	l->ask = a;
	a->link = l;
	if (a->waiting_body != NULL) {
		evbuffer_add_buffer(bufferevent_get_output(l->bev), a->waiting_body);
		evbuffer_free(a->waiting_body);
		a->waiting_body = NULL;
	}
	ask_watch(a);
	return 0;
}

void ask_write_body(struct http_ask *a, struct evbuffer *out, const uint8_t *bytes, size_t len, bool last)
{
	bool chunked = a->body_size == HTTP_BODY_UNKNOWN;

	if (len > 0 && chunked)
		evbuffer_add_printf(out, "%zx\r\n", len);
	evbuffer_add(out, bytes, len);
	if (len > 0 && chunked)
		evbuffer_add(out, "\r\n", 2);
	if (last && chunked)
		evbuffer_add(out, "0\r\n\r\n", 5);
}
