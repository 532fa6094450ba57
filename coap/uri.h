/*
 * uri - CoAP URIs: splitting into their parts and options, and putting together again (RFC 7252 6, RFC 8323 8, RFC 3986).
 *
 * The parser is bounded and allocates nothing. A part is a view of the text (still percent-coded); options are decoded
 * into the caller's writer, exactly once.
 */
#ifndef COAP_URI_H
#define COAP_URI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coap/message.h"

enum uri_scheme {
	URI_COAP, URI_COAPS, URI_COAP_TCP, URI_COAPS_TCP, URI_COAP_WS, URI_COAPS_WS, URI_HTTP, URI_HTTPS, URI_SCHEME_COUNT
};

enum { URI_MAX = 1034, URI_HOST_MAX = 255 }; /* RFC 7252 5.10.2, 5.10.1 */

struct uri_scheme_row {
	const char *name;
	uint16_t default_port;
	bool secure;
	bool stream; /* carried by a stream of bytes, not by datagrams: its ports are others */
};
extern const struct uri_scheme_row uri_schemes[URI_SCHEME_COUNT];

/* Case-insensitive; returns an enum uri_scheme, or -1 if it is none of ours. */
int uri_scheme_parse(const char *text, size_t len) __attribute__((warn_unused_result));

struct uri_part {
	const char *at;
	size_t len;
};

struct uri {
	enum uri_scheme scheme;
	struct uri_part host; /* without brackets */
	uint16_t port;        /* the scheme's default if none was written */
	bool host_is_ipv6;    /* was written in brackets */
	bool has_query;
	struct uri_part path; /* with its leading '/', or empty */
	struct uri_part query;/* behind the '?' */
};

/* Why a text is no URI of ours; each has its own text for -t and the log. */
enum uri_result {
	URI_OK, URI_RELATIVE, URI_FOREIGN_SCHEME, URI_NO_HOST, URI_BAD_HOST, URI_BAD_PORT, URI_USERINFO, URI_FRAGMENT,
	URI_BAD_ESCAPE, URI_BAD_CHARACTER, URI_TOO_LONG
};
const char *uri_result_text(enum uri_result r);

/* Splits an absolute URI (RFC 7252 6.4 steps 1 to 4 and RFC 3986). Port 0 and over 65535 are URI_BAD_PORT; an empty port
 * ("host:") is the default; white space, control characters, bytes above 0x7e and whatever else RFC 3986 wants escaped in
 * its place are URI_BAD_CHARACTER. Borrows text. */
enum uri_result uri_parse(struct uri *u, const char *text, size_t len) __attribute__((warn_unused_result));

/* The same as uri_parse() for "host" or "host:port" or "[v6]:port" alone (an authority, RFC 3986 3.2, no user info). The
 * scheme is set to coap: its port is the default. */
enum uri_result uri_parse_authority(struct uri *u, const char *text, size_t len) __attribute__((warn_unused_result));

/* Decodes a host into out as the Uri-Host option wants it: lower case, percent-decoded once (RFC 7252 6.4 step 5).
 * Returns its length, or -1 if it is empty, over URI_HOST_MAX, or not a legal reg-name or literal once decoded. */
int uri_host_decode(const struct uri_part *host, char out[URI_HOST_MAX + 1]) __attribute__((warn_unused_result));

/* True if bytes (a Uri-Host value) are a reg-name or IP literal: no '/', '@', ':' outside an IPv6 literal, no control
 * character, no space (RFC 7252 6.5 step 2). A literal with a zone is refused: zones come from configuration only. */
bool uri_host_is_valid(const uint8_t *bytes, size_t len);

/* Percent-decodes len bytes into out, once. Returns the length of the result, or -1 at an escape that is none or if it is more than room
 * bytes. */
int uri_text_decode(const char *text, size_t len, char *out, size_t room) __attribute__((warn_unused_result));

/* Calls add(arg, OPT_URI_PATH or OPT_URI_QUERY, value, len) for each decoded segment and argument in order (RFC 7252 6.4
 * steps 8 and 9, erratum 4895: "/" gives none, a trailing slash an empty one; "?" alone gives one empty Uri-Query). Dot
 * segments are removed first as RFC 3986 5.2.4 says, escaped dots being dots. Returns URI_OK, or URI_TOO_LONG at a segment
 * or argument over 255 bytes; those before it have been added then. *u must come from uri_parse(). */
enum uri_result uri_each_option(const struct uri *u, void (*add)(void *arg, uint16_t number, const uint8_t *value, size_t len),
	void *arg) __attribute__((warn_unused_result));

/* Composes the URI of a request's Uri-* options into out (RFC 7252 6.5): scheme, host (Uri-Host or default_host), port
 * (elided if the scheme's default), path, query. default_host may be a literal with or without brackets; its zone is left
 * out. Always terminated. Returns its length, or -1 (and an empty string) if it does not fit, Uri-Host or Uri-Port is not
 * legal, or a Uri-Path is "." or "..". */
int uri_compose(const struct msg_view *m, enum uri_scheme scheme, const char *default_host, uint16_t default_port, char *out,
	size_t out_size) __attribute__((warn_unused_result));

#endif
