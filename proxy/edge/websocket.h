/*
 * websocket - one WebSocket that carries CoAP (RFC 8323 4, RFC 6455), of either side: frames become messages and messages frames, by
 * libwslay.
 *
 * It does no I/O: bytes that came are fed, bytes that are to go are written to its owner. A message is one of binary frames, whole or in
 * fragments; it is in the form STREAM_WHOLE of coap/stream.h, which is not looked at here. Pings are answered and none is sent (RFC 8323
 * 4.4). No memory is taken for what a peer only announces, and an idle one has no buffer beyond libwslay's (4 kB).
 */
#ifndef PROXY_EDGE_WEBSOCKET_H
#define PROXY_EDGE_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct websocket;

enum websocket_status { /* RFC 6455 7.4.1 */
	WEBSOCKET_NORMAL = 1000, WEBSOCKET_GOING_AWAY = 1001, WEBSOCKET_PROTOCOL_ERROR = 1002, WEBSOCKET_NOT_BINARY = 1003,
	WEBSOCKET_TOO_LARGE = 1009,
};

/* What a WebSocket tells its owner, from within a function of it. None of them may free it; websocket_send() and websocket_close() may be
 * called. */
struct websocket_calls {
	/* Bytes to be sent behind all others (borrowed). */
	void (*write)(void *owner, const uint8_t *bytes, size_t len);
	/* A client's: the server has agreed, messages pass. A server's is open from the beginning, and does not tell. */
	void (*opened)(void *owner);
	/* A whole message (borrowed, may be written over), behind STREAM_HEADROOM bytes that may be, too. Returns false if nothing more is to
	 * be read. */
	bool (*message)(void *owner, uint8_t *bytes, size_t len);
};

/* The server's side behind its 101 (websocket_handshake.h), or the client's before its request. message_max: bytes of the largest message
 * that is taken, at least 1. host: what stands in the Host field, of at most WEBSOCKET_HOST_MAX bytes; copied. NULL without memory. */
enum { WEBSOCKET_HOST_MAX = 262 };
struct websocket *websocket_new_server(size_t message_max);
struct websocket *websocket_new_client(size_t message_max, const char *host);
void websocket_free(struct websocket *w); /* NULL does nothing */

/* From now on the owner is told; nothing else may be called before. A client's request is written. */
void websocket_begin(struct websocket *w, const struct websocket_calls *calls, void *owner);

enum websocket_result {
	WEBSOCKET_GOES_ON,
	WEBSOCKET_CLOSED,  /* the peer said Close, which was answered if it was not an answer itself; or `message` wanted no more */
	WEBSOCKET_FAILED,  /* the peer broke the rules, sent text or too much, and was told by Close; or there was no memory */
	WEBSOCKET_REFUSED, /* a client's: the server did not agree to CoAP over WebSockets */
};

/* Takes bytes that came, all of them. Anything but WEBSOCKET_GOES_ON is the end: what was written is to be sent, then the connection
 * closed; what is fed after it is ignored, with the same result. */
enum websocket_result websocket_feed(struct websocket *w, const uint8_t *bytes, size_t len);
/* In a few words what was wrong, for a log; "" if nothing was. */
const char *websocket_why(const struct websocket *w);

/* Writes one message that consists of two pieces. Nothing is sent before a client's is open, behind a Close, or above MSG_MAX bytes.
 * Returns whether it was. */
bool websocket_send(struct websocket *w, const uint8_t *header, size_t header_len, const uint8_t *rest, size_t rest_len);

/* Writes Close, once; a client's that is not open writes nothing. The peer's answer comes as WEBSOCKET_CLOSED. */
void websocket_close(struct websocket *w, enum websocket_status status);

#endif
