/*
 * tls_socket - how connections of TLS reach their sockets once the handshake is over: through one BIO for all of them
 * (shared_bio.h), which is told before each call whose turn it is.
 */
#ifndef PROXY_EDGE_TLS_SOCKET_H
#define PROXY_EDGE_TLS_SOCKET_H

#include <openssl/types.h>

/* From now on ssl reads and writes by it. Not while a handshake is under way, which puts a BIO of its own in front. Returns 0, or -1
 * without memory, and then it reads and writes as before. */
int tls_socket_use(SSL *ssl);

/* The next calls of OpenSSL's are for the connection on fd (which does not block). Harmless for one that has its own BIO. */
void tls_socket_turn(int fd);

#endif
