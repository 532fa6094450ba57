/*
 * group_open - verifies messages of Group OSCORE's group mode, and opens those that verified (draft-ietf-core-oscore-groupcomm 4, 7.2, 7.4).
 *
 * The signature comes first: unless it is right no key touches the ciphertext, so that no plaintext ever exists of a message whose sender is not
 * proven. Replay is the caller's to check, as with oscore/unseal.h.
 */
#ifndef OSCORE_GROUP_OPEN_H
#define OSCORE_GROUP_OPEN_H

#include "coap/message.h"
#include "oscore/group.h"
#include "oscore/unseal.h"

enum oscore_group_result {
	OSCORE_GROUP_OPENED = 0,
	OSCORE_GROUP_VERIFIED = 1,    /* its signature is right; of its sender there is no key, or reading was not asked for */
	OSCORE_GROUP_FORMAT = -1,     /* option lacks what is needed, or no room for a signature, a tag and a code */
	OSCORE_GROUP_STRANGER = -2,   /* the group has no member of that kid */
	OSCORE_GROUP_SIGNATURE = -3,  /* not by the member it names, or altered */
	OSCORE_GROUP_TAG = -4,        /* signed by the member, yet not protected with its key */
	OSCORE_GROUP_INNER = -5,      /* genuine, but what it holds is no request or response */
	OSCORE_GROUP_SIZE = -6,       /* longer than OSCORE_GROUP_PAYLOAD_MAX, or the buffer is too small */
	OSCORE_GROUP_BROKEN = -7,     /* OpenSSL failed: ours */
};

enum {
	OSCORE_GROUP_PAYLOAD_MAX = 66 * 1024,
	OSCORE_GROUP_EXTRA = OSCORE_UNSEAL_EXTRA, /* bytes a buffer needs beyond the payload's */
};

/* What a request leaves for its responses: they keep to it for as long as there are any, also when the group got another Gid and its members
 * other kids in between (the draft's 7.2, 7.4). */
struct oscore_group_request {
	struct oscore_id kid;
	uint8_t piv_len, gid_len;
	uint8_t piv[OSCORE_PIV_MAX];
	uint8_t gid[OSCORE_ID_CONTEXT_MAX];
};

/* Fills *r from the option of a request. Returns 0, or -1 if it has no Group Flag, kid, Partial IV or kid context, or one that is too long. */
int oscore_group_request_of(struct oscore_group_request *r, const struct oscore_option *option) __attribute__((warn_unused_result));

/* A message as it came; all is borrowed. */
struct oscore_group_message {
	struct oscore_option option;               /* parsed with OSCORE_FLAG_GROUP; a view of `value` */
	const uint8_t *value;                      /* the option byte by byte: it is part of what is signed */
	size_t value_len;
	const uint8_t *payload;                    /* ciphertext, and behind it the encrypted signature */
	size_t payload_len;
	const struct oscore_group_request *request; /* that a response answers; NULL: it is a request */
	const uint8_t *class_i;                    /* Class I options, encoded; neither RFC 8613 nor the draft has any */
	size_t class_i_len;
};

/* Fills *m, but for class_i (borrows all). Returns 0, or -1 if the option is malformed or has no Group Flag, or a request lacks something. */
int oscore_group_message_init(struct oscore_group_message *m, const uint8_t *value, size_t value_len, const uint8_t *payload, size_t payload_len,
	const struct oscore_group_request *request) __attribute__((warn_unused_result));

/* True if a message belongs to this group: its kid context is the Gid, and if a response has none, its request's was. */
bool oscore_group_concerns(const struct oscore_group *g, const struct oscore_group_message *m);

/* Who it says has sent it, or NULL. A response without kid is from the one member left who is not its requester, if there is but one. */
const struct oscore_group_member *oscore_group_sender(const struct oscore_group *g, const struct oscore_group_message *m);

/* What verifying and opening needs of OpenSSL, made once for all groups: afterwards nothing is fetched and no file opened. */
struct oscore_group_opener;

/* Returns NULL if there is no memory or OpenSSL failed. */
struct oscore_group_opener *oscore_group_opener_new(void) __attribute__((warn_unused_result));
void oscore_group_opener_free(struct oscore_group_opener *o); /* accepts NULL */

/* Overwrites what OpenSSL keeps of the keys used last. */
void oscore_group_opener_forget(struct oscore_group_opener *o);

/* Tells whether the member that a message names has signed it: VERIFIED, or what is wrong. The group is prepared. */
enum oscore_group_result oscore_group_verify(struct oscore_group_opener *o, const struct oscore_group *g, const struct oscore_group_message *m)
	__attribute__((warn_unused_result));

/* The same, and then opens it if there is a key of that member. Fills *inner, a view into `bytes` (capacity at least payload_len +
 * OSCORE_GROUP_EXTRA): code, options and payload count, its type, Message ID and token mean nothing. Unless it is OPENED, `bytes` holds no
 * plaintext and *inner is empty. */
enum oscore_group_result oscore_group_open(struct oscore_group_opener *o, const struct oscore_group *g, const struct oscore_group_message *m,
	uint8_t *bytes, size_t capacity, struct msg_view *inner) __attribute__((warn_unused_result));

#endif
