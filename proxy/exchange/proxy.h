/*
 * proxy - the state of one worker's exchange layer, and the objects it is made of.
 *
 * One message's way: receive (a client's datagram) -> forward (route, policy, origin) -> upstream (the origin's datagram)
 * -> respond (the client's answer). An exchange is one request under way; it lives until it is answered, or as long as
 * the observation it registered. Objects lie in slabs and never move; all are single-threaded.
 */
#ifndef PROXY_EXCHANGE_PROXY_H
#define PROXY_EXCHANGE_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffers.h"
#include "base/clock.h"
#include "base/endpoint.h"
#include "base/errors.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/slab.h"
#include "base/wheel.h"
#include "coap/message.h"
#include "coap/option.h"
#include "conf/snapshot.h"
#include "proxy/edge/edge.h"
#include "proxy/exchange/congestion.h"
#include "proxy/exchange/duplicates.h"
#include "proxy/exchange/house.h"
#include "proxy/exchange/kid.h"
#include "proxy/exchange/message_ids.h"
#include "proxy/exchange/metrics.h"
#include "proxy/exchange/resolve.h"

enum {
	ORIGIN_SLOTS_MAX = 1024 + 1,
	GROUP_SLOT = ORIGIN_SLOTS_MAX - 1, /* the source port of what goes to groups (group.h) */
	GROUP_ASKS = 256,
	RECENT_NOTIFICATIONS = 8, /* NON notifications whose Reset is still understood */
	RATE_BUCKETS = 4096,
	HOLD_BACKS = 1024,
};

#define EXCHANGE_LIFETIME (247 * CLOCK_SECOND) /* RFC 7252 4.8.2 */
#define NON_LIFETIME (145 * CLOCK_SECOND)

/* ---- tables of slab objects (table.h) ---- */
struct table {
	struct slab *slab;
	uint32_t *heads;
	uint32_t mask, oldest, newest;
};

/* What an object of a table begins with. */
struct table_links {
	uint32_t index;             /* in its slab */
	uint32_t chain;             /* next of the hash chain */
	uint32_t older, newer;      /* by last use */
};

/* ---- a downstream endpoint (client.c) ---- */
struct client {
	struct table_links links;
	struct endpoint peer;
	uint32_t hash;              /* of peer and listener: names the upstream port and the Message-ID space */
	uint32_t exchanges;         /* under way */
	uint32_t observation_count;
	uint32_t errands;           /* whose bodies are under way or held (errand.c) */
	struct observation *observations;
	struct delivery *first, *last; /* confirmable messages to it: the first is in flight, the others wait */
	uint64_t verified_until;
	uint32_t listener;          /* slot; for others than our clients see client.h */
	bool trusted;
	bool gone;                  /* its session has ended: nothing is sent there any more */
	uint64_t challenged_at;     /* 0: never */
};

/* An upload by Block1 under way: no other client's upload to the same resource shares its port. */
struct upload {
	struct upload *next;
	uint64_t resource, last;
	uint32_t client;             /* its hash: the client itself may be forgotten meanwhile */
	uint16_t slot;
	bool ended;                  /* kept for the blocks of its answer, which its port is asked for (RFC 7959 2.7) */
};

/* ---- an origin endpoint (origin.c) ---- */
struct origin {
	/* what every message needs: two lines of the cache */
	struct table_links links;
	struct endpoint peer;
	uint32_t hash;               /* of peer: names its Message-ID spaces */
	uint32_t exchanges;          /* all that name this origin: queued, in flight, acknowledged, observing */
	uint32_t in_flight_count;
	uint16_t port_count;         /* source ports in use: a power of two, 0 before the first message */
	uint16_t failures;           /* in a row */
	struct exchange *in_flight;  /* occupying the window */
	struct flow *flow_first;     /* clients with waiting exchanges, served in turn */
	uint64_t quiet_until;        /* silent: nothing more leaves for it before (origin_stay_quiet()) */
	struct congestion congestion;
	/* the rest */
	struct flow *flow_last;
	struct upload *uploads;
	struct wheel_timer timer;    /* the end of quiet_until */
	struct proxy *proxy;
	uint64_t grown_at;           /* when port_count last changed */
	struct exchange *connected;  /* where something is connected: all exchanges that name this origin, by their `beside` */
	struct exchange *cursor;     /* the next of them that upstream_lost() looks at */
	struct local_address local;  /* of a client of plain datagrams (sessions.h): the address that he asked */
	uint32_t waiting;            /* of `exchanges`, in flows */
	char *host, *identity;       /* owned; where it is named: see struct edge_credentials. Else NULL */
};

/* The waiting exchanges of one client at one origin. */
struct flow {
	struct table_links links;
	const struct client *client;
	struct origin *origin;
	struct flow *next;           /* in the origin's round */
	struct exchange *first, *last;
};

enum exchange_state {
	EXCHANGE_RESOLVING,  /* waits for the address of a name */
	EXCHANGE_WAITING,    /* waits for room in the origin's window */
	EXCHANGE_SENT,       /* on its way to the origin, not yet acknowledged */
	EXCHANGE_ACKNOWLEDGED, /* the origin sent an Empty ACK; its response will come separately */
	EXCHANGE_OBSERVING,  /* answered; notifications may follow */
	EXCHANGE_CANCELLING, /* nobody listens any more; the origin is being told (RFC 7641 3.6) */
	EXCHANGE_CROSSED,    /* under way in another worker, the origin's home (crossing.c) */
	EXCHANGE_SERVED,     /* waits for something of its errand (errand.c) */
	EXCHANGE_READING,    /* waits until its request is read (reading.h) */
};

enum observe_ask { OBSERVE_NONE, OBSERVE_REGISTER, OBSERVE_CANCEL };

struct exchange {
	struct wheel_timer timer;     /* the earliest of acknowledge_at, retransmit_at, deadline */
	struct proxy *proxy;
	/* the client's side */
	struct client *client;        /* NULL while cancelling */
	uint64_t record_hash;
	uint32_t record;              /* in the duplicate store */
	struct local_address local;   /* the address it asked */
	struct requester *requester;  /* who asked, where it was no datagram's client (requester.h) */
	bool inner;                   /* it was one; without `requester` nobody is told anything any more */
	bool telling;                 /* he is being told of an observation that goes on */
	bool of_errand;               /* inner, but for an errand of its client (reblock.h) */
	uint8_t *long_token;          /* owned; where the token is longer than MSG_TOKEN_BASE */
	uint8_t token[MSG_TOKEN_BASE];
	uint16_t token_len;
	uint16_t client_mid;
	uint16_t request_len;         /* bytes of the client's datagram: amplification is measured by it */
	uint8_t client_type;          /* MSG_CON or MSG_NON */
	bool client_acknowledged;     /* an Empty ACK was sent: the response will be separate */
	bool accounted;               /* the access log has its line */
	uint8_t kid_len;              /* bytes in `kid`, and one; 0: the access log does not name it */
	uint8_t kid[KID_TOLD_MAX];    /* of the OSCORE option, or its hash, as the configuration wants it */
	/* what is asked */
	uint8_t code;
	uint8_t observe;              /* enum observe_ask */
	uint8_t no_response;          /* value of No-Response (RFC 7967), 0: all wanted */
	bool oscore, forward, wants_problem_details;
	bool has_block2;              /* the request named a block: `block2` */
	struct opt_block block2;
	uint16_t block1;              /* 1: a Block1 option was present, 2: with more to come */
	uint64_t resource;            /* hash of the target of a request with Block1 */
	uint64_t body_key;            /* what an answer is found by that is too large for the client (held.h); 0: none can be */
	struct opt_block upload_block; /* where it is SERVED: its Block1 */
	uint64_t size_limit;          /* Size1 of a 4.13; 0: what a datagram holds */
	/* the origin's side */
	uint8_t state;                /* enum exchange_state; set by exchange_set_state() alone */
	uint8_t retransmissions;
	uint8_t salt[5];              /* part of the upstream token that nobody can guess */
	bool confirmable;
	bool in_window;               /* on origin->in_flight */
	bool limited;                 /* the window was full when it left */
	bool group;                   /* the origin is a group: whoever answers first is it (group.h) */
	uint8_t hop_limit;            /* as it left: a 5.08 names it */
	uint16_t mid, slot;
	uint32_t index;
	uint32_t timeout, first_timeout; /* microseconds: the current retransmission timeout, and the one it began with */
	uint32_t retry_after;         /* seconds: Max-Age of a 5.03; 0: the configured one */
	/* of its route, in milliseconds: how long the origin may be silent, how long once it has acknowledged, and how long it rests if
	 * it failed (0: the route has no other) */
	uint32_t patience, patience_acknowledged, rest;
	uint32_t patience_in_all;     /* the same from its arrival on, if it was acknowledged; 0: patience_acknowledged counts */
	bool stand_in;                /* the origin's half of an exchange that crossed: its client stands in for another worker's */
	struct crossing *crossing;    /* NULL: client and origin belong to this worker */
	struct return_path *path;     /* by which it goes to its origin, or NULL (return_path.h) */
	uint32_t return_route;        /* metrics slot of the route that wants it so, and 1; 0: none does */
	uint64_t return_to;           /* hash of the text of that route's origin; 0: the request named it */
	struct errand *errand;        /* what it waits for, where it is SERVED */
	struct origin *origin;
	struct exchange *beside, *beside_previous; /* on origin->connected */
	struct exchange *next, *previous; /* in flight at the origin, or waiting in a flow or for an errand (next alone) */
	struct buffer request;        /* the upstream datagram while it may be sent (again) */
	uint64_t arrived_at, sent_at, acknowledge_at, retransmit_at, deadline;
	struct snapshot *conf;        /* the one it began with (kept) */
	const struct route *route;    /* NULL before it is known, and where the exchange is a stand-in */
	struct observation *observation;
	struct lookup *lookup;        /* while its origin is being found */
	struct reading *reading;      /* what is read of its messages, where its route reads (reading.h) */
};

/* What an exchange that crossed knows of its other half (crossing.c). */
struct crossing {
	bool homeward;                /* this is the client's half, `worker` the origin's home; else the other way round */
	bool ended;                   /* the other half is gone, or was told to go */
	bool tell_origin;             /* the client gave up its observation: the home tells the origin, if it may */
	uint8_t retransmissions;      /* as the home told with the answer */
	uint8_t salt[5];              /* of the client's half */
	uint16_t worker;
	uint32_t incarnation;         /* of that worker */
	uint32_t index;               /* of the client's half */
	uint32_t own_index;           /* in the slab of crossings */
	struct endpoint origin;
	uint64_t sent_at;             /* as the home told with the answer; 0: never, or not known */
	struct crossing_late *newest; /* the home's: a notification that waits for room in the ring (crossing_rings.c) */
};

/* Finding the origin of an exchange: a name being resolved, and the origins not tried yet. */
struct lookup {
	struct resolve_waiter waiter;
	struct exchange *exchange;
	struct proxy *proxy;
	uint32_t index;
	uint16_t port;
	uint8_t next_origin;          /* of the route's list, counted from first_origin */
	uint8_t first_origin;
	struct buffer message;        /* the client's datagram: the outer options depend on the origin chosen */
	struct session_name wanted;   /* whose session is waited for */
	struct lookup *next, **link;  /* among those that wait for sessions (sessions.c); link NULL: it does not */
};

/* A relayed observation (observe.c); lies beside its exchange. */
struct observation {
	struct exchange *exchange;
	struct observation *next, *previous; /* of the client */
	uint32_t index;
	uint64_t target;              /* hash of what was asked for: a refresh or cancel must ask for the same (forward.c) */
	const struct origin_conf *to; /* as in the registration; NULL: the origin was named by the request */
	uint32_t sequence;            /* the last Observe value sent to the client */
	uint32_t upstream_value;      /* the last one taken from the origin */
	uint64_t upstream_at;         /* 0: none yet */
	uint64_t confirmed_at;        /* the client last acknowledged a notification (or registered) */
	uint16_t recent[RECENT_NOTIFICATIONS];
	uint8_t recent_next, recent_count;
	bool established;             /* the origin accepted the registration */
	struct delivery *delivery;    /* the confirmable notification under way */
	struct buffer pending;        /* the newest notification that is not sent yet, as the origin sent it */
	uint64_t pending_at;
	struct buffer message;        /* the client's last request: a new configuration decides by it again (renew.c) */
};

/* A confirmable message to a client (delivery.c). */
struct delivery {
	struct wheel_timer timer;
	struct proxy *proxy;
	struct client *client;
	struct observation *observation; /* NULL: a separate response */
	struct delivery *next;
	struct local_address local;
	struct buffer bytes;
	size_t allowance;             /* bytes that may still be sent to a client who was never seen */
	uint64_t sent_at;
	uint32_t timeout, index;
	uint16_t mid;
	uint8_t retransmissions;
};

struct binding {
	uint32_t tag;
	uint16_t slot;
	uint16_t when; /* units of 8 s */
};

/* An origin asked for fewer of these requests (RFC 8516). */
struct hold_back {
	uint64_t request;             /* hash of origin, method and URI */
	uint64_t until;
};

/* A request that was sent to a group (group.c). */
struct group_ask {
	uint8_t token[8];             /* UPSTREAM_TOKEN of them */
	uint64_t at;                  /* 0: none */
};

struct rate_bucket {
	uint64_t at;
	int64_t credit; /* millionths of a byte: what comes to less than one between two datagrams is not lost */
};

struct proxy {
	struct snapshot *conf;
	struct wheel *wheel;
	struct resolver *resolver;
	struct duplicates *duplicates;
	struct buffers *buffers;
	struct slab *exchanges, *clients, *origins, *flows, *lookups, *observations, *deliveries;
	struct table client_table, origin_table, flow_table;
	struct binding *bindings;       /* (client, origin) -> source port (ports.c) */
	struct hold_back hold_backs[HOLD_BACKS];
	struct group_ask group_asks[GROUP_ASKS]; /* the latest, as a ring */
	unsigned group_next;
	uint64_t held_back_until;       /* the latest of them: 0 in most gateways' lives */
	struct rate_bucket *rates;      /* RATE_BUCKETS (reachability.c) */
	struct hash_key hash_key, echo_key; /* the house's */
	struct hash_key token_key;      /* own; of tokens over (D)TLS (exchange.c), of which so many were made: */
	uint64_t tokens;
	struct house house;
	bool owns_house;
	struct house_cell *cell;        /* the own one in the house */
	struct metrics *metrics;        /* in it */
	struct crossings *crossings;    /* NULL: a single worker */
	struct returns *returns;        /* return_path.c; NULL until there is one */
	struct sessions *sessions;      /* sessions.c; NULL until there is a session with a name */
	struct renewal *renewal;        /* what a new configuration has still to decide again (renew.c), or NULL */
	bool draining;                  /* no new exchange is begun */
	uint64_t listener_used[CONF_SLOTS_MAX]; /* when a request last came to a listener that was accepted, by its slot */
	struct reader_link *reader_link; /* NULL until there is a reader */
	struct readings *readings;      /* reading.h; NULL until something is read */
	struct feeds *feeds;            /* feed.c; NULL where there are none */
	uint64_t feed_exchanges;        /* numbers of those that feeds tell of: the next, or 0 before the first */
	struct refusals *refusals;      /* refusal_log.c */
	struct slab *transfers;         /* blocks.c; NULL until somebody asks by it */
	struct errands *errands;        /* errand.c; the same */
	const struct errand_carrier *carrier; /* of origins that are asked by no datagram; NULL: there are none */
	struct blocks_learned *learned; /* the same; blocks_learned.h */
	struct endpoint *own_addresses; /* owned; of our interfaces: listeners on the unspecified address are reached there */
	size_t own_count;
	bool closing;                   /* it is being destroyed: nobody is told anything any more */
	bool pumping;                   /* transmit_pump() is at work: ending an exchange does not start it again */
};

/* Builds an exchange layer around a configuration (keeps a reference). `resolver` may be NULL: names then fail. `house`: the mapping
 * shared with the other workers (its struct is copied, the mapping must outlive the proxy), or NULL for one of its own. Limits that
 * count what is under way hold for all workers together, those of memory are divided among them. Returns NULL without memory. */
struct proxy *proxy_create(struct snapshot *conf, struct resolver *resolver, const struct house *house);
void proxy_destroy(struct proxy *p);

/* A listener that the configuration has no more: nothing was accepted there for EXCHANGE_LIFETIME, and nothing is under way. */
bool proxy_listener_is_unused(const struct proxy *p, unsigned slot);

/* From now on new requests are refused with 5.03, and observations are ended (RFC 7641 4.2). */
void proxy_drain(struct proxy *p);
/* Nothing is under way any more. */
bool proxy_is_drained(const struct proxy *p);
/* The time to drain is over: what is under way is answered, 5.04 where it was sent and 5.03 where it was not. */
void proxy_give_up(struct proxy *p);

/* What is to be done once a turn: timers, expiry. */
void proxy_turn(struct proxy *p);

static inline void proxy_count(struct proxy *p, enum metric m)
{
	p->metrics->count[m]++;
}

#endif
