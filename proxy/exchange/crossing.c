#include "proxy/exchange/crossing.h"

#include <string.h>

#include "proxy/exchange/client.h"
#include "proxy/exchange/crossing_wire.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/forward.h"
#include "proxy/exchange/hop.h"
#include "proxy/exchange/observe.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/reachability.h"
#include "proxy/exchange/requester.h"
#include "proxy/exchange/respond.h"
#include "proxy/exchange/return_path.h"
#include "proxy/exchange/transmit.h"
#include "proxy/exchange/upstream.h"

/* A home that neither answers nor dies is ended by the parent long before this. */
#define HOME_SLACK (30 * CLOCK_SECOND)

enum { RECORDS_A_TURN = 1024 /* from one worker, so that it does not starve the sockets */ };

/* ---- finding halves ---- */

/* The client's half that a record of its home means, or NULL if it has ended. */
static struct exchange *client_half(struct proxy *p, unsigned from, const struct crossing_record *r)
{
	struct exchange *x = slab_get(p->exchanges, r->index);

	if (x == NULL || x->crossing == NULL || !x->crossing->homeward || x->crossing->worker != from ||
		x->crossing->incarnation != r->from || memcmp(x->salt, r->salt, sizeof x->salt) != 0)
		return NULL;
	return x;
}

static uint32_t *half_of(struct proxy *p, unsigned from, uint32_t index)
{
	return &p->crossings->peers[from].halves[index];
}

/* The origin's half that a record of the client's worker means. */
static struct exchange *origin_half(struct proxy *p, unsigned from, const struct crossing_record *r)
{
	struct exchange *x;

	if (r->index >= HOUSE_SENT)
		return NULL;
	x = slab_get(p->exchanges, *half_of(p, from, r->index) - 1);
	if (x == NULL || x->crossing == NULL || x->crossing->incarnation != r->from ||
		memcmp(x->crossing->salt, r->salt, sizeof r->salt) != 0)
		return NULL;
	return x;
}

/* ---- sending ---- */

static struct crossing_record record_of(const struct proxy *p, const struct exchange *x, enum crossing_kind kind)
{
	const struct crossing *c = x->crossing;
	struct crossing_record r = { .kind = (uint8_t)kind, .from = p->crossings->incarnation, .to = c->incarnation, .index = c->index,
		.retransmissions = x->retransmissions, .retry_after = x->retry_after, .sent_at = x->sent_at };

	memcpy(r.salt, c->salt, sizeof r.salt);
	return r;
}

static void tell(struct proxy *p, const struct exchange *x, struct crossing_record *r, const uint8_t *bytes, size_t len)
{
	crossing_forget_newest(x->crossing); /* what comes later stays behind this */
	crossing_put(p, x->crossing->worker, r, bytes, len);
}

static struct crossing *crossing_new(struct proxy *p, unsigned worker, uint32_t incarnation)
{
	uint32_t index;
	struct crossing *c = slab_new(p->crossings->slab, &index);

	if (c == NULL)
		return NULL;
	c->own_index = index;
	c->worker = (uint16_t)worker;
	c->incarnation = incarnation;
	return c;
}

static struct crossing_request request_of(const struct proxy *p, const struct exchange *x)
{
	struct crossing_request q = { .record = record_of(p, x, CROSSING_REQUEST), .client = x->client->peer,
		.origin = x->crossing->origin, .listener = (uint16_t)x->client->listener, .client_hash = x->client->hash,
		.verified = reachability_is_verified(x->client), .code = x->code, .observe = x->observe, .no_response = x->no_response,
		.oscore = x->oscore, .confirmable = x->confirmable, .has_block2 = x->has_block2, .block1 = (uint8_t)x->block1,
		.resource = x->resource, .arrived_at = x->arrived_at, .deadline = x->deadline, .patience = x->patience,
		.patience_acknowledged = x->patience_acknowledged, .rest = x->rest, .patience_in_all = x->patience_in_all,
		.return_route = x->return_route, .return_to = x->return_to, .local = x->local };

	return q;
}

/* What a home may take longer than its own timers: it is the one to say that the origin was silent. */
static void wait_for_home(struct proxy *p, struct exchange *x)
{
	exchange_set_state(x, EXCHANGE_CROSSED);
	x->deadline += (x->patience_in_all > 0 ? x->patience_in_all : x->patience_acknowledged) * CLOCK_MS + HOME_SLACK;
	exchange_schedule(p, x);
}

enum error crossing_request(struct proxy *p, struct exchange *x, unsigned home, const struct endpoint *origin,
	const struct edge_credentials *c, const uint8_t *bytes, size_t len)
{
	char texts[CROSSING_TEXTS_MAX];
	int texts_len = crossing_write_texts(origin, c, texts);
	struct crossing_request q;

	if (x->index >= HOUSE_SENT || texts_len < 0)
		return ERR_OVERLOAD;
	x->crossing = crossing_new(p, home, house_incarnation(&p->house, home));
	if (x->crossing == NULL)
		return ERR_OVERLOAD;
	x->crossing->homeward = true;
	x->crossing->index = x->index;
	x->crossing->origin = *origin;
	memcpy(x->crossing->salt, x->salt, sizeof x->salt);
	atomic_store_explicit(&p->cell->sent[x->index], 0, memory_order_relaxed);
	q = request_of(p, x);
	q.texts_len = (uint16_t)texts_len;
	if (crossing_put_request(p, home, &q, texts, bytes, len) < 0) {
		x->crossing->ended = true;
		return ERR_OVERLOAD;
	}
	proxy_count(p, COUNT_CROSSED);
	wait_for_home(p, x);
	return ERR_NONE;
}

enum error crossing_request_again(struct proxy *p, struct exchange *x, const uint8_t *bytes, size_t len)
{
	struct crossing_request q = request_of(p, x);

	q.record.kind = CROSSING_AGAIN;
	atomic_store_explicit(&p->cell->sent[x->index], 0, memory_order_relaxed);
	if (crossing_put_request(p, x->crossing->worker, &q, NULL, bytes, len) < 0)
		return ERR_OVERLOAD;
	proxy_count(p, COUNT_CROSSED);
	wait_for_home(p, x);
	return ERR_NONE;
}

void crossing_acknowledge(struct proxy *p, struct exchange *x, uint16_t mid)
{
	struct crossing_record r;

	if (x->crossing == NULL || x->crossing->ended)
		return;
	r = record_of(p, x, CROSSING_ACKNOWLEDGE);
	r.mid = mid;
	tell(p, x, &r, NULL, 0);
}

void crossing_tell_answer(struct proxy *p, struct exchange *x, const struct msg_view *m, const struct endpoint *responder, bool last)
{
	struct crossing_record r = record_of(p, x, CROSSING_ANSWER);
	uint8_t bytes[sizeof *responder + MSG_DATAGRAM_MAX];

	if (x->crossing->ended)
		return;
	r.last = last;
	x->crossing->ended = last;
	if (responder == NULL) {
		tell(p, x, &r, m->bytes, m->len);
		return;
	}
	r.offender = sizeof *responder;
	memcpy(bytes, responder, sizeof *responder);
	memcpy(bytes + sizeof *responder, m->bytes, m->len);
	tell(p, x, &r, bytes, sizeof *responder + m->len);
}

void crossing_tell_notification(struct proxy *p, struct exchange *x, const struct msg_view *m, bool last)
{
	struct crossing_record r = record_of(p, x, CROSSING_NOTIFICATION);

	if (x->crossing->ended)
		return;
	r.last = last;
	x->crossing->ended = last;
	if (last)
		tell(p, x, &r, m->bytes, m->len);
	else
		crossing_put_notification(p, x, &r, m->bytes, m->len);
}

void crossing_tell_error(struct proxy *p, struct exchange *x, enum error e, uint16_t offender)
{
	struct crossing_record r = record_of(p, x, CROSSING_ERROR);

	if (x->crossing->ended)
		return;
	r.error = (uint16_t)e;
	r.offender = offender;
	x->crossing->ended = true;
	tell(p, x, &r, NULL, 0);
}

void crossing_note_sent(struct proxy *p, struct exchange *x)
{
	struct house_cell *cell = &p->house.cells[x->crossing->worker];

	/* Before the datagram: it leaves at the end of the turn. */
	atomic_store_explicit(&cell->sent[x->crossing->index], 1, memory_order_release);
}

bool crossing_was_sent(const struct exchange *x)
{
	return atomic_load_explicit(&x->proxy->cell->sent[x->index], memory_order_acquire) != 0;
}

void crossing_end(struct proxy *p, struct exchange *x)
{
	struct crossing *c = x->crossing;

	if (!c->homeward && *half_of(p, c->worker, c->index) == x->index + 1)
		*half_of(p, c->worker, c->index) = 0;
	if (!c->ended && !p->closing) {
		struct crossing_record r = record_of(p, x, c->homeward ? CROSSING_CANCEL : CROSSING_DONE);

		r.last = c->tell_origin;
		tell(p, x, &r, NULL, 0);
	}
	crossing_forget_newest(c);
	slab_free(p->crossings->slab, c->own_index);
	x->crossing = NULL;
}

/* ---- the origin's half: what its client's worker sends ---- */

/* Nobody listens any more. `tell`: of a plain observation the origin is told so. Everything else is forgotten: what the origin still says
 * is reset. */
static void let_go(struct proxy *p, struct exchange *x, bool tell)
{
	struct observation *o = x->observation;

	x->crossing->ended = true;
	if (x->client == NULL)
		return; /* it is telling the origin already */
	if (tell && o != NULL && o->established && x->state == EXCHANGE_OBSERVING)
		observe_client_gone(p, o);
	else
		exchange_free(p, x);
}

static struct exchange *stand_in_for(struct proxy *p, unsigned from, const struct crossing_request *q)
{
	struct client *c = client_get(p, client_stand_in_listener(from, q->listener), &q->client);
	struct exchange *x;

	if (c == NULL)
		return NULL;
	c->hash = q->client_hash;
	c->trusted = q->verified != 0;
	x = exchange_new(p, c);
	if (x == NULL)
		return NULL;
	x->crossing = crossing_new(p, from, q->record.from);
	if (x->crossing == NULL) {
		exchange_free(p, x);
		return NULL;
	}
	x->crossing->index = q->record.index;
	memcpy(x->crossing->salt, q->record.salt, sizeof q->record.salt);
	*half_of(p, from, q->record.index) = x->index + 1;
	return x;
}

static void fill(struct exchange *x, const struct crossing_request *q)
{
	x->client_type = MSG_NON; /* whatever it was: this half acknowledges nothing */
	x->code = q->code;
	x->observe = q->observe;
	x->no_response = q->no_response;
	x->oscore = q->oscore != 0;
	x->confirmable = q->confirmable != 0;
	x->has_block2 = q->has_block2 != 0;
	x->block1 = q->block1;
	x->resource = q->resource;
	x->arrived_at = q->arrived_at;
	x->deadline = q->deadline;
	x->patience = q->patience;
	x->patience_acknowledged = q->patience_acknowledged;
	x->rest = q->rest;
	x->patience_in_all = q->patience_in_all;
	x->return_route = q->return_route;
	x->return_to = q->return_to;
	x->local = q->local;
}

/* The client's worker does not know the token. */
static void write_token(const struct exchange *x, uint8_t *bytes)
{
	exchange_upstream_token(x, bytes + MSG_HEADER);
}

static void refuse_request(struct proxy *p, unsigned from, const struct crossing_request *q)
{
	struct crossing_record r = q->record;

	r.kind = CROSSING_ERROR;
	r.from = p->crossings->incarnation;
	r.to = q->record.from;
	r.error = ERR_OVERLOAD;
	crossing_put(p, from, &r, NULL, 0);
}

static void on_request(struct proxy *p, unsigned from, const struct crossing_request *q, uint8_t *bytes, size_t len)
{
	struct edge_credentials c;
	struct exchange *x;
	enum error e = ERR_NONE;

	if (q->record.index >= HOUSE_SENT || (q->listener >= CONF_SLOTS_MAX && !(q->listener & CLIENT_AT_SLOT)) || q->origin.transport >= URI_SCHEME_COUNT ||
		q->client.transport >= URI_SCHEME_COUNT || len < q->texts_len + (size_t)MSG_HEADER + UPSTREAM_TOKEN ||
		!crossing_read_texts(bytes, q->texts_len, &c))
		return;
	bytes += q->texts_len;
	len -= q->texts_len;
	x = slab_get(p->exchanges, *half_of(p, from, q->record.index) - 1);
	if (x != NULL && x->crossing != NULL)
		let_go(p, x, true); /* of an incarnation that died */
	*half_of(p, from, q->record.index) = 0;
	x = stand_in_for(p, from, q);
	if (x == NULL) {
		refuse_request(p, from, q);
		return;
	}
	fill(x, q);
	exchange_take_token(p, x, &q->origin);
	write_token(x, bytes);
	if (x->observe == OBSERVE_REGISTER)
		e = observe_begin(p, x, NULL);
	if (e == ERR_NONE)
		e = forward_to_origin(p, x, &q->origin, origin_key(p, &q->origin), &c, bytes, len);
	if (e == ERR_NONE)
		return;
	crossing_tell_error(p, x, e, 0);
	exchange_free(p, x);
}

static void on_request_again(struct proxy *p, unsigned from, const struct crossing_request *q, uint8_t *bytes, size_t len)
{
	struct exchange *x = origin_half(p, from, &q->record);
	enum error e;

	/* Where it has ended meanwhile, its last words are on their way. */
	if (x == NULL || x->state != EXCHANGE_OBSERVING || len < MSG_HEADER + UPSTREAM_TOKEN)
		return;
	fill(x, q);
	write_token(x, bytes);
	buffers_drop(p->buffers, &x->request);
	e = transmit_or_wait(p, x, bytes, len, true);
	if (e == ERR_NONE)
		return;
	crossing_tell_error(p, x, e, 0);
	exchange_free(p, x);
}

/* ---- the client's half: what the home sends ---- */

static void note(struct exchange *x, const struct crossing_record *r)
{
	x->crossing->ended = x->crossing->ended || r->last;
	x->crossing->retransmissions = r->retransmissions;
	x->crossing->sent_at = r->sent_at;
	x->retry_after = r->retry_after;
}

static void on_answer(struct proxy *p, struct exchange *x, const struct crossing_record *r, const struct msg_view *m)
{
	note(x, r);
	/* Its home has ended where this half would go on observing: a limit or a loss on the way. */
	if (x->state == EXCHANGE_CROSSED && upstream_pass_answer(p, x, m) && r->last)
		exchange_free(p, x);
}

static void on_notification(struct proxy *p, struct exchange *x, const struct crossing_record *r, const struct msg_view *m)
{
	/* A newer registration took the observation's place: the last word about it answers what is still under way. */
	if ((x->observation == NULL || !x->observation->established) && r->last) {
		on_answer(p, x, r, m);
		return;
	}
	note(x, r);
	if (x->observation != NULL && x->observation->established)
		observe_deliver(p, x, m);
}

static void on_error(struct proxy *p, struct exchange *x, const struct crossing_record *r)
{
	note(x, r);
	x->crossing->ended = true;
	if (r->error == ERR_TOO_LARGE)
		x->size_limit = hop_of(p, &x->crossing->origin).limit; /* which its home has just learned */
	respond_error(p, x, r->error < ERR_COUNT ? (enum error)r->error : ERR_INTERNAL, r->offender);
	exchange_free(p, x);
}

/* No answer was wanted (RFC 7967). */
static void on_done(struct proxy *p, struct exchange *x, const struct crossing_record *r)
{
	note(x, r);
	x->crossing->ended = true;
	respond_acknowledge(p, x);
	exchange_free(p, x);
}

/* Who of a group it was. Returns how many bytes say so. */
static size_t take_responder(struct exchange *x, const struct crossing_record *r, const uint8_t *bytes, size_t len)
{
	if (r->kind != CROSSING_ANSWER || r->offender != sizeof x->requester->responder || len < r->offender)
		return 0;
	if (x->requester != NULL)
		memcpy(&x->requester->responder, bytes, r->offender);
	return r->offender;
}

static void on_word_of_home(struct proxy *p, unsigned from, const struct crossing_record *r, const uint8_t *bytes, size_t len)
{
	struct exchange *x = client_half(p, from, r);
	struct msg_view m;
	size_t taken;

	if (x == NULL)
		return;
	taken = take_responder(x, r, bytes, len);
	bytes += taken;
	len -= taken;
	if (r->kind == CROSSING_ERROR)
		on_error(p, x, r);
	else if (r->kind == CROSSING_DONE)
		on_done(p, x, r);
	else if (msg_parse_datagram(&m, bytes, len) != MSG_OK || !msg_code_is_response(m.code))
		proxy_count(p, COUNT_CROSSING_BROKEN);
	else if (r->kind == CROSSING_ANSWER)
		on_answer(p, x, r, &m);
	else
		on_notification(p, x, r, &m);
}

static void on_word_of_client(struct proxy *p, unsigned from, const struct crossing_record *r)
{
	struct exchange *x = origin_half(p, from, r);

	if (x == NULL)
		return;
	if (r->kind == CROSSING_CANCEL)
		let_go(p, x, r->last);
	else if (x->client != NULL)
		upstream_acknowledge_id(x, r->mid);
}

/* ---- the life of workers ---- */

/* The home of x died with it. */
static void complete(struct proxy *p, struct exchange *x)
{
	bool sent = x->state != EXCHANGE_READING && crossing_was_sent(x);
	struct observation *o = x->observation;

	x->crossing->ended = true;
	if (x->state == EXCHANGE_OBSERVING && o != NULL) {
		observe_withdraw(p, o, ERR_LOST_UNSENT);
		return;
	}
	respond_error(p, x, sent ? ERR_LOST_SENT : ERR_LOST_UNSENT, 0);
	exchange_free(p, x);
}

struct death {
	struct proxy *p;
	unsigned worker;
	uint32_t incarnation; /* the one that lives */
};

static void settle_one(void *object, uint32_t index, void *arg)
{
	const struct death *d = arg;
	struct exchange *x = object;
	const struct crossing *c = x->crossing;

	(void)index;
	if (c == NULL || c->worker != d->worker || c->incarnation == d->incarnation)
		return;
	if (c->homeward)
		complete(d->p, x);
	else if (!c->ended)
		let_go(d->p, x, true);
}

static void pump_one(void *object, uint32_t index, void *arg)
{
	(void)index;
	transmit_pump(arg, object);
}

/* Places in windows that become free are given away when all the dead one's exchanges are gone. */
static void settle(struct proxy *p, unsigned from, uint32_t living)
{
	struct death d = { p, from, living };

	p->pumping = true;
	slab_each(p->exchanges, settle_one, &d);
	return_paths_worker_died(p, from);
	p->pumping = false;
	slab_each(p->origins, pump_one, p);
}

/* ---- once a turn ---- */

static void dispatch(struct proxy *p, unsigned from, uint8_t *bytes, size_t len)
{
	struct crossing_request q;

	if (len < sizeof q.record)
		goto broken;
	memcpy(&q.record, bytes, sizeof q.record);
	if (q.record.to != p->crossings->incarnation)
		return; /* for one that died */
	switch (q.record.kind) {
	case CROSSING_REQUEST:
	case CROSSING_AGAIN:
		if (len < sizeof q)
			goto broken;
		memcpy(&q, bytes, sizeof q);
		if (q.record.from != house_incarnation(&p->house, from))
			return; /* nobody waits for it any more */
		if (q.record.kind == CROSSING_REQUEST)
			on_request(p, from, &q, bytes + sizeof q, len - sizeof q);
		else
			on_request_again(p, from, &q, bytes + sizeof q, len - sizeof q);
		return;
	case CROSSING_CANCEL:
	case CROSSING_ACKNOWLEDGE:
		on_word_of_client(p, from, &q.record);
		return;
	case CROSSING_ANSWER:
	case CROSSING_NOTIFICATION:
	case CROSSING_ERROR:
	case CROSSING_DONE:
		on_word_of_home(p, from, &q.record, bytes + sizeof q.record, len - sizeof q.record);
		return;
	case CROSSING_SUPERSEDED:
	case CROSSING_GONE:
		if (crossing_take_news(p, q.record.kind, bytes + sizeof q.record, len - sizeof q.record))
			return;
	}
broken:
	proxy_count(p, COUNT_CROSSING_BROKEN);
}

static bool receive_from(struct proxy *p, unsigned from)
{
	static uint8_t record[CROSSING_RECORD_MAX];
	struct crossing_peer *peer = &p->crossings->peers[from];
	uint32_t living = house_incarnation(&p->house, from);
	/* All that a worker can have left behind, but no more, if it is one that died. */
	uint32_t most = living == peer->incarnation ? RECORDS_A_TURN : p->house.ring_capacity / sizeof(struct crossing_record), taken = 0;

	while (taken < most) {
		int32_t len = ring_take(&peer->in, record, sizeof record);

		if (len == 0)
			break;
		if (len > 0)
			dispatch(p, from, record, (size_t)len);
		else
			proxy_count(p, COUNT_CROSSING_BROKEN);
		taken++;
	}
	if (taken > 0)
		ring_release(&peer->in);
	/* What it said before it died was heard; the rest of what it owed is ours. */
	if (living != peer->incarnation) {
		peer->incarnation = living;
		settle(p, from, living);
		taken++;
	}
	return taken > 0;
}

bool crossing_receive(struct proxy *p)
{
	bool any = false;

	for (unsigned w = 0; p->crossings != NULL && w < p->house.count; w++)
		if (w != p->house.self)
			any = receive_from(p, w) || any;
	return any;
}
