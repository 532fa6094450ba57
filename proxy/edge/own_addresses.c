#include "proxy/edge/own_addresses.h"

#include <ifaddrs.h>
#include <stdlib.h>

size_t own_addresses_read(struct endpoint **addresses)
{
	struct ifaddrs *list, *at;
	size_t count = 0, used = 0;

	*addresses = NULL;
	if (getifaddrs(&list) < 0)
		return 0;
	for (at = list; at != NULL; at = at->ifa_next)
		count++;
	*addresses = calloc(count + 1, sizeof **addresses);
	for (at = list; at != NULL && *addresses != NULL; at = at->ifa_next)
		if (at->ifa_addr != NULL && (at->ifa_addr->sa_family == AF_INET || at->ifa_addr->sa_family == AF_INET6))
			endpoint_from_sockaddr(&(*addresses)[used++], at->ifa_addr);
	freeifaddrs(list);
	return used;
}
