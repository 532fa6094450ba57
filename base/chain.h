/*
 * chain - lists that run through the objects in them, by two fields for each list that an object may be in: the next object, and a link to
 * whatever points at this one (NULL: it is in no list), so that it leaves without being looked for.
 *
 * head: the pointer to the first object, not its address. Arguments are used more than once.
 */
#ifndef BASE_CHAIN_H
#define BASE_CHAIN_H

#include <stddef.h>

/* Becomes the first. It is in none so far. */
#define CHAIN_ENTER(head, object, next, link) \
	do { \
		(object)->next = (head); \
		(object)->link = &(head); \
		if ((object)->next != NULL) \
			(object)->next->link = &(object)->next; \
		(head) = (object); \
	} while (0)

/* Leaves the one it is in, if any. */
#define CHAIN_LEAVE(object, next, link) \
	do { \
		if ((object)->link != NULL) { \
			*(object)->link = (object)->next; \
			if ((object)->next != NULL) \
				(object)->next->link = (object)->link; \
			(object)->link = NULL; \
		} \
	} while (0)

#endif
