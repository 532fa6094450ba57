/* objects: proxy/exchange/resolve.o base/hash.o base/random_seeded.o base/endpoint.o base/log.o base/clock_steered.o base/bytes.o tests/unit/name_server.o */
/* libs: -levent_core -levent_extra */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "base/clock.h"
#include "proxy/exchange/resolve.h"
#include "tests/unit/name_server.h"

#define MS UINT64_C(1000)

struct world {
	struct event_base *base;
	struct name_server server;
	char conf[64], hosts[64];
	int conf_fd, hosts_fd;
	struct settings settings;
	struct resolver *resolver;
};

/* A file in memory and a path to it; returns its descriptor. */
static int file_make(char *path, size_t size, const char *text)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, size, "/proc/self/fd/%d", fd);
	return fd;
}

static void world_open(struct world *w, unsigned cache, uint64_t timeout, const char *search)
{
	char text[256];

	memset(w, 0, sizeof(*w));
	w->base = event_base_new();
	snprintf(text, sizeof(text), "nameserver 127.0.0.1:%u\n%s", name_server_open(&w->server, w->base), search);
	w->conf_fd = file_make(w->conf, sizeof(w->conf), text);
	w->hosts_fd = file_make(w->hosts, sizeof(w->hosts),
		"# comment\n10.9.0.1 Printer printer.lab  # both\nfd00::9\tprinter\nnonsense x\n10.9.0.2 printer\n\n");
	w->settings.dns_cache = cache;
	w->settings.dns_timeout = timeout;
	w->settings.resolv_conf = w->conf;
	w->resolver = resolver_create(w->base, &w->settings);
	assert_non_null(w->resolver);
	resolver_load_hosts(w->resolver, w->hosts);
}

static void world_close(struct world *w)
{
	resolver_destroy(w->resolver);
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	name_server_close(&w->server);
	event_base_free(w->base);
	close(w->conf_fd);
	close(w->hosts_fd);
}

/* ---- what asks ---- */

struct asker {
	struct resolve_waiter waiter;
	struct world *world;
	unsigned calls;
	enum resolve_result result;
	size_t count;
	struct endpoint addresses[RESOLVE_ADDRESSES_MAX];
	void (*then)(struct asker *a);
	unsigned turn; /* the how manieth call of all */
};

static unsigned turns;

static void on_done(struct resolve_waiter *waiter, enum resolve_result result, const struct endpoint *addresses, size_t count)
{
	struct asker *a = (struct asker *)(void *)waiter;

	assert_null(waiter->link);
	a->calls++;
	a->turn = ++turns;
	a->result = result;
	a->count = count;
	assert_true(count <= RESOLVE_ADDRESSES_MAX);
	memcpy(a->addresses, addresses, count * sizeof(*addresses));
	if (a->then != NULL)
		a->then(a);
}

static enum resolve_result ask(struct world *w, struct asker *a, const char *name)
{
	enum resolve_result result;

	*a = (struct asker){ .waiter.done = on_done, .world = w, .then = a->then };
	result = resolve_name(w->resolver, name, strlen(name), a->addresses, &a->count, &a->waiter);
	assert_int_equal(a->calls, 0); /* never before it returns */
	assert_int_equal(a->waiter.link != NULL, result == RESOLVE_PENDING);
	return result;
}

static void wait_for(struct world *w, const struct asker *a)
{
	struct timeval limit = { 5, 0 };

	event_base_loopexit(w->base, &limit);
	while (a->calls == 0 && !event_base_got_exit(w->base))
		assert_true(event_base_loop(w->base, EVLOOP_ONCE) >= 0);
	assert_int_equal(a->calls, 1);
}

/* Asks and waits if need be; returns the result. */
static enum resolve_result resolve(struct world *w, struct asker *a, const char *name)
{
	enum resolve_result result;

	a->then = NULL;
	result = ask(w, a, name);
	if (result != RESOLVE_PENDING)
		return result;
	wait_for(w, a);
	return a->result;
}

static void assert_addresses(const struct asker *a, const char *expected)
{
	char text[512] = "", one[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->addresses[i].port, 0);
		assert_int_equal(a->addresses[i].scope, 0);
		strcat(strcat(text, i > 0 ? " " : ""), endpoint_format_address(&a->addresses[i], one));
	}
	assert_string_equal(text, expected);
}

static unsigned asked(const struct world *w, const char *question)
{
	return name_server_count(&w->server, question);
}

static void pass(uint64_t microseconds)
{
	clock_steer(clock_now() + microseconds);
}

static uint64_t real_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- tests ---- */

static void test_answers(void **state)
{
	static const struct {
		const char *name;
		enum resolve_result result;
		const char *addresses;
	} rows[] = {
		{ "both.example", RESOLVE_OK, "fd00::1 10.0.0.1 10.0.0.2" },
		{ "both.example.", RESOLVE_OK, "fd00::1 10.0.0.1 10.0.0.2" },
		{ "four.example", RESOLVE_OK, "10.0.0.4" },
		{ "six.example", RESOLVE_OK, "fd00::6" },
		{ "none.example", RESOLVE_FAILED, "" },
		{ "unknown.example", RESOLVE_FAILED, "" },
		{ "many.example", RESOLVE_OK, "fd00::1 fd00::2 fd00::3 fd00::4 fd00::5 fd00::6 10.0.1.1 10.0.1.2" },
		{ "loop.example", RESOLVE_OK, "127.0.0.1" }, /* what it means is for policy to say */
	};
	struct world w;
	struct asker a;

	(void)state;
	world_open(&w, 100, 3000 * MS, "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int again = 0; again < 2; again++) { /* from the server, then from the cache */
			assert_int_equal(resolve(&w, &a, rows[i].name), rows[i].result);
			assert_addresses(&a, rows[i].addresses);
		}
	}
	assert_int_equal(asked(&w, "both.example A"), 1);
	assert_int_equal(asked(&w, "both.example AAAA"), 1);
	assert_int_equal(asked(&w, "unknown.example A"), 1);
	world_close(&w);
}

static void test_names_that_are_not_asked_for(void **state)
{
	static const char long_label[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"; /* 64 */
	static const struct {
		const char *name;
		size_t len;
	} rows[] = {
		{ "", 0 }, { ".", 1 }, { "..", 2 }, { ".a", 2 }, { "a..b", 4 }, { "a b", 3 }, { "a\0b", 3 }, { "a%20b", 5 }, { "a/b", 3 },
		{ "\xc3\xa4.example", 10 }, { "UPPER.example", 13 }, { long_label, sizeof(long_label) - 1 },
	};
	char text[300];
	struct world w;
	struct asker a = { .waiter.done = on_done };

	(void)state;
	world_open(&w, 100, 3000 * MS, "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(resolve_name(w.resolver, rows[i].name, rows[i].len, a.addresses, &a.count, &a.waiter), RESOLVE_FAILED);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '.' : 'a';
	assert_int_equal(resolve_name(w.resolver, text, 255, a.addresses, &a.count, &a.waiter), RESOLVE_FAILED);
	assert_int_equal(resolve_name(w.resolver, text, 299, a.addresses, &a.count, &a.waiter), RESOLVE_FAILED);
	event_base_loop(w.base, EVLOOP_NONBLOCK);
	assert_int_equal(w.server.asked_count, 0);
	/* the longest name there is, is asked for */
	assert_int_equal(resolve_name(w.resolver, text, 253, a.addresses, &a.count, &a.waiter), RESOLVE_PENDING);
	wait_for(&w, &a);
	assert_int_equal(w.server.asked_count, 2);
	world_close(&w);
}

static void test_one_query_for_all_waiters(void **state)
{
	struct asker a[5] = { 0 };
	struct world w;

	(void)state;
	world_open(&w, 100, 3000 * MS, "");
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(ask(&w, &a[i], "both.example"), RESOLVE_PENDING);
	resolve_cancel(&a[1].waiter);
	resolve_cancel(&a[1].waiter);
	assert_null(a[1].waiter.link);
	resolve_cancel(&a[4].waiter);
	wait_for(&w, &a[0]);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(a[i].calls, i != 1 && i != 4);
		if (a[i].calls) {
			assert_int_equal(a[i].result, RESOLVE_OK);
			assert_addresses(&a[i], "fd00::1 10.0.0.1 10.0.0.2");
		}
	}
	assert_true(a[0].turn < a[2].turn && a[2].turn < a[3].turn); /* who asked first goes first */
	assert_int_equal(asked(&w, "both.example A"), 1);
	assert_int_equal(asked(&w, "both.example AAAA"), 1);
	world_close(&w);
}

/* A name whose waiters all left is still answered, into the cache. */
static void test_all_waiters_leave(void **state)
{
	struct asker a = { 0 }, other;
	struct world w;

	(void)state;
	world_open(&w, 100, 3000 * MS, "");
	assert_int_equal(ask(&w, &a, "four.example"), RESOLVE_PENDING);
	resolve_cancel(&a.waiter);
	assert_int_equal(resolve(&w, &other, "both.example"), RESOLVE_OK);
	assert_int_equal(ask(&w, &other, "four.example"), RESOLVE_OK);
	assert_int_equal(a.calls, 0);
	world_close(&w);
}

static struct asker chained[3];

static void ask_again(struct asker *a)
{
	resolve_cancel(&chained[1].waiter); /* another waiter of the same name */
	chained[2].then = NULL;
	assert_int_equal(ask(a->world, &chained[2], "both.example"), a->world->settings.dns_cache > 0 ? RESOLVE_OK : RESOLVE_PENDING);
}

static void test_a_waiter_may_ask_and_cancel(void **state)
{
	(void)state;
	for (unsigned cache = 0; cache < 2; cache++) {
		struct world w;

		world_open(&w, cache, 3000 * MS, "");
		chained[0].then = ask_again;
		chained[1].then = NULL;
		ask(&w, &chained[0], "both.example");
		ask(&w, &chained[1], "both.example");
		wait_for(&w, &chained[0]);
		if (cache == 0)
			wait_for(&w, &chained[2]);
		assert_addresses(&chained[2], "fd00::1 10.0.0.1 10.0.0.2");
		assert_int_equal(chained[1].calls, 0);
		world_close(&w);
	}
}

static void test_time_to_live(void **state)
{
	static const struct {
		const char *name, *question;
		uint64_t kept, gone; /* seconds */
	} rows[] = {
		{ "both.example", "both.example A", 29, 30 },      /* the shorter of both */
		{ "four.example", "four.example A", 59, 60 },
		{ "zero.example", "zero.example A", 0, 1 },        /* at least 1 s */
		{ "long.example", "long.example A", 3599, 3600 },  /* at most 1 h */
		{ "unknown.example", "unknown.example A", 4, 5 },  /* failures */
	};
	struct world w;
	struct asker a;

	(void)state;
	world_open(&w, 100, 3000 * MS, "");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum resolve_result result = resolve(&w, &a, rows[i].name);

		pass(rows[i].kept * CLOCK_SECOND);
		assert_int_equal(ask(&w, &a, rows[i].name), result);
		assert_int_equal(asked(&w, rows[i].question), 1);
		pass((rows[i].gone - rows[i].kept) * CLOCK_SECOND);
		assert_int_equal(resolve(&w, &a, rows[i].name), result);
		assert_int_equal(asked(&w, rows[i].question), 2);
	}
	world_close(&w);
}

static void test_the_least_recently_used_goes(void **state)
{
	struct world w;
	struct asker a = { 0 };

	(void)state;
	world_open(&w, 3, 3000 * MS, "");
	resolve(&w, &a, "both.example");
	resolve(&w, &a, "four.example");
	resolve(&w, &a, "six.example");
	assert_int_equal(ask(&w, &a, "both.example"), RESOLVE_OK); /* used: now four.example is the oldest */
	resolve(&w, &a, "none.example");
	assert_int_equal(ask(&w, &a, "both.example"), RESOLVE_OK);
	assert_int_equal(ask(&w, &a, "six.example"), RESOLVE_OK);
	assert_int_equal(ask(&w, &a, "none.example"), RESOLVE_FAILED);
	assert_int_equal(ask(&w, &a, "four.example"), RESOLVE_PENDING);
	resolve_cancel(&a.waiter);
	world_close(&w);
}

static void test_a_silent_server(void **state)
{
	struct world w;
	struct asker a;
	uint64_t began;

	(void)state;
	world_open(&w, 100, 400 * MS, "");
	began = real_now();
	assert_int_equal(resolve(&w, &a, "silent.example"), RESOLVE_TIMEOUT);
	assert_in_range(real_now() - began, 300 * MS, 900 * MS);
	assert_in_range(asked(&w, "silent.example A"), 2, 3); /* asked again inside the time allowed */
	/* remembered for a short while, as failures are */
	assert_int_equal(ask(&w, &a, "silent.example"), RESOLVE_TIMEOUT);
	pass(5 * CLOCK_SECOND);
	a.then = NULL;
	assert_int_equal(ask(&w, &a, "silent.example"), RESOLVE_PENDING);
	resolve_cancel(&a.waiter);
	world_close(&w);
}

/* Addresses of one family do not wait long for those of the other, and are asked for again soon. */
static void test_one_family_is_silent(void **state)
{
	struct world w;
	struct asker a;
	uint64_t began;

	(void)state;
	world_open(&w, 100, 4500 * MS, "");
	began = real_now();
	assert_int_equal(resolve(&w, &a, "deaf6.example"), RESOLVE_OK);
	assert_in_range(real_now() - began, 1900 * MS, 3000 * MS);
	assert_addresses(&a, "10.0.0.6");
	pass(4 * CLOCK_SECOND);
	assert_int_equal(ask(&w, &a, "deaf6.example"), RESOLVE_OK);
	pass(1 * CLOCK_SECOND);
	a.then = NULL;
	assert_int_equal(ask(&w, &a, "deaf6.example"), RESOLVE_PENDING);
	resolve_cancel(&a.waiter);
	world_close(&w);
}

static void test_too_many_names(void **state)
{
	static struct asker a[300];
	unsigned pending = 0;
	struct world w;
	char name[32];

	(void)state;
	world_open(&w, 1000, 3000 * MS, "");
	for (unsigned i = 0; i < 300; i++) {
		enum resolve_result result;

		snprintf(name, sizeof(name), "n%u.example", i);
		result = ask(&w, &a[i], name);
		assert_true(result == RESOLVE_PENDING || result == RESOLVE_FULL);
		pending += result == RESOLVE_PENDING;
	}
	assert_int_equal(pending, 256);
	/* one that is under way is joined all the same; one that is known is answered */
	assert_int_equal(ask(&w, &a[299], "n0.example"), RESOLVE_PENDING);
	assert_int_equal(ask(&w, &a[298], "printer"), RESOLVE_OK);
	wait_for(&w, &a[255]);
	assert_int_equal(a[299].calls, 1);
	assert_int_equal(ask(&w, &a[297], "both.example"), RESOLVE_PENDING);
	wait_for(&w, &a[297]);
	world_close(&w);
}

static void test_search_list(void **state)
{
	struct world w;
	struct asker a;

	(void)state;
	world_open(&w, 100, 3000 * MS, "search lab.example other.example\n");
	assert_int_equal(resolve(&w, &a, "device"), RESOLVE_OK);
	assert_addresses(&a, "10.0.3.1");
	assert_int_equal(resolve(&w, &a, "plant"), RESOLVE_OK); /* in no domain of the list: as it is, at last */
	assert_addresses(&a, "10.0.2.1");
	assert_int_equal(asked(&w, "plant.lab.example A"), 1);
	assert_int_equal(asked(&w, "plant.other.example A"), 1);
	/* a name with a dot is never completed */
	assert_int_equal(resolve(&w, &a, "unknown.example"), RESOLVE_FAILED);
	assert_int_equal(asked(&w, "unknown.example.lab.example A"), 0);
	assert_int_equal(asked(&w, "unknown.example A"), 1);
	world_close(&w);
}

static void test_hosts_file(void **state)
{
	struct world w;
	struct asker a = { 0 };

	(void)state;
	world_open(&w, 0, 3000 * MS, "");
	assert_int_equal(ask(&w, &a, "printer"), RESOLVE_OK);
	assert_addresses(&a, "fd00::9 10.9.0.1 10.9.0.2");
	pass(86400 * CLOCK_SECOND);
	assert_int_equal(ask(&w, &a, "printer.lab"), RESOLVE_OK);
	assert_addresses(&a, "10.9.0.1");
	assert_int_equal(w.server.asked_count, 0);
	resolver_load_hosts(w.resolver, "/nonexistent/hosts");
	world_close(&w);
}

static void assert_loopback(struct world *w, const char *name)
{
	struct asker a = { 0 };

	assert_int_equal(ask(w, &a, name), RESOLVE_OK);
	assert_true(a.count > 0);
	for (size_t i = 0; i < a.count; i++)
		assert_true(endpoint_is_loopback(&a.addresses[i]));
}

static void test_localhost_stays_here(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, 100, 3000 * MS, "");
	assert_loopback(&w, "localhost");
	assert_loopback(&w, "localhost.");
	assert_loopback(&w, "evil.localhost");
	assert_int_equal(w.server.asked_count, 0);
	world_close(&w);
}

static void test_no_servers(void **state)
{
	static const char *const files[] = { "/nonexistent/resolv.conf", "/dev/null" };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct settings settings = { .dns_cache = 10, .dns_timeout = 3000 * MS, .resolv_conf = (char *)(uintptr_t)files[i] };
		struct world w = { .base = event_base_new() };
		struct asker a = { 0 };

		w.resolver = resolver_create(w.base, &settings);
		assert_non_null(w.resolver);
		assert_int_equal(ask(&w, &a, "both.example"), RESOLVE_FAILED);
		assert_int_equal(ask(&w, &a, "plant"), RESOLVE_FAILED);
		assert_loopback(&w, "localhost");
		resolver_destroy(w.resolver);
		event_base_free(w.base);
	}
}

/* Ends with queries under way and waiters on lists. */
static void test_destroyed_under_way(void **state)
{
	struct asker a = { 0 }, b = { 0 };
	struct world w;

	(void)state;
	world_open(&w, 100, 3000 * MS, "");
	ask(&w, &a, "silent.example");
	ask(&w, &b, "both.example");
	world_close(&w);
	assert_int_equal(a.calls + b.calls, 0);
	assert_null(a.waiter.link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_names_that_are_not_asked_for),
		cmocka_unit_test(test_one_query_for_all_waiters),
		cmocka_unit_test(test_all_waiters_leave),
		cmocka_unit_test(test_a_waiter_may_ask_and_cancel),
		cmocka_unit_test(test_time_to_live),
		cmocka_unit_test(test_the_least_recently_used_goes),
		cmocka_unit_test(test_a_silent_server),
		cmocka_unit_test(test_one_family_is_silent),
		cmocka_unit_test(test_too_many_names),
		cmocka_unit_test(test_search_list),
		cmocka_unit_test(test_hosts_file),
		cmocka_unit_test(test_localhost_stays_here),
		cmocka_unit_test(test_no_servers),
		cmocka_unit_test(test_destroyed_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
