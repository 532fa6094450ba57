/*
 * forward_find - where a request goes: the origins of its route, or the target that it names, and their addresses.
 */
#include <string.h>

#include "proxy/exchange/client.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/forward_passage.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/requester.h"
#include "proxy/exchange/return_path.h"
#include "proxy/exchange/sessions.h"

const struct origin_conf *passage_origins(const struct exchange *x, bool forward, size_t *count)
{
	*count = forward ? x->route->via != NULL : x->route->to_count;
	return forward ? x->route->via : x->route->to;
}

static void on_resolved(struct resolve_waiter *w, enum resolve_result result, const struct endpoint *addresses, size_t count);

/* Of a name's addresses the first that the route allows and the kernel knows a way to; else the first, whose error is then
 * the answer. */
static struct endpoint pick_address(const struct passage *g, const struct origin_conf *to, const struct endpoint *addresses, size_t count)
{
	for (size_t i = 0; i < count && count > 1; i++)
		if (edge_has_route(&addresses[i]) && passage_check_address(g, to, &addresses[i], false) == ERR_NONE)
			return addresses[i];
	return addresses[0];
}

/* Of x, made if it has none; NULL without memory. */
static struct lookup *lookup_of(struct proxy *p, struct exchange *x)
{
	uint32_t index;

	if (x->lookup != NULL)
		return x->lookup;
	x->lookup = slab_new(p->lookups, &index);
	if (x->lookup == NULL)
		return NULL;
	x->lookup->index = index;
	x->lookup->exchange = x;
	x->lookup->proxy = p;
	x->lookup->waiter.done = on_resolved;
	return x->lookup;
}

/* The request will be needed again. Returns 0, or -1 without memory. */
static int keep_message(const struct passage *g)
{
	struct buffer *message = &g->x->lookup->message;

	return message->bytes != NULL ? 0 : buffers_keep(g->p->buffers, message, g->m->bytes, g->m->len);
}

/* Asks for the name of an origin, or of the target (to NULL). RESOLVE_OK sets *address. For RESOLVE_PENDING the message is kept. */
static enum resolve_result ask_name(struct passage *g, const struct origin_conf *to, struct endpoint *address)
{
	const struct route_question *q = &g->target.question;
	uint16_t port = to != NULL ? to->port : q->port;
	struct proxy *p = g->p;
	struct exchange *x = g->x;
	struct endpoint found[RESOLVE_ADDRESSES_MAX];
	enum resolve_result result;
	size_t count = 0;

	if (p->resolver == NULL)
		return RESOLVE_FAILED;
	if (lookup_of(p, x) == NULL)
		return RESOLVE_FULL;
	x->lookup->port = port;
	result = resolve_name(p->resolver, to != NULL ? to->host : q->host, to != NULL ? strlen(to->host) : q->host_len, found, &count,
		&x->lookup->waiter);
	if (result == RESOLVE_OK && count > 0) {
		*address = pick_address(g, to, found, count);
		address->port = port;
	} else if (result == RESOLVE_PENDING && keep_message(g) < 0) {
		resolve_cancel(&x->lookup->waiter);
		return RESOLVE_FULL;
	}
	if (result == RESOLVE_PENDING) {
		/* The name server's silence ends on our own clock too. */
		x->deadline = clock_now() + x->conf->settings.dns_timeout;
		exchange_schedule(p, x);
	}
	return result;
}

static enum error resolve_error(enum resolve_result result)
{
	return result == RESOLVE_FULL ? ERR_OVERLOAD : ERR_NAME;
}

/* ---- sessions ---- */

static void pass_to_client(struct passage *g, const struct endpoint *client, const struct origin_conf *to)
{
	g->asks_client = true;
	g->client = *client;
	passage_pass(g, &g->client, to, true);
}

/* A search for sessions among the origins of a route. */
struct session_search {
	struct session_name wanted; /* of the one that is absent; hash[0] 0: of several */
	bool absent;
	uint32_t changed;           /* as sessions_find() said first */
};

/* "*" stands for the host of the request. */
static struct session_name name_of(const struct passage *g, const struct origin_conf *to)
{
	const struct route_question *q = &g->target.question;
	bool by_host = strcmp(to->host, "*") == 0;

	return house_session_name(&g->p->house, by_host ? q->host : to->host, by_host ? q->host_len : strlen(to->host));
}

static bool find_session(const struct passage *g, const struct origin_conf *to, struct session_search *s, struct endpoint *peer)
{
	struct session_name name = name_of(g, to);
	uint32_t changed;

	if (sessions_find(g->p, &name, peer, &changed))
		return true;
	if (!s->absent)
		s->changed = changed;
	s->wanted = s->absent ? (struct session_name){ { 0, 0 } } : name;
	s->absent = true;
	return false;
}

/* Until one of the sessions begins, or the route's patience is over. Returns false if that is now. */
static bool wait_for_session(struct passage *g, const struct session_search *s, size_t first)
{
	struct exchange *x = g->x;
	uint64_t until = x->arrived_at + x->route->wait_for_session;

	if (until <= clock_now() || lookup_of(g->p, x) == NULL || keep_message(g) < 0 ||
		sessions_wait(g->p, x->lookup, s->changed) < 0)
		return false;
	x->lookup->wanted = s->wanted;
	x->lookup->first_origin = (uint8_t)first;
	x->deadline = until;
	exchange_schedule(g->p, x);
	return true;
}

/* Tries the configured origins from `from` on; those that rest after a failure are passed over. */
static void try_origins(struct passage *g, size_t from)
{
	struct exchange *x = g->x;
	enum resolve_result result = RESOLVE_FAILED;
	struct endpoint address;
	struct session_search search = { .absent = false };
	bool resting = false;
	size_t count, first = x->lookup != NULL ? x->lookup->first_origin : 0;
	const struct origin_conf *list = passage_origins(x, g->target.question.forward, &count);

	if (x->lookup == NULL && x->route->choice == ORIGINS_HASH)
		first = x->client->hash % count;
	for (size_t i = from; i < count; i++) {
		const struct origin_conf *to = &list[(first + i) % count];

		if (to->session && !find_session(g, to, &search, &address))
			continue;
		if (to->session) {
			exchange_end_lookup(g->p, x);
			pass_to_client(g, &address, to);
			return;
		}
		if (to->literal && count > 1 && passage_rests(g, &to->address, to)) {
			resting = true;
			continue;
		}
		if (to->literal) {
			exchange_end_lookup(g->p, x);
			passage_pass(g, &to->address, to, true);
			return;
		}
		result = ask_name(g, to, &address);
		if (x->lookup != NULL) {
			x->lookup->first_origin = (uint8_t)first;
			x->lookup->next_origin = (uint8_t)(i + 1);
		}
		if (result == RESOLVE_PENDING)
			return;
		if (result != RESOLVE_OK)
			continue;
		if (count > 1 && passage_rests(g, &address, to)) {
			resting = true;
			continue;
		}
		exchange_end_lookup(g->p, x);
		passage_pass(g, &address, to, false);
		return;
	}
	if (search.absent && wait_for_session(g, &search, first))
		return;
	passage_refuse(g->p, x, search.absent ? ERR_SESSION_ABSENT : resting ? ERR_ORIGIN_RESTING : resolve_error(result), 0);
}

void passage_find_origin(struct passage *g)
{
	const struct route_question *q = &g->target.question;
	struct exchange *x = g->x;
	const struct endpoint *member = x->requester != NULL ? x->requester->device : NULL;
	enum resolve_result result;
	struct endpoint address;
	size_t count;
	const struct origin_conf *list = passage_origins(x, q->forward, &count);

	if (client_is_at_slot(x->client)) {
		member = return_path_client(g->p, x->client);
		if (member != NULL)
			pass_to_client(g, member, NULL);
		else
			passage_refuse(g->p, x, ERR_SESSION_ABSENT, 0);
		return;
	}
	if (member != NULL && edge_is_clients_session(member))
		pass_to_client(g, member, NULL);
	else if (member != NULL)
		passage_pass(g, member, count > 0 ? list : NULL, count > 0 && list->literal);
	else if (count > 0)
		try_origins(g, 0);
	else if (q->host_is_literal)
		passage_pass(g, &q->literal, NULL, false);
	else if ((result = ask_name(g, NULL, &address)) == RESOLVE_OK) {
		exchange_end_lookup(g->p, x);
		passage_pass(g, &address, NULL, false);
	} else if (result != RESOLVE_PENDING)
		passage_refuse(g->p, x, resolve_error(result), 0);
}

bool passage_again(struct passage *g, struct proxy *p, struct exchange *x, const struct buffer *message, struct msg_view *m,
	struct outer_request *r)
{
	const struct listener *l = snapshot_listener(x->conf, x->client->listener);
	struct endpoint asked = { .port = l != NULL ? l->address.port : 0, .transport = x->client->peer.transport, .scope = x->local.ifindex };
	uint16_t offender;
	enum error e;

	passage_begin(g, p, x, m, r);
	memcpy(asked.addr, x->local.addr, sizeof asked.addr);
	if (msg_parse_datagram(m, message->bytes, message->len) != MSG_OK || outer_read_reliable_request(m, r, &offender) != ERR_NONE ||
		!passage_read(g, &asked, &e))
		return false;
	g->target.question.forward = x->forward; /* as was decided */
	return true;
}

/* The request of a look-up again, from the message that was kept for it. */
struct kept_request {
	struct passage g;
	struct outer_request r;
	struct msg_view m;
	struct buffer message; /* borrowed by the others; for the caller of take_up() to drop */
};

/* Returns false if it cannot be read: it is refused then. */
static bool take_up(struct kept_request *k, struct lookup *l)
{
	struct exchange *x = l->exchange;
	struct proxy *p = l->proxy;

	k->message = l->message;
	l->message = (struct buffer){ 0 };
	if (passage_again(&k->g, p, x, &k->message, &k->m, &k->r))
		return true;
	passage_refuse(p, x, ERR_INTERNAL, 0);
	buffers_drop(p->buffers, &k->message);
	return false;
}

static void on_resolved(struct resolve_waiter *w, enum resolve_result result, const struct endpoint *addresses, size_t count)
{
	struct lookup *l = wheel_owner(w, struct lookup, waiter);
	struct exchange *x = l->exchange;
	struct proxy *p = l->proxy;
	struct kept_request k;
	struct endpoint address;
	const struct origin_conf *list, *to = NULL;
	size_t origin_count;

	if (!take_up(&k, l))
		return;
	list = passage_origins(x, x->forward, &origin_count);
	if (origin_count > 0)
		to = &list[(l->first_origin + l->next_origin - 1u) % origin_count];
	if (result == RESOLVE_OK && count > 0) {
		address = pick_address(&k.g, to, addresses, count);
		address.port = l->port;
	}
	if (result == RESOLVE_OK && count > 0 && (origin_count < 2 || !passage_rests(&k.g, &address, to))) {
		exchange_end_lookup(p, x);
		passage_pass(&k.g, &address, to, false);
	} else if (origin_count > 0) {
		try_origins(&k.g, l->next_origin);
	} else {
		passage_refuse(p, x, resolve_error(result), 0);
	}
	buffers_drop(p->buffers, &k.message);
}

void forward_session_came(struct lookup *l)
{
	struct proxy *p = l->proxy;
	struct kept_request k;

	if (!take_up(&k, l))
		return;
	try_origins(&k.g, 0);
	buffers_drop(p->buffers, &k.message);
}
