/*
 * stream_parts - what the files of a link (stream_link.h) say to each other: stream_link.c has its states, its turns, what it sends, its
 * beginning and its end, stream_time.c its times, stream_reading.c what comes in, stream_signals.c what both peers say of the connection.
 */
#ifndef PROXY_EDGE_STREAM_PARTS_H
#define PROXY_EDGE_STREAM_PARTS_H

#include "proxy/edge/stream_link.h"
#include "proxy/edge/websocket.h"
#include "proxy/exchange/proxy.h"

/* ---- stream_link.c ---- */

struct proxy *stream_link_proxy(void);
/* Its turn comes at the end of the loop's. */
void stream_link_note_due(struct stream_link *l);
void stream_link_enter(struct stream_link *l, enum stream_link_state state);
/* Sends a message now, whatever the state is. */
void stream_link_put(struct stream_link *l, const uint8_t *bytes, size_t len);
/* Sends what waited for the peer's CSM. */
void stream_link_put_waiting(struct stream_link *l);
unsigned stream_link_under_way(const struct stream_link *l, bool *observed);

/* The carrier is there: says what we are capable of. */
void stream_link_start(struct stream_link *l);

/* ---- stream_time.c ---- */

#define STREAM_LINGER_TIME (2 * CLOCK_SECOND) /* for the peer to read what was said last */

/* The timer runs no later than it must, after a time was set. */
void stream_link_arm(struct stream_link *l);
/* It runs. */
void stream_time_is_due(struct wheel_timer *t);

/* ---- stream_reading.c ---- */

extern const struct websocket_calls stream_websocket_calls;

/* Reads what is there, in part at least, and hands up what is whole. */
void stream_reading_read(struct stream_link *l);
/* Goes on with what was kept, and with what TLS holds. */
void stream_reading_go_on(struct stream_link *l);
/* Keeps bytes that somebody else has read (borrows them), for its first turn. */
void stream_reading_ahead(struct stream_link *l, const uint8_t *bytes, size_t len);
/* Whether it stopped reading because of what is under way or held, and need not any more. */
bool stream_reading_may_resume(const struct stream_link *l);

/* ---- stream_signals.c ---- */

void stream_signals_send_csm(struct stream_link *l);
/* Takes a message of class 7, in datagram form. */
void stream_signals_take(struct stream_link *l, const uint8_t *bytes, size_t len);
void stream_signals_ping(struct stream_link *l);
/* Answers the Ping that waits for requests to be answered. done: they are. */
void stream_signals_end_custody(struct stream_link *l, bool done);

#endif
