#include "proxy/edge/dtls.h"

#include <openssl/ssl.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "proxy/edge/dtls_context.h"
#include "proxy/edge/dtls_keys.h"
#include "proxy/edge/dtls_state.h"
#include "proxy/edge/tls_psk.h"

enum { ERROR_MAX = 512 };

struct dtls_state dtls_state;

int dtls_open(struct proxy *p)
{
	dtls_keys_use(p->house.state->session_secret);
	return dtls_sessions_open(p);
}

static void end_politely(struct dtls_session *s, void *arg)
{
	(void)arg;
	if (s->place == DTLS_ORIGINS)
		dtls_origin_gone(s, ERR_NONE, true);
	else
		dtls_client_gone(s, true);
}

/* Sessions keep the old context, but of its keys, which may be many, they need nothing any more. */
static void replace(struct dtls_listener *l, SSL_CTX *next)
{
	SSL_free(l->spare);
	l->spare = NULL;
	if (l->context != NULL)
		tls_psks_drop(l->context);
	SSL_CTX_free(l->context);
	l->context = next;
}

void dtls_close(void)
{
	if (dtls_proxy() == NULL)
		return;
	dtls_sessions_each(end_politely, NULL);
	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		replace(&dtls_state.listeners[i], NULL);
		dtls_state.listeners[i].served = false;
	}
	SSL_CTX_free(dtls_state.client);
	dtls_state.client = NULL;
	dtls_sessions_close();
}

/* ---- contexts in force ---- */

static uint64_t authorities_hash(const struct listener *l, const struct material *m)
{
	const struct material_file *f = material_find(m, l->client_ca);

	return f != NULL ? hash_bytes(&dtls_proxy()->hash_key, f->bytes, f->len) : 0;
}

static int renew_listener(const struct snapshot *conf, const struct listener *l, const struct material *m)
{
	struct dtls_listener *own = &dtls_state.listeners[l->slot];
	char error[ERROR_MAX];
	SSL_CTX *next = dtls_server_new(conf, l, &(struct tls_source){ m, error, sizeof error });

	own->served = true;
	if (next == NULL) {
		log_error("listener %s: %s", l->name, error);
		return -1;
	}
	replace(own, next);
	own->ticket_time = dtls_ticket_time();
	own->authorities = authorities_hash(l, m);
	return 0;
}

static int renew_client(const struct snapshot *conf, const struct material *m)
{
	char error[ERROR_MAX];
	SSL_CTX *next = dtls_client_new(conf, &(struct tls_source){ m, error, sizeof error });

	if (next == NULL) {
		log_error("%s", error);
		return -1;
	}
	SSL_CTX_free(dtls_state.client);
	dtls_state.client = next;
	return 0;
}

/* Handshakes begin anew by the new files, and must: the keys are gone. Sessions at a listener that is no longer there go on until it is removed. */
static void look_again(struct dtls_session *s, void *arg)
{
	(void)arg;
	if (s->place == DTLS_OPENING)
		dtls_client_gone(s, false);
	else if (s->place == DTLS_CLIENTS && dtls_state.listeners[s->path.slot].context != NULL && !dtls_is_still_let_in(s))
		dtls_end_soon(s);
}

int dtls_renew(const struct snapshot *conf, const struct material *m)
{
	int status = renew_client(conf, m);

	for (unsigned i = 0; i < CONF_SLOTS_MAX; i++) {
		const struct listener *l = snapshot_listener(conf, i);

		if (l == NULL || l->scheme != URI_COAPS)
			replace(&dtls_state.listeners[i], NULL);
		else if (renew_listener(conf, l, m) < 0)
			status = -1;
	}
	dtls_sessions_each(look_again, NULL);
	return status;
}

/* ---- listeners ---- */

bool dtls_has_listener(unsigned slot)
{
	return slot < CONF_SLOTS_MAX && dtls_state.listeners[slot].served;
}

static void end_at(struct dtls_session *s, void *arg)
{
	if (s->place != DTLS_ORIGINS && s->path.slot == *(const unsigned *)arg)
		dtls_client_gone(s, true);
}

void dtls_remove_listener(unsigned slot)
{
	if (!dtls_has_listener(slot))
		return;
	dtls_sessions_each(end_at, &slot);
	replace(&dtls_state.listeners[slot], NULL);
	dtls_state.listeners[slot].served = false;
}

void dtls_soon(const struct endpoint *peer)
{
	dtls_prefetch(peer);
}

uint32_t dtls_session_count(void)
{
	return dtls_count(DTLS_CLIENTS);
}

uint32_t dtls_handshake_count(void)
{
	return dtls_count(DTLS_OPENING);
}
