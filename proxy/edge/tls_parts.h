/*
 * tls_parts - what contexts of TLS and of DTLS are made of: certificates, authorities, pre-shared keys, what is offered. For the files of
 * this folder alone.
 *
 * Functions that return int give 0, or -1 with the reason, "FILE: text" or "FILE:LINE: text", where from->error is.
 */
#ifndef PROXY_EDGE_TLS_PARTS_H
#define PROXY_EDGE_TLS_PARTS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "proxy/edge/tls.h"

/* Where the bytes of files are, and where the reason goes if one is no good. Borrowed. */
struct tls_source {
	const struct material *material;
	char *error;
	size_t room;
};

/* What all contexts have in common: no compression, no renegotiation, no earlier connection taken up again, little memory. */
void tls_common_use(SSL_CTX *c);

/* What is offered to and taken of peers that speak HTTP. Returns 0, or -1 without memory. */
int tls_web_use(SSL_CTX *c) __attribute__((warn_unused_result));
/* What is offered to and taken of peers that speak CoAP, by the group `transports`: suites, security level, curves, signatures. */
int tls_coap_use(SSL_CTX *c, const struct settings *s, const struct tls_source *from) __attribute__((warn_unused_result));

/* All that a listener says: its certificates, of which a client chooses by SNI, by whom those of clients are verified, the keys shared with
 * them. */
int tls_listener_use(SSL_CTX *c, const struct listener *l, const struct tls_source *from) __attribute__((warn_unused_result));

/* All that the group `upstream` says: by whom origins are verified, our certificate, the keys shared with them. */
int tls_upstream_use(SSL_CTX *c, const struct settings *s, const struct tls_source *from) __attribute__((warn_unused_result));

/* The path of the file of those who vouch for secured CoAP origins; it may not have been read where nobody is asked for by certificate. */
const char *tls_upstream_authorities(const struct settings *s);

/* A connection of such a context: whom the origin must be, and as whom we come. host: a name, or an address literal without brackets and
 * without a zone; identity: the key's that is shown (and then no certificate is asked for but by TLS 1.3), or "": by certificates alone.
 * Returns 0; -1 if that is nobody's name, or there is no such key. */
int tls_origin_expect(SSL *ssl, const char *host, const char *identity) __attribute__((warn_unused_result));

/* ---- parts of those ---- */

/* Hangs bytes of malloc()'s on a context, which frees them (takes them, also where it fails). *index: where they hang, -1 at first. Returns 0,
 * or -1 without memory. */
int tls_hang(SSL_CTX *c, int *index, void *bytes) __attribute__((warn_unused_result));

/* A file by its path, or NULL with the reason. */
const struct material_file *tls_file_find(const struct tls_source *from, const char *path);
/* Takes what OpenSSL has against a file for the reason: "path: what (OpenSSL's words)". Returns -1. */
int tls_file_complain(const struct tls_source *from, const char *path, const char *what);

/* A certificate with those that lead to its authority, or, of a server, a raw public key; and its private key. */
int tls_pair_use(SSL_CTX *c, const char *certificate, const char *key, const struct tls_source *from) __attribute__((warn_unused_result));
/* Those who vouch for peers; `announced`: clients are told their names. */
int tls_authorities_use(SSL_CTX *c, const char *path, bool announced, const struct tls_source *from) __attribute__((warn_unused_result));

#endif
