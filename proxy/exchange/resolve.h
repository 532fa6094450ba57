/*
 * resolve - names to addresses by evdns: a bounded cache, one query for all waiters, the loop never stalls.
 */
#ifndef PROXY_EXCHANGE_RESOLVE_H
#define PROXY_EXCHANGE_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "conf/snapshot.h"

struct event_base;
struct resolver;

enum { RESOLVE_ADDRESSES_MAX = 8 }; /* of one name: IPv6 first, then IPv4, in the order of the answer */

enum resolve_result {
	RESOLVE_OK,
	RESOLVE_PENDING,  /* the waiter will be called */
	RESOLVE_FAILED,   /* the name does not exist or has no address (remembered for a short while) */
	RESOLVE_TIMEOUT,
	RESOLVE_FULL      /* too many names under way */
};

/* A waiter lies in the object that waits; once on a list it must be cancelled before the object goes. */
struct resolve_waiter {
	struct resolve_waiter *next, **link;
	void (*done)(struct resolve_waiter *w, enum resolve_result result, const struct endpoint *addresses, size_t count);
};

/* Reads resolv_conf of the settings (missing file: name queries fail, with one warning) and /etc/hosts, both once.
 * "localhost" and what is below it never leave the machine. Returns NULL without memory. */
struct resolver *resolver_create(struct event_base *base, const struct settings *settings);
/* Waiters still on lists are forgotten. What was in flight is freed in the next turn of the event loop: before
 * event_base_free() run event_base_loop(base, EVLOOP_NONBLOCK) once. Not to be called by a waiter. */
void resolver_destroy(struct resolver *r);

/* Adds the names of another hosts file to those that need no query; a missing file adds none. Call it before the first
 * resolve_name(). */
void resolver_load_hosts(struct resolver *r, const char *path);

/* Asks for a lower-case name. RESOLVE_OK fills addresses (ports 0) and *count at once from the cache; RESOLVE_PENDING keeps
 * w, and calls w->done once, never before this returns. An answer is cached for its time-to-live (1 s to 1 h; failures
 * 5 s), at most settings.dns_cache names, the least recently used goes. One query in flight for a name, ended after
 * settings.dns_timeout; once one family has given addresses the other has 2 s more, and an answer without it is kept 5 s.
 * A name of one label is looked up in the search list of resolv_conf first, every other as it is. A name with other
 * bytes than letters, digits, '-', '_' and '.' fails at once. */
enum resolve_result resolve_name(struct resolver *r, const char *name, size_t len, struct endpoint addresses[RESOLVE_ADDRESSES_MAX],
	size_t *count, struct resolve_waiter *w);
void resolve_cancel(struct resolve_waiter *w); /* does nothing if w is on no list */

#endif
