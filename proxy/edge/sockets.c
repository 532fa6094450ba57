#include "proxy/edge/sockets.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

static void set_buffers(int fd, uint32_t buffer)
{
	int size = (int)buffer, on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
}

static void check_buffer(int fd, uint32_t buffer)
{
	int real = 0;
	socklen_t len = sizeof real;
	static bool told;

	if (told || getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &real, &len) < 0 || real / 2 >= (int)buffer)
		return;
	told = true;
	log_warning("receive buffers are %d bytes instead of receive-buffer %u: raise net.core.rmem_max", real / 2, (unsigned)buffer);
}

void socket_allow_fragments(int fd, bool ipv4, bool allowed)
{
	int mode = allowed ? IP_PMTUDISC_WANT : IP_PMTUDISC_DO;

	if (ipv4)
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof mode);
}

void socket_prepare_listener(int fd, bool ipv4, uint32_t buffer)
{
	int on = 1;

	set_buffers(fd, buffer);
	check_buffer(fd, buffer);
	socket_allow_fragments(fd, ipv4, false);
	if (ipv4)
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
}

static int bind_or_close(int fd, const struct endpoint *at, int family)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(at, family, &sa);
	int error;

	if (bind(fd, (const struct sockaddr *)&sa, len) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* Not yet bound. */
static int listener_new(bool ipv4, int type, bool shared)
{
	int fd = socket(ipv4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, off = 0;

	if (fd < 0)
		return -1;
	if (!ipv4)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (shared)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	return fd;
}

int socket_open_listener(const struct endpoint *at, bool shared, uint32_t buffer)
{
	bool ipv4 = endpoint_is_ipv4(at);
	int fd = listener_new(ipv4, SOCK_DGRAM, shared);

	if (fd < 0)
		return -1;
	socket_prepare_listener(fd, ipv4, buffer);
	return bind_or_close(fd, at, ipv4 ? AF_INET : AF_INET6);
}

int socket_prepare_stream_listener(int fd)
{
	int on = 1;

	/* Connections inherit it. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return listen(fd, SOCKET_BACKLOG);
}

int socket_open_stream_listener(const struct endpoint *at, bool shared)
{
	bool ipv4 = endpoint_is_ipv4(at);
	int fd = listener_new(ipv4, SOCK_STREAM, shared), on = 1, error;

	if (fd < 0)
		return -1;
	/* Connections of a predecessor that are in TIME_WAIT do not keep the port; a socket that listens does. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	fd = bind_or_close(fd, at, ipv4 ? AF_INET : AF_INET6);
	if (fd < 0 || socket_prepare_stream_listener(fd) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

bool socket_is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

int socket_open_source(bool ipv4, uint32_t buffer)
{
	struct endpoint any = { .port = 0 };
	int family = ipv4 ? AF_INET : AF_INET6, on = 1;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (ipv4)
		any.addr[10] = any.addr[11] = 0xff;
	set_buffers(fd, buffer);
	socket_allow_fragments(fd, ipv4, false);
	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
	if (!ipv4) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
	}
	return bind_or_close(fd, &any, family);
}

uint32_t socket_drops(int fd)
{
	uint32_t figures[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof figures;

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, figures, &len) < 0)
		return 0;
	return figures[SK_MEMINFO_DROPS];
}
