#include "translate/map_oscore.h"

#include <string.h>

enum { DIGIT_BITS = 6 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int oscore_header_decode(struct http_text value, uint8_t option[OSCORE_VALUE_MAX], size_t *len)
{
	uint32_t bits = 0;
	unsigned count = 0;

	*len = 0;
	if (value.len < 2 || value.len > OSCORE_HEADER_MAX || value.len % 4 == 1)
		return -1;
	for (size_t i = 0; i < value.len; i++) {
		int digit = digit_value(value.at[i]);

		if (digit < 0)
			return -1;
		bits = bits << DIGIT_BITS | (uint32_t)digit;
		count += DIGIT_BITS;
		if (count >= 8) {
			count -= 8;
			option[(*len)++] = (uint8_t)(bits >> count);
			bits &= (1u << count) - 1;
		}
	}
	if (bits != 0)
		return -1; /* one value must not have two texts */
	if (*len == 1 && option[0] == 0)
		*len = 0;
	return 0;
}

int oscore_header_encode(const uint8_t *option, size_t len, char *out, size_t room)
{
	static const uint8_t empty[1]; /* whose text the empty option has */
	struct writer w;
	uint32_t bits = 0;
	unsigned count = 0;

	if (len > OSCORE_VALUE_MAX || (len == 1 && option[0] == 0))
		return -1;
	if (len == 0) {
		option = empty;
		len = sizeof empty;
	}
	writer_init(&w, (uint8_t *)out, room);
	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | option[i];
		count += 8;
		while (count >= DIGIT_BITS) {
			count -= DIGIT_BITS;
			writer_u8(&w, (uint8_t)digits[bits >> count & 63]);
		}
		bits &= (1u << count) - 1;
	}
	if (count > 0)
		writer_u8(&w, (uint8_t)digits[bits << (DIGIT_BITS - count) & 63]);
	return w.failed ? -1 : (int)writer_length(&w);
}

void oscore_header_write(struct writer *w, const uint8_t *option, size_t len, bool legacy)
{
	char text[OSCORE_HEADER_MAX];
	int text_len = oscore_header_encode(option, len, text, sizeof text);

	if (text_len < 0) {
		w->failed = true;
		return;
	}
	http_write_field(w, legacy ? OSCORE_FIELD_LEGACY : OSCORE_FIELD, (struct http_text){text, (size_t)text_len});
}

static bool is_oscore_field(struct http_text name, bool legacy)
{
	return http_text_is(name, OSCORE_FIELD) || (legacy && http_text_is(name, OSCORE_FIELD_LEGACY));
}

/* The type without its parameters. */
static bool is_oscore_type(struct http_text type)
{
	const char *end = memchr(type.at, ';', type.len);

	if (end != NULL)
		type.len = (size_t)(end - type.at);
	while (type.len > 0 && (type.at[type.len - 1] == ' ' || type.at[type.len - 1] == '\t'))
		type.len--;
	return http_text_is(type, OSCORE_MEDIA_TYPE);
}

static bool connection_names_it(struct http_text list, bool legacy)
{
	struct http_text element;

	while (http_list_next(&list, &element))
		if (is_oscore_field(element, legacy))
			return true;
	return false;
}

/* What a head shows of OSCORE. */
struct signs {
	const struct http_field *field;
	unsigned fields, types, oscore_types;
	bool coded, hop_by_hop;
};

static struct signs signs_read(const struct http_head *head, bool legacy)
{
	struct signs s = {NULL, 0, 0, 0, false, false};

	for (size_t i = 0; i < head->field_count; i++) {
		const struct http_field *f = &head->fields[i];

		if (is_oscore_field(f->name, legacy)) {
			s.field = f;
			s.fields++;
		} else if (http_text_is(f->name, "Content-Type")) {
			s.types++;
			s.oscore_types += is_oscore_type(f->value);
		} else if (http_text_is(f->name, "Content-Encoding")) {
			s.coded = true;
		} else if (http_text_is(f->name, "Connection")) {
			s.hop_by_hop |= connection_names_it(f->value, legacy);
		}
	}
	return s;
}

static void half(struct oscore_head *o, unsigned status, const char *why)
{
	o->kind = OSCORE_HALF;
	o->status = (uint16_t)status;
	o->why = why;
	o->option_len = 0;
}

/* Everything that requests and responses have in common. `whole`: the body is known not to be there if its length is not told. */
static void read_head(const struct http_head *head, bool legacy, bool whole, struct oscore_head *o)
{
	struct signs s = signs_read(head, legacy);
	bool empty = !head->chunked && (head->has_length ? head->length == 0 : whole);

	*o = (struct oscore_head){.kind = OSCORE_PLAIN};
	if (s.hop_by_hop)
		half(o, 400, "the OSCORE header field is end to end, Connection must not name it");
	else if (s.fields == 0 && s.oscore_types == 0)
		return;
	else if (s.fields == 0)
		half(o, 400, "application/oscore without an OSCORE header field");
	else if (s.fields > 1)
		half(o, 400, "more than one OSCORE header field");
	else if (oscore_header_decode(s.field->value, o->option, &o->option_len) < 0)
		half(o, 400, "the OSCORE header field is not base64url");
	else if (s.oscore_types != 1 || s.types != 1)
		half(o, 415, "an OSCORE header field without Content-Type: application/oscore");
	else if (s.coded)
		half(o, 415, "an OSCORE message has no content coding");
	else if (empty)
		half(o, 400, "an OSCORE message without content");
	else
		o->kind = OSCORE_PROTECTED;
	o->legacy = s.field != NULL && http_text_is(s.field->name, OSCORE_FIELD_LEGACY);
}

void oscore_read_request(const struct http_head *head, bool legacy, struct oscore_head *o)
{
	read_head(head, legacy, true, o);
	if (o->kind != OSCORE_PLAIN && !http_text_equal(head->method, "POST"))
		half(o, 400, "an OSCORE message is a POST request");
}

void oscore_read_response(const struct http_head *head, bool legacy, struct oscore_head *o)
{
	read_head(head, legacy, false, o);
	if (o->kind != OSCORE_PLAIN && head->status != 200)
		half(o, 502, "an OSCORE message is a response with status 200");
	if (o->kind == OSCORE_HALF)
		o->status = 502;
}
