/*
 * map_request - the heads of requests between HTTP and CoAP, both ways (RFC 7252 10, RFC 8075, RFC 8613 11).
 *
 * Pure. Bodies are never touched: a request is its head, and the content follows by whoever moves it. So are what frames a message
 * (Content-Length, Transfer-Encoding) and what a transfer adds for each block (Block1, Block2, Size1, Echo, Request-Tag) left to others.
 */
#ifndef TRANSLATE_MAP_REQUEST_H
#define TRANSLATE_MAP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"
#include "coap/uri.h"
#include "translate/http_message.h"
#include "translate/map_etag.h"
#include "translate/map_media.h"
#include "translate/map_oscore.h"

enum {
	REQUEST_TAGS_MAX = 16,    /* entity-tags of one condition */
	REQUEST_OPTIONS_MAX = 88, /* of a request written here; the rest of MSG_OPTIONS_MAX is for whoever adds the blocks */
};

/* ---- HTTP to CoAP ---- */

/* How a route wants its requests read. */
struct request_policy {
	struct media_policy media;
	bool legacy_header;    /* Object-Security is OSCORE's header field as well */
	bool query_is_fetch;   /* QUERY becomes FETCH; otherwise it is unknown */
	uint8_t hop_limit;     /* the Hop-Limit that is put in; 0: never */
	bool hop_limit_always; /* also where neither Via nor CDN-Loop tells of hops (RFC 8768 5) */
	const char *pseudonym; /* what this gateway is called in Via; NULL or "": loops are not looked for */
};

/* A request once its head was read. Views nothing of it. */
struct request_mapping {
	unsigned refused;      /* the HTTP status to refuse it with; 0: it can go on */
	const char *why;       /* a constant text for that answer */
	enum error error;      /* what that counts as; ERR_NONE where a condition of the client's own does not hold */
	uint8_t code;          /* enum msg_code */
	bool oscore;           /* an OSCORE message; whatever else its head says is lost (RFC 8613 11.4) */
	bool legacy;           /* its header field had the name of the drafts */
	bool head_only;        /* HEAD: answered without content */
	bool has_body;         /* content follows, as far as the head tells: a chunked body may still be empty */
	bool conditional;      /* 2.03 becomes 304: it carries ETags for If-None-Match */
	bool observe;          /* it accepts text/event-stream: registers as an observer */
	uint32_t wait;         /* Prefer: wait=, in seconds; 0: none */
	int content_format;    /* -1: none */
	uint16_t accepts[MEDIA_ACCEPT_MAX]; /* most preferred first; none: no Accept option */
	size_t accept_count;
	uint8_t hop_limit;     /* 0: no option */
	bool if_match_any, if_none_match_any;
	size_t if_match_count, etag_count, option_len;
	/* From here on only what these count is set. */
	struct etag if_match[REQUEST_TAGS_MAX], etags[REQUEST_TAGS_MAX];
	uint8_t option[OSCORE_VALUE_MAX];   /* OSCORE: the option's value */
};

/* Reads a head. Refused are:
 *   what is half of an OSCORE message (400, 415; map_oscore);
 *   a method without a CoAP method (501), a body on GET, HEAD or DELETE, where CoAP would ignore it (400);
 *   a Content-Type with its coding that has no Content-Format (415), also none at all on PATCH and FETCH (RFC 8132);
 *   Accept: application/coap-payload where it is not passed through (406);
 *   If-Match whose tags this gateway never gave, since no device can have them (412); If-None-Match with tags where it protects from
 *   overwriting, which CoAP cannot say (501); more than REQUEST_TAGS_MAX tags in If-Match (400);
 *   a request that was here before, by Via (508).
 * Not mapped, and no reason to refuse: date conditions (a device has no Last-Modified), Range, an Accept that no Content-Format fits,
 * If-None-Match: * on GET. For If-None-Match a weak tag is as good as a strong one (RFC 9110 13.1.2). */
void map_request_read(const struct http_head *head, const struct request_policy *policy, struct request_mapping *m);

/* Writes the CoAP request in the form of a datagram: confirmable, Message ID 0, no token, no payload. target: the URI of the resource
 * as uri_parse() took it apart, one of CoAP's, which is put into Proxy-Scheme and Uri-*; or NULL, and there is none of them (the null mapping: the route
 * knows). accept_index: which of m->accepts to ask for; beyond the last there is no Accept. Returns the length; or 0 and in *error
 * ERR_BAD_URI for a target of HTTP, or ERR_TOO_LARGE if it does not fit into room or has more than REQUEST_OPTIONS_MAX options. */
size_t map_request_write(const struct request_mapping *m, const struct uri *target, size_t accept_index, uint8_t *bytes, size_t room,
	enum error *error);

/* True for methods of CoAP whose payload means something (RFC 7252 5.8, RFC 8132). */
bool map_request_has_body(uint8_t code);

/* ---- CoAP to HTTP ---- */

/* Where a CoAP request goes in HTTP, and what is known of it beyond its options. */
struct http_target {
	const struct uri *uri; /* http or https; its path and query are taken as they are */
	bool has_body;         /* content follows */
	bool query_is_fetch;   /* FETCH becomes QUERY; otherwise it is refused */
	bool legacy_header;    /* OSCORE's header field is sent under its name of the drafts */
	const char *pseudonym; /* what this gateway is called in Via; NULL or "": none is written */
};

/* Writes request line and fields, but for those that frame the body and the empty line. All options must be understood, since none
 * can be passed on: ERR_BAD_OPTION for a critical one that is not (EDHOC too: it has no form in HTTP), for 10001 in Content-Format and
 * Accept, for If-None-Match on GET and FETCH (HTTP means something else by it), for an OSCORE option without a text; ERR_METHOD for
 * a method that HTTP has not; ERR_BAD_REQUEST for an OSCORE message that is neither POST nor FETCH or has no body. Observe, Echo,
 * Request-Tag, No-Response and the options of blocks end here. An OSCORE message is a POST with its header field, its type and nothing
 * else (RFC 8613 11.2); FETCH too, and then nobody observes. Via stands for Hop-Limit (RFC 8768 5). On an error w holds rubbish; whether
 * it was too small is in w->failed. */
enum error map_request_write_http(struct writer *w, const struct msg_view *m, const struct http_target *t);

#endif
