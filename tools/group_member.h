/*
 * group_member - an endpoint of Group OSCORE's group mode for tests: it accepts what its peers have signed, once, and nothing else
 * (draft-ietf-core-oscore-groupcomm 6, 7). It has no pairwise mode and no context of plain OSCORE, so that a message without the Group Flag is
 * never accepted. What it does not accept it drops; it answers no error.
 */
#ifndef TOOLS_GROUP_MEMBER_H
#define TOOLS_GROUP_MEMBER_H

#include "oscore/group_open.h"
#include "tools/group_seal.h"

enum { GROUP_MEMBER_WINDOW = 32, GROUP_MEMBER_PEERS = OSCORE_GROUP_MEMBERS_MAX };

enum group_verdict {
	GROUP_ACCEPTED,
	GROUP_NO_GROUP_MODE,  /* no Group Flag: pairwise mode, or plain OSCORE */
	GROUP_MALFORMED,
	GROUP_UNKNOWN,        /* another Gid, or no peer of that kid */
	GROUP_REPLAYED,
	GROUP_FORGED,         /* the signature is wrong */
	GROUP_UNREADABLE,     /* signed, but it does not open, or holds no message of its kind */
};
const char *group_verdict_text(enum group_verdict v);

/* Numbers that were taken: the highest, and of the 32 up to it which. */
struct group_window {
	bool any;
	uint64_t highest;
	uint32_t taken;
};

/* One request and what was accepted as its answers, by server (the draft's 5.3: the Response Number). */
struct group_exchange {
	struct oscore_group_request request;
	bool bare_taken[GROUP_MEMBER_PEERS]; /* a response without a Partial IV: the first, or none */
	struct group_window numbers[GROUP_MEMBER_PEERS];
};

struct group_member {
	struct group_signer signer;          /* its group is prepared, and has the Sender Keys of all it reads */
	struct oscore_group_opener *opener;
	uint64_t sequence;                   /* of its next message */
	struct group_window windows[GROUP_MEMBER_PEERS];
};

/* Returns 0, or -1 if there is no memory. Borrows what `signer` points to until the end. */
int group_member_init(struct group_member *m, const struct group_signer *signer) __attribute__((warn_unused_result));
void group_member_fini(struct group_member *m);

/* Judges a request. If it is accepted, *inner is a view of `bytes`, and *request is what responses answer. */
enum group_verdict group_member_take_request(struct group_member *m, const uint8_t *option, size_t option_len, const uint8_t *payload,
	size_t payload_len, uint8_t *bytes, size_t capacity, struct msg_view *inner, struct oscore_group_request *request);

/* Judges a response to one of its own requests. */
enum group_verdict group_member_take_response(struct group_member *m, struct group_exchange *exchange, const uint8_t *option, size_t option_len,
	const uint8_t *payload, size_t payload_len, uint8_t *bytes, size_t capacity, struct msg_view *inner);

/* Protects a request of its own, and begins an exchange. Returns 0 or -1. */
int group_member_ask(struct group_member *m, struct group_sealed *s, struct group_exchange *exchange, const uint8_t *inner, size_t inner_len)
	__attribute__((warn_unused_result));

/* Protects an answer; `numbered` gives it a Partial IV of its own, which all but the first to a request must have. Returns 0 or -1. */
int group_member_answer(struct group_member *m, struct group_sealed *s, const struct oscore_group_request *request, bool numbered,
	const uint8_t *inner, size_t inner_len) __attribute__((warn_unused_result));

#endif
