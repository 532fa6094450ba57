/*
 * tls_clients - by what the clients of TLS and DTLS were let in, and whether they still would be: sessions outlive the files that they began with.
 */
#ifndef PROXY_EDGE_TLS_CLIENTS_H
#define PROXY_EDGE_TLS_CLIENTS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

/* Notes on a server's context by which file of authorities its clients are verified (bytes are borrowed). Returns 0, or -1 without memory. */
int tls_clients_note_authorities(SSL_CTX *c, const void *bytes, size_t len) __attribute__((warn_unused_result));

/* Whether the client of a finished handshake would be let in by this context, too: his pre-shared key is the same, or those who vouch for his
 * certificate are, or none is asked for and he has shown none. */
bool tls_clients_still_let_in(const SSL *ssl, const SSL_CTX *now);

#endif
