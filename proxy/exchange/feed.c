#include "proxy/exchange/feed.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "proxy/exchange/feed_line.h"
#include "proxy/exchange/feed_lines.h"

/* How long traffic goes on before a full socket, or a full disk, is tried again. */
#define AGAIN_AFTER (5 * CLOCK_MS)

enum feed_kind {
	FEED_FILE,
	FEED_PIPE,   /* all workers write to one: whole lines alone, of at most what goes in at once */
	FEED_STREAM, /* a connection of this worker's own */
};

/* One feed, and what waits for it. */
struct feed_out {
	const struct feed *feed; /* one of the snapshot's below */
	int fd;                  /* -1: there is none */
	enum feed_kind kind;
	uint64_t number;         /* of fd, as the parent counts */
	bool gone;               /* it is closed, and the parent was not told */
	struct feed_lines lines;
	bool torn;               /* the first line has left in part */
	bool full;               /* a line was lost for want of room, and none has left since: the next ones need not be written to know */
	bool busy;               /* something was told in this turn */
	uint64_t again_at;
};

struct feeds {
	struct snapshot *conf;   /* kept */
	struct feed_out out[CONF_FEEDS_MAX]; /* as conf has them */
	uint64_t time_at;        /* when `time` was */
	char time[LOG_TIME_MAX];
	uint8_t line[FEED_LINE_MAX];
};

static void count_lines(struct proxy *p, enum metric m, uint64_t n)
{
	p->metrics->count[m] += n;
}

static void lose(struct proxy *p, struct feed_out *o, size_t n)
{
	count_lines(p, COUNT_FEED_LOST, feed_lines_count(&o->lines, n));
	feed_lines_drop(&o->lines, n);
	o->full = false;
}

/* ---- writing ---- */

static ssize_t write_some(const struct feed_out *o, size_t n)
{
	struct iovec pieces[2];
	struct msghdr m = { .msg_iov = pieces, .msg_iovlen = (size_t)feed_lines_pieces(&o->lines, n, pieces) };
	ssize_t written;

	do
		written = o->kind == FEED_STREAM ? sendmsg(o->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) : writev(o->fd, pieces, (int)m.msg_iovlen);
	while (written < 0 && errno == EINTR);
	return written;
}

/* Nobody will see the rest of a line that has left in part. */
static void let_go(struct proxy *p, struct feed_out *o)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	if (o->torn)
		lose(p, o, feed_lines_first(&o->lines));
	o->torn = false;
}

/* What may leave by the next write; 0: nothing. */
static size_t portion(struct proxy *p, struct feed_out *o)
{
	size_t n = 0;

	if (o->kind != FEED_PIPE)
		return o->lines.len;
	while (o->lines.len > 0 && (n = feed_lines_whole(&o->lines, PIPE_BUF)) == 0)
		lose(p, o, feed_lines_first(&o->lines));
	return n;
}

/* Returns whether there may be more to write. */
static bool write_portion(struct proxy *p, struct feed_out *o)
{
	size_t n = portion(p, o);
	ssize_t written = n > 0 ? write_some(o, n) : 0;

	if (written < 0 && o->kind == FEED_STREAM && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
		let_go(p, o);
		o->gone = true;
		return false;
	}
	if (written > 0) {
		count_lines(p, COUNT_FEED_LINES, feed_lines_count(&o->lines, (size_t)written));
		o->torn = !feed_lines_ends(&o->lines, (size_t)written);
		feed_lines_drop(&o->lines, (size_t)written);
		o->full = false;
	}
	o->again_at = written < (ssize_t)n ? clock_now() + AGAIN_AFTER : 0;
	return o->lines.len > 0 && n > 0 && written == (ssize_t)n;
}

/* A pipe takes pages at a time; all else takes it at once. */
static void flush(struct proxy *p, struct feed_out *o)
{
	bool busy = o->busy;

	o->busy = false;
	if (o->lines.len == 0 || o->fd < 0 || (busy && clock_now() < o->again_at))
		return;
	while (write_portion(p, o))
		;
}

void feeds_flush(struct proxy *p)
{
	if (p->feeds == NULL)
		return;
	for (size_t i = 0; i < p->feeds->conf->feed_count; i++)
		flush(p, &p->feeds->out[i]);
}

/* ---- telling ---- */

uint64_t feed_exchange_number(struct proxy *p)
{
	uint32_t us;

	if (p->feed_exchanges == 0) { /* a worker that begins later begins behind: none has that many exchanges a second */
		int64_t seconds = clock_wall(&us);

		p->feed_exchanges = (seconds > 0 ? (uint64_t)seconds : 0) * CLOCK_SECOND + us + 1;
	}
	return p->feed_exchanges++ * HOUSE_WORKERS_MAX + p->house.self;
}

bool feed_is_same(const struct feed *a, const struct feed *b)
{
	return a == b || (strcmp(a->name, b->name) == 0 && strcmp(a->file, b->file) == 0 && strcmp(a->socket, b->socket) == 0);
}

static struct feed_out *find(struct feeds *feeds, const struct feed *f)
{
	for (size_t i = 0; feeds != NULL && i < feeds->conf->feed_count; i++)
		if (feed_is_same(feeds->out[i].feed, f))
			return &feeds->out[i];
	return NULL;
}

static const char *time_now(struct feeds *feeds)
{
	if (feeds->time_at != clock_now())
		log_time(feeds->time, 3);
	feeds->time_at = clock_now();
	return feeds->time;
}

void feed_tell(struct proxy *p, const struct feed *f, const struct feed_record *r)
{
	struct feed_out *o = find(p->feeds, f);
	struct writer w;

	if (o != NULL)
		o->busy = true;
	if (o == NULL || o->full) {
		proxy_count(p, COUNT_FEED_LOST);
		return;
	}
	writer_init(&w, p->feeds->line, sizeof p->feeds->line);
	feed_line_write(&w, r, time_now(p->feeds), p->conf->settings.log_kid, &p->hash_key);
	if (!w.failed && feed_lines_add(&o->lines, w.start, writer_length(&w)))
		return;
	o->full = !w.failed && o->lines.len > 0;
	proxy_count(p, COUNT_FEED_LOST);
}

/* ---- which feeds there are ---- */

void feeds_take(struct proxy *p, size_t index, int fd, uint64_t number)
{
	struct feed_out *o;
	struct stat st;

	if (p->feeds == NULL || index >= p->feeds->conf->feed_count) {
		close(fd);
		return;
	}
	o = &p->feeds->out[index];
	if (o->torn) {
		o->busy = false;
		flush(p, o);
	}
	let_go(p, o);
	o->fd = fd;
	o->number = number;
	o->gone = false;
	o->again_at = 0;
	if (fstat(fd, &st) < 0)
		st.st_mode = S_IFREG;
	o->kind = S_ISSOCK(st.st_mode) ? FEED_STREAM : S_ISFIFO(st.st_mode) ? FEED_PIPE : FEED_FILE;
	flush(p, o);
}

uint64_t feeds_gone(struct proxy *p, size_t *index)
{
	for (size_t i = 0; p->feeds != NULL && i < p->feeds->conf->feed_count; i++) {
		struct feed_out *o = &p->feeds->out[i];

		if (!o->gone)
			continue;
		o->gone = false;
		*index = i;
		return o->number;
	}
	return 0;
}

static void out_end(struct proxy *p, struct feed_out *o)
{
	o->busy = false;
	flush(p, o);
	let_go(p, o);
	if (o->lines.len > 0)
		lose(p, o, o->lines.len);
	feed_lines_fini(&o->lines);
}

/* *kept, the one of the configuration before or NULL, is left with what is not taken over. Returns 0, or -1 without memory. */
static int out_begin(struct feed_out *o, const struct feed *f, struct feed_out *kept)
{
	*o = kept != NULL ? *kept : (struct feed_out){ .fd = -1 };
	o->feed = f;
	if (kept != NULL && kept->lines.bytes != NULL && kept->lines.capacity == f->memory) {
		*kept = (struct feed_out){ .feed = kept->feed, .fd = -1 };
		return 0;
	}
	o->full = false;
	(void)feed_lines_init(&o->lines, (size_t)f->memory);
	if (kept == NULL || (feed_lines_move(&o->lines, &kept->lines) == 0 && kept->torn)) {
		o->fd = -1; /* of a half line nothing must follow */
		o->torn = false;
		o->gone = kept != NULL;
	} else {
		kept->fd = -1;
		kept->torn = kept->gone = false;
	}
	return o->lines.bytes != NULL ? 0 : -1;
}

void feeds_destroy(struct proxy *p)
{
	if (p->feeds == NULL)
		return;
	for (size_t i = 0; i < p->feeds->conf->feed_count; i++)
		out_end(p, &p->feeds->out[i]);
	snapshot_release(p->feeds->conf);
	free(p->feeds);
	p->feeds = NULL;
}

int feeds_renew(struct proxy *p)
{
	struct feeds *next = p->conf->feed_count > 0 ? calloc(1, sizeof *next) : NULL;
	int status = 0;

	if (next != NULL) {
		next->conf = snapshot_keep(p->conf);
		for (size_t i = 0; i < p->conf->feed_count; i++) {
			const struct feed *f = &p->conf->feeds[i];

			if (out_begin(&next->out[i], f, find(p->feeds, f)) < 0)
				status = -1;
		}
	} else if (p->conf->feed_count > 0) {
		status = -1;
	}
	feeds_destroy(p);
	p->feeds = next;
	return status;
}
