/* The fleet over TCP (RFC 8323): whatever has come on a connection is answered in one write. */
#include "origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, ROOM = 1 << 16, FRAME_MAX = 2048, CONNECTIONS_MAX = 1 << 16, REQUEST_MAX = 31 };
enum { CODE_CSM = 0xe1, CODE_PING = 0xe2, CODE_PONG = 0xe3 };

/* What has come and makes no frame yet. */
struct connection {
	size_t len;
	uint8_t bytes[FRAME_MAX];
};

static struct connection *connections[CONNECTIONS_MAX];
static uint8_t in[ROOM + FRAME_MAX], out[4 * ROOM];
static size_t out_len;

/* The length of the frame at `b`, that of its head before the token in *head; 0: not complete; larger than FRAME_MAX: none of ours. */
static size_t frame_measure(const uint8_t *b, size_t len, size_t *head)
{
	size_t nibble = len > 0 ? b[0] >> 4 : 0, rest = nibble;

	*head = 2 + (nibble > 12 ? nibble - 12 : 0);
	if (len < *head)
		return 0;
	if (nibble == 13)
		rest = 13u + b[1];
	else if (nibble == 14)
		rest = 269u + (size_t)(b[1] << 8 | b[2]);
	else if (nibble == 15)
		rest = FRAME_MAX;
	rest += *head + (b[0] & 15u);
	return rest <= FRAME_MAX && len < rest ? 0 : rest;
}

/* Appends a frame with `option` (0: none) and `payload_len` bytes. */
static void frame_append(uint8_t code, const uint8_t *token, size_t token_len, uint8_t option, size_t payload_len)
{
	size_t len = (option != 0) + (payload_len > 0 ? 1 + payload_len : 0);
	uint8_t *head = out + out_len;

	out_len++;
	if (len < 13) {
		*head = (uint8_t)(len << 4 | token_len);
	} else if (len < 269) {
		*head = (uint8_t)(13 << 4 | token_len);
		out[out_len++] = (uint8_t)(len - 13);
	} else {
		*head = (uint8_t)(14 << 4 | token_len);
		out[out_len++] = (uint8_t)((len - 269) >> 8);
		out[out_len++] = (uint8_t)(len - 269);
	}
	out[out_len++] = code;
	memcpy(out + out_len, token, token_len);
	out_len += token_len;
	if (option != 0)
		out[out_len++] = option;
	if (payload_len > 0) {
		out[out_len++] = 0xff;
		memset(out + out_len, 'x', payload_len);
		out_len += payload_len;
	}
}

static void frame_answer(const uint8_t *b, size_t head, bool silent, size_t payload_len)
{
	uint8_t code = b[head - 1];
	size_t token_len = b[0] & 15u;

	if (code == CODE_PING)
		frame_append(CODE_PONG, b + head, token_len, 0, 0);
	else if (code > 0 && code <= REQUEST_MAX && !silent)
		frame_append(code == CODE_POST ? CODE_CHANGED : CODE_CONTENT, b + head, token_len, code == CODE_POST ? 0x90 : 0, payload_len);
}

/* Connections are few and answers short: the socket takes them, or the peer is no use. */
static bool out_send(int fd)
{
	size_t at = 0;

	while (at < out_len) {
		ssize_t n = send(fd, out + at, out_len - at, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return false;
		if (n > 0)
			at += (size_t)n;
	}
	out_len = 0;
	return true;
}

/* Reads once and answers; false when the connection is at its end. */
static bool connection_serve(int fd, bool silent, size_t payload_len)
{
	struct connection *c = connections[fd];
	size_t at = 0, len, head, have;
	ssize_t n;

	memcpy(in, c->bytes, c->len);
	n = recv(fd, in + c->len, ROOM, 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	have = c->len + (size_t)n;
	while ((len = frame_measure(in + at, have - at, &head)) > 0) {
		if (len > FRAME_MAX)
			return false;
		frame_answer(in + at, head, silent, payload_len);
		at += len;
		if (out_len > ROOM && !out_send(fd))
			return false;
	}
	c->len = have - at;
	memcpy(c->bytes, in + at, c->len);
	return out_send(fd);
}

static void connection_accept(int ep, int listening)
{
	int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
	struct epoll_event want = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0)
		return;
	if (fd >= CONNECTIONS_MAX || (connections[fd] = calloc(1, sizeof **connections)) == NULL) {
		close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	frame_append(CODE_CSM, NULL, 0, 0, 0);
	(void)out_send(fd);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &want);
}

static int listener_open(uint16_t port)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&local, sizeof local) != 0 || listen(fd, 1024) != 0) {
		perror("origin: listen");
		exit(1);
	}
	return fd;
}

void origin_stream_run(uint16_t port, bool silent, size_t payload_len)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), listening = listener_open(port);
	struct epoll_event want = { .events = EPOLLIN, .data.fd = listening };
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	epoll_ctl(ep, EPOLL_CTL_ADD, listening, &want);
	for (;;) {
		struct epoll_event ready[EVENTS];
		int n = epoll_wait(ep, ready, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd;

			if (fd == listening) {
				connection_accept(ep, listening);
			} else if (!connection_serve(fd, silent, payload_len)) {
				out_len = 0;
				free(connections[fd]);
				connections[fd] = NULL;
				close(fd);
			}
		}
	}
}
