#include "proxy/process/feeds.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/exchange/feed.h"
#include "proxy/process/workers.h"

static const struct timeval again_after = { 1, 0 };

/* What the parent has of one feed. */
struct feed_end {
	int fd;         /* of a file; -1 of a socket */
	bool is_missed; /* the log was told that nobody listens */
	struct {
		uint64_t number; /* of the descriptor that this worker has; 0: none */
		bool waits;      /* for one */
	} workers[HOUSE_WORKERS_MAX];
};

struct feed_ends {
	struct event *again;
	bool is_set;      /* it is */
	uint64_t numbers; /* given so far */
	struct feed_end ends[CONF_FEEDS_MAX];  /* as p->conf has them */
	int fresh[CONF_FEEDS_MAX];             /* files of the next configuration, by its places; -1: there is none, or it stays */
};

/* ---- files ---- */

/* Nobody waits for who reads a pipe. It opens for writing where somebody reads, so here we are that one for a moment. */
static int open_file(const char *path)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	int fd = open(path, flags, 0640), reader;

	if (fd >= 0 || errno != ENXIO)
		return fd;
	reader = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (reader < 0)
		return -1;
	fd = open(path, flags, 0640);
	close(reader);
	return fd;
}

static int open_fresh(const struct parent *p, const struct feed *f)
{
	int fd = open_file(f->file);

	if (fd < 0)
		log_error("%s:%u: feeds.%s.file: cannot open %s: %s", p->path, f->line, f->name, f->file, strerror(errno));
	return fd;
}

/* ---- handing over ---- */

static void hand_over(struct parent *p, struct place *place, size_t index, int fd)
{
	struct feed_end *e = &p->feeds->ends[index];
	struct channel_message m = { .kind = CHANNEL_FEED, .number = { index, ++p->feeds->numbers } };

	e->workers[place->number].number = p->feeds->numbers;
	e->workers[place->number].waits = false;
	workers_tell(p, place, &m, &fd, 1);
}

/* Returns the descriptor, or -1: nobody listens, or those who do are too slow to take one more. */
static int connect_to(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof to.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(to.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool hand_socket_over(struct parent *p, struct place *place, size_t index)
{
	const struct feed *f = &p->conf->feeds[index];
	struct feed_end *e = &p->feeds->ends[index];
	int fd = connect_to(f->socket);

	if (fd < 0) {
		if (!e->is_missed)
			log_warning("feeds.%s.socket: cannot connect to %s: %s; it is tried again every second", f->name, f->socket, strerror(errno));
		e->is_missed = true;
		return false;
	}
	if (e->is_missed)
		log_info("feeds.%s.socket: connected to %s", f->name, f->socket);
	e->is_missed = false;
	hand_over(p, place, index, fd);
	close(fd);
	return true;
}

static void set_timer(struct feed_ends *f)
{
	if (!f->is_set)
		f->is_set = evtimer_add(f->again, &again_after) == 0;
}

/* Whatever waits for a descriptor gets it if there is one to be had, else in a second. */
static void serve_waiting(struct parent *p)
{
	bool all = true;

	for (size_t i = 0; i < p->conf->feed_count; i++) {
		struct feed_end *e = &p->feeds->ends[i];
		bool reached = true;

		for (unsigned n = 0; n < p->count && reached; n++) {
			struct place *place = &p->places[n];

			if (!e->workers[n].waits || place->channel < 0)
				continue;
			if (e->fd >= 0)
				hand_over(p, place, i, e->fd);
			else
				reached = hand_socket_over(p, place, i);
		}
		all = all && reached;
	}
	if (!all)
		set_timer(p->feeds);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;

	(void)fd, (void)what;
	p->feeds->is_set = false;
	if (p->phase != PARENT_STOPPING)
		serve_waiting(p);
}

/* ---- configurations ---- */

static struct feed_ends *feeds_create(struct parent *p)
{
	struct feed_ends *f = calloc(1, sizeof *f);

	if (f == NULL)
		return NULL;
	f->again = evtimer_new(p->base, on_again, p);
	if (f->again == NULL) {
		free(f);
		return NULL;
	}
	for (size_t i = 0; i < CONF_FEEDS_MAX; i++)
		f->ends[i].fd = f->fresh[i] = -1;
	return f;
}

/* The place of a feed that stays, or -1. */
static int place_in(const struct snapshot *conf, const struct feed *f)
{
	for (size_t i = 0; conf != NULL && i < conf->feed_count; i++)
		if (feed_is_same(&conf->feeds[i], f))
			return (int)i;
	return -1;
}

int feeds_prepare(struct parent *p, const struct snapshot *next)
{
	int status = 0;

	if (p->feeds == NULL && next->feed_count == 0)
		return 0;
	if (p->feeds == NULL)
		p->feeds = feeds_create(p);
	if (p->feeds == NULL) {
		log_error("not enough memory for feeds");
		return -1;
	}
	for (size_t i = 0; i < next->feed_count; i++) {
		const struct feed *f = &next->feeds[i];

		if (*f->file == '\0' || (next != p->conf && place_in(p->conf, f) >= 0))
			continue;
		p->feeds->fresh[i] = open_fresh(p, f);
		if (p->feeds->fresh[i] < 0)
			status = -1;
	}
	if (status < 0)
		feeds_abort(p);
	return status;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void feeds_abort(struct parent *p)
{
	for (size_t i = 0; p->feeds != NULL && i < CONF_FEEDS_MAX; i++)
		close_one(&p->feeds->fresh[i]);
}

void feeds_commit(struct parent *p, const struct snapshot *old)
{
	struct feed_end before[CONF_FEEDS_MAX];

	if (p->feeds == NULL)
		return;
	memcpy(before, p->feeds->ends, sizeof before);
	for (size_t i = 0; i < CONF_FEEDS_MAX; i++) {
		struct feed_end *e = &p->feeds->ends[i];
		int at = i < p->conf->feed_count ? place_in(old, &p->conf->feeds[i]) : -1;

		*e = (struct feed_end){ .fd = p->feeds->fresh[i] };
		p->feeds->fresh[i] = -1;
		if (at >= 0) {
			*e = before[at];
			before[at].fd = -1;
		}
		for (unsigned n = 0; n < p->count && at < 0 && i < p->conf->feed_count; n++)
			e->workers[n].waits = true;
	}
	for (size_t i = 0; i < CONF_FEEDS_MAX; i++)
		close_one(&before[i].fd);
	serve_waiting(p);
}

void feeds_worker_starts(struct parent *p, struct place *place)
{
	if (p->feeds == NULL)
		return;
	for (size_t i = 0; i < p->conf->feed_count; i++)
		p->feeds->ends[i].workers[place->number].waits = true;
	serve_waiting(p);
}

void feeds_worker_said(struct parent *p, struct place *place, const struct channel_message *m)
{
	struct feed_end *e;

	if (p->feeds == NULL || m->number[0] >= p->conf->feed_count)
		return;
	e = &p->feeds->ends[m->number[0]];
	if (e->workers[place->number].number != m->number[1])
		return; /* it has another already */
	e->workers[place->number].waits = true;
	/* Not at once: whoever closes what he has just accepted would keep us busy. */
	set_timer(p->feeds);
}

void feeds_reopen(struct parent *p)
{
	for (size_t i = 0; p->feeds != NULL && i < p->conf->feed_count; i++) {
		struct feed_end *e = &p->feeds->ends[i];
		int fd = e->fd >= 0 ? open_fresh(p, &p->conf->feeds[i]) : -1;

		if (fd < 0)
			continue;
		close(e->fd);
		e->fd = fd;
		for (unsigned n = 0; n < p->count; n++)
			e->workers[n].waits = true;
	}
	if (p->feeds != NULL)
		serve_waiting(p);
}

void feeds_close(struct parent *p)
{
	if (p->feeds == NULL)
		return;
	feeds_abort(p);
	for (size_t i = 0; i < CONF_FEEDS_MAX; i++)
		close_one(&p->feeds->ends[i].fd);
	event_free(p->feeds->again);
	free(p->feeds);
	p->feeds = NULL;
}
