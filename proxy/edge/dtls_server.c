/* Clients of DTLS: cookies, handshakes, sessions. */
#include "proxy/edge/dtls_state.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "proxy/edge/dtls_context.h"
#include "proxy/edge/dtls_keys.h"
#include "proxy/edge/dtls_record.h"
#include "proxy/edge/tls.h"
#include "proxy/edge/tls_psk.h"

enum {
	HANDSHAKES_PART = 4,        /* handshakes at once: this part of the sessions there may be, */
	HANDSHAKES_MIN = 16,        /* but within these */
	HANDSHAKES_MAX = 512,
};

static const struct settings *settings(void)
{
	return &dtls_proxy()->conf->settings;
}

static uint32_t sessions_limit(void)
{
	return house_share(&dtls_proxy()->house, settings()->transports_sessions);
}

static uint32_t handshakes_limit(void)
{
	uint32_t limit = sessions_limit() / HANDSHAKES_PART;

	if (limit < HANDSHAKES_MIN)
		return HANDSHAKES_MIN;
	return limit < HANDSHAKES_MAX ? limit : HANDSHAKES_MAX;
}

/* ---- the end ---- */

void dtls_client_gone(struct dtls_session *s, bool politely)
{
	struct endpoint peer = s->path.peer;
	unsigned listener = s->path.slot;
	bool known = s->place == DTLS_CLIENTS;

	dtls_leave(s, politely);
	if (known)
		receive_gone(dtls_proxy(), listener, &peer);
}

/* Nothing was read for so long that others need the room more, or that it is not worth keeping. */
static void on_idle(struct dtls_session *s)
{
	uint64_t due = s->used_at + settings()->transports_session_lifetime;

	if (clock_now() >= due)
		dtls_client_gone(s, true);
	else
		wheel_set(dtls_proxy()->wheel, &s->timer, due);
}

/* ---- who he is ---- */

static uint64_t authorities_of(const struct dtls_session *s)
{
	return dtls_state.listeners[s->path.slot].authorities;
}

static bool is_by_key(const SSL *ssl)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);

	return cipher != NULL && SSL_CIPHER_get_auth_nid(cipher) == NID_auth_psk;
}

/* Hash of the key that an identity has in a context now; 0: it has none. */
static uint64_t key_fingerprint(const SSL_CTX *c, const char *identity)
{
	size_t len = 0;
	const uint8_t *key = c != NULL && identity != NULL ? tls_psk_find(c, identity, &len) : NULL;

	return key != NULL ? hash_bytes(&dtls_proxy()->hash_key, key, len) | 1 : 0;
}

/* By a pre-shared key he has the name that is its identity, also where he came back by a ticket: the ticket says it. */
static void learn_name(struct dtls_session *s)
{
	char name[TLS_NAME_MAX];

	if (is_by_key(s->ssl)) {
		const char *identity = SSL_get_psk_identity(s->ssl);

		s->fingerprint = key_fingerprint(dtls_state.listeners[s->path.slot].context, identity);
		s->name = identity != NULL ? strdup(identity) : NULL;
	} else if (SSL_get0_peer_certificate(s->ssl) != NULL) {
		s->fingerprint = authorities_of(s);
		if (tls_peer_name(s->ssl, name, sizeof name) != TLS_ANONYMOUS)
			s->name = strdup(name);
	}
}

bool dtls_is_still_let_in(const struct dtls_session *s)
{
	const SSL_CTX *c = dtls_state.listeners[s->path.slot].context;

	if (is_by_key(s->ssl))
		return s->fingerprint == key_fingerprint(c, s->name);
	if (SSL_get0_peer_certificate(s->ssl) != NULL)
		return s->fingerprint == authorities_of(s);
	return (SSL_CTX_get_verify_mode(c) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) == 0;
}

/* ---- handshakes ---- */

static void make_room(void)
{
	while (dtls_count(DTLS_CLIENTS) >= sessions_limit()) {
		proxy_count(dtls_proxy(), COUNT_SESSIONS_DISPLACED);
		dtls_client_gone(dtls_oldest(DTLS_CLIENTS), true);
	}
}

/* Of IPv6 a host has a network of addresses (peer_counts.h). */
static bool is_same_host(const struct endpoint *a, const struct endpoint *b)
{
	return memcmp(a->addr, b->addr, endpoint_is_ipv4(a) ? sizeof a->addr : sizeof a->addr / 2) == 0;
}

/* Of all handshakes the oldest makes room; but a host that has half of them makes it itself, so that one alone keeps nobody out. */
static struct dtls_session *handshake_to_end(const struct endpoint *peer)
{
	struct dtls_session *own = NULL;
	uint32_t count = 0;

	for (struct dtls_session *s = dtls_oldest(DTLS_OPENING); s != NULL; s = dtls_newer(s)) {
		if (!is_same_host(&s->path.peer, peer))
			continue;
		own = own != NULL ? own : s;
		count++;
	}
	return count >= dtls_count(DTLS_OPENING) / 2 && own != NULL ? own : dtls_oldest(DTLS_OPENING);
}

static void make_room_for_handshake(const struct endpoint *peer)
{
	while (dtls_count(DTLS_OPENING) >= handshakes_limit()) {
		proxy_count(dtls_proxy(), COUNT_HANDSHAKES_FAILED);
		dtls_client_gone(handshake_to_end(peer), false);
	}
}

/* The handshake is over. A session that the same client had before has been lost by him, who would not have begun anew: it ends without a word. */
static void admit(struct dtls_session *s)
{
	struct dtls_session *before = dtls_find_path(DTLS_CLIENTS, &s->path);
	struct proxy *p = dtls_proxy();

	learn_name(s);
	if (before != NULL)
		dtls_client_gone(before, false);
	make_room();
	dtls_session_admit(s, edge_session_number(p));
	wheel_set(p->wheel, &s->timer, s->used_at + settings()->transports_session_lifetime);
	proxy_count(p, COUNT_SESSIONS);
	receive_session(p, s->path.slot, &s->path.peer, &s->path.local);
}

static void on_message(struct dtls_session *s, const uint8_t *bytes, size_t len, bool truncated)
{
	receive_datagram(dtls_proxy(), s->path.slot, &s->path.peer, &s->path.local, bytes, len, truncated, false, 0);
}

const struct dtls_side dtls_server_side = { .opened = admit, .quiet = on_idle, .message = on_message, .over = dtls_client_gone };

static SSL *spare_of(struct dtls_listener *l)
{
	if (l->context != NULL && l->ticket_time != dtls_ticket_time() && dtls_tickets_renew(l->context) == 0)
		l->ticket_time = dtls_ticket_time();
	if (l->spare == NULL && l->context != NULL)
		l->spare = dtls_ssl_new(l->context, settings()->transports_mtu);
	return l->spare;
}

/* Who begins anew has his old session meanwhile. */
static bool has_room(struct dtls_session *s)
{
	uint32_t limit = settings()->transports_client_connections;

	return dtls_session_count_in(s, dtls_find_path(DTLS_CLIENTS, &s->path) != NULL ? limit + 1 : limit);
}

static void begin(const struct dtls_path *path, SSL *ssl, uint64_t hello)
{
	struct dtls_session *before = dtls_find_path(DTLS_OPENING, path), *s;

	if (before != NULL)
		dtls_client_gone(before, false);
	make_room_for_handshake(&path->peer);
	s = dtls_session_new(DTLS_OPENING, path, ssl);
	if (s == NULL)
		return;
	s->path.peer.transport = URI_COAPS;
	s->timer.run = dtls_on_timer;
	s->hello = hello;
	s->deadline = clock_now() + settings()->transports_handshake_timeout;
	if (has_room(s)) {
		dtls_shake(s, NULL, 0);
		return;
	}
	proxy_count(dtls_proxy(), COUNT_HANDSHAKES_FAILED);
	dtls_client_gone(s, false);
}

/* A ClientHello of somebody who may not exist: he gets a cookie, or has returned one and a session begins. */
static void listen_to(const struct dtls_path *path, const uint8_t *bytes, size_t len, uint64_t hello)
{
	static BIO_ADDR *nobody;
	struct dtls_listener *l = &dtls_state.listeners[path->slot];
	SSL *ssl = spare_of(l);
	int returned;

	if (nobody == NULL)
		nobody = BIO_ADDR_new();
	if (ssl == NULL || nobody == NULL)
		return;
	dtls_bio_turn(path, bytes, len);
	returned = DTLSv1_listen(ssl, nobody);
	ERR_clear_error();
	if (returned <= 0)
		return;
	l->spare = NULL;
	begin(path, ssl, hello);
}

/* One whose random is known is a repeat of what began the handshake that is under way, or the session that came of it (RFC 6347 4.2.1: a
 * client does not change it when he returns the cookie). */
static void on_hello(const struct dtls_path *path, const uint8_t *bytes, size_t len, const uint8_t *random)
{
	uint64_t hello = hash_bytes(&dtls_proxy()->hash_key, random, DTLS_RANDOM);
	struct dtls_session *opening = dtls_find_path(DTLS_OPENING, path), *open = dtls_find_path(DTLS_CLIENTS, path);

	if (opening != NULL && opening->hello == hello)
		dtls_shake(opening, bytes, len);
	else if (open == NULL || open->hello != hello)
		listen_to(path, bytes, len, hello);
}

void dtls_datagram(unsigned listener, const struct endpoint *peer, const struct local_address *to, const uint8_t *bytes, size_t len, bool whole)
{
	struct dtls_path path = { .peer = *peer, .local = *to, .slot = (uint16_t)listener };
	struct endpoint asked = { .port = 0 };
	const uint8_t *random = dtls_client_hello(bytes, len), *at = bytes;
	struct dtls_session *opening, *open;
	struct dtls_record r;

	memcpy(asked.addr, to->addr, sizeof asked.addr);
	if (!whole || len > DTLS_DATAGRAM_MAX || endpoint_is_multicast(&asked) || !dtls_record_next(&at, bytes + len, &r)) {
		proxy_count(dtls_proxy(), COUNT_RECORDS_DROPPED);
		return;
	}
	if (random != NULL) {
		on_hello(&path, bytes, len, random);
		return;
	}
	open = dtls_find_path(DTLS_CLIENTS, &path);
	opening = dtls_count(DTLS_OPENING) > 0 ? dtls_find_path(DTLS_OPENING, &path) : NULL;
	/* Of a client who has begun anew, what is not of the handshake is still of the old session. */
	if (opening != NULL && (r.epoch == 0 || r.type == DTLS_HANDSHAKE))
		dtls_shake(opening, bytes, len);
	else if (open != NULL && !open->ending)
		dtls_take(open, bytes, len);
	else
		proxy_count(dtls_proxy(), COUNT_RECORDS_DROPPED);
}

/* ---- what edge.c asks ---- */

void dtls_send_client(const struct endpoint *peer, const uint8_t *bytes, size_t len)
{
	struct dtls_session *s = dtls_find_client(peer);

	if (s == NULL || s->ending)
		return;
	if (dtls_write(s, bytes, len) < 0) {
		proxy_count(dtls_proxy(), COUNT_SEND_FAILED);
		dtls_log_failure(s, "nothing can be sent to");
		return;
	}
	dtls_session_touch(s);
}

const char *dtls_client_name(const struct endpoint *peer)
{
	const struct dtls_session *s = dtls_find_client(peer);

	return s != NULL ? s->name : NULL;
}

const char *dtls_client_host(const struct endpoint *peer)
{
	const struct dtls_session *s = dtls_find_client(peer);

	return s != NULL ? SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name) : NULL;
}

bool dtls_client_session(const struct endpoint *peer, unsigned *listener, struct local_address *local)
{
	const struct dtls_session *s = dtls_find_client(peer);

	if (s == NULL || s->ending)
		return false;
	*listener = s->path.slot;
	*local = s->path.local;
	return true;
}

void dtls_end_client(const struct endpoint *peer)
{
	struct dtls_session *s = dtls_find_client(peer);

	if (s != NULL)
		dtls_end_soon(s);
}
