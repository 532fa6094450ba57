#include "proxy/process/steer.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/exchange/metrics.h"
#include "proxy/process/parent.h"
#include "proxy/process/steer_worker.h"
#include "proxy/process/workers.h"

enum { COMMAND_MAX = 512, SETTLE_ROUNDS = 200, ENVIRONMENT_MAX = 8 };

static struct {
	struct parent *parent;
	struct event *listening, *connected;
	FILE *stream;
	int fd, client;
	char path[108];
	char line[COMMAND_MAX];
	size_t len;
	bool busy, gone; /* a command is under way; whoever gave it hung up meanwhile */
	struct {
		pid_t asked; /* the worker that owes an answer; 0: none */
		bool answered;
		struct channel_message answer;
	} workers[HOUSE_WORKERS_MAX];
} steer = { .fd = -1, .client = -1 };

/* ---- asking the workers ---- */

void steer_worker_said(struct parent *p, struct place *place, const struct channel_message *m)
{
	(void)p;
	if (steer.workers[place->number].asked != place->pid)
		return;
	steer.workers[place->number].asked = 0;
	steer.workers[place->number].answered = true;
	steer.workers[place->number].answer = *m;
}

static void ask(unsigned i, const char *text, uint64_t time)
{
	struct parent *p = steer.parent;
	struct channel_message m = { .kind = CHANNEL_STEER, .number = { [STEER_TIME] = time } };

	steer.workers[i].answered = false;
	steer.workers[i].asked = 0;
	if (!p->places[i].ready)
		return;
	snprintf(m.text, sizeof m.text, "%s", text);
	steer.workers[i].asked = p->places[i].pid;
	workers_tell(p, &p->places[i], &m, NULL, 0);
}

/* Waits until nobody owes an answer: it came, or its worker is gone. */
static void wait_for_answers(void)
{
	struct parent *p = steer.parent;

	for (unsigned i = 0; i < p->count; i++)
		while (steer.workers[i].asked != 0 && p->places[i].ready && p->places[i].pid == steer.workers[i].asked)
			parent_turn(p);
}

static void ask_all(const char *text, uint64_t time)
{
	for (unsigned i = 0; i < steer.parent->count; i++)
		ask(i, text, time);
	wait_for_answers();
}

/* A worker that is being replaced is waited for, as it has what its predecessor left. */
static void wait_for_workers(void)
{
	struct parent *p = steer.parent;

	while (p->phase <= PARENT_SERVING && !workers_are_ready(p))
		parent_turn(p);
}

/* ---- commands ---- */

/* Round after round until no worker had anything to do in one; one that died gives its successor work. */
static void settle(void)
{
	struct parent *p = steer.parent;
	bool worked = true;

	for (int round = 0; round < SETTLE_ROUNDS && worked && !p->end; round++) {
		wait_for_workers();
		ask_all("work", 0);
		worked = false;
		for (unsigned i = 0; i < p->count; i++)
			worked = worked || (steer.workers[i].answered ? steer.workers[i].answer.number[STEERED_WORKED] != 0 :
				p->phase <= PARENT_SERVING);
	}
}

/* The earliest time at which a timer of any worker may run, as of its last answer. */
static uint64_t next_time(void)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < steer.parent->count; i++) {
		const uint64_t *number = steer.workers[i].answer.number;

		if (!steer.workers[i].answered)
			continue;
		if (number[STEERED_NEXT] < next)
			next = number[STEERED_NEXT];
		if (number[STEERED_RELEASE] < next)
			next = number[STEERED_RELEASE];
	}
	return next;
}

static void move_to(uint64_t time)
{
	clock_steer(time);
	ask_all("at", clock_now());
}

/* From timer to timer, so that what one timer sends is answered before the next one runs. */
static void advance(uint64_t until)
{
	uint64_t next;

	settle();
	while ((next = next_time()) <= until && !steer.parent->end) {
		move_to(next > clock_now() ? next : clock_now() + 1);
		settle();
	}
	move_to(until);
}

/* Time passes while the loops do nothing: all timers run late, at its end. */
static void stall(uint64_t until)
{
	settle();
	move_to(until);
}

static void print_state(FILE *out)
{
	static const char *const names[STATE_COUNT] = { "exchanges", "observations", "deliveries", "origins", "clients", "duplicates",
		"buffers" };

	ask_all("state", 0);
	for (unsigned s = 0; s < STATE_COUNT; s++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < steer.parent->count; i++)
			sum += steer.workers[i].answered ? steer.workers[i].answer.number[s] : 0;
		fprintf(out, "%s%s=%" PRIu64, s == 0 ? "" : " ", names[s], sum);
	}
	fprintf(out, "\n");
}

/* Of all workers, or of the one whose number is given. */
static void print_counters(const char *number, FILE *out)
{
	struct metrics sum;
	unsigned long worker = strtoul(number, NULL, 10);

	house_metrics(&steer.parent->house, &sum);
	if (*number != '\0' && worker < steer.parent->count)
		sum = steer.parent->house.cells[worker].metrics;
	metrics_print(&sum, out);
	fprintf(out, ".\n");
}

static void print_pids(FILE *out)
{
	wait_for_workers();
	for (unsigned i = 0; i < steer.parent->count; i++)
		fprintf(out, "%s%d", i == 0 ? "" : " ", (int)steer.parent->places[i].pid);
	fprintf(out, "\n");
}

/* "worker N try ...": one worker alone. */
static void command_one(const char *line, FILE *out)
{
	char *text;
	unsigned long number = strtoul(line, &text, 10);

	if (number >= steer.parent->count || *text != ' ') {
		fprintf(out, "error\n");
		return;
	}
	ask((unsigned)number, text + 1, 0);
	wait_for_answers();
	fprintf(out, "%s\n", steer.workers[number].answered ? steer.workers[number].answer.text : "gone");
}

/* Returns false if the command wrote its own answer. */
static bool obey_time(const char *line)
{
	if (strncmp(line, "advance ", 8) == 0)
		advance(clock_now() + (uint64_t)(strtod(line + 8, NULL) * 1000));
	else if (strncmp(line, "stall ", 6) == 0)
		stall(clock_now() + (uint64_t)(strtod(line + 6, NULL) * 1000));
	else if (strcmp(line, "settle") == 0)
		settle();
	else
		return false;
	return true;
}

static void obey(const char *line, FILE *out)
{
	if (strncmp(line, "counters", 8) == 0) {
		print_counters(line + 8, out);
	} else if (strcmp(line, "state") == 0) {
		print_state(out);
	} else if (strcmp(line, "pids") == 0) {
		print_pids(out);
	} else if (strncmp(line, "worker ", 7) == 0) {
		command_one(line + 7, out);
	} else {
		if (strncmp(line, "faults", 6) == 0)
			ask_all(line, 0);
		else if (strcmp(line, "quit") == 0)
			parent_stop(steer.parent);
		else
			obey_time(line);
		fprintf(out, "ok %" PRIu64 "\n", clock_now());
	}
	fflush(out);
}

/* ---- the socket ---- */

static void hang_up(void)
{
	if (steer.connected != NULL)
		event_free(steer.connected);
	if (steer.stream != NULL)
		fclose(steer.stream);
	steer.connected = NULL;
	steer.stream = NULL;
	steer.client = -1;
	steer.len = 0;
	steer.line[0] = '\0';
	steer.gone = false;
}

static void on_command(evutil_socket_t fd, short what, void *arg)
{
	ssize_t got = read(fd, steer.line + steer.len, sizeof steer.line - 1 - steer.len);

	(void)what, (void)arg;
	if (got <= 0 && steer.busy) {
		event_del(steer.connected);
		steer.gone = true;
		return;
	}
	if (got <= 0) {
		hang_up();
		return;
	}
	steer.len += (size_t)got;
	steer.line[steer.len] = '\0';
}

/* Commands run turns of the loop, so they are obeyed between turns, never within one. */
void steer_obey(void)
{
	char *end, line[COMMAND_MAX];

	while (steer.stream != NULL && (end = strchr(steer.line, '\n')) != NULL) {
		*end = '\0';
		memcpy(line, steer.line, (size_t)(end + 1 - steer.line));
		steer.len -= (size_t)(end + 1 - steer.line);
		memmove(steer.line, end + 1, steer.len + 1);
		steer.busy = true;
		obey(line, steer.stream);
		steer.busy = false;
		if (steer.gone)
			hang_up();
	}
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)what, (void)arg;
	if (client < 0)
		return;
	if (steer.busy) {
		close(client);
		return;
	}
	hang_up();
	steer.client = client;
	steer.stream = fdopen(client, "w");
	steer.connected = event_new(steer.parent->base, client, EV_READ | EV_PERSIST, on_command, NULL);
	event_add(steer.connected, NULL);
}

int steer_open(struct parent *p, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	steer.parent = p;
	if (path == NULL)
		return 0;
	if (strlen(path) >= sizeof at.sun_path)
		return -1;
	memcpy(at.sun_path, path, strlen(path) + 1);
	memcpy(steer.path, path, strlen(path) + 1);
	unlink(path);
	steer.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (steer.fd < 0 || bind(steer.fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(steer.fd, 4) < 0) {
		log_error("cannot take commands at %s", path);
		return -1;
	}
	steer.listening = event_new(p->base, steer.fd, EV_READ | EV_PERSIST, on_connection, NULL);
	return event_add(steer.listening, NULL);
}

void steer_close(void)
{
	hang_up();
	if (steer.listening != NULL)
		event_free(steer.listening);
	if (steer.fd >= 0) {
		close(steer.fd);
		unlink(steer.path);
	}
}

/* ---- the workers' environment ---- */

char **steer_environment(void)
{
	static const char *const names[] = { "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LD_PRELOAD", "RANDOM_SOURCE" };
	static char room[ENVIRONMENT_MAX][4096], *environment[ENVIRONMENT_MAX + 1];
	unsigned count = 0;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *value = getenv(names[i]);

		if (value == NULL)
			continue;
		snprintf(room[count], sizeof room[count], "%s=%s", names[i], value);
		environment[count] = room[count];
		count++;
	}
	environment[count] = NULL;
	return environment;
}
