/*
 * dtls_context - contexts of DTLS 1.2, for listeners and towards origins: what tls_parts.h says of both, and what is DTLS's own.
 */
#ifndef PROXY_EDGE_DTLS_CONTEXT_H
#define PROXY_EDGE_DTLS_CONTEXT_H

#include <openssl/types.h>

#include "proxy/edge/tls_parts.h"

/* For a listener, and for origins. The caller's to free by SSL_CTX_free(). NULL with the
 * reason. */
SSL_CTX *dtls_server_new(const struct snapshot *conf, const struct listener *l, const struct tls_source *from);
SSL_CTX *dtls_client_new(const struct snapshot *conf, const struct tls_source *from);

/* The time of the keys of a listener's tickets is over (dtls_ticket_time() is another): it gets those of now. Returns 0, or -1. */
int dtls_tickets_renew(SSL_CTX *c) __attribute__((warn_unused_result));

/* A new session's SSL on the shared BIO, with the size of its handshake's datagrams. NULL without memory. */
SSL *dtls_ssl_new(SSL_CTX *c, uint32_t mtu);

#endif
