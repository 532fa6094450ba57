#include "proxy/exchange/errand.h"

#include <string.h>

#include "base/random.h"
#include "proxy/exchange/errand_state.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/reachability.h"
#include "proxy/exchange/reading.h"
#include "proxy/exchange/respond.h"

enum {
	WINDOW_SHORT = 4 * ERRAND_BLOCK, /* of a window while memory is short, or for a client who was never seen: enough to go on */
	BEHIND_SHARE = 4,         /* of a window one part in so many lies before the block asked for, so that it can be asked for again */
	AHEAD_MAX = 16 << 20,     /* bytes of an answer that are passed over to come to a block */
	AHEAD_UNVERIFIED = 65536, /* the same for a client who was never seen: an origin is not to be asked for much in another's name */
};

/* ---- life ---- */

uint64_t errand_body_limit(const struct errand *e)
{
	uint64_t limit = e->route->body_limit != 0 ? e->route->body_limit : e->conf->settings.http_body_limit;

	return e->unread && e->route->read->body_limit < limit ? e->route->read->body_limit : limit;
}

/* How long x may wait. Where it is carried by exchanges of this layer these end in time by themselves, and this one behind them. */
static uint64_t patience(const struct errand *e, const struct exchange *x)
{
	return x->route->timeout + (e->own_carrier != NULL ? x->route->timeout_acknowledged : 0);
}

static void attach(struct errand *e, struct exchange *x, const struct outer_request *r)
{
	exchange_set_state(x, EXCHANGE_SERVED);
	x->errand = e;
	x->body_key = 0; /* what it is answered with fits */
	x->upload_block = r->block1;
	x->sent_at = clock_now();
	x->deadline = x->arrived_at + patience(e, x);
	x->next = NULL;
	if (e->last != NULL)
		e->last->next = x;
	else
		e->first = x;
	e->last = x;
	e->asked = errand_wanted(x);
	exchange_schedule(x->proxy, x);
}

void errand_detach(struct errand *e, struct exchange *x)
{
	struct exchange *before = NULL;

	for (struct exchange *at = e->first; at != NULL && at != x; at = at->next)
		before = at;
	if (before != NULL)
		before->next = x->next;
	else
		e->first = x->next;
	if (e->last == x)
		e->last = before;
	x->next = NULL;
}

void errand_answered(struct exchange *x)
{
	x->errand = NULL; /* which may be gone by now */
	exchange_free(x->proxy, x);
}

void errand_refuse(struct errand *e, struct exchange *x, enum error error)
{
	errand_detach(e, x);
	if (error == ERR_TOO_LARGE)
		x->size_limit = errand_body_limit(e);
	respond_error(x->proxy, x, error, 0);
	errand_answered(x);
}

/* A client who asks for nothing more holds the origin for a while, and what is here for longer. */
static void schedule(struct errand *e)
{
	uint64_t wait = e->answered && !e->ended ? e->conf->settings.http_stall : EXCHANGE_LIFETIME;

	if (e->first != NULL)
		wheel_cancel(&e->timer);
	else if (e->client->gone)
		wheel_set(e->proxy->wheel, &e->timer, clock_now());
	else
		wheel_set(e->proxy->wheel, &e->timer, clock_now() + wait);
}

static void on_timer(struct wheel_timer *t)
{
	struct errand *e = wheel_owner(t, struct errand, timer);

	if (!e->answered || e->ended) {
		errand_release(e);
		return;
	}
	errand_leave_carrier(e);
	e->ended = true;
	e->error = ERR_BODY_INCOMPLETE;
	schedule(e);
}

/* ---- going on ---- */

/* What happens to an errand happens between hold() and let_go(). An answer may bring the next request, and the carrier may speak, before they
 * return: the outermost call goes on, and frees what is over. */
static bool hold(struct errand *e)
{
	bool outermost = !e->running;

	e->running = true;
	return outermost;
}

static void let_go(struct errand *e, bool outermost)
{
	if (!outermost)
		return;
	e->running = false;
	if (e->dead)
		errand_release(e);
	else
		schedule(e);
}

void errand_fail(struct errand *e, enum error error)
{
	bool outermost = hold(e);

	e->dead = true;
	errand_unlist(e);
	while (e->first != NULL)
		errand_refuse(e, e->first, error);
	let_go(e, outermost);
}

static bool is_final(const struct errand *e)
{
	return e->answered && (e->ended || MSG_CLASS(e->answer.bytes[1]) >= 4);
}

/* One step that needs nobody to wait for. */
static bool step(struct errand *e)
{
	if (e->hungry && e->carried != NULL)
		errand_carrier_of(e)->more(e);
	e->hungry = false;
	errand_feed(e);
	for (struct exchange *x = e->first; x != NULL && !e->dead; x = x->next) {
		bool goes_on = x->block1 == 2 && !is_final(e);

		if (goes_on ? errand_upload_step(e, x) : errand_answer_step(e, x)) {
			e->hungry = e->first != NULL; /* of those that wait now another one may be the first */
			return true;
		}
	}
	return false;
}

static void run(struct errand *e)
{
	if (!hold(e))
		return;
	while (!e->dead && step(e))
		;
	let_go(e, true);
}

/* Where the first block begins that is waited for. */
static uint64_t first_wanted(const struct errand *e)
{
	uint64_t wanted = e->first != NULL ? UINT64_MAX : e->asked;

	for (const struct exchange *x = e->first; x != NULL; x = x->next)
		if (errand_wanted(x) < wanted)
			wanted = errand_wanted(x);
	return wanted;
}

/* ---- what a carrier tells ---- */

void errand_set_carried(struct errand *e, void *carried)
{
	e->carried = carried;
}

void *errand_carried(const struct errand *e)
{
	return e->carried;
}

const struct endpoint *errand_peer(const struct errand *e)
{
	return &e->peer;
}

void errand_head(struct errand *e, const uint8_t *bytes, size_t len, uint64_t size, bool last)
{
	uint64_t limit = errand_body_limit(e);

	if (last)
		e->carried = NULL;
	if (size != ERRAND_SIZE_UNKNOWN && size > limit) {
		errand_fail(e, ERR_RESPONSE_SIZE);
		return;
	}
	if (buffers_keep(e->proxy->buffers, &e->answer, bytes, len) < 0) {
		errand_fail(e, ERR_OVERLOAD);
		return;
	}
	e->answered = true;
	e->ended = last;
	e->answered_at = clock_now();
	e->size = size;
	random_bytes(e->tag, sizeof e->tag);
	run(e);
}

size_t errand_room(struct errand *e)
{
	bool whole = edge_of(&e->client->peer)->reliable && !edge_takes_blocks(0, &e->client->peer); /* else it would never have all of it */
	bool small = !whole && (errands_are_short(e->proxy) || !reachability_is_verified(e->client));
	size_t most = small ? WINDOW_SHORT : ERRAND_WINDOW;
	uint64_t wanted = first_wanted(e), behind = most / BEHIND_SHARE;

	if (e->window.len >= most / 2)
		window_forget(e, &e->window, wanted > behind ? wanted - behind : 0);
	return e->window.len < most ? most - e->window.len : 0;
}

/* The rest of the answer is not to be had. */
static void cut(struct errand *e, enum error error)
{
	errand_leave_carrier(e);
	e->ended = true;
	e->error = error;
}

void errand_data(struct errand *e, const uint8_t *bytes, size_t len)
{
	if (e->window.offset + e->window.len + len > errand_body_limit(e))
		cut(e, ERR_RESPONSE_SIZE);
	else if (window_add(e, &e->window, bytes, len) < 0)
		cut(e, ERR_OVERLOAD);
	run(e);
}

void errand_writable(struct errand *e)
{
	run(e);
}

void errand_progress(struct errand *e)
{
	for (struct exchange *x = e->first; x != NULL; x = x->next) {
		x->deadline = clock_now() + patience(e, x);
		exchange_schedule(e->proxy, x);
	}
}

/* Where there are other origins, this one is passed over for a while. */
static void note_failure(const struct errand *e, enum error error)
{
	struct origin *o = e->route->rest > 0 && e->route->to_count > 1 ? origin_get(e->proxy, &e->peer, origin_key(e->proxy, &e->peer)) : NULL;

	if (o != NULL && (error == ERR_UNREACHABLE || error == ERR_ORIGIN_TIMEOUT))
		origin_failed(o, e->route->rest);
}

void errand_end(struct errand *e, enum error error)
{
	e->carried = NULL;
	if (!e->answered) {
		note_failure(e, error);
		errand_fail(e, error != ERR_NONE ? error : ERR_BAD_RESPONSE);
		return;
	}
	e->ended = true;
	e->error = error;
	run(e);
}

void errand_judged(struct errand *e, enum error error)
{
	if (!e->unread)
		return;
	if (error != ERR_NONE) {
		errand_fail(e, error);
		return;
	}
	e->unread = false;
	run(e);
}

/* ---- exchanges ---- */

void errand_forget(struct exchange *x)
{
	struct errand *e = x->errand;

	errand_detach(e, x);
	x->errand = NULL;
	if (e->running || e->first != NULL)
		return;
	/* It gave up waiting for an answer, and so does the errand. */
	if (e->uploaded && !e->answered) {
		note_failure(e, ERR_ORIGIN_TIMEOUT);
		errand_release(e);
	} else {
		schedule(e);
	}
}

bool errand_is_carried(const struct proxy *p, enum uri_scheme scheme)
{
	return p->carrier != NULL && p->carrier->schemes >> scheme & 1;
}

static void refuse(struct exchange *x, enum error error)
{
	struct proxy *p = x->proxy;

	respond_error(p, x, error, 0);
	exchange_free(p, x);
}

/* The next block of a body. */
static bool continue_upload(struct errand *e, struct exchange *x, const struct errand_ask *ask)
{
	bool outermost;
	enum error error;

	if (e == NULL) {
		refuse(x, ERR_BODY_INCOMPLETE);
		return true;
	}
	outermost = hold(e);
	errand_touch(e);
	attach(e, x, ask->r);
	error = errand_upload(e, x, ask);
	if (error != ERR_NONE)
		errand_refuse(e, x, error);
	/* What is of no more use goes; after a gap the missing block may still come. */
	if (error != ERR_NONE && error != ERR_BODY_INCOMPLETE && error != ERR_OVERLOAD)
		errand_fail(e, error);
	let_go(e, outermost);
	if (error == ERR_NONE)
		run(e);
	return true;
}

static uint64_t ahead_of(const struct exchange *x)
{
	return reachability_is_verified(x->client) ? AHEAD_MAX : AHEAD_UNVERIFIED;
}

/* Whether the block that x asks for is here, or may come. */
static bool has_block(const struct errand *e, const struct exchange *x)
{
	uint64_t from = errand_wanted(x), end = e->window.offset + e->window.len;

	if (from < e->window.offset || (!e->ended && from > end + ahead_of(x)))
		return false;
	if (e->rest)
		return from < end;
	if (!e->ended || e->error == ERR_NONE || e->error == ERR_RESPONSE_SIZE)
		return true;
	return from + opt_block_unit(x->block2.szx) < end; /* before a cut whole blocks are here, and no last one */
}

static bool continue_answer(struct errand *e, struct exchange *x, const struct errand_ask *ask)
{
	bool again = x->code == CODE_GET && !x->oscore; /* may be asked anew, up to the block */

	if (e == NULL || !e->uploaded || (e->answered && !has_block(e, x))) {
		if ((again && errand_wanted(x) <= ahead_of(x)) || (e != NULL && e->rest))
			return false;
		refuse(x, ERR_BODY_INCOMPLETE);
		return true;
	}
	errand_touch(e);
	attach(e, x, ask->r);
	e->hungry = true;
	run(e);
	return true;
}

bool errand_is_known(const struct proxy *p, const struct client *c, uint64_t key)
{
	return errand_find(p, c, key) != NULL;
}

bool errand_continue(struct proxy *p, struct exchange *x, const struct errand_ask *ask)
{
	struct errand *e = errand_find(p, x->client, ask->key);
	bool later = x->has_block2 && (x->block2.num > 0 || (x->oscore && ask->m->payload_len == 0));

	if (x->block1 != 0 && ask->r->block1.num > 0)
		return continue_upload(e, x, ask);
	if (x->block1 == 0 && later && continue_answer(e, x, ask))
		return true;
	/* A new one in its place. */
	if (e == NULL)
		return false;
	if (e->first == NULL)
		errand_release(e);
	else
		errand_unlist(e);
	return false;
}

/* ---- new ones ---- */

/* What both beginnings know: the client, what he asks for, and by what rules. */
static void fill(struct errand *e, const struct exchange *x, uint64_t key)
{
	e->proxy = x->proxy;
	e->timer.run = on_timer;
	e->client = x->client;
	e->client->errands++;
	e->local = x->local;
	e->conf = snapshot_keep(x->conf);
	e->route = x->route;
	e->key = key;
	e->method = x->code;
	e->oscore = x->oscore;
	e->content_format = UINT32_MAX;
}

static int fill_request(struct errand *e, const struct errand_ask *ask, const struct errand_request *what)
{
	uint32_t value;

	e->own_carrier = what->carrier;
	e->scheme = what->scheme;
	e->peer = what->address;
	if (msg_option(ask->m, OPT_CONTENT_FORMAT) != NULL && msg_uint(msg_option(ask->m, OPT_CONTENT_FORMAT), &value) == 0)
		e->content_format = value;
	if (msg_option(ask->m, OPT_SIZE1) != NULL && msg_uint(msg_option(ask->m, OPT_SIZE1), &value) == 0)
		e->size1 = value;
	if (what->host.len >= sizeof e->host)
		return -1;
	memcpy(e->host, what->host.at, what->host.len); /* of zeroed memory */
	return buffers_keep(e->proxy->buffers, &e->head, what->m->bytes, what->m->len);
}

enum error errand_begin(struct proxy *p, struct exchange *x, const struct errand_ask *ask, const struct errand_request *what)
{
	enum error error;
	struct errand *e = errand_new(p, x->client, &error);

	if (e == NULL)
		return error;
	fill(e, x, ask->key);
	if (fill_request(e, ask, what) < 0) {
		errand_release(e);
		return ERR_OVERLOAD;
	}
	e->unread = reading_gathers(x, ask->r);
	errand_list(e);
	attach(e, x, ask->r);
	error = errand_upload(e, x, ask);
	if (error == ERR_NONE)
		run(e);
	else
		errand_fail(e, error);
	return ERR_NONE;
}

/* ---- answers that are here ---- */

static int fill_answer(struct errand *e, const struct errand_answer *a)
{
	e->begun = e->uploaded = e->fed = e->answered = e->ended = e->untagged = true;
	e->rest = a->rest;
	e->size = a->size;
	e->answered_at = clock_now();
	e->window.offset = e->asked = a->from;
	if (buffers_keep(e->proxy->buffers, &e->answer, a->head->bytes, a->head->len) < 0)
		return -1;
	return window_add(e, &e->window, a->bytes, a->len);
}

int errand_keep(struct proxy *p, const struct exchange *x, uint64_t key, const struct errand_answer *a)
{
	struct errand *before = errand_find(p, x->client, key), *e;
	enum error error;

	if (before != NULL && before->first == NULL && !before->running)
		errand_release(before);
	else if (before != NULL)
		errand_unlist(before);
	e = errand_new(p, x->client, &error);
	if (e == NULL)
		return -1;
	fill(e, x, key);
	if (fill_answer(e, a) < 0) {
		errand_release(e);
		return -1;
	}
	errand_list(e);
	schedule(e);
	return 0;
}
