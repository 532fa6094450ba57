/*
 * access_log - one line for each request of a route that asks for it, as pairs of key and value or as a JSON object.
 *
 * Notifications have none. No payload, no token and no key is written; the kid is hashed unless the configuration says otherwise.
 * The keys and their order are documented in docs/OPERATING.md. Where messages are read (reading.h) a line waits until that is done.
 */
#ifndef PROXY_EXCHANGE_ACCESS_LOG_H
#define PROXY_EXCHANGE_ACCESS_LOG_H

#include "proxy/exchange/proxy.h"

/* The work behind the inline functions, for routes that log. */
void access_log_note(struct exchange *x, const struct msg_view *m);
void access_log_write(struct exchange *x, uint8_t code, size_t len);

/* One compare for a route that does not log. What a requester asks is part of a request that its edge tells of. */
static inline bool access_log_wants(const struct exchange *x)
{
	return x->route != NULL && x->route->access_log != ACCESS_NONE && !x->inner;
}

/* The request m of x has found its route, or comes under that of the observation it refreshes. */
static inline void access_log_begin(struct exchange *x, const struct msg_view *m)
{
	if (access_log_wants(x))
		access_log_note(x, m);
}

/* It is answered, by a datagram of so many bytes. What ends an observation later is no answer to it. */
static inline void access_log_answer(struct exchange *x, uint8_t code, size_t len)
{
	if (access_log_wants(x) && !x->accounted)
		access_log_write(x, code, len);
}

/* x ends. If it was not answered (No-Response, a client that may not exist) its line says so. */
static inline void access_log_end(struct exchange *x)
{
	if (access_log_wants(x) && !x->accounted)
		access_log_write(x, CODE_EMPTY, 0);
}

/* What was read of a request and its answer. Texts are borrowed; NULL: not known, or not to be told. */
struct access_inner {
	const char *method, *path, *code;
	const char *request, *answer; /* what came of reading them */
	bool seen;
};
/* Writes a line that waited (reading_keep_line()), with that. */
void access_log_write_inner(struct proxy *p, const char *text, size_t len, const struct access_inner *inner);

/* A request that came over HTTP; the keys differ from those of CoAP where HTTP does. Texts are borrowed; NULL: none. */
struct access_http {
	const struct route *route;
	const char *listener, *name, *target;
	const struct endpoint *client;
	const char *method;
	unsigned status;         /* 0: the client left before its answer */
	uint8_t code;            /* of the CoAP answer; 0: there was none */
	bool oscore, truncated;
	uint64_t request_bytes, response_bytes, arrived_at;
	uint64_t reading;        /* of its requester; 0: nothing was read */
};
void access_log_write_http(struct proxy *p, const struct access_http *a);

#endif
