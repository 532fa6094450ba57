#include "proxy/http/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/http/client_link.h"

enum {
	WAITING_MAX = 256,     /* asks that wait for a connection to one origin */
	LINKS_MAX = 4096,      /* connections to all origins */
	FRAMING_MAX = 64,      /* bytes of the framing field and the empty line */
};

/* This process's. */
static struct {
	struct event_base *base;
	struct proxy *proxy;
	struct http_pool *pools;
} client;

struct proxy *client_proxy(void)
{
	return client.proxy;
}

struct event_base *client_base(void)
{
	return client.base;
}

/* ---- pools ---- */

/* Over http one connection is as good for any host of the origin as another; over https it was verified for one. */
static bool is_pool_of(const struct http_pool *pool, const struct http_origin *to)
{
	return pool->to.secure == to->secure && endpoint_equal(&pool->to.address, &to->address) &&
		(!to->secure || strcmp(pool->to.host, to->host) == 0);
}

static struct http_pool *pool_get(const struct http_origin *to)
{
	struct http_pool *pool = client.pools;

	while (pool != NULL && !is_pool_of(pool, to))
		pool = pool->next;
	if (pool != NULL)
		return pool;
	pool = calloc(1, sizeof *pool);
	if (pool == NULL)
		return NULL;
	pool->to = *to;
	pool->next = client.pools;
	client.pools = pool;
	return pool;
}

/* Frees it once nothing is left of it. */
static void pool_drop(struct http_pool *pool)
{
	struct http_pool **at = &client.pools;

	if (pool->links != NULL || pool->asks > 0)
		return;
	while (*at != pool)
		at = &(*at)->next;
	*at = pool->next;
	free(pool);
}

static struct http_link *idle_link(const struct http_pool *pool)
{
	struct http_link *l = pool->links;

	while (l != NULL && !link_is_idle(l))
		l = l->next;
	return l;
}

/* How many connections there are; at the limit an idle one of another origin makes room. */
static bool make_room(void)
{
	struct http_link *idle = NULL;
	unsigned count = 0;

	for (struct http_pool *pool = client.pools; pool != NULL; pool = pool->next) {
		count += pool->count;
		idle = idle != NULL ? idle : idle_link(pool);
	}
	if (count < LINKS_MAX)
		return true;
	if (idle != NULL && !idle->reading) {
		struct http_pool *pool = idle->pool;

		link_close(idle);
		pool_drop(pool);
	}
	return idle != NULL;
}

static bool may_open(const struct http_pool *pool)
{
	return pool->count < client.proxy->conf->settings.http_origin_connections && make_room();
}

static void queue_add(struct http_pool *pool, struct http_ask *a, bool at_front)
{
	pool->waiting++;
	a->next = at_front ? pool->first : NULL;
	if (at_front || pool->first == NULL) {
		pool->last = pool->first == NULL ? a : pool->last;
		pool->first = a;
		return;
	}
	pool->last->next = a;
	pool->last = a;
}

static void queue_remove(struct http_pool *pool, struct http_ask *a)
{
	struct http_ask *before = NULL;

	for (struct http_ask *at = pool->first; at != NULL; before = at, at = at->next) {
		if (at != a)
			continue;
		if (before != NULL)
			before->next = a->next;
		else
			pool->first = a->next;
		if (pool->last == a)
			pool->last = before;
		pool->waiting--;
		return;
	}
}

/* It ends at the next turn: its owner is not called while he calls. */
static void fail_soon(struct http_ask *a, enum error e)
{
	a->failure = e;
	queue_remove(a->pool, a);
	wheel_set(client.proxy->wheel, &a->timer, 0); /* as soon as timers run */
}

/* Gives the ask a connection, or leaves it in the queue. Returns false if there is none. */
static bool pool_carry(struct http_pool *pool, struct http_ask *a)
{
	struct http_link *l = a->resent ? NULL : idle_link(pool);

	if (l == NULL && !may_open(pool))
		return false;
	queue_remove(pool, a);
	if (l == NULL)
		l = link_open(pool);
	if (l == NULL)
		fail_soon(a, ERR_UNREACHABLE);
	else if (link_carry(l, a) < 0)
		fail_soon(a, ERR_OVERLOAD);
	return true;
}

void pool_serve(struct http_pool *pool)
{
	while (pool->first != NULL && pool_carry(pool, pool->first))
		;
	pool_drop(pool);
}

/* ---- asks ---- */

static bool is_waiting_for_owner(const struct http_ask *a)
{
	if (a->head_told)
		return a->calls->room(a->owner) == 0;
	return a->link != NULL && a->link->connected && !a->body_done && !a->body_unwanted && link_unsent(a->link) == 0;
}

void ask_watch(struct http_ask *a)
{
	if (a->failure != ERR_NONE)
		return;
	if (is_waiting_for_owner(a))
		wheel_cancel(&a->timer);
	else
		wheel_set(client.proxy->wheel, &a->timer, clock_now() + a->timeout);
}

/* The link goes on with another ask, or waits for one, or is closed. */
static void release(struct http_link *l)
{
	struct http_pool *pool = l->pool;

	l->ask = NULL;
	if (l->doomed) {
		/* the one that is reading closes it when it returns */
		if (!l->reading) {
			link_close(l);
			pool_serve(pool);
		}
		return;
	}
	wheel_set(client.proxy->wheel, &l->timer, clock_now() + client.proxy->conf->settings.http_origin_idle);
	pool_serve(pool);
}

/* It leaves its link or its queue. */
static void detach(struct http_ask *a)
{
	struct http_link *l = a->link;
	struct http_pool *pool = a->pool;

	a->link = NULL;
	if (l != NULL)
		release(l);
	else
		queue_remove(pool, a);
}

static void ask_free(struct http_ask *a)
{
	struct http_pool *pool = a->pool;

	wheel_cancel(&a->timer);
	if (a->waiting_body != NULL)
		evbuffer_free(a->waiting_body);
	free(a);
	pool->asks--;
	pool_drop(pool);
}

void ask_end(struct http_ask *a, enum error e)
{
	const struct http_ask_calls *calls = a->calls;
	void *owner = a->owner;

	detach(a);
	ask_free(a);
	calls->end(owner, e);
}

void ask_again(struct http_ask *a)
{
	struct http_pool *pool = a->pool;
	struct http_link *l = a->link;

	a->resent = true;
	a->link = NULL;
	l->doomed = true;
	queue_add(pool, a, true); /* before the link goes, and the pool with it */
	release(l);
}

static void on_timer(struct wheel_timer *t)
{
	struct http_ask *a = wheel_owner(t, struct http_ask, timer);

	if (a->link != NULL)
		a->link->doomed = true;
	ask_end(a, a->failure != ERR_NONE ? a->failure : ERR_ORIGIN_TIMEOUT);
}

static size_t write_framing(const struct http_request_plan *plan, uint8_t *bytes)
{
	struct writer w;

	writer_init(&w, bytes, FRAMING_MAX);
	if (plan->body_size == HTTP_BODY_UNKNOWN)
		http_write_field_text(&w, "Transfer-Encoding", "chunked");
	else if (plan->body_size > 0 || !plan->safe)
		http_write_field_uint(&w, "Content-Length", plan->body_size);
	http_write_end(&w);
	return writer_length(&w);
}

struct http_ask *http_ask_begin(const struct http_request_plan *plan, const struct http_ask_calls *calls, void *owner)
{
	struct http_pool *pool = pool_get(&plan->to);
	struct http_ask *a = calloc(1, sizeof *a + plan->head_len + FRAMING_MAX);

	if (pool == NULL || a == NULL) {
		if (pool != NULL)
			pool_drop(pool);
		free(a);
		return NULL;
	}
	a->pool = pool;
	pool->asks++;
	a->calls = calls;
	a->owner = owner;
	a->timer.run = on_timer;
	a->timeout = plan->timeout;
	a->body_size = plan->body_size;
	a->body_done = plan->body_size == 0;
	a->safe = plan->safe;
	a->is_head = plan->is_head;
	memcpy(a->head, plan->head, plan->head_len);
	a->head_len = plan->head_len + write_framing(plan, a->head + plan->head_len);
	queue_add(pool, a, false);
	if (pool->waiting > WAITING_MAX) {
		fail_soon(a, ERR_OVERLOAD);
		return a;
	}
	ask_watch(a);
	while (pool->first != NULL && pool_carry(pool, pool->first))
		;
	return a;
}

void http_ask_body(struct http_ask *a, const uint8_t *bytes, size_t len, bool last)
{
	struct evbuffer *out;

	if (a->body_done)
		return;
	a->body_given += len;
	a->body_done = last && !a->body_unwanted;
	if (a->body_unwanted)
		return;
	if (a->body_size != HTTP_BODY_UNKNOWN && (a->body_given > a->body_size || (last && a->body_given < a->body_size)))
		log_fatal("http client: a body of another length than was announced");
	if (a->link == NULL && a->waiting_body == NULL)
		a->waiting_body = evbuffer_new();
	out = a->link != NULL ? bufferevent_get_output(a->link->bev) : a->waiting_body;
	if (out == NULL) {
		fail_soon(a, ERR_OVERLOAD);
		return;
	}
	ask_write_body(a, out, bytes, len, last);
	ask_watch(a);
}

size_t http_ask_room(const struct http_ask *a)
{
	size_t held = 0;

	if (a->body_unwanted)
		return BLOCKS_HELD;
	if (a->link != NULL)
		held = link_unsent(a->link);
	else if (a->waiting_body != NULL)
		held = evbuffer_get_length(a->waiting_body);
	return held < BLOCKS_HELD ? BLOCKS_HELD - held : 0;
}

void http_ask_continue(struct http_ask *a)
{
	if (a->link == NULL || a->failure != ERR_NONE)
		return;
	ask_watch(a);
	link_read(a->link);
}

void http_ask_leave(struct http_ask *a)
{
	if (a->link != NULL)
		a->link->doomed = true;
	detach(a);
	ask_free(a);
}

/* ---- the process ---- */

int http_client_open(struct event_base *base, struct proxy *p)
{
	client.base = base;
	client.proxy = p;
	return 0;
}

/* Calls visit for every pool, which may drop the one that it is given. */
static void each_pool(void (*visit)(struct http_pool *pool))
{
	struct http_pool *pool = client.pools, *next;

	for (; pool != NULL; pool = next) {
		next = pool->next;
		visit(pool);
	}
}

static void renew(struct http_pool *pool)
{
	struct http_link *l = pool->links, *next;

	for (; l != NULL; l = next) {
		next = l->next;
		l->stale = pool->to.secure;
		if (l->stale && l->ask == NULL)
			link_close(l);
	}
	pool_drop(pool);
}

static void close_pool(struct http_pool *pool)
{
	pool->asks++; /* it outlives what it holds */
	while (pool->first != NULL) {
		struct http_ask *a = pool->first;

		queue_remove(pool, a);
		ask_free(a);
	}
	while (pool->links != NULL) {
		struct http_ask *a = pool->links->ask;

		link_close(pool->links);
		if (a != NULL)
			ask_free(a);
	}
	pool->asks--;
	pool_drop(pool);
}

void http_client_configure(void)
{
	each_pool(renew);
}

void http_client_close(void)
{
	each_pool(close_pool);
}
