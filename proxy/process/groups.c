#include "proxy/process/groups.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/edge/sockets.h"
#include "proxy/process/activation.h"

static bool is_stream(const struct listener *l)
{
	return uri_schemes[l->scheme].stream;
}

static bool is_http(const struct listener *l)
{
	return l->scheme == URI_HTTP || l->scheme == URI_HTTPS;
}

/* Who serves a socket in the workers does so as long as it is there. */
static bool is_same(const struct group *group, const struct listener *l)
{
	return group->stream == is_stream(l) && group->http == is_http(l) && endpoint_equal(&group->address, &l->address);
}

static void group_close(struct groups *g, struct group *group)
{
	for (unsigned i = 0; i < g->workers && group->state != GROUP_FREE; i++)
		if (group->fds[i] >= 0)
			close(group->fds[i]);
	group->state = GROUP_FREE;
}

/* For good: the service manager does not hold it any more either. */
static void group_give_up(struct groups *g, struct group *group)
{
	for (unsigned i = 0; i < g->workers; i++)
		activation_forget(group->fds[i]);
	group_close(g, group);
}

static bool close_if_unused(struct groups *g, struct group *group)
{
	uint64_t all = g->workers == 64 ? UINT64_MAX : (UINT64_C(1) << g->workers) - 1;

	if (group->state != GROUP_LINGERING || group->wanted || group->retired != all)
		return false;
	group_give_up(g, group);
	return true;
}

static int socket_open(const struct group *group, bool shared, uint32_t buffer)
{
	return group->stream ? socket_open_stream_listener(&group->address, shared) : socket_open_listener(&group->address, shared, buffer);
}

/* Where an address is served already, sharing it would not fail: so it is bound alone first. */
static int probe(const struct group *group, uint32_t buffer)
{
	int fd = socket_open(group, false, buffer);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/* Takes what the service manager holds of it. Returns how many there were, or -1 with errno and those in their places. */
static int claim(struct groups *g, struct group *group, uint32_t buffer)
{
	unsigned count = 0;
	int fd;

	while (g->activation != NULL && count < g->workers &&
		(fd = activation_claim(g->activation, group->stream, &group->address)) >= 0) {
		group->fds[count++] = fd;
		if (!group->stream)
			socket_prepare_listener(fd, endpoint_is_ipv4(&group->address), buffer);
		else if (socket_prepare_stream_listener(fd) < 0)
			return -1;
	}
	return (int)count;
}

static int group_fill(struct groups *g, struct group *group, uint32_t buffer)
{
	bool shared = g->workers > 1;
	int claimed = claim(g, group, buffer);

	if (claimed < 0 || (claimed == 0 && shared && probe(group, buffer) < 0))
		return -1;
	for (unsigned i = (unsigned)claimed; i < g->workers; i++) {
		group->fds[i] = socket_open(group, shared, buffer);
		if (group->fds[i] < 0)
			return -1;
	}
	return 0;
}

static int group_open(struct groups *g, struct group *group, const struct listener *l, uint32_t buffer)
{
	int error;

	*group = (struct group){ .state = GROUP_FRESH, .stream = is_stream(l), .http = is_http(l), .address = l->address };
	for (unsigned i = 0; i < g->workers; i++)
		group->fds[i] = -1;
	if (group_fill(g, group, buffer) == 0)
		return 0;
	error = errno;
	group_close(g, group);
	errno = error;
	return -1;
}

static int find(const struct groups *g, const struct listener *l)
{
	for (int i = 0; i < CONF_SLOTS_MAX; i++)
		if (g->slots[i].state != GROUP_FREE && is_same(&g->slots[i], l))
			return i;
	return -1;
}

static int find_free(const struct groups *g)
{
	for (int i = 0; i < CONF_SLOTS_MAX; i++)
		if (g->slots[i].state == GROUP_FREE)
			return i;
	errno = ENOSPC;
	return -1;
}

int groups_place(struct groups *g, const struct snapshot *conf, uint8_t slots[CONF_LISTENERS_MAX])
{
	char text[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < conf->listener_count; i++) {
		const struct listener *l = &conf->listeners[i];
		int slot = find(g, l);

		if (slot < 0) {
			slot = find_free(g);
			if (slot < 0 || group_open(g, &g->slots[slot], l, conf->settings.receive_buffer) < 0) {
				log_error("listener %s: cannot bind %s: %s", l->name, endpoint_format(&l->address, text), strerror(errno));
				groups_abort(g);
				return -1;
			}
		}
		g->slots[slot].wanted = true;
		slots[i] = (uint8_t)slot;
	}
	return 0;
}

void groups_commit(struct groups *g, const struct snapshot *conf)
{
	char text[ENDPOINT_TEXT_MAX];

	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		struct group *group = &g->slots[i];
		const struct listener *l = snapshot_listener(conf, i);

		group->wanted = false;
		if (group->state == GROUP_FREE)
			continue;
		if (l != NULL) {
			if (group->state != GROUP_SERVING)
				log_info("listener %s on %s", l->name, endpoint_format(&l->address, text));
			/* A restart then loses no datagram. */
			for (unsigned n = 0; n < g->workers && group->state == GROUP_FRESH; n++)
				activation_store(group->fds[n]);
			group->state = GROUP_SERVING;
			group->retired = 0;
		} else if (group->state == GROUP_SERVING && group->stream) {
			log_info("%s is not listened on any more", endpoint_format(&group->address, text));
			group_give_up(g, group);
		} else if (group->state == GROUP_SERVING) {
			log_info("%s is not listened on any more, what was begun there is ended", endpoint_format(&group->address, text));
			group->state = GROUP_LINGERING;
		}
	}
}

void groups_abort(struct groups *g)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		if (g->slots[i].state == GROUP_FRESH)
			group_close(g, &g->slots[i]);
		g->slots[i].wanted = false;
		close_if_unused(g, &g->slots[i]);
	}
}

bool groups_retire(struct groups *g, unsigned slot, unsigned worker)
{
	struct group *group;

	if (slot >= CONF_SLOTS_MAX || g->slots[slot].state != GROUP_LINGERING)
		return false;
	group = &g->slots[slot];
	group->retired |= UINT64_C(1) << worker;
	return close_if_unused(g, group);
}

void groups_close_streams(struct groups *g)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		if (g->slots[i].state != GROUP_FREE && g->slots[i].stream)
			group_close(g, &g->slots[i]);
}

void groups_close(struct groups *g)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		group_close(g, &g->slots[i]);
}
