/*
 * dtls - CoAP over DTLS 1.2 (RFC 7252 9, RFC 6347, RFC 7925) by OpenSSL: the sessions of clients at listeners of coaps, found by listener,
 * client and own address, and those towards origins, each named by a source-port slot and the origin's endpoint.
 *
 * Datagrams come from and go through udp.c; nothing here has a socket. A client has no state before he has returned a cookie, so forged
 * sources allocate nothing. A session is one handshake: there is no renegotiation, and a new handshake of the same client is a new session
 * under a new number, which takes the place of the old one when it is finished (RFC 6347 4.2.8). A record that does not prove to be the
 * peer's is dropped without a word. An offered connection id (RFC 9146) is left unanswered.
 */
#ifndef PROXY_EDGE_DTLS_H
#define PROXY_EDGE_DTLS_H

#include "conf/snapshot.h"
#include "proxy/edge/edge.h"
#include "proxy/http/material.h"

enum { DTLS_DATAGRAM_MAX = MSG_DATAGRAM_MAX + 128 }; /* bytes of the longest datagram that is taken: a message, and what protects it */

/* Sets it up without any listener or context. Returns 0, or -1 without memory. */
int dtls_open(struct proxy *p);
/* Ends every session with close_notify, which udp_flush() sends, and frees everything. */
void dtls_close(void);

/* Makes the contexts that a configuration wants, by the files in `m`, and puts them in the place of the old ones: for each coaps listener by
 * its slot, and for origins. Returns 0; or -1 with the reason in the log, and the old ones of what failed stay. Sessions go on, but those whose
 * pre-shared key, or whose clients' authorities, are no longer the same end. To be called whenever a configuration comes into force, after
 * dtls_open(). */
int dtls_renew(const struct snapshot *conf, const struct material *m);

/* Whether the datagrams of a listener are DTLS: it was in a configuration since dtls_open(), and not removed. */
bool dtls_has_listener(unsigned slot);
/* Ends its sessions. */
void dtls_remove_listener(unsigned slot);

/* ---- what udp.c gives ---- */

/* A datagram at a listener for which dtls_has_listener() is true. `whole`: it was not truncated. One that was, or came to a group's address, is
 * dropped. */
void dtls_datagram(unsigned listener, const struct endpoint *peer, const struct local_address *to, const uint8_t *bytes, size_t len, bool whole);
/* Tells that one of these will come soon: what its look-up needs is fetched into the cache meanwhile. */
void dtls_soon(const struct endpoint *peer);

/* Whether a datagram at a source-port slot, or one quoted by the network, is of DTLS and not of CoAP: their first bytes differ (RFC 7983 7). */
bool dtls_is_datagram(const uint8_t *bytes, size_t len);
/* Such a one at a slot. */
void dtls_origin_datagram(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len, bool whole);
/* The network said that such a one did not reach `peer`. */
void dtls_origin_unreachable(unsigned slot, const struct endpoint *peer);

/* ---- what edge.c asks; see edge.h ---- */

void dtls_send_client(const struct endpoint *peer, const uint8_t *bytes, size_t len);
const char *dtls_client_name(const struct endpoint *peer);
const char *dtls_client_host(const struct endpoint *peer);
bool dtls_client_session(const struct endpoint *peer, unsigned *listener, struct local_address *local);
void dtls_end_client(const struct endpoint *peer);

int dtls_connect_origin(unsigned slot, const struct endpoint *peer, const struct edge_credentials *c) __attribute__((warn_unused_result));
void dtls_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len);
void dtls_let_origin_go(unsigned slot, const struct endpoint *peer);

/* ---- how much there is ---- */

/* Clients' sessions, and handshakes of clients under way. */
uint32_t dtls_session_count(void);
uint32_t dtls_handshake_count(void);

#endif
