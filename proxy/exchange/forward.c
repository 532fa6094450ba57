#include "proxy/exchange/forward.h"

#include <stdio.h>
#include <string.h>

#include "proxy/decide/outgoing.h"
#include "proxy/decide/policy.h"
#include "proxy/decide/target.h"
#include "proxy/exchange/access_log.h"
#include "proxy/exchange/client.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/errand.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/forward_passage.h"
#include "proxy/exchange/group.h"
#include "proxy/exchange/hold_back.h"
#include "proxy/exchange/local.h"
#include "proxy/exchange/observe.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/ports.h"
#include "proxy/exchange/reachability.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/reblock.h"
#include "proxy/exchange/requester.h"
#include "proxy/exchange/respond.h"
#include "proxy/exchange/return_path.h"
#include "proxy/exchange/sessions.h"
#include "proxy/exchange/transmit.h"

enum { OUTER_ROOM = 1200 }; /* what Proxy-Uri and added options can add to a datagram */

/* An initialiser would clear the kilobytes of the target too, for every request; target_read() sets what it uses. */
void passage_begin(struct passage *g, struct proxy *p, struct exchange *x, const struct msg_view *m,
	const struct outer_request *r)
{
	g->p = p;
	g->x = x;
	g->m = m;
	g->r = r;
	g->asks_client = false;
}

void passage_refuse(struct proxy *p, struct exchange *x, enum error e, uint16_t offender)
{
	respond_error(p, x, e, offender);
	exchange_free(p, x);
}

/* ---- the outgoing datagram ---- */

static bool is_own_echo(const struct passage *g)
{
	return g->r->echo != NULL &&
		reachability_check_echo(g->p, &g->x->client->peer, g->r->echo->value, g->r->echo->len);
}

/* Writes the datagram with Message ID 0. Returns its length, or 0 if it does not fit. */
static size_t write_request(struct passage *g, const struct origin_conf *to, uint8_t *bytes, size_t room)
{
	struct exchange *x = g->x;
	uint8_t token[UPSTREAM_TOKEN];
	struct outer_plan plan;
	struct msg_writer w;

	if (client_is_at_slot(x->client) ? outgoing_plan_return(&plan, x->route, g->m, g->r, &x->hop_limit) < 0 :
		outgoing_plan(&plan, x->route, to, g->m, g->r, &g->target, is_own_echo(g), &x->hop_limit) < 0)
		return 0;
	if (x->group)
		group_plan(&plan);
	reblock_plan(&plan, x, g->r, &g->hop);
	exchange_upstream_token(x, token);
	msg_begin(&w, bytes, room, x->confirmable ? MSG_CON : MSG_NON, x->code, 0, token, sizeof token);
	outer_write(&w, g->m, &plan);
	return msg_end(&w);
}

/* ---- finding the origin ---- */

static uint64_t mix_path_and_query(const struct hash_key *k, uint64_t hash, const struct msg_option *options, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct msg_option *o = &options[i];

		if (o->number != OPT_URI_PATH && o->number != OPT_URI_QUERY && o->number != OPT_URI_PATH_ABBREV)
			continue;
		hash = hash_mix(k, hash, &o->number, sizeof o->number);
		hash = hash_mix(k, hash, o->value, o->len);
	}
	return hash;
}

/* Of scheme, authority, path and query of a target. OSCORE hides path and query: what is outside of it may change from message
 * to message, so all that one host has is one resource. */
static uint64_t resource_hash(const struct passage *g)
{
	const struct route_question *q = &g->target.question;
	const uint32_t head[] = { q->scheme, q->port, q->oscore, q->forward };
	const struct msg_option *options = g->target.from_uri ? g->target.options : g->m->options;
	size_t count = g->target.from_uri ? g->target.option_count : g->m->option_count;
	uint64_t hash = hash_mix(&g->p->hash_key, hash_bytes(&g->p->hash_key, head, sizeof head), q->host, q->host_len);

	return q->oscore ? hash : mix_path_and_query(&g->p->hash_key, hash, options, count);
}

/* Of path and query as the origin gets them: one resource of an origin may have several names here. All that OSCORE hides is one. */
static uint64_t resource_of_origin(const struct passage *g, const uint8_t *bytes, size_t len)
{
	struct msg_view m;

	if (g->target.question.oscore || msg_parse_datagram(&m, bytes, len) != MSG_OK)
		return 0;
	return mix_path_and_query(&g->p->hash_key, 0, m.options, m.option_count);
}

/* Of all that a route's conditions and policy look at in a request, and the query. */
static uint64_t target_hash(const struct passage *g)
{
	const struct route_question *q = &g->target.question;
	uint64_t hash = resource_hash(g);

	if (q->oscore)
		return hash;
	hash = hash_mix(&g->p->hash_key, hash, &q->method, sizeof q->method);
	/* A FETCH asks by its payload too (RFC 8132 2.4). */
	return q->method == CODE_FETCH ? hash_mix(&g->p->hash_key, hash, g->m->payload, g->m->payload_len) : hash;
}

enum error forward_to_origin(struct proxy *p, struct exchange *x, const struct endpoint *peer, uint64_t key,
	const struct edge_credentials *c, uint8_t *bytes, size_t len)
{
	struct origin *o = origin_get(p, peer, key);
	enum error e;

	if (o == NULL || origin_introduce(o, c) < 0)
		return ERR_OVERLOAD;
	if (sessions_is_plain(peer))
		o->local = x->local;
	if (!client_may_take(x->client, o->exchanges, p->conf->settings.origin_exchanges))
		return ERR_ORIGIN_LIMIT;
	if (hold_back_active(p, x, o, bytes, len))
		return ERR_ORIGIN_RESTING;
	exchange_set_origin(x, o);
	if (x->return_route != 0 && (e = return_path_take(p, x)) != ERR_NONE)
		return e;
	return transmit_or_wait(p, x, bytes, len, false);
}

static enum uri_scheme scheme_of(const struct passage *g, const struct origin_conf *to)
{
	if (g->asks_client)
		return (enum uri_scheme)g->client.transport;
	return to != NULL ? to->scheme : g->target.question.scheme;
}

enum error passage_check_address(const struct passage *g, const struct origin_conf *to, const struct endpoint *address, bool configured)
{
	const struct policy_own own = { g->p->own_addresses, g->p->own_count };
	const struct policy_target target = { .address = address, .configured = configured,
		.stream = uri_schemes[scheme_of(g, to)].stream, .secured = uri_schemes[scheme_of(g, to)].secure, .oscore = g->x->oscore };

	if (g->asks_client)
		return ERR_NONE; /* no address that somebody chose */
	return policy_check_address(g->x->conf, g->x->route, &target, &own);
}

/* ---- who the origin is ---- */

struct destination {
	char host[URI_HOST_MAX + 1];
	struct edge_credentials credentials;
	struct endpoint peer;
	uint64_t key; /* origin_key() */
};

static void find_destination(const struct passage *g, const struct endpoint *address, const struct origin_conf *to, struct destination *d)
{
	const struct route_question *q = &g->target.question;
	enum uri_scheme scheme = scheme_of(g, to);

	d->host[0] = '\0';
	d->credentials = (struct edge_credentials){ .host = d->host, .identity = g->asks_client ? d->host : g->x->route->origin_identity };
	if (!g->asks_client && edge_traits[scheme].named)
		snprintf(d->host, sizeof d->host, "%.*s", to != NULL ? URI_HOST_MAX : (int)q->host_len, to != NULL ? to->host : q->host);
	d->peer = *address;
	if (!g->asks_client)
		origin_name(g->p, &d->peer, scheme, &d->credentials);
	d->key = origin_key(g->p, &d->peer);
}

bool passage_rests(const struct passage *g, const struct endpoint *address, const struct origin_conf *to)
{
	struct destination d;

	find_destination(g, address, to, &d);
	return origin_rests(g->p, d.key);
}

/* Sends it to the origin's home, which may be this one. */
static enum error pass_home(struct passage *g, const struct destination *d, uint8_t *bytes, size_t len)
{
	unsigned home = origin_home(g->p, &d->peer);

	return home == g->p->house.self ? forward_to_origin(g->p, g->x, &d->peer, d->key, &d->credentials, bytes, len) :
		crossing_request(g->p, g->x, home, &d->peer, &d->credentials, bytes, len);
}

/* ---- origins that take bodies whole ---- */

static bool is_carried(const struct passage *g, const struct origin_conf *to)
{
	return errand_is_carried(g->p, scheme_of(g, to));
}

static uint64_t errand_hash(const struct passage *g)
{
	return errand_key(g->p, g->x->client, g->m, resource_hash(g));
}

/* The message `bytes` becomes an errand. */
static enum error carry(struct passage *g, const struct endpoint *peer, const struct origin_conf *to, const uint8_t *bytes, size_t len)
{
	const struct route_question *q = &g->target.question;
	const struct errand_ask ask = { .m = g->m, .r = g->r, .key = errand_hash(g) };
	struct msg_view m;
	struct errand_request what = { .m = &m, .scheme = scheme_of(g, to), .address = *peer,
		.host = { to != NULL ? to->host : q->host, to != NULL ? strlen(to->host) : q->host_len } };

	if (msg_parse_datagram(&m, bytes, len) != MSG_OK)
		log_fatal("forward: a request of our own cannot be read");
	return errand_begin(g->p, g->x, &ask, &what);
}

/* Nobody observes there; what continues an errand needs no origin any more. Returns whether the request has found its place. */
static bool continue_errand(struct passage *g)
{
	const struct errand_ask ask = { .m = g->m, .r = g->r, .key = errand_hash(g) };

	g->x->observe = OBSERVE_NONE;
	return errand_continue(g->p, g->x, &ask);
}

/* ---- hops that take bodies otherwise ---- */

/* Whether the request belongs to what is under way, or held, in blocks. */
static bool continue_blocks(struct passage *g)
{
	const struct errand_ask ask = { .m = g->m, .r = g->r, .key = errand_hash(g) };

	return errand_is_known(g->p, g->x->client, ask.key) && errand_continue(g->p, g->x, &ask);
}

/* It becomes an errand, if its hop does not take it as it is. Returns whether it has found its place. */
static bool reblock(struct passage *g, const struct endpoint *peer, size_t len)
{
	struct exchange *x = g->x;
	struct errand_ask ask = { .m = g->m, .r = g->r };
	bool gathers = reading_gathers(x, g->r), needed = true;
	enum error e = ERR_NONE;

	if (!gathers && (x->inner || !(g->hop.reliable || client_is_reliable(x->client))))
		return false;
	ask.key = x->body_key = errand_hash(g);
	if (!gathers)
		e = reblock_check(x, g->m, g->r, &g->hop, len, &needed);
	if (e == ERR_NONE && needed)
		e = reblock_begin(g->p, x, &ask, peer);
	if (e != ERR_NONE)
		passage_refuse(g->p, x, e, 0);
	return e != ERR_NONE || needed;
}

/* Whoever can be asked at all is given a way for that, if the route says so: not a client of HTTP, nor somebody who asks back himself. */
static void want_return_path(struct passage *g, const struct origin_conf *to)
{
	struct exchange *x = g->x;
	const struct listener *l;

	if (!x->route->return_path || g->asks_client || x->group)
		return;
	l = snapshot_listener(x->conf, x->client->listener);
	if (l == NULL || (l->scheme != URI_COAP && !edge_is_clients_session(&x->client->peer)))
		return;
	x->return_route = x->route->metrics_slot + 1;
	x->return_to = to != NULL ? hash_bytes(&g->p->hash_key, to->text, strlen(to->text)) : 0;
}

void passage_pass(struct passage *g, const struct endpoint *address, const struct origin_conf *to, bool configured)
{
	struct proxy *p = g->p;
	struct exchange *x = g->x;
	uint8_t bytes[MSG_MAX + OUTER_ROOM];
	enum error e;
	struct destination d;
	size_t len;

	find_destination(g, address, to, &d);
	origin_soon(p, d.key, x->client);
	e = passage_check_address(g, to, address, configured);
	if (e == ERR_NONE && endpoint_is_multicast(address))
		e = edge_traits[scheme_of(g, to)].connects ? ERR_ADDRESS : group_prepare(p, x);
	if (e != ERR_NONE) {
		passage_refuse(p, x, e, 0);
		return;
	}
	g->hop = hop_of(p, &d.peer);
	exchange_take_token(p, x, &d.peer);
	len = write_request(g, to, bytes, sizeof bytes);
	if (len > 0 && is_carried(g, to)) {
		e = carry(g, &d.peer, to, bytes, len);
		if (e != ERR_NONE)
			passage_refuse(p, x, e, 0);
		return;
	}
	if (len > 0 && reblock(g, &d.peer, len))
		return;
	if (len == 0 || len > edge_traits[scheme_of(g, to)].message_max) {
		passage_refuse(p, x, edge_traits[scheme_of(g, to)].message_max == 0 ? ERR_NO_ROUTE_FORWARD : ERR_TOO_LARGE, 0);
		return;
	}
	x->deadline = x->arrived_at + x->patience * CLOCK_MS;
	if (x->block1 != 0 || (x->has_block2 && x->code != CODE_GET))
		x->resource = resource_of_origin(g, bytes, len);
	if (x->observation != NULL) {
		x->observation->target = target_hash(g);
		x->observation->to = to;
	}
	want_return_path(g, to);
	e = pass_home(g, &d, bytes, len);
	if (e != ERR_NONE)
		passage_refuse(p, x, e, 0);
}

/* ---- deciding ---- */

static unsigned listener_index(const struct snapshot *conf, const struct client *c)
{
	return c->listener < CONF_SLOTS_MAX ? conf->listener_of_slot[c->listener] : CONF_NO_LISTENER;
}

/* Where somebody asks from within the process and has no session of his own, he may be a client of HTTP. */
static bool is_bare_http(const struct snapshot *conf, const struct client *c, bool inner)
{
	const struct listener *l = inner && c->peer.session == 0 ? snapshot_listener(conf, c->listener) : NULL;

	return l != NULL && l->scheme == URI_HTTP;
}

struct target_asked forward_asked(const struct snapshot *conf, const struct client *c, const struct endpoint *address, bool inner)
{
	bool in_session = c->peer.session != 0 && !inner && !client_is_at_slot(c);

	return (struct target_asked){ .address = *address, .host = in_session ? edge_client_host(&c->peer) : NULL,
		.identity = in_session ? edge_client_name(&c->peer) : NULL, .http = inner, .bare = is_bare_http(conf, c, inner) };
}

bool passage_read(struct passage *g, const struct endpoint *address, enum error *e)
{
	const struct client *c = g->x->client;
	const struct policy_own own = { g->p->own_addresses, g->p->own_count };
	const struct target_asked asked = forward_asked(g->x->conf, c, address, g->x->inner && !g->x->of_errand);

	*e = target_read(g->m, g->r, &asked, &c->peer, listener_index(g->x->conf, c), &g->target);
	if (*e == ERR_NONE)
		target_recognise_own(&g->target, g->x->conf, &own);
	return *e == ERR_NONE;
}

/* At zero it goes no further (RFC 8768 3). */
static bool is_at_last_hop(const struct passage *g)
{
	return g->r->has_hop_limit && g->r->hop_limit == 1;
}

static enum error decide(struct passage *g, const struct route *found)
{
	struct proxy *p = g->p;
	struct exchange *x = g->x;
	const struct route *route = found != NULL ? found : route_find(x->conf, &g->target.question);
	enum error e;

	if (x->inner && found != NULL && found->to_count > 0)
		g->target.question.forward = false; /* the path of an HTTP request may name all of a target (http_route.c) */
	if (route == NULL)
		return g->target.question.forward ? ERR_NO_ROUTE_FORWARD : ERR_NO_ROUTE;
	exchange_set_route(p, x, route);
	access_log_begin(x, g->m);
	p->cell->routes[route->metrics_slot].requests++;
	x->forward = g->target.question.forward;
	e = client_is_at_slot(x->client) ? policy_check_return(route, &g->target.question) : policy_check_request(route, &g->target.question);
	if (e != ERR_NONE)
		return e;
	/* Of an errand its client's own exchange counts. */
	if (route->exchanges > 0 && !x->of_errand && house_route_exchanges(&p->house, route->metrics_slot) > route->exchanges)
		return ERR_OVERLOAD;
	if (route->client_exchanges > 0 && !x->of_errand && x->client->exchanges > route->client_exchanges)
		return ERR_CLIENT_LIMIT;
	/* A path that is hidden in an abbreviation cannot be judged by a path condition. */
	if (route->path_count > 0 && g->r->path_abbreviated && !client_is_at_slot(x->client))
		return ERR_BAD_OPTION;
	return is_at_last_hop(g) ? ERR_HOP_LIMIT : ERR_NONE;
}

bool passage_continue(struct passage *g)
{
	struct exchange *x = g->x;
	size_t count;
	const struct origin_conf *list = passage_origins(x, x->forward, &count);

	if (!client_is_at_slot(x->client) && is_carried(g, count > 0 ? list : NULL) && continue_errand(g))
		return true;
	return (!x->inner || reading_wants(x)) && x->client->errands > 0 && continue_blocks(g);
}

void passage_go_on(struct passage *g)
{
	struct exchange *x = g->x;

	if (passage_continue(g))
		return;
	if (x->observe == OBSERVE_REGISTER && observe_begin(g->p, x, g->m) != ERR_NONE)
		x->observe = OBSERVE_NONE;
	passage_find_origin(g);
}

void forward_begin(struct proxy *p, struct exchange *x, const struct msg_view *m, const struct outer_request *r,
	const struct endpoint *asked, const struct route *found)
{
	struct passage g;
	enum error e;

	passage_begin(&g, p, x, m, r);
	if (!passage_read(&g, asked, &e)) {
		passage_refuse(p, x, e, 0);
		return;
	}
	x->forward = g.target.question.forward;
	e = decide(&g, found);
	if (e == ERR_NO_ROUTE && local_serve(p, x, m, &g.target)) {
		exchange_free(p, x);
		return;
	}
	if (e != ERR_NONE) {
		passage_refuse(p, x, e, 0);
		return;
	}
	x->confirmable = x->client_type == MSG_CON || x->route->confirmable;
	if (reading_wants(x))
		passage_be_read(&g);
	else
		passage_go_on(&g);
}

/* ---- observations ---- */

bool forward_is_same(struct proxy *p, const struct exchange *x, const struct msg_view *m, const struct outer_request *r,
	const struct endpoint *asked)
{
	struct passage g = { .p = p, .m = m, .r = r };
	const struct client *c = x->client;
	const struct target_asked from = forward_asked(p->conf, c, asked, x->inner);

	return target_read(m, r, &from, &c->peer, listener_index(p->conf, c), &g.target) == ERR_NONE &&
		target_hash(&g) == x->observation->target;
}

void passage_go_again(struct passage *g)
{
	struct proxy *p = g->p;
	struct exchange *x = g->x;
	uint8_t bytes[MSG_MAX + OUTER_ROOM];
	enum error e;
	size_t len;

	x->confirmable = x->client_type == MSG_CON || x->route->confirmable;
	x->deadline = clock_now() + x->route->timeout;
	g->hop = hop_of(p, exchange_origin_peer(x));
	len = write_request(g, x->observation->to, bytes, sizeof bytes);
	if (len == 0 || len > edge_of(exchange_origin_peer(x))->message_max) {
		passage_refuse(p, x, ERR_TOO_LARGE, 0);
		return;
	}
	buffers_drop(p->buffers, &x->request);
	if (x->observe == OBSERVE_REGISTER)
		observe_keep_request(p, x->observation, g->m);
	e = x->crossing != NULL ? crossing_request_again(p, x, bytes, len) : transmit_or_wait(p, x, bytes, len, true);
	if (e != ERR_NONE)
		passage_refuse(p, x, e, 0);
}

void forward_again(struct proxy *p, struct exchange *x, const struct msg_view *m, const struct outer_request *r,
	const struct endpoint *asked)
{
	struct passage g;
	enum error e;

	access_log_begin(x, m);
	passage_begin(&g, p, x, m, r);
	if (!passage_read(&g, asked, &e) || is_at_last_hop(&g)) {
		respond_error(p, x, e == ERR_NONE ? ERR_HOP_LIMIT : e, 0);
		exchange_schedule(p, x);
		return;
	}
	if (reading_wants(x))
		passage_be_read_again(&g);
	else
		passage_go_again(&g);
}
