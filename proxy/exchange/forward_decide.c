/* An observation under a new configuration: whether it would begin now as it did (forward_decide_again()). */
#include <string.h>

#include "proxy/decide/policy.h"
#include "proxy/decide/target.h"
#include "proxy/exchange/client.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/forward.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/requester.h"
#include "proxy/exchange/return_path.h"
#include "translate/outer.h"

static bool is_same_origin(const struct origin_conf *a, const struct origin_conf *b)
{
	return a->session == b->session && a->scheme == b->scheme && a->port == b->port && a->literal == b->literal && strcmp(a->host, b->host) == 0;
}

/* Of the origins that the route has for the request of x the one that it has now; NULL if there is none. */
static const struct origin_conf *same_origin(const struct exchange *x, const struct route *route, bool forward)
{
	const struct origin_conf *list = forward ? route->via : route->to, *was = x->observation->to;
	size_t count = forward ? route->via != NULL : route->to_count;

	for (size_t i = 0; i < count; i++)
		if (was != NULL && is_same_origin(&list[i], was))
			return &list[i];
	return NULL;
}

static enum error judge_again(struct proxy *p, const struct exchange *x, const struct target *target, const struct route *route,
	const struct origin_conf **to)
{
	const struct policy_own own = { p->own_addresses, p->own_count };
	bool forward = target->question.forward, listed = !forward || route->via != NULL;
	enum error e = policy_check_request(route, &target->question);

	*to = listed ? same_origin(x, route, forward) : NULL;
	if (e != ERR_NONE)
		return e;
	if (listed ? *to == NULL : x->observation->to != NULL)
		return ERR_WITHDRAWN;
	if (edge_is_clients_session(exchange_origin_peer(x)))
		return ERR_NONE; /* nobody's choice */
	return policy_check_address(p->conf, route, &(struct policy_target){ .address = exchange_origin_peer(x),
		.configured = *to != NULL && (*to)->literal, .stream = uri_schemes[exchange_origin_peer(x)->transport].stream,
		.secured = uri_schemes[exchange_origin_peer(x)->transport].secure, .oscore = x->oscore }, &own);
}

/* From now on x is under the configuration in force. */
static void put_under(struct proxy *p, struct exchange *x, const struct route *route, const struct msg_view *m)
{
	exchange_set_route(p, x, route);
	snapshot_release(x->conf);
	x->conf = snapshot_keep(p->conf);
	reading_renew(p, x, m);
}

/* The observation of an origin that asks by a return path: it goes on as long as that does. */
static enum error decide_return(struct proxy *p, struct exchange *x)
{
	const struct route *route = return_path_route(p, x->client);

	if (route == NULL)
		return ERR_WITHDRAWN;
	put_under(p, x, route, NULL);
	return ERR_NONE;
}

enum error forward_decide_again(struct proxy *p, struct exchange *x)
{
	const struct listener *l = snapshot_listener(p->conf, x->client->listener);
	const struct policy_own own = { p->own_addresses, p->own_count };
	const struct buffer *message = &x->observation->message;
	struct endpoint address = { .scope = x->local.ifindex, .transport = x->client->peer.transport };
	struct target_asked asked;
	const struct origin_conf *to;
	const struct route *route;
	struct outer_request r;
	struct target target;
	struct msg_view m;
	uint16_t offender;
	enum error e;

	if (client_is_at_slot(x->client))
		return decide_return(p, x);
	if (l == NULL || msg_parse_datagram(&m, message->bytes, message->len) != MSG_OK ||
		outer_read_reliable_request(&m, &r, &offender) != ERR_NONE)
		return ERR_WITHDRAWN;
	memcpy(address.addr, x->local.addr, sizeof address.addr);
	address.port = l->address.port;
	asked = forward_asked(p->conf, x->client, &address, x->inner);
	e = target_read(&m, &r, &asked, &x->client->peer, p->conf->listener_of_slot[x->client->listener], &target);
	if (e != ERR_NONE)
		return e;
	target_recognise_own(&target, p->conf, &own);
	route = x->requester != NULL ? x->requester->decide(x->requester, p->conf) : route_find(p->conf, &target.question);
	if (route == NULL)
		return target.question.forward ? ERR_NO_ROUTE_FORWARD : ERR_NO_ROUTE;
	if (x->requester != NULL && route->to_count > 0)
		target.question.forward = false; /* as in the beginning */
	e = judge_again(p, x, &target, route, &to);
	if (e != ERR_NONE)
		return e;
	x->observation->to = to;
	put_under(p, x, route, &m);
	return ERR_NONE;
}
