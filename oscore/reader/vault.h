/*
 * vault - the one mapping in which keys lie: those of the contexts, the text they came in, and everything that OpenSSL keeps.
 *
 * It is never swapped out (mlock, as far as the limits permit), never in a core dump (MADV_DONTDUMP), and what is given back is wiped at once.
 * OpenSSL allocates here alone, so a key schedule goes with the context that held it. One thread; nothing here is for speed: the steady path
 * allocates nothing.
 */
#ifndef OSCORE_READER_VAULT_H
#define OSCORE_READER_VAULT_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that are set apart; memory is taken as they come into use. */
enum { VAULT_SIZE = 128 << 20 };

/* Makes the mapping, and OpenSSL use it: to be called before anything else of OpenSSL. Returns 0, or -1 with errno. */
int vault_open(void);

/* Zeroed bytes, aligned for anything, or NULL if there is no room. */
void *vault_new(size_t size) __attribute__((warn_unused_result));
void *vault_new_array(size_t count, size_t size) __attribute__((warn_unused_result)); /* also NULL if the product overflows */

/* Wipes it and takes it back; accepts NULL. */
void vault_free(void *p);

/* Bytes that were ever in use. */
size_t vault_extent(void);

/* The errno of what kept some of it from being locked into memory, 0 if all of it is. */
int vault_unlocked(void);

/* Whether it lies in the mapping (for tests). */
bool vault_holds(const void *p);

#endif
