/*
 * heads - a head of HTTP out of any bytes, for the fuzz targets: the start line, then a field a line, up to an empty line or the
 * end. What the parser of the gateway would refuse is refused too (translate/http_message.h says what a head holds).
 */
#ifndef TESTS_FUZZ_HEADS_H
#define TESTS_FUZZ_HEADS_H

#include <string.h>

#include "translate/http_message.h"

/* The next line without its end, which is LF or CRLF. Returns false at the end of the text. */
static inline bool heads_line(struct http_text *text, struct http_text *line)
{
	const char *end;

	if (text->len == 0)
		return false;
	end = memchr(text->at, '\n', text->len);
	line->at = text->at;
	line->len = end != NULL ? (size_t)(end - text->at) : text->len;
	text->at += line->len + (end != NULL);
	text->len -= line->len + (end != NULL);
	if (line->len > 0 && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

static inline bool heads_field(struct http_text line, struct http_field *f)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *colon = line.len > 0 ? memchr(line.at, ':', line.len) : NULL;

	if (colon == NULL || colon == line.at)
		return false;
	f->name = (struct http_text){line.at, (size_t)(colon - line.at)};
	for (size_t i = 0; i < f->name.len; i++)
		if (f->name.at[i] == '\0' || strchr(token, f->name.at[i]) == NULL)
			return false;
	f->value = (struct http_text){colon + 1, line.len - f->name.len - 1};
	while (f->value.len > 0 && (*f->value.at == ' ' || *f->value.at == '\t')) {
		f->value.at++;
		f->value.len--;
	}
	while (f->value.len > 0 && (f->value.at[f->value.len - 1] == ' ' || f->value.at[f->value.len - 1] == '\t'))
		f->value.len--;
	for (size_t i = 0; i < f->value.len; i++)
		if ((f->value.at[i] < ' ' && f->value.at[i] != '\t') || f->value.at[i] > 0x7e)
			return false;
	return true;
}

/* Reads the fields; the start line has been taken off. Content-Length and Transfer-Encoding say what they say by being there. */
static inline bool heads_fields(struct http_head *head, struct http_text text)
{
	struct http_text line;

	head->field_count = 0;
	head->has_length = head->chunked = false;
	head->length = 0;
	while (heads_line(&text, &line) && line.len > 0) {
		struct http_field *f = &head->fields[head->field_count];

		if (head->field_count == HTTP_FIELDS_MAX || !heads_field(line, f))
			return false;
		head->field_count++;
		if (http_text_is(f->name, "Content-Length")) {
			head->has_length = true;
			head->length = f->value.len > 0 ? (uint64_t)(*f->value.at & 7) : 0;
		} else if (http_text_is(f->name, "Transfer-Encoding")) {
			head->chunked = true;
		}
	}
	return true;
}

/* "METHOD target" or "METHOD target HTTP/1.1". */
static inline bool heads_request(struct http_head *head, struct http_text text)
{
	struct http_text line;
	const char *blank;

	memset(head, 0, sizeof *head);
	if (!heads_line(&text, &line) || line.len == 0)
		return false;
	blank = memchr(line.at, ' ', line.len);
	if (blank == NULL)
		return false;
	head->method = (struct http_text){line.at, (size_t)(blank - line.at)};
	head->target.at = blank + 1;
	head->target.len = line.len - head->method.len - 1;
	blank = head->target.len > 0 ? memchr(head->target.at, ' ', head->target.len) : NULL;
	if (blank != NULL)
		head->target.len = (size_t)(blank - head->target.at);
	return heads_fields(head, text);
}

/* "200..." or "HTTP/1.1 200...". */
static inline bool heads_response(struct http_head *head, struct http_text text)
{
	struct http_text line;

	memset(head, 0, sizeof *head);
	if (!heads_line(&text, &line))
		return false;
	if (line.len > 9 && memcmp(line.at, "HTTP/1.1 ", 9) == 0) {
		line.at += 9;
		line.len -= 9;
	}
	if (line.len < 3)
		return false;
	for (size_t i = 0; i < 3; i++) {
		if (line.at[i] < '0' || line.at[i] > '9')
			return false;
		head->status = head->status * 10 + (unsigned)(line.at[i] - '0');
	}
	return head->status >= 100 && head->status <= 599 && heads_fields(head, text);
}

#endif
