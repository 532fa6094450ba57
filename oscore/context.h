/*
 * context - an OSCORE security context in use: algorithm, IDs, keys, Common IV, and the nonce and AAD made from them
 * (RFC 8613 3.1, 5.2, 5.4). Mutable state (sequence number, replay window) belongs to whoever uses the context.
 */
#ifndef OSCORE_CONTEXT_H
#define OSCORE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oscore/option.h"

enum {
	OSCORE_KEY_MAX = 32,
	OSCORE_NONCE_MAX = 13,
	OSCORE_TAG_MAX = 16,
	OSCORE_ID_MAX = OSCORE_NONCE_MAX - 6, /* RFC 8613 3.3 */
	OSCORE_ID_CONTEXT_MAX = 64,           /* ours */
	OSCORE_AAD_MAX = 64,
};

/* COSE numbers (RFC 9053 4). The first is mandatory, and the default (RFC 8613 3.2, 5). */
enum {
	OSCORE_AES_CCM_16_64_128 = 10, OSCORE_AES_CCM_16_64_256 = 11, OSCORE_AES_CCM_16_128_128 = 30, OSCORE_AES_CCM_16_128_256 = 31,
	OSCORE_A128GCM = 1, OSCORE_A256GCM = 3, OSCORE_CHACHA20_POLY1305 = 24,
};

/* Group encryption algorithms that are no AEAD (RFC 9459); draft-ietf-core-oscore-groupcomm 2.1.7 allows these with a nonce of 12 bytes and 4 zero
 * bytes behind it. They have no tag: the signature is all that proves such a message genuine. */
enum { OSCORE_A128CTR = -65534, OSCORE_A192CTR = -65533, OSCORE_A256CTR = -65532 };

enum oscore_hkdf { OSCORE_HKDF_SHA256, OSCORE_HKDF_SHA512 }; /* the first is mandatory, and the default (RFC 8613 3.2) */

/* An algorithm of the COSE registry: an AEAD, or one that groups alone use, of which tag_len is 0. Lengths in bytes. */
struct oscore_aead {
	int alg;            /* COSE number */
	const char *cipher; /* OpenSSL's name */
	uint8_t key_len, nonce_len, tag_len;
};

/* All that are supported, the AEADs first. */
enum { OSCORE_AEADS = 7, OSCORE_ALGORITHMS = OSCORE_AEADS + 3 };
extern const struct oscore_aead oscore_algorithms[OSCORE_ALGORITHMS];

/* The row of an AEAD by its COSE number, or NULL if it is none we support. */
const struct oscore_aead *oscore_aead_row(int alg);

/* The same for what a group may encrypt with: every AEAD, and AES-CTR. */
const struct oscore_aead *oscore_group_algorithm(int alg);

struct oscore_key {
	uint8_t bytes[OSCORE_KEY_MAX];
};

struct oscore_id {
	uint8_t len;
	uint8_t bytes[OSCORE_ID_MAX];
};

/* One of the two parties: what it calls itself and what it protects with. */
struct oscore_side {
	struct oscore_id id;
	struct oscore_key key;
};

struct oscore_context {
	const struct oscore_aead *aead;
	struct oscore_side sender, recipient; /* as the holder of this struct sees them */
	uint8_t common_iv[OSCORE_NONCE_MAX];
	bool has_id_context;
	uint8_t id_context_len;
	uint8_t id_context[OSCORE_ID_CONTEXT_MAX];
};

/* What ties a response to its request (RFC 8613 5.4): the request's kid and Partial IV. */
struct oscore_request {
	struct oscore_id kid;
	uint8_t piv_len;
	uint8_t piv[OSCORE_PIV_MAX];
};

/* Wipes all of it, keys included. */
void oscore_context_wipe(struct oscore_context *c);

bool oscore_id_equal(const struct oscore_id *id, const uint8_t *bytes, size_t len);

/* True if an option names this side of this context: its kid, and the ID Context if it carries a kid context
 * (RFC 8613 5, 5.1). An option without kid names none. */
bool oscore_context_is_named(const struct oscore_context *c, const struct oscore_side *side, const struct oscore_option *o);

/* Writes a number as a Partial IV: no leading zero, 0 is one zero byte (RFC 8613 5). Returns its length, or 0 if it is
 * 2^40 or more (RFC 8613 7.2.1). */
size_t oscore_piv_write(uint8_t piv[OSCORE_PIV_MAX], uint64_t sequence);

/* Writes the AEAD nonce, aead->nonce_len bytes (RFC 8613 5.2). `id` is the ID of the party whose Partial IV it is. */
void oscore_nonce_write(uint8_t nonce[OSCORE_NONCE_MAX], const struct oscore_context *c, const struct oscore_id *id,
	const uint8_t *piv, size_t piv_len);

/* The same of its parts; the ID has at most nonce_len - 6 bytes. Of a Common IV that is longer the first bytes are taken. */
void oscore_nonce_mix(uint8_t nonce[OSCORE_NONCE_MAX], size_t nonce_len, const uint8_t *common_iv, const struct oscore_id *id,
	const uint8_t *piv, size_t piv_len);

/* Writes the AAD: the Enc_structure around external_aad (RFC 8613 5.4), the same for a request and its responses.
 * Returns its length, which is at least 1. */
size_t oscore_aad_write(uint8_t aad[OSCORE_AAD_MAX], const struct oscore_aead *aead, const struct oscore_request *r);

#endif
