#include "proxy/process/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum { STATUS_NOT_STARTED = 127 };

_Noreturn void child_fail(const char *who)
{
	log_error("cannot start %s: %s", who, strerror(errno));
	_exit(STATUS_NOT_STARTED);
}

void child_begin(int log, int end, const struct privileges_user *user, const char *who)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE };
	sigset_t none;
	int nothing;

	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	log_reopen(fcntl(log, F_DUPFD_CLOEXEC, CHILD_END_FD + 1)); /* it may have had the end's place */
	if (end == CHILD_END_FD ? fcntl(end, F_SETFD, 0) < 0 : dup2(end, CHILD_END_FD) < 0)
		child_fail(who);
	close_range(CHILD_END_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
		child_fail(who);
	if (privileges_become(user) == 0)
		return;
	log_error("%s cannot become its user: %s", who, strerror(errno));
	_exit(STATUS_NOT_STARTED);
}
