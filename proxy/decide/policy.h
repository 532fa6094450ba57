/*
 * policy - what a matching route still refuses: methods, missing protection, target addresses. Pure.
 */
#ifndef PROXY_DECIDE_POLICY_H
#define PROXY_DECIDE_POLICY_H

#include "proxy/decide/route.h"

/* ERR_NONE, or why the route that matched refuses the request: ERR_FORBIDDEN (deny), ERR_CREDENTIALS (it came through HTTP, where whoever asks
 * must have a name unless the route says otherwise), ERR_BARE_HTTP (over HTTP that nothing protects, for a target that is secured, RFC 8075
 * 10.3), ERR_OSCORE_REQUIRED, ERR_METHOD (not among the route's methods, plain requests only), ERR_METHOD_UNKNOWN (a code outside GET..iPATCH,
 * RFC 7252 5.8). */
enum error policy_check_request(const struct route *r, const struct route_question *q);

/* The addresses of this host's interfaces, ports 0: what a listener on the unspecified address takes as well. */
struct policy_own {
	const struct endpoint *addresses;
	size_t count;
};

/* Where a message is about to go: a literal, or what a name resolved to. */
struct policy_target {
	const struct endpoint *address;
	bool configured; /* written in the configuration as a literal */
	bool stream;     /* over a connection, not in datagrams: their ports are others (uri_schemes[].stream) */
	bool secured;    /* in a session, which is with one alone (uri_schemes[].secure) */
	bool oscore;     /* the message is an OSCORE one */
};

/* ERR_NONE or ERR_ADDRESS. Groups are refused unless the route opens them, and OSCORE messages to them always: their keys are those of two
 * (RFC 8075 8.4, 10.1; RFC 8613), as are sessions (RFC 8323 8). Refused are broadcast, and IPv6 link-local without a zone; loopback, link-local and unspecified unless one
 * of the route's allow-networks holds the address; our own listeners unless one of them is exactly that address, so that a wide network lets
 * nobody send the gateway round in circles. Configured origins may be loopback or link-local without that (RFC 7252 11.5). `own` may be NULL:
 * then a listener on the unspecified address is known by loopback addresses alone. */
enum error policy_check_address(const struct snapshot *s, const struct route *r, const struct policy_target *target,
	const struct policy_own *own);

/* True if a datagram, or a connection (stream), to this address and port arrives at one of our own listeners. `own` as above. */
bool policy_is_own_listener(const struct snapshot *s, const struct policy_own *own, const struct endpoint *target, bool stream);

/* What the route of a return path says of a request of the origin to its client. Its conditions and methods are for clients. */
enum error policy_check_return(const struct route *r, const struct route_question *q);

#endif
