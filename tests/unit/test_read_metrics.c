/* objects: proxy/exchange/read_metrics.o coap/message.o coap/option.o */
/* What is counted by Inner method, path and code, in a table that does not grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "coap/message.h"
#include "proxy/exchange/house.h"

static struct path_pattern paths[] = { { .text = (char *)"/temp" }, { .text = (char *)"/firmware/**" } };
static struct read_conf conf = { .name = (char *)"meters", .count_paths = paths, .count_path_count = 2, .slot = 7, .id = 77 };

static const char *printed(const struct read_metrics *m)
{
	static char text[65536];
	FILE *out = fmemopen(text, sizeof text, "w");

	text[0] = '\0';
	read_metrics_print(m, &conf, out);
	fclose(out);
	return text;
}

static bool has_line(const struct read_metrics *m, const char *line)
{
	const char *at = strstr(printed(m), line);

	return at != NULL && at[strlen(line)] == '\n';
}

static void labels_are_method_path_and_code(void **state)
{
	struct read_metrics *m = calloc(1, sizeof *m), *sum = calloc(1, sizeof *sum);

	(void)state;
	assert_string_equal(printed(m), "");
	m->count[READ_COUNT_OPENED] = 3;
	m->count[READ_COUNT_BAD] = 1;
	read_metrics_label(m, CODE_GET, 0, CODE_EMPTY, 1);
	read_metrics_label(m, CODE_GET, 0, CODE_EMPTY, 1);
	read_metrics_label(m, CODE_GET, 0, CODE_CONTENT, 1);
	read_metrics_label(m, CODE_PUT, 1, CODE_FORBIDDEN, 5);
	read_metrics_label(m, CODE_IPATCH, 2, CODE_EMPTY, 1);
	read_metrics_label(m, CODE_EMPTY, READ_PATH_NONE, CODE_CHANGED, 1);
	read_metrics_label(m, 9, 0, CODE_EMPTY, 1);
	read_metrics_add(sum, m);
	read_metrics_add(sum, m);
	assert_true(has_line(sum, "read.meters.opened 6") && has_line(sum, "read.meters.bad 2"));
	assert_true(has_line(sum, "read.meters.GET./temp 4") && has_line(sum, "read.meters.GET./temp.2.05 2"));
	assert_true(has_line(sum, "read.meters.PUT./firmware/**.4.03 10") && has_line(sum, "read.meters.iPATCH.other 2"));
	assert_true(has_line(sum, "read.meters.-.-.2.04 2") && has_line(sum, "read.meters.0.09./temp 2"));
	free(m);
	free(sum);
}

static void what_finds_no_place_is_counted_together(void **state)
{
	struct read_metrics *m = calloc(1, sizeof *m);
	uint64_t sum = 0;

	(void)state;
	for (unsigned code = 1; code < 256; code++)
		for (unsigned method = 1; method < 256; method++)
			read_metrics_label(m, (uint8_t)method, 0, (uint8_t)code, 1);
	for (unsigned i = 0; i < READ_LABELS; i++)
		sum += m->labels[i].count;
	assert_int_equal(sum + m->unlabelled, 255 * 255);
	assert_true(m->unlabelled > 0);
	free(m);
}

/* Counters are those of the read that stands there now. */
static void another_read_in_its_place_begins_anew(void **state)
{
	struct read_conf other = conf;
	struct read_metrics *cell = calloc(CONF_READS_MAX, sizeof *cell), *m = read_metrics_of(cell, &conf);

	(void)state;
	assert_ptr_equal(m, &cell[7]);
	m->count[READ_COUNT_OPENED] = 3;
	read_metrics_label(m, CODE_GET, 0, CODE_EMPTY, 1);
	assert_ptr_equal(read_metrics_of(cell, &conf), m);
	assert_int_equal(m->count[READ_COUNT_OPENED], 3);
	other.id = 78;
	assert_ptr_equal(read_metrics_of(cell, &other), m);
	assert_string_equal(printed(m), "");
	free(cell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_method_path_and_code), cmocka_unit_test(what_finds_no_place_is_counted_together),
		cmocka_unit_test(another_read_in_its_place_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
