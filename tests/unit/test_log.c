/* objects: base/log.o base/clock.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

static int pipe_fds[2];

static int begin(void **state)
{
	(void)state;
	return pipe(pipe_fds);
}

static int end(void **state)
{
	(void)state;
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	log_open(STDERR_FILENO, LOG_LEVEL_INFO);
	return 0;
}

static void lines_by_level(void **state)
{
	char text[512];
	struct tm tm;
	time_t now = time(NULL);
	ssize_t n;

	(void)state;
	log_open(pipe_fds[1], LOG_LEVEL_WARNING);
	assert_true(log_enabled(LOG_LEVEL_ERROR) && log_enabled(LOG_LEVEL_WARNING));
	assert_false(log_enabled(LOG_LEVEL_INFO) || log_enabled(LOG_LEVEL_DEBUG));
	log_error("first %d", 1);
	log_warning("two\nlines\x1b");
	log_info("not this");
	log_debug("nor this");
	n = read(pipe_fds[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';

	/* "2026-01-02T03:04:05.000006Z error: first 1" */
	const char *second = strchr(text, '\n') + 1;

	assert_string_equal(strchr(second, '\n'), "\n");
	assert_memory_equal(text + 27, " error: first 1\n", 16);
	assert_memory_equal(second + 27, " warning: two?lines?\n", 21);
	memset(&tm, 0, sizeof(tm));
	assert_ptr_equal(strptime(text, "%Y-%m-%dT%H:%M:%S", &tm), text + 19);
	assert_in_range(timegm(&tm), now - 1, now + 5);
}

static void long_lines_are_cut(void **state)
{
	char big[3000], text[3000];
	ssize_t n;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_open(pipe_fds[1], LOG_LEVEL_DEBUG);
	log_debug("%s", big);
	log_info("%s", "next");
	n = read(pipe_fds[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';

	char *line_end = strchr(text, '\n');

	assert_in_range(line_end - text, 1000, 1023);
	assert_memory_equal(line_end - 4, "x...", 4);
	assert_non_null(strstr(line_end, " info: next\n"));
}

static void closed_log_is_no_harm(void **state)
{
	(void)state;
	log_open(-1, LOG_LEVEL_DEBUG);
	log_error("nobody reads this");
}

static void fatal_ends_by_abort(void **state)
{
	char text[512];
	int status;
	ssize_t n;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		log_open(pipe_fds[1], LOG_LEVEL_ERROR);
		log_fatal("broken: %s", "it");
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	n = read(pipe_fds[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, " error: broken: it\n"));
}

static void quoting(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, size;
		const char *quoted;
	} cases[] = {
		{"abc", 3, 20, "abc"},
		{"", 0, 20, ""},
		{"a\n\0z", 4, 20, "a\\x0a\\x00z"},
		{"\\\x7f\xff", 3, 20, "\\x5c\\x7f\\xff"},
		{"abcdefgh", 8, 9, "abcdefgh"},
		{"abcdefghi", 9, 9, "abcde..."},
		{"abcd\xff", 5, 8, "abcd..."},
		{"abc", 3, 3, ".."},
		{"abc", 3, 1, ""},
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(out, 'E', sizeof(out));
		assert_ptr_equal(log_quote(out, cases[i].size, cases[i].bytes, cases[i].len), out);
		assert_string_equal(out, cases[i].quoted);
		assert_int_equal(out[cases[i].size], 'E');
	}
	assert_ptr_equal(log_quote(out, 0, "a", 1), out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_by_level, begin, end),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, begin, end),
		cmocka_unit_test_setup_teardown(closed_log_is_no_harm, begin, end),
		cmocka_unit_test_setup_teardown(fatal_ends_by_abort, begin, end),
		cmocka_unit_test(quoting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
