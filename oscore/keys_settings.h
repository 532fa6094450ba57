/*
 * keys_settings - what the settings of a provisioning file (oscore/keys_file.h) and of the input of oscore-keys (tools/keys_input.h) have in common.
 */
#ifndef OSCORE_KEYS_SETTINGS_H
#define OSCORE_KEYS_SETTINGS_H

#include "oscore/group.h"
#include "oscore/keys_blocks.h"
#include "oscore/names.h"

/* What a reader of such a text begins with: its `arg` to keys_blocks_read() points to this. */
struct keys_reading {
	struct keys_lines lines;
	struct oscore_group *group; /* of the block in hand, if it is one */
};

/* The number of a name, or false after telling which names there are. */
bool keys_setting_number(struct keys_lines *l, enum oscore_names kind, const struct keys_word *w, int *number);

/* An ID, of which nothing is left if it is none. */
void keys_setting_id(struct keys_lines *l, const struct keys_word *w, struct oscore_id *id);

/* Credential and public key of a member, likewise. */
void keys_setting_credential(struct keys_lines *l, const struct keys_word *credential, const struct keys_word *public_key,
	struct oscore_group_member *m);

/* The settings of a group that are the same in both, as rows of a table. */
void keys_setting_gid(void *arg, const struct keys_word *values);
void keys_setting_pairwise(void *arg, const struct keys_word *values);
void keys_setting_group_algorithm(void *arg, const struct keys_word *values);
void keys_setting_signature(void *arg, const struct keys_word *values);
void keys_setting_agreement(void *arg, const struct keys_word *values);
void keys_setting_hkdf(void *arg, const struct keys_word *values);
void keys_setting_manager(void *arg, const struct keys_word *values);
void keys_setting_countersignature(void *arg, const struct keys_word *values);

#define KEYS_GROUP_SETTINGS \
	{ "gid", 1, true, false, keys_setting_gid }, \
	{ "algorithm", 1, true, false, keys_setting_pairwise }, \
	{ "group-algorithm", 1, true, false, keys_setting_group_algorithm }, \
	{ "signature", 1, true, false, keys_setting_signature }, \
	{ "key-agreement", 1, true, false, keys_setting_agreement }, \
	{ "hkdf", 1, false, false, keys_setting_hkdf }, \
	{ "manager-credential", 1, true, false, keys_setting_manager }, \
	{ "countersignature", 1, false, false, keys_setting_countersignature }

#endif
