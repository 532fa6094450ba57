/* Requests to silent devices, kept under way while another program looks at the proxy's memory. */
#include "load.h"

#include <poll.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, READS = 64 };

#define DEFAULT_RATE 50000.0
#define PATIENCE (15 * LOAD_SECOND)

struct held {
	uint64_t sent_at;
	uint16_t mid;
	uint8_t tries;
	bool sent, acknowledged, answered;
};

static const struct load_options *options;
static struct load_request *requests;
static struct held *held; /* request n is number n / clients of client n % clients */
static uint16_t *first_mid;
static int *fds;
static int ep;
static uint64_t sent, acknowledged, answered, resent, bytes_sent;

static void held_transmit(uint64_t n)
{
	struct held *h = &held[n];
	uint8_t m[LOAD_DATAGRAM_MAX];
	size_t len = load_request_write(m, options, &requests[n % options->devices], h->mid, (uint32_t)n);

	h->sent_at = load_now();
	(void)send(fds[n % options->clients], m, len, 0);
	if (!h->sent)
		bytes_sent += len;
	h->sent = true;
}

static void held_start(uint64_t n)
{
	held[n].mid = (uint16_t)(first_mid[n % options->clients] + n / options->clients);
	held_transmit(n);
}

static void datagram_take(unsigned client, const uint8_t *m, size_t len)
{
	uint16_t mid = (uint16_t)(m[2] << 8 | m[3]);
	uint64_t n = (uint64_t)(uint16_t)(mid - first_mid[client]) * options->clients + client;

	if (((m[0] >> 4) & 3) == LOAD_CON)
		load_acknowledge(fds[client], m);
	if (((m[0] >> 4) & 3) == LOAD_ACK && m[1] == 0 && n < sent && !held[n].acknowledged) {
		held[n].acknowledged = true;
		acknowledged++;
	}
	if (m[1] == 0)
		return;
	n = len >= LOAD_HEAD ? load_token_read(m) : sent;
	if (n < sent && !held[n].answered) {
		held[n].answered = true;
		answered++;
	}
}

static void clients_read(int timeout_ms)
{
	struct epoll_event ready[EVENTS];
	int n = epoll_wait(ep, ready, EVENTS, timeout_ms);

	for (int i = 0; i < n; i++) {
		unsigned client = ready[i].data.u32;

		for (unsigned r = 0; r < READS; r++) {
			uint8_t m[2048];
			ssize_t len = recv(fds[client], m, sizeof m, 0);

			if (len < 4)
				break;
			datagram_take(client, m, (size_t)len);
		}
	}
}

static void held_sweep(uint64_t now)
{
	for (uint64_t n = 0; n < sent; n++) {
		struct held *h = &held[n];

		if (h->acknowledged || h->answered || h->tries == LOAD_MAX_RETRANSMIT ||
		    now - h->sent_at < LOAD_ACK_TIMEOUT << h->tries)
			continue;
		h->tries++;
		resent++;
		held_transmit(n);
	}
}

/* Sends up to `total` requests in all, at the rate, and waits until each is acknowledged or answered. */
static void hold_up_to(uint64_t total)
{
	double rate = options->rate > 0 ? options->rate : DEFAULT_RATE;
	uint64_t start = load_now(), before = sent, swept = start, now;

	while ((now = load_now()) - start < PATIENCE + (uint64_t)((double)(total - before) / rate * 1e9)) {
		uint64_t due = before + (uint64_t)((double)(now - start) / 1e9 * rate);

		while (sent < total && sent < due)
			held_start(sent++);
		clients_read(1);
		if (sent == total && acknowledged + answered >= total)
			break;
		if (load_now() - swept > LOAD_ACK_TIMEOUT / 8) {
			swept = load_now();
			held_sweep(swept);
		}
	}
	printf("held=%" PRIu64 " acknowledged=%" PRIu64 " answered=%" PRIu64 " resent=%" PRIu64, sent, acknowledged,
		answered, resent);
	printf(" bytes_each=%.1f\n", sent ? (double)bytes_sent / (double)sent : 0);
	fflush(stdout);
}

/* Goes on reading, so that nothing is refused by a closed port, until standard input has a line or ends. */
static void hold_until_told(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[64];

	while (poll(&in, 1, 0) == 0)
		clients_read(20);
	(void)!read(STDIN_FILENO, line, sizeof line);
}

int load_hold_run(const struct load_options *o)
{
	options = o;
	requests = load_requests_new(o);
	held = calloc((size_t)o->clients + o->count, sizeof *held);
	first_mid = calloc(o->clients, sizeof *first_mid);
	fds = calloc(o->clients, sizeof *fds);
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (held == NULL || first_mid == NULL || fds == NULL) {
		fputs("load: no memory\n", stderr);
		return 1;
	}
	for (unsigned i = 0; i < o->clients; i++) {
		struct epoll_event want = { .events = EPOLLIN, .data.u32 = i };

		fds[i] = load_client_open(o, i);
		first_mid[i] = (uint16_t)load_random();
		epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &want);
	}
	hold_up_to(o->clients);
	hold_until_told();
	hold_up_to(o->clients + o->count);
	hold_until_told();
	return answered > 0 || acknowledged < sent;
}
