#include "proxy/http/stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/edge/tls.h"

enum {
	PIECES = 16,        /* written by one call */
	RECORD_MAX = 16384, /* bytes of a record of TLS (RFC 8446 5.1) */
};

/* ---- the event ---- */

static void on_event(evutil_socket_t fd, short what, void *arg);

/* Waits for what there is to wait for. */
static void watch(struct stream *s)
{
	short wanted = (short)(((s->wants_bytes || s->securing) && !s->ended ? EV_READ : 0) | (s->blocked ? EV_WRITE : 0));

	if (s->fd < 0 || wanted == s->watched)
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

static void drop_out(struct stream *s)
{
	if (s->out != NULL)
		evbuffer_free(s->out);
	s->out = NULL;
}

static void take_out(struct stream *s, size_t sent)
{
	evbuffer_drain(s->out, sent);
	if (evbuffer_get_length(s->out) == 0)
		drop_out(s);
}

/* ---- a plain socket ---- */

static void flush_plain(struct stream *s)
{
	struct evbuffer_iovec pieces[PIECES];

	while (s->out != NULL && !s->failed && !s->blocked) {
		int count = evbuffer_peek(s->out, -1, NULL, pieces, PIECES);
		struct msghdr m = { .msg_iov = pieces, .msg_iovlen = (size_t)(count < PIECES ? count : PIECES) };
		/* one piece is the rule, and cheaper without the header of a message */
		ssize_t sent = count == 1 ? send(s->fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT) :
			sendmsg(s->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent >= 0) {
			take_out(s, (size_t)sent);
		} else if (errno != EINTR) {
			s->blocked = errno == EAGAIN || errno == EWOULDBLOCK;
			s->failed = !s->blocked;
		}
	}
}

static ssize_t read_plain(struct stream *s, uint8_t *bytes, size_t room)
{
	ssize_t got;

	do {
		got = recv(s->fd, bytes, room, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		return got;
	s->ended = got == 0;
	if (got == 0)
		return STREAM_ENDED;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return STREAM_LATER;
	s->failed = true;
	return STREAM_FAILED;
}

/* ---- TLS ---- */

/* What a call of OpenSSL's came to that did not succeed. What it noted must not be found by the next connection. */
static ssize_t look_at_failure(struct stream *s, int result)
{
	int error = SSL_get_error(s->secure, result);
	unsigned long code = ERR_peek_error();

	ERR_clear_error();
	if (error == SSL_ERROR_WANT_WRITE)
		s->blocked = true;
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return STREAM_LATER;
	/* An end without close_notify is an end: whether the message was whole its framing says. */
	if (error == SSL_ERROR_ZERO_RETURN || (error == SSL_ERROR_SSL && tls_is_cut(code) && !s->securing)) {
		s->ended = true;
		return STREAM_ENDED;
	}
	s->failed = true;
	s->error = code;
	return STREAM_FAILED;
}

static void shake_hands(struct stream *s)
{
	int result;

	s->blocked = false;
	result = SSL_do_handshake(s->secure);
	if (result == 1)
		s->securing = false;
	else
		look_at_failure(s, result);
	watch(s);
	if (result == 1)
		s->calls->secured(s);
	else if (s->failed || s->ended)
		s->calls->readable(s);
}

/* Whole records, as far as there is so much. */
static void flush_secure(struct stream *s)
{
	while (s->out != NULL && !s->failed && !s->blocked) {
		size_t len = evbuffer_get_length(s->out), sent = 0;
		const uint8_t *bytes;
		int result;

		len = len < RECORD_MAX ? len : RECORD_MAX;
		bytes = evbuffer_pullup(s->out, (ev_ssize_t)len);
		if (bytes == NULL) {
			s->failed = true;
			return;
		}
		result = SSL_write_ex(s->secure, bytes, len, &sent);
		if (result == 1)
			take_out(s, sent);
		else if (look_at_failure(s, result) != STREAM_LATER)
			s->failed = true;
		else if (!s->blocked)
			return;
	}
}

static ssize_t read_secure(struct stream *s, uint8_t *bytes, size_t room)
{
	size_t got = 0;
	int result = SSL_read_ex(s->secure, bytes, room, &got);
	ssize_t failure;

	s->reads_blocked = false;
	if (result == 1)
		return (ssize_t)got;
	failure = look_at_failure(s, result);
	s->reads_blocked = s->blocked && failure == STREAM_LATER;
	return failure;
}

/* Says the end by TLS, too. */
static void end_secure(struct stream *s)
{
	if (!s->securing && !s->failed)
		SSL_shutdown(s->secure);
	ERR_clear_error();
}

int stream_secure(struct stream *s, SSL *ssl)
{
	s->secure = ssl;
	s->securing = true;
	SSL_set_accept_state(ssl);
	/* What could not be written is written again from where it lies by then. */
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return SSL_set_fd(ssl, s->fd) == 1 ? 0 : -1;
}

const SSL *stream_tls(const struct stream *s)
{
	return s->secure;
}

/* ---- both ---- */

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	bool reads = (what & EV_READ) != 0 || s->reads_blocked;

	(void)fd;
	if (s->securing) {
		shake_hands(s);
		return;
	}
	if (what & EV_WRITE)
		stream_flush(s);
	if (reads)
		s->calls->readable(s);
	else
		s->calls->writable(s);
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

ssize_t stream_read(struct stream *s, uint8_t *bytes, size_t room)
{
	ssize_t got;

	if (s->failed)
		return STREAM_FAILED;
	if (s->ended)
		return STREAM_ENDED;
	got = s->secure != NULL ? read_secure(s, bytes, room) : read_plain(s, bytes, room);
	if (got <= 0)
		watch(s);
	return got;
}

bool stream_has_bytes(const struct stream *s)
{
	return s->secure != NULL && !s->ended && !s->failed && SSL_pending(s->secure) > 0;
}

void stream_want(struct stream *s, bool bytes)
{
	s->wants_bytes = bytes;
	watch(s);
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
	s->blocked = false;
	if (s->secure != NULL)
		flush_secure(s);
	else
		flush_plain(s);
	watch(s);
}

size_t stream_held(const struct stream *s)
{
	return s->out != NULL ? evbuffer_get_length(s->out) : 0;
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
	if (s->watched != 0)
		event_del(&s->event);
	s->watched = 0;
	drop_out(s);
	if (s->secure != NULL && !reset)
		end_secure(s);
	SSL_free(s->secure);
	s->secure = NULL;
	if (reset)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	close(s->fd);
	s->fd = -1;
}
