/*
 * shared_bio - one BIO for all connections of a kind, whose calls know by themselves which one is meant. One for each would take 200 bytes of
 * every connection that is idle.
 */
#ifndef PROXY_EDGE_SHARED_BIO_H
#define PROXY_EDGE_SHARED_BIO_H

#include <openssl/types.h>

struct shared_bio {
	const char *name;
	int (*read)(BIO *b, char *bytes, int room);
	int (*write)(BIO *b, const char *bytes, int len);
	long (*control)(BIO *b, int what, long number, void *arg);
	BIO *bio; /* NULL at first; made for the first that needs it, for as long as the process lives */
};

/* From now on ssl reads and writes by it. Returns 0; or -1 without memory, and then nothing has changed. */
int shared_bio_use(struct shared_bio *b, SSL *ssl);

#endif
