/* objects: proxy/exchange/feed_line.o oscore/option.o translate/event_stream.o translate/map_media.o translate/content_formats.o translate/http_message.o base/bytes.o base/clock_steered.o base/endpoint.o base/errors.o base/hash.o base/log.o base/random_seeded.o coap/message.o coap/option.o coap/uri.o */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "proxy/exchange/feed_line.h"
#include "tests/unit/hex.h"
#include "tests/unit/runs.h"

static const char time_text[] = "2026-11-24T22:30:00.000Z";
static char route_name[] = "lab", read_name[] = "meters";
static struct route route = { .name = route_name };
static struct read_conf reads = { .name = read_name, .fields = FIELD_BIT(FIELD_COUNT) - 1 };
static struct hash_key key;
static uint8_t bytes[FEED_LINE_MAX + 1];

/* The line, without its newline. */
static const char *line_of(const struct feed_record *r, enum kid_form form)
{
	struct writer w;

	writer_init(&w, bytes, sizeof bytes - 1);
	feed_line_write(&w, r, time_text, form, &key);
	assert_false(w.failed);
	assert_int_equal(w.at[-1], '\n');
	w.at[-1] = '\0';
	assert_null(strchr((const char *)bytes, '\n'));
	for (const uint8_t *c = bytes; *c != '\0'; c++)
		assert_in_range(*c, ' ', '~');
	return (const char *)bytes;
}

static struct feed_record record_of(const struct opening_inner *inner)
{
	return (struct feed_record){ .exchange = 0x1234, .route = &route, .read = &reads, .inner = inner,
		.verdict = inner != NULL ? OPENING_OPENED : FEED_MISSED };
}

static struct opening_text text(const char *at, size_t len)
{
	return (struct opening_text){ (const uint8_t *)at, (uint16_t)len };
}

/* What stands behind the key of an object of strings, numbers and truths, up to the last brace. */
static const char *behind(const char *line, const char *which)
{
	const char *at = strstr(line, which);

	return at != NULL ? at + strlen(which) : "";
}

static void a_whole_line(void **state)
{
	struct endpoint client, origin;
	struct opening_inner in = { .fields = FIELD_BIT(FIELD_CODE), .code = 3 };
	struct feed_record r = record_of(&in);

	(void)state;
	assert_int_equal(endpoint_parse_literal(&client, "2001:db8::7", 11, false), 0);
	assert_int_equal(endpoint_parse_literal(&origin, "192.0.2.9", 9, false), 0);
	client.port = 5000;
	origin.port = 5683;
	r.client = &client;
	r.origin = &origin;
	r.name = "meter \"17\"\x01\xc3\xa9";
	r.option = (const uint8_t *)"\x19\x05\x02\x01\x02\xab";
	r.option_len = 6;
	r.seen = true;
	assert_string_equal(line_of(&r, KID_PLAIN), "{\"time\":\"2026-11-24T22:30:00.000Z\",\"exchange\":\"0000000000001234\",\"message\":\"request\","
		"\"route\":\"lab\",\"read\":\"meters\",\"client\":\"[2001:db8::7]:5000\",\"name\":\"meter \\u002217\\u0022\\u0001\\u00c3\\u00a9\","
		"\"origin\":\"192.0.2.9:5683\",\"kid\":\"ab\",\"kid_context\":\"0102\",\"verdict\":\"opened\",\"seen\":true,\"unverified\":false,"
		"\"inner\":{\"code\":\"PUT\"}}");
	r = (struct feed_record){ .message = FEED_NOTIFICATION, .exchange = UINT64_MAX, .route = &route, .read = &reads, .verdict = FEED_MISSED };
	assert_string_equal(line_of(&r, KID_PLAIN), "{\"time\":\"2026-11-24T22:30:00.000Z\",\"exchange\":\"ffffffffffffffff\","
		"\"message\":\"notification\",\"route\":\"lab\",\"read\":\"meters\",\"verdict\":\"missed\",\"seen\":false,\"unverified\":false}");
}

static void verdicts_and_refusals(void **state)
{
	static const char *const names[] = { "opened", "verified", "unknown", "no_key", "malformed", "bad", "bad_inside", "closed", "failed", "missed", "partial" };
	struct opening_inner in = { .fields = FIELD_BIT(FIELD_CODE), .code = 0x45 };
	char wanted[100];

	(void)state;
	assert_int_equal(sizeof names / sizeof names[0], FEED_VERDICTS);
	for (unsigned i = 0; i < FEED_VERDICTS; i++) {
		struct feed_record r = record_of(&in);

		r.verdict = (uint8_t)i;
		r.message = FEED_RESPONSE;
		r.unverified = i % 2 == 1;
		r.refused = i % 3 == 1 ? ERR_DRAINING : ERR_NONE;
		snprintf(wanted, sizeof wanted, "\"%s\",\"seen\":false,\"unverified\":%s%s%s%s%s}", names[i], i % 2 == 1 ? "true" : "false",
			i % 3 == 1 ? ",\"refused\":\"" : "", i % 3 == 1 ? error_row(ERR_DRAINING)->counter : "", i % 3 == 1 ? "\"" : "",
			/* of what did not prove genuine nothing is told */
			i == OPENING_OPENED ? ",\"inner\":{\"code\":\"2.05\"}" : "");
		assert_string_equal(behind(line_of(&r, KID_NONE), "\"message\":\"response\",\"route\":\"lab\",\"read\":\"meters\",\"verdict\":"), wanted);
	}
}

static void kids(void **state)
{
	static const struct {
		const char *option, *request;
		enum kid_form form;
		const char *plain; /* what the line says; NULL: nothing */
	} rows[] = {
		{ "0905ab", NULL, KID_PLAIN, "\"kid\":\"ab\",\"verdict\"" },
		{ "0905", NULL, KID_PLAIN, "\"kid\":\"\",\"verdict\"" },
		{ "09050102030405060708090a", NULL, KID_PLAIN, "\"kid\":\"0102030405060708\",\"verdict\"" },
		{ "1905020102ab", NULL, KID_PLAIN, "\"kid\":\"ab\",\"kid_context\":\"0102\",\"verdict\"" },
		{ "190500ab", NULL, KID_PLAIN, "\"kid\":\"ab\",\"kid_context\":\"\",\"verdict\"" },
		{ "2905ab", NULL, KID_PLAIN, "\"kid\":\"ab\",\"verdict\"" },
		{ "", "0905ab", KID_PLAIN, "\"kid\":\"ab\",\"verdict\"" },        /* a response: who asked */
		{ "28cd", "0905ab", KID_PLAIN, "\"kid\":\"cd\",\"verdict\"" },    /* a group's: who answers */
		{ "", NULL, KID_PLAIN, NULL }, { NULL, NULL, KID_PLAIN, NULL }, { "0105", NULL, KID_PLAIN, NULL }, { "0f05ab", NULL, KID_PLAIN, NULL },
		{ "8905ab", "8905ab", KID_PLAIN, NULL },
		{ "0905ab", NULL, KID_NONE, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct hex option = hex_parse(rows[i].option), request = hex_parse(rows[i].request);
		struct feed_record r = record_of(NULL);
		const char *line;

		r.option = rows[i].option != NULL ? option.bytes : NULL;
		r.option_len = option.len;
		r.request_option = rows[i].request != NULL ? request.bytes : NULL;
		r.request_option_len = request.len;
		line = line_of(&r, rows[i].form);
		if (rows[i].plain != NULL)
			assert_non_null(strstr(line, rows[i].plain));
		else
			assert_null(strstr(line, "kid"));
		line = line_of(&r, KID_HASHED);
		assert_null(strstr(line, "kid_context"));
		assert_int_equal(strspn(behind(line, "\"kid\":\""), "0123456789abcdef"), rows[i].plain != NULL || rows[i].form == KID_NONE ? 8 : 0);
	}
}

/* Lists of option values, and the one text that each of them is told as. */
#define T(t) { (const uint8_t *)(t), sizeof(t) - 1 }
static const struct {
	unsigned count;
	struct opening_text texts[3];
	const char *path, *query;
} lists[] = {
	{ 0, { { NULL, 0 } }, "/", "" },
	{ 1, { T("") }, "//", "" },
	{ 2, { T(""), T("") }, "///", "&" },
	{ 3, { T(""), T(""), T("") }, "////", "&&" },
	{ 2, { T(""), T("a") }, "//a", "&a" },
	{ 2, { T("a"), T("") }, "/a/", "a&" },
	{ 2, { T("a"), T("b") }, "/a/b", "a&b" },
	{ 1, { T("a/b") }, "/a%2Fb", "a/b" },
	{ 1, { T("a%2Fb") }, "/a%252Fb", "a%252Fb" },
	{ 1, { T("a&b=1?") }, "/a&b=1%3F", "a%26b=1?" },
	{ 1, { T(".") }, "/.", "." },
	{ 2, { T(".."), T("..") }, "/../..", "..&.." },
	{ 1, { T("\"\\") }, "/%22%5C", "%22%5C" },
	{ 1, { T("\0\n\r\x1f\x7f") }, "/%00%0A%0D%1F%7F", "%00%0A%0D%1F%7F" },
	{ 1, { T("\xc3\xa9 \xff\xc0\x80\xed\xa0\x80") }, "/%C3%A9%20%FF%C0%80%ED%A0%80", "%C3%A9%20%FF%C0%80%ED%A0%80" },
	{ 1, { T("-._~!$'()*+,;=:@") }, "/-._~!$'()*+,;=:@", "-._~!$'()*+,;=:@" },
	{ 1, { T("#[]{}|^`<>") }, "/%23%5B%5D%7B%7D%7C%5E%60%3C%3E", "%23%5B%5D%7B%7D%7C%5E%60%3C%3E" },
};
#undef T

static void paths_and_queries(void **state)
{
	char wanted[200];

	(void)state;
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		struct opening_inner in = { .path_count = (uint8_t)lists[i].count, .query_count = (uint8_t)lists[i].count };
		struct feed_record r = record_of(&in);

		memcpy(in.path, lists[i].texts, sizeof lists[i].texts);
		memcpy(in.query, lists[i].texts, sizeof lists[i].texts);
		in.fields = FIELD_BIT(FIELD_URI_PATH);
		snprintf(wanted, sizeof wanted, "{\"uri-path\":\"%s\"}}", lists[i].path);
		assert_string_equal(behind(line_of(&r, KID_NONE), "\"inner\":"), wanted);
		in.fields = FIELD_BIT(FIELD_URI_QUERY);
		snprintf(wanted, sizeof wanted, "{\"uri-query\":\"%s\"}}", lists[i].query);
		assert_string_equal(behind(line_of(&r, KID_NONE), "\"inner\":"), wanted);
	}
}

static void long_texts_are_cut(void **state)
{
	static char plain[255], coded[255];
	struct opening_inner in = { .fields = FIELD_BIT(FIELD_URI_PATH) | FIELD_BIT(FIELD_URI_QUERY), .path_count = OPENING_TEXTS_MAX,
		.query_count = 1, .query = { text(coded, sizeof coded) }, .path_abbreviated = true };
	struct feed_record r = record_of(&in);
	const char *path;

	(void)state;
	memset(plain, 'a', sizeof plain);
	memset(coded, 0xff, sizeof coded);
	for (unsigned i = 0; i < OPENING_TEXTS_MAX; i++)
		in.path[i] = text(plain, sizeof plain);
	/* 16 segments of 255 are as much as has room */
	path = behind(line_of(&r, KID_NONE), "\"uri-path\":\"");
	assert_int_equal(strcspn(path, "\""), FEED_TEXT_MAX);
	assert_non_null(strstr(path, "\",\"uri-path-cut\":true,\"uri-query\":\"%FF"));
	assert_null(strstr(path, "uri-query-cut"));
	in.path_count = 16;
	path = behind(line_of(&r, KID_NONE), "\"uri-path\":\"");
	assert_int_equal(strcspn(path, "\""), FEED_TEXT_MAX);
	assert_null(strstr(path, "uri-path-cut"));
	/* never within an escape */
	for (unsigned i = 0; i < OPENING_TEXTS_MAX; i++)
		in.path[i] = in.query[i] = text(coded, sizeof coded);
	in.path_count = in.query_count = OPENING_TEXTS_MAX;
	path = behind(line_of(&r, KID_NONE), "\"uri-path\":\"");
	assert_in_range(strcspn(path, "\""), FEED_TEXT_MAX - 3, FEED_TEXT_MAX);
	assert_memory_equal(path + strcspn(path, "\"") - 3, "%FF", 3);
	path = behind(path, "\"uri-query\":\"");
	assert_in_range(strcspn(path, "\""), FEED_TEXT_MAX - 3, FEED_TEXT_MAX);
	assert_memory_equal(path + strcspn(path, "\"") - 3, "%FF", 3);
	assert_non_null(strstr(path, "\"uri-query-cut\":true"));
}

static void fields(void **state)
{
	static const uint8_t payload[] = { 0xff, 0x00, 0x22, 0x5c };
	static const struct {
		struct opening_inner in;
		const char *wanted;
	} rows[] = {
		{ { .fields = 0, .code = 1 }, "{}}" },
		{ { .fields = FIELD_BIT(FIELD_CODE), .code = 0x1f }, "{\"code\":\"0.31\"}}" },
		{ { .fields = FIELD_BIT(FIELD_CODE), .code = 5 }, "{\"code\":\"FETCH\"}}" },
		{ { .fields = FIELD_BIT(FIELD_CONTENT_FORMAT), .content_format = 65535 }, "{\"content-format\":65535}}" },
		{ { .fields = FIELD_BIT(FIELD_URI_PATH), .path_abbreviated = true }, "{\"uri-path-abbreviated\":true}}" },
		{ { .fields = FIELD_BIT(FIELD_URI_PATH), .path_abbreviated = true, .path_count = 1 }, "{\"uri-path-abbreviated\":true,\"uri-path\":\"//\"}}" },
		{ { .fields = FIELD_BIT(FIELD_CONTENT_FORMAT) }, "{\"content-format\":0}}" },
		{ { .fields = FIELD_BIT(FIELD_OBSERVE), .observe = 16777215 }, "{\"observe\":16777215}}" },
		{ { .fields = FIELD_BIT(FIELD_ETAG), .etag_len = 8, .etag = { 0, 1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff } }, "{\"etag\":\"00010203fcfdfeff\"}}" },
		{ { .fields = FIELD_BIT(FIELD_MAX_AGE), .max_age = UINT32_MAX }, "{\"max-age\":4294967295}}" },
		{ { .fields = FIELD_BIT(FIELD_BLOCK) }, "{}}" },
		{ { .fields = FIELD_BIT(FIELD_BLOCK), .has_block1 = true, .block1 = { 7, true, 2 } },
			"{\"block1\":{\"number\":7,\"more\":true,\"size\":64}}}" },
		{ { .fields = FIELD_BIT(FIELD_BLOCK), .has_block1 = true, .has_block2 = true, .block2 = { 1048575, false, 6 } },
			"{\"block1\":{\"number\":0,\"more\":false,\"size\":16},\"block2\":{\"number\":1048575,\"more\":false,\"size\":1024}}}" },
		{ { .fields = FIELD_BIT(FIELD_SIZE), .has_size1 = true, .size1 = 9, .size2 = 8 }, "{\"size1\":9}}" },
		{ { .fields = FIELD_BIT(FIELD_SIZE), .has_size2 = true }, "{\"size2\":0}}" },
		{ { .fields = FIELD_BIT(FIELD_PAYLOAD) }, "{\"payload\":\"\",\"payload-length\":0}}" },
		{ { .fields = FIELD_BIT(FIELD_PAYLOAD), .payload = payload, .payload_len = 4 }, "{\"payload\":\"/wAiXA==\",\"payload-length\":4}}" },
		{ { .fields = FIELD_BIT(FIELD_PAYLOAD), .payload = payload, .payload_len = 3, .payload_cut = true },
			"{\"payload\":\"/wAi\",\"payload-length\":3,\"payload-cut\":true}}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct feed_record r = record_of(&rows[i].in);

		assert_string_equal(behind(line_of(&r, KID_NONE), "\"inner\":"), rows[i].wanted);
	}
}

/* A gate's rules want more than its fields: that is not told. */
static void what_is_not_named_is_not_told(void **state)
{
	struct opening_inner in = { .fields = FIELD_BIT(FIELD_COUNT) - 1, .code = 1, .payload = (const uint8_t *)"x", .payload_len = 1, .has_size1 = true,
		.has_block2 = true, .query_count = 1, .query = { text("q", 1) } };
	struct feed_record r = record_of(&in);

	(void)state;
	for (unsigned f = 0; f < FIELD_COUNT; f++) {
		static const char *const wanted[FIELD_COUNT] = { "{\"code\":\"GET\"}}", "{\"uri-path\":\"/\"}}", "{\"uri-query\":\"q\"}}", "{\"content-format\":0}}",
			"{\"observe\":0}}", "{\"etag\":\"\"}}", "{\"max-age\":0}}", "{\"block2\":{\"number\":0,\"more\":false,\"size\":16}}}",
			"{\"size1\":0}}", "{\"payload\":\"eA==\",\"payload-length\":1}}" };

		reads.fields = FIELD_BIT(f);
		assert_string_equal(behind(line_of(&r, KID_NONE), "\"inner\":"), wanted[f]);
	}
	reads.fields = 0;
	assert_string_equal(behind(line_of(&r, KID_NONE), "\"inner\":"), "{}}");
	reads.fields = FIELD_BIT(FIELD_COUNT) - 1;
}

static void long_payloads_are_cut(void **state)
{
	static uint8_t payload[OPENING_PAYLOAD_MAX];
	struct opening_inner in = { .fields = FIELD_BIT(FIELD_PAYLOAD), .payload = payload, .payload_len = FEED_PAYLOAD_MAX };
	struct feed_record r = record_of(&in);

	(void)state;
	assert_null(strstr(line_of(&r, KID_NONE), "payload-cut"));
	assert_int_equal(strcspn(behind((const char *)bytes, "\"payload\":\""), "\""), (FEED_PAYLOAD_MAX + 2) / 3 * 4);
	in.payload_len = sizeof payload;
	assert_non_null(strstr(line_of(&r, KID_NONE), "\"payload-length\":67584,\"payload-cut\":true}}"));
	assert_int_equal(strcspn(behind((const char *)bytes, "\"payload\":\""), "\""), (FEED_PAYLOAD_MAX + 2) / 3 * 4);
}

/* The largest of everything has room; any smaller room makes it fail, and writes nothing behind its end. */
static void bounds(void **state)
{
	static uint8_t payload[OPENING_PAYLOAD_MAX];
	static char coded[255], name[256];
	struct opening_inner in = { .fields = FIELD_BIT(FIELD_COUNT) - 1, .code = 0xff, .observe = UINT32_MAX, .max_age = UINT32_MAX, .size1 = UINT32_MAX,
		.size2 = UINT32_MAX, .has_block1 = true, .has_block2 = true, .has_size1 = true, .has_size2 = true, .content_format = UINT16_MAX, .etag_len = 8,
		.path_abbreviated = true, .payload = payload, .payload_len = sizeof payload, .payload_cut = true,
		.path_count = OPENING_TEXTS_MAX, .query_count = OPENING_TEXTS_MAX, .block1 = { UINT32_MAX, false, 7 }, .block2 = { UINT32_MAX, false, 7 } };
	struct feed_record r = record_of(&in);
	struct hex option = hex_parse("190580");
	struct endpoint e;
	struct writer w;
	size_t len;

	(void)state;
	memset(name, 0xff, sizeof name - 1);
	for (unsigned i = 0; i < OPENING_TEXTS_MAX; i++)
		in.path[i] = in.query[i] = text(coded, sizeof coded);
	assert_int_equal(endpoint_parse_literal(&e, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 38, false), 0);
	r.client = r.origin = &e;
	r.name = name;
	option.bytes[2] = 240;
	r.option = option.bytes;
	r.option_len = 3 + 240 + 8;
	r.message = FEED_NOTIFICATION;
	r.refused = ERR_DRAINING;
	len = strlen(line_of(&r, KID_PLAIN)) + 1;
	assert_non_null(strstr((const char *)bytes, "\"kid_context\":\""));
	for (size_t room = 0; room < len; room += room < 2000 ? 1 : 97) {
		memset(bytes, 'x', sizeof bytes);
		writer_init(&w, bytes, room);
		feed_line_write(&w, &r, time_text, KID_PLAIN, &key);
		assert_true(w.failed && w.at <= bytes + room && bytes[room] == 'x');
	}
}

/* Any bytes: it is a line of ASCII, and as long as it may be (line_of()). */
static void random_records(void **state)
{
	static uint8_t noise[4096];

	(void)state;
	for (unsigned run = 0; run < runs_of(2000); run++) {
		struct opening_inner in = { .fields = random_u32() };
		struct feed_record r = record_of(&in);

		random_bytes(noise, sizeof noise);
		in.path_count = noise[0] % (OPENING_TEXTS_MAX + 1);
		in.query_count = noise[1] % (OPENING_TEXTS_MAX + 1);
		for (unsigned i = 0; i < OPENING_TEXTS_MAX; i++) {
			in.path[i] = text((const char *)noise + 2 * i, noise[2 + i]);
			in.query[i] = text((const char *)noise + 3 * i, noise[66 + i]);
		}
		in.payload = noise;
		in.payload_len = noise[3] * 16u;
		in.etag_len = noise[4] % 9;
		in.code = noise[5];
		r.option = noise + 6;
		r.option_len = noise[7];
		line_of(&r, run % 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_line), cmocka_unit_test(verdicts_and_refusals), cmocka_unit_test(kids), cmocka_unit_test(paths_and_queries),
		cmocka_unit_test(long_texts_are_cut), cmocka_unit_test(fields), cmocka_unit_test(what_is_not_named_is_not_told),
		cmocka_unit_test(long_payloads_are_cut), cmocka_unit_test(bounds), cmocka_unit_test(random_records),
	};

	hash_key_init(&key);
	return cmocka_run_group_tests_name("feed_line", tests, NULL, NULL);
}
