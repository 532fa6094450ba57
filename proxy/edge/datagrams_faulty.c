#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/edge/datagrams.h"
#include "proxy/edge/faults.h"

struct delayed {
	struct delayed *next;
	uint64_t due;
	int fd;
	struct sockaddr_storage to;
	socklen_t to_len;
	size_t len, control_len;
	_Alignas(struct cmsghdr) char control[128];
	uint8_t bytes[4096];
};

static struct faults faults[2];
static uint32_t state = 1;
static struct delayed *first, **last = &first;

void faults_set(bool upstream, const struct faults *f, uint32_t seed)
{
	faults[upstream] = *f;
	if (seed != 0)
		state = seed;
}

/* xorshift: the faults of a run are a function of its seed. */
static bool strikes(unsigned percent)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % 100 < percent;
}

static void delay(int fd, const struct msghdr *h, uint64_t by)
{
	struct delayed *d = calloc(1, sizeof *d);

	if (d == NULL)
		return;
	d->due = clock_now() + by;
	d->fd = fd;
	memcpy(&d->to, h->msg_name, h->msg_namelen);
	d->to_len = h->msg_namelen;
	d->len = h->msg_iov->iov_len;
	memcpy(d->bytes, h->msg_iov->iov_base, d->len);
	if (h->msg_controllen > 0 && h->msg_controllen <= sizeof d->control) {
		memcpy(d->control, h->msg_control, h->msg_controllen);
		d->control_len = h->msg_controllen;
	}
	*last = d;
	last = &d->next;
}

uint64_t faults_release(void)
{
	struct delayed **at = &first;
	uint64_t next = UINT64_MAX;

	while (*at != NULL) {
		struct delayed *d = *at;
		struct iovec v = { d->bytes, d->len };
		struct msghdr h = { .msg_name = &d->to, .msg_namelen = d->to_len, .msg_iov = &v, .msg_iovlen = 1,
			.msg_control = d->control_len > 0 ? d->control : NULL, .msg_controllen = d->control_len };

		if (d->due > clock_now()) {
			next = d->due < next ? d->due : next;
			at = &d->next;
			continue;
		}
		sendmsg(d->fd, &h, MSG_DONTWAIT);
		*at = d->next;
		free(d);
	}
	last = at;
	return next;
}

int datagrams_receive(int fd, struct mmsghdr *messages, unsigned count, bool upstream)
{
	int got = recvmmsg(fd, messages, count, MSG_DONTWAIT, NULL), kept = 0;

	/* Lost ones become empty datagrams, which are ignored: the batch keeps its order and its buffers. */
	for (int i = 0; i < got; i++) {
		if (strikes(faults[upstream].drop))
			messages[i].msg_len = 0;
		kept++;
	}
	return got < 0 ? got : kept;
}

static int send_one(int fd, struct mmsghdr *m, const struct faults *f)
{
	int copies = strikes(f->duplicate) ? 2 : 1;

	if (strikes(f->fail)) {
		errno = ENOBUFS;
		return -1;
	}
	if (strikes(f->drop))
		return 0;
	while (copies-- > 0) {
		if (f->delay > 0)
			delay(fd, &m->msg_hdr, f->delay);
		else if (sendmsg(fd, &m->msg_hdr, MSG_DONTWAIT) < 0)
			return -1;
	}
	return 0;
}

int datagrams_send(int fd, struct mmsghdr *messages, unsigned count, bool upstream)
{
	for (unsigned i = 0; i < count; i++)
		if (send_one(fd, &messages[i], &faults[upstream]) < 0)
			return i > 0 ? (int)i : -1;
	return (int)count;
}
