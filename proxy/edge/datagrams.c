#include "proxy/edge/datagrams.h"

#include <stddef.h>

int datagrams_receive(int fd, struct mmsghdr *messages, unsigned count, bool upstream)
{
	(void)upstream;
	return recvmmsg(fd, messages, count, MSG_DONTWAIT, NULL);
}

int datagrams_send(int fd, struct mmsghdr *messages, unsigned count, bool upstream)
{
	(void)upstream;
	return sendmmsg(fd, messages, count, MSG_DONTWAIT);
}
