/*
 * keys_lines - a text of keys by lines and words, as provisioning files and the input of oscore-keys are written: words by blanks, "#" before a
 * comment, byte strings in hexadecimal, "-" the empty one.
 *
 * Errors name the place, "file:line: text", and never show a value: it may be a key, also where none was meant to be.
 */
#ifndef OSCORE_KEYS_LINES_H
#define OSCORE_KEYS_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KEYS_LINE_MAX = 8192,
	KEYS_WORDS_MAX = 10,
	KEYS_ERRORS_MAX = 50, /* told of one text; one more says that there are others */
	KEYS_ERROR_TEXT_MAX = 512,
};

/* Where errors go: a text without newline, valid until `report` returns. */
struct keys_errors {
	const char *name; /* of the file */
	void (*report)(void *arg, const char *text);
	void *arg;
};

struct keys_word {
	const char *at;
	size_t len;
};

struct keys_lines {
	const struct keys_errors *errors;
	const char *at, *end;
	unsigned line;                          /* number of the line in hand, from 1 */
	unsigned error_count;
	size_t word_count;                      /* at least 1 */
	struct keys_word words[KEYS_WORDS_MAX]; /* views */
};

/* Begins a text; all is borrowed. */
void keys_lines_init(struct keys_lines *l, const char *text, size_t len, const struct keys_errors *errors);

/* Takes the next line that has words. Lines that are too long, have too many words or a byte that is no text are told and stepped over.
 * Returns false at the end. */
bool keys_lines_next(struct keys_lines *l);

void keys_lines_error(struct keys_lines *l, unsigned line, const char *format, ...) __attribute__((format(printf, 3, 4)));

bool keys_word_is(const struct keys_word *w, const char *text);

/* Decodes a byte string of the line in hand, at most `max` bytes. Returns 0, or -1 after telling what is wrong with `what`: then `out` is wiped. */
int keys_word_bytes(struct keys_lines *l, const struct keys_word *w, const char *what, uint8_t *out, size_t max, size_t *len)
	__attribute__((warn_unused_result));

#endif
