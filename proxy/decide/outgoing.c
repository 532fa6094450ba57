#include "proxy/decide/outgoing.h"

#include <string.h>

static int plan_hop_limit(struct outer_plan *plan, const struct route *route, const struct outer_request *r, uint8_t *hop_limit)
{
	unsigned value = r->has_hop_limit ? r->hop_limit - 1u : route->hop_limit;

	*hop_limit = (uint8_t)value;
	if (value == 0)
		return 0;
	outer_drop(plan, OPT_HOP_LIMIT);
	return outer_add_uint(plan, OPT_HOP_LIMIT, value);
}

/* The options of a Proxy-Uri take the place of the request's own. */
static int plan_uri_path(struct outer_plan *plan, const struct target *t)
{
	int failed = 0;

	outer_drop(plan, OPT_URI_PATH);
	outer_drop(plan, OPT_URI_QUERY);
	for (size_t i = 0; i < t->option_count; i++)
		failed |= outer_add(plan, t->options[i].number, t->options[i].value, t->options[i].len);
	return failed;
}

/*
 * A reverse route may take segments off the path and put others before it. An OSCORE message has none: at a CoAP server it would mean
 * nothing (RFC 8613 4.1.3.2), but an HTTP origin has its OSCORE endpoint where its URL says (11.2).
 */
static int plan_path(struct outer_plan *plan, const struct route *route, const struct origin_conf *to, const struct target *t)
{
	size_t strip = t->question.forward || t->question.oscore ? 0 : route->strip_path;
	bool endpoint = to != NULL && (to->scheme == URI_HTTP || to->scheme == URI_HTTPS);
	int failed = 0;

	if (t->from_uri)
		return plan_uri_path(plan, t);
	if ((t->question.oscore && !endpoint) || (strip == 0 && (to == NULL || to->path_count == 0)))
		return 0;
	outer_drop(plan, OPT_URI_PATH);
	for (size_t i = 0; to != NULL && i < to->path_count; i++)
		failed |= outer_add(plan, OPT_URI_PATH, (const uint8_t *)to->path[i], strlen(to->path[i]));
	for (size_t i = strip; i < t->question.path_count; i++)
		failed |= outer_add(plan, OPT_URI_PATH, (const uint8_t *)t->path[i].at, t->path[i].len);
	return failed;
}

/* Uri-Host names the origin unless its literal address does (RFC 7252 6.4); Uri-Port is that of the datagram. */
static int plan_authority(struct outer_plan *plan, const struct route *route, const struct origin_conf *to,
	const struct outer_request *r, const struct target *t)
{
	const struct route_question *q = &t->question;

	outer_drop(plan, OPT_URI_HOST);
	outer_drop(plan, OPT_URI_PORT);
	outer_drop(plan, OPT_PROXY_URI);
	outer_drop(plan, OPT_PROXY_SCHEME);
	if (q->forward)
		return q->host_is_literal ? 0 : outer_add(plan, OPT_URI_HOST, (const uint8_t *)q->host, q->host_len);
	if (route->keep_host && r->uri_host != NULL)
		return outer_add(plan, OPT_URI_HOST, r->uri_host->value, r->uri_host->len);
	/* What the client's connection implied, the next hop's does not. */
	if (route->keep_host)
		return q->host_is_literal ? 0 : outer_add(plan, OPT_URI_HOST, (const uint8_t *)q->host, q->host_len);
	/* Who has opened a session is asked under no name of ours. */
	if (to == NULL || to->literal || to->session)
		return 0;
	return outer_add(plan, OPT_URI_HOST, (const uint8_t *)to->host, strlen(to->host));
}

int outgoing_plan(struct outer_plan *plan, const struct route *route, const struct origin_conf *to, const struct msg_view *m,
	const struct outer_request *r, const struct target *t, bool drop_echo, uint8_t *hop_limit)
{
	int failed;

	outer_plan_init(plan);
	failed = plan_hop_limit(plan, route, r, hop_limit);
	if (route->via == NULL || !t->question.forward) {
		failed |= plan_authority(plan, route, to, r, t);
		failed |= plan_path(plan, route, to, t);
	}
	if (r->observe_undefined)
		outer_drop(plan, OPT_OBSERVE);
	if (drop_echo)
		outer_drop(plan, OPT_ECHO);
	/* A payload where none is defined goes no further (RFC 7252 5.5); an OSCORE message stays whole. */
	plan->drop_payload = !r->oscore && (m->code == CODE_GET || m->code == CODE_DELETE);
	return failed;
}

int outgoing_plan_return(struct outer_plan *plan, const struct route *route, const struct msg_view *m, const struct outer_request *r,
	uint8_t *hop_limit)
{
	outer_plan_init(plan);
	outer_drop(plan, OPT_URI_HOST);
	outer_drop(plan, OPT_URI_PORT);
	if (r->observe_undefined)
		outer_drop(plan, OPT_OBSERVE);
	plan->drop_payload = !r->oscore && (m->code == CODE_GET || m->code == CODE_DELETE);
	return plan_hop_limit(plan, route, r, hop_limit);
}
