#include "proxy/exchange/reading_state.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/decide/inner.h"
#include "proxy/exchange/client.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/requester.h"

/* ---- life ---- */

/* Those of exchanges, and those that questions under way have outlived them with. */
static uint32_t most_of(const struct settings *s)
{
	uint64_t most = (uint64_t)s->exchanges + s->reader_queue;

	return most < SLAB_NONE >> 8 ? (uint32_t)most : SLAB_NONE >> 8;
}

static struct slab *slab_of(struct proxy *p)
{
	if (p->readings == NULL)
		p->readings = calloc(1, sizeof *p->readings);
	if (p->readings == NULL)
		return NULL;
	if (p->readings->slab == NULL)
		p->readings->slab = slab_create(sizeof(struct reading), most_of(&p->conf->settings));
	return p->readings->slab;
}

static void release(struct reading *d)
{
	struct proxy *p = d->proxy;

	wheel_cancel(&d->timer);
	buffers_drop(p->buffers, &d->long_option);
	buffers_drop(p->buffers, &d->path);
	buffers_drop(p->buffers, &d->line);
	buffers_drop(p->buffers, &d->message);
	snapshot_release(d->conf);
	slab_free(p->readings->slab, d->index);
}

void reading_check(struct reading *d)
{
	if (d->asked > 0 || d->held)
		return;
	if (d->line.bytes != NULL && (d->answered || d->exchange == NULL) && !d->awaits_rest)
		reading_write_line(d);
	if (d->exchange == NULL && !d->awaits_line && d->line.bytes == NULL)
		release(d);
}

static void on_timer(struct wheel_timer *t)
{
	struct reading *d = wheel_owner(t, struct reading, timer);

	d->awaits_line = d->awaits_rest = false;
	reading_check(d);
}

/* It may have been released. */
static struct reading *reading_of(const struct proxy *p, uint64_t handle)
{
	struct reading *d = p->readings != NULL && p->readings->slab != NULL ? slab_get(p->readings->slab, (uint32_t)handle) : NULL;

	return d != NULL && d->serial == handle >> 32 ? d : NULL;
}

static uint64_t handle_of(const struct reading *d)
{
	return (uint64_t)d->serial << 32 | d->index;
}

/* Takes the option of a request. Returns 0, or -1 if there is none that can be kept. */
static int keep_option(struct reading *d, const struct msg_view *m)
{
	const struct msg_option *option = msg_option(m, OPT_OSCORE);

	buffers_drop(d->proxy->buffers, &d->long_option);
	if (option == NULL || option->len > OSCORE_OPTION_MAX)
		return -1;
	d->option_len = (uint8_t)option->len;
	if (option->len > sizeof d->option)
		return buffers_keep(d->proxy->buffers, &d->long_option, option->value, option->len);
	if (option->len > 0)
		memcpy(d->option, option->value, option->len);
	return 0;
}

/* The request that the origin of the observation x has, if it was kept. */
static bool read_registration(const struct exchange *x, struct msg_view *m)
{
	const struct buffer *kept = x->observation != NULL ? &x->observation->message : NULL;
	const struct msg_option *option;

	if (kept == NULL || kept->bytes == NULL || msg_parse_datagram(m, kept->bytes, kept->len) != MSG_OK)
		return false;
	option = msg_option(m, OPT_OSCORE);
	return option != NULL && option->len <= OSCORE_OPTION_MAX;
}

void reading_refused_again(struct exchange *x)
{
	struct reading *d = x->reading;
	struct msg_view m;

	if (d == NULL)
		return;
	if (!read_registration(x, &m) || keep_option(d, &m) < 0) {
		reading_end(x);
		return;
	}
	d->answered = true;
	reading_check(d);
}

static struct reading *create(struct proxy *p, struct exchange *x)
{
	struct slab *slab = slab_of(p);
	uint32_t index;
	struct reading *d = slab != NULL ? slab_new(slab, &index) : NULL;

	if (d == NULL)
		return NULL;
	d->index = index;
	d->proxy = p;
	p->readings->serial = p->readings->serial < UINT32_MAX ? p->readings->serial + 1 : 1;
	d->serial = p->readings->serial;
	d->timer.run = on_timer;
	d->exchange = x;
	d->client = x->client->peer;
	d->listener = x->client->listener;
	x->reading = d;
	return d;
}

static void put_under(struct reading *d, struct exchange *x)
{
	struct snapshot *before = d->conf;

	d->conf = snapshot_keep(x->conf);
	d->route = x->route;
	snapshot_release(before);
	if (d->number == 0 && d->route->read->feed != NULL)
		d->number = feed_exchange_number(d->proxy);
}

/* What was known of a request before. */
static void clear(struct reading *d)
{
	if (d->line.bytes != NULL)
		reading_write_line(d);
	buffers_drop(d->proxy->buffers, &d->path);
	d->round++;
	d->answered = d->request_asked = false;
	d->wait = READING_WAITS_FOR_NOTHING;
	d->request = d->response = READING_UNASKED;
	d->seen = false;
	d->method = d->code = CODE_EMPTY;
	d->counted_path = READ_PATH_NONE;
	d->rest = 0;
}

static void await_line(struct reading *d, struct exchange *x)
{
	if (x->requester == NULL || x->route->access_log == ACCESS_NONE)
		return;
	d->awaits_line = true;
	x->requester->reading = handle_of(d);
}

static struct reading *begin(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	struct reading *d = x->reading != NULL ? x->reading : create(p, x);

	if (d == NULL)
		return NULL;
	put_under(d, x);
	clear(d);
	if (keep_option(d, m) == 0)
		return d;
	reading_end(x);
	return NULL;
}

struct reading *reading_begin(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	struct reading *d = begin(p, x, m);

	if (d != NULL)
		await_line(d, x);
	return d;
}

void reading_end(struct exchange *x)
{
	struct reading *d = x->reading;
	const struct endpoint *origin = exchange_origin_peer(x);

	if (d == NULL)
		return;
	x->reading = NULL;
	d->exchange = NULL;
	d->wait = READING_WAITS_FOR_NOTHING;
	d->errand = NULL;
	buffers_drop(d->proxy->buffers, &d->message);
	if (origin != NULL) {
		d->origin = *origin;
		d->has_origin = true;
	}
	if (d->awaits_line || d->awaits_rest)
		wheel_set(d->proxy->wheel, &d->timer, clock_now() + READING_LINE_PATIENCE);
	reading_check(d);
}

void reading_renew(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	if (!reading_wants(x))
		reading_end(x);
	else if (x->reading != NULL)
		put_under(x->reading, x);
	else if (m != NULL)
		(void)reading_begin(p, x, m);
	if (x->reading != NULL && m != NULL && conf_read_is_gate(x->route->read))
		reading_gate_renewed(x->reading, m);
}

/* ---- asking ---- */

static void on_settled(struct reader_ticket *t, const struct opening_answer *a, enum error e)
{
	struct reading *d = t->owner;
	enum reading_kind kind = t->kind % READING_KINDS;
	bool current = t->kind / READING_KINDS == d->round % (256 / READING_KINDS);
	bool judged = d->wait != READING_WAITS_FOR_NOTHING && d->awaited == t;
	enum error refused = judged ? reading_judge(d, a, e) : ERR_NONE;

	d->asked--;
	if (kind != READING_AGAIN)
		reading_tell(d, kind, current, t, a, a != NULL ? (enum reading_result)a->verdict : READING_MISSED, refused);
	if (judged) {
		d->held = true;
		reading_decided(d, refused, a != NULL);
		d->held = false;
	}
	reading_check(d);
}

static bool is_request(enum reading_kind kind)
{
	return kind == READING_REQUEST || kind == READING_AGAIN;
}

/* What is asked for: what the route names, and what its rules need. */
static uint32_t fields_of(const struct read_conf *r, enum reading_kind kind)
{
	return r->fields | (is_request(kind) ? inner_needed(r) : 0);
}

const struct reader_ticket *reading_ask(struct reading *d, enum reading_kind kind, struct opening_question *q, uint64_t patience,
	enum error *e)
{
	const struct read_conf *r = d->route->read;
	struct reader_ticket *t;

	q->set = r->contexts->id;
	q->fields = fields_of(r, kind);
	q->verify = r->verify && q->fields == 0;
	q->response = !is_request(kind);
	if (q->response && q->request_option == NULL) {
		q->request_option = reading_option(d);
		q->request_option_len = d->option_len;
	}
	t = reader_link_ask(d->proxy, q, patience, on_settled, e);
	if (t == NULL)
		return NULL;
	t->owner = d;
	t->kind = (uint8_t)(kind + d->round * READING_KINDS);
	if (d->number != 0 && q->response && q->option_len <= sizeof t->note) {
		t->note_len = q->option_len;
		memcpy(t->note, q->option, q->option_len);
	}
	d->asked++;
	d->request_asked = d->request_asked || kind == READING_REQUEST;
	return t;
}

/* ---- outer blocks ---- */

/* Of the messages of one client with this option, which blocks repeat (RFC 8613 4.1.3.4.2). */
static uint64_t key_of(const struct proxy *p, const struct exchange *x, const uint8_t *option, size_t len)
{
	return hash_mix(&p->hash_key, (uint64_t)x->route->metrics_slot << 32 | x->client->hash, option, len);
}

/* Returns false if m is no part of something. */
static bool read_block(const struct msg_view *m, uint16_t number, struct opt_block *b)
{
	const struct msg_option *o = msg_option(m, number);

	return o != NULL && opt_block_parse(b, o) == 0 && (b->num > 0 || b->more);
}

/* Returns the body, if it is whole now. */
static struct gather *gather_request(struct proxy *p, const struct exchange *x, const struct msg_view *m)
{
	const struct msg_option *option = msg_option(m, OPT_OSCORE);
	struct gather *g = NULL;
	struct opt_block b;

	if (slab_of(p) == NULL || option == NULL || !read_block(m, OPT_BLOCK1, &b))
		return NULL;
	return gather_block(p->readings, key_of(p, x, option->value, option->len), &b, m, &g) == GATHER_WHOLE ? g : NULL;
}

void reading_tap_block(struct proxy *p, const struct exchange *x, const struct msg_view *m)
{
	(void)gather_request(p, x, m);
}

/* ---- taps ---- */

static void tap(struct reading *d, enum reading_kind kind, const struct msg_option *option, const uint8_t *payload, size_t len)
{
	struct opening_question q = { .option = option->value, .option_len = (uint8_t)option->len, .payload = payload,
		.payload_len = (uint32_t)len };
	struct msg_view registration;
	enum error e;

	/* Of the refresh that waits the origin knows nothing yet. */
	if (kind == READING_NOTIFICATION && d->wait == READING_GATE_AGAIN && read_registration(d->exchange, &registration)) {
		const struct msg_option *asked = msg_option(&registration, OPT_OSCORE);

		q.request_option = asked->value;
		q.request_option_len = (uint8_t)asked->len;
	}
	if (option->len > OSCORE_OPTION_MAX || len > OPENING_PAYLOAD_MAX || !reading_ask(d, kind, &q, READING_TAP_PATIENCE, &e))
		reading_tell(d, kind, true, NULL, NULL, READING_MISSED, ERR_NONE);
}

struct reading *reading_tap_begin(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	struct reading *d = reading_begin(p, x, m);

	if (d != NULL) {
		d->held = true;
		d->gather = gather_request(p, x, m);
	} else {
		proxy_count(p, COUNT_READ_MISSED);
	}
	return d;
}

struct reading *reading_follow(struct proxy *p, struct exchange *x, const struct msg_view *m)
{
	struct reading *d = begin(p, x, m);

	if (d != NULL)
		d->held = true;
	return d;
}

void reading_followed(struct reading *d)
{
	d->held = false;
	reading_check(d);
}

void reading_tap(struct reading *d, const struct msg_view *m, bool whole)
{
	const struct msg_option *option = msg_option(m, OPT_OSCORE);

	if (whole && !d->request_asked)
		tap(d, READING_REQUEST, option, m->payload, m->payload_len);
	else if (d->gather != NULL && !d->request_asked)
		tap(d, READING_REQUEST, option, d->gather->bytes, d->gather->len);
	else if (!d->request_asked) /* nor has an errand had all of it (reading_tap_body()) */
		reading_tell(d, READING_REQUEST, true, NULL, NULL, READING_PARTIAL, ERR_NONE);
	if (d->gather != NULL)
		gather_drop(d->gather);
	d->gather = NULL;
	reading_followed(d);
}

void reading_tap_body(struct exchange *x, const struct msg_view *head, const uint8_t *body, size_t len)
{
	const struct msg_option *option = msg_option(head, OPT_OSCORE);

	if (x->reading != NULL && !x->reading->request_asked && option != NULL)
		tap(x->reading, READING_REQUEST, option, body, len);
}

/* ---- answers ---- */

/* The client asks for the rest of it by requests that cannot be read. */
static void note_passed(const struct reading *d, const struct exchange *x)
{
	uint64_t key = key_of(d->proxy, x, reading_option(d), d->option_len);

	d->proxy->readings->passed[key % READING_PASSED].key = key;
	d->proxy->readings->passed[key % READING_PASSED].until = clock_now() + EXCHANGE_LIFETIME;
}

bool reading_has_passed(const struct exchange *x, const struct msg_view *m)
{
	const struct msg_option *option = msg_option(m, OPT_OSCORE);
	const struct readings *all = x->proxy->readings;
	uint64_t key;

	if (all == NULL || option == NULL || m->payload_len > 0)
		return false;
	key = key_of(x->proxy, x, option->value, option->len);
	return all->passed[key % READING_PASSED].key == key && all->passed[key % READING_PASSED].until > clock_now();
}

static void begin_rest(struct reading *d, struct gather *g)
{
	d->rest = g->key;
	g->number = d->number;
	g->first = handle_of(d);
	g->method = d->method;
	g->counted_path = d->counted_path;
	d->response = READING_PARTIAL;
	d->awaits_rest = d->awaits_line;
}

void reading_tell_rest(const struct reading *d)
{
	struct gather *g = d->rest != 0 ? gather_find(d->proxy->readings, d->rest) : NULL;

	if (g == NULL || g->first != handle_of(d))
		return;
	g->method = d->method;
	g->counted_path = d->counted_path;
}

/* The reading that the whole answer belongs to: that of the request, if it is there, else the last block's. */
static struct reading *end_rest(struct reading *d, const struct gather *g)
{
	struct reading *first = reading_of(d->proxy, g->first);

	if (first != NULL) {
		first->awaits_rest = false;
		return first;
	}
	d->number = g->number != 0 ? g->number : d->number;
	d->method = g->method;
	d->counted_path = g->counted_path;
	return d;
}

/* A block of an answer. The line of its request says that it is partial, unless that waits for the whole. */
static void on_answer_block(struct reading *d, const struct exchange *x, enum reading_kind kind, const struct msg_view *m,
	const struct opt_block *b)
{
	/* not the request's own */
	uint64_t key = ~key_of(d->proxy, x, reading_option(d), d->option_len);
	struct reading *whose;
	struct gather *g;

	switch (gather_block(d->proxy->readings, key, b, m, &g)) {
	case GATHER_MORE:
		if (b->num == 0)
			begin_rest(d, g);
		return;
	case GATHER_WHOLE:
		whose = end_rest(d, g);
		tap(whose, kind, msg_option(m, OPT_OSCORE), g->bytes, g->len);
		gather_drop(g);
		if (whose != d)
			reading_check(whose);
		return;
	case GATHER_BROKEN:
		reading_tell(d, kind, true, NULL, NULL, READING_PARTIAL, ERR_NONE);
		return;
	case GATHER_NONE:
		return;
	}
}

void reading_expect_rest(struct exchange *x, const struct msg_view *m)
{
	struct opt_block b;

	if (read_block(m, OPT_BLOCK2, &b) && b.more)
		note_passed(x->reading, x);
}

void reading_read_answer(struct exchange *x, const struct msg_view *m, bool notification)
{
	enum reading_kind kind = notification ? READING_NOTIFICATION : READING_RESPONSE;
	const struct msg_option *option = msg_option(m, OPT_OSCORE);
	const struct endpoint *origin = exchange_origin_peer(x);
	struct reading *d = x->reading;
	struct opt_block b;

	if (origin != NULL && !d->has_origin) {
		d->origin = *origin;
		d->has_origin = true;
	}
	d->answered = true;
	if (option != NULL && read_block(m, OPT_BLOCK2, &b))
		on_answer_block(d, x, kind, m, &b);
	else if (option != NULL && m->payload_len > 0)
		tap(d, kind, option, m->payload, m->payload_len);
	reading_check(d);
}

/* ---- the access log ---- */

bool reading_keep_line(struct exchange *x, const char *text, size_t len)
{
	struct reading *d = x->reading;

	if (d->line.bytes != NULL)
		reading_write_line(d);
	d->answered = false;
	return buffers_keep(d->proxy->buffers, &d->line, (const uint8_t *)text, len) == 0;
}

bool reading_keep_requesters_line(struct proxy *p, uint64_t reading, const char *text, size_t len)
{
	struct reading *d = reading_of(p, reading);

	if (d == NULL || !d->awaits_line || buffers_keep(p->buffers, &d->line, (const uint8_t *)text, len) < 0)
		return false;
	if (!d->awaits_rest)
		wheel_cancel(&d->timer);
	d->awaits_line = false;
	reading_check(d);
	return true;
}

/* ---- all of them ---- */

void readings_renew(struct proxy *p)
{
	if (p->readings != NULL && p->readings->slab != NULL)
		slab_set_limit(p->readings->slab, most_of(&p->conf->settings));
}

uint32_t readings_count(const struct proxy *p)
{
	return p->readings != NULL && p->readings->slab != NULL ? slab_count(p->readings->slab) : 0;
}

static void end_one(void *object, uint32_t index, void *arg)
{
	struct reading *d = object;

	(void)index, (void)arg;
	if (d->line.bytes != NULL)
		reading_write_line(d);
	release(d);
}

void readings_destroy(struct proxy *p)
{
	if (p->readings == NULL)
		return;
	if (p->readings->slab != NULL)
		slab_each(p->readings->slab, end_one, NULL);
	for (unsigned i = 0; i < READING_GATHERS; i++)
		gather_drop(&p->readings->gathers[i]);
	slab_destroy(p->readings->slab);
	free(p->readings);
	p->readings = NULL;
}
