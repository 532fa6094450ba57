#include "proxy/process/parent.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "proxy/exchange/metrics.h"
#include "proxy/process/feeds.h"
#include "proxy/process/notify.h"
#include "proxy/process/reader.h"
#include "proxy/process/reload.h"
#include "proxy/process/sandbox.h"
#include "proxy/process/steer.h"
#include "proxy/process/workers.h"

static const struct timeval stop_patience = { 5, 0 }, stop_impatience = { 1, 0 };

static struct timeval interval_of(uint64_t microseconds)
{
	return (struct timeval){ (time_t)(microseconds / CLOCK_SECOND), (suseconds_t)(microseconds % CLOCK_SECOND) };
}

/* ---- counters ---- */

/* A reader gets a second for each piece; the parent has more to do than to wait for one that does not read. */
static void write_out(const char *text, size_t len)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };
	ssize_t n = 0;

	for (size_t at = 0; at < len; at += n > 0 ? (size_t)n : 0) {
		if (poll(&out, 1, 1000) == 1 && (out.revents & POLLOUT) != 0)
			n = write(STDOUT_FILENO, text + at, len - at < PIPE_BUF ? len - at : PIPE_BUF);
		else
			n = -1;
		if (n < 0) {
			log_warning("not all counters could be written");
			return;
		}
	}
}

static void print_counters(struct parent *p)
{
	static struct read_metrics read;
	struct metrics sum;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return;
	house_metrics(&p->house, &sum);
	metrics_print(&sum, out);
	for (size_t i = 0; i < p->conf->route_count; i++) {
		struct route_metrics route;

		route_counts_get(&p->route_counts, &p->house, p->conf->routes[i].metrics_slot, &route);
		metrics_print_route(&route, p->conf->routes[i].name, out);
	}
	for (size_t i = 0; i < p->conf->read_count; i++) {
		read_metrics_of_house(&p->house, &p->conf->reads[i], &read);
		read_metrics_print(&read, &p->conf->reads[i], out);
	}
	if (fclose(out) == 0)
		write_out(text, len);
	free(text);
}

/* ---- logs ---- */

int parent_open_logs(const struct settings *s, struct parent_logs *out)
{
	out->log = log_file_open(s->log_file, STDERR_FILENO);
	if (out->log < 0) {
		log_error("log.file: cannot open %s: %s", s->log_file, strerror(errno));
		return -1;
	}
	out->access = log_file_open(s->access_file, STDOUT_FILENO);
	if (out->access >= 0)
		return 0;
	log_error("log.access-file: cannot open %s: %s", s->access_file, strerror(errno));
	parent_close_logs(out);
	return -1;
}

void parent_close_logs(struct parent_logs *logs)
{
	if (logs->log > STDERR_FILENO)
		close(logs->log);
	if (logs->access > STDERR_FILENO)
		close(logs->access);
	logs->log = logs->access = -1;
}

void parent_use_logs(struct parent *p, const struct parent_logs *logs)
{
	const int fds[2] = { logs->log, logs->access };

	log_open(logs->log, p->conf->settings.log_level);
	parent_close_logs(&p->logs);
	p->logs = *logs;
	workers_tell_all(p, &(struct channel_message){ .kind = CHANNEL_LOGS }, fds, 2);
	reader_use_log(p);
}

void parent_log_lines(char *text)
{
	char *save = NULL;

	for (char *line = text != NULL ? strtok_r(text, "\n", &save) : NULL; line != NULL; line = strtok_r(NULL, "\n", &save)) {
		if (strstr(line, ": warning: ") != NULL)
			log_warning("%s", line);
		else
			log_error("%s", line);
	}
}

static void reopen_logs(struct parent *p)
{
	struct parent_logs logs;

	if (parent_open_logs(&p->conf->settings, &logs) < 0)
		return;
	parent_use_logs(p, &logs);
	log_info("logs are opened anew");
}

/* ---- the end ---- */

/* The reader goes last, since workers answer what is under way. */
static void end_if_gone(struct parent *p)
{
	if (!workers_are_gone(p))
		return;
	reader_leave(p);
	p->end = reader_is_gone(p);
}

void parent_stop(struct parent *p)
{
	bool again = p->phase == PARENT_STOPPING;

	p->phase = PARENT_STOPPING;
	notify_send("STOPPING=1");
	if (!again)
		workers_tell_all(p, &(struct channel_message){ .kind = CHANNEL_STOP }, NULL, 0);
	evtimer_add(p->deadline, again ? &stop_impatience : &stop_patience);
	end_if_gone(p);
}

void parent_drain(struct parent *p)
{
	struct timeval patience = interval_of(p->conf->settings.drain_timeout);
	bool again = p->phase >= PARENT_DRAINING;

	if (p->phase != PARENT_SERVING || p->conf->settings.drain_timeout == 0) {
		parent_stop(p);
		if (again)
			evtimer_add(p->deadline, &stop_impatience);
		return;
	}
	log_info("no new exchange from now on, %llu ms for those under way",
		(unsigned long long)(p->conf->settings.drain_timeout / CLOCK_MS));
	p->phase = PARENT_DRAINING;
	notify_send("STOPPING=1");
	p->drained_by = clock_now() + p->conf->settings.drain_timeout;
	if (!clock_is_steered())
		evtimer_add(p->deadline, &patience);
	groups_close_streams(&p->groups);
	workers_tell_all(p, &(struct channel_message){ .kind = CHANNEL_DRAIN }, NULL, 0);
	if (workers_are_drained(p))
		parent_stop(p);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;

	(void)fd, (void)what;
	if (p->phase == PARENT_DRAINING) {
		log_warning("what is still under way is given up");
		parent_stop(p);
		return;
	}
	log_error("processes that do not end are killed");
	p->status = 1;
	workers_kill(p);
	reader_kill(p);
}

/* ---- what workers and the reader say ---- */

static void serve_if_ready(struct parent *p)
{
	if (!workers_are_ready(p) || !reader_is_settled(p))
		return;
	p->phase = PARENT_SERVING;
	log_info("%u %s ready", p->count, p->count == 1 ? "worker is" : "workers are");
	notify_ready();
	reload_go_on(p);
}

static void note_ready(struct parent *p, struct place *place)
{
	place->ready = true;
	if (p->phase == PARENT_STARTING) {
		serve_if_ready(p);
	} else if (workers_are_ready(p)) {
		log_info("worker %u serves (process %d)", place->number, (int)place->pid);
		reload_go_on(p);
	}
}

/* At the start the workers wait for it: no gate is to refuse what comes first. */
void parent_reader_settled(struct parent *p)
{
	if (p->phase == PARENT_STARTING)
		workers_start(p);
	else
		reload_go_on(p);
}

void parent_reader_ended(struct parent *p)
{
	if (p->phase == PARENT_STARTING) {
		p->status = 1;
		parent_stop(p);
	} else if (p->phase == PARENT_STOPPING) {
		end_if_gone(p);
	}
}

void parent_worker_said(struct parent *p, struct place *place, const struct channel_message *m)
{
	switch ((enum channel_kind)m->kind) {
	case CHANNEL_READY:
		note_ready(p, place);
		break;
	case CHANNEL_PREPARED:
	case CHANNEL_FAILED:
	case CHANNEL_COMMITTED:
		reload_worker_said(p, place, m);
		break;
	case CHANNEL_RETIRED:
		if (m->number[0] < CONF_SLOTS_MAX)
			groups_retire(&p->groups, (unsigned)m->number[0], place->number);
		break;
	case CHANNEL_FEED_GONE:
		feeds_worker_said(p, place, m);
		break;
	case CHANNEL_DRAINED:
		place->drained = true;
		if (p->phase == PARENT_DRAINING && workers_are_drained(p))
			parent_stop(p);
		break;
	case CHANNEL_STEERED:
		steer_worker_said(p, place, m);
		break;
	default:
		break;
	}
}

void parent_worker_ended(struct parent *p, struct place *place, bool failed)
{
	reload_worker_ended(p, place);
	if (p->phase == PARENT_STARTING) {
		p->status = 1;
		parent_stop(p);
		return;
	}
	if (p->phase == PARENT_SERVING)
		return;
	if (failed)
		p->status = 1;
	if (p->phase == PARENT_DRAINING && workers_are_drained(p))
		parent_stop(p);
	if (p->phase == PARENT_STOPPING)
		end_if_gone(p);
}

/* ---- events ---- */

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct parent *p = arg;

	(void)what;
	switch (number) {
	case SIGTERM:
	case SIGINT:
		parent_drain(p);
		break;
	case SIGHUP:
		reload_begin(p);
		break;
	case SIGUSR1:
		reopen_logs(p);
		feeds_reopen(p);
		break;
	case SIGUSR2:
		print_counters(p);
		break;
	default:
		workers_reap(p);
	}
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;
	struct timeval again = interval_of(p->conf->settings.watchdog / WATCH_LOOKS);

	(void)fd, (void)what;
	if (p->phase != PARENT_STOPPING)
		workers_watch(p);
	evtimer_add(p->watch, &again);
}

static void on_manager(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
	notify_send("WATCHDOG=1");
}

static int open_events(struct parent *p)
{
	static const int numbers[PARENT_SIGNALS] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD };
	struct timeval look = interval_of(p->conf->settings.watchdog / WATCH_LOOKS), manager = interval_of(notify_watchdog_interval());

	p->base = event_base_new();
	if (p->base == NULL)
		return -1;
	for (int i = 0; i < PARENT_SIGNALS; i++) {
		p->signals[i] = evsignal_new(p->base, numbers[i], on_signal, p);
		if (p->signals[i] == NULL || event_add(p->signals[i], NULL) < 0)
			return -1;
	}
	p->watch = evtimer_new(p->base, on_watch, p);
	p->deadline = evtimer_new(p->base, on_deadline, p);
	p->manager = event_new(p->base, -1, EV_PERSIST, on_manager, p);
	if (p->watch == NULL || p->deadline == NULL || p->manager == NULL || evtimer_add(p->watch, &look) < 0)
		return -1;
	if (notify_watchdog_interval() != 0)
		event_add(p->manager, &manager);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static void close_events(struct parent *p)
{
	struct event *all[] = { p->watch, p->deadline, p->manager };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i] != NULL)
			event_free(all[i]);
	for (int i = 0; i < PARENT_SIGNALS; i++)
		if (p->signals[i] != NULL)
			event_free(p->signals[i]);
	if (p->base != NULL)
		event_base_free(p->base);
}

void parent_turn(struct parent *p)
{
	event_base_loop(p->base, EVLOOP_ONCE);
	clock_update();
	if (p->phase == PARENT_DRAINING && clock_is_steered() && clock_now() >= p->drained_by)
		on_deadline(-1, 0, p);
}

/* ---- the start ---- */

static unsigned count_workers(const struct settings *s)
{
	cpu_set_t set;
	int processors = 1;

	if (s->workers != 0)
		return s->workers;
	if (sched_getaffinity(0, sizeof set, &set) == 0)
		processors = CPU_COUNT(&set);
	return processors < HOUSE_WORKERS_MAX ? (unsigned)processors : HOUSE_WORKERS_MAX;
}

/* A socket for each listener and worker takes more descriptors than many systems give at first. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static const char default_user[] = "oscore-proxy";

static int find_user(struct parent *p)
{
	const char *name = p->conf->settings.user;

	if (name[0] == '\0' || !p->privileges.can_set_user)
		return 0;
	p->has_user = privileges_find_user(name, &p->user) == 0;
	if (p->has_user)
		return 0;
	/* Somebody who tries the program out has not made the user that the default names. */
	if (strcmp(name, default_user) == 0) {
		log_warning("process.user: there is no user %s yet", name);
		return 0;
	}
	log_error("process.user: there is no user %s", name);
	return -1;
}

static void tell_what_is_missing(const struct parent *p)
{
	struct privileges_missing missing;
	struct sandbox_report sandbox;

	sandbox_probe(&sandbox);
	privileges_list_missing(&missing, &p->privileges, p->has_user ? &p->user : NULL, &sandbox);
	for (unsigned i = 0; i < missing.count; i++)
		log_warning("not separated: %s", missing.lines[i]);
}

static int start(struct parent *p, struct snapshot *conf, const char *steer_path)
{
	if (open_events(p) < 0) {
		log_error("not enough memory to start");
		return -1;
	}
	if (reader_create(p) < 0 || reload_first(p, conf) < 0)
		return -1;
	p->groups.activation = NULL;
	if (activation_close_rest(&p->activation) > 0) {
		log_error("the socket unit has more sockets for a listener than there are workers: nobody would read them");
		return -1;
	}
	if (privileges_drop_parent(&p->privileges) < 0) {
		log_error("cannot give up what the parent does not need: %s", strerror(errno));
		return -1;
	}
	if (find_user(p) < 0 || workers_create(p) < 0 || steer_open(p, steer_path) < 0)
		return -1;
	tell_what_is_missing(p);
	if (reader_begin(p) < 0)
		return -1;
	if (reader_is_settled(p))
		workers_start(p);
	return 0;
}

int parent_run(struct snapshot *conf, const char *path, const char *steer_path)
{
	static struct parent p;

	p.path = path;
	p.conf = snapshot_keep(conf);
	p.generation = 1;
	p.package_fd = p.reload.package_fd = p.house_fd = p.reader.program = p.reader.control = -1;
	p.logs = p.reload.logs = (struct parent_logs){ -1, -1 };
	p.count = p.groups.workers = count_workers(&conf->settings);
	for (unsigned i = 0; i < HOUSE_WORKERS_MAX; i++) {
		p.places[i] = (struct place){ .parent = &p, .number = i, .channel = -1, .duplicates_fd = -1 };
		p.house.wake[i] = -1;
	}
	p.status = 1;
	if (activation_take(&p.activation) < 0 || parent_open_logs(&conf->settings, &p.logs) < 0)
		goto out;
	p.groups.activation = &p.activation;
	log_open(p.logs.log, conf->settings.log_level);
	random_start();
	notify_open();
	raise_descriptor_limit();
	if (start(&p, conf, steer_path) < 0)
		goto out;
	p.status = 0;
	while (!p.end) {
		parent_turn(&p);
		steer_obey();
	}
	log_info("stopped");
out:
	steer_close();
	workers_destroy(&p);
	reader_destroy(&p);
	reload_close(&p);
	feeds_close(&p);
	route_counts_free(&p.route_counts);
	groups_close(&p.groups);
	close_events(&p);
	notify_close();
	parent_close_logs(&p.logs);
	snapshot_release(p.conf);
	return p.status;
}
