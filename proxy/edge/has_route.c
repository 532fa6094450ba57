#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/edge/edge.h"

#define ROUTE_REMEMBERED (5 * CLOCK_SECOND)

/* Connecting a datagram socket sends nothing; it fails where there is no route. */
static bool probe_route(const struct endpoint *peer, int family)
{
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(peer, family, &sa);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool routed;

	if (fd < 0)
		return false;
	routed = connect(fd, (const struct sockaddr *)&sa, len) == 0;
	close(fd);
	return routed;
}

bool edge_has_route(const struct endpoint *peer)
{
	static struct {
		uint64_t asked_at;
		bool routed;
	} known[2];
	bool ipv4 = endpoint_is_ipv4(peer);

	if (known[ipv4].asked_at == 0 || clock_now() - known[ipv4].asked_at > ROUTE_REMEMBERED) {
		known[ipv4].asked_at = clock_now();
		known[ipv4].routed = probe_route(peer, ipv4 ? AF_INET : AF_INET6);
	}
	return known[ipv4].routed;
}
