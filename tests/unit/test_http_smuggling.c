/* objects: proxy/http/parse.o proxy/http/framing.o proxy/http/lines.o translate/http_message.o coap/uri.o coap/message.o base/endpoint.o */
/*
 * The corpus of tests/data/smuggling: messages that two recipients may read differently, each with the only reading that is
 * right, or with the refusal it deserves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>

#include "tests/unit/covers.h"
#include "tests/unit/http_transcript.h"

#define FOLDER "tests/data/smuggling/"

enum { FILE_MAX = 1 << 16, LINE_MAX_LEN = 1024, CASES_MIN = 300, CUTS_MAX = 2000 };

static const struct http_limits limits = {.line = 4000, .fields_bytes = 8000, .fields_count = 64, .chunk_line = 256};

struct corpus_case {
	char name[128], side[16], wanted[LINE_MAX_LEN];
	uint8_t *bytes;
	size_t len;
};

static void case_load(struct corpus_case *c)
{
	char path[sizeof(FOLDER) + sizeof(c->name) + sizeof(".http")];
	FILE *file;

	snprintf(path, sizeof(path), FOLDER "%s.http", c->name);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s is not there", path);
	c->bytes = malloc(FILE_MAX);
	assert_non_null(c->bytes);
	c->len = fread(c->bytes, 1, FILE_MAX, file);
	assert_true(c->len < FILE_MAX);
	fclose(file);
}

/* The next line that is none of comment; false at the end. */
static bool case_next(FILE *table, struct corpus_case *c)
{
	char line[LINE_MAX_LEN];

	while (fgets(line, sizeof(line), table)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%127s %15s %1023[^\n]", c->name, c->side, c->wanted), 3);
		case_load(c);
		return true;
	}
	return false;
}

static FILE *table_open(void)
{
	FILE *table = fopen(FOLDER "verdicts.txt", "r");

	assert_non_null(table);
	return table;
}

static enum http_side case_side(const struct corpus_case *c)
{
	if (strcmp(c->side, "server") == 0)
		return HTTP_SIDE_SERVER;
	assert_true(strcmp(c->side, "client") == 0 || strcmp(c->side, "head") == 0);
	return strcmp(c->side, "head") == 0 ? HTTP_SIDE_HEAD : HTTP_SIDE_CLIENT;
}

static struct http_transcript case_read(const struct corpus_case *c, const struct http_cuts *cuts)
{
	return http_transcript(case_side(c), &limits, c->bytes, c->len, cuts);
}

static void every_case_has_its_verdict(void **state)
{
	const struct http_cuts whole = {.piece = http_cut_every, .number = SIZE_MAX};
	unsigned count = 0, wrong = 0;
	struct corpus_case c;
	FILE *table = table_open();

	(void)state;
	covers("C8075-10-3 C8613-11.1-3");
	for (; case_next(table, &c); count++, free(c.bytes)) {
		struct http_transcript t = case_read(&c, &whole);

		if (strcmp(t.summary, c.wanted) != 0) {
			wrong++;
			print_error("%s: \"%s\", not \"%s\"\n%s", c.name, t.summary, c.wanted, t.details);
		}
		http_transcript_free(&t);
	}
	fclose(table);
	assert_true(count >= CASES_MIN);
	assert_int_equal(wrong, 0);
}

static void same_reading(const struct corpus_case *c, const struct http_transcript *whole, const struct http_cuts *cuts)
{
	struct http_transcript t = case_read(c, cuts);

	if (strcmp(t.details, whole->details) != 0 || strcmp(t.summary, whole->summary) != 0)
		fail_msg("%s cut at %zu: \"%s\", not \"%s\"\n%s\n%s", c->name, cuts->number, t.summary, whole->summary, t.details, whole->details);
	http_transcript_free(&t);
}

static void no_cut_changes_a_verdict(void **state)
{
	const struct http_cuts uncut = {.piece = http_cut_every, .number = SIZE_MAX};
	struct corpus_case c;
	FILE *table = table_open();

	(void)state;
	for (; case_next(table, &c); free(c.bytes)) {
		struct http_transcript whole = case_read(&c, &uncut);

		for (size_t every = 1; every <= 3; every++)
			same_reading(&c, &whole, &(struct http_cuts){.piece = http_cut_every, .number = every});
		for (size_t at = 1; at < c.len && at < CUTS_MAX; at++)
			same_reading(&c, &whole, &(struct http_cuts){.piece = http_cut_once, .number = at});
		http_transcript_free(&whole);
	}
	fclose(table);
}

/* A file that the table does not name is tested by nothing. */
static void every_file_is_in_the_table(void **state)
{
	unsigned files = 0, rows = 0;
	struct corpus_case c;
	FILE *table = table_open();
	DIR *folder = opendir(FOLDER);

	(void)state;
	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
		files += strstr(entry->d_name, ".http") != NULL;
	for (; case_next(table, &c); rows++)
		free(c.bytes);
	closedir(folder);
	fclose(table);
	assert_int_equal(files, rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_has_its_verdict),
		cmocka_unit_test(no_cut_changes_a_verdict),
		cmocka_unit_test(every_file_is_in_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
