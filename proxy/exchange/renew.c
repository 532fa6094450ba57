#include "proxy/exchange/renew.h"

#include <stdlib.h>

#include "proxy/exchange/client.h"
#include "proxy/exchange/feed.h"
#include "proxy/exchange/forward.h"
#include "proxy/exchange/observe.h"
#include "proxy/exchange/reachability.h"
#include "proxy/exchange/reader_link.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/return_path.h"

enum {
	ROUTES_A_TICK = 4096, /* conditions of so many routes are looked at in one tick of the wheel: well under a millisecond */
	DECIDED_A_TICK = 64,  /* so many observations, however much the reader has to do */
};

struct renewal {
	struct wheel_timer timer;
	struct proxy *proxy;
	uint32_t next;    /* index of the next observation */
	uint32_t left;    /* that were there when it began, at most */
};

/* ---- limits ---- */

static void renew_client(void *object, uint32_t index, void *arg)
{
	struct client *c = object;

	(void)index;
	if (!client_is_stand_in(c) && !client_is_at_slot(c))
		c->trusted = reachability_is_trusted(arg, &c->peer);
}

static void renew_origin(void *object, uint32_t index, void *arg)
{
	const struct proxy *p = arg;
	struct origin *o = object;

	(void)index;
	congestion_set_maximum(&o->congestion, (uint16_t)p->conf->settings.origin_window);
}

static uint32_t with_stand_ins(const struct proxy *p, uint32_t before, uint32_t now)
{
	/* What other workers took on under the limit before may still be on its way here. */
	return p->house.count > 1 ? 2 * (before > now ? before : now) : now;
}

static void renew_limits(struct proxy *p, const struct settings *before)
{
	const struct settings *s = &p->conf->settings;

	slab_set_limit(p->exchanges, with_stand_ins(p, before->exchanges, s->exchanges));
	slab_set_limit(p->flows, with_stand_ins(p, before->exchanges, s->exchanges));
	slab_set_limit(p->lookups, s->exchanges);
	slab_set_limit(p->observations, with_stand_ins(p, before->observations, s->observations));
	slab_set_limit(p->clients, s->clients);
	slab_set_limit(p->origins, s->origins);
	readings_renew(p);
	buffers_set_limit(p->buffers, s->queue_memory / p->house.count);
	reader_link_renew(p);
	slab_each(p->clients, renew_client, p);
	slab_each(p->origins, renew_origin, p);
}

/* ---- observations ---- */

static enum error last_word(const struct exchange *x, enum error e)
{
	return e == ERR_NO_ROUTE && !x->oscore ? ERR_NO_ROUTE : ERR_WITHDRAWN;
}

bool renew_observation(struct proxy *p, struct exchange *x)
{
	enum error e = forward_decide_again(p, x);

	if (e != ERR_NONE)
		observe_withdraw(p, x->observation, last_word(x, e));
	return e == ERR_NONE;
}

/* True if it was one that had to be decided. */
static bool decide_one(struct proxy *p, struct observation *o)
{
	struct exchange *x = o->exchange;

	if (x->conf == p->conf)
		return false;
	if (x->stand_in) { /* decided where its client is */
		snapshot_release(x->conf);
		x->conf = snapshot_keep(p->conf);
		return false;
	}
	/* What is under way goes on as it began; it is decided once it is an observation. */
	if (x->state != EXCHANGE_OBSERVING)
		return false;
	renew_observation(p, x);
	return true;
}

static void on_tick(struct wheel_timer *t)
{
	struct renewal *r = wheel_owner(t, struct renewal, timer);
	struct proxy *p = r->proxy;
	size_t budget = ROUTES_A_TICK;
	unsigned decided = 0;

	/* Gates ask the reader about them: not about more at a time than it may be asked. */
	while (budget > 0 && r->left > 0 && (decided < DECIDED_A_TICK || reader_link_has_room(p))) {
		struct observation *o = slab_get(p->observations, r->next++);
		bool is_decided = o != NULL && decide_one(p, o);
		size_t cost = is_decided ? p->conf->route_count + 1 : 1;

		decided += is_decided;
		r->left--;
		budget -= cost < budget ? cost : budget;
	}
	if (r->left > 0)
		wheel_set(p->wheel, t, clock_now() + WHEEL_TICK);
	else
		renewal_forget(p);
}

bool proxy_is_renewing(const struct proxy *p)
{
	return p->renewal != NULL;
}

void renewal_forget(struct proxy *p)
{
	if (p->renewal == NULL)
		return;
	wheel_cancel(&p->renewal->timer);
	free(p->renewal);
	p->renewal = NULL;
}

void proxy_renew(struct proxy *p, struct snapshot *next)
{
	struct snapshot *before = p->conf;
	struct renewal *r = calloc(1, sizeof *r);

	renewal_forget(p);
	p->conf = snapshot_keep(next);
	renew_limits(p, &before->settings);
	snapshot_release(before);
	return_paths_renew(p);
	if (feeds_renew(p) < 0)
		log_warning("not enough memory for what waits for feeds: their lines are lost");
	if (r == NULL) {
		log_warning("not enough memory to look at the observations again: they go on as they are");
		return;
	}
	r->proxy = p;
	r->timer.run = on_tick;
	r->left = slab_end(p->observations);
	p->renewal = r;
	on_tick(&r->timer);
}
