/*
 * own_addresses - the addresses of this machine's interfaces: where listeners on the unspecified address are reached.
 */
#ifndef PROXY_EDGE_OWN_ADDRESSES_H
#define PROXY_EDGE_OWN_ADDRESSES_H

#include <stddef.h>

#include "base/endpoint.h"

/* Reads them; *addresses is the caller's to free. Returns their number, 0 (and NULL) if they cannot be read. */
size_t own_addresses_read(struct endpoint **addresses);

#endif
