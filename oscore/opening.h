/*
 * opening - what a worker asks the reader, and what it is told: one operation, "open a message", as bytes.
 *
 * A question carries what came from the network: the value of the OSCORE option and the payload; for a response also the option of the request
 * that it answers. It carries no key, no nonce and no AAD: the reader makes these itself (RFC 8613 5.2, 5.4). An answer carries the fields that
 * were asked for, and nothing of a message that did not prove genuine. Questions and answers travel in packets of several each, at most
 * OPENING_PACKET_MAX bytes, over a socket pair that keeps packets apart; either side that cannot understand a packet drops the rest of it.
 */
#ifndef OSCORE_OPENING_H
#define OSCORE_OPENING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "coap/option.h"
#include "oscore/option.h"

enum {
	OPENING_PACKET_MAX = 96 * 1024, /* what a socket pair takes at once by default, and less than half of it */
	OPENING_PAYLOAD_MAX = 66 * 1024, /* of a message: 64 kB and its tag */
	OPENING_TEXTS_MAX = 64,         /* Uri-Path, and Uri-Query */
	OPENING_ETAG_MAX = 8,
};

/* Inner fields that may be asked for. `block` is Block1 and Block2, `size` Size1 and Size2. */
#define OPENING_FIELDS(X)                            \
	X(FIELD_CODE, "code")                        \
	X(FIELD_URI_PATH, "uri-path")                \
	X(FIELD_URI_QUERY, "uri-query")              \
	X(FIELD_CONTENT_FORMAT, "content-format")    \
	X(FIELD_OBSERVE, "observe")                  \
	X(FIELD_ETAG, "etag")                        \
	X(FIELD_MAX_AGE, "max-age")                  \
	X(FIELD_BLOCK, "block")                      \
	X(FIELD_SIZE, "size")                        \
	X(FIELD_PAYLOAD, "payload")

enum opening_field {
#define X(name, text) name,
	OPENING_FIELDS(X)
#undef X
	FIELD_COUNT
};
#define FIELD_BIT(f) (1u << (f))

/* "code uri-path ...": the fields' names in their order, with spaces. */
extern const char opening_field_names[];

struct opening_question {
	uint64_t id;              /* the asker's own; comes back */
	uint64_t set;             /* of contexts: opening_set_id() of its name */
	uint32_t fields;          /* FIELD_BIT()s */
	bool response;
	bool verify;              /* Group OSCORE: the signature is all that is wanted; nothing is decrypted, no field is told */
	const uint8_t *option, *request_option; /* request_option: of a response alone */
	uint8_t option_len, request_option_len;
	const uint8_t *payload;
	uint32_t payload_len;     /* at most OPENING_PAYLOAD_MAX */
};

enum opening_verdict {
	OPENING_OPENED,           /* genuine, as far as who holds the key can tell; the fields follow */
	OPENING_VERIFIED,         /* Group OSCORE: its signature is right, and what it protects was not read */
	OPENING_UNKNOWN,          /* there is no context of that kid and kid context */
	OPENING_NO_KEY,           /* there is, but not for this direction */
	OPENING_MALFORMED,        /* the option cannot be understood or lacks what is needed, or the payload is too short */
	OPENING_BAD,              /* the tag, or the signature, is wrong: altered, or not of this context */
	OPENING_INNER,            /* genuine, but what it holds is no message */
	OPENING_CLOSED,           /* too many were bad: nothing more is opened with this context */
	OPENING_FAILED,           /* the reader could not: out of memory, or OpenSSL failed */
	OPENING_VERDICTS
};

/* What the reader tells of a message that is OPENED; texts and payload are views into the packet. A field is there if its bit is in `fields`:
 * it was asked for, and the message has it. */
struct opening_inner {
	uint32_t fields;
	uint8_t code;
	uint8_t etag_len, etag[OPENING_ETAG_MAX]; /* of several the first */
	uint16_t content_format;
	uint32_t observe, max_age;
	bool has_block1, has_block2, has_size1, has_size2;
	struct opt_block block1, block2;
	uint32_t size1, size2;
	bool path_abbreviated;    /* FIELD_URI_PATH: the path is hidden behind Uri-Path-Abbrev, or there are more than fit: no rule about paths can be sure of it */
	struct opening_text { const uint8_t *at; uint16_t len; } path[OPENING_TEXTS_MAX], query[OPENING_TEXTS_MAX];
	uint8_t path_count, query_count;
	const uint8_t *payload;   /* whole, also where it came in Inner blocks: then with the last of them alone */
	uint32_t payload_len;
	bool payload_cut;         /* it is longer than what is kept of one */
};

struct opening_answer {
	uint64_t id;
	uint8_t verdict;          /* enum opening_verdict */
	bool seen;                /* its Partial IV was seen before in this context and direction: a replay, or a repeat */
	bool unverified;          /* whether it is fresh cannot be told: the reader has not seen this context at work since it started */
	struct opening_inner inner; /* all zero unless OPENED */
};

/* The number of a set by its name; two names of one configuration that have the same are refused by conf/check. Never 0. */
uint64_t opening_set_id(const char *name);

/* Appends one. Returns 0, or -1 if it does not fit: the writer is then as it was. */
int opening_question_write(struct writer *w, const struct opening_question *q) __attribute__((warn_unused_result));
int opening_answer_write(struct writer *w, const struct opening_answer *a) __attribute__((warn_unused_result));

/* Takes the next one off. Returns 1, 0 at the end, or -1 if what is there is none: the rest of the packet is lost. All views are into the packet. */
int opening_question_read(struct reader *r, struct opening_question *q) __attribute__((warn_unused_result));
int opening_answer_read(struct reader *r, struct opening_answer *a) __attribute__((warn_unused_result));

#endif
