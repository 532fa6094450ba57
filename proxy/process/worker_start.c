#include "proxy/process/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "proxy/edge/dtls.h"
#include "proxy/edge/streams.h"
#include "proxy/edge/tls.h"
#include "proxy/edge/udp.h"
#include "proxy/exchange/proxy.h"
#include "proxy/exchange/resolve.h"
#include "proxy/http/client.h"
#include "proxy/http/origin.h"
#include "proxy/http/identity.h"
#include "proxy/http/server.h"
#include "proxy/process/privileges.h"
#include "proxy/process/sandbox.h"
#include "proxy/process/steer_worker.h"

static const struct timeval beat_interval = { 0, 500000 }; /* of real time, also where the clock is steered */

/* ---- events ---- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	w->armed = 0;
}

static void on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	atomic_fetch_add_explicit(&house_own(&w->house)->heartbeat, 1, memory_order_relaxed);
}

/* What others want is looked at between turns; the rings in any. */
static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

static void on_asked(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	w->is_asked = true;
}

static void on_parsed(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd, (void)what;
	w->is_parsed = true;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	static const struct timeval again = { 0, 20000 };

	(void)fd, (void)what;
	if (w->draining && !w->drained)
		evtimer_add(w->look, &again);
}

static struct event *add(struct worker *w, int fd, short what, event_callback_fn run, const struct timeval *interval)
{
	struct event *e = event_new(w->base, fd, what, run, w);

	if (e == NULL || event_add(e, interval) == 0)
		return e;
	event_free(e);
	return NULL;
}

static int open_events(struct worker *w)
{
	w->tick = evtimer_new(w->base, on_tick, w);
	w->look = evtimer_new(w->base, on_look, w);
	w->beat = add(w, -1, EV_PERSIST, on_beat, &beat_interval);
	w->wake = add(w, w->house.wake[w->number], EV_READ | EV_ET | EV_PERSIST, on_wake, NULL);
	w->asked = add(w, CHANNEL_WORKER_FD, EV_READ | EV_PERSIST, on_asked, NULL);
	w->parsed = add(w, preparing_fd(w->preparing), EV_READ | EV_PERSIST, on_parsed, NULL);
	return w->tick != NULL && w->look != NULL && w->beat != NULL && w->wake != NULL && w->asked != NULL && w->parsed != NULL ? 0 : -1;
}

/* ---- what the parent gives ---- */

void worker_use_logs(struct worker *w, int log_fd, int access_log_fd)
{
	int old = w->log_fd, old_access = w->access_log_fd;
	enum log_level level = w->proxy != NULL ? w->proxy->conf->settings.log_level : LOG_LEVEL_INFO;

	w->log_fd = log_fd;
	w->access_log_fd = access_log_fd;
	log_open(log_fd, level);
	log_access_open(access_log_fd);
	if (old > STDERR_FILENO)
		close(old);
	if (old_access > STDERR_FILENO)
		close(old_access);
}

static int map_house(struct worker *w, const struct channel_message *m, const struct packet_descriptors *got)
{
	uint64_t count = m->number[START_COUNT], number = m->number[START_WORKER];

	if (count == 0 || count > HOUSE_WORKERS_MAX || number >= count || got->count != START_FD_WAKE + count)
		return -1;
	w->number = (unsigned)number;
	if (house_map(&w->house, got->fds[START_FD_HOUSE], (unsigned)count, (size_t)m->number[START_CROSSING_MEMORY], w->number) < 0)
		return -1;
	close(got->fds[START_FD_HOUSE]);
	for (unsigned i = 0; i < count; i++)
		w->house.wake[i] = got->fds[START_FD_WAKE + i];
	w->duplicates_fd = got->fds[START_FD_DUPLICATES];
	w->house.duplicates_fd = w->duplicates_fd;
	return 0;
}

static struct snapshot *read_package(struct worker *w, int fd)
{
	char error[CHANNEL_TEXT_MAX];
	struct snapshot *conf;

	if (package_read(&w->package, fd) < 0) {
		log_error("the package is damaged");
		close(fd);
		return NULL;
	}
	close(fd);
	conf = package_load(&w->package, error, sizeof error);
	if (conf == NULL)
		log_error("%s", error);
	return conf;
}

int worker_take_own_addresses(struct worker *w, const struct package *p)
{
	size_t len = p->parts[PACKAGE_OWN_ADDRESSES].len;
	struct endpoint *addresses = malloc(len + 1);

	if (addresses == NULL)
		return -1;
	memcpy(addresses, p->parts[PACKAGE_OWN_ADDRESSES].bytes, len);
	free(w->proxy->own_addresses);
	w->proxy->own_addresses = addresses;
	w->proxy->own_count = len / sizeof *addresses;
	return 0;
}

static int build(struct worker *w, struct snapshot *conf)
{
	struct event_config *config = event_config_new();
	const struct resolve_files files = package_files(&w->package);

	if (config == NULL)
		return -1;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	w->base = event_base_new_with_config(config);
	event_config_free(config);
	if (w->base == NULL)
		return -1;
	w->resolver = resolver_create(w->base, &conf->settings, &files);
	w->proxy = proxy_create(conf, w->resolver, &w->house);
	if (w->resolver == NULL || w->proxy == NULL || dtls_open(w->proxy) < 0 || worker_take_own_addresses(w, &w->package) < 0 || worker_use_files(w, w->proxy->conf) < 0)
		return -1;
	if (sandbox_deny_files() < 0) {
		log_error("cannot take the files away: %s", strerror(errno));
		return -1;
	}
	w->preparing = preparing_create();
	if (w->preparing == NULL || open_events(w) < 0)
		return -1;
	udp_open(w->base, w->proxy, conf->settings.receive_buffer);
	w->connections_are_open = true;
	if (streams_open(w->base, w->proxy) < 0)
		return -1;
	if (http_server_open(w->base, w->proxy) < 0 || http_client_open(w->base, w->proxy) < 0)
		return -1;
	http_origin_open(w->proxy);
	return 0;
}

/* And the way to the reader, if there is one. */
static int take_listeners(struct worker *w, uint64_t count)
{
	struct packet_descriptors got;
	struct channel_message m;

	while (count > 0) {
		if (channel_wait(CHANNEL_WORKER_FD, true, &m, &got) < 0)
			return -1;
		if (m.kind == CHANNEL_READER) {
			worker_take_reader(w, got.fds[0]);
			continue;
		}
		if (m.kind != CHANNEL_LISTENER) {
			packets_close_all(&got);
			return -1;
		}
		worker_take_listener(w, &m, got.fds[0]);
		count--;
	}
	return 0;
}

/* Nothing is opened, and no user or right regained, from here on. */
static int confine(struct worker *w)
{
	struct sandbox_report report;

	(void)w;
	if (sandbox_enter(&report) == 0)
		return 0;
	log_error("cannot confine this worker: %s", strerror(errno));
	return -1;
}

int worker_start(struct worker *w)
{
	char name[16], speaker[16];
	struct packet_descriptors got = { .count = 0 };
	struct channel_message m;
	struct snapshot *conf;

	w->log_fd = w->access_log_fd = w->duplicates_fd = -1;
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++)
		w->fresh[i] = -1;
	fcntl(CHANNEL_WORKER_FD, F_SETFD, FD_CLOEXEC);
	if (channel_wait(CHANNEL_WORKER_FD, true, &m, &got) < 0 || m.kind != CHANNEL_START) {
		log_error("nobody starts this worker: --worker is for the gateway itself");
		return -1;
	}
	worker_use_logs(w, got.fds[START_FD_LOG], got.fds[START_FD_ACCESS_LOG]);
	if (map_house(w, &m, &got) < 0) {
		log_error("cannot take what the workers share: %s", strerror(errno));
		return -1;
	}
	snprintf(name, sizeof name, "oscore-proxy %u", w->number);
	snprintf(speaker, sizeof speaker, "worker %u", w->number);
	log_name(speaker);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	clock_steer(m.number[START_CLOCK]);
	clock_update();
	random_start();
	evutil_secure_rng_init();
	if (privileges_become(NULL) < 0) {
		log_error("cannot give up privileges: %s", strerror(errno));
		return -1;
	}
	conf = read_package(w, got.fds[START_FD_PACKAGE]);
	if (conf == NULL)
		return -1;
	log_open(w->log_fd, conf->settings.log_level);
	if (build(w, conf) < 0) {
		snapshot_release(conf);
		log_error("not enough memory to start");
		return -1;
	}
	snapshot_release(conf);
	if (take_listeners(w, m.number[START_LISTENERS]) < 0) {
		log_error("the parent did not give every listener");
		return -1;
	}
	return confine(w);
}

/* ---- the end ---- */

static void free_event(struct event **e)
{
	if (*e != NULL)
		event_free(*e);
	*e = NULL;
}

void worker_close(struct worker *w)
{
	if (w->connections_are_open) {
		streams_close();
		http_server_close();
		http_origin_close();
		http_client_close();
	}
	if (w->proxy != NULL) {
		dtls_close();
		udp_close();
	}
	worker_leave_reader(w);
	proxy_destroy(w->proxy);
	free_event(&w->tick);
	free_event(&w->look);
	free_event(&w->beat);
	free_event(&w->wake);
	free_event(&w->asked);
	free_event(&w->parsed);
	if (w->resolver != NULL) {
		resolver_destroy(w->resolver);
		event_base_loop(w->base, EVLOOP_NONBLOCK); /* what evdns put off until now */
	}
	preparing_destroy(w->preparing);
	prepared_release(&w->prepared);
	if (w->base != NULL)
		event_base_free(w->base);
	tls_close();
	identity_close();
	material_use(NULL);
	house_unmap(&w->house);
	package_close(&w->package);
}
