/*
 * group_derive - the keys of a Group OSCORE group from its Master Secret (draft-ietf-core-oscore-groupcomm 2.1, 2.3), and how much of them a
 * reader gets. For the machine that holds the Master Secret; no program at the gateway links it.
 */
#ifndef TOOLS_GROUP_DERIVE_H
#define TOOLS_GROUP_DERIVE_H

#include "oscore/derive.h"
#include "oscore/group.h"

/* Fills the Sender Key of every member, the Common IV and the Signature Encryption Key. Everything else of *g is there: algorithms, HKDF, Gid,
 * members. Returns 0, or -1 with no key in it: a master or salt over its limit, or OpenSSL failed. */
int group_derive(struct oscore_group *g, const struct oscore_master_key *master, const uint8_t *salt, size_t salt_len)
	__attribute__((warn_unused_result));

enum group_profile {
	GROUP_VERIFY_ONLY,    /* no content key, no Common IV: who sent a message can be told, and no message be read */
	GROUP_READ_RESPONSES, /* the Sender Keys of the servers, which are those that answer */
	GROUP_READ_BOTH,
};

/* Takes from a group what a reader of this profile is not to have. is_server[] says of each member whether it answers requests. A server that also
 * asks is read in both directions: it has one Sender Key. Where nobody is left who is read, the Common IV goes too. */
void group_restrict(struct oscore_group *g, enum group_profile profile, const bool *is_server);

#endif
