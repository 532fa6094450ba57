#include "proxy/exchange/feed.h"

uint64_t feed_exchange_number(struct proxy *p)
{
	uint32_t us;

	if (p->feed_exchanges == 0) /* one that begins later begins behind: nobody has that many exchanges a second */
		p->feed_exchanges = (uint64_t)clock_wall(&us) * CLOCK_SECOND + us;
	return p->feed_exchanges++ * HOUSE_WORKERS_MAX + p->house.self;
}

void feed_tell(struct proxy *p, const struct feed *f, const struct feed_record *r)
{
	(void)f, (void)r;
	proxy_count(p, COUNT_FEED_LOST);
}
