/*
 * tls_names - which of a listener's certificates a client gets: by the name that he asks for (SNI, RFC 6066 3). For DTLS as well.
 */
#ifndef PROXY_EDGE_TLS_NAMES_H
#define PROXY_EDGE_TLS_NAMES_H

#include "proxy/edge/tls_parts.h"

/* Adds the certificates that the listener has besides its first, which is in use already, and answers SNI, also where it has none. Returns 0,
 * or -1 with the reason. */
int tls_names_use(SSL_CTX *c, const struct listener *l, const struct tls_source *from) __attribute__((warn_unused_result));

#endif
