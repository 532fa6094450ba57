#include "proxy/http/server.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/chain.h"
#include "proxy/edge/accepting.h"
#include "proxy/http/connection_parts.h"

enum {
	UNSENT_MAX = BLOCKS_HELD, /* bytes that the kernel takes of an answer beyond what the client's window lets go */
};

static struct {
	struct proxy *proxy;
	struct peer_counts *peers;
	struct evbuffer *nothing;
	struct accepting accepting;
	struct http_connection *all, *due;
	uint32_t count;
	bool draining;
} server;

/* ---- connections ---- */

void http_server_note_due(struct http_connection *c)
{
	if (c->due_link == NULL)
		CHAIN_ENTER(server.due, c, next_due, due_link);
}

static void forget_due(struct http_connection *c)
{
	CHAIN_LEAVE(c, next_due, due_link);
}

static void remember(struct http_connection *c)
{
	CHAIN_ENTER(server.all, c, next, link);
	server.count++;
	http_server_note_due(c);
}

void http_server_forget(struct http_connection *c)
{
	forget_due(c);
	if (c->link == NULL)
		return;
	CHAIN_LEAVE(c, next, link);
	server.count--;
}

bool http_server_flush(void)
{
	bool any = server.due != NULL, gathered;

	/* In a row: the kernel's code pushes ours out of the processor's cache, so as little as possible of it is run between two sends. */
	for (struct http_connection *c = server.due; c != NULL; c = c->next_due)
		http_connection_send(c);
	while (server.due != NULL) {
		struct http_connection *c = server.due;

		forget_due(c);
		http_connection_turn(c);
	}
	if (any)
		stream_sockets_trim(false);
	/* Behind the answers, which have had their way already. */
	gathered = http_reading_take_gathered();
	return http_requests_ask() || gathered || any;
}

struct evbuffer *http_server_nothing(void)
{
	return server.nothing;
}

/* ---- limits ---- */

static uint32_t connection_limit(void)
{
	return house_share(&server.proxy->house, server.proxy->conf->settings.http_connections);
}

static struct peer_count *count_client(const struct endpoint *peer)
{
	return peer_counts_enter(server.peers, peer, server.proxy->conf->settings.http_client_connections);
}

bool http_server_admit(struct http_connection *c)
{
	c->count = count_client(&c->peer);
	if (c->count == NULL)
		proxy_count(server.proxy, COUNT_HTTP_CONNECTIONS_REFUSED);
	return c->count != NULL;
}

void http_server_send_refusal(int fd)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain;charset=utf-8\r\nContent-Length: 21\r\n"
		"Cache-Control: no-store\r\nRetry-After: 5\r\nConnection: close\r\n\r\nToo many connections\n";

	accepting_refuse(fd, text, sizeof text - 1);
}

static bool is_trusted(const struct listener *l, const struct endpoint *peer)
{
	for (size_t i = 0; i < l->trusted_proxy_count; i++)
		if (network_contains(&l->trusted_proxies[i], peer))
			return true;
	return false;
}

/* ---- who comes ---- */

static void turn_away(const struct listener *l, int fd)
{
	proxy_count(server.proxy, COUNT_HTTP_CONNECTIONS_REFUSED);
	if (l->scheme == URI_HTTP)
		http_server_send_refusal(fd);
	close(fd);
}

static void take(const struct listener *l, int fd, const struct endpoint *peer)
{
	bool trusted = is_trusted(l, peer);
	struct peer_count *count = NULL;
	struct http_connection *c;

	proxy_count(server.proxy, COUNT_HTTP_CONNECTIONS);
	/* Whoever else speaks the PROXY protocol could be anybody. */
	if (l->proxy_protocol && !trusted) {
		proxy_count(server.proxy, COUNT_HTTP_CONNECTIONS_REFUSED);
		close(fd);
		return;
	}
	if (server.count < connection_limit() && !trusted)
		count = count_client(peer);
	if (count == NULL && (!trusted || server.count >= connection_limit())) {
		turn_away(l, fd);
		return;
	}
	c = http_connection_new(server.proxy, l, fd, peer, count);
	if (c != NULL)
		remember(c);
}

/* ---- listeners ---- */

/* What connections inherit from their listener's socket. */
static void prepare(int fd)
{
	const int on = 1, unsent = UNSENT_MAX;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

int http_server_add_listener(unsigned slot, int fd)
{
	prepare(fd);
	return accepting_add(&server.accepting, slot, fd);
}

bool http_server_has_listener(unsigned slot)
{
	return accepting_has(&server.accepting, slot);
}

static void end_connections(bool at_end, bool of_all, unsigned slot)
{
	struct http_connection *next;

	for (struct http_connection *c = server.all; c != NULL; c = next) {
		next = c->next;
		if (of_all || c->slot == slot)
			http_connection_end(c, at_end);
	}
}

void http_server_remove_listener(unsigned slot)
{
	if (!http_server_has_listener(slot))
		return;
	accepting_remove(&server.accepting, slot);
	end_connections(false, false, slot);
}

/* ---- the whole ---- */

int http_server_open(struct event_base *base, struct proxy *p)
{
	server.proxy = p;
	server.peers = peer_counts_create();
	server.nothing = evbuffer_new();
	server.draining = false;
	http_connections_open(base);
	accepting_open(&server.accepting, base, p, take);
	return server.peers != NULL && server.nothing != NULL ? 0 : -1;
}

void http_server_close(void)
{
	accepting_close(&server.accepting);
	while (server.all != NULL)
		http_connection_destroy(server.all, false);
	http_reading_forget_parsers();
	stream_sockets_trim(true);
	peer_counts_destroy(server.peers);
	server.peers = NULL;
	if (server.nothing != NULL)
		evbuffer_free(server.nothing);
	server.nothing = NULL;
}

void http_server_configure(void)
{
	http_reading_forget_parsers();
}

void http_server_drain(void)
{
	accepting_close(&server.accepting);
	server.draining = true;
	end_connections(true, true, 0);
}

bool http_server_is_drained(void)
{
	return server.draining && server.count == 0;
}
