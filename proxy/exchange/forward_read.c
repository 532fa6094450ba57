/* Requests of routes that read: what is read before they go on, and what afterwards (reading.h). */
#include "proxy/decide/inner.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/forward_passage.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/renew.h"
#include "proxy/exchange/respond.h"

/* Part of what was, or will be, read as a whole: a later block of a body, or a request for a later block of an answer. */
static bool is_later_block(const struct passage *g)
{
	return (g->r->has_block1 && g->r->block1.num > 0) || (g->r->has_block2 && g->r->block2.num > 0);
}

/* ---- taps ---- */

static bool asks_for_later_block(const struct passage *g)
{
	return g->r->has_block2 && g->r->block2.num > 0;
}

static void follow(struct passage *g, void (*go)(struct passage *g))
{
	struct reading *d = reading_follow(g->p, g->x, g->m);

	go(g);
	if (d != NULL)
		reading_followed(d);
}

static void tap(struct passage *g, void (*go)(struct passage *g))
{
	struct reading *d;

	if (asks_for_later_block(g)) {
		follow(g, go);
		return;
	}
	if (g->r->has_block1 && g->r->block1.more) {
		reading_tap_block(g->p, g->x, g->m);
		go(g);
		return;
	}
	d = reading_tap_begin(g->p, g->x, g->m);
	go(g);
	if (d != NULL)
		reading_tap(d, g->m, !is_later_block(g));
}

/* ---- gates ---- */

/* Whether what it is part of has passed already, and goes on with it. */
static bool continues(struct passage *g)
{
	struct reading *d = asks_for_later_block(g) ? reading_follow(g->p, g->x, g->m) : NULL;
	bool found = is_later_block(g) && passage_continue(g);

	if (d != NULL)
		reading_followed(d);
	return found;
}

static void gate(struct passage *g)
{
	struct exchange *x = g->x;
	enum error e;

	/* It is judged as soon as all of it is there. */
	if (continues(g))
		return;
	if (reading_gathers(x, g->r)) {
		passage_go_on(g);
		return;
	}
	if (asks_for_later_block(g) && reading_has_passed(x, g->m)) {
		follow(g, passage_go_on);
		return;
	}
	e = reading_gate(g->p, x, g->m);
	if (e != ERR_NONE)
		passage_refuse(g->p, x, e, 0);
	else
		exchange_schedule(g->p, x);
}

void passage_be_read(struct passage *g)
{
	if (conf_read_is_gate(g->x->route->read))
		gate(g);
	else
		tap(g, passage_go_on);
}

/* The observation stays as it is, and the client has his answer. */
static void refuse_again(struct proxy *p, struct exchange *x, enum error e)
{
	respond_error(p, x, e, 0);
	reading_refused_again(x);
	x->deadline = 0;
	exchange_schedule(p, x);
}

void passage_be_read_again(struct passage *g)
{
	enum error e;

	if (!conf_read_is_gate(g->x->route->read)) {
		tap(g, passage_go_again);
		return;
	}
	e = reading_gate(g->p, g->x, g->m);
	if (e != ERR_NONE)
		refuse_again(g->p, g->x, e);
	else
		exchange_schedule(g->p, g->x);
}

/* ---- what was judged ---- */

static void judged_again(struct proxy *p, struct exchange *x, const struct buffer *message, enum error e)
{
	struct outer_request r;
	struct msg_view m;
	struct passage g;

	/* A newer registration has taken its place meanwhile, or the gateway is closing down. */
	if (x->observation == NULL) {
		passage_refuse(p, x, e != ERR_NONE ? e : p->draining ? ERR_DRAINING : ERR_WITHDRAWN, 0);
		return;
	}
	exchange_set_state(x, EXCHANGE_OBSERVING);
	if (e == ERR_NONE && passage_again(&g, p, x, message, &m, &r)) {
		passage_go_again(&g);
		return;
	}
	refuse_again(p, x, e != ERR_NONE ? e : ERR_INTERNAL);
	if (x->conf != p->conf)
		renew_observation(p, x);
}

void forward_judged(struct proxy *p, struct exchange *x, const struct buffer *message, bool again, enum error e)
{
	struct outer_request r;
	struct msg_view m;
	struct passage g;

	if (again) {
		judged_again(p, x, message, e);
		return;
	}
	exchange_set_state(x, EXCHANGE_RESOLVING);
	if (e == ERR_NONE && passage_again(&g, p, x, message, &m, &r))
		passage_go_on(&g);
	else
		passage_refuse(p, x, e != ERR_NONE ? e : ERR_INTERNAL, 0);
}
