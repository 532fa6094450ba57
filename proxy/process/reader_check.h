/*
 * reader_check - the provisioning files of a configuration looked at without putting it in force (-t): by a reader that is started for it, since
 * nobody else reads them.
 */
#ifndef PROXY_PROCESS_READER_CHECK_H
#define PROXY_PROCESS_READER_CHECK_H

#include <stdio.h>

#include "conf/snapshot.h"

/* Everything that is wrong goes to `errors`, a line each: "file:line: text"; name is the configuration's. Waits for the reader, but not longer than it
 * may take. Returns 0, also where nothing is read, or -1 if anything was wrong. */
int reader_check(const char *name, const struct snapshot *conf, FILE *errors);

#endif
