/*
 * map_template - how the URI of a CoAP resource stands in the request target of an HTTP request (RFC 8075 5): URI templates of the simple
 * and the enhanced form, read in both directions.
 *
 * Pure: no I/O, no clock; only template_compile() allocates. A template is the path (and query) of the HC proxy URI with the mapping
 * template behind it, in one text:
 *
 *   /hc/{+tu}                              the default mapping: /hc/coap://h/p?q
 *   /hc/?target_uri={+tu}                  the simple form in the query
 *   /hc/{+s}/{+hp}{+p}{+qq}                the enhanced form: /hc/coap/h/p?q
 *   /hc/?s={+s}&hp={+hp}&p={+p}&q={+q}
 *   /lamp                                  the null mapping: this one request target, which names no target URI
 *
 * Variables (RFC 8075 5.4): tu the target URI; s its scheme, hp host and port, p path, q query, qq query with its '?'. {+x} stands for the
 * value as it is, {x} for the value with everything but unreserved characters percent-coded (RFC 6570 3.2.2, 3.2.3).
 *
 * A value ends where the next literal text of the template is first found, so "{+p}&q={+q}" cannot carry a path with "&q=" in it. A
 * template is refused if targets of the ordinary kind could not be told apart.
 */
#ifndef TRANSLATE_MAP_TEMPLATE_H
#define TRANSLATE_MAP_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "coap/uri.h"
#include "translate/http_message.h"

enum { TEMPLATE_ERROR_MAX = 128, TEMPLATE_MAX = 512 }; /* bytes of an error text with its end; bytes of a template */

/* Immutable once compiled. */
struct template;

/* Copies what it needs of text. NULL if it is no template that can be inverted; error then holds why, as the end of a sentence that begins
 * with the text. Also NULL, with an error, if there is no memory. */
struct template *template_compile(const char *text, char error[TEMPLATE_ERROR_MAX]) __attribute__((warn_unused_result));
void template_free(struct template *t); /* takes NULL too */

/* False for the null mapping. */
bool template_has_target(const struct template *t);

/* True if the enhanced form leaves out {s}: without a default scheme no request has a target then. */
bool template_needs_scheme(const struct template *t);

enum template_result {
	TEMPLATE_OTHER,    /* the request target is not of this template */
	TEMPLATE_OK,
	TEMPLATE_BAD_URI,  /* it is, but what stands in it is no URI of a CoAP resource: 400 */
	TEMPLATE_NO_SCHEME /* it is, but the scheme is left out and there is no default (RFC 8075 5.3.1): 400 */
};

/* Reads a request target in origin-form, exactly as it stood in the request line: never decoded, collapsed or normalised before. On
 * TEMPLATE_OK out holds the absolute target URI, terminated, for which uri_parse() says URI_OK and whose scheme is one of CoAP's; its
 * length is in *out_len, and its parts, views of out, in *parts. With the null mapping, and on every other result, out is the empty string
 * and *parts says nothing.
 *
 * The target URI is what the client wrote, character for character, but for the brackets of an IPv6 literal: they come as %5B and %5D
 * (RFC 8075 5.3.2), or as they are. With {x} the value is decoded once. With "{+tu}" in the path the target's query is all that stands
 * behind the first '?'. default_scheme: enum uri_scheme of targets without one, or -1. */
enum template_result template_match(const struct template *t, struct http_text target, int default_scheme, char out[URI_MAX + 1],
	size_t *out_len, struct uri *parts) __attribute__((warn_unused_result));

/* The other way: writes the request target that stands for a target URI into out, terminated. Returns its length; or -1, and the empty
 * string, if it does not fit, the URI is none of CoAP's, or the template has no form from which template_match() with the same
 * default_scheme would give the same text again. Always -1 for the null mapping. */
int template_expand(const struct template *t, const char *target_uri, size_t len, int default_scheme, char *out, size_t out_size)
	__attribute__((warn_unused_result));

/* How the mapping is told to clients (RFC 8075 5.5): base is the path of the HC proxy URI ("/hc/"), hct the template that is put behind it,
 * or hct->at is NULL if that is the default one, "{+tu}". Views of the template. With the null mapping base is all of it. */
void template_publish(const struct template *t, struct http_text *base, struct http_text *hct);

#endif
