#include "proxy/edge/streams.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/peer_counts.h"
#include "proxy/edge/streams_parts.h"
#include "proxy/edge/tls.h"
#include "proxy/edge/websocket.h"
#include "proxy/exchange/proxy.h"

enum { ACCEPTS_A_TURN = 64 /* at one socket, so that others have their turn */ };

static const uint64_t accept_again = CLOCK_SECOND / 10; /* when there was no descriptor or memory for a connection */
static const uint64_t warn_again = 10 * CLOCK_SECOND;

struct stream_listener {
	struct event *event;
	int fd;
	uint8_t slot;
};

static struct {
	struct event_base *base;
	struct proxy *proxy;
	struct peer_counts *counts;
	struct stream_table sessions;
	struct stream_listener *listeners[CONF_SLOTS_MAX];
	struct stream_link *all; /* of clients */
	uint32_t count;          /* also those that linger */
	struct wheel_timer pause;
	uint64_t warned_at;
	bool paused, draining, closing;
} edge;

/* ---- clients' links ---- */

struct stream_link *streams_client(const struct endpoint *peer)
{
	struct stream_link *l = stream_table_first(&edge.sessions, peer->session);

	while (l != NULL && l->peer.session != peer->session)
		l = l->chain;
	return l;
}

static bool on_secured(struct stream_link *l)
{
	const struct listener *conf = snapshot_listener(edge.proxy->conf, l->number);
	char name[TLS_NAME_MAX];

	/* His key or authorities may have been withdrawn during the handshake. */
	if ((conf != NULL && !tls_speaks_coap(l->socket.ssl, conf->address.port)) || !tls_still_lets_in(l->socket.ssl, l->number))
		return false;
	if (tls_peer_name(l->socket.ssl, name, sizeof name) != TLS_ANONYMOUS) {
		l->name = strdup(name);
		return l->name != NULL;
	}
	return true;
}

static void on_opened(struct stream_link *l)
{
	receive_session(edge.proxy, l->number, &l->peer, &l->local);
}

static bool on_message(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	return receive_message(edge.proxy, l->number, &l->peer, &l->local, bytes, len);
}

static void on_refused(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	(void)l, (void)bytes, (void)len;
}

static void on_writable(struct stream_link *l)
{
	receive_writable(edge.proxy, l->number, &l->peer);
}

static void on_released(struct stream_link *l, uint32_t hold_off)
{
	(void)l, (void)hold_off;
}

static void on_ended(struct stream_link *l, enum error e)
{
	(void)e;
	stream_table_remove(&edge.sessions, l);
	if (l->was_open && !edge.closing)
		receive_gone(edge.proxy, l->number, &l->peer);
}

static void on_freed(struct stream_link *l)
{
	stream_table_remove(&edge.sessions, l);
	peer_counts_leave(l->count);
	edge.count--;
}

static unsigned on_under_way(const struct stream_link *l, bool *observed)
{
	return receive_under_way(edge.proxy, l->number, &l->peer, observed);
}

static const struct stream_link_calls calls = { on_secured, on_opened, on_message, on_refused, on_writable, on_released, on_ended, on_freed,
	on_under_way };

/* ---- limits ---- */

uint32_t streams_part_of(uint32_t all)
{
	uint32_t workers = edge.proxy->house.count;

	return all / workers + (all % workers != 0);
}

/* Counts a client in. NULL: there is no room for him. */
static struct peer_count *admit(const struct endpoint *peer)
{
	const struct settings *s = &edge.proxy->conf->settings;
	struct peer_count *count = NULL;

	proxy_count(edge.proxy, COUNT_CONNECTIONS);
	if (edge.count < streams_part_of(s->transports_connections) && !edge.draining)
		count = peer_counts_enter(edge.counts, peer, s->transports_client_connections);
	if (count == NULL)
		proxy_count(edge.proxy, COUNT_CONNECTIONS_REFUSED);
	return count;
}

/* Whoever does not read it at once does not get it. */
static void turn_away(int fd, bool plain)
{
	static const struct signal_settings ours = { .message_size = SIGNAL_MESSAGE_SIZE_BASE, .token_length = MSG_TOKEN_BASE };
	uint8_t signals[2][64], out[2 * sizeof signals[0]];
	size_t lens[2] = { signal_write_csm(signals[0], sizeof signals[0], &ours),
		signal_write_abort(signals[1], sizeof signals[1], 0, "Too many connections") }, at = 0;

	for (unsigned i = 0; plain && i < 2; i++) {
		at += stream_frame_write_header(out + at, STREAM_FRAMED, signals[i], lens[i]);
		memcpy(out + at, signals[i] + MSG_HEADER, lens[i] - MSG_HEADER);
		at += lens[i] - MSG_HEADER;
	}
	if (plain && send(fd, out, at, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		shutdown(fd, SHUT_WR);
	close(fd);
}

/* ---- a beginning ---- */

/* Takes what b has, and the count. */
static struct stream_link *begin(struct stream_link_begin *b, enum uri_scheme scheme, struct peer_count *count)
{
	struct stream_link *l;

	b->calls = &calls;
	b->peer.transport = (uint16_t)scheme;
	b->peer.session = edge_session_number(edge.proxy);
	l = stream_link_new(b);
	if (l == NULL) {
		peer_counts_leave(count);
		return NULL;
	}
	edge.count++;
	l->count = count;
	l->next = edge.all;
	l->link = &edge.all;
	if (l->next != NULL)
		l->next->link = &l->next;
	edge.all = l;
	stream_table_add(&edge.sessions, l, l->peer.session);
	return l;
}

static void read_local(int fd, struct local_address *to)
{
	struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof at;
	struct endpoint local;

	if (getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		return;
	endpoint_from_sockaddr(&local, (const struct sockaddr *)&at);
	memcpy(to->addr, local.addr, sizeof to->addr);
	to->ifindex = local.scope;
}

static void take(const struct listener *conf, unsigned slot, int fd, const struct endpoint *peer)
{
	struct stream_link_begin b = { .fd = fd, .peer = *peer, .number = (uint16_t)slot };
	struct peer_count *count = admit(peer);

	if (count == NULL) {
		turn_away(fd, conf->scheme == URI_COAP_TCP);
		return;
	}
	read_local(fd, &b.local);
	if (conf->scheme != URI_COAP_TCP && (b.tls = tls_accept(slot)) == NULL) {
		peer_counts_leave(count);
		close(fd);
		return;
	}
	begin(&b, conf->scheme, count);
}

/* Copies who it is. Returns 0, or -1 without memory. */
static int take_identity(struct stream_link *l, const struct streams_upgrade *u)
{
	l->host = u->host != NULL ? strdup(u->host) : NULL;
	l->name = u->name != NULL ? strdup(u->name) : NULL;
	l->proof = u->proof != NULL ? malloc(u->proof_len) : NULL;
	l->proof_holds = u->holds;
	if (l->proof != NULL)
		memcpy(l->proof, u->proof, u->proof_len);
	return (u->host == NULL || l->host != NULL) && (u->name == NULL || l->name != NULL) && (u->proof == NULL || l->proof != NULL) ? 0 : -1;
}

int streams_adopt(const struct streams_upgrade *u)
{
	struct stream_link_begin b = { .fd = u->fd, .tls = u->tls, .is_secured = true, .peer = u->peer, .local = u->local,
		.number = (uint16_t)u->listener, .first = u->answer, .first_len = u->answer_len, .ahead = u->ahead, .ahead_len = u->ahead_len };
	struct peer_count *count = admit(&u->peer);
	struct stream_link *l = NULL;

	b.websocket = count != NULL ? websocket_new_server(edge.proxy->conf->settings.transports_message_size) : NULL;
	if (b.websocket != NULL) {
		l = begin(&b, u->tls != NULL ? URI_COAPS_WS : URI_COAP_WS, count);
	} else {
		peer_counts_leave(count);
		SSL_free(u->tls);
		close(u->fd);
	}
	if (l == NULL)
		return -1;
	if (take_identity(l, u) == 0)
		return 0;
	stream_link_free(l);
	return -1;
}

/* ---- accepting ---- */

static void listen_again(bool listening)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		struct stream_listener *h = edge.listeners[i];

		if (h != NULL && (listening ? event_add(h->event, NULL) : event_del(h->event)) < 0)
			log_warning("a listening socket cannot be watched");
	}
	edge.paused = !listening;
}

static void on_pause_over(struct wheel_timer *t)
{
	(void)t;
	listen_again(true);
}

/* Clients wait in the kernel meanwhile; without the pause the loop would spin. */
static void pause_accepting(int error)
{
	uint64_t now = clock_now();

	if (edge.warned_at == 0 || now - edge.warned_at >= warn_again) {
		log_warning("no connection can be accepted: %s", strerror(error));
		edge.warned_at = now;
	}
	listen_again(false);
	wheel_set(edge.proxy->wheel, &edge.pause, now + accept_again);
}

static bool is_short_of_something(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct stream_listener *h = arg;
	const struct listener *conf = snapshot_listener(edge.proxy->conf, h->slot);

	(void)what;
	clock_update();
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof from;
		struct endpoint peer;
		int accepted = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted < 0 && is_short_of_something(errno)) {
			pause_accepting(errno);
			return;
		}
		if (accepted < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (accepted < 0)
			continue; /* of a client that has gone again */
		endpoint_from_sockaddr(&peer, (const struct sockaddr *)&from);
		if (conf != NULL)
			take(conf, h->slot, accepted, &peer);
		else
			close(accepted);
	}
}

/* ---- listeners ---- */

int streams_add_listener(unsigned slot, int fd)
{
	struct stream_listener *h = slot < CONF_SLOTS_MAX && edge.listeners[slot] == NULL ? calloc(1, sizeof *h) : NULL;

	if (h == NULL)
		goto fail;
	h->fd = fd;
	h->slot = (uint8_t)slot;
	h->event = event_new(edge.base, fd, EV_READ | EV_PERSIST, on_accept, h);
	if (h->event == NULL || (!edge.paused && event_add(h->event, NULL) < 0))
		goto fail;
	edge.listeners[slot] = h;
	return 0;
fail:
	if (h != NULL && h->event != NULL)
		event_free(h->event);
	free(h);
	close(fd);
	return -1;
}

bool streams_has_listener(unsigned slot)
{
	return slot < CONF_SLOTS_MAX && edge.listeners[slot] != NULL;
}

static void close_listener(unsigned slot)
{
	struct stream_listener *h = edge.listeners[slot];

	if (h == NULL)
		return;
	event_free(h->event);
	close(h->fd);
	free(h);
	edge.listeners[slot] = NULL;
}

static void release_all(bool of_all, unsigned slot)
{
	for (struct stream_link *l = edge.all; l != NULL; l = l->next)
		if (of_all || l->number == slot)
			stream_link_release(l);
}

void streams_remove_listener(unsigned slot)
{
	if (slot >= CONF_SLOTS_MAX)
		return;
	close_listener(slot);
	release_all(false, slot);
}

void streams_free_slot(unsigned slot)
{
	for (struct stream_link *l = edge.all; l != NULL; l = l->next)
		if (l->number == slot)
			stream_link_abort(l, 0, "The listener was removed");
}

/* ---- what edge.c asks ---- */

void streams_send_client(const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct stream_link *l = streams_client(peer);

	if (l != NULL)
		stream_link_send(l, bytes, len);
}

bool streams_client_is_slow(const struct endpoint *peer)
{
	struct stream_link *l = streams_client(peer);

	return l != NULL && stream_link_is_slow(l);
}

const char *streams_client_name(const struct endpoint *peer)
{
	const struct stream_link *l = streams_client(peer);

	return l != NULL ? l->name : NULL;
}

const char *streams_client_host(const struct endpoint *peer)
{
	const struct stream_link *l = streams_client(peer);

	if (l == NULL || l->host != NULL || l->socket.ssl == NULL)
		return l != NULL ? l->host : NULL;
	return tls_asked_host(l->socket.ssl);
}

bool streams_client_session(const struct endpoint *peer, unsigned *listener, struct local_address *local)
{
	const struct stream_link *l = streams_client(peer);

	if (l == NULL)
		return false;
	*listener = l->number;
	*local = l->local;
	return true;
}

void streams_end_client(const struct endpoint *peer)
{
	struct stream_link *l = streams_client(peer);

	if (l != NULL)
		stream_link_release(l);
}

static struct stream_link *find(unsigned slot, const struct endpoint *peer)
{
	return edge_is_clients_session(peer) ? streams_client(peer) : stream_pool_find(slot, peer);
}

void streams_abort_origin(unsigned slot, const struct endpoint *peer)
{
	struct stream_link *l = find(slot, peer);

	if (l != NULL)
		stream_link_abort(l, 0, "A message is malformed");
}

size_t streams_message_limit(unsigned slot, const struct endpoint *peer)
{
	const struct stream_link *l = find(slot, peer);

	return l != NULL && l->was_open ? stream_link_limit(l) : edge_of(peer)->message_max;
}

bool streams_takes_blocks(unsigned slot, const struct endpoint *peer)
{
	const struct stream_link *l = find(slot, peer);

	return l != NULL && l->theirs.blockwise;
}

bool streams_takes_bert(unsigned slot, const struct endpoint *peer)
{
	const struct stream_link *l = find(slot, peer);

	return l != NULL && signal_settings_take_bert(&l->theirs);
}

/* ---- the whole ---- */

int streams_open(struct event_base *base, struct proxy *p)
{
	edge.base = base;
	edge.proxy = p;
	edge.pause.run = on_pause_over;
	edge.draining = edge.closing = false;
	edge.counts = peer_counts_create();
	stream_links_open(base, p);
	return edge.counts != NULL && stream_table_open(&edge.sessions) == 0 ? stream_pool_open(p) : -1;
}

void streams_close(void)
{
	edge.closing = true;
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		close_listener(i);
	release_all(true, 0);
	stream_links_flush();
	while (edge.all != NULL)
		stream_link_free(edge.all);
	stream_pool_close();
	stream_links_close();
	stream_table_close(&edge.sessions);
	wheel_cancel(&edge.pause);
	peer_counts_destroy(edge.counts);
	edge.counts = NULL;
	edge.paused = false;
}

static bool is_still_let_in(const struct stream_link *l)
{
	if (l->proof != NULL && !l->proof_holds(l->name, l->proof))
		return false;
	return l->socket.ssl == NULL || l->socket.securing || tls_still_lets_in(l->socket.ssl, l->number);
}

/* Limits and times are looked up when they count. */
void streams_configure(void)
{
	for (struct stream_link *l = edge.all; l != NULL; l = l->next)
		if (!is_still_let_in(l))
			stream_link_abort(l, 0, "What you were let in by counts no longer");
	stream_pool_configure();
}

bool streams_flush(void)
{
	bool told = stream_pool_flush(), flushed = stream_links_flush();

	return told || flushed;
}

void streams_drain(void)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		close_listener(i);
	edge.draining = true;
	release_all(true, 0);
}

bool streams_is_drained(void)
{
	return edge.draining && edge.count == 0;
}
