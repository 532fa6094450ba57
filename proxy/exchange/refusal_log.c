#include "proxy/exchange/refusal_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/exchange.h"

/* A set is where the hash points; within it any place will do. At REFUSAL_LINES_A_SECOND a quarter of all is in use at most, so a
 * set is hardly ever full of pairs that were told lately. All workers share it, since the clients of one network are spread over them. */
enum { WAYS = 4, SETS = HOUSE_REFUSALS / WAYS };

#define TOLD_TICK (CLOCK_SECOND / 16)

struct refusals {
	struct proxy *proxy;
	struct wheel_timer timer; /* set while anything is left out */
	uint64_t others;          /* left out, and none of the table's */
	uint64_t second;          /* the one that `lines` were written in */
	unsigned lines;
};

static struct network network_of(const struct endpoint *e)
{
	struct network n = { .bits = endpoint_is_ipv4(e) ? 96 + 24 : 48 };

	memcpy(n.addr, e->addr, n.bits / 8);
	return n;
}

/* Of a reason, which is an error or an alarm; with an alarm goes its route. */
static uint64_t hash_of(const struct refusals *l, uint64_t reason, const struct network *from)
{
	return hash_mix(&l->proxy->hash_key, reason, from, sizeof *from) | (uint64_t)1 << 32;
}

_Static_assert(ALARM_END <= UINT8_MAX, "a reason is kept in a byte");

static const char *alarm_text(unsigned reason)
{
	return reason == ALARM_BAD ? "alarm_bad" : reason == ALARM_UNKNOWN ? "alarm_unknown" : "alarm_seen_before";
}

static const char *reason_text(unsigned reason)
{
	return reason < ERR_COUNT ? error_row((enum error)reason)->counter : alarm_text(reason);
}

static uint64_t told_now(uint64_t hash)
{
	return (hash >> 32) << 32 | (uint32_t)(clock_now() / TOLD_TICK);
}

static uint32_t age_of(uint64_t told)
{
	return (uint32_t)(clock_now() / TOLD_TICK) - (uint32_t)told;
}

static bool is_fresh(uint64_t told)
{
	return told != 0 && age_of(told) < REFUSAL_INTERVAL / TOLD_TICK;
}

static uint64_t told_of(const struct house_refusal *r)
{
	return atomic_load_explicit(&r->told, memory_order_acquire);
}

/* The place of the pair with this hash; if it has none, one that it may take; NULL if there is none. *told is what stands there. */
static struct house_refusal *find(const struct refusals *l, uint64_t hash, uint64_t *told)
{
	struct house_refusal *set = &l->proxy->house.state->refusals[hash % SETS * WAYS], *usable = NULL;

	for (int i = 0; i < WAYS; i++) {
		uint64_t here = told_of(&set[i]);

		if (here != 0 && here >> 32 == hash >> 32) {
			*told = here;
			return &set[i];
		}
		if (!is_fresh(here) && (usable == NULL || here == 0 || (*told != 0 && age_of(here) > age_of(*told)))) {
			usable = &set[i];
			*told = here;
		}
	}
	return usable;
}

/* Of several workers that would tell at once one may. */
static bool claim(struct house_refusal *r, uint64_t told, uint64_t hash)
{
	return atomic_compare_exchange_strong_explicit(&r->told, &told, told_now(hash), memory_order_acq_rel, memory_order_acquire);
}

static bool may_write(struct refusals *l)
{
	uint64_t second = clock_now() / CLOCK_SECOND;

	if (second != l->second) {
		l->second = second;
		l->lines = 0;
	}
	if (l->lines * (l->proxy->house.count + !l->proxy->house.count) >= REFUSAL_LINES_A_SECOND)
		return false;
	l->lines++;
	return true;
}

static void leave_out(struct refusals *l)
{
	if (!wheel_timer_is_set(&l->timer))
		wheel_set(l->proxy->wheel, &l->timer, clock_now() + REFUSAL_INTERVAL);
}

/* Tells in a line of its own how many were left out, or adds them to the sum if there is no line for it. The place is claimed. */
static void tell_left_out(struct refusals *l, struct house_refusal *r)
{
	uint32_t left_out = atomic_exchange_explicit(&r->left_out, 0, memory_order_relaxed);
	char network[ENDPOINT_TEXT_MAX];

	if (left_out == 0)
		return;
	if (may_write(l))
		log_info("%s: %" PRIu32 " more from %s", reason_text(r->reason), left_out, network_format(&r->from, network));
	else
		l->others += left_out;
}

static void tell_all_due(struct refusals *l, bool at_the_end)
{
	uint32_t oldest = 0;
	bool later = false;

	for (int i = 0; i < HOUSE_REFUSALS; i++) {
		struct house_refusal *r = &l->proxy->house.state->refusals[i];
		uint64_t told = told_of(r);

		if (atomic_load_explicit(&r->left_out, memory_order_relaxed) == 0)
			continue;
		if (at_the_end || !is_fresh(told)) {
			if (claim(r, told, told))
				tell_left_out(l, r);
			continue;
		}
		later = true;
		if (age_of(told) > oldest)
			oldest = age_of(told);
	}
	if (l->others > 0)
		log_info("refusals: %" PRIu64 " more that no line tells", l->others);
	l->others = 0;
	if (later)
		wheel_set(l->proxy->wheel, &l->timer, clock_now() + REFUSAL_INTERVAL - oldest * TOLD_TICK);
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

static void write_line(const struct exchange *x, enum error e, uint16_t offender, const struct network *from, uint32_t left_out)
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
	if (left_out > 0)
		snprintf(more, sizeof more, " (and %" PRIu32 " more from %s)", left_out, network_format(from, network));
	log_info("%s: %s from %s at %s, route %s, origin %s%s%s: %s%s", row->counter, msg_code_text(x->code, code),
		endpoint_format(&x->client->peer, client), listener != NULL ? listener->name : "-",
		x->route != NULL ? x->route->name : "-", origin, x->oscore ? " oscore" : "", option,
		row->text[0] != '\0' ? row->text : row->counter, more);
}

/* Whether it is told now: *left_out were not since it was told last. Else it is counted. */
static bool take_turn(struct refusals *l, unsigned reason, uint64_t hash, const struct network *from, uint32_t *left_out)
{
	uint64_t told = 0;
	struct house_refusal *r = find(l, hash, &told);
	bool known = r != NULL && told != 0 && told >> 32 == hash >> 32;

	if (r == NULL || (known && is_fresh(told)) || !may_write(l) || !claim(r, told, hash)) {
		if (known)
			atomic_fetch_add_explicit(&r->left_out, 1, memory_order_relaxed);
		else
			l->others++;
		leave_out(l);
		return false;
	}
	if (!known) {
		tell_left_out(l, r);
		r->from = *from;
		r->reason = (uint8_t)reason;
	}
	*left_out = atomic_exchange_explicit(&r->left_out, 0, memory_order_relaxed);
	return true;
}

void refusal_log(struct proxy *p, const struct exchange *x, enum error e, uint16_t offender)
{
	struct refusals *l = p->refusals;
	struct network from;
	uint32_t left_out;

	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	from = network_of(&x->client->peer);
	if (take_turn(l, e, hash_of(l, e, &from), &from, &left_out))
		write_line(x, e, offender, &from, left_out);
}

static const char *alarm_meaning(const struct alarm_of *a)
{
	if (a->alarm == ALARM_BAD)
		return "it was altered, or is of another context";
	return a->alarm == ALARM_UNKNOWN ? "no context of that ID is known" : "repeated, or replayed";
}

void refusal_log_alarm(struct proxy *p, const struct alarm_of *a)
{
	struct refusals *l = p->refusals;
	struct network from;
	char client[ENDPOINT_TEXT_MAX], network[ENDPOINT_TEXT_MAX], more[ENDPOINT_TEXT_MAX + 32] = "";
	uint32_t left_out;

	if (!log_enabled(LOG_LEVEL_WARNING))
		return;
	from = network_of(a->client);
	if (!take_turn(l, a->alarm, hash_of(l, (uint64_t)a->alarm << 32 | a->route->metrics_slot, &from), &from, &left_out))
		return;
	if (left_out > 0)
		snprintf(more, sizeof more, " (and %" PRIu32 " more from %s)", left_out, network_format(&from, network));
	log_warning("%s: %s %s, route %s: %s%s", alarm_text(a->alarm), a->answer ? "an answer for" : "a request from",
		endpoint_format(a->client, client), a->route->name, alarm_meaning(a), more);
}
