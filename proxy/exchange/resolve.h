/*
 * resolve - names to addresses by evdns: a bounded cache, one query for all waiters, the loop never stalls.
 */
#ifndef PROXY_EXCHANGE_RESOLVE_H
#define PROXY_EXCHANGE_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "conf/snapshot.h"
#include "proxy/exchange/resolve_texts.h"

struct event_base;
struct resolver;

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

/* What resolv.conf and the hosts file hold, read by whoever may open them (resolve_files.h); zones are interface numbers in
 * both. A text may be NULL if its length is 0. */
struct resolve_files {
	const char *resolv_conf;
	size_t resolv_conf_len;
	const char *hosts;
	size_t hosts_len;
};

/* Borrows the settings and the texts; opens no file then or later, only sockets towards the name servers. Without a name
 * server queries fail, with one warning. "localhost" and what is below it never leave the machine. Returns NULL without
 * memory. */
struct resolver *resolver_create(struct event_base *base, const struct settings *settings, const struct resolve_files *files);
/* Waiters still on lists are forgotten. What was in flight is freed in the next turn of the event loop: before
 * event_base_free() run event_base_loop(base, EVLOOP_NONBLOCK) once. Not to be called by a waiter. */
void resolver_destroy(struct resolver *r);

/* Takes other settings and texts; borrows both. Queries under way go on within the time they began with, to the new name
 * servers if those changed, and their answers are kept 5 s at most if either text changed; what was cached is then
 * dropped. Texts that are as before change nothing. Without memory what was in force stays, with a warning. Call it
 * between two turns of the event loop, from no callback: evdns frees the old servers, and may have something of theirs
 * left to do in the turn that runs. */
void resolver_update(struct resolver *r, const struct settings *settings, const struct resolve_files *files);

/* Asks for a lower-case name. RESOLVE_OK fills addresses (ports 0, IPv6 first, then IPv4, in the order of the answer) and *count at once from the cache; RESOLVE_PENDING keeps
 * w, and calls w->done once, never before this returns. An answer is cached for its time-to-live (1 s to 1 h; failures
 * 5 s), at most settings.dns_cache names, the least recently used goes. One query in flight for a name, ended after
 * settings.dns_timeout; once one family has given addresses the other has 2 s more, and an answer without it is kept 5 s.
 * A name of one label is looked up in the search list of resolv_conf first, every other as it is. A name with other
 * bytes than letters, digits, '-', '_' and '.' fails at once. */
enum resolve_result resolve_name(struct resolver *r, const char *name, size_t len, struct endpoint addresses[RESOLVE_ADDRESSES_MAX],
	size_t *count, struct resolve_waiter *w);
void resolve_cancel(struct resolve_waiter *w); /* does nothing if w is on no list */

#endif
