/*
 * relay - the ceiling that `make bench` divides by: the least a CoAP/UDP proxy can do for an exchange.
 *
 * A request gets a Message ID and a token of ours and goes to the next of DEVICES origins (127.1.0.1, 127.1.0.2, ...; 256
 * unless given); its response gets the client's back. Nothing is read beyond the header, nothing is kept for duplicates,
 * sent again, limited or logged. One thread, batch system calls, no waiting for a batch to fill.
 *
 *   relay PORT ORIGIN_PORT [DEVICES]
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { BATCH = 64, DATAGRAM_ROOM = 2048, DATAGRAM_MAX = 1500, OWN_TOKEN = 2, HEADER = 4 };

/* What is needed to bring a response home; its place in the table is the Message ID and the token used upstream. */
struct pending {
	struct sockaddr_in client;
	uint16_t mid;
	uint8_t type;
	uint8_t token_len;
	uint8_t token[8];
	bool open;
};

struct batch {
	uint8_t bytes[BATCH][DATAGRAM_ROOM];
	struct sockaddr_in peer[BATCH];
	struct iovec vec[BATCH];
	struct mmsghdr msg[BATCH];
};

static struct pending pending[65536];
static struct sockaddr_in fleet[65536];
static unsigned devices = 256, device;
static struct batch received, made;
static int clients_side, origins_side;

static int udp_socket_open(uint16_t port)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int bytes = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	if (bind(fd, (const struct sockaddr *)&local, sizeof local) != 0) {
		perror("relay: bind");
		exit(1);
	}
	return fd;
}

/* Writes the request `m` as it goes upstream, to be answered to `client`. Returns its length; 0: nothing is sent. */
static size_t request_relay(uint8_t *out, const uint8_t *m, size_t len, const struct sockaddr_in *client)
{
	static uint16_t last;
	size_t token_len = m[0] & 15u;
	struct pending *p;
	uint16_t id;

	if (m[1] == 0)
		return 0;
	id = ++last;
	p = &pending[id];
	*p = (struct pending){
		.client = *client,
		.mid = (uint16_t)(m[2] << 8 | m[3]),
		.type = (m[0] >> 4) & 3,
		.token_len = (uint8_t)token_len,
		.open = true,
	};
	memcpy(p->token, m + HEADER, token_len);
	out[0] = (uint8_t)((m[0] & 0xf0) | OWN_TOKEN);
	out[1] = m[1];
	out[2] = out[HEADER] = (uint8_t)(id >> 8);
	out[3] = out[HEADER + 1] = (uint8_t)id;
	memcpy(out + HEADER + OWN_TOKEN, m + HEADER + token_len, len - HEADER - token_len);
	return len - token_len + OWN_TOKEN;
}

/* Writes the response `m` as its client expects it and points *client at the client. Returns its length, or 0. */
static size_t response_relay(uint8_t *out, const uint8_t *m, size_t len, struct sockaddr_in **client)
{
	struct pending *p = &pending[m[HEADER] << 8 | m[HEADER + 1]];

	if ((m[0] & 15) != OWN_TOKEN || m[1] == 0 || !p->open)
		return 0;
	p->open = false;
	*client = &p->client;
	out[0] = (uint8_t)((p->type == 0 ? 0x60 : 0x50) | p->token_len);
	out[1] = m[1];
	out[2] = (uint8_t)(p->mid >> 8);
	out[3] = (uint8_t)p->mid;
	memcpy(out + HEADER, p->token, p->token_len);
	memcpy(out + HEADER + p->token_len, m + HEADER + OWN_TOKEN, len - HEADER - OWN_TOKEN);
	return len - OWN_TOKEN + p->token_len;
}

static int batch_receive(int fd)
{
	for (int i = 0; i < BATCH; i++) {
		received.vec[i] = (struct iovec){ received.bytes[i], DATAGRAM_MAX };
		received.msg[i].msg_hdr = (struct msghdr){
			.msg_name = &received.peer[i],
			.msg_namelen = sizeof received.peer[i],
			.msg_iov = &received.vec[i],
			.msg_iovlen = 1,
		};
	}
	return recvmmsg(fd, received.msg, BATCH, 0, NULL);
}

/* Turns what was received at `fd` into what is to be sent at the other side; returns how many datagrams. */
static unsigned batch_turn(int fd, int count)
{
	unsigned n = 0;

	for (int i = 0; i < count; i++) {
		const uint8_t *m = received.bytes[i];
		struct sockaddr_in *to = &fleet[device];
		size_t len = received.msg[i].msg_len, out_len;

		if (len < HEADER + OWN_TOKEN || (m[0] & 15) > 8 || len < HEADER + (m[0] & 15u))
			continue;
		if (fd == clients_side)
			out_len = request_relay(made.bytes[n], m, len, &received.peer[i]);
		else
			out_len = response_relay(made.bytes[n], m, len, &to);
		if (out_len == 0)
			continue;
		if (++device == devices)
			device = 0;
		made.vec[n] = (struct iovec){ made.bytes[n], out_len };
		made.msg[n].msg_hdr = (struct msghdr){
			.msg_name = to,
			.msg_namelen = sizeof *to,
			.msg_iov = &made.vec[n],
			.msg_iovlen = 1,
		};
		n++;
	}
	return n;
}

static void batch_send(int fd, unsigned count)
{
	unsigned done = 0;

	while (done < count) {
		int n = sendmmsg(fd, made.msg + done, count - done, 0);

		if (n <= 0)
			return;
		done += (unsigned)n;
	}
}

static void relay_run(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event want = { .events = EPOLLIN, .data.fd = clients_side };

	epoll_ctl(ep, EPOLL_CTL_ADD, clients_side, &want);
	want.data.fd = origins_side;
	epoll_ctl(ep, EPOLL_CTL_ADD, origins_side, &want);
	for (;;) {
		struct epoll_event ready[2];
		int n = epoll_wait(ep, ready, 2, -1);

		for (int i = 0; i < n; i++) {
			int fd = ready[i].data.fd, other = fd == clients_side ? origins_side : clients_side;

			batch_send(other, batch_turn(fd, batch_receive(fd)));
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 4)
		devices = (unsigned)atoi(argv[3]);
	if (argc < 3 || argc > 4 || devices < 1 || devices > 65535) {
		fprintf(stderr, "usage: relay PORT ORIGIN_PORT [DEVICES]\n");
		return 2;
	}
	for (unsigned i = 0; i < devices; i++)
		fleet[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2])),
			.sin_addr.s_addr = htonl(0x7f010001u + i) };
	clients_side = udp_socket_open((uint16_t)atoi(argv[1]));
	origins_side = udp_socket_open(0);
	relay_run();
}
