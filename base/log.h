/*
 * log - the service log: one line an event, to a descriptor, by write(2) alone.
 *
 * What came from outside is escaped by the callers' use of %s only for our own text; bytes from the network are printed
 * in hex or through log_quote(). No payload, no key, no token is ever logged.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_open(int fd, enum log_level threshold);
int log_enabled(enum log_level level);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A broken invariant of our own: logs and ends the process by abort(). */
_Noreturn void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes bytes as printable ASCII with \xNN for the rest, cut with "..." to fit; always terminated. Returns out. */
const char *log_quote(char *out, size_t out_size, const void *bytes, size_t len);

#endif
