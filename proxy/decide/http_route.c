#include "proxy/decide/http_route.h"

#include <string.h>

#include "translate/map_template.h"

enum { QUESTION_ROOM = 2 * URI_HOST_MAX };

bool http_target_is_coap(struct http_text target)
{
	const char *colon = target.len > 0 && target.at[0] != '/' ? memchr(target.at, ':', target.len) : NULL;
	int scheme = colon != NULL ? uri_scheme_parse(target.at, (size_t)(colon - target.at)) : -1;

	return scheme >= 0 && scheme != URI_HTTP && scheme != URI_HTTPS;
}

bool http_host_read(struct http_text field, char host[URI_HOST_MAX + 1])
{
	struct uri u;
	int len;

	if (field.len == 0 || uri_parse_authority(&u, field.at, field.len) != URI_OK)
		return false;
	len = uri_host_decode(&u.host, host);
	if (len < 0)
		return false;
	host[len] = '\0';
	return true;
}

static enum error check_identity(const struct route *r, const char *name)
{
	/* Nobody passes by a route that denies because he does not say who he is. */
	if (r->deny && r->identity_count == 0)
		return ERR_NONE;
	if (name == NULL)
		return r->anonymous && r->identity_count == 0 ? ERR_NONE : ERR_CREDENTIALS;
	return route_allows(r, name) ? ERR_NONE : ERR_IDENTITY;
}

/* The form of the request: sets the target URI, if it has one. */
static enum error read_form(const struct route *r, const struct http_question *q, struct http_decision *d)
{
	d->has_target = true;
	d->uri_len = 0;
	if (r->http_template == NULL) {
		if (!http_target_is_coap(q->target))
			return ERR_NO_ROUTE;
		if (q->target.len > URI_MAX)
			return ERR_BAD_URI;
		memcpy(d->uri, q->target.at, q->target.len);
		d->uri_len = q->target.len;
		d->uri[d->uri_len] = '\0';
		return uri_parse(&d->parts, d->uri, d->uri_len) == URI_OK ? ERR_NONE : ERR_BAD_URI;
	}
	d->has_target = template_has_target(r->http_template);
	switch (template_match(r->http_template, q->target, r->default_scheme, d->uri, &d->uri_len, &d->parts)) {
	case TEMPLATE_OK:
		return ERR_NONE;
	case TEMPLATE_BAD_URI:
		return ERR_BAD_URI;
	case TEMPLATE_NO_SCHEME:
		return ERR_SCHEME_MISSING;
	default:
		return ERR_NO_ROUTE;
	}
}

/* The null mapping as the conditions of a CoAP request see it: what its Host field says is its Uri-Host. The views of *t are of `bytes`. */
static enum error read_reverse(const struct http_question *q, bool oscore, uint8_t bytes[QUESTION_ROOM], struct target *t)
{
	char host[URI_HOST_MAX + 1];
	struct outer_request outer;
	struct msg_writer w;
	struct msg_view m;
	uint16_t offender;
	enum error e;

	msg_begin(&w, bytes, QUESTION_ROOM, MSG_CON, q->code, 0, NULL, 0);
	if (http_host_read(q->host, host))
		msg_add_option(&w, OPT_URI_HOST, host, strlen(host));
	if (oscore) { /* what is protected; an OSCORE message without it would be none */
		msg_add_option(&w, OPT_OSCORE, NULL, 0);
		msg_add_payload(&w, "", 1);
	}
	if (msg_parse_datagram(&m, bytes, msg_end(&w)) != MSG_OK)
		return ERR_BAD_URI;
	e = outer_read_request(&m, &outer, &offender);
	return e != ERR_NONE ? e : target_read(&m, &outer, &(struct target_asked){ .address = q->asked, .http = true }, &q->client, q->listener, t);
}

/* A scheme that the route has no target of is none that is spoken there (RFC 8075 5.1). */
static bool is_spoken(const struct route *r, enum uri_scheme scheme)
{
	for (size_t i = 0; i < r->forward_count; i++)
		if (r->forward_to[i].scheme == scheme)
			return true;
	return false;
}

/* All that is not the form. */
static enum error check_conditions(const struct route *r, const struct http_question *q, const struct http_decision *d,
	enum route_mismatch *mismatch)
{
	bool oscore = q->oscore || (q->legacy_oscore && r->legacy_header);
	uint8_t bytes[QUESTION_ROOM];
	struct target t;
	enum error e = d->has_target ? target_read_uri(&d->parts, q->code, oscore, &q->client, q->listener, &t) :
		read_reverse(q, oscore, bytes, &t);

	if (e != ERR_NONE)
		return e;
	t.question.any_identity = true;
	if (r->to_count > 0)
		t.question.forward = false; /* to a session: the target's host is the request's */
	*mismatch = route_check(r, &t.question);
	if (*mismatch == ROUTE_OTHER_TARGET && !is_spoken(r, t.question.scheme))
		return ERR_SCHEME;
	if (*mismatch != ROUTE_MATCH)
		return ERR_NO_ROUTE;
	return q->any_name ? ERR_NONE : check_identity(r, q->name);
}

enum error http_route_check(const struct route *r, const struct http_question *q, struct http_decision *d, enum route_mismatch *mismatch)
{
	enum error e;

	*mismatch = ROUTE_MATCH;
	if (r->listeners != 0 && !(r->listeners >> q->listener & 1)) {
		*mismatch = ROUTE_OTHER_LISTENER;
		return ERR_NO_ROUTE;
	}
	e = read_form(r, q, d);
	return e == ERR_NONE ? check_conditions(r, q, d, mismatch) : e;
}

/* A route that denies and has no http-path is about targets: whichever way one is named, nobody gets by (as with the two forms of CoAP
 * requests). Returns the first of them before `taken` that is about the target of *d, or `taken`. */
static const struct route *first_denial(const struct snapshot *s, const struct http_question *q, const struct http_decision *d,
	const struct route *taken)
{
	enum route_mismatch mismatch;

	for (const struct route *r = s->routes; r < taken; r++)
		if (r->deny && r->http_template == NULL && check_conditions(r, q, d, &mismatch) == ERR_NONE)
			return r;
	return taken;
}

/* Of several reasons the one that tells the client most. */
static int weight(enum error e)
{
	switch (e) {
	case ERR_NO_ROUTE:
	case ERR_NO_ROUTE_FORWARD:
		return 0;
	case ERR_CREDENTIALS:
	case ERR_IDENTITY:
		return 2;
	default:
		return 1;
	}
}

void http_route_find(const struct snapshot *s, const struct http_question *q, struct http_decision *d)
{
	enum route_mismatch mismatch;
	enum error e;

	d->refused = http_target_is_coap(q->target) ? ERR_NO_ROUTE_FORWARD : ERR_NO_ROUTE;
	for (d->route = s->routes; d->route < s->routes + s->route_count; d->route++) {
		e = http_route_check(d->route, q, d, &mismatch);
		if (e == ERR_NONE) {
			d->refused = ERR_NONE;
			d->route = first_denial(s, q, d, d->route);
			return;
		}
		if (weight(e) > weight(d->refused))
			d->refused = e;
	}
	d->route = NULL;
}
