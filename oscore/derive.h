/*
 * derive - the keys of a security context from its Master Secret (RFC 8613 3.2).
 *
 * Apart from context and unseal, so that a program that gets derived keys holds no Master Secret and links no
 * derivation.
 */
#ifndef OSCORE_DERIVE_H
#define OSCORE_DERIVE_H

#include "oscore/context.h"

enum {
	OSCORE_MASTER_MAX = 64, /* bytes of a Master Secret */
	OSCORE_SALT_MAX = 64,
	OSCORE_INFO_MAX = 96,
};

struct oscore_master_key {
	size_t len;
	uint8_t bytes[OSCORE_MASTER_MAX];
};

/* What both parties agreed on (RFC 8613 3.2). An absent salt is an empty one; a NULL id_context is none. */
struct oscore_parameters {
	int aead; /* COSE number */
	enum oscore_hkdf hkdf;
	const struct oscore_master_key *master;
	const uint8_t *salt;
	size_t salt_len;
	const uint8_t *sender_id, *recipient_id;
	size_t sender_id_len, recipient_id_len;
	const uint8_t *id_context;
	size_t id_context_len;
};

/* Writes the CBOR array that HKDF takes as info (RFC 8613 3.2.1). `type` is "Key" (with the party's ID) or "IV" (with an
 * empty one), out_len the bytes to be derived. Returns its length, or 0 if it does not fit. */
size_t oscore_derive_info(uint8_t info[OSCORE_INFO_MAX], const struct oscore_parameters *p, const uint8_t *id, size_t id_len,
	const char *type, size_t out_len);

/* Derives out_len bytes with that info; of *p (borrowed) the algorithm, HKDF, Master Secret, salt and ID Context count. Returns 0, or -1 if OpenSSL
 * failed or something is over its limit. */
int oscore_derive_bytes(const struct oscore_parameters *p, const uint8_t *id, size_t id_len, const char *type, uint8_t *out, size_t out_len)
	__attribute__((warn_unused_result));

/* Fills *c (borrows p). Returns 0, or -1 with *c wiped: algorithm not supported, an ID longer than the nonce allows, both
 * IDs the same (RFC 8613 3.3), no Master Secret, something over its limit, or OpenSSL failed. */
int oscore_derive_context(struct oscore_context *c, const struct oscore_parameters *p) __attribute__((warn_unused_result));

#endif
