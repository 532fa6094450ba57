/*
 * open - from a question to its answer: finds the contexts that a message may be of, opens or verifies it, and tells of it what was asked for.
 *
 * Nonce and AAD are made here from the OSCORE option alone (RFC 8613 5.2, 5.4). A replay is told and opened all the same: what is done about it is
 * the devices' own affair, which this must not stand in the way of. What did not prove genuine moves no replay window (RFC 8613 7.4).
 */
#ifndef OSCORE_READER_OPEN_H
#define OSCORE_READER_OPEN_H

#include "oscore/opening.h"
#include "oscore/reader/table.h"

struct opener;

/* Fetches all of OpenSSL that it will ever need. Returns NULL if that failed or there is no memory. */
struct opener *opener_new(void) __attribute__((warn_unused_result));
void opener_free(struct opener *o); /* accepts NULL; the table is not its own */

/* What it opens with from now on (borrows it until the next call). Forgets the keys used last and bodies that are not whole. */
void opener_use(struct opener *o, struct table *t);

/* Answers. Views in *a are valid until the next call. */
void opener_answer(struct opener *o, const struct opening_question *q, struct opening_answer *a);

#endif
