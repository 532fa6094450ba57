/* policy - see policy.h */
#include "proxy/decide/policy.h"

#include <string.h>

#include "coap/message.h"

static bool is_secured(enum uri_scheme scheme)
{
	return uri_schemes[scheme].secure && scheme != URI_HTTPS;
}

/* Of a list of origins any may be asked. A client's session is one that he has opened, whatever it is secured by. */
static bool asks_secured(const struct route *r, const struct route_question *q)
{
	size_t i;

	if (q->forward)
		return is_secured(q->scheme);
	for (i = 0; i < r->to_count; i++)
		if (!r->to[i].session && is_secured(r->to[i].scheme))
			return true;
	return false;
}

/* CoAP inside HTTP begins as a request over HTTP, and those are asked for a name (RFC 8075 10). */
static bool lacks_name(const struct route *r, const struct route_question *q)
{
	bool through_http = q->client.transport == URI_COAP_WS || q->client.transport == URI_COAPS_WS;

	return through_http && !r->anonymous && !q->any_identity && !q->identity;
}

enum error policy_check_request(const struct route *r, const struct route_question *q)
{
	if (r->deny)
		return ERR_FORBIDDEN;
	if (lacks_name(r, q))
		return ERR_CREDENTIALS;
	if (q->bare_http && !r->coaps_from_http && asks_secured(r, q))
		return ERR_BARE_HTTP;
	if (r->require_oscore && !q->oscore)
		return ERR_OSCORE_REQUIRED;
	if (q->method < CODE_GET || q->method > CODE_IPATCH)
		return ERR_METHOD_UNKNOWN;
	/* the code of an OSCORE request is that of the outside and says nothing (RFC 8613 4.2) */
	if (!q->oscore && r->methods != 0 && !(r->methods >> q->method & 1))
		return ERR_METHOD;
	return ERR_NONE;
}

enum error policy_check_return(const struct route *r, const struct route_question *q)
{
	if (q->forward)
		return ERR_NO_ROUTE_FORWARD;
	if (r->require_oscore && !q->oscore)
		return ERR_OSCORE_REQUIRED;
	return q->method < CODE_GET || q->method > CODE_IPATCH ? ERR_METHOD_UNKNOWN : ERR_NONE;
}

static bool same_address(const struct endpoint *a, const struct endpoint *b)
{
	return memcmp(a->addr, b->addr, sizeof(a->addr)) == 0 && a->scope == b->scope;
}

static bool is_own_address(const struct policy_own *own, const struct endpoint *target)
{
	size_t i;

	/* what is sent to the unspecified address arrives at this host */
	if (endpoint_is_loopback(target) || endpoint_is_unspecified(target))
		return true;
	for (i = 0; own && i < own->count; i++)
		if (same_address(&own->addresses[i], target))
			return true;
	return false;
}

/* The unspecified address of IPv6 takes IPv4 as well, that of IPv4 nothing else. */
bool policy_is_own_listener(const struct snapshot *s, const struct policy_own *own, const struct endpoint *target, bool stream)
{
	const struct listener *l;

	for (l = s->listeners; l < s->listeners + s->listener_count; l++) {
		if (l->address.port != target->port || uri_schemes[l->scheme].stream != stream)
			continue;
		if (same_address(&l->address, target))
			return true;
		if (endpoint_is_unspecified(target) && endpoint_is_loopback(&l->address))
			return true;
		if (l->any && (!endpoint_is_ipv4(&l->address) || endpoint_is_ipv4(target)) && is_own_address(own, target))
			return true;
	}
	return false;
}

/* Which link it is on is not known; the kernel would choose one, and one of our own addresses could hide behind it. */
static bool lacks_zone(const struct endpoint *target)
{
	return endpoint_is_link_local(target) && !endpoint_is_ipv4(target) && target->scope == 0;
}

/* How much of an address the narrowest of the route's allow-networks that holds it names; -1: none holds it. */
static int allowed_bits(const struct route *r, const struct endpoint *target)
{
	int bits = -1;
	size_t i;

	for (i = 0; i < r->allow_count; i++)
		if (network_contains(&r->allow_networks[i], target) && r->allow_networks[i].bits > bits)
			bits = r->allow_networks[i].bits;
	return bits;
}

/* A group of IP, and that alone: everybody of a link (broadcast) is nobody's target. */
static enum error check_group(const struct route *r, const struct policy_target *target)
{
	bool broadcast = endpoint_is_ipv4(target->address) && target->address->addr[12] == 255;

	return r->multicast && !broadcast && !target->oscore && !target->stream && !target->secured ? ERR_NONE : ERR_ADDRESS;
}

enum error policy_check_address(const struct snapshot *s, const struct route *r, const struct policy_target *target,
	const struct policy_own *own)
{
	const struct endpoint *address = target->address;
	int bits = allowed_bits(r, address);

	if (endpoint_is_multicast(address))
		return check_group(r, target);
	if (lacks_zone(address))
		return ERR_ADDRESS;
	if (policy_is_own_listener(s, own, address, target->stream))
		return bits == 128 ? ERR_NONE : ERR_ADDRESS;
	if (bits >= 0)
		return ERR_NONE;
	if (endpoint_is_unspecified(address))
		return ERR_ADDRESS;
	if (!target->configured && (endpoint_is_loopback(address) || endpoint_is_link_local(address)))
		return ERR_ADDRESS;
	return ERR_NONE;
}
