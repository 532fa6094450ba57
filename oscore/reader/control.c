#include "oscore/reader/control.h"

#include <errno.h>
#include <string.h>

#include "base/packets.h"

/* Who may say what, and whether a descriptor comes with it. */
static const struct rule {
	bool from_parent, has_descriptor;
} rules[READER_WORDS] = {
	[READER_SET] = { true, true },
	[READER_PREPARE] = { true, false },
	[READER_COMMIT] = { true, false },
	[READER_ABORT] = { true, false },
	[READER_WORKER] = { true, true },
	[READER_LOG] = { true, true },
	[READER_READY] = { false, false },
	[READER_PREPARED] = { false, false },
	[READER_FAILED] = { false, false },
};

int reader_control_open(int ends[2])
{
	return packets_open(ends);
}

int reader_control_send(int end, const struct reader_message *m, int fd)
{
	return packets_send(end, m, sizeof *m, &fd, fd >= 0);
}

static bool is_permitted(const struct reader_message *m, unsigned descriptors, bool from_parent)
{
	unsigned char more;

	/* a bool that is neither 0 nor 1 may not even be looked at as one */
	memcpy(&more, &m->more, sizeof more);
	return m->word < READER_WORDS && more <= 1 && m->text[READER_TEXT_MAX - 1] == '\0' && rules[m->word].from_parent == from_parent &&
		descriptors == (rules[m->word].has_descriptor ? 1u : 0u);
}

int reader_control_receive(int end, bool from_parent, struct reader_message *m, int *fd)
{
	struct packet_descriptors got;
	int n = packets_receive(end, m, sizeof *m, &got);

	*fd = -1;
	if (n <= 0)
		return n;
	if (!is_permitted(m, got.count, from_parent)) {
		packets_close_all(&got);
		errno = EPROTO;
		return -1;
	}
	if (got.count > 0)
		*fd = got.fds[0];
	return 1;
}
