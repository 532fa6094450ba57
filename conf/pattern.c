/* pattern - see pattern.h */
#include "conf/pattern.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "coap/option.h"
#include "conf/grammar.h"

static const char unknown_scheme[] = "has no scheme that is spoken here: coap coaps coap+tcp coaps+tcp coap+ws coaps+ws http https";
static const char session_prefix[] = "session:";

const char *pattern_read_network(struct arena *a, const char *text, struct network *out)
{
	(void)a;
	return network_parse(out, text) < 0 ? "is no network such as 10.0.0.0/8 or fd00::/8" : NULL;
}

static char *copy_lower(struct arena *a, const char *text, size_t len)
{
	char *copy = arena_copy(a, text, len);
	size_t i;

	for (i = 0; i < len; i++)
		if (copy[i] >= 'A' && copy[i] <= 'Z')
			copy[i] = (char)(copy[i] - 'A' + 'a');
	return copy;
}

/* A name as DNS and URIs write them; a dot at its end says that it is complete and is no part of it. */
static bool is_name(const char *text, size_t *len)
{
	size_t i;

	if (*len > 0 && text[*len - 1] == '.')
		(*len)--;
	if (*len == 0 || *len > URI_HOST_MAX || text[0] == '.')
		return false;
	for (i = 0; i < *len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", text[i]) ||
			(text[i] == '.' && text[i - 1] == '.'))
			return false;
	return true;
}

/* 10.0.0.300 is a mistake, not a name: a last label of digits is never a name (RFC 3696 2). */
static bool looks_like_address(const char *text, size_t len)
{
	size_t i = len;

	while (i > 0 && text[i - 1] >= '0' && text[i - 1] <= '9')
		i--;
	return i < len && (i == 0 || text[i - 1] == '.');
}

static const char *read_host(struct arena *a, const char *text, size_t len, struct host_pattern *out)
{
	char literal[ENDPOINT_TEXT_MAX];

	out->text = copy_lower(a, text, len);
	if (len == 1 && text[0] == '*') {
		out->kind = HOST_ANY;
		return NULL;
	}
	if (len < sizeof(literal)) {
		snprintf(literal, sizeof(literal), "%.*s", (int)len, text);
		if (network_parse(&out->network, literal) == 0) {
			out->kind = HOST_NETWORK;
			return NULL;
		}
	}
	out->kind = HOST_NAME;
	if (len > 2 && text[0] == '*' && text[1] == '.') {
		out->kind = HOST_SUFFIX;
		text += 2;
		len -= 2;
	}
	if (!is_name(text, &len) || looks_like_address(text, len))
		return "names no host: \"name\", \"*.below.this\", an address, a network, or \"*\"";
	out->text = copy_lower(a, out->kind == HOST_SUFFIX ? text - 1 : text, out->kind == HOST_SUFFIX ? len + 1 : len);
	return NULL;
}

const char *pattern_read_host(struct arena *a, const char *text, struct host_pattern *out)
{
	return read_host(a, text, strlen(text), out);
}

/* Steps over "scheme://" and tells which. */
static const char *read_scheme(const char *text, enum uri_scheme *scheme)
{
	const char *end = strstr(text, "://");
	int s = end ? uri_scheme_parse(text, (size_t)(end - text)) : -1;

	if (s < 0)
		return NULL;
	*scheme = (enum uri_scheme)s;
	return end + 3;
}

/* The text behind the host: "", ":*", ":5683". */
static int read_target_port(const char *text, uint32_t *port)
{
	char rest;
	unsigned p;

	*port = 0;
	if (*text == '\0')
		return 0;
	if (strcmp(text, ":*") == 0) {
		*port = PORT_ANY;
		return 0;
	}
	if (text[0] != ':' || text[1] < '1' || text[1] > '9' || strlen(text) > 6 || sscanf(text + 1, "%u%c", &p, &rest) != 1 || p > 65535)
		return -1;
	*port = p;
	return 0;
}

const char *pattern_read_target(struct arena *a, const char *text, struct target_pattern *out)
{
	const char *host, *end, *wrong;

	out->text = arena_copy(a, text, strlen(text));
	host = read_scheme(text, &out->scheme);
	if (!host)
		return unknown_scheme;
	if (*host == '[') {
		host++;
		end = strchr(host, ']');
		if (!end || !memchr(host, ':', (size_t)(end - host)))
			return "needs an IPv6 address or network in its brackets";
		wrong = read_host(a, host, (size_t)(end - host), &out->host);
		end++;
	} else {
		end = host + strcspn(host, ":");
		wrong = read_host(a, host, (size_t)(end - host), &out->host);
	}
	if (wrong)
		return wrong;
	return read_target_port(end, &out->port) < 0 ? "has more behind its host than a port or \":*\"" : NULL;
}

/* One percent-decoded segment, or NULL. NUL is refused: segments are kept as terminated texts. */
static char *decode_segment(struct arena *a, const char *text, size_t len)
{
	char *out = arena_copy(a, text, len), *to = out;
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] != '%') {
			*to++ = text[i];
			continue;
		}
		if (i + 2 >= len || byte_hex(text[i + 1]) < 0 || byte_hex(text[i + 2]) < 0)
			return NULL;
		*to = (char)(byte_hex(text[i + 1]) << 4 | byte_hex(text[i + 2]));
		if (*to++ == '\0')
			return NULL;
		i += 2;
	}
	*to = '\0';
	return strlen(out) <= 255 ? out : NULL;
}

const char *pattern_read_path(struct arena *a, const char *text, struct path_pattern *out)
{
	const char *at, *end;
	size_t slashes = 0, len;

	out->text = arena_copy(a, text, strlen(text));
	if (*text != '/')
		return "is no path pattern: it begins with \"/\"";
	for (at = text; *at; at++)
		slashes += *at == '/';
	out->segments = arena_take(a, slashes * sizeof(out->segments[0]));
	for (at = text + 1; strcmp(text, "/") != 0; at = end + 1) {
		end = strchrnul(at, '/');
		len = (size_t)(end - at);
		if (len == 2 && memcmp(at, "**", 2) == 0) {
			out->open = true;
			return *end ? "has \"**\" elsewhere than at its end" : NULL;
		}
		if (len > 1 && memchr(at, '*', len))
			return "has a \"*\" that is not a whole segment (a \"*\" itself is written %2A)";
		if (len != 1 || *at != '*') {
			out->segments[out->count] = decode_segment(a, at, len);
			if (!out->segments[out->count])
				return "has a segment that does not decode, or is over 255 bytes";
		}
		out->count++;
		if (!*end)
			break;
	}
	return NULL;
}

static const char *no_method(struct arena *a, const char *word)
{
	enum { SENTENCE_MAX = 120 };
	char *sentence = arena_take(a, SENTENCE_MAX), near[CONF_WORD_MAX];
	bool is_near = conf_word_nearest(conf_methods, word, near) != NULL;

	snprintf(sentence, SENTENCE_MAX, "names \"%.30s\", which is no method%s%.10s%s", word, is_near ? "; did you mean \"" : "", is_near ? near : "",
		is_near ? "\"?" : "");
	return sentence;
}

/* "GET,PUT" or "*", to bits. */
static const char *read_methods(struct arena *a, const char *text, size_t len, uint32_t *methods)
{
	size_t at = 0, end;
	char *word;
	int i;

	if (len == 1 && *text == '*')
		return NULL;
	for (; at <= len; at = end + 1) {
		for (end = at; end < len && text[end] != ','; end++)
			;
		word = arena_copy(a, text + at, end - at);
		i = conf_word_index(conf_methods, word);
		if (i < 0)
			return no_method(a, word);
		*methods |= 2u << i;
	}
	return NULL;
}

const char *pattern_read_rule(struct arena *a, const char *text, struct inner_rule *out)
{
	const char *space = strchr(text, ' '), *wrong;

	out->text = arena_copy(a, text, strlen(text));
	if (!space || space == text || space[1] != '/')
		return "is no rule such as \"GET,PUT /lights/*\" or \"* /public/**\"";
	wrong = read_methods(a, text, (size_t)(space - text), &out->methods);
	return wrong ? wrong : pattern_read_path(a, space + 1, &out->path);
}

/* What the URI parser found, as the end of our sentence. */
static const char *no_uri(struct arena *a, enum uri_result r)
{
	enum { SENTENCE_MAX = 120 };
	char *text = arena_take(a, SENTENCE_MAX);

	snprintf(text, SENTENCE_MAX, "is no URI: %s", uri_result_text(r));
	return text;
}

/*
 * Splits a URI of ours whose IPv6 literal may carry a zone. The URI is parsed without it, as any other would be; *host
 * is the host with its zone, from the arena.
 */
static const char *read_uri(struct arena *a, const char *text, struct uri *u, char **host)
{
	char decoded[URI_HOST_MAX + 1];
	const char *zone = strchr(text, '%'), *bracket = strchr(text, ']'), *zone_text = "";
	char *plain = arena_copy(a, text, strlen(text));
	size_t zone_len = 0, len = strlen(text), host_len;
	enum uri_result r;
	int n;

	if (zone && bracket && zone < bracket) {
		zone_text = zone;
		zone_len = (size_t)(bracket - zone);
		memmove(plain + (zone - text), bracket, strlen(bracket) + 1);
		len -= zone_len;
	}
	r = uri_parse(u, plain, len);
	if (r != URI_OK)
		return no_uri(a, r);
	n = uri_host_decode(&u->host, decoded);
	if (n < 0)
		return no_uri(a, URI_BAD_HOST);
	host_len = (size_t)n;
	if (zone_len > 0 && !u->host_is_ipv6)
		return no_uri(a, URI_BAD_HOST);
	*host = arena_take(a, host_len + zone_len + 1);
	memcpy(*host, decoded, host_len);
	memcpy(*host + host_len, zone_text, zone_len);
	return NULL;
}

/* Collects the path of an origin. */
struct path_sink {
	struct arena *arena;
	struct origin_conf *origin;
	bool query, nul;
};

static void add_path(void *arg, uint16_t number, const uint8_t *value, size_t len)
{
	struct path_sink *sink = arg;

	if (number != OPT_URI_PATH) {
		sink->query = true;
		return;
	}
	if (len > 0 && memchr(value, 0, len))
		sink->nul = true;
	sink->origin->path[sink->origin->path_count++] = arena_copy(sink->arena, len > 0 ? (const char *)value : "", len);
}

static const char *read_literal(const char *host, bool bracketed, uint16_t port, struct endpoint *address, bool *literal)
{
	*literal = endpoint_parse_literal(address, host, strlen(host), true) == 0;
	address->port = port;
	if (!*literal && bracketed)
		return strchr(host, '%') ? "has a zone that is no interface of this host, or an address that takes none" : "has no valid IPv6 address in its brackets";
	if (*literal && endpoint_is_link_local(address) && !endpoint_is_ipv4(address) && address->scope == 0)
		return "needs a zone: which interface, as in [fe80::1%eth0]";
	if (!*literal && looks_like_address(host, strlen(host)))
		return "has no valid IPv4 address";
	return NULL;
}

/* "session:NAME": a name as a pre-shared key, a certificate or a token gives it. */
static const char *read_session(struct arena *a, const char *name, struct origin_conf *out)
{
	size_t len = strlen(name);

	out->session = true;
	out->host = arena_copy(a, name, len);
	for (size_t i = 0; i < len; i++)
		if (name[i] < ' ' || name[i] > '~')
			return "names a session by other than ASCII characters";
	return len == 0 || len > URI_HOST_MAX ? "does not name a session by 1 to 255 characters" : NULL;
}

const char *pattern_read_origin(struct arena *a, const char *text, struct origin_conf *out)
{
	struct path_sink sink = {a, out, false, false};
	const char *wrong, *at;
	size_t slashes = 0;
	struct uri u;

	out->text = arena_copy(a, text, strlen(text));
	if (strncmp(text, session_prefix, sizeof(session_prefix) - 1) == 0)
		return read_session(a, text + sizeof(session_prefix) - 1, out);
	wrong = read_uri(a, text, &u, &out->host);
	if (wrong)
		return wrong;
	out->scheme = u.scheme;
	out->port = u.port;
	wrong = read_literal(out->host, u.host_is_ipv6, u.port, &out->address, &out->literal);
	if (wrong)
		return wrong;
	if (out->literal && endpoint_is_unspecified(&out->address))
		return "is no address of one host";
	for (at = text; *at; at++)
		slashes += *at == '/';
	out->path = arena_take(a, slashes * sizeof(out->path[0]));
	if (uri_each_option(&u, add_path, &sink) != URI_OK || sink.nul)
		return "has a path that does not decode, or a segment over 255 bytes";
	return sink.query ? "has a query, which an origin cannot have" : NULL;
}

const char *pattern_read_listener(struct arena *a, const char *text, struct listener *out)
{
	const char *wrong;
	struct uri u;
	bool literal;
	char *host;

	out->url = arena_copy(a, text, strlen(text));
	wrong = read_uri(a, text, &u, &host);
	if (wrong)
		return wrong;
	if (u.scheme == URI_COAP_WS || u.scheme == URI_COAPS_WS)
		return "is no scheme of a listener: coap+ws comes in by http, coaps+ws by https";
	if (u.path.len > 0 || u.has_query)
		return "has a path or query, which a listener cannot have";
	out->scheme = u.scheme;
	wrong = read_literal(host, u.host_is_ipv6, u.port, &out->address, &literal);
	if (wrong)
		return wrong;
	if (!literal)
		return "needs an address, not a name";
	if (endpoint_is_multicast(&out->address))
		return "is a multicast address, on which nothing is served";
	out->any = endpoint_is_unspecified(&out->address);
	return NULL;
}
