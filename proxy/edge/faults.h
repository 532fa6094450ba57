/*
 * faults - the lossy network of the test build (datagrams_faulty.c): percentages by seed, each way on its own.
 */
#ifndef PROXY_EDGE_FAULTS_H
#define PROXY_EDGE_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

struct faults {
	unsigned drop, duplicate, fail; /* percent of datagrams, sent and received; fail: the send call reports an error */
	uint64_t delay;                 /* microseconds of the steered clock before a sent datagram leaves */
};

void faults_set(bool upstream, const struct faults *f, uint32_t seed);

/* Sends what has been delayed long enough. Returns when the next one is due, UINT64_MAX if none waits. */
uint64_t faults_release(void);

#endif
