/*
 * renew - a new configuration comes into force.
 *
 * What was begun goes on under the one it began with, but for what outlasts it: an observation is decided again. Where the new
 * configuration would take its request to the same origin it goes on under that, else it ends with a last notification (RFC 7641 4.2):
 * 4.04 where no route takes it any more, 5.03 otherwise and for OSCORE.
 */
#ifndef PROXY_EXCHANGE_RENEW_H
#define PROXY_EXCHANGE_RENEW_H

#include "proxy/exchange/proxy.h"

/* Puts it in force (keeps a reference) for all that is new. Observations are looked at a few at a time, so that none of them, and no
 * request, waits for the others. Limits that became lower end nothing. What is fixed until restart must not differ. */
void proxy_renew(struct proxy *p, struct snapshot *next);

/* Decides about the observation of x, which waits for nothing: for one that was only registered, or refreshed, when the configuration came. Returns
 * false if it was ended; x may then be gone. */
bool renew_observation(struct proxy *p, struct exchange *x);

/* True while observations are still to be looked at. */
bool proxy_is_renewing(const struct proxy *p);

void renewal_forget(struct proxy *p);

#endif
