#include "proxy/exchange/refusal_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/exchange.h"

/* A set is where the hash points; within it any place will do. At REFUSAL_LINES_A_SECOND a quarter of all is in use at most, so a
 * set is hardly ever full of pairs that were told lately. */
enum { SETS = 1024, WAYS = 4 };

/* A reason and a network. */
struct refusal {
	uint64_t told_at;    /* 0: free */
	uint32_t left_out;   /* since then */
	struct network from;
	uint8_t reason;
};

struct refusals {
	struct proxy *proxy;
	struct wheel_timer timer; /* set while anything is left out */
	uint64_t others;          /* left out, and none of the table's */
	uint64_t second;          /* the one that `lines` were written in */
	unsigned lines;
	struct refusal table[SETS * WAYS];
};

static struct network network_of(const struct endpoint *e)
{
	struct network n = { .bits = endpoint_is_ipv4(e) ? 96 + 24 : 48 };

	memcpy(n.addr, e->addr, n.bits / 8);
	return n;
}

static bool is_fresh(const struct refusal *r)
{
	return r->told_at != 0 && clock_now() - r->told_at < REFUSAL_INTERVAL;
}

static bool is_of(const struct refusal *r, enum error e, const struct network *from)
{
	return r->told_at != 0 && r->reason == e && memcmp(&r->from, from, sizeof *from) == 0;
}

/* The place of this reason and network; if it has none, one that it may take; NULL if there is none. */
static struct refusal *find(struct refusals *l, enum error e, const struct network *from)
{
	uint64_t hash = hash_mix(&l->proxy->hash_key, (uint64_t)e, from, sizeof *from);
	struct refusal *set = &l->table[hash % SETS * WAYS], *usable = NULL;

	for (int i = 0; i < WAYS; i++) {
		struct refusal *r = &set[i];

		if (is_of(r, e, from))
			return r;
		if (!is_fresh(r) && (usable == NULL || r->told_at < usable->told_at))
			usable = r;
	}
	return usable;
}

static bool may_write(struct refusals *l)
{
	uint64_t second = clock_now() / CLOCK_SECOND;

	if (second != l->second) {
		l->second = second;
		l->lines = 0;
	}
	if (l->lines >= REFUSAL_LINES_A_SECOND)
		return false;
	l->lines++;
	return true;
}

static void leave_out(struct refusals *l)
{
	if (!wheel_timer_is_set(&l->timer))
		wheel_set(l->proxy->wheel, &l->timer, clock_now() + REFUSAL_INTERVAL);
}

/* Tells in a line of its own how many were left out, or adds them to the sum if there is no line for it. */
static void tell_left_out(struct refusals *l, struct refusal *r)
{
	char network[ENDPOINT_TEXT_MAX];

	if (may_write(l)) {
		log_info("%s: %" PRIu32 " more from %s", error_row((enum error)r->reason)->counter, r->left_out,
			network_format(&r->from, network));
		r->told_at = clock_now();
	} else {
		l->others += r->left_out;
	}
	r->left_out = 0;
}

static void tell_all_due(struct refusals *l, bool at_the_end)
{
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < SETS * WAYS; i++) {
		struct refusal *r = &l->table[i];

		if (r->left_out == 0)
			continue;
		if (at_the_end || !is_fresh(r))
			tell_left_out(l, r);
		else if (r->told_at < next)
			next = r->told_at;
	}
	if (l->others > 0)
		log_info("refusals: %" PRIu64 " more that no line tells", l->others);
	l->others = 0;
	if (next != UINT64_MAX)
		wheel_set(l->proxy->wheel, &l->timer, next + REFUSAL_INTERVAL);
}

static void on_timer(struct wheel_timer *t)
{
	tell_all_due(wheel_owner(t, struct refusals, timer), false);
}

int refusal_log_create(struct proxy *p)
{
	p->refusals = calloc(1, sizeof *p->refusals);
	if (p->refusals == NULL)
		return -1;
	p->refusals->proxy = p;
	p->refusals->timer.run = on_timer;
	return 0;
}

void refusal_log_destroy(struct proxy *p)
{
	if (p->refusals == NULL)
		return;
	wheel_cancel(&p->refusals->timer);
	tell_all_due(p->refusals, true);
	free(p->refusals);
	p->refusals = NULL;
}

static void write_line(const struct exchange *x, enum error e, uint16_t offender, const struct refusal *r)
{
	const struct error_row *row = error_row(e);
	const struct listener *listener = snapshot_listener(x->conf, x->client->listener);
	const struct endpoint *peer = exchange_origin_peer(x);
	char client[ENDPOINT_TEXT_MAX], origin[ENDPOINT_TEXT_MAX] = "-", network[ENDPOINT_TEXT_MAX], code[MSG_CODE_TEXT_MAX];
	char option[24] = "", more[ENDPOINT_TEXT_MAX + 32] = "";

	if (peer != NULL)
		endpoint_format(peer, origin);
	if (offender != 0)
		snprintf(option, sizeof option, " option=%u", offender);
	if (r->left_out > 0)
		snprintf(more, sizeof more, " (and %" PRIu32 " more from %s)", r->left_out, network_format(&r->from, network));
	log_info("%s: %s from %s at %s, route %s, origin %s%s%s: %s%s", row->counter, msg_code_text(x->code, code),
		endpoint_format(&x->client->peer, client), listener != NULL ? listener->name : "-",
		x->route != NULL ? x->route->name : "-", origin, x->oscore ? " oscore" : "", option,
		row->text[0] != '\0' ? row->text : row->counter, more);
}

void refusal_log(struct proxy *p, const struct exchange *x, enum error e, uint16_t offender)
{
	struct refusals *l = p->refusals;
	struct network from;
	struct refusal *r;
	bool known;

	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	from = network_of(&x->client->peer);
	r = find(l, e, &from);
	known = r != NULL && is_of(r, e, &from);
	if (r == NULL || (known && is_fresh(r)) || !may_write(l)) {
		if (known && r->left_out < UINT32_MAX)
			r->left_out++;
		else
			l->others++;
		leave_out(l);
		return;
	}
	if (!known && r->left_out > 0)
		tell_left_out(l, r);
	if (!known)
		*r = (struct refusal){ .from = from, .reason = (uint8_t)e };
	write_line(x, e, offender, r);
	r->told_at = clock_now();
	r->left_out = 0;
}
