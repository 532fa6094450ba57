/*
 * sealed - the security contexts of a load of real OSCORE messages: one for each client, known by their numbers to the clients (load.c), to the
 * devices, which hold all of them (origin.c), and to a gateway that reads.
 */
#ifndef TESTS_LOAD_SEALED_H
#define TESTS_LOAD_SEALED_H

#include <stdio.h>

#include "oscore/context.h"

enum { SEALED_CONTEXTS_MAX = 4096, SEALED_MESSAGE_MAX = 64 };

/* The context of client `number`, as the client sees it, or as its devices do. Ends the program if OpenSSL fails. */
void sealed_context(struct oscore_context *c, unsigned number, bool as_device);

/* The number of the client that a kid names, or -1. */
int sealed_client(const uint8_t *kid, size_t len);

/* What is inside of a request, "POST /t" with 29 bytes of payload, and of a response, 2.04 with as many as told: as seal.h takes it. Returns
 * its length. */
size_t sealed_inner(uint8_t out[SEALED_MESSAGE_MAX], bool request, size_t payload_len);

/* Writes the provisioning file of so many contexts for a gateway. */
void sealed_print_keys(FILE *out, unsigned count);

#endif
