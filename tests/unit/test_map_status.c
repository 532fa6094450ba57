/* objects: translate/map_status.o translate/map_method.o translate/http_message.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "coap/message.h"
#include "tests/unit/covers.h"
#include "translate/map_method.h"
#include "translate/map_status.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define REASON_405 "CoAP server returned 4.05"

/* ---- CoAP to HTTP ---- */

enum { PAYLOAD = 1, CONDITION = 2, BLAMED = 4, SLOW = 8, PARENT = 16, EVERYTHING = 31 };

static struct status_of_code ask_status(uint8_t code, unsigned flags)
{
	const struct status_question q = {
		.has_payload = flags & PAYLOAD, .conditional = flags & CONDITION, .blame_request = flags & BLAMED, .slow_sender = flags & SLOW,
		.behind_parent = flags & PARENT,
	};

	return status_of_code(code, &q);
}

/* Every code there can be, with every circumstance: a row says what holds if those flags of `looks_at` are as given in `flags`. */
static const struct status_row {
	uint8_t class, detail;
	unsigned looks_at, flags, status;
} status_rows[] = {
	{2, 1, 0, 0, 201},
	{2, 2, PAYLOAD, PAYLOAD, 200},
	{2, 2, PAYLOAD, 0, 204},
	{2, 3, CONDITION, CONDITION, 304},
	{2, 3, CONDITION, 0, 200},
	{2, 4, PAYLOAD, PAYLOAD, 200},
	{2, 4, PAYLOAD, 0, 204},
	{2, 5, 0, 0, 200},
	{2, 31, 0, 0, 0},
	{4, 0, 0, 0, 400},
	{4, 1, 0, 0, 403},
	{4, 2, BLAMED, BLAMED, 400},
	{4, 2, BLAMED, 0, 500},
	{4, 3, 0, 0, 403},
	{4, 4, 0, 0, 404},
	{4, 5, 0, 0, 400},
	{4, 6, 0, 0, 406},
	{4, 8, SLOW, SLOW, 408},
	{4, 8, SLOW, 0, 0},
	{4, 9, 0, 0, 409},
	{4, 12, 0, 0, 412},
	{4, 13, 0, 0, 413},
	{4, 15, 0, 0, 415},
	{4, 22, 0, 0, 422},
	{4, 29, 0, 0, 429},
	{5, 0, 0, 0, 500},
	{5, 1, 0, 0, 501},
	{5, 2, 0, 0, 502},
	{5, 3, 0, 0, 503},
	{5, 4, 0, 0, 504},
	{5, 5, PARENT, PARENT, 502},
	{5, 5, PARENT, 0, 500},
	{5, 8, 0, 0, 508},
};

static unsigned status_wanted(uint8_t code, unsigned flags)
{
	for (size_t i = 0; i < COUNT(status_rows); i++)
		if (code == MSG_CODE(status_rows[i].class, status_rows[i].detail) && (flags & status_rows[i].looks_at) == status_rows[i].flags)
			return status_rows[i].status;
	switch (MSG_CLASS(code)) {
	case 2: return flags & PAYLOAD ? 200 : 204;
	case 4: return 400;
	case 5: return 500;
	default: return 0;
	}
}

static void every_code_has_its_status(void **state)
{
	(void)state;
	covers("C8075-7-1 C8075-7-n2 C8075-7-n3 C8075-7-n5 C8075-7-n6 C8075-7-n9 C8075-7-n10 S-27");
	for (unsigned code = 0; code < 256; code++)
		for (unsigned flags = 0; flags <= EVERYTHING; flags++) {
			struct status_of_code s = ask_status((uint8_t)code, flags);

			if (s.status != status_wanted((uint8_t)code, flags))
				fail_msg("%u.%02u with %u gives %u", code >> 5, code & 31, flags, s.status);
			assert_true(s.status == 0 || (s.status >= 200 && s.status <= 599));
			assert_int_not_equal(s.status, 401);
			assert_true(s.status != 204 || !(flags & PAYLOAD));
		}
}

static void only_4_05_brings_a_reason(void **state)
{
	(void)state;
	covers("C8075-7-n7");
	for (unsigned code = 0; code < 256; code++) {
		const char *reason = ask_status((uint8_t)code, PAYLOAD).reason;

		if (code == CODE_METHOD_NOT_ALLOWED)
			assert_string_equal(reason, REASON_405);
		else
			assert_null(reason);
	}
}

static void changes_are_told_by_payload(void **state)
{
	static const uint8_t codes[] = {CODE_CREATED, CODE_DELETED, CODE_CHANGED};
	static const unsigned bare[] = {201, 204, 204}, with_payload[] = {201, 200, 200};

	(void)state;
	covers("C7252-10.2.5-1 C7252-10.2.6-1");
	for (size_t i = 0; i < COUNT(codes); i++) {
		assert_int_equal(ask_status(codes[i], 0).status, bare[i]);
		assert_int_equal(ask_status(codes[i], PAYLOAD).status, with_payload[i]);
	}
}

/* ---- HTTP to CoAP ---- */

enum { OSCORE = 1, OBSERVING = 2, VALIDATED = 4 };

static uint8_t ask_code(unsigned status, uint8_t method, unsigned flags)
{
	const struct code_question q = {
		.method = method, .oscore = flags & OSCORE, .observing = flags & OBSERVING, .validated = flags & VALIDATED,
	};

	return code_of_status(status, &q);
}

#define GETS "\x01\x05"
#define CHANGES "\x02\x03\x06\x07"
#define DELETES "\x04"
#define ANY GETS CHANGES DELETES

static const struct code_row {
	unsigned first, last;
	const char *methods;
	uint8_t class, detail;
} code_rows[] = {
	{200, 200, GETS, 2, 5},    {200, 200, CHANGES, 2, 4}, {200, 200, DELETES, 2, 2},
	{201, 201, GETS, 2, 5},    {201, 201, CHANGES, 2, 1}, {201, 201, DELETES, 2, 2},
	{202, 202, ANY, 2, 4},
	{203, 205, GETS, 2, 5},    {203, 205, CHANGES, 2, 4}, {203, 205, DELETES, 2, 2},
	{206, 206, ANY, 5, 2},
	{207, 299, GETS, 2, 5},    {207, 299, CHANGES, 2, 4}, {207, 299, DELETES, 2, 2},
	{300, 399, ANY, 5, 2},
	{400, 400, ANY, 4, 0},     {401, 401, ANY, 4, 1},     {402, 402, ANY, 4, 0},      {403, 403, ANY, 4, 3},
	{404, 404, GETS CHANGES, 4, 4}, {404, 404, DELETES, 2, 2},
	{405, 405, ANY, 4, 5},     {406, 406, ANY, 4, 6},     {407, 407, ANY, 5, 2},      {408, 408, ANY, 4, 8},
	{409, 409, ANY, 4, 9},
	{410, 410, GETS CHANGES, 4, 4}, {410, 410, DELETES, 2, 2},
	{411, 411, ANY, 4, 0},     {412, 412, ANY, 4, 12},    {413, 413, ANY, 4, 13},     {414, 414, ANY, 4, 2},
	{415, 415, ANY, 4, 15},    {416, 416, ANY, 5, 2},     {417, 417, ANY, 5, 2},      {418, 420, ANY, 4, 0},
	{421, 421, ANY, 5, 2},     {422, 422, ANY, 4, 22},    {423, 424, ANY, 4, 9},      {425, 425, ANY, 5, 3},
	{426, 427, ANY, 4, 0},     {428, 428, ANY, 4, 12},    {429, 429, ANY, 4, 29},     {430, 430, ANY, 4, 0},
	{431, 431, ANY, 4, 2},     {432, 450, ANY, 4, 0},     {451, 451, ANY, 4, 3},      {452, 499, ANY, 4, 0},
	{500, 500, ANY, 5, 0},     {501, 501, ANY, 5, 1},     {502, 502, ANY, 5, 2},      {503, 503, ANY, 5, 3},
	{504, 504, ANY, 5, 4},     {505, 505, ANY, 5, 2},     {506, 507, ANY, 5, 0},      {508, 508, ANY, 5, 8},
	{509, 599, ANY, 5, 0},
	{0, 199, ANY, 5, 2},       {600, 1023, ANY, 5, 2},    {0xffffffff, 0xffffffff, ANY, 5, 2},
};

static void every_status_has_its_code(void **state)
{
	unsigned asked = 0;

	(void)state;
	covers("C7252-10.1.2-1 C7252-10.1.3-1 C7252-10.1.4-1 S-26");
	for (const struct code_row *row = code_rows; row < code_rows + COUNT(code_rows); row++)
		for (unsigned status = row->first; status >= row->first && status <= row->last; status++)
			for (const char *method = row->methods; *method != '\0'; method++) {
				uint8_t code = ask_code(status, (uint8_t)*method, 0);

				if (code != MSG_CODE(row->class, row->detail))
					fail_msg("%u to method %d gives %u.%02u", status, *method, code >> 5, code & 31);
				assert_int_equal(ask_code(status, (uint8_t)*method, VALIDATED), status == 304 ? CODE_VALID : code);
				assert_int_equal(ask_code(status, (uint8_t)*method, OBSERVING), code);
				asked++;
			}
	assert_int_equal(asked, 1025 * 7);
}

static void an_oscore_answer_is_200(void **state)
{
	(void)state;
	covers("C8613-11.6-1");
	for (uint8_t method = CODE_GET; method <= CODE_IPATCH; method++)
		for (unsigned status = 0; status < 1024; status++) {
			assert_int_equal(ask_code(status, method, OSCORE), status == 200 ? CODE_CHANGED : CODE_BAD_GATEWAY);
			assert_int_equal(ask_code(status, method, OSCORE | VALIDATED), status == 200 ? CODE_CHANGED : CODE_BAD_GATEWAY);
			assert_int_equal(ask_code(status, method, OSCORE | OBSERVING), status == 200 ? CODE_CONTENT : CODE_BAD_GATEWAY);
		}
}

static void two_redirects_may_be_followed(void **state)
{
	(void)state;
	for (unsigned status = 0; status < 1024; status++)
		assert_int_equal(status_may_be_followed(status), status == 307 || status == 308);
}

/* ---- methods ---- */

static void methods_have_their_codes(void **state)
{
	static const struct {
		const char *method;
		int code;
	} rows[] = {
		{"GET", CODE_GET}, {"HEAD", CODE_GET}, {"POST", CODE_POST}, {"PUT", CODE_PUT}, {"DELETE", CODE_DELETE}, {"FETCH", CODE_FETCH},
		{"PATCH", CODE_PATCH}, {"iPATCH", CODE_IPATCH}, {"QUERY", METHOD_QUERY}, {"OPTIONS", METHOD_NONE}, {"TRACE", METHOD_NONE},
		{"CONNECT", METHOD_NONE}, {"PROPFIND", METHOD_NONE}, {"get", METHOD_NONE}, {"Get", METHOD_NONE}, {"IPATCH", METHOD_NONE},
		{"ipatch", METHOD_NONE}, {"", METHOD_NONE}, {"GE", METHOD_NONE}, {"GETS", METHOD_NONE}, {"POST ", METHOD_NONE}, {"PRI", METHOD_NONE},
	};

	(void)state;
	covers("C7252-10.2.1-1");
	for (size_t i = 0; i < COUNT(rows); i++)
		if (method_of_http((struct http_text){rows[i].method, strlen(rows[i].method)}) != rows[i].code)
			fail_msg("%s", rows[i].method);
	assert_int_equal(method_of_http((struct http_text){"GET\0", 4}), METHOD_NONE);
	assert_int_equal(method_of_http((struct http_text){NULL, 0}), METHOD_NONE);
	assert_true(METHOD_NONE < 0 && METHOD_QUERY < 0);
}

static void codes_have_their_methods(void **state)
{
	static const char *const methods[] = {NULL, "GET", "POST", "PUT", "DELETE", NULL, "PATCH", "PATCH"};

	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		const char *method = method_of_code((uint8_t)code);

		if (code < COUNT(methods) && methods[code] != NULL)
			assert_string_equal(method, methods[code]);
		else
			assert_null(method);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_its_status),
		cmocka_unit_test(only_4_05_brings_a_reason),
		cmocka_unit_test(changes_are_told_by_payload),
		cmocka_unit_test(every_status_has_its_code),
		cmocka_unit_test(an_oscore_answer_is_200),
		cmocka_unit_test(two_redirects_may_be_followed),
		cmocka_unit_test(methods_have_their_codes),
		cmocka_unit_test(codes_have_their_methods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
