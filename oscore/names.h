/*
 * names - what the COSE registries call algorithms, and their numbers there (RFC 9053, RFC 9459).
 */
#ifndef OSCORE_NAMES_H
#define OSCORE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum oscore_names {
	OSCORE_NAMES_AEAD,      /* of oscore_aead_row() */
	OSCORE_NAMES_GROUP,     /* of oscore_group_algorithm(): those, and AES-CTR */
	OSCORE_NAMES_SIGNATURE,
	OSCORE_NAMES_AGREEMENT,
	OSCORE_NAMES_HKDF,      /* numbers: enum oscore_hkdf */
	OSCORE_NAMES_COUNT
};

/* Finds the number of a name (len bytes, upper or lower case). Returns false if there is none. */
bool oscore_names_number(enum oscore_names kind, const char *name, size_t len, int *number);

/* The registry's name of a number, or NULL. */
const char *oscore_names_name(enum oscore_names kind, int number);

/* All names of a kind, as a text for messages: "A, B, C". */
const char *oscore_names_all(enum oscore_names kind);

#endif
