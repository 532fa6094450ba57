/*
 * links - what /.well-known/core of this gateway says: itself, and where HTTP clients reach CoAP devices (RFC 6690, RFC 8075 5.5). Pure.
 */
#ifndef PROXY_DECIDE_LINKS_H
#define PROXY_DECIDE_LINKS_H

#include "base/bytes.h"
#include "coap/link_format.h"
#include "conf/snapshot.h"

enum { LINKS_MAX = 16384 /* bytes of the document; what does not fit is left out */ };

/* Writes the links that `wanted` takes. listener: the one asked, by its index. A template of another listener is written with that one's
 * public-url as anchor, and not at all if it has none. */
void links_write(struct writer *w, const struct snapshot *s, unsigned listener,
	bool (*wanted)(const struct link *link, const void *arg), const void *arg);

#endif
