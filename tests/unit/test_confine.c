/* objects: oscore/reader/confine.o base/landlock.o */
/* What the reader cannot do any more. Each attempt is a child's, which must be ended by it; what it needs goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "oscore/reader/confine.h"
#include "tests/unit/confined.h"

static int control[2]; /* a pair of sockets; the first is what it receives descriptors on */
static int folder;     /* open on "/" */
static char *page;     /* of memory */

static int enter(void)
{
	char missing[512] = "";

	if (confine_enter(control[0], missing, sizeof missing) < 0) {
		perror("confine_enter");
		return -1;
	}
	return 0;
}

/* ---- each of these ends it ---- */

static char *const nothing[] = { NULL };

#define ATTEMPTS(X)                                                                            \
	X(open_file, open("/etc/passwd", O_RDONLY | O_CLOEXEC))                                \
	X(open_beside, openat(folder, "etc/passwd", O_RDONLY | O_CLOEXEC))                     \
	X(open_2, syscall(SYS_openat2, folder, "etc/passwd", &(uint64_t[3]){ 0 }, sizeof(uint64_t[3]))) \
	X(look_at_file, access("/etc/passwd", R_OK))                                           \
	X(stat_file, stat("/etc/passwd", &(struct stat){ 0 }))                                 \
	X(stat_open_file, fstat(folder, &(struct stat){ 0 }))                                  \
	X(make_memory_file, syscall(SYS_memfd_create, "x", 0))                                 \
	X(unlink_file, unlink("/etc/no-such-file"))                                            \
	X(control_file, fcntl(folder, F_SETOWN, 1))                                            \
	X(duplicate, dup(folder))                                                              \
	X(control_device, syscall(SYS_ioctl, control[0], 0, 0))                                \
	X(make_socket, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))                          \
	X(make_unix_socket, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))                     \
	X(make_pair, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, (int[2]){ 0 }))        \
	X(connect_socket, connect(control[1], &(struct sockaddr){ 0 }, sizeof(struct sockaddr))) \
	X(bind_socket, bind(control[1], &(struct sockaddr){ 0 }, sizeof(struct sockaddr)))     \
	X(listen_on_socket, listen(control[1], 1))                                             \
	X(accept_on_socket, accept4(control[1], NULL, NULL, SOCK_CLOEXEC))                     \
	X(send_to_somebody, sendto(control[1], "x", 1, MSG_NOSIGNAL, NULL, 0))                 \
	X(receive_descriptors, recvmsg(control[1], &(struct msghdr){ 0 }, MSG_DONTWAIT))       \
	X(send_descriptors, sendmsg(control[1], &(struct msghdr){ 0 }, MSG_DONTWAIT))          \
	X(run_program, execve("/bin/true", nothing, nothing))                                  \
	X(run_open_program, syscall(SYS_execveat, folder, "bin/true", nothing, nothing, 0))    \
	X(make_process, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))                               \
	X(make_process_3, syscall(SYS_clone3, NULL, (size_t)0))                                \
	X(look_into_process, ptrace(PTRACE_ATTACH, getppid(), NULL, NULL))                     \
	X(read_process, process_vm_readv(1, NULL, 0, NULL, 0, 0))                              \
	X(write_process, process_vm_writev(1, NULL, 0, NULL, 0, 0))                            \
	X(end_process, syscall(SYS_kill, 1, 0))                                                \
	X(end_thread, syscall(SYS_tgkill, 1, 1, 0))                                            \
	X(take_descriptor, syscall(SYS_pidfd_getfd, 0, 0, 0))                                  \
	X(map_code, (long)(intptr_t)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) \
	X(make_code, mprotect(page, 4096, PROT_READ | PROT_EXEC))                              \
	X(make_code_by_key, syscall(SYS_pkey_mprotect, page, (size_t)4096, PROT_EXEC, -1))     \
	X(become_root, setresuid(0, 0, 0))                                                     \
	X(take_capabilities, syscall(SYS_capset, NULL, NULL))                                  \
	X(become_dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))                                 \
	X(raise_limits, setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }))                      \
	X(unlock_memory, munlock(page, 4096))                                                  \
	X(leave_namespace, syscall(SYS_unshare, 0))                                            \
	X(other_ring, syscall(SYS_io_uring_setup, 1, NULL))                                    \
	X(kernel_program, syscall(SYS_bpf, 0, NULL, 0))                                        \
	X(catch_signals, syscall(SYS_rt_sigaction, SIGSYS, NULL, NULL, (size_t)8))             \
	X(no_such_call, syscall(100000))

#define CHILD(name, call)                          \
	static int child_##name(void)              \
	{                                          \
		CHECK(enter() == 0);               \
		return (long)(call) >= 0 ? 1 : 2;  \
	}
ATTEMPTS(CHILD)
#undef CHILD

static const struct attempt {
	const char *name;
	int (*child)(void);
} attempts[] = {
#define ROW(name, call) { #name, child_##name },
	ATTEMPTS(ROW)
#undef ROW
};

static void test_each_attempt_ends_it(void **state)
{
	(void)state;
	if (!kernel_has_seccomp)
		return;
	for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
		int status = in_child(attempts[i].child);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: status %#x", attempts[i].name, (unsigned)status);
	}
}

/* ---- what it needs ---- */

static int needs_child(void)
{
	struct iovec v = { (char[1]){ 'x' }, 1 };
	struct epoll_event event = { .events = EPOLLIN };
	int loop = epoll_create1(EPOLL_CLOEXEC);
	char byte = 0;
	void *more;

	CHECK(getrandom(&byte, 1, 0) == 1); /* the first as in the reader: before */
	CHECK(enter() == 0);
	CHECK(write(control[1], "q", 1) == 1 && read(control[0], &byte, 1) == 1 && byte == 'q');
	CHECK(sendmsg(control[0], &(struct msghdr){ .msg_iov = &v, .msg_iovlen = 1 }, 0) == 1);
	CHECK(epoll_ctl(loop, EPOLL_CTL_ADD, control[1], &event) == 0 && epoll_wait(loop, &event, 1, 0) == 1);
	CHECK(read(control[1], &byte, 1) == 1 && byte == 'x');
	CHECK(recvmsg(control[0], &(struct msghdr){ .msg_iov = &v, .msg_iovlen = 1 }, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	more = malloc(10 << 20);
	CHECK(more != NULL);
	memset(more, 1, 10 << 20);
	free(more);
	CHECK(getrandom(&byte, 1, 0) == 1);
	CHECK(close(control[1]) == 0);
	exit(CHILD_GOOD);
}

static void test_what_it_needs_stays(void **state)
{
	(void)state;
	expect_good(needs_child);
}

/* Landlock by itself: it would hold alone. */
static int landlock_child(void)
{
	char missing[512] = "", byte;
	int held = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	if (SANDBOX_LEFT_OUT)
		return CHILD_GOOD;
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && confine_deny_files(missing, sizeof missing) == 0);
	CHECK((missing[0] != '\0') == !kernel_has_landlock);
	CHECK(read(held, &byte, 1) == 1); /* what is open stays open */
	if (!kernel_has_landlock)
		return CHILD_GOOD;
	REFUSED(open("/etc/passwd", O_RDONLY | O_CLOEXEC), EACCES);
	REFUSED(openat(folder, "etc/passwd", O_RDONLY | O_CLOEXEC), EACCES);
	REFUSED(open("/dev/null", O_WRONLY | O_CLOEXEC), EACCES);
	REFUSED(execve("/bin/true", nothing, nothing), EACCES);
	REFUSED(mkdir("a-folder-of-this-test", 0700), EACCES);
	REFUSED(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL), EPERM);
	return CHILD_GOOD;
}

static void test_files_are_denied_twice(void **state)
{
	(void)state;
	expect_good(landlock_child);
}

/* What begins it; and where there is no filter that would forbid to look, capabilities. */
static int begin_child(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2] = { { 0 } };
	int last = control[0] > control[1] ? control[0] : control[1], beyond = fcntl(folder, F_DUPFD_CLOEXEC, last + 10), signal = 0;
	struct rlimit core;

	CHECK(beyond > last && confine_begin(last) == 0);
	CHECK(fcntl(beyond, F_GETFD) == -1 && errno == EBADF);
	CHECK(fcntl(last, F_GETFD) >= 0);
	CHECK(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
	CHECK(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGKILL);
	if (!SANDBOX_LEFT_OUT)
		CHECK(prctl(PR_GET_DUMPABLE) == 0);
	if (kernel_has_seccomp)
		return CHILD_GOOD;
	/* where no filter stands in the way of looking */
	CHECK(enter() == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	CHECK(syscall(SYS_capget, &head, sets) == 0 && sets[0].permitted == 0 && sets[1].permitted == 0 && sets[0].effective == 0);
	return CHILD_GOOD;
}

static void test_the_beginning_hides_it(void **state)
{
	(void)state;
	expect_good(begin_child);
}

/* The status of a confined child, as others see it: no capability, no new privileges, a filter. */
static void test_others_see_it_confined(void **state)
{
	char path[64], line[256];
	int seen = 0;
	pid_t child;
	FILE *status;

	(void)state;
	if (!kernel_has_seccomp)
		return;
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char byte;

		if (enter() == 0 && write(control[0], "c", 1) == 1 && read(control[0], &byte, 1) == 1)
			_exit(CHILD_GOOD);
		_exit(1);
	}
	assert_int_equal(read(control[1], line, 1), 1);
	snprintf(path, sizeof path, "/proc/%d/status", (int)child);
	status = fopen(path, "re");
	assert_non_null(status);
	while (fgets(line, sizeof line, status) != NULL)
		seen += strcmp(line, "CapPrm:\t0000000000000000\n") == 0 || strcmp(line, "CapEff:\t0000000000000000\n") == 0 ||
			strcmp(line, "CapInh:\t0000000000000000\n") == 0 || strcmp(line, "CapAmb:\t0000000000000000\n") == 0 ||
			strcmp(line, "NoNewPrivs:\t1\n") == 0 || strcmp(line, "Seccomp:\t2\n") == 0;
	fclose(status);
	assert_int_equal(seen, 6);
	assert_int_equal(write(control[1], "e", 1), 1);
	assert_int_equal(wait_for(child), CHILD_GOOD);
}

static void test_what_is_missing_is_told(void **state)
{
	char text[32] = "";

	(void)state;
	confine_missing(text, sizeof text, "one", "reason");
	assert_string_equal(text, "one: reason");
	confine_missing(text, sizeof text, "two", "a longer reason than fits there");
	assert_string_equal(text, "one: reason; two: a longer reas");
	confine_missing(text, sizeof text, "three", "more");
	assert_string_equal(text, "one: reason; two: a longer reas");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_attempt_ends_it),
		cmocka_unit_test(test_what_it_needs_stays),
		cmocka_unit_test(test_files_are_denied_twice),
		cmocka_unit_test(test_the_beginning_hides_it),
		cmocka_unit_test(test_others_see_it_confined),
		cmocka_unit_test(test_what_is_missing_is_told),
	};

	kernel_ask();
	folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (folder < 0 || page == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
