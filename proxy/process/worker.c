#include "proxy/process/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/wheel.h"
#include "proxy/edge/streams.h"
#include "proxy/edge/udp.h"
#include "proxy/exchange/crossing.h"
#include "proxy/exchange/feed.h"
#include "proxy/exchange/proxy.h"
#include "proxy/exchange/reader_link.h"
#include "proxy/http/server.h"
#include "proxy/process/steer_worker.h"

/* ---- the loop ---- */

/* The one libevent timer stands at or before the wheel's next time; it is moved only forward in need. */
static void arm(struct worker *w)
{
	uint64_t next = wheel_next(w->proxy->wheel), now = clock_now(), wait;
	struct timeval tv;

	if (clock_is_steered() || next == UINT64_MAX || (w->armed != 0 && w->armed <= next))
		return;
	wait = next > now ? next - now : 1;
	tv.tv_sec = (time_t)(wait / CLOCK_SECOND);
	tv.tv_usec = (suseconds_t)(wait % CLOCK_SECOND);
	evtimer_add(w->tick, &tv);
	w->armed = next;
}

/* Each has its turn once in a round. Returns whether connections had anything to do. */
static bool send_round(void)
{
	bool streams, http;

	udp_flush();
	streams = streams_flush();
	http = http_server_flush();
	return streams || http;
}

/* What is told while sending may be answered. */
static void send_all(struct worker *w)
{
	/* The reader's comes last, since what is read in the manner of a tap leaves first. */
	do
		while (send_round())
			w->received++;
	while (reader_link_flush(w->proxy));
}

void worker_turn(struct worker *w, bool wait)
{
	arm(w);
	if (wait && !crossing_may_sleep(w->proxy)) {
		crossing_awake(w->proxy);
		wait = false;
	}
	event_base_loop(w->base, EVLOOP_ONCE | (wait ? 0 : EVLOOP_NONBLOCK));
	if (wait)
		crossing_awake(w->proxy);
	clock_update();
	w->received += crossing_receive(w->proxy);
	proxy_turn(w->proxy);
	send_all(w);
	crossing_publish(w->proxy);
	feeds_flush(w->proxy);
}

unsigned long long worker_activity(const struct worker *w)
{
	return udp_activity() + w->received;
}

/* ---- the parent's word ---- */

void worker_tell(struct worker *w, const struct channel_message *m)
{
	if (channel_send(CHANNEL_WORKER_FD, m, NULL, 0) == 0)
		return;
	log_error("the parent does not listen: %s", strerror(errno));
	w->lost = true;
}

static void begin_to_drain(struct worker *w)
{
	static const struct timeval look_again = { 0, 20000 };

	if (w->draining)
		return;
	w->draining = true;
	http_server_drain(); /* first: streams of events have an orderly end */
	proxy_drain(w->proxy);
	streams_drain(); /* behind the last notifications */
	evtimer_add(w->look, &look_again);
}

/* Descriptors that are used up here are taken out of *got. */
static void take_message(struct worker *w, const struct channel_message *m, struct packet_descriptors *got)
{
	switch ((enum channel_kind)m->kind) {
	case CHANNEL_LISTENER:
		worker_take_listener(w, m, got->fds[0]);
		got->count = 0;
		break;
	case CHANNEL_PREPARE:
		w->wanted = m->generation;
		preparing_begin(w->preparing, m->generation, got->fds[0]);
		got->count = 0;
		break;
	case CHANNEL_COMMIT:
		worker_commit(w, m->generation);
		break;
	case CHANNEL_ABORT:
		worker_abort(w, m->generation);
		break;
	case CHANNEL_DRAIN:
		begin_to_drain(w);
		break;
	case CHANNEL_STOP:
		w->ended = true;
		break;
	case CHANNEL_LOGS:
		worker_use_logs(w, got->fds[0], got->fds[1]);
		got->count = 0;
		break;
	case CHANNEL_READER:
		worker_take_reader(w, got->fds[0]);
		got->count = 0;
		break;
	case CHANNEL_FEED:
		feeds_take(w->proxy, m->number[0] < CONF_FEEDS_MAX ? (size_t)m->number[0] : CONF_FEEDS_MAX, got->fds[0], m->number[1]);
		got->count = 0;
		break;
	case CHANNEL_STEER:
		steer_worker_obey(w, m);
		break;
	default:
		log_error("the parent said what it may not say now: %u", (unsigned)m->kind);
		w->lost = true;
	}
}

/* Between turns, since some of them take turns. */
static void take_messages(struct worker *w)
{
	struct packet_descriptors got;
	struct channel_message m;
	int n = 1;

	if (!w->is_asked)
		return;
	w->is_asked = false;
	while (!w->ended && !w->lost && (n = channel_receive(CHANNEL_WORKER_FD, true, &m, &got)) > 0) {
		take_message(w, &m, &got);
		packets_close_all(&got);
	}
	if (n < 0) {
		if (errno != 0)
			log_error("the parent cannot be understood: %s", strerror(errno));
		w->lost = true;
	}
}

static void tell_of_feeds(struct worker *w)
{
	struct channel_message m = { .kind = CHANNEL_FEED_GONE };
	size_t index;

	while ((m.number[1] = feeds_gone(w->proxy, &index)) != 0) {
		m.number[0] = index;
		worker_tell(w, &m);
	}
}

static void tell_if_drained(struct worker *w)
{
	if (!w->draining || w->drained || !proxy_is_drained(w->proxy) || !http_server_is_drained() || !streams_is_drained())
		return;
	w->drained = true;
	worker_tell(w, &(struct channel_message){ .kind = CHANNEL_DRAINED });
}

int worker_run(void)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE };
	struct worker w = { .reader_fd = -1 };
	int status = 1;

	/* They go to all of a terminal's process group, and are the parent's to handle. */
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	if (worker_start(&w) < 0)
		goto out;
	worker_tell(&w, &(struct channel_message){ .kind = CHANNEL_READY });
	while (!w.ended && !w.lost) {
		worker_turn(&w, true);
		take_messages(&w);
		worker_take_parsed(&w);
		worker_retire_listeners(&w);
		tell_of_feeds(&w);
		tell_if_drained(&w);
	}
	if (w.ended) {
		proxy_give_up(w.proxy);
		send_all(&w);
		event_base_loop(w.base, EVLOOP_ONCE | EVLOOP_NONBLOCK); /* connections to origins write what they were just given */
		crossing_publish(w.proxy);
		status = 0;
	}
out:
	worker_close(&w);
	return status;
}
