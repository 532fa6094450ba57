/* objects: proxy/exchange/resolve_files.o base/log.o base/clock_steered.o base/bytes.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <net/if.h>

#include "base/log.h"
#include "proxy/exchange/resolve_files.h"

/* A file in memory and a path to it; returns its descriptor. */
static int file_make(char *path, size_t size, const char *text, size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd;
}

/* What is put before resolv.conf on this host. */
static const char *domain_line(void)
{
	static char line[512];
	char name[256];

	assert_int_equal(gethostname(name, sizeof(name)), 0);
	line[0] = '\0';
	if (strchr(name, '.') != NULL && strchr(name, '.')[1] != '\0')
		snprintf(line, sizeof(line), "domain %s\n", strchr(name, '.') + 1);
	return line;
}

static void assert_text(const char *text, size_t len, const char *before, const char *expected)
{
	assert_int_equal(len, strlen(before) + strlen(expected));
	assert_memory_equal(text, before, strlen(before));
	assert_memory_equal(text + strlen(before), expected, strlen(expected));
}

static void test_both_files(void **state)
{
	struct resolve_files_text text;
	char conf[64], hosts[64];
	int a = file_make(conf, sizeof(conf), "nameserver 10.0.0.1\n\0x", 22), b = file_make(hosts, sizeof(hosts), "10.0.0.1 a", 10);

	(void)state;
	assert_int_equal(resolve_files_read(conf, hosts, &text), 0);
	assert_int_equal(text.files.resolv_conf_len, strlen(domain_line()) + 22);
	assert_memory_equal(text.files.resolv_conf, domain_line(), strlen(domain_line()));
	assert_memory_equal(text.files.resolv_conf + strlen(domain_line()), "nameserver 10.0.0.1\n\0x", 22);
	assert_text(text.files.hosts, text.files.hosts_len, "", "10.0.0.1 a");
	resolve_files_free(&text);
	close(a);
	close(b);
}

static void test_what_cannot_be_read_is_empty(void **state)
{
	static const char *const paths[] = { "/nonexistent/file", "/", "/dev/null" };
	struct resolve_files_text text;

	(void)state;
	log_open(-1, LOG_LEVEL_ERROR);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(resolve_files_read(paths[i], paths[i], &text), 0);
		assert_text(text.files.resolv_conf, text.files.resolv_conf_len, domain_line(), "");
		assert_int_equal(text.files.hosts_len, 0);
		resolve_files_free(&text);
	}
}

/* A pipe that nobody writes to does not keep us waiting. */
static void test_a_pipe_is_not_waited_for(void **state)
{
	struct resolve_files_text text;
	char path[64];
	int ends[2];

	(void)state;
	log_open(-1, LOG_LEVEL_ERROR);
	assert_int_equal(pipe(ends), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	assert_int_equal(resolve_files_read(path, path, &text), 0);
	assert_int_equal(text.files.hosts_len, 0);
	resolve_files_free(&text);
	close(ends[0]);
	close(ends[1]);
}

static void test_a_long_file_is_cut_behind_a_line(void **state)
{
	struct resolve_files_text text;
	char *bytes = malloc(RESOLVE_FILE_MAX + 100), path[64];

	(void)state;
	log_open(-1, LOG_LEVEL_ERROR);
	assert_non_null(bytes);
	memset(bytes, 'x', RESOLVE_FILE_MAX + 100);
	bytes[RESOLVE_FILE_MAX - 50] = '\n';
	for (int over = -1; over <= 100; over += over == 1 ? 99 : 1) {
		int fd = file_make(path, sizeof(path), bytes, (size_t)(RESOLVE_FILE_MAX + over));

		assert_int_equal(resolve_files_read("/dev/null", path, &text), 0);
		assert_int_equal(text.files.hosts_len, over > 0 ? RESOLVE_FILE_MAX - 49 : RESOLVE_FILE_MAX + over);
		resolve_files_free(&text);
		close(fd);
	}
	assert_int_equal(resolve_files_read("/dev/zero", "/dev/zero", &text), 0); /* no end, and no line */
	assert_int_equal(text.files.hosts_len, 0);
	resolve_files_free(&text);
	free(bytes);
}

static void test_zones_become_numbers(void **state)
{
	static const char written[] = "fe80::1%lo a\n[fe80::1%lo]:53\n%lo\r\n%lo#%nosuchzone0 %2\n%lo.%\n%aninterfacewithalongname\nfe80::1%lo";
	struct resolve_files_text text;
	char path[64], expected[512];
	unsigned lo = if_nametoindex("lo");
	int fd = file_make(path, sizeof(path), written, strlen(written));

	(void)state;
	assert_true(lo > 0);
	snprintf(expected, sizeof(expected),
		"fe80::1%%%u a\n[fe80::1%%%u]:53\n%%%u\r\n%%%u#%%nosuchzone0 %%2\n%%lo.%%\n%%aninterfacewithalongname\nfe80::1%%%u",
		lo, lo, lo, lo, lo);
	assert_int_equal(resolve_files_read(path, path, &text), 0);
	assert_text(text.files.hosts, text.files.hosts_len, "", expected);
	assert_text(text.files.resolv_conf, text.files.resolv_conf_len, domain_line(), expected);
	resolve_files_free(&text);
	close(fd);
}

/* A file of nothing but zones costs a bounded number of questions, and stays what it is behind them. */
static void test_many_zones(void **state)
{
	struct resolve_files_text text;
	char path[64], bytes[4 * 200 + 1];
	unsigned numbers = 0, names = 0;
	int fd;

	(void)state;
	for (int i = 0; i < 200; i++)
		memcpy(bytes + 4 * i, "%lo ", 4);
	fd = file_make(path, sizeof(path), bytes, 800);
	assert_int_equal(resolve_files_read("/dev/null", path, &text), 0);
	for (size_t i = 0; i + 1 < text.files.hosts_len; i++) {
		numbers += text.files.hosts[i] == '%' && text.files.hosts[i + 1] != 'l';
		names += text.files.hosts[i] == '%' && text.files.hosts[i + 1] == 'l';
	}
	assert_int_equal(numbers, 64);
	assert_int_equal(names, 136);
	resolve_files_free(&text);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_files),
		cmocka_unit_test(test_what_cannot_be_read_is_empty),
		cmocka_unit_test(test_a_pipe_is_not_waited_for),
		cmocka_unit_test(test_a_long_file_is_cut_behind_a_line),
		cmocka_unit_test(test_zones_become_numbers),
		cmocka_unit_test(test_many_zones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
