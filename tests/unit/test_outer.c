/* objects: translate/outer.o coap/message.o coap/option.o coap/uri.o base/endpoint.o base/random_seeded.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "tests/unit/covers.h"
#include "tests/unit/made.h"
#include "translate/outer.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SIXTEEN "0123456789abcdef"

/* ---- requests ---- */

struct request_row {
	uint8_t code;
	const char *options, *payload;
	enum error want;
	uint16_t offender;
};

static void check_requests(const struct request_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct outer_request r;
		uint16_t offender = 0;
		struct made made;
		enum error e;

		made_message(&made, rows[i].code, rows[i].options, rows[i].payload);
		e = outer_read_request(&made.m, &r, &offender);
		if (e != rows[i].want || (e != ERR_NONE && offender != rows[i].offender))
			fail_msg("%u %s: error %d of option %u", rows[i].code, rows[i].options, e, offender);
	}
}

static void requests_with_options_of_the_table(void **state)
{
	static const struct request_row rows[] = {
		{CODE_PUT, "1=01 1=02", "", ERR_NONE, 0},               {CODE_PUT, "1=010203040506070809", "", ERR_NONE, 0},
		{CODE_GET, "3='h'", "", ERR_NONE, 0},                   {CODE_GET, "3=", "", ERR_BAD_OPTION, 3},
		{CODE_GET, "3='h' 3='h'", "", ERR_BAD_OPTION, 3},       {CODE_GET, "3='a@b'", "", ERR_BAD_OPTION, 3},
		{CODE_GET, "3=6120", "", ERR_BAD_OPTION, 3},            {CODE_GET, "3='[::1]'", "", ERR_NONE, 0},
		{CODE_GET, "4=01 4=02", "", ERR_NONE, 0},               {CODE_GET, "4=", "", ERR_NONE, 0},
		{CODE_PUT, "5=", "", ERR_NONE, 0},                      {CODE_PUT, "5= 5=", "", ERR_NONE, 0},
		{CODE_GET, "6=", "", ERR_NONE, 0},                      {CODE_FETCH, "6=01", "", ERR_NONE, 0},
		{CODE_PUT, "6=", "", ERR_BAD_OPTION, 6},                {CODE_POST, "6=", "", ERR_BAD_OPTION, 6},
		{CODE_POST, "6= 9=", "x", ERR_NONE, 0},                 {CODE_GET, "6= 6=", "", ERR_BAD_OPTION, 6},
		{CODE_GET, "6=01020304", "", ERR_BAD_OPTION, 6},        {CODE_GET, "7=1633", "", ERR_NONE, 0},
		{CODE_GET, "7=011633", "", ERR_BAD_OPTION, 7},          {CODE_GET, "7=1633 7=1633", "", ERR_BAD_OPTION, 7},
		{CODE_GET, "8=61", "", ERR_NONE, 0},                    {CODE_GET, "11= 11=61", "", ERR_NONE, 0},
		{CODE_GET, "11='..'", "", ERR_BAD_OPTION, 11},          {CODE_GET, "11=61 11='.'", "", ERR_BAD_OPTION, 11},
		{CODE_GET, "11='...'", "", ERR_NONE, 0},                {CODE_GET, "11='%2e'", "", ERR_NONE, 0},
		{CODE_PUT, "12=", "", ERR_NONE, 0},                     {CODE_PUT, "12= 12=", "", ERR_NONE, 0},
		{CODE_GET, "13=03e7", "", ERR_NONE, 0},                 {CODE_GET, "14=3c", "", ERR_BAD_OPTION, 14},
		{CODE_GET, "15= 15=61", "", ERR_NONE, 0},               {CODE_GET, "16=01", "", ERR_NONE, 0},
		{CODE_GET, "16=ff", "", ERR_NONE, 0},                   {CODE_GET, "16=", "", ERR_HOP_LIMIT_VALUE, 16},
		{CODE_GET, "16=00", "", ERR_HOP_LIMIT_VALUE, 16},       {CODE_GET, "16=0010", "", ERR_HOP_LIMIT_VALUE, 16},
		{CODE_GET, "16=0100", "", ERR_HOP_LIMIT_VALUE, 16},     {CODE_GET, "16=05 16=", "", ERR_NONE, 0},
		{CODE_GET, "17=32 17=33", "", ERR_NONE, 0},             {CODE_GET, "20=61", "", ERR_NONE, 0},
		{CODE_GET, "23=06", "", ERR_NONE, 0},                   {CODE_GET, "23=07", "", ERR_BLOCK_SIZE, 23},
		{CODE_GET, "23=06 23=16", "", ERR_BAD_OPTION, 23},      {CODE_GET, "23=01020304", "", ERR_BAD_OPTION, 23},
		{CODE_PUT, "27=08", SIXTEEN, ERR_NONE, 0},              {CODE_PUT, "27=08", SIXTEEN "x", ERR_BLOCK_SIZE, 27},
		{CODE_PUT, "27=08", "", ERR_BLOCK_SIZE, 27},            {CODE_PUT, "27=10", "x", ERR_NONE, 0},
		{CODE_PUT, "27=0f", SIXTEEN, ERR_BLOCK_SIZE, 27},       {CODE_GET, "28=0102030405", "", ERR_NONE, 0},
		{CODE_GET, "35='coap://h'", "", ERR_NONE, 0},           {CODE_GET, "35=", "", ERR_BAD_OPTION, 35},
		{CODE_GET, "35='a' 35='b'", "", ERR_BAD_OPTION, 35},    {CODE_GET, "3='a@b' 35='coap://h'", "", ERR_NONE, 0},
		{CODE_GET, "39='coap'", "", ERR_NONE, 0},               {CODE_GET, "39=", "", ERR_BAD_OPTION, 39},
		{CODE_GET, "39='a' 39='b'", "", ERR_BAD_OPTION, 39},    {CODE_GET, "60= 60=", "", ERR_NONE, 0},
		{CODE_GET, "252=01", "", ERR_NONE, 0},                  {CODE_GET, "252= 252=", "", ERR_NONE, 0},
		{CODE_GET, "258=1a", "", ERR_NONE, 0},                  {CODE_GET, "258=0102", "", ERR_BAD_OPTION, 258},
		{CODE_GET, "258=02 258=02", "", ERR_BAD_OPTION, 258},   {CODE_PUT, "292=01 292=02", "", ERR_NONE, 0},
	};

	(void)state;
	covers("C7252-5.4.3-1 C7252-5.4.5-1 C7252-5.4-1 C7252-5.10.1-1 C7252-6.5-2 C8768-3-1");
	check_requests(rows, COUNT(rows));
}

/* Critical does not count where a message is passed on; Unsafe does (RFC 7252 5.7.1). */
static void requests_with_unknown_numbers(void **state)
{
	static const struct request_row rows[] = {
		{CODE_GET, "2048=01", "", ERR_NONE, 0}, {CODE_GET, "2049=01 2049=02", "", ERR_NONE, 0},
		{CODE_GET, "2050=01", "", ERR_BAD_OPTION, 2050}, {CODE_GET, "2051=01", "", ERR_BAD_OPTION, 2051},
		{CODE_GET, "2076=01", "", ERR_NONE, 0}, {CODE_GET, "65001=", "", ERR_NONE, 0}, {CODE_GET, "65003=", "", ERR_BAD_OPTION, 65003},
		{CODE_GET, "19=0e", "", ERR_BAD_OPTION, 19}, {CODE_GET, "31=0e", "", ERR_BAD_OPTION, 31}, {CODE_GET, "21=", "", ERR_NONE, 0},
		{CODE_GET, "235=01", "", ERR_BAD_OPTION, 235}, {CODE_GET, "239=01", "", ERR_BAD_OPTION, 239},
		{CODE_POST, "9= 2050=01", "x", ERR_BAD_OPTION, 2050}, {CODE_POST, "9=09 2049=01", "x", ERR_NONE, 0},
	};

	(void)state;
	covers("C7252-5.4.1-1 C7252-5.4.2-1 C7252-5.7.1-3 D-HREF-1");
	check_requests(rows, COUNT(rows));
}

static void oscore_options_are_not_judged(void **state)
{
	static const struct request_row rows[] = {
		{CODE_POST, "9=", "x", ERR_NONE, 0}, {CODE_POST, "9=00", "x", ERR_NONE, 0}, {CODE_POST, "9=ff", "x", ERR_NONE, 0},
		{CODE_POST, "9=070102030405", "x", ERR_NONE, 0}, {CODE_POST, "9=39", "x", ERR_NONE, 0}, {CODE_POST, "9=99", "x", ERR_NONE, 0},
		{CODE_POST, "9=0900", NULL, ERR_NONE, 0}, {CODE_FETCH, "6= 9=0900", "x", ERR_NONE, 0},
		{CODE_POST, "9=01 9=01", "x", ERR_BAD_OPTION, 9},
	};
	struct outer_request r;
	uint16_t offender;
	struct made made;

	(void)state;
	covers("C8613-2-5 S-24");
	check_requests(rows, COUNT(rows));
	made_message(&made, CODE_POST, "9=09", "x");
	assert_int_equal(outer_read_request(&made.m, &r, &offender), ERR_NONE);
	assert_true(r.oscore);
	assert_ptr_equal(r.oscore_option, &made.m.options[0]);
}

static void what_is_read_of_a_request(void **state)
{
	struct outer_request r;
	uint16_t offender;
	struct made made;

	(void)state;
	made_message(&made, CODE_GET, "3='h' 6=01 7=1633 13=01 16=07 17=0101 23=16 35='coap://i' 252=aa 258=02 292=01", NULL);
	assert_int_equal(outer_read_request(&made.m, &r, &offender), ERR_NONE);
	assert_true(r.forward && !r.oscore && !r.observe_undefined && !r.has_block1 && r.proxy_scheme == NULL);
	assert_true(r.has_block2 && r.request_tag && r.path_abbreviated && r.accepts_problem_details && r.has_hop_limit);
	assert_int_equal(r.observe, 2);
	assert_int_equal(r.block2.num, 1);
	assert_int_equal(r.block2.szx, 6);
	assert_int_equal(r.hop_limit, 7);
	assert_int_equal(r.no_response, 2);
	assert_int_equal(r.uri_host->number, OPT_URI_HOST);
	assert_int_equal(r.uri_port->number, OPT_URI_PORT);
	assert_int_equal(r.proxy_uri->number, OPT_PROXY_URI);
	assert_int_equal(r.echo->number, OPT_ECHO);

	made_message(&made, CODE_GET, "6= 16=05 16=09 17=32 39='coap'", NULL);
	assert_int_equal(outer_read_request(&made.m, &r, &offender), ERR_NONE);
	assert_int_equal(r.observe, 1);
	assert_int_equal(r.hop_limit, 5);
	assert_true(r.forward && r.proxy_scheme != NULL && r.proxy_uri == NULL && !r.accepts_problem_details);

	made_message(&made, CODE_GET, "6=05", NULL);
	assert_int_equal(outer_read_request(&made.m, &r, &offender), ERR_NONE);
	assert_true(r.observe_undefined && r.observe == 0 && !r.forward);
}

/* ---- responses ---- */

static void responses(void **state)
{
	static const struct {
		const char *options, *payload;
		enum error want;
	} rows[] = {
		{"", "x", ERR_NONE}, {"4=01 4=02", "x", ERR_NONE}, {"6=010203", "x", ERR_NONE}, {"6=01020304", "x", ERR_BAD_RESPONSE},
		{"6=01 6=02", "x", ERR_BAD_RESPONSE}, {"8=61 8=62 20=", NULL, ERR_NONE}, {"9=", "x", ERR_NONE}, {"9= 9=", "x", ERR_NONE},
		{"12=32 12=33", "x", ERR_NONE}, {"14=", "x", ERR_NONE}, {"14=0102030405", "x", ERR_BAD_RESPONSE},
		{"14=3c 14=3c", "x", ERR_BAD_RESPONSE}, {"23=08", SIXTEEN, ERR_NONE}, {"23=08", "x", ERR_BAD_RESPONSE},
		{"23=06", "x", ERR_NONE}, {"23=07", "x", ERR_BAD_RESPONSE}, {"23=01020304", "x", ERR_BAD_RESPONSE},
		{"27=08", "x", ERR_NONE}, {"27=0f", "x", ERR_BAD_RESPONSE}, {"28=0400 60=0400", "x", ERR_NONE}, {"252=01", "x", ERR_NONE},
		/* of a request */
		{"1=01", "x", ERR_NONE}, {"3='h'", "x", ERR_BAD_RESPONSE}, {"5=", "x", ERR_NONE}, {"7=1633", "x", ERR_BAD_RESPONSE},
		{"11=61", "x", ERR_BAD_RESPONSE}, {"15=61", "x", ERR_BAD_RESPONSE}, {"16=01", "x", ERR_NONE}, {"17=32", "x", ERR_NONE},
		{"35='coap://h'", "x", ERR_BAD_RESPONSE}, {"39='coap'", "x", ERR_BAD_RESPONSE}, {"258=02", "x", ERR_BAD_RESPONSE},
		/* unknown, of all four classes */
		{"2048=01", "x", ERR_NONE}, {"2049=01", "x", ERR_NONE}, {"2050=01", "x", ERR_BAD_RESPONSE},
		{"2051=01", "x", ERR_BAD_RESPONSE}, {"65001=", "x", ERR_NONE}, {"65003=", "x", ERR_BAD_RESPONSE},
		{"128=61 132= 136= 140=", "x", ERR_NONE},
	};

	(void)state;
	covers("C7252-5.4.1-1 C7252-5.7.1-2 C7252-5.4.2-1 C7252-5.10.7-1");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct made made;

		made_message(&made, CODE_CONTENT, rows[i].options, rows[i].payload);
		if (outer_check_response(&made.m) != rows[i].want)
			fail_msg("response %s: %d", rows[i].options, outer_check_response(&made.m));
	}
}

/* ---- plans ---- */

/* What leaves when m is written as planned; the bytes are parsed anew, so deltas and lengths are checked as well. */
static void written(const struct made *in, const struct outer_plan *plan, struct made *out)
{
	struct msg_writer w;

	msg_begin(&w, out->bytes, sizeof(out->bytes), MSG_CON, in->m.code, 2, NULL, 0);
	outer_write(&w, &in->m, plan);
	assert_int_not_equal(msg_end(&w), 0);
	assert_int_equal(msg_parse_datagram(&out->m, out->bytes, msg_end(&w)), MSG_OK);
}

static void check_plan(const char *options, const struct outer_plan *plan, const char *want)
{
	struct made in, out, expected;
	char got[MADE_TEXT], wanted[MADE_TEXT];

	made_message(&in, CODE_PUT, options, "payload");
	made_message(&expected, CODE_PUT, want, NULL);
	written(&in, plan, &out);
	assert_string_equal(made_text(&out.m, got), made_text(&expected.m, wanted));
	assert_int_equal(out.m.payload_len, plan->drop_payload ? 0 : 7);
}

static void plans(void **state)
{
	struct outer_plan plan;

	(void)state;
	covers("C7252-3.1-2 C7252-5.7.1-4 C7252-5.10.6-1");
	outer_plan_init(&plan);
	check_plan("1=01 1=02 11=62 11=61 11=62 2049=02 2049=01 65001=", &plan, "1=01 1=02 11=62 11=61 11=62 2049=02 2049=01 65001=");

	/* Hop-Limit between 15 and 17, alone, first and last */
	assert_int_equal(outer_add_uint(&plan, OPT_HOP_LIMIT, 16), 0);
	check_plan("15=61 17=32", &plan, "15=61 16=10 17=32");
	check_plan("", &plan, "16=10");
	check_plan("17=32 300=01", &plan, "16=10 17=32 300=01");
	check_plan("3='h' 15=61", &plan, "3='h' 15=61 16=10");

	/* taking one away: an added option of the number takes its place */
	outer_drop(&plan, OPT_HOP_LIMIT);
	check_plan("15=61 16=05 16=06 17=32", &plan, "15=61 16=10 17=32");

	/* added in any order, kept in order within a number, before those of the message */
	outer_plan_init(&plan);
	assert_int_equal(outer_add(&plan, OPT_URI_QUERY, (const uint8_t *)"q", 1), 0);
	assert_int_equal(outer_add(&plan, OPT_URI_PATH, (const uint8_t *)"b", 1), 0);
	assert_int_equal(outer_add(&plan, OPT_URI_PATH, (const uint8_t *)"a", 1), 0);
	assert_int_equal(outer_add(&plan, OPT_URI_HOST, (const uint8_t *)"h", 1), 0);
	check_plan("4=01 11='c' 17=32", &plan, "3='h' 4=01 11='b' 11='a' 11='c' 15='q' 17=32");

	/* numbers over 319 stay whatever is asked */
	outer_plan_init(&plan);
	outer_drop(&plan, 319);
	outer_drop(&plan, 320);
	check_plan("318=01 319=01 320=01", &plan, "318=01 320=01");

	outer_plan_init(&plan);
	plan.drop_second_etag = plan.drop_payload = true;
	check_plan("4=02 4=01 4=02 12=", &plan, "4=02 12=");
}

static void uints_are_written_short(void **state)
{
	static const struct {
		uint32_t value;
		const char *want;
	} rows[] = {
		{0, "60="}, {1, "60=01"}, {255, "60=ff"}, {256, "60=0100"}, {0x10000, "60=010000"}, {0xffffffff, "60=ffffffff"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct outer_plan plan;

		outer_plan_init(&plan);
		assert_int_equal(outer_add_uint(&plan, OPT_SIZE1, rows[i].value), 0);
		check_plan("", &plan, rows[i].want);
	}
}

static void a_plan_has_an_end(void **state)
{
	struct outer_plan plan;

	(void)state;
	outer_plan_init(&plan);
	for (int i = 0; i < OUTER_ADD_MAX; i++)
		assert_int_equal(outer_add_uint(&plan, OPT_URI_PATH, (uint32_t)i), 0);
	assert_int_equal(outer_add(&plan, OPT_URI_PATH, NULL, 0), -1);
	assert_int_equal(outer_add_uint(&plan, OPT_URI_PATH, 1), -1);
	assert_int_equal(plan.add_count, OUTER_ADD_MAX);
	outer_plan_init(&plan);
	assert_int_equal(outer_add(&plan, OPT_URI_PATH, (const uint8_t *)"", UINT16_MAX + 1u), -1);
}

/* ---- a property over random messages ---- */

static uint16_t random_number(void)
{
	static const uint16_t near[] = { 1, 3, 4, 6, 7, 11, 12, 13, 15, 16, 17, 23, 27, 35, 39, 60, 252, 258, 292, 2048, 2049, 65001 };

	return random_below(4) == 0 ? (uint16_t)random_u32() : near[random_below(COUNT(near))];
}

static int by_number(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* A message with one OSCORE option of any content among others, and a payload of any bytes but perhaps none. */
static void random_message(struct made *made)
{
	uint16_t numbers[24];
	uint8_t value[300];
	size_t count = 1 + random_below(COUNT(numbers)), len;
	struct msg_writer w;

	numbers[0] = OPT_OSCORE;
	for (size_t i = 1; i < count; i++)
		do
			numbers[i] = random_number();
		while (numbers[i] == OPT_OSCORE);
	qsort(numbers, count, sizeof(numbers[0]), by_number);
	msg_begin(&w, made->bytes, sizeof(made->bytes), MSG_CON, CODE_POST, 1, NULL, 0);
	for (size_t i = 0; i < count; i++) {
		len = random_below(random_below(8) == 0 ? 256 : 20);
		random_bytes(value, len);
		msg_add_option(&w, numbers[i], value, len);
	}
	len = random_below(sizeof(value));
	random_bytes(value, len);
	msg_add_payload(&w, value, len);
	assert_int_equal(msg_parse_datagram(&made->m, made->bytes, msg_end(&w)), MSG_OK);
}

static bool equal_option(const struct msg_option *a, const struct msg_option *b)
{
	return a->number == b->number && a->len == b->len && (a->len == 0 || memcmp(a->value, b->value, a->len) == 0);
}

/* What is left of the message without the numbers in `dropped` and without what was added is what came, in order. */
static void check_relayed(const struct made *in, const struct made *out, const struct outer_plan *plan)
{
	unsigned at = 0;
	size_t added = 0;

	for (unsigned i = 0; i < out->m.option_count; i++) {
		const struct msg_option *o = &out->m.options[i];

		while (at < in->m.option_count && in->m.options[at].number < 320 &&
			plan->drop[in->m.options[at].number / 64] >> in->m.options[at].number % 64 & 1)
			at++;
		if (added < plan->add_count && equal_option(o, &plan->add[added]) &&
			(at == in->m.option_count || plan->add[added].number <= in->m.options[at].number)) {
			added++;
			continue;
		}
		assert_true(at < in->m.option_count);
		assert_true(equal_option(o, &in->m.options[at]));
		at++;
	}
	assert_int_equal(added, plan->add_count);
}

static void oscore_passes_whatever_is_planned(void **state)
{
	(void)state;
	covers("RBW-12 C8613-2-1 C7252-3.1-2 C7252-5.7.1-4");
	random_seed_for_test(8613);
	for (int round = 0; round < 20000; round++) {
		static struct made in, out;
		const struct msg_option *before, *after;
		struct outer_plan plan;
		uint8_t value[8];

		random_message(&in);
		outer_plan_init(&plan);
		for (unsigned i = random_below(6); i > 0; i--) {
			uint16_t number = random_number();

			if (number != OPT_OSCORE)
				outer_drop(&plan, number);
		}
		random_bytes(value, sizeof(value));
		for (unsigned i = random_below(6); i > 0; i--) {
			uint16_t number = random_number();

			if (number != OPT_OSCORE)
				assert_int_equal(outer_add(&plan, number, value, random_below(sizeof(value))), 0);
		}
		written(&in, &plan, &out);
		before = msg_option(&in.m, OPT_OSCORE);
		after = msg_option(&out.m, OPT_OSCORE);
		assert_int_equal(msg_option_count(&out.m, OPT_OSCORE), 1);
		assert_true(equal_option(before, after));
		assert_int_equal(out.m.payload_len, in.m.payload_len);
		if (in.m.payload_len > 0)
			assert_memory_equal(out.m.payload, in.m.payload, in.m.payload_len);
		check_relayed(&in, &out, &plan);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_with_options_of_the_table), cmocka_unit_test(requests_with_unknown_numbers),
		cmocka_unit_test(oscore_options_are_not_judged), cmocka_unit_test(what_is_read_of_a_request),
		cmocka_unit_test(responses), cmocka_unit_test(plans), cmocka_unit_test(uints_are_written_short),
		cmocka_unit_test(a_plan_has_an_end), cmocka_unit_test(oscore_passes_whatever_is_planned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
