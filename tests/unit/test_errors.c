/* objects: base/errors.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/errors.h"

/* The codes that OSCORE clients take unprotected, and those that belong to the Outer layer and stay as they are. */
static bool oscore_may_see(uint8_t code)
{
	static const uint8_t codes[] = {
		COAP_CODE(4, 0), COAP_CODE(4, 1), COAP_CODE(4, 2), COAP_CODE(4, 4), COAP_CODE(4, 13), COAP_CODE(5, 2), COAP_CODE(5, 3),
		COAP_CODE(5, 4), COAP_CODE(5, 5), COAP_CODE(4, 8), COAP_CODE(5, 8),
	};

	return memchr(codes, code, sizeof(codes)) != NULL;
}

static void every_row_is_sound(void **state)
{
	(void)state;
	for (int e = ERR_NONE + 1; e < ERR_COUNT; e++) {
		const struct error_row *row = error_row((enum error)e);

		assert_non_null(row->name);
		assert_true(row->coap_code >= COAP_CODE(4, 0) && row->coap_code < COAP_CODE(6, 0));
		assert_true(oscore_may_see(row->oscore_code));
		assert_in_range(row->http_status, 400, 599);
		assert_true((row->class == ERROR_OURS) <= (row->coap_code >> 5 == 5));
		assert_true((row->class == ERROR_ORIGIN) <= (row->coap_code >> 5 == 5));
		/* a diagnostic is for a person, without an address or anything else that varies */
		assert_true(strlen(row->text) < 64);
		for (const char *c = row->text; *c != '\0'; c++)
			assert_true(*c >= 0x20 && *c < 0x7f && *c != '%' && !(*c >= '0' && *c <= '9'));
		for (const char *c = row->counter; *c != '\0'; c++)
			assert_true((*c >= 'a' && *c <= 'z') || *c == '_');
		for (int other = ERR_NONE + 1; other < e; other++)
			assert_string_not_equal(row->counter, error_row((enum error)other)->counter);
	}
}

static void what_is_no_error_is_ours(void **state)
{
	static const int values[] = {ERR_NONE, ERR_COUNT, -1, 10000};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_ptr_equal(error_row((enum error)values[i]), error_row(ERR_INTERNAL));
	assert_string_equal(error_row(ERR_NAME)->name, "ERR_NAME");
	assert_int_equal(error_row(ERR_ORIGIN_TIMEOUT)->coap_code, COAP_CODE(5, 4));
	assert_int_equal(error_row(ERR_FORBIDDEN)->oscore_code, COAP_CODE(4, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_sound),
		cmocka_unit_test(what_is_no_error_is_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
