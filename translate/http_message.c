#include "translate/http_message.h"

#include <string.h>

enum { QUALITY_DIGITS = 3, QUALITY_ONE = 1000 };
enum { UINT_DIGITS = 20 }; /* of the largest uint64_t */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* tchar of RFC 9110 5.6.2 */
static bool is_token_char(char c)
{
	return is_digit(c) || (byte_lower(c) >= 'a' && byte_lower(c) <= 'z') || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

/* What a field value may hold on its way out: blanks and what is visible in ASCII. */
static bool is_value_char(char c)
{
	return (c >= ' ' && c <= '~') || c == '\t';
}

bool http_bytes_match(const char *text, const char *word, size_t len)
{
	size_t i = 0;

	while (i < len && byte_lower(text[i]) == byte_lower(word[i]))
		i++;
	return i == len;
}

const struct http_field *http_field_named(const struct http_head *head, const char *name, size_t len)
{
	for (const struct http_field *f = head->fields; f < head->fields + head->field_count; f++)
		if (f->name.len == len && http_bytes_match(f->name.at, name, len))
			return f;
	return NULL;
}

size_t http_field_count_named(const struct http_head *head, const char *name, size_t len)
{
	size_t count = 0;

	for (const struct http_field *f = head->fields; f < head->fields + head->field_count; f++)
		count += f->name.len == len && http_bytes_match(f->name.at, name, len);
	return count;
}

/* Steps over the blanks that `text` begins with, and over the separators among them; '\0': there is none. */
static void skip_blanks_and(struct http_text *text, char separator)
{
	while (text->len > 0 && (is_blank(*text->at) || (separator != '\0' && *text->at == separator))) {
		text->at++;
		text->len--;
	}
}

/* The bytes up to and with the closing quote of a quoted string whose opening quote is at `at`; 0 if it does not end. */
static size_t quoted_length(const char *at, size_t len)
{
	for (size_t i = 1; i < len; i++) {
		if (at[i] == '"')
			return i + 1;
		if (at[i] == '\\')
			i++;
	}
	return 0;
}

bool http_list_next(struct http_text *list, struct http_text *element)
{
	size_t len = 0;

	skip_blanks_and(list, ',');
	if (list->len == 0)
		return false;
	while (len < list->len && list->at[len] != ',') {
		size_t step = list->at[len] == '"' ? quoted_length(list->at + len, list->len - len) : 1;

		len = step > 0 ? len + step : list->len; /* a string that does not end takes the rest with it */
	}
	*element = (struct http_text){list->at, len};
	while (is_blank(element->at[element->len - 1]))
		element->len--;
	list->at += len;
	list->len -= len;
	return true;
}

size_t http_token_length(struct http_text text)
{
	size_t len = 0;

	while (len < text.len && is_token_char(text.at[len]))
		len++;
	return len;
}

/* Takes the value behind the "=" off `rest`. */
static int take_value(struct http_text *rest, struct http_text *value)
{
	size_t taken;

	if (rest->len > 0 && *rest->at == '"') {
		taken = quoted_length(rest->at, rest->len);
		if (taken == 0)
			return -1;
		*value = (struct http_text){rest->at + 1, taken - 2};
		for (size_t i = 0; i < value->len; i++)
			if (!is_value_char(value->at[i]))
				return -1;
	} else {
		taken = http_token_length(*rest);
		if (taken == 0)
			return -1;
		*value = (struct http_text){rest->at, taken};
	}
	rest->at += taken;
	rest->len -= taken;
	return 0;
}

int http_parameter_next(struct http_text *rest, struct http_text *name, struct http_text *value)
{
	struct http_text left = *rest;

	skip_blanks_and(&left, '\0');
	if (left.len == 0)
		return 0;
	if (*left.at != ';')
		return -1;
	skip_blanks_and(&left, ';'); /* a parameter may be missing between two of them */
	if (left.len == 0)
		return 0;
	*name = (struct http_text){left.at, http_token_length(left)};
	left.at += name->len;
	left.len -= name->len;
	if (name->len == 0 || left.len == 0 || *left.at != '=')
		return -1;
	left.at++;
	left.len--;
	if (take_value(&left, value) < 0)
		return -1;
	*rest = left;
	return 1;
}

/* A qvalue in thousandths, or -1: "0" and up to three digits, or "1" and up to three zeros. */
static int quality_parse(struct http_text value)
{
	int quality, unit = QUALITY_ONE / 10;

	if (value.len == 0 || value.len > 2 + QUALITY_DIGITS || (value.at[0] != '0' && value.at[0] != '1'))
		return -1;
	if (value.len > 1 && value.at[1] != '.')
		return -1;
	quality = (value.at[0] - '0') * QUALITY_ONE;
	for (size_t i = 2; i < value.len; i++, unit /= 10) {
		if (!is_digit(value.at[i]))
			return -1;
		quality += (value.at[i] - '0') * unit;
	}
	return quality <= QUALITY_ONE ? quality : -1;
}

int http_quality(struct http_text parameters)
{
	struct http_text name, value;
	int more;

	while ((more = http_parameter_next(&parameters, &name, &value)) == 1)
		if (http_text_is(name, "q")) {
			skip_blanks_and(&parameters, '\0');
			/* Older clients extend a weight by words that are no parameters (RFC 7231 5.3.2): they say nothing here. */
			return parameters.len == 0 || *parameters.at == ';' ? quality_parse(value) : -1;
		}
	return more == 0 ? QUALITY_ONE : -1;
}

/* ---- writers ---- */

static void write_text(struct writer *w, const char *text)
{
	writer_bytes(w, text, strlen(text));
}

static void write_value(struct writer *w, struct http_text value)
{
	if (writer_room(w) < value.len) {
		w->failed = true;
		w->at = w->end;
		return;
	}
	if (value.len > 0)
		memcpy(w->at, value.at, value.len);
	for (size_t i = bytes_visible(value.at, value.len, ' '); i < value.len; i++)
		if (!is_value_char(value.at[i]))
			w->at[i] = '?';
	w->at += value.len;
}

static void write_uint(struct writer *w, uint64_t value)
{
	char digits[UINT_DIGITS];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	writer_bytes(w, digits + at, sizeof digits - at);
}

void http_write_request_line(struct writer *w, const char *method, struct http_text target)
{
	/* Another byte here would be another request: that is not to be repaired. */
	for (size_t i = 0; i < target.len; i++)
		if (target.at[i] <= ' ' || target.at[i] > '~')
			w->failed = true;
	w->failed |= target.len == 0;
	write_text(w, method);
	writer_u8(w, ' ');
	writer_bytes(w, target.at, target.len);
	write_text(w, " HTTP/1.1\r\n");
}

void http_write_status_line(struct writer *w, unsigned status, const char *reason)
{
	if (reason == NULL)
		reason = http_reason(status);
	w->failed |= status < 100 || status > 999;
	write_text(w, "HTTP/1.1 ");
	write_uint(w, status);
	writer_u8(w, ' ');
	write_value(w, (struct http_text){reason, strlen(reason)});
	write_text(w, "\r\n");
}

void http_write_field(struct writer *w, const char *name, struct http_text value)
{
	write_text(w, name);
	write_text(w, ": ");
	write_value(w, value);
	write_text(w, "\r\n");
}

void http_write_field_text(struct writer *w, const char *name, const char *value)
{
	http_write_field(w, name, (struct http_text){value, strlen(value)});
}

void http_write_field_uint(struct writer *w, const char *name, uint64_t value)
{
	write_text(w, name);
	write_text(w, ": ");
	write_uint(w, value);
	write_text(w, "\r\n");
}

void http_write_end(struct writer *w)
{
	write_text(w, "\r\n");
}

/* RFC 9110 15 and the registry: what an answer of ours or of a device may have. */
static const char *const reasons[] = {
	[100] = "Continue", [101] = "Switching Protocols", [103] = "Early Hints",
	[200] = "OK", [201] = "Created", [202] = "Accepted", [203] = "Non-Authoritative Information", [204] = "No Content",
	[205] = "Reset Content", [206] = "Partial Content",
	[300] = "Multiple Choices", [301] = "Moved Permanently", [302] = "Found", [303] = "See Other", [304] = "Not Modified",
	[307] = "Temporary Redirect", [308] = "Permanent Redirect",
	[400] = "Bad Request", [401] = "Unauthorized", [402] = "Payment Required", [403] = "Forbidden", [404] = "Not Found",
	[405] = "Method Not Allowed", [406] = "Not Acceptable", [407] = "Proxy Authentication Required",
	[408] = "Request Timeout", [409] = "Conflict", [410] = "Gone", [411] = "Length Required", [412] = "Precondition Failed",
	[413] = "Content Too Large", [414] = "URI Too Long", [415] = "Unsupported Media Type", [416] = "Range Not Satisfiable",
	[417] = "Expectation Failed", [421] = "Misdirected Request", [422] = "Unprocessable Content", [423] = "Locked",
	[424] = "Failed Dependency", [425] = "Too Early", [426] = "Upgrade Required", [428] = "Precondition Required",
	[429] = "Too Many Requests", [431] = "Request Header Fields Too Large", [451] = "Unavailable For Legal Reasons",
	[500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway", [503] = "Service Unavailable",
	[504] = "Gateway Timeout", [505] = "HTTP Version Not Supported", [507] = "Insufficient Storage", [508] = "Loop Detected",
	[511] = "Network Authentication Required",
};

const char *http_reason(unsigned status)
{
	const char *reason = status < sizeof reasons / sizeof reasons[0] ? reasons[status] : NULL;

	return reason != NULL ? reason : "";
}
