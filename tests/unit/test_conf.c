/* objects: CONF_OBJS base/clock.o base/endpoint.o base/log.o coap/message.o coap/uri.o base/bytes.o translate/map_template.o coap/option.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/grammar.h"
#include "conf/members.h"
#include "conf/snapshot.h"
#include "conf/value.h"
#include "tests/unit/covers.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LISTENER "listeners: { coap: { url = \"coap://127.0.0.1\"; }; };\n"

static const char folder[] = "tests/data/conf";

/* The file's text from malloc, or NULL. */
static char *read_text(const char *name)
{
	char path[512];
	size_t size;
	FILE *f, *m;
	char *text;
	int c;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	m = open_memstream(&text, &size);
	while ((c = getc(f)) != EOF)
		putc(c, m);
	fclose(f);
	fclose(m);
	return text;
}

/* Loads a text; *errors and *printed (NULL if it did not load) are from malloc. */
static void load(const char *text, const char *name, char **errors, char **printed)
{
	size_t size;
	FILE *f = open_memstream(errors, &size);
	struct snapshot *s = conf_load_text(text, name, f);

	fclose(f);
	*printed = NULL;
	if (!s)
		return;
	f = open_memstream(printed, &size);
	snapshot_print(s, f);
	fclose(f);
	snapshot_release(s);
}

static void check_pair(const char *base, const char *in, const char *suffix)
{
	char *text = read_text(in), *wanted, *wanted_errors, *errors, *printed, name[300], *again, *none;
	bool bad = strcmp(suffix, ".bad.conf") == 0;

	snprintf(name, sizeof(name), "%s.errors", base);
	wanted_errors = read_text(name);
	snprintf(name, sizeof(name), "%s.out.conf", base);
	wanted = read_text(name);
	assert_non_null(text);
	load(text, in, &errors, &printed);
	assert_string_equal(errors, wanted_errors ? wanted_errors : "");
	if (bad) {
		assert_non_null(wanted_errors);
		assert_null(printed);
	} else {
		assert_non_null(wanted);
		assert_non_null(printed);
		assert_string_equal(printed, wanted);
		load(printed, in, &none, &again);
		assert_non_null(again);
		assert_string_equal(again, printed);
		free(none);
		free(again);
	}
	free(text);
	free(wanted);
	free(wanted_errors);
	free(errors);
	free(printed);
}

/* NAME.in.conf prints as NAME.out.conf and that as itself; NAME.bad.conf has the errors of NAME.errors, all in one run. */
static void check_golden(const char *suffix, size_t at_least)
{
	DIR *d = opendir(folder);
	const struct dirent *e;
	size_t seen = 0, len;
	char base[256];

	assert_non_null(d);
	while ((e = readdir(d))) {
		len = strlen(e->d_name);
		if (len <= strlen(suffix) || strcmp(e->d_name + len - strlen(suffix), suffix) != 0)
			continue;
		snprintf(base, sizeof(base), "%.*s", (int)(len - strlen(suffix)), e->d_name);
		check_pair(base, e->d_name, suffix);
		seen++;
	}
	closedir(d);
	assert_true(seen >= at_least);
}

static void test_golden_pairs(void **state)
{
	(void)state;
	check_golden(".in.conf", 4);
}

static void test_golden_errors(void **state)
{
	(void)state;
	covers("C7252-4.8-1 C8075-5.4.2-2 C8075-10-2"); /* ranges.bad.conf, templates.bad.conf, nobody.bad.conf */
	check_golden(".bad.conf", 12);
}

static void test_example(void **state)
{
	char *errors;
	size_t size;
	FILE *f = open_memstream(&errors, &size);
	struct snapshot *s = conf_load_file("proxy.conf.example", f);

	(void)state;
	fclose(f);
	assert_string_equal(errors, "");
	assert_non_null(s);
	assert_int_equal(s->listener_count, 2);
	assert_string_equal(s->routes[0].name, "demo");
	assert_int_equal(s->routes[0].to[0].address.port, 5700);
	snapshot_release(s);
	free(errors);
}

static struct snapshot *must_load(const char *text)
{
	struct snapshot *s = conf_load_text(text, "test", stderr);

	assert_non_null(s);
	return s;
}

static void test_defaults(void **state)
{
	struct snapshot *s = must_load(LISTENER "routes: { r: { to = [\"coap://h\"]; }; };");
	const struct settings *t = &s->settings;
	const struct route *r = &s->routes[0];

	(void)state;
	covers("C7252-4.8-1");
	assert_true(t->exchanges == 200000 && t->client_exchanges == 4096 && t->origin_exchanges == 8192);
	assert_true(t->observations == 50000 && t->client_observations == 1000 && t->origins == 65536 && t->clients == 262144);
	assert_true(t->token_length == 64 && t->dedup_memory == 128000000 && t->queue_memory == 256000000);
	assert_true(t->origin_window == 256 && t->origin_ports == 256 && t->dns_cache == 1024 && t->dns_timeout == 10000000);
	assert_true(t->ack_timeout == 2000000 && t->ack_random_factor_percent == 150 && t->max_retransmit == 4);
	assert_string_equal(t->resolv_conf, "/etc/resolv.conf");
	assert_true(t->separate_after == 1000000 && t->verified_for == 600000000 && t->overload_retry == 5000000);
	assert_true(t->unverified_rate == 10000 && t->receive_buffer == 4000000 && t->problem_details);
	assert_true(t->trusted_count == 8 && t->log_level == LOG_LEVEL_INFO);
	assert_string_equal(t->identity, "oscore-proxy");
	assert_true(*t->log_file == '\0' && *t->access_file == '\0' && t->log_kid == KID_HASHED);
	assert_true(t->workers == 0 && t->drain_timeout == 10000000 && t->watchdog == 10000000 && t->crossing_memory == 1000000);
	assert_string_equal(t->user, "oscore-proxy");
	assert_true(r->timeout == 93000000 && r->timeout_acknowledged == 247000000 && r->timeout_http == 452000000 && r->rest == 10000000);
	assert_true(r->hop_limit == 16 && r->echo && !r->confirmable && !r->strict_oscore_errors && r->access_log == ACCESS_NONE);
	assert_true(r->methods == 0 && r->listeners == 0 && !r->via && !r->deny && !r->require_oscore && !r->keep_host);
	snapshot_release(s);
}

static void test_fields(void **state)
{
	struct snapshot *s = must_load("listeners: { a: { url = \"coap://[fe80::1%lo]:1\"; }; b: { url = \"coap://0.0.0.0\"; }; };\n"
		"routes: { r: { from = [\"b\"]; to = [\"coap://[::1]/x/%41\", \"coap://Name.Example:9\"]; methods = [\"GET\", \"iPATCH\"];"
		" ports = \"1-2\"; paths = [\"/p/*/**\"]; oscore-errors = \"strict\"; choice = \"hash\"; };"
		" f: { forward-to = [\"coap://h:*\", \"coap://h\"]; via = \"coap://192.0.2.1:7\"; allow-networks = \"10.0.0.0/8\"; }; };");
	const struct route *r = &s->routes[0], *f = &s->routes[1];

	(void)state;
	assert_true(s->listeners[0].address.scope > 0 && s->listeners[0].address.port == 1 && !s->listeners[0].any);
	assert_true(s->listeners[1].any && s->listeners[1].address.port == 5683 && s->listeners[1].scheme == URI_COAP);
	assert_true(r->index == 0 && r->listeners == 2 && r->to_count == 2 && r->methods == (1u << 1 | 1u << 7));
	assert_true(r->to[0].literal && r->to[0].address.port == 5683 && endpoint_is_loopback(&r->to[0].address));
	assert_true(r->to[0].path_count == 2 && strcmp(r->to[0].path[0], "x") == 0 && strcmp(r->to[0].path[1], "A") == 0);
	assert_string_equal(r->to[1].host, "name.example");
	assert_true(!r->to[1].literal && r->to[1].port == 9 && r->ports_lo == 1 && r->ports_hi == 2);
	assert_true(r->paths[0].open && r->paths[0].count == 2 && !r->paths[0].segments[1]);
	assert_true(r->strict_oscore_errors && r->choice == ORIGINS_HASH);
	assert_true(f->index == 1 && f->forward_to[0].port == PORT_ANY && f->forward_to[1].port == 0);
	assert_true(f->via && f->via->address.port == 7 && f->allow_count == 1 && f->allow_networks[0].bits == 104);
	snapshot_release(s);
}

/* "auto" is no number of workers, and a number may stand in quotes. */
static void test_workers(void **state)
{
	static const struct {
		const char *written;
		int workers; /* -1: refused */
	} cases[] = {
		{"\"auto\"", 0}, {"1", 1}, {"64", 64}, {"\"7\"", 7}, {"0", -1}, {"65", -1}, {"-1", -1}, {"\"\"", -1}, {"\"Auto\"", -1},
		{"\"7x\"", -1}, {"\" 7\"", -1}, {"\"+7\"", -1}, {"\"-7\"", -1}, {"2.0", -1}, {"4294967297L", -1},
	};
	char text[200], *errors;
	struct snapshot *s;
	size_t size, i;
	FILE *f;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), LISTENER "process: { workers = %s; };", cases[i].written);
		f = open_memstream(&errors, &size);
		s = conf_load_text(text, "test", f);
		fclose(f);
		assert_int_equal(s ? (int)s->settings.workers : -1, cases[i].workers);
		assert_int_equal(size > 0, !s);
		snapshot_release(s);
		free(errors);
	}
}

static void test_fixed_differences(void **state)
{
	static const struct {
		const char *settings;
		const char *different; /* NULL: a reload may bring it */
	} cases[] = {
		{"", NULL},
		{"process: { workers = \"auto\"; user = \"oscore-proxy\"; crossing-memory = 1000000; };", NULL},
		{"process: { workers = 1; };", "process.workers"},
		{"process: { user = \"\"; };", "process.user"},
		{"reader: { user = \"\"; };", "reader.user"},
		{"reader: { queue = 7; }; contexts: { c: { keys = \"/x\"; }; }; feeds: { f: { file = \"/y\"; }; };", NULL},
		{"process: { crossing-memory = \"2MB\"; };", "process.crossing-memory"},
		{"limits: { dedup-memory = \"129MB\"; };", "limits.dedup-memory"},
		{"limits: { dedup-memory = \"129MB\"; }; process: { workers = 2; };", "limits.dedup-memory"},
		{"transports: { message-size = \"2kB\"; };", "transports.message-size"},
		{"transports: { connections = 7; sessions = 7; ciphers = \"PSK\"; mtu = 576; }; upstream: { psk-file = \"/x\"; return-ports = 7; };", NULL},
		{"process: { drain-timeout = \"1s\"; watchdog = \"1s\"; }; limits: { exchanges = 7; queue-memory = \"1MB\"; };", NULL},
		{"log: { level = \"debug\"; file = \"/x\"; kid = \"none\"; }; downstream: { identity = \"x\"; };", NULL},
		{"routes: { r: { deny = true; }; };", NULL},
	};
	struct snapshot *now = must_load(LISTENER), *next;
	const char *different;
	char text[300];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), LISTENER "%s", cases[i].settings);
		next = must_load(text);
		different = conf_fixed_difference(now, next);
		if (cases[i].different)
			assert_string_equal(different, cases[i].different);
		else
			assert_null(different);
		snapshot_release(next);
	}
	snapshot_release(now);
}

static void test_references(void **state)
{
	struct snapshot *s = must_load(LISTENER);

	(void)state;
	assert_ptr_equal(snapshot_keep(s), s);
	snapshot_release(s);
	assert_int_equal(s->listener_count, 1);
	snapshot_release(s);
	snapshot_release(NULL);
}

static void test_durations_and_sizes(void **state)
{
	static const struct {
		const char *text, *back;
		uint64_t value;
	} durations[] = {
		{"0s", "0s", 0}, {"1us", "1us", 1}, {"1000us", "1ms", 1000}, {"1500ms", "1500ms", 1500000}, {"60s", "1min", 60000000},
		{"93s", "93s", 93000000}, {"24h", "1d", 86400000000}, {"2 min", "2min", 120000000}, {"106751991d", "106751991d", 9223372022400000000u},
	}, sizes[] = {
		{"0B", "0B", 0}, {"1kB", "1kB", 1000}, {"1KiB", "1KiB", 1024}, {"4MB", "4MB", 4000000}, {"1GiB", "1GiB", 1 << 30}, {"999B", "999B", 999},
	};
	static const char *const wrong[] = {"", "1", "s", "1.5s", "-1s", "1 s ", "1S", "18446744073709551616s", "106751992d", "1sec", " 1s", "0x1s"};
	char text[VALUE_TEXT_MAX];
	uint64_t v;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(durations); i++) {
		assert_null(value_read_duration(durations[i].text, &v));
		assert_true(v == durations[i].value);
		assert_string_equal(value_write_duration(v, text), durations[i].back);
	}
	for (i = 0; i < COUNT(sizes); i++) {
		assert_null(value_read_size(sizes[i].text, &v));
		assert_true(v == sizes[i].value);
		assert_string_equal(value_write_size(v, text), sizes[i].back);
	}
	for (i = 0; i < COUNT(wrong); i++)
		assert_non_null(value_read_duration(wrong[i], &v));
}

static void test_factors_and_ports(void **state)
{
	static const char *const wrong_factors[] = {"", "x", "1.x", "1.555", "1e5", ".5", "1..2", "99999999"};
	static const char *const wrong_ports[] = {"", "0", "1-0", "2-1", "65536", "1-65536", "1-", "-1", "1-2-3", "all"};
	char text[VALUE_TEXT_MAX];
	uint32_t lo, hi;
	uint64_t v;
	size_t i;

	(void)state;
	assert_null(value_read_factor("1.5", &v));
	assert_string_equal(value_write_factor(v, text), "1.50");
	assert_null(value_read_factor("2.25000", &v));
	assert_int_equal(v, 225);
	for (i = 0; i < COUNT(wrong_factors); i++)
		assert_non_null(value_read_factor(wrong_factors[i], &v));
	assert_null(value_read_ports("any", &lo, &hi));
	assert_string_equal(value_write_ports(lo, hi, text), "any");
	assert_null(value_read_ports("7-7", &lo, &hi));
	assert_string_equal(value_write_ports(lo, hi, text), "7");
	assert_null(value_read_ports("7-65535", &lo, &hi));
	assert_string_equal(value_write_ports(lo, hi, text), "7-65535");
	for (i = 0; i < COUNT(wrong_ports); i++)
		assert_non_null(value_read_ports(wrong_ports[i], &lo, &hi));
}

static void test_nearest_names(void **state)
{
	char word[CONF_WORD_MAX];

	(void)state;
	assert_string_equal(conf_row_nearest(GROUP_UPSTREAM, "ack-timout"), "ack-timeout");
	assert_string_equal(conf_row_nearest(GROUP_ROUTES, "forward_to"), "forward-to");
	assert_null(conf_row_nearest(GROUP_LOG, "something-else"));
	assert_string_equal(conf_group_nearest("route"), "routes");
	assert_string_equal(conf_word_nearest("one two three", "tree", word), "three");
	assert_null(conf_word_nearest("one two three", "seventeen", word));
	assert_null(conf_word_nearest("", "x", word));
	assert_int_equal(conf_word_index("GET POST", "POST"), 1);
	assert_int_equal(conf_word_index("GET POST", "POS"), -1);
	assert_string_equal(conf_word_at("GET POST", 2, word), "");
}

static void test_members(void **state)
{
	static const char *const untouched[] = {
		"", "b: { x: { }; };", "a = 1;", "a: { x = 1; };", "a: { x: { };", "a: { x: { ] };", "a: { : { }; };", "a: { x { }; };",
		"a: { x: { }; }; a: { y: { }; };", "b: { a: { x: { }; }; };", "a: \"{", "# a: { x: { }; };", "/* a: { x: { }; };",
	};
	struct arena arena = {NULL};
	struct members m;
	char text[200];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(untouched); i++) {
		snprintf(text, sizeof(text), "%s", untouched[i]);
		assert_false(members_take(&arena, text, "a", &m));
		assert_string_equal(text, untouched[i]);
		assert_int_equal(m.count, 0);
	}
	snprintf(text, sizeof(text), "b = \"a: {\"; // a: {\na = { # {\n first: { s = \"}\\\"\"; }\n/* } */ second = { }; ,};");
	assert_true(members_take(&arena, text, "a", &m));
	assert_string_equal(text, "b = \"a: {\"; // a: {\na = ( # {\n        { s = \"}\\\"\"; }\n/* } */ ,        { }   );");
	assert_int_equal(m.count, 2);
	assert_string_equal(m.all[0].name, "first");
	assert_int_equal(m.all[0].line, 3);
	assert_string_equal(m.all[1].name, "second");
	assert_int_equal(m.all[1].line, 4);
	arena_fini(&arena);
}

/* libconfig alone looks through all names for each name; here it sees none. */
static void test_many_routes(void **state)
{
	struct snapshot *s;
	size_t size;
	char *text;
	FILE *f = open_memstream(&text, &size);
	int i;

	(void)state;
	fputs(LISTENER "routes: {\n", f);
	for (i = 0; i < 10000; i++)
		fprintf(f, "\troute-%d: { hosts = [\"device-%d.example\"]; to = [\"coap://10.0.%d.%d\"]; };\n", i, i, i / 250, i % 250);
	fputs("};\n", f);
	fclose(f);
	s = must_load(text);
	assert_int_equal(s->route_count, 10000);
	assert_string_equal(s->routes[9999].name, "route-9999");
	snapshot_release(s);
	free(text);
}

static void check_refused(const char *path, const char *wanted)
{
	char *errors;
	size_t size;
	FILE *f = open_memstream(&errors, &size);

	assert_null(conf_load_file(path, f));
	fclose(f);
	if (!strstr(errors, wanted))
		fail_msg("%s: %s", path, errors);
	free(errors);
}

static void test_files_that_are_none(void **state)
{
	int fd = memfd_create("configuration", 0);
	char path[64];

	(void)state;
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(write(fd, "log: { };\0", 10), 10);
	check_refused(path, "zero byte");
	close(fd);
	check_refused("tests/data/conf/no-such-file", "No such file");
	check_refused("tests/data/conf", "directory");
}

static void test_limits(void **state)
{
	char *text, *errors, *printed;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int i;

	(void)state;
	fputs("listeners: {\n", f);
	for (i = 0; i <= CONF_LISTENERS_MAX; i++)
		fprintf(f, "l%d: { url = \"coap://127.0.1.%d\"; };\n", i, i);
	fputs("};\nroutes: { r: { clients = [", f);
	for (i = 0; i <= CONF_TARGETS_MAX; i++)
		fputs(i > 0 ? ", \"10.0.0.1\"" : "\"10.0.0.1\"", f);
	fputs("]; }; };\n", f);
	fclose(f);
	load(text, "test", &errors, &printed);
	assert_null(printed);
	assert_non_null(strstr(errors, "test:1: listeners: are more than 64\n"));
	assert_non_null(strstr(errors, "routes.r.clients: has more than 64 elements\n"));
	free(text);
	free(errors);
}

static void test_manual_names_every_setting(void **state)
{
	char line[100], *text;
	const char *at;
	size_t size, i, fixed = 0;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	covers("C7252-4.8-2");
	conf_print_manual(f);
	fclose(f);
	for (i = 0; i < conf_row_count; i++) {
		snprintf(line, sizeof(line), ".It Cm %s Ar ", conf_rows[i].name);
		assert_non_null(strstr(text, line));
		assert_true(strlen(conf_rows[i].doc) > 10);
		fixed += conf_rows[i].fixed;
	}
	assert_int_equal(fixed, 6);
	for (at = text; (at = strstr(at, "\nFixed until restart.\n")); at++)
		fixed--;
	assert_int_equal(fixed, 0);
	assert_non_null(strstr(text, ".It Cm workers Ar number\n"));
	assert_non_null(strstr(text, "\nFrom 1 to 64, or \"auto\".\nDefault: auto.\nFixed until restart.\n"));
	assert_non_null(strstr(text, "these must be known to the origins as well (RFC 7252 4.8.1)"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_pairs), cmocka_unit_test(test_golden_errors), cmocka_unit_test(test_example),
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_fields), cmocka_unit_test(test_workers), cmocka_unit_test(test_fixed_differences), cmocka_unit_test(test_references),
		cmocka_unit_test(test_durations_and_sizes), cmocka_unit_test(test_factors_and_ports), cmocka_unit_test(test_nearest_names),
		cmocka_unit_test(test_members), cmocka_unit_test(test_many_routes), cmocka_unit_test(test_files_that_are_none),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_manual_names_every_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
