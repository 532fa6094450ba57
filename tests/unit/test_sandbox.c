/* objects: proxy/process/sandbox.o base/landlock.o */
/* What a confined process cannot do any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "tests/unit/confined.h"

/* ---- what it tells ---- */

static int report_child(void)
{
	struct sandbox_report before, after;
	int no_new_privs;

	sandbox_probe(&before);
	CHECK(before.seccomp == kernel_has_seccomp && before.landlock == kernel_has_landlock);
	CHECK(open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0); /* a look changes nothing */
	CHECK(sandbox_deny_files() == 0);
	no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	CHECK(no_new_privs == kernel_has_landlock);
	CHECK(sandbox_enter(&after) == 0);
	CHECK(after.seccomp == before.seccomp && after.landlock == before.landlock && after.landlock_abi == before.landlock_abi);
	CHECK((after.landlock_missing == NULL) == after.landlock && (after.landlock_abi > 0) == after.landlock);
	CHECK((after.seccomp_missing == NULL) == after.seccomp);
	if (SANDBOX_LEFT_OUT)
		CHECK(strstr(after.seccomp_missing, "sanitizers") != NULL && strstr(after.landlock_missing, "sanitizers") != NULL);
	if (!after.seccomp)
		CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	return CHILD_GOOD;
}

static void test_the_report_is_true(void **state)
{
	(void)state;
	expect_good(report_child);
}

/* ---- what is refused ---- */

static int files_child(void)
{
	int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[32];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%d/mem", (int)getppid());
	CHECK(confine() == 0);
	if (!kernel_has_seccomp)
		return CHILD_GOOD;
	REFUSED(open("/etc/passwd", O_RDONLY | O_CLOEXEC), EPERM);
	REFUSED(openat(AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC), EPERM);
	REFUSED(openat(folder, "etc/passwd", O_RDONLY | O_CLOEXEC), EPERM);
	REFUSED(syscall(SYS_openat2, folder, "etc/passwd", &(uint64_t[3]){ O_RDONLY }, sizeof(uint64_t[3])), EPERM);
	REFUSED(open(path, O_RDWR | O_CLOEXEC), EPERM);
	REFUSED(open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), EPERM);
	REFUSED(stat("/etc/passwd", &st), EPERM);
	REFUSED(access("/etc/passwd", R_OK), EPERM);
	REFUSED(unlink("/etc/passwd"), EPERM);
	REFUSED(rename("/etc/passwd", "/etc/passwd-"), EPERM);
	REFUSED(mkdir("/etc/a-folder", 0700), EPERM);
	REFUSED(syscall(SYS_memfd_create, "x", 0), EPERM);
	REFUSED(chmod("/etc/passwd", 0644), EPERM);
	REFUSED(fchdir(folder), EPERM);
	return CHILD_GOOD;
}

/* Landlock alone, as it stands before seccomp comes. */
static int landlock_child(void)
{
	int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), held = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	char byte;

	CHECK(folder >= 0 && held >= 0 && sandbox_deny_files() == 0);
	CHECK(read(held, &byte, 1) == 1); /* what is open stays open */
	if (!kernel_has_landlock)
		return CHILD_GOOD;
	REFUSED(open("/etc/passwd", O_RDONLY | O_CLOEXEC), EACCES);
	REFUSED(openat(folder, "etc/passwd", O_RDONLY | O_CLOEXEC), EACCES);
	REFUSED(open("/dev/null", O_WRONLY | O_CLOEXEC), EACCES);
	REFUSED(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), EACCES);
	REFUSED(execl("/bin/false", "false", (char *)NULL), EACCES);
	REFUSED(mkdir("a-folder-of-this-test", 0700), EACCES);
	REFUSED(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL), EPERM);
	CHECK(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
	return CHILD_GOOD;
}

/* As of ABI 6: the loop-back TCP connection goes through, a signal to the parent does not. */
static int landlock_scope_child(void)
{
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	struct sandbox_report report;

	sandbox_probe(&report);
	CHECK(sandbox_deny_files() == 0);
	CHECK(bind(listening, (struct sockaddr *)&at, len) == 0 && listen(listening, 1) == 0);
	CHECK(getsockname(listening, (struct sockaddr *)&at, &len) == 0);
	CHECK(connect(fd, (struct sockaddr *)&at, len) == 0);
	if (report.landlock_abi >= 6)
		REFUSED(kill(getppid(), 0), EPERM);
	return CHILD_GOOD;
}

/* A socket that listens in the file system, opened before, cannot be connected to. */
static int unix_child(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), pair[2];
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof at;

	/* an automatic abstract name */
	CHECK(bind(listening, (struct sockaddr *)&at, sizeof(sa_family_t)) == 0 && listen(listening, 1) == 0);
	CHECK(getsockname(listening, (struct sockaddr *)&at, &len) == 0);
	CHECK(confine() == 0);
	if (!kernel_has_seccomp)
		return CHILD_GOOD;
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0), EPERM);
	REFUSED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), EPERM);
	CHECK(connect(udp, (struct sockaddr *)&at, len) < 0);
	CHECK(sendto(udp, "x", 1, 0, (struct sockaddr *)&at, len) < 0);
	REFUSED(accept(listening, NULL, NULL), EPERM);
	return CHILD_GOOD;
}

static int sockets_child(void)
{
	static const struct {
		int family, type, protocol;
	} rows[] = {
		{ AF_UNIX, SOCK_DGRAM, 0 }, { AF_UNIX, SOCK_SEQPACKET, 0 }, { AF_NETLINK, SOCK_RAW, 0 }, { AF_NETLINK, SOCK_DGRAM, 0 },
		{ AF_PACKET, SOCK_DGRAM, 0 }, { AF_PACKET, SOCK_RAW, 0 }, { AF_INET, SOCK_RAW, IPPROTO_ICMP },
		{ AF_INET, SOCK_RAW, IPPROTO_RAW }, { AF_INET, SOCK_DGRAM, IPPROTO_ICMP }, { AF_INET6, SOCK_RAW, IPPROTO_ICMPV6 },
		{ AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6 }, { AF_INET, SOCK_STREAM, IPPROTO_SCTP },
		{ AF_INET, SOCK_STREAM, IPPROTO_MPTCP }, { AF_INET6, SOCK_SEQPACKET, 0 }, { AF_ALG, SOCK_SEQPACKET, 0 },
		{ AF_VSOCK, SOCK_STREAM, 0 }, { AF_BLUETOOTH, SOCK_RAW, 0 }, { AF_CAN, SOCK_RAW, 1 },
	};
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	CHECK(confine() == 0);
	if (!kernel_has_seccomp)
		return CHILD_GOOD;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		REFUSED(socket(rows[i].family, rows[i].type | SOCK_CLOEXEC, rows[i].protocol), EPERM);
	REFUSED(setsockopt(udp, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), EPERM);
	REFUSED(setsockopt(udp, SOL_SOCKET, SO_ATTACH_FILTER, &on, sizeof on), EPERM);
	REFUSED(setsockopt(udp, SOL_SOCKET, SO_ATTACH_BPF, &on, sizeof on), EPERM);
	REFUSED(listen(udp, 1), EPERM);
	REFUSED(listen(tcp, 1), EPERM);
	REFUSED(setsockopt(tcp, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), EPERM);
	REFUSED(setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), EPERM);
	REFUSED(setsockopt(tcp, IPPROTO_TCP, TCP_ULP, "tls", 3), EPERM);
	REFUSED(setsockopt(tcp, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on), EPERM);
	REFUSED(ioctl(tcp, FIOASYNC, &on), EPERM);
	return CHILD_GOOD;
}

static int processes_child(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	pid_t child;

	CHECK(confine() == 0);
	if (!kernel_has_seccomp)
		return CHILD_GOOD;
	child = fork();
	if (child == 0)
		_exit(0);
	CHECK(child < 0 && errno == EPERM);
	REFUSED(kill(getppid(), 0), EPERM);
	REFUSED(kill(getpid(), 0), EPERM);
	REFUSED(syscall(SYS_tgkill, getppid(), getppid(), 0), EPERM);
	REFUSED(syscall(SYS_tgkill, 0x3fffffff, 0x3fffffff, 0), EPERM); /* nobody; by the filter, not by Landlock */
	REFUSED(syscall(SYS_tkill, getppid(), 0), EPERM);
	REFUSED(fcntl(fd, F_SETOWN, getppid()), EPERM);
	REFUSED(syscall(SYS_pidfd_open, getppid(), 0), EPERM);
	REFUSED(setpriority(PRIO_PROCESS, 0, 0), EPERM);
	REFUSED(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), EPERM);
	CHECK(syscall(SYS_tgkill, getpid(), getpid(), 0) == 0);
	return CHILD_GOOD;
}

static int code_child(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *data = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(data != MAP_FAILED && confine() == 0);
	if (!kernel_has_seccomp)
		return CHILD_GOOD;
	REFUSED((intptr_t)mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EPERM);
	REFUSED((intptr_t)mmap(NULL, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EPERM);
	REFUSED(mprotect(data, page, PROT_READ | PROT_EXEC), EPERM);
	REFUSED(mprotect(data, page, PROT_EXEC), EPERM);
	REFUSED(syscall(SYS_pkey_mprotect, data, page, PROT_READ | PROT_EXEC, -1), EPERM);
	CHECK(mprotect(data, page, PROT_READ) == 0 && mprotect(data, page, PROT_READ | PROT_WRITE) == 0);
	return CHILD_GOOD;
}

static void test_files_are_refused(void **state)
{
	(void)state;
	expect_good(files_child);
}

static void test_landlock_holds_alone(void **state)
{
	(void)state;
	expect_good(landlock_child);
	expect_good(landlock_scope_child);
}

static void test_unix_sockets_are_refused(void **state)
{
	(void)state;
	expect_good(unix_child);
}

static void test_sockets_are_of_the_internet_and_do_not_listen(void **state)
{
	(void)state;
	expect_good(sockets_child);
}

static void test_other_processes_are_out_of_reach(void **state)
{
	(void)state;
	expect_good(processes_child);
}

static void test_memory_becomes_no_code(void **state)
{
	(void)state;
	expect_good(code_child);
}

/* ---- what kills ---- */

static char taken[8];

static void attack(long number)
{
	char *arguments[] = { (char *)(uintptr_t)"true", NULL };
	struct iovec mine = { taken, sizeof taken }, theirs = { taken, sizeof taken };

	switch (number) {
	case SYS_execve:
		execv("/bin/true", arguments);
		break;
	case SYS_process_vm_readv:
		process_vm_readv(getppid(), &mine, 1, &theirs, 1, 0);
		break;
	case SYS_process_vm_writev:
		process_vm_writev(getppid(), &mine, 1, &theirs, 1, 0);
		break;
	case SYS_ptrace:
		ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
		break;
	default:
		syscall(number, -1L, 0L, 0L, 0L, 0L, 0L);
	}
}

static int attack_status(long number)
{
	pid_t child;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (confine() < 0)
			_exit(CHILD_SANDBOX);
		attack(number);
		_exit(CHILD_GOOD);
	}
	return wait_for(child);
}

static void test_an_attack_ends_the_process(void **state)
{
	static const long calls[] = {
		SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_pidfd_getfd, SYS_kexec_load,
		SYS_init_module, SYS_finit_module, SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_keyctl, SYS_add_key,
		SYS_io_uring_setup, SYS_mount, SYS_umount2, SYS_unshare, SYS_setns, SYS_setuid, SYS_setresuid, SYS_capset, SYS_personality,
#ifdef __x86_64__
		0x40000000 | SYS_getpid, /* by the number of another architecture */
#endif
	};

	(void)state;
	if (!kernel_has_seccomp) {
		struct sandbox_report report;

		sandbox_probe(&report);
		assert_false(report.seccomp);
		return;
	}
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		int status = attack_status(calls[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("call %ld ended with status %#x", calls[i], (unsigned)status);
	}
}

static int abort_child(void)
{
	CHECK(confine() == 0);
	abort();
}

/* A broken invariant must end the process as it always does. */
static void test_abort_ends_the_process(void **state)
{
	int status;

	(void)state;
	status = in_child(abort_child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- threads ---- */

static struct {
	int go[2], done[2];
	int error; /* of the thread's attempt to open a file */
} other;

static void *other_thread(void *arg)
{
	char byte;
	int fd;

	(void)arg;
	if (read(other.go[0], &byte, 1) != 1)
		return NULL;
	fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	other.error = fd < 0 ? errno : 0;
	if (write(other.done[1], "", 1) != 1)
		return NULL;
	return NULL;
}

static int threads_child(void)
{
	pthread_t thread;
	char byte;

	CHECK(pipe2(other.go, O_CLOEXEC) == 0 && pipe2(other.done, O_CLOEXEC) == 0);
	CHECK(pthread_create(&thread, NULL, other_thread, NULL) == 0);
	CHECK(confine() == 0);
	CHECK(write(other.go[1], "", 1) == 1 && read(other.done[0], &byte, 1) == 1);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(other.error == (kernel_has_seccomp ? EPERM : 0));
	return CHILD_GOOD;
}

static void test_running_threads_are_confined_too(void **state)
{
	(void)state;
	expect_good(threads_child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_report_is_true),
		cmocka_unit_test(test_files_are_refused),
		cmocka_unit_test(test_landlock_holds_alone),
		cmocka_unit_test(test_unix_sockets_are_refused),
		cmocka_unit_test(test_sockets_are_of_the_internet_and_do_not_listen),
		cmocka_unit_test(test_other_processes_are_out_of_reach),
		cmocka_unit_test(test_memory_becomes_no_code),
		cmocka_unit_test(test_an_attack_ends_the_process),
		cmocka_unit_test(test_abort_ends_the_process),
		cmocka_unit_test(test_running_threads_are_confined_too),
	};

	kernel_ask();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
