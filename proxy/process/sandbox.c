#include "proxy/process/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/landlock.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* ---- Landlock ---- */

static bool files_denied;

int sandbox_deny_files(void)
{
	const char *missing;
	int version = landlock_version(&missing), root;

	if (version == 0 || files_denied)
		return 0;
	/* Connections towards origins are a worker's work. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_deny(version, false) < 0)
		return -1;
	/* Trust, but look: the root directory must be shut now. */
	root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0) {
		close(root);
		errno = EPROTO;
		return -1;
	}
	files_denied = true;
	return 0;
}

/* ---- seccomp ---- */

/* Allowed whatever the arguments. Names that only other architectures have do nothing here: arm64 has no epoll_wait, 32-bit
 * ones have calls of their own for 64-bit times and offsets. */
static const char *const allowed_calls[] = {
	/* the event loop and its wake-ups */
	"epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "ppoll_time64", "timerfd_settime",
	"timerfd_settime64",
	/* datagrams, connections, and the channel to the parent; to listen is the parent's */
	"recvmmsg", "recvmmsg_time64", "sendmmsg", "recvmsg", "sendmsg", "recvfrom", "sendto", "recv", "send", "bind", "connect",
	"accept4", "shutdown", "getsockname", "getpeername", "getsockopt",
	/* descriptors that are open, or come from the parent */
	"read", "readv", "pread64", "write", "writev", "close", "dup", "dup2", "dup3", "lseek", "_llseek", "fstat", "fstat64",
	/* memory, but see below for what could make code of it */
	"brk", "munmap", "mremap", "madvise", "sysinfo", /* qsort() asks how much there is */
	/* threads that run already, or were started and have not come to their first line */
	"futex", "futex_time64", "sched_yield", "rseq", "set_robust_list", "exit", "exit_group",
	/* time and chance, where the C library does not answer by itself */
	"clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "gettimeofday", "time", "getrandom",
	/* signals to itself, and abort() */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "restart_syscall", "getpid", "getppid", "gettid",
};

/* Nothing in the program leads here, so who calls one of these is not the program any more. */
static const char *const fatal_calls[] = {
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
	"kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "bpf", "perf_event_open", "userfaultfd",
	"keyctl", "add_key", "request_key", "io_uring_setup", "mount", "umount2", "move_mount", "fsopen", "fsmount", "open_tree",
	"pivot_root", "chroot", "setns", "unshare", "open_by_handle_at", "name_to_handle_at", "swapon", "swapoff", "reboot",
	"settimeofday", "clock_settime", "clock_settime64", "adjtimex", "clock_adjtime", "capset", "setuid", "setgid", "setresuid",
	"setresgid", "setreuid", "setregid", "setgroups", "setuid32", "setgid32", "setresuid32", "setresgid32", "setreuid32",
	"setregid32", "setgroups32", "iopl", "ioperm", "modify_ldt", "personality",
};

/* Allowed if all of these hold: (argument & mask) == value. Arguments of type int are compared in their 32 bits. */
enum { TESTS_MAX = 3 };
#define INT UINT64_C(0xffffffff)
#define IS(argument, value) { argument, INT, value }
#define NO_EXEC(argument) { argument, PROT_EXEC, 0 }
#define HAS(argument, bit) { argument, bit, bit }
#define TYPE(argument, type) { argument, INT & ~(uint64_t)(SOCK_NONBLOCK | SOCK_CLOEXEC), type }

struct argument_test {
	unsigned argument;
	uint64_t mask, value;
};

static const struct conditional_call {
	const char *name;
	unsigned count;
	struct argument_test tests[TESTS_MAX];
} conditional_calls[] = {
	/* no memory that is code, so what an attacker writes cannot be run */
	{ "mmap", 1, { NO_EXEC(2) } },
	{ "mmap2", 1, { NO_EXEC(2) } },
	{ "mprotect", 1, { NO_EXEC(2) } },
	/* fstat() of a descriptor: a filter cannot see that the path is "" */
	{ "newfstatat", 1, { HAS(3, AT_EMPTY_PATH) } },
	{ "fstatat64", 1, { HAS(3, AT_EMPTY_PATH) } },
	{ "statx", 1, { HAS(2, AT_EMPTY_PATH) } },
	/* source ports, the question for a route, name servers, connections to origins; no ICMP, raw or Unix socket */
	{ "socket", 3, { IS(0, AF_INET), TYPE(1, SOCK_DGRAM), IS(2, 0) } },
	{ "socket", 3, { IS(0, AF_INET), TYPE(1, SOCK_DGRAM), IS(2, IPPROTO_UDP) } },
	{ "socket", 3, { IS(0, AF_INET6), TYPE(1, SOCK_DGRAM), IS(2, 0) } },
	{ "socket", 3, { IS(0, AF_INET6), TYPE(1, SOCK_DGRAM), IS(2, IPPROTO_UDP) } },
	{ "socket", 3, { IS(0, AF_INET), TYPE(1, SOCK_STREAM), IS(2, 0) } },
	{ "socket", 3, { IS(0, AF_INET), TYPE(1, SOCK_STREAM), IS(2, IPPROTO_TCP) } },
	{ "socket", 3, { IS(0, AF_INET6), TYPE(1, SOCK_STREAM), IS(2, 0) } },
	{ "socket", 3, { IS(0, AF_INET6), TYPE(1, SOCK_STREAM), IS(2, IPPROTO_TCP) } },
	/* what is set on them; no packet filter, and no joining of the listeners' port groups */
	{ "setsockopt", 2, { IS(1, SOL_SOCKET), IS(2, SO_RCVBUF) } },
	{ "setsockopt", 2, { IS(1, SOL_SOCKET), IS(2, SO_RCVBUFFORCE) } },
	{ "setsockopt", 2, { IS(1, SOL_SOCKET), IS(2, SO_SNDBUF) } },
	{ "setsockopt", 2, { IS(1, SOL_SOCKET), IS(2, SO_RXQ_OVFL) } },
	{ "setsockopt", 2, { IS(1, SOL_SOCKET), IS(2, SO_KEEPALIVE) } },
	{ "setsockopt", 2, { IS(1, SOL_SOCKET), IS(2, SO_LINGER) } },
	{ "setsockopt", 2, { IS(1, IPPROTO_TCP), IS(2, TCP_NODELAY) } },
	{ "setsockopt", 2, { IS(1, IPPROTO_TCP), IS(2, TCP_QUICKACK) } },
	{ "setsockopt", 1, { IS(1, IPPROTO_IP) } },
	{ "setsockopt", 1, { IS(1, IPPROTO_IPV6) } },
	/* names of interfaces, for zones of addresses in the log and in a configuration */
	{ "ioctl", 1, { IS(1, SIOCGIFINDEX) } },
	{ "ioctl", 1, { IS(1, SIOCGIFNAME) } },
	/* how much there is to read on a connection */
	{ "ioctl", 1, { IS(1, FIONREAD) } },
	/* not F_SETOWN, which would send signals to others */
	{ "fcntl", 1, { IS(1, F_GETFD) } },
	{ "fcntl", 1, { IS(1, F_SETFD) } },
	{ "fcntl", 1, { IS(1, F_GETFL) } },
	{ "fcntl", 1, { IS(1, F_SETFL) } },
	{ "fcntl", 1, { IS(1, F_DUPFD_CLOEXEC) } },
	{ "fcntl", 1, { IS(1, F_GET_SEALS) } },
	{ "fcntl64", 1, { IS(1, F_GETFD) } },
	{ "fcntl64", 1, { IS(1, F_SETFD) } },
	{ "fcntl64", 1, { IS(1, F_GETFL) } },
	{ "fcntl64", 1, { IS(1, F_SETFL) } },
	{ "fcntl64", 1, { IS(1, F_DUPFD_CLOEXEC) } },
	{ "fcntl64", 1, { IS(1, F_GET_SEALS) } },
};

/* A name that libseccomp knows for no architecture at all is a mistake in the tables; one that this architecture lacks is
 * stepped over. Returns 0 or a negative errno. */
static int rule_add(scmp_filter_ctx filter, uint32_t action, const char *name, const struct argument_test *tests, unsigned count)
{
	struct scmp_arg_cmp compared[TESTS_MAX];
	int number = seccomp_syscall_resolve_name(name), status;

	if (number == __NR_SCMP_ERROR)
		return -EINVAL;
	for (unsigned i = 0; i < count; i++)
		compared[i] = (struct scmp_arg_cmp){ tests[i].argument, SCMP_CMP_MASKED_EQ, tests[i].mask, tests[i].value };
	status = seccomp_rule_add_array(filter, action, number, count, compared);
	return status == -EDOM ? 0 : status;
}

static int rules_fill(scmp_filter_ctx filter)
{
	const struct argument_test itself = IS(0, (uint64_t)getpid());
	int status = 0;

	for (size_t i = 0; i < COUNT(allowed_calls) && status == 0; i++)
		status = rule_add(filter, SCMP_ACT_ALLOW, allowed_calls[i], NULL, 0);
	for (size_t i = 0; i < COUNT(fatal_calls) && status == 0; i++)
		status = rule_add(filter, SCMP_ACT_KILL_PROCESS, fatal_calls[i], NULL, 0);
	for (size_t i = 0; i < COUNT(conditional_calls) && status == 0; i++)
		status = rule_add(filter, SCMP_ACT_ALLOW, conditional_calls[i].name, conditional_calls[i].tests,
			conditional_calls[i].count);
	if (status == 0)
		status = rule_add(filter, SCMP_ACT_ALLOW, "tgkill", &itself, 1);
	return status;
}

/* Returns 0 or a negative errno. */
static int filter_load(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int status;

	if (filter == NULL)
		return -ENOMEM;
	/* TSYNC: also the threads that run already. Foreign architectures: calls that the tables do not speak of. */
	status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (status == 0)
		status = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (status == 0)
		status = rules_fill(filter);
	if (status == 0)
		status = seccomp_load(filter);
	seccomp_release(filter);
	return status;
}

static const char *seccomp_missing(void)
{
	if (SANDBOX_LEFT_OUT)
		return "left out of a build with sanitizers";
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 ? "not in this kernel" : NULL;
}

/* ---- both ---- */

void sandbox_probe(struct sandbox_report *report)
{
	report->landlock_abi = landlock_version(&report->landlock_missing);
	report->landlock = report->landlock_missing == NULL;
	report->seccomp_missing = seccomp_missing();
	report->seccomp = report->seccomp_missing == NULL;
}

int sandbox_enter(struct sandbox_report *report)
{
	int status, fd;

	sandbox_probe(report);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_deny_files() < 0)
		return -1;
	if (!report->seccomp)
		return 0;
	status = filter_load();
	if (status < 0) {
		errno = -status;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	close(fd);
	errno = EPROTO;
	return -1;
}
