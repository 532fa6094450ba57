/*
 * tls - TLS 1.2 and 1.3 by OpenSSL: a context for each listener of https and coaps+tcp, one towards https origins and one towards secured CoAP
 * origins, and connections on them.
 *
 * A context is an SSL_CTX; what it needs besides (the pre-shared keys) hangs on it and goes with it. A connection keeps the context it
 * began with, so a reload, which makes new ones, drops none by itself (but see tls_still_lets_in()).
 *
 * An end without close_notify is an error of OpenSSL's here, never taken for an end: whether the message was complete is known to HTTP
 * alone (see tls_is_cut()).
 */
#ifndef PROXY_EDGE_TLS_H
#define PROXY_EDGE_TLS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/snapshot.h"
#include "proxy/http/material.h"

enum {
	TLS_NAME_MAX = 256,         /* of a client's name, with its NUL */
	TLS_REASON_MAX = 128,       /* of tls_describe(), with its NUL */
	TLS_PSK_MIN = 16,           /* bytes of a pre-shared key */
	TLS_PSK_MAX = 64,
	TLS_PSK_IDENTITY_MAX = 128, /* bytes of an identity */
	TLS_PSK_LINES_MAX = 100000, /* of a file of them */
	TLS_CHAIN_MAX = 16,         /* certificates sent with the listener's own */
	TLS_AUTHORITIES_MAX = 1024, /* certificates in a file of authorities */
};

/* ---- what the process has in force ---- */

/* Makes the contexts that a configuration wants, by the files in `m`, and puts them in the place of the old ones: for each listener of https
 * and coaps+tcp by its slot, and those for origins. Returns 0; or -1 with the reason in the log, and the old ones of what failed stay. */
int tls_renew(const struct snapshot *conf, const struct material *m);
/* Lets all of them go; connections keep theirs. */
void tls_close(void);

/* A new connection of a client at the listener of a slot, or to an origin, not yet given a socket: the caller's to free
 * (bufferevent_openssl_socket_new() with BEV_OPT_CLOSE_ON_FREE frees it). NULL without a context for it or without memory.
 * host: a name, or an address literal without brackets, without a zone; the origin's certificate must be for it. */
SSL *tls_accept(unsigned slot);
SSL *tls_connect(const char *host);
/* The same to a CoAP origin, by coaps+tcp or (websocket) coaps+ws. identity: as which of upstream.psk-file's we come, or "": by the upstream
 * certificate, if there is one. NULL also where there is no such identity. */
SSL *tls_connect_coap(const char *host, const char *identity, bool websocket);

/* ---- one connection ---- */

enum tls_identity {
	TLS_ANONYMOUS,
	TLS_BY_CERTIFICATE, /* a verified one: the first URI of its alternative names, else the first DNS name, else the subject's CN */
	TLS_BY_PSK,         /* the identity of the pre-shared key */
};

/* Who the client is, once the handshake is over. Writes his name, terminated ("" for an anonymous one): printable ASCII; a certificate
 * without such a name is anonymous. `out` has room for TLS_NAME_MAX. */
enum tls_identity tls_peer_name(const SSL *ssl, char *out, size_t room);

/* Whether the client of a finished handshake at the listener of a slot would be let in by what is in force now: his key or his authorities have
 * not been withdrawn. True where nothing is in force there any more. */
bool tls_still_lets_in(const SSL *ssl, unsigned slot);

/* The host that the client asked for (SNI, RFC 8323 8.5), or NULL. Lives as long as the connection. */
const char *tls_asked_host(const SSL *ssl);

/* Of a connection to port `port` of an origin, once the handshake is over: the origin speaks CoAP, as it must say by ALPN unless the port is that
 * of coaps+tcp (RFC 8323 8.2). Otherwise the connection is to be closed. */
bool tls_speaks_coap(const SSL *ssl, uint16_t port);

/* The other end has said that nothing follows (close_notify, RFC 8446 6.1). */
bool tls_is_closed(const SSL *ssl);

/* Of an error code of OpenSSL's (bufferevent_get_openssl_error()): the connection ended without close_notify, nothing else is wrong. */
bool tls_is_cut(unsigned long code);

/* A code as a short text for the log: OpenSSL's reason, of its own constant texts. 0: "". */
const char *tls_describe(unsigned long code, char out[TLS_REASON_MAX]);
/* The last, and so outermost, of what OpenSSL has noted on this thread, as a text; its notes are thrown away. */
const char *tls_take_error(char out[TLS_REASON_MAX]);

/* ---- contexts by themselves ---- */

/* A context for a listener (of coaps too, whose files and suites are the same), for https origins (authorities: the path of their certificates
 * in `m`), or for secured CoAP origins. The caller's to free by SSL_CTX_free(). NULL with the reason, "FILE: text" or "FILE:LINE: text", in
 * `error`. */
SSL_CTX *tls_server_new(const struct settings *s, const struct listener *l, const struct material *m, char *error, size_t room);
SSL_CTX *tls_client_new(const char *authorities, const struct material *m, char *error, size_t room);
SSL_CTX *tls_coap_client_new(const struct settings *s, const struct material *m, char *error, size_t room);

/* Whether the last one has a key of this identity to show. */
bool tls_has_identity(const SSL_CTX *coap_client, const char *identity);

/* A connection of the last one is for HTTP after all: WebSockets begin as that. Returns 0, or -1 without memory. */
int tls_speak_http(SSL *ssl);

#endif
