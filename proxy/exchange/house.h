/*
 * house - what the workers of one gateway share: keys, counters, counts against common limits, and the rings by which
 * exchanges cross. One mapping, made by the parent and given to every worker; it outlives each of them.
 *
 * A worker writes its own cell and the producing ends of its own rings; everybody reads everything. What is counted here has one
 * writer, so it costs the writer no locked instruction.
 */
#ifndef PROXY_EXCHANGE_HOUSE_H
#define PROXY_EXCHANGE_HOUSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/ring.h"
#include "conf/snapshot.h"
#include "proxy/exchange/message_ids.h"
#include "proxy/exchange/metrics.h"
#include "proxy/exchange/read_metrics.h"

enum {
	HOUSE_WORKERS_MAX = 64,
	HOUSE_RESTS = 4096,
	HOUSE_REFUSALS = 4096,
	HOUSE_READ_RATES = 16384, /* accounts of senders whose requests are read (reading_gate.c) */
	HOUSE_READ_RATE_WAYS = 4,
	HOUSE_HOPS = 4096,      /* origins of which it is known what they take in one message (hop.c) */
	DOWN_ID_SPACES = 4096,  /* Message-ID spaces towards clients, shared by hash of the endpoint: no state per client */
	PORT_SPACES = 65536,    /* of source ports towards origins (ports.c) */
	HOUSE_SECRET = 64,      /* bytes */
	HOUSE_SESSION_SETS = 4096, /* of places for named sessions of a worker's clients (house_sessions.h) */
	HOUSE_SESSION_WAYS = 16,
	HOUSE_SESSIONS = HOUSE_SESSION_SETS * HOUSE_SESSION_WAYS,
	HOUSE_SESSION_WORDS = 8,
	HOUSE_SENT = 1 << 22,   /* exchanges of a worker whose sending by another is told here; of the others it counts as told */
};

/* Message IDs from one source port towards an origin (ports.c); few origins share a space by hash. */
struct origin_port {
	struct message_ids ids;
	uint32_t chunk_took; /* tenths of a second the last chunk of IDs lasted; 0: none finished */
};

/* The name of a session: a keyed hash of it. */
struct session_name {
	uint64_t hash[2];
};

/* A struct house_session (house_sessions.h). */
struct house_session_place {
	_Atomic uint32_t version; /* odd: it is being written */
	_Atomic uint64_t words[HOUSE_SESSION_WORDS];
};

/* One worker's part. */
struct house_cell {
	/* The worker's life: how often this place was filled (0: never; the parent counts it up before it starts the next), that it sleeps in its
	 * loop and must be woken, and that its loop turns. */
	_Alignas(64) _Atomic uint32_t incarnation;
	_Alignas(64) _Atomic uint32_t asleep;
	_Alignas(64) _Atomic uint64_t heartbeat;
	_Atomic uint32_t exchanges, observations; /* of its clients, under way */
	_Atomic uint32_t return_paths;    /* it has (return_path.c) */
	_Atomic uint32_t session_waiters; /* requests here that wait for a session to begin (sessions.c) */
	struct metrics metrics;
	/* Message IDs must not be used again too early, whoever uses them next. */
	struct message_ids down_ids[DOWN_ID_SPACES];
	struct origin_port ports[PORT_SPACES];
	_Atomic uint32_t route_exchanges[CONF_ROUTES_MAX]; /* under way, by the route's slot */
	struct route_metrics routes[CONF_ROUTES_MAX];      /* by the route's slot */
	struct read_metrics reads[CONF_READS_MAX];         /* by the read's slot */
	_Atomic uint64_t session_names[HOUSE_SESSIONS]; /* half of the name's hash; 0: the place is free */
	struct house_session_place sessions[HOUSE_SESSIONS];
	_Atomic uint8_t sent[HOUSE_SENT]; /* by the index of an exchange that crossed: its request was sent to the origin */
};

/* A reason and a network of which the log told a refusal (refusal_log.c). */
struct house_refusal {
	_Atomic uint64_t told;     /* upper half: of the pair's hash; lower: when, in 1/16 s. 0: free. Who changes it may change the rest */
	_Atomic uint32_t left_out; /* since then */
	struct network from;
	uint8_t reason;
};

struct house_state {
	struct hash_key hash_key, echo_key;
	uint8_t session_secret[HOUSE_SECRET]; /* what keys for the cookies and tickets of security sessions are made from */
	/* Origins that failed and rest: the upper half of their hash above, when they may be asked again (1/16 s) below. */
	_Atomic uint64_t rests[HOUSE_RESTS];
	struct house_refusal refusals[HOUSE_REFUSALS];
	_Atomic uint64_t session_order;    /* named sessions begun so far */
	_Atomic uint32_t sessions_changed; /* counts up when one was entered */
	_Atomic uint64_t hops[HOUSE_HOPS];
	_Atomic uint64_t read_rates[HOUSE_READ_RATES]; /* 16 bits of who it is, and when his account is even again (48 bits, us) */
};

/* One process's view. */
struct house {
	struct house_state *state;
	struct house_cell *cells; /* `count` of them; the own one is cells[self] */
	uint8_t *rings;
	uint32_t ring_capacity;
	size_t mapped;
	unsigned self, count;
	int wake[HOUSE_WORKERS_MAX]; /* eventfds, by worker; -1: there is none */
	int duplicates_fd;           /* the memfd of the own duplicate table, or -1: it ends with the process (borrowed) */
};

/* The bytes of the mapping for so many workers, with crossing-memory of the configuration for each ring; SIZE_MAX, which
 * nobody can map, where addresses do not reach that far. */
size_t house_bytes(unsigned count, uint64_t crossing_memory);

/* Maps it: from a descriptor of at least house_bytes() (zero where it was never mapped), or anonymous for -1. Sets everything but
 * `wake` (all -1) and duplicates_fd (-1). Returns 0 or -1. */
int house_map(struct house *h, int fd, unsigned count, uint64_t crossing_memory, unsigned self) __attribute__((warn_unused_result));
void house_unmap(struct house *h);

/* Draws the keys: once in the life of the mapping, before anybody else maps it. */
void house_begin(struct house *h);

/* A worker has died: the next in its place is another incarnation, with nothing under way. For the parent, before it starts the successor
 * and after it started the first. */
void house_next_incarnation(struct house *h, unsigned worker);

/* The memory of the ring from one worker to another. */
void *house_ring(const struct house *h, unsigned from, unsigned to);

/* The home of the origin whose endpoint has this hash (of state->hash_key): the same for every worker, by rendezvous. */
unsigned house_home(const struct house *h, uint64_t hash);

/* Sums over all workers. */
uint32_t house_exchanges(const struct house *h);
uint32_t house_observations(const struct house *h);
uint32_t house_return_paths(const struct house *h);
uint32_t house_route_exchanges(const struct house *h, unsigned slot);
void house_metrics(const struct house *h, struct metrics *sum);
void house_route_metrics(const struct house *h, unsigned slot, struct route_metrics *sum);

/* Wakes a worker if it sleeps in its loop. */
void house_wake(const struct house *h, unsigned worker);

/* A worker's part of a limit on all of them. */
static inline uint32_t house_share(const struct house *h, uint32_t limit)
{
	return limit / h->count + (limit % h->count != 0);
}

/* One writer: no locked instruction. */
static inline void house_add(_Atomic uint32_t *count, uint32_t n)
{
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline struct house_cell *house_own(const struct house *h)
{
	return &h->cells[h->self];
}

static inline uint32_t house_incarnation(const struct house *h, unsigned worker)
{
	return atomic_load_explicit(&h->cells[worker].incarnation, memory_order_acquire);
}

#endif
