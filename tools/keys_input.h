/*
 * keys_input - what oscore-keys derives from: Master Secrets and all that both sides agreed on, by blocks as in a provisioning file.
 *
 *	context pump-7
 *		master-secret 0102030405060708090a0b0c0d0e0f10
 *		master-salt 9e7ca92223786340     # if there is one
 *		id-context 37cbf3210017a2d3      # likewise
 *		algorithm AES-CCM-16-64-128      # the default
 *		hkdf SHA-256                     # the default
 *		sender -                         # the IDs of the two; which is named first means nothing
 *		sender 01
 *
 *	group plant
 *		master-secret ...
 *		master-salt ...
 *		gid dd11
 *		algorithm, group-algorithm, signature, key-agreement, hkdf, manager-credential, countersignature: as in a provisioning file
 *		member 52 server credential ... public-key ...    # or client: who asks
 */
#ifndef TOOLS_KEYS_INPUT_H
#define TOOLS_KEYS_INPUT_H

#include "oscore/derive.h"
#include "oscore/group.h"
#include "oscore/keys_blocks.h"

/* One block. */
struct keys_input {
	char name[KEYS_NAME_MAX + 1];
	unsigned line;
	bool is_group;
	struct oscore_master_key master;
	uint8_t salt[OSCORE_SALT_MAX];
	size_t salt_len;
	/* a context */
	int aead;
	size_t sender_count;
	struct oscore_id senders[2];
	bool has_id_context;
	uint8_t id_context[OSCORE_ID_CONTEXT_MAX];
	size_t id_context_len;
	/* a group, without keys; hkdf is also the context's */
	struct oscore_group group;
	struct oscore_group_member members[OSCORE_GROUP_MEMBERS_MAX];
	bool is_server[OSCORE_GROUP_MEMBERS_MAX];
};

/* Reads a text (borrowed) into *block, one block after the other, and calls `derive` for each that is sound, with l to tell what is wrong with it.
 * *block is wiped at the end. Returns how many errors there were. */
unsigned keys_input_read(const char *text, size_t len, const struct keys_errors *errors, struct keys_input *block,
	void (*derive)(void *arg, struct keys_input *block, struct keys_lines *l), void *arg);

#endif
