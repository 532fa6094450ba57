/*
 * group_world - groups for tests: a client 01, a server 02 and a bystander 03 with fresh private keys, and the bundle of a reader beside them.
 */
#ifndef TESTS_UNIT_GROUP_WORLD_H
#define TESTS_UNIT_GROUP_WORLD_H

#include "oscore/group_open.h"
#include "tools/group_derive.h"
#include "tools/group_seal.h"

enum { GROUP_CLIENT, GROUP_SERVER, GROUP_BYSTANDER, GROUP_WORLD_MEMBERS };

struct group_world {
	struct oscore_group group;   /* as its members have it: with all keys */
	struct oscore_group_member members[GROUP_WORLD_MEMBERS];
	struct evp_pkey_st *private_keys[GROUP_WORLD_MEMBERS];
	struct group_signer signers[GROUP_WORLD_MEMBERS];
	struct oscore_group bundle;  /* as the reader has it */
	struct oscore_group_member bundle_members[GROUP_WORLD_MEMBERS];
};

/* Aborts if it cannot. `algorithm` and `aead` are COSE numbers, aead 0 is none. */
void group_world_init(struct group_world *w, int algorithm, int aead, enum oscore_signature signature, enum oscore_hkdf hkdf);
void group_world_fini(struct group_world *w);

/* Gives the reader another bundle; a new Gid and new keys for all (the members keep their IDs and key pairs). */
void group_world_provision(struct group_world *w, enum group_profile profile);
void group_world_rekey(struct group_world *w, uint8_t epoch);

/* The group of the vector of draft-ietf-core-cacheable-oscore: its server, of which `private_key` is filled, and the client, which signs nothing
 * and has the server's key pair for want of one. *members has room for two. */
void group_of_the_vector(struct oscore_group *g, struct oscore_group_member *members, uint8_t private_key[GROUP_PRIVATE_KEY]);

#endif
