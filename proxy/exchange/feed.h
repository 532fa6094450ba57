/*
 * feed - what was read of OSCORE messages, told to monitors and billing: one line of JSON for each message, to a file or a Unix socket.
 *
 * Lines are put into memory that each feed has in each worker (feed.memory), and leave at the end of a turn by one write for all of them. Nothing
 * waits for who reads: what finds no room is lost whole, and counted. Lines are never torn: what was written in part goes on where it stopped,
 * and to somebody new no line begins in its middle. A line's keys are documented in docs/OPERATING.md.
 *
 * Descriptors come from the parent (proxy/process/feeds.h): a worker neither opens files nor connects.
 */
#ifndef PROXY_EXCHANGE_FEED_H
#define PROXY_EXCHANGE_FEED_H

#include "base/errors.h"
#include "oscore/opening.h"
#include "proxy/exchange/proxy.h"

enum {
	FEED_LINE_MAX = 40 * 1024, /* bytes, with the newline; one that would be longer is lost */
	FEED_PAYLOAD_MAX = 16 * 1024, /* bytes of a payload that are told */
	FEED_TEXT_MAX = 4096,      /* characters of a path, and of a query */
};

enum feed_message { FEED_REQUEST, FEED_RESPONSE, FEED_NOTIFICATION, FEED_MESSAGES };

/* In the place of a verdict, of a message that was not read: the reader said nothing of it in time, or could not be asked; or it came in Outer
 * blocks, each of which is no message. */
enum { FEED_MISSED = OPENING_VERDICTS, FEED_PARTIAL, FEED_VERDICTS };

/* All is borrowed. */
struct feed_record {
	enum feed_message message;
	uint64_t exchange;         /* feed_exchange_number(): the same for a request and everything that answers it */
	const struct route *route;
	const struct read_conf *read;
	const struct endpoint *client, *origin; /* NULL: none is known */
	const char *name;          /* that the client has shown, or NULL */
	const uint8_t *option;     /* the value of the OSCORE option, whose kid is told as log.kid says; NULL: nothing is told of it */
	size_t option_len;
	const uint8_t *request_option; /* of a response: that of its request, whose kid counts where the response has none of its own; or NULL */
	size_t request_option_len;
	uint8_t verdict;           /* enum opening_verdict, or one of the above */
	bool seen, unverified;     /* see struct opening_answer */
	enum error refused;        /* ERR_NONE: the message goes on; else why a gate keeps it back */
	const struct opening_inner *inner; /* NULL unless it is OPENED. Fields that r->read does not name are left out here */
};

/* The number of an exchange whose messages will be told: no two have the same, in whatever worker and also over restarts. Never 0. */
uint64_t feed_exchange_number(struct proxy *p);

/* Whether one of another configuration is the same: by name and path. */
bool feed_is_same(const struct feed *a, const struct feed *b);

/* Tells it to a feed, which may be one of a snapshot that is not in force any more. Never fails: what cannot be told is counted. */
void feed_tell(struct proxy *p, const struct feed *f, const struct feed_record *r);

/* ---- for the process ---- */

/* Feeds are those of p->conf from now on: one that stays (by name and path) keeps its descriptor and its lines, those of the others are lost.
 * Returns 0, or -1 without memory: the feeds that did not get any lose their lines. */
int feeds_renew(struct proxy *p);
void feeds_destroy(struct proxy *p);

/* Writes to fd (takes it; it does not block) for the feed at this index of p->conf->feeds, in place of the one before. `number` tells it from
 * others. What waits goes there. */
void feeds_take(struct proxy *p, size_t index, int fd, uint64_t number);

/* At the end of a turn: lines leave. Nothing if there are no feeds. */
void feeds_flush(struct proxy *p);

/* The number of a descriptor whose other side has gone since the last call, and its feed, or 0: there is none. */
uint64_t feeds_gone(struct proxy *p, size_t *index);

#endif
