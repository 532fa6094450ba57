/*
 * workers - the exchange layers of several workers in one process, on one house and one steered clock; no socket is opened.
 *
 * A test says what clients and origins send, and looks at what they were sent. Nothing moves by itself: a worker takes turns, a
 * worker dies, time passes only when the test says so. One house at a time. Origin N is 10.9.0.N, taken by the reverse route "oN"
 * with the host name "oN"; client N is 10.0.0.N (trusted), or 203.0.113.N from UNKNOWN_CLIENTS on, of which those from RELIABLE_CLIENTS on come
 * over connections and those from SECURED_CLIENTS on in sessions that are not reliable.
 */
#ifndef TESTS_SIM_WORKERS_H
#define TESTS_SIM_WORKERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "proxy/exchange/crossing.h"
#include "proxy/exchange/exchange.h"
#include "proxy/exchange/proxy.h"
#include "tests/unit/edge_says.h"

enum { WORKERS_MAX = 4, ORIGINS = 24, UNKNOWN_CLIENTS = 100, RELIABLE_CLIENTS = 150, SECURED_CLIENTS = 200, CLIENTS = 256, SENT_MAX = 16384 };

/* A datagram that a worker sent. */
struct sent {
	unsigned worker, slot;    /* slot: the source port, or the listener */
	struct endpoint peer;
	uint64_t at;
	struct msg_view m;        /* of bytes of its own */
};

struct sent_log {
	struct sent all[SENT_MAX];
	unsigned count, seen;     /* seen: of them, by next_sent() */
};

struct workers {
	struct house house;
	struct proxy *proxy[WORKERS_MAX];
	struct snapshot *conf;    /* for workers begun from now on */
	unsigned count, current;
	struct sent_log to_client, to_origin;
	int duplicates[WORKERS_MAX]; /* memfds, -1: none */
	unsigned worker_of[CLIENTS]; /* whose session this client's is: 0 if no test says otherwise */
};

extern struct workers the;

/* A house of `count` workers. `routes` stand before those of the origins (or NULL for none), `settings` are groups of the configuration. */
void workers_begin(unsigned count, const char *routes, const char *settings);
void workers_end(void);
int workers_tear_down(void **state); /* the same, as cmocka calls it */
/* Such a configuration, with a reference for the caller. Of the routes to origins those from `first` on. */
struct snapshot *workers_conf(unsigned first, const char *routes, const char *settings);

/* One turn of a worker: receives, runs timers, publishes. */
void turn(unsigned worker);
/* Turns of all until nobody has anything more to do at this time. */
void settle(void);
/* Time passes; all take their turns. */
void pass_time(uint64_t microseconds);

/* It dies: nothing that it has not published is heard any more. bury() makes its place free, a successor begins with raise_worker(). */
void die(unsigned worker);
void bury(unsigned worker);
void raise_worker(unsigned worker);

/* The first origin from `from` on whose home this is / is not. */
unsigned origin_at(unsigned home, unsigned from);
struct endpoint origin_endpoint(unsigned n);
struct endpoint client_endpoint(unsigned n);

/* A request of client n at a worker. Options as in tests/unit/made.h, Uri-Host "oN" for `origin` before them (0: none). The token is the Message ID. */
void ask(unsigned worker, unsigned client, enum msg_type type, uint8_t code, uint16_t mid, unsigned origin, const char *options,
	const char *payload);
/* The same with a token of its own. */
void ask_as(uint16_t token, unsigned worker, unsigned client, enum msg_type type, uint8_t code, uint16_t mid, unsigned origin,
	const char *options, const char *payload);
/* The session of a client begins in a worker, where his messages come from now on; `name`: what it proves, or NULL. */
void session_begins(unsigned worker, unsigned client, const char *name);
/* A client who was asked (next_to_client()) answers, as answer() does for an origin. */
void client_answers(const struct sent *request, enum msg_type type, uint16_t mid, uint8_t code, const char *options, const char *payload);
/* The same with a payload of any length and any bytes, which asks for a resource of whatever host the options say. */
void ask_bytes(unsigned worker, unsigned client, enum msg_type type, uint8_t code, uint16_t mid, const char *options, const uint8_t *payload,
	size_t len);
/* The connection of a client ends; it can be written to again. */
void client_gone(unsigned worker, unsigned client);
void client_writable(unsigned worker, unsigned client);
void client_empty(unsigned worker, unsigned client, enum msg_type type, uint16_t mid);

/* The origin answers a request that it got, by this type (an ACK has the request's Message ID, others `mid`). */
void answer(const struct sent *request, enum msg_type type, uint16_t mid, uint8_t code, const char *options, const char *payload);
void answer_bytes(const struct sent *request, enum msg_type type, uint16_t mid, uint8_t code, const char *options, const uint8_t *payload,
	size_t len);
void origin_empty(const struct sent *request, enum msg_type type, uint16_t mid);

/* The origin asks something of its own by where the request went out. */
void origin_asks(const struct sent *request, uint8_t code, uint16_t token, const char *options);
/* The connection that a request went out by ends, or was never opened. */
void origin_lost(const struct sent *request, enum error e, bool sent);

/* The next datagram sent that was not looked at yet; fails if there is none. */
const struct sent *next_to_client(void);
const struct sent *next_to_origin(void);
void nothing_more(void); /* both were looked at to the end */

/* That it is such a message; options in hex as made_text() writes them, NULL: not compared. */
void is_message(const struct sent *s, enum msg_type type, uint8_t code, const char *options, const char *payload);
/* That it goes to this client from this worker, with this token (the Message ID asked with). */
void is_for(const struct sent *s, unsigned worker, unsigned client, uint16_t token);
bool has_option(const struct sent *s, uint16_t number);
uint32_t option_value(const struct sent *s, uint16_t number);

uint64_t counted(enum metric m);      /* sums over all workers */
uint64_t errors_of(enum error e);

/* Nothing is under way anywhere, and nothing is kept. */
void nothing_remains(void);

#endif
