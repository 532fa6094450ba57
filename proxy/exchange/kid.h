/*
 * kid - how logs and feeds name who has protected a message: as log.kid says, by the kid itself or by a hash that means nothing elsewhere
 * (RFC 8613 12.8).
 */
#ifndef PROXY_EXCHANGE_KID_H
#define PROXY_EXCHANGE_KID_H

#include <string.h>

#include "conf/snapshot.h"
#include "oscore/option.h"

enum {
	KID_TOLD_MAX = 8,  /* bytes: no algorithm has longer IDs (RFC 8613 3.3) */
	KID_HASH_TOLD = 4,
};

/* Writes it, of an option that has a kid; returns its length (an ID may have none), or -1 if nothing is to be told. */
static inline int kid_tell(const struct oscore_option *o, enum kid_form form, const struct hash_key *key, uint8_t out[KID_TOLD_MAX])
{
	uint64_t hash;
	size_t len;

	if (form == KID_NONE || o->kid == NULL)
		return -1;
	if (form == KID_HASHED) {
		hash = oscore_option_kid_hash(o, key);
		memcpy(out, &hash, KID_HASH_TOLD);
		return KID_HASH_TOLD;
	}
	len = o->kid_len < KID_TOLD_MAX ? o->kid_len : KID_TOLD_MAX;
	memcpy(out, o->kid, len);
	return (int)len;
}

#endif
