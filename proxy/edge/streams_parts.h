/*
 * streams_parts - what the two owners of links share (streams.h): streams.c has the listeners and clients, stream_pool.c the connections towards
 * origins.
 */
#ifndef PROXY_EDGE_STREAMS_PARTS_H
#define PROXY_EDGE_STREAMS_PARTS_H

#include "proxy/edge/stream_link.h"
#include "proxy/edge/stream_table.h"
#include "proxy/edge/streams.h"

/* ---- streams.c ---- */

/* The link of a client's session, or NULL. */
struct stream_link *streams_client(const struct endpoint *peer);

/* ---- stream_pool.c ---- */

int stream_pool_open(struct proxy *p) __attribute__((warn_unused_result));
/* Closes everything at once; nobody is told. */
void stream_pool_close(void);
/* Origins may be verified by other certificates from now on. */
void stream_pool_configure(void);
/* Tells what could not be sent in the turn. Returns whether there was anything. */
bool stream_pool_flush(void);
/* The link that names this origin from this slot, or NULL. */
struct stream_link *stream_pool_find(unsigned slot, const struct endpoint *peer);

#endif
