/* objects: base/log.o base/log_file.o base/clock.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
	int before = log_access_open(-1);

	(void)state;
	assert_int_equal(before, STDOUT_FILENO);
	log_open(-1, LOG_LEVEL_DEBUG);
	log_error("nobody reads this");
	assert_int_equal(log_access("nor this\n", 9), -1);
	assert_int_equal(log_access_open(before), -1);
}

static void a_reader_that_went_away_is_no_harm(void **state)
{
	int fds[2], before;

	(void)state;
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	log_open(fds[1], LOG_LEVEL_DEBUG);
	before = log_access_open(fds[1]);
	log_error("nobody reads this");
	assert_int_equal(log_access("nor this\n", 9), -1);
	log_access_open(before);
	log_open(STDERR_FILENO, LOG_LEVEL_INFO);
	close(fds[1]);
}

/* The loop would stand still: SIGALRM ends a test that waits. */
static void a_reader_who_does_not_read_is_not_waited_for(void **state)
{
	char text[4096];
	unsigned lines = 0;
	int before;

	(void)state;
	alarm(10);
	log_open(pipe_fds[1], LOG_LEVEL_DEBUG);
	before = log_access_open(pipe_fds[1]);
	while (log_access("x\n", 2) == 0)
		assert_in_range(++lines, 1, 1000000);
	for (int i = 0; i < 100; i++)
		log_error("%0900d", i);
	/* what it has read makes room again */
	for (int i = 0; i < 2; i++)
		assert_true(read(pipe_fds[0], text, sizeof(text)) > 0);
	assert_int_equal(log_access("y\n", 2), 0);
	assert_int_equal(fcntl(pipe_fds[1], F_GETFL) & O_NONBLOCK, 0);
	log_access_open(before);
	alarm(0);
}

/* What a descriptor holds by now, terminated. */
static char *text_of(int fd, char text[1024])
{
	ssize_t n = read(fd, text, 1023);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static void the_name_stands_behind_the_level(void **state)
{
	char text[1024], *at;

	(void)state;
	log_open(pipe_fds[1], LOG_LEVEL_INFO);
	log_name("worker 2");
	log_info("named");
	log_name("a name of more than thirty-two characters in all");
	log_info("cut");
	log_name("");
	log_warning("nameless");
	at = text_of(pipe_fds[0], text);
	assert_string_equal(strtok(at, "\n") + 27, " info: worker 2: named");
	assert_string_equal(strtok(NULL, "\n") + 27, " info: a name of more than thirty-two : cut");
	assert_string_equal(strtok(NULL, "\n") + 27, " warning: nameless");
}

/* A file that was moved away keeps what was in it; lines go to the new one from the moment it is handed over. */
static void files_are_appended_to_and_rotated(void **state)
{
	char folder[] = "build/log-XXXXXX", path[64], old_path[64], text[1024];
	int first, second, old;
	struct stat st;

	(void)state;
	umask(0);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/log", folder);
	snprintf(old_path, sizeof(old_path), "%s/log.1", folder);
	first = log_file_open(path, -7);
	assert_true(first >= 0 && fstat(first, &st) == 0 && (st.st_mode & 0777) == 0640);
	assert_int_equal(fcntl(first, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(first, F_GETFL) & (O_APPEND | O_ACCMODE), O_APPEND | O_WRONLY);
	assert_int_equal(write(first, "kept\n", 5), 5);
	log_open(first, LOG_LEVEL_INFO);
	log_info("one");
	assert_int_equal(rename(path, old_path), 0);
	log_info("two");
	second = log_file_open(path, -7);
	assert_int_equal(log_reopen(second), first);
	log_info("three");
	close(first);
	old = open(old_path, O_RDONLY);
	assert_memory_equal(text_of(old, text), "kept\n", 5);
	assert_non_null(strstr(text, " info: one\n"));
	assert_non_null(strstr(text, " info: two\n"));
	assert_null(strstr(text, "three"));
	close(old);
	old = open(path, O_RDONLY);
	assert_string_equal(text_of(old, text) + 27, " info: three\n");
	close(old);
	/* opened again it is the same file, not an emptied one */
	close(log_reopen(log_file_open(path, -7)));
	log_info("four");
	close(log_reopen(STDERR_FILENO));
	assert_true(stat(path, &st) == 0 && st.st_size > (off_t)strlen(text));
	assert_int_equal(log_file_open("", -7), -7);
	assert_int_equal(log_file_open("/proc/no/such", -7), -1);
	assert_int_equal(errno, ENOENT);
	unlink(path);
	unlink(old_path);
	rmdir(folder);
}

/* Each access line is whole, whoever writes beside it. */
static void access_lines_of_processes_never_mix(void **state)
{
	enum { WRITERS = 4, LINES = 200 };
	char path[] = "build/access-XXXXXX", line[512], *whole = NULL;
	int made = mkstemp(path), fd = log_file_open(path, -1), status, before = log_access_open(fd);
	size_t room = 0, seen[WRITERS] = {0};
	FILE *f;

	(void)state;
	assert_true(made >= 0 && fd >= 0);
	close(made);
	for (int w = 0; w < WRITERS; w++) {
		if (fork() != 0)
			continue;
		for (size_t i = 0; i < LINES; i++) {
			/* of different lengths: the newline moves on by one */
			line[i] = (char)('a' + w);
			line[i + 1] = '\n';
			if (log_access(line, i + 2) < 0)
				_exit(1);
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++)
		assert_true(wait(&status) > 0 && status == 0);
	assert_int_equal(log_access_open(before), fd);
	close(fd);
	f = fopen(path, "r");
	while (getline(&whole, &room, f) > 0) {
		const char alone[] = {whole[0], '\0'};

		assert_in_range(whole[0], 'a', 'a' + WRITERS - 1);
		assert_int_equal(strspn(whole, alone), strlen(whole) - 1);
		seen[whole[0] - 'a']++;
	}
	for (int w = 0; w < WRITERS; w++)
		assert_int_equal(seen[w], LINES);
	free(whole);
	fclose(f);
	unlink(path);
}

static void times_of_both_forms(void **state)
{
	char text[LOG_TIME_MAX];

	(void)state;
	assert_int_equal(log_time(text, 6), 27);
	assert_int_equal(text[19], '.');
	assert_string_equal(text + 26, "Z");
	assert_int_equal(log_time(text, 3), 24);
	assert_int_equal(text[19], '.');
	assert_string_equal(text + 23, "Z");
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
		cmocka_unit_test(a_reader_that_went_away_is_no_harm),
		cmocka_unit_test_setup_teardown(a_reader_who_does_not_read_is_not_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(the_name_stands_behind_the_level, begin, end),
		cmocka_unit_test_setup_teardown(files_are_appended_to_and_rotated, begin, end),
		cmocka_unit_test_setup_teardown(access_lines_of_processes_never_mix, begin, end),
		cmocka_unit_test(times_of_both_forms),
		cmocka_unit_test_setup_teardown(fatal_ends_by_abort, begin, end),
		cmocka_unit_test(quoting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
