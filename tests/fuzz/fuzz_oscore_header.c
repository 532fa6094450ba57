/* objects: translate/map_oscore.o translate/http_message.o */
/* measures: translate/map_oscore.c */
/*
 * The OSCORE header field. The input as a text: what decodes encodes to the same text. As an option: what encodes decodes to the same
 * option, and only the two values that must not pass do not. As the head of a message: it is one of three kinds, and a protected one has
 * all that makes it so.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/heads.h"
#include "translate/map_oscore.h"

static void text_there_and_back(struct http_text value)
{
	uint8_t option[OSCORE_VALUE_MAX];
	char text[OSCORE_HEADER_MAX];
	size_t len;

	if (oscore_header_decode(value, option, &len) < 0)
		return;
	CHECK(len <= OSCORE_VALUE_MAX && !(len == 1 && option[0] == 0));
	CHECK(oscore_header_encode(option, len, text, sizeof text) == (int)value.len);
	CHECK(memcmp(text, value.at, value.len) == 0);
	CHECK(oscore_header_encode(option, len, text, value.len - 1) == -1);
}

static void option_there_and_back(const uint8_t *option, size_t len)
{
	uint8_t decoded[OSCORE_VALUE_MAX];
	char text[OSCORE_HEADER_MAX];
	size_t decoded_len;
	int text_len = oscore_header_encode(option, len, text, sizeof text);

	CHECK((text_len < 0) == (len > OSCORE_VALUE_MAX || (len == 1 && option[0] == 0)));
	if (text_len < 0)
		return;
	CHECK(text_len >= 2 && text_len % 4 != 1);
	CHECK(oscore_header_decode((struct http_text){text, (size_t)text_len}, decoded, &decoded_len) == 0);
	CHECK(decoded_len == len && (len == 0 || memcmp(decoded, option, len) == 0));
}

static void kind_is_sound(const struct http_head *head, const struct oscore_head *o, bool legacy)
{
	size_t fields = http_field_count(head, OSCORE_FIELD) + (legacy ? http_field_count(head, OSCORE_FIELD_LEGACY) : 0);

	CHECK((o->kind == OSCORE_HALF) == (o->why != NULL) && (o->kind == OSCORE_HALF) == (o->status != 0));
	CHECK(o->kind == OSCORE_PROTECTED || o->option_len == 0);
	CHECK(o->kind != OSCORE_PLAIN || fields == 0);
	if (o->kind != OSCORE_PROTECTED)
		return;
	CHECK(fields == 1 && http_field_count(head, "Content-Type") == 1 && http_field_count(head, "Content-Encoding") == 0);
	CHECK(legacy || !o->legacy);
	CHECK(head->status == 200 || http_text_equal(head->method, "POST"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_text text = {(const char *)data, size};
	struct oscore_head o;
	struct http_head head;

	text_there_and_back(text);
	option_there_and_back(data, size);
	for (int legacy = 0; legacy < 2; legacy++) {
		if (heads_request(&head, text)) {
			oscore_read_request(&head, legacy, &o);
			CHECK(o.kind != OSCORE_HALF || o.status == 400 || o.status == 415);
			kind_is_sound(&head, &o, legacy);
		}
		if (heads_response(&head, text)) {
			oscore_read_response(&head, legacy, &o);
			CHECK(o.kind != OSCORE_HALF || o.status == 502);
			kind_is_sound(&head, &o, legacy);
		}
	}
	return 0;
}
