#include "proxy/exchange/requester.h"

#include "proxy/exchange/client.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/forward.h"
#include "proxy/exchange/observe.h"
#include "proxy/exchange/respond.h"
#include "translate/outer.h"

static void part(struct exchange *x)
{
	x->requester->exchange = NULL;
	x->requester = NULL;
}

static bool goes_on(const struct exchange *x, const struct msg_view *m, enum error e)
{
	return e == ERR_NONE && x->observation != NULL && x->observation->established && msg_option(m, OPT_OBSERVE) != NULL;
}

void requester_tell(struct exchange *x, const uint8_t *bytes, size_t len, enum error e, uint64_t age)
{
	struct requester *r = x->requester;
	struct msg_view m;
	bool lives;

	if (r == NULL)
		return;
	if (msg_parse_datagram(&m, bytes, len) != MSG_OK)
		log_fatal("requester: an answer of our own cannot be read");
	r->hop = exchange_origin_peer(x) != NULL ? hop_of(x->proxy, exchange_origin_peer(x)) : (struct hop){ 0 };
	x->telling = goes_on(x, &m, e);
	lives = x->telling;
	if (!lives)
		part(x);
	/* He may ask anew, or leave, before this returns. */
	if (r->asking) {
		r->asking = false;
		r->from_group = x->group;
		r->answered(r, &m, e);
	} else {
		r->notified(r, &m, e, age);
	}
	if (lives)
		x->telling = false;
}

void requester_forget(struct exchange *x)
{
	if (x->requester->asking && !x->proxy->closing)
		respond_error(x->proxy, x, ERR_INTERNAL, 0);
	if (x->requester != NULL)
		part(x);
}

/* Answers without an exchange: there is no room for one, or the request is not to be looked into. */
static void refuse(struct proxy *p, struct requester *r, const struct request_origin *from, enum error e, uint16_t offender)
{
	struct client c = { .peer = from->peer, .listener = from->listener, .trusted = true };
	struct exchange x = { .proxy = p, .client = &c, .record = DUPLICATES_NONE, .conf = p->conf, .inner = true, .requester = r };

	respond_error(p, &x, e, offender);
}

static void read_wishes(struct exchange *x, const struct outer_request *r, const struct msg_view *m)
{
	x->code = m->code;
	x->client_type = m->type == MSG_NON ? MSG_NON : MSG_CON;
	x->client_acknowledged = true; /* there is nobody to acknowledge to */
	x->request_len = (uint16_t)m->len;
	x->oscore = r->oscore;
	x->observe = r->observe;
	x->has_block2 = r->has_block2;
	x->block2 = r->block2;
	x->block1 = r->has_block1 ? 1 + r->block1.more : 0;
	x->forward = r->forward;
}

/* A listener that is there, or the slot of an origin that asks by a return path. */
static bool is_served(const struct proxy *p, unsigned listener)
{
	return listener & CLIENT_AT_SLOT || snapshot_listener(p->conf, listener) != NULL;
}

/* The exchange of a request that was read, or NULL with the reason. */
static struct exchange *admit(struct proxy *p, struct requester *r, const struct request_origin *from, enum error *e)
{
	struct client *c;
	struct exchange *x;

	*e = p->draining && !from->begun ? ERR_DRAINING : is_served(p, from->listener) ? ERR_NONE : ERR_WITHDRAWN;
	if (*e != ERR_NONE)
		return NULL;
	if (from->listener < CONF_SLOTS_MAX)
		p->listener_used[from->listener] = clock_now();
	c = client_get(p, from->listener, &from->peer);
	if (c == NULL) {
		*e = ERR_OVERLOAD;
		return NULL;
	}
	/* His address was proved by the connection that he came over. */
	if (!from->errand)
		c->trusted = true;
	*e = from->errand ? ERR_NONE : exchange_check_room(p, c);
	x = *e == ERR_NONE ? exchange_new(p, c) : NULL;
	if (x == NULL) {
		*e = *e != ERR_NONE ? *e : ERR_OVERLOAD;
		return NULL;
	}
	x->inner = true;
	x->of_errand = from->errand;
	x->requester = r;
	x->local = from->local;
	r->exchange = x;
	return x;
}

void requester_ask(struct proxy *p, struct requester *r, const struct request_origin *from, const uint8_t *bytes, size_t len)
{
	const struct route *route = from->conf == p->conf ? from->route : r->decide(r, p->conf);
	const struct listener *l = snapshot_listener(p->conf, from->listener);
	struct endpoint asked = { .scope = from->local.ifindex };
	struct outer_request wishes;
	uint16_t offender = 0;
	struct exchange *x;
	struct msg_view m;
	enum error e;

	r->proxy = p;
	r->asking = true;
	r->device = from->device;
	proxy_count(p, COUNT_REQUESTS);
	if (msg_parse_datagram(&m, bytes, len) != MSG_OK || !msg_code_is_request(m.code)) {
		refuse(p, r, from, ERR_BAD_REQUEST, 0);
		return;
	}
	e = outer_read_reliable_request(&m, &wishes, &offender);
	if (wishes.oscore)
		proxy_count(p, COUNT_REQUESTS_OSCORE);
	if (e == ERR_NONE && route == NULL)
		e = ERR_WITHDRAWN;
	x = e == ERR_NONE ? admit(p, r, from, &e) : NULL;
	if (x == NULL) {
		refuse(p, r, from, e, offender);
		return;
	}
	read_wishes(x, &wishes, &m);
	memcpy(asked.addr, from->local.addr, sizeof asked.addr);
	asked.port = l != NULL ? l->address.port : 0;
	asked.transport = from->peer.transport;
	forward_begin(p, x, &m, &wishes, &asked, route);
}

void requester_note_refusal(struct proxy *p, const struct request_origin *from, uint8_t code, bool oscore, enum error e)
{
	struct client c = { .peer = from->peer, .listener = from->listener, .trusted = true };
	struct exchange x = { .proxy = p, .client = &c, .record = DUPLICATES_NONE, .conf = from->conf, .route = from->route,
		.code = code, .oscore = oscore, .inner = true };

	/* Nobody listens: nothing is told, all else is as ever. */
	respond_error(p, &x, e, 0);
}

static bool was_sent(const struct exchange *x)
{
	if (x->state == EXCHANGE_CROSSED)
		return crossing_was_sent(x);
	return x->state != EXCHANGE_RESOLVING && x->state != EXCHANGE_READING && x->state != EXCHANGE_WAITING;
}

void requester_leave(struct requester *r)
{
	struct exchange *x = r->exchange;

	r->asking = false;
	if (x == NULL)
		return;
	part(x);
	/* Out of a call of requester_tell(): who made that sees to the rest (upstream.c, observe.c). */
	if (x->telling)
		return;
	if (x->state == EXCHANGE_OBSERVING && x->observation != NULL)
		observe_client_gone(r->proxy, x->observation);
	else if (!was_sent(x))
		exchange_free(r->proxy, x);
}
