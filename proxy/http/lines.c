#include "proxy/http/lines.h"

#include <string.h>

enum { CR = '\r', LF = '\n' };

/* What a byte may be part of. */
enum { IN_TOKEN = 1, IN_VALUE = 2 };

#define T (IN_TOKEN | IN_VALUE)
#define V IN_VALUE
/* RFC 9110 5.6.2 (tokens) and 5.5 (values, without obs-text) */
static const uint8_t places[256] = {
	/* 0 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, V, 0, 0, 0, 0, 0, 0,
	/* 1 */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	/* 2 */ V, T, V, T, T, T, T, T, V, V, T, T, V, T, T, V,
	/* 3 */ T, T, T, T, T, T, T, T, T, T, V, V, V, V, V, V,
	/* 4 */ V, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,
	/* 5 */ T, T, T, T, T, T, T, T, T, T, T, V, V, V, T, T,
	/* 6 */ T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,
	/* 7 */ T, T, T, T, T, T, T, T, T, T, T, V, T, V, T, 0,
};
#undef T
#undef V

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* How many bytes, at most len, may be part of this one after another: nearly all are stepped over so. */
static size_t run_of(unsigned part, const uint8_t *bytes, size_t len)
{
	size_t run = part == IN_VALUE ? bytes_visible(bytes, len, ' ') : 0;

	while (run < len && (places[bytes[run]] & part))
		run++;
	return run;
}

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* ---- lines in pieces ------------------------------------------------------------------------------------------------- */

static void line_fail(struct http_line *l, enum http_error error, const char *why)
{
	l->error = error;
	l->why = why;
}

size_t http_line_read(struct http_line *l, uint32_t limit, const uint8_t *bytes, size_t len)
{
	size_t at = 0;

	while (at < len && !l->ended && l->error == HTTP_OK) {
		size_t run = l->after_cr ? 0 : run_of(IN_VALUE, bytes + at, lesser(len - at, limit - l->len));
		uint8_t c;

		l->len += (uint32_t)run;
		at += run;
		if (at == len)
			break;
		c = bytes[at++];
		if (l->after_cr && c != LF)
			line_fail(l, HTTP_BAD, "a carriage return without line feed");
		else if (l->after_cr)
			l->ended = true;
		else if (c == CR)
			l->after_cr = true;
		else if (c == LF)
			line_fail(l, HTTP_BAD, "a line feed without carriage return");
		else if (places[c] & IN_VALUE)
			line_fail(l, HTTP_LINE_TOO_LONG, "a line that is too long");
		else
			line_fail(l, HTTP_BAD, "a byte that no line may hold");
	}
	return at;
}

/* ---- sections of fields ---------------------------------------------------------------------------------------------- */

enum section_place { AT_START, IN_NAME, IN_FIELD_VALUE, BEHIND_CR, BEHIND_LAST_CR };

/* Each takes one byte and returns NULL, or what is wrong with it. */
static const char *start_byte(struct http_section *s, uint8_t c)
{
	if (c == CR) {
		s->place = BEHIND_LAST_CR;
		return NULL;
	}
	if (places[c] & IN_TOKEN) {
		s->place = IN_NAME;
		s->count++;
		return NULL;
	}
	if (is_blank(c))
		return "a folded field line"; /* RFC 9112 5.2, and 2.2 for the first one */
	return c == ':' ? "a field without a name" : "a byte that no field name may hold";
}

static const char *name_byte(struct http_section *s, uint8_t c)
{
	if (places[c] & IN_TOKEN)
		return NULL;
	if (c == ':') {
		s->place = IN_FIELD_VALUE;
		return NULL;
	}
	if (is_blank(c))
		return "white space in or behind a field name"; /* RFC 9112 5.1 */
	return c == CR || c == LF ? "a field line without a colon" : "a byte that no field name may hold";
}

static const char *value_byte(struct http_section *s, uint8_t c)
{
	if (places[c] & IN_VALUE)
		return NULL;
	if (c == CR) {
		s->place = BEHIND_CR;
		return NULL;
	}
	return c == LF ? "a line feed without carriage return" : "a byte that no field value may hold";
}

static const char *line_feed(struct http_section *s, uint8_t c)
{
	if (c != LF)
		return "a carriage return without line feed";
	s->ended = s->place == BEHIND_LAST_CR;
	s->place = AT_START;
	return NULL;
}

static const char *section_byte(struct http_section *s, uint8_t c)
{
	switch ((enum section_place)s->place) {
	case AT_START:
		return start_byte(s, c);
	case IN_NAME:
		return name_byte(s, c);
	case IN_FIELD_VALUE:
		return value_byte(s, c);
	case BEHIND_CR:
	case BEHIND_LAST_CR:
		return line_feed(s, c);
	}
	return "a section of fields that is over";
}

static size_t section_run(const struct http_section *s, const uint8_t *bytes, size_t len)
{
	if (s->place == IN_NAME)
		return run_of(IN_TOKEN, bytes, len);
	return s->place == IN_FIELD_VALUE ? run_of(IN_VALUE, bytes, len) : 0;
}

size_t http_section_read(struct http_section *s, const struct http_limits *limits, const uint8_t *bytes, size_t len)
{
	uint32_t count_max = limits->fields_count < HTTP_FIELDS_MAX ? limits->fields_count : HTTP_FIELDS_MAX;
	size_t at = 0;

	while (at < len && !s->ended && s->error == HTTP_OK) {
		size_t run = section_run(s, bytes + at, lesser(len - at, limits->fields_bytes - s->bytes));

		s->bytes += (uint32_t)run;
		at += run;
		if (at == len)
			break;
		if (s->bytes == limits->fields_bytes) {
			s->error = HTTP_FIELDS_TOO_LARGE;
			s->why = "fields that are too large";
			break;
		}
		s->bytes++;
		s->why = section_byte(s, bytes[at++]);
		if (s->why) {
			s->error = HTTP_BAD;
		} else if (s->count > count_max) {
			s->error = HTTP_FIELDS_TOO_LARGE;
			s->why = "too many fields";
		}
	}
	return at;
}

/* ---- first lines ----------------------------------------------------------------------------------------------------- */

/* HTTP-version of RFC 9112 2.3, of which we speak two. */
static enum http_error version_parse(struct http_head *head, struct http_text text, const char **why)
{
	static const char name[] = "HTTP/";
	enum { NAME_LEN = sizeof(name) - 1, MAJOR = NAME_LEN, MINOR = NAME_LEN + 2, VERSION_LEN = NAME_LEN + 3 };

	if (text.len != VERSION_LEN || memcmp(text.at, name, NAME_LEN) != 0 || !is_digit(text.at[MAJOR]) || text.at[MAJOR + 1] != '.' ||
	    !is_digit(text.at[MINOR])) {
		*why = "no HTTP version where one belongs";
		return HTTP_BAD;
	}
	if (text.at[MAJOR] != '1' || text.at[MINOR] > '1') {
		*why = "a version other than HTTP/1.0 and HTTP/1.1";
		return HTTP_VERSION;
	}
	head->minor = (unsigned)(text.at[MINOR] - '0');
	return HTTP_OK;
}

/* Takes what stands before the next space off the line; false if there is none. */
static bool word_next(struct http_text *line, struct http_text *word)
{
	const char *space = line->len > 0 ? memchr(line->at, ' ', line->len) : NULL;

	if (!space)
		return false;
	*word = (struct http_text){line->at, (size_t)(space - line->at)};
	line->at = space + 1;
	line->len -= word->len + 1;
	return true;
}

static enum http_error method_check(struct http_text method, const char **why)
{
	if (method.len == 0) {
		*why = "no method";
		return HTTP_BAD;
	}
	for (size_t i = 0; i < method.len; i++) {
		if (places[(uint8_t)method.at[i]] & IN_TOKEN)
			continue;
		*why = "a byte that no method may hold";
		return HTTP_BAD;
	}
	if (method.len <= HTTP_METHOD_MAX)
		return HTTP_OK;
	*why = "a method that is too long"; /* RFC 9112 3 */
	return HTTP_NOT_IMPLEMENTED;
}

bool http_target_is_absolute(struct http_text target)
{
	return target.len > 0 && is_letter(target.at[0]) && memchr(target.at, ':', target.len);
}

/* RFC 9112 3.2: origin-form, absolute-form, authority-form for CONNECT alone, asterisk-form for OPTIONS alone. */
static enum http_error target_check(struct http_text method, struct http_text target, const char **why)
{
	bool known = target.len > 0 && (target.at[0] == '/' || http_target_is_absolute(target) || http_text_equal(method, "CONNECT") ||
	                                (http_text_equal(method, "OPTIONS") && http_text_equal(target, "*")));

	if (known && memchr(target.at, '\t', target.len) == NULL && memchr(target.at, '#', target.len) == NULL)
		return HTTP_OK;
	*why = "a request target of no known form";
	return HTTP_BAD;
}

enum http_error http_request_line_parse(struct http_head *head, struct http_text line, const char **why)
{
	enum http_error error;

	if (!word_next(&line, &head->method)) {
		*why = "a request line without a target";
		return HTTP_BAD;
	}
	error = method_check(head->method, why);
	if (error != HTTP_OK)
		return error;
	if (!word_next(&line, &head->target)) {
		*why = "a request line without a version";
		return HTTP_BAD;
	}
	error = target_check(head->method, head->target, why);
	return error == HTTP_OK ? version_parse(head, line, why) : error;
}

enum http_error http_status_line_parse(struct http_head *head, struct http_text line, const char **why)
{
	enum { STATUS_LEN = 3, STATUS_MIN = 100, STATUS_MAX = 599 };
	struct http_text version, status;
	enum http_error error;

	if (!word_next(&line, &version) || !word_next(&line, &status)) {
		*why = "a status line that lacks a part";
		return HTTP_BAD;
	}
	error = version_parse(head, version, why);
	if (error != HTTP_OK)
		return error;
	head->status = 0;
	for (size_t i = 0; i < status.len && i <= STATUS_LEN; i++)
		head->status = is_digit(status.at[i]) ? head->status * 10 + (unsigned)(status.at[i] - '0') : STATUS_MAX + 1;
	if (status.len != STATUS_LEN || head->status < STATUS_MIN || head->status > STATUS_MAX) {
		*why = "a status that is not a number from 100 to 599";
		return HTTP_BAD;
	}
	return HTTP_OK;
}
