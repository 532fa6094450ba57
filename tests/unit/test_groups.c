/* objects: proxy/process/groups.o proxy/process/activation.o proxy/process/notify.o proxy/edge/sockets.o base/endpoint.o COAP_OBJS base/log.o base/clock.o */
/* The parent's sockets of listeners: what stays open, what is closed, and what a connection finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/edge/sockets.h"
#include "proxy/process/groups.h"

enum { WORKERS = 2 };

/* The one function of conf/ that is asked for here. */
const struct listener *snapshot_listener(const struct snapshot *s, unsigned slot)
{
	return s->listener_of_slot[slot] == CONF_NO_LISTENER ? NULL : &s->listeners[s->listener_of_slot[slot]];
}

static char name[] = "web";

static struct listener listener_at(enum uri_scheme scheme, uint16_t port)
{
	struct listener l = { .name = name, .scheme = scheme };

	assert_int_equal(endpoint_parse_literal(&l.address, "127.0.0.1", 9, false), 0);
	l.address.port = port;
	return l;
}

/* A port at which nobody is. */
static uint16_t free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	close(fd);
	return -1;
}

static int accept_of(const struct group *g)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		int fd = accept4(g->fds[i], NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			return fd;
		assert_int_equal(errno, EAGAIN); /* none waits for the other */
	}
	return -1;
}

static int option_of(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof value;

	assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

static struct groups *groups_new(void)
{
	struct groups *g = calloc(1, sizeof *g);

	g->workers = WORKERS;
	return g;
}

static void put_in_force(struct groups *g, struct snapshot *conf)
{
	uint8_t slots[CONF_LISTENERS_MAX];

	assert_int_equal(groups_place(g, conf, slots), 0);
	memset(conf->listener_of_slot, CONF_NO_LISTENER, sizeof conf->listener_of_slot);
	for (size_t i = 0; i < conf->listener_count; i++) {
		conf->listeners[i].slot = slots[i];
		conf->listener_of_slot[slots[i]] = (uint8_t)i;
	}
	groups_commit(g, conf);
}

/* Those accepted from it need no further call, nor do they wait to send small pieces. */
static void test_a_stream_group_takes_connections(void **state)
{
	uint16_t port = free_port();
	struct listener l = listener_at(URI_HTTP, port);
	struct snapshot conf = { .listeners = &l, .listener_count = 1 };
	struct groups *g = groups_new();
	struct group *group;
	int client, accepted;

	(void)state;
	put_in_force(g, &conf);
	group = &g->slots[l.slot];
	assert_true(group->stream);
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_true(socket_is_stream(group->fds[i]));
		assert_int_equal(option_of(group->fds[i], SOL_SOCKET, SO_ACCEPTCONN), 1);
		assert_int_equal(option_of(group->fds[i], SOL_SOCKET, SO_REUSEPORT), 1);
		assert_int_equal(option_of(group->fds[i], SOL_SOCKET, SO_REUSEADDR), 1);
		assert_true(fcntl(group->fds[i], F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(group->fds[i], F_GETFD) & FD_CLOEXEC);
	}
	for (int i = 0; i < 20; i++) {
		assert_true((client = connect_to(port)) >= 0);
		assert_true((accepted = accept_of(group)) >= 0);
		assert_int_equal(option_of(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
		close(client);
		close(accepted);
	}
	groups_close(g);
	free(g);
}

/* A worker's death closes its copies, not the sockets: what comes waits for the successor. */
static void test_what_comes_meanwhile_waits(void **state)
{
	uint16_t port = free_port();
	struct listener l = listener_at(URI_HTTPS, port);
	struct snapshot conf = { .listeners = &l, .listener_count = 1 };
	struct groups *g = groups_new();
	int clients[40], copies[WORKERS], waiting = 0, fd;

	(void)state;
	put_in_force(g, &conf);
	for (unsigned i = 0; i < WORKERS; i++)
		copies[i] = dup(g->slots[l.slot].fds[i]);
	for (int i = 0; i < 40; i++)
		assert_true((clients[i] = connect_to(port)) >= 0);
	for (unsigned i = 0; i < WORKERS; i++)
		close(copies[i]);
	while ((fd = accept_of(&g->slots[l.slot])) >= 0) {
		waiting++;
		close(fd);
	}
	assert_int_equal(waiting, 40);
	for (int i = 0; i < 40; i++)
		close(clients[i]);
	groups_close(g);
	free(g);
}

static void test_one_port_serves_datagrams_and_connections(void **state)
{
	uint16_t port = free_port();
	struct listener all[2] = { listener_at(URI_COAP, port), listener_at(URI_HTTP, port) };
	struct snapshot both = { .listeners = all, .listener_count = 2 }, web = { .listeners = all + 1, .listener_count = 1 };
	struct groups *g = groups_new();
	int client, kept;

	(void)state;
	put_in_force(g, &both);
	assert_int_not_equal(all[0].slot, all[1].slot);
	assert_false(g->slots[all[0].slot].stream);
	assert_false(socket_is_stream(g->slots[all[0].slot].fds[0]));
	kept = g->slots[all[1].slot].fds[0];
	put_in_force(g, &web);
	assert_int_equal(g->slots[all[1].slot].state, GROUP_SERVING);
	assert_int_equal(g->slots[all[1].slot].fds[0], kept);
	assert_int_equal(g->slots[all[0].slot].state, GROUP_LINGERING);
	assert_true((client = connect_to(port)) >= 0);
	close(client);
	groups_close(g);
	free(g);
}

/* http that becomes https at one address is the same group. */
static void test_another_scheme_of_connections_keeps_the_sockets(void **state)
{
	struct listener l = listener_at(URI_HTTP, free_port());
	struct snapshot conf = { .listeners = &l, .listener_count = 1 };
	struct groups *g = groups_new();
	unsigned slot;

	(void)state;
	put_in_force(g, &conf);
	slot = l.slot;
	l.scheme = URI_HTTPS;
	put_in_force(g, &conf);
	assert_int_equal(l.slot, slot);
	groups_close(g);
	free(g);
}

static void test_a_removed_stream_group_is_closed_at_once(void **state)
{
	uint16_t port = free_port();
	struct listener l = listener_at(URI_HTTP, port);
	struct snapshot conf = { .listeners = &l, .listener_count = 1 }, none = { .listeners = &l, .listener_count = 0 };
	struct groups *g = groups_new();
	int client, accepted;
	char byte = 'x';
	unsigned slot;

	(void)state;
	put_in_force(g, &conf);
	slot = l.slot;
	assert_true((client = connect_to(port)) >= 0);
	assert_true((accepted = accept_of(&g->slots[slot])) >= 0);
	put_in_force(g, &none);
	assert_int_equal(g->slots[slot].state, GROUP_FREE);
	assert_int_equal(connect_to(port), -1);
	assert_int_equal(write(accepted, &byte, 1), 1); /* what was begun goes on */
	assert_int_equal(read(client, &byte, 1), 1);
	put_in_force(g, &conf); /* and its port is free again, whatever is open on it */
	close(client);
	assert_true((client = connect_to(port)) >= 0);
	close(client);
	close(accepted);
	groups_close(g);
	free(g);
}

static void test_an_address_that_is_served_is_refused(void **state)
{
	uint16_t port = free_port();
	struct listener l = listener_at(URI_HTTP, port);
	struct snapshot conf = { .listeners = &l, .listener_count = 1 };
	struct groups *g = groups_new();
	uint8_t slots[CONF_LISTENERS_MAX];
	struct endpoint at = l.address;
	int other = socket_open_stream_listener(&at, true);

	(void)state;
	assert_true(other >= 0);
	log_open(-1, LOG_LEVEL_ERROR);
	assert_int_equal(groups_place(g, &conf, slots), -1);
	log_open(STDERR_FILENO, LOG_LEVEL_INFO);
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		assert_int_equal(g->slots[i].state, GROUP_FREE);
	close(other);
	groups_close(g);
	free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stream_group_takes_connections),
		cmocka_unit_test(test_what_comes_meanwhile_waits),
		cmocka_unit_test(test_one_port_serves_datagrams_and_connections),
		cmocka_unit_test(test_another_scheme_of_connections_keeps_the_sockets),
		cmocka_unit_test(test_a_removed_stream_group_is_closed_at_once),
		cmocka_unit_test(test_an_address_that_is_served_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
