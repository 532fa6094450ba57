/* How a connection reads requests (connection.h): the parser is given what came, and what it says becomes what request.c is told. */
#include <string.h>

#include "base/clock.h"
#include "proxy/http/connection_parts.h"

enum {
	READ_MAX = BLOCKS_HELD,
	READ_LEAST = 4096,         /* less room than this is not worth a read: none is made until there is more */
	READ_AGAIN = 16384,        /* so much */
	CHUNK_LINE_MAX = 256,
	THROWN_AWAY_MAX = 1 << 20, /* bytes of what nobody wants any more */
	PARSERS_SPARE = 64,
};

static uint8_t fresh[READ_MAX]; /* what one read brings */

/* What connections brought that begin a request, and is not looked at yet. Behind each other, since most is short. */
enum { GATHERED_MAX = 32, GATHERED_BYTES = 16384, GATHERED_READ = 2048 };

static struct {
	struct http_connection *from[GATHERED_MAX]; /* NULL: it is gone */
	size_t len[GATHERED_MAX];
	size_t used;
	unsigned count;
	uint8_t bytes[GATHERED_BYTES];
} gathered;

static struct {
	struct http_parser *spare[PARSERS_SPARE];
	unsigned count;
	uint32_t generation; /* of the limits they were made with */
} parsers;

static size_t length_of(const struct evbuffer *b)
{
	return b != NULL ? evbuffer_get_length(b) : 0;
}

/* ---- parsers ---- */

static struct http_parser *parser_take(struct http_connection *c)
{
	const struct settings *s = &c->proxy->conf->settings;
	const struct http_limits limits = { .line = s->http_line, .fields_bytes = s->http_fields, .fields_count = s->http_field_count,
		.chunk_line = CHUNK_LINE_MAX };

	c->parsers = parsers.generation;
	return parsers.count > 0 ? parsers.spare[--parsers.count] : http_parser_new(false, &limits);
}

void http_reading_end(struct http_connection *c, bool usable)
{
	if (c->parser != NULL && usable && parsers.count < PARSERS_SPARE && c->parsers == parsers.generation)
		parsers.spare[parsers.count++] = c->parser;
	else
		http_parser_free(c->parser);
	c->parser = NULL;
}

void http_reading_forget_parsers(void)
{
	while (parsers.count > 0)
		http_parser_free(parsers.spare[--parsers.count]);
	parsers.generation++;
}

/* ---- requests ---- */

static void begin_message(struct http_connection *c)
{
	c->form = ANSWER_NONE;
	c->written_before = c->written;
	c->answer_left = c->body_left = 0;
	c->thrown_away = 0;
	c->old_version = c->asks_head = c->keeps_alive = c->expects = c->continued = false;
	c->body_begun = c->body_ended = c->answer_ended = c->answer_cut = c->ends_with_peer = c->room_asked = false;
}

void http_reading_refuse(struct http_connection *c, unsigned status, const char *why)
{
	proxy_count(c->proxy, status == 408 ? COUNT_HTTP_TIMEOUTS : COUNT_HTTP_BAD_REQUESTS);
	http_answer_refusal(c, status, why);
	http_connection_enter_last(c);
}

static unsigned status_of(enum http_error e)
{
	switch (e) {
	case HTTP_LINE_TOO_LONG:
		return 414;
	case HTTP_FIELDS_TOO_LARGE:
		return 431;
	case HTTP_VERSION:
		return 505;
	case HTTP_NOT_IMPLEMENTED:
		return 501;
	case HTTP_NO_MEMORY:
		return 503;
	default:
		return 400;
	}
}

/* The one expectation there is, or none; those of HTTP/1.0 are ignored (RFC 9110 10.1.1). */
static bool expectation_is_known(const struct http_head *head)
{
	const struct http_field *f = head->minor > 0 ? http_field_find(head, "expect") : NULL;

	return f == NULL || http_text_is(f->value, "100-continue");
}

/* The answer is complete. Behind a request that is complete, too, comes the next. */
static void answered(struct http_connection *c)
{
	http_connection_free_buffer(&c->body);
	if (c->answer_cut) {
		http_connection_enter_last(c);
		return;
	}
	if (!c->keeps_alive)
		c->closing = true;
	if (c->closing) {
		c->client_closing = c->body_ended && !c->keeps_alive && c->in == NULL;
		http_connection_enter_last(c);
	} else if (c->body_ended) {
		http_connection_enter(c, CONNECTION_IDLE);
	} else {
		http_connection_enter(c, CONNECTION_REST);
	}
}

void http_reading_settle(struct http_connection *c)
{
	if (c->state == CONNECTION_REQUEST && c->answer_ended)
		answered(c);
}

static void begin_request(struct http_connection *c)
{
	const struct http_head *head = http_parser_head(c->parser);

	c->old_version = head->minor == 0;
	c->asks_head = http_text_equal(head->method, "HEAD");
	c->keeps_alive = head->keep_alive;
	c->expects = head->expects_continue;
	c->body_left = head->has_length ? head->length : 0;
	c->body_ended = !head->chunked && c->body_left == 0;
	if (!expectation_is_known(head)) {
		http_reading_refuse(c, 417, "This expectation cannot be met.");
		return;
	}
	http_connection_enter(c, CONNECTION_REQUEST);
	c->request = http_request_begin(c, head);
	if (c->request == NULL)
		http_connection_answer_cut(c); /* does nothing if it was answered */
	if (c->answer_ended)
		c->request = NULL;
	if (c->body_ended)
		http_parser_next(c->parser);
}

void http_reading_fail(struct http_connection *c, unsigned status)
{
	proxy_count(c->proxy, status == 408 ? COUNT_HTTP_TIMEOUTS : COUNT_HTTP_BAD_REQUESTS);
	c->closing = true;
	if (c->state == CONNECTION_REST) {
		http_connection_enter_last(c);
		return;
	}
	http_reading_end(c, false);
	c->read_due = 0;
	http_request_failed(c->request, status);
}

static void take_body(struct http_connection *c, struct http_text piece)
{
	c->body_begun = true;
	c->body_left -= c->body_left < piece.len ? c->body_left : piece.len;
	http_connection_wait(c);
	if (c->state == CONNECTION_REST) {
		c->thrown_away += (uint32_t)piece.len;
		if (c->thrown_away > THROWN_AWAY_MAX)
			http_connection_enter_last(c);
		return;
	}
	if (c->body == NULL)
		c->body = evbuffer_new();
	if (c->body == NULL || evbuffer_add(c->body, piece.at, piece.len) < 0)
		http_reading_fail(c, 503);
	else
		http_request_body(c->request);
}

static void end_body(struct http_connection *c)
{
	c->body_ended = true;
	http_parser_next(c->parser);
	if (c->state == CONNECTION_REQUEST) {
		http_connection_wait(c);
		http_request_body(c->request);
	} else if (c->closing) {
		http_connection_enter_last(c);
	} else {
		http_connection_enter(c, CONNECTION_IDLE);
	}
}

/* ---- reading ---- */

/* Whether bytes are given to the parser now. Behind a whole request they wait until it is answered, and until what was answered is sent: a
 * client that takes no answers asks nothing. */
static bool is_parsing(const struct http_connection *c)
{
	switch ((enum connection_state)c->state) {
	case CONNECTION_IDLE:
		return c->socket.held < BLOCKS_HELD;
	case CONNECTION_HEAD:
	case CONNECTION_REST:
		return true;
	case CONNECTION_REQUEST:
		return c->parser != NULL && !c->body_ended;
	default:
		return false;
	}
}

static void take_event(struct http_connection *c, enum http_event event, struct http_text piece)
{
	unsigned status;

	switch (event) {
	case HTTP_HEAD:
		begin_request(c);
		break;
	case HTTP_BODY:
		take_body(c, piece);
		break;
	case HTTP_END:
		end_body(c);
		break;
	default:
		status = status_of(http_parser_error(c->parser));
		if (c->state == CONNECTION_HEAD)
			http_reading_refuse(c, status, http_parser_why(c->parser));
		else
			http_reading_fail(c, status);
	}
	http_reading_settle(c);
}

static bool begin_head(struct http_connection *c)
{
	begin_message(c);
	if (c->parser == NULL)
		c->parser = parser_take(c);
	http_connection_enter(c, CONNECTION_HEAD);
	if (c->parser == NULL)
		http_reading_refuse(c, 503, "There is no memory for a request.");
	return c->parser != NULL;
}

/* Reads on in bytes that came. Returns how many were used; the others lie behind what can be dealt with now. */
static size_t parse(struct http_connection *c, const uint8_t *bytes, size_t len)
{
	size_t done = 0, used;

	while (is_parsing(c) && (done < len || c->state != CONNECTION_IDLE)) {
		struct http_text piece = { NULL, 0 };
		enum http_event event;

		if (c->state == CONNECTION_IDLE && !begin_head(c))
			break;
		event = http_parser_read(c->parser, bytes + done, len - done, &used, &piece);
		done += used;
		if (event == HTTP_MORE)
			break;
		take_event(c, event, piece);
	}
	return done;
}

static void parse_held(struct http_connection *c)
{
	while (c->in != NULL && is_parsing(c)) {
		struct evbuffer_iovec first = { NULL, 0 };

		if (evbuffer_peek(c->in, -1, NULL, &first, 1) < 1)
			break;
		evbuffer_drain(c->in, parse(c, first.iov_base, first.iov_len));
		if (c->in != NULL && evbuffer_get_length(c->in) == 0)
			http_connection_free_buffer(&c->in);
	}
}

int http_reading_hold(struct http_connection *c, const uint8_t *bytes, size_t len)
{
	if (len == 0)
		return 0;
	if (c->in == NULL)
		c->in = evbuffer_new();
	return c->in != NULL ? evbuffer_add(c->in, bytes, len) : -1;
}

/* How many bytes may be read: what a request is to take and what waits behind it are held up to BLOCKS_HELD, together. */
static size_t room_to_read(const struct http_connection *c)
{
	size_t held = length_of(c->in) + length_of(c->body) + (c->is_secure ? STREAM_SOCKET_RECORD : 0);

	return held < BLOCKS_HELD ? BLOCKS_HELD - held : 0;
}

static void take(struct http_connection *c, const uint8_t *bytes, size_t len)
{
	size_t used = c->in == NULL ? parse(c, bytes, len) : 0;

	if (http_reading_hold(c, bytes + used, len - used) < 0)
		c->socket.failed = true;
}

void http_reading_read(struct http_connection *c)
{
	size_t room = room_to_read(c);
	ssize_t got;

	if (room < READ_LEAST)
		return;
	got = stream_socket_read(&c->socket, fresh, room);
	if (got == STREAM_SOCKET_ENDED)
		c->peer_ended = true;
	if (got > 0)
		take(c, fresh, (size_t)got);
}

/* ---- many at a time ---- */

bool http_reading_gather(struct http_connection *c)
{
	bool begins_request = c->state == CONNECTION_IDLE || c->state == CONNECTION_HEAD;
	ssize_t got;

	if (!begins_request || c->is_secure || c->in != NULL)
		return false;
	got = stream_socket_read(&c->socket, gathered.bytes + gathered.used, GATHERED_READ);
	if (got <= 0) {
		c->peer_ended |= got == STREAM_SOCKET_ENDED;
		http_server_note_due(c);
		return true;
	}
	gathered.from[gathered.count] = c;
	gathered.len[gathered.count++] = (size_t)got;
	gathered.used += (size_t)got;
	c->is_gathered = true;
	if (gathered.count == GATHERED_MAX || GATHERED_BYTES - gathered.used < GATHERED_READ)
		http_reading_take_gathered();
	return true;
}

bool http_reading_take_gathered(void)
{
	const uint8_t *bytes = gathered.bytes;

	if (gathered.count == 0)
		return false;
	clock_update(); /* the loop may have slept long since the last turn */
	for (unsigned i = 0; i < gathered.count; bytes += gathered.len[i++]) {
		struct http_connection *c = gathered.from[i];

		if (c == NULL)
			continue;
		c->is_gathered = false;
		take(c, bytes, gathered.len[i]);
		http_server_note_due(c);
	}
	gathered.count = 0;
	gathered.used = 0;
	return true;
}

void http_reading_forget_gathered(const struct http_connection *c)
{
	for (unsigned i = 0; i < gathered.count && c->is_gathered; i++)
		if (gathered.from[i] == c)
			gathered.from[i] = NULL;
}

void http_reading_throw_away(struct http_connection *c)
{
	ssize_t got = stream_socket_read(&c->socket, fresh, sizeof fresh);

	if (got > 0)
		c->thrown_away += (uint32_t)got;
	if (got == STREAM_SOCKET_ENDED || c->thrown_away > THROWN_AWAY_MAX)
		c->peer_ended = true;
}

bool http_reading_has_room(const struct http_connection *c)
{
	return room_to_read(c) >= (c->socket.wants_bytes ? READ_LEAST : READ_AGAIN);
}

/* Of what TLS has read ahead. */
static bool may_read_more(const struct http_connection *c)
{
	return stream_socket_has_bytes(&c->socket) && c->state >= CONNECTION_IDLE && c->state < CONNECTION_LAST && room_to_read(c) >= READ_LEAST;
}

bool http_reading_may_go_on(const struct http_connection *c)
{
	return (c->in != NULL && is_parsing(c)) || may_read_more(c);
}

void http_reading_go_on(struct http_connection *c)
{
	http_reading_settle(c);
	parse_held(c);
	if (may_read_more(c))
		http_reading_read(c);
}
