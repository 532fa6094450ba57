/*
 * websocket_handshake - how two sides agree on CoAP over a WebSocket: a request for an upgrade of HTTP/1.1 and its answer (RFC 6455 4, RFC
 * 8323 4.1, 8.3).
 */
#ifndef PROXY_EDGE_WEBSOCKET_HANDSHAKE_H
#define PROXY_EDGE_WEBSOCKET_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_PATH "/.well-known/coap"
#define WEBSOCKET_PROTOCOL "coap"
#define WEBSOCKET_VERSION "13"

enum {
	WEBSOCKET_KEY_LEN = 24,      /* 16 bytes in base64 */
	WEBSOCKET_ACCEPT_LEN = 28,   /* 20 bytes in base64 */
	WEBSOCKET_REQUEST_MAX = 512, /* bytes of a client's request */
	WEBSOCKET_ANSWER_MAX = 4096, /* bytes of a server's answer that a client reads */
};

/* Is this 16 bytes in base64? */
bool websocket_key_is_sound(const char *key, size_t len);
/* What a server answers to a key: terminated. Returns 0, or -1 where OpenSSL has no SHA-1. */
int websocket_accept(char accept[WEBSOCKET_ACCEPT_LEN + 1], const char key[WEBSOCKET_KEY_LEN]) __attribute__((warn_unused_result));

/* A server's answer to a request that was found good, status line to empty line. Returns its length, or 0 as above. */
enum { WEBSOCKET_AGREEMENT_MAX = 256 };
size_t websocket_agreement_write(char out[WEBSOCKET_AGREEMENT_MAX], const char key[WEBSOCKET_KEY_LEN]) __attribute__((warn_unused_result));

/* A client's request to this host (and port) with a new key, which it draws: both terminated. Returns its length, or 0 if host is too
 * long. */
size_t websocket_request_write(char out[WEBSOCKET_REQUEST_MAX], char key[WEBSOCKET_KEY_LEN + 1], const char *host)
	__attribute__((warn_unused_result));

/* Is a server's answer there, with its empty line? Returns its length; 0 while it is not. */
size_t websocket_answer_length(const uint8_t *bytes, size_t len);
/* Whether an answer of that length agrees to what was asked with this key: 101, Upgrade, Connection, the right Sec-WebSocket-Accept, the
 * protocol coap, and no extension, for none was offered. Returns NULL if so, else in a few words why not. */
const char *websocket_answer_check(const uint8_t *bytes, size_t len, const char key[WEBSOCKET_KEY_LEN]) __attribute__((warn_unused_result));

#endif
