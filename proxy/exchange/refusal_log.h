/*
 * refusal_log - tells the operator why requests are refused: one line for each reason and network (IPv4 /24, IPv6 /48) in ten
 * seconds, with the number that was left out, whichever worker its clients belong to.
 *
 * What is left out is told ten seconds later even if nothing more comes. Both what is remembered and what is written are bounded:
 * at most REFUSAL_LINES_A_SECOND lines; what that cuts off, or finds no room in the table, is counted, and the sum is told in one line.
 *
 * Alarms about messages that were read are told in the same way, one line for each kind, route and network.
 */
#ifndef PROXY_EXCHANGE_REFUSAL_LOG_H
#define PROXY_EXCHANGE_REFUSAL_LOG_H

#include "proxy/exchange/proxy.h"

enum { REFUSAL_LINES_A_SECOND = 100 };
#define REFUSAL_INTERVAL (10 * CLOCK_SECOND)

/* Sets p->refusals; p->wheel and p->hash_key are there. Returns 0, or -1 without memory. */
int refusal_log_create(struct proxy *p) __attribute__((warn_unused_result));
/* Tells what was left out until now. */
void refusal_log_destroy(struct proxy *p);

/* x is being answered with e. `offender` is the option at fault, or 0. */
void refusal_log(struct proxy *p, const struct exchange *x, enum error e, uint16_t offender);

/* Kinds of alarms: they stand behind the errors in the table. */
enum alarm { ALARM_BAD = ERR_COUNT, ALARM_UNKNOWN, ALARM_SEEN, ALARM_END };

struct alarm_of {
	enum alarm alarm;
	const struct route *route;
	const struct endpoint *client; /* whose request it is, or for whom the answer */
	bool answer;
};
void refusal_log_alarm(struct proxy *p, const struct alarm_of *a);

#endif
