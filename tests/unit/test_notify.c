/* objects: proxy/process/notify.o base/clock.o base/log.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/process/notify.h"

enum { PATH_ROOM = sizeof(((struct sockaddr_un *)0)->sun_path), MANY = 100000 };

/* A service manager: a socket at a path of its own. */
static char folder[] = "/var/tmp/notify-XXXXXX";
static char path[PATH_ROOM];
static int manager = -1;

static void bind_manager(const char *name, size_t len)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(manager >= 0);
	memcpy(sa.sun_path, name, len);
	assert_int_equal(bind(manager, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
}

static int begin_all(void **state)
{
	(void)state;
	log_open(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_LEVEL_ERROR);
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/s", folder);
	return 0;
}

static int end_all(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int begin(void **state)
{
	(void)state;
	bind_manager(path, strlen(path));
	setenv("NOTIFY_SOCKET", path, 1);
	return 0;
}

static int end(void **state)
{
	(void)state;
	notify_close();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	close(manager);
	unlink(path);
	return 0;
}

/* The next datagram as text; *fd: the descriptor that came along, or -1. */
static const char *received(int *fd)
{
	static char text[4096];
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(4 * sizeof(int))];
	struct iovec v = {.iov_base = text, .iov_len = sizeof(text) - 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	ssize_t n = recvmsg(manager, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int got = -1;

	if (n < 0)
		return "nothing";
	text[n] = '\0';
	if (c) {
		assert_int_equal(c->cmsg_type, SCM_RIGHTS);
		assert_int_equal(c->cmsg_len, CMSG_LEN(sizeof(got)));
		memcpy(&got, CMSG_DATA(c), sizeof(got));
	}
	if (fd)
		*fd = got;
	else
		assert_int_equal(got, -1);
	return text;
}

static void assert_environment_is_clean(void)
{
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
}

static void without_a_manager_all_succeeds(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_open(), 0);
	assert_int_equal(notify_send("WATCHDOG=1"), 0);
	assert_int_equal(notify_ready(), 0);
	assert_int_equal(notify_reloading(), 0);
	assert_int_equal(notify_status("%s", "fine"), 0);
	assert_int_equal(notify_store(STDIN_FILENO, "a"), 0);
	assert_int_equal(notify_unstore("a"), 0);
	assert_int_equal(notify_watchdog_interval(), 0);
	assert_string_equal(received(NULL), "nothing");
}

static void states_arrive_at_a_path(void **state)
{
	(void)state;
	assert_int_equal(notify_open(), 1);
	assert_environment_is_clean();
	assert_int_equal(notify_ready(), 0);
	assert_string_equal(received(NULL), "READY=1");
	assert_int_equal(notify_send("STOPPING=1\nSTATUS=draining"), 0);
	assert_string_equal(received(NULL), "STOPPING=1\nSTATUS=draining");
	assert_string_equal(received(NULL), "nothing");
	notify_close();
	assert_int_equal(notify_send("WATCHDOG=1"), 0);
	assert_string_equal(received(NULL), "nothing");
}

/* The longest name there is, which leaves no room for a NUL. */
static void states_arrive_at_an_abstract_name(void **state)
{
	char name[PATH_ROOM + 1];

	(void)state;
	close(manager);
	memset(name, 'n', PATH_ROOM);
	snprintf(name, sizeof(name), "@notify-%ld", (long)getpid());
	name[strlen(name)] = 'n';
	name[PATH_ROOM] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = '\0';
	bind_manager(name, PATH_ROOM);
	assert_int_equal(notify_open(), 1);
	assert_int_equal(notify_ready(), 0);
	assert_string_equal(received(NULL), "READY=1");
}

static void a_manager_that_binds_anew_is_found(void **state)
{
	(void)state;
	assert_int_equal(notify_open(), 1);
	close(manager);
	assert_int_equal(notify_send("WATCHDOG=1"), -1);
	unlink(path);
	assert_int_equal(notify_send("WATCHDOG=1"), -1);
	bind_manager(path, strlen(path));
	assert_int_equal(notify_send("WATCHDOG=1"), 0);
	assert_string_equal(received(NULL), "WATCHDOG=1");
}

static void addresses_of_no_use_are_refused(void **state)
{
	char long_path[PATH_ROOM + 2];
	const char *const cases[] = {"", "/", "@", "run/notify", "notify", "vsock:2:1234", "./s", "\x01/s", long_path};

	(void)state;
	memset(long_path, 'p', sizeof(long_path));
	long_path[0] = '/';
	long_path[PATH_ROOM + 1] = '\0';
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("NOTIFY_SOCKET", cases[i], 1);
		setenv("WATCHDOG_USEC", "30000000", 1);
		assert_int_equal(notify_open(), -1);
		assert_environment_is_clean();
		assert_int_equal(notify_ready(), 0);
		assert_int_equal(notify_watchdog_interval(), 0);
		notify_close();
	}
}

static void the_watchdog_is_for_one_process(void **state)
{
	char self[24], other[24];
	const struct {
		const char *usec, *pid;
		int result;
		uint64_t interval;
	} cases[] = {
		{"30000000", self, 1, 15000000},
		{"30000000", NULL, 1, 15000000},
		{"30000000", other, 1, 0},
		{NULL, self, 1, 0},
		{"1", self, 1, 0},
		{"18446744073709551615", self, 1, UINT64_MAX / 2},
		{"18446744073709551616", self, -1, 0},
		{"99999999999999999999999999", self, -1, 0},
		{"0", self, -1, 0},
		{"", self, -1, 0},
		{"-5", self, -1, 0},
		{"+5", self, -1, 0},
		{" 5", self, -1, 0},
		{"5s", self, -1, 0},
		{"0x10", self, -1, 0},
		{"30000000", "", -1, 0},
		{"30000000", "me", -1, 0},
		{"30000000", "4294967297", -1, 0},
	};

	(void)state;
	snprintf(self, sizeof(self), "%ld", (long)getpid());
	snprintf(other, sizeof(other), "%ld", (long)getppid());
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("NOTIFY_SOCKET", path, 1);
		if (cases[i].usec)
			setenv("WATCHDOG_USEC", cases[i].usec, 1);
		if (cases[i].pid)
			setenv("WATCHDOG_PID", cases[i].pid, 1);
		assert_int_equal(notify_open(), cases[i].result);
		assert_environment_is_clean();
		assert_true(notify_watchdog_interval() == cases[i].interval);
		/* a watchdog that cannot be read takes nothing else away */
		assert_int_equal(notify_send("WATCHDOG=1"), 0);
		assert_string_equal(received(NULL), "WATCHDOG=1");
		notify_close();
	}
}

static unsigned long long monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
}

static void a_reload_tells_the_time_of_now(void **state)
{
	unsigned long long before, told;
	int end_at = 0;

	(void)state;
	assert_int_equal(notify_open(), 1);
	for (int i = 0; i < 2; i++) { /* twice: the time of the second is not that of the first */
		before = monotonic();
		assert_int_equal(notify_reloading(), 0);

		const char *text = received(NULL);

		assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%llu%n", &told, &end_at), 1);
		assert_int_equal(text[end_at], '\0');
		assert_in_range(told, before, monotonic());
	}
}

static void a_status_is_one_line(void **state)
{
	char longer[2000];

	(void)state;
	assert_int_equal(notify_open(), 1);
	assert_int_equal(notify_status("%d workers, %s", 4, "a\nMAINPID=1\r\x7f"), 0);
	assert_string_equal(received(NULL), "STATUS=4 workers, a?MAINPID=1??");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(notify_status("%s", longer), 0);

	const char *text = received(NULL);

	assert_memory_equal(text, "STATUS=xxx", 10);
	assert_int_equal(strlen(text), 511);
}

static void texts_are_bounded(void **state)
{
	char text[2050];

	(void)state;
	assert_int_equal(notify_open(), 1);
	memset(text, 'x', sizeof(text));
	text[2049] = '\0';
	assert_int_equal(notify_send(text), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_string_equal(received(NULL), "nothing");
	text[2048] = '\0';
	assert_int_equal(notify_send(text), 0);
	assert_string_equal(received(NULL), text);
}

static void stored_descriptors_travel(void **state)
{
	char longest[257];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), got;
	struct stat ours, theirs;

	(void)state;
	memset(longest, 'n', sizeof(longest));
	longest[255] = '\0';
	assert_int_equal(notify_open(), 1);
	assert_int_equal(notify_store(fd, "a b"), 0);
	assert_string_equal(received(&got), "FDSTORE=1\nFDPOLL=0\nFDNAME=a b");
	assert_int_equal(fstat(fd, &ours), 0); /* borrowed, not taken */
	assert_int_equal(fstat(got, &theirs), 0);
	assert_true(ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev);
	close(got);
	assert_int_equal(notify_store(fd, longest), 0);
	assert_string_equal(received(&got) + strlen("FDSTORE=1\nFDPOLL=0\nFDNAME="), longest);
	close(got);
	assert_int_equal(notify_unstore("a b"), 0);
	assert_string_equal(received(NULL), "FDSTOREREMOVE=1\nFDNAME=a b");
	close(fd);
}

static void names_of_stored_descriptors_are_checked(void **state)
{
	char too_long[257];
	const char *const cases[] = {"", "a:b", "a\nREADY=1", "\x7f", "\xc3\xa4", too_long};

	(void)state;
	memset(too_long, 'n', 256);
	too_long[256] = '\0';
	assert_int_equal(notify_open(), 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		errno = 0;
		assert_int_equal(notify_store(STDIN_FILENO, cases[i]), -1);
		assert_int_equal(errno, EINVAL);
		assert_int_equal(notify_unstore(cases[i]), -1);
	}
	assert_int_equal(notify_store(-1, "a"), -1);
	assert_int_equal(errno, EBADF);
	assert_string_equal(received(NULL), "nothing");
}

static void fill_queue(void)
{
	for (int i = 0; notify_send("WATCHDOG=1") == 0; i++)
		assert_true(i < MANY);
	assert_int_equal(errno, EAGAIN);
}

/* Returns when the process sleeps in a system call, which after fill_queue() can only be its wait for room. */
static void wait_until_asleep(pid_t pid)
{
	char name[64], line[256], letter = 'R';

	snprintf(name, sizeof(name), "/proc/%ld/stat", (long)pid);
	while (letter != 'S') {
		FILE *f = fopen(name, "re");

		if (!f || !fgets(line, sizeof(line), f))
			_exit(1);
		fclose(f);
		letter = strrchr(line, ')')[2];
		sched_yield();
	}
}

static void ready_waits_for_room(void **state)
{
	char buf[64];
	int status;
	pid_t self = getpid(), reader;

	(void)state;
	assert_int_equal(notify_open(), 1);
	fill_queue();
	reader = fork();
	assert_true(reader >= 0);
	if (reader == 0) {
		wait_until_asleep(self);
		_exit(recv(manager, buf, sizeof(buf), 0) > 0 ? 0 : 1);
	}
	assert_int_equal(notify_ready(), 0);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
}

static void a_slow_manager_is_waited_for_once(void **state)
{
	unsigned long long begun;

	(void)state;
	assert_int_equal(notify_open(), 1);
	fill_queue();
	begun = monotonic();
	assert_int_equal(notify_store(STDIN_FILENO, "a"), -1);
	assert_int_equal(errno, EAGAIN);
	assert_true(monotonic() - begun >= 900000);
	begun = monotonic();
	for (int i = 0; i < 10; i++) { /* would take ten seconds */
		assert_int_equal(notify_store(STDIN_FILENO, "a"), -1);
		assert_int_equal(errno, EAGAIN);
	}
	assert_true(monotonic() - begun < 5000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_a_manager_all_succeeds, begin, end),
		cmocka_unit_test_setup_teardown(states_arrive_at_a_path, begin, end),
		cmocka_unit_test_setup_teardown(states_arrive_at_an_abstract_name, begin, end),
		cmocka_unit_test_setup_teardown(a_manager_that_binds_anew_is_found, begin, end),
		cmocka_unit_test_setup_teardown(addresses_of_no_use_are_refused, begin, end),
		cmocka_unit_test_setup_teardown(the_watchdog_is_for_one_process, begin, end),
		cmocka_unit_test_setup_teardown(a_reload_tells_the_time_of_now, begin, end),
		cmocka_unit_test_setup_teardown(a_status_is_one_line, begin, end),
		cmocka_unit_test_setup_teardown(texts_are_bounded, begin, end),
		cmocka_unit_test_setup_teardown(stored_descriptors_travel, begin, end),
		cmocka_unit_test_setup_teardown(names_of_stored_descriptors_are_checked, begin, end),
		cmocka_unit_test_setup_teardown(ready_waits_for_room, begin, end),
		cmocka_unit_test_setup_teardown(a_slow_manager_is_waited_for_once, begin, end),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
