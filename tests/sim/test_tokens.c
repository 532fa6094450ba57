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

static uint64_t next_token(struct client *c)
{
	struct exchange *x = exchange_new(the.proxy[0], c);
	uint8_t token[UPSTREAM_TOKEN];
	uint64_t value = 0;

	assert_non_null(x);
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
		tokens[i] = next_token(c);
	qsort(tokens, TOKENS, sizeof *tokens, compare);
	for (unsigned i = 1; i < TOKENS; i++)
		assert_int_not_equal(tokens[i - 1], tokens[i]);
	free(tokens);
}

/* Each bit of the part that is not the index is as often set as not, whatever the one before was. */
static void what_comes_next_cannot_be_told(void **state)
{
	struct endpoint peer = client_endpoint(1);
	struct client *c = client_get(the.proxy[0], 0, &peer);
	unsigned set[40] = { 0 }, changed[40] = { 0 };
	uint64_t before = next_token(c);

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t token = next_token(c);

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(none_is_used_twice, set_up, workers_tear_down),
		cmocka_unit_test_setup_teardown(what_comes_next_cannot_be_told, set_up, workers_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
