/*
 * receive - a client's datagram: format, type, duplicates, limits; then forward.
 */
#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/client.h"
#include "proxy/exchange/delivery.h"
#include "proxy/exchange/errand.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/forward.h"
#include "proxy/exchange/observe.h"
#include "proxy/exchange/reachability.h"
#include "proxy/exchange/receive.h"
#include "proxy/exchange/respond.h"
#include "proxy/exchange/return_path.h"
#include "proxy/exchange/sessions.h"

/* One datagram as it came. */
struct arrival {
	struct proxy *p;
	unsigned listener;
	const struct endpoint *peer;
	const struct local_address *to;
	const struct msg_view *m;
	bool truncated;
	const struct route *route; /* of an origin that asks by a return path; else NULL */
	bool reliable; /* it comes once: there are no duplicates, and nothing is acknowledged or reset */
	uint64_t hash; /* of endpoint, listener and Message ID; 0: not made yet */
};

static void reject(const struct arrival *a)
{
	proxy_count(a->p, COUNT_REJECTED);
	if (a->m->type == MSG_CON && !a->reliable)
		respond_empty(a->listener, a->peer, a->to, MSG_RST, a->m->mid);
}

/* What of the request every answer needs, whether it is forwarded or refused. */
static void fill(struct exchange *x, const struct arrival *a)
{
	x->client_mid = a->m->mid;
	/* What came reliably goes on so, and is acknowledged already. */
	x->client_type = a->reliable ? MSG_CON : a->m->type;
	x->client_acknowledged = a->reliable;
	x->local = *a->to;
	x->code = a->m->code;
	x->request_len = (uint16_t)a->m->len;
}

static bool is_safe(uint8_t code)
{
	return code == CODE_GET || code == CODE_FETCH;
}

/* Enters a request as the one of exchange x. Returns false if it must not be carried out, because its repeat would be. */
static bool remember(const struct arrival *a, struct exchange *x, bool unsafe)
{
	if (a->reliable)
		return true;
	x->record_hash = a->hash;
	x->record = duplicates_add(a->p->duplicates, a->hash, clock_now(), x->index, a->m->type == MSG_CON, unsafe,
		reachability_is_verified(x->client));
	return x->record != DUPLICATES_NONE || !unsafe;
}

/* When its Empty ACK is due. */
static void owe_acknowledgement(const struct arrival *a, struct exchange *x)
{
	if (x->client_type == MSG_CON && !a->reliable)
		x->acknowledge_at = x->arrived_at + x->conf->settings.separate_after;
}

/* Answers without an exchange: there is no room for one, or the message is not to be looked into. Where there is no room the
 * refusal is remembered, so that a repeat of the request is not carried out after all. */
static void refuse_at_once(const struct arrival *a, enum error e, bool oscore)
{
	struct client c = { .peer = *a->peer, .listener = a->listener };
	struct exchange x = { .proxy = a->p, .client = &c, .record = DUPLICATES_NONE, .conf = a->p->conf, .oscore = oscore };

	c.hash = client_hash(a->p, a->listener, a->peer);
	c.trusted = a->route != NULL || reachability_is_trusted(a->p, a->peer);
	fill(&x, a);
	if (exchange_set_token(&x, a->m->token, a->m->token_len) < 0)
		return;
	if ((e == ERR_OVERLOAD || e == ERR_CLIENT_LIMIT) && !a->reliable) {
		x.record_hash = a->hash;
		x.record = duplicates_add(a->p->duplicates, a->hash, clock_now(), DUPLICATES_NONE, a->m->type == MSG_CON,
			oscore || !is_safe(a->m->code), c.trusted);
	}
	respond_error(a->p, &x, e, 0);
	free(x.long_token);
}

static void read_wishes(struct exchange *x, const struct outer_request *r)
{
	x->oscore = r->oscore;
	x->observe = r->observe;
	x->no_response = r->no_response;
	x->has_block2 = r->has_block2;
	x->block2 = r->block2;
	x->block1 = r->has_block1 ? 1 + r->block1.more : 0;
	x->wants_problem_details = r->accepts_problem_details && !r->oscore;
	x->forward = r->forward;
}

/* ---- duplicates (RFC 7252 4.5) ---- */

/* Its exchange ended with the worker that had it: whether the origin got the request is not known. */
static bool is_orphan(const struct duplicate *d)
{
	return d->exchange == DUPLICATES_NONE && (d->state == DUPLICATE_PENDING || d->state == DUPLICATE_ACKNOWLEDGED);
}

/* An OSCORE or unsafe request is not sent a second time. */
static void on_orphan(const struct arrival *a, uint32_t record)
{
	struct client c = { .peer = *a->peer, .listener = a->listener };
	struct exchange x = { .proxy = a->p, .client = &c, .record = record, .record_hash = a->hash, .conf = a->p->conf };
	struct outer_request r;
	uint16_t offender;

	proxy_count(a->p, COUNT_DUPLICATES);
	c.hash = client_hash(a->p, a->listener, a->peer);
	fill(&x, a);
	(void)outer_read_request(a->m, &r, &offender);
	read_wishes(&x, &r);
	if (exchange_set_token(&x, a->m->token, a->m->token_len) < 0)
		return;
	respond_error(a->p, &x, ERR_LOST_SENT, 0);
	free(x.long_token);
}

static void on_duplicate(const struct arrival *a, const struct duplicate *d)
{
	struct exchange *x;

	proxy_count(a->p, COUNT_DUPLICATES);
	if (a->m->type != MSG_CON)
		return;
	switch (d->state) {
	case DUPLICATE_PENDING:
		/* The client waits already: it is told at once that the answer will come separately. */
		x = slab_get(a->p->exchanges, d->exchange);
		if (x != NULL && x->record_hash == a->hash && x->client_mid == a->m->mid) {
			respond_acknowledge(a->p, x);
			exchange_schedule(a->p, x);
		}
		return;
	case DUPLICATE_REJECTED:
		respond_empty(a->listener, a->peer, a->to, MSG_RST, a->m->mid);
		return;
	case DUPLICATE_ANSWERED:
		if (d->answer != NULL) {
			client_send(a->listener, a->peer, a->to, d->answer, d->answer_len);
			return;
		}
		proxy_count(a->p, COUNT_DUPLICATES_FORGOTTEN);
		respond_empty(a->listener, a->peer, a->to, MSG_ACK, a->m->mid);
		return;
	case DUPLICATE_ACKNOWLEDGED:
		respond_empty(a->listener, a->peer, a->to, MSG_ACK, a->m->mid);
		return;
	}
}

/* ---- requests ---- */

static struct endpoint asked_address(const struct arrival *a)
{
	const struct listener *l = snapshot_listener(a->p->conf, a->listener);
	struct endpoint asked = { .scope = a->to->ifindex };

	memcpy(asked.addr, a->to->addr, sizeof asked.addr);
	asked.port = l != NULL ? l->address.port : 0; /* by a return path nobody looks */
	asked.transport = a->peer->transport;
	return asked;
}

/* The observation that a request goes on with because it has its token and asks for the same; NULL if it is a new request.
 * Then the token is no longer the observation's: what the origin sends for it from now on is reset. Under OSCORE that alone
 * ends nothing (RFC 8613 4.1.3.5). */
static struct exchange *observation_meant(const struct arrival *a, const struct client *c, const struct outer_request *r)
{
	struct observation *o = client_observation(c, a->m->token, a->m->token_len);
	struct endpoint asked = asked_address(a);
	struct exchange *x;

	if (o == NULL)
		return NULL;
	x = o->exchange;
	if (x->state != EXCHANGE_OBSERVING) {
		/* Its own request is still under way and will be answered; of two registrations the newer counts. */
		if (!x->oscore || r->observe != OBSERVE_NONE)
			observe_end(a->p, o);
		return NULL;
	}
	if (r->observe != OBSERVE_NONE && forward_is_same(a->p, x, a->m, r, &asked))
		return x;
	if (!x->oscore)
		exchange_free(a->p, x);
	return NULL;
}

/* A request under the token of an observation of the same client refreshes or cancels it. Returns true if it was one. */
static bool continue_observation(const struct arrival *a, struct client *c, const struct outer_request *r)
{
	struct exchange *x = observation_meant(a, c, r);
	struct endpoint asked = asked_address(a);

	if (x == NULL)
		return false;
	if (!remember(a, x, r->oscore || !is_safe(a->m->code))) {
		refuse_at_once(a, ERR_DUPLICATES_FULL, r->oscore);
		return true;
	}
	fill(x, a);
	read_wishes(x, r);
	x->arrived_at = clock_now();
	owe_acknowledgement(a, x);
	forward_again(a->p, x, a->m, r, &asked);
	return true;
}

static bool seen_echo(const struct arrival *a, struct client *c, const struct outer_request *r)
{
	if (r->echo == NULL || !reachability_check_echo(a->p, a->peer, r->echo->value, r->echo->len))
		return false;
	reachability_set_verified(a->p, c);
	return true;
}

static struct exchange *admit(const struct arrival *a, struct client *c, bool unsafe, bool oscore)
{
	enum error e = exchange_check_room(a->p, c);
	struct exchange *x = e == ERR_NONE ? exchange_new(a->p, c) : NULL;

	if (x == NULL) {
		refuse_at_once(a, e == ERR_NONE ? ERR_OVERLOAD : e, oscore);
		return NULL;
	}
	fill(x, a);
	if (!remember(a, x, unsafe) || exchange_set_token(x, a->m->token, a->m->token_len) < 0) {
		exchange_free(a->p, x);
		refuse_at_once(a, ERR_DUPLICATES_FULL, oscore);
		return NULL;
	}
	owe_acknowledgement(a, x);
	exchange_schedule(a->p, x);
	return x;
}

/* Of Message IDs. The ports of a worker end with it, and that of a return path with the path: what comes to its successor's are other messages. */
static unsigned space_of(const struct arrival *a)
{
	if (a->route == NULL)
		return a->listener;
	return (house_incarnation(&a->p->house, a->p->house.self) << 16 | a->listener) ^
		return_path_turn(a->p, a->listener & (CLIENT_AT_SLOT - 1)) << 24;
}

/* Answers what came before. Returns false if it is new, or as good as new. */
static bool is_repeat(struct arrival *a)
{
	struct duplicates *d = a->p->duplicates;
	struct duplicate known;
	uint32_t record;

	if (a->hash == 0)
		a->hash = duplicates_hash(d, a->peer, space_of(a), a->m->mid);
	record = duplicates_find(d, a->hash, clock_now(), &known);
	if (record == DUPLICATES_NONE)
		return false;
	if (is_orphan(&known) && !known.unsafe) {
		duplicates_forget(d, record, a->hash);
		return false;
	}
	if (is_orphan(&known))
		on_orphan(a, record);
	else
		on_duplicate(a, &known);
	return true;
}

static void on_request(struct arrival *a)
{
	struct proxy *p = a->p;
	struct endpoint asked;
	struct outer_request r;
	struct exchange *x;
	struct client *c;
	uint16_t offender = 0;
	enum error e;

	if (!a->reliable && is_repeat(a))
		return;
	proxy_count(p, COUNT_REQUESTS);
	e = a->reliable ? outer_read_reliable_request(a->m, &r, &offender) : outer_read_request(a->m, &r, &offender);
	if (r.oscore)
		proxy_count(p, COUNT_REQUESTS_OSCORE);
	if (p->draining || (a->route == NULL && snapshot_listener(p->conf, a->listener) == NULL)) {
		refuse_at_once(a, p->draining ? ERR_DRAINING : ERR_WITHDRAWN, r.oscore);
		return;
	}
	asked = asked_address(a);
	if (a->route == NULL)
		p->listener_used[a->listener] = clock_now();
	if (a->truncated || a->m->token_len > p->conf->settings.token_length) {
		refuse_at_once(a, a->truncated ? ERR_TOO_LARGE : ERR_TOKEN_LENGTH, r.oscore);
		return;
	}
	c = client_get(p, a->listener, a->peer);
	if (c == NULL) {
		refuse_at_once(a, ERR_OVERLOAD, r.oscore);
		return;
	}
	if (a->route != NULL) {
		/* It was asked, and is known to be there. */
		c->trusted = true;
		c->gone = false;
	}
	seen_echo(a, c, &r);
	if (e == ERR_NONE && c->observations != NULL && continue_observation(a, c, &r))
		return;
	x = admit(a, c, r.oscore || !is_safe(a->m->code), r.oscore);
	if (x == NULL)
		return;
	read_wishes(x, &r);
	if (e != ERR_NONE) {
		respond_error(p, x, e, offender);
		exchange_free(p, x);
		return;
	}
	forward_begin(p, x, a->m, &r, &asked, a->route);
}

/* ---- everything else ---- */

/* What somebody says who was asked (sessions.h). Returns false if he was not. */
static bool take_answer(const struct arrival *a, const uint8_t *bytes, size_t len)
{
	struct endpoint origin;

	if (!sessions_is_asked(a->p, a->listener, a->peer, &origin))
		return false;
	upstream_datagram(a->p, EDGE_LISTENER_SLOT | a->listener, &origin, bytes, len, a->truncated);
	return true;
}

static void on_empty(const struct arrival *a)
{
	struct client *c;
	struct observation *o;

	if (a->m->type == MSG_CON) {
		proxy_count(a->p, COUNT_PINGS);
		respond_empty(a->listener, a->peer, a->to, MSG_RST, a->m->mid);
		return;
	}
	if (a->m->type == MSG_NON) {
		reject(a);
		return;
	}
	c = client_find(a->p, a->listener, a->peer);
	if (c != NULL && a->m->type == MSG_RST)
		proxy_count(a->p, COUNT_CLIENT_RESETS);
	if (c != NULL && delivery_on_answer(a->p, c, a->m->mid, a->m->type == MSG_RST))
		return;
	o = c != NULL && a->m->type == MSG_RST ? observe_by_mid(c, a->m->mid) : NULL;
	if (o != NULL)
		observe_client_gone(a->p, o);
	else if (!(a->listener & CLIENT_AT_SLOT))
		take_answer(a, a->m->bytes, a->m->len);
}

static void on_sound(struct arrival *a)
{
	const struct msg_view *m = a->m;

	if (m->code == CODE_EMPTY)
		on_empty(a);
	else if (!msg_code_is_request(m->code) && take_answer(a, m->bytes, m->len))
		return;
	else if (m->type == MSG_ACK || m->type == MSG_RST)
		proxy_count(a->p, COUNT_IGNORED);
	else if (msg_code_is_request(m->code))
		on_request(a);
	else
		reject(a);
}

uint64_t receive_soon(const struct proxy *p, unsigned listener, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	uint64_t hash;

	if (len < MSG_HEADER)
		return 0;
	hash = duplicates_hash(p->duplicates, peer, listener, (uint16_t)(bytes[2] << 8 | bytes[3]));
	duplicates_prefetch(p->duplicates, hash);
	return hash;
}

void receive_datagram(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *to,
	const uint8_t *bytes, size_t len, bool truncated, bool multicast, uint64_t soon)
{
	struct msg_view m;
	struct arrival a = { .p = p, .listener = listener, .peer = peer, .to = to, .m = &m, .truncated = truncated, .hash = soon };
	enum msg_result result = msg_parse_datagram(&m, bytes, len);

	/* Groups are not served: no answer, no Reset (RFC 7252 8.1, 8.2). */
	if (multicast) {
		proxy_count(p, COUNT_MULTICAST_IGNORED);
		return;
	}
	if (truncated)
		proxy_count(p, COUNT_TRUNCATED);
	if (peer->session != 0)
		sessions_heard(p, peer);
	switch (result) {
	case MSG_IGNORE:
		proxy_count(p, COUNT_IGNORED);
		return;
	case MSG_FORMAT_ERROR:
		if (!msg_code_is_response(m.code) || !take_answer(&a, bytes, len))
			reject(&a);
		return;
	case MSG_TOO_MANY_OPTIONS:
		if (soon == 0)
			a.hash = duplicates_hash(p->duplicates, peer, listener, m.mid);
		if (msg_code_is_request(m.code) && m.type <= MSG_NON)
			refuse_at_once(&a, ERR_BAD_REQUEST, msg_option(&m, OPT_OSCORE) != NULL);
		else
			reject(&a);
		return;
	case MSG_OK:
		on_sound(&a);
	}
}

/* ---- clients whose transport is reliable ---- */

bool receive_message(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *to,
	const uint8_t *bytes, size_t len)
{
	struct msg_view m;
	struct arrival a = { .p = p, .listener = listener, .peer = peer, .to = to, .m = &m, .reliable = true };
	enum msg_result result = msg_parse_datagram(&m, bytes, len);

	if (result == MSG_TOO_MANY_OPTIONS && msg_code_is_request(m.code)) {
		refuse_at_once(&a, ERR_BAD_REQUEST, msg_option(&m, OPT_OSCORE) != NULL);
		return true;
	}
	if (result != MSG_OK) {
		proxy_count(p, COUNT_REJECTED);
		return false;
	}
	if (msg_code_is_request(m.code))
		on_request(&a);
	else if (!take_answer(&a, bytes, len))
		proxy_count(p, COUNT_UNEXPECTED_RESPONSES);
	return true;
}

/* ---- sessions ---- */

void receive_session(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *to)
{
	sessions_begin(p, listener, peer, to);
}

/* What is under way goes on, with nobody to answer to (RFC 8323 5.6, 7.4; RFC 8075 8.1 says the same of HTTP). */
static void let_go(struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	struct client *c = client_find(p, listener, peer);

	if (c == NULL)
		return;
	c->gone = true;
	delivery_drop_all(p, c);
	while (c->observations != NULL) {
		struct observation *o = c->observations;

		observe_client_gone(p, o);
		if (c->observations == o)
			observe_end(p, o); /* its request is under way, and ends by itself */
	}
	errands_leave(p, c);
}

void receive_gone(struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	sessions_end(p, peer);
	upstream_lost(p, EDGE_LISTENER_SLOT | listener, peer, ERR_SESSION_ABSENT, true);
	return_paths_client_gone(p, peer);
	let_go(p, listener, peer);
}

void receive_writable(struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	struct client *c = client_find(p, listener, peer);

	/* Each may end, or be slow again. */
	for (struct observation *o = c != NULL ? c->observations : NULL, *next; o != NULL && !edge_client_is_slow(peer); o = next) {
		next = o->next;
		observe_delivered(p, o);
	}
}

/* ---- origins that ask by a return path ---- */

void receive_return(struct proxy *p, unsigned slot, const struct endpoint *peer, const struct local_address *local, const struct route *route,
	const struct msg_view *m)
{
	struct arrival a = { .p = p, .listener = CLIENT_AT_SLOT | slot, .peer = peer, .to = local, .m = m, .route = route,
		.reliable = edge_of(peer)->reliable };

	if (msg_code_is_request(m->code))
		on_request(&a);
	else
		on_empty(&a);
}

void receive_return_gone(struct proxy *p, unsigned slot, const struct endpoint *peer)
{
	let_go(p, CLIENT_AT_SLOT | slot, peer);
}
