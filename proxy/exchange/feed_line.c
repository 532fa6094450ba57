#include "proxy/exchange/feed_line.h"

#include <string.h>

#include "base/json.h"
#include "translate/event_stream.h"

static const char hex_digits[] = "0123456789abcdef", hex_capitals[] = "0123456789ABCDEF";

static const char *const message_names[FEED_MESSAGES] = {
	[FEED_REQUEST] = "request", [FEED_RESPONSE] = "response", [FEED_NOTIFICATION] = "notification",
};

/* As the access log calls them (reading_tell.c). */
static const char *const verdict_names[FEED_VERDICTS] = {
	[OPENING_OPENED] = "opened", [OPENING_VERIFIED] = "verified", [OPENING_UNKNOWN] = "unknown", [OPENING_NO_KEY] = "no_key",
	[OPENING_MALFORMED] = "malformed", [OPENING_BAD] = "bad", [OPENING_INNER] = "bad_inside", [OPENING_CLOSED] = "closed",
	[OPENING_FAILED] = "failed", [FEED_MISSED] = "missed", [FEED_PARTIAL] = "partial",
};

/* ---- members ---- */

/* Behind the brace of an object nothing comes before the first one. */
static void put_key(struct writer *w, const char *key)
{
	if (w->at > w->start && w->at[-1] != '{')
		writer_u8(w, ',');
	writer_u8(w, '"');
	writer_text(w, key);
	writer_text(w, "\":");
}

static void put_text(struct writer *w, const char *key, const char *text)
{
	put_key(w, key);
	writer_u8(w, '"');
	json_write_text(w, text);
	writer_u8(w, '"');
}

static void put_number(struct writer *w, const char *key, uint64_t number)
{
	put_key(w, key);
	writer_decimal(w, number);
}

static void put_bool(struct writer *w, const char *key, bool value)
{
	put_key(w, key);
	writer_text(w, value ? "true" : "false");
}

static void put_if(struct writer *w, const char *key, bool value)
{
	if (value)
		put_bool(w, key, true);
}

static void put_hex(struct writer *w, const char *key, const uint8_t *bytes, size_t len)
{
	put_key(w, key);
	writer_u8(w, '"');
	for (size_t i = 0; i < len; i++) {
		writer_u8(w, (uint8_t)hex_digits[bytes[i] >> 4]);
		writer_u8(w, (uint8_t)hex_digits[bytes[i] & 15]);
	}
	writer_u8(w, '"');
}

static void put_endpoint(struct writer *w, const char *key, const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];

	if (e != NULL)
		put_text(w, key, endpoint_format(e, text));
}

/* ---- paths and queries ---- */

/* As a URI has them (RFC 3986 3.3, 3.4; RFC 7252 6.5): every other byte is percent-coded, also what would separate segments or arguments, so
 * that a text comes from one list of options alone. None of these has a meaning in JSON. */
static bool is_kept(uint8_t c, const char *more)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~!$'()*+,;=:@", c) != NULL) ||
		(c != '\0' && strchr(more, c) != NULL);
}

/* One option's value. Returns false where it has no room among `left` characters: then it ends behind a whole character. */
static bool put_coded(struct writer *w, const struct opening_text *text, const char *more, size_t *left)
{
	for (size_t i = 0; i < text->len; i++) {
		uint8_t c = text->at[i];
		size_t need = is_kept(c, more) ? 1 : 3;

		if (need > *left)
			return false;
		*left -= need;
		if (need == 1) {
			writer_u8(w, c);
			continue;
		}
		writer_u8(w, '%');
		writer_u8(w, (uint8_t)hex_capitals[c >> 4]);
		writer_u8(w, (uint8_t)hex_capitals[c & 15]);
	}
	return true;
}

/* "/a/b"; "/" for none. So that this is no path of one empty segment, one of nothing but empty segments has a '/' more. */
static void put_path(struct writer *w, const struct opening_inner *in)
{
	size_t left = FEED_TEXT_MAX;
	bool only_empty = true, whole = true;

	put_if(w, "uri-path-abbreviated", in->path_abbreviated);
	if (in->path_abbreviated && in->path_count == 0)
		return;
	put_key(w, "uri-path");
	writer_u8(w, '"');
	for (unsigned i = 0; i < in->path_count && whole; i++) {
		whole = left > 0;
		if (whole) {
			writer_u8(w, '/');
			left--;
			whole = put_coded(w, &in->path[i], "&", &left);
		}
		only_empty = only_empty && in->path[i].len == 0;
	}
	writer_text(w, only_empty ? "/\"" : "\"");
	put_if(w, "uri-path-cut", !whole);
}

/* "a=1&b=2"; an '&' within an argument is percent-coded. */
static void put_query(struct writer *w, const struct opening_inner *in)
{
	size_t left = FEED_TEXT_MAX;
	bool whole = true;

	put_key(w, "uri-query");
	writer_u8(w, '"');
	for (unsigned i = 0; i < in->query_count && whole; i++) {
		if (i > 0) {
			whole = left > 0;
			left -= whole;
			if (whole)
				writer_u8(w, '&');
		}
		whole = whole && put_coded(w, &in->query[i], "/?", &left);
	}
	writer_u8(w, '"');
	put_if(w, "uri-query-cut", !whole);
}

/* ---- what was inside ---- */

static void put_block(struct writer *w, const char *key, const struct opt_block *b)
{
	put_key(w, key);
	writer_u8(w, '{');
	put_number(w, "number", b->num);
	put_bool(w, "more", b->more);
	put_number(w, "size", opt_block_unit(b->szx));
	writer_u8(w, '}');
}

static void put_payload(struct writer *w, const struct opening_inner *in)
{
	bool cut = in->payload_len > FEED_PAYLOAD_MAX;

	put_key(w, "payload");
	writer_u8(w, '"');
	event_write_base64(w, in->payload, cut ? FEED_PAYLOAD_MAX : in->payload_len);
	writer_u8(w, '"');
	put_number(w, "payload-length", in->payload_len);
	put_if(w, "payload-cut", cut || in->payload_cut);
}

static void put_inner(struct writer *w, const struct opening_inner *in, uint32_t fields)
{
	char code[MSG_CODE_TEXT_MAX];

	put_key(w, "inner");
	writer_u8(w, '{');
	if (fields & FIELD_BIT(FIELD_CODE))
		put_text(w, "code", msg_code_text(in->code, code));
	if (fields & FIELD_BIT(FIELD_URI_PATH))
		put_path(w, in);
	if (fields & FIELD_BIT(FIELD_URI_QUERY))
		put_query(w, in);
	if (fields & FIELD_BIT(FIELD_CONTENT_FORMAT))
		put_number(w, "content-format", in->content_format);
	if (fields & FIELD_BIT(FIELD_OBSERVE))
		put_number(w, "observe", in->observe);
	if (fields & FIELD_BIT(FIELD_ETAG))
		put_hex(w, "etag", in->etag, in->etag_len);
	if (fields & FIELD_BIT(FIELD_MAX_AGE))
		put_number(w, "max-age", in->max_age);
	if ((fields & FIELD_BIT(FIELD_BLOCK)) && in->has_block1)
		put_block(w, "block1", &in->block1);
	if ((fields & FIELD_BIT(FIELD_BLOCK)) && in->has_block2)
		put_block(w, "block2", &in->block2);
	if ((fields & FIELD_BIT(FIELD_SIZE)) && in->has_size1)
		put_number(w, "size1", in->size1);
	if ((fields & FIELD_BIT(FIELD_SIZE)) && in->has_size2)
		put_number(w, "size2", in->size2);
	if (fields & FIELD_BIT(FIELD_PAYLOAD))
		put_payload(w, in);
	writer_u8(w, '}');
}

/* ---- who and what ---- */

static bool has_kid(struct oscore_option *o, const uint8_t *value, size_t len)
{
	return value != NULL && oscore_option_parse(o, value, len, OSCORE_FLAG_GROUP) == 0 && o->kid != NULL;
}

static void put_kid(struct writer *w, const struct feed_record *r, enum kid_form form, const struct hash_key *hash_key)
{
	uint8_t kid[KID_TOLD_MAX];
	struct oscore_option o;
	int len;

	if (!has_kid(&o, r->option, r->option_len) && !has_kid(&o, r->request_option, r->request_option_len))
		return;
	len = kid_tell(&o, form, hash_key, kid);
	if (len < 0)
		return;
	put_hex(w, "kid", kid, (size_t)len);
	if (form == KID_PLAIN && o.kid_context != NULL)
		put_hex(w, "kid_context", o.kid_context, o.kid_context_len);
}

static void put_exchange(struct writer *w, uint64_t number)
{
	uint8_t bytes[sizeof number];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(number >> (8 * (sizeof bytes - 1 - i)));
	put_hex(w, "exchange", bytes, sizeof bytes);
}

void feed_line_write(struct writer *w, const struct feed_record *r, const char *time, enum kid_form form, const struct hash_key *hash_key)
{
	writer_u8(w, '{');
	put_text(w, "time", time);
	put_exchange(w, r->exchange);
	put_text(w, "message", message_names[r->message]);
	put_text(w, "route", r->route->name);
	put_text(w, "read", r->read->name);
	put_endpoint(w, "client", r->client);
	if (r->name != NULL)
		put_text(w, "name", r->name);
	put_endpoint(w, "origin", r->origin);
	put_kid(w, r, form, hash_key);
	put_text(w, "verdict", verdict_names[r->verdict]);
	put_bool(w, "seen", r->seen);
	put_bool(w, "unverified", r->unverified);
	if (r->refused != ERR_NONE)
		put_text(w, "refused", error_row(r->refused)->counter);
	if (r->verdict == OPENING_OPENED && r->inner != NULL)
		put_inner(w, r->inner, r->inner->fields & r->read->fields);
	writer_text(w, "}\n");
}
