/*
 * inner - the fields of an opened message that were asked for, as the answer tells them (oscore/opening.h).
 */
#ifndef OSCORE_INNER_H
#define OSCORE_INNER_H

#include "coap/message.h"
#include "oscore/opening.h"

/* Fills *i from a message (oscore/unseal.h), of which it is a view. `fields` are FIELD_BIT()s; those that the message has come back in i->fields,
 * and everything else of *i is zero (of texts: their count).
 *
 * A request always has a path, the empty one being "/"; a response has none. It is abbreviated, and without segments, where it cannot be
 * told what the device will make of it: hidden behind Uri-Path-Abbrev, a URI for a proxy or another OSCORE message, a segment longer than may
 * be, more of them than OPENING_TEXTS_MAX. An option that a recipient would not recognise (unknown to messages of this code, of an illegal
 * length, one too many: RFC 7252 5.4) is no field; nor is a query of more arguments than OPENING_TEXTS_MAX. A payload longer than
 * OPENING_PAYLOAD_MAX is cut.
 */
void oscore_inner_read(struct opening_inner *i, const struct msg_view *m, uint32_t fields);

#endif
