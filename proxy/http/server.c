#include "proxy/http/server.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/http/connection_parts.h"

enum {
	ACCEPTS_A_TURN = 64,      /* at one socket, so that others have their turn */
	UNSENT_MAX = BLOCKS_HELD, /* bytes that the kernel takes of an answer beyond what the client's window lets go */
};

static const uint64_t accept_again = CLOCK_SECOND / 10; /* when there was no descriptor or memory for a connection */
static const uint64_t warn_again = 10 * CLOCK_SECOND;

struct http_listener {
	struct event *event;
	int fd;
	uint8_t slot;
};

static struct {
	struct event_base *base;
	struct proxy *proxy;
	struct peer_counts *peers;
	struct evbuffer *nothing;
	struct http_listener *listeners[CONF_SLOTS_MAX];
	struct http_connection *all, *due;
	uint32_t count;
	struct wheel_timer pause;
	uint64_t warned_at;
	bool paused, draining;
} server;

/* ---- connections ---- */

void http_server_note_due(struct http_connection *c)
{
	if (c->due_link != NULL)
		return;
	c->next_due = server.due;
	c->due_link = &server.due;
	if (c->next_due != NULL)
		c->next_due->due_link = &c->next_due;
	server.due = c;
}

static void forget_due(struct http_connection *c)
{
	if (c->due_link == NULL)
		return;
	*c->due_link = c->next_due;
	if (c->next_due != NULL)
		c->next_due->due_link = c->due_link;
	c->due_link = NULL;
}

static void remember(struct http_connection *c)
{
	c->next = server.all;
	c->link = &server.all;
	if (c->next != NULL)
		c->next->link = &c->next;
	server.all = c;
	server.count++;
	http_server_note_due(c);
}

void http_server_forget(struct http_connection *c)
{
	forget_due(c);
	if (c->link == NULL)
		return;
	*c->link = c->next;
	if (c->next != NULL)
		c->next->link = c->link;
	server.count--;
}

bool http_server_flush(void)
{
	bool any = server.due != NULL;

	while (server.due != NULL) {
		struct http_connection *c = server.due;

		forget_due(c);
		http_connection_turn(c);
	}
	/* Behind the answers, which have had their way already. */
	return http_reading_take_gathered() || any;
}

struct evbuffer *http_server_nothing(void)
{
	return server.nothing;
}

/* ---- limits ---- */

static uint32_t connection_limit(void)
{
	uint32_t all = server.proxy->conf->settings.http_connections, workers = server.proxy->house.count;

	return all / workers + (all % workers != 0);
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

	/* Whoever does not read it at once does not get it. */
	if (send(fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		shutdown(fd, SHUT_WR);
}

static bool is_trusted(const struct listener *l, const struct endpoint *peer)
{
	for (size_t i = 0; i < l->trusted_proxy_count; i++)
		if (network_contains(&l->trusted_proxies[i], peer))
			return true;
	return false;
}

/* ---- accepting ---- */

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
	c = http_connection_new(server.base, server.proxy, l, fd, peer, count);
	if (c != NULL)
		remember(c);
}

static void listen_again(bool listening)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		struct http_listener *h = server.listeners[i];

		if (h != NULL && (listening ? event_add(h->event, NULL) : event_del(h->event)) < 0)
			log_warning("a listening socket cannot be watched");
	}
	server.paused = !listening;
}

static void on_pause_over(struct wheel_timer *t)
{
	(void)t;
	listen_again(true);
}

static bool is_short_of_something(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Clients wait in the kernel meanwhile; without the pause the loop would spin. */
static void pause_accepting(int error)
{
	uint64_t now = clock_now();

	if (server.warned_at == 0 || now - server.warned_at >= warn_again) {
		log_warning("no connection can be accepted: %s", strerror(error));
		server.warned_at = now;
	}
	listen_again(false);
	wheel_set(server.proxy->wheel, &server.pause, now + accept_again);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct http_listener *h = arg;
	const struct listener *l = snapshot_listener(server.proxy->conf, h->slot);

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
		if (l != NULL)
			take(l, accepted, &peer);
		else
			close(accepted);
	}
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
	struct http_listener *h = slot < CONF_SLOTS_MAX && server.listeners[slot] == NULL ? calloc(1, sizeof *h) : NULL;

	if (h == NULL)
		goto fail;
	h->fd = fd;
	h->slot = (uint8_t)slot;
	h->event = event_new(server.base, fd, EV_READ | EV_PERSIST, on_accept, h);
	if (h->event == NULL || (!server.paused && event_add(h->event, NULL) < 0))
		goto fail;
	prepare(fd);
	server.listeners[slot] = h;
	return 0;
fail:
	if (h != NULL && h->event != NULL)
		event_free(h->event);
	free(h);
	close(fd);
	return -1;
}

bool http_server_has_listener(unsigned slot)
{
	return slot < CONF_SLOTS_MAX && server.listeners[slot] != NULL;
}

static void close_listener(unsigned slot)
{
	struct http_listener *h = server.listeners[slot];

	if (h == NULL)
		return;
	event_free(h->event);
	close(h->fd);
	free(h);
	server.listeners[slot] = NULL;
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
	close_listener(slot);
	end_connections(false, false, slot);
}

/* ---- the whole ---- */

int http_server_open(struct event_base *base, struct proxy *p)
{
	server.base = base;
	server.proxy = p;
	server.peers = peer_counts_create();
	server.nothing = evbuffer_new();
	server.pause.run = on_pause_over;
	server.draining = false;
	return server.peers != NULL && server.nothing != NULL ? 0 : -1;
}

void http_server_close(void)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		close_listener(i);
	while (server.all != NULL)
		http_connection_destroy(server.all, false);
	http_reading_forget_parsers();
	wheel_cancel(&server.pause);
	peer_counts_destroy(server.peers);
	server.peers = NULL;
	if (server.nothing != NULL)
		evbuffer_free(server.nothing);
	server.nothing = NULL;
	server.paused = false;
}

void http_server_configure(void)
{
	http_reading_forget_parsers();
}

void http_server_drain(void)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		close_listener(i);
	server.draining = true;
	end_connections(true, true, 0);
}

bool http_server_is_drained(void)
{
	return server.draining && server.count == 0;
}
