/*
 * sim - a worker's exchange layer in virtual time: clients, links and origins are simulated, no socket is opened.
 *
 * One simulation at a time. Events (a datagram arrives, a client begins) run in the order of their times, the steered clock
 * moves from one to the next, and the gateway's timers run in between. The same seed gives the same run. Times are in
 * microseconds from the start of the simulation.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/exchange/proxy.h"

enum { SIM_CLIENTS = 64, SIM_ORIGINS = 2, SIM_OUTSTANDING = 512, SIM_TRACE = 4096 };

/* One direction of a path: a queue of `buffer` messages in front of a sender that takes `service` for each (0: no
 * bottleneck), then `delay`; `loss` of 1000 are lost. */
struct sim_link {
	uint64_t delay, service, free_at;
	unsigned buffer, loss;
	uint64_t passed, dropped, lost;
};

struct sim_origin {
	struct endpoint peer;
	struct sim_link there, back; /* from the gateway, to the gateway */
	bool silent;
	uint64_t separate_after;     /* 0: the answer is piggybacked, else it follows its Empty ACK */
	/* what came, in order: the first SIM_TRACE datagrams */
	struct {
		uint64_t at;
		uint16_t mid, len, in_window; /* in_window: exchanges that then occupied the origin's window */
	} trace[SIM_TRACE];
	size_t received;
};

/* A client keeps `outstanding` requests under way towards one origin; each answer brings the next request. */
struct sim_client {
	unsigned outstanding, origin;
	uint64_t interval;  /* not 0: instead of that, one request at each interval, whatever comes back */
	uint64_t starts_at, delay; /* delay: one way between it and the gateway */
	uint8_t type;       /* MSG_CON or MSG_NON */
	uint8_t code;
	uint8_t padding;    /* bytes of Uri-Path beyond the first, to make requests longer */
	/* what came of it */
	uint64_t sent, answered, refused; /* answered: 2.xx; refused: any other */
	uint64_t strays;    /* messages that answer nothing it asked */
	uint64_t codes[256];
	uint64_t last_answer_at;
	/* state */
	uint16_t next_mid;
	uint32_t next_token;
	uint32_t waiting[SIM_OUTSTANDING];
	unsigned waiting_count;
};

struct sim {
	struct proxy *proxy;
	struct snapshot *conf;
	struct sim_client clients[SIM_CLIENTS];
	struct sim_origin origins[SIM_ORIGINS];
	unsigned client_count;
	uint64_t started_at; /* of the steered clock */
};

/* A gateway with one reverse route to each origin, taken by the listener of the same number; `settings` is put into the configuration (groups
 * such as "upstream: { ... };"). Origins and clients are then set up in the struct. */
struct sim *sim_new(uint64_t seed, const char *settings);
void sim_free(struct sim *s);

/* Adds a client of that many outstanding requests to an origin. */
struct sim_client *sim_add_client(struct sim *s, unsigned origin, unsigned outstanding);

/* Runs until `until` after the start. */
void sim_run(struct sim *s, uint64_t until);
/* The clients ask nothing more. */
void sim_stop_clients(struct sim *s);

uint64_t sim_answered(const struct sim *s); /* of all clients */

#endif
