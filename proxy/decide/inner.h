/*
 * inner - what a gate decides by what was read of a request: whether it may go on. Pure.
 *
 * Rules are about a method and the decoded segments of a path, and a device may take for the same what is not. So where a gate has rules,
 * paths that have another spelling are refused whatever the rules say: with "." or "..", an empty segment anywhere but at the end, a "/"
 * or a zero byte within a segment, a percent-code (CoAP has none: a segment that holds one would be decoded a second time), bytes that are
 * no UTF-8, or hidden behind Uri-Path-Abbrev. An empty segment at the end may count or not: what is allowed must be allowed both ways,
 * what is denied is denied either way. Denials ignore case, permissions do not (RFC 7252 6.1).
 */
#ifndef PROXY_DECIDE_INNER_H
#define PROXY_DECIDE_INNER_H

#include <stdbool.h>

#include "base/errors.h"
#include "conf/snapshot.h"
#include "oscore/opening.h"

/* The fields that a request must be asked for besides those that are named. */
uint32_t inner_needed(const struct read_conf *r);

/* ERR_NONE, or why the request does not go on: ERR_READ_DENIED (a rule, or no rule about it can be sure), ERR_READ_UNKNOWN, ERR_READ_BAD,
 * ERR_READ_MALFORMED, ERR_READ_CLOSED, ERR_READER_FAILED. */
enum error inner_judge(const struct read_conf *r, const struct opening_answer *a);

/* Which of r->count_paths the path is counted under, or r->count_path_count: none. */
size_t inner_counted_path(const struct read_conf *r, const struct opening_inner *in);

#endif
