/*
 * worker_model - the world around one worker of the stateful fuzz target, and what must hold in it.
 *
 * Takes the place of the edge, the clock and the resolver. Whatever the worker sends is judged at once by what the two
 * clients and the origins did before (worker_judge.h); a breach ends the program. One model at a time.
 */
#ifndef TESTS_FUZZ_WORKER_MODEL_H
#define TESTS_FUZZ_WORKER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/exchange/proxy.h"
#include "tests/fuzz/fuzz.h"

/* The last of each comes over a connection; names resolve to origins of datagrams. */
enum { MODEL_CLIENTS = 3, MODEL_ORIGINS = 4, OVER_CONNECTION = MODEL_CLIENTS - 1, AT_CONNECTION = MODEL_ORIGINS - 1, MODEL_LOG = 1024, MODEL_MESSAGE = 4096 };

/* A message the worker sent, to a client (slot 0) or to an origin. */
struct model_message {
	unsigned who, slot;
	uint64_t at;
	struct msg_view view; /* of bytes of its own */
};

struct model_log {
	struct model_message *all[MODEL_LOG]; /* owned */
	unsigned count;
};

struct model {
	struct proxy *proxy;
	struct model_log to_client, to_origin;
	struct endpoint clients[MODEL_CLIENTS], origins[MODEL_ORIGINS];
	uint8_t echo[MODEL_CLIENTS][64];
	size_t echo_len[MODEL_CLIENTS]; /* the last Echo value each client got */
	/* the datagram that is being delivered, or NULL; from which client */
	const struct msg_view *from_client, *from_origin;
	unsigned from;
	/* Message IDs the origins used themselves */
	uint16_t origin_mids[MODEL_ORIGINS][MODEL_LOG];
	unsigned origin_mid_count[MODEL_ORIGINS];
	bool tight;           /* the configuration has limits that are met: records and answers may be given up */
};

extern struct model model;

/* Starts the clock and the randomness anew, and a worker with this configuration (borrowed, with one reference). */
void model_begin(struct snapshot *conf, bool tight);
/* Makes Message IDs scarce: every port is near the end of a chunk, half of them before one that has not rested; source ports
 * beyond the third cannot be had. */
void model_wear(void);
/* Lets all time pass that anything can need, checks that everything asked was answered and nothing remains, ends the
 * worker. */
void model_end(void);
/* True while there is room to note what the worker sends. */
bool model_has_room(void);

/* Deliver a datagram, or news of one, to the worker. */
void model_from_client(unsigned who, const uint8_t *bytes, size_t len, bool truncated, bool multicast);
void model_from_origin(unsigned who, unsigned slot, const uint8_t *bytes, size_t len, bool truncated);
void model_unreachable(unsigned who, unsigned slot, const uint8_t *quoted, size_t len);

/* The client's connection ends, his next request comes over another. */
void model_gone(void);
/* It takes nothing for a while, or does again. */
void model_slow(bool slow);
/* The connections to the origin end, one for each slot that was used, or what was sent had not left. */
void model_lost(unsigned slot, bool sent);

/* Time goes on; the worker takes a turn. */
void model_step(uint64_t microseconds);
/* A name that is being resolved gets its answer; nothing if there is none. */
void model_resolved(unsigned which, enum resolve_result result, unsigned addresses);

/* Of a log's messages the one `back` from the end, or NULL. */
const struct model_message *model_last(const struct model_log *log, unsigned back);

#endif
