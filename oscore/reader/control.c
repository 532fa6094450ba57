#include "oscore/reader/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who may say what, and whether a descriptor comes with it. */
static const struct rule {
	bool from_parent, has_descriptor;
} rules[READER_WORDS] = {
	[READER_SET] = { true, true },
	[READER_PREPARE] = { true, false },
	[READER_COMMIT] = { true, false },
	[READER_ABORT] = { true, false },
	[READER_WORKER] = { true, true },
	[READER_LOG] = { true, true },
	[READER_READY] = { false, false },
	[READER_PREPARED] = { false, false },
	[READER_FAILED] = { false, false },
};

/* A reader that starts finds a message for each set waiting; the kernel may give less, which is enough. */
enum { ROOM = 1 << 20 };

/* Room for one descriptor more than may come, so that two are seen as two and not as one that was cut. */
enum { DESCRIPTORS_SEEN = 2 };
#define CONTROL_ROOM CMSG_SPACE(DESCRIPTORS_SEEN * sizeof(int))

int reader_control_open(int ends[2])
{
	int room = ROOM;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	return 0;
}

int reader_control_send(int end, const struct reader_message *m, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct reader_message copy = *m;
	struct iovec v = { &copy, sizeof copy };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *c;

		h.msg_control = control;
		h.msg_controllen = sizeof control;
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	do
		n = sendmsg(end, &h, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof copy ? 0 : -1;
}

/* Takes the first descriptor, closes all others. Returns how many there were. */
static unsigned take_descriptors(struct msghdr *h, int *fd)
{
	unsigned count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		size_t here = c->cmsg_len < CMSG_LEN(0) ? 0 : (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < here; i++) {
			int one;

			memcpy(&one, CMSG_DATA(c) + i * sizeof one, sizeof one);
			if (count++ == 0)
				*fd = one;
			else
				close(one);
		}
	}
	return count;
}

static bool is_permitted(const struct reader_message *m, unsigned descriptors, bool from_parent)
{
	unsigned char more;

	/* a bool that is neither 0 nor 1 may not even be looked at as one */
	memcpy(&more, &m->more, sizeof more);
	return m->word < READER_WORDS && more <= 1 && m->text[READER_TEXT_MAX - 1] == '\0' && rules[m->word].from_parent == from_parent &&
		descriptors == (rules[m->word].has_descriptor ? 1u : 0u);
}

int reader_control_receive(int end, bool from_parent, struct reader_message *m, int *fd)
{
	_Alignas(struct cmsghdr) char control[CONTROL_ROOM];
	struct iovec v = { m, sizeof *m };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	unsigned descriptors;
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(end, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0) {
		errno = 0;
		return -1;
	}
	descriptors = take_descriptors(&h, fd);
	if (n == (ssize_t)sizeof *m && (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && is_permitted(m, descriptors, from_parent))
		return 1;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = n > 0 || descriptors > 0 ? EPROTO : 0; /* nothing at all: the end, or an empty message, which is as good as one */
	return -1;
}
