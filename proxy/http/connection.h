/*
 * connection - one HTTP/1.1 connection of a client (RFC 9112): requests read one after another, each answered before the next is looked
 * at, so that pipelined ones are answered in order. It knows framing and time; what a request means is request.c's business.
 *
 * A request's body is held in an evbuffer up to BLOCKS_HELD bytes; behind that nothing is read from the connection until some was taken.
 *
 * What request.c asks of a connection is noted, and done at the end of the loop's turn (http_server_flush()): none of these functions calls
 * back before it returns, and none frees the connection.
 */
#ifndef PROXY_HTTP_CONNECTION_H
#define PROXY_HTTP_CONNECTION_H

#include <event2/buffer.h>
#include <openssl/types.h>

#include "conf/snapshot.h"
#include "proxy/edge/edge.h"
#include "translate/http_message.h"

struct http_connection;
struct http_request; /* request.c */

/* ---- what request.c asks of a connection ---- */

/* Who is at the other end: what the socket says, or what a trusted proxy said (PROXY protocol; Forwarded is request.c's). */
const struct endpoint *http_connection_peer(const struct http_connection *c);
const struct local_address *http_connection_local(const struct http_connection *c);
uint16_t http_connection_local_port(const struct http_connection *c);
unsigned http_connection_slot(const struct http_connection *c);     /* of its listener */
struct proxy *http_connection_proxy(const struct http_connection *c);
/* No request came over it before the present one. */
bool http_connection_is_fresh(const struct http_connection *c);
const SSL *http_connection_tls(const struct http_connection *c);      /* NULL: plain */

/* The body of the request under way that has come and was not taken; the request drains it and then calls http_connection_body_taken(),
 * which lets more be read. Asked for anew each time: it is another one when nothing has come. */
struct evbuffer *http_connection_body(struct http_connection *c);
void http_connection_body_taken(struct http_connection *c);
bool http_connection_body_ended(const struct http_connection *c); /* all has come */
/* A client that closes its side is answered all the same if its request came whole. For one without an end (event stream, long poll) that
 * is of no use: from now on the request is gone (http_request_gone()) when the client closes its side. */
void http_connection_end_with_client(struct http_connection *c);
/* The client waits for 100 Continue: its body is wanted. Does nothing if it does not. */
void http_connection_continue(struct http_connection *c);

/* The answer. `head`: status line and fields without framing, connection fields and the empty line, which are added here (Content-Length or
 * chunked, Connection, Date). length: of the body, or HTTP_LENGTH_UNKNOWN: chunked (until close for HTTP/1.0). A status or method without body
 * (204, 304, HEAD) sends none, whatever comes. Only final ones: 1xx is the connection's. */
#define HTTP_LENGTH_UNKNOWN UINT64_MAX
void http_connection_answer(struct http_connection *c, unsigned status, const uint8_t *head, size_t len, uint64_t length);
void http_connection_answer_data(struct http_connection *c, const uint8_t *bytes, size_t len);
/* How many bytes of answer body are taken now; http_request_writable() tells when there is more again. */
size_t http_connection_room(struct http_connection *c);
/* The answer is complete. What has not come of the request's body is read and thrown away up to a bound, else the connection is closed
 * behind the answer. The connection goes on with its next request after this returns. */
void http_connection_answer_end(struct http_connection *c);
/* The connection is closed behind the answer, which has not begun. */
void http_connection_close_behind(struct http_connection *c);
/* What was begun cannot be brought to its end: the connection is closed without a last chunk, short of its length. */
void http_connection_answer_cut(struct http_connection *c);
/* The connection is to be another protocol's behind this request, which has no body and gets no answer here: when the answers before have
 * left, `take` is called, once. It takes the socket and its TLS (NULL: plain) over, and borrows the bytes that came behind the request. fd -1:
 * the connection has ended meanwhile. */
typedef void http_connection_taker(void *with, int fd, SSL *tls, const uint8_t *ahead, size_t len);
void http_connection_hand_over(struct http_connection *c, http_connection_taker *take, void *with);
/* Bytes of answers on this request, head included, that are sent or are to be sent; once the client is gone, those that were (for the access
 * log). */
uint64_t http_connection_answer_bytes(const struct http_connection *c);

/* ---- what a connection tells request.c ---- */

/* A request's head is complete; it is valid until this returns. The request is answered by http_connection_answer...(), now or later. Returns
 * its state, which the connection keeps for the calls below, or NULL if it was answered whole already. */
struct http_request *http_request_begin(struct http_connection *c, const struct http_head *head);
/* Asks the devices for all requests that were begun and wait for that, which have no body: at the end of a turn, when those that came together
 * are read. Reading a request and asking for it take as much code each as the processor keeps near. Returns whether there were any. */
bool http_requests_ask(void);
/* More of its body came, or its end. */
void http_request_body(struct http_request *r);
/* There is room for more of its answer again. */
void http_request_writable(struct http_request *r);
/* The body did not come in time (408 is then in order), or its coding is broken (400): the request is answered with that status, if nothing
 * was answered yet, else cut. */
void http_request_failed(struct http_request *r, unsigned status);
/* The client is gone, or took nothing for too long (`stalled`): the request ends without an answer. *r is not used afterwards. */
void http_request_gone(struct http_request *r, bool stalled);
/* The gateway drains: a request without an end (event stream) ends now. */
void http_request_drain(struct http_request *r);

#endif
