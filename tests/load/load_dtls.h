/*
 * load_dtls - the DTLS 1.2 client of the load programs, on OpenSSL: a pre-shared key over a connected UDP socket.
 *
 * Client `index` is known as "bench-INDEX"; all have the key LOAD_DTLS_KEY.
 */
#ifndef TESTS_LOAD_LOAD_DTLS_H
#define TESTS_LOAD_LOAD_DTLS_H

#include <openssl/ssl.h>

#define LOAD_DTLS_KEY "bench-key-16byte"
#define LOAD_DTLS_CIPHERS "PSK-AES128-CCM8:PSK-AES128-GCM-SHA256:@SECLEVEL=0"

/* What a client's sessions are made of. Ends the program without memory. */
SSL_CTX *load_dtls_context(void);

/* A session over `fd`, which stays the caller's, at its beginning. Ends the program without memory. */
SSL *load_dtls_new(SSL_CTX *context, int fd, unsigned index);

/* Goes on with a handshake as far as it gets, sending a flight again when its time has come. 1: done, 0: waits for a datagram or for
   the time, -1: failed. */
int load_dtls_step(SSL *session);

/* Milliseconds until the next flight is due again; -1: never. */
int load_dtls_patience(SSL *session);

#endif
