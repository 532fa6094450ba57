/* objects: translate/map_freshness.o translate/http_message.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#include "tests/unit/covers.h"
#include "tests/unit/heads.h"
#include "translate/map_freshness.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void dates(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: it is none */
	} rows[] = {
		{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
		{"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
		{"Tue, 29 Feb 2000 23:59:59 GMT", 951868799},
		{"Mon, 18 Jan 2038 03:14:08 GMT", 2147397248},
		{"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
		{"Fri, 31 Dec 9999 23:59:59 GMT", 253402300799},
		{"Xxx, 06 Nov 1994 08:49:37 GMT", 784111777},
		{"Wed, 31 Dec 1969 23:59:59 GMT", -1},
		{"Tue, 29 Feb 1900 00:00:00 GMT", -1},
		{"Sun, 29 Feb 2015 00:00:00 GMT", -1},
		{"Sun, 31 Apr 2015 00:00:00 GMT", -1},
		{"Sun, 00 Nov 1994 08:49:37 GMT", -1},
		{"Sun, 06 nov 1994 08:49:37 GMT", -1},
		{"Sun, 06 Nov 1994 24:00:00 GMT", -1},
		{"Sun, 06 Nov 1994 08:60:37 GMT", -1},
		{"Sun, 06 Nov 1994 08:49:61 GMT", -1},
		{"Sun, 06 Nov 1994 08:49:37 UTC", -1},
		{"Sun, 06 Nov 1994 08:49:37 GMT ", -1},
		{"Sun, +6 Nov 1994 08:49:37 GMT", -1},
		{"Sun, 06 Nov -994 08:49:37 GMT", -1},
		{"Sunday, 06-Nov-94 08:49:37 GMT", -1},
		{"Sun Nov  6 08:49:37 1994", -1},
		{"", -1},
		{"0", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t seconds = -1;

		assert_int_equal(http_date_parse(text_of(rows[i].text), &seconds), rows[i].seconds >= 0);
		assert_int_equal(seconds, rows[i].seconds);
	}
}

/* Every day of 430 years, beside the C library, or of as many as its time_t can tell (32 bits on some machines). */
static void every_day(void **state)
{
	(void)state;
	for (int64_t day = 0; day < 157000; day++) {
		time_t expected = (time_t)(day * 86400 + day % 86400);
		int64_t seconds = -1;
		char text[64];
		struct tm tm;

		if (expected != day * 86400 + day % 86400)
			return;
		assert_non_null(gmtime_r(&expected, &tm));
		strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		assert_true(http_date_parse(text_of(text), &seconds));
		assert_int_equal(seconds, expected);
	}
}

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\n"

static void what_is_left(void **state)
{
	static const struct {
		const char *fields;
		uint32_t left;
	} rows[] = {
		{"", 0},
		{"Cache-Control: max-age=10\n", 10},
		{"Cache-Control: public, MAX-AGE=10, must-revalidate\n", 10},
		{"Cache-Control: max-age=\"10\"\n", 10},
		{"Cache-Control: public\nCache-Control: max-age=10\n", 10},
		{"Cache-Control: max-age=10, s-maxage=5\n", 5},
		{"Cache-Control: s-maxage=50\nCache-Control: max-age=10\n", 50},
		{"Cache-Control: max-age=10\nAge: 4\n", 6},
		{"Cache-Control: max-age=10\nAge: 10\n", 0},
		{"Cache-Control: max-age=10\nAge: 4294967295\nAge: 4294967295\n", 0},
		{"Cache-Control: max-age=10\nAge: x\n", 0},
		{"Cache-Control: max-age=99999999999999999999999\n", UINT32_MAX},
		/* what cannot be believed is not fresh */
		{"Cache-Control: max-age=10, max-age=20\n", 0},
		{"Cache-Control: max-age=-1\n", 0},
		{"Cache-Control: max-age=1.5\n", 0},
		{"Cache-Control: max-age= 10\n", 0},
		{"Cache-Control: max-age\n", 0},
		{"Cache-Control: max-age=\n", 0},
		{"Cache-Control: max-age=x, s-maxage=5\n", 5},
		{"Cache-Control: s-maxage=x, max-age=5\n", 0},
		/* what must not be kept */
		{"Cache-Control: max-age=10, no-store\n", 0},
		{"Cache-Control: no-cache=\"X\", max-age=10\n", 0},
		{"Cache-Control: Private, max-age=10\n", 0},
		{"Cache-Control: max-age=10\nCache-Control: no-cache\n", 0},
		{"Cache-Control: max-age=10\nVary: *\n", 0},
		{"Cache-Control: max-age=10\nVary: Accept\n", 10},
		{"Cache-Control: x-no-store, max-age=10\n", 10},
		/* by dates */
		{DATE "Expires: Sun, 06 Nov 1994 08:50:00 GMT\n", 23},
		{DATE "Expires: Sun, 06 Nov 1994 08:50:00 GMT\nAge: 3\n", 20},
		{DATE "Expires: Sun, 06 Nov 1994 08:49:37 GMT\n", 0},
		{DATE "Expires: Sun, 06 Nov 1994 08:00:00 GMT\n", 0},
		{DATE "Expires: Fri, 31 Dec 9999 23:59:59 GMT\n", UINT32_MAX},
		{DATE "Expires: 0\n", 0},
		{"Expires: Sun, 06 Nov 1994 08:50:00 GMT\n", 0},
		{DATE DATE "Expires: Sun, 06 Nov 1994 08:50:00 GMT\n", 0},
		{DATE "Expires: Sun, 06 Nov 1994 08:50:00 GMT\nCache-Control: max-age=5\n", 5},
		{DATE "Expires: Sun, 06 Nov 1994 08:50:00 GMT\nCache-Control: public\n", 23},
	};

	(void)state;
	covers("C7252-10.1.1-2");
	for (size_t i = 0; i < COUNT(rows); i++) {
		static struct http_head head;
		char text[512];
		uint32_t left;

		snprintf(text, sizeof text, "200\n%s", rows[i].fields);
		head_of(&head, text);
		left = freshness_left(&head, 0);
		if (left != rows[i].left)
			fail_msg("%s: %u", rows[i].fields, left);
		assert_int_equal(freshness_left(&head, 1), left == 0 ? 0 : left - 1);
		assert_int_equal(freshness_left(&head, UINT32_MAX), 0);
	}
}

static void when_to_come_again(void **state)
{
	static const struct {
		const char *fields;
		bool said;
		uint32_t seconds;
	} rows[] = {
		{"Retry-After: 120\n", true, 120},
		{"Retry-After: 0\n", true, 0},
		{"Retry-After: 99999999999\n", true, UINT32_MAX},
		{DATE "Retry-After: Sun, 06 Nov 1994 08:50:00 GMT\n", true, 23},
		{"Retry-After: Sun, 06 Nov 1994 08:50:00 GMT\n", false, 0},
		{DATE "Retry-After: Sun, 06 Nov 1994 08:00:00 GMT\n", false, 0},
		{"Retry-After: soon\n", false, 0},
		{"Retry-After: 1\nRetry-After: 1\n", false, 0},
		{"", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		static struct http_head head;
		char text[256];
		uint32_t seconds = 0;

		snprintf(text, sizeof text, "503\n%s", rows[i].fields);
		head_of(&head, text);
		assert_int_equal(freshness_retry_after(&head, &seconds), rows[i].said);
		if (rows[i].said)
			assert_int_equal(seconds, rows[i].seconds);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(dates),
		cmocka_unit_test(every_day),
		cmocka_unit_test(what_is_left),
		cmocka_unit_test(when_to_come_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
