/*
 * feed_line - a record of a feed as one line: a JSON object in ASCII, and a newline. Depends on nothing but its arguments.
 *
 * What is under "inner" was in the OSCORE message and is genuine; everything beside it is what an outsider may have written. Its keys are the
 * names that a configuration asks for fields by. What is absent has no key.
 */
#ifndef PROXY_EXCHANGE_FEED_LINE_H
#define PROXY_EXCHANGE_FEED_LINE_H

#include "base/bytes.h"
#include "proxy/exchange/feed.h"

/* Writes it; w->failed says that it has no room. `time` as the access log has it; hash_key: of kids. */
void feed_line_write(struct writer *w, const struct feed_record *r, const char *time, enum kid_form form, const struct hash_key *hash_key);

#endif
