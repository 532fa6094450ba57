/*
 * endpoint - who a message came from or goes to: address, port, zone, what carries messages to it, and in which session (RFC 7252 4.1, 9.1;
 * RFC 8323 3.3: two sessions of one address are two endpoints).
 *
 * An endpoint is a plain value, compared and hashed as bytes, so every field is always set: IPv4 is held as
 * ::ffff:a.b.c.d, `scope` is the interface index of a link-local address and 0 for every other.
 */
#ifndef BASE_ENDPOINT_H
#define BASE_ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct endpoint {
	uint8_t addr[16];
	uint32_t scope;
	uint16_t port; /* host byte order */
	uint16_t transport; /* a number of the layer above (coap/uri.h); 0: plain datagrams */
	uint64_t session; /* one connection or security session among those of this address; 0: there are none */
};

/* An address with a prefix length of 0..128 (IPv4 networks are 96..128 under ::ffff:0:0/96). A shorter prefix is an IPv6
 * network and contains no IPv4 address: "::/0" is every IPv6 address, "0.0.0.0/0" every IPv4 address. */
struct network {
	uint8_t addr[16];
	uint8_t bits;
};

enum { ENDPOINT_TEXT_MAX = 80 }; /* "[address%zone]:port" and its NUL */

bool endpoint_is_ipv4(const struct endpoint *e);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* Fills *e from a socket address; scope is kept for link-local addresses only. */
void endpoint_from_sockaddr(struct endpoint *e, const struct sockaddr *sa);

/* Fills a socket address of family AF_INET (only if e is IPv4) or AF_INET6; returns its length. */
socklen_t endpoint_to_sockaddr(const struct endpoint *e, int family, struct sockaddr_storage *out);

/* Parses an IP literal without brackets ("10.0.0.1", "fd00::1", "fe80::1%eth0" if zone_allowed); port is set to 0.
 * text need not be terminated. Returns 0, or -1 if it is no literal, its zone names no interface, or the address is not
 * an IPv6 link-local one and has a zone all the same. */
int endpoint_parse_literal(struct endpoint *e, const char *text, size_t len, bool zone_allowed)
	__attribute__((warn_unused_result));

/* Writes "10.0.0.1:5683" or "[fd00::1%eth0]:5683"; always terminated. Returns buf. */
const char *endpoint_format(const struct endpoint *e, char buf[ENDPOINT_TEXT_MAX]);
/* The same without port and brackets. */
const char *endpoint_format_address(const struct endpoint *e, char buf[ENDPOINT_TEXT_MAX]);

bool endpoint_is_loopback(const struct endpoint *e);
bool endpoint_is_multicast(const struct endpoint *e); /* IPv4 224/4 and 255.255.255.255, IPv6 ff00::/8 */
bool endpoint_is_link_local(const struct endpoint *e);
bool endpoint_is_unspecified(const struct endpoint *e); /* all of 0.0.0.0/8 and :: */

/* Parses "10.0.0.0/8", "fd00::/8" or a bare literal (all its bits); bits behind the prefix are cleared. Returns 0, or -1. */
int network_parse(struct network *n, const char *text) __attribute__((warn_unused_result));
bool network_contains(const struct network *n, const struct endpoint *e);
const char *network_format(const struct network *n, char buf[ENDPOINT_TEXT_MAX]);

#endif
