#include "translate/event_stream.h"

#include <stdio.h>
#include <string.h>

#include "coap/option.h"
#include "translate/map_media.h"

static const char hex[] = "0123456789abcdef";

static void write_text(struct writer *w, const char *text)
{
	writer_bytes(w, text, strlen(text));
}

static void write_uint(struct writer *w, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof text, "%u", value);
	write_text(w, text);
}

static void write_hex(struct writer *w, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		writer_u8(w, (uint8_t)hex[bytes[i] >> 4]);
		writer_u8(w, (uint8_t)hex[bytes[i] & 15]);
	}
}

/* FNV-1a: tells representations apart, and is the same in every worker. */
static uint64_t content_hash(const uint8_t *bytes, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return hash;
}

void event_id(const struct msg_view *m, const uint8_t *content, size_t len, char id[EVENT_ID_MAX])
{
	const struct msg_option *etag = msg_option(m, OPT_ETAG);
	struct writer w;

	writer_init(&w, (uint8_t *)id, EVENT_ID_MAX - 1);
	if (etag != NULL && etag->len > 0 && etag->len <= 8) {
		write_hex(&w, etag->value, etag->len);
		id[writer_length(&w)] = '\0';
		return;
	}
	snprintf(id, EVENT_ID_MAX, "h%016llx", (unsigned long long)content_hash(content, len));
}

static bool has_format(const struct msg_view *m, uint32_t *format)
{
	const struct msg_option *o = msg_option(m, OPT_CONTENT_FORMAT);

	return o != NULL && msg_uint(o, format) == 0 && *format <= UINT16_MAX;
}

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t want = strlen(end);

	return len >= want && memcmp(text + len - want, end, want) == 0;
}

bool event_is_text(const struct msg_view *m)
{
	char type[MEDIA_TEXT_MAX];
	const char *coding, *semicolon;
	uint32_t format;
	size_t len;

	if (!has_format(m, &format))
		return MSG_CLASS(m->code) != 2; /* a diagnostic message */
	media_of_format(format, type, &coding);
	semicolon = strchr(type, ';');
	len = semicolon != NULL ? (size_t)(semicolon - type) : strlen(type);
	return coding == NULL && (strncmp(type, "text/", 5) == 0 || ends_with(type, len, "json") || ends_with(type, len, "xml") ||
		ends_with(type, len, "link-format"));
}

/* The length of the UTF-8 sequence at `at`, or 0 if it is none (RFC 3629 4). */
static size_t sequence(const uint8_t *at, size_t left)
{
	uint32_t value;
	size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;

	if (len == 0 || len > left)
		return 0;
	value = len == 1 ? at[0] : at[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (at[i] & 0x3f);
	}
	if ((len == 3 && (value < 0x800 || (value >= 0xd800 && value < 0xe000))) || (len == 4 && (value < 0x10000 || value > 0x10ffff)))
		return 0;
	return len;
}

bool event_is_utf8(const uint8_t *bytes, size_t len)
{
	for (size_t at = 0, step; at < len; at += step) {
		step = sequence(bytes + at, len - at);
		if (step == 0)
			return false;
	}
	return true;
}

static bool is_escaped(uint8_t c)
{
	return c == '"' || c == '\\';
}

static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

size_t event_text_length(const uint8_t *bytes, size_t len)
{
	size_t length = 0;

	for (size_t i = 0; i < len; i++)
		length += is_escaped(bytes[i]) ? 2 : is_control(bytes[i]) ? EVENT_EXPANSION : 1;
	return length;
}

void event_write_text(struct writer *w, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = bytes[i];

		if (is_escaped(c)) {
			writer_u8(w, '\\');
			writer_u8(w, c);
		} else if (is_control(c)) {
			write_text(w, "\\u00");
			write_hex(w, &c, 1);
		} else {
			writer_u8(w, c);
		}
	}
}

void event_write_begin(struct writer *w, const char *name, const char *id, const struct msg_view *m, bool as_text)
{
	const struct msg_option *etag = msg_option(m, OPT_ETAG), *max_age = msg_option(m, OPT_MAX_AGE);
	char type[MEDIA_TEXT_MAX], code[MSG_CODE_TEXT_MAX];
	const char *coding;
	uint32_t format, seconds = 60; /* RFC 7252 5.10.5 */

	if (name != NULL) {
		write_text(w, "event: ");
		write_text(w, name);
		writer_u8(w, '\n');
	}
	if (*id != '\0') {
		write_text(w, "id: ");
		write_text(w, id);
		writer_u8(w, '\n');
	}
	write_text(w, "data: {\"code\":\"");
	write_text(w, msg_code_text(m->code, code));
	writer_u8(w, '"');
	if (has_format(m, &format)) {
		write_text(w, ",\"content-format\":");
		write_uint(w, format);
		media_of_format(format, type, &coding);
		write_text(w, ",\"media-type\":\"");
		event_write_text(w, (const uint8_t *)type, strlen(type));
		writer_u8(w, '"');
	}
	if (etag != NULL && etag->len <= 8) {
		write_text(w, ",\"etag\":\"");
		write_hex(w, etag->value, etag->len);
		writer_u8(w, '"');
	}
	if (MSG_CLASS(m->code) == 2 && (max_age == NULL || msg_uint(max_age, &seconds) == 0)) {
		write_text(w, ",\"max-age\":");
		write_uint(w, seconds);
	}
	write_text(w, as_text ? ",\"text\":\"" : ",\"base64\":\"");
}

void event_write_base64(struct writer *w, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		uint32_t three = (uint32_t)bytes[i] << 16 | (have > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (have > 2 ? bytes[i + 2] : 0);

		for (size_t n = 0; n < 4; n++)
			writer_u8(w, n <= have ? (uint8_t)digits[three >> (18 - 6 * n) & 63] : '=');
	}
}

void event_write_end(struct writer *w)
{
	write_text(w, "\"}\n\n");
}
