/*
 * tls_psk - pre-shared keys, of clients and ours (RFC 4279, RFC 8446 4.2.11): a file of lines "identity:key", and how OpenSSL asks for them.
 *
 * A line's identity is 1 to TLS_PSK_IDENTITY_MAX printable ASCII characters without spaces, of which the last ':' is not one; its key is
 * TLS_PSK_MIN to TLS_PSK_MAX bytes in hexadecimal. Empty lines and those that begin with '#' say nothing.
 */
#ifndef PROXY_EDGE_TLS_PSK_H
#define PROXY_EDGE_TLS_PSK_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_psks;

/* Reads the bytes of a file. Returns NULL with the reason in `error`: "LINE: text" where it has a line. No key is ever part of it. */
struct tls_psks *tls_psks_parse(const uint8_t *bytes, size_t len, char *error, size_t room) __attribute__((warn_unused_result));
/* Wipes the keys. Accepts NULL. */
void tls_psks_free(struct tls_psks *psks);

/* Makes a server's context take clients that have one of them (takes psks, also where it fails). Returns 0, or -1 without memory. */
int tls_psks_use(SSL_CTX *context, struct tls_psks *psks) __attribute__((warn_unused_result));

/* Wipes what a context has of them: nobody is let in by it any more; who is in stays, but tls_psk_identity() must not be asked of him again. */
void tls_psks_drop(SSL_CTX *context);

/* The key that an identity has in a context of either kind, or NULL. Lives as long as the context. */
const uint8_t *tls_psk_find(const SSL_CTX *context, const char *identity, size_t *len);

/* Keeps them with a client's context, for its connections (takes psks likewise). Returns 0, or -1 without memory. */
int tls_psks_keep(SSL_CTX *context, struct tls_psks *psks) __attribute__((warn_unused_result));
/* Whether there is one of this identity. */
bool tls_psks_have(const SSL_CTX *context, const char *identity);
/* A connection of such a context shows one of them. Returns 0, or -1 if there is none of that identity. */
int tls_psk_show(SSL *ssl, const char *identity) __attribute__((warn_unused_result));

/* The identity by which the client of a finished handshake was let in, or NULL if it was not by a pre-shared key. Lives as long as the
 * connection. */
const char *tls_psk_identity(const SSL *ssl);

#endif
