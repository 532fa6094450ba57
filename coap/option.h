/*
 * option - the registry of CoAP options as a table (RFC 7252 5.4, 5.10 and the RFCs that added to it).
 *
 * Critical, Unsafe and NoCacheKey are properties of a number and computed from it alone (RFC 7252 5.4.6).
 */
#ifndef COAP_OPTION_H
#define COAP_OPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "coap/message.h"

enum opt_number {
	OPT_IF_MATCH = 1, OPT_URI_HOST = 3, OPT_ETAG = 4, OPT_IF_NONE_MATCH = 5, OPT_OBSERVE = 6, OPT_URI_PORT = 7,
	OPT_LOCATION_PATH = 8, OPT_OSCORE = 9, OPT_URI_PATH = 11, OPT_CONTENT_FORMAT = 12, OPT_URI_PATH_ABBREV = 13,
	OPT_MAX_AGE = 14, OPT_URI_QUERY = 15, OPT_HOP_LIMIT = 16, OPT_ACCEPT = 17, OPT_Q_BLOCK1 = 19,
	OPT_LOCATION_QUERY = 20, OPT_EDHOC = 21, OPT_BLOCK2 = 23, OPT_BLOCK1 = 27, OPT_SIZE2 = 28, OPT_Q_BLOCK2 = 31,
	OPT_PROXY_URI = 35, OPT_PROXY_SCHEME = 39, OPT_SIZE1 = 60, OPT_PROXY_CRI = 235, OPT_PROXY_SCHEME_NUMBER = 239,
	OPT_ECHO = 252, OPT_NO_RESPONSE = 258, OPT_REQUEST_TAG = 292,
};

static inline bool opt_is_critical(uint16_t n) { return n & 1; }
static inline bool opt_is_unsafe(uint16_t n) { return n & 2; }
static inline bool opt_is_no_cache_key(uint16_t n) { return (n & 0x1e) == 0x1c; }

enum opt_format { OPT_EMPTY, OPT_OPAQUE, OPT_UINT, OPT_STRING };

/* Where an option may stand and how often. */
enum opt_use {
	OPT_IN_REQUEST = 1, OPT_IN_RESPONSE = 2, OPT_REPEAT_REQUEST = 4, OPT_REPEAT_RESPONSE = 8,
};

struct opt_row {
	uint16_t number;
	uint8_t format; /* enum opt_format */
	uint8_t use;    /* enum opt_use bits */
	uint16_t min_len, max_len;
	const char *name;
};

/* The row of a number this gateway understands (conformance table's RFC rows; not Q-Block, EDHOC, Proxy-Cri: they are
 * relayed or refused by their bits), or NULL. */
const struct opt_row *opt_row(uint16_t number);

/* True if this instance counts as recognised (RFC 7252 5.4.3, 5.4.5, 5.4.1): known number, defined for a message of
 * this code, legal length, and not a supernumerary copy; `earlier` is how many options of the number came before it. */
bool opt_is_recognised(const struct msg_option *o, uint8_t code, unsigned earlier);

/* A Block1 or Block2 value (RFC 7959 2.2). SZX 7 is for reliable transports: several times 1024 bytes, of which each counts in NUM as a block
 * of its own (RFC 8323 6). */
enum { OPT_SZX_LARGEST = 6, OPT_SZX_BERT = 7, OPT_BLOCK_LARGEST = 1024, OPT_BLOCK_NUMBERS = 1 << 20 }; /* RFC 7959 2.2 */

struct opt_block {
	uint32_t num;
	bool more;
	uint8_t szx; /* 0..7; size is 16 << szx for 0..6 */
};

/* Bytes by which NUM counts: of SZX 0..6 the block's size. */
static inline uint32_t opt_block_unit(uint8_t szx)
{
	return szx == OPT_SZX_BERT ? OPT_BLOCK_LARGEST : 16u << szx;
}

/* Where in the body it begins. */
static inline uint64_t opt_block_offset(const struct opt_block *b)
{
	return (uint64_t)b->num * opt_block_unit(b->szx);
}

/* Whether a payload of this length can be that block: with more to come exactly its size, or a multiple of 1024 (RFC 7959 2.3, RFC 8323 6). */
static inline bool opt_block_holds(const struct opt_block *b, size_t len)
{
	if (b->szx == OPT_SZX_BERT)
		return !b->more || (len > 0 && len % OPT_BLOCK_LARGEST == 0);
	return b->more ? len == opt_block_unit(b->szx) : len <= opt_block_unit(b->szx);
}
/* Returns 0, or -1 if the value has more than 3 bytes behind its leading zeros. */
int opt_block_parse(struct opt_block *b, const struct msg_option *o) __attribute__((warn_unused_result));
uint32_t opt_block_value(const struct opt_block *b);

#endif
