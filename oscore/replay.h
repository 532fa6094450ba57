/*
 * replay - which sequence numbers of a sender were seen (RFC 8613 7.4), as far as somebody can tell who reads along.
 *
 * Devices decide for themselves what they take; this marks what they will not. A sender counts its requests, and those responses that carry a Partial
 * IV of their own (RFC 8613 7.4.1), by the same numbers, so it has one window.
 *
 * Who has just begun to read does not know what was sent before: all is unverified until the other side was seen to accept a request of this sender,
 * by a genuine 2.xx response to it. What is sent from then on can be judged, what was sent before never can. Somebody who kept both a request and its
 * response can play them to a reader that has just started; it then takes them for the beginning.
 */
#ifndef OSCORE_REPLAY_H
#define OSCORE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

enum { OSCORE_WINDOW = 32 }; /* numbers behind the highest that can be told apart (RFC 8613 3.2.2); at most 64 */

/* All zero is one of which nothing is known. */
struct oscore_window {
	bool begun;       /* there is a highest number */
	bool known;       /* there is a floor */
	uint64_t highest; /* that was seen */
	uint64_t taken;   /* bit n: highest - n was seen */
	uint64_t floor;   /* the request that was accepted first */
};

/* What is to be said of a number; changes nothing. *seen: it was there before, or is so far behind that no device takes it. *unverified: it is not
 * that, and yet nobody can say that it is fresh. */
void oscore_window_look(const struct oscore_window *w, uint64_t sequence, bool *seen, bool *unverified);

/* The same, and takes the number. Only for a message that was opened: one that was not must move no window (RFC 8613 7.4). */
void oscore_window_take(struct oscore_window *w, uint64_t sequence, bool *seen, bool *unverified);

/* A genuine 2.xx response to the request of this number was opened. */
void oscore_window_accepted(struct oscore_window *w, uint64_t sequence);

/* Whether the sender was seen at work: what it sends now can be judged. */
static inline bool oscore_window_is_at_work(const struct oscore_window *w)
{
	return w->known;
}

#endif
