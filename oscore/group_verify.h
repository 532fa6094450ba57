/*
 * group_verify - the countersignature of a group's message: the keystream that hides it, and whether it is right
 * (draft-ietf-core-oscore-groupcomm 4.1, 4.2; RFC 9338).
 */
#ifndef OSCORE_GROUP_VERIFY_H
#define OSCORE_GROUP_VERIFY_H

#include "oscore/group_open.h"

struct group_verifier;

/* What it needs of OpenSSL, fetched, and room for the longest message. Returns NULL if there is no memory or OpenSSL failed. */
struct group_verifier *group_verifier_new(void) __attribute__((warn_unused_result));
void group_verifier_free(struct group_verifier *v); /* accepts NULL */

/* Fills the keystream: HKDF of the Signature Encryption Key, salted with the Partial IV. Returns 0, or -1 if OpenSSL failed. */
int group_keystream(struct group_verifier *v, const struct oscore_group *g, const uint8_t *piv, size_t piv_len, const uint8_t *info, size_t info_len,
	uint8_t keystream[OSCORE_SIGNATURE_LENGTH]) __attribute__((warn_unused_result));

/* Whether `from` signed the ciphertext (tag included) with this external_aad. Returns VERIFIED, SIGNATURE or BROKEN. */
enum oscore_group_result group_signature_verify(struct group_verifier *v, const struct oscore_group *g, const struct oscore_group_member *from,
	const uint8_t *external, size_t external_len, const uint8_t *ciphertext, size_t len, const uint8_t signature[OSCORE_SIGNATURE_LENGTH])
	__attribute__((warn_unused_result));

#endif
