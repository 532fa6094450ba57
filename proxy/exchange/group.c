#include "proxy/exchange/group.h"

#include <string.h>

#include "proxy/exchange/exchange.h"
#include "proxy/exchange/observe.h"
#include "translate/outer.h"

_Static_assert(UPSTREAM_TOKEN == sizeof((struct group_ask *)NULL)->token, "tokens of the ring are whole");

enum error group_prepare(struct proxy *p, struct exchange *x)
{
	x->group = true;
	x->confirmable = false;
	if (x->observation != NULL)
		observe_end(p, x->observation);
	x->observe = OBSERVE_NONE;
	if (x->block1 != 0)
		return ERR_TOO_LARGE;
	return x->has_block2 && x->block2.num > 0 ? ERR_BLOCK_SIZE : ERR_NONE;
}

void group_plan(struct outer_plan *plan)
{
	outer_drop(plan, OPT_OBSERVE);
	outer_drop(plan, OPT_ETAG);
}

void group_note_sent(struct proxy *p, struct exchange *x)
{
	struct group_ask *ask = &p->group_asks[p->group_next];
	struct origin *o = x->origin;

	p->group_next = (p->group_next + 1) % GROUP_ASKS;
	ask->at = x->sent_at;
	exchange_upstream_token(x, ask->token);
	o->quiet_until = x->sent_at + GROUP_PACE;
	wheel_set(p->wheel, &o->timer, o->quiet_until);
	x->retransmit_at = 0;
}

bool group_is_late(const struct proxy *p, const uint8_t *token, size_t len)
{
	for (unsigned i = 0; i < GROUP_ASKS && len == UPSTREAM_TOKEN; i++) {
		const struct group_ask *ask = &p->group_asks[i];

		if (ask->at != 0 && clock_now() - ask->at <= NON_LIFETIME && memcmp(ask->token, token, len) == 0)
			return true;
	}
	return false;
}
