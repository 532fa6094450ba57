/*
 * log - the service log: one line an event, to a descriptor, by write(2) alone; and the stream of access lines beside it.
 *
 * Nobody waits for a reader: what finds no room in a pipe or socket is lost.
 *
 * Several processes may write to one file that was opened for appending: each line is one write(2), so lines never mix.
 * What came from outside is escaped by the callers' use of %s only for our own text; bytes from the network are printed
 * in hex or through log_quote(). No payload, no key, no token is ever logged.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum { LOG_TIME_MAX = 28, LOG_NAME_MAX = 32 }; /* with their NUL */

/* Descriptors are borrowed: whoever opened them closes them once they are no longer in use here. -1: lines go nowhere. SIGPIPE is
 * ignored from then on. */
void log_open(int fd, enum log_level threshold);
int log_enabled(enum log_level level);

/* From now on lines go to fd (the file was rotated). Returns the descriptor in use before. */
int log_reopen(int fd);

/* Who speaks, in each line behind its level: "worker 2". Cut to LOG_NAME_MAX - 1; "" takes it away. */
void log_name(const char *name);

/* The file for appending, made with mode 0640 if it is not there; `otherwise` if path is "". Returns the descriptor, or -1 (errno). */
int log_file_open(const char *path, int otherwise) __attribute__((warn_unused_result));

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A broken invariant of our own: logs and ends the process by abort(). */
_Noreturn void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Access lines go to fd from now on (standard output before the first call). Returns the descriptor in use before. */
int log_access_open(int fd);

/* Writes one whole line, newline included, by one write(2). Returns 0, or -1 if it is lost. */
int log_access(const char *line, size_t len);

/* Writes the wall time in UTC, "2026-01-02T03:04:05.000006Z", with 3 or 6 decimals; always terminated. Returns its length. */
size_t log_time(char out[LOG_TIME_MAX], unsigned decimals);

/* Writes bytes as printable ASCII with \xNN for the rest, cut with "..." to fit; always terminated. Returns out. */
const char *log_quote(char *out, size_t out_size, const void *bytes, size_t len);

#endif
