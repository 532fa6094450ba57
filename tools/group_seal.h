/*
 * group_seal - a member of a Group OSCORE group protects a message in group mode (draft-ietf-core-oscore-groupcomm 7.1, 7.3): encrypts, signs, and
 * hides the signature. For tests and for those who try what a reader cannot: no gateway program links it.
 *
 * A message to protect is given as a datagram with an empty token, as tools/seal.h takes it.
 */
#ifndef TOOLS_GROUP_SEAL_H
#define TOOLS_GROUP_SEAL_H

#include "oscore/group_open.h"

/* Who protects: one of the group's members, whose Sender Key the group has, and its private key. */
struct group_signer {
	const struct oscore_group *group;
	const struct oscore_group_member *self;
	struct evp_pkey_st *private_key;
};

struct group_sealed {
	size_t option_len, payload_len;
	uint8_t option[OSCORE_OPTION_MAX];
	uint8_t payload[OSCORE_GROUP_PAYLOAD_MAX];
};

enum { GROUP_PRIVATE_KEY = 32 }; /* bytes of a private key of either algorithm */

/* The private key of these bytes; free it with EVP_PKEY_free. `public_key` is the point that belongs to it, wanted for ES256 alone. NULL if
 * OpenSSL does not take it. */
struct evp_pkey_st *group_private_key(enum oscore_signature signature, const uint8_t bytes[GROUP_PRIVATE_KEY], const uint8_t *public_key,
	size_t public_key_len) __attribute__((warn_unused_result));

/* Protects a request under a sequence number never used before, and fills *request for its responses. Returns 0, or -1 (number too large,
 * message too long, OpenSSL failed). */
int group_seal_request(struct group_sealed *s, struct oscore_group_request *request, const struct group_signer *signer, uint64_t sequence,
	const uint8_t *inner, size_t inner_len) __attribute__((warn_unused_result));

/* Protects a response. With `sequence` NULL it takes the request's nonce, which only the first response may do, and never after a change of
 * the Gid; with `tells_gid` it carries the Gid, which it must after such a change. Returns 0 or -1. */
int group_seal_response(struct group_sealed *s, const struct oscore_group_request *request, const struct group_signer *signer,
	const uint64_t *sequence, bool tells_gid, const uint8_t *inner, size_t inner_len) __attribute__((warn_unused_result));

#endif
