/*
 * refusal_log - tells the operator why requests are refused: a line for each reason, at most one in ten seconds, with the
 * number that was left out. And what became of each request of a route with access-log.
 */
#ifndef PROXY_EXCHANGE_REFUSAL_LOG_H
#define PROXY_EXCHANGE_REFUSAL_LOG_H

#include "proxy/exchange/proxy.h"

/* x is being answered with e. `offender` is the option at fault, or 0. */
void refusal_log(struct proxy *p, const struct exchange *x, enum error e, uint16_t offender);

/* The request of x is answered with `code`, or would be but for No-Response: a line where its route asks for it. An
 * observation has another if it ends by an error of ours; notifications have none. */
void access_log(const struct exchange *x, uint8_t code);

#endif
