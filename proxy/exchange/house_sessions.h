/*
 * house_sessions - the names of clients' sessions, as all workers of the house see them: who is connected, where, by which endpoint.
 *
 * Each worker has a part of the table that it alone writes, so nothing is locked. An entry has a version that is odd while it is written: who
 * reads it meanwhile tries again, and takes it for absent if its writer died over it. Entries of a worker that has died count as absent once
 * the next incarnation has its place. A name is known by a keyed hash of 128 bits. The order in which sessions began is counted for all
 * workers together; of several sessions of one name the newest is found.
 */
#ifndef PROXY_EXCHANGE_HOUSE_SESSIONS_H
#define PROXY_EXCHANGE_HOUSE_SESSIONS_H

#include "base/endpoint.h"
#include "proxy/exchange/house.h"

#define HOUSE_NO_SESSION UINT32_MAX

struct house_session {
	struct session_name name;
	uint64_t order;
	struct endpoint peer;
	uint32_t incarnation;     /* of its worker */
	uint32_t listener;        /* slot */
};

struct session_name house_session_name(const struct house *h, const char *name, size_t len);

/* Enters a session of this worker, the newest of its name. Returns its place, or HOUSE_NO_SESSION if there is no room. *older: the one of this
 * worker that had the place (peer.session 0: none). */
uint32_t house_session_enter(struct house *h, const struct session_name *name, unsigned listener, const struct endpoint *peer,
	struct house_session *older);

/* A session of this worker has ended; does nothing if its place is another's by now. */
void house_session_leave(struct house *h, uint32_t place, const struct endpoint *peer);

/* The session of a name in one worker's part. */
bool house_session_of(const struct house *h, unsigned worker, const struct session_name *name, struct house_session *found);

/* The newest session of a name, whichever worker has it. */
bool house_session_find(const struct house *h, const struct session_name *name, struct house_session *found);

/* Counts up with every session that is entered. */
static inline uint32_t house_sessions_changed(const struct house *h)
{
	return atomic_load_explicit(&h->state->sessions_changed, memory_order_acquire);
}

/* Tells the workers in which somebody waits for a session that one was entered. */
void house_sessions_tell(struct house *h);

#endif
