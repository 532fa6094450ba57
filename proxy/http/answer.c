/* The answers of a connection (connection.h): their framing, and what goes with it (RFC 9112 6, 9; RFC 9110 6.6.1, 7.6.1). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "proxy/http/connection_parts.h"

enum {
	DATE_MAX = 40,        /* a Date field with its line's end, and a NUL */
	FRAMING_MAX = 160,    /* the fields that are added here */
	CHUNK_OVERHEAD = 16,  /* size line, end, and the last chunk some time */
	REFUSAL_MAX = 256,
	BODY_REST_MAX = 1 << 20, /* of a request that was answered already: more to come than this and the connection ends */
};

static const uint64_t date_interval = CLOCK_SECOND / 4; /* how often the wall clock is looked at */

static void write_bytes(struct http_connection *c, const void *bytes, size_t len)
{
	stream_socket_write(&c->socket, bytes, len);
	c->written += len;
}

static void write_text(struct http_connection *c, const char *text)
{
	write_bytes(c, text, strlen(text));
}

/* ---- the head ---- */

/* The field as a line, formatted once a second (RFC 9110 5.6.7). */
static const char *date_line(void)
{
	static char line[DATE_MAX];
	static int64_t formatted = -1;
	static uint64_t looked_at;
	uint64_t now = clock_now();
	uint32_t microseconds;
	struct tm t;
	time_t wall;

	if (formatted >= 0 && now - looked_at < date_interval)
		return line;
	looked_at = now;
	wall = (time_t)clock_wall(&microseconds);
	if (wall == formatted || gmtime_r(&wall, &t) == NULL || strftime(line, sizeof line, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &t) == 0)
		return line;
	formatted = wall;
	return line;
}

static enum answer_form form_of(const struct http_connection *c, unsigned status, uint64_t length)
{
	if (c->asks_head || status < 200 || status == 204 || status == 304)
		return ANSWER_EMPTY;
	if (length != HTTP_LENGTH_UNKNOWN)
		return ANSWER_LENGTH;
	return c->old_version ? ANSWER_UNTIL_CLOSE : ANSWER_CHUNKED;
}

/* The body's end cannot be waited for, or would not be known. */
static bool must_close(const struct http_connection *c)
{
	if (c->body_ended)
		return false;
	return (c->expects && !c->continued && !c->body_begun) || c->body_left > BODY_REST_MAX;
}

static const char *connection_line(const struct http_connection *c)
{
	if (c->closing)
		return "Connection: close\r\n";
	return c->old_version ? "Connection: keep-alive\r\n" : "";
}

void http_connection_answer(struct http_connection *c, unsigned status, const uint8_t *head, size_t len, uint64_t length)
{
	uint8_t framing[FRAMING_MAX];
	struct writer w;

	if (c->form != ANSWER_NONE || c->answer_ended)
		return;
	c->form = (uint8_t)form_of(c, status, length);
	c->answer_left = c->form == ANSWER_LENGTH ? length : 0;
	if (must_close(c) || c->form == ANSWER_UNTIL_CLOSE || !c->keeps_alive)
		c->closing = true;
	/* A HEAD is told the length that a GET would have; 1xx and 204 must have none, and of 304 nobody knows it (RFC 9110 8.6). */
	writer_init(&w, framing, sizeof framing);
	writer_text(&w, date_line());
	if (length != HTTP_LENGTH_UNKNOWN && status >= 200 && status != 204 && status != 304)
		http_write_field_uint(&w, "Content-Length", length);
	else if (c->form == ANSWER_CHUNKED)
		http_write_field_text(&w, "Transfer-Encoding", "chunked");
	writer_text(&w, connection_line(c));
	http_write_end(&w);
	write_bytes(c, head, len);
	write_bytes(c, framing, writer_length(&w));
	http_server_note_due(c);
}

/* ---- the body ---- */

void http_connection_answer_data(struct http_connection *c, const uint8_t *bytes, size_t len)
{
	char size_line[20];

	if (c->form == ANSWER_NONE || c->form == ANSWER_EMPTY || c->answer_ended)
		return;
	if (c->form == ANSWER_LENGTH && len > c->answer_left)
		len = (size_t)c->answer_left;
	if (len == 0)
		return;
	if (c->form == ANSWER_CHUNKED) {
		snprintf(size_line, sizeof size_line, "%zx\r\n", len);
		write_text(c, size_line);
	}
	write_bytes(c, bytes, len);
	if (c->form == ANSWER_CHUNKED)
		write_text(c, "\r\n");
	else if (c->form == ANSWER_LENGTH)
		c->answer_left -= len;
	http_server_note_due(c);
}

size_t http_connection_room(struct http_connection *c)
{
	size_t held = c->socket.held + CHUNK_OVERHEAD;

	c->room_asked = true;
	return held < BLOCKS_HELD ? BLOCKS_HELD - held : 0;
}

void http_connection_answer_end(struct http_connection *c)
{
	if (c->answer_ended)
		return;
	if (c->form == ANSWER_NONE || (c->form == ANSWER_LENGTH && c->answer_left > 0)) {
		http_connection_answer_cut(c);
		return;
	}
	if (c->form == ANSWER_CHUNKED)
		write_text(c, "0\r\n\r\n");
	c->answer_ended = true;
	c->request = NULL;
	http_server_note_due(c);
}

void http_connection_answer_cut(struct http_connection *c)
{
	if (c->answer_ended)
		return;
	c->answer_ended = c->answer_cut = c->closing = true;
	c->request = NULL;
	c->reset = c->form == ANSWER_UNTIL_CLOSE; /* its end is the connection's, so that must not be an orderly one */
	http_server_note_due(c);
}

uint64_t http_connection_answer_bytes(const struct http_connection *c)
{
	return c->written - c->written_before;
}

/* ---- what is not request.c's ---- */

void http_connection_continue(struct http_connection *c)
{
	if (!c->expects || c->continued || c->body_begun || c->body_ended || c->form != ANSWER_NONE || c->answer_ended)
		return;
	c->continued = true;
	write_text(c, "HTTP/1.1 100 Continue\r\n\r\n");
	http_server_note_due(c);
}

void http_answer_refusal(struct http_connection *c, unsigned status, const char *why)
{
	uint8_t head[REFUSAL_MAX];
	struct writer w;
	size_t len = strlen(why);

	c->closing = true;
	writer_init(&w, head, sizeof head);
	http_write_status_line(&w, status, NULL);
	http_write_field_text(&w, "Content-Type", "text/plain;charset=utf-8");
	http_write_field_text(&w, "Cache-Control", "no-store");
	http_connection_answer(c, status, head, writer_length(&w), len + 1);
	http_connection_answer_data(c, (const uint8_t *)why, len);
	http_connection_answer_data(c, (const uint8_t *)"\n", 1);
	http_connection_answer_end(c);
}
