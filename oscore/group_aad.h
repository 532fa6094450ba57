/*
 * group_aad - the byte strings that Group OSCORE encrypts and signs over (draft-ietf-core-oscore-groupcomm 3 and 4). For who
 * verifies and for who makes a message, so that there is one of each.
 */
#ifndef OSCORE_GROUP_AAD_H
#define OSCORE_GROUP_AAD_H

#include "oscore/group_open.h"

enum {
	OSCORE_CLASS_I_MAX = 64, /* ours */
	OSCORE_EXTERNAL_AAD_MAX = 2 * (3 + OSCORE_CREDENTIAL_MAX) + 2 + OSCORE_OPTION_MAX + 2 + OSCORE_ID_CONTEXT_MAX + 2 + OSCORE_CLASS_I_MAX + 48,
	OSCORE_GROUP_AAD_MAX = 16 + OSCORE_EXTERNAL_AAD_MAX,
	OSCORE_SIGNED_EXTRA = 32 + OSCORE_EXTERNAL_AAD_MAX, /* bytes of a countersignature's structure besides the ciphertext */
	OSCORE_KEYSTREAM_INFO_MAX = 16 + OSCORE_ID_CONTEXT_MAX,
};

/* Writes external_aad, the aad_array of nine elements (the draft's 3.4): `r` is the request itself or the one answered. Returns its length, or 0
 * if something is over its limit. */
size_t oscore_group_external_aad_write(uint8_t out[OSCORE_EXTERNAL_AAD_MAX], const struct oscore_group *g, const struct oscore_group_member *from,
	const struct oscore_group_request *r, const struct oscore_group_message *m);

/* Writes the AAD, the Enc_structure around external_aad. Returns its length. An algorithm that is no AEAD takes none. */
size_t oscore_group_aad_write(uint8_t out[OSCORE_GROUP_AAD_MAX], const uint8_t *external, size_t external_len);

/* Writes what a member signs: ["CounterSignature0", h'', h'', external_aad, ciphertext], the third element being sign_protected. RFC 9338 3.3
 * leaves that one out, which would make it four; the vector of draft-ietf-core-cacheable-oscore and the implementations that exist have five.
 * Returns its length, or 0 if it does not fit. */
size_t oscore_group_signed_write(uint8_t *out, size_t capacity, const struct oscore_group *g, const uint8_t *external, size_t external_len,
	const uint8_t *ciphertext, size_t len);

/* Writes the info of the keystream that hides a signature: [id, Gid, is it a request's, length] (the draft's 4.2). `id` is that of the member
 * whose Partial IV protects the message. Returns its length. */
size_t oscore_group_keystream_info(uint8_t out[OSCORE_KEYSTREAM_INFO_MAX], const struct oscore_group *g, const struct oscore_id *id, bool request);

#endif
