/* objects: proxy/exchange/resolve.o proxy/exchange/resolve_dns.o proxy/exchange/resolve_texts.o base/hash.o base/random_seeded.o base/endpoint.o base/log.o base/clock_steered.o base/bytes.o tests/unit/name_server.o tests/unit/resolve_world.o */
/* libs: -levent_core -levent_extra */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/resolve_world.h"

static void test_update_without_a_change(void **state)
{
	struct world w;
	struct asker a = { 0 };
	unsigned asked_before;

	(void)state;
	world_open(&w, 100, 3000 * MS, "search lab.example\n");
	ask_and_wait(&w, &a, "both.example");
	assert_int_equal(ask(&w, &a, "four.example"), RESOLVE_PENDING);
	asked_before = w.server.asked_count;
	world_update(&w, w.port, "search lab.example\n", hosts_text);
	wait_for(&w, &a);
	assert_int_equal(a.result, RESOLVE_OK);
	assert_int_equal(w.server.asked_count, asked_before + 2); /* and not once more */
	assert_int_equal(ask(&w, &a, "both.example"), RESOLVE_OK);
	pass(10 * CLOCK_SECOND);
	assert_int_equal(ask(&w, &a, "four.example"), RESOLVE_OK); /* kept for its time */
	assert_int_equal(ask(&w, &a, "printer"), RESOLVE_OK);
	world_close(&w);
}

static void test_update_to_another_server(void **state)
{
	struct asker a = { 0 }, b = { 0 }, cached;
	struct world w;
	unsigned count;

	(void)state;
	world_open(&w, 100, 3000 * MS, "");
	ask_and_wait(&w, &cached, "six.example");
	w.server.silent = true;
	assert_int_equal(ask(&w, &a, "both.example"), RESOLVE_PENDING);
	assert_int_equal(ask(&w, &b, "both.example"), RESOLVE_PENDING);
	while (asked(&w, "both.example A") == 0 || asked(&w, "both.example AAAA") == 0)
		event_base_loop(w.base, EVLOOP_ONCE);
	count = w.server.asked_count;
	world_update(&w, w.other_port, "", hosts_text);
	wait_for(&w, &a); /* what is under way goes on there */
	assert_int_equal(a.result, RESOLVE_OK);
	assert_addresses(&a, "fd00::1 10.0.0.1 10.0.0.2");
	assert_int_equal(b.calls, 1);
	assert_int_equal(name_server_count(&w.other, "both.example A"), 1);
	assert_int_equal(ask_and_wait(&w, &cached, "six.example"), RESOLVE_OK); /* dropped, asked anew */
	assert_true(name_server_count(&w.other, "six.example AAAA") > 0);
	assert_int_equal(w.server.asked_count, count);
	/* part of what was under way could be from the old server */
	pass(4 * CLOCK_SECOND);
	assert_int_equal(ask(&w, &a, "both.example"), RESOLVE_OK);
	pass(1 * CLOCK_SECOND);
	assert_int_equal(ask_and_wait(&w, &a, "both.example"), RESOLVE_OK);
	assert_int_equal(name_server_count(&w.other, "both.example A"), 2);
	pass(10 * CLOCK_SECOND);
	assert_int_equal(ask(&w, &a, "both.example"), RESOLVE_OK); /* that one is kept for its time */
	world_close(&w);
}

/* As many names as there may be, while the servers change again and again. */
static void test_update_under_load(void **state)
{
	static struct asker a[256];
	struct world w;
	char name[32];

	(void)state;
	memset(a, 0, sizeof(a));
	world_open(&w, 1000, 3000 * MS, "search lab.example\n");
	w.server.silent = true;
	for (unsigned i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), i % 2 ? "n%u" : "n%u.example", i);
		assert_int_equal(ask(&w, &a[i], name), RESOLVE_PENDING);
	}
	for (unsigned i = 0; i < 10; i++) {
		event_base_loop(w.base, EVLOOP_NONBLOCK);
		if (i % 3 == 0)
			resolve_cancel(&a[i].waiter);
		world_update(&w, i % 2 ? w.port : 0, i % 3 ? "search lab.example\n" : "search x.example y.example z.example\n", hosts_text);
	}
	world_update(&w, w.other_port, "", hosts_text);
	wait_for(&w, &a[255]);
	for (unsigned i = 10; i < 256; i++) {
		if (a[i].calls == 0)
			wait_for(&w, &a[i]);
		assert_int_equal(a[i].result, RESOLVE_FAILED); /* by the answer that no such name is there */
	}
	assert_int_equal(a[0].calls, 0);
	assert_int_equal(a[1].result, RESOLVE_FAILED);
	assert_true(name_server_count(&w.other, "n255.lab.example A") == 1); /* with the list it began with */
	assert_int_equal(name_server_count(&w.other, "n255.x.example A"), 0);
	world_close(&w);
}

static void test_update_to_no_server_and_back(void **state)
{
	struct world w;
	struct asker a = { 0 }, b = { 0 }, c = { 0 };
	uint64_t began;

	(void)state;
	world_open(&w, 100, 500 * MS, "");
	w.server.silent = true;
	ask(&w, &a, "both.example");
	world_update(&w, 0, "", hosts_text);
	assert_int_equal(ask(&w, &b, "four.example"), RESOLVE_FAILED);
	began = real_now();
	wait_for(&w, &a);
	assert_int_equal(a.result, RESOLVE_TIMEOUT);
	assert_in_range(real_now() - began, 300 * MS, 1500 * MS);
	w.server.silent = false;
	ask(&w, &c, "plant");
	world_update(&w, w.port, "", hosts_text);
	assert_int_equal(ask_and_wait(&w, &b, "four.example"), RESOLVE_OK);
	assert_int_equal(ask_and_wait(&w, &b, "both.example"), RESOLVE_OK);
	/* and one that was asked while there was none at its end */
	w.server.silent = true;
	ask(&w, &a, "six.example");
	world_update(&w, 0, "", hosts_text);
	world_update(&w, w.other_port, "", hosts_text);
	wait_for(&w, &a);
	assert_int_equal(a.result, RESOLVE_OK);
	world_close(&w);
}

static void test_update_of_the_search_list(void **state)
{
	struct world w;
	struct asker a = { 0 };
	unsigned before;

	(void)state;
	world_open(&w, 100, 3000 * MS, "search other.example\n");
	assert_int_equal(ask_and_wait(&w, &a, "device"), RESOLVE_FAILED);
	assert_int_equal(ask(&w, &a, "plant"), RESOLVE_PENDING);
	world_update(&w, w.port, "search none.example lab.example\noptions timeout:30 attempts:9\n", hosts_text);
	wait_for(&w, &a); /* the server is the same, and its answer is taken */
	assert_int_equal(a.result, RESOLVE_OK);
	assert_int_equal(asked(&w, "plant.other.example A"), 1);
	assert_int_equal(asked(&w, "plant.lab.example A"), 0);
	assert_int_equal(ask_and_wait(&w, &a, "device"), RESOLVE_OK);
	assert_addresses(&a, "10.0.3.1");
	assert_int_equal(asked(&w, "device.none.example A"), 1);
	/* ndots:0 asks for the name itself first */
	before = asked(&w, "device A");
	assert_int_equal(asked(&w, "device.lab.example A"), 1);
	world_update(&w, w.port, "options ndots:0\nsearch lab.example\n", hosts_text);
	assert_int_equal(ask_and_wait(&w, &a, "device"), RESOLVE_OK);
	assert_int_equal(asked(&w, "device A"), before + 1);
	assert_int_equal(asked(&w, "device.lab.example A"), 2);
	world_update(&w, w.port, "", hosts_text);
	assert_int_equal(ask_and_wait(&w, &a, "device"), RESOLVE_FAILED);
	world_close(&w);
}

static void test_update_of_the_hosts_file(void **state)
{
	struct asker a = { 0 }, b = { 0 };
	struct world w;

	(void)state;
	world_open(&w, 100, 3000 * MS, "");
	ask_and_wait(&w, &a, "both.example");
	assert_int_equal(ask(&w, &b, "four.example"), RESOLVE_PENDING);
	world_update(&w, w.port, "", "10.1.1.1 both.example FOUR.example\n10.1.1.1 localhost\n");
	assert_int_equal(ask(&w, &a, "both.example"), RESOLVE_OK);
	assert_addresses(&a, "10.1.1.1");
	assert_int_equal(ask(&w, &a, "four.example"), RESOLVE_OK); /* at once, though it is under way */
	assert_addresses(&a, "10.1.1.1");
	wait_for(&w, &b);
	assert_addresses(&b, "10.0.0.4");
	assert_int_equal(ask(&w, &a, "four.example"), RESOLVE_OK);
	assert_addresses(&a, "10.1.1.1");
	assert_loopback(&w, "localhost");
	assert_int_equal(ask_and_wait(&w, &a, "printer"), RESOLVE_FAILED);
	world_update(&w, w.port, "", "");
	assert_int_equal(ask_and_wait(&w, &a, "both.example"), RESOLVE_OK);
	assert_addresses(&a, "fd00::1 10.0.0.1 10.0.0.2");
	assert_loopback(&w, "localhost");
	world_close(&w);
}

static void test_update_of_the_bounds(void **state)
{
	struct asker a = { 0 };
	struct world w;
	char name[32];
	uint64_t began;

	(void)state;
	world_open(&w, 2, 9000 * MS, "");
	ask_and_wait(&w, &a, "both.example");
	ask_and_wait(&w, &a, "four.example");
	w.settings.dns_cache = 1000;
	w.settings.dns_timeout = 400 * MS;
	world_update(&w, w.port, "", hosts_text);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		ask_and_wait(&w, &a, name);
	}
	assert_int_equal(ask(&w, &a, "both.example"), RESOLVE_OK);
	assert_int_equal(ask(&w, &a, "n0.example"), RESOLVE_FAILED);
	began = real_now();
	assert_int_equal(ask_and_wait(&w, &a, "silent.example"), RESOLVE_TIMEOUT);
	assert_in_range(real_now() - began, 300 * MS, 1500 * MS);
	assert_in_range(asked(&w, "silent.example A"), 2, 3);
	assert_int_equal(ask(&w, &a, "four.example"), RESOLVE_OK); /* so it is the last used */
	w.settings.dns_cache = 1;
	world_update(&w, w.port, "", hosts_text);
	assert_int_equal(ask(&w, &a, "four.example"), RESOLVE_OK);
	assert_int_equal(ask(&w, &a, "both.example"), RESOLVE_PENDING);
	world_close(&w);
}

/* What evdns holds against a server goes with it. */
static void test_update_after_a_server_failed(void **state)
{
	struct asker a = { 0 };
	struct world w;

	(void)state;
	world_open(&w, 100, 600 * MS, "");
	w.server.silent = true;
	for (unsigned i = 0; i < 3; i++) {
		ask_and_wait(&w, &a, "both.example");
		pass(6 * CLOCK_SECOND);
		assert_int_equal(a.result, RESOLVE_TIMEOUT);
	}
	ask(&w, &a, "both.example");
	world_update(&w, w.other_port, "", hosts_text);
	wait_for(&w, &a);
	assert_int_equal(a.result, RESOLVE_OK);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_update_without_a_change),
		cmocka_unit_test(test_update_to_another_server),
		cmocka_unit_test(test_update_under_load),
		cmocka_unit_test(test_update_to_no_server_and_back),
		cmocka_unit_test(test_update_of_the_search_list),
		cmocka_unit_test(test_update_of_the_hosts_file),
		cmocka_unit_test(test_update_of_the_bounds),
		cmocka_unit_test(test_update_after_a_server_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
