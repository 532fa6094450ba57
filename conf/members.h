/*
 * members - turns a group of named groups into a list before libconfig sees it, and keeps the names.
 *
 * libconfig looks through all earlier names of a group for each new one, which costs seconds at ten thousand routes, and
 * stops at the first name that stands twice. A list has neither. Lines stay where they are.
 */
#ifndef CONF_MEMBERS_H
#define CONF_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/arena.h"

struct member {
	char *name;
	unsigned line;
};

struct members {
	struct member *all; /* in the order of the file */
	size_t count;
};

/*
 * Rewrites the text of the group `name` at the top of `text` in place: `name: { a: { } b: { } }` becomes
 * `name: ( { } , { } )`. Returns true if it did; false leaves the text as it was: there is no such group, it stands twice, or
 * something in it is not of that form, which libconfig then says or takes.
 */
bool members_take(struct arena *a, char *text, const char *name, struct members *out);

#endif
