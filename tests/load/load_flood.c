/*
 * A flood of sources that never read an answer, as if their addresses were forged.
 *
 * PORTS sockets are bound to a port on every address; each datagram names its source address (IP_PKTINFO), so that a few
 * sockets are any number of endpoints. What comes back ends in their small receive buffers: no ICMP error betrays them.
 */
#include "load.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORTS = 16, BATCH = 64, SOURCES_FROM = 0x200000 /* 127.34.0.0: apart from the clients of other runs */ };

struct control {
	_Alignas(struct cmsghdr) uint8_t space[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

static uint8_t bytes[BATCH][LOAD_DATAGRAM_MAX];
static struct control control[BATCH];
static struct iovec vec[BATCH];
static struct mmsghdr msg[BATCH];
static uint64_t sent, unsent;

static int source_port_open(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), small = 2048, large = 1 << 20;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any) != 0) {
		perror("load: source port");
		exit(1);
	}
	return fd;
}

static void source_set(struct control *c, uint32_t address)
{
	struct cmsghdr *h = (struct cmsghdr *)(void *)c->space;
	struct in_pktinfo from = { .ipi_spec_dst.s_addr = htonl(address) };

	h->cmsg_level = IPPROTO_IP;
	h->cmsg_type = IP_PKTINFO;
	h->cmsg_len = CMSG_LEN(sizeof from);
	memcpy(CMSG_DATA(h), &from, sizeof from);
}

/* Batch number `b` leaves by port b % PORTS, from the next addresses in turn of that port. */
static void batch_send(const int *fds, uint64_t b, const struct load_options *o, const struct load_request *requests,
	struct sockaddr_in *to)
{
	unsigned addresses = (o->clients + PORTS - 1) / PORTS, done = 0;

	for (unsigned i = 0; i < BATCH; i++) {
		uint64_t turn = b / PORTS * BATCH + i;
		unsigned address = (unsigned)(turn % addresses);
		uint16_t mid = (uint16_t)(turn / addresses + address * 7);

		source_set(&control[i], load_source_address(SOURCES_FROM + o->source + address));
		vec[i].iov_base = bytes[i];
		vec[i].iov_len = load_request_write(bytes[i], o, &requests[turn % o->devices], mid, (uint32_t)turn);
		msg[i].msg_hdr = (struct msghdr){ .msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &vec[i], .msg_iovlen = 1,
			.msg_control = &control[i], .msg_controllen = sizeof control[i] };
	}
	while (done < BATCH) {
		int n = sendmmsg(fds[b % PORTS], msg + done, BATCH - done, 0);

		if (n <= 0)
			break;
		done += (unsigned)n;
	}
	sent += done;
	unsent += BATCH - done;
}

int load_flood_run(const struct load_options *o)
{
	struct load_request *requests = load_requests_new(o);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(o->proxy_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint64_t start = load_now(), end = start + (uint64_t)(o->seconds * 1e9), now, batches = 0;
	uint64_t endpoints = (uint64_t)((o->clients + PORTS - 1) / PORTS) * PORTS;
	int fds[PORTS];

	for (unsigned i = 0; i < PORTS; i++)
		fds[i] = source_port_open();
	while ((now = load_now()) < end) {
		const struct timespec nap = { .tv_nsec = 500000 };
		double due = (double)(now - start) / 1e9 * o->rate;

		while ((double)(batches * BATCH) < due)
			batch_send(fds, batches++, o, requests, &to);
		nanosleep(&nap, NULL);
	}
	printf("sent=%" PRIu64 " unsent=%" PRIu64 " endpoints=%" PRIu64 " rate=%.0f\n", sent, unsent,
		sent < endpoints ? sent : endpoints, (double)sent / o->seconds);
	free(requests);
	return sent == 0;
}
