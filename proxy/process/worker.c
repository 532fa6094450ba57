#include "proxy/process/worker.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/wheel.h"
#include "proxy/edge/own_addresses.h"
#include "proxy/edge/udp.h"
#include "proxy/exchange/proxy.h"
#include "proxy/exchange/resolve_files.h"
#include "proxy/process/steer.h"

static void on_stop(evutil_socket_t signal_number, short what, void *arg)
{
	struct worker *w = arg;

	(void)signal_number, (void)what;
	w->stop = true;
}

static void on_counters(evutil_socket_t signal_number, short what, void *arg)
{
	struct worker *w = arg;

	(void)signal_number, (void)what;
	metrics_print(w->proxy->metrics, stdout);
	fflush(stdout);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	w->armed = 0;
}

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

void worker_turn(struct worker *w, bool wait)
{
	arm(w);
	event_base_loop(w->base, EVLOOP_ONCE | (wait ? 0 : EVLOOP_NONBLOCK));
	clock_update();
	proxy_turn(w->proxy);
	udp_flush();
}

static int open_all(struct worker *w, struct snapshot *conf)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGUSR2 };
	struct event_config *config = event_config_new();
	struct resolve_files_text texts;

	if (config == NULL)
		return -1;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	w->base = event_base_new_with_config(config);
	event_config_free(config);
	if (w->base == NULL)
		return -1;
	if (resolve_files_read(conf->settings.resolv_conf, RESOLVE_HOSTS_PATH, &texts) == 0) {
		w->resolver = resolver_create(w->base, &conf->settings, &texts.files);
		resolve_files_free(&texts);
	}
	w->proxy = proxy_create(conf, w->resolver, NULL);
	w->tick = evtimer_new(w->base, on_tick, w);
	if (w->proxy == NULL || w->tick == NULL) {
		log_error("not enough memory to start");
		return -1;
	}
	w->proxy->own_count = own_addresses_read(&w->proxy->own_addresses);
	for (int i = 0; i < 3; i++) {
		w->signals[i] = evsignal_new(w->base, numbers[i], numbers[i] == SIGUSR2 ? on_counters : on_stop, w);
		if (w->signals[i] == NULL || event_add(w->signals[i], NULL) < 0)
			return -1;
	}
	return udp_open(w->base, w->proxy, conf);
}

static void close_all(struct worker *w)
{
	if (w->proxy != NULL)
		udp_close();
	steer_close();
	proxy_destroy(w->proxy);
	if (w->resolver != NULL) {
		resolver_destroy(w->resolver);
		event_base_loop(w->base, EVLOOP_NONBLOCK); /* what evdns put off until now */
	}
	for (int i = 0; i < 3; i++)
		if (w->signals[i] != NULL)
			event_free(w->signals[i]);
	if (w->tick != NULL)
		event_free(w->tick);
	if (w->base != NULL)
		event_base_free(w->base);
}

int worker_run(struct snapshot *conf, const char *steer_path)
{
	struct worker w = { .base = NULL };
	int status = 1;

	random_start();
	clock_update();
	if (open_all(&w, conf) < 0 || steer_open(&w, steer_path) < 0)
		goto out;
	log_info("ready");
	while (!w.stop) {
		worker_turn(&w, true);
		steer_obey();
	}
	log_info("stopped");
	status = 0;
out:
	close_all(&w);
	return status;
}
