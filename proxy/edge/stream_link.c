/* One connection of CoAP: its states and their time, its turns, what it sends, its beginning and its end (stream_link.h). */
#include "proxy/edge/stream_link.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/chain.h"
#include "base/clock.h"
#include "base/log.h"
#include "proxy/edge/stream_parts.h"
#include "proxy/edge/tls.h"

enum {
	WAITING_LEAST = 512, /* bytes of a buffer for messages that wait */
	LINGER_READ = 16384,
};

static const uint64_t stall_time = 60 * CLOCK_SECOND; /* without the peer having taken anything of what is held */

static struct {
	struct proxy *proxy;
	struct stream_sockets sockets;
	struct stream_link *due, *lingering;
} links;

struct proxy *stream_link_proxy(void)
{
	return links.proxy;
}

static const struct settings *settings(void)
{
	return &links.proxy->conf->settings;
}

/* ---- those whose turn comes ---- */

void stream_link_note_due(struct stream_link *l)
{
	if (l->due_link == NULL)
		CHAIN_ENTER(links.due, l, next_due, due_link);
}

static void forget_due(struct stream_link *l)
{
	CHAIN_LEAVE(l, next_due, due_link);
}

/* ---- states ---- */

#define TO(state) (1u << (state))

static const unsigned followers[LINK_STATES] = {
	[LINK_CONNECTING] = TO(LINK_SECURING) | TO(LINK_UPGRADING) | TO(LINK_STARTING) | TO(LINK_LAST),
	[LINK_SECURING] = TO(LINK_UPGRADING) | TO(LINK_STARTING) | TO(LINK_LAST),
	[LINK_UPGRADING] = TO(LINK_STARTING) | TO(LINK_LAST),
	[LINK_STARTING] = TO(LINK_OPEN) | TO(LINK_LAST),
	[LINK_OPEN] = TO(LINK_RELEASED) | TO(LINK_LAST),
	[LINK_RELEASED] = TO(LINK_LAST),
	[LINK_LAST] = TO(LINK_LINGER),
};

/* All that comes before a client's first message has one time, and so has all that comes before an origin can be spoken to. */
void stream_link_enter(struct stream_link *l, enum stream_link_state state)
{
	if ((followers[l->state] & TO(state)) == 0)
		log_fatal("a connection cannot go from state %u to %u", (unsigned)l->state, (unsigned)state);
	l->state = (uint8_t)state;
	if (state >= LINK_OPEN || (state == LINK_STARTING && l->to_origin))
		l->began_at = clock_now();
}

unsigned stream_link_under_way(const struct stream_link *l, bool *observed)
{
	*observed = false;
	return l->calls->under_way(l, observed);
}

/* ---- sending ---- */

void stream_link_put(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	enum stream_form form = l->websocket != NULL ? STREAM_WHOLE : STREAM_FRAMED;
	uint8_t header[STREAM_HEADER_MAX];
	size_t header_len = stream_frame_write_header(header, form, bytes, len);

	if (header_len == 0 || l->aborting || l->failure != ERR_NONE || l->state >= LINK_LAST)
		return;
	if (l->websocket != NULL) {
		(void)websocket_send(l->websocket, header, header_len, bytes + MSG_HEADER, len - MSG_HEADER);
	} else {
		stream_socket_write(&l->socket, header, header_len);
		stream_socket_write(&l->socket, bytes + MSG_HEADER, len - MSG_HEADER);
	}
	stream_link_note_due(l);
}

static void wait_for_csm(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	uint32_t size = (uint32_t)len;
	size_t wanted = l->waiting_len + sizeof size + len, room = l->waiting_room;

	if (wanted > STREAM_LINK_WAITING_MAX) {
		stream_link_end(l, ERR_OVERLOAD);
		return;
	}
	if (wanted > room) {
		uint8_t *waiting;

		room = room < WAITING_LEAST ? WAITING_LEAST : room;
		while (room < wanted)
			room *= 2;
		waiting = realloc(l->waiting, room);
		if (waiting == NULL) {
			stream_link_end(l, ERR_OVERLOAD);
			return;
		}
		l->waiting = waiting;
		l->waiting_room = (uint32_t)room;
	}
	memcpy(l->waiting + l->waiting_len, &size, sizeof size);
	memcpy(l->waiting + l->waiting_len + sizeof size, bytes, len);
	l->waiting_len = (uint32_t)wanted;
}

static void drop_waiting(struct stream_link *l)
{
	free(l->waiting);
	l->waiting = NULL;
	l->waiting_len = l->waiting_room = 0;
}

void stream_link_put_waiting(struct stream_link *l)
{
	uint32_t at = 0, size;

	while (at < l->waiting_len) {
		memcpy(&size, l->waiting + at, sizeof size);
		at += (uint32_t)sizeof size;
		if (size > stream_link_limit(l))
			l->calls->refused(l, l->waiting + at, size);
		else
			stream_link_put(l, l->waiting + at, size);
		at += size;
	}
	drop_waiting(l);
}

/* Also of what it is not asked for by anybody here: Pongs to who sends Pings and reads nothing. */
static void mind_held(struct stream_link *l)
{
	if (l->socket.held <= STREAM_LINK_HELD_MAX)
		return;
	l->reset = true;
	stream_link_end(l, ERR_OVERLOAD);
}

void stream_link_send(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	if (l->state >= LINK_LAST || l->failure != ERR_NONE || len > MSG_MAX)
		return;
	l->messaged_at = clock_now();
	if (l->state < LINK_OPEN) {
		wait_for_csm(l, bytes, len);
		return;
	}
	if (len > stream_link_limit(l)) {
		proxy_count(links.proxy, COUNT_SEND_FAILED);
		return;
	}
	stream_link_put(l, bytes, len);
	mind_held(l);
}

size_t stream_links_held(void)
{
	return links.sockets.held;
}

/* Where all of them together hold more than messages may take, everybody who holds something is slow. */
static bool is_slow(const struct stream_link *l)
{
	uint32_t least = stream_links_held() > settings()->queue_memory / links.proxy->house.count ? 0 : STREAM_LINK_SLOW;

	return l->state <= LINK_RELEASED && l->socket.held > least;
}

bool stream_link_is_slow(struct stream_link *l)
{
	if (!is_slow(l))
		return false;
	l->told_slow = true;
	return true;
}

size_t stream_link_limit(const struct stream_link *l)
{
	return l->theirs.message_size < MSG_MAX ? l->theirs.message_size : MSG_MAX;
}

/* ---- the end ---- */

void stream_link_free(struct stream_link *l)
{
	forget_due(l);
	wheel_cancel(&l->timer);
	CHAIN_LEAVE(l, next, link);
	l->calls->freed(l);
	stream_socket_close(&l->socket, l->reset);
	SSL_free(l->tls);
	websocket_free(l->websocket);
	free(l->in);
	free(l->waiting);
	free(l->host);
	free(l->name);
	free(l->proof);
	free(l);
}

void stream_link_end(struct stream_link *l, enum error e)
{
	if (l->failure == ERR_NONE && l->state < LINK_LAST)
		l->failure = (uint8_t)e;
	stream_link_note_due(l);
}

void stream_link_abort(struct stream_link *l, uint16_t bad_option, const char *why)
{
	uint8_t bytes[256];
	char peer[ENDPOINT_TEXT_MAX];

	if (l->failure != ERR_NONE || l->state >= LINK_LAST)
		return;
	if (l->state >= LINK_STARTING) {
		proxy_count(links.proxy, COUNT_ABORTS_SENT);
		log_debug("%s: aborted: %s", endpoint_format(&l->peer, peer), why);
		stream_link_put(l, bytes, signal_write_abort(bytes, sizeof bytes, bad_option, why));
		l->aborting = true;
	}
	stream_link_end(l, ERR_UNREACHABLE);
}

void stream_link_release(struct stream_link *l)
{
	uint8_t bytes[64];

	if (l->state < LINK_OPEN) {
		stream_link_end(l, ERR_UNREACHABLE);
	} else if (l->state == LINK_OPEN && l->failure == ERR_NONE) {
		stream_link_put(l, bytes, signal_write_release(bytes, sizeof bytes, NULL, 0));
		stream_link_enter(l, LINK_RELEASED);
		l->releasing = true;
		stream_link_arm(l);
		if (l->to_origin)
			stream_link_end(l, ERR_UNREACHABLE);
	}
}

static void note_failed_handshake(const struct stream_link *l)
{
	char peer[ENDPOINT_TEXT_MAX], reason[TLS_REASON_MAX];

	proxy_count(links.proxy, COUNT_CONNECTION_HANDSHAKES_FAILED);
	if (log_enabled(LOG_LEVEL_DEBUG))
		log_debug("%s: no TLS handshake: %s", endpoint_format(&l->peer, peer),
			l->socket.error != 0 ? tls_describe(l->socket.error, reason) : "the connection ended");
}

/* The owner is told; what is held goes out, unless the other end is gone. */
static void finish(struct stream_link *l)
{
	enum error e = l->failure;
	bool opening = l->state < LINK_STARTING;

	if (l->state == LINK_SECURING)
		note_failed_handshake(l);
	if (l->websocket != NULL && !opening && !l->socket.failed)
		websocket_close(l->websocket, l->aborting ? WEBSOCKET_PROTOCOL_ERROR : WEBSOCKET_NORMAL);
	stream_link_enter(l, LINK_LAST);
	l->calls->ended(l, e);
	CHAIN_LEAVE(l, next, link);
	free(l->in);
	l->in = NULL;
	drop_waiting(l);
	if (opening || l->reset || l->socket.failed) {
		stream_link_free(l);
		return;
	}
	l->write_due = l->custody_due = 0;
	l->throttled = false;
	CHAIN_ENTER(links.lingering, l, next, link);
	stream_socket_want(&l->socket, false);
	stream_link_arm(l);
	stream_link_note_due(l);
}

/* Goes on to the end. The peer who may still be sending would be reset by the kernel, perhaps before he has read what was said last. */
static void go_to_the_end(struct stream_link *l)
{
	stream_socket_flush(&l->socket);
	if (l->socket.failed || (l->socket.held == 0 && l->socket.ended)) {
		stream_link_free(l);
		return;
	}
	if (l->socket.held > 0 || l->state == LINK_LINGER)
		return;
	stream_link_enter(l, LINK_LINGER);
	stream_socket_finish(&l->socket);
	stream_socket_want(&l->socket, true);
}

static void throw_away(struct stream_link *l)
{
	static uint8_t nowhere[LINGER_READ];
	ssize_t got = stream_socket_read(&l->socket, nowhere, sizeof nowhere);

	if (got == STREAM_SOCKET_ENDED || got == STREAM_SOCKET_FAILED)
		stream_link_free(l);
}

/* ---- its turn ---- */

static void mind_writing(struct stream_link *l)
{
	stream_socket_flush(&l->socket);
	if (l->socket.failed) {
		l->reset = true;
		stream_link_end(l, ERR_UNREACHABLE);
		return;
	}
	if (l->socket.held == 0 || l->state < LINK_STARTING) {
		l->write_due = 0;
	} else if (l->write_due == 0 || l->socket.taken != l->taken) {
		l->write_due = clock_now() + stall_time;
		stream_link_arm(l);
	}
	l->taken = l->socket.taken;
	mind_held(l);
	if (l->told_slow && l->socket.held <= STREAM_LINK_SLOW / 2) {
		l->told_slow = false;
		l->calls->writable(l);
	}
}

/* Whoever is released gets answers to what he had asked; and if it was we who released him, time to close (RFC 8323 5.5). */
static bool is_finished(const struct stream_link *l)
{
	bool observed;

	return l->state == LINK_RELEASED && l->socket.held == 0 && stream_link_under_way(l, &observed) == 0 &&
		(!l->releasing || l->socket.ended || clock_now() - l->began_at >= STREAM_LINGER_TIME);
}

static void turn(struct stream_link *l)
{
	bool observed;

	if (l->custody_due != 0 && stream_link_under_way(l, &observed) == 0)
		stream_signals_end_custody(l, true);
	if (l->throttled && stream_reading_may_resume(l))
		l->throttled = false;
	stream_reading_go_on(l);
	forget_due(l);
	mind_writing(l);
	if (is_finished(l))
		stream_link_end(l, ERR_UNREACHABLE);
	if (l->failure != ERR_NONE)
		finish(l);
	else if (l->throttled)
		stream_link_arm(l);
}

bool stream_links_flush(void)
{
	bool any = links.due != NULL;

	while (links.due != NULL) {
		struct stream_link *l = links.due;

		forget_due(l);
		if (l->state >= LINK_LAST)
			go_to_the_end(l);
		else if (l->failure != ERR_NONE)
			finish(l);
		else
			turn(l);
	}
	if (any)
		stream_sockets_trim(false);
	return any;
}

/* ---- what the loop tells ---- */

static void on_readable(struct stream_socket *s)
{
	struct stream_link *l = wheel_owner(s, struct stream_link, socket);

	clock_update(); /* the loop may have slept long since the last turn */
	if (l->state == LINK_LINGER) {
		throw_away(l);
		return;
	}
	if (s->failed) {
		l->reset = l->state >= LINK_STARTING;
		stream_link_end(l, ERR_UNREACHABLE);
	} else {
		stream_reading_read(l);
		stream_link_note_due(l);
	}
}

static void on_writable(struct stream_socket *s)
{
	clock_update();
	stream_link_note_due(wheel_owner(s, struct stream_link, socket));
}

/* Towards origins a WebSocket is negotiated behind everything else. */
static void go_on(struct stream_link *l)
{
	if (l->websocket == NULL || !l->to_origin) {
		stream_link_start(l);
		return;
	}
	if (l->state != LINK_UPGRADING)
		stream_link_enter(l, LINK_UPGRADING);
	websocket_begin(l->websocket, &stream_websocket_calls, l);
	stream_link_note_due(l);
}

static void be_secured(struct stream_link *l)
{
	if (l->calls->secured(l))
		go_on(l);
	else
		stream_link_end(l, ERR_UNREACHABLE);
}

static void secure(struct stream_link *l)
{
	SSL *tls = l->tls;

	l->tls = NULL;
	if (l->state != LINK_SECURING)
		stream_link_enter(l, LINK_SECURING);
	if (stream_socket_secure(&l->socket, tls) < 0)
		stream_link_end(l, ERR_UNREACHABLE);
	else if (!l->socket.securing)
		be_secured(l);
}

static void on_ready(struct stream_socket *s)
{
	struct stream_link *l = wheel_owner(s, struct stream_link, socket);

	clock_update();
	if (l->tls != NULL)
		secure(l);
	else if (l->state == LINK_SECURING)
		be_secured(l);
	else
		go_on(l);
	stream_link_note_due(l);
}

/* ---- the beginning ---- */

void stream_link_start(struct stream_link *l)
{
	if (l->state != LINK_STARTING)
		stream_link_enter(l, LINK_STARTING);
	if (l->websocket != NULL && !l->to_origin)
		websocket_begin(l->websocket, &stream_websocket_calls, l);
	stream_signals_send_csm(l);
	stream_link_arm(l);
}

static void begin(struct stream_link *l, const struct stream_link_begin *b)
{
	if (b->connecting)
		return;
	if (b->tls != NULL && !b->is_secured) {
		secure(l);
		return;
	}
	if (b->tls != NULL) {
		stream_socket_adopt(&l->socket, b->tls);
		l->tls = NULL;
	}
	go_on(l);
}

struct stream_link *stream_link_new(const struct stream_link_begin *b)
{
	struct stream_link *l = calloc(1, sizeof *l);

	if (l == NULL || stream_socket_open(&l->socket, &links.sockets, b->fd, b->connecting) < 0) {
		if (l == NULL)
			close(b->fd);
		SSL_free(b->tls);
		websocket_free(b->websocket);
		free(l);
		return NULL;
	}
	l->calls = b->calls;
	l->timer.run = stream_time_is_due;
	l->tls = b->tls;
	l->websocket = b->websocket;
	l->peer = b->peer;
	l->local = b->local;
	l->number = b->number;
	l->to_origin = b->to_origin;
	l->began_at = l->heard_at = l->messaged_at = clock_now();
	l->state = b->connecting ? LINK_CONNECTING : b->tls != NULL && !b->is_secured ? LINK_SECURING :
		b->websocket != NULL && b->to_origin ? LINK_UPGRADING : LINK_STARTING;
	signal_settings_init(&l->theirs);
	stream_socket_write(&l->socket, b->first, b->first_len);
	stream_reading_ahead(l, b->ahead, b->ahead_len);
	begin(l, b);
	stream_link_arm(l);
	return l;
}

/* ---- all of them ---- */

void stream_links_open(struct event_base *base, struct proxy *p)
{
	links.proxy = p;
	links.sockets = (struct stream_sockets){ .base = base, .readable = on_readable, .writable = on_writable, .ready = on_ready };
}

void stream_links_close(void)
{
	while (links.lingering != NULL)
		stream_link_free(links.lingering);
	stream_sockets_trim(true);
}
