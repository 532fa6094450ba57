#include "proxy/edge/accepting.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/edge/sockets.h"
#include "proxy/exchange/proxy.h"

enum { ACCEPTS_A_TURN = 64 /* at one socket, so that others have their turn */ };

static const uint64_t accept_again = CLOCK_SECOND / 10; /* when there was no descriptor or memory for a connection */
static const uint64_t warn_again = 10 * CLOCK_SECOND;

struct accepting_socket {
	struct accepting *of;
	struct event *event;
	int fd;
	uint8_t slot;
};

/* ---- the pause ---- */

static void listen_again(struct accepting *a, bool listening)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		struct accepting_socket *s = a->sockets[i];

		if (s != NULL && (listening ? event_add(s->event, NULL) : event_del(s->event)) < 0)
			log_warning("a listening socket cannot be watched");
	}
	a->paused = !listening;
}

static void on_pause_over(struct wheel_timer *t)
{
	listen_again(wheel_owner(t, struct accepting, pause), true);
}

/* Without it the loop would spin. */
static void make_pause(struct accepting *a, int error)
{
	uint64_t now = clock_now();

	if (a->warned_at == 0 || now - a->warned_at >= warn_again) {
		log_warning("no connection can be accepted: %s", strerror(error));
		a->warned_at = now;
	}
	listen_again(a, false);
	wheel_set(a->proxy->wheel, &a->pause, now + accept_again);
}

/* ---- connections ---- */

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct accepting_socket *s = arg;
	struct accepting *a = s->of;
	const struct listener *l = snapshot_listener(a->proxy->conf, s->slot);

	(void)what;
	clock_update();
	for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
		struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof from;
		struct endpoint peer;
		int accepted = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted < 0 && socket_is_short(errno)) {
			make_pause(a, errno);
			return;
		}
		if (accepted < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (accepted < 0)
			continue; /* of a client that has gone again */
		endpoint_from_sockaddr(&peer, (const struct sockaddr *)&from);
		if (l != NULL)
			a->take(l, accepted, &peer);
		else
			close(accepted);
	}
}

void accepting_refuse(int fd, const void *bytes, size_t len)
{
	if (send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		shutdown(fd, SHUT_WR);
}

void accepting_local(int fd, struct local_address *local, uint16_t *port)
{
	struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof at;
	struct endpoint e = { .port = 0 };

	if (getsockname(fd, (struct sockaddr *)&at, &len) == 0)
		endpoint_from_sockaddr(&e, (const struct sockaddr *)&at);
	memcpy(local->addr, e.addr, sizeof local->addr);
	local->ifindex = e.scope;
	*port = e.port;
}

/* ---- sockets ---- */

int accepting_add(struct accepting *a, unsigned slot, int fd)
{
	struct accepting_socket *s = slot < CONF_SLOTS_MAX && a->sockets[slot] == NULL ? calloc(1, sizeof *s) : NULL;

	if (s == NULL)
		goto fail;
	s->of = a;
	s->fd = fd;
	s->slot = (uint8_t)slot;
	s->event = event_new(a->base, fd, EV_READ | EV_PERSIST, on_accept, s);
	if (s->event == NULL || (!a->paused && event_add(s->event, NULL) < 0))
		goto fail;
	a->sockets[slot] = s;
	return 0;
fail:
	if (s != NULL && s->event != NULL)
		event_free(s->event);
	free(s);
	close(fd);
	return -1;
}

bool accepting_has(const struct accepting *a, unsigned slot)
{
	return slot < CONF_SLOTS_MAX && a->sockets[slot] != NULL;
}

void accepting_remove(struct accepting *a, unsigned slot)
{
	struct accepting_socket *s = accepting_has(a, slot) ? a->sockets[slot] : NULL;

	if (s == NULL)
		return;
	event_free(s->event);
	close(s->fd);
	free(s);
	a->sockets[slot] = NULL;
}

/* ---- the whole ---- */

void accepting_open(struct accepting *a, struct event_base *base, struct proxy *p, accepting_take *take)
{
	*a = (struct accepting){ .base = base, .proxy = p, .take = take, .pause = { .run = on_pause_over } };
}

void accepting_close(struct accepting *a)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		accepting_remove(a, i);
	wheel_cancel(&a->pause);
	a->paused = false;
}
