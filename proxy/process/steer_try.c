#include "proxy/process/steer_try.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int keep_or_close(int fd)
{
	if (fd < 0)
		return -1;
	return close(fd);
}

static int try_open(const char *path)
{
	return keep_or_close(open(path, O_RDONLY | O_CLOEXEC));
}

static int try_create(const char *path)
{
	return keep_or_close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int try_exec(const char *path)
{
	char name[] = "tried", *arguments[] = { name, NULL }, *none[] = { NULL };

	return execve(path, arguments, none);
}

static int try_connect(int family, const struct sockaddr *to, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), result;

	if (fd < 0)
		return -1;
	result = connect(fd, to, len);
	close(fd);
	return result;
}

static int try_connect_unix(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	return try_connect(AF_UNIX, (const struct sockaddr *)&to, sizeof to);
}

static int try_listen_tcp(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), result, error;

	if (fd < 0)
		return -1;
	result = bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 ? -1 : listen(fd, 1);
	error = errno;
	close(fd);
	errno = error;
	return result;
}

static int try_kill(const char *pid)
{
	return kill((pid_t)strtol(pid, NULL, 10), 0);
}

static int try_ptrace(const char *pid)
{
	return (int)ptrace(PTRACE_ATTACH, (pid_t)strtol(pid, NULL, 10), NULL, NULL);
}

static int try_read_memory(const char *pid)
{
	static char from[16];
	char to[16];
	struct iovec local = { to, sizeof to }, remote = { from, sizeof from };

	return process_vm_readv((pid_t)strtol(pid, NULL, 10), &local, 1, &remote, 1, 0) < 0 ? -1 : 0;
}

static void *do_nothing(void *arg)
{
	return arg;
}

static int try_thread(const char *nothing)
{
	pthread_t t;

	(void)nothing;
	errno = pthread_create(&t, NULL, do_nothing, NULL);
	if (errno != 0)
		return -1;
	return pthread_join(t, NULL);
}

static int try_fork(const char *nothing)
{
	pid_t pid = fork();

	(void)nothing;
	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : waitpid(pid, NULL, 0) < 0 ? -1 : 0;
}

static const struct {
	const char *name;
	int (*run)(const char *argument);
} tries[] = {
	{ "open", try_open }, { "create", try_create }, { "exec", try_exec }, { "connect-unix", try_connect_unix },
	{ "listen-tcp", try_listen_tcp }, { "kill", try_kill }, { "ptrace", try_ptrace }, { "read-memory", try_read_memory },
	{ "thread", try_thread }, { "fork", try_fork },
};

void steer_try(const char *what, char *result, size_t room)
{
	size_t len = strcspn(what, " ");
	const char *argument = what[len] == ' ' ? what + len + 1 : "";

	snprintf(result, room, "unknown");
	for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
		if (strlen(tries[i].name) != len || strncmp(what, tries[i].name, len) != 0)
			continue;
		errno = 0;
		snprintf(result, room, "%s", tries[i].run(argument) == 0 ? "ok" : strerrorname_np(errno));
		return;
	}
}
