#include "proxy/process/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/process/number.h"

enum { STATE_MAX = 2048, STATUS_MAX = 512, NAME_MAX_BYTES = 255, QUOTED_MAX = 80 };

static struct {
	int fd; /* not connected, so that a manager that binds its socket anew is still found; -1: none */
	struct sockaddr_un manager;
	socklen_t manager_len;
	uint64_t watchdog; /* microseconds that the manager waits for a sign; 0: for ever */
	bool impatient;    /* it let us wait in vain once */
} notify = {.fd = -1};

/* ---- environment ---- */

/* An absolute path, or '@' and a name without a file. Returns 0, or -1 if it is neither or too long. */
static int address_parse(const char *text)
{
	size_t len = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || len < 2 || len > sizeof(notify.manager.sun_path))
		return -1;
	memset(&notify.manager, 0, sizeof(notify.manager));
	notify.manager.sun_family = AF_UNIX;
	memcpy(notify.manager.sun_path, text, len);
	if (text[0] == '@')
		notify.manager.sun_path[0] = '\0';
	notify.manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

static int socket_open(void)
{
	struct timeval second = {.tv_sec = 1};

	notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify.fd < 0) {
		log_warning("cannot tell the service manager anything: %s", strerror(errno));
		return -1;
	}
	setsockopt(notify.fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
	return 0;
}

static int manager_read(const char *text)
{
	char quoted[QUOTED_MAX];

	if (!text)
		return 0;
	if (address_parse(text)) {
		log_warning("NOTIFY_SOCKET \"%s\" is no address that can be used", log_quote(quoted, sizeof(quoted), text, strlen(text)));
		return -1;
	}
	return socket_open() ? -1 : 1;
}

static int watchdog_read(const char *usec, const char *pid)
{
	char quoted[QUOTED_MAX];
	uint64_t value, whose;

	if (!usec)
		return 0;
	if (number_parse(usec, UINT64_MAX, &value) || value == 0) {
		log_warning("WATCHDOG_USEC \"%s\" is no time", log_quote(quoted, sizeof(quoted), usec, strlen(usec)));
		return -1;
	}
	if (pid && number_parse(pid, INT32_MAX, &whose)) {
		log_warning("WATCHDOG_PID \"%s\" is no process", log_quote(quoted, sizeof(quoted), pid, strlen(pid)));
		return -1;
	}
	if (!pid || whose == (uint64_t)getpid())
		notify.watchdog = value;
	return 0;
}

int notify_open(void)
{
	int manager = manager_read(getenv("NOTIFY_SOCKET"));
	int watchdog = watchdog_read(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));

	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return watchdog < 0 ? -1 : manager;
}

void notify_close(void)
{
	if (notify.fd >= 0)
		close(notify.fd);
	memset(&notify, 0, sizeof(notify));
	notify.fd = -1;
}

uint64_t notify_watchdog_interval(void)
{
	/* without a way to give signs there is no reason to wake up for them */
	return notify.fd >= 0 ? notify.watchdog / 2 : 0;
}

/* ---- sending ---- */

/* fd: a descriptor that goes along, or -1. */
static int state_send(const char *state, int fd, bool may_wait)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec text = {.iov_base = (void *)state, .iov_len = strlen(state)};
	struct msghdr m = {.msg_name = &notify.manager, .msg_namelen = notify.manager_len, .msg_iov = &text, .msg_iovlen = 1};
	ssize_t n;

	if (notify.fd < 0)
		return 0;
	if (text.iov_len > STATE_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (fd >= 0) {
		m.msg_control = room;
		m.msg_controllen = sizeof(room);

		struct cmsghdr *c = CMSG_FIRSTHDR(&m);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	do
		n = sendmsg(notify.fd, &m, MSG_NOSIGNAL | (may_wait ? 0 : MSG_DONTWAIT));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int notify_send(const char *state)
{
	return state_send(state, -1, false);
}

int notify_ready(void)
{
	return state_send("READY=1", -1, true);
}

int notify_reloading(void)
{
	char state[64];

	clock_update();
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_now());
	return notify_send(state);
}

int notify_status(const char *format, ...)
{
	char state[STATUS_MAX] = "STATUS=";
	size_t at = strlen(state);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(state + at, sizeof(state) - at, format, arguments);
	va_end(arguments);
	/* a line break would begin an assignment of its own */
	for (; state[at] != '\0'; at++)
		if ((unsigned char)state[at] < ' ' || state[at] == 0x7f)
			state[at] = '?';
	return notify_send(state);
}

static bool name_is_good(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (name[i] < ' ' || name[i] > '~' || name[i] == ':')
			return false;
	return len > 0 && len <= NAME_MAX_BYTES;
}

static int store_send(const char *what, const char *name, int fd)
{
	char state[NAME_MAX_BYTES + 64];
	int result;

	if (!name_is_good(name)) {
		errno = EINVAL;
		return -1;
	}
	snprintf(state, sizeof(state), "%s\nFDNAME=%s", what, name);
	result = state_send(state, fd, !notify.impatient);
	if (result < 0 && errno == EAGAIN)
		notify.impatient = true;
	return result;
}

int notify_store(int fd, const char *name)
{
	if (fd < 0) {
		errno = EBADF;
		return -1;
	}
	/* FDPOLL=0: the manager would drop a socket that has an error to report, but such errors are ours to read */
	return store_send("FDSTORE=1\nFDPOLL=0", name, fd);
}

int notify_unstore(const char *name)
{
	return store_send("FDSTOREREMOVE=1", name, -1);
}
