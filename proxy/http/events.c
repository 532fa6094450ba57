/*
 * events - a device's observations as a stream of server-sent events: see request.h. The stream ends when the device's observation does, or
 * the client leaves, and that is told to the device.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/exchange/exchange.h"
#include "proxy/http/request.h"
#include "translate/event_stream.h"

enum {
	CONTENT_HELD = BLOCKS_HELD / 4 * 3, /* of one event; what is longer goes on in base64 as it comes */
	PIECE = 3 * 1024,
};

struct events {
	bool streaming;            /* the head of the stream has left */
	bool skip;                 /* the event under way is what the client has */
	bool begun;                /* the event under way has left in part, in base64 */
	uint8_t *content;          /* CONTENT_HELD bytes while an event is collected, or NULL */
	size_t len;
	size_t head_len;
	uint8_t head[BLOCKS_HEAD_MAX]; /* the message of the event under way, without its payload */
};

void events_forget(struct http_request *r)
{
	free(r->events->content);
	free(r->events);
	r->events = NULL;
}

static void send_written(struct http_request *r, const struct writer *w)
{
	http_connection_answer_data(r->connection, w->start, writer_length(w));
}

/* ---- comments keep the connection alive, and show that it is ---- */

static void rearm(struct http_request *r)
{
	wheel_set(r->proxy->wheel, &r->timer, clock_now() + r->conf->settings.http_event_interval);
}

static void on_timer(struct wheel_timer *t)
{
	static const uint8_t comment[] = ":\n\n";
	struct http_request *r = wheel_owner(t, struct http_request, timer);

	if (r->events->streaming && !r->events->begun && http_connection_room(r->connection) >= sizeof comment)
		http_connection_answer_data(r->connection, comment, sizeof comment - 1);
	rearm(r);
}

/* ---- one event ---- */

static void keep_head(struct events *v, const struct msg_view *m)
{
	struct msg_writer w;

	msg_begin(&w, v->head, sizeof v->head, MSG_NON, m->code, 0, NULL, 0);
	for (unsigned i = 0; i < m->option_count; i++)
		msg_add_option(&w, m->options[i].number, m->options[i].value, m->options[i].len);
	v->head_len = msg_end(&w);
}

static bool read_head(const struct events *v, struct msg_view *m)
{
	return v->head_len > 0 && msg_parse_datagram(m, v->head, v->head_len) == MSG_OK;
}

static void write_base64(struct http_request *r, const uint8_t *bytes, size_t len)
{
	uint8_t piece[PIECE / 3 * 4];
	struct writer w;

	for (size_t at = 0; at < len; at += PIECE) {
		writer_init(&w, piece, sizeof piece);
		event_write_base64(&w, bytes + at, len - at < PIECE ? len - at : PIECE);
		send_written(r, &w);
	}
}

static void write_begin(struct http_request *r, const struct msg_view *m, const char *id, bool as_text)
{
	uint8_t bytes[EVENT_PROLOGUE_MAX];
	struct writer w;

	writer_init(&w, bytes, sizeof bytes);
	event_write_begin(&w, MSG_CLASS(m->code) == 2 ? NULL : "error", id, m, as_text);
	send_written(r, &w);
}

static void write_end(struct http_request *r)
{
	uint8_t bytes[16];
	struct writer w;

	writer_init(&w, bytes, sizeof bytes);
	event_write_end(&w);
	send_written(r, &w);
}

static void write_text(struct http_request *r, const uint8_t *bytes, size_t len)
{
	uint8_t piece[PIECE * EVENT_EXPANSION];
	struct writer w;

	for (size_t at = 0; at < len; at += PIECE) {
		writer_init(&w, piece, sizeof piece);
		event_write_text(&w, bytes + at, len - at < PIECE ? len - at : PIECE);
		send_written(r, &w);
	}
}

/* The event is there, whole. */
static void tell(struct http_request *r)
{
	struct events *v = r->events;
	struct msg_view m;
	char id[EVENT_ID_MAX];
	bool as_text;

	if (!read_head(v, &m))
		return;
	event_id(&m, v->content, v->len, id);
	if (MSG_CLASS(m.code) != 2)
		id[0] = '\0';
	else if (v->skip && strcmp(id, r->last_event) == 0)
		return; /* the client that comes back has it (Last-Event-ID) */
	/* a device may send nothing but what is escaped: in base64 it stays below what may be held */
	as_text = event_is_text(&m) && event_is_utf8(v->content, v->len) && event_text_length(v->content, v->len) <= BLOCKS_HELD;
	write_begin(r, &m, id, as_text);
	if (as_text)
		write_text(r, v->content, v->len);
	else
		write_base64(r, v->content, v->len);
	write_end(r);
}

/* It is longer than what is held: what is there leaves, but for what does not fill three bytes. */
static void spill(struct http_request *r)
{
	struct events *v = r->events;
	size_t whole = v->len / 3 * 3;
	struct msg_view m;
	char id[EVENT_ID_MAX] = "";

	if (!v->begun && read_head(v, &m)) {
		if (msg_option(&m, OPT_ETAG) != NULL)
			event_id(&m, NULL, 0, id);
		write_begin(r, &m, id, false);
		v->begun = true;
	}
	write_base64(r, v->content, whole);
	memmove(v->content, v->content + whole, v->len - whole);
	v->len -= whole;
}

/* ---- what the block layer tells ---- */

static bool is_observed(const struct msg_view *m, enum error e)
{
	return e == ERR_NONE && (m->code == CODE_CONTENT || m->code == CODE_VALID) && msg_option(m, OPT_OBSERVE) != NULL;
}

static void begin_stream(struct http_request *r)
{
	static const char fields[] = "X-Accel-Buffering: no\r\n";

	r->events->streaming = true;
	reply_stream(r, "text/event-stream", fields);
	rearm(r);
}

static void on_head(struct transfer *t, const struct msg_view *m, enum error e, uint64_t size, bool notification)
{
	struct http_request *r = request_of(t);
	struct events *v = r->events;

	if (!v->streaming && !is_observed(m, e)) {
		if (e == ERR_NONE && MSG_CLASS(m->code) == 2) {
			reply_status(r, 503, "The device does not let itself be observed", NULL);
			r->mute = true;
		} else {
			request_answer_head(t, m, e, size, false);
		}
		return;
	}
	if (!v->streaming)
		begin_stream(r);
	v->skip = !notification && r->last_event[0] != '\0';
	v->len = 0;
	v->begun = false;
	if (v->content == NULL)
		v->content = malloc(CONTENT_HELD);
	keep_head(v, m);
	if (v->content == NULL)
		v->head_len = 0; /* this one is left out */
}

static size_t on_room(struct transfer *t)
{
	struct http_request *r = request_of(t);

	if (!r->events->streaming)
		return request_room(t);
	/* A client that does not read gets the newest event when he does. */
	return http_connection_room(r->connection) / 2;
}

static void on_data(struct transfer *t, const uint8_t *bytes, size_t len)
{
	struct http_request *r = request_of(t);
	struct events *v = r->events;

	if (!v->streaming) {
		request_answer_data(t, bytes, len);
		return;
	}
	while (v->content != NULL && len > 0) {
		size_t count = len < CONTENT_HELD - v->len ? len : CONTENT_HELD - v->len;

		memcpy(v->content + v->len, bytes, count);
		v->len += count;
		bytes += count;
		len -= count;
		if (v->len == CONTENT_HELD)
			spill(r);
	}
}

static void on_end(struct transfer *t, enum error e, bool more)
{
	struct http_request *r = request_of(t);
	struct events *v = r->events;
	bool cut = v->begun && e != ERR_NONE;

	r->transferring = more;
	if (!v->streaming) {
		request_answer_end(t, e, more);
		return;
	}
	if (v->begun && !cut) {
		write_base64(r, v->content, v->len);
		write_end(r);
	} else if (!cut && e == ERR_NONE && v->content != NULL) {
		tell(r);
	}
	free(v->content);
	v->content = NULL;
	v->begun = false;
	/* Half an event cannot be taken back. */
	if (cut || !more)
		request_finish(r, cut);
	else
		rearm(r);
}

static const struct transfer_calls events_calls = {
	.body = request_body, .body_taken = request_body_taken, .head = on_head, .room = on_room, .data = on_data, .end = on_end,
	.decide = request_decide,
};

void events_writable(struct http_request *r)
{
	if (r->transferring)
		transfer_continue(&r->transfer);
}

void events_begin(struct http_request *r, const struct http_head *head)
{
	const struct http_field *last = http_field_find(head, "Last-Event-ID");

	r->events = calloc(1, sizeof *r->events);
	if (r->events == NULL) {
		reply_error(r, ERR_OVERLOAD);
		request_finish(r, false);
		return;
	}
	if (last != NULL && last->value.len < sizeof r->last_event)
		memcpy(r->last_event, last->value.at, last->value.len);
	r->timer.run = on_timer;
	http_connection_end_with_client(r->connection);
	request_transfer(r, &events_calls, true);
}
