/* objects: proxy/edge/traits.o proxy/exchange/reachability.o base/endpoint.o base/hash.o base/random_seeded.o base/clock_steered.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "proxy/exchange/reachability.h"
#include "tests/unit/covers.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct snapshot conf;
static struct network trusted[3];

static int set_up(void **state)
{
	struct proxy *p = calloc(1, sizeof(*p));

	random_seed_for_test(9175);
	conf.settings.verified_for = 600 * CLOCK_SECOND;
	conf.settings.unverified_rate = 1000;
	conf.settings.trusted = trusted;
	conf.settings.trusted_count = 3;
	p->conf = &conf;
	p->rates = calloc(RATE_BUCKETS, sizeof(*p->rates));
	p->metrics = calloc(1, sizeof(*p->metrics));
	hash_key_init(&p->hash_key);
	hash_key_init(&p->echo_key);
	*state = p;
	return network_parse(&trusted[0], "10.0.0.0/8") | network_parse(&trusted[1], "fd00::/8") | network_parse(&trusted[2], "192.0.2.7");
}

static int tear_down(void **state)
{
	struct proxy *p = *state;

	free(p->rates);
	free(p->metrics);
	free(p);
	return 0;
}

static struct endpoint endpoint(const char *text, uint16_t port)
{
	struct endpoint e;

	assert_int_equal(endpoint_parse_literal(&e, text, strlen(text), false), 0);
	e.port = port;
	return e;
}

static void move(uint64_t by)
{
	clock_steer(clock_now() + by);
}

static void trusted_networks(void **state)
{
	static const struct {
		const char *address;
		bool want;
	} rows[] = {
		{"10.0.0.1", true}, {"10.255.255.255", true}, {"11.0.0.1", false}, {"fd12::1", true}, {"fe80::1", false},
		{"192.0.2.7", true}, {"192.0.2.8", false}, {"127.0.0.1", false}, {"::1", false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct endpoint e = endpoint(rows[i].address, 5683);

		assert_int_equal(reachability_is_trusted(*state, &e), rows[i].want);
	}
}

static void verified_for_a_while(void **state)
{
	struct client c = { .challenged_at = 1 }, other = { .trusted = true };
	struct proxy *p = *state;

	assert_false(reachability_is_verified(&c));
	reachability_set_verified(p, &c);
	assert_true(reachability_is_verified(&c));
	assert_int_equal(c.challenged_at, 0);
	move(599 * CLOCK_SECOND);
	assert_true(reachability_is_verified(&c));
	reachability_set_verified(p, &c); /* again: not counted twice, but prolonged */
	assert_int_equal(p->metrics->count[COUNT_VERIFIED], 1);
	move(599 * CLOCK_SECOND);
	assert_true(reachability_is_verified(&c));
	move(CLOCK_SECOND);
	assert_false(reachability_is_verified(&c));
	reachability_set_verified(p, &c);
	assert_int_equal(p->metrics->count[COUNT_VERIFIED], 2);

	reachability_set_verified(p, &other);
	assert_true(reachability_is_verified(&other));
	assert_int_equal(p->metrics->count[COUNT_VERIFIED], 2);
}

static void an_echo_is_good_for_its_client_alone(void **state)
{
	static const struct {
		const char *address;
		uint16_t port;
		bool want;
	} rows[] = {
		{"192.0.2.1", 40000, true}, {"192.0.2.1", 40001, false}, {"192.0.2.2", 40000, false}, {"2001:db8::1", 40000, false},
	};
	struct endpoint peer = endpoint("192.0.2.1", 40000);
	struct proxy *p = *state;
	uint8_t echo[ECHO_LENGTH];

	covers("C9175-2.3-6");
	reachability_make_echo(p, &peer, echo);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct endpoint e = endpoint(rows[i].address, rows[i].port);

		assert_int_equal(reachability_check_echo(p, &e, echo, sizeof(echo)), rows[i].want);
	}
	hash_key_init(&p->echo_key); /* as a restart does */
	assert_false(reachability_check_echo(p, &peer, echo, sizeof(echo)));
}

static void no_byte_of_an_echo_may_differ(void **state)
{
	struct endpoint peer = endpoint("192.0.2.1", 40000);
	uint8_t echo[ECHO_LENGTH + 1] = { 0 };

	reachability_make_echo(*state, &peer, echo);
	assert_false(reachability_check_echo(*state, &peer, echo, ECHO_LENGTH - 1));
	assert_false(reachability_check_echo(*state, &peer, echo, ECHO_LENGTH + 1));
	assert_false(reachability_check_echo(*state, &peer, echo, 0));
	for (unsigned bit = 0; bit < 8 * ECHO_LENGTH; bit++) {
		echo[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(reachability_check_echo(*state, &peer, echo, ECHO_LENGTH));
		echo[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(reachability_check_echo(*state, &peer, echo, ECHO_LENGTH));
}

static void an_echo_grows_old(void **state)
{
	struct endpoint peer = endpoint("2001:db8::1", 40000);
	uint8_t echo[ECHO_LENGTH], later[ECHO_LENGTH];

	covers("C9175-5-1");
	reachability_make_echo(*state, &peer, echo);
	move(600 * CLOCK_SECOND);
	assert_true(reachability_check_echo(*state, &peer, echo, ECHO_LENGTH));
	reachability_make_echo(*state, &peer, later);
	assert_memory_not_equal(echo, later, ECHO_LENGTH);
	move(CLOCK_SECOND);
	assert_false(reachability_check_echo(*state, &peer, echo, ECHO_LENGTH));
	assert_true(reachability_check_echo(*state, &peer, later, ECHO_LENGTH));
}

/* Takes bytes in pieces until there are none; returns how many came. */
static size_t take_all(struct proxy *p, const char *address, size_t piece)
{
	struct endpoint peer = endpoint(address, 40000);
	size_t taken = 0;

	while (reachability_take_rate(p, &peer, piece))
		taken += piece;
	return taken;
}

static void a_rate_for_each_network(void **state)
{
	struct proxy *p = *state;

	covers("C7252-11.3-1");
	move(3600 * CLOCK_SECOND);
	assert_int_equal(take_all(p, "192.0.2.1", 100), 1000); /* one second's worth, however long it was quiet */
	assert_int_equal(take_all(p, "192.0.2.99", 1), 0);     /* the same /24 */
	assert_int_equal(take_all(p, "192.0.3.1", 100), 1000);
	assert_int_equal(take_all(p, "2001:db8:1:2::1", 100), 1000);
	assert_int_equal(take_all(p, "2001:db8:1:3::1", 1), 0); /* the same /48 */
	assert_int_equal(take_all(p, "2001:db8:2::1", 100), 1000);
	move(CLOCK_SECOND / 2);
	assert_int_equal(take_all(p, "192.0.2.1", 1), 500);
	move(CLOCK_SECOND);
	assert_false(reachability_take_rate(p, &(struct endpoint){ .addr = { 0 } }, 1001)); /* more than there ever is */
	assert_int_equal(take_all(p, "192.0.2.1", 1), 1000);
}

/* Attempts that come faster than a byte does use nothing up: one in a flood of others gets what is due. */
static void refused_attempts_cost_nothing(void **state)
{
	struct endpoint peer = endpoint("192.0.2.1", 40000);
	size_t taken = 0;

	take_all(*state, "192.0.2.1", 1);
	for (int i = 0; i < 10000; i++) {
		move(CLOCK_SECOND / 10000);
		taken += reachability_take_rate(*state, &peer, 100) ? 100 : 0;
	}
	assert_int_equal(taken, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(trusted_networks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(verified_for_a_while, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_echo_is_good_for_its_client_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_byte_of_an_echo_may_differ, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_echo_grows_old, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_rate_for_each_network, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused_attempts_cost_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
