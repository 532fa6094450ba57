#include "translate/map_etag.h"

#include <string.h>

enum { WEAK_LENGTH = 2 };

/* etagc of RFC 9110 8.8.3, ASCII only */
static bool is_tag_char(uint8_t c)
{
	return c == 0x21 || (c >= 0x23 && c <= 0x7e);
}

static bool all_tag_chars(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_tag_char(bytes[i]))
			return false;
	return true;
}

int etag_parse(struct http_text text, bool *weak, struct http_text *opaque)
{
	*weak = text.len >= WEAK_LENGTH && text.at[0] == 'W' && text.at[1] == '/';
	if (*weak) {
		text.at += WEAK_LENGTH;
		text.len -= WEAK_LENGTH;
	}
	if (text.len < 2 || text.at[0] != '"' || text.at[text.len - 1] != '"')
		return -1;
	*opaque = (struct http_text){text.at + 1, text.len - 2};
	return all_tag_chars((const uint8_t *)opaque->at, opaque->len) ? 0 : -1;
}

/* Only the digits that are written are read: there is one text for each value. */
static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int etag_of_device_text(struct http_text opaque, struct etag *tag)
{
	if (opaque.len == 0 || opaque.len > 2 * ETAG_MAX || opaque.len % 2 != 0)
		return -1;
	tag->len = (uint8_t)(opaque.len / 2);
	for (size_t i = 0; i < tag->len; i++) {
		int high = digit_value(opaque.at[2 * i]), low = digit_value(opaque.at[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		tag->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

size_t etag_device_text(const uint8_t *bytes, size_t len, char out[ETAG_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	out[at++] = '"';
	for (size_t i = 0; i < len && i < ETAG_MAX; i++) {
		out[at++] = digits[bytes[i] >> 4];
		out[at++] = digits[bytes[i] & 15];
	}
	out[at++] = '"';
	return at;
}

int etag_of_origin_text(struct http_text opaque, struct etag *tag)
{
	if (opaque.len == 0)
		return -1;
	if (opaque.len <= ETAG_MAX) {
		tag->len = (uint8_t)opaque.len;
		memcpy(tag->bytes, opaque.at, opaque.len);
		return all_tag_chars(tag->bytes, tag->len) ? 0 : -1;
	}
	if (etag_of_device_text(opaque, tag) < 0 || all_tag_chars(tag->bytes, tag->len))
		return -1;
	return 0;
}

size_t etag_origin_text(const uint8_t *bytes, size_t len, char out[ETAG_TEXT_MAX])
{
	if (len > ETAG_MAX || !all_tag_chars(bytes, len))
		return etag_device_text(bytes, len, out);
	out[0] = '"';
	memcpy(out + 1, bytes, len);
	out[len + 1] = '"';
	return len + 2;
}
