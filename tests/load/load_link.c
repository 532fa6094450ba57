/* A client's way to the proxy: datagrams, frames on a TCP connection (RFC 8323 section 3.2), or records of a DTLS session. */
#include "load.h"
#include "load_dtls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READS = 32, MESSAGE_ROOM = 2048, STREAM_ROOM = 1 << 16 };
enum { CODE_CSM = 0xe1, CODE_PING = 0xe2, CODE_PONG = 0xe3, CODE_SIGNALS = 0xe0 };
enum { NIBBLE_BYTE = 13, NIBBLE_SHORT = 14, LENGTH_BYTE = 13, LENGTH_SHORT = 269 };

struct load_link {
	enum load_carrier carrier;
	int fd;
	unsigned index;
	SSL *session;      /* of DTLS */
	uint8_t *in, *out; /* of TCP: STREAM_ROOM bytes each, how many are in use */
	size_t in_len, out_len;
};

int load_link_fd(const struct load_link *link)
{
	return link->fd;
}

/* ---- TCP ---- */

static int stream_open(const struct load_options *o, unsigned index)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(o->proxy_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	from.sin_addr.s_addr = htonl(load_source_address(o->source + (o->own_address ? index : 0)));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (fd < 0 || ((o->source != 0 || o->own_address) && bind(fd, (const struct sockaddr *)&from, sizeof from) != 0) ||
	    connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
		perror("load: connection of a client");
		exit(1);
	}
	return fd;
}

/* Appends a frame: `len` bytes of options and payload at `rest`. */
static bool frame_append(struct load_link *link, uint8_t code, const uint8_t *token, size_t token_len, const uint8_t *rest, size_t len)
{
	uint8_t *out = link->out + link->out_len;
	size_t at = 1;

	if (len >= LENGTH_SHORT || link->out_len + 3 + token_len + len > STREAM_ROOM)
		return false;
	out[0] = (uint8_t)((len < LENGTH_BYTE ? len : NIBBLE_BYTE) << 4 | token_len);
	if (len >= LENGTH_BYTE)
		out[at++] = (uint8_t)(len - LENGTH_BYTE);
	out[at++] = code;
	memcpy(out + at, token, token_len);
	memcpy(out + at + token_len, rest, len);
	link->out_len += at + token_len + len;
	return true;
}

/* The length of the frame at the beginning of `b`, with that of its head before the token in *head; 0: not complete. */
static size_t frame_measure(const uint8_t *b, size_t len, size_t *head)
{
	size_t nibble = len > 0 ? b[0] >> 4 : 0, rest = nibble;

	*head = 2 + (nibble == NIBBLE_BYTE ? 1u : nibble == NIBBLE_SHORT ? 2u : 0u);
	if (len < *head)
		return 0;
	if (nibble == NIBBLE_BYTE)
		rest = LENGTH_BYTE + b[1];
	else if (nibble == NIBBLE_SHORT)
		rest = LENGTH_SHORT + (size_t)(b[1] << 8 | b[2]);
	else if (nibble > NIBBLE_SHORT)
		rest = STREAM_ROOM;
	rest += *head + (b[0] & 15u);
	if (rest > MESSAGE_ROOM) {
		fputs("load: a frame larger than any that was asked for\n", stderr);
		exit(1);
	}
	return len < rest ? 0 : rest;
}

static void frame_take(struct load_link *link, const uint8_t *b, size_t len, size_t head,
	void (*take)(unsigned, const uint8_t *, size_t))
{
	uint8_t datagram[MESSAGE_ROOM + 4] = { (uint8_t)(0x40 | LOAD_NON << 4 | (b[0] & 15)), b[head - 1] };

	if (b[head - 1] == CODE_PING)
		(void)frame_append(link, CODE_PONG, b + head, b[0] & 15u, NULL, 0);
	if (b[head - 1] >= CODE_SIGNALS)
		return;
	memcpy(datagram + 4, b + head, len - head);
	take(link->index, datagram, 4 + len - head);
}

static bool stream_read(struct load_link *link, void (*take)(unsigned, const uint8_t *, size_t))
{
	ssize_t n = recv(link->fd, link->in + link->in_len, STREAM_ROOM - link->in_len, 0);
	size_t at = 0, len, head;

	if (n == 0)
		return false;
	if (n < 0)
		return errno == EAGAIN;
	link->in_len += (size_t)n;
	while ((len = frame_measure(link->in + at, link->in_len - at, &head)) > 0) {
		frame_take(link, link->in + at, len, head, take);
		at += len;
	}
	memmove(link->in, link->in + at, link->in_len - at);
	link->in_len -= at;
	return true;
}

static bool stream_flush(struct load_link *link)
{
	size_t at = 0;

	while (at < link->out_len) {
		ssize_t n = send(link->fd, link->out + at, link->out_len - at, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return false;
		at += (size_t)n;
	}
	memmove(link->out, link->out + at, link->out_len - at);
	link->out_len -= at;
	return true;
}

/* ---- DTLS ---- */

static void session_open(struct load_link *link)
{
	static SSL_CTX *context;
	int state;

	if (context == NULL)
		context = load_dtls_context();
	link->session = load_dtls_new(context, link->fd, link->index);
	while ((state = load_dtls_step(link->session)) == 0) {
		struct pollfd p = { .fd = link->fd, .events = POLLIN };

		(void)poll(&p, 1, load_dtls_patience(link->session));
	}
	if (state < 0) {
		fprintf(stderr, "load: the handshake of client %u failed\n", link->index);
		exit(1);
	}
}

static bool session_read(struct load_link *link, void (*take)(unsigned, const uint8_t *, size_t))
{
	for (unsigned i = 0; i < READS; i++) {
		uint8_t b[MESSAGE_ROOM];
		int n = SSL_read(link->session, b, sizeof b);

		if (n <= 0)
			return SSL_get_shutdown(link->session) == 0;
		if (n >= 4)
			take(link->index, b, (size_t)n);
	}
	return true;
}

/* ---- whatever it is ---- */

static bool datagrams_read(struct load_link *link, void (*take)(unsigned, const uint8_t *, size_t))
{
	for (unsigned i = 0; i < READS; i++) {
		uint8_t b[MESSAGE_ROOM];
		ssize_t len = recv(link->fd, b, sizeof b, 0);

		if (len < 4)
			break;
		take(link->index, b, (size_t)len);
	}
	return true;
}

struct load_link *load_link_open(const struct load_options *o, unsigned index)
{
	struct load_link *link = calloc(1, sizeof *link);
	bool stream = o->carrier == LOAD_TCP;

	if (link != NULL && stream) {
		link->in = malloc(STREAM_ROOM);
		link->out = malloc(STREAM_ROOM);
	}
	if (link == NULL || (stream && (link->in == NULL || link->out == NULL))) {
		fputs("load: no memory\n", stderr);
		exit(1);
	}
	link->carrier = o->carrier;
	link->index = index;
	link->fd = stream ? stream_open(o, index) : load_client_open(o, index);
	if (o->carrier == LOAD_DTLS)
		session_open(link);
	if (stream && (!frame_append(link, CODE_CSM, NULL, 0, NULL, 0) || !stream_flush(link))) {
		perror("load: CSM of a client");
		exit(1);
	}
	return link;
}

bool load_link_send(struct load_link *link, const uint8_t *datagram, size_t len)
{
	size_t token_len = datagram[0] & 15u;

	switch (link->carrier) {
	case LOAD_TCP: return frame_append(link, datagram[1], datagram + 4, token_len, datagram + 4 + token_len, len - 4 - token_len);
	case LOAD_DTLS: return SSL_write(link->session, datagram, (int)len) == (int)len;
	default: return send(link->fd, datagram, len, 0) >= 0;
	}
}

bool load_link_flush(struct load_link *link)
{
	return link->carrier != LOAD_TCP || stream_flush(link);
}

bool load_link_read(struct load_link *link, void (*take)(unsigned index, const uint8_t *datagram, size_t len))
{
	switch (link->carrier) {
	case LOAD_TCP: return stream_read(link, take);
	case LOAD_DTLS: return session_read(link, take);
	default: return datagrams_read(link, take);
	}
}
