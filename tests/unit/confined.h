/*
 * confined - children that enter the sandbox and tell by their exit status whether all was as it should be.
 *
 * Where there is no sandbox (builds with sanitizers, emulated machines), the report must say so, and what is needed must work
 * all the same. To be included behind cmocka.h, by tests that call kernel_ask() first.
 */
#ifndef TESTS_UNIT_CONFINED_H
#define TESTS_UNIT_CONFINED_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/process/sandbox.h"

enum { CHILD_GOOD = 0, CHILD_SANDBOX = 101 };

/* ends a child with the number of the line that was wrong */
#define CHECK(condition)                                                                 \
	do {                                                                             \
		if (!(condition)) {                                                      \
			dprintf(2, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno)); \
			return __LINE__ % 90 + 1;                                        \
		}                                                                        \
	} while (0)
#define REFUSED(call, error) CHECK((errno = 0, (long)(call) == -1) && errno == (error))

/* Found out apart from the code under test, and before, since a confined process cannot ask. */
static bool kernel_has_seccomp, kernel_has_landlock;

static inline void kernel_ask(void)
{
	kernel_has_seccomp = !SANDBOX_LEFT_OUT && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0;
	kernel_has_landlock = !SANDBOX_LEFT_OUT && syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, 1) > 0;
}

static inline int confine(void)
{
	struct sandbox_report report;

	if (sandbox_enter(&report) < 0) {
		perror("sandbox_enter");
		return -1;
	}
	return 0;
}

static inline int wait_for(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

/* The wait status of a child that does what. */
static inline int in_child(int (*what)(void))
{
	pid_t child;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(what());
	return wait_for(child);
}

static inline void expect_good(int (*what)(void))
{
	int status = in_child(what);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CHILD_GOOD);
}

#endif
