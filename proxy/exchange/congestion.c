#include "proxy/exchange/congestion.h"

enum {
	SECOND = 1000000,
	STRONG_WEIGHT = 4,        /* RTO of an estimator: rtt + weight * variance */
	WEAK_WEIGHT = 1,
	WEAK_REPEATS = 2,         /* beyond it a round trip cannot be told from a late answer */
	RTO_SMALL = 1 * SECOND,   /* below: quick to be too short; above RTO_LARGE: slow to forget a bad time */
	RTO_LARGE = 3 * SECOND,
	SMALL_AGES = 16,          /* in RTOs without a sample */
	LARGE_AGES = 4,
};

static uint32_t clamp(uint64_t value, uint32_t low, uint32_t high)
{
	return value < low ? low : value > high ? high : (uint32_t)value;
}

void congestion_init(struct congestion *c, uint16_t maximum, uint32_t initial_rto)
{
	*c = (struct congestion){
		.rto = clamp(initial_rto, CONGESTION_RTO_MIN, CONGESTION_RTO_MAX),
		.window = 1,
		.maximum = maximum == 0 ? 1 : maximum,
	};
	c->slow_limit = c->maximum;
}

void congestion_set_maximum(struct congestion *c, uint16_t maximum)
{
	bool at_start = c->slow_limit == c->maximum;

	c->maximum = maximum == 0 ? 1 : maximum;
	if (c->window > c->maximum)
		c->window = c->maximum;
	if (at_start || c->slow_limit > c->maximum)
		c->slow_limit = c->maximum;
}

/* One RFC 6298 estimator (2.2, 2.3): smoothing 1/8 and 1/4. */
static uint32_t estimate(uint32_t *rtt, uint32_t *var, uint32_t sample, uint32_t weight)
{
	if (*rtt == 0) {
		*rtt = sample;
		*var = sample / 2;
	} else {
		uint32_t off = *rtt > sample ? *rtt - sample : sample - *rtt;

		*var = *var - *var / 4 + off / 4;
		*rtt = *rtt - *rtt / 8 + sample / 8;
		if (*rtt == 0)
			*rtt = 1;
	}
	return *rtt + weight * *var;
}

static void sample_round_trip(struct congestion *c, uint64_t now, uint64_t rtt, unsigned retransmissions)
{
	uint32_t sample = clamp(rtt, 1, CONGESTION_RTO_MAX);
	uint64_t rto;

	if (retransmissions == 0)
		rto = ((uint64_t)c->rto + estimate(&c->strong_rtt, &c->strong_var, sample, STRONG_WEIGHT)) / 2;
	else
		rto = (3 * (uint64_t)c->rto + estimate(&c->weak_rtt, &c->weak_var, sample, WEAK_WEIGHT)) / 4;
	c->rto = clamp(rto, CONGESTION_RTO_MIN, CONGESTION_RTO_MAX);
	c->updated_at = now;
}

static void grow(struct congestion *c)
{
	if (c->window >= c->maximum)
		return;
	if (c->window < c->slow_limit) {
		c->window++;
	} else if (++c->credit >= c->window) {
		c->window++;
		c->credit = 0;
	}
}

void congestion_on_answer(struct congestion *c, uint64_t now, uint64_t rtt, unsigned retransmissions, bool limited)
{
	if (retransmissions <= WEAK_REPEATS)
		sample_round_trip(c, now, rtt, retransmissions);
	if (limited)
		grow(c);
}

void congestion_on_timeout(struct congestion *c, uint64_t now, uint64_t sent)
{
	uint32_t rtt = c->strong_rtt != 0 ? c->strong_rtt : c->weak_rtt != 0 ? c->weak_rtt : c->rto;

	if (c->halved_at != 0 && (now - c->halved_at < rtt || sent < c->halved_at))
		return;
	c->window = (uint16_t)((c->window + 1) / 2); /* an odd one to its larger half */
	c->slow_limit = c->window;
	c->credit = 0;
	c->halved_at = now;
}

/* Ages the RTO by as many steps as the silence since the last sample allows; without any sample it is the configured one
 * and stays. Each step at least doubles a small RTO or brings a large one nearer to 2 s, so there are few of them. */
static void age(struct congestion *c, uint64_t now)
{
	if (c->strong_rtt == 0 && c->weak_rtt == 0)
		return;
	while (now > c->updated_at) {
		uint64_t silence = now - c->updated_at;

		if (c->rto < RTO_SMALL && silence >= (uint64_t)SMALL_AGES * c->rto) {
			c->updated_at += (uint64_t)SMALL_AGES * c->rto;
			c->rto *= 2;
		} else if (c->rto > RTO_LARGE && silence >= (uint64_t)LARGE_AGES * c->rto) {
			c->updated_at += (uint64_t)LARGE_AGES * c->rto;
			c->rto = SECOND + c->rto / 2;
		} else {
			return;
		}
	}
}

uint64_t congestion_first_timeout(struct congestion *c, uint64_t now, uint32_t random_percent, uint32_t random)
{
	uint64_t spread;

	age(c, now);
	spread = random_percent > 100 ? (uint64_t)c->rto * (random_percent - 100) / 100 : 0;
	return c->rto + (spread * random >> 32);
}

uint64_t congestion_next_timeout(uint64_t first, uint64_t current)
{
	uint64_t next;

	if (first < RTO_SMALL)
		next = current * 3;
	else if (first > RTO_LARGE)
		next = current + current / 2;
	else
		next = current * 2;
	return next > CONGESTION_RTO_MAX ? CONGESTION_RTO_MAX : next;
}
