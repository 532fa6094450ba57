#include "oscore/keys_lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

void keys_lines_init(struct keys_lines *l, const char *text, size_t len, const struct keys_errors *errors)
{
	memset(l, 0, sizeof *l);
	l->errors = errors;
	l->at = text;
	l->end = text + len;
}

void keys_lines_error(struct keys_lines *l, unsigned line, const char *format, ...)
{
	char text[KEYS_ERROR_TEXT_MAX];
	va_list arguments;
	int head;

	if (++l->error_count > KEYS_ERRORS_MAX + 1)
		return;
	head = snprintf(text, sizeof text, "%s:%u: ", l->errors->name, line);
	if (head < 0 || (size_t)head >= sizeof text)
		head = 0;
	va_start(arguments, format);
	if (l->error_count > KEYS_ERRORS_MAX)
		snprintf(text + head, sizeof text - (size_t)head, "there are more errors");
	else
		vsnprintf(text + head, sizeof text - (size_t)head, format, arguments);
	va_end(arguments);
	l->errors->report(l->errors->arg, text);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Splits a line (without its end) into words. Returns false after telling what is wrong. */
static bool line_split(struct keys_lines *l, const char *at, const char *end)
{
	l->word_count = 0;
	while (at < end && *at != '#') {
		const char *start = at;

		if (is_blank(*at)) {
			at++;
			continue;
		}
		while (at < end && !is_blank(*at) && *at != '#') {
			if (*at < '!' || *at > '~') {
				keys_lines_error(l, l->line, "a byte that is no printable ASCII");
				return false;
			}
			at++;
		}
		if (l->word_count == KEYS_WORDS_MAX) {
			keys_lines_error(l, l->line, "too many words");
			return false;
		}
		l->words[l->word_count++] = (struct keys_word){ start, (size_t)(at - start) };
	}
	return true;
}

bool keys_lines_next(struct keys_lines *l)
{
	while (l->at < l->end) {
		const char *start = l->at, *newline = memchr(start, '\n', (size_t)(l->end - start));
		const char *end = newline != NULL ? newline : l->end;

		l->at = newline != NULL ? newline + 1 : l->end;
		l->line++;
		if (end - start > KEYS_LINE_MAX)
			keys_lines_error(l, l->line, "a line longer than %d bytes", KEYS_LINE_MAX);
		else if (line_split(l, start, end) && l->word_count > 0)
			return true;
	}
	l->word_count = 0;
	return false;
}

bool keys_word_is(const struct keys_word *w, const char *text)
{
	return w->len == strlen(text) && memcmp(w->at, text, w->len) == 0;
}

int keys_word_bytes(struct keys_lines *l, const struct keys_word *w, const char *what, uint8_t *out, size_t max, size_t *len)
{
	*len = 0;
	if (keys_word_is(w, "-"))
		return 0;
	if (w->len % 2 != 0) {
		keys_lines_error(l, l->line, "%s has an odd number of hexadecimal digits", what);
		return -1;
	}
	if (w->len / 2 > max) {
		keys_lines_error(l, l->line, "%s is longer than %zu bytes", what, max);
		return -1;
	}
	for (size_t i = 0; i < w->len; i += 2) {
		int high = byte_hex(w->at[i]), low = byte_hex(w->at[i + 1]);

		if (high < 0 || low < 0) {
			keys_lines_error(l, l->line, "%s is not hexadecimal", what);
			explicit_bzero(out, max);
			return -1;
		}
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	*len = w->len / 2;
	return 0;
}
