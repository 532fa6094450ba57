/* objects: tests/sim/workers.o tests/sim/fake_reader.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * What is read is not changed: random messages take the way of a gate, of a tap and of a route that does not read, with every selection of
 * fields; on both legs they are the same to the byte but for what names them, token and Message ID.
 */
#include <stdlib.h>

#include "base/random.h"
#include "proxy/exchange/reading.h"
#include "tests/sim/fake_reader.h"
#include "tests/unit/covers.h"

enum { ROUNDS = 1 << FIELD_COUNT, PAYLOAD = 1024, OPTIONS = 512 };

static int tear_down(void **state)
{
	(void)state;
	reading_ends();
	return 0;
}

static char *put_option(char *at, unsigned number, size_t len)
{
	at += snprintf(at, 16, "%u=", number);
	for (size_t i = 0; i < len; i++)
		at += snprintf(at, 16, "%02x", (unsigned)random_below(256));
	return at + snprintf(at, 16, " ");
}

/* In the order of their numbers; what the two directions may have is not the same. */
static void random_options(char options[OPTIONS], bool request)
{
	char *at = options;

	*at = '\0';
	if (!request && random_below(3) == 0)
		at = put_option(at, OPT_ETAG, 1 + random_below(8));
	if (request && random_below(4) == 0)
		at += snprintf(at, 16, "6= ");
	at = put_option(at, OPT_OSCORE, random_below(4) == 0 ? random_below(200) : random_below(14));
	if (!request && random_below(3) == 0)
		at = put_option(at, OPT_MAX_AGE, 1);
	if (request && random_below(3) == 0)
		at += snprintf(at, 16, "16=%02x ", 2 + (unsigned)random_below(200));
	if (random_below(3) == 0)
		at = put_option(at, 2052, random_below(20)); /* nobody knows it, but it is safe to forward */
	options[at - options] = '\0';
}

/* All but the token and the Message ID. */
static void is_same(const struct sent *a, const struct sent *b)
{
	assert_int_equal(a->m.code, b->m.code);
	assert_int_equal(a->m.type, b->m.type);
	assert_int_equal(a->m.token_len, b->m.token_len);
	assert_int_equal(a->m.len, b->m.len);
	assert_memory_equal(a->m.bytes + MSG_HEADER + a->m.token_len, b->m.bytes + MSG_HEADER + b->m.token_len, a->m.len - MSG_HEADER - a->m.token_len);
}

/* Whatever was asked is answered, or not. */
static void let_read(void)
{
	settle();
	while (reader.seen < reader.count) {
		struct opening_answer a = { .verdict = OPENING_OPENED, .seen = random_below(2), .unverified = random_below(2) };
		const struct asked *q = next_question();

		a.inner.fields = q->q.fields & (FIELD_BIT(FIELD_CODE) | FIELD_BIT(FIELD_OBSERVE) | FIELD_BIT(FIELD_MAX_AGE) | FIELD_BIT(FIELD_CONTENT_FORMAT));
		a.inner.code = (uint8_t)random_below(256);
		answered_with(q, &a);
	}
	settle();
}

static void nothing_that_is_read_is_changed(void **state)
{
	static const unsigned ways[] = { UNREAD, GATE, TAP };
	uint8_t payload[PAYLOAD], back[PAYLOAD];
	char options[OPTIONS + 16], there[OPTIONS], answers[OPTIONS];
	const struct sent *s[3], *c[3];

	(void)state;
	covers("RBW-12");
	reading_begins(1, "verify = true;", "", "upstream: { origin-window = 64; };");
	for (uint32_t fields = 0; fields < ROUNDS; fields++) {
		size_t len = 1 + random_below(PAYLOAD - 1), back_len = 1 + random_below(200);
		uint8_t code = random_below(2) ? CODE_POST : CODE_FETCH, answer_code = random_below(2) ? CODE_CHANGED : CODE_CONTENT;
		enum msg_type type = random_below(2) ? MSG_CON : MSG_NON;

		for (size_t i = 0; i < the.conf->read_count; i++)
			the.conf->reads[i].fields = fields;
		random_bytes(payload, len);
		random_bytes(back, back_len);
		random_options(there, true);
		random_options(answers, false);
		for (unsigned w = 0; w < 3; w++) {
			uint16_t mid = (uint16_t)(3 * fields + w);

			/* one name for the three hosts, of which the next hop is told */
			snprintf(options, sizeof options, "3='o%u' %s", ways[w], there);
			ask_bytes(0, 1 + fields % 90, type, code, mid, options, payload, len);
			let_read();
			s[w] = next_to_origin();
			assert_memory_equal(s[w]->m.payload, payload, len);
			assert_int_equal(s[w]->m.payload_len, len);
			answer_bytes(s[w], type == MSG_CON ? MSG_ACK : MSG_NON, (uint16_t)(1 + fields), answer_code, answers, back, back_len);
			c[w] = next_to_client();
			let_read();
			assert_int_equal(c[w]->m.payload_len, back_len);
			assert_memory_equal(c[w]->m.payload, back, back_len);
		}
		is_same(s[0], s[1]);
		is_same(s[0], s[2]);
		is_same(c[0], c[1]);
		is_same(c[0], c[2]);
		pass_time(2 * CLOCK_SECOND);
	}
	assert_int_equal(counted(COUNT_READ_OPENED), 4 * ROUNDS);
	assert_int_equal(reader_link_open(the.proxy[0]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_that_is_read_is_changed, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
