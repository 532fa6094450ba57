/* Sessions of DTLS towards origins. */
#include "proxy/edge/dtls_state.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/edge/dtls_context.h"
#include "proxy/edge/tls_parts.h"
#include "proxy/edge/udp.h"
#include "proxy/exchange/return_path.h"

enum {
	ORIGIN_SESSIONS_MAX = 4096,  /* at once, in this worker */
	WAITING_MAX = 64,            /* messages that wait for the end of a handshake, */
	WAITING_BYTES_MAX = 65536,   /* and their bytes */
	OTHER_PORTS = 16,            /* looked at for a session whose own port has one with the same address under another name */
	PORT_STEP = 61,              /* between them */
};
#define SILENCE_MAX (93 * CLOCK_SECOND) /* MAX_TRANSMIT_WAIT (RFC 7252 4.8.2): who has answered nothing for so long has lost the session */

static const struct settings *settings(void)
{
	return &dtls_proxy()->conf->settings;
}

/* ---- the end ---- */

void dtls_origin_gone(struct dtls_session *s, enum error e, bool politely)
{
	struct endpoint peer = s->path.peer;
	unsigned slot = s->named_slot;
	bool sent = s->open;

	dtls_leave(s, politely);
	if (e != ERR_NONE)
		upstream_lost(dtls_proxy(), slot, &peer, e, sent);
}

static void over(struct dtls_session *s, bool politely)
{
	dtls_origin_gone(s, politely && s->ending ? (enum error)s->error : ERR_UNREACHABLE, politely);
}

/* Not at once: whoever has called is told nothing before it returns. */
static void fail_soon(struct dtls_session *s)
{
	dtls_log_failure(s, "DTLS cannot be spoken with");
	s->error = ERR_UNREACHABLE;
	dtls_end_soon(s);
}

static void on_quiet(struct dtls_session *s)
{
	uint64_t idle = s->used_at + return_path_origin_idle(dtls_proxy(), s->named_slot), silent = s->unanswered_at + SILENCE_MAX;
	uint64_t due = s->unanswered_at != 0 && silent < idle ? silent : idle;

	if (clock_now() < due)
		wheel_set(dtls_proxy()->wheel, &s->timer, due);
	else
		dtls_origin_gone(s, ERR_ORIGIN_TIMEOUT, true);
}

/* ---- messages ---- */

static void send_now(struct dtls_session *s, const uint8_t *bytes, size_t len)
{
	if (dtls_write(s, bytes, len) < 0) {
		fail_soon(s);
		return;
	}
	dtls_session_touch(s);
	if (s->unanswered_at != 0)
		return;
	s->unanswered_at = clock_now();
	if (s->timer.due > s->unanswered_at + SILENCE_MAX)
		wheel_set(dtls_proxy()->wheel, &s->timer, s->unanswered_at + SILENCE_MAX);
}

/* A repeat of one that waits is not kept beside it: the origin gets each once. */
static bool waits_already(const struct dtls_session *s, const uint8_t *bytes, size_t len)
{
	for (const struct dtls_waiting *w = s->first; w != NULL; w = w->next)
		if (w->len == len && memcmp(w->bytes, bytes, len) == 0)
			return true;
	return false;
}

static void keep(struct dtls_session *s, const uint8_t *bytes, size_t len)
{
	struct dtls_waiting *w = NULL;

	if (waits_already(s, bytes, len))
		return;
	if (s->waiting_count < WAITING_MAX && s->waiting_bytes + len <= WAITING_BYTES_MAX)
		w = malloc(sizeof *w + len);
	if (w == NULL) {
		proxy_count(dtls_proxy(), COUNT_SEND_FAILED);
		return;
	}
	w->next = NULL;
	w->len = len;
	memcpy(w->bytes, bytes, len);
	*s->last = w;
	s->last = &w->next;
	s->waiting_count++;
	s->waiting_bytes += (uint32_t)len;
}

static void send_waiting(struct dtls_session *s)
{
	while (s->first != NULL && !s->ending) {
		struct dtls_waiting *w = s->first;

		s->first = w->next;
		if (s->first == NULL)
			s->last = &s->first;
		send_now(s, w->bytes, w->len);
		free(w);
	}
	s->waiting_count = s->waiting_bytes = 0;
}

static void on_message(struct dtls_session *s, const uint8_t *bytes, size_t len, bool truncated)
{
	upstream_datagram(dtls_proxy(), s->named_slot, &s->path.peer, bytes, len, truncated);
}

/* ---- handshakes ---- */

static void on_opened(struct dtls_session *s)
{
	wheel_set(dtls_proxy()->wheel, &s->timer, s->used_at + return_path_origin_idle(dtls_proxy(), s->named_slot));
	proxy_count(dtls_proxy(), COUNT_SESSIONS_UP);
	send_waiting(s);
}

const struct dtls_side dtls_client_side = { .opened = on_opened, .quiet = on_quiet, .message = on_message, .over = over };

/* From which port the origin is spoken to: the one that was named; or another, where that speaks to the same address under another name. Returns
 * false if there is none. */
static bool choose_port(unsigned slot, struct dtls_path *path)
{
	path->slot = (uint16_t)slot;
	for (unsigned i = 1; dtls_find_path(DTLS_ORIGINS, path) != NULL; i++) {
		if (i > OTHER_PORTS)
			return false;
		path->slot = (uint16_t)((slot + i * PORT_STEP) % GROUP_SLOT);
	}
	return path->slot == slot || udp_open_slot(path->slot, endpoint_is_ipv4(&path->peer)) == 0;
}

/* The first datagram leaves before this returns; what goes wrong with it is told later. */
static int begin(const struct dtls_path *path, unsigned slot, const struct edge_credentials *c)
{
	SSL *ssl = dtls_state.client != NULL ? dtls_ssl_new(dtls_state.client, settings()->transports_mtu) : NULL;
	struct dtls_session *s;

	if (ssl == NULL)
		return -1;
	if (tls_origin_expect(ssl, c->host, c->identity) < 0) {
		SSL_free(ssl);
		return -1;
	}
	SSL_set_connect_state(ssl);
	s = dtls_session_new(DTLS_ORIGINS, path, ssl);
	if (s == NULL)
		return -1;
	s->named_slot = (uint16_t)slot;
	s->timer.run = dtls_on_timer;
	s->deadline = clock_now() + settings()->transports_connect_timeout;
	if (dtls_begin(s) < 0)
		fail_soon(s);
	return 0;
}

int dtls_connect_origin(unsigned slot, const struct endpoint *peer, const struct edge_credentials *c)
{
	struct dtls_path path = { .peer = *peer, .upstream = true };
	struct dtls_session *s = dtls_find_origin(slot, peer);

	if (s != NULL && !(s->ending && s->error == ERR_NONE))
		return 0;
	if (s != NULL)
		dtls_origin_gone(s, ERR_NONE, true); /* it was let go, and is wanted again */
	if (dtls_count(DTLS_ORIGINS) >= ORIGIN_SESSIONS_MAX || !choose_port(slot, &path))
		return -1;
	return begin(&path, slot, c);
}

void dtls_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct dtls_session *s = dtls_find_origin(slot, peer);

	if (s == NULL || s->ending)
		return;
	if (s->open)
		send_now(s, bytes, len);
	else
		keep(s, bytes, len);
}

void dtls_let_origin_go(unsigned slot, const struct endpoint *peer)
{
	struct dtls_session *s = dtls_find_origin(slot, peer);

	if (s != NULL && !s->ending)
		dtls_end_soon(s);
}

/* ---- what udp.c gives ---- */

bool dtls_is_datagram(const uint8_t *bytes, size_t len)
{
	return len > 0 && bytes[0] >= 20 && bytes[0] <= 63;
}

void dtls_origin_datagram(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len, bool whole)
{
	struct dtls_path path = { .peer = *peer, .slot = (uint16_t)slot, .upstream = true };
	struct dtls_session *s = whole && len <= DTLS_DATAGRAM_MAX ? dtls_find_path(DTLS_ORIGINS, &path) : NULL;

	if (s == NULL || s->ending)
		proxy_count(dtls_proxy(), COUNT_RECORDS_DROPPED);
	else if (s->open)
		dtls_take(s, bytes, len);
	else
		dtls_shake(s, bytes, len);
}

/* It ends a handshake; an open session it does not, since anybody can say so. */
void dtls_origin_unreachable(unsigned slot, const struct endpoint *peer)
{
	struct dtls_path path = { .peer = *peer, .slot = (uint16_t)slot, .upstream = true };
	struct dtls_session *s = dtls_find_path(DTLS_ORIGINS, &path);

	if (s != NULL && !s->open && !s->ending)
		fail_soon(s);
}
