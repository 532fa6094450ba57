/* What the peers of a link say about the connection itself (RFC 8323 5). */
#include "proxy/edge/stream_parts.h"

#include "base/clock.h"
#include "base/log.h"

enum {
	SIGNAL_ROOM = 64,       /* bytes of a signal of ours, without token and text */
	DIAGNOSTIC_SHOWN = 128, /* characters of a peer's text in the log */
};

static const uint64_t custody_wait = 5 * CLOCK_SECOND; /* behind that a Ping is answered without saying that requests were */

void stream_signals_send_csm(struct stream_link *l)
{
	const struct settings *s = &stream_link_proxy()->conf->settings;
	const struct signal_settings ours = { .message_size = s->transports_message_size, .token_length = s->token_length, .blockwise = true };
	uint8_t bytes[SIGNAL_ROOM];

	stream_link_put(l, bytes, signal_write_csm(bytes, sizeof bytes, &ours));
}

void stream_signals_ping(struct stream_link *l)
{
	uint8_t bytes[SIGNAL_ROOM];

	stream_link_put(l, bytes, signal_write_ping(bytes, sizeof bytes, SIGNAL_PING, NULL, 0, false));
}

static void pong(struct stream_link *l, const uint8_t *token, size_t len, bool custody)
{
	static uint8_t bytes[MSG_TOKEN_MAX + SIGNAL_ROOM];

	stream_link_put(l, bytes, signal_write_ping(bytes, sizeof bytes, SIGNAL_PONG, token, len, custody));
}

void stream_signals_end_custody(struct stream_link *l, bool done)
{
	l->custody_due = 0;
	pong(l, l->custody, l->custody_len, done);
}

/* ---- what the peer says ---- */

static void on_csm(struct stream_link *l)
{
	if (l->state != LINK_STARTING)
		return;
	stream_link_enter(l, LINK_OPEN);
	l->was_open = true;
	stream_link_put_waiting(l);
	l->calls->opened(l);
	stream_link_arm(l);
}

/* Nothing is read behind a Ping that waits for what came before it, so that what is under way is what came before. What an origin sends is
 * done with when it has come. */
static void on_ping(struct stream_link *l, const struct msg_view *m, bool custody)
{
	bool observed, waits = custody && !l->to_origin && stream_link_under_way(l, &observed) > 0;

	if (!waits || l->custody_due != 0 || m->token_len > sizeof l->custody) {
		pong(l, m->token, m->token_len, custody && !waits);
		return;
	}
	l->custody_len = (uint8_t)m->token_len;
	if (m->token_len > 0)
		memcpy(l->custody, m->token, m->token_len);
	l->custody_due = clock_now() + custody_wait;
	stream_link_arm(l);
}

static void on_release(struct stream_link *l, const struct signal *s)
{
	if (l->state == LINK_OPEN)
		stream_link_enter(l, LINK_RELEASED);
	l->calls->released(l, s->hold_off);
	stream_link_arm(l);
	stream_link_note_due(l);
}

static void on_abort(struct stream_link *l, const struct signal *s)
{
	char peer[ENDPOINT_TEXT_MAX], why[DIAGNOSTIC_SHOWN];

	proxy_count(stream_link_proxy(), COUNT_ABORTS_RECEIVED);
	log_debug("%s: Abort: %s", endpoint_format(&l->peer, peer), log_quote(why, sizeof why, s->diagnostic.text, s->diagnostic.len));
	stream_link_end(l, ERR_UNREACHABLE);
}

static void obey(struct stream_link *l, const struct msg_view *m, const struct signal *s)
{
	switch ((enum signal_code)s->code) {
	case SIGNAL_CSM:
		on_csm(l);
		break;
	case SIGNAL_PING:
		on_ping(l, m, s->custody);
		break;
	case SIGNAL_PONG:
		break; /* that something came was noted */
	case SIGNAL_RELEASE:
		on_release(l, s);
		break;
	case SIGNAL_ABORT:
		on_abort(l, s);
		break;
	}
}

void stream_signals_take(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	struct msg_view m;
	struct signal s;

	if (msg_parse_datagram(&m, bytes, len) != MSG_OK) {
		stream_link_abort(l, 0, "A signal is malformed");
		return;
	}
	if (l->state == LINK_STARTING && m.code != SIGNAL_CSM && m.code != SIGNAL_ABORT) {
		stream_link_abort(l, 0, "The first message is no CSM");
		return;
	}
	switch (signal_parse(&s, &l->theirs, &m)) {
	case SIGNAL_OK:
		obey(l, &m, &s);
		break;
	case SIGNAL_UNKNOWN:
		break;
	case SIGNAL_BAD_OPTION:
		if (m.code == SIGNAL_ABORT)
			on_abort(l, &s); /* it is the end in any case */
		else
			stream_link_abort(l, m.code == SIGNAL_CSM ? s.bad_option : 0, "A critical option is not known");
		break;
	}
}
