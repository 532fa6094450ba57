#include "proxy/process/steer_worker.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/wheel.h"
#include "proxy/edge/faults.h"
#include "proxy/edge/udp.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/proxy.h"
#include "proxy/exchange/reader_link.h"
#include "proxy/process/steer_try.h"
#include "proxy/process/worker.h"

enum { CONNECTION_TURNS = 3, READER_PATIENCE = 300 /* ms of real time */ };

static bool has_work(const struct worker *w)
{
	return udp_is_readable() || crossing_is_readable(w->proxy);
}

/* The reader works in real time, and while it does the clock stands. One that does not answer is waited for once. */
static bool reader_has_answered(struct worker *w)
{
	struct pollfd p = { .fd = w->reader_fd, .events = POLLIN };

	if (w->reader_fd < 0 || w->reader_is_silent || reader_link_open(w->proxy) == 0)
		return false;
	w->reader_is_silent = poll(&p, 1, READER_PATIENCE) <= 0;
	return !w->reader_is_silent;
}

/* What connections have brought is known only behind turns: those of TLS write in one and tell of it in the next. */
static void work(struct worker *w)
{
	for (unsigned i = 0; i < CONNECTION_TURNS && (w->connections_are_open || has_work(w)); i++)
		worker_turn(w, false);
	while (reader_has_answered(w))
		worker_turn(w, false);
}

/* What was due up to that time happens now. */
static void move_clock(struct worker *w, uint64_t to)
{
	clock_steer(to);
	faults_release();
	worker_turn(w, false);
}

static void set_faults(const char *text)
{
	char words[CHANNEL_TEXT_MAX], *save = NULL;
	struct faults f = { .drop = 0 };
	uint32_t seed = 0;
	bool up = true, down = true;

	snprintf(words, sizeof words, "%s", text);
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

static void tell_state(const struct proxy *p, struct channel_message *m)
{
	struct duplicates_figures figures;

	duplicates_figures(p->duplicates, &figures);
	m->number[STATE_EXCHANGES] = slab_count(p->exchanges);
	m->number[STATE_OBSERVATIONS] = slab_count(p->observations);
	m->number[STATE_DELIVERIES] = slab_count(p->deliveries);
	m->number[STATE_ORIGINS] = slab_count(p->origins);
	m->number[STATE_CLIENTS] = slab_count(p->clients);
	m->number[STATE_DUPLICATES] = figures.records;
	m->number[STATE_BUFFERS] = buffers_in_use(p->buffers);
}

/* Everything that came in since the last answer counts as work, also what the loop did on its own. */
static void tell_work(struct worker *w, struct channel_message *m)
{
	static unsigned long long told;

	m->number[STEERED_WORKED] = worker_activity(w) != told || has_work(w);
	m->number[STEERED_NEXT] = wheel_next(w->proxy->wheel);
	m->number[STEERED_RELEASE] = faults_release();
	told = worker_activity(w);
}

void steer_worker_obey(struct worker *w, const struct channel_message *m)
{
	struct channel_message answer = { .kind = CHANNEL_STEERED };

	if (strcmp(m->text, "work") == 0) {
		work(w);
	} else if (strcmp(m->text, "at") == 0) {
		move_clock(w, m->number[STEER_TIME]);
	} else if (strncmp(m->text, "faults", 6) == 0) {
		set_faults(m->text + 6);
	} else if (strncmp(m->text, "try ", 4) == 0) {
		steer_try(m->text + 4, answer.text, sizeof answer.text);
	}
	if (strcmp(m->text, "state") == 0)
		tell_state(w->proxy, &answer);
	else
		tell_work(w, &answer);
	worker_tell(w, &answer);
}
