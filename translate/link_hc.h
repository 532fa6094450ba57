/*
 * link_hc - the link by which clients discover the mapping of URIs (RFC 8075 5.5), for /.well-known/core.
 *
 *   </hc/>;rt="core.hc"                                                   on the HTTP side, with the default mapping
 *   </hc/>;anchor="https://gw.example";rt="core.hc";hct="?uri={+tu}"      on the CoAP side, with another
 */
#ifndef TRANSLATE_LINK_HC_H
#define TRANSLATE_LINK_HC_H

#include <stdbool.h>

#include "coap/link_format.h"
#include "translate/map_template.h"

/* Makes the link of a template. anchor: the HTTP origin ("https://gw.example:8443"), or NULL where it is the origin that was asked: on the
 * HTTP side. Borrows both as long as the link is used. False for the null mapping, which has no link. */
bool link_hc_make(struct link *link, const struct template *t, const char *anchor);

/* Writes that link alone, terminated. Returns its length; or -1, and the empty string, if it does not fit or there is none. */
int link_format_hc(char *out, size_t room, const struct template *t, const char *anchor) __attribute__((warn_unused_result));

#endif
