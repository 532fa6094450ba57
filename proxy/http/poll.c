/*
 * poll - the long poll: GET with Prefer: wait=N (RFC 7240 4.3) is answered when the resource changes, or after N seconds.
 *
 * The device is observed meanwhile. A client that says what it has (If-None-Match) is answered at once if that is no longer so, and with 304
 * when the time is over; one that does not is answered by the next notification, and with the representation of then when the time is over.
 */
#include <string.h>

#include "base/clock.h"
#include "proxy/exchange/exchange.h"
#include "proxy/http/request.h"

#define APPLIED "Preference-Applied: wait\r\n"

static bool has_tag(const struct http_request *r, const struct msg_option *tag)
{
	for (size_t i = 0; tag != NULL && i < r->mapping.etag_count; i++)
		if (tag->len == r->mapping.etags[i].len && memcmp(tag->value, r->mapping.etags[i].bytes, tag->len) == 0)
			return true;
	return false;
}

/* The first answer is what the client has: he waits for what comes next, unless the device took all his time for it. */
static bool is_to_wait(const struct http_request *r, const struct msg_view *m, enum error e)
{
	if (e != ERR_NONE || msg_option(m, OPT_OBSERVE) == NULL || !wheel_timer_is_set(&r->timer))
		return false;
	if (m->code == CODE_VALID)
		return true;
	return m->code == CODE_CONTENT && (r->mapping.etag_count == 0 || has_tag(r, msg_option(m, OPT_ETAG)));
}

static void on_head(struct transfer *t, const struct msg_view *m, enum error e, uint64_t size, bool notification)
{
	struct http_request *r = request_of(t);
	const struct msg_option *tag = msg_option(m, OPT_ETAG);

	r->waiting = !notification ? is_to_wait(r, m, e) : m->code == CODE_VALID || has_tag(r, tag);
	if (!r->waiting) {
		r->applied = notification;
		request_answer_head(t, m, e, size, notification);
		return;
	}
	r->mute = true;
	if (tag != NULL && tag->len > 0 && tag->len <= ETAG_MAX) {
		r->tag.len = (uint8_t)tag->len;
		memcpy(r->tag.bytes, tag->value, tag->len);
	}
}

static void on_end(struct transfer *t, enum error e, bool more)
{
	struct http_request *r = request_of(t);

	r->transferring = more;
	if (r->waiting && more && e == ERR_NONE) {
		r->mute = false;
		return;
	}
	if (r->waiting) { /* the observation ended while nothing had changed */
		r->mute = false;
		reply_status(r, 503, "The device does not let itself be observed any more", NULL);
	}
	request_answer_end(t, e, more);
}

static const struct transfer_calls waiting_calls = {
	.body = request_body, .body_taken = request_body_taken, .head = on_head, .room = request_room, .data = request_answer_data,
	.end = on_end, .decide = request_decide,
};

static void answer_not_modified(struct http_request *r)
{
	uint8_t bytes[64];
	struct msg_writer w;
	struct msg_view m;

	msg_begin(&w, bytes, sizeof bytes, MSG_NON, CODE_VALID, 0, NULL, 0);
	msg_add_option(&w, OPT_ETAG, r->tag.bytes, r->tag.len);
	if (msg_parse_datagram(&m, bytes, msg_end(&w)) == MSG_OK)
		reply_head(r, &m, ERR_NONE, 0, APPLIED);
	request_finish(r, false);
}

void poll_end(struct http_request *r)
{
	/* What has not been answered by the device at all is left to the times of the route; what is being answered goes on. */
	if (!r->waiting || r->status != 0)
		return;
	r->applied = true;
	if (r->mapping.etag_count > 0 && r->tag.len > 0) {
		answer_not_modified(r);
		return;
	}
	transfer_leave(&r->transfer);
	r->waiting = r->mute = false;
	request_plain(r);
}

static void on_timer(struct wheel_timer *timer)
{
	poll_end(wheel_owner(timer, struct http_request, timer));
}

void poll_begin(struct http_request *r)
{
	uint64_t wait = r->mapping.wait * CLOCK_SECOND;

	r->timer.run = on_timer;
	wheel_set(r->proxy->wheel, &r->timer, clock_now() + (wait < r->route->wait_limit ? wait : r->route->wait_limit));
	http_connection_end_with_client(r->connection);
	request_transfer(r, &waiting_calls, true);
}
