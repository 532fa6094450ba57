#include "proxy/process/channel.h"

#include <errno.h>
#include <poll.h>

/* Who may say what, with how many descriptors. */
static const struct rule {
	bool from_parent;
	uint8_t least, most; /* descriptors */
} rules[CHANNEL_KINDS] = {
	[CHANNEL_START] = { true, START_FD_WAKE + 1, PACKET_DESCRIPTORS_MAX },
	[CHANNEL_LISTENER] = { true, 1, 1 },
	[CHANNEL_PREPARE] = { true, 1, 1 },
	[CHANNEL_COMMIT] = { true, 0, 0 },
	[CHANNEL_ABORT] = { true, 0, 0 },
	[CHANNEL_DRAIN] = { true, 0, 0 },
	[CHANNEL_STOP] = { true, 0, 0 },
	[CHANNEL_LOGS] = { true, 2, 2 },
	[CHANNEL_READER] = { true, 1, 1 },
	[CHANNEL_FEED] = { true, 1, 1 },
	[CHANNEL_STEER] = { true, 0, 0 },
	[CHANNEL_READY] = { false, 0, 0 },
	[CHANNEL_PREPARED] = { false, 0, 0 },
	[CHANNEL_FAILED] = { false, 0, 0 },
	[CHANNEL_COMMITTED] = { false, 0, 0 },
	[CHANNEL_RETIRED] = { false, 0, 0 },
	[CHANNEL_FEED_GONE] = { false, 0, 0 },
	[CHANNEL_DRAINED] = { false, 0, 0 },
	[CHANNEL_STEERED] = { false, 0, 0 },
};

int channel_open(int ends[2])
{
	return packets_open(ends);
}

int channel_send(int end, const struct channel_message *m, const int *fds, unsigned count)
{
	return packets_send(end, m, sizeof *m, fds, count);
}

static bool is_permitted(const struct channel_message *m, unsigned descriptors, bool from_parent)
{
	const struct rule *r;

	if (m->kind >= CHANNEL_KINDS || m->text[CHANNEL_TEXT_MAX - 1] != '\0')
		return false;
	r = &rules[m->kind];
	return r->from_parent == from_parent && descriptors >= r->least && descriptors <= r->most;
}

int channel_receive(int end, bool from_parent, struct channel_message *m, struct packet_descriptors *got)
{
	int n = packets_receive(end, m, sizeof *m, got);

	if (n <= 0 || is_permitted(m, got->count, from_parent))
		return n;
	packets_close_all(got);
	errno = EPROTO;
	return -1;
}

int channel_wait(int end, bool from_parent, struct channel_message *m, struct packet_descriptors *got)
{
	int n;

	while ((n = channel_receive(end, from_parent, m, got)) == 0) {
		struct pollfd wait = { end, POLLIN, 0 };

		poll(&wait, 1, -1);
	}
	return n;
}
