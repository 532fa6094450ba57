/* explain - see explain.h */
#include "proxy/decide/explain.h"

#include <string.h>

#include "proxy/decide/explain_hop.h"
#include "proxy/decide/explain_http.h"
#include "proxy/decide/explain_read.h"
#include "translate/map_method.h"

enum { WORDS_MAX = 10, WORD_MAX = URI_MAX + 1, MESSAGE_MAX = 2 * MSG_DATAGRAM_MAX, OPTIONS_MAX = 80 };

/* The sentence, understood. */
struct sentence {
	char words[WORDS_MAX][WORD_MAX + 1];
	size_t count;
	uint8_t method;
	const char *text; /* the URI */
	struct uri uri;
	enum uri_result uri_result;
	struct endpoint client, asked;
	unsigned listener;
	bool oscore, direct, form_said;
	uint16_t scheme; /* by which it comes */
	/* over HTTP */
	bool http, query;
	const char *name;
	struct http_text target, host;
	struct http_decision decision;
};

/* What the message is made of, before it is written in order of the numbers. */
struct composed {
	struct msg_option options[OPTIONS_MAX];
	size_t count;
	uint8_t bytes[2 * URI_MAX];
	size_t used;
	bool overflow;
};

/* ---- understanding ---- */

static int misunderstood(FILE *out, const char *what, const char *word)
{
	fprintf(out, "not understood: %s%s%s\n", what, *word ? ": " : "", word);
	return -1;
}

static int split_words(struct sentence *q, const char *text, FILE *out)
{
	size_t len;

	for (text += strspn(text, " \t\n"); *text; text += len + strspn(text + len, " \t\n")) {
		len = strcspn(text, " \t\n");
		if (q->count == WORDS_MAX)
			return misunderstood(out, "more words than a question has", "");
		if (len > WORD_MAX)
			return misunderstood(out, "a word is too long", "");
		memcpy(q->words[q->count], text, len);
		q->words[q->count++][len] = '\0';
	}
	return q->count >= 2 ? 0 : misunderstood(out, "METHOD URI [from ADDRESS[:PORT]] [via LISTENER] [oscore] [proxy|direct] [as NAME]", "");
}

static int read_method(struct sentence *q, FILE *out)
{
	char text[MSG_CODE_TEXT_MAX];
	uint8_t code;

	for (code = 1; code < 32; code++) {
		if (strcmp(msg_code_text(code, text), q->words[0]) == 0) {
			q->method = code;
			return 0;
		}
	}
	return misunderstood(out, "no method", q->words[0]);
}

/* "10.0.0.7", "10.0.0.7:5683", "fd00::7", "[fd00::7]:5683": uses the URI parser for the port. */
static int read_client(struct sentence *q, const char *word, FILE *out)
{
	struct uri u;

	if (endpoint_parse_literal(&q->client, word, strlen(word), true) == 0) {
		q->client.port = uri_schemes[URI_COAP].default_port;
		return 0;
	}
	if (uri_parse_authority(&u, word, strlen(word)) != URI_OK ||
		endpoint_parse_literal(&q->client, u.host.at, u.host.len, false) != 0)
		return misunderstood(out, "no address", word);
	q->client.port = u.port ? u.port : uri_schemes[URI_COAP].default_port;
	return 0;
}

static int read_listener(struct sentence *q, const struct snapshot *s, const char *word, FILE *out)
{
	for (q->listener = 0; q->listener < s->listener_count; q->listener++)
		if (strcmp(s->listeners[q->listener].name, word) == 0)
			return 0;
	return misunderstood(out, "no listener of this configuration", word);
}

static int read_words(struct sentence *q, const struct snapshot *s, FILE *out)
{
	size_t i;
	int e = 0;

	for (i = 2; i < q->count && e == 0; i++) {
		const char *word = q->words[i], *next = i + 1 < q->count ? q->words[i + 1] : "";

		if (strcmp(word, "from") == 0) {
			e = read_client(q, next, out);
			i++;
		} else if (strcmp(word, "via") == 0) {
			e = read_listener(q, s, next, out);
			i++;
		} else if (strcmp(word, "oscore") == 0)
			q->oscore = true;
		else if (strcmp(word, "direct") == 0 || strcmp(word, "proxy") == 0) {
			q->direct = *word == 'd';
			q->form_said = true;
		} else if (strcmp(word, "as") == 0) {
			q->name = *next ? next : NULL;
			e = q->name ? 0 : misunderstood(out, "no name", "");
			i++;
		} else
			e = misunderstood(out, "no word of a question", word);
	}
	return e;
}

/* The request line and Host field of the sentence's URI. */
static int understand_http(struct sentence *q, FILE *out)
{
	struct http_text method = {q->words[0], strlen(q->words[0])};
	int code = method_of_http(method);

	/* one that CoAP has not is no misunderstanding: it is refused */
	q->query = code == METHOD_QUERY;
	q->method = q->query ? CODE_FETCH : code > 0 ? (uint8_t)code : 0;
	if (explain_http_split(q->text, &q->target, &q->host) < 0)
		return misunderstood(out, "no URI that a client of HTTP asks for", q->text);
	q->direct = q->host.len > 0 && uri_parse_authority(&q->uri, q->host.at, q->host.len) == URI_OK;
	q->uri.path = (struct uri_part){q->target.at, 0}; /* none is asked of the device unless a template says so */
	return 0;
}

/* The address that was asked: that of the listener, or the one the URI names, or loopback. */
static void set_asked(struct sentence *q, const struct snapshot *s)
{
	const struct listener *l = &s->listeners[q->listener];
	const char *loopback = endpoint_is_ipv4(&q->client) ? "127.0.0.1" : "::1";

	q->asked = l->address;
	q->asked.transport = q->scheme;
	if (!l->any)
		return;
	if ((!q->direct || endpoint_parse_literal(&q->asked, q->uri.host.at, q->uri.host.len, false) != 0) &&
		endpoint_parse_literal(&q->asked, loopback, strlen(loopback), false) != 0)
		return;
	q->asked.port = l->address.port;
	q->asked.transport = q->scheme;
}

/* By which scheme it comes, and whether that can tell who asks. */
static int understand_listener(struct sentence *q, const struct snapshot *s, FILE *out)
{
	const struct listener *l = &s->listeners[q->listener];
	bool web = l->scheme == URI_HTTP || l->scheme == URI_HTTPS;
	int coap = listener_coap_scheme(l);

	q->http = web && !q->form_said;
	if (web && q->form_said && coap < 0)
		return misunderstood(out, "over HTTP the URI says whether a proxy is asked, and no CoAP comes inside it to", l->name);
	q->scheme = (uint16_t)(q->http ? l->scheme : (enum uri_scheme)coap);
	q->client.transport = q->http ? URI_COAP : q->scheme;
	if (q->name && !web && !uri_schemes[l->scheme].secure)
		return misunderstood(out, "by a listener without sessions nobody proves a name", q->name);
	return 0;
}

static int understand(struct sentence *q, const struct snapshot *s, const char *text, FILE *out)
{
	memset(q, 0, sizeof(*q));
	if (split_words(q, text, out) < 0)
		return -1;
	if (endpoint_parse_literal(&q->client, "127.0.0.1", 9, false) != 0)
		return -1;
	q->client.port = uri_schemes[URI_COAP].default_port;
	if (read_words(q, s, out) < 0 || understand_listener(q, s, out) < 0)
		return -1;
	q->text = q->words[1];
	if (q->http) {
		if (understand_http(q, out) < 0)
			return -1;
		set_asked(q, s);
		return 0;
	}
	if (read_method(q, out) < 0)
		return -1;
	q->uri_result = uri_parse(&q->uri, q->text, strlen(q->text));
	if (q->direct && q->uri_result != URI_OK)
		return misunderstood(out, uri_result_text(q->uri_result), q->text);
	if (q->uri_result == URI_RELATIVE || q->uri_result == URI_NO_HOST)
		return misunderstood(out, uri_result_text(q->uri_result), q->text);
	if (q->uri_result == URI_OK)
		set_asked(q, s);
	return 0;
}

/* ---- the message ---- */

static void compose(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	struct composed *c = arg;
	size_t i;

	if (c->count == OPTIONS_MAX || len > sizeof(c->bytes) - c->used) {
		c->overflow = true;
		return;
	}
	for (i = c->count++; i > 0 && c->options[i - 1].number > number; i--)
		c->options[i] = c->options[i - 1];
	c->options[i].number = number;
	c->options[i].len = (uint16_t)len;
	c->options[i].value = c->bytes + c->used;
	if (len > 0)
		memcpy(c->bytes + c->used, value, len);
	c->used += len;
}

/* Host and port as a client would write them that sends to the address asked (RFC 7252 6.4). */
static void compose_direct(const struct sentence *q, struct composed *c)
{
	uint8_t port[2] = {(uint8_t)(q->uri.port >> 8), (uint8_t)(q->uri.port & 0xff)};
	char host[URI_HOST_MAX + 1];
	struct endpoint literal;
	int len = uri_host_decode(&q->uri.host, host);

	if (len < 0) {
		c->overflow = true;
		return;
	}
	if (endpoint_parse_literal(&literal, host, (size_t)len, false) != 0 ||
		memcmp(literal.addr, q->asked.addr, sizeof(literal.addr)) != 0)
		compose(c, OPT_URI_HOST, (const uint8_t *)host, (size_t)len);
	if (q->uri.port != q->asked.port)
		compose(c, OPT_URI_PORT, port[0] ? port : port + 1, port[0] ? 2 : 1);
	if (!q->oscore && uri_each_option(&q->uri, compose, c) != URI_OK)
		c->overflow = true;
}

/* An OSCORE client keeps path and query inside (RFC 8613 4.1.3.3). */
static void compose_proxy(const struct sentence *q, struct composed *c)
{
	const char *text = q->text, *end = text + strlen(text);

	if (q->oscore && !q->http && q->uri_result == URI_OK)
		end = q->uri.path.len > 0 ? q->uri.path.at : q->uri.has_query ? q->uri.query.at - 1 : end;
	compose(c, OPT_PROXY_URI, (const uint8_t *)text, (size_t)(end - text));
}

/* Returns the length of the message, or 0 if the question does not fit one. */
static size_t write_message(const struct sentence *q, uint8_t bytes[MESSAGE_MAX])
{
	static const uint8_t oscore[] = {0x09, 0x00, 0x00}; /* a Partial IV of one byte, and a kid */
	struct composed c = {.count = 0};
	struct msg_writer w;
	uint8_t code = q->method;
	size_t i;

	if (q->oscore) {
		compose(&c, OPT_OSCORE, oscore, sizeof(oscore));
		code = code == CODE_FETCH ? CODE_FETCH : CODE_POST; /* RFC 8613 4.2 */
	}
	if (q->direct)
		compose_direct(q, &c);
	else
		compose_proxy(q, &c);
	msg_begin(&w, bytes, MESSAGE_MAX, MSG_CON, code, 0, NULL, 0);
	for (i = 0; i < c.count; i++)
		msg_add_option(&w, c.options[i].number, c.options[i].value, c.options[i].len);
	if (q->oscore)
		msg_add_payload(&w, "", 1);
	return c.overflow ? 0 : msg_end(&w);
}

/* ---- the answer ---- */

static int refuse(FILE *out, enum error e, const struct sentence *q)
{
	const struct error_row *row = error_row(e);
	unsigned code = q->oscore ? row->oscore_code : row->coap_code;

	if (q->http)
		fprintf(out, "refused: %u %s (%s)\n", row->http_status, row->text, row->counter);
	else
		fprintf(out, "refused: %u.%02u %s (%s)\n", code >> 5, code & 31, row->text, row->counter);
	return (int)e;
}

static const struct route *show_routes(FILE *out, const struct snapshot *s, const struct route_question *q)
{
	const struct route *r, *taken = route_find(s, q);
	enum route_mismatch m;

	for (r = s->routes; r < s->routes + s->route_count; r++) {
		m = route_check(r, q);
		fprintf(out, "route %s: %s\n", r->name,
			m == ROUTE_MATCH && r != taken ? "would take it as well, but stands later" : route_mismatch_text(m));
	}
	if (!taken)
		fputs("no route takes the request\n", out);
	return taken;
}

/* The resource that the gateway serves itself where no route takes the request. */
static bool is_served_here(const struct route_question *q)
{
	return !q->forward && !q->oscore && q->path_count == 2 && q->path[0].len == 11 &&
		memcmp(q->path[0].at, ".well-known", 11) == 0 && q->path[1].len == 4 && memcmp(q->path[1].at, "core", 4) == 0;
}

static void show_question(FILE *out, const struct sentence *q, const struct snapshot *s)
{
	char client[ENDPOINT_TEXT_MAX];

	fprintf(out, "%s %s from %s via %s%s%s%s%s\n", q->words[0], q->text, endpoint_format(&q->client, client),
		s->listeners[q->listener].name, q->oscore ? " oscore" : "", q->http ? "" : q->direct ? " direct" : " proxy",
		q->name ? " as " : "", q->name ? q->name : "");
	if (q->oscore && !q->http && q->uri_result == URI_OK && (q->uri.path.len > 1 || q->uri.has_query))
		fputs("the method, path and query are inside the OSCORE message: no route sees them\n", out);
}

static int decide(FILE *out, const struct snapshot *s, const struct sentence *sentence, struct explained *what,
	const struct policy_own *own)
{
	const struct route_question *q = &what->target->question;
	enum error e;

	what->route = sentence->http ? sentence->decision.route : show_routes(out, s, q);
	if (!what->route && is_served_here(q)) {
		fputs("answered by the gateway itself\n", out);
		return ERR_NONE;
	}
	if (!what->route)
		return refuse(out, q->forward ? ERR_NO_ROUTE_FORWARD : ERR_NO_ROUTE, sentence);
	e = policy_check_request(what->route, q);
	if (e == ERR_NONE)
		e = explain_next_hop(out, s, what->route, q, own, &what->to);
	/* Over HTTP the URI is not what is inside. */
	if (e == ERR_NONE && what->route->read)
		e = explain_read(out, what->route->read, sentence->oscore, sentence->method,
			!sentence->http && sentence->uri_result == URI_OK ? &sentence->uri : NULL);
	return e == ERR_NONE ? ERR_NONE : refuse(out, e, sentence);
}

/* What goes to an HTTP origin has no options any more. */
static bool leaves_by_coap(const struct explained *what)
{
	enum uri_scheme scheme = what->to ? what->to->scheme : what->target->question.scheme;

	return scheme != URI_HTTP && scheme != URI_HTTPS;
}

/* Finds the route of a request over HTTP, and makes of the sentence one of the CoAP request that it becomes. Returns ERR_NONE, or what
 * explain_request() returns; *done is set if nothing is left to be said. */
static int decide_http(FILE *out, const struct snapshot *s, struct sentence *q, bool *done)
{
	const struct http_question h = {
		.listener = q->listener, .client = q->client, .asked = q->asked, .target = q->target, .host = q->host,
		.code = q->oscore ? CODE_POST : q->method, .oscore = q->oscore, .name = q->name,
	};

	*done = true;
	if (q->method == 0)
		return refuse(out, ERR_HTTP_METHOD, q);
	explain_http_routes(out, s, &h, &q->decision);
	*done = !q->decision.route || (q->query && !q->decision.route->query_is_fetch);
	if (*done && q->decision.route)
		return refuse(out, ERR_HTTP_METHOD, q);
	if (*done && explain_http_is_served_here(&h)) {
		fputs("answered by the gateway itself\n", out);
		return ERR_NONE;
	}
	if (*done)
		return refuse(out, q->decision.refused, q);
	q->direct = !q->decision.has_target;
	q->uri.port = q->asked.port; /* the null mapping: the Host field's port is not asked for */
	if (!q->direct) {
		q->text = q->decision.uri;
		q->uri = q->decision.parts;
		q->uri_result = URI_OK;
	}
	return ERR_NONE;
}

int explain_request(const struct snapshot *s, const char *text, FILE *out, const struct policy_own *own,
	void (*show_options)(FILE *out, const struct explained *what))
{
	uint8_t bytes[MESSAGE_MAX];
	struct outer_request request;
	struct sentence q;
	struct target target;
	struct msg_view m;
	struct explained what = {.conf = s, .message = &m, .request = &request, .target = &target};
	uint16_t offender;
	enum error e;
	struct target_asked asked;
	size_t len;
	int result;
	bool done;

	if (understand(&q, s, text, out) < 0)
		return -1;
	show_question(out, &q, s);
	if (q.http) {
		result = decide_http(out, s, &q, &done);
		if (done)
			return result;
	}
	len = write_message(&q, bytes);
	if (len == 0 || msg_parse_datagram(&m, bytes, len) != MSG_OK)
		return misunderstood(out, "no message holds this URI", q.text);
	e = outer_read_request(&m, &request, &offender);
	asked = (struct target_asked){.address = q.asked, .http = q.http, .bare = q.http && q.scheme == URI_HTTP, .identity = q.name};
	if (e == ERR_NONE)
		e = target_read(&m, &request, &asked, &q.client, q.listener, &target);
	if (e == ERR_NONE && !q.http)
		target_recognise_own(&target, s, own);
	if (e != ERR_NONE) {
		if (q.uri_result != URI_OK)
			fprintf(out, "the URI: %s\n", uri_result_text(q.uri_result));
		return refuse(out, e, &q);
	}
	if (q.http && q.decision.route->to_count > 0)
		target.question.forward = false; /* an http-path may name all of a target (http_route.c) */
	result = decide(out, s, &q, &what, own);
	if (result == ERR_NONE && what.route && show_options && leaves_by_coap(&what))
		show_options(out, &what);
	return result;
}
