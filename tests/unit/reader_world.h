/*
 * reader_world - a reader's table and opener in a test, filled from the text of provisioning files, and messages for it that are protected in truth.
 */
#ifndef TESTS_UNIT_READER_WORLD_H
#define TESTS_UNIT_READER_WORLD_H

#include "oscore/opening.h"
#include "oscore/reader/open.h"
#include "tools/seal.h"

enum { WORLD_SET = 7, WORLD_FIELDS_ALL = (1 << FIELD_COUNT) - 1, WORLD_INNER_MAX = 1200 };

struct reader_world {
	struct table *table;
	struct opener *opener;
	struct opening_answer answer; /* the last one; views are valid until the next question */
};

/* Once in a program; aborts if it cannot. */
void world_start(struct reader_world *w);
void world_end(struct reader_world *w);

/* Puts a provisioning file in force as the one set there is, in place of what was; aborts if it is refused. */
void world_provision(struct reader_world *w, const char *text, uint32_t max_failures);

/* Appends a context, or a group, to the text of a file (with its terminator in `size`). */
void world_print_context(char *text, size_t size, const char *name, const struct oscore_context *c, bool sender_has_key, bool recipient_has_key);
void world_print_group(char *text, size_t size, const char *name, const struct oscore_group *g);

/* A context of two parties as the first (the client) sees it, or the other. `secret` makes the Master Secret; id_context may be NULL. */
void world_context(struct oscore_context *c, uint8_t secret, const char *client, const char *server, const char *id_context, bool as_server);

/* Something to be protected: a code, options in ascending order by number, value and length (until number 0), a payload. Returns its length. */
struct world_option {
	uint16_t number;
	const void *value;
	size_t len;
};
size_t world_inner(uint8_t out[WORLD_INNER_MAX], uint8_t code, const struct world_option *options, const void *payload, size_t payload_len);

/* Asks about a message and returns the verdict; the answer is in w->answer. Of a response, `request` is the sealed request that it answers. */
enum opening_verdict world_ask(struct reader_world *w, const struct sealed *message, const struct sealed *request, uint32_t fields);

/* The same for bytes of any kind. */
enum opening_verdict world_ask_bytes(struct reader_world *w, const struct opening_question *q);

#endif
