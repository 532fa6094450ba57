#include "proxy/exchange/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "base/chain.h"
#include "proxy/exchange/client.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/delivery.h"
#include "proxy/exchange/forward.h"
#include "proxy/exchange/origin.h"
#include "proxy/exchange/reachability.h"
#include "proxy/exchange/table.h"

/* Within so long the last repeat of a Ping has its answer (MAX_TRANSMIT_WAIT, RFC 7252 4.8.2). */
#define PING_WAIT (93 * CLOCK_SECOND)

enum { SESSIONS_MAX = (1 << 24) - 1, SESSIONS_EXPECTED = 4096 };

/* A session of this worker that has a name, or is asked for signs of life. */
struct session {
	struct table_links links;
	struct wheel_timer timer;
	struct proxy *proxy;
	struct endpoint peer;
	struct local_address local;
	unsigned listener;
	uint32_t place;       /* in the house, or HOUSE_NO_SESSION */
	uint64_t heard_at;
	uint64_t pinged_at;   /* 0: nothing is asked */
	bool watched;
};

struct sessions {
	struct table table;
	struct lookup *waiting, *due; /* due: of those, not tried yet in this round */
	unsigned watched;             /* sessions that were asked, or will be, for signs of life */
	uint32_t seen;                /* changes of the house that the waiting ones know of */
};

static struct sessions *sessions_of(struct proxy *p)
{
	struct sessions *s = p->sessions;

	if (s != NULL)
		return s;
	s = calloc(1, sizeof *s);
	if (s == NULL || table_create(&s->table, sizeof(struct session), SESSIONS_MAX, SESSIONS_EXPECTED) < 0) {
		free(s);
		return NULL;
	}
	p->sessions = s;
	return s;
}

void sessions_destroy(struct proxy *p)
{
	if (p->sessions == NULL)
		return;
	table_destroy(&p->sessions->table);
	free(p->sessions);
	p->sessions = NULL;
}

static struct session *session_find(const struct proxy *p, const struct endpoint *peer)
{
	struct session *s = p->sessions != NULL ? table_first(&p->sessions->table, peer->session) : NULL;

	while (s != NULL && !endpoint_equal(&s->peer, peer))
		s = table_next(&p->sessions->table, s);
	return s;
}

/* ---- signs of life ---- */

static uint64_t keepalive_of(const struct proxy *p, unsigned listener, const struct endpoint *peer)
{
	const struct listener *l = edge_of(peer)->reliable ? NULL : snapshot_listener(p->conf, listener);

	return l != NULL ? l->keepalive : 0;
}

/* An Empty confirmable message, which is answered by a Reset (RFC 7252 4.3). */
static void ping(struct session *s)
{
	struct client *c = client_get(s->proxy, s->listener, &s->peer);
	uint8_t bytes[MSG_HEADER];

	msg_write_empty(bytes, MSG_CON, 0);
	s->pinged_at = clock_now();
	if (c != NULL && delivery_send(s->proxy, c, &s->local, NULL, bytes, sizeof bytes, SIZE_MAX) != NULL)
		proxy_count(s->proxy, COUNT_KEEPALIVE_PINGS);
}

static void on_quiet(struct wheel_timer *t)
{
	struct session *s = wheel_owner(t, struct session, timer);
	uint64_t wait = keepalive_of(s->proxy, s->listener, &s->peer), now = clock_now();

	if (wait == 0)
		return; /* a new configuration wants none */
	if (s->pinged_at > s->heard_at) {
		if (now - s->pinged_at >= PING_WAIT) {
			proxy_count(s->proxy, COUNT_SESSIONS_SILENT);
			edge_end_client(&s->peer);
			return;
		}
		wheel_set(s->proxy->wheel, t, s->pinged_at + PING_WAIT);
		return;
	}
	if (now - s->heard_at >= wait)
		ping(s);
	wheel_set(s->proxy->wheel, t, now - s->heard_at >= wait ? now + PING_WAIT : s->heard_at + wait);
}

void sessions_heard(struct proxy *p, const struct endpoint *peer)
{
	struct session *s = p->sessions != NULL && p->sessions->watched > 0 ? session_find(p, peer) : NULL;

	if (s != NULL)
		s->heard_at = clock_now();
}

/* ---- beginning and end ---- */

/* Each other worker that has an older session of the name ends it; if one there is newer, this one ends. */
static void settle_others(struct proxy *p, const struct session_name *name, const struct session *s)
{
	struct house_session own, other;

	if (!house_session_of(&p->house, p->house.self, name, &own) || own.peer.session != s->peer.session)
		return;
	for (unsigned w = 0; w < p->house.count; w++) {
		if (w == p->house.self || !house_session_of(&p->house, w, name, &other))
			continue;
		if (other.order > own.order)
			sessions_superseded(p, &s->peer);
		else
			crossing_tell_of_client(p, w, CROSSING_SUPERSEDED, &other.peer);
	}
}

static void enter(struct proxy *p, struct session *s, const char *text)
{
	struct session_name name = house_session_name(&p->house, text, strlen(text));
	struct house_session older;

	s->place = house_session_enter(&p->house, &name, s->listener, &s->peer, &older);
	if (s->place == HOUSE_NO_SESSION) {
		proxy_count(p, COUNT_SESSIONS_UNLISTED);
		return;
	}
	if (older.peer.session != 0)
		sessions_superseded(p, &older.peer);
	settle_others(p, &name, s);
	house_sessions_tell(&p->house);
}

void sessions_begin(struct proxy *p, unsigned listener, const struct endpoint *peer, const struct local_address *local)
{
	const char *name = edge_client_name(peer);
	uint64_t wait = keepalive_of(p, listener, peer);
	struct sessions *all = name != NULL || wait != 0 ? sessions_of(p) : NULL;
	uint32_t index;
	struct session *s = all != NULL ? slab_new(all->table.slab, &index) : NULL;

	if (s == NULL)
		return;
	s->proxy = p;
	s->timer.run = on_quiet;
	s->peer = *peer;
	s->local = *local;
	s->listener = listener;
	s->place = HOUSE_NO_SESSION;
	s->heard_at = clock_now();
	table_insert(&all->table, peer->session, s, index);
	s->watched = wait != 0;
	all->watched += s->watched;
	if (s->watched)
		wheel_set(p->wheel, &s->timer, s->heard_at + wait);
	if (name != NULL)
		enter(p, s, name);
}

void sessions_end(struct proxy *p, const struct endpoint *peer)
{
	struct session *s = session_find(p, peer);

	if (s == NULL)
		return;
	house_session_leave(&p->house, s->place, peer);
	wheel_cancel(&s->timer);
	p->sessions->watched -= s->watched;
	table_remove(&p->sessions->table, peer->session, s);
	slab_free(p->sessions->table.slab, s->links.index);
}

void sessions_superseded(struct proxy *p, const struct endpoint *peer)
{
	struct session *s = session_find(p, peer);

	if (s == NULL)
		return;
	/* Its end may take a while; from now on it is found no more. */
	house_session_leave(&p->house, s->place, peer);
	s->place = HOUSE_NO_SESSION;
	proxy_count(p, COUNT_SESSIONS_REPLACED);
	edge_end_client(peer);
}

/* ---- found by name ---- */

bool sessions_find(const struct proxy *p, const struct session_name *name, struct endpoint *peer, uint32_t *changed)
{
	struct house_session s;

	*changed = house_sessions_changed(&p->house);
	if (!house_session_find(&p->house, name, &s))
		return false;
	*peer = s.peer;
	return true;
}

int sessions_wait(struct proxy *p, struct lookup *l, uint32_t changed)
{
	struct sessions *s = sessions_of(p);

	if (s == NULL)
		return -1;
	/* The others may not know of a change that this one has seen; not the other way round. */
	if (s->waiting == NULL && s->due == NULL)
		s->seen = changed;
	if (l->link == NULL) {
		CHAIN_ENTER(s->waiting, l, next, link);
		house_add(&p->cell->session_waiters, 1);
		proxy_count(p, COUNT_SESSION_WAITS);
	}
	return 0;
}

void sessions_stop_waiting(struct proxy *p, struct lookup *l)
{
	if (l->link == NULL)
		return;
	CHAIN_LEAVE(l, next, link);
	house_add(&p->cell->session_waiters, (uint32_t)-1);
}

bool sessions_are_due(const struct proxy *p)
{
	return p->sessions != NULL && p->sessions->waiting != NULL && p->sessions->seen != house_sessions_changed(&p->house);
}

void sessions_turn(struct proxy *p)
{
	struct sessions *s = p->sessions;

	if (!sessions_are_due(p))
		return;
	s->seen = house_sessions_changed(&p->house);
	s->due = s->waiting;
	s->due->link = &s->due;
	s->waiting = NULL;
	while (s->due != NULL) {
		struct lookup *l = s->due;
		struct house_session found;

		CHAIN_LEAVE(l, next, link);
		CHAIN_ENTER(s->waiting, l, next, link);
		if (l->wanted.hash[0] == 0 || house_session_find(&p->house, &l->wanted, &found))
			forward_session_came(l);
	}
}

/* ---- as origins ---- */

/* Bit 54 tells such a number from those that sessions have (edge_session_number()). */
struct endpoint sessions_plain(const struct endpoint *peer, unsigned worker, unsigned listener)
{
	struct endpoint origin = *peer;

	origin.session = (uint64_t)worker << 56 | EDGE_SESSION_OF_CLIENT | 1ull << 54 | listener;
	return origin;
}

bool sessions_client(const struct endpoint *origin, struct endpoint *peer, unsigned *listener, struct local_address *local)
{
	*peer = *origin;
	if (!sessions_is_plain(origin))
		return edge_client_session(origin, listener, local);
	peer->session = 0;
	*listener = (unsigned)(origin->session & (CONF_SLOTS_MAX - 1));
	*local = (struct local_address){ .ifindex = 0 };
	return true;
}

int sessions_assign(struct proxy *p, struct exchange *x)
{
	struct local_address local;
	struct endpoint client;
	unsigned listener;
	int32_t mid = 0;

	if (!sessions_client(&x->origin->peer, &client, &listener, &local))
		return -1;
	if (!edge_of(&client)->reliable)
		mid = message_ids_take(&p->cell->down_ids[client_hash(p, listener, &client) % DOWN_ID_SPACES], clock_now(), NULL);
	if (mid < 0)
		return -1;
	x->slot = (uint16_t)(EDGE_LISTENER_SLOT | listener);
	x->mid = (uint16_t)mid;
	return 0;
}

void sessions_proved_plain(struct proxy *p, const struct endpoint *origin)
{
	struct local_address local;
	struct endpoint peer;
	unsigned listener;
	struct client *c;

	if (!sessions_client(origin, &peer, &listener, &local))
		return;
	c = client_find(p, listener, &peer);
	if (c != NULL)
		reachability_set_verified(p, c);
}

bool sessions_is_asked(const struct proxy *p, unsigned listener, const struct endpoint *peer, struct endpoint *origin)
{
	*origin = peer->session != 0 ? *peer : sessions_plain(peer, p->house.self, listener);
	return origin_find(p, origin) != NULL;
}
