#include "oscore/reader/answers.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"

static struct worker {
	bool is_there;
	int fd;
} workers[ANSWERS_WORKERS_MAX];

static uint64_t answered, lost, misunderstood;

/* One more than may come, so that a longer packet is seen to be one. */
static uint8_t packet[OPENING_PACKET_MAX + 1];
static uint8_t reply[OPENING_PACKET_MAX];

static void worker_close(struct worker *w)
{
	if (w->is_there)
		close(w->fd);
	w->is_there = false;
}

int answers_take_worker(int loop, uint64_t number, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = number };
	struct worker *w;

	if (number >= ANSWERS_WORKERS_MAX || epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		return -1;
	}
	w = &workers[number];
	worker_close(w);
	w->is_there = true;
	w->fd = fd;
	return 0;
}

/* Answers on their way to one worker. */
struct replies {
	struct worker *to;
	struct writer w;
	unsigned count;
};

static void replies_begin(struct replies *r, struct worker *to)
{
	r->to = to;
	r->count = 0;
	writer_init(&r->w, reply, sizeof reply);
}

static void replies_send(struct replies *r)
{
	ssize_t n;

	if (r->count == 0)
		return;
	do
		n = write(r->to->fd, reply, writer_length(&r->w));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)writer_length(&r->w))
		answered += r->count;
	else
		lost += r->count;
	replies_begin(r, r->to);
}

static void replies_add(struct replies *r, const struct opening_answer *a)
{
	if (r->count >= ANSWERS_TOGETHER)
		replies_send(r);
	if (opening_answer_write(&r->w, a) < 0) {
		replies_send(r);
		if (opening_answer_write(&r->w, a) < 0) {
			lost++;
			return;
		}
	}
	r->count++;
}

/* Returns how many questions there were. */
static unsigned answer_packet(struct opener *o, struct replies *r, size_t len)
{
	static struct opening_answer a;
	struct opening_question q;
	struct reader in;
	unsigned count = 0;
	int more;

	reader_init(&in, packet, len);
	while ((more = opening_question_read(&in, &q)) == 1) {
		opener_answer(o, &q, &a);
		replies_add(r, &a);
		count++;
	}
	if (more < 0)
		misunderstood++;
	return count;
}

/* Reads a packet. Returns its length, 0 if none is there, or -1 if the other side is gone: or has sent an empty packet, after which nothing
 * sensible comes. */
static ssize_t packet_read(struct worker *w)
{
	ssize_t n;

	do
		n = read(w->fd, packet, sizeof packet);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	return n < 0 && errno == EAGAIN ? 0 : -1;
}

void answers_turn(struct opener *o, uint64_t number)
{
	struct replies r;
	struct worker *w;
	unsigned done = 0;
	ssize_t n = 1;

	if (number >= ANSWERS_WORKERS_MAX || !workers[number].is_there)
		return;
	w = &workers[number];
	replies_begin(&r, w);
	while (n > 0 && done < ANSWERS_A_TURN) {
		n = packet_read(w);
		done++; /* also where nothing is asked */
		if (n > OPENING_PACKET_MAX)
			misunderstood++;
		else if (n > 0)
			done += answer_packet(o, &r, (size_t)n);
	}
	replies_send(&r);
	if (n < 0)
		worker_close(w);
}

void answers_report(void)
{
	log_info("%" PRIu64 " questions were answered; answers to %" PRIu64 " found no room, %" PRIu64 " packets were not understood", answered, lost,
		misunderstood);
}
