#include "proxy/process/reader_start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oscore/reader/control.h"
#include "proxy/process/child.h"
#include "proxy/process/steer.h"

_Static_assert((int)CHILD_END_FD == (int)READER_CONTROL_FD, "the reader looks for its end there");

static const char program_name[] = "oscore-reader";

/* Of this program's own folder. Returns false if its path cannot be had, or is too long. */
static bool program_path(char path[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (len < 0)
		return false;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL || (size_t)(slash + 1 - path) + sizeof program_name > PATH_MAX) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(slash + 1, program_name, sizeof program_name);
	return true;
}

int reader_program_open(void)
{
	char path[PATH_MAX];
	int fd, high;

	if (!program_path(path))
		return -1;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -1;
	high = fcntl(fd, F_DUPFD_CLOEXEC, CHILD_END_FD + 1); /* the child has something else in that place */
	close(fd);
	return high;
}

/* In the child, between fork and exec. */
static _Noreturn void become_reader(int program, int log, int end, const struct privileges_user *user)
{
	static const char who[] = "the reader";
	char name[] = "oscore-proxy: reader";
	char *arguments[] = { name, NULL };

	child_begin(log, end, user, who);
	if (dup2(STDIN_FILENO, STDOUT_FILENO) < 0)
		child_fail(who);
	fexecve(program, arguments, steer_environment());
	child_fail(who);
}

int reader_start(int program, int log, const struct privileges_user *user, pid_t *pid)
{
	sigset_t all, before;
	int ends[2];

	if (reader_control_open(ends) < 0)
		return -1;
	/* The child would handle a signal as the parent does, and through what they share the parent once more. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	*pid = fork();
	if (*pid == 0)
		become_reader(program, log, ends[1], user);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
	if (*pid > 0)
		return ends[0];
	close(ends[0]);
	*pid = 0;
	return -1;
}
