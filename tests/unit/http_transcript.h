/*
 * http_transcript - what a parser makes of bytes that come in pieces, as text: one for each way to cut them, to be compared.
 *
 * The summary is "VERDICT MESSAGE..." as in tests/data/smuggling/verdicts.txt; the details hold every head, every byte of body,
 * and why it ended. Each piece lies in memory of its own size, so that a sanitizer sees what is read behind it.
 */
#ifndef TESTS_UNIT_HTTP_TRANSCRIPT_H
#define TESTS_UNIT_HTTP_TRANSCRIPT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/http/parse.h"

#define TRANSCRIPT_CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* How bytes are cut: the length of the piece that begins at `at`, at least 1. */
struct http_cuts {
	size_t (*piece)(const struct http_cuts *cuts, size_t at);
	size_t number;          /* for piece() */
	const uint8_t *numbers; /* likewise */
};

enum http_side { HTTP_SIDE_SERVER, HTTP_SIDE_CLIENT, HTTP_SIDE_HEAD };

struct http_transcript {
	char *summary, *details;
	size_t summary_len, details_len;
	FILE *summary_file, *details_file;
	uint64_t body; /* of the message under way */
	bool in_message, in_body;
};

static inline size_t http_cut_every(const struct http_cuts *cuts, size_t at)
{
	(void)at;
	return cuts->number;
}

static inline size_t http_cut_once(const struct http_cuts *cuts, size_t at)
{
	return at < cuts->number ? cuts->number - at : SIZE_MAX;
}

static inline const char *http_verdict(enum http_error error)
{
	static const char *const names[] = {
		[HTTP_OK] = "fine", [HTTP_BAD] = "bad", [HTTP_LINE_TOO_LONG] = "line-too-long", [HTTP_FIELDS_TOO_LARGE] = "fields-too-large",
		[HTTP_VERSION] = "version", [HTTP_NOT_IMPLEMENTED] = "not-implemented", [HTTP_CUT] = "cut", [HTTP_NO_MEMORY] = "no-memory",
	};

	return names[error];
}

/* What translate/http_message.h promises of every head. */
static inline void transcript_head_check(const struct http_head *head)
{
	TRANSCRIPT_CHECK((head->status == 0) == (head->method.len > 0 && head->target.len > 0));
	TRANSCRIPT_CHECK(head->status == 0 || (head->status >= 200 && head->status <= 599));
	TRANSCRIPT_CHECK(head->minor <= 1 && !(head->chunked && (head->has_length || head->minor == 0)));
	TRANSCRIPT_CHECK(head->has_length || head->length == 0);
	TRANSCRIPT_CHECK(head->status != 0 || head->minor == 0 || http_field_count(head, "Host") == 1);
	for (size_t i = 0; i < head->target.len; i++)
		TRANSCRIPT_CHECK(head->target.at[i] > ' ' && head->target.at[i] <= '~');
	for (size_t i = 0; i < head->field_count; i++) {
		struct http_text name = head->fields[i].name, value = head->fields[i].value;

		TRANSCRIPT_CHECK(name.len > 0);
		for (size_t j = 0; j < name.len; j++)
			TRANSCRIPT_CHECK(name.at[j] > ' ' && name.at[j] <= '~' && !strchr("()<>@,;:\\\"/[]?={}", name.at[j]));
		for (size_t j = 0; j < value.len; j++)
			TRANSCRIPT_CHECK((value.at[j] >= ' ' && value.at[j] <= '~') || value.at[j] == '\t');
		TRANSCRIPT_CHECK(value.len == 0 || !strchr(" \t", value.at[0]));
		TRANSCRIPT_CHECK(value.len == 0 || !strchr(" \t", value.at[value.len - 1]));
	}
}

static inline void transcript_head(struct http_transcript *t, const struct http_head *head)
{
	FILE *f = t->details_file;

	transcript_head_check(head);
	if (head->status != 0)
		fprintf(t->summary_file, " %u", head->status);
	else
		fprintf(t->summary_file, " %.*s:%.*s", (int)head->method.len, head->method.at, (int)head->target.len, head->target.at);
	fprintf(f, "head %.*s %.*s %u HTTP/1.%u%s%s%s", (int)head->method.len, head->status ? "" : head->method.at, (int)head->target.len,
		head->status ? "" : head->target.at, head->status, head->minor, head->chunked ? " chunked" : "", head->keep_alive ? " keep-alive" : "",
		head->expects_continue ? " continue" : "");
	if (head->has_length)
		fprintf(f, " length %llu", (unsigned long long)head->length);
	fputc('\n', f);
	for (size_t i = 0; i < head->field_count; i++)
		fprintf(f, "  %.*s: %.*s|\n", (int)head->fields[i].name.len, head->fields[i].name.at, (int)head->fields[i].value.len,
			head->fields[i].value.at);
	t->in_message = true;
	t->in_body = false;
	t->body = 0;
}

static inline void transcript_body(struct http_transcript *t, struct http_text body)
{
	if (!t->in_body)
		fputs("body ", t->details_file);
	fwrite(body.at, 1, body.len, t->details_file);
	t->in_body = true;
	t->body += body.len;
}

static inline void transcript_end(struct http_transcript *t, bool whole)
{
	if (t->in_message) {
		fprintf(t->summary_file, ":%llu%s", (unsigned long long)t->body, whole ? "" : "+");
		fprintf(t->details_file, "%s%s", t->in_body ? "\n" : "", whole ? "end\n" : "");
	}
	t->in_message = t->in_body = false;
}

/* Gives one piece to the parser until all of it is taken. Returns false at an error. */
static inline bool transcript_piece(struct http_transcript *t, struct http_parser *p, bool head_request, const uint8_t *bytes, size_t len)
{
	size_t at = 0, used;
	struct http_text body;
	enum http_event event;

	for (;;) {
		event = http_parser_read(p, bytes + at, len - at, &used, &body);
		TRANSCRIPT_CHECK(used <= len - at);
		switch (event) {
		case HTTP_MORE:
			TRANSCRIPT_CHECK(used == len - at);
			return true;
		case HTTP_HEAD:
			TRANSCRIPT_CHECK(!t->in_message);
			transcript_head(t, http_parser_head(p));
			break;
		case HTTP_BODY:
			TRANSCRIPT_CHECK(t->in_message && body.len > 0 && body.len <= used);
			TRANSCRIPT_CHECK((const uint8_t *)body.at >= bytes + at && (const uint8_t *)body.at + body.len <= bytes + at + used);
			transcript_body(t, body);
			break;
		case HTTP_END:
			TRANSCRIPT_CHECK(t->in_message);
			transcript_end(t, true);
			http_parser_next(p);
			http_parser_expect(p, head_request);
			if (at + used == len)
				return true; /* else an empty read would begin the next message */
			break;
		case HTTP_ERROR:
			return false;
		}
		at += used;
	}
}

/* Reads the bytes cut so, then closes. The transcript is to be freed. */
static inline struct http_transcript http_transcript(enum http_side side, const struct http_limits *limits, const uint8_t *bytes, size_t len,
	const struct http_cuts *cuts)
{
	struct http_parser *p = http_parser_new(side != HTTP_SIDE_SERVER, limits);
	struct http_transcript t = {0};
	enum http_error error = HTTP_OK;
	bool whole = true;
	size_t piece;
	char *messages;

	t.summary_file = open_memstream(&t.summary, &t.summary_len);
	t.details_file = open_memstream(&t.details, &t.details_len);
	TRANSCRIPT_CHECK(p && t.summary_file && t.details_file);
	http_parser_expect(p, side == HTTP_SIDE_HEAD);
	for (size_t at = 0; at < len && whole; at += piece) {
		uint8_t *copy;

		piece = cuts->piece(cuts, at);
		piece = piece < len - at ? piece : len - at;
		copy = malloc(piece);
		TRANSCRIPT_CHECK(copy);
		memcpy(copy, bytes + at, piece);
		whole = transcript_piece(&t, p, side == HTTP_SIDE_HEAD, copy, piece);
		free(copy);
	}
	/* A message that was begun ends with the connection, or does not end. */
	if (!whole || http_parser_has_begun(p) || len == 0) {
		bool ended = whole && http_parser_close(p) == HTTP_END;

		error = ended ? HTTP_OK : http_parser_error(p);
		transcript_end(&t, ended);
	}
	fprintf(t.details_file, "%s %s\n", http_verdict(error), http_parser_why(p));
	fclose(t.summary_file);
	fclose(t.details_file);
	http_parser_free(p);
	messages = t.summary;
	t.summary = malloc(t.summary_len + sizeof("fields-too-large"));
	TRANSCRIPT_CHECK(t.summary);
	sprintf(t.summary, "%s%s", http_verdict(error), messages);
	free(messages);
	return t;
}

static inline void http_transcript_free(struct http_transcript *t)
{
	free(t->summary);
	free(t->details);
}

#endif
