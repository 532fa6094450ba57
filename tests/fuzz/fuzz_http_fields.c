/* objects: translate/http_message.o translate/map_media.o translate/content_formats.o */
/* measures: translate/http_message.c translate/map_media.c translate/content_formats.c */
/*
 * Field values of HTTP. The first byte says what the route lets pass; then come a Content-Type, a Content-Encoding and "Name: value" fields, a
 * line each. What maps to a Content-Format maps back to it, the same in strict and in loose mode; what is asked for would be accepted; every
 * view lies in its text; and what is written is one line.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "translate/content_formats.h"
#include "translate/http_message.h"
#include "translate/map_media.h"

enum { LOOSE = 1, COAP_PAYLOAD = 2 };

static void lies_in(struct http_text part, struct http_text whole)
{
	CHECK(part.len <= whole.len);
	CHECK(part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct http_text line_take(struct http_text *rest)
{
	const char *end = rest->len > 0 ? memchr(rest->at, '\n', rest->len) : NULL;
	struct http_text line = {rest->at, end != NULL ? (size_t)(end - rest->at) : rest->len};

	rest->at += line.len + (end != NULL);
	rest->len -= line.len + (end != NULL);
	return line;
}

static void parameters_are_views(struct http_text text)
{
	struct http_text rest = text, name, value;
	int more, quality = http_quality(text);

	CHECK(quality >= -1 && quality <= 1000);
	while ((more = http_parameter_next(&rest, &name, &value)) == 1) {
		lies_in(rest, text);
		lies_in(name, text);
		lies_in(value, text);
		CHECK(name.len > 0 && http_token_length(name) == name.len);
		CHECK(value.at + value.len <= rest.at);
	}
	CHECK(more == 0 || quality == -1 || quality <= 1000);
}

static void elements_are_views(struct http_text text)
{
	struct http_text rest = text, element;
	const char *last = text.at;

	while (http_list_next(&rest, &element)) {
		lies_in(element, text);
		lies_in(rest, text);
		CHECK(element.len > 0 && element.at >= last && *element.at != ',');
		CHECK(!is_blank(*element.at) && !is_blank(element.at[element.len - 1]));
		last = element.at + element.len;
		parameters_are_views((struct http_text){element.at + http_token_length(element), element.len - http_token_length(element)});
	}
	CHECK(rest.len == 0);
	parameters_are_views(text);
}

static void types_map_there_and_back(struct http_text type, struct http_text coding, const struct media_policy *policy)
{
	static const struct media_policy strict, loose = {.loose = true}, passing = {true, true};
	int format = media_to_format(type, coding, policy), in_strict = media_to_format(type, coding, &strict);
	char text[MEDIA_TEXT_MAX];
	const char *its_coding;

	CHECK(format >= MEDIA_REFUSED && format <= FORMAT_MAX && format != FORMAT_OSCORE);
	CHECK(in_strict < 0 || in_strict == media_to_format(type, coding, &loose));
	CHECK(in_strict < 0 || in_strict == format);
	CHECK(format != MEDIA_MALFORMED || policy->coap_payload);
	if (format < 0)
		return;
	media_of_format((uint32_t)format, text, &its_coding);
	CHECK(memchr(text, '\0', sizeof text));
	if (its_coding == NULL)
		its_coding = "";
	CHECK(media_to_format((struct http_text){text, strlen(text)}, (struct http_text){its_coding, strlen(its_coding)}, &passing) == format);
}

static void what_is_asked_for_is_accepted(const struct http_head *head, const struct media_policy *policy)
{
	uint16_t formats[MEDIA_ACCEPT_MAX];
	bool refused;
	size_t count = media_accept(head, policy, formats, &refused);

	CHECK(count <= MEDIA_ACCEPT_MAX && (!refused || count == 0));
	for (size_t i = 0; i < count; i++) {
		CHECK(formats[i] != FORMAT_OSCORE && media_is_acceptable(head, formats[i]));
		for (size_t j = 0; j < i; j++)
			CHECK(formats[i] != formats[j]);
	}
	for (uint32_t format = 0; format <= FORMAT_MAX; format += 5525)
		if (!media_is_acceptable(head, format))
			CHECK(http_field_find(head, "Accept") != NULL || http_field_find(head, "Accept-Encoding") != NULL);
}

static void is_one_line(const struct writer *w)
{
	size_t len = writer_length(w);

	CHECK(!w->failed && len >= 2 && w->at[-2] == '\r' && w->at[-1] == '\n');
	for (size_t i = 0; i < len - 2; i++)
		CHECK((w->start[i] >= ' ' && w->start[i] <= '~') || w->start[i] == '\t');
}

static void what_is_written_is_one_line(struct http_text value, unsigned number)
{
	static uint8_t bytes[8192];
	static char reason[4096];
	size_t len = value.len < sizeof reason ? value.len : sizeof reason - 1;
	struct writer w;

	value.len = len;
	if (len > 0)
		memcpy(reason, value.at, len);
	reason[len] = '\0';
	writer_init(&w, bytes, sizeof bytes);
	http_write_field(&w, "X", value);
	is_one_line(&w);
	writer_init(&w, bytes, sizeof bytes);
	http_write_field_text(&w, "X", reason);
	is_one_line(&w);
	writer_init(&w, bytes, sizeof bytes);
	http_write_status_line(&w, 100 + number, number & 1 ? reason : NULL);
	is_one_line(&w);
	writer_init(&w, bytes, sizeof bytes);
	http_write_field_uint(&w, "X", number);
	is_one_line(&w);
	writer_init(&w, bytes, sizeof bytes);
	http_write_request_line(&w, "GET", value);
	if (!w.failed)
		is_one_line(&w);
	writer_init(&w, bytes, number);
	http_write_field(&w, "X", value);
	http_write_end(&w);
	CHECK(w.failed == (number < value.len + 7));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_head head;
	struct media_policy policy;
	struct http_text rest, type, coding;

	if (size == 0)
		return 0;
	policy = (struct media_policy){.loose = data[0] & LOOSE, .coap_payload = data[0] & COAP_PAYLOAD};
	rest = (struct http_text){(const char *)data + 1, size - 1};
	type = line_take(&rest);
	coding = line_take(&rest);
	types_map_there_and_back(type, coding, &policy);
	elements_are_views(type);
	elements_are_views(coding);
	head.field_count = 0;
	while (rest.len > 0 && head.field_count < HTTP_FIELDS_MAX) {
		struct http_text line = line_take(&rest), name = {line.at, http_token_length(line)};
		size_t skip = name.len + 2 <= line.len ? name.len + 2 : line.len;
		struct http_text value = {line.at + skip, line.len - skip};

		head.fields[head.field_count++] = (struct http_field){name, value};
		elements_are_views(value);
		what_is_written_is_one_line(value, data[0]);
	}
	CHECK((http_field_find(&head, "Accept") != NULL) == (http_field_count(&head, "Accept") > 0));
	what_is_asked_for_is_accepted(&head, &policy);
	return 0;
}
