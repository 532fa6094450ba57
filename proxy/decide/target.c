#include "proxy/decide/target.h"

#include <string.h>

#include "proxy/decide/policy.h"

static void take_uri_option(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	struct target *t = arg;

	if (t->option_count == ROUTE_SEGMENTS_MAX || t->bytes_used + len > sizeof t->bytes) {
		t->overflow = true;
		return;
	}
	if (len > 0)
		memcpy(t->bytes + t->bytes_used, value, len);
	t->options[t->option_count++] = (struct msg_option){ number, (uint16_t)len, t->bytes + t->bytes_used };
	t->bytes_used += len;
}

/* The host: decoded into t->host, and its literal if it is one (never with a zone: those come from configuration only). */
static void set_host(struct target *t, size_t len)
{
	struct route_question *q = &t->question;

	q->host = t->host;
	q->host_len = len;
	q->host_is_literal = endpoint_parse_literal(&q->literal, t->host, len, false) == 0;
	if (q->host_is_literal)
		q->literal.port = q->port;
}

static enum error take_uri(const struct uri *u, struct target *t)
{
	int len = uri_host_decode(&u->host, t->host);

	if (len < 0)
		return ERR_BAD_URI;
	t->from_uri = true;
	t->question.scheme = u->scheme;
	t->question.port = u->port;
	set_host(t, (size_t)len);
	if (uri_each_option(u, take_uri_option, t) != URI_OK || t->overflow)
		return ERR_BAD_URI;
	return ERR_NONE;
}

static enum error read_proxy_uri(const struct msg_option *o, struct target *t)
{
	struct uri u;
	enum uri_result result = uri_parse(&u, (const char *)o->value, o->len);

	if (result == URI_FOREIGN_SCHEME)
		return ERR_NO_ROUTE_FORWARD;
	return result == URI_OK ? take_uri(&u, t) : ERR_BAD_URI;
}

static enum error read_uri_port(const struct outer_request *r, uint16_t *port)
{
	uint32_t value;

	if (r->uri_port == NULL)
		return ERR_NONE;
	if (msg_uint(r->uri_port, &value) < 0 || value == 0 || value > UINT16_MAX)
		return ERR_BAD_OPTION;
	*port = (uint16_t)value;
	return ERR_NONE;
}

static void copy_uri_host(const struct outer_request *r, struct target *t)
{
	size_t len = r->uri_host->len;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = r->uri_host->value[i];

		t->host[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	/* An IPv6 literal may stand in brackets, as in a URI. */
	if (len > 2 && t->host[0] == '[' && t->host[len - 1] == ']') {
		len -= 2;
		memmove(t->host, t->host + 1, len);
	}
	set_host(t, len);
}

static enum error read_proxy_scheme(const struct outer_request *r, struct target *t)
{
	int scheme = uri_scheme_parse((const char *)r->proxy_scheme->value, r->proxy_scheme->len);
	enum error e;

	if (scheme < 0)
		return ERR_NO_ROUTE_FORWARD;
	if (r->uri_host == NULL)
		return ERR_BAD_URI;
	t->question.scheme = (enum uri_scheme)scheme;
	t->question.port = uri_schemes[scheme].default_port;
	e = read_uri_port(r, &t->question.port);
	if (e == ERR_NONE)
		copy_uri_host(r, t);
	return e;
}

/* A name that the client's connection gave, as Uri-Host would (RFC 8323 8.5). Returns false if it is none. */
static bool take_default_host(const char *host, struct target *t)
{
	struct uri_part part = { host, strlen(host) };
	int len = uri_host_decode(&part, t->host);

	if (len > 0)
		set_host(t, (size_t)len);
	return len > 0;
}

static enum error read_reverse(const struct outer_request *r, const struct target_asked *from, struct target *t)
{
	const struct endpoint *asked = &from->address;
	char text[ENDPOINT_TEXT_MAX];
	enum error e;

	t->question.scheme = asked->transport;
	t->question.port = asked->port;
	e = read_uri_port(r, &t->question.port);
	if (e != ERR_NONE)
		return e;
	if (r->uri_host != NULL) {
		copy_uri_host(r, t);
		return ERR_NONE;
	}
	if (from->host != NULL && take_default_host(from->host, t))
		return ERR_NONE;
	endpoint_format_address(asked, text);
	memcpy(t->host, text, strlen(text) + 1);
	t->question.host = t->host;
	t->question.host_len = strlen(text);
	t->question.host_is_literal = true;
	t->question.literal = *asked;
	t->question.literal.port = t->question.port;
	return ERR_NONE;
}

static enum error collect_path(const struct msg_option *options, size_t count, struct target *t)
{
	t->question.path = t->path;
	for (size_t i = 0; i < count; i++) {
		if (options[i].number != OPT_URI_PATH)
			continue;
		if (t->question.path_count == ROUTE_SEGMENTS_MAX)
			return ERR_BAD_URI;
		t->path[t->question.path_count++] =
			(struct uri_part){ (const char *)options[i].value, options[i].len };
	}
	return ERR_NONE;
}

/* By another transport the same number of a port is somebody else's. */
static bool is_ourselves(const struct route_question *q, const struct target_asked *asked)
{
	const struct endpoint *a = &asked->address;

	return !asked->http && q->host_is_literal && q->scheme == a->transport && q->port == a->port &&
		memcmp(q->literal.addr, a->addr, sizeof a->addr) == 0;
}

void target_recognise_own(struct target *t, const struct snapshot *s, const struct policy_own *own)
{
	struct route_question *q = &t->question;

	if (q->forward && q->host_is_literal && q->scheme < URI_HTTP && policy_is_own_listener(s, own, &q->literal, uri_schemes[q->scheme].stream))
		q->forward = false;
}

static void begin(struct target *t, const struct endpoint *client, unsigned listener, uint8_t method, bool oscore, bool forward)
{
	struct route_question *q = &t->question;

	memset(q, 0, sizeof *q);
	t->from_uri = t->overflow = false;
	t->option_count = t->bytes_used = 0;
	q->listener = listener;
	q->client = *client;
	q->method = method;
	q->oscore = oscore;
	q->forward = forward;
}

enum error target_read_uri(const struct uri *u, uint8_t method, bool oscore, const struct endpoint *client, unsigned listener,
	struct target *t)
{
	enum error e;

	begin(t, client, listener, method, oscore, true);
	e = take_uri(u, t);
	return e == ERR_NONE ? collect_path(t->options, t->option_count, t) : e;
}

enum error target_read(const struct msg_view *m, const struct outer_request *r, const struct target_asked *asked,
	const struct endpoint *client, unsigned listener, struct target *t)
{
	struct route_question *q = &t->question;
	enum error e;

	begin(t, client, listener, m->code, r->oscore, r->forward);
	if (r->proxy_uri != NULL)
		e = read_proxy_uri(r->proxy_uri, t);
	else if (r->proxy_scheme != NULL)
		e = read_proxy_scheme(r, t);
	else
		e = read_reverse(r, asked, t);
	if (e == ERR_NONE)
		e = t->from_uri ? collect_path(t->options, t->option_count, t) : collect_path(m->options, m->option_count, t);
	q->identity = asked->identity;
	q->any_identity = asked->http;
	q->bare_http = asked->bare;
	if (e == ERR_NONE && q->forward && is_ourselves(q, asked))
		q->forward = false;
	return e;
}
