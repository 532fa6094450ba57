#include "proxy/process/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "proxy/process/feeds.h"
#include "proxy/process/files.h"
#include "proxy/process/notify.h"
#include "proxy/process/package.h"
#include "proxy/process/reader.h"
#include "proxy/process/route_slots.h"
#include "proxy/process/workers.h"

/* ---- a configuration and what goes with it ---- */

/* With the bytes of the files that it names, of which nothing else is left behind. Returns it, or -1 with the reason in the log. */
static int write_package(const struct parent *p, const struct snapshot *next)
{
	static struct files files;
	char *text = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&text, &size);
	int fd = -1, status;

	if (errors == NULL)
		return -1;
	status = files_read(&files, p->path, next, errors);
	fclose(errors);
	parent_log_lines(text);
	free(text);
	if (status == 0) {
		fd = package_write(next, &files.material);
		if (fd < 0)
			log_error("cannot write the package for the workers: %s", strerror(errno));
	}
	files_wipe(&files);
	return fd;
}

/* Gives it its numbers; the groups are placed and not yet committed. Returns its package, or -1 with the reason in the log. */
static int place(struct parent *p, struct snapshot *next, uint32_t *routes_placed)
{
	uint32_t *routes = calloc(next->route_count + 1, sizeof *routes);
	uint8_t listeners[CONF_LISTENERS_MAX];
	int fd = -1;

	if (routes == NULL || route_slots_place(p->conf, next, routes_placed, routes) < 0) {
		log_error("not enough memory for the configuration");
		goto out;
	}
	if (groups_place(&p->groups, next, listeners) < 0)
		goto out;
	snapshot_place(next, listeners, routes);
	fd = write_package(p, next);
	if (fd < 0)
		groups_abort(&p->groups);
out:
	free(routes);
	return fd;
}

int reload_first(struct parent *p, struct snapshot *conf)
{
	p->routes_placed = (uint32_t)conf->route_count;
	if (reader_first(p, conf) < 0)
		return -1;
	p->package_fd = place(p, conf, &p->routes_placed);
	if (p->package_fd < 0 || feeds_prepare(p, conf) < 0)
		return -1;
	groups_commit(&p->groups, conf);
	feeds_commit(p, NULL);
	return 0;
}

/* Every error of the file goes to the log. */
static struct snapshot *read_file(const struct parent *p)
{
	char *text = NULL;
	const char *fixed;
	size_t size = 0;
	FILE *errors = open_memstream(&text, &size);
	struct snapshot *next = NULL;

	if (errors == NULL)
		return NULL;
	next = conf_load_file(p->path, errors);
	fclose(errors);
	parent_log_lines(text);
	free(text);
	if (next == NULL)
		return NULL;
	fixed = conf_fixed_difference(p->conf, next);
	if (fixed == NULL)
		return next;
	log_error("%s: %s is fixed until the gateway is restarted", p->path, fixed);
	snapshot_release(next);
	return NULL;
}

/* ---- an attempt ---- */

static void forget_attempt(struct parent *p)
{
	if (p->reload.package_fd >= 0)
		close(p->reload.package_fd);
	p->reload.package_fd = -1;
	parent_close_logs(&p->reload.logs);
	snapshot_release(p->reload.next);
	p->reload.next = NULL;
	p->reload.state = RELOAD_IDLE;
	notify_ready();
}

static void begin_again(struct parent *p)
{
	if (!p->reload.again || p->reload.state != RELOAD_IDLE || !workers_are_ready(p) || reader_is_starting(p))
		return;
	p->reload.again = false;
	reload_begin(p);
}

static void abort_attempt(struct parent *p)
{
	workers_tell_all(p, &(struct channel_message){ .kind = CHANNEL_ABORT, .generation = p->reload.asked }, NULL, 0);
	reader_abort(p);
	groups_abort(&p->groups);
	feeds_abort(p);
	forget_attempt(p);
}

static void tell_prepare(struct parent *p, struct place *at)
{
	struct channel_message m = { .kind = CHANNEL_LISTENER, .generation = p->reload.asked };

	at->answered = false;
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		const struct group *g = &p->groups.slots[i];

		m.number[0] = i;
		if (g->wanted && (g->state == GROUP_FRESH || g->state == GROUP_LINGERING))
			workers_tell(p, at, &m, &g->fds[at->number], 1);
	}
	m = (struct channel_message){ .kind = CHANNEL_PREPARE, .generation = p->reload.asked };
	workers_tell(p, at, &m, &p->reload.package_fd, 1);
}

static bool logs_differ(const struct settings *a, const struct settings *b)
{
	return strcmp(a->log_file, b->log_file) != 0 || strcmp(a->access_file, b->access_file) != 0;
}

/* All of it that may fail. Returns 0, or -1 with the reason in the log. */
static int prepare(struct parent *p, struct snapshot *next)
{
	if (logs_differ(&p->conf->settings, &next->settings) && parent_open_logs(&next->settings, &p->reload.logs) < 0)
		return -1;
	if (feeds_prepare(p, next) < 0)
		goto close_logs;
	p->reload.package_fd = place(p, next, &p->routes_placed);
	if (p->reload.package_fd < 0)
		goto abort_feeds;
	if (reader_prepare(p, next) == 0)
		return 0;
	groups_abort(&p->groups);
	close(p->reload.package_fd);
	p->reload.package_fd = -1;
abort_feeds:
	feeds_abort(p);
close_logs:
	parent_close_logs(&p->reload.logs);
	return -1;
}

void reload_begin(struct parent *p)
{
	struct snapshot *next;

	if (p->phase > PARENT_SERVING)
		return;
	if (p->reload.state != RELOAD_IDLE || !workers_are_ready(p) || reader_is_starting(p)) {
		p->reload.again = true;
		return;
	}
	notify_reloading();
	next = read_file(p);
	if (next == NULL || prepare(p, next) < 0) {
		log_error("the configuration stays as it was");
		snapshot_release(next);
		notify_ready();
		return;
	}
	p->reload.next = next;
	p->reload.asked++;
	p->reload.state = RELOAD_PREPARING;
	for (unsigned i = 0; i < p->count; i++)
		tell_prepare(p, &p->places[i]);
}

static bool all_have_answered(const struct parent *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (!p->places[i].answered)
			return false;
	return reader_has_prepared(p);
}

static void ask_again(struct parent *p)
{
	for (unsigned i = 0; i < p->count; i++)
		p->places[i].answered = false;
}

/* From here on it is the one in force: a worker that dies now has a successor that begins with it. */
static void commit(struct parent *p)
{
	struct snapshot *old = p->conf;

	ask_again(p);
	p->reload.state = RELOAD_COMMITTING;
	p->conf = p->reload.next;
	p->reload.next = NULL;
	close(p->package_fd);
	p->package_fd = p->reload.package_fd;
	p->reload.package_fd = -1;
	p->generation++;
	groups_commit(&p->groups, p->conf);
	if (route_counts_renew(&p->route_counts, &p->house, old, p->conf) < 0)
		log_warning("not enough memory: counters of new routes may begin with what others left");
	reader_commit(p);
	workers_tell_all(p, &(struct channel_message){ .kind = CHANNEL_COMMIT, .generation = p->reload.asked }, NULL, 0);
	if (p->reload.logs.log >= 0)
		parent_use_logs(p, &p->reload.logs);
	else
		log_open(p->logs.log, p->conf->settings.log_level);
	p->reload.logs = (struct parent_logs){ -1, -1 };
	feeds_commit(p, old);
	snapshot_release(old);
}

static void finish_if_answered(struct parent *p)
{
	if (p->reload.state == RELOAD_IDLE || !all_have_answered(p))
		return;
	if (p->reload.state == RELOAD_PREPARING) {
		commit(p);
		return;
	}
	log_info("configuration in force (generation %u)", (unsigned)p->generation);
	forget_attempt(p);
	begin_again(p);
}

void reload_worker_said(struct parent *p, struct place *at, const struct channel_message *m)
{
	enum channel_kind expected = p->reload.state == RELOAD_COMMITTING ? CHANNEL_COMMITTED : CHANNEL_PREPARED;

	if (p->reload.state == RELOAD_IDLE || m->generation != p->reload.asked)
		return; /* to an attempt that was given up */
	if (p->reload.state == RELOAD_PREPARING && m->kind == CHANNEL_FAILED) {
		log_error("worker %u cannot take the configuration: %s", at->number, m->text);
		log_error("the configuration stays as it was");
		abort_attempt(p);
		begin_again(p);
		return;
	}
	if (m->kind != expected)
		return;
	at->answered = true;
	finish_if_answered(p);
}

void reload_worker_ended(struct parent *p, struct place *at)
{
	if (p->reload.state == RELOAD_PREPARING) {
		log_warning("the new configuration waits for the worker that ended");
		abort_attempt(p);
		p->reload.again = true;
	} else if (p->reload.state == RELOAD_COMMITTING) {
		at->answered = true;
		finish_if_answered(p);
	}
}

void reload_go_on(struct parent *p)
{
	begin_again(p);
}

void reload_reader_answered(struct parent *p)
{
	finish_if_answered(p);
}

void reload_reader_failed(struct parent *p)
{
	log_error("the configuration stays as it was");
	abort_attempt(p);
	begin_again(p);
}

void reload_reader_ended(struct parent *p, bool again)
{
	if (!again) {
		reload_reader_failed(p);
		return;
	}
	log_warning("the new configuration waits for the reader that ended");
	abort_attempt(p);
	p->reload.again = true;
}

void reload_close(struct parent *p)
{
	if (p->package_fd >= 0)
		close(p->package_fd);
	if (p->reload.package_fd >= 0)
		close(p->reload.package_fd);
	parent_close_logs(&p->reload.logs);
	snapshot_release(p->reload.next);
}
