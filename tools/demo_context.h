/*
 * demo_context - the security context that demo device and demo client share: the one of RFC 8613 C.1, known to
 * everybody, so that other people's test programs can talk to the device and nobody takes it for a secret.
 */
#ifndef TOOLS_DEMO_CONTEXT_H
#define TOOLS_DEMO_CONTEXT_H

#include <stdbool.h>

#include "oscore/context.h"

/* Fills the client's (Sender ID empty, Recipient ID 01) or the device's side. Ends the program if it cannot. */
void demo_context_init(struct oscore_context *c, bool device);

/* A sequence number greater than any of an earlier run: milliseconds since 2020. So the client needs no file to never use
 * a number twice (RFC 8613 7.5), and a device that starts knows which numbers are older than itself. Holds until 2054. */
uint64_t demo_context_sequence(void);

/* Which numbers were taken already (RFC 8613 7.4): a sliding window of 64. */
struct demo_window {
	uint64_t highest;
	uint64_t taken; /* bit i: highest - i */
};

/* Nothing up to `highest` is accepted. */
void demo_window_init(struct demo_window *w, uint64_t highest);
bool demo_window_accepts(const struct demo_window *w, uint64_t sequence);
void demo_window_take(struct demo_window *w, uint64_t sequence);

#endif
