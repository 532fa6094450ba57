#include "oscore/reader/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/landlock.h"
#include "base/sanitized.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define LEFT_OUT "left out of a build with sanitizers"

void confine_missing(char *missing, size_t size, const char *what, const char *why)
{
	size_t at = strlen(missing);

	snprintf(missing + at, size - at, "%s%s: %s", at > 0 ? "; " : "", what, why);
}

int confine_begin(int last)
{
	const struct rlimit none = { 0, 0 };

	if (!SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -1;
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -1;
	return close_range((unsigned)last + 1, ~0u, 0);
}

/* ---- capabilities ---- */

static int drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (syscall(SYS_capset, &head, sets) < 0 || syscall(SYS_capget, &head, sets) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(sets); i++) {
		if (sets[i].effective != 0 || sets[i].permitted != 0 || sets[i].inheritable != 0) {
			errno = EPERM;
			return -1;
		}
	}
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/* ---- Landlock ---- */

int confine_deny_files(char *missing, size_t size)
{
	const char *why;
	int version = landlock_version(&why);

	if (version > 0)
		return landlock_deny(version, true);
	confine_missing(missing, size, "Landlock", why);
	return 0;
}

/* ---- seccomp ---- */

/* Allowed whatever the arguments. Names that only other architectures have do nothing here. */
static const char *const allowed_calls[] = {
	/* questions and answers, files of keys, the log */
	"read", "write", "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "close", "poll", "ppoll", "ppoll_time64",
	"lseek", "_llseek", /* whether a log is a file or has a reader */
	/* memory, but see below for what could make code of it */
	"brk", "munmap", "mremap", "madvise", "mlock",
	/* what the C library and OpenSSL may do by the way */
	"sysinfo", /* qsort() asks how much memory there is */
	"futex", "futex_time64", "getrandom", "clock_gettime", "clock_gettime64", "gettimeofday", "time",
	/* the end, and signals that do nothing */
	"exit", "exit_group", "rt_sigreturn", "sigreturn", "restart_syscall",
};

/* Allowed if (argument & mask) == value. */
static const struct conditional_call {
	const char *name;
	unsigned argument;
	uint64_t mask, value;
} conditional_calls[] = {
	{ "mmap", 2, PROT_EXEC, 0 },
	{ "mmap2", 2, PROT_EXEC, 0 },
	{ "mprotect", 2, PROT_EXEC, 0 },
};

/* Those that carry descriptors. */
static const char *const control_calls[] = { "recvmsg", "sendmsg" };

/* Returns 0 or a negative errno. A name that libseccomp knows for no architecture at all is a mistake in the tables; one that this
 * architecture lacks is stepped over. */
static int rule_add(scmp_filter_ctx filter, const char *name, const struct scmp_arg_cmp *argument)
{
	int number = seccomp_syscall_resolve_name(name), status;

	if (number == __NR_SCMP_ERROR)
		return -EINVAL;
	status = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, argument != NULL, argument);
	return status == -EDOM ? 0 : status;
}

static int rules_fill(scmp_filter_ctx filter, int control)
{
	const struct scmp_arg_cmp on_control = { 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t)(uint32_t)control };
	int status = 0;

	for (size_t i = 0; i < COUNT(allowed_calls) && status == 0; i++)
		status = rule_add(filter, allowed_calls[i], NULL);
	for (size_t i = 0; i < COUNT(conditional_calls) && status == 0; i++) {
		const struct conditional_call *c = &conditional_calls[i];
		const struct scmp_arg_cmp argument = { c->argument, SCMP_CMP_MASKED_EQ, c->mask, c->value };

		status = rule_add(filter, c->name, &argument);
	}
	for (size_t i = 0; i < COUNT(control_calls) && status == 0; i++)
		status = rule_add(filter, control_calls[i], &on_control);
	return status;
}

/* Returns 0 or a negative errno. */
static int filter_load(int control)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int status;

	if (filter == NULL)
		return -ENOMEM;
	status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (status == 0)
		status = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (status == 0)
		status = rules_fill(filter, control);
	if (status == 0)
		status = seccomp_load(filter);
	seccomp_release(filter);
	return status;
}

/* ---- all ---- */

int confine_enter(int control, char *missing, size_t size)
{
	int status;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || drop_capabilities() < 0)
		return -1;
	if (SANITIZED) {
		confine_missing(missing, size, "Landlock and seccomp", LEFT_OUT);
		return 0;
	}
	if (confine_deny_files(missing, size) < 0)
		return -1;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) {
		confine_missing(missing, size, "seccomp", "not in this kernel");
		return 0;
	}
	status = filter_load(control);
	if (status < 0) {
		errno = -status;
		return -1;
	}
	return 0;
}
