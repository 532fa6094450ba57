/*
 * credentials - who may ask: the file of bearer tokens and passwords, and the Authorization field that is checked by it (RFC 6750, RFC 7617).
 *
 * The file has a line for each: "bearer NAME HASH" or "basic NAME HASH", HASH the SHA-256 of the token or password in hexadecimal
 * (printf %s "$secret" | sha256sum). Empty lines and lines that begin with '#' count for nothing. A hash is no protection of a secret that
 * can be guessed, so secrets here are made by a machine: 128 bits of it.
 */
#ifndef PROXY_HTTP_CREDENTIALS_H
#define PROXY_HTTP_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "translate/http_message.h"

enum { CREDENTIAL_NAME_MAX = 128, CREDENTIALS_MAX = 100000 /* lines */, CREDENTIAL_DIGEST = 32 };

struct credentials;

/* Reads a file. NULL with the reason, "LINE: text" without a newline, in `error`, which has `room` bytes. The caller's to free. */
struct credentials *credentials_parse(const char *text, size_t len, char *error, size_t room) __attribute__((warn_unused_result));
void credentials_free(struct credentials *c); /* accepts NULL */

/* What an Authorization field proved a name by. */
struct credential_proof {
	bool used, basic;
	uint8_t digest[CREDENTIAL_DIGEST];
};

/* The name that an Authorization field proves, which lives as long as `c`, or NULL if it proves none. Sets *proof with it. */
const char *credentials_check(const struct credentials *c, struct http_text authorization, struct credential_proof *proof);

/* Whether that would still prove the name. */
bool credentials_hold(const struct credentials *c, const char *name, const struct credential_proof *proof);

#endif
