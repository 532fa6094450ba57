/*
 * explain_read - the part of -E (explain.h) about what a route reads of a request, and what its gate would say of it. Pure.
 */
#ifndef PROXY_DECIDE_EXPLAIN_READ_H
#define PROXY_DECIDE_EXPLAIN_READ_H

#include <stdio.h>

#include "base/errors.h"
#include "coap/uri.h"
#include "conf/snapshot.h"

/* Writes how a route reads, and what becomes of a request with this inside: a method, and the path of `uri`, which is NULL where nobody has said
 * what is inside. Returns ERR_NONE, or why a gate refuses it, once it is opened. */
enum error explain_read(FILE *out, const struct read_conf *r, bool oscore, uint8_t method, const struct uri *uri);

#endif
