#include "proxy/http/origin.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proxy/exchange/errand.h"
#include "proxy/http/client.h"
#include "translate/map_request.h"
#include "translate/map_response.h"

enum {
	HEAD_MAX = 8192,      /* bytes of a request's line and fields */
	UNWANTED_MAX = 65536, /* bytes of a body that nobody wants, read so that the connection can be kept */
};

/* One errand under way. */
struct carried {
	struct carried *next, *previous;
	struct errand *errand;    /* NULL: it has its answer, the rest of the body is for nobody */
	struct http_ask *ask;
	const struct route *route; /* of the errand's configuration */
	bool oscore;              /* the answer is an OSCORE message */
	uint64_t got;             /* bytes of its body */
	char target[URI_MAX + 1];
	struct uri uri;           /* views `target` */
	size_t message_len;
	uint8_t message[];        /* the CoAP request: what the answer is to be is seen from it */
};

static struct carried *all;
static struct proxy *served;

static void forget(struct carried *c)
{
	if (c->previous != NULL)
		c->previous->next = c->next;
	else
		all = c->next;
	if (c->next != NULL)
		c->next->previous = c->previous;
	free(c);
}

/* Ends the errand; *c is gone. */
static void give_up(struct carried *c, enum error e)
{
	struct errand *errand = c->errand;

	http_ask_leave(c->ask);
	forget(c);
	if (errand != NULL)
		errand_end(errand, e);
}

/* ---- the answer ---- */

/* Of the body that is for the client. */
static uint64_t size_of(const struct http_head *head, const struct origin_answer *answer)
{
	if (answer->drop_body || head->status == 204 || head->status == 304)
		return 0;
	return head->has_length ? head->length : ERRAND_SIZE_UNKNOWN;
}

static void on_head(void *owner, const struct http_head *head)
{
	struct carried *c = owner;
	struct errand *errand = c->errand;
	uint8_t bytes[MSG_DATAGRAM_MAX];
	struct origin_answer answer = { 0 };
	struct msg_view request, m;
	struct origin_question q = { .request = &request, .media.loose = c->route->loose_media, .legacy_header = c->route->legacy_header,
		.target = &c->uri };
	enum error e;

	if (msg_parse_datagram(&request, c->message, c->message_len) != MSG_OK)
		log_fatal("origin: a request of our own cannot be read");
	e = map_response_of_http(head, &q, bytes, sizeof bytes, &answer);
	if (e != ERR_NONE) {
		give_up(c, e);
		return;
	}
	if (msg_parse_datagram(&m, bytes, answer.len) != MSG_OK)
		log_fatal("origin: an answer of our own cannot be read");
	c->oscore = msg_option(&m, OPT_OSCORE) != NULL;
	/* Nobody has protected this: its client would not take it (RFC 8613 8.4). */
	if (MSG_CLASS(m.code) == 2 && !c->oscore && msg_option(&request, OPT_OSCORE) != NULL) {
		give_up(c, ERR_BAD_RESPONSE);
		return;
	}
	if (answer.drop_body)
		c->errand = NULL;
	errand_head(errand, bytes, answer.len, size_of(head, &answer), answer.drop_body);
}

static void on_data(void *owner, const uint8_t *bytes, size_t len)
{
	struct carried *c = owner;

	c->got += len;
	if (c->errand != NULL)
		errand_data(c->errand, bytes, len);
	else if (c->got > UNWANTED_MAX)
		give_up(c, ERR_NONE);
}

static size_t room(void *owner)
{
	struct carried *c = owner;

	return c->errand != NULL ? errand_room(c->errand) : SIZE_MAX;
}

static void on_writable(void *owner)
{
	struct carried *c = owner;

	if (c->errand != NULL)
		errand_writable(c->errand);
}

static void on_end(void *owner, enum error e)
{
	struct carried *c = owner;
	struct errand *errand = c->errand;

	/* An OSCORE message has content (RFC 8613 4.2). */
	if (e == ERR_NONE && c->oscore && c->got == 0)
		e = ERR_BAD_RESPONSE;
	forget(c);
	if (errand != NULL)
		errand_end(errand, e);
}

static const struct http_ask_calls calls = { .head = on_head, .data = on_data, .room = room, .writable = on_writable, .end = on_end };

/* ---- the request ---- */

static struct carried *new_carried(struct errand *e, const struct errand_request *r)
{
	struct carried *c = calloc(1, sizeof *c + r->m->len);
	char host[URI_HOST_MAX + 1];
	int len;

	if (c == NULL || r->host.len > URI_HOST_MAX) {
		free(c);
		return NULL;
	}
	memcpy(host, r->host.at, r->host.len);
	host[r->host.len] = '\0';
	len = uri_compose(r->m, r->scheme, host, r->address.port, c->target, sizeof c->target);
	if (len <= 0 || uri_parse(&c->uri, c->target, (size_t)len) != URI_OK) {
		free(c);
		return NULL;
	}
	c->errand = e;
	c->route = r->route;
	memcpy(c->message, r->m->bytes, r->m->len);
	c->message_len = r->m->len;
	return c;
}

static enum error ask(struct carried *c, const struct errand_request *r)
{
	uint8_t head[HEAD_MAX];
	struct writer w;
	struct http_request_plan plan = { .head = head, .body_size = r->size, .timeout = r->route->timeout };
	const struct http_target target = { .uri = &c->uri, .has_body = r->size > 0, .query_is_fetch = r->route->query_is_fetch,
		.legacy_header = r->route->legacy_header, .pseudonym = r->conf->settings.identity };
	enum error e;

	writer_init(&w, head, sizeof head);
	e = map_request_write_http(&w, r->m, &target);
	if (e != ERR_NONE || w.failed)
		return e != ERR_NONE ? e : ERR_TOO_LARGE;
	plan.head_len = writer_length(&w);
	plan.safe = r->m->code == CODE_GET && r->size == 0;
	plan.to.address = r->address;
	plan.to.secure = uri_schemes[r->scheme].secure;
	memcpy(plan.to.host, r->host.at, r->host.len);
	c->ask = http_ask_begin(&plan, &calls, c);
	return c->ask != NULL ? ERR_NONE : ERR_OVERLOAD;
}

static enum error begin(struct errand *e, const struct errand_request *r)
{
	struct carried *c = new_carried(e, r);
	enum error error = c != NULL ? ask(c, r) : ERR_BAD_URI;

	if (error != ERR_NONE) {
		free(c);
		return error;
	}
	c->next = all;
	if (all != NULL)
		all->previous = c;
	all = c;
	errand_set_carried(e, c);
	return ERR_NONE;
}

static size_t body_room(const struct errand *e)
{
	const struct carried *c = errand_carried(e);

	return http_ask_room(c->ask);
}

static void body(struct errand *e, const uint8_t *bytes, size_t len, bool last)
{
	struct carried *c = errand_carried(e);

	http_ask_body(c->ask, bytes, len, last);
}

static void more(struct errand *e)
{
	struct carried *c = errand_carried(e);

	http_ask_continue(c->ask);
}

static void leave(struct errand *e)
{
	struct carried *c = errand_carried(e);

	http_ask_leave(c->ask);
	forget(c);
}

static const struct errand_carrier carrier = { .schemes = 1u << URI_HTTP | 1u << URI_HTTPS, .announces = true, .begin = begin, .room = body_room,
	.body = body, .more = more, .leave = leave };

/* ---- the process ---- */

void http_origin_open(struct proxy *p)
{
	served = p;
	p->carrier = &carrier;
}

void http_origin_close(void)
{
	if (served != NULL)
		served->carrier = NULL;
	served = NULL;
	while (all != NULL) {
		http_ask_leave(all->ask);
		forget(all);
	}
}
