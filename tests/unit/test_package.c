/* objects: proxy/process/package.o proxy/http/material.o proxy/process/route_slots.o proxy/edge/own_addresses.o proxy/exchange/resolve_files.o CONF_OBJS base/bytes.o base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o translate/map_template.o coap/option.o */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/process/package.h"
#include "proxy/process/route_slots.h"

static const char text[] =
	"listeners: { a: { url = \"coap://127.0.0.1:5001\"; }; b: { url = \"coap://127.0.0.1:5002\"; }; };\n"
	"routes: { one: { hosts = [\"one\"]; to = [\"coap://10.0.0.1\"]; }; two: { hosts = [\"two\"]; to = [\"coap://10.0.0.2\"]; }; };\n"
	"upstream: { resolv-conf = \"/dev/null\"; };\n";

static const struct material no_files;

static struct snapshot *load(const char *from)
{
	struct snapshot *s = conf_load_text(from, "text", stderr);

	assert_non_null(s);
	return s;
}

static char *printed(const struct snapshot *s)
{
	char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);

	snapshot_print(s, f);
	fclose(f);
	return out;
}

static void test_a_package_brings_the_configuration_and_its_numbers(void **state)
{
	const uint8_t listeners[] = { 5, 2 };
	const uint32_t routes[] = { 70, 3 };
	struct snapshot *conf = load(text), *came;
	char error[256], *before, *after;
	struct package p;
	int fd;

	(void)state;
	snapshot_place(conf, listeners, routes);
	fd = package_write(conf, &no_files);
	assert_true(fd >= 0);
	assert_int_equal(package_read(&p, fd), 0);
	close(fd);
	came = package_load(&p, error, sizeof error);
	assert_non_null(came);
	before = printed(conf);
	after = printed(came);
	assert_string_equal(before, after);
	assert_int_equal(came->listeners[0].slot, 5);
	assert_string_equal(snapshot_listener(came, 2)->name, "b");
	assert_int_equal(came->routes[1].metrics_slot, 3);
	assert_int_equal(p.parts[PACKAGE_OWN_ADDRESSES].len % sizeof(struct endpoint), 0);
	assert_int_equal(package_files(&p).resolv_conf_len, 0);
	free(before);
	free(after);
	snapshot_release(came);
	snapshot_release(conf);
	package_close(&p);
}

/* Files by their paths, also an empty one, and one that is not text. */
static void test_a_package_brings_files(void **state)
{
	static const uint8_t bytes[] = { 'a', 0, 0xff, '\n' };
	const struct material files = { 3, { { "/one", bytes, sizeof bytes }, { "/empty", bytes, 0 }, { "/two", (const uint8_t *)text, sizeof text - 1 } } };
	struct snapshot *conf = load(text);
	int fd = package_write(conf, &files);
	const struct material *m;
	struct package p;

	(void)state;
	assert_int_equal(package_read(&p, fd), 0);
	close(fd);
	m = package_material(&p);
	assert_int_equal(m->count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct material_file *f = material_find(m, files.files[i].path);

		assert_non_null(f);
		assert_int_equal(f->len, files.files[i].len);
		assert_memory_equal(f->bytes, files.files[i].bytes, f->len);
		assert_int_equal(f->bytes[f->len], '\0');
	}
	assert_null(material_find(m, "/on"));
	material_use(m);
	assert_ptr_equal(material_in_force(), m);
	material_use(NULL);
	assert_int_equal(material_in_force()->count, 0);
	snapshot_release(conf);
	package_close(&p);
}

static void test_a_package_cannot_be_changed(void **state)
{
	struct snapshot *conf = load(text);
	int fd = package_write(conf, &no_files);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_ptr_equal(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
	snapshot_release(conf);
}

/* A copy of the package with one byte of its head changed, or cut, sealed again. */
static int copy_changed(int fd, size_t at, uint8_t change, size_t len)
{
	int copy = memfd_create("copy", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	uint8_t *bytes = malloc(len);

	assert_true(copy >= 0);
	assert_int_equal(pread(fd, bytes, len, 0), len);
	if (at < len)
		bytes[at] ^= change;
	assert_int_equal(write(copy, bytes, len), len);
	free(bytes);
	assert_int_equal(fcntl(copy, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	return copy;
}

/* Whatever a bit of the head becomes, and wherever it is cut: it is refused, or all that it names lies inside. */
static void test_a_damaged_head_leads_nowhere(void **state)
{
	struct snapshot *conf = load(text);
	int fd = package_write(conf, &no_files);
	unsigned refused = 0;
	struct package p;
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	for (size_t bit = 0; bit < 8 * 8 * (1 + 2 * PACKAGE_PARTS); bit++) {
		int copy = copy_changed(fd, bit / 8, (uint8_t)(1 << bit % 8), (size_t)st.st_size);

		if (package_read(&p, copy) < 0) {
			refused++;
		} else {
			for (int i = 0; i < PACKAGE_PARTS; i++) {
				size_t offset = (size_t)((const char *)p.parts[i].bytes - (const char *)p.mapping);

				assert_true(offset < p.mapped && p.parts[i].len < p.mapped - offset);
			}
			package_close(&p);
		}
		close(copy);
	}
	assert_true(refused > 8 * 8 * (1 + 2 * PACKAGE_PARTS) / 2);
	for (size_t len = 0; len < (size_t)st.st_size; len += 97) {
		int copy = copy_changed(fd, SIZE_MAX, 0, len);

		assert_int_equal(package_read(&p, copy), -1);
		close(copy);
	}
	close(fd);
	snapshot_release(conf);
}

/* Wherever a bit of the files' part is changed, what is found lies inside. */
static void test_damaged_files_lead_nowhere(void **state)
{
	const struct material files = { 2, { { "/one", (const uint8_t *)"12345678", 8 }, { "/two", (const uint8_t *)"1", 1 } } };
	struct snapshot *conf = load(text);
	int fd = package_write(conf, &files);
	unsigned refused = 0;
	size_t begin, len;
	struct package p;
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(package_read(&p, fd), 0);
	begin = (size_t)((const char *)p.parts[PACKAGE_FILES].bytes - (const char *)p.mapping);
	len = p.parts[PACKAGE_FILES].len;
	package_close(&p);
	for (size_t bit = 8 * begin; bit < 8 * (begin + len); bit++) {
		int copy = copy_changed(fd, bit / 8, (uint8_t)(1 << bit % 8), (size_t)st.st_size);

		if (package_read(&p, copy) < 0) {
			refused++;
		} else {
			for (size_t i = 0; i < p.material.count; i++) {
				size_t at = (size_t)(p.material.files[i].bytes - (const uint8_t *)p.mapping);

				assert_true(at + p.material.files[i].len < begin + len && p.material.files[i].bytes[p.material.files[i].len] == '\0');
				assert_true(strlen(p.material.files[i].path) <= MATERIAL_PATH_MAX);
			}
			package_close(&p);
		}
		close(copy);
	}
	assert_true(refused > 8 * 2 * 8 / 2);
	close(fd);
	snapshot_release(conf);
}

static void test_what_is_not_sealed_is_refused(void **state)
{
	int fd = memfd_create("open", MFD_CLOEXEC);
	struct package p;

	(void)state;
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(package_read(&p, fd), -1);
	close(fd);
}

static void test_numbers_that_do_not_fit_are_refused(void **state)
{
	static const uint8_t twice[] = { 4, 4 }, beyond[] = { 0, CONF_SLOTS_MAX }, good[] = { 0, 1 };
	static const uint32_t routes[] = { 0, 1 }, far[] = { 0, CONF_ROUTES_MAX };
	const struct {
		const uint8_t *listeners;
		size_t listener_count;
		const uint32_t *routes;
		size_t route_count;
	} cases[] = { { twice, 2, routes, 2 }, { beyond, 2, routes, 2 }, { good, 1, routes, 2 }, { good, 2, far, 2 }, { good, 2, routes, 1 } };
	char error[256];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct package p = { .parts = {
			[PACKAGE_CONFIGURATION] = { text, sizeof text - 1 },
			[PACKAGE_LISTENER_SLOTS] = { cases[i].listeners, cases[i].listener_count },
			[PACKAGE_ROUTE_SLOTS] = { cases[i].routes, cases[i].route_count * sizeof(uint32_t) } } };

		assert_null(package_load(&p, error, sizeof error));
		assert_string_equal(error, "the numbers of listeners or routes do not fit it");
	}
}

static void test_an_error_of_the_text_is_told(void **state)
{
	const struct package p = { .parts = { [PACKAGE_CONFIGURATION] = { "listeners: { a: { url = 7; }; };\n", 33 } } };
	char error[256];

	(void)state;
	assert_null(package_load(&p, error, sizeof error));
	assert_non_null(strstr(error, "configuration:1: "));
	assert_null(strchr(error, '\n'));
}

/* ---- slots of routes ---- */

static struct snapshot *with_routes(const char *names)
{
	char *all = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&all, &size);
	struct snapshot *s;

	fprintf(f, "listeners: { a: { url = \"coap://127.0.0.1:5001\"; }; };\nroutes: {\n");
	for (const char *at = names; *at != '\0'; at++)
		fprintf(f, "%c: { deny = true; };\n", *at);
	fprintf(f, "};\n");
	fclose(f);
	s = load(all);
	free(all);
	return s;
}

static void test_a_route_that_stays_keeps_its_slot(void **state)
{
	struct snapshot *now = with_routes("abcd"), *next = with_routes("dxbay");
	const uint8_t listener = 0;
	uint32_t used = 4, slots[5];

	(void)state;
	assert_int_equal(route_slots_place(now, next, &used, slots), 0);
	assert_int_equal(slots[0], 3);
	assert_int_equal(slots[1], 4);
	assert_int_equal(slots[2], 1);
	assert_int_equal(slots[3], 0);
	assert_int_equal(slots[4], 5); /* not c's: what was counted there is not y's */
	assert_int_equal(used, 6);
	snapshot_place(next, &listener, slots);
	snapshot_release(now);
	now = next;
	next = with_routes("cyd");
	used = CONF_ROUTES_MAX; /* all were given once: those that nobody has any more are given again */
	assert_int_equal(route_slots_place(now, next, &used, slots), 0);
	assert_int_equal(slots[0], 0);
	assert_int_equal(slots[1], 5);
	assert_int_equal(slots[2], 3);
	assert_int_equal(used, CONF_ROUTES_MAX);
	snapshot_release(now);
	snapshot_release(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_package_brings_the_configuration_and_its_numbers),
		cmocka_unit_test(test_a_package_brings_files),
		cmocka_unit_test(test_a_package_cannot_be_changed),
		cmocka_unit_test(test_a_damaged_head_leads_nowhere),
		cmocka_unit_test(test_damaged_files_lead_nowhere),
		cmocka_unit_test(test_what_is_not_sealed_is_refused),
		cmocka_unit_test(test_numbers_that_do_not_fit_are_refused),
		cmocka_unit_test(test_an_error_of_the_text_is_told),
		cmocka_unit_test(test_a_route_that_stays_keeps_its_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
