/*
 * origin - a whole fleet of CoAP devices in one process, over UDP or TCP, as cheap as batch system calls allow.
 *
 * Takes requests at every loopback address (127.1.0.1, 127.1.0.2, ...) and answers at once from the address that was
 * asked: 2.05 to GET, 2.04 with an empty OSCORE option to POST, with LEN bytes of 'x' (16 unless given, at most 1024).
 * The response to a confirmable request is piggybacked.
 *
 *   origin [-s] [-t | -e COUNT] PORT [LEN]
 *     -s  silent: everything is read and nothing answered (a port without listener is not silent, it sends ICMP errors)
 *     -t  over TCP
 *     -e  POSTs are OSCORE of COUNT clients (sealed.h), and so are the answers to them; they are not opened
 */
#include "origin.h"
#include "sealed.h"
#include "tools/seal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, DATAGRAM_ROOM = 2048, DATAGRAM_MAX = 1024, HEADER = 4 };
enum { TYPE_CON, TYPE_NON, OSCORE = 9, SEALED_PAYLOAD_MAX = SEALED_MESSAGE_MAX - 8 };

struct control {
	_Alignas(struct cmsghdr) uint8_t space[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

static struct oscore_context contexts[SEALED_CONTEXTS_MAX];
static unsigned context_count; /* 0: what looks like OSCORE is not */
static uint8_t bytes[BATCH][DATAGRAM_ROOM];
static struct sockaddr_in peer[BATCH];
static struct control control[BATCH];
static struct iovec vec[BATCH];
static struct mmsghdr msg[BATCH];

static int origin_open(uint16_t port)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 4 << 20, on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	(void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&local, sizeof local) != 0) {
		perror("origin: bind");
		exit(1);
	}
	return fd;
}

/* Takes an option's length, or the distance to its number, which begins with this nibble. */
static unsigned nibble_take(const uint8_t *m, size_t len, size_t *at, unsigned nibble)
{
	if (nibble != 13)
		return nibble;
	return *at < len ? m[(*at)++] + 13u : 0;
}

/* The OSCORE option of a request whose options begin at `at`; false if there is none that can be understood. */
static bool oscore_find(struct oscore_option *o, const uint8_t *m, size_t len, size_t at)
{
	unsigned number = 0;

	while (at < len && m[at] != 0xff) {
		uint8_t head = m[at++];
		unsigned length;

		number += nibble_take(m, len, &at, head >> 4);
		length = nibble_take(m, len, &at, head & 15u);
		if (length > len - at || (head & 15) == 14 || head >> 4 >= 14)
			return false;
		if (number == OSCORE)
			return oscore_option_parse(o, m + at, length, 0) == 0 && oscore_option_fits_request(o);
		at += length;
	}
	return false;
}

/* The answer of a device to an OSCORE request, from the option on; written over the request. 0: it is none. */
static size_t answer_seal(uint8_t *m, size_t len, size_t at, size_t payload_len)
{
	struct oscore_request request = { .piv_len = 0 };
	uint8_t inner[SEALED_MESSAGE_MAX];
	struct oscore_option o;
	struct sealed s;
	int client;

	if (!oscore_find(&o, m, len, at))
		return 0;
	client = sealed_client(o.kid, o.kid_len);
	if (client < 0 || (unsigned)client >= context_count)
		return 0;
	request.kid.len = o.kid_len;
	memcpy(request.kid.bytes, o.kid, o.kid_len);
	request.piv_len = o.piv_len;
	memcpy(request.piv, o.piv, o.piv_len);
	if (seal_response(&s, &request, &contexts[client], NULL, inner, sealed_inner(inner, false, payload_len)) < 0)
		return 0;
	m[at++] = 0x90;
	m[at++] = 0xff;
	memcpy(m + at, s.payload, s.payload_len);
	return at + s.payload_len;
}

/* Makes the request in `m` its own response. Returns the length; 0: not a request. */
static size_t request_answer(uint8_t *m, size_t len, size_t payload_len)
{
	static uint16_t own_mid;
	size_t token_len = m[0] & 15u, at = HEADER + token_len;
	unsigned type = (m[0] >> 4) & 3u;
	bool post = m[1] == CODE_POST;

	if (len < at || token_len > 8 || type > TYPE_NON || m[1] == 0)
		return 0;
	if (type == TYPE_CON) {
		m[0] = (uint8_t)(0x60 | token_len);
	} else {
		own_mid++;
		m[0] = (uint8_t)(0x50 | token_len);
		m[2] = (uint8_t)(own_mid >> 8);
		m[3] = (uint8_t)own_mid;
	}
	m[1] = post ? CODE_CHANGED : CODE_CONTENT;
	if (post && context_count > 0)
		return answer_seal(m, len, at, payload_len);
	if (post)
		m[at++] = 0x90;
	m[at++] = 0xff;
	memset(m + at, 'x', payload_len);
	return at + payload_len;
}

/* Message `i` carries `len` bytes of buffer `b`, to or from its peer, with its control data. */
static void message_set(unsigned i, unsigned b, size_t len)
{
	vec[i] = (struct iovec){ bytes[b], len };
	msg[i].msg_hdr = (struct msghdr){
		.msg_name = &peer[b],
		.msg_namelen = sizeof peer[b],
		.msg_iov = &vec[i],
		.msg_iovlen = 1,
		.msg_control = &control[b],
		.msg_controllen = sizeof control[b],
	};
}

static unsigned batch_answer(unsigned count, size_t payload_len)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++) {
		struct in_pktinfo *asked = (void *)CMSG_DATA((struct cmsghdr *)(void *)control[i].space);
		size_t len = request_answer(bytes[i], msg[i].msg_len, payload_len);

		if (len == 0 || ntohl(asked->ipi_addr.s_addr) >> 24 != IN_LOOPBACKNET)
			continue;
		asked->ipi_spec_dst = asked->ipi_addr;
		asked->ipi_ifindex = 0;
		message_set(n++, i, len);
	}
	return n;
}

static void origin_run(int fd, bool silent, size_t payload_len)
{
	for (;;) {
		unsigned count = 0, done = 0;
		int got;

		for (unsigned i = 0; i < BATCH; i++)
			message_set(i, i, DATAGRAM_MAX);
		got = recvmmsg(fd, msg, BATCH, MSG_WAITFORONE, NULL);
		if (got > 0 && !silent)
			count = batch_answer((unsigned)got, payload_len);
		while (done < count) {
			int n = sendmmsg(fd, msg + done, count - done, 0);

			if (n <= 0)
				break;
			done += (unsigned)n;
		}
	}
}

int main(int argc, char **argv)
{
	bool silent = false, stream = false;
	int payload_len = 16, o;

	while ((o = getopt(argc, argv, "ste:")) != -1) {
		switch (o) {
		case 's': silent = true; break;
		case 't': stream = true; break;
		case 'e': context_count = (unsigned)atoi(optarg); break;
		default: return 2;
		}
	}
	if (argc - optind == 2)
		payload_len = atoi(argv[optind + 1]);
	if (argc - optind < 1 || argc - optind > 2 || payload_len < 1 || payload_len > PAYLOAD_MAX ||
	    context_count > SEALED_CONTEXTS_MAX || (context_count > 0 && (stream || payload_len > SEALED_PAYLOAD_MAX))) {
		fprintf(stderr, "usage: origin [-s] [-t | -e COUNT] PORT [LEN]\n");
		return 2;
	}
	for (unsigned i = 0; i < context_count; i++)
		sealed_context(&contexts[i], i, true);
	if (stream)
		origin_stream_run((uint16_t)atoi(argv[optind]), silent, (size_t)payload_len);
	origin_run(origin_open((uint16_t)atoi(argv[optind])), silent, (size_t)payload_len);
}
