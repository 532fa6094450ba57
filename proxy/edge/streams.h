/*
 * streams - CoAP over reliable transports (RFC 8323): the listeners of coap+tcp and coaps+tcp, connections that come by the upgrade of an HTTP
 * one, and the connections towards origins, each named by a source-port slot and the origin's endpoint.
 *
 * What one connection says stands in stream_link.h. Limits: transports.connections in all of the worker's part, transports.client-connections
 * for one client address; who has no room is told so by Abort.
 */
#ifndef PROXY_EDGE_STREAMS_H
#define PROXY_EDGE_STREAMS_H

#include <openssl/types.h>

#include "proxy/edge/edge.h"

struct event_base;

/* Sets it up without any listener. Returns 0, or -1 without memory. */
int streams_open(struct event_base *base, struct proxy *p);
/* Closes everything at once. */
void streams_close(void);

/* Serves a listener's socket under its slot (takes fd, also where it fails). Returns 0, or -1 without memory or if the slot has one. */
int streams_add_listener(unsigned slot, int fd);
bool streams_has_listener(unsigned slot);
/* Accepts nothing more there and closes the socket; its connections are released (RFC 8323 5.5). */
void streams_remove_listener(unsigned slot);

/* A slot is given to another listener: connections that came by the one before end, however much is under way. */
void streams_free_slot(unsigned slot);

/* A new configuration is in force (p->conf), and so are its contexts of TLS: clients whose key, authorities or proof were withdrawn
 * get Abort. */
void streams_configure(void);

/* To be called at the end of each turn of the loop: sends what was queued in it, one call for each connection. Returns whether it did anything,
 * of which other edges may have something to send now. */
bool streams_flush(void);

/* Accepts nothing more; clients are released, their connections end when nothing is under way. */
void streams_drain(void);
bool streams_is_drained(void);

/* A connection of an HTTP listener that was upgraded to CoAP (RFC 8323 4): its socket, and its TLS or NULL, are taken over, also where it
 * fails. */
struct streams_upgrade {
	unsigned listener;          /* slot */
	int fd;
	SSL *tls;
	struct endpoint peer;       /* address and port; transport and session are given here */
	struct local_address local;
	const char *host;           /* of the Host field, without port */
	const char *name;           /* of its identity, or NULL */
	const void *proof;          /* by which it has the name, beyond its TLS; NULL: nothing */
	size_t proof_len;
	bool (*holds)(const char *name, const void *proof); /* whether that would still prove it */
	const uint8_t *ahead;       /* bytes behind the head of the upgrade request that were read already */
	size_t ahead_len;
	const uint8_t *answer;      /* the 101, to be sent first */
	size_t answer_len;
};
int streams_adopt(const struct streams_upgrade *u);

/* ---- what edge.c asks; see edge.h ---- */

void streams_send_client(const struct endpoint *peer, const uint8_t *bytes, size_t len);
bool streams_client_is_slow(const struct endpoint *peer);
const char *streams_client_name(const struct endpoint *peer);
const char *streams_client_host(const struct endpoint *peer);
bool streams_client_session(const struct endpoint *peer, unsigned *listener, struct local_address *local);
void streams_end_client(const struct endpoint *peer);

int streams_connect_origin(unsigned slot, const struct endpoint *peer, const struct edge_credentials *c) __attribute__((warn_unused_result));
void streams_send_origin(unsigned slot, const struct endpoint *peer, const uint8_t *bytes, size_t len);
void streams_let_origin_go(unsigned slot, const struct endpoint *peer);
void streams_abort_origin(unsigned slot, const struct endpoint *peer);

/* Of a client's connection where `peer` names one, else of slot's towards an origin. */
size_t streams_message_limit(unsigned slot, const struct endpoint *peer);
bool streams_takes_blocks(unsigned slot, const struct endpoint *peer);
bool streams_takes_bert(unsigned slot, const struct endpoint *peer);

#endif
