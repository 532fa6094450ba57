/* objects: proxy/process/reader_files.o oscore/reader/control.o CONF_OBJS base/bytes.o base/clock.o base/endpoint.o base/log.o coap/message.o coap/option.o coap/uri.o translate/map_template.o base/packets.o */
/* The provisioning files as the parent has them: what it takes, what it refuses and how it says so, and what the reader gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oscore/opening.h"
#include "oscore/reader/control.h"
#include "proxy/process/reader_files.h"

static char folder[] = "/var/tmp/test-reader-files-XXXXXX";
static const char *const names[] = { "a", "b", "c", "pipe" };

static int begin_all(void **state)
{
	(void)state;
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static const char *path_of(const char *name)
{
	static char path[64];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static int end_all(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlink(path_of(names[i]));
	return rmdir(folder);
}

static void put(const char *name, const char *text, mode_t mode)
{
	int fd;

	unlink(path_of(name));
	fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* Contexts c0, c1 and c2 with these paths (keys in lines 4, 6 and 8); each is read with by a route of its own where `reads` has its number. */
static struct snapshot *configured(const char *const paths[3], const char *reads)
{
	char *text;
	struct snapshot *s;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fputs("listeners: { coap: { url = \"coap://127.0.0.1\"; }; };\ncontexts: {\n", f);
	for (int i = 0; i < 3; i++)
		fprintf(f, "c%d: { max-failures = %d;\nkeys = \"%s\"; };\n", i, i + 7, paths[i]);
	fputs("};\nreads: { r0: { context = \"c0\"; }; r1: { context = \"c1\"; }; r2: { context = \"c2\"; }; };\nroutes: {\n", f);
	for (int i = 0; reads[i] != '\0'; i++)
		fprintf(f, "m%d: { to = [\"coap://h\"]; read = \"r%c\"; }; n%d: { to = [\"coap://h\"]; };\n", i, reads[i], i);
	fputs("};\n", f);
	fclose(f);
	f = fopen("/dev/null", "w"); /* reads that no route uses */
	s = conf_load_text(text, "test", f);
	fclose(f);
	assert_non_null(s);
	free(text);
	return s;
}

static struct snapshot *configured_with(const char *a, const char *b, const char *c, const char *reads)
{
	char paths[3][64];
	const char *const texts[] = { a, b, c };

	for (int i = 0; i < 3; i++)
		snprintf(paths[i], sizeof paths[i], "%s", *texts[i] == '/' ? texts[i] : path_of(texts[i]));
	return configured((const char *const[]){ paths[0], paths[1], paths[2] }, reads);
}

/* Returns what was said, from malloc. */
static char *open_files(struct reader_files *files, const struct snapshot *s, int want)
{
	size_t size;
	char *said;
	FILE *f = open_memstream(&said, &size);

	assert_int_equal(reader_files_open(files, "proxy.conf", s, f), want);
	fclose(f);
	if (want < 0)
		assert_int_equal(files->count, 0);
	return said;
}

static int count_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_only_what_is_read_with_is_opened(void **state)
{
	static struct reader_files files;
	struct snapshot *s = configured_with("a", "b", "/nowhere", "100");
	int before = count_descriptors();
	char *said;

	(void)state;
	put("a", "first", 0640);
	put("b", "second", 0400);
	assert_true(reader_files_are_wanted(s));
	said = open_files(&files, s, 0);
	assert_string_equal(said, "");
	free(said);
	assert_int_equal(files.count, 2);
	assert_ptr_equal(files.files[0].set, &s->contexts[0]);
	assert_ptr_equal(files.files[1].set, &s->contexts[1]);
	assert_int_equal(count_descriptors(), before + 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(fcntl(files.files[i].fd, F_GETFD), FD_CLOEXEC);
	reader_files_close(&files);
	assert_int_equal(count_descriptors(), before);
	snapshot_release(s);

	s = configured_with("a", "b", "/nowhere", "");
	assert_false(reader_files_are_wanted(s));
	free(open_files(&files, s, 0));
	assert_int_equal(files.count, 0);
	snapshot_release(s);
}

/* Every one of them is told of, and nothing stays open. */
static void test_what_may_not_be_used(void **state)
{
	static const struct {
		const char *content;
		mode_t mode;
		const char *wrong; /* NULL: nothing is */
	} cases[] = {
		{ "x", 0600, NULL }, { "x", 0640, NULL }, { "x", 0400, NULL }, { "x", 0700, NULL },
		{ "x", 0604, "holds keys and is open to everybody: chmod o= it" }, { "x", 0601, "holds keys and is open to everybody: chmod o= it" },
		{ "x", 0602, "holds keys and is open to everybody: chmod o= it" }, { "x", 0660, "holds keys and its group may write to it: chmod g-w it" },
		{ "", 0600, "is empty" },
	};
	static struct reader_files files;
	struct snapshot *s = configured_with("a", "b", "c", "012");
	int before = count_descriptors();
	char wanted[400], *said;

	(void)state;
	put("b", "good", 0600);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		put("a", cases[i].content, cases[i].mode);
		put("c", cases[i].content, cases[i].mode);
		said = open_files(&files, s, cases[i].wrong == NULL ? 0 : -1);
		wanted[0] = '\0';
		if (cases[i].wrong != NULL)
			snprintf(wanted, sizeof wanted, "proxy.conf:4: contexts.c0.keys: %s/a: %s\nproxy.conf:8: contexts.c2.keys: %s/c: %s\n", folder, cases[i].wrong,
				folder, cases[i].wrong);
		assert_string_equal(said, wanted);
		free(said);
		reader_files_close(&files);
		assert_int_equal(count_descriptors(), before);
	}
	snapshot_release(s);
}

/* Neither a folder nor a pipe, at which opening must not wait, is a file; nor is what belongs to somebody else taken. */
static void test_what_is_no_file_of_ours(void **state)
{
	static struct reader_files files;
	struct snapshot *s = configured_with("pipe", "/", "/nowhere/keys", "012");
	char *said;

	(void)state;
	assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
	said = open_files(&files, s, -1);
	assert_non_null(strstr(said, "proxy.conf:4: contexts.c0.keys: /var/tmp/"));
	assert_non_null(strstr(said, "pipe: is no file\nproxy.conf:6: contexts.c1.keys: /: is no file\n"));
	assert_non_null(strstr(said, "proxy.conf:8: contexts.c2.keys: /nowhere/keys: No such file or directory\n"));
	free(said);
	snapshot_release(s);
	if (geteuid() != 0)
		return;
	put("a", "x", 0600);
	assert_int_equal(chown(path_of("a"), 12345, 0), 0);
	s = configured_with("a", "a", "a", "0");
	said = open_files(&files, s, -1);
	assert_non_null(strstr(said, "/a: holds keys and belongs to another user\n"));
	free(said);
	snapshot_release(s);
}

static void take(int end, struct reader_message *m, int *fd)
{
	assert_int_equal(reader_control_receive(end, true, m, fd), 1);
}

/* The reader gets each file at its beginning, whoever had it before. The parent has read nothing of it. */
static void test_what_the_reader_gets(void **state)
{
	static struct reader_files files;
	struct snapshot *s = configured_with("a", "b", "c", "20");
	struct reader_message m;
	char text[16];
	int ends[2], fd;

	(void)state;
	put("a", "first", 0600);
	put("c", "third", 0600);
	free(open_files(&files, s, 0));
	assert_int_equal(reader_control_open(ends), 0);
	for (uint32_t generation = 5; generation < 7; generation++) {
		for (size_t i = 0; i < files.count; i++)
			assert_int_equal(lseek(files.files[i].fd, 0, SEEK_CUR), generation == 5 ? 0 : 5);
		assert_int_equal(reader_files_send(&files, ends[0], generation), 0);
		for (int i = 0; i < 2; i++) {
			take(ends[1], &m, &fd);
			assert_true(m.word == READER_SET && m.generation == generation && m.set == opening_set_id(i == 0 ? "c0" : "c2"));
			assert_int_equal(m.max_failures, i == 0 ? 7 : 9);
			assert_string_equal(m.text, path_of(i == 0 ? "a" : "c"));
			assert_int_equal(read(fd, text, sizeof text), 5);
			assert_memory_equal(text, i == 0 ? "first" : "third", 5);
			close(fd);
		}
		take(ends[1], &m, &fd);
		assert_true(m.word == READER_PREPARE && m.generation == generation && fd == -1);
	}
	close(ends[1]);
	assert_int_equal(reader_files_send(&files, ends[0], 8), -1);
	assert_int_equal(errno, EPIPE);
	close(ends[0]);
	reader_files_close(&files);
	snapshot_release(s);
}

/* Of a path that does not fit the end is told. */
static void test_a_long_path(void **state)
{
	static struct reader_files files;
	char path[700], *said;
	struct snapshot *s;
	struct reader_message m;
	size_t len = strlen(folder);
	int ends[2], fd;

	(void)state;
	put("a", "first", 0600);
	for (size_t cut = 0; cut < 3; cut++) { /* as long as fits, and one more */
		memcpy(path, folder, len);
		memset(path + len, '/', sizeof path - len);
		memcpy(path + READER_TEXT_MAX - 3 + cut, "a", 2);
		s = configured((const char *const[]){ path, path, path }, "0");
		said = open_files(&files, s, 0);
		assert_string_equal(said, "");
		free(said);
		assert_int_equal(reader_control_open(ends), 0);
		assert_int_equal(reader_files_send(&files, ends[0], 1), 0);
		take(ends[1], &m, &fd);
		assert_string_equal(m.text, path + (cut > 1 ? cut - 1 : 0));
		close(fd);
		close(ends[0]);
		close(ends[1]);
		reader_files_close(&files);
		snapshot_release(s);
	}
}

/* A file in force that is written to is not what was put in force; one that another takes the place of is. */
static void test_what_was_written_to(void **state)
{
	static struct reader_files files;
	struct snapshot *s = configured_with("a", "b", "c", "01");
	const struct timespec then[2] = { { 1000, 0 }, { 1000, 0 } };
	int fd;

	(void)state;
	put("a", "first", 0600);
	put("b", "second", 0600);
	free(open_files(&files, s, 0));
	assert_null(reader_files_changed(&files));
	put("a", "another", 0600);
	assert_int_equal(chmod(path_of("b"), 0400), 0);
	assert_null(reader_files_changed(&files));
	fd = files.files[1].fd;
	assert_int_equal(futimens(fd, then), 0);
	assert_string_equal(reader_files_changed(&files), s->contexts[1].keys);
	reader_files_close(&files);

	put("b", "second", 0600);
	free(open_files(&files, s, 0));
	fd = open(path_of("b"), O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(futimens(fd, (const struct timespec[]){ files.files[1].seen.st_atim, files.files[1].seen.st_mtim }), 0);
	close(fd);
	assert_string_equal(reader_files_changed(&files), s->contexts[1].keys);
	reader_files_close(&files);
	snapshot_release(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_read_with_is_opened), cmocka_unit_test(test_what_may_not_be_used), cmocka_unit_test(test_what_is_no_file_of_ours),
		cmocka_unit_test(test_what_the_reader_gets), cmocka_unit_test(test_a_long_path), cmocka_unit_test(test_what_was_written_to),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
