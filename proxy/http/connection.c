/* One connection: its states and their time, its turns, its beginning and its end (connection.h). */
#include "proxy/http/connection.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/edge/accepting.h"
#include "proxy/edge/tls.h"
#include "proxy/http/connection_parts.h"
#include "proxy/http/proxy_protocol.h"

enum { ROOM_AGAIN = BLOCKS_HELD / 2 /* an answer that found no room goes on when no more than this is held */ };

static const uint64_t linger_time = 2 * CLOCK_SECOND;

/* ---- states ---- */

#define TO(state) (1u << (state))

static const unsigned followers[CONNECTION_STATES] = {
	[CONNECTION_PREFIX] = TO(CONNECTION_SECURING) | TO(CONNECTION_IDLE),
	[CONNECTION_SECURING] = TO(CONNECTION_IDLE),
	[CONNECTION_IDLE] = TO(CONNECTION_HEAD) | TO(CONNECTION_LAST),
	[CONNECTION_HEAD] = TO(CONNECTION_REQUEST) | TO(CONNECTION_LAST),
	[CONNECTION_REQUEST] = TO(CONNECTION_IDLE) | TO(CONNECTION_REST) | TO(CONNECTION_LAST) | TO(CONNECTION_HANDOVER),
	[CONNECTION_REST] = TO(CONNECTION_IDLE) | TO(CONNECTION_LAST),
	[CONNECTION_LAST] = TO(CONNECTION_LINGER),
};

static const struct settings *settings_of(const struct http_connection *c)
{
	return &c->proxy->conf->settings;
}

void http_connection_wait(struct http_connection *c)
{
	const struct settings *s = settings_of(c);
	uint64_t wait = 0;

	switch ((enum connection_state)c->state) {
	case CONNECTION_PREFIX:
	case CONNECTION_SECURING:
	case CONNECTION_HEAD:
		wait = s->http_head_timeout;
		break;
	case CONNECTION_IDLE:
		wait = s->http_idle_timeout;
		break;
	case CONNECTION_REQUEST:
		/* A client that waits for 100 Continue is not late. */
		wait = c->body_ended || (c->expects && !c->continued && !c->body_begun) ? 0 : s->http_body_timeout;
		break;
	case CONNECTION_REST:
		wait = s->http_body_timeout;
		break;
	case CONNECTION_LINGER:
		wait = linger_time;
		break;
	default:
		break;
	}
	c->read_due = wait > 0 ? clock_now() + wait : 0;
}

void http_connection_enter(struct http_connection *c, enum connection_state state)
{
	if ((followers[c->state] & TO(state)) == 0)
		log_fatal("a connection cannot go from state %u to %u", (unsigned)c->state, (unsigned)state);
	c->state = (uint8_t)state;
	http_connection_wait(c);
}

/* The timer is set for what may be due first, and looks again when it runs: it is seldom moved. */
static void arm(struct http_connection *c)
{
	uint64_t due = c->read_due;

	if (c->write_due != 0 && (due == 0 || c->write_due < due))
		due = c->write_due;
	if (due != 0 && (!wheel_timer_is_set(&c->timer) || c->timer.due > due))
		wheel_set(c->proxy->wheel, &c->timer, due);
}

/* ---- the end ---- */

void http_connection_free_buffer(struct evbuffer **b)
{
	if (*b != NULL)
		evbuffer_free(*b);
	*b = NULL;
}

void http_connection_enter_last(struct http_connection *c)
{
	http_reading_end(c, false);
	c->closing = true;
	http_connection_enter(c, CONNECTION_LAST);
	http_server_note_due(c);
}

static void note_failed_handshake(const struct http_connection *c)
{
	char peer[ENDPOINT_TEXT_MAX], reason[TLS_REASON_MAX];

	proxy_count(c->proxy, COUNT_HTTP_HANDSHAKES_FAILED);
	if (log_enabled(LOG_LEVEL_DEBUG))
		log_debug("%s: no TLS handshake: %s", endpoint_format(&c->peer, peer),
			c->socket.error != 0 ? tls_describe(c->socket.error, reason) : "the connection ended");
}

static void destroy(struct http_connection *c, bool reset, bool stalled)
{
	struct http_request *r = c->request;

	if (!reset)
		stream_socket_flush(&c->socket);
	if (c->state == CONNECTION_SECURING)
		note_failed_handshake(c);
	c->request = NULL;
	c->written -= c->socket.held; /* it is lost */
	c->answer_ended = true;
	if (r != NULL)
		http_request_gone(r, stalled);
	if (c->taker != NULL)
		c->taker(c->taken_with, -1, NULL, NULL, 0);
	http_server_forget(c);
	peer_counts_leave(c->count);
	wheel_cancel(&c->timer);
	http_reading_forget_gathered(c);
	http_reading_end(c, false);
	http_connection_free_buffer(&c->in);
	http_connection_free_buffer(&c->body);
	stream_socket_close(&c->socket, reset);
	free(c);
}

void http_connection_destroy(struct http_connection *c, bool reset)
{
	destroy(c, reset, false);
}

/* A client that may still be sending would be reset by the kernel, perhaps before it has read the answer (RFC 9112 9.6). Returns whether
 * the connection is still there. */
static bool finish(struct http_connection *c)
{
	if (c->reset || c->peer_ended || c->client_closing) {
		destroy(c, c->reset, false);
		return false;
	}
	stream_socket_finish(&c->socket);
	c->thrown_away = 0;
	http_connection_free_buffer(&c->in);
	http_connection_enter(c, CONNECTION_LINGER);
	return true;
}

/* ---- before the first request ---- */

/* Goes on to TLS, or to requests. Returns whether the connection is still there. */
static bool begin_requests(struct http_connection *c)
{
	enum connection_state state = c->is_secure ? CONNECTION_SECURING : CONNECTION_IDLE;
	SSL *ssl;

	if (c->state != state)
		http_connection_enter(c, state);
	if (!c->is_secure)
		return true;
	ssl = tls_accept(c->slot);
	if (ssl != NULL && stream_socket_secure(&c->socket, ssl) == 0)
		return true;
	destroy(c, true, false);
	return false;
}

static bool take_prefix(struct http_connection *c, const uint8_t *bytes, size_t len)
{
	struct proxy_protocol h;

	if (proxy_protocol_parse(&h, bytes, len) < 0) {
		proxy_count(c->proxy, COUNT_HTTP_BAD_REQUESTS);
		return false;
	}
	http_connection_free_buffer(&c->in);
	if (!h.told)
		return true;
	c->peer = h.source;
	memcpy(c->local.addr, h.target.addr, sizeof c->local.addr);
	c->local.ifindex = 0;
	c->local_port = h.target.port;
	if (http_server_admit(c))
		return true;
	if (!c->is_secure)
		http_server_send_refusal(c->socket.fd);
	return false;
}

/* Reads no byte beyond the header: what follows may be TLS. Returns whether the connection is still there. */
static bool read_prefix(struct http_connection *c)
{
	uint8_t bytes[PROXY_PROTOCOL_MAX];
	size_t have = 0, whole;
	ssize_t got;

	if (c->in != NULL) {
		have = evbuffer_get_length(c->in);
		evbuffer_remove(c->in, bytes, have);
	}
	for (;;) {
		whole = proxy_protocol_length(bytes, have);
		if (whole == 0)
			proxy_count(c->proxy, COUNT_HTTP_BAD_REQUESTS);
		if (whole == 0 || (whole == have && !take_prefix(c, bytes, have)))
			break;
		if (whole == have)
			return begin_requests(c);
		got = stream_socket_read(&c->socket, bytes + have, whole - have);
		if (got == STREAM_SOCKET_LATER && http_reading_hold(c, bytes, have) == 0)
			return true;
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	destroy(c, true, false);
	return false;
}

/* ---- what the loop tells ---- */

static void on_readable(struct stream_socket *s)
{
	struct http_connection *c = wheel_owner(s, struct http_connection, socket);

	if (http_reading_gather(c))
		return;
	clock_update(); /* the loop may have slept long since the last turn */
	http_reading_settle(c);
	switch ((enum connection_state)c->state) {
	case CONNECTION_PREFIX:
		if (!read_prefix(c))
			return;
		break;
	case CONNECTION_LINGER:
		http_reading_throw_away(c);
		break;
	case CONNECTION_LAST:
		break;
	default:
		http_reading_read(c);
	}
	http_server_note_due(c);
}

static void on_writable(struct stream_socket *s)
{
	clock_update();
	http_server_note_due(wheel_owner(s, struct http_connection, socket));
}

static void on_secured(struct stream_socket *s)
{
	struct http_connection *c = wheel_owner(s, struct http_connection, socket);

	clock_update();
	http_connection_enter(c, CONNECTION_IDLE);
	http_server_note_due(c);
}

static struct stream_sockets sockets = { .readable = on_readable, .writable = on_writable, .ready = on_secured };

void http_connections_open(struct event_base *base)
{
	sockets.base = base;
}

/* ---- time ---- */

/* The client has not sent in time what was waited for. */
static void be_late(struct http_connection *c)
{
	c->read_due = 0;
	switch ((enum connection_state)c->state) {
	case CONNECTION_HEAD:
		http_reading_refuse(c, 408, "The request did not come in time.");
		break;
	case CONNECTION_REQUEST:
	case CONNECTION_REST:
		http_reading_fail(c, 408);
		http_server_note_due(c);
		break;
	case CONNECTION_PREFIX:
	case CONNECTION_SECURING:
		proxy_count(c->proxy, COUNT_HTTP_TIMEOUTS);
		destroy(c, true, false);
		break;
	default:
		destroy(c, false, false);
	}
}

static void on_time(struct wheel_timer *t)
{
	struct http_connection *c = wheel_owner(t, struct http_connection, timer);
	uint64_t now = clock_now();

	http_reading_take_gathered(); /* it may have come just in time */
	http_reading_settle(c);
	if (c->write_due != 0 && c->write_due <= now) {
		proxy_count(c->proxy, COUNT_HTTP_TIMEOUTS);
		destroy(c, true, true);
	} else if (c->read_due != 0 && c->read_due <= now) {
		be_late(c);
	} else {
		arm(c);
	}
}

/* ---- its turn ---- */

/* The client sends nothing more. What it has asked for whole is answered all the same. Returns whether the connection is still there. */
static bool mind_the_end(struct http_connection *c)
{
	bool is_over = false;

	if (!c->peer_ended)
		return true;
	switch ((enum connection_state)c->state) {
	case CONNECTION_REQUEST:
		is_over = !c->body_ended || c->ends_with_peer;
		break;
	case CONNECTION_IDLE:
	case CONNECTION_HEAD:
	case CONNECTION_REST:
		if (c->in == NULL)
			http_connection_enter_last(c);
		break;
	case CONNECTION_LAST:
		break;
	default:
		is_over = true;
	}
	if (is_over)
		destroy(c, false, false);
	return !is_over;
}

/* Where the kernel takes no more it says when it does again. */
void http_connection_send(struct http_connection *c)
{
	if (c->socket.held > 0 && !c->socket.blocked)
		stream_socket_flush(&c->socket);
}

/* Sends what is held. A client that takes nothing of it may do so for a while. Returns whether the connection is still there. */
static bool send_held(struct http_connection *c)
{
	size_t held;
	uint64_t sent;

	http_connection_send(c);
	if (c->socket.failed) {
		destroy(c, true, false);
		return false;
	}
	held = c->socket.held;
	sent = c->written - held;
	if (held == 0)
		c->write_due = 0;
	else if (sent > c->sent || c->write_due == 0)
		c->write_due = clock_now() + settings_of(c)->http_stall;
	c->sent = sent;
	if (c->request != NULL && !c->answer_ended && c->room_asked && held <= ROOM_AGAIN) {
		c->room_asked = false;
		http_request_writable(c->request);
	}
	return c->state != CONNECTION_LAST || held > 0 || finish(c);
}

/* Reads from the client while there is room for what it sends. */
static void watch(struct http_connection *c)
{
	bool wants = c->state != CONNECTION_LAST && http_reading_has_room(c);

	if (wants == c->socket.wants_bytes)
		return;
	stream_socket_want(&c->socket, wants);
	if (c->state != CONNECTION_REQUEST)
		return;
	if (wants)
		http_connection_wait(c);
	else
		c->read_due = 0; /* it is not the client who is slow */
}

/* ---- another protocol ---- */

void http_connection_hand_over(struct http_connection *c, http_connection_taker *take, void *with)
{
	http_connection_enter(c, CONNECTION_HANDOVER);
	c->taker = take;
	c->taken_with = with;
	c->answer_ended = true;
	http_server_note_due(c);
}

static void hand_over(struct http_connection *c)
{
	http_connection_taker *take = c->taker;
	uint8_t *ahead = NULL;
	size_t len = 0;
	SSL *ssl;
	int fd;

	if (!send_held(c))
		return;
	if (c->socket.held > 0) {
		watch(c);
		arm(c);
		return;
	}
	if (c->in != NULL) {
		len = evbuffer_get_length(c->in);
		ahead = evbuffer_pullup(c->in, -1);
	}
	if (c->in == NULL || ahead != NULL) {
		c->taker = NULL;
		fd = stream_socket_release(&c->socket, &ssl);
		take(c->taken_with, fd, ssl, ahead, len);
	}
	destroy(c, false, false);
}

void http_connection_turn(struct http_connection *c)
{
	if (c->state == CONNECTION_HANDOVER) {
		hand_over(c);
		return;
	}
	http_reading_go_on(c);
	if (!mind_the_end(c) || !send_held(c))
		return;
	if ((c->state == CONNECTION_IDLE || (c->state == CONNECTION_REQUEST && c->body_ended)) && c->in == NULL)
		http_reading_end(c, true);
	watch(c);
	arm(c);
	if (http_reading_may_go_on(c))
		http_server_note_due(c);
}

/* ---- its beginning and its end ---- */

struct http_connection *http_connection_new(struct proxy *p, const struct listener *l, int fd, const struct endpoint *peer,
	struct peer_count *count)
{
	struct http_connection *c = calloc(1, sizeof *c);

	if (c == NULL || stream_socket_open(&c->socket, &sockets, fd, false) < 0)
		goto fail;
	c->proxy = p;
	c->timer.run = on_time;
	c->slot = (uint8_t)l->slot;
	c->is_secure = l->scheme == URI_HTTPS;
	c->count = count;
	c->peer = *peer;
	accepting_local(c->socket.fd, &c->local, &c->local_port);
	c->state = l->proxy_protocol ? CONNECTION_PREFIX : c->is_secure ? CONNECTION_SECURING : CONNECTION_IDLE;
	http_connection_wait(c);
	return l->proxy_protocol || begin_requests(c) ? c : NULL;
fail:
	if (c == NULL)
		close(fd);
	free(c);
	peer_counts_leave(count);
	return NULL;
}

void http_connection_end(struct http_connection *c, bool at_end)
{
	c->closing = true;
	switch ((enum connection_state)c->state) {
	case CONNECTION_PREFIX:
	case CONNECTION_SECURING:
		destroy(c, true, false);
		break;
	case CONNECTION_IDLE:
		if (c->in == NULL && c->socket.held == 0)
			destroy(c, false, false);
		else
			http_connection_enter_last(c);
		break;
	case CONNECTION_REQUEST:
		if (at_end && c->request != NULL)
			http_request_drain(c->request);
		break;
	default: /* it ends as it is */
		break;
	}
}

/* ---- what request.c asks ---- */

const struct endpoint *http_connection_peer(const struct http_connection *c)
{
	return &c->peer;
}

const struct local_address *http_connection_local(const struct http_connection *c)
{
	return &c->local;
}

uint16_t http_connection_local_port(const struct http_connection *c)
{
	return c->local_port;
}

unsigned http_connection_slot(const struct http_connection *c)
{
	return c->slot;
}

struct proxy *http_connection_proxy(const struct http_connection *c)
{
	return c->proxy;
}

bool http_connection_is_fresh(const struct http_connection *c)
{
	return c->written_before == 0;
}

const SSL *http_connection_tls(const struct http_connection *c)
{
	return c->socket.ssl;
}

struct evbuffer *http_connection_body(struct http_connection *c)
{
	return c->body != NULL ? c->body : http_server_nothing();
}

void http_connection_body_taken(struct http_connection *c)
{
	if (!c->socket.wants_bytes)
		http_server_note_due(c);
}

bool http_connection_body_ended(const struct http_connection *c)
{
	return c->body_ended;
}

void http_connection_close_behind(struct http_connection *c)
{
	c->closing = true;
}

void http_connection_end_with_client(struct http_connection *c)
{
	c->ends_with_peer = true;
	if (c->peer_ended)
		http_server_note_due(c);
}
