/*
 * heads - heads of HTTP messages written as text: "METHOD target [LENGTH|chunked]\n" or "STATUS [LENGTH|chunked]\n", then
 * "Name: value\n" for each field. Views point into the text.
 */
#ifndef TESTS_UNIT_HEADS_H
#define TESTS_UNIT_HEADS_H

#include <stdlib.h>
#include <string.h>

#include "translate/http_message.h"

static inline struct http_text text_of(const char *text)
{
	return (struct http_text){text, strlen(text)};
}

/* The next word of a line that ends at `end`. */
static inline struct http_text head_word(const char **at, const char *end)
{
	struct http_text word;

	while (*at < end && **at == ' ')
		(*at)++;
	word.at = *at;
	while (*at < end && **at != ' ')
		(*at)++;
	word.len = (size_t)(*at - word.at);
	return word;
}

static inline void head_of(struct http_head *head, const char *text)
{
	const char *end = strchr(text, '\n');
	struct http_text word;

	memset(head, 0, sizeof *head);
	head->minor = 1;
	word = head_word(&text, end);
	if (word.at[0] >= '1' && word.at[0] <= '9') {
		head->status = (unsigned)strtoul(word.at, NULL, 10);
	} else {
		head->method = word;
		head->target = head_word(&text, end);
	}
	word = head_word(&text, end);
	head->chunked = http_text_equal(word, "chunked");
	head->has_length = word.len > 0 && !head->chunked;
	head->length = head->has_length ? strtoul(word.at, NULL, 10) : 0;
	for (text = end + 1; *text != '\0'; text = end + 1) {
		const char *colon = strchr(text, ':');
		struct http_field *f = &head->fields[head->field_count++];

		end = strchr(text, '\n');
		if (colon == NULL || end == NULL || colon > end || head->field_count == HTTP_FIELDS_MAX)
			abort();
		f->name = (struct http_text){text, (size_t)(colon - text)};
		text = colon + 1 + (colon[1] == ' ');
		f->value = (struct http_text){text, (size_t)(end - text)};
	}
}

#endif
