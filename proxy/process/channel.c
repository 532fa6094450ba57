#include "proxy/process/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who may say what, with how many descriptors. */
static const struct rule {
	bool from_parent;
	uint8_t least, most; /* descriptors */
} rules[CHANNEL_KINDS] = {
	[CHANNEL_START] = { true, START_FD_WAKE + 1, CHANNEL_DESCRIPTORS_MAX },
	[CHANNEL_LISTENER] = { true, 1, 1 },
	[CHANNEL_PREPARE] = { true, 1, 1 },
	[CHANNEL_COMMIT] = { true, 0, 0 },
	[CHANNEL_ABORT] = { true, 0, 0 },
	[CHANNEL_DRAIN] = { true, 0, 0 },
	[CHANNEL_STOP] = { true, 0, 0 },
	[CHANNEL_LOGS] = { true, 2, 2 },
	[CHANNEL_READER] = { true, 1, 1 },
	[CHANNEL_FEED] = { true, 1, 1 },
	[CHANNEL_STEER] = { true, 0, 0 },
	[CHANNEL_READY] = { false, 0, 0 },
	[CHANNEL_PREPARED] = { false, 0, 0 },
	[CHANNEL_FAILED] = { false, 0, 0 },
	[CHANNEL_COMMITTED] = { false, 0, 0 },
	[CHANNEL_RETIRED] = { false, 0, 0 },
	[CHANNEL_FEED_GONE] = { false, 0, 0 },
	[CHANNEL_DRAINED] = { false, 0, 0 },
	[CHANNEL_STEERED] = { false, 0, 0 },
};

/* A worker that starts finds a message for each listener waiting; the kernel may give less, which is enough. */
enum { ROOM = 1 << 20 };
#define CONTROL_ROOM CMSG_SPACE(CHANNEL_DESCRIPTORS_MAX * sizeof(int))

int channel_open(int ends[2])
{
	int room = ROOM;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	return 0;
}

int channel_send(int end, const struct channel_message *m, const int *fds, unsigned count)
{
	_Alignas(struct cmsghdr) char control[CONTROL_ROOM] = { 0 };
	struct channel_message copy = *m;
	struct iovec v = { &copy, sizeof copy };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t n;

	if (count > 0) {
		struct cmsghdr *c;

		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	do
		n = sendmsg(end, &h, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof copy ? 0 : -1;
}

static void take_descriptors(struct msghdr *h, struct channel_descriptors *got)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || got->count + count > CHANNEL_DESCRIPTORS_MAX)
			continue;
		memcpy(got->fds + got->count, CMSG_DATA(c), count * sizeof(int));
		got->count += (unsigned)count;
	}
}

static bool is_permitted(const struct channel_message *m, unsigned descriptors, bool from_parent)
{
	const struct rule *r;

	if (m->kind >= CHANNEL_KINDS || m->text[CHANNEL_TEXT_MAX - 1] != '\0')
		return false;
	r = &rules[m->kind];
	return r->from_parent == from_parent && descriptors >= r->least && descriptors <= r->most;
}

int channel_receive(int end, bool from_parent, struct channel_message *m, struct channel_descriptors *got)
{
	_Alignas(struct cmsghdr) char control[CONTROL_ROOM];
	struct iovec v = { m, sizeof *m };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	ssize_t n;

	got->count = 0;
	do
		n = recvmsg(end, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0) {
		errno = 0;
		return -1;
	}
	take_descriptors(&h, got);
	if (n == 0) { /* the end, or an empty message: that one may have descriptors too */
		errno = got->count > 0 ? EPROTO : 0;
		channel_close_all(got);
		return -1;
	}
	if (n == (ssize_t)sizeof *m && (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && is_permitted(m, got->count, from_parent))
		return 1;
	channel_close_all(got);
	errno = EPROTO;
	return -1;
}

int channel_wait(int end, bool from_parent, struct channel_message *m, struct channel_descriptors *got)
{
	int n;

	while ((n = channel_receive(end, from_parent, m, got)) == 0) {
		struct pollfd wait = { end, POLLIN, 0 };

		poll(&wait, 1, -1);
	}
	return n;
}

void channel_close_all(struct channel_descriptors *got)
{
	while (got->count > 0)
		close(got->fds[--got->count]);
}
