#include "proxy/process/worker.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/edge/dtls.h"
#include "proxy/edge/sockets.h"
#include "proxy/edge/streams.h"
#include "proxy/edge/tls.h"
#include "proxy/edge/udp.h"
#include "proxy/exchange/proxy.h"
#include "proxy/exchange/renew.h"
#include "proxy/exchange/resolve.h"
#include "proxy/http/client.h"
#include "proxy/http/identity.h"
#include "proxy/http/server.h"

/* ---- listeners ---- */

static void close_fresh(struct worker *w)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		if (w->fresh[i] >= 0)
			close(w->fresh[i]);
		w->fresh[i] = -1;
	}
}

static bool is_served(unsigned slot)
{
	return udp_has_listener(slot) || http_server_has_listener(slot) || streams_has_listener(slot);
}

/* One that the configuration has no more is not given again where it is of connections (see groups.h). */
static int serve_connections(const struct worker *w, unsigned slot, int fd)
{
	const struct listener *l = snapshot_listener(w->proxy->conf, slot);

	if (l != NULL && uri_schemes[l->scheme].stream && l->scheme != URI_HTTP && l->scheme != URI_HTTPS)
		return streams_add_listener(slot, fd);
	return http_server_add_listener(slot, fd);
}

static void serve(struct worker *w, unsigned slot, int fd)
{
	int status;

	/* Who came by another that had this slot must not be taken for a client of this one. */
	streams_free_slot(slot);
	status = socket_is_stream(fd) ? serve_connections(w, slot, fd) : udp_add_listener(slot, fd);
	if (status < 0) {
		log_error("a listener cannot be served: no memory");
		w->lost = true;
	}
}

void worker_take_listener(struct worker *w, const struct channel_message *m, int fd)
{
	bool waits = m->generation != 0;
	unsigned slot = (unsigned)m->number[0];

	if (m->number[0] >= CONF_SLOTS_MAX || (waits ? w->fresh[slot] >= 0 : is_served(slot))) {
		close(fd);
		return;
	}
	if (waits) {
		w->fresh[slot] = fd;
		return;
	}
	serve(w, slot, fd);
	/* A predecessor served it; what was asked of that is not known here, so it counts as asked just now. */
	if (snapshot_listener(w->proxy->conf, slot) == NULL)
		w->proxy->listener_used[slot] = clock_now();
}

void worker_retire_listeners(struct worker *w)
{
	if (clock_now() - w->retired_at < CLOCK_SECOND)
		return;
	w->retired_at = clock_now();
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		if (!udp_has_listener(i) || snapshot_listener(w->proxy->conf, i) != NULL || !proxy_listener_is_unused(w->proxy, i))
			continue;
		udp_remove_listener(i);
		worker_tell(w, &(struct channel_message){ .kind = CHANNEL_RETIRED, .number = { i } });
	}
}

/* Those of connections are closed at once (see groups.h), and the parent does not wait for it. */
static void close_removed(struct worker *w)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		if (snapshot_listener(w->proxy->conf, i) != NULL)
			continue;
		http_server_remove_listener(i);
		streams_remove_listener(i);
	}
}

static void serve_fresh(struct worker *w)
{
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		if (w->fresh[i] >= 0 && !is_served(i)) { /* else it was removed and is back, and was served all the time */
			serve(w, i, w->fresh[i]);
			w->fresh[i] = -1;
		}
	}
	close_fresh(w);
}

/* ---- a new configuration ---- */

void worker_take_parsed(struct worker *w)
{
	struct channel_message m = { .kind = CHANNEL_PREPARED };
	struct prepared p;

	if (!w->is_parsed)
		return;
	w->is_parsed = false;
	if (!preparing_take(w->preparing, &p))
		return;
	if (p.generation != w->wanted) { /* given up meanwhile */
		prepared_release(&p);
		return;
	}
	m.generation = p.generation;
	if (p.conf == NULL) {
		m.kind = CHANNEL_FAILED;
		memcpy(m.text, p.error, sizeof m.text);
		prepared_release(&p);
	} else {
		prepared_release(&w->prepared);
		w->prepared = p;
	}
	worker_tell(w, &m);
}

void worker_abort(struct worker *w, uint32_t generation)
{
	if (generation != w->wanted)
		return;
	w->wanted = 0;
	prepared_release(&w->prepared);
	close_fresh(w);
}

/* Keys are looked at here for the first time: the parent has refused what is wrong in them. */
int worker_use_files(struct worker *w, const struct snapshot *conf)
{
	const struct material *m = package_material(&w->package);

	material_use(m);
	return tls_renew(conf, m) < 0 || dtls_renew(conf, m) < 0 || identity_renew(conf, m) < 0 ? -1 : 0;
}

void worker_commit(struct worker *w, uint32_t generation)
{
	const struct resolve_files files = package_files(&w->prepared.package);

	if (generation != w->wanted || w->prepared.conf == NULL) {
		log_error("generation %u was never prepared", (unsigned)generation);
		w->lost = true;
		return;
	}
	/* Without memory for them the old ones stay. */
	(void)worker_take_own_addresses(w, &w->prepared.package);
	package_close(&w->package);
	w->package = w->prepared.package;
	w->prepared.package = (struct package){ .mapping = NULL };
	/* Likewise. Before observations are looked at again: whose they are is asked of the new credentials. */
	(void)worker_use_files(w, w->prepared.conf);
	proxy_renew(w->proxy, w->prepared.conf);
	resolver_update(w->resolver, &w->prepared.conf->settings, &files);
	log_open(w->log_fd, w->prepared.conf->settings.log_level);
	close_removed(w);
	http_server_configure();
	streams_configure();
	http_client_configure();
	serve_fresh(w);
	snapshot_release(w->prepared.conf);
	w->prepared.conf = NULL;
	w->wanted = 0;
	worker_tell(w, &(struct channel_message){ .kind = CHANNEL_COMMITTED, .generation = generation });
}
