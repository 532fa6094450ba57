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
#include "base/wheel.h"
#include "proxy/edge/faults.h"
#include "proxy/edge/udp.h"
#include "proxy/exchange/proxy.h"
#include "proxy/process/worker.h"

enum { COMMAND_MAX = 512, SETTLE_TURNS = 200 };

static struct {
	struct worker *worker;
	struct event *listening, *connected;
	FILE *stream;
	int fd, client;
	char path[108];
	char line[COMMAND_MAX];
	size_t len;
} steer = { .fd = -1, .client = -1 };

static void settle(void)
{
	for (int i = 0; i < SETTLE_TURNS && udp_is_readable(); i++)
		worker_turn(steer.worker, false);
}

/* From timer to timer, so that what one timer sends is answered before the next one runs. */
static void advance(uint64_t until)
{
	settle();
	for (;;) {
		uint64_t next = wheel_next(steer.worker->proxy->wheel), released = faults_release();

		if (released < next)
			next = released;
		if (next > until)
			break;
		clock_steer(next > clock_now() ? next : clock_now() + 1);
		faults_release();
		worker_turn(steer.worker, false);
		settle();
	}
	if (until > clock_now())
		clock_steer(until);
	worker_turn(steer.worker, false);
}

/* Time passes while the loop does nothing: all timers of it run late, at its end. */
static void stall(uint64_t until)
{
	settle();
	clock_steer(until);
	worker_turn(steer.worker, false);
}

static void set_faults(char *words)
{
	struct faults f = { .drop = 0 };
	uint32_t seed = 0;
	bool up = true, down = true;
	char *save = NULL;

	for (char *word = strtok_r(words, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		unsigned long value = strchr(word, '=') != NULL ? strtoul(strchr(word, '=') + 1, NULL, 10) : 0;

		if (strcmp(word, "side=up") == 0)
			down = false;
		else if (strcmp(word, "side=down") == 0)
			up = false;
		else if (strncmp(word, "drop=", 5) == 0)
			f.drop = (unsigned)value;
		else if (strncmp(word, "duplicate=", 10) == 0)
			f.duplicate = (unsigned)value;
		else if (strncmp(word, "fail=", 5) == 0)
			f.fail = (unsigned)value;
		else if (strncmp(word, "delay=", 6) == 0)
			f.delay = value * CLOCK_MS;
		else if (strncmp(word, "seed=", 5) == 0)
			seed = (uint32_t)value;
	}
	if (up)
		faults_set(true, &f, seed);
	if (down)
		faults_set(false, &f, seed);
}

static void print_state(FILE *out)
{
	const struct proxy *p = steer.worker->proxy;
	struct duplicates_figures figures;

	duplicates_figures(p->duplicates, &figures);
	fprintf(out, "exchanges=%u observations=%u deliveries=%u origins=%u clients=%u duplicates=%" PRIu64 " buffers=%zu\n",
		slab_count(p->exchanges), slab_count(p->observations), slab_count(p->deliveries), slab_count(p->origins),
		slab_count(p->clients), figures.records, buffers_in_use(p->buffers));
}

static void obey(char *line, FILE *out)
{
	if (strncmp(line, "advance ", 8) == 0)
		advance(clock_now() + (uint64_t)(strtod(line + 8, NULL) * 1000));
	else if (strncmp(line, "stall ", 6) == 0)
		stall(clock_now() + (uint64_t)(strtod(line + 6, NULL) * 1000));
	else if (strcmp(line, "settle") == 0)
		settle();
	else if (strncmp(line, "faults", 6) == 0)
		set_faults(line + 6);
	else if (strcmp(line, "quit") == 0)
		steer.worker->stop = true;
	if (strcmp(line, "counters") == 0) {
		metrics_print(steer.worker->proxy->metrics, out);
		fprintf(out, ".\n");
	} else if (strcmp(line, "state") == 0) {
		print_state(out);
	} else {
		fprintf(out, "ok %" PRIu64 "\n", clock_now());
	}
	fflush(out);
}

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
}

static void on_command(evutil_socket_t fd, short what, void *arg)
{
	ssize_t got = read(fd, steer.line + steer.len, sizeof steer.line - 1 - steer.len);

	(void)what, (void)arg;
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
		obey(line, steer.stream);
	}
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	(void)what, (void)arg;
	if (client < 0)
		return;
	hang_up();
	steer.client = client;
	steer.stream = fdopen(client, "w");
	steer.connected = event_new(steer.worker->base, client, EV_READ | EV_PERSIST, on_command, NULL);
	event_add(steer.connected, NULL);
}

int steer_open(struct worker *w, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (path == NULL)
		return 0;
	if (strlen(path) >= sizeof at.sun_path)
		return -1;
	memcpy(at.sun_path, path, strlen(path) + 1);
	memcpy(steer.path, path, strlen(path) + 1);
	steer.worker = w;
	unlink(path);
	steer.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (steer.fd < 0 || bind(steer.fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(steer.fd, 4) < 0) {
		log_error("cannot take commands at %s", path);
		return -1;
	}
	steer.listening = event_new(w->base, steer.fd, EV_READ | EV_PERSIST, on_connection, NULL);
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
