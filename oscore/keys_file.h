/*
 * keys_file - the provisioning file: derived keys of OSCORE contexts and of Group OSCORE groups, as the reader gets them.
 *
 *	context pump-7                       # a name, for messages alone
 *		algorithm AES-CCM-16-64-128
 *		id-context 37cbf3210017a2d3      # if there is one
 *		common-iv 4622d4dd6d944168eefb54987c
 *		sender - f0910ed7295e6ad4b54fc793154302ff   # an ID, and the key of that sender: what it sends can be read
 *		sender 01 none                   # known by its ID alone
 *
 *	group plant
 *		gid dd11
 *		algorithm AES-CCM-16-64-128      # AEAD of the pairwise mode, or none
 *		group-algorithm AES-CCM-16-64-128
 *		signature EdDSA
 *		key-agreement ECDH-SS-HKDF-256   # or none
 *		hkdf SHA-256                     # the default
 *		common-iv ...                    # if any member is to be read
 *		signature-encryption-key ...
 *		manager-credential ...
 *		countersignature five            # elements of the structure that is signed: five (the default) or four
 *		member 52 credential ... public-key ... key none
 *
 * Lines and words as in oscore/keys_lines.h, blocks as in oscore/keys_blocks.h. A context has two senders; which is named first means nothing. No Master Secret can be in such a file:
 * who has one could make messages, and read what the file's writer kept back (RFC 8613 3.2).
 */
#ifndef OSCORE_KEYS_FILE_H
#define OSCORE_KEYS_FILE_H

#include "oscore/group.h"
#include "oscore/keys_blocks.h"

enum {
	KEYS_CONTEXTS_MAX = 16384, /* of one file */
	KEYS_GROUPS_MAX = 1024,
	KEYS_MEMBERS_MAX = 16384,  /* of all its groups; of each OSCORE_GROUP_MEMBERS_MAX */
};

struct keys_context {
	char name[KEYS_NAME_MAX + 1];
	unsigned line;
	struct oscore_context context; /* `sender` and `recipient` are the two in the order of the file */
	bool sender_has_key, recipient_has_key;
};

struct keys_group {
	char name[KEYS_NAME_MAX + 1];
	unsigned line;
	struct oscore_group group; /* prepared */
};

/* All of it, and all it points to, lies in the memory that was given. */
struct keys_file {
	size_t size; /* of that memory */
	size_t context_count, group_count;
	struct keys_context *contexts;
	struct keys_group *groups;
};

/* How many bytes of memory a text needs. At most about 40 MB: what is beyond the limits is counted no more, and keys_file_parse() refuses it. */
size_t keys_file_size(const char *text, size_t len);

/* Reads a text (borrows it) into memory of that size, aligned as malloc() does. Returns the file at its beginning; or NULL if anything was
 * wrong: then every error was told, and the memory is wiped.
 *
 * Refused are, besides what cannot be read: lines that are missing or stand twice, keys and IVs that are not as long as the algorithm wants, IDs
 * longer than its nonce allows, two senders of one ID, a sender that another context has with the same Common IV and ID Context (RFC 8613 3.3), two
 * groups of one Gid, and what oscore_group_prepare() refuses. */
struct keys_file *keys_file_parse(void *memory, const char *text, size_t len, const struct keys_errors *errors)
	__attribute__((warn_unused_result));

/* Frees what groups have of OpenSSL and wipes the memory, which stays its owner's; accepts NULL. */
void keys_file_wipe(struct keys_file *f);

#endif
