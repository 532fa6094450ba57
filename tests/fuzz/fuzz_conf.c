/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o base/bytes.o base/errors.o coap/option.o translate/outer.o proxy/decide/route.o proxy/decide/policy.o proxy/decide/target.o proxy/decide/explain.o proxy/decide/explain_hop.o proxy/decide/explain_http.o proxy/decide/explain_read.o proxy/decide/inner.o proxy/decide/http_route.o translate/map_template.o translate/map_method.o translate/http_message.o */
/* measures: conf/arena.c conf/check.c conf/check_http.c conf/check_listeners.c conf/check_reading.c conf/check_sessions.c conf/files.c conf/grammar.c conf/members.c conf/pattern.c conf/print.c conf/read.c conf/snapshot.c conf/tree.c conf/value.c conf/words.c proxy/decide/route.c proxy/decide/policy.c proxy/decide/explain.c proxy/decide/explain_hop.c proxy/decide/explain_http.c proxy/decide/explain_read.c */
/*
 * Any text as a configuration: it loads, or there is at least one error and each names its line. What loaded prints as a
 * text that loads and prints the same again, and answers a question. The text behind a line "?" is the question.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/decide/explain.h"
#include "tests/fuzz/fuzz.h"

const char *__lsan_default_suppressions(void);

/* The library loses the text of a string that a syntax error follows. */
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig";
}

static char *print(const struct snapshot *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	snapshot_print(s, f);
	fclose(f);
	return text;
}

/* Every line of errors begins with "fuzz:" and a line number. */
static void check_errors(const char *errors)
{
	const char *line, *digits;

	for (line = errors; *line; line = strchr(line, '\n') + 1) {
		digits = line + 5;
		if (strncmp(line, "fuzz:", 5) != 0 || *digits == '0' || digits[strspn(digits, "0123456789")] != ':' || !strchr(line, '\n'))
			abort();
	}
}

static void check_snapshot(struct snapshot *s, const char *question, FILE *nowhere)
{
	char *first = print(s), *second;
	struct snapshot *again = conf_load_text(first, "again", nowhere);
	int answer = explain_request(s, question, nowhere, NULL, NULL);

	if (!again)
		abort();
	second = print(again);
	if (strcmp(first, second) != 0 || answer != explain_request(again, question, nowhere, NULL, NULL))
		abort();
	snapshot_release(snapshot_keep(again));
	snapshot_release(again);
	free(first);
	free(second);
}

/* A file is taken as its text is; a zero byte, where a text would end, is refused. */
static void check_file(const char *text, size_t size, bool loaded, FILE *nowhere)
{
	static int fd = -1;
	static char path[64];
	struct snapshot *s;

	if (fd < 0) {
		fd = memfd_create("configuration", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, size, 0) != (ssize_t)size)
		abort();
	s = conf_load_file(path, nowhere);
	if (!s != (!loaded || strlen(text) < size))
		abort();
	snapshot_release(s);
	if (size == 0 && conf_load_file("/proc/self/fd/none", nowhere))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	char *text = malloc(size + 1), *errors = NULL, *question;
	struct snapshot *s;
	size_t errors_size;
	FILE *f;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	f = open_memstream(&errors, &errors_size);
	if (!text || !nowhere || !f)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	question = strstr(text, "\n?\n");
	if (question)
		*question = '\0';
	s = conf_load_text(text, "fuzz", f);
	fclose(f);
	check_file(text, question ? (size_t)(question - text) : size, s != NULL, nowhere);
	check_errors(errors);
	if (!s && !*errors)
		abort();
	if (s)
		check_snapshot(s, question ? question + 3 : "GET coap://h/p from 10.0.0.7 oscore", nowhere);
	snapshot_release(s);
	free(errors);
	free(text);
	return 0;
}
