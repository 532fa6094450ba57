/*
 * prepare - the sets of contexts that are to be in force next: read from their files, checked, held until the parent says whether they count.
 *
 * Nothing of them is in force before prepare_take(); what is wrong in any of them is kept as a text for the parent, and none of them counts.
 */
#ifndef OSCORE_READER_PREPARE_H
#define OSCORE_READER_PREPARE_H

#include "oscore/reader/control.h"
#include "oscore/reader/table.h"

enum {
	PREPARE_FILE_MAX = 16 << 20, /* bytes of a file */
	PREPARE_ERRORS_MAX = 64,     /* that are told */
};

/* Reads a set (READER_SET) from its file, which it closes. A generation other than that of the last one begins anew. */
void prepare_add(const struct reader_message *m, int fd);

/* Answers READER_PREPARE on `control`: all sets of the generation are sound, or why they are not; of a generation without sets there is nothing to
 * be wrong. Returns 0, or -1 if the parent cannot be told. */
int prepare_answer(uint32_t generation, int control);

/* What was prepared (now the caller's), or NULL if that generation was not, or is not sound. */
struct table *prepare_take(uint32_t generation);

/* Forgets it. */
void prepare_abort(void);

#endif
