/*
 * table - the contexts that are in force: who may have sent a message, by the kid and kid context of its option, and what is kept of each sender.
 *
 * A table is filled (table_add), completed by table_index() and from then on looked up; the next one takes over what the former one had learned of
 * senders that are the same in both. All of it lies in the vault.
 */
#ifndef OSCORE_READER_TABLE_H
#define OSCORE_READER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "oscore/keys_file.h"
#include "oscore/replay.h"
#include "oscore/unseal.h"

enum {
	TABLE_CANDIDATES_MAX = 4,        /* contexts of one kid that are tried (RFC 8613 3.3) */
	TABLE_UNSEALERS_MAX = 16 * 1024, /* senders whose key schedule is kept; of others it is made for each message */
};

struct table;

/* Of contexts that are provisioned together. */
struct table_set {
	uint64_t id;           /* opening_set_id() of its name */
	uint32_t max_failures; /* 0: any number */
};

/* A context of a file; one of the two is NULL. */
struct table_context {
	const struct keys_context *plain;
	const struct keys_group *group;
	uint64_t set;
	uint32_t max_failures, failures;     /* bad tags and signatures since it is in force */
	uint32_t first_sender, sender_count; /* in the table's array: the two of a plain context, or a group's members */
};

/* Somebody who sends in a context. */
struct table_sender {
	struct table_context *context;
	const struct oscore_side *side;           /* of a plain context, else NULL */
	const struct oscore_group_member *member; /* of a group, else NULL */
	bool has_key;
	uint64_t name;                    /* by which it is known to what outlives a table */
	struct oscore_window window;      /* of what it sent: requests, and responses with a Partial IV of their own */
	struct oscore_unsealer *unsealer; /* of a plain context: made when first needed */
	uint32_t next_by_kid, next_by_both, next_by_name;
};

/* To be called once, before any other. */
void table_start(void);

/* An empty one, or NULL without memory. */
struct table *table_new(void) __attribute__((warn_unused_result));

/* Wipes and frees all of it; accepts NULL. */
void table_free(struct table *t);

/* Adds all contexts of a file to a set (takes the file, and the memory of the vault that it lies in). Returns 0, or -1 without memory: then the
 * file is still the caller's. */
int table_add(struct table *t, const struct table_set *set, struct keys_file *file) __attribute__((warn_unused_result));

/* Makes what look-ups need; nothing may be added afterwards. Returns 0, or -1 without memory. */
int table_index(struct table *t) __attribute__((warn_unused_result));

/* Moves replay windows and key schedules from senders of `before` to the same ones of t, in the same contexts. */
void table_take_over(struct table *t, struct table *before);

size_t table_context_count(const struct table *t);

/* Whether anything was added to a set. */
bool table_has_set(const struct table *t, uint64_t set);

/* Those who the option of a request says have sent it; the option has a kid. Without a kid context all contexts of the set that have this kid
 * are meant, of which TABLE_CANDIDATES_MAX are told; *more: there are others. Returns how many. */
size_t table_find(const struct table *t, uint64_t set, const struct oscore_option *o, struct table_sender *found[TABLE_CANDIDATES_MAX],
	bool *more);

/* Whether the kid context of an option names the context; one that has none names any. */
bool table_has_kid_context(const struct table_context *c, const struct oscore_option *o);

/* The other party of a plain context. */
struct table_sender *table_other(const struct table *t, const struct table_sender *s);

/* A member of a group as a sender. */
struct table_sender *table_member(const struct table *t, const struct table_context *c, const struct oscore_group_member *member);

/* For messages. */
const char *table_context_name(const struct table_context *c);

/* The unsealer of a sender of a plain context, with its key; NULL if there is none to be had: then one without a key has to do. */
struct oscore_unsealer *table_unsealer(struct table *t, struct table_sender *s);

#endif
