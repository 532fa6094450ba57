/*
 * group_cipher - decrypts what a group encrypts: with any AEAD of OSCORE, or with AES-CTR, which has no tag.
 *
 * Of a stream mode decryption is encryption: who can call this for AES-CTR can also make a ciphertext. In Group OSCORE that makes no message,
 * for want of a signature, and who decrypts here has verified one before.
 */
#ifndef OSCORE_GROUP_CIPHER_H
#define OSCORE_GROUP_CIPHER_H

#include "oscore/group_open.h"

struct group_ciphers;

/* Every algorithm of oscore_algorithms[], fetched. Returns NULL if there is no memory or OpenSSL failed. */
struct group_ciphers *group_ciphers_new(void) __attribute__((warn_unused_result));
void group_ciphers_free(struct group_ciphers *c); /* accepts NULL */

/* Overwrites what OpenSSL keeps of the keys used last. */
void group_ciphers_forget(struct group_ciphers *c);

/* Decrypts len bytes of ciphertext, behind which the tag stands if the algorithm (a row of oscore_algorithms[]) has one. Returns OPENED, TAG,
 * FORMAT (longer than the algorithm can say) or BROKEN. */
enum oscore_group_result group_decrypt(struct group_ciphers *c, const struct oscore_aead *algorithm, const struct oscore_key *key,
	const uint8_t nonce[OSCORE_NONCE_MAX], const uint8_t *aad, size_t aad_len, const uint8_t *sealed, size_t len, uint8_t *plain)
	__attribute__((warn_unused_result));

#endif
