/* explain_hop - see explain_hop.h */
#include "proxy/decide/explain_hop.h"

#include <string.h>

#include "conf/value.h"

static bool is_secured_coap(enum uri_scheme scheme)
{
	return uri_schemes[scheme].secure && scheme != URI_HTTPS;
}

/* What we show to an origin of that scheme. */
static void show_credentials(FILE *out, const struct snapshot *s, const struct route *r, enum uri_scheme scheme)
{
	if (!is_secured_coap(scheme))
		return;
	if (*r->origin_identity)
		fprintf(out, " (we are %s there)", r->origin_identity);
	else
		fputs(*s->settings.upstream_certificate ? " (we show upstream.certificate there)" : " (we show nothing there)", out);
}

static void show_origin(FILE *out, const struct snapshot *s, const struct route *r, const struct origin_conf *o)
{
	char text[VALUE_TEXT_MAX];

	fputs(o->text, out);
	if (o->session && r->wait_for_session > 0)
		fprintf(out, " (if somebody of that name is connected, or is within %s)", value_write_duration(r->wait_for_session, text));
	else if (o->session)
		fputs(" (if somebody of that name is connected)", out);
	else if (!o->literal)
		fputs(" (its address is looked up, and judged then)", out);
	if (!o->session)
		show_credentials(out, s, r, o->scheme);
}

static void show_origins(FILE *out, const struct snapshot *s, const struct route *r, const struct origin_conf *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		fputs(i > 0 ? ", " : "", out);
		show_origin(out, s, r, &list[i]);
	}
	if (count > 1)
		fputs(r->choice == ORIGINS_HASH ? " (by hash of the client)" : " (in this order, while nothing was sent)", out);
	putc('\n', out);
}

/* What the origin can do with a return path, which only a client of CoAP has. */
static void show_return_path(FILE *out, const struct route *r, const struct route_question *q)
{
	if (r->return_path && !q->any_identity)
		fputs("return path: it leaves from a port of the client's own, and what the origin asks there is asked of the client\n", out);
}

static enum error judge(const struct snapshot *s, const struct route *r, const struct route_question *q, const struct policy_own *own,
	const struct endpoint *address, enum uri_scheme scheme, bool configured)
{
	return policy_check_address(s, r, &(struct policy_target){.address = address, .configured = configured,
		.stream = uri_schemes[scheme].stream, .secured = uri_schemes[scheme].secure, .oscore = q->oscore}, own);
}

static enum error show_configured(FILE *out, const struct snapshot *s, const struct route *r, const struct route_question *q,
	const struct policy_own *own, const struct origin_conf *to)
{
	enum error e = to->literal ? judge(s, r, q, own, &to->address, to->scheme, true) : ERR_NONE;

	fputs(e != ERR_NONE ? "not to: " : q->forward ? "next hop, the parent proxy: " : "next hop: ", out);
	show_origins(out, s, r, to, q->forward ? 1 : r->to_count);
	return e;
}

static enum error show_target(FILE *out, const struct snapshot *s, const struct route *r, const struct route_question *q,
	const struct policy_own *own)
{
	char text[ENDPOINT_TEXT_MAX];
	enum error e = q->host_is_literal ? judge(s, r, q, own, &q->literal, q->scheme, false) : ERR_NONE;

	fputs(e != ERR_NONE ? "not to: " : "next hop: ", out);
	if (q->host_is_literal)
		fputs(endpoint_format(&q->literal, text), out);
	else
		fprintf(out, "%.*s:%u", (int)q->host_len, q->host, (unsigned)q->port);
	if (q->scheme != URI_COAP)
		fprintf(out, " by %s", uri_schemes[q->scheme].name);
	if (!q->host_is_literal)
		fputs(" (its address is looked up, and judged then)", out);
	else if (e == ERR_NONE && endpoint_is_multicast(&q->literal))
		fputs(" (a group: the first answer counts)", out);
	show_credentials(out, s, r, q->scheme);
	putc('\n', out);
	return e;
}

enum error explain_next_hop(FILE *out, const struct snapshot *s, const struct route *r, const struct route_question *q,
	const struct policy_own *own, const struct origin_conf **to)
{
	enum error e;

	*to = !q->forward ? r->to : r->via;
	e = *to ? show_configured(out, s, r, q, own, *to) : show_target(out, s, r, q, own);
	if (e == ERR_NONE)
		show_return_path(out, r, q);
	return e;
}
