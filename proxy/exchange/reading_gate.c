/* Requests that wait until they are read: asked about, judged, let go or refused (reading.h). */
#include "oscore/option.h"
#include "proxy/decide/inner.h"
#include "proxy/exchange/errand.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/forward.h"
#include "proxy/exchange/observe.h"
#include "proxy/exchange/reading_state.h"

bool reading_gathers(const struct exchange *x, const struct outer_request *r)
{
	return reading_wants(x) && r->has_block1 && (r->block1.more || r->block1.num > 0) && conf_read_is_gate(x->route->read);
}

bool reading_waits(const struct reading *d)
{
	return d->wait != READING_WAITS_FOR_NOTHING;
}

/* ---- rates of senders ---- */

enum { TIME_BITS = 48, RATE_SETS = HOUSE_READ_RATES / HOUSE_READ_RATE_WAYS };

static uint64_t time_of(uint64_t word)
{
	return word & ((UINT64_C(1) << TIME_BITS) - 1);
}

/* The place of the sender whose mark this is, or one that may be his: of nobody, or of who has been silent longest. */
static _Atomic uint64_t *find_rate(const struct proxy *p, uint64_t hash)
{
	_Atomic uint64_t *set = &p->house.state->read_rates[hash % RATE_SETS * HOUSE_READ_RATE_WAYS], *found = NULL;
	uint64_t oldest = 0;

	for (unsigned i = 0; i < HOUSE_READ_RATE_WAYS; i++) {
		uint64_t here = atomic_load_explicit(&set[i], memory_order_relaxed);

		if (here >> TIME_BITS == hash >> TIME_BITS)
			return &set[i];
		if (found == NULL || time_of(here) < oldest) {
			found = &set[i];
			oldest = time_of(here);
		}
	}
	return found; /* whoever it was begins anew when he comes back */
}

/* Each request moves the time at which the sender's account is even again by what one may cost; it may lie ahead by as much as `burst`
 * of them cost. All workers share the accounts. */
static bool take_rate(const struct proxy *p, const struct read_conf *r, const uint8_t *option, size_t len)
{
	uint64_t cost = CLOCK_SECOND / r->rate, most = cost * (r->burst > 0 ? r->burst : 1), now = clock_now(), hash, stood, even, next;
	struct oscore_option o;
	_Atomic uint64_t *place;

	if (oscore_option_parse(&o, option, len, OSCORE_FLAG_GROUP) < 0)
		return false;
	hash = hash_mix(&p->hash_key, oscore_option_kid_hash(&o, &p->hash_key), &r->id, sizeof r->id);
	place = find_rate(p, hash);
	stood = atomic_load_explicit(place, memory_order_relaxed);
	do {
		even = stood >> TIME_BITS == hash >> TIME_BITS && time_of(stood) > now ? time_of(stood) : now;
		if (even + cost > now + most)
			return false;
		next = hash >> TIME_BITS << TIME_BITS | time_of(even + cost);
	} while (!atomic_compare_exchange_weak_explicit(place, &stood, next, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* ---- judging ---- */

enum error reading_judge(const struct reading *d, const struct opening_answer *a, enum error e)
{
	const struct read_conf *r = d->route->read;

	if (a == NULL)
		return e;
	e = inner_judge(r, a);
	if (e == ERR_NONE && r->rate > 0 && d->wait != READING_GATE_RENEWED && (a->verdict == OPENING_OPENED || a->verdict == OPENING_VERIFIED) &&
		!take_rate(d->proxy, r, reading_option(d), d->option_len))
		e = ERR_READ_RATE;
	return e;
}

/* What was let in once goes on if it cannot be read now: a reload asks about many at a time. */
static void decided_renewed(struct reading *d, enum error e, bool read)
{
	struct exchange *x = d->exchange;

	if (e != ERR_NONE && read && x->state == EXCHANGE_OBSERVING && x->observation != NULL)
		observe_withdraw(d->proxy, x->observation, e);
}

void reading_decided(struct reading *d, enum error e, bool read)
{
	struct buffer message = d->message;
	enum reading_wait wait = d->wait;
	struct errand *errand = d->errand;

	d->wait = READING_WAITS_FOR_NOTHING;
	d->errand = NULL;
	d->message = (struct buffer){ 0 };
	if (wait == READING_GATE_ERRAND)
		errand_judged(errand, e);
	else if (wait == READING_GATE_RENEWED)
		decided_renewed(d, e, read);
	else
		forward_judged(d->proxy, d->exchange, &message, wait == READING_GATE_AGAIN, e);
	buffers_drop(d->proxy->buffers, &message);
}

/* ---- asking ---- */

/* Returns the question, or NULL with the reason in *e. */
static const struct reader_ticket *ask_about(struct reading *d, enum reading_kind kind, const struct msg_view *head, const uint8_t *payload,
	size_t len, enum error *e)
{
	const struct msg_option *option = msg_option(head, OPT_OSCORE);
	struct opening_question q = { .payload = payload, .payload_len = (uint32_t)len };

	if (option == NULL || option->len > OSCORE_OPTION_MAX) {
		*e = ERR_READ_MALFORMED;
		return NULL;
	}
	*e = ERR_TOO_LARGE;
	q.option = option->value;
	q.option_len = (uint8_t)option->len;
	return len <= OPENING_PAYLOAD_MAX ? reading_ask(d, kind, &q, d->route->read->deadline, e) : NULL;
}

static enum error ask(struct reading *d, const struct msg_view *head, const uint8_t *payload, size_t len)
{
	enum error e;

	d->awaited = ask_about(d, READING_REQUEST, head, payload, len, &e);
	if (d->awaited != NULL)
		return ERR_NONE;
	reading_tell(d, READING_REQUEST, true, NULL, NULL, READING_MISSED, e);
	return e;
}

enum error reading_gate(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	bool first = x->state == EXCHANGE_RESOLVING;
	struct reading *d = reading_begin(p, x, m);
	enum error e;

	if (d == NULL || buffers_keep(p->buffers, &d->message, m->bytes, m->len) < 0)
		return ERR_OVERLOAD;
	e = ask(d, m, m->payload, m->payload_len);
	if (e != ERR_NONE) {
		buffers_drop(p->buffers, &d->message);
		return e;
	}
	d->wait = first ? READING_GATE_FIRST : READING_GATE_AGAIN;
	exchange_set_state(x, EXCHANGE_READING);
	return ERR_NONE;
}

void reading_gate_errand(struct proxy *p, struct errand *errand, struct exchange *x, const struct msg_view *head, const uint8_t *body,
	size_t len)
{
	struct reading *d = reading_begin(p, x, head);
	enum error e = d != NULL ? ask(d, head, body, len) : ERR_OVERLOAD;

	if (e == ERR_NONE) {
		d->wait = READING_GATE_ERRAND;
		d->errand = errand;
	} else {
		errand_judged(errand, e);
	}
}

void reading_gate_renewed(struct reading *d, const struct msg_view *m)
{
	enum error e;

	d->awaited = ask_about(d, READING_AGAIN, m, m->payload, m->payload_len, &e);
	d->wait = d->awaited != NULL ? READING_GATE_RENEWED : READING_WAITS_FOR_NOTHING;
}
