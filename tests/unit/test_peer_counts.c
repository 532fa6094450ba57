/* objects: base/peer_counts.o base/endpoint.o base/hash.o base/random_seeded.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/peer_counts.h"

static struct endpoint peer(const char *text, uint16_t port)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse_literal(&e, text, strlen(text), false), 0);
	e.port = port;
	return e;
}

static void test_who_counts_as_one(void **state)
{
	static const struct {
		const char *first, *second;
		int same;
	} cases[] = {
		{ "192.0.2.7", "192.0.2.7", 1 },
		{ "192.0.2.7", "192.0.2.8", 0 },
		{ "2001:db8::1", "2001:db8::ffff:1:2:3", 1 },
		{ "2001:db8::1", "2001:db8:0:1::1", 0 },
		{ "2001:db8::1", "192.0.2.7", 0 },
		{ "10.0.0.0", "10.0.0.0", 1 },
	};

	(void)state;
	random_seed_for_test(1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct peer_counts *p = peer_counts_create();
		struct endpoint a = peer(cases[i].first, 1), b = peer(cases[i].second, 2);
		struct peer_count *first = peer_counts_enter(p, &a, 1), *second = peer_counts_enter(p, &b, 1);

		assert_non_null(first);
		assert_int_equal(second == NULL, cases[i].same);
		peer_counts_leave(first);
		if (second == NULL)
			second = peer_counts_enter(p, &b, 1);
		assert_non_null(second);
		peer_counts_leave(second);
		peer_counts_destroy(p);
	}
}

/* Many of many clients, leaving in another order than they came. */
static void test_counts_hold(void **state)
{
	enum { CLIENTS = 10000, EACH = 3 };
	static struct peer_count *counts[CLIENTS][EACH];
	struct peer_counts *p;

	(void)state;
	random_seed_for_test(2);
	p = peer_counts_create();
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < CLIENTS * EACH; i++) {
			struct endpoint e = peer("10.0.0.0", (uint16_t)i);

			e.addr[14] = (uint8_t)(i % CLIENTS >> 8);
			e.addr[15] = (uint8_t)(i % CLIENTS);
			counts[i % CLIENTS][i / CLIENTS] = peer_counts_enter(p, &e, EACH);
			assert_non_null(counts[i % CLIENTS][i / CLIENTS]);
		}
		for (unsigned i = 0; i < CLIENTS; i++) {
			struct endpoint e = peer("10.0.0.0", 0);

			e.addr[14] = (uint8_t)(i >> 8);
			e.addr[15] = (uint8_t)i;
			assert_null(peer_counts_enter(p, &e, EACH));
			peer_counts_leave(counts[i][1]);
			counts[i][1] = peer_counts_enter(p, &e, EACH);
			assert_non_null(counts[i][1]);
		}
		for (unsigned i = 0; i < CLIENTS * EACH; i++)
			peer_counts_leave(counts[(i * 7919u) % CLIENTS][i / CLIENTS]);
	}
	peer_counts_leave(NULL);
	peer_counts_destroy(p);
	peer_counts_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_counts_as_one),
		cmocka_unit_test(test_counts_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
