#include "proxy/process/workers.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/process/child.h"
#include "proxy/process/feeds.h"
#include "proxy/process/reader.h"
#include "proxy/process/steer.h"

enum {
	EARLY_DEATHS_MAX = 3, /* in a row: then the next waits */
	MESSAGES_A_TURN = 64, /* from one worker, so that none keeps the parent from the others and from signals */
	START_LOOKS = 4 * WATCH_LOOKS, /* reading a large configuration may take longer than a turn */
};
static const struct timeval settled_after = { 10, 0 }, start_again_after = { 1, 0 };

/* ---- what outlives a worker ---- */

/* Of fixed size, so that nobody who maps it can have the ground taken from under it. */
static int memory_new(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		return fd;
	close(fd);
	return -1;
}

int workers_create(struct parent *p)
{
	const struct settings *s = &p->conf->settings;

	p->house_fd = memory_new("house", house_bytes(p->count, s->crossing_memory));
	if (p->house_fd < 0 || house_map(&p->house, p->house_fd, p->count, s->crossing_memory, 0) < 0)
		goto fail;
	house_begin(&p->house);
	for (unsigned i = 0; i < p->count; i++) {
		struct place *place = &p->places[i];

		place->duplicates_fd = memory_new("duplicates", s->dedup_memory / p->count);
		p->house.wake[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (place->duplicates_fd < 0 || p->house.wake[i] < 0)
			goto fail;
	}
	return 0;
fail:
	log_error("cannot make what the workers share: %s", strerror(errno));
	return -1;
}

static void hang_up(struct place *place)
{
	if (place->readable != NULL)
		event_free(place->readable);
	place->readable = NULL;
	if (place->channel >= 0)
		close(place->channel);
	place->channel = -1;
	place->ready = false;
}

void workers_destroy(struct parent *p)
{
	workers_kill(p);
	for (unsigned i = 0; i < p->count; i++) {
		struct place *place = &p->places[i];

		if (place->pid > 0)
			waitpid(place->pid, NULL, 0);
		hang_up(place);
		if (place->again != NULL)
			event_free(place->again);
		if (place->duplicates_fd >= 0)
			close(place->duplicates_fd);
		if (p->house.wake[i] >= 0)
			close(p->house.wake[i]);
	}
	house_unmap(&p->house);
	if (p->house_fd >= 0)
		close(p->house_fd);
}

/* ---- telling ---- */

static void kill_one(struct place *place)
{
	if (place->pid > 0)
		kill(place->pid, SIGKILL);
}

void workers_tell(struct parent *p, struct place *place, const struct channel_message *m, const int *fds, unsigned count)
{
	(void)p;
	if (place->channel < 0 || channel_send(place->channel, m, fds, count) == 0)
		return;
	/* One that has just died is noticed by its end. */
	if (errno != EPIPE && errno != ECONNRESET)
		log_error("worker %u does not listen: %s; it is killed", place->number, strerror(errno));
	hang_up(place);
	kill_one(place);
}

void workers_tell_all(struct parent *p, const struct channel_message *m, const int *fds, unsigned count)
{
	for (unsigned i = 0; i < p->count; i++)
		workers_tell(p, &p->places[i], m, fds, count);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct packet_descriptors got;
	struct channel_message m;
	struct place *place = arg;
	int n = 0, left = MESSAGES_A_TURN;

	(void)fd, (void)what;
	while (left-- > 0 && place->channel >= 0 && (n = channel_receive(place->channel, false, &m, &got)) > 0) {
		packets_close_all(&got);
		parent_worker_said(place->parent, place, &m);
	}
	if (n >= 0)
		return;
	if (errno != 0)
		log_error("worker %u cannot be understood: %s; it is killed", place->number, strerror(errno));
	hang_up(place);
	kill_one(place);
}

/* ---- starting ---- */

/* In the child, between fork and exec. */
static _Noreturn void become_worker(const struct parent *p, const struct place *place, int channel)
{
	static const char who[] = "a worker";
	char name[40], flag[] = "--worker";
	char *arguments[] = { name, flag, NULL };

	child_begin(p->logs.log, channel, p->has_user ? &p->user : NULL, who);
	snprintf(name, sizeof name, "oscore-proxy: worker %u", place->number);
	execve("/proc/self/exe", arguments, steer_environment());
	child_fail(who);
}

/* Those that linger too: what was begun there is ended by the successor. */
static bool serves(const struct group *g, unsigned worker)
{
	return g->state == GROUP_SERVING || (g->state == GROUP_LINGERING && (g->retired >> worker & 1) == 0);
}

static void tell_start(struct parent *p, struct place *place)
{
	struct channel_message m = { .kind = CHANNEL_START };
	int fds[START_FD_WAKE + HOUSE_WORKERS_MAX];

	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		m.number[START_LISTENERS] += serves(&p->groups.slots[i], place->number);
	m.number[START_WORKER] = place->number;
	m.number[START_COUNT] = p->count;
	m.number[START_CLOCK] = clock_now();
	m.number[START_CROSSING_MEMORY] = p->conf->settings.crossing_memory;
	fds[START_FD_HOUSE] = p->house_fd;
	fds[START_FD_DUPLICATES] = place->duplicates_fd;
	fds[START_FD_PACKAGE] = p->package_fd;
	fds[START_FD_LOG] = p->logs.log;
	fds[START_FD_ACCESS_LOG] = p->logs.access;
	for (unsigned i = 0; i < p->count; i++)
		fds[START_FD_WAKE + i] = p->house.wake[i];
	workers_tell(p, place, &m, fds, START_FD_WAKE + p->count);
	reader_introduce(p, place); /* before the first request can come */
	m = (struct channel_message){ .kind = CHANNEL_LISTENER };
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		m.number[0] = i;
		if (serves(&p->groups.slots[i], place->number))
			workers_tell(p, place, &m, &p->groups.slots[i].fds[place->number], 1);
	}
	feeds_worker_starts(p, place);
}

_Static_assert((int)CHILD_END_FD == (int)CHANNEL_WORKER_FD, "a worker looks for its end there");

static int start_one(struct parent *p, struct place *place)
{
	sigset_t all, before;
	int ends[2];

	if (channel_open(ends) < 0)
		return -1;
	place->readable = event_new(p->base, ends[0], EV_READ | EV_PERSIST, on_readable, place);
	/* The child would handle a signal as the parent does, and through what they share the parent once more. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	place->pid = place->readable != NULL && event_add(place->readable, NULL) == 0 ? fork() : -1;
	if (place->pid == 0)
		become_worker(p, place, ends[1]);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
	place->channel = ends[0];
	if (place->pid < 0) {
		place->pid = 0;
		hang_up(place);
		return -1;
	}
	place->ready = place->drained = false; /* not `answered`: a commit does not wait for a successor */
	place->still = 0;
	evtimer_add(place->again, &settled_after);
	tell_start(p, place);
	return 0;
}

static void start(struct parent *p, struct place *place)
{
	if (start_one(p, place) == 0)
		return;
	log_error("cannot start worker %u: %s", place->number, strerror(errno));
	evtimer_add(place->again, &start_again_after);
}

/* Of a worker: it has lived long enough. Of an empty place: it is time for the next try. */
static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct place *place = arg;

	(void)fd, (void)what;
	if (place->pid > 0)
		place->early_deaths = 0;
	else if (place->parent->phase <= PARENT_SERVING)
		start(place->parent, place);
}

void workers_start(struct parent *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		struct place *place = &p->places[i];

		place->again = evtimer_new(p->base, on_again, place);
		if (place->again == NULL)
			log_fatal("not enough memory to start");
		house_next_incarnation(&p->house, i);
	}
	/* Behind that: to one who serves already it would look as if the others had died. */
	for (unsigned i = 0; i < p->count; i++)
		start(p, &p->places[i]);
}

/* ---- the end of one ---- */

static void replace(struct parent *p, struct place *place)
{
	/* From here on the others know that what they had with it is over. */
	house_next_incarnation(&p->house, place->number);
	for (unsigned i = 0; i < p->count; i++)
		if (i != place->number)
			house_wake(&p->house, i);
	if (++place->early_deaths < EARLY_DEATHS_MAX) {
		start(p, place);
		return;
	}
	log_warning("worker %u has died %u times soon after its start: the next starts in %ld s", place->number, place->early_deaths,
		(long)start_again_after.tv_sec);
	evtimer_add(place->again, &start_again_after);
}

static void ended(struct parent *p, struct place *place, int status)
{
	bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;

	hang_up(place);
	evtimer_del(place->again);
	if (WIFSIGNALED(status))
		log_error("worker %u (process %d) was ended by signal %d", place->number, (int)place->pid, WTERMSIG(status));
	else if (failed)
		log_error("worker %u (process %d) ended with status %d", place->number, (int)place->pid, WEXITSTATUS(status));
	place->pid = 0;
	parent_worker_ended(p, place, failed);
	if (p->phase <= PARENT_SERVING)
		replace(p, place);
}

void workers_reap(struct parent *p)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < p->count; i++)
			if (p->places[i].pid == pid)
				ended(p, &p->places[i], status);
		reader_reap(p, pid, status);
	}
}

/* ---- watching ---- */

void workers_watch(struct parent *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		struct place *place = &p->places[i];
		uint64_t beat = atomic_load_explicit(&p->house.cells[i].heartbeat, memory_order_relaxed);

		place->still = beat == place->heartbeat ? place->still + 1 : 0;
		place->heartbeat = beat;
		if (place->pid == 0 || place->still < (place->ready ? WATCH_LOOKS : START_LOOKS))
			continue;
		log_error("worker %u (process %d) does not turn any more: it is killed", i, (int)place->pid);
		place->still = 0;
		kill_one(place);
	}
}

void workers_kill(struct parent *p)
{
	for (unsigned i = 0; i < p->count; i++)
		kill_one(&p->places[i]);
}

bool workers_are_ready(const struct parent *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (!p->places[i].ready)
			return false;
	return true;
}

bool workers_are_drained(const struct parent *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->places[i].pid > 0 && !p->places[i].drained)
			return false;
	return true;
}

bool workers_are_gone(const struct parent *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->places[i].pid > 0)
			return false;
	return true;
}
