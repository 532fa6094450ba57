/*
 * handshakes - DTLS 1.2 sessions with pre-shared keys: many new ones on loopback, and the least a server can do for them.
 *
 *   handshakes [-n COUNT] [-w UNDER_WAY | -r RATE] [-i INDEX] [-k] [-P PID]... PORT
 *     opens COUNT (1000) sessions at PORT, the first as client INDEX (0; load_dtls.h), and prints the rate, the time that each took, what
 *     failed and, for the processes named by -P, the CPU time for each session. A handshake that is not done after 15 s has failed.
 *     -w  handshakes under way at once (8)          -r  begins so many a second instead, however many are under way
 *     -k  keeps the sessions until a line on standard input; else each is closed when it is open
 *   handshakes -s PORT
 *     the bare server: the cookie exchange, the handshake, and a session kept until its client closes it. One thread.
 */
#include "load_dtls.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIDS_MAX = 64, EVENTS = 64, DATAGRAM_ROOM = 2048, COOKIE_LEN = 20, PORTS = 65536 };

#define SECOND 1000000000ull
#define PATIENCE (15 * SECOND)
#define SWEEP_EVERY (SECOND / 20)

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- the client ---- */

struct opening {
	SSL *session;
	int fd;
	uint64_t began;
	bool done;
};

static struct opening *openings;
static unsigned count = 1000, under_way = 8, first_index, begun, ended, failed;
static double rate;
static bool keep;
static uint32_t *took_us;
static SSL_CTX *client_context;
static uint16_t server_port;
static const char *pids[PIDS_MAX];
static size_t pid_count;

/* Microseconds that the watched processes ran, as the scheduler counts them. */
static double cpu_us(void)
{
	double sum = 0;

	for (size_t i = 0; i < pid_count; i++) {
		char path[300];
		struct dirent *entry;
		DIR *tasks;

		snprintf(path, sizeof path, "/proc/%.20s/task", pids[i]);
		tasks = opendir(path);
		if (tasks == NULL)
			die("handshakes: watched process");
		while ((entry = readdir(tasks)) != NULL) {
			unsigned long long ran = 0;
			FILE *f;

			snprintf(path, sizeof path, "/proc/%.20s/task/%.20s/schedstat", pids[i], entry->d_name);
			f = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
			if (f != NULL && fscanf(f, "%llu", &ran) == 1)
				sum += (double)ran / 1000;
			if (f != NULL)
				fclose(f);
		}
		closedir(tasks);
	}
	return sum;
}

static void opening_end(struct opening *o)
{
	SSL_free(o->session);
	o->session = NULL;
	close(o->fd);
}

static void opening_step(struct opening *o, uint64_t now)
{
	int state;

	if (o->done || o->session == NULL)
		return;
	state = load_dtls_step(o->session);
	if (state == 0 && now < o->began + PATIENCE)
		return;
	o->done = true;
	ended++;
	if (state <= 0) {
		failed++;
		opening_end(o);
		return;
	}
	took_us[ended - failed - 1] = (uint32_t)((now_ns() - o->began) / 1000);
	if (keep)
		return;
	(void)SSL_shutdown(o->session);
	opening_end(o);
}

static void opening_begin(int ep)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(server_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event want = { .events = EPOLLIN, .data.u32 = begun };
	struct opening *o = &openings[begun];

	o->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (o->fd < 0 || bind(o->fd, (const struct sockaddr *)&from, sizeof from) != 0 ||
	    connect(o->fd, (const struct sockaddr *)&to, sizeof to) != 0 || epoll_ctl(ep, EPOLL_CTL_ADD, o->fd, &want) != 0)
		die("handshakes: socket");
	o->session = load_dtls_new(client_context, o->fd, first_index + begun);
	o->began = now_ns();
	begun++;
	opening_step(o, o->began);
}

/* How many may have begun by now. */
static uint64_t openings_due(uint64_t start, uint64_t now)
{
	uint64_t due = rate > 0 ? (uint64_t)((double)(now - start) / (double)SECOND * rate) + 1 : (uint64_t)ended + under_way;

	return due < count ? due : count;
}

static void openings_run(int ep)
{
	uint64_t start = now_ns(), swept = start;

	while (ended < count) {
		struct epoll_event ready[EVENTS];
		uint64_t now = now_ns();
		int n;

		while (begun < openings_due(start, now))
			opening_begin(ep);
		n = epoll_wait(ep, ready, EVENTS, rate > 0 && begun < count ? 1 : ended < count ? 20 : 0);
		for (int i = 0; i < n; i++)
			opening_step(&openings[ready[i].data.u32], now);
		if (now - swept < SWEEP_EVERY)
			continue;
		swept = now;
		for (unsigned i = 0; i < begun; i++)
			opening_step(&openings[i], now);
	}
}

static int us_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int client_run(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);
	uint64_t start;
	double cpu, seconds;
	unsigned good;

	client_context = load_dtls_context();
	openings = calloc(count, sizeof *openings);
	took_us = calloc(count, sizeof *took_us);
	if (openings == NULL || took_us == NULL)
		die("handshakes");
	cpu = cpu_us();
	start = now_ns();
	openings_run(ep);
	seconds = (double)(now_ns() - start) / (double)SECOND;
	if (!keep)
		usleep(20000); /* the last that are closed are the server's work too */
	cpu = cpu_us() - cpu;
	good = ended - failed;
	qsort(took_us, good, sizeof *took_us, us_compare);
	printf("opened=%u failed=%u rate=%.0f p50_us=%u p99_us=%u max_us=%u", good, failed, (double)good / seconds,
		good ? took_us[good / 2] : 0, good ? took_us[(size_t)((double)(good - 1) * .99)] : 0, good ? took_us[good - 1] : 0);
	if (pid_count > 0)
		printf(" cpu_us_each=%.2f", good ? cpu / good : 0);
	printf("\n");
	fflush(stdout);
	if (keep)
		(void)getchar();
	return failed > 0;
}

/* ---- the bare server ---- */

/* The datagram in hand, and where to what is written goes. */
struct hand {
	int fd;
	const uint8_t *bytes;
	size_t len;
	struct sockaddr_in peer;
};

static struct hand hand;
static SSL *sessions[PORTS]; /* by the port of the peer: all come from one address */
static uint8_t cookie_key[32];

static int datagram_read(BIO *bio, char *out, int room)
{
	int n = hand.len < (size_t)room ? (int)hand.len : room;

	BIO_clear_retry_flags(bio);
	if (hand.bytes == NULL) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(out, hand.bytes, (size_t)n);
	hand.bytes = NULL;
	return n;
}

static int datagram_write(BIO *bio, const char *data, int len)
{
	BIO_clear_retry_flags(bio);
	return (int)sendto(hand.fd, data, (size_t)len, 0, (const struct sockaddr *)&hand.peer, sizeof hand.peer);
}

static long datagram_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH: return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU: return 1280;
	case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD: return 28;
	default: return 0;
	}
}

static int cookie_make(SSL *session, unsigned char *cookie, unsigned *len)
{
	(void)session;
	*len = COOKIE_LEN;
	return HMAC(EVP_sha1(), cookie_key, sizeof cookie_key, (const uint8_t *)&hand.peer, sizeof hand.peer, cookie, len) != NULL;
}

static int cookie_check(SSL *session, const unsigned char *cookie, unsigned len)
{
	uint8_t want[EVP_MAX_MD_SIZE];
	unsigned want_len;

	return cookie_make(session, want, &want_len) && len == want_len && CRYPTO_memcmp(want, cookie, len) == 0;
}

static unsigned key_find(SSL *session, const char *identity, unsigned char *key, unsigned room)
{
	(void)session;
	if (strncmp(identity, "bench-", 6) != 0 || room < sizeof LOAD_DTLS_KEY - 1)
		return 0;
	memcpy(key, LOAD_DTLS_KEY, sizeof LOAD_DTLS_KEY - 1);
	return sizeof LOAD_DTLS_KEY - 1;
}

static SSL_CTX *server_context(void)
{
	SSL_CTX *context = SSL_CTX_new(DTLS_server_method());

	if (context == NULL || SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(context, LOAD_DTLS_CIPHERS) != 1 || RAND_bytes(cookie_key, sizeof cookie_key) != 1)
		die("handshakes: context");
	SSL_CTX_set_options(context, SSL_OP_COOKIE_EXCHANGE | SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_cookie_generate_cb(context, cookie_make);
	SSL_CTX_set_cookie_verify_cb(context, cookie_check);
	SSL_CTX_set_psk_server_callback(context, key_find);
	return context;
}

static SSL *server_session_new(SSL_CTX *context, BIO_METHOD *method)
{
	SSL *session = SSL_new(context);
	BIO *bio = BIO_new(method);

	if (session == NULL || bio == NULL)
		die("handshakes: session");
	BIO_set_init(bio, 1);
	SSL_set_bio(session, bio, bio);
	SSL_set_mtu(session, 1280);
	SSL_set_accept_state(session);
	return session;
}

static void datagram_serve(SSL_CTX *context, BIO_METHOD *method, BIO_ADDR *nobody)
{
	static SSL *spare;
	SSL **session = &sessions[hand.peer.sin_port];
	uint8_t data[DATAGRAM_ROOM];
	int n;

	ERR_clear_error();
	if (*session == NULL) {
		if (spare == NULL)
			spare = server_session_new(context, method);
		if (DTLSv1_listen(spare, nobody) < 1)
			return;
		*session = spare;
		spare = NULL;
	}
	n = SSL_read(*session, data, sizeof data);
	if (n <= 0 && SSL_get_error(*session, n) != SSL_ERROR_WANT_READ) {
		SSL_free(*session);
		*session = NULL;
	}
}

static _Noreturn void server_run(void)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(server_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagram in hand");
	SSL_CTX *context = server_context();
	BIO_ADDR *nobody = BIO_ADDR_new();
	int room = 4 << 20;

	if (method == NULL || nobody == NULL)
		die("handshakes");
	BIO_meth_set_read(method, datagram_read);
	BIO_meth_set_write(method, datagram_write);
	BIO_meth_set_ctrl(method, datagram_ctrl);
	hand.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(hand.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	if (bind(hand.fd, (const struct sockaddr *)&local, sizeof local) != 0)
		die("handshakes: bind");
	for (;;) {
		uint8_t bytes[DATAGRAM_ROOM];
		socklen_t len = sizeof hand.peer;
		ssize_t n = recvfrom(hand.fd, bytes, sizeof bytes, 0, (struct sockaddr *)&hand.peer, &len);

		if (n <= 0)
			continue;
		hand.bytes = bytes;
		hand.len = (size_t)n;
		datagram_serve(context, method, nobody);
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;
	bool server = false;
	int letter;

	while ((letter = getopt(argc, argv, "skn:w:r:i:P:")) != -1) {
		switch (letter) {
		case 's': server = true; break;
		case 'k': keep = true; break;
		case 'n': count = (unsigned)atoi(optarg); break;
		case 'w': under_way = (unsigned)atoi(optarg); break;
		case 'r': rate = atof(optarg); break;
		case 'i': first_index = (unsigned)atoi(optarg); break;
		case 'P': pids[pid_count++ % PIDS_MAX] = optarg; break;
		default: return 2;
		}
	}
	if (argc - optind != 1 || count < 1 || under_way < 1 || pid_count > PIDS_MAX) {
		fputs("usage: handshakes [-n COUNT] [-w UNDER_WAY | -r RATE] [-i INDEX] [-k] [-P PID]... PORT | -s PORT\n", stderr);
		return 2;
	}
	server_port = (uint16_t)atoi(argv[optind]);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (server)
		server_run();
	return client_run();
}
