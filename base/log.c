#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_MAX_BYTES = 1024 };

static int log_fd = STDERR_FILENO;
static int access_fd = STDOUT_FILENO;
static bool log_waits, access_waits; /* they have readers who may be slow */
static enum log_level log_threshold = LOG_LEVEL_INFO;
static char own_name[LOG_NAME_MAX];

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

/* By lseek() and not by fstat(), which is, for the C library, a call that could also name a path: not every process that logs may make it. */
static bool has_reader(int fd)
{
	return lseek(fd, 0, SEEK_CUR) < 0;
}

/* Losing a line is better than waiting for its reader: everything would stand still. The descriptor stays as it is, for it may be
 * others' too. A pipe that says so has room for any line. */
static bool has_room(int fd, bool waits)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return !waits || (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0);
}

void log_open(int fd, enum log_level threshold)
{
	/* whoever reads a log may go away */
	signal(SIGPIPE, SIG_IGN);
	log_fd = fd;
	log_waits = has_reader(fd);
	log_threshold = threshold;
}

int log_enabled(enum log_level level)
{
	return level <= log_threshold;
}

int log_reopen(int fd)
{
	int before = log_fd;

	log_fd = fd;
	log_waits = has_reader(fd);
	return before;
}

void log_name(const char *name)
{
	snprintf(own_name, sizeof(own_name), "%s", name);
}

/* gmtime_r() may open time zone files, which a confined process cannot, so the date is counted here: in years that begin in
 * March, a leap day is the last day of its year. */
size_t log_time(char out[LOG_TIME_MAX], unsigned decimals)
{
	char text[80]; /* what the compiler thinks that it may become */
	uint32_t us;
	int64_t wall = clock_wall(&us);
	uint64_t seconds = wall > 0 ? (uint64_t)wall : 0;
	unsigned second = (unsigned)(seconds % 86400);
	uint64_t days = seconds / 86400 + 719468; /* since 0000-03-01 */
	uint64_t era = days / 146097;
	unsigned day = (unsigned)(days % 146097);
	unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	unsigned in_year = day - (365 * year + year / 4 - year / 100);
	unsigned march_month = (5 * in_year + 2) / 153;
	unsigned month = march_month < 10 ? march_month + 3 : march_month - 9;

	snprintf(text, sizeof(text), "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)(era * 400) + year + (month <= 2), month,
		in_year - (153 * march_month + 2) / 5 + 1, second / 3600, second / 60 % 60, second % 60, (unsigned)us);
	if (decimals == 3)
		memcpy(text + 23, "Z", 2);
	memcpy(out, text, LOG_TIME_MAX);
	out[LOG_TIME_MAX - 1] = '\0';
	return strlen(out);
}

static void line_send(const char *line, size_t len)
{
	while (len > 0 && has_room(log_fd, log_waits)) {
		ssize_t n = write(log_fd, line, len);

		if (n > 0) {
			line += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else {
			return;
		}
	}
}

static void line_write(enum log_level level, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void line_write(enum log_level level, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	const size_t room = sizeof(line) - 1; /* the newline */
	size_t at = log_time(line, 6), text = at;
	int n = snprintf(line + at, room - at, " %s: %s%s", level_names[level], own_name, own_name[0] ? ": " : "");

	at += n > 0 ? (size_t)n : 0;
	n = vsnprintf(line + at, room - at, format, args);
	if (n > 0 && (size_t)n >= room - at) {
		at = room - 1;
		memcpy(line + at - 3, "...", 3);
	} else if (n > 0) {
		at += (size_t)n;
	}
	/* one event is one line, whatever its text is made of */
	for (size_t i = text; i < at; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[at++] = '\n';
	line_send(line, at);
}

#define LINE_WRITE(level)                               \
	do {                                            \
		va_list args;                           \
		if (!log_enabled(level))                \
			return;                         \
		va_start(args, format);                 \
		line_write(level, format, args);        \
		va_end(args);                           \
	} while (0)

void log_error(const char *format, ...)
{
	LINE_WRITE(LOG_LEVEL_ERROR);
}

void log_warning(const char *format, ...)
{
	LINE_WRITE(LOG_LEVEL_WARNING);
}

void log_info(const char *format, ...)
{
	LINE_WRITE(LOG_LEVEL_INFO);
}

void log_debug(const char *format, ...)
{
	LINE_WRITE(LOG_LEVEL_DEBUG);
}

void log_fatal(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line_write(LOG_LEVEL_ERROR, format, args);
	va_end(args);
	abort();
}

int log_access_open(int fd)
{
	int before = access_fd;

	access_fd = fd;
	access_waits = has_reader(fd);
	return before;
}

int log_access(const char *line, size_t len)
{
	ssize_t n;

	if (!has_room(access_fd, access_waits))
		return -1;
	do
		n = write(access_fd, line, len);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len ? 0 : -1;
}

const char *log_quote(char *out, size_t out_size, const void *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *in = bytes;
	size_t at = 0;
	size_t cut = 0; /* where "..." still fits */

	if (out_size == 0)
		return out;
	for (size_t i = 0; i < len; i++) {
		int plain = in[i] >= 0x20 && in[i] < 0x7f && in[i] != '\\';
		size_t need = plain ? 1 : 4;

		if (at + need >= out_size) {
			size_t dots = out_size - 1 - cut < 3 ? out_size - 1 - cut : 3;

			memcpy(out + cut, "...", dots);
			at = cut + dots;
			break;
		}
		if (plain) {
			out[at] = (char)in[i];
		} else {
			out[at] = '\\';
			out[at + 1] = 'x';
			out[at + 2] = hex[in[i] >> 4];
			out[at + 3] = hex[in[i] & 15];
		}
		at += need;
		if (at + 3 < out_size)
			cut = at;
	}
	out[at] = '\0';
	return out;
}
