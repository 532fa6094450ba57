/* One session and OpenSSL, on either side: handshake, messages, timers, and what comes of them. */
#include "proxy/edge/dtls_state.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/time.h>

#include "base/log.h"
#include "proxy/edge/dtls_record.h"
#include "proxy/edge/tls.h"

enum dtls_result {
	DTLS_GOES_ON,
	DTLS_ENDED,  /* by the peer's close_notify */
	DTLS_FAILED, /* fatal alert, or what cannot be gone on with; the reason stands in OpenSSL's queue */
};

enum { EARLY_MAX = 8 }; /* records of the next epoch that OpenSSL may keep during a handshake: 16 kB each */

/* What a call of OpenSSL's that brought nothing means. */
static enum dtls_result result_of(const struct dtls_session *s, int returned)
{
	switch (SSL_get_error(s->ssl, returned)) {
	case SSL_ERROR_NONE:
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return DTLS_GOES_ON;
	case SSL_ERROR_ZERO_RETURN:
		return DTLS_ENDED;
	default:
		return DTLS_FAILED;
	}
}

/* Explicit nonce and tag of an AEAD (RFC 5288 3, RFC 6655 3, RFC 7905 2); of others OpenSSL drops what is too short by itself. */
static uint8_t record_least(const SSL *ssl)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
	const char *name = cipher != NULL ? SSL_CIPHER_get_name(cipher) : "";

	if (strstr(name, "CCM8") != NULL)
		return 8 + 8;
	if (strstr(name, "CHACHA20") != NULL)
		return 16;
	return 8 + 16;
}

/* How much of a datagram the handshake gets. What comes of the next epoch before its time is kept by OpenSSL, to be read later; so there is a
 * limit to it. */
static size_t timely_part(struct dtls_session *s, const uint8_t *bytes, size_t len)
{
	const uint8_t *at = bytes, *timely = bytes, *end = bytes + dtls_sound_part(bytes, len, s->record_least);
	struct dtls_record r;

	while (dtls_record_next(&at, end, &r) && (r.epoch == 0 || s->early < EARLY_MAX)) {
		s->early = (uint8_t)(s->early + (r.epoch != 0));
		timely = at;
	}
	return (size_t)(timely - bytes);
}

/* s->open is set when it is over. */
static enum dtls_result step(struct dtls_session *s, const uint8_t *bytes, size_t len)
{
	int returned;

	if (bytes != NULL)
		len = timely_part(s, bytes, len);
	ERR_clear_error();
	dtls_bio_turn(&s->path, len > 0 ? bytes : NULL, len);
	returned = SSL_do_handshake(s->ssl);
	if (returned == 1) {
		s->open = true;
		s->record_least = record_least(s->ssl);
		return DTLS_GOES_ON;
	}
	return result_of(s, returned);
}

/* Whose messages are being read just now. */
static const struct dtls_session *reading;

/* They are half of what a session takes. Not while there is something in them, or soon will be. */
static void free_buffers(struct dtls_session *s)
{
	if (s != reading && SSL_pending(s->ssl) == 0)
		SSL_free_buffers(s->ssl);
}

static const struct dtls_side *side_of(const struct dtls_session *s)
{
	return s->place == DTLS_ORIGINS ? &dtls_client_side : &dtls_server_side;
}

static void take_message(struct dtls_session *s, const uint8_t *bytes, size_t len)
{
	bool truncated = len > MSG_DATAGRAM_MAX;

	s->unanswered_at = 0;
	dtls_session_touch(s);
	if (!s->ending)
		side_of(s)->message(s, bytes, truncated ? MSG_DATAGRAM_MAX : len, truncated);
}

/* Takes what messages are in a datagram, or in what step() has left of one (NULL). *taken: how many there were. */
static enum dtls_result read_messages(struct dtls_session *s, const uint8_t *bytes, size_t len, unsigned *taken)
{
	static uint8_t message[DTLS_DATAGRAM_MAX]; /* no record is longer, so none is read in parts */
	enum dtls_result result;
	int got;

	*taken = 0;
	if (bytes != NULL && (len = dtls_sound_part(bytes, len, s->record_least)) == 0)
		return DTLS_GOES_ON;
	reading = s;
	for (;;) {
		ERR_clear_error();
		dtls_bio_turn(&s->path, bytes, len);
		got = SSL_read(s->ssl, message, (int)sizeof message);
		if (!dtls_bio_is_unread())
			bytes = NULL;
		if (got <= 0)
			break;
		(*taken)++;
		take_message(s, message, (size_t)got);
	}
	reading = NULL;
	result = result_of(s, got);
	if (result == DTLS_GOES_ON)
		free_buffers(s);
	return result;
}

int dtls_write(struct dtls_session *s, const uint8_t *bytes, size_t len)
{
	bool sent;

	ERR_clear_error();
	dtls_bio_turn(&s->path, NULL, 0);
	sent = SSL_alloc_buffers(s->ssl) == 1 && SSL_write(s->ssl, bytes, (int)len) > 0;
	free_buffers(s);
	return sent ? 0 : -1;
}

static void say_goodbye(struct dtls_session *s)
{
	ERR_clear_error();
	dtls_bio_turn(&s->path, NULL, 0);
	if (SSL_alloc_buffers(s->ssl) == 1)
		SSL_shutdown(s->ssl);
}

void dtls_leave(struct dtls_session *s, bool politely)
{
	if (politely && s->open)
		say_goodbye(s);
	dtls_session_free(s);
	ERR_clear_error();
}

/* ---- timers ---- */

/* The handshake's timer is set to what OpenSSL wants, and its deadline. Returns false if the deadline is over. */
static bool arm_handshake(struct dtls_session *s)
{
	uint64_t now = clock_now(), due = s->deadline;
	struct timeval left;

	if (now >= s->deadline)
		return false;
	if (DTLSv1_get_timeout(s->ssl, &left) == 1) {
		uint64_t next = now + (uint64_t)left.tv_sec * CLOCK_SECOND + (uint64_t)left.tv_usec;

		due = next < due ? next : due;
	}
	wheel_set(dtls_proxy()->wheel, &s->timer, due);
	return true;
}

/* That timer has run: sends again what is due. */
static enum dtls_result repeat(struct dtls_session *s)
{
	ERR_clear_error();
	dtls_bio_turn(&s->path, NULL, 0);
	return DTLSv1_handle_timeout(s->ssl) < 0 ? DTLS_FAILED : DTLS_GOES_ON;
}

void dtls_end_soon(struct dtls_session *s)
{
	s->ending = true;
	wheel_set(dtls_proxy()->wheel, &s->timer, clock_now());
}

void dtls_log_failure(const struct dtls_session *s, const char *what)
{
	char reason[TLS_REASON_MAX], peer[ENDPOINT_TEXT_MAX];

	tls_take_error(reason);
	log_debug("%s %s: %s", what, endpoint_format(&s->path.peer, peer), reason[0] != '\0' ? reason : "no reason");
}

/* ---- the course of a session ---- */

static void fail(struct dtls_session *s)
{
	dtls_log_failure(s, s->open ? "DTLS session ended:" : "no DTLS handshake with");
	if (!s->open)
		proxy_count(dtls_proxy(), COUNT_HANDSHAKES_FAILED);
	side_of(s)->over(s, false);
}

void dtls_take(struct dtls_session *s, const uint8_t *bytes, size_t len)
{
	unsigned taken;

	switch (read_messages(s, bytes, len, &taken)) {
	case DTLS_GOES_ON:
		if (taken == 0 && bytes != NULL && bytes[0] == DTLS_APPLICATION)
			proxy_count(dtls_proxy(), COUNT_RECORDS_DROPPED);
		return;
	case DTLS_ENDED:
		side_of(s)->over(s, true);
		return;
	case DTLS_FAILED:
		fail(s);
	}
}

static void open_up(struct dtls_session *s)
{
	s->used_at = clock_now();
	side_of(s)->opened(s);
	if (!s->ending)
		dtls_take(s, NULL, 0);
}

void dtls_shake(struct dtls_session *s, const uint8_t *bytes, size_t len)
{
	if (step(s, bytes, len) != DTLS_GOES_ON)
		fail(s);
	else if (s->open)
		open_up(s);
	else if (!arm_handshake(s))
		fail(s);
}

int dtls_begin(struct dtls_session *s)
{
	return step(s, NULL, 0) == DTLS_GOES_ON && arm_handshake(s) ? 0 : -1;
}

void dtls_on_timer(struct wheel_timer *t)
{
	struct dtls_session *s = wheel_owner(t, struct dtls_session, timer);

	if (s->ending)
		side_of(s)->over(s, true);
	else if (s->open)
		side_of(s)->quiet(s);
	else if (clock_now() >= s->deadline || repeat(s) == DTLS_FAILED || !arm_handshake(s))
		fail(s);
}
