/*
 * keys_print - blocks of a provisioning file (oscore/keys_file.h) as text.
 */
#ifndef TOOLS_KEYS_PRINT_H
#define TOOLS_KEYS_PRINT_H

#include <stdio.h>

#include "oscore/keys_file.h"

/* A sender or member without a key is printed as known by its ID alone. */
void keys_print_context(FILE *out, const struct keys_context *c);
void keys_print_group(FILE *out, const char *name, const struct oscore_group *g);

#endif
