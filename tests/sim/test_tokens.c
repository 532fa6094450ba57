/* objects: tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Tokens towards origins: of this hop alone, never twice under one traffic key, and nothing that can be counted on.
 */
#include <stdlib.h>

#include "proxy/exchange/client.h"
#include "tests/sim/workers.h"
#include "tests/unit/covers.h"

enum { TOKENS = 1 << 22 /* of as many random ones of 40 bits two would be the same */ };

static int set_up(void **state)
{
	(void)state;
	workers_begin(1, NULL, "");
	return 0;
}

static uint64_t next_token(struct client *c, enum uri_scheme transport)
{
	const struct endpoint origin = { .transport = (uint16_t)transport };
	struct exchange *x = exchange_new(the.proxy[0], c);
	uint8_t token[UPSTREAM_TOKEN];
	uint64_t value = 0;

	assert_non_null(x);
	exchange_take_token(the.proxy[0], x, &origin);
	exchange_upstream_token(x, token);
	for (unsigned i = 0; i < UPSTREAM_TOKEN; i++)
		value = value << 8 | token[i];
	exchange_free(the.proxy[0], x);
	return value;
}

static int compare(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

static void none_is_used_twice(void **state)
{
	struct endpoint peer = client_endpoint(1);
	struct client *c = client_get(the.proxy[0], 0, &peer);
	uint64_t *tokens = malloc(TOKENS * sizeof *tokens);

	(void)state;
	covers("C9175-4.2-1");
	assert_non_null(tokens);
	for (unsigned i = 0; i < TOKENS; i++)
		tokens[i] = next_token(c, URI_COAPS);
	qsort(tokens, TOKENS, sizeof *tokens, compare);
	for (unsigned i = 1; i < TOKENS; i++)
		assert_int_not_equal(tokens[i - 1], tokens[i]);
	free(tokens);
}

/* Each bit of the part that is not the index is as often set as not, whatever the one before was. */
static void check_randomness(enum uri_scheme transport)
{
	struct endpoint peer = client_endpoint(1);
	struct client *c = client_get(the.proxy[0], 0, &peer);
	unsigned set[40] = { 0 }, changed[40] = { 0 };
	uint64_t before = next_token(c, transport);

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t token = next_token(c, transport);

		for (unsigned bit = 0; bit < 40; bit++) {
			set[bit] += (unsigned)(token >> bit & 1);
			changed[bit] += (unsigned)((token ^ before) >> bit & 1);
		}
		before = token;
	}
	/* six standard deviations */
	for (unsigned bit = 0; bit < 40; bit++) {
		assert_in_range(set[bit], 10000 - 425, 10000 + 425);
		assert_in_range(changed[bit], 10000 - 425, 10000 + 425);
	}
}

static void what_comes_next_cannot_be_told(void **state)
{
	(void)state;
	check_randomness(URI_COAP);
	check_randomness(URI_COAPS);
}

/* Of the many that go over (D)TLS to one origin, some of a client whose worker is not its home. */
static void what_goes_out_has_its_own(void **state)
{
	unsigned workers = 2;

	(void)state;
	covers("C9175-4.2-1");
	workers_end();
	workers_begin(workers, "s: { hosts = [\"s\"]; to = [\"coaps://10.9.1.1\"]; };\n", "");
	for (unsigned worker = 0; worker < workers; worker++) {
		uint64_t before = the.proxy[0]->tokens + the.proxy[1]->tokens;
		const struct sent *s;
		bool crossed;

		ask(worker, 1, MSG_CON, CODE_GET, (uint16_t)(worker + 1), 0, "3='s' 11='a'", NULL);
		settle();
		s = next_to_origin();
		assert_int_equal(s->peer.transport, URI_COAPS);
		crossed = s->worker != worker;
		assert_int_equal(the.proxy[0]->tokens + the.proxy[1]->tokens - before, 1 + crossed);
		assert_true(the.proxy[s->worker]->tokens > worker);
		answer(s, MSG_ACK, 0, CODE_CONTENT, "", "done");
		settle();
		next_to_client();
	}
	nothing_more();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(none_is_used_twice, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(what_comes_next_cannot_be_told, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(what_goes_out_has_its_own, set_up, workers_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
