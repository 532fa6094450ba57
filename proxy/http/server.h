/*
 * server - the listening sockets of HTTP and HTTPS, and the limits on their connections (connection.h).
 *
 * Each worker has its part of http.connections; a client (peer_counts.h) has up to http.client-connections at each worker. Who has no room
 * is accepted and told so. Balancers (trusted-proxies) are not counted as clients; whom they speak for by the PROXY protocol is.
 */
#ifndef PROXY_HTTP_SERVER_H
#define PROXY_HTTP_SERVER_H

#include <stdbool.h>

struct event_base;
struct proxy;

/* Sets it up without any listener. Returns 0, or -1 without memory. */
int http_server_open(struct event_base *base, struct proxy *p);
/* Closes everything at once. */
void http_server_close(void);

/* Serves a listener's socket under its slot (takes fd, also where it fails). Returns 0, or -1 without memory or if the slot has one. */
int http_server_add_listener(unsigned slot, int fd);
bool http_server_has_listener(unsigned slot);
/* Accepts nothing more there and closes the socket; its connections end behind the request that is under way. */
void http_server_remove_listener(unsigned slot);

/* A new configuration is in force (p->conf): its limits, certificates and keys count for what begins from now on. */
void http_server_configure(void);

/* To be called at the end of each turn of the loop: sends what was answered in it, goes on with what waits behind, and tells requests that there
 * is room again. Returns whether it did anything, of which datagrams may be queued now: do udp_flush(); while (http_server_flush()). */
bool http_server_flush(void);

/* Accepts nothing more; idle connections are closed, the others behind the answer under way. */
void http_server_drain(void);
bool http_server_is_drained(void);

#endif
