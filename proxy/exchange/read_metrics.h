/*
 * read_metrics - what is counted of messages that are read: what came of it, and requests and answers by Inner method, path and code.
 *
 * Labels are counted in a table of fixed size; what finds no place there is counted together. One writer; a reader elsewhere may see a
 * count that is a moment old, never a label of another.
 */
#ifndef PROXY_EXCHANGE_READ_METRICS_H
#define PROXY_EXCHANGE_READ_METRICS_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/snapshot.h"

enum {
	READ_LABELS = 512, /* a power of two */
	READ_PATH_NONE = UINT16_MAX - 1, /* in the place of a path that was not read, or may not be told */
};

/* X(name, counter) */
#define READ_COUNTS(X)                                                        \
	X(READ_COUNT_OPENED, "opened")                                        \
	X(READ_COUNT_VERIFIED, "signatures_verified")                         \
	X(READ_COUNT_UNKNOWN, "unknown")                                      \
	X(READ_COUNT_NO_KEY, "no_key")                                        \
	X(READ_COUNT_MALFORMED, "malformed")                                  \
	X(READ_COUNT_BAD, "bad")                                              \
	X(READ_COUNT_INNER, "bad_inside")                                     \
	X(READ_COUNT_CLOSED, "closed")                                        \
	X(READ_COUNT_FAILED, "failed")                                        \
	X(READ_COUNT_MISSED, "missed")                                        \
	X(READ_COUNT_PARTIAL, "partial")                                      \
	X(READ_COUNT_SEEN, "seen")                                            \
	X(READ_COUNT_UNVERIFIED, "unverified")                                \
	X(READ_COUNT_REFUSED, "refused")

enum read_count {
#define X(name, text) name,
	READ_COUNTS(X)
#undef X
	READ_COUNT_COUNT
};

struct read_label {
	_Atomic uint32_t key; /* method, path and code, and one; 0: free */
	_Atomic uint64_t count;
};

struct read_metrics {
	_Atomic uint64_t owner; /* read_conf.id: another read in its place begins anew */
	uint64_t count[READ_COUNT_COUNT];
	uint64_t unlabelled;
	struct read_label labels[READ_LABELS];
};

/* Those of a worker's own cell, where they are r's from now on. */
struct read_metrics *read_metrics_of(struct read_metrics *cell, const struct read_conf *r);

/* A request (code CODE_EMPTY), or the answer to one. method: CODE_EMPTY where it is not known. path: an index in read_conf.count_paths,
 * its count for a path that is none of them, or READ_PATH_NONE. */
void read_metrics_label(struct read_metrics *m, uint8_t method, uint16_t path, uint8_t code, uint64_t by);

/* Adds what m has. */
void read_metrics_add(struct read_metrics *sum, const struct read_metrics *m);

/* Of all workers. */
struct house;
void read_metrics_of_house(const struct house *h, const struct read_conf *r, struct read_metrics *sum);

/* Writes "read.NAME.COUNTER value" and "read.NAME.METHOD.PATH[.CODE] value" lines of what is not zero; "-" is a part that is not known
 * or may not be told, "other" a path that is none of count-paths. */
void read_metrics_print(const struct read_metrics *m, const struct read_conf *r, FILE *out);

#endif
