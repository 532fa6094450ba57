#include "proxy/exchange/errand.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "proxy/exchange/errand_state.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/respond.h"
#include "proxy/exchange/table.h"

enum {
	EVICTION_LOOKS = 64,      /* errands looked at for one that nobody waits for */
	ROOM_WHEN_SHORT = 2 * ERRAND_BLOCK, /* of a window while memory is short: enough to go on */
	AHEAD_MAX = 16 << 20,     /* bytes of an answer that are passed over to come to a block */
};

/* Of one worker. */
struct errands {
	struct slab *slab;
	struct table table;
	uint64_t held;            /* bytes of all windows */
};

/* ---- windows ---- */

int window_add(struct errand *e, struct window *w, const uint8_t *bytes, size_t len)
{
	size_t capacity = w->capacity > 0 ? w->capacity : ERRAND_BLOCK;
	uint8_t *grown;

	while (capacity < w->len + len)
		capacity *= 2;
	if (capacity > w->capacity) {
		grown = realloc(w->bytes, capacity);
		if (grown == NULL)
			return -1;
		e->proxy->errands->held += capacity - w->capacity;
		w->bytes = grown;
		w->capacity = capacity;
	}
	if (len > 0)
		memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
	return 0;
}

void window_forget(struct errand *e, struct window *w, uint64_t offset)
{
	size_t n = offset <= w->offset ? 0 : offset - w->offset < w->len ? (size_t)(offset - w->offset) : w->len;

	if (n > 0)
		memmove(w->bytes, w->bytes + n, w->len - n);
	w->len -= n;
	w->offset += n;
	if (w->len > 0 || w->bytes == NULL)
		return;
	e->proxy->errands->held -= w->capacity;
	free(w->bytes);
	w->bytes = NULL;
	w->capacity = 0;
}

static bool is_short_of_memory(const struct proxy *p)
{
	return p->errands->held >= p->conf->settings.queue_memory / p->house.count;
}

/* ---- life ---- */

static void leave_carrier(struct errand *e)
{
	if (e->carried != NULL && e->proxy->carrier != NULL)
		e->proxy->carrier->leave(e);
	e->carried = NULL;
}

/* Nobody finds it any more; who waits is still served. */
static void unlist(struct errand *e)
{
	if (e->listed)
		table_remove(&e->proxy->errands->table, e->key, e);
	e->listed = false;
}

static void release(struct errand *e)
{
	struct proxy *p = e->proxy;

	e->dead = true;
	unlist(e);
	leave_carrier(e);
	wheel_cancel(&e->timer);
	if (e->running)
		return;
	buffers_drop(p->buffers, &e->head);
	buffers_drop(p->buffers, &e->answer);
	window_forget(e, &e->body, UINT64_MAX);
	window_forget(e, &e->window, UINT64_MAX);
	snapshot_release(e->conf);
	e->client->errands--;
	slab_free(p->errands->slab, e->links.index);
}

uint64_t errand_body_limit(const struct errand *e)
{
	return e->route->body_limit != 0 ? e->route->body_limit : e->conf->settings.http_body_limit;
}

static void attach(struct errand *e, struct exchange *x, const struct outer_request *r)
{
	exchange_set_state(x, EXCHANGE_SERVED);
	x->errand = e;
	x->upload_block = r->block1;
	x->sent_at = clock_now();
	x->deadline = x->arrived_at + x->route->timeout;
	x->next = NULL;
	if (e->last != NULL)
		e->last->next = x;
	else
		e->first = x;
	e->last = x;
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
	x->errand = NULL;
}

void errand_refuse(struct errand *e, struct exchange *x, enum error error)
{
	struct proxy *p = e->proxy;

	errand_detach(e, x);
	if (error == ERR_TOO_LARGE)
		x->size_limit = errand_body_limit(e);
	respond_error(p, x, error, 0);
	exchange_free(p, x);
}

void errand_fail(struct errand *e, enum error error)
{
	bool outermost = !e->running;

	e->dead = e->running = true;
	unlist(e);
	while (e->first != NULL)
		errand_refuse(e, e->first, error);
	if (!outermost)
		return;
	e->running = false;
	release(e);
}

/* A client who asks for nothing more holds the origin for a while, and what is here for longer. */
static void schedule(struct errand *e)
{
	uint64_t wait = e->answered && !e->ended ? e->conf->settings.http_stall : EXCHANGE_LIFETIME;

	if (e->first != NULL)
		wheel_cancel(&e->timer);
	else
		wheel_set(e->proxy->wheel, &e->timer, clock_now() + wait);
}

static void on_timer(struct wheel_timer *t)
{
	struct errand *e = wheel_owner(t, struct errand, timer);

	if (!e->answered || e->ended) {
		release(e);
		return;
	}
	leave_carrier(e);
	e->ended = true;
	e->error = ERR_BODY_INCOMPLETE;
	schedule(e);
}

/* ---- going on ---- */

static bool is_final(const struct errand *e)
{
	return e->answered && (e->ended || MSG_CLASS(e->answer.bytes[1]) >= 4);
}

/* One step that needs nobody to wait for. */
static bool step(struct errand *e)
{
	errand_feed(e);
	for (struct exchange *x = e->first; x != NULL && !e->dead; x = x->next) {
		bool goes_on = x->block1 == 2 && !is_final(e);

		if (goes_on ? errand_upload_step(e, x) : errand_answer_step(e, x))
			return true;
	}
	return false;
}

/* An answer may bring the next request, and the carrier may speak, before this returns: the outermost call goes on. */
static void run(struct errand *e)
{
	if (e->running)
		return;
	e->running = true;
	while (!e->dead && step(e))
		;
	e->running = false;
	if (e->dead)
		release(e);
	else
		schedule(e);
}

/* What lies far enough before every block that is asked for goes. */
static void move_low(struct errand *e, const struct exchange *newest)
{
	uint64_t wanted = errand_wanted(newest);

	for (const struct exchange *x = e->first; x != NULL; x = x->next)
		if (errand_wanted(x) < wanted)
			wanted = errand_wanted(x);
	e->low = wanted > ERRAND_BEHIND ? wanted - ERRAND_BEHIND : 0;
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
	size_t most = is_short_of_memory(e->proxy) ? ROOM_WHEN_SHORT : ERRAND_WINDOW;

	if (e->window.len >= most / 2)
		window_forget(e, &e->window, e->low);
	return e->window.len < most ? most - e->window.len : 0;
}

/* The rest of the answer is not to be had. */
static void cut(struct errand *e, enum error error)
{
	leave_carrier(e);
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

/* Where there are other origins, this one is passed over for a while. */
static void note_failure(const struct errand *e, enum error error)
{
	struct origin *o = e->route->rest > 0 && e->route->to_count > 1 ? origin_get(e->proxy, &e->peer) : NULL;

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

/* ---- exchanges ---- */

void errand_forget(struct exchange *x)
{
	struct errand *e = x->errand;

	errand_detach(e, x);
	if (e->running || e->first != NULL)
		return;
	/* It gave up waiting for an answer, and so does the errand. */
	if (e->uploaded && !e->answered)
		release(e);
	else
		schedule(e);
}

static struct errand *find(const struct proxy *p, const struct client *c, uint64_t key)
{
	struct errand *e = p->errands != NULL ? table_first(&p->errands->table, key) : NULL;

	while (e != NULL && (e->key != key || e->client != c))
		e = table_next(&p->errands->table, e);
	return e;
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
static bool continue_upload(struct proxy *p, struct errand *e, struct exchange *x, const struct errand_ask *ask)
{
	enum error error;

	if (e == NULL) {
		refuse(x, ERR_BODY_INCOMPLETE);
		return true;
	}
	table_touch(&p->errands->table, e);
	attach(e, x, ask->r);
	error = errand_upload(e, x, ask);
	if (error == ERR_NONE) {
		run(e);
		return true;
	}
	errand_refuse(e, x, error);
	/* What is of no more use goes; after a gap the missing block may still come. */
	if (error == ERR_BODY_INCOMPLETE || error == ERR_OVERLOAD)
		schedule(e);
	else
		errand_fail(e, error);
	return true;
}

/* Whether the block that x asks for is here, or may come. */
static bool has_block(const struct errand *e, const struct exchange *x)
{
	uint64_t from = errand_wanted(x), end = e->window.offset + e->window.len;

	if (from < e->window.offset || (!e->ended && from > end + AHEAD_MAX))
		return false;
	return !e->ended || e->error == ERR_NONE || from < end;
}

static bool continue_answer(struct proxy *p, struct errand *e, struct exchange *x, const struct errand_ask *ask)
{
	bool again = x->code == CODE_GET && !x->oscore; /* may be asked anew, up to the block */

	if (e == NULL || !e->uploaded || (e->answered && !has_block(e, x))) {
		if (again && errand_wanted(x) <= AHEAD_MAX)
			return false;
		refuse(x, ERR_BODY_INCOMPLETE);
		return true;
	}
	table_touch(&p->errands->table, e);
	move_low(e, x);
	attach(e, x, ask->r);
	if (e->carried != NULL)
		p->carrier->more(e);
	run(e);
	return true;
}

bool errand_continue(struct proxy *p, struct exchange *x, const struct errand_ask *ask)
{
	struct errand *e = find(p, x->client, ask->key);
	bool later = x->has_block2 && (x->block2.num > 0 || (x->oscore && ask->m->payload_len == 0));

	if (x->block1 != 0 && ask->r->block1.num > 0)
		return continue_upload(p, e, x, ask);
	if (x->block1 == 0 && later && continue_answer(p, e, x, ask))
		return true;
	/* A new one in its place. */
	if (e == NULL)
		return false;
	if (e->first == NULL)
		release(e);
	else
		unlist(e);
	return false;
}

/* ---- new ones ---- */

static int create(struct proxy *p)
{
	struct errands *all = p->errands != NULL ? p->errands : calloc(1, sizeof *all);

	if (all == NULL)
		return -1;
	p->errands = all;
	if (all->slab == NULL)
		all->slab = slab_create(sizeof(struct errand), p->conf->settings.exchanges);
	if (all->slab == NULL || (all->table.heads == NULL && table_init(&all->table, all->slab, ERRAND_BLOCK) < 0))
		return -1;
	return 0;
}

/* One that nobody waits for, of those used longest ago. */
static void evict(struct proxy *p)
{
	struct errand *e = table_oldest(&p->errands->table);

	for (int looks = 0; e != NULL && looks < EVICTION_LOOKS; looks++) {
		if (e->first == NULL && !e->running) {
			release(e);
			return;
		}
		table_touch(&p->errands->table, e);
		e = table_oldest(&p->errands->table);
	}
}

static struct errand *new_errand(struct proxy *p, const struct client *c, enum error *error)
{
	struct errand *e;
	uint32_t index;

	*error = ERR_OVERLOAD;
	if (create(p) < 0)
		return NULL;
	if (c->errands >= p->conf->settings.client_exchanges) {
		*error = ERR_CLIENT_LIMIT;
		return NULL;
	}
	if (is_short_of_memory(p))
		evict(p);
	e = slab_new(p->errands->slab, &index);
	if (e == NULL) {
		evict(p);
		e = slab_new(p->errands->slab, &index);
	}
	if (e == NULL)
		return NULL;
	e->links.index = index;
	return e;
}

static int fill(struct errand *e, struct exchange *x, const struct errand_ask *ask, const struct errand_request *what)
{
	uint32_t value;

	e->proxy = x->proxy;
	e->timer.run = on_timer;
	e->client = x->client;
	e->client->errands++;
	e->conf = snapshot_keep(x->conf);
	e->route = x->route;
	e->key = ask->key;
	e->method = x->code;
	e->oscore = x->oscore;
	e->scheme = what->scheme;
	e->peer = what->address;
	e->content_format = UINT32_MAX;
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
	struct errand *e = new_errand(p, x->client, &error);

	if (e == NULL)
		return error;
	if (fill(e, x, ask, what) < 0) {
		release(e);
		return ERR_OVERLOAD;
	}
	table_insert(&p->errands->table, e->key, e, e->links.index);
	e->listed = true;
	attach(e, x, ask->r);
	move_low(e, x);
	error = errand_upload(e, x, ask);
	if (error == ERR_NONE)
		run(e);
	else
		errand_fail(e, error);
	return ERR_NONE;
}

static void release_one(void *object, uint32_t index, void *arg)
{
	(void)index, (void)arg;
	release(object);
}

void errands_destroy(struct proxy *p)
{
	if (p->errands == NULL)
		return;
	if (p->errands->slab != NULL)
		slab_each(p->errands->slab, release_one, NULL);
	slab_destroy(p->errands->slab);
	free(p->errands->table.heads);
	free(p->errands);
	p->errands = NULL;
}
