/*
 * preparing - a new configuration is parsed beside the event loop, on a thread of low priority, so that no exchange waits for it.
 * The thread is there from the start, since a confined worker cannot make one, and touches nothing else.
 */
#ifndef PROXY_PROCESS_PREPARING_H
#define PROXY_PROCESS_PREPARING_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/snapshot.h"
#include "proxy/process/channel.h"
#include "proxy/process/package.h"

struct preparing;

/* What came of a package: the snapshot, or NULL and why. Both are the taker's to release. */
struct prepared {
	uint32_t generation;
	struct snapshot *conf;
	struct package package;
	char error[CHANNEL_TEXT_MAX];
};

/* Starts the thread. Returns NULL if there is none to be had. */
struct preparing *preparing_create(void);
void preparing_destroy(struct preparing *t);

/* Readable when preparing_take() has something. */
int preparing_fd(const struct preparing *t);

/* Asks for a package to be parsed (takes fd); what was asked before and is not begun is forgotten. */
void preparing_begin(struct preparing *t, uint32_t generation, int fd);

/* Fills *out and returns true if something is done. */
bool preparing_take(struct preparing *t, struct prepared *out);
void prepared_release(struct prepared *p);

#endif
