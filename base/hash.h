/*
 * hash - keyed hash (SipHash-1-3, 64 bits) for tables whose keys an attacker may choose.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t k0, k1;
};

/* A fresh random key. */
void hash_key_init(struct hash_key *key);

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t len);

/* A hash of `hash` and then these bytes: pieces that are mixed in one after another keep their boundaries. */
uint64_t hash_mix(const struct hash_key *key, uint64_t hash, const void *bytes, size_t len);

#endif
