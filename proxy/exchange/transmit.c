#include "proxy/exchange/transmit.h"

#include "base/random.h"
#include "proxy/exchange/client.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/group.h"
#include "proxy/exchange/hop.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/ports.h"
#include "proxy/exchange/reachability.h"
#include "proxy/exchange/respond.h"
#include "proxy/exchange/sessions.h"
#include "translate/outer.h"

/* NON: the average rate towards a peer that does not answer (RFC 7252 4.7), and the pace without feedback (RFC 7967 3.2). */
#define PROBING_TIME (CLOCK_SECOND)
#define NO_RESPONSE_PACE (3 * CLOCK_SECOND)

static bool wants_nothing(const struct exchange *x)
{
	return (x->no_response & 26) == 26;
}

/* How long a NON occupies its place in the window if nothing comes back. */
static uint64_t non_hold(const struct exchange *x, size_t len, uint64_t rto)
{
	uint64_t hold = wants_nothing(x) ? NO_RESPONSE_PACE : len * PROBING_TIME;

	return hold > rto ? hold : rto;
}

/* Over what is reliable: nothing is repeated, only the answer is waited for. */
static void await_answer(struct proxy *p, struct exchange *x)
{
	x->retransmit_at = 0;
	x->deadline = wants_nothing(x) ? x->sent_at + NO_RESPONSE_PACE : x->patience_in_all > 0 ?
		x->arrived_at + x->patience_in_all * CLOCK_MS : x->sent_at + x->patience_acknowledged * CLOCK_MS;
	exchange_set_state(x, EXCHANGE_SENT);
	origin_enter_window(x);
	exchange_schedule(p, x);
}

/* What x goes out by is ready, or is being opened. */
static enum error make_way(struct proxy *p, struct exchange *x, size_t len, bool keep_slot)
{
	const struct origin *o = x->origin;
	const struct edge_credentials c = { .host = o->host, .identity = o->identity };
	struct local_address local;
	struct endpoint client;
	unsigned listener;
	size_t limit;

	if (edge_is_clients_session(&o->peer) && !sessions_client(&o->peer, &client, &listener, &local))
		return ERR_SESSION_ABSENT;
	if (ports_assign(p, x, keep_slot) < 0)
		return ERR_MESSAGE_IDS;
	if (!edge_of(&o->peer)->connects)
		return ERR_NONE;
	if (!edge_is_clients_session(&o->peer) && edge_connect_origin(x->slot, &o->peer, &c) < 0)
		return ERR_OVERLOAD;
	limit = edge_message_limit(x->slot, &o->peer);
	if (len <= limit)
		return ERR_NONE;
	hop_learn(p, x->slot, &o->peer);
	x->size_limit = limit;
	return ERR_TOO_LARGE;
}

/* A client of plain datagrams who may not exist is asked no more than he would be answered (RFC 7252 11.3): what is too much is lost. */
static bool is_too_much(struct proxy *p, const struct exchange *x, size_t len)
{
	struct local_address local;
	const struct client *c;
	struct endpoint peer;
	unsigned listener;

	if (!sessions_is_plain(&x->origin->peer) || !sessions_client(&x->origin->peer, &peer, &listener, &local))
		return false;
	c = client_find(p, listener, &peer);
	return (c != NULL ? !reachability_is_verified(c) : !reachability_is_trusted(p, &peer)) && !reachability_take_rate(p, &peer, len);
}

static void send_now(struct proxy *p, const struct exchange *x, const uint8_t *bytes, size_t len)
{
	if (is_too_much(p, x, len))
		proxy_count(p, COUNT_UNVERIFIED_DROPPED);
	else
		origin_send(p, x->slot, &x->origin->peer, bytes, len);
}

static enum error transmit_first(struct proxy *p, struct exchange *x, uint8_t *bytes, size_t len, bool keep_slot)
{
	struct origin *o = x->origin;
	uint64_t now = clock_now();
	uint32_t percent = p->conf->settings.ack_random_factor_percent;
	enum error e = make_way(p, x, len, keep_slot);

	if (e != ERR_NONE)
		return e;
	msg_set_mid(bytes, x->mid);
	send_now(p, x, bytes, len);
	proxy_count(p, COUNT_FORWARDED);
	if (x->stand_in)
		crossing_note_sent(p, x);
	x->sent_at = now;
	x->retransmissions = 0;
	if (x->group) {
		group_note_sent(p, x);
		if (wants_nothing(x))
			x->deadline = now + NO_RESPONSE_PACE;
		exchange_set_state(x, EXCHANGE_SENT);
		exchange_schedule(p, x);
		return ERR_NONE;
	}
	if (edge_of(&o->peer)->reliable) {
		await_answer(p, x);
		return ERR_NONE;
	}
	x->timeout = x->first_timeout = (uint32_t)congestion_first_timeout(&o->congestion, now, percent, random_u32());
	x->retransmit_at = now + (x->confirmable ? x->timeout : non_hold(x, len, x->timeout));
	if (wants_nothing(x))
		x->deadline = now + (x->confirmable ? x->patience * CLOCK_MS : NO_RESPONSE_PACE);
	exchange_set_state(x, EXCHANGE_SENT);
	origin_enter_window(x);
	exchange_schedule(p, x);
	return ERR_NONE;
}

/* Plain registrations keep their bytes: the cancel is made from them. */
static bool must_keep(const struct exchange *x)
{
	return x->confirmable || (x->observation != NULL && !x->oscore);
}

enum error transmit_or_wait(struct proxy *p, struct exchange *x, uint8_t *bytes, size_t len, bool keep_slot)
{
	struct origin *o = x->origin;
	bool now = o->flow_first == NULL && origin_has_room(o);

	/* Its type is nobody's business there, and nothing is repeated. */
	if (edge_of(&o->peer)->reliable)
		x->confirmable = false;
	if ((!now || must_keep(x)) && buffers_keep(p->buffers, &x->request, bytes, len) < 0)
		return ERR_OVERLOAD;
	if (!now) {
		if (origin_wait(p, x) < 0)
			return ERR_OVERLOAD;
		exchange_set_state(x, EXCHANGE_WAITING);
		exchange_schedule(p, x);
		transmit_pump(p, o); /* a quiet time may have passed */
		return ERR_NONE;
	}
	return transmit_first(p, x, x->request.bytes != NULL ? x->request.bytes : bytes, len, keep_slot);
}

/* No answer can be expected in the time that is left: it would be executed for nobody. */
static bool is_too_late(const struct exchange *x)
{
	const struct origin *o = x->origin;
	uint64_t least = o->failures > 0 ? o->congestion.rto : 0;

	return x->deadline != 0 && x->deadline <= clock_now() + least;
}

void transmit_pump(struct proxy *p, struct origin *o)
{
	if (p->pumping)
		return;
	p->pumping = true;
	while (o->flow_first != NULL && origin_has_room(o)) {
		struct exchange *x = origin_next_waiting(p, o);
		bool again = x->observation != NULL && x->observation->established;
		/* For a client who has gone nothing new is begun. */
		enum error e = is_too_late(x) || x->client->gone ? ERR_ORIGIN_TIMEOUT :
			transmit_first(p, x, x->request.bytes, x->request.len, again);

		if (e != ERR_NONE) {
			/* No longer in a flow: step over the waiting state before it is freed. */
			exchange_set_state(x, EXCHANGE_SENT);
			respond_error(p, x, e, 0);
			exchange_free(p, x);
			continue;
		}
		if (!must_keep(x))
			buffers_drop(p->buffers, &x->request);
	}
	p->pumping = false;
}

static bool may_repeat(const struct proxy *p, const struct exchange *x)
{
	const struct settings *s = &p->conf->settings;
	uint64_t span = s->ack_timeout * ((1u << s->max_retransmit) - 1) * s->ack_random_factor_percent / 100;

	return x->retransmissions < s->max_retransmit && clock_now() - x->sent_at <= span;
}

void transmit_on_timeout(struct proxy *p, struct exchange *x)
{
	struct origin *o = x->origin;

	x->retransmit_at = 0;
	if (x->state != EXCHANGE_SENT && x->state != EXCHANGE_CANCELLING)
		return;
	if (!x->confirmable) {
		if (!wants_nothing(x))
			congestion_on_timeout(&o->congestion, clock_now(), x->sent_at);
		origin_leave_window(x);
		transmit_pump(p, o);
		return;
	}
	congestion_on_timeout(&o->congestion, clock_now(), clock_now() - x->timeout);
	if (!may_repeat(p, x))
		return; /* the deadline ends it */
	x->retransmissions++;
	x->timeout = (uint32_t)congestion_next_timeout(x->first_timeout, x->timeout);
	x->retransmit_at = clock_now() + x->timeout;
	proxy_count(p, COUNT_RETRANSMISSIONS_UP);
	send_now(p, x, x->request.bytes, x->request.len);
}

/* The registration with Observe=1, everything else as it was. */
static size_t write_cancel(const struct exchange *x, uint8_t *bytes, size_t room)
{
	uint8_t token[UPSTREAM_TOKEN];
	struct outer_plan plan;
	struct msg_writer w;
	struct msg_view m;

	if (msg_parse_datagram(&m, x->request.bytes, x->request.len) != MSG_OK)
		return 0;
	outer_plan_init(&plan);
	outer_drop(&plan, OPT_OBSERVE);
	outer_drop(&plan, OPT_ETAG);
	if (outer_add_uint(&plan, OPT_OBSERVE, 1) < 0)
		return 0;
	exchange_upstream_token(x, token);
	msg_begin(&w, bytes, room, MSG_CON, m.code, 0, token, sizeof token);
	outer_write(&w, &m, &plan);
	return msg_end(&w);
}

void transmit_cancel(struct proxy *p, struct exchange *x)
{
	uint8_t bytes[MSG_MAX];
	size_t len = write_cancel(x, bytes, sizeof bytes);

	x->client->exchanges--;
	x->client = NULL;
	x->confirmable = !edge_of(&x->origin->peer)->reliable;
	buffers_drop(p->buffers, &x->request);
	if (len == 0 || buffers_keep(p->buffers, &x->request, bytes, len) < 0 || make_way(p, x, len, true) != ERR_NONE) {
		exchange_free(p, x); /* the next notification is reset, which cancels too */
		return;
	}
	exchange_set_state(x, EXCHANGE_CANCELLING);
	msg_set_mid(x->request.bytes, x->mid);
	send_now(p, x, x->request.bytes, x->request.len);
	x->sent_at = clock_now();
	x->retransmissions = 0;
	x->timeout = x->first_timeout = (uint32_t)congestion_first_timeout(&x->origin->congestion, x->sent_at,
		p->conf->settings.ack_random_factor_percent, random_u32());
	x->retransmit_at = x->confirmable ? x->sent_at + x->timeout : 0;
	x->deadline = x->sent_at + x->patience * CLOCK_MS;
	/* It follows a message of the origin, so it does not wait for room, but it counts. */
	origin_enter_window(x);
	exchange_schedule(p, x);
}
