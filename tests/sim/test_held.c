/* objects: tests/sim/workers.o BASE_OBJS COAP_OBJS CONF_OBJS CORE_OBJS base/clock_steered.o base/random_seeded.o */
/*
 * Answers and notifications that are too large for their client's hop: he takes them a block at a time. Every test runs with one worker, and
 * with two where the client's is not the origin's home.
 */
#include "tests/sim/bodies.h"

#include "base/random.h"
#include "proxy/exchange/origin.h"
#include "tests/unit/covers.h"

static unsigned workers;
static uint16_t next_token;
static const char *host; /* Uri-Host of a reliable origin that lives elsewhere, if there is an elsewhere */

static int one(void **state)
{
	(void)state;
	workers = 1;
	return 0;
}

static int two(void **state)
{
	(void)state;
	workers = 2;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	workers_end();
	return 0;
}

static void begin(const char *settings)
{
	next_token = 0;
	workers_begin(workers, STREAM_ORIGINS, settings);
	host = stream_host(workers);
}

static void finish(void)
{
	pass_time(2 * EXCHANGE_LIFETIME);
	nothing_remains();
}

static const char *with_host(const char *options)
{
	static char text[256];

	snprintf(text, sizeof text, "%s %s", host, options);
	return text;
}

static uint16_t asks(unsigned client, uint8_t code, const char *options)
{
	ask_bytes(0, client, client >= RELIABLE_CLIENTS ? MSG_NON : MSG_CON, code, ++next_token, with_host(options), NULL, 0);
	settle();
	return next_token;
}

/* The client takes the rest of a body from block `num` on, whose first part it has; `options` of each request but Block2. `tag`: that each has
 * this ETag, or NULL. */
static void takes_rest(unsigned client, uint8_t code, const char *options, unsigned num, unsigned szx, const uint8_t *body, size_t len,
	const struct msg_option *tag)
{
	const struct sent *s;
	size_t size = 16u << szx;
	bool more = true;

	for (size_t at = num * size; more; at += size) {
		more = at + size < len;
		asks(client, code, block2_text(options, (int)(at / size), false, szx));
		s = next_to_client();
		is_for(s, 0, client, next_token);
		is_code(s, CODE_CONTENT);
		is_block(s, OPT_BLOCK2, (uint32_t)(at / size), more, szx);
		has_bytes(s, body + at, more ? size : len - at);
		assert_false(has_option(s, OPT_OBSERVE));
		if (tag != NULL)
			assert_true(msg_option(&s->m, OPT_ETAG) != NULL && msg_option(&s->m, OPT_ETAG)->len == tag->len &&
				memcmp(msg_option(&s->m, OPT_ETAG)->value, tag->value, tag->len) == 0);
	}
}

static void a_large_answer_is_taken_in_blocks(void **state)
{
	static const struct {
		const char *options;  /* of the origin's answer */
		size_t len;
		unsigned szx;         /* that the client asks for: 7: none */
	} rows[] = {
		{ "4=aabb 12=2a 14=14", 16384, 7 }, { "12=2a", 3000, 7 }, { "", 1025, 7 }, { "4=01", 5000, 2 }, { "12=", 100, 2 }, { "12=", 16000, 6 },
	};
	const struct sent *s;

	(void)state;
	covers("C7959-2.4-1 C7959-2.4-2 C8323-6-2 C7959-4-1");
	begin("");
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		unsigned szx = rows[i].szx == 7 ? 6 : rows[i].szx;

		asks(PLAIN, CODE_GET, rows[i].szx == 7 ? "11='a' 17=2a" : block2_text("11='a' 17=2a", 0, false, szx));
		s = next_to_origin();
		replies(s, CODE_CONTENT, rows[i].options, body_of(i % 7), rows[i].len);
		s = next_to_client();
		assert_int_equal(s->m.type, MSG_ACK);
		is_for(s, 0, PLAIN, next_token);
		is_code(s, CODE_CONTENT);
		is_block(s, OPT_BLOCK2, 0, true, szx);
		has_bytes(s, body_of(i % 7), 16u << szx);
		assert_int_equal(option_value(s, OPT_SIZE2), rows[i].len);
		/* Blocks of two answers must not be taken for those of one. */
		assert_non_null(msg_option(&s->m, OPT_ETAG));
		takes_rest(PLAIN, CODE_GET, "11='a' 17=2a", 1, szx, body_of(i % 7), rows[i].len, msg_option(&s->m, OPT_ETAG));
		nothing_more();
	}
	finish();
}

/* RFC 8613 4.1.3.4.2: what follows has the OSCORE option and no payload. */
static void an_oscore_answer_too(void **state)
{
	const struct sent *s;

	(void)state;
	covers("S-6 C7959-2.7-1");
	begin("");
	ask(0, PLAIN, MSG_CON, CODE_POST, ++next_token, 0, with_host("9=0901aa"), "sealed");
	settle();
	s = next_to_origin();
	is_message(s, s->m.type, CODE_POST, NULL, "sealed");
	replies(s, CODE_CHANGED, "9=", body_of(1), 3000);
	s = next_to_client();
	is_code(s, CODE_CHANGED);
	is_block(s, OPT_BLOCK2, 0, true, 6);
	has_bytes(s, body_of(1), 1024);
	/* What OSCORE protects its ends can tell. */
	assert_false(has_option(s, OPT_ETAG));
	/* Another one is not meant. */
	asks(PLAIN + 1, CODE_POST, block2_text("9=0901aa", 1, false, 6));
	replies(next_to_origin(), CODE_BAD_REQUEST, "", NULL, 0);
	is_code(next_to_client(), CODE_BAD_REQUEST);
	asks(PLAIN, CODE_POST, block2_text("9=0902aa", 1, false, 6));
	replies(next_to_origin(), CODE_BAD_REQUEST, "", NULL, 0);
	is_code(next_to_client(), CODE_BAD_REQUEST);
	for (unsigned num = 1; num < 3; num++) {
		asks(PLAIN, CODE_POST, block2_text("9=0901aa", (int)num, false, 6));
		s = next_to_client();
		is_code(s, CODE_CHANGED);
		is_block(s, OPT_BLOCK2, num, num < 2, 6);
		has_bytes(s, body_of(1) + 1024 * num, num < 2 ? 1024 : 952);
		assert_int_equal(msg_option(&s->m, OPT_OSCORE)->len, 0);
	}
	nothing_more();
	finish();
}

int main(void)
{
#define BOTH(f) cmocka_unit_test_setup_teardown(f, one, tear_down), cmocka_unit_test_setup_teardown(f, two, tear_down)
	const struct CMUnitTest tests[] = {
		BOTH(a_large_answer_is_taken_in_blocks), BOTH(an_oscore_answer_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
