/* objects: translate/http_message.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "tests/unit/covers.h"
#include "translate/http_message.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT(literal) ((struct http_text){literal, sizeof(literal) - 1})
#define FIELD(name, value) {{name, sizeof(name) - 1}, {value, sizeof(value) - 1}}

/* A text that ends where its memory ends, so that the sanitizers see every byte read too far. */
static struct http_text copy_of(const char *text)
{
	size_t len = strlen(text);
	char *copy = malloc(len + (len == 0));

	assert_non_null(copy);
	memcpy(copy, text, len);
	return (struct http_text){copy, len};
}

static void text_is(struct http_text text, const char *wanted)
{
	if (!http_text_equal(text, wanted))
		fail_msg("\"%.*s\" is not \"%s\"", (int)text.len, text.at, wanted);
}

static void words_are_compared(void **state)
{
	static const struct {
		const char *text, *word;
		bool is, equal;
	} rows[] = {
		{"close", "close", true, true},   {"CLOSE", "close", true, false}, {"close", "Close", true, false}, {"clos", "close", false, false},
		{"closed", "close", false, false}, {"", "", true, true},           {"", "close", false, false},    {"close", "", false, false},
		{"[", "{", false, false},          {"@", "`", false, false},       {"a-b", "A-B", true, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_text text = copy_of(rows[i].text);

		if (http_text_is(text, rows[i].word) != rows[i].is || http_text_equal(text, rows[i].word) != rows[i].equal)
			fail_msg("\"%s\" and \"%s\"", rows[i].text, rows[i].word);
		free((char *)text.at);
	}
	assert_true(http_text_is((struct http_text){NULL, 0}, "") && http_text_equal((struct http_text){NULL, 0}, ""));
	assert_false(http_text_is((struct http_text){"a\0b", 3}, "a"));
}

static void fields_are_found_by_name(void **state)
{
	static const struct http_head head = {
		.field_count = 4,
		.fields = {FIELD("Host", "h"), FIELD("accept", "a"), FIELD("ACCEPT", "b"), FIELD("Accepted", "c"),
			FIELD("Behind", "the end")},
	};

	(void)state;
	assert_ptr_equal(http_field_find(&head, "Accept"), &head.fields[1]);
	assert_int_equal(http_field_count(&head, "Accept"), 2);
	assert_ptr_equal(http_field_find(&head, "host"), &head.fields[0]);
	assert_int_equal(http_field_count(&head, "host"), 1);
	assert_null(http_field_find(&head, "Behind"));
	assert_int_equal(http_field_count(&head, "Behind"), 0);
}

static void lists_are_taken_apart(void **state)
{
	static const struct {
		const char *list;
		const char *elements[4];
	} rows[] = {
		{"", {NULL}},
		{" ,\t, ,", {NULL}},
		{"a", {"a"}},
		{"a,b", {"a", "b"}},
		{",, a ,\t, b\t ,", {"a", "b"}},
		{"a b , c", {"a b", "c"}},
		{"\"a,b\", c", {"\"a,b\"", "c"}},
		{"a;x=\"1,2\\\",3\" , b", {"a;x=\"1,2\\\",3\"", "b"}},
		{"\"\\\\\",b", {"\"\\\\\"", "b"}},
		{"a, \"b, c", {"a", "\"b, c"}},
		{"a, \"b, c\\", {"a", "\"b, c\\"}},
		{"a, \"b, c\\\"", {"a", "\"b, c\\\""}},
		{"\"", {"\""}},
		{"\"\",", {"\"\""}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_text copy = copy_of(rows[i].list), list = copy, element;
		size_t count = 0;

		while (http_list_next(&list, &element)) {
			assert_true(count < COUNT(rows[i].elements) && rows[i].elements[count] != NULL);
			text_is(element, rows[i].elements[count++]);
		}
		if (count < COUNT(rows[i].elements) && rows[i].elements[count] != NULL)
			fail_msg("%s: only %zu elements", rows[i].list, count);
		assert_false(http_list_next(&list, &element));
		free((char *)copy.at);
	}
}

/* Parameters as one text: "name=value " each, then "0" or "-1". */
static void parameters_are_taken_apart(void **state)
{
	static const struct {
		const char *text, *wanted;
	} rows[] = {
		{"", "0"}, {" \t", "0"}, {";", "0"}, {" ; ;\t;", "0"},
		{";a=b", "a=b 0"}, {" ; a=b ;c=d", "a=b c=d 0"}, {";;a=b;;", "a=b 0"}, {";Q=0.5", "Q=0.5 0"},
		{";a=\"\"", "a= 0"}, {";a=\"b;c\";d=e", "a=b;c d=e 0"}, {";a=\"b\\\"c\"", "a=b\\\"c 0"}, {";a=\"\t \"", "a=\t  0"},
		{"a=b", "-1"}, {";a", "-1"}, {";a=", "-1"}, {";=b", "-1"}, {";a =b", "-1"}, {";a= b", "-1"}, {"; a b=c", "-1"},
		{";a=b c", "a=b -1"}, {";a=b,c", "a=b -1"}, {";a=\"b", "-1"}, {";a=\"", "-1"}, {";a=\"b\\\"", "-1"}, {";a=\"b\"c", "a=b -1"},
		{";a=b;c", "a=b -1"}, {";a=b=c", "a=b -1"}, {";a=\"b\x01\"", "-1"}, {";a=\"b\x7f\"", "-1"}, {";a=\"b\x80\"", "-1"},
		{";a=\xc3\xa9", "-1"}, {";(a)=b", "-1"}, {",a=b", "-1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_text copy = copy_of(rows[i].text), rest = copy, name, value;
		char got[128];
		struct writer w;
		int more;

		writer_init(&w, (uint8_t *)got, sizeof got);
		while ((more = http_parameter_next(&rest, &name, &value)) == 1) {
			writer_bytes(&w, name.at, name.len);
			writer_u8(&w, '=');
			writer_bytes(&w, value.at, value.len);
			writer_u8(&w, ' ');
		}
		writer_bytes(&w, "-1", more < 0 ? 2 : 0);
		writer_bytes(&w, "0", more == 0);
		assert_false(w.failed);
		text_is((struct http_text){got, writer_length(&w)}, rows[i].wanted);
		free((char *)copy.at);
	}
	struct http_text nul = {";a\0=b", 5}, name, value;

	assert_int_equal(http_parameter_next(&nul, &name, &value), -1);
}

static void qualities_are_thousandths(void **state)
{
	static const struct {
		const char *parameters;
		int quality;
	} rows[] = {
		{"", 1000}, {";a=b", 1000}, {";q=1", 1000}, {";q=0", 0}, {";q=1.", 1000}, {";q=0.", 0}, {";q=1.000", 1000}, {";q=0.000", 0},
		{";q=0.5", 500}, {"; Q=0.05", 50}, {";q=0.005", 5}, {";q=0.999", 999}, {";level=1;q=0.3", 300}, {";q=0.3;q=0.4", 300},
		{";q=0.3;ext=\"1\"", 300}, {";q=0.3 ; ext", 300},
		{";q=", -1}, {";q", -1}, {";q=2", -1}, {";q=1.001", -1}, {";q=1.1", -1}, {";q=0.1234", -1}, {";q=1.0000", -1}, {";q=-1", -1},
		{";q=+1", -1}, {";q=.5", -1}, {";q=0,5", -1}, {";q=0 5", -1}, {";q=\"0\"5", -1},
		{";q=00", -1}, {";q=01", -1}, {";q=0.5x", -1}, {";q=0.x", -1}, {";q=1e0", -1},
		{";q=\"\"", -1}, {";q=5", -1}, {";x;q=1", -1}, {";q= 1", -1}, {"q=1", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct http_text copy = copy_of(rows[i].parameters);

		if (http_quality(copy) != rows[i].quality)
			fail_msg("%s: %d", rows[i].parameters, http_quality(copy));
		free((char *)copy.at);
	}
}

static void a_head_is_written(void **state)
{
	static const char wanted[] = "POST /a?b HTTP/1.1\r\nHost: h\r\nAge: 0\r\nContent-Length: 18446744073709551615\r\nX: \r\n\r\n";
	uint8_t bytes[sizeof wanted - 1];
	struct writer w;

	(void)state;
	for (size_t room = 0; room <= sizeof bytes; room++) {
		writer_init(&w, bytes, room);
		http_write_request_line(&w, "POST", TEXT("/a?b"));
		http_write_field(&w, "Host", TEXT("h"));
		http_write_field_uint(&w, "Age", 0);
		http_write_field_uint(&w, "Content-Length", UINT64_MAX);
		http_write_field_text(&w, "X", "");
		http_write_end(&w);
		assert_int_equal(w.failed, room < sizeof bytes);
	}
	assert_memory_equal(bytes, wanted, sizeof bytes);
}

static void a_status_line_has_a_reason(void **state)
{
	static const struct {
		unsigned status;
		const char *reason, *wanted;
	} rows[] = {
		{200, NULL, "HTTP/1.1 200 OK\r\n"},
		{508, NULL, "HTTP/1.1 508 Loop Detected\r\n"},
		{400, "CoAP server returned 4.05", "HTTP/1.1 400 CoAP server returned 4.05\r\n"},
		{299, NULL, "HTTP/1.1 299 \r\n"},
		{999, NULL, "HTTP/1.1 999 \r\n"},
		{200, "a\r\nSet-Cookie: b", "HTTP/1.1 200 a??Set-Cookie: b\r\n"},
		{99, NULL, NULL},
		{1000, NULL, NULL},
		{0, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t bytes[64];
		struct writer w;

		writer_init(&w, bytes, sizeof bytes);
		http_write_status_line(&w, rows[i].status, rows[i].reason);
		assert_int_equal(w.failed, rows[i].wanted == NULL);
		if (rows[i].wanted != NULL)
			text_is((struct http_text){(char *)bytes, writer_length(&w)}, rows[i].wanted);
	}
	for (unsigned status = 0; status < 1024; status++)
		assert_non_null(http_reason(status));
	assert_string_equal(http_reason(404), "Not Found");
	assert_string_equal(http_reason(418), "");
	assert_string_equal(http_reason(0xffffffff), "");
}

/* Whatever a device sent, it makes one field of it. */
static void no_value_splits_a_head(void **state)
{
	(void)state;
	covers("C8075-10-3");
	for (unsigned c = 0; c < 256; c++) {
		bool fits = (c >= 0x20 && c < 0x7f) || c == '\t';
		char raw[3] = {'a', (char)c, 'b'}, wanted[] = "X: a?b\r\n";
		uint8_t bytes[64];
		struct writer w;

		wanted[4] = fits ? (char)c : '?';
		writer_init(&w, bytes, sizeof bytes);
		http_write_field(&w, "X", (struct http_text){raw, sizeof raw});
		assert_false(w.failed);
		assert_int_equal(writer_length(&w), sizeof wanted - 1);
		assert_memory_equal(bytes, wanted, sizeof wanted - 1);

		writer_init(&w, bytes, sizeof bytes);
		http_write_request_line(&w, "GET", (struct http_text){raw, sizeof raw});
		assert_int_equal(w.failed, c <= 0x20 || c >= 0x7f);
	}
	uint8_t bytes[64];
	struct writer w;

	writer_init(&w, bytes, sizeof bytes);
	http_write_request_line(&w, "GET", (struct http_text){"", 0});
	assert_true(w.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_compared),
		cmocka_unit_test(fields_are_found_by_name),
		cmocka_unit_test(lists_are_taken_apart),
		cmocka_unit_test(parameters_are_taken_apart),
		cmocka_unit_test(qualities_are_thousandths),
		cmocka_unit_test(a_head_is_written),
		cmocka_unit_test(a_status_line_has_a_reason),
		cmocka_unit_test(no_value_splits_a_head),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
