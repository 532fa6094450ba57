#include "coap/uri.h"

#include <stdio.h>
#include <string.h>

#include "base/endpoint.h"
#include "coap/option.h"

enum { SEGMENT_MAX = 255 }; /* RFC 7252 5.10: Uri-Path and Uri-Query */

const struct uri_scheme_row uri_schemes[URI_SCHEME_COUNT] = {
	[URI_COAP] = {"coap", 5683, false, false},
	[URI_COAPS] = {"coaps", 5684, true, false},
	[URI_COAP_TCP] = {"coap+tcp", 5683, false, true},
	[URI_COAPS_TCP] = {"coaps+tcp", 5684, true, true},
	[URI_COAP_WS] = {"coap+ws", 80, false, true},
	[URI_COAPS_WS] = {"coaps+ws", 443, true, true},
	[URI_HTTP] = {"http", 80, false, true},
	[URI_HTTPS] = {"https", 443, true, true},
};

/* Which parts of a URI a byte may stand in unescaped (RFC 3986 appendix A), in the order of their codes. */
enum { IN_HOST = 1, IN_SEGMENT = 2, IN_PATH = 4, IN_QUERY = 8, IN_SCHEME = 16, IN_LOWER_HOST = 32 };
#define P (IN_SEGMENT | IN_PATH | IN_QUERY)  /* what else pchar has */
#define C (P | IN_HOST | IN_SCHEME)          /* capitals */
#define U (P | IN_HOST | IN_LOWER_HOST)      /* unreserved and sub-delims but for capitals */
#define A (U | IN_SCHEME)
#define S (IN_PATH | IN_QUERY)               /* the slash */
#define Q IN_QUERY
static const unsigned char places[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, U, 0, 0, U, 0, U, U, U, U, U, A, U, A, A, S,
	A, A, A, A, A, A, A, A, A, A, P, U, 0, U, 0, Q,
	P, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,
	C, C, C, C, C, C, C, C, C, C, C, 0, 0, 0, 0, U,
	0, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
	A, A, A, A, A, A, A, A, A, A, A, 0, 0, 0, U, 0,
};
#undef P
#undef C
#undef U
#undef A
#undef S
#undef Q

static bool may_stand(char c, unsigned place)
{
	return places[(unsigned char)c] & place;
}

/* The byte that an escape without its '%' stands for, or -1 if two hexadecimal digits are not there. */
static int escape_read(const char *at, const char *end)
{
	int high, low;

	if (end - at < 2)
		return -1;
	high = byte_hex(at[0]);
	low = byte_hex(at[1]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Takes the next byte of a percent-coded text whose escapes are sound (text_check() has seen it). */
static uint8_t byte_decode(const char **at)
{
	const char *c = *at;

	if (*c != '%') {
		*at = c + 1;
		return (uint8_t)*c;
	}
	*at = c + 3;
	return (uint8_t)(byte_hex(c[1]) << 4 | byte_hex(c[2]));
}

int uri_text_decode(const char *text, size_t len, char *out, size_t room)
{
	const char *at = text, *end = text + len;
	size_t out_len = 0;

	while (at < end) {
		if (out_len == room || (*at == '%' && escape_read(at + 1, end) < 0))
			return -1;
		out[out_len++] = (char)byte_decode(&at);
	}
	return (int)out_len;
}

int uri_scheme_parse(const char *text, size_t len)
{
	for (int i = 0; i < URI_SCHEME_COUNT; i++) {
		const char *name = uri_schemes[i].name;
		size_t at = 0;

		while (at < len && name[at] != '\0' && byte_lower(text[at]) == name[at])
			at++;
		if (at == len && name[at] == '\0')
			return i;
	}
	return -1;
}

const char *uri_result_text(enum uri_result r)
{
	static const char *const texts[] = {
		[URI_OK] = "a valid URI",
		[URI_RELATIVE] = "not an absolute URI: it has no scheme",
		[URI_FOREIGN_SCHEME] = "the scheme is not one of coap, coaps, coap+tcp, coaps+tcp, coap+ws, coaps+ws, http, https",
		[URI_NO_HOST] = "there is no host",
		[URI_BAD_HOST] = "the host is neither a name nor an IP literal",
		[URI_BAD_PORT] = "the port is not a number from 1 to 65535",
		[URI_USERINFO] = "user information is not allowed",
		[URI_FRAGMENT] = "a fragment is not allowed",
		[URI_BAD_ESCAPE] = "a '%' is not followed by two hexadecimal digits",
		[URI_BAD_CHARACTER] = "there is a character that no URI may hold",
		[URI_TOO_LONG] = "the URI or a part of it is too long",
	};

	return (unsigned)r < sizeof(texts) / sizeof(texts[0]) ? texts[r] : "not a URI";
}

/* Checks characters and escapes of one part. */
static enum uri_result text_check(const char *at, const char *end, unsigned place)
{
	while (at < end) {
		if (may_stand(*at, place)) {
			at++;
		} else if (*at != '%') {
			return URI_BAD_CHARACTER;
		} else {
			if (escape_read(at + 1, end) < 0)
				return URI_BAD_ESCAPE;
			at += 3;
		}
	}
	return URI_OK;
}

static bool is_ipv6(const char *text, size_t len)
{
	struct endpoint e;

	return memchr(text, ':', len) && endpoint_parse_literal(&e, text, len, false) == 0;
}

static enum uri_result port_parse(struct uri *u, const char *at, const char *end)
{
	uint32_t port = 0;

	u->port = uri_schemes[u->scheme].default_port;
	if (at == end)
		return URI_OK;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9')
			return URI_BAD_PORT;
		port = port * 10 + (uint32_t)(*at - '0');
		if (port > UINT16_MAX)
			return URI_BAD_PORT;
	}
	if (port == 0)
		return URI_BAD_PORT;
	u->port = (uint16_t)port;
	return URI_OK;
}

/* Checks a name and decodes it into out, in lower case, in one pass. What is wrong with the text goes before what is wrong with the name. */
static enum uri_result name_decode(const struct uri_part *name, char out[URI_HOST_MAX + 1], size_t *len)
{
	const char *at = name->at, *end = name->at + name->len;
	bool is_sound = true;
	size_t count = 0;

	/* nearly always all of it */
	while (at < end && may_stand(*at, IN_LOWER_HOST) && count < URI_HOST_MAX)
		out[count++] = *at++;
	for (; at < end; count++) {
		char c = *at++;

		if (c == '%') {
			int byte = escape_read(at, end);

			if (byte < 0)
				return URI_BAD_ESCAPE;
			/* Beyond ASCII any byte will do. An escaped ':' or '[' must not make a literal of what was a name. */
			c = (char)byte;
			is_sound &= byte >= 0x80 || may_stand(c, IN_HOST);
			at += 2;
		} else if (!may_stand(c, IN_HOST)) {
			return URI_BAD_CHARACTER;
		}
		if (count < URI_HOST_MAX)
			out[count] = byte_lower(c);
	}
	if (count > URI_HOST_MAX)
		return URI_TOO_LONG;
	out[count] = '\0';
	*len = count;
	return is_sound && count > 0 ? URI_OK : URI_BAD_HOST;
}

static enum uri_result host_check(const struct uri *u)
{
	char name[URI_HOST_MAX + 1];
	size_t len;

	if (u->host.len == 0)
		return URI_NO_HOST;
	if (u->host_is_ipv6)
		return is_ipv6(u->host.at, u->host.len) ? URI_OK : URI_BAD_HOST;
	return name_decode(&u->host, name, &len);
}

/* Splits host and port; u->scheme must be set. */
static enum uri_result authority_split(struct uri *u, const char *at, const char *end)
{
	const char *host_end, *port;
	enum uri_result r;

	if (memchr(at, '@', (size_t)(end - at)))
		return URI_USERINFO;
	u->host_is_ipv6 = at < end && *at == '[';
	if (u->host_is_ipv6) {
		at++;
		host_end = memchr(at, ']', (size_t)(end - at));
		if (!host_end)
			return URI_BAD_HOST;
		port = host_end + 1;
	} else {
		host_end = memchr(at, ':', (size_t)(end - at));
		if (!host_end)
			host_end = end;
		port = host_end;
	}
	u->host.at = at;
	u->host.len = (size_t)(host_end - at);
	r = host_check(u);
	if (r != URI_OK)
		return r;
	if (port < end && *port != ':')
		return URI_BAD_HOST;
	return port_parse(u, port < end ? port + 1 : end, end);
}

/* What no part of a URI may hold; says so before anything is split at it. */
static enum uri_result bytes_check(const char *text, size_t len)
{
	if (len > URI_MAX)
		return URI_TOO_LONG;
	for (size_t i = bytes_visible(text, len, 0x21); i < len; i++)
		if (text[i] <= 0x20 || text[i] > 0x7e)
			return URI_BAD_CHARACTER;
	return URI_OK;
}

/* Takes the scheme and its ':' off the front. */
static enum uri_result scheme_split(struct uri *u, const char **at, const char *end)
{
	const char *c = *at;
	int scheme;

	while (c < end && may_stand(*c, IN_SCHEME))
		c++;
	if (c == end || *c != ':' || c == *at || byte_lower(**at) < 'a')
		return URI_RELATIVE;
	scheme = uri_scheme_parse(*at, (size_t)(c - *at));
	if (scheme < 0)
		return URI_FOREIGN_SCHEME;
	u->scheme = (enum uri_scheme)scheme;
	*at = c + 1;
	return URI_OK;
}

/* The first of two characters, or of NUL, or the end. */
static const char *first_of(const char *at, const char *end, char one, char other)
{
	while (at < end && *at != one && *at != other && *at != '\0')
		at++;
	return at;
}

enum uri_result uri_parse(struct uri *u, const char *text, size_t len)
{
	const char *at = text, *end = text + len, *part;
	enum uri_result r = bytes_check(text, len);

	memset(u, 0, sizeof(*u));
	if (r == URI_OK)
		r = scheme_split(u, &at, end);
	if (r != URI_OK)
		return r;
	if (memchr(at, '#', (size_t)(end - at)))
		return URI_FRAGMENT;
	if (end - at < 2 || at[0] != '/' || at[1] != '/')
		return URI_NO_HOST;
	at += 2;
	part = first_of(at, end, '/', '?');
	r = authority_split(u, at, part);
	if (r != URI_OK)
		return r;

	at = part;
	part = first_of(at, end, '?', '?');
	u->path.at = at;
	u->path.len = (size_t)(part - at);
	r = text_check(at, part, IN_PATH);
	if (r != URI_OK || part == end)
		return r;
	u->has_query = true;
	u->query.at = part + 1;
	u->query.len = (size_t)(end - u->query.at);
	return text_check(u->query.at, end, IN_QUERY);
}

enum uri_result uri_parse_authority(struct uri *u, const char *text, size_t len)
{
	enum uri_result r = bytes_check(text, len);

	memset(u, 0, sizeof(*u));
	if (r != URI_OK)
		return r;
	return authority_split(u, text, text + len);
}

bool uri_host_is_valid(const uint8_t *bytes, size_t len)
{
	const char *text = (const char *)bytes;

	if (len == 0 || len > URI_HOST_MAX)
		return false;
	if (text[0] == '[')
		return text[len - 1] == ']' && is_ipv6(text + 1, len - 2);
	if (memchr(text, ':', len))
		return is_ipv6(text, len);
	/* Beyond ASCII any byte will do: a URI shows it escaped. '%' will not: once decoded it is no escape any more. */
	for (size_t i = 0; i < len; i++)
		if (bytes[i] < 0x80 && !may_stand(text[i], IN_HOST))
			return false;
	return true;
}

int uri_host_decode(const struct uri_part *host, char out[URI_HOST_MAX + 1])
{
	size_t len = host->len;

	if (memchr(host->at, ':', len) == NULL)
		return name_decode(host, out, &len) == URI_OK ? (int)len : -1;
	if (len > URI_HOST_MAX || !is_ipv6(host->at, len))
		return -1;
	for (size_t i = 0; i < len; i++)
		out[i] = byte_lower(host->at[i]);
	out[len] = '\0';
	return (int)len;
}

typedef void uri_add(void *arg, uint16_t number, const uint8_t *value, size_t len);

static enum uri_result option_add(const char *at, const char *end, uint16_t number, uri_add *add, void *arg)
{
	uint8_t value[SEGMENT_MAX];
	size_t len = 0;

	while (at < end) {
		if (len == SEGMENT_MAX)
			return URI_TOO_LONG;
		value[len++] = byte_decode(&at);
	}
	add(arg, number, value, len);
	return URI_OK;
}

/* How many dots a segment consists of: 1 or 2 for a dot segment, escaped dots being dots (RFC 3986 6.2.2.2), else 0. */
static unsigned segment_dots(const char *at, const char *end)
{
	unsigned dots = 0;

	while (at < end && dots < 3) {
		if (byte_decode(&at) != '.')
			return 0;
		dots++;
	}
	return dots < 3 ? dots : 0;
}

static const char *segment_end(const char *at, const char *end)
{
	return first_of(at, end, '/', '/');
}

/* Removes dot segments (RFC 3986 5.2.4): keeps in `starts` where each remaining segment begins, and returns how many. The
 * last one is the empty string at `end` if a dot segment stood last. */
static size_t path_segments(const struct uri_part *path, const char *starts[URI_MAX])
{
	const char *at = path->at, *end = path->at + path->len;
	size_t count = 0;

	while (at < end) {
		const char *begin = at + 1; /* behind the '/' */
		unsigned dots;

		at = segment_end(begin, end);
		dots = segment_dots(begin, at);
		if (dots == 2 && count > 0)
			count--;
		if (dots == 0)
			starts[count++] = begin;
		else if (at == end)
			starts[count++] = end;
	}
	return count;
}

enum uri_result uri_each_option(const struct uri *u, uri_add *add, void *arg)
{
	const char *starts[URI_MAX];
	const char *path_end = u->path.at + u->path.len;
	size_t count;
	enum uri_result r;

	if (u->path.len > URI_MAX)
		return URI_TOO_LONG;
	count = path_segments(&u->path, starts);
	if (count == 1 && segment_end(starts[0], path_end) == starts[0])
		count = 0; /* "/" names the same resource as no path at all */
	for (size_t i = 0; i < count; i++) {
		r = option_add(starts[i], segment_end(starts[i], path_end), OPT_URI_PATH, add, arg);
		if (r != URI_OK)
			return r;
	}
	if (!u->has_query)
		return URI_OK;

	const char *at = u->query.at, *end = u->query.at + u->query.len;

	for (;;) {
		const char *argument_end = first_of(at, end, '&', '&');

		r = option_add(at, argument_end, OPT_URI_QUERY, add, arg);
		if (r != URI_OK || argument_end == end)
			return r;
		at = argument_end + 1;
	}
}

static void escaped_write(struct writer *w, const uint8_t *bytes, size_t len, unsigned place, char except)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		if (may_stand((char)bytes[i], place) && bytes[i] != (uint8_t)except) {
			writer_u8(w, bytes[i]);
		} else {
			writer_u8(w, '%');
			writer_u8(w, (uint8_t)hex[bytes[i] >> 4]);
			writer_u8(w, (uint8_t)hex[bytes[i] & 15]);
		}
	}
}

/* Returns -1 if the host is none. A zone of ours means nothing to others and is left out (RFC 6874 1). */
static int host_write(struct writer *w, const uint8_t *host, size_t len)
{
	const uint8_t *zone = memchr(host, '%', len);
	bool bracket;

	if (zone && memchr(host, ':', len))
		len = (size_t)(zone - host);
	if (!uri_host_is_valid(host, len))
		return -1;
	bracket = host[0] != '[' && memchr(host, ':', len);
	if (bracket)
		writer_u8(w, '[');
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)byte_lower((char)host[i]);

		if (c < 0x80)
			writer_u8(w, c);
		else
			escaped_write(w, &c, 1, IN_HOST, 0);
	}
	if (bracket)
		writer_u8(w, ']');
	return 0;
}

static int authority_write(struct writer *w, const struct msg_view *m, enum uri_scheme scheme, const char *default_host,
	uint32_t port)
{
	const struct msg_option *o = msg_option(m, OPT_URI_HOST);
	char digits[8];

	/* a zone is for configuration alone, so the option may not bring one */
	if (o && !uri_host_is_valid(o->value, o->len))
		return -1;
	if (host_write(w, o ? o->value : (const uint8_t *)default_host, o ? o->len : strlen(default_host)))
		return -1;
	o = msg_option(m, OPT_URI_PORT);
	if (o && msg_uint(o, &port))
		return -1;
	if (port == 0 || port > UINT16_MAX)
		return -1;
	if (port != uri_schemes[scheme].default_port)
		writer_bytes(w, digits, (size_t)snprintf(digits, sizeof(digits), ":%u", (unsigned)port));
	return 0;
}

int uri_compose(const struct msg_view *m, enum uri_scheme scheme, const char *default_host, uint16_t default_port, char *out,
	size_t out_size)
{
	struct writer w;
	bool path = false, query = false;

	if (out_size == 0)
		return -1;
	out[0] = '\0';
	writer_init(&w, (uint8_t *)out, out_size - 1);
	writer_bytes(&w, uri_schemes[scheme].name, strlen(uri_schemes[scheme].name));
	writer_bytes(&w, "://", 3);
	if (authority_write(&w, m, scheme, default_host, default_port))
		goto fail;
	for (unsigned i = 0; i < m->option_count; i++) {
		const struct msg_option *o = &m->options[i];

		if (o->number == OPT_URI_PATH) {
			/* whoever reads the URI would take it for a step up (RFC 7252 5.10.1 forbids it) */
			if ((o->len == 1 || o->len == 2) && memcmp(o->value, "..", o->len) == 0)
				goto fail;
			writer_u8(&w, '/');
			escaped_write(&w, o->value, o->len, IN_SEGMENT, 0);
			path = true;
		} else if (o->number == OPT_URI_QUERY) {
			if (!path)
				writer_u8(&w, '/');
			path = true;
			writer_u8(&w, query ? '&' : '?');
			escaped_write(&w, o->value, o->len, IN_QUERY, '&');
			query = true;
		}
	}
	if (!path)
		writer_u8(&w, '/');
	if (w.failed)
		goto fail;
	*w.at = '\0';
	return (int)writer_length(&w);
fail:
	out[0] = '\0';
	return -1;
}
