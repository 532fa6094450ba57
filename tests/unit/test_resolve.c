/* objects: proxy/exchange/resolve.o proxy/exchange/resolve_dns.o proxy/exchange/resolve_texts.o base/hash.o base/random_seeded.o base/endpoint.o base/log.o base/clock_steered.o base/bytes.o tests/unit/name_server.o tests/unit/resolve_world.o */
/* libs: -levent_core -levent_extra */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/resolve_world.h"

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
			assert_int_equal(ask_and_wait(&w, &a, rows[i].name), rows[i].result);
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
	struct asker a = { .waiter.done = asker_done };

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
	assert_int_equal(ask_and_wait(&w, &other, "both.example"), RESOLVE_OK);
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
		enum resolve_result result = ask_and_wait(&w, &a, rows[i].name);

		pass(rows[i].kept * CLOCK_SECOND);
		assert_int_equal(ask(&w, &a, rows[i].name), result);
		assert_int_equal(asked(&w, rows[i].question), 1);
		pass((rows[i].gone - rows[i].kept) * CLOCK_SECOND);
		assert_int_equal(ask_and_wait(&w, &a, rows[i].name), result);
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
	ask_and_wait(&w, &a, "both.example");
	ask_and_wait(&w, &a, "four.example");
	ask_and_wait(&w, &a, "six.example");
	assert_int_equal(ask(&w, &a, "both.example"), RESOLVE_OK); /* used: now four.example is the oldest */
	ask_and_wait(&w, &a, "none.example");
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
	assert_int_equal(ask_and_wait(&w, &a, "silent.example"), RESOLVE_TIMEOUT);
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
	assert_int_equal(ask_and_wait(&w, &a, "deaf6.example"), RESOLVE_OK);
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
	assert_int_equal(ask_and_wait(&w, &a, "device"), RESOLVE_OK);
	assert_addresses(&a, "10.0.3.1");
	assert_int_equal(ask_and_wait(&w, &a, "plant"), RESOLVE_OK); /* in no domain of the list: as it is, at last */
	assert_addresses(&a, "10.0.2.1");
	assert_int_equal(asked(&w, "plant.lab.example A"), 1);
	assert_int_equal(asked(&w, "plant.other.example A"), 1);
	/* a name with a dot is never completed */
	assert_int_equal(ask_and_wait(&w, &a, "unknown.example"), RESOLVE_FAILED);
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
	world_close(&w);
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
	static const struct resolve_files rows[] = {
		{ NULL, 0, NULL, 0 }, { "", 0, "", 0 }, { "search a.example\n", 17, "", 0 }, { "nameserver nonsense\n", 20, "", 0 },
	};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct settings settings = { .dns_cache = 10, .dns_timeout = 3000 * MS, .resolv_conf = (char *)(uintptr_t)"resolv.conf" };
		struct world w = { .base = event_base_new() };
		struct asker a = { 0 };

		w.resolver = resolver_create(w.base, &settings, &rows[i]);
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
