/*
 * unseal - verifies and decrypts what OSCORE protects (RFC 8613 8.2, 8.4). The one direction of the AEAD this folder has:
 * nothing here can protect a message.
 *
 * Replay is the caller's to check, before (is the number new?) and after (take it) a request opens (RFC 8613 7.4).
 */
#ifndef OSCORE_UNSEAL_H
#define OSCORE_UNSEAL_H

#include "coap/message.h"
#include "oscore/context.h"

enum oscore_unseal_result {
	OSCORE_UNSEAL_OK = 0,
	OSCORE_UNSEAL_FORMAT = -1, /* option lacks what is needed, or no room for a tag and a code (RFC 8613 6.2) */
	OSCORE_UNSEAL_TAG = -2,    /* not protected under this context, or altered */
	OSCORE_UNSEAL_INNER = -3,  /* genuine, but what it holds is no request or response */
	OSCORE_UNSEAL_SIZE = -4,   /* the buffer is too small */
	OSCORE_UNSEAL_FAILED = -5, /* OpenSSL failed: ours */
};

enum {
	OSCORE_UNSEAL_EXTRA = 3,             /* bytes a buffer needs beyond the payload's */
	OSCORE_UNSEAL_PAYLOAD_MAX = 1 << 17, /* bytes of a payload; ours */
};

/* A decryption context, made once: afterwards opening fetches nothing and opens no file. */
struct oscore_unsealer;

/* One for any key, which each message brings along. Returns NULL if OpenSSL failed. */
struct oscore_unsealer *oscore_unsealer_new(const struct oscore_aead *aead) __attribute__((warn_unused_result));

/* One for this key alone (borrowed until return), whose schedule is made once: faster, for who opens many messages under one key. Keys that
 * come with messages are not looked at. What OpenSSL keeps of the key is wiped with it. Returns NULL if OpenSSL failed. */
struct oscore_unsealer *oscore_unsealer_new_keyed(const struct oscore_aead *aead, const struct oscore_key *key)
	__attribute__((warn_unused_result));
void oscore_unsealer_free(struct oscore_unsealer *u); /* accepts NULL */

/* Decrypts len bytes of ciphertext, behind which the tag stands, into `plain`, which holds nothing of it unless it returns OK. For who
 * has a nonce and an AAD of other rules than RFC 8613's (oscore/group_open.h). A keyed one takes NULL as key. */
enum oscore_unseal_result oscore_unsealer_open(struct oscore_unsealer *u, const struct oscore_key *key, const uint8_t *nonce,
	const uint8_t *aad, size_t aad_len, const uint8_t *sealed, size_t len, uint8_t *plain) __attribute__((warn_unused_result));

/* Views a plaintext that was opened to bytes + OSCORE_UNSEAL_EXTRA, at least one byte, as a message. Returns OK, or INNER if it is none of its kind:
 * then `bytes` is wiped and *inner empty. */
enum oscore_unseal_result oscore_view_inner(uint8_t *bytes, size_t len, bool response, struct msg_view *inner) __attribute__((warn_unused_result));

/* Opens the payload of a request that `from`, a side of *c, protected; the option has to name it (see
 * oscore_context_is_named). Fills *inner, a view into `bytes` (capacity at least payload_len + OSCORE_UNSEAL_EXTRA): code,
 * options and payload count, its type, Message ID and token mean nothing. Fills *request for the responses.
 * On any failure `bytes` holds no plaintext and *inner is empty. */
enum oscore_unseal_result oscore_unseal_request(struct oscore_unsealer *u, const struct oscore_context *c,
	const struct oscore_side *from, const struct oscore_option *option, const uint8_t *payload, size_t payload_len,
	uint8_t *bytes, size_t capacity, struct msg_view *inner, struct oscore_request *request)
	__attribute__((warn_unused_result));

/* The same for a response that `from` protected to *request. Without a Partial IV of its own it used the request's nonce
 * (RFC 8613 5.2). */
enum oscore_unseal_result oscore_unseal_response(struct oscore_unsealer *u, const struct oscore_context *c,
	const struct oscore_side *from, const struct oscore_request *request, const struct oscore_option *option,
	const uint8_t *payload, size_t payload_len, uint8_t *bytes, size_t capacity, struct msg_view *inner)
	__attribute__((warn_unused_result));

#endif
