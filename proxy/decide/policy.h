/*
 * policy - what a matching route still refuses: methods, missing protection, target addresses. Pure.
 */
#ifndef PROXY_DECIDE_POLICY_H
#define PROXY_DECIDE_POLICY_H

#include "proxy/decide/route.h"

/* ERR_NONE, or why the route that matched refuses the request: ERR_FORBIDDEN (deny), ERR_OSCORE_REQUIRED, ERR_METHOD (not
 * among the route's methods, plain requests only), ERR_METHOD_UNKNOWN (a code outside GET..iPATCH, RFC 7252 5.8). */
enum error policy_check_request(const struct route *r, const struct route_question *q);

/* ERR_NONE or ERR_ADDRESS for an address a message is about to go to (a literal, or what a name resolved to): loopback,
 * multicast, link-local, unspecified, broadcast and our own listeners are refused unless one of the route's
 * allow-networks holds the address; multicast always. Origins written in the configuration as literals (`configured`)
 * are allowed but for multicast, unspecified and our own listeners (RFC 7252 11.5). */
enum error policy_check_address(const struct snapshot *s, const struct route *r, const struct endpoint *target, bool configured);

#endif
