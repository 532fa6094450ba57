/* objects: proxy/process/activation.o proxy/process/notify.o base/endpoint.o base/log.o base/clock.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/process/activation.h"
#include "proxy/process/notify.h"

enum { FIRST = 3, HIGH = 100 };

/* What the log said; and a service manager, for the store. Both lie above the descriptors that are passed. */
static int log_pipe[2], manager;
static int passed;

static int raise_fd(int fd)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, HIGH);

	close(fd);
	return up;
}

static int begin(void **state)
{
	(void)state;
	for (int fd = FIRST; fd < 2 * HIGH; fd++)
		close(fd);
	if (pipe(log_pipe) < 0)
		return -1;
	log_pipe[0] = raise_fd(log_pipe[0]);
	log_pipe[1] = raise_fd(log_pipe[1]);
	fcntl(log_pipe[0], F_SETFL, O_NONBLOCK);
	log_open(log_pipe[1], LOG_LEVEL_WARNING);
	passed = 0;
	manager = -1;
	return 0;
}

static int end(void **state)
{
	(void)state;
	notify_close();
	log_open(STDERR_FILENO, LOG_LEVEL_INFO);
	return 0;
}

static const char *logged(void)
{
	static char text[8192];
	ssize_t n = read(log_pipe[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void sockaddr_set(struct sockaddr_storage *sa, socklen_t *len, const char *literal, unsigned port)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse_literal(&e, literal, strlen(literal), true), 0);
	e.port = (uint16_t)port;
	*len = endpoint_to_sockaddr(&e, strchr(literal, ':') ? AF_INET6 : AF_INET, sa);
}

/* The endpoint of a socket; its port was chosen by the kernel. */
static struct endpoint address_of(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint e;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	endpoint_from_sockaddr(&e, (struct sockaddr *)&sa);
	return e;
}

enum { REUSE = 1, V6_ONLY = 2 };

/* Passes a bound socket as the next descriptor; port 0: any. */
static int pass_udp(const char *literal, unsigned port, unsigned options)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int on = 1, only = (options & V6_ONLY) != 0, fd;

	sockaddr_set(&sa, &len, literal, port);
	fd = socket(sa.ss_family, SOCK_DGRAM, 0);
	assert_int_equal(fd, FIRST + passed);
	passed++;
	if (options & REUSE)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	if (sa.ss_family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

static void pass_fd(int fd)
{
	assert_int_equal(fd, FIRST + passed);
	passed++;
}

static void set_environment(const char *names)
{
	char text[24];

	snprintf(text, sizeof(text), "%d", passed);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%ld", (long)getpid());
	setenv("LISTEN_PID", text, 1);
	if (names)
		setenv("LISTEN_FDNAMES", names, 1);
}

static void assert_environment_is_clean(void)
{
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDNAMES"));
}

static int take(struct activation *a, const char *names)
{
	int n;

	set_environment(names);
	n = activation_take(a);
	assert_environment_is_clean();
	return n;
}

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void nothing_passed(void **state)
{
	struct activation a;
	struct endpoint at = {.port = 5683};

	(void)state;
	assert_int_equal(activation_take(&a), 0);
	assert_int_equal(activation_claim(&a, false, &at), -1);
	assert_int_equal(activation_close_rest(&a), 0);
	assert_string_equal(logged(), "");
}

static void a_claimed_socket_is_ready_for_use(void **state)
{
	struct activation a;
	struct sockaddr_storage sa;
	socklen_t len;
	ino_t inode = inode_of(pass_udp("127.0.0.1", 0, 0));
	struct endpoint at = address_of(FIRST);
	int fd, second, on = 1;

	(void)state;
	assert_int_equal(take(&a, "coap"), 1);
	assert_false(is_open(FIRST));
	fd = activation_claim(&a, false, &at);
	assert_true(fd >= ACTIVATION_FD_MIN);
	assert_true(inode_of(fd) == inode);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);

	/* the unit said nothing of ReusePort=; the rest of the group can be bound all the same */
	second = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sockaddr_set(&sa, &len, "127.0.0.1", at.port);
	assert_int_equal(setsockopt(second, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(second, (struct sockaddr *)&sa, len), 0);

	assert_int_equal(activation_claim(&a, false, &at), -1);
	assert_int_equal(activation_close_rest(&a), 0);
	assert_true(is_open(fd));
	assert_string_equal(logged(), "");
}

static void high_descriptors_stay_where_they_are(void **state)
{
	struct activation a;
	struct endpoint at[20];
	int fds[20];

	(void)state;
	for (int i = 0; i < 20; i++)
		at[i] = address_of(pass_udp("127.0.0.1", 0, 0));
	assert_int_equal(take(&a, NULL), 20);
	for (int i = 0; i < 20; i++) {
		fds[i] = activation_claim(&a, false, &at[i]);
		assert_true(fds[i] >= ACTIVATION_FD_MIN);
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
		if (FIRST + i >= ACTIVATION_FD_MIN)
			assert_int_equal(fds[i], FIRST + i);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(fds[k], fds[i]);
	}
	for (int fd = FIRST; fd < ACTIVATION_FD_MIN; fd++)
		assert_false(is_open(fd));
	activation_close_rest(&a);
}

static void a_group_is_filled_in_order(void **state)
{
	struct activation a;
	ino_t inodes[5];
	struct endpoint one, two;

	(void)state;
	inodes[0] = inode_of(pass_udp("127.0.0.1", 0, REUSE));
	one = address_of(FIRST);
	inodes[1] = inode_of(pass_udp("127.0.0.2", one.port, REUSE));
	two = address_of(FIRST + 1);
	inodes[2] = inode_of(pass_udp("127.0.0.1", one.port, REUSE));
	inodes[3] = inode_of(pass_udp("127.0.0.2", one.port, REUSE));
	inodes[4] = inode_of(pass_udp("127.0.0.1", one.port, REUSE));
	assert_int_equal(take(&a, "a:b:a:b:a"), 5);
	assert_true(inode_of(activation_claim(&a, false, &one)) == inodes[0]);
	assert_true(inode_of(activation_claim(&a, false, &one)) == inodes[2]);
	assert_true(inode_of(activation_claim(&a, false, &two)) == inodes[1]);
	assert_true(inode_of(activation_claim(&a, false, &one)) == inodes[4]);
	assert_int_equal(activation_claim(&a, false, &one), -1);
	assert_true(inode_of(activation_claim(&a, false, &two)) == inodes[3]);
	assert_int_equal(activation_claim(&a, false, &two), -1);
	assert_int_equal(activation_close_rest(&a), 0);
	assert_string_equal(logged(), "");
}

static void addresses_are_kept_apart(void **state)
{
	struct activation a;
	struct endpoint v4 = address_of(pass_udp("0.0.0.0", 0, 0)), v6 = address_of(pass_udp("::", 0, 0));
	struct endpoint lo = address_of(pass_udp("::1", 0, 0)), wrong;

	(void)state;
	assert_int_equal(take(&a, NULL), 3);
	wrong = v6, wrong.port = v4.port;
	assert_int_equal(activation_claim(&a, false, &wrong), -1); /* [::] at the port of 0.0.0.0 */
	wrong = v4, wrong.port = v6.port;
	assert_int_equal(activation_claim(&a, false, &wrong), -1);
	wrong = lo, wrong.port ^= 1;
	assert_int_equal(activation_claim(&a, false, &wrong), -1);
	wrong = lo, wrong.addr[15] = 2;
	assert_int_equal(activation_claim(&a, false, &wrong), -1);
	assert_true(endpoint_is_ipv4(&v4) && activation_claim(&a, false, &v4) >= 0);
	assert_true(activation_claim(&a, false, &v6) >= 0);
	assert_true(activation_claim(&a, false, &lo) >= 0);
	assert_int_equal(activation_close_rest(&a), 0);
	assert_string_equal(logged(), "");
}

static void one_that_takes_no_ipv4_is_told(void **state)
{
	struct activation a;
	struct endpoint at = address_of(pass_udp("::", 0, V6_ONLY));

	(void)state;
	pass_udp("::1", 0, V6_ONLY); /* there it makes no difference */
	assert_int_equal(take(&a, "six:loop"), 2);

	const char *text = logged();

	assert_non_null(strstr(text, "passed socket six at [::]:"));
	assert_non_null(strstr(text, "BindIPv6Only=both"));
	assert_null(strstr(text, "loop"));
	assert_true(activation_claim(&a, false, &at) >= 0);
	activation_close_rest(&a);
}

static int connected_udp(void)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sockaddr_set(&sa, &len, "127.0.0.1", 9);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

/* One that somebody accepted would look so. */
static int connected_tcp(void)
{
	struct sockaddr_storage sa;
	socklen_t len;
	int up, fd = socket(AF_INET, SOCK_STREAM, 0), listening = raise_fd(socket(AF_INET, SOCK_STREAM, 0));

	up = raise_fd(fd); /* its place is for the one that is passed */
	sockaddr_set(&sa, &len, "127.0.0.1", 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(listening, 1), 0);
	len = sizeof(sa);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(connect(up, (struct sockaddr *)&sa, len), 0);
	return accept(listening, NULL, NULL);
}

static void datagrams_and_connections_on_one_port_are_two(void **state)
{
	struct activation a;
	struct sockaddr_storage sa;
	struct endpoint at;
	ino_t tcp;
	socklen_t len;
	int found = socket(AF_INET, SOCK_STREAM, 0), aside = fcntl(found, F_DUPFD_CLOEXEC, 100), listening, type = 0;

	(void)state;
	/* Of connections there are many on a machine, so theirs is the number that is looked for. */
	sockaddr_set(&sa, &len, "127.0.0.1", 0);
	assert_int_equal(bind(aside, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(aside, 1), 0);
	close(found);
	at = address_of(aside);
	pass_udp("127.0.0.1", at.port, 0);
	pass_fd(listening = dup(aside));
	close(aside);
	tcp = inode_of(listening);
	assert_int_equal(take(&a, "coap:web"), 2);
	listening = activation_claim(&a, true, &at);
	assert_true(inode_of(listening) == tcp);
	assert_true(fcntl(listening, F_GETFL) & O_NONBLOCK);
	len = sizeof(type);
	assert_true(getsockopt(listening, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM);
	assert_int_equal(activation_claim(&a, true, &at), -1);
	assert_int_equal(activation_close_rest(&a), 0); /* the other is nobody's, not one too many of the same */
	assert_non_null(strstr(logged(), "passed socket coap at 127.0.0.1:"));
}

static void descriptors_of_other_kinds_are_closed(void **state)
{
	static const char *const reasons[] = {
		"is no socket", "is a socket of another", "is not bound", "is connected", "is not bound", "is connected", "is an IPv6 socket with",
	};
	struct activation a;
	struct sockaddr_storage sa;
	socklen_t len;
	struct endpoint good;
	int off = 0, mapped;

	(void)state;
	pass_fd(open("/dev/null", O_RDONLY));
	pass_fd(socket(AF_UNIX, SOCK_DGRAM, 0));
	pass_fd(socket(AF_INET, SOCK_STREAM, 0));
	pass_fd(connected_tcp());
	pass_fd(socket(AF_INET, SOCK_DGRAM, 0));
	pass_fd(connected_udp());
	pass_fd(mapped = socket(AF_INET6, SOCK_DGRAM, 0));
	setsockopt(mapped, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	sockaddr_set(&sa, &len, "::ffff:127.0.0.1", 0);
	assert_int_equal(bind(mapped, (struct sockaddr *)&sa, len), 0);
	good = address_of(pass_udp("127.0.0.1", 0, 0));
	passed++; /* one more is told than is there */
	assert_int_equal(take(&a, "0:1:2:3:4:5:6:good"), 1);
	for (int fd = FIRST; fd < ACTIVATION_FD_MIN; fd++)
		assert_false(is_open(fd));

	char *text = strdup(logged()), *line = text;

	for (int i = 0; i < 7; i++) {
		char start[80];

		snprintf(start, sizeof(start), "warning: passed descriptor %d (%d) %s", FIRST + i, i, reasons[i]);
		assert_non_null(line = strstr(line, start));
		line = strchr(line, '\n');
	}
	assert_non_null(strstr(line, "passed descriptor 11 (-) is not open"));
	assert_null(strstr(text, "good"));
	free(text);
	assert_true(activation_claim(&a, false, &good) >= 0);
	activation_close_rest(&a);
}

static void one_socket_passed_twice_is_one(void **state)
{
	struct activation a;
	int fd = pass_udp("127.0.0.1", 0, REUSE);
	struct endpoint at = address_of(fd);

	(void)state;
	pass_fd(dup(fd));
	assert_int_equal(take(&a, "coap:kept-1"), 1);
	assert_false(is_open(FIRST + 1));
	assert_true(activation_claim(&a, false, &at) >= 0);
	assert_int_equal(activation_claim(&a, false, &at), -1);
	assert_int_equal(activation_close_rest(&a), 0);
	assert_string_equal(logged(), "");
}

static void values_that_make_no_sense(void **state)
{
	char self[24], other[24];
	const struct {
		const char *fds, *pid;
		int result;
	} cases[] = {
		{"1", other, 0},   {"x", other, 0},      {"1", NULL, 0},        {NULL, self, 0},       {"0", self, 0},
		{"", self, -1},    {"x", self, -1},      {"-1", self, -1},      {"1 ", self, -1},      {"0x1", self, -1},
		{"4097", self, -1}, {"2147483648", self, -1}, {"18446744073709551617", self, -1}, {"99999999999999999999999", self, -1},
		{"1", "", -1},     {"1", "x", -1},       {"1", "-1", -1},       {"1", "4294967297", -1},
	};

	(void)state;
	pass_udp("127.0.0.1", 0, 0);
	snprintf(self, sizeof(self), "%ld", (long)getpid());
	snprintf(other, sizeof(other), "%ld", (long)getpid() + 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct activation a;

		if (cases[i].fds)
			setenv("LISTEN_FDS", cases[i].fds, 1);
		if (cases[i].pid)
			setenv("LISTEN_PID", cases[i].pid, 1);
		setenv("LISTEN_FDNAMES", "a", 1);
		assert_int_equal(activation_take(&a), cases[i].result);
		assert_environment_is_clean();
		assert_true(is_open(FIRST));
		assert_false(fcntl(FIRST, F_GETFL) & O_NONBLOCK);
		assert_true((strstr(logged(), "error: LISTEN_") != NULL) == (cases[i].result < 0));
		assert_int_equal(activation_close_rest(&a), 0);
	}
}

static void as_many_as_there_may_be(void **state)
{
	struct activation a;
	struct endpoint at = address_of(pass_udp("127.0.0.1", 0, 0));
	char self[24];

	(void)state;
	close(log_pipe[0]); /* nobody reads four thousand lines */
	log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_ERROR);
	snprintf(self, sizeof(self), "%ld", (long)getpid());
	setenv("LISTEN_FDS", "4096", 1);
	setenv("LISTEN_PID", self, 1);
	assert_int_equal(activation_take(&a), 1);
	assert_true(activation_claim(&a, false, &at) >= 0);
	activation_close_rest(&a);
}

static void names_are_made_printable(void **state)
{
	struct activation a;
	char names[1000];

	(void)state;
	pass_udp("127.0.0.1", 0, 0);
	pass_udp("127.0.0.1", 0, 0);
	pass_udp("127.0.0.1", 0, 0);
	pass_udp("127.0.0.1", 0, 0);
	memset(names, 'x', sizeof(names));
	memcpy(names, "a\nerror::", 9);
	names[sizeof(names) - 1] = '\0';
	assert_int_equal(take(&a, names), 4);
	assert_string_equal(a.sockets[0].name, "a\\x0aerror");
	assert_string_equal(a.sockets[1].name, "-");
	assert_int_equal(strlen(a.sockets[2].name), ACTIVATION_NAME_MAX - 1);
	assert_string_equal(a.sockets[3].name, "-");
	activation_close_rest(&a);
}

/* ---- the store ---- */

static void open_manager(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char name[64];

	snprintf(name, sizeof(name), "@activation-%ld", (long)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	memcpy(sa.sun_path, name, strlen(name));
	sa.sun_path[0] = '\0';
	manager = raise_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	assert_int_equal(bind(manager, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
	assert_int_equal(notify_open(), 1);
}

static const char *manager_got(void)
{
	static char text[512];
	ssize_t n = recv(manager, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* The name of a stored socket is the same whoever asks, so that it can be taken out again after a restart. */
static void stored_sockets_have_names_of_their_own(void **state)
{
	char expected[128];
	int one = pass_udp("127.0.0.1", 0, 0), copy = fcntl(one, F_DUPFD_CLOEXEC, HIGH);

	(void)state;
	open_manager();
	assert_int_equal(activation_store(one), 0);
	snprintf(expected, sizeof(expected), "FDSTORE=1\nFDPOLL=0\nFDNAME=kept-%llu", (unsigned long long)inode_of(one));
	assert_string_equal(manager_got(), expected);
	assert_int_equal(activation_forget(copy), 0);
	snprintf(expected, sizeof(expected), "FDSTOREREMOVE=1\nFDNAME=kept-%llu", (unsigned long long)inode_of(one));
	assert_string_equal(manager_got(), expected);
	assert_int_equal(activation_store(-1), -1);
	assert_int_equal(activation_forget(-1), -1);
	assert_string_equal(manager_got(), "");
}

/* What nobody claims: of a socket unit, the manager holds it; of the store, it is taken out. */
static void the_rest_is_closed_and_told(void **state)
{
	struct activation a;
	struct endpoint group = address_of(pass_udp("127.0.0.1", 0, REUSE));
	int left[4];

	(void)state;
	pass_udp("127.0.0.1", group.port, REUSE);
	pass_udp("127.0.0.1", group.port, REUSE);
	pass_udp("127.0.0.2", 0, 0);
	pass_udp("127.0.0.3", 0, 0);
	open_manager();
	assert_int_equal(take(&a, "unit:unit:kept-7:other:kept-8"), 5);
	assert_true(activation_claim(&a, false, &group) >= 0);
	for (int i = 0; i < 4; i++)
		left[i] = a.sockets[1 + i].fd;
	assert_int_equal(activation_close_rest(&a), 1);
	for (int i = 0; i < 4; i++)
		assert_false(is_open(left[i]));
	assert_string_equal(manager_got(), "FDSTOREREMOVE=1\nFDNAME=kept-7");
	assert_string_equal(manager_got(), "FDSTOREREMOVE=1\nFDNAME=kept-8");
	assert_string_equal(manager_got(), "");

	const char *text = logged();

	assert_non_null(text = strstr(text, "passed socket unit at 127.0.0.1:"));
	assert_non_null(text = strstr(text, "is one more than there are workers"));
	assert_non_null(text = strstr(text, "passed socket kept-7 at 127.0.0.1:"));
	assert_non_null(text = strstr(text, "passed socket other at 127.0.0.2:"));
	assert_non_null(text = strstr(text, "belongs to no listener"));
	assert_non_null(strstr(text, "passed socket kept-8 at 127.0.0.3:"));
	assert_null(a.sockets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_passed, begin, end),
		cmocka_unit_test_setup_teardown(a_claimed_socket_is_ready_for_use, begin, end),
		cmocka_unit_test_setup_teardown(high_descriptors_stay_where_they_are, begin, end),
		cmocka_unit_test_setup_teardown(a_group_is_filled_in_order, begin, end),
		cmocka_unit_test_setup_teardown(addresses_are_kept_apart, begin, end),
		cmocka_unit_test_setup_teardown(one_that_takes_no_ipv4_is_told, begin, end),
		cmocka_unit_test_setup_teardown(datagrams_and_connections_on_one_port_are_two, begin, end),
		cmocka_unit_test_setup_teardown(descriptors_of_other_kinds_are_closed, begin, end),
		cmocka_unit_test_setup_teardown(one_socket_passed_twice_is_one, begin, end),
		cmocka_unit_test_setup_teardown(values_that_make_no_sense, begin, end),
		cmocka_unit_test_setup_teardown(as_many_as_there_may_be, begin, end),
		cmocka_unit_test_setup_teardown(names_are_made_printable, begin, end),
		cmocka_unit_test_setup_teardown(stored_sockets_have_names_of_their_own, begin, end),
		cmocka_unit_test_setup_teardown(the_rest_is_closed_and_told, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
