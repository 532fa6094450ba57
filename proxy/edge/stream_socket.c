#include "proxy/edge/stream_socket.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/edge/tls_socket.h"

enum {
	CHUNK = 4080,       /* bytes of one, so that it has 4 kB in all */
	CHUNKS_KEPT = 64,   /* that nobody uses, when there is little to do */
	PIECES = 20,        /* written by one call: more than what is held of an HTTP answer */
};

struct stream_chunk {
	struct stream_chunk *next;
	uint32_t begin, end;
	uint8_t bytes[CHUNK];
};

/* ---- chunks ---- */

static struct {
	struct stream_chunk *free;
	size_t kept, used, peak; /* how many: free, in use, in use at once since they were last looked at */
} chunks;

static struct stream_chunk *chunk_new(void)
{
	struct stream_chunk *c = chunks.free;

	if (c == NULL) {
		c = malloc(sizeof *c);
	} else {
		chunks.free = c->next;
		chunks.kept--;
	}
	if (c == NULL)
		return NULL;
	if (++chunks.used > chunks.peak)
		chunks.peak = chunks.used;
	c->next = NULL;
	c->begin = c->end = 0;
	return c;
}

static void chunk_free(struct stream_chunk *c)
{
	chunks.used--;
	c->next = chunks.free;
	chunks.free = c;
	chunks.kept++;
}

void stream_sockets_trim(bool all)
{
	/* What a turn has used the next may use again; what none has used for long goes one by one. */
	size_t wanted = all ? 0 : chunks.kept <= CHUNKS_KEPT || chunks.peak > chunks.kept / 2 ? chunks.kept : chunks.kept - 1;

	chunks.peak = chunks.used;
	while (chunks.kept > wanted) {
		struct stream_chunk *c = chunks.free;

		chunks.free = c->next;
		chunks.kept--;
		free(c);
	}
}

static void take_out(struct stream_socket *s, size_t len)
{
	s->held -= (uint32_t)len;
	s->taken += (uint32_t)len;
	s->of->held -= len;
	while (s->first != NULL) {
		struct stream_chunk *c = s->first;
		size_t there = c->end - c->begin;

		if (len < there) {
			c->begin += (uint32_t)len;
			return;
		}
		len -= there;
		s->first = c->next;
		if (s->first == NULL)
			s->last = NULL;
		chunk_free(c);
	}
}

void stream_socket_write(struct stream_socket *s, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		struct stream_chunk *c = s->last;
		size_t part;

		if (c == NULL || c->end == CHUNK) {
			c = chunk_new();
			if (c == NULL) {
				s->failed = true; /* what is missing in the middle cannot be made good */
				return;
			}
			if (s->last != NULL)
				s->last->next = c;
			else
				s->first = c;
			s->last = c;
		}
		part = len < CHUNK - c->end ? len : CHUNK - c->end;
		memcpy(c->bytes + c->end, at, part);
		c->end += (uint32_t)part;
		s->held += (uint32_t)part;
		s->of->held += part;
		at += part;
		len -= part;
	}
}

/* ---- the loop ---- */

static void go_on_opening(struct stream_socket *s, short what);

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct stream_socket *s = arg;

	(void)fd;
	if (s->connecting || s->securing) {
		go_on_opening(s, what);
		return;
	}
	if (what & EV_WRITE)
		stream_socket_flush(s);
	if (what & EV_READ)
		s->of->readable(s);
	else
		s->of->writable(s);
}

/* Waits for what there is to wait for. */
static void watch(struct stream_socket *s)
{
	bool reads = s->securing || (s->wants_bytes && !s->ended && !s->connecting);
	short wanted = (short)((reads ? EV_READ : 0) | (s->blocked || s->connecting ? EV_WRITE : 0));

	if (s->fd < 0 || (wanted == s->watched && !s->failed))
		return;
	if (s->watched != 0)
		event_del(&s->event);
	s->watched = 0;
	if (wanted == 0 || s->failed)
		return;
	if (event_assign(&s->event, s->of->base, s->fd, (short)(wanted | EV_PERSIST), on_event, s) < 0 || event_add(&s->event, NULL) < 0) {
		s->failed = true;
		return;
	}
	s->watched = wanted;
}

int stream_socket_open(struct stream_socket *s, struct stream_sockets *of, int fd, bool connecting)
{
	*s = (struct stream_socket){ .of = of, .fd = fd, .connecting = connecting, .wants_bytes = true };
	watch(s);
	if (!s->failed)
		return 0;
	close(fd);
	s->fd = -1;
	return -1;
}

/* ---- plain ---- */

/* Whether the call that has just failed may be made again when the loop says so. */
static bool may_be_repeated(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

static void flush_plain(struct stream_socket *s)
{
	while (s->held > 0 && !s->failed && !s->blocked) {
		struct iovec pieces[PIECES];
		struct msghdr m = { .msg_iov = pieces };
		ssize_t sent;

		for (struct stream_chunk *c = s->first; c != NULL && m.msg_iovlen < PIECES; c = c->next)
			pieces[m.msg_iovlen++] = (struct iovec){ c->bytes + c->begin, c->end - c->begin };
		/* one piece is the rule, and cheaper without the header of a message */
		sent = m.msg_iovlen == 1 ? send(s->fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT) :
			sendmsg(s->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0) {
			take_out(s, (size_t)sent);
		} else if (errno != EINTR) {
			s->blocked = may_be_repeated();
			s->failed = !s->blocked;
		}
	}
}

static ssize_t read_plain(struct stream_socket *s, uint8_t *bytes, size_t room)
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
		return STREAM_SOCKET_ENDED;
	}
	if (may_be_repeated())
		return STREAM_SOCKET_LATER;
	s->failed = true;
	watch(s);
	return STREAM_SOCKET_FAILED;
}

/* ---- TLS ---- */

/* OpenSSL is called for this one now, and what it noted before is not about it. */
static void take_turn(const struct stream_socket *s)
{
	tls_socket_turn(s->fd);
	ERR_clear_error();
}

/* What a call of OpenSSL's that did not get through waits for, or what became of the connection. Returns one of STREAM_SOCKET_... */
static ssize_t what_failed(struct stream_socket *s, int result)
{
	int what = SSL_get_error(s->ssl, result);
	unsigned long code = ERR_peek_last_error();

	ERR_clear_error();
	if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) {
		s->blocked = s->blocked || what == SSL_ERROR_WANT_WRITE;
		return STREAM_SOCKET_LATER;
	}
	s->error = (uint32_t)code;
	if (what == SSL_ERROR_ZERO_RETURN)
		s->ended = true;
	else
		s->failed = true;
	return s->failed ? STREAM_SOCKET_FAILED : STREAM_SOCKET_ENDED;
}

static ssize_t read_secure(struct stream_socket *s, uint8_t *bytes, size_t room)
{
	ssize_t got;

	take_turn(s);
	got = SSL_read(s->ssl, bytes, room < STREAM_SOCKET_RECORD ? (int)room : STREAM_SOCKET_RECORD);
	if (got > 0)
		return got;
	got = what_failed(s, (int)got);
	watch(s);
	return got;
}

/* What leaves in one record. */
static const uint8_t *gather(const struct stream_socket *s, size_t *len)
{
	static uint8_t record[STREAM_SOCKET_RECORD];

	*len = s->first->end - s->first->begin;
	if (s->first->next == NULL)
		return s->first->bytes + s->first->begin;
	*len = 0;
	for (const struct stream_chunk *c = s->first; c != NULL && *len < STREAM_SOCKET_RECORD; c = c->next) {
		size_t there = c->end - c->begin, part = there < STREAM_SOCKET_RECORD - *len ? there : STREAM_SOCKET_RECORD - *len;

		memcpy(record + *len, c->bytes + c->begin, part);
		*len += part;
	}
	return record;
}

/* A record at a time: what could not be written must be offered again, and be no less (SSL_write(3)). */
static void flush_secure(struct stream_socket *s)
{
	while (s->held > 0 && !s->failed && !s->blocked) {
		size_t len;
		const uint8_t *bytes = gather(s, &len);
		int sent;

		take_turn(s);
		sent = SSL_write(s->ssl, bytes, (int)len);
		if (sent > 0)
			take_out(s, (size_t)sent);
		else if (what_failed(s, sent) != STREAM_SOCKET_LATER)
			s->failed = true; /* an end of both directions: nothing can be written any more */
		else if (!s->blocked)
			break; /* it must read first, and does so when there is something */
	}
}

/* ---- opening ---- */

/* In TLS 1.3 we have nothing to say to a client's last word, so the kernel would wait 40 ms with its acknowledgement; and with it a client
 * that sends its request only behind that (RFC 9293 3.7.4). */
static void acknowledge(int fd)
{
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static bool is_connected(struct stream_socket *s, short what)
{
	int error = 0;
	socklen_t len = sizeof error;

	if ((what & EV_WRITE) == 0)
		return false;
	s->connecting = false;
	s->failed = getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0;
	return !s->failed;
}

static bool is_secured(struct stream_socket *s)
{
	int result;

	take_turn(s);
	s->blocked = false;
	result = SSL_do_handshake(s->ssl);
	if (result == 1) {
		s->securing = false;
		acknowledge(s->fd);
		(void)tls_socket_use(s->ssl); /* else it keeps its own */
		return true;
	}
	if (what_failed(s, result) != STREAM_SOCKET_LATER)
		s->failed = true;
	return false;
}

static void go_on_opening(struct stream_socket *s, short what)
{
	bool ready = s->connecting ? is_connected(s, what) : is_secured(s);

	watch(s);
	if (s->failed)
		s->of->readable(s);
	else if (ready)
		s->of->ready(s);
}

int stream_socket_secure(struct stream_socket *s, SSL *ssl)
{
	s->ssl = ssl;
	s->securing = true;
	if (SSL_set_fd(ssl, s->fd) != 1)
		return -1;
	if (SSL_is_server(ssl)) {
		SSL_set_accept_state(ssl);
	} else {
		/* A client has the first word, for which no event is needed; a server that is near may have answered before the call returns. */
		SSL_set_connect_state(ssl);
		if (!is_secured(s) && s->failed)
			return -1;
	}
	watch(s);
	return s->failed ? -1 : 0;
}

void stream_socket_adopt(struct stream_socket *s, SSL *ssl)
{
	s->ssl = ssl;
}

/* ---- both ---- */

ssize_t stream_socket_read(struct stream_socket *s, uint8_t *bytes, size_t room)
{
	if (s->failed)
		return STREAM_SOCKET_FAILED;
	if (s->ended)
		return STREAM_SOCKET_ENDED;
	if (s->connecting || s->securing)
		return STREAM_SOCKET_LATER;
	return s->ssl != NULL ? read_secure(s, bytes, room) : read_plain(s, bytes, room);
}

bool stream_socket_has_bytes(const struct stream_socket *s)
{
	return s->ssl != NULL && !s->failed && !s->securing && SSL_pending(s->ssl) > 0;
}

void stream_socket_want(struct stream_socket *s, bool bytes)
{
	if (bytes == s->wants_bytes)
		return;
	s->wants_bytes = bytes;
	watch(s);
}

void stream_socket_flush(struct stream_socket *s)
{
	if (s->connecting || s->securing || s->fd < 0)
		return;
	s->blocked = false;
	if (s->ssl != NULL)
		flush_secure(s);
	else
		flush_plain(s);
	watch(s);
}

/* Says so by TLS, too. What OpenSSL finds wrong with that is of no interest any more, and must not be found by others. */
static void end_secure(struct stream_socket *s)
{
	take_turn(s);
	if (SSL_is_init_finished(s->ssl) && !s->failed)
		SSL_shutdown(s->ssl);
	ERR_clear_error();
}

void stream_socket_finish(struct stream_socket *s)
{
	if (s->ssl != NULL)
		end_secure(s);
	shutdown(s->fd, SHUT_WR);
}

static void stop_watching(struct stream_socket *s)
{
	if (s->watched != 0)
		event_del(&s->event);
	s->watched = 0;
}

int stream_socket_release(struct stream_socket *s, SSL **ssl)
{
	int fd = s->fd;

	stop_watching(s);
	*ssl = s->ssl;
	s->ssl = NULL;
	s->fd = -1;
	return fd;
}

void stream_socket_close(struct stream_socket *s, bool reset)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (s->fd < 0)
		return;
	take_out(s, s->held);
	if (reset)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	else if (s->ssl != NULL)
		end_secure(s);
	SSL_free(s->ssl);
	s->ssl = NULL;
	stop_watching(s);
	close(s->fd);
	s->fd = -1;
}
