/* Connections towards origins, each named by a source-port slot and the origin's endpoint (streams.h). */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/chain.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "proxy/edge/sockets.h"
#include "proxy/edge/streams_parts.h"
#include "proxy/edge/tls.h"
#include "proxy/edge/websocket.h"
#include "proxy/exchange/proxy.h"

enum {
	HOLD_OFFS = 64,        /* origins that wanted to be left alone, the latest of them */
	IDLE_LOOKS = 64,       /* connections looked at for one that is idle, at the limit */
	UNTOLD_MAX = 1024,     /* messages that could not be sent, and connections that could not be opened, in one turn */
	HOST_FIELD_MAX = WEBSOCKET_HOST_MAX + 1,
};

static const uint64_t hold_off_max = 3600; /* seconds */
static const uint64_t log_again = CLOCK_SECOND; /* between two lines about origins that cannot be reached */

struct hold_off {
	struct endpoint peer;
	uint64_t until; /* 0: none */
};

/* What the exchange layer is told at the end of the turn. */
struct untold {
	struct untold *next;
	struct endpoint peer;
	uint16_t slot;
	uint16_t len; /* of a message that was too large; 0: the connection could not be opened */
	uint8_t bytes[];
};

static struct {
	struct proxy *proxy;
	struct stream_table table;
	struct stream_link *all;
	struct stream_link *recent; /* found last: whoever is about to send asks more than once */
	uint32_t count;
	struct hold_off hold_offs[HOLD_OFFS];
	unsigned next_hold_off;
	struct untold *untold;
	unsigned untold_count;
	uint64_t logged_at;
	bool closing;
} pool;

/* ---- which there are ---- */

static uint64_t number_of(unsigned slot, const struct endpoint *peer)
{
	struct {
		struct endpoint peer;
		uint64_t slot;
	} key = { .peer = *peer, .slot = slot };

	return hash_bytes(&pool.proxy->hash_key, &key, sizeof key);
}

/* One that we have released, with nothing under way, stands in nobody's way. One that failed a moment ago does until that is told. */
static bool is_it(const struct stream_link *l, unsigned slot, const struct endpoint *peer)
{
	return l->number == slot && !l->releasing && endpoint_equal(&l->peer, peer);
}

struct stream_link *stream_pool_find(unsigned slot, const struct endpoint *peer)
{
	struct stream_link *l = pool.recent;

	if (l != NULL && is_it(l, slot, peer))
		return l;
	l = stream_table_first(&pool.table, number_of(slot, peer));
	while (l != NULL && !is_it(l, slot, peer))
		l = l->chain;
	pool.recent = l;
	return l;
}

static void remember(struct stream_link *l)
{
	CHAIN_ENTER(pool.all, l, next, link);
	pool.count++;
	stream_table_add(&pool.table, l, number_of(l->number, &l->peer));
}

static void forget(struct stream_link *l)
{
	stream_table_remove(&pool.table, l);
	if (pool.recent == l)
		pool.recent = NULL;
	CHAIN_LEAVE(l, next, link);
}

/* ---- what is told later ---- */

static void tell_later(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct untold *u = pool.untold_count < UNTOLD_MAX ? malloc(sizeof *u + len) : NULL;

	if (u == NULL)
		return; /* whoever asked gives up in time */
	*u = (struct untold){ .next = pool.untold, .peer = *peer, .slot = (uint16_t)slot, .len = (uint16_t)len };
	if (len > 0)
		memcpy(u->bytes, bytes, len);
	pool.untold = u;
	pool.untold_count++;
}

bool stream_pool_flush(void)
{
	bool any = pool.untold != NULL;

	while (pool.untold != NULL) {
		struct untold *u = pool.untold;

		pool.untold = u->next;
		pool.untold_count--;
		if (u->len > 0)
			upstream_refused(pool.proxy, u->slot, &u->peer, u->bytes, u->len);
		else
			upstream_lost(pool.proxy, u->slot, &u->peer, ERR_UNREACHABLE, false);
		free(u);
	}
	return any;
}

/* What keeps a whole origin from being asked is told, but not for each request. */
static void note_unreachable(const struct stream_link *l)
{
	char text[ENDPOINT_TEXT_MAX], reason[TLS_REASON_MAX] = "no connection";

	proxy_count(pool.proxy, COUNT_CONNECTIONS_FAILED);
	if (l->state == LINK_STARTING)
		snprintf(reason, sizeof reason, "it does not speak CoAP");
	else if (l->socket.error != 0)
		tls_describe(l->socket.error, reason);
	else if (l->websocket != NULL && websocket_why(l->websocket)[0] != '\0')
		snprintf(reason, sizeof reason, "%s", websocket_why(l->websocket));
	if (pool.logged_at != 0 && clock_now() - pool.logged_at < log_again)
		return;
	pool.logged_at = clock_now();
	log_info("origin %s cannot be reached by %s: %s", endpoint_format(&l->peer, text), uri_schemes[l->peer.transport].name, reason);
}

/* ---- what links tell ---- */

static bool on_secured(struct stream_link *l)
{
	return l->websocket != NULL || tls_speaks_coap(l->socket.ssl, l->peer.port);
}

static void on_opened(struct stream_link *l)
{
	(void)l;
	proxy_count(pool.proxy, COUNT_CONNECTIONS_OPENED);
}

/* A response, or a request: origins may ask, too (RFC 8323 3.3). */
static bool on_message(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	upstream_datagram(pool.proxy, l->number, &l->peer, bytes, len, false);
	return true;
}

static void on_refused(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	upstream_refused(pool.proxy, l->number, &l->peer, bytes, len);
}

static void on_writable(struct stream_link *l)
{
	(void)l;
}

/* Where else to go is not followed: whoever says so need not be who is meant to be there (RFC 8323 5.5, 10.1). */
static void on_released(struct stream_link *l, uint32_t hold_off)
{
	if (hold_off == 0)
		return;
	pool.hold_offs[pool.next_hold_off++ % HOLD_OFFS] = (struct hold_off){ .peer = l->peer,
		.until = clock_now() + (hold_off < hold_off_max ? hold_off : hold_off_max) * CLOCK_SECOND };
}

static unsigned on_under_way(const struct stream_link *l, bool *observed)
{
	return upstream_under_way(pool.proxy, l->number, &l->peer, observed);
}

static void on_ended(struct stream_link *l, enum error e)
{
	if (!l->was_open && !l->releasing)
		note_unreachable(l);
	forget(l);
	if (!l->releasing && !pool.closing)
		upstream_lost(pool.proxy, l->number, &l->peer, e, l->was_open);
}

static void on_freed(struct stream_link *l)
{
	forget(l);
	pool.count--;
}

static const struct stream_link_calls calls = { on_secured, on_opened, on_message, on_refused, on_writable, on_released, on_ended, on_freed,
	on_under_way };

/* ---- opening ---- */

static uint32_t connections_limit(void)
{
	return house_share(&pool.proxy->house, pool.proxy->conf->settings.transports_connections);
}

/* Releases a connection that nobody needs. Returns whether nobody does. */
static bool release_idle(struct stream_link *l)
{
	bool observed = false;

	if (l->state != LINK_OPEN || l->releasing || on_under_way(l, &observed) > 0 || observed)
		return false;
	stream_link_release(l);
	return true;
}

static bool make_room(void)
{
	struct stream_link *l = pool.all;

	for (unsigned i = 0; l != NULL && i < IDLE_LOOKS; i++, l = l->next)
		if (release_idle(l))
			return true;
	return false;
}

void stream_pool_configure(void)
{
	for (struct stream_link *l = pool.all; l != NULL; l = l->next)
		if (edge_of(&l->peer)->secured)
			release_idle(l);
}

static bool is_held_off(const struct endpoint *peer)
{
	for (unsigned i = 0; i < HOLD_OFFS; i++)
		if (pool.hold_offs[i].until > clock_now() && endpoint_equal(&pool.hold_offs[i].peer, peer))
			return true;
	return false;
}

/* Returns the descriptor of a socket that is being connected, or is connected; or -1 with errno. */
static int begin_to_connect(const struct endpoint *peer, bool *connecting)
{
	static const int on = 1, idle = 60, between = 15, times = 4; /* an origin that is gone without a word is found out in two minutes */
	int family = endpoint_is_ipv4(peer) ? AF_INET : AF_INET6, error;
	struct sockaddr_storage to;
	socklen_t len = endpoint_to_sockaddr(peer, family, &to);
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
	*connecting = false;
	if (connect(fd, (const struct sockaddr *)&to, len) == 0)
		return fd;
	*connecting = true;
	if (errno == EINPROGRESS)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* Host and port as the Host field has them. */
static void write_host_field(char out[HOST_FIELD_MAX], const char *host, const struct endpoint *peer)
{
	bool bracketed = strchr(host, ':') != NULL;
	int len = snprintf(out, HOST_FIELD_MAX, bracketed ? "[%s]" : "%s", host);

	if (len > 0 && len < HOST_FIELD_MAX && peer->port != uri_schemes[peer->transport].default_port)
		snprintf(out + len, HOST_FIELD_MAX - (size_t)len, ":%u", (unsigned)peer->port);
}

/* What carries messages over the socket. Returns 0, or -1 without memory or if nothing secures it. */
static int choose_carrier(struct stream_link_begin *b, const char *host, const char *identity)
{
	enum uri_scheme scheme = b->peer.transport;
	bool is_websocket = scheme == URI_COAP_WS || scheme == URI_COAPS_WS;
	char field[HOST_FIELD_MAX];

	if (edge_of(&b->peer)->secured) {
		b->tls = tls_connect_coap(host, identity, is_websocket);
		if (b->tls == NULL)
			return -1;
	}
	if (!is_websocket)
		return 0;
	write_host_field(field, host, &b->peer);
	b->websocket = websocket_new_client(pool.proxy->conf->settings.transports_message_size, field);
	return b->websocket != NULL ? 0 : -1;
}

int streams_connect_origin(unsigned slot, const struct endpoint *peer, const struct edge_credentials *c)
{
	struct stream_link_begin b = { .calls = &calls, .to_origin = true, .peer = *peer, .number = (uint16_t)slot };
	struct stream_link *l = stream_pool_find(slot, peer);
	char address[ENDPOINT_TEXT_MAX];

	if (l != NULL)
		return l->state == LINK_RELEASED ? -1 : 0;
	if (is_held_off(peer) || (pool.count >= connections_limit() && !make_room()))
		return -1;
	if (choose_carrier(&b, c->host != NULL && c->host[0] != '\0' ? c->host : endpoint_format_address(peer, address), c->identity) < 0)
		goto fail;
	b.fd = begin_to_connect(peer, &b.connecting);
	if (b.fd < 0 && socket_is_short(errno))
		goto fail;
	if (b.fd < 0) {
		SSL_free(b.tls);
		websocket_free(b.websocket);
		tell_later(slot, peer, NULL, 0);
		return 0;
	}
	l = stream_link_new(&b);
	if (l == NULL)
		return -1;
	remember(l);
	return 0;
fail:
	SSL_free(b.tls);
	websocket_free(b.websocket);
	return -1;
}

/* ---- what edge.c asks ---- */

void streams_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct stream_link *l = stream_pool_find(slot, peer);

	if (l == NULL)
		return; /* it could not be opened, of which is told */
	if (l->state >= LINK_OPEN && len > stream_link_limit(l))
		tell_later(slot, peer, bytes, len);
	else
		stream_link_send(l, bytes, len);
}

void streams_let_origin_go(unsigned slot, const struct endpoint *peer)
{
	struct stream_link *l = stream_pool_find(slot, peer);

	if (l != NULL)
		stream_link_release(l);
}

/* ---- all of them ---- */

int stream_pool_open(struct proxy *p)
{
	pool.proxy = p;
	pool.closing = false;
	return stream_table_open(&pool.table);
}

void stream_pool_close(void)
{
	pool.closing = true;
	for (struct stream_link *l = pool.all; l != NULL; l = l->next)
		stream_link_release(l);
	stream_links_flush();
	while (pool.all != NULL)
		stream_link_free(pool.all);
	while (pool.untold != NULL) {
		struct untold *u = pool.untold;

		pool.untold = u->next;
		free(u);
	}
	pool.untold_count = 0;
	stream_table_close(&pool.table);
}
