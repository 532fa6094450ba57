/* Requests that the proxy answers itself, by refusing them: its duplicate store grows by one record for each. */
#include "load.h"

#include <poll.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Each client endpoint sends BATCH requests at a time, GROUP endpoints together; TRIES until they are given up. */
enum { BATCH = 32, GROUP = 8, TRIES = 5, MIDS = 65504 };

struct burst {
	int fd;
	uint16_t base;     /* Message ID of the first */
	uint32_t missing;  /* bit i: request i is not answered */
};

static uint8_t bytes[BATCH][2048];
static struct iovec vec[BATCH];
static struct mmsghdr msg[BATCH];
static uint64_t refused, wrong, resent, lost, bytes_answered;

/* Sends what is missing of a burst. */
static void burst_send(const struct burst *b, const struct load_options *o, const struct load_request *request)
{
	unsigned n = 0, done = 0;

	for (unsigned i = 0; i < BATCH; i++) {
		if ((b->missing >> i & 1) == 0)
			continue;
		vec[n].iov_base = bytes[n];
		vec[n].iov_len = load_request_write(bytes[n], o, request, (uint16_t)(b->base + i), b->base + i);
		msg[n].msg_hdr = (struct msghdr){ .msg_iov = &vec[n], .msg_iovlen = 1 };
		n++;
	}
	while (done < n) {
		int s = sendmmsg(b->fd, msg + done, n - done, 0);

		if (s <= 0)
			break;
		done += (unsigned)s;
	}
}

static void answer_take(struct burst *b, const uint8_t *m, size_t len)
{
	uint32_t i;

	if (((m[0] >> 4) & 3) == LOAD_CON)
		load_acknowledge(b->fd, m);
	i = len >= LOAD_HEAD && (m[0] & 15) == LOAD_TOKEN ? load_token_read(m) - b->base : BATCH;
	if (i >= BATCH || m[1] >> 5 != 4) {
		wrong++;
		return;
	}
	if ((b->missing >> i & 1) == 0)
		return;
	b->missing &= ~(1u << i);
	refused++;
	bytes_answered += len;
}

/* Reads until the burst is answered; false after 2 s of silence. */
static bool burst_read(struct burst *b)
{
	while (b->missing != 0) {
		struct pollfd p = { .fd = b->fd, .events = POLLIN };
		int got;

		for (unsigned i = 0; i < BATCH; i++) {
			vec[i] = (struct iovec){ bytes[i], sizeof bytes[i] };
			msg[i].msg_hdr = (struct msghdr){ .msg_iov = &vec[i], .msg_iovlen = 1 };
		}
		got = recvmmsg(b->fd, msg, BATCH, 0, NULL);
		for (int i = 0; i < got; i++)
			answer_take(b, bytes[i], msg[i].msg_len);
		if (got <= 0 && poll(&p, 1, (int)(LOAD_ACK_TIMEOUT / 1000000)) <= 0)
			return false;
	}
	return true;
}

static void burst_complete(struct burst *b, const struct load_options *o, const struct load_request *request)
{
	for (unsigned try = 1; !burst_read(b); try++) {
		if (try == TRIES) {
			lost += (unsigned)__builtin_popcount(b->missing);
			return;
		}
		resent += (unsigned)__builtin_popcount(b->missing);
		burst_send(b, o, request);
	}
}

int load_fill_run(const struct load_options *o)
{
	struct load_request *request = load_requests_new(o);
	struct burst *clients = calloc(o->clients, sizeof *clients);
	uint64_t start = load_now(), sent = 0;
	double cpu = load_cpu_us(o), seconds;

	if (clients == NULL || o->count > (uint64_t)o->clients * MIDS) {
		fputs("load: too few clients (-c) for so many requests\n", stderr);
		return 2;
	}
	for (unsigned i = 0; i < o->clients; i++)
		clients[i] = (struct burst){ .fd = load_client_open(o, i), .base = (uint16_t)load_random() };
	for (unsigned first = 0; sent < o->count && lost == 0; first += GROUP) {
		if (first >= o->clients)
			first = 0;
		for (unsigned i = first; i < first + GROUP && i < o->clients; i++) {
			clients[i].base = (uint16_t)(clients[i].base + BATCH);
			clients[i].missing = ~0u;
			burst_send(&clients[i], o, request);
			sent += BATCH;
		}
		for (unsigned i = first; i < first + GROUP && i < o->clients; i++)
			burst_complete(&clients[i], o, request);
	}
	seconds = (double)(load_now() - start) / 1e9;
	cpu = load_cpu_us(o) - cpu;
	printf("rps=%.0f refused=%" PRIu64 " wrong=%" PRIu64 " lost=%" PRIu64 " resent=%" PRIu64, (double)refused / seconds,
		refused, wrong, lost, resent);
	printf(" answer_bytes=%.1f", refused ? (double)bytes_answered / (double)refused : 0);
	if (o->pid_count > 0)
		printf(" cpu_us_per_request=%.3f", refused ? cpu / (double)refused : 0);
	printf("\n");
	free(clients);
	free(request);
	return wrong > 0 || lost > 0;
}
