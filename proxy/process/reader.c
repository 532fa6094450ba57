#include "proxy/process/reader.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "oscore/reader/control.h"
#include "proxy/exchange/metrics.h"
#include "proxy/process/reader_start.h"
#include "proxy/process/reload.h"
#include "proxy/process/workers.h"

enum {
	EARLY_DEATHS_MAX = 3, /* in a row: then the next waits */
	MESSAGES_A_TURN = 64,
};
static const struct timeval settled_after = { 10, 0 }, start_again_after = { 1, 0 };
static const struct timeval preparing_takes = { 10, 0 }, leaving_takes = { 2, 0 };

/* ---- what it is told ---- */

static void hang_up(struct reader_place *r)
{
	if (r->readable != NULL)
		event_free(r->readable);
	r->readable = NULL;
	if (r->control >= 0)
		close(r->control);
	r->control = -1;
}

/* A reader that does not take it is killed; one that has just died is noticed by its end. */
static void give_up(struct reader_place *r)
{
	if (errno != EPIPE && errno != ECONNRESET)
		log_error("the reader does not listen: %s; it is killed", strerror(errno));
	hang_up(r);
	if (r->pid > 0)
		kill(r->pid, SIGKILL);
}

static void tell(struct reader_place *r, const struct reader_message *m, int fd)
{
	if (r->control >= 0 && reader_control_send(r->control, m, fd) < 0)
		give_up(r);
}

static void tell_files(struct reader_place *r, const struct reader_files *files)
{
	r->prepared = false;
	if (r->control >= 0 && reader_files_send(files, r->control, ++r->asked) < 0)
		give_up(r);
	evtimer_add(r->patience, &preparing_takes);
}

void reader_use_log(struct parent *p)
{
	tell(&p->reader, &(struct reader_message){ .word = READER_LOG }, p->logs.log);
}

void reader_introduce(struct parent *p, struct place *place)
{
	struct reader_place *r = &p->reader;
	int ends[2];

	if (r->state != READER_SERVING || place->channel < 0)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
		log_error("worker %u gets no way to the reader: %s", place->number, strerror(errno));
		return;
	}
	tell(r, &(struct reader_message){ .word = READER_WORKER, .number = place->number }, ends[0]);
	workers_tell(p, place, &(struct channel_message){ .kind = CHANNEL_READER }, &ends[1], 1);
	close(ends[0]);
	close(ends[1]);
}

/* What it has prepared is in force; a new reader gets to know the workers. */
static void put_in_force(struct parent *p)
{
	struct reader_place *r = &p->reader;

	tell(r, &(struct reader_message){ .word = READER_COMMIT, .generation = r->asked }, -1);
	if (r->state == READER_SERVING)
		return;
	r->state = READER_SERVING;
	for (unsigned i = 0; i < p->count; i++)
		reader_introduce(p, &p->places[i]);
	log_info("the reader serves (process %d)", (int)r->pid);
}

/* ---- what it says ---- */

static void note_prepared(struct parent *p)
{
	struct reader_place *r = &p->reader;

	if (!r->ready || !r->prepared)
		return;
	evtimer_del(r->patience);
	if (r->attempt) {
		reload_reader_answered(p);
		return;
	}
	put_in_force(p);
	parent_reader_settled(p);
}

/* It cannot take what it was to prepare. What is in force was good once: it is tried again, after a while. */
static void note_failed(struct parent *p)
{
	struct reader_place *r = &p->reader;

	evtimer_del(r->patience);
	if (r->attempt) {
		reload_reader_failed(p);
		return;
	}
	reader_leave(p);
	evtimer_add(r->again, &start_again_after);
	parent_reader_ended(p);
}

static void take_message(struct parent *p, const struct reader_message *m)
{
	struct reader_place *r = &p->reader;
	bool is_expected = m->generation == r->asked && !r->prepared;

	switch ((enum reader_word)m->word) {
	case READER_READY:
		r->ready = true;
		if (m->text[0] != '\0')
			log_warning("not separated: reader: %s", m->text);
		note_prepared(p);
		break;
	case READER_PREPARED:
		if (!is_expected)
			break; /* of an attempt that was given up */
		r->prepared = true;
		note_prepared(p);
		break;
	case READER_FAILED:
		if (!is_expected)
			break;
		log_error("%s", m->text);
		if (!m->more)
			note_failed(p);
		break;
	default:
		break;
	}
}

static void on_readable(evutil_socket_t end, short what, void *arg)
{
	struct parent *p = arg;
	struct reader_place *r = &p->reader;
	int n = 0, left = MESSAGES_A_TURN, fd;
	struct reader_message m;

	(void)end, (void)what;
	while (left-- > 0 && r->control >= 0 && (n = reader_control_receive(r->control, false, &m, &fd)) > 0)
		take_message(p, &m);
	if (n >= 0)
		return;
	if (errno != 0)
		log_error("the reader cannot be understood: %s; it is killed", strerror(errno));
	hang_up(r);
	if (r->pid > 0)
		kill(r->pid, SIGKILL);
}

/* ---- its start ---- */

static const char default_user[] = "oscore-reader";

/* As the workers' is found: somebody who tries the program out has not made the user that the default names. */
static int find_user(struct parent *p)
{
	const char *name = p->conf->settings.reader_user;
	struct reader_place *r = &p->reader;

	r->has_user = name[0] != '\0' && p->privileges.can_set_user && privileges_find_user(name, &r->user) == 0;
	if (r->has_user || name[0] == '\0' || !p->privileges.can_set_user)
		return 0;
	if (strcmp(name, default_user) == 0) {
		log_warning("reader.user: there is no user %s yet", name);
		return 0;
	}
	log_error("reader.user: there is no user %s", name);
	return -1;
}

/* What a reader needs besides its files; looked up when the first is started. */
static int look_up(struct parent *p)
{
	struct reader_place *r = &p->reader;
	struct privileges_missing missing;

	if (r->is_looked_up)
		return 0;
	if (r->program < 0)
		r->program = reader_program_open();
	if (r->program < 0) {
		log_error("cannot find oscore-reader in the folder of this program: %s", strerror(errno));
		return -1;
	}
	if (find_user(p) < 0)
		return -1;
	privileges_list_reader(&missing, p->has_user ? &p->user : NULL, r->has_user ? &r->user : NULL);
	for (unsigned i = 0; i < missing.count; i++)
		log_warning("not separated: %s", missing.lines[i]);
	r->is_looked_up = true;
	return 0;
}

/* One that has the files prepared first of all. Returns 0, or -1 with the reason in the log. */
static int start(struct parent *p, const struct reader_files *files)
{
	struct reader_place *r = &p->reader;

	if (look_up(p) < 0)
		return -1;
	r->control = reader_start(r->program, p->logs.log, r->has_user ? &r->user : NULL, &r->pid);
	if (r->control < 0) {
		log_error("cannot start the reader: %s", strerror(errno));
		return -1;
	}
	r->state = READER_STARTING;
	r->ready = false;
	evtimer_add(r->again, &settled_after);
	r->readable = event_new(p->base, r->control, EV_READ | EV_PERSIST, on_readable, p);
	if (r->readable == NULL || event_add(r->readable, NULL) < 0)
		give_up(r);
	reader_use_log(p);
	tell_files(r, files);
	return 0;
}

/* For what is in force. */
static void start_again(struct parent *p)
{
	struct reader_place *r = &p->reader;
	const char *changed = reader_files_changed(&r->files);

	if (changed != NULL)
		log_error("%s: was written to since it was put in force: nothing is read until the next reload", changed);
	else if (start(p, &r->files) < 0)
		evtimer_add(r->again, &start_again_after);
	if (r->state == READER_ABSENT)
		reload_go_on(p);
}

int reader_begin(struct parent *p)
{
	return p->reader.files.count > 0 ? start(p, &p->reader.files) : 0;
}

/* Of a reader: it has lived long enough. Of none: it is time for the next try. */
static void on_again(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;

	(void)fd, (void)what;
	if (p->reader.pid > 0)
		p->reader.early_deaths = 0;
	else if (p->phase <= PARENT_SERVING && p->reader.files.count > 0)
		start_again(p);
}

/* ---- its end ---- */

static void on_patience(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;
	pid_t stuck = p->reader.pid;

	(void)fd, (void)what;
	if (stuck == 0)
		return;
	log_error("the reader (process %d) does not answer: it is killed", (int)stuck);
	if (p->reader.attempt)
		reload_reader_failed(p);
	kill(stuck, SIGKILL);
}

static void on_farewell(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;

	(void)fd, (void)what;
	if (p->reader.leaving > 0)
		kill(p->reader.leaving, SIGKILL);
}

void reader_leave(struct parent *p)
{
	struct reader_place *r = &p->reader;

	if (r->pid == 0)
		return;
	hang_up(r);
	evtimer_del(r->again);
	evtimer_del(r->patience);
	if (r->leaving > 0)
		kill(r->leaving, SIGKILL);
	r->leaving = r->pid;
	r->pid = 0;
	r->state = READER_ABSENT;
	evtimer_add(r->farewell, &leaving_takes);
}

static void replace(struct parent *p)
{
	struct reader_place *r = &p->reader;

	p->house.cells[0].metrics.count[COUNT_READER_RESTARTS]++;
	if (++r->early_deaths < EARLY_DEATHS_MAX) {
		start_again(p);
		return;
	}
	log_warning("the reader has died %u times soon after its start: the next starts in %ld s", r->early_deaths, (long)start_again_after.tv_sec);
	evtimer_add(r->again, &start_again_after);
	reload_go_on(p);
}

static void log_end(pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		log_error("the reader (process %d) was ended by signal %d", (int)pid, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		log_error("the reader (process %d) ended with status %d", (int)pid, WEXITSTATUS(status));
}

void reader_reap(struct parent *p, pid_t pid, int status)
{
	struct reader_place *r = &p->reader;
	bool was_starting = r->state == READER_STARTING;

	if (pid == r->leaving) {
		r->leaving = 0;
		evtimer_del(r->farewell);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			log_end(pid, status);
		parent_reader_ended(p);
	}
	if (pid != r->pid)
		return;
	log_end(pid, status);
	hang_up(r);
	evtimer_del(r->again);
	evtimer_del(r->patience);
	r->pid = 0;
	r->state = READER_ABSENT;
	if (r->attempt)
		reload_reader_ended(p, !was_starting);
	parent_reader_ended(p);
	if (p->phase <= PARENT_SERVING && r->files.count > 0)
		replace(p);
}

/* ---- a new configuration ---- */

static int open_files(struct parent *p, struct reader_files *f, const struct snapshot *conf)
{
	char *text = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&text, &size);
	int status;

	if (errors == NULL) {
		log_error("not enough memory for the files of the reader");
		return -1;
	}
	status = reader_files_open(f, p->path, conf, errors);
	fclose(errors);
	parent_log_lines(text);
	free(text);
	return status;
}

int reader_first(struct parent *p, const struct snapshot *conf)
{
	return open_files(p, &p->reader.files, conf);
}

int reader_prepare(struct parent *p, const struct snapshot *next)
{
	struct reader_place *r = &p->reader;

	r->attempt = false;
	if (open_files(p, &r->next, next) < 0)
		return -1;
	if (r->next.count == 0)
		return 0;
	if (r->state == READER_SERVING) {
		tell_files(r, &r->next);
	} else if (start(p, &r->next) < 0) {
		reader_files_close(&r->next);
		return -1;
	}
	r->attempt = true;
	return 0;
}

bool reader_has_prepared(const struct parent *p)
{
	return !p->reader.attempt || (p->reader.ready && p->reader.prepared);
}

void reader_commit(struct parent *p)
{
	struct reader_place *r = &p->reader;

	if (r->attempt)
		put_in_force(p);
	else
		reader_leave(p);
	r->attempt = false;
	reader_files_close(&r->files);
	r->files = r->next;
	r->next.count = 0;
}

void reader_abort(struct parent *p)
{
	struct reader_place *r = &p->reader;

	if (!r->attempt)
		return;
	r->attempt = false;
	r->prepared = true; /* nothing more is expected of it */
	evtimer_del(r->patience);
	reader_files_close(&r->next);
	if (r->state == READER_SERVING) {
		tell(r, &(struct reader_message){ .word = READER_ABORT, .generation = r->asked }, -1);
		return;
	}
	/* It was started for this alone. */
	reader_leave(p);
	if (r->files.count > 0)
		evtimer_add(r->again, &start_again_after);
}

bool reader_is_starting(const struct parent *p)
{
	return p->reader.state == READER_STARTING && !p->reader.attempt;
}

bool reader_is_settled(const struct parent *p)
{
	return p->reader.files.count == 0 || p->reader.state == READER_SERVING;
}

/* ---- all ---- */

int reader_create(struct parent *p)
{
	struct reader_place *r = &p->reader;

	/* That of this release, also where another is installed before it is needed. It need not be there as long as nothing is read. */
	r->program = reader_program_open();
	r->again = evtimer_new(p->base, on_again, p);
	r->patience = evtimer_new(p->base, on_patience, p);
	r->farewell = evtimer_new(p->base, on_farewell, p);
	if (r->again != NULL && r->patience != NULL && r->farewell != NULL)
		return 0;
	log_error("not enough memory to start");
	return -1;
}

bool reader_is_gone(const struct parent *p)
{
	return p->reader.pid == 0 && p->reader.leaving == 0;
}

void reader_kill(struct parent *p)
{
	if (p->reader.pid > 0)
		kill(p->reader.pid, SIGKILL);
	if (p->reader.leaving > 0)
		kill(p->reader.leaving, SIGKILL);
}

void reader_destroy(struct parent *p)
{
	struct reader_place *r = &p->reader;
	struct event *all[] = { r->again, r->patience, r->farewell };

	reader_kill(p);
	if (r->pid > 0)
		waitpid(r->pid, NULL, 0);
	if (r->leaving > 0)
		waitpid(r->leaving, NULL, 0);
	hang_up(r);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i] != NULL)
			event_free(all[i]);
	reader_files_close(&r->files);
	reader_files_close(&r->next);
	if (r->program >= 0)
		close(r->program);
}
