/*
 * files - the files that a configuration names, read by the parent for its workers, and looked at before those get them:
 * certificates, keys, pre-shared keys, credentials.
 *
 * What holds secrets must be the process's own or root's, and nothing to the world.
 */
#ifndef PROXY_PROCESS_FILES_H
#define PROXY_PROCESS_FILES_H

#include <stdio.h>

#include "conf/snapshot.h"
#include "proxy/http/material.h"

/* The paths in it are the snapshot's, the bytes its own. */
struct files {
	struct material material;
};

/* Reads them. Everything that is wrong goes to `errors`, a line each: "NAME:LINE: setting: text", name being the configuration's. Returns 0,
 * or -1 if anything was; *f is to be wiped in both cases. */
int files_read(struct files *f, const char *name, const struct snapshot *conf, FILE *errors) __attribute__((warn_unused_result));

/* Wipes the bytes, frees them and empties *f. */
void files_wipe(struct files *f);

#endif
