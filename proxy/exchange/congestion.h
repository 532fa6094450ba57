/*
 * congestion - how much may be in flight towards one origin, and how long to wait for it: a window and an RTO.
 *
 * NSTART may be more than 1 only with congestion control (RFC 7252 4.7, 4.8.1). Window: starts at 1, +1 for each answered
 * exchange up to the first loss, then +1 per window; halved on a timeout (an odd one to its
 * larger half), at most once per RTT; never above the
 * configured maximum. RTO: CoCoA's strong and weak estimators (draft-ietf-core-cocoa), 0.1 to 60 s, initially 2 s,
 * variable back-off, ageing. Pure: no clock of its own, all times in microseconds.
 */
#ifndef PROXY_EXCHANGE_CONGESTION_H
#define PROXY_EXCHANGE_CONGESTION_H

#include <stdbool.h>
#include <stdint.h>

#define CONGESTION_RTO_MIN 100000u
#define CONGESTION_RTO_MAX 60000000u

struct congestion {
	uint32_t rto;                   /* the overall estimate */
	uint32_t strong_rtt, strong_var, weak_rtt, weak_var; /* 0: no sample yet */
	uint16_t window, slow_limit;    /* window in messages; slow start below slow_limit */
	uint16_t credit;                /* answered since the window last grew */
	uint16_t maximum;
	uint64_t updated_at, halved_at;
};

void congestion_init(struct congestion *c, uint16_t maximum, uint32_t initial_rto);

/* For a reload: a window above the new maximum shrinks to it. */
void congestion_set_maximum(struct congestion *c, uint16_t maximum);

/* A message of the origin that shows a round trip: an ACK, piggybacked response or RST to a message sent `rtt` ago (from
 * its first transmission) after `retransmissions` repeats (0: strong; 1 or 2: weak; more: no sample). `limited`: the
 * window was what held sending back (an unused window does not grow). */
void congestion_on_answer(struct congestion *c, uint64_t now, uint64_t rtt, unsigned retransmissions, bool limited);

/* A retransmission timer ran out over a message that was last sent at `sent`. Halves the window unless it was halved within
 * the last RTT, or since: what left before the halving belongs to the loss that was answered then (compare RFC 5681 3.1). */
void congestion_on_timeout(struct congestion *c, uint64_t now, uint64_t sent);

/* The first timeout of a new message: the RTO, aged if it was not updated for long, times a random factor between 1 and
 * random_percent/100 drawn from `random` (any 32 bits). */
uint64_t congestion_first_timeout(struct congestion *c, uint64_t now, uint32_t random_percent, uint32_t random);

/* The factor of the next timeout of a message that began with `first`: variable back-off (3 below 1 s, 1.5 above 3 s, else
 * 2); returns the next timeout, at most CONGESTION_RTO_MAX. */
uint64_t congestion_next_timeout(uint64_t first, uint64_t current);

#endif
