#include "proxy/exchange/return_path.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/exchange/client.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/reachability.h"
#include "proxy/exchange/receive.h"
#include "proxy/exchange/sessions.h"
#include "proxy/exchange/table.h"

enum { SLOT_COUNT = RETURN_SLOTS_END - RETURN_SLOTS, EXPECTED = 4096 };

#define LOOK_AGAIN (5 * CLOCK_SECOND) /* whether something is under way still */

struct return_path {
	struct table_links links;
	struct wheel_timer timer;
	struct proxy *proxy;
	struct endpoint client;       /* as an origin (sessions.h) */
	struct endpoint origin;
	struct local_address local;   /* that he asked last */
	uint32_t route;               /* metrics slot, and 1 */
	uint64_t to;                  /* hash of its origin's text; 0: the client named the origin */
	const struct route *found;    /* of p->conf; NULL: to be looked for */
	uint64_t used_at;
	uint32_t uses;                /* exchanges with this as their path */
	uint16_t slot;
	bool proven;                  /* the client is where he says */
	bool ended;                   /* it is not in the table any more, and goes when nothing is under way */
};

struct returns {
	struct table table;           /* by client */
	unsigned next;                /* slot that is tried first */
	uint32_t at_slot[SLOT_COUNT]; /* index in the slab, and 1 */
	uint8_t turns[SLOT_COUNT];    /* paths that a slot had before, modulo 256 */
};

static struct returns *returns_of(struct proxy *p)
{
	struct returns *r = p->returns;

	if (r != NULL)
		return r;
	r = calloc(1, sizeof *r);
	if (r == NULL || table_create(&r->table, sizeof(struct return_path), SLOT_COUNT, EXPECTED) < 0) {
		free(r);
		return NULL;
	}
	p->returns = r;
	return r;
}

void return_paths_destroy(struct proxy *p)
{
	if (p->returns == NULL)
		return;
	table_destroy(&p->returns->table);
	free(p->returns);
	p->returns = NULL;
}

static uint64_t hash_of(const struct proxy *p, const struct endpoint *client)
{
	return hash_bytes(&p->hash_key, client, sizeof *client);
}

static struct return_path *first_of(const struct proxy *p, const struct endpoint *client)
{
	return p->returns != NULL ? table_first(&p->returns->table, hash_of(p, client)) : NULL;
}

static struct return_path *find(const struct proxy *p, const struct endpoint *client, const struct endpoint *origin)
{
	struct return_path *path = first_of(p, client);

	while (path != NULL && !(endpoint_equal(&path->client, client) && endpoint_equal(&path->origin, origin)))
		path = table_next(&p->returns->table, path);
	return path;
}

static struct return_path *path_at(const struct proxy *p, unsigned slot)
{
	return p->returns != NULL && return_path_is_slot(slot) ? slab_get(p->returns->table.slab, p->returns->at_slot[slot - RETURN_SLOTS] - 1) : NULL;
}

static struct return_path *path_of(const struct proxy *p, const struct client *c)
{
	struct return_path *path = path_at(p, client_slot(c));

	return path != NULL && !path->ended && endpoint_equal(&path->origin, &c->peer) ? path : NULL;
}

unsigned return_path_slot(const struct return_path *path)
{
	return path->slot;
}

unsigned return_path_turn(const struct proxy *p, unsigned slot)
{
	return p->returns != NULL && return_path_is_slot(slot) ? p->returns->turns[slot - RETURN_SLOTS] : 0;
}

/* ---- slots ---- */

/* Slots are used in turn, so that one is used again as late as possible. None rests: who comes and goes would use them up. Returns 0 if there is
 * none. */
static unsigned free_slot(struct returns *r)
{
	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		unsigned at = (r->next + i) % SLOT_COUNT;

		if (r->at_slot[at] != 0)
			continue;
		r->next = (at + 1) % SLOT_COUNT;
		return RETURN_SLOTS + at;
	}
	return 0;
}

/* ---- the end of a path ---- */

static bool is_in_use(const struct return_path *path)
{
	const struct client *c = client_find(path->proxy, CLIENT_AT_SLOT | path->slot, &path->origin);

	return path->uses > 0 || (c != NULL && !client_is_idle(c));
}

static void unlist(struct return_path *path)
{
	struct proxy *p = path->proxy;

	if (path->ended)
		return;
	path->ended = true;
	table_remove(&p->returns->table, hash_of(p, &path->client), path);
}

static void release(struct return_path *path)
{
	struct proxy *p = path->proxy;
	struct returns *r = p->returns;

	unlist(path);
	if (edge_of(&path->origin)->connects)
		edge_let_origin_go(path->slot, &path->origin);
	edge_close_slot(path->slot);
	r->at_slot[path->slot - RETURN_SLOTS] = 0;
	r->turns[path->slot - RETURN_SLOTS]++;
	house_add(&p->cell->return_paths, (uint32_t)-1);
	slab_free(r->table.slab, path->links.index);
}

static uint64_t lifetime_of(const struct return_path *path)
{
	uint64_t lifetime = path->proxy->conf->settings.return_lifetime;

	return path->proven || lifetime < EXCHANGE_LIFETIME ? lifetime : EXCHANGE_LIFETIME;
}

/* Only here are sockets closed: nobody is in the middle of reading one. */
static void on_timer(struct wheel_timer *t)
{
	struct return_path *path = wheel_owner(t, struct return_path, timer);
	uint64_t now = clock_now(), due = path->used_at + lifetime_of(path);

	if (!path->ended && now < due)
		wheel_set(path->proxy->wheel, t, due);
	else if (is_in_use(path))
		wheel_set(path->proxy->wheel, t, now + LOOK_AGAIN);
	else
		release(path);
}

static void end(struct return_path *path)
{
	unlist(path);
	wheel_set(path->proxy->wheel, &path->timer, clock_now() + WHEEL_TICK);
}

void return_paths_end(struct proxy *p, const struct endpoint *client)
{
	struct return_path *path = first_of(p, client), *next;

	for (; path != NULL; path = next) {
		next = table_next(&p->returns->table, path);
		if (endpoint_equal(&path->client, client))
			end(path);
	}
}

void return_paths_client_gone(struct proxy *p, const struct endpoint *client)
{
	return_paths_end(p, client);
	for (unsigned w = 0; w < p->house.count; w++)
		if (w != p->house.self && atomic_load_explicit(&p->house.cells[w].return_paths, memory_order_relaxed) > 0)
			crossing_tell_of_client(p, w, CROSSING_GONE, client);
}

struct death {
	unsigned worker;
};

static void end_if_dead(void *object, uint32_t index, void *arg)
{
	struct return_path *path = object;
	const struct death *d = arg;

	(void)index;
	if (edge_session_worker(&path->client) == d->worker && !sessions_is_plain(&path->client))
		end(path);
}

void return_paths_worker_died(struct proxy *p, unsigned worker)
{
	struct death d = { worker };

	if (p->returns != NULL)
		slab_each(p->returns->table.slab, end_if_dead, &d);
}

/* ---- routes ---- */

static bool gives(const struct route *r, const struct return_path *path, const struct proxy *p)
{
	if (!r->return_path || r->metrics_slot + 1 != path->route)
		return false;
	for (size_t i = 0; i < r->to_count; i++)
		if (hash_bytes(&p->hash_key, r->to[i].text, strlen(r->to[i].text)) == path->to)
			return true;
	return path->to == 0 && r->to_count == 0;
}

const struct route *return_path_route(struct proxy *p, const struct client *c)
{
	struct return_path *path = path_of(p, c);
	const struct route *r = p->conf->routes;

	if (path == NULL || path->found != NULL)
		return path != NULL ? path->found : NULL;
	for (; r < p->conf->routes + p->conf->route_count; r++)
		if (gives(r, path, p)) {
			path->found = r;
			return r;
		}
	end(path);
	return NULL;
}

/* Where the listener of a client of plain datagrams goes, its slot will be another's. */
static void look_anew(void *object, uint32_t index, void *arg)
{
	struct return_path *path = object;
	const struct proxy *p = arg;
	struct local_address local;
	struct endpoint client;
	unsigned listener;

	(void)index;
	path->found = NULL;
	if (sessions_is_plain(&path->client) && sessions_client(&path->client, &client, &listener, &local) &&
		snapshot_listener(p->conf, listener) == NULL)
		end(path);
}

void return_paths_renew(struct proxy *p)
{
	if (p->returns != NULL)
		slab_each(p->returns->table.slab, look_anew, p);
}

/* ---- requests of clients ---- */

/* The client of x as an origin. */
static struct endpoint client_of(const struct exchange *x)
{
	const struct client *c = x->client;

	return edge_is_clients_session(&c->peer) ? c->peer : sessions_plain(&c->peer, client_worker(c, &x->proxy->house), client_listener(c));
}

static struct return_path *new_path(struct proxy *p, const struct exchange *x, const struct endpoint *client)
{
	const struct endpoint *origin = &x->origin->peer;
	struct returns *r = returns_of(p);
	bool may = client_may_take(x->client, house_return_paths(&p->house), p->conf->settings.return_ports);
	unsigned slot = r != NULL && may ? free_slot(r) : 0;
	struct return_path *path;
	uint32_t index;

	if (slot == 0)
		return NULL;
	/* Where messages are reliable a slot is no more than the number of a connection. */
	if (!edge_of(origin)->reliable && edge_open_slot(slot, endpoint_is_ipv4(origin)) < 0)
		return NULL;
	path = slab_new(r->table.slab, &index);
	if (path == NULL) {
		edge_close_slot(slot);
		return NULL;
	}
	path->proxy = p;
	path->timer.run = on_timer;
	path->client = *client;
	path->origin = *origin;
	path->slot = (uint16_t)slot;
	r->at_slot[slot - RETURN_SLOTS] = index + 1;
	table_insert(&r->table, hash_of(p, client), path, index);
	house_add(&p->cell->return_paths, 1);
	proxy_count(p, COUNT_RETURN_PATHS);
	return path;
}

enum error return_path_take(struct proxy *p, struct exchange *x)
{
	struct endpoint client = client_of(x);
	struct return_path *path = find(p, &client, &x->origin->peer);

	if (path == NULL)
		path = new_path(p, x, &client);
	if (path == NULL)
		return ERR_RETURN_PORTS;
	if (path->route != x->return_route || path->to != x->return_to)
		path->found = NULL;
	path->route = x->return_route;
	path->to = x->return_to;
	path->local = x->local;
	path->proven = path->proven || reachability_is_verified(x->client);
	path->used_at = clock_now();
	path->uses++;
	x->path = path;
	if (!wheel_timer_is_set(&path->timer) || path->timer.due > path->used_at + lifetime_of(path))
		wheel_set(p->wheel, &path->timer, path->used_at + lifetime_of(path));
	return ERR_NONE;
}

void return_path_leave(struct exchange *x)
{
	x->path->uses--;
	x->path = NULL;
}

/* ---- messages of origins ---- */

bool return_path_admits(struct proxy *p, unsigned slot, const struct endpoint *peer)
{
	struct return_path *path = path_at(p, slot);

	if (path == NULL || !endpoint_equal(&path->origin, peer)) {
		proxy_count(p, COUNT_RETURN_FOREIGN);
		return false;
	}
	path->used_at = clock_now();
	return true;
}

bool return_path_receive(struct proxy *p, unsigned slot, const struct endpoint *peer, const struct msg_view *m)
{
	struct return_path *path = path_at(p, slot);
	const struct client asker = { .peer = *peer, .listener = CLIENT_AT_SLOT | slot };
	const struct route *route = path != NULL ? return_path_route(p, &asker) : NULL;

	if (route == NULL && msg_code_is_request(m->code))
		return false;
	if (msg_code_is_request(m->code))
		proxy_count(p, COUNT_RETURN_REQUESTS);
	if (path != NULL)
		receive_return(p, slot, peer, &path->local, route, m);
	return path != NULL;
}

const struct endpoint *return_path_client(const struct proxy *p, const struct client *c)
{
	const struct return_path *path = path_of(p, c);

	return path != NULL ? &path->client : NULL;
}

void return_path_proved(struct proxy *p, const struct client *c)
{
	struct return_path *path = path_of(p, c);

	if (path != NULL)
		path->proven = true;
}
