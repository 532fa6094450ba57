/*
 * option - the value of the OSCORE option taken apart (RFC 8613 6.1; group flag: Group OSCORE).
 *
 * For who holds a context, or writes a log. A gateway that only carries OSCORE never calls this: it does not judge the
 * value (RFC 8613 2).
 */
#ifndef OSCORE_OPTION_H
#define OSCORE_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

enum {
	OSCORE_OPTION_MAX = 255, /* bytes of the value (RFC 8613 2) */
	OSCORE_PIV_MAX = 5,      /* bytes of a Partial IV (RFC 8613 6.1) */
};

enum oscore_flag {
	OSCORE_FLAG_PIV_LENGTH = 0x07,
	OSCORE_FLAG_KID = 0x08,
	OSCORE_FLAG_KID_CONTEXT = 0x10,
	OSCORE_FLAG_GROUP = 0x20,
};

/* A view of the value. A part that is absent is NULL; one that is present and empty is not. */
struct oscore_option {
	const uint8_t *piv, *kid_context, *kid;
	uint8_t piv_len, kid_context_len, kid_len;
	uint8_t flags; /* the flag byte; 0 for an empty value */
};

/* Takes a value apart (borrows it as long as *o is used). `extensions` has the flag bits beyond RFC 8613 that the caller
 * understands: 0 or OSCORE_FLAG_GROUP. Returns 0, or -1 if it is malformed: other reserved bits, a Partial IV length of
 * 6 or 7, a part that runs past the end, bytes left without the kid flag, a lone zero byte (RFC 8613 2), a Partial IV
 * with a leading zero (two values for one number), more than OSCORE_OPTION_MAX bytes. */
int oscore_option_parse(struct oscore_option *o, const uint8_t *value, size_t len, unsigned extensions)
	__attribute__((warn_unused_result));

/* True if it has what every request needs, a Partial IV and a kid (RFC 8613 5). */
bool oscore_option_fits_request(const struct oscore_option *o);

/* The Partial IV as the number it is; 0 if there is none. */
uint64_t oscore_option_sequence(const struct oscore_option *o);

/* What a log says in place of kid context and kid, which tell an observer who speaks (RFC 8613 12.8): the same for the
 * same pair, meaningless without the key. */
uint64_t oscore_option_kid_hash(const struct oscore_option *o, const struct hash_key *key);

#endif
