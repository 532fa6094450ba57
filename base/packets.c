#include "base/packets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who starts finds a message for each listener, or each set of keys, waiting; the kernel may give less, which is enough. */
enum { ROOM = 1 << 20 };
#define CONTROL_ROOM CMSG_SPACE(PACKET_DESCRIPTORS_MAX * sizeof(int))

int packets_open(int ends[2])
{
	int room = ROOM;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	return 0;
}

int packets_send(int end, const void *bytes, size_t len, const int *fds, unsigned count)
{
	_Alignas(struct cmsghdr) char control[CONTROL_ROOM] = { 0 };
	struct iovec v = { (void *)(uintptr_t)bytes, len };
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
	return n == (ssize_t)len ? 0 : -1;
}

static void take_descriptors(struct msghdr *h, struct packet_descriptors *got)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		size_t count = c->cmsg_len < CMSG_LEN(0) ? 0 : (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || got->count + count > PACKET_DESCRIPTORS_MAX)
			continue;
		memcpy(got->fds + got->count, CMSG_DATA(c), count * sizeof(int));
		got->count += (unsigned)count;
	}
}

int packets_receive(int end, void *bytes, size_t len, struct packet_descriptors *got)
{
	_Alignas(struct cmsghdr) char control[CONTROL_ROOM];
	struct iovec v = { bytes, len };
	struct msghdr h = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	bool nothing;
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
	if (n == (ssize_t)len && (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return 1;
	nothing = n == 0 && got->count == 0; /* the end, or an empty message, which is as good as one */
	packets_close_all(got);
	errno = nothing ? 0 : EPROTO;
	return -1;
}

void packets_close_all(struct packet_descriptors *got)
{
	while (got->count > 0)
		close(got->fds[--got->count]);
}
