/*
 * A resolver with two name servers in one event loop, and what asks it.
 */
#ifndef TESTS_UNIT_RESOLVE_WORLD_H
#define TESTS_UNIT_RESOLVE_WORLD_H

#include <stdint.h>

#include <event2/event.h>

#include "base/clock.h"
#include "proxy/exchange/resolve.h"
#include "tests/unit/name_server.h"

#define MS UINT64_C(1000)

struct world {
	struct event_base *base;
	struct name_server server, other;
	uint16_t port, other_port;
	struct settings settings;
	struct resolver *resolver;
};

extern const char hosts_text[]; /* what the hosts file holds after world_open() */

/* A resolver whose name server is `server`, with these further lines of resolv.conf. */
void world_open(struct world *w, unsigned cache, uint64_t timeout, const char *search);
/* A reload with w->settings: the name server on that port (none if it is 0), these further lines and these hosts. */
void world_update(struct world *w, uint16_t port, const char *search, const char *hosts);
void world_close(struct world *w);

struct asker {
	struct resolve_waiter waiter;
	struct world *world;
	unsigned calls;
	enum resolve_result result;
	size_t count;
	struct endpoint addresses[RESOLVE_ADDRESSES_MAX];
	void (*then)(struct asker *a);
	unsigned turn; /* the how manieth call of all */
};

/* The waiter's function: keeps what came, then calls `then` if there is one. */
void asker_done(struct resolve_waiter *waiter, enum resolve_result result, const struct endpoint *addresses, size_t count);
/* Asks. */
enum resolve_result ask(struct world *w, struct asker *a, const char *name);
/* Runs the loop until it was called. */
void wait_for(struct world *w, const struct asker *a);
/* Asks, and waits if need be. */
enum resolve_result ask_and_wait(struct world *w, struct asker *a, const char *name);

void assert_addresses(const struct asker *a, const char *expected); /* separated by a space */
void assert_loopback(struct world *w, const char *name);           /* known at once, as this machine */
unsigned asked(const struct world *w, const char *question);       /* how often `server` was asked "name type" */
void pass(uint64_t microseconds);                                  /* of the steered clock */
uint64_t real_now(void);

#endif
