#include "proxy/http/stream.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/edge/tls_socket.h"

enum {
	RECORD = 16384, /* bytes of the longest record of TLS */
};

/* ---- the socket ---- */

static void go_on_securing(struct stream *s);

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	if (s->securing) {
		go_on_securing(s);
		return;
	}
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
	bool reads = s->securing || (s->wants_bytes && !s->ended);
	short wanted = (short)((reads ? EV_READ : 0) | (s->blocked ? EV_WRITE : 0));

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

static void flush_plain(struct stream *s)
{
	s->blocked = false;
	while (stream_held(s) > 0 && !s->failed && !s->blocked) {
		ssize_t sent = send(s->fd, backlog_bytes(&s->out), stream_held(s), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			s->blocked = errno == EAGAIN || errno == EWOULDBLOCK;
			s->failed = !s->blocked;
			break;
		}
		backlog_drain(&s->out, (size_t)sent);
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

/* What a call of OpenSSL's that did not get through waits for, or what became of the connection. An end without close_notify is one of both
 * directions, as nothing can be written any more; if it came between requests, nobody minds. Returns one of STREAM_... */
static ssize_t what_failed(struct stream *s, int result)
{
	int what = SSL_get_error(s->ssl, result);
	unsigned long code = ERR_peek_last_error();

	ERR_clear_error();
	if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) {
		s->blocked = s->blocked || what == SSL_ERROR_WANT_WRITE;
		watch(s);
		return STREAM_LATER;
	}
	s->error = code;
	if (what == SSL_ERROR_ZERO_RETURN)
		s->ended = true;
	else
		s->failed = true;
	watch(s);
	return s->failed ? STREAM_FAILED : STREAM_ENDED;
}

/* OpenSSL is called for this one now, and what it noted before is not about it. */
static void take_turn(const struct stream *s)
{
	tls_socket_turn(s->fd);
	ERR_clear_error();
}

/* In TLS 1.3 we have nothing to say to the client's last word, so the kernel would wait 40 ms with its acknowledgement; and with it a client
 * that sends its request only behind that (RFC 9293 3.7.4). */
static void acknowledge(int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static void go_on_securing(struct stream *s)
{
	int result;

	take_turn(s);
	s->blocked = false;
	result = SSL_accept(s->ssl);
	if (result != 1 && what_failed(s, result) == STREAM_LATER)
		return;
	if (result != 1) {
		s->failed = true;
		s->calls->readable(s);
		return;
	}
	s->securing = false;
	acknowledge(s->fd);
	(void)tls_socket_use(s->ssl); /* else it keeps its own */
	watch(s);
	s->calls->secured(s);
}

int stream_secure(struct stream *s, SSL *ssl)
{
	s->ssl = ssl;
	s->securing = true;
	if (SSL_set_fd(ssl, s->fd) != 1)
		return -1;
	watch(s);
	return s->failed ? -1 : 0;
}

const SSL *stream_tls(const struct stream *s)
{
	return s->ssl;
}

static ssize_t read_secure(struct stream *s, uint8_t *bytes, size_t room)
{
	int got;

	if (s->ended || s->failed || s->securing)
		return s->failed ? STREAM_FAILED : s->ended ? STREAM_ENDED : STREAM_LATER;
	take_turn(s);
	got = SSL_read(s->ssl, bytes, room < RECORD ? (int)room : RECORD);
	return got > 0 ? got : what_failed(s, got);
}

/* A record at a time: what could not be written must be offered again, and be no less (SSL_write(3)). */
static void flush_secure(struct stream *s)
{
	if (s->securing)
		return;
	s->blocked = false;
	while (stream_held(s) > 0 && !s->failed && !s->blocked) {
		size_t len = stream_held(s);
		int sent;

		take_turn(s);
		sent = SSL_write(s->ssl, backlog_bytes(&s->out), (int)(len < RECORD ? len : RECORD));
		if (sent <= 0) {
			s->failed = what_failed(s, sent) != STREAM_LATER;
			break;
		}
		backlog_drain(&s->out, (size_t)sent);
	}
	watch(s);
}

/* ---- both ---- */

ssize_t stream_read(struct stream *s, uint8_t *bytes, size_t room)
{
	return s->ssl != NULL ? read_secure(s, bytes, room) : read_plain(s, bytes, room);
}

bool stream_has_bytes(const struct stream *s)
{
	return s->ssl != NULL && !s->failed && SSL_pending(s->ssl) > 0;
}

void stream_want(struct stream *s, bool bytes)
{
	if (bytes == s->wants_bytes)
		return;
	s->wants_bytes = bytes;
	watch(s);
}

void stream_write(struct stream *s, const void *bytes, size_t len)
{
	if (backlog_add(&s->out, bytes, len) < 0)
		s->dropped = true;
}

void stream_flush(struct stream *s)
{
	if (s->ssl != NULL)
		flush_secure(s);
	else
		flush_plain(s);
}

size_t stream_held(const struct stream *s)
{
	return backlog_length(&s->out);
}

/* Says so by TLS, too. What OpenSSL finds wrong with that is of no interest any more, and must not be found by others. */
static void end_secure(struct stream *s)
{
	take_turn(s);
	if (SSL_is_init_finished(s->ssl) && !s->failed)
		SSL_shutdown(s->ssl);
	ERR_clear_error();
}

void stream_finish(struct stream *s)
{
	if (s->ssl != NULL)
		end_secure(s);
	shutdown(s->fd, SHUT_WR);
}

static void stop_watching(struct stream *s)
{
	if (s->watched != 0)
		event_del(&s->event);
	s->watched = 0;
}

int stream_release(struct stream *s, SSL **ssl)
{
	int fd = s->fd;

	stop_watching(s);
	*ssl = s->ssl;
	s->ssl = NULL;
	s->fd = -1;
	return fd;
}

void stream_close(struct stream *s, bool reset)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (s->fd < 0)
		return;
	if (reset)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	backlog_drain(&s->out, stream_held(s));
	if (s->ssl != NULL && !reset)
		end_secure(s);
	SSL_free(s->ssl);
	s->ssl = NULL;
	stop_watching(s);
	close(s->fd);
	s->fd = -1;
}
