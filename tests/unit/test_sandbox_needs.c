/* objects: proxy/process/sandbox.o proxy/exchange/resolve.o proxy/exchange/resolve_dns.o proxy/exchange/resolve_texts.o base/hash.o base/random_seeded.o base/endpoint.o base/log.o base/clock_steered.o base/bytes.o tests/unit/name_server.o base/landlock.o */
/* libs: -levent_core -levent_extra */
/* What a worker needs works in the sandbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "proxy/exchange/resolve.h"
#include "tests/unit/confined.h"
#include "tests/unit/name_server.h"

/* ---- the network ---- */

static int socket_make(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), size = 65536, on = 1;
	socklen_t len = sizeof *at;

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (struct sockaddr *)at, len) < 0 || getsockname(fd, (struct sockaddr *)at, &len) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0 ||
		/* an emulated machine does not know this one */
		(setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) < 0 && errno != ENOPROTOOPT) ||
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) < 0 ||
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on) < 0 || getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len) < 0)
		return -1;
	return fd;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	uint64_t value;

	(void)what;
	if (read(fd, &value, sizeof value) > 0)
		++*(unsigned *)arg;
}

/* A source port opened late, a batch each way, the loop woken by a datagram, a timer and a sibling's eventfd. */
static int network_child(void)
{
	struct event_base *base = event_base_new();
	struct sockaddr_in to, from;
	char bytes[2][8] = { "one", "two" };
	struct iovec v[2] = { { bytes[0], 8 }, { bytes[1], 8 } };
	struct mmsghdr m[2] = { { .msg_hdr = { .msg_iov = &v[0], .msg_iovlen = 1 } }, { .msg_hdr = { .msg_iov = &v[1], .msg_iovlen = 1 } } };
	int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), one, two, six;
	unsigned woken = 0;
	struct event *e;

	CHECK(base != NULL && wake >= 0 && confine() == 0);
	CHECK((one = socket_make(&from)) >= 0 && (two = socket_make(&to)) >= 0);
	CHECK(sendto(one, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1);
	m[0].msg_hdr.msg_name = m[1].msg_hdr.msg_name = &to;
	m[0].msg_hdr.msg_namelen = m[1].msg_hdr.msg_namelen = sizeof to;
	CHECK(sendmmsg(one, m, 2, 0) == 2);
	m[0].msg_hdr.msg_name = m[1].msg_hdr.msg_name = NULL;
	m[0].msg_hdr.msg_namelen = m[1].msg_hdr.msg_namelen = 0;
	CHECK(recvmmsg(two, m, 2, MSG_DONTWAIT, NULL) == 2 && m[0].msg_len == 1 && m[1].msg_len == 8);
	CHECK(recvmsg(two, &m[0].msg_hdr, MSG_ERRQUEUE | MSG_DONTWAIT) < 0 && errno == EAGAIN);
	six = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(six >= 0 || errno == EAFNOSUPPORT);
	CHECK(connect(one, (struct sockaddr *)&to, sizeof to) == 0 && close(one) == 0);
	e = event_new(base, wake, EV_READ | EV_PERSIST, on_event, &woken);
	CHECK(e != NULL && event_add(e, &(struct timeval){ 5, 0 }) == 0);
	CHECK(write(wake, &(uint64_t){ 1 }, 8) == 8);
	CHECK(event_base_loop(base, EVLOOP_ONCE) == 0 && woken == 1);
	event_free(e);
	e = event_new(base, two, EV_READ, on_event, &woken); /* the third datagram */
	CHECK(e != NULL && event_add(e, NULL) == 0 && event_base_loop(base, EVLOOP_ONCE) == 0 && woken == 2);
	event_free(e);
	event_base_free(base);
	return CHILD_GOOD;
}

static int by_size(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int ground_child(void)
{
	enum { MANY = 2000, NUMBERS = 100000 };
	void *blocks[MANY];
	int memory = memfd_create("package", MFD_CLOEXEC), *numbers, copy = 0;
	struct timespec t;
	struct stat st;
	char *mapped, *big, buffer[16];
	FILE *stream;

	CHECK(memory >= 0 && write(memory, "text\n", 5) == 5 && confine() == 0);
	for (int i = 0; i < MANY; i++)
		CHECK((blocks[i] = malloc((size_t)i * 37 + 1)) != NULL);
	for (int i = 0; i < MANY; i++)
		free(blocks[i]);
	CHECK((big = malloc(64 << 20)) != NULL);
	memset(big, 1, 64 << 20);
	CHECK((big = realloc(big, 96 << 20)) != NULL);
	free(big);
	CHECK((numbers = malloc(NUMBERS * sizeof *numbers)) != NULL);
	for (int i = 0; i < NUMBERS; i++)
		numbers[i] = (i * 7919) % NUMBERS;
	qsort(numbers, NUMBERS, sizeof *numbers, by_size);
	CHECK(numbers[0] == 0 && numbers[NUMBERS - 1] == NUMBERS - 1);
	free(numbers);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0 && syscall(SYS_clock_gettime, CLOCK_REALTIME, &t) == 0);
	CHECK(syscall(SYS_getpid) > 0 && syscall(SYS_futex, &copy, FUTEX_WAKE, 1, NULL, NULL, 0) == 0);
	CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
	CHECK(getrandom(buffer, sizeof buffer, 0) == sizeof buffer);
	CHECK(fstat(memory, &st) == 0 && st.st_size == 5 && lseek(memory, 0, SEEK_SET) == 0);
	mapped = mmap(NULL, 5, PROT_READ, MAP_SHARED, memory, 0);
	CHECK(mapped != MAP_FAILED && memcmp(mapped, "text\n", 5) == 0 && mremap(mapped, 5, 5, 0) == mapped && munmap(mapped, 5) == 0);
	copy = fcntl(memory, F_DUPFD_CLOEXEC, 0);
	CHECK(copy >= 0 && pread(copy, buffer, 5, 0) == 5 && (stream = fdopen(copy, "r")) != NULL);
	CHECK(fgets(buffer, sizeof buffer, stream) != NULL && strcmp(buffer, "text\n") == 0 && fclose(stream) == 0);
	CHECK((stream = fmemopen(mapped = strdup("a line\n"), 7, "r")) != NULL && fgets(buffer, sizeof buffer, stream) != NULL);
	fclose(stream);
	free(mapped);
	return CHILD_GOOD;
}

/* The channel: a message with a descriptor from the parent, and one back. */
static int channel_child(void)
{
	int pair[2], passed = eventfd(5, EFD_CLOEXEC), got;
	char byte = 'x', room[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &byte, 1 };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
	uint64_t value;

	memset(room, 0, sizeof room);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	*CMSG_FIRSTHDR(&h) = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&h)), &passed, sizeof(int));
	CHECK(sendmsg(pair[0], &h, 0) == 1 && confine() == 0);
	CHECK(recvmsg(pair[1], &h, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&h) != NULL);
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof(int));
	CHECK(read(got, &value, sizeof value) == sizeof value && value == 5 && write(got, &value, sizeof value) == sizeof value);
	CHECK(sendmsg(pair[1], &h, MSG_NOSIGNAL) == 1 && readv(pair[0], &v, 1) == 1);
	CHECK(send(pair[1], "y", 1, MSG_NOSIGNAL) == 1 && dup3(got, passed, O_CLOEXEC) == passed && close(got) == 0);
	return CHILD_GOOD;
}

/* A connection taken and one made, by the event loop, as HTTP does it. */
static int connections_child(void)
{
	struct event_base *base = event_base_new();
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), client, accepted, on = 1, waiting = 0;
	struct bufferevent *one, *two;
	socklen_t len = sizeof at;
	char bytes[8];

	CHECK(base != NULL && bind(listening, (struct sockaddr *)&at, len) == 0 && listen(listening, 1) == 0);
	CHECK(getsockname(listening, (struct sockaddr *)&at, &len) == 0 && confine() == 0);
	CHECK((client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP)) >= 0);
	CHECK(connect(client, (struct sockaddr *)&at, len) == 0 || errno == EINPROGRESS);
	CHECK((accepted = accept4(listening, (struct sockaddr *)&at, &len, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0);
	CHECK(getpeername(accepted, (struct sockaddr *)&at, &len) == 0 && getsockname(accepted, (struct sockaddr *)&at, &len) == 0);
	CHECK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
	CHECK(setsockopt(client, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on) == 0);
	CHECK(setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) == 0);
	CHECK(setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){ 0, 0 }, sizeof(struct linger)) == 0);
	CHECK(getsockopt(client, SOL_SOCKET, SO_ERROR, &on, &len) == 0 && on == 0);
	CHECK(write(accepted, "x", 1) == 1 && ioctl(client, FIONREAD, &waiting) == 0 && waiting == 1 && read(client, bytes, 8) == 1);
	one = bufferevent_socket_new(base, client, BEV_OPT_CLOSE_ON_FREE);
	two = bufferevent_socket_new(base, accepted, BEV_OPT_CLOSE_ON_FREE);
	CHECK(one != NULL && two != NULL && bufferevent_enable(two, EV_READ) == 0 && bufferevent_write(one, "hello", 5) == 0);
	for (int i = 0; i < 10 && evbuffer_get_length(bufferevent_get_input(two)) < 5; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	CHECK(bufferevent_read(two, bytes, 8) == 5 && memcmp(bytes, "hello", 5) == 0 && shutdown(client, SHUT_WR) == 0);
	bufferevent_free(one);
	bufferevent_free(two);
	CHECK((client = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0 || errno == EAFNOSUPPORT);
	event_base_free(base);
	return CHILD_GOOD;
}

static void test_the_network_works(void **state)
{
	(void)state;
	expect_good(network_child);
}

static void test_memory_time_and_chance_work(void **state)
{
	(void)state;
	expect_good(ground_child);
}

static void test_the_channel_works(void **state)
{
	(void)state;
	expect_good(channel_child);
}

static void test_connections_work(void **state)
{
	(void)state;
	expect_good(connections_child);
}

/* ---- the cipher library ---- */

static int key_derive(uint8_t out[16])
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *c = EVP_KDF_CTX_new(kdf);
	char digest[] = "SHA256", secret[] = "secret", salt[] = "salt";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret, 6),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, 4), OSSL_PARAM_construct_end() };
	int status = EVP_KDF_derive(c, out, 16, params);

	EVP_KDF_CTX_free(c);
	EVP_KDF_free(kdf);
	return status == 1 ? 0 : -1;
}

/* AES-CCM with an 8-byte tag; bytes in, bytes and tag out, or the other way. */
static int ccm(const uint8_t key[16], uint8_t bytes[5], uint8_t tag[8], int seal)
{
	static const uint8_t nonce[13] = { 1 };
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t out[5];
	int len, good;

	good = EVP_CipherInit_ex(c, EVP_aes_128_ccm(), NULL, NULL, NULL, seal) &&
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, 13, NULL) && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 8, seal ? NULL : tag) &&
		EVP_CipherInit_ex(c, NULL, NULL, key, nonce, seal) && EVP_CipherUpdate(c, out, &len, bytes, 5) > 0 &&
		(!seal || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 8, tag));
	EVP_CIPHER_CTX_free(c);
	memcpy(bytes, out, 5);
	return good ? 0 : -1;
}

static int crypto_child(void)
{
	uint8_t before[16], after[16], bytes[5] = "text", tag[8];

	CHECK(key_derive(before) == 0 && ccm(before, bytes, tag, 1) == 0);
	CHECK(confine() == 0);
	CHECK(key_derive(after) == 0 && memcmp(before, after, 16) == 0);
	CHECK(ccm(after, bytes, tag, 0) == 0 && memcmp(bytes, "text", 5) == 0);
	tag[0] ^= 1;
	CHECK(ccm(after, bytes, tag, 1) == 0 && ccm(after, bytes, tag, 0) == 0);
	return CHILD_GOOD;
}

static void test_ciphers_work_that_were_used_before(void **state)
{
	(void)state;
	expect_good(crypto_child);
}

/* ---- names ---- */

static struct {
	struct resolve_waiter waiter;
	unsigned calls;
	enum resolve_result result;
	size_t count;
} answer;

static void on_answer(struct resolve_waiter *w, enum resolve_result result, const struct endpoint *addresses, size_t count)
{
	(void)w, (void)addresses;
	answer.calls++;
	answer.result = result;
	answer.count = count;
}

static int names_child(void)
{
	static struct name_server server;
	struct event_base *base = event_base_new();
	struct endpoint addresses[RESOLVE_ADDRESSES_MAX];
	struct settings settings = { .dns_cache = 16, .dns_timeout = 5000000 };
	struct resolve_files files = { 0 };
	char text[64];
	struct resolver *r;
	size_t count;

	snprintf(text, sizeof text, "nameserver 127.0.0.1:%u\n", name_server_open(&server, base));
	files.resolv_conf = text;
	files.resolv_conf_len = strlen(text);
	CHECK((r = resolver_create(base, &settings, &files)) != NULL);
	CHECK(confine() == 0);
	answer.waiter.done = on_answer;
	CHECK(resolve_name(r, "both.example", 12, addresses, &count, &answer.waiter) == RESOLVE_PENDING);
	alarm(10);
	while (answer.calls == 0)
		CHECK(event_base_loop(base, EVLOOP_ONCE) == 0);
	CHECK(answer.result == RESOLVE_OK && answer.count == 3);
	resolver_destroy(r);
	event_base_loop(base, EVLOOP_NONBLOCK);
	name_server_close(&server);
	event_base_free(base);
	return CHILD_GOOD;
}

static void test_names_are_resolved(void **state)
{
	(void)state;
	expect_good(names_child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_network_works),
		cmocka_unit_test(test_memory_time_and_chance_work),
		cmocka_unit_test(test_the_channel_works),
		cmocka_unit_test(test_connections_work),
		cmocka_unit_test(test_ciphers_work_that_were_used_before),
		cmocka_unit_test(test_names_are_resolved),
	};

	kernel_ask();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
