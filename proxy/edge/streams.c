#include "proxy/edge/streams.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/chain.h"
#include "base/peer_counts.h"
#include "proxy/edge/accepting.h"
#include "proxy/edge/streams_parts.h"
#include "proxy/edge/tls.h"
#include "proxy/edge/websocket.h"
#include "proxy/exchange/proxy.h"

static struct {
	struct proxy *proxy;
	struct peer_counts *counts;
	struct stream_table sessions;
	struct accepting accepting;
	struct stream_link *all; /* of clients */
	uint32_t count;          /* also those that linger */
	bool draining, closing;
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

/* Counts a client in. NULL: there is no room for him. */
static struct peer_count *admit(const struct endpoint *peer)
{
	const struct settings *s = &edge.proxy->conf->settings;
	struct peer_count *count = NULL;

	proxy_count(edge.proxy, COUNT_CONNECTIONS);
	if (edge.count < house_share(&edge.proxy->house, s->transports_connections) && !edge.draining)
		count = peer_counts_enter(edge.counts, peer, s->transports_client_connections);
	if (count == NULL)
		proxy_count(edge.proxy, COUNT_CONNECTIONS_REFUSED);
	return count;
}

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
	if (plain)
		accepting_refuse(fd, out, at);
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
	CHAIN_ENTER(edge.all, l, next, link);
	stream_table_add(&edge.sessions, l, l->peer.session);
	return l;
}

static void take(const struct listener *l, int fd, const struct endpoint *peer)
{
	struct stream_link_begin b = { .fd = fd, .peer = *peer, .number = (uint16_t)l->slot };
	struct peer_count *count = admit(peer);
	uint16_t port;

	if (count == NULL) {
		turn_away(fd, l->scheme == URI_COAP_TCP);
		return;
	}
	accepting_local(fd, &b.local, &port);
	if (l->scheme != URI_COAP_TCP && (b.tls = tls_accept(l->slot)) == NULL) {
		peer_counts_leave(count);
		close(fd);
		return;
	}
	begin(&b, l->scheme, count);
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

/* ---- listeners ---- */

int streams_add_listener(unsigned slot, int fd)
{
	return accepting_add(&edge.accepting, slot, fd);
}

bool streams_has_listener(unsigned slot)
{
	return accepting_has(&edge.accepting, slot);
}

static void release_all(bool of_all, unsigned slot)
{
	for (struct stream_link *l = edge.all; l != NULL; l = l->next)
		if (of_all || l->number == slot)
			stream_link_release(l);
}

void streams_remove_listener(unsigned slot)
{
	accepting_remove(&edge.accepting, slot);
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
	edge.proxy = p;
	edge.draining = edge.closing = false;
	edge.counts = peer_counts_create();
	accepting_open(&edge.accepting, base, p, take);
	stream_links_open(base, p);
	return edge.counts != NULL && stream_table_open(&edge.sessions) == 0 ? stream_pool_open(p) : -1;
}

void streams_close(void)
{
	edge.closing = true;
	accepting_close(&edge.accepting);
	release_all(true, 0);
	stream_links_flush();
	while (edge.all != NULL)
		stream_link_free(edge.all);
	stream_pool_close();
	stream_links_close();
	stream_table_close(&edge.sessions);
	peer_counts_destroy(edge.counts);
	edge.counts = NULL;
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
	accepting_close(&edge.accepting);
	edge.draining = true;
	release_all(true, 0);
}

bool streams_is_drained(void)
{
	return edge.draining && edge.count == 0;
}
