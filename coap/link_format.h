/*
 * link_format - writing links of application/link-format, and choosing among them by a query (RFC 6690).
 *
 * Pure, and nothing is allocated: a link views its texts. A document is links written one after another into the same writer.
 */
#ifndef COAP_LINK_FORMAT_H
#define COAP_LINK_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "coap/uri.h"

enum { LINK_ATTRIBUTES_MAX = 6, CONTENT_FORMAT_LINK_FORMAT = 40 };

struct link_attribute {
	const char *name;
	struct uri_part value; /* as it is meant: not quoted, nothing escaped */
	bool bare;             /* written without quotes: a number (ct=40) */
};

struct link {
	struct uri_part target; /* a URI reference */
	struct link_attribute attributes[LINK_ATTRIBUTES_MAX];
	size_t attribute_count;
};

/* A link without attributes yet. Borrows the text as long as the link is used. */
void link_init(struct link *link, const char *target, size_t len);

/* Adds an attribute behind those that are there; borrows name and value. There must be room for it. */
void link_add(struct link *link, const char *name, const char *value, size_t len);
void link_add_bare(struct link *link, const char *name, const char *value);

/* Writes the link, behind a comma if it is not the first in w. w->failed is set if it does not fit, or if a text cannot be written: a
 * target with white space or one of <>", a value with a control character, or a bare one that would need quotes. */
void link_write(struct writer *w, const struct link *link);

/* True if the link is one that a query asks for (RFC 6690 4.1). An argument is NAME=TOKEN or NAME=TOKEN*, percent-decoded as Uri-Query
 * options are: the attribute NAME, or the target for "href", is TOKEN or begins with it. Of rt, if, rel, rev and ct, which are lists, one
 * element has to match. A link without that attribute does not. Several arguments must all match (RFC 9176 6.1); what is no
 * NAME=TOKEN is no filter, and is passed over. */
bool link_matches(const struct link *link, const struct uri_part *arguments, size_t count);

/* The same with the query of a request target, raw and without its '?' (len 0: none): split at '&', each argument decoded once. One over
 * 255 bytes, or with an escape that is none, matches nothing. */
bool link_matches_query(const struct link *link, const char *query, size_t len);

#endif
