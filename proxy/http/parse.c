#include "proxy/http/parse.h"

/* llhttp's method has the name of an event of ours. */
#define HTTP_HEAD LLHTTP_METHOD_HEAD
#include <llhttp.h>
#undef HTTP_HEAD

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/http/framing.h"

enum {
	BUFFER_FIRST = 1024, /* most heads fit */
	BUFFER_KEPT = 4096,  /* what a larger one took is given back behind its message */
	INTERIM_MAX = 16,    /* responses 1xx before a final one */
	LINE_END = 2,
	STATUS_LINE_MAX = 32, /* of ours, for llhttp */
};

enum place {
	IN_LINE,        /* the first one */
	IN_FIELDS,
	IN_BODY,        /* `left` bytes of it to come */
	IN_CHUNK_LINE,
	IN_CHUNK,       /* `left` bytes of it to come */
	IN_CHUNK_END,   /* `left` bytes of its CRLF to come */
	IN_TRAILERS,
	UNTIL_CLOSE,
	AT_END,
	FAILED,
};

struct http_parser {
	bool response, answers_head;
	bool blank_seen;      /* the empty line before a request */
	bool in_extension;    /* of the chunk line */
	enum place place;
	enum http_error error;
	const char *why;
	struct http_limits limits;
	struct http_line line;
	struct http_section section;
	unsigned interim;
	uint32_t extensions;  /* bytes of all of this message */
	uint64_t left;
	uint8_t *bytes;       /* first line without its end, then the fields */
	size_t len, capacity, line_len;
	bool moved;           /* they lie elsewhere since the first line was read */
	struct http_text name, value; /* what llhttp is at */
	struct http_text piece;
	bool head_read;
	llhttp_t inner;
	struct http_head head;
};

static enum http_event fail(struct http_parser *p, enum http_error error, const char *why)
{
	p->place = FAILED;
	p->error = error;
	p->why = why;
	return HTTP_ERROR;
}

/* ---- what llhttp tells ------------------------------------------------------------------------------------------------ */

/* A head lies in one piece before llhttp reads it, so that what it tells in several pieces is still one text. */
static void text_extend(struct http_text *text, const char *at, size_t len)
{
	if (text->at == NULL)
		text->at = at;
	text->len = (size_t)(at + len - text->at);
}

static int on_name(llhttp_t *inner, const char *at, size_t len)
{
	struct http_parser *p = inner->data;

	text_extend(&p->name, at, len);
	return 0;
}

static int on_value(llhttp_t *inner, const char *at, size_t len)
{
	struct http_parser *p = inner->data;

	text_extend(&p->value, at, len);
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int on_value_complete(llhttp_t *inner)
{
	struct http_parser *p = inner->data;
	struct http_text value = p->value;

	if (p->head.field_count == HTTP_FIELDS_MAX || p->name.len == 0)
		return -1;
	while (value.len > 0 && is_blank(value.at[value.len - 1]))
		value.len--;
	p->head.fields[p->head.field_count++] = (struct http_field){p->name, value};
	p->name = p->value = (struct http_text){NULL, 0};
	return 0;
}

static int on_head_complete(llhttp_t *inner)
{
	struct http_parser *p = inner->data;

	p->head_read = true;
	inner->upgrade = 0; /* there is no other protocol: the body is read */
	return HPE_PAUSED;
}

static int on_body(llhttp_t *inner, const char *at, size_t len)
{
	struct http_parser *p = inner->data;

	p->piece = (struct http_text){at, len};
	return 0;
}

static const llhttp_settings_t settings = {
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_head_complete,
	.on_body = on_body,
};

/* Gives llhttp a part of the body. Returns whether it had nothing against it. */
static bool inner_takes(struct http_parser *p, const void *bytes, size_t len)
{
	p->piece = (struct http_text){NULL, 0};
	return llhttp_execute(&p->inner, bytes, len) == HPE_OK;
}

/* ---- the buffer of the head -------------------------------------------------------------------------------------------- */

/* What comes in was counted against the limits before. */
static bool keep(struct http_parser *p, const uint8_t *bytes, size_t len)
{
	size_t capacity = p->capacity > 0 ? p->capacity : BUFFER_FIRST;
	uint8_t *grown;

	while (capacity < p->len + len)
		capacity *= 2;
	if (capacity > p->capacity) {
		grown = realloc(p->bytes, capacity);
		if (!grown)
			return false;
		p->bytes = grown;
		p->capacity = capacity;
		p->moved = true;
	}
	memcpy(p->bytes + p->len, bytes, len);
	p->len += len;
	return true;
}

/* ---- the first line ---------------------------------------------------------------------------------------------------- */

static struct http_text first_line(const struct http_parser *p)
{
	return (struct http_text){(const char *)p->bytes, p->line_len};
}

static enum http_error first_line_parse(struct http_parser *p, const char **why)
{
	return p->response ? http_status_line_parse(&p->head, first_line(p), why) : http_request_line_parse(&p->head, first_line(p), why);
}

/* A request line above the limit has a target that is too long, unless it has not even come to it. */
static enum http_event line_too_long(struct http_parser *p)
{
	bool has_target = memchr(p->bytes, ' ', p->len < HTTP_METHOD_MAX + 1 ? p->len : HTTP_METHOD_MAX + 1) != NULL;

	if (p->response || has_target)
		return fail(p, HTTP_LINE_TOO_LONG, p->response ? "a status line that is too long" : "a request target that is too long");
	return fail(p, HTTP_NOT_IMPLEMENTED, "a method that is too long");
}

static enum http_event line_step(struct http_parser *p, const uint8_t *bytes, size_t len, size_t *used)
{
	const char *why = "";
	enum http_error error;

	*used = http_line_read(&p->line, p->limits.line, bytes, len);
	if (!keep(p, bytes, *used))
		return fail(p, HTTP_NO_MEMORY, "no memory for a head");
	if (p->line.error == HTTP_LINE_TOO_LONG)
		return line_too_long(p);
	if (p->line.error != HTTP_OK)
		return fail(p, p->line.error, p->line.why);
	if (!p->line.ended)
		return HTTP_MORE;
	p->len -= LINE_END;
	p->line_len = p->len;
	memset(&p->line, 0, sizeof(p->line));
	/* RFC 9112 2.2: one empty line before a request, left over from a body */
	if (p->line_len == 0 && !p->response && !p->blank_seen) {
		p->blank_seen = true;
		return HTTP_MORE;
	}
	error = first_line_parse(p, &why);
	if (error != HTTP_OK)
		return fail(p, error, why);
	p->moved = false;
	memset(&p->section, 0, sizeof(p->section));
	p->place = IN_FIELDS;
	return HTTP_MORE;
}

/* ---- the fields -------------------------------------------------------------------------------------------------------- */

/* Makes llhttp read a first line. */
static bool inner_begin(llhttp_t *inner, llhttp_type_t type, const char *line)
{
	llhttp_init(inner, type, &settings);
	return llhttp_execute(inner, line, strlen(line)) == HPE_OK;
}

/* llhttp behind the first line that says nothing but the status. That of all requests is the same, so it is read once and its state copied. */
static bool first_line_give(struct http_parser *p)
{
	static llhttp_t behind_request_line;
	static bool is_read;
	char status_line[STATUS_LINE_MAX];

	if (p->response) {
		snprintf(status_line, sizeof(status_line), "HTTP/1.1 %u X\r\n", p->head.status);
		return inner_begin(&p->inner, HTTP_RESPONSE, status_line);
	}
	is_read = is_read || inner_begin(&behind_request_line, HTTP_REQUEST, "POST / HTTP/1.1\r\n");
	p->inner = behind_request_line;
	return is_read;
}

/* Gives llhttp the head. Returns whether it read the same fields as we, to their end. */
static bool fields_split(struct http_parser *p)
{
	p->head.field_count = 0;
	if (!first_line_give(p))
		return false;
	p->inner.data = p;
	p->head_read = false;
	p->name = p->value = (struct http_text){NULL, 0};
	if (llhttp_execute(&p->inner, (const char *)p->bytes + p->line_len, p->len - p->line_len) != HPE_PAUSED)
		return false;
	return p->head_read && p->head.field_count == p->section.count;
}

/* llhttp's texts are constants. */
static const char *inner_reason(const struct http_parser *p)
{
	return p->inner.reason ? p->inner.reason : "fields that cannot be read";
}

static bool framing_is_agreed(const struct http_parser *p)
{
	bool chunked = p->inner.flags & F_CHUNKED, has_length = p->inner.flags & F_CONTENT_LENGTH;

	return chunked == p->head.chunked && has_length == p->head.has_length && (!has_length || p->inner.content_length == p->head.length);
}

static void body_begin(struct http_parser *p, enum http_body_kind kind)
{
	static const enum place places[] = {
		[HTTP_BODY_NONE] = AT_END,
		[HTTP_BODY_LENGTH] = IN_BODY,
		[HTTP_BODY_CHUNKED] = IN_CHUNK_LINE,
		[HTTP_BODY_UNTIL_CLOSE] = UNTIL_CLOSE,
	};

	llhttp_resume(&p->inner);
	p->left = p->head.length;
	p->extensions = 0;
	p->place = places[kind];
}

/* A response 1xx is over with its head; the final one is still to come. */
static enum http_event interim_pass(struct http_parser *p)
{
	if (++p->interim > INTERIM_MAX)
		return fail(p, HTTP_BAD, "too many responses 1xx");
	p->len = 0;
	p->place = IN_LINE;
	return HTTP_MORE;
}

static enum http_event fields_step(struct http_parser *p, const uint8_t *bytes, size_t len, size_t *used)
{
	enum http_body_kind kind = HTTP_BODY_NONE;
	const char *why = "";
	enum http_error error;
	bool split;

	*used = http_section_read(&p->section, &p->limits, bytes, len);
	if (!keep(p, bytes, *used))
		return fail(p, HTTP_NO_MEMORY, "no memory for a head");
	if (p->section.error != HTTP_OK)
		return fail(p, p->section.error, p->section.why);
	if (!p->section.ended)
		return HTTP_MORE;
	error = p->moved ? first_line_parse(p, &why) : HTTP_OK;
	if (error != HTTP_OK)
		return fail(p, error, why);
	split = fields_split(p);
	error = split || p->head.field_count == p->section.count ? http_framing_read(&p->head, p->answers_head, &kind, &why) : HTTP_BAD;
	if (error != HTTP_OK)
		return fail(p, error, why[0] != '\0' ? why : inner_reason(p));
	if (!split || !framing_is_agreed(p))
		return fail(p, HTTP_BAD, "a body whose end is in doubt");
	if (p->head.status >= 100 && p->head.status < 200)
		return interim_pass(p);
	body_begin(p, kind);
	return HTTP_HEAD;
}

/* ---- the body ---------------------------------------------------------------------------------------------------------- */

/* The next piece of `left` bytes, then `behind`. */
static enum http_event piece_step(struct http_parser *p, enum place behind, const uint8_t *bytes, size_t len, size_t *used,
	struct http_text *body)
{
	*used = len < p->left ? len : (size_t)p->left;
	if (!inner_takes(p, bytes, *used) || p->piece.len != *used)
		return fail(p, HTTP_BAD, "a body that cannot be read");
	p->left -= *used;
	*body = p->piece;
	if (p->left == 0) {
		p->left = LINE_END;
		p->place = behind;
	}
	return HTTP_BODY;
}

/* llhttp is given the size alone: releases read extensions in different ways, and nothing is to depend on that. What it has
 * against the size it says again at the line's end. */
static void chunk_size_give(struct http_parser *p, const uint8_t *bytes, size_t len)
{
	const uint8_t *semicolon = p->in_extension ? bytes : memchr(bytes, ';', len);
	size_t size_len = semicolon ? (size_t)(semicolon - bytes) : len;

	p->in_extension = semicolon != NULL;
	p->extensions += (uint32_t)(len - size_len);
	/* the line's end is given in one piece, when it is there */
	while (size_len > 0 && (bytes[size_len - 1] == '\r' || bytes[size_len - 1] == '\n'))
		size_len--;
	if (size_len > 0)
		(void)inner_takes(p, bytes, size_len);
}

static enum http_event chunk_line_step(struct http_parser *p, const uint8_t *bytes, size_t len, size_t *used)
{
	*used = http_line_read(&p->line, p->limits.chunk_line, bytes, len);
	if (p->line.error != HTTP_OK)
		return fail(p, HTTP_BAD, p->line.why);
	chunk_size_give(p, bytes, *used);
	if (!p->line.ended)
		return HTTP_MORE;
	if (!inner_takes(p, "\r\n", LINE_END) || p->inner.content_length > INT64_MAX)
		return fail(p, HTTP_BAD, "a chunk size that is no number, or too large");
	if (p->extensions > p->limits.fields_bytes)
		return fail(p, HTTP_BAD, "chunk extensions that are too large");
	memset(&p->line, 0, sizeof(p->line));
	memset(&p->section, 0, sizeof(p->section));
	p->in_extension = false;
	p->left = p->inner.content_length;
	p->place = p->left > 0 ? IN_CHUNK : IN_TRAILERS;
	return HTTP_MORE;
}

static enum http_event chunk_end_step(struct http_parser *p, const uint8_t *bytes, size_t *used)
{
	*used = 1;
	if (bytes[0] != (p->left == LINE_END ? '\r' : '\n') || !inner_takes(p, bytes, 1))
		return fail(p, HTTP_BAD, "a chunk that is longer than it said");
	if (--p->left == 0)
		p->place = IN_CHUNK_LINE;
	return HTTP_MORE;
}

/* Not for llhttp, which would take a length among them for the message's. */
static enum http_event trailers_step(struct http_parser *p, const uint8_t *bytes, size_t len, size_t *used)
{
	*used = http_section_read(&p->section, &p->limits, bytes, len);
	if (p->section.error != HTTP_OK)
		return fail(p, p->section.error, p->section.why);
	if (p->section.ended)
		p->place = AT_END;
	return HTTP_MORE;
}

/* ---- the outside ------------------------------------------------------------------------------------------------------- */

static enum http_event step(struct http_parser *p, const uint8_t *bytes, size_t len, size_t *used, struct http_text *body)
{
	switch (p->place) {
	case IN_LINE:
		return line_step(p, bytes, len, used);
	case IN_FIELDS:
		return fields_step(p, bytes, len, used);
	case IN_BODY:
		return piece_step(p, AT_END, bytes, len, used, body);
	case IN_CHUNK_LINE:
		return chunk_line_step(p, bytes, len, used);
	case IN_CHUNK:
		return piece_step(p, IN_CHUNK_END, bytes, len, used, body);
	case IN_CHUNK_END:
		return chunk_end_step(p, bytes, used);
	case IN_TRAILERS:
		return trailers_step(p, bytes, len, used);
	case UNTIL_CLOSE:
		p->left = UINT64_MAX;
		return piece_step(p, UNTIL_CLOSE, bytes, len, used, body);
	case AT_END:
	case FAILED:
		break;
	}
	return HTTP_MORE; /* http_parser_read() comes here with neither */
}

enum http_event http_parser_read(struct http_parser *p, const uint8_t *bytes, size_t len, size_t *used, struct http_text *body)
{
	enum http_event event = HTTP_MORE;

	*used = 0;
	*body = (struct http_text){NULL, 0};
	while (event == HTTP_MORE && *used < len && p->place != AT_END && p->place != FAILED) {
		size_t taken = 0;

		event = step(p, bytes + *used, len - *used, &taken, body);
		*used += taken;
	}
	if (event == HTTP_MORE && p->place == AT_END)
		return HTTP_END;
	return p->place == FAILED ? HTTP_ERROR : event;
}

bool http_parser_has_begun(const struct http_parser *p)
{
	return p->place != IN_LINE || p->len > 0 || p->interim > 0;
}

enum http_event http_parser_close(struct http_parser *p)
{
	if (p->place == FAILED)
		return HTTP_ERROR;
	if (p->place != AT_END && p->place != UNTIL_CLOSE)
		return fail(p, HTTP_CUT, "the connection was closed within a message");
	p->place = AT_END;
	return HTTP_END;
}

struct http_parser *http_parser_new(bool response, const struct http_limits *limits)
{
	struct http_parser *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->response = response;
	p->limits = *limits;
	p->why = "";
	return p;
}

void http_parser_free(struct http_parser *p)
{
	if (!p)
		return;
	free(p->bytes);
	free(p);
}

void http_parser_expect(struct http_parser *p, bool head_request)
{
	p->answers_head = head_request;
}

const struct http_head *http_parser_head(const struct http_parser *p)
{
	return &p->head;
}

enum http_error http_parser_error(const struct http_parser *p)
{
	return p->error;
}

const char *http_parser_why(const struct http_parser *p)
{
	return p->why;
}

void http_parser_next(struct http_parser *p)
{
	if (p->place != AT_END)
		return;
	if (p->capacity > BUFFER_KEPT) {
		free(p->bytes);
		p->bytes = NULL;
		p->capacity = 0;
	}
	p->place = IN_LINE;
	p->len = 0;
	p->interim = 0;
	p->answers_head = p->blank_seen = false;
}
