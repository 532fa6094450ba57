#include "proxy/http/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECES = 16 /* written by one call */ };

/* ---- a plain socket ---- */

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	if (what & EV_WRITE)
		stream_flush(s);
	if (what & EV_READ)
		s->calls->readable(s);
	else
		s->calls->writable(s);
}

/* Waits for what there is to wait for. */
static void watch(struct stream *s)
{
	short wanted = (short)((s->wants_bytes && !s->ended ? EV_READ : 0) | (s->blocked ? EV_WRITE : 0));

	if (s->secure != NULL || s->fd < 0 || wanted == s->watched)
		return;
	if (s->watched != 0)
		event_del(&s->event);
	s->watched = 0;
	if (wanted == 0 || s->failed)
		return;
	if (event_assign(&s->event, s->base, s->fd, (short)(wanted | EV_PERSIST), on_event, s) < 0 || event_add(&s->event, NULL) < 0) {
		s->failed = true;
		return;
	}
	s->watched = wanted;
}

int stream_open(struct stream *s, struct event_base *base, int fd, const struct stream_calls *calls)
{
	*s = (struct stream){ .calls = calls, .base = base, .fd = fd, .wants_bytes = true };
	watch(s);
	if (!s->failed)
		return 0;
	close(fd);
	s->fd = -1;
	return -1;
}

static void drop_out(struct stream *s)
{
	if (s->out != NULL)
		evbuffer_free(s->out);
	s->out = NULL;
}

static void flush_plain(struct stream *s)
{
	struct evbuffer_iovec pieces[PIECES];

	s->blocked = false;
	while (s->out != NULL && !s->failed && !s->blocked) {
		int count = evbuffer_peek(s->out, -1, NULL, pieces, PIECES);
		struct msghdr m = { .msg_iov = pieces, .msg_iovlen = (size_t)(count < PIECES ? count : PIECES) };
		/* one piece is the rule, and cheaper without the header of a message */
		ssize_t sent = count == 1 ? send(s->fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT) :
			sendmsg(s->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			s->blocked = errno == EAGAIN || errno == EWOULDBLOCK;
			s->failed = !s->blocked;
			break;
		}
		evbuffer_drain(s->out, (size_t)sent);
		if (evbuffer_get_length(s->out) == 0)
			drop_out(s);
	}
	watch(s);
}

static ssize_t read_plain(struct stream *s, uint8_t *bytes, size_t room)
{
	ssize_t got;

	do {
		got = recv(s->fd, bytes, room, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		return got;
	if (got == 0) {
		s->ended = true;
		watch(s);
		return STREAM_ENDED;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return STREAM_LATER;
	s->failed = true;
	return STREAM_FAILED;
}

/* ---- TLS ---- */

/* All of these are deferred by libevent until what was called has returned. */
static void on_secure_readable(struct bufferevent *b, void *arg)
{
	struct stream *s = arg;

	(void)b;
	s->calls->readable(s);
}

static void on_secure_writable(struct bufferevent *b, void *arg)
{
	struct stream *s = arg;

	(void)b;
	s->calls->writable(s);
}

/* An end without close_notify is an end: whether the message was whole its framing says. */
static void on_secure_event(struct bufferevent *b, short what, void *arg)
{
	struct stream *s = arg;

	(void)b;
	if (what & BEV_EVENT_CONNECTED) {
		s->calls->secured(s);
		return;
	}
	if (what & BEV_EVENT_EOF)
		s->ended = true;
	else
		s->failed = true;
	s->error = bufferevent_get_openssl_error(b);
	s->calls->readable(s);
}

int stream_secure(struct stream *s, SSL *ssl)
{
	if (s->watched != 0)
		event_del(&s->event);
	s->watched = 0;
	s->secure = bufferevent_openssl_socket_new(s->base, s->fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
		BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (s->secure == NULL) {
		SSL_free(ssl);
		return -1;
	}
	bufferevent_openssl_set_allow_dirty_shutdown(s->secure, 1);
	bufferevent_setcb(s->secure, on_secure_readable, on_secure_writable, on_secure_event, s);
	bufferevent_setwatermark(s->secure, EV_READ, 0, STREAM_SECURE_HELD);
	/* Told of any progress, not only of the end. */
	bufferevent_setwatermark(s->secure, EV_WRITE, SIZE_MAX / 2, 0);
	return bufferevent_enable(s->secure, EV_READ | EV_WRITE);
}

const SSL *stream_tls(const struct stream *s)
{
	return s->secure != NULL ? bufferevent_openssl_get_ssl(s->secure) : NULL;
}

static ssize_t read_secure(struct stream *s, uint8_t *bytes, size_t room)
{
	size_t got = bufferevent_read(s->secure, bytes, room);

	if (got > 0)
		return (ssize_t)got;
	s->end_told = s->ended;
	return s->failed ? STREAM_FAILED : s->ended ? STREAM_ENDED : STREAM_LATER;
}

static void flush_secure(struct stream *s)
{
	if (s->out == NULL || s->failed)
		return;
	if (bufferevent_write_buffer(s->secure, s->out) < 0)
		s->failed = true;
	drop_out(s);
}

/* ---- both ---- */

ssize_t stream_read(struct stream *s, uint8_t *bytes, size_t room)
{
	return s->secure != NULL ? read_secure(s, bytes, room) : read_plain(s, bytes, room);
}

bool stream_has_bytes(const struct stream *s)
{
	return s->secure != NULL && (evbuffer_get_length(bufferevent_get_input(s->secure)) > 0 || (s->ended && !s->end_told));
}

void stream_want(struct stream *s, bool bytes)
{
	if (bytes == s->wants_bytes)
		return;
	s->wants_bytes = bytes;
	if (s->secure == NULL)
		watch(s);
	else if (bytes)
		bufferevent_enable(s->secure, EV_READ);
	else
		bufferevent_disable(s->secure, EV_READ);
}

void stream_write(struct stream *s, const void *bytes, size_t len)
{
	if (s->out == NULL)
		s->out = evbuffer_new();
	if (s->out == NULL || evbuffer_add(s->out, bytes, len) < 0)
		s->dropped = true;
}

void stream_flush(struct stream *s)
{
	if (s->secure != NULL)
		flush_secure(s);
	else
		flush_plain(s);
}

size_t stream_held(const struct stream *s)
{
	size_t held = s->out != NULL ? evbuffer_get_length(s->out) : 0;

	return s->secure != NULL ? held + evbuffer_get_length(bufferevent_get_output(s->secure)) : held;
}

/* Says so by TLS, too. What OpenSSL finds wrong with that is of no interest any more, and must not be found by others. */
static void end_secure(struct stream *s)
{
	SSL *ssl = bufferevent_openssl_get_ssl(s->secure);

	if (SSL_is_init_finished(ssl) && !s->failed)
		SSL_shutdown(ssl);
	ERR_clear_error();
}

void stream_finish(struct stream *s)
{
	if (s->secure != NULL)
		end_secure(s);
	shutdown(s->fd, SHUT_WR);
}

void stream_close(struct stream *s, bool reset)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (s->fd < 0)
		return;
	if (reset)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	drop_out(s);
	if (s->secure != NULL) {
		if (!reset)
			end_secure(s);
		bufferevent_setcb(s->secure, NULL, NULL, NULL, NULL);
		bufferevent_free(s->secure);
	} else {
		if (s->watched != 0)
			event_del(&s->event);
		close(s->fd);
	}
	s->secure = NULL;
	s->watched = 0;
	s->fd = -1;
}
