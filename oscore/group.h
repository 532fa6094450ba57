/*
 * group - what a reader holds of a Group OSCORE group (draft-ietf-core-oscore-groupcomm 2), and its members by their IDs.
 *
 * All of it is derived from the group's Master Secret elsewhere: who holds this struct can verify who sent a message, and read those members
 * whose Sender Key lies in it. A message of the group is accepted for its signature, and nothing here, nor all of it together, makes one.
 * Three bundles are of use: verify-only (no Sender Key, no Common IV), the Sender Keys of some members (their direction alone), or all.
 */
#ifndef OSCORE_GROUP_H
#define OSCORE_GROUP_H

#include "oscore/context.h"

enum {
	OSCORE_CREDENTIAL_MAX = 1024,  /* bytes of a member's credential; ours */
	OSCORE_PUBLIC_KEY_MAX = 65,
	OSCORE_SIGNATURE_LENGTH = 64,  /* of both signature algorithms */
	OSCORE_GROUP_MEMBERS_MAX = 64, /* ours */
};

/* COSE numbers of what signs (RFC 9053 2) and of the one key agreement there is, which to a reader is but a number in the AAD. */
enum oscore_signature { OSCORE_EDDSA = -8 /* with Ed25519 */, OSCORE_ES256 = -7 /* with P-256 */ };
enum { OSCORE_ECDH_SS_HKDF_256 = -27 };

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

struct oscore_group_member {
	struct oscore_id id;
	uint16_t credential_len;
	uint8_t credential[OSCORE_CREDENTIAL_MAX]; /* byte by byte as the group knows it: it is part of what is signed */
	uint8_t public_key_len;
	uint8_t public_key[OSCORE_PUBLIC_KEY_MAX]; /* Ed25519: 32 bytes; P-256: a point, 65 bytes or compressed 33 */
	bool has_key;
	struct oscore_key key;                     /* its Sender Key, algorithm->key_len bytes */
	struct evp_pkey_st *verifier;              /* the public key as OpenSSL wants it: see oscore_group_prepare */
};

struct oscore_group {
	uint8_t gid_len;
	uint8_t gid[OSCORE_ID_CONTEXT_MAX];
	const struct oscore_aead *algorithm;       /* Group Encryption Algorithm: one of oscore_group_algorithm() */
	const struct oscore_aead *aead;            /* of the pairwise mode, for the AAD alone; NULL: none is set */
	enum oscore_signature signature;
	int key_agreement;                         /* COSE number, for the AAD alone; 0: none is set */
	enum oscore_hkdf hkdf;
	bool has_common_iv;                        /* without it no member has a key */
	uint8_t common_iv[OSCORE_NONCE_MAX];       /* as long as the longer nonce of the two algorithms (the draft's 2.1.4) */
	struct oscore_key signature_encryption_key; /* algorithm->key_len bytes (the draft's 2.1.9) */
	uint16_t manager_credential_len;
	uint8_t manager_credential[OSCORE_CREDENTIAL_MAX];
	bool four_elements;                        /* of the countersignature's structure, instead of five: see oscore/group_aad.h */
	size_t member_count;
	struct oscore_group_member *members;       /* lie where the maker of the struct put them */
};

/* How many bytes an ID of this group's members may have: nonce length less 6, of the shorter nonce if two algorithms are set (the draft's 2.2). */
size_t oscore_group_id_max(const struct oscore_group *g);

/* How many bytes the Common IV has (the draft's 2.1.4). */
size_t oscore_group_iv_length(const struct oscore_group *g);

enum oscore_group_fault {
	OSCORE_GROUP_SOUND = 0,
	OSCORE_GROUP_ID_TOO_LONG,     /* of `member` */
	OSCORE_GROUP_ID_TWICE,        /* of `member`: an earlier one has it */
	OSCORE_GROUP_NO_PUBLIC_KEY,   /* of `member`: it is none of the group's signature algorithm */
	OSCORE_GROUP_KEY_WITHOUT_IV,  /* of `member`: what its key protects cannot be read without the Common IV */
	OSCORE_GROUP_NO_MEMBER,
};

/* Checks what a struct filled from outside may have wrong, and makes each member's `verifier` (NULL before). On a fault *member is the number of
 * the member concerned, and no verifier is left. Lengths of keys are the filler's to check. */
enum oscore_group_fault oscore_group_prepare(struct oscore_group *g, size_t *member) __attribute__((warn_unused_result));

/* Frees the verifiers, and wipes all of it, the members too; accepts one that was never prepared. The members' memory stays its maker's. */
void oscore_group_wipe(struct oscore_group *g);

/* The member of an ID, or NULL. */
const struct oscore_group_member *oscore_group_member(const struct oscore_group *g, const uint8_t *id, size_t len);

#endif
