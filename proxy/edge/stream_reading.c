/* What comes in over a link: bytes into messages, and when not to read. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/edge/stream_parts.h"
#include "proxy/edge/websocket.h"

enum {
	READ_ROOM = 16384,    /* bytes taken by one call; a record of TLS is no longer */
	READS_A_TURN = 4,     /* at one link, so that others have their turn */
	KEPT_LEAST = 256,     /* bytes of a buffer for part of a message */
	ASKS_BETWEEN = 16,    /* requests between two questions how many are under way */
};

/* Of whatever was read last; what is left of it is copied into the link's own buffer. */
static uint8_t fresh[STREAM_HEADROOM + READ_ROOM];

static bool reads(const struct stream_link *l)
{
	return l->state >= LINK_UPGRADING && l->state <= LINK_RELEASED && l->failure == ERR_NONE && !l->aborting && !l->throttled;
}

/* ---- when not to read ---- */

static unsigned asked_max(void)
{
	uint32_t limit = stream_link_proxy()->conf->settings.client_exchanges;

	return limit < STREAM_LINK_ASKED_MAX ? limit : STREAM_LINK_ASKED_MAX;
}

/* Who does not read, and who asks more than may be asked at once, is not read: TCP tells him. An origin is read in any case: what it says frees
 * memory here. */
static void mind_the_load(struct stream_link *l)
{
	bool observed;

	if (l->custody_due != 0)
		l->throttled = true;
	if (l->to_origin || l->state < LINK_OPEN)
		return;
	if (l->socket.held > STREAM_LINK_SLOW) {
		l->throttled = true;
	} else if (l->asked >= ASKS_BETWEEN) {
		l->asked = 0;
		l->throttled = l->throttled || stream_link_under_way(l, &observed) >= asked_max();
	}
}

bool stream_reading_may_resume(const struct stream_link *l)
{
	bool observed;

	return l->throttled && l->custody_due == 0 && (l->to_origin || (l->socket.held <= STREAM_LINK_SLOW / 2 &&
		stream_link_under_way(l, &observed) < asked_max() - asked_max() / 4));
}

/* ---- messages ---- */

static void take_message(struct stream_link *l, uint8_t *bytes, const struct stream_frame *f)
{
	size_t len;
	const uint8_t *datagram;

	if (f->code == CODE_EMPTY)
		return;
	if (f->token_len > stream_link_proxy()->conf->settings.token_length && f->token_len > MSG_TOKEN_BASE) {
		stream_link_abort(l, 0, "A token is too long");
		return;
	}
	datagram = stream_frame_to_datagram(bytes, f, &len);
	if (signal_is(f->code)) {
		stream_signals_take(l, datagram, len);
	} else if (l->state == LINK_STARTING) {
		stream_link_abort(l, 0, "The first message is no CSM");
	} else {
		l->messaged_at = clock_now();
		l->asked += msg_code_is_request(f->code);
		if (!l->calls->message(l, datagram, len))
			stream_link_abort(l, 0, "A message is malformed");
	}
}

/* Hands up what is whole. Returns how many bytes were used; *need: how many the message behind them has, as far as that is known. */
static size_t take_frames(struct stream_link *l, uint8_t *bytes, size_t len, size_t *need)
{
	size_t at = 0;

	*need = 0;
	while (at < len && reads(l)) {
		struct stream_frame f;

		switch (stream_frame_read(&f, STREAM_FRAMED, bytes + at, len - at, stream_link_proxy()->conf->settings.transports_message_size)) {
		case STREAM_MORE:
			*need = f.size;
			return at;
		case STREAM_TOO_LARGE:
			stream_link_abort(l, 0, "A message is too large");
			break;
		case STREAM_MALFORMED:
			stream_link_abort(l, 0, "A message is malformed");
			break;
		case STREAM_FRAME:
			take_message(l, bytes + at, &f);
			at += f.size;
			mind_the_load(l);
			break;
		}
	}
	return at;
}

/* A whole message of a WebSocket. What comes in one read is taken to its end, also where reading stops then. */
static bool on_message(void *owner, uint8_t *bytes, size_t len)
{
	struct stream_link *l = owner;
	struct stream_frame f;

	if (l->failure != ERR_NONE || l->aborting)
		return false;
	switch (stream_frame_read(&f, STREAM_WHOLE, bytes, len, stream_link_proxy()->conf->settings.transports_message_size)) {
	case STREAM_FRAME:
		take_message(l, bytes, &f);
		mind_the_load(l);
		break;
	case STREAM_TOO_LARGE:
		stream_link_abort(l, 0, "A message is too large");
		break;
	default:
		stream_link_abort(l, 0, "A message is malformed");
		break;
	}
	return l->failure == ERR_NONE && !l->aborting;
}

static void on_write(void *owner, const uint8_t *bytes, size_t len)
{
	struct stream_link *l = owner;

	stream_socket_write(&l->socket, bytes, len);
	stream_link_note_due(l);
}

static void on_agreed(void *owner)
{
	stream_link_start(owner);
}

const struct websocket_calls stream_websocket_calls = { on_write, on_agreed, on_message };

static void take_websocket(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	char peer[ENDPOINT_TEXT_MAX];
	enum websocket_result result = websocket_feed(l->websocket, bytes, len);

	mind_the_load(l); /* its own Pings are answered without our seeing them */
	if (result == WEBSOCKET_GOES_ON || l->failure != ERR_NONE || l->aborting)
		return;
	if (result != WEBSOCKET_CLOSED)
		log_debug("%s: WebSocket: %s", endpoint_format(&l->peer, peer), websocket_why(l->websocket));
	stream_link_end(l, ERR_UNREACHABLE);
}

/* ---- what is left ---- */

static void drop_kept(struct stream_link *l)
{
	free(l->in);
	l->in = NULL;
	l->in_len = l->in_room = 0;
}

/* Keeps bytes, which may lie in the buffer itself. The buffer grows with what has come, not with what was announced. */
static void keep(struct stream_link *l, const uint8_t *bytes, size_t len, size_t need)
{
	size_t room = 2 * len < need ? 2 * len : need;
	uint8_t *in = l->in;

	if (in != NULL && len > 0)
		memmove(in + STREAM_HEADROOM, bytes, len);
	room = room < KEPT_LEAST ? KEPT_LEAST : room;
	room = room < len ? len : room;
	if (room > l->in_room) {
		in = realloc(in, STREAM_HEADROOM + room);
		if (in == NULL) {
			stream_link_end(l, ERR_OVERLOAD);
			return;
		}
		if (l->in == NULL)
			memcpy(in + STREAM_HEADROOM, bytes, len);
		l->in = in;
		l->in_room = (uint32_t)room;
	}
	l->in_len = (uint32_t)len;
}

static void take_kept(struct stream_link *l)
{
	size_t need, used;

	if (l->websocket != NULL) {
		take_websocket(l, l->in + STREAM_HEADROOM, l->in_len);
		drop_kept(l);
		return;
	}
	used = take_frames(l, l->in + STREAM_HEADROOM, l->in_len, &need);

	if (used == l->in_len || l->failure != ERR_NONE)
		drop_kept(l);
	else
		keep(l, l->in + STREAM_HEADROOM + used, l->in_len - used, need);
}

static void take_fresh(struct stream_link *l, size_t len)
{
	size_t need, used = take_frames(l, fresh + STREAM_HEADROOM, len, &need);

	if (used < len && l->failure == ERR_NONE)
		keep(l, fresh + STREAM_HEADROOM + used, len - used, need);
}

void stream_reading_ahead(struct stream_link *l, const uint8_t *bytes, size_t len)
{
	if (len > 0)
		keep(l, bytes, len, len);
	stream_link_note_due(l);
}

/* ---- reading ---- */

static void on_end(struct stream_link *l, ssize_t got)
{
	bool observed;

	if (got == STREAM_SOCKET_LATER)
		return;
	/* A client who has released it may have closed his direction and wait for answers (RFC 8323 5.5). */
	if (got == STREAM_SOCKET_ENDED && l->state == LINK_RELEASED && !l->to_origin && stream_link_under_way(l, &observed) > 0)
		return;
	stream_link_end(l, ERR_UNREACHABLE);
}

/* A record of TLS that was begun is read to its end, since no event tells of the rest. */
void stream_reading_read(struct stream_link *l)
{
	for (unsigned i = 0; (i < READS_A_TURN || stream_socket_has_bytes(&l->socket)) && reads(l); i++) {
		size_t room = l->in != NULL ? l->in_room - l->in_len : READ_ROOM;
		uint8_t *at = l->in != NULL ? l->in + STREAM_HEADROOM + l->in_len : fresh + STREAM_HEADROOM;
		ssize_t got = stream_socket_read(&l->socket, at, room);

		if (got <= 0) {
			on_end(l, got);
			return;
		}
		l->heard_at = clock_now();
		l->pinged_at = 0;
		if (l->websocket != NULL) {
			take_websocket(l, at, (size_t)got);
		} else if (l->in != NULL) {
			l->in_len += (uint32_t)got;
			take_kept(l);
		} else {
			take_fresh(l, (size_t)got);
		}
		if (!stream_socket_has_bytes(&l->socket) && (size_t)got < room)
			break;
	}
	stream_socket_want(&l->socket, reads(l));
}

void stream_reading_go_on(struct stream_link *l)
{
	if (reads(l) && l->in != NULL)
		take_kept(l);
	stream_socket_want(&l->socket, reads(l));
	if (reads(l) && stream_socket_has_bytes(&l->socket))
		stream_reading_read(l);
}
