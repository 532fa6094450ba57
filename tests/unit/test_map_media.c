/* objects: translate/map_media.o translate/content_formats.o translate/http_message.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/data/content-formats.h"
#include "tests/unit/covers.h"
#include "translate/content_formats.h"
#include "translate/map_media.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct media_policy strict, loose = {.loose = true}, passing = {.coap_payload = true}, all = {true, true};

/* Texts that end where their memory ends, so that the sanitizers see every byte read too far. */
static int map_copies(const char *type, const char *coding, const struct media_policy *policy)
{
	struct http_text copies[2] = {{NULL, strlen(type)}, {NULL, strlen(coding)}};
	const char *from[2] = {type, coding};
	int format;

	for (int i = 0; i < 2; i++) {
		char *copy = malloc(copies[i].len + (copies[i].len == 0));

		assert_non_null(copy);
		memcpy(copy, from[i], copies[i].len);
		copies[i].at = copy;
	}
	format = media_to_format(copies[0], copies[1], policy);
	free((char *)copies[0].at);
	free((char *)copies[1].at);
	return format;
}

struct row {
	const char *type, *coding;
	int format;
};

static void check_rows(const struct row *rows, size_t count, const struct media_policy *policy)
{
	for (size_t i = 0; i < count; i++) {
		int format = map_copies(rows[i].type, rows[i].coding, policy);

		if (format != rows[i].format)
			fail_msg("\"%s\" \"%s\" gives %d, not %d", rows[i].type, rows[i].coding, format, rows[i].format);
	}
}

/* What the look-ups by search rely on. */
static void the_registry_is_sorted(void **state)
{
	static const struct content_format rows[] = {
#define X(id, type, parameters, coding) {id, CODING_##coding, type, parameters},
		CONTENT_FORMATS_TABLE(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(content_format_row(rows[i].id)->id, rows[i].id);
		for (const char *c = rows[i].type; *c != '\0'; c++)
			assert_int_equal(*c, tolower(*c));
		if (i > 0) {
			int by_type = strcmp(rows[i - 1].type, rows[i].type);
			int by_parameters = strcmp(rows[i - 1].parameters, rows[i].parameters);

			if (by_type > 0 || (by_type == 0 && (by_parameters > 0 || (by_parameters == 0 && rows[i - 1].coding >= rows[i].coding))))
				fail_msg("%u is not behind %u", rows[i].id, rows[i - 1].id);
		}
	}
	assert_int_equal(COUNT(rows), COUNT(registered_formats));
}

static void rows_are_found_by_their_whole_name(void **state)
{
	static const struct {
		const char *text;
		size_t len, count;
	} types[] = {
		{"text/css", 8, 1}, {"text/css\0", 9, 0}, {"text/css\0a", 10, 0}, {"text/cs", 7, 0}, {"", 0, 0}, {"\xff", 1, 0}, {"zz", 2, 0},
		{"application/cose", 16, 6}, {"application/ace+cbor", 20, 1}, {"Text/Plain", 10, 2},
	};
	static const struct {
		const char *text;
		bool has;
	} parameters[] = {
		{";charset=utf-8", true}, {";charset=utf-8;", true}, {"", false}, {";charset=utf-8;x", false}, {";charset=utf-8 x", false},
		{"charset=utf-8", false}, {";charset=utf-8;charset=utf-8", false}, {";charset=utf-8;a=b", false}, {";a=utf-8", false},
	};
	const struct content_format *first;

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++)
		assert_int_equal(content_formats_of_type((struct http_text){types[i].text, types[i].len}, &first), types[i].count);
	for (size_t i = 0; i < COUNT(parameters); i++) {
		struct http_text text = {parameters[i].text, strlen(parameters[i].text)};

		if (content_format_has_parameters(content_format_row(0), text) != parameters[i].has)
			fail_msg("%s", parameters[i].text);
	}
	assert_null(content_format_row(1542));
	assert_null(content_format_row(UINT32_MAX));
}

static void every_registered_format_maps_both_ways(void **state)
{
	(void)state;
	covers("C8075-6.1-1 C8075-6.4-1");
	for (size_t i = 0; i < COUNT(registered_formats); i++) {
		const struct registered_format *f = &registered_formats[i];
		const struct media_policy *policies[] = {&strict, &loose, &passing, &all};
		char type[MEDIA_TEXT_MAX];
		const char *coding;

		media_of_format(f->id, type, &coding);
		for (size_t p = 0; p < COUNT(policies); p++) {
			int wanted = f->id == FORMAT_OSCORE ? MEDIA_REFUSED : (int)f->id;

			assert_int_equal(map_copies(f->type, f->coding, policies[p]), wanted);
			if (f->id != FORMAT_OSCORE)
				assert_int_equal(map_copies(type, coding != NULL ? coding : "", policies[p]), wanted);
		}
		if (f->id == FORMAT_OSCORE)
			continue;
		/* the text is the registry's but for the blanks */
		for (const char *a = type, *b = f->type; *a != '\0' || *b != '\0'; a++, b++) {
			while (*b == ' ')
				b++;
			assert_int_equal(*a, *b);
		}
		if (f->coding[0] == '\0')
			assert_null(coding);
		else
			assert_string_equal(coding, f->coding);
	}
}

static void formats_without_a_type_keep_their_number(void **state)
{
	char type[MEDIA_TEXT_MAX], wanted[MEDIA_TEXT_MAX];
	const char *coding;
	size_t named = 0;

	(void)state;
	covers("C8075-6.2-1 C7252-10.2.2-1");
	for (uint32_t format = 0; format <= FORMAT_MAX; format++) {
		media_of_format(format, type, &coding);
		if (content_format_row(format) != NULL && format != FORMAT_OSCORE) {
			named++;
			continue;
		}
		snprintf(wanted, sizeof wanted, "application/coap-payload;cf=%u", format);
		assert_string_equal(type, wanted);
		assert_null(coding);
		assert_int_equal(map_copies(type, "", &all), format == FORMAT_OSCORE ? MEDIA_REFUSED : (int)format);
	}
	assert_int_equal(named, COUNT(registered_formats) - 1);
	media_of_format(UINT32_MAX, type, &coding);
	assert_string_equal(type, "application/coap-payload;cf=4294967295");
	media_of_format(11050, type, &coding);
	assert_string_equal(type, "application/json");
	assert_string_equal(coding, "deflate");
	media_of_format(0, type, &coding);
	assert_string_equal(type, "text/plain;charset=utf-8");
	assert_null(coding);
}

static void spelling_does_not_matter(void **state)
{
	static const struct row rows[] = {
		{"Text/Plain; Charset=\"UTF-8\"", "", 0},
		{"text/plain;charset=utf-8", "identity", 0},
		{"TEXT/PLAIN \t;\tCHARSET=Utf-8", "IDENTITY, ,", 0},
		{"text/plain;charset=\"u\\tf\\-8\"", "", 0},
		{"text/plain;;charset=utf-8;", "", 0},
		{"APPLICATION/JSON", "", 50},
		{"application/json", "Deflate", 11050},
		{"application/json", "identity,deflate", 11050},
		{"application/json", " deflate , identity", 11050},
		{"application/cbor;", "deflate", 11060},
		{"application/cbor; ;", "", 60},
		{"text/plain; charset=UTF-8", "zstd", 12000},
		{"application/cose;cose-type=cose-sign1", "", 18},
		{"application/cose;Cose-Type=\"cose-sign1\"", "", 18},
		{"application/aif+cbor;toid=oscore-gname;tperm=oscore-gperm", "", 297},
		{"application/aif+cbor; tperm=\"oscore-gperm\"; toid=oscore-gname", "", 297},
		{"application/aif+json;TPERM=oscore-gperm;toid=oscore-gname", "", 298},
		{"application/eat+cwt;eat_profile=\"2.16.840.1.113741.1.16.1\"", "", 10005},
		{"application/eat+cwt;eat_profile=\"tag:psacertified.org,2023:psa\\#tfm\"", "", 10003},
		{"application/yang-data+cbor;id=name", "", 341},
		{"application/yang-data+cbor", "", 340},
	};

	(void)state;
	covers("C8075-6.4-2");
	check_rows(rows, COUNT(rows), &strict);
	check_rows(rows, COUNT(rows), &all);
}

/* Near misses: with one of them mapped, a body would be called what it is not. */
static void what_is_not_registered_is_unmapped(void **state)
{
	static const struct row rows[] = {
		{"text/plain", "", MEDIA_UNMAPPED},
		{"text/plain;charset=iso-8859-1", "", MEDIA_UNMAPPED},
		{"text/plain;charset=utf-8;charset=utf-8", "", MEDIA_UNMAPPED},
		{"text/plain;charset=utf-8;charset=latin1", "", MEDIA_UNMAPPED},
		{"text/plain;charset=utf-8;format=flowed", "", MEDIA_UNMAPPED},
		{"text/plain;charset=utf-88", "", MEDIA_UNMAPPED},
		{"text/plain;charset=utf", "", MEDIA_UNMAPPED},
		{"text/plain;charset=\"\"", "", MEDIA_UNMAPPED},
		{"application/json;charset=utf-8", "", MEDIA_UNMAPPED},
		{"application/jsonx", "", MEDIA_UNMAPPED},
		{"application/jso", "", MEDIA_UNMAPPED},
		{"application/cose", "", MEDIA_UNMAPPED},
		{"application/cose;cose-type=COSE-SIGN1", "", MEDIA_UNMAPPED},
		{"application/aif+cbor;toid=oscore-gname", "", MEDIA_UNMAPPED},
		{"application/aif+cbor;toid=oscore-gname;toid=oscore-gname", "", MEDIA_UNMAPPED},
		{"application/aif+cbor;tperm=oscore-gperm", "", MEDIA_UNMAPPED},
		{"application/aif+cbor;toid=oscore-gperm;tperm=oscore-gname", "", MEDIA_UNMAPPED},
		{"application/soap+xml", "", MEDIA_UNMAPPED},
		{"video/mp4", "", MEDIA_UNMAPPED},
		{"application/json", "gzip", MEDIA_UNMAPPED},
		{"application/json", "deflate, deflate", MEDIA_UNMAPPED},
		{"application/json", "deflate, gzip", MEDIA_UNMAPPED},
		{"application/json", "deflate;q=1", MEDIA_UNMAPPED},
		{"application/json", "*", MEDIA_UNMAPPED},
		{"application/octet-stream", "deflate", MEDIA_UNMAPPED},
		{"text/css", "zstd", MEDIA_UNMAPPED},
		{"zzz/zzz", "", MEDIA_UNMAPPED},
		{"a/a", "", MEDIA_UNMAPPED},
	};

	(void)state;
	check_rows(rows, COUNT(rows), &strict);
	check_rows(rows, COUNT(rows), &passing);
}

static void loose_types_are_generalised_once(void **state)
{
	static const struct row rows[] = {
		/* a row of the table each */
		{"application/soap+xml", "", 41},
		{"application/hal+json", "", 50},
		{"application/Problem+JSON", "", 50},
		{"application/ccf+cbor", "", 60},
		{"text/xml", "", 41},
		{"text/csv", "", 0},
		{"image/bmp", "", 42},
		/* in their order */
		{"application/senml+json", "", 110},
		{"application/a+json+xml", "", 41},
		{"application/+xml", "", 42},
		{"application/xml+", "", 42},
		{"image/x+xml", "", 42},
		{"text/x+xml", "", 0},
		{"text/xmls", "", 0},
		{"text/plain", "", 0},
		{"text/css", "", 20000},
		/* names of more than letters */
		{"image/x-foo2", "", 42},
		{"application/3gpp", "", 42},
		{"x_1/y!2", "", 42},
		/* what a parameter says is lost, but for a charset */
		{"application/json;charset=utf-8", "", 50},
		{"application/json; charset=\"US-ASCII\"", "", 50},
		{"application/json; odata=verbose", "", 50},
		{"application/soap+xml; charset=utf-8; action=x", "", 41},
		{"text/csv; header=absent", "", 0},
		{"text/plain; charset=us-ascii", "", 0},
		{"text/plain; charset=iso-8859-1", "", 42},
		{"text/csv; charset=utf-16", "", 42},
		{"application/json; charset=utf-16", "", 42},
		{"application/xml; charset=iso-8859-1", "", 42},
		{"application/cose", "", 42},
		{"application/yang-data+cbor;id=other", "", 340},
		/* with the same coding */
		{"application/soap+json", "deflate", 11050},
		{"application/soap+xml", "zstd", 12041},
		{"text/csv", "zstd", 12000},
		{"text/csv", "deflate", MEDIA_UNMAPPED},
		{"image/bmp", "deflate", MEDIA_UNMAPPED},
		{"image/bmp", "gzip", MEDIA_UNMAPPED},
		{"application/json", "gzip", MEDIA_UNMAPPED},
		{"application/json", "zstd", 12050},
	};

	(void)state;
	covers("C8075-6.1-6 C8075-6.3-1 C8075-6.3-2 C8075-6.4-1");
	check_rows(rows, COUNT(rows), &loose);
	assert_int_equal(map_copies("application/soap+xml", "", &strict), MEDIA_UNMAPPED);
	assert_int_equal(map_copies("image/bmp", "", &strict), MEDIA_UNMAPPED);
}

/* Not even bytes. */
static void what_is_no_media_type_is_unmapped(void **state)
{
	static const char *const types[] = {
		"", " ", "/", "application", "application/", "/json", " application/json", "application/json ", "application/json\t",
		"\tapplication/json", "application /json", "application/ json", "application / json", "appli cation/json",
		"application/js on", "application//json", "application/json/x", "application/json,text/css", "application/json, text/css",
		"application/json; ", "application/json;charset", "application/json;charset=", "application/json;=utf-8",
		"application/json;charset =utf-8", "application/json;charset= utf-8", "application/json;charset=\"utf-8",
		"application/json;charset=utf-8 x", "application/json charset=utf-8", "text/*", "*/*", "*/json", "*", "application/j*n",
		"application/js\"on\"", "\"application/json\"", "application/json\x01", "application/json\x7f",
		"application/j\xc3\xa4son", "application/json;charset=\"\x01\"", "(a)/b", "a/b@c", "application;json", ";charset=utf-8",
		"application/;charset=utf-8",
	};

	(void)state;
	covers("C8075-6.4-3");
	for (size_t i = 0; i < COUNT(types); i++) {
		const struct media_policy *policies[] = {&strict, &loose, &all};

		for (size_t p = 0; p < COUNT(policies); p++)
			if (map_copies(types[i], "", policies[p]) != MEDIA_UNMAPPED)
				fail_msg("\"%s\" gives %d", types[i], map_copies(types[i], "", policies[p]));
	}
	assert_int_equal(media_to_format((struct http_text){"text/css\0", 9}, (struct http_text){NULL, 0}, &loose), MEDIA_UNMAPPED);
	assert_int_equal(media_to_format((struct http_text){NULL, 0}, (struct http_text){NULL, 0}, &loose), MEDIA_UNMAPPED);
}

static void coap_payload_passes_where_a_route_says_so(void **state)
{
	static const struct row rows[] = {
		{"application/coap-payload;cf=0", "", 0},
		{"application/coap-payload;cf=65535", "", 65535},
		{"application/coap-payload; CF=64998", "identity", 64998},
		{"Application/CoAP-Payload;cf=\"60\"", "", 60},
		{"application/coap-payload;cf=00060", "", 60},
		{"application/coap-payload;cf=10002", "", 10002},
		{"application/coap-payload;cf=60", "gzip", MEDIA_UNMAPPED},
		{"application/coap-payload;cf=60", "deflate", MEDIA_UNMAPPED},
		{"application/coap-payload", "", MEDIA_MALFORMED},
		{"application/coap-payload;", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=\"\"", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=65536", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=70000", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=000060", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=4294967356", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=18446744073709551676", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=-1", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=+60", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=6.0", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=0x3c", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=\" 60\"", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=60;cf=60", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=60;x=y", "", MEDIA_MALFORMED},
		{"application/coap-payload;x=60", "", MEDIA_MALFORMED},
		{"application/coap-payload;cf=60;x", "", MEDIA_MALFORMED},
		{"application/coap-payload cf=60", "", MEDIA_MALFORMED},
	};

	(void)state;
	covers("C8075-6.2-2 C8075-6.2-3");
	check_rows(rows, COUNT(rows), &passing);
	check_rows(rows, COUNT(rows), &all);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(map_copies(rows[i].type, "", &strict), MEDIA_REFUSED);
		assert_int_equal(map_copies(rows[i].type, "", &loose), MEDIA_REFUSED);
	}
}

static void oscore_is_no_format_of_coap(void **state)
{
	static const char *const types[] = {
		"application/oscore", "Application/OSCORE", "application/oscore;x=y", "application/oscore;", "application/oscore ",
		"application/oscore;x", "application/coap-payload;cf=10001", "application/coap-payload;cf=\"10001\"",
	};
	static const struct media_policy *const policies[] = {&strict, &loose, &passing, &all};

	(void)state;
	covers("C8075-6.2-4");
	for (size_t i = 0; i < COUNT(types); i++)
		for (size_t p = 0; p < COUNT(policies); p++) {
			assert_int_equal(map_copies(types[i], "", policies[p]), MEDIA_REFUSED);
			assert_true(map_copies(types[i], "gzip", policies[p]) < 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_registry_is_sorted),
		cmocka_unit_test(rows_are_found_by_their_whole_name),
		cmocka_unit_test(every_registered_format_maps_both_ways),
		cmocka_unit_test(formats_without_a_type_keep_their_number),
		cmocka_unit_test(spelling_does_not_matter),
		cmocka_unit_test(what_is_not_registered_is_unmapped),
		cmocka_unit_test(loose_types_are_generalised_once),
		cmocka_unit_test(what_is_no_media_type_is_unmapped),
		cmocka_unit_test(coap_payload_passes_where_a_route_says_so),
		cmocka_unit_test(oscore_is_no_format_of_coap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
