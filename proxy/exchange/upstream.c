#include "proxy/exchange/upstream.h"

#include <string.h>

#include "proxy/exchange/client.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/group.h"
#include "proxy/exchange/hop.h"
#include "proxy/exchange/hold_back.h"
#include "proxy/exchange/observe.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/ports.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/receive.h"
#include "proxy/exchange/renew.h"
#include "proxy/exchange/requester.h"
#include "proxy/exchange/respond.h"
#include "proxy/exchange/return_path.h"
#include "proxy/exchange/sessions.h"
#include "proxy/exchange/transmit.h"
#include "translate/outer.h"

enum { TOKEN_ROOM = 256 }; /* of a request that is answered: longer tokens are not taken of origins */

/* Messages of origins are told apart from those of clients in the duplicate store by a listener number no listener has. */
enum { UPSTREAM_LISTENER = 1 << 15 };

/* One datagram of an origin as it came. */
struct answer_arrival {
	struct proxy *p;
	unsigned slot;
	const struct endpoint *peer;
	const struct msg_view *m;
};

/* The ports of a worker end with it, and that of a return path with the path: what came to its successor's are other messages, whatever their
 * IDs. */
static unsigned listener_of(const struct proxy *p, unsigned slot)
{
	return (house_incarnation(&p->house, p->house.self) << 16 | UPSTREAM_LISTENER | slot) ^ return_path_turn(p, slot) << 24;
}

static void send_empty(const struct proxy *p, unsigned slot, const struct endpoint *peer, enum msg_type type, uint16_t mid)
{
	uint8_t bytes[MSG_HEADER];

	if (edge_of(peer)->reliable)
		return;
	msg_write_empty(bytes, type, mid);
	origin_send(p, slot, peer, bytes, sizeof bytes);
}

/* The record of a message of an origin: acknowledged or rejected, so that its repeats get the same. */
static void remember(struct proxy *p, unsigned slot, const struct endpoint *peer, uint16_t mid, bool confirmable, bool rejected)
{
	uint64_t hash = duplicates_hash(p->duplicates, peer, listener_of(p, slot), mid);
	struct duplicate known;
	uint32_t record = duplicates_find(p->duplicates, hash, clock_now(), &known);

	if (record == DUPLICATES_NONE)
		record = duplicates_add(p->duplicates, hash, clock_now(), SLAB_NONE, confirmable, false, true);
	if (record == DUPLICATES_NONE)
		return;
	if (rejected)
		duplicates_rejected(p->duplicates, record, hash);
	else
		duplicates_acknowledged(p->duplicates, record, hash);
}

void upstream_acknowledge_id(struct exchange *x, uint16_t mid)
{
	remember(x->proxy, x->slot, &x->origin->peer, mid, true, false);
	send_empty(x->proxy, x->slot, &x->origin->peer, MSG_ACK, mid);
}

void upstream_acknowledge(struct exchange *x, const uint8_t *bytes, size_t len)
{
	uint16_t mid;

	if (len < MSG_HEADER)
		return;
	mid = (uint16_t)(bytes[2] << 8 | bytes[3]);
	if ((bytes[0] >> 4 & 3) != MSG_CON)
		return;
	if (x->origin != NULL)
		upstream_acknowledge_id(x, mid);
	else
		crossing_acknowledge(x->proxy, x, mid);
}

static void reject(const struct answer_arrival *a)
{
	if (a->m->type == MSG_CON || a->m->type == MSG_NON)
		send_empty(a->p, a->slot, a->peer, MSG_RST, a->m->mid);
}

void upstream_await(struct exchange *x, uint16_t mid)
{
	uint64_t hash = duplicates_hash(x->proxy->duplicates, &x->origin->peer, listener_of(x->proxy, x->slot), mid);

	duplicates_add(x->proxy->duplicates, hash, clock_now(), x->index, true, false, true);
}

/* A message that came before: acknowledged or reset as then (RFC 7252 4.5). Returns true if it did. */
static bool is_repeat(const struct answer_arrival *a, const struct exchange *x)
{
	uint64_t hash = duplicates_hash(a->p->duplicates, a->peer, listener_of(a->p, a->slot), a->m->mid);
	struct duplicate known;

	if (duplicates_find(a->p->duplicates, hash, clock_now(), &known) == DUPLICATES_NONE)
		return false;
	/* It was handed on, and is acknowledged once it is passed on; unless whoever would do that is gone. */
	if (known.state == DUPLICATE_PENDING && (x == NULL || known.exchange != x->index))
		return false;
	proxy_count(a->p, COUNT_DUPLICATES);
	if (a->m->type == MSG_CON && known.state != DUPLICATE_PENDING)
		send_empty(a->p, a->slot, a->peer, known.state == DUPLICATE_REJECTED ? MSG_RST : MSG_ACK, a->m->mid);
	return true;
}

/* The message of x that is in flight made its round trip. */
static void round_trip(struct proxy *p, struct exchange *x)
{
	struct origin *o = x->origin;

	if (x->in_window && !edge_of(&o->peer)->reliable)
		congestion_on_answer(&o->congestion, clock_now(), clock_now() - x->sent_at, x->retransmissions, x->limited);
	origin_leave_window(x);
	x->retransmit_at = 0;
	if (!x->group)
		origin_answered(o);
	(void)p;
}

/* ---- ACK and RST ---- */

static void on_acknowledged(struct proxy *p, struct exchange *x)
{
	struct origin *o = x->origin;

	round_trip(p, x);
	if (x->state == EXCHANGE_SENT) {
		exchange_set_state(x, EXCHANGE_ACKNOWLEDGED);
		x->deadline = x->patience_in_all > 0 ? x->arrived_at + x->patience_in_all * CLOCK_MS :
			clock_now() + x->patience_acknowledged * CLOCK_MS;
		if ((x->no_response & 26) == 26) {
			/* Nothing will come and nothing is wanted (RFC 7967). */
			respond_acknowledge(p, x);
			exchange_free(p, x);
			return;
		}
		if (x->observation == NULL)
			buffers_drop(p->buffers, &x->request);
	}
	exchange_schedule(p, x);
	transmit_pump(p, o);
}

static void on_reset(struct proxy *p, struct exchange *x)
{
	round_trip(p, x);
	if (x->state != EXCHANGE_CANCELLING) {
		origin_failed(x->origin, x->rest * CLOCK_MS);
		respond_error(p, x, ERR_ORIGIN_RESET, 0);
	}
	exchange_free(p, x);
}

static void on_empty(const struct answer_arrival *a)
{
	struct origin *o;
	struct exchange *x;

	if (a->m->type == MSG_CON || a->m->type == MSG_NON) {
		reject(a);
		return;
	}
	o = origin_find(a->p, a->peer);
	x = o != NULL ? origin_in_flight(o, a->slot, a->m->mid) : NULL;
	if (x == NULL && return_path_is_slot(a->slot) && return_path_receive(a->p, a->slot, a->peer, a->m))
		return;
	if (x == NULL) {
		proxy_count(a->p, COUNT_IGNORED);
		return;
	}
	if (a->m->type == MSG_RST)
		on_reset(a->p, x);
	else if (x->confirmable)
		on_acknowledged(a->p, x);
}

/* ---- responses ---- */

static void fail(struct proxy *p, struct exchange *x, enum error e)
{
	if (x->client != NULL)
		respond_error(p, x, e, 0);
	exchange_free(p, x);
}

bool upstream_pass_answer(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	bool passed;

	if (x->client != NULL && client_is_at_slot(x->client))
		return_path_proved(p, x->client);
	observe_before_answer(x, m);
	reading_before_answer(x, m);
	passed = respond_relay(p, x, m) || requester_is_gone(x);
	if (passed)
		reading_answer(x, m, false);
	if (!passed || !observe_after_answer(p, x, m)) {
		exchange_free(p, x);
		return false;
	}
	exchange_set_state(x, EXCHANGE_OBSERVING);
	x->deadline = 0;
	exchange_schedule(p, x);
	if (requester_is_gone(x)) {
		observe_client_gone(p, x->observation);
		return false;
	}
	return x->conf == p->conf || renew_observation(p, x);
}

/* The same where the client is another worker's. */
static bool hand_over_answer(struct proxy *p, struct exchange *x, const struct msg_view *m, const struct endpoint *responder)
{
	bool lives;

	observe_before_answer(x, m);
	lives = observe_after_answer(p, x, m);
	crossing_tell_answer(p, x, m, x->group ? responder : NULL, !lives);
	if (!lives) {
		exchange_free(p, x);
		return false;
	}
	exchange_set_state(x, EXCHANGE_OBSERVING);
	x->deadline = 0;
	exchange_schedule(p, x);
	return true;
}

/* Never to a group: who spoke is told. */
static void acknowledge(const struct answer_arrival *a)
{
	if (a->m->type != MSG_CON)
		return;
	remember(a->p, a->slot, a->peer, a->m->mid, true, false);
	send_empty(a->p, a->slot, a->peer, MSG_ACK, a->m->mid);
}

static enum error check_response(const struct answer_arrival *a)
{
	return edge_of(a->peer)->reliable ? outer_check_reliable_response(a->m) : outer_check_response(a->m);
}

/* The answer to the request that x has under way. */
static void on_answer(const struct answer_arrival *a, struct exchange *x)
{
	const struct msg_view *m = a->m;
	struct origin *o = x->origin;
	struct proxy *p = a->p;

	round_trip(p, x);
	acknowledge(a);
	hop_learn(p, a->slot, a->peer);
	sessions_proved(p, a->peer);
	if (x->state == EXCHANGE_CANCELLING) {
		exchange_free(p, x);
		return;
	}
	if (check_response(a) != ERR_NONE) {
		fail(p, x, ERR_BAD_RESPONSE);
		return;
	}
	if (m->code == CODE_TOO_MANY && !x->oscore && !x->group)
		hold_back_note(p, x, m);
	if (x->block1 == 1)
		ports_upload_ended(x);
	if (x->group && x->requester != NULL)
		x->requester->responder = *a->peer;
	if (!(x->stand_in ? hand_over_answer(p, x, m, a->peer) : upstream_pass_answer(p, x, m)))
		return;
	if (x->oscore)
		buffers_drop(p->buffers, &x->request);
	transmit_pump(p, o);
}

/* While a refresh or cancel is under way the ACK with its Message ID is its answer; what comes by CON or NON before that
 * is still a notification. */
static bool is_notification(const struct exchange *x, const struct msg_view *m)
{
	if (x->observation == NULL || !x->observation->established || m->type == MSG_ACK)
		return false;
	return x->state == EXCHANGE_OBSERVING || (x->state == EXCHANGE_SENT && x->confirmable) || x->state == EXCHANGE_WAITING ||
		x->state == EXCHANGE_READING;
}

static void on_notification(const struct answer_arrival *a, struct exchange *x)
{
	if (check_response(a) != ERR_NONE) {
		upstream_acknowledge(x, a->m->bytes, a->m->len);
		fail(a->p, x, ERR_BAD_RESPONSE);
		return;
	}
	/* A NON that the network doubled must not be delivered twice; a CON is remembered when it is acknowledged. */
	if (a->m->type == MSG_NON && !edge_of(a->peer)->reliable)
		remember(a->p, a->slot, a->peer, a->m->mid, false, false);
	observe_on_notification(a->p, x, a->m);
}

/* Whether this is where the answers to x come from: its origin, or whoever is of the group that was asked (RFC 7252 5.3.2, 8.2). */
static bool is_from_origin(const struct exchange *x, unsigned slot, const struct endpoint *peer)
{
	return x->origin != NULL && x->slot == slot && (x->group || endpoint_equal(&x->origin->peer, peer));
}

static bool expects_answer(const struct exchange *x)
{
	return x->state == EXCHANGE_SENT || x->state == EXCHANGE_ACKNOWLEDGED || x->state == EXCHANGE_CANCELLING;
}

/* Another member of a group answers. It did what it was asked to do, so it is not reset (RFC 7252 8.2). */
static void on_late(const struct answer_arrival *a)
{
	if (group_is_late(a->p, a->m->token, a->m->token_len)) {
		proxy_count(a->p, COUNT_GROUP_LATE);
		acknowledge(a);
		return;
	}
	proxy_count(a->p, COUNT_UNEXPECTED_RESPONSES);
	reject(a);
}

static void on_response(const struct answer_arrival *a)
{
	struct proxy *p = a->p;
	const struct msg_view *m = a->m;
	struct exchange *x = exchange_by_token(p, m->token, m->token_len);
	struct origin *o;

	if (x != NULL && !is_from_origin(x, a->slot, a->peer)) {
		proxy_count(p, COUNT_FOREIGN_RESPONSES);
		x = NULL;
	}
	if (m->type == MSG_ACK) {
		if (x != NULL && expects_answer(x) && x->mid == m->mid && x->confirmable) {
			on_answer(a, x);
			return;
		}
		/* The token is wrong: the acknowledgement counts, the response does not (RFC 8974 3.3). */
		o = origin_find(p, a->peer);
		x = o != NULL ? origin_in_flight(o, a->slot, m->mid) : NULL;
		proxy_count(p, COUNT_UNEXPECTED_RESPONSES);
		if (x != NULL && x->confirmable)
			on_acknowledged(p, x);
		return;
	}
	if ((m->type == MSG_CON || (x != NULL && x->observation != NULL)) && !edge_of(a->peer)->reliable && is_repeat(a, x))
		return;
	if (a->slot == GROUP_SLOT && (x == NULL || !expects_answer(x))) {
		on_late(a);
		return;
	}
	if (x == NULL || (!expects_answer(x) && !is_notification(x, m))) {
		proxy_count(p, COUNT_UNEXPECTED_RESPONSES);
		reject(a);
		return;
	}
	if (is_notification(x, m))
		on_notification(a, x);
	else
		on_answer(a, x);
}

/* Origins ask nothing here, but by a return path. Over a connection that is said by an answer (RFC 8323 3.3), else by a Reset. */
static void on_request(const struct answer_arrival *a)
{
	uint8_t bytes[MSG_HEADER + TOKEN_ROOM];
	struct msg_writer w;

	if (return_path_is_slot(a->slot) && return_path_receive(a->p, a->slot, a->peer, a->m))
		return;
	proxy_count(a->p, COUNT_REJECTED);
	if (!edge_of(a->peer)->reliable) {
		reject(a);
		return;
	}
	msg_begin(&w, bytes, sizeof bytes, MSG_NON, CODE_NOT_IMPLEMENTED, 0, a->m->token, a->m->token_len);
	if (msg_end(&w) > 0)
		origin_send(a->p, a->slot, a->peer, bytes, msg_end(&w));
}

/* A response that cannot be read still ends its exchange, if it says which (RFC 7252 5.7.1). */
static void on_broken(const struct answer_arrival *a)
{
	const struct msg_view *m = a->m;
	struct exchange *x = m->token != NULL ? exchange_by_token(a->p, m->token, m->token_len) : NULL;
	struct origin *o = origin_find(a->p, a->peer);

	proxy_count(a->p, COUNT_REJECTED);
	if (a->slot == GROUP_SLOT)
		return; /* another member may do better */
	if (x == NULL && o != NULL && m->type == MSG_ACK)
		x = origin_in_flight(o, a->slot, m->mid);
	reject(a);
	if (x == NULL || !is_from_origin(x, a->slot, a->peer) || !expects_answer(x))
		return;
	round_trip(a->p, x);
	fail(a->p, x, ERR_BAD_RESPONSE);
}

void upstream_datagram(struct proxy *p, unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len,
	bool truncated)
{
	struct msg_view m;
	struct answer_arrival a = { .p = p, .slot = slot, .peer = peer, .m = &m };
	struct exchange *x;

	if (return_path_is_slot(slot) && !return_path_admits(p, slot, peer))
		return;
	switch (msg_parse_datagram(&m, bytes, len)) {
	case MSG_IGNORE:
		proxy_count(p, COUNT_IGNORED);
		return;
	case MSG_FORMAT_ERROR:
		on_broken(&a);
		edge_abort_origin(slot, peer);
		return;
	case MSG_TOO_MANY_OPTIONS:
		on_broken(&a);
		return;
	case MSG_OK:
		break;
	}
	if (truncated) {
		proxy_count(p, COUNT_TRUNCATED);
		x = exchange_by_token(p, m.token, m.token_len);
		if (x != NULL && is_from_origin(x, slot, peer) && (expects_answer(x) || is_notification(x, &m))) {
			round_trip(p, x);
			acknowledge(&a);
			fail(p, x, ERR_RESPONSE_SIZE);
		} else {
			reject(&a);
		}
		return;
	}
	if (m.code == CODE_EMPTY)
		on_empty(&a);
	else if (msg_code_is_request(m.code))
		on_request(&a);
	else if (msg_code_is_response(m.code) && m.type != MSG_RST)
		on_response(&a);
	else
		reject(&a);
}

void upstream_unreachable(struct proxy *p, unsigned slot, const struct endpoint *peer, const uint8_t *quoted, size_t len)
{
	struct exchange *x;

	/* The quoted datagram may be cut; its header and token are what is matched (RFC 7252 4.2). */
	if (len < MSG_HEADER + UPSTREAM_TOKEN || (quoted[0] & 0x0f) != UPSTREAM_TOKEN)
		return;
	x = exchange_by_token(p, quoted + MSG_HEADER, UPSTREAM_TOKEN);
	if (x == NULL || x->origin == NULL || x->slot != slot || !endpoint_equal(&x->origin->peer, peer) ||
		(quoted[2] << 8 | quoted[3]) != x->mid || x->state != EXCHANGE_SENT)
		return;
	origin_leave_window(x);
	origin_failed(x->origin, x->rest * CLOCK_MS);
	fail(p, x, ERR_UNREACHABLE);
}

/* ---- connections ---- */

/* What the end of its connection means to x: its answer, or more of its observation, will not come. */
static void lose(struct proxy *p, struct exchange *x, enum error e)
{
	if (x->state == EXCHANGE_CANCELLING) {
		exchange_free(p, x);
		return;
	}
	if (x->state != EXCHANGE_OBSERVING)
		origin_failed(x->origin, x->rest * CLOCK_MS);
	fail(p, x, e);
}

static bool hangs_on(const struct exchange *x, unsigned slot)
{
	return x->slot == slot && (x->state == EXCHANGE_SENT || x->state == EXCHANGE_ACKNOWLEDGED || x->state == EXCHANGE_OBSERVING ||
		x->state == EXCHANGE_CANCELLING || x->state == EXCHANGE_READING);
}

void upstream_lost(struct proxy *p, unsigned slot, const struct endpoint *peer, enum error e, bool sent)
{
	struct origin *o = origin_find(p, peer);
	bool pumping = p->pumping;

	if (return_path_is_slot(slot))
		receive_return_gone(p, slot, peer);
	if (o == NULL)
		return;
	/* Who is told may end others, and ask anew: that goes before the first. What waits is not to join them yet. */
	p->pumping = true;
	o->exchanges++;
	for (struct exchange *x = o->connected; x != NULL; x = o->cursor) {
		o->cursor = x->beside;
		if (hangs_on(x, slot))
			lose(p, x, sent ? ERR_ORIGIN_LOST : e);
	}
	o->exchanges--;
	p->pumping = pumping;
	transmit_pump(p, o);
}

void upstream_refused(struct proxy *p, unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct exchange *x;
	struct msg_view m;

	if (msg_parse_datagram(&m, bytes, len) != MSG_OK)
		return;
	x = exchange_by_token(p, m.token, m.token_len);
	if (x == NULL || !is_from_origin(x, slot, peer) || !hangs_on(x, slot))
		return;
	hop_learn(p, slot, peer);
	x->size_limit = edge_message_limit(slot, peer);
	fail(p, x, ERR_TOO_LARGE);
}
