#include "load.h"
#include "sealed.h"
#include "tools/seal.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { URI_HOST = 3, URI_PORT = 7, OSCORE = 9, URI_PATH = 11, PROXY_URI = 35, PROXY_SCHEME = 39 };
enum { OPAQUE = 40, RECEIVE_BUFFER = 2 << 20, SEALED_RATE = 100000 };

uint64_t load_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * LOAD_SECOND + (uint64_t)t.tv_nsec;
}

uint64_t load_random(void)
{
	uint64_t r;

	if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r) {
		perror("load: getrandom");
		exit(1);
	}
	return r;
}

/* Nanoseconds a thread ran, as the scheduler counts them: the ticks of /proc/PID/stat are too coarse for short runs. */
static double thread_cpu_us(const char *pid, const char *tid)
{
	char path[300];
	unsigned long long ran = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%s/task/%s/schedstat", pid, tid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%llu", &ran) != 1)
		ran = 0;
	fclose(f);
	return (double)ran / 1000;
}

double load_cpu_us(const struct load_options *o)
{
	double sum = 0;

	for (size_t i = 0; i < o->pid_count; i++) {
		char path[64], pid[16];
		struct dirent *entry;
		DIR *tasks;

		snprintf(pid, sizeof pid, "%d", o->pids[i]);
		snprintf(path, sizeof path, "/proc/%s/task", pid);
		tasks = opendir(path);
		if (tasks == NULL) {
			fprintf(stderr, "load: process %s is not there\n", pid);
			exit(1);
		}
		while ((entry = readdir(tasks)) != NULL)
			if (entry->d_name[0] != '.')
				sum += thread_cpu_us(pid, entry->d_name);
		closedir(tasks);
	}
	return sum;
}

/* The nibble that stands for `value` in an option's head; what it leaves over goes to *more (values below 269 only). */
static uint8_t nibble_split(unsigned value, uint8_t *more)
{
	if (value < 13)
		return (uint8_t)value;
	*more = (uint8_t)(value - 13);
	return 13;
}

static void option_append(struct load_request *r, unsigned *last, unsigned number, const void *value, size_t len)
{
	uint8_t more_delta = 0, more_len = 0;
	uint8_t delta = nibble_split(number - *last, &more_delta), length = nibble_split((unsigned)len, &more_len);

	*last = number;
	r->tail[r->len++] = (uint8_t)(delta << 4 | length);
	if (delta == 13)
		r->tail[r->len++] = more_delta;
	if (length == 13)
		r->tail[r->len++] = more_len;
	memcpy(r->tail + r->len, value, len);
	r->len = (uint8_t)(r->len + len);
}

/* The options of an OSCORE request to a device, and its payload. */
static void request_build_oscore(struct load_request *r, const struct load_options *o, unsigned device, const uint8_t *option, size_t option_len,
	const uint8_t *payload, size_t payload_len)
{
	unsigned last = 0;
	uint16_t port = htons(o->origin_port);
	char host[32];

	r->code = CODE_POST;
	if (!o->direct) {
		snprintf(host, sizeof host, "127.1.%u.%u", (device + 1) >> 8, (device + 1) & 255);
		option_append(r, &last, URI_HOST, host, strlen(host));
		option_append(r, &last, URI_PORT, &port, sizeof port);
	}
	option_append(r, &last, OSCORE, option, option_len);
	if (!o->direct)
		option_append(r, &last, PROXY_SCHEME, o->scheme, strlen(o->scheme));
	r->tail[r->len++] = 0xff;
	memcpy(r->tail + r->len, payload, payload_len);
	r->len = (uint8_t)(r->len + payload_len);
}

static void request_build(struct load_request *r, const struct load_options *o, unsigned device)
{
	unsigned last = 0;
	uint8_t opaque[OPAQUE];
	char uri[64];

	for (unsigned i = 0; i < OPAQUE; i++)
		opaque[i] = (uint8_t)(i * 11 + 5);
	if (o->oscore) {
		request_build_oscore(r, o, device, (const uint8_t *)"\x09\x14\x00\x01", 4, opaque, sizeof opaque);
		return;
	}
	snprintf(uri, sizeof uri, "%s://127.1.%u.%u:%u/t", o->scheme, (device + 1) >> 8, (device + 1) & 255, o->origin_port);
	r->code = CODE_GET;
	if (o->direct)
		option_append(r, &last, URI_PATH, "t", 1);
	else
		option_append(r, &last, PROXY_URI, uri, strlen(uri));
}

/* For more requests a second than there will be. */
size_t load_sealed_each(const struct load_options *o)
{
	double all = (o->rate > 0 ? o->rate : SEALED_RATE) * o->seconds;

	return (size_t)(all / o->clients) + o->window + 1;
}

struct load_request *load_sealed_new(const struct load_options *o, size_t each)
{
	struct load_request *requests = calloc(each * o->clients, sizeof *requests);
	uint8_t inner[SEALED_MESSAGE_MAX];
	size_t inner_len = sealed_inner(inner, true, 0), made = 0;

	if (requests == NULL) {
		fputs("load: no memory\n", stderr);
		exit(1);
	}
	for (unsigned client = 0; client < o->clients; client++) {
		struct oscore_context c;
		struct oscore_request request;
		struct sealed s;

		sealed_context(&c, client, false);
		for (size_t i = 0; i < each; i++, made++) {
			if (seal_request(&s, &request, &c, o->sequence + i, inner, inner_len) < 0) {
				fputs("load: a request cannot be sealed\n", stderr);
				exit(1);
			}
			request_build_oscore(&requests[made], o, (unsigned)((client + i * o->clients) % o->devices), s.option, s.option_len, s.payload,
				s.payload_len);
		}
	}
	return requests;
}

int load_keys_run(const struct load_options *o)
{
	sealed_print_keys(stdout, o->clients);
	return 0;
}

struct load_request *load_requests_new(const struct load_options *o)
{
	struct load_request *requests = calloc(o->devices, sizeof *requests);

	if (requests == NULL) {
		fputs("load: no memory\n", stderr);
		exit(1);
	}
	for (unsigned i = 0; i < o->devices; i++)
		request_build(&requests[i], o, i);
	return requests;
}

size_t load_request_write(uint8_t *out, const struct load_options *o, const struct load_request *request, uint16_t mid,
	uint32_t token)
{
	out[0] = (uint8_t)(0x40 | (o->confirmable ? LOAD_CON : LOAD_NON) << 4 | LOAD_TOKEN);
	out[1] = request->code;
	out[2] = (uint8_t)(mid >> 8);
	out[3] = (uint8_t)mid;
	for (unsigned i = 0; i < LOAD_TOKEN; i++)
		out[4 + i] = (uint8_t)(token >> (24 - 8 * i));
	memcpy(out + LOAD_HEAD, request->tail, request->len);
	return LOAD_HEAD + (size_t)request->len;
}

uint32_t load_token_read(const uint8_t *datagram)
{
	return (uint32_t)datagram[4] << 24 | (uint32_t)datagram[5] << 16 | (uint32_t)datagram[6] << 8 | datagram[7];
}

uint32_t load_source_address(unsigned n)
{
	return 0x7f020000u + n;
}

int load_client_open(const struct load_options *o, unsigned index)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(o->proxy_port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), room = RECEIVE_BUFFER;

	from.sin_addr.s_addr = htonl(load_source_address(o->source + (o->own_address ? index : 0)));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (fd < 0 || ((o->source != 0 || o->own_address) && bind(fd, (const struct sockaddr *)&from, sizeof from) != 0) ||
	    connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
		perror("load: socket of a client");
		exit(1);
	}
	return fd;
}

void load_acknowledge(int fd, const uint8_t *datagram)
{
	uint8_t ack[4] = { 0x40 | LOAD_ACK << 4, 0, datagram[2], datagram[3] };

	(void)send(fd, ack, sizeof ack, 0);
}
