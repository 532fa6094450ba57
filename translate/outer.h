/*
 * outer - the options of an outgoing message made from those of the incoming one, hop by hop (RFC 7252 5.7, RFC 8613 10).
 *
 * Pure: no I/O, no clock. A plan says which options are dropped and which are added; all others are relayed, value, number
 * and order intact. The OSCORE option and the payload of an OSCORE message are always relayed byte for byte; nothing here
 * looks into them.
 */
#ifndef TRANSLATE_OUTER_H
#define TRANSLATE_OUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/errors.h"
#include "coap/message.h"
#include "coap/option.h"

enum { OUTER_ADD_MAX = 80, OUTER_DROP_WORDS = 5 };

/* What the hop changes. `add` is sorted by number and views its values; numbers up to 319 can be dropped. */
struct outer_plan {
	uint64_t drop[OUTER_DROP_WORDS];
	struct msg_option add[OUTER_ADD_MAX];
	size_t add_count;
	bool drop_payload;
	bool drop_second_etag;
	uint8_t uint_bytes[OUTER_ADD_MAX][4]; /* where added uint options keep their values */
};

/* What is known of a request once it was looked at. */
struct outer_request {
	bool oscore;
	bool forward;             /* Proxy-Uri or Proxy-Scheme */
	const struct msg_option *proxy_uri, *proxy_scheme, *uri_host, *uri_port, *oscore_option, *echo;
	uint8_t observe;          /* 0 none, 1 register, 2 cancel */
	bool observe_undefined;   /* another value: the option goes, the request is an ordinary one (RFC 7641 2) */
	bool has_block1, has_block2;
	struct opt_block block1, block2;
	bool has_hop_limit;
	uint8_t hop_limit;        /* as received, 1..255 */
	uint8_t no_response;
	bool request_tag, path_abbreviated;
	bool accepts_problem_details;
};

void outer_plan_init(struct outer_plan *plan);
void outer_drop(struct outer_plan *plan, uint16_t number);
/* Adds an option behind those of lower or equal number; the value is borrowed. Returns 0, or -1 at OUTER_ADD_MAX. */
int outer_add(struct outer_plan *plan, uint16_t number, const uint8_t *value, size_t len);
int outer_add_uint(struct outer_plan *plan, uint16_t number, uint32_t value);

/* Reads a request's options. ERR_NONE, or the error of the first thing that cannot be passed on: ERR_BAD_OPTION for an
 * unrecognised Unsafe option, a repeated OSCORE option or a path of "." or ".." (RFC 7252 5.7.1, 5.10.1; *offender is its
 * number), ERR_BLOCK_SIZE (RFC 7959 2.2), ERR_HOP_LIMIT_VALUE (RFC 8768 3), ERR_BAD_OPTION for Uri-Host that is no host. */
enum error outer_read_request(const struct msg_view *m, struct outer_request *r, uint16_t *offender);
/* The same where it came over a reliable transport, or is one of ours: its blocks may be of SZX 7 (RFC 8323 6). */
enum error outer_read_reliable_request(const struct msg_view *m, struct outer_request *r, uint16_t *offender);

/* Reads a response's options: ERR_NONE, or ERR_BAD_RESPONSE for an unrecognised Unsafe option or a bad block. */
enum error outer_check_response(const struct msg_view *m);
enum error outer_check_reliable_response(const struct msg_view *m); /* with blocks of SZX 7 */

/* Writes the options of m as planned, then the payload (of m, or `payload` if not NULL). */
void outer_write(struct msg_writer *out, const struct msg_view *m, const struct outer_plan *plan);
void outer_write_options(struct msg_writer *out, const struct msg_view *m, const struct outer_plan *plan);

#endif
