#include "proxy/http/request.h"

#include <stdlib.h>
#include <string.h>

#include "base/chain.h"
#include "proxy/decide/http_route.h"
#include "proxy/exchange/exchange.h"
#include "proxy/http/access.h"
#include "proxy/http/cors.h"
#include "proxy/http/local.h"
#include "proxy/http/upgrade.h"
#include "translate/map_method.h"
#include "translate/outer.h"

/* ---- memory ---- */

enum { REQUESTS_SPARE = 64, TEXT_SPARE = 512 /* bytes of method, target and host that find room in a spare one */ };

/* A request is larger than what malloc() has at hand, and comes and goes more often than anything else: some wait for their next use. */
static struct {
	struct http_request *list[REQUESTS_SPARE];
	unsigned count;
} spare;

/* All zero but for `pooled`, or empty. */
static struct http_request *memory_take(size_t text)
{
	bool pooled = text <= TEXT_SPARE;
	struct http_request *r = pooled && spare.count > 0 ? spare.list[--spare.count] : malloc(sizeof *r + (pooled ? TEXT_SPARE : text));

	if (r == NULL)
		return NULL;
	memset(r, 0, offsetof(struct http_request, mapping.if_match));
	r->name[0] = r->cors[0] = '\0';
	r->text_len = text;
	r->pooled = pooled;
	return r;
}

static void memory_give(struct http_request *r)
{
	if (r->pooled && spare.count < REQUESTS_SPARE)
		spare.list[spare.count++] = r;
	else
		free(r);
}

/* Keeps the CoAP request: with the texts, if it finds room there, as nearly always. */
static bool keep_head(struct http_request *r, const uint8_t *bytes, size_t len)
{
	bool fits = r->pooled && len <= TEXT_SPARE - r->text_len;

	r->head = fits ? (uint8_t *)r->text + r->text_len : malloc(len);
	if (r->head == NULL)
		return false;
	memcpy(r->head, bytes, len);
	r->head_len = len;
	return true;
}

static void drop_head(struct http_request *r)
{
	if (r->head != (uint8_t *)r->text + r->text_len)
		free(r->head);
}

/* ---- those that are ready ---- */

/* To be asked by http_requests_ask(), in the order of their coming. */
static struct {
	struct http_request *first, **last;
} ready = { NULL, &ready.first };

static void note_ready(struct http_request *r)
{
	CHAIN_ENTER(*ready.last, r, next_ready, ready_link);
	ready.last = &r->next_ready;
}

static void forget_ready(struct http_request *r)
{
	if (r->ready_link != NULL && r->next_ready == NULL)
		ready.last = r->ready_link;
	CHAIN_LEAVE(r, next_ready, ready_link);
}

bool http_requests_ask(void)
{
	bool any = ready.first != NULL;

	while (ready.first != NULL) {
		struct http_request *r = ready.first;

		forget_ready(r);
		request_plain(r);
	}
	return any;
}

/* ---- the end ---- */

static void forget(struct http_request *r)
{
	forget_ready(r);
	if (r->finished != NULL)
		*r->finished = true;
	if (r->transferring)
		transfer_leave(&r->transfer);
	wheel_cancel(&r->timer);
	if (r->events != NULL)
		events_forget(r);
	http_access_log(r);
	snapshot_release(r->conf);
	drop_head(r);
	memory_give(r);
}

void request_finish(struct http_request *r, bool cut)
{
	struct http_connection *c = r->connection;

	r->truncated = r->truncated || cut;
	if (cut)
		proxy_count(r->proxy, COUNT_HTTP_TRUNCATED);
	r->answer_bytes = http_connection_answer_bytes(c);
	forget(r);
	/* The connection goes on with its next request from here. */
	if (cut)
		http_connection_answer_cut(c);
	else
		http_connection_answer_end(c);
}

/* ---- the body of the request ---- */

size_t request_body(struct transfer *t, uint64_t offset, uint8_t *bytes, size_t room, bool *last)
{
	struct http_request *r = request_of(t);
	struct evbuffer *body = http_connection_body(r->connection);
	size_t held = evbuffer_get_length(body), from = (size_t)(offset - r->body_taken), count;
	struct evbuffer_ptr at;

	*last = false;
	if (from > held)
		return 0;
	count = held - from < room ? held - from : room;
	if (count > 0 && (evbuffer_ptr_set(body, &at, from, EVBUFFER_PTR_SET) < 0 ||
		evbuffer_copyout_from(body, &at, bytes, count) != (ev_ssize_t)count))
		return 0;
	*last = http_connection_body_ended(r->connection) && from + count == held;
	return count;
}

void request_body_taken(struct transfer *t, uint64_t offset)
{
	struct http_request *r = request_of(t);

	if (offset <= r->body_taken)
		return;
	evbuffer_drain(http_connection_body(r->connection), (size_t)(offset - r->body_taken));
	r->body_taken = offset;
	http_connection_body_taken(r->connection);
}

void http_request_body(struct http_request *r)
{
	uint64_t so_far = r->body_taken + evbuffer_get_length(http_connection_body(r->connection));

	if (!r->transferring)
		return;
	if (so_far > r->body_limit)
		transfer_abort_body(&r->transfer, ERR_TOO_LARGE);
	else if (so_far == 0 && r->mapping.oscore && http_connection_body_ended(r->connection))
		transfer_abort_body(&r->transfer, ERR_HALF_OSCORE);
	else
		transfer_continue(&r->transfer);
}

void http_request_failed(struct http_request *r, unsigned status)
{
	if (r->status != 0) {
		request_finish(r, true);
		return;
	}
	if (r->transferring) {
		transfer_leave(&r->transfer);
		r->transferring = false;
	}
	if (status == error_row(ERR_SENDER_SLOW)->http_status)
		reply_error(r, ERR_SENDER_SLOW);
	else
		reply_status(r, status, NULL, NULL);
	request_finish(r, false);
}

/* ---- the answer ---- */

/* Room of the connection, unless what comes is thrown away. */
size_t request_room(struct transfer *t)
{
	struct http_request *r = request_of(t);

	return r->retry || r->mute ? SIZE_MAX : http_connection_room(r->connection);
}

static bool may_retry(const struct http_request *r, const struct msg_view *m, enum error e)
{
	return e == ERR_NONE && m->code == CODE_NOT_ACCEPTABLE && !r->mapping.has_body && r->accept + 1 < r->mapping.accept_count &&
		r->accept + 1 < r->conf->settings.http_accepts;
}

void request_answer_head(struct transfer *t, const struct msg_view *m, enum error e, uint64_t size, bool notification)
{
	const struct msg_option *size2 = msg_option(m, OPT_SIZE2);
	struct http_request *r = request_of(t);
	uint32_t said;

	(void)notification;
	r->retry = may_retry(r, m, e);
	if (r->retry)
		return;
	/* Whoever is to try again does so over a new connection: what comes first over that is not old (RFC 9175 2.3). */
	if (e == ERR_NONE && m->code == CODE_UNAUTHORIZED && !r->mapping.oscore && msg_option(m, OPT_ECHO) != NULL)
		http_connection_close_behind(r->connection);
	/* What a device says of a size is advice (RFC 7959 4): good for a HEAD, which frames nothing by it. */
	if (size == BLOCKS_SIZE_UNKNOWN && e == ERR_NONE && r->mapping.head_only && size2 != NULL && msg_uint(size2, &said) == 0)
		size = said;
	reply_head(r, m, e, size == BLOCKS_SIZE_UNKNOWN ? HTTP_LENGTH_UNKNOWN : size, r->applied ? "Preference-Applied: wait\r\n" : NULL);
}

void request_answer_data(struct transfer *t, const uint8_t *bytes, size_t len)
{
	struct http_request *r = request_of(t);

	if (!r->retry && !r->mute)
		http_connection_answer_data(r->connection, bytes, len);
}

static const struct transfer_calls answer_calls = {
	.body = request_body, .body_taken = request_body_taken, .head = request_answer_head, .room = request_room,
	.data = request_answer_data, .end = request_answer_end, .decide = request_decide,
};

void request_answer_end(struct transfer *t, enum error e, bool more)
{
	struct http_request *r = request_of(t);

	/* An observation that goes on is of no use to somebody who has his answer. */
	r->transferring = more;
	if (r->retry) {
		r->retry = false;
		r->accept++;
		request_transfer(r, &answer_calls, false);
		return;
	}
	request_finish(r, e != ERR_NONE);
}

void http_request_writable(struct http_request *r)
{
	if (r->events != NULL)
		events_writable(r);
	else if (r->transferring)
		transfer_continue(&r->transfer);
}

void http_request_gone(struct http_request *r, bool stalled)
{
	r->truncated = r->status != 0;
	if (r->truncated || stalled)
		proxy_count(r->proxy, COUNT_HTTP_TRUNCATED);
	r->answer_bytes = http_connection_answer_bytes(r->connection);
	forget(r);
}

void http_request_drain(struct http_request *r)
{
	if (r->events != NULL && r->status == 0)
		reply_error(r, ERR_DRAINING);
	if (r->events != NULL)
		request_finish(r, false);
	else if (r->waiting)
		poll_end(r);
}

/* ---- asking ---- */

void request_fill_question(const struct http_request *r, const struct snapshot *conf, struct http_question *q)
{
	unsigned slot = http_connection_slot(r->connection);

	*q = (struct http_question){
		.listener = conf->listener_of_slot[slot], .client = r->client, .target = r->target, .host = r->host,
		.code = r->mapping.code, .oscore = r->mapping.oscore && !r->mapping.legacy,
		.legacy_oscore = r->mapping.oscore && r->mapping.legacy, .name = r->name[0] != '\0' ? r->name : NULL,
	};
	memcpy(q->asked.addr, http_connection_local(r->connection)->addr, sizeof q->asked.addr);
	q->asked.port = http_connection_local_port(r->connection);
}

const struct route *request_decide(struct transfer *t, struct snapshot *conf)
{
	struct http_request *r = request_of(t);
	struct http_decision d;
	struct http_question q;

	if (snapshot_listener(conf, http_connection_slot(r->connection)) == NULL)
		return NULL;
	if (!identity_holds(r->name, &r->proof))
		r->name[0] = '\0';
	request_fill_question(r, conf, &q);
	http_route_find(conf, &q, &d);
	if (d.route == NULL)
		return NULL;
	snapshot_keep(conf);
	snapshot_release(r->conf);
	r->conf = conf;
	r->route = d.route;
	return d.route;
}

bool request_target(const struct http_request *r, char text[URI_MAX + 1], struct uri *target)
{
	const struct msg_option *scheme;
	struct msg_view m;
	int known, len;

	if (msg_parse_datagram(&m, r->head, r->head_len) != MSG_OK)
		return false;
	scheme = msg_option(&m, OPT_PROXY_SCHEME);
	known = scheme != NULL ? uri_scheme_parse((const char *)scheme->value, scheme->len) : -1;
	if (known < 0)
		return false;
	len = uri_compose(&m, (enum uri_scheme)known, "", uri_schemes[known].default_port, text, URI_MAX + 1);
	return len > 0 && uri_parse(target, text, (size_t)len) == URI_OK;
}

/* The CoAP request with the Accept that is its turn, observing or not, and of a HEAD. Returns its length, or 0. */
static size_t write_head(const struct http_request *r, bool observe, uint8_t bytes[BLOCKS_HEAD_MAX])
{
	struct outer_plan plan;
	struct msg_writer w;
	struct msg_view m;

	if (msg_parse_datagram(&m, r->head, r->head_len) != MSG_OK)
		return 0;
	outer_plan_init(&plan);
	outer_drop(&plan, OPT_OBSERVE);
	outer_drop(&plan, OPT_ACCEPT);
	if (observe)
		outer_add_uint(&plan, OPT_OBSERVE, 0);
	if (r->mapping.head_only) /* how long it would be (RFC 7959 4) */
		outer_add_uint(&plan, OPT_SIZE2, 0);
	if (r->accept < r->mapping.accept_count)
		outer_add_uint(&plan, OPT_ACCEPT, r->mapping.accepts[r->accept]);
	msg_begin(&w, bytes, BLOCKS_HEAD_MAX, MSG_CON, m.code, 0, NULL, 0);
	outer_write(&w, &m, &plan);
	return msg_end(&w);
}

void request_transfer(struct http_request *r, const struct transfer_calls *calls, bool observe)
{
	const struct settings *s = &r->conf->settings;
	struct http_connection *c = r->connection;
	uint8_t bytes[BLOCKS_HEAD_MAX];
	bool as_it_is = r->accept == 0 && observe == r->mapping.observe && !r->mapping.head_only;
	struct transfer_plan plan = {
		.from = {
			.listener = http_connection_slot(c), .peer = *http_connection_peer(c), .local = *http_connection_local(c),
			.conf = r->conf, .route = r->route,
		},
		.head = r->head, .head_len = r->head_len, .has_body = r->mapping.has_body, .body_size = r->body_size,
		.answer_limit = r->route->body_limit != 0 ? r->route->body_limit : s->http_body_limit,
		.threshold = s->http_block_threshold, .block_size = (uint16_t)s->http_block_size, .head_only = r->mapping.head_only,
		.may_be_old = !http_connection_is_fresh(c),
	};

	if (!as_it_is) {
		plan.head = bytes;
		plan.head_len = write_head(r, observe, bytes);
	}
	memset(&r->transfer, 0, sizeof r->transfer);
	r->transferring = true;
	transfer_begin(r->proxy, &r->transfer, calls, &plan);
}

void request_plain(struct http_request *r)
{
	request_transfer(r, &answer_calls, false);
}

/* ---- a new request ---- */

static struct http_request *request_new(struct http_connection *c, const struct http_head *head)
{
	const struct http_field *host = http_field_find(head, "Host");
	size_t host_len = host != NULL ? host->value.len : 0;
	struct http_request *r = memory_take(head->method.len + head->target.len + host_len);
	char *at;

	if (r == NULL)
		return NULL;
	r->connection = c;
	r->proxy = http_connection_proxy(c);
	r->conf = snapshot_keep(r->proxy->conf);
	r->arrived_at = clock_now();
	at = r->text;
	r->method = (struct http_text){ at, head->method.len };
	at = mempcpy(at, head->method.at, head->method.len);
	r->target = (struct http_text){ at, head->target.len };
	at = mempcpy(at, head->target.at, head->target.len);
	r->host = (struct http_text){ at, host_len };
	if (host_len > 0)
		memcpy(at, host->value.at, host_len);
	return r;
}

/* A server is asked in absolute-form too (RFC 9112 3.2.2): what stands in front of the path counts as Host. False if that names no host: it
 * might be read otherwise by whoever stands in front of this gateway (RFC 9110 4.2.4). */
static bool take_absolute_form(struct http_request *r)
{
	struct http_text target = r->target, authority;
	char host[URI_HOST_MAX + 1];
	size_t scheme = 0;

	if (target.len > 0 && target.at[0] == '/')
		return true;
	if (target.len >= 7 && strncasecmp(target.at, "http://", 7) == 0)
		scheme = 7;
	else if (target.len >= 8 && strncasecmp(target.at, "https://", 8) == 0)
		scheme = 8;
	if (scheme == 0)
		return true;
	authority = (struct http_text){ target.at + scheme, 0 };
	while (authority.len < target.len - scheme && authority.at[authority.len] != '/' && authority.at[authority.len] != '?')
		authority.len++;
	if (!http_host_read(authority, host))
		return false;
	r->host = authority;
	if (scheme + authority.len < target.len && authority.at[authority.len] == '/')
		r->target = (struct http_text){ authority.at + authority.len, target.len - scheme - authority.len };
	return true;
}

/* Finds the route and makes the CoAP request. ERR_NONE, or why not; *status is set where the head itself is at fault. */
static enum error translate(struct http_request *r, const struct http_head *head, unsigned *status, const char **why)
{
	const struct http_field *legacy = http_field_find(head, OSCORE_FIELD_LEGACY);
	uint8_t bytes[BLOCKS_HEAD_MAX];
	struct request_policy policy;
	struct http_decision d;
	struct http_question q;
	enum error e = ERR_TOO_LARGE;
	int code = method_of_http(head->method);
	size_t len;

	if (code == METHOD_NONE)
		return ERR_HTTP_METHOD;
	r->mapping.code = code == METHOD_QUERY ? CODE_FETCH : (uint8_t)code; /* whether it may be is the route's (map_request_read()) */
	r->mapping.oscore = legacy != NULL || http_field_find(head, OSCORE_FIELD) != NULL;
	r->mapping.legacy = legacy != NULL && http_field_find(head, OSCORE_FIELD) == NULL;
	request_fill_question(r, r->conf, &q);
	http_route_find(r->conf, &q, &d);
	if (d.route == NULL)
		return d.refused;
	r->route = d.route;
	policy = (struct request_policy){
		.media = { .loose = d.route->loose_media, .coap_payload = d.route->coap_payload }, .legacy_header = d.route->legacy_header,
		.query_is_fetch = d.route->query_is_fetch,
		.pseudonym = r->conf->settings.identity,
	};
	map_request_read(head, &policy, &r->mapping);
	if (r->mapping.refused != 0) {
		*status = r->mapping.refused;
		*why = r->mapping.why;
		return ERR_NONE;
	}
	len = map_request_write(&r->mapping, d.has_target ? &d.parts : NULL, 0, bytes, sizeof bytes, &e);
	if (len == 0)
		return e;
	return keep_head(r, bytes, len) ? ERR_NONE : ERR_OVERLOAD;
}

/* False if it cannot be told: the request is answered then. */
static bool identify(struct http_request *r, const struct http_head *head)
{
	const struct listener *l = snapshot_listener(r->conf, http_connection_slot(r->connection));

	r->client = *http_connection_peer(r->connection);
	if (!identity_of(r->connection, head, r->name, &r->proof))
		r->name[0] = '\0';
	if (l == NULL || identity_address(l, http_connection_peer(r->connection), head, &r->client))
		return true;
	reply_status(r, 400, "What the fields Forwarded and X-Forwarded-For say does not fit together", NULL);
	request_finish(r, false);
	return false;
}

static void begin_transfer(struct http_request *r, const struct http_head *head)
{
	if (r->mapping.has_body)
		http_connection_continue(r->connection);
	if (r->mapping.observe)
		events_begin(r, head);
	else if (r->mapping.wait > 0 && r->route->wait_limit > 0 && r->mapping.code == CODE_GET && !r->mapping.head_only)
		poll_begin(r);
	else if (r->mapping.has_body)
		request_plain(r); /* what comes of its body is judged while it is under way */
	else
		note_ready(r);
}

/* Answers at once, or begins to ask the device. */
static void begin(struct http_request *r, const struct http_head *head)
{
	unsigned status = 0;
	const char *why = NULL;
	bool has_host = take_absolute_form(r);
	enum error e;

	if (!identify(r, head))
		return;
	if (!has_host) {
		reply_error(r, ERR_BAD_URI);
		request_finish(r, false);
		return;
	}
	if (upgrade_answer(r, head) || cors_preflight(r, head))
		return;
	e = translate(r, head, &status, &why);
	if (e == ERR_NO_ROUTE && local_answer(r, head))
		return;
	if (r->route != NULL && !cors_admits(r, head) && e == ERR_NONE && status == 0)
		e = ERR_FORBIDDEN;
	if (status != 0 && r->mapping.error != ERR_NONE)
		reply_refused(r, status, why, NULL, r->mapping.error);
	else if (status != 0)
		reply_status(r, status, why, NULL);
	else if (e != ERR_NONE)
		reply_error(r, e);
	if (status != 0 || e != ERR_NONE) {
		request_finish(r, false);
		return;
	}
	r->body_limit = r->route->body_limit != 0 ? r->route->body_limit : r->conf->settings.http_body_limit;
	r->body_size = head->has_length ? head->length : BLOCKS_SIZE_UNKNOWN;
	if (head->has_length && head->length > r->body_limit) {
		reply_error(r, ERR_TOO_LARGE);
		request_finish(r, false);
		return;
	}
	begin_transfer(r, head);
}

struct http_request *http_request_begin(struct http_connection *c, const struct http_head *head)
{
	struct http_request *r = request_new(c, head);
	bool finished = false;

	if (r == NULL) {
		static const uint8_t busy[] = "HTTP/1.1 503 Service Unavailable\r\nCache-Control: no-store\r\n";

		http_connection_answer(c, 503, busy, sizeof busy - 1, 0);
		http_connection_answer_end(c);
		return NULL;
	}
	r->finished = &finished;
	begin(r, head);
	if (finished)
		return NULL;
	r->finished = NULL;
	return r;
}
