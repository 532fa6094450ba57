#include "proxy/process/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/process/notify.h"
#include "proxy/process/number.h"

enum { FIRST_FD = 3, STORED_NAME_MAX = 40 };

/* Names of stored sockets begin so; what follows is the socket's inode, so each has a name of its own and keeps it. */
static const char stored_prefix[] = "kept-";

/* ---- one descriptor ---- */

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

/* Why a descriptor cannot be a listener; NULL if it can, and *s then has its address. */
static const char *what_is_wrong(struct activation_socket *s)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct stat st;

	if (fstat(s->fd, &st) < 0)
		return "is not open";
	if (!S_ISSOCK(st.st_mode))
		return "is no socket";
	s->inode = st.st_ino;
	s->family = option_of(s->fd, SO_DOMAIN);
	if (s->family != AF_INET && s->family != AF_INET6)
		return "is a socket of another address family";
	s->stream = option_of(s->fd, SO_TYPE) == SOCK_STREAM;
	if (option_of(s->fd, SO_TYPE) != (s->stream ? SOCK_STREAM : SOCK_DGRAM) ||
		option_of(s->fd, SO_PROTOCOL) != (s->stream ? IPPROTO_TCP : IPPROTO_UDP))
		return "is neither a UDP nor a TCP socket";
	if (getpeername(s->fd, (struct sockaddr *)&sa, &len) == 0)
		return "is connected to one peer";
	memset(&sa, 0, sizeof(sa));
	len = sizeof(sa);
	if (getsockname(s->fd, (struct sockaddr *)&sa, &len) < 0)
		return "has no address";
	endpoint_from_sockaddr(&s->at, (struct sockaddr *)&sa);
	if (s->at.port == 0)
		return "is not bound";
	if (s->family == AF_INET6 && endpoint_is_ipv4(&s->at))
		return "is an IPv6 socket with an IPv4 address";
	return NULL;
}

/* Out of the numbers that the process uses itself, and not into a program that is started. Returns 0, or -1. */
static int move_up(struct activation_socket *s)
{
	if (s->fd < ACTIVATION_FD_MIN) {
		int up = fcntl(s->fd, F_DUPFD_CLOEXEC, ACTIVATION_FD_MIN);

		if (up < 0)
			return -1;
		close(s->fd);
		s->fd = up;
	}
	int flags = fcntl(s->fd, F_GETFL);

	return flags < 0 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(s->fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : 0;
}

static void warn_of_options(const struct activation_socket *s)
{
	char text[ENDPOINT_TEXT_MAX];
	int only = 0;
	socklen_t len = sizeof(only);

	/* cannot be changed on a bound socket, and a second one would not share the port; so it is taken as it is */
	if (s->family == AF_INET6 && endpoint_is_unspecified(&s->at) &&
		getsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) == 0 && only)
		log_warning("passed socket %s at %s takes no IPv4: set BindIPv6Only=both in its unit", s->name,
			endpoint_format(&s->at, text));
}

static bool is_known(const struct activation *a, ino_t inode)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->sockets[i].inode == inode)
			return true;
	return false;
}

/* Adds the descriptor to those that wait, or closes it. */
static void take_one(struct activation *a, int fd, const char *name)
{
	struct activation_socket *s = &a->sockets[a->count];
	int on = 1;

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	memcpy(s->name, name, sizeof(s->name));

	const char *wrong = what_is_wrong(s);

	if (wrong) {
		log_warning("passed descriptor %d (%s) %s: not used", fd, name, wrong);
		close(fd);
		return;
	}
	/* a socket of a socket unit that was stored as well comes twice, but two workers cannot share it */
	if (is_known(a, s->inode)) {
		close(fd);
		return;
	}
	if (move_up(s) || setsockopt(s->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) {
		log_warning("passed descriptor %d (%s) cannot be used: %s", fd, name, strerror(errno));
		close(s->fd);
		return;
	}
	warn_of_options(s);
	a->count++;
}

/* ---- all of them ---- */

/* Copies the name at *at, made printable, and steps behind its colon. */
static void name_take(const char **at, char out[ACTIVATION_NAME_MAX])
{
	size_t len = *at ? strcspn(*at, ":") : 0;

	memset(out, 0, ACTIVATION_NAME_MAX);
	log_quote(out, ACTIVATION_NAME_MAX, len > 0 ? *at : "-", len > 0 ? len : 1);
	if (*at)
		*at = (*at)[len] == ':' ? *at + len + 1 : NULL;
}

/* How many were passed to this process. Returns 0, or -1 if that cannot be told. */
static int count_read(const char *fds, const char *pid, uint64_t *count)
{
	char quoted[ACTIVATION_NAME_MAX];
	uint64_t whose;

	*count = 0;
	if (!fds || !pid)
		return 0;
	if (number_parse(pid, INT32_MAX, &whose)) {
		log_error("LISTEN_PID \"%s\" is no process", log_quote(quoted, sizeof(quoted), pid, strlen(pid)));
		return -1;
	}
	if (whose != (uint64_t)getpid())
		return 0; /* meant for the process that started us */
	if (number_parse(fds, ACTIVATION_MAX, count)) {
		log_error("LISTEN_FDS \"%s\" is no number up to %d", log_quote(quoted, sizeof(quoted), fds, strlen(fds)), ACTIVATION_MAX);
		return -1;
	}
	return 0;
}

static int take_all(struct activation *a)
{
	const char *names = getenv("LISTEN_FDNAMES");
	char name[ACTIVATION_NAME_MAX];
	uint64_t count;

	if (count_read(getenv("LISTEN_FDS"), getenv("LISTEN_PID"), &count))
		return -1;
	if (count == 0)
		return 0;
	a->sockets = calloc((size_t)count, sizeof(*a->sockets));
	if (!a->sockets) {
		log_error("not enough memory for %u passed sockets", (unsigned)count);
		return -1;
	}
	for (int i = 0; i < (int)count; i++) {
		name_take(&names, name);
		take_one(a, FIRST_FD + i, name);
	}
	return (int)a->count;
}

int activation_take(struct activation *a)
{
	static const char *const variables[] = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"};

	memset(a, 0, sizeof(*a));

	int result = take_all(a);

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	return result;
}

int activation_claim(struct activation *a, bool stream, const struct endpoint *address)
{
	for (size_t i = 0; i < a->count; i++) {
		struct activation_socket *s = &a->sockets[i];

		if (!s->claimed && s->stream == stream && endpoint_equal(&s->at, address)) {
			int fd = s->fd;

			s->claimed = true;
			s->fd = -1;
			return fd;
		}
	}
	return -1;
}

static bool has_claimed_sibling(const struct activation *a, const struct activation_socket *s)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->sockets[i].claimed && a->sockets[i].stream == s->stream && endpoint_equal(&a->sockets[i].at, &s->at))
			return true;
	return false;
}

size_t activation_close_rest(struct activation *a)
{
	char text[ENDPOINT_TEXT_MAX];
	size_t superfluous = 0;

	for (size_t i = 0; i < a->count; i++) {
		struct activation_socket *s = &a->sockets[i];
		bool stored = strncmp(s->name, stored_prefix, sizeof(stored_prefix) - 1) == 0;
		bool sibling;

		if (s->claimed)
			continue;
		sibling = has_claimed_sibling(a, s);
		superfluous += sibling && !stored;
		log_warning("passed socket %s at %s %s: not used", s->name, endpoint_format(&s->at, text),
			sibling ? "is one more than there are workers" : "belongs to no listener");
		if (stored)
			notify_unstore(s->name);
		close(s->fd);
	}
	free(a->sockets);
	memset(a, 0, sizeof(*a));
	return superfluous;
}

/* ---- the store ---- */

static int stored_name(int fd, char out[STORED_NAME_MAX])
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	snprintf(out, STORED_NAME_MAX, "%s%llu", stored_prefix, (unsigned long long)st.st_ino);
	return 0;
}

int activation_store(int fd)
{
	char name[STORED_NAME_MAX];

	return stored_name(fd, name) ? -1 : notify_store(fd, name);
}

int activation_forget(int fd)
{
	char name[STORED_NAME_MAX];

	return stored_name(fd, name) ? -1 : notify_unstore(name);
}
