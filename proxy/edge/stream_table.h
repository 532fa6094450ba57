/*
 * stream_table - links (stream_link.h) found by a number, which is their owner's: a hash where it comes from outside. It grows with what is in it.
 */
#ifndef PROXY_EDGE_STREAM_TABLE_H
#define PROXY_EDGE_STREAM_TABLE_H

#include "proxy/edge/stream_link.h"

struct stream_table {
	struct stream_link **buckets;
	uint32_t mask; /* number of buckets, less one */
	uint32_t count;
};

/* Returns 0, or -1 without memory. */
int stream_table_open(struct stream_table *t) __attribute__((warn_unused_result));
void stream_table_close(struct stream_table *t);

void stream_table_add(struct stream_table *t, struct stream_link *l, uint64_t number);
/* Does nothing with one that is not there. */
void stream_table_remove(struct stream_table *t, struct stream_link *l);

/* The first and the next link that may have this number, newest first, or NULL. */
static inline struct stream_link *stream_table_first(const struct stream_table *t, uint64_t number)
{
	return t->buckets != NULL ? t->buckets[number & t->mask] : NULL;
}

#endif
